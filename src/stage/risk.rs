//! The risk stage: sequences what comes from clients, desks and operators, hands it to the pure risk state, writes the order
//! log, and pushes what follows to the other stages.
//!
//! One owner thread. An input is taken only when the log and both rings have room for everything that it may cause; else it
//! stays where it is and the wait is counted. Reports go first, then commands, then what is left of mass requests, then
//! clients. The record is committed before any output is pushed.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use ringbuf::spsc::{Consumer, Producer};

use super::scopes::ScopeBoard;
use super::tally;
use crate::access::Entitlements;
use crate::domain::command::{CommandDone, CommandInput, RiskCommand, Scope};
use crate::domain::order::{AccountRef, ClientRequest, FromClient, ToDesk};
use crate::domain::report::{
    ClientExec, ClientOutput, DeskExec, DeskInput, FromDesk, LinkEvent, ToClient,
};
use crate::domain::{
    AccountIndex, DeskIndex, InstrumentIndex, LinkIndex, Now, OrderId, RejectReason, SessionIndex,
};
use crate::journal::entry::{self, ENTRY_BYTES_MAX, Outcome};
use crate::journal::{Cause, Log, LogId, RecordKind, begin};
use crate::limits::{
    DIGEST_INPUTS, INPUTS_PER_CYCLE, OUTPUTS_MAX, PUBLISH_INTERVAL_NS, ROWS_PER_PUBLISH,
};
use crate::risk::{Facts, Outputs, Risk};
use crate::status::{Counter, ErrorCode, StageWriter, Stopped};

/// What the stage is made of.
pub struct RiskParts {
    /// The state.
    pub risk: Risk,
    /// Which session may use which account.
    pub entitlements: Entitlements,
    /// Order log.
    pub log: Log,
    /// From the decode stage.
    pub from_client: Consumer<FromClient>,
    /// From the route stage.
    pub from_desk: Consumer<FromDesk>,
    /// To the route stage.
    pub to_desk: Producer<ToDesk>,
    /// To the decode stage.
    pub to_client: Producer<ToClient>,
    /// From the control thread.
    pub commands: Arc<ArrayQueue<CommandInput>>,
    /// To the control thread.
    pub commands_done: Arc<ArrayQueue<CommandDone>>,
    /// To the route stage.
    pub scopes: ScopeBoard,
    /// The desk that has each account's book.
    pub account_desks: Vec<DeskIndex>,
    /// The desk of each link.
    pub link_desks: Vec<DeskIndex>,
    /// Status page.
    pub status: StageWriter,
}

/// The stage.
pub struct RiskStage {
    parts: RiskParts,
    out: Outputs,
    /// Links that are ready, per desk.
    links_ready: Vec<u32>,
    /// Above this depth of a ring new orders are refused: the rest is for reports and cancels.
    watermark: usize,
    next_publish_ns: u64,
    next_account: usize,
    next_session: usize,
    /// After so many inputs the digest of the state is written
    next_digest: u64,
}

impl RiskStage {
    /// Nothing has happened yet; no link is ready.
    pub fn new(parts: RiskParts) -> Self {
        let desks = parts
            .account_desks
            .iter()
            .chain(&parts.link_desks)
            .map(|desk| desk.get() + 1)
            .max()
            .unwrap_or(0);
        parts
            .status
            .name_ring(0, "decode_to_risk", parts.from_client.capacity());
        parts
            .status
            .name_ring(1, "route_to_risk", parts.from_desk.capacity());
        let watermark = parts.to_desk.capacity() / 4 * 3;
        parts.publish_scopes();
        Self {
            next_digest: parts.risk.digest().inputs + DIGEST_INPUTS,
            parts,
            out: Outputs::default(),
            links_ready: vec![0; desks],
            watermark,
            next_publish_ns: 0,
            next_account: 0,
            next_session: 0,
        }
    }

    /// The state, for tests and snapshots.
    pub fn risk(&self) -> &Risk {
        &self.parts.risk
    }

    /// The order log.
    pub fn log(&mut self) -> &mut Log {
        &mut self.parts.log
    }

    /// Writer of this stage's part of the status page.
    pub fn status(&self) -> &StageWriter {
        &self.parts.status
    }

