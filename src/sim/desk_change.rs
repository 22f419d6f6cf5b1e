//! The simulated desk, second part: cancels, replaces, questions, what comes later, and commands of whoever runs it.
//!
//! A cancel or replace names the order by its present ClOrdID; an older one of its chain is unknown. Mass answers and mass cancels
//! go in parts, so that one request never does unbounded work. Owned as `desk`.

use crate::domain::report::DeskExec;
use crate::domain::{DeskText, Now, OrderStatus, OrderType, Price, Quantity, Text};
use crate::limits::SIM_DESK_MASS_PART;
use crate::sim::behaviour::Action;
use crate::sim::desk::{DeskBook, Later};
use crate::sim::desk_ledger::FillState;
use crate::sim::desk_message::{
    CancelReject, DeskMessage, DeskOutput, MassCancelReport, Request, RequestKind,
};
use crate::sim::desk_order::report_without_order;

/// CxlRejReason(102)
const TOO_LATE: u16 = 0;
const UNKNOWN_ORDER: u16 = 1;
const BROKER_OPTION: u16 = 2;
const DUPLICATE: u16 = 6;

impl DeskBook {
    /// The order that a cancel or replace is about, or the answer that it gets instead; `Err(None)` is silence.
    fn order_to_change(&self, request: &Request) -> Result<u32, Option<(u32, u16, &'static str)>> {
        let known = self
            .order_by_id(&request.original)
            .filter(|o| o.client_order_id == request.original);
        let Some(order) = known else {
            return Err(Some((0, UNKNOWN_ORDER, "Unknown order")));
        };
        match order.script.action {
            Action::Silence => return Err(None),
            Action::Unknown => return Err(Some((0, UNKNOWN_ORDER, "Unknown order"))),
            _ => {}
        }
        if self.by_id.contains_key(&request.client_order_id) {
            return Err(Some((order.number, DUPLICATE, "Duplicate ClOrdID")));
        }
        if order.status.is_final() || order.script.action == Action::TooLate {
            return Err(Some((order.number, TOO_LATE, "Too late")));
        }
        Ok(order.number)
    }

    fn refuse_change(
        &mut self,
        link: usize,
        request: &Request,
        (number, reason, text): (u32, u16, &str),
        out: &mut Vec<DeskOutput>,
    ) {
        let status = match number {
            0 => OrderStatus::Rejected,
            number => self.order(number).status,
        };
        let reject = CancelReject {
            order: number,
            client_order_id: request.client_order_id,
            original: request.original,
            status,
            to_replace: request.kind == RequestKind::Replace,
            reason,
            text: DeskText::cut(text.as_bytes()),
        };
        self.send(link, DeskMessage::CancelReject(reject), out);
    }

    /// Reports on behalf of the request that asked: its ClOrdID, and 41.
    fn answer_change(
        &mut self,
        number: u32,
        request: &Request,
        exec: DeskExec,
        status: OrderStatus,
        out: &mut Vec<DeskOutput>,
    ) {
        let mut report = self.next_report(number, exec);
        report.client_order_id = request.client_order_id;
        report.original = request.original;
        report.status = status;
        self.send_report(number, report, out);
    }

    pub(super) fn on_cancel(
        &mut self,
        now: Now,
        link: usize,
        request: &Request,
        out: &mut Vec<DeskOutput>,
    ) {
        let number = match self.order_to_change(request) {
            Ok(number) => number,
            Err(None) => return,
            Err(Some(refusal)) => return self.refuse_change(link, request, refusal, out),
        };
        self.by_id.insert(request.client_order_id, number);
        self.order_mut(number).link = link;
        let script = self.order(number).script;
        if script.pending {
            let status = OrderStatus::PendingCancel;
            self.answer_change(number, request, DeskExec::PendingCancel, status, out);
        }
        let left = self.order(number).leaves();
        self.end(number, OrderStatus::Cancelled);
        let status = OrderStatus::Cancelled;
        self.answer_change(number, request, DeskExec::Cancelled, status, out);
        if let Action::LateFill(wait) = script.action {
            let later = Later::LateFill {
                order: number,
                quantity: left,
            };
            self.schedule_after(now, wait, later);
        }
    }

