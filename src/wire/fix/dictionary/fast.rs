//! The hot path: one look at a message that says "surely as it must be", or nothing.
//!
//! Owned by the stage that decodes. Always: what it takes, [`super::validate`] takes as well, with all checks on; what it does not
//! take is looked at there from the start. It knows header and body without groups, which is what orders are made of, and builds
//! on what the parser has found out already: no value is empty, 34 is a number, 43 and 97 are flags, low tags stand once.

use super::compile::{Kind, Level, MessageTable, SET_WORDS, Section, Set, Tables, Values};
use super::format::{self, Format};
use crate::wire::fix::field::{Field, Message, PLACED_TAGS};
use crate::wire::fix::tags;

/// What is done with a low tag's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Shape {
    /// Nothing: any text will do, or the parser has seen to it.
    Text,
    /// One character out of the slot's mask.
    OneOf,
    UtcTimestamp,
    Decimal,
    /// It is not for this part of the message, or needs a closer look.
    Other,
}

/// A low tag in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Bit `n`: the character `ONE_OF_MIN + n` is one of the values.
    mask: u64,
    /// One bit for a field that must be there.
    required: u32,
    header: Shape,
    body: Shape,
}
const _: () = assert!(size_of::<Slot>() == 16);

/// Low tags of a message type.
#[derive(Debug)]
pub(super) struct Slots {
    slots: [Slot; PLACED_TAGS as usize],
    /// All that must be there; none where the message has more of them than bits.
    required: Option<u32>,
}

const ONE_OF_MIN: u8 = b'0';

impl Slots {
    pub fn new(level: &Level, values: &[Values]) -> Self {
        let none = Slot {
            mask: 0,
            required: 0,
            header: Shape::Other,
            body: Shape::Other,
        };
        let mut slots = [none; PLACED_TAGS as usize];
        let mut required = Some(0);
        for (at, entry) in level.entries.iter().enumerate() {
            if FIRST_AND_LAST.contains(&entry.tag) {
                continue;
            }
            let is_required = level.required[at / 64] >> (at % 64) & 1 != 0;
            let slot = slots.get_mut(entry.tag as usize);
            if is_required {
                let bit = required.and_then(|all: u32| 1u32.checked_shl(all.count_ones()));
                // A high one is not looked for here.
                required = slot.as_ref().and_then(|_| bit).and_then(|bit| Some(required? | bit));
            }
            let Some(slot) = slot else { continue };
            if let (true, Some(all)) = (is_required, required) {
                slot.required = 1 << (all.count_ones() - 1);
            }
            let shape = match entry.kind {
                _ if PROVEN_BY_PARSER.contains(&entry.tag) => Shape::Text,
                Kind::Plain(Format::Text) => Shape::Text,
                Kind::Plain(Format::Decimal) => Shape::Decimal,
                Kind::Plain(Format::UtcTimestamp) => Shape::UtcTimestamp,
                Kind::Plain(Format::Boolean) => {
                    slot.mask = mask_of(b'Y') | mask_of(b'N');
                    Shape::OneOf
                }
                Kind::OneOf => {
                    let values = &values[entry.detail as usize];
                    slot.mask = (0..128)
                        .filter(|c| values.mask[*c as usize / 64] >> (c % 64) & 1 != 0)
                        .fold(0, |mask, c| mask | mask_of(c));
                    Shape::OneOf
                }
                _ => Shape::Other,
            };
            match entry.section {
                Section::Header => slot.header = shape,
                Section::Body => slot.body = shape,
                Section::Trailer => {}
            }
        }
        Self { slots, required }
    }
}

/// Their places are proven by the parser, and their values by the framer.
const FIRST_AND_LAST: [u32; 4] = [
    tags::BEGIN_STRING,
    tags::BODY_LENGTH,
    tags::MSG_TYPE,
    tags::CHECK_SUM,
];
/// A fault of the parser's where their values are wrong.
const PROVEN_BY_PARSER: [u32; 3] = [
    tags::MSG_SEQ_NUM,
    tags::POSS_DUP_FLAG,
    tags::POSS_RESEND,
];

