//! The session's state, its entry points, and the one table of state and event.
//!
//! ```text
//!                 on_connected                Logon in                 Logout in / fatal
//! Disconnected ----acceptor----> AwaitLogon -----------> Active --------------------------> Closing
//!      ^       ---initiator----> LogonSent ------------^   |  start_logout,                    ^  |
//!      |         (Logon out)         |                     |  bad CompID, time, version        |  |
//!      |                             |                     +----------> LogoutSent ------------+  |
//!      |                             +--- refused, late, wrong ------------- Logout in, timeout   |
//!      +------------------------------------ on_disconnected -------------------------------------+
//! ```
//!
//! Messages with a number that is too high are **kept** by the owner (`Action::Keep`) and come back through `on_kept` in their
//! order. What finds no room is forgotten: our ResendRequest asks for everything (EndSeqNo(16)=0), so the peer repeats it.
//! The state × event matrix is committed in `tests/snapshots` and proven by `tests/session_matrix.rs`.

use super::action::{
    Action, Actions, Admin, DisconnectReason, LogoutText, Notice, Reject, ResetCause, Routing,
};
use crate::config::plan::FixPlan;
use crate::domain::time::NS_PER_S;
use crate::domain::{Checks, FixVersion, Now, Text};
use crate::limits::LOGON_TIMEOUT_S;
use crate::wire::fix::dictionary::Dictionary;
use crate::wire::fix::{Message, MsgType, SessionRejectReason};
use std::sync::Arc;

/// Who connects. All else is the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The peer connects and sends the first Logon: our clients.
    Acceptor,
    /// We connect and send the first Logon: our desks.
    Initiator,
}

/// Where the dialogue stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No connection.
    Disconnected,
    /// Acceptor: connected, nothing came.
    AwaitLogon {
        /// Then it is closed; monotonic
        deadline_ns: u64,
    },
    /// Initiator: our Logon is out.
    LogonSent {
        /// Then it is closed; monotonic
        deadline_ns: u64,
        /// It said 141=Y
        reset: bool,
    },
    /// Logged on.
    Active(Live),
    /// Our Logout is out; everything else goes on until the answer.
    LogoutSent {
        /// As in `Active`
        live: Live,
        /// Then it is closed; monotonic
        deadline_ns: u64,
    },
    /// `Disconnect` was given; what still comes is ignored.
    Closing(Ended),
}

/// What a logged-on session knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Live {
    /// HeartBtInt(108); zero: no heartbeats
    pub heartbeat_ns: u64,
    /// When the last message came; monotonic
    pub heard_ns: u64,
    /// A TestRequest is out: without a sign of life until then it is closed; monotonic
    pub probe_deadline_ns: Option<u64>,
    /// What we wait for
    pub gap: Option<Gap>,
    /// We asked the peer to begin anew (141=Y) and wait for its answer until then; monotonic
    pub reset_deadline_ns: Option<u64>,
}

/// Missing numbers that the peer was asked for. It is satisfied when the number after `through` is expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The last number that was missing when the gap was seen
    pub through: u64,
    /// Without progress until then, the next early message asks again; monotonic
    pub patience_ns: u64,
}

/// How a connection ended, for the reset options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// An acceptor's peer that never logged on: a stranger changes nothing.
    Stranger,
    /// Logged on (or trying to, as initiator) and broken off.
    Broken,
    /// Logout was said.
    LoggedOut,
}

/// One FIX session.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) role: Role,
    pub(super) settings: Settings,
    /// What messages are checked against
    pub(super) dictionary: Option<Arc<Dictionary>>,
    pub(super) state: State,
    pub(super) next_in: u64,
    pub(super) next_out: u64,
    pub(super) last_sent_ns: u64,
}

/// What the session needs of its [`FixPlan`], in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub version: FixVersion,
    pub own_comp_id: Text<31>,
    pub peer_comp_id: Text<31>,
    pub heartbeat_s: u32,
    pub heartbeat_min_s: u32,
    pub heartbeat_max_s: u32,
    pub sending_time_tolerance_ns: u64,
    pub logout_timeout_ns: u64,
    pub reset_on_logon: bool,
    pub reset_on_logout: bool,
    pub reset_on_disconnect: bool,
    pub next_expected: bool,
    pub last_processed: bool,
    pub checks: Checks,
}

