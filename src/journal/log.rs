//! The writing end of one log: records are built in place in claimed memory and committed whole.
//!
//! One owner thread (the stage). The commit is the act: what is committed here has happened, what is not has not. Nothing is
//! allocated; when there is no room the caller leaves its input where it is.

use ringbuf::checksum::Crc32c;
use zerocopy::FromZeros;
use zerocopy::little_endian::{U16, U64};

use super::disk::Disk;
use super::mark;
use super::record::{self, BODY_OFFSET, Cause, LogId, RawHeader, Record, RecordKind, Taken};
use crate::domain::Now;
use crate::limits::MARK_INTERVAL_NS;

/// The writing end.
pub struct Log {
    writer: ringbuf::byte_log::Writer,
    id: LogId,
    sequence: u64,
    crc: u32,
    /// How the next is made
    checksum: Crc32c,
    /// Place of the next record, see [`Log::in_epoch`]
    offset: u64,
    /// Per channel: where the last message that was sent stands in the file
    sent: Vec<u64>,
    /// What is known of its way to disk
    disk: Disk,
    /// How far each log was durable, marks left out, when that was last written here
    marked: [u64; 3],
    next_mark_ns: u64,
}

/// No message was sent on the channel.
const NONE_SENT: u64 = u64::MAX;

/// Where a record went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Its sequence in the log.
    pub sequence: u64,
    /// Its position, for [`Log::read_back`].
    pub position: u64,
    /// Its place on disk, see [`Log::in_epoch`].
    pub offset: u64,
}

/// Bits of a place that are the offset in the epoch's files: 16 TiB.
const OFFSET_BITS: u32 = 44;

/// Place of a byte of a log: its epoch, and the offset over that epoch's files. Places rise from epoch to epoch.
pub const fn place(epoch: u16, offset: u64) -> u64 {
    (epoch as u64) << OFFSET_BITS | offset
}

/// Epoch and offset of a place.
pub const fn epoch_and_offset(place: u64) -> (u16, u64) {
    (
        (place >> OFFSET_BITS) as u16,
        place & ((1 << OFFSET_BITS) - 1),
    )
}

impl Log {
    /// An empty log in `writer`'s memory.
    pub fn new(id: LogId, writer: ringbuf::byte_log::Writer) -> Self {
        Self {
            writer,
            id,
            sequence: 0,
            crc: 0,
            checksum: Crc32c::new(),
            offset: 0,
            sent: Vec::new(),
            disk: Disk::default(),
            marked: [0; 3],
            next_mark_ns: 0,
        }
    }

    /// Goes to this disk, of which the journal thread tells.
    pub fn on_disk(mut self, disk: Disk) -> Self {
        self.disk = disk;
        self
    }

    /// Of this epoch: its records have their places behind those of all epochs before.
    pub fn in_epoch(mut self, epoch: u16) -> Self {
        debug_assert_eq!(self.writer.position(), 0);
        self.offset = place(epoch, 0);
        self
    }

    /// Goes on behind `sequence`, the last one of the epoch before.
    pub fn behind(mut self, sequence: u64) -> Self {
        debug_assert_eq!(self.sequence, 0);
        self.sequence = sequence;
        self
    }

    /// The last message that was sent on the channel stands at this place, in an epoch before.
    pub fn link_back(&mut self, channel: u16, place: u64) {
        if let Some(sent) = self.sent.get_mut(channel as usize) {
            *sent = place;
        }
    }

    /// From now on each message that is sent on one of these channels tells how far back the one before it stands.
    pub fn link_channels(&mut self, channels: usize) {
        self.sent.resize(channels, NONE_SENT);
    }

    /// Which log this is.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// Sequence of the last record; zero where there is none.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether a record with a body of up to `body` bytes can be appended now.
    pub fn has_room(&mut self, body: usize) -> bool {
        self.writer.has_room(record::padded(body))
    }

    /// Whether `count` records with bodies of up to `body` bytes can be appended now.
    pub fn has_room_for(&mut self, count: usize, body: usize) -> bool {
        self.writer.has_room_for(count, record::padded(body))
    }

    /// Bytes appended since the log began.
    pub fn bytes(&self) -> u64 {
        self.writer.position()
    }

    /// Whether the memory is more than three quarters full: the disk is too slow, or has failed. Other stages see it too.
    pub fn is_pressed(&mut self) -> bool {
        let pressed = self.held_bytes() > self.writer.capacity_bytes() as u64 / 4 * 3;
        self.disk.press(self.id, pressed);
        pressed
    }

    /// Whether the memory is more than seven eighths full: what is left is for cancels, reports and the session layer.
    pub fn is_reserved(&mut self) -> bool {
        self.held_bytes() > self.writer.capacity_bytes() as u64 / 8 * 7
    }

