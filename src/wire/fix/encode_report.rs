//! What the risk stage tells a client -> ExecutionReport, OrderCancelReject, OrderMassCancelReport, BusinessMessageReject.
//!
//! Runs on the decode stage. Each message uses only the fields and values that its FIX version has (see [`super::versions`]): up to 4.2 fills are 150=1 or 2
//! with 20=0, busts and corrections 20=1 and 2, answers 20=3; later 150=F, H, G and I; 4.0 has 39 alone. Body fields ascend by tag. TransactTime(60) is
//! SendingTime(52).

use std::ops::Range;

use super::decode_order::DecodeError;
use super::msg_type::MsgType;
use super::reject::BusinessRejectReason;
use super::tags;
use super::time::TimeText;
use super::versions as has;
use super::writer::{Header, NoRoom, Writer};
use crate::domain::ids::{ORDER_ID_CHARS, base62};
use crate::domain::order::MassScope;
use crate::domain::report::{
    ClientCancelReject, ClientExec, ClientOutput, ClientReport, MassCancelReport, ReportDetail,
};
use crate::domain::{
    Directory, Durability, FixVersion, OrderId, OrderStatus, OrderType, Price, Quantity,
    RejectReason,
};

/// Symbol(55) where the message is about none: the value that the specification provides.
const NO_SYMBOL: &[u8] = b"[N/A]";
/// ExecRestatementReason(378): broker option.
const RESTATED_BY_BROKER: u8 = b'4';

/// A level of durability, and the user-defined field that a session wants it in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level {
    /// Above those of FIX itself
    pub tag: u32,
    /// Its value
    pub durability: Durability,
}

/// Encodes whatever goes to a client; `header.msg_type` is set here. With the level for a session that asks for it; in a copy for another
/// session nothing differs but CopyMsgIndicator(797), where the version has it.
#[inline]
pub fn encode_output(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    directory: &Directory,
    output: &ClientOutput,
    (level, is_copy): (Option<Level>, bool),
) -> Result<Range<usize>, NoRoom> {
    match output {
        ClientOutput::Report(report) => {
            encode_report(out, header, time, directory, report, level, is_copy)
        }
        ClientOutput::CancelReject(reject) => encode_cancel_reject(out, header, time, reject),
        ClientOutput::MassCancel(report) => {
            encode_mass_cancel_report(out, header, time, directory, report)
        }
    }
}

/// ExecutionReport (35=8).
fn encode_report(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    directory: &Directory,
    report: &ClientReport,
    level: Option<Level>,
    is_copy: bool,
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
        exec_id(&mut w, version, tags::EXEC_ID, report.exec_sequence);
    }
    if matches!(
        report.exec,
        ClientExec::TradeCancel | ClientExec::TradeCorrect
    ) {
        exec_id(&mut w, version, tags::EXEC_REF_ID, report.exec_ref_sequence);
    }
    if has::EXEC_TRANS_TYPE.covers(version) {
        w.char(tags::EXEC_TRANS_TYPE, has::exec_trans_type(report.exec));
    }
    if matches!(report.exec, ClientExec::Trade | ClientExec::TradeCorrect) {
        w.price(tags::LAST_PX, report.last_price);
        w.quantity(tags::LAST_QTY, report.last_quantity);
    } else if has::LAST_REQUIRED.covers(version) {
        w.price(tags::LAST_PX, Price::ZERO);
        w.quantity(tags::LAST_QTY, Quantity::ZERO);
    }
    order_id(&mut w, tags::ORDER_ID, report.order_id);
    w.quantity(tags::ORDER_QTY, report.quantity);
    // A late fill of an order that was cancelled leaves nothing open, and is partial all the same.
    let is_filled = report.cumulated >= report.quantity;
    let status = has::ord_status(version, report.exec, report.status, is_filled);
    w.char(tags::ORD_STATUS, status);
    w.char(tags::ORD_TYPE, report.order_type as u8);
    if has::REPORT_ORIG_CL_ORD_ID.covers(version) {
        w.bytes(tags::ORIG_CL_ORD_ID, report.orig_client_order_id.as_bytes());
    }
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
        let code = has::ord_rej_reason(version, report.reason.row());
        w.u64(tags::ORD_REJ_REASON, code as u64);
    }
    if has::EXEC_TYPE.covers(version) {
        let exec_type = has::exec_type(version, report.exec, status, is_filled);
        w.char(tags::EXEC_TYPE, exec_type);
        w.quantity(tags::LEAVES_QTY, report.leaves);
    }
    if report.exec == ClientExec::Restated && has::RESTATED.covers(version) {
        w.char(tags::EXEC_RESTATEMENT_REASON, RESTATED_BY_BROKER);
    }
    if has::REQUEST_IDS.covers(version) {
        answer(&mut w, &report.detail);
    }
    if is_copy && has::COPY_MSG_INDICATOR.covers(version) {
        // Answers are not copied: no higher tag stands before it.
        w.flag(tags::COPY_MSG_INDICATOR, true);
    }
    if let Some(level) = level {
        w.bytes(level.tag, level.durability.name().as_bytes());
    }
    w.finish()
}

