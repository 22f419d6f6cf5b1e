//! What comes back from the desks: acknowledgements, ends, replaces, rejects. Fills are in `trades.rs`, doubts in `doubt.rs`.
//!
//! A report is matched by its order id alone, deduplicated by its ExecID, booked once and forwarded once. What matches nothing
//! is counted and dropped; whatever a desk sends, nothing here panics and no reserve goes astray.

use super::Risk;
use super::executions::Execution;
use super::orders::{NONE, RequestKind, RequestState};
use super::outputs::Outputs;
use super::reports::{Cause, tell};
use crate::domain::report::{
    ClientExec, ClientOutput, DeskCancelReject, DeskExec, DeskReport, ReportDetail,
};
use crate::domain::{ClientOrderId, DeskText, OrderId, OrderStatus, Price, Quantity, RejectReason};
use crate::limits::{PRICE_MAX, QUANTITY_MAX};

/// A report that is matched and new.
#[derive(Clone, Copy)]
pub(super) struct Matched<'a> {
    pub report: &'a DeskReport,
    /// Request that it names.
    pub slot: u32,
    /// Order of that request.
    pub at: u32,
    /// Row among the executions; `NONE` where there was no room.
    pub execution: u32,
    /// ExecID(17) for the client.
    pub sequence: u64,
    pub cause: Cause,
}

impl Risk {
    pub(super) fn on_report(&mut self, report: &DeskReport, cause: Cause, out: &mut Outputs) {
        let Some((slot, at)) = self.matching(report.id) else {
            return;
        };
        if !is_plausible(report) {
            self.counters.malformed += 1;
            return;
        }
        if report.exec == DeskExec::Status {
            return self.adopt_status(slot, at, report, cause, out);
        }
        let Some((execution, sequence)) = self.remember(at, report) else {
            self.counters.duplicates += 1;
            return;
        };
        self.clear_doubt(slot);
        self.clear_doubt(self.orders.order(at).live);
        let m = Matched {
            report,
            slot,
            at,
            execution,
            sequence,
            cause,
        };
        match report.exec {
            DeskExec::PendingNew => self.forward_quietly(m, out),
            DeskExec::New => self.acknowledge(m, out),
            DeskExec::Trade { quantity, price } => self.trade(m, quantity, price, out),
            DeskExec::TradeCancel => self.undo_trade(m, None, out),
            DeskExec::TradeCorrect { quantity, price } => {
                self.undo_trade(m, Some((quantity, price)), out)
            }
            DeskExec::Cancelled => self.cancelled(m, out),
            DeskExec::Replaced => self.replaced(m, out),
            DeskExec::Rejected => self.rejected(m, out),
            DeskExec::Expired => self.ended(m, OrderStatus::Expired, ClientExec::Expired, out),
            DeskExec::DoneForDay => {
                self.ended(m, OrderStatus::DoneForDay, ClientExec::DoneForDay, out)
            }
            DeskExec::Restated => self.restated(m, ClientExec::Restated, out),
            DeskExec::PendingCancel => self.pending(m, RequestKind::Cancel, out),
            DeskExec::PendingReplace => self.pending(m, RequestKind::Replace, out),
            DeskExec::Status => {}
        }
    }

    /// Slot and order of an id; counts strangers.
    pub(super) fn matching(&mut self, id: OrderId) -> Option<(u32, u32)> {
        let found = self.orders.find(id).and_then(|slot| {
            let at = self.orders.request(slot).order;
            (at != NONE).then_some((slot, at))
        });
        if found.is_none() {
            self.counters.unmatched += 1;
        }
        found
    }

    /// Enters the report among the executions; `None` where it is there already. Without room, a fill that does not raise what
    /// the desk says is filled counts as known.
    fn remember(&mut self, at: u32, report: &DeskReport) -> Option<(u32, u64)> {
        if !report.exec_id.is_empty() && self.executions.find(at, &report.exec_id).is_some() {
            return None;
        }
        let sequence = self.next_execution();
        let execution = Execution {
            exec_id: report.exec_id,
            order: at,
            successor: NONE,
            exec_sequence: sequence,
            quantity: Quantity::ZERO,
            price: Price::ZERO,
        };
        let slot = match report.exec_id.is_empty() {
            true => None,
            false => self.executions.insert(execution),
        };
        if slot.is_none() {
            self.counters.unrecorded += 1;
            let is_trade = matches!(report.exec, DeskExec::Trade { .. });
            if is_trade && report.cumulated <= self.orders.order(at).cumulated {
                return None;
            }
        }
        Some((slot.unwrap_or(NONE), sequence))
    }

