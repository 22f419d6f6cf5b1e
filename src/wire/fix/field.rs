//! One pass over a framed message: an index of its fields, and the header's values picked up on the way.
//!
//! Owned by the stage that decodes; the scratch index is reused from message to message. Always: a [`Message`] refers only to
//! ranges inside its frame; fields stand in the order of the wire; length-prefixed data fields may contain any byte.
//! Garbled messages are errors; what FIX answers with a Reject is a message with a [`Fault`], so that it can be answered.

use super::digits;
use super::msg_type::MsgType;
use super::reject::SessionRejectReason;
use super::tags;
use super::time;
use crate::limits::{FIELDS_MAX, FRAME_BYTES_MAX};

const SOH: u8 = 1;
/// Highest tag that is read; user-defined tags end at 39999, and some venues go beyond.
const TAG_MAX: u32 = 999_999;

/// Offsets are 16 bits wide.
const _: () = assert!(FRAME_BYTES_MAX <= u16::MAX as usize);

/// A field: its tag, and where in the frame its value stands.
#[derive(Clone, Copy, Default)]
pub(in crate::wire::fix) struct Field {
    pub(in crate::wire::fix) tag: u32,
    pub(in crate::wire::fix) start: u16,
    pub(in crate::wire::fix) end: u16,
}

/// Tags below are found without a search.
const LOW_TAGS: usize = 160;
/// Where a low tag stands: position plus one, and whether it stands there again.
type Place = u16;
/// Mark of a place whose tag stands more than once.
pub(super) const REPEATED: Place = 1 << 15;
const _: () = assert!(FIELDS_MAX < REPEATED as usize);
/// Tags below have a place.
pub(super) const PLACED_TAGS: u32 = LOW_TAGS as u32;

/// Scratch for [`parse`]: below 3 KiB, reused.
pub struct FieldIndex {
    fields: [Field; FIELDS_MAX],
    places: [Place; LOW_TAGS],
}

impl FieldIndex {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            fields: [Field {
                tag: 0,
                start: 0,
                end: 0,
            }; FIELDS_MAX],
            places: [0; LOW_TAGS],
        }
    }
}

impl Default for FieldIndex {
    fn default() -> Self {
        Self::new()
    }
}

/// The bytes are no FIX message: garbled in the sense of the specification, to be ignored without consuming a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// Offset into the frame.
    pub position: usize,
    /// What is wrong there.
    pub why: ParseFault,
}

/// What makes a message garbled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseFault {
    /// A tag that is no number, or too large for one.
    Tag,
    /// The last field has no SOH, or a data field runs over the end.
    Truncated,
    /// 8, 9 and 35 are not the first three fields, or 10 is not the last.
    Order,
    /// Longer than a frame may be.
    TooLong,
}

/// What a Reject(35=3) answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// RefTagID(371), as the peer wrote it: it may be a number that is no tag; `None` where it is the message as such
    pub tag: Option<i32>,
    /// SessionRejectReason(373)
    pub reason: SessionRejectReason,
}

/// A message whose fields are indexed.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
    places: &'a [Place; LOW_TAGS],
    has_high_tags: bool,
    has_repeated: bool,
    msg_type: MsgType,
    msg_seq_num: Option<u64>,
    sending_time_ns: Option<u64>,
    poss_dup: bool,
    poss_resend: bool,
    fault: Option<Fault>,
}

/// Indexes the fields of `frame` (one whole message, as [`super::frame::next_frame`] cuts it).
pub fn parse<'a>(frame: &'a [u8], scratch: &'a mut FieldIndex) -> Result<Message<'a>, ParseError> {
    let error = |position, why| Err(ParseError { position, why });
    if frame.len() > FRAME_BYTES_MAX {
        return error(FRAME_BYTES_MAX, ParseFault::TooLong);
    }
    let Some(body_end) = body_end(frame) else {
        return error(frame.len(), ParseFault::Order);
    };
    let FieldIndex { fields, places } = scratch;
    *places = [0; LOW_TAGS];
    let mut rare = Rare::default();
    let mut count = 0usize;
    let mut at = 0usize;
    while at < body_end {
        let Some(word) = word_at(frame, at) else {
            return error(at, ParseFault::Truncated);
        };
        let Some((tag, start)) = read_tag(frame, at, word as u32) else {
            return error(at, ParseFault::Tag);
        };
        let end = if rare.data_tag != 0 {
            rare.data_end(frame, tag, start, body_end)
        } else {
            // There is none in the tag, so the first one ends the value.
            let ends = soh_mask(word);
            match ends {
                0 => find_soh(frame, at + 8),
                _ => Some(at + (ends.trailing_zeros() / 8) as usize),
            }
        };
        let Some(end) = end else {
            return error(start, ParseFault::Truncated);
        };
        at = end + 1;
        let Some(field) = fields.get_mut(count) else {
            rare.set_fault(tag, SessionRejectReason::Other);
            continue;
        };
        *field = Field {
            tag,
            start: start as u16,
            end: end as u16,
        };
        count += 1;
        let place = if tag < LENGTH_TAG_MIN && start != end {
            &mut places[tag as usize]
        } else {
            rare.note(tag, &frame[start..end]);
            match places.get_mut(tag as usize) {
                Some(place) => place,
                None => continue,
            }
        };
        if *place == 0 {
            *place = count as Place;
        } else {
            rare.repeated(place);
        }
    }
    let first = [tags::BEGIN_STRING, tags::BODY_LENGTH, tags::MSG_TYPE];
    if count < 3 || (0..3).any(|n| fields[n].tag != first[n]) {
        return error(0, ParseFault::Order);
    }
    if let Some(field) = fields.get_mut(count) {
        *field = Field {
            tag: tags::CHECK_SUM,
            start: (body_end + 3) as u16,
            end: (frame.len() - 1) as u16,
        };
        count += 1;
    }
    Ok(Message::new(frame, &fields[..count], places, &rare))
}

