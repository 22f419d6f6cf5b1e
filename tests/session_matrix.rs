//! The whole table of state and event as a committed snapshot: a change of behaviour is seen in review, or the test fails.
//! To accept a change: `INSTA_UPDATE=always cargo test --test session_matrix`, and read the difference.

mod session_owner;

use std::fmt::Write;

use gatehouse::config::plan::FixVersion;
use gatehouse::session::{Role, State};
use gatehouse::wire::fix::Precision;
use session_owner::{Owner, frame, plan, utc};

const LOGON: &str = "35=A|34=5|~|98=0|108=30";

/// Every state, reached by events alone. Numbers: 5 expected, 5 to be used, before the logon.
fn in_state(name: &str) -> Owner {
    let role = if name == "LogonSent" {
        Role::Initiator
    } else {
        Role::Acceptor
    };
    let mut owner = Owner::new(role, &plan(role, FixVersion::Fix44), 5, 5);
    if name != "Disconnected" {
        owner.connect();
    }
    if !matches!(name, "Disconnected" | "AwaitLogon" | "LogonSent") {
        give(&mut owner, LOGON);
    }
    match name {
        "Active+gap" => give(&mut owner, "35=0|34=9|~"),
        "Active+probed" => owner.advance(36_000_000_000),
        "LogoutSent" => owner.logout(""),
        "Closing" => give(&mut owner, "35=5|34=6|~"),
        _ => {}
    }
    owner.events.clear();
    owner
}

fn give(owner: &mut Owner, body: &str) {
    let (version, body) = match body.strip_prefix("8=") {
        Some(rest) => rest.split_once('|').unwrap(),
        None => ("FIX.4.4", body),
    };
    let own = owner.ids.sender_comp_id.to_string_lossy();
    let peer = owner.ids.target_comp_id.to_string_lossy();
    let body = body
        .replace(
            '~',
            &format!(
                "49={peer}|52={}|56={own}",
                utc(Precision::Millis, owner.now.wall_ns)
            ),
        )
        .replace("<t>", &utc(Precision::Millis, owner.now.wall_ns))
        .replace(
            "<late>",
            &utc(Precision::Millis, owner.now.wall_ns + 1_000_000_000),
        )
        .replace(
            "<old>",
            &utc(Precision::Millis, owner.now.wall_ns - 500_000_000_000),
        );
    owner.receive(&frame(version, &body));
    owner.pump(usize::MAX >> 1);
}

const STATES: [&str; 8] = [
    "Disconnected",
    "AwaitLogon",
    "LogonSent",
    "Active",
    "Active+gap",
    "Active+probed",
    "LogoutSent",
    "Closing",
];

/// `{n}` is the number expected in that state, `{h}` one too high, `{l}` one too low.
const MESSAGES: [(&str, &str); 31] = [
    ("Logon", "35=A|34={n}|~|98=0|108=30"),
    ("Logon too high", "35=A|34={h}|~|98=0|108=30"),
    ("Logon too low", "35=A|34={l}|~|98=0|108=30"),
    ("Logon 141=Y", "35=A|34=1|~|98=0|108=30|141=Y"),
    (
        "Logon 141=Y, not number 1",
        "35=A|34={n}|~|98=0|108=30|141=Y",
    ),
    ("Logon 108=1", "35=A|34={n}|~|98=0|108=1"),
    ("Heartbeat", "35=0|34={n}|~"),
    ("Heartbeat too high", "35=0|34={h}|~"),
    ("TestRequest", "35=1|34={n}|~|112=x"),
    ("TestRequest too high", "35=1|34={h}|~|112=x"),
    ("application", "35=D|34={n}|~"),
    ("application too high", "35=D|34={h}|~"),
    ("application too low", "35=D|34={l}|~"),
    ("application too low, PossDup", "35=D|34={l}|43=Y|~|122=<t>"),
    ("application PossDup", "35=D|34={n}|43=Y|~|122=<t>"),
    ("application PossDup without 122", "35=D|34={n}|43=Y|~"),
    ("application 122 after 52", "35=D|34={n}|43=Y|~|122=<late>"),
    ("Reject", "35=3|34={n}|~|45=5"),
    ("ResendRequest", "35=2|34={n}|~|7=5|16=0"),
    ("ResendRequest too high", "35=2|34={h}|~|7=5|16=0"),
    ("ResendRequest too low", "35=2|34={l}|~|7=5|16=0"),
    ("GapFill", "35=4|34={n}|~|36=20|123=Y"),
    ("GapFill too high", "35=4|34={h}|~|36=20|123=Y"),
    ("Reset", "35=4|34={l}|~|36=20"),
    ("Reset backwards", "35=4|34={n}|~|36=2"),
    ("Logout", "35=5|34={n}|~"),
    ("Logout too high", "35=5|34={h}|~"),
    ("wrong BeginString", "8=FIX.4.2|35=D|34={n}|~"),
    ("wrong CompID", "35=D|34={n}|49=WHO|52=<t>|56=GATE"),
    ("SendingTime off", "35=D|34={n}|49=PEER|52=<old>|56=GATE"),
    ("no MsgSeqNum", "35=D|~"),
];

