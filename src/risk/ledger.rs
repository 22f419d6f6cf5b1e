//! The gateway's side of the comparison with clients and desks: every order of the day as a row, and what must hold over all of them.
//!
//! Cold: for tests, the simulator and tools that rebuild the state from the log. Computed from nothing but the orders, so that a sum that
//! was carried wrongly is found.

use super::Risk;
use super::book;
use super::exposure;
use super::orders::{NONE, Order, RequestKind, RequestState};
use crate::domain::command::Scope;
use crate::domain::{
    AccountIndex, ClientOrderId, InstrumentIndex, Money, OrderId, OrderStatus, Quantity,
    SessionIndex, Side,
};

/// One order of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Of its first request: OrderID(37)
    pub id: OrderId,
    /// ClOrdID(11) of its first request
    pub client_order_id: ClientOrderId,
    /// Id under which the desk knows it
    pub live: OrderId,
    /// Whose
    pub session: SessionIndex,
    /// On which account
    pub account: AccountIndex,
    /// In what
    pub instrument: InstrumentIndex,
    /// Buy or sell
    pub side: Side,
    /// OrdStatus(39), pending requests aside
    pub status: OrderStatus,
    /// The desk has shown that it has it
    pub acknowledged: bool,
    /// It, or what was asked about it last, is in doubt
    pub in_doubt: bool,
    /// A cancel or replace is under way
    pub pending: bool,
    /// The gateway is to cancel it
    pub cancel_wanted: bool,
    /// OrderQty(38)
    pub quantity: Quantity,
    /// CumQty(14)
    pub cumulated: Quantity,
    /// LeavesQty(151)
    pub leaves: Quantity,
    /// Sum of price x quantity of its fills
    pub notional: i128,
}

/// Fails with what is said where `holds` is false.
fn want(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Risk {
    /// Every order of the day, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = OrderRow> {
        let orders = self.orders.orders().iter().enumerate();
        orders.filter_map(|(at, order)| {
            let first = self.orders.find(order.id)?;
            Some(OrderRow {
                id: order.id,
                client_order_id: self.orders.request(first).client_order_id,
                live: self.live_id(at as u32),
                session: order.session,
                account: order.account,
                instrument: order.instrument,
                side: order.side,
                status: order.status(),
                acknowledged: order.acked,
                in_doubt: self.is_in_doubt(at as u32),
                pending: order.pending != NONE,
                cancel_wanted: order.cancel_wanted,
                quantity: order.quantity,
                cumulated: order.cumulated,
                leaves: order.leaves(),
                notional: order.notional,
            })
        })
    }

    /// Requests that were handed to the route stage and have no end, and of these the ones in doubt.
    pub fn unanswered(&self) -> (usize, usize) {
        let open = self.orders.requests().iter().filter(|request| {
            request.kind != RequestKind::MassCancel && request.state != RequestState::Answered
        });
        open.fold((0, 0), |(open, doubts), request| {
            let in_doubt = request.state == RequestState::InDoubt;
            (open + 1, doubts + usize::from(in_doubt))
        })
    }

    /// What must hold after every input; fails with what does not. Walks everything.
    pub fn check_invariants(&self) -> Result<(), String> {
        let mut cash = vec![0i128; self.book.accounts.len()];
        let mut quantity = vec![0i64; self.book.positions.len()];
        let mut open = 0;
        for (at, order) in self.orders.orders().iter().enumerate() {
            let sum = order.cumulated.0 + order.leaves().0 + order.cancelled.0;
            want(order.quantity.0 + order.overfilled().0 == sum, || {
                format!("quantity is not cumulated, leaves and cancelled: {order:?}")
            })?;
            cash[order.account.get()] += order.reserved_cash.0;
            quantity[order.position as usize] += book::signed(order.reserved_quantity);
            let unit = self.instruments[order.instrument.get()].unit;
            let kind = self.orders.pending_kind(order);
            let required = exposure::required(order, kind, unit);
            let is_reserved = required.cash == order.reserved_cash
                && required.quantity == order.reserved_quantity
                && order.reserved_cash >= Money::ZERO;
            want(is_reserved, || {
                format!("order {at} should have reserved {required:?}: {order:?}")
            })?;
            open += order.done.is_none() as usize;
        }
        let counted = self.orders.open();
        want(open == counted, || {
            format!("{open} orders are open and {counted} are counted")
        })?;
        for (at, (row, want_cash)) in self.book.accounts.iter().zip(cash).enumerate() {
            want(row.reserved.0 == want_cash, || {
                format!("account {at}: orders reserve {want_cash}: {row:?}")
            })?;
        }
        for (row, want_quantity) in self.book.positions.iter().zip(quantity) {
            want(row.reserved == want_quantity, || {
                format!("orders reserve {want_quantity}: {row:?}")
            })?;
        }
        self.check_lists(open)
    }

    /// Each session's list holds its open orders, and all of them.
    fn check_lists(&self, open: usize) -> Result<(), String> {
        let mut listed = 0;
        for session in 0..self.sessions.len() {
            let session = SessionIndex(session as u32);
            let mut at = self.orders.first_open(session);
            let mut in_session = 0;
            while at != NONE {
                let order = self.orders.order(at);
                want(order.done.is_none() && order.session == session, || {
                    format!("not an open order of {session:?}: {order:?}")
                })?;
                in_session += 1;
                at = self.orders.next_open(at);
            }
            let state = self.kill_switch.get(Scope::Session(session));
            let counted = state.map_or(0, |state| state.open_orders);
            want(counted == in_session, || {
                format!("{session:?} has {in_session} open orders, {counted} are counted")
            })?;
            listed += in_session as usize;
        }
        let is_short = |order: &&Order| order.short_of_room;
        let short = self.orders.orders().iter().filter(is_short).count();
        want(short == self.work.short_of_room as usize, || {
            format!(
                "{short} orders wait for room at their desk: {:?}",
                self.work
            )
        })?;
        let firm = self.kill_switch.get(Scope::Firm);
        let firm = firm.map_or(0, |state| state.open_orders as usize);
        want(listed == open && firm == open, || {
            format!("{open} orders are open, {listed} are listed, {firm} are counted")
        })
    }
}
