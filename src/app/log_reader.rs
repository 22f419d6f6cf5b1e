//! A cold reader of the logs: all segments of all epochs in order, then what is still in the window in memory.
//!
//! For tools, on their own thread or process, beside a gateway that runs or after one that died. It takes no lock and maps nothing:
//! files are read through copies, and every record is proved by the chain of checksums before it is given out. What always holds:
//! records come in order, each once; memory is bounded, however long the log; a record that is being written is not an error.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::log_store::{parse_segment_name, segment_path};
use super::log_window::{Found, Window};
use super::starts;
use crate::journal::read::{Broken, Chain, Step, Why, is_torn};
use crate::journal::record::{BODY_OFFSET, RecordError};
use crate::journal::snapshot::Position;
use crate::journal::{LogId, Record, RecordKind, read};
use crate::limits::{LOG_READ_BYTES, LOG_RECORD_BYTES_MAX, LOG_SEGMENT_BYTES};

/// How often disk and window are compared before what does not fit is called damage: the journal moves records between two looks.
const LOOKS: usize = 6;
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Where logs lie.
#[derive(Clone, Debug)]
pub struct LogPlace {
    /// Segments.
    pub directory: PathBuf,
    /// The windows of the process that runs, or ran last.
    pub staging: Option<PathBuf>,
    /// Size of a segment.
    pub segment_bytes: u64,
    /// What is there of starts before this one is being removed: nobody reads it.
    pub first_epoch: u16,
}

impl LogPlace {
    /// Of a gateway with these directories.
    pub fn new(directory: impl Into<PathBuf>, staging: Option<PathBuf>) -> Self {
        let directory = directory.into();
        let starts = starts::read(&directory).ok().flatten();
        Self {
            directory,
            staging,
            segment_bytes: LOG_SEGMENT_BYTES,
            first_epoch: starts.map_or(0, |starts| starts.first),
        }
    }
}

/// Why a log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log is damaged or incomplete. Reading goes on with the next epoch.
    #[error("{0}")]
    Broken(#[from] Broken),
    /// The system says no.
    #[error("{}: {error}", .path.display())]
    Io {
        /// File or directory
        path: PathBuf,
        /// What it said
        error: io::Error,
    },
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |error| LogError::Io { path, error }
}

/// All epochs of one log, one after the other.
pub struct LogReader {
    place: LogPlace,
    log: LogId,
    epoch: Option<EpochReader>,
    /// The first epoch to be read.
    first: u16,
    /// The last one.
    last: u16,
    follow: bool,
    settled: bool,
}

impl LogReader {
    /// From the first record on.
    pub fn open(place: LogPlace, log: LogId) -> Result<Self, LogError> {
        fs::read_dir(&place.directory).map_err(at(&place.directory))?;
        Ok(Self {
            first: place.first_epoch,
            place,
            log,
            epoch: None,
            last: u16::MAX,
            follow: false,
            settled: false,
        })
    }

    /// From the record on that follows this position, where one was read already.
    pub fn open_behind(place: LogPlace, log: LogId, position: &Position) -> Result<Self, LogError> {
        let mut reader = Self::open(place, log)?;
        if position.epoch > 0 {
            let place = &reader.place;
            let mut epoch = EpochReader::new(place, log, position.epoch, position.chain);
            epoch.offset = position.offset;
            reader.epoch = Some(epoch);
        }
        Ok(reader)
    }

    /// Leaves out epochs that ended before `from_ns`.
    pub fn skip_to(&mut self, from_ns: u64) -> Result<(), LogError> {
        let epochs = epochs(&self.place.directory, self.log)?;
        let epochs = epochs.iter().rev();
        for &epoch in epochs.take_while(|&&epoch| epoch >= self.place.first_epoch) {
            self.first = epoch;
            let mut reader = EpochReader::new(&self.place, self.log, epoch, Chain::ANY);
            // What cannot be read says so when its turn comes.
            if let Ok(true) = reader.advance(false)
                && reader.record().time_ns <= from_ns
            {
                break;
            }
        }
        Ok(())
    }

