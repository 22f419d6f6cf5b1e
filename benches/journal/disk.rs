//! One round of the journal on a real disk, done in every way that was thought of: plain calls or an io_uring, one log or three, their
//! syncs in turn or beside each other.
//!
//! Ways take turns, so that a disk that changes its speed does so for all; medians of the same run are to be compared, and nothing else.
//! The files have been written before, with zeros: no sync changes metadata. `TMPDIR` chooses the disk.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use gatehouse::sys::file_ring::FileRing;

const FILE_BYTES: u64 = 64 << 20;
const RECORD_BYTES: usize = 200;
const GROUPS: [usize; 3] = [1, 16, 256];
const ROUNDS: usize = 400;

/// A file, and where its next record goes.
struct Target {
    file: Arc<File>,
    offset: u64,
}

impl Target {
    fn new(directory: &Path, name: &str) -> Self {
        let path = directory.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .expect("a file");
        let zeros = vec![0; 1 << 20];
        for at in (0..FILE_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at).expect("zeros");
        }
        file.sync_all().expect("synced");
        Self {
            file: Arc::new(file),
            offset: 0,
        }
    }

    /// Where these bytes go.
    fn take(&mut self, bytes: usize) -> u64 {
        if self.offset + bytes as u64 > FILE_BYTES {
            self.offset = 0;
        }
        let offset = self.offset;
        self.offset += bytes as u64;
        offset
    }
}

/// A thread that syncs what it is given.
struct Syncer {
    wanted: Sender<Arc<File>>,
    done: Receiver<()>,
}

impl Syncer {
    fn new() -> Self {
        let (wanted, files) = channel::<Arc<File>>();
        let (tell, done) = channel();
        std::thread::spawn(move || {
            for file in files {
                file.sync_data().expect("synced");
                if tell.send(()).is_err() {
                    return;
                }
            }
        });
        Self { wanted, done }
    }
}

/// How a round is done.
#[derive(Clone, Copy)]
enum Way {
    /// pwrite and fdatasync, one log after the other.
    Calls,
    /// pwrite, then fdatasync of all logs at once: this thread and others.
    Threads,
    /// Linked writes and syncs of all logs in one submission.
    Ring,
}

struct Bench {
    targets: Vec<Target>,
    syncers: Vec<Syncer>,
    ring: Option<FileRing>,
}

impl Bench {
    /// Nanoseconds that it took; `None` where it cannot be done.
    fn round(&mut self, way: Way, logs: usize, bytes: &[u8]) -> Option<u64> {
        let began = Instant::now();
        let targets = &mut self.targets[..logs];
        match way {
            Way::Ring => {
                let ring = self.ring.as_mut()?;
                let mut files = Vec::with_capacity(logs);
                for target in targets {
                    let offset = target.take(bytes.len());
                    files.push((&*target.file, offset));
                }
                ring.write_and_sync(&files, bytes).expect("written");
            }
            Way::Calls | Way::Threads => {
                for target in &mut *targets {
                    let offset = target.take(bytes.len());
                    target.file.write_all_at(bytes, offset).expect("written");
                }
                let (mine, others) = match way {
                    Way::Threads => targets.split_at(1),
                    _ => targets.split_at(logs),
                };
                for (target, syncer) in others.iter().zip(&self.syncers) {
                    syncer.wanted.send(target.file.clone()).expect("it lives");
                }
                for target in mine {
                    target.file.sync_data().expect("synced");
                }
                for (_, syncer) in others.iter().zip(&self.syncers) {
                    syncer.done.recv().expect("it lives");
                }
            }
        }
        Some(began.elapsed().as_nanos() as u64)
    }
}

const WAYS: [(&str, Way, usize); 6] = [
    ("one log, pwrite + fdatasync", Way::Calls, 1),
    ("one log, io_uring", Way::Ring, 1),
    ("three logs, fdatasync in turn", Way::Calls, 3),
    ("three logs, fdatasync on threads", Way::Threads, 3),
    ("three logs, io_uring", Way::Ring, 3),
    // As the first: how far two of the same are apart.
    ("control: as the first", Way::Calls, 1),
];

/// Prints the table; once around where nothing is to be measured.
pub fn compare(measure: bool) {
    let rounds = if measure { ROUNDS } else { 2 };
    let directory = tempfile::tempdir().expect("a directory");
    let targets = ["client", "order", "desk"].map(|name| Target::new(directory.path(), name));
    let mut bench = Bench {
        targets: targets.into(),
        syncers: (0..2).map(|_| Syncer::new()).collect(),
        ring: FileRing::new().ok(),
    };
    println!(
        "{:<34} {:>7} {:>9} {:>9} {:>7}   {rounds} rounds each, taking turns",
        "a round of the journal", "records", "p50 us", "p99 us", "ratio"
    );
    for records in GROUPS {
        let bytes = vec![b'F'; records * RECORD_BYTES];
        let mut times: [Vec<u64>; WAYS.len()] = std::array::from_fn(|_| Vec::new());
        for _ in 0..rounds {
            for (times, &(_, way, logs)) in times.iter_mut().zip(&WAYS) {
                times.extend(bench.round(way, logs, &bytes));
            }
        }
        let mut first = None;
        for (times, (name, ..)) in times.iter_mut().zip(&WAYS) {
            times.sort_unstable();
            if times.is_empty() {
                println!("{name:<34} {records:>7}   not to be had here");
                continue;
            }
            let at = |percent: usize| times[(times.len() - 1) * percent / 100] as f64 / 1000.0;
            let median = at(50);
            let first = *first.get_or_insert(median);
            let (p99, ratio) = (at(99), median / first);
            println!("{name:<34} {records:>7} {median:>9.1} {p99:>9.1} {ratio:>7.2}");
        }
    }
}
