//! What clients ask for single orders: new, cancel, replace, status.
//!
//! Gather everything once (`gather.rs`), run the checks, and only then change anything: a refused request leaves no trace but its counter,
//! its rate token and its answer.

use super::exposure::reserve_price;
use super::gather::Ask;
use super::orders::{NONE, Order, Replacement, RequestKind, RequestState};
use super::outputs::Outputs;
use super::reports::{Cause, tell};
use super::{Facts, Risk};
use crate::domain::order::{
    AccountRef, CancelRequest, DeskRequest, FromClient, InstrumentRef, NewOrder, ReplaceRequest,
    StatusRequest,
};
use crate::domain::report::{ClientCancelReject, ClientExec, ClientOutput, ReportDetail};
use crate::domain::{
    AccountIndex, ClientOrderId, DeskText, Now, OrderId, OrderStatus, OrderType, Price,
    RejectReason, SessionIndex, Text,
};

impl Risk {
    pub(super) fn on_new(
        &mut self,
        now: Now,
        input: &FromClient,
        new: &NewOrder,
        facts: Facts,
        out: &mut Outputs,
    ) {
        let session = input.session;
        let used = self
            .client_ids
            .find(self.orders.requests(), session, &new.client_order_id);
        if let (Some(slot), true) = (used.slot, new.possible_resend) {
            return self.answer_status(input, slot, new.client_order_id, Text::EMPTY, out);
        }
        let account = match new.account {
            AccountRef::Known(at) if at.get() + 1 < self.book.accounts.len() => Some(at),
            _ => None,
        };
        let instrument = match new.instrument {
            InstrumentRef::Known(at) if at.get() + 1 < self.instruments.len() => Some(at),
            _ => None,
        };
        let ask = Ask {
            session,
            account,
            instrument,
            side: new.side,
            order_type: new.order_type,
            price: new.price,
            quantity: new.quantity,
            duplicate: used.slot.is_some(),
            replaced: None,
        };
        let checked = self.check(now, &ask, facts);
        let (Ok(()), Some(account), Some(instrument)) = (checked, account, instrument) else {
            let reason = checked.err().unwrap_or(RejectReason::UnknownAccount);
            self.counters.refuse(reason);
            let report = self.rejected_report(new, (account, instrument), reason);
            return tell(out, session, input.into(), ClientOutput::Report(report));
        };

        let at = self.orders.next_order();
        let Some(slot) =
            self.orders
                .add_request(RequestKind::New, session, at, new.client_order_id)
        else {
            return; // Not reached: `capacity_is_left` has asked.
        };
        self.client_ids.insert(used, slot);
        let row = &self.instruments[instrument.get()];
        let price = match new.order_type {
            OrderType::Limit => new.price,
            OrderType::Market => Price::ZERO,
        };
        self.orders.add_order(Order {
            id: self.orders.request(slot).id,
            live: slot,
            session,
            account,
            instrument,
            position: self.book.position_or_new(account, instrument),
            side: new.side,
            order_type: new.order_type,
            time_in_force: new.time_in_force,
            price,
            reserve_price: reserve_price(new.order_type, price, row.market_price),
            quantity: new.quantity,
            ..Order::blank()
        });
        self.kill_switch
            .count_open(account, session, instrument, true);
        self.rebook(at);
        self.counters.accepted += 1;
        let cause = Cause::from(input);
        out.to_desk
            .push(self.to_desk(now, cause, at, slot, DeskRequest::New));
        if self.sessions[session.get()].pending_new {
            let sequence = self.next_execution();
            let report = self.report(at, ClientExec::PendingNew, sequence);
            tell(out, session, cause, ClientOutput::Report(report));
        }
    }

    pub(super) fn on_cancel(
        &mut self,
        now: Now,
        input: &FromClient,
        cancel: &CancelRequest,
        out: &mut Outputs,
    ) {
        let session = input.session;
        let used = self
            .client_ids
            .find(self.orders.requests(), session, &cancel.client_order_id);
        let at = self.order_of(session, &cancel.orig_client_order_id);
        let refusal = match at {
            _ if used.slot.is_some() => Some(RejectReason::DuplicateClientOrderId),
            None => Some(RejectReason::UnknownOrder),
            Some(at) if self.orders.order(at).done.is_some() => Some(RejectReason::TooLate),
            Some(at) if self.orders.order(at).pending != NONE => Some(RejectReason::AlreadyPending),
            Some(_) if !self.orders.has_room_for_cancel() => Some(RejectReason::CapacityFull),
            Some(_) => None,
        };
        let (None, Some(at)) = (refusal, at) else {
            let reason = refusal.unwrap_or(RejectReason::UnknownOrder);
            let ids = (cancel.client_order_id, cancel.orig_client_order_id);
            return self.refuse(input, at, ids, false, reason, out);
        };
        let id = cancel.client_order_id;
        let Some(slot) = self
            .orders
            .add_request(RequestKind::Cancel, session, at, id)
        else {
            return; // Not reached: room was asked for.
        };
        self.client_ids.insert(used, slot);
        self.orders.order_mut(at).pending = slot;
        self.counters.cancels += 1;
        let original = self.live_id(at);
        let request = DeskRequest::Cancel { original };
        out.to_desk
            .push(self.to_desk(now, input.into(), at, slot, request));
    }

