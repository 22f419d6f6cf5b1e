//! Random dictionaries: messages made from them are taken, each single planted mistake has its fault, nothing panics, and the
//! quick look takes nothing that the close one does not.

use proptest::prelude::*;

use super::model::{Category, FieldModel, MessageModel, Part, ValueModel};
use super::{Checks, Dictionary, Fault, FieldType, Model, fast, validate};
use crate::wire::fix::reject::SessionRejectReason::{self as Reason, *};
use crate::wire::fix::{FieldIndex, parse};

/// SplitMix64: one number decides all.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A mandatory header, and 57 for what stands too late.
const HEADER: [(u32, FieldType, bool); 8] = [
    (8, FieldType::String, true),
    (9, FieldType::Length, true),
    (35, FieldType::String, true),
    (49, FieldType::String, true),
    (56, FieldType::String, true),
    (34, FieldType::SeqNum, true),
    (52, FieldType::UtcTimestamp, true),
    (57, FieldType::String, false),
];
const UNDEFINED: u32 = 4999;

/// A dictionary with two message types, `X` and `Y`.
fn model(random: &mut Random) -> Model {
    // Tags that neither the header knows nor the parser treats as lengths of data.
    let mut free: Vec<u32> = (1..=7)
        .chain(11..=33)
        .chain(36..=42)
        .chain(58..=80)
        .collect();
    free.extend((230..=300).chain(6000..=6040));
    let mut model = Model {
        begin_string: "FIX.4.4".to_owned(),
        ..Model::default()
    };
    for (tag, kind, required) in HEADER {
        add_field(&mut model, tag, kind, Vec::new());
        model.header.push(Part::Field { tag, required });
    }
    add_field(&mut model, 10, FieldType::String, Vec::new());
    model.trailer.push(Part::Field {
        tag: 10,
        required: true,
    });
    for name in ["X", "Y"] {
        let parts = parts(random, &mut model, &mut free, 0);
        model.messages.push(MessageModel {
            name: name.to_owned(),
            msg_type: name.to_owned(),
            category: Category::Application,
            parts,
        });
    }
    model.fields.sort_by_key(|field| field.tag);
    model
}

fn add_field(model: &mut Model, tag: u32, kind: FieldType, values: Vec<ValueModel>) {
    model.fields.push(FieldModel {
        tag,
        name: format!("F{tag}"),
        kind,
        values,
        allow_other_values: false,
    });
}

/// Types, with values that are of them, and values that are not.
const KINDS: [(FieldType, &[&str], &[&str]); 12] = [
    (
        FieldType::String,
        &["x", "text with spaces", "ABCDEFGHIJ"],
        &[],
    ),
    (FieldType::Char, &["1", "q"], &["xy"]),
    (FieldType::Boolean, &["Y", "N"], &["y", "YN"]),
    (
        FieldType::Int,
        &["0", "-7", "007", "12345678901"],
        &["1.0", "+1", "-"],
    ),
    (
        FieldType::Qty,
        &["100", "-0.5", "12345.678", "1."],
        &["1e3", "+1", ".", "1..2", "12345678x"],
    ),
    (
        FieldType::Price,
        &["12.34", "0", "99999999", "123456789.5"],
        &["12,34", "1-", " 1"],
    ),
    (
        FieldType::UtcTimestamp,
        &[
            "20261123-10:11:12",
            "20240229-23:59:60",
            "20261130-00:00:00.123",
            "20261123-10:11:12.123456789",
        ],
        &[
            "20261123",
            "20261123-10:11",
            "20261131-10:11:12.123",
            "20261123-29:11:12.123",
            "20261123 10:11:12.123",
        ],
    ),
    (
        FieldType::LocalMktDate,
        &["20261123"],
        &["20261323", "2026112"],
    ),
    (
        FieldType::MonthYear,
        &["202611", "20261123", "202611w5"],
        &["202613", "202611w6"],
    ),
    (FieldType::Currency, &["EUR"], &["EU", "E R"]),
    (FieldType::MultipleCharValue, &["a", "a b"], &["ab", "a  b"]),
    (
        FieldType::TzTimeOnly,
        &["10:11Z", "10:11:12.5+05:30"],
        &["10", "10:11:12+5"],
    ),
];

fn parts(random: &mut Random, model: &mut Model, free: &mut Vec<u32>, depth: usize) -> Vec<Part> {
    let count = 1 + random.below(if depth == 0 { 14 } else { 5 });
    let mut parts = Vec::new();
    for n in 0..count {
        let tag = free.swap_remove(random.below(free.len()));
        // The first member of a group is a field.
        if depth < 3 && (depth == 0 || n > 0) && random.one_in(5) {
            add_field(model, tag, FieldType::NumInGroup, Vec::new());
            let parts_of_group = self::parts(random, model, free, depth + 1);
            parts.push(Part::Group {
                tag,
                required: false,
                parts: parts_of_group,
            });
            continue;
        }
        let (kind, good, _) = random.of(&KINDS);
        let mut values = Vec::new();
        if random.one_in(4) && *kind != FieldType::Boolean && !kind.is_multiple() {
            values.extend(good.iter().map(|value| ValueModel {
                value: (*value).to_owned(),
                description: String::new(),
            }));
        }
        add_field(model, tag, *kind, values);
        let required = random.one_in(3);
        parts.push(Part::Field { tag, required });
    }
    parts
}

