//! Virtual time: monotonic time only goes on; the gateway's wall clock may jump, everybody else's follows.
//!
//! Owned by the world. Nothing in it waits: whoever says that time passes makes it pass. What always holds: the monotonic clock
//! never goes back; the gateway's wall clock is never further from the others' than a session would bear.

use crate::domain::Now;
use crate::domain::time::{NS_PER_S, S_PER_DAY};

/// Where monotonic time begins: not at zero, so that "never" and "at the start" differ.
const START_MONO_NS: u64 = 1_000 * NS_PER_S;
/// 2026-09-21 14:13:20 UTC.
const START_WALL_NS: u64 = 1_790_000_000 * NS_PER_S;
/// Half of what sessions bear by default.
const OFF_NS_MAX: i64 = 60 * NS_PER_S as i64;

/// The clock of everything in the world.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    now: Now,
    off_ns: i64,
}

impl VirtualClock {
    /// In the afternoon, or so long before midnight, UTC.
    pub fn new(before_midnight_ns: Option<u64>) -> Self {
        let day_ns = S_PER_DAY * NS_PER_S;
        let wall_ns = match before_midnight_ns {
            Some(before_ns) => (START_WALL_NS / day_ns + 1) * day_ns - NS_PER_S / 4 - before_ns,
            None => START_WALL_NS,
        };
        let mono_ns = START_MONO_NS;
        Self {
            now: Now { mono_ns, wall_ns },
            off_ns: 0,
        }
    }

    /// What everybody's clock shows but the gateway's.
    pub fn now(&self) -> Now {
        self.now
    }

    /// What the gateway's shows.
    pub fn of_gateway(&self) -> Now {
        Now {
            wall_ns: self.now.wall_ns.saturating_add_signed(self.off_ns),
            ..self.now
        }
    }

    /// Nanoseconds since the world began.
    pub fn elapsed_ns(&self) -> u64 {
        self.now.mono_ns - START_MONO_NS
    }

    /// Time passes.
    pub fn pass(&mut self, ns: u64) {
        self.now.mono_ns += ns;
        self.now.wall_ns += ns;
    }

    /// Somebody sets the gateway's clock.
    pub fn jump(&mut self, by_ns: i64) {
        self.off_ns = (self.off_ns + by_ns).clamp(-OFF_NS_MAX, OFF_NS_MAX);
    }

    /// Somebody sets the gateway's clock right.
    pub fn set_right(&mut self) {
        self.off_ns = 0;
    }
}
