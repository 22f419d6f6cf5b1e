//! What `top` shows: a snapshot, and the one before it, as panels of text. Pure; the same for the terminal and for `--once`.
//!
//! Rates are over the time between the two snapshots, and over the whole run where there is one only. A panel's columns stand in
//! the order of their importance: a narrow terminal leaves out the last.

use crate::status::snapshot::{LatencySnapshot, SessionSnapshot, Snapshot, StageSnapshot};
use crate::status::{Counter, Fact, Stage};

/// How a cell is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
}

/// One cell of a panel.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

fn cell(text: impl ToString) -> Cell {
    toned(text, Tone::Plain)
}

fn toned(text: impl ToString, tone: Tone) -> Cell {
    Cell {
        text: text.to_string(),
        tone,
    }
}

/// A count that should be zero.
fn unwanted(count: u64, tone: Tone) -> Cell {
    toned(count, if count == 0 { Tone::Plain } else { tone })
}

/// One table.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) headings: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// Places of the panels in [`View::panels`].
pub(super) const STAGES: usize = 0;
pub(super) const LATENCY: usize = 1;
pub(super) const FLOW: usize = 2;
pub(super) const LINKS: usize = 3;
pub(super) const SESSIONS: usize = 4;
pub(super) const ACCOUNTS: usize = 5;
pub(super) const REJECTS: usize = 6;
pub(super) const ERRORS: usize = 7;

/// Everything that is shown.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) headline: String,
    pub(super) warnings: Vec<String>,
    pub(super) panels: Vec<Panel>,
}

impl View {
    pub(super) fn of(now: &Snapshot, before: Option<&Snapshot>) -> Self {
        // A page of another process, or read at the same time, has no rates.
        let before = before.filter(|before| {
            before.process_id == now.process_id
                && before.start_wall_ns == now.start_wall_ns
                && before.taken_wall_ns < now.taken_wall_ns
        });
        let span = Span { now, before };
        let mut warnings = now.warnings.clone();
        if now.warnings_not_shown != 0 {
            warnings.push(format!("and {} more", now.warnings_not_shown));
        }
        Self {
            headline: headline(now),
            warnings,
            panels: vec![
                stages(&span),
                latency(now),
                flow(&span),
                links(&span),
                sessions(&span),
                accounts(now),
                rejects(now),
                errors(now),
            ],
        }
    }
}

/// Two snapshots and the time between them.
struct Span<'a> {
    now: &'a Snapshot,
    before: Option<&'a Snapshot>,
}

impl Span<'_> {
    fn seconds(&self) -> f64 {
        let since = self
            .before
            .map_or(self.now.start_wall_ns, |b| b.taken_wall_ns);
        self.now.taken_wall_ns.saturating_sub(since) as f64 / 1e9
    }

    fn per_s(&self, now: u64, before: Option<u64>) -> String {
        let rate = now.saturating_sub(before.unwrap_or(0)) as f64 / self.seconds();
        match rate {
            r if !r.is_finite() => "-".into(),
            r if r == 0.0 => "0".into(),
            r if r < 10.0 => format!("{r:.1}"),
            r => format!("{r:.0}"),
        }
    }

    fn counter_per_s(&self, counter: Counter) -> String {
        let before = self.before.map(|before| before.total(counter));
        self.per_s(self.now.total(counter), before)
    }
}

fn headline(now: &Snapshot) -> String {
    let (hours, seconds) = (now.uptime_s() / 3600, now.uptime_s() % 3600);
    let mut parts = vec![format!(
        "{} {}  pid {}  up {}:{:02}:{:02}",
        now.fact(Fact::Name),
        now.fact(Fact::Version),
        now.process_id,
        hours,
        seconds / 60,
        seconds % 60
    )];
    let io = match (now.fact(Fact::IoClients), now.fact(Fact::IoDesks)) {
        (clients, desks) if clients == desks => clients.to_owned(),
        (clients, desks) => format!("{clients}/{desks}"),
    };
    let facts = [
        io.as_str(),
        now.fact(Fact::Layout),
        now.fact(Fact::Idle),
        now.fact(Fact::Durability),
    ];
    parts.extend(
        facts
            .iter()
            .filter(|f| !f.is_empty())
            .map(|f| f.to_string()),
    );
    parts.join("  ")
}