fn mask_of(c: u8) -> u64 {
    1u64.checked_shl(c.wrapping_sub(ONE_OF_MIN) as u32).unwrap_or(0)
}

/// Whether the message is surely as it must be.
#[inline]
pub(super) fn is_clean(tables: &Tables, table: &MessageTable, message: &Message<'_>) -> bool {
    let [_, _, _, fields @ .., last] = message.indexed() else {
        return false;
    };
    if message.fault().is_some() || message.has_repeated() || last.tag != tags::CHECK_SUM {
        return false;
    }
    let mut look = Look {
        tables,
        table,
        bytes: message.bytes(),
        seen: Set::default(),
    };
    let mut date = 0;
    let (found_in_header, body) = look.part::<true>(fields, &mut date);
    let (found_in_body, rest) = look.part::<false>(body, &mut date);
    rest.is_empty() && table.slots.required == Some(found_in_header | found_in_body)
}

struct Look<'a> {
    tables: &'a Tables,
    table: &'a MessageTable,
    bytes: &'a [u8],
    /// Tags that needed a closer look: high ones may stand twice.
    seen: Set,
}

impl<'a> Look<'a> {
    /// Goes over the fields of the header, or of the body, as far as they are as they must be: which of those were found that
    /// must be there, and what is left.
    #[inline(always)]
    fn part<'f, const HEADER: bool>(
        &mut self,
        mut fields: &'f [Field],
        proven_date: &mut u64,
    ) -> (u32, &'f [Field]) {
        let (slots, bytes) = (&self.table.slots.slots, self.bytes);
        let mut found = 0;
        while let [field, rest @ ..] = fields {
            let fits = match slots.get(field.tag as usize) {
                Some(slot) => {
                    let fits = match if HEADER { slot.header } else { slot.body } {
                        Shape::Text => true,
                        Shape::OneOf => one_of(bytes, slot, field),
                        Shape::UtcTimestamp => utc_timestamp(bytes, field, proven_date),
                        Shape::Decimal => decimal(bytes, field),
                        Shape::Other => false,
                    };
                    found |= slot.required;
                    fits
                }
                None => false,
            };
            if !fits && !self.other::<HEADER>(field) {
                break;
            }
            fields = rest;
        }
        (found, fields)
    }

    /// A field whose value needs a closer look, or whose tag is high.
    #[inline(never)]
    fn other<const HEADER: bool>(&mut self, field: &Field) -> bool {
        self.look_at::<HEADER>(field).unwrap_or(false)
    }

    fn look_at<const HEADER: bool>(&mut self, field: &Field) -> Option<bool> {
        let level = &self.table.level;
        let at = (level.place(field.tag) as usize).wrapping_sub(1);
        let entry = level.entries.get(at)?;
        let section = if HEADER { Section::Header } else { Section::Body };
        if entry.section != section {
            return None;
        }
        let (word, bit) = (at / 64 % SET_WORDS, 1 << (at % 64));
        if self.seen[word] & bit != 0 {
            return None;
        }
        self.seen[word] |= bit;
        let text = self.bytes.get(field.start as usize..field.end as usize)?;
        let fits = match entry.kind {
            Kind::Group => false,
            Kind::Plain(format) => format::fits(format, text),
            Kind::OneOf | Kind::Listed => {
                let values = &self.tables.values[entry.detail as usize];
                values.takes_one(text) || format::fits(values.format, text) && values.take(text)
            }
        };
        Some(fits && !text.is_empty())
    }
}

/// The character and the SOH behind it, in one.
#[inline(always)]
fn one_of(bytes: &[u8], slot: &Slot, field: &Field) -> bool {
    let start = field.start as usize;
    let Some(&[c, soh]) = bytes.get(start..start + 2) else {
        return false;
    };
    let at = u16::from_le_bytes([c, soh]).wrapping_sub(u16::from_le_bytes([ONE_OF_MIN, 1]));
    at < 64 && slot.mask >> at & 1 != 0
}

