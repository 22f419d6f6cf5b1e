//! What a switchboard's log tells of its sessions after the process is gone: their numbers, what they sent, what was not answered.
//!
//! Pure; fed by a cold thread, at start, with all records of all epochs in order. Peers are told apart by the names in the log, so that
//! a changed configuration mixes no sessions. What always holds:
//!
//! - A record is the act. A number is used once the record of its message is there, whether or not a byte left. A received message
//!   counts as its record says: that is written when the session has decided, and before anything follows from it.
//! - Only the very last record of a process may lack what should have followed. Where that is a message which the application was
//!   not given (a Logon, a request, one to be rejected), it does not count: its peer repeats it, or fills the gap.
//! - A message that the application was given and that caused no record is unanswered; the application is given it again.
//! - An epoch whose sessions did not go on with older numbers began at 1.

use std::collections::{BTreeMap, HashMap};

use super::event_record::{NEW_LOG, Numbers, numbers};
use super::kept::has_place;
use super::peer::anchors;
use super::quick::QuickMap;
use super::sent::SentIndex;
use crate::journal::log::place;
use crate::journal::{LogId, Record, RecordKind, names};
use crate::session::ResetCause;
use crate::wire::fix::{FieldIndex, digits, parse};

/// Channel of records that belong to no session.
const NO_CHANNEL: u16 = u16::MAX;

/// Reads a log, record by record.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct Recovery {
    log: LogId,
    /// Of the plan
    #[serde(skip)]
    anchors: usize,
    /// The last record
    sequence: u64,
    epoch: u16,
    /// When that began, nanoseconds since 1970
    epoch_began_ns: u64,
    peers: Vec<(String, Track)>,
    by_name: HashMap<String, usize>,
    /// Peers of the epoch's channels
    channels: Vec<Option<usize>>,
    places: HashMap<(u16, u16), usize>,
    /// Whose number was expected before the last record, where that may not count
    undo: Option<(usize, u64)>,
    /// What the application was given, by the sequence of its record: whose, in which epoch, and bytes
    unanswered: QuickMap<u64, (usize, u16, Vec<u8>)>,
    /// Records whose outcome was known before they were fed, or before they had their turn, and the epoch that had it
    closed: QuickMap<u64, u16>,
    #[serde(skip, default = "index")]
    index: Box<FieldIndex>,
}

fn index() -> Box<FieldIndex> {
    Box::new(FieldIndex::new())
}

/// What is known of one session.
#[derive(serde::Serialize, serde::Deserialize)]
struct Track {
    next_in: u64,
    next_out: u64,
    began: u8,
    began_wall_ns: u64,
    /// The last epoch that used its numbers
    epoch: Option<u16>,
    sent: SentIndex,
    /// Logged on; where it was, and is not: epoch and record of that, until its outcome is known
    is_on: bool,
    lost: Option<(u16, u64)>,
    /// Came too early and is kept, by its number: the sequence of its record, and bytes. As in the session, the last one that was
    /// kept counts, and there are no more of them than its room is for
    early: BTreeMap<u64, (u64, Vec<u8>)>,
    /// An operator keeps it out
    is_disabled: bool,
}

/// What was found.
pub struct Recovered {
    pub(super) peers: HashMap<String, RecoveredPeer>,
    places: HashMap<(u16, u16), String>,
}

/// One session as its last process left it.
pub struct RecoveredPeer {
    /// The number expected from the peer
    pub next_in: u64,
    /// The number of our next message
    pub next_out: u64,
    /// When the numbers began, nanoseconds since 1970
    pub began_wall_ns: u64,
    /// Messages that the application was given, and of which the log knows no outcome, in the order in which it was given them
    pub unanswered: Vec<Unanswered>,
    /// It was logged on at the end, or was lost and nobody was told: the record of that, or zero
    pub lost: Option<u64>,
    /// An operator keeps it out
    pub is_disabled: bool,
    pub(super) began: u8,
    pub(super) sent: SentIndex,
}

/// A message that the application was given.
pub struct Unanswered {
    /// Start number of the process that received it
    pub epoch: u16,
    /// Its record there
    pub sequence: u64,
    /// As it came
    pub message: Vec<u8>,
}

impl Recovery {
    /// For a log of this kind, of a switchboard with so many peers.
    pub fn new(log: LogId, peers: usize) -> Self {
        Self {
            log,
            anchors: anchors(peers),
            sequence: 0,
            epoch: 0,
            epoch_began_ns: 0,
            peers: Vec::new(),
            by_name: HashMap::new(),
            channels: Vec::new(),
            places: HashMap::new(),
            undo: None,
            unanswered: QuickMap::default(),
            closed: QuickMap::default(),
            index: index(),
        }
    }

