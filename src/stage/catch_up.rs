//! Sending to peers: at once where the peer is up to date, from the log where it is behind.
//!
//! Part of the switchboard, same thread. A resend and a slow peer are one mechanism: a cursor over the numbers that the peer
//! has not been sent (again). New messages join the log behind the cursor, so that nothing overtakes. Bounded per duty cycle.

use super::peer::Behind;
use super::sent::Stored;
use super::switchboard::{Application, Closed, PeerEvent, Switchboard};
use crate::domain::Now;
use crate::domain::time::NS_PER_S;
use crate::io::Sockets;
use crate::limits::{CATCH_UP_MESSAGES_PER_CYCLE, FRAME_BYTES_MAX, SLOW_CONSUMER_TIMEOUT_S};
use crate::session::{self, Admin, ResendPolicy};

/// What became of one step of a cursor.
enum Step {
    /// One or more numbers further.
    Forward,
    /// The socket takes nothing now.
    Full,
    /// What is due for the first time is out of reach: the peer was too slow for the log's memory.
    OutOfReach,
}

impl<S: Sockets> Switchboard<S> {
    /// The message with this number was committed: hands it to the socket if the peer is connected and up to date.
    pub(super) fn transmit(&mut self, at: usize, now: Now, number: u64) {
        let peer = &mut self.peers[at];
        let Some(connection) = peer.connection else { return };
        if peer.behind.is_some() {
            return;
        }
        let (Stored::Application(position) | Stored::Administrative(position)) = peer.sent.get(number) else { return };
        let Some(record) = self.log.read_back(position) else { return };
        if self.sockets.send(connection, record.body) {
            peer.messages_out += 1;
            self.traffic.frames_out += 1;
            self.traffic.bytes_out += record.body.len() as u64;
        } else {
            self.fall_behind(at, now, number, number - 1);
        }
    }

    /// The peer asks for `begin..=end` again.
    pub(super) fn resend<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        begin: u64,
        end: u64,
        application: &mut A,
    ) {
        match self.peers[at].resend {
            ResendPolicy::Replay => self.fall_behind(at, now, begin, end),
            ResendPolicy::GapFillAll => {
                let original_wall_ns = now.wall_ns;
                let fill = Admin::GapFill { sequence: begin, new_sequence: end + 1, original_wall_ns };
                self.send_outside_sequence(at, now, &fill);
                if let Some(behind) = &mut self.peers[at].behind {
                    behind.next = behind.next.max(end + 1);
                }
                application.on_event(at, now, PeerEvent::GapFilled { begin, end });
            }
        }
    }

    /// An administrative message under a number of its own choice: not in the log's sequence, best effort.
    pub(super) fn send_outside_sequence(&mut self, at: usize, now: Now, admin: &Admin) {
        let Self { sockets, peers, buffer, time, traffic, .. } = self;
        let peer = &mut peers[at];
        let Some(connection) = peer.connection else { return };
        if let Ok(range) = session::encode::admin(&peer.ids, peer.session.peek_next_out(), admin, now, time, buffer)
            && sockets.send(connection, &buffer[range.clone()])
        {
            peer.messages_out += 1;
            traffic.frames_out += 1;
            traffic.bytes_out += range.len() as u64;
        }
    }

    /// Serves the peers that are behind, a bounded number of messages each.
    pub(super) fn serve_behind<A: Application>(&mut self, now: Now, application: &mut A) -> usize {
        let mut work = 0;
        let mut turn = 0;
        while turn < self.serving.len() {
            let at = self.serving[turn];
            work += self.serve(at, now, application);
            if self.peers[at].behind.is_none() {
                self.serving.swap_remove(turn);
            } else {
                turn += 1;
            }
        }
        work
    }

    fn fall_behind(&mut self, at: usize, now: Now, next: u64, resend_until: u64) {
        let peer = &mut self.peers[at];
        let known = peer.behind.is_some();
        let resend_until = peer.behind.map_or(resend_until, |behind| behind.resend_until.max(resend_until));
        peer.behind = Some(Behind { next, resend_until, progress_ns: now.mono_ns });
        if !known && !self.serving.contains(&at) {
            self.serving.push(at);
        }
    }

    fn serve<A: Application>(&mut self, at: usize, now: Now, application: &mut A) -> usize {
        for done in 0..CATCH_UP_MESSAGES_PER_CYCLE {
            let peer = &mut self.peers[at];
            let Some(behind) = peer.behind else { return done };
            if behind.next >= peer.session.peek_next_out() {
                peer.behind = None;
                return done;
            }
            match self.step(at, now, behind) {
                Step::Forward => {}
                Step::Full => {
                    if now.mono_ns.saturating_sub(behind.progress_ns) >= SLOW_CONSUMER_TIMEOUT_S * NS_PER_S {
                        self.disconnect(at, now, Closed::SlowConsumer, true, application);
                    }
                    return done;
                }
                Step::OutOfReach => {
                    self.disconnect(at, now, Closed::SlowConsumer, true, application);
                    return done;
                }
            }
        }
        CATCH_UP_MESSAGES_PER_CYCLE
    }

    /// Sends the next message of a peer that is behind, or fills the gap up to it.
    fn step(&mut self, at: usize, now: Now, behind: Behind) -> Step {
        let Self { sockets, log, peers, buffer, time, traffic, .. } = self;
        let peer = &mut peers[at];
        let Some(connection) = peer.connection else {
            peer.behind = None;
            return Step::Forward;
        };
        if sockets.send_room(connection) < FRAME_BYTES_MAX {
            return Step::Full;
        }
        let mut advance = |peer: &mut super::peer::Peer, bytes: &[u8], next: u64| {
            // There is room for the longest frame: this fails only for a connection that is just going away.
            if sockets.send(connection, bytes) {
                peer.messages_out += 1;
                traffic.frames_out += 1;
                traffic.bytes_out += bytes.len() as u64;
            }
            peer.behind = Some(Behind { next, progress_ns: now.mono_ns, ..behind });
        };
        let stored = |peer: &super::peer::Peer, number: u64| match peer.sent.get(number) {
            Stored::Application(position) => log.read_back(position).map(|record| (record, true)),
            Stored::Administrative(position) => log.read_back(position).map(|record| (record, false)),
            Stored::Gone => None,
        };
        if behind.next > behind.resend_until {
            let Some((record, _)) = stored(peer, behind.next) else { return Step::OutOfReach };
            advance(peer, record.body, behind.next + 1);
            return Step::Forward;
        }
        if let Some((record, true)) = stored(peer, behind.next) {
            if let Ok(range) = session::resend::rewrite(record.body, now, time, buffer) {
                traffic.resent += 1;
                advance(peer, &buffer[range], behind.next + 1);
                return Step::Forward;
            }
        }
        // Administrative messages, and what is out of reach, collapse into one gap fill. Bounded by the index' size.
        let mut next = behind.next;
        while next <= behind.resend_until && !matches!(peer.sent.get(next), Stored::Application(_)) {
            next += 1;
        }
        let next = next.max(behind.next + 1);
        let fill = Admin::GapFill { sequence: behind.next, new_sequence: next, original_wall_ns: now.wall_ns };
        traffic.resend_lost += (behind.next..next).filter(|&number| stored(peer, number).is_none()).count() as u64;
        match session::encode::admin(&peer.ids, behind.next, &fill, now, time, buffer) {
            Ok(range) => advance(peer, &buffer[range], next),
            Err(_) => peer.behind = Some(Behind { next, ..behind }),
        }
        Step::Forward
    }
}
