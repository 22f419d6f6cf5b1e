//! Writes one FIX message into a caller's slice: header, fields in the order of the calls, trailer.
//!
//! The body is written behind a reserved head; `finish` puts `8=..9=..` right-aligned before it, so that BodyLength(9) has no
//! leading zeros and nothing is moved. Fields are stored in whole words, so the slice should be some 48 bytes longer than the message. Running out of room is remembered and told by `finish`; it never panics.
//! Header order: 8, 9, 35, then ascending by tag; the caller keeps the order of the body.

use super::frame::checksum;
use super::msg_type::MsgType;
use super::tags;
use super::time::{TimeText, UtcText};
use crate::domain::price::SCALE;
use crate::domain::{FixVersion, Price, Quantity};
use std::ops::Range;

const SOH: u8 = 1;
/// `8=FIXT.1.1<SOH>9=NNNNN<SOH>`
const HEAD_BYTES: usize = 19;
const BODY_BYTES_MAX: usize = 99_999;
const TRAILER_BYTES: usize = 7;
/// `9999999=`
const PREFIX_BYTES: usize = 8;

/// Header of a message to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// BeginString(8)
    pub version: FixVersion,
    /// MsgType(35)
    pub msg_type: MsgType,
    /// MsgSeqNum(34)
    pub msg_seq_num: u64,
    /// SenderCompID(49)
    pub sender_comp_id: &'a [u8],
    /// TargetCompID(56)
    pub target_comp_id: &'a [u8],
    /// SendingTime(52), since 1970 UTC
    pub sending_time_ns: u64,
    /// PossDupFlag(43): then 122 is written too
    pub poss_dup: bool,
    /// PossResend(97)
    pub poss_resend: bool,
    /// OrigSendingTime(122) as first sent; empty: the same as SendingTime(52)
    pub orig_sending_time: &'a [u8],
    /// LastMsgSeqNumProcessed(369); `None`: not written
    pub last_processed: Option<u64>,
}

/// The slice is too short for the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// A message in the making.
pub struct Writer<'a> {
    out: &'a mut [u8],
    /// Where the next field begins; [`FULL`] once a field found no room.
    at: usize,
    version: FixVersion,
    sending_time: UtcText,
}

/// No slice is that long, so that every later field finds no room either.
const FULL: usize = usize::MAX / 2;

impl<'a> Writer<'a> {
    /// Begins a message: the whole header.
    #[inline]
    pub fn begin(out: &'a mut [u8], header: &Header<'_>, time: &mut TimeText) -> Self {
        let mut writer = Self::begin_short(out, header, time);
        writer.poss_resend(header);
        writer.rest_of_header(header);
        writer
    }

    /// Begins a message: the header up to 56. `poss_resend` and `rest_of_header` complete it.
    #[inline]
    pub fn begin_short(out: &'a mut [u8], header: &Header<'_>, time: &mut TimeText) -> Self {
        let mut writer = Self {
            out,
            at: HEAD_BYTES,
            version: header.version,
            sending_time: time.write(header.sending_time_ns),
        };
        let (msg_type, len) = header.msg_type.padded();
        writer.padded(tags::MSG_TYPE, u32::from_le_bytes(msg_type) as u64, len);
        writer.u64(tags::MSG_SEQ_NUM, header.msg_seq_num);
        if header.poss_dup {
            writer.char(tags::POSS_DUP_FLAG, b'Y');
        }
        writer.bytes(tags::SENDER_COMP_ID, header.sender_comp_id);
        writer.sending_time(tags::SENDING_TIME);
        writer.bytes(tags::TARGET_COMP_ID, header.target_comp_id);
        writer
    }

    /// 97
    #[inline]
    pub fn poss_resend(&mut self, header: &Header<'_>) {
        if header.poss_resend {
            self.char(tags::POSS_RESEND, b'Y');
        }
    }

    /// 122 and 369
    #[inline]
    pub fn rest_of_header(&mut self, header: &Header<'_>) {
        if header.poss_dup {
            if header.orig_sending_time.is_empty() {
                self.sending_time(tags::ORIG_SENDING_TIME);
            } else {
                self.bytes(tags::ORIG_SENDING_TIME, header.orig_sending_time);
            }
        }
        if let Some(number) = header.last_processed {
            self.u64(tags::LAST_MSG_SEQ_NUM_PROCESSED, number);
        }
    }