    /// One that was saved, for a switchboard of so many peers: there may be others now.
    pub(super) fn sized_for(self, peers: usize) -> Self {
        Self {
            anchors: anchors(peers),
            ..self
        }
    }

    /// The next record; `offset` is its place in the files of its epoch.
    pub fn feed(&mut self, epoch: u16, offset: u64, record: &Record<'_>) {
        if record.kind == RecordKind::Start || epoch != self.epoch {
            self.begin_epoch(epoch, record.time_ns);
        }
        self.undo = None;
        self.sequence = record.sequence;
        match record.kind {
            RecordKind::Names => {
                for (channel, name) in names::read(record) {
                    self.name(channel, name);
                }
            }
            RecordKind::MessageIn => self.received(record),
            kind if kind.is_sent() => self.sent(place(epoch, offset), record),
            RecordKind::Carried => self.carried(record),
            RecordKind::Connection if record.channel != NO_CHANNEL => self.event(record),
            _ => {}
        }
        // What needed its outcome has it; but what is kept waits for its turn.
        if record.kind != RecordKind::MessageIn || record.delivered || !record.kept {
            self.closed.remove(&record.sequence);
        }
    }

    /// Another log has, from process `epoch`, the outcome of the record with this sequence, which may be fed later. A process knows
    /// no record of a later one: where the end of a log was lost, that one uses its sequences again.
    pub fn close(&mut self, epoch: u16, sequence: u64) {
        if let Some((_, of, _)) = self.unanswered.get(&sequence) {
            if *of <= epoch {
                self.unanswered.remove(&sequence);
            }
            return;
        }
        let is_lost = |track: &Track| track.lost.is_some_and(|(_, lost)| lost == sequence);
        match self.peers.iter().position(|(_, track)| is_lost(track)) {
            Some(at) => {
                let track = &mut self.peers[at].1;
                track.lost = track.lost.filter(|(of, _)| *of > epoch);
            }
            None if epoch >= self.epoch && (sequence > self.sequence || self.waits(sequence)) => {
                self.closed.insert(sequence, epoch);
            }
            // It was fed, and nobody waits for its outcome; or it is lost.
            None => {}
        }
    }

    /// Whether it came too early, and its turn has not come.
    fn waits(&self, sequence: u64) -> bool {
        let mut tracks = self.peers.iter().map(|(_, track)| track);
        tracks.any(|track| track.early.values().any(|(of, _)| *of == sequence))
    }

    /// How many outcomes wait for their records, and early messages for their turn.
    pub(super) fn rows(&self) -> [usize; 2] {
        let early = self.peers.iter().map(|(_, track)| track.early.len()).sum();
        [self.closed.len(), early]
    }

    /// Whether the outcome of this record of that epoch is known already, before it is fed.
    pub(super) fn is_known(&self, epoch: u16, sequence: u64) -> bool {
        self.closed.get(&sequence).is_some_and(|by| *by >= epoch)
    }

    fn is_closed(&mut self, epoch: u16, sequence: u64) -> bool {
        self.closed.remove(&sequence).is_some_and(|by| by >= epoch)
    }

    fn give(&mut self, at: usize, epoch: u16, sequence: u64, message: Vec<u8>) {
        if !self.is_closed(epoch, sequence) {
            self.unanswered.insert(sequence, (at, epoch, message));
        }
    }

    /// First epoch that has numbers of a session of these names, or a message without an outcome.
    pub fn oldest_needed(&self, names: &[String]) -> Option<u16> {
        let known = names.iter().filter_map(|name| self.by_name.get(name));
        let numbers = known.filter_map(|at| self.peers[*at].1.epoch);
        let unanswered = self.unanswered.values().map(|(_, epoch, _)| *epoch);
        numbers.chain(unanswered).min()
    }

    /// After the last record.
    pub fn finish(mut self) -> Recovered {
        self.settle();
        let name = |at: &usize| self.peers[*at].0.clone();
        let places = self.places.iter().map(|(of, at)| (*of, name(at))).collect();
        let mut peers: Vec<_> = (self.peers.into_iter())
            .map(|(name, track)| (name, track.finish()))
            .collect();
        let mut unanswered: Vec<_> = self.unanswered.into_iter().collect();
        unanswered.sort_unstable_by_key(|(sequence, _)| *sequence);
        for (sequence, (at, epoch, message)) in unanswered {
            peers[at].1.unanswered.push(Unanswered {
                epoch,
                sequence,
                message,
            });
        }
        Recovered {
            peers: peers.into_iter().collect(),
            places,
        }
    }

