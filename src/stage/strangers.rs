//! Connections that have not logged on: how many there may be, how long they have, and who must wait.
//!
//! Part of the switchboard, same thread. A stranger costs a slot and nothing else: its time is set when it comes and nothing that it
//! sends prolongs it; it may send one message's worth. Where slots become scarce the oldest stranger goes, so that there is always
//! room for a client. Addresses whose logons fail again and again are answered later and later. Everything is sized at start.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::application::{Application, Stranger};
use super::peer::{Binding, Waiting};
use super::switchboard::Switchboard;
use crate::domain::Now;
use crate::domain::time::NS_PER_S;
use crate::io::{ConnectionId, Sockets};
use crate::limits::{
    LOGON_DELAY_NS_MAX, LOGON_DELAY_NS_MIN, LOGON_FAILURES_FORGOTTEN_NS, LOGON_FAILURES_FREE,
    SESSION_TIMERS_PER_TICK, SLOTS_KEPT_FREE_MAX, SOURCES_MAX, STRANGERS_LOOKED_AT,
    STRANGERS_PER_SOURCE_MIN,
};
use crate::session::State;

/// What is known of strangers.
pub struct Strangers {
    sources: Vec<Source>,
    /// In the order in which they came; some are gone
    queue: VecDeque<ConnectionId>,
    per_source_max: u32,
    /// Slots that strangers leave free
    kept_free: usize,
    /// Longest that a logon waits: well within the bound for it, so that a client behind the same address still gets in
    delay_ns_max: u64,
}

/// An address that connections come from.
#[derive(Clone, Copy)]
struct Source {
    address: IpAddr,
    /// Connections without a logon
    waiting: u32,
    /// Logons that failed
    failures: u32,
    /// When the last one came or failed, monotonic
    seen_ns: u64,
}

impl Strangers {
    /// For so many slots and sessions, and this bound for a logon.
    pub fn new(connections_max: usize, sessions: usize, logon_timeout_ns: u64) -> Self {
        Self {
            sources: Vec::with_capacity(SOURCES_MAX),
            queue: VecDeque::with_capacity(2 * connections_max),
            per_source_max: sessions.max(STRANGERS_PER_SOURCE_MIN) as u32,
            kept_free: (connections_max / 16).clamp(1, SLOTS_KEPT_FREE_MAX),
            delay_ns_max: LOGON_DELAY_NS_MAX.min(logon_timeout_ns / 2),
        }
    }

    /// The address's entry; where there is none and none can be forgotten, none.
    fn source(&mut self, address: IpAddr, now: Now) -> Option<&mut Source> {
        let known = self.sources.iter().position(|it| it.address == address);
        let at = match known {
            Some(at) => at,
            None => {
                let fresh = Source {
                    address,
                    waiting: 0,
                    failures: 0,
                    seen_ns: now.mono_ns,
                };
                if self.sources.len() < SOURCES_MAX {
                    self.sources.push(fresh);
                    self.sources.len() - 1
                } else {
                    let idle = self
                        .sources
                        .iter()
                        .enumerate()
                        .filter(|it| it.1.waiting == 0);
                    let (at, _) = idle.min_by_key(|(_, source)| source.seen_ns)?;
                    self.sources[at] = fresh;
                    at
                }
            }
        };
        let source = &mut self.sources[at];
        if now.mono_ns.saturating_sub(source.seen_ns) >= LOGON_FAILURES_FORGOTTEN_NS {
            source.failures = 0;
        }
        Some(source)
    }

    /// One more is waiting; whether it is one too many. It must be told when it is gone only if it is counted.
    fn came(&mut self, address: IpAddr, now: Now) -> (bool, bool) {
        let most = self.per_source_max;
        match self.source(address, now) {
            Some(source) => {
                source.waiting += 1;
                (true, source.waiting > most)
            }
            None => (false, false),
        }
    }

