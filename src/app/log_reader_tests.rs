//! The reader of logs against segments and windows made by hand: whole ones, torn ones, damaged ones, ones that are being written.
//!
//! Segments are small here, so that every log has several.

use std::fs;
use std::path::{Path, PathBuf};

use ringbuf::byte_log::{self, region_bytes};
use tempfile::TempDir;

use super::log_reader::{LogError, LogPlace, LogReader};
use super::log_store::{LogStore, segment_path};
use super::takeover::Takeover;
use crate::io::LogFile;
use crate::journal::read::{Broken, Why};
use crate::journal::record::{RecordError, padded};
use crate::journal::{Cause, Log, LogId, RecordKind, start};
use crate::sys::staging::StagingRegion;

const SEGMENT_BYTES: u64 = 1024;

struct Place {
    _directory: TempDir,
    logs: PathBuf,
    staging: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (logs, staging) = (
            directory.path().join("log"),
            directory.path().join("staging"),
        );
        fs::create_dir(&logs).unwrap();
        fs::create_dir(&staging).unwrap();
        Self {
            _directory: directory,
            logs,
            staging,
        }
    }

    fn place(&self) -> LogPlace {
        LogPlace {
            directory: self.logs.clone(),
            staging: Some(self.staging.clone()),
            segment_bytes: SEGMENT_BYTES,
            first_epoch: 0,
        }
    }

    fn segment(&self, epoch: u16, segment: u32) -> PathBuf {
        segment_path(&self.logs, LogId::Client, epoch, segment)
    }

    /// Writes segments of a fixed size, the last one filled with zeros.
    fn write(&self, epoch: u16, bytes: &[u8]) {
        for (segment, part) in bytes.chunks(SEGMENT_BYTES as usize).enumerate() {
            let mut part = part.to_vec();
            part.resize(SEGMENT_BYTES as usize, 0);
            fs::write(self.segment(epoch, segment as u32), part).unwrap();
        }
    }

    fn reader(&self) -> LogReader {
        LogReader::open(self.place(), LogId::Client).unwrap()
    }

    /// Bodies of all records, and how it ended.
    fn read(&self) -> (Vec<String>, Option<Broken>) {
        let mut reader = self.reader();
        let mut bodies = Vec::new();
        loop {
            match reader.advance() {
                Ok(true) => bodies.push(body_of(&reader)),
                Ok(false) => return (bodies, None),
                Err(LogError::Broken(broken)) => return (bodies, Some(broken)),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn broken(&self) -> (usize, Broken) {
        let (bodies, broken) = self.read();
        (bodies.len(), broken.expect("damage is found"))
    }
}

fn body_of(reader: &LogReader) -> String {
    String::from_utf8(reader.record().body.to_vec()).unwrap()
}

/// A log in a window, and what of it went to disk.
struct Writing {
    log: Log,
    reader: byte_log::Reader,
}

impl Writing {
    fn new(window: &Path, epoch: u16) -> Self {
        Self::behind(window, epoch, 0)
    }

    /// Goes on behind an earlier epoch's last record.
    fn behind(window: &Path, epoch: u16, sequence: u64) -> Self {
        let region = StagingRegion::create(window, 4096).unwrap();
        let (writer, reader) = byte_log::create(region.into_region()).unwrap();
        let mut writing = Self {
            log: Log::new(LogId::Client, writer).behind(sequence),
            reader,
        };
        writing.append(
            RecordKind::Start,
            &start::text(LogId::Client, "tests", epoch),
        );
        writing
    }

    fn append(&mut self, kind: RecordKind, body: &str) {
        self.log
            .append(kind, 3, Cause::default(), 1000, body.as_bytes())
            .expect("room");
    }

    fn messages(&mut self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.append(RecordKind::MessageIn, &message(number));
        }
    }

    /// What the journal would write; the window's place is given back.
    fn drain(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(frame) = self.reader.next() {
            bytes.extend_from_slice(frame.bytes);
            let end = frame.end();
            self.reader.release(end);
        }
        bytes
    }
}

fn message(number: usize) -> String {
    format!("message {number} {}\x01", "x".repeat(number % 40))
}

/// Bytes of a log with a Start record and messages 0 to `count`.
fn log_bytes(epoch: u16, count: usize) -> Vec<u8> {
    log_bytes_behind(epoch, 0, count)
}

fn log_bytes_behind(epoch: u16, sequence: u64, count: usize) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let mut writing = Writing::behind(&directory.path().join("w"), epoch, sequence);
    let mut bytes = Vec::new();
    for number in 0..count {
        writing.messages(number..number + 1);
        bytes.extend(writing.drain());
    }
    bytes
}