    /// A field with any value; an empty one is left out, as FIX knows no empty values.
    #[inline(always)]
    pub fn bytes(&mut self, tag: u32, value: &[u8]) {
        let (prefix, prefix_len) = prefix(tag);
        self.put_bytes(prefix, prefix_len, value);
    }

    /// A field as the peer sent it: also an empty one, where the session lets such through.
    pub fn echo(&mut self, tag: u32, value: &[u8]) {
        if !value.is_empty() {
            return self.bytes(tag, value);
        }
        let (prefix, prefix_len) = prefix(tag);
        if let Some(written) = self.window(|window: &mut [u8; PREFIX_BYTES + 1]| {
            put8(window, 0, prefix);
            window[prefix_len] = SOH;
            prefix_len + 1
        }) {
            self.at += written;
        }
    }

    /// A field of one character.
    #[inline(always)]
    pub fn char(&mut self, tag: u32, value: u8) {
        self.padded(tag, value as u64, 1);
    }

    /// `Y` or `N`.
    #[inline(always)]
    pub fn flag(&mut self, tag: u32, value: bool) {
        self.char(tag, if value { b'Y' } else { b'N' });
    }

    /// A whole number.
    #[inline(always)]
    pub fn u64(&mut self, tag: u32, value: u64) {
        let (prefix, prefix_len) = prefix(tag);
        self.put_u64(prefix, prefix_len, value);
    }

    /// A whole number that may be negative.
    pub fn i64(&mut self, tag: u32, value: i64) {
        let mut digits = [0; 20];
        let start = decimal(&mut digits, value.unsigned_abs());
        let mut text = [b'-'; 21];
        text[1..].copy_from_slice(&digits);
        let sign = (value < 0) as usize;
        text[start] = b'-';
        self.bytes(tag, &text[start + 1 - sign..]);
    }

    /// Text, and behind it the tag that it speaks of, in brackets; without them where `about` is zero.
    pub fn text_and_tag(&mut self, tag: u32, text: &[u8], about: u32) {
        let mut out = [0; 160];
        let text = &text[..text.len().min(120)];
        out[..text.len()].copy_from_slice(text);
        let mut len = text.len();
        if about != 0 {
            let (number, number_len) = prefix(about);
            let digits = &number.to_le_bytes()[..number_len - 1];
            for part in [b" (", digits, b")"] {
                out[len..len + part.len()].copy_from_slice(part);
                len += part.len();
            }
        }
        self.bytes(tag, &out[..len]);
    }

    /// A price, shortest form.
    #[inline(always)]
    pub fn price(&mut self, tag: u32, value: Price) {
        let (prefix, prefix_len) = prefix(tag);
        self.put_price(prefix, prefix_len, value);
    }

    /// A quantity.
    #[inline(always)]
    pub fn quantity(&mut self, tag: u32, value: Quantity) {
        self.u64(tag, value.0);
    }

    /// A time field with the text of SendingTime(52).
    #[inline(always)]
    pub fn sending_time(&mut self, tag: u32) {
        let (prefix, prefix_len) = prefix(tag);
        let sending_time = self.sending_time;
        let (text, len) = sending_time.padded();
        if let Some(written) = self.window(|window: &mut [u8; PREFIX_BYTES + 33]| {
            put8(window, 0, prefix);
            window[prefix_len..prefix_len + 32].copy_from_slice(text);
            window[prefix_len + len] = SOH;
            prefix_len + len + 1
        }) {
            self.at += written;
        }
    }

    /// A time field.
    pub fn timestamp(&mut self, tag: u32, time: &mut TimeText, wall_ns: u64) {
        let text = time.write(wall_ns);
        self.bytes(tag, text.as_bytes());
    }

