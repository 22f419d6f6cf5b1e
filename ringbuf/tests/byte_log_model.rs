//! The byte log against a list of frames: any sequence of operations, detached and attached again in between.
//!
//! One thread plays writer and reader; the model is a `VecDeque` of byte vectors.
#![cfg(not(loom))]

use std::collections::VecDeque;

use proptest::prelude::*;
use ringbuf::byte_log::{self, Region, frame_bytes};

#[derive(Clone, Debug)]
enum Operation {
    /// Claim, fill, and commit so many of the claimed bytes; or none, leaving the claim open.
    Append {
        claim: usize,
        commit: Option<usize>,
    },
    Abandon,
    HasRoom(usize),
    HasRoomFor(usize, usize),
    Next,
    Peek,
    Readable,
    /// Release so many of the frames that were read.
    Release(usize),
    /// As after a crash: both ends are lost, the region stays.
    Attach,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (0..200usize, prop::option::weighted(0.9, 0..200usize))
            .prop_map(|(claim, commit)| Operation::Append { claim, commit }),
        1 => Just(Operation::Abandon),
        1 => (0..200usize).prop_map(Operation::HasRoom),
        1 => (0..5usize, 0..100usize).prop_map(|(n, length)| Operation::HasRoomFor(n, length)),
        4 => Just(Operation::Next),
        1 => Just(Operation::Peek),
        1 => Just(Operation::Readable),
        4 => (0..5usize).prop_map(Operation::Release),
        1 => Just(Operation::Attach),
    ]
}

/// What the log should be.
struct Model {
    capacity: usize,
    head: u64,
    released: u64,
    /// All frames ever committed.
    frames: Vec<(u64, Vec<u8>)>,
    /// Those committed and not read; those read and not released.
    unread: VecDeque<(u64, Vec<u8>)>,
    unreleased: VecDeque<u64>,
    dirty_end: u64,
    intact_from: u64,
}

impl Model {
    /// Where a frame would lie, by the rule: never across the edge.
    fn place(&self, length: usize) -> (u64, u64) {
        let capacity = self.capacity as u64;
        let size = frame_bytes(length) as u64;
        let at_edge = self.head % capacity + size > capacity;
        let start = if at_edge {
            self.head.next_multiple_of(capacity)
        } else {
            self.head
        };
        (start, start + size)
    }

    fn fits(&self, length: usize) -> bool {
        self.place(length).1 <= self.released + self.capacity as u64
    }
}

