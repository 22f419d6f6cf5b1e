//! The dialect against the decoder: every tag and value that one knows, the other knows too.
//!
//! Each test names the row of the description that it looks at.

use super::*;
use crate::domain::order::ClientRequest;
use crate::wire::fix::decode_order::{DecodeError, Refusal, tags_read};
use crate::wire::fix::tests::{framed, request};
use crate::wire::fix::versions::{self, Steps};
use crate::wire::fix::{SessionRejectReason, tags};

#[test]
fn nothing_of_the_dialect_is_without_use() {
    let dialect = own();
    let mut used = BTreeSet::new();
    let mut blocks = BTreeSet::new();
    fn collect(items: &[Item], used: &mut BTreeSet<usize>, blocks: &mut BTreeSet<usize>) {
        for item in items {
            match &item.what {
                What::Field(at) => _ = used.insert(*at),
                What::Block(at) => _ = blocks.insert(*at),
                What::Group(at, members) => {
                    used.insert(*at);
                    collect(members, used, blocks);
                }
            }
        }
    }
    let bodies = dialect.messages.iter().map(|message| &message.items);
    let shared = dialect.blocks.iter().map(|block| &block.items);
    for items in bodies
        .chain(shared)
        .chain([&dialect.header, &dialect.trailer])
    {
        collect(items, &mut used, &mut blocks);
    }
    for (at, field) in dialect.fields.iter().enumerate() {
        assert!(used.contains(&at), "{} stands in no message", field.name);
        if let Some(name) = tags::name(field.tag) {
            assert_eq!(name, field.name);
        }
    }
    for (at, block) in dialect.blocks.iter().enumerate() {
        assert!(blocks.contains(&at), "{} stands in no message", block.name);
    }
}

#[test]
fn the_decoder_reads_what_the_dialect_says_and_nothing_else() {
    let dialect = own();
    let mut told = BTreeSet::new();
    for message in &dialect.messages {
        for item in &message.items {
            if let (Verb::Reads | Verb::Refuses, What::Field(at)) = (item.verb, &item.what) {
                told.insert(dialect.fields[*at].tag);
            }
        }
    }
    let read: BTreeSet<u32> = tags_read().iter().copied().collect();
    assert_eq!(told, read);
}

#[test]
fn required_fields_are_those_that_the_decoder_misses() {
    for version in FixVersion::ALL {
        for msg_type in ["D", "F", "G", "H", "AF", "q"] {
            let message = own().message(msg_type).unwrap();
            if !message.is_in(version) {
                continue;
            }
            let here = || {
                message
                    .items
                    .iter()
                    .filter(|item| item.span.covers(version))
            };
            let whole = body(message, version, "");
            let taken = sent(msg_type, version, &whole);
            assert!(taken.is_ok(), "{version:?} {msg_type} {whole}: {taken:?}");
            for item in here() {
                let (Verb::Reads, What::Field(at)) = (item.verb, &item.what) else {
                    continue;
                };
                let field = &own().fields[*at];
                let without = body(message, version, &field.name);
                let error = sent(msg_type, version, &without).err();
                let missing = Refusal::Session(SessionRejectReason::RequiredTagMissing);
                let is_missed =
                    error.is_some_and(|error| error.tag == field.tag && error.refusal == missing);
                let required = item.need == Need::Required;
                assert_eq!(is_missed, required, "{version:?} {msg_type} {}", field.name);
                if item.need == Need::Conditional {
                    let error = error.expect("required by the context");
                    assert_eq!(error.tag, field.tag);
                    assert!(matches!(error.refusal, Refusal::Business(_)));
                }
            }
            for item in here().filter(|item| item.verb == Verb::Refuses) {
                let What::Field(at) = item.what else { continue };
                let tag = own().fields[at].tag;
                let value = match own().fields[at].kind {
                    FieldType::UtcTimestamp => "20261123-09:30:00",
                    _ => "7",
                };
                let error = sent(msg_type, version, &format!("{whole}{tag}={value}|"));
                assert_eq!(error.unwrap_err().tag, tag, "{version:?} {msg_type}");
            }
        }
    }
}

