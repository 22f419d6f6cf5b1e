//! Timers: heartbeats, the question whether the peer lives, and the bounds of logon and logout.
//!
//! Cold next to messages. A deadline only moves later while messages flow, so an owner with a timer heap may keep the old one,
//! call `on_timer` then (nothing happens) and ask for the new one. Times are monotonic nanoseconds.
//! Always: no heartbeat while a TestRequest is out; one TestRequest until something comes.

use super::action::{Actions, Admin, DisconnectReason, Notice};
use super::state::{Live, Session, State};
use crate::domain::{Now, Text};

/// Silence after which we ask, and silence after that before we close: 1.2 × HeartBtInt each. Counted from the question, so
/// that a host that slept does not close what it never asked.
fn patience_ns(live: &Live) -> u64 {
    live.heartbeat_ns / 5 * 6
}

impl Session {
    /// To be called at `next_deadline_ns` or later; earlier does no harm.
    pub fn on_timer(&mut self, now: Now, actions: &mut Actions) {
        match self.state {
            State::Disconnected | State::Closing(_) => {}
            State::AwaitLogon { deadline_ns } | State::LogonSent { deadline_ns, .. } => {
                if now.mono_ns >= deadline_ns {
                    self.close(DisconnectReason::LogonTimeout, actions);
                }
            }
            State::Active(live) => self.on_live_timer(now, live, actions),
            State::LogoutSent { live, deadline_ns } => {
                if now.mono_ns >= deadline_ns {
                    self.close(DisconnectReason::LogoutTimeout, actions);
                } else {
                    self.on_live_timer(now, live, actions);
                }
            }
        }
    }

    fn on_live_timer(&mut self, now: Now, live: Live, actions: &mut Actions) {
        if live
            .reset_deadline_ns
            .is_some_and(|deadline_ns| now.mono_ns >= deadline_ns)
        {
            let text = Text::cut(b"ResetSeqNumFlag(141)=Y was not answered");
            return self.start_logout(now, text, actions);
        }
        if let Some(deadline_ns) = live.probe_deadline_ns {
            if now.mono_ns >= deadline_ns {
                self.close(DisconnectReason::HeartbeatTimeout, actions);
            }
            return;
        }
        if live.heartbeat_ns == 0 {
            return;
        }
        if now.mono_ns >= live.heard_ns + patience_ns(&live) {
            self.probe(now, patience_ns(&live), actions);
        } else if now.mono_ns.saturating_sub(self.last_sent_ns) >= live.heartbeat_ns {
            actions.send(Admin::Heartbeat {
                test_request_id: None,
            });
        }
    }

    /// Asks for a sign of life; without one the connection is closed after `wait_ns` (or at the time that was set before).
    pub fn probe(&mut self, now: Now, wait_ns: u64, actions: &mut Actions) {
        let deadline_ns = now.mono_ns + wait_ns;
        match self.live_mut() {
            None => {}
            Some(live) if live.probe_deadline_ns.is_some() => {
                live.probe_deadline_ns = live.probe_deadline_ns.min(Some(deadline_ns));
            }
            Some(live) => {
                live.probe_deadline_ns = Some(deadline_ns);
                actions.notice(Notice::TestRequestSent);
                actions.send(Admin::TestRequest);
            }
        }
    }

    /// When `on_timer` has something to do, at the earliest; `u64::MAX`: never.
    pub fn next_deadline_ns(&self) -> u64 {
        match self.state {
            State::Disconnected | State::Closing(_) => u64::MAX,
            State::AwaitLogon { deadline_ns } | State::LogonSent { deadline_ns, .. } => deadline_ns,
            State::Active(live) => self.live_deadline_ns(&live),
            State::LogoutSent { live, deadline_ns } => {
                deadline_ns.min(self.live_deadline_ns(&live))
            }
        }
    }

    fn live_deadline_ns(&self, live: &Live) -> u64 {
        let silence_ns = match live.probe_deadline_ns {
            Some(deadline_ns) => deadline_ns,
            None if live.heartbeat_ns == 0 => u64::MAX,
            None => (live.heard_ns + patience_ns(live)).min(self.last_sent_ns + live.heartbeat_ns),
        };
        silence_ns.min(live.reset_deadline_ns.unwrap_or(u64::MAX))
    }
}