/// OrderCancelReject (35=9).
fn encode_cancel_reject(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    reject: &ClientCancelReject,
) -> Result<Range<usize>, NoRoom> {
    let row = reject.reason.row();
    let version = header.version;
    let mut w = begin(out, header, MsgType::ORDER_CANCEL_REJECT, time);
    w.bytes(tags::CL_ORD_ID, reject.client_order_id.as_bytes());
    order_id(&mut w, tags::ORDER_ID, reject.order_id);
    if has::CANCEL_REJECT_STATUS.covers(version) {
        w.char(tags::ORD_STATUS, has::plain_status(version, reject.status));
        w.bytes(tags::ORIG_CL_ORD_ID, reject.orig_client_order_id.as_bytes());
    }
    w.bytes(
        tags::TEXT,
        first_of(reject.text.as_bytes(), row.text.as_bytes()),
    );
    if has::CXL_REJ_RESPONSE_TO.covers(version) {
        w.sending_time(tags::TRANSACT_TIME);
    }
    if let Some(code) = has::cxl_rej_reason(version, row.cxl_rej_reason) {
        w.u64(tags::CXL_REJ_REASON, code as u64);
    }
    if has::CXL_REJ_RESPONSE_TO.covers(version) {
        let to = if reject.to_replace { b'2' } else { b'1' };
        w.char(tags::CXL_REJ_RESPONSE_TO, to);
    }
    w.finish()
}

/// OrderMassCancelReport (35=r); the message begins with FIX 4.3.
fn encode_mass_cancel_report(
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
    let version = header.version;
    let mut w = begin(out, header, MsgType::ORDER_MASS_CANCEL_REPORT, time);
    w.bytes(tags::CL_ORD_ID, report.client_order_id.as_bytes());
    order_id(&mut w, tags::ORDER_ID, report.order_id);
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
        // Invalid or unknown security; other, which fits no single character.
        if report.reason == RejectReason::UnknownInstrument {
            w.char(tags::MASS_CANCEL_REJECT_REASON, b'1');
        } else if has::MASS_CANCEL_OTHER.covers(version) {
            w.u64(tags::MASS_CANCEL_REJECT_REASON, 99);
        }
    } else {
        w.u64(tags::TOTAL_AFFECTED_ORDERS, report.affected as u64);
    }
    if has::MASS_ACTION_REPORT_ID.covers(version) {
        order_id(&mut w, tags::MASS_ACTION_REPORT_ID, report.order_id);
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

/// BusinessMessageReject (35=j), and a Reject (35=3) with the text in the versions that have none. FIXT.1.1 counterparties expect the application
/// version in it.
pub fn encode_business_reject(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    reject: &BusinessReject<'_>,
) -> Result<Range<usize>, NoRoom> {
    let version = header.version;
    if !has::BUSINESS_REJECT.covers(version) {
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
    w.u64(
        tags::BUSINESS_REJECT_REASON,
        reject.reason.code(version) as u64,
    );
    if let Some(application) = version.appl_ver_id() {
        w.char(tags::DEFAULT_APPL_VER_ID, application);
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

/// ExecID(17) and ExecRefID(19): ten base-62 characters, so that it sorts as it was given, where it need not be a number.
#[inline]
fn exec_id(w: &mut Writer<'_>, version: FixVersion, tag: u32, sequence: u64) {
    if has::EXEC_ID_IS_NUMBER.covers(version) {
        w.u64(tag, sequence);
    } else {
        let text: [u8; ORDER_ID_CHARS] = base62(sequence);
        w.bytes(tag, &text);
    }
}

#[inline]
fn order_id(w: &mut Writer<'_>, tag: u32, id: OrderId) {
    if id == OrderId::NONE {
        w.bytes(tag, b"NONE");
    } else {
        w.bytes(tag, &id.to_base62());
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
    match total {
        None => w.bytes(tags::ORD_STATUS_REQ_ID, request_id.as_bytes()),
        Some(total) => {
            w.bytes(tags::MASS_STATUS_REQ_ID, request_id.as_bytes());
            w.u64(tags::TOT_NUM_REPORTS, *total as u64);
            w.flag(tags::LAST_RPT_REQUESTED, *last);
        }
    }
}
