//! A session's numbers survive the process: a server is killed again and again at any record of its log, and goes on; what its peers
//! sent is answered once each, in order, and both sides agree on every number.
//!
//! In this process, from a seed: real log files, sockets in memory that lose messages, peers that live through it all. Bytes leave the
//! server at the end of a duty cycle, as with the real sockets; so a kill before that may cut the log behind any record of the cycle.

mod support;

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use gatehouse::app::log_reader::{LogPlace, LogReader};
use gatehouse::app::log_store::{LogStore, SegmentReader};
use gatehouse::app::session_store::{SessionParts, take_over};
use gatehouse::config::plan::FixPlan;
use gatehouse::domain::schedule::{Schedule, Window};
use gatehouse::domain::{FixVersion, Now};
use gatehouse::io::{ConnectionId, Sockets};
use gatehouse::journal::{Cause, LogId, RecordKind, names, read::claimed_sequence};
use gatehouse::session::ResendPolicy;
use gatehouse::sim::endpoint::Endpoint;
use gatehouse::sim::random::Random;
use gatehouse::stage::archive::ArchiveReader;
use gatehouse::stage::journal::JournalStage;
use gatehouse::stage::{
    Application, PeerConfig, PeerEvent, Role, Stranger, Switchboard, Verdict, event_record,
};
use gatehouse::wire::fix::{Header, Message, MsgType, NoRoom, TimeText, Writer, tags};
use ringbuf::byte_log::foreign::{Glimpse, Positions, glimpse};
use support::held_sockets::Held;
use support::memory_sockets::SharedNetwork;

const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9876);
const WINDOW_BYTES: usize = 1 << 18;
const PEERS: usize = 3;
const ORDERS: u64 = 60;
const TURN_NS: u64 = 5_000_000;
const START_NS: u64 = 1_795_000_000_000_000_000;
const TURNS_MAX: usize = 100_000;

fn write_order(
    header: &Header<'_>,
    time: &mut TimeText,
    out: &mut [u8],
    id: &[u8],
) -> Result<Range<usize>, NoRoom> {
    let msg_type = MsgType::from_bytes(b"D");
    let header = Header {
        msg_type,
        ..*header
    };
    let mut writer = Writer::begin(out, &header, time);
    writer.echo(tags::CL_ORD_ID, id);
    writer.finish()
}

/// Echoes every order; those whose ID begins with N need no answer.
#[derive(Default)]
struct Echo {
    id: Vec<u8>,
}

impl Application for Echo {
    fn has_room(&mut self) -> bool {
        true
    }
    fn on_message(&mut self, _: usize, _: Now, _: u64, message: &Message<'_>) -> Verdict {
        self.id = message.get(tags::CL_ORD_ID).expect("an ID").to_vec();
        match self.id.starts_with(b"N") {
            true => Verdict::Unanswered,
            false => Verdict::Answered,
        }
    }
    fn answer(
        &mut self,
        _: usize,
        header: &Header<'_>,
        time: &mut TimeText,
        out: &mut [u8],
    ) -> Result<Range<usize>, NoRoom> {
        write_order(header, time, out, &self.id)
    }
    fn on_event(&mut self, _: usize, _: Now, _: u64, _: PeerEvent) {}
    fn on_stranger(&mut self, _: Now, _: IpAddr, _: Stranger) {}
}

/// What the peers got back.
#[derive(Default)]
struct Ledger {
    echoed: [Vec<String>; PEERS],
    logged_on: [bool; PEERS],
}

impl Application for Ledger {
    fn has_room(&mut self) -> bool {
        true
    }
    fn on_message(&mut self, peer: usize, _: Now, _: u64, message: &Message<'_>) -> Verdict {
        let id = message.get(tags::CL_ORD_ID).expect("an ID");
        self.echoed[peer].push(String::from_utf8_lossy(id).into_owned());
        Verdict::Taken
    }
    fn on_event(&mut self, peer: usize, _: Now, _: u64, event: PeerEvent) {
        match event {
            PeerEvent::LoggedOn => self.logged_on[peer] = true,
            PeerEvent::LoggedOut => self.logged_on[peer] = false,
            PeerEvent::SequenceReset(cause) => panic!("peer {peer} was reset: {cause:?}"),
            _ => {}
        }
    }
    fn on_stranger(&mut self, _: Now, _: IpAddr, _: Stranger) {}
}

