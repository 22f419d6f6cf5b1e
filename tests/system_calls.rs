//! System calls per message, over real loopback sockets and both back ends: the stages turned by hand on this thread, while orders and
//! reports lie in the sockets, as under a stream of them.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use gatehouse::config::sample::Sample;
use gatehouse::io::Sockets;
use gatehouse::stage::assembly;
use gatehouse::status::Counter;
use gatehouse::sys::clock::Clock;
use gatehouse::sys::sockets::{AnySockets, Choice, open};
use support::conn::PATIENCE;
use support::stages::{Stages, assemble};
use support::{Client, Desk};

/// What lies in a socket at once: less than its buffer.
const BATCH: usize = 200;
const ROUNDS: usize = 5;

struct Hand {
    stages: Stages<AnySockets>,
    clock: Clock,
}

impl Hand {
    fn turn(&mut self) {
        self.stages.turn(self.clock.now());
        self.stages.drain();
    }

    /// Turns until the page shows it; system calls made meanwhile.
    fn until(&mut self, counter: Counter, value: u64) -> u64 {
        let before = self.system_calls();
        let deadline = std::time::Instant::now() + PATIENCE;
        // The page is looked at after turns that may have changed it alone: reading it costs no system call of a stage.
        loop {
            self.turn();
            let now = self.clock.now();
            if self.stages.snapshot(now).total(counter) >= value {
                // What the last send of a connection did not take goes with the next.
                for _ in 0..20 {
                    self.turn();
                }
                return self.system_calls() - before;
            }
            assert!(std::time::Instant::now() < deadline, "{counter:?}");
        }
    }

    fn system_calls(&mut self) -> u64 {
        let clients = self.stages.decode.board().sockets().system_calls();
        clients + self.stages.route.board().sockets().system_calls()
    }
}

#[test]
fn at_most_two_system_calls_per_message() {
    for choice in [Choice::Poll, Choice::Uring] {
        if choice == Choice::Uring && open(choice, 1).is_err() {
            eprintln!("io_uring is not to be had here");
            continue;
        }
        measure(choice);
    }
}

fn measure(choice: Choice) {
    let mut desk = Desk::listen(0);
    let mut sample = Sample::new("/nowhere");
    sample.requests_per_day_max = 1 << 14;
    sample.executions_per_day_max = 1 << 14;
    sample.links = vec![desk.address()];
    let plan = sample.plan();
    let mut clock = Clock::new();
    let (clients_io, _) = open(choice, assembly::client_connections(&plan)).expect("sockets");
    let (desks_io, _) = open(choice, 2).expect("sockets");
    let stages = assemble(&plan, clients_io, desks_io, clock.now().wall_ns);
    let address = stages.address;
    let mut hand = Hand { stages, clock };
    let done = AtomicBool::new(false);
    let (mut client, mut desk) = std::thread::scope(|scope| {
        let peers = scope.spawn(|| {
            desk.log_on();
            let mut client = Client::new(address, "FIX.4.4", "CLIENT1", "A1");
            client.log_on();
            done.store(true, Ordering::Release);
            (client, desk)
        });
        while !done.load(Ordering::Acquire) && !peers.is_finished() {
            hand.turn();
        }
        peers.join().expect("logged on")
    });
    let (mut calls, mut messages) = (0, 0);
    for round in 0..ROUNDS {
        let total = ((round + 1) * BATCH) as u64;
        let mut orders = Vec::new();
        for at in 0..BATCH {
            let fields = client.order_fields(&format!("{round}-{at}"), "38=1");
            let number = client.conn.note("D", &fields);
            orders.extend(client.conn.bytes("D", number, &[], &fields));
        }
        client.conn.raw(&orders);
        calls += hand.until(Counter::RequestsWritten, total);
        for _ in 0..BATCH {
            let request = desk.request("D");
            desk.report(&request, "");
        }
        calls += hand.until(Counter::ReportsOut, total);
        for _ in 0..BATCH {
            client.report("150=0");
        }
        // An order and its report: two messages that pass the gateway.
        messages += 2 * BATCH as u64;
    }
    println!("{choice:?}: {calls} system calls for {messages} messages");
    assert!(calls > 0);
    assert!(
        calls <= 2 * messages,
        "{choice:?}: {calls} system calls for {messages} messages"
    );
}
