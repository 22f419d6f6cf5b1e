//! `gatehouse log` about orders: one order's way over the three logs, the risk stage's inputs in words, filters, figures, and what other
//! programs get.

use gatehouse::stage::control::protocol::{Command, ScopeName};
use serde_json::Value;

use super::{gatehouse_log, good};
use crate::support::World;

/// Orders of two sessions: one accepted, replaced, partly filled and cancelled; two refused, one of them at the door.
fn orders() -> World {
    let mut world = World::start(|_| {});
    let mut client = world.client(0);
    client.order("o1", "");
    let new = world.desk().request("D");
    world.desk().report(&new, "");
    client.report("11=o1 39=0");
    client.replace("r1", "o1", "38=200");
    let replace = world.desk().request("G");
    let original = new.get(11).to_owned();
    world.desk().report(
        &replace,
        &format!("41={original} 150=5 39=0 38=200 151=200"),
    );
    client.report("11=r1 41=o1 150=5");
    world.desk().fill(&replace, 50, "10", 50, 150);
    client.report("11=r1 39=1 32=50");
    client.cancel("c1", "r1");
    let cancel = world.desk().request("F");
    let replaced = replace.get(11).to_owned();
    world.desk().report(
        &cancel,
        &format!("41={replaced} 150=4 39=4 38=200 14=50 151=0"),
    );
    client.report("11=c1 39=4");
    client.order("o2", "1=NOBODY");
    client.report("11=o2 39=8");
    client
        .conn
        .send("D", &crate::support::fix::fields("11=o3 55=SYM1"));
    client.conn.expect("3");
    let mut other = world.client(1);
    other.order("o1", "");
    let new = world.desk().request("D");
    world.desk().report(&new, "");
    other.report("11=o1 39=0");
    client.log_out();
    other.log_out();
    world.stop();
    world
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Positions of these words, one behind the other.
#[track_caller]
fn in_order(text: &str, words: &[&str]) {
    let mut from = 0;
    for word in words {
        let found = text[from..].find(word);
        let at =
            found.unwrap_or_else(|| panic!("{word} is not there, or not in its place:\n{text}"));
        from += at + word.len();
    }
}

#[test]
fn an_orders_way_is_told_from_the_clients_bytes_to_the_last_report() {
    let world = orders();
    let both = good(&["explain", "o1"], &world);
    assert!(both.starts_with("2 orders have this ClOrdID\n"), "{both}");
    in_order(
        &both,
        &[
            "order o1 of session0, OrderID ",
            "requests at desks: ",
            "last report to the client: -> ExecutionReport to session0",
            "<- NewOrderSingle from session0",
            "symbol SYM1, Buy, quantity 100",
            "new o1: buy 100 instrument #0 at 10, day, account #0 => passed, to the desk as ",
            "-> NewOrderSingle to desk link desk-0",
            "<- ExecutionReport from desk link",
            "accepted: request ",
            "-> ExecutionReport to session0",
            "<- OrderCancelReplaceRequest from session0",
            "replace r1 of o1: buy 200 at 10 => passed",
            "-> OrderCancelReplaceRequest to desk link",
            "trade of 50 at 10: request ",
            "<- OrderCancelRequest from session0",
            "cancel c1 of r1 => passed",
            "-> OrderCancelRequest to desk link",
            "cancelled: request ",
            "status Canceled",
            "order o1 of session1, OrderID ",
        ],
    );
    // By any of its names, and by the ids that others know.
    let told = json(&good(&["explain", "c1", "--json"], &world));
    let orders = told["orders"].as_array().expect("orders");
    assert_eq!(orders.len(), 1, "{told}");
    let order = &orders[0];
    assert_eq!(order["client_order_id"], "o1");
    assert_eq!(
        order["client_order_ids"],
        serde_json::json!(["c1", "o1", "r1"])
    );
    let ids = order["desk_requests"].as_array().expect("ids");
    assert_eq!(ids.len(), 3, "{order}");
    for id in ids {
        let by_id = json(&good(
            &["explain", id.as_str().expect("an id"), "--json"],
            &world,
        ));
        assert_eq!(by_id["orders"], told["orders"], "{id}");
    }
    let events = order["events"].as_array().expect("events");
    // Nothing stands before its cause, and every cause is told.
    for (at, event) in events.iter().enumerate() {
        let cause = &event["cause"];
        if !cause.is_null() {
            let found = events[..at]
                .iter()
                .any(|other| other["log"] == cause["log"] && other["record"] == cause["record"]);
            assert!(found, "{event}");
            assert!(event["since_cause_ns"].as_i64() >= Some(0), "{event}");
        }
    }
    // Three requests and four reports of the desk, each with its input, its bytes and what the other side got.
    assert_eq!(events.len(), 3 * 3 + 4 * 3, "{order:#}");

    let refused = good(&["explain", "o2"], &world);
    in_order(
        &refused,
        &[
            "order o2 of session0, no OrderID: it never passed",
            "refused: unknown_account (Unknown account)",
            "status Rejected",
        ],
    );
    let at_the_door = good(&["explain", "o3"], &world);
    in_order(
        &at_the_door,
        &["<- NewOrderSingle", "-> Reject to session0"],
    );
    let output = gatehouse_log(&["explain", "o9"], &world)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaint.contains("no order of that ClOrdID or OrderID"),
        "{complaint}"
    );
    let forced = gatehouse_log(&["explain", "session0", "--order"], &world)
        .output()
        .expect("it runs");
    assert_eq!(forced.status.code(), Some(2), "{forced:?}");
}

