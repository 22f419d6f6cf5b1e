//! Which of the three logs a replay is fed from next: the one whose next record is the oldest, so that little waits for its
//! counterpart in another log.
//!
//! Pure. Clocks jump back, and each log keeps its order: a record is never taken for older than one before it in its log.

/// What was fed so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Merge {
    latest_ns: [u64; 3],
}

impl Merge {
    /// The log to go on with, by the times of the logs' next records; `None` where there is none.
    pub fn next(&mut self, times_ns: [Option<u64>; 3]) -> Option<usize> {
        let time_ns = |log: usize| Some(times_ns[log]?.max(self.latest_ns[log]));
        let with_time = |log| Some((time_ns(log)?, log));
        let (time_ns, log) = (0..times_ns.len()).filter_map(with_time).min()?;
        self.latest_ns[log] = time_ns;
        Some(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_whose_clock_went_back_does_not_run_ahead() {
        let logs: [&[u64]; 3] = [&[10, 2, 3, 30], &[5, 11], &[12, 1]];
        let (mut merge, mut at, mut fed) = (Merge::default(), [0; 3], Vec::new());
        let next = |at: &[usize; 3]| [0, 1, 2].map(|log| logs[log].get(at[log]).copied());
        while let Some(log) = merge.next(next(&at)) {
            fed.push(log);
            at[log] += 1;
        }
        assert_eq!(fed, [1, 0, 0, 0, 1, 2, 2, 0]);
    }
}
