//! Message rate as GCRA: one theoretical arrival time per key, no bucket to refill.
//!
//! A plain value and a pure function of time; both stages and simulator may own one.

/// Allowed rate and burst. Immutable; the state is one `u64` per key ([`Gcra`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct RateLimit {
    interval_ns: u64,
    tolerance_ns: u64,
}

impl RateLimit {
    /// No limit.
    pub const NONE: Self = Self {
        interval_ns: 0,
        tolerance_ns: 0,
    };

    /// `per_second` messages sustained and `burst` at once. Zero messages per second means no limit.
    pub fn new(per_second: u32, burst: u32) -> Self {
        if per_second == 0 {
            return Self::NONE;
        }
        let interval_ns = 1_000_000_000 / per_second as u64;
        Self {
            interval_ns,
            tolerance_ns: interval_ns * (burst.max(1) as u64 - 1),
        }
    }
}

/// When the next message would be on time.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Gcra(u64);

impl Gcra {
    /// Takes one message at `now_ns` (monotonic) if the limit allows; a refused message is not counted against the next.
    pub fn allow(&mut self, limit: RateLimit, now_ns: u64) -> bool {
        if limit == RateLimit::NONE {
            return true; // Also where a limit was lifted while messages were ahead of it.
        }
        let on_time = self.0.max(now_ns);
        if on_time - now_ns > limit.tolerance_ns {
            return false;
        }
        self.0 = on_time + limit.interval_ns;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_rate() {
        let limit = RateLimit::new(100, 5);
        let mut state = Gcra::default();
        let passed = (0..10)
            .filter(|_| state.allow(limit, 1_000_000_000))
            .count();
        assert_eq!(passed, 5);
        assert!(!state.allow(limit, 1_009_999_999));
        assert!(state.allow(limit, 1_010_000_000));
        assert!(!state.allow(limit, 1_010_000_000));
    }

    #[test]
    fn no_limit_is_no_limit() {
        let mut state = Gcra::default();
        assert!((0..1000).all(|_| state.allow(RateLimit::NONE, 7)));
        assert!(state.allow(RateLimit::new(1, 1), 7) && !state.allow(RateLimit::new(1, 1), 7));
        assert!(state.allow(RateLimit::NONE, 7));
    }
}
