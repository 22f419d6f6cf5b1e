//! Every bit of a log of 1 MiB turned over, and the log cut off at every byte: before a mark in another log nothing of that is ever
//! taken for a tail that may be cut, whatever windows there are and whatever the operator accepts.
//!
//! The logs are written by the production writer and drained by the production journal, which says what is durable; the marks are what the
//! stages write. Reading a MiB 8.4 million times would take a day, so this is what is done instead. A reader comes to a record through
//! the records before it, and what it knows then is the chain (sequence and checksum). The records before a changed bit are as they were,
//! so that the reader comes to the changed record with the chain that it has in the unchanged log: that chain is taken from one walk,
//! and the production code (`Chain::look`, `is_torn`, the decision table) looks at the changed record from there. Nothing behind it
//! matters, because the reader stops: that is what is proved for each bit. Whether nothing follows, which decides between torn and
//! damaged, is not asked but taken both ways.
//!
//! Without `GATEHOUSE_PROOF=full` a part: all bits of the first and last records and of every 64th; every cut in these. Some hundred
//! flips and cuts go through files and a whole start in `tests/recover.rs`.

mod support;

use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;

use gatehouse::domain::Now;
use gatehouse::journal::mark::{Mark, Marks};
use gatehouse::journal::read::{Chain, Step, Why, is_torn};
use gatehouse::journal::record::{RecordError, Records, padded};
use gatehouse::journal::recover::{Action, Facts, Tail, Window, decide};
use gatehouse::journal::{Cause, Disk, Log, LogId, RecordKind, Taken, start};
use gatehouse::stage::journal::{Drain, JournalStage};
use gatehouse::status::page::{heap_words, page_bytes};
use gatehouse::status::{Identity, Page, Shape};
use ringbuf::byte_log::{self, Region};
use support::faulty_file::{FaultyFile, Medium};

const LOG_BYTES: usize = 1 << 20;
const INTERVAL_NS: u64 = 200_000_000;

/// A log, and what another one says of it.
struct Proof {
    bytes: Vec<u8>,
    /// Chain before each record, and where it stands
    records: Vec<(Chain, Range<usize>)>,
    /// Records through this one were on disk
    mark: Mark,
}

impl Proof {
    /// A MiB of client log, marked to its end, and some records behind that of which no mark tells.
    fn write() -> Self {
        let disk = Disk::default();
        let make = |id| {
            let (writer, reader) = byte_log::create(Region::heap(1 << 22)).expect("memory");
            let mut log = Log::new(id, writer).in_epoch(1).on_disk(disk.clone());
            let text = start::text(id, "proof", 1);
            log.append(RecordKind::Start, 0, Cause::default(), 1, text.as_bytes());
            let medium = Rc::new(Medium::default());
            let drain = Drain::new(id, Vec::new(), reader, FaultyFile(medium.clone()));
            (log, medium, drain)
        };
        let (mut client, client_medium, client_drain) = make(LogId::Client);
        let (mut order, order_medium, order_drain) = make(LogId::Order);
        let shape = Shape {
            sessions: Vec::new(),
            links: Vec::new(),
            accounts: Vec::new(),
        };
        let page = Page::format(heap_words(page_bytes(&shape)), &shape, Identity::default());
        let status = page.into_writers().journal;
        let mut journal = JournalStage::new(vec![client_drain, order_drain], status).telling(disk);
        let mut now = Now::default();
        let mut turn = |client: &mut Log, order: &mut Log, marks: bool| {
            now.mono_ns += INTERVAL_NS;
            now.wall_ns += INTERVAL_NS;
            if marks {
                client.mark(now);
                order.mark(now);
            }
            journal.duty_cycle(now);
        };
        let mut number = 0u64;
        // The window adds eight bytes to each.
        while client.bytes() - 8 * client.sequence() < LOG_BYTES as u64 {
            append(&mut client, number);
            append(&mut order, number);
            number += 1;
            if number.is_multiple_of(500) {
                turn(&mut client, &mut order, true);
            }
        }
        turn(&mut client, &mut order, true);
        turn(&mut client, &mut order, true);
        let marked = client_medium.bytes.borrow().len();
        for _ in 0..20 {
            append(&mut client, number);
        }
        turn(&mut client, &mut order, false);
        let bytes = client_medium.bytes.borrow().clone();
        let mut marks = Marks::default();
        let other = order_medium.bytes.borrow();
        for record in Records::new(&other) {
            marks.take(LogId::Order, 1, &record.expect("whole"));
        }
        let mark = marks.of(LogId::Client).expect("a mark");
        let (mut chain, mut at, mut records) = (Chain::START, 0, Vec::new());
        while at < bytes.len() {
            let before = chain;
            let Step::Record(record, taken) = chain.take(&bytes[at..]) else {
                panic!("the log is not whole at {at}");
            };
            if record.sequence == mark.through {
                // Up to the mark is (nearly) all; behind it stands its own mark, and what came later.
                assert!(at + taken + 200 > marked, "{at} {taken} {marked}");
            }
            records.push((before, at..at + taken));
            at += taken;
        }
        let end = records[mark.through as usize - 1].1.end;
        assert!(end >= LOG_BYTES, "{end}");
        Self {
            bytes,
            records,
            mark,
        }
    }

