//! What `top` shows: a snapshot, and the one before it, as panels of text. Pure; the same for the terminal and for `--once`.
//!
//! Rates are over the time between the two snapshots, and over the whole run where there is one only. A panel's columns stand in
//! the order of their importance: a narrow terminal leaves out the last.

use super::panels;
use crate::domain::DiskState;
use crate::status::snapshot::Snapshot;
use crate::status::{Counter, Fact};

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

pub(super) fn cell(text: impl ToString) -> Cell {
    toned(text, Tone::Plain)
}

pub(super) fn toned(text: impl ToString, tone: Tone) -> Cell {
    Cell {
        text: text.to_string(),
        tone,
    }
}

/// A count that should be zero.
pub(super) fn unwanted(count: u64, tone: Tone) -> Cell {
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
                panels::stages(&span),
                panels::latency(now),
                panels::flow(&span),
                panels::links(&span),
                panels::sessions(&span),
                panels::accounts(now),
                panels::rejects(now),
                panels::errors(now),
            ],
        }
    }
}

/// Two snapshots and the time between them.
pub(super) struct Span<'a> {
    pub(super) now: &'a Snapshot,
    pub(super) before: Option<&'a Snapshot>,
}

impl Span<'_> {
    fn seconds(&self) -> f64 {
        let since = self
            .before
            .map_or(self.now.start_wall_ns, |b| b.taken_wall_ns);
        self.now.taken_wall_ns.saturating_sub(since) as f64 / 1e9
    }

    pub(super) fn per_s(&self, now: u64, before: Option<u64>) -> String {
        let rate = now.saturating_sub(before.unwrap_or(0)) as f64 / self.seconds();
        match rate {
            r if !r.is_finite() => "-".into(),
            0.0 => "0".into(),
            r if r < 10.0 => format!("{r:.1}"),
            r => format!("{r:.0}"),
        }
    }

    pub(super) fn counter_per_s(&self, counter: Counter) -> String {
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
    let disk = now.stages.iter().find_map(|stage| stage.disk);
    if let Some(disk) = disk.filter(|&disk| disk != DiskState::Working.name()) {
        parts.push(format!("DISK {}: NO NEW ORDERS", disk.to_uppercase()));
    }
    parts.join("  ")
}

pub(super) fn stopped(stopped: &'static str) -> Cell {
    toned(
        stopped,
        if stopped == "no" {
            Tone::Plain
        } else {
            Tone::Bad
        },
    )
}

pub(super) fn reason(reason: &str) -> String {
    if reason == "none" {
        return "-".into();
    }
    reason.replace('_', " ")
}

/// Three digits and a unit.
pub(super) fn duration(ns: u64) -> String {
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
pub(super) fn ago(now: &Snapshot, wall_ns: u64) -> String {
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
