//! The route stage: gets requests to desks and brings their reports back.
//!
//! One owner thread. A request is taken when the log has room for its message and the ring back has room for its refusal.
//! Immediately before a new order or replace is committed, its scopes are compared with the live ones: what a kill has stopped
//! does not leave. The commit to the desk log is the sending; only then do bytes go to the link. Requests are never resent:
//! what a lost link left unanswered, and what a desk asks for again, is reported in doubt. No request waits behind another one: a
//! cancel for which there is no room stands aside.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use ringbuf::spsc::{Consumer, Producer};

use super::desk_side::DeskSide;
use super::peer::Ordered;
use super::scopes::ScopeBoard;
use super::switchboard::Switchboard;
use super::tally;
use crate::domain::command::{LinkCommand, NumbersDone};
use crate::domain::directory::Directory;
use crate::domain::order::{DeskRequest, ToDesk};
use crate::domain::report::{DeskInput, FromDesk};
use crate::domain::{DeskIndex, Durability, LinkIndex, Now, RejectReason, Text};
use crate::io::Sockets;
use crate::journal::{Cause, LogId, RecordKind, entry};
use crate::limits::{
    CANCEL_WAIT_NS_MAX, CANCELS_WAITING_MAX, CANCELS_WAITING_PER_CYCLE, INPUTS_PER_CYCLE,
    PUBLISH_INTERVAL_NS,
};
use crate::route::{Choice, Entry, Link, choose};
use crate::status::{Counter, Histogram, StageWriter};
use crate::wire::fix;

/// What the stage is made of.
pub struct RouteParts<S: Sockets> {
    /// Links, in the order of the plan.
    pub board: Switchboard<S>,
    /// From the risk stage.
    pub from_risk: Consumer<ToDesk>,
    /// To the risk stage.
    pub to_risk: Producer<FromDesk>,
    /// Names on the wire.
    pub directory: Arc<Directory>,
    /// Live epochs.
    pub scopes: ScopeBoard,
    /// Desk and window of each link.
    pub links: Vec<(DeskIndex, u32)>,
    /// Bound for a desk's answer, per link.
    pub acknowledge_timeout_ns: Vec<u64>,
    /// The desk that has each account's book.
    pub account_desks: Vec<DeskIndex>,
    /// From the control thread.
    pub commands: Arc<ArrayQueue<LinkCommand>>,
    /// To the control thread.
    pub answers: Arc<ArrayQueue<NumbersDone>>,
    /// Status page.
    pub status: StageWriter,
}

/// The stage.
pub struct RouteStage<S: Sockets> {
    board: Switchboard<S>,
    from_risk: Consumer<ToDesk>,
    directory: Arc<Directory>,
    scopes: ScopeBoard,
    account_desks: Vec<DeskIndex>,
    /// Per desk: the link that carried the last new order.
    flow: Vec<Option<u32>>,
    commands: Arc<ArrayQueue<LinkCommand>>,
    answers: Arc<ArrayQueue<NumbersDone>>,
    side: DeskSide,
    /// Requests of an earlier process that never left: they are not sent late
    unsent: VecDeque<ToDesk>,
    /// Requests that may have left before the host went down: in doubt
    perhaps_sent: VecDeque<ToDesk>,
    /// Requests that an earlier process or a desk refused, unknown to the risk stage
    refusals: VecDeque<FromDesk>,
    /// Cancels that wait for room in their desk's windows, and since when
    waiting: VecDeque<(u64, ToDesk)>,
    next_publish_ns: u64,
}

fn is_cancel(request: &ToDesk) -> bool {
    matches!(request.request, DeskRequest::Cancel { .. })
}