    fn held_bytes(&mut self) -> u64 {
        self.writer.position() - self.writer.released()
    }

    /// How the disk does, for all logs.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Whether the record at this position ([`Appended::position`]) is on disk, as are its causes in the other logs: the journal
    /// thread gives room back for nothing else.
    #[inline]
    pub fn is_durable(&mut self, position: u64) -> bool {
        position < self.writer.released()
    }

    /// Depth and high-water mark of the memory, for the status page.
    pub fn gauge(&self) -> ringbuf::byte_log::LogGauge {
        self.writer.gauge()
    }

    /// Appends a record whose body `fill` writes into at most `body_bytes_max` bytes; it returns how many it wrote. `None` from
    /// `fill`, or no room, appends nothing.
    pub fn append_with(
        &mut self,
        kind: RecordKind,
        channel: u16,
        cause: Cause,
        time_ns: u64,
        body_bytes_max: usize,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<Appended> {
        let header = RawHeader::new_zeroed();
        self.append_under(header, kind, channel, cause, time_ns, body_bytes_max, fill)
    }

    /// Appends a FIX message that was received: what its session expects after it, and what it made of it.
    pub fn append_received(
        &mut self,
        channel: u16,
        time_ns: u64,
        next_in: u64,
        taken: Taken,
        message: &[u8],
    ) -> Option<Appended> {
        let mut header = RawHeader::new_zeroed();
        header.set_link(next_in);
        header.flags = taken as u8;
        let (kind, cause) = (RecordKind::MessageIn, Cause::default());
        let length = message.len();
        self.append_under(header, kind, channel, cause, time_ns, length, |out| {
            out.copy_from_slice(message);
            Some(length)
        })
    }

    #[expect(clippy::too_many_arguments)]
    #[inline]
    fn append_under(
        &mut self,
        mut header: RawHeader,
        kind: RecordKind,
        channel: u16,
        cause: Cause,
        time_ns: u64,
        body_bytes_max: usize,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<Appended> {
        let memory = self.writer.claim(record::padded(body_bytes_max))?;
        let body = fill(&mut memory[BODY_OFFSET..BODY_OFFSET + body_bytes_max])?;
        header.kind = U16::new(kind as u16);
        header.channel = U16::new(channel);
        header.sequence = U64::new(self.sequence + 1);
        header.time_ns = U64::new(time_ns);
        header.cause_log = cause.log as u8;
        header.cause_output = U16::new(cause.output);
        header.cause_sequence = U64::new(cause.sequence);
        let place = match kind {
            kind if kind.is_sent() => self.sent.get_mut(channel as usize),
            _ => None,
        };
        if let Some(place) = place {
            if *place != NONE_SENT {
                header.set_link(self.offset - *place);
            }
            *place = self.offset;
        }
        let bytes = record::padded(body);
        self.crc = record::seal(&mut memory[..bytes], header, body, self.crc, self.checksum);
        self.sequence += 1;
        let position = self.writer.commit(bytes);
        let offset = self.offset;
        self.offset += bytes as u64;
        Some(Appended {
            sequence: self.sequence,
            position,
            offset,
        })
    }

    /// Appends a record with this body.
    #[inline]
    pub fn append(
        &mut self,
        kind: RecordKind,
        channel: u16,
        cause: Cause,
        time_ns: u64,
        body: &[u8],
    ) -> Option<Appended> {
        self.append_with(kind, channel, cause, time_ns, body.len(), |out| {
            out.copy_from_slice(body);
            Some(body.len())
        })
    }

    /// Writes how far the logs are on disk, where others have gone on since that was last written, and not too often. It may be
    /// called in every turn: mostly it compares two numbers.
    #[inline]
    pub fn mark(&mut self, now: Now) {
        if now.mono_ns >= self.next_mark_ns {
            self.next_mark_ns = now.mono_ns + MARK_INTERVAL_NS;
            self.mark_now(now.wall_ns);
        }
    }

    #[cold]
    fn mark_now(&mut self, time_ns: u64) {
        let seen = mark::LOGS.map(|log| self.disk.durable_but_marks(log));
        let others = mark::LOGS.into_iter().zip(seen).zip(self.marked);
        let is_due = others
            .into_iter()
            .any(|((log, seen), marked)| log != self.id && seen > marked);
        // What room is left is for others.
        if !is_due || self.is_pressed() {
            return;
        }
        let through = mark::LOGS.map(|log| self.disk.durable(log));
        if self.append_mark(time_ns, through) {
            self.marked = seen;
        }
    }

    /// Writes how far the client, order and desk log are on disk.
    pub fn append_mark(&mut self, time_ns: u64, through: [u64; 3]) -> bool {
        let body = mark::body(through);
        let cause = Cause::default();
        self.append(RecordKind::Mark, 0, cause, time_ns, &body)
            .is_some()
    }

    /// The last record: the process ends in order.
    pub fn end(&mut self, time_ns: u64) {
        self.mark_now(time_ns);
        // Without room the end is one out of order, and the window says what is missing.
        let _ = self.append(RecordKind::End, 0, Cause::default(), time_ns, b"");
    }

    /// A record that was appended earlier; `None` where newer ones have taken its place in memory.
    pub fn read_back(&self, position: u64) -> Option<Record<'_>> {
        let (record, _) = record::view(self.writer.read_back(position)?).ok()?;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{RecordError, Records};
    use super::*;
    use proptest::prelude::*;

    fn in_memory(capacity_bytes: usize) -> (ringbuf::byte_log::Writer, ringbuf::byte_log::Reader) {
        ringbuf::byte_log::create(ringbuf::byte_log::Region::heap(capacity_bytes)).unwrap()
    }

    fn written(bodies: &[Vec<u8>]) -> Vec<u8> {
        let (writer, mut reader) = in_memory(1 << 16);
        let mut log = Log::new(LogId::Order, writer);
        let mut file = Vec::new();
        for (at, body) in bodies.iter().enumerate() {
            let cause = Cause {
                log: LogId::Client,
                sequence: at as u64,
                output: 2,
            };
            let appended = log
                .append(RecordKind::ClientInput, 7, cause, 99, body)
                .unwrap();
            assert_eq!(appended.sequence, at as u64 + 1);
            assert_eq!(log.read_back(appended.position).unwrap().body, &body[..]);
            while let Some(frame) = reader.next() {
                file.extend_from_slice(frame.bytes);
                let end = frame.end();
                reader.release(end);
            }
        }
        file
    }

    proptest! {
        #[test]
        fn reads_what_was_written(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..30)) {
            let file = written(&bodies);
            let read: Vec<_> = Records::new(&file).map(|r| r.unwrap()).collect();
            prop_assert_eq!(read.len(), bodies.len());
            for (record, body) in read.iter().zip(&bodies) {
                prop_assert_eq!(record.body, &body[..]);
                prop_assert_eq!((record.channel, record.time_ns, record.cause.output), (7, 99, 2));
            }
        }

        #[test]
        fn a_changed_byte_is_found(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8),
            at: prop::sample::Index,
            flip in 1u8..,
        ) {
            let mut file = written(&bodies);
            let at = at.index(file.len());
            file[at] ^= flip;
            let outcome: Result<Vec<_>, RecordError> = Records::new(&file).take(bodies.len()).collect();
            prop_assert!(outcome.is_err());
        }
    }

