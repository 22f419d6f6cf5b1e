//! Work that one input starts and that takes more than one step: mass cancels, kills, lost sessions, mass status.
//!
//! Owned by the risk state. Sessions with work stand in a queue, each at most once, and take turns: a step visits a bounded
//! number of orders and gives at most `OUTPUTS_MAX` outputs. A *sweep* walks a session's open orders and cancels those that a
//! kill, a lost session or a mass cancel covers; what has a request pending is cancelled when that resolves. A cursor stands on
//! an open order or at the end: when its order closes it moves on. A cancel that found no room at its desk stands in a queue of that
//! desk, and goes out again when the desk has settled something: one for one. All storage is fixed, so no kill ever finds it full.

use super::Risk;
use super::orders::{NONE, Order, RequestKind, RequestState};
use super::outputs::Outputs;
use super::reports::{Cause, tell};
use crate::domain::order::{DeskRequest, MassScope};
use crate::domain::report::{ClientOutput, DeskInput, MassCancelReport};
use crate::domain::{
    AccountIndex, ClientOrderId, InstrumentIndex, Now, OrderId, RejectReason, SessionIndex, Side,
    Text,
};

/// Orders that one step visits: short enough that the next input hardly waits.
const VISITS_PER_STEP: usize = 16;
/// Sessions that one step of a kill looks at.
const SESSIONS_PER_STEP: usize = 64;

/// Which orders a mass request means: those below `limit` that match.
#[derive(Clone, Copy, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct Filter {
    pub limit: u32,
    pub account: Option<AccountIndex>,
    pub instrument: Option<InstrumentIndex>,
    pub side: Option<Side>,
}

impl Filter {
    fn matches(&self, at: u32, order: &Order) -> bool {
        at < self.limit
            && self.account.is_none_or(|a| a == order.account)
            && self.instrument.is_none_or(|i| i == order.instrument)
            && self.side.is_none_or(|s| s == order.side)
    }
}

/// A mass cancel that must look at the orders to know which it means: it marks and counts them, then reports, then sweeps.
#[derive(Clone, Copy, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct MassCancelWork {
    pub cursor: u32,
    pub filter: Filter,
    pub affected: u32,
    pub client_order_id: ClientOrderId,
    pub order_id: OrderId,
    pub instrument: Option<InstrumentIndex>,
    pub cause: Cause,
}

/// A mass status: counts first, as each report carries the total, then reports, each held until the next is known to follow.
#[derive(Clone, Copy, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct MassStatusWork {
    pub cursor: u32,
    pub filter: Filter,
    pub counting: bool,
    pub total: u32,
    pub held: u32,
    pub request_id: Text<39>,
    pub cause: Cause,
}

/// Work of one session.
#[derive(Clone, Copy, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct SessionWork {
    queued: bool,
    sweep: u32,
    sweep_cause: Cause,
    pub mass_cancel: Option<MassCancelWork>,
    pub mass_status: Option<MassStatusWork>,
}

impl SessionWork {
    fn is_idle(&self) -> bool {
        self.sweep == NONE && self.mass_cancel.is_none() && self.mass_status.is_none()
    }
}

/// All work.
#[derive(Clone, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct Work {
    pub sessions: Vec<SessionWork>,
    /// Ring of sessions that have work.
    queue: Vec<u32>,
    first: usize,
    waiting: usize,
    /// Next session that a kill looks at; the number of sessions where none is running.
    kill_cursor: usize,
    kill_cause: Cause,
    /// Orders to be cancelled as soon as possible: their pending request has resolved.
    wanted_first: u32,
    wanted_last: u32,
    /// Per desk: orders whose cancel by the gateway found no room there, oldest first.
    short: Vec<Ends>,
    /// Of all desks.
    pub short_of_room: u32,
}

/// Ends of a queue of orders.
#[derive(Clone, Copy, Debug, Hash, serde::Serialize, serde::Deserialize)]
struct Ends {
    first: u32,
    last: u32,
}