#[test]
fn segments_and_epochs_come_in_order() {
    let place = Place::new();
    place.write(9, &log_bytes_behind(9, 101, 3));
    place.write(2, &log_bytes(2, 100));
    // Of other logs.
    fs::write(place.logs.join("order-00002-0000.log"), b"else").unwrap();
    fs::write(place.logs.join("client-notes.txt"), b"else").unwrap();
    let (bodies, broken) = place.read();
    assert_eq!(broken, None);
    assert_eq!(bodies.len(), 101 + 4);
    assert_eq!(bodies[0], start::text(LogId::Client, "tests", 2));
    assert_eq!(bodies[100], message(99));
    assert_eq!(bodies[101], start::text(LogId::Client, "tests", 9));
    assert_eq!(bodies[104], message(2));
    assert!(place.segment(2, 3).exists(), "several segments");
    let mut skipped = place.reader();
    skipped.skip_to(1000).unwrap();
    assert!(skipped.advance().unwrap());
    assert_eq!(skipped.epoch(), 9);
    let mut none_skipped = place.reader();
    none_skipped.skip_to(999).unwrap();
    assert!(none_skipped.advance().unwrap());
    assert_eq!(none_skipped.epoch(), 2);
}

#[test]
fn a_flipped_bit_is_found_where_it_is() {
    let bytes = log_bytes(1, 100);
    // The record of message 49 is the 51st.
    let start: usize = std::iter::once(start::text(LogId::Client, "tests", 1).len())
        .chain((0..49).map(|number| message(number).len()))
        .map(padded)
        .sum();
    for flip in [0, 5, 17, 48, 50] {
        let place = Place::new();
        let mut bytes = bytes.clone();
        bytes[start + flip] ^= 0x40;
        place.write(1, &bytes);
        let (read, broken) = place.broken();
        assert_eq!(read, 50, "flip at {flip}");
        let (segment, offset) = (start as u64 / SEGMENT_BYTES, start as u64 % SEGMENT_BYTES);
        assert_eq!(broken.file, place.segment(1, segment as u32));
        assert_eq!((broken.offset, broken.after), (offset, 50));
        assert!(
            matches!(
                broken.why,
                Why::Record(RecordError::Checksum | RecordError::Length(_))
            ),
            "{broken}"
        );
        assert!(broken.to_string().contains("client-00001-000"), "{broken}");
    }
}

#[test]
fn missing_swapped_and_foreign_segments_are_damage() {
    let bytes = log_bytes(1, 100);
    let place = Place::new();
    place.write(1, &bytes);
    fs::remove_file(place.segment(1, 2)).unwrap();
    let (read, broken) = place.broken();
    assert!(read > 10, "{read}");
    // A record reaches from segment 1 into the one that is not there, or the next one would begin there.
    assert!(
        broken.file == place.segment(1, 1) || broken.why == Why::MissingSegment,
        "{broken}"
    );

    place.write(1, &bytes);
    let first = fs::read(place.segment(1, 1)).unwrap();
    fs::copy(place.segment(1, 2), place.segment(1, 1)).unwrap();
    fs::write(place.segment(1, 2), first).unwrap();
    let (_, broken) = place.broken();
    assert!(matches!(broken.why, Why::Record(_)), "{broken}");
    assert!(broken.file == place.segment(1, 0) || broken.file == place.segment(1, 1));

    // Whole in itself, but of another start.
    let place = Place::new();
    place.write(2, &bytes);
    let (read, broken) = place.broken();
    assert_eq!((read, broken.offset), (0, 0));

    let place = Place::new();
    place.write(1, &bytes);
    let hole = vec![0; SEGMENT_BYTES as usize];
    fs::write(place.segment(1, 1), hole).unwrap();
    let (_, broken) = place.broken();
    assert!(matches!(broken.why, Why::Hole | Why::Record(_)), "{broken}");
}

#[test]
fn a_torn_tail_is_no_damage_and_the_next_epoch_is_read() {
    let whole = log_bytes(1, 20);
    let last = padded(message(19).len());
    for missing in [1, 8, 20, last - 1] {
        let place = Place::new();
        // Padding is no loss.
        let cut = whole.len() - last + padded(message(19).len()).min(48 + message(19).len());
        let bytes = &whole[..cut - missing.min(cut - (whole.len() - last) - 1)];
        place.write(1, bytes);
        place.write(2, &log_bytes(2, 1));
        let mut reader = place.reader();
        let mut read = 0;
        let broken = loop {
            match reader.advance() {
                Ok(true) => read += 1,
                Err(LogError::Broken(broken)) => break broken,
                other => panic!("{other:?} after {read}"),
            }
        };
        assert_eq!((read, broken.why), (20, Why::TornTail), "{missing} missing");
        assert!(reader.advance().unwrap());
        assert_eq!((reader.epoch(), reader.record().sequence), (2, 1));
        assert!(reader.advance().unwrap());
        assert!(!reader.advance().unwrap());
    }
    // Cut to its length, as by a copy.
    let place = Place::new();
    place.write(1, &whole[..500]);
    fs::write(place.segment(1, 0), &whole[..500]).unwrap();
    let (_, broken) = place.broken();
    assert_eq!(broken.why, Why::TornTail);
}