    /// One turn; returns how many inputs were taken.
    pub fn duty_cycle(&mut self, now: Now) -> usize {
        let mut work = 0;
        while work < INPUTS_PER_CYCLE && self.take_report(now) {
            work += 1;
        }
        work += self.take_command(now) as usize;
        work += self.take_continuation(now) as usize;
        let mut taken = 0;
        while taken < INPUTS_PER_CYCLE && self.take_request(now) {
            taken += 1;
        }
        if now.mono_ns >= self.next_publish_ns {
            self.next_publish_ns = now.mono_ns + PUBLISH_INTERVAL_NS;
            self.publish(now);
            self.parts.log.mark(now);
        }
        if self.parts.risk.digest().inputs >= self.next_digest {
            self.write_digest(now);
        }
        work + taken
    }

    /// For a replay to compare with. Without room it comes later.
    #[cold]
    fn write_digest(&mut self, now: Now) {
        let digest = self.parts.risk.digest();
        let (inputs, value) = (digest.inputs, digest.value);
        let body = begin::Digested { inputs, value }.body();
        let (kind, cause) = (RecordKind::StateDigest, Cause::default());
        let log = &mut self.parts.log;
        if log.append(kind, 0, cause, now.wall_ns, &body).is_some() {
            self.next_digest = inputs + DIGEST_INPUTS;
        }
    }

    /// Whether the log and both rings have room for what one input may cause.
    fn has_room(&mut self, now: Now) -> bool {
        if !self.parts.to_desk.has_room(OUTPUTS_MAX) {
            self.parts.status.add(Counter::RingFull, 1);
            return false;
        }
        self.has_room_for_report(now)
    }

    /// Reports never wait for room in the order direction: what they cause there goes as continuations.
    fn has_room_for_report(&mut self, now: Now) -> bool {
        let parts = &mut self.parts;
        if !parts.to_client.has_room(OUTPUTS_MAX) {
            parts.status.add(Counter::RingFull, 1);
            return false;
        }
        if !parts.log.has_room(ENTRY_BYTES_MAX) {
            tally::count_staging_full(&parts.status, LogId::Order, now.wall_ns);
            return false;
        }
        true
    }

    fn take_report(&mut self, now: Now) -> bool {
        if self.parts.from_desk.is_empty() || !self.has_room_for_report(now) {
            return false;
        }
        let Some(input) = self.parts.from_desk.pop() else {
            return false;
        };
        if let DeskInput::Link(event) = input.input {
            let desk = self.parts.link_desks[input.link.get()].get();
            match event {
                LinkEvent::Ready => self.links_ready[desk] += 1,
                LinkEvent::Lost => {
                    self.links_ready[desk] = self.links_ready[desk].saturating_sub(1)
                }
            }
        }
        self.out.clear();
        let before = oddities(&self.parts.risk);
        self.parts.risk.on_desk(now, &input, &mut self.out);
        self.note_oddities(now, &input, before);
        let cause = Cause {
            log: LogId::Desk,
            sequence: input.cause_sequence,
            output: 0,
        };
        let sequence = self.record(
            RecordKind::DeskInput,
            input.link.0 as u16,
            cause,
            now,
            |out| entry::write_desk(&input, out),
        );
        self.count_report(&input.input);
        self.push(now, sequence);
        true
    }

    fn take_command(&mut self, now: Now) -> bool {
        if self.parts.commands.is_empty()
            || self.parts.commands_done.is_full()
            || !self.has_room(now)
        {
            return false;
        }
        let Some(input) = self.parts.commands.pop() else {
            return false;
        };
        let mut done = self.parts.risk.on_command(now, &input);
        let sequence = self.record(RecordKind::Command, 0, Cause::default(), now, |out| {
            entry::write_command(&input, now.mono_ns, out)
        });
        done.sequence = sequence;
        match input.command {
            RiskCommand::Block(scope)
            | RiskCommand::Unblock(scope)
            | RiskCommand::Kill(scope)
            | RiskCommand::Release(scope) => self
                .parts
                .scopes
                .publish(scope, self.parts.risk.epoch(scope)),
            RiskCommand::Hold(desk) => self
                .parts
                .scopes
                .publish_desk(desk, self.parts.risk.hold_epoch(desk)),
            RiskCommand::Limit(..) | RiskCommand::ReleaseDesk(_) | RiskCommand::HostLost { .. } => {
            }
        }
        self.parts.status.add(Counter::CommandsApplied, 1);
        self.parts
            .status
            .add(Counter::OrdersCancelledByCommand, done.affected as u64);
        // The queue had room and this is its only producer.
        let _ = self.parts.commands_done.push(done);
        true
    }

