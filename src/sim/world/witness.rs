//! Reads every record of the three logs as it appears, and what was handed to sockets, and says where they break the rules.
//!
//! Owned by the world, fed after every turn of the gateway from the windows' reading ends, whatever the journal does. Checked here: nothing is
//! sent before its record stands, numbers are dense on each channel, causes exist, every output is closed at most once (and at
//! the end: exactly once), every report and request is taken up once, no order is ever repeated to a desk.

use std::collections::{HashMap, HashSet};

use ringbuf::byte_log::Reader;

use super::client_ledger::NONSENSE_QUANTITY;
use super::disk::Disk;
use super::fix_text::{self, FixText};
use super::restart;
use super::sockets::Sent;
use crate::domain::order::ClientRequest;
use crate::domain::report::DeskInput;
use crate::journal::{LogId, Record, RecordKind, entry, record};

/// Of the logs' arrays.
pub const CLIENT: usize = 0;
/// See above.
pub const ORDER: usize = 1;
/// See above.
pub const DESK: usize = 2;

/// A record that was seen, kept for telling the story of an order.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which log
    pub log: usize,
    /// Its sequence
    pub sequence: u64,
    /// What it is
    pub kind: RecordKind,
    /// Session or link
    pub channel: u16,
    /// Sequence of its cause
    pub cause: u64,
    /// Its content
    pub body: Vec<u8>,
}

/// One message of a session or link.
type Number = (String, String, u64);

/// What was seen.
#[derive(Default)]
pub struct Witness {
    position: [u64; 3],
    sequence: [u64; 3],
    /// All records
    pub records: Vec<Seen>,
    /// Messages received that the application was given: by log and sequence, whether something followed
    taken: [HashMap<u64, bool>; 3],
    /// Records of received messages, given to the application or not
    received: [HashSet<u64>; 3],
    /// Outputs of the order log's records that are known: desk and client ones
    outputs: HashMap<u64, (u8, u8)>,
    /// Closed outputs, of the client and of the desk log
    closed: [HashSet<(u64, u16)>; 3],
    last_closed: [(u64, u16); 3],
    booked: HashSet<u64>,
    /// End of the record of each message sent, by content
    logged: [HashMap<Vec<u8>, u64>; 3],
    numbers: [HashSet<Number>; 3],
    last_number: HashMap<(usize, u16), u64>,
    waiting: [Vec<Sent>; 3],
    /// Level L1: nothing leaves before its record is durable
    pub waits_for_disk: bool,
    /// The disk has failed: no new order may leave
    pub disk_has_failed: bool,
    /// The highest number ever used on a channel; and, where the end of the logs was lost, the channels that have left some out since
    highest: HashMap<(usize, u16), u64>,
    skipped: Option<HashSet<(usize, u16)>>,
    /// What is read is known: only what it leads to counts
    is_told_again: bool,
    /// It closes an output that is gone
    is_anothers: bool,
    /// Ends of records in the present windows
    ends: [Vec<(u64, u64)>; 3],
    /// Whose the requests are, by order id, and the order log's records; `None`: anybody's
    owners: HashMap<u64, usize>,
    owners_of_records: HashMap<u64, Option<usize>>,
    /// Under which ids an order of a client was sent to the desk
    sendings: HashMap<(usize, Vec<u8>), Vec<u64>>,
    /// Inputs that came from desks
    of_desks: HashSet<u64>,
    /// Requests that were reported in doubt, and of which no desk has spoken since
    pub doubtful: HashSet<u64>,
    /// What clients were told of the market: the order log's records that led to it
    told: Vec<(u64, String)>,
    copied: HashSet<(u64, u16, u16)>,
    /// Requests of the day before ended with it: those of records up to this one
    ended_through: u64,
}

/// What went with the host.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    /// Records, log by log
    pub records: [u64; 3],
    /// Whose orders it may be about; all of them, where it is not known
    pub whose: Vec<Option<usize>>,
}

impl Witness {
    /// Nothing was seen yet.
    pub fn new(waits_for_disk: bool) -> Self {
        Self {
            waits_for_disk,
            ..Self::default()
        }
    }

