//! Messages that left the log's memory, read back from disk for a resend, off the hot thread.
//!
//! Two ends: [`Archive`] belongs to the switchboard, [`ArchiveReader`] to a cold thread. Between them go a fixed number of
//! [`Chunk`]s, made at start: out with a question, back with the answer. What always holds: the hot end never blocks or allocates; an
//! answer is of messages that prove themselves (their kind, channel, length, checksum and number), or says why there are none.
//!
//! The reader begins at an anchor, whose place is known, and follows each message to the one before, down to the one that is wanted.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use super::sent::Anchor;
use crate::io::LogRead;
use crate::journal::RecordKind;
use crate::journal::log::epoch_and_offset;
use crate::journal::record::{self, BODY_OFFSET, Head};
use crate::limits::{FRAME_BYTES_MAX, RESEND_CHUNK_BYTES, RESEND_CHUNK_MESSAGES, RESEND_CHUNKS};
use crate::wire::fix::{FieldIndex, Framing, next_frame, parse};

/// What came of a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Messages, from the one that was wanted on.
    Read,
    /// The log is not on disk so far.
    NotYet,
    /// Nothing up to this number can be had: its file is gone, or damaged.
    Gone {
        /// Last number
        through: u64,
    },
}

/// What one peer knows of its messages on disk.
#[derive(Default)]
pub enum OnDisk {
    /// Nothing, and nobody was asked.
    #[default]
    Unasked,
    /// All chunks were in use.
    Queued,
    /// A question is out.
    Asked {
        /// Since when the same number is wanted, monotonic
        since_ns: u64,
    },
    /// What is wanted is not there yet.
    NotYet {
        /// As above
        since_ns: u64,
        /// When to ask again
        retry_ns: u64,
    },
    /// These.
    Here(Box<Chunk>),
    /// None up to this number.
    Lost {
        /// Last number
        through: u64,
    },
}

impl OnDisk {
    /// Message `number`, if it is at hand.
    pub fn get(&self, number: u64) -> Option<&[u8]> {
        match self {
            Self::Here(chunk) => chunk.get(number),
            _ => None,
        }
    }

    /// Whether `number` is the last one at hand.
    pub fn ends_with(&self, number: u64) -> bool {
        matches!(self, Self::Here(chunk) if chunk.ends_with(number))
    }
}

/// A question, and room for its answer.
pub struct Chunk {
    /// Whose messages
    pub peer: u32,
    /// Counts resends that were given up: an answer to one of these is dropped
    pub incarnation: u32,
    /// First number that is wanted
    pub number: u64,
    /// Where to begin
    pub anchor: Anchor,
    /// The answer
    pub outcome: Outcome,
    count: usize,
    ends: [u32; RESEND_CHUNK_MESSAGES],
    bytes: Box<[u8]>,
}

impl Chunk {
    fn new() -> Self {
        Self {
            peer: 0,
            incarnation: 0,
            number: 0,
            anchor: Anchor {
                number: 0,
                offset: 0,
            },
            outcome: Outcome::NotYet,
            count: 0,
            ends: [0; RESEND_CHUNK_MESSAGES],
            bytes: vec![0; RESEND_CHUNK_BYTES].into_boxed_slice(),
        }
    }

    /// The message with this number, if it is among those that were read.
    pub fn get(&self, number: u64) -> Option<&[u8]> {
        let at = usize::try_from(number.checked_sub(self.number)?).ok()?;
        if at >= self.count {
            return None;
        }
        let begin = if at == 0 { 0 } else { self.ends[at - 1] };
        self.bytes.get(begin as usize..self.ends[at] as usize)
    }

    /// Whether this is the last one.
    pub fn ends_with(&self, number: u64) -> bool {
        number + 1 == self.number + self.count as u64
    }

    fn room(&self) -> usize {
        self.bytes.len() - self.filled()
    }

    fn filled(&self) -> usize {
        match self.count {
            0 => 0,
            count => self.ends[count - 1] as usize,
        }
    }

    fn push(&mut self, message: &[u8]) {
        let begin = self.filled();
        let end = begin + message.len();
        self.bytes[begin..end].copy_from_slice(message);
        self.ends[self.count] = end as u32;
        self.count += 1;
    }
}

/// The hot end.
pub struct Archive {
    asked: Arc<ArrayQueue<Box<Chunk>>>,
    answered: Arc<ArrayQueue<Box<Chunk>>>,
    #[expect(clippy::vec_box, reason = "a chunk travels as its box")]
    free: Vec<Box<Chunk>>,
    outstanding: usize,
}

/// The cold end.
pub struct ArchiveReader<R: LogRead> {
    asked: Arc<ArrayQueue<Box<Chunk>>>,
    answered: Arc<ArrayQueue<Box<Chunk>>>,
    log: R,
    /// Peers by epoch and channel, where they are not the channels
    channels: HashMap<(u16, u16), u32>,
    /// Where the last messages on the way stand, by number
    way: [u64; RESEND_CHUNK_MESSAGES],
    record: Box<[u8]>,
    index: Box<FieldIndex>,
}

/// Both ends of the way to `log` and back.
pub fn archive<R: LogRead>(log: R) -> (Archive, ArchiveReader<R>) {
    let asked = Arc::new(ArrayQueue::new(RESEND_CHUNKS));
    let answered = Arc::new(ArrayQueue::new(RESEND_CHUNKS));
    let hot = Archive {
        asked: asked.clone(),
        answered: answered.clone(),
        free: (0..RESEND_CHUNKS).map(|_| Box::new(Chunk::new())).collect(),
        outstanding: 0,
    };
    let cold = ArchiveReader {
        asked,
        answered,
        log,
        channels: HashMap::new(),
        way: [0; RESEND_CHUNK_MESSAGES],
        record: vec![0; BODY_OFFSET + FRAME_BYTES_MAX].into_boxed_slice(),
        index: Box::new(FieldIndex::new()),
    };
    (hot, cold)
}

