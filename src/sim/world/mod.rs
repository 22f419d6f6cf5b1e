//! The virtual world: the production gateway on one thread between clients and a desk, on a network, a disk and a clock that a seed rules.
//!
//! ```text
//! seed -> plan, events -> (event -> turns of desk, clients, gateway, journal -> checks)* -> faults stop -> everything settles -> ledgers
//! ```
//!
//! One thread owns all of it. The same seed and the same events give the same bytes, which the trace proves. After every turn the witness
//! reads the logs; after every event the book's sums are proved; at the end the ledgers of clients, gateway and desk must agree.

pub mod checks;
pub mod client;
pub mod client_ledger;
pub mod clock;
pub mod desk;
pub mod disk;
pub mod events;
pub mod fix_text;
pub mod net;
pub mod process;
pub mod shrink;
pub mod sockets;
pub mod story;
pub mod witness;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use self::client::{Client, Manner};
use self::client_ledger::Asked;
use self::clock::VirtualClock;
use self::desk::Desk;
use self::disk::Disk;
use self::events::{Event, Kind};
use self::net::{Network, Weather};
use self::process::{HOSTS, Process};
use self::witness::Witness;
use crate::config::plan::Plan;
use crate::config::sample::{Sample, account_name, client_comp_id};
use crate::domain::command::{CommandInput, RiskCommand, Scope};
use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::domain::{AccountIndex, InstrumentIndex, SessionIndex, Text};
use crate::sim::random::Random;

const CLIENTS: usize = 3;
const LINKS: usize = 2;
const INSTRUMENTS: usize = 2;
/// Turns of everything at one time, at most.
const ROUNDS: usize = 12;
/// Virtual time in which everything must have settled once faults have stopped.
const SETTLE_NS: u64 = 180 * NS_PER_S;
/// A message that was lost unseen is missed at the next heartbeat: everybody has sent one by then, and what it led to is done.
const HEARTBEATS_NS: u64 = 65 * NS_PER_S;
/// Longest step of time: timers are not missed by more.
const STRIDE_NS: u64 = NS_PER_S;

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was wrong, and after which event; `None` event: while things should have settled, or at the end
    pub finding: Option<(Option<usize>, String)>,
    /// Hash over everything delivered, the state and the logs
    pub trace: u64,
    /// Orders that clients gave to their sessions
    pub orders: u64,
    /// Records in the logs
    pub records: u64,
    /// Process deaths lived through
    pub deaths: u64,
    /// What happened to the orders concerned, where something was wrong
    pub story: Vec<String>,
}

/// The world.
pub struct World {
    plan: Arc<Plan>,
    clock: VirtualClock,
    net: Rc<RefCell<Network>>,
    disk: Rc<RefCell<Disk>>,
    process: Option<Process>,
    desk: Desk,
    clients: Vec<Client>,
    witness: Witness,
    /// The journal does nothing until then
    stalled_until_ns: u64,
    /// Where there is no process: when the next one starts
    start_at_ns: u64,
    deaths: u64,
}

/// Where clients connect, and where the links listen.
fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn make_plan(random: &mut Random) -> Plan {
    let mut sample = Sample::new("/nowhere");
    (sample.sessions, sample.accounts) = (CLIENTS, CLIENTS);
    (sample.instruments, sample.lot) = (INSTRUMENTS, 10);
    sample.listen = address(1);
    sample.links = (0..LINKS).map(|at| address(10 + at as u16)).collect();
    sample.staging_bytes = 1 << 18;
    sample.requests_per_day_max = 1 << 12;
    sample.executions_per_day_max = 1 << 13;
    sample.window = random.between(4, 64) as usize;
    let mut plan = sample.plan();
    plan.threads.ring_slots = crate::limits::RING_SLOTS_MIN;
    plan.listeners[0].connections_max = 64;
    for link in plan.desks.iter_mut().flat_map(|desk| &mut desk.links) {
        (link.reconnect_min_ms, link.reconnect_max_ms) = (20, 400);
    }
    plan.sessions[1].pending_new = random.below(2) == 0;
    plan.sessions[2].cancel_on_disconnect = random.below(3) == 0;
    plan
}

