//! A log of earlier processes, read by the one that takes its place: what they had only in their window is brought to its place on disk.
//!
//! On the starting thread, before a new window exists. The window is held while it is read, so that two processes on one directory
//! cannot destroy each other's logs, and replaced when everything is on disk: at any time there is a window, so that one that is missing
//! tells that the host went down. What is found here is decided by [`crate::journal::recover`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ringbuf::byte_log::foreign::Positions;

use super::log_reader::{LogError, LogPlace, LogReader};
use super::log_store::{SegmentWriter, aside_path, keep_aside, segment_path, take_out};
use super::starts::Starts;
use crate::journal::causes::Cut;
use crate::journal::loss::CutEnd;
use crate::journal::mark::{LOGS, Mark, Marks};
use crate::journal::read::{Broken, Why};
use crate::journal::record::RecordError;
use crate::journal::recover::{self, Action, Facts, Misfit, Refusal, Row, Tail, Window};
use crate::journal::snapshot::Position;
use crate::journal::{LogId, Record, RecordKind, start};
use crate::sys::staging::{StagingRegion, Stamp};

/// All epochs of one log, one record after the other.
pub struct Takeover {
    place: LogPlace,
    /// The same with what of the window is believed, and from where it is read
    readable: LogPlace,
    position: Position,
    log: LogId,
    gateway: Option<String>,
    reader: LogReader,
    held: Option<StagingRegion>,
    /// What stands in the window alone, perhaps: epoch, offset over its files, bytes
    rescued: Vec<(u16, u64, Vec<u8>)>,
    facts: Facts,
    /// What stands behind the last whole record of the epoch before the one that is read, or of that
    broken: Option<Broken>,
    /// Start number of the last record's process
    epoch: u16,
    /// Where that record ends, over the files of its epoch
    end: u64,
    starts: Option<Starts>,
    /// What was decided about earlier epochs that do not end well
    settled: Vec<&'static Row>,
    /// Its end tells of what another log has lost; of its second reading: the bytes of that, with which it does not go on
    cut: Option<Cut>,
    is_second: bool,
    aside: Vec<u8>,
}

/// Why a log cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The table says so.
    #[error("{0}")]
    Refused(#[from] Box<Refusal>),
    /// The system.
    #[error("{0}; nothing was changed")]
    Log(#[from] LogError),
}

impl TakeoverError {
    /// Whether it is something that an operator may accept.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is_loss)
    }
}

impl Takeover {
    /// Of the log in this place, where a gateway of this name begins. Holds the window.
    pub fn open(place: LogPlace, log: LogId, gateway: Option<&str>) -> Result<Self, TakeoverError> {
        Self::open_behind(place, log, gateway, &Position::START)
    }

    /// The same, of which everything up to this position was read at some time.
    pub fn open_behind(
        place: LogPlace,
        log: LogId,
        gateway: Option<&str>,
        position: &Position,
    ) -> Result<Self, TakeoverError> {
        let staging = place.staging.clone().unwrap_or_default();
        let path = staging.join(format!("{}.window", log.name()));
        let (window, held) = look_at(&path).map_err(|error| LogError::Io {
            path: path.clone(),
            error,
        })?;
        let facts = Facts {
            window,
            tail: tail_behind(position),
            last: position.sequence(),
            ..Facts::default()
        };
        if let Window::InUse(_) = window {
            let row = recover::decide(&facts);
            let what = recover::describe(row, &facts, None);
            return Err(refused(row, log, (path, 0), what));
        }
        // What another boot or host left in memory is not believed.
        let staging = matches!(window, Window::Filled | Window::Drained).then_some(staging);
        let readable = LogPlace {
            staging,
            ..place.clone()
        };
        Ok(Self {
            reader: LogReader::open_behind(readable.clone(), log, position)?,
            readable,
            position: *position,
            place,
            log,
            gateway: gateway.map(str::to_owned),
            held,
            rescued: Vec::new(),
            facts,
            broken: None,
            epoch: position.epoch,
            end: position.offset,
            starts: None,
            settled: Vec::new(),
            cut: None,
            is_second: false,
            aside: Vec::new(),
        })
    }

