//! The hot path: one look at a message that says "surely as it must be", or nothing.
//!
//! Owned by the stage that decodes. Always: what it takes, [`super::validate`] takes as well, with all checks on; what it does not
//! take is looked at there from the start. It knows header and body without groups, which is what orders are made of, and builds
//! on what the parser has found out already: no value is empty, 34 is a number, 43 and 97 are flags, low tags stand once.

use super::compile::{Kind, Level, MessageTable, SET_WORDS, Section, Set, Tables, Values};
use super::format::{self, Format};
use crate::wire::fix::field::{Field, Message, PLACED_TAGS};
use crate::wire::fix::tags;

/// What is done with a low tag's value: nothing, or one of these, each a bit of its own so that each is one test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shape(u8);

impl Shape {
    /// Any text will do, or the parser has seen to it.
    const TEXT: Self = Self(0);
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
    shape: Shape,
    /// Into [`Slots::masks`].
    mask: u8,
}
const _: () = assert!(size_of::<Slot>() == 8);

/// A part of a message.
type Part = [Slot; PLACED_TAGS as usize];

/// Low tags of a message type.
#[derive(Debug)]
pub(super) struct Slots {
    header: Part,
    body: Part,
    /// Bit `n`: the character `ONE_OF_MIN + n` is one of the values.
    masks: [u64; 256],
    /// All that must be there; none where the message has more of them than bits.
    required: Option<u32>,
}

const ONE_OF_MIN: u8 = b'0';

