//! Bad peers and bad input: each gets its defined answer or its end with a counted reason, and others' orders go on meanwhile.
//!
//! Counters and reasons are read from the status page, as an operator would.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use gatehouse::config::plan::Plan;
use gatehouse::status::Counter;
use support::conn::PATIENCE;
use support::fix::{fields, frame, merge, timestamp, timestamp_of};
use support::{Client, Steady, World, combinations};

/// Four sessions; nobody waits long for a logon.
fn impatient(plan: &mut Plan) {
    plan.listeners
        .iter_mut()
        .for_each(|listener| listener.logon_timeout_s = 1);
}

/// The third session's client is the steady one; a thread of the desk serves it.
fn world_with_steady_flow(
    io: gatehouse::config::plan::Io,
    layout: gatehouse::config::plan::Layout,
) -> (World, Steady) {
    let mut world = World::with(
        1,
        |sample| {
            (sample.io, sample.layout) = (io, layout);
            (sample.sessions, sample.accounts) = (4, 4);
            sample.requests_per_day_max = 1 << 16;
            sample.executions_per_day_max = 1 << 17;
        },
        impatient,
    );
    world.desks.remove(0).serve(true);
    let steady = Steady::start(world.client(2));
    (world, steady)
}

/// Sends bytes on a fresh connection and waits until the gateway ends it; what it said.
fn offer(world: &World, bytes: &[u8]) -> Vec<u8> {
    answer(begin(world, bytes))
}

fn begin(world: &World, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(world.gateway().addresses[0]).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    // It may end the connection before everything is written.
    let _ = stream.write_all(bytes);
    stream
}

fn answer(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return answer,
            Err(error) => panic!("not ended: {error}"),
        }
    }
}

fn logon(begin: &str, sender: &str, target: &str, changes: &str) -> Vec<u8> {
    let base = format!(
        "35=A 34=1 49={sender} 52={} 56={target} 98=0 108=30",
        timestamp()
    );
    frame(begin, &merge(&base, changes))
}

#[test]
fn strangers_are_shown_out_without_a_word_and_counted() {
    for (io, layout) in combinations() {
        let (world, steady) = world_with_steady_flow(io, layout);
        let good = |changes: &str| logon("FIX.4.4", "CLIENT1", "GATEHOUSE", changes);
        let hour_ago = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_millis() as u64
            - 3_600_000;
        let mut bad_sum = good("");
        let at = bad_sum.len() - 2;
        bad_sum[at] = b'0' + (bad_sum[at] - b'0' + 1) % 10;
        let huge = b"8=FIX.4.4\x019=99999999\x0135=A\x01".to_vec();
        let order = {
            let client = world.stranger(0);
            client
                .conn
                .bytes("D", 1, &[], &client.order_fields("x", ""))
        };
        let many_tags = {
            let mut body = merge("35=A 34=1 49=CLIENT1 56=GATEHOUSE", "");
            body.extend((0..100_000).map(|at| (5000 + at, "1".to_owned())));
            frame("FIX.4.4", &body)
        };
        let attempts: Vec<(&str, Vec<u8>, &str)> = vec![
            ("an order first", order, "garbled_logon"),
            ("a wrong checksum", bad_sum, "garbled_logon"),
            ("an endless message", huge, "garbled_logon"),
            ("100,000 tags", many_tags, "garbled_logon"),
            (
                "nobody",
                logon("FIX.4.4", "NOBODY", "GATEHOUSE", ""),
                "unknown_session",
            ),
            (
                "to another",
                logon("FIX.4.4", "CLIENT1", "OTHER", ""),
                "unknown_session",
            ),
            (
                "another version",
                logon("FIX.4.2", "CLIENT1", "GATEHOUSE", ""),
                "unknown_session",
            ),
            (
                "twice",
                logon("FIX.4.4", "CLIENT3", "GATEHOUSE", ""),
                "duplicate_logon",
            ),
            (
                "an hour ago",
                good(&format!("52={}", timestamp_of(hour_ago))),
                "sending_time",
            ),
        ];
        for (what, bytes, reason) in &attempts {
            let before = World::closed(&world.status(), reason);
            assert_eq!(offer(&world, bytes), b"", "{what}");
            world.wait_status(&format!("{what}: {reason}"), |status| {
                World::closed(status, reason) > before
            });
            steady.goes_on();
        }
        // What is not even a beginning is waited for, but not for long.
        let silent = [
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            vec![0; 100_000],
            good("")[..40].to_vec(),
            Vec::new(),
        ];
        let silent = silent.map(|bytes| begin(&world, &bytes));
        for stream in silent {
            assert_eq!(answer(stream), b"");
        }
        world.wait_status("silence", |status| {
            // The one that says more than a logon may is not waited for.
            World::closed(status, "logon_timeout") >= 3
        });
        steady.goes_on();
        // Who is known and asks for what cannot be is told so.
        for changes in ["108=0", "108=100000", "108=x", "98=1"] {
            let answer = offer(&world, &good(changes));
            let (message, _) = support::fix::first(&answer).expect("an answer");
            message.is("35=5 56=CLIENT1");
            assert!(!message.get(58).is_empty(), "{message:?}");
        }
        world.wait_status("four refused logons", |status| {
            World::closed(status, "logon_refused") >= 4
        });
        let mut known = world.stranger(0);
        known.connect();
        known.send_logon("");
        known.conn.recover();
        known.log_out();
        steady.stop();
    }
}

