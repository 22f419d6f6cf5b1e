//! Operators' commands over the control socket, and what clients and desks see of them: block, kill, release, limits, sessions and
//! links switched off and on, and commands that wait for a second person.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;

use gatehouse::stage::control::protocol::{Command, ErrorKind, LimitName, ScopeName};
use gatehouse::status::Counter;
use support::{Client, Fix, World, combinations};

fn accepted(world: &mut World, client: &mut Client, id: &str, changes: &str) -> Fix {
    client.order(id, changes);
    let request = world.desk().request("D");
    world.desk().report(&request, "");
    client.report(&format!("11={id} 150=0 39=0"));
    request
}

fn refused(client: &mut Client, id: &str, changes: &str, text: &str) {
    client.order(id, changes);
    let report = client.report(&format!("11={id} 150=8 39=8 14=0 151=0"));
    assert_eq!(report.get(58), text);
}

const KILLED: &str = "Trading is stopped by the kill switch";
const BLOCKED: &str = "Blocked for new orders";

fn scopes() -> [ScopeName; 4] {
    [
        ScopeName::Firm,
        ScopeName::Account("A1".into()),
        ScopeName::Session("session0".into()),
        ScopeName::Instrument("SYM1".into()),
    ]
}

#[test]
fn a_block_stops_new_orders_of_its_scope_and_lets_cancels_pass() {
    let mut world = World::start(|sample| sample.instruments = 2);
    let (mut client, mut other) = (world.client(0), world.client(1));
    for (at, scope) in scopes().into_iter().enumerate() {
        let order = accepted(&mut world, &mut client, &format!("a{at}"), "");
        assert!(
            world
                .ctl(Command::Block {
                    scope: scope.clone()
                })
                .ok
        );
        refused(&mut client, &format!("b{at}"), "", BLOCKED);
        client.replace(&format!("g{at}"), &format!("a{at}"), "38=50");
        let reject = client.conn.expect("9");
        reject.is("434=2 102=2 39=0");
        assert_eq!(reject.get(58), BLOCKED);
        if scope != ScopeName::Firm {
            accepted(&mut world, &mut other, &format!("o{at}"), "55=SYM2");
        }
        client.cancel(&format!("c{at}"), &format!("a{at}"));
        let cancel = world.desk().request("F");
        cancel.is(&format!("41={}", order.get(11)));
        world.desk().report(&cancel, "150=4 39=4 151=0");
        client.report(&format!("11=c{at} 150=4 39=4"));
        assert!(world.ctl(Command::Unblock { scope }).ok);
        let order = accepted(&mut world, &mut client, &format!("d{at}"), "");
        world.desk().report(&order, "150=4 39=4 151=0");
        client.report("150=4");
    }
}

#[test]
fn a_kill_cancels_what_is_open_and_refuses_what_comes() {
    for (io, layout) in combinations() {
        let mut world = World::start(|sample| (sample.io, sample.layout) = (io, layout));
        let (mut client, mut other) = (world.client(0), world.client(1));
        for (at, scope) in scopes().into_iter().enumerate() {
            let orders = ["p", "q", "r"].map(|name| {
                let request = accepted(&mut world, &mut client, &format!("{name}{at}"), "");
                request.get(11).to_owned()
            });
            // One of them is just being replaced: it is cancelled when that is settled.
            client.replace(&format!("s{at}"), &format!("r{at}"), "38=50");
            let replace = world.desk().request("G");
            let foreign = accepted(&mut world, &mut other, &format!("o{at}"), "");
            let killed = world.ctl(Command::Kill {
                scope: scope.clone(),
            });
            let reaches_other = matches!(scope, ScopeName::Firm | ScopeName::Instrument(_));
            let count = if reaches_other { 4 } else { 3 };
            assert!(killed.ok, "{killed:?}");
            assert_eq!(killed.data["affected"], count, "{killed:?}");
            refused(&mut client, &format!("t{at}"), "", KILLED);
            let mut cancelled = Vec::new();
            for _ in 0..count - 1 {
                let cancel = world.desk().request("F");
                world.desk().report(&cancel, "150=4 39=4 151=0");
                cancelled.push(cancel.get(41).to_owned());
            }
            world.desk().report(&replace, "150=5 39=0");
            let cancel = world.desk().request("F");
            cancel.is(&format!("41={}", replace.get(11)));
            world.desk().report(&cancel, "150=4 39=4 151=0");
            let mut wanted = vec![orders[0].clone(), orders[1].clone()];
            if reaches_other {
                wanted.push(foreign.get(11).to_owned());
                other.report(&format!("11=o{at} 41=- 150=4 39=4"));
            }
            cancelled.sort();
            wanted.sort();
            assert_eq!(cancelled, wanted);
            client.report(&format!("11=p{at} 41=- 150=4 39=4"));
            client.report(&format!("11=q{at} 41=- 150=4 39=4"));
            client.report(&format!("11=s{at} 41=r{at} 150=5 38=50"));
            client.report(&format!("11=s{at} 41=- 150=4 39=4"));

            assert!(world.ctl(Command::Release { scope }).ok);
            let order = accepted(&mut world, &mut client, &format!("u{at}"), "");
            world.desk().report(&order, "150=4 39=4 151=0");
            client.report("150=4");
            if !reaches_other {
                world.desk().report(&foreign, "150=4 39=4 151=0");
                other.report("150=4");
            }
        }
        assert_eq!(world.status().total(Counter::CommandsApplied), 8);
    }
}

