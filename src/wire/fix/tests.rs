//! Tables of the whole: each version's reports use that version's enumerations; each bad field of an order has its answer; desks'
//! dialects mean the same.

use super::encode_report::{BusinessReject, encode_business_reject, encode_output};
use super::*;
use crate::domain::directory::tests::directory;
use crate::domain::order::{AccountRef, ClientRequest, InstrumentRef, MassScope};
use crate::domain::report::{
    ClientCancelReject, ClientExec, ClientOutput, ClientReport, MassCancelReport, ReportDetail,
};
use crate::domain::{
    AccountIndex, DeskText, Directory, FixVersion, InstrumentIndex, OrderId, OrderStatus,
    OrderType, Price, Quantity, RejectReason, Side, Text, TimeInForce,
};
use crate::limits::FRAME_BYTES_MAX;

const NOW_NS: u64 = 1_700_000_000_123_456_789;
pub(super) const EXECS: [ClientExec; 14] = [
    ClientExec::PendingNew,
    ClientExec::New,
    ClientExec::Trade,
    ClientExec::TradeCancel,
    ClientExec::TradeCorrect,
    ClientExec::Cancelled,
    ClientExec::Replaced,
    ClientExec::Rejected,
    ClientExec::Expired,
    ClientExec::DoneForDay,
    ClientExec::Restated,
    ClientExec::PendingCancel,
    ClientExec::PendingReplace,
    ClientExec::Status,
];

pub(super) fn header(version: FixVersion) -> Header<'static> {
    Header {
        version,
        msg_type: MsgType::default(),
        msg_seq_num: 7,
        sender_comp_id: b"GATE",
        target_comp_id: b"CLIENT",
        sending_time_ns: NOW_NS,
        poss_dup: false,
        poss_resend: false,
        orig_sending_time: b"",
        last_processed: None,
    }
}

pub(super) fn names() -> Directory {
    directory(&["ACC1", "ACCOUNT-NUMBER2"], &["600000", "10004237", "X"])
}

/// A message of the fields given with `|` for SOH, with its length and checksum.
pub(super) fn framed(begin: &str, body: &str) -> Vec<u8> {
    let body = body.replace('|', "\u{1}");
    let mut message = format!("8={begin}\u{1}9={}\u{1}{body}", body.len()).into_bytes();
    let sum = message
        .iter()
        .fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    message.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
    message
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\u{1}', "|")
}

