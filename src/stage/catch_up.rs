//! Sending to peers: at once where the peer is up to date, from the log where it is behind.
//!
//! Part of the switchboard, same thread. A resend and a slow peer are one mechanism: a cursor over the numbers that the peer
//! has not been sent (again). New messages join the log behind the cursor, so that nothing overtakes. Bounded per duty cycle.

use super::application::{Application, Closed, PeerEvent, Traffic};
use super::peer::Peer;
use super::sent::Stored;
use super::switchboard::Switchboard;
use crate::domain::Now;
use crate::domain::time::NS_PER_S;
use crate::io::{ConnectionId, Sockets};
use crate::limits::{
    CATCH_UP_MESSAGES_PER_CYCLE, CATCH_UP_MESSAGES_PER_TURN, CATCH_UP_TURNS_PER_CYCLE,
    FRAME_BYTES_MAX, SLOW_CONSUMER_TIMEOUT_S,
};
use crate::session::resend::RESEND_GROWTH_BYTES;
use crate::session::{ResendPolicy, ResendTools, Step};

/// What became of one step of a cursor.
enum Progress {
    /// One number further.
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
        let Some(connection) = peer.connection else {
            return;
        };
        if peer.cursor.is_open() {
            return peer.cursor.extend(number);
        }
        let (Stored::Application(position) | Stored::Administrative(position)) =
            peer.sent.get(number)
        else {
            return;
        };
        let Some(record) = self.log.read_back(position) else {
            return;
        };
        if !transmit_bytes(
            &mut self.sockets,
            now,
            peer,
            &mut self.traffic,
            connection,
            record.body,
        ) {
            peer.cursor.extend(number);
            self.fall_behind(at, now);
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
        self.peers[at].cursor.request(begin, end);
        self.fall_behind(at, now);
        if self.peers[at].resend == ResendPolicy::GapFillAll {
            self.tell(at, now, PeerEvent::GapFilled { begin, end }, application);
        }
    }

    /// Serves the peers that are behind, in turn: a bounded number of messages each, and of all together.
    pub(super) fn serve_behind<A: Application>(&mut self, now: Now, application: &mut A) -> usize {
        let mut work = 0;
        for _ in 0..CATCH_UP_TURNS_PER_CYCLE.min(self.serving.len()) {
            if work >= CATCH_UP_MESSAGES_PER_CYCLE {
                break;
            }
            if self.next_serving >= self.serving.len() {
                self.next_serving = 0;
            }
            let at = self.serving[self.next_serving];
            work += self.serve(at, now, application);
            if self.peers[at].cursor.is_open() {
                self.next_serving += 1;
            } else {
                self.serving.swap_remove(self.next_serving);
            }
        }
        work
    }

    fn fall_behind(&mut self, at: usize, now: Now) {
        self.peers[at].progress_ns = now.mono_ns;
        if !self.serving.contains(&at) {
            self.serving.push(at);
        }
    }

    fn serve<A: Application>(&mut self, at: usize, now: Now, application: &mut A) -> usize {
        for done in 0..CATCH_UP_MESSAGES_PER_TURN {
            let Some(number) = self.peers[at].cursor.wanted() else {
                return done;
            };
            match self.step(at, now, number) {
                Progress::Forward => self.peers[at].progress_ns = now.mono_ns,
                Progress::Full => {
                    let waited_ns = now.mono_ns.saturating_sub(self.peers[at].progress_ns);
                    if waited_ns >= SLOW_CONSUMER_TIMEOUT_S * NS_PER_S {
                        self.disconnect(at, now, Closed::SlowConsumer, true, application);
                    }
                    return done;
                }
                Progress::OutOfReach => {
                    self.disconnect(at, now, Closed::SlowConsumer, true, application);
                    return done;
                }
            }
        }
        CATCH_UP_MESSAGES_PER_TURN
    }

    /// The next step of a peer that is behind: its message `number`.
    fn step(&mut self, at: usize, now: Now, number: u64) -> Progress {
        let peer = &mut self.peers[at];
        let Some(connection) = peer.connection else {
            peer.cursor.cancel();
            return Progress::Forward;
        };
        if self.sockets.send_room(connection) < FRAME_BYTES_MAX + RESEND_GROWTH_BYTES {
            return Progress::Full;
        }
        let stored = match peer.sent.get(number) {
            Stored::Application(position) | Stored::Administrative(position) => {
                self.log.read_back(position).map(|record| record.body)
            }
            Stored::Gone => None,
        };
        let repeats = peer.cursor.is_repeating();
        if stored.is_none() {
            if !repeats {
                return Progress::OutOfReach;
            }
            self.traffic.resend_lost += (peer.resend == ResendPolicy::Replay) as u64;
        }
        let mut tools = ResendTools {
            ids: &peer.ids,
            policy: peer.resend,
            last_processed: peer.session.last_processed(),
            now,
            time: &mut self.times[peer.precision as usize],
            out: &mut self.buffer,
        };
        let bytes = match peer.cursor.step(stored, &mut tools) {
            Ok(Step::Nothing) => return Progress::Forward,
            Ok(Step::Send(range)) => &self.buffer[range],
            Ok(Step::SendStored) => stored.unwrap_or_default(),
            Err(_) => return Progress::OutOfReach,
        };
        self.traffic.resent += repeats as u64;
        peer.resent += repeats as u64;
        // There was room for the longest frame: this fails only for a connection that is just going away.
        transmit_bytes(
            &mut self.sockets,
            now,
            peer,
            &mut self.traffic,
            connection,
            bytes,
        );
        Progress::Forward
    }
}

fn transmit_bytes<S: Sockets>(
    sockets: &mut S,
    now: Now,
    peer: &mut Peer,
    traffic: &mut Traffic,
    connection: ConnectionId,
    bytes: &[u8],
) -> bool {
    let taken = sockets.send(connection, bytes);
    if taken {
        peer.messages_out += 1;
        peer.last_out_wall_ns = now.wall_ns;
        peer.bytes_out += bytes.len() as u64;
        traffic.frames_out += 1;
        traffic.bytes_out += bytes.len() as u64;
    }
    taken
}
