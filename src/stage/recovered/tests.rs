//! What single records do to what is recovered: each test is a log of a few records, and what is known after it.
//!
//! The whole, over processes that are killed, is proven by `tests/session_recovery.rs`.

use super::*;
use crate::journal::Cause;
use crate::limits::KEPT_MESSAGES_MAX;
use crate::stage::event_record::{
    of_beginning, of_no_answer, of_order, of_reset, of_resumption, of_turn,
};
use crate::stage::peer::Ordered;

/// Records as a process writes them, one after the other.
struct Process {
    recovery: Recovery,
    epoch: u16,
    sequence: u64,
}

fn record(kind: RecordKind, body: &[u8]) -> Record<'_> {
    Record {
        sequence: 0,
        time_ns: 0,
        kind,
        channel: 0,
        cause: Cause::default(),
        previous: 0,
        next_in: 0,
        delivered: false,
        kept: false,
        body,
        crc: 0,
    }
}

fn message(kind: &str, number: u64) -> Vec<u8> {
    let body = format!("35={kind}|34={number}|49=A|52=20260101-00:00:00|56=B|");
    let mut text = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\u{1}");
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    text.push_str(&format!("10={sum:03}\u{1}"));
    text.into_bytes()
}

impl Process {
    fn first(names: &[&str]) -> Self {
        let mut process = Self {
            recovery: Recovery::new(LogId::Client, names.len()),
            epoch: 0,
            sequence: 0,
        };
        process.next(names);
        process
    }

    /// Another process begins.
    fn next(&mut self, names: &[&str]) {
        self.epoch += 1;
        let start = Record {
            time_ns: self.epoch as u64 * 1000,
            ..record(RecordKind::Start, b"")
        };
        self.feed(start);
        self.feed(record(RecordKind::Names, names.join("\n").as_bytes()));
    }

    fn feed(&mut self, record: Record<'_>) -> u64 {
        self.sequence += 1;
        let sequence = self.sequence;
        let record = Record { sequence, ..record };
        self.recovery.feed(self.epoch, 64 * sequence, &record);
        sequence
    }

    fn received(&mut self, channel: u16, kind: &str, number: u64, next_in: u64) -> u64 {
        self.feed(Record {
            channel,
            next_in,
            kept: next_in < number,
            delivered: kind == "D" && next_in == number + 1,
            ..record(RecordKind::MessageIn, &message(kind, number))
        })
    }

    /// One that came too early and is not kept: wrong, say.
    fn received_in_vain(&mut self, number: u64, next_in: u64) {
        self.feed(Record {
            next_in,
            ..record(RecordKind::MessageIn, &message("D", number))
        });
    }

    fn sent(&mut self, channel: u16, kind: RecordKind, number: u64, cause: u64) {
        let text = if kind == RecordKind::MessageOut {
            "8"
        } else {
            "A"
        };
        self.feed(Record {
            channel,
            cause: self.cause(cause),
            ..record(kind, &message(text, number))
        });
    }

    fn event(&mut self, channel: u16, cause: u64, body: &[u8]) {
        self.feed(Record {
            channel,
            cause: self.cause(cause),
            ..record(RecordKind::Connection, body)
        });
    }

    fn cause(&self, sequence: u64) -> Cause {
        let log = if sequence == 0 {
            LogId::None
        } else {
            LogId::Client
        };
        let output = 0;
        Cause {
            log,
            sequence,
            output,
        }
    }

    /// Next numbers in and out, and the records that wait for an answer.
    #[track_caller]
    fn is(self, name: &str, numbers: (u64, u64), unanswered: &[(u16, u64)]) {
        let recovered = self.recovery.finish();
        let peer = recovered.peer(name).expect("a session");
        assert_eq!((peer.next_in, peer.next_out), numbers);
        assert_eq!(peer.sent.next(), numbers.1);
        let waiting = peer.unanswered.iter();
        let waiting: Vec<_> = waiting.map(|it| (it.epoch, it.sequence)).collect();
        assert_eq!(waiting, unanswered);
    }
}

/// A session that is logged on; it received and sent one message.
fn logged_on() -> Process {
    let mut process = Process::first(&["A", "B"]);
    let logon = process.received(0, "A", 1, 2);
    process.sent(0, RecordKind::AdminOut, 1, logon);
    process
}