    /// All logs were read: this one's end has no cause.
    pub fn lacks_cause(&mut self, cut: Cut) {
        (self.facts.causeless, self.facts.is_proved) = (cut.first, cut.is_proved);
        self.cut = Some(cut);
    }

    /// To be read a second time, up to where it is cut. The window stays held.
    pub fn again(self) -> Result<Self, TakeoverError> {
        let position = &self.position;
        let facts = Facts {
            tail: tail_behind(position),
            last: position.sequence(),
            ..self.facts
        };
        Ok(Self {
            reader: LogReader::open_behind(self.readable.clone(), self.log, position)?,
            rescued: Vec::new(),
            facts,
            broken: None,
            epoch: position.epoch,
            end: position.offset,
            settled: Vec::new(),
            is_second: true,
            ..self
        })
    }

    /// What of it is taken out.
    pub fn cut_end(&self) -> CutEnd {
        self.cut.map_or_else(CutEnd::default, |cut| CutEnd {
            records: cut.records(),
            bytes: self.aside.len() as u64,
        })
    }

    /// Where that is kept.
    pub fn aside_path(&self) -> Option<PathBuf> {
        let cut = self.cut?;
        let directory = &self.place.directory;
        Some(aside_path(directory, self.log, cut.epoch, cut.offset))
    }

    /// The next record is the first that is cut: it and what follows is all that is read of them.
    fn set_aside(&mut self) {
        self.aside.clear();
        loop {
            self.aside.extend_from_slice(self.reader.bytes());
            // What cannot be read there would not have been gone on with either.
            if !self.reader.advance().unwrap_or(false) {
                return;
            }
        }
    }

    /// What is known of starts outside the logs.
    pub fn knowing(mut self, starts: Option<Starts>) -> Self {
        self.starts = starts;
        self
    }

    /// The first record of all must be the one behind what is no longer kept.
    fn check_first(&self, found: u64) -> Result<(), TakeoverError> {
        let at = LOGS.iter().position(|log| *log == self.log);
        let (Some(starts), Some(at), 0) = (self.starts, at, self.epoch) else {
            return Ok(());
        };
        let last = starts.before[at];
        let wanted = last + 1;
        if found == wanted {
            return Ok(());
        }
        let file = segment_path(&self.place.directory, self.log, self.reader.epoch(), 0);
        let facts = Facts {
            tail: Tail::Broken(Why::Record(RecordError::Sequence { wanted, found })),
            is_at_start: true,
            last,
            ..self.facts
        };
        let row = recover::decide(&facts);
        let what = recover::describe(row, &facts, None);
        Err(refused(row, self.log, (file, 0), what))
    }

