//! How much of a resend may go now: rates for one session and for all, and what becomes of requests that repeat themselves.
//!
//! Pure values of the switchboard and its peers.

use crate::domain::Now;
use crate::domain::time::NS_PER_S;
use crate::limits::{RESEND_BURST, RESEND_IGNORED_MAX, RESEND_REPEATS_MAX, RESEND_WINDOW_NS};
use crate::session::ResendCursor;

/// So many in a second, and a burst after a pause. The time until which what was taken is paid for.
#[derive(Clone, Copy, Default, Debug)]
pub struct Pace {
    paid_until_ns: u64,
}

impl Pace {
    /// Whether one more may go now.
    #[inline]
    pub fn admits(&self, now: Now, per_s: u64) -> bool {
        self.paid_until_ns <= now.mono_ns + (RESEND_BURST - 1) * (NS_PER_S / per_s)
    }

    /// One more went.
    #[inline]
    pub fn take(&mut self, now: Now, per_s: u64) {
        self.paid_until_ns = self.paid_until_ns.max(now.mono_ns) + NS_PER_S / per_s;
    }
}

/// What to do with a ResendRequest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// Honour it.
    Honour,
    /// What it asks for is on its way already.
    UnderWay,
    /// The peer asks for the same again and again.
    Ignore,
    /// And does not stop: end the session.
    End,
}

/// The requests of one peer.
#[derive(Clone, Copy, Default, Debug)]
pub struct Requests {
    /// First number of the last one that was honoured
    begin: u64,
    /// When the window began
    since_ns: u64,
    /// Honoured in the window without progress: from no higher number than the one before
    repeats: u32,
    /// Ignored in the window
    ignored: u32,
}

impl Requests {
    /// The peer asks for `begin..=end`; `cursor` tells how far the resend under way has come.
    pub fn judge(&mut self, now: Now, cursor: &ResendCursor, begin: u64, end: u64) -> Judgement {
        if begin == self.begin && cursor.covers(end) {
            return Judgement::UnderWay;
        }
        if now.mono_ns.saturating_sub(self.since_ns) >= RESEND_WINDOW_NS {
            (self.since_ns, self.repeats, self.ignored) = (now.mono_ns, 0, 0);
        }
        if begin <= self.begin {
            if self.repeats == RESEND_REPEATS_MAX {
                self.ignored += 1;
                return match self.ignored > RESEND_IGNORED_MAX {
                    true => Judgement::End,
                    false => Judgement::Ignore,
                };
            }
            self.repeats += 1;
        }
        self.begin = begin;
        Judgement::Honour
    }

    /// Numbers begin anew: lower ones are no repetition.
    pub fn renumbered(&mut self) {
        self.begin = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ns: u64) -> Now {
        let wall_ns = 0;
        Now { mono_ns, wall_ns }
    }

    #[test]
    fn a_pace_is_kept_over_time_with_one_burst() {
        let mut pace = Pace::default();
        let mut taken = 0;
        for us in 0..1_000_000 {
            let now = at(5 * NS_PER_S + us * 1_000);
            while pace.admits(now, 1_000) {
                pace.take(now, 1_000);
                taken += 1;
            }
            if us == 0 {
                assert_eq!(taken, RESEND_BURST);
            }
        }
        assert_eq!(taken, 1_000 + RESEND_BURST - 1);
    }

    #[test]
    fn who_asks_for_the_same_without_end_is_ignored_and_then_shown_out() {
        let mut requests = Requests::default();
        let closed = ResendCursor::new();
        let mut judge = |ns: u64, begin: u64| requests.judge(at(ns), &closed, begin, 100);
        // A peer that gets on is never stopped.
        for begin in 1..=1_000 {
            assert_eq!(judge(0, begin), Judgement::Honour);
        }
        for _ in 0..RESEND_REPEATS_MAX {
            assert_eq!(judge(0, 1), Judgement::Honour);
        }
        for _ in 0..RESEND_IGNORED_MAX {
            assert_eq!(judge(RESEND_WINDOW_NS - 1, 1), Judgement::Ignore);
        }
        assert_eq!(judge(RESEND_WINDOW_NS - 1, 1), Judgement::End);
        assert_eq!(judge(RESEND_WINDOW_NS, 1), Judgement::Honour);
    }

    #[test]
    fn what_is_under_way_is_not_begun_again() {
        let (mut requests, mut cursor) = (Requests::default(), ResendCursor::new());
        assert_eq!(requests.judge(at(0), &cursor, 1, 100), Judgement::Honour);
        cursor.request(1, 100);
        for _ in 0..1_000 {
            assert_eq!(requests.judge(at(0), &cursor, 1, 100), Judgement::UnderWay);
            assert_eq!(requests.judge(at(0), &cursor, 1, 50), Judgement::UnderWay);
        }
        assert_eq!(requests.judge(at(0), &cursor, 1, 101), Judgement::Honour);
        cursor.extend(101);
        assert_eq!(requests.judge(at(0), &cursor, 1, 101), Judgement::UnderWay);
    }
}
