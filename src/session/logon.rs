//! Logon, both roles: first message, answer, numbers, ResetSeqNumFlag, HeartBtInt.
//!
//! Who is not the configured peer, or is an hour off, learns nothing: the connection is dropped without a byte. A peer that is
//! who it should be and asks for what cannot be gets a Logout that says so; such a Logon does **not** consume its number, so
//! that neither a peer that counts it (its next Logon is too high, and gap-filled) nor one that starts over (the same number
//! again) is locked out. A reset comes before anything that is sent, so that numbers and incarnation agree.

use super::action::{
    Action, Actions, Admin, DisconnectReason, LogoutText, Notice, ResetCause, text,
};
use super::inbound::HeaderFault;
use super::state::{Live, Role, Session, State};
use crate::domain::time::NS_PER_S;
use crate::domain::{FixVersion, Now, Text};
use crate::wire::fix::digits;
use crate::wire::fix::{Message, SessionRejectReason, tags};

/// What a Logon asks for.
#[derive(Clone, Copy)]
struct Terms {
    number: u64,
    heartbeat_s: u64,
    reset: bool,
    /// NextExpectedMsgSeqNum(789), where the session goes by it
    next_expected: Option<u64>,
}

impl Session {
    /// Initiator: our Logon. 141=Y where both sides are to begin at 1.
    pub(super) fn send_first_logon(&mut self, deadline_ns: u64, actions: &mut Actions) {
        let options = self.settings;
        let fresh = (self.next_in, self.next_out) == (1, 1);
        let any = options.reset_on_logon || options.reset_on_logout || options.reset_on_disconnect;
        let reset = options.reset_on_logon || (any && fresh);
        if reset {
            self.reset(ResetCause::OwnLogon, actions);
        }
        // 4.0 has no flag for it: both sides must be configured alike.
        let reset = reset && options.version != FixVersion::Fix40;
        actions.send(Admin::Logon {
            heartbeat_interval_s: options.heartbeat_s,
            reset,
            next_expected: options.next_expected.then_some(self.next_in),
        });
        self.state = State::LogonSent { deadline_ns, reset };
    }

    /// Acceptor: the first message of the connection.
    pub(super) fn first_logon(&mut self, now: Now, message: &Message<'_>, actions: &mut Actions) {
        if let Some(reason) = self.stranger(now, message) {
            return self.close(reason, actions);
        }
        let terms = match self.terms(message) {
            Ok(terms) => terms,
            Err(why) => return self.refuse_logon(why, actions),
        };
        let (min, max) = (self.settings.heartbeat_min_s, self.settings.heartbeat_max_s);
        if terms.heartbeat_s < min as u64 || terms.heartbeat_s > max as u64 {
            let why = text(format_args!(
                "HeartBtInt(108) must be between {min} and {max}"
            ));
            return self.refuse_logon(why, actions);
        }
        if terms.reset {
            self.reset(ResetCause::PeerLogon, actions);
        } else if self.settings.reset_on_logon {
            self.reset(ResetCause::OwnLogon, actions);
        }
        if terms.number < self.next_in {
            return self.too_low(terms.number, actions);
        }
        if let Err(why) = self.known_to_us(&terms) {
            return self.refuse_logon(why, actions);
        }
        actions.send(Admin::Logon {
            heartbeat_interval_s: terms.heartbeat_s as u32,
            reset: terms.reset,
            next_expected: self
                .settings
                .next_expected
                .then_some(self.next_in + (terms.number == self.next_in) as u64),
        });
        self.enter_active(now, terms.heartbeat_s, &terms, actions);
    }

