//! The gateway's three stages put together by hand on this thread, over sockets in memory and with a clock that the test turns.
//! The peers are the same text-only ones as over real sockets.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use gatehouse::config::plan::{DictionaryPlan, Plan};
use gatehouse::config::sample::Sample;
use gatehouse::domain::Now;
use gatehouse::domain::order::ToDesk;
use gatehouse::domain::report::ToClient;
use gatehouse::io::{LogRead, Sockets};
use gatehouse::journal::log::epoch_and_offset;
use gatehouse::journal::read::{Chain, Step};
use gatehouse::journal::{Disk, Log, LogId, Record};
use gatehouse::sim::random::Random;
use gatehouse::stage::archive::{ArchiveReader, archive};
use gatehouse::stage::assembly::{self, Common, Rings};
use gatehouse::stage::control::ControlPorts;
use gatehouse::stage::decode::DecodeStage;
use gatehouse::stage::journal::{Drain, JournalStage};
use gatehouse::stage::recovered::Recovered;
use gatehouse::stage::replay::{Replay, Resumption};
use gatehouse::stage::risk::RiskStage;
use gatehouse::stage::route::RouteStage;
use gatehouse::status::page::{Words, page_bytes};
use gatehouse::status::{Identity, Page, Snapshot, StageWriter, reader};
use ringbuf::byte_log::{self, Reader, Region};

use super::conn::{Conn, Identity as Speaker};
use super::faulty_file::{FaultyFile, Medium};
use super::fix::{Fix, fields, merge, timestamp};
use super::memory_sockets::{MemorySockets, MemoryStream, SharedNetwork, listen};

/// A peer over memory.
pub type MemoryConn = Conn<MemoryStream>;

/// The stages and what the journal would drain.
pub struct Stages<S: Sockets = MemorySockets> {
    pub decode: DecodeStage<S>,
    pub risk: RiskStage,
    pub route: RouteStage<S>,
    pub ports: ControlPorts,
    pub address: SocketAddr,
    logs: Vec<Reader>,
    archive: ArchiveReader<OldLogs>,
    /// What the journal has written: client, order and desk log.
    files: Files,
    page: Words,
    /// Shared by the logs and the journal.
    pub disk: Disk,
    journal_status: Option<StageWriter>,
    journal: Option<JournalStage<FaultyFile>>,
    /// The disk takes nothing and says nothing.
    pub is_stalled: bool,
}

type Files = Rc<RefCell<[Vec<u8>; 3]>>;

/// Client logs of processes that are gone, by start number, and that of the one that runs.
struct OldLogs(Vec<(u16, Vec<u8>)>, Files);

