//! The control thread over a real socket, with the stages' sides of the queues played by the test; and the rules that need time
//! with the time injected.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::thread::JoinHandle;

use serde_json::json;
use tempfile::TempDir;

use super::protocol::{Command, LimitName, ScopeName, SetSequence};
use super::*;
use crate::config::sample::Sample;
use crate::domain::command::{LimitChange, NumbersOutcome, RiskCommand, Scope};
use crate::domain::time::NS_PER_S;
use crate::domain::{AccountIndex, LinkIndex, Money, SessionIndex};
use crate::status::page::{Identity, Page, Shape, heap_words, page_bytes};
use crate::status::reader::read_words;
use crate::status::{Snapshot, State};

mod rules;

const OWN_UID: u32 = 100;
const ALICE: Peer = Peer {
    pid: 1,
    uid: 201,
    gid: 1,
};
const BOB: Peer = Peer {
    pid: 2,
    uid: 202,
    gid: 1,
};

fn plan(two_persons: bool) -> Arc<Plan> {
    let mut sample = Sample::new("/nowhere");
    sample.sessions = 2;
    sample.accounts = 2;
    sample.instruments = 2;
    sample.links = vec![([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()];
    let mut plan = sample.plan();
    plan.control.operators = vec![ALICE.uid, BOB.uid];
    plan.control.two_persons = two_persons;
    plan.accounts[0].order_value_max = Money(1000 * 100_000_000);
    plan.accounts[0].open_orders_max = 0;
    Arc::new(plan)
}

fn page(plan: &Plan) -> (Words, StageWriter) {
    let links = plan.desks.iter().flat_map(|desk| {
        desk.links
            .iter()
            .map(|link| (desk.name.clone(), link.name.clone()))
    });
    let shape = Shape {
        sessions: plan.sessions.iter().map(|s| s.name.clone()).collect(),
        links: links.collect(),
        accounts: plan.accounts.iter().map(|a| a.name.to_string()).collect(),
    };
    let page = Page::format(heap_words(page_bytes(&shape)), &shape, Identity::default());
    let words = page.words();
    let writers = page.into_writers();
    writers.ready();
    (words, writers.control)
}

fn snapshot(words: Words) -> Snapshot {
    match read_words(words, 0) {
        State::Ready(snapshot) => *snapshot,
        other => panic!("{other}"),
    }
}

fn request(command: Command) -> Request {
    Request {
        command,
        reason: String::new(),
        ticket: String::new(),
    }
}

fn account(name: &str) -> ScopeName {
    ScopeName::Account(name.into())
}

/// A control thread on a socket of its own. The kernel's word on the peer is replaced by `UID`.
struct Served {
    _directory: TempDir,
    socket: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<StageWriter>>>,
    words: Words,
}

impl Served {
    fn new(peer_of: PeerOf, ports: &ControlPorts) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let plan = plan(false);
        let (words, writer) = page(&plan);
        let control = Control::new(plan, ports.clone(), words, writer, OWN_UID, peer_of);
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || control.serve(listener, seen));
        Self {
            _directory: directory,
            socket,
            stop,
            thread: Some(thread),
            words,
        }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn ask(&self, request: &[u8]) -> Response {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        read_answer(&mut stream)
    }

    fn total(&self, counter: Counter) -> u64 {
        snapshot(self.words).total(counter)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self
            .thread
            .take()
            .unwrap()
            .join()
            .expect("the control thread panicked");
        assert_eq!(ended.unwrap().stage(), crate::status::Stage::Control);
    }
}

fn read_answer(stream: &mut UnixStream) -> Response {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

fn own(_: &UnixStream) -> io::Result<Peer> {
    Ok(Peer {
        pid: 1,
        uid: OWN_UID,
        gid: OWN_UID,
    })
}

#[test]
fn a_command_goes_to_the_risk_stage_and_its_answer_comes_back() {
    let ports = ControlPorts::default();
    let served = Served::new(own, &ports);
    let risk = ports.clone();
    let stage = std::thread::spawn(move || {
        loop {
            if let Some(input) = risk.risk.pop() {
                let done = CommandDone {
                    ticket: input.ticket,
                    sequence: 42,
                    affected: 0,
                };
                risk.risk_done.push(done).unwrap();
                return input.command;
            }
            std::thread::yield_now();
        }
    });
    let line =
        br#"{"command":{"block":{"scope":{"account":"A2"}}},"reason":"test","ticket":"T-1"}"#;
    let response = served.ask(&[line, &b"\n"[..]].concat());
    assert_eq!(
        stage.join().unwrap(),
        RiskCommand::Block(Scope::Account(AccountIndex(1)))
    );
    assert_eq!(
        (response.ok, &response.data["sequence"]),
        (true, &json!(42))
    );
    assert_eq!(response.message, "done: block account A2");
}

#[test]
fn several_requests_on_one_connection_are_answered_in_order() {
    let served = Served::new(own, &ControlPorts::default());
    let mut stream = served.connect();
    stream
        .write_all(
            b"{\"command\":\"status\"}\n{\"command\":\"link_list\"}\n{\"command\":\"desk_list\"}\n",
        )
        .unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut next =
        || -> Response { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let status = next();
    assert!(
        status.data["sessions_count"] == 2 && status.data["links"].as_array().unwrap().len() == 2
    );
    assert_eq!(next().message, "2 links");
    assert_eq!(next().data[0]["links_ready"], json!(0));
}

#[test]
fn only_operators_may_speak() {
    static UID: AtomicU32 = AtomicU32::new(0);
    fn somebody(_: &UnixStream) -> io::Result<Peer> {
        match UID.load(Ordering::Relaxed) {
            u32::MAX => Err(io::Error::other("no credentials")),
            uid => Ok(Peer {
                pid: 1,
                uid,
                gid: 1,
            }),
        }
    }
    let served = Served::new(somebody, &ControlPorts::default());
    for (uid, allowed) in [
        (0, false),
        (OWN_UID, true),
        (ALICE.uid, true),
        (203, false),
        (u32::MAX, false),
    ] {
        UID.store(uid, Ordering::Relaxed);
        let mut stream = served.connect();
        // The refusal may come, and the connection be closed, before this is written.
        let _ = stream.write_all(b"{\"command\":\"pending\"}\n");
        let response = read_answer(&mut stream);
        assert_eq!(response.ok, allowed, "{uid}");
        if !allowed {
            assert_eq!(response.error, Some(ErrorKind::NotAllowed), "{uid}");
        }
    }
    assert_eq!(served.total(Counter::ControlConnectionsRefused), 3);
}

#[test]
fn garbage_is_answered_and_changes_nothing() {
    let ports = ControlPorts::default();
    let served = Served::new(own, &ports);
    let garbage: [&[u8]; 8] = [
        b"\n",
        b"kill firm\n",
        b"{\"command\":\"stop\"}\n",
        b"{\"command\":{\"kill\":{}}}\n",
        b"{\"command\":{\"kill\":{\"scope\":\"firm\",\"also\":1}}}\n",
        b"{\"command\":\"status\",\"reasn\":\"x\"}\n",
        b"\xff\xfe\x00\n",
        b"{\"command\":{\"approve\":{\"number\":-1}}}\n",
    ];
    for line in garbage {
        let response = served.ask(line);
        assert_eq!(
            response.error,
            Some(ErrorKind::BadRequest),
            "{}",
            String::from_utf8_lossy(line)
        );
    }
    let deep = [&vec![b'['; 60_000][..], b"\n"].concat();
    assert_eq!(served.ask(&deep).error, Some(ErrorKind::BadRequest));
    assert!(ports.risk.is_empty());
    assert_eq!(served.total(Counter::ControlRefused), 9);
    assert!(served.ask(b"{\"command\":\"pending\"}\n").ok);
}

#[test]
fn an_endless_request_is_cut_off() {
    let served = Served::new(own, &ControlPorts::default());
    let mut stream = served.connect();
    let chunk = [b'x'; 4096];
    let mut sent = 0;
    while sent < 64 * crate::limits::CONTROL_REQUEST_BYTES_MAX && stream.write_all(&chunk).is_ok() {
        sent += chunk.len();
    }
    assert!(
        sent < 64 * crate::limits::CONTROL_REQUEST_BYTES_MAX,
        "took {sent} bytes for one request"
    );
    assert!(served.ask(b"{\"command\":\"pending\"}\n").ok);
}

#[test]
fn a_silent_peer_does_not_hold_up_others_and_connections_are_bounded() {
    let served = Served::new(own, &ControlPorts::default());
    let mut held: Vec<_> = (0..CONTROL_CONNECTIONS_MAX)
        .map(|_| served.connect())
        .collect();
    held.iter_mut()
        .for_each(|stream| stream.write_all(b"{\"comm").unwrap());
    let mut refused = served.connect();
    let response = read_answer(&mut refused);
    assert_eq!(response.error, Some(ErrorKind::Busy));
    assert_eq!(refused.read(&mut [0; 1]).unwrap(), 0, "closed");
    // One place comes free within some turns; the others go on being silent.
    held.pop();
    let free = (0..2000).any(|_| {
        let mut stream = served.connect();
        let _ = stream.write_all(b"{\"command\":\"pending\"}\n");
        read_answer(&mut stream).ok
    });
    assert!(free);
}

/// Time limits of a connection, with the time injected.
mod time {
    use super::*;
    use crate::limits::{CONTROL_IDLE_NS_MAX as IDLE_NS_MAX, CONTROL_LINE_NS_MAX as LINE_NS_MAX};

    #[test]
    fn a_slow_request_and_a_silent_peer_are_ended() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut slow = Connection::new(theirs, ALICE, 0).unwrap();
        ours.write_all(b"{").unwrap();
        assert!(matches!(slow.turn(1000), Turn::Nothing));
        ours.write_all(b"\"").unwrap();
        assert!(matches!(slow.turn(1000 + LINE_NS_MAX), Turn::Nothing));
        assert!(
            matches!(slow.turn(1001 + LINE_NS_MAX), Turn::Bad(_)),
            "a byte now and then is no progress"
        );

        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut silent = Connection::new(theirs, ALICE, 0).unwrap();
        assert!(matches!(silent.turn(IDLE_NS_MAX), Turn::Nothing));
        assert!(matches!(silent.turn(IDLE_NS_MAX + 1), Turn::Gone));
        drop(ours);
    }

    #[test]
    fn a_peer_that_does_not_read_is_ended_and_one_that_waits_is_not() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut deaf = Connection::new(theirs, ALICE, 0).unwrap();
        deaf.answer(&Response::done("x".repeat(4 << 20)), 0);
        assert!(matches!(deaf.turn(5), Turn::Nothing));
        assert!(matches!(deaf.turn(5 + LINE_NS_MAX), Turn::Nothing));
        assert!(matches!(deaf.turn(6 + LINE_NS_MAX), Turn::Gone));
        drop(ours);

        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut waits = Connection::new(theirs, ALICE, 0).unwrap();
        waits.waiting = Some(1);
        assert!(matches!(waits.turn(10 * IDLE_NS_MAX), Turn::Nothing));
        drop(ours);
    }
}