    /// All bits of all records up to the mark, or a part of them.
    fn before(&self) -> impl Iterator<Item = usize> + use<> {
        let is_full = std::env::var("GATEHOUSE_PROOF").is_ok_and(|it| it == "full");
        let through = self.mark.through as usize;
        (0..through).filter(move |at| is_full || at % 64 == 1 || *at < 3 || at + 3 >= through)
    }
}

/// Records of all lengths, some that end in zeros, some with zeros in them.
fn append(log: &mut Log, number: u64) {
    let mut body = [0u8; 400];
    let length = (number * 37 % 331) as usize;
    for (at, byte) in body[..length].iter_mut().enumerate() {
        *byte = match at as u64 % 16 < number % 5 * 4 {
            true => (at as u64 * 31 + number * 17) as u8,
            false => 0,
        };
    }
    let cause = Cause {
        log: LogId::Desk,
        sequence: number,
        output: 0,
    };
    let written = match number % 3 {
        0 => log.append_received(3, number, number, Taken::Delivered, &body[..length]),
        1 => log.append(RecordKind::ClientInput, 3, cause, number, &body[..length]),
        _ => log.append(RecordKind::MessageOut, 3, cause, number, &body[..length]),
    };
    written.expect("room");
}

/// What a reader makes of the place where the next record should be: one or two ways to call it; `None`: the record is good.
fn look(chain: Chain, rest: &[u8], tails: &mut HashSet<Name>) -> Option<()> {
    let error = match chain.look(rest) {
        Step::Record(..) => return None,
        Step::Blank => {
            tails.insert(Name::Open);
            tails.insert(Name::Hole);
            return Some(());
        }
        Step::More(bytes) => RecordError::Length(bytes),
        Step::Broken(error) => error,
    };
    tails.insert(match error {
        RecordError::Kind(_) => Name::Kind,
        RecordError::Sequence { .. } => Name::Sequence,
        _ => Name::Damage,
    });
    if is_torn(chain, rest, true) {
        tails.insert(Name::Torn);
    }
    Some(())
}

/// What the decision depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Name {
    Open,
    Hole,
    Torn,
    Damage,
    Kind,
    Sequence,
}

/// What a start does about a log that ends so behind this record, over all windows and whether a loss is accepted.
fn actions(name: Name, last: u64, marked: u64) -> HashSet<(bool, &'static str)> {
    let sequence = RecordError::Sequence {
        wanted: 1,
        found: 2,
    };
    let tail = match name {
        Name::Open => Tail::Open,
        Name::Hole => Tail::Broken(Why::Hole),
        Name::Torn => Tail::Broken(Why::TornTail),
        Name::Damage => Tail::Broken(Why::Record(RecordError::Checksum)),
        Name::Kind => Tail::Broken(Why::Record(RecordError::Kind(99))),
        Name::Sequence => Tail::Broken(Why::Record(sequence)),
    };
    let windows = [
        Window::Missing,
        Window::Filled,
        Window::Drained,
        Window::OtherBoot,
        Window::OtherHost,
        Window::Unreadable,
    ];
    let all = windows.into_iter().flat_map(|it| [(it, false), (it, true)]);
    all.map(|(window, accepts_loss)| {
        let facts = Facts {
            window,
            tail: if last == 0 && tail == Tail::Open {
                Tail::Nothing
            } else {
                tail
            },
            is_at_start: last == 0,
            last,
            marked,
            accepts_loss,
            ..Facts::default()
        };
        let row = decide(&facts);
        (row.action == Action::Refuse, row.label)
    })
    .collect()
}