#[test]
fn a_message_from_which_nothing_followed_does_not_count_where_something_should_have() {
    let mut process = Process::first(&["A"]);
    process.received(0, "A", 1, 2);
    process.is("A", (1, 1), &[]);
    logged_on().is("A", (2, 2), &[]);
    // Another session's record shows that the process lived on.
    let mut process = logged_on();
    process.received(0, "0", 2, 3);
    process.received(1, "A", 1, 1);
    process.is("A", (3, 2), &[]);
    // The end of a process counts like the end of the log.
    let mut process = logged_on();
    process.received(0, "1", 2, 3);
    process.next(&["A", "B"]);
    process.is("A", (2, 2), &[]);
}

#[test]
fn what_the_application_was_given_counts_and_waits_for_its_answer() {
    let mut process = logged_on();
    let first = process.received(0, "D", 2, 3);
    let second = process.received(0, "D", 3, 4);
    let third = process.received(0, "D", 4, 5);
    process.sent(0, RecordKind::MessageOut, 2, second);
    // A ResendRequest, say, answers nobody.
    process.sent(0, RecordKind::AdminOut, 3, first);
    process.event(0, third, &of_no_answer());
    process.is("A", (5, 4), &[(1, first)]);
    let mut process = logged_on();
    let only = process.received(0, "D", 2, 3);
    process.recovery.close(1, only);
    process.is("A", (3, 2), &[]);
}

#[test]
fn an_early_message_counts_when_it_had_its_turn() {
    let mut process = logged_on();
    let early = process.received(0, "D", 3, 2);
    process.received(0, "D", 2, 3);
    let first = process.sequence;
    process.sent(0, RecordKind::MessageOut, 2, first);
    process.event(0, early, &of_turn(3, 4, true));
    process.is("A", (4, 3), &[(1, early)]);
    // Kept, and its turn never came.
    let mut process = logged_on();
    process.received(0, "D", 3, 2);
    process.is("A", (2, 2), &[]);
    // It had its turn, and was to be rejected: no record of that.
    let mut process = logged_on();
    let early = process.received(0, "D", 3, 2);
    let first = process.received(0, "D", 2, 3);
    process.sent(0, RecordKind::MessageOut, 2, first);
    process.event(0, early, &of_turn(3, 4, false));
    process.is("A", (3, 3), &[]);
}

#[test]
fn a_faulty_repeat_takes_no_early_message_s_place() {
    let mut process = logged_on();
    let early = process.received(0, "D", 3, 2);
    process.received_in_vain(3, 2);
    process.sent(0, RecordKind::AdminOut, 2, process.sequence);
    process.received(0, "D", 2, 3);
    process.sent(0, RecordKind::MessageOut, 3, process.sequence);
    process.event(0, early, &of_turn(3, 4, true));
    process.is("A", (4, 4), &[(1, early)]);
}

#[test]
fn of_good_repeats_the_last_one_has_the_turn() {
    let mut process = logged_on();
    process.received(0, "D", 3, 2);
    let again = process.received(0, "D", 3, 2);
    process.received(0, "D", 2, 3);
    process.sent(0, RecordKind::MessageOut, 2, process.sequence);
    process.event(0, again, &of_turn(3, 4, true));
    process.is("A", (4, 3), &[(1, again)]);
}

#[test]
fn a_peer_that_repeats_early_messages_fills_nothing() {
    let mut process = logged_on();
    for round in 0..20 {
        for number in 3..1000 {
            process.received(0, "D", number + round, 2);
        }
    }
    let [_, early] = process.recovery.rows();
    assert_eq!(early, KEPT_MESSAGES_MAX - 1, "as many as the session keeps");
    // What it skips itself is not kept for ever.
    process.received(0, "4", 2, 100);
    assert_eq!(process.recovery.rows(), [0, KEPT_MESSAGES_MAX + 1 - 99]);
}

