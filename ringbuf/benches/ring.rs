//! Criterion benches of the ring, of what it is measured against, and of the byte log.
//!
//! `cargo bench -p gatehouse-ringbuf`; with `-- --test` each runs once. For ratios use the example `compare`, which lets
//! the contenders take turns.

mod contenders;

use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use contenders::{Array, Contender, Ours, OursBatch, Rtrb, RtrbBatch, hop_ns, pin, transfer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringbuf::byte_log;

fn hop_of<C: Contender, const WORDS: usize>(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("hop/{}", WORDS * 8));
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    group.bench_function(C::NAME, |bencher| {
        bencher.iter_custom(|iterations| {
            let nanoseconds = hop_ns::<C, WORDS>(1, iterations as usize)[0];
            Duration::from_nanos((nanoseconds * iterations as f64) as u64)
        });
    });
    group.finish();
}

fn transfer_of<C: Contender, const WORDS: usize>(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("transfer/{}", WORDS * 8));
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(1));
    group.bench_function(C::NAME, |bencher| {
        bencher.iter_custom(|iterations| transfer::<C, WORDS>(iterations).0);
    });
    group.finish();
}

fn of_size<const WORDS: usize>(criterion: &mut Criterion) {
    hop_of::<Ours, WORDS>(criterion);
    hop_of::<Rtrb, WORDS>(criterion);
    hop_of::<Array, WORDS>(criterion);
    transfer_of::<Ours, WORDS>(criterion);
    transfer_of::<OursBatch, WORDS>(criterion);
    transfer_of::<Rtrb, WORDS>(criterion);
    transfer_of::<RtrbBatch, WORDS>(criterion);
    transfer_of::<Array, WORDS>(criterion);
}

fn rings(criterion: &mut Criterion) {
    of_size::<8>(criterion);
    of_size::<32>(criterion);
}

/// Appends of 256 bytes: alone with the log, as the hot thread sees them most of the time, and against a draining thread.
fn log_append(criterion: &mut Criterion) {
    let payload = [7u8; 256];
    let mut group = criterion.benchmark_group("byte_log/256");
    group.throughput(Throughput::Bytes(payload.len() as u64));

    let (mut writer, mut reader) = byte_log::create(byte_log::Region::heap(1 << 20)).expect("log");
    group.bench_function("append and drain on one thread", |bencher| {
        bencher.iter(|| {
            if writer.append(black_box(&payload)).is_none() {
                let end = reader.readable()[1].end();
                reader.advance(end);
                reader.release(end);
            }
        });
    });

    group.bench_function("append against a draining thread", |bencher| {
        bencher.iter_custom(|iterations| {
            let (mut writer, mut reader) =
                byte_log::create(byte_log::Region::heap(1 << 20)).expect("log");
            let stop = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    pin(1);
                    while !stop.load(Ordering::Relaxed) {
                        let [first, second] = reader.readable();
                        let sum = |run: byte_log::Run<'_>| -> usize {
                            run.frames().map(|frame| usize::from(frame.bytes[0])).sum()
                        };
                        black_box(sum(first) + sum(second));
                        if first.is_empty() {
                            std::hint::spin_loop();
                            continue;
                        }
                        let end = second.end();
                        reader.advance(end);
                        reader.release(end);
                    }
                });
                let start = Instant::now();
                for _ in 0..iterations {
                    while writer.append(black_box(&payload)).is_none() {
                        std::hint::spin_loop();
                    }
                }
                let time = start.elapsed();
                stop.store(true, Ordering::Relaxed);
                time
            })
        });
    });
    group.finish();
}

criterion_group!(benches, rings, log_append);
criterion_main!(benches);