impl Work {
    /// Nothing to do.
    pub fn new(sessions: usize, desks: usize) -> Self {
        let idle = SessionWork {
            queued: false,
            sweep: NONE,
            sweep_cause: Cause::default(),
            mass_cancel: None,
            mass_status: None,
        };
        Self {
            sessions: vec![idle; sessions],
            queue: vec![NONE; sessions],
            first: 0,
            waiting: 0,
            kill_cursor: sessions,
            kill_cause: Cause::default(),
            wanted_first: NONE,
            wanted_last: NONE,
            short: vec![
                Ends {
                    first: NONE,
                    last: NONE,
                };
                desks
            ],
            short_of_room: 0,
        }
    }

    /// Whether anything waits.
    #[inline]
    pub fn has_any(&self) -> bool {
        self.waiting > 0 || self.wanted_first != NONE || self.kill_cursor < self.sessions.len()
    }

    /// Puts a session into the queue where it is not.
    pub fn enqueue(&mut self, session: SessionIndex) {
        let work = &mut self.sessions[session.get()];
        if !work.queued {
            work.queued = true;
            let at = (self.first + self.waiting) % self.queue.len();
            self.queue[at] = session.0;
            self.waiting += 1;
        }
    }

    fn dequeue(&mut self) -> Option<SessionIndex> {
        if self.waiting == 0 {
            return None;
        }
        let session = self.queue[self.first];
        self.first = (self.first + 1) % self.queue.len();
        self.waiting -= 1;
        self.sessions[session as usize].queued = false;
        Some(SessionIndex(session))
    }

    /// Moves every cursor that stands on `order` to `next`.
    #[inline]
    pub fn order_closed(&mut self, session: SessionIndex, order: u32, next: u32) {
        let work = &mut self.sessions[session.get()];
        if work.sweep == order {
            work.sweep = next;
        }
        if let Some(mass) = &mut work.mass_cancel
            && mass.cursor == order
        {
            mass.cursor = next;
        }
        if let Some(mass) = &mut work.mass_status
            && mass.cursor == order
        {
            mass.cursor = next;
        }
    }
}

impl Risk {
    /// Walks the session's open orders from the first and cancels what is covered.
    pub(super) fn start_sweep(&mut self, session: SessionIndex, cause: Cause) {
        let first = self.orders.first_open(session);
        if first != NONE {
            let work = &mut self.work.sessions[session.get()];
            work.sweep = first;
            work.sweep_cause = cause;
            self.work.enqueue(session);
        }
    }

    /// Sweeps every session.
    pub(super) fn start_kill(&mut self, cause: Cause) {
        self.work.kill_cursor = 0;
        self.work.kill_cause = cause;
    }

    /// The order is to be cancelled and nothing is pending any more.
    pub(super) fn want_cancel(&mut self, at: u32) {
        let order = self.orders.order_mut(at);
        if order.queued {
            return;
        }
        order.queued = true;
        order.next_wanted = NONE;
        match self.work.wanted_last {
            NONE => self.work.wanted_first = at,
            last => self.orders.order_mut(last).next_wanted = at,
        }
        self.work.wanted_last = at;
    }

    /// A cancel of the gateway's own found no room at its desk, whose answers make some.
    pub(super) fn want_room(&mut self, at: u32) {
        let order = self.orders.order_mut(at);
        if order.done.is_some() || std::mem::replace(&mut order.short_of_room, true) {
            return;
        }
        order.next_short = NONE;
        let desk = self.desk_of(self.orders.order(at).account);
        let Some(queue) = self.work.short.get_mut(desk.get()) else {
            return;
        };
        match std::mem::replace(&mut queue.last, at) {
            NONE => queue.first = at,
            last => self.orders.order_mut(last).next_short = at,
        }
        self.work.short_of_room += 1;
    }

