//! Tests of the page as a whole: what writers write is what readers read. `made_page` is also what `top` is drawn from in its tests.
//!
//! Writers and readers share memory of the test itself; nothing is mapped.

use std::sync::atomic::Ordering::Relaxed;

use proptest::prelude::*;

use super::catalog::{COUNTERS, Counter, Fact, Histogram, LinkState, Reason, SessionState, Stage};
use super::page::{Header, LAYOUT_VERSION, Words, heap_words, page_bytes};
use super::reader::{HEARTBEAT_DEAD_NS, read_file, read_words};
use super::*;
use crate::domain::{AccountIndex, LinkIndex, Money, Now, RejectReason, SessionIndex};

/// Start of the process in made pages, ns since 1970: 2026-03-02 08:00:00 UTC.
pub const START_NS: u64 = 1_772_438_400_000_000_000;
/// One minute later.
pub const NOW_NS: u64 = START_NS + 60_000_000_000;

fn shape() -> Shape {
    Shape {
        sessions: vec!["ALPHA-1".into(), "ALPHA-2".into(), "BETA-1".into()],
        links: vec![
            ("MAIN".into(), "MAIN-A".into()),
            ("MAIN".into(), "MAIN-B".into()),
        ],
        accounts: vec!["ACC1".into(), "ACC2".into()],
    }
}

fn formatted() -> (Words, Writers) {
    let shape = shape();
    let identity = Identity {
        process_id: 4711,
        start_wall_ns: START_NS,
        boot_id_hash: 99,
    };
    let page = Page::format(heap_words(page_bytes(&shape)), &shape, identity);
    (page.words(), page.into_writers())
}

/// A page of a gateway that has run for a minute.
pub fn made_page() -> (Words, Writers) {
    let (words, writers) = formatted();
    facts(&writers.control);
    stages(&writers);
    rows(&writers);
    writers.ready();
    (words, writers)
}

fn facts(control: &StageWriter) {
    control.fact(Fact::Name, "gatehouse-test");
    control.fact(Fact::Version, "0.1.0");
    control.fact(Fact::IoClients, "uring");
    control.fact(Fact::IoDesks, "poll");
    control.fact(Fact::Layout, "fused");
    control.fact(Fact::Idle, "yield");
    control.fact(Fact::Durability, "L0 process");
    control.fact(Fact::Memory, "not locked");
    control.warning("Memory is not locked: raise LimitMEMLOCK to 256 MiB");
}

fn stages(writers: &Writers) {
    let now = |mono_ns| Now {
        mono_ns,
        wall_ns: NOW_NS - 1_000_000,
    };
    for (writer, ring) in [
        (&writers.decode, "risk -> decode"),
        (&writers.risk, "decode -> risk"),
        (&writers.route, "risk -> route"),
    ] {
        writer.set_thread(1_000_000, (writer.stage() == Stage::Decode).then_some(1));
        writer.name_ring(0, ring, 4096);
        writer.set_ring(0, 3, 120, 1);
        for cycle in 0..100u64 {
            writer.cycle(
                now(cycle * 1000),
                cycle * 1000 + 700,
                (cycle % 4 == 0) as usize,
            );
        }
    }
    writers.decode.cycle(now(0), 2_500_000, 16);
    writers.decode.add(Counter::OrdersIn, 1200);
    writers.decode.add(Counter::FramesIn, 1300);
    writers.decode.closed(Reason::SlowConsumer);
    writers.risk.add(Counter::OrdersAccepted, 1190);
    (0..10).for_each(|_| writers.risk.rejected(RejectReason::BuyingPower));
    writers.route.add(Counter::RequestsWritten, 1190);
    for us in 1..=1000u64 {
        writers.route.record_latency(Histogram::OrderPath, us * 100);
        writers
            .decode
            .record_latency(Histogram::ReportPath, us * 120);
        writers.route.record_latency(Histogram::DeskAck, us * 900);
    }
    for second in 0..3 {
        let wall_ns = START_NS + second * 1_000_000_000;
        writers
            .route
            .error(ErrorCode::ConnectFailed, 1, 111, wall_ns);
    }
}

