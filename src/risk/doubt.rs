//! How far a request is: written, refused on the way, in doubt, and how doubt ends.
//!
//! In doubt means: its link was lost before the desk answered. What is reserved stays reserved, nothing is sent again but the
//! gateway's own cancels, and the client hears of it only when it asks. Any later report that shows the request ends the doubt.

use super::Risk;
use super::desk::{Matched, desk_words};
use super::orders::{NONE, RequestKind, RequestState};
use super::outputs::Outputs;
use super::reports::{Cause, tell};
use crate::domain::report::{ClientExec, ClientOutput, DeskReport};
use crate::domain::{DeskText, OrderId, OrderStatus, RejectReason};

impl Risk {
    pub(super) fn clear_doubt(&mut self, slot: u32) {
        let request = self.orders.request_mut(slot);
        if request.state != RequestState::Answered {
            request.state = match request.kind {
                RequestKind::New => RequestState::Answered,
                _ => RequestState::Sent,
            };
        }
    }

    /// The request never left.
    pub(super) fn on_refused(
        &mut self,
        id: OrderId,
        reason: RejectReason,
        text: DeskText,
        cause: Cause,
        out: &mut Outputs,
    ) {
        let Some((slot, at)) = self.matching(id) else {
            return;
        };
        if self.orders.request(slot).kind != RequestKind::New {
            return self.reject_request(slot, at, reason, text, cause, out);
        }
        let order = self.orders.order(at);
        if order.done.is_some() || order.acked || !order.cumulated.is_zero() {
            self.counters.after_done += 1;
            return;
        }
        self.orders.request_mut(slot).state = RequestState::Answered;
        self.counters.refuse(reason);
        self.close(at, OrderStatus::Rejected);
        let sequence = self.next_execution();
        let mut report = self.report(at, ClientExec::Rejected, sequence);
        report.reason = reason;
        report.detail = desk_words(text);
        let session = self.orders.order(at).session;
        tell(out, session, cause, ClientOutput::Report(report));
    }

    /// The link was lost before the desk answered: what is reserved stays reserved. The gateway's own cancel may be sent again.
    pub(super) fn on_in_doubt(&mut self, id: OrderId) {
        let Some((slot, at)) = self.matching(id) else {
            return;
        };
        let request = self.orders.request_mut(slot);
        if request.state == RequestState::Answered {
            self.counters.duplicates += 1;
            return;
        }
        request.state = RequestState::InDoubt;
        self.counters.doubts += 1;
        let request = self.orders.request(slot);
        if request.kind != RequestKind::Cancel || self.orders.order(at).pending != slot {
            return;
        }
        let is_own = request.client_order_id.is_empty();
        let order = self.orders.order_mut(at);
        if is_own {
            order.pending = NONE;
            order.pending_told = false;
            self.counters.gateway_cancels_failed += 1;
        }
        // Another link may be up, or this one again: then nothing else would start it.
        if order.cancel_wanted && order.done.is_none() {
            self.want_cancel(at);
        }
    }

    /// The desk has shown that it has the order. A cancel of the gateway's own that came before it was refused there, and is
    /// repeated once.
    pub(super) fn desk_has(&mut self, at: u32) {
        let order = self.orders.order_mut(at);
        let is_news = !std::mem::replace(&mut order.acked, true);
        let order = *order;
        if is_news && order.cancel_wanted && order.pending == NONE && order.done.is_none() {
            self.want_cancel(at);
        }
    }

    /// A link is back: cancels of the gateway's own that failed are sent again. They are idempotent.
    pub(super) fn on_link_ready(&mut self, cause: Cause) {
        if self.counters.gateway_cancels_failed > 0 && self.orders.open() > 0 {
            self.start_kill(cause);
        }
    }

    /// An answer to a question changes an order only where it is in doubt.
    pub(super) fn adopt_status(
        &mut self,
        slot: u32,
        at: u32,
        report: &DeskReport,
        cause: Cause,
        out: &mut Outputs,
    ) {
        let order = self.orders.order(at);
        if !self.is_in_doubt(at) || order.done.is_some() {
            return;
        }
        if report.cumulated > order.cumulated {
            // The fills themselves must come: without their prices nothing can be booked.
            self.counters.status_gaps += 1;
            return;
        }
        let live = order.live;
        self.clear_doubt(slot);
        self.clear_doubt(live);
        let m = Matched {
            report,
            slot,
            at,
            execution: NONE,
            sequence: self.next_execution(),
            cause,
        };
        match report.status {
            OrderStatus::Cancelled => self.cancelled(m, out),
            OrderStatus::Rejected => self.rejected(m, out),
            OrderStatus::Expired => {
                self.ended(m, OrderStatus::Expired, ClientExec::Expired, out);
            }
            OrderStatus::DoneForDay => {
                self.ended(m, OrderStatus::DoneForDay, ClientExec::DoneForDay, out);
            }
            OrderStatus::New | OrderStatus::PartiallyFilled if !self.orders.order(at).acked => {
                self.acknowledge(m, out);
            }
            _ => {}
        }
    }

    /// Whether the request under which the desk should know the order, or the one pending, is in doubt.
    pub(super) fn is_in_doubt(&self, at: u32) -> bool {
        let order = self.orders.order(at);
        [order.live, order.pending]
            .into_iter()
            .filter(|&slot| slot != NONE)
            .any(|slot| self.orders.request(slot).state == RequestState::InDoubt)
    }
}
