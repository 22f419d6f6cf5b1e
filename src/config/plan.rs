//! The plan: configuration with every name resolved to an index, every default filled in, every bound checked.
//!
//! Built once at start by `config::load`; immutable afterwards. Cold code: allocation is fine.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use super::calendar::Rule;
use crate::domain::account::Position;
use crate::domain::time::Precision;
use crate::domain::{
    Account, AccountIndex, Checks, ClientIndex, DeskIndex, Instrument, Schedule, SessionIndex, Text,
};
pub use crate::domain::{Durability, FixVersion};

/// Which sockets.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    serde::Serialize,
    serde::Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Io {
    /// io_uring where the kernel grants it, else polling sockets; the reason is logged.
    #[default]
    Auto,
    /// io_uring or refuse to start.
    Uring,
    /// Polling sockets.
    Poll,
}

/// Which threads.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    serde::Serialize,
    serde::Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Pipeline where enough isolated cores exist, else fused.
    #[default]
    Auto,
    /// Decode, risk and route on a thread each.
    Pipeline,
    /// The three in turn on one thread.
    Fused,
}

/// What a stage does when there is nothing to do.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Default,
    serde::Serialize,
    serde::Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Idle {
    /// Spin where a core is the stage's own, yield where cores are fewer than hot threads.
    #[default]
    Auto,
    /// Never leaves the core.
    Spin,
    /// Offers the core to others.
    Yield,
    /// Sleeps until something happens.
    Park,
}

/// Threads, cores, memory.
#[derive(Clone, Debug)]
pub struct ThreadPlan {
    /// Layout
    pub layout: Layout,
    /// Idle strategy
    pub idle: Idle,
    /// Core per hot thread in the order decode, risk, route (fused: the first). Empty: not pinned.
    pub cores: Vec<usize>,
    /// Whether to lock memory
    pub lock_memory: bool,
    /// Slots of each ring between stages; a power of two
    pub ring_slots: usize,
}

/// Where things are kept.
#[derive(Clone, Debug)]
pub struct StatePlan {
    /// Logs on disk
    pub log_directory: PathBuf,
    /// Days for which logs are kept and after which they are removed; zero: for ever
    pub log_keep_days: u32,
    /// Bytes of logs above which the oldest are removed; zero: no bound
    pub log_disk_max_bytes: u64,
    /// Records of all logs after which a snapshot is taken; zero: on demand
    pub snapshot_every_records: u64,
    /// Staging windows; tmpfs
    pub staging_directory: PathBuf,
    /// Bytes of each staging window; a power of two
    pub staging_bytes: usize,
    /// Status page; tmpfs
    pub status_file: PathBuf,
    /// Control socket
    pub control_socket: PathBuf,
    /// Requests (orders, cancels, replaces) of one day
    pub requests_per_day_max: usize,
    /// Executions of one day
    pub executions_per_day_max: usize,
}

/// A named session schedule.
#[derive(Clone, Debug)]
pub struct SchedulePlan {
    /// Unique
    pub name: String,
    /// As configured
    pub rule: Rule,
    /// The windows that it means, for sessions and links
    pub table: Arc<Schedule>,
}

/// A port that clients connect to.
#[derive(Clone, Debug)]
pub struct ListenerPlan {
    /// For people
    pub name: String,
    /// Address
    pub address: SocketAddr,
    /// Which sockets
    pub io: Io,
    /// Most connections at once, before and after logon
    pub connections_max: usize,
    /// A connection that has not logged on after this is closed
    pub logon_timeout_s: u32,
}