#[test]
fn inputs_are_printed_in_words_and_everything_can_be_filtered() {
    let world = orders();
    let inputs = good(&["print", "--log", "order"], &world);
    in_order(
        &inputs,
        &[
            " order 1 : gatehouse ",
            "session0: new o1: buy 100",
            "desk-0: accepted: request ",
            "session0: replace r1 of o1",
            "session0: new o2: buy 100 instrument #0 at 10, day, account NOBODY => refused: ",
            "session1: new o1: buy 100 instrument #0 at 10, day, account #1 => passed",
        ],
    );
    let count = |arguments: &[&str]| good(arguments, &world).lines().count();
    let order = ["print", "--log", "order"];
    let with = |more: &[&'static str]| -> Vec<&str> { order.iter().chain(more).copied().collect() };
    assert_eq!(count(&with(&["--kind", "client_input"])), 5);
    assert_eq!(
        count(&with(&["--kind", "client_input", "--session", "session1"])),
        1
    );
    assert_eq!(
        count(&with(&["--kind", "client_input", "--account", "#0"])),
        1
    );
    assert_eq!(
        count(&with(&["--kind", "client_input", "--account", "NOBODY"])),
        1
    );
    assert_eq!(count(&with(&["--order", "r1"])), 3 + 4);
    assert_eq!(count(&with(&["--order", "r1", "--to", "1h"])), 0);
    assert_eq!(count(&["print", "--order", "o2"]), 2);
    assert_eq!(count(&["print", "--log", "desk", "--order", "r1"]), 3 + 4);
    assert_eq!(
        count(&["print", "--log", "all", "--order", "r1"]),
        3 * 3 + 4 * 3
    );
    assert!(count(&["print", "--kind", "connection"]) > 2);
    // All logs are in the order of time, and each line says where it is from.
    let all = good(&["print", "--log", "all"], &world);
    assert!(all.lines().is_sorted_by_key(|line| &line[..24]), "{all}");
    in_order(
        &all,
        &[
            " client <- session0 : 8=FIX.4.4|",
            " : session0: new o1",
            " desk -> desk-0 : 8=FIX.4.4|",
        ],
    );
    for line in good(&["print", "--log", "all", "--json"], &world).lines() {
        let object = json(line);
        assert!(object["kind"].as_str().is_some(), "{object}");
        if object["kind"] == "client_input" {
            assert_eq!(object["cause"]["log"], "client", "{object}");
            assert!(object["reason"].as_str().is_some(), "{object}");
        }
    }
    for (arguments, words) in [
        (
            &["print", "--kind", "nothing"][..],
            "no such kind; there are start, message_in",
        ),
        (&["print", "--order", "o9"], "no order o9"),
        (
            &["print", "--log", "order", "--session", "nobody"],
            "no session or link nobody",
        ),
    ] {
        let output = gatehouse_log(arguments, &world).output().expect("it runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {complaint}");
        assert!(complaint.contains(words), "{arguments:?}: {complaint}");
    }
}

#[test]
fn figures_agree_with_what_is_printed() {
    let world = orders();
    let told = good(&["stats"], &world);
    in_order(
        &told,
        &[
            "client log: ",
            "busiest second",
            "KIND",
            "message_in",
            "SESSION OR LINK",
            "session0",
            "order log: ",
            "desk log: ",
            "desk-0",
        ],
    );
    let stats = json(&good(&["stats", "--json"], &world));
    let logs = stats["logs"].as_array().expect("logs");
    let verified = json(&good(&["verify", "--json"], &world));
    for (stats, verified) in logs.iter().zip(verified["logs"].as_array().expect("logs")) {
        assert_eq!(stats["log"], verified["log"]);
        for field in ["records", "bytes"] {
            assert_eq!(stats[field], verified["epochs"][0][field], "{stats}");
        }
        let kinds = stats["kinds"].as_object().expect("kinds").values();
        let sum: u64 = kinds
            .map(|kind| kind["records"].as_u64().expect("a number"))
            .sum();
        assert_eq!(stats["records"], sum);
    }
    let printed = good(
        &["print", "--session", "session0", "--kind", "message_out"],
        &world,
    );
    let of_session = json(&good(
        &[
            "stats",
            "--json",
            "--log",
            "client",
            "--session",
            "session0",
            "--kind",
            "message_out",
        ],
        &world,
    ));
    let of_session = &of_session["logs"][0];
    assert_eq!(
        of_session["channels"]["session0"]["out"]["records"],
        printed.lines().count()
    );
    assert!(of_session["peak"]["records_per_second"].as_u64() > Some(0));
    let sizes = of_session["body_bytes"].as_object().expect("sizes");
    assert!(
        sizes["min"].as_u64() <= sizes["p50"].as_u64(),
        "{of_session}"
    );
    assert!(
        sizes["p99"].as_u64() <= sizes["max"].as_u64(),
        "{of_session}"
    );
}

#[test]
fn other_programs_get_requests_and_reports() {
    let world = orders();
    let text = good(&["export", "--format", "csv"], &world);
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let headings = rows.headers().expect("headings").clone();
    let rows: Vec<_> = rows.records().map(|row| row.expect("a row")).collect();
    let get = |row: &csv::StringRecord, name: &str| -> String {
        let at = headings.iter().position(|heading| heading == name);
        row[at.expect("a column")].to_owned()
    };
    let of = |kind: &str, id: &str| -> Vec<&csv::StringRecord> {
        let wanted = |row: &&csv::StringRecord| {
            get(row, "row") == kind
                && get(row, "client_order_id") == id
                && get(row, "session") == "session0"
        };
        rows.iter().filter(wanted).collect()
    };
    let id = {
        let told = json(&good(&["explain", "c1", "--json"], &world));
        told["orders"][0]["order_id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let account = world.plan.accounts[0].name.to_string_lossy();
    let new = of("request", "o1")[0];
    for (name, value) in [
        ("msg_type", "D"),
        ("order_id", id.as_str()),
        ("account", account.as_str()),
        ("instrument", "SYM1"),
        ("side", "Buy"),
        ("order_type", "Limit"),
        ("quantity", "100"),
        ("price", "10"),
        ("decision", "passed"),
        ("desk_request", id.as_str()),
        ("link", "desk-0"),
    ] {
        assert_eq!(get(new, name), value, "{name}: {new:?}");
    }
    assert!(!get(new, "link_msg_seq_num").is_empty() && !get(new, "decided_at").is_empty());
    let filled = of("report", "r1")
        .into_iter()
        .find(|row| get(row, "last_quantity") == "50")
        .expect("the fill");
    for (name, value) in [
        ("order_id", id.as_str()),
        ("exec_type", "Trade"),
        ("status", "PartiallyFilled"),
        ("cumulated", "50"),
        ("leaves", "150"),
        ("link", "desk-0"),
    ] {
        assert_eq!(get(filled, name), value, "{name}: {filled:?}");
    }
    let refused = of("request", "o2")[0];
    assert_eq!(get(refused, "decision"), "refused");
    assert!(!get(refused, "reason").is_empty() && get(refused, "link").is_empty());
    assert_eq!(get(of("request", "o3")[0], "decision"), "not taken");
    let requests = rows
        .iter()
        .filter(|row| get(row, "row") == "request")
        .count();
    assert_eq!(requests, 6);

    let copies = good(&["export", "--format", "drop-copy"], &world);
    let printed = good(&["print", "--msg-type", "8"], &world);
    assert_eq!(copies.lines().count(), printed.lines().count());
    for (copy, printed) in copies.lines().zip(printed.lines()) {
        let (head, message) = copy.split_once(" : ").expect("a message");
        assert!(printed.ends_with(message), "{copy}");
        assert!(
            head.ends_with(" session0") || head.ends_with(" session1"),
            "{copy}"
        );
    }
    let of_other = good(
        &[
            "export",
            "--format",
            "drop-copy",
            "--session",
            "session1",
            "--raw",
        ],
        &world,
    );
    assert_eq!(of_other.lines().count(), 1);
    assert!(of_other.contains("\u{1}35=8\u{1}"), "{of_other}");
}

#[test]
fn what_nobody_asked_for_belongs_to_the_order_too() {
    let mut world = World::start(|_| {});
    let mut client = world.client(0);
    client.order("k1", "");
    let new = world.desk().request("D");
    world.desk().report(&new, "");
    client.report("11=k1 39=0");
    let killed = world.ctl(Command::Kill {
        scope: ScopeName::Firm,
    });
    assert!(killed.ok, "{killed:?}");
    let cancel = world.desk().request("F");
    world.desk().report(&cancel, "150=4 39=4 151=0");
    client.conn.expect("8").is("39=4");
    let released = world.ctl(Command::Release {
        scope: ScopeName::Firm,
    });
    assert!(released.ok, "{released:?}");
    client.order("d1", "");
    let lost = world.desk().request("D");
    world.desk().go_away();
    world.wait_counter(gatehouse::status::Counter::InDoubt, 1);
    client.log_out();
    world.stop();

    let told = good(&["explain", "k1"], &world);
    in_order(
        &told,
        &[
            "requests at desks: ",
            "new k1: ",
            "a step of a mass cancel, mass status or kill: 1 to desks",
            "-> OrderCancelRequest to desk link desk-0",
            "cancelled: request ",
            "-> ExecutionReport to session0",
            "status Canceled",
        ],
    );
    // The cancel's id at the desk leads to the order as well.
    let by_cancel = good(&["explain", cancel.get(11)], &world);
    assert_eq!(by_cancel, told);
    let doubtful = good(&["explain", lost.get(11)], &world);
    in_order(
        &doubtful,
        &[
            "order d1 of session0, OrderID ",
            "-> NewOrderSingle to desk link desk-0",
            "is in doubt: the link was lost before the desk answered",
        ],
    );
    let commands = good(&["print", "--log", "order", "--kind", "command"], &world);
    in_order(&commands, &["kill firm", "release firm"]);
}
