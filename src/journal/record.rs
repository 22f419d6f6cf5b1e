//! One record of a log: 32-byte header, 16-byte cause, body, padding to eight bytes.
//!
//! The CRC-32C covers header, cause and body and is chained: it starts from the previous record's, so that a record that was
//! cut out, moved or repeated is found even where it is whole in itself. The sequence is dense. Little-endian.

use std::mem::offset_of;

use super::read::{Chain, Step};
use ringbuf::checksum::Crc32c;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Which log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
#[serde(rename_all = "snake_case")]
pub enum LogId {
    /// No log: the cause is outside (a timer, the process itself).
    #[default]
    None = 0,
    /// Client messages in and out, of the decode stage.
    Client = 1,
    /// The risk stage's sequenced inputs.
    Order = 2,
    /// Desk messages in and out, of the route stage.
    Desk = 3,
}

impl LogId {
    /// Name of the log and stem of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Client => "client",
            Self::Order => "order",
            Self::Desk => "desk",
        }
    }

    fn from_raw(raw: u8) -> Self {
        match raw {
            1 => Self::Client,
            2 => Self::Order,
            3 => Self::Desk,
            _ => Self::None,
        }
    }
}

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[repr(u16)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// First record of a log: what it is, which process wrote it.
    Start = 1,
    /// FIX message received. Channel: session or link.
    MessageIn = 2,
    /// Application message committed to be sent. Channel: session or link.
    MessageOut = 3,
    /// Administrative message committed to be sent. Channel: session or link.
    AdminOut = 4,
    /// A request of a client, as the risk stage took it, with its outcome. Channel: session.
    ClientInput = 5,
    /// A report of a desk, as the risk stage took it. Channel: link.
    DeskInput = 6,
    /// A command of an operator.
    Command = 7,
    /// A bounded step of a mass cancel, mass status or kill.
    Continuation = 8,
    /// A connection came, went or was refused; the body says why. Channel: session or link.
    Connection = 9,
    /// A desk request that was not sent, and why. Channel: link or `u16::MAX`.
    Refused = 10,
    /// Sequence numbers start anew. Channel: session or link.
    SequenceReset = 11,
    /// Names of the log's channels, from this channel on; see [`super::names`].
    Names = 12,
    /// FIX message that an earlier process received and did not finish with. Cause: its record there, and as output that epoch.
    /// Channel: session or link.
    Carried = 13,
    /// With what the risk state of a process begins; see [`super::begin`].
    Begin = 14,
    /// FIX message committed to be sent: the copy of another session's message, whose record has the same cause and comes after it.
    /// Channel: session.
    CopyOut = 15,
    /// Last record of a process that ended in order: nothing of it can be missing.
    End = 16,
    /// How far the logs are on disk; see [`super::mark`].
    Mark = 17,
    /// Digest of the risk state behind the inputs so far; see [`super::begin::Digested`].
    StateDigest = 18,
    /// The host went down before this process; see [`super::loss`].
    HostLoss = 19,
}

impl RecordKind {
    fn from_raw(raw: u16) -> Option<Self> {
        Some(match raw {
            1 => Self::Start,
            2 => Self::MessageIn,
            3 => Self::MessageOut,
            4 => Self::AdminOut,
            5 => Self::ClientInput,
            6 => Self::DeskInput,
            7 => Self::Command,
            8 => Self::Continuation,
            9 => Self::Connection,
            10 => Self::Refused,
            11 => Self::SequenceReset,
            12 => Self::Names,
            13 => Self::Carried,
            14 => Self::Begin,
            15 => Self::CopyOut,
            16 => Self::End,
            17 => Self::Mark,
            18 => Self::StateDigest,
            19 => Self::HostLoss,
            _ => return None,
        })
    }

    /// Whether the body is a message that went to a peer, under the next number of its channel.
    pub fn is_sent(self) -> bool {
        matches!(self, Self::MessageOut | Self::AdminOut | Self::CopyOut)
    }
}

/// What made a stage write a record: a record of another log, and which of its outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Cause {
    /// Whose record.
    pub log: LogId,
    /// Its sequence.
    pub sequence: u64,
    /// Which of its outputs, from zero.
    pub output: u16,
}