    /// Only this epoch.
    pub fn only(&mut self, epoch: u16) {
        (self.first, self.last) = (epoch, epoch);
    }

    /// A tail that is not whole is waited for, instead of being an error.
    pub fn follow(&mut self) {
        self.follow = true;
    }

    /// No process writes there any more: what does not fit is not looked at again.
    pub fn settled(&mut self) {
        self.settled = true;
    }

    /// Gives its memory back. It begins anew after that.
    pub fn forget(&mut self) {
        self.epoch = None;
    }

    /// Goes to the next record; `false` where there is none now. After an error of the log itself: the next epoch.
    pub fn advance(&mut self) -> Result<bool, LogError> {
        let mut next = None;
        loop {
            if let Some(epoch) = &mut self.epoch
                && epoch.advance(self.follow && next.is_none())?
            {
                return Ok(true);
            }
            // Only after a newer process is seen is it certain that this one writes no more: then it was read once more.
            if let Some(next) = next.take() {
                // Behind damage it is not known how far the epoch went.
                let before = self.epoch.as_ref().filter(|epoch| !epoch.broken);
                let chain = before.map_or(Chain::ANY, |epoch| Chain::behind(epoch.chain.sequence));
                let mut epoch = EpochReader::new(&self.place, self.log, next, chain);
                epoch.looks = if self.settled { 1 } else { LOOKS };
                self.epoch = Some(epoch);
                continue;
            }
            let after = self.epoch.as_ref().map(|epoch| epoch.epoch);
            next = epochs(&self.place.directory, self.log)?
                .into_iter()
                .find(|&epoch| {
                    (self.first..=self.last).contains(&epoch)
                        && after.is_none_or(|after| epoch > after)
                });
            if next.is_none() {
                return Ok(false);
            }
        }
    }

    /// The record that [`LogReader::advance`] went to.
    pub fn record(&self) -> Record<'_> {
        match &self.epoch {
            Some(epoch) => epoch.record(),
            None => panic!("no record was read yet"),
        }
    }

    /// Offset of that record in the files of its epoch.
    pub fn offset(&self) -> u64 {
        self.epoch.as_ref().map_or(0, |epoch| {
            epoch.offset - (epoch.current.len() as u64).next_multiple_of(8)
        })
    }

    /// That record as it stands in the log, padding included.
    pub fn bytes(&self) -> &[u8] {
        let epoch = self.epoch.as_ref();
        epoch.map_or(&[], |epoch| &epoch.buffer[epoch.current.clone()])
    }

    /// Whether it was found in a window, and may not be on disk.
    pub fn is_from_window(&self) -> bool {
        self.epoch.as_ref().is_some_and(|epoch| epoch.in_window)
    }

    /// The epoch (start number) of that record.
    pub fn epoch(&self) -> u16 {
        self.epoch.as_ref().map_or(0, |epoch| epoch.epoch)
    }
}

/// Epochs of which there are files, in order.
pub fn epochs(directory: &Path, log: LogId) -> Result<Vec<u16>, LogError> {
    let mut epochs = Vec::new();
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let name = entry.map_err(at(directory))?.file_name();
        epochs.extend(
            name.to_str()
                .and_then(|name| parse_segment_name(name, log))
                .map(|(epoch, _)| epoch),
        );
    }
    epochs.sort_unstable();
    epochs.dedup();
    Ok(epochs)
}

