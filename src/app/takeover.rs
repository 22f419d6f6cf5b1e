//! A log of earlier processes, read by the one that takes its place: what they had only in their window is brought to its place on disk.
//!
//! On the starting thread, before a new window exists. The window is held while it is read, so that two processes on one directory
//! cannot destroy each other's logs, and replaced when everything is on disk: at any time there is a window, so that one that is missing
//! tells that the host went down.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::log_reader::{LogError, LogPlace, LogReader};
use super::log_store::{SegmentWriter, segment_path};
use crate::journal::read::Why;
use crate::journal::snapshot::Position;
use crate::journal::{LogId, Record, RecordKind};
use crate::sys::staging::StagingRegion;

/// All epochs of one log, one record after the other.
pub struct Takeover {
    place: LogPlace,
    log: LogId,
    reader: LogReader,
    held: Option<StagingRegion>,
    rescued: Option<SegmentWriter>,
    sequence: u64,
    ended: bool,
}

/// Why a log cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// Another process may use it.
    #[error("cannot take over {}: {error}", .window.display())]
    Window {
        /// Its window
        window: PathBuf,
        /// What the system said
        error: io::Error,
    },
    /// Damage, or the system.
    #[error(
        "{0}; nothing was changed: see `gatehouse log verify`, and move the logs away to begin anew"
    )]
    Log(#[from] LogError),
}

impl Takeover {
    /// Of the log in this place. Holds the window.
    pub fn open(place: LogPlace, log: LogId) -> Result<Self, TakeoverError> {
        Self::open_behind(place, log, &Position::START)
    }

    /// The same, of which everything up to this position was read at some time.
    pub fn open_behind(
        place: LogPlace,
        log: LogId,
        position: &Position,
    ) -> Result<Self, TakeoverError> {
        let staging = place.staging.clone().unwrap_or_default();
        let window = staging.join(format!("{}.window", log.name()));
        let held = match StagingRegion::open(&window) {
            Ok(region) => Some(region),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // Its making was cut short: nothing was written to it.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => return Err(TakeoverError::Window { window, error }),
        };
        Ok(Self {
            reader: LogReader::open_behind(place.clone(), log, position)?,
            place,
            log,
            held,
            rescued: None,
            sequence: position.sequence(),
            ended: position.ended,
        })
    }

    /// Goes to the next record; `false` behind the last.
    pub fn advance(&mut self) -> Result<bool, TakeoverError> {
        loop {
            match self.reader.advance() {
                Ok(true) => break,
                Ok(false) => return Ok(false),
                // What was being written when the host went down did not happen.
                Err(LogError::Broken(broken)) if broken.why == Why::TornTail => {}
                Err(error) => return Err(error.into()),
            }
        }
        let record = self.reader.record();
        (self.sequence, self.ended) = (record.sequence, record.kind == RecordKind::End);
        if self.reader.is_from_window() {
            self.rescue()?;
        }
        Ok(true)
    }

    fn rescue(&mut self) -> Result<(), LogError> {
        let epoch = self.reader.epoch();
        let known = self.rescued.take().filter(|writer| writer.epoch() == epoch);
        let writer =
            known.unwrap_or_else(|| SegmentWriter::new(&self.place.directory, self.log, epoch));
        let writer = self.rescued.insert(writer);
        let written = writer.write_at(self.reader.bytes(), self.reader.offset());
        written.map_err(|error| failed(&self.place, error))
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
        self.sequence
    }

    /// The process before did not end in order, and its window is gone: the host went down, and what was not on disk is missing.
    pub fn has_lost(&self) -> bool {
        !self.ended && self.held.is_none()
    }

    /// Everything was read: makes it durable. The window, if there was one, is for the caller to hold until another takes its place.
    pub fn finish(mut self) -> Result<Option<StagingRegion>, TakeoverError> {
        if let Some(writer) = &mut self.rescued {
            let synced = writer.sync();
            synced.map_err(|error| failed(&self.place, error))?;
        }
        // What the process before had written and not synced may be in the system's memory alone.
        sync_epoch(&self.place, self.log, self.reader.epoch())
            .map_err(|error| failed(&self.place, error))?;
        Ok(self.held)
    }
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
