//! The clocks, read once per duty cycle by whoever owns the [`Clock`], one per thread.
//!
//! Monotonic time is read from the time-stamp counter where the kernel itself trusts it (invariant counter, current clocksource
//! `tsc`) and from `clock_gettime` elsewhere. The counter is calibrated against CLOCK_MONOTONIC and anchored to it again every
//! 20 ms. What always holds: `mono_ns` of one clock never goes backwards; the wall time is the monotonic time plus an
//! offset that is read anew every second.

use std::time::Duration;

use crate::domain::Now;

/// The counter's line is laid anew after so many nanoseconds.
const ANCHOR_NS: u64 = 20_000_000;
/// The offset of the wall clock is read anew after so many nanoseconds.
const WALL_NS: u64 = 1_000_000_000;
/// How long the counter's rate is measured at start.
const CALIBRATE: Duration = Duration::from_millis(10);
/// A reading of both clocks is tried so often, and the tightest taken.
const ANCHOR_TRIES: usize = 5;

/// Where monotonic time comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The time-stamp counter.
    Tsc,
    /// `clock_gettime`.
    Kernel,
}

/// A line through the counter: `ns = base_ns + (counter - base_counter) * ns_per_tick`.
#[derive(Clone, Copy)]
struct Line {
    base_counter: u64,
    base_ns: u64,
    /// Nanoseconds per tick, times 2^32.
    rate: u64,
}

impl Line {
    fn at(&self, counter: u64) -> u64 {
        let ticks = counter.saturating_sub(self.base_counter);
        self.base_ns + ((u128::from(ticks) * u128::from(self.rate)) >> 32) as u64
    }
}

/// Monotonic and wall clock of one thread. Clone one calibrated clock for all threads of a process: their readings then agree
/// within tens of nanoseconds, and the calibration is paid once.
#[derive(Clone)]
pub struct Clock {
    line: Option<Line>,
    /// Where the rate's measurement began: the longer ago, the better the rate.
    origin: (u64, u64),
    anchor_due_ns: u64,
    wall_due_ns: u64,
    wall_offset_ns: u64,
    last_mono_ns: u64,
}

impl Clock {
    /// Chooses the source; takes 10 ms for calibration if that is the counter.
    pub fn new() -> Self {
        if counter_is_trusted() {
            Self::with_counter()
        } else {
            Self::with_kernel()
        }
    }

    /// Reads the kernel's clock each time.
    pub fn with_kernel() -> Self {
        let mut clock = Self {
            line: None,
            origin: (0, 0),
            anchor_due_ns: u64::MAX,
            wall_due_ns: 0,
            wall_offset_ns: 0,
            last_mono_ns: 0,
        };
        clock.now();
        clock
    }

    fn with_counter() -> Self {
        let first = read_both();
        std::thread::sleep(CALIBRATE);
        let second = read_both();
        let mut clock = Self::with_kernel();
        if second.0 <= first.0 || second.1 <= first.1 {
            return clock;
        }
        clock.origin = first;
        clock.line = Some(Line {
            base_counter: second.0,
            base_ns: second.1,
            rate: rate(first, second),
        });
        clock.anchor_due_ns = second.1 + ANCHOR_NS;
        clock
    }

    /// Where monotonic time comes from.
    pub fn source(&self) -> Source {
        match self.line {
            Some(_) => Source::Tsc,
            None => Source::Kernel,
        }
    }

    /// The time. Not before any time that this clock gave out earlier.
    pub fn now(&mut self) -> Now {
        let read_ns = match &self.line {
            Some(line) => line.at(counter()),
            None => kernel_ns(libc::CLOCK_MONOTONIC),
        };
        let mono_ns = read_ns.max(self.last_mono_ns);
        self.last_mono_ns = mono_ns;
        if mono_ns >= self.anchor_due_ns {
            self.anchor();
        }
        if mono_ns >= self.wall_due_ns {
            let wall_ns = kernel_ns(libc::CLOCK_REALTIME);
            let kernel_mono_ns = kernel_ns(libc::CLOCK_MONOTONIC);
            self.wall_offset_ns = wall_ns.wrapping_sub(kernel_mono_ns);
            self.wall_due_ns = mono_ns + WALL_NS;
        }
        Now {
            mono_ns,
            wall_ns: mono_ns.wrapping_add(self.wall_offset_ns),
        }
    }

