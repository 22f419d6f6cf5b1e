//! The panels of `top`, one function each: which columns, from which fields, and what deserves a colour. Pure.
//!
//! Runs on the main thread of `top`; a panel draws what one snapshot holds and keeps nothing.

use super::view::{Panel, Span, Tone, ago, cell, duration, reason, stopped, toned, unwanted};
use crate::status::snapshot::{
    ErrorSnapshot, LatencySnapshot, SessionSnapshot, Snapshot, StageSnapshot,
};
use crate::status::{Counter, Stage};

pub(super) fn stages(span: &Span) -> Panel {
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

pub(super) fn latency(now: &Snapshot) -> Panel {
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

pub(super) fn flow(span: &Span) -> Panel {
    let shown = [
        ("orders", Counter::OrdersIn),
        ("cancels", Counter::CancelsIn),
        ("replaces", Counter::ReplacesIn),
        ("accepted", Counter::OrdersAccepted),
        ("written", Counter::RequestsWritten),
        ("desk reports", Counter::DeskReportsIn),
        ("fills", Counter::ReportsTrade),
        ("reports out", Counter::ReportsOut),
        ("copies out", Counter::CopiesOut),
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

pub(super) fn links(span: &Span) -> Panel {
    let rows = span.now.links.iter().enumerate().map(|(at, link)| {
        let before = span.before.and_then(|before| before.links.get(at));
        let tone = match link.state {
            "ready" => Tone::Good,
            "down" | "lost" | "disabled" => Tone::Bad,
            "closed" => Tone::Plain,
            _ => Tone::Warn,
        };
        let (state, tone) = match link.held && link.state == "ready" {
            true => ("held", Tone::Bad),
            false => (link.state, tone),
        };
        vec![
            cell(format!("{}/{}", link.desk, link.name)),
            toned(state, tone),
            cell(link.durability.level()),
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
            "LEVEL",
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

pub(super) fn sessions(span: &Span) -> Panel {
    let row = |(at, session): (usize, &SessionSnapshot)| {
        let before = span.before.and_then(|before| before.sessions.get(at));
        let tone = match session.state {
            "active" => Tone::Good,
            "disconnected" | "closed" => Tone::Plain,
            "disabled" => Tone::Bad,
            _ => Tone::Warn,
        };
        // Who receives copies orders nothing.
        let orders = |count: u64| match session.copies {
            Some(_) => cell("-"),
            None => cell(count),
        };
        vec![
            cell(&session.name),
            toned(session.state, tone),
            cell(session.durability.level()),
            orders(session.orders_open),
            orders(session.orders),
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
            cell(session.copies.map_or("-".into(), |it| it.to_string())),
            cell(reason(session.reason)),
            cell(session.logons),
            cell(session.peer.map_or("-".into(), |peer| peer.to_string())),
        ]
    };
    Panel {
        title: "Sessions",
        headings: vec![
            "SESSION", "STATE", "LEVEL", "OPEN", "ORDERS", "IN/S", "OUT/S", "REJECTS", "STOPPED",
            "LAST IN", "NEXT IN", "NEXT OUT", "COPIES", "LAST END", "LOGONS", "PEER",
        ],
        rows: span.now.sessions.iter().enumerate().map(row).collect(),
    }
}

pub(super) fn accounts(now: &Snapshot) -> Panel {
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

pub(super) fn rejects(now: &Snapshot) -> Panel {
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

pub(super) fn errors(now: &Snapshot) -> Panel {
    let mut rows: Vec<_> = now
        .stages
        .iter()
        .flat_map(|stage| stage.errors.iter().map(move |error| (stage.stage, error)))
        .collect();
    rows.sort_by_key(|(_, error)| std::cmp::Reverse(error.last_wall_ns));
    let row = |(stage, error): (Stage, &ErrorSnapshot)| {
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
