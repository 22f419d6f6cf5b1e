//! The open-loop load client: many FIX sessions on one thread, a schedule that never waits for answers, a ledger and histograms.
//!
//! ```text
//! Connecting -> Running -> Draining -> LoggingOut -> Done
//! ```
//!
//! One thread owns it. Latency is taken from the intended send time to the first deciding answer; what was due during the warm-up
//! is sent and booked but not measured. What a session that is down should have sent is skipped and counted, and the run
//! counts as "rate not achieved". All memory is made and sized beforehand.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::domain::{FixVersion, Now, Price, Quantity};
use crate::io::Sockets;
use crate::journal::Cause;
use crate::limits::{SIM_LOAD_CHANGEABLE_MAX, SIM_LOAD_SENDS_PER_CYCLE};
use crate::sim::endpoint::{self, Endpoint};
use crate::sim::histogram::{Latency, TimedLatency};
use crate::sim::ledger_file;
use crate::sim::line_events::{LineEvent, LineEvents};
use crate::sim::load_codec::{self, LoadRequest, RequestKind, RunPrefix};
use crate::sim::load_ledger::{Effect, LoadLedger, Record};
use crate::sim::load_result::{LoadResult, Rate};
use crate::sim::load_schedule::Schedule;
use crate::sim::random::Random;
use crate::stage::{Application, PeerEvent, Role, Stranger, Verdict};
use crate::wire::fix::{Message, MsgType};

/// All sessions have logged on by then, or the run fails.
const LOGON_NS: u64 = 10 * NS_PER_S;
/// So many times longer where the other side may die and come back meanwhile.
const RECONNECT_PATIENCE: u64 = 6;
/// Between the last logon and the first message.
const START_DELAY_NS: u64 = 10 * NS_PER_MS;
/// Everything is answered, and nothing came for so long: it is over.
const SETTLE_NS: u64 = 100 * NS_PER_MS;
/// How long logouts may take.
const LOGOUT_NS: u64 = 3 * NS_PER_S;

/// Shares of the kinds of requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mix {
    /// 35=D
    pub new: u32,
    /// 35=F
    pub cancel: u32,
    /// 35=G
    pub replace: u32,
}

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Where to connect
    pub address: SocketAddr,
    /// How many sessions; they are named prefix and number, from one
    pub sessions: usize,
    /// SenderCompID(49) before the number
    pub sender_prefix: String,
    /// TargetCompID(56)
    pub target: String,
    /// BeginString(8)
    pub version: FixVersion,
    /// Account(1) before the session's number
    pub account_prefix: String,
    /// Symbol(55) before the number
    pub symbol_prefix: String,
    /// How many symbols, from one
    pub symbols: usize,
    /// Requests per second over all sessions
    pub rate: u64,
    /// Requests in all, warm-up included
    pub requests: u64,
    /// Not measured, from the start
    pub warmup_ns: u64,
    /// Kinds of requests
    pub mix: Mix,
    /// Around which orders are priced
    pub price: Price,
    /// By which prices differ
    pub tick: Price,
    /// OrderQty(38)
    pub quantity: Quantity,
    /// Share of sells
    pub sell_percent: u32,
    /// Of sides, symbols, prices and kinds
    pub seed: u64,
    /// Before the number in ClOrdID(11): differs from run to run
    pub prefix: RunPrefix,
    /// How long answers may take after the last request
    pub drain_ns: u64,
    /// While so many requests have no answer, what is due is skipped and counted, as where a session is down
    pub open_max: u64,
    /// Whether sessions that are lost come back and go on with their numbers. Else each logon begins anew, and a lost session fails
    /// the run
    pub reconnect: bool,
}

/// Counters that another thread may read while it runs.
#[derive(Debug, Default)]
pub struct LoadProgress {
    /// Requests sent.
    pub sent: AtomicU64,
    /// Requests acknowledged.
    pub acknowledged: AtomicU64,
    /// Requests rejected.
    pub rejected: AtomicU64,
    /// Longest time from an intended to an actual sending, in nanoseconds.
    pub lag_max_ns: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Connecting { until_ns: u64 },
    Running,
    Draining { until_ns: u64 },
    LoggingOut { until_ns: u64 },
    Done,
}