    /// Goes to the next record; `false` behind the last.
    pub fn advance(&mut self) -> Result<bool, TakeoverError> {
        loop {
            match self.reader.advance() {
                Ok(true) => break,
                Ok(false) => return Ok(false),
                // Whether it matters is known when the next epoch is read, or all logs are.
                Err(LogError::Broken(broken)) => {
                    // Of a start whose first record did not get whole to the disk there is nothing.
                    if self.broken.is_none() || !broken.is_at_start || broken.why != Why::TornTail {
                        self.settle(None)?;
                        self.broken = Some(broken);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        let record = self.reader.record();
        let is_cut = |cut: Cut| self.reader.epoch() == cut.epoch && record.sequence >= cut.first;
        if self.is_second && self.cut.is_some_and(is_cut) {
            self.set_aside();
            return Ok(false);
        }
        let (sequence, is_end) = (record.sequence, record.kind == RecordKind::End);
        let is_new = self.reader.epoch() != self.epoch;
        let misfit = is_new.then(|| {
            let (start, gateway) = (start::read(&record), self.gateway.as_deref());
            recover::misfit(start, self.log, self.reader.epoch(), gateway)
        });
        self.settle(Some(sequence))?;
        if let Some(Some(misfit)) = misfit {
            return Err(self.misfit(misfit));
        }
        self.check_first(sequence)?;
        self.epoch = self.reader.epoch();
        self.end = self.reader.offset() + self.reader.bytes().len() as u64;
        self.facts.last = sequence;
        self.facts.tail = if is_end { Tail::Ended } else { Tail::Open };
        if self.reader.is_from_window() {
            self.rescue();
        }
        Ok(true)
    }

    /// What was broken in an epoch before: another one follows, which begins with this record; `None`: it begins broken too.
    fn settle(&mut self, next: Option<u64>) -> Result<(), TakeoverError> {
        let Some(broken) = self.broken.take() else {
            return Ok(());
        };
        let (first, epoch, last) = (next.unwrap_or(0), self.reader.epoch(), self.facts.last);
        let mark = recover::mark_of_next(self.log, epoch, first, last);
        let facts = Facts {
            goes_on: mark.is_none(),
            marked: mark.map_or(0, |mark| mark.through),
            ..self.facts_of(&broken)
        };
        let row = recover::decide(&facts);
        match row.action {
            Action::CutTail => {
                self.settled.push(row);
                Ok(())
            }
            _ => Err(self.refuse(row, &facts, mark.filter(|mark| mark.record > 0), &broken)),
        }
    }

    fn facts_of(&self, broken: &Broken) -> Facts {
        let misfit = (broken.why == Why::OtherStart).then_some(Misfit::Epoch);
        Facts {
            tail: Tail::Broken(broken.why),
            is_at_start: broken.is_at_start,
            misfit,
            ..self.facts
        }
    }

    fn misfit(&self, misfit: Misfit) -> TakeoverError {
        let facts = Facts {
            misfit: Some(misfit),
            ..self.facts
        };
        let file = segment_path(&self.place.directory, self.log, self.reader.epoch(), 0);
        let row = recover::decide(&facts);
        refused(
            row,
            self.log,
            (file, 0),
            recover::describe(row, &facts, None),
        )
    }

    fn refuse(&self, row: &Row, facts: &Facts, mark: Option<Mark>, at: &Broken) -> TakeoverError {
        let what = recover::describe(row, facts, mark);
        refused(row, self.log, (at.file.clone(), at.offset), what)
    }

    fn refuse_causeless(&self, row: &Row, facts: &Facts, cut: Cut) -> TakeoverError {
        let segment = (cut.offset / self.place.segment_bytes) as u32;
        let file = segment_path(&self.place.directory, self.log, cut.epoch, segment);
        let (of, cause) = (cut.of.name(), cut.cause);
        let what = recover::describe(row, facts, None);
        let what = format!("{what}, record {cause} of the {of} log");
        refused(
            row,
            self.log,
            (file, cut.offset % self.place.segment_bytes),
            what,
        )
    }

    /// Kept in memory until all is decided: a start that is refused changes nothing.
    fn rescue(&mut self) {
        let place = (self.reader.epoch(), self.reader.offset());
        let bytes = self.reader.bytes();
        match self.rescued.last_mut() {
            Some((epoch, offset, piece)) if (*epoch, *offset + piece.len() as u64) == place => {
                piece.extend_from_slice(bytes);
            }
            _ => self.rescued.push((place.0, place.1, bytes.to_vec())),
        }
    }

    /// The record that [`Takeover::advance`] went to.
    pub fn record(&self) -> Record<'_> {
        self.reader.record()
    }

    /// The epoch of that record.
    pub fn epoch(&self) -> u16 {
        self.reader.epoch()
    }

    /// Its offset in the files of the epoch.
    pub fn offset(&self) -> u64 {
        self.reader.offset()
    }

    /// Sequence of the last record that was read.
    pub fn sequence(&self) -> u64 {
        self.facts.last
    }

    /// What was decided about earlier epochs that do not end well.
    pub fn settled(&self) -> &[&'static Row] {
        &self.settled
    }

    /// All logs were read: what is done about this one, which the others say these `marks` about.
    pub fn decide(&self, marks: &Marks, accepts_loss: bool) -> Result<&'static Row, TakeoverError> {
        let mark = marks.of(self.log);
        let end = self.end;
        let place = self.broken.clone().unwrap_or_else(|| Broken {
            file: self.file_at(mark, end),
            offset: end % self.place.segment_bytes,
            is_at_start: end == 0,
            after: self.facts.last,
            why: Why::Hole,
        });
        let facts = match &self.broken {
            Some(broken) => self.facts_of(broken),
            None => self.facts,
        };
        let facts = Facts {
            marked: mark.map_or(0, |mark| mark.through),
            accepts_loss,
            lacks_start: self.starts.is_some_and(|starts| self.epoch < starts.begun),
            ..facts
        };
        let row = recover::decide(&facts);
        match row.action {
            Action::Refuse => Err(match self.cut.filter(|cut| cut.is_proved) {
                Some(cut) => self.refuse_causeless(row, &facts, cut),
                None => self.refuse(row, &facts, mark, &place),
            }),
            _ => Ok(row),
        }
    }

    /// The file where the log ends; where there is none, the one that another log tells of.
    fn file_at(&self, mark: Option<Mark>, end: u64) -> PathBuf {
        let told = mark.map_or(1, |mark| mark.epoch);
        let epoch = if self.epoch == 0 { told } else { self.epoch };
        let segment = (end / self.place.segment_bytes) as u32;
        segment_path(&self.place.directory, self.log, epoch, segment)
    }

    /// Everything was read: makes it durable, and what is cut is moved to a file beside it. The window, if there was one, is for the caller to hold until another takes its place.
    pub fn finish(self) -> Result<Option<StagingRegion>, TakeoverError> {
        if let (Some(cut), Some(aside)) = (self.cut, self.aside_path()) {
            // A host that goes down meanwhile leaves what leads to the same cut.
            let taken = keep_aside(&aside, &self.aside)
                .and_then(|()| take_out(&self.place.directory, self.log, cut.epoch, cut.offset));
            taken.map_err(|error| failed(&self.place, error))?;
        }
        for (epoch, offset, bytes) in &self.rescued {
            let mut writer = SegmentWriter::new(&self.place.directory, self.log, *epoch);
            let written = writer.write_at(bytes, *offset).and_then(|()| writer.sync());
            written.map_err(|error| failed(&self.place, error))?;
        }
        // What the process before had written and not synced may be in the system's memory alone.
        for epoch in self.epoch..=self.reader.epoch().max(self.epoch) {
            sync_epoch(&self.place, self.log, epoch).map_err(|error| failed(&self.place, error))?;
        }
        Ok(self.held)
    }
}

fn tail_behind(position: &Position) -> Tail {
    match (position.epoch, position.ended) {
        (0, _) => Tail::Nothing,
        (_, true) => Tail::Ended,
        (_, false) => Tail::Open,
    }
}

fn refused(row: &Row, log: LogId, (file, offset): (PathBuf, u64), what: String) -> TakeoverError {
    TakeoverError::Refused(Box::new(Refusal {
        label: row.label,
        log,
        file,
        offset,
        what,
        remedy: row.remedy,
        is_loss: row.is_loss(),
    }))
}

/// What is where a window should be; one of the process before is held.
fn look_at(path: &Path) -> io::Result<(Window, Option<StagingRegion>)> {
    let region = match StagingRegion::open(path) {
        Ok(region) => region,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((Window::Missing, None));
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            // Its making was cut short: nothing was written to it.
            let is_empty = fs::metadata(path)?.len() == 0;
            let window = if is_empty {
                Window::Missing
            } else {
                Window::Unreadable
            };
            return Ok((window, None));
        }
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            let stamp = Stamp::read(path).ok().flatten();
            return Ok((Window::InUse(stamp.map(|stamp| stamp.process)), None));
        }
        Err(error) => return Err(error),
    };
    let (own, stamp) = (Stamp::own(), region.stamp());
    if stamp.boot_id != own.boot_id {
        let is_here = stamp.host == own.host;
        let window = if is_here {
            Window::OtherBoot
        } else {
            Window::OtherHost
        };
        return Ok((window, Some(region)));
    }
    let window = match super::log_window::positions_in(path)? {
        Some(Positions { head, released, .. }) if head == released => Window::Drained,
        Some(_) => Window::Filled,
        None => Window::Unreadable,
    };
    Ok((window, Some(region)))
}

fn sync_epoch(place: &LogPlace, log: LogId, epoch: u16) -> io::Result<()> {
    for segment in 0.. {
        match fs::File::open(segment_path(&place.directory, log, epoch, segment)) {
            Ok(file) => file.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    fs::File::open(&place.directory)?.sync_all()
}

fn failed(place: &LogPlace, error: io::Error) -> LogError {
    LogError::Io {
        path: place.directory.clone(),
        error,
    }
}
