//! The simulated desk's FIX, in all versions: requests in, reports out.
//!
//! Pure; called by the desk server between the session layer and the desk book. Each version gets only its own fields and
//! enumerations, see `wire::fix::versions`. Body fields ascend by tag. An ExecID is a prefix (the run, so that a restarted desk does not repeat itself) and the
//! desk's number; in 4.0, where it is a number, the prefix becomes one.

use std::ops::Range;

use crate::domain::report::{ClientExec, DeskExec};
use crate::domain::{FixVersion, OrderStatus, OrderType, Price, Quantity, Side, Text, TimeInForce};
use crate::sim::desk_message::{
    CancelReject, DeskMessage, MassCancelReport, Report, Request, RequestKind,
};
use crate::wire::fix::{
    BusinessRejectReason, DecodeError, Header, Message, MsgType, NoRoom, Refusal,
    SessionRejectReason, TimeText, Writer, tags, versions as has,
};

/// What stands before the number in ExecID(17) and OrderID(37).
pub type RunPrefix = Text<12>;

/// Reads a request.
pub fn decode_request(message: &Message<'_>) -> Result<Request, DecodeError> {
    let kind = match message.msg_type() {
        MsgType::NEW_ORDER_SINGLE => RequestKind::New,
        MsgType::ORDER_CANCEL_REQUEST => RequestKind::Cancel,
        MsgType::ORDER_CANCEL_REPLACE_REQUEST => RequestKind::Replace,
        MsgType::ORDER_STATUS_REQUEST => RequestKind::Status,
        MsgType::ORDER_MASS_STATUS_REQUEST => RequestKind::MassStatus,
        MsgType::ORDER_MASS_CANCEL_REQUEST => RequestKind::MassCancel,
        _ => {
            return Err(DecodeError {
                tag: 0,
                refusal: Refusal::Business(BusinessRejectReason::UnsupportedMessageType),
                text: "Unsupported Message Type",
            });
        }
    };
    let mut request = Request {
        kind,
        possible_resend: message.poss_resend(),
        ..Request::default()
    };
    let mut seen = Seen::default();
    for (tag, value) in message.fields() {
        read_field(&mut request, &mut seen, tag, value)?;
    }
    require(&request, &seen)?;
    Ok(request)
}

#[derive(Default)]
struct Seen {
    order_type: bool,
    quantity: bool,
    by_instrument: bool,
}

fn read_field(
    request: &mut Request,
    seen: &mut Seen,
    tag: u32,
    value: &[u8],
) -> Result<(), DecodeError> {
    let format = || error(tag, SessionRejectReason::BadFormat);
    let range = || error(tag, SessionRejectReason::ValueOutOfRange);
    match tag {
        tags::ACCOUNT => request.account = Text::new(value).ok_or_else(range)?,
        tags::CL_ORD_ID => request.client_order_id = Text::new(value).ok_or_else(range)?,
        tags::ORIG_CL_ORD_ID => request.original = Text::new(value).ok_or_else(range)?,
        tags::SYMBOL => request.symbol = Text::new(value).ok_or_else(range)?,
        tags::ORDER_QTY => {
            request.quantity = Quantity::parse(value).ok_or_else(format)?;
            seen.quantity = true;
        }
        tags::PRICE => request.price = Price::parse(value).ok_or_else(format)?,
        tags::ORD_STATUS_REQ_ID | tags::MASS_STATUS_REQ_ID => {
            request.request_id = Text::new(value).ok_or_else(range)?;
        }
        tags::SIDE => {
            request.side = Some(match value {
                b"1" => Side::Buy,
                b"2" => Side::Sell,
                _ => return Err(range()),
            });
        }
        tags::ORD_TYPE => {
            request.order_type = match value {
                b"1" => OrderType::Market,
                b"2" => OrderType::Limit,
                _ => return Err(range()),
            };
            seen.order_type = true;
        }
        tags::TIME_IN_FORCE => {
            request.time_in_force = match value {
                b"0" => TimeInForce::Day,
                b"3" => TimeInForce::ImmediateOrCancel,
                b"4" => TimeInForce::FillOrKill,
                _ => return Err(range()),
            };
        }
        tags::MASS_CANCEL_REQUEST_TYPE | tags::MASS_STATUS_REQ_TYPE => {
            seen.by_instrument = match value {
                b"1" => true,
                b"7" => false,
                _ => return Err(range()),
            };
        }
        _ => {}
    }
    Ok(())
}

