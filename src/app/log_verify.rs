//! Whether logs are whole: every record of every epoch, what lies behind the last one, and whether the causes that they name exist.
//!
//! For tools, on their own thread, beside a gateway that runs or after it; it only reads, with bounded memory. What always holds: a
//! byte that differs from what was written is found, unless it is part of a record that a crash left unfinished; so is a tail that
//! is gone, where any record of another log names what was in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use super::log_reader::{LogError, LogPlace, LogReader, at, epochs};
use super::log_store::{parse_segment_name, segment_path};
use crate::journal::entry::{read_client, read_command, read_desk};
use crate::journal::read::Why;
use crate::journal::record::{BODY_OFFSET, RecordError};
use crate::journal::{LogId, Record, RecordKind};
use crate::limits::LOG_READ_BYTES;

/// How often what does not fit is looked at again, where a process may be writing.
const LOOKS: usize = 6;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// What a crash left unfinished: nobody acted on it.
    Torn,
    /// The end of a log is gone, and others know of it.
    Lost,
    /// Not what was written.
    Damaged,
}

/// The last good record before something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Before {
    /// Its sequence
    pub record: u64,
    /// What it is
    pub kind: RecordKind,
    /// Nanoseconds since 1970-01-01 UTC
    pub time_ns: u64,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Finding {
    /// How bad
    pub severity: Severity,
    /// In which log
    pub log: LogId,
    /// Start number of the process that wrote there
    pub start: u16,
    /// File
    pub file: PathBuf,
    /// Byte in that file
    pub offset: u64,
    /// The record before
    pub before: Option<Before>,
    /// What is wrong
    pub what: String,
    /// What to do
    pub remedy: &'static str,
}

/// One epoch of a log.
#[derive(Clone, Debug, serde::Serialize)]
pub struct EpochSeen {
    /// Start number of the process
    pub start: u16,
    /// Whole records
    pub records: u64,
    /// Their bytes
    pub bytes: u64,
    /// Records that were found in memory and may not be on disk
    pub in_memory: u64,
    /// First sequence; zero where there is none
    pub first: u64,
    /// Last one
    pub last: u64,
    /// Time of the first record, nanoseconds since 1970-01-01 UTC
    pub first_ns: u64,
    /// Time of the last one
    pub last_ns: u64,
    /// Whether something behind the last record could not be read
    pub is_cut: bool,
}

/// One log.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LogSeen {
    /// Which
    pub log: LogId,
    /// Its epochs, in order
    pub epochs: Vec<EpochSeen>,
}

/// What was found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Verified {
    /// Each log
    pub logs: Vec<LogSeen>,
    /// What is wrong, in the order of the logs
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Whether nothing is damaged or lost.
    pub fn is_whole(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity == Severity::Torn)
    }
}

const REMEDY_TORN: &str =
    "none is needed: nobody acted on it, and the next start goes on before it";
const REMEDY_LOST: &str = "after a loss of the host this is what level L0 may lose: ask clients and desks what they have before orders go \
     on; else put the file back from a copy";
const REMEDY_DAMAGED: &str = "put the file back from a copy; without one keep all logs aside, and agree on numbers, orders and positions with \
     clients and desks before a start with an empty log directory";
const REMEDY_MISSING: &str = "put the file back; all files of a log belong together";
const REMEDY_VERSION: &str =
    "read it with the version of gatehouse that wrote it: the log's first record names it";

/// Reads these logs to their ends. `settled`: no process writes there. `progress` is told now and then: log, records, bytes.
pub fn verify(
    place: &LogPlace,
    logs: &[LogId],
    settled: bool,
    progress: &mut dyn FnMut(LogId, u64, u64),
) -> Result<Verified, LogError> {
    let mut findings = Vec::new();
    let mut named = Named::default();
    let mut walks: Vec<(LogId, Vec<EpochWalk>)> = Vec::new();
    for &log in logs {
        let epochs = epochs(&place.directory, log)?;
        let newest = epochs.last().copied();
        let mut of_log: Vec<EpochWalk> = Vec::new();
        for epoch in epochs {
            let mut walk = EpochWalk::open(place, log, epoch, settled || newest != Some(epoch))?;
            walk.run(&mut named, &mut findings, progress)?;
            if newest != Some(epoch) {
                walk.close();
            }
            walk.check_files(&mut findings)?;
            if let Some(before) = of_log.last() {
                walk.check_continues(before, &mut findings);
            }
            of_log.push(walk);
        }
        walks.push((log, of_log));
    }
    for name in named.0.clone().into_iter() {
        check_cause(&mut walks, name, &mut findings)?;
    }
    let logs = walks.into_iter().map(|(log, walks)| LogSeen {
        log,
        epochs: walks.into_iter().map(|walk| walk.seen).collect(),
    });
    Ok(Verified {
        logs: logs.collect(),
        findings,
    })
}

