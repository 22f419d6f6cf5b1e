//! Every interleaving of short runs of both structures, by loom:
//! `RUSTFLAGS="--cfg loom" cargo test -p gatehouse-ringbuf --release --test loom`.
//!
//! Slots, and each 8 bytes of a log's data area, are loom cells: an access that is not ordered after the other side's last
//! one fails the test, and so does each of the Release and Acquire orderings when it is weakened.
#![cfg(loom)]

use loom::thread;
use ringbuf::{byte_log, spsc};

#[test]
fn ring_hands_over_each_slot_both_ways() {
    loom::model(|| {
        let (mut producer, mut consumer) = spsc::<u64>(2);
        let filling = thread::spawn(move || {
            let mut next = 1;
            while next <= 3 {
                if producer.push(&next) {
                    next += 1;
                } else {
                    thread::yield_now();
                }
            }
        });
        for expected in 1..=3 {
            while consumer.is_empty() {
                thread::yield_now();
            }
            assert_eq!(consumer.peek(), Some(&expected));
            consumer.release();
        }
        filling.join().unwrap();
        assert!(consumer.is_abandoned());
        assert_eq!(consumer.pop(), None);
    });
}

#[test]
fn ring_publishes_a_batch_as_one() {
    loom::model(|| {
        let (mut producer, mut consumer) = spsc::<u64>(2);
        let filling = thread::spawn(move || {
            for batch in 0..2 {
                while !producer.has_room(2) {
                    thread::yield_now();
                }
                *producer.claim_nth(0).unwrap() = batch;
                *producer.claim_nth(1).unwrap() = batch + 10;
                producer.commit_n(2);
            }
        });
        for batch in 0..2 {
            while consumer.is_empty() {
                thread::yield_now();
            }
            assert_eq!(consumer.depth(), 2);
            assert_eq!(consumer.peek_nth(0), Some(&batch));
            assert_eq!(consumer.peek_nth(1), Some(&(batch + 10)));
            consumer.release_n(2);
        }
        filling.join().unwrap();
    });
}

#[test]
fn nothing_is_lost_when_the_producer_leaves() {
    loom::model(|| {
        let (mut producer, mut consumer) = spsc::<u64>(2);
        let filling = thread::spawn(move || {
            producer.push(&1);
            producer.push(&2);
        });
        if consumer.is_abandoned() {
            assert_eq!((consumer.pop(), consumer.pop()), (Some(1), Some(2)));
        }
        filling.join().unwrap();
    });
}

#[test]
fn gauge_never_shows_what_never_was() {
    // Three threads: with more preemptions it takes minutes and finds no more.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let (mut producer, mut consumer) = spsc::<u64>(2);
        let gauge = producer.gauge();
        // One at a time, so there is never more than one.
        let filling = thread::spawn(move || {
            producer.push(&1);
            while !producer.has_room(2) {
                thread::yield_now();
            }
            producer.push(&2);
        });
        let watching = thread::spawn(move || assert!(gauge.depth() <= 1));
        while consumer.pop().is_none() {
            thread::yield_now();
        }
        filling.join().unwrap();
        watching.join().unwrap();
    });
}

#[test]
fn log_hands_over_bytes_both_ways_and_over_the_edge() {
    loom::model(|| {
        // Frames of 24 bytes in 64: the third needs a pad and the space of the first.
        let (mut writer, mut reader) = byte_log::create(byte_log::Region::heap(64)).unwrap();
        let writing = thread::spawn(move || {
            for seed in 1..=3u8 {
                loop {
                    match writer.claim(16) {
                        Some(bytes) => break bytes.fill(seed),
                        None => thread::yield_now(),
                    }
                }
                let position = writer.commit(9);
                assert_eq!(writer.read_back(position), Some(&[seed; 9][..]));
            }
        });
        for seed in 1..=3u8 {
            let end = loop {
                match reader.next() {
                    Some(frame) => {
                        assert_eq!(frame.bytes, [seed; 9]);
                        break frame.end();
                    }
                    None => thread::yield_now(),
                }
            };
            reader.release(end);
        }
        writing.join().unwrap();
    });
}

#[test]
fn log_runs_hold_whole_frames_only() {
    loom::model(|| {
        let (mut writer, mut reader) = byte_log::create(byte_log::Region::heap(64)).unwrap();
        let writing = thread::spawn(move || {
            writer.append(&[1; 8]).unwrap();
            writer.append(&[2; 8]).unwrap();
        });
        let [first, second] = reader.readable();
        assert!(second.is_empty());
        let seen: Vec<_> = first.frames().map(|frame| frame.bytes.to_vec()).collect();
        assert_eq!(seen, [vec![1; 8], vec![2; 8]][..seen.len()]);
        let end = first.end();
        reader.advance(end);
        reader.release(end);
        writing.join().unwrap();
        assert_eq!(reader.depth_bytes() as u64, 32 - end);
    });
}
