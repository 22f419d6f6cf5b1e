//! 64 sessions at once, each with a stream of orders of its own: every order comes back, and nobody starves.
//!
//! What "nobody starves" means here, without a clock: all sessions write their whole stream before anybody reads, so that all have
//! work waiting at once; the desk, which sees one sequence, then notes who came when. Since one turn of one session is bounded, no
//! session may finish its stream at the desk before every other one has begun to have its orders there.

mod support;

use std::collections::HashMap;

use gatehouse::config::plan::Io;
use gatehouse::config::plan::Layout;
use gatehouse::status::Counter;
use support::{Client, World, combinations};

const SESSIONS: usize = 64;
const ORDERS: usize = 150;

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
        |_| {},
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
fn a_session_that_floods_does_not_keep_others_from_the_desk() {
    for (io, layout) in combinations() {
        let mut world = many(io, layout);
        let mut clients: Vec<Client> = (0..SESSIONS).map(|at| world.client(at)).collect();
        // The flood is 4,000 orders in one go; then each of the others sends one.
        let mut flooder = clients.remove(0);
        let flood = 4000;
        let writer = std::thread::spawn(move || {
            let mut stream = Vec::new();
            for order in 0..flood {
                let fields = flooder.order_fields(&format!("f{order}"), "38=1");
                let number = flooder.conn.note("D", &fields);
                stream.extend(flooder.conn.bytes("D", number, &[], &fields));
            }
            flooder.conn.raw(&stream);
            flooder
        });
        for (at, client) in clients.iter_mut().enumerate() {
            client.order(&format!("one{at}"), "38=2");
        }
        let mut order_at_desk = HashMap::new();
        let mut flood_at = Vec::new();
        for position in 0..flood + clients.len() {
            let request = world.desk().request("D");
            match request.get(38) {
                "1" => flood_at.push(position),
                _ => drop(order_at_desk.insert(request.get(1).to_owned(), position)),
            }
        }
        assert_eq!(order_at_desk.len(), clients.len());
        let last_of_others = order_at_desk.values().max().expect("orders");
        let last_of_flood = flood_at.last().expect("orders");
        assert!(
            last_of_others < last_of_flood,
            "the flood was through before others had a turn: {last_of_others} {last_of_flood}"
        );
        writer.join().expect("written");
    }
}