impl World {
    /// Everything is there but the process, and nobody is connected. The day ends soon in some worlds, where it `may_end`: orders end with it
    /// for a process that starts.
    pub fn new(seed: u64, may_end: bool) -> Self {
        let mut random = Random::new(seed);
        let plan = Arc::new(make_plan(&mut random));
        let net = Network::new(HOSTS.len() + LINKS + CLIENTS, random.next_u64());
        let net = Rc::new(RefCell::new(net));
        let disk = Rc::new(RefCell::new(Disk::default()));
        let links: Vec<_> = plan.desks[0]
            .links
            .iter()
            .map(|link| link.address)
            .collect();
        let desk = Desk::new(&links, &net, HOSTS.len(), &mut random);
        let clients = (0..CLIENTS).map(|at| {
            let host = HOSTS.len() + LINKS + at;
            let mut client =
                Client::new(client_comp_id(at), account_name(at), address(1), &net, host);
            client.wants = true;
            client
        });
        let clients = clients.collect();
        let clock = VirtualClock::new(random.below(4) == 0 && may_end);
        net.borrow_mut().set_now(clock.now().mono_ns);
        Self {
            plan,
            clock,
            net,
            disk,
            process: None,
            desk,
            clients,
            witness: Witness::default(),
            stalled_until_ns: 0,
            start_at_ns: 0,
            deaths: 0,
        }
    }

    /// Runs these events, then lets everything settle, then compares.
    pub fn run(mut self, events: &[Event]) -> Outcome {
        let finding = self.play(events).err();
        let mut story = Vec::new();
        if let Some((_, what)) = &finding {
            story = story::tell(&self.witness, what);
            let clients = self.clients.iter().enumerate();
            let concerned = clients.filter(|(at, _)| what.contains(&format!("client {at}")));
            story.extend(concerned.flat_map(|(_, client)| client.heard.iter().cloned()));
        }
        Outcome {
            finding,
            trace: self.trace(),
            orders: self
                .clients
                .iter()
                .map(|it| it.ledger.orders.len() as u64)
                .sum(),
            records: self.witness.records.len() as u64,
            deaths: self.deaths,
            story,
        }
    }

    fn play(&mut self, events: &[Event]) -> Result<(), (Option<usize>, String)> {
        self.go_on(200 * NS_PER_MS).map_err(|what| (None, what))?;
        for event in events {
            let done = self.happen(event).and_then(|()| self.go_on(event.wait_ns));
            let checked = done.and_then(|()| self.check());
            checked.map_err(|what| (Some(event.at), what))?;
        }
        self.settle().map_err(|what| (None, what))
    }