fn stages(span: &Span) -> Panel {
    let mut rows = Vec::new();
    for stage in span.now.stages.iter().filter(|stage| stage.cycles != 0) {
        let before = span.before.and_then(|before| {
            let same = |held: &&StageSnapshot| held.stage == stage.stage;
            before.stages.iter().find(same)
        });
        let over = |of: fn(&StageSnapshot) -> u64| of(stage) - before.map_or(0, of).min(of(stage));
        let share = |part: u64, whole: u64| match whole {
            0 => "-".to_owned(),
            whole => format!("{:.1}%", part as f64 * 100.0 / whole as f64),
        };
        let silent = stage.heartbeat_age_ns > 2_000_000_000;
        // A stage without rings still has its row; further rings stand below the first.
        let mut row = vec![
            toned(
                stage.stage.name(),
                if silent { Tone::Bad } else { Tone::Plain },
            ),
            cell(share(over(|s| s.working_cycles), over(|s| s.cycles))),
            cell(share(over(|s| s.busy_ns), over(|s| s.measured_ns))),
            cell(duration(stage.longest_cycle_ns)),
            unwanted(stage.cycles_over_bound, Tone::Warn),
        ];
        if stage.rings.is_empty() {
            row.extend(["-"; 4].map(cell));
            row.push(cell(core(stage)));
            rows.push(row);
            continue;
        }
        for ring in &stage.rings {
            row.extend([
                cell(&ring.name),
                cell(format!("{}/{}", ring.depth, ring.slots)),
                toned(
                    ring.high_water,
                    if ring.high_water > ring.slots / 2 {
                        Tone::Warn
                    } else {
                        Tone::Plain
                    },
                ),
                unwanted(ring.full, Tone::Warn),
                cell(core(stage)),
            ]);
            rows.push(std::mem::replace(&mut row, vec![cell(""); 5]));
        }
    }
    Panel {
        title: "Stages",
        headings: vec![
            "STAGE", "USEFUL", "BUSY", "LONGEST", "OVER", "RING IN", "DEPTH", "HIGH", "FULL",
            "CORE",
        ],
        rows,
    }
}

fn core(stage: &StageSnapshot) -> String {
    stage.core.map_or("-".into(), |core| core.to_string())
}

fn latency(now: &Snapshot) -> Panel {
    let row = |latency: &LatencySnapshot| {
        let mut row = vec![cell(latency.name.replace('_', " "))];
        let times = [
            latency.p50_ns,
            latency.p90_ns,
            latency.p99_ns,
            latency.p99_9_ns,
            latency.max_ns,
            latency.mean_ns,
        ];
        let shown = |ns| {
            if latency.count == 0 {
                "-".into()
            } else {
                duration(ns)
            }
        };
        row.extend(times.map(|ns| cell(shown(ns))));
        row.push(cell(latency.count));
        row
    };
    Panel {
        title: "Latency since start",
        headings: vec!["PATH", "P50", "P90", "P99", "P99.9", "MAX", "MEAN", "COUNT"],
        rows: now.latencies.iter().map(row).collect(),
    }
}