type Event = fn(&mut Owner);

const EVENTS: [(&str, Event); 8] = [
    ("connected", |owner| {
        if owner.connected {
            owner.events.push("(not possible)".into());
        } else {
            owner.connect();
        }
    }),
    ("garbled", |owner| {
        owner.receive(b"8=FIX.4.4\x019=5\x0135=A\x0110=000\x01");
    }),
    ("timer now", |owner| owner.advance(0)),
    ("timer after 30 s", |owner| owner.advance(30_000_000_000)),
    ("timer after 36 s", |owner| owner.advance(36_000_000_000)),
    ("timer after 72 s", |owner| owner.advance(72_000_000_000)),
    ("start_logout", |owner| owner.logout("bye")),
    ("disconnected", |owner| owner.disconnect()),
];

fn name_of(state: &State) -> &'static str {
    match state {
        State::Disconnected => "Disconnected",
        State::AwaitLogon { .. } => "AwaitLogon",
        State::LogonSent { .. } => "LogonSent",
        State::Active(_) => "Active",
        State::LogoutSent { .. } => "LogoutSent",
        State::Closing(_) => "Closing",
    }
}

fn cell(owner: &mut Owner, event: &str, out: &mut String) {
    let short: Vec<String> = owner.events.drain(..).map(|line| shorten(&line)).collect();
    let gap = match owner.session.gap() {
        Some(gap) => format!(" gap..{}", gap.through),
        None => String::new(),
    };
    writeln!(
        out,
        "  {event:34} -> {}{gap} {}/{}  {}",
        name_of(owner.session.state()),
        owner.session.expected_in(),
        owner.session.peek_next_out(),
        short.join("; ")
    )
    .unwrap();
}

/// Names and times are the same everywhere.
fn shorten(event: &str) -> String {
    event
        .split('|')
        .filter(|field| {
            !["49=", "52=", "56=", "122="]
                .iter()
                .any(|tag| field.starts_with(tag))
        })
        .collect::<Vec<_>>()
        .join("|")
}

#[test]
fn matrix() {
    let mut out = String::new();
    for state in STATES {
        let owner = in_state(state);
        writeln!(
            out,
            "{state} {}/{}",
            owner.session.expected_in(),
            owner.session.peek_next_out()
        )
        .unwrap();
        for (event, act) in EVENTS {
            let mut owner = in_state(state);
            act(&mut owner);
            cell(&mut owner, event, &mut out);
        }
        for (event, body) in MESSAGES {
            let mut owner = in_state(state);
            let next = owner.session.expected_in();
            let body = body
                .replace("{n}", &next.to_string())
                .replace("{h}", &(next + 5).to_string())
                .replace("{l}", &(next - 1).to_string());
            if !owner.connected {
                owner.connected = true; // bytes without a connection: an owner's mistake that must do no harm
            }
            give(&mut owner, &body);
            cell(&mut owner, event, &mut out);
        }
    }
    insta::assert_snapshot!(out);
}
