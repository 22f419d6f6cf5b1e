//! Reading a log back: bytes -> records, each proved to follow the one before; and what to call it when one does not.
//!
//! Pure and bounded: the caller brings bytes from wherever the log lies (segments on disk, a window in memory) and goes on where the
//! chain says. Used by everything that reads logs: `gatehouse log`, and what rebuilds or checks state from them.

use std::path::PathBuf;

use super::record::{BODY_OFFSET, Record, RecordError, checksum, view};
use super::start;
use crate::limits::LOG_RECORD_BYTES_MAX;
use ringbuf::checksum::Crc32c;

/// How far a log was read: what the next record must follow. Sequences go on from epoch to epoch, checksums begin anew in each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Chain {
    /// Sequence of the last record; zero before the first, [`Chain::ANY`]'s where it is not known.
    pub sequence: u64,
    /// Its checksum.
    pub crc: u32,
}

/// What stands at the start of some bytes.
#[derive(Debug)]
pub enum Step<'a> {
    /// The next record, and the bytes that it takes with its padding.
    Record(Record<'a>, usize),
    /// Nothing was ever written here: no bytes, or zeros.
    Blank,
    /// The bytes end within a record that takes so many.
    More(usize),
    /// No record, or not the next one.
    Broken(RecordError),
}

/// Bytes that tell a blank place from a record: its checksum, length, kind and channel.
const BLANK_BYTES: usize = 32;

impl Chain {
    /// Before the first record of a log.
    pub const START: Self = Self {
        sequence: 0,
        crc: 0,
    };

    /// Before the first record of an epoch, where what came before is not known.
    pub const ANY: Self = Self {
        sequence: u64::MAX,
        crc: 0,
    };

    /// Before the first record of an epoch whose log goes on behind `sequence`.
    pub fn behind(sequence: u64) -> Self {
        Self { sequence, crc: 0 }
    }

    /// Whether a record of this sequence may be the next one.
    pub fn wants(&self, sequence: u64) -> bool {
        *self == Self::ANY || sequence == self.sequence.wrapping_add(1)
    }

    /// What stands at the start of `bytes`; the chain stays.
    pub fn look<'a>(&self, bytes: &'a [u8]) -> Step<'a> {
        if bytes.iter().take(BLANK_BYTES).all(|&b| b == 0) {
            return Step::Blank;
        }
        let Some(length) = bytes.get(4..8) else {
            return Step::More(BODY_OFFSET);
        };
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
        if !(BODY_OFFSET..=LOG_RECORD_BYTES_MAX).contains(&length) {
            return Step::Broken(RecordError::Length(length));
        }
        if bytes.len() < length {
            return Step::More(length);
        }
        if checksum(Crc32c::new(), self.crc, &bytes[..length]).to_le_bytes() != bytes[..4] {
            return Step::Broken(RecordError::Checksum);
        }
        match view(bytes) {
            Ok((record, _)) if !self.wants(record.sequence) => {
                Step::Broken(RecordError::Sequence {
                    wanted: self.sequence.wrapping_add(1),
                    found: record.sequence,
                })
            }
            // No checksum covers the filling.
            Ok((_, taken)) if bytes.len() < taken => Step::More(taken),
            Ok((_, taken)) if bytes[length..taken].iter().any(|&b| b != 0) => {
                Step::Broken(RecordError::Padding)
            }
            Ok((record, taken)) => Step::Record(record, taken),
            Err(error) => Step::Broken(error),
        }
    }

    /// As [`Chain::look`]; the chain moves behind a record.
    pub fn take<'a>(&mut self, bytes: &'a [u8]) -> Step<'a> {
        let step = self.look(bytes);
        if let Step::Record(record, _) = &step {
            self.follow(record);
        }
        step
    }

    /// The chain behind this record.
    pub fn follow(&mut self, record: &Record<'_>) {
        (self.sequence, self.crc) = (record.sequence, record.crc);
    }
}

/// Sequence that a record claims, unproved.
pub fn claimed_sequence(bytes: &[u8]) -> Option<u64> {
    let sequence = bytes.get(16..24)?.try_into().ok()?;
    Some(u64::from_le_bytes(sequence))
}

/// The epoch that a Start record names.
pub fn epoch_of_start(record: &Record<'_>) -> Option<u16> {
    start::read(record).map(|start| start.epoch)
}

