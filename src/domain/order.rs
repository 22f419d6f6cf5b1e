//! What a client asks for: sides, types, and the requests that travel from the decode stage to the risk stage.
//!
//! Plain values that fit into a slot of a ring; names are resolved to indices where they are known.

use super::ids::{AccountIndex, InstrumentIndex, OrderId, SessionIndex};
use super::price::Price;
use super::quantity::Quantity;
use super::text::{ClientOrderId, Text};

/// Side(54).
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[repr(u8)]
pub enum Side {
    /// 54=1
    #[default]
    Buy = b'1',
    /// 54=2
    Sell = b'2',
}

/// OrdType(40).
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[repr(u8)]
pub enum OrderType {
    /// 40=1
    Market = b'1',
    /// 40=2
    #[default]
    Limit = b'2',
}

/// TimeInForce(59). Absent on the wire means `Day`.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[repr(u8)]
pub enum TimeInForce {
    /// 59=0
    #[default]
    Day = b'0',
    /// 59=3
    ImmediateOrCancel = b'3',
    /// 59=4
    FillOrKill = b'4',
}

/// OrdStatus(39) as a client sees it. FIX 4.2 and 4.4 share these values.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
#[repr(u8)]
pub enum OrderStatus {
    /// 39=A: accepted here, the desk has not answered
    #[default]
    PendingNew = b'A',
    /// 39=0
    New = b'0',
    /// 39=1
    PartiallyFilled = b'1',
    /// 39=2
    Filled = b'2',
    /// 39=3
    DoneForDay = b'3',
    /// 39=4
    Cancelled = b'4',
    /// 39=6
    PendingCancel = b'6',
    /// 39=8
    Rejected = b'8',
    /// 39=C
    Expired = b'C',
    /// 39=E
    PendingReplace = b'E',
}

impl OrderStatus {
    /// Whether nothing more can be executed.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Filled | Self::DoneForDay | Self::Cancelled | Self::Rejected | Self::Expired
        )
    }
}

/// Account(1) of an order: resolved, or the text that named none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum AccountRef {
    /// Of `accounts.csv`.
    Known(AccountIndex),
    /// Echoed in the reject.
    Unknown(Text<15>),
}

/// Symbol(55) of an order: resolved, or the text that named none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum InstrumentRef {
    /// Of `instruments.csv`.
    Known(InstrumentIndex),
    /// Echoed in the reject.
    Unknown(Text<23>),
}

/// NewOrderSingle (35=D).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewOrder {
    /// ClOrdID(11)
    pub client_order_id: ClientOrderId,
    /// Account(1)
    pub account: AccountRef,
    /// Symbol(55)
    pub instrument: InstrumentRef,
    /// Side(54)
    pub side: Side,
    /// OrdType(40)
    pub order_type: OrderType,
    /// TimeInForce(59)
    pub time_in_force: TimeInForce,
    /// Price(44); zero for market orders
    pub price: Price,
    /// OrderQty(38)
    pub quantity: Quantity,
    /// PossResend(97): the same order may have been sent before under another sequence number
    pub possible_resend: bool,
}

/// OrderCancelRequest (35=F).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelRequest {
    /// ClOrdID(11)
    pub client_order_id: ClientOrderId,
    /// OrigClOrdID(41)
    pub orig_client_order_id: ClientOrderId,
    /// Symbol(55)
    pub instrument: InstrumentRef,
    /// Side(54)
    pub side: Side,
}

/// OrderCancelReplaceRequest (35=G). OrderQty is the new total, what has been filled included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplaceRequest {
    /// ClOrdID(11)
    pub client_order_id: ClientOrderId,
    /// OrigClOrdID(41)
    pub orig_client_order_id: ClientOrderId,
    /// Symbol(55)
    pub instrument: InstrumentRef,
    /// Side(54)
    pub side: Side,
    /// OrdType(40)
    pub order_type: OrderType,
    /// Price(44); zero for market orders
    pub price: Price,
    /// OrderQty(38)
    pub quantity: Quantity,
}

/// OrderStatusRequest (35=H).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusRequest {
    /// ClOrdID(11) of the order asked about (any of its chain)
    pub client_order_id: ClientOrderId,
    /// OrdStatusReqID(790), echoed from FIX 4.4 on
    pub request_id: Text<39>,
}

/// What a mass request covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum MassScope {
    /// Everything of the session.
    All,
    /// One instrument.
    Instrument(InstrumentRef),
}

/// OrderMassStatusRequest (35=AF).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MassStatusRequest {
    /// MassStatusReqID(584)
    pub request_id: Text<39>,
    /// Account(1), where given
    pub account: Option<AccountRef>,
    /// From MassStatusReqType(585): 1 = by instrument, 7 = all
    pub scope: MassScope,
}