/// A server process.
struct Server {
    board: Switchboard<Held>,
    journal: JournalStage<LogStore>,
    reader: ArchiveReader<SegmentReader>,
    echo: Echo,
    /// Which peer stands in which place
    order: Vec<usize>,
}

fn name(peer: usize) -> String {
    format!("SESSION-{peer}")
}

fn plan(peer: usize) -> FixPlan {
    FixPlan {
        heartbeat_interval_s: 1,
        ..FixPlan::new(
            FixVersion::Fix44,
            b"SERVER",
            format!("CLIENT{peer}").as_bytes(),
        )
    }
}

impl Server {
    /// Starts with the peers in this order: a changed configuration mixes no sessions.
    fn start(
        directory: &Path,
        sockets: Held,
        order: Vec<usize>,
        now: Now,
        plan: impl Fn(usize) -> FixPlan,
    ) -> Self {
        let names: Vec<String> = order.iter().map(|peer| name(*peer)).collect();
        let parts = SessionParts::open(directory, &names, WINDOW_BYTES, now).expect("it opens");
        let peers = order.iter().map(|peer| PeerConfig {
            fix: plan(*peer),
            role: Role::Accept {
                allowed_sources: Vec::new(),
            },
            resend: ResendPolicy::Replay,
            dictionary: None,
        });
        let timeout_ns = 10_000_000_000;
        let mut board = Switchboard::new(sockets, parts.log, peers.collect(), 32, timeout_ns);
        board.set_archive(parts.archive);
        let mut board = board.resume(now, parts.recovered, &names).expect("room");
        board.listen(0, ADDRESS).expect("listening");
        Self {
            board,
            journal: parts.journal,
            reader: parts.reader,
            echo: Echo::default(),
            order,
        }
    }

    fn turn(&mut self, now: Now) {
        self.board.duty_cycle(now, &mut self.echo);
        self.board.flush();
    }
}

/// Cuts the log behind record `last`: the next one is damaged where it stands in the window.
fn cut(directory: &Path, last: u64, random: &mut Random) {
    let path = directory.join("staging/client.window");
    let image = fs::read(&path).expect("the window");
    let positions = Positions::read(&image).expect("a window");
    let mut position = positions.released;
    while position < positions.head {
        let at = positions.file_offset(position) as usize;
        let piece = &image[at..at + positions.bytes_in_one_piece(position) as usize];
        let (payload, taken) = match glimpse(piece) {
            Glimpse::Data(payload, taken) => (payload, taken),
            Glimpse::Pad(taken) => (&[][..], taken),
            other => panic!("{other:?}"),
        };
        if claimed_sequence(payload) == Some(last + 1) {
            let length = u32::from_le_bytes(payload[4..8].try_into().unwrap()) as u64;
            let start = payload.as_ptr() as u64 - image.as_ptr() as u64;
            let torn = start + random.between(length / 2, length - 1);
            let byte = [image[torn as usize] ^ 0x55];
            let file = File::options().write(true).open(&path).expect("writable");
            return file.write_all_at(&byte, torn).expect("written");
        }
        position += taken as u64;
    }
    panic!("record {} is not in the window", last + 1);
}

/// Gives back what was allocated for records that never came: a process that is gone writes no more.
fn trim(place: &LogPlace) {
    let mut reader = LogReader::open(place.clone(), LogId::Client).expect("a log");
    let mut ends = HashMap::new();
    while reader.advance().expect("whole") {
        let end = reader.offset() + reader.bytes().len() as u64;
        ends.insert(reader.epoch(), end);
    }
    let running = ends.keys().copied().max();
    for (epoch, end) in ends
        .into_iter()
        .filter(|(epoch, _)| Some(*epoch) != running)
    {
        let path = place.directory.join(format!("client-{epoch:05}-0000.log"));
        let file = File::options().write(true).open(path).expect("a segment");
        if file.metadata().expect("its size").len() > 1 << 20 {
            file.set_len(end).expect("cut");
        }
    }
}

