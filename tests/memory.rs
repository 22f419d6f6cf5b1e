//! Memory stays flat under hostile peers: the resident size of this process, which is the gateway, before and after many rounds of what
//! may make a server grow. A binary of its own, so that nothing else grows in it.

mod support;

use std::io::Write;
use std::net::TcpStream;

use gatehouse::status::Counter;
use support::{Steady, World};

/// VmRSS of this process, bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes: usize = line
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|number| number.parse().ok())
        .expect("a number");
    kilobytes * 1024
}

fn round(world: &World, steady: &Steady) {
    let address = world.gateway().addresses[0];
    let accepted = world.status().total(Counter::ConnectionsAccepted);
    // Whole, half and oversized nonsense, and logons of nobody.
    let mut many_tags = vec![(35, "A".to_owned())];
    many_tags.extend((0..100_000).map(|at| (5000 + at, "1".to_owned())));
    let attempts = [
        vec![0xff; 300_000],
        b"8=FIX.4.4\x019=99999999\x0135=A\x01".repeat(1000),
        support::fix::frame("FIX.4.4", &many_tags),
        support::fix::frame(
            "FIX.4.4",
            &support::fix::fields(
                "35=A 34=1 49=NOBODY 52=20260101-00:00:00 56=GATEHOUSE 98=0 108=30",
            ),
        ),
        b"8=FIX.4.4\x019=100\x0135=".to_vec(),
    ];
    for _ in 0..8 {
        for bytes in &attempts {
            let mut stream = TcpStream::connect(address).expect("it listens");
            let _ = stream.write_all(bytes);
        }
    }
    // A client that asks for everything again and again, and reads only at the end.
    let mut greedy = world.stranger(0);
    greedy.connect();
    greedy.send_logon("141=Y");
    greedy.conn.expect("A");
    for at in 0..50 {
        greedy.status(&format!("unknown{at}"), "");
    }
    for _ in 0..4 {
        greedy.conn.send("2", &support::fix::fields("7=1 16=0"));
    }
    greedy.conn.raw(&vec![b'x'; 100_000]);
    let mut answers = 0;
    while answers < 50 {
        let message = greedy.conn.next();
        answers += (message.kind() == "8" && !message.poss_dup()) as usize;
    }
    greedy.conn.drop_connection();
    world.wait_status("all connections seen", |status| {
        status.total(Counter::ConnectionsAccepted) >= accepted + 41
    });
    steady.goes_on();
}

#[test]
fn memory_stays_flat_under_hostile_peers() {
    let mut world = World::with(
        1,
        |sample| {
            (sample.sessions, sample.accounts) = (4, 4);
            sample.requests_per_day_max = 1 << 16;
            sample.executions_per_day_max = 1 << 17;
        },
        |plan| {
            plan.listeners
                .iter_mut()
                .for_each(|listener| listener.logon_timeout_s = 1);
        },
    );
    world.desks.remove(0).serve(true);
    let steady = Steady::start(world.client(2));
    // Warm-up: buffers and pages that are used for the first time.
    for _ in 0..3 {
        round(&world, &steady);
    }
    let before = resident_bytes();
    for _ in 0..12 {
        round(&world, &steady);
    }
    let after = resident_bytes();
    // What the peers sent in these rounds is over 100 MB; the tests' own desk and client keep what they sent, some 100 bytes an order.
    let grown = after.saturating_sub(before);
    println!("{before} -> {after} bytes resident");
    assert!(grown < 12 << 20, "grown by {grown} bytes from {before}");
    let (_, orders) = steady.stop();
    assert!(orders > 0);
}