/// Frames and parses `bytes`, which must be exactly one message.
pub(super) fn with_message<T>(bytes: &[u8], then: impl FnOnce(&Message<'_>) -> T) -> T {
    assert_eq!(
        next_frame(bytes, FRAME_BYTES_MAX),
        Framing::Frame {
            skip: 0,
            len: bytes.len()
        },
        "{}",
        shown(bytes)
    );
    let mut index = FieldIndex::new();
    let message = parse(bytes, &mut index).unwrap();
    assert_eq!(message.fault(), None, "{}", shown(bytes));
    then(&message)
}

pub(super) fn ascending_body(message: &Message<'_>) -> bool {
    let tags: Vec<u32> = message.fields().map(|(tag, _)| tag).collect();
    let first_of_body = tags
        .iter()
        .position(|&tag| tag == tags::TARGET_COMP_ID)
        .unwrap()
        + 1;
    tags[first_of_body..tags.len() - 1].is_sorted()
}

pub(super) fn request(message: &[u8], version: FixVersion) -> Result<ClientRequest, DecodeError> {
    with_message(message, |message| {
        decode_order(message, version, &names(), None)
    })
}

pub(super) fn report(exec: ClientExec, status: OrderStatus) -> ClientReport {
    ClientReport {
        order_id: OrderId::new(3, 1, 99),
        exec_sequence: 12_345,
        exec_ref_sequence: 12_344,
        client_order_id: Text::new(b"order-1").unwrap(),
        orig_client_order_id: Text::EMPTY,
        exec,
        status,
        account: AccountIndex(0),
        instrument: InstrumentIndex(0),
        side: Side::Sell,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Day,
        price: Price(1_050_000_000),
        quantity: Quantity(1000),
        cumulated: Quantity(400),
        leaves: Quantity(600),
        average_price: Price(1_049_500_000),
        last_quantity: Quantity(100),
        last_price: Price(1_049_000_000),
        reason: RejectReason::None,
        detail: ReportDetail::None,
    }
}

pub(super) fn encoded(version: FixVersion, output: ClientOutput) -> Vec<u8> {
    let mut out = [0; 1024];
    let mut time = TimeText::new(Precision::Millis);
    let range = encode_output(&mut out, &header(version), &mut time, &names(), &output).unwrap();
    out[range].to_vec()
}

#[test]
fn each_version_says_it_in_its_own_enumerations() {
    // exec, 39, leaves -> 20 and 150 in 4.2, 150 in 4.4
    use ClientExec as E;
    use OrderStatus as S;
    let rows: [(E, S, u64, [&[u8]; 3]); 16] = [
        (E::PendingNew, S::PendingNew, 9, [b"0", b"A", b"A"]),
        (E::New, S::New, 9, [b"0", b"0", b"0"]),
        (E::Trade, S::PartiallyFilled, 9, [b"0", b"1", b"F"]),
        (E::Trade, S::Filled, 0, [b"0", b"2", b"F"]),
        (E::Trade, S::PendingCancel, 9, [b"0", b"1", b"F"]),
        (E::TradeCancel, S::New, 9, [b"1", b"0", b"H"]),
        (E::TradeCorrect, S::PartiallyFilled, 9, [b"2", b"1", b"G"]),
        (E::Cancelled, S::Cancelled, 0, [b"0", b"4", b"4"]),
        (E::Replaced, S::New, 9, [b"0", b"5", b"5"]),
        (E::Rejected, S::Rejected, 0, [b"0", b"8", b"8"]),
        (E::Expired, S::Expired, 0, [b"0", b"C", b"C"]),
        (E::DoneForDay, S::DoneForDay, 0, [b"0", b"3", b"3"]),
        (E::Restated, S::New, 9, [b"0", b"D", b"D"]),
        (E::PendingCancel, S::PendingCancel, 9, [b"0", b"6", b"6"]),
        (E::PendingReplace, S::PendingReplace, 9, [b"0", b"E", b"E"]),
        (E::Status, S::PartiallyFilled, 9, [b"3", b"1", b"I"]),
    ];
    for exec in EXECS {
        assert!(rows.iter().any(|row| row.0 == exec), "{exec:?} has no row");
    }
    for (exec, status, leaves, [trans_42, type_42, type_44]) in rows {
        let mut report = report(exec, status);
        report.leaves = Quantity(leaves);
        report.cumulated = Quantity(report.quantity.0 - leaves);
        let bytes = encoded(FixVersion::Fix42, ClientOutput::Report(report));
        with_message(&bytes, |message| {
            assert_eq!(
                message.get(tags::EXEC_TRANS_TYPE),
                Some(trans_42),
                "{exec:?}"
            );
            assert_eq!(message.get(tags::EXEC_TYPE), Some(type_42), "{exec:?}");
            assert_eq!(message.get(tags::ORD_STATUS), Some(&[status as u8][..]));
            assert!(ascending_body(message), "{}", shown(&bytes));
        });
        let bytes = encoded(FixVersion::Fix44, ClientOutput::Report(report));
        with_message(&bytes, |message| {
            assert_eq!(message.get(tags::EXEC_TRANS_TYPE), None, "{exec:?}");
            assert_eq!(message.get(tags::EXEC_TYPE), Some(type_44), "{exec:?}");
            assert!(ascending_body(message), "{}", shown(&bytes));
            let is_trade = matches!(exec, E::Trade | E::TradeCorrect);
            assert_eq!(message.get(tags::LAST_QTY).is_some(), is_trade, "{exec:?}");
        });
    }
}

#[test]
fn a_fill_is_written_byte_for_byte() {
    let bytes = encoded(
        FixVersion::Fix42,
        ClientOutput::Report(report(ClientExec::Trade, OrderStatus::PartiallyFilled)),
    );
    let body = "35=8|34=7|49=GATE|52=20231114-22:13:20.123|56=CLIENT|1=ACC1|6=10.495|11=order-1|14=400|\
                17=00000003D7|20=0|31=10.49|32=100|37=007UaHQ3u7|38=1000|39=1|40=2|44=10.5|54=2|55=600000|59=0|\
                60=20231114-22:13:20.123|150=1|151=600|";
    assert_eq!(shown(&bytes), shown(&framed("FIX.4.2", body)));
}

#[test]
fn reject_codes_exist_in_their_version() {
    for row in crate::domain::reject::REJECTS {
        let mut report = report(ClientExec::Rejected, OrderStatus::Rejected);
        report.reason = row.reason;
        report.order_id = OrderId::NONE;
        for (version, code) in [
            (FixVersion::Fix42, row.ord_rej_reason_42),
            (FixVersion::Fix44, row.ord_rej_reason_44),
        ] {
            let bytes = encoded(version, ClientOutput::Report(report));
            with_message(&bytes, |message| {
                let want = (row.reason != RejectReason::None).then_some(code as u64);
                assert_eq!(message.get_u64(tags::ORD_REJ_REASON), want, "{}", row.name);
                assert_eq!(message.get(tags::ORDER_ID), Some(&b"NONE"[..]));
                let text = message.get(tags::TEXT).unwrap_or_default();
                assert_eq!(text, row.text.as_bytes());
            });
            let reject = ClientCancelReject {
                order_id: OrderId::NONE,
                client_order_id: Text::new(b"c").unwrap(),
                orig_client_order_id: Text::new(b"o").unwrap(),
                status: OrderStatus::Rejected,
                to_replace: true,
                reason: row.reason,
                text: DeskText::EMPTY,
            };
            let bytes = encoded(version, ClientOutput::CancelReject(reject));
            with_message(&bytes, |message| {
                let code = message.get_u64(tags::CXL_REJ_REASON).unwrap();
                assert!(code <= 3 || version == FixVersion::Fix44 && code == 6);
                assert_eq!(message.get(tags::CXL_REJ_RESPONSE_TO), Some(&b"2"[..]));
                assert!(ascending_body(message));
            });
        }
    }
}

#[test]
fn answers_carry_the_ids_of_their_questions() {
    let mut report = report(ClientExec::Status, OrderStatus::New);
    report.instrument = InstrumentIndex(u32::MAX);
    for (total, last) in [(0, true), (3, false), (3, true)] {
        report.detail = ReportDetail::Answer {
            request_id: Text::new(b"req").unwrap(),
            total,
            last,
        };
        let bytes = encoded(FixVersion::Fix44, ClientOutput::Report(report));
        with_message(&bytes, |message| {
            let is_mass = total != 0;
            assert_eq!(message.get(tags::ORD_STATUS_REQ_ID).is_some(), !is_mass);
            assert_eq!(message.get(tags::MASS_STATUS_REQ_ID).is_some(), is_mass);
            let want = is_mass.then_some(if last { &b"Y"[..] } else { b"N" });
            assert_eq!(message.get(tags::LAST_RPT_REQUESTED), want);
            assert_eq!(message.get(tags::EXEC_ID), Some(&b"0"[..]));
            assert_eq!(message.get(tags::SYMBOL), Some(&b"[N/A]"[..]));
        });
        let bytes = encoded(FixVersion::Fix42, ClientOutput::Report(report));
        with_message(&bytes, |message| {
            for tag in [
                tags::ORD_STATUS_REQ_ID,
                tags::MASS_STATUS_REQ_ID,
                tags::TOT_NUM_REPORTS,
                tags::LAST_RPT_REQUESTED,
            ] {
                assert_eq!(message.get(tag), None);
            }
        });
    }
}

#[test]
fn mass_cancel_reports_and_business_rejects() {
    let mut report = MassCancelReport {
        client_order_id: Text::new(b"m").unwrap(),
        order_id: OrderId::new(1, 1, 1),
        scope: MassScope::Instrument(InstrumentRef::Unknown(Text::new(b"ZZZ").unwrap())),
        affected: 0,
        reason: RejectReason::UnknownInstrument,
    };
    let refused = encoded(FixVersion::Fix44, ClientOutput::MassCancel(report));
    with_message(&refused, |message| {
        assert!(ascending_body(message));
        assert_eq!(message.get(tags::MASS_CANCEL_RESPONSE), Some(&b"0"[..]));
        assert_eq!(
            message.get(tags::MASS_CANCEL_REJECT_REASON),
            Some(&b"1"[..])
        );
        assert_eq!(message.get(tags::SYMBOL), Some(&b"ZZZ"[..]));
    });
    report.scope = MassScope::All;
    report.reason = RejectReason::None;
    report.affected = 12;
    let taken = encoded(FixVersion::Fix44, ClientOutput::MassCancel(report));
    with_message(&taken, |message| {
        assert_eq!(message.get(tags::MASS_CANCEL_RESPONSE), Some(&b"7"[..]));
        assert_eq!(message.get_u64(tags::TOTAL_AFFECTED_ORDERS), Some(12));
    });

    let order = framed("FIX.4.4", ORDER_44.replace("|44=10.5|", "|").as_str());
    let error = request(&order, FixVersion::Fix44).unwrap_err();
    let Refusal::Business(reason) = error.refusal else {
        panic!("{error:?}");
    };
    let mut out = [0; 512];
    let reject = BusinessReject::of(&error, reason, 4, MsgType::NEW_ORDER_SINGLE, b"ord-1");
    let mut time = TimeText::new(Precision::Millis);
    let range =
        encode_business_reject(&mut out, &header(FixVersion::Fix44), &mut time, &reject).unwrap();
    let body = "35=j|34=7|49=GATE|52=20231114-22:13:20.123|56=CLIENT|45=4|\
                58=Conditionally required field missing (44)|372=D|379=ord-1|380=5|";
    assert_eq!(shown(&out[range]), shown(&framed("FIX.4.4", body)));
}

#[test]
fn each_version_refuses_a_message_type_in_its_own_way() {
    let reject = BusinessReject {
        ref_seq_num: 4,
        ref_msg_type: MsgType::EXECUTION_REPORT,
        ref_id: b"",
        reason: BusinessRejectReason::UnsupportedMessageType,
        text: "Unsupported Message Type",
        tag: 0,
    };
    for version in FixVersion::ALL {
        let mut out = [0; 512];
        let mut time = TimeText::new(Precision::Millis);
        let range = encode_business_reject(&mut out, &header(version), &mut time, &reject).unwrap();
        let ids = "34=7|49=GATE|52=20231114-22:13:20.123|56=CLIENT";
        let body = match version.appl_ver_id().map(char::from) {
            None if version < FixVersion::Fix42 => {
                format!("35=3|{ids}|45=4|58=Unsupported message type|")
            }
            None => format!("35=j|{ids}|45=4|58=Unsupported Message Type|372=8|380=3|"),
            Some(id) => {
                format!("35=j|{ids}|45=4|58=Unsupported Message Type|372=8|380=3|1137={id}|")
            }
        };
        let begin_string = str::from_utf8(version.begin_string()).unwrap();
        assert_eq!(shown(&out[range]), shown(&framed(begin_string, &body)));
    }
}

const ORDER_44: &str = "35=D|34=4|49=CLIENT|52=20231114-22:13:20.123|56=GATE|1=ACC1|11=ord-1|38=100|40=2|44=10.5|54=1|55=600000|59=0|60=20231114-22:13:20.123|";

/// `ORDER_44` with one field put in the place of another; an empty one takes it out.
pub(super) fn order_with(old: &str, new: &str) -> Vec<u8> {
    let old = format!("|{old}|");
    assert!(ORDER_44.contains(&old), "{old}");
    let new = if new.is_empty() {
        "|".to_string()
    } else {
        format!("|{new}|")
    };
    framed("FIX.4.4", &ORDER_44.replace(&old, &new))
}

#[test]
fn an_order_is_read_or_refused_for_the_right_reason() {
    use BusinessRejectReason as B;
    use Refusal::{Business, Session};
    use SessionRejectReason as R;
    let long_id = format!("11={}", "x".repeat(40));
    let refused: [(&str, &str, u32, Refusal); 36] = [
        ("44=10.5", "44=1e5", 44, Session(R::BadFormat)),
        ("44=10.5", "44=-0", 44, Session(R::ValueOutOfRange)),
        ("44=10.5", "44=-1", 44, Session(R::ValueOutOfRange)),
        ("44=10.5", "44=1.123456789", 44, Session(R::ValueOutOfRange)),
        ("44=10.5", "44=abc", 44, Session(R::BadFormat)),
        ("44=10.5", "44=.", 44, Session(R::BadFormat)),
        ("44=10.5", "44=1.2.3", 44, Session(R::BadFormat)),
        (
            "44=10.5",
            "",
            44,
            Business(B::ConditionallyRequiredFieldMissing),
        ),
        (
            "38=100",
            "38=9223372036854775808",
            38,
            Session(R::ValueOutOfRange),
        ),
        ("38=100", "38=-5", 38, Session(R::ValueOutOfRange)),
        ("38=100", "38=1.5", 38, Session(R::ValueOutOfRange)),
        ("38=100", "38=1e5", 38, Session(R::BadFormat)),
        (
            "38=100",
            "",
            38,
            Business(B::ConditionallyRequiredFieldMissing),
        ),
        (
            "1=ACC1",
            "",
            1,
            Business(B::ConditionallyRequiredFieldMissing),
        ),
        ("11=ord-1", "", 11, Session(R::RequiredTagMissing)),
        ("11=ord-1", &long_id, 11, Session(R::ValueOutOfRange)),
        ("55=600000", "", 55, Session(R::RequiredTagMissing)),
        ("54=1", "", 54, Session(R::RequiredTagMissing)),
        ("54=1", "54=5", 54, Business(B::Other)),
        ("54=1", "54=Z", 54, Session(R::ValueOutOfRange)),
        ("54=1", "54=12", 54, Session(R::ValueOutOfRange)),
        ("54=1", "54=1|54=2", 54, Session(R::TagRepeated)),
        ("40=2", "", 40, Session(R::RequiredTagMissing)),
        ("40=2", "40=3", 40, Business(B::Other)),
        ("40=2", "40=z", 40, Session(R::ValueOutOfRange)),
        ("59=0", "59=1", 59, Business(B::Other)),
        ("59=0", "59=9", 59, Session(R::ValueOutOfRange)),
        (
            "60=20231114-22:13:20.123",
            "",
            60,
            Session(R::RequiredTagMissing),
        ),
        (
            "60=20231114-22:13:20.123",
            "60=20231314-22:13:20",
            60,
            Session(R::BadFormat),
        ),
        ("59=0", "59=0|21=4", 21, Session(R::ValueOutOfRange)),
        ("59=0", "59=0|110=50", 110, Business(B::Other)),
        ("59=0", "59=0|111=50", 111, Business(B::Other)),
        ("59=0", "59=0|152=50", 152, Business(B::Other)),
        (
            "59=0",
            "59=0|168=20231114-22:13:20",
            168,
            Business(B::Other),
        ),
        ("59=0", "59=0|544=2", 544, Business(B::Other)),
        ("38=100", "38=100|38=100", 38, Session(R::TagRepeated)),
    ];
    for (old, new, tag, refusal) in refused {
        let error = request(&order_with(old, new), FixVersion::Fix44).unwrap_err();
        assert_eq!((error.tag, error.refusal), (tag, refusal), "{new}");
    }
    let taken = [
        ("38=100", "38=0"),
        ("38=100", "38=100.00"),
        ("59=0", ""),
        ("59=0", "59=0|21=1"),
        ("59=0", "59=0|110=0|111=0|544=1"),
        ("59=0", "59=0|207=XSHG|9001=abc"),
        ("60=20231114-22:13:20.123", "60=20231114-22:13:20"),
        ("60=20231114-22:13:20.123", "60=20231114-22:13:20.123456789"),
    ];
    for (old, new) in taken {
        assert!(
            request(&order_with(old, new), FixVersion::Fix44).is_ok(),
            "{new}"
        );
    }
}

#[test]
fn market_orders_ignore_the_price_and_unknown_names_are_echoed() {
    let market = ORDER_44.replace("40=2|44=10.5|", "40=1|44=nonsense|");
    let Ok(ClientRequest::New(order)) = request(&framed("FIX.4.4", &market), FixVersion::Fix44)
    else {
        panic!("not an order");
    };
    assert_eq!(
        (order.order_type, order.price),
        (OrderType::Market, Price::ZERO)
    );
    let unknown = ORDER_44
        .replace("|1=ACC1|", "|1=A-NAME-LONGER-THAN-15|")
        .replace("|55=600000|", "|55=60000|");
    let Ok(ClientRequest::New(order)) = request(&framed("FIX.4.4", &unknown), FixVersion::Fix44)
    else {
        panic!("not an order");
    };
    assert_eq!(
        order.account,
        AccountRef::Unknown(Text::cut(b"A-NAME-LONGER-THAN-15"))
    );
    assert_eq!(
        order.instrument,
        InstrumentRef::Unknown(Text::cut(b"60000"))
    );
}

#[test]
fn required_fields_and_types_follow_the_version() {
    let error = request(&framed("FIX.4.2", ORDER_44), FixVersion::Fix42).unwrap_err();
    assert_eq!(error.tag, tags::HANDL_INST);
    assert_eq!(
        error.refusal,
        Refusal::Session(SessionRejectReason::RequiredTagMissing)
    );
    let with_21 = ORDER_44.replace("|38=", "|21=1|38=");
    assert!(request(&framed("FIX.4.2", &with_21), FixVersion::Fix42).is_ok());

    let head = "34=4|49=CLIENT|52=20231114-22:13:20.123|56=GATE|";
    let time = "60=20231114-22:13:20.123|";
    let rest = [
        format!("35=F|{head}11=c|41=o|54=1|55=X|{time}"),
        format!("35=G|{head}11=c|21=1|38=5|40=2|41=o|44=1|54=1|55=X|{time}"),
        format!("35=H|{head}11=c|54=1|55=X|790=r|"),
        format!("35=AF|{head}1=ACC1|584=r|585=7|"),
        format!("35=AF|{head}55=X|584=r|585=1|"),
        format!("35=q|{head}11=c|530=7|{time}"),
        format!("35=q|{head}11=c|54=2|55=X|530=1|{time}"),
    ];
    for body in rest {
        let result = request(&framed("FIX.4.4", &body), FixVersion::Fix44);
        assert!(result.is_ok(), "{body}: {result:?}");
        let result = request(&framed("FIX.4.2", &body), FixVersion::Fix42);
        let is_new_in_43 = body.starts_with("35=AF") || body.starts_with("35=q");
        match result {
            Err(error) if is_new_in_43 => {
                assert_eq!(
                    error.refusal,
                    Refusal::Session(SessionRejectReason::InvalidMsgType)
                );
            }
            Ok(ClientRequest::Status(status)) => assert!(status.request_id.is_empty()),
            other => assert!(other.is_ok() && !is_new_in_43, "{body}"),
        }
    }
    let other = framed("FIX.4.4", &format!("35=V|{head}"));
    assert_eq!(
        request(&other, FixVersion::Fix44).unwrap_err().refusal,
        Refusal::Business(BusinessRejectReason::UnsupportedMessageType)
    );
}
