//! A message on a session that is logged on: the checks that all messages share, in the order of the specification, then what
//! each administrative type asks for.
//!
//! Order: BeginString; MsgSeqNum present; the dictionary, or without one the required header fields and what the parser found;
//! SendingTime; CompIDs; then the number (`sequence.rs`). A message that is rejected consumes its number where that is the one expected, so that the dialogue goes on.

use super::action::text;
use super::action::{Action, Actions, Admin, DisconnectReason, Notice, TestRequestId};
use super::state::{Session, State};
use crate::domain::{Now, Text};
use crate::wire::fix::{Fault, Message, MsgType, SessionRejectReason, tags};

/// What is wrong with 49, 52 or 56.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderFault {
    /// No time at all
    SendingTimeFormat,
    /// Too far from our clock
    SendingTimeAccuracy,
    /// Not the session's names
    CompId,
}

impl Session {
    pub(super) fn established(&mut self, now: Now, message: &Message<'_>, actions: &mut Actions) {
        if !self.settings.version.begins(message.begin_string()) {
            if matches!(self.state, State::Active(_)) {
                self.start_logout(now, Text::cut(b"Incorrect BeginString"), actions);
            }
            return;
        }
        let Some(number) = message.msg_seq_num() else {
            // Without a number nothing can be answered or asked for again.
            actions.send(Admin::Logout {
                text: Text::cut(b"Received message without MsgSeqNum"),
            });
            self.close(DisconnectReason::SequenceMissing, actions);
            return;
        };
        if let Some(live) = self.live_mut() {
            live.heard_ns = now.mono_ns;
            live.probe_deadline_ns = None;
        }
        if let Some(fault) = self.content_fault(message) {
            return self.refuse(now, message, fault.tag, fault.reason, actions);
        }
        if let Some(fault) = self.header_fault(now, message) {
            return self.refuse_header(now, fault, message, actions);
        }
        match message.msg_type() {
            MsgType::LOGON => self.logon_again(now, number, message, actions),
            MsgType::LOGOUT => self.peer_logout(number, message, actions),
            MsgType::RESEND_REQUEST => self.resend_request(now, number, message, actions),
            MsgType::SEQUENCE_RESET => self.sequence_reset(now, number, message, actions),
            _ => {
                if self.in_order(now, number, message, actions) {
                    self.take(now, message, actions);
                }
            }
        }
    }

    /// What is wrong with the message by itself.
    #[inline]
    pub(super) fn content_fault(&self, message: &Message<'_>) -> Option<Fault> {
        match &self.dictionary {
            Some(dictionary) => dictionary.validate(message, &self.settings.checks).err(),
            None => match message.missing_header_tag() {
                Some(tag) => Some(Fault {
                    tag: Some(tag as i32),
                    reason: SessionRejectReason::RequiredTagMissing,
                }),
                None => message.fault(),
            },
        }
    }

    /// A message that came early has its turn. What was honoured whatever its number has only its number to give.
    pub(super) fn kept(&mut self, now: Now, message: &Message<'_>, actions: &mut Actions) {
        match message.msg_type() {
            MsgType::LOGON | MsgType::LOGOUT | MsgType::RESEND_REQUEST => {
                self.consume(now, actions)
            }
            MsgType::SEQUENCE_RESET => self.sequence_reset(now, self.next_in, message, actions),
            _ => self.take(now, message, actions),
        }
    }

