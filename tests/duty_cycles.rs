//! What depends on single duty cycles, with every one of them and the clock under control: how turns are shared, what a kill does to
//! orders that wait between the stages, and what becomes of a client that does not read.

mod support;

use gatehouse::domain::command::{CommandInput, RiskCommand, Scope};
use gatehouse::domain::{SessionIndex, Text};
use gatehouse::limits::{FRAMES_PER_TURN, SEND_BUFFER_BYTES, SLOW_CONSUMER_TIMEOUT_S};
use gatehouse::status::Counter;
use support::World;
use support::fix::fields;
use support::stages::{Bench, MemoryConn, order, report};

fn log_on(bench: &Bench, at: usize) -> MemoryConn {
    let mut client = bench.client(at);
    bench.connect(&mut client);
    client.recover();
    client
}

/// Messages that have come, without turning the gateway.
fn taken(conn: &mut MemoryConn) -> Vec<support::Fix> {
    let mut messages = Vec::new();
    while conn.is_buffered() || conn.stream().waiting() > 0 {
        messages.push(conn.read().expect("connected"));
    }
    messages
}

#[test]
fn sessions_share_the_turns_evenly() {
    const SESSIONS: usize = 64;
    const ORDERS: usize = 60;
    let bench = Bench::new(
        |sample| (sample.sessions, sample.accounts) = (SESSIONS, SESSIONS),
        |_| {},
    );
    let mut desk = bench.desk();
    let mut clients: Vec<_> = (0..SESSIONS).map(|at| log_on(&bench, at)).collect();
    // Everybody's whole stream lies there before the first turn.
    for (at, client) in clients.iter_mut().enumerate() {
        for number in 0..ORDERS {
            client.send(
                "D",
                &order(at, &format!("o{number}"), &format!("38={}", at + 1)),
            );
        }
    }
    let mut progress = vec![0; SESSIONS];
    let mut turns = 0;
    while progress.iter().sum::<usize>() < SESSIONS * ORDERS {
        bench.turn(1);
        turns += 1;
        assert!(turns < 10_000, "{progress:?}");
        for request in taken(&mut desk) {
            progress[request.number(38) as usize - 1] += 1;
            report(&mut desk, &request, "");
        }
        let least = progress.iter().min().expect("sessions");
        let most = progress.iter().max().expect("sessions");
        assert!(
            most - least <= 2 * FRAMES_PER_TURN,
            "somebody is {} orders ahead of another: {progress:?}",
            most - least
        );
    }
    for client in &mut clients {
        for number in 0..ORDERS {
            client.expect("8").is(&format!("11=o{number} 150=0"));
        }
    }
}

#[test]
fn a_kill_stops_orders_that_wait_between_the_stages() {
    for scope in [Scope::Firm, Scope::Session(SessionIndex(0))] {
        let bench = Bench::new(|sample| (sample.sessions, sample.accounts) = (2, 2), |_| {});
        let mut desk = bench.desk();
        let mut clients = [log_on(&bench, 0), log_on(&bench, 1)];
        clients[0].send("D", &order(0, "open", ""));
        let open = desk.expect("D");
        report(&mut desk, &open, "");
        clients[0].expect("8").is("11=open 150=0");
        for (at, client) in clients.iter_mut().enumerate() {
            for id in ["w1", "w2", "w3"] {
                client.send("D", &order(at, id, ""));
            }
        }
        clients[0].send("F", &order(0, "c1", "41=open"));
        {
            // Checked, on their way, and not yet at the route stage, when the kill comes.
            let mut stages = bench.stages.borrow_mut();
            stages.decode.duty_cycle(bench.now());
            stages.risk.duty_cycle(bench.now());
            let kill = CommandInput {
                ticket: 1,
                user: Text::cut(b"test"),
                command: RiskCommand::Kill(scope),
            };
            stages.ports.risk.push(kill).expect("room");
            stages.risk.duty_cycle(bench.now());
            let done = stages.ports.risk_done.pop().expect("done");
            assert_eq!(done.affected, if scope == Scope::Firm { 7 } else { 4 });
        }
        bench.turn(20);
        let requests = taken(&mut desk);
        let new = requests.iter().filter(|r| r.kind() == "D").count();
        let is_firm = scope == Scope::Firm;
        assert_eq!(new, if is_firm { 0 } else { 3 }, "{requests:?}");
        // A cancel passes. Of what was still on its way the kill cannot know that it never arrives: some of it may be cancelled at
        // the desk too, which then knows no such order.
        let cancels = requests.iter().filter(|r| r.kind() == "F");
        let (known, unknown): (Vec<_>, Vec<_>) = cancels.partition(|r| r.get(41) == open.get(11));
        assert_eq!(known.len(), 1, "{known:?}");
        for cancel in unknown {
            let refusal = format!(
                "37=NONE 11={} 41={} 39=8 434=1 102=1",
                cancel.get(11),
                cancel.get(41)
            );
            desk.send("9", &fields(&refusal));
        }
        for id in ["w1", "w2", "w3"] {
            let rejected = clients[0].expect("8");
            rejected.is(&format!("11={id} 150=8 39=8 14=0 151=0 103=0"));
            assert_eq!(rejected.get(58), "Trading is stopped by the kill switch");
        }
        // The next word to the client is about its own cancel.
        report(&mut desk, known[0], "150=4 39=4 151=0");
        clients[0].expect("8").is("11=c1 41=open 150=4 39=4");
        let stopped = bench.status().total(Counter::RequestsStopped);
        assert_eq!(stopped, if scope == Scope::Firm { 6 } else { 3 });
    }
}

