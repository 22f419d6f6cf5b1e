//! The journal: moves the stages' logs from their windows in memory to disk.
//!
//! Own thread, cold. It works in rounds: it notes how far each log is committed, writes all of them, makes them durable together
//! (group commit), and only then gives the windows' room back, up to what it noted: that position is the log's *durable* one.
//!
//! What always holds: whatever stands before a durable position of one log has its causes on disk in the other logs. For a
//! cause is committed before its effect, so before the effect's log was noted to contain it; each log is then written at least as
//! far as it is committed *after* all three were noted, which includes all causes (and theirs) of all that was noted; and nothing is
//! given back before all three are synced, in whatever order. That is why the targets are read again after the marks, and why the syncs of
//! a round may go beside each other.
//!
//! After a failed write or sync nothing is tried again, and nothing becomes durable any more: the windows fill, new orders are
//! refused, and the status page says why. Connection events that pass by go to the operator's log.

use std::io;

use ringbuf::byte_log::{LogGauge, Reader};

use super::event_record;
use crate::domain::time::NS_PER_S;
use crate::domain::{DiskState, Now};
use crate::io::{LogFile, Prepared};
use crate::journal::{Disk, LogId, Record, RecordKind, mark, record};
use crate::limits::{EVENT_LINES_PER_S, JOURNAL_BATCH_BYTES, SYNC_INTERVAL_NS};
use crate::status::snapshot::RECORD_BYTES_MIN;
use crate::status::{Counter, ErrorCode, StageWriter};

/// One log on its way to disk.
pub struct Drain<F: LogFile> {
    id: LogId,
    /// Of the log's channels: sessions or links
    names: Vec<String>,
    reader: Reader,
    gauge: LogGauge,
    file: F,
    batch: Vec<u8>,
    /// Of the last record that was written, and of the last one that is no mark
    sequences: [u64; 2],
    /// Position noted at the beginning of the round, and these sequences before it
    mark: u64,
    marked_sequences: [u64; 2],
    /// Whether something was written since the last sync
    is_dirty: bool,
}

impl<F: LogFile> Drain<F> {
    /// From `reader`'s window to `file`.
    pub fn new(id: LogId, names: Vec<String>, reader: Reader, file: F) -> Self {
        Self {
            id,
            names,
            gauge: reader.gauge(),
            mark: reader.released(),
            reader,
            file,
            batch: Vec::with_capacity(JOURNAL_BATCH_BYTES),
            sequences: [0; 2],
            marked_sequences: [0; 2],
            is_dirty: false,
        }
    }

    /// The file, for tests.
    pub fn file(&mut self) -> &mut F {
        &mut self.file
    }

    fn note(&mut self) {
        self.mark = self.gauge.position();
        self.marked_sequences = self.sequences;
    }

    /// Writes all records that stand before `target`; returns how many.
    fn write_up_to(
        &mut self,
        target: u64,
        lines: &mut EventLines,
        status: &StageWriter,
    ) -> io::Result<usize> {
        let mut records = 0;
        while self.reader.cursor() < target {
            self.batch.clear();
            let before = records;
            while self.batch.len() < JOURNAL_BATCH_BYTES && self.reader.cursor() < target {
                let Some(frame) = self.reader.next() else {
                    break;
                };
                let end = frame.end();
                self.batch.extend_from_slice(frame.bytes);
                if let Ok((record, _)) = record::view(frame.bytes) {
                    self.sequences[0] = record.sequence;
                    if record.kind != RecordKind::Mark {
                        self.sequences[1] = record.sequence;
                    }
                    if end <= self.mark {
                        self.marked_sequences = self.sequences;
                    }
                    lines.tell(self.id, &self.names, &record);
                }
                records += 1;
            }
            if self.batch.is_empty() {
                break;
            }
            self.file.append(&self.batch)?;
            self.is_dirty = true;
            status.add(Counter::RecordsWritten, (records - before) as u64);
            status.add(Counter::RecordsWrittenBytes, self.batch.len() as u64);
        }
        Ok(records)
    }
}