    /// Sends the client a report on the order as it is now.
    pub(super) fn forward(&mut self, m: Matched, exec: ClientExec, out: &mut Outputs) {
        self.forward_as(m, exec, None, ReportDetail::None, out);
    }

    /// As [`Risk::forward`], under the ClOrdID of the request that it answers, with the ClOrdID before it as the original.
    fn forward_as(
        &mut self,
        m: Matched,
        exec: ClientExec,
        ids: Option<(ClientOrderId, ClientOrderId)>,
        detail: ReportDetail,
        out: &mut Outputs,
    ) {
        let mut report = self.report(m.at, exec, m.sequence);
        if let Some((id, original)) = ids
            && !id.is_empty()
        {
            report.client_order_id = id;
            report.orig_client_order_id = original;
        }
        report.detail = detail;
        let session = self.orders.order(m.at).session;
        tell(out, session, m.cause, ClientOutput::Report(report));
    }

    /// ClOrdIDs of the pending request and of the order before it.
    fn pending_ids(&self, at: u32) -> Option<(ClientOrderId, ClientOrderId)> {
        let order = self.orders.order(at);
        (order.pending != NONE).then(|| {
            let id = self.orders.request(order.pending).client_order_id;
            (id, self.orders.request(order.live).client_order_id)
        })
    }

    /// Ends the pending request; a cancel that had to wait for it goes out next.
    fn resolve_pending(&mut self, at: u32) {
        let order = self.orders.order_mut(at);
        let slot = std::mem::replace(&mut order.pending, NONE);
        order.pending_told = false;
        let waiting = order.done.is_none() && order.cancel_wanted;
        if slot == NONE {
            return;
        }
        let request = self.orders.request_mut(slot);
        request.state = RequestState::Answered;
        let is_own_cancel =
            request.kind == RequestKind::Cancel && request.client_order_id.is_empty();
        // The gateway's own cancel is not repeated at once: a desk that refuses it would be asked for ever.
        if waiting && !is_own_cancel {
            self.want_cancel(at);
        }
    }

    /// 150=A: the session was told so already where it wants to be.
    fn forward_quietly(&mut self, m: Matched, out: &mut Outputs) {
        let order = self.orders.order(m.at);
        let told = self.sessions[order.session.get()].pending_new;
        if !told && !order.acked && order.done.is_none() {
            self.forward(m, ClientExec::PendingNew, out);
        }
    }

    pub(super) fn acknowledge(&mut self, m: Matched, out: &mut Outputs) {
        self.desk_has(m.at);
        self.forward(m, ClientExec::New, out);
    }

    fn pending(&mut self, m: Matched, kind: RequestKind, out: &mut Outputs) {
        let order = self.orders.order(m.at);
        let pending = self.orders.pending_kind(order);
        // Up to FIX 4.1 a desk has one word for both.
        let kind = match (kind, pending) {
            (RequestKind::Cancel, Some(RequestKind::Replace)) => RequestKind::Replace,
            _ => kind,
        };
        if order.done.is_some() || pending != Some(kind) {
            self.counters.after_done += 1;
            return;
        }
        self.orders.order_mut(m.at).pending_told = true;
        let ids = self.pending_ids(m.at);
        if ids.is_some_and(|(id, _)| id.is_empty()) {
            return; // The gateway's own cancel: the client hears of its outcome.
        }
        let exec = match kind {
            RequestKind::Cancel => ClientExec::PendingCancel,
            _ => ClientExec::PendingReplace,
        };
        self.forward_as(m, exec, ids, ReportDetail::None, out);
    }

    pub(super) fn cancelled(&mut self, m: Matched, out: &mut Outputs) {
        let order = self.orders.order(m.at);
        let was_done = order.done.is_some();
        let asked = self.orders.pending_kind(order) == Some(RequestKind::Cancel);
        let ids = if asked { self.pending_ids(m.at) } else { None };
        match was_done {
            true => self.ended_before(m.at, OrderStatus::Cancelled),
            false => self.close(m.at, OrderStatus::Cancelled),
        }
        if asked {
            self.resolve_pending(m.at);
        }
        // One that is done says nothing more, but to the client that asked.
        if was_done && ids.is_none_or(|(id, _)| id.is_empty()) {
            return;
        }
        let detail = desk_words(m.report.text);
        self.forward_as(m, ClientExec::Cancelled, ids, detail, out);
    }