fn require(request: &Request, seen: &Seen) -> Result<(), DecodeError> {
    let is_order = matches!(request.kind, RequestKind::New | RequestKind::Replace);
    let is_change = matches!(request.kind, RequestKind::Cancel | RequestKind::Replace);
    let is_mass_status = request.kind == RequestKind::MassStatus;
    let is_single = is_order || is_change;
    let missing = [
        (
            request.client_order_id.is_empty() && !is_mass_status,
            tags::CL_ORD_ID,
        ),
        (is_order && !seen.quantity, tags::ORDER_QTY),
        (is_order && !seen.order_type, tags::ORD_TYPE),
        (
            is_change && request.original.is_empty(),
            tags::ORIG_CL_ORD_ID,
        ),
        (is_single && request.side.is_none(), tags::SIDE),
        (
            (is_single || seen.by_instrument) && request.symbol.is_empty(),
            tags::SYMBOL,
        ),
    ];
    match missing.into_iter().find(|&(missing, _)| missing) {
        Some((_, tag)) => Err(error(tag, SessionRejectReason::RequiredTagMissing)),
        None => Ok(()),
    }
}

fn error(tag: u32, reason: SessionRejectReason) -> DecodeError {
    DecodeError {
        tag,
        refusal: Refusal::Session(reason),
        text: reason.text(),
    }
}

/// MsgType(35) of a message.
pub fn msg_type(message: &DeskMessage) -> MsgType {
    match message {
        DeskMessage::Report(_) => MsgType::EXECUTION_REPORT,
        DeskMessage::CancelReject(_) => MsgType::ORDER_CANCEL_REJECT,
        DeskMessage::MassCancelReport(_) => MsgType::ORDER_MASS_CANCEL_REPORT,
    }
}

/// Writes a message; `header.msg_type` is set here.
pub fn encode(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    prefix: &RunPrefix,
    message: &DeskMessage,
) -> Result<Range<usize>, NoRoom> {
    let header = Header {
        msg_type: msg_type(message),
        ..*header
    };
    let mut w = Writer::begin(out, &header, time);
    match message {
        DeskMessage::Report(report) => write_report(&mut w, header.version, prefix, report),
        DeskMessage::CancelReject(reject) => write_reject(&mut w, header.version, prefix, reject),
        DeskMessage::MassCancelReport(report) => {
            write_mass_cancel(&mut w, header.version, prefix, report)
        }
    }
    w.finish()
}