#[derive(Default)]
struct Totals {
    kills: u64,
    cuts: u64,
    carried: u64,
    turns: u64,
    kept: u64,
    from_disk: u64,
}

struct World {
    directory: tempfile::TempDir,
    network: SharedNetwork,
    random: Random,
    mono_ns: u64,
    server: Option<Server>,
    clients: Endpoint<Held>,
    ledger: Ledger,
    sent: [u64; PEERS],
    totals: Totals,
}

impl World {
    fn new(seed: u64) -> Self {
        let network = SharedNetwork::default();
        let peers = (0..PEERS).map(|peer| {
            let of_server = plan(peer);
            PeerConfig {
                fix: FixPlan {
                    sender_comp_id: of_server.target_comp_id,
                    target_comp_id: of_server.sender_comp_id,
                    ..of_server
                },
                role: Role::Connect {
                    address: ADDRESS,
                    reconnect_min_ms: 5,
                    reconnect_max_ms: 20,
                },
                resend: ResendPolicy::Replay,
                dictionary: None,
            }
        });
        Self {
            clients: Endpoint::new(
                Held::new(&network, 4 * PEERS, seed, 2),
                peers.collect(),
                4 * PEERS,
            ),
            directory: tempfile::tempdir().expect("a directory"),
            network,
            random: Random::new(seed),
            mono_ns: 1_000_000_000,
            server: None,
            ledger: Ledger::default(),
            sent: [0; PEERS],
            totals: Totals::default(),
        }
    }

    fn now(&self) -> Now {
        Now {
            mono_ns: self.mono_ns,
            wall_ns: START_NS + self.mono_ns,
        }
    }

    fn place(&self) -> LogPlace {
        let state = self.directory.path();
        LogPlace::new(state.join("log"), Some(state.join("staging")))
    }

    fn start(&mut self) {
        let mut order: Vec<usize> = (0..PEERS).collect();
        order.rotate_left(self.random.below(PEERS as u64) as usize);
        let seed = self.random.next_u64();
        let sockets = Held::new(&self.network, 4 * PEERS, seed, 2);
        let now = self.now();
        let server = Server::start(self.directory.path(), sockets, order, now, plan);
        self.server = Some(server);
        trim(&self.place());
    }

    /// Ends the server between two records of its last cycle, from which nothing has left: mostly one in which something happens.
    fn kill(&mut self) {
        let patience = self.random.below(20);
        let (mut server, last, after) = loop {
            self.turn_clients();
            let now = self.now();
            let mut server = self.server.take().expect("it runs");
            let before = server.board.log().sequence();
            server.board.duty_cycle(now, &mut server.echo);
            let after = server.board.log().sequence();
            if after > before || self.totals.turns % 20 == patience {
                break (server, self.random.between(before, after), after);
            }
            server.board.flush();
            self.server = Some(server);
        };
        self.network.borrow_mut().silence(ADDRESS);
        for slot in 0..4 * PEERS as u32 {
            for generation in 0..64 {
                let connection = ConnectionId { slot, generation };
                server.board.sockets().inner.close(connection, true);
            }
        }
        self.totals.kept += server.board.traffic().kept;
        self.totals.from_disk += server.board.traffic().archive_reads;
        drop(server);
        self.totals.kills += 1;
        if last < after {
            self.totals.cuts += 1;
            cut(self.directory.path(), last, &mut self.random);
        }
    }

    fn turn(&mut self) {
        self.turn_clients();
        let now = self.now();
        if let Some(server) = &mut self.server {
            server.turn(now);
            if self.random.below(3) == 0 {
                server.journal.duty_cycle(now);
            }
            server.reader.duty_cycle();
        }
    }

