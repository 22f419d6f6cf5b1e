//! Fills: booked when they come, whatever came before, and taken back or corrected when the desk says so.
//!
//! A fill is real: one beyond the quantity or after the end of the order is booked and forwarded all the same, and counted as an
//! alarm. Opening, closing and reserving of orders also stand here, as fills are what moves most of it.

use super::Risk;
use super::desk::Matched;
use super::executions::Execution;
use super::exposure;
use super::orders::NONE;
use super::outputs::Outputs;
use crate::domain::report::{ClientExec, ClientOutput};
use crate::domain::{OrderStatus, Price, Quantity, Side};

impl Risk {
    pub(super) fn trade(
        &mut self,
        m: Matched,
        quantity: Quantity,
        price: Price,
        out: &mut Outputs,
    ) {
        if !self.book_fill(m.at, quantity, price, false) {
            self.counters.malformed += 1;
            return;
        }
        self.counters.trades += 1;
        if m.execution != NONE {
            self.executions.set_booked(m.execution, quantity, price);
        }
        let was_done = self.orders.order(m.at).done;
        self.settle(m, was_done);
        self.desk_has(m.at);
        if was_done.is_some() {
            self.counters.late_fills += 1;
        }
        if self.orders.order(m.at).overfilled() > Quantity::ZERO {
            self.counters.overfills += 1;
        }
        self.tell_trade(m, ClientExec::Trade, Some((quantity, price)), 0, out);
    }

    /// Takes back the trade that the report refers to; with `corrected`, books that instead.
    pub(super) fn undo_trade(
        &mut self,
        m: Matched,
        corrected: Option<(Quantity, Price)>,
        out: &mut Outputs,
    ) {
        let exec = match corrected {
            None => ClientExec::TradeCancel,
            Some(_) => ClientExec::TradeCorrect,
        };
        let named = self.executions.find(m.at, &m.report.exec_ref_id);
        let Some(booked) = self.executions.booked(m.at, &m.report.exec_ref_id) else {
            self.counters.unknown_references += 1;
            return match named {
                Some(_) => self.tell_trade(m, exec, corrected, 0, out),
                None => self.undo_unseen(m, corrected, out),
            };
        };
        let old = *self.executions.get(booked);
        let was_done = self.orders.order(m.at).done;
        if !self.book_fill(m.at, old.quantity, old.price, true) {
            self.counters.malformed += 1;
            return;
        }
        if let Some((quantity, price)) = corrected
            && !self.book_fill(m.at, quantity, price, false)
        {
            self.book_fill(m.at, old.quantity, old.price, false);
            self.counters.malformed += 1;
            return;
        }
        self.counters.trades_undone += 1;
        self.executions
            .set_booked(booked, Quantity::ZERO, Price::ZERO);
        if let Some((quantity, price)) = corrected
            && m.execution != NONE
        {
            self.executions.set_booked(m.execution, quantity, price);
            for slot in [Some(booked), named].into_iter().flatten() {
                self.executions.set_successor(slot, m.execution);
            }
        }
        self.settle(m, was_done);
        self.tell_trade(m, exec, corrected, old.exec_sequence, out);
    }

    /// It has overtaken its trade, on another link of the desk: the trade counts as known from here on, and a correction is the
    /// first that is told of it.
    fn undo_unseen(&mut self, m: Matched, corrected: Option<(Quantity, Price)>, out: &mut Outputs) {
        let unseen = Execution {
            exec_id: m.report.exec_ref_id,
            order: m.at,
            successor: NONE,
            exec_sequence: 0,
            quantity: Quantity::ZERO,
            price: Price::ZERO,
        };
        let slot = match unseen.exec_id.is_empty() {
            true => None,
            false => self.executions.insert(unseen),
        };
        match (slot, corrected) {
            (Some(slot), Some((quantity, price))) => {
                if m.execution != NONE {
                    self.executions.set_successor(slot, m.execution);
                }
                self.trade(m, quantity, price, out);
            }
            _ => {
                let exec = match corrected {
                    None => ClientExec::TradeCancel,
                    Some(_) => ClientExec::TradeCorrect,
                };
                self.tell_trade(m, exec, corrected, 0, out);
            }
        }
    }

    fn tell_trade(
        &mut self,
        m: Matched,
        exec: ClientExec,
        fill: Option<(Quantity, Price)>,
        exec_ref_sequence: u64,
        out: &mut Outputs,
    ) {
        let mut report = self.report(m.at, exec, m.sequence);
        (report.last_quantity, report.last_price) = fill.unwrap_or_default();
        report.exec_ref_sequence = exec_ref_sequence;
        let session = self.orders.order(m.at).session;
        super::reports::tell(out, session, m.cause, ClientOutput::Report(report));
    }