#[test]
fn a_flood_before_the_logon_ends_and_others_go_on() {
    for (io, layout) in combinations() {
        let (world, steady) = world_with_steady_flow(io, layout);
        let address = world.gateway().addresses[0];
        // More than the listener has room for: silent ones, and some that talk nonsense.
        let flood: Vec<_> = (0..200)
            .filter_map(|at| {
                let mut stream = TcpStream::connect(address).ok()?;
                if at % 2 == 0 {
                    let _ = stream.write_all(&[b'8'; 3000]);
                }
                Some(stream)
            })
            .collect();
        assert!(flood.len() >= 100, "{}", flood.len());
        steady.goes_on();
        // One address has only so many places: the others are closed at once, and it is counted.
        world.wait_status("silence counted, and what was too much", |status| {
            World::closed(status, "logon_timeout") >= 16
                && World::closed(status, "too_many_connections") >= 50
        });
        drop(flood);
        steady.goes_on();
        // There is room again.
        let mut client = world.client(0);
        client.status("nothing", "");
        client.report("39=8 37=NONE");
        client.log_out();
        steady.stop();
    }
}

/// The client has no more to say: the gateway answers to a question of its own.
#[track_caller]
fn alive(client: &mut Client) {
    client.status("nothing", "");
    client.report("11=nothing 39=8 37=NONE");
}

#[test]
fn bad_fields_are_answered_with_the_tag_and_the_reason() {
    let mut world = World::start(|_| {});
    for session in 0..2 {
        let mut client = world.client(session);
        // changes, the tag blamed, 373
        let rejects = [
            ("44=1e5", 44, 6),
            ("44=-0", 44, 5),
            ("44=1.123456789", 44, 5),
            ("44=.", 44, 6),
            ("44=99999999999999999999", 44, 5),
            ("38=9223372036854775808", 38, 5),
            ("38=18446744073709551616", 38, 5),
            ("38=-1", 38, 5),
            ("38=1.5", 38, 5),
            ("38=ten", 38, 6),
            ("54=X", 54, 5),
            ("54=-", 54, 1),
            ("11=-", 11, 1),
            ("40=Z", 40, 5),
            ("60=yesterday", 60, 6),
            ("11=0123456789012345678901234567890123456789", 11, 5),
        ];
        for (changes, tag, reason) in rejects {
            client.order("bad", changes);
            let reject = client.conn.expect("3");
            let number = client.conn.next_out - 1;
            reject.is(&format!("45={number} 371={tag} 373={reason} 372=D"));
        }
        client.order("zero", "38=0");
        let rejected = client.report("11=zero 150=8 39=8");
        assert_eq!(rejected.get(58), "Quantity below the minimum");
        // From 4.3 on the symbol is required by its context only.
        for changes in ["44=-", "40=3 99=5", "110=5", "55=-"] {
            client.order("bad", changes);
            let number = client.conn.next_out - 1;
            let reject = client.conn.next();
            reject.is(&format!("45={number} 372=D"));
            assert!(matches!(reject.kind(), "j" | "3"), "{reject:?}");
        }
        let mut twice = client.order_fields("bad", "");
        twice.push((38, "7".to_owned()));
        client.conn.send("D", &twice);
        let reason = if client.is_42() { "-" } else { "13" };
        client.conn.expect("3").is(&format!("371=38 373={reason}"));
        let mut empty = client.order_fields("bad", "");
        empty.push((5001, String::new()));
        client.conn.send("D", &empty);
        client.conn.expect("3").is("371=5001 373=4");
        client.conn.send("ZZ", &fields("58=what"));
        let reject = client.conn.next();
        assert!(matches!(reject.kind(), "j" | "3"), "{reject:?}");
        client.conn.send("B", &fields("148=news 33=1 58=x"));
        client.conn.expect("j").is("372=B 380=3");
        // After all this an order goes through, under the id that was refused before.
        client.order("bad", "");
        let request = world.desk().request("D");
        world.desk().report(&request, "");
        client.report("11=bad 150=0");
        client.log_out();
    }
    let status = world.status();
    assert!(
        status.total(Counter::DecodeErrors) >= 20,
        "{}",
        status.total(Counter::DecodeErrors)
    );
}

