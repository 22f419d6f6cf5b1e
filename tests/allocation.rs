//! No heap allocation in the gateway's duty cycles after warm-up: counted on this thread around the three stages alone, which run over
//! sockets in memory, through new orders, rejects, cancels, replaces, fills, resends, status and mass requests, logouts and logons.

mod support;

use gatehouse::config::plan::{DictionaryPlan, DropCopyPlan};
use gatehouse::domain::{AccountIndex, SessionIndex};
use gatehouse::sys::heap::{CountingAllocator, allocations as counted};
use support::fix::{fields, timestamp};
use support::stages::{Bench, MemoryConn, order, report};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const ORDERS: usize = 10_000;

#[test]
fn the_counter_counts() {
    let before = counted();
    drop(std::hint::black_box(Box::new(7)));
    assert_eq!(counted() - before, 1);
}

#[test]
fn no_order_allocates() {
    let bench = Bench::new(
        |sample| (sample.sessions, sample.accounts, sample.odd_sessions_fix_42) = (4, 2, true),
        // Of the first session copies go to one that is connected, of both accounts to one that never is.
        |plan| {
            // One text of an order serves all kinds of requests here.
            for session in &mut plan.sessions {
                session.fix.dictionary = DictionaryPlan::None;
            }
            for (receiver, sessions, accounts) in [(2, &[0][..], &[][..]), (3, &[], &[0, 1])] {
                let session = &mut plan.sessions[receiver];
                session.accounts.clear();
                session.drop_copy = Some(DropCopyPlan {
                    accounts: accounts.iter().copied().map(AccountIndex).collect(),
                    sessions: sessions.iter().copied().map(SessionIndex).collect(),
                });
            }
        },
    );
    let mut desk = bench.desk();
    let mut clients = [bench.client(0), bench.client(1)];
    let mut receiver = bench.client(2);
    for client in clients.iter_mut().chain([&mut receiver]) {
        bench.connect(client);
        client.recover();
    }
    let mut sent = 0;
    // Warm-up: everything once.
    for round in 0..3 {
        every_kind(&bench, &mut desk, &mut clients, round, &mut sent);
        copies(&mut receiver);
    }
    // The measurement itself: a turn in which this counts is seen.
    bench.count_with(|| {
        drop(std::hint::black_box(Box::new(7)));
        counted()
    });
    bench.turn(1);
    assert_eq!(bench.allocations(), 1);
    bench.count_with(counted);
    let mut round = 3;
    while sent < ORDERS {
        every_kind(&bench, &mut desk, &mut clients, round, &mut sent);
        copies(&mut receiver);
        round += 1;
    }
    assert_eq!(bench.allocations(), 0, "in {sent} orders");
    assert!(sent >= ORDERS);
    let status = bench.status();
    for receiver in 2..4 {
        assert!(status.sessions[receiver].copies > Some(ORDERS as u64));
    }
}

/// What came for the one that receives copies, and an order of its own, which is refused.
fn copies(receiver: &mut MemoryConn) {
    receiver.send("D", &order(0, "mine", ""));
    while receiver.next().kind() != "j" {}
    receiver.forget_old();
}

/// Some orders of every fate. The peers allocate as they like.
fn every_kind(
    bench: &Bench,
    desk: &mut MemoryConn,
    clients: &mut [MemoryConn; 2],
    round: usize,
    sent: &mut usize,
) {
    for (at, client) in clients.iter_mut().enumerate() {
        for fate in 0..100 {
            let id = format!("{round}-{fate}");
            *sent += 1;
            match fate % 4 {
                // Filled in two parts, with a duplicate between.
                0 => {
                    client.send("D", &order(at, &id, ""));
                    let request = desk.expect("D");
                    report(desk, &request, "");
                    client.expect("8").is("150=0");
                    let exec = format!("17=X{at}-{id}");
                    let part = format!("{exec} 150=F 39=1 32=4 31=10 14=4 151=6");
                    report(desk, &request, &part);
                    report(desk, &request, &part);
                    report(desk, &request, "150=F 39=2 32=6 31=10 14=10 151=0");
                    client.expect("8").is("14=4");
                    client.expect("8").is("14=10 39=2");
                }
                // Refused here.
                1 => {
                    let change = ["1=NOBODY", "38=0", "44=1000", "55=NOTHING"][fate / 4 % 4];
                    client.send("D", &order(at, &id, change));
                    client.expect("8").is("150=8");
                    client.send("D", &order(at, &id, "44=1e5"));
                    client.expect("3").is("371=44");
                    client.send("D", &order(at, &id, "40=3"));
                    client.next();
                }
                // Refused there.
                2 => {
                    client.send("D", &order(at, &id, ""));
                    let request = desk.expect("D");
                    report(desk, &request, "150=8 39=8 151=0 58=No");
                    client.expect("8").is("150=8 58=No");
                }
                // Replaced and cancelled, each after a refusal.
                _ => {
                    client.send("D", &order(at, &id, ""));
                    let request = desk.expect("D");
                    report(desk, &request, "");
                    client.expect("8").is("150=0");
                    let chain = |new: &str, old: &str| {
                        order(at, &format!("{id}{new}"), &format!("41={id}{old} 38=9"))
                    };
                    client.send("G", &chain("a", ""));
                    let replace = desk.expect("G");
                    let refusal = format!(
                        "37=D 11={} 41={} 39=0 434=2 102=0",
                        replace.get(11),
                        replace.get(41)
                    );
                    desk.send("9", &fields(&refusal));
                    client.expect("9");
                    client.send("G", &chain("b", ""));
                    let replace = desk.expect("G");
                    report(desk, &replace, "150=5 39=0");
                    client.expect("8").is("150=5");
                    client.send("F", &chain("c", "b"));
                    let cancel = desk.expect("F");
                    report(desk, &cancel, "150=4 39=4 151=0");
                    client.expect("8").is("150=4");
                    client.send("H", &fields(&format!("11={id} 55=SYM1 54=1")));
                    client.expect("8").is("39=4");
                }
            }
        }
        if at == 0 {
            client.send("AF", &fields("584=m 585=7"));
            client.expect("8").is("150=I");
            let body = format!("11={round}-mass 530=7 60={}", timestamp());
            client.send("q", &fields(&body));
            client.expect("r").is("531=7");
        }
        // The last ten messages again.
        let begin = client.next_in - 10;
        client.send("2", &fields(&format!("7={begin} 16=0")));
        for _ in 0..10 {
            client.read_any().expect("again").is("43=Y");
        }
        client.send("1", &fields("112=alive"));
        client.read().expect("alive").is("35=0 112=alive");
        // Garbage, then out and in again.
        client.raw(b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01junk");
        client.send("5", &[]);
        client.expect("5");
        client.drop_connection();
        bench.turn(20);
        bench.connect(client);
        client.recover();
        // The page is written and timers are looked at.
        bench.pass(10_000_000);
        bench.turn(5);
    }
}