    /// Ends the message: where it stands in the slice.
    pub fn finish(self) -> Result<Range<usize>, NoRoom> {
        let body_bytes = self.at - HEAD_BYTES;
        if self.at + TRAILER_BYTES > self.out.len() || body_bytes > BODY_BYTES_MAX {
            return Err(NoRoom);
        }
        let out = self.out;
        let mut length = [0; 20];
        let digits = decimal(&mut length, body_bytes as u64);
        let length = &length[digits..];
        let begin_string = self.version.begin_string();
        let start = HEAD_BYTES - (6 + begin_string.len() + length.len());
        let head = &mut out[start..HEAD_BYTES];
        head[..2].copy_from_slice(b"8=");
        let (text, rest) = head[2..].split_at_mut(begin_string.len());
        copy_short(text, begin_string);
        rest[..3].copy_from_slice(b"\x019=");
        rest[3..3 + length.len()].copy_from_slice(length);
        rest[3 + length.len()] = SOH;
        let sum = checksum(&out[start..self.at]);
        let trailer = [
            b'1',
            b'0',
            b'=',
            b'0' + sum / 100,
            b'0' + sum / 10 % 10,
            b'0' + sum % 10,
            SOH,
        ];
        out[self.at..self.at + TRAILER_BYTES].copy_from_slice(&trailer);
        Ok(start..self.at + TRAILER_BYTES)
    }

    /// Up to four bytes of a value, given little-endian.
    #[inline(always)]
    fn padded(&mut self, tag: u32, value: u64, len: usize) {
        if len == 0 {
            return;
        }
        let (prefix, prefix_len) = prefix(tag);
        if let Some(written) = self.window(|window: &mut [u8; PREFIX_BYTES + 8]| {
            put8(window, 0, prefix);
            put8(window, prefix_len, value | (SOH as u64) << (8 * len));
            prefix_len + len + 1
        }) {
            self.at += written;
        }
    }

    #[inline]
    fn put_bytes(&mut self, prefix: u64, prefix_len: usize, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        let Some(out) = self.out.get_mut(self.at..) else {
            self.at = FULL;
            return;
        };
        if out.len() < PREFIX_BYTES + value.len() + 1 {
            self.at = FULL;
            return;
        }
        put8_slice(out, prefix);
        let out = &mut out[prefix_len..prefix_len + value.len() + 1];
        copy_short(&mut out[..value.len()], value);
        out[value.len()] = SOH;
        self.at += prefix_len + value.len() + 1;
    }

    #[inline]
    fn put_u64(&mut self, prefix: u64, prefix_len: usize, value: u64) {
        if let Some(written) = self.window(|window: &mut [u8; PREFIX_BYTES + 32]| {
            put8(window, 0, prefix);
            let end = put_decimal(window, prefix_len, value);
            window[end] = SOH;
            end + 1
        }) {
            self.at += written;
        }
    }

    #[inline]
    fn put_price(&mut self, prefix: u64, prefix_len: usize, value: Price) {
        if let Some(written) = self.window(|window: &mut [u8; PREFIX_BYTES + 40]| {
            put8(window, 0, prefix);
            let mut at = prefix_len;
            window[at] = b'-';
            at += (value.0 < 0) as usize;
            let magnitude = value.0.unsigned_abs();
            let (whole, fraction) = (magnitude / SCALE as u64, magnitude % SCALE as u64);
            at = put_decimal(window, at, whole);
            if fraction != 0 {
                let digits = eight_digits(fraction as u32);
                window[at] = b'.';
                put8(window, at + 1, digits | ASCII_ZEROS);
                at += 9 - (digits.leading_zeros() / 8) as usize;
            }
            window[at] = SOH;
            at + 1
        }) {
            self.at += written;
        }
    }

    /// The next `N` bytes, for a field that is at most that long; `None` where there are fewer.
    #[inline(always)]
    fn window<const N: usize>(
        &mut self,
        write: impl FnOnce(&mut [u8; N]) -> usize,
    ) -> Option<usize> {
        match self
            .out
            .get_mut(self.at..)
            .and_then(|out| out.first_chunk_mut::<N>())
        {
            Some(window) => Some(write(window)),
            None => {
                self.at = FULL;
                None
            }
        }
    }
}

/// `tag=` in the low bytes, and its length. Folded to constants where the tag is one.
#[inline(always)]
const fn prefix(tag: u32) -> (u64, usize) {
    let mut text = b'=' as u64;
    let mut len = 1;
    let mut rest = tag;
    loop {
        text = text << 8 | (b'0' as u32 + rest % 10) as u64;
        len += 1;
        rest /= 10;
        // Seven digits at most; no tag has more.
        if rest == 0 || len == PREFIX_BYTES {
            return (text, len);
        }
    }
}

const ASCII_ZEROS: u64 = 0x3030_3030_3030_3030;