/// The farthest record of a log that another one names as cause, per epoch of the other one.
#[derive(Default)]
struct Named(BTreeMap<(u8, u8, u16), Naming>);

/// Who names it.
#[derive(Clone)]
struct Naming {
    log: LogId,
    sequence: u64,
    by: (LogId, u16, u64),
    file: PathBuf,
    offset: u64,
}

impl Named {
    fn take(&mut self, walk: &EpochWalk, record: &Record<'_>) {
        let cause = record.cause;
        if cause.log == LogId::None || cause.log == walk.log {
            return;
        }
        let key = (cause.log as u8, walk.log as u8, walk.epoch);
        if self
            .0
            .get(&key)
            .is_some_and(|naming| naming.sequence >= cause.sequence)
        {
            return;
        }
        let (file, offset) = walk.locate(walk.reader.offset());
        let naming = Naming {
            log: cause.log,
            sequence: cause.sequence,
            by: (walk.log, walk.epoch, record.sequence),
            file,
            offset,
        };
        self.0.insert(key, naming);
    }
}

fn check_cause(
    walks: &mut [(LogId, Vec<EpochWalk>)],
    ((_, _, by_epoch), naming): ((u8, u8, u16), Naming),
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    let Some((_, of_log)) = walks.iter_mut().find(|(log, _)| *log == naming.log) else {
        return Ok(());
    };
    let Some(walk) = of_log.iter_mut().rev().find(|walk| walk.epoch <= by_epoch) else {
        return Ok(());
    };
    // Read before the one that names it, and written since.
    for _ in 0..LOOKS {
        if walk.seen.last >= naming.sequence || walk.closed || walk.settled {
            break;
        }
        walk.run(&mut Named::default(), findings, &mut |_, _, _| {})?;
        std::thread::sleep(BETWEEN_LOOKS);
    }
    // Behind damage nothing was read.
    if walk.seen.last >= naming.sequence || walk.damaged {
        return Ok(());
    }
    let (by, start, record) = naming.by;
    let what = format!(
        "records {} to {} are missing at the end of the {} log: record {record} of the {} log (start {start}, {} at byte {}) names the last \
         of them as its cause",
        walk.seen.last + 1,
        naming.sequence,
        naming.log.name(),
        by.name(),
        naming.file.display(),
        naming.offset
    );
    walk.find(Severity::Lost, walk.end, what, REMEDY_LOST, findings);
    Ok(())
}

/// One epoch of a log on its way.
struct EpochWalk {
    place: LogPlace,
    log: LogId,
    epoch: u16,
    settled: bool,
    reader: LogReader,
    seen: EpochSeen,
    before: Option<Before>,
    /// Where the next record would stand
    end: u64,
    damaged: bool,
    /// Read to its end for good
    closed: bool,
}

impl EpochWalk {
    fn open(place: &LogPlace, log: LogId, epoch: u16, settled: bool) -> Result<Self, LogError> {
        let mut reader = LogReader::open(place.clone(), log)?;
        reader.only(epoch);
        if settled {
            reader.settled();
        }
        Ok(Self {
            place: place.clone(),
            log,
            epoch,
            settled,
            reader,
            seen: EpochSeen {
                start: epoch,
                records: 0,
                bytes: 0,
                in_memory: 0,
                first: 0,
                last: 0,
                first_ns: 0,
                last_ns: 0,
                is_cut: false,
            },
            before: None,
            end: 0,
            damaged: false,
            closed: false,
        })
    }

    /// Nothing more will be read: gives the reader's memory back.
    fn close(&mut self) {
        self.reader.forget();
        self.closed = true;
    }