    /// A hash over all that was delivered, the risk state and the logs' ends.
    pub fn trace(&self) -> u64 {
        let state = self
            .process
            .as_ref()
            .map_or(0, |process| process.gateway.risk.risk().state_hash());
        let [client, order, desk] = self.witness.sequences();
        let trace = self.net.borrow().trace();
        let operations = self.disk.borrow().operations;
        [
            state,
            client,
            order,
            desk,
            operations,
            self.clock.elapsed_ns(),
        ]
        .into_iter()
        .fold(trace, |hash, part| {
            (hash.rotate_left(7) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
    }

    fn happen(&mut self, event: &Event) -> Result<(), String> {
        let mut random = event.random();
        let now = self.clock.now();
        let at = random.below(CLIENTS as u64) as usize;
        let client = &mut self.clients[at];
        match event.kind {
            Kind::Order => client.new_order(now, &mut random, INSTRUMENTS as u64),
            Kind::Burst => {
                for _ in 0..random.between(2, 30) {
                    client.new_order(now, &mut random, INSTRUMENTS as u64);
                }
            }
            Kind::Cancel => client.change(now, &mut random, Asked::Cancel),
            Kind::Replace => client.change(now, &mut random, Asked::Replace),
            Kind::MassStatus => client.mass(now, false),
            Kind::MassCancel => client.mass(now, true),
            Kind::Desk => self.desk.act(now, &mut random),
            Kind::Wait => {}
            Kind::Nonsense => {
                client.manner = Manner::Buggy;
                client.nonsense(now, &mut random);
            }
            Kind::Sleep => {
                let until_ns = now.mono_ns + random.between(NS_PER_MS, 3 * NS_PER_S);
                client.sleeps_until_ns = until_ns;
            }
            Kind::Leave => client.leave(now, random.below(2) == 0),
            Kind::Logout => client.log_out(now),
            Kind::Reset | Kind::Silence => self.break_wire(event.kind, &mut random),
            Kind::Weather => {
                let slow = [100_000, 1_000_000, 30 * NS_PER_MS][random.below(3) as usize];
                self.net.borrow_mut().weather = Weather {
                    delay_min_ns: 1_000,
                    delay_max_ns: slow,
                    split_percent: random.below(90),
                };
            }
            Kind::Jump => {
                let by_s = random.between(0, 100) as i64 - 50;
                self.clock.jump(by_s * NS_PER_S as i64);
            }
            Kind::Stall => {
                self.stalled_until_ns = now.mono_ns + random.between(NS_PER_MS, 2 * NS_PER_S);
            }
            Kind::Operator => self.command(&mut random),
            Kind::Kill => {
                if let Some(process) = &self.process {
                    process.die_after(random.below(60));
                }
            }
        }
        Ok(())
    }

    fn break_wire(&mut self, kind: Kind, random: &mut Random) {
        let mut net = self.net.borrow_mut();
        let alive = net.alive(&HOSTS);
        if alive.is_empty() {
            return;
        }
        let wire = alive[random.below(alive.len() as u64) as usize];
        match kind {
            Kind::Silence => net.silence(wire, random.below(2) as usize),
            _ => net.reset(wire),
        }
    }

    fn command(&mut self, random: &mut Random) {
        let scope = match random.below(4) {
            0 => Scope::Firm,
            1 => Scope::Account(AccountIndex(random.below(CLIENTS as u64) as u32)),
            2 => Scope::Session(SessionIndex(random.below(CLIENTS as u64) as u32)),
            _ => Scope::Instrument(InstrumentIndex(random.below(INSTRUMENTS as u64) as u32)),
        };
        let command = match random.below(6) {
            0 => RiskCommand::Block(scope),
            1 => RiskCommand::Kill(scope),
            2 | 3 => RiskCommand::Unblock(scope),
            _ => RiskCommand::Release(scope),
        };
        if let Some(process) = &mut self.process {
            let input = CommandInput {
                ticket: random.next_u64(),
                user: Text::cut(b"operator"),
                command,
            };
            let _ = process.gateway.ports.risk.push(input);
            while process.gateway.ports.risk_done.pop().is_some() {}
        }
    }

    /// Time passes, and whatever is due is done.
    fn go_on(&mut self, ns: u64) -> Result<(), String> {
        let until_ns = self.clock.now().mono_ns + ns;
        loop {
            self.turn_all()?;
            let now_ns = self.clock.now().mono_ns;
            if now_ns >= until_ns {
                return Ok(());
            }
            let net_ns = self.net.borrow().next_due_ns();
            let due_ns = [net_ns, self.desk.book().next_due_ns()]
                .into_iter()
                .flatten()
                .min();
            let next_ns = due_ns.unwrap_or(u64::MAX).max(now_ns + 50_000);
            self.clock
                .pass(next_ns.min(until_ns).min(now_ns + STRIDE_NS) - now_ns);
        }
    }

    /// Everybody's turn, until nobody has anything to do at this time.
    fn turn_all(&mut self) -> Result<(), String> {
        let (now, at_gateway) = (self.clock.now(), self.clock.of_gateway());
        self.net.borrow_mut().set_now(now.mono_ns);
        for _ in 0..ROUNDS {
            let mut work = self.desk.step(now);
            for client in &mut self.clients {
                work += client.step(now)?;
            }
            if self.process.is_none() && now.mono_ns >= self.start_at_ns {
                self.start()?;
            }
            if let Some(process) = &mut self.process {
                work += process.turn(at_gateway);
                process.show(&mut self.witness)?;
                if process.is_dead() {
                    self.bury();
                    continue;
                }
                if now.mono_ns >= self.stalled_until_ns {
                    work += process.journal(at_gateway);
                }
            }
            if work == 0 {
                break;
            }
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        let epoch = self.deaths as u16 + 1;
        let now = self.clock.of_gateway();
        let process = Process::start(&self.plan, epoch, now, &self.net, &self.disk)?;
        self.process = Some(process);
        Ok(())
    }

    /// What the process left in its windows goes to the disk, as the next start takes it over; its connections end.
    fn bury(&mut self) {
        let Some(process) = self.process.take() else {
            return;
        };
        self.deaths += 1;
        let mut random = Random::new(self.trace_seed());
        for (log, left) in process.windows().into_iter().enumerate() {
            self.disk.borrow_mut().take_over(log, &left);
        }
        self.witness.new_windows();
        let lose = random.below(2) == 0;
        self.net.borrow_mut().host_dies(&HOSTS, lose);
        let now_ns = self.clock.now().mono_ns;
        self.start_at_ns = now_ns + random.between(NS_PER_MS, 500 * NS_PER_MS);
    }

    /// A number that depends on how often it died, and when.
    fn trace_seed(&self) -> u64 {
        self.clock.elapsed_ns() ^ self.deaths.rotate_left(40)
    }

    fn check(&self) -> Result<(), String> {
        match &self.process {
            Some(process) => process.gateway.risk.risk().check_invariants(),
            None => Ok(()),
        }
    }

    /// Faults stop. Everything must settle, and then all must agree.
    fn settle(&mut self) -> Result<(), String> {
        self.net.borrow_mut().weather = Weather::default();
        self.net.borrow_mut().break_silent();
        self.stalled_until_ns = 0;
        for client in &mut self.clients {
            client.sleeps_until_ns = 0;
        }
        let from_ns = self.clock.now().mono_ns;
        let until_ns = from_ns + SETTLE_NS;
        let (mut before, mut quiet) = (None, 0);
        while quiet < 3 || self.clock.now().mono_ns < from_ns + HEARTBEATS_NS {
            self.go_on(STRIDE_NS)?;
            self.check()?;
            let seen = (self.witness.sequences()[witness::ORDER], self.state());
            quiet = match before.as_ref() == Some(&seen) && seen.1 == "settled" {
                true => quiet + 1,
                false => 0,
            };
            if self.clock.now().mono_ns > until_ns {
                return Err(format!("not settled: {}", seen.1));
            }
            before = Some(seen);
        }
        self.witness.unfinished()?;
        match &self.process {
            Some(process) => {
                let risk = process.gateway.risk.risk();
                checks::ledgers(&self.plan, risk, &self.clients, &self.desk)
            }
            None => Err("the gateway is not there".to_owned()),
        }
    }

    /// `settled`, or what is not.
    fn state(&self) -> String {
        if let Some(client) = self.clients.iter().find(|client| !client.is_settled()) {
            return client.describe();
        }
        let ready = self
            .process
            .as_ref()
            .map(|process| process.gateway.route.links_ready());
        if ready != Some(LINKS) || self.desk.links_up() != LINKS {
            return format!(
                "links: {ready:?} at the gateway, {} at the desk",
                self.desk.links_up()
            );
        }
        let in_flight = self
            .process
            .as_ref()
            .map_or(0, |process| process.gateway.route.in_flight());
        if in_flight > 0 {
            return format!("{in_flight} requests are in flight");
        }
        "settled".to_owned()
    }
}