/// Everything but the sockets.
pub(super) struct Run {
    pub(super) config: LoadConfig,
    accounts: Vec<String>,
    pub(super) symbols: Vec<String>,
    up: Vec<bool>,
    lines: LineEvents,
    sessions_lost: u64,
    pub(super) ledger: LoadLedger,
    /// Orders of each session that may be cancelled or replaced.
    pub(super) changeable: Vec<Vec<u32>>,
    pub(super) random: Random,
    schedule: Schedule,
    measure_from_ns: u64,
    measure_from_wall_ns: u64,
    unresolved: u64,
    unsent: u64,
    rejected_messages: u64,
    last_answer_ns: u64,
    acknowledged: TimedLatency,
    pending: TimedLatency,
    rejected: TimedLatency,
    changed: TimedLatency,
    lag: Latency,
    rate: Rate,
    progress: Arc<LoadProgress>,
}

/// The client.
pub struct LoadClient<S: Sockets> {
    endpoint: Endpoint<S>,
    run: Run,
    phase: Phase,
    failure: Option<String>,
}

struct Receiver<'a, C: FnMut() -> Now> {
    run: &'a mut Run,
    clock: &'a mut C,
}

impl<C: FnMut() -> Now> Application for Receiver<'_, C> {
    fn has_room(&mut self) -> bool {
        true
    }

    fn on_message(&mut self, peer: usize, _: Now, _: u64, message: &Message<'_>) -> Verdict {
        let now = (self.clock)();
        self.run.on_answer(peer, now, message);
        Verdict::Taken
    }

    fn on_event(&mut self, peer: usize, now: Now, _: u64, event: PeerEvent) {
        let open = self.run.unresolved;
        self.run.lines.note(now, peer, &event, open);
        match event {
            PeerEvent::LoggedOn => self.run.up[peer] = true,
            PeerEvent::LoggedOut | PeerEvent::Disconnected(_) => {
                self.run.sessions_lost += u64::from(self.run.up[peer]);
                self.run.up[peer] = false;
            }
            PeerEvent::RejectReceived { .. } => self.run.rejected_messages += 1,
            _ => {}
        }
    }

    fn on_stranger(&mut self, _: Now, _: IpAddr, _: Stranger) {}
}

impl Run {
    fn on_answer(&mut self, peer: usize, now: Now, message: &Message<'_>) {
        self.last_answer_ns = now.mono_ns;
        if message.msg_type() == MsgType::BUSINESS_MESSAGE_REJECT {
            self.rejected_messages += 1;
            return;
        }
        let Some(report) = load_codec::decode(&self.config.prefix, message) else {
            return self.ledger.foreign();
        };
        let effect = self.ledger.on_report(peer as u16, &report);
        self.apply(effect, now);
    }

    fn apply(&mut self, effect: Effect, now: Now) {
        if let Some(number) = effect.acknowledged {
            self.unresolved -= 1;
            bump(&self.progress.acknowledged);
            self.measure(number, now, |run, kind| match kind {
                RequestKind::New => &mut run.acknowledged,
                _ => &mut run.changed,
            });
        }
        if let Some(number) = effect.rejected {
            self.unresolved -= 1;
            bump(&self.progress.rejected);
            self.measure(number, now, |run, _| &mut run.rejected);
        }
        if let Some(number) = effect.pending {
            self.measure(number, now, |run, _| &mut run.pending);
        }
        if let Some(number) = effect.changeable {
            let session = self.ledger.records()[number as usize].session;
            let list = &mut self.changeable[session as usize];
            if list.len() < SIM_LOAD_CHANGEABLE_MAX {
                list.push(number);
            }
        }
    }

    fn measure(
        &mut self,
        number: u32,
        now: Now,
        into: impl FnOnce(&mut Self, RequestKind) -> &mut TimedLatency,
    ) {
        let Record {
            intended_ns, kind, ..
        } = self.ledger.records()[number as usize];
        if intended_ns >= self.measure_from_ns {
            let ns = now.mono_ns.saturating_sub(intended_ns);
            into(self, kind).record(intended_ns, ns);
        }
    }
}

