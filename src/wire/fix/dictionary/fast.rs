//! The hot path: one look at a message that says "surely as it must be", or nothing.
//!
//! Owned by the stage that decodes. Always: what it takes, [`super::validate`] takes as well, with all checks on; what it does not
//! take is looked at there from the start. It knows header and body without groups, which is what orders are made of, and builds
//! on what the parser has found out already: no value is empty, 34 is a number, 52 a time, 43 and 97 are flags, low tags stand once.

use super::compile::{Kind, Level, MessageTable, SET_WORDS, Section, Set, Tables, Values};
use super::format::{self, Format};
use crate::wire::fix::field::{Field, Message, PLACED_TAGS};
use crate::wire::fix::tags;

/// What is done with a low tag's value: each a bit of its own, so that each is one test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shape(u8);

impl Shape {
    /// One character out of the slot's mask.
    const ONE_OF: Self = Self(1);
    const UTC_TIMESTAMP: Self = Self(2);
    const DECIMAL: Self = Self(4);
    /// It is not for this part of the message, or needs a closer look.
    const OTHER: Self = Self(8);

    #[inline(always)]
    fn is(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A low tag in a part of a message.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// One bit for a field that must be there.
    required: u32,
    /// Nothing is done with the value: any text will do, or the parser has seen to it.
    is_text: bool,
    /// Else what is.
    shape: Shape,
    /// Into [`Slots::masks`].
    mask: u8,
}
const _: () = assert!(size_of::<Slot>() == 8);

/// A part of a message, by the tag's lowest byte. High tags have no slot of their own: the parser does not know whether they stand
/// twice.
type Part = [Slot; 256];
const _: () = assert!(PLACED_TAGS <= 256);

/// Low tags of a message type.
#[derive(Debug)]
pub(super) struct Slots {
    header: Box<Part>,
    body: Box<Part>,
    /// Bit `n`: the character `ONE_OF_MIN + n` is one of the values.
    masks: [u64; 256],
    /// All that must be there; more than there can be where the message has more of them than bits.
    required: u64,
}

const ONE_OF_MIN: u8 = b'0';
/// With its SOH.
const FIRST_OF_MASK: u32 = u16::from_le_bytes([ONE_OF_MIN, 1]) as u32;
const NO_SLOT: Slot = Slot {
    required: 0,
    is_text: false,
    shape: Shape::OTHER,
    mask: 0,
};

impl Slots {
    pub fn new(level: &Level, values: &[Values]) -> Self {
        let mut this = Self {
            header: Box::new([NO_SLOT; 256]),
            body: Box::new([NO_SLOT; 256]),
            masks: [0; 256],
            required: NEVER,
        };
        let (mut masks, mut required) = (0, Some(0u32));
        for (at, entry) in level.entries.iter().enumerate() {
            if FIRST_AND_LAST.contains(&entry.tag) {
                continue;
            }
            let part = match entry.section {
                Section::Header => &mut this.header,
                _ => &mut this.body,
            };
            let slot = part[..PLACED_TAGS as usize].get_mut(entry.tag as usize);
            let is_required = level.required[at / 64] >> (at % 64) & 1 != 0;
            let bit = match (is_required, &slot, required) {
                (false, ..) => 0,
                (true, Some(_), Some(all)) if all != u32::MAX => all + 1,
                // One more than there are bits, or a high one: not looked for here.
                _ => {
                    required = None;
                    0
                }
            };
            required = required.map(|all| all | bit);
            let Some(slot) = slot else { continue };
            slot.required = bit;
            if entry.section == Section::Trailer {
                continue;
            }
            let mask = match entry.kind {
                Kind::Plain(Format::Boolean) => mask_of(b'Y') | mask_of(b'N'),
                Kind::OneOf => (0..128)
                    .filter(|c| values[entry.detail as usize].takes_one(&[*c]))
                    .fold(0, |mask, c| mask | mask_of(c)),
                _ => 0,
            };
            slot.is_text = match entry.kind {
                Kind::Plain(Format::Text) => true,
                Kind::Plain(Format::UtcTimestamp) => entry.tag == tags::SENDING_TIME,
                _ => PROVEN_BY_PARSER.contains(&entry.tag),
            };
            slot.shape = match entry.kind {
                _ if slot.is_text => continue,
                Kind::Plain(Format::Decimal) => Shape::DECIMAL,
                Kind::Plain(Format::UtcTimestamp) => Shape::UTC_TIMESTAMP,
                _ if mask != 0 && masks < this.masks.len() => {
                    slot.mask = masks as u8;
                    this.masks[masks] = mask;
                    masks += 1;
                    Shape::ONE_OF
                }
                _ => Shape::OTHER,
            };
        }
        this.required = required.map_or(NEVER, u64::from);
        this
    }
}

impl Slots {
    /// For a table whose messages are never as they must be.
    pub fn forbid(&mut self) {
        self.required = NEVER;
    }
}

/// More than any set of required fields.
const NEVER: u64 = u64::MAX;

/// Their places are proven by the parser, and their values by the framer.
const FIRST_AND_LAST: [u32; 4] = [
    tags::BEGIN_STRING,
    tags::BODY_LENGTH,
    tags::MSG_TYPE,
    tags::CHECK_SUM,
];
/// A fault of the parser's where their values are wrong.
const PROVEN_BY_PARSER: [u32; 3] = [tags::MSG_SEQ_NUM, tags::POSS_DUP_FLAG, tags::POSS_RESEND];

fn mask_of(c: u8) -> u64 {
    1u64.checked_shl(c.wrapping_sub(ONE_OF_MIN) as u32)
        .unwrap_or(0)
}

/// Whether the message is surely as it must be.
#[inline(always)]
pub(super) fn is_clean(tables: &Tables, message: &Message<'_>) -> bool {
    let quick = match message.has_high_tags() {
        true => quick::<true>(tables, message),
        false => quick::<false>(tables, message),
    };
    match quick {
        (CLEAN, _) => true,
        (left, found) => rest(tables, message, left, found),
    }
}

/// No field is left, and those are there that must be.
const CLEAN: usize = 0;
/// Nothing can be said: more fields are left than there are.
const UNKNOWN: usize = usize::MAX;

/// Goes over the fields between MsgType and CheckSum as long as they are what orders are made of: how many are left, and which
/// were found that must be there.
#[inline(never)]
fn quick<const HAS_HIGH_TAGS: bool>(tables: &Tables, message: &Message<'_>) -> (usize, u64) {
    let [_, _, _, fields @ .., last] = message.indexed() else {
        return (UNKNOWN, 0);
    };
    let is_plain = message.fault().is_none() && !message.has_repeated();
    if !is_plain || message.sending_time_ns().is_none() || last.tag != tags::CHECK_SUM {
        return (UNKNOWN, 0);
    }
    let slots = &*tables.message(message.msg_type()).slots;
    let bytes = message.bytes();
    let (mut part, mut found) = (&*slots.header, 0);
    let mut left = fields.iter();
    while let Some(field) = left.as_slice().first() {
        // Any tag that is not high is below 256.
        let at = match HAS_HIGH_TAGS {
            true => field.tag as usize,
            false => field.tag as u8 as usize,
        };
        let fits = match part.get(at) {
            None => false,
            Some(slot) => {
                found |= slot.required;
                match slot.shape {
                    _ if slot.is_text => true,
                    shape if shape.is(Shape::ONE_OF) => {
                        one_of(bytes, slots.masks[slot.mask as usize], field)
                    }
                    shape if shape.is(Shape::UTC_TIMESTAMP) => utc_timestamp(bytes, field),
                    shape if shape.is(Shape::DECIMAL) => decimal(bytes, field),
                    _ => false,
                }
            }
        };
        if fits {
            left.next();
        } else if std::ptr::eq(part, &*slots.header) {
            part = &slots.body;
        } else {
            break;
        }
    }
    match left.as_slice().len() {
        0 if found as u64 == slots.required => (CLEAN, 0),
        0 => (UNKNOWN, 0),
        left => (left, found as u64),
    }
}

/// Goes over the last `left` fields before CheckSum, where the quick loop ended: high tags, and values that need a closer look.
/// Whether all is as it must be, with the fields `found` before.
#[inline(never)]
fn rest(tables: &Tables, message: &Message<'_>, left: usize, found: u64) -> bool {
    let table = tables.message(message.msg_type());
    let fields = message.indexed();
    let fields = &fields[..fields.len() - 1];
    match fields.split_at_checked(fields.len().wrapping_sub(left)) {
        Some((before, left)) => {
            let more = look(tables, table, message.bytes(), before, left);
            more.is_some_and(|more| table.slots.required == found | more as u64)
        }
        None => false,
    }
}

/// Which of the fields `left` must be there; none where something is not as it must be.
fn look(
    tables: &Tables,
    table: &MessageTable,
    bytes: &[u8],
    before: &[Field],
    left: &[Field],
) -> Option<u32> {
    let level = &table.level;
    let entry_of = |field: &Field| {
        level
            .entries
            .get((level.place(field.tag) as usize).wrapping_sub(1))
    };
    let before = before.last().and_then(entry_of);
    let mut section = before.map_or(Section::Header, |entry| entry.section);
    // Low tags stand once: the parser has seen to it.
    let mut seen = Set::default();
    let mut found = 0;
    for field in left {
        let at = (level.place(field.tag) as usize).wrapping_sub(1);
        let entry = level.entries.get(at)?;
        if entry.section < section || entry.section == Section::Trailer {
            return None;
        }
        section = entry.section;
        let part = match section {
            Section::Header => &table.slots.header,
            _ => &table.slots.body,
        };
        match part[..PLACED_TAGS as usize].get(field.tag as usize) {
            Some(slot) => found |= slot.required,
            None => {
                let (word, bit) = (at / 64 % SET_WORDS, 1 << (at % 64));
                if seen[word] & bit != 0 {
                    return None;
                }
                seen[word] |= bit;
            }
        }
        let text = bytes.get(field.start as usize..field.end as usize)?;
        let fits = match entry.kind {
            Kind::Group => false,
            Kind::Plain(format) => format::fits(format, text),
            Kind::OneOf | Kind::Listed => {
                let values = &tables.values[entry.detail as usize];
                values.takes_one(text) || format::fits(values.format, text) && values.take(text)
            }
        };
        if !fits || text.is_empty() {
            return None;
        }
    }
    Some(found)
}

/// The character and the SOH behind it, in one.
#[inline(always)]
fn one_of(bytes: &[u8], mask: u64, field: &Field) -> bool {
    let start = field.start as usize;
    let Some(&[c, soh]) = bytes.get(start..start + 2) else {
        return false;
    };
    let at = u32::from(u16::from_le_bytes([c, soh])).wrapping_sub(FIRST_OF_MASK);
    at < 64 && mask >> at & 1 != 0
}

#[inline(always)]
fn decimal(bytes: &[u8], field: &Field) -> bool {
    let start = field.start as usize;
    let word = bytes
        .get(start..start + 8)
        .and_then(|text| text.try_into().ok());
    let len = (field.end as usize).wrapping_sub(start);
    match (word, TEXT_OF.get(len)) {
        (Some(word), Some(text)) => short_decimal(u64::from_le_bytes(word), *text, len),
        _ => false,
    }
}

/// By length: where in a word a text stands. There is no empty one.
const TEXT_OF: [u64; 9] = [
    u64::MAX,
    0xff,
    0xffff,
    0xff_ffff,
    0xffff_ffff,
    0xff_ffff_ffff,
    0xffff_ffff_ffff,
    0xff_ffff_ffff_ffff,
    u64::MAX,
];

#[inline(always)]
fn utc_timestamp(bytes: &[u8], field: &Field) -> bool {
    let start = field.start as usize;
    match bytes
        .get(start..start + 22)
        .and_then(|text| text.try_into().ok())
    {
        Some(text) => millis_timestamp(text),
        None => false,
    }
}

const EACH: u64 = 0x0101_0101_0101_0101;

/// One to eight characters, the first one lowest in the word: digits, and a point among them or not.
#[inline(always)]
fn short_decimal(word: u64, text: u64, len: usize) -> bool {
    // Digits become 0 to 9, as does what lies behind the text.
    let digits = (word ^ (EACH * 0x30)) & text;
    let others = no_digits(digits);
    if others == 0 {
        return true;
    }
    // The only one that is no digit, and what a point becomes.
    let point = others.trailing_zeros() & 0x38;
    others >> point <= 0xff && (digits >> point) as u8 == b'.' ^ b'0' && len > 1
}

/// Not zero where a byte is above 9. A carry comes out of such a byte only.
#[inline(always)]
fn no_digits(word: u64) -> u64 {
    (word.wrapping_add(EACH * 0x06) | word) & (EACH * 0xf0)
}

/// By month; February's 29th is for the closer look.
const DAYS: [u8; 16] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0];

