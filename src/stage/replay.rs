//! From the three logs back to the state of the stages: what a start goes on with after a process that was killed.
//!
//! Pure and cold: fed with the records of the three logs, each log in its order, the logs in any order among themselves (best by time:
//! then little waits for its counterpart). The same comes of it in whichever order, and also where it is saved and loaded on the way with an
//! effect whose cause is not read yet. What always holds:
//!
//! - The risk state is rebuilt by the code that made it, from the same inputs; what each record says came of its input is compared, and a
//!   difference ends the replay.
//! - An output of the risk stage is closed by the record that its receiver wrote for it, by cause: in the desk log the message or its
//!   refusal, in the client log the message. What is not closed must be dealt with again: a set, since outputs overtake one another.
//! - A received message or refusal is closed by the risk stage's record of it.
//! - A request that was written and not answered is in flight: its link is gone with the process, so it will be in doubt.
//! - An epoch whose reference data was not ours, or that began anew, brings nothing of the risk state with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assembly;
use super::event_record::{Numbers, numbers};
use super::host_loss::Standing;
use super::quick::{QuickMap, QuickSet};
use super::recovered::{Recovery, number_of};
use super::rejections::{Number, Rejections, refused};
use crate::config::plan::Plan;
use crate::domain::order::ToDesk;
use crate::domain::report::{DeskInput, FromDesk, ToClient};
use crate::domain::{LinkIndex, Now, OrderId, RejectReason, Text};
use crate::journal::entry::{self, Outcome};
use crate::journal::snapshot::Position;
use crate::journal::{Cause, LogId, Record, RecordKind, begin};
use crate::risk::{Facts, Outputs, Risk};
use crate::session::ResetCause;

mod needed;
mod resumption;
mod rows;
mod saved;

pub use resumption::Resumption;

/// Which output of which record of the order log.
type Key = (u64, u16);

/// Why nobody can go on with these logs, by the record of the order log where that shows.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be what these stages wrote: what is wrong, and what to do.
    #[error("record {0} of the order log: {1}")]
    Record(u64, String),
    /// The clock is wrong, or was.
    #[error(
        "record {0} of the order log: the logs end on a later day than the clock shows: set the clock"
    )]
    LaterDay(u64),
}

/// A message that was written to a link.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Written {
    link: u16,
    /// See [`Rejections`]
    incarnation: u32,
    msg_seq_num: u64,
    original: OrderId,
    /// Its record
    sequence: u64,
}

/// How the receiver closed an output that is not known yet.
#[derive(serde::Serialize, serde::Deserialize)]
enum Closing {
    Written(Written),
    Other,
}

/// Output of the risk stage without a closing record.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
enum Open {
    Desk(ToDesk),
    Client(ToClient),
}

/// The logs so far.
pub struct Replay {
    plan: Arc<Plan>,
    reference: u64,
    clients: Recovery,
    links: Recovery,
    risk: Option<Risk>,
    /// When the present risk state began, and whether with other reference data
    begin: Option<begin::Begin>,
    out: Outputs,
    /// By what they are, and the epoch that has them. A process closes no output of a later one: where the end of the order log was
    /// lost, that one uses its sequences again
    open: QuickMap<Key, (u16, Open)>,
    closed: BTreeMap<Key, (u16, Closing)>,
    in_flight: QuickMap<OrderId, Written>,
    doubts: QuickMap<OrderId, Written>,
    /// Per link: its incarnation when its numbers were last set
    numbers_since: QuickMap<u16, u32>,
    /// Requests in `open`: nothing says yet that they were written, or that they were not
    unwritten: QuickSet<OrderId>,
    /// Of these, in doubt
    doubted: QuickSet<OrderId>,
    /// And what desks have spoken of, and where
    spoken: QuickMap<OrderId, u64>,
    /// Requests that the route stage refused, until the risk stage knows
    refusals: QuickMap<u64, (u16, FromDesk)>,
    refusals_known: QuickMap<u64, u16>,
    rejections: Rejections,
    /// Copies whose original is not there: by epoch and channel
    copies: Vec<(u16, u16, Cause)>,
    standing: Standing,
    sequences: [u64; 3],
    /// How far each log was read
    positions: [Position; 3],
    inputs: u64,
    /// Trading day of the last input
    last_input_day: u32,
    /// Starts: whose risk state began anew and was gone on with since, and before which what desks have is forgotten
    fresh_epoch: u16,
    forgotten: u16,
    /// What the hashes of the risk state's tables are made with: nobody outside can choose names that collide
    hash_seed: u64,
}

