//! The gateway's three stages put together by hand on this thread, over sockets in memory and with a clock that the test turns: for
//! what needs every duty cycle under control. The peers are the same text-only ones as over real sockets.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use gatehouse::access::Entitlements;
use gatehouse::config::plan::Plan;
use gatehouse::config::sample::Sample;
use gatehouse::domain::DeskIndex;
use gatehouse::domain::Now;
use gatehouse::domain::directory::Directory;
use gatehouse::io::Sockets;
use gatehouse::journal::{Log, LogId};
use gatehouse::risk::{Risk, RiskPlan, SessionLimits};
use gatehouse::session::ResendPolicy;
use gatehouse::stage::control::ControlPorts;
use gatehouse::stage::copies::Copies;
use gatehouse::stage::decode::{DecodeParts, DecodeStage};
use gatehouse::stage::risk::{RiskParts, RiskStage};
use gatehouse::stage::route::{RouteParts, RouteStage};
use gatehouse::stage::scopes::ScopeBoard;
use gatehouse::stage::{PeerConfig, Role, Switchboard};
use gatehouse::status::page::{Words, page_bytes};
use gatehouse::status::{Identity, Page, Shape, Snapshot, reader};
use ringbuf::byte_log::{self, Reader, Region};
use ringbuf::spsc::spsc;

use super::conn::{Conn, Identity as Speaker};
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
    /// Bound address of the listener.
    pub address: SocketAddr,
    logs: Vec<Reader>,
    page: Words,
}

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
        last_word(&mut plan);
        let network = SharedNetwork::default();
        let desk_host = listen(&network, sample.links[0]);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let start_wall_ns = since.expect("after 1970").as_nanos() as u64;
        let clients_io = MemorySockets::new(network.clone(), connections(&plan));
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
        }
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
            stages.drain();
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

/// Connections on the client side.
pub fn connections(plan: &Plan) -> usize {
    2 * plan.sessions.len() + 4
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

    /// What the journal would do.
    pub fn drain(&mut self) {
        for log in &mut self.logs {
            while log.next().is_some() {}
            let cursor = log.cursor();
            log.release(cursor);
        }
    }
}

/// The stages of `plan` over these sockets: clients' and desks'.
pub fn assemble<S: Sockets>(plan: &Plan, clients_io: S, desks_io: S, wall_ns: u64) -> Stages<S> {
    let shape = Shape {
        sessions: plan.sessions.iter().map(|s| s.name.clone()).collect(),
        links: vec![(
            plan.desks[0].name.clone(),
            plan.desks[0].links[0].name.clone(),
        )],
        accounts: plan
            .accounts
            .iter()
            .map(|a| a.name.to_string_lossy())
            .collect(),
    };
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
    let mut logs = Vec::new();
    let mut log = |id| {
        let (writer, reader) = byte_log::create(Region::heap(STAGING_BYTES)).expect("a window");
        logs.push(reader);
        Log::new(id, writer)
    };
    let slots = plan.threads.ring_slots;
    let (to_risk, from_client) = spsc(slots);
    let (to_client, from_risk) = spsc(slots);
    let (to_desk, requests) = spsc(slots);
    let (reports, from_desk) = spsc(slots);
    let ports = ControlPorts::default();
    let directory = Arc::new(Directory::new(&plan.accounts, &plan.instruments));
    let scopes = ScopeBoard::new(
        plan.accounts.len(),
        plan.sessions.len(),
        plan.instruments.len(),
    );
    let accounts: Vec<_> = plan
        .sessions
        .iter()
        .map(|s| s.accounts.as_slice())
        .collect();
    let limits: Vec<_> = plan
        .sessions
        .iter()
        .map(|session| SessionLimits {
            messages_per_second: session.messages_per_second,
            message_burst: session.message_burst,
            pending_new: session.pending_new,
        })
        .collect();
    let risk = RiskStage::new(RiskParts {
        risk: Risk::new(RiskPlan {
            instruments: &plan.instruments,
            accounts: &plan.accounts,
            positions: &plan.positions,
            sessions: &limits,
            requests_max: plan.state.requests_per_day_max,
            executions_max: plan.state.executions_per_day_max,
            epoch: 1,
            hash_seed: 1,
        }),
        entitlements: Entitlements::new(&accounts, plan.accounts.len()),
        log: log(LogId::Order),
        from_client,
        from_desk,
        to_desk,
        to_client,
        commands: ports.risk.clone(),
        commands_done: ports.risk_done.clone(),
        scopes: scopes.clone(),
        account_desks: plan.account_desks.clone(),
        link_desks: vec![DeskIndex(0)],
        status: writers.risk,
    });
    let clients = plan.sessions.iter().map(|session| PeerConfig {
        fix: session.fix.clone(),
        role: Role::Accept {
            allowed_sources: Vec::new(),
        },
        resend: ResendPolicy::Replay,
        dictionary: None,
    });
    let connections = connections(plan);
    let mut board = Switchboard::new(
        clients_io,
        log(LogId::Client),
        clients.collect(),
        connections,
        10_000_000_000,
    );
    let address = board.listen(0, plan.listeners[0].address).expect("listens");
    let decode = DecodeStage::new(DecodeParts {
        board,
        to_risk,
        from_risk,
        directory: directory.clone(),
        sole_account: plan
            .sessions
            .iter()
            .map(|session| match session.accounts[..] {
                [account] => Some(account),
                _ => None,
            })
            .collect(),
        cancel_on_disconnect: plan
            .sessions
            .iter()
            .map(|session| session.cancel_on_disconnect)
            .collect(),
        copies: Copies::new(&plan.sessions, plan.accounts.len()),
        commands: ports.sessions.clone(),
        answers: ports.numbers_done.clone(),
        status: writers.decode,
    });
    let link = &plan.desks[0].links[0];
    let peer = PeerConfig {
        fix: link.fix.clone(),
        role: Role::Connect {
            address: link.address,
            reconnect_min_ms: link.reconnect_min_ms,
            reconnect_max_ms: link.reconnect_max_ms,
        },
        resend: ResendPolicy::GapFillAll,
        dictionary: None,
    };
    let route = RouteStage::new(RouteParts {
        board: Switchboard::new(desks_io, log(LogId::Desk), vec![peer], 2, 0),
        from_risk: requests,
        to_risk: reports,
        directory,
        scopes,
        links: vec![(DeskIndex(0), link.window as u32)],
        acknowledge_timeout_ns: vec![5_000_000_000],
        account_desks: plan.account_desks.clone(),
        commands: ports.links.clone(),
        answers: ports.numbers_done.clone(),
        status: writers.route,
    });
    Stages {
        decode,
        risk,
        route,
        ports,
        address,
        logs,
        page,
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