    pub(super) fn on_replace(
        &mut self,
        _now: Now,
        link: usize,
        request: &Request,
        out: &mut Vec<DeskOutput>,
    ) {
        let number = match self.order_to_change(request) {
            Ok(number) => number,
            Err(None) => return,
            Err(Some(refusal)) => return self.refuse_change(link, request, refusal, out),
        };
        if let Some(text) = self.bad_replace(number, request) {
            return self.refuse_change(link, request, (number, BROKER_OPTION, text), out);
        }
        self.by_id.insert(request.client_order_id, number);
        self.order_mut(number).link = link;
        if self.order(number).script.pending {
            let status = OrderStatus::PendingReplace;
            self.answer_change(number, request, DeskExec::PendingReplace, status, out);
        }
        let order = self.order_mut(number);
        order.client_order_id = request.client_order_id;
        order.price = request.price;
        order.quantity = request.quantity;
        order.refresh_status();
        let (place, left, status) = (order.place, order.leaves(), order.status);
        self.answer_change(number, request, DeskExec::Replaced, status, out);
        let Some(place) = place else {
            return;
        };
        if left.is_zero() {
            self.engine.cancel(place);
            self.order_mut(number).place = None;
            return;
        }
        let mut trades = std::mem::take(&mut self.trades);
        let outcome = self.engine.replace(place, request.price, left, &mut trades);
        self.trades = trades;
        self.apply_outcome(number, outcome, out);
    }

