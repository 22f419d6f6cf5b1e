//! The risk stage's state: pre-trade checks, exposure, the book of record, the kill switch.
//!
//! Owned by the risk stage's thread alone, pure and deterministic: no clock, socket, file or thread is named here, time comes in
//! with every call. All storage is sized by [`Risk::new`]; nothing allocates afterwards. One input causes at most
//! `OUTPUTS_MAX` outputs in each direction; what needs more goes on in [`Risk::continue_work`].

mod book;
mod checks;
mod client;
mod client_ids;
mod continuation;
mod counters;
mod desk;
mod digest;
mod doubt;
mod executions;
mod exposure;
mod gather;
mod holds;
mod instruments;
mod kill_switch;
mod ledger;
mod mass;
mod orders;
mod outputs;
mod reports;
mod saved;
mod slot_index;
mod state_hash;
#[cfg(test)]
mod tests;
mod trades;

use crate::domain::account::Position;
use crate::domain::command::{CommandDone, CommandInput, RiskCommand, Scope};
use crate::domain::order::{ClientRequest, FromClient};
use crate::domain::rate::{Gcra, RateLimit};
use crate::domain::report::{DeskInput, FromDesk, LinkEvent};
use crate::domain::{
    Account, AccountIndex, DeskIndex, Instrument, InstrumentIndex, Now, OrderId, SessionIndex,
};

use book::Book;
use client_ids::ClientIds;
use continuation::Work;
use executions::Executions;
use holds::Holds;
use instruments::InstrumentRow;
use orders::OrderTable;
use slot_index::HashKey;

pub use book::{AccountRow, PositionRow};
pub use checks::{CHECKS, CheckRow};
pub use counters::Counters;
pub use digest::Digest;
pub use kill_switch::{KillSwitch, ScopeState, Stops};
pub use ledger::OrderRow;
pub use outputs::{OutputList, Outputs};

/// What the risk stage needs to know of a client session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLimits {
    /// New orders and replaces per second; zero means no limit.
    pub messages_per_second: u32,
    /// New orders and replaces at once.
    pub message_burst: u32,
    /// Whether every accepted order is told 150=A before the desk answers.
    pub pending_new: bool,
}

/// All that [`Risk::new`] needs. Indices are positions in the slices.
#[derive(Clone, Copy, Debug)]
pub struct RiskPlan<'a> {
    /// By `InstrumentIndex`.
    pub instruments: &'a [Instrument],
    /// By `AccountIndex`.
    pub accounts: &'a [Account],
    /// At the start of the day.
    pub positions: &'a [Position],
    /// The desk that has each account's book; by `AccountIndex`.
    pub account_desks: &'a [DeskIndex],
    /// By `SessionIndex`.
    pub sessions: &'a [SessionLimits],
    /// Orders, cancels and replaces of one day; new orders stop at 90 %.
    pub requests_max: usize,
    /// Desk reports of one day that are remembered; new orders stop at 90 %.
    pub executions_max: usize,
    /// Start of the process that gives order ids.
    pub epoch: u16,
    /// Spreads the hash tables so that a client cannot choose colliding ids. Has no influence on any result.
    pub hash_seed: u64,
}

/// What the stage knows at the time of an input and the risk state does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The session may use the account (of a new order; ignored elsewhere).
    pub entitled: bool,
    /// A ring or log downstream is above its watermark.
    pub pressure: bool,
    /// A link of the account's desk is ready.
    pub desk_ready: bool,
    /// The logs reach the disk.
    pub log_ready: bool,
    /// A repetition from before a loss of the host.
    pub may_be_sent: bool,
}

impl Facts {
    /// As one byte, for the log.
    pub fn to_bits(self) -> u8 {
        self.entitled as u8
            | (self.pressure as u8) << 1
            | (self.desk_ready as u8) << 2
            | (!self.log_ready as u8) << 3
            | (self.may_be_sent as u8) << 4
    }

    /// Of such a byte.
    pub fn from_bits(bits: u8) -> Self {
        Self {
            entitled: bits & 1 != 0,
            pressure: bits & 2 != 0,
            desk_ready: bits & 4 != 0,
            log_ready: bits & 8 == 0,
            may_be_sent: bits & 16 != 0,
        }
    }
}

/// Hot row of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
struct SessionRow {
    rate: RateLimit,
    arrivals: Gcra,
    pending_new: bool,
}

