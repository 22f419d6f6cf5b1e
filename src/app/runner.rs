//! Turning the stages: reads the clock, calls `duty_cycle`, idles, and ends in order.
//!
//! One loop per hot thread. The end comes in phases, so that nothing is cut off: clients are logged out while orders still flow
//! back, then links, then the loops stop, then the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::plan::Idle;
use crate::domain::Now;
use crate::io::{LogFile, LogRead, Sockets};
use crate::limits::{
    CYCLE_BOUND_COLD_NS, CYCLE_BOUND_NS, JOURNAL_AWAKE_NS, JOURNAL_IDLE_NS, JOURNAL_IDLE_PROMPT_NS,
    PARK_NS_MAX, RESEND_IDLE_NS,
};
use crate::stage::archive::ArchiveReader;
use crate::stage::decode::DecodeStage;
use crate::stage::journal::JournalStage;
use crate::stage::risk::RiskStage;
use crate::stage::route::RouteStage;
use crate::sys::clock::Clock;

/// How far the end has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Phase {
    /// Working.
    Run,
    /// Clients are being logged out.
    ClientsOut,
    /// Links are being logged out.
    LinksOut,
    /// Loops end.
    Stop,
    /// No loop appends to a log any more: the journal ends.
    Written,
}

/// What the threads and whoever stops them share.
#[derive(Clone, Default)]
pub struct Lifecycle {
    phase: Arc<AtomicU8>,
    clients: Arc<AtomicUsize>,
    links: Arc<AtomicUsize>,
    links_ready: Arc<AtomicUsize>,
    in_flight: Arc<AtomicUsize>,
}

impl Lifecycle {
    /// Goes on to `phase`.
    pub fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Client sessions that are connected.
    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::Acquire)
    }

    /// Links that are connected.
    pub fn links(&self) -> usize {
        self.links.load(Ordering::Acquire)
    }

    /// Links that may carry orders.
    pub fn links_ready(&self) -> usize {
        self.links_ready.load(Ordering::Acquire)
    }

    /// Requests that desks have not answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Whether `phase` has begun.
    pub fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Acquire) >= phase as u8
    }
}

/// Something that a hot thread turns.
pub trait Turn {
    /// One turn; returns how much was done.
    fn turn(&mut self, clock: &mut Clock) -> usize;
    /// Sleeps until something may have happened, at most `ns`.
    fn wait(&mut self, ns: u64);
    /// Tells the status page on which core it runs.
    fn placed(&self, core: Option<usize>);
    /// Nothing follows: closes its logs.
    fn end(&mut self, now: Now);
}

/// Turns until the end.
pub fn run(turning: &mut impl Turn, mut clock: Clock, lifecycle: &Lifecycle, idle: Idle) {
    while !lifecycle.is_in(Phase::Stop) {
        if turning.turn(&mut clock) > 0 {
            continue;
        }
        match idle {
            Idle::Spin | Idle::Auto => std::hint::spin_loop(),
            Idle::Yield => std::thread::yield_now(),
            Idle::Park => turning.wait(PARK_NS_MAX),
        }
    }
    turning.end(clock.now());
}

/// The decode stage and its part of the end.
pub struct DecodeTurn<S: Sockets> {
    stage: DecodeStage<S>,
    lifecycle: Lifecycle,
    leaving: bool,
}

impl<S: Sockets> DecodeTurn<S> {
    /// Working until the lifecycle says otherwise.
    pub fn new(stage: DecodeStage<S>, lifecycle: Lifecycle) -> Self {
        Self {
            stage,
            lifecycle,
            leaving: false,
        }
    }
}

impl<S: Sockets> Turn for DecodeTurn<S> {
    fn turn(&mut self, clock: &mut Clock) -> usize {
        let now = clock.now();
        if !self.leaving && self.lifecycle.is_in(Phase::ClientsOut) {
            self.leaving = true;
            self.stage.log_out(now, "Gateway is going down");
        }
        let work = self.stage.duty_cycle(now);
        self.lifecycle
            .clients
            .store(self.stage.board().connected(), Ordering::Release);
        self.stage.status().cycle(now, clock.now().mono_ns, work);
        work
    }

    fn wait(&mut self, ns: u64) {
        self.stage.board().sockets().wait(ns);
    }

    fn placed(&self, core: Option<usize>) {
        self.stage.status().set_thread(CYCLE_BOUND_NS, core);
    }

    fn end(&mut self, now: Now) {
        self.stage.board().log().end(now.wall_ns);
    }
}

impl Turn for RiskStage {
    fn turn(&mut self, clock: &mut Clock) -> usize {
        let now = clock.now();
        let work = self.duty_cycle(now);
        self.status().cycle(now, clock.now().mono_ns, work);
        work
    }