impl Replay {
    /// For stages of this plan; no record yet. What comes of it does not depend on the seed.
    pub fn new(plan: Arc<Plan>, hash_seed: u64) -> Self {
        Self {
            reference: assembly::reference(&plan),
            clients: Recovery::new(LogId::Client, plan.sessions.len()),
            links: Recovery::new(LogId::Desk, assembly::links(&plan).count()),
            plan,
            risk: None,
            begin: None,
            out: Outputs::default(),
            open: QuickMap::default(),
            closed: BTreeMap::new(),
            in_flight: QuickMap::default(),
            doubts: QuickMap::default(),
            numbers_since: QuickMap::default(),
            doubted: QuickSet::default(),
            unwritten: QuickSet::default(),
            spoken: QuickMap::default(),
            refusals: QuickMap::default(),
            refusals_known: QuickMap::default(),
            rejections: Rejections::default(),
            copies: Vec::new(),
            standing: Standing::default(),
            sequences: [0; 3],
            positions: [Position::START; 3],
            inputs: 0,
            last_input_day: 0,
            fresh_epoch: 0,
            forgotten: 0,
            hash_seed,
        }
    }

    /// The next record of a log; `offset` is its place in the files of its epoch.
    pub fn feed(
        &mut self,
        log: LogId,
        epoch: u16,
        offset: u64,
        record: &Record<'_>,
    ) -> Result<(), ReplayError> {
        self.note_position(log, epoch, offset, record);
        match log {
            LogId::Client => self.feed_client(epoch, offset, record),
            LogId::Order => {
                let fed = self.feed_order(epoch, record);
                // What closes an output that it does not have closes none.
                while let Some(first) = self.closed.first_entry()
                    && first.key().0 <= record.sequence
                {
                    first.remove();
                }
                return fed;
            }
            LogId::Desk => self.feed_desk(epoch, offset, record),
            LogId::None => {}
        }
        Ok(())
    }

    /// How the process began whose records were fed last.
    pub fn begun(&self) -> Option<begin::Begin> {
        self.begin
    }

    /// The risk state so far.
    pub fn risk(&self) -> Option<&Risk> {
        self.risk.as_ref()
    }

    fn feed_client(&mut self, epoch: u16, offset: u64, record: &Record<'_>) {
        self.sequences[0] = record.sequence;
        self.clients.feed(epoch, offset, record);
        if record.cause.log != LogId::Order {
            return;
        }
        let key = (record.cause.sequence, record.cause.output);
        match record.kind {
            RecordKind::MessageOut => {
                self.close(epoch, key, Closing::Other);
                self.copies.retain(|(_, _, cause)| *cause != record.cause);
            }
            // The original comes after them, or the process died.
            RecordKind::CopyOut => self.copies.push((epoch, record.channel, record.cause)),
            _ => {}
        }
    }

