//! Sending to peers: at once where the peer is up to date, from the log where it is behind.
//!
//! Part of the switchboard, same thread. A resend and a slow peer are one mechanism: a cursor over the numbers that the peer
//! has not been sent (again). New messages join the log behind the cursor, so that nothing overtakes. What left the log's memory comes
//! from disk (see `archive`). Bounded per duty cycle, in messages and bytes; repeating is paced, per session and in all.

use super::application::{Application, Closed, PeerEvent, Traffic};
use super::archive::{OnDisk, Outcome};
use super::pace::Judgement;
use super::peer::Peer;
use super::sent::Stored;
use super::switchboard::Switchboard;
use crate::domain::time::NS_PER_S;
use crate::domain::{Durability, Now};
use crate::io::{ConnectionId, Sockets};
use crate::journal::{Log, RecordKind};
use crate::limits::{
    CATCH_UP_BYTES_PER_CYCLE, CATCH_UP_MESSAGES_PER_CYCLE, CATCH_UP_MESSAGES_PER_TURN,
    CATCH_UP_TURNS_PER_CYCLE, FRAME_BYTES_MAX, RESEND_DISK_PATIENCE_NS, RESEND_DISK_RETRY_NS,
    RESEND_MESSAGES_PER_CYCLE, RESEND_MESSAGES_PER_S, RESEND_MESSAGES_PER_S_TOTAL,
    SLOW_CONSUMER_TIMEOUT_S,
};
use crate::session::resend::RESEND_GROWTH_BYTES;
use crate::session::{ResendPolicy, ResendTools, Step};
use crate::wire::fix::{MsgType, parse};

/// What became of one step of a cursor.
enum Progress {
    /// One number further, and so many bytes.
    Forward(usize),
    /// The socket takes nothing now.
    Full,
    /// Not now: the pace, the cycle's budget, or the disk.
    Wait,
    /// What is due for the first time is out of reach: the peer was too slow for the log.
    OutOfReach,
}

/// What may still be sent in this cycle to peers that are behind.
struct Budget {
    first_time: usize,
    repeated: usize,
    bytes: usize,
}

impl Budget {
    const CYCLE: Self = Self {
        first_time: CATCH_UP_MESSAGES_PER_CYCLE,
        repeated: RESEND_MESSAGES_PER_CYCLE,
        bytes: CATCH_UP_BYTES_PER_CYCLE,
    };

    fn admits(&self, repeats: bool) -> bool {
        let messages = if repeats {
            self.repeated
        } else {
            self.first_time
        };
        messages > 0 && self.bytes > 0
    }

    fn take(&mut self, repeats: bool, bytes: usize) {
        *(if repeats {
            &mut self.repeated
        } else {
            &mut self.first_time
        }) -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn is_spent(&self) -> bool {
        self.bytes == 0 || self.repeated == 0 && self.first_time == 0
    }
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
        let Stored::Recent(position) = peer.sent.get(number) else {
            return;
        };
        if peer.fix().durability == Durability::Host && !may_leave(&mut self.log, position) {
            // It waits where what a slow peer does not take waits.
            peer.cursor.extend(number);
            return self.fall_behind(at, now);
        }
        let peer = &mut self.peers[at];
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

    /// The connection is about to be closed, and the peer behind: a Logout that was our last word goes before what it will ask
    /// for when it is back.
    pub(super) fn say_goodbye(&mut self, at: usize, now: Now) {
        let Self {
            peers,
            sockets,
            log,
            traffic,
            scratch,
            ..
        } = self;
        let peer = &mut peers[at];
        let (last, Some(connection)) = (peer.sent.next() - 1, peer.connection) else {
            return;
        };
        if peer.cursor.last_sent(last) == last {
            return; // it went
        }
        let Stored::Recent(position) = peer.sent.get(last) else {
            return;
        };
        let Some(record) = log.read_back(position) else {
            return;
        };
        let kind = parse(record.body, scratch).map(|message| message.msg_type());
        if kind == Ok(MsgType::LOGOUT) {
            transmit_bytes(sockets, now, peer, traffic, connection, record.body);
        }
    }

    /// The peer asks for `begin..=end` again. Says whether the session goes on.
    pub(super) fn resend<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        begin: u64,
        end: u64,
        application: &mut A,
    ) -> bool {
        let peer = &mut self.peers[at];
        if peer.resend == ResendPolicy::GapFillAll {
            // What never left is no gap: it goes out, and the peer has it once.
            let end = peer.cursor.last_sent(end);
            if begin <= end {
                peer.cursor.request(begin, end);
                self.fall_behind(at, now);
                self.tell(at, now, PeerEvent::GapFilled { begin, end }, application);
            }
            return true;
        }
        let judgement = peer.requests.judge(now, &peer.cursor, begin, end);
        match judgement {
            Judgement::Honour => {
                peer.cursor.request(begin, end);
                self.fall_behind(at, now);
            }
            Judgement::UnderWay => self.traffic.resends_merged += 1,
            Judgement::Ignore | Judgement::End => {
                let event = PeerEvent::ResendIgnored { begin, end };
                self.tell(at, now, event, application);
            }
        }
        judgement != Judgement::End
    }

