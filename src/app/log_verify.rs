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

pub use super::log_findings::{Before, EpochSeen, Finding, LogSeen, Severity, Verified};
use super::log_reader::{LogError, LogPlace, LogReader, at, epochs};
use super::log_store::{parse_segment_name, segment_path};
use super::starts;
use crate::journal::entry::{read_client, read_command, read_desk};
use crate::journal::mark::{Mark, Marks};
use crate::journal::read::{Broken, Why};
use crate::journal::record::BODY_OFFSET;
use crate::journal::recover::{self, Action, Facts, Misfit, Tail};
use crate::journal::{LogId, Record, RecordKind, mark, start};
use crate::limits::LOG_READ_BYTES;

/// How often what does not fit is looked at again, where a process may be writing.
const LOOKS: usize = 6;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

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
    let starts = starts::read(&place.directory).ok().flatten();
    for &log in logs {
        let at = mark::LOGS.iter().position(|of| *of == log);
        let removed = starts.zip(at).map(|(starts, at)| starts.before[at]);
        let mut epochs = epochs(&place.directory, log)?;
        epochs.retain(|&epoch| epoch >= place.first_epoch);
        let newest = epochs.last().copied();
        let mut of_log: Vec<EpochWalk> = Vec::new();
        for epoch in epochs {
            let mut walk = EpochWalk::open(place, log, epoch, settled || newest != Some(epoch))?;
            walk.behind = of_log.last().map_or(removed, |before| Some(before.last()));
            walk.run(&mut named, &mut findings, progress)?;
            if newest != Some(epoch) {
                walk.close();
            }
            walk.check_files(&mut findings)?;
            // A start that ended before its first record leaves empty files.
            let before = of_log.iter().rev().find(|walk| !walk.is_empty());
            walk.check_continues(before, &mut findings);
            of_log.push(walk);
        }
        walks.push((log, of_log));
    }
    for (_, of_log) in &mut walks {
        judge_ends(of_log, &named.marks, &mut findings)?;
    }
    for name in named.causes.clone().into_iter() {
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

/// What logs say of one another.
#[derive(Default)]
struct Named {
    /// The farthest record of a log that another one names as cause, per epoch of the other one.
    causes: BTreeMap<(u8, u8, u16), Naming>,
    marks: Marks,
}

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
        self.marks.take(walk.log, walk.epoch, record);
        let cause = record.cause;
        if cause.log == LogId::None || cause.log == walk.log {
            return;
        }
        let key = (cause.log as u8, walk.log as u8, walk.epoch);
        if self
            .causes
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
        self.causes.insert(key, naming);
    }
}

