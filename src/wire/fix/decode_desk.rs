//! A desk's application message -> [`DeskMessage`], in all FIX versions, tolerant of the dialects that desks speak.
//!
//! Runs on the route stage. Tolerated: fills as 150=1 or 2 or F, or as 150=0 with 39=1 or 2 and a LastQty; ExecTransType(20) in every version; decimals
//! with trailing zeros; LeavesQty and CumQty left out where they are plain. In 4.0, which has neither 150 nor 151, OrdStatus(39) with LastShares(32) says
//! what happened, and OrderQty(38) what is left. Never tolerated: a fill that cannot be read whole. It is an error, counted
//! and logged by the caller, and never passed over. ExecIDs longer than 39 bytes are folded, see [`fold_exec_id`].

use super::digits;
use super::field::Message;
use super::msg_type::MsgType;
use super::pick::{Picks, SlotTable};
use super::reject::SessionRejectReason;
use super::tags;
use super::versions::EXEC_TYPE as HAS_EXEC_TYPE;
use crate::domain::report::{DeskCancelReject, DeskExec, DeskInput, DeskReport};
use crate::domain::{DeskText, ExecId, FixVersion, OrderId, OrderStatus, Price, Quantity, Side};

/// What a desk says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeskMessage {
    /// 35=8 or 35=9, for the risk stage.
    Input(DeskInput),
    /// Reject (35=3) or BusinessMessageReject (35=j): the desk could not read the message, or does not take it.
    Refused(DeskRefusal),
    /// A type that means nothing here; counted by the caller.
    Other(MsgType),
}

/// Which of our messages a desk refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeskRefusal {
    /// RefSeqNum(45): our MsgSeqNum; the desk log knows the request behind it. `None` where a 35=j left it out.
    pub ref_seq_num: Option<u64>,
    /// BusinessRejectRefID(379), where it is an order id of ours.
    pub ref_id: Option<OrderId>,
    /// RefMsgType(372), where given.
    pub ref_msg_type: Option<MsgType>,
    /// RefTagID(371); zero where there is none.
    pub tag: u32,
    /// SessionRejectReason(373) or BusinessRejectReason(380); 99 where there is none.
    pub reason: u16,
    /// Whether it was a 35=j.
    pub business: bool,
    /// Text(58), cut.
    pub text: DeskText,
}

/// The desk's message cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeskDecodeError {
    /// The tag at fault.
    pub tag: u32,
    /// What is wrong with it.
    pub reason: SessionRejectReason,
}

static TABLE: SlotTable = SlotTable::new(&[
    tags::CL_ORD_ID,
    tags::CUM_QTY,
    tags::EXEC_ID,
    tags::EXEC_REF_ID,
    tags::EXEC_TRANS_TYPE,
    tags::LAST_PX,
    tags::LAST_QTY,
    tags::ORDER_QTY,
    tags::ORD_STATUS,
    tags::PRICE,
    tags::REF_SEQ_NUM,
    tags::SIDE,
    tags::TEXT,
    tags::CXL_REJ_REASON,
    tags::EXEC_TYPE,
    tags::LEAVES_QTY,
    tags::REF_TAG_ID,
    tags::REF_MSG_TYPE,
    tags::SESSION_REJECT_REASON,
    tags::BUSINESS_REJECT_REF_ID,
]);

const CL_ORD_ID: usize = 0;
const CUM_QTY: usize = 1;
const EXEC_ID: usize = 2;
const EXEC_REF_ID: usize = 3;
const EXEC_TRANS_TYPE: usize = 4;
const LAST_PX: usize = 5;
const LAST_QTY: usize = 6;
const ORDER_QTY: usize = 7;
const ORD_STATUS: usize = 8;
const PRICE: usize = 9;
const REF_SEQ_NUM: usize = 10;
const SIDE: usize = 11;
const TEXT: usize = 12;
const CXL_REJ_REASON: usize = 13;
const EXEC_TYPE: usize = 14;
const LEAVES_QTY: usize = 15;
const REF_TAG_ID: usize = 16;
const REF_MSG_TYPE: usize = 17;
const SESSION_REJECT_REASON: usize = 18;
const BUSINESS_REJECT_REF_ID: usize = 19;

