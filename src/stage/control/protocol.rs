//! What goes over the control socket: one JSON object per line, a request and its answer. `ctl` is the other side.
//!
//! ```text
//! {"command":{"block":{"scope":{"account":"ACC1"}}},"reason":"margin call","ticket":"OPS-12"}
//! {"ok":true,"message":"account ACC1 is blocked","data":{"sequence":17,"affected":0}}
//! ```
//! Unknown keys are an error: a misspelt command must never do something else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// Why, for the operations log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Ticket of the site's own system, for the operations log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ticket: String,
}

/// What an operator can ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// What runs: facts, stages, counters, latencies, links.
    Status,
    /// All client sessions.
    SessionList,
    /// Log a session out and refuse it until enabled.
    SessionDisable {
        /// Of the session.
        name: String,
    },
    /// Let a session in again.
    SessionEnable {
        /// Of the session.
        name: String,
    },
    /// Log a session out; it may come back.
    SessionLogout {
        /// Of the session.
        name: String,
    },
    /// Set both sequence numbers of a session.
    SessionSetSequence(SetSequence),
    /// All links.
    LinkList,
    /// No new orders on a link; log it out when nothing is in flight.
    LinkDisable {
        /// Of the link.
        name: String,
    },
    /// Connect a link again.
    LinkEnable {
        /// Of the link.
        name: String,
    },
    /// Set both sequence numbers of a link.
    LinkSetSequence(SetSequence),
    /// All desks with their links.
    DeskList,
    /// No new orders and replaces to a desk; cancels pass.
    DeskHold {
        /// Of the desk.
        name: String,
    },
    /// End a hold: what the desk has is settled.
    DeskRelease {
        /// Of the desk.
        name: String,
    },
    /// No new orders; cancels pass.
    Block {
        /// Of what.
        scope: ScopeName,
    },
    /// End a block.
    Unblock {
        /// Of what.
        scope: ScopeName,
    },
    /// Block, and cancel everything open.
    Kill {
        /// Of what.
        scope: ScopeName,
    },
    /// End a kill.
    Release {
        /// Of what.
        scope: ScopeName,
    },
    /// Change a limit of an account.
    Limit {
        /// Of the account.
        account: String,
        /// Which limit.
        limit: LimitName,
        /// New value; zero means no limit.
        value: String,
    },
    /// Have a snapshot of the state written.
    Snapshot,
    /// Commands that wait for a second person.
    Pending,
    /// Do what waits under this number.
    Approve {
        /// As `pending` shows it.
        number: u64,
    },
    /// Drop what waits under this number.
    Refuse {
        /// As `pending` shows it.
        number: u64,
    },
}

/// Sequence numbers to be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetSequence {
    /// Of the session or link.
    pub name: String,
    /// Next number expected from the peer.
    pub next_in: u64,
    /// Next number that we use.
    pub next_out: u64,
    /// Log it out first; without, a connected one is left alone.
    #[serde(default)]
    pub logout: bool,
}

impl fmt::Display for SetSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, next_in, next_out) = (&self.name, self.next_in, self.next_out);
        write!(f, "{name} --next-in {next_in} --next-out {next_out}")?;
        match self.logout {
            true => f.write_str(" --logout"),
            false => Ok(()),
        }
    }
}

/// What a block or kill covers, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeName {
    /// Everything.
    Firm,
    /// One account.
    Account(String),
    /// One client session.
    Session(String),
    /// One instrument.
    Instrument(String),
}

/// A limit that may be changed in the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitName {
    /// Largest value of one order, currency units.
    OrderValueMax,
    /// Most open orders.
    OpenOrdersMax,
    /// Messages per second.
    MessagesPerSecond,
}

impl LimitName {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::OrderValueMax => "order-value-max",
            Self::OpenOrdersMax => "open-orders-max",
            Self::MessagesPerSecond => "messages-per-second",
        }
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firm => f.write_str("firm"),
            Self::Account(name) => write!(f, "account {name}"),
            Self::Session(name) => write!(f, "session {name}"),
            Self::Instrument(name) => write!(f, "instrument {name}"),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("status"),
            Self::SessionList => f.write_str("session list"),
            Self::SessionDisable { name } => write!(f, "session disable {name}"),
            Self::SessionEnable { name } => write!(f, "session enable {name}"),
            Self::SessionLogout { name } => write!(f, "session logout {name}"),
            Self::SessionSetSequence(set) => write!(f, "session set-sequence {set}"),
            Self::LinkList => f.write_str("link list"),
            Self::LinkDisable { name } => write!(f, "link disable {name}"),
            Self::LinkEnable { name } => write!(f, "link enable {name}"),
            Self::LinkSetSequence(set) => write!(f, "link set-sequence {set}"),
            Self::DeskList => f.write_str("desk list"),
            Self::DeskHold { name } => write!(f, "desk hold {name}"),
            Self::DeskRelease { name } => write!(f, "desk release {name}"),
            Self::Block { scope } => write!(f, "block {scope}"),
            Self::Unblock { scope } => write!(f, "unblock {scope}"),
            Self::Kill { scope } => write!(f, "kill {scope}"),
            Self::Release { scope } => write!(f, "release {scope}"),
            Self::Limit {
                account,
                limit,
                value,
            } => {
                write!(f, "limit {account} {} {value}", limit.name())
            }
            Self::Snapshot => f.write_str("snapshot"),
            Self::Pending => f.write_str("pending"),
            Self::Approve { number } => write!(f, "approve {number}"),
            Self::Refuse { number } => write!(f, "refuse {number}"),
        }
    }
}

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Not a request: no JSON, unknown command, too long, too slow.
    BadRequest,
    /// The user may not, or may not alone.
    NotAllowed,
    /// A name or number that does not exist.
    Unknown,
    /// A value that is out of range or unreadable.
    BadValue,
    /// A queue or list is full; nothing was done.
    Busy,
    /// The state of what it is about does not allow it; nothing was done.
    NotNow,
    /// The stage did not answer in time; the command may still be done.
    NoAnswer,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Whether it was done, or waits for a second person.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorKind>,
    /// For people.
    pub message: String,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub data: serde_json::Value,
}

impl Response {
    /// Done.
    pub fn done(message: impl Into<String>) -> Self {
        Self::with(message, serde_json::Value::Null)
    }

    /// Done, with data.
    pub fn with(message: impl Into<String>, data: serde_json::Value) -> Self {
        Self {
            ok: true,
            error: None,
            message: message.into(),
            data,
        }
    }

    /// Not done.
    pub fn error(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            ok: false,
            error: Some(kind),
            message: message.into(),
            data: serde_json::Value::Null,
        }
    }
}