#[test]
fn values_are_taken_refused_or_wrong_as_the_dialect_says() {
    for (name, msg_type) in [
        ("OrdType", "D"),
        ("Side", "D"),
        ("TimeInForce", "D"),
        ("HandlInst", "D"),
        ("CxlType", "F"),
        ("MassCancelRequestType", "q"),
        ("MassStatusReqType", "AF"),
        ("CashMargin", "D"),
    ] {
        let field = own().field(name).unwrap();
        for version in FixVersion::ALL {
            let values: Vec<&Value> = field.values_in(version).collect();
            if values.is_empty() {
                continue;
            }
            let message = own().message(msg_type).unwrap();
            let rest = body(message, version, name);
            let one = (0x21u8..0x7f).map(|c| (c as char).to_string());
            for value in one.filter(|text| text != "|").chain(["10".to_owned()]) {
                let result = sent(msg_type, version, &format!("{rest}{}={value}|", field.tag));
                let verb = values.iter().find(|v| v.value == value).map(|v| v.verb);
                let what = format!("{version:?} {name} {value}: {result:?}");
                match verb {
                    Some(ValueVerb::Taken) => assert!(result.is_ok(), "{what}"),
                    Some(_) => {
                        let refusal = result.unwrap_err().refusal;
                        assert!(matches!(refusal, Refusal::Business(_)), "{what}");
                    }
                    // Refused as a field that is not supported.
                    None if name == "CashMargin" => assert!(result.is_err(), "{what}"),
                    None => {
                        let wrong = Refusal::Session(SessionRejectReason::ValueOutOfRange);
                        assert_eq!(result.unwrap_err().refusal, wrong, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn tables_of_the_codecs_are_those_of_the_dialect() {
    let tables: [(&str, Steps); 7] = [
        ("OrdType", versions::ORD_TYPES),
        ("Side", versions::SIDES),
        ("TimeInForce", versions::TIMES_IN_FORCE),
        ("HandlInst", versions::HANDL_INSTS),
        ("CxlType", versions::CXL_TYPES),
        ("MassCancelRequestType", versions::MASS_CANCEL_TYPES),
        ("MassStatusReqType", versions::MASS_STATUS_TYPES),
    ];
    for (name, steps) in tables {
        let field = own().field(name).unwrap();
        for version in FixVersion::ALL {
            if name == "CxlType" && version != FixVersion::Fix40 {
                continue;
            }
            let told: BTreeSet<&str> = field.values_in(version).map(|v| &*v.value).collect();
            let words = versions::values_of(steps, version).split_whitespace();
            assert_eq!(told, words.collect(), "{version:?} {name}");
        }
    }
}

/// All fields of the message that are read and required in any way, but one.
fn body(message: &super::Message, version: FixVersion, without: &str) -> String {
    let mut text = String::new();
    for item in &message.items {
        let What::Field(at) = item.what else { continue };
        let field = &own().fields[at];
        let needed = item.need != Need::Optional && item.verb != Verb::Refuses;
        if !item.span.covers(version) || !needed || field.name == without {
            continue;
        }
        let value = match field.name.as_str() {
            "Account" => "ACC1",
            "Symbol" => "600000",
            "OrdType" => "2",
            "Price" => "10.5",
            "TransactTime" => "20261123-09:30:00",
            "CxlType" => "F",
            _ => "1",
        };
        text += &format!("{}={value}|", field.tag);
    }
    text
}

fn sent(msg_type: &str, version: FixVersion, body: &str) -> Result<ClientRequest, DecodeError> {
    let begin = std::str::from_utf8(version.begin_string()).unwrap();
    let head = "34=4|49=CLIENT|52=20231114-22:13:20|56=GATE";
    request(
        &framed(begin, &format!("35={msg_type}|{head}|{body}")),
        version,
    )
}
