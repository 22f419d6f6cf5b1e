//! What the risk stage tells a client -> ExecutionReport, OrderCancelReject, OrderMassCancelReport, BusinessMessageReject.
//!
//! Runs on the decode stage. Each message uses only the values that its FIX version has: 4.2 tells fills as 150=1 or 2 with 20=0, busts and corrections
//! by 20=1 and 2, answers by 20=3; 4.4 has 150=F, H, G and I. Body fields ascend by tag. TransactTime(60) is SendingTime(52).

use std::ops::Range;

use super::decode_order::DecodeError;
use super::msg_type::MsgType;
use super::reject::BusinessRejectReason;
use super::tags;
use super::time::TimeText;
use super::writer::{Header, NoRoom, Writer};
use crate::domain::ids::{ORDER_ID_CHARS, base62};
use crate::domain::order::MassScope;
use crate::domain::report::{
    ClientCancelReject, ClientExec, ClientOutput, ClientReport, MassCancelReport, ReportDetail,
};
use crate::domain::{Directory, FixVersion, OrderId, OrderStatus, OrderType, RejectReason};

/// Symbol(55) where the message is about none: the value that the specification provides.
const NO_SYMBOL: &[u8] = b"[N/A]";
/// ExecRestatementReason(378): broker option. Both versions have it, and require the field with 150=D.
const RESTATED_BY_BROKER: u8 = b'4';

/// Encodes whatever goes to a client. `header.msg_type` is set here.
pub fn encode_output(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    directory: &Directory,
    output: &ClientOutput,
) -> Result<Range<usize>, NoRoom> {
    match output {
        ClientOutput::Report(report) => encode_report(out, header, time, directory, report),
        ClientOutput::CancelReject(reject) => encode_cancel_reject(out, header, time, reject),
        ClientOutput::MassCancel(report) => {
            encode_mass_cancel_report(out, header, time, directory, report)
        }
    }
}

/// ExecutionReport (35=8).
pub fn encode_report(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    directory: &Directory,
    report: &ClientReport,
) -> Result<Range<usize>, NoRoom> {
    let version = header.version;
    let (unknown_account, unknown_symbol) = match &report.detail {
        ReportDetail::Unknown { account, symbol } => (account.as_bytes(), symbol.as_bytes()),
        _ => (&b""[..], &b""[..]),
    };
    let mut w = begin(out, header, MsgType::EXECUTION_REPORT, time);
    w.bytes(
        tags::ACCOUNT,
        first_of(directory.account_name(report.account), unknown_account),
    );
    w.price(tags::AVG_PX, report.average_price);
    w.bytes(tags::CL_ORD_ID, report.client_order_id.as_bytes());
    w.quantity(tags::CUM_QTY, report.cumulated);
    if report.exec == ClientExec::Status {
        // "Will be 0 (zero) for ExecTransType=3" (4.2), "for ExecType=I" (4.4).
        w.char(tags::EXEC_ID, b'0');
    } else {
        w.bytes(tags::EXEC_ID, &exec_id(report.exec_sequence));
    }
    if matches!(
        report.exec,
        ClientExec::TradeCancel | ClientExec::TradeCorrect
    ) {
        w.bytes(tags::EXEC_REF_ID, &exec_id(report.exec_ref_sequence));
    }
    if version <= FixVersion::Fix42 {
        w.char(tags::EXEC_TRANS_TYPE, exec_trans_type(report.exec));
    }
    if matches!(report.exec, ClientExec::Trade | ClientExec::TradeCorrect) {
        w.price(tags::LAST_PX, report.last_price);
        w.quantity(tags::LAST_QTY, report.last_quantity);
    }
    order_id(&mut w, report.order_id);
    w.quantity(tags::ORDER_QTY, report.quantity);
    w.char(tags::ORD_STATUS, report.status as u8);
    w.char(tags::ORD_TYPE, report.order_type as u8);
    w.bytes(tags::ORIG_CL_ORD_ID, report.orig_client_order_id.as_bytes());
    if report.order_type == OrderType::Limit {
        w.price(tags::PRICE, report.price);
    }
    w.char(tags::SIDE, report.side as u8);
    let symbol = first_of(directory.symbol(report.instrument), unknown_symbol);
    w.bytes(tags::SYMBOL, first_of(symbol, NO_SYMBOL));
    w.bytes(tags::TEXT, report_text(report));
    w.char(tags::TIME_IN_FORCE, report.time_in_force as u8);
    w.sending_time(tags::TRANSACT_TIME);
    if report.status == OrderStatus::Rejected && report.reason != RejectReason::None {
        let row = report.reason.row();
        let code = if version <= FixVersion::Fix42 {
            row.ord_rej_reason_42
        } else {
            row.ord_rej_reason_44
        };
        w.u64(tags::ORD_REJ_REASON, code as u64);
    }
    w.char(tags::EXEC_TYPE, exec_type(version, report));
    w.quantity(tags::LEAVES_QTY, report.leaves);
    if report.exec == ClientExec::Restated {
        w.char(tags::EXEC_RESTATEMENT_REASON, RESTATED_BY_BROKER);
    }
    if version > FixVersion::Fix42 {
        answer(&mut w, &report.detail);
    }
    w.finish()
}