/// All logs of the process.
pub struct JournalStage<F: LogFile> {
    drains: Vec<Drain<F>>,
    status: StageWriter,
    disk: Disk,
    sync_interval_ns: u64,
    next_sync_ns: u64,
    /// When what is durable was noted: nothing behind it is older
    durable_since_ns: u64,
    lines: EventLines,
}

impl<F: LogFile> JournalStage<F> {
    /// Nothing is on disk yet. All logs of the process belong in one journal: what is durable of one depends on the others.
    pub fn new(drains: Vec<Drain<F>>, status: StageWriter) -> Self {
        Self {
            drains,
            status,
            disk: Disk::default(),
            sync_interval_ns: SYNC_INTERVAL_NS,
            next_sync_ns: 0,
            durable_since_ns: 0,
            lines: EventLines::default(),
        }
    }

    /// Tells the logs' owners of the disk here.
    pub fn telling(mut self, disk: Disk) -> Self {
        self.disk = disk;
        self
    }

    /// Somebody waits for what is written (level L1): each round syncs.
    pub fn promptly(mut self) -> Self {
        self.sync_interval_ns = 0;
        self
    }

    /// Whether each round syncs.
    pub fn is_prompt(&self) -> bool {
        self.sync_interval_ns == 0
    }

    /// Whether a write or sync has failed: nothing more goes to disk.
    pub fn has_failed(&self) -> bool {
        !self.disk.works()
    }

    /// The logs, for tests.
    pub fn drains(&mut self) -> &mut [Drain<F>] {
        &mut self.drains
    }

    /// The windows' reading ends, in the order of the logs: for whoever watches a journal that stands still, and for who takes over
    /// what a process that has ended left.
    pub fn readers(&mut self) -> impl Iterator<Item = &mut Reader> {
        self.drains.iter_mut().map(|drain| &mut drain.reader)
    }

    /// Writer of this thread's part of the status page.
    pub fn status(&self) -> &StageWriter {
        &self.status
    }

    /// One turn; returns how many records were written.
    pub fn duty_cycle(&mut self, now: Now) -> usize {
        if self.durable_since_ns == 0 {
            self.durable_since_ns = now.mono_ns;
        }
        let records = self.work(now);
        self.publish(now);
        records
    }

    /// What a loss of the host would take now.
    fn publish(&mut self, now: Now) {
        let age_ns = now.mono_ns.saturating_sub(self.durable_since_ns);
        for drain in &mut self.drains {
            let at = mark::LOGS.iter().position(|log| *log == drain.id);
            let bytes = drain.gauge.position() - drain.reader.released();
            let age_ns = if bytes > 0 { age_ns } else { 0 };
            let durable = self.disk.durable(drain.id);
            if let Some(at) = at {
                self.status.set_loss_window(at, durable, bytes, age_ns);
            }
        }
    }

    fn work(&mut self, now: Now) -> usize {
        if self.has_failed() {
            return 0;
        }
        let pressed =
            |drain: &mut Drain<F>| drain.reader.depth_bytes() > drain.reader.capacity_bytes() / 4;
        let is_due = now.mono_ns >= self.next_sync_ns || self.drains.iter_mut().any(pressed);
        let records = self.round(now, is_due);
        if !self.has_failed() {
            self.prepare(now, records == 0);
        }
        records
    }

    /// Work ahead of need, one piece of one log in a turn: the files' next parts.
    fn prepare(&mut self, now: Now, is_idle: bool) {
        for drain in &mut self.drains {
            let id = drain.id;
            match drain.file.prepare(is_idle) {
                Ok(Prepared::Nothing) => continue,
                Ok(Prepared::Some) => return,
                Ok(Prepared::NoNext(error)) => {
                    let errno = error.raw_os_error().unwrap_or(0) as u64;
                    self.status
                        .error(ErrorCode::NoNextFile, id as u64, errno, now.wall_ns);
                    tracing::warn!(log = id.name(), %error, "the next file of the log cannot be made");
                }
                // It was a write and a sync of the file that has the records.
                Err(error) => return self.fail(now, DiskState::SyncFailed, id, &error),
            }
        }
    }

    /// Everything that is committed goes to disk and is synced: at the end.
    pub fn finish(&mut self, now: Now) {
        // Nobody appends any more: one round reaches the end.
        self.round(now, true);
    }

