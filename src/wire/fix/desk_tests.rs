//! What desks say, in the dialects that they say it in.
//!
//! Messages are written out as text, so that a dialect is seen as it is on the wire.

use super::decode_desk::decode_desk;
use super::tests::{framed, with_message};
use super::*;
use crate::domain::report::{DeskExec, DeskInput};
use crate::domain::{OrderId, OrderStatus, Price, Quantity};

const FILL: &str = "35=8|34=4|49=DESK|52=20231114-22:13:20.123|56=GATE|6=10.5|11=000000003d|14=100.000000|17=E1|31=12.340000|32=40|37=1|38=100|39=1|54=1|55=600000|150=F|151=60|";

fn from_desk(body: &str) -> Result<DeskMessage, DeskDecodeError> {
    with_message(&framed("FIX.4.4", body), decode_desk)
}

fn desk_exec(body: &str) -> DeskExec {
    match from_desk(body) {
        Ok(DeskMessage::Input(DeskInput::Report(report))) => report.exec,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn desks_dialects_mean_the_same() {
    let trade = DeskExec::Trade {
        quantity: Quantity(40),
        price: Price(1_234_000_000),
    };
    for dialect in [
        "150=F",
        "150=1",
        "150=2",
        "150=0",
        "150=F|20=0",
        "150=1|20=0",
    ] {
        assert_eq!(
            desk_exec(&FILL.replace("150=F", dialect)),
            trade,
            "{dialect}"
        );
    }
    let correct = DeskExec::TradeCorrect {
        quantity: Quantity(40),
        price: Price(1_234_000_000),
    };
    let with_ref = FILL.replace("|31=", "|19=E0|31=");
    for (dialect, want) in [
        ("150=G", correct),
        ("150=1|20=2", correct),
        ("150=H", DeskExec::TradeCancel),
        ("150=0|20=1", DeskExec::TradeCancel),
        ("150=1|20=3", DeskExec::Status),
        ("150=I", DeskExec::Status),
        ("150=9", DeskExec::Status),
        ("150=4", DeskExec::Cancelled),
        ("150=D", DeskExec::Restated),
    ] {
        assert_eq!(
            desk_exec(&with_ref.replace("150=F", dialect)),
            want,
            "{dialect}"
        );
    }
    let ack = FILL
        .replace("|39=1|", "|39=0|")
        .replace("|32=40|", "|32=0|");
    assert_eq!(desk_exec(&ack.replace("150=F", "150=0")), DeskExec::New);
}

#[test]
fn a_fill_that_cannot_be_read_is_an_error() {
    for (old, new, tag) in [
        ("32=40", "32=0", 32),
        ("32=40", "32=1.5", 32),
        ("32=40", "32=99999999999999999999", 32),
        ("32=40", "58=x", 32),
        ("31=12.340000", "31=12.123456789", 31),
        ("31=12.340000", "31=-1", 31),
        ("31=12.340000", "58=x", 31),
        ("11=000000003d", "11=stranger", 11),
        ("11=000000003d", "58=x", 11),
        ("17=E1", "58=x", 17),
        ("14=100.000000", "14=100.5", 14),
        ("151=60", "58=x", 151),
        ("54=1", "54=5", 54),
        ("39=1", "39=Q", 39),
        ("150=F", "150=Q", 150),
        ("150=F", "150=H", 19),
        ("32=40", "32=40|32=41", 32),
    ] {
        assert!(FILL.contains(old));
        let result = from_desk(&FILL.replace(old, new));
        assert_eq!(result.map_err(|error| error.tag), Err(tag), "{new}");
    }
}

#[test]
fn a_desk_of_4_0_says_it_by_the_status() {
    let from_desk = |body: &str| with_message(&framed("FIX.4.0", body), decode_desk);
    let fill = FILL
        .replace("|150=F|151=60|", "|20=0|")
        .replace("|17=E1|", "|17=1|");
    let trade = DeskExec::Trade {
        quantity: Quantity(40),
        price: Price(1_234_000_000),
    };
    let none = fill.replace("|32=40|", "|32=0|");
    let rows = [
        (fill.clone(), trade, 0),
        (fill.replace("|39=1|", "|39=2|"), trade, 0),
        // A fill while a cancel is on its way.
        (fill.replace("|39=1|", "|39=6|"), trade, 0),
        (none.replace("|39=1|", "|39=0|"), DeskExec::New, 0),
        (none.clone(), DeskExec::Status, 0),
        (none.replace("|39=1|", "|39=5|"), DeskExec::Replaced, 0),
        (none.replace("|39=1|", "|39=6|"), DeskExec::PendingCancel, 0),
        (fill.replace("|39=1|", "|39=4|"), DeskExec::Cancelled, 0),
        (fill.replace("|20=0|", "|20=3|"), DeskExec::Status, 0),
        (
            fill.replace("|20=0|", "|19=9|20=1|"),
            DeskExec::TradeCancel,
            0,
        ),
        (none.replace("|32=0|", "|"), DeskExec::New, 32),
        (fill.replace("|39=1|", "|"), DeskExec::New, 39),
        (fill.replace("|31=12.340000|", "|"), DeskExec::New, 31),
        (fill.replace("|39=1|", "|39=Q|"), DeskExec::New, 39),
    ];
    for (body, exec, wrong) in rows {
        match from_desk(&body) {
            Ok(DeskMessage::Input(DeskInput::Report(report))) => {
                assert_eq!((report.exec, wrong), (exec, 0), "{body}");
            }
            Err(error) => assert_eq!(error.tag, wrong, "{body}"),
            other => panic!("{other:?}"),
        }
    }
    let partly = fill.replace("|14=100.000000|", "|14=40|");
    let Ok(DeskMessage::Input(DeskInput::Report(report))) = from_desk(&partly) else {
        panic!("no report");
    };
    assert_eq!(
        (report.cumulated, report.leaves),
        (Quantity(40), Quantity(60))
    );
    let reject = from_desk("35=9|34=4|49=DESK|52=20231114-22:13:20|56=GATE|11=000000003d|37=1|");
    assert!(matches!(
        reject,
        Ok(DeskMessage::Input(DeskInput::CancelReject(reject))) if reject.reason == 99
    ));
}

#[test]
fn refusals_of_the_desk_name_our_message() {
    let head = "34=4|49=DESK|52=20231114-22:13:20.123|56=GATE|";
    let Ok(DeskMessage::Refused(refusal)) =
        from_desk(&format!("35=3|{head}45=17|58=no|371=38|372=D|373=5|"))
    else {
        panic!("no refusal");
    };
    assert_eq!(
        (refusal.ref_seq_num, refusal.tag, refusal.reason),
        (Some(17), 38, 5)
    );
    assert_eq!(refusal.ref_msg_type, Some(MsgType::NEW_ORDER_SINGLE));
    assert!(!refusal.business);
    let Ok(DeskMessage::Refused(refusal)) =
        from_desk(&format!("35=j|{head}372=D|379=000000003d|380=4|"))
    else {
        panic!("no refusal");
    };
    assert_eq!((refusal.ref_seq_num, refusal.reason), (None, 4));
    assert_eq!(refusal.ref_id, OrderId::parse(b"000000003d"));
    let missing = from_desk(&format!("35=3|{head}58=no|"));
    assert_eq!(missing.map_err(|error| error.tag), Err(45));
    let Ok(DeskMessage::Input(DeskInput::CancelReject(reject))) = from_desk(&format!(
        "35=9|{head}11=000000003d|39=2|41=o|58=late|102=0|434=1|"
    )) else {
        panic!("no cancel reject");
    };
    assert_eq!((reject.status, reject.reason), (OrderStatus::Filled, 0));
}

#[test]
fn long_exec_ids_fold_to_the_same_and_differ_where_they_differ() {
    let long = "A".repeat(60);
    let folded = decode_desk::fold_exec_id(long.as_bytes());
    assert_eq!(folded.len(), 39);
    assert_eq!(folded, decode_desk::fold_exec_id(long.as_bytes()));
    let other = "A".repeat(59) + "B";
    assert_ne!(folded, decode_desk::fold_exec_id(other.as_bytes()));
    assert_eq!(decode_desk::fold_exec_id(b"E1").as_bytes(), b"E1");
}
