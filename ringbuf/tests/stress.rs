//! Two real threads on each structure, with sizes that meet full, empty, wrap-around and edge all the time.
//!
//! Every value is checked: each arrives once, in order, whole.
#![cfg(not(loom))]

use std::thread;

use ringbuf::byte_log::{self, Region};

const MESSAGES: u64 = if cfg!(miri) { 300 } else { 200_000 };

/// A value that is torn if its words disagree.
fn message(seed: u64) -> [u64; 8] {
    std::array::from_fn(|nth| seed.wrapping_mul(nth as u64 + 1))
}

fn ring_by_one(capacity: usize) {
    let (mut producer, mut consumer) = ringbuf::spsc::<[u64; 8]>(capacity);
    let filling = thread::spawn(move || {
        for seed in 0..MESSAGES {
            while !producer.push(&message(seed)) {
                thread::yield_now();
            }
        }
    });
    for seed in 0..MESSAGES {
        let read = loop {
            match consumer.pop() {
                Some(read) => break read,
                None => thread::yield_now(),
            }
        };
        assert_eq!(read, message(seed));
    }
    filling.join().unwrap();
    assert!(consumer.is_abandoned() && consumer.is_empty());
    assert!(consumer.gauge().high_water() <= capacity);
}

#[test]
fn ring_of_one() {
    ring_by_one(1);
}

#[test]
fn ring_of_two() {
    ring_by_one(2);
}

#[test]
fn ring_of_many() {
    ring_by_one(256);
}

#[test]
fn ring_by_batches() {
    let (mut producer, mut consumer) = ringbuf::spsc::<[u64; 8]>(16);
    let filling = thread::spawn(move || {
        let mut seed = 0;
        while seed < MESSAGES {
            let batch = (seed % 7 + 1).min(MESSAGES - seed) as usize;
            while !producer.has_room(batch) {
                thread::yield_now();
            }
            for nth in 0..batch {
                *producer.claim_nth(nth).unwrap() = message(seed + nth as u64);
            }
            producer.commit_n(batch);
            seed += batch as u64;
        }
    });
    let mut seed = 0;
    while seed < MESSAGES {
        let depth = consumer.depth();
        for nth in 0..depth {
            assert_eq!(*consumer.peek_nth(nth).unwrap(), message(seed + nth as u64));
        }
        consumer.release_n(depth);
        seed += depth as u64;
        if depth == 0 {
            thread::yield_now();
        }
    }
    filling.join().unwrap();
}

#[test]
fn log_by_frames_and_by_runs() {
    let (mut writer, mut reader) = byte_log::create(Region::heap(1024)).unwrap();
    let length = |seed: u64| (seed % 301) as usize;
    let writing = thread::spawn(move || {
        let mut before = Vec::new();
        for seed in 0..MESSAGES {
            let claim = length(seed) + (seed % 5) as usize;
            loop {
                match writer.claim(claim) {
                    Some(bytes) => break bytes[..length(seed)].fill(seed as u8),
                    None => thread::yield_now(),
                }
            }
            before.push((seed, writer.commit(length(seed))));
            // What we committed shortly before is still ours to read, or known to be gone.
            if before.len() == 8 {
                let (seed, position) = before.remove(0);
                match writer.read_back(position) {
                    Some(bytes) => assert_eq!(bytes, vec![seed as u8; length(seed)]),
                    None => assert!(position < writer.readable_from()),
                }
            }
        }
    });
    let mut seed = 0;
    while seed < MESSAGES {
        let end = if seed % 3 == 0 {
            let Some(frame) = reader.next() else {
                thread::yield_now();
                continue;
            };
            assert_eq!(frame.bytes, vec![seed as u8; length(seed)]);
            seed += 1;
            frame.end()
        } else {
            let [first, second] = reader.readable();
            for frame in first.frames().chain(second.frames()) {
                assert_eq!(frame.bytes, vec![seed as u8; length(seed)]);
                seed += 1;
            }
            let end = second.end();
            reader.advance(end);
            end
        };
        reader.release(end);
    }
    writing.join().unwrap();
    assert!(reader.is_abandoned() && reader.is_empty());
}
