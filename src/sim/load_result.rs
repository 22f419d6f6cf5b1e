//! How a load run went: counts, the rate that was achieved, percentiles; as a table and as JSON.
//!
//! Made once, when the run is over; cold code of the thread that asked for the run.

use std::fmt;

use serde::Serialize;

use crate::domain::time::NS_PER_S;
use crate::sim::histogram::Percentiles;
use crate::sim::load_ledger::LoadTotals;

/// Below this share of the rate asked for, the run counts as "rate not achieved".
const ACHIEVED_SHARE: f64 = 0.99;

/// Times of the first and last measured sending.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    asked: u64,
    sent: u64,
    first_ns: u64,
    last_ns: u64,
}

impl Rate {
    /// Nothing sent yet.
    pub fn new(asked: u64) -> Self {
        Self {
            asked,
            sent: 0,
            first_ns: 0,
            last_ns: 0,
        }
    }

    /// One request went out.
    pub fn sent(&mut self, now_ns: u64) {
        if self.sent == 0 {
            self.first_ns = now_ns;
        }
        self.sent += 1;
        self.last_ns = now_ns;
    }

    /// `unsent` requests were due and could not be sent at all.
    pub fn summary(&self, unsent: u64) -> RateSummary {
        let ns = self.last_ns - self.first_ns;
        let achieved = if self.sent < 2 || ns == 0 {
            self.sent as f64
        } else {
            (self.sent - 1) as f64 * NS_PER_S as f64 / ns as f64
        };
        // Too few to have a rate: then only what could not be sent counts.
        let fast = self.sent < 2 || achieved >= self.asked as f64 * ACHIEVED_SHARE;
        RateSummary {
            asked: self.asked,
            achieved: achieved.round() as u64,
            measured: self.sent,
            reached: fast && unsent == 0 && self.sent > 0,
        }
    }
}

/// The rate, asked for and achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RateSummary {
    /// Requests per second asked for.
    pub asked: u64,
    /// Requests per second achieved.
    pub achieved: u64,
    /// Requests that were measured (sent after the warm-up).
    pub measured: u64,
    /// Whether it was achieved.
    pub reached: bool,
}

/// How a run went.
#[derive(Clone, Debug, Serialize)]
pub struct LoadResult {
    /// Which sockets.
    pub io: &'static str,
    /// Sessions.
    pub sessions: usize,
    /// Sessions that ended during the run.
    pub sessions_lost: u64,
    /// Counts.
    #[serde(flatten)]
    pub totals: LoadTotals,
    /// Requests that were due while their session was down.
    pub unsent: u64,
    /// Requests that were answered by 35=3 or 35=j.
    pub rejected_messages: u64,
    /// Rate.
    pub rate: RateSummary,
    /// Orders: intended sending to acknowledgement.
    pub latency_ns: Percentiles,
    /// Requests: intended sending to 150=A, 150=6 or 150=E.
    pub pending_latency_ns: Percentiles,
    /// Requests: intended sending to reject.
    pub reject_latency_ns: Percentiles,
    /// Cancels and replaces: intended sending to done.
    pub change_latency_ns: Percentiles,
    /// Intended to actual sending.
    pub send_lag_ns: Percentiles,
    /// Why it failed, where it did not end by itself.
    pub failure: Option<String>,
}

impl LoadResult {
    /// Whether everything was sent at its rate and everything was answered once.
    pub fn is_good(&self) -> bool {
        self.problems().is_empty()
    }

    /// What was not as it should be, in words.
    pub fn problems(&self) -> Vec<String> {
        let t = &self.totals;
        let counted = [
            (self.unsent, "requests not sent: their session was down"),
            (self.sessions_lost, "sessions lost"),
            (t.orders.unresolved, "orders without an answer"),
            (t.changes.unresolved, "changes without an answer"),
            (t.duplicate_acks, "requests acknowledged more than once"),
            (t.duplicate_reports, "reports that came twice"),
        ];
        let counted = counted
            .into_iter()
            .filter(|&(count, _)| count > 0)
            .map(|(count, what)| format!("{count} {what}"));
        let mut problems: Vec<String> = self.failure.iter().cloned().chain(counted).collect();
        if !self.rate.reached && self.failure.is_none() {
            let RateSummary {
                asked, achieved, ..
            } = self.rate;
            problems.push(format!(
                "rate not achieved: {achieved}/s of {asked}/s asked for"
            ));
        }
        problems
    }
}

impl fmt::Display for LoadResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = &self.totals;
        writeln!(
            f,
            "{:<10}{:>12}{:>14}{:>12}{:>12}{:>12}",
            "", "sent", "acknowledged", "rejected", "unresolved", "pending"
        )?;
        for (name, c) in [("orders", t.orders), ("changes", t.changes)] {
            writeln!(
                f,
                "{name:<10}{:>12}{:>14}{:>12}{:>12}{:>12}",
                c.sent, c.acknowledged, c.rejected, c.unresolved, c.pending
            )?;
        }
        writeln!(
            f,
            "\nfilled {}  cancelled {}  ended {}  fills {}  quantity {}",
            t.filled, t.cancelled, t.ended, t.fills, t.filled_quantity
        )?;
        for (text, count) in &t.rejects {
            writeln!(f, "  rejected {count:>10}  {text}")?;
        }
        writeln!(
            f,
            "\n{:<10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}{:>12}",
            "us", "p50", "p90", "p99", "p99.9", "p99.99", "max", "count"
        )?;
        for (name, p) in [
            ("ack", self.latency_ns),
            ("pending", self.pending_latency_ns),
            ("reject", self.reject_latency_ns),
            ("change", self.change_latency_ns),
            ("send lag", self.send_lag_ns),
        ] {
            if p.count == 0 {
                continue;
            }
            write!(f, "{name:<10}")?;
            for value in [p.p50, p.p90, p.p99, p.p99_9, p.p99_99] {
                write!(f, "{:>10.1}", value as f64 / 1000.0)?;
            }
            writeln!(f, "{:>12.1}{:>12}", p.max as f64 / 1000.0, p.count)?;
        }
        if t.foreign_reports > 0 {
            // No fault: orders of an earlier run may still rest and trade.
            let count = t.foreign_reports;
            writeln!(f, "\n{count} reports of no request of this run")?;
        }
        let rate = self.rate;
        writeln!(f, "\nrate {}/s of {}/s", rate.achieved, rate.asked)?;
        for problem in self.problems() {
            writeln!(f, "PROBLEM {problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_was_not_achieved_is_told() {
        let mut rate = Rate::new(1000);
        for n in 0..1001u64 {
            rate.sent(n * 1_000_000);
        }
        let good = rate.summary(0);
        assert_eq!((good.achieved, good.reached), (1000, true));
        assert!(!rate.summary(1).reached, "something was not sent");
        rate.sent(1_100_000_000);
        let slow = rate.summary(0);
        assert_eq!((slow.achieved, slow.reached), (910, false));
        assert!(!Rate::new(10).summary(0).reached, "nothing was sent");
    }
}
