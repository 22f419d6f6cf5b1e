//! How the risk state words its outputs: one place that fills an ExecutionReport from an order.
//!
//! Owned by the risk stage. Quantities of a report always agree: OrderQty = CumQty + LeavesQty + what was cancelled.

use super::Risk;
use super::orders::NONE;
use super::outputs::Outputs;
use crate::domain::order::{AccountRef, InstrumentRef, ScopeEpochs};
use crate::domain::order::{DeskRequest, FromClient, NewOrder, ToDesk};
use crate::domain::report::{
    ClientCancelReject, ClientExec, ClientOutput, ClientReport, FromDesk, ReportDetail, ToClient,
};
use crate::domain::{
    AccountIndex, ClientOrderId, DeskText, InstrumentIndex, Now, OrderId, OrderStatus, Price,
    Quantity, RejectReason, SessionIndex, Text,
};

/// What caused an output: copied into it for latencies and for deduplication.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub(super) struct Cause {
    pub received_ns: u64,
    pub decoded_ns: u64,
    pub cause_sequence: u64,
}

impl From<&FromClient> for Cause {
    fn from(input: &FromClient) -> Self {
        Self {
            received_ns: input.received_ns,
            decoded_ns: input.decoded_ns,
            cause_sequence: input.cause_sequence,
        }
    }
}

impl From<&FromDesk> for Cause {
    fn from(input: &FromDesk) -> Self {
        Self {
            received_ns: input.received_ns,
            decoded_ns: input.received_ns,
            cause_sequence: input.cause_sequence,
        }
    }
}

const COUNTER_BITS: u32 = 43;

impl Risk {
    /// ExecID(17): unique over the day and over restarts, below 2^59 so that ten base-62 characters hold it.
    #[inline]
    pub(super) fn next_execution(&mut self) -> u64 {
        self.execution_counter += 1;
        debug_assert!(self.execution_counter < 1 << COUNTER_BITS);
        (self.epoch as u64) << COUNTER_BITS | self.execution_counter
    }

    /// A report on an order as it is now, under the ClOrdID of its live request.
    #[inline]
    pub(super) fn report(&self, at: u32, exec: ClientExec, exec_sequence: u64) -> ClientReport {
        let order = self.orders.order(at);
        ClientReport {
            order_id: order.id,
            exec_sequence,
            exec_ref_sequence: 0,
            client_order_id: self.orders.request(order.live).client_order_id,
            orig_client_order_id: ClientOrderId::EMPTY,
            exec,
            status: self.shown_status(at),
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            price: order.price,
            quantity: order.quantity,
            cumulated: order.cumulated,
            leaves: order.leaves(),
            average_price: order.average_price(),
            last_quantity: Quantity::ZERO,
            last_price: Price::ZERO,
            reason: RejectReason::None,
            detail: ReportDetail::None,
        }
    }

    /// OrdStatus(39) with pending requests that the client was told of; they rank above what is beneath.
    pub(super) fn shown_status(&self, at: u32) -> OrderStatus {
        use super::orders::RequestKind;
        let order = self.orders.order(at);
        if order.done.is_some() || !order.pending_told {
            return order.status();
        }
        match self.orders.pending_kind(order) {
            Some(RequestKind::Cancel) => OrderStatus::PendingCancel,
            Some(RequestKind::Replace) => OrderStatus::PendingReplace,
            _ => order.status(),
        }
    }