/// Lowest tag of a length field.
const LENGTH_TAG_MIN: u32 = 90;
/// `10=NNN<SOH>`
const TRAILER_BYTES: usize = 7;

/// Where the trailer begins: behind it there is always a word to load from any place of the body.
fn body_end(frame: &[u8]) -> Option<usize> {
    let (body, trailer) = frame.split_last_chunk::<TRAILER_BYTES>()?;
    let [b'1', b'0', b'=', _, _, _, SOH] = trailer else {
        return None;
    };
    (body.last() == Some(&SOH)).then_some(body.len())
}

/// What most fields have nothing to do with, kept out of the way of the loop.
#[derive(Default)]
struct Rare {
    fault: Option<Fault>,
    has_high_tags: bool,
    has_repeated: bool,
    /// The data field that the length field before it announced; zero for none.
    data_tag: u32,
    data_len: usize,
}

impl Rare {
    /// The first one keeps its place.
    #[cold]
    #[inline(never)]
    fn repeated(&mut self, place: &mut Place) {
        *place |= REPEATED;
        self.has_repeated = true;
    }

    /// Fields with no value, with a length of data, or with a high tag.
    #[inline(never)]
    fn note(&mut self, tag: u32, value: &[u8]) {
        self.has_high_tags |= tag >= PLACED_TAGS;
        if tag > TAG_MAX {
            return self.set_fault(tag, SessionRejectReason::InvalidTagNumber);
        }
        if value.is_empty() {
            self.set_fault(tag, SessionRejectReason::TagWithoutValue);
        } else if let Some(data_tag) = tags::data_tag_of(tag) {
            match digits(value) {
                Some(len) if len <= FRAME_BYTES_MAX as u64 => {
                    self.data_tag = data_tag;
                    self.data_len = len as usize;
                }
                _ => self.set_fault(tag, SessionRejectReason::BadFormat),
            }
        }
    }

    /// The end of the field behind a length field: by the length where it leads to a SOH, else at the first SOH.
    #[inline(never)]
    fn data_end(&mut self, frame: &[u8], tag: u32, start: usize, body_end: usize) -> Option<usize> {
        let (data_tag, end) = (self.data_tag, start + self.data_len);
        self.data_tag = 0;
        if tag == data_tag && end < body_end && frame[end] == SOH {
            return Some(end);
        }
        find_soh(frame, start)
    }

    /// Keeps the fault with the lowest tag, as the specification orders the checks.
    #[cold]
    #[inline(never)]
    fn set_fault(&mut self, tag: u32, reason: SessionRejectReason) {
        set_fault(&mut self.fault, tag, reason);
    }
}

/// Keeps the fault with the lowest tag.
#[cold]
#[inline(never)]
fn set_fault(fault: &mut Option<Fault>, tag: u32, reason: SessionRejectReason) {
    let tag = Some(tag as i32);
    if fault.is_none_or(|fault| tag < fault.tag) {
        *fault = Some(Fault { tag, reason });
    }
}

