//! What the time of day and operators ask of a session's numbers: logging out at the end of the hours, the reset at the boundary,
//! numbers set by hand.
//!
//! Part of the switchboard, same thread. Numbers are set only while there is no connection; what was connected is logged out
//! first. A scheduled reset waits while the owner has requests in doubt under the old numbers.

use super::application::{Application, Closed, PeerEvent};
use super::peer::Role;
use super::switchboard::Switchboard;
use crate::domain::Now;
use crate::domain::command::{NumbersChange, NumbersDone, NumbersOutcome};
use crate::io::Sockets;
use crate::limits::FRAME_BYTES_MAX;
use crate::session::{ResetCause, State, schedule::SCHEDULE_ENDED};

impl<S: Sockets> Switchboard<S> {
    /// A peer with a schedule, at each turn of its timer and before it is let in. Mostly two comparisons.
    pub(super) fn keep_hours<A: Application>(&mut self, at: usize, now: Now, application: &mut A) {
        let peer = &self.peers[at];
        let may_stay = peer.hours.are_open() || peer.connection.is_none();
        if may_stay && !peer.hours.reset_is_due() && peer.hours.hold_at(now) {
            return;
        }
        // A Logout, its event and the reset's; without room it is looked at again.
        if !self.log.has_room_for(4, FRAME_BYTES_MAX) {
            return;
        }
        let peer = &mut self.peers[at];
        if peer.hours.look(now) {
            if let Role::Connect { .. } = peer.role {
                peer.retry_at_ns = now.mono_ns;
            }
            let event = PeerEvent::Hours {
                open: peer.hours.are_open(),
                changes_wall_ns: peer.hours.changes_wall_ns(),
            };
            self.tell(at, now, event, application);
        }
        let peer = &self.peers[at];
        let due = peer.hours.reset_is_due();
        if peer.connection.is_some() {
            if !peer.hours.are_open() || (due && !peer.reset_held) {
                self.end_hours(at, now, application);
            }
        } else if due {
            self.reset_by_schedule(at, now, application);
        }
    }

    /// After a restart, before anything else: a boundary that passed meanwhile ends the numbers first, so that nothing is sent under
    /// those that end. Says whether all peers were looked at; without room the rest is for the next turn.
    #[cold]
    pub(super) fn see_hours<A: Application>(&mut self, now: Now, application: &mut A) -> bool {
        while let Some(at) = self.hours_unseen {
            if at == self.peers.len() {
                self.hours_unseen = None;
            } else if self.log.has_room_for(4, FRAME_BYTES_MAX) {
                self.keep_hours(at, now, application);
                self.hours_unseen = Some(at + 1);
            } else {
                return false;
            }
        }
        true
    }

    fn end_hours<A: Application>(&mut self, at: usize, now: Now, application: &mut A) {
        match self.peers[at].session.state() {
            State::Active(_) => self.log_out(at, now, SCHEDULE_ENDED, false, application),
            State::AwaitLogon { .. } | State::LogonSent { .. } => {
                self.disconnect(at, now, Closed::Schedule, false, application);
            }
            // On its way out.
            State::LogoutSent { .. } | State::Closing(_) | State::Disconnected => {}
        }
    }

    fn reset_by_schedule<A: Application>(&mut self, at: usize, now: Now, application: &mut A) {
        if !application.may_reset(at) {
            if !self.peers[at].reset_held {
                self.peers[at].reset_held = true;
                self.tell(at, now, PeerEvent::ResetHeld, application);
            }
            return;
        }
        self.actions.clear();
        if self.peers[at].session.reset_by_schedule(&mut self.actions) {
            self.perform(at, now, application);
        }
    }

    /// The numbers were set, by whom ever.
    pub(super) fn begin_incarnation(&mut self, at: usize, now: Now, cause: ResetCause) {
        // The peer's own SequenceReset moves one number within the incarnation.
        if cause != ResetCause::PeerSequenceReset {
            self.peers[at].hours.begin(now);
            self.peers[at].reset_held = false;
        }
    }

    /// Logged on under the old numbers: the peer went on with them, and so do we until the next boundary.
    pub(super) fn give_up_held_reset<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        application: &mut A,
    ) {
        let peer = &mut self.peers[at];
        if std::mem::take(&mut peer.reset_held) {
            peer.hours.begin(now);
            self.tell(at, now, PeerEvent::ResetGivenUp, application);
        }
    }

    /// An operator sets both numbers: now, after a logout, or not at all. The answer is in [`Switchboard::next_answer`].
    pub fn set_numbers<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        change: NumbersChange,
        application: &mut A,
    ) {
        if self.peers[at].connection.is_none() {
            return self.apply_numbers(at, now, change, application);
        }
        if !change.log_out {
            return self.answer_numbers(at, change, NumbersOutcome::Connected);
        }
        if self.numbers_waiting.iter().any(|(waits, _)| *waits == at) {
            return self.answer_numbers(at, change, NumbersOutcome::UnderWay);
        }
        self.numbers_waiting.push((at, change));
        let text = "Logged out by operator: sequence numbers are set";
        self.log_out(at, now, text, false, application);
    }

    /// The peer is disconnected: what waited for it is done before it can come back.
    pub(super) fn apply_waiting_numbers<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        application: &mut A,
    ) {
        let waits = |(peer, _): &(usize, NumbersChange)| *peer == at;
        if let Some(found) = self.numbers_waiting.iter().position(waits) {
            let (_, change) = self.numbers_waiting.swap_remove(found);
            self.apply_numbers(at, now, change, application);
        }
    }

    fn apply_numbers<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        change: NumbersChange,
        application: &mut A,
    ) {
        let before = self.numbers(at);
        let who = PeerEvent::Operator {
            uid: change.uid,
            approver_uid: change.approver_uid,
        };
        self.tell(at, now, who, application);
        self.actions.clear();
        let (next_in, next_out) = (change.next_in, change.next_out);
        let session = &mut self.peers[at].session;
        let is_set = session.set_numbers(next_in, next_out, &mut self.actions);
        self.perform(at, now, application);
        let outcome = match is_set {
            true => NumbersOutcome::Set { before },
            false => NumbersOutcome::Connected,
        };
        self.answer_numbers(at, change, outcome);
    }

    fn numbers(&self, at: usize) -> (u64, u64) {
        let session = &self.peers[at].session;
        (session.expected_in(), session.peek_next_out())
    }

    fn answer_numbers(&mut self, at: usize, change: NumbersChange, outcome: NumbersOutcome) {
        let (next_in, next_out) = self.numbers(at);
        self.numbers_done.push(NumbersDone {
            ticket: change.ticket,
            next_in,
            next_out,
            outcome,
        });
    }

    /// What came of an operator's wish.
    pub fn next_answer(&mut self) -> Option<NumbersDone> {
        self.numbers_done.pop()
    }
}