// `-HH:MM:S` and `:SS.mmm`: digits become 0 to 9, and all others zero.
const ZEROS: [u64; 2] = [
    u64::from_le_bytes(*b"-00:00:0"),
    u64::from_le_bytes(*b":00.000\x01"),
];
// What takes the highest digit that may stand there to 15.
const TO_15: [u64; 2] = [
    u64::from_le_bytes([0, 13, 6, 0, 10, 6, 0, 10]),
    u64::from_le_bytes([0, 10, 6, 0, 6, 6, 6, 0]),
];
const WRONG: [u64; 2] = [
    u64::from_le_bytes([0xff, 0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xff, 0xf0]),
    u64::from_le_bytes([0xff, 0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xf0, 0xff]),
];

/// Not zero where such a word is not as it must be.
#[inline(always)]
fn wrong(word: u64, at: usize) -> u64 {
    (word.wrapping_add(TO_15[at]) | word) & WRONG[at]
}

/// `YYYYMMDD-HH:MM:SS.mmm` and SOH. A leap second is for the closer look.
#[inline(always)]
fn millis_timestamp(text: &[u8; 22]) -> bool {
    let word = |at: usize| {
        text[at..]
            .first_chunk()
            .map_or(0, |word| u64::from_le_bytes(*word))
    };
    let (hours, seconds) = (word(8) ^ ZEROS[0], word(14) ^ ZEROS[1]);
    let date = word(0) ^ (EACH * 0x30);
    wrong(hours, 0) | wrong(seconds, 1) | no_digits(date) == 0
        && ((hours >> 8) as u16).swap_bytes() <= 0x0203
        && is_day(date)
}

/// `YYYYMMDD`, as digits from 0 to 9.
#[inline(always)]
fn is_day(digits: u64) -> bool {
    let pairs = digits * 10 + (digits >> 8);
    let [_, _, _, _, month, _, day, _] = pairs.to_le_bytes();
    match DAYS.get(month as usize) {
        Some(days) => day.wrapping_sub(1) < *days,
        None => false,
    }
}
