//! The closer look at a message that the hot path ([`super::fast`]) does not take at once: one walk over its fields.
//!
//! Owned by the stage that decodes. Always: no allocation; every field is looked at once, in the order of the wire, with recursion
//! only into groups as deep as the dictionary nests them. A mistake does not end the walk: it is kept if it comes before the one
//! that is kept already in the order of checks, so that what is reported does not depend on the order of the wire.
//! The order: header, body, trailer in their order; message type; required fields of header, trailer, body; then field by field,
//! ascending, header, trailer, body: repeated, empty, format, enumeration, defined, in this message, group. What a group's members
//! have wrong comes where its count stands, after the count, in the order of the wire: a member's place before its value.

use super::compile::{Entry, Kind, Level, MessageTable, SET_WORDS, Section, Set, Tables};
use super::{Checks, Fault};
use super::{fast, format};
use crate::wire::fix::digits;
use crate::wire::fix::field::{Field, Message};
use crate::wire::fix::reject::SessionRejectReason as Reason;
use crate::wire::fix::tags;

/// Lowest user-defined tag.
const USER_DEFINED_TAG_MIN: u32 = 5000;
/// 8, 9 and 35 come first: the parser has seen to it.
const FIRST_FIELDS: usize = 3;

/// Place in the order of checks: the lowest wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    FieldOrder,
    MsgType,
    Required,
    Field,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Misplaced,
    Repeated,
    Empty,
    Format,
    Enumeration,
    Defined,
    InMessage,
    Group,
}

struct Walk<'a> {
    tables: &'a Tables,
    message: &'a MessageTable,
    /// From the first to the last but CheckSum.
    fields: &'a [Field],
    bytes: &'a [u8],
    checks: &'a Checks,
    is_known: bool,
    /// Any fields may stand in the body.
    is_open: bool,
    section: Section,
    /// The count of the outermost group that the walk is in, and the member that it looks at.
    within: Option<u32>,
    at: usize,
    fault: Option<(u64, Fault)>,
}

#[inline]
pub(super) fn validate(
    tables: &Tables,
    message: &Message<'_>,
    checks: &Checks,
) -> Result<(), Fault> {
    if fast::is_clean(tables, message) {
        return Ok(());
    }
    look_closely(tables, message, checks)
}

#[inline(never)]
pub(super) fn look_closely(
    tables: &Tables,
    message: &Message<'_>,
    checks: &Checks,
) -> Result<(), Fault> {
    let table = tables.message(message.msg_type());
    let is_known = !std::ptr::eq(table, tables.unknown());
    let mut walk = Walk {
        tables,
        message: table,
        fields: message.indexed(),
        bytes: message.bytes(),
        checks,
        is_known,
        is_open: !is_known && tables.is_known_type(message.msg_type()),
        section: Section::Header,
        within: None,
        at: 0,
        fault: None,
    };
    if !walk.is_known && !walk.is_open && checks.unknown_msg_type {
        walk.report(Stage::MsgType, 0, None, Reason::InvalidMsgType);
    }
    // The last one is CheckSum, unless there were more fields than are kept.
    let is_cut = message.is_cut();
    if let [fields @ .., _] = walk.fields
        && !is_cut
    {
        walk.fields = fields;
    }
    walk.message();
    match walk.fault {
        // What was not looked at must not be left out in silence, whatever is checked.
        None if is_cut => Err(Fault {
            tag: None,
            reason: Reason::Other,
        }),
        None => Ok(()),
        Some((_, fault)) => Err(fault),
    }
}

