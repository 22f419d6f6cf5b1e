//! `gatehouse log` as its users run it, beside a gateway that runs and after it: messages in the familiar form, the story of a session
//! with its causes, following over a restart, and no secret in any output.

#[path = "log_tool/orders.rs"]
mod orders;
#[path = "log_tool/replay.rs"]
mod replay;
#[path = "log_tool/snapshots.rs"]
mod snapshots;
mod support;
#[path = "log_tool/verify.rs"]
mod verify;

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use gatehouse::app;
use gatehouse::stage::control::protocol;
use serde_json::Value;
use support::fix::fields;
use support::{Client, World};

const SECRET: &str = "T0PSECRET";
const PATIENCE: Duration = Duration::from_secs(20);

fn state(world: &World) -> PathBuf {
    let logs = &world.plan.state.log_directory;
    logs.parent().expect("below the state directory").to_owned()
}

fn gatehouse_log(arguments: &[&str], world: &World) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
    command.arg("log").args(arguments);
    command.arg("--state").arg(state(world));
    command
}

/// Output of a run that ends well.
#[track_caller]
fn good(arguments: &[&str], world: &World) -> String {
    let output = gatehouse_log(arguments, world).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A session's eventful day; it is still logged on.
fn story(world: &mut World) -> Client {
    let mut client = world.stranger(0);
    client.connect();
    let logon = format!("553=user 554={SECRET} 95=9 96={SECRET}");
    client.send_logon(&logon);
    client.conn.expect("A");
    client.order("o1", "");
    let request = world.desk().request("D");
    world.desk().report(&request, "");
    client.report("11=o1 39=0");
    // Three messages get lost.
    for lost in ["l1", "l2", "l3"] {
        let order = client.order_fields(lost, "1=NOBODY");
        client.conn.note("D", &order);
    }
    client.order("o2", "1=NOBODY");
    let request = client.conn.expect("2");
    client.conn.answer_resend(&request);
    for _ in 0..4 {
        client.conn.expect("8").is("39=8");
    }
    // A wrong one, and one of a type that is not taken.
    client.conn.send("D", &fields("11=o3 55=SYM1"));
    client.conn.expect("3");
    client.conn.send("B", &fields("148=News"));
    client.conn.expect("j");
    client
        .conn
        .send("3", &fields("45=1 58=do_not_like_it 373=5"));
    let logout = protocol::Command::SessionLogout {
        name: "session0".to_owned(),
    };
    assert!(world.ctl(logout).ok);
    client.conn.expect("5");
    client.conn.send("5", &[]);
    client.conn.until_closed();
    client.conn.drop_connection();
    // And again, from one.
    client.conn.next_out = 1;
    client.conn.next_in = 1;
    client.connect();
    client.send_logon("141=Y");
    client.conn.expect("A").is("34=1 141=Y");
    client.order("o4", "1=NOBODY");
    client.conn.expect("8");
    // Somebody else, in the same log.
    let mut other = world.client(1);
    other.order("other", "1=NOBODY");
    other.conn.expect("8");
    client
}

fn is_familiar(line: &str) -> bool {
    let Some((time, message)) = line.split_once(" : ") else {
        return false;
    };
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "00000000-00:00:00.000000" && message.starts_with("8=FIX.4.") && message.ends_with('|')
}

#[test]
fn messages_and_their_story_with_their_causes() {
    let mut world = World::start(|_| {});
    let _client = story(&mut world);

    let all = good(&["print"], &world);
    assert!(all.lines().all(is_familiar), "{all}");
    assert!(all.lines().count() > 20, "{all}");
    assert!(all.contains("|35=A|"), "{all}");
    assert!(all.contains("|554=***|95=***|96=***|"), "{all}");
    let of_one = good(&["print", "--session", "session0", "--direction"], &world);
    assert!(of_one.contains(" <- session0 : 8=FIX.4.4|"), "{of_one}");
    assert!(of_one.contains(" -> session0 : 8=FIX.4.4|"), "{of_one}");
    assert!(!of_one.contains("11=other|") && all.contains("11=other|"));
    let orders = good(
        &["print", "--msg-type", "D", "--session", "session0"],
        &world,
    );
    // The lost ones came with the resend.
    assert_eq!(orders.lines().count(), 8, "{orders}");
    assert_eq!(good(&["print", "--to", "1h"], &world), "");
    assert_eq!(good(&["print", "--from", "1h"], &world), all);
    let explained = good(&["print", "--explain", "--msg-type", "A"], &world);
    assert!(
        explained.contains("   35 MsgType                  A  (Logon)"),
        "{explained}"
    );
    assert!(
        explained.contains("  554 Password                 ***\n"),
        "{explained}"
    );
    for line in good(&["print", "--json"], &world).lines() {
        let object: Value = serde_json::from_str(line).expect("JSON");
        let session = object["session"].as_str().expect("a name");
        assert!(["session0", "session1"].contains(&session), "{object}");
        assert!(["in", "out"].contains(&object["direction"].as_str().expect("a direction")));
        assert!(object["msg_seq_num"].as_u64().is_some(), "{object}");
    }
    let raw = good(&["print", "--raw"], &world);
    assert!(raw.contains("\u{1}554=***\u{1}"), "{raw}");
    let masked = good(&["print", "--mask", "11", "--msg-type", "D"], &world);
    assert!(masked.contains("|11=***|") && !masked.contains("11=o1|"));

    // The desk's side: by the link's name, or the log's.
    let link = &world.plan.desks[0].links[0].name;
    let to_desk = good(&["print", "--session", link, "--msg-type", "D"], &world);
    assert_eq!(to_desk.lines().count(), 1, "{to_desk}");
    assert_eq!(
        good(&["print", "--log", "desk", "--msg-type", "D"], &world),
        to_desk
    );
    let of_link = good(&["explain", link], &world);
    assert!(
        of_link.starts_with(&format!("{link} (desk log)\n")),
        "{of_link}"
    );
    assert!(of_link.contains("logged on"), "{of_link}");

    let told = good(&["explain", "session0"], &world);
    let head: Vec<_> = told.lines().take(6).collect();
    let head = head.join("\n");
    assert!(head.contains("state          logged on since "), "{told}");
    assert!(head.contains("next numbers   in 3, out 3"), "{told}");
    assert!(
        head.contains("because: 141=Y in the peer's logon"),
        "{told}"
    );
    // Logon, o1, three lost, o2, wrong, news, reject, logout: ten; the gap was filled.
    assert!(head.contains(": in 11 -> 2, out "), "{told}");
    for words in [
        "logged on from 127.0.0.1",
        "sequence gap: expected 3, received 6",
        "asked for its messages from 3 on again",
        "the sequence gap is filled",
        "rejected its message 7 (NewOrderSingle, 35=D): \"Required tag missing\", tag ",
        "could not process its message 8 (News, 35=B): \"Unsupported Message Type\"",
        "rejects our message 1: \"do_not_like_it\", reason 5 (ValueIsIncorrect)",
        "an operator's command: log out",
        "sent: \"Logged out by operator\"",
        "asks to start anew at 1 (141=Y)",
    ] {
        assert!(told.contains(words), "{words}:\n{told}");
    }
    let json = good(&["explain", "session0", "--json"], &world);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["summary"]["next_in"], 3);
    assert_eq!(json["summary"]["last_reset"]["before"]["next_in"], 11);
    assert_eq!(json["summary"]["counts"]["gap"], 1);
    assert_eq!(json["summary"]["counts"]["reject_in"], 1);
    assert!(json["events"].as_array().expect("events").len() > 10);
    let since = good(&["explain", "session0", "--since", "now"], &world);
    assert!(
        since.contains("last reset") && since.ends_with("WHAT\n"),
        "{since}"
    );

    // It is there, and nobody sees it.
    let segment = world.plan.state.log_directory.join("client-00001-0000.log");
    let window = world.plan.state.staging_directory.join("client.window");
    let stored = |path| {
        let bytes = std::fs::read(path).expect("a file");
        bytes
            .windows(SECRET.len())
            .any(|part| part == SECRET.as_bytes())
    };
    assert!(stored(segment) || stored(window));
    for text in [&all, &of_one, &explained, &raw, &told] {
        assert!(!text.contains(SECRET), "{text}");
    }
    for arguments in [
        &["print", "--json"][..],
        &["explain", "session0", "--json"],
        &["print", "--explain"],
        &["print", "--raw", "--msg-type", "A"],
    ] {
        assert!(!good(arguments, &world).contains(SECRET));
    }

    // After the end nothing is in memory any more.
    world.stop();
    let after = good(
        &["print", "--session", "session0", "--msg-type", "D"],
        &world,
    );
    assert_eq!(after, orders);
}