    /// Serves the peers that are behind, in turn: a bounded number of messages and bytes each, and of all together.
    pub(super) fn serve_behind<A: Application>(&mut self, now: Now, application: &mut A) -> usize {
        self.take_answers(now);
        if self.serving.is_empty() {
            return 0;
        }
        let mut budget = Budget::CYCLE;
        if !self.pace.admits(now, RESEND_MESSAGES_PER_S_TOTAL) {
            budget.repeated = 0;
        }
        let mut work = 0;
        // Who comes after the last one that got something is the first the next time; where nobody got anything, others are looked at.
        let mut behind_last = None;
        for _ in 0..CATCH_UP_TURNS_PER_CYCLE.min(self.serving.len()) {
            if budget.is_spent() {
                break;
            }
            if self.next_serving >= self.serving.len() {
                self.next_serving = 0;
            }
            let at = self.serving[self.next_serving];
            let done = self.serve(at, now, &mut budget, application);
            work += done;
            let peer = &mut self.peers[at];
            if peer.cursor.is_open() {
                self.next_serving += 1;
            } else {
                peer.is_served = false;
                self.serving.swap_remove(self.next_serving);
                self.give_up_disk(at);
            }
            if done > 0 {
                behind_last = Some(self.next_serving);
            }
        }
        self.next_serving = behind_last.unwrap_or(self.next_serving);
        work
    }

    fn fall_behind(&mut self, at: usize, now: Now) {
        let peer = &mut self.peers[at];
        peer.progress_ns = now.mono_ns;
        if !peer.is_served {
            peer.is_served = true;
            self.serving.push(at);
        }
    }