    /// A new process begins with windows of its own.
    pub fn new_windows(&mut self) {
        self.position = [0; 3];
        self.ends = Default::default();
        self.disk_has_failed = false;
        for log in [CLIENT, DESK] {
            self.logged[log].clear();
            self.waiting[log].clear();
        }
    }

    /// The host went down: what is known is what the disk has. What was durable by the gateway's own word, up to these positions, must
    /// be there; what is missing is told.
    pub fn lose_host(&mut self, disk: &Disk, durable: [u64; 3]) -> Result<Lost, String> {
        let records = restart::records(disk)?;
        let mut kept = [0; 3];
        for placed in &records {
            kept[placed.log] = placed.record.sequence;
        }
        for (log, kept) in kept.into_iter().enumerate() {
            let safe = self.ends[log].iter().rev();
            let safe = safe.clone().find(|(end, _)| *end <= durable[log]);
            if let Some((_, safe)) = safe.filter(|(_, safe)| *safe > kept) {
                return Err(format!(
                    "record {safe} of log {log} was durable, and the disk has only {kept}"
                ));
            }
        }
        let mut lost = Lost::default();
        for seen in self.records.iter().filter(|it| it.sequence > kept[it.log]) {
            lost.records[seen.log] += 1;
            let owner = |sequence: u64| self.owners_of_records.get(&sequence).copied().flatten();
            match (seen.log, seen.kind) {
                (CLIENT, RecordKind::MessageOut | RecordKind::CopyOut) => {
                    lost.whose.push(Some(seen.channel as usize));
                }
                (ORDER, RecordKind::ClientInput | RecordKind::DeskInput) => {
                    lost.whose.push(owner(seen.sequence));
                }
                (ORDER, RecordKind::Continuation) => lost.whose.push(None),
                (DESK, RecordKind::MessageOut) => lost.whose.push(owner(seen.cause)),
                _ => {}
            }
        }
        let mut after = Self {
            is_told_again: true,
            waits_for_disk: self.waits_for_disk,
            owners: std::mem::take(&mut self.owners),
            sendings: std::mem::take(&mut self.sendings),
            ended_through: self.ended_through.min(kept[ORDER]),
            ..Self::default()
        };
        // What was found wrong about them was found when they were written. Where the end of the order log was lost before, its sequences
        // were used again: what an earlier process closed was another's.
        let of_order = records.iter().filter(|placed| placed.log == ORDER);
        let epochs: HashMap<u64, u16> = of_order
            .map(|placed| (placed.record.sequence, placed.epoch))
            .collect();
        for log in [CLIENT, DESK, ORDER] {
            for placed in records.iter().filter(|placed| placed.log == log) {
                let cause = &placed.record.cause;
                let epoch = epochs.get(&cause.sequence);
                after.is_anothers = log != ORDER
                    && cause.log == LogId::Order
                    && epoch.is_none_or(|epoch| *epoch > placed.epoch);
                let _ = after.take(log, 0, &placed.record);
            }
            after.last_closed[log] = (0, 0);
        }
        after.is_anothers = false;
        after.is_told_again = false;
        after.highest = std::mem::take(&mut self.highest);
        after.skipped = Some(HashSet::new());
        after.told.clear();
        *self = after;
        self.new_windows();
        Ok(lost)
    }

    /// A day began anew: requests of the one before that did not leave ended with it.
    pub fn new_day(&mut self) {
        self.ended_through = self.sequence[ORDER];
    }

    /// Sequence of the last record of each log.
    pub fn sequences(&self) -> [u64; 3] {
        self.sequence
    }

    /// Sees what is new in a window, up to `limit`.
    pub fn observe(&mut self, log: usize, reader: &mut Reader, limit: u64) -> Result<(), String> {
        for run in reader.readable() {
            for frame in run.frames() {
                if frame.position < self.position[log] || frame.end() > limit {
                    continue;
                }
                self.position[log] = frame.end();
                let end = frame.end();
                let (record, _) = record::view(frame.bytes)
                    .map_err(|error| format!("log {log}: a record cannot be read: {error}"))?;
                self.ends[log].push((end, record.sequence));
                self.take(log, end, &record)
                    .map_err(|what| format!("{what}; record {log}/{}", record.sequence))?;
            }
        }
        Ok(())
    }