/// A field of a message.
#[derive(Clone)]
struct Item {
    tag: u32,
    value: String,
    required: bool,
    is_count: bool,
    /// Of which instance of a group it is a member, and whether it is the first one.
    member: Option<(usize, bool)>,
}

/// A body that is as it must be: blocks, whose order is free, of one field or one group.
fn body(random: &mut Random, model: &Model, parts: &[Part]) -> Vec<Item> {
    let mut blocks = Vec::new();
    let mut instances = 0;
    for part in parts {
        let mut block = Vec::new();
        fill(random, model, part, None, &mut instances, &mut block);
        let at = random.below(blocks.len() + 1);
        blocks.insert(at, block);
    }
    blocks.concat()
}

fn fill(
    random: &mut Random,
    model: &Model,
    part: &Part,
    member: Option<(usize, bool)>,
    instances: &mut usize,
    out: &mut Vec<Item>,
) {
    match part {
        Part::Field { tag, required } => {
            let is_first = matches!(member, Some((_, true)));
            if !required && !is_first && random.one_in(2) {
                return;
            }
            let kind = model.field(*tag).expect("it is defined").kind;
            let (_, good, _) = KINDS
                .iter()
                .find(|(other, ..)| *other == kind)
                .expect("one of them");
            out.push(Item {
                tag: *tag,
                value: (*random.of(good)).to_owned(),
                required: *required,
                is_count: false,
                member,
            });
        }
        Part::Group { tag, parts, .. } => {
            if random.one_in(2) {
                return;
            }
            let count = random.below(4);
            out.push(Item {
                tag: *tag,
                value: count.to_string(),
                required: false,
                is_count: true,
                member,
            });
            for _ in 0..count {
                *instances += 1;
                let instance = *instances;
                for (n, part) in parts.iter().enumerate() {
                    fill(
                        random,
                        model,
                        part,
                        Some((instance, n == 0)),
                        instances,
                        out,
                    );
                }
            }
        }
        Part::Component { .. } => {}
    }
}

fn message(msg_type: &str, items: &[Item]) -> Vec<u8> {
    let mut fields = format!("{msg_type}|49=A|56=B|34=7|52=20261123-10:11:12.123|");
    for item in items {
        fields.push_str(&format!("{}={}|", item.tag, item.value));
    }
    super::tests::frame(&fields)
}

fn check(dictionary: &Dictionary, frame: &[u8], checks: &Checks) -> Result<(), Fault> {
    let mut index = FieldIndex::new();
    let message = parse(frame, &mut index).expect("a message");
    let result = dictionary.validate(&message, checks);
    // The quick look is an abbreviation, and nothing else.
    let close = validate::look_closely(&dictionary.tables, &message, &Checks::ALL);
    assert!(close.is_ok() || !fast::is_clean(&dictionary.tables, &message));
    result
}

/// One mistake, where the message has a place for it: the message with it, and the fault that is to be found.
fn plant(
    random: &mut Random,
    model: &Model,
    other: &[Part],
    items: &[Item],
) -> Option<(Vec<Item>, u32, Reason)> {
    let mut items = items.to_vec();
    let item = |tag, value: &str| Item {
        tag,
        value: value.to_owned(),
        required: false,
        is_count: false,
        member: None,
    };
    let mistake = random.below(10);
    if mistake < 3 {
        let (tag, reason) = match mistake {
            0 => (UNDEFINED, InvalidTagNumber),
            1 if items.is_empty() => return None,
            1 => (57, TagOutOfOrder),
            _ => match other.first()? {
                Part::Field { tag, .. } => (*tag, TagNotDefined),
                _ => return None,
            },
        };
        let good = model
            .field(tag)
            .and_then(|field| KINDS.iter().find(|(kind, ..)| *kind == field.kind));
        items.push(item(tag, good.map_or("x", |(_, good, _)| good[0])));
        return Some((items, tag, reason));
    }
    if items.is_empty() {
        return None;
    }
    let at = random.below(items.len());
    let (tag, is_count) = (items[at].tag, items[at].is_count);
    let field = model.field(tag)?;
    let kind = KINDS.iter().find(|(kind, ..)| *kind == field.kind);
    match mistake {
        3 if items[at].required && !matches!(items[at].member, Some((_, true))) => {
            items.remove(at);
            Some((items, tag, RequiredTagMissing))
        }
        4 => {
            items[at].value.clear();
            Some((items, tag, TagWithoutValue))
        }
        5 if !field.values.is_empty() => {
            // Of the type, and none of the values.
            items[at].value = match field.kind {
                FieldType::Char => "~",
                FieldType::String => "~~~~",
                FieldType::Currency => "ZZZ",
                FieldType::Int | FieldType::Qty | FieldType::Price => "5550555",
                _ => return None,
            }
            .to_owned();
            Some((items, tag, ValueOutOfRange))
        }
        6 if !is_count && !kind?.2.is_empty() => {
            items[at].value = (*random.of(kind?.2)).to_owned();
            Some((items, tag, BadFormat))
        }
        7 if items[at].member.is_none() && !is_count => {
            let again = items[at].clone();
            items.push(again);
            Some((items, tag, TagRepeated))
        }
        8 if is_count => {
            items[at].value =
                (items[at].value.parse::<u64>().ok()? + 1 + random.next() % 9).to_string();
            Some((items, tag, GroupCount))
        }
        9 => {
            // Two fields that follow each other in one instance, neither of them its first.
            let next = items.get(at + 1)?;
            let (Some((one, false)), Some((two, false))) = (items[at].member, next.member) else {
                return None;
            };
            if one != two || is_count || next.is_count {
                return None;
            }
            items.swap(at, at + 1);
            Some((items, tag, GroupOrder))
        }
        _ => None,
    }
}