#[test]
fn what_is_only_in_the_window_is_read_too_and_once() {
    let place = Place::new();
    let mut writing = Writing::new(&place.staging.join("client.window"), 4);
    let mut on_disk = Vec::new();
    let mut reader = place.reader();
    let mut bodies = Vec::new();
    place.write(4, &[0; 8]);
    let mut count = 0;
    for round in 0..60 {
        let more = 1 + round % 7;
        writing.messages(count..count + more);
        count += more;
        // Sometimes before it is on disk, sometimes after, sometimes both.
        if round % 3 != 0 {
            while reader.advance().unwrap() {
                bodies.push(body_of(&reader));
            }
            assert_eq!(bodies.len(), count + 1);
        }
        if round % 4 == 1 || round % 3 == 0 {
            on_disk.extend(writing.drain());
            place.write(4, &on_disk);
        }
    }
    while reader.advance().unwrap() {
        bodies.push(body_of(&reader));
    }
    let expected: Vec<_> = (0..count).map(message).collect();
    assert_eq!(bodies[1..], expected);
    // A second reader that comes late.
    assert_eq!(place.read().0[1..], expected);
    assert!(region_bytes(4096) > 4096);
}

#[test]
fn the_next_process_brings_a_window_to_its_place_on_disk() {
    let place = Place::new();
    let window = place.staging.join("client.window");
    let mut first = Writing::new(&window, 1);
    first.messages(0..3);
    place.write(1, &first.drain());
    first.messages(3..8);
    // The process dies with five messages in its window.
    drop(first);
    let mut takeover = Takeover::open(place.place(), LogId::Client, None).unwrap();
    let mut records = 0;
    while takeover.advance().unwrap() {
        records += 1;
    }
    assert_eq!((records, takeover.sequence()), (9, 9));
    drop(takeover.finish().unwrap());
    fs::remove_file(&window).unwrap();
    let (bodies, broken) = place.read();
    assert_eq!((bodies.len(), broken), (9, None));
    // What follows goes on behind it; what does not is damage.
    place.write(2, &log_bytes_behind(2, 9, 1));
    assert_eq!(place.read().1, None);
    place.write(3, &log_bytes_behind(3, 9, 1));
    let (bodies, broken) = (place.read().0.len(), place.broken().1);
    assert_eq!((bodies, broken.after), (11, 11));
}

#[test]
fn records_that_are_neither_on_disk_nor_in_the_window_are_missed() {
    let place = Place::new();
    let mut writing = Writing::new(&place.staging.join("client.window"), 1);
    place.write(1, &writing.drain());
    writing.messages(0..2);
    // Lost by a disk that lied.
    writing.drain();
    writing.messages(2..4);
    let (read, broken) = place.broken();
    assert_eq!((read, broken.why, broken.after), (1, Why::Hole, 1));
}

#[test]
fn a_log_can_be_followed_while_it_is_written_and_moved_to_disk() {
    const RECORDS: usize = 30_000;
    let place = Place::new();
    let window = place.staging.join("client.window");
    let mut store = LogStore::create(&place.logs, LogId::Client, 1).unwrap();
    let mut writing = Writing::new(&window, 1);
    let writer = std::thread::spawn(move || {
        let mut written = 0;
        while written < RECORDS {
            let more = (1 + written % 13).min(RECORDS - written);
            writing.messages(written..written + more);
            written += more;
            // The window is small: what it held a moment ago is overwritten soon.
            let (mut batch, mut end) = (Vec::new(), 0);
            while written % 5 != 0
                && let Some(frame) = writing.reader.next()
            {
                batch.extend_from_slice(frame.bytes);
                end = frame.end();
            }
            store.append(&batch).unwrap();
            if end > 0 {
                writing.reader.release(end);
            }
            if writing.reader.depth_bytes() > 2048 {
                store.append(&writing.drain()).unwrap();
            }
        }
        writing
    });
    let mut reader = LogReader::open(
        LogPlace::new(&place.logs, Some(place.staging.clone())),
        LogId::Client,
    )
    .unwrap();
    reader.follow();
    let mut read = 0;
    let mut pauses = 0;
    while read <= RECORDS {
        if reader.advance().expect("a whole log") {
            match read {
                0 => assert_eq!(reader.record().kind, RecordKind::Start),
                _ => assert_eq!(body_of(&reader), message(read - 1)),
            }
            read += 1;
        } else {
            pauses += writer.is_finished() as usize;
            assert!(pauses < 100, "ends after {read}");
        }
    }
    drop(writer.join().unwrap());
    assert!(!reader.advance().unwrap());
}
