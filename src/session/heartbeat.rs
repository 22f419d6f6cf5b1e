//! Timers: heartbeats, the question whether the peer lives, and the bounds of logon and logout.
//!
//! Cold next to messages. A deadline only moves later while messages flow, so an owner with a timer heap may keep the old one,
//! call `on_timer` then (nothing happens) and ask for the new one. Times are monotonic nanoseconds.
//! Always: no heartbeat while a TestRequest is out; one TestRequest until something comes.

use super::action::{Actions, Admin, DisconnectReason, Notice};
use super::state::{Live, Session, State};
use crate::domain::Now;

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
        if live.heartbeat_ns == 0 {
            return;
        }
        if let Some(deadline_ns) = live.probe_deadline_ns {
            if now.mono_ns >= deadline_ns {
                self.close(DisconnectReason::HeartbeatTimeout, actions);
            }
        } else if now.mono_ns >= live.heard_ns + patience_ns(&live) {
            actions.notice(Notice::TestRequestSent);
            actions.send(Admin::TestRequest);
            if let Some(live) = self.live_mut() {
                live.probe_deadline_ns = Some(now.mono_ns + patience_ns(live));
            }
        } else if now.mono_ns.saturating_sub(self.last_sent_ns) >= live.heartbeat_ns {
            actions.send(Admin::Heartbeat {
                test_request_id: None,
            });
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
        if live.heartbeat_ns == 0 {
            u64::MAX
        } else if let Some(deadline_ns) = live.probe_deadline_ns {
            deadline_ns
        } else {
            (live.heard_ns + patience_ns(live)).min(self.last_sent_ns + live.heartbeat_ns)
        }
    }
}