fn rows(writers: &Writers) {
    for (at, state) in [SessionState::Active, SessionState::Disabled]
        .into_iter()
        .enumerate()
    {
        let row = writers.decode.session(SessionIndex(at as u32));
        row.set_state(state, Reason::HeartbeatTimeout, NOW_NS - 30_000_000_000);
        row.set_logons(1, "192.0.2.7:40123".parse().unwrap());
        (1..=600).for_each(|n| row.received(185, n + 1, NOW_NS - 2_000_000));
        (1..=1200).for_each(|n| row.sent(220, n + 1, NOW_NS - 1_000_000));
        row.rejected();
        let orders = writers.risk.session_orders(SessionIndex(at as u32));
        orders.set_orders_open(17);
        (0..595).for_each(|_| orders.accepted());
        orders.rejected();
    }
    writers.decode.session(SessionIndex(2)).set_copies(2380);
    let states = [
        (LinkState::Ready, Reason::None),
        (LinkState::Down, Reason::ConnectFailed),
    ];
    for (at, (state, reason)) in states.into_iter().enumerate() {
        let row = writers.route.link(LinkIndex(at as u32));
        row.set_state(state, reason, START_NS);
        row.set_window(256);
        if state == LinkState::Ready {
            row.connected();
            (1..=1190).for_each(|n| row.sent(true, n + 1, NOW_NS));
            (1..=2300).for_each(|n| row.received(true, n + 1, NOW_NS));
            row.set_in_flight(4, 0);
            row.set_last_ack(123_456);
        }
    }
    let account = writers.risk.account(AccountIndex(0));
    account.set_book(17, Money(1_234_500_000_000), Money(-50_000_000), NOW_NS);
    (0..1190).for_each(|_| account.accepted());
    (0..800).for_each(|_| account.filled());
    writers
        .risk
        .account(AccountIndex(1))
        .set_stopped(Stopped::Killed);
}

fn ready(state: State) -> Snapshot {
    match state {
        State::Ready(snapshot) => *snapshot,
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let (words, _writers) = made_page();
    let snapshot = ready(read_words(words, NOW_NS));
    assert_eq!(snapshot.process_id, 4711);
    assert_eq!(snapshot.uptime_s(), 60);
    assert_eq!(snapshot.heartbeat_age_ns, 1_000_000);
    assert_eq!(snapshot.fact(Fact::IoClients), "uring");
    assert_eq!(snapshot.warnings.len(), 1);
    assert_eq!(snapshot.total(Counter::OrdersIn), 1200);
    let decode = &snapshot.stages[0];
    assert_eq!(
        (decode.cycles, decode.working_cycles, decode.work_items),
        (101, 26, 41)
    );
    assert_eq!(
        (decode.longest_cycle_ns, decode.cycles_over_bound),
        (2_500_000, 1)
    );
    assert_eq!(decode.closed["slow_consumer"], 1);
    assert_eq!(decode.core, Some(1));
    assert_eq!(snapshot.stages[1].rejects["buying_power"], 10);
    assert_eq!(snapshot.stages[1].rings[0].high_water, 120);
    let error = &snapshot.stages[2].errors[0];
    assert_eq!(
        (error.code, error.subject, error.count, error.detail),
        ("connect_failed", 1, 3, 111)
    );
    assert_eq!(error.last_wall_ns - error.first_wall_ns, 2_000_000_000);
    let session = &snapshot.sessions[0];
    assert_eq!(
        (session.name.as_str(), session.state),
        ("ALPHA-1", "active")
    );
    assert_eq!(
        (session.next_in, session.next_out, session.bytes_in),
        (601, 1201, 600 * 185)
    );
    assert_eq!(session.peer, Some("192.0.2.7:40123".parse().unwrap()));
    assert_eq!(
        (session.orders_open, session.orders, session.orders_rejected),
        (17, 595, 1)
    );
    assert_eq!(snapshot.sessions[2].state, "disconnected");
    assert_eq!(
        (session.copies, snapshot.sessions[2].copies),
        (None, Some(2380))
    );
    let link = &snapshot.links[0];
    assert_eq!(
        (link.desk.as_str(), link.name.as_str(), link.state),
        ("MAIN", "MAIN-A", "ready")
    );
    assert_eq!((link.sent, link.received, link.reconnects), (1190, 2300, 0));
    let account = &snapshot.accounts[0];
    assert_eq!(
        (account.reserved.as_str(), account.available.as_str()),
        ("12345", "-0.5")
    );
    assert_eq!(snapshot.accounts[1].stopped, "killed");
    let order_path = &snapshot.latencies[0];
    assert_eq!((order_path.count, order_path.max_ns), (1000, 100_000));
    assert!(
        (50_000..=53_200).contains(&order_path.p50_ns),
        "{}",
        order_path.p50_ns
    );
}

#[test]
fn a_reader_sees_each_state_of_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("status");
    let read = |now| read_file(&path, now).unwrap();
    assert!(matches!(read(NOW_NS), State::Absent(_)));
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(read(NOW_NS), State::Starting));
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    assert!(matches!(read(NOW_NS), State::Broken(_)));

    let (words, writers) = formatted();
    assert!(matches!(read_words(words, NOW_NS), State::Starting));
    writers.ready();
    let beat = START_NS + HEARTBEAT_DEAD_NS;
    assert!(matches!(read_words(words, beat), State::Ready(_)));
    let State::Dead {
        process_id,
        heartbeat_age_ns,
        ..
    } = read_words(words, beat + 1)
    else {
        panic!("silent for longer than the bound, and not dead");
    };
    assert_eq!(
        (process_id, heartbeat_age_ns),
        (4711, HEARTBEAT_DEAD_NS + 1)
    );

    let bytes: Vec<u8> = words
        .iter()
        .flat_map(|w| w.load(Relaxed).to_le_bytes())
        .collect();
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(read(beat), State::Ready(_)));
    std::fs::write(&path, &bytes[..bytes.len() - 64]).unwrap();
    assert!(matches!(read(beat), State::Broken(_)));

    writers.control.stopped(beat);
    assert!(read_words(words, beat).to_string().contains("was stopped"));
    words[1].store(LAYOUT_VERSION + 1, Relaxed);
    let State::WrongVersion { found, .. } = read_words(words, beat) else {
        panic!("took a layout that it does not know");
    };
    assert_eq!(found, LAYOUT_VERSION + 1);
    words[1].store(LAYOUT_VERSION, Relaxed);
    words[std::mem::offset_of!(Header, catalogue_hash) / 8].store(1, Relaxed);
    assert!(matches!(read_words(words, beat), State::OtherBuild));
}