fn flow(span: &Span) -> Panel {
    let shown = [
        ("orders", Counter::OrdersIn),
        ("cancels", Counter::CancelsIn),
        ("replaces", Counter::ReplacesIn),
        ("accepted", Counter::OrdersAccepted),
        ("written", Counter::RequestsWritten),
        ("desk reports", Counter::DeskReportsIn),
        ("fills", Counter::ReportsTrade),
        ("reports out", Counter::ReportsOut),
        ("messages in", Counter::FramesIn),
        ("messages out", Counter::FramesOut),
        ("system calls", Counter::SystemCalls),
    ];
    let counted = |&(name, counter): &(&str, Counter)| {
        vec![
            cell(name),
            cell(span.counter_per_s(counter)),
            cell(span.now.total(counter)),
        ]
    };
    let mut rows: Vec<_> = shown.iter().map(counted).collect();
    let refused = |snapshot: &Snapshot| -> u64 {
        let stages = snapshot.stages.iter();
        stages
            .flat_map(|stage| stage.rejects.values())
            .fold(0, |sum, n| sum.saturating_add(*n))
    };
    let now = refused(span.now);
    rows.insert(
        4,
        vec![
            cell("refused"),
            cell(span.per_s(now, span.before.map(refused))),
            cell(now),
        ],
    );
    Panel {
        title: if span.before.is_some() {
            "Flow"
        } else {
            "Flow, average since start"
        },
        headings: vec!["WHAT", "PER S", "TOTAL"],
        rows,
    }
}

fn links(span: &Span) -> Panel {
    let rows = span.now.links.iter().enumerate().map(|(at, link)| {
        let before = span.before.and_then(|before| before.links.get(at));
        let tone = match link.state {
            "ready" => Tone::Good,
            "down" | "lost" | "fenced" | "disabled" => Tone::Bad,
            _ => Tone::Warn,
        };
        vec![
            cell(format!("{}/{}", link.desk, link.name)),
            toned(link.state, tone),
            cell(format!("{}/{}", link.in_flight, link.window)),
            unwanted(link.in_doubt, Tone::Bad),
            cell(link.queued),
            cell(span.per_s(link.sent, before.map(|b| b.sent))),
            cell(span.per_s(link.received, before.map(|b| b.received))),
            cell(if link.last_ack_ns == 0 {
                "-".into()
            } else {
                duration(link.last_ack_ns)
            }),
            cell(reason(link.reason)),
            unwanted(link.reconnects, Tone::Warn),
            cell(link.sent),
            cell(link.received),
            cell(ago(span.now, link.state_wall_ns)),
        ]
    });
    Panel {
        title: "Links",
        headings: vec![
            "DESK/LINK",
            "STATE",
            "FLIGHT",
            "DOUBT",
            "QUEUED",
            "OUT/S",
            "IN/S",
            "LAST ACK",
            "LAST END",
            "RECONNECTS",
            "SENT",
            "RECEIVED",
            "SINCE",
        ],
        rows: rows.collect(),
    }
}

fn sessions(span: &Span) -> Panel {
    let row = |(at, session): (usize, &SessionSnapshot)| {
        let before = span.before.and_then(|before| before.sessions.get(at));
        let tone = match session.state {
            "active" => Tone::Good,
            "disconnected" => Tone::Plain,
            "disabled" => Tone::Bad,
            _ => Tone::Warn,
        };
        vec![
            cell(&session.name),
            toned(session.state, tone),
            cell(session.orders_open),
            cell(session.orders),
            cell(span.per_s(session.messages_in, before.map(|b| b.messages_in))),
            cell(span.per_s(session.messages_out, before.map(|b| b.messages_out))),
            unwanted(
                session.rejects.saturating_add(session.orders_rejected),
                Tone::Warn,
            ),
            stopped(session.stopped),
            cell(ago(span.now, session.last_in_wall_ns)),
            cell(session.next_in),
            cell(session.next_out),
            cell(reason(session.reason)),
            cell(session.logons),
            cell(session.peer.map_or("-".into(), |peer| peer.to_string())),
        ]
    };
    Panel {
        title: "Sessions",
        headings: vec![
            "SESSION", "STATE", "OPEN", "ORDERS", "IN/S", "OUT/S", "REJECTS", "STOPPED", "LAST IN",
            "NEXT IN", "NEXT OUT", "LAST END", "LOGONS", "PEER",
        ],
        rows: span.now.sessions.iter().enumerate().map(row).collect(),
    }
}

