//! What a peer's bytes cost, by what they are: typical messages, and a table of hostile streams. Counted by callgrind:
//! `scripts/hostile-cost`.
//!
//! Counted is [`delivery`]: framing, parsing, the dictionary where the case has one, the session, and the answers that it makes,
//! as bytes. Each case has a session of its own that is logged on. Of each, in order, is printed: its name,
//! whether there is a dictionary, bytes in, bytes of the answers, messages delivered, answers, garbled messages.
//! Not counted: sockets, logs, and what an application makes of a message.

use std::hint::black_box;
use std::sync::Arc;

use gatehouse::config::plan::{FixPlan, FixVersion};
use gatehouse::domain::Now;
use gatehouse::limits::FRAME_BYTES_MAX;
use gatehouse::session::{self, Action, Actions, Role, Session, SessionIds};
use gatehouse::wire::fix::dictionary::Dictionary;
use gatehouse::wire::fix::{
    FieldIndex, Framing, MsgType, Partial, Precision, TimeText, next_frame_of, parse,
};

const NOW: Now = Now {
    mono_ns: 1_000_000_000,
    wall_ns: 1_790_000_000_000_000_000,
};
const TIME: &str = "20260921-14:13:20.000";
/// Of a case, about.
const BYTES: usize = 32 * 1024;
/// What one delivery brings, where the case does not say: a segment of the usual size.
const SEGMENT: usize = 1448;

struct Peer {
    session: Session,
    ids: SessionIds,
    actions: Actions,
    index: FieldIndex,
    time: TimeText,
    out: [u8; 1024],
    delivered: u64,
    answers: u64,
    garbled: u64,
    bytes_out: usize,
    partial: Partial,
}

impl Peer {
    fn new(dictionary: Option<Arc<Dictionary>>) -> Self {
        let plan = FixPlan::new(FixVersion::Fix44, b"GATEHOUSE", b"CLIENT01");
        let mut peer = Self {
            session: Session::new(Role::Acceptor, &plan, 1, 1).with_dictionary(dictionary),
            ids: SessionIds::new(&plan),
            actions: Actions::new(),
            index: FieldIndex::new(),
            time: TimeText::new(Precision::Millis),
            out: [0; 1024],
            delivered: 0,
            answers: 0,
            garbled: 0,
            bytes_out: 0,
            partial: Partial::default(),
        };
        peer.session.on_connected(NOW, &mut peer.actions);
        let logon = message(&format!("35=A|34=1|{}98=0|108=30|", names()));
        peer.read(&logon);
        assert!(peer.session.can_send_application(), "logged on");
        // So many messages can be asked for again.
        for _ in 0..1000 {
            peer.session.next_out(NOW);
        }
        (peer.delivered, peer.answers, peer.bytes_out) = (0, 0, 0);
        peer
    }

    /// What stands in the receive buffer; how much of it is consumed.
    #[inline(never)]
    fn read(&mut self, received: &[u8]) -> usize {
        let mut at = 0;
        while !self.partial.wants_more_than(received.len() - at) {
            match next_frame_of(&received[at..], FRAME_BYTES_MAX, &mut self.partial) {
                Framing::NeedMore { skip } => {
                    at += skip;
                    break;
                }
                Framing::Malformed { skip, .. } => {
                    self.garbled += 1;
                    self.actions.clear();
                    self.session.on_malformed(NOW, &mut self.actions);
                    at += skip;
                }
                Framing::Frame { skip, len } => {
                    self.message(&received[at + skip..at + skip + len]);
                    at += skip + len;
                }
            }
        }
        at
    }

    fn message(&mut self, frame: &[u8]) {
        self.actions.clear();
        match parse(frame, &mut self.index) {
            Ok(message) => self.session.on_message(NOW, &message, &mut self.actions),
            Err(_) => {
                self.garbled += 1;
                self.session.on_malformed(NOW, &mut self.actions);
            }
        }
        for at in 0..self.actions.as_slice().len() {
            match self.actions.get(at) {
                Some(Action::Send(admin)) => {
                    let number = self.session.next_out(NOW);
                    let header = self.ids.header(MsgType::HEARTBEAT, number, NOW);
                    let made = session::admin(&header, admin, &mut self.time, &mut self.out);
                    self.bytes_out += black_box(&self.out[made.expect("there is room")]).len();
                    self.answers += 1;
                }
                Some(Action::Deliver) => self.delivered += 1,
                _ => {}
            }
        }
    }
}