/// How the epochs of a log end, and whether they should have ended later.
fn judge_ends(
    of_log: &mut [EpochWalk],
    marks: &Marks,
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    for at in 0..of_log.len() {
        let next = of_log[at + 1..].iter().find(|walk| walk.seen.records > 0);
        let next = next.map(|walk| (walk.seen.first, walk.epoch));
        let walk = &mut of_log[at];
        let mark = match next {
            Some(_) if walk.is_empty() => None,
            Some((first, epoch)) => recover::mark_of_next(walk.log, epoch, first, walk.last()),
            None => marks.of(walk.log),
        };
        if let (None, Some(mark)) = (next, mark) {
            walk.reach(mark.through, findings)?;
        }
        let goes_on = next.is_some_and(|(first, _)| first == walk.last() + 1);
        walk.judge(goes_on, mark, findings);
    }
    Ok(())
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
    walk.reach(naming.sequence, findings)?;
    // Behind damage nothing was read.
    if walk.last() >= naming.sequence || walk.damaged {
        return Ok(());
    }
    let (by, start, record) = naming.by;
    let what = format!(
        "records {} to {} are missing at the end of the {} log: record {record} of the {} log (start {start}, {} at byte {}) names the last \
         of them as its cause",
        walk.last() + 1,
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
    /// Last sequence of the starts before, where it is known
    behind: Option<u64>,
    before: Option<Before>,
    /// Where the next record would stand
    end: u64,
    damaged: bool,
    /// Where it cannot be read on
    broken: Option<Broken>,
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
            behind: None,
            before: None,
            end: 0,
            damaged: false,
            broken: None,
            closed: false,
        })
    }

    /// Whether nothing was ever written there.
    fn is_empty(&self) -> bool {
        self.seen.records == 0 && self.broken.is_none() && !self.damaged
    }

    /// Sequence of the log's last record up to here.
    fn last(&self) -> u64 {
        match self.seen.records {
            0 => self.behind.unwrap_or(0),
            _ => self.seen.last,
        }
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
                    self.find(Severity::Damaged, offset, what, REMEDY_DAMAGED, findings);
                    (self.damaged, self.seen.is_cut) = (true, true);
                    self.close();
                }
                // What it is called depends on what the other logs say.
                Err(LogError::Broken(broken)) => {
                    self.broken = Some(broken);
                    self.close();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads on where it was read before the one that names the record with this sequence, and written since.
    fn reach(&mut self, sequence: u64, findings: &mut Vec<Finding>) -> Result<(), LogError> {
        for _ in 0..LOOKS {
            if self.last() >= sequence || self.closed || self.settled {
                break;
            }
            self.run(&mut Named::default(), findings, &mut |_, _, _| {})?;
            std::thread::sleep(BETWEEN_LOOKS);
        }
        Ok(())
    }

    /// What a start would say of the place where it ends, where the log `goes_on` behind it and others say so much of it.
    fn judge(&mut self, goes_on: bool, mark: Option<Mark>, findings: &mut Vec<Finding>) {
        let tail = match (&self.broken, self.seen.records) {
            (Some(broken), _) => Tail::Broken(broken.why),
            (None, 0) => Tail::Nothing,
            (None, _) => Tail::Open,
        };
        let other_start = tail == Tail::Broken(Why::OtherStart);
        let facts = Facts {
            tail,
            misfit: other_start.then_some(Misfit::Epoch),
            is_at_start: self.end == 0,
            goes_on,
            last: self.last(),
            marked: mark.map_or(0, |mark| mark.through),
            ..Facts::default()
        };
        let is_short = facts.last < facts.marked;
        if self.broken.is_none() && (!is_short || goes_on) {
            return;
        }
        let row = recover::decide(&facts);
        let (severity, remedy) = match tail {
            Tail::Broken(Why::TornTail) if goes_on || !is_short => (Severity::Torn, REMEDY_TORN),
            _ if row.action == Action::CutTail => (Severity::Torn, REMEDY_TORN),
            _ if row.label == "torn_loss" => (Severity::Lost, REMEDY_LOST),
            _ => (Severity::Damaged, row.remedy),
        };
        let what = recover::describe(row, &facts, mark);
        self.find(severity, self.end, what, remedy, findings);
        self.damaged |= severity == Severity::Damaged;
        self.seen.is_cut = true;
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
        let wrong = self.contradiction(&record);
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
            let start = start::read(record);
            let misfit = recover::misfit(start, self.log, self.epoch, None)?;
            let facts = Facts {
                misfit: Some(misfit),
                ..Facts::default()
            };
            let row = recover::decide(&facts);
            let words = String::from_utf8_lossy(body);
            return Some((format!("{}: \"{words}\"", row.meaning), row.remedy));
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
            RecordKind::Mark => mark::read(body).is_some(),
            _ => true,
        };
        (!is_known).then(|| {
            let what = format!("this version cannot read it ({:?})", record.kind);
            (what, REMEDY_VERSION)
        })
    }

    /// Sequences go on from epoch to epoch, and behind what is no longer kept.
    fn check_continues(&self, before: Option<&Self>, findings: &mut Vec<Finding>) {
        let is_known = before.is_none_or(|before| !before.damaged && before.broken.is_none());
        let (Some(behind), found) = (self.behind, self.seen.first) else {
            return;
        };
        // A log whose processes began at 1 each was written by an earlier version.
        if !is_known || self.seen.records == 0 || found == behind + 1 || found == 1 {
            return;
        }
        let what = match before {
            Some(before) => format!("the log of start {} ended otherwise", before.epoch),
            None => "what stood before is gone".to_owned(),
        };
        let what = format!(
            "it begins with record {found} where {} was due: {what}",
            behind + 1
        );
        let (file, _) = self.locate(0);
        findings.push(Finding {
            severity: Severity::Damaged,
            log: self.log,
            start: self.epoch,
            file,
            offset: 0,
            before: before.and_then(|before| before.before),
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
