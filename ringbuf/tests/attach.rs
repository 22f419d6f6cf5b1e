//! A byte log whose process died: what is found, and what is refused. A copied region stands for the file that survives.
//!
//! One thread plays both processes: what the first wrote is all that the second finds.
#![cfg(not(loom))]

use ringbuf::byte_log::{
    self, FRAME_HEADER_BYTES, HEADER_BYTES, Region, RegionError, attach, create, detach,
    frame_bytes, region_bytes,
};

const CAPACITY: usize = 256;
/// Where the header block keeps what; the layout is a promise to regions of this version.
const VERSION_AT: usize = 8;
const CAPACITY_AT: usize = 16;
const HEAD_AT: usize = 128;
const RELEASED_AT: usize = 256;

/// The bytes of a log with the frames "one", "two" and "three", the first of them released, and a claim left open.
fn image() -> Vec<u8> {
    let (mut writer, mut reader) = create(Region::heap(CAPACITY)).unwrap();
    for payload in ["one", "two", "three"] {
        writer.append(payload.as_bytes()).unwrap();
    }
    let end = reader.next().unwrap().end();
    reader.release(end);
    writer.claim(40).unwrap().fill(0xee);
    detach(writer, reader).bytes().to_vec()
}

fn error_of(image: &[u8]) -> RegionError {
    attach(Region::from_image(image)).err().expect("an error")
}

fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut image = image();
    image[at..at + bytes.len()].copy_from_slice(bytes);
    image
}

#[test]
fn what_was_committed_is_there_and_what_was_claimed_is_not() {
    let (mut writer, mut reader) = attach(Region::from_image(&image())).unwrap();
    assert_eq!(writer.position(), 48);
    assert_eq!(reader.released(), 16);
    assert_eq!(reader.next().unwrap().bytes, b"two");
    assert_eq!(reader.next().unwrap().bytes, b"three");
    assert!(reader.next().is_none());
    // Released before the crash: an earlier claim may have gone over it, so nobody vouches for it.
    assert_eq!(writer.read_back(0), None);
    assert_eq!(writer.read_back(16), Some(&b"two"[..]));
    assert_eq!(writer.append(b"four"), Some(48));
    assert_eq!(reader.next().unwrap().bytes, b"four");
}

#[test]
fn a_crash_after_any_store_of_an_append_leaves_it_whole_or_absent() {
    // A frame that needs a pad: stores to the pad's header, the frame's header, its bytes, and last to head.
    let (mut writer, mut reader) = create(Region::heap(CAPACITY)).unwrap();
    writer.append(&[1; 120]).unwrap();
    writer.append(&[2; 88]).unwrap();
    let end = reader.next().unwrap().end();
    reader.release(end);
    let before = detach(writer, reader).bytes().to_vec();

    let (mut writer, reader) = attach(Region::from_image(&before)).unwrap();
    let position = writer.append(&[3; 60]).unwrap();
    assert_eq!(position, CAPACITY as u64);
    let after = detach(writer, reader).bytes().to_vec();

    // Any set of the other bytes may have arrived, as long as head has not.
    for kept in 0..4096u32 {
        let mut torn = before.clone();
        for at in HEADER_BYTES..before.len() {
            if before[at] != after[at] && (kept >> (at % 12)) & 1 == 1 {
                torn[at] = after[at];
            }
        }
        let (_, mut reader) = attach(Region::from_image(&torn)).unwrap();
        assert_eq!(reader.next().unwrap().bytes, [2; 88]);
        assert!(reader.next().is_none());
    }
    let (_, mut reader) = attach(Region::from_image(&after)).unwrap();
    assert_eq!(reader.next().unwrap().bytes, [2; 88]);
    assert_eq!(reader.next().unwrap().bytes, [3; 60]);
}

