//! The journal: moves the stages' logs from their windows in memory to disk.
//!
//! Own thread, cold. Each turn takes what the stages have committed, appends it to the logs' files, makes it durable for all of
//! them at once (group commit), and only then gives the window's room back. After a failed write or sync nothing is tried again: the
//! windows fill, new orders are refused, and the status page says why. Connection events that pass by go to the operator's log.

use std::io;

use ringbuf::byte_log::Reader;

use super::event_record;
use crate::domain::Now;
use crate::domain::time::NS_PER_S;
use crate::io::LogFile;
use crate::journal::{LogId, RecordKind, record};
use crate::limits::{EVENT_LINES_PER_S, JOURNAL_BATCH_BYTES, SYNC_INTERVAL_NS};
use crate::status::{Counter, ErrorCode, StageWriter};

/// One log on its way to disk.
pub struct Drain<F: LogFile> {
    id: LogId,
    /// Of the log's channels: sessions or links
    names: Vec<String>,
    reader: Reader,
    file: F,
    batch: Vec<u8>,
    /// Up to here the window may be given back once the file is synced.
    appended: u64,
}

impl<F: LogFile> Drain<F> {
    /// From `reader`'s window to `file`.
    pub fn new(id: LogId, names: Vec<String>, reader: Reader, file: F) -> Self {
        let appended = reader.cursor();
        Self {
            id,
            names,
            reader,
            file,
            batch: Vec::with_capacity(JOURNAL_BATCH_BYTES),
            appended,
        }
    }

    /// Appends up to a batch of records; returns how many.
    fn append(&mut self, lines: &mut EventLines) -> io::Result<usize> {
        self.batch.clear();
        let mut records = 0;
        while self.batch.len() < JOURNAL_BATCH_BYTES {
            let Some(frame) = self.reader.next() else {
                break;
            };
            self.batch.extend_from_slice(frame.bytes);
            lines.tell(self.id, &self.names, frame.bytes);
            records += 1;
        }
        if records > 0 {
            self.file.append(&self.batch)?;
            self.appended = self.reader.cursor();
        }
        Ok(records)
    }

    fn is_unsynced(&self) -> bool {
        self.appended != self.reader.released()
    }
}

/// All logs of the process.
pub struct JournalStage<F: LogFile> {
    drains: Vec<Drain<F>>,
    status: StageWriter,
    next_sync_ns: u64,
    failed: bool,
    lines: EventLines,
}

impl<F: LogFile> JournalStage<F> {
    /// Nothing is on disk yet.
    pub fn new(drains: Vec<Drain<F>>, status: StageWriter) -> Self {
        Self {
            drains,
            status,
            next_sync_ns: 0,
            failed: false,
            lines: EventLines::default(),
        }
    }

    /// Whether a write or sync has failed: nothing more goes to disk.
    pub fn has_failed(&self) -> bool {
        self.failed
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

    /// One turn; returns how many records were appended.
    pub fn duty_cycle(&mut self, now: Now) -> usize {
        if self.failed {
            return 0;
        }
        self.lines.begin(now);
        let mut records = 0;
        for drain in &mut self.drains {
            match drain.append(&mut self.lines) {
                Ok(count) => {
                    records += count;
                    self.status.add(Counter::RecordsWritten, count as u64);
                    self.status
                        .add(Counter::RecordsWrittenBytes, drain.batch.len() as u64);
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(0) as u64;
                    self.status
                        .error(ErrorCode::WriteFailed, drain.id as u64, errno, now.wall_ns);
                    self.failed = true;
                    return records;
                }
            }
        }
        let pressed = self
            .drains
            .iter_mut()
            .any(|drain| drain.reader.depth_bytes() > drain.reader.capacity_bytes() / 4);
        if now.mono_ns >= self.next_sync_ns || pressed {
            self.next_sync_ns = now.mono_ns + SYNC_INTERVAL_NS;
            self.sync(now);
        }
        records
    }

    /// Everything that is committed goes to disk and is synced: at the end.
    pub fn finish(&mut self, now: Now) {
        while self.duty_cycle(now) > 0 {}
        self.sync(now);
    }

    fn sync(&mut self, now: Now) {
        for drain in &mut self.drains {
            if self.failed || !drain.is_unsynced() {
                continue;
            }
            match drain.file.sync() {
                Ok(()) => {
                    drain.reader.release(drain.appended);
                    self.status.add(Counter::Syncs, 1);
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(0) as u64;
                    self.status.add(Counter::SyncFailures, 1);
                    self.status
                        .error(ErrorCode::SyncFailed, drain.id as u64, errno, now.wall_ns);
                    self.failed = true;
                }
            }
        }
    }
}

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

    fn tell(&mut self, log: LogId, names: &[String], frame: &[u8]) {
        let Ok((record, _)) = record::view(frame) else {
            return;
        };
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