    fn take_continuation(&mut self, now: Now) -> bool {
        if !self.parts.risk.has_work() || !self.has_room(now) {
            return false;
        }
        self.out.clear();
        let worked = self.parts.risk.continue_work(now, &mut self.out);
        if worked {
            let outputs = [
                self.out.to_desk.as_slice().len() as u8,
                self.out.to_client.as_slice().len() as u8,
            ];
            let sequence = self.record(RecordKind::Continuation, 0, Cause::default(), now, |out| {
                out[..2].copy_from_slice(&outputs);
                Some(2)
            });
            self.push(now, sequence);
        }
        worked
    }

    fn take_request(&mut self, now: Now) -> bool {
        if self.parts.from_client.is_empty() || !self.has_room(now) {
            return false;
        }
        let Some(input) = self.parts.from_client.pop() else {
            return false;
        };
        self.out.clear();
        let facts = self.facts(&input);
        self.parts.risk.on_client(now, &input, facts, &mut self.out);
        let outcome = self.outcome(now, facts);
        let cause = Cause {
            log: LogId::Client,
            sequence: input.cause_sequence,
            output: 0,
        };
        let sequence = self.record(
            RecordKind::ClientInput,
            input.session.0 as u16,
            cause,
            now,
            |out| entry::write_client(&input, outcome, out),
        );
        self.count_request(now, &input, outcome);
        self.push(now, sequence);
        true
    }

    fn facts(&mut self, input: &FromClient) -> Facts {
        let parts = &mut self.parts;
        let pressure = parts.to_desk.depth() > self.watermark
            || parts.to_client.depth() > self.watermark
            || parts.log.is_pressed()
            || parts.log.disk().is_pressed();
        let log_ready = parts.log.disk().works();
        match known_account(input) {
            Some(account) => Facts {
                entitled: parts.entitlements.allows(input.session, account),
                pressure,
                desk_ready: !input.is_late
                    && self.links_ready[parts.account_desks[account.get()].get()] > 0,
                log_ready,
                may_be_sent: input.may_be_sent,
            },
            // Cancels and replaces concern an order that the session already has; the route stage knows whether they can leave.
            None => Facts {
                entitled: true,
                pressure,
                desk_ready: !input.is_late,
                log_ready,
                may_be_sent: input.may_be_sent,
            },
        }
    }

    fn open_orders(&self, session: SessionIndex) -> u64 {
        let state = self.parts.risk.kill_switch().get(Scope::Session(session));
        state.map_or(0, |state| state.open_orders as u64)
    }

    fn outcome(&self, now: Now, facts: Facts) -> Outcome {
        let desk = self.out.to_desk.as_slice();
        Outcome {
            desk_request: desk.first().map_or(OrderId::NONE, |request| request.id),
            reason: reason_of(&self.out),
            desk_outputs: desk.len() as u8,
            client_outputs: self.out.to_client.as_slice().len() as u8,
            facts: facts.to_bits(),
            taken_ns: now.mono_ns,
        }
    }

