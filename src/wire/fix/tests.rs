//! Tables of the whole: each version's reports use that version's enumerations; each bad field of an order has its answer; desks'
//! dialects mean the same.

use super::encode_report::{BusinessReject, encode_business_reject, encode_output};
use super::order_tests::ORDER_44;
use super::*;
use crate::domain::directory::tests::directory;
use crate::domain::order::{ClientRequest, InstrumentRef, MassScope};
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
    let (header, names) = (header(version), names());
    let range =
        encode_output(&mut out, &header, &mut time, &names, &output, (None, false)).unwrap();
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
fn before_exec_type_the_status_tells_what_happened() {
    use ClientExec as E;
    use OrderStatus as S;
    // exec, status, leaves -> 20 and 39 in 4.0, 39 and 150 in 4.1
    let rows: [(E, S, u64, [&[u8]; 4]); 9] = [
        (E::New, S::New, 9, [b"0", b"0", b"0", b"0"]),
        (E::Trade, S::PendingCancel, 9, [b"0", b"1", b"6", b"1"]),
        (E::Trade, S::Filled, 0, [b"0", b"2", b"2", b"2"]),
        (E::TradeCancel, S::New, 9, [b"1", b"0", b"0", b"0"]),
        (E::Replaced, S::PartiallyFilled, 9, [b"0", b"5", b"1", b"5"]),
        (E::Restated, S::New, 9, [b"0", b"5", b"0", b"5"]),
        (
            E::PendingCancel,
            S::PendingCancel,
            9,
            [b"0", b"6", b"6", b"6"],
        ),
        (
            E::PendingReplace,
            S::PendingReplace,
            9,
            [b"0", b"6", b"6", b"6"],
        ),
        (E::Status, S::PendingReplace, 9, [b"3", b"6", b"6", b"6"]),
    ];
    for (exec, status, leaves, [trans, status_40, status_41, type_41]) in rows {
        let mut report = report(exec, status);
        report.cumulated = Quantity(report.quantity.0 - leaves);
        report.orig_client_order_id = Text::new(b"before").unwrap();
        let bytes = encoded(FixVersion::Fix40, ClientOutput::Report(report));
        with_message(&bytes, |message| {
            assert_eq!(message.get(tags::EXEC_TRANS_TYPE), Some(trans), "{exec:?}");
            assert_eq!(message.get(tags::ORD_STATUS), Some(status_40), "{exec:?}");
            for tag in [tags::EXEC_TYPE, tags::LEAVES_QTY, tags::ORIG_CL_ORD_ID] {
                assert_eq!(message.get(tag), None, "{exec:?}");
            }
            let is_number = |tag| message.get_u64(tag).is_some();
            assert!(is_number(tags::EXEC_ID) && is_number(tags::LAST_QTY));
            assert!(ascending_body(message), "{}", shown(&bytes));
        });
        let bytes = encoded(FixVersion::Fix41, ClientOutput::Report(report));
        with_message(&bytes, |message| {
            assert_eq!(message.get(tags::ORD_STATUS), Some(status_41), "{exec:?}");
            assert_eq!(message.get(tags::EXEC_TYPE), Some(type_41), "{exec:?}");
            assert_eq!(message.get(tags::ORIG_CL_ORD_ID), Some(&b"before"[..]));
            assert_eq!(message.get(tags::EXEC_RESTATEMENT_REASON), None);
        });
    }
}

#[test]
fn a_business_reject_is_a_reject_where_there_is_none() {
    let error = DecodeError {
        tag: tags::ORD_TYPE,
        refusal: Refusal::Business(BusinessRejectReason::Other),
        text: "OrdType not supported",
    };
    let reject = BusinessReject::of(
        &error,
        BusinessRejectReason::Other,
        4,
        MsgType::NEW_ORDER_SINGLE,
        b"ord-1",
    );
    let mut time = TimeText::new(Precision::Seconds);
    for version in [FixVersion::Fix40, FixVersion::Fix41] {
        let mut out = [0; 512];
        let range = encode_business_reject(&mut out, &header(version), &mut time, &reject).unwrap();
        let body =
            "35=3|34=7|49=GATE|52=20231114-22:13:20|56=CLIENT|45=4|58=OrdType not supported (40)|";
        let begin = std::str::from_utf8(version.begin_string()).unwrap();
        assert_eq!(shown(&out[range]), shown(&framed(begin, body)));
    }
    let not_authorized = BusinessRejectReason::NotAuthorized;
    assert_eq!(not_authorized.code(FixVersion::Fix42), 0);
    assert_eq!(not_authorized.code(FixVersion::Fix43), 6);
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
            (FixVersion::Fix50Sp2, row.ord_rej_reason_44),
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
                account: AccountIndex(0),
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
                assert!(code <= 3 || version >= FixVersion::Fix44 && code == 6);
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
    for (total, last) in [
        (None, true),
        (Some(0), true),
        (Some(3), false),
        (Some(3), true),
    ] {
        report.detail = ReportDetail::Answer {
            request_id: Text::new(b"req").unwrap(),
            total,
            last,
        };
        let bytes = encoded(FixVersion::Fix44, ClientOutput::Report(report));
        with_message(&bytes, |message| {
            let is_mass = total.is_some();
            assert_eq!(message.get_u64(tags::TOT_NUM_REPORTS), total.map(u64::from));
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
