//! The resend cursor: what is repeated, what becomes a gap, what waits, and what two requests at once become.
//!
//! The log behind the cursor is played by the test.

use std::collections::BTreeMap;

use gatehouse::domain::{FixVersion, Now, Text};
use gatehouse::session::{ResendCursor, ResendPolicy, ResendTools, SessionIds, Step};
use gatehouse::wire::fix::{MsgType, NoRoom, Precision, TimeText, Writer};

const SENT: Now = Now {
    mono_ns: 0,
    wall_ns: 1_000_000_000,
};
const LATER: Now = Now {
    mono_ns: 0,
    wall_ns: 61_000_000_000,
};

fn ids() -> SessionIds {
    SessionIds {
        version: FixVersion::Fix44,
        sender_comp_id: Text::cut(b"GATE"),
        target_comp_id: Text::cut(b"PEER"),
    }
}

fn stored(msg_type: &[u8], number: u64, fields: &[(u32, &[u8])]) -> Vec<u8> {
    let ids = ids();
    let header = ids.header(MsgType::from_bytes(msg_type), number, SENT);
    let mut out = [0; 512];
    let mut time = TimeText::new(Precision::Millis);
    let mut writer = Writer::begin(&mut out, &header, &mut time);
    for (tag, value) in fields {
        writer.bytes(*tag, value);
    }
    let range = writer.finish().unwrap();
    out[range].to_vec()
}

/// Steps until the cursor is closed; what left, from 35 to 10, `stored N` for what left as it was.
fn run(
    cursor: &mut ResendCursor,
    log: &BTreeMap<u64, Vec<u8>>,
    policy: ResendPolicy,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut time = TimeText::new(Precision::Millis);
    for _ in 0..1_000 {
        let Some(wanted) = cursor.wanted() else {
            return lines;
        };
        let mut out = [0; 600];
        let mut tools = ResendTools {
            ids: &ids(),
            policy,
            last_processed: None,
            now: LATER,
            time: &mut time,
            out: &mut out,
        };
        let bytes = log.get(&wanted).map(Vec::as_slice);
        match cursor.step(bytes, &mut tools).unwrap() {
            Step::Nothing => {}
            Step::SendStored => lines.push(format!("stored {wanted}")),
            Step::Send(range) => {
                let text = String::from_utf8_lossy(&out[range]).replace('\u{1}', "|");
                let start = text.find("35=").unwrap();
                let text = text[start..text.len() - 8].to_string();
                lines.push(text.replace("|49=GATE|52=19700101-00:01:01.000|56=PEER", " .."));
            }
        }
    }
    panic!("no end: {cursor:?}");
}

fn log(kinds: &[(u64, &[u8])]) -> BTreeMap<u64, Vec<u8>> {
    kinds
        .iter()
        .map(|(number, kind)| (*number, stored(kind, *number, &[(58, b"x")])))
        .collect()
}

#[test]
fn the_body_survives_whatever_bytes_it_has() {
    let bytes = stored(
        b"8",
        3,
        &[(37, b"a|b=c"), (95, b"5"), (96, b"\x0158=x"), (58, b"end")],
    );
    let mut cursor = ResendCursor::new();
    cursor.request(3, 3);
    let lines = run(
        &mut cursor,
        &BTreeMap::from([(3, bytes)]),
        ResendPolicy::Replay,
    );
    assert_eq!(
        lines,
        ["35=8|34=3|43=Y ..|122=19700101-00:00:01.000|37=a|b=c|95=5|96=|58=x|58=end"]
    );
}

#[test]
fn possible_resend_stays() {
    let bytes = stored(b"8", 1, &[(97, b"Y"), (58, b"x")]);
    let mut cursor = ResendCursor::new();
    cursor.request(1, 1);
    let lines = run(
        &mut cursor,
        &BTreeMap::from([(1, bytes)]),
        ResendPolicy::Replay,
    );
    assert_eq!(
        lines,
        ["35=8|34=1|43=Y ..|97=Y|122=19700101-00:00:01.000|58=x"]
    );
}

