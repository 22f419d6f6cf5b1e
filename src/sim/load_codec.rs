//! The load client's FIX, in all versions: requests out, reports in.
//!
//! Pure. A ClOrdID is the run's prefix and the request's number, so that an answer finds its record without a search; a report with
//! a foreign ClOrdID is told as such and counted. Body fields ascend by tag.

use std::ops::Range;

use crate::domain::{DeskText, OrderId, Price, Quantity, Side, Text};
use crate::wire::fix::{Header, Message, MsgType, NoRoom, TimeText, Writer, tags, versions as has};

/// What stands before the number in ClOrdID(11).
pub type RunPrefix = Text<12>;

/// What a request asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestKind {
    /// 35=D
    New,
    /// 35=F
    Cancel,
    /// 35=G
    Replace,
}

/// A request to be sent.
#[derive(Clone, Copy, Debug)]
pub struct LoadRequest<'a> {
    /// What it asks.
    pub kind: RequestKind,
    /// Number in ClOrdID(11)
    pub number: u32,
    /// Number in OrigClOrdID(41) of cancels and replaces
    pub original: u32,
    /// Account(1)
    pub account: &'a [u8],
    /// Symbol(55)
    pub symbol: &'a [u8],
    /// Side(54)
    pub side: Side,
    /// Price(44)
    pub price: Price,
    /// OrderQty(38)
    pub quantity: Quantity,
}

/// Writes a request; `header.msg_type` is set here.
pub fn encode(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    prefix: &RunPrefix,
    request: &LoadRequest<'_>,
) -> Result<Range<usize>, NoRoom> {
    let msg_type = match request.kind {
        RequestKind::New => MsgType::NEW_ORDER_SINGLE,
        RequestKind::Cancel => MsgType::ORDER_CANCEL_REQUEST,
        RequestKind::Replace => MsgType::ORDER_CANCEL_REPLACE_REQUEST,
    };
    let header = Header {
        msg_type,
        ..*header
    };
    let is_order = request.kind != RequestKind::Cancel;
    let version = header.version;
    let mut w = Writer::begin(out, &header, time);
    if is_order || has::CANCEL_ACCOUNT.covers(version) {
        w.bytes(tags::ACCOUNT, request.account);
    }
    client_order_id(&mut w, tags::CL_ORD_ID, prefix, request.number);
    if is_order {
        w.char(tags::HANDL_INST, b'1');
    }
    w.quantity(tags::ORDER_QTY, request.quantity);
    if is_order {
        w.char(tags::ORD_TYPE, b'2');
    }
    if request.kind != RequestKind::New {
        client_order_id(&mut w, tags::ORIG_CL_ORD_ID, prefix, request.original);
    }
    if is_order {
        w.price(tags::PRICE, request.price);
    }
    w.char(tags::SIDE, request.side as u8);
    w.bytes(tags::SYMBOL, request.symbol);
    if is_order {
        w.char(tags::TIME_IN_FORCE, b'0');
    }
    if has::REQUEST_TRANSACT_TIME.covers(version) {
        w.sending_time(tags::TRANSACT_TIME);
    }
    if !is_order && has::CXL_TYPE.covers(version) {
        w.char(tags::CXL_TYPE, b'F');
    }
    w.finish()
}

/// Prefix and eight digits.
fn client_order_id(w: &mut Writer<'_>, tag: u32, prefix: &RunPrefix, mut number: u32) {
    let mut text = [b'0'; 12 + DIGITS];
    let start = prefix.len();
    text[..start].copy_from_slice(prefix.as_bytes());
    for c in text[start..start + DIGITS].iter_mut().rev() {
        *c = b'0' + (number % 10) as u8;
        number /= 10;
    }
    w.bytes(tag, &text[..start + DIGITS]);
}

const DIGITS: usize = 8;
const _: () = assert!(crate::limits::SIM_LOAD_REQUESTS_MAX < 100_000_000);

/// The number in a ClOrdID of this run.
pub fn number_of(prefix: &RunPrefix, id: &[u8]) -> Option<u32> {
    let digits = id.strip_prefix(prefix.as_bytes())?;
    if digits.len() != DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n, c| n * 10 + (c - b'0') as u32))
}

/// What an answer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// 150=A, 150=6 or 150=E: it is on its way.
    Pending,
    /// 150=0
    New,
    /// A fill.
    Trade(Quantity),
    /// A fill that never was, or was another.
    TradeChanged,
    /// 150=4
    Cancelled,
    /// 150=5
    Replaced,
    /// 150=8
    Rejected,
    /// 150=C or 150=3
    Ended,
    /// 150=D, or an answer to a question; changes nothing here.
    Told,
    /// 35=9
    ChangeRefused,
}