/// A tool that follows, and the lines that it prints.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(arguments: &[&str], world: &World) -> Self {
        let mut child = gatehouse_log(arguments, world)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    #[track_caller]
    fn until(&self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(part) => return,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        panic!("never printed: {part}");
    }

    /// Interrupted as from a terminal.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.expect("kill").success());
        let status = self.child.wait().expect("it ends");
        let mut complaints = String::new();
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut complaints).expect("text");
        (status.code(), complaints)
    }
}

#[test]
fn following_goes_on_over_a_restart_and_ends_well() {
    let mut world = World::start(|_| {});
    let following = Following::start(&["print", "--follow", "--direction"], &world);
    let mut client = world.client(0);
    following.until("|35=A|");
    client.order("f1", "1=NOBODY");
    following.until("|11=f1|");
    following.until("|35=8|");
    client.order("f2", "1=NOBODY");
    following.until(" -> session0 : ");
    client.conn.drop_connection();
    world.stop();
    let again = app::start(world.plan.clone()).expect("it starts again");
    let me = client.conn.identity.me.clone();
    let numbers = (client.conn.next_in, client.conn.next_out);
    let mut client = Client::new(again.addresses[0], "FIX.4.4", &me, &client.account);
    (client.conn.next_in, client.conn.next_out) = numbers;
    client.connect();
    client.send_logon("");
    client.conn.recover();
    client.order("f3", "1=NOBODY");
    following.until("|11=f3|");
    following.until("|35=8|");
    let (code, complaints) = following.interrupt();
    assert_eq!((code, complaints.as_str()), (Some(0), ""));

    // The restart is told, and that numbers go on.
    let told = good(&["explain", "session0"], &world);
    assert!(
        told.contains("goes on with the numbers of the process before"),
        "{told}"
    );
    assert!(told.contains("2 starts of the gateway"), "{told}");
    drop(client);
    again.stop();
}

