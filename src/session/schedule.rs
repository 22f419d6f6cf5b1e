//! A session and its schedule: whether it may be connected now, whether its numbers are due to be reset, and how a Logon outside the
//! hours is answered.
//!
//! Pure. The boundary is the **end of a window**: the numbers that the day has used end with it, and what is sent to the peer between
//! the windows is the first of the next day, which the peer asks for when it is back. Always: one boundary, one reset, whether the
//! session was connected, disconnected or the process down, however many were missed, and when the clock goes back over it.

use std::sync::Arc;

use super::action::{Actions, Admin, DisconnectReason, LogoutText, ResetCause, text};
use super::state::{Session, State};
use crate::domain::{Now, Phase, Schedule};
use crate::wire::fix::{Message, Precision, TimeText};

/// Text(58) of the Logout at the end of a window.
pub const SCHEDULE_ENDED: &str = "Session schedule ended";

/// Whether a boundary lies between the last reset and now. A clock that went back over a boundary asks for no second reset; a last
/// reset that lies two boundaries or more ahead was dated by a clock that was wrong, and says nothing.
pub fn reset_due(schedule: &Schedule, began_wall_ns: u64, now_wall_ns: u64) -> bool {
    if began_wall_ns <= now_wall_ns {
        schedule.phase(now_wall_ns).boundary_ns > began_wall_ns
    } else {
        schedule.boundaries(now_wall_ns, began_wall_ns) >= 2
    }
}

/// The hours of one session.
#[derive(Clone, Debug)]
pub struct Hours {
    schedule: Option<Arc<Schedule>>,
    phase: Phase,
    /// When the numbers were last set.
    began_wall_ns: Option<u64>,
    is_due: bool,
}

impl Hours {
    /// `began_wall_ns`: when the numbers were last set, from the log; none for a new session, whose numbers begin now.
    pub fn new(schedule: Option<Arc<Schedule>>, began_wall_ns: Option<u64>) -> Self {
        let phase = match schedule {
            None => Phase::ALWAYS_OPEN,
            // Holds at no time: looked up when it is first asked for.
            Some(_) => Phase {
                until_ns: 0,
                ..Phase::ALWAYS_OPEN
            },
        };
        Self {
            schedule,
            phase,
            began_wall_ns,
            is_due: false,
        }
    }

    /// Whether what was found when it was last looked up still holds: two comparisons.
    #[inline]
    pub fn hold_at(&self, now: Now) -> bool {
        self.phase.holds_at(now.wall_ns)
    }

    /// To be called before anything else is asked; true where it opened or closed, where a reset is due, and at the first time.
    #[inline]
    pub fn look(&mut self, now: Now) -> bool {
        !self.hold_at(now) && self.look_up(now)
    }

    #[cold]
    fn look_up(&mut self, now: Now) -> bool {
        let Some(schedule) = &self.schedule else {
            return false;
        };
        let began_wall_ns = *self.began_wall_ns.get_or_insert(now.wall_ns);
        let before = std::mem::replace(&mut self.phase, schedule.phase(now.wall_ns));
        self.is_due = reset_due(schedule, began_wall_ns, now.wall_ns);
        before.until_ns == 0 || before.open != self.phase.open || self.is_due
    }

    /// Whether the session may be connected.
    #[inline]
    pub fn are_open(&self) -> bool {
        self.phase.open
    }

    /// Whether the numbers are to be reset, as soon as there is no connection.
    #[inline]
    pub fn reset_is_due(&self) -> bool {
        self.is_due
    }

    /// When it opens or closes next, nanoseconds since 1970; zero: never, or not known.
    pub fn changes_wall_ns(&self) -> u64 {
        match &self.schedule {
            None => 0,
            Some(_) if self.phase.open => self.phase.until_ns,
            Some(schedule) => schedule.opens_after(self.phase.until_ns),
        }
    }

    /// The numbers were set: a new incarnation.
    pub fn begin(&mut self, now: Now) {
        self.began_wall_ns = Some(now.wall_ns);
        self.is_due = false;
    }

    /// When the numbers were last set, nanoseconds since 1970.
    pub fn began_wall_ns(&self) -> Option<u64> {
        self.began_wall_ns
    }

