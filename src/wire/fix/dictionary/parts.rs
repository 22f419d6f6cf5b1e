//! Which part of a message each field belongs to, for whoever writes a message anew.
//!
//! Runs on whatever thread asks. Always: each field but CheckSum(10) is visited once, in the order of the wire; nothing is allocated; recursion is
//! as deep as the dictionary nests groups. The message need not be valid: what has no place counts as body.

use super::compile::{Kind, Level, Section, Tables};
use crate::wire::fix::field::{Field, Message};
use crate::wire::fix::tags;

/// Part of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Header
    Header,
    /// Body, outside of groups; the count of a group too
    Body,
    /// Trailer
    Trailer,
    /// Member of the repeating group whose count is the last field of another part
    Group,
}

struct Visit<'a, F> {
    tables: &'a Tables,
    fields: &'a [Field],
    bytes: &'a [u8],
    visit: F,
}

pub(super) fn visit<'a>(
    tables: &'a Tables,
    message: &Message<'a>,
    visit: impl FnMut(Part, u32, &'a [u8]),
) {
    let table = tables.message(message.msg_type());
    let mut walk = Visit {
        tables,
        fields: message.indexed(),
        bytes: message.bytes(),
        visit,
    };
    let mut at = 0;
    while let Some(field) = walk.fields.get(at).filter(|f| f.tag != tags::CHECK_SUM) {
        let place = table.level.place(field.tag) as usize;
        let entry = table.level.entries.get(place.wrapping_sub(1));
        walk.give(
            match entry.map(|entry| entry.section) {
                Some(Section::Header) => Part::Header,
                Some(Section::Trailer) => Part::Trailer,
                Some(Section::Body) | None => Part::Body,
            },
            field,
        );
        at += 1;
        if let Some(entry) = entry.filter(|entry| matches!(entry.kind, Kind::Group)) {
            at = walk.group(at, &tables.groups[entry.detail as usize]);
        }
    }
}

impl<'a, F: FnMut(Part, u32, &'a [u8])> Visit<'a, F> {
    fn give(&mut self, part: Part, field: &Field) {
        let value = &self.bytes[field.start as usize..field.end as usize];
        (self.visit)(part, field.tag, value);
    }

    /// Where the group of this level ends whose first member stands at `at`.
    fn group(&mut self, mut at: usize, level: &'a Level) -> usize {
        while let Some(field) = self.fields.get(at) {
            let place = level.place(field.tag) as usize;
            let Some(entry) = level.entries.get(place.wrapping_sub(1)) else {
                break;
            };
            self.give(Part::Group, field);
            at += 1;
            if matches!(entry.kind, Kind::Group) {
                at = self.group(at, &self.tables.groups[entry.detail as usize]);
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fix::dictionary::Dictionary;
    use crate::wire::fix::{FieldIndex, parse};

    const DICTIONARY: &str = "<fix type='FIX' major='4' minor='4'>
      <header><field name='BeginString' required='Y'/><field name='BodyLength' required='Y'/>
        <field name='MsgType' required='Y'/></header>
      <trailer><field name='Signature' required='N'/><field name='CheckSum' required='Y'/></trailer>
      <messages><message name='X' msgtype='X' msgcat='app'>
        <field name='One' required='N'/>
        <group name='NoOuter' required='N'><field name='A' required='N'/>
          <group name='NoInner' required='N'><field name='B' required='N'/></group>
          <field name='C' required='N'/></group>
        <field name='Two' required='N'/></message></messages>
      <components/>
      <fields><field number='8' name='BeginString' type='STRING'/><field number='9' name='BodyLength' type='INT'/>
        <field number='35' name='MsgType' type='STRING'/><field number='10' name='CheckSum' type='STRING'/>
        <field number='89' name='Signature' type='STRING'/>
        <field number='1' name='One' type='STRING'/><field number='2' name='Two' type='STRING'/>
        <field number='100' name='NoOuter' type='NUMINGROUP'/><field number='101' name='A' type='STRING'/>
        <field number='102' name='NoInner' type='NUMINGROUP'/><field number='103' name='B' type='STRING'/>
        <field number='104' name='C' type='STRING'/></fields></fix>";

    #[test]
    fn members_of_nested_groups_are_told_from_the_body() {
        let model = Dictionary::from_quickfix_xml(DICTIONARY).expect("a dictionary");
        let dictionary = Dictionary::compile(&model, None).expect("tables");
        let frame =
            "8=FIX.4.4|9=5|35=X|2=b|100=2|101=x|102=1|103=y|104=z|101=x|7=u|1=a|89=s|10=000|"
                .replace('|', "\x01");
        let mut scratch = FieldIndex::new();
        let message = parse(frame.as_bytes(), &mut scratch).expect("a message");
        let mut seen = Vec::new();
        dictionary.visit_parts(&message, |part, tag, _| seen.push((part, tag)));
        use Part::{Body, Group, Header, Trailer};
        let expected = [
            (Header, 8),
            (Header, 9),
            (Header, 35),
            (Body, 2),
            (Body, 100),
            (Group, 101),
            (Group, 102),
            (Group, 103),
            (Group, 104),
            (Group, 101),
            (Body, 7),
            (Body, 1),
            (Trailer, 89),
        ];
        assert_eq!(seen, expected);
    }
}