/// One epoch of one log.
struct EpochReader {
    directory: PathBuf,
    segment_bytes: u64,
    log: LogId,
    epoch: u16,
    chain: Chain,
    /// Where the next record begins, in bytes over all segments
    offset: u64,
    /// Bytes of records that follow one another, from disk or from a window
    buffer: Vec<u8>,
    /// Where files are read into
    room: Vec<u8>,
    /// Up to here they were given out
    given: usize,
    current: Range<usize>,
    /// What stands there, and its body
    parsed: Option<(Record<'static>, Range<usize>)>,
    file: Option<(u32, File)>,
    window: Window,
    /// Where the buffer's records are from
    in_window: bool,
    broken: bool,
    looks: usize,
}

/// What the disk has behind the last record.
enum Disk {
    Records,
    Blank,
    Broken(Why),
}

impl EpochReader {
    fn new(place: &LogPlace, log: LogId, epoch: u16, chain: Chain) -> Self {
        Self {
            directory: place.directory.clone(),
            segment_bytes: place.segment_bytes,
            log,
            epoch,
            chain,
            offset: 0,
            buffer: Vec::new(),
            room: Vec::new(),
            given: 0,
            current: 0..0,
            parsed: None,
            file: None,
            window: Window::new(place, log, epoch),
            in_window: false,
            broken: false,
            looks: LOOKS,
        }
    }

    fn record(&self) -> Record<'_> {
        let (record, body) = self.parsed.as_ref().expect("was read before");
        record.over(&self.buffer[body.clone()])
    }

    /// To the next record. `patient`: what is not whole may become so.
    fn advance(&mut self, patient: bool) -> Result<bool, LogError> {
        if self.broken {
            return Ok(false);
        }
        loop {
            match self.chain.look(&self.buffer[self.given..]) {
                Step::Record(record, taken) => {
                    let foreign = record.kind == RecordKind::Start
                        && read::epoch_of_start(&record).is_some_and(|epoch| epoch != self.epoch);
                    if foreign {
                        return Err(self.break_off(Why::OtherStart));
                    }
                    self.chain.follow(&record);
                    let end = (self.given + taken).min(self.buffer.len());
                    self.current = self.given..end;
                    let body = self.given + BODY_OFFSET;
                    self.parsed = Some((record.over(&[]), body..body + record.body.len()));
                    self.given = end;
                    self.offset += taken as u64;
                    return Ok(true);
                }
                // The end of what is at hand, or not what belongs here: look again where it lies.
                _ => match self.fill()? {
                    Disk::Records => {}
                    Disk::Blank => return Ok(false),
                    Disk::Broken(Why::TornTail) if patient => return Ok(false),
                    Disk::Broken(why) => return Err(self.break_off(why)),
                },
            }
        }
    }

    fn break_off(&mut self, why: Why) -> LogError {
        self.broken = true;
        let (segment, offset) = self.place_of(self.offset);
        LogError::Broken(Broken {
            file: segment_path(&self.directory, self.log, self.epoch, segment),
            offset,
            is_at_start: self.offset == 0,
            after: match self.chain {
                Chain::ANY => 0,
                chain => chain.sequence,
            },
            why,
        })
    }

    fn place_of(&self, offset: u64) -> (u32, u64) {
        let segment = offset / self.segment_bytes;
        (segment as u32, offset % self.segment_bytes)
    }

    /// Gets the records behind the last one, from disk or from a window.
    fn fill(&mut self) -> Result<Disk, LogError> {
        let mut outcome = Disk::Blank;
        for look in 0..self.looks {
            if look > 0 {
                std::thread::sleep(BETWEEN_LOOKS);
            }
            outcome = self.fill_from_disk()?;
            if let Disk::Records = outcome {
                return Ok(outcome);
            }
            match self
                .window
                .read(self.chain, &mut self.buffer)
                .map_err(at(self.window.path()))?
            {
                Found::Records => {
                    (self.given, self.in_window) = (0, true);
                    return Ok(Disk::Records);
                }
                // On its way from the window to the disk.
                Found::Beyond(_) if self.is_last()? => outcome = Disk::Broken(Why::Hole),
                Found::Beyond(_) | Found::Nothing => {
                    if let Disk::Blank = outcome {
                        return Ok(outcome);
                    }
                }
            }
        }
        Ok(outcome)
    }

    fn is_last(&self) -> Result<bool, LogError> {
        Ok(epochs(&self.directory, self.log)?.last() == Some(&self.epoch))
    }