    fn wait(&mut self, ns: u64) {
        std::thread::sleep(Duration::from_nanos(ns));
    }

    fn placed(&self, core: Option<usize>) {
        self.status().set_thread(CYCLE_BOUND_NS, core);
    }

    fn end(&mut self, now: Now) {
        self.log().end(now.wall_ns);
    }
}

/// The route stage and its part of the end.
pub struct RouteTurn<S: Sockets> {
    stage: RouteStage<S>,
    lifecycle: Lifecycle,
    leaving: bool,
}

impl<S: Sockets> RouteTurn<S> {
    /// Working until the lifecycle says otherwise.
    pub fn new(stage: RouteStage<S>, lifecycle: Lifecycle) -> Self {
        Self {
            stage,
            lifecycle,
            leaving: false,
        }
    }
}

impl<S: Sockets> Turn for RouteTurn<S> {
    fn turn(&mut self, clock: &mut Clock) -> usize {
        let now = clock.now();
        if !self.leaving && self.lifecycle.is_in(Phase::LinksOut) {
            self.leaving = true;
            self.stage.log_out(now);
        }
        let work = self.stage.duty_cycle(now);
        self.lifecycle
            .links
            .store(self.stage.board().connected(), Ordering::Release);
        self.lifecycle
            .links_ready
            .store(self.stage.links_ready(), Ordering::Release);
        self.lifecycle
            .in_flight
            .store(self.stage.in_flight(), Ordering::Release);
        self.stage.status().cycle(now, clock.now().mono_ns, work);
        work
    }

    fn wait(&mut self, ns: u64) {
        self.stage.board().sockets().wait(ns);
    }

    fn placed(&self, core: Option<usize>) {
        self.stage.status().set_thread(CYCLE_BOUND_NS, core);
    }

    fn end(&mut self, now: Now) {
        self.stage.board().log().end(now.wall_ns);
    }
}

/// The three stages on one thread: run to completion, so that an order and a report each pass in one turn.
pub struct Fused<S: Sockets, T: Sockets> {
    /// Client side.
    pub decode: DecodeTurn<S>,
    /// The sequencer.
    pub risk: RiskStage,
    /// Desk side.
    pub route: RouteTurn<T>,
}

impl<S: Sockets, T: Sockets> Turn for Fused<S, T> {
    fn turn(&mut self, clock: &mut Clock) -> usize {
        // Reports: desk to client. Then requests: client to desk.
        let mut work = self.route.turn(clock);
        work += self.risk.turn(clock);
        let requests = self.decode.turn(clock);
        if requests > 0 {
            work += requests + self.risk.turn(clock);
            work += self.route.stage.forward(clock.now());
        }
        work
    }

    fn wait(&mut self, ns: u64) {
        self.decode.wait(ns / 2);
        self.route.wait(ns / 2);
    }

    fn placed(&self, core: Option<usize>) {
        self.decode.placed(core);
        self.risk.placed(core);
        self.route.placed(core);
    }

    fn end(&mut self, now: Now) {
        self.decode.end(now);
        self.risk.end(now);
        self.route.end(now);
    }
}

/// The reader of old messages, on its own thread: sleeps when nothing is asked.
pub fn archive<R: LogRead>(mut reader: ArchiveReader<R>, lifecycle: &Lifecycle) {
    while !lifecycle.is_in(Phase::Stop) {
        if reader.duty_cycle() == 0 {
            std::thread::sleep(Duration::from_nanos(RESEND_IDLE_NS));
        }
    }
}

/// The journal, on its own thread: sleeps when there is nothing, and empties the logs at the end.
pub fn journal<F: LogFile>(mut stage: JournalStage<F>, mut clock: Clock, lifecycle: &Lifecycle) {
    stage.status().set_thread(CYCLE_BOUND_COLD_NS, None);
    let mut worked_ns = 0;
    while !lifecycle.is_in(Phase::Written) {
        let now = clock.now();
        let records = stage.duty_cycle(now);
        stage.status().cycle(now, clock.now().mono_ns, records);
        if records > 0 {
            worked_ns = now.mono_ns;
        } else if stage.is_prompt() && !stage.has_failed() {
            // Somebody will wait for the next record: the thread stays awake for a while, and then sleeps lightly.
            match now.mono_ns - worked_ns < JOURNAL_AWAKE_NS {
                true => std::thread::yield_now(),
                false => std::thread::sleep(Duration::from_nanos(JOURNAL_IDLE_PROMPT_NS)),
            }
        } else {
            std::thread::sleep(Duration::from_nanos(JOURNAL_IDLE_NS));
        }
    }
    stage.finish(clock.now());
}