#[inline(always)]
fn word_at(frame: &[u8], at: usize) -> Option<u64> {
    let bytes = frame.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// Tag and the offset of its value. Tags of one to three digits out of one word, the one at `at`.
#[inline(always)]
fn read_tag(frame: &[u8], at: usize, word: u32) -> Option<(u32, usize)> {
    // Digits become 0 to 9, and `=` behind them zero. A byte is a digit if its high half is zero, also after six is added.
    let two = word ^ 0x003d_3030;
    if (two | two.wrapping_add(0x0606)) & 0x00ff_f0f0 == 0 {
        return Some(((two & 0xff) * 10 + (two >> 8 & 0xff), at + 3));
    }
    let three = word ^ 0x3d30_3030;
    if (three | three.wrapping_add(0x0006_0606)) & 0xfff0_f0f0 == 0 {
        let tag = (three & 0xff) * 100 + (three >> 8 & 0xff) * 10 + (three >> 16);
        return Some((tag, at + 4));
    }
    let one = word ^ 0x3d30;
    if (one | one.wrapping_add(0x06)) & 0xfff0 == 0 {
        return Some((one & 0xff, at + 2));
    }
    read_long_tag(frame, at)
}

#[cold]
#[inline(never)]
fn read_long_tag(frame: &[u8], at: usize) -> Option<(u32, usize)> {
    // A number below zero is no tag, but it is a number: such a field is rejected, and not the whole message ignored.
    let minus = frame[at] == b'-';
    let first = at + minus as usize;
    let (mut at, mut tag) = (first, 0u32);
    loop {
        let c = *frame.get(at)?;
        let digit = c.wrapping_sub(b'0') as u32;
        if digit > 9 {
            let tag = if minus { tag.wrapping_neg() } else { tag };
            return (c == b'=' && at > first).then_some((tag, at + 1));
        }
        tag = tag * 10 + digit;
        if tag > TAG_MAX {
            return None;
        }
        at += 1;
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Not zero where a byte of `word` is SOH; the lowest bit that is set belongs to the first of them.
#[inline(always)]
fn soh_mask(word: u64) -> u64 {
    let word = word ^ ONES;
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// The first SOH at or after `from`, a word at a time.
#[inline(always)]
fn find_soh(frame: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let ends = soh_mask(word_at(frame, at)?);
        if ends != 0 {
            return Some(at + (ends.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
}

impl<'a> Message<'a> {
    #[inline]
    fn new(
        bytes: &'a [u8],
        fields: &'a [Field],
        places: &'a [Place; LOW_TAGS],
        rare: &Rare,
    ) -> Self {
        let mut message = Self {
            bytes,
            fields,
            places,
            has_high_tags: rare.has_high_tags,
            has_repeated: rare.has_repeated,
            msg_type: MsgType::default(),
            msg_seq_num: None,
            sending_time_ns: None,
            poss_dup: false,
            poss_resend: false,
            fault: rare.fault,
        };
        message.msg_type = MsgType::from_bytes(message.msg_type_bytes());
        if message.has_repeated {
            message.note_repeated();
        }
        if places[0] != 0 {
            set_fault(&mut message.fault, 0, SessionRejectReason::InvalidTagNumber);
        }
        message.sending_time_ns = message.sending_time().and_then(time::parse_utc);
        message.poss_dup = message.header_flag(tags::POSS_DUP_FLAG);
        message.poss_resend = message.header_flag(tags::POSS_RESEND);
        if let Some(text) = message.header(tags::MSG_SEQ_NUM) {
            message.msg_seq_num = digits(text);
            if message.msg_seq_num.is_none() {
                set_fault(
                    &mut message.fault,
                    tags::MSG_SEQ_NUM,
                    SessionRejectReason::BadFormat,
                );
            }
        }
        message
    }

    /// A header field; `None` where it is absent or empty.
    #[inline]
    fn header(&self, tag: u32) -> Option<&'a [u8]> {
        let place = self.place(tag);
        if place == 0 {
            return None;
        }
        let value = self.value_at(place);
        (!value.is_empty()).then_some(value)
    }

    /// Header fields must stand once.
    #[cold]
    fn note_repeated(&mut self) {
        for tag in [
            tags::MSG_SEQ_NUM,
            tags::MSG_TYPE,
            tags::POSS_DUP_FLAG,
            tags::SENDER_COMP_ID,
            tags::SENDING_TIME,
            tags::TARGET_COMP_ID,
            tags::POSS_RESEND,
            tags::ORIG_SENDING_TIME,
        ] {
            if self.place_and_repeat(tag) & REPEATED != 0 {
                set_fault(&mut self.fault, tag, SessionRejectReason::TagRepeated);
            }
        }
    }

    #[inline]
    fn header_flag(&mut self, tag: u32) -> bool {
        match self.header(tag) {
            None | Some(b"N") => false,
            Some(b"Y") => true,
            Some(_) => {
                set_fault(&mut self.fault, tag, SessionRejectReason::BadFormat);
                false
            }
        }
    }

    /// The place of a low tag, 0 where it is absent.
    #[inline]
    pub(super) fn place(&self, tag: u32) -> u16 {
        self.places
            .get(tag as usize)
            .map_or(0, |place| place & !REPEATED)
    }

    /// The place of a low tag, with the mark [`REPEATED`] where it stands more than once.
    #[inline]
    pub(super) fn place_and_repeat(&self, tag: u32) -> u16 {
        self.places.get(tag as usize).copied().unwrap_or(0)
    }

    /// The value at a place; empty for none.
    #[inline]
    pub(super) fn value_at(&self, place: u16) -> &'a [u8] {
        match self
            .fields
            .get(((place & !REPEATED) as usize).wrapping_sub(1))
        {
            Some(field) => self.value(field),
            None => &[],
        }
    }

    /// Whether tags stand in the message that have no place.
    #[inline]
    pub(super) fn has_high_tags(&self) -> bool {
        self.has_high_tags
    }

    /// Whether a tag that has a place stands in the message more than once.
    #[inline]
    pub(super) fn has_repeated(&self) -> bool {
        self.has_repeated
    }

    /// The fields, in the order of the wire.
    #[inline]
    pub(in crate::wire::fix) fn indexed(&self) -> &'a [Field] {
        self.fields
    }

    /// The frame.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// BeginString(8).
    pub fn begin_string(&self) -> &'a [u8] {
        self.value(&self.fields[0])
    }

    /// MsgType(35).
    #[inline]
    pub fn msg_type(&self) -> MsgType {
        self.msg_type
    }

    /// MsgType(35) as sent.
    pub fn msg_type_bytes(&self) -> &'a [u8] {
        self.value(&self.fields[2])
    }

    /// MsgSeqNum(34); `None` where absent or no number (then there is a fault).
    pub fn msg_seq_num(&self) -> Option<u64> {
        self.msg_seq_num
    }

    /// PossDupFlag(43).
    pub fn poss_dup(&self) -> bool {
        self.poss_dup
    }

    /// PossResend(97).
    pub fn poss_resend(&self) -> bool {
        self.poss_resend
    }

    /// SenderCompID(49).
    pub fn sender_comp_id(&self) -> Option<&'a [u8]> {
        self.header(tags::SENDER_COMP_ID)
    }

    /// TargetCompID(56).
    pub fn target_comp_id(&self) -> Option<&'a [u8]> {
        self.header(tags::TARGET_COMP_ID)
    }

    /// SendingTime(52) as sent.
    pub fn sending_time(&self) -> Option<&'a [u8]> {
        self.header(tags::SENDING_TIME)
    }

    /// SendingTime(52) in nanoseconds since 1970 UTC; `None` where absent or no time.
    #[inline]
    pub fn sending_time_ns(&self) -> Option<u64> {
        self.sending_time_ns
    }

    /// OrigSendingTime(122) as sent.
    pub fn orig_sending_time(&self) -> Option<&'a [u8]> {
        self.header(tags::ORIG_SENDING_TIME)
    }

    /// OrigSendingTime(122) in nanoseconds since 1970 UTC; `None` where absent or no time.
    pub fn orig_sending_time_ns(&self) -> Option<u64> {
        self.orig_sending_time().and_then(time::parse_utc)
    }

    /// The lowest tag of 34, 49, 52, 56 that is absent.
    pub fn missing_header_tag(&self) -> Option<u32> {
        [
            tags::MSG_SEQ_NUM,
            tags::SENDER_COMP_ID,
            tags::SENDING_TIME,
            tags::TARGET_COMP_ID,
        ]
        .into_iter()
        .find(|&tag| self.place(tag) == 0)
    }

    /// What [`parse`] found to be rejected: empty values, header fields repeated or of a wrong format, too many fields.
    #[inline]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Whether there are more fields than are kept: then CheckSum is not the last one of those.
    pub(super) fn is_cut(&self) -> bool {
        let value = self.bytes.len() - TRAILER_BYTES + 3;
        self.fields
            .last()
            .is_none_or(|last| last.start as usize != value)
    }

    /// Value of the first field with `tag`; empty where it was sent without a value.
    pub fn get(&self, tag: u32) -> Option<&'a [u8]> {
        if (tag as usize) < LOW_TAGS && tag != tags::CHECK_SUM {
            let place = self.place(tag);
            return (place != 0).then(|| self.value_at(place));
        }
        let field = self.fields.iter().find(|field| field.tag == tag)?;
        Some(self.value(field))
    }

    /// [`Message::get`], as a number.
    pub fn get_u64(&self, tag: u32) -> Option<u64> {
        self.get(tag).and_then(digits)
    }

    /// All fields, from 8 to 10, in the order of the wire.
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.fields
            .iter()
            .map(move |field| (field.tag, &bytes[field.start as usize..field.end as usize]))
    }

    #[inline]
    fn value(&self, field: &Field) -> &'a [u8] {
        &self.bytes[field.start as usize..field.end as usize]
    }
}