/// What is counted: all that one delivery causes.
#[inline(never)]
fn delivery(peer: &mut Peer, received: &[u8]) -> usize {
    if peer.partial.wants_more_than(received.len()) {
        return 0;
    }
    peer.read(received)
}

/// A stream, in deliveries of that many bytes.
#[inline(never)]
fn case(peer: &mut Peer, stream: &[u8], bytes: usize) {
    let (mut at, mut have) = (0, 0);
    while have < stream.len() {
        have = stream.len().min(have + bytes);
        at += delivery(peer, black_box(&stream[at..have]));
    }
}

fn main() {
    let dictionary = dictionary();
    let cases = cases();
    // One case alone, to see where its instructions go.
    let only = std::env::args().nth(1);
    for (name, stream, bytes) in &cases {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        for (with, dictionary) in [("no", None), ("yes", Some(Arc::clone(&dictionary)))] {
            let mut peer = Peer::new(dictionary);
            case(&mut peer, stream, *bytes);
            println!(
                "{name}\t{with}\t{}\t{}\t{}\t{}\t{}",
                stream.len(),
                peer.bytes_out,
                peer.delivered,
                peer.answers,
                peer.garbled
            );
        }
    }
}

type Case = (&'static str, Vec<u8>, usize);

fn cases() -> Vec<Case> {
    let names = names();
    let order = |n: u64| {
        format!(
            "35=D|34={n}|{names}1=ACC0001|11=ORD-{n:010}|21=1|38=1200|40=2|44=12.34|54=1|55=600000|59=0|60={TIME}|"
        )
    };
    let report = |n: u64| {
        format!(
            "35=8|34={n}|{names}6=12.34|11=ORD-{n:010}|14=1200|17=E{n:010}|31=12.34|32=1200|37=D{n:010}|38=1200|39=2|54=1|55=600000|\
             150=F|151=0|"
        )
    };
    let cancel = |n: u64| {
        format!("35=F|34={n}|{names}11=C-{n:010}|41=ORD-{n:010}|54=1|55=600000|60={TIME}|")
    };
    let heartbeat = |n: u64| format!("35=0|34={n}|{names}");
    let group = |count: usize| {
        let member = "448=P|452=1|802=1|523=S|803=1|";
        format!("453={count}|{}", member.repeat(count))
    };
    let mut cases: Vec<Case> = vec![
        // Four orders and their like to one heartbeat.
        (
            "typical mix",
            flood(|n| match n % 8 {
                0 => heartbeat(n),
                1 | 2 => cancel(n),
                3 | 4 => report(n),
                _ => order(n),
            }),
            SEGMENT,
        ),
        ("typical orders", flood(order), SEGMENT),
        ("typical heartbeats", flood(heartbeat), SEGMENT),
        // Well-formed, and unkind.
        (
            "many tiny fields",
            flood(|n| format!("35=D|34={n}|{names}{}", "1=1|2=2|3=3|4=4|5=5|".repeat(30))),
            SEGMENT,
        ),
        (
            "256 fields, all different",
            flood(|n| format!("35=D|34={n}|{names}{}", tags(200..440, "x"))),
            SEGMENT,
        ),
        (
            "700 fields",
            flood(|n| format!("35=D|34={n}|{names}{}", tags(200..900, "x"))),
            SEGMENT,
        ),
        (
            "1,500 tiny fields",
            flood(|n| format!("35=D|34={n}|{names}{}", "1=1|".repeat(1500))),
            SEGMENT,
        ),
        (
            "all repeated",
            flood(|n| format!("35=D|34={n}|{names}{}", "11=ABC|".repeat(200))),
            SEGMENT,
        ),
        (
            "all empty",
            flood(|n| format!("35=D|34={n}|{names}{}", tags(11..200, ""))),
            SEGMENT,
        ),
        (
            "long tags",
            flood(|n| format!("35=D|34={n}|{names}{}", tags(999_700..999_900, "x"))),
            SEGMENT,
        ),
        (
            "tags that are none",
            flood(|n| format!("35=D|34={n}|{names}{}", "9999999=x|".repeat(100))),
            SEGMENT,
        ),
        (
            "negative tags",
            flood(|n| format!("35=D|34={n}|{names}{}", "-1=x|".repeat(200))),
            SEGMENT,
        ),
        (
            "unknown tags, descending",
            flood(|n| {
                let fields: Vec<String> =
                    (6000..6200).rev().map(|tag| format!("{tag}=1|")).collect();
                format!("35=D|34={n}|{names}{}", fields.concat())
            }),
            SEGMENT,
        ),
        (
            "header tags in the body, descending",
            flood(|n| {
                format!(
                    "35=D|34={n}|{names}{}",
                    "129=a|128=b|116=c|115=d|".repeat(50)
                )
            }),
            SEGMENT,
        ),
        (
            "length fields that lie",
            flood(|n| format!("35=D|34={n}|{names}{}", "95=9999|96=x|".repeat(60))),
            SEGMENT,
        ),
        (
            "data up to the end",
            flood(|n| format!("35=D|34={n}|{names}95=7000|96={}|", "\x01=".repeat(3500))),
            SEGMENT,
        ),
        (
            "huge numbers",
            flood(|n| format!("35=D|34={n}|{names}38={0}|44={0}|14={0}|", "9".repeat(300))),
            SEGMENT,
        ),
        (
            "huge sequence numbers",
            flood(|_| format!("35=D|34={}|{names}", "9".repeat(300))),
            SEGMENT,
        ),
        (
            "groups at the maximum",
            flood(|n| format!("35=D|34={n}|{names}11=A|{}54=1|60={TIME}|", group(47))),
            SEGMENT,
        ),
        (
            "group counts that lie",
            flood(|n| format!("35=D|34={n}|{names}{}", "453=9999|448=P|".repeat(100))),
            SEGMENT,
        ),
        (
            "one field of 7 KB",
            flood(|n| format!("35=D|34={n}|{names}58={}|", "x".repeat(7000))),
            SEGMENT,
        ),
        (
            "an unknown type, short",
            flood(|n| format!("35=z|34={n}|{names}")),
            SEGMENT,
        ),
        (
            "rejected, as short as can be",
            flood(|n| format!("35=0|34={n}|")),
            SEGMENT,
        ),
        // The session.
        (
            "too high, again and again",
            flood(|n| format!("35=D|34={}|{names}", n + 100)),
            SEGMENT,
        ),
        (
            "TestRequests",
            flood(|n| format!("35=1|34={n}|{names}112=A|")),
            SEGMENT,
        ),
        (
            "TestRequests with long ids",
            flood(|n| format!("35=1|34={n}|{names}112={}|", "I".repeat(63))),
            SEGMENT,
        ),
        (
            "ResendRequests",
            flood(|n| format!("35=2|34={n}|{names}7=1|16=0|")),
            SEGMENT,
        ),
        (
            "ResendRequests under old numbers",
            flood(|_| format!("35=2|34=1|{names}7=1|16=0|")),
            SEGMENT,
        ),
        (
            "duplicates",
            flood(|_| format!("35=D|34=1|43=Y|{names}122={TIME}|")),
            SEGMENT,
        ),
        (
            "resets to the same number",
            flood(|_| format!("35=4|34=1|{names}123=N|36=2|")),
            SEGMENT,
        ),
        // No messages at all.
        ("8=FIX8=FIX", b"8=FIX".repeat(BYTES / 5), SEGMENT),
        ("8=FIX.8=FIX.", b"8=FIX.".repeat(BYTES / 6), SEGMENT),
        (
            "beginnings of messages",
            b"8=FIX.4.4\x019=99\x0135=".repeat(BYTES / 18),
            SEGMENT,
        ),
        ("888", vec![b'8'; BYTES], SEGMENT),
        ("8=8=8=", b"8=".repeat(BYTES / 2), SEGMENT),
        ("8=FI8=FI", b"8=FI".repeat(BYTES / 4), SEGMENT),
        ("junk without SOH", vec![b'x'; BYTES], SEGMENT),
        ("SOH only", vec![1; BYTES], SEGMENT),
        (
            "wrong checksums",
            spoilt(flood(heartbeat), b"\x0110=", |digit| {
                (digit - b'0' + 1) % 10 + b'0'
            }),
            SEGMENT,
        ),
        (
            "wrong checksums, as short as can be",
            b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01".repeat(BYTES / 29),
            SEGMENT,
        ),
        (
            "wrong lengths, as short as can be",
            b"8=FIX.4.4\x019=6\x0135=0\x0110=000\x01".repeat(BYTES / 29),
            SEGMENT,
        ),
        (
            "lengths too short",
            spoilt(flood(order), b"\x019=", |digit| digit - 1),
            SEGMENT,
        ),
        (
            "lengths too long",
            spoilt(flood(order), b"\x019=", |digit| digit + 1),
            SEGMENT,
        ),
        (
            "lengths beyond the ceiling",
            b"8=FIX.4.4\x019=99999\x0135=D\x01".repeat(BYTES / 23),
            SEGMENT,
        ),
        ("a length of 8,000 and no trailer", endless(8000), SEGMENT),
        ("a length of 5 and no trailer", endless(5), SEGMENT),
    ];
    // The same, cut small.
    for (name, body, bytes) in [
        ("orders, 64 bytes at a time", flood(order), 64),
        ("orders, byte by byte", flood(order), 1),
        ("8=FIX.8=FIX., byte by byte", b"8=FIX.".repeat(BYTES / 6), 1),
        ("heartbeats, byte by byte", flood(heartbeat), 1),
        ("8=FIX8=FIX, byte by byte", b"8=FIX".repeat(BYTES / 5), 1),
        (
            "a length of 8,000 and no trailer, byte by byte",
            endless(8000),
            1,
        ),
        ("a length of 5 and no trailer, byte by byte", endless(5), 1),
    ] {
        cases.push((name, body, bytes));
    }
    cases
}

fn names() -> String {
    format!("49=CLIENT01|52={TIME}|56=GATEHOUSE|")
}

/// Messages with the numbers from 2 on, until there are enough bytes.
fn flood(body: impl Fn(u64) -> String) -> Vec<u8> {
    let mut stream = Vec::new();
    for number in 2.. {
        stream.extend_from_slice(&message(&body(number)));
        if stream.len() >= BYTES {
            break;
        }
    }
    stream
}

/// Length and checksum as they should be; fields end with `|`.
fn message(body: &str) -> Vec<u8> {
    let body = body.replace('|', "\x01");
    let text = format!("8=FIX.4.4\x019={}\x01{body}", body.len());
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    format!("{text}10={sum:03}\x01").into_bytes()
}

fn tags(numbers: std::ops::Range<u32>, value: &str) -> String {
    numbers.map(|tag| format!("{tag}={value}|")).collect()
}

/// With the digit behind each `mark` made another.
fn spoilt(mut stream: Vec<u8>, mark: &[u8], change: impl Fn(u8) -> u8) -> Vec<u8> {
    for at in 0..stream.len() - mark.len() {
        if stream[at..].starts_with(mark) {
            // The last digit of a length, the first of a checksum: as it comes.
            let digit = &mut stream[at + mark.len()];
            *digit = change(*digit);
        }
    }
    stream
}

/// Messages that say they have `length` bytes, and never end.
fn endless(length: usize) -> Vec<u8> {
    let begin = format!("8=FIX.4.4\x019={length}\x0135=D\x01");
    let mut one = begin.into_bytes();
    one.resize(FRAME_BYTES_MAX, b'x');
    one.repeat(BYTES / FRAME_BYTES_MAX)
}

/// A dialect of two dozen fields with a group in a group.
fn dictionary() -> Arc<Dictionary> {
    let text = include_str!("../tests/fuzz/seeds/small.xml");
    let model = Dictionary::from_quickfix_xml(text).expect("it can be read");
    Arc::new(Dictionary::compile(&model, None).expect("it can be compiled"))
}