    /// Report of a new order that was refused before it got an id.
    pub(super) fn rejected_report(
        &mut self,
        order: &NewOrder,
        known: (Option<AccountIndex>, Option<InstrumentIndex>),
        reason: RejectReason,
    ) -> ClientReport {
        let account = match order.account {
            AccountRef::Unknown(text) => text,
            AccountRef::Known(_) => Text::EMPTY,
        };
        let symbol = match order.instrument {
            InstrumentRef::Unknown(text) => text,
            InstrumentRef::Known(_) => Text::EMPTY,
        };
        ClientReport {
            order_id: OrderId::NONE,
            exec_sequence: self.next_execution(),
            exec_ref_sequence: 0,
            client_order_id: order.client_order_id,
            orig_client_order_id: ClientOrderId::EMPTY,
            exec: ClientExec::Rejected,
            status: OrderStatus::Rejected,
            account: known.0.unwrap_or(AccountIndex(u32::MAX)),
            instrument: known.1.unwrap_or(InstrumentIndex(u32::MAX)),
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            price: order.price,
            quantity: order.quantity,
            cumulated: Quantity::ZERO,
            leaves: Quantity::ZERO,
            average_price: Price::ZERO,
            last_quantity: Quantity::ZERO,
            last_price: Price::ZERO,
            reason,
            detail: match known {
                (Some(_), Some(_)) => ReportDetail::None,
                _ => ReportDetail::Unknown { account, symbol },
            },
        }
    }

    /// Answer to a status request that names no order of the session.
    pub(super) fn unknown_order_report(
        &mut self,
        client_order_id: ClientOrderId,
        request_id: Text<39>,
        total: Option<u32>,
    ) -> ClientReport {
        ClientReport {
            order_id: OrderId::NONE,
            exec_sequence: self.next_execution(),
            exec_ref_sequence: 0,
            client_order_id,
            orig_client_order_id: ClientOrderId::EMPTY,
            exec: ClientExec::Status,
            status: OrderStatus::Rejected,
            account: AccountIndex(u32::MAX),
            instrument: InstrumentIndex(u32::MAX),
            side: Default::default(),
            order_type: Default::default(),
            time_in_force: Default::default(),
            price: Price::ZERO,
            quantity: Quantity::ZERO,
            cumulated: Quantity::ZERO,
            leaves: Quantity::ZERO,
            average_price: Price::ZERO,
            last_quantity: Quantity::ZERO,
            last_price: Price::ZERO,
            reason: RejectReason::UnknownOrder,
            detail: ReportDetail::Answer {
                request_id,
                total,
                last: true,
            },
        }
    }

    /// OrderCancelReject for a request of an order.
    pub(super) fn cancel_reject(
        &self,
        at: u32,
        slot: u32,
        to_replace: bool,
        reason: RejectReason,
        text: DeskText,
    ) -> ClientCancelReject {
        let order = self.orders.order(at);
        ClientCancelReject {
            order_id: order.id,
            account: order.account,
            client_order_id: self.orders.request(slot).client_order_id,
            orig_client_order_id: self.orders.request(order.live).client_order_id,
            status: self.shown_status(at),
            to_replace,
            reason,
            text,
        }
    }

    /// A request of an order on its way to the desk. Type, price and quantity are the order's; a replace changes them.
    #[inline]
    pub(super) fn to_desk(
        &self,
        now: Now,
        cause: Cause,
        at: u32,
        slot: u32,
        request: DeskRequest,
    ) -> ToDesk {
        let order = self.orders.order(at);
        ToDesk {
            id: self.orders.request(slot).id,
            request,
            account: order.account,
            instrument: order.instrument,
            session: order.session,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            price: order.price,
            quantity: order.quantity,
            epochs: ScopeEpochs {
                desk: self.holds.epoch(self.desk_of(order.account)),
                ..self
                    .kill_switch
                    .epochs(order.account, order.session, order.instrument)
            },
            received_ns: cause.received_ns,
            decoded_ns: cause.decoded_ns,
            checked_ns: now.mono_ns,
            cause_sequence: cause.cause_sequence,
            cause_output: 0,
        }
    }

    /// Id under which the desk knows an order now.
    #[inline]
    pub(super) fn live_id(&self, at: u32) -> OrderId {
        let live = self.orders.order(at).live;
        debug_assert_ne!(live, NONE);
        self.orders.request(live).id
    }
}

/// Hands a message to a session.
#[inline]
pub(super) fn tell(out: &mut Outputs, session: SessionIndex, cause: Cause, output: ClientOutput) {
    out.to_client.push(ToClient {
        session,
        received_ns: cause.received_ns,
        cause_sequence: cause.cause_sequence,
        cause_output: 0,
        output,
    });
}
