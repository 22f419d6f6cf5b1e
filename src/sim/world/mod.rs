//! The virtual world: the production gateway on one thread between clients and a desk, on a network, a disk and a clock that a seed rules.
//!
//! ```text
//! seed -> plan, events -> (event -> turns of desk, clients, gateway, journal -> checks)* -> faults stop -> everything settles -> ledgers
//! ```
//!
//! One thread owns all of it. The same seed and the same events give the same bytes, which the trace proves. After every turn the witness
//! reads the logs; after every event the book's sums are proved; at the end the ledgers of clients, gateway and desk must agree, and what a
//! replay of the logs knows must be what the stages know.

pub mod campaign;
pub mod checks;
pub mod client;
pub mod client_ledger;
pub mod clock;
pub mod counts;
pub mod desk;
pub mod disk;
pub mod events;
mod faults;
pub mod fix_text;
pub mod hostile;
pub mod net;
mod plan;
pub mod process;
pub mod restart;
mod settle;
pub mod shrink;
pub mod sockets;
pub mod story;
pub mod witness;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use self::client::Client;
use self::clock::VirtualClock;
use self::counts::Counts;
use self::desk::Desk;
use self::disk::Disk;
use self::events::Event;
use self::hostile::Strangers;
use self::net::Network;
use self::process::{HOSTS, Process};
use self::witness::Witness;
use crate::config::plan::Plan;
use crate::config::sample::{account_name, client_comp_id};
use crate::domain::DeskIndex;
use crate::domain::command::RiskCommand;
use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::sim::random::Random;

const CLIENTS: usize = 3;
const LINKS: usize = 2;
const INSTRUMENTS: usize = 2;
const DESK: DeskIndex = DeskIndex(0);
/// Turns of everything at one time, at most.
const ROUNDS: usize = 12;
/// Longest step of time: timers are not missed by more.
const STRIDE_NS: u64 = NS_PER_S;
/// Turns after which what a lost link left must have been reported in doubt.
const TURNS_OF_DOUBT: u32 = 200;

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was wrong, and after which event; `None` event: while things should have settled, or at the end
    pub finding: Option<(Option<usize>, String)>,
    /// Hash over everything delivered, the state and the logs
    pub trace: u64,
    /// What happened
    pub counts: Counts,
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
    /// The newest one that was made beside a process
    snapshot: Option<Vec<u8>>,
    desk: Desk,
    clients: Vec<Client>,
    /// Receives copies of what they are told
    receiver: Client,
    strangers: Strangers,
    witness: Witness,
    /// The journal does nothing until then
    stalled_until_ns: u64,
    /// Where there is no process: when the next one starts
    start_at_ns: u64,
    /// When somebody has repaired the disk, and starts the gateway anew
    repaired_at_ns: u64,
    /// The process dies with its host
    host_goes: bool,
    /// The next start is told to accept that
    has_lost: bool,
    /// When an operator has settled with the desk what it has, or why it was held, and releases it
    release_at_ns: Option<u64>,
    /// Start number of the process, and of the first one of its trading day
    epoch: u16,
    first_epoch: u16,
    /// Turns since requests of a lost link wait to be reported
    turns_of_doubt: u32,
    counts: Counts,
}

/// Where clients connect, and where the links listen.
fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl World {
    /// Everything is there but the process, and nobody is connected. In some worlds the day ends soon.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let plan = Arc::new(plan::make(&mut random));
        let others = LINKS + CLIENTS + 2;
        let net = Network::new(HOSTS.len() + others, random.next_u64());
        let net = Rc::new(RefCell::new(net));
        let disk = Rc::new(RefCell::new(Disk::default()));
        let desk = Desk::new(&plan::links(&plan), &net, HOSTS.len(), &mut random);
        let first = HOSTS.len() + LINKS;
        let client = |at: usize| {
            let (name, account) = (client_comp_id(at), account_name(at));
            let mut client = Client::new(name, account, address(1), &net, first + at);
            client.wants = true;
            client
        };
        let mut receiver = client(CLIENTS);
        receiver.is_receiver = true;
        let clients = (0..CLIENTS).map(client).collect();
        let strangers = Strangers::new(&net, first + CLIENTS + 1, address(1));
        let before_midnight = random.below(4) == 0;
        let clock = VirtualClock::new(before_midnight.then(|| random.below(8 * NS_PER_S)));
        net.borrow_mut().set_now(clock.now().mono_ns);
        let witness = Witness::new(plan.waits_for_disk());
        Self {
            counts: Counts {
                at_l1: plan.waits_for_disk() as u64,
                ..Counts::default()
            },
            plan,
            clock,
            net,
            disk,
            process: None,
            snapshot: None,
            desk,
            clients,
            receiver,
            strangers,
            witness,
            stalled_until_ns: 0,
            start_at_ns: 0,
            repaired_at_ns: 0,
            host_goes: false,
            has_lost: false,
            release_at_ns: None,
            epoch: 0,
            first_epoch: 1,
            turns_of_doubt: 0,
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
        let ledgers = self.clients.iter().map(|it| &it.ledger);
        self.counts.orders = ledgers.map(|it| it.orders.len() as u64).sum();
        self.counts.records += self.witness.records.len() as u64;
        self.counts.copies = self.receiver.received;
        self.counts.strangers = self.strangers.came;
        Outcome {
            finding,
            trace: self.trace(),
            counts: self.counts,
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
            let mut work = self.desk.step(now) + self.strangers.step(now);
            for client in self.clients.iter_mut().chain([&mut self.receiver]) {
                work += client.step(now)?;
            }
            if self.process.is_none() && now.mono_ns >= self.start_at_ns {
                self.start()?;
            }
            let Some(process) = &mut self.process else {
                if work == 0 {
                    break;
                }
                continue;
            };
            if self.release_at_ns.is_some_and(|at_ns| now.mono_ns >= at_ns) {
                self.release_at_ns = None;
                process.command(RiskCommand::ReleaseDesk(DESK), now.mono_ns);
            }
            work += process.turn(at_gateway);
            process.show(&mut self.witness)?;
            if !process.is_dead() && now.mono_ns >= self.stalled_until_ns {
                work += process.journal(at_gateway);
            }
            if process.is_dead() {
                process.show(&mut self.witness)?;
                self.bury()?;
                continue;
            }
            self.look_at_disk();
            self.look_at_doubts()?;
            if work == 0 {
                break;
            }
        }
        Ok(())
    }

    /// What a lost link left unanswered is reported, and soon, but while the disk stands still: a full window stops the stages behind it.
    fn look_at_doubts(&mut self) -> Result<(), String> {
        let waiting = self.process.as_ref();
        let waiting = waiting.map_or(0, |process| process.gateway.route.unreported());
        let is_stalled = self.clock.now().mono_ns < self.stalled_until_ns;
        self.turns_of_doubt = if waiting == 0 || is_stalled {
            0
        } else {
            self.turns_of_doubt + 1
        };
        match self.turns_of_doubt > TURNS_OF_DOUBT {
            true => Err(format!(
                "{waiting} requests of lost links are not reported in doubt"
            )),
            false => Ok(()),
        }
    }

    fn check(&self) -> Result<(), String> {
        match &self.process {
            Some(process) => process.gateway.risk.risk().check_invariants(),
            None => Ok(()),
        }
    }
}
