//! The parser: what is garbled, what is a fault, what the header says, and where data fields end.
//!
//! Each test names the message, the tag and the fault that it expects.

use super::field::*;
use super::tests::framed;
use super::{MsgType, SessionRejectReason, tags};
use crate::limits::{FIELDS_MAX, FRAME_BYTES_MAX};

fn fault_of(body: &str) -> Option<Fault> {
    let frame = framed("FIX.4.4", body);
    parse(&frame, &mut FieldIndex::new()).unwrap().fault()
}

#[test]
fn garbled_messages_are_errors() {
    for (body, why) in [
        ("35=0|x=1|", ParseFault::Tag),
        ("35=0|=1|", ParseFault::Tag),
        ("35=0|34|", ParseFault::Tag),
        ("35=0|-=1|", ParseFault::Tag),
        ("35=0||", ParseFault::Tag),
        ("35=0|9999999=1|", ParseFault::Tag),
        ("34=1|35=0|", ParseFault::Order),
    ] {
        let frame = framed("FIX.4.4", body);
        let error = parse(&frame, &mut FieldIndex::new()).err().unwrap();
        assert_eq!(error.why, why, "{body}");
    }
    assert!(parse(b"", &mut FieldIndex::new()).is_err());
    assert!(parse(&[b'8'; FRAME_BYTES_MAX + 1], &mut FieldIndex::new()).is_err());
}

#[test]
fn faults_name_the_lowest_tag() {
    use SessionRejectReason as R;
    let fault = |tag, reason| {
        Some(Fault {
            tag: Some(tag),
            reason,
        })
    };
    assert_eq!(fault_of("35=0|34=1|58=x|"), None);
    assert_eq!(fault_of("35=0|34=1|58=|"), fault(58, R::TagWithoutValue));
    assert_eq!(
        fault_of("35=0|34=1|58=|11=|"),
        fault(11, R::TagWithoutValue)
    );
    assert_eq!(fault_of("35=0|34=x|"), fault(34, R::BadFormat));
    assert_eq!(fault_of("35=0|34=1|0=x|"), fault(0, R::InvalidTagNumber));
    assert_eq!(fault_of("35=0|34=1|-1=x|"), fault(-1, R::InvalidTagNumber));
    assert_eq!(fault_of("35=0|34=1|43=X|"), fault(43, R::BadFormat));
    assert_eq!(fault_of("35=0|34=1|34=2|"), fault(34, R::TagRepeated));
    let many = format!("35=0|34=1|{}", "58=x|".repeat(FIELDS_MAX));
    assert_eq!(fault_of(&many), fault(58, R::Other));
    let just_enough = format!("35=0|34=1|{}", "58=x|".repeat(FIELDS_MAX - 5));
    assert_eq!(fault_of(&just_enough), None);
}

#[test]
fn the_header_is_picked_up_and_what_is_missing_is_named() {
    let body = "35=AF|34=18446744073709551615|43=Y|49=A|52=20231114-22:13:20|56=B|97=N|122=20231114-22:13:19|";
    let frame = framed("FIX.4.2", body);
    let mut index = FieldIndex::new();
    let message = parse(&frame, &mut index).unwrap();
    assert_eq!(message.begin_string(), b"FIX.4.2");
    assert_eq!(message.msg_type(), MsgType::ORDER_MASS_STATUS_REQUEST);
    assert_eq!(message.msg_type_bytes(), b"AF");
    assert_eq!(message.msg_seq_num(), Some(u64::MAX));
    assert_eq!((message.poss_dup(), message.poss_resend()), (true, false));
    assert_eq!(message.sender_comp_id(), Some(&b"A"[..]));
    assert_eq!(message.target_comp_id(), Some(&b"B"[..]));
    assert_eq!(message.sending_time_ns(), Some(1_700_000_000_000_000_000));
    assert_eq!(
        message.orig_sending_time_ns(),
        Some(1_699_999_999_000_000_000)
    );
    assert_eq!(message.missing_header_tag(), None);
    for (field, tag) in [
        ("34=18446744073709551615|", 34),
        ("49=A|", 49),
        ("52=20231114-22:13:20|", 52),
        ("56=B|", 56),
    ] {
        let frame = framed("FIX.4.2", &body.replace(field, ""));
        let message = parse(&frame, &mut index).unwrap();
        assert_eq!(message.missing_header_tag(), Some(tag));
    }
}

#[test]
fn of_repeated_fields_the_first_is_found() {
    let frame = framed("FIX.4.4", "35=A|34=1|58=a|58=b|372=D|372=F|");
    let mut index = FieldIndex::new();
    let message = parse(&frame, &mut index).unwrap();
    assert_eq!(message.get(tags::TEXT), Some(&b"a"[..]));
    assert_eq!(message.get(tags::REF_MSG_TYPE), Some(&b"D"[..]));
    assert_eq!(message.get(tags::CHECK_SUM).map(<[u8]>::len), Some(3));
    let all: Vec<u32> = message.fields().map(|(tag, _)| tag).collect();
    assert_eq!(all, [8, 9, 35, 34, 58, 58, 372, 372, 10]);
}

#[test]
fn data_fields_hold_any_byte() {
    let frame = framed("FIX.4.4", "35=A|34=1|95=9|96=a|10=000||58=x|");
    let mut index = FieldIndex::new();
    let message = parse(&frame, &mut index).unwrap();
    assert_eq!(message.get(tags::RAW_DATA), Some(&b"a\x0110=000\x01"[..]));
    assert_eq!(message.get(tags::TEXT), Some(&b"x"[..]));
    assert_eq!(message.fields().count(), 8);
    // A length that leads nowhere is not believed.
    for length in ["7", "4000", "10"] {
        let frame = framed("FIX.4.4", &format!("35=A|34=1|95={length}|96=abc|58=x|"));
        let message = parse(&frame, &mut index).unwrap();
        assert_eq!(message.get(tags::RAW_DATA), Some(&b"abc"[..]), "{length}");
    }
}