/// OrderMassCancelRequest (35=q).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MassCancelRequest {
    /// ClOrdID(11)
    pub client_order_id: ClientOrderId,
    /// From MassCancelRequestType(530): 1 = by instrument, 7 = all
    pub scope: MassScope,
    /// Side(54), where given
    pub side: Option<Side>,
}

/// What a session asks of the risk stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientRequest {
    /// 35=D
    New(NewOrder),
    /// 35=F
    Cancel(CancelRequest),
    /// 35=G
    Replace(ReplaceRequest),
    /// 35=H
    Status(StatusRequest),
    /// 35=AF
    MassStatus(MassStatusRequest),
    /// 35=q
    MassCancel(MassCancelRequest),
    /// Not a message: the session is gone, and is configured to have its open orders cancelled then.
    Lost,
}

/// One slot of the ring decode -> risk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FromClient {
    /// Who asks. The decode stage has authenticated it.
    pub session: SessionIndex,
    /// When its first byte was seen, monotonic.
    pub received_ns: u64,
    /// When the decode stage was done with it, monotonic.
    pub decoded_ns: u64,
    /// Client-log sequence of the message (cause).
    pub cause_sequence: u64,
    /// An earlier process received it: too late for anything that adds risk.
    pub is_late: bool,
    /// A repetition from before a loss of the host: it may have been sent.
    pub may_be_sent: bool,
    /// What it asks.
    pub request: ClientRequest,
}

impl Default for FromClient {
    fn default() -> Self {
        Self {
            session: SessionIndex::default(),
            received_ns: 0,
            decoded_ns: 0,
            cause_sequence: 0,
            is_late: false,
            may_be_sent: false,
            request: ClientRequest::Status(StatusRequest {
                client_order_id: Text::EMPTY,
                request_id: Text::EMPTY,
            }),
        }
    }
}

/// What the risk stage asks of a desk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum DeskRequest {
    /// A new order.
    New,
    /// Cancel `original`.
    Cancel {
        /// The request at the desk that is to be cancelled (its 41).
        original: OrderId,
    },
    /// Replace `original`.
    Replace {
        /// The request at the desk that is to be replaced (its 41).
        original: OrderId,
    },
}

impl DeskRequest {
    /// The request that it is about.
    pub fn original(&self) -> OrderId {
        match *self {
            Self::New => OrderId::NONE,
            Self::Cancel { original } | Self::Replace { original } => original,
        }
    }
}

/// Epochs of the scopes that may stop an order on its way: what the risk stage saw. See `risk::kill_switch`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct ScopeEpochs {
    /// Whole firm.
    pub firm: u32,
    /// The order's account.
    pub account: u32,
    /// The order's session.
    pub session: u32,
    /// The order's instrument.
    pub instrument: u32,
    /// The desk of the order's account.
    pub desk: u32,
}

/// One slot of the ring risk -> route. For replaces, type, price and quantity are the new ones; for cancels the order's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ToDesk {
    /// This request: ClOrdID(11) at the desk.
    pub id: OrderId,
    /// What is asked.
    pub request: DeskRequest,
    /// Whose order.
    pub account: AccountIndex,
    /// In what.
    pub instrument: InstrumentIndex,
    /// Who asked.
    pub session: SessionIndex,
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
    /// Scopes as the risk stage saw them; the route stage compares before it writes. Not compared for cancels.
    pub epochs: ScopeEpochs,
    /// When the client's first byte was seen, monotonic.
    pub received_ns: u64,
    /// When the decode stage was done, monotonic.
    pub decoded_ns: u64,
    /// When the risk stage was done, monotonic.
    pub checked_ns: u64,
    /// Order-log sequence of the input that caused it.
    pub cause_sequence: u64,
    /// Which of that input's outputs it is, from zero; those to clients count after those to desks.
    pub cause_output: u8,
}

impl Default for ToDesk {
    fn default() -> Self {
        Self {
            id: OrderId::NONE,
            request: DeskRequest::New,
            account: AccountIndex::default(),
            instrument: InstrumentIndex::default(),
            session: SessionIndex::default(),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Day,
            price: Price::ZERO,
            quantity: Quantity::ZERO,
            epochs: ScopeEpochs::default(),
            received_ns: 0,
            decoded_ns: 0,
            checked_ns: 0,
            cause_sequence: 0,
            cause_output: 0,
        }
    }
}

const _: () = assert!(size_of::<FromClient>() <= crate::limits::RING_SLOT_BYTES);
const _: () = assert!(size_of::<ToDesk>() <= crate::limits::RING_SLOT_BYTES);