    /// Moves cash, position and the order's sums by one fill, or back. `false`, with nothing moved, where it leaves the range.
    fn book_fill(&mut self, at: u32, quantity: Quantity, price: Price, undo: bool) -> bool {
        let order = self.orders.order(at);
        let row = &mut self.book.accounts[order.account.get()];
        let unit = self.instruments[order.instrument.get()].unit;
        let amounts = (price.notional(quantity, unit), price.notional(quantity, 1));
        let (Some(amount), Some(notional)) = amounts else {
            return false;
        };
        let cash = match (order.side == Side::Buy) != undo {
            true => row.cash.checked_sub(amount),
            false => row.cash.checked_add(amount),
        };
        let (cumulated, sum) = match undo {
            false => (
                order.cumulated.checked_add(quantity),
                order.notional.checked_add(notional.0),
            ),
            true => (
                order.cumulated.checked_sub(quantity),
                order.notional.checked_sub(notional.0),
            ),
        };
        let (Some(cash), Some(cumulated), Some(sum)) = (cash, cumulated, sum) else {
            return false;
        };
        row.cash = cash;
        let position = &mut self.book.positions[order.position as usize];
        let moved = match order.side {
            Side::Buy => &mut position.bought,
            Side::Sell => &mut position.sold,
        };
        let change = super::book::signed(quantity);
        *moved = moved.saturating_add(if undo { -change } else { change });
        let order = self.orders.order_mut(at);
        order.cumulated = cumulated;
        order.notional = sum;
        true
    }

    /// Brings the order's end, its remainder and its reserve in line with what is filled now.
    fn settle(&mut self, m: Matched, was_done: Option<OrderStatus>) {
        let order = self.orders.order_mut(m.at);
        let filled = order.cumulated.0.saturating_add(if was_done.is_none() {
            order.cancelled.0
        } else {
            0
        });
        let is_filled = filled >= order.quantity.0;
        match (was_done, is_filled) {
            (None, true) => self.close(m.at, OrderStatus::Filled),
            (None, false) => self.rebook(m.at),
            (Some(before), true) => {
                if before != OrderStatus::Filled {
                    order.ended = Some(before);
                }
                order.done = Some(OrderStatus::Filled);
                order.cancelled = Quantity::ZERO;
                self.rebook(m.at);
            }
            (Some(before), false) => {
                let rest = order.quantity.saturating_sub(order.cumulated);
                let report = m.report;
                order.cancelled = rest;
                // A fill taken back leaves a filled order working only where the desk says so.
                if before == OrderStatus::Filled
                    && order.ended.is_none()
                    && !report.status.is_final()
                    && !report.leaves.is_zero()
                {
                    order.cancelled = rest.saturating_sub(report.leaves);
                    return self.reopen(m.at);
                }
                if before == OrderStatus::Filled {
                    order.done = order.ended.or(Some(match report.status {
                        OrderStatus::Filled => OrderStatus::Cancelled,
                        status if status.is_final() => status,
                        _ => OrderStatus::Cancelled,
                    }));
                }
                self.rebook(m.at);
            }
        }
    }

    /// Ends an open order: nothing more is filled, nothing stays reserved but what a pending replace may still need.
    pub(super) fn close(&mut self, at: u32, status: OrderStatus) {
        let order = self.orders.order_mut(at);
        debug_assert!(order.done.is_none());
        order.done = Some(status);
        order.cancelled = order.quantity.saturating_sub(order.cumulated);
        let (account, session, instrument) = (order.account, order.session, order.instrument);
        let next = self.orders.unlink(at);
        self.work.order_closed(session, at, next);
        self.kill_switch
            .count_open(account, session, instrument, false);
        self.rebook(at);
    }

    /// Makes an ended order work again.
    pub(super) fn reopen(&mut self, at: u32) {
        let order = self.orders.order_mut(at);
        debug_assert!(order.done.is_some());
        order.done = None;
        // What was refused of it concerned what it was before.
        order.recancelled = false;
        let (account, session, instrument) = (order.account, order.session, order.instrument);
        // A kill that came while it was done covers it all the same.
        let below = self.kill_switch.cancel_below(account, session, instrument);
        order.cancel_wanted |= at < below;
        let cancel = order.cancel_wanted && order.pending == NONE;
        self.orders.link(at);
        self.kill_switch
            .count_open(account, session, instrument, true);
        self.rebook(at);
        if cancel {
            self.want_cancel(at);
        }
    }

    /// Reserves exactly what the order needs now.
    #[inline]
    pub(super) fn rebook(&mut self, at: u32) {
        let order = self.orders.order(at);
        let kind = self.orders.pending_kind(order);
        let unit = self.instruments[order.instrument.get()].unit;
        let required = exposure::required(order, kind, unit);
        let account = &mut self.book.accounts[order.account.get()];
        account.reserved.0 = account
            .reserved
            .0
            .saturating_add(required.cash.0.saturating_sub(order.reserved_cash.0));
        let position = &mut self.book.positions[order.position as usize];
        position.reserved = position.reserved.saturating_add(
            super::book::signed(required.quantity)
                .saturating_sub(super::book::signed(order.reserved_quantity)),
        );
        let order = self.orders.order_mut(at);
        order.reserved_cash = required.cash;
        order.reserved_quantity = required.quantity;
    }
}