/// Whether the record that should follow `chain` and fails at the start of `rest` was being written when its writer's host went down:
/// its end is missing, and behind it nothing was ever written. `rest` reaches to the end of the log, or holds the longest record.
pub fn is_torn(chain: Chain, rest: &[u8], nothing_behind: bool) -> bool {
    let Some(length) = rest.get(4..8) else {
        return nothing_behind;
    };
    let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
    if length == 0 {
        // Not even that was written.
        let header = rest.iter().take(BODY_OFFSET).skip(4);
        return nothing_behind && header.into_iter().all(|&b| b == 0);
    }
    if !nothing_behind || !(BODY_OFFSET..=LOG_RECORD_BYTES_MAX).contains(&length) {
        return false;
    }
    let record = &rest[..length.min(rest.len())];
    // A damaged length may reach over records that stand behind it: then the next one is in there. Its sequence alone proves nothing: the
    // body of a mark may have the same number.
    let this = Chain {
        sequence: match chain {
            Chain::ANY => claimed_sequence(rest).unwrap_or(0),
            Chain { sequence, .. } => sequence.wrapping_add(1),
        },
        crc: u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]),
    };
    let is_next = |at: usize| {
        claimed_sequence(&rest[at..]).is_some_and(|sequence| this.wants(sequence))
            && matches!(this.look(&rest[at..]), Step::Record(..) | Step::More(_))
    };
    let goes_on = (BODY_OFFSET..record.len()).step_by(8).any(is_next);
    let is_cut = rest.len() < length.next_multiple_of(8);
    !goes_on && (is_cut || record.last() == Some(&0))
}

/// Why the next record of a log cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Why {
    /// It was being written when the host or the process went down; nothing follows it.
    #[error("torn tail: the last record was not written to its end")]
    TornTail,
    /// Damage.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// A file of the log is not there, and later ones are.
    #[error("the file is missing, and later ones are there")]
    MissingSegment,
    /// Nothing stands where more should, since later files or records exist.
    #[error("nothing is written here, and yet more follows")]
    Hole,
    /// It is whole, and the log of another start of the gateway.
    #[error("the file is of another start of the gateway")]
    OtherStart,
}

/// Where a log cannot be read any further.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{} at byte {offset}, behind record {after}: {why}", .file.display())]
pub struct Broken {
    /// File that should hold the record's first byte
    pub file: PathBuf,
    /// Offset in that file
    pub offset: u64,
    /// Whether that is the first of its epoch
    pub is_at_start: bool,
    /// Sequence of the last good record; zero where there is none
    pub after: u64,
    /// What is wrong
    pub why: Why,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Cause, Log, LogId, RecordKind};
    use ringbuf::byte_log::{self, Region};

    #[test]
    fn steps_are_labelled() {
        let chain = Chain::START;
        assert!(matches!(chain.look(&[]), Step::Blank));
        assert!(matches!(chain.look(&[0; 100]), Step::Blank));
        assert!(matches!(chain.look(&[1, 2]), Step::More(BODY_OFFSET)));
        let mut bytes = vec![0; 48];
        bytes[4..8].copy_from_slice(&47u32.to_le_bytes());
        let short = chain.look(&bytes);
        assert!(matches!(short, Step::Broken(RecordError::Length(47))));
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        let long = chain.look(&bytes);
        assert!(matches!(long, Step::Broken(RecordError::Length(_))));
        bytes[4..8].copy_from_slice(&60u32.to_le_bytes());
        assert!(matches!(chain.look(&bytes), Step::More(60)));
        bytes.resize(64, 0);
        let wrong = chain.look(&bytes);
        assert!(matches!(wrong, Step::Broken(RecordError::Checksum)));
    }

    #[test]
    fn a_tail_is_torn_only_where_nothing_follows() {
        let mut bytes = vec![7; 80];
        bytes[4..8].copy_from_slice(&80u32.to_le_bytes());
        assert!(!is_torn(Chain::START, &bytes, true), "whole, and wrong");
        assert!(is_torn(Chain::START, &bytes[..70], true), "cut off");
        bytes[60..].fill(0);
        assert!(
            is_torn(Chain::START, &bytes, true),
            "not written to its end"
        );
        assert!(!is_torn(Chain::START, &bytes, false), "more follows");
        assert!(is_torn(Chain::START, &bytes[..3], true));
    }

    /// Two records with these bodies, and the size of the first.
    fn two(bodies: [&[u8]; 2]) -> (Vec<u8>, usize) {
        let window = byte_log::create(Region::heap(1 << 12)).unwrap();
        let (mut log, mut reader) = (Log::new(LogId::Order, window.0), window.1);
        let mut bytes = Vec::new();
        let sizes = bodies.map(|body| {
            let kind = RecordKind::Mark;
            log.append(kind, 0, Cause::default(), 1, body).unwrap();
            let frame = reader.next().unwrap().bytes;
            bytes.extend_from_slice(frame);
            frame.len()
        });
        (bytes, sizes[0])
    }

    #[test]
    fn a_damaged_length_that_reaches_over_the_next_record_is_no_torn_tail() {
        let (mut bytes, first) = two([&[1; 24], &[0; 24]]);
        let long = (first as u32 + 256).to_le_bytes();
        bytes[4..8].copy_from_slice(&long);
        for chain in [Chain::START, Chain::ANY] {
            assert!(!is_torn(chain, &bytes, true));
            assert!(is_torn(chain, &bytes[..first], true), "nothing follows");
        }
    }

    #[test]
    fn a_torn_mark_may_have_the_next_number_in_its_body() {
        let numbers = [2u64, 2, 2].map(u64::to_le_bytes).concat();
        let (bytes, first) = two([&numbers, &numbers]);
        for cut in 8..first {
            assert!(is_torn(Chain::START, &bytes[..cut], true), "{cut}");
        }
    }
}