    /// Room was made sure of before the input was taken.
    fn record(
        &mut self,
        kind: RecordKind,
        channel: u16,
        cause: Cause,
        now: Now,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> u64 {
        let appended =
            self.parts
                .log
                .append_with(kind, channel, cause, now.wall_ns, ENTRY_BYTES_MAX, fill);
        appended
            .expect("the log has room for the record of every input that was taken")
            .sequence
    }

    fn push(&mut self, now: Now, sequence: u64) {
        let mut number = 0;
        for request in self.out.to_desk.as_mut_slice() {
            request.cause_output = number;
            number += 1;
            request.checked_ns = now.mono_ns;
            request.cause_sequence = sequence;
            let pushed = self.parts.to_desk.push(request);
            assert!(
                pushed,
                "room in the ring to the route stage was made sure of"
            );
        }
        for output in self.out.to_client.as_mut_slice() {
            output.cause_sequence = sequence;
            output.cause_output = number;
            number += 1;
            let pushed = self.parts.to_client.push(output);
            assert!(
                pushed,
                "room in the ring to the decode stage was made sure of"
            );
        }
    }
}

impl RiskStage {
    fn count_request(&mut self, now: Now, input: &FromClient, outcome: Outcome) {
        let parts = &self.parts;
        let session = parts.status.session_orders(input.session);
        if outcome.reason != RejectReason::None {
            parts.status.rejected(outcome.reason);
            if outcome.reason == RejectReason::CapacityFull {
                parts
                    .status
                    .error(ErrorCode::CapacityFull, 0, 0, now.wall_ns);
            }
            session.rejected();
            if let Some(account) = known_account(input) {
                parts.status.account(account).rejected();
            }
        } else if outcome.desk_outputs > 0 {
            session.accepted();
            match &input.request {
                ClientRequest::New(_) => {
                    parts.status.add(Counter::OrdersAccepted, 1);
                    if let Some(account) = known_account(input) {
                        parts.status.account(account).accepted();
                    }
                }
                ClientRequest::Cancel(_) => parts.status.add(Counter::CancelsAccepted, 1),
                ClientRequest::Replace(_) => parts.status.add(Counter::ReplacesAccepted, 1),
                _ => {}
            }
        } else if let ClientRequest::Lost = input.request {
            parts.status.add(
                Counter::OrdersCancelledOnDisconnect,
                self.open_orders(input.session),
            );
        }
    }

    /// What an operator should look at: a fill that came too late or is too large, a report on an order that is not ours.
    fn note_oddities(&self, now: Now, input: &FromDesk, before: [u64; 3]) {
        let codes = [
            ErrorCode::UnmatchedReport,
            ErrorCode::LateFill,
            ErrorCode::Overfill,
        ];
        let id = match &input.input {
            DeskInput::Report(report) => report.id.raw(),
            DeskInput::CancelReject(reject) => reject.id.raw(),
            _ => 0,
        };
        for ((code, before), after) in codes
            .into_iter()
            .zip(before)
            .zip(oddities(&self.parts.risk))
        {
            if after > before {
                let link = input.link.0 as u64;
                self.parts.status.error(code, link, id, now.wall_ns);
            }
        }
    }

    fn count_report(&mut self, input: &DeskInput) {
        let status = &self.parts.status;
        let counter = match input {
            DeskInput::Report(report) => match report.exec {
                DeskExec::New => Counter::ReportsAcknowledged,
                DeskExec::Trade { .. } => Counter::ReportsTrade,
                DeskExec::TradeCancel => Counter::ReportsTradeCancel,
                DeskExec::TradeCorrect { .. } => Counter::ReportsTradeCorrect,
                DeskExec::Cancelled => Counter::ReportsCancelled,
                DeskExec::Replaced => Counter::ReportsReplaced,
                DeskExec::Rejected => Counter::ReportsRejected,
                DeskExec::Expired => Counter::ReportsExpired,
                DeskExec::DoneForDay => Counter::ReportsDoneForDay,
                DeskExec::Restated => Counter::ReportsRestated,
                DeskExec::PendingNew | DeskExec::PendingCancel | DeskExec::PendingReplace => {
                    Counter::ReportsPending
                }
                DeskExec::Status => Counter::ReportsStatus,
            },
            DeskInput::CancelReject(_) => Counter::CancelRejectsIn,
            DeskInput::Refused { .. } => Counter::NotDelivered,
            DeskInput::InDoubt { .. } => Counter::InDoubt,
            DeskInput::Link(_) => return,
        };
        status.add(counter, 1);
        if let Counter::ReportsTrade = counter
            && let Some(ToClient {
                output: ClientOutput::Report(report),
                ..
            }) = self.out.to_client.as_slice().first()
        {
            status.account(report.account).filled();
        }
    }