/// Settings of a FIX session that both roles share.
#[derive(Clone, Debug)]
pub struct FixPlan {
    /// BeginString(8)
    pub version: FixVersion,
    /// SenderCompID(49) of ours
    pub sender_comp_id: Text<31>,
    /// TargetCompID(56): the peer
    pub target_comp_id: Text<31>,
    /// HeartBtInt(108) that we ask for as initiator
    pub heartbeat_interval_s: u32,
    /// Bounds for HeartBtInt that we accept as acceptor
    pub heartbeat_interval_min_s: u32,
    /// See above
    pub heartbeat_interval_max_s: u32,
    /// Largest difference between SendingTime(52) and our clock
    pub sending_time_tolerance_s: u32,
    /// Both sequence numbers start at 1 with each logon
    pub reset_on_logon: bool,
    /// Both sequence numbers start at 1 after a logout
    pub reset_on_logout: bool,
    /// Both sequence numbers start at 1 after a disconnect
    pub reset_on_disconnect: bool,
    /// A logout that is not answered after this is closed
    pub logout_timeout_s: u32,
    /// When it may be connected; none: always
    pub schedule: Option<Arc<Schedule>>,
    /// Fraction of SendingTime(52) and the other times that we write
    pub precision: Precision,
    /// NextExpectedMsgSeqNum(789) in Logons: the sides resend what is missing without being asked
    pub next_expected_msg_seq_num: bool,
    /// LastMsgSeqNumProcessed(369) in every header
    pub last_msg_seq_num_processed: bool,
    /// A second Logon of the same peer takes over when the first connection stays silent for so long; zero: never
    pub takeover_s: u32,
    /// What is checked against the dictionary, where there is one
    pub checks: Checks,
    /// The dictionary that messages are checked against
    pub dictionary: DictionaryPlan,
    /// What the record of an application message must have survived before the message leaves: of a link its desk's level, of a
    /// session the highest of its accounts' desks
    pub durability: Durability,
}

/// What a session's messages are checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DictionaryPlan {
    /// Nothing: the session layer checks only what it needs.
    None,
    /// The gateway's own dialect.
    Dialect,
    /// A dictionary read from files.
    Files(DictionaryFiles),
}

/// Dictionaries in QuickFIX's XML form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DictionaryFiles {
    /// Session layer and application; with FIXT.1.1 the session layer only
    pub transport: PathBuf,
    /// Application messages of a FIXT.1.1 session
    pub application: Option<PathBuf>,
}

impl FixPlan {
    /// A session between us (`sender_comp_id`) and a peer, with the defaults.
    pub fn new(version: FixVersion, sender_comp_id: &[u8], target_comp_id: &[u8]) -> Self {
        Self {
            version,
            sender_comp_id: Text::cut(sender_comp_id),
            target_comp_id: Text::cut(target_comp_id),
            heartbeat_interval_s: 30,
            heartbeat_interval_min_s: 1,
            heartbeat_interval_max_s: 3600,
            sending_time_tolerance_s: 120,
            reset_on_logon: false,
            reset_on_logout: false,
            reset_on_disconnect: false,
            logout_timeout_s: 2,
            schedule: None,
            // 4.0 and 4.1 have whole seconds only.
            precision: match version {
                FixVersion::Fix40 | FixVersion::Fix41 => Precision::Seconds,
                _ => Precision::Millis,
            },
            next_expected_msg_seq_num: false,
            last_msg_seq_num_processed: false,
            takeover_s: 0,
            checks: Checks::ALL,
            dictionary: DictionaryPlan::None,
            durability: Durability::Process,
        }
    }
}

/// A client session.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    /// For people and `ctl`
    pub name: String,
    /// Whose
    pub client: ClientIndex,
    /// FIX
    pub fix: FixPlan,
    /// Source addresses that may use it; empty: any
    pub allowed_sources: Vec<Network>,
    /// Accounts it may use
    pub accounts: Vec<AccountIndex>,
    /// Messages per second; zero means no limit
    pub messages_per_second: u32,
    /// Messages at once
    pub message_burst: u32,
    /// Whether every accepted order is told 150=A before the desk answers
    pub pending_new: bool,
    /// Whether open orders are cancelled when the session is lost
    pub cancel_on_disconnect: bool,
    /// The user-defined field of ExecutionReports that has the level of durability; zero: none
    pub durability_tag: u32,
    /// What it receives copies of, where it does: then it asks for nothing, and has no accounts
    pub drop_copy: Option<DropCopyPlan>,
}

/// Whose reports are copied to a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DropCopyPlan {
    /// Of the orders of these accounts, each once
    pub accounts: Vec<AccountIndex>,
    /// Of the orders of these sessions, each once; none of them receives copies
    pub sessions: Vec<SessionIndex>,
}

/// An address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Any address of it
    pub address: IpAddr,
    /// Leading bits that count
    pub prefix_bits: u8,
}