    /// Ended by the desk or the clock.
    pub(super) fn ended(
        &mut self,
        m: Matched,
        status: OrderStatus,
        exec: ClientExec,
        out: &mut Outputs,
    ) {
        if self.orders.order(m.at).done.is_some() {
            return self.ended_before(m.at, status);
        }
        self.close(m.at, status);
        self.forward_as(m, exec, None, desk_words(m.report.text), out);
    }

    /// The desk ends an order that is done: one that is filled ends like that should the trade be taken back.
    fn ended_before(&mut self, at: u32, status: OrderStatus) {
        self.counters.after_done += 1;
        let order = self.orders.order_mut(at);
        if order.done == Some(OrderStatus::Filled) {
            order.ended = Some(status);
        }
    }

    fn replaced(&mut self, m: Matched, out: &mut Outputs) {
        let order = self.orders.order(m.at);
        if self.orders.pending_kind(order) != Some(RequestKind::Replace) {
            return self.restated(m, ClientExec::Restated, out);
        }
        if !matches!(order.done, None | Some(OrderStatus::Filled)) {
            self.counters.after_done += 1;
            return;
        }
        let ids = self.pending_ids(m.at);
        let was_done = order.done.is_some();
        let order = self.orders.order_mut(m.at);
        let new = order.replacement;
        order.live = order.pending;
        order.acked = true;
        order.order_type = new.order_type;
        order.price = new.price;
        order.reserve_price = new.reserve_price;
        // Fills that overtook the replace stay filled: the quantity cannot be below them.
        order.quantity = new.quantity.max(order.cumulated);
        order.cancelled = Quantity::ZERO;
        let filled = order.cumulated >= order.quantity;
        if !filled && order.ended.is_some() {
            // The desk's end of it came before, over another link.
            order.done = order.ended;
            order.cancelled = order.quantity.saturating_sub(order.cumulated);
        }
        let has_ended = order.ended.is_some();
        self.resolve_pending(m.at);
        match (was_done, filled) {
            (true, false) if has_ended => self.rebook(m.at),
            (false, true) => self.close(m.at, OrderStatus::Filled),
            (true, false) => self.reopen(m.at),
            _ => self.rebook(m.at),
        }
        self.forward_as(m, ClientExec::Replaced, ids, ReportDetail::None, out);
    }

    /// The desk changed the order by itself: its numbers count where it gives them.
    fn restated(&mut self, m: Matched, exec: ClientExec, out: &mut Outputs) {
        let is_replace = self.orders.request(m.slot).kind == RequestKind::Replace;
        let order = self.orders.order_mut(m.at);
        if order.pending == m.slot && is_replace {
            // It overtook, over another link, the word that the request is done: that then brings these numbers, and the client hears of it.
            let new = &mut order.replacement;
            if !m.report.quantity.is_zero() {
                new.quantity = m.report.quantity;
            }
            if m.report.price > Price::ZERO && new.order_type == crate::domain::OrderType::Limit {
                (new.price, new.reserve_price) = (m.report.price, m.report.price);
            }
            if order.done.is_none() {
                self.rebook(m.at);
            }
            return;
        }
        if order.done.is_some() {
            self.counters.after_done += 1;
            return;
        }
        if !m.report.quantity.is_zero() {
            order.quantity = m.report.quantity.max(order.cumulated);
            order.cancelled = Quantity::ZERO;
        }
        if m.report.price > Price::ZERO && order.order_type == crate::domain::OrderType::Limit {
            order.price = m.report.price;
            order.reserve_price = m.report.price;
        }
        if order.cumulated >= order.quantity {
            self.close(m.at, OrderStatus::Filled);
        } else {
            self.rebook(m.at);
        }
        self.forward_as(m, exec, None, desk_words(m.report.text), out);
    }