    /// Text(58) for who comes too early or too late.
    pub fn refusal(&self) -> LogoutText {
        match self.changes_wall_ns() {
            0 => LogoutText::cut(b"Outside the session schedule"),
            opens_ns => {
                let time = TimeText::new(Precision::Seconds).write(opens_ns);
                let time = str::from_utf8(time.as_bytes()).unwrap_or_default();
                text(format_args!(
                    "Outside the session schedule: opens at {time} UTC"
                ))
            }
        }
    }
}

impl Session {
    /// Acceptor: the first message of a connection, outside the hours. A stranger learns nothing; the peer is told, and its number
    /// is not consumed.
    pub fn on_message_outside(
        &mut self,
        now: Now,
        message: &Message<'_>,
        why: LogoutText,
        actions: &mut Actions,
    ) {
        if !matches!(self.state, State::AwaitLogon { .. }) {
            return self.on_message(now, message, actions);
        }
        if let Some(reason) = self.stranger(now, message) {
            return self.close(reason, actions);
        }
        actions.send(Admin::Logout { text: why });
        self.close(DisconnectReason::OutsideSchedule, actions);
    }

    /// The schedule's reset. False, and nothing done, while there is a connection.
    pub fn reset_by_schedule(&mut self, actions: &mut Actions) -> bool {
        let disconnected = matches!(self.state, State::Disconnected);
        if disconnected {
            self.reset(ResetCause::Schedule, actions);
        }
        disconnected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Window;

    const H: u64 = 3_600_000_000_000;

    /// Three days from 8 to 20 o'clock.
    fn days() -> Schedule {
        let window = |day: u64| Window {
            opens_ns: (24 * day + 8) * H,
            closes_ns: (24 * day + 20) * H,
        };
        Schedule::new((0..3).map(window).collect(), 96 * H)
    }

    #[test]
    fn when_a_reset_is_due() {
        let days = days();
        for (began_h, now_h, due, why) in [
            (9, 19, false, "the same window"),
            (9, 20, true, "its end"),
            (20, 20, false, "reset at the end"),
            (20, 32, false, "reset at the end, now the next opens"),
            (9, 33, true, "down over the boundary"),
            (9, 70, true, "two boundaries missed: one reset"),
            (70, 70, false, "and it was done"),
            (21, 33, false, "began between the windows"),
            (2, 9, false, "began before the first window"),
            (21, 19, false, "the clock went back over the boundary"),
            (33, 9, false, "and by a day"),
            (69, 9, true, "dated by a clock that was days ahead"),
        ] {
            assert_eq!(reset_due(&days, began_h * H, now_h * H), due, "{why}");
        }
    }

    fn at(hour: u64) -> Now {
        Now {
            mono_ns: 1,
            wall_ns: hour * H,
        }
    }

    #[test]
    fn one_boundary_is_one_reset_even_when_the_clock_swings_over_it() {
        let mut hours = Hours::new(Some(Arc::new(days())), Some(9 * H));
        let mut resets = 0;
        for hour in [
            9, 10, 19, 20, 19, 20, 21, 10, 31, 32, 33, 19, 43, 44, 43, 45,
        ] {
            hours.look(at(hour));
            if hours.reset_is_due() {
                hours.begin(at(hour));
                resets += 1;
            }
        }
        assert_eq!(resets, 2);
    }

    #[test]
    fn what_it_says_and_when_it_changes() {
        let mut hours = Hours::new(Some(Arc::new(days())), None);
        assert!(hours.look(at(9)) && !hours.look(at(10)));
        assert!(hours.are_open() && hours.changes_wall_ns() == 20 * H);
        assert!(hours.look(at(20)) && !hours.are_open());
        assert_eq!(
            hours.refusal().to_string(),
            "Outside the session schedule: opens at 19700102-08:00:00 UTC"
        );
        hours.look(at(90));
        assert_eq!(hours.refusal().to_string(), "Outside the session schedule");
        let mut always = Hours::new(None, None);
        assert!(!always.look(at(9)) && always.are_open() && !always.reset_is_due());
        assert_eq!(always.changes_wall_ns(), 0);
    }
}