/// The header on the medium.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RawHeader {
    /// CRC-32C of all that follows up to the end of the body, from the previous record's value
    pub crc: U32,
    /// Bytes of header, cause and body, without padding
    pub length: U32,
    /// [`RecordKind`]
    pub kind: U16,
    /// Session or link
    pub channel: U16,
    /// Low half of [`Record::previous`] or [`Record::next_in`]
    pub link_low: U32,
    /// Dense, from 1
    pub sequence: U64,
    /// Nanoseconds since 1970-01-01 UTC
    pub time_ns: U64,
    pub cause_log: u8,
    /// Of a received message: see [`Taken`]
    pub flags: u8,
    pub cause_output: U16,
    /// High half
    pub link_high: U32,
    pub cause_sequence: U64,
}

/// What a session made of a message that it received, as it stands in the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Taken {
    /// It came too early and is kept until its turn. Logs of earlier versions have it also where [`Taken::Otherwise`] is meant.
    Kept = 0,
    /// The application was given it.
    Delivered = 1,
    /// Neither: it was the session's own, a repeat, wrong, or found no room.
    Otherwise = 2,
}

/// Bytes of the header alone.
pub const HEADER_BYTES: usize = 32;
/// Bytes before the body: header and cause.
pub const BODY_OFFSET: usize = 48;

const _: () = assert!(size_of::<RawHeader>() == BODY_OFFSET);
const _: () = assert!(offset_of!(RawHeader, sequence) == 16);
const _: () = assert!(offset_of!(RawHeader, cause_log) == HEADER_BYTES);
const _: () = assert!(offset_of!(RawHeader, cause_sequence) == 40);

/// A record as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Dense, from 1.
    pub sequence: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub time_ns: u64,
    /// What it is.
    pub kind: RecordKind,
    /// Session or link.
    pub channel: u16,
    /// What caused it.
    pub cause: Cause,
    /// Bytes back to the message that was sent before on the same channel, in the places of [`super::Log::in_epoch`]; zero: none,
    /// or no sent message.
    pub previous: u64,
    /// Of a received message: the number that its session expects after it. Else zero.
    pub next_in: u64,
    /// Of a received message: whether its session gave it to the application.
    pub delivered: bool,
    /// Of a received message that came too early: whether it was kept until its turn.
    pub kept: bool,
    /// Its content.
    pub body: &'a [u8],
    /// Its checksum: the seed of the next one's.
    pub crc: u32,
}

impl Record<'_> {
    /// The same with this body: what was read of a record outlives the bytes that it was read from.
    #[inline]
    pub fn over<'b>(&self, body: &'b [u8]) -> Record<'b> {
        let Self {
            sequence,
            time_ns,
            kind,
            channel,
            cause,
            previous,
            next_in,
            delivered,
            kept,
            body: _,
            crc,
        } = *self;
        Record {
            sequence,
            time_ns,
            kind,
            channel,
            cause,
            previous,
            next_in,
            delivered,
            kept,
            body,
            crc,
        }
    }
}

/// Why bytes are not the next record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// Fewer bytes than the record says.
    #[error("the record is cut off")]
    Torn,
    /// The checksum does not follow from the previous record.
    #[error("the checksum does not match: damaged, or not the record that followed here")]
    Checksum,
    /// It is whole, and what fills it up to eight bytes is not zero.
    #[error("the filling behind the record is not zero")]
    Padding,
    /// A length that no record has.
    #[error("a record of {0} bytes: none is as long")]
    Length(usize),
    /// A kind that this version does not know.
    #[error("record kind {0} is not known to this version")]
    Kind(u16),
    /// A hole or a repetition.
    #[error("sequence {found} where {wanted} was due")]
    Sequence {
        /// Previous plus one.
        wanted: u64,
        /// What stands there.
        found: u64,
    },
}

/// Bytes that a record of `body` bytes takes, padding included.
pub const fn padded(body: usize) -> usize {
    // `next_multiple_of` has a branch.
    (BODY_OFFSET + body + 7) & !7
}

