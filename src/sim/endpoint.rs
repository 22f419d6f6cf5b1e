//! FIX sessions for the tools: the stages' own switchboard over a log that lives in memory and is never written to disk.
//!
//! The simulated desk has one per link, the load client one for all its sessions. What was sent stays readable for resends until
//! newer messages take its place.

use ringbuf::byte_log::{self, Reader, Region};

use crate::config::plan::FixPlan;
use crate::domain::FixVersion;
use crate::domain::time::NS_PER_S;
use crate::io::Sockets;
use crate::journal::{Log, LogId};
use crate::limits::{LOGON_TIMEOUT_S, SIM_LOG_BYTES};
use crate::session::ResendPolicy;
use crate::stage::{PeerConfig, Role, Switchboard};

/// A switchboard and the other end of its log.
pub struct Endpoint<S: Sockets> {
    /// The sessions.
    pub board: Switchboard<S>,
    log: Option<Reader>,
}

impl<S: Sockets> Endpoint<S> {
    /// With these peers.
    pub fn new(sockets: S, peers: Vec<PeerConfig>, connections_max: usize) -> Self {
        let (writer, log) = byte_log::create(Region::heap(SIM_LOG_BYTES))
            .expect("a heap region of a good size makes a log");
        let log_writer = Log::new(LogId::None, writer);
        let timeout_ns = LOGON_TIMEOUT_S * NS_PER_S;
        Self {
            board: Switchboard::new(sockets, log_writer, peers, connections_max, timeout_ns),
            log: Some(log),
        }
    }

    /// Whose log is drained by somebody else.
    pub fn kept(board: Switchboard<S>) -> Self {
        Self { board, log: None }
    }

    /// Gives the log's room back: nobody drains it to disk. Once per duty cycle, before the flush.
    pub fn flush(&mut self) {
        if let Some(log) = &mut self.log {
            let [first, second] = log.readable();
            let end = if second.is_empty() {
                first.end()
            } else {
                second.end()
            };
            if end > log.released() {
                log.advance(end);
                log.release(end);
            }
        }
        self.board.flush();
    }
}

/// A peer with the settings that tools use.
pub fn peer(
    version: FixVersion,
    sender: &str,
    target: &str,
    role: Role,
    reset_on_logon: bool,
) -> PeerConfig {
    PeerConfig {
        fix: FixPlan {
            reset_on_logon,
            ..FixPlan::new(version, sender.as_bytes(), target.as_bytes())
        },
        role,
        resend: ResendPolicy::Replay,
        dictionary: None,
    }
}
