//! What a log costs: a record in its window, and a round of the journal behind it, on files with and without zeros ahead, with plain
//! calls and with an io_uring.
//!
//! The rounds are dominated by the disk of the machine: compare them with `fdatasync` of the same run only. `TMPDIR` chooses the disk.

use std::hint::black_box;

#[path = "journal/disk.rs"]
mod disk;

use criterion::{Criterion, Throughput, criterion_group};
use gatehouse::app::log_store::LogStore;
use gatehouse::io::{LogFile, Prepared};
use gatehouse::journal::{Cause, Log, LogId, RecordKind};
use ringbuf::byte_log::{Region, create};

/// A NewOrderSingle, about.
const MESSAGE: [u8; 200] = [b'F'; 200];
const LOGS: [LogId; 3] = [LogId::Client, LogId::Order, LogId::Desk];

fn append(c: &mut Criterion) {
    let (writer, mut reader) = create(Region::heap(1 << 20)).expect("a window");
    let mut log = Log::new(LogId::Client, writer);
    let mut group = c.benchmark_group("journal");
    group.throughput(Throughput::Bytes(MESSAGE.len() as u64));
    group.bench_function("append", |b| {
        b.iter(|| {
            let (kind, cause) = (RecordKind::MessageOut, Cause::default());
            let made = log.append(kind, 0, cause, 1, black_box(&MESSAGE));
            if made.is_none() {
                while reader.next().is_some() {}
                reader.release(reader.cursor());
            }
            made
        });
    });
    group.finish();
}

/// Three logs, twenty records in each: what a round at level L1 writes at 20,000 orders a second and a sync of a millisecond.
fn round(c: &mut Criterion) {
    let mut group = c.benchmark_group("journal_round");
    group.sample_size(20);
    let batch = [b'F'; 20 * 256];
    for (name, logs, zeros) in [
        ("one_log_allocated", 1, false),
        ("one_log_zeroed", 1, true),
        ("three_logs_allocated", 3, false),
        ("three_logs_zeroed", 3, true),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut stores: Vec<_> = LOGS[..logs]
            .iter()
            .map(|&log| LogStore::create(directory.path(), log, 1).expect("a log"))
            .collect();
        group.bench_function(name, |b| {
            b.iter_batched(
                || (),
                |()| {
                    for store in &mut stores {
                        store.append(&batch).expect("written");
                    }
                    for store in &mut stores {
                        store.sync().expect("synced");
                    }
                    if zeros {
                        for store in &mut stores {
                            // Beside the rounds, in the gateway: a piece for 25 of them.
                            let done = store.prepare(false).expect("prepared");
                            black_box(matches!(done, Prepared::Some));
                        }
                    }
                },
                criterion::BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, append, round);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // Without it all is run once around.
    disk::compare(std::env::args().any(|argument| argument == "--bench"));
}