    fn serve<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        budget: &mut Budget,
        application: &mut A,
    ) -> usize {
        for done in 0..CATCH_UP_MESSAGES_PER_TURN {
            let peer = &self.peers[at];
            let Some(number) = peer.cursor.wanted() else {
                return done;
            };
            let repeats = peer.cursor.is_repeating();
            if !budget.admits(repeats) {
                return done;
            }
            match self.step(at, now, number) {
                Progress::Forward(bytes) => {
                    self.peers[at].progress_ns = now.mono_ns;
                    budget.take(repeats, bytes);
                }
                Progress::Wait => {
                    self.peers[at].progress_ns = now.mono_ns;
                    return done;
                }
                Progress::Full => {
                    let waited_ns = now.mono_ns.saturating_sub(self.peers[at].progress_ns);
                    if waited_ns >= SLOW_CONSUMER_TIMEOUT_S * NS_PER_S {
                        self.disconnect(at, now, Closed::SlowConsumer, true, application);
                    } else if self.archive.as_ref().is_some_and(|it| it.is_exhausted()) {
                        // Others wait for what it cannot take now.
                        self.give_up_disk(at);
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
            return Progress::Forward(0);
        };
        let repeats = peer.cursor.is_repeating();
        let is_paced = peer.pace.admits(now, RESEND_MESSAGES_PER_S)
            && self.pace.admits(now, RESEND_MESSAGES_PER_S_TOTAL);
        // First: who reads nothing is slow, whatever else it would have to wait for.
        if self.sockets.send_room(connection) < FRAME_BYTES_MAX + RESEND_GROWTH_BYTES {
            return Progress::Full;
        }
        if repeats && !is_paced {
            return Progress::Wait;
        }
        let place = match peer.resend {
            ResendPolicy::Replay => peer.sent.get(number),
            // Nothing is repeated; but what never left goes as it is.
            ResendPolicy::GapFillAll if repeats => Stored::Gone,
            ResendPolicy::GapFillAll => peer.sent.get(number),
        };
        let mut is_left_out = false;
        if repeats && place == Stored::Gone && peer.resend == ResendPolicy::Replay {
            // There may be a million numbers that were never used.
            let used = peer.sent.used_from(number);
            peer.cursor.pass(used.saturating_sub(1));
            is_left_out = used > number;
        }
        if let Stored::Recent(position) = place
            && peer.fix().durability == Durability::Host
            && !may_leave(&mut self.log, position)
        {
            return Progress::Wait;
        }
        let in_memory = |log: &Log| match place {
            Stored::Recent(position) => log.read_back(position).is_some(),
            Stored::Older => false,
            Stored::Gone => true,
        };
        if !in_memory(&self.log) && !self.is_read(at, now, number) {
            return Progress::Wait;
        }
        let peer = &mut self.peers[at];
        let recent = match place {
            Stored::Recent(position) => self.log.read_back(position).map(|record| record.body),
            Stored::Older | Stored::Gone => None,
        };
        let stored = recent.or_else(|| peer.on_disk.get(number));
        if stored.is_none() {
            if !repeats {
                return Progress::OutOfReach;
            }
            let is_lost = peer.resend == ResendPolicy::Replay && !is_left_out;
            self.traffic.resend_lost += is_lost as u64;
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
            Ok(Step::Nothing) => &[],
            Ok(Step::Send(range)) => &self.buffer[range],
            Ok(Step::SendStored) => stored.unwrap_or_default(),
            Err(_) => return Progress::OutOfReach,
        };
        let is_used_up = peer.on_disk.ends_with(number) && peer.cursor.wanted() != Some(number);
        if repeats {
            peer.pace.take(now, RESEND_MESSAGES_PER_S);
            self.pace.take(now, RESEND_MESSAGES_PER_S_TOTAL);
        }
        let length = bytes.len();
        if length > 0 {
            self.traffic.resent += repeats as u64;
            peer.resent += repeats as u64;
            // There was room for the longest frame: this fails only for a connection that is just going away.
            if self.sockets.send(connection, bytes) {
                count_sent(now, peer, &mut self.traffic, length);
            }
        }
        if is_used_up {
            self.give_up_disk(at);
        }
        Progress::Forward(length)
    }

    /// Whether it is settled what the disk has of message `number`; where not, it is asked.
    fn is_read(&mut self, at: usize, now: Now, number: u64) -> bool {
        let Some(archive) = &mut self.archive else {
            return true;
        };
        let peer = &mut self.peers[at];
        let mut not_yet = false;
        let since_ns = match &peer.on_disk {
            OnDisk::Here(chunk) if chunk.get(number).is_some() => return true,
            OnDisk::Lost { through } if number <= *through => return true,
            OnDisk::Asked { .. } => return false,
            OnDisk::NotYet { retry_ns, .. } if now.mono_ns < *retry_ns => return false,
            OnDisk::NotYet { since_ns, .. } => {
                not_yet = true;
                *since_ns
            }
            OnDisk::Queued if archive.is_exhausted() => return false,
            _ => now.mono_ns,
        };
        if let OnDisk::Here(chunk) = std::mem::take(&mut peer.on_disk) {
            archive.give_back(chunk);
        }
        let anchor = peer.sent.anchor(number);
        if archive.ask(at, peer.incarnation, number, anchor) {
            peer.on_disk = OnDisk::Asked { since_ns };
        } else {
            self.traffic.archive_full += 1;
            let retry_ns = now.mono_ns + RESEND_DISK_RETRY_NS;
            // The patience with the disk goes on; waiting for a chunk is not its fault.
            peer.on_disk = match not_yet {
                true => OnDisk::NotYet { since_ns, retry_ns },
                false => OnDisk::Queued,
            };
        }
        false
    }

    /// What the disk had. What nobody waits for any more goes back.
    fn take_answers(&mut self, now: Now) {
        let Some(archive) = &mut self.archive else {
            return;
        };
        while let Some(chunk) = archive.answer() {
            let peer = &mut self.peers[chunk.peer as usize];
            let OnDisk::Asked { since_ns } = peer.on_disk else {
                archive.give_back(chunk);
                continue;
            };
            if peer.incarnation != chunk.incarnation {
                archive.give_back(chunk);
                continue;
            }
            self.traffic.archive_reads += 1;
            let gone = match chunk.outcome {
                Outcome::Read => None,
                Outcome::NotYet if now.mono_ns - since_ns < RESEND_DISK_PATIENCE_NS => {
                    let retry_ns = now.mono_ns + RESEND_DISK_RETRY_NS;
                    peer.on_disk = OnDisk::NotYet { since_ns, retry_ns };
                    archive.give_back(chunk);
                    continue;
                }
                Outcome::NotYet => Some(chunk.number),
                Outcome::Gone { through } => Some(through),
            };
            peer.on_disk = match gone {
                None => OnDisk::Here(chunk),
                Some(through) => {
                    archive.give_back(chunk);
                    OnDisk::Lost { through }
                }
            };
        }
    }

    /// The peer needs nothing from the disk any more; an answer that is on its way will be dropped.
    pub(super) fn give_up_disk(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        peer.incarnation = peer.incarnation.wrapping_add(1);
        if let (OnDisk::Here(chunk), Some(archive)) =
            (std::mem::take(&mut peer.on_disk), &mut self.archive)
        {
            archive.give_back(chunk);
        }
    }
}

/// Level L1: an application message leaves when its record is on disk, and its causes are. What the session layer says may go at
/// once; behind a message that waits it waits too, since nothing overtakes. What is no longer in memory is on disk.
fn may_leave(log: &mut Log, position: u64) -> bool {
    log.is_durable(position)
        || log
            .read_back(position)
            .is_none_or(|record| record.kind == RecordKind::AdminOut)
}

fn count_sent(now: Now, peer: &mut Peer, traffic: &mut Traffic, bytes: usize) {
    peer.messages_out += 1;
    peer.last_out_wall_ns = now.wall_ns;
    peer.bytes_out += bytes as u64;
    traffic.frames_out += 1;
    traffic.bytes_out += bytes as u64;
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
        count_sent(now, peer, traffic, bytes.len());
    }
    taken
}