impl<S: Sockets> RouteStage<S> {
    /// No link is connected yet.
    pub fn new(parts: RouteParts<S>) -> Self {
        let RouteParts {
            board,
            from_risk,
            to_risk,
            directory,
            scopes,
            account_desks,
            commands,
            answers,
            status,
            ..
        } = parts;
        status.name_ring(0, "risk_to_route", from_risk.capacity());
        let desks = (account_desks.iter())
            .chain(parts.links.iter().map(|(desk, _)| desk))
            .map(|desk| desk.get() + 1)
            .max()
            .unwrap_or(0);
        let side = DeskSide::new(to_risk, parts.links, parts.acknowledge_timeout_ns, status);
        Self {
            board,
            from_risk,
            directory,
            scopes,
            account_desks,
            flow: vec![None; desks],
            commands,
            answers,
            side,
            unsent: VecDeque::new(),
            perhaps_sent: VecDeque::new(),
            refusals: VecDeque::new(),
            waiting: VecDeque::with_capacity(CANCELS_WAITING_MAX),
            next_publish_ns: 0,
        }
    }

    /// Goes on after an earlier process: what never left is refused, what was not answered is in doubt.
    pub fn resume(
        mut self,
        unsent: Vec<ToDesk>,
        perhaps_sent: Vec<ToDesk>,
        refusals: Vec<FromDesk>,
        in_flight: Vec<Entry>,
        doubts: Vec<Entry>,
    ) -> Self {
        (self.unsent, self.refusals) = (unsent.into(), refusals.into());
        self.perhaps_sent = perhaps_sent.into();
        // Who was to be logged out when nothing is in flight any more is out.
        for (link, peer) in self.side.links.iter_mut().zip(self.board.peers()) {
            link.draining = !peer.enabled;
        }
        self.side.resume(in_flight, doubts);
        self
    }

    /// Links and their sockets.
    pub fn board(&mut self) -> &mut Switchboard<S> {
        &mut self.board
    }

    /// Links that may carry orders.
    pub fn links_ready(&self) -> usize {
        let carries = |link: &&Link| link.ready && !link.draining;
        self.side.links.iter().filter(carries).count()
    }

    /// Requests that desks have not answered.
    pub fn in_flight(&self) -> usize {
        self.side.in_flight.len()
    }

    /// Requests of lost connections that the risk stage was not told of yet.
    pub fn unreported(&self) -> usize {
        let stale = self.side.links.iter().map(|link| link.stale as usize);
        stale.sum()
    }

    /// Requests in doubt that no desk has spoken of since.
    pub fn in_doubt(&self) -> usize {
        self.side.in_doubt()
    }

    /// Writer of this stage's part of the status page.
    pub fn status(&self) -> &StageWriter {
        &self.side.status
    }

    /// One turn; returns how much was done.
    pub fn duty_cycle(&mut self, now: Now) -> usize {
        let mut work = self.board.duty_cycle(now, &mut self.side);
        if !self.unsent.is_empty() || !self.refusals.is_empty() || !self.perhaps_sent.is_empty() {
            work += self.refuse_unsent(now);
        }
        work += self.side.announce(now, self.board.peers());
        work += self.side.report_doubts(now);
        while let Some(command) = self.commands.pop() {
            self.apply(now, command);
        }
        while let Some(done) = self.board.next_answer() {
            // The control thread asks for no more at once than its queue holds.
            let _ = self.answers.push(done);
        }
        if now.mono_ns >= self.next_publish_ns {
            self.next_publish_ns = now.mono_ns + PUBLISH_INTERVAL_NS;
            tally::publish_ring(&self.side.status, 0, &self.from_risk.gauge());
            tally::publish_board(&mut self.board, &self.side.status);
            self.side.publish(now, self.board.peers());
            self.board.log().mark(now);
            self.end_draining(now);
        }
        work + self.forward(now)
    }

    /// Second half of a turn: requests to desks. The fused layout calls it once more when the risk stage has just passed some.
    pub fn forward(&mut self, now: Now) -> usize {
        let waited = match self.waiting.is_empty() {
            true => 0,
            false => self.take_waiting(now),
        };
        let mut taken = 0;
        while taken < INPUTS_PER_CYCLE && self.take_request(now) {
            taken += 1;
        }
        self.board.flush();
        waited + taken
    }

    /// Logs every link out.
    pub fn log_out(&mut self, now: Now) {
        for at in 0..self.board.peers().len() {
            self.side.links[at].ready = false;
            self.board.log_out(at, now, "", true, &mut self.side);
        }
        self.board.flush();
    }

