//! Commands of operators, as logged inputs of the risk stage and as requests to the stages that own sockets.
//!
//! Plain values that fit into the queues between control thread and stages.

use super::ids::{AccountIndex, DeskIndex, InstrumentIndex, LinkIndex, SessionIndex};
use super::price::Money;
use super::text::Text;

/// What a block, kill or limit covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Everything.
    Firm,
    /// One account.
    Account(AccountIndex),
    /// One client session.
    Session(SessionIndex),
    /// One instrument.
    Instrument(InstrumentIndex),
}

/// A limit that may be changed in the day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitChange {
    /// Largest value of one order of an account; zero means none
    OrderValueMax(Money),
    /// Most open orders of an account; zero means none
    OpenOrdersMax(u32),
    /// Messages per second of an account; zero means none
    MessagesPerSecond(u32),
}

/// What an operator asks of the risk stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RiskCommand {
    /// No new orders and replaces; cancels pass.
    Block(Scope),
    /// Ends a block.
    Unblock(Scope),
    /// Block, and cancel everything open. What is on its way to a desk is stopped.
    Kill(Scope),
    /// Ends a kill.
    Release(Scope),
    /// Sets a limit.
    Limit(AccountIndex, LimitChange),
    /// No new orders and replaces to a desk: after a loss of the host it may have more than is known here. What is on its way to it is stopped.
    Hold(DeskIndex),
    /// Ends a hold: what the desk has is settled.
    ReleaseDesk(DeskIndex),
    /// The host went down, and a start was told to go on: what clients repeat from before may be known to a desk. No operator's.
    HostLost {
        /// When that start was, nanoseconds since 1970
        wall_ns: u64,
    },
}

/// A command on its way to the risk stage. `ticket` comes back with the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandInput {
    /// Chosen by the control thread.
    pub ticket: u64,
    /// Who asked, for the log.
    pub user: Text<31>,
    /// What.
    pub command: RiskCommand,
}

/// The risk stage's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandDone {
    /// Of the command.
    pub ticket: u64,
    /// Order-log sequence of the command.
    pub sequence: u64,
    /// Open orders for which a cancel was or will be sent.
    pub affected: u32,
}

/// Sequence numbers as an operator wants them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NumbersChange {
    /// Chosen by the control thread.
    pub ticket: u64,
    /// Next number expected from the peer; at least 1
    pub next_in: u64,
    /// Next number that we use; at least 1
    pub next_out: u64,
    /// Whether the peer is logged out first; without it, a connected one keeps its numbers.
    pub log_out: bool,
    /// Who asked
    pub uid: u32,
    /// Who approved it
    pub approver_uid: Option<u32>,
}

/// The answer to a [`NumbersChange`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NumbersDone {
    /// Of the command.
    pub ticket: u64,
    /// Next number expected now
    pub next_in: u64,
    /// Next number that we use now
    pub next_out: u64,
    /// What came of it
    pub outcome: NumbersOutcome,
}

/// What came of a [`NumbersChange`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NumbersOutcome {
    /// They are set.
    Set {
        /// Next numbers in and out before
        before: (u64, u64),
    },
    /// Nothing was done: the peer is connected.
    Connected,
    /// Nothing was done: another such command waits for the peer's logout.
    UnderWay,
}

/// What an operator asks of the decode stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionCommand {
    /// Log the session out and refuse it until enabled.
    Disable(SessionIndex),
    /// Let it in again.
    Enable(SessionIndex),
    /// Log it out; it may come back.
    Logout(SessionIndex),
    /// Set its sequence numbers.
    SetNumbers(SessionIndex, NumbersChange),
}

/// What an operator asks of the route stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkCommand {
    /// No new orders on the link; log it out when nothing is in flight, and keep it down.
    Disable(LinkIndex),
    /// Connect it again.
    Enable(LinkIndex),
    /// Set its sequence numbers.
    SetNumbers(LinkIndex, NumbersChange),
}