impl LogRead for OldLogs {
    fn read_at(&mut self, place: u64, into: &mut [u8]) -> io::Result<usize> {
        let (epoch, offset) = epoch_and_offset(place);
        let found = self.0.iter().find(|(of, _)| *of == epoch);
        let live = &self.1.borrow()[0];
        let log = found.map_or(live, |(_, log)| log);
        let rest = log.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// The logs of a process that is gone: its start number, client, order and desk log.
type Past = (u16, [Vec<u8>; 3]);

const LOGS: [LogId; 3] = [LogId::Client, LogId::Order, LogId::Desk];

/// The stages, their clock, and the network around them.
pub struct Bench {
    pub stages: Rc<RefCell<Stages>>,
    pub network: SharedNetwork,
    pub plan: Plan,
    /// What [`Bench::allocations`] is measured with.
    probe: Rc<Cell<fn() -> u64>>,
    allocations: Rc<Cell<u64>>,
    mono_ns: Rc<Cell<u64>>,
    start_wall_ns: u64,
    desk_host: usize,
    past: Vec<Past>,
    /// A restart tries a snapshot after each record, and not after drawn ones alone
    pub saves_each_record: bool,
}

const STAGING_BYTES: usize = 4 << 20;

impl Bench {
    /// One link, not connected.
    pub fn new(change: impl FnOnce(&mut Sample), last_word: impl FnOnce(&mut Plan)) -> Self {
        let mut sample = Sample::new("/nowhere");
        sample.requests_per_day_max = 1 << 16;
        sample.executions_per_day_max = 1 << 17;
        sample.listen = SocketAddr::from(([127, 0, 0, 1], 1000));
        sample.links = vec![SocketAddr::from(([127, 0, 0, 1], 2000))];
        change(&mut sample);
        let mut plan = sample.plan();
        // The peers of these tests write what they like.
        let sessions = plan.sessions.iter_mut();
        sessions.for_each(|it| it.fix.dictionary = DictionaryPlan::None);
        last_word(&mut plan);
        let network = SharedNetwork::default();
        let desk_host = listen(&network, sample.links[0]);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let start_wall_ns = since.expect("after 1970").as_nanos() as u64;
        let clients_io = MemorySockets::new(network.clone(), assembly::client_connections(&plan));
        let desks_io = MemorySockets::new(network.clone(), 2);
        let stages = assemble(&plan, clients_io, desks_io, start_wall_ns);
        Self {
            stages: Rc::new(RefCell::new(stages)),
            network,
            plan,
            probe: Rc::new(Cell::new(|| 0)),
            allocations: Rc::default(),
            mono_ns: Rc::new(Cell::new(1_000_000_000)),
            start_wall_ns,
            desk_host,
            past: Vec::new(),
            saves_each_record: false,
        }
    }

    /// The process is killed, and another one goes on: every connection is gone, the logs are as they were.
    pub fn restart(&mut self) {
        self.restart_without(0);
    }

    /// The host goes down: so many last records of the client, order and desk log are missing, and the next process is told to go on. It
    /// skips `numbers` sequence numbers.
    pub fn lose_host(&mut self, missing: [usize; 3], numbers: u64) {
        self.restart_after(missing, Some(numbers));
    }

    /// As [`Bench::restart`], killed before it wrote the last so many records of the client log.
    pub fn restart_without(&mut self, records: usize) {
        self.restart_after([records, 0, 0], None);
    }

    fn restart_after(&mut self, missing: [usize; 3], lost_numbers: Option<u64>) {
        let epoch = self.past.len() as u16 + 1;
        let mut files = self.stages.borrow_mut().take_files();
        for at in 0..3 {
            let before = self.past.iter().map(|(_, files)| &files[at][..]);
            let mut sequence = 0;
            let mut ends = vec![0];
            for log in before.chain([&files[at][..]]) {
                let mut chain = Chain::behind(sequence);
                ends = vec![0];
                while let Step::Record(_, taken) = chain.take(&log[*ends.last().unwrap()..]) {
                    ends.push(ends.last().unwrap() + taken);
                }
                sequence = chain.sequence;
            }
            let end = ends[ends.len() - 1 - missing[at]];
            files[at].truncate(end);
        }
        self.past.push((epoch, files));
        self.pass(1_000_000);
        let mut found = self.compare_ways();
        if let Some(numbers) = lost_numbers {
            found.accept_host_loss(&self.plan, self.now(), numbers);
        }
        self.network = SharedNetwork::default();
        self.desk_host = listen(&self.network, self.plan.desks[0].links[0].address);
        let connections = assembly::client_connections(&self.plan);
        let clients_io = MemorySockets::new(self.network.clone(), connections);
        let desks_io = MemorySockets::new(self.network.clone(), 2);
        let stages = go_on(
            &self.plan,
            clients_io,
            desks_io,
            epoch + 1,
            found,
            &self.past,
            self.now(),
        );
        self.stages = Rc::new(RefCell::new(stages));
    }

    /// Whichever log is read first, and whether it is read in one go or snapshots are taken on the way and read back, the same comes of it.
    fn compare_ways(&self) -> Resumption {
        let feed = Feed::of(&self.past);
        let records = feed.records.iter().map(Vec::len).sum::<usize>();
        let known = |replay: Replay| {
            let (rows, end) = (replay.rows(), assembly::day(self.now()));
            let found = replay.finish(end).expect("the same plan");
            (format!("{rows:?} {}", words(&self.plan, &found)), found)
        };
        let all_of = |log: usize| vec![log; feed.records[log].len()];
        let in_turn = |order: [usize; 3]| order.map(all_of).concat();
        let (wanted, found) = known(feed.replay(&self.plan, &in_turn([0, 1, 2]), |_| false));
        let many = self.saves_each_record;
        let orders = [[2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1], [1, 0, 2]];
        let mut ways = orders.map(in_turn)[..if many { 5 } else { 2 }].to_vec();
        for seed in 1..=if many { 5 } else { 2 } {
            let mut random = Random::new(seed + self.mono_ns.get());
            let mut way = ways[0].clone();
            for at in (1..way.len()).rev() {
                way.swap(at, random.below(at as u64 + 1) as usize);
            }
            ways.push(way);
        }
        for (at, way) in ways.iter().enumerate() {
            let save_at = (self.mono_ns.get() as usize / 1_000 + 13 * at) % records.max(1);
            let other = feed.replay(&self.plan, way, |record| record == save_at);
            assert_eq!(known(other).0, wanted, "saved at {save_at} of {way:?}");
        }
        let saved = 1..=if many { records } else { 0 };
        for (save_at, way) in saved.zip(ways.iter().cycle()) {
            let other = feed.replay(&self.plan, way, |record| record == save_at);
            assert_eq!(known(other).0, wanted, "saved at {save_at} of {way:?}");
        }
        found
    }

    /// Takes the link's connection after a restart; the desk goes on with its numbers.
    pub fn desk_again(&self, desk: &mut MemoryConn) {
        self.pass(1_000_000_000);
        self.turn(2);
        let stream = MemoryStream::accept(&self.network, self.desk_host, self.turner());
        desk.attach_stream(stream);
        let logon = desk.read_any().expect("a Logon");
        assert!(
            logon.kind() == "A" && logon.seq() >= desk.next_in,
            "{logon:?}"
        );
        desk.next_in = logon.seq() + 1;
        desk.send("A", &fields("98=0 108=30"));
        self.turn(10);
    }

    /// One turn of the fused layout, and a microsecond.
    pub fn turner(&self) -> Rc<dyn Fn()> {
        let (stages, mono_ns) = (self.stages.clone(), self.mono_ns.clone());
        let (probe, allocations) = (self.probe.clone(), self.allocations.clone());
        let start = self.start_wall_ns;
        Rc::new(move || {
            mono_ns.set(mono_ns.get() + 1_000);
            let now = now_at(start, mono_ns.get());
            let mut stages = stages.borrow_mut();
            let before = probe.get()();
            stages.turn(now);
            allocations.set(allocations.get() + probe.get()() - before);
            stages.journal_turn(now);
        })
    }

    pub fn turn(&self, times: usize) {
        let turn = self.turner();
        for _ in 0..times {
            turn();
        }
    }

    /// Lets time pass at once.
    pub fn pass(&self, ns: u64) {
        self.mono_ns.set(self.mono_ns.get() + ns);
    }

    pub fn now(&self) -> Now {
        now_at(self.start_wall_ns, self.mono_ns.get())
    }

    /// Counts what `probe` counts, from now on, in the gateway's turns alone.
    pub fn count_with(&self, probe: fn() -> u64) {
        self.probe.set(probe);
        self.allocations.set(0);
    }

    /// Since [`Bench::count_with`].
    pub fn allocations(&self) -> u64 {
        self.allocations.get()
    }

    /// Takes the link's connection and logs it on.
    pub fn desk(&self) -> MemoryConn {
        let mut desk = Conn::new(Speaker {
            begin: "FIX.4.4".to_owned(),
            me: "DESK".to_owned(),
            peer: "GATEHOUSE".to_owned(),
        });
        desk.attach_stream(MemoryStream::accept(
            &self.network,
            self.desk_host,
            self.turner(),
        ));
        desk.expect("A");
        desk.send("A", &fields("98=0 108=30"));
        self.turn(10);
        desk
    }

    /// Client of session `at`, not connected.
    pub fn client(&self, at: usize) -> MemoryConn {
        let plan = &self.plan.sessions[at].fix;
        Conn::new(Speaker {
            begin: String::from_utf8_lossy(plan.version.begin_string()).into_owned(),
            me: plan.target_comp_id.to_string_lossy().to_string(),
            peer: plan.sender_comp_id.to_string_lossy().to_string(),
        })
    }

    pub fn connect(&self, client: &mut MemoryConn) {
        let address = self.plan.listeners[0].address;
        client.attach_stream(MemoryStream::connect(&self.network, address, self.turner()));
        client.send("A", &fields("98=0 108=30"));
    }

    pub fn status(&self) -> Box<Snapshot> {
        // Past the next publication, so that the page is up to date.
        self.pass(10_000_000);
        self.turn(2);
        self.stages.borrow().snapshot(self.now())
    }
}

fn now_at(start_wall_ns: u64, mono_ns: u64) -> Now {
    Now {
        mono_ns,
        wall_ns: start_wall_ns + mono_ns,
    }
}

impl<S: Sockets> Stages<S> {
    /// The status page.
    pub fn snapshot(&self, now: Now) -> Box<Snapshot> {
        match reader::read_words(self.page, now.wall_ns) {
            reader::State::Ready(snapshot) => snapshot,
            reader::State::Dead { last, .. } => last,
            other => panic!("{other}"),
        }
    }

    /// As the fused layout turns them.
    pub fn turn(&mut self, now: Now) {
        self.archive.duty_cycle();
        let reports = self.route.duty_cycle(now);
        self.risk.duty_cycle(now);
        let requests = self.decode.duty_cycle(now);
        let checked = self.risk.duty_cycle(now);
        self.route.forward(now);
        let status = [
            (self.route.status(), reports),
            (self.risk.status(), checked),
            (self.decode.status(), requests),
        ];
        for (stage, work) in status {
            stage.cycle(now, now.mono_ns, work);
        }
    }

    /// From now on a journal moves the logs to these files, in the order client, order, desk; with `promptly` each turn syncs.
    pub fn write_to(&mut self, media: &[Rc<Medium>; 3], promptly: bool) {
        let drains = self.logs.drain(..).zip(LOGS).zip(media);
        let drains = drains.map(|((reader, id), medium)| {
            Drain::new(id, Vec::new(), reader, FaultyFile(medium.clone()))
        });
        let status = self.journal_status.take().expect("one journal");
        let journal = JournalStage::new(drains.collect(), status).telling(self.disk.clone());
        self.journal = Some(match promptly {
            true => journal.promptly(),
            false => journal,
        });
    }

    /// What the journal would do.
    pub fn drain(&mut self) {
        self.journal_turn(now_at(0, 0));
    }

    /// One turn of the journal.
    pub fn journal_turn(&mut self, now: Now) {
        if self.is_stalled {
            return;
        }
        if let Some(journal) = &mut self.journal {
            journal.duty_cycle(now);
        }
        let mut files = self.files.borrow_mut();
        for (log, file) in self.logs.iter_mut().zip(&mut *files) {
            while let Some(frame) = log.next() {
                file.extend_from_slice(frame.bytes);
            }
            let cursor = log.cursor();
            log.release(cursor);
        }
    }

    /// All that the logs hold; the stages are of no use any more.
    fn take_files(&mut self) -> [Vec<u8>; 3] {
        // The windows survive the process, whatever the disk does.
        self.is_stalled = false;
        self.drain();
        self.files.take()
    }
}

/// The records of each log.
struct Feed<'a> {
    records: [Vec<(u16, u64, Record<'a>)>; 3],
}

impl<'a> Feed<'a> {
    fn of(past: &'a [Past]) -> Self {
        let records = [0, 1, 2].map(|log| {
            let (mut records, mut sequence) = (Vec::new(), 0);
            for (epoch, files) in past {
                let (mut chain, mut offset) = (Chain::behind(sequence), 0);
                while let Step::Record(record, taken) = chain.take(&files[log][offset..]) {
                    records.push((*epoch, offset as u64, record));
                    offset += taken;
                }
                assert_eq!(offset, files[log].len(), "whole records");
                sequence = chain.sequence;
            }
            records
        });
        Self { records }
    }

    /// Fed as `way` says, with another seed for each; where `saves` says so, what is known goes into a snapshot and back.
    fn replay(&self, plan: &Plan, way: &[usize], saves: impl Fn(usize) -> bool) -> Replay {
        let plan = Arc::new(plan.clone());
        let seed = (way.iter()).fold(7u64, |seed, log| seed.wrapping_mul(31) + *log as u64);
        let mut replay = Replay::new(plan.clone(), seed);
        let mut next = [0; 3];
        for (log, records) in way.iter().zip(1..) {
            let (epoch, offset, record) = &self.records[*log][next[*log]];
            next[*log] += 1;
            let fed = replay.feed(LOGS[*log], *epoch, *offset, record);
            fed.expect("what was written is read");
            if saves(records) {
                replay = saved_and_loaded(&plan, replay, seed + 1);
            }
        }
        replay
    }
}

fn saved_and_loaded(plan: &Arc<Plan>, replay: Replay, seed: u64) -> Replay {
    let (positions, bytes) = (replay.positions(), replay.save());
    let loaded = Replay::load(plan.clone(), seed, &bytes).expect("what was saved is loaded");
    assert_eq!(loaded.positions(), positions);
    loaded
}

/// Of the sessions of these names.
fn numbers(of: &Recovered, names: Vec<String>) -> String {
    let peer = |name: &String| {
        let it = of.peer(name)?;
        let unanswered = it.unanswered.iter().map(|it| (it.epoch, it.sequence));
        let unanswered: Vec<_> = unanswered.collect();
        Some((
            it.next_in,
            it.next_out,
            it.began_wall_ns,
            it.lost,
            unanswered,
        ))
    };
    format!("{:?}", names.iter().map(peer).collect::<Vec<_>>())
}

/// What is compared.
fn words(plan: &Plan, found: &Resumption) -> String {
    let sequence = |of: &ToDesk| (of.cause_sequence, of.cause_output);
    let unsent = [&found.unsent, &found.perhaps_sent];
    let unsent = unsent.map(|of| of.iter().map(sequence).collect::<Vec<_>>());
    let sequence = |of: &ToClient| (of.cause_sequence, of.cause_output);
    let untold: Vec<_> = found.untold.iter().map(sequence).collect();
    let hash = found
        .risk
        .as_ref()
        .map(|risk| (risk.state_hash(), risk.digest()));
    format!(
        "{hash:?} {unsent:?} {untold:?} {:?} {:?} {:?} {:?} {:?} {} {}",
        found.in_flight,
        found.doubts,
        found.refusals,
        found.copies,
        found.sequences,
        numbers(&found.clients, assembly::channel_names(plan, LogId::Client)),
        numbers(&found.links, assembly::channel_names(plan, LogId::Desk)),
    )
}

/// The stages of `plan` over these sockets: clients' and desks'.
pub fn assemble<S: Sockets>(plan: &Plan, clients_io: S, desks_io: S, wall_ns: u64) -> Stages<S> {
    let now = now_at(wall_ns, 0);
    let nothing = Replay::new(Arc::new(plan.clone()), 0);
    let nothing = nothing.finish(assembly::day(now)).expect("no log");
    go_on(plan, clients_io, desks_io, 1, nothing, &[], now)
}

/// The same, after processes that are gone.
fn go_on<S: Sockets>(
    plan: &Plan,
    clients_io: S,
    desks_io: S,
    epoch: u16,
    resumption: Resumption,
    past: &[Past],
    now: Now,
) -> Stages<S> {
    let plan = Arc::new(plan.clone());
    let wall_ns = now.wall_ns;
    let sequences = resumption.sequences;
    let names = assembly::channel_names(&plan, LogId::Client);
    let files = Files::default();
    let old = past.iter().map(|(epoch, files)| (*epoch, files[0].clone()));
    let (archive_port, archive) = archive(OldLogs(old.collect(), files.clone()));
    let archive = archive.with_channels(resumption.clients.channels(&names));
    let (clients, risk, links) = assembly::share(resumption);
    let shape = assembly::shape(&plan);
    let words: Vec<AtomicU64> = (0..page_bytes(&shape).div_ceil(8))
        .map(|_| AtomicU64::new(0))
        .collect();
    let page: Words = Box::leak(words.into_boxed_slice());
    let identity = Identity {
        process_id: 1,
        start_wall_ns: wall_ns,
        boot_id_hash: 1,
    };
    let writers = Page::format(page, &shape, identity).into_writers();
    writers.control.ready();
    let disk = Disk::default();
    let log = |at: usize| {
        let (writer, reader) = byte_log::create(Region::heap(STAGING_BYTES)).expect("a window");
        let names = assembly::channel_names(&plan, LOGS[at]);
        let log = Log::new(LOGS[at], writer).on_disk(disk.clone());
        let beginning = assembly::Beginning {
            gateway: &plan.name,
            epoch,
            before: sequences,
            channels: &names,
            loss: None,
        };
        let log = assembly::begin_log(log, &beginning, now);
        (log.expect("room in the window"), reader)
    };
    let ((client_log, client_end), (order_log, order_end)) = (log(0), log(1));
    let (desk_log, desk_end) = log(2);
    let common = Common::new(plan.clone(), epoch, now);
    let rings = Rings::new(plan.threads.ring_slots);
    let board = assembly::clients(&plan, clients_io, client_log).expect("dictionaries");
    let decode = assembly::decode(&common, clients, board, rings.decode, writers.decode);
    let mut decode = decode.expect("room in the window");
    decode.board().set_archive(archive_port);
    let address = decode.board().listen(0, plan.listeners[0].address);
    let board = assembly::desks(&plan, desks_io, desk_log).expect("dictionaries");
    let route = assembly::route(&common, links, board, rings.route, writers.route);
    let risk = assembly::risk(&common, risk, order_log, rings.risk, writers.risk);
    Stages {
        decode,
        risk: risk.expect("room in the window"),
        route: route.expect("room in the window"),
        ports: common.ports,
        address: address.expect("listens"),
        logs: vec![client_end, order_end, desk_end],
        archive,
        files,
        page,
        disk,
        journal_status: Some(writers.journal),
        journal: None,
        is_stalled: false,
    }
}

/// An order of session `at` to buy 10 at 10, changed as told.
pub fn order(at: usize, id: &str, changes: &str) -> Vec<(u32, String)> {
    let base = format!(
        "11={id} 1={} 55=SYM1 54=1 60={} 38=10 40=2 44=10 21=1",
        gatehouse::config::sample::account_name(at),
        timestamp()
    );
    merge(&base, changes)
}

/// The desk's report on a request.
pub fn report(desk: &mut MemoryConn, request: &Fix, changes: &str) {
    let body = super::desk::Desk::report_fields(request, changes);
    desk.send("8", &body);
}