/// OrderCancelReject (35=9).
pub fn encode_cancel_reject(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    reject: &ClientCancelReject,
) -> Result<Range<usize>, NoRoom> {
    let row = reject.reason.row();
    let mut w = begin(out, header, MsgType::ORDER_CANCEL_REJECT, time);
    w.bytes(tags::CL_ORD_ID, reject.client_order_id.as_bytes());
    order_id(&mut w, reject.order_id);
    w.char(tags::ORD_STATUS, reject.status as u8);
    w.bytes(tags::ORIG_CL_ORD_ID, reject.orig_client_order_id.as_bytes());
    w.bytes(
        tags::TEXT,
        first_of(reject.text.as_bytes(), row.text.as_bytes()),
    );
    w.sending_time(tags::TRANSACT_TIME);
    // 4.2 has 0 to 3 only; 2 is "broker option".
    let code = match row.cxl_rej_reason {
        4.. if header.version <= FixVersion::Fix42 => 2,
        code => code,
    };
    w.u64(tags::CXL_REJ_REASON, code as u64);
    w.char(
        tags::CXL_REJ_RESPONSE_TO,
        if reject.to_replace { b'2' } else { b'1' },
    );
    w.finish()
}

/// OrderMassCancelReport (35=r); the message begins with FIX 4.3.
pub fn encode_mass_cancel_report(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    directory: &Directory,
    report: &MassCancelReport,
) -> Result<Range<usize>, NoRoom> {
    let request_type = match report.scope {
        MassScope::All => b'7',
        MassScope::Instrument(_) => b'1',
    };
    let accepted = report.reason == RejectReason::None;
    let mut w = begin(out, header, MsgType::ORDER_MASS_CANCEL_REPORT, time);
    w.bytes(tags::CL_ORD_ID, report.client_order_id.as_bytes());
    order_id(&mut w, report.order_id);
    if let MassScope::Instrument(instrument) = &report.scope {
        w.bytes(tags::SYMBOL, directory.symbol_of(instrument));
    }
    w.bytes(tags::TEXT, report.reason.row().text.as_bytes());
    w.sending_time(tags::TRANSACT_TIME);
    w.char(tags::MASS_CANCEL_REQUEST_TYPE, request_type);
    w.char(
        tags::MASS_CANCEL_RESPONSE,
        if accepted { request_type } else { b'0' },
    );
    if !accepted {
        // 1 = invalid or unknown security; 99 = other.
        let code = match report.reason {
            RejectReason::UnknownInstrument => 1,
            _ => 99,
        };
        w.u64(tags::MASS_CANCEL_REJECT_REASON, code);
    } else {
        w.u64(tags::TOTAL_AFFECTED_ORDERS, report.affected as u64);
    }
    w.finish()
}

/// What a BusinessMessageReject says.
#[derive(Clone, Copy, Debug)]
pub struct BusinessReject<'a> {
    /// RefSeqNum(45)
    pub ref_seq_num: u64,
    /// RefMsgType(372)
    pub ref_msg_type: MsgType,
    /// BusinessRejectRefID(379): ClOrdID and the like; empty where there is none
    pub ref_id: &'a [u8],
    /// BusinessRejectReason(380)
    pub reason: BusinessRejectReason,
    /// Text(58)
    pub text: &'a str,
    /// Named behind the text, since the message has no field for it before FIX 5.0; zero where there is none
    pub tag: u32,
}

impl<'a> BusinessReject<'a> {
    /// The answer to a message that [`super::decode_order::decode_order`] refused with that reason.
    pub fn of(
        error: &DecodeError,
        reason: BusinessRejectReason,
        ref_seq_num: u64,
        ref_msg_type: MsgType,
        ref_id: &'a [u8],
    ) -> Self {
        Self {
            ref_seq_num,
            ref_msg_type,
            ref_id,
            reason,
            text: error.text,
            tag: error.tag,
        }
    }
}