#[test]
fn a_creator_that_died_leaves_nothing_to_attach_to() {
    let found = u64::from_le_bytes(*b"GHBYTLOG");
    assert_eq!(
        error_of(&vec![0; region_bytes(CAPACITY)]),
        RegionError::NotReady { found: 0 }
    );
    assert_eq!(
        error_of(&with(0, &[0; 8])),
        RegionError::NotReady { found: 0 }
    );
    assert_eq!(image()[..8], found.to_ne_bytes());
}

#[test]
fn other_versions_and_sizes_are_refused() {
    assert_eq!(
        error_of(&with(VERSION_AT, &9u32.to_ne_bytes())),
        RegionError::Version { found: 9 }
    );
    let error = error_of(&with(CAPACITY_AT, &512u64.to_ne_bytes()));
    assert_eq!(
        error.to_string(),
        "header says 512 bytes of data, but the region has room for 256"
    );
    for region_bytes in [0, 100, HEADER_BYTES, HEADER_BYTES + 32, HEADER_BYTES + 100] {
        let region = Region::from_image(&vec![0; region_bytes]);
        assert_eq!(
            create(region).err(),
            Some(RegionError::Size { region_bytes })
        );
    }
}

#[test]
fn impossible_positions_are_refused() {
    for (head, released) in [
        (8u64, 16u64),
        (CAPACITY as u64 + 8, 0),
        (47, 16),
        (48, 15),
        (1 << 63, 1 << 63),
    ] {
        let mut image = with(HEAD_AT, &head.to_ne_bytes());
        image[RELEASED_AT..RELEASED_AT + 8].copy_from_slice(&released.to_ne_bytes());
        assert_eq!(error_of(&image), RegionError::Positions { head, released });
    }
}

#[test]
fn damaged_frames_are_refused() {
    let second = HEADER_BYTES + frame_bytes(3);
    for (length, kind) in [
        (3u32, 0u32),
        (3, 2),
        (3, 7),
        (200, 1),
        (1000, 1),
        (u32::MAX, 1),
    ] {
        let mut image = with(second, &length.to_ne_bytes());
        image[second + 4..second + 8].copy_from_slice(&kind.to_ne_bytes());
        let expected = RegionError::Frame {
            position: frame_bytes(3) as u64,
            length_bytes: length,
            kind,
        };
        assert_eq!(error_of(&image), expected);
    }
}

#[test]
fn a_full_log_can_be_attached() {
    let (mut writer, reader) = create(Region::heap(CAPACITY)).unwrap();
    while writer.append(&[5; 24]).is_some() {}
    let (mut writer, mut reader) = attach(detach(writer, reader)).unwrap();
    assert!(!writer.has_room(0));
    assert_eq!(reader.readable()[0].frames().count(), 8);
    let end = reader.next().unwrap().end();
    reader.release(end);
    assert!(writer.has_room(24));
}

#[test]
fn each_end_knows_when_the_other_is_gone() {
    let (writer, reader) = create(Region::heap(CAPACITY)).unwrap();
    assert!(!writer.is_abandoned() && !reader.is_abandoned());
    drop(reader);
    assert!(writer.is_abandoned());
    let (writer, mut reader) = create(Region::heap(CAPACITY)).unwrap();
    drop(writer);
    assert!(reader.is_abandoned() && reader.next().is_none());
}

#[test]
fn sizes_are_as_promised() {
    assert_eq!(FRAME_HEADER_BYTES, 8);
    assert_eq!([0, 1, 8, 9].map(frame_bytes), [8, 16, 16, 24]);
    assert_eq!(byte_log::payload_bytes_max(CAPACITY), 120);
}

#[test]
#[should_panic(expected = "never fits")]
fn a_claim_that_can_never_fit_is_a_bug() {
    let (mut writer, _reader) = create(Region::heap(CAPACITY)).unwrap();
    writer.claim(byte_log::payload_bytes_max(CAPACITY) + 1);
}

#[test]
#[should_panic(expected = "without a claim")]
fn a_commit_without_claim_is_a_bug() {
    let (mut writer, _reader) = create(Region::heap(CAPACITY)).unwrap();
    writer.commit(0);
}