fn write_report(w: &mut Writer<'_>, version: FixVersion, prefix: &RunPrefix, r: &Report) {
    w.bytes(tags::ACCOUNT, r.account.as_bytes());
    w.price(tags::AVG_PX, r.average_price);
    w.bytes(tags::CL_ORD_ID, r.client_order_id.as_bytes());
    w.quantity(tags::CUM_QTY, r.cumulated);
    match r.exec {
        DeskExec::Status => w.char(tags::EXEC_ID, b'0'),
        _ => exec_id(w, version, tags::EXEC_ID, prefix, r.exec_id),
    }
    if r.exec_ref_id != 0 {
        exec_id(w, version, tags::EXEC_REF_ID, prefix, r.exec_ref_id);
    }
    let exec = told(r.exec);
    if has::EXEC_TRANS_TYPE.covers(version) {
        w.char(tags::EXEC_TRANS_TYPE, has::exec_trans_type(exec));
    }
    if let DeskExec::Trade { quantity, price } | DeskExec::TradeCorrect { quantity, price } = r.exec
    {
        w.price(tags::LAST_PX, price);
        w.quantity(tags::LAST_QTY, quantity);
    } else if has::LAST_REQUIRED.covers(version) {
        w.price(tags::LAST_PX, Price::ZERO);
        w.quantity(tags::LAST_QTY, Quantity::ZERO);
    }
    order_id(w, prefix, r.order);
    w.quantity(tags::ORDER_QTY, r.quantity);
    let status = has::ord_status(version, exec, r.status, r.leaves.is_zero());
    w.char(tags::ORD_STATUS, status);
    w.char(tags::ORD_TYPE, r.order_type as u8);
    if has::REPORT_ORIG_CL_ORD_ID.covers(version) {
        w.bytes(tags::ORIG_CL_ORD_ID, r.original.as_bytes());
    }
    if r.order_type == OrderType::Limit && r.price != Price::ZERO {
        w.price(tags::PRICE, r.price);
    }
    w.char(tags::SIDE, r.side as u8);
    symbol(w, &r.symbol);
    w.bytes(tags::TEXT, r.text.as_bytes());
    w.char(tags::TIME_IN_FORCE, r.time_in_force as u8);
    w.sending_time(tags::TRANSACT_TIME);
    if r.status == OrderStatus::Rejected {
        let code = has::ord_rej_reason_of(version, r.reject_reason);
        w.u64(tags::ORD_REJ_REASON, code as u64);
    }
    if has::EXEC_TYPE.covers(version) {
        let exec_type = has::exec_type(version, exec, status, r.leaves.is_zero());
        w.char(tags::EXEC_TYPE, exec_type);
        w.quantity(tags::LEAVES_QTY, r.leaves);
    }
    if r.exec == DeskExec::Restated && has::RESTATED.covers(version) {
        // Partial decline of OrderQty.
        w.char(tags::EXEC_RESTATEMENT_REASON, b'5');
    }
    if has::REQUEST_IDS.covers(version) {
        match r.part {
            Some((total, last)) => {
                w.bytes(tags::MASS_STATUS_REQ_ID, r.request_id.as_bytes());
                w.u64(tags::TOT_NUM_REPORTS, total as u64);
                w.flag(tags::LAST_RPT_REQUESTED, last);
            }
            None => w.bytes(tags::ORD_STATUS_REQ_ID, r.request_id.as_bytes()),
        }
    }
}

/// The desk's event in a client's words; the wire has no others.
fn told(exec: DeskExec) -> ClientExec {
    match exec {
        DeskExec::PendingNew => ClientExec::PendingNew,
        DeskExec::New => ClientExec::New,
        DeskExec::Trade { .. } => ClientExec::Trade,
        DeskExec::TradeCancel => ClientExec::TradeCancel,
        DeskExec::TradeCorrect { .. } => ClientExec::TradeCorrect,
        DeskExec::Cancelled => ClientExec::Cancelled,
        DeskExec::Replaced => ClientExec::Replaced,
        DeskExec::Rejected => ClientExec::Rejected,
        DeskExec::Expired => ClientExec::Expired,
        DeskExec::DoneForDay => ClientExec::DoneForDay,
        DeskExec::Restated => ClientExec::Restated,
        DeskExec::PendingCancel => ClientExec::PendingCancel,
        DeskExec::PendingReplace => ClientExec::PendingReplace,
        DeskExec::Status => ClientExec::Status,
    }
}

fn write_reject(w: &mut Writer<'_>, version: FixVersion, prefix: &RunPrefix, r: &CancelReject) {
    w.bytes(tags::CL_ORD_ID, r.client_order_id.as_bytes());
    order_id(w, prefix, r.order);
    if has::CANCEL_REJECT_STATUS.covers(version) {
        w.char(tags::ORD_STATUS, has::plain_status(version, r.status));
        w.bytes(tags::ORIG_CL_ORD_ID, r.original.as_bytes());
    }
    w.bytes(tags::TEXT, r.text.as_bytes());
    if has::CXL_REJ_RESPONSE_TO.covers(version) {
        w.sending_time(tags::TRANSACT_TIME);
    }
    if let Some(code) = has::cxl_rej_reason(version, r.reason) {
        w.u64(tags::CXL_REJ_REASON, code as u64);
    }
    if has::CXL_REJ_RESPONSE_TO.covers(version) {
        let to = if r.to_replace { b'2' } else { b'1' };
        w.char(tags::CXL_REJ_RESPONSE_TO, to);
    }
}

