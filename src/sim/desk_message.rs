//! What the simulated desk is asked and what it says, as plain values; `desk_codec` turns them into FIX and back.
//!
//! Unlike the gateway's own values these keep names as text: any FIX client may use the desk, not only the gateway.

use crate::domain::report::DeskExec;
use crate::domain::{
    ClientOrderId, DeskText, OrderStatus, OrderType, Price, Quantity, Side, Text, TimeInForce,
};

/// MsgType(35) that the desk takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// 35=D
    #[default]
    New,
    /// 35=F
    Cancel,
    /// 35=G
    Replace,
    /// 35=H
    Status,
    /// 35=AF
    MassStatus,
    /// 35=q
    MassCancel,
}

/// A request, with what it may lack left at its default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// MsgType(35)
    pub kind: RequestKind,
    /// ClOrdID(11); empty on mass status
    pub client_order_id: ClientOrderId,
    /// OrigClOrdID(41)
    pub original: ClientOrderId,
    /// Account(1)
    pub account: Text<15>,
    /// Symbol(55); on mass requests empty means all
    pub symbol: Text<23>,
    /// Side(54); on mass requests `None` means both
    pub side: Option<Side>,
    /// OrdType(40)
    pub order_type: OrderType,
    /// TimeInForce(59)
    pub time_in_force: TimeInForce,
    /// Price(44)
    pub price: Price,
    /// OrderQty(38)
    pub quantity: Quantity,
    /// OrdStatusReqID(790) or MassStatusReqID(584)
    pub request_id: Text<39>,
    /// PossResend(97)
    pub possible_resend: bool,
}

/// ExecutionReport (35=8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// OrderID(37) as the desk's number; zero is written `NONE`
    pub order: u32,
    /// ExecID(17) as a number, unique at the desk; zero on answers
    pub exec_id: u64,
    /// ExecRefID(19); zero where there is none
    pub exec_ref_id: u64,
    /// ClOrdID(11)
    pub client_order_id: ClientOrderId,
    /// OrigClOrdID(41)
    pub original: ClientOrderId,
    /// 150 and 20
    pub exec: DeskExec,
    /// OrdStatus(39)
    pub status: OrderStatus,
    /// Account(1)
    pub account: Text<15>,
    /// Symbol(55)
    pub symbol: Text<23>,
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
    /// OrdRejReason(103) where rejected
    pub reject_reason: u16,
    /// Text(58)
    pub text: DeskText,
    /// 790 or 584 of the question
    pub request_id: Text<39>,
    /// TotNumReports(911) and whether it is the last; `None` where the question was not a mass one
    pub part: Option<(u32, bool)>,
}

/// OrderCancelReject (35=9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelReject {
    /// OrderID(37) as the desk's number; zero is written `NONE`
    pub order: u32,
    /// ClOrdID(11)
    pub client_order_id: ClientOrderId,
    /// OrigClOrdID(41)
    pub original: ClientOrderId,
    /// OrdStatus(39)
    pub status: OrderStatus,
    /// CxlRejResponseTo(434): whether it was a replace
    pub to_replace: bool,
    /// CxlRejReason(102)
    pub reason: u16,
    /// Text(58)
    pub text: DeskText,
}

/// OrderMassCancelReport (35=r).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MassCancelReport {
    /// OrderID(37) of the request, as a number
    pub exec_id: u64,
    /// ClOrdID(11)
    pub client_order_id: ClientOrderId,
    /// Symbol(55); empty means all
    pub symbol: Text<23>,
    /// TotalAffectedOrders(533)
    pub affected: u32,
}

/// What the desk says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeskMessage {
    /// 35=8
    Report(Report),
    /// 35=9
    CancelReject(CancelReject),
    /// 35=r
    MassCancelReport(MassCancelReport),
}

/// What the owner of the connections is to do. Nearly all are `Send`: boxing the message would cost an allocation each.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeskOutput {
    /// Send a message on a link that is up.
    Send {
        /// Which link.
        link: usize,
        /// What.
        message: DeskMessage,
    },
    /// Drop the connection of a link, at once.
    Disconnect {
        /// Which link.
        link: usize,
    },
}
