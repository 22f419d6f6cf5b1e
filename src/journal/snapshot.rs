//! A snapshot as bytes: what a state is of, how far in the logs it goes, and the state itself.
//!
//! Pure. In front stand what it is, the layout's number, and a checksum over everything behind; then a heading, then the state, which
//! only the version that wrote it reads. What always holds: one that is torn, damaged, of another version or with other reference data
//! is told apart, and its state is not looked at.

use super::read::Chain;
use super::record::{Record, RecordKind, padded};
use crate::domain::saved::{Saved, Saver};

const MAGIC: [u8; 8] = *b"GHSNAP\r\n";
/// Number of the layout: with each change of anything that is saved another one.
const LAYOUT: u32 = 2;
/// Magic, layout, checksum, and the length of what follows.
const FRONT_BYTES: usize = 24;

/// How far a log was read. Epoch zero: it was not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Start number of the process that wrote the last record
    pub epoch: u16,
    /// Where it begins, in the files of its epoch
    pub last: u64,
    /// Where the next one begins
    pub offset: u64,
    /// Its sequence and checksum
    pub chain: Chain,
    /// When it was written, nanoseconds since 1970
    pub time_ns: u64,
    /// It was the last one of a process that ended in order
    pub ended: bool,
}

impl Position {
    /// Before the first record.
    pub const START: Self = Self {
        epoch: 0,
        last: 0,
        offset: 0,
        chain: Chain::ANY,
        time_ns: 0,
        ended: true,
    };

    /// Behind this record, which stands at `offset` of the files of its epoch.
    pub fn behind(epoch: u16, offset: u64, record: &Record<'_>) -> Self {
        let mut chain = Chain::START;
        chain.follow(record);
        Self {
            epoch,
            last: offset,
            offset: offset + padded(record.body.len()) as u64,
            chain,
            time_ns: record.time_ns,
            ended: record.kind == RecordKind::End,
        }
    }

    /// Sequence of the last record.
    pub fn sequence(&self) -> u64 {
        match self.epoch {
            0 => 0,
            _ => self.chain.sequence,
        }
    }
}

/// What a snapshot is of.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Heading {
    /// Version of the program that wrote it
    pub version: String,
    /// Of the reference data, see [`super::begin::Begin`]
    pub reference: u64,
    /// How far client, order and desk log are in it
    pub positions: [Position; 3],
}

/// Why a snapshot cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// Something else.
    #[error("it is no snapshot")]
    Foreign,
    /// Its end is missing, or a byte is another one.
    #[error("it is torn or damaged")]
    Damaged,
    /// Of another version of the program.
    #[error("version {0} wrote it")]
    Version(String),
    /// With other accounts, instruments, positions, sessions or desks.
    #[error("it was made with other accounts, instruments, positions, sessions or desks")]
    Reference,
    /// The logs are not those.
    #[error("the {0} log does not have the record up to which it goes")]
    Log(&'static str),
    /// The state does not come back as it was.
    #[error("its state is not what it says")]
    State,
}

/// What stands before the state.
pub fn head(heading: &Heading, state: &[u8]) -> Vec<u8> {
    let mut saver = Saver::default();
    saver.put(heading);
    let heading = saver.into_bytes();
    let length = heading.len() + state.len();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&heading), state);
    let mut head = Vec::with_capacity(FRONT_BYTES + heading.len());
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&LAYOUT.to_le_bytes());
    head.extend_from_slice(&crc.to_le_bytes());
    head.extend_from_slice(&(length as u64).to_le_bytes());
    head.extend_from_slice(&heading);
    head
}

/// Heading and state of what [`head`] and the state were written to, for the reference data of now.
pub fn read(bytes: &[u8], reference: u64) -> Result<(Heading, &[u8]), Unfit> {
    let (front, rest) = bytes.split_at_checked(FRONT_BYTES).ok_or(Unfit::Foreign)?;
    if front[..8] != MAGIC {
        return Err(Unfit::Foreign);
    }
    let length = front[16..].try_into().map(u64::from_le_bytes);
    let crc = crc32c::crc32c(rest).to_le_bytes();
    if length.ok() != Some(rest.len() as u64) || front[12..16] != crc {
        return Err(Unfit::Damaged);
    }
    if front[8..12] != LAYOUT.to_le_bytes() {
        return Err(Unfit::Version("of another layout".to_owned()));
    }
    let mut saved = Saved::new(rest);
    let heading: Heading = saved.take().ok_or(Unfit::Damaged)?;
    if heading.version != env!("CARGO_PKG_VERSION") {
        return Err(Unfit::Version(heading.version));
    }
    if heading.reference != reference {
        return Err(Unfit::Reference);
    }
    Ok((heading, saved.rest()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heading() -> Heading {
        Heading {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            reference: 7,
            positions: [Position::START; 3],
        }
    }

    #[test]
    fn every_bit_and_every_cut_is_found() {
        let state = b"a state".to_vec();
        let mut whole = head(&heading(), &state);
        whole.extend_from_slice(&state);
        assert_eq!(read(&whole, 7), Ok((heading(), &state[..])));
        assert_eq!(read(&whole, 8), Err(Unfit::Reference));
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bytes, 7).is_err(), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(read(&whole[..length], 7).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut other = heading();
        other.version = "0.0.1".to_owned();
        let bytes = head(&other, b"");
        let why = read(&bytes, 7).unwrap_err().to_string();
        assert_eq!(why, "version 0.0.1 wrote it");
    }
}