#[test]
fn what_is_damaged_or_gone_is_a_gap() {
    let mut log = log(&[(1, b"8"), (2, b"8"), (4, b"8")]);
    log.insert(2, b"8=FIX.4.4 damaged".to_vec());
    let mut cursor = ResendCursor::new();
    cursor.request(1, 4);
    let lines = run(&mut cursor, &log, ResendPolicy::Replay);
    assert_eq!(
        lines,
        [
            "35=8|34=1|43=Y ..|122=19700101-00:00:01.000|58=x",
            "35=4|34=2|43=Y ..|122=19700101-00:01:01.000|36=4|123=Y",
            "35=8|34=4|43=Y ..|122=19700101-00:00:01.000|58=x",
        ]
    );
}

#[test]
fn what_is_new_waits_behind_the_resend_and_goes_as_it_is() {
    let log = log(&[(1, b"A"), (2, b"8"), (3, b"8"), (4, b"0"), (5, b"8")]);
    let mut cursor = ResendCursor::new();
    assert!(!cursor.is_open());
    cursor.request(1, 2);
    cursor.extend(4);
    cursor.extend(5);
    // While they wait, the peer asks for everything: what never left is not made a duplicate.
    cursor.request(2, 5);
    let lines = run(&mut cursor, &log, ResendPolicy::Replay);
    assert_eq!(
        lines,
        [
            "35=4|34=1|43=Y ..|122=19700101-00:00:01.000|36=2|123=Y",
            "35=8|34=2|43=Y ..|122=19700101-00:00:01.000|58=x",
            "35=8|34=3|43=Y ..|122=19700101-00:00:01.000|58=x",
            "stored 4",
            "stored 5",
        ]
    );
    assert!(!cursor.is_open());
}

#[test]
fn a_gap_fill_begins_where_the_peer_asked() {
    let log = log(&[(1, b"A"), (2, b"0"), (3, b"0"), (4, b"0")]);
    let all = ["35=4|34=1|43=Y ..|122=19700101-00:00:01.000|36=3|123=Y"];
    let mut cursor = ResendCursor::new();
    cursor.request(1, 4);
    cursor.request(3, 4);
    let lines = run(&mut cursor, &log, ResendPolicy::Replay);
    assert_eq!(lines[..1], all);
    assert_eq!(
        lines[1],
        "35=4|34=3|43=Y ..|122=19700101-00:00:01.000|36=5|123=Y"
    );
    cursor.request(1, 4);
    cursor.request(3, 4);
    let lines = run(&mut cursor, &log, ResendPolicy::GapFillAll);
    assert_eq!(
        lines,
        [
            "35=4|34=1|43=Y ..|122=19700101-00:01:01.000|36=3|123=Y",
            "35=4|34=3|43=Y ..|122=19700101-00:01:01.000|36=5|123=Y",
        ]
    );
}

#[test]
fn without_room_nothing_changes() {
    let log = log(&[(1, b"8")]);
    let mut cursor = ResendCursor::new();
    cursor.request(1, 1);
    let before = cursor;
    let mut out = [0; 60];
    let mut time = TimeText::new(Precision::Millis);
    let mut tools = ResendTools {
        ids: &ids(),
        last_processed: None,
        policy: ResendPolicy::Replay,
        now: LATER,
        time: &mut time,
        out: &mut out,
    };
    assert_eq!(cursor.step(Some(&log[&1]), &mut tools), Err(NoRoom));
    assert_eq!(cursor, before);
}

#[test]
fn header_fields_of_the_application_keep_their_order_around_what_is_put_in() {
    let fields: &[(u32, &[u8])] = &[
        (50, b"desk"),
        (97, b"Y"),
        (115, b"on behalf"),
        (128, b"to"),
        (58, b"x"),
    ];
    let log = BTreeMap::from([
        (1, stored(b"D", 1, fields)),
        (2, stored(b"D", 2, &[(57, b"sub")])),
    ]);
    let mut cursor = ResendCursor::new();
    cursor.request(1, 2);
    let lines = run(&mut cursor, &log, ResendPolicy::Replay);
    let tags: Vec<Vec<&str>> = lines
        .iter()
        .map(|line| {
            line.split('|')
                .filter_map(|f| f.split('=').next())
                .collect()
        })
        .collect();
    assert_eq!(
        tags[0],
        ["35", "34", "43", "50", "97", "115", "122", "128", "58"]
    );
    assert_eq!(tags[1], ["35", "34", "43", "57", "122"]);
}