#[test]
fn broken_messages_are_passed_over_and_asked_for_again() {
    for (io, layout) in combinations() {
        let (world, steady) = world_with_steady_flow(io, layout);
        let mut client = world.client(0);
        let order = |client: &Client| {
            let fields = client.order_fields("x", "");
            client.conn.bytes("D", client.conn.next_out, &[], &fields)
        };
        let mut bad_sum = order(&client);
        let at = bad_sum.len() - 3;
        bad_sum[at] = b'0' + (bad_sum[at] - b'0' + 1) % 10;
        let mut many = client.order_fields("x", "");
        many.extend((0..100_000).map(|at| (5000 + at, "1".to_owned())));
        let oversized = client.conn.bytes("D", 2, &[], &many);
        let mut cut = order(&client);
        cut.truncate(60);
        // Its length takes the next message along.
        cut.extend(order(&client));
        let attempts = [
            ("garbage", vec![b'#'; 50_000]),
            ("a wrong checksum", bad_sum),
            ("100,000 tags", oversized),
            ("half a message and the next", cut),
            (
                "beginnings",
                b"8=FIX.4.4\x019=5\x018=FIX.4.4\x019=x\x018=FIX".to_vec(),
            ),
        ];
        for (what, bytes) in attempts {
            client.conn.raw(&bytes);
            // The message that was lost in it is missed, asked for, and given up by a gap fill.
            let lost = client.conn.next_out;
            client.conn.next_out += 1;
            client.status("nothing", "");
            let request = client.conn.expect("2");
            request.is(&format!("7={lost}"));
            let body = [
                (123, "Y".to_owned()),
                (36, client.conn.next_out.to_string()),
            ];
            let fill = client.conn.bytes("4", lost, &fields("43=Y"), &body);
            client.conn.raw(&fill);
            // The gap fill goes over what came early and was kept: it is not taken.
            alive(&mut client);
            steady.goes_on();
            assert!(world.gateway().clients() >= 2, "{what}");
        }
        // More fields than are taken, in a message that is not too long: it has a number, so it has an answer.
        let mut many = client.order_fields("x", "");
        many.extend((0..300).map(|at| (5000 + at, "1".to_owned())));
        client.conn.send("D", &many);
        let number = client.conn.next_out - 1;
        client
            .conn
            .expect("3")
            .is(&format!("45={number} 371=5000 373=0"));
        let status = world.wait_status("everything counted", |status| {
            status.total(Counter::GarbledFrames) >= 4
                && status.total(Counter::OversizedFrames) >= 1
                && status.total(Counter::ResendRequestsOut) >= 5
        });
        assert_eq!(status.total(Counter::ResendRequestsOut), 5);
        // A byte at a time is slow but right.
        let bytes = {
            let fields = client.order_fields("slow", "38=3");
            let number = client.conn.note("D", &fields);
            client.conn.bytes("D", number, &[], &fields)
        };
        for byte in bytes {
            client.conn.raw(&[byte]);
        }
        client.report("11=slow 150=0");
        client.report("11=slow 39=2 14=3");
        // Many in one write, and the last one cut in two.
        let mut batch = Vec::new();
        for at in 0..50 {
            let fields = client.order_fields(&format!("batch{at}"), "38=1");
            let number = client.conn.note("D", &fields);
            batch.extend(client.conn.bytes("D", number, &[], &fields));
        }
        let (first, second) = batch.split_at(batch.len() - 100);
        client.conn.raw(first);
        client.conn.raw(second);
        for at in 0..50 {
            client.report(&format!("11=batch{at} 150=0"));
            client.report(&format!("11=batch{at} 39=2"));
        }
        client.log_out();
        steady.stop();
    }
}