    fn round(&mut self, now: Now, sync: bool) -> usize {
        self.round_noting(now, sync, || {})
    }

    /// `noted` is called behind each log that was noted: tests let the stages append there.
    pub(super) fn round_noting(&mut self, now: Now, sync: bool, mut noted: impl FnMut()) -> usize {
        if self.has_failed() {
            return 0;
        }
        self.lines.begin(now);
        if sync {
            for drain in &mut self.drains {
                drain.note();
                noted();
            }
        }
        // All targets before the first write; see above.
        let mut targets = [0; LOGS_MAX];
        for (target, drain) in targets.iter_mut().zip(&self.drains) {
            *target = drain.gauge.position();
        }
        let mut records = 0;
        for (drain, target) in self.drains.iter_mut().zip(targets) {
            match drain.write_up_to(target, &mut self.lines, &self.status) {
                Ok(count) => records += count,
                Err(error) => {
                    let id = drain.id;
                    self.fail(now, DiskState::WriteFailed, id, &error);
                    return records;
                }
            }
        }
        if sync {
            self.next_sync_ns = now.mono_ns + self.sync_interval_ns;
            self.sync(now);
        }
        records
    }

    /// Makes durable what was written, all logs beside each other, then says so, for all logs.
    fn sync(&mut self, now: Now) {
        // The last one is this thread's own work.
        let mut dirty = self.drains.iter_mut().filter(|drain| drain.is_dirty);
        let _ = dirty.next_back();
        dirty.for_each(|drain| drain.file.begin_sync());
        for drain in self.drains.iter_mut().rev().filter(|drain| drain.is_dirty) {
            if let Err(error) = drain.file.sync() {
                let id = drain.id;
                return self.fail(now, DiskState::SyncFailed, id, &error);
            }
            drain.is_dirty = false;
            self.status.add(Counter::Syncs, 1);
        }
        self.durable_since_ns = now.mono_ns;
        for drain in &mut self.drains {
            if drain.mark > drain.reader.released() {
                let [sequence, but_marks] = drain.marked_sequences;
                self.disk.set_durable(drain.id, sequence, but_marks);
                drain.reader.release(drain.mark);
            }
        }
    }

    fn fail(&mut self, now: Now, state: DiskState, log: LogId, error: &io::Error) {
        let errno = error.raw_os_error().unwrap_or(0) as u64;
        let code = match state {
            DiskState::SyncFailed => {
                self.status.add(Counter::SyncFailures, 1);
                ErrorCode::SyncFailed
            }
            _ => ErrorCode::WriteFailed,
        };
        self.status.error(code, log as u64, errno, now.wall_ns);
        self.status.set_disk(state);
        self.disk.fail(state);
        tracing::error!(log = log.name(), %error, state = state.name(), "the logs do not reach the disk any more: no new orders");
    }
}

const _: () = assert!(RECORD_BYTES_MIN == record::padded(0) as u64);

/// Logs of a process.
const LOGS_MAX: usize = 3;

/// Lines about connection events, at most so many a second: strangers cannot fill the operator's log.
#[derive(Default)]
struct EventLines {
    second: u64,
    told: u32,
    withheld: u64,
}

impl EventLines {
    fn begin(&mut self, now: Now) {
        let second = now.mono_ns / NS_PER_S;
        if second != self.second {
            if self.withheld > 0 {
                tracing::warn!(events = self.withheld, "more connection events, not listed");
            }
            *self = Self {
                second,
                ..Self::default()
            };
        }
    }

    fn tell(&mut self, log: LogId, names: &[String], record: &Record<'_>) {
        if record.kind != RecordKind::Connection || event_record::is_routine(record.body) {
            return;
        }
        if self.told == EVENT_LINES_PER_S {
            self.withheld += 1;
            return;
        }
        self.told += 1;
        let what = event_record::describe(record.body).unwrap_or_default();
        let peer = names
            .get(record.channel as usize)
            .map_or("-", String::as_str);
        tracing::info!(
            side = log.name(),
            peer,
            sequence = record.sequence,
            "{what}"
        );
    }
}