proptest! {
    #[test]
    fn messages_of_a_dictionary_are_taken_and_each_mistake_is_found(seed in any::<u64>()) {
        let mut random = Random(seed);
        let model = model(&mut random);
        model.check().expect("a whole model");
        let dictionary = Dictionary::compile(&model, None).expect("tables");
        for _ in 0..8 {
            let [x, y] = &model.messages[..] else { unreachable!() };
            let items = body(&mut random, &model, &x.parts);
            prop_assert_eq!(check(&dictionary, &message("X", &items), &Checks::ALL), Ok(()));
            let planted = plant(&mut random, &model, &y.parts, &items);
            let Some((items, tag, reason)) = planted else { continue };
            let frame = message("X", &items);
            let expected = Err(Fault { tag: Some(tag as i32), reason });
            let text = String::from_utf8_lossy(&frame).replace('\u{1}', "|");
            prop_assert_eq!(check(&dictionary, &frame, &Checks::ALL), expected, "{}", text);
        }
    }

    #[test]
    fn garbage_within_a_message_is_judged_and_the_quick_look_agrees(
        seed in any::<u64>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(
            b"0123456789=.-:|YNxw ".to_vec())), 0..6),
        switches in any::<u16>(),
    ) {
        let mut random = Random(seed);
        let model = model(&mut random);
        let dictionary = Dictionary::compile(&model, None).expect("tables");
        let items = body(&mut random, &model, &model.messages[0].parts);
        let mut fields = Vec::from(&message("X", &items)[16..]);
        for (at, byte) in edits {
            let at = at.index(fields.len());
            fields[at] = if byte == b'|' { 1 } else { byte };
        }
        let fields = String::from_utf8_lossy(&fields).replace('\u{1}', "|");
        let frame = super::tests::frame(&fields);
        let on = |n: u16| switches >> n & 1 != 0;
        let checks = Checks {
            unknown_msg_type: on(0),
            required_fields: on(1),
            undefined_tags: on(2),
            tags_not_in_message: on(3),
            empty_values: on(4),
            formats: on(5),
            enumerations: on(6),
            repeated_tags: on(7),
            field_order: on(8),
            groups: on(9),
            user_defined_fields: on(10),
        };
        let mut index = FieldIndex::new();
        if parse(&frame, &mut index).is_ok() {
            let all = check(&dictionary, &frame, &Checks::ALL);
            let some = check(&dictionary, &frame, &checks);
            // A check that is off finds nothing.
            prop_assert!(all.is_err() || some.is_ok());
        }
    }

    #[test]
    fn any_text_is_a_dictionary_or_is_none(text in "\\PC{0,200}") {
        let _ = Dictionary::from_quickfix_xml(&text);
    }

    #[test]
    fn any_tree_is_a_dictionary_or_is_none(picks in prop::collection::vec(0usize..14, 0..40)) {
        let mut text = String::from("<fix major='4' minor='4'>");
        let mut open = Vec::new();
        for pick in picks {
            let element = [
                "header", "trailer", "messages", "components", "fields", "message name='M' msgtype='M'",
                "component name='A' required='Y'", "component name='B'", "group name='G'", "field name='F'",
                "field name='G' number='1' type='INT'", "field name='F' number='2' type='STRING'", "value enum='x'", "",
            ][pick];
            match (element, open.pop()) {
                ("", Some(name)) => text.push_str(&format!("</{name}>")),
                (_, top) => {
                    open.extend(top);
                    if let Some(name) = element.split(' ').next().filter(|name| !name.is_empty()) {
                        text.push_str(&format!("<{element}>"));
                        open.push(name);
                    }
                }
            }
        }
        for name in open.iter().rev() {
            text.push_str(&format!("</{name}>"));
        }
        text.push_str("</fix>");
        if let Ok(model) = Dictionary::from_quickfix_xml(&text) {
            prop_assert!(model.check().is_ok());
            let _ = Dictionary::compile(&model, None);
        }
    }
}
