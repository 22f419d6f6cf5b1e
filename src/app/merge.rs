//! Three logs as one, each read as far as its turn has come: see [`Order`] for whose turn it is.
//!
//! Cold, in a start or a tool. Reading and proving the records takes a thread, what is made of them another one.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::journal::{LogId, Record};
use crate::stage::merge::Merge as Order;

/// How many records are handed over at once, and how many such batches are under way.
const BATCH_RECORDS: usize = 2048;
const BATCHES: usize = 4;

/// A log that is read record by record.
pub trait Source {
    /// Why it cannot go on.
    type Error;

    /// Goes to the next record; `false` behind the last.
    fn advance(&mut self) -> Result<bool, Self::Error>;

    /// That record.
    fn record(&self) -> Record<'_>;

    /// Start number of its process, and its place in the files of that.
    fn place(&self) -> (u16, u64);
}

/// A record, away from its log.
pub struct Taken {
    log: LogId,
    epoch: u16,
    offset: u64,
    record: Record<'static>,
    body: Range<usize>,
}

/// Records in the order of their turns, with their bodies.
#[derive(Default)]
struct Batch {
    records: Vec<Taken>,
    bodies: Vec<u8>,
}

impl Batch {
    fn take<S: Source>(&mut self, log: LogId, source: &S) {
        let (record, (epoch, offset)) = (source.record(), source.place());
        let from = self.bodies.len();
        self.bodies.extend_from_slice(record.body);
        self.records.push(Taken {
            log,
            epoch,
            offset,
            record: record.over(&[]),
            body: from..self.bodies.len(),
        });
    }
}

/// The logs, and when the record was written that is next in each.
pub struct Merge<S> {
    sources: [(LogId, S); 3],
    next_ns: [Option<u64>; 3],
    order: Order,
    given: Option<usize>,
}

impl<S: Source> Merge<S> {
    /// Of logs of which nothing was read yet.
    pub fn new(sources: [(LogId, S); 3]) -> Result<Self, S::Error> {
        let mut merge = Self {
            next_ns: [None; 3],
            sources,
            order: Order::default(),
            given: None,
        };
        for at in 0..merge.sources.len() {
            merge.advance(at)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, at: usize) -> Result<(), S::Error> {
        let source = &mut self.sources[at].1;
        self.next_ns[at] = source.advance()?.then(|| source.record().time_ns);
        Ok(())
    }

    /// The log whose turn it is, which stands on its next record.
    pub fn go(&mut self) -> Result<Option<(LogId, &S)>, S::Error> {
        if let Some(at) = self.given.take() {
            self.advance(at)?;
        }
        self.given = self.order.next(self.next_ns);
        let given = self.given.map(|at| &self.sources[at]);
        Ok(given.map(|(log, source)| (*log, source)))
    }

    /// Reads to the end on a thread of its own. Each record is given to `seen` there, and behind it to `feed` here with its log, epoch and
    /// place, until that wants no more. Returns how many records were read, or the error of a log, behind which `feed` may have had some.
    pub fn read_ahead(
        &mut self,
        mut seen: impl FnMut(LogId, u16, u64, &Record<'_>) + Send,
        mut feed: impl FnMut(LogId, u16, u64, &Record<'_>) -> bool,
    ) -> Result<u64, S::Error>
    where
        S: Send,
        S::Error: Send,
    {
        let (full, filled) = sync_channel::<Batch>(BATCHES);
        let (emptied, empty) = sync_channel::<Batch>(BATCHES + 2);
        let merge = self;
        let read = move || {
            let (mut batch, mut records) = (Batch::default(), 0);
            while let Some((log, source)) = merge.go()? {
                let (epoch, offset) = source.place();
                seen(log, epoch, offset, &source.record());
                batch.take(log, source);
                records += 1;
                if batch.records.len() == BATCH_RECORDS {
                    // The other end takes everything, even if it makes nothing of it.
                    let _ = full.send(batch);
                    batch = empty.try_recv().unwrap_or_default();
                }
            }
            let _ = full.send(batch);
            Ok(records)
        };
        thread::scope(|scope| {
            let reader = scope.spawn(read);
            let mut wanted = true;
            for mut batch in filled {
                for it in &batch.records {
                    let record = it.record.over(&batch.bodies[it.body.clone()]);
                    wanted = wanted && feed(it.log, it.epoch, it.offset, &record);
                }
                batch.records.clear();
                batch.bodies.clear();
                let _ = emptied.try_send(batch);
            }
            reader.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// The logs as they were read.
    pub fn into_sources(self) -> [(LogId, S); 3] {
        self.sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Cause, RecordKind};

    /// Records whose times are these; what follows the last is an error, or the end.
    struct Listed {
        times_ns: Vec<u64>,
        at: usize,
        is_broken: bool,
    }

    impl Source for Listed {
        type Error = &'static str;

        fn advance(&mut self) -> Result<bool, Self::Error> {
            self.at += 1;
            match self.at > self.times_ns.len() && self.is_broken {
                true => Err("broken"),
                false => Ok(self.at <= self.times_ns.len()),
            }
        }

        fn record(&self) -> Record<'_> {
            Record {
                sequence: self.at as u64,
                time_ns: self.times_ns[self.at - 1],
                kind: RecordKind::MessageIn,
                channel: 0,
                cause: Cause::default(),
                previous: 0,
                next_in: 0,
                delivered: true,
                kept: false,
                body: &BODY[..self.at % BODY.len()],
                crc: 0,
            }
        }

        fn place(&self) -> (u16, u64) {
            (3, self.at as u64 * 100)
        }
    }

    const BODY: &[u8] = b"some bytes of a message";

    fn logs(is_broken: bool) -> Merge<Listed> {
        let log = |log, step: u64, is_broken| {
            let times_ns = (1..10_000).map(|at| at * step).collect();
            let listed = Listed {
                times_ns,
                at: 0,
                is_broken,
            };
            (log, listed)
        };
        let logs = [
            log(LogId::Client, 3, false),
            log(LogId::Order, 2, is_broken),
            log(LogId::Desk, 5, false),
        ];
        Merge::new(logs).expect("good so far")
    }

    #[test]
    fn what_is_read_ahead_comes_whole_and_in_turn() {
        let (mut one_by_one, mut wanted) = (logs(false), Vec::new());
        while let Some((log, source)) = one_by_one.go().expect("good") {
            let record = source.record();
            wanted.push((log, record.sequence, record.time_ns, record.body.to_vec()));
        }
        let (mut seen, mut fed) = (Vec::new(), Vec::new());
        let records = logs(false).read_ahead(
            |log, _, _, record| seen.push((log, record.sequence)),
            |log, epoch, offset, record| {
                assert_eq!((epoch, offset), (3, record.sequence * 100));
                fed.push((log, record.sequence, record.time_ns, record.body.to_vec()));
                true
            },
        );
        assert_eq!(records, Ok(wanted.len() as u64));
        assert!(fed == wanted);
        assert!(seen.into_iter().eq(fed.iter().map(|it| (it.0, it.1))));
    }

    #[test]
    fn who_wants_no_more_gets_no_more_and_a_broken_log_is_told_all_the_same() {
        let (mut seen, mut fed) = (0, 0);
        let read = logs(true).read_ahead(
            |_, _, _, _| seen += 1,
            |_, _, _, _| {
                fed += 1;
                fed < 1_000
            },
        );
        assert_eq!((read, fed), (Err("broken"), 1_000));
        assert!(seen > 10_000);
    }
}
