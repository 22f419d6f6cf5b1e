//! One peer of a switchboard: its session, its connection, what was sent to it, and how far behind it is.
//!
//! Owned by the switchboard. A peer exists from start to stop; connections come and go.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::application::Stranger;
use super::archive::OnDisk;
use super::kept::Kept;
use super::pace::{Pace, Requests};
use super::sent::SentIndex;
use crate::config::plan::{FixPlan, Network};
use crate::domain::time::{NS_PER_MS, Precision};
use crate::domain::{Now, Text};
use crate::io::ConnectionId;
use crate::limits::{
    RESEND_ANCHORS_MAX, RESEND_ANCHORS_MIN, RESEND_ANCHORS_TOTAL, RESEND_INDEX_SLOTS_MAX,
    RESEND_INDEX_SLOTS_MIN, RESEND_INDEX_SLOTS_TOTAL,
};
use crate::session::{self, Hours, ResendCursor, ResendPolicy, Session, SessionIds};
use crate::status::RowTraffic;
use crate::wire::fix::dictionary::Dictionary;

/// BeginString(8), SenderCompID(49) and TargetCompID(56) of a peer's Logon: what names its session.
pub(super) type PeerName = (Text<8>, Text<31>, Text<31>);

/// Who connects.
#[derive(Clone, Debug)]
pub enum Role {
    /// The peer connects to us.
    Accept {
        /// From these addresses; empty: any
        allowed_sources: Vec<Network>,
    },
    /// We connect to the peer.
    Connect {
        /// Where it listens
        address: SocketAddr,
        /// First wait before trying again; doubles up to the maximum
        reconnect_min_ms: u32,
        /// Longest wait
        reconnect_max_ms: u32,
    },
}

/// What an operator ordered for a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ordered {
    /// Log out; it may come back.
    Logout,
    /// Log out and stay out.
    Disable,
    /// It may come in again.
    Enable,
}

/// How to make a peer.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// FIX settings
    pub fix: FixPlan,
    /// Who connects
    pub role: Role,
    /// Whether application messages may be sent again
    pub resend: ResendPolicy,
    /// What messages are checked against
    pub dictionary: Option<Arc<Dictionary>>,
}

/// What the slot of a connection belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binding {
    /// Nothing.
    Free,
    /// A connection that has not logged on.
    Waiting(Waiting),
    /// A peer.
    Bound {
        /// Which connection
        connection: ConnectionId,
        /// Whose
        peer: usize,
    },
}

impl Binding {
    /// The connection.
    pub fn connection(&self) -> Option<ConnectionId> {
        match *self {
            Self::Free => None,
            Self::Waiting(Waiting { connection, .. }) | Self::Bound { connection, .. } => {
                Some(connection)
            }
        }
    }
}

/// A connection that has not logged on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Which
    pub connection: ConnectionId,
    /// From where
    pub source: SocketAddr,
    /// Since when, monotonic
    pub since_ns: u64,
    /// Until when, monotonic
    pub deadline_ns: u64,
    /// Bytes that were no beginning of a message
    pub junk_bytes: usize,
    /// Whether it is counted with its address
    pub is_counted: bool,
    /// Whether it spoke and must wait
    pub is_delayed: bool,
    /// The peer whose connection it would take over
    pub candidate: Option<u32>,
}

/// One peer.
pub struct Peer {
    /// The session layer's state
    pub session: Session,
    /// Who connects
    pub role: Role,
    /// Session or link, in log records
    pub channel: u16,
    /// Where it is connected
    pub connection: Option<ConnectionId>,
    /// From where it last logged on (peers that connect to us)
    pub source: Option<SocketAddr>,
    /// Whether a connection is being made
    pub connecting: bool,
    /// The connection that would take over, if this one is silent
    pub(super) candidate: Option<ConnectionId>,
    /// Whether it may be connected
    pub enabled: bool,
    /// Messages received
    pub messages_in: u64,
    /// Messages sent, resent ones included
    pub messages_out: u64,
    /// Their bytes
    pub bytes_out: u64,
    /// Bytes of messages received
    pub bytes_in: u64,
    /// When the last message came, nanoseconds since 1970
    pub last_in_wall_ns: u64,
    /// When the last message went, nanoseconds since 1970
    pub last_out_wall_ns: u64,
    /// Messages sent again
    pub resent: u64,
    /// Logons since the start
    pub logons: u64,
    pub(super) sent: SentIndex,
    pub(super) ids: SessionIds,
    pub(super) precision: Precision,
    pub(super) cursor: ResendCursor,
    /// When a message was last taken by the socket while the peer was behind, monotonic
    pub(super) progress_ns: u64,
    pub(super) resend: ResendPolicy,
    /// When it may be connected
    pub(super) hours: Hours,
    /// A scheduled reset waits for requests in doubt
    pub(super) reset_held: bool,
    /// Whether it is among those that are served from the log
    pub(super) is_served: bool,
    /// Resends that were given up
    pub(super) incarnation: u32,
    pub(super) on_disk: OnDisk,
    pub(super) pace: Pace,
    pub(super) requests: Requests,
    /// Messages that came too early
    pub(super) kept: Kept,
    /// Whether kept messages wait for room, or the next turn
    pub(super) is_due: bool,
    /// Whether it is in the list of these
    pub(super) is_listed_due: bool,
    /// From when on garbage is worth a record again, monotonic
    pub(super) garbled_record_ns: u64,
    pub(super) retry_at_ns: u64,
    wait_ns: u64,
    fix: FixPlan,
}