    fn take(&mut self, log: usize, end: u64, record: &Record<'_>) -> Result<(), String> {
        if record.sequence != self.sequence[log] + 1 {
            return Err(format!("sequence {} is due", self.sequence[log] + 1));
        }
        self.sequence[log] = record.sequence;
        self.records.push(Seen {
            log,
            sequence: record.sequence,
            kind: record.kind,
            channel: record.channel,
            cause: record.cause.sequence,
            body: record.body.to_vec(),
        });
        match record.kind {
            RecordKind::MessageIn => {
                self.received[log].insert(record.sequence);
                if record.delivered {
                    self.taken[log].insert(record.sequence, false);
                }
            }
            RecordKind::MessageOut | RecordKind::AdminOut => {
                self.logged[log].insert(record.body.to_vec(), end);
                let message = read(record.body)?;
                self.number(log, record, &message)?;
                if record.kind == RecordKind::MessageOut {
                    self.close(log, record)?;
                    self.note_told(log, record, &message)?;
                } else if log == CLIENT || log == DESK {
                    // A Reject answers a message.
                    self.follow(log, record, log);
                }
            }
            RecordKind::CopyOut => {
                self.logged[log].insert(record.body.to_vec(), end);
                self.number(log, record, &read(record.body)?)?;
                let copy = (record.cause.sequence, record.cause.output, record.channel);
                if !self.is_anothers && !self.copied.insert(copy) {
                    return Err(format!("a copy is told twice: {copy:?}"));
                }
            }
            RecordKind::Refused => self.close(log, record)?,
            RecordKind::ClientInput => self.request(record)?,
            RecordKind::DeskInput => self.report(record)?,
            RecordKind::Continuation => {
                if let [desk, client, ..] = record.body {
                    self.outputs.insert(record.sequence, (*desk, *client));
                }
                self.of_desks.insert(record.sequence);
            }
            RecordKind::Carried => {
                // The process before did not finish with it: this record stands for it from here on.
                if self.taken[log].insert(record.cause.sequence, true) == Some(true) {
                    return Err("carried on, and it was dealt with before".to_owned());
                }
                self.received[log].insert(record.sequence);
                self.taken[log].insert(record.sequence, false);
            }
            RecordKind::Connection => self.follow(log, record, log),
            _ => {}
        }
        Ok(())
    }

    /// The record's cause has an outcome.
    fn follow(&mut self, log: usize, record: &Record<'_>, of: usize) {
        let own = [LogId::Client, LogId::Order, LogId::Desk][log];
        if record.cause.log == own
            && let Some(followed) = self.taken[of].get_mut(&record.cause.sequence)
        {
            *followed = true;
        }
    }

    fn number(&mut self, log: usize, record: &Record<'_>, message: &FixText) -> Result<(), String> {
        let number = message.number(34);
        if message.poss_dup() {
            return Ok(());
        }
        let names = (message.get(49).to_owned(), message.get(56).to_owned());
        self.numbers[log].insert((names.0, names.1, number));
        let channel = (log, record.channel);
        let last = self.last_number.insert(channel, number);
        if self.is_told_again {
            return Ok(());
        }
        let highest = self.highest.entry(channel).or_default();
        if number <= *highest {
            return Err(format!(
                "number {number} is used again, {highest} was the last: {message:?}"
            ));
        }
        *highest = number;
        let skipped = self.skipped.as_mut();
        let may_skip = skipped.is_some_and(|skipped| skipped.insert(channel));
        match last.unwrap_or(0) + 1 == number || may_skip {
            true => Ok(()),
            false => Err(format!("number {number} after {last:?}: {message:?}")),
        }
    }