fn write_mass_cancel(
    w: &mut Writer<'_>,
    version: FixVersion,
    prefix: &RunPrefix,
    r: &MassCancelReport,
) {
    let scope = if r.symbol.is_empty() { b'7' } else { b'1' };
    w.bytes(tags::CL_ORD_ID, r.client_order_id.as_bytes());
    numbered(w, tags::ORDER_ID, prefix, b'M', r.exec_id);
    w.bytes(tags::SYMBOL, r.symbol.as_bytes());
    w.sending_time(tags::TRANSACT_TIME);
    w.char(tags::MASS_CANCEL_REQUEST_TYPE, scope);
    w.char(tags::MASS_CANCEL_RESPONSE, scope);
    w.u64(tags::TOTAL_AFFECTED_ORDERS, r.affected as u64);
    if has::MASS_ACTION_REPORT_ID.covers(version) {
        numbered(w, tags::MASS_ACTION_REPORT_ID, prefix, b'M', r.exec_id);
    }
}

fn exec_id(w: &mut Writer<'_>, version: FixVersion, tag: u32, prefix: &RunPrefix, number: u64) {
    if has::EXEC_ID_IS_NUMBER.covers(version) {
        // It has to fit 31 bits, for engines that read it as an integer.
        let run = prefix
            .as_bytes()
            .iter()
            .fold(0u64, |run, &byte| (run * 31 + byte as u64) % 200);
        w.u64(tag, run * 10_000_000 + number);
    } else {
        numbered(w, tag, prefix, b'E', number);
    }
}

fn order_id(w: &mut Writer<'_>, prefix: &RunPrefix, order: u32) {
    match order {
        0 => w.bytes(tags::ORDER_ID, b"NONE"),
        order => numbered(w, tags::ORDER_ID, prefix, b'D', order as u64),
    }
}

fn symbol(w: &mut Writer<'_>, symbol: &Text<23>) {
    let none: &[u8] = b"[N/A]";
    w.bytes(
        tags::SYMBOL,
        if symbol.is_empty() {
            none
        } else {
            symbol.as_bytes()
        },
    );
}

