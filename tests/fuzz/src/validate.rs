//! Validating a message against a dictionary.
//!
//! Input: two bytes that choose the checks, one that chooses checks to be left out, then the body from `35=`.
//! Always: a check that is off finds nothing; fewer checks never find more; the tag that is named is in the message, or missing.
#![no_main]

mod message;

use std::sync::LazyLock;

use gatehouse::domain::{Checks, FixVersion};
use gatehouse::limits::FIELDS_MAX;
use gatehouse::wire::fix::dictionary::Dictionary;
use gatehouse::wire::fix::{FieldIndex, SessionRejectReason as Reason, parse};
use libfuzzer_sys::fuzz_target;

static DICTIONARY: LazyLock<Dictionary> = LazyLock::new(|| {
    let model = Dictionary::from_quickfix_xml(include_str!("../seeds/small.xml"));
    Dictionary::compile(&model.expect("it can be read"), None).expect("it can be compiled")
});

fuzz_target!(|data: &[u8]| {
    let Some((&[low, high, less], body)) = data.split_first_chunk() else {
        return;
    };
    let Some(frame) = message::message(FixVersion::Fix44, body) else {
        return;
    };
    let mut index = FieldIndex::new();
    let Ok(message) = parse(&frame, &mut index) else {
        return;
    };
    let bits = u16::from_le_bytes([low, high]);
    let found = DICTIONARY.validate(&message, &checks(bits));
    assert_eq!(found, DICTIONARY.validate(&message, &checks(bits)));
    let none = DICTIONARY.validate(&message, &checks(0));
    let too_many = message.fields().count() == FIELDS_MAX;
    assert!(
        none.is_ok() || too_many,
        "without a check there is {none:?}"
    );
    // User-defined fields that are let through may stand in a group, which is longer then: that switch stays as it is.
    let less = u16::from_le_bytes([less, less]) & !USER_DEFINED;
    let fewer = DICTIONARY.validate(&message, &checks(bits & !less));
    assert!(
        found.is_err() || fewer.is_ok(),
        "fewer checks find {fewer:?}"
    );
    let Err(fault) = found else { return };
    let checks = checks(bits);
    let on = match fault.reason {
        Reason::InvalidMsgType => checks.unknown_msg_type,
        Reason::RequiredTagMissing => checks.required_fields || checks.groups,
        Reason::InvalidTagNumber => checks.undefined_tags,
        Reason::TagNotDefined => checks.tags_not_in_message,
        Reason::TagWithoutValue => checks.empty_values,
        Reason::BadFormat => checks.formats || checks.groups,
        Reason::ValueOutOfRange => checks.enumerations || checks.formats,
        Reason::TagRepeated => checks.repeated_tags || checks.groups,
        Reason::TagOutOfOrder => checks.field_order || checks.groups,
        Reason::GroupOrder | Reason::GroupCount => checks.groups,
        Reason::Other => too_many,
        _ => false,
    };
    assert!(on, "found by a check that is off: {fault:?}");
    if let Some(tag) = fault.tag {
        let missing = fault.reason == Reason::RequiredTagMissing;
        assert!(
            missing || message.fields().any(|field| field.0 == tag as u32),
            "{fault:?}"
        );
    }
});

const USER_DEFINED: u16 = 1 << 10;

fn checks(bits: u16) -> Checks {
    let on = |bit: u16| bits >> bit & 1 != 0;
    Checks {
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
        user_defined_fields: bits & USER_DEFINED != 0,
    }
}