    fn feed_desk(&mut self, epoch: u16, offset: u64, record: &Record<'_>) {
        self.sequences[2] = record.sequence;
        let is_known = self.links.is_known(epoch, record.sequence);
        self.links.feed(epoch, offset, record);
        let (sequence, link) = (record.sequence, record.channel);
        let key = (record.cause.sequence, record.cause.output);
        match record.kind {
            // The connections of the process before are gone.
            RecordKind::Start => {
                self.rejections.restarted(epoch);
                // What the risk stage had of records that are missing is not what it had of these.
                self.refusals_known.retain(|_, by| *by >= epoch);
            }
            RecordKind::MessageOut if record.cause.log == LogId::Order => {
                let written = Written {
                    link,
                    incarnation: self.rejections.incarnation(link),
                    msg_seq_num: number_of(record.body).unwrap_or(0),
                    original: OrderId::NONE,
                    sequence,
                };
                self.close(epoch, key, Closing::Written(written));
            }
            RecordKind::MessageIn if record.delivered && !is_known => {
                self.rejections.received(record)
            }
            RecordKind::Refused => {
                self.close(epoch, key, Closing::Other);
                let known = self.refusals_known.remove(&sequence);
                if let Some((id, reason)) = entry::read_refusal(record.body)
                    && known.is_none_or(|by| by < epoch)
                    && epoch >= self.forgotten
                {
                    let link = LinkIndex(u32::MAX);
                    let mut refusal = refused(link, sequence, id, reason, Text::EMPTY);
                    if reason == RejectReason::MayBeSent {
                        refusal.input = DeskInput::InDoubt { id };
                    }
                    self.refusals.insert(sequence, (epoch, refusal));
                }
            }
            RecordKind::Connection => match numbers(record.body) {
                Numbers::Set { cause, .. } if cause != ResetCause::PeerSequenceReset as u8 => {
                    // Nothing is proved by the numbers of what was sent before.
                    self.doubts.retain(|_, it| it.link != link);
                    self.rejections.ended(link);
                    let incarnation = self.rejections.incarnation(link);
                    self.numbers_since.insert(link, incarnation);
                }
                Numbers::Disconnected => self.rejections.ended(link),
                Numbers::Rejected { number } if !is_known => {
                    self.rejections.session_refused(link, number, sequence);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn close(&mut self, epoch: u16, key: Key, closing: Closing) {
        let open = self.open.get(&key);
        if open.is_some_and(|(of, _)| *of > epoch) {
            return;
        }
        match (self.open.remove(&key), closing) {
            (Some((_, Open::Desk(request))), Closing::Written(written)) => {
                self.note_written(&request, written);
            }
            (Some((_, Open::Desk(request))), Closing::Other) => {
                self.unwritten.remove(&request.id);
                self.doubted.remove(&request.id);
                self.spoken.remove(&request.id);
            }
            (Some(_), _) => {}
            (None, closing) if key.0 > self.sequences[1] && epoch >= self.positions[1].epoch => {
                self.closed.insert(key, (epoch, closing));
            }
            // It was closed before, or forgotten, or is lost.
            (None, _) => {}
        }
    }

    fn feed_order(&mut self, epoch: u16, record: &Record<'_>) -> Result<(), ReplayError> {
        self.sequences[1] = record.sequence;
        if record.kind == RecordKind::Begin {
            return self.begin(record);
        }
        let is_input = matches!(
            record.kind,
            RecordKind::ClientInput | RecordKind::DeskInput | RecordKind::Command
        );
        if is_input {
            self.last_input_day = self.last_input_day.max(assembly::day_of(record.time_ns));
        }
        if record.kind == RecordKind::Command
            && let Some((input, _)) = entry::read_command(record.body)
        {
            self.standing.take(epoch, &input);
        }
        let Some(mut risk) = self.risk.take() else {
            // Of other reference data: nothing can be made of it, but that it was dealt with.
            self.close_input(epoch, record);
            return Ok(());
        };
        self.out.clear();
        let done = self.run(&mut risk, epoch, record);
        self.risk = Some(risk);
        let counts = done.map_err(|what| error(record, what))?;
        let Some(counts) = counts else { return Ok(()) };
        self.inputs += 1;
        let made = [
            self.out.to_desk.as_slice().len(),
            self.out.to_client.as_slice().len(),
        ];
        if counts.is_some_and(|counts| counts.map(usize::from) != made) {
            return Err(error(record, diverged()));
        }
        self.settle_outputs(epoch, record.sequence);
        Ok(())
    }

    /// Gives the risk state the record's input; returns how many outputs the record says it had, where it says so.
    fn run(
        &mut self,
        risk: &mut Risk,
        epoch: u16,
        record: &Record<'_>,
    ) -> Result<Option<Option<[u8; 2]>>, String> {
        let unreadable = || "cannot be read: another version wrote it".to_owned();
        let at = |mono_ns| Now {
            mono_ns,
            wall_ns: record.time_ns,
        };
        match record.kind {
            RecordKind::ClientInput => {
                let (input, outcome) = entry::read_client(record.body).ok_or_else(unreadable)?;
                let facts = Facts::from_bits(outcome.facts);
                risk.on_client(at(outcome.taken_ns), &input, facts, &mut self.out);
                self.clients.close(epoch, input.cause_sequence);
                self.same(&outcome)?;
                Ok(Some(Some([outcome.desk_outputs, outcome.client_outputs])))
            }
            RecordKind::DeskInput => {
                let input = entry::read_desk(record.body).ok_or_else(unreadable)?;
                risk.on_desk(at(0), &input, &mut self.out);
                self.note_desk(epoch, &input);
                Ok(Some(None))
            }
            RecordKind::Command => {
                let (input, taken_ns) = entry::read_command(record.body).ok_or_else(unreadable)?;
                risk.on_command(at(taken_ns), &input);
                Ok(Some(None))
            }
            RecordKind::Continuation => {
                let counts = record.body.try_into().map_err(|_| unreadable())?;
                risk.continue_work(at(0), &mut self.out);
                Ok(Some(Some(counts)))
            }
            RecordKind::StateDigest => {
                let then = begin::Digested::read(record.body).ok_or_else(unreadable)?;
                let now = risk.digest();
                match (now.inputs, now.value) == (then.inputs, then.value) {
                    true => Ok(None),
                    false => Err(digest_differs()),
                }
            }
            _ => Ok(None),
        }
    }

    /// What the record says came of a request, and what came of it now.
    fn same(&self, outcome: &Outcome) -> Result<(), String> {
        let first = self.out.to_desk.as_slice().first();
        let id = first.map_or(OrderId::NONE, |request| request.id);
        let reason = super::risk::reason_of(&self.out);
        match (id, reason) == (outcome.desk_request, outcome.reason) {
            true => Ok(()),
            false => Err(diverged()),
        }
    }

    /// The risk stage had the input of this record: nobody gives it to it again.
    fn close_input(&mut self, epoch: u16, record: &Record<'_>) {
        match (record.kind, record.cause.log) {
            (RecordKind::ClientInput, LogId::Client) => {
                self.clients.close(epoch, record.cause.sequence)
            }
            (RecordKind::DeskInput, LogId::Desk) => match entry::read_desk(record.body) {
                Some(input) => self.note_desk(epoch, &input),
                None => self.links.close(epoch, record.cause.sequence),
            },
            _ => {}
        }
    }

    fn note_desk(&mut self, epoch: u16, input: &FromDesk) {
        let sequence = input.cause_sequence;
        let refusal = self.refusals.get(&sequence);
        let is_refusal = refusal.is_some_and(|(of, _)| *of <= epoch);
        if is_refusal {
            self.refusals.remove(&sequence);
        }
        let id = match &input.input {
            DeskInput::Report(report) => report.id,
            DeskInput::CancelReject(reject) => reject.id,
            DeskInput::Refused { id, .. } => {
                // Of the route stage: no link carried it.
                let is_awaited = sequence > self.sequences[2] && epoch >= self.positions[2].epoch;
                if input.link.0 == u32::MAX && is_awaited {
                    self.refusals_known.insert(sequence, epoch);
                }
                *id
            }
            // Nothing is known of how it was written, if it was.
            DeskInput::InDoubt { .. } if input.link.0 == u32::MAX => {
                if !is_refusal {
                    self.refusals_known.insert(sequence, epoch);
                }
                return;
            }
            DeskInput::InDoubt { id } => {
                match self.in_flight.remove(id) {
                    Some(written) => self.note_doubt(*id, written),
                    None if self.unwritten.contains(id) => drop(self.doubted.insert(*id)),
                    None => {}
                }
                return;
            }
            DeskInput::Link(_) => return,
        };
        if input.link.0 != u32::MAX {
            self.links.close(epoch, sequence);
        }
        // What is said of a request before it is written settles nothing.
        let is_meant = |it: &Written| it.sequence < sequence;
        if let Some(it) = self.in_flight.get(&id).filter(|it| is_meant(it)) {
            self.rejections.remove(&it.number());
            self.in_flight.remove(&id);
        }
        if self.doubts.get(&id).is_some_and(is_meant) {
            self.doubts.remove(&id);
        }
        if self.doubted.remove(&id) || self.unwritten.contains(&id) {
            // The desk log is behind: what is written of it there is answered already.
            self.spoken.insert(id, sequence);
        }
    }

    fn note_written(&mut self, request: &ToDesk, written: Written) {
        let id = request.id;
        self.unwritten.remove(&id);
        let written = Written {
            original: request.request.original(),
            ..written
        };
        if (self.spoken.remove(&id)).is_some_and(|spoken| written.sequence < spoken) {
            self.doubted.remove(&id);
            return;
        }
        match self.doubted.remove(&id) {
            true => self.note_doubt(id, written),
            false => drop(self.in_flight.insert(id, written)),
        }
    }

    /// One that was written under numbers that are over proves nothing by the present ones.
    fn note_doubt(&mut self, id: OrderId, written: Written) {
        if !is_past(&self.numbers_since, &written) {
            self.doubts.insert(id, written);
        }
    }

    fn settle_outputs(&mut self, epoch: u16, sequence: u64) {
        let desk = self.out.to_desk.as_slice().iter().map(|it| Open::Desk(*it));
        let client = self.out.to_client.as_slice();
        let client = client.iter().map(|it| Open::Client(*it));
        let mut written_now = Vec::new();
        for (output, mut open) in (0u16..).zip(desk.chain(client)) {
            match &mut open {
                Open::Desk(it) => {
                    (it.cause_sequence, it.cause_output) = (sequence, output as u8);
                }
                Open::Client(it) => {
                    (it.cause_sequence, it.cause_output) = (sequence, output as u8);
                }
            }
            let key = (sequence, output);
            let closed = self.closed.remove(&key).filter(|(by, _)| *by >= epoch);
            match (closed.map(|(_, closing)| closing), open) {
                (None, open) => {
                    if let Open::Desk(request) = &open {
                        self.unwritten.insert(request.id);
                    }
                    self.open.insert(key, (epoch, open));
                }
                (Some(Closing::Written(written)), Open::Desk(request)) => {
                    written_now.push((request, written));
                }
                (Some(_), _) => {}
            }
        }
        for (request, written) in written_now {
            self.note_written(&request, written);
        }
    }

    /// A process begins: with a state of its own, or with the one before.
    fn begin(&mut self, record: &Record<'_>) -> Result<(), ReplayError> {
        let begin = begin::read(record.body).ok_or_else(|| {
            error(
                record,
                "cannot be read: another version wrote it".to_owned(),
            )
        })?;
        let is_ours = begin.reference == self.reference;
        self.drop_what_never_comes(begin.epoch);
        match &mut self.risk {
            Some(risk) if is_ours && !begin.is_fresh => risk.restart(begin.epoch),
            _ if begin.is_fresh && is_ours => {
                self.forget(begin.epoch);
                self.risk = Some(assembly::make_risk(&self.plan, begin.epoch, self.hash_seed));
            }
            _ => {
                self.forget(begin.epoch);
                self.risk = None;
            }
        }
        if begin.is_fresh {
            self.fresh_epoch = begin.epoch;
        }
        self.begin = Some(begin);
        Ok(())
    }

    /// All outputs of the processes before were fed: what closes one that is not there closes none.
    fn drop_what_never_comes(&mut self, epoch: u16) {
        self.closed.retain(|_, (by, _)| *by >= epoch);
        let open = &self.open;
        self.copies.retain(|(by, _, cause)| {
            *by >= epoch || open.contains_key(&(cause.sequence, cause.output))
        });
    }

    /// What is open of an earlier day: its requests ended with it. Reports that were not told yet still are.
    fn forget(&mut self, epoch: u16) {
        self.open
            .retain(|_, (_, open)| matches!(open, Open::Client(_)));
        self.unwritten.clear();
        self.in_flight.clear();
        self.doubts.clear();
        self.doubted.clear();
        self.spoken.clear();
        self.refusals.retain(|_, (of, _)| *of >= epoch);
        self.rejections.forget(epoch);
        self.forgotten = epoch;
    }
}

impl Written {
    fn number(&self) -> Number {
        (self.link, self.incarnation, self.msg_seq_num)
    }
}

fn is_past(numbers_since: &QuickMap<u16, u32>, written: &Written) -> bool {
    let since = numbers_since.get(&written.link);
    since.is_some_and(|since| written.incarnation < *since)
}

fn error(record: &Record<'_>, what: String) -> ReplayError {
    ReplayError::Record(record.sequence, what)
}

fn digest_differs() -> String {
    "the inputs up to here lead to another state than they did then: a row of it was changed by something else, as by a fault of that \
     host's memory, or of this one's. Start again; if it is the same on another host, the books of the desks decide: settle with \
     them, move the logs away and begin anew"
        .to_owned()
}

fn diverged() -> String {
    "its input does not lead to what it led to then: this is another version, or the log is not of these files; start the \
     version that wrote it"
        .to_owned()
}
