//! A copy of the page as plain values: what `top`, `ctl status`, `--json` and the sidecar show. Cold code, allocates freely.
//!
//! Field names are the names in the JSON; money is text, since JSON numbers are binary fractions to most readers.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::Serialize;

use super::catalog::{COUNTERS, Counter, Fact, Histogram, LinkState, Reason, SessionState, Stage};
use super::errors::ErrorCode;
use super::histogram::percentile;
use super::page::{
    AccountRow, ErrorRow, Header, HistogramBlock, LinkRow, RingBlock, SessionRow, StageBlock,
    WARNINGS_MAX,
};
use super::rows::Stopped;
use crate::domain::reject::REJECTS;
use crate::domain::time::NS_PER_S;
use crate::domain::{DiskState, Durability, Money};

/// The page at one moment. Values of different stages may be some microseconds apart.
#[derive(Clone, Debug, Default, Serialize, PartialEq)]
pub struct Snapshot {
    /// Process that writes the page
    pub process_id: u64,
    /// Start of the process, ns since 1970
    pub start_wall_ns: u64,
    /// When the copy was made, ns since 1970
    pub taken_wall_ns: u64,
    /// Orderly end of the process, ns since 1970; zero while it runs
    pub stopped_wall_ns: u64,
    /// Since the last duty cycle of any stage, ns
    pub heartbeat_age_ns: u64,
    /// By [`Fact`] name
    pub facts: BTreeMap<&'static str, String>,
    /// What an operator should change
    pub warnings: Vec<String>,
    /// Warnings that did not fit
    pub warnings_not_shown: u64,
    /// In the order of [`Stage::ALL`]; those that never ran are left out
    pub stages: Vec<StageSnapshot>,
    /// What of each log is not durable: lost with the host
    pub loss_windows: Vec<LossWindowSnapshot>,
    /// In the order of [`Histogram::ALL`]
    pub latencies: Vec<LatencySnapshot>,
    /// By session index
    pub sessions: Vec<SessionSnapshot>,
    /// By link index
    pub links: Vec<LinkSnapshot>,
    /// By account index
    pub accounts: Vec<AccountSnapshot>,
}

/// Shortest record of a log.
pub const RECORD_BYTES_MIN: u64 = 48;

/// The part of a log that is not durable: what a loss of the host would take now.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct LossWindowSnapshot {
    /// `client`, `order` or `desk`
    pub log: &'static str,
    /// Records in it
    pub records: u64,
    /// Their bytes
    pub bytes: u64,
    /// None of them is older, ns
    pub age_ns: u64,
    /// Most bytes since the start
    pub bytes_max: u64,
    /// Highest age since the start, ns
    pub age_ns_max: u64,
}

impl LossWindowSnapshot {
    /// Of all logs, by the blocks of all stages.
    pub(super) fn all(blocks: &[StageBlock]) -> Vec<Self> {
        let Some(journal) = blocks.get(Stage::Journal as usize) else {
            return Vec::new();
        };
        let owners = [Stage::Decode, Stage::Risk, Stage::Route];
        let logs = ["client", "order", "desk"].into_iter().zip(owners);
        logs.zip(&journal.loss_windows)
            .map(|((log, owner), window)| {
                let last = blocks[owner as usize].counters[Counter::RecordsAppended as usize];
                // The numbers of two threads: no more records than have room in the bytes.
                let records_max = window.bytes / RECORD_BYTES_MIN;
                Self {
                    log,
                    records: last.saturating_sub(window.durable).min(records_max),
                    bytes: window.bytes,
                    age_ns: window.age_ns,
                    bytes_max: window.bytes_max,
                    age_ns_max: window.age_ns_max,
                }
            })
            .collect()
    }
}

/// One stage.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct StageSnapshot {
    /// Which
    pub stage: Stage,
    /// Since its last duty cycle, ns
    pub heartbeat_age_ns: u64,
    /// Where it is pinned
    pub core: Option<u64>,
    /// Duty cycles
    pub cycles: u64,
    /// Duty cycles that found work
    pub working_cycles: u64,
    /// Things done
    pub work_items: u64,
    /// Time in working cycles, ns
    pub busy_ns: u64,
    /// Time in all cycles, ns
    pub measured_ns: u64,
    /// Longest working cycle, ns
    pub longest_cycle_ns: u64,
    /// When that was, ns since 1970
    pub longest_cycle_wall_ns: u64,
    /// Cycles longer than the bound
    pub cycles_over_bound: u64,
    /// The bound, ns
    pub cycle_bound_ns: u64,
    /// How the disk of the logs does: `working`, `write_failed` or `sync_failed` (journal only)
    pub disk: Option<&'static str>,
    /// Input rings
    pub rings: Vec<RingSnapshot>,
    /// Every counter of the stage by name
    pub counters: BTreeMap<&'static str, u64>,
    /// Requests refused by reason; zeros left out
    pub rejects: BTreeMap<&'static str, u64>,
    /// Connections and sessions ended by reason; zeros left out
    pub closed: BTreeMap<&'static str, u64>,
    /// Distinct errors, oldest first
    pub errors: Vec<ErrorSnapshot>,
}