#[test]
fn limits_change_in_the_day() {
    let mut world = World::start(|_| {});
    let mut client = world.client(0);
    let limit = |world: &World, limit, value: &str| {
        world.ctl(Command::Limit {
            account: "A1".into(),
            limit,
            value: value.into(),
        })
    };
    assert!(limit(&world, LimitName::OrderValueMax, "999.99").ok);
    refused(&mut client, "v1", "", "Order value above the maximum");
    accepted(&mut world, &mut client, "v2", "38=99");
    assert!(limit(&world, LimitName::OrderValueMax, "0").ok);
    accepted(&mut world, &mut client, "v3", "");
    assert!(limit(&world, LimitName::OpenOrdersMax, "2").ok);
    refused(&mut client, "v4", "", "Too many open orders");
    assert!(limit(&world, LimitName::OpenOrdersMax, "3").ok);
    accepted(&mut world, &mut client, "v5", "");
    let answer = limit(&world, LimitName::OpenOrdersMax, "many");
    assert_eq!(answer.error, Some(ErrorKind::BadValue), "{answer:?}");
    let answer = world.ctl(Command::Kill {
        scope: ScopeName::Account("A9".into()),
    });
    assert_eq!(answer.error, Some(ErrorKind::Unknown), "{answer:?}");
}

#[test]
fn sessions_and_links_are_switched_off_and_on() {
    let mut world = World::with(2, |_| {}, |_| {});
    let mut client = world.client(0);
    let name = || "session0".to_owned();
    assert!(world.ctl(Command::SessionDisable { name: name() }).ok);
    let logout = client.conn.expect("5");
    assert_eq!(logout.get(58), "Session disabled");
    client.conn.send("5", &[]);
    assert!(client.conn.until_closed().is_empty());
    // It is not let in: no byte, and a reason.
    client.connect();
    client.send_logon("");
    assert!(client.conn.until_closed().is_empty());
    client.conn.next_out -= 1;
    world.wait_status("the refusal counted", |status| {
        World::closed(status, "disabled") >= 1
    });
    assert!(world.ctl(Command::SessionEnable { name: name() }).ok);
    wait_for_state(&world, "disconnected");
    client.log_on();
    assert!(world.ctl(Command::SessionLogout { name: name() }).ok);
    assert_eq!(client.conn.expect("5").get(58), "Logged out by operator");
    client.conn.send("5", &[]);
    assert!(client.conn.until_closed().is_empty());
    client.log_on();

    // A link goes when nothing is in flight on it.
    client.order("l1", "");
    let request = world.desks[0].request("D");
    let link = || "desk-0".to_owned();
    assert!(world.ctl(Command::LinkDisable { name: link() }).ok);
    world.wait_status("draining", |status| status.links[0].state == "draining");
    client.order("l2", "");
    let second = world.desks[1].request("D");
    world.desks[1].report(&second, "");
    client.report("11=l2 150=0");
    world.desks[0].report(&request, "");
    client.report("11=l1 150=0");
    world.desks[0].conn.expect("5");
    world.desks[0].conn.send("5", &[]);
    assert!(world.desks[0].conn.until_closed().is_empty());
    world.wait_status("off", |status| status.links[0].state == "disabled");
    assert!(world.ctl(Command::LinkEnable { name: link() }).ok);
    world.desks[0].log_on();
    world.wait_for_links(2);
    client.order("l3", "");
    let request = world.desks[0].request("D");
    world.desks[0].report(&request, "");
    client.report("11=l3 150=0");
}

fn wait_for_state(world: &World, state: &str) {
    world.wait_status(state, |status| status.sessions[0].state == state);
}

/// User id of an operator that is not the one who runs the test.
const NOBODY: u32 = 65_534;

