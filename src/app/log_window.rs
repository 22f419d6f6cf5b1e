//! The part of a log that is not on disk yet: read from the window in memory that its stage writes to, or that an earlier process left.
//!
//! Read from outside, through copies of the file, while the owner goes on: what was copied is used only as far as the chain of
//! checksums proves it, and a window whose bytes were taken back meanwhile is looked at again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ringbuf::byte_log::HEADER_BYTES;
use ringbuf::byte_log::foreign::{Glimpse, Positions, glimpse};

use super::log_reader::LogPlace;
use crate::journal::read::{Chain, Step, claimed_sequence, epoch_of_start};
use crate::journal::{LogId, RecordKind};
use crate::limits::LOG_READ_BYTES;

/// How often a window is copied anew because its owner took the place meanwhile.
const COPIES: usize = 4;

/// What a window has for a reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// The next records.
    Records,
    /// None of this log, or nothing new.
    Nothing,
    /// Only later ones: this sequence and on.
    Beyond(u64),
}

/// The window of one log.
pub(super) struct Window {
    path: Option<PathBuf>,
    epoch: u16,
    /// Where the last read ended.
    cursor: u64,
    copy: Vec<u8>,
}

impl Window {
    pub(super) fn new(place: &LogPlace, log: LogId, epoch: u16) -> Self {
        let name = format!("{}.window", log.name());
        Self {
            path: place.staging.as_ref().map(|staging| staging.join(name)),
            epoch,
            cursor: 0,
            copy: Vec::new(),
        }
    }

    /// Its file.
    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new("the window"))
    }

    /// Replaces `into` by the records that follow `chain`, as many as there are and fit.
    pub(super) fn read(&mut self, chain: Chain, into: &mut Vec<u8>) -> io::Result<Found> {
        match self.path.clone() {
            Some(path) => self.read_one(&path, chain, into, self.cursor),
            None => Ok(Found::Nothing),
        }
    }

    fn read_one(
        &mut self,
        path: &Path,
        chain: Chain,
        into: &mut Vec<u8>,
        cursor: u64,
    ) -> io::Result<Found> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        for _ in 0..COPIES {
            into.clear();
            let Some(positions) = positions(&file)? else {
                return Ok(Found::Nothing);
            };
            let known = (positions.released..=positions.head).contains(&cursor);
            let from = if known { cursor } else { positions.released };
            match self.walk(&file, positions, from, chain, into)? {
                Some(Found::Nothing) if known && from > positions.released => {
                    // Of another process, perhaps, that stands at a place like ours.
                    if let Some(found) =
                        self.walk(&file, positions, positions.released, chain, into)?
                    {
                        return Ok(found);
                    }
                }
                Some(found) => return Ok(found),
                None => {}
            }
        }
        Ok(Found::Nothing)
    }

    /// `None`: the owner took back what was being copied.
    fn walk(
        &mut self,
        file: &File,
        positions: Positions,
        from: u64,
        mut chain: Chain,
        into: &mut Vec<u8>,
    ) -> io::Result<Option<Found>> {
        let mut position = from;
        while position < positions.head && into.len() < LOG_READ_BYTES {
            let piece = positions.bytes_in_one_piece(position) as usize;
            self.copy.resize(piece.min(LOG_READ_BYTES), 0);
            if read_whole(file, &mut self.copy, positions.file_offset(position))?.is_none() {
                return Ok(Some(Found::Nothing));
            }
            match self::positions(file)? {
                Some(now) if now.released <= position => {}
                _ => return Ok(None),
            }
            let mut at = 0;
            while at < self.copy.len() && into.len() < LOG_READ_BYTES {
                let (payload, taken) = match glimpse(&self.copy[at..]) {
                    Glimpse::Data(payload, taken) => (payload, taken),
                    Glimpse::Pad(taken) => (&[][..], taken),
                    Glimpse::Cut(_) if at > 0 => break,
                    Glimpse::Cut(_) | Glimpse::Nothing => {
                        return Ok(Some(outcome(into)));
                    }
                };
                match claimed_sequence(payload) {
                    Some(sequence) if chain.wants(sequence) => match chain.take(payload) {
                        Step::Record(record, _)
                            if record.kind != RecordKind::Start
                                || epoch_of_start(&record) == Some(self.epoch) =>
                        {
                            into.extend_from_slice(payload);
                        }
                        _ => return Ok(Some(outcome(into))),
                    },
                    Some(sequence) if sequence > chain.sequence && into.is_empty() => {
                        return Ok(Some(Found::Beyond(sequence)));
                    }
                    _ => {}
                }
                at += taken;
            }
            position += at as u64;
        }
        if !into.is_empty() {
            self.cursor = position;
        }
        Ok(Some(outcome(into)))
    }
}

fn outcome(into: &[u8]) -> Found {
    match into.is_empty() {
        true => Found::Nothing,
        false => Found::Records,
    }
}

/// Where the window there stands; `None` where it is none.
pub(super) fn positions_in(path: &Path) -> io::Result<Option<Positions>> {
    positions(&File::open(path)?)
}

/// `None` where it is no window (yet).
fn positions(file: &File) -> io::Result<Option<Positions>> {
    let mut header = [0; HEADER_BYTES];
    if read_whole(file, &mut header, 0)?.is_none() {
        return Ok(None);
    }
    Ok(Positions::read(&header).ok())
}

/// `None` where the file ends before.
fn read_whole(file: &File, into: &mut [u8], offset: u64) -> io::Result<Option<()>> {
    match file.read_exact_at(into, offset) {
        Ok(()) => Ok(Some(())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