    /// A desk has settled a request: one of the cancels that found no room there goes out again.
    #[cold]
    pub(super) fn use_room(&mut self, input: &DeskInput) {
        let id = match input {
            DeskInput::Report(report) => report.id,
            DeskInput::CancelReject(reject) => reject.id,
            DeskInput::Refused { id, reason, .. } if *reason == RejectReason::DeskRejected => *id,
            DeskInput::InDoubt { id } => *id,
            DeskInput::Refused { .. } | DeskInput::Link(_) => return,
        };
        let slot = self.orders.find(id);
        let order = slot.map_or(NONE, |slot| self.orders.request(slot).order);
        if order == NONE {
            return;
        }
        let desk = self.desk_of(self.orders.order(order).account);
        for _ in 0..VISITS_PER_STEP {
            let Some(queue) = self.work.short.get_mut(desk.get()) else {
                return;
            };
            let at = queue.first;
            if at == NONE {
                return;
            }
            let order = self.orders.order_mut(at);
            order.short_of_room = false;
            queue.first = order.next_short;
            if queue.first == NONE {
                queue.last = NONE;
            }
            self.work.short_of_room -= 1;
            // The room is not for one that is done meanwhile.
            if order.done.is_none() {
                return self.want_cancel(at);
            }
        }
    }

    /// One bounded step; whether anything was done.
    pub(super) fn step(&mut self, now: Now, out: &mut Outputs) -> bool {
        if self.step_wanted(now, out) {
            return true;
        }
        let killed = self.step_kill();
        let Some(session) = self.work.dequeue() else {
            return killed;
        };
        let work = &self.work.sessions[session.get()];
        // Marking comes first: it is what tells a mass cancel's sweep which orders it means, and its report goes before them.
        if work.mass_cancel.is_some() {
            self.step_mass_cancel(session, out);
        } else if work.sweep != NONE {
            self.step_sweep(now, session, out);
        } else if work.mass_status.is_some() {
            self.step_mass_status(session, out);
        }
        if !self.work.sessions[session.get()].is_idle() {
            self.work.enqueue(session);
        }
        true
    }

    fn step_wanted(&mut self, now: Now, out: &mut Outputs) -> bool {
        let mut worked = false;
        while out.to_desk.room() > 0 && self.work.wanted_first != NONE {
            worked = true;
            let at = self.work.wanted_first;
            let order = self.orders.order_mut(at);
            order.queued = false;
            self.work.wanted_first = order.next_wanted;
            if order.next_wanted == NONE {
                self.work.wanted_last = NONE;
            }
            self.cancel_by_gateway(now, at, Cause::default(), out);
        }
        worked
    }

    fn step_kill(&mut self) -> bool {
        let sessions = self.work.sessions.len();
        let from = self.work.kill_cursor;
        if from >= sessions {
            return false;
        }
        let to = (from + SESSIONS_PER_STEP).min(sessions);
        self.work.kill_cursor = to;
        let cause = self.work.kill_cause;
        for session in from..to {
            self.start_sweep(SessionIndex(session as u32), cause);
        }
        true
    }

    fn step_sweep(&mut self, now: Now, session: SessionIndex, out: &mut Outputs) {
        let cause = self.work.sessions[session.get()].sweep_cause;
        for _ in 0..VISITS_PER_STEP {
            let at = self.work.sessions[session.get()].sweep;
            if at == NONE || out.to_desk.room() == 0 {
                break;
            }
            self.work.sessions[session.get()].sweep = self.orders.next_open(at);
            let order = self.orders.order(at);
            let below =
                self.kill_switch
                    .cancel_below(order.account, order.session, order.instrument);
            if order.cancel_wanted || at < below {
                self.cancel_by_gateway(now, at, cause, out);
            }
        }
    }