impl Slots {
    pub fn new(level: &Level, values: &[Values]) -> Self {
        let none = Slot {
            required: 0,
            shape: Shape::OTHER,
            mask: 0,
        };
        let mut this = Self {
            header: [none; PLACED_TAGS as usize],
            body: [none; PLACED_TAGS as usize],
            masks: [0; 256],
            required: Some(0),
        };
        let mut masks = 0;
        for (at, entry) in level.entries.iter().enumerate() {
            if FIRST_AND_LAST.contains(&entry.tag) {
                continue;
            }
            let part = match entry.section {
                Section::Header => &mut this.header,
                _ => &mut this.body,
            };
            let slot = part.get_mut(entry.tag as usize);
            let is_required = level.required[at / 64] >> (at % 64) & 1 != 0;
            let bit = match (is_required, &slot, this.required) {
                (false, ..) => 0,
                (true, Some(_), Some(all)) if all != u32::MAX => all + 1,
                // One more than there are bits, or a high one: not looked for here.
                _ => {
                    this.required = None;
                    0
                }
            };
            this.required = this.required.map(|all| all | bit);
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
            slot.shape = match entry.kind {
                _ if PROVEN_BY_PARSER.contains(&entry.tag) => Shape::TEXT,
                Kind::Plain(Format::Text) => Shape::TEXT,
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
        this
    }
}

impl Slots {
    /// Whether the field, which the header does not have, is one of the body's.
    #[inline(always)]
    fn begins_body(&self, part: &Part, field: &Field) -> bool {
        std::ptr::eq(part, &self.header)
            && matches!(self.body.get(field.tag as usize), Some(slot) if slot.shape != Shape::OTHER)
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
const PROVEN_BY_PARSER: [u32; 3] = [tags::MSG_SEQ_NUM, tags::POSS_DUP_FLAG, tags::POSS_RESEND];

fn mask_of(c: u8) -> u64 {
    1u64.checked_shl(c.wrapping_sub(ONE_OF_MIN) as u32)
        .unwrap_or(0)
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
    let (slots, bytes) = (&*table.slots, message.bytes());
    let (mut part, mut found, mut proven) = (&slots.header, 0, [0; 2]);
    let mut fields = fields;
    while let [field, rest @ ..] = fields {
        let Some(slot) = part.get(field.tag as usize) else {
            break;
        };
        let shape = slot.shape;
        if shape != Shape::TEXT {
            let fits = if shape.is(Shape::ONE_OF) {
                one_of(bytes, slots.masks[slot.mask as usize], field)
            } else if shape.is(Shape::UTC_TIMESTAMP) {
                utc_timestamp(bytes, field, &mut proven)
            } else if shape.is(Shape::DECIMAL) {
                decimal(bytes, field)
            } else if slots.begins_body(part, field) {
                part = &slots.body;
                continue;
            } else {
                false
            };
            if !fits {
                break;
            }
        }
        found |= slot.required;
        fields = rest;
    }
    if !fields.is_empty() {
        let in_body = std::ptr::eq(part, &slots.body);
        return match rest(tables, table, bytes, fields, in_body) {
            Some(more) => slots.required == Some(found | more),
            None => false,
        };
    }
    slots.required == Some(found)
}

/// Goes over what the quick loop has left: high tags, and values that need a closer look. Which fields it found that must be
/// there; none where something is not as it must be.
#[inline(never)]
fn rest(
    tables: &Tables,
    table: &MessageTable,
    bytes: &[u8],
    fields: &[Field],
    in_body: bool,
) -> Option<u32> {
    let level = &table.level;
    let mut section = if in_body {
        Section::Body
    } else {
        Section::Header
    };
    // Low tags stand once: the parser has seen to it.
    let mut seen = Set::default();
    let mut found = 0;
    for field in fields {
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
        match part.get(field.tag as usize) {
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
    let at = u16::from_le_bytes([c, soh]).wrapping_sub(u16::from_le_bytes([ONE_OF_MIN, 1]));
    at < 64 && mask >> at & 1 != 0
}

#[inline(always)]
fn decimal(bytes: &[u8], field: &Field) -> bool {
    let start = field.start as usize;
    let word = bytes
        .get(start..start + 8)
        .and_then(|text| text.try_into().ok());
    let len = (field.end as u32).wrapping_sub(field.start as u32);
    match word {
        Some(word) if len.wrapping_sub(1) < 8 => short_decimal(u64::from_le_bytes(word), len),
        _ => false,
    }
}

#[inline(always)]
fn utc_timestamp(bytes: &[u8], field: &Field, proven: &mut [u64; 2]) -> bool {
    let start = field.start as usize;
    match bytes
        .get(start..start + 22)
        .and_then(|text| text.try_into().ok())
    {
        Some(text) => millis_timestamp(text, proven),
        None => false,
    }
}

const EACH: u64 = 0x0101_0101_0101_0101;

/// One to eight characters, the first one lowest in the word: digits, and a point among them or not.
#[inline(always)]
fn short_decimal(word: u64, len: u32) -> bool {
    // Digits become 0 to 9; what lies behind the text becomes 0.
    let digits = (word ^ (EACH * 0x30)) << (64 - 8 * len);
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

/// `YYYYMMDD-HH:MM:SS.mmm` and SOH. A leap second is for the closer look. `proven` are date and hours that were proven last: the
/// times of a message are mostly near each other.
#[inline(always)]
fn millis_timestamp(text: &[u8; 22], proven: &mut [u64; 2]) -> bool {
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
    let word = |at: usize| {
        text[at..]
            .first_chunk()
            .map_or(0, |word| u64::from_le_bytes(*word))
    };
    let wrong = |word: u64, at: usize| (word.wrapping_add(TO_15[at]) | word) & WRONG[at];
    if wrong(word(14) ^ ZEROS[1], 1) != 0 {
        return false;
    }
    let (date, hours) = (word(0), word(8));
    if (date ^ proven[0]) | (hours ^ proven[1]) != 0 {
        let digits = hours ^ ZEROS[0];
        let hour = ((digits >> 8) as u16).swap_bytes();
        if wrong(digits, 0) != 0 || hour > 0x0203 || !is_date(date) {
            return false;
        }
        *proven = [date, hours];
    }
    true
}

/// `YYYYMMDD`
#[inline(always)]
fn is_date(text: u64) -> bool {
    let digits = text ^ (EACH * 0x30);
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