impl Peer {
    pub(super) fn new(config: PeerConfig, at: usize, peers: usize) -> Self {
        let role = match config.role {
            Role::Accept { .. } => session::Role::Acceptor,
            Role::Connect { .. } => session::Role::Initiator,
        };
        Self {
            session: Session::new(role, &config.fix, 1, 1).with_dictionary(config.dictionary),
            role: config.role,
            channel: at as u16,
            connection: None,
            source: None,
            connecting: false,
            candidate: None,
            enabled: true,
            messages_in: 0,
            messages_out: 0,
            bytes_out: 0,
            bytes_in: 0,
            last_in_wall_ns: 0,
            last_out_wall_ns: 0,
            resent: 0,
            logons: 0,
            sent: SentIndex::new(index_slots(peers), anchors(peers), 1),
            ids: SessionIds::new(&config.fix),
            precision: config.fix.precision,
            cursor: ResendCursor::new(),
            progress_ns: 0,
            resend: config.resend,
            hours: Hours::new(config.fix.schedule.clone(), None),
            reset_held: false,
            is_served: false,
            incarnation: 0,
            on_disk: OnDisk::Unasked,
            pace: Pace::default(),
            requests: Requests::default(),
            kept: Kept::new(),
            is_due: false,
            is_listed_due: false,
            garbled_record_ns: 0,
            retry_at_ns: 0,
            wait_ns: 0,
            fix: config.fix,
        }
    }

    /// FIX settings.
    pub fn fix(&self) -> &FixPlan {
        &self.fix
    }

    /// What its Logon must say. Seen from the peer, it is the sender.
    pub(super) fn name(&self) -> PeerName {
        (
            Text::cut(self.ids.version.begin_string()),
            self.ids.target_comp_id,
            self.ids.sender_comp_id,
        )
    }

    /// Whether a Logon from `source` may take this session now.
    pub(super) fn admits(&self, source: IpAddr) -> Result<(), Stranger> {
        let Role::Accept { allowed_sources } = &self.role else {
            return Err(Stranger::UnknownSession);
        };
        if !allowed_sources.is_empty()
            && !allowed_sources
                .iter()
                .any(|network| network.contains(source))
        {
            Err(Stranger::SourceNotAllowed)
        } else if !self.enabled {
            Err(Stranger::Disabled)
        } else if self.connection.is_some() {
            Err(Stranger::DuplicateLogon)
        } else {
            Ok(())
        }
    }

    pub(super) fn logged_on(&mut self) {
        self.logons += 1;
        self.wait_ns = 0;
    }

    /// For the status page.
    pub(super) fn traffic(&self) -> RowTraffic {
        RowTraffic {
            messages_in: self.messages_in,
            messages_out: self.messages_out,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            resent: self.resent,
            last_in_wall_ns: self.last_in_wall_ns,
            last_out_wall_ns: self.last_out_wall_ns,
        }
    }

    /// Where to connect, if it is time to.
    pub(super) fn due(&self, now: Now) -> Option<SocketAddr> {
        match self.role {
            Role::Connect { address, .. }
                if self.enabled
                    && self.hours.are_open()
                    && !self.connecting
                    && now.mono_ns >= self.retry_at_ns =>
            {
                Some(address)
            }
            _ => None,
        }
    }

    /// Waits before the next attempt, twice as long as before.
    pub(super) fn back_off(&mut self, now: Now) {
        if let Role::Connect {
            reconnect_min_ms,
            reconnect_max_ms,
            ..
        } = self.role
        {
            let (min_ns, max_ns) = (
                reconnect_min_ms as u64 * NS_PER_MS,
                reconnect_max_ms as u64 * NS_PER_MS,
            );
            self.wait_ns = (self.wait_ns * 2).clamp(min_ns, max_ns.max(min_ns));
            self.retry_at_ns = now.mono_ns + self.wait_ns;
        }
    }
}

/// Slots of each peer's index of sent messages, so that all together stay within the total.
fn index_slots(peers: usize) -> usize {
    let each = RESEND_INDEX_SLOTS_TOTAL / peers.max(1);
    let power = if each.is_power_of_two() {
        each
    } else {
        each.next_power_of_two() / 2
    };
    power.clamp(RESEND_INDEX_SLOTS_MIN, RESEND_INDEX_SLOTS_MAX)
}

/// Anchors of each peer, likewise.
pub(super) fn anchors(peers: usize) -> usize {
    let each = (RESEND_ANCHORS_TOTAL / peers.max(1)) & !1;
    each.clamp(RESEND_ANCHORS_MIN, RESEND_ANCHORS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_memory_is_bounded() {
        assert_eq!(index_slots(1), RESEND_INDEX_SLOTS_MAX);
        assert_eq!(
            index_slots(10_000),
            128.clamp(RESEND_INDEX_SLOTS_MIN, RESEND_INDEX_SLOTS_MAX)
        );
        assert!(index_slots(3).is_power_of_two());
        assert_eq!(anchors(1), RESEND_ANCHORS_MAX);
        assert!(anchors(999).is_multiple_of(2));
        assert_eq!(anchors(10_000), RESEND_ANCHORS_MIN);
    }
}
