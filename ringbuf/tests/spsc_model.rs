//! The ring against a `VecDeque`: any sequence of operations, any capacity, indices that wrap around.
//!
//! One thread plays both ends; what interleavings do is for `loom.rs` and `stress.rs`.
#![cfg(not(loom))]

use std::collections::VecDeque;

use proptest::prelude::*;
use ringbuf::spsc::spsc_from;

#[derive(Clone, Debug)]
enum Operation {
    Push(u64),
    /// Claim and fill so many, then publish some of them.
    Batch {
        claim: usize,
        commit: usize,
    },
    HasRoom(usize),
    Free,
    Pop,
    Peek(usize),
    Release(usize),
    Depth,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => any::<u64>().prop_map(Operation::Push),
        3 => (0..6usize, 0..6usize).prop_map(|(claim, commit)| Operation::Batch { claim, commit }),
        1 => (0..40usize).prop_map(Operation::HasRoom),
        1 => Just(Operation::Free),
        4 => Just(Operation::Pop),
        1 => (0..6usize).prop_map(Operation::Peek),
        2 => (0..6usize).prop_map(Operation::Release),
        1 => Just(Operation::Depth),
    ]
}

fn run(capacity: usize, start: usize, operations: &[Operation]) -> Result<(), TestCaseError> {
    let (mut producer, mut consumer) = spsc_from::<u64>(capacity, start);
    let gauge = producer.gauge();
    let mut model = VecDeque::new();
    let mut full_count = 0;
    let mut deepest = 0;
    let mut most_released = 1;
    let mut stamp = 1_000_000;

    for operation in operations {
        match *operation {
            Operation::Push(value) => {
                let fits = model.len() < capacity;
                prop_assert_eq!(producer.push(&value), fits);
                if fits {
                    model.push_back(value);
                } else {
                    full_count += 1;
                }
            }
            Operation::Batch { claim, commit } => {
                let mut claimed = Vec::new();
                for nth in 0..claim {
                    match producer.claim_nth(nth) {
                        Some(slot) => {
                            stamp += 1;
                            *slot = stamp;
                            claimed.push(stamp);
                        }
                        None => full_count += 1,
                    }
                }
                prop_assert_eq!(claimed.len(), claim.min(capacity - model.len()));
                let commit = commit.min(claimed.len());
                producer.commit_n(commit);
                model.extend(&claimed[..commit]);
            }
            Operation::HasRoom(n) => {
                prop_assert_eq!(producer.has_room(n), n <= capacity - model.len());
            }
            Operation::Free => prop_assert_eq!(producer.free(), capacity - model.len()),
            Operation::Pop => prop_assert_eq!(consumer.pop(), model.pop_front()),
            Operation::Peek(nth) => prop_assert_eq!(consumer.peek_nth(nth), model.get(nth)),
            Operation::Release(n) => {
                let n = n.min(consumer.depth());
                consumer.release_n(n);
                most_released = most_released.max(n);
                model.drain(..n);
            }
            Operation::Depth => {
                prop_assert_eq!(consumer.depth(), model.len());
                prop_assert_eq!(consumer.is_empty(), model.is_empty());
            }
        }
        deepest = deepest.max(model.len());
        prop_assert_eq!(producer.depth(), model.len());
        prop_assert_eq!(gauge.depth(), model.len());
        prop_assert_eq!(gauge.full_count(), full_count);
    }
    let seen = gauge.high_water();
    prop_assert!(
        seen <= deepest && seen + (capacity / 16).max(1) + most_released >= deepest,
        "high water {} of {}",
        seen,
        deepest
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn ring_is_a_bounded_queue(
        capacity_log2 in 0..6u32,
        before_wrap in 0..80usize,
        operations in prop::collection::vec(operation(), 0..300),
    ) {
        let start = 0usize.wrapping_sub(before_wrap);
        run(1 << capacity_log2, start, &operations)?;
    }
}

#[test]
fn abandoned_is_known_to_the_other_side_and_loses_nothing() {
    let (mut producer, mut consumer) = ringbuf::spsc::<u32>(4);
    assert!(!consumer.is_abandoned());
    producer.push(&7);
    drop(producer);
    assert!(consumer.is_abandoned());
    assert_eq!((consumer.pop(), consumer.pop()), (Some(7), None));

    let (producer, consumer) = ringbuf::spsc::<u32>(4);
    assert!(!producer.is_abandoned());
    drop(consumer);
    assert!(producer.is_abandoned());
}

#[test]
fn a_full_ring_is_seen_as_full() {
    let (mut producer, _consumer) = ringbuf::spsc::<u32>(8);
    while producer.push(&1) {}
    assert_eq!((producer.full_count(), producer.high_water()), (1, 8));
}

#[test]
#[should_panic(expected = "not claimed")]
fn commit_without_claim_is_a_bug() {
    ringbuf::spsc::<u32>(8).0.commit();
}

#[test]
#[should_panic(expected = "not seen")]
fn release_without_peek_is_a_bug() {
    ringbuf::spsc::<u32>(8).1.release();
}

#[test]
#[should_panic(expected = "power of two")]
fn capacity_is_a_power_of_two() {
    ringbuf::spsc::<u32>(6);
}