    fn left(&mut self, address: IpAddr) {
        let source = self.sources.iter_mut().find(|it| it.address == address);
        if let Some(source) = source {
            source.waiting = source.waiting.saturating_sub(1);
        }
    }

    /// A logon failed.
    fn failed(&mut self, address: IpAddr, now: Now) {
        if let Some(source) = self.source(address, now) {
            source.failures = source.failures.saturating_add(1);
            source.seen_ns = now.mono_ns;
        }
    }

    /// How long a logon from there waits for its answer.
    fn delay_ns(&self, address: IpAddr, now: Now) -> u64 {
        let source = self.sources.iter().find(|it| it.address == address);
        let Some(source) = source else { return 0 };
        let is_old = now.mono_ns.saturating_sub(source.seen_ns) >= LOGON_FAILURES_FORGOTTEN_NS;
        match source.failures.checked_sub(LOGON_FAILURES_FREE) {
            Some(many) if !is_old => (LOGON_DELAY_NS_MIN << many.min(16)).min(self.delay_ns_max),
            _ => 0,
        }
    }
}

impl<S: Sockets> Switchboard<S> {
    /// A connection came.
    pub(super) fn on_accepted<A: Application>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        source: SocketAddr,
        application: &mut A,
    ) {
        let (is_counted, is_too_many) = self.strangers.came(source.ip(), now);
        let waiting = Waiting {
            connection,
            source,
            since_ns: now.mono_ns,
            deadline_ns: now.mono_ns + self.logon_timeout_ns,
            junk_bytes: 0,
            is_counted,
            is_delayed: false,
            candidate: None,
        };
        self.rebind(connection, Binding::Waiting(waiting));
        self.tell_stranger(now, source.ip(), Stranger::Accepted, None, application);
        if self.strangers.queue.len() == self.strangers.queue.capacity() {
            let bindings = &self.bindings;
            self.strangers.queue.retain(|&it| is_waiting(bindings, it));
        }
        self.strangers.queue.push_back(connection);
        if is_too_many {
            self.make_room_at(now, source.ip(), connection, application);
        }
        let free = self
            .bindings
            .len()
            .saturating_sub(self.connected() + self.waiting);
        if free < self.strangers.kept_free {
            self.crowd_out(now, connection, application);
        }
    }

    /// The oldest stranger of the address goes: a client among them says who it is at once and is none for long.
    fn make_room_at<A: Application>(
        &mut self,
        now: Now,
        address: IpAddr,
        newest: ConnectionId,
        application: &mut A,
    ) {
        let Self {
            strangers,
            bindings,
            waiting,
            ..
        } = self;
        // Those that are gone must not stand before those that are looked at.
        if strangers.queue.len() >= *waiting + STRANGERS_LOOKED_AT / 2 {
            strangers.queue.retain(|&it| is_waiting(bindings, it));
        }
        let is_of_address = |it: &&ConnectionId| {
            matches!(bindings[it.slot as usize], Binding::Waiting(waiting)
                if waiting.connection == **it && waiting.source.ip() == address)
        };
        let mut looked_at = strangers.queue.iter().take(STRANGERS_LOOKED_AT);
        let oldest = looked_at.find(is_of_address).copied().unwrap_or(newest);
        self.refuse(now, oldest, Stranger::TooMany, None, application);
    }

    /// The oldest stranger goes, unless it is the newest.
    fn crowd_out<A: Application>(&mut self, now: Now, newest: ConnectionId, application: &mut A) {
        while let Some(oldest) = self.strangers.queue.pop_front() {
            if oldest == newest {
                return self.strangers.queue.push_front(newest);
            }
            if is_waiting(&self.bindings, oldest) {
                return self.refuse(now, oldest, Stranger::Crowded, None, application);
            }
        }
    }

    /// The stranger's binding is gone.
    pub(super) fn stranger_left(&mut self, waiting: &Waiting) {
        if waiting.is_counted {
            self.strangers.left(waiting.source.ip());
        }
        if let Some(peer) = waiting.candidate {
            self.peers[peer as usize].candidate = None;
        }
    }

    /// Whether what the stranger sent may be looked at now; later `look_at_strangers` does.
    pub(super) fn may_speak(&mut self, now: Now, connection: ConnectionId) -> bool {
        let Binding::Waiting(waiting) = &mut self.bindings[connection.slot as usize] else {
            return true;
        };
        if waiting.connection != connection || waiting.candidate.is_some() {
            return false;
        }
        let delay_ns = self.strangers.delay_ns(waiting.source.ip(), now);
        if now.mono_ns >= waiting.since_ns + delay_ns {
            return true;
        }
        self.traffic.logons_delayed += !waiting.is_delayed as u64;
        waiting.is_delayed = true;
        false
    }

    /// So many of its bytes are no beginning of a message, and so many may be one; false: too many.
    pub(super) fn may_go_on(&mut self, connection: ConnectionId, junk: usize, rest: usize) -> bool {
        match &mut self.bindings[connection.slot as usize] {
            Binding::Waiting(waiting) if waiting.connection == connection => {
                waiting.junk_bytes += junk;
                waiting.junk_bytes + rest <= crate::limits::STRANGER_BYTES_MAX
            }
            _ => true,
        }
    }

    /// Drops a connection without a byte. `at`: the peer that it named, if it came so far.
    pub(super) fn refuse<A: Application>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        why: Stranger,
        at: Option<usize>,
        application: &mut A,
    ) {
        let Binding::Waiting(waiting) = self.unbind(connection) else {
            return;
        };
        let source = waiting.source.ip();
        if why.is_guess() {
            self.strangers.failed(source, now);
        }
        self.sockets.close(connection, true);
        self.tell_stranger(now, source, why, at, application);
    }

    /// The logon of a peer that is connected already: where its plan says so the old connection is asked for a sign of life, and the
    /// new one waits for it. Says whether it waits.
    pub(super) fn begin_takeover<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        connection: ConnectionId,
        application: &mut A,
    ) -> bool {
        let peer = &mut self.peers[at];
        let wait_ns = peer.fix().takeover_s as u64 * NS_PER_S;
        let is_live = matches!(
            peer.session.state(),
            State::Active(_) | State::LogoutSent { .. }
        );
        if wait_ns == 0 || !is_live || peer.candidate.is_some() {
            return false;
        }
        let Binding::Waiting(waiting) = &mut self.bindings[connection.slot as usize] else {
            return false;
        };
        waiting.candidate = Some(at as u32);
        waiting.deadline_ns = waiting.deadline_ns.max(now.mono_ns + wait_ns + NS_PER_S);
        let source = waiting.source.ip();
        peer.candidate = Some(connection);
        self.tell_stranger(now, source, Stranger::Candidate, Some(at), application);
        self.actions.clear();
        self.peers[at]
            .session
            .probe(now, wait_ns, &mut self.actions);
        self.perform(at, now, application);
        true
    }

    /// A bounded number of strangers in turn: whose time is over, whose wait, whose rival.
    pub(super) fn look_at_strangers<A: Application>(&mut self, now: Now, application: &mut A) {
        if self.waiting == 0 {
            return;
        }
        for _ in 0..SESSION_TIMERS_PER_TICK.min(self.bindings.len()) {
            let slot = self.next_binding;
            self.next_binding = (slot + 1) % self.bindings.len();
            let Binding::Waiting(waiting) = self.bindings[slot] else {
                continue;
            };
            let connection = waiting.connection;
            if let Some(peer) = waiting.candidate {
                self.look_at_candidate(now, connection, peer as usize, application);
            } else if now.mono_ns >= waiting.deadline_ns {
                self.refuse(now, connection, Stranger::LogonTimeout, None, application);
            } else if waiting.is_delayed && self.may_speak(now, connection) {
                self.on_readable(now, connection, application);
            }
        }
    }

    fn look_at_candidate<A: Application>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        at: usize,
        application: &mut A,
    ) {
        let peer = &mut self.peers[at];
        let is_silent = match peer.session.state() {
            State::Active(live) | State::LogoutSent { live, .. } => {
                live.probe_deadline_ns.is_some()
            }
            _ => true,
        };
        if peer.connection.is_none() {
            peer.candidate = None;
            if let Binding::Waiting(waiting) = &mut self.bindings[connection.slot as usize] {
                waiting.candidate = None;
            }
            self.on_readable(now, connection, application);
        } else if !is_silent {
            self.refuse(
                now,
                connection,
                Stranger::DuplicateLogon,
                Some(at),
                application,
            );
        }
    }
}

