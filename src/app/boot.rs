//! Boot: from a plan to running threads.
//!
//! Order: directories and epoch, status page, logs, rings, risk state, then each hot thread makes its sockets (a ring of io_uring
//! belongs to the thread that uses it) and reports the addresses it listens on. What cannot be had is an error before anything listens.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use ringbuf::byte_log;
use ringbuf::spsc::spsc;

use super::log_store::{self, LogStore};
use super::runner::{self, DecodeTurn, Fused, Lifecycle, Phase, RouteTurn};
use super::topology::{self, Topology};
use crate::access::Entitlements;
use crate::config::plan::{Io, Layout, Plan};
use crate::domain::directory::Directory;
use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::domain::{DeskIndex, SessionIndex};
use crate::journal::{Cause, Log, LogId, RecordKind};
use crate::limits::{COMMAND_QUEUE_SLOTS, SHUTDOWN_PHASE_MS};
use crate::risk::{Risk, RiskPlan, SessionLimits};
use crate::session::ResendPolicy;
use crate::stage::control::{Control, ControlPorts};
use crate::stage::decode::{DecodeParts, DecodeStage};
use crate::stage::journal::{Drain, JournalStage};
use crate::stage::risk::{RiskParts, RiskStage};
use crate::stage::route::{RouteParts, RouteStage};
use crate::stage::scopes::ScopeBoard;
use crate::stage::{PeerConfig, Role, Switchboard};
use crate::status::{Fact, Identity, Page, Shape, StageWriter, page};
use crate::sys::mmap::{SharedWords, StagingRegion};
use crate::sys::sockets::{AnySockets, Choice, Chosen};
use crate::sys::{clock::Clock, sockets, thread};

/// Why the gateway does not start: what was tried, and what the system said.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {error}")]
pub struct BootError {
    what: String,
    error: io::Error,
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> BootError {
    let what = what.into();
    |error| BootError { what, error }
}

/// A gateway that runs.
pub struct Gateway {
    /// Addresses that it listens on, by listener.
    pub addresses: Vec<SocketAddr>,
    /// What was decided about threads.
    pub topology: Topology,
    /// Socket back end on the client side, and why.
    pub clients_io: Chosen,
    /// Socket back end on the desk side, and why.
    pub desks_io: Chosen,
    /// Start number, in every order id.
    pub epoch: u16,
    /// Things that the operator should know.
    pub warnings: Vec<String>,
    lifecycle: Lifecycle,
    threads: Vec<JoinHandle<()>>,
}