impl<'a> Walk<'a> {
    fn message(&mut self) {
        let level = &self.message.level;
        let mut seen = Set::default();
        for tag in [
            tags::BEGIN_STRING,
            tags::BODY_LENGTH,
            tags::MSG_TYPE,
            tags::CHECK_SUM,
        ] {
            if let at @ 1.. = level.place(tag) as usize {
                seen[(at - 1) / 64] |= 1 << ((at - 1) % 64);
            }
        }
        let mut foreign_seen = ForeignSet::default();
        let mut at = FIRST_FIELDS;
        while let Some(field) = self.fields.get(at) {
            let place = level.place(field.tag) as usize;
            let Some(entry) = level.entries.get(place.wrapping_sub(1)) else {
                self.foreign(at, field, &mut foreign_seen);
                at += 1;
                continue;
            };
            if entry.section < self.section {
                self.out_of_order(at, field);
            }
            self.section = entry.section;
            let (word, bit) = ((place - 1) / 64 % SET_WORDS, 1 << ((place - 1) % 64));
            if seen[word] & bit != 0 {
                self.report_field(Step::Repeated, field.tag, Reason::TagRepeated);
            }
            seen[word] |= bit;
            at = match entry.kind {
                Kind::Group => {
                    self.within = Some(field.tag);
                    let next = self.group(at, entry);
                    self.within = None;
                    next
                }
                _ => {
                    self.value(field, entry.kind, entry.detail);
                    at + 1
                }
            };
        }
        self.required(level, &seen);
    }

    /// Where the group ends whose count stands at `at`.
    fn group(&mut self, at: usize, count: &Entry) -> usize {
        let level = &self.tables.groups[count.detail as usize];
        let count_field = &self.fields[at];
        let mut next = at + 1;
        let mut instances = 0u64;
        let mut seen = Set::default();
        let mut last = 0;
        let mut in_order = true;
        while let Some(field) = self.fields.get(next) {
            self.at = next;
            let place = level.place(field.tag) as usize;
            let Some(entry) = level.entries.get(place.wrapping_sub(1)) else {
                if self.is_let_through(field.tag) {
                    next += 1;
                    continue;
                }
                break;
            };
            let ordinal = place - 1;
            let (word, bit) = (ordinal / 64 % SET_WORDS, 1 << (ordinal % 64));
            let is_repeated = seen[word] & bit != 0;
            if ordinal == 0 || instances == 0 || (is_repeated && !self.checks.groups) {
                if instances > 0 && in_order {
                    self.required(level, &seen);
                }
                instances += 1;
                seen = Set::default();
                if ordinal != 0 && self.checks.groups {
                    in_order = false;
                    self.report_field(Step::Misplaced, field.tag, Reason::GroupOrder);
                }
            } else if is_repeated {
                in_order &= !self.checks.repeated_tags;
                self.report_field(Step::Repeated, field.tag, Reason::TagRepeated);
            } else if ordinal < last && self.checks.groups {
                in_order = false;
                self.report_field(Step::Misplaced, field.tag, Reason::GroupOrder);
            }
            last = ordinal;
            seen[word] |= bit;
            next = match entry.kind {
                Kind::Group => self.group(next, entry),
                _ => {
                    self.value(field, entry.kind, entry.detail);
                    next + 1
                }
            };
        }
        if instances > 0 && in_order {
            self.required(level, &seen);
        }
        self.at = at;
        let value = self.text(count_field);
        match digits(value) {
            Some(count) if count == instances => {}
            // What is out of order cannot be counted, nor is it told what is missing.
            Some(_) if !in_order => {}
            Some(_) if self.checks.groups => {
                self.report_field(Step::Group, count_field.tag, Reason::GroupCount);
            }
            Some(_) => {}
            None if value.is_empty() => self.empty(count_field.tag),
            None if self.checks.formats => {
                self.report_field(Step::Format, count_field.tag, Reason::BadFormat);
            }
            None => {}
        }
        next
    }