/// Nothing that happens to a record up to the mark passes.
#[track_caller]
fn all_refused(tails: &HashSet<Name>, last: u64, marked: u64) {
    assert!(last < marked);
    for name in tails {
        let passes: Vec<_> = actions(*name, last, marked)
            .into_iter()
            .filter(|(is_refused, _)| !is_refused)
            .collect();
        assert!(passes.is_empty(), "{name:?} behind {last}: {passes:?}");
    }
}

#[test]
fn every_bit_before_the_mark_is_watched() {
    let mut proof = Proof::write();
    let mut flips = 0u64;
    for at in proof.before() {
        let (chain, place) = proof.records[at].clone();
        let mut tails = HashSet::new();
        for bit in place.start * 8..place.end * 8 {
            let (byte, mask) = (bit / 8, 1 << (bit % 8));
            proof.bytes[byte] ^= mask;
            let found = look(chain, &proof.bytes[place.start..], &mut tails);
            proof.bytes[byte] ^= mask;
            assert!(
                found.is_some(),
                "bit {bit} of the log (record {}) is not seen",
                at + 1
            );
            flips += 1;
        }
        all_refused(&tails, chain.sequence, proof.mark.through);
    }
    eprintln!("{flips} bits turned over, each one is seen and refused");
    let least = if std::env::var("GATEHOUSE_PROOF").is_ok() {
        8 << 20
    } else {
        100_000
    };
    assert!(flips >= least, "{flips}");
}

#[test]
fn every_cut_before_the_mark_is_watched() {
    let proof = Proof::write();
    let mut cuts = 0u64;
    for at in proof.before() {
        let (chain, place) = proof.records[at].clone();
        let whole = &proof.bytes[place.clone()];
        let mut tails = HashSet::new();
        for length in 0..whole.len() {
            // The file ends there.
            let found = look(chain, &whole[..length], &mut tails);
            assert!(found.is_some(), "cut at {}", place.start + length);
            // Nothing but zeros from there on.
            let mut zeroed = whole.to_vec();
            zeroed[length..].fill(0);
            zeroed.resize(zeroed.len() + 512, 0);
            let found = look(chain, &zeroed, &mut tails);
            let is_same = zeroed[..whole.len()] == *whole;
            assert_eq!(
                found.is_none(),
                is_same,
                "zeros from {}",
                place.start + length
            );
            cuts += 2;
        }
        all_refused(&tails, chain.sequence, proof.mark.through);
        // Cut between two records, or where the rest of this one is zeros: it is the last.
        if chain.sequence + 1 < proof.mark.through {
            all_refused(
                &HashSet::from([Name::Open, Name::Hole]),
                chain.sequence + 1,
                proof.mark.through,
            );
        }
    }
    eprintln!("{cuts} cuts, each one is seen and refused");
    let least = if std::env::var("GATEHOUSE_PROOF").is_ok() {
        2 << 20
    } else {
        20_000
    };
    assert!(cuts >= least, "{cuts}");
}

/// Behind the mark it cannot be known what is missing: without a window that is what the host took with it, and nobody but the operator
/// can accept it.
#[test]
fn behind_the_mark_it_is_a_loss_of_the_host() {
    let proof = Proof::write();
    let through = proof.mark.through;
    for (chain, place) in &proof.records[through as usize..] {
        let whole = &proof.bytes[place.clone()];
        let mut tails = HashSet::from([Name::Open]);
        for length in 0..whole.len() {
            look(*chain, &whole[..length], &mut tails).expect("cut");
        }
        for name in tails.iter().filter(|name| **name != Name::Damage) {
            let tail = actions(*name, chain.sequence, through);
            let labels: HashSet<_> = tail.iter().map(|(_, label)| *label).collect();
            let loss = if *name == Name::Open {
                "loss"
            } else {
                "torn_loss"
            };
            assert!(
                labels.contains(loss) && labels.contains("loss_accepted"),
                "{name:?} {labels:?}"
            );
        }
    }
}

#[test]
fn records_are_as_long_as_they_should_be() {
    let proof = Proof::write();
    let lengths: HashSet<_> = proof.records.iter().map(|(_, place)| place.len()).collect();
    assert!(lengths.len() > 40, "{}", lengths.len());
    assert!(lengths.contains(&padded(0)));
}