    /// Initiator: the first message after our Logon.
    pub(super) fn logon_answer(
        &mut self,
        now: Now,
        asked_reset: bool,
        message: &Message<'_>,
        actions: &mut Actions,
    ) {
        if message.msg_type() == crate::wire::fix::MsgType::LOGOUT {
            // Its number counts where it is the right one: the peer will not use it again.
            if self.header_fault(now, message).is_none()
                && message.msg_seq_num() == Some(self.next_in)
            {
                self.next_in += 1;
            }
            return self.close(DisconnectReason::LogonRefusedByPeer, actions);
        }
        if let Some(reason) = self.stranger(now, message) {
            return self.close(reason, actions);
        }
        let terms = match self.terms(message) {
            Ok(terms) => terms,
            Err(why) => return self.refuse_logon(why, actions),
        };
        if terms.reset && !asked_reset {
            // The peer began anew with our Logon. Whether it counts as number 1 or not, going on with 2 is right or heals
            // itself by a gap fill; going on with 1 could be too low.
            (self.next_in, self.next_out) = (1, 2);
            self.tell_numbers(ResetCause::PeerLogon, actions);
        }
        if terms.number < self.next_in {
            return self.too_low(terms.number, actions);
        }
        if let Err(why) = self.known_to_us(&terms) {
            return self.refuse_logon(why, actions);
        }
        let heartbeat_s = self.settings.heartbeat_s as u64;
        if terms.heartbeat_s != heartbeat_s {
            actions.notice(Notice::HeartbeatDiffers {
                peer_s: terms.heartbeat_s,
            });
        }
        self.enter_active(now, heartbeat_s, &terms, actions);
    }

    /// A Logon on a session that is logged on: only a reset makes sense.
    pub(super) fn logon_again(
        &mut self,
        now: Now,
        number: u64,
        message: &Message<'_>,
        actions: &mut Actions,
    ) {
        let reset = message.get(tags::RESET_SEQ_NUM_FLAG) == Some(b"Y");
        // A PossDup never resets: it is an old one, repeated by mistake.
        if !reset || message.poss_dup() {
            if self.in_order(now, number, message, actions) {
                let reason = SessionRejectReason::InvalidMsgType;
                self.refuse(now, message, None, reason, actions);
            }
            return;
        }
        let State::Active(live) = self.state else {
            return; // our Logout is out: no new beginning
        };
        let terms = match self.terms(message) {
            Ok(terms) => terms,
            Err(why) => return self.logout(now, live, why, actions),
        };
        let heartbeat_s = match self.role {
            Role::Acceptor => terms.heartbeat_s.clamp(
                self.settings.heartbeat_min_s as u64,
                self.settings.heartbeat_max_s as u64,
            ),
            Role::Initiator => live.heartbeat_ns / NS_PER_S,
        };
        if live.reset_deadline_ns.is_some() {
            // The answer to ours: our numbers began anew when we asked.
            self.next_in = 1;
            self.tell_numbers(ResetCause::PeerLogon, actions);
        } else {
            self.reset(ResetCause::PeerLogon, actions);
            actions.send(Admin::Logon {
                heartbeat_interval_s: heartbeat_s as u32,
                reset: true,
                next_expected: None,
            });
        }
        self.next_in = 2;
        self.state = State::Active(Live {
            heartbeat_ns: heartbeat_s * NS_PER_S,
            gap: None,
            reset_deadline_ns: None,
            ..live
        });
    }

    /// Why the message deserves no answer before logon.
    pub(super) fn stranger(&self, now: Now, message: &Message<'_>) -> Option<DisconnectReason> {
        if !Self::is_logon(message) {
            return Some(DisconnectReason::FirstMessageNotLogon);
        }
        if !self.settings.version.begins(message.begin_string()) {
            return Some(DisconnectReason::WrongBeginString);
        }
        match self.header_fault(now, message) {
            Some(HeaderFault::CompId) => Some(DisconnectReason::WrongCompId),
            Some(_) => Some(DisconnectReason::LogonSendingTime),
            None if message.msg_seq_num().is_none() => Some(DisconnectReason::SequenceMissing),
            None if self.settings.version.is_fixt()
                && message.get(tags::DEFAULT_APPL_VER_ID).is_none() =>
            {
                Some(DisconnectReason::ApplVerIdMissing)
            }
            None => None,
        }
    }