#[test]
fn every_stage_may_write_every_counter_of_its_own() {
    let (words, writers) = formatted();
    let all = [
        &writers.decode,
        &writers.risk,
        &writers.route,
        &writers.journal,
        &writers.control,
    ];
    for writer in all {
        writer.cycle(
            Now {
                mono_ns: 0,
                wall_ns: START_NS,
            },
            1,
            0,
        );
        for row in COUNTERS
            .iter()
            .filter(|row| row.stages.contains(&writer.stage()))
        {
            writer.add(row.counter, row.counter as u64 + 1);
        }
    }
    writers.ready();
    let snapshot = ready(read_words(words, START_NS));
    for row in COUNTERS {
        let wanted = (row.counter as u64 + 1) * row.stages.len() as u64;
        assert_eq!(snapshot.total(row.counter), wanted, "{}", row.name);
    }
}

#[test]
fn a_full_table_of_errors_is_counted() {
    let (words, writers) = formatted();
    for subject in 0..super::errors::ERRORS_MAX as u64 + 3 {
        writers.route.error(ErrorCode::InDoubt, subject, 0, NOW_NS);
        writers.route.error(ErrorCode::InDoubt, 0, subject, NOW_NS);
    }
    writers.ready();
    let snapshot = ready(read_words(words, START_NS));
    assert_eq!(snapshot.total(Counter::ErrorsNotKept), 3);
    let errors = &snapshot.stages[0].errors;
    assert_eq!(errors.len(), super::errors::ERRORS_MAX);
    assert_eq!(errors[0].count, super::errors::ERRORS_MAX as u64 + 4);
}

#[test]
fn stages_write_at_once_and_nothing_is_lost() {
    let (words, writers) = formatted();
    writers.ready();
    let Writers {
        decode,
        risk,
        route,
        ..
    } = writers;
    let run = |writer: StageWriter, counter: Counter| {
        std::thread::spawn(move || {
            (0..20_000u64).for_each(|n| {
                writer.add(counter, 1);
                writer.cycle(
                    Now {
                        mono_ns: n,
                        wall_ns: START_NS + n,
                    },
                    n + 1,
                    1,
                );
            })
        })
    };
    let threads = [
        run(decode, Counter::OrdersIn),
        run(risk, Counter::OrdersAccepted),
        run(route, Counter::RequestsWritten),
    ];
    let mut before = 0;
    while threads.iter().any(|thread| !thread.is_finished()) {
        let seen = ready(read_words(words, START_NS)).total(Counter::OrdersIn);
        assert!(seen >= before, "a counter fell");
        before = seen;
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let snapshot = ready(read_words(words, START_NS));
    for counter in [
        Counter::OrdersIn,
        Counter::OrdersAccepted,
        Counter::RequestsWritten,
    ] {
        assert_eq!(snapshot.total(counter), 20_000);
    }
}

#[test]
fn long_names_are_cut_between_characters() {
    let shape = Shape {
        sessions: vec!["柜".repeat(20)],
        ..Shape::default()
    };
    let page = Page::format(heap_words(page_bytes(&shape)), &shape, Identity::default());
    let words = page.words();
    page.into_writers().ready();
    assert_eq!(
        ready(read_words(words, 0)).sessions[0].name,
        "柜".repeat(10)
    );
}

/// Words of the made page.
const WORDS: usize = 6000;

proptest! {
    /// Whatever stands in the header and in the rows, a reader answers and does not panic.
    #[test]
    fn no_page_harms_its_reader(changes in proptest::collection::vec((0usize..WORDS, any::<u64>()), 1..20)) {
        let (words, _writers) = made_page();
        prop_assert!(words.len() <= WORDS);
        for (at, value) in changes {
            words[at % words.len()].store(value, Relaxed);
        }
        let state = read_words(words, NOW_NS);
        let _ = state.to_string();
        if let State::Ready(snapshot) = state {
            prop_assert!(serde_json::to_string(&snapshot).is_ok());
        }
    }
}