    fn begin_epoch(&mut self, epoch: u16, time_ns: u64) {
        self.settle();
        (self.epoch, self.epoch_began_ns) = (epoch, time_ns);
        self.channels.clear();
        // Outcomes that a process had are not those of later ones' records.
        self.closed.retain(|_, by| *by >= epoch);
        for (_, track) in &mut self.peers {
            track.early.clear();
        }
    }

    /// A process ended behind the last record.
    fn settle(&mut self) {
        if let Some((at, next_in)) = self.undo.take() {
            self.peers[at].1.next_in = next_in;
        }
    }

    fn name(&mut self, channel: u16, name: &str) {
        let at = match self.by_name.get(name) {
            Some(&at) => at,
            None => {
                let track = Track::new(self.anchors, self.epoch_began_ns);
                self.peers.push((name.to_owned(), track));
                self.by_name.insert(name.to_owned(), self.peers.len() - 1);
                self.peers.len() - 1
            }
        };
        if self.channels.len() <= channel as usize {
            self.channels.resize(channel as usize + 1, None);
        }
        self.channels[channel as usize] = Some(at);
        self.places.insert((self.epoch, channel), at);
    }

    /// The peer of a channel; one without a name is known by its channel.
    fn peer(&mut self, channel: u16) -> usize {
        if let Some(Some(at)) = self.channels.get(channel as usize) {
            return *at;
        }
        self.name(channel, &format!("#{channel}"));
        self.peer(channel)
    }

    /// The peer of a channel whose numbers are in use in this epoch.
    fn in_use(&mut self, channel: u16) -> (usize, &mut Track) {
        let (at, epoch) = (self.peer(channel), self.epoch);
        let track = &mut self.peers[at].1;
        if track.epoch != Some(epoch) {
            // Its process did not go on with them.
            *track = Track {
                epoch: Some(epoch),
                is_disabled: track.is_disabled,
                ..Track::new(self.anchors, self.epoch_began_ns)
            };
            self.unanswered.retain(|_, (whose, _, _)| *whose != at);
        }
        (at, track)
    }

    fn received(&mut self, record: &Record<'_>) {
        let epoch = self.epoch;
        let (at, track) = self.in_use(record.channel);
        let before = track.expect(record.next_in);
        if record.delivered {
            return self.give(at, epoch, record.sequence, record.body.to_vec());
        }
        self.undo = Some((at, before));
        if !record.kept {
            return;
        }
        let number = parse(record.body, &mut self.index).map_or(None, |it| it.msg_seq_num());
        // Logs of earlier versions call others kept too.
        if let Some(number) = number.filter(|number| has_place(*number, record.next_in)) {
            let kept = (record.sequence, record.body.to_vec());
            self.peers[at].1.early.insert(number, kept);
        }
    }

    fn sent(&mut self, place: u64, record: &Record<'_>) {
        let is_own = record.cause.log == self.log;
        let (_, track) = self.in_use(record.channel);
        let Some(number) = number_of(record.body) else {
            return;
        };
        if number != track.sent.next() {
            track.sent.skip_to(number);
        }
        track.sent.push(number, 0, place);
        track.next_out = number + 1;
        let is_answer = record.kind == RecordKind::MessageOut || is_reject(record.body);
        if is_own && is_answer {
            self.unanswered.remove(&record.cause.sequence);
        }
    }

    fn carried(&mut self, record: &Record<'_>) {
        let at = self.peer(record.channel);
        self.unanswered.remove(&record.cause.sequence);
        self.give(at, self.epoch, record.sequence, record.body.to_vec());
    }