/// One input ring.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct RingSnapshot {
    /// From whom to whom
    pub name: String,
    /// Size, slots
    pub slots: u64,
    /// Filled slots
    pub depth: u64,
    /// Most filled slots since the start
    pub high_water: u64,
    /// Claims that found it full
    pub full: u64,
}

/// One distinct error.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct ErrorSnapshot {
    /// Name of the [`ErrorCode`]
    pub code: &'static str,
    /// What it means and what subject and detail are
    pub help: &'static str,
    /// Session, link, account or log index
    pub subject: u64,
    /// How often
    pub count: u64,
    /// First time, ns since 1970
    pub first_wall_ns: u64,
    /// Last time, ns since 1970
    pub last_wall_ns: u64,
    /// Of the last time
    pub detail: u64,
}

/// One latency, ns.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct LatencySnapshot {
    /// Name of the [`Histogram`]
    pub name: &'static str,
    /// Values
    pub count: u64,
    /// Mean
    pub mean_ns: u64,
    /// Half are not above it
    pub p50_ns: u64,
    /// 90%
    pub p90_ns: u64,
    /// 99%
    pub p99_ns: u64,
    /// 99.9%
    pub p99_9_ns: u64,
    /// Highest, exact
    pub max_ns: u64,
}

/// One client session.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct SessionSnapshot {
    /// Name in the configuration
    pub name: String,
    /// Name of the [`SessionState`]
    pub state: &'static str,
    /// Why the last connection ended
    pub reason: &'static str,
    /// State since, ns since 1970
    pub state_wall_ns: u64,
    /// Next expected number
    pub next_in: u64,
    /// Next number to send
    pub next_out: u64,
    /// Messages received
    pub messages_in: u64,
    /// Messages sent
    pub messages_out: u64,
    /// Bytes received
    pub bytes_in: u64,
    /// Bytes sent
    pub bytes_out: u64,
    /// Session and business rejects sent
    pub rejects: u64,
    /// Logons
    pub logons: u64,
    /// Messages sent again
    pub resent: u64,
    /// Last message received, ns since 1970
    pub last_in_wall_ns: u64,
    /// Last message sent, ns since 1970
    pub last_out_wall_ns: u64,
    /// When its schedule opens (state `closed`) or closes next, ns since 1970; zero: no schedule, or not known
    pub schedule_wall_ns: u64,
    /// Level of durability: `process` (L0) or `host` (L1)
    pub durability: Durability,
    /// Last address that logged on
    pub peer: Option<SocketAddr>,
    /// Open orders
    pub orders_open: u64,
    /// Orders accepted
    pub orders: u64,
    /// Requests refused by checks
    pub orders_rejected: u64,
    /// `no`, `blocked` or `killed`
    pub stopped: &'static str,
    /// Copies of others' reports written for it; absent where it receives none
    pub copies: Option<u64>,
}

/// One link.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct LinkSnapshot {
    /// Name in the configuration
    pub name: String,
    /// Its desk
    pub desk: String,
    /// Name of the [`LinkState`]
    pub state: &'static str,
    /// Why it was last lost
    pub reason: &'static str,
    /// State since, ns since 1970
    pub state_wall_ns: u64,
    /// Requests unanswered
    pub in_flight: u64,
    /// Requests that may be unanswered
    pub window: u64,
    /// Requests waiting
    pub queued: u64,
    /// Requests in doubt
    pub in_doubt: u64,
    /// Requests sent
    pub sent: u64,
    /// Reports received
    pub received: u64,
    /// Connections that came to stand after the first
    pub reconnects: u64,
    /// Request to first answer, the last one, ns
    pub last_ack_ns: u64,
    /// Next expected number
    pub next_in: u64,
    /// Next number to send
    pub next_out: u64,
    /// Last message received, ns since 1970
    pub last_in_wall_ns: u64,
    /// Last message sent, ns since 1970
    pub last_out_wall_ns: u64,
    /// When its schedule opens (state `closed`) or closes next, ns since 1970; zero: no schedule, or not known
    pub schedule_wall_ns: u64,
    /// Level of durability: `process` (L0) or `host` (L1)
    pub durability: Durability,
    /// Its desk takes no new orders until an operator releases it
    pub held: bool,
}