/// An answer, read.
#[derive(Clone, Copy, Debug)]
pub struct LoadReport<'a> {
    /// Of the request that it answers; `None` where it is not of this run.
    pub number: Option<u32>,
    /// What it says.
    pub answer: Answer,
    /// OrdStatus(39)
    pub status: u8,
    /// ExecID(17); empty on 35=9
    pub exec_id: &'a [u8],
    /// OrderID(37), where it is one of a gateway
    pub order_id: Option<OrderId>,
    /// CumQty(14)
    pub cumulated: Quantity,
    /// LastPx(31)
    pub price: Price,
    /// Text(58)
    pub text: DeskText,
}

/// Reads an answer; `None` where the message is another, or says nothing that is known.
pub fn decode<'a>(prefix: &RunPrefix, message: &Message<'a>) -> Option<LoadReport<'a>> {
    let is_reject = message.msg_type() == MsgType::ORDER_CANCEL_REJECT;
    if !is_reject && message.msg_type() != MsgType::EXECUTION_REPORT {
        return None;
    }
    let (mut exec_type, mut transaction) = (b"".as_slice(), b"0".as_slice());
    let mut quantity = Quantity::ZERO;
    let mut report = LoadReport {
        number: None,
        answer: Answer::ChangeRefused,
        status: 0,
        exec_id: b"",
        order_id: None,
        cumulated: Quantity::ZERO,
        price: Price::ZERO,
        text: Text::EMPTY,
    };
    for (tag, value) in message.fields() {
        match tag {
            tags::CL_ORD_ID => report.number = number_of(prefix, value),
            tags::CUM_QTY => report.cumulated = Quantity::parse(value)?,
            tags::EXEC_ID => report.exec_id = value,
            tags::EXEC_TRANS_TYPE => transaction = value,
            tags::LAST_PX => report.price = Price::parse(value)?,
            tags::LAST_QTY => quantity = Quantity::parse(value)?,
            tags::ORDER_ID => report.order_id = OrderId::parse(value),
            tags::ORD_STATUS => report.status = *value.first()?,
            tags::TEXT => report.text = DeskText::cut(value),
            tags::EXEC_TYPE => exec_type = value,
            _ => {}
        }
    }
    if is_reject {
        return Some(report);
    }
    // 4.0 has no ExecType: the status says it, and has the same values.
    let status = [report.status];
    let exec_type = if exec_type.is_empty() {
        &status
    } else {
        exec_type
    };
    // What follows 4.2 has no ExecTransType.
    report.answer = match (transaction, exec_type) {
        (b"1" | b"2", _) => Answer::TradeChanged,
        (b"3", _) => Answer::Told,
        (_, b"A" | b"6" | b"E") => Answer::Pending,
        (_, b"0") => Answer::New,
        (_, b"1" | b"2" | b"F") => Answer::Trade(quantity),
        (_, b"G" | b"H") => Answer::TradeChanged,
        (_, b"4") => Answer::Cancelled,
        (_, b"5") => Answer::Replaced,
        (_, b"8") => Answer::Rejected,
        (_, b"C" | b"3") => Answer::Ended,
        (_, b"D" | b"I") => Answer::Told,
        _ => return None,
    };
    Some(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::FixVersion;
    use crate::sim::desk_codec::decode_request;
    use crate::sim::desk_message;
    use crate::wire::fix::{FieldIndex, Precision, parse};

    #[test]
    fn a_desk_reads_what_the_client_writes() {
        let prefix: RunPrefix = Text::cut(b"L1-");
        let request = LoadRequest {
            kind: RequestKind::Replace,
            number: 12,
            original: 7,
            account: b"A1",
            symbol: b"SYM1",
            side: Side::Sell,
            price: Price(5_0000_0000),
            quantity: Quantity(100),
        };
        let mut out = [0; 512];
        let header = Header {
            version: FixVersion::Fix44,
            msg_type: MsgType::HEARTBEAT,
            msg_seq_num: 2,
            sender_comp_id: b"C",
            target_comp_id: b"G",
            sending_time_ns: 0,
            poss_dup: false,
            poss_resend: false,
            orig_sending_time: b"",
            last_processed: None,
        };
        let mut time = TimeText::new(Precision::Millis);
        let range = encode(&mut out, &header, &mut time, &prefix, &request).unwrap();
        let mut index = FieldIndex::new();
        let message = parse(&out[range], &mut index).unwrap();
        let read = decode_request(&message).unwrap();
        assert_eq!(read.kind, desk_message::RequestKind::Replace);
        assert_eq!(
            number_of(&prefix, read.client_order_id.as_bytes()),
            Some(12)
        );
        assert_eq!(number_of(&prefix, read.original.as_bytes()), Some(7));
        assert_eq!(
            (read.price, read.quantity),
            (request.price, request.quantity)
        );
        for foreign in [&b"L2-00000012"[..], b"L1-12", b"L1-0000001x", b""] {
            assert_eq!(number_of(&prefix, foreign), None);
        }
    }
}