    fn close(&mut self, log: usize, record: &Record<'_>) -> Result<(), String> {
        if record.cause.log != LogId::Order {
            self.follow(log, record, log);
            return Ok(());
        }
        if self.is_anothers {
            return Ok(());
        }
        let output = (record.cause.sequence, record.cause.output);
        self.last_closed[log] = output.max(self.last_closed[log]);
        match self.closed[log].insert(output) {
            true => Ok(()),
            false => Err(format!(
                "output {} of order record {} is closed twice in log {log}",
                output.1, output.0
            )),
        }
    }

    fn request(&mut self, record: &Record<'_>) -> Result<(), String> {
        let (input, outcome) = entry::read_client(record.body)
            .ok_or_else(|| "a client's request cannot be read back".to_owned())?;
        let outputs = (outcome.desk_outputs, outcome.client_outputs);
        self.outputs.insert(record.sequence, outputs);
        let owner = input.session.get();
        self.owners_of_records.insert(record.sequence, Some(owner));
        let id = outcome.desk_request.raw();
        self.owners.insert(id, owner);
        if let ClientRequest::New(new) = &input.request
            && new.quantity.0 != NONSENSE_QUANTITY
            && outcome.desk_outputs > 0
        {
            let name = (owner, new.client_order_id.as_bytes().to_vec());
            let ids = self.sendings.entry(name).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        if input.cause_sequence == 0 || !self.received[CLIENT].contains(&record.cause.sequence) {
            // A disconnect, or seen later in this turn: see `settle`.
            return Ok(());
        }
        // One that came too early is not marked as given: it had its turn later.
        match self.taken[CLIENT].insert(record.cause.sequence, true) {
            Some(true) => Err(format!(
                "client message {} is taken up twice",
                record.cause.sequence
            )),
            Some(false) | None => Ok(()),
        }
    }

    fn report(&mut self, record: &Record<'_>) -> Result<(), String> {
        let input = entry::read_desk(record.body)
            .ok_or_else(|| "a desk's input cannot be read back".to_owned())?;
        let sequence = record.cause.sequence;
        self.of_desks.insert(record.sequence);
        let id = match &input.input {
            DeskInput::Report(report) => report.id.raw(),
            DeskInput::CancelReject(reject) => reject.id.raw(),
            DeskInput::Refused { id, .. } | DeskInput::InDoubt { id } => id.raw(),
            DeskInput::Link(_) => 0,
        };
        match &input.input {
            // Of a loss of the host the route stage knows nothing that a link could prove.
            DeskInput::InDoubt { .. } if input.link.0 == u32::MAX => {}
            DeskInput::InDoubt { .. } => drop(self.doubtful.insert(id)),
            DeskInput::Link(_) => {}
            _ => drop(self.doubtful.remove(&id)),
        }
        let owner = self.owners.get(&id).copied();
        self.owners_of_records.insert(record.sequence, owner);
        match input.input {
            DeskInput::Report(_) | DeskInput::CancelReject(_) => {
                if !self.received[DESK].contains(&sequence) {
                    return Err(format!(
                        "a report is booked whose message {sequence} is not logged"
                    ));
                }
                if !self.booked.insert(sequence) {
                    return Err(format!("desk message {sequence} is booked twice"));
                }
                self.taken[DESK].insert(sequence, true);
            }
            DeskInput::Refused { .. } => {
                if let Some(followed) = self.taken[DESK].get_mut(&sequence) {
                    *followed = true;
                }
            }
            DeskInput::InDoubt { .. } | DeskInput::Link(_) => {}
        }
        Ok(())
    }

    /// What only a desk can say needs a desk's word; and no order leaves that the disk does not have.
    fn note_told(
        &mut self,
        log: usize,
        record: &Record<'_>,
        message: &FixText,
    ) -> Result<(), String> {
        let kind = message.kind();
        if log == DESK && self.disk_has_failed && matches!(kind, "D" | "G") {
            return Err(format!(
                "a new order leaves, and the disk has failed: {message:?}"
            ));
        }
        let of_market = ["0", "1", "2", "4", "5", "C", "3", "D", "F", "G", "H"];
        if log == CLIENT && kind == "8" && of_market.contains(&message.get(150)) {
            let what = format!("{message:?}");
            self.told.push((record.cause.sequence, what));
        }
        Ok(())
    }

    /// What a stage handed to its sockets since the last time.
    pub fn sent(&mut self, log: usize, sent: &mut Vec<Sent>) {
        self.waiting[log].append(sent);
    }

    /// Compares what was sent with what was logged before; to be called when all windows were seen.
    pub fn settle(&mut self) -> Result<(), String> {
        for log in [CLIENT, DESK] {
            for sent in std::mem::take(&mut self.waiting[log]) {
                let mut rest = &sent.bytes[..];
                while !rest.is_empty() {
                    let Some((message, length)) = fix_text::first(rest)? else {
                        return Err(format!("log {log}: a part of a message is sent"));
                    };
                    self.check_sent(log, &message, &rest[..length], &sent)?;
                    rest = &rest[length..];
                }
            }
        }
        for (cause, what) in std::mem::take(&mut self.told) {
            if !self.of_desks.contains(&cause) {
                return Err(format!(
                    "order record {cause} is no word of a desk, and led to {what}"
                ));
            }
        }
        for log in [CLIENT, DESK] {
            let output = self.last_closed[log];
            if output.0 > self.sequence[ORDER] {
                return Err(format!(
                    "log {log} closes output {output:?}, which no record has"
                ));
            }
        }
        Ok(())
    }

    fn check_sent(
        &self,
        log: usize,
        message: &FixText,
        bytes: &[u8],
        sent: &Sent,
    ) -> Result<(), String> {
        let is_order = matches!(message.kind(), "D" | "F" | "G");
        if message.poss_dup() {
            if log == DESK && is_order {
                return Err(format!("an order is repeated to a desk: {message:?}"));
            }
            let names = (message.get(49).to_owned(), message.get(56).to_owned());
            let number = (names.0, names.1, message.number(34));
            let is_known = message.kind() == "4" || self.numbers[log].contains(&number);
            return match is_known {
                true => Ok(()),
                false => Err(format!("repeated, and never sent before: {message:?}")),
            };
        }
        match self.logged[log].get(bytes) {
            Some(&end) if self.waits_for_disk && end > sent.durable && !is_admin(message) => {
                Err(format!("sent before it was durable: {message:?}"))
            }
            Some(&end) if end <= sent.position => Ok(()),
            Some(_) => Err(format!("sent before its record stood: {message:?}")),
            None => Err(format!("sent without a record: {message:?}")),
        }
    }

    /// Orders of clients that were sent under more than one id.
    pub fn sent_twice(&self) -> impl Iterator<Item = (String, &[u64])> {
        let twice = self.sendings.iter().filter(|(_, ids)| ids.len() > 1);
        twice.map(|((_, name), ids)| (String::from_utf8_lossy(name).into_owned(), &ids[..]))
    }

    /// Requests of clients and messages of desks that nothing followed, and outputs that are not closed; all of them by now.
    pub fn unfinished(&self) -> Result<(), String> {
        for log in [CLIENT, DESK] {
            let left = self.taken[log].iter().filter(|(_, followed)| !**followed);
            if let Some(sequence) = left.map(|(sequence, _)| sequence).min() {
                return Err(format!("message {sequence} of log {log} was given up"));
            }
        }
        let mut outputs: Vec<_> = self.outputs.iter().collect();
        outputs.sort();
        for (&sequence, &(desk, client)) in outputs {
            for output in 0..(desk + client) as u16 {
                if output < desk as u16 && sequence <= self.ended_through {
                    continue;
                }
                let log = if output < desk as u16 { DESK } else { CLIENT };
                if !self.closed[log].contains(&(sequence, output)) {
                    return Err(format!(
                        "output {output} of order record {sequence} never reached log {log}"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn read(bytes: &[u8]) -> Result<FixText, String> {
    match fix_text::first(bytes)? {
        Some((message, length)) if length == bytes.len() => Ok(message),
        _ => Err("a record holds something else than one message".to_owned()),
    }
}

/// What the session layer says by itself.
fn is_admin(message: &FixText) -> bool {
    matches!(message.kind(), "0" | "1" | "2" | "3" | "4" | "5" | "A")
}