    #[inline]
    fn text(&self, field: &Field) -> &'a [u8] {
        &self.bytes[field.start as usize..field.end as usize]
    }

    fn value(&mut self, field: &Field, kind: Kind, detail: u16) {
        let text = self.text(field);
        if text.is_empty() {
            return self.empty(field.tag);
        }
        match kind {
            Kind::Group => {}
            Kind::Plain(format) => {
                if !format::fits(format, text) && self.checks.formats {
                    self.report_field(Step::Format, field.tag, Reason::BadFormat);
                }
            }
            Kind::OneOf | Kind::Listed => {
                let values = &self.tables.values[detail as usize];
                if values.takes_one(text) {
                    return;
                }
                if self.checks.formats && !format::fits(values.format, text) {
                    self.report_field(Step::Format, field.tag, Reason::BadFormat);
                    return;
                }
                if !values.take(text) && self.checks.enumerations {
                    self.report_field(Step::Enumeration, field.tag, Reason::ValueOutOfRange);
                }
            }
        }
    }

    #[cold]
    fn empty(&mut self, tag: u32) {
        if self.checks.empty_values {
            self.report_field(Step::Empty, tag, Reason::TagWithoutValue);
        }
    }

    /// A field that the message does not have, at this place.
    #[cold]
    fn foreign(&mut self, at: usize, field: &Field, seen: &mut ForeignSet) {
        if self.is_open {
            return;
        }
        let section = usual_section(field.tag);
        if section < self.section {
            self.out_of_order(at, field);
        }
        self.section = section;
        if self.has_earlier(rank(section, field.tag, Step::Misplaced)) {
            return;
        }
        if seen.insert(field.tag) {
            self.report_field(Step::Repeated, field.tag, Reason::TagRepeated);
        }
        if field.start != field.end && self.keeps(rank(section, field.tag, Step::Defined)) {
            return; // nothing can be worse with a tag that is known to be undefined
        }
        let Some((kind, detail)) = self.definition(field.tag) else {
            if field.start == field.end {
                self.empty(field.tag);
            }
            if !self.is_let_through(field.tag) && self.checks.undefined_tags {
                self.report_field(Step::Defined, field.tag, Reason::InvalidTagNumber);
            }
            return;
        };
        self.value(field, kind, detail);
        if self.is_known && self.checks.tags_not_in_message {
            self.report_field(Step::InMessage, field.tag, Reason::TagNotDefined);
        }
    }

    /// How the dictionary defines the tag, whatever message it is for.
    fn definition(&self, tag: u32) -> Option<(Kind, u16)> {
        self.tables.fields[self.message.source as usize].get(tag)
    }

    /// User-defined, unknown to the dictionary, and not to be minded.
    fn is_let_through(&self, tag: u32) -> bool {
        !self.checks.user_defined_fields
            && (USER_DEFINED_TAG_MIN..=i32::MAX as u32).contains(&tag)
            && self.definition(tag).is_none()
    }

    #[inline]
    fn required(&mut self, level: &Level, seen: &Set) {
        for (word, (required, seen)) in level.required.iter().zip(seen).enumerate() {
            let missing = required & !seen;
            if missing != 0 {
                self.missing(level, word, missing);
            }
        }
    }

    #[cold]
    fn missing(&mut self, level: &Level, word: usize, mut missing: u64) {
        if !self.checks.required_fields {
            return;
        }
        while missing != 0 {
            let at = word * 64 + missing.trailing_zeros() as usize;
            missing &= missing - 1;
            let entry = &level.entries[at];
            self.report(
                Stage::Required,
                rank(entry.section, entry.tag, Step::Repeated),
                Some(entry.tag),
                Reason::RequiredTagMissing,
            );
        }
    }

    #[cold]
    fn out_of_order(&mut self, at: usize, field: &Field) {
        if self.checks.field_order {
            self.report(
                Stage::FieldOrder,
                at as u64,
                Some(field.tag),
                Reason::TagOutOfOrder,
            );
        }
    }

    #[cold]
    fn report_field(&mut self, step: Step, tag: u32, reason: Reason) {
        if step == Step::Repeated && !self.checks.repeated_tags {
            return;
        }
        let rank = match self.within {
            Some(count) if count != tag => {
                rank(self.section, count, Step::Group) + 1 + (self.at << 3 | step as usize) as u64
            }
            _ => rank(self.section, tag, step),
        };
        self.report(Stage::Field, rank, Some(tag), reason);
    }

    /// Whether the fault that is kept comes before all that a field of that rank could have, whatever is wrong with it.
    fn has_earlier(&self, rank: u64) -> bool {
        let rank = (Stage::Field as u64) << 56 | rank;
        self.fault.is_some_and(|(kept, _)| kept < rank)
    }

    /// Whether the fault that is kept is just this one.
    fn keeps(&self, rank: u64) -> bool {
        let rank = (Stage::Field as u64) << 56 | rank;
        self.fault.is_some_and(|(kept, _)| kept == rank)
    }

    #[cold]
    fn report(&mut self, stage: Stage, rank: u64, tag: Option<u32>, reason: Reason) {
        let rank = (stage as u64) << 56 | rank;
        if self.fault.is_none_or(|(kept, _)| rank < kept) {
            let tag = tag.map(|tag| tag as i32);
            self.fault = Some((rank, Fault { tag, reason }));
        }
    }
}