    /// The next message in order.
    fn take(&mut self, now: Now, message: &Message<'_>, actions: &mut Actions) {
        match message.msg_type() {
            MsgType::HEARTBEAT => self.consume(now, actions),
            MsgType::TEST_REQUEST => match message.get(tags::TEST_REQ_ID) {
                None => self.refuse(
                    now,
                    message,
                    Some(tags::TEST_REQ_ID as i32),
                    SessionRejectReason::RequiredTagMissing,
                    actions,
                ),
                Some(id) => match TestRequestId::new(id) {
                    None => self.refuse(
                        now,
                        message,
                        Some(tags::TEST_REQ_ID as i32),
                        SessionRejectReason::ValueOutOfRange,
                        actions,
                    ),
                    Some(id) => {
                        self.consume(now, actions);
                        actions.send(Admin::Heartbeat {
                            test_request_id: Some(id),
                        });
                    }
                },
            },
            MsgType::REJECT => {
                self.consume(now, actions);
                actions.push(Action::RejectReceived {
                    reference: message.get_u64(tags::REF_SEQ_NUM).unwrap_or(0),
                });
            }
            _ => {
                // First the application, then whatever the closing of a gap has to tell.
                actions.push(Action::Deliver);
                self.consume(now, actions);
            }
        }
    }

    /// Logout is honoured whatever its number; not so an old one, repeated by mistake.
    fn peer_logout(&mut self, number: u64, message: &Message<'_>, actions: &mut Actions) {
        if message.poss_dup() && number < self.next_in {
            actions.notice(Notice::DuplicateIgnored { sequence: number });
            return;
        }
        if number == self.next_in {
            self.next_in += 1;
        }
        if matches!(self.state, State::LogoutSent { .. }) {
            self.close(DisconnectReason::LogoutComplete, actions);
        } else {
            actions.send(Admin::Logout { text: Text::EMPTY });
            self.close(DisconnectReason::PeerLogout, actions);
        }
    }

    /// Time and names, in that order.
    pub(super) fn header_fault(&self, now: Now, message: &Message<'_>) -> Option<HeaderFault> {
        let Some(sent_ns) = message.sending_time_ns() else {
            return Some(HeaderFault::SendingTimeFormat);
        };
        if now.wall_ns.abs_diff(sent_ns) > self.settings.sending_time_tolerance_ns {
            return Some(HeaderFault::SendingTimeAccuracy);
        }
        let ours = message.target_comp_id() == Some(self.settings.own_comp_id.as_bytes())
            && message.sender_comp_id() == Some(self.settings.peer_comp_id.as_bytes());
        (!ours).then_some(HeaderFault::CompId)
    }

    /// Wrong time or names after logon: Reject, Logout, wait for the answer.
    fn refuse_header(
        &mut self,
        now: Now,
        fault: HeaderFault,
        message: &Message<'_>,
        actions: &mut Actions,
    ) {
        let reason = match fault {
            HeaderFault::SendingTimeFormat => {
                let reason = SessionRejectReason::BadFormat;
                return self.refuse(
                    now,
                    message,
                    Some(tags::SENDING_TIME as i32),
                    reason,
                    actions,
                );
            }
            HeaderFault::SendingTimeAccuracy => SessionRejectReason::SendingTimeAccuracy,
            HeaderFault::CompId => SessionRejectReason::CompIdProblem,
        };
        self.refuse(now, message, None, reason, actions);
        self.start_logout(now, Text::EMPTY, actions);
    }

    /// Reject(35=3); consumes the number where it is the one expected.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        message: &Message<'_>,
        tag: Option<i32>,
        reason: SessionRejectReason,
        actions: &mut Actions,
    ) {
        self.reject(message, tag, reason, actions);
        let is_reset = message.msg_type() == MsgType::SEQUENCE_RESET
            && message.get(tags::GAP_FILL_FLAG) != Some(b"Y");
        if message.msg_seq_num() == Some(self.next_in) && !is_reset {
            self.consume(now, actions);
        }
    }

    /// Logs the peer out at once, because its number is too low.
    pub(super) fn too_low(&mut self, received: u64, actions: &mut Actions) {
        let expected = self.next_in;
        actions.notice(Notice::SequenceTooLow { expected, received });
        actions.send(Admin::Logout {
            text: text(format_args!(
                "MsgSeqNum too low, expecting {expected} but received {received}"
            )),
        });
        self.close(DisconnectReason::SequenceTooLow, actions);
    }
}
