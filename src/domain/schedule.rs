//! When a session may be connected, as the hot threads see it: a sorted table of windows in UTC nanoseconds.
//!
//! Made from the rules of the configuration by cold code (`config::calendar`, which knows time zones), shared and read-only: no zone
//! arithmetic, lock or allocation here. The table covers a bounded time; before that runs out, the cold side appends the next table
//! ([`Schedule::append`]). Where it did not, the schedule counts as closed from there on: nothing opens on a guess, and nothing is
//! reset.

use std::sync::OnceLock;

/// A time in which sessions may be connected: from the first up to, and without, the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Nanoseconds since 1970
    pub opens_ns: u64,
    /// Nanoseconds since 1970
    pub closes_ns: u64,
}

/// A time of a schedule in which nothing changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Phase {
    /// Whether sessions may be connected
    pub open: bool,
    /// Since when, nanoseconds since 1970
    pub from_ns: u64,
    /// Until when, without this; `u64::MAX`: for ever
    pub until_ns: u64,
    /// The last end of a window at or before it, where numbers are reset; zero: none is known
    pub boundary_ns: u64,
}

impl Phase {
    /// Without a schedule.
    pub const ALWAYS_OPEN: Self = Self {
        open: true,
        from_ns: 0,
        until_ns: u64::MAX,
        boundary_ns: 0,
    };

    /// Whether it is now.
    #[inline]
    pub fn holds_at(&self, wall_ns: u64) -> bool {
        (self.from_ns..self.until_ns).contains(&wall_ns)
    }
}

/// Windows in order, none touching the next with more than its end, and what comes after them.
#[derive(Debug)]
pub struct Schedule {
    windows: Box<[Window]>,
    /// Up to here every window is in the table.
    until_ns: u64,
    next: OnceLock<Box<Schedule>>,
}

impl Schedule {
    /// All windows that close before `until_ns`. They must be sorted, not empty and without overlap.
    pub fn new(windows: Vec<Window>, until_ns: u64) -> Self {
        debug_assert!(windows.iter().all(|w| w.opens_ns < w.closes_ns));
        debug_assert!(windows.is_sorted_by(|a, b| a.closes_ns <= b.opens_ns));
        Self {
            windows: windows.into(),
            until_ns,
            next: OnceLock::new(),
        }
    }

    /// Until when it is known, with all that was appended.
    pub fn known_until_ns(&self) -> u64 {
        self.last().until_ns
    }

    /// What follows [`Schedule::known_until_ns`]. Cold; while the hot threads read. False, and nothing done, where somebody was
    /// faster.
    pub fn append(&self, windows: Vec<Window>, until_ns: u64) -> bool {
        let following = Box::new(Self::new(windows, until_ns));
        self.last().next.set(following).is_ok()
    }

    /// The phase that `wall_ns` is in. A search in the table: the caller keeps the answer until it no longer holds.
    pub fn phase(&self, wall_ns: u64) -> Phase {
        let mut table = self;
        let mut boundary_ns = 0;
        let mut from_ns = 0;
        loop {
            let closed = table.windows.partition_point(|w| w.closes_ns <= wall_ns);
            if let Some(last) = closed.checked_sub(1).map(|at| table.windows[at]) {
                (boundary_ns, from_ns) = (last.closes_ns, last.closes_ns);
            }
            let phase = |open, from_ns, until_ns| Phase {
                open,
                from_ns,
                until_ns,
                boundary_ns,
            };
            match table.windows.get(closed) {
                Some(next) if next.opens_ns <= wall_ns => {
                    return phase(true, next.opens_ns, next.closes_ns);
                }
                Some(next) => return phase(false, from_ns, next.opens_ns),
                None => {}
            }
            match table.next.get() {
                Some(next) => table = next,
                // Asked again at the end of what is known: by then more may be.
                None if wall_ns < table.until_ns => {
                    return phase(false, from_ns, table.until_ns);
                }
                // Beyond: closed, and asked again each second.
                None => return phase(false, wall_ns, wall_ns.saturating_add(1_000_000_000)),
            }
        }
    }

    /// When it opens, at or after `wall_ns`; zero: not known.
    pub fn opens_after(&self, wall_ns: u64) -> u64 {
        let mut table = self;
        loop {
            let at = table.windows.partition_point(|w| w.opens_ns < wall_ns);
            match (table.windows.get(at), table.next.get()) {
                (Some(window), _) => return window.opens_ns,
                (None, Some(next)) => table = next,
                (None, None) => return 0,
            }
        }
    }

    /// Ends of windows after `from_ns`, up to and with `to_ns`.
    pub fn boundaries(&self, from_ns: u64, to_ns: u64) -> usize {
        let mut table = Some(self);
        let mut count = 0;
        while let Some(of) = table {
            let before = |ns: u64| of.windows.partition_point(|w| w.closes_ns <= ns);
            count += before(to_ns).saturating_sub(before(from_ns));
            table = of.next.get().map(|next| &**next);
        }
        count
    }

    fn last(&self) -> &Self {
        let mut table = self;
        while let Some(next) = table.next.get() {
            table = next;
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(windows: &[(u64, u64)], until_ns: u64) -> Schedule {
        Schedule::new(windows_of(windows), until_ns)
    }

    fn windows_of(windows: &[(u64, u64)]) -> Vec<Window> {
        let window = |&(opens_ns, closes_ns): &(u64, u64)| Window {
            opens_ns,
            closes_ns,
        };
        windows.iter().map(window).collect()
    }

    #[test]
    fn phases_follow_each_other_without_a_hole() {
        let schedule = schedule(&[(10, 20), (30, 40), (40, 50)], 60);
        let mut at = 0;
        let mut seen = Vec::new();
        while at < 60 {
            let phase = schedule.phase(at);
            assert!(phase.holds_at(at) && !phase.holds_at(phase.until_ns));
            assert_eq!(phase, schedule.phase(phase.until_ns - 1));
            seen.push((phase.open, phase.from_ns, phase.until_ns, phase.boundary_ns));
            at = phase.until_ns;
        }
        let wanted = [
            (false, 0, 10, 0),
            (true, 10, 20, 0),
            (false, 20, 30, 20),
            (true, 30, 40, 20),
            (true, 40, 50, 40),
            (false, 50, 60, 50),
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn beyond_what_is_known_it_is_closed_until_more_is_appended() {
        let schedule = schedule(&[(10, 20)], 60);
        assert_eq!(
            (schedule.phase(99).open, schedule.opens_after(21)),
            (false, 0)
        );
        assert!(schedule.append(windows_of(&[(70, 80), (90, 100)]), 120));
        assert_eq!(schedule.known_until_ns(), 120);
        assert_eq!(
            (schedule.phase(99).open, schedule.opens_after(21)),
            (true, 70)
        );
        let between = schedule.phase(60);
        assert_eq!(
            (between.from_ns, between.until_ns, between.boundary_ns),
            (20, 70, 20)
        );
        assert!(schedule.append(windows_of(&[(130, 140)]), 150));
        assert_eq!(
            (schedule.phase(135).open, schedule.phase(135).boundary_ns),
            (true, 100)
        );
        assert_eq!(schedule.boundaries(20, 140), 3);
        assert_eq!(schedule.boundaries(19, 20), 1);
        assert_eq!(schedule.boundaries(100, 20), 0);
    }
}