    /// Gauges, every few milliseconds; a bounded number of rows in turn.
    fn publish(&mut self, now: Now) {
        let parts = &mut self.parts;
        for (ring, gauge) in [(0, parts.from_client.gauge()), (1, parts.from_desk.gauge())] {
            tally::publish_ring(&parts.status, ring, &gauge);
        }
        let risk = parts.risk.counters();
        parts
            .status
            .set(Counter::DuplicateExecutions, risk.duplicates);
        parts.status.set(Counter::UnmatchedReports, risk.unmatched);
        parts.status.set(Counter::LateFills, risk.late_fills);
        parts.status.set(Counter::Overfills, risk.overfills);
        parts
            .status
            .set(Counter::RecordsAppended, parts.log.sequence());
        parts
            .status
            .set(Counter::RecordsAppendedBytes, parts.log.bytes());
        for (link, desk) in (0u32..).zip(&parts.link_desks) {
            let is_held = parts.risk.is_held(*desk);
            parts.status.set_link_held(LinkIndex(link), is_held);
        }
        let accounts = parts.account_desks.len();
        for _ in 0..ROWS_PER_PUBLISH.min(accounts) {
            let account = AccountIndex(self.next_account as u32);
            self.next_account = (self.next_account + 1) % accounts;
            let Some(row) = parts.risk.account(account) else {
                continue;
            };
            let open = parts.risk.account_open_orders(account) as u64;
            let cells = parts.status.account(account);
            cells.set_book(open, row.reserved, row.available(), now.wall_ns);
            cells.set_stopped(stopped(&parts.risk, Scope::Account(account)));
        }
        let sessions = self.parts.entitlements.sessions();
        for _ in 0..ROWS_PER_PUBLISH.min(sessions) {
            let session = SessionIndex(self.next_session as u32);
            self.next_session = (self.next_session + 1) % sessions;
            let open = self.open_orders(session);
            let cells = self.parts.status.session_orders(session);
            cells.set_orders_open(open);
            cells.set_stopped(stopped(&self.parts.risk, Scope::Session(session)));
        }
    }
}

impl RiskParts {
    /// What is blocked, killed or held, for the route stage.
    fn publish_scopes(&self) {
        let indices = |count: usize| 0..count as u32;
        let accounts = indices(self.account_desks.len()).map(|at| Scope::Account(AccountIndex(at)));
        let sessions = indices(self.entitlements.sessions());
        let sessions = sessions.map(|at| Scope::Session(SessionIndex(at)));
        let instruments = indices(self.risk.instruments());
        let instruments = instruments.map(|at| Scope::Instrument(InstrumentIndex(at)));
        for scope in accounts
            .chain(sessions)
            .chain(instruments)
            .chain([Scope::Firm])
        {
            self.scopes.publish(scope, self.risk.epoch(scope));
        }
        for &desk in &self.account_desks {
            self.scopes.publish_desk(desk, self.risk.hold_epoch(desk));
        }
    }
}

/// Why a request was refused, by what was told its client.
pub(super) fn reason_of(out: &Outputs) -> RejectReason {
    let refusal = |output: &ToClient| match &output.output {
        ClientOutput::Report(report) => {
            (report.exec == ClientExec::Rejected).then_some(report.reason)
        }
        ClientOutput::CancelReject(reject) => Some(reject.reason),
        ClientOutput::MassCancel(report) => Some(report.reason),
    };
    let found = out.to_client.as_slice().iter().find_map(refusal);
    found.unwrap_or(RejectReason::None)
}

/// Counts of the risk state that are each worth a look when they rise: strangers, late fills, overfills.
fn oddities(risk: &Risk) -> [u64; 3] {
    let counters = risk.counters();
    [counters.unmatched, counters.late_fills, counters.overfills]
}

/// What stops new orders of a scope by itself; the firm's own stop is shown by none of its rows.
fn stopped(risk: &Risk, scope: Scope) -> Stopped {
    match risk.kill_switch().get(scope) {
        Some(state) if state.is_killed() => Stopped::Killed,
        Some(state) if state.is_blocked() => Stopped::Blocked,
        _ => Stopped::No,
    }
}

/// Account of a new order, where it names one.
fn known_account(input: &FromClient) -> Option<AccountIndex> {
    match &input.request {
        ClientRequest::New(new) => match new.account {
            AccountRef::Known(account) => Some(account),
            AccountRef::Unknown(_) => None,
        },
        _ => None,
    }
}