/// The eight digits of a number below 10^8, one per byte, the first in the lowest byte.
#[inline(always)]
fn eight_digits(value: u32) -> u64 {
    let (high, low) = ((value / 10_000) as u64, (value % 10_000) as u64);
    let fours = high | low << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | (fours - hundreds * 100) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - tens * 10) << 8
}

/// Writes `value` at `at`; returns where it ends. Needs room for 24 bytes.
#[inline(always)]
fn put_decimal(window: &mut [u8], at: usize, value: u64) -> usize {
    const EIGHT: u64 = 100_000_000;
    if value < EIGHT {
        let digits = eight_digits(value as u32);
        // The last digit stands even where it is zero.
        let skip = (digits | 1 << 56).trailing_zeros() / 8;
        put8(window, at, (digits | ASCII_ZEROS) >> (8 * skip));
        return at + 8 - skip as usize;
    }
    put_long_decimal(window, at, value)
}

#[inline(never)]
fn put_long_decimal(window: &mut [u8], at: usize, value: u64) -> usize {
    let mut text = [0; 20];
    let start = decimal(&mut text, value);
    window[at..at + 20 - start].copy_from_slice(&text[start..]);
    at + 20 - start
}

#[inline(always)]
fn put8(window: &mut [u8], at: usize, value: u64) {
    window[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

#[inline(always)]
fn put8_slice(out: &mut [u8], value: u64) {
    out[..8].copy_from_slice(&value.to_le_bytes());
}

/// Copies values of the usual length without a call. Both are of one length.
#[inline(always)]
fn copy_short(to: &mut [u8], from: &[u8]) {
    let len = from.len();
    match len {
        8..=16 => {
            let (first, last) = (load::<8>(from, 0), load::<8>(from, len - 8));
            to[..8].copy_from_slice(&first);
            to[len - 8..].copy_from_slice(&last);
        }
        4..=7 => {
            let (first, last) = (load::<4>(from, 0), load::<4>(from, len - 4));
            to[..4].copy_from_slice(&first);
            to[len - 4..].copy_from_slice(&last);
        }
        _ => to.copy_from_slice(from),
    }
}

#[inline(always)]
fn load<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&from[at..at + N]);
    bytes
}

/// Writes `value` right-aligned into `out`; returns where it begins.
#[inline]
fn decimal(out: &mut [u8; 20], mut value: u64) -> usize {
    let mut at = 20;
    loop {
        at -= 1;
        out[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FRAME_BYTES_MAX;
    use crate::wire::fix::frame::{Framing, next_frame};
    use crate::wire::fix::time::Precision;
    use crate::wire::fix::{FieldIndex, parse};

    #[test]
    fn a_logon_goes_round() {
        let mut out = [0; 256];
        let header = Header {
            version: FixVersion::Fix44,
            msg_type: MsgType::LOGON,
            msg_seq_num: 1,
            sender_comp_id: b"GATE",
            target_comp_id: b"CLIENT",
            sending_time_ns: 1_700_000_000_123_456_789,
            poss_dup: false,
            poss_resend: false,
            orig_sending_time: b"",
            last_processed: None,
        };
        let mut time = TimeText::new(Precision::Millis);
        let mut writer = Writer::begin(&mut out, &header, &mut time);
        writer.u64(tags::ENCRYPT_METHOD, 0);
        writer.u64(tags::HEART_BT_INT, 30);
        let range = writer.finish().unwrap();
        let bytes = &out[range];
        assert_eq!(
            String::from_utf8_lossy(bytes).replace('\u{1}', "|"),
            "8=FIX.4.4|9=65|35=A|34=1|49=GATE|52=20231114-22:13:20.123|56=CLIENT|98=0|108=30|10=207|"
        );
        assert_eq!(
            next_frame(bytes, FRAME_BYTES_MAX),
            Framing::Frame {
                skip: 0,
                len: bytes.len()
            }
        );
        let mut index = FieldIndex::new();
        let message = parse(bytes, &mut index).unwrap();
        assert_eq!(message.msg_type(), MsgType::LOGON);
        assert_eq!(message.msg_seq_num(), Some(1));
        assert_eq!(message.sending_time_ns(), Some(1_700_000_000_123_000_000));
        assert_eq!(message.get_u64(tags::HEART_BT_INT), Some(30));
        assert_eq!(message.fault(), None);
        assert_eq!(message.missing_header_tag(), None);
    }
}