#[test]
fn a_client_that_does_not_read_is_dropped_in_time_and_finds_everything_later() {
    const FILLS: u64 = 1000;
    let bench = Bench::new(|sample| (sample.sessions, sample.accounts) = (2, 2), |_| {});
    let mut desk = bench.desk();
    let (mut deaf, mut other) = (log_on(&bench, 0), log_on(&bench, 1));
    deaf.send("D", &order(0, "big", "38=1000"));
    let big = desk.expect("D");
    report(&mut desk, &big, "");
    deaf.expect("8").is("150=0");
    for at in 1..=FILLS {
        let leaves = FILLS - at;
        let status = if leaves == 0 { 2 } else { 1 };
        let fill = format!("150=F 39={status} 32=1 31=10 14={at} 151={leaves}");
        report(&mut desk, &big, &fill);
    }
    // What waits for it in the sockets is bounded; the rest waits in the log.
    let goes_on = |desk: &mut MemoryConn, other: &mut MemoryConn, id: &str| {
        other.send("D", &order(1, id, ""));
        let request = desk.expect("D");
        report(desk, &request, "");
        other.expect("8").is(&format!("11={id} 150=0"));
    };
    goes_on(&mut desk, &mut other, "o1");
    assert_eq!(bench.status().total(Counter::ReportsTrade), FILLS);
    assert!(deaf.stream().waiting() <= SEND_BUFFER_BYTES);
    bench.pass((SLOW_CONSUMER_TIMEOUT_S - 1) * 1_000_000_000);
    goes_on(&mut desk, &mut other, "o2");
    assert_eq!(World::closed(&bench.status(), "slow_consumer"), 0);
    bench.pass(1_000_000_000);
    goes_on(&mut desk, &mut other, "o3");
    let status = bench.status();
    assert_eq!(World::closed(&status, "slow_consumer"), 1);
    assert_eq!(status.sessions[0].reason, "slow_consumer");

    // Everything, once, in order: first what still lay in the socket, then what is sent again.
    let mut fills = Vec::new();
    for fill in deaf.until_closed() {
        fills.push(fill.is("35=8 39=1 43=-").number(14));
    }
    assert!((fills.len() as u64) < FILLS, "{}", fills.len());
    deaf.drop_connection();
    bench.connect(&mut deaf);
    for fill in deaf.recover() {
        fills.push(fill.is("35=8 43=Y").number(14));
    }
    assert_eq!(fills, (1..=FILLS).collect::<Vec<_>>());
    deaf.send("H", &fields("11=big 55=SYM1 54=1"));
    deaf.expect("8").is("39=2 14=1000");
    assert_eq!(bench.status().total(Counter::ResendsOutOfReach), 0);
}