#[test]
fn outcomes_of_what_was_fed_are_not_kept() {
    let mut process = logged_on();
    let message = process.received(0, "D", 2, 3);
    process.recovery.close(1, message);
    let early = process.received(0, "D", 4, 3);
    for record in 1..=process.sequence {
        process.recovery.close(1, record);
    }
    // What came too early waits for its turn, and what was not fed yet for its record; no longer than until the next process.
    process.recovery.close(1, process.sequence + 5);
    assert_eq!(process.recovery.rows(), [2, 1]);
    process.received(0, "D", 3, 4);
    process.event(0, early, &of_turn(4, 5, true));
    assert_eq!(process.recovery.rows(), [1, 0]);
    process.next(&["A", "B"]);
    assert_eq!(process.recovery.rows(), [0, 0]);
}

#[test]
fn an_outcome_of_an_earlier_process_is_not_that_of_a_record_whose_sequence_is_used_again() {
    for is_known_before in [true, false] {
        let mut process = logged_on();
        process.next(&["A", "B"]);
        process.event(0, 0, &of_beginning(NEW_LOG, 1000));
        process.event(0, 0, &of_resumption(2, 2));
        let sequence = process.sequence + 1;
        if is_known_before {
            process.recovery.close(1, sequence);
        }
        process.received(0, "D", 2, 3);
        if !is_known_before {
            process.recovery.close(1, sequence);
        }
        process.is("A", (3, 2), &[(2, sequence)]);
    }
}

#[test]
fn an_operator_s_lock_out_outlives_the_process() {
    let mut process = logged_on();
    process.event(0, 0, &of_order(Ordered::Disable));
    process.event(1, 0, &of_order(Ordered::Disable));
    process.event(1, 0, &of_order(Ordered::Logout));
    process.next(&["A", "B"]);
    process.event(0, 0, &of_order(Ordered::Enable));
    let recovered = process.recovery.finish();
    let is_disabled = |name| recovered.peer(name).expect("a session").is_disabled;
    assert!(!is_disabled("A") && is_disabled("B"));
}

#[test]
fn a_reset_sets_what_the_message_that_caused_it_has_not_said() {
    let reset = of_reset(ResetCause::PeerLogon, 1, 1);
    let mut process = logged_on();
    let logon = process.received(0, "A", 1, 2);
    process.event(0, logon, &reset);
    process.is("A", (2, 1), &[]);
    let mut process = logged_on();
    process.event(0, 0, &of_reset(ResetCause::Operator, 70, 80));
    process.is("A", (70, 80), &[]);
    let mut process = logged_on();
    process.event(0, 0, &of_reset(ResetCause::Operator, 70, 80));
    assert_eq!(
        process.recovery.peers[0].1.began,
        ResetCause::Operator as u8
    );
    process.sent(0, RecordKind::AdminOut, 80, 0);
    // A copy takes a number as any message.
    process.sent(0, RecordKind::CopyOut, 81, 0);
    process.is("A", (70, 82), &[]);
}

#[test]
fn sessions_are_their_names_and_processes_go_on_or_begin_anew() {
    let mut process = logged_on();
    let waits = process.received(0, "D", 2, 3);
    process.next(&["B", "A"]);
    process.event(1, 0, &of_beginning(NEW_LOG, 1000));
    process.event(1, 0, &of_resumption(3, 2));
    let carried = Record {
        channel: 1,
        cause: Cause {
            output: 1,
            ..process.cause(waits)
        },
        ..record(RecordKind::Carried, b"")
    };
    let again = process.feed(carried);
    process.sent(1, RecordKind::AdminOut, 2, 0);
    let places = process.recovery.places.clone();
    assert_eq!((places[&(1, 0)], places[&(2, 1)]), (0, 0));
    process.is("A", (3, 3), &[(2, again)]);
    // A process that did not go on with them: from 1, and nothing waits.
    let mut process = logged_on();
    process.received(0, "D", 2, 3);
    process.next(&["A", "B"]);
    process.sent(0, RecordKind::AdminOut, 1, 0);
    let track = &process.recovery.peers[0].1;
    assert_eq!((track.began, track.began_wall_ns), (NEW_LOG, 2000));
    process.is("A", (1, 2), &[]);
    // One that died before it used them.
    let mut process = logged_on();
    let waits = process.received(0, "D", 2, 3);
    process.next(&["A", "B"]);
    process.is("A", (3, 2), &[(1, waits)]);
}