fn run(capacity: usize, operations: &[Operation]) -> Result<(), TestCaseError> {
    let (mut writer, mut reader) = byte_log::create(Region::heap(capacity)).unwrap();
    let length_max = writer.payload_bytes_max();
    let mut model = Model {
        capacity,
        head: 0,
        released: 0,
        frames: Vec::new(),
        unread: VecDeque::new(),
        unreleased: VecDeque::new(),
        dirty_end: 0,
        intact_from: 0,
    };
    let mut stamp = 0u8;
    let mut deepest = 0;

    for operation in operations {
        match *operation {
            Operation::Append { claim, commit } => {
                let claim = claim.min(length_max);
                let full_count = writer.full_count();
                let fits = model.fits(claim);
                prop_assert_eq!(writer.has_room(claim), fits);
                let Some(bytes) = writer.claim(claim) else {
                    prop_assert!(!fits);
                    prop_assert_eq!(writer.full_count(), full_count + 1);
                    continue;
                };
                prop_assert!(fits);
                prop_assert_eq!((bytes.len(), bytes.as_ptr() as usize % 8), (claim, 0));
                stamp = stamp.wrapping_add(1);
                bytes.fill(stamp);
                let (start, end) = model.place(claim);
                model.dirty_end = model.dirty_end.max(end);
                if let Some(commit) = commit {
                    let commit = commit.min(claim);
                    prop_assert_eq!(writer.commit(commit), start);
                    model.head = start + frame_bytes(commit) as u64;
                    model.frames.push((start, vec![stamp; commit]));
                    model.unread.push_back((start, vec![stamp; commit]));
                    prop_assert_eq!(writer.position(), model.head);
                }
            }
            Operation::Abandon => writer.abandon(),
            Operation::HasRoom(length) => {
                let length = length.min(length_max);
                prop_assert_eq!(writer.has_room(length), model.fits(length));
            }
            Operation::HasRoomFor(count, length) => {
                let length = length.min(length_max);
                if writer.has_room_for(count, length) {
                    for _ in 0..count {
                        stamp = stamp.wrapping_add(1);
                        // Shorter ones must fit too, whatever this does to the place of the pad.
                        let commit = length - (stamp as usize % 3).min(length);
                        let start = model.place(length).0;
                        model.dirty_end = model.dirty_end.max(model.place(length).1);
                        writer.claim(length).expect("room was promised").fill(stamp);
                        prop_assert_eq!(writer.commit(commit), start);
                        model.head = start + frame_bytes(commit) as u64;
                        model.frames.push((start, vec![stamp; commit]));
                        model.unread.push_back((start, vec![stamp; commit]));
                    }
                }
            }
            Operation::Next => {
                let expected = model.unread.pop_front();
                let frame = reader
                    .next()
                    .map(|frame| (frame.position, frame.bytes.to_vec()));
                prop_assert_eq!(&frame, &expected);
                if let Some((position, bytes)) = expected {
                    model
                        .unreleased
                        .push_back(position + frame_bytes(bytes.len()) as u64);
                }
            }
            Operation::Peek => {
                let frame = reader
                    .peek()
                    .map(|frame| (frame.position, frame.bytes.to_vec()));
                prop_assert_eq!(frame.as_ref(), model.unread.front());
            }
            Operation::Readable => {
                let [first, second] = reader.readable();
                prop_assert!(second.is_empty() || second.position() == first.end());
                let end = second.end();
                let frames: VecDeque<_> = (first.frames().chain(second.frames()))
                    .map(|frame| (frame.position, frame.bytes.to_vec()))
                    .collect();
                prop_assert_eq!(&frames, &model.unread);
                prop_assert_eq!(end, model.head);
                reader.advance(end);
                for (position, bytes) in model.unread.drain(..) {
                    model
                        .unreleased
                        .push_back(position + frame_bytes(bytes.len()) as u64);
                }
            }
            Operation::Release(count) => {
                let count = count.min(model.unreleased.len());
                if let Some(end) = model.unreleased.drain(..count).next_back() {
                    reader.release(end);
                    model.released = end;
                }
            }
            Operation::Attach => {
                let region = byte_log::detach(writer, reader);
                // Another process would find the same bytes at another address.
                let region = Region::from_image(region.bytes());
                (writer, reader) = byte_log::attach(region).unwrap();
                model.unreleased.clear();
                model.unread = (model.frames.iter())
                    .filter(|(position, _)| *position >= model.released)
                    .cloned()
                    .collect();
                model.dirty_end = model.head;
                model.intact_from = model.released;
                deepest = 0;
            }
        }
        let depth = (model.head - model.released) as usize;
        deepest = deepest.max(depth);
        let gauge = writer.gauge();
        prop_assert_eq!(gauge.depth_bytes(), depth);
        prop_assert_eq!(
            (gauge.position(), gauge.released()),
            (model.head, model.released)
        );
        let seen = gauge.high_water_bytes();
        prop_assert!(
            seen <= deepest && 2 * seen >= deepest,
            "high water {seen} of {deepest}"
        );

        let intact_from = model
            .intact_from
            .max(model.dirty_end.saturating_sub(capacity as u64));
        prop_assert_eq!(writer.readable_from(), intact_from);
        for (position, bytes) in &model.frames {
            let expected = (*position >= intact_from).then_some(bytes.as_slice());
            prop_assert_eq!(writer.read_back(*position), expected);
        }
        prop_assert_eq!(writer.read_back(model.head), None);
        prop_assert_eq!(writer.read_back(u64::MAX), None);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn byte_log_is_a_list_of_frames(
        capacity_log2 in 6..11u32,
        operations in prop::collection::vec(operation(), 0..150),
    ) {
        run(1 << capacity_log2, &operations)?;
    }
}