    fn turn_clients(&mut self) {
        self.mono_ns += TURN_NS;
        self.totals.turns += 1;
        let now = self.now();
        for peer in 0..PEERS {
            let may = self.ledger.logged_on[peer] && self.sent[peer] < ORDERS;
            if may && self.random.below(4) == 0 {
                self.sent[peer] += 1;
                let number = self.sent[peer];
                let id = match number % 7 {
                    0 => format!("N{number}"),
                    _ => format!("{number}"),
                };
                let board = &mut self.clients.board;
                let sent = board.send(peer, now, Cause::default(), |header, time, out| {
                    write_order(header, time, out, id.as_bytes())
                });
                sent.expect("room");
            }
        }
        self.clients.board.duty_cycle(now, &mut self.ledger);
        self.clients.flush();
    }

    fn is_done(&mut self) -> bool {
        let Some(server) = &self.server else {
            return false;
        };
        (0..PEERS).all(|peer| {
            let at = server.order.iter().position(|it| *it == peer);
            let theirs = &self.clients.board.peer(peer).session;
            let ours = &server.board.peer(at.expect("a place")).session;
            self.sent[peer] == ORDERS
                && self.ledger.echoed[peer].len() as u64 >= ORDERS - ORDERS / 7
                && ours.expected_in() == theirs.peek_next_out()
                && theirs.expected_in() == ours.peek_next_out()
        })
    }

    /// Per session: numbers that the records of the log use, and how often something was carried on.
    fn used(&self) -> (HashMap<String, u64>, u64) {
        let mut reader = LogReader::open(self.place(), LogId::Client).expect("a log");
        let (mut used, mut carried) = (HashMap::new(), 0);
        let mut channels: HashMap<u16, String> = HashMap::new();
        while reader.advance().expect("whole") {
            let record = reader.record();
            match record.kind {
                RecordKind::Names => {
                    let named = names::read(&record);
                    channels.extend(named.map(|(at, name)| (at, name.to_owned())));
                }
                RecordKind::MessageOut | RecordKind::AdminOut => {
                    let name = channels[&record.channel].clone();
                    *used.entry(name).or_insert(0) += 1;
                }
                RecordKind::Carried => carried += 1,
                _ => {}
            }
        }
        (used, carried)
    }
}

fn run(seed: u64) -> Totals {
    let mut world = World::new(seed);
    world.start();
    let kills = world.random.between(3, 12);
    let mut next_kill = world.random.between(10, 60);
    for turn in 0.. {
        assert!(turn < TURNS_MAX, "seed {seed}: {:?}", world.ledger.echoed);
        world.turn();
        if turn as u64 >= next_kill && world.totals.kills < kills {
            if world.server.is_some() {
                world.kill();
                next_kill = turn as u64 + world.random.below(8);
                if world.random.below(2) == 0 {
                    // Killed again on its way up, or soon after.
                    world.start();
                    world.kill();
                }
            } else {
                world.start();
                next_kill = turn as u64 + world.random.between(1, 80);
            }
        } else if world.server.is_none() {
            world.start();
        }
        if world.totals.kills >= kills && world.is_done() {
            break;
        }
    }
    let expected: Vec<String> = (1..=ORDERS)
        .filter(|number| number % 7 != 0)
        .map(|number| number.to_string())
        .collect();
    for (peer, echoed) in world.ledger.echoed.iter().enumerate() {
        assert_eq!(*echoed, expected, "seed {seed}, peer {peer}");
    }
    // What the log says is what both sides think. The last record may not count: so that it does, another one follows.
    let (now, cause) = (world.now(), Cause::default());
    let log = world.server.as_mut().expect("it runs").board.log();
    let last = log.append(RecordKind::Refused, u16::MAX, cause, now.wall_ns, b"");
    last.expect("room");
    let (used, carried) = world.used();
    world.server = None;
    let recovered = take_over(&world.place(), LogId::Client, PEERS)
        .expect("a whole log")
        .0;
    for peer in 0..PEERS {
        let found = recovered.peer(&name(peer)).expect("a session");
        let theirs = &world.clients.board.peer(peer).session;
        assert_eq!(found.next_in, theirs.peek_next_out(), "seed {seed}");
        assert_eq!(found.next_out, theirs.expected_in(), "seed {seed}");
        assert_eq!(found.next_out - 1, used[&name(peer)], "seed {seed}");
        assert!(found.unanswered.is_empty(), "seed {seed}");
    }
    world.totals.carried = carried;
    world.totals
}