    /// Sends a cancel that no client asked for by ClOrdID, or leaves word to send it when the pending request resolves.
    fn cancel_by_gateway(&mut self, now: Now, at: u32, cause: Cause, out: &mut Outputs) {
        let order = self.orders.order_mut(at);
        if order.done.is_some() {
            return;
        }
        order.cancel_wanted = true;
        let (session, pending) = (order.session, order.pending);
        let mut client_order_id = ClientOrderId::EMPTY;
        if pending != NONE {
            let under_way = self.orders.request(pending);
            if under_way.kind != RequestKind::Cancel || under_way.state != RequestState::InDoubt {
                return;
            }
            // A client's cancel that may be lost, for ever: repeated in its name, as cancels are idempotent.
            client_order_id = under_way.client_order_id;
        }
        let spare = std::mem::replace(&mut self.orders.order_mut(at).spare, NONE);
        let slot = if spare != NONE {
            self.orders.reuse_request(spare, client_order_id);
            spare
        } else {
            // Desks that refuse, and links that come and go, have one repeated again and again: not with the slots that are kept for the
            // first ones of other orders.
            let is_first = !self.orders.order(at).own_cancel_used;
            let kind = RequestKind::Cancel;
            let added = match is_first || self.orders.has_room_for_cancel() {
                true => self.orders.add_request(kind, session, at, client_order_id),
                false => None,
            };
            let Some(slot) = added else {
                self.counters.gateway_cancels_without_capacity += 1;
                self.counters.gateway_cancels_not_repeated += u64::from(!is_first);
                return;
            };
            self.orders.order_mut(at).own_cancel_used = true;
            slot
        };
        self.orders.order_mut(at).pending = slot;
        self.counters.gateway_cancels += 1;
        let original = self.live_id(at);
        let request = DeskRequest::Cancel { original };
        let mut to_desk = self.to_desk(now, cause, at, slot, request);
        if cause == Cause::default() {
            (to_desk.received_ns, to_desk.decoded_ns) = (now.mono_ns, now.mono_ns);
        }
        out.to_desk.push(to_desk);
    }

    fn step_mass_cancel(&mut self, session: SessionIndex, out: &mut Outputs) {
        let Some(mut mass) = self.work.sessions[session.get()].mass_cancel else {
            return;
        };
        for _ in 0..VISITS_PER_STEP {
            if mass.cursor == NONE {
                break;
            }
            let at = mass.cursor;
            mass.cursor = self.orders.next_open(at);
            let order = self.orders.order_mut(at);
            if mass.filter.matches(at, order) {
                order.cancel_wanted = true;
                mass.affected += 1;
            }
        }
        if mass.cursor != NONE {
            self.work.sessions[session.get()].mass_cancel = Some(mass);
            return;
        }
        self.work.sessions[session.get()].mass_cancel = None;
        let scope = match mass.instrument {
            Some(at) => MassScope::Instrument(crate::domain::order::InstrumentRef::Known(at)),
            None => MassScope::All,
        };
        let report = MassCancelReport {
            client_order_id: mass.client_order_id,
            order_id: mass.order_id,
            scope,
            affected: mass.affected,
            reason: RejectReason::None,
        };
        tell(out, session, mass.cause, ClientOutput::MassCancel(report));
        if mass.affected > 0 {
            self.start_sweep(session, mass.cause);
        }
    }

    fn step_mass_status(&mut self, session: SessionIndex, out: &mut Outputs) {
        let Some(mut mass) = self.work.sessions[session.get()].mass_status else {
            return;
        };
        let mut over = false;
        for _ in 0..VISITS_PER_STEP {
            if out.to_client.room() == 0 {
                break;
            }
            let at = mass.cursor;
            if at == NONE && mass.counting {
                mass.counting = false;
                mass.cursor = self.orders.first_open(session);
                continue;
            }
            if at == NONE {
                let report = match mass.held {
                    NONE => {
                        self.unknown_order_report(ClientOrderId::EMPTY, mass.request_id, Some(0))
                    }
                    held => self.status_report(held, mass.request_id, Some(mass.total), true),
                };
                tell(out, session, mass.cause, ClientOutput::Report(report));
                over = true;
                break;
            }
            mass.cursor = self.orders.next_open(at);
            if !mass.filter.matches(at, self.orders.order(at)) {
                continue;
            }
            if mass.counting {
                mass.total += 1;
                continue;
            }
            let held = std::mem::replace(&mut mass.held, at);
            if held != NONE {
                let report = self.status_report(held, mass.request_id, Some(mass.total), false);
                tell(out, session, mass.cause, ClientOutput::Report(report));
            }
        }
        self.work.sessions[session.get()].mass_status = (!over).then_some(mass);
    }
}