    fn bad_replace(&self, number: u32, request: &Request) -> Option<&'static str> {
        let order = self.order(number);
        if request.symbol != order.symbol || request.side != Some(order.side) {
            return Some("Symbol and Side may not change");
        }
        if request.order_type != order.order_type {
            return Some("OrdType may not change");
        }
        if request.quantity.is_zero() || request.quantity < order.cumulated {
            return Some("OrderQty below what is filled");
        }
        let priced = order.order_type == OrderType::Limit;
        (priced && request.price <= Price::ZERO).then_some("A limit order needs a Price")
    }

    pub(super) fn on_status(&mut self, link: usize, request: &Request, out: &mut Vec<DeskOutput>) {
        let order = self.order_by_id(&request.client_order_id);
        let mut report = match order.map(|o| (o, o.script.action)) {
            Some((_, Action::Silence)) => return,
            None | Some((_, Action::Unknown)) => {
                let mut report = report_without_order(request, DeskExec::Status, 0);
                report.reject_reason = 5;
                report.text = Text::cut(b"Unknown order");
                report
            }
            Some((order, _)) => order.report(DeskExec::Status, 0),
        };
        report.client_order_id = request.client_order_id;
        report.request_id = request.request_id;
        self.send(link, DeskMessage::Report(report), out);
    }

    /// Mass status and mass cancel: the orders are listed now, and handled part by part.
    pub(super) fn on_mass(
        &mut self,
        now: Now,
        link: usize,
        request: &Request,
        out: &mut Vec<DeskOutput>,
    ) {
        let orders: Vec<u32> = self
            .orders
            .iter()
            .filter(|o| {
                !o.status.is_final()
                    && !matches!(o.script.action, Action::Silence | Action::Unknown)
                    && (request.symbol.is_empty() || o.symbol == request.symbol)
                    && (request.account.is_empty() || o.account == request.account)
                    && request.side.is_none_or(|side| side == o.side)
            })
            .map(|o| o.number)
            .collect();
        if request.kind == RequestKind::MassCancel {
            let report = MassCancelReport {
                exec_id: self.next_exec_id,
                client_order_id: request.client_order_id,
                symbol: request.symbol,
                affected: orders.len() as u32,
            };
            self.next_exec_id += 1;
            self.send(link, DeskMessage::MassCancelReport(report), out);
        } else if orders.is_empty() {
            let mut report = report_without_order(request, DeskExec::Status, 0);
            report.reject_reason = 5;
            report.text = Text::cut(b"No open orders");
            report.request_id = request.request_id;
            report.part = Some((0, true));
            return self.send(link, DeskMessage::Report(report), out);
        }
        self.mass_part(now, link, *request, orders, 0, out);
    }

    fn mass_part(
        &mut self,
        now: Now,
        link: usize,
        request: Request,
        orders: Vec<u32>,
        at: usize,
        out: &mut Vec<DeskOutput>,
    ) {
        let end = orders.len().min(at + SIM_DESK_MASS_PART);
        for (i, &number) in orders.iter().enumerate().take(end).skip(at) {
            if request.kind == RequestKind::MassCancel {
                self.end_and_tell(number, OrderStatus::Cancelled, "Mass cancel", out);
                continue;
            }
            let mut report = self.order(number).report(DeskExec::Status, 0);
            report.request_id = request.request_id;
            report.part = Some((orders.len() as u32, i + 1 == orders.len()));
            self.send(link, DeskMessage::Report(report), out);
        }
        if end < orders.len() {
            let later = Later::Mass {
                link,
                request,
                orders,
                at: end,
            };
            self.schedule(now.mono_ns, later);
        }
    }

    pub(super) fn do_later(&mut self, now: Now, later: Later, out: &mut Vec<DeskOutput>) {
        match later {
            Later::Handle {
                link,
                request,
                script,
            } => self.handle(now, link, &request, script, out),
            Later::Piece { order, pieces_left } => self.next_piece(now, order, pieces_left, out),
            Later::LateFill { order, quantity } => {
                self.fill(order, quantity, self.price_of(order), out);
            }
            Later::End { order, status } => {
                self.end_and_tell(order, status, "Ended by the desk", out);
            }
            Later::Restate { order } => {
                let halved = self.order(order).leaves().0 / 2;
                self.restate(order, halved, out);
            }
            Later::TradeCancel { exec_id } => {
                self.cancel_trade(exec_id, out);
            }
            Later::TradeCorrect { exec_id } => {
                let fill = self.ledger.fill_mut(exec_id).copied();
                if let Some(fill) = fill {
                    let price = Price(fill.price.0 - (fill.price.0 / 100).max(1));
                    self.correct_trade(exec_id, fill.quantity, price, out);
                }
            }
            Later::Mass {
                link,
                request,
                orders,
                at,
            } => self.mass_part(now, link, request, orders, at, out),
        }
    }

    fn next_piece(&mut self, now: Now, number: u32, pieces_left: u32, out: &mut Vec<DeskOutput>) {
        let order = self.order(number);
        let leaves = order.leaves().0;
        let Action::Partial { every, .. } = order.script.action else {
            return;
        };
        if leaves == 0 {
            return;
        }
        let piece = if pieces_left <= 1 {
            leaves
        } else {
            (leaves / pieces_left as u64).max(1)
        };
        self.fill(number, Quantity(piece), self.price_of(number), out);
        if pieces_left > 1 {
            let later = Later::Piece {
                order: number,
                pieces_left: pieces_left - 1,
            };
            self.schedule_after(now, every, later);
        }
    }

    /// Takes an order out of the book and gives it a final status.
    fn end(&mut self, number: u32, status: OrderStatus) {
        if let Some(place) = self.order_mut(number).place.take() {
            self.engine.cancel(place);
        }
        self.order_mut(number).status = status;
    }

    /// Ends an order that is open, unasked; returns whether it was.
    pub(super) fn end_and_tell(
        &mut self,
        number: u32,
        status: OrderStatus,
        text: &str,
        out: &mut Vec<DeskOutput>,
    ) -> bool {
        if self.order(number).status.is_final() {
            return false;
        }
        self.end(number, status);
        let exec = match status {
            OrderStatus::Expired => DeskExec::Expired,
            OrderStatus::DoneForDay => DeskExec::DoneForDay,
            _ => DeskExec::Cancelled,
        };
        let mut report = self.next_report(number, exec);
        report.text = DeskText::cut(text.as_bytes());
        self.send_report(number, report, out);
        true
    }

    /// The desk itself leaves only `leaves` of an order; returns whether it could.
    pub(super) fn restate(&mut self, number: u32, leaves: u64, out: &mut Vec<DeskOutput>) -> bool {
        let order = self.order_mut(number);
        if order.status.is_final() || leaves == 0 || leaves > order.leaves().0 {
            return false;
        }
        order.quantity = Quantity(order.cumulated.0 + leaves);
        let (place, price) = (order.place, order.price);
        if let Some(place) = place {
            // Same price, no more quantity: it keeps its place, and nothing trades.
            let leaves = Quantity(leaves).min(self.engine.quantity(place));
            self.engine.replace(place, price, leaves, &mut self.trades);
        }
        self.tell(number, DeskExec::Restated, out);
        true
    }

    /// Takes a trade back; returns whether there was one.
    pub(super) fn cancel_trade(&mut self, exec_id: u64, out: &mut Vec<DeskOutput>) -> bool {
        let Some(fill) = self.ledger.fill_mut(exec_id) else {
            return false;
        };
        if fill.state == FillState::Cancelled {
            return false;
        }
        fill.state = FillState::Cancelled;
        let fill = *fill;
        self.order_mut(fill.order).unfill(fill.quantity, fill.price);
        self.tell_about(fill.order, DeskExec::TradeCancel, exec_id, out);
        true
    }

    /// Corrects a trade; returns whether there was one, and whether the correction fits the order.
    pub(super) fn correct_trade(
        &mut self,
        exec_id: u64,
        quantity: Quantity,
        price: Price,
        out: &mut Vec<DeskOutput>,
    ) -> bool {
        let Some(fill) = self.ledger.fill_mut(exec_id).copied() else {
            return false;
        };
        let order = self.order(fill.order);
        let others = order.cumulated.saturating_sub(fill.quantity);
        let fits = others.0 + quantity.0 <= order.quantity.0;
        if fill.state == FillState::Cancelled || quantity.is_zero() || price.0 <= 0 || !fits {
            return false;
        }
        let order = self.order_mut(fill.order);
        order.unfill(fill.quantity, fill.price);
        order.fill(quantity, price);
        if let Some(fill) = self.ledger.fill_mut(exec_id) {
            fill.quantity = quantity;
            fill.price = price;
            fill.state = FillState::Corrected;
        }
        let exec = DeskExec::TradeCorrect { quantity, price };
        self.tell_about(fill.order, exec, exec_id, out);
        true
    }

    fn tell_about(
        &mut self,
        number: u32,
        exec: DeskExec,
        exec_ref_id: u64,
        out: &mut Vec<DeskOutput>,
    ) {
        let mut report = self.next_report(number, exec);
        report.exec_ref_id = exec_ref_id;
        self.send_report(number, report, out);
    }

    /// A trade that somebody made with an order by command, at its price; returns its ExecID.
    pub(super) fn fill_by_command(
        &mut self,
        number: u32,
        quantity: Option<Quantity>,
        price: Option<Price>,
        out: &mut Vec<DeskOutput>,
    ) -> Option<u64> {
        let leaves = self.order(number).leaves();
        let quantity = quantity.unwrap_or(leaves);
        if quantity.is_zero() || quantity > leaves {
            return None;
        }
        let price = price.unwrap_or_else(|| self.price_of(number));
        let exec_id = self.fill(number, quantity, price, out);
        let order = self.order(number);
        if let Some(place) = order.place {
            let (limit, left) = (order.price, order.leaves());
            if left.is_zero() {
                self.engine.cancel(place);
                self.order_mut(number).place = None;
            } else {
                // What was taken back is not in the book again.
                let left = left.min(self.engine.quantity(place));
                self.engine.replace(place, limit, left, &mut self.trades);
            }
        }
        Some(exec_id)
    }
}
