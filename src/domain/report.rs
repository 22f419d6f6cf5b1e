//! What comes back: reports of desks to the risk stage, and what the risk stage tells a client.
//!
//! Plain values that fit into a slot of a ring.

use super::ids::{AccountIndex, InstrumentIndex, LinkIndex, OrderId, SessionIndex};
use super::order::{MassScope, OrderStatus, OrderType, Side, TimeInForce};
use super::price::Price;
use super::quantity::Quantity;
use super::reject::RejectReason;
use super::text::{ClientOrderId, DeskText, ExecId, Text};

/// What a desk's ExecutionReport says, after the differences between FIX versions (20 and 150) are gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum DeskExec {
    /// 150=A: the desk has it, the venue not yet
    PendingNew,
    /// 150=0
    New,
    /// 150=F (4.4), 150=1 or 2 with 20=0 (4.2)
    Trade {
        /// LastQty(32)
        quantity: Quantity,
        /// LastPx(31)
        price: Price,
    },
    /// 150=H (4.4), 20=1 (4.2): the trade named by ExecRefID(19) never was
    TradeCancel,
    /// 150=G (4.4), 20=2 (4.2): the trade named by ExecRefID(19) was this
    TradeCorrect {
        /// LastQty(32)
        quantity: Quantity,
        /// LastPx(31)
        price: Price,
    },
    /// 150=4, asked for or not
    Cancelled,
    /// 150=5
    Replaced,
    /// 150=8
    Rejected,
    /// 150=C
    Expired,
    /// 150=3
    DoneForDay,
    /// 150=D: the desk changed the order by itself; price and quantity are the new ones
    Restated,
    /// 150=6
    PendingCancel,
    /// 150=E
    PendingReplace,
    /// 150=I (4.4), 20=3 (4.2): an answer to a question; changes nothing by itself
    Status,
}

/// ExecutionReport (35=8) of a desk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct DeskReport {
    /// ClOrdID(11): the request reported on
    pub id: OrderId,
    /// ExecID(17)
    pub exec_id: ExecId,
    /// ExecRefID(19) of a trade cancel or correct
    pub exec_ref_id: ExecId,
    /// 150 and 20
    pub exec: DeskExec,
    /// OrdStatus(39)
    pub status: OrderStatus,
    /// Side(54)
    pub side: Side,
    /// CumQty(14)
    pub cumulated: Quantity,
    /// LeavesQty(151)
    pub leaves: Quantity,
    /// OrderQty(38), zero where absent
    pub quantity: Quantity,
    /// Price(44), zero where absent
    pub price: Price,
    /// Text(58)
    pub text: DeskText,
}

/// OrderCancelReject (35=9) of a desk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct DeskCancelReject {
    /// ClOrdID(11): the cancel or replace that is refused
    pub id: OrderId,
    /// OrdStatus(39) of the order
    pub status: OrderStatus,
    /// CxlRejReason(102)
    pub reason: u16,
    /// Text(58)
    pub text: DeskText,
}

/// State of a link, as far as the risk stage needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum LinkEvent {
    /// May carry orders.
    Ready,
    /// May not; what was written and unanswered on it follows as [`DeskInput::InDoubt`].
    Lost,
}

/// What reaches the risk stage from the desks' side.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum DeskInput {
    /// 35=8
    Report(DeskReport),
    /// 35=9
    CancelReject(DeskCancelReject),
    /// The request never left: no link, queue full, killed on the way, desk said it could not read it.
    Refused {
        /// Which request.
        id: OrderId,
        /// Why.
        reason: RejectReason,
        /// The desk's words where it was the desk.
        text: DeskText,
    },
    /// The link that carried the request was lost before the desk answered.
    InDoubt {
        /// Which request.
        id: OrderId,
    },
    /// A link changed.
    Link(LinkEvent),
}

/// One slot of the ring route -> risk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct FromDesk {
    /// On which link.
    pub link: LinkIndex,
    /// When its first byte was seen, monotonic.
    pub received_ns: u64,
    /// Desk-log sequence of the message (cause).
    pub cause_sequence: u64,
    /// What.
    pub input: DeskInput,
}

impl Default for FromDesk {
    fn default() -> Self {
        Self {
            link: LinkIndex::default(),
            received_ns: 0,
            cause_sequence: 0,
            input: DeskInput::Link(LinkEvent::Lost),
        }
    }
}

/// What an ExecutionReport to a client says (150 in 4.4; 20, 39 and 150 in 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum ClientExec {
    /// Accepted here, not yet by the desk.
    PendingNew,
    /// Accepted by the desk.
    New,
    /// A fill, partial or whole.
    Trade,
    /// A fill that never was.
    TradeCancel,
    /// A fill that was another.
    TradeCorrect,
    /// By request, or by the desk or the gateway (then without 41).
    Cancelled,
    /// By request.
    Replaced,
    /// By the gateway or the desk.
    Rejected,
    /// End of its time.
    Expired,
    /// Nothing more today.
    DoneForDay,
    /// Changed by the desk.
    Restated,
    /// A cancel is on its way.
    PendingCancel,
    /// A replace is on its way.
    PendingReplace,
    /// Answer to 35=H or 35=AF, or an order in doubt.
    Status,
}

