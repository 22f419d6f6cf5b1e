//! When the sessions of a tool came and went: the load client's sessions, the desk's links.
//!
//! Owned by the tool's thread; whoever runs the tool takes the events out and shows them. Counted always, kept in a bounded list:
//! where nobody takes them the newest are only counted.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::domain::Now;
use crate::limits::SIM_LINE_EVENTS_MAX;
use crate::session::Notice;
use crate::stage::PeerEvent;

/// What happened to a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineChange {
    /// Logged on.
    Up,
    /// Logged out, or the connection is gone.
    Down,
    /// Its numbers began anew.
    Reset,
}

/// One event of one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct LineEvent {
    /// When, nanoseconds since 1970.
    pub wall_ns: u64,
    /// Which, from one.
    pub line: usize,
    /// What.
    pub what: LineChange,
    /// Requests without an answer at that time, over all lines.
    pub open: u64,
}

/// Sums over all lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LineTotals {
    /// Logons.
    pub logons: u64,
    /// Lines that were up and are not any more.
    pub lost: u64,
    /// Times that numbers began anew.
    pub resets: u64,
    /// Messages under a number that was processed before (43=Y): ignored.
    pub duplicates_ignored: u64,
    /// Gaps in what the other side sent.
    pub gaps: u64,
    /// Messages of ours that the other side rejected (35=3).
    pub rejects: u64,
    /// Messages that were asked for again and could not be sent again.
    pub resend_lost: u64,
}

/// The events.
#[derive(Clone, Debug, Default)]
pub struct LineEvents {
    events: VecDeque<LineEvent>,
    /// By line: whether it is up.
    up: Vec<bool>,
    totals: LineTotals,
}

impl LineEvents {
    /// Something happened to the line `at`, counted from zero.
    pub fn note(&mut self, now: Now, at: usize, event: &PeerEvent, open: u64) {
        if self.up.len() <= at {
            self.up.resize(at + 1, false);
        }
        let totals = &mut self.totals;
        let what = match event {
            PeerEvent::LoggedOn => {
                totals.logons += 1;
                self.up[at] = true;
                LineChange::Up
            }
            PeerEvent::LoggedOut | PeerEvent::Disconnected(_) => {
                if !std::mem::replace(&mut self.up[at], false) {
                    return;
                }
                totals.lost += 1;
                LineChange::Down
            }
            PeerEvent::SequenceReset(_) => {
                totals.resets += 1;
                LineChange::Reset
            }
            PeerEvent::RejectReceived { .. } => {
                totals.rejects += 1;
                return;
            }
            PeerEvent::Notice(Notice::DuplicateIgnored { .. }) => {
                totals.duplicates_ignored += 1;
                return;
            }
            PeerEvent::Notice(Notice::GapDetected { .. }) => {
                totals.gaps += 1;
                return;
            }
            _ => return,
        };
        if self.events.len() < SIM_LINE_EVENTS_MAX {
            self.events.push_back(LineEvent {
                wall_ns: now.wall_ns,
                line: at + 1,
                what,
                open,
            });
        }
    }

    /// What was not taken before, oldest first.
    pub fn take(&mut self) -> impl Iterator<Item = LineEvent> + '_ {
        self.events.drain(..)
    }

    /// Sums since the start.
    pub fn totals(&self) -> LineTotals {
        self.totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Closed;

    #[test]
    fn a_line_goes_down_once() {
        let mut lines = LineEvents::default();
        let now = Now {
            wall_ns: 7,
            mono_ns: 1,
        };
        let closed = PeerEvent::Disconnected(Closed::Operator);
        for event in [closed, PeerEvent::LoggedOn, PeerEvent::LoggedOut, closed] {
            lines.note(now, 2, &event, 5);
        }
        let told: Vec<_> = lines.take().map(|e| (e.line, e.what, e.open)).collect();
        assert_eq!(told, [(3, LineChange::Up, 5), (3, LineChange::Down, 5)]);
        assert_eq!((lines.totals().logons, lines.totals().lost), (1, 1));
        assert_eq!(lines.take().count(), 0);
    }
}