    #[test]
    fn a_sent_message_leads_to_the_one_before_on_its_channel() {
        let (writer, mut reader) = in_memory(1 << 16);
        let mut log = Log::new(LogId::Client, writer);
        log.link_channels(2);
        let mut places = Vec::new();
        for at in 0..12u16 {
            let kind = [RecordKind::MessageOut, RecordKind::MessageIn][(at % 5 == 4) as usize];
            let body = vec![0; at as usize];
            let cause = Cause::default();
            places.push((
                kind,
                at % 3,
                log.append(kind, at % 3, cause, 0, &body).unwrap(),
            ));
        }
        let mut file = Vec::new();
        while let Some(frame) = reader.next() {
            file.extend_from_slice(frame.bytes);
        }
        for (at, &(kind, channel, place)) in places.iter().enumerate() {
            let head = record::head(&file[place.offset as usize..]).unwrap();
            assert_eq!((head.kind, head.channel), (Some(kind), channel));
            let before = places[..at].iter().rev().find(|before| {
                kind == RecordKind::MessageOut
                    && before.0 == kind
                    && before.1 == channel
                    && channel < 2
            });
            let expected = before.map_or(0, |before| place.offset - before.2.offset);
            assert_eq!(head.previous, expected, "record {at}");
        }
    }

    #[test]
    fn a_full_log_takes_nothing() {
        let (writer, _reader) = in_memory(4096);
        let mut log = Log::new(LogId::Desk, writer);
        let body = [0u8; 1000];
        let mut count = 0;
        while log
            .append(RecordKind::MessageIn, 0, Cause::default(), 0, &body)
            .is_some()
        {
            count += 1;
        }
        assert!((2..=4).contains(&count), "{count}");
        assert!(!log.has_room(1000));
        assert_eq!(log.sequence(), count);
    }
}