#[inline(always)]
fn decimal(bytes: &[u8], field: &Field) -> bool {
    let start = field.start as usize;
    let word = bytes.get(start..start + 8).and_then(|text| text.try_into().ok());
    let len = (field.end as u32).wrapping_sub(field.start as u32);
    match word {
        Some(word) if len.wrapping_sub(1) < 8 => short_decimal(u64::from_le_bytes(word), len),
        _ => false,
    }
}

#[inline(always)]
fn utc_timestamp(bytes: &[u8], field: &Field, proven_date: &mut u64) -> bool {
    let start = field.start as usize;
    if (field.end as usize).wrapping_sub(start) != 21 {
        return false;
    }
    match bytes.get(start..start + 21).and_then(|text| text.try_into().ok()) {
        Some(text) => millis_timestamp(text, proven_date),
        None => false,
    }
}

const EACH: u64 = 0x0101_0101_0101_0101;

/// One to eight characters, the first one lowest in the word: digits, and a point among them or not.
#[inline(always)]
fn short_decimal(word: u64, len: u32) -> bool {
    // Digits become 0 to 9; what lies behind the text becomes 0.
    let digits = (word ^ EACH * 0x30) << (64 - 8 * len);
    let others = no_digits(digits);
    if others == 0 {
        return true;
    }
    let point = others.trailing_zeros() & 0x38;
    len > 1 && no_digits(digits ^ ((b'.' ^ b'0') as u64) << point) == 0
}

/// Not zero where a byte is above 9. A carry comes out of such a byte only.
#[inline(always)]
fn no_digits(word: u64) -> u64 {
    (word.wrapping_add(EACH * 0x06) | word) & EACH * 0xf0
}

/// By month; February's 29th is for the closer look.
const DAYS: [u8; 16] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0];

/// `YYYYMMDD-HH:MM:SS.mmm`
#[inline(always)]
fn millis_timestamp(text: &[u8; 21], proven_date: &mut u64) -> bool {
    let [date @ .., _, _, _, _, _, _, _, _, _, _, _, _, _] = *text;
    let [_, _, _, _, _, _, _, _, dash, time @ .., _, _, _, _] = *text;
    let [.., point, a, b, c] = *text;
    let _: ([u8; 8], [u8; 8]) = (date, time);
    let date = u64::from_le_bytes(date);
    if date != *proven_date {
        if !is_date(date) {
            return false;
        }
        *proven_date = date;
    }
    const ZEROS: u64 = u64::from_le_bytes(*b"00:00:00");
    const SIXES: u64 = u64::from_le_bytes([6, 6, 0, 6, 6, 0, 6, 6]);
    const WRONG: u64 = u64::from_le_bytes([0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xff, 0xf0, 0xf0]);
    const PAIRS: u64 = u64::from_le_bytes([0x7f, 0, 0, 0x7f, 0, 0, 0x7f, 0]);
    const TO_LIMITS: u64 = u64::from_le_bytes([127 - 23, 0, 0, 127 - 59, 0, 0, 127 - 60, 0]);
    let time = u64::from_le_bytes(time) ^ ZEROS;
    let tail = u32::from_le_bytes([point, a, b, c]) ^ u32::from_le_bytes(*b".000");
    let wrong_time = (time.wrapping_add(SIXES) | time) & WRONG;
    let wrong_tail = (tail.wrapping_add(0x0606_0600) | tail) & 0xf0f0_f0ff;
    if wrong_time | wrong_tail as u64 | (dash ^ b'-') as u64 != 0 {
        return false;
    }
    let pairs = time * 10 + (time >> 8);
    ((pairs & PAIRS) + TO_LIMITS) & EACH * 0x80 == 0
}

/// `YYYYMMDD`
#[inline(always)]
fn is_date(text: u64) -> bool {
    let digits = text ^ EACH * 0x30;
    if no_digits(digits) != 0 {
        return false;
    }
    let pairs = digits * 10 + (digits >> 8);
    let [_, _, _, _, month, _, day, _] = pairs.to_le_bytes();
    match DAYS.get(month as usize) {
        Some(days) => day.wrapping_sub(1) < *days,
        None => false,
    }
}