impl Plan {
    /// Gives links the level of their desk, and sessions the highest level of the desks of their accounts, or of those whose reports are
    /// copied to them.
    pub fn spread_durability(&mut self) {
        for desk in &mut self.desks {
            let level = desk.durability;
            desk.links
                .iter_mut()
                .for_each(|link| link.fix.durability = level);
        }
        for session in &mut self.sessions {
            let desk_of = |account: &AccountIndex| self.account_desks.get(account.get());
            let copied = session.drop_copy.iter().flat_map(|copy| &copy.accounts);
            let levels = session.accounts.iter().chain(copied).filter_map(desk_of);
            let levels = levels.filter_map(|desk| self.desks.get(desk.get()));
            session.fix.durability = levels.map(|desk| desk.durability).max().unwrap_or_default();
        }
        for at in 0..self.sessions.len() {
            let Some(copy) = &self.sessions[at].drop_copy else {
                continue;
            };
            let levels = copy.sessions.iter();
            let levels = levels.map(|of| self.sessions[of.get()].fix.durability);
            let level = levels.max().unwrap_or_default();
            let own = &mut self.sessions[at].fix.durability;
            *own = level.max(*own);
        }
    }

    /// Whether anybody waits for the disk.
    pub fn waits_for_disk(&self) -> bool {
        let waits = |desk: &DeskPlan| desk.durability == Durability::Host;
        self.desks.iter().any(waits)
    }

    /// Overrides the sockets of all listeners and links.
    pub fn set_io(&mut self, io: Io) {
        self.listeners
            .iter_mut()
            .for_each(|listener| listener.io = io);
        self.desks
            .iter_mut()
            .flat_map(|desk| &mut desk.links)
            .for_each(|link| link.io = io);
    }
}

impl Network {
    /// Whether `address` lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => (v4.to_bits() as u128, 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let ((network, width), (candidate, candidate_width)) = (bits(self.address), bits(address));
        width == candidate_width
            && (network ^ candidate)
                .checked_shr(width - self.prefix_bits as u32)
                .unwrap_or(0)
                == 0
    }
}

/// A client.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// Unique
    pub name: String,
}

/// A trading desk.
#[derive(Clone, Debug)]
pub struct DeskPlan {
    /// Unique
    pub name: String,
    /// Its links, in order of preference
    pub links: Vec<LinkPlan>,
    /// A desk that has not acknowledged a request after this makes its link suspect
    pub acknowledge_timeout_ms: u32,
    /// Of its links, and of all sessions that may use its accounts
    pub durability: Durability,
}

/// A link to a desk.
#[derive(Clone, Debug)]
pub struct LinkPlan {
    /// Unique
    pub name: String,
    /// Address
    pub address: SocketAddr,
    /// Which sockets
    pub io: Io,
    /// FIX
    pub fix: FixPlan,
    /// First wait before connecting again; doubles up to the maximum
    pub reconnect_min_ms: u32,
    /// Longest wait before connecting again
    pub reconnect_max_ms: u32,
    /// Requests that may be unanswered on it at once
    pub window: usize,
}

/// Who may use the control socket.
#[derive(Clone, Debug, Default)]
pub struct ControlPlan {
    /// User ids that may command, besides the gateway's own
    pub operators: Vec<u32>,
    /// Whether commands that raise risk need a second person
    pub two_persons: bool,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of this instance
    pub name: String,
    /// Threads
    pub threads: ThreadPlan,
    /// Files
    pub state: StatePlan,
    /// Control
    pub control: ControlPlan,
    /// Session schedules; sessions and links share their tables
    pub schedules: Vec<SchedulePlan>,
    /// Ports; all client sessions may use any of them
    pub listeners: Vec<ListenerPlan>,
    /// Clients by [`ClientIndex`]
    pub clients: Vec<ClientPlan>,
    /// Sessions by `SessionIndex`
    pub sessions: Vec<SessionPlan>,
    /// Desks by [`DeskIndex`]; links number through over all desks, in order
    pub desks: Vec<DeskPlan>,
    /// Instruments by `InstrumentIndex`
    pub instruments: Vec<Instrument>,
    /// Accounts by `AccountIndex`
    pub accounts: Vec<Account>,
    /// The desk that has each account's book
    pub account_desks: Vec<DeskIndex>,
    /// Positions at the start of the day
    pub positions: Vec<Position>,
}
