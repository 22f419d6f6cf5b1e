//! Virtual time: monotonic time only goes on, wall time may jump.
//!
//! Owned by the world. Nothing in it waits: whoever says that time passes makes it pass. What always holds: the monotonic clock
//! never goes back; the wall clock follows it but for the jumps that were asked for.

use crate::domain::Now;
use crate::domain::time::{NS_PER_S, S_PER_DAY};

/// Where monotonic time begins: not at zero, so that "never" and "at the start" differ.
const START_MONO_NS: u64 = 1_000 * NS_PER_S;
/// 2026-09-21 14:13:20 UTC.
const START_WALL_NS: u64 = 1_790_000_000 * NS_PER_S;

/// The clock of everything in the world.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    now: Now,
}

impl Default for VirtualClock {
    fn default() -> Self {
        let (mono_ns, wall_ns) = (START_MONO_NS, START_WALL_NS);
        Self {
            now: Now { mono_ns, wall_ns },
        }
    }
}

impl VirtualClock {
    /// What it shows.
    pub fn now(&self) -> Now {
        self.now
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

    /// Somebody sets the wall clock.
    pub fn jump(&mut self, by_ns: i64) {
        self.now.wall_ns = self.now.wall_ns.saturating_add_signed(by_ns);
    }

    /// The wall clock is set to the next midnight, UTC.
    pub fn roll_day(&mut self) {
        let day_ns = S_PER_DAY * NS_PER_S;
        self.now.wall_ns = (self.now.wall_ns / day_ns + 1) * day_ns;
    }
}