/// Checks, orders, exposure and book of record.
pub struct Risk {
    epoch: u16,
    execution_counter: u64,
    last_failures: u64,
    instruments: Vec<InstrumentRow>,
    sessions: Vec<SessionRow>,
    book: Book,
    orders: OrderTable,
    client_ids: ClientIds,
    executions: Executions,
    kill_switch: KillSwitch,
    holds: Holds,
    /// Of the plan; one row more, which is no desk's
    account_desks: Vec<DeskIndex>,
    work: Work,
    counters: Counters,
    digest: Digest,
}

impl Risk {
    /// Sizes everything. Accounts and instruments get one row more, which stands for those that do not exist.
    pub fn new(plan: RiskPlan) -> Self {
        let key = HashKey::new(plan.hash_seed);
        let sessions = plan.sessions.len();
        let desks = plan.account_desks.iter().map(|desk| desk.get() + 1).max();
        let desks = desks.unwrap_or(0);
        let no_desk = DeskIndex(u32::MAX);
        Self {
            epoch: plan.epoch,
            execution_counter: 0,
            last_failures: 0,
            instruments: plan
                .instruments
                .iter()
                .map(InstrumentRow::new)
                .chain([InstrumentRow::unknown()])
                .collect(),
            sessions: plan
                .sessions
                .iter()
                .map(|limits| SessionRow {
                    rate: RateLimit::new(limits.messages_per_second, limits.message_burst),
                    arrivals: Gcra::default(),
                    pending_new: limits.pending_new,
                })
                .collect(),
            book: Book::new(plan.accounts, plan.positions, plan.requests_max, key),
            orders: OrderTable::new(plan.requests_max, sessions, plan.epoch),
            client_ids: ClientIds::new(plan.requests_max, key),
            executions: Executions::new(plan.executions_max, key),
            kill_switch: KillSwitch::new(
                plan.accounts.len() + 1,
                sessions,
                plan.instruments.len() + 1,
            ),
            holds: Holds::new(desks),
            account_desks: (plan.account_desks.iter().copied())
                .chain([no_desk])
                .collect(),
            work: Work::new(sessions, desks),
            counters: Counters::default(),
            digest: Digest::default(),
        }
    }

    /// A client's request. Outputs carry the input's `received_ns` and `cause_sequence`; the stage puts its own sequence in.
    pub fn on_client(&mut self, now: Now, input: &FromClient, facts: Facts, out: &mut Outputs) {
        if !self.is_session(input.session) {
            self.counters.unknown_sessions += 1;
            return self.mix();
        }
        match &input.request {
            ClientRequest::New(new) => self.on_new(now, input, new, facts, out),
            ClientRequest::Cancel(cancel) => self.on_cancel(now, input, cancel, out),
            ClientRequest::Replace(replace) => self.on_replace(now, input, replace, facts, out),
            ClientRequest::Status(status) => self.on_status(input, status, out),
            ClientRequest::MassStatus(status) => self.on_mass_status(input, status, out),
            ClientRequest::MassCancel(cancel) => self.on_mass_cancel(input, cancel, out),
            ClientRequest::Lost => self.lose_session(now, input.session),
        }
        self.mix();
    }

    /// What came from the desk side.
    pub fn on_desk(&mut self, _now: Now, input: &FromDesk, out: &mut Outputs) {
        let cause = input.into();
        if self.work.short_of_room > 0 {
            self.use_room(&input.input);
        }
        match &input.input {
            DeskInput::Report(report) => self.on_report(report, cause, out),
            DeskInput::CancelReject(reject) => self.on_cancel_reject(reject, cause, out),
            DeskInput::Refused { id, reason, text } => {
                self.on_refused(*id, *reason, *text, cause, out)
            }
            DeskInput::InDoubt { id } => self.on_in_doubt(*id),
            DeskInput::Link(LinkEvent::Ready) => self.on_link_ready(cause),
            DeskInput::Link(LinkEvent::Lost) => {}
        }
        self.mix();
    }

    /// An operator's command. The stage fills in the answer's sequence, and publishes [`Risk::epoch`] of the scope.
    pub fn on_command(&mut self, now: Now, input: &CommandInput) -> CommandDone {
        let done = self.command(now, input);
        self.mix();
        done
    }

    /// One bounded step of what is left of mass requests and kills; whether anything was done.
    pub fn continue_work(&mut self, now: Now, out: &mut Outputs) -> bool {
        let worked = self.step(now, out);
        if worked {
            self.mix();
        }
        worked
    }

