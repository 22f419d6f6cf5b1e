//! The whole way over the end of a day: three stages, a desk and a client with hours, a clock that the test turns; and an operator
//! who sets sequence numbers over the control socket.

mod support;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use gatehouse::config::plan::Plan;
use gatehouse::domain::{Schedule, Window};
use gatehouse::stage::control::protocol::{Command, ErrorKind, SetSequence};
use support::World;
use support::fix::fields;
use support::stages::{Bench, order, report};

const S: u64 = 1_000_000_000;

/// Open until ten seconds from now, and again after five more.
fn give_hours(plan: &mut Plan) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ns = since.expect("after 1970").as_nanos() as u64;
    let window = |opens_ns: u64, closes_ns: u64| Window {
        opens_ns,
        closes_ns,
    };
    let windows = vec![
        window(now_ns - 60 * S, now_ns + 10 * S),
        window(now_ns + 15 * S, now_ns + 75 * S),
    ];
    let schedule = Arc::new(Schedule::new(windows, now_ns + 200 * S));
    plan.sessions[0].fix.schedule = Some(schedule.clone());
    plan.desks[0].links[0].fix.schedule = Some(schedule);
}

#[test]
fn a_day_ends_and_the_next_begins() {
    let bench = Bench::new(|_| {}, give_hours);
    let mut desk = bench.desk();
    let mut client = bench.client(0);
    bench.connect(&mut client);
    client.expect("A").is("34=1");
    client.send("D", &order(0, "a1", ""));
    let request = desk.expect("D");
    report(&mut desk, &request, "");
    client.expect("8").is("11=a1 150=0 34=2");

    // The end: both are told, answer, and are closed.
    bench.pass(11 * S);
    bench.turn(3000);
    let logout = client.expect("5");
    assert_eq!(
        (logout.number(34), logout.get(58)),
        (3, "Session schedule ended")
    );
    client.send("5", &[]);
    desk.expect("5");
    desk.send("5", &[]);
    assert!(client.until_closed().is_empty() && desk.until_closed().is_empty());
    let status = bench.status();
    let (session, link) = (&status.sessions[0], &status.links[0]);
    assert_eq!((session.state, link.state), ("closed", "closed"));
    assert_eq!((session.next_in, session.next_out), (1, 1));
    assert_eq!((link.next_in, link.next_out), (1, 1));
    assert!(session.schedule_wall_ns > bench.now().wall_ns);

    // Between the windows nobody is let in; who asks is told.
    let mut early = bench.client(0);
    bench.connect(&mut early);
    let refusal = early.expect("5");
    let text = refusal.get(58);
    assert!(
        text.starts_with("Outside the session schedule: opens at 20"),
        "{text}"
    );
    assert!(early.until_closed().is_empty());
    assert_eq!(World::closed(&bench.status(), "outside_schedule"), 1);

    // The next day: the client begins with 1, and has had our number 1, the Logout of the refusal.
    bench.pass(5 * S);
    let mut desk = bench.desk();
    let mut client = bench.client(0);
    client.next_in = 2;
    bench.connect(&mut client);
    client.expect("A").is("34=2");
    client.send("D", &order(0, "b1", ""));
    let request = desk.expect("D");
    assert_eq!(request.number(34), 2, "{request:?}");
    report(&mut desk, &request, "");
    client.expect("8").is("11=b1 150=0");
}

fn set(name: &str, next_in: u64, next_out: u64, logout: bool) -> SetSequence {
    SetSequence {
        name: name.to_owned(),
        next_in,
        next_out,
        logout,
    }
}

#[test]
fn an_operator_sets_the_numbers_of_a_session_and_is_answered() {
    let world = World::start(|_| {});
    let name = world.plan.sessions[0].name.clone();
    let mut client = world.client(0);
    let refused = world.ctl(Command::SessionSetSequence(set(&name, 10, 20, false)));
    assert_eq!(refused.error, Some(ErrorKind::NotNow));
    assert!(
        refused.message.contains("it is connected"),
        "{}",
        refused.message
    );
    let none = world.ctl(Command::SessionSetSequence(set(&name, 0, 20, false)));
    assert_eq!(none.error, Some(ErrorKind::BadValue));
    let unknown = world.ctl(Command::LinkSetSequence(set("nobody", 1, 1, false)));
    assert_eq!(unknown.error, Some(ErrorKind::Unknown));

    let done = std::thread::scope(|scope| {
        let command = Command::SessionSetSequence(set(&name, 10, 20, true));
        let operator = scope.spawn(|| world.ctl(command));
        let logout = client.conn.expect("5");
        assert_eq!(
            logout.get(58),
            "Logged out by operator: sequence numbers are set"
        );
        client.conn.send("5", &[]);
        assert!(client.conn.until_closed().is_empty());
        operator.join().expect("an answer")
    });
    assert!(done.ok, "{}", done.message);
    let before = serde_json::json!({ "next_in": 3, "next_out": 3 });
    let after = serde_json::json!({ "next_in": 10, "next_out": 20 });
    assert_eq!(
        (&done.data["before"], &done.data["after"]),
        (&before, &after)
    );

    // Again while it is disconnected: at once. Then the client is back under those numbers.
    let again = world.ctl(Command::SessionSetSequence(set(&name, 1, 7, false)));
    assert!(
        again.ok && again.data["before"] == after,
        "{}",
        again.message
    );
    let mut client = world.stranger(0);
    client.conn.next_in = 7;
    client.connect();
    client.conn.send("A", &fields("98=0 108=30"));
    client.conn.expect("A").is("34=7");
}
