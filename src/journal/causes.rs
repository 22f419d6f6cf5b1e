//! Where the logs end together: the first record of each that tells of what another log has lost.
//!
//! A host that goes down loses the end of each log by itself, and a disk may keep an effect and lose its cause. What is left then is no
//! beginning of what happened: a report may stand in the client log whose booking is gone. So each log ends before its first effect without a
//! cause, and since that takes the causes of others away, until nothing changes any more.
//!
//! Pure; fed with all records of the three logs, each log in its order. What always holds: what a mark says was on disk is never
//! cut, since its causes were too; where one of them is not there, that is damage. Memory is bounded by what no mark speaks of yet.

use std::collections::VecDeque;

use super::mark::{self, LOGS};
use super::record::{LogId, Record, RecordKind};
use super::snapshot::Position;

/// A record with a cause in another log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Effect {
    sequence: u64,
    offset: u64,
    /// Index of its cause's log
    of: usize,
    /// Sequence of its cause
    cause: u64,
}

/// What is known of one log.
#[derive(Clone, Debug, Default)]
struct Kept {
    last: u64,
    /// Through here it was on disk
    proved: u64,
    /// Beyond that, oldest first
    effects: VecDeque<Effect>,
    /// Up to there, by the log of the cause: the one with the latest cause
    latest: [Option<Effect>; LOGS.len()],
}

/// The end of a log that tells of what another one has lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// Start number of the process that wrote it
    pub epoch: u16,
    /// Where it begins, in the files of that
    pub offset: u64,
    /// Sequence of its first record
    pub first: u64,
    /// Of its last record
    pub last: u64,
    /// The log that has lost the cause
    pub of: LogId,
    /// The cause
    pub cause: u64,
    /// The first record was on disk for certain, and so was its cause: nothing may be cut
    pub is_proved: bool,
}

impl Cut {
    /// How many they are.
    pub fn records(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// The logs so far.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    logs: [Kept; LOGS.len()],
    /// The last process: what those before it left was on disk before it wrote anything
    epoch: u16,
}

fn index(log: LogId) -> Option<usize> {
    LOGS.iter().position(|of| *of == log)
}

impl Causes {
    /// Of logs that were read up to here at some time, all of it on disk.
    pub fn behind(positions: &[Position; LOGS.len()]) -> Self {
        let mut causes = Self::default();
        for (kept, position) in causes.logs.iter_mut().zip(positions) {
            (kept.last, kept.proved) = (position.sequence(), position.sequence());
            causes.epoch = causes.epoch.max(position.epoch);
        }
        causes
    }

    /// The next record of a log; `offset` is its place in the files of its epoch.
    pub fn take(&mut self, log: LogId, epoch: u16, offset: u64, record: &Record<'_>) {
        let Some(at) = index(log) else { return };
        if epoch > self.epoch {
            self.epoch = epoch;
            for kept in &mut self.logs {
                kept.effects.clear();
                kept.latest = Default::default();
            }
        }
        let kept = &mut self.logs[at];
        kept.last = record.sequence;
        match record.kind {
            RecordKind::Start => self.prove(at, record.sequence - 1),
            RecordKind::Mark => {
                // What a log says of itself was true as well.
                let through = mark::read(record.body).unwrap_or_default();
                through
                    .into_iter()
                    .enumerate()
                    .for_each(|(of, through)| self.prove(of, through));
            }
            _ => {}
        }
        let cause = record.cause;
        if let Some(of) = index(cause.log)
            && of != at
            && cause.sequence > 0
            && epoch == self.epoch
        {
            self.logs[at].effects.push_back(Effect {
                sequence: record.sequence,
                offset,
                of,
                cause: cause.sequence,
            });
        }
    }

    fn prove(&mut self, at: usize, through: u64) {
        let kept = &mut self.logs[at];
        kept.proved = kept.proved.max(through);
        while let Some(effect) = kept.effects.pop_front_if(|it| it.sequence <= kept.proved) {
            let latest = &mut kept.latest[effect.of];
            if latest.is_none_or(|latest| latest.cause < effect.cause) {
                *latest = Some(effect);
            }
        }
    }