#[test]
fn who_breaks_the_session_is_told_and_shown_out() {
    let world = World::start(|_| {});
    let mut client = world.client(0);
    alive(&mut client);
    // A number that was used.
    let used = client.conn.bytes("0", 2, &[], &[]);
    client.conn.raw(&used);
    let logout = client.conn.expect("5");
    assert!(
        logout.get(58).starts_with("MsgSeqNum too low"),
        "{logout:?}"
    );
    assert!(client.conn.until_closed().is_empty());
    client.log_on();
    // Somebody else's name.
    let number = client.conn.next_out;
    let mut other = Client::new(world.gateway().addresses[0], "FIX.4.4", "CLIENT2", "A1");
    other.conn.next_out = number;
    let bytes = other.conn.bytes("0", number, &[], &[]);
    client.conn.raw(&bytes);
    client.conn.next_out += 1;
    client.conn.expect("3").is("373=9");
    client.conn.expect("5");
    client.conn.send("5", &[]);
    assert!(client.conn.until_closed().is_empty());
    client.log_on();
    // An old SendingTime.
    let number = client.conn.next_out;
    let bytes = frame(
        "FIX.4.4",
        &fields(&format!(
            "35=0 34={number} 49=CLIENT1 52=20000101-00:00:00 56=GATEHOUSE"
        )),
    );
    client.conn.raw(&bytes);
    client.conn.next_out += 1;
    client.conn.expect("3").is("373=10");
    client.conn.expect("5");
    client.conn.send("5", &[]);
    assert!(client.conn.until_closed().is_empty());
    client.log_on();
    alive(&mut client);
    world.wait_status("the reasons", |status| {
        World::closed(status, "sequence_too_low") == 1 && World::closed(status, "logout") == 2
    });
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_costs_nobody_else_anything() {
    for (io, layout) in combinations() {
        let mut world = World::with(
            1,
            |sample| {
                (sample.io, sample.layout) = (io, layout);
                // Less than all that comes, and enough that no order meets a full window where the disk is slow.
                sample.staging_bytes = 2 << 20;
                sample.executions_per_day_max = 1 << 15;
            },
            |_| {},
        );
        let mut deaf = world.client(0);
        let mut other = world.client(1);
        deaf.order("big", "38=1000000 44=0.01");
        let request = world.desk().request("D");
        world.desk().report(&request, "");
        deaf.report("11=big 150=0");
        // Far more than socket buffers and the log's memory hold together.
        let mut filled = 0;
        for round in 0..24 {
            for _ in 0..1000 {
                filled += 1;
                let leaves = 1_000_000 - filled;
                world.desk().fill(&request, 1, "0.01", filled, leaves);
            }
            let id = format!("o{round}");
            other.order(&id, "");
            let request = world.desk().request("D");
            world.desk().report(&request, "");
            other.report(&format!("11={id} 150=0"));
        }
        world.wait_counter(Counter::ReportsTrade, filled);
        // It begins to read when what it lacks left the log's memory long ago: everything comes, once and in order. If it was shown
        // out meanwhile, it asks for the rest.
        let mut last = 0;
        while last < filled {
            let Some(report) = deaf.conn.read() else {
                deaf.connect();
                deaf.send_logon("");
                for report in deaf.conn.recover() {
                    last += 1;
                    report.is(&format!("35=8 11=big 43=Y 14={last}"));
                }
                continue;
            };
            last += 1;
            report.is(&format!("35=8 11=big 43=- 14={last}"));
        }
        deaf.status("big", "790=q");
        deaf.report(&format!("150=I 14={filled}"));
        let status = world.status();
        assert_eq!(status.total(Counter::ResendsOutOfReach), 0);
        assert!(status.total(Counter::ArchiveReads) > 0);
        other.status("o0", "");
        other.report("11=o0 39=0");
    }
}