/// Prefix, letter, number.
fn numbered(w: &mut Writer<'_>, tag: u32, prefix: &RunPrefix, letter: u8, mut number: u64) {
    let mut text = [0; 33];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    at -= 1;
    text[at] = letter;
    let start = at - prefix.len();
    text[start..at].copy_from_slice(prefix.as_bytes());
    w.bytes(tag, &text[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::behaviour::Script;
    use crate::sim::desk_order::Order;
    use crate::wire::fix::{FieldIndex, Precision, parse};

    fn written(version: FixVersion, message: &DeskMessage) -> String {
        let mut out = [0; 1024];
        let header = Header {
            version,
            msg_type: msg_type(message),
            msg_seq_num: 7,
            sender_comp_id: b"D",
            target_comp_id: b"G",
            sending_time_ns: 1_700_000_000_123_456_789,
            poss_dup: false,
            poss_resend: false,
            orig_sending_time: b"",
            last_processed: None,
        };
        let mut time = TimeText::new(Precision::Millis);
        let range = encode(&mut out, &header, &mut time, &Text::cut(b"R1-"), message).unwrap();
        let mut index = FieldIndex::new();
        let message = parse(&out[range], &mut index).unwrap();
        let body: Vec<_> = message
            .fields()
            .filter(|(tag, _)| ![8, 9, 34, 49, 52, 56, 60, 10].contains(tag))
            .map(|(tag, value)| format!("{tag}={}", String::from_utf8_lossy(value)))
            .collect();
        body.join("|")
    }

    fn request(kind: RequestKind) -> Request {
        Request {
            kind,
            client_order_id: Text::cut(b"c1"),
            symbol: Text::cut(b"SYM"),
            account: Text::cut(b"A"),
            side: Some(Side::Sell),
            price: Price::parse(b"10.5").unwrap(),
            quantity: Quantity(10),
            ..Request::default()
        }
    }

    #[test]
    fn each_version_says_it_in_its_own_words() {
        let mut order = Order::new(3, 0, 0, &request(RequestKind::New), Script::default());
        order.fill(Quantity(4), order.price);
        let trade = DeskExec::Trade {
            quantity: Quantity(4),
            price: order.price,
        };
        let report = DeskMessage::Report(order.report(trade, 12));
        let common_1 = "35=8|1=A|6=10.5|11=c1|14=4|17=R1-E12";
        let common_2 = "31=10.5|32=4|37=R1-D3|38=10|39=1|40=2|44=10.5|54=2|55=SYM|59=0";
        assert_eq!(
            written(FixVersion::Fix44, &report),
            format!("{common_1}|{common_2}|150=F|151=6")
        );
        assert_eq!(
            written(FixVersion::Fix42, &report),
            format!("{common_1}|20=0|{common_2}|150=1|151=6")
        );
        let mut bust = order.report(DeskExec::TradeCancel, 13);
        bust.exec_ref_id = 12;
        let bust = DeskMessage::Report(bust);
        assert!(written(FixVersion::Fix44, &bust).contains("|19=R1-E12|"));
        assert!(written(FixVersion::Fix44, &bust).contains("|150=H|"));
        assert!(written(FixVersion::Fix42, &bust).contains("|20=1|"));
    }

    #[test]
    fn refusals_stay_inside_the_version() {
        let reject = DeskMessage::CancelReject(CancelReject {
            order: 0,
            client_order_id: Text::cut(b"x"),
            original: Text::cut(b"c1"),
            status: OrderStatus::Rejected,
            to_replace: true,
            reason: 6,
            text: Text::EMPTY,
        });
        let text = "35=9|11=x|37=NONE|39=8|41=c1|102=";
        assert_eq!(
            written(FixVersion::Fix44, &reject),
            format!("{text}6|434=2")
        );
        assert_eq!(
            written(FixVersion::Fix42, &reject),
            format!("{text}2|434=2")
        );
    }

    fn decoded(body: &str) -> Result<Request, (u32, Refusal)> {
        let mut body = format!("{body}|").replace('|', "\u{1}");
        let kind = body.find('\u{1}').unwrap() + 1;
        body.insert_str(kind, "34=1\u{1}49=A\u{1}52=20260101-00:00:00\u{1}56=B\u{1}");
        let text = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len());
        let sum = text.bytes().map(u32::from).sum::<u32>() % 256;
        let text = format!("{text}10={sum:03}\u{1}");
        let mut index = FieldIndex::new();
        let message = parse(text.as_bytes(), &mut index).unwrap();
        decode_request(&message).map_err(|e| (e.tag, e.refusal))
    }

    #[test]
    fn requests_are_read_or_refused_with_the_tag() {
        let good = decoded("35=D|1=A|11=c1|38=10|40=2|44=10.5|54=2|55=SYM|59=0|60=x");
        assert_eq!(good, Ok(request(RequestKind::New)));
        let missing = Refusal::Session(SessionRejectReason::RequiredTagMissing);
        let format = Refusal::Session(SessionRejectReason::BadFormat);
        let range = Refusal::Session(SessionRejectReason::ValueOutOfRange);
        let unsupported = Refusal::Business(BusinessRejectReason::UnsupportedMessageType);
        for (body, tag, refusal) in [
            ("35=D|11=c1|40=2|44=1|54=2|55=SYM", 38, missing),
            ("35=D|11=c1|38=10|40=2|44=1e5|54=2|55=SYM", 44, format),
            ("35=D|11=c1|38=10|40=3|54=2|55=SYM", 40, range),
            ("35=F|11=c1|54=2|55=SYM", 41, missing),
            ("35=q|11=c1|530=1", 55, missing),
            ("35=V|11=c1", 0, unsupported),
        ] {
            assert_eq!(decoded(body), Err((tag, refusal)), "{body}");
        }
        let all = decoded("35=AF|584=m1|585=7").map(|r| (r.symbol, r.side, r.request_id));
        assert_eq!(all, Ok((Text::EMPTY, None, Text::cut(b"m1"))));
    }
}