    /// After the last record: what of each log is an effect without a cause, or follows one.
    pub fn cuts(&self) -> [Option<Cut>; LOGS.len()] {
        let mut ends = self.logs.each_ref().map(|kept| kept.last);
        let mut cuts = [None; LOGS.len()];
        loop {
            let before = ends;
            for (at, kept) in self.logs.iter().enumerate() {
                let is_causeless = |effect: &&Effect| ends[effect.of] < effect.cause;
                let proved = kept.latest.iter().flatten();
                let effects = proved.chain(&kept.effects);
                let effects = effects.filter(|effect| effect.sequence <= ends[at]);
                let Some(first) = effects.filter(is_causeless).min_by_key(|it| it.sequence) else {
                    continue;
                };
                ends[at] = first.sequence - 1;
                cuts[at] = Some(Cut {
                    epoch: self.epoch,
                    offset: first.offset,
                    first: first.sequence,
                    last: kept.last,
                    of: LOGS[first.of],
                    cause: first.cause,
                    is_proved: first.sequence <= kept.proved,
                });
            }
            if ends == before {
                return cuts;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Cause;

    const NONE: (LogId, u64) = (LogId::None, 0);

    /// Feeds records of one log, in epoch 1, each with its cause; their offsets are a hundred times their sequences.
    fn feed(causes: &mut Causes, log: LogId, records: &[(LogId, u64)]) {
        for &(of, cause) in records {
            let sequence = causes.logs[index(log).unwrap()].last + 1;
            let kind = RecordKind::MessageOut;
            put(causes, log, 1, (sequence, kind, b""), (of, cause));
        }
    }

    fn put(
        causes: &mut Causes,
        log: LogId,
        epoch: u16,
        (sequence, kind, body): (u64, RecordKind, &[u8]),
        (of, cause): (LogId, u64),
    ) {
        let cause = Cause {
            log: of,
            sequence: cause,
            output: 0,
        };
        let record = Record {
            sequence,
            time_ns: 0,
            kind,
            channel: 0,
            cause,
            previous: 0,
            next_in: 0,
            kept: false,
            delivered: false,
            body,
            crc: 0,
        };
        causes.take(log, epoch, sequence * 100, &record);
    }

    fn firsts(causes: &Causes) -> [Option<(u64, u64, bool)>; 3] {
        let first = |cut: Cut| (cut.first, cut.records(), cut.is_proved);
        causes.cuts().map(|cut| cut.map(first))
    }

    #[test]
    fn what_has_its_causes_stays() {
        let mut causes = Causes::default();
        feed(
            &mut causes,
            LogId::Client,
            &[NONE, NONE, (LogId::Order, 2), (LogId::Client, 9)],
        );
        feed(&mut causes, LogId::Order, &[NONE, (LogId::Client, 2)]);
        feed(&mut causes, LogId::Desk, &[(LogId::Order, 2)]);
        assert_eq!(causes.cuts(), [None; 3]);
    }

    #[test]
    fn cuts_take_the_causes_of_others_away() {
        let mut causes = Causes::default();
        // The desk log has lost record 2; the order log's record of it goes, and the client's message about that, and the request which
        // answered that message, and what left because of it.
        feed(&mut causes, LogId::Desk, &[NONE, (LogId::Order, 3)]);
        feed(
            &mut causes,
            LogId::Order,
            &[NONE, (LogId::Desk, 3), (LogId::Client, 3)],
        );
        feed(
            &mut causes,
            LogId::Client,
            &[NONE, (LogId::Order, 2), NONE, NONE],
        );
        let cuts = causes.cuts();
        let of =
            |cut: Option<Cut>| cut.map(|it| (it.first, it.offset, it.records(), it.of, it.cause));
        assert_eq!(of(cuts[0]), Some((2, 200, 3, LogId::Order, 2)));
        assert_eq!(of(cuts[1]), Some((2, 200, 2, LogId::Desk, 3)));
        assert_eq!(of(cuts[2]), Some((2, 200, 1, LogId::Order, 3)));
    }

    #[test]
    fn what_was_on_disk_is_not_cut_but_damage() {
        for (proved, is_proved) in [(1, false), (2, true), (9, true)] {
            let mut causes = Causes::default();
            feed(&mut causes, LogId::Order, &[NONE]);
            feed(&mut causes, LogId::Client, &[NONE, (LogId::Order, 2), NONE]);
            let body = mark::body([proved, 0, 0]);
            put(
                &mut causes,
                LogId::Desk,
                1,
                (1, RecordKind::Mark, &body),
                NONE,
            );
            assert_eq!(firsts(&causes)[0], Some((2, 2, is_proved)), "{proved}");
        }
    }

    #[test]
    fn only_the_last_process_counts() {
        let mut causes = Causes::default();
        // Of epoch 1 the order log was lost, and its sequences are used again.
        feed(&mut causes, LogId::Client, &[NONE, (LogId::Order, 7)]);
        put(
            &mut causes,
            LogId::Client,
            2,
            (3, RecordKind::Start, b""),
            NONE,
        );
        feed(&mut causes, LogId::Order, &[NONE]);
        assert_eq!(causes.cuts(), [None; 3]);
        put(
            &mut causes,
            LogId::Client,
            2,
            (4, RecordKind::MessageOut, b""),
            (LogId::Order, 2),
        );
        assert_eq!(firsts(&causes)[0], Some((4, 1, false)));
        put(
            &mut causes,
            LogId::Order,
            2,
            (2, RecordKind::Start, b""),
            NONE,
        );
        assert_eq!(causes.cuts(), [None; 3]);
    }

    #[test]
    fn what_no_mark_speaks_of_is_all_that_is_kept_in_memory() {
        let mut causes = Causes::default();
        let mut sequence = 0;
        for through in 1..1000u64 {
            put(
                &mut causes,
                LogId::Client,
                1,
                (through, RecordKind::MessageOut, b""),
                (LogId::Order, 1),
            );
            if through % 10 == 0 {
                sequence += 1;
                let body = mark::body([through, 0, 0]);
                put(
                    &mut causes,
                    LogId::Order,
                    1,
                    (sequence, RecordKind::Mark, &body),
                    NONE,
                );
            }
            assert!(causes.logs[0].effects.len() < 10);
        }
    }
}