/// Place among the faults of a stage: header, trailer, body; then by tag.
fn rank(section: Section, tag: u32, step: Step) -> u64 {
    let section = match section {
        Section::Header => 0u64,
        Section::Trailer => 1,
        Section::Body => 2,
    };
    let tag = tag ^ (1 << 31);
    section << 48 | (tag as u64) << 16 | step as u64
}

/// ApplExtID
const HIGHEST_HEADER_TAG: u32 = 1156;

/// Where a field belongs that the dictionary does not have there: header fields of other versions are header fields.
fn usual_section(tag: u32) -> Section {
    if tag > HIGHEST_HEADER_TAG {
        return Section::Body;
    }
    match tag {
        34
        | 35
        | 43
        | 49
        | 50
        | 52
        | 56
        | 57
        | 90
        | 91
        | 97
        | 115
        | 116
        | 122
        | 128
        | 129
        | 142..=145
        | 212
        | 213
        | 347
        | 369
        | 627..=630
        | 1128
        | 1129
        | HIGHEST_HEADER_TAG => Section::Header,
        89 | 93 => Section::Trailer,
        _ => Section::Body,
    }
}

/// Tags that were met where they do not belong. Of high ones nothing is kept: they are not known to be repeated.
#[derive(Default)]
struct ForeignSet {
    words: [u64; 32],
}

impl ForeignSet {
    /// Whether it was there.
    fn insert(&mut self, tag: u32) -> bool {
        let Some(word) = self.words.get_mut(tag as usize / 64) else {
            return false;
        };
        let bit = 1 << (tag % 64);
        let was = *word & bit != 0;
        *word |= bit;
        was
    }
}

#[cfg(test)]
mod tests {
    use crate::limits::FIELDS_MAX;
    use crate::wire::fix::dictionary::{Checks, Dictionary, Fault};
    use crate::wire::fix::{FieldIndex, SessionRejectReason, parse};

    #[test]
    fn fields_beyond_those_that_are_kept_are_not_left_out_in_silence() {
        let model =
            Dictionary::from_quickfix_xml(include_str!("../../../../tests/fuzz/seeds/small.xml"));
        let dictionary = Dictionary::compile(&model.unwrap(), None).unwrap();
        let checks = Checks {
            user_defined_fields: false,
            ..Checks::ALL
        };
        let validated = |own: usize, last: &str| {
            let own: String = (0..own).map(|n| format!("{}=x|", 5001 + n)).collect();
            let body = format!("35=0|34=2|49=A|52=20260921-14:13:20|56=B|112=T|{own}{last}");
            let frame = crate::wire::fix::tests::framed("FIX.4.4", &body);
            let mut index = FieldIndex::new();
            dictionary.validate(&parse(&frame, &mut index).unwrap(), &checks)
        };
        // 8, 9, six of the header and body, and CheckSum are there too.
        assert_eq!(validated(FIELDS_MAX - 9, ""), Ok(()));
        let many = Err(Fault {
            tag: None,
            reason: SessionRejectReason::Other,
        });
        assert_eq!(validated(FIELDS_MAX - 8, ""), many);
        assert!(validated(FIELDS_MAX - 9, "10=000|9999=x|").is_err());
        assert_eq!(validated(FIELDS_MAX, ""), many);
    }
}
