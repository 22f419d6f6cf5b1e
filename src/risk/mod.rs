//! The risk stage's state: pre-trade checks, exposure, the book of record, the kill switch.
//!
//! Owned by the risk stage's thread alone, pure and deterministic: no clock, socket, file or thread is named here, time comes in
//! with every call. All storage is sized and touched by [`Risk::new`]; nothing allocates afterwards. One input causes at most
//! `OUTPUTS_MAX` outputs in each direction; what needs more goes on in [`Risk::continue_work`].

mod kill_switch;
mod outputs;

use crate::domain::account::Position;
use crate::domain::command::{CommandDone, CommandInput, Scope};
use crate::domain::order::FromClient;
use crate::domain::report::FromDesk;
use crate::domain::{Account, Instrument, Now, SessionIndex};

pub use kill_switch::{KillSwitch, ScopeState, Stops};
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
}

/// Checks, orders, exposure and book of record.
pub struct Risk {
    kill_switch: KillSwitch,
}

impl Risk {
    /// Sizes and touches everything.
    pub fn new(plan: RiskPlan) -> Self {
        Self {
            kill_switch: KillSwitch::new(
                plan.accounts.len() + 1,
                plan.sessions.len() + 1,
                plan.instruments.len() + 1,
            ),
        }
    }

    /// A client's request. Outputs carry the input's `received_ns` and `cause_sequence`; the stage puts its own sequence in.
    pub fn on_client(&mut self, _now: Now, _input: &FromClient, _facts: Facts, _out: &mut Outputs) {
    }

    /// What came from the desk side.
    pub fn on_desk(&mut self, _now: Now, _input: &FromDesk, _out: &mut Outputs) {}

    /// A client session was lost; where `cancel` its open orders are cancelled by [`Risk::continue_work`].
    pub fn on_session_lost(&mut self, _now: Now, _session: SessionIndex, _cancel: bool) {}

    /// An operator's command. The stage fills in the answer's sequence.
    pub fn on_command(&mut self, _now: Now, input: &CommandInput) -> CommandDone {
        CommandDone {
            ticket: input.ticket,
            sequence: 0,
            affected: 0,
        }
    }

    /// One bounded step of what is left of mass requests and kills; whether anything was done.
    pub fn continue_work(&mut self, _now: Now, _out: &mut Outputs) -> bool {
        false
    }

    /// Whether [`Risk::continue_work`] has something to do.
    pub fn has_work(&self) -> bool {
        false
    }

    /// Epoch of a scope, which the stage publishes to the route stage after each command; zero where it does not exist.
    pub fn epoch(&self, scope: Scope) -> u32 {
        self.kill_switch.get(scope).map_or(0, |state| state.epoch)
    }

    /// A hash over the whole state: equal after equal inputs.
    pub fn state_hash(&self) -> u64 {
        0
    }
}
