//! When an open-loop client sends: at times fixed beforehand, whatever the answers do.
//!
//! The intended time of message n is `start + n / rate`, computed from n each time, so that nothing drifts. A message that goes out
//! late keeps its intended time, from which its latency is measured: that is how a stall is counted against whoever caused it.

use crate::domain::time::NS_PER_S;

/// Constant rate from a start time.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    start_ns: u64,
    per_second: u64,
    sent: u64,
    count: u64,
}

impl Schedule {
    /// `count` messages, `per_second` of them each second, the first at `start_ns` (monotonic).
    pub fn new(start_ns: u64, per_second: u64, count: u64) -> Self {
        Self {
            start_ns,
            per_second: per_second.max(1),
            sent: 0,
            count,
        }
    }

    /// Intended time of the next message, if it is due.
    pub fn due(&self, now_ns: u64) -> Option<u64> {
        let intended_ns = self.intended_ns(self.sent);
        (self.sent < self.count && intended_ns <= now_ns).then_some(intended_ns)
    }

    /// The next message is out.
    pub fn advance(&mut self) {
        self.sent += 1;
    }

    /// Number of the next message, from zero.
    pub fn next(&self) -> u64 {
        self.sent
    }

    /// Whether all are out.
    pub fn is_done(&self) -> bool {
        self.sent == self.count
    }

    /// Intended time of message `n`.
    pub fn intended_ns(&self, n: u64) -> u64 {
        self.start_ns + (n as u128 * NS_PER_S as u128 / self.per_second as u128) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_rate_without_drift_and_the_intended_time_when_late() {
        let mut schedule = Schedule::new(500, 30_000, 90_001);
        assert_eq!(schedule.intended_ns(90_000), 500 + 3 * NS_PER_S);
        assert_eq!(schedule.due(499), None);
        assert_eq!(schedule.due(500), Some(500));
        schedule.advance();
        assert_eq!(schedule.due(33_832), None);
        // Ten milliseconds late: three hundred are due, each with its own time.
        let mut intended = Vec::new();
        while let Some(at) = schedule.due(10_000_500) {
            intended.push(at);
            schedule.advance();
        }
        assert_eq!(intended.len(), 300);
        assert_eq!((intended[0], intended[299]), (33_833, 10_000_500));
    }

    #[test]
    fn ends() {
        let mut schedule = Schedule::new(0, 10, 2);
        for _ in 0..2 {
            assert!(!schedule.is_done());
            schedule.due(u64::MAX / 2).unwrap();
            schedule.advance();
        }
        assert!(schedule.is_done());
        assert_eq!(schedule.due(u64::MAX), None);
    }
}