/// One account.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct AccountSnapshot {
    /// Account(1)
    pub name: String,
    /// Open orders
    pub orders_open: u64,
    /// Orders accepted
    pub orders: u64,
    /// Fills booked
    pub fills: u64,
    /// Requests refused by checks
    pub rejects: u64,
    /// Money reserved, decimal
    pub reserved: String,
    /// Money available, decimal
    pub available: String,
    /// `no`, `blocked` or `killed`
    pub stopped: &'static str,
    /// Last change, ns since 1970
    pub last_wall_ns: u64,
}

impl Snapshot {
    /// Sum of a counter over the stages that count it.
    pub fn total(&self, counter: Counter) -> u64 {
        let name = counter.row().name;
        let of_stage = |stage: &StageSnapshot| stage.counters.get(name).copied().unwrap_or(0);
        let values = self.stages.iter().map(of_stage);
        values.fold(0, u64::saturating_add)
    }

    /// A fact's text.
    pub fn fact(&self, fact: Fact) -> &str {
        self.facts.get(fact.name()).map_or("", String::as_str)
    }

    /// Since the process started, seconds.
    pub fn uptime_s(&self) -> u64 {
        self.taken_wall_ns.saturating_sub(self.start_wall_ns) / NS_PER_S
    }

    pub(super) fn header(header: &Header, now_wall_ns: u64) -> Self {
        let fact = |fact: &Fact| (fact.name(), text(&header.facts[*fact as usize]));
        let shown = (header.warnings_count as usize).min(WARNINGS_MAX);
        Self {
            process_id: header.process_id,
            start_wall_ns: header.start_wall_ns,
            taken_wall_ns: now_wall_ns,
            stopped_wall_ns: header.stopped_wall_ns,
            facts: Fact::ALL.iter().map(fact).collect(),
            warnings: header.warnings[..shown].iter().map(|w| text(w)).collect(),
            warnings_not_shown: header.warnings_count - shown as u64,
            ..Self::default()
        }
    }
}

/// Text of a padded field.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn money(words: [u64; 2]) -> String {
    Money((words[0] as u128 | (words[1] as u128) << 64) as i128).to_string()
}

/// Names and counts of what is not zero.
fn not_zero<'a>(
    counts: &[u64],
    names: impl Iterator<Item = &'static str> + 'a,
) -> BTreeMap<&'static str, u64> {
    let pairs = names.zip(counts.iter().copied());
    pairs.filter(|&(_, count)| count != 0).collect()
}

impl StageSnapshot {
    pub(super) fn of(stage: Stage, block: &StageBlock, now_wall_ns: u64) -> Self {
        let mine = COUNTERS.iter().filter(|row| row.stages.contains(&stage));
        let errors = block.errors.iter().filter(|row| row.code != 0);
        let rings = block.rings.iter().take(block.rings_count as usize);
        Self {
            stage,
            heartbeat_age_ns: now_wall_ns.saturating_sub(block.heartbeat_wall_ns),
            core: block.core_plus_one.checked_sub(1),
            cycles: block.cycles,
            working_cycles: block.working_cycles,
            work_items: block.work_items,
            busy_ns: block.busy_ns,
            measured_ns: block.measured_ns,
            longest_cycle_ns: block.longest_cycle_ns,
            longest_cycle_wall_ns: block.longest_cycle_wall_ns,
            cycles_over_bound: block.cycles_over_bound,
            cycle_bound_ns: block.cycle_bound_ns,
            disk: (stage == Stage::Journal).then(|| DiskState::from_code(block.disk).name()),
            rings: rings.map(RingSnapshot::of).collect(),
            counters: mine
                .map(|row| (row.name, block.counters[row.counter as usize]))
                .collect(),
            rejects: not_zero(&block.rejects, REJECTS.iter().map(|row| row.name)),
            closed: not_zero(&block.closed, Reason::ALL.iter().map(|r| r.name())),
            errors: errors.map(ErrorSnapshot::of).collect(),
        }
    }