fn bump(counter: &AtomicU64) {
    // One writer: no read-modify-write is needed.
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl<S: Sockets> LoadClient<S> {
    /// Ready to connect. `sockets` has room for all sessions.
    pub fn new(sockets: S, config: LoadConfig) -> Self {
        let peers = (1..=config.sessions).map(|n| {
            let role = Role::Connect {
                address: config.address,
                reconnect_min_ms: if config.reconnect { 5 } else { 50 },
                reconnect_max_ms: if config.reconnect { 50 } else { 1000 },
            };
            let sender = format!("{}{n}", config.sender_prefix);
            let reset = !config.reconnect;
            endpoint::peer(config.version, &sender, &config.target, role, reset)
        });
        let endpoint = Endpoint::new(sockets, peers.collect(), config.sessions);
        let measured_ns =
            (config.requests * NS_PER_S / config.rate.max(1)).saturating_sub(config.warmup_ns);
        let timed = || TimedLatency::new(measured_ns);
        let run = Run {
            accounts: numbered(&config.account_prefix, config.sessions),
            symbols: numbered(&config.symbol_prefix, config.symbols),
            up: vec![false; config.sessions],
            lines: LineEvents::default(),
            sessions_lost: 0,
            ledger: LoadLedger::new(config.requests as usize),
            changeable: vec![Vec::new(); config.sessions],
            random: Random::new(config.seed),
            schedule: Schedule::new(0, config.rate, 0),
            measure_from_ns: u64::MAX,
            measure_from_wall_ns: 0,
            unresolved: 0,
            unsent: 0,
            rejected_messages: 0,
            last_answer_ns: 0,
            acknowledged: timed(),
            pending: timed(),
            rejected: timed(),
            changed: timed(),
            lag: Latency::default(),
            rate: Rate::new(config.rate),
            progress: Arc::default(),
            config,
        };
        let phase = Phase::Connecting { until_ns: 0 };
        Self {
            endpoint,
            run,
            phase,
            failure: None,
        }
    }

    /// Counters for another thread.
    pub fn progress(&self) -> Arc<LoadProgress> {
        self.run.progress.clone()
    }

    /// Whether it is over; then [`LoadClient::result`] tells how.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Requests, fates and counts.
    pub fn ledger(&self) -> &LoadLedger {
        &self.run.ledger
    }

    /// Acknowledgement latency of orders over the run, and the wall time at which measuring began: for the `.hlog` file.
    pub fn acknowledged(&self) -> (&TimedLatency, u64) {
        (&self.run.acknowledged, self.run.measure_from_wall_ns)
    }

    /// Stops sending; answers are still waited for.
    pub fn stop(&mut self, now: Now) {
        if matches!(self.phase, Phase::Connecting { .. } | Phase::Running) {
            let until_ns = now.mono_ns + self.run.config.drain_ns;
            self.phase = Phase::Draining { until_ns };
            if !self.run.config.reconnect {
                self.failure.get_or_insert("stopped before its end".into());
            }
            self.run.last_answer_ns = now.mono_ns;
        }
    }

    /// Sessions that came and went since this was last asked, oldest first.
    pub fn take_events(&mut self) -> impl Iterator<Item = LineEvent> + '_ {
        self.run.lines.take()
    }

    /// What the comparison with a desk's ledger needs, as one JSON object.
    pub fn write_ledger(&self, out: impl io::Write) -> io::Result<()> {
        let mut lines = self.run.lines.totals();
        lines.resend_lost = self.endpoint.board.traffic().resend_lost;
        ledger_file::write_client(out, &self.run.ledger, self.run.rejected_messages, &lines)
    }

    /// Sleeps until something comes, at most `ns`. Not while it measures: sleeping is late.
    pub fn wait(&mut self, ns: u64) {
        self.endpoint.board.sockets().wait(ns);
    }

    /// One turn at `now`.
    pub fn duty_cycle(&mut self, now: Now) -> usize {
        self.turn(&mut || now)
    }

    /// One turn; the clock is read anew for each message, so that a long turn does not blur what it measures.
    pub fn turn(&mut self, clock: &mut impl FnMut() -> Now) -> usize {
        let now = clock();
        let run = &mut self.run;
        let mut work = self
            .endpoint
            .board
            .duty_cycle(now, &mut Receiver { run, clock });
        match self.phase {
            Phase::Connecting { until_ns } => self.connecting(now, until_ns),
            Phase::Running => work += self.send_due(clock),
            Phase::Draining { until_ns } => {
                let quiet = now.mono_ns.saturating_sub(self.run.last_answer_ns) >= SETTLE_NS;
                let all_up = !self.run.config.reconnect || self.run.up.iter().all(|&up| up);
                if now.mono_ns >= until_ns || (self.run.unresolved == 0 && quiet && all_up) {
                    self.log_out(now);
                }
            }
            Phase::LoggingOut { until_ns } => {
                if self.endpoint.board.connected() == 0 || now.mono_ns >= until_ns {
                    self.phase = Phase::Done;
                }
            }
            Phase::Done => {}
        }
        self.endpoint.flush();
        work
    }

    fn connecting(&mut self, now: Now, until_ns: u64) {
        if until_ns == 0 {
            let patience = if self.run.config.reconnect {
                RECONNECT_PATIENCE
            } else {
                1
            };
            let until_ns = now.mono_ns + patience * LOGON_NS;
            self.phase = Phase::Connecting { until_ns };
            return;
        }
        let run = &mut self.run;
        let missing = run.up.iter().filter(|&&up| !up).count();
        if missing == 0 {
            let start_ns = now.mono_ns + START_DELAY_NS;
            run.schedule = Schedule::new(start_ns, run.config.rate, run.config.requests);
            run.measure_from_ns = start_ns + run.config.warmup_ns;
            run.measure_from_wall_ns = now.wall_ns + START_DELAY_NS + run.config.warmup_ns;
            for latency in [
                &mut run.acknowledged,
                &mut run.pending,
                &mut run.rejected,
                &mut run.changed,
            ] {
                latency.start(run.measure_from_ns);
            }
            self.phase = Phase::Running;
        } else if now.mono_ns >= until_ns {
            let sessions = run.config.sessions;
            self.failure = Some(format!(
                "{missing} of {sessions} sessions did not log on within {} s",
                LOGON_NS / NS_PER_S
            ));
            self.log_out(now);
        }
    }

    /// Sends what is due, a bounded number.
    fn send_due(&mut self, clock: &mut impl FnMut() -> Now) -> usize {
        for done in 0..SIM_LOAD_SENDS_PER_CYCLE {
            let now = clock();
            let Some(intended_ns) = self.run.schedule.due(now.mono_ns) else {
                if self.run.schedule.is_done() {
                    let until_ns = now.mono_ns + self.run.config.drain_ns;
                    self.run.last_answer_ns = now.mono_ns;
                    self.phase = Phase::Draining { until_ns };
                }
                return done;
            };
            let session = (self.run.schedule.next() % self.run.config.sessions as u64) as usize;
            if !self.run.up[session] || self.run.unresolved >= self.run.config.open_max {
                self.run.unsent += 1;
            } else if !self.send(now, session, intended_ns) {
                return done;
            }
            self.run.schedule.advance();
        }
        SIM_LOAD_SENDS_PER_CYCLE
    }

    /// False where the log has no room just now.
    fn send(&mut self, now: Now, session: usize, intended_ns: u64) -> bool {
        if !self.endpoint.board.has_room(1) {
            return false;
        }
        let run = &mut self.run;
        let record = run.draw(session, intended_ns);
        let request = LoadRequest {
            kind: record.kind,
            number: run.ledger.next_number(),
            original: run
                .ledger
                .records()
                .get(record.root as usize)
                .map_or(0, |r| r.current),
            account: run.accounts[session].as_bytes(),
            symbol: run.symbols[record.symbol as usize].as_bytes(),
            side: record.side,
            price: record.price,
            quantity: record.quantity,
        };
        let prefix = &run.config.prefix;
        let sent = self
            .endpoint
            .board
            .send(session, now, Cause::default(), |header, time, out| {
                load_codec::encode(out, header, time, prefix, &request)
            });
        if sent.is_none() {
            return false;
        }
        run.ledger.sent(record);
        run.unresolved += 1;
        bump(&run.progress.sent);
        let lag_ns = now.mono_ns - intended_ns;
        if intended_ns >= run.measure_from_ns {
            run.lag.record(lag_ns);
            run.rate.sent(now.mono_ns);
        }
        if lag_ns > run.progress.lag_max_ns.load(Ordering::Relaxed) {
            run.progress.lag_max_ns.store(lag_ns, Ordering::Relaxed);
        }
        true
    }

    fn log_out(&mut self, now: Now) {
        let sessions_lost = self.run.sessions_lost;
        let run = &mut self.run;
        for peer in 0..run.config.sessions {
            let clock = &mut || now;
            let mut receiver = Receiver { run, clock };
            self.endpoint
                .board
                .log_out(peer, now, "Run is over", true, &mut receiver);
        }
        // Those that end now end as they should.
        self.run.sessions_lost = sessions_lost;
        self.run.up.fill(false);
        let until_ns = now.mono_ns + LOGOUT_NS;
        self.phase = Phase::LoggingOut { until_ns };
    }

    /// How it went.
    pub fn result(&mut self) -> LoadResult {
        let backend = self.endpoint.board.sockets().backend();
        let run = &self.run;
        LoadResult {
            io: backend,
            sessions: run.config.sessions,
            sessions_lost: run.sessions_lost,
            totals: run.ledger.totals(),
            unsent: run.unsent,
            rejected_messages: run.rejected_messages,
            rate: run.rate.summary(run.unsent),
            latency_ns: run.acknowledged.total().percentiles(),
            pending_latency_ns: run.pending.total().percentiles(),
            reject_latency_ns: run.rejected.total().percentiles(),
            change_latency_ns: run.changed.total().percentiles(),
            send_lag_ns: run.lag.percentiles(),
            failure: self.failure.clone(),
        }
    }
}

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{prefix}{n}")).collect()
}