    fn event(&mut self, record: &Record<'_>) {
        let (epoch, what) = (self.epoch, numbers(record.body));
        if let Numbers::Set { .. } = what {
            self.in_use(record.channel);
        }
        let at = self.peer(record.channel);
        let track = &mut self.peers[at].1;
        match what {
            Numbers::Began { began, wall_ns } => {
                (track.began, track.began_wall_ns) = (began, wall_ns);
                return;
            }
            Numbers::LoggedOn => {
                (track.is_on, track.lost) = (true, None);
                return;
            }
            Numbers::LoggedOut => {
                let is_closed = self.is_closed(epoch, record.sequence);
                let track = &mut self.peers[at].1;
                track.is_on = false;
                track.lost = (!is_closed).then_some((epoch, record.sequence));
                return;
            }
            Numbers::Disabled(is_disabled) => {
                track.is_disabled = is_disabled;
                return;
            }
            Numbers::Resumed { next_in, next_out } => {
                (track.next_in, track.next_out) = (next_in, next_out);
                track.epoch = Some(epoch);
                if track.sent.next() != next_out {
                    track.sent.skip_to(next_out);
                }
                return;
            }
            _ if track.epoch != Some(epoch) => return,
            _ => {}
        }
        match what {
            Numbers::Set {
                cause,
                next_in,
                next_out,
            } => {
                track.next_out = next_out;
                if track.sent.next() != next_out {
                    track.sent.reset(next_out);
                }
                track.early.clear();
                if record.cause.log == LogId::None {
                    track.next_in = next_in;
                } // else the record of the message that caused it has said what is expected
                if cause != ResetCause::PeerSequenceReset as u8 {
                    (track.began, track.began_wall_ns) = (cause, record.time_ns);
                }
            }
            Numbers::Renewed => track.began_wall_ns = record.time_ns,
            Numbers::Disconnected => track.early.clear(),
            Numbers::NoAnswer => {
                self.unanswered.remove(&record.cause.sequence);
            }
            Numbers::Turn {
                number,
                next_in,
                delivered,
            } => {
                let sequence = record.cause.sequence;
                let kept = track.early.remove(&number);
                let before = track.expect(next_in);
                match kept.filter(|(kept, _)| *kept == sequence) {
                    Some((_, message)) if delivered => {
                        self.give(at, epoch, sequence, message);
                    }
                    _ => {
                        self.undo = Some((at, before));
                        self.closed.remove(&sequence);
                    }
                }
            }
            Numbers::LoggedOn
            | Numbers::LoggedOut
            | Numbers::Disabled(_)
            | Numbers::Rejected { .. }
            | Numbers::Began { .. }
            | Numbers::Resumed { .. }
            | Numbers::Other => {}
        }
    }
}

impl Track {
    fn new(anchors: usize, began_wall_ns: u64) -> Self {
        Self {
            next_in: 1,
            next_out: 1,
            began: NEW_LOG,
            began_wall_ns,
            epoch: None,
            sent: SentIndex::new(1, anchors, 1),
            is_on: false,
            lost: None,
            early: BTreeMap::new(),
            is_disabled: false,
        }
    }

    /// Its session expects this number now; returns which it expected before. What was kept below has been overtaken.
    fn expect(&mut self, next_in: u64) -> u64 {
        while let Some(kept) = self.early.first_entry() {
            if *kept.key() >= next_in {
                break;
            }
            kept.remove();
        }
        std::mem::replace(&mut self.next_in, next_in)
    }

    fn finish(self) -> RecoveredPeer {
        RecoveredPeer {
            next_in: self.next_in,
            next_out: self.next_out,
            began_wall_ns: self.began_wall_ns,
            unanswered: Vec::new(),
            lost: (self.lost.map(|(_, record)| record)).or(self.is_on.then_some(0)),
            is_disabled: self.is_disabled,
            began: self.began,
            sent: self.sent,
        }
    }
}

impl Recovered {
    /// The session of this name.
    pub fn peer(&self, name: &str) -> Option<&RecoveredPeer> {
        self.peers.get(name)
    }

    /// Numbers of ours that may have been used and are not in the log: none of them is used again.
    pub fn skip(&mut self, numbers: u64) {
        for peer in self.peers.values_mut() {
            peer.next_out += numbers;
            peer.sent.skip_to(peer.next_out);
        }
    }

    /// Of these sessions, those that were logged on at the end or were lost untold, and the record of that.
    pub fn lost(&self, names: &[String]) -> Vec<(usize, u64)> {
        let lost = |(at, name): (usize, &String)| Some((at, self.peer(name)?.lost?));
        names.iter().enumerate().filter_map(lost).collect()
    }

    /// Which of these `names` the channels of earlier epochs belong to: by epoch and channel. For the reader of old messages.
    pub fn channels(&self, names: &[String]) -> HashMap<(u16, u16), u32> {
        let by_name: HashMap<&str, u32> =
            (0..).zip(names).map(|(at, name)| (&**name, at)).collect();
        let places = self.places.iter();
        places
            .filter_map(|(place, name)| Some((*place, *by_name.get(&**name)?)))
            .collect()
    }
}

/// MsgSeqNum(34) of a message of ours: it stands behind 8, 9 and 35.
pub(super) fn number_of(message: &[u8]) -> Option<u64> {
    let value = message
        .splitn(5, |&b| b == 1)
        .nth(3)?
        .strip_prefix(b"34=")?;
    digits(value)
}

/// Whether a message of ours is a Reject(35=3).
fn is_reject(message: &[u8]) -> bool {
    message.splitn(4, |&b| b == 1).nth(2) == Some(b"35=3")
}

#[cfg(test)]
mod tests;