/// Reads a desk's message of any type but the session's own; Reject (35=3) is told too, since it may refuse an order.
pub fn decode_desk(message: &Message<'_>) -> Result<DeskMessage, DeskDecodeError> {
    let msg_type = message.msg_type();
    match msg_type {
        MsgType::EXECUTION_REPORT => {
            let report = Reader::of(message).report()?;
            Ok(DeskMessage::Input(DeskInput::Report(report)))
        }
        MsgType::ORDER_CANCEL_REJECT => {
            let reject = Reader::of(message).cancel_reject()?;
            Ok(DeskMessage::Input(DeskInput::CancelReject(reject)))
        }
        MsgType::REJECT => {
            let reader = Reader::of(message);
            let reason = reader.picks.get(SESSION_REJECT_REASON);
            Ok(DeskMessage::Refused(reader.refusal(reason, false)?))
        }
        MsgType::BUSINESS_MESSAGE_REJECT => {
            let reason = message.get(tags::BUSINESS_REJECT_REASON);
            let reader = Reader::of(message);
            Ok(DeskMessage::Refused(reader.refusal(reason, true)?))
        }
        other => Ok(DeskMessage::Other(other)),
    }
}

/// ExecID(17) that fits: as sent up to 39 bytes; else its first 23 bytes and 16 hexadecimal digits of the 64-bit FNV-1a of all
/// of it. The same ExecID always folds to the same text, so that duplicates are found; two that differ in a day collide with
/// a chance of about n²/2⁶⁵.
pub fn fold_exec_id(text: &[u8]) -> ExecId {
    if let Some(exec_id) = ExecId::new(text) {
        return exec_id;
    }
    let hash = text.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
        (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut folded = [0; 39];
    folded[..23].copy_from_slice(&text[..23]);
    for (i, out) in folded[23..].iter_mut().enumerate() {
        *out = b"0123456789abcdef"[(hash >> (60 - 4 * i)) as usize & 15];
    }
    ExecId::cut(&folded)
}

struct Reader<'p, 'm> {
    picks: Picks<'p, 'm>,
    /// Whether the version has neither ExecType(150) nor LeavesQty(151).
    by_status: bool,
}

impl<'p, 'm> Reader<'p, 'm> {
    #[inline]
    fn of(message: &'p Message<'m>) -> Self {
        Self {
            picks: Picks::of(message, &TABLE),
            by_status: FixVersion::ALL
                .into_iter()
                .take_while(|version| !HAS_EXEC_TYPE.covers(*version))
                .any(|version| version.begins(message.begin_string())),
        }
    }

    fn report(&self) -> Result<DeskReport, DeskDecodeError> {
        self.nothing_important_twice()?;
        let id = self.order_id()?;
        let exec = self.exec()?;
        let may_lack_sums = matches!(exec, DeskExec::Rejected | DeskExec::Status);
        let cumulated = self.sum(CUM_QTY, tags::CUM_QTY, may_lack_sums)?;
        let exec_id = fold_exec_id(self.required(EXEC_ID, tags::EXEC_ID)?);
        let exec_ref_id = match exec {
            DeskExec::TradeCancel | DeskExec::TradeCorrect { .. } => {
                fold_exec_id(self.required(EXEC_REF_ID, tags::EXEC_REF_ID)?)
            }
            _ => ExecId::EMPTY,
        };
        let (quantity, price) = self.terms(exec)?;
        let status = self.status(cumulated)?;
        let leaves = match self.picks.value(LEAVES_QTY) {
            b"" if self.by_status => rest(status, quantity, cumulated),
            _ => self.sum(LEAVES_QTY, tags::LEAVES_QTY, may_lack_sums)?,
        };
        Ok(DeskReport {
            id,
            exec_id,
            exec_ref_id,
            exec,
            status,
            side: self.side()?,
            cumulated,
            leaves,
            quantity,
            price,
            text: DeskText::cut(self.picks.value(TEXT)),
        })
    }

    fn cancel_reject(&self) -> Result<DeskCancelReject, DeskDecodeError> {
        self.nothing_important_twice()?;
        Ok(DeskCancelReject {
            id: self.order_id()?,
            // 4.0 does not say.
            status: match self.picks.get(ORD_STATUS) {
                None if self.by_status => OrderStatus::New,
                _ => self.status(Quantity::ZERO)?,
            },
            reason: small_number(self.picks.get(CXL_REJ_REASON)),
            text: DeskText::cut(self.picks.value(TEXT)),
        })
    }

    fn refusal(
        &self,
        reason: Option<&[u8]>,
        business: bool,
    ) -> Result<DeskRefusal, DeskDecodeError> {
        let ref_seq_num = match self.picks.get(REF_SEQ_NUM) {
            Some(text) => {
                Some(digits(text).ok_or(fault(tags::REF_SEQ_NUM, SessionRejectReason::BadFormat))?)
            }
            None if business => None,
            None => {
                return Err(fault(
                    tags::REF_SEQ_NUM,
                    SessionRejectReason::RequiredTagMissing,
                ));
            }
        };
        let tag = self.picks.get(REF_TAG_ID).and_then(digits).unwrap_or(0);
        Ok(DeskRefusal {
            ref_seq_num,
            ref_id: OrderId::parse(self.picks.value(BUSINESS_REJECT_REF_ID)),
            ref_msg_type: self.picks.get(REF_MSG_TYPE).map(MsgType::from_bytes),
            tag: u32::try_from(tag).unwrap_or(0),
            reason: small_number(reason),
            business,
            text: DeskText::cut(self.picks.value(TEXT)),
        })
    }

    /// Two values of one field would leave open which one counts; of Text(58) any will do.
    fn nothing_important_twice(&self) -> Result<(), DeskDecodeError> {
        let repeated = self.picks.repeated & !(1 << TEXT);
        if repeated != 0 {
            let tag = TABLE.lowest_tag(repeated);
            return Err(fault(tag, SessionRejectReason::TagRepeated));
        }
        Ok(())
    }

    #[inline]
    fn required(&self, slot: usize, tag: u32) -> Result<&[u8], DeskDecodeError> {
        match self.picks.value(slot) {
            b"" => Err(fault(tag, SessionRejectReason::RequiredTagMissing)),
            value => Ok(value),
        }
    }

    /// ClOrdID(11), which we gave; another one is a stranger's.
    #[inline]
    fn order_id(&self) -> Result<OrderId, DeskDecodeError> {
        OrderId::parse(self.required(CL_ORD_ID, tags::CL_ORD_ID)?)
            .ok_or(fault(tags::CL_ORD_ID, SessionRejectReason::ValueOutOfRange))
    }

    /// ExecTransType(20) goes before ExecType(150).
    fn exec(&self) -> Result<DeskExec, DeskDecodeError> {
        match self.picks.value(EXEC_TRANS_TYPE) {
            b"" | b"0" => {}
            b"1" => return Ok(DeskExec::TradeCancel),
            b"2" => return self.correction(),
            b"3" => return Ok(DeskExec::Status),
            _ => {
                return Err(fault(
                    tags::EXEC_TRANS_TYPE,
                    SessionRejectReason::ValueOutOfRange,
                ));
            }
        }
        if self.by_status && self.picks.get(EXEC_TYPE).is_none() {
            return self.exec_of_status();
        }
        Ok(match self.required(EXEC_TYPE, tags::EXEC_TYPE)? {
            b"0" if self.tells_a_fill() => self.trade()?,
            b"0" => DeskExec::New,
            b"1" | b"2" | b"F" => self.trade()?,
            b"3" => DeskExec::DoneForDay,
            b"4" => DeskExec::Cancelled,
            b"5" => DeskExec::Replaced,
            b"6" => DeskExec::PendingCancel,
            b"8" => DeskExec::Rejected,
            b"A" => DeskExec::PendingNew,
            b"C" => DeskExec::Expired,
            b"D" => DeskExec::Restated,
            b"E" => DeskExec::PendingReplace,
            b"G" => return self.correction(),
            b"H" => DeskExec::TradeCancel,
            // Stopped, suspended and calculated change neither quantities nor money.
            b"I" | b"7" | b"9" | b"B" => DeskExec::Status,
            _ => return Err(fault(tags::EXEC_TYPE, SessionRejectReason::ValueOutOfRange)),
        })
    }

    /// What happened, where the status has to say it. Something that was executed is a fill, but on an order that is done otherwise.
    #[cold]
    fn exec_of_status(&self) -> Result<DeskExec, DeskDecodeError> {
        Ok(match self.required(ORD_STATUS, tags::ORD_STATUS)? {
            // Nothing was executed, and the desk says so: the state alone.
            b"1" | b"2" if self.quantity(LAST_QTY, tags::LAST_QTY) == Ok(Quantity::ZERO) => {
                DeskExec::Status
            }
            b"1" | b"2" => self.trade()?,
            b"3" => DeskExec::DoneForDay,
            b"4" => DeskExec::Cancelled,
            b"8" => DeskExec::Rejected,
            b"C" => DeskExec::Expired,
            b"0" | b"5" | b"6" | b"7" | b"9" | b"A" | b"B" | b"E" if self.has_last() => {
                self.trade()?
            }
            b"0" => DeskExec::New,
            b"5" => DeskExec::Replaced,
            // Pending cancel or replace: which of them, the request knows.
            b"6" => DeskExec::PendingCancel,
            b"7" | b"9" | b"B" => DeskExec::Status,
            b"A" => DeskExec::PendingNew,
            b"E" => DeskExec::PendingReplace,
            _ => {
                return Err(fault(
                    tags::ORD_STATUS,
                    SessionRejectReason::ValueOutOfRange,
                ));
            }
        })
    }

    /// 39=1 or 2 and a LastQty(32) above zero.
    fn tells_a_fill(&self) -> bool {
        matches!(self.picks.value(ORD_STATUS), b"1" | b"2") && self.has_last()
    }

    fn has_last(&self) -> bool {
        let text = self.picks.value(LAST_QTY);
        text.iter().any(|c| matches!(c, b'1'..=b'9'))
    }

    fn trade(&self) -> Result<DeskExec, DeskDecodeError> {
        let (quantity, price) = self.last()?;
        Ok(DeskExec::Trade { quantity, price })
    }

    fn correction(&self) -> Result<DeskExec, DeskDecodeError> {
        let (quantity, price) = self.last()?;
        Ok(DeskExec::TradeCorrect { quantity, price })
    }

    /// LastQty(32) and LastPx(31). A fill of nothing is no fill.
    fn last(&self) -> Result<(Quantity, Price), DeskDecodeError> {
        let quantity = self.quantity(LAST_QTY, tags::LAST_QTY)?;
        if quantity.is_zero() {
            return Err(fault(tags::LAST_QTY, SessionRejectReason::ValueOutOfRange));
        }
        Ok((quantity, self.price(LAST_PX, tags::LAST_PX)?))
    }

    /// OrderQty(38) and Price(44): read strictly where they are news, else as far as they can be read.
    fn terms(&self, exec: DeskExec) -> Result<(Quantity, Price), DeskDecodeError> {
        let is_news = matches!(exec, DeskExec::Replaced | DeskExec::Restated);
        let quantity = match self.picks.value(ORDER_QTY) {
            b"" => Quantity::ZERO,
            _ if is_news => self.quantity(ORDER_QTY, tags::ORDER_QTY)?,
            text => Quantity::parse(text).unwrap_or_default(),
        };
        let price = match self.picks.value(PRICE) {
            b"" => Price::ZERO,
            _ if is_news => self.price(PRICE, tags::PRICE)?,
            text => Price::parse(text).unwrap_or_default(),
        };
        Ok((quantity, price))
    }

    /// CumQty(14) or LeavesQty(151).
    fn sum(&self, slot: usize, tag: u32, may_lack: bool) -> Result<Quantity, DeskDecodeError> {
        if may_lack && self.picks.value(slot).is_empty() {
            return Ok(Quantity::ZERO);
        }
        self.quantity(slot, tag)
    }

    #[inline]
    fn quantity(&self, slot: usize, tag: u32) -> Result<Quantity, DeskDecodeError> {
        Quantity::parse(self.required(slot, tag)?)
            .ok_or(fault(tag, SessionRejectReason::ValueOutOfRange))
    }

    #[inline]
    fn price(&self, slot: usize, tag: u32) -> Result<Price, DeskDecodeError> {
        Price::parse(self.required(slot, tag)?)
            .ok_or(fault(tag, SessionRejectReason::ValueOutOfRange))
    }

    /// OrdStatus(39). Values that we do not tell apart become what `cumulated` says.
    fn status(&self, cumulated: Quantity) -> Result<OrderStatus, DeskDecodeError> {
        Ok(match self.required(ORD_STATUS, tags::ORD_STATUS)? {
            b"0" => OrderStatus::New,
            b"1" => OrderStatus::PartiallyFilled,
            b"2" => OrderStatus::Filled,
            b"3" => OrderStatus::DoneForDay,
            b"4" => OrderStatus::Cancelled,
            b"6" => OrderStatus::PendingCancel,
            b"8" => OrderStatus::Rejected,
            b"A" => OrderStatus::PendingNew,
            b"C" => OrderStatus::Expired,
            b"E" => OrderStatus::PendingReplace,
            // Replaced (4.2), stopped, suspended, calculated, accepted for bidding.
            b"5" | b"7" | b"9" | b"B" | b"D" if cumulated.is_zero() => OrderStatus::New,
            b"5" | b"7" | b"9" | b"B" | b"D" => OrderStatus::PartiallyFilled,
            _ => {
                return Err(fault(
                    tags::ORD_STATUS,
                    SessionRejectReason::ValueOutOfRange,
                ));
            }
        })
    }

    fn side(&self) -> Result<Side, DeskDecodeError> {
        match self.required(SIDE, tags::SIDE)? {
            b"1" => Ok(Side::Buy),
            b"2" => Ok(Side::Sell),
            _ => Err(fault(tags::SIDE, SessionRejectReason::ValueOutOfRange)),
        }
    }
}

/// LeavesQty(151), where there is no such field.
#[cold]
fn rest(status: OrderStatus, quantity: Quantity, cumulated: Quantity) -> Quantity {
    match status.is_final() {
        true => Quantity::ZERO,
        false => quantity.saturating_sub(cumulated),
    }
}

/// A code; 99 ("other") where it is absent or no small number.
fn small_number(text: Option<&[u8]>) -> u16 {
    text.and_then(digits)
        .and_then(|code| u16::try_from(code).ok())
        .unwrap_or(99)
}

#[inline]
fn fault(tag: u32, reason: SessionRejectReason) -> DeskDecodeError {
    DeskDecodeError { tag, reason }
}