impl Archive {
    /// Asks; false where all chunks are in use: later.
    pub fn ask(&mut self, peer: usize, incarnation: u32, number: u64, anchor: Anchor) -> bool {
        let Some(mut chunk) = self.free.pop() else {
            return false;
        };
        (chunk.peer, chunk.incarnation) = (peer as u32, incarnation);
        (chunk.number, chunk.anchor) = (number, anchor);
        match self.asked.push(chunk) {
            Ok(()) => {
                self.outstanding += 1;
                true
            }
            // Not with as many places as chunks.
            Err(chunk) => {
                self.free.push(chunk);
                false
            }
        }
    }

    /// The next answer.
    pub fn answer(&mut self) -> Option<Box<Chunk>> {
        if self.outstanding == 0 {
            return None;
        }
        let chunk = self.answered.pop()?;
        self.outstanding -= 1;
        Some(chunk)
    }

    /// Takes a chunk back that nobody needs any more.
    pub fn give_back(&mut self, chunk: Box<Chunk>) {
        self.free.push(chunk);
    }

    /// Chunks that are not in use.
    #[cfg(test)]
    pub fn free_count(&self) -> usize {
        self.free.len()
    }

    /// Whether somebody who asks would have to wait.
    pub fn is_exhausted(&self) -> bool {
        self.free.is_empty()
    }
}

impl<R: LogRead> ArchiveReader<R> {
    /// With the peers of channels of earlier epochs, by epoch and channel.
    pub fn with_channels(mut self, channels: HashMap<(u16, u16), u32>) -> Self {
        self.channels = channels;
        self
    }

    fn is_channel_of(&self, peer: u32, epoch: u16, channel: u16) -> bool {
        *self
            .channels
            .get(&(epoch, channel))
            .unwrap_or(&(channel as u32))
            == peer
    }

    /// One turn: answers what was asked, at most as many as there are chunks; returns how many.
    pub fn duty_cycle(&mut self) -> usize {
        for done in 0..RESEND_CHUNKS {
            let Some(mut chunk) = self.asked.pop() else {
                return done;
            };
            chunk.count = 0;
            chunk.outcome = self.read(&mut chunk);
            // There are as many places as chunks.
            let _ = self.answered.push(chunk);
        }
        RESEND_CHUNKS
    }

    fn read(&mut self, chunk: &mut Chunk) -> Outcome {
        if let Err(outcome) = self.walk_back(chunk) {
            return outcome;
        }
        let end = chunk
            .anchor
            .number
            .min(chunk.number + RESEND_CHUNK_MESSAGES as u64 - 1);
        for number in chunk.number..=end {
            let offset = self.way[number as usize % RESEND_CHUNK_MESSAGES];
            match self.message(chunk.peer, number, offset) {
                Ok(message) if message.len() <= chunk.room() => chunk.push(message),
                Ok(_) => break,
                Err(outcome) if chunk.count == 0 => return outcome,
                Err(_) => break,
            }
        }
        Outcome::Read
    }

    /// From the anchor to the message that is wanted.
    fn walk_back(&mut self, chunk: &Chunk) -> Result<(), Outcome> {
        let Anchor { number, mut offset } = chunk.anchor;
        for through in (chunk.number..=number).rev() {
            self.way[through as usize % RESEND_CHUNK_MESSAGES] = offset;
            if through == chunk.number {
                return Ok(());
            }
            let head = self.head(chunk.peer, through, offset)?;
            if head.previous == 0 || head.previous > offset {
                let through = through - 1;
                return Err(Outcome::Gone { through });
            }
            offset -= head.previous;
        }
        let through = chunk.number;
        Err(Outcome::Gone { through })
    }

    /// The header of the record of message `number`, which stands at `offset`.
    fn head(&mut self, peer: u32, number: u64, offset: u64) -> Result<Head, Outcome> {
        let gone = Outcome::Gone { through: number };
        let bytes = &mut self.record[..BODY_OFFSET];
        let head = match self.log.read_at(offset, bytes) {
            Ok(BODY_OFFSET) => record::head(bytes).ok_or(gone)?,
            Ok(_) => return Err(Outcome::NotYet),
            Err(_) => return Err(gone),
        };
        let is_sent = head.kind.is_some_and(RecordKind::is_sent);
        if head.length == 0 {
            Err(Outcome::NotYet)
        } else if is_sent && self.is_channel_of(peer, epoch_and_offset(offset).0, head.channel) {
            Ok(head)
        } else {
            Err(gone)
        }
    }

    /// Message `number`, proved.
    fn message(&mut self, peer: u32, number: u64, offset: u64) -> Result<&[u8], Outcome> {
        let gone = Outcome::Gone { through: number };
        let length = self.head(peer, number, offset)?.length;
        let bytes = self.record.get_mut(..length).ok_or(gone)?;
        match self.log.read_at(offset, bytes) {
            Ok(count) if count == length => {}
            Ok(_) => return Err(Outcome::NotYet),
            Err(_) => return Err(gone),
        }
        let (record, _) = record::view(&self.record[..length]).map_err(|_| gone)?;
        let (skip, len) = (0, record.body.len());
        // Its first half may be on disk, its second not.
        if next_frame(record.body, FRAME_BYTES_MAX) != (Framing::Frame { skip, len }) {
            return Err(Outcome::NotYet);
        }
        match parse(record.body, &mut self.index) {
            Ok(message) if message.msg_seq_num() == Some(number) => Ok(record.body),
            _ => Err(gone),
        }
    }
}