    /// 150=8: of the order, or of a request about it from a desk that says it so.
    pub(super) fn rejected(&mut self, m: Matched, out: &mut Outputs) {
        if self.orders.request(m.slot).kind != RequestKind::New {
            let reason = RejectReason::DeskRejected;
            return self.reject_request(m.slot, m.at, reason, m.report.text, m.cause, out);
        }
        if self.orders.order(m.at).done.is_some() {
            self.counters.after_done += 1;
            return;
        }
        self.counters.desk_rejects += 1;
        self.close(m.at, OrderStatus::Rejected);
        self.tell_rejected(m, RejectReason::DeskRejected, m.report.text, out);
    }

    fn tell_rejected(
        &mut self,
        m: Matched,
        reason: RejectReason,
        text: DeskText,
        out: &mut Outputs,
    ) {
        let mut report = self.report(m.at, ClientExec::Rejected, m.sequence);
        report.reason = reason;
        report.detail = desk_words(text);
        let session = self.orders.order(m.at).session;
        tell(out, session, m.cause, ClientOutput::Report(report));
    }

    pub(super) fn on_cancel_reject(
        &mut self,
        reject: &DeskCancelReject,
        cause: Cause,
        out: &mut Outputs,
    ) {
        let Some((slot, at)) = self.matching(reject.id) else {
            return;
        };
        let reason = match reject.reason {
            0 => RejectReason::TooLate,
            1 => RejectReason::UnknownOrder,
            3 => RejectReason::AlreadyPending,
            _ => RejectReason::DeskRejected,
        };
        self.reject_request(slot, at, reason, reject.text, cause, out);
    }

    /// A cancel or replace came to nothing: the order stays as it was.
    pub(super) fn reject_request(
        &mut self,
        slot: u32,
        at: u32,
        reason: RejectReason,
        text: DeskText,
        cause: Cause,
        out: &mut Outputs,
    ) {
        if self.orders.order(at).pending != slot {
            self.counters.duplicates += 1;
            return;
        }
        let to_replace = self.orders.request(slot).kind == RequestKind::Replace;
        self.resolve_pending(at);
        self.rebook(at);
        if self.orders.request(slot).client_order_id.is_empty() {
            self.counters.gateway_cancels_failed += 1;
            self.keep_slot(slot, at, reason);
            // It may have overtaken the order on another link; or the order was filled for the desk then, and a trade cancel that
            // made it work again has overtaken this answer. Once: a desk that says so for ever is not asked for ever.
            let order = self.orders.order_mut(at);
            let overtook = match reason {
                RejectReason::UnknownOrder => order.acked,
                RejectReason::TooLate => true,
                _ => false,
            };
            if overtook && order.done.is_none() && !std::mem::replace(&mut order.recancelled, true)
            {
                self.want_cancel(at);
            }
            return;
        }
        let reject = self.cancel_reject(at, slot, to_replace, reason, text);
        let session = self.orders.order(at).session;
        tell(out, session, cause, ClientOutput::CancelReject(reject));
    }

    /// However often a cancel of the gateway's own is refused on the way, it takes one slot of the day.
    fn keep_slot(&mut self, slot: u32, at: u32, reason: RejectReason) {
        if never_left(reason) {
            self.orders.order_mut(at).spare = slot;
        }
        if reason == RejectReason::Pressure {
            self.want_room(at);
        }
    }
}

/// Whether the route stage has decided that a request does not leave. After a start it only judges by what its log says.
fn never_left(reason: RejectReason) -> bool {
    use RejectReason::{LogUnavailable, NoDesk, Pressure};
    matches!(reason, LogUnavailable | NoDesk | Pressure)
}

/// A desk's explanation, where it gives one.
pub(super) fn desk_words(text: DeskText) -> ReportDetail {
    match text.is_empty() {
        true => ReportDetail::None,
        false => ReportDetail::Desk(text),
    }
}

/// Whether the numbers are such that the arithmetic holds.
fn is_plausible(report: &DeskReport) -> bool {
    let in_range = |quantity: Quantity, price: Price| {
        quantity.0 <= QUANTITY_MAX && (0..=PRICE_MAX).contains(&price.0)
    };
    let fill = match report.exec {
        DeskExec::Trade { quantity, price } | DeskExec::TradeCorrect { quantity, price } => {
            in_range(quantity, price) && !quantity.is_zero()
        }
        _ => true,
    };
    fill && in_range(report.quantity, report.price)
}