    /// Reads as far as there is something.
    fn run(
        &mut self,
        named: &mut Named,
        findings: &mut Vec<Finding>,
        progress: &mut dyn FnMut(LogId, u64, u64),
    ) -> Result<(), LogError> {
        let mut looks = if self.settled { 1 } else { LOOKS };
        while !self.closed {
            match self.reader.advance() {
                Ok(true) => {
                    self.take(named, findings);
                    if self.seen.records.is_multiple_of(4096) {
                        progress(self.log, self.seen.records, self.seen.bytes);
                    }
                }
                Ok(false) => {
                    let Some(offset) = self.written_behind()? else {
                        return Ok(());
                    };
                    looks -= 1;
                    if looks > 0 {
                        std::thread::sleep(BETWEEN_LOOKS);
                        continue;
                    }
                    let what = "something is written behind the last record".to_owned();
                    self.cut(Severity::Damaged, offset, what, REMEDY_DAMAGED, findings);
                }
                Err(LogError::Broken(broken)) => {
                    let (severity, remedy) = match broken.why {
                        Why::TornTail => (Severity::Torn, REMEDY_TORN),
                        Why::MissingSegment => (Severity::Damaged, REMEDY_MISSING),
                        Why::Record(RecordError::Kind(_)) => (Severity::Damaged, REMEDY_VERSION),
                        Why::Record(_) | Why::Hole => (Severity::Damaged, REMEDY_DAMAGED),
                    };
                    self.cut(severity, self.end, broken.why.to_string(), remedy, findings);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn cut(
        &mut self,
        severity: Severity,
        offset: u64,
        what: String,
        remedy: &'static str,
        findings: &mut Vec<Finding>,
    ) {
        self.find(severity, offset, what, remedy, findings);
        self.damaged |= severity == Severity::Damaged;
        self.seen.is_cut = true;
        self.close();
    }

    fn find(
        &self,
        severity: Severity,
        offset: u64,
        what: String,
        remedy: &'static str,
        findings: &mut Vec<Finding>,
    ) {
        let (file, offset) = self.locate(offset);
        findings.push(Finding {
            severity,
            log: self.log,
            start: self.epoch,
            file,
            offset,
            before: self.before,
            what,
            remedy,
        });
    }

    /// File and byte of an offset over the epoch's files.
    fn locate(&self, offset: u64) -> (PathBuf, u64) {
        let segment = (offset / self.place.segment_bytes) as u32;
        let file = segment_path(&self.place.directory, self.log, self.epoch, segment);
        (file, offset % self.place.segment_bytes)
    }

    fn take(&mut self, named: &mut Named, findings: &mut Vec<Finding>) {
        let record = self.reader.record();
        let offset = self.reader.offset();
        let bytes = (BODY_OFFSET + record.body.len()).next_multiple_of(8) as u64;
        let padding = self.reader.bytes().get(BODY_OFFSET + record.body.len()..);
        let wrong = match padding {
            Some(padding) if padding.iter().any(|&b| b != 0) => Some((
                "the filling behind the record is not zero".to_owned(),
                REMEDY_DAMAGED,
            )),
            _ => self.contradiction(&record),
        };
        named.take(self, &record);
        let (sequence, time_ns, kind) = (record.sequence, record.time_ns, record.kind);
        if let Some((what, remedy)) = wrong {
            let what = format!("record {sequence}: {what}");
            self.find(Severity::Damaged, offset, what, remedy, findings);
        }
        let seen = &mut self.seen;
        if seen.records == 0 {
            (seen.first, seen.first_ns) = (sequence, time_ns);
        }
        (seen.last, seen.last_ns) = (sequence, time_ns);
        seen.records += 1;
        seen.bytes += bytes;
        seen.in_memory += self.reader.is_from_window() as u64;
        self.before = Some(Before {
            record: sequence,
            kind,
            time_ns,
        });
        self.end = offset + bytes;
    }

    /// What a record that is whole in itself says and cannot be.
    fn contradiction(&self, record: &Record<'_>) -> Option<(String, &'static str)> {
        let body = record.body;
        let is_first = self.seen.records == 0;
        if is_first != (record.kind == RecordKind::Start) {
            let what = match is_first {
                true => "the log does not begin with its Start record",
                false => "a Start record within a log",
            };
            return Some((what.to_owned(), REMEDY_MISSING));
        }
        if is_first {
            let words = String::from_utf8_lossy(body);
            let name = words.split(' ').nth(2).unwrap_or_default();
            return (name != self.log.name()).then(|| {
                let what = format!("this is the file of another log: \"{words}\"");
                (what, REMEDY_MISSING)
            });
        }
        let cause = record.cause;
        if cause.log == self.log
            && cause.sequence >= record.sequence
            && record.kind != RecordKind::Carried
        {
            let what = format!("its cause is record {}, which came later", cause.sequence);
            return Some((what, REMEDY_DAMAGED));
        }
        let is_known = match record.kind {
            RecordKind::ClientInput => read_client(body).is_some(),
            RecordKind::DeskInput => read_desk(body).is_some(),
            RecordKind::Command => read_command(body).is_some(),
            _ => true,
        };
        (!is_known).then(|| {
            let what = format!("this version cannot read it ({:?})", record.kind);
            (what, REMEDY_VERSION)
        })
    }

    /// Sequences go on from epoch to epoch.
    fn check_continues(&self, before: &Self, findings: &mut Vec<Finding>) {
        let (wanted, found) = (before.seen.last + 1, self.seen.first);
        // A log whose processes began at 1 each was written by an earlier version.
        if before.damaged || self.seen.records == 0 || found == wanted || found == 1 {
            return;
        }
        let what = format!(
            "it begins with record {found} where {wanted} was due: the log of start {} ended otherwise",
            before.epoch
        );
        let (file, _) = self.locate(0);
        findings.push(Finding {
            severity: Severity::Damaged,
            log: self.log,
            start: self.epoch,
            file,
            offset: 0,
            before: before.before,
            what,
            remedy: REMEDY_DAMAGED,
        });
    }

    /// Files are made at their full size.
    fn check_files(&self, findings: &mut Vec<Finding>) -> Result<(), LogError> {
        let directory = &self.place.directory;
        let mut segments = Vec::new();
        for entry in fs::read_dir(directory).map_err(at(directory))? {
            let name = entry.map_err(at(directory))?.file_name();
            let parsed = name
                .to_str()
                .and_then(|name| parse_segment_name(name, self.log));
            segments.extend(parsed.filter(|&(epoch, _)| epoch == self.epoch));
        }
        segments.sort_unstable();
        for &(epoch, segment) in &segments {
            let path = segment_path(directory, self.log, epoch, segment);
            let length = match fs::metadata(&path) {
                Ok(metadata) => metadata.len(),
                // Retired meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(at(&path)(error)),
            };
            let full = self.place.segment_bytes;
            if length == full {
                continue;
            }
            // Made and not yet filled when the process ended: nothing was ever in it.
            let begun = length == 0 && segments.last() == Some(&(epoch, segment));
            let (severity, remedy) = match begun {
                true => (Severity::Torn, REMEDY_TORN),
                false => (Severity::Damaged, REMEDY_DAMAGED),
            };
            findings.push(Finding {
                severity,
                log: self.log,
                start: epoch,
                file: path,
                offset: length,
                before: self.before,
                what: format!("the file has {length} bytes, and files of a log have {full}"),
                remedy,
            });
        }
        Ok(())
    }

    /// The first byte behind the last record that is not zero, up to the end of its file: later files are the reader's affair.
    fn written_behind(&self) -> Result<Option<u64>, LogError> {
        let (path, mut offset) = self.locate(self.end);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&path)(error)),
        };
        let left = file.metadata().map_err(at(&path))?.len();
        let left = left.saturating_sub(offset).min(LOG_READ_BYTES as u64);
        let mut chunk = vec![0; left as usize];
        let begin = self.end - offset;
        loop {
            let bytes = file.read_at(&mut chunk, offset).map_err(at(&path))?;
            if bytes == 0 {
                return Ok(None);
            }
            if let Some(within) = chunk[..bytes].iter().position(|&b| b != 0) {
                return Ok(Some(begin + offset + within as u64));
            }
            offset += bytes as u64;
        }
    }
}