    pub(super) fn on_replace(
        &mut self,
        now: Now,
        input: &FromClient,
        new: &ReplaceRequest,
        facts: Facts,
        out: &mut Outputs,
    ) {
        let session = input.session;
        let used = self
            .client_ids
            .find(self.orders.requests(), session, &new.client_order_id);
        let at = self
            .order_of(session, &new.orig_client_order_id)
            .filter(|&at| {
                // Only the latest of the chain: a replace of what is replaced would change something else than its sender sees.
                let live = self.orders.order(at).live;
                self.orders.request(live).client_order_id == new.orig_client_order_id
            });
        let ids = (new.client_order_id, new.orig_client_order_id);
        let Some(at) = at else {
            return self.refuse(input, None, ids, true, RejectReason::UnknownOrder, out);
        };
        let order = *self.orders.order(at);
        let ask = Ask {
            session,
            account: Some(order.account),
            instrument: Some(order.instrument),
            side: order.side,
            order_type: new.order_type,
            price: new.price,
            quantity: new.quantity,
            duplicate: used.slot.is_some(),
            replaced: Some(&order),
        };
        let in_doubt = self.orders.request(order.live).state == RequestState::InDoubt;
        let refusal = if order.done.is_some() {
            Err(RejectReason::TooLate)
        } else if order.pending != NONE || order.cancel_wanted || in_doubt {
            Err(RejectReason::AlreadyPending)
        } else if new.side != order.side
            || new.instrument != InstrumentRef::Known(order.instrument)
            || new.quantity < order.cumulated
        {
            Err(RejectReason::BadReplace)
        } else {
            self.check(now, &ask, facts)
        };
        if let Err(reason) = refusal {
            return self.refuse(input, Some(at), ids, true, reason, out);
        }
        let id = new.client_order_id;
        let Some(slot) = self
            .orders
            .add_request(RequestKind::Replace, session, at, id)
        else {
            return; // Not reached: `capacity_is_left` has asked.
        };
        self.client_ids.insert(used, slot);
        let market_price = self.instruments[order.instrument.get()].market_price;
        let price = match new.order_type {
            OrderType::Limit => new.price,
            OrderType::Market => Price::ZERO,
        };
        let order = self.orders.order_mut(at);
        order.pending = slot;
        order.replacement = Replacement {
            order_type: new.order_type,
            price,
            reserve_price: reserve_price(new.order_type, price, market_price),
            quantity: new.quantity,
        };
        self.rebook(at);
        self.counters.replaces += 1;
        let original = self.live_id(at);
        let mut to_desk = self.to_desk(
            now,
            input.into(),
            at,
            slot,
            DeskRequest::Replace { original },
        );
        to_desk.order_type = new.order_type;
        to_desk.price = price;
        to_desk.quantity = new.quantity;
        out.to_desk.push(to_desk);
    }

    /// Order that a ClOrdID of the session belongs to, by a new order or a replace.
    fn order_of(&self, session: SessionIndex, id: &ClientOrderId) -> Option<u32> {
        let found = self.client_ids.find(self.orders.requests(), session, id);
        let request = self.orders.request(found.slot?);
        let names_order = matches!(request.kind, RequestKind::New | RequestKind::Replace);
        names_order.then_some(request.order)
    }

    /// OrderCancelReject of the gateway's own.
    fn refuse(
        &mut self,
        input: &FromClient,
        at: Option<u32>,
        (client_order_id, orig_client_order_id): (ClientOrderId, ClientOrderId),
        to_replace: bool,
        reason: RejectReason,
        out: &mut Outputs,
    ) {
        self.counters.refuse(reason);
        let (order_id, account, status) = match at {
            Some(at) => {
                let order = self.orders.order(at);
                (order.id, order.account, self.shown_status(at))
            }
            None => (OrderId::NONE, AccountIndex(u32::MAX), OrderStatus::Rejected),
        };
        let reject = ClientCancelReject {
            order_id,
            account,
            client_order_id,
            orig_client_order_id,
            status,
            to_replace,
            reason,
            text: DeskText::EMPTY,
        };
        tell(
            out,
            input.session,
            input.into(),
            ClientOutput::CancelReject(reject),
        );
    }

    pub(super) fn on_status(
        &mut self,
        input: &FromClient,
        status: &StatusRequest,
        out: &mut Outputs,
    ) {
        let id = status.client_order_id;
        let found = self
            .client_ids
            .find(self.orders.requests(), input.session, &id);
        match found.slot {
            Some(slot) if self.orders.request(slot).order != NONE => {
                self.answer_status(input, slot, id, status.request_id, out)
            }
            _ => {
                let report = self.unknown_order_report(id, status.request_id, None);
                tell(
                    out,
                    input.session,
                    input.into(),
                    ClientOutput::Report(report),
                )
            }
        }
    }

    /// The state of the order that a request belongs to.
    fn answer_status(
        &mut self,
        input: &FromClient,
        slot: u32,
        asked: ClientOrderId,
        request_id: Text<39>,
        out: &mut Outputs,
    ) {
        let at = self.orders.request(slot).order;
        let report = if at == NONE {
            self.unknown_order_report(asked, request_id, None)
        } else {
            let mut report = self.status_report(at, request_id, None, true);
            if report.client_order_id != asked {
                report.orig_client_order_id = asked;
            }
            report
        };
        tell(
            out,
            input.session,
            input.into(),
            ClientOutput::Report(report),
        );
    }

    /// 150=I on one order; one in doubt says so.
    pub(super) fn status_report(
        &mut self,
        at: u32,
        request_id: Text<39>,
        total: Option<u32>,
        last: bool,
    ) -> crate::domain::report::ClientReport {
        let sequence = self.next_execution();
        let mut report = self.report(at, ClientExec::Status, sequence);
        report.detail = ReportDetail::Answer {
            request_id,
            total,
            last,
        };
        if self.is_in_doubt(at) {
            report.reason = RejectReason::InDoubt;
        }
        report
    }
}