#[test]
fn a_server_killed_at_any_record_loses_nothing_and_doubles_nothing() {
    let seeds = match std::env::var("RECOVERY_SEEDS") {
        Ok(count) => count.parse().expect("a number"),
        Err(_) => 6,
    };
    let mut all = Totals::default();
    for seed in 1..=seeds {
        let totals = run(seed);
        all.kills += totals.kills;
        all.cuts += totals.cuts;
        all.carried += totals.carried;
        all.turns += totals.turns;
        all.kept += totals.kept;
        all.from_disk += totals.from_disk;
    }
    println!(
        "{} kills, {} within a cycle, {} messages carried on, {} kept, {} read from disk, {} turns",
        all.kills, all.cuts, all.carried, all.kept, all.from_disk, all.turns
    );
    // That what is to be proven did happen.
    assert!(all.kills > 3 * seeds && all.cuts > 0 && all.carried > 0);
    assert!(all.kept > 0 && all.from_disk > 0);
}

/// Resets by the schedule that stand in the log.
fn scheduled_resets(place: &LogPlace) -> usize {
    let mut reader = LogReader::open(place.clone(), LogId::Client).expect("a log");
    let mut resets = 0;
    while reader.advance().expect("whole") {
        let record = reader.record();
        let text = event_record::describe(record.body).unwrap_or_default();
        let is_reset = text.starts_with("sequence numbers set") && text.contains("schedule");
        resets += (record.kind == RecordKind::Connection && is_reset) as usize;
    }
    resets
}

#[test]
fn a_boundary_that_passed_while_the_process_was_down_is_one_reset() {
    const H: u64 = 3_600_000_000_000;
    let windows = (0..3).map(|day| Window {
        opens_ns: START_NS + (24 * day + 1) * H,
        closes_ns: START_NS + (24 * day + 9) * H,
    });
    let schedule = Arc::new(Schedule::new(windows.collect(), START_NS + 96 * H));
    let directory = tempfile::tempdir().expect("a directory");
    let network = SharedNetwork::default();
    let place = LogPlace::new(
        directory.path().join("log"),
        Some(directory.path().join("staging")),
    );
    let with_schedule = |_| FixPlan {
        schedule: Some(schedule.clone()),
        ..plan(0)
    };
    let mut resets = Vec::new();
    let mut mono_ns = 1;
    for (hour, kill_after) in [(2, 1), (3, 3), (26, 3), (27, 3), (28, 0), (75, 2), (76, 2)] {
        let mut now = Now {
            mono_ns,
            wall_ns: START_NS + hour * H,
        };
        let sockets = Held::new(&network, 4 * PEERS, 1, 0);
        let mut server = Server::start(directory.path(), sockets, vec![0], now, with_schedule);
        for _ in 0..kill_after {
            now.mono_ns += TURN_NS;
            now.wall_ns += TURN_NS;
            server.turn(now);
        }
        if hour == 2 {
            // Numbers that the reset has something to do with.
            for _ in 0..3 {
                let sent = server
                    .board
                    .send(0, now, Cause::default(), |header, time, out| {
                        write_order(header, time, out, b"1")
                    });
                sent.expect("room");
            }
        }
        let next_out = server.board.peer(0).session.peek_next_out();
        mono_ns = now.mono_ns;
        drop(server);
        network.borrow_mut().silence(ADDRESS);
        resets.push((hour, scheduled_resets(&place), next_out));
    }
    assert_eq!(
        resets,
        [
            (2, 0, 4),
            (3, 0, 4),
            (26, 1, 1),
            (27, 1, 1),
            (28, 1, 1),
            (75, 2, 1),
            (76, 2, 1)
        ]
    );
}
