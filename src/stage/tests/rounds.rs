//! The journal's rounds: what is durable has its causes on disk, whatever the stages append meanwhile.
//!
//! On one thread: the stages append inside the files' calls and between the marks, where another thread could.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use ringbuf::byte_log::{Region, create};

use super::{at, status};
use crate::config::sample::Sample;
use crate::io::LogFile;
use crate::journal::{Cause, Disk, Log, LogId, RecordKind, record};
use crate::stage::journal::{Drain, JournalStage};

const LOGS: [LogId; 3] = [LogId::Client, LogId::Order, LogId::Desk];

#[derive(Default)]
struct Medium {
    bytes: RefCell<Vec<u8>>,
    /// Of `bytes`, at the last sync
    synced_bytes: Cell<usize>,
}

/// A file during whose calls something else happens.
struct File<'a> {
    medium: Rc<Medium>,
    meanwhile: &'a RefCell<dyn FnMut()>,
    /// Bytes that were there when a sync beside others began
    begun: Option<usize>,
}

impl LogFile for File<'_> {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (self.meanwhile.borrow_mut())();
        self.medium.bytes.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        (self.meanwhile.borrow_mut())();
        let bytes = self.medium.bytes.borrow().len();
        self.medium
            .synced_bytes
            .set(self.begun.take().unwrap_or(bytes));
        Ok(())
    }

    fn begin_sync(&mut self) {
        (self.meanwhile.borrow_mut())();
        self.begun = Some(self.medium.bytes.borrow().len());
    }
}

struct Logs {
    logs: [Log; 3],
    readers: Vec<ringbuf::byte_log::Reader>,
}

fn logs(disk: &Disk) -> Logs {
    let mut readers = Vec::new();
    let logs = LOGS.map(|id| {
        let (writer, reader) = create(Region::heap(1 << 16)).unwrap();
        readers.push(reader);
        Log::new(id, writer).on_disk(disk.clone())
    });
    Logs { logs, readers }
}

/// A record in each log, each the cause of the next, and one back: desk messages cause records of the order log.
fn step(logs: &mut [Log; 3], last: &mut Cause) {
    for which in [0, 1, 2, 1, 0] {
        let log = &mut logs[which];
        if !log.has_room(16) {
            return;
        }
        let made = log.append(RecordKind::MessageIn, 0, *last, 0, &[7; 16]);
        *last = Cause {
            log: log.id(),
            sequence: made.unwrap().sequence,
            output: 0,
        };
    }
}

/// What was read of the files so far.
#[derive(Default)]
struct Checker {
    bytes: [usize; 3],
    causes: [Vec<Cause>; 3],
    checked: [usize; 3],
}

impl Checker {
    /// Every record up to a durable position has its cause among the records that are synced. Returns how many are durable.
    fn check(&mut self, media: &[Rc<Medium>], disk: &Disk) -> usize {
        // First what was promised, then what is there: others go on.
        let marked = LOGS.map(|id| disk.durable(id) as usize);
        for (at, medium) in media.iter().enumerate() {
            let bytes = medium.bytes.borrow();
            while self.bytes[at] < medium.synced_bytes.get() {
                let (record, taken) = record::view(&bytes[self.bytes[at]..]).expect("whole");
                self.causes[at].push(record.cause);
                self.bytes[at] += taken;
                assert_eq!(record.sequence as usize, self.causes[at].len());
            }
        }
        for (at, marked) in marked.into_iter().enumerate() {
            let name = LOGS[at].name();
            assert!(marked <= self.causes[at].len(), "{name} is not on disk");
            assert!(marked >= self.checked[at], "it never goes back");
            for cause in &self.causes[at][self.checked[at]..marked] {
                if cause.log != LogId::None {
                    let there = self.causes[cause.log as usize - 1].len() as u64;
                    assert!(cause.sequence <= there, "{cause:?} of {name}");
                }
            }
            self.checked[at] = marked;
        }
        marked.iter().sum()
    }
}

#[test]
fn what_is_durable_has_its_causes_on_disk_while_stages_append() {
    let disk = Disk::default();
    let Logs { mut logs, readers } = logs(&disk);
    let media: Vec<Rc<Medium>> = (0..3).map(|_| Rc::default()).collect();
    let mut last = Cause::default();
    let (mut seed, stop) = (1u64, Rc::new(Cell::new(false)));
    let stopped = stop.clone();
    let meanwhile = RefCell::new(move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
        for _ in 0..(seed >> 60) * !stopped.get() as u64 {
            step(&mut logs, &mut last);
        }
    });
    (meanwhile.borrow_mut())();
    let drains = readers.into_iter().zip(LOGS).zip(&media);
    let drains = drains.map(|((reader, id), medium)| {
        let file = File {
            medium: medium.clone(),
            meanwhile: &meanwhile,
            begun: None,
        };
        Drain::new(id, Vec::new(), reader, file)
    });
    // The plan has one link, so that the page has a row for it.
    let mut sample = Sample::new("/nowhere");
    sample.links = vec![std::net::SocketAddr::from(([127, 0, 0, 1], 1))];
    let (writers, _) = status(&sample.plan());
    let journal = JournalStage::new(drains.collect(), writers.journal);
    let mut journal = journal.telling(disk.clone()).promptly();
    let mut checker = Checker::default();
    for turn in 0..300 {
        journal.round_noting(at(turn), true, || (meanwhile.borrow_mut())());
        checker.check(&media, &disk);
    }
    assert!(checker.check(&media, &disk) > 5_000);
    // Nothing happens any more: everything becomes durable.
    stop.set(true);
    journal.finish(at(1_000));
    let all = checker.check(&media, &disk);
    let written: usize = checker.causes.iter().map(Vec::len).sum();
    assert_eq!(all, written);
}