    #[cold]
    fn refuse_unsent(&mut self, now: Now) -> usize {
        let mut done = 0;
        while self.side.to_risk.has_room(1) && self.board.has_room(1) {
            if let Some(refusal) = self.refusals.pop_front() {
                let received_ns = now.mono_ns;
                self.side.push(FromDesk {
                    received_ns,
                    ..refusal
                });
            } else if let Some(request) = self.unsent.pop_front() {
                self.refuse(now, &request, RejectReason::NotDelivered);
            } else if let Some(request) = self.perhaps_sent.pop_front() {
                let sequence = self.append_refused(now, &request, RejectReason::MayBeSent);
                self.tell(now, sequence, DeskInput::InDoubt { id: request.id });
            } else {
                break;
            }
            done += 1;
        }
        done
    }

    fn take_request(&mut self, now: Now) -> bool {
        if self.from_risk.is_empty() || !self.has_room(now) {
            return false;
        }
        let Some(&request) = self.from_risk.peek() else {
            return false;
        };
        self.dispatch(now, now.mono_ns, &request);
        self.from_risk.release();
        true
    }

    /// Whether the log has room for a message and the ring back for a refusal.
    fn has_room(&mut self, now: Now) -> bool {
        if !self.side.to_risk.has_room(1) {
            self.side.status.add(Counter::RingFull, 1);
            return false;
        }
        if !self.board.has_room(1) {
            tally::count_staging_full(&self.side.status, LogId::Desk, now.wall_ns);
            return false;
        }
        true
    }

    /// Looks once more at cancels that wait, a bounded number in turn; returns how many wait no more.
    #[cold]
    fn take_waiting(&mut self, now: Now) -> usize {
        let before = self.waiting.len();
        for _ in 0..before.min(CANCELS_WAITING_PER_CYCLE) {
            if !self.has_room(now) {
                break;
            }
            if let Some((since_ns, request)) = self.waiting.pop_front() {
                self.dispatch(now, since_ns, &request);
            }
        }
        before - self.waiting.len()
    }

    /// Sends or refuses a request. A cancel is not refused at once for want of room in its desk's windows: it stands aside until the desk
    /// has answered others, for a bounded time since `since_ns`.
    fn dispatch(&mut self, now: Now, since_ns: u64, request: &ToDesk) {
        let mut link = self.link_for(request, self.way_of_original(request));
        if link == Err(RejectReason::Pressure) && is_cancel(request) {
            let has_time = now.mono_ns.saturating_sub(since_ns) < CANCEL_WAIT_NS_MAX;
            if has_time && self.waiting.len() < CANCELS_WAITING_MAX {
                return self.waiting.push_back((since_ns, *request));
            }
            // Better that it overtakes its order than that it is never sent.
            link = self.link_for(request, None);
        }
        match link {
            Ok(link) => self.write(now, link, request),
            Err(reason) => self.refuse(now, request, reason),
        }
    }

    fn link_for(&mut self, request: &ToDesk, behind: Option<usize>) -> Result<usize, RejectReason> {
        let is_cancel = is_cancel(request);
        let desk = self.account_desks[request.account.get()];
        if !self.board.log().disk().works() {
            self.may_leave_without_disk(request)?;
        }
        if !is_cancel && let Some(reason) = self.scopes.stop(request, desk) {
            return Err(reason);
        }
        if !self.side.in_flight.has_room() {
            return Err(RejectReason::Pressure);
        }
        match choose(&self.side.links, desk, is_cancel, behind) {
            Choice::Link(link) => Ok(link),
            Choice::Full => Err(RejectReason::Pressure),
            Choice::Nothing => Err(RejectReason::NoDesk),
        }
    }

    /// The link that carries the order which a cancel or replace names, where the desk has not answered it.
    fn way_of_original(&self, request: &ToDesk) -> Option<usize> {
        let (DeskRequest::Cancel { original } | DeskRequest::Replace { original }) =
            request.request
        else {
            return None;
        };
        let entry = self.side.in_flight.get(original)?;
        let link = entry.link as usize;
        (self.side.links[link].incarnation == entry.incarnation).then_some(link)
    }