    /// Nobody can expect a number that we have not reached: what was sent under those before would be lost unseen.
    fn known_to_us(&self, terms: &Terms) -> Result<(), LogoutText> {
        let next = self.next_out;
        match terms.next_expected {
            Some(number) if number > next => Err(text(format_args!(
                "NextExpectedMsgSeqNum(789) too high, expecting at most {next} but received {number}"
            ))),
            _ => Ok(()),
        }
    }

    /// Reads a Logon, or says what is wrong with it.
    fn terms(&self, message: &Message<'_>) -> Result<Terms, LogoutText> {
        let bad = |tag: u32, reason: SessionRejectReason| {
            Err(text(format_args!("{} ({tag})", reason.text())))
        };
        if let Some(fault) = self.content_fault(message) {
            return Err(match fault.tag {
                Some(tag) => text(format_args!("{} ({tag})", fault.reason.text())),
                None => Text::cut(fault.reason.text().as_bytes()),
            });
        }
        if let Some(version) = self.settings.version.appl_ver_id()
            && message.get(tags::DEFAULT_APPL_VER_ID) != Some(&[version])
        {
            return Err(text(format_args!(
                "DefaultApplVerID(1137) must be {}",
                version as char
            )));
        }
        match message.get(tags::ENCRYPT_METHOD) {
            Some(b"0") => {}
            None => {
                return bad(
                    tags::ENCRYPT_METHOD,
                    SessionRejectReason::RequiredTagMissing,
                );
            }
            Some(_) => return bad(tags::ENCRYPT_METHOD, SessionRejectReason::ValueOutOfRange),
        }
        if message.get(tags::HEART_BT_INT).is_none() {
            return bad(tags::HEART_BT_INT, SessionRejectReason::RequiredTagMissing);
        }
        let Some(heartbeat_s) = message.get_u64(tags::HEART_BT_INT) else {
            return bad(tags::HEART_BT_INT, SessionRejectReason::BadFormat);
        };
        let reset = match message.get(tags::RESET_SEQ_NUM_FLAG) {
            Some(b"Y") => true,
            None | Some(b"N") => false,
            Some(_) => return bad(tags::RESET_SEQ_NUM_FLAG, SessionRejectReason::BadFormat),
        };
        let number = message.msg_seq_num().unwrap_or(0);
        if reset && number != 1 {
            return Err(Text::cut(
                b"MsgSeqNum(34) must be 1 with ResetSeqNumFlag(141)=Y",
            ));
        }
        let next_expected = match message.get(tags::NEXT_EXPECTED_MSG_SEQ_NUM) {
            Some(value) if self.settings.next_expected => match digits(value) {
                Some(number) if number > 0 => Some(number),
                _ => {
                    let reason = SessionRejectReason::BadFormat;
                    return bad(tags::NEXT_EXPECTED_MSG_SEQ_NUM, reason);
                }
            },
            _ => None,
        };
        Ok(Terms {
            number,
            heartbeat_s,
            reset,
            next_expected,
        })
    }

    fn refuse_logon(&mut self, why: LogoutText, actions: &mut Actions) {
        actions.send(Admin::Logout { text: why });
        self.close(DisconnectReason::LogonRefused, actions);
    }

    /// The Logon (its number not too low) was agreed on. Too high: first the answer, then the question for the rest. With 789 each
    /// side sends what the other misses, and nobody asks.
    fn enter_active(&mut self, now: Now, heartbeat_s: u64, terms: &Terms, actions: &mut Actions) {
        self.state = State::Active(Live {
            heartbeat_ns: heartbeat_s * NS_PER_S,
            heard_ns: now.mono_ns,
            probe_deadline_ns: None,
            gap: None,
            reset_deadline_ns: None,
        });
        actions.push(Action::LoggedOn);
        if let Some(begin) = terms.next_expected
            && begin < self.next_out
        {
            let end = self.next_out - 1;
            actions.push(Action::Resend { begin, end });
        }
        let number = terms.number;
        if number == self.next_in {
            self.next_in += 1;
        } else if terms.next_expected.is_some() {
            actions.push(Action::Keep { number });
            self.open_gap(now, number, actions);
        } else {
            self.early(now, number, actions);
        }
    }
}