    fn fill_from_disk(&mut self) -> Result<Disk, LogError> {
        // Made and blank once, since the system has blank pages at hand; then only written over.
        let mut room = std::mem::take(&mut self.room);
        if room.is_empty() {
            room = vec![0; LOG_READ_BYTES];
        }
        let bytes = self.read_at(self.offset, &mut room)?;
        self.buffer.clear();
        self.buffer.extend_from_slice(&room[..bytes]);
        (self.room, self.given, self.in_window) = (room, 0, false);
        let error = match self.chain.look(&self.buffer) {
            Step::Record(..) => return Ok(Disk::Records),
            Step::Blank => return self.at_blank(),
            Step::More(bytes) => RecordError::Length(bytes),
            Step::Broken(error) => error,
        };
        let nothing_behind = self.is_blank_behind()?;
        if is_torn(self.chain, &self.buffer, nothing_behind) {
            return Ok(Disk::Broken(Why::TornTail));
        }
        Ok(Disk::Broken(Why::Record(error)))
    }

    /// Nothing is written where the next record should be: the end, unless there are later files.
    fn at_blank(&self) -> Result<Disk, LogError> {
        let (segment, _) = self.place_of(self.offset);
        let later = self.segments()?.into_iter().any(|other| other > segment);
        let there = segment_path(&self.directory, self.log, self.epoch, segment).exists();
        Ok(match (later, there) {
            (false, _) => Disk::Blank,
            (true, true) => Disk::Broken(Why::Hole),
            (true, false) => Disk::Broken(Why::MissingSegment),
        })
    }

    /// Whether nothing was ever written behind the record that should stand here.
    fn is_blank_behind(&mut self) -> Result<bool, LogError> {
        let length = self.buffer.get(4..8).map_or(0, |length| {
            u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize
        });
        let mut offset = self.offset + length.clamp(BODY_OFFSET, LOG_RECORD_BYTES_MAX) as u64;
        let mut chunk = vec![0; LOG_READ_BYTES];
        loop {
            let bytes = self.read_at(offset, &mut chunk)?;
            if bytes == 0 {
                return Ok(true);
            }
            if chunk[..bytes].iter().any(|&b| b != 0) {
                return Ok(false);
            }
            offset += bytes as u64;
        }
    }

    fn segments(&self) -> Result<Vec<u32>, LogError> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(at(&self.directory))? {
            let name = entry.map_err(at(&self.directory))?.file_name();
            let parsed = name
                .to_str()
                .and_then(|name| parse_segment_name(name, self.log));
            segments.extend(
                parsed
                    .filter(|&(epoch, _)| epoch == self.epoch)
                    .map(|(_, segment)| segment),
            );
        }
        Ok(segments)
    }

    /// Reads from a place in the log, over segments; fewer bytes where the files end.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, LogError> {
        let mut done = 0;
        while done < into.len() {
            let (segment, within) = self.place_of(offset + done as u64);
            let room = (self.segment_bytes - within).min((into.len() - done) as u64) as usize;
            let Some(file) = self.segment(segment)? else {
                break;
            };
            let part = &mut into[done..done + room];
            let mut read = 0;
            while read < part.len() {
                match file.read_at(&mut part[read..], within + read as u64) {
                    Ok(0) => break,
                    Ok(bytes) => read += bytes,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        let path = segment_path(&self.directory, self.log, self.epoch, segment);
                        return Err(at(&path)(error));
                    }
                }
            }
            done += read;
            if read < room {
                break;
            }
        }
        Ok(done)
    }

    fn segment(&mut self, segment: u32) -> Result<Option<&File>, LogError> {
        if self.file.as_ref().is_none_or(|(open, _)| *open != segment) {
            let path = segment_path(&self.directory, self.log, self.epoch, segment);
            match File::open(&path) {
                Ok(file) => self.file = Some((segment, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(at(&path)(error)),
            }
        }
        Ok(self.file.as_ref().map(|(_, file)| file))
    }
}
