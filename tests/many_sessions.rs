//! 64 sessions at once, each with a stream of orders of its own: every order comes back, and nobody starves.
//!
//! How evenly turns are given is shown where the turns can be counted, in `duty_cycles.rs`; here, over real sockets, it is shown
//! that everything comes back and that a flood that never ends keeps nobody out.

mod support;

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatehouse::config::plan::Io;
use gatehouse::config::plan::Layout;
use gatehouse::status::Counter;
use support::{Client, World, combinations};

const SESSIONS: usize = 64;
const ORDERS: usize = 60;

fn many(io: Io, layout: Layout) -> World {
    World::with(
        1,
        |sample| {
            (sample.io, sample.layout) = (io, layout);
            (sample.sessions, sample.accounts) = (SESSIONS, SESSIONS);
            sample.requests_per_day_max = 1 << 15;
            sample.executions_per_day_max = 1 << 16;
            sample.staging_bytes = 16 << 20;
            sample.window = 1 << 14;
        },
        // All of it may be on its way at once.
        |plan| plan.threads.ring_slots = 1 << 15,
    )
}

#[test]
fn each_of_64_sessions_gets_all_its_answers_and_none_starves() {
    for (io, layout) in combinations() {
        let mut world = many(io, layout);
        let mut clients: Vec<Client> = (0..SESSIONS).map(|at| world.client(at)).collect();
        let desk = world.desks.remove(0).serve(true);
        for (at, client) in clients.iter_mut().enumerate() {
            let mut stream = Vec::new();
            for order in 0..ORDERS {
                let fields = client.order_fields(&format!("s{at}-{order}"), &quantity(at));
                let number = client.conn.note("D", &fields);
                stream.extend(client.conn.bytes("D", number, &[], &fields));
            }
            client.conn.raw(&stream);
        }
        // Each reads its own; two threads, so that nobody waits for a socket of another for long.
        let readers: Vec<_> = (0..2)
            .map(|half| {
                let rest = clients.split_off(clients.len() - SESSIONS / 2);
                std::thread::spawn(move || {
                    let mut read = rest;
                    for (at, client) in read.iter_mut().enumerate() {
                        let session = (1 - half) * SESSIONS / 2 + at;
                        take_answers(session, client);
                    }
                    read
                })
            })
            .collect();
        for reader in readers {
            reader.join().expect("every session got its answers");
        }
        let status = world.wait_status("every order", |status| {
            status.total(Counter::ReportsTrade) == (SESSIONS * ORDERS) as u64
        });
        assert_eq!(
            status.total(Counter::OrdersAccepted),
            (SESSIONS * ORDERS) as u64
        );
        for (at, session) in status.sessions.iter().enumerate() {
            assert_eq!(session.orders, ORDERS as u64, "session {at}");
        }
        world.stop();
        let served = desk.join().expect("the desk");
        assert_eq!(served.orders.len(), SESSIONS * ORDERS);
    }
}

/// Distinct per session, so that a report of one that reached another would be seen.
fn quantity(session: usize) -> String {
    format!("38={}", 1000 + session)
}

fn take_answers(session: usize, client: &mut Client) {
    let mut acknowledged = 0;
    let mut filled = 0;
    while filled < ORDERS {
        let report = client.conn.expect("8");
        report.is(&quantity(session));
        match report.get(39) {
            "0" => {
                report.is(&format!("11=s{session}-{acknowledged}"));
                acknowledged += 1;
            }
            "2" => {
                report.is(&format!("11=s{session}-{filled} 14={}", 1000 + session));
                filled += 1;
            }
            other => panic!("{other}: {report:?}"),
        }
        assert!(filled <= acknowledged);
    }
    assert_eq!(acknowledged, ORDERS);
}

#[test]
fn a_flood_that_never_ends_keeps_nobody_from_the_desk() {
    for (io, layout) in combinations() {
        let mut world = many(io, layout);
        let mut clients: Vec<Client> = (1..SESSIONS).map(|at| world.client(at)).collect();
        let mut flooder = world.client(0);
        let mut answers = flooder.conn.stream().try_clone().expect("a second handle");
        let stop = Arc::new(AtomicBool::new(false));
        let end = stop.clone();
        let writer = std::thread::spawn(move || {
            let mut sent = 0;
            while !end.load(Ordering::Acquire) {
                // The same order again and again: checked, and refused, each time.
                let mut batch = Vec::new();
                for _ in 0..100 {
                    let fields = flooder.order_fields("flood", "38=1");
                    let number = flooder.conn.next_out;
                    flooder.conn.next_out += 1;
                    batch.extend(flooder.conn.bytes("D", number, &[], &fields));
                }
                if flooder.conn.stream().write_all(&batch).is_err() {
                    return sent;
                }
                sent += 100;
            }
            // The reader of its answers ends with it.
            let _ = flooder.conn.stream().shutdown(std::net::Shutdown::Both);
            sent
        });
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 64 * 1024];
            while answers.read(&mut chunk).is_ok_and(|count| count > 0) {}
        });
        assert_eq!(world.desk().request("D").get(38), "1");
        for round in 0..3 {
            for client in &mut clients {
                client.order(&format!("r{round}"), "38=2");
            }
            for _ in 0..clients.len() {
                let request = world.desk().request("D");
                request.is("38=2");
                world.desk().report(&request, "");
            }
            for client in &mut clients {
                client.report(&format!("11=r{round} 150=0 39=0"));
            }
        }
        stop.store(true, Ordering::Release);
        let sent: u64 = writer.join().expect("the flood");
        reader.join().expect("its answers");
        assert!(sent >= 100, "{sent}");
    }
}