/// BusinessMessageReject (35=j). In 4.0 and 4.1, which do not have it, a Reject (35=3) with the text. FIXT.1.1 counterparties
/// expect the application version in it.
pub fn encode_business_reject(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    reject: &BusinessReject<'_>,
) -> Result<Range<usize>, NoRoom> {
    if header.version < FixVersion::Fix42 {
        let text = match reject.reason {
            BusinessRejectReason::UnsupportedMessageType => "Unsupported message type",
            _ => reject.text,
        };
        let mut w = begin(out, header, MsgType::REJECT, time);
        w.u64(tags::REF_SEQ_NUM, reject.ref_seq_num);
        w.text_and_tag(tags::TEXT, text.as_bytes(), reject.tag);
        return w.finish();
    }
    let mut w = begin(out, header, MsgType::BUSINESS_MESSAGE_REJECT, time);
    w.u64(tags::REF_SEQ_NUM, reject.ref_seq_num);
    w.text_and_tag(tags::TEXT, reject.text.as_bytes(), reject.tag);
    w.bytes(tags::REF_MSG_TYPE, reject.ref_msg_type.text().as_bytes());
    w.bytes(tags::BUSINESS_REJECT_REF_ID, reject.ref_id);
    w.u64(tags::BUSINESS_REJECT_REASON, reject.reason as u64);
    if let Some(version) = header.version.appl_ver_id() {
        w.char(tags::DEFAULT_APPL_VER_ID, version);
    }
    w.finish()
}

#[inline]
pub(super) fn begin<'a>(
    out: &'a mut [u8],
    header: &Header<'_>,
    msg_type: MsgType,
    time: &mut TimeText,
) -> Writer<'a> {
    Writer::begin(
        out,
        &Header {
            msg_type,
            ..*header
        },
        time,
    )
}

/// ExecID(17): ten base-62 characters, so that it sorts as it was given.
#[inline]
fn exec_id(sequence: u64) -> [u8; ORDER_ID_CHARS] {
    base62(sequence)
}

#[inline]
fn order_id(w: &mut Writer<'_>, id: OrderId) {
    if id == OrderId::NONE {
        w.bytes(tags::ORDER_ID, b"NONE");
    } else {
        w.bytes(tags::ORDER_ID, &id.to_base62());
    }
}

#[inline]
fn first_of<'a>(one: &'a [u8], other: &'a [u8]) -> &'a [u8] {
    if one.is_empty() { other } else { one }
}

/// The desk's words before our own.
#[inline]
fn report_text(report: &ClientReport) -> &[u8] {
    let own = report.reason.row().text.as_bytes();
    match &report.detail {
        ReportDetail::Desk(text) => first_of(text.as_bytes(), own),
        _ => own,
    }
}

/// ExecTransType(20), which ends with FIX 4.2.
fn exec_trans_type(exec: ClientExec) -> u8 {
    match exec {
        ClientExec::TradeCancel => b'1',
        ClientExec::TradeCorrect => b'2',
        ClientExec::Status => b'3',
        _ => b'0',
    }
}

/// ExecType(150).
fn exec_type(version: FixVersion, report: &ClientReport) -> u8 {
    match (report.exec, version <= FixVersion::Fix42) {
        (ClientExec::PendingNew, _) => b'A',
        (ClientExec::New, _) => b'0',
        (ClientExec::Cancelled, _) => b'4',
        (ClientExec::Replaced, _) => b'5',
        (ClientExec::Rejected, _) => b'8',
        (ClientExec::Expired, _) => b'C',
        (ClientExec::DoneForDay, _) => b'3',
        (ClientExec::Restated, _) => b'D',
        (ClientExec::PendingCancel, _) => b'6',
        (ClientExec::PendingReplace, _) => b'E',
        (ClientExec::Trade, false) => b'F',
        (ClientExec::TradeCancel, false) => b'H',
        (ClientExec::TradeCorrect, false) => b'G',
        (ClientExec::Status, false) => b'I',
        // A late fill of an order that was cancelled leaves nothing open, and is partial all the same.
        (ClientExec::Trade, true) if report.cumulated >= report.quantity => b'2',
        (ClientExec::Trade, true) => b'1',
        // What 20 says is not said again: 150 tells the state that the order is in.
        (ClientExec::TradeCancel | ClientExec::TradeCorrect | ClientExec::Status, true) => {
            report.status as u8
        }
    }
}

/// 790, or 584 with 911 and 912.
fn answer(w: &mut Writer<'_>, detail: &ReportDetail) {
    let ReportDetail::Answer {
        request_id,
        total,
        last,
    } = detail
    else {
        return;
    };
    if *total == 0 {
        w.bytes(tags::ORD_STATUS_REQ_ID, request_id.as_bytes());
    } else {
        w.bytes(tags::MASS_STATUS_REQ_ID, request_id.as_bytes());
        w.u64(tags::TOT_NUM_REPORTS, *total as u64);
        w.flag(tags::LAST_RPT_REQUESTED, *last);
    }
}