/// `gatehouse ctl approve` by another user; `None` where this one may not start programs as others.
fn approve_as(uid: u32, world: &World, number: u64) -> Option<std::process::Output> {
    let socket = &world.plan.state.control_socket;
    // The way to the socket is closed to others in a test's own directory.
    for path in [socket.parent().expect("a directory"), socket] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("ours");
    }
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["ctl", "--socket"])
        .arg(socket)
        .args(["approve", &number.to_string()])
        .uid(uid)
        .output();
    output.ok()
}

#[test]
fn what_raises_risk_waits_for_a_second_person() {
    let two_persons = |plan: &mut gatehouse::config::plan::Plan| {
        plan.control.two_persons = true;
        plan.control.operators = vec![NOBODY];
    };
    let mut world = World::with(1, |_| {}, two_persons);
    let mut client = world.client(0);
    let firm = || ScopeName::Firm;
    assert!(world.ctl(Command::Kill { scope: firm() }).ok, "at once");
    let asked = world.ctl(Command::Release { scope: firm() });
    assert!(asked.ok, "{asked:?}");
    let number = asked.data["pending"].as_u64().expect("a number");
    refused(&mut client, "k1", "", KILLED);
    // Not by oneself.
    let answer = world.ctl(Command::Approve { number });
    assert_eq!(answer.error, Some(ErrorKind::NotAllowed), "{answer:?}");
    let listed = world.ctl(Command::Pending);
    assert_eq!(listed.data[0]["number"], number, "{listed:?}");
    assert_eq!(listed.data[0]["command"], "release firm");
    assert!(world.ctl(Command::Refuse { number }).ok);
    let answer = world.ctl(Command::Approve { number });
    assert_eq!(answer.error, Some(ErrorKind::Unknown), "{answer:?}");
    refused(&mut client, "k2", "", KILLED);
    // Another user's word does it; only root can pretend to be one here.
    let asked = world.ctl(Command::Release { scope: firm() });
    let number = asked.data["pending"].as_u64().expect("a number");
    if let Some(approved) = approve_as(NOBODY, &world, number) {
        assert!(approved.status.success(), "{approved:?}");
        accepted(&mut world, &mut client, "k3", "");
        assert!(world.ctl(Command::Block { scope: firm() }).ok);
        let asked = world.ctl(Command::Unblock { scope: firm() });
        assert!(asked.data.get("pending").is_some(), "{asked:?}");
        refused(&mut client, "k4", "", BLOCKED);
    }
    // What lowers risk needs nobody.
    let lower = Command::Limit {
        account: "A1".into(),
        limit: LimitName::OpenOrdersMax,
        value: "5".into(),
    };
    assert!(world.ctl(lower).data.get("pending").is_none());
}

#[test]
fn what_is_no_request_gets_an_answer_all_the_same() {
    let world = World::start(|_| {});
    for line in [
        "hello",
        "{}",
        "{\"command\":\"explode\"}",
        "{\"command\":\"status\",\"force\":true}",
    ] {
        let stream = UnixStream::connect(&world.plan.state.control_socket).expect("it listens");
        (&stream)
            .write_all(format!("{line}\n").as_bytes())
            .expect("sent");
        let mut answer = String::new();
        BufReader::new(stream)
            .read_line(&mut answer)
            .expect("an answer");
        assert!(answer.contains("\"ok\":false"), "{line}: {answer}");
        assert!(answer.contains("bad_request"), "{line}: {answer}");
    }
    // A command still works.
    assert!(world.ctl(Command::Status).ok);
}

#[test]
fn a_desk_is_held_and_released_by_name() {
    let two_persons = |plan: &mut gatehouse::config::plan::Plan| plan.control.two_persons = true;
    let world = World::with(1, |_| {}, two_persons);
    let mut client = world.client(0);
    let name = world.plan.desks[0].name.clone();
    let nobody = "NO-DESK".to_owned();
    let answer = world.ctl(Command::DeskHold { name: nobody });
    assert_eq!(answer.error, Some(ErrorKind::Unknown), "{answer:?}");
    let held = || Command::DeskHold { name: name.clone() };
    assert!(world.ctl(held()).ok, "at once");
    let text = "Desk is held, try later";
    refused(&mut client, "h1", "", text);
    world.wait_status("the hold", |status| status.links[0].held);
    let desks = world.ctl(Command::DeskList).data;
    assert_eq!(
        (&desks[0]["held"], &desks[0]["level"]),
        (&true.into(), &"L0".into())
    );
    // To end it raises risk.
    let asked = world.ctl(Command::DeskRelease { name: name.clone() });
    assert!(asked.data["pending"].is_u64(), "{asked:?}");
    refused(&mut client, "h2", "", text);
}