    /// The logs cannot be written any more. No new order leaves; a cancel does, except to a desk at level L1: there its record would
    /// never be durable, and it would wait for ever, and the heartbeats behind it.
    #[cold]
    fn may_leave_without_disk(&self, request: &ToDesk) -> Result<(), RejectReason> {
        let desk = self.account_desks[request.account.get()];
        let of_desk = self.side.links.iter().zip(self.board.peers());
        let waits = of_desk
            .filter(|(link, _)| link.desk == desk)
            .any(|(_, peer)| peer.fix().durability == Durability::Host);
        match is_cancel(request) && !waits {
            true => Ok(()),
            false => Err(RejectReason::LogUnavailable),
        }
    }

    fn write(&mut self, now: Now, link: usize, request: &ToDesk) {
        let directory = &self.directory;
        let cause = Cause {
            log: LogId::Order,
            sequence: request.cause_sequence,
            output: request.cause_output as u16,
        };
        let sent = self.board.send(link, now, cause, |header, time, out| {
            fix::encode_to_desk(out, header, time, directory, request)
        });
        let Some(sent) = sent else {
            return self.refuse(now, request, RejectReason::Pressure);
        };
        let state = &mut self.side.links[link];
        state.in_flight += 1;
        if matches!(request.request, DeskRequest::New) {
            let before = self.flow[state.desk.get()].replace(link as u32);
            if before.is_some_and(|before| before != link as u32) {
                self.side.status.add(Counter::LinkSwitches, 1);
            }
        }
        self.side.in_flight.insert(Entry {
            id: request.id,
            link: link as u32,
            incarnation: state.incarnation,
            msg_seq_num: sent.msg_seq_num,
            written_ns: now.mono_ns,
            original: request.request.original(),
        });
        self.side.status.add(Counter::RequestsWritten, 1);
        self.side.status.record_latency(
            Histogram::OrderPath,
            now.mono_ns.saturating_sub(request.received_ns),
        );
    }

    fn refuse(&mut self, now: Now, request: &ToDesk, reason: RejectReason) {
        let sequence = self.append_refused(now, request, reason);
        self.side.status.add(Counter::RequestsRefused, 1);
        if matches!(reason, RejectReason::Killed | RejectReason::DeskHeld) {
            self.side.status.add(Counter::RequestsStopped, 1);
        }
        let input = DeskInput::Refused {
            id: request.id,
            reason,
            text: Text::EMPTY,
        };
        self.tell(now, sequence, input);
    }

    /// What closes the request in the desk log; returns its sequence.
    fn append_refused(&mut self, now: Now, request: &ToDesk, reason: RejectReason) -> u64 {
        let body = entry::refusal(request.id, reason);
        let cause = Cause {
            log: LogId::Order,
            sequence: request.cause_sequence,
            output: request.cause_output as u16,
        };
        let kind = RecordKind::Refused;
        let log = self.board.log();
        let record = log.append(kind, u16::MAX, cause, now.wall_ns, &body);
        record.map_or(0, |record| record.sequence)
    }

    fn tell(&mut self, now: Now, sequence: u64, input: DeskInput) {
        self.side.push(FromDesk {
            link: LinkIndex(u32::MAX),
            received_ns: now.mono_ns,
            cause_sequence: sequence,
            input,
        });
    }

    fn apply(&mut self, now: Now, command: LinkCommand) {
        match command {
            LinkCommand::Disable(link) => {
                self.board.note_order(link.get(), now, Ordered::Disable);
                self.side.links[link.get()].draining = true;
            }
            LinkCommand::Enable(link) => {
                self.board.note_order(link.get(), now, Ordered::Enable);
                self.side.links[link.get()].draining = false;
                self.board.enable(link.get(), now);
            }
            LinkCommand::SetNumbers(link, change) => {
                let at = link.get();
                self.board.set_numbers(at, now, change, &mut self.side);
            }
        }
    }

    /// Logs a draining link out when nothing is in flight on it any more.
    fn end_draining(&mut self, now: Now) {
        for at in 0..self.side.links.len() {
            let link = &mut self.side.links[at];
            if link.draining && link.in_flight == 0 && self.board.peer(at).enabled {
                link.ready = false;
                self.board.log_out(at, now, "", true, &mut self.side);
            }
        }
    }
}