fn is_waiting(bindings: &[Binding], connection: ConnectionId) -> bool {
    matches!(bindings[connection.slot as usize], Binding::Waiting(waiting) if waiting.connection == connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ns: u64) -> Now {
        let wall_ns = 0;
        Now { mono_ns, wall_ns }
    }

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn failures_delay_and_are_forgotten() {
        let mut strangers = Strangers::new(64, 4, u64::MAX);
        for _ in 0..LOGON_FAILURES_FREE {
            assert_eq!(strangers.delay_ns(address(1), at(5)), 0);
            strangers.failed(address(1), at(5));
        }
        let mut before = LOGON_DELAY_NS_MIN / 2;
        for _ in 0..6 {
            let delay = strangers.delay_ns(address(1), at(5));
            assert_eq!(delay, 2 * before);
            before = delay;
            strangers.failed(address(1), at(5));
        }
        for _ in 0..100 {
            strangers.failed(address(1), at(5));
        }
        assert_eq!(strangers.delay_ns(address(1), at(5)), LOGON_DELAY_NS_MAX);
        assert_eq!(strangers.delay_ns(address(2), at(5)), 0);
        // Where little time is left for a logon the wait is shorter.
        let mut hurried = Strangers::new(64, 4, 1_000_000_000);
        (0..100).for_each(|_| hurried.failed(address(1), at(5)));
        assert_eq!(hurried.delay_ns(address(1), at(5)), 500_000_000);
        let later = at(5 + LOGON_FAILURES_FORGOTTEN_NS);
        assert_eq!(strangers.delay_ns(address(1), later), 0);
        strangers.failed(address(1), later);
        assert_eq!(strangers.delay_ns(address(1), later), 0);
    }

    #[test]
    fn the_table_of_addresses_is_bounded_and_forgets_the_quiet_ones() {
        let mut strangers = Strangers::new(64, 4, u64::MAX);
        let memory = strangers.sources.capacity();
        for _ in 0..=LOGON_FAILURES_FREE {
            strangers.failed(address(0), at(1));
        }
        assert_eq!(strangers.came(address(7), at(2)), (true, false));
        for n in 8..10 * SOURCES_MAX as u32 {
            strangers.failed(address(n), at(n as u64));
        }
        assert_eq!(strangers.sources.len(), SOURCES_MAX);
        assert_eq!(strangers.sources.capacity(), memory);
        assert_eq!(strangers.delay_ns(address(0), at(5000)), 0, "forgotten");
        let waits = strangers.sources.iter().any(|it| it.address == address(7));
        assert!(waits, "one with a connection is not forgotten");
    }

    #[test]
    fn one_address_has_only_so_many() {
        let mut strangers = Strangers::new(64, 20, u64::MAX);
        for _ in 0..20 {
            assert_eq!(strangers.came(address(1), at(1)), (true, false));
        }
        assert_eq!(strangers.came(address(1), at(1)), (true, true));
        assert_eq!(strangers.came(address(2), at(1)), (true, false));
        strangers.left(address(1));
        strangers.left(address(1));
        assert_eq!(strangers.came(address(1), at(1)), (true, false));
    }
}