impl Session {
    /// A session without a connection. Numbers come from the log; 1 and 1 for a new one.
    pub fn new(role: Role, plan: &FixPlan, next_in: u64, next_out: u64) -> Self {
        Self {
            role,
            settings: Settings {
                version: plan.version,
                own_comp_id: plan.sender_comp_id,
                peer_comp_id: plan.target_comp_id,
                heartbeat_s: plan.heartbeat_interval_s,
                heartbeat_min_s: plan.heartbeat_interval_min_s,
                heartbeat_max_s: plan.heartbeat_interval_max_s,
                sending_time_tolerance_ns: plan.sending_time_tolerance_s as u64 * NS_PER_S,
                logout_timeout_ns: plan.logout_timeout_s as u64 * NS_PER_S,
                reset_on_logon: plan.reset_on_logon,
                reset_on_logout: plan.reset_on_logout,
                reset_on_disconnect: plan.reset_on_disconnect,
                next_expected: plan.next_expected_msg_seq_num,
                last_processed: plan.last_msg_seq_num_processed,
                checks: plan.checks,
            },
            dictionary: None,
            state: State::Disconnected,
            next_in: next_in.max(1),
            next_out: next_out.max(1),
            last_sent_ns: 0,
        }
    }

    /// With every message checked against `dictionary`, as the plan's checks say.
    pub fn with_dictionary(mut self, dictionary: Option<Arc<Dictionary>>) -> Self {
        self.dictionary = dictionary;
        self
    }

    /// A connection stands. Acceptor: after `identify`, before the Logon is given to `on_message`.
    pub fn on_connected(&mut self, now: Now, actions: &mut Actions) {
        if !matches!(self.state, State::Disconnected) {
            actions.notice(Notice::Unexpected);
            return;
        }
        let deadline_ns = now.mono_ns + LOGON_TIMEOUT_S * NS_PER_S;
        match self.role {
            Role::Acceptor => self.state = State::AwaitLogon { deadline_ns },
            Role::Initiator => self.send_first_logon(deadline_ns, actions),
        }
    }

    /// A whole message with proven length and checksum came.
    pub fn on_message(&mut self, now: Now, message: &Message<'_>, actions: &mut Actions) {
        match self.state {
            State::Disconnected | State::Closing(_) => actions.notice(Notice::Unexpected),
            State::AwaitLogon { .. } => self.first_logon(now, message, actions),
            State::LogonSent { reset, .. } => self.logon_answer(now, reset, message, actions),
            State::Active(_) | State::LogoutSent { .. } => self.established(now, message, actions),
        }
    }

    /// A message that was kept ([`Action::Keep`]) and whose number is the one expected now. It was checked when it came.
    pub fn on_kept(&mut self, now: Now, message: &Message<'_>, actions: &mut Actions) {
        if self.live().is_some() && message.msg_seq_num() == Some(self.next_in) {
            self.kept(now, message, actions);
        }
    }

    /// Garbled bytes were skipped (framing or parsing failed): ignored when logged on, no number is consumed; before that the
    /// connection is dropped.
    pub fn on_malformed(&mut self, _now: Now, actions: &mut Actions) {
        match self.state {
            State::AwaitLogon { .. } | State::LogonSent { .. } => {
                self.close(DisconnectReason::GarbledLogon, actions);
            }
            _ => actions.notice(Notice::Garbled),
        }
    }

    /// The connection is gone, whoever closed it.
    pub fn on_disconnected(&mut self, _now: Now, actions: &mut Actions) {
        let ended = match self.state {
            State::Disconnected => return,
            State::AwaitLogon { .. } => Ended::Stranger,
            State::LogonSent { .. } => Ended::Broken,
            State::Active(_) | State::LogoutSent { .. } => {
                actions.push(Action::LoggedOut);
                Ended::Broken
            }
            State::Closing(ended) => ended,
        };
        self.state = State::Disconnected;
        let cause = match ended {
            Ended::LoggedOut if self.settings.reset_on_logout => ResetCause::Logout,
            Ended::LoggedOut | Ended::Broken if self.settings.reset_on_disconnect => {
                ResetCause::Disconnect
            }
            _ => return,
        };
        self.reset(cause, actions);
    }

    /// Ends the session in order: Logout, and close when it is answered or not answered in time.
    pub fn start_logout(&mut self, now: Now, text: LogoutText, actions: &mut Actions) {
        match self.state {
            State::Active(live) => self.logout(now, live, text, actions),
            State::AwaitLogon { .. } | State::LogonSent { .. } => {
                self.close(DisconnectReason::Stopped, actions);
            }
            State::Disconnected | State::LogoutSent { .. } | State::Closing(_) => {}
        }
    }

    /// Begins anew at 1 on both sides while logged on: our Logon with 141=Y, which the peer answers with one. What it sent before
    /// still counts under the old numbers. False, and nothing done, where that cannot be.
    pub fn start_reset(&mut self, now: Now, cause: ResetCause, actions: &mut Actions) -> bool {
        let State::Active(live) = self.state else {
            return false;
        };
        if live.reset_deadline_ns.is_some() || self.settings.version == FixVersion::Fix40 {
            return false; // 4.0 has no such flag
        }
        self.next_out = 1;
        self.tell_numbers(cause, actions);
        actions.send(Admin::Logon {
            heartbeat_interval_s: (live.heartbeat_ns / NS_PER_S) as u32,
            reset: true,
            next_expected: None,
        });
        self.state = State::Active(Live {
            reset_deadline_ns: Some(now.mono_ns + self.settings.logout_timeout_ns),
            ..live
        });
        true
    }