    /// Share of the cycles that found work.
    pub fn useful_work_ratio(&self) -> f64 {
        ratio(self.working_cycles, self.cycles)
    }

    /// Share of the time spent in cycles that found work.
    pub fn busy_ratio(&self) -> f64 {
        ratio(self.busy_ns, self.measured_ns)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

impl RingSnapshot {
    fn of(ring: &RingBlock) -> Self {
        Self {
            name: text(&ring.name),
            slots: ring.slots,
            depth: ring.depth,
            high_water: ring.high_water,
            full: ring.full,
        }
    }
}

impl ErrorSnapshot {
    fn of(row: &ErrorRow) -> Self {
        let code = ErrorCode::from_code(row.code);
        Self {
            code: code.map_or("unknown", ErrorCode::name),
            help: code.map_or("An error of another build.", ErrorCode::help),
            subject: row.subject,
            count: row.count,
            first_wall_ns: row.first_wall_ns,
            last_wall_ns: row.last_wall_ns,
            detail: row.detail,
        }
    }
}

impl LatencySnapshot {
    pub(super) fn of(histogram: Histogram, block: &HistogramBlock) -> Self {
        let count = (block.buckets.iter()).fold(0, |sum: u64, &n| sum.saturating_add(n));
        let at = |per_million| percentile(&block.buckets, per_million, block.max_ns);
        Self {
            name: histogram.name(),
            count,
            mean_ns: block.sum_ns.checked_div(count).unwrap_or(0),
            p50_ns: at(500_000),
            p90_ns: at(900_000),
            p99_ns: at(990_000),
            p99_9_ns: at(999_000),
            max_ns: block.max_ns,
        }
    }
}

impl SessionSnapshot {
    pub(super) fn of(row: &SessionRow) -> Self {
        Self {
            name: text(&row.name),
            state: SessionState::from_code(row.state).map_or("unknown", SessionState::name),
            reason: Reason::from_code(row.reason).map_or("unknown", Reason::name),
            state_wall_ns: row.state_wall_ns,
            next_in: row.next_in,
            next_out: row.next_out,
            messages_in: row.messages_in,
            messages_out: row.messages_out,
            bytes_in: row.bytes_in,
            bytes_out: row.bytes_out,
            rejects: row.rejects,
            logons: row.logons,
            resent: row.resent,
            last_in_wall_ns: row.last_in_wall_ns,
            last_out_wall_ns: row.last_out_wall_ns,
            schedule_wall_ns: row.schedule_wall_ns,
            durability: Durability::from_code(row.durability),
            peer: peer(row),
            orders_open: row.orders_open,
            orders: row.orders,
            orders_rejected: row.orders_rejected,
            stopped: Stopped::from_code(row.stopped).name(),
            copies: row.copies_plus_one.checked_sub(1),
        }
    }
}

fn peer(row: &SessionRow) -> Option<SocketAddr> {
    let bits = row.peer_address[0] as u128 | (row.peer_address[1] as u128) << 64;
    let address = IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical();
    (row.peer_port != 0).then(|| SocketAddr::new(address, row.peer_port as u16))
}

impl LinkSnapshot {
    pub(super) fn of(row: &LinkRow) -> Self {
        Self {
            name: text(&row.name),
            desk: text(&row.desk),
            state: LinkState::from_code(row.state).map_or("unknown", LinkState::name),
            reason: Reason::from_code(row.reason).map_or("unknown", Reason::name),
            state_wall_ns: row.state_wall_ns,
            in_flight: row.in_flight,
            window: row.window,
            queued: row.queued,
            in_doubt: row.in_doubt,
            sent: row.sent,
            received: row.received,
            reconnects: row.connects.saturating_sub(1),
            last_ack_ns: row.last_ack_ns,
            next_in: row.next_in,
            next_out: row.next_out,
            last_in_wall_ns: row.last_in_wall_ns,
            last_out_wall_ns: row.last_out_wall_ns,
            schedule_wall_ns: row.schedule_wall_ns,
            durability: Durability::from_code(row.durability),
            held: row.held != 0,
        }
    }
}

impl AccountSnapshot {
    pub(super) fn of(row: &AccountRow) -> Self {
        Self {
            name: text(&row.name),
            orders_open: row.orders_open,
            orders: row.orders,
            fills: row.fills,
            rejects: row.rejects,
            reserved: money(row.reserved_money),
            available: money(row.available_money),
            stopped: Stopped::from_code(row.stopped).name(),
            last_wall_ns: row.last_wall_ns,
        }
    }
}