/// Why, and in which words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum ReportDetail {
    /// Nothing to add.
    None,
    /// Text(58) of the desk.
    Desk(DeskText),
    /// The order named an account or a symbol that does not exist: echoed.
    Unknown {
        /// Account(1) as sent; empty where the account is known.
        account: Text<15>,
        /// Symbol(55) as sent; empty where the symbol is known.
        symbol: Text<23>,
    },
    /// Answer to a status request.
    Answer {
        /// OrdStatusReqID(790) or MassStatusReqID(584)
        request_id: Text<39>,
        /// TotNumReports(911) of a mass status request, zero where no order matches; `None` for a question about one order
        total: Option<u32>,
        /// LastRptRequested(912)
        last: bool,
    },
}

/// ExecutionReport (35=8) to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ClientReport {
    /// OrderID(37): the id of the order's first request, stable for its life; `NONE` for orders refused before they got one
    pub order_id: OrderId,
    /// ExecID(17), unique per day
    pub exec_sequence: u64,
    /// ExecRefID(19) of a trade cancel or correct; zero elsewhere
    pub exec_ref_sequence: u64,
    /// ClOrdID(11)
    pub client_order_id: ClientOrderId,
    /// OrigClOrdID(41) where a request answers it
    pub orig_client_order_id: ClientOrderId,
    /// 150 / 20
    pub exec: ClientExec,
    /// OrdStatus(39)
    pub status: OrderStatus,
    /// Account(1); `u32::MAX` where unknown
    pub account: AccountIndex,
    /// Symbol(55); `u32::MAX` where unknown
    pub instrument: InstrumentIndex,
    /// Side(54)
    pub side: Side,
    /// OrdType(40)
    pub order_type: OrderType,
    /// TimeInForce(59)
    pub time_in_force: TimeInForce,
    /// Price(44)
    pub price: Price,
    /// OrderQty(38)
    pub quantity: Quantity,
    /// CumQty(14)
    pub cumulated: Quantity,
    /// LeavesQty(151)
    pub leaves: Quantity,
    /// AvgPx(6)
    pub average_price: Price,
    /// LastQty(32) of a trade
    pub last_quantity: Quantity,
    /// LastPx(31) of a trade
    pub last_price: Price,
    /// OrdRejReason(103) and Text(58) where rejected by the gateway; `RejectReason::None` else
    pub reason: RejectReason,
    /// More.
    pub detail: ReportDetail,
}

/// OrderCancelReject (35=9) to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ClientCancelReject {
    /// OrderID(37); `NONE` is written as `NONE`
    pub order_id: OrderId,
    /// Account of the order; `u32::MAX` where unknown. The message does not say it.
    pub account: AccountIndex,
    /// ClOrdID(11)
    pub client_order_id: ClientOrderId,
    /// OrigClOrdID(41)
    pub orig_client_order_id: ClientOrderId,
    /// OrdStatus(39)
    pub status: OrderStatus,
    /// CxlRejResponseTo(434): false = cancel, true = replace
    pub to_replace: bool,
    /// CxlRejReason(102) and Text(58)
    pub reason: RejectReason,
    /// Text(58) of the desk, where it was the desk
    pub text: DeskText,
}

/// OrderMassCancelReport (35=r) to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct MassCancelReport {
    /// ClOrdID(11)
    pub client_order_id: ClientOrderId,
    /// OrderID(37): its id
    pub order_id: OrderId,
    /// What was asked.
    pub scope: MassScope,
    /// TotalAffectedOrders(533)
    pub affected: u32,
    /// `RejectReason::None` where accepted
    pub reason: RejectReason,
}

/// What the risk stage tells a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum ClientOutput {
    /// 35=8
    Report(ClientReport),
    /// 35=9
    CancelReject(ClientCancelReject),
    /// 35=r
    MassCancel(MassCancelReport),
}

/// One slot of the ring risk -> decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ToClient {
    /// To whom.
    pub session: SessionIndex,
    /// When the first byte of what caused it was seen, monotonic.
    pub received_ns: u64,
    /// Order-log sequence of the input that caused it.
    pub cause_sequence: u64,
    /// Which of that input's outputs it is, from zero; those to clients count after those to desks.
    pub cause_output: u8,
    /// What.
    pub output: ClientOutput,
}

impl Default for ToClient {
    fn default() -> Self {
        let output = ClientOutput::MassCancel(MassCancelReport {
            client_order_id: Text::EMPTY,
            order_id: OrderId::NONE,
            scope: MassScope::All,
            affected: 0,
            reason: RejectReason::None,
        });
        Self {
            session: SessionIndex::default(),
            received_ns: 0,
            cause_sequence: 0,
            cause_output: 0,
            output,
        }
    }
}

const _: () = assert!(size_of::<FromDesk>() <= crate::limits::RING_SLOT_BYTES);
const _: () = assert!(size_of::<ToClient>() <= crate::limits::RING_SLOT_BYTES);