    /// Rejects the application message that was just delivered (35=3). Its number stays consumed.
    pub fn reject(
        &mut self,
        message: &Message<'_>,
        tag: Option<i32>,
        reason: SessionRejectReason,
        actions: &mut Actions,
    ) {
        actions.send(Admin::Reject(Reject {
            reference: message.msg_seq_num().unwrap_or(0),
            tag,
            reason,
            msg_type: message.msg_type(),
            routing: Routing::read(message),
        }));
    }

    /// Takes the number of the next message to be sent, of whatever type; the heartbeat timer starts anew.
    #[inline]
    pub fn next_out(&mut self, now: Now) -> u64 {
        let number = self.next_out;
        self.next_out += 1;
        self.last_sent_ns = now.mono_ns;
        number
    }

    /// Sets both numbers while there is no connection (operator, scheduled reset). False, and nothing done, while there is one.
    pub fn set_numbers(&mut self, next_in: u64, next_out: u64, actions: &mut Actions) -> bool {
        if !matches!(self.state, State::Disconnected) || next_in == 0 || next_out == 0 {
            return false;
        }
        (self.next_in, self.next_out) = (next_in, next_out);
        self.tell_numbers(ResetCause::Operator, actions);
        true
    }

    /// Whether application messages may be sent now.
    #[inline]
    pub fn can_send_application(&self) -> bool {
        matches!(self.state, State::Active(_))
    }

    /// Whether a connection is bound to the session. A second logon is dropped then.
    pub fn is_connected(&self) -> bool {
        !matches!(self.state, State::Disconnected)
    }

    /// Whether the peer owes us messages.
    pub fn gap(&self) -> Option<Gap> {
        self.live().and_then(|live| live.gap)
    }

    /// LastMsgSeqNumProcessed(369) of what we send now, where the session has it.
    #[inline]
    pub fn last_processed(&self) -> Option<u64> {
        self.settings.last_processed.then(|| self.next_in - 1)
    }

    /// Where the dialogue stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Our role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The number expected from the peer.
    pub fn expected_in(&self) -> u64 {
        self.next_in
    }

    /// The number that `next_out` would give.
    pub fn peek_next_out(&self) -> u64 {
        self.next_out
    }

    pub(super) fn live(&self) -> Option<Live> {
        match self.state {
            State::Active(live) | State::LogoutSent { live, .. } => Some(live),
            _ => None,
        }
    }

    pub(super) fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.state {
            State::Active(live) | State::LogoutSent { live, .. } => Some(live),
            _ => None,
        }
    }

    /// Sends our Logout and waits for the answer.
    pub(super) fn logout(&mut self, now: Now, live: Live, text: LogoutText, actions: &mut Actions) {
        actions.send(Admin::Logout { text });
        self.state = State::LogoutSent {
            live: Live {
                reset_deadline_ns: None,
                ..live
            },
            deadline_ns: now.mono_ns + self.settings.logout_timeout_ns,
        };
    }

    /// Gives the one `Disconnect`, and `LoggedOut` where it was logged on.
    pub(super) fn close(&mut self, reason: DisconnectReason, actions: &mut Actions) {
        let logged_out = matches!(
            reason,
            DisconnectReason::PeerLogout | DisconnectReason::LogoutComplete
        );
        let ended = match self.state {
            State::Disconnected | State::Closing(_) => return,
            State::AwaitLogon { .. } => Ended::Stranger,
            State::LogonSent { .. } => Ended::Broken,
            State::Active(_) | State::LogoutSent { .. } => {
                actions.push(Action::LoggedOut);
                if logged_out {
                    Ended::LoggedOut
                } else {
                    Ended::Broken
                }
            }
        };
        actions.push(Action::Disconnect(reason));
        self.state = State::Closing(ended);
    }

    /// Both numbers to 1.
    pub(super) fn reset(&mut self, cause: ResetCause, actions: &mut Actions) {
        (self.next_in, self.next_out) = (1, 1);
        self.tell_numbers(cause, actions);
    }

    pub(super) fn tell_numbers(&self, cause: ResetCause, actions: &mut Actions) {
        actions.push(Action::SequenceReset {
            next_in: self.next_in,
            next_out: self.next_out,
            cause,
        });
    }

    /// Whether the message may be taken before a Logon.
    pub(super) fn is_logon(message: &Message<'_>) -> bool {
        message.msg_type() == MsgType::LOGON
    }
}