/// Completes the record whose body already stands at [`BODY_OFFSET`] of `bytes`; returns its checksum. `bytes` is padded.
#[inline(always)]
pub(super) fn seal(
    bytes: &mut [u8],
    mut header: RawHeader,
    body: usize,
    seed: u32,
    crc: Crc32c,
) -> u32 {
    let length = BODY_OFFSET + body;
    header.length = U32::new(length as u32);
    // Whole words, since the checksum reads such right behind.
    let words: [U64; BODY_OFFSET / 8] = zerocopy::transmute!(header);
    bytes[..BODY_OFFSET].copy_from_slice(words.as_bytes());
    if !length.is_multiple_of(8)
        && let Some(last) = bytes.last_chunk_mut()
    {
        let written = (1u64 << (length % 8 * 8)) - 1;
        *last = (u64::from_le_bytes(*last) & written).to_le_bytes();
    }
    let value = checksum(crc, seed, &bytes[..length]);
    bytes[..CRC_BYTES].copy_from_slice(&value.to_le_bytes());
    value
}

/// Bytes that the checksum itself takes; it covers what follows.
const CRC_BYTES: usize = size_of::<U32>();

/// The checksum of a record, given without its filling: of all behind the place of the checksum; `seed` is the one before.
#[inline(always)]
pub(super) fn checksum(crc: Crc32c, seed: u32, record: &[u8]) -> u32 {
    crc.append::<{ BODY_OFFSET - CRC_BYTES }>(seed, &record[CRC_BYTES..])
}

impl RawHeader {
    pub(super) fn set_link(&mut self, value: u64) {
        self.link_low = U32::new(value as u32);
        self.link_high = U32::new((value >> 32) as u32);
    }

    fn link(&self) -> u64 {
        self.link_low.get() as u64 | (self.link_high.get() as u64) << 32
    }

    fn link_of(&self, is_in: bool) -> u64 {
        let received = self.kind.get() == RecordKind::MessageIn as u16;
        if received == is_in { self.link() } else { 0 }
    }
}

/// What the header alone tells of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Bytes of header and body, without padding; zero: nothing was written here.
    pub length: usize,
    /// What it is; `None`: this version does not know it.
    pub kind: Option<RecordKind>,
    /// Session or link.
    pub channel: u16,
    /// See [`Record::previous`].
    pub previous: u64,
}

/// The header at the start of `bytes`; `None` where they are too few.
pub fn head(bytes: &[u8]) -> Option<Head> {
    let (header, _) = RawHeader::ref_from_prefix(bytes).ok()?;
    Some(Head {
        length: header.length.get() as usize,
        kind: RecordKind::from_raw(header.kind.get()),
        channel: header.channel.get(),
        previous: header.link_of(false),
    })
}

/// Reads the record at the start of `bytes`, without checking that it follows another. For records that this process wrote.
pub fn view(bytes: &[u8]) -> Result<(Record<'_>, usize), RecordError> {
    let (header, _) = RawHeader::ref_from_prefix(bytes).map_err(|_| RecordError::Torn)?;
    let length = header.length.get() as usize;
    if length < BODY_OFFSET || length > bytes.len() {
        return Err(RecordError::Torn);
    }
    let kind = header.kind.get();
    let record = Record {
        sequence: header.sequence.get(),
        time_ns: header.time_ns.get(),
        kind: RecordKind::from_raw(kind).ok_or(RecordError::Kind(kind))?,
        channel: header.channel.get(),
        cause: Cause {
            log: LogId::from_raw(header.cause_log),
            sequence: header.cause_sequence.get(),
            output: header.cause_output.get(),
        },
        previous: header.link_of(false),
        next_in: header.link_of(true),
        delivered: header.flags == Taken::Delivered as u8,
        kept: header.flags == Taken::Kept as u8,
        body: &bytes[BODY_OFFSET..length],
        crc: header.crc.get(),
    };
    Ok((record, length.next_multiple_of(8)))
}

/// Walks the records of a log, checking each against the one before.
pub struct Records<'a> {
    bytes: &'a [u8],
    offset: usize,
    chain: Chain,
}

impl<'a> Records<'a> {
    /// From the first record of a log.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            offset: 0,
            chain: Chain::START,
        }
    }

    /// Offset of the next record.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    /// After an error: the same error again. Ends at the end of the bytes or where nothing was ever written (zeros).
    fn next(&mut self) -> Option<Self::Item> {
        match self.chain.take(&self.bytes[self.offset..]) {
            Step::Record(record, taken) => {
                self.offset = (self.offset + taken).min(self.bytes.len());
                Some(Ok(record))
            }
            Step::Blank => None,
            Step::More(_) => Some(Err(RecordError::Torn)),
            Step::Broken(error) => Some(Err(error)),
        }
    }
}