    /// Lays the line through the kernel's clock of this moment. If the line was ahead, `now` stands still until it is
    /// caught up with: nanoseconds, as the rate is known better with each anchor.
    fn anchor(&mut self) {
        let reading = read_both();
        let ok = reading.0 > self.origin.0 && reading.1 > self.origin.1;
        if let (Some(line), true) = (&mut self.line, ok) {
            // A rate over hours would not follow the kernel's own steering of its clock.
            if reading.1 - self.origin.1 > 60_000_000_000 {
                self.origin = (line.base_counter, line.base_ns);
            }
            *line = Line {
                base_counter: reading.0,
                base_ns: reading.1,
                rate: rate(self.origin, reading),
            };
        }
        self.anchor_due_ns = reading.1.max(self.last_mono_ns) + ANCHOR_NS;
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn rate(from: (u64, u64), to: (u64, u64)) -> u64 {
    ((u128::from(to.1 - from.1) << 32) / u128::from(to.0 - from.0)) as u64
}

/// Counter and monotonic time of the same moment, as nearly as can be had.
fn read_both() -> (u64, u64) {
    let mut best = (0, 0);
    let mut best_width = u64::MAX;
    for _ in 0..ANCHOR_TRIES {
        let before = counter();
        let ns = kernel_ns(libc::CLOCK_MONOTONIC);
        let after = counter();
        let width = after.saturating_sub(before);
        if width < best_width {
            best_width = width;
            best = (before + width / 2, ns);
        }
    }
    best
}

/// Time that the calling thread has had a core, in nanoseconds: for measurements on a machine that others use too. A system call.
pub fn thread_cpu_ns() -> u64 {
    kernel_ns(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// One of the kernel's clocks, in nanoseconds.
fn kernel_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for the write; the clock ids used here always exist.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(target_arch = "x86_64")]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the instruction; Linux never forbids it to user code by default, and the gate
    // below lets it be used only where the kernel's own clock does the same in user space.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> u64 {
    kernel_ns(libc::CLOCK_MONOTONIC)
}

/// True if the counter runs at one rate, also asleep, and the kernel keeps time by it.
#[cfg(target_arch = "x86_64")]
fn counter_is_trusted() -> bool {
    use std::arch::x86_64::__cpuid;
    const POWER_MANAGEMENT: u32 = 0x8000_0007;
    const INVARIANT_TSC: u32 = 1 << 8;
    let leaves = __cpuid(0x8000_0000).eax;
    let invariant =
        leaves >= POWER_MANAGEMENT && __cpuid(POWER_MANAGEMENT).edx & INVARIANT_TSC != 0;
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let current = std::fs::read_to_string(path).unwrap_or_default();
    invariant && current.trim() == "tsc"
}

#[cfg(not(target_arch = "x86_64"))]
fn counter_is_trusted() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(clock: &mut Clock) {
        for _ in 0..1000 {
            let before = kernel_ns(libc::CLOCK_MONOTONIC);
            let mono_ns = clock.now().mono_ns;
            let after = kernel_ns(libc::CLOCK_MONOTONIC);
            // Not a timing assertion: the two clocks must agree whatever the machine's speed.
            assert!(mono_ns + 1_000_000 > before, "{mono_ns} < {before}");
            assert!(mono_ns < after + 1_000_000, "{mono_ns} > {after}");
        }
    }

    #[test]
    fn both_sources_agree_with_the_kernel_and_never_go_back() {
        for mut clock in [Clock::new(), Clock::with_kernel()] {
            near(&mut clock);
            let mut last = clock.now();
            for _ in 0..100_000 {
                let now = clock.now();
                assert!(now.mono_ns >= last.mono_ns);
                last = now;
            }
            clock.anchor();
            near(&mut clock);
        }
    }

    #[test]
    fn a_line_that_was_ahead_is_waited_for() {
        let mut clock = Clock::new();
        let ahead = clock.now().mono_ns + 50_000_000;
        clock.last_mono_ns = ahead;
        clock.anchor();
        assert_eq!(clock.now().mono_ns, ahead);
    }

    #[test]
    fn a_thread_s_time_passes_while_it_works_and_not_while_it_sleeps() {
        let begin = thread_cpu_ns();
        std::thread::sleep(std::time::Duration::from_millis(50));
        let slept = thread_cpu_ns() - begin;
        assert!(slept < 50_000_000, "{slept}");
        while thread_cpu_ns() - begin < slept + 1_000_000 {}
    }

    #[test]
    fn wall_time_is_the_kernels() {
        let mut clock = Clock::new();
        let wall_ns = clock.now().wall_ns;
        let kernel = kernel_ns(libc::CLOCK_REALTIME);
        assert!(kernel.abs_diff(wall_ns) < 1_000_000_000);
    }
}