fn accounts(now: &Snapshot) -> Panel {
    let rows = now.accounts.iter().map(|account| {
        vec![
            cell(&account.name),
            cell(account.orders_open),
            cell(account.orders),
            cell(account.fills),
            unwanted(account.rejects, Tone::Warn),
            stopped(account.stopped),
            cell(&account.reserved),
            cell(&account.available),
            cell(ago(now, account.last_wall_ns)),
        ]
    });
    Panel {
        title: "Accounts",
        headings: vec![
            "ACCOUNT",
            "OPEN",
            "ORDERS",
            "FILLS",
            "REJECTS",
            "STOPPED",
            "RESERVED",
            "AVAILABLE",
            "CHANGED",
        ],
        rows: rows.collect(),
    }
}

fn rejects(now: &Snapshot) -> Panel {
    let mut rows = Vec::new();
    for stage in &now.stages {
        let counts = [("refused", &stage.rejects), ("closed", &stage.closed)];
        for (what, counts) in counts {
            for (name, &count) in counts {
                let what = format!("{what} by {}", stage.stage.name());
                rows.push(vec![cell(what), cell(name.replace('_', " ")), cell(count)]);
            }
        }
    }
    Panel {
        title: "Refused and closed",
        headings: vec!["WHAT", "WHY", "COUNT"],
        rows,
    }
}

fn errors(now: &Snapshot) -> Panel {
    let mut rows: Vec<_> = now
        .stages
        .iter()
        .flat_map(|stage| stage.errors.iter().map(move |error| (stage.stage, error)))
        .collect();
    rows.sort_by_key(|(_, error)| std::cmp::Reverse(error.last_wall_ns));
    let row = |(stage, error): (Stage, &crate::status::snapshot::ErrorSnapshot)| {
        vec![
            cell(stage.name()),
            toned(error.code.replace('_', " "), Tone::Warn),
            cell(error.subject),
            cell(error.count),
            cell(ago(now, error.last_wall_ns)),
            cell(ago(now, error.first_wall_ns)),
            cell(error.detail),
            cell(error.help),
        ]
    };
    Panel {
        title: "Distinct errors",
        headings: vec![
            "STAGE", "ERROR", "SUBJECT", "COUNT", "LAST", "FIRST", "DETAIL", "MEANS",
        ],
        rows: rows.into_iter().map(row).collect(),
    }
}

fn stopped(stopped: &'static str) -> Cell {
    toned(
        stopped,
        if stopped == "no" {
            Tone::Plain
        } else {
            Tone::Bad
        },
    )
}

fn reason(reason: &str) -> String {
    if reason == "none" {
        return "-".into();
    }
    reason.replace('_', " ")
}

/// Three digits and a unit.
fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns}ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    match value {
        v if v < 10.0 => format!("{v:.2}{unit}"),
        v if v < 100.0 => format!("{v:.1}{unit}"),
        v => format!("{v:.0}{unit}"),
    }
}

/// How long before the snapshot.
fn ago(now: &Snapshot, wall_ns: u64) -> String {
    if wall_ns == 0 {
        return "-".into();
    }
    let seconds = now.taken_wall_ns.saturating_sub(wall_ns) / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let shown = [999, 1_500, 15_300, 999_400, 2_500_000, 61_000_000_000].map(duration);
        assert_eq!(
            shown,
            ["999ns", "1.50us", "15.3us", "999us", "2.50ms", "61.0s"]
        );
    }

    #[test]
    fn a_restarted_gateway_has_no_rates_against_its_former_self() {
        let snapshot = |process_id, taken| Snapshot {
            process_id,
            taken_wall_ns: taken,
            ..Snapshot::default()
        };
        let title =
            |now: &Snapshot, before: &Snapshot| View::of(now, Some(before)).panels[FLOW].title;
        assert_eq!(title(&snapshot(1, 5), &snapshot(1, 4)), "Flow");
        assert_eq!(
            title(&snapshot(2, 5), &snapshot(1, 4)),
            "Flow, average since start"
        );
        assert_eq!(
            title(&snapshot(1, 5), &snapshot(1, 5)),
            "Flow, average since start"
        );
    }
}