#[test]
fn wrong_arguments_and_damage_are_told() {
    let mut world = World::start(|_| {});
    let mut client = world.client(0);
    client.log_out();
    world.stop();
    let run = |arguments: &[&str]| -> Output {
        gatehouse_log(arguments, &world).output().expect("it runs")
    };
    for (arguments, words) in [
        (
            &["print", "--session", "nobody"][..],
            "no session or link nobody: there are session0, session1, desk-0",
        ),
        (&["explain", "nobody"], "no session or link nobody"),
        (
            &["explain", "session0", "--log", "desk"],
            "there are desk-0",
        ),
        (&["print", "--from", "yesterday"], "not a time"),
        (
            &["print", "--from", "1m", "--to", "2m"],
            "--from is later than --to",
        ),
        (&["print", "--explain", "--json"], "cannot be used with"),
        (&["print", "--log", "orders"], "invalid value"),
        (&["explain"], "required"),
        (&["explain", "session1"], "nothing of it in the client log"),
    ] {
        let output = run(arguments);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {complaints}");
        assert!(complaints.contains(words), "{arguments:?}: {complaints}");
        assert!(output.stdout.is_empty());
    }
    let nowhere = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["log", "print", "/nonexistent"])
        .output()
        .expect("it runs");
    assert_eq!(nowhere.status.code(), Some(2), "{nowhere:?}");

    // Nobody reads what it prints.
    let mut unread = gatehouse_log(&["print"], &world)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(unread.stdout.take());
    assert!(unread.wait().expect("it ends").success());

    let segment = world.plan.state.log_directory.join("client-00001-0000.log");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let at = bytes
        .windows(4)
        .position(|part| part == b"35=5")
        .expect("a logout");
    bytes[at + 3] = b'0';
    std::fs::write(&segment, bytes).expect("written");
    let output = run(&["print"]);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaints}");
    assert!(complaints.contains("DAMAGED"), "{complaints}");
    assert!(
        complaints.contains("client-00001-0000.log at byte "),
        "{complaints}"
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("|35=A|"));
}

#[test]
fn a_refused_logon_is_told_as_ours_and_uses_up_no_number() {
    let mut world = World::start(|_| {});
    let mut client = world.stranger(0);
    client.connect();
    client.send_logon("108=9999");
    client.conn.expect("5");
    client.conn.until_closed();
    let told = good(&["explain", "session0", "--json"], &world);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    // As `gatehouse ctl session list` says.
    let listed = world.ctl(protocol::Command::SessionList).data;
    assert_eq!(told["summary"]["next_in"], listed[0]["next_in"], "{told}");
    assert_eq!(told["summary"]["next_out"], listed[0]["next_out"]);
    let state = told["summary"]["state"].as_str().expect("a state");
    assert!(!state.contains("The peer refused"), "{state}");
    world.stop();
}