    /// Whether [`Risk::continue_work`] has something to do.
    #[inline]
    pub fn has_work(&self) -> bool {
        self.work.has_any()
    }

    /// Epoch of a scope, which the stage publishes to the route stage after each command; zero where it does not exist.
    pub fn epoch(&self, scope: Scope) -> u32 {
        self.kill_switch.get(scope).map_or(0, |state| state.epoch)
    }

    /// Blocks, kills, epochs and open orders.
    pub fn kill_switch(&self) -> &KillSwitch {
        &self.kill_switch
    }

    /// Cash, reserve and limits of an account.
    pub fn account(&self, account: AccountIndex) -> Option<&AccountRow> {
        let known = self.book.accounts.len() - 1;
        self.book.accounts[..known].get(account.get())
    }

    /// Open orders of an account.
    pub fn account_open_orders(&self, account: AccountIndex) -> u32 {
        self.kill_switch.account_open_orders(account)
    }

    /// Position of an account in an instrument, where it has or had one today.
    pub fn position(
        &self,
        account: AccountIndex,
        instrument: InstrumentIndex,
    ) -> Option<&PositionRow> {
        let at = self.book.position(account, instrument)?;
        Some(&self.book.positions[at as usize])
    }

    /// Everything counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Every check that the last refused order or replace failed, as bit `1 << reason`: for the audit line.
    pub fn last_failures(&self) -> u64 {
        self.last_failures
    }

    /// Requests (orders, cancels, replaces) given out today.
    pub fn requests_used(&self) -> usize {
        self.orders.requests().len()
    }

    /// Requests that the day has room for.
    pub fn requests_max(&self) -> usize {
        self.orders.requests_max()
    }

    /// Desk reports remembered today.
    pub fn executions_used(&self) -> usize {
        self.executions.len()
    }

    /// Open orders of all sessions.
    pub fn open_orders(&self) -> usize {
        self.orders.open()
    }

    /// Another process goes on with this state: new order ids are of its `epoch`, and what was measured by the clock of the one before
    /// is forgotten.
    pub fn restart(&mut self, epoch: u16) {
        self.epoch = epoch;
        self.orders.set_epoch(epoch);
        let sessions = self.sessions.iter_mut().map(|row| &mut row.arrivals);
        let accounts = self.book.accounts.iter_mut().map(|row| &mut row.arrivals);
        sessions
            .chain(accounts)
            .for_each(|it| *it = Gcra::default());
    }

    /// Whether a desk may still answer the request.
    pub fn is_unanswered(&self, id: OrderId) -> bool {
        self.orders
            .find(id)
            .is_some_and(|slot| self.orders.request(slot).state != orders::RequestState::Answered)
    }

    /// Whether a desk takes no new orders until it is released.
    pub fn is_held(&self, desk: DeskIndex) -> bool {
        self.holds.is_held(desk)
    }

    /// Epoch of a desk's holds, which the stage publishes to the route stage after each; zero where it has no accounts.
    pub fn hold_epoch(&self, desk: DeskIndex) -> u32 {
        self.holds.epoch(desk)
    }

    /// What is held, blocked and killed now, as the commands that make it so.
    pub fn stops(&self) -> Vec<RiskCommand> {
        let accounts =
            (0..self.book.accounts.len() as u32 - 1).map(|at| Scope::Account(AccountIndex(at)));
        let sessions = (0..self.sessions.len() as u32).map(|at| Scope::Session(SessionIndex(at)));
        let instruments =
            (0..self.instruments() as u32).map(|at| Scope::Instrument(InstrumentIndex(at)));
        let mut stops: Vec<_> = self.holds.held().map(RiskCommand::Hold).collect();
        for scope in [Scope::Firm]
            .into_iter()
            .chain(accounts)
            .chain(sessions)
            .chain(instruments)
        {
            let Some(state) = self.kill_switch.get(scope) else {
                continue;
            };
            if state.is_blocked() {
                stops.push(RiskCommand::Block(scope));
            }
            if state.is_killed() {
                stops.push(RiskCommand::Kill(scope));
            }
        }
        stops
    }

    /// Instruments of the plan.
    pub fn instruments(&self) -> usize {
        self.instruments.len() - 1
    }

    /// The desk that has an account's book.
    #[inline]
    fn desk_of(&self, account: AccountIndex) -> DeskIndex {
        self.account_desks[account.get()]
    }

    fn is_session(&self, session: SessionIndex) -> bool {
        session.get() < self.sessions.len()
    }
}
