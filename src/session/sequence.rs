//! The order of numbers: too high, too low, duplicates, gaps, SequenceReset, and the peer's wish to hear something again.
//!
//! Always: one ResendRequest per gap (16=0), and no other until the number after it is expected. A gap counts as filled when
//! the numbers that were missing when it was seen have come: what came since then is kept, or follows in the same resend; where
//! it is neither, the next message shows a new gap. Each round moves the expected number or waits out the patience, so
//! two sides that resend at once come to an end.

use super::action::{Action, Actions, Admin, Notice, ResetCause};
use super::state::{Gap, Session};
use crate::domain::time::NS_PER_S;
use crate::domain::{FixVersion, Now, Text};
use crate::limits::{GAP_PATIENCE_MIN_S, SEQUENCE_NUMBER_MAX};
use crate::wire::fix::digits;
use crate::wire::fix::{Message, MsgType, SessionRejectReason, tags};

impl Session {
    /// Whether the message is the next one; what else it is, is dealt with here.
    pub(super) fn in_order(
        &mut self,
        now: Now,
        number: u64,
        message: &Message<'_>,
        actions: &mut Actions,
    ) -> bool {
        if number == self.next_in {
            return true;
        }
        if number > self.next_in {
            self.early(now, number, actions);
        } else if !message.poss_dup() {
            self.too_low(number, actions);
        } else if self.original_time_holds(now, message, actions) {
            actions.notice(Notice::DuplicateIgnored { sequence: number });
        }
        false
    }

    /// What came before asks for OrigSendingTime(122), not later than SendingTime (Test Cases 2f, 2g). QuickFIX sends SequenceReset
    /// without it, so that type is spared.
    fn original_time_holds(
        &mut self,
        now: Now,
        message: &Message<'_>,
        actions: &mut Actions,
    ) -> bool {
        if message.msg_type() == MsgType::SEQUENCE_RESET {
            return true;
        }
        let tag = Some(tags::ORIG_SENDING_TIME as i32);
        if message.orig_sending_time().is_none() {
            let reason = SessionRejectReason::RequiredTagMissing;
            self.refuse(now, message, tag, reason, actions);
            return false;
        }
        match message.orig_sending_time_ns() {
            None => {
                let reason = SessionRejectReason::BadFormat;
                self.refuse(now, message, tag, reason, actions);
                false
            }
            Some(first) if Some(first) > message.sending_time_ns() => {
                let reason = SessionRejectReason::SendingTimeAccuracy;
                self.refuse(now, message, None, reason, actions);
                self.start_logout(now, Text::EMPTY, actions);
                false
            }
            Some(_) => true,
        }
    }

    /// The expected message was dealt with.
    #[inline]
    pub(super) fn consume(&mut self, now: Now, actions: &mut Actions) {
        self.next_in += 1;
        self.look_at_gap(now, actions);
    }

    /// After the expected number rose.
    #[inline]
    fn look_at_gap(&mut self, now: Now, actions: &mut Actions) {
        let next_in = self.next_in;
        let Some(live) = self.live_mut() else { return };
        let heartbeat_ns = live.heartbeat_ns;
        if let Some(gap) = &mut live.gap {
            if next_in > gap.through {
                live.gap = None;
                actions.notice(Notice::GapFilled);
            } else {
                gap.patience_ns = patience_until(now, heartbeat_ns);
            }
        }
    }

    /// A number above the expected one came: it is kept for later, and we ask for what is missing, unless we did.
    pub(super) fn early(&mut self, now: Now, number: u64, actions: &mut Actions) {
        actions.push(Action::Keep { number });
        if self.open_gap(now, number, actions) {
            let end = match self.settings.version {
                FixVersion::Fix40 | FixVersion::Fix41 => ALL_UP_TO_41,
                _ => 0,
            };
            actions.send(Admin::ResendRequest {
                begin: self.next_in,
                end,
            });
        }
    }

    /// Notes that numbers before `number` are missing; whether it is time to ask for them.
    pub(super) fn open_gap(&mut self, now: Now, number: u64, actions: &mut Actions) -> bool {
        let expected = self.next_in;
        let Some(live) = self.live_mut() else {
            return false;
        };
        let patience_ns = patience_until(now, live.heartbeat_ns);
        match &mut live.gap {
            Some(gap) if now.mono_ns < gap.patience_ns => return false,
            Some(gap) => {
                gap.patience_ns = patience_ns;
                actions.notice(Notice::GapStalled { expected });
            }
            None => {
                live.gap = Some(Gap {
                    through: number - 1,
                    patience_ns,
                });
                actions.notice(Notice::GapDetected {
                    expected,
                    received: number,
                });
            }
        }
        true
    }

    /// Honoured whatever its number; then the number is looked at.
    pub(super) fn resend_request(
        &mut self,
        now: Now,
        number: u64,
        message: &Message<'_>,
        actions: &mut Actions,
    ) {
        if message.poss_dup() && number <= self.next_in {
            if !self.in_order(now, number, message, actions) {
                return;
            }
        } else if number < self.next_in {
            actions.notice(Notice::LateResendRequest { sequence: number });
        }
        match self.resend_range(message) {
            Err((tag, reason)) => {
                self.refuse(now, message, Some(tag as i32), reason, actions);
                if number > self.next_in {
                    self.early(now, number, actions);
                }
                return;
            }
            Ok((begin, end)) => actions.push(Action::Resend { begin, end }),
        }
        if number == self.next_in {
            self.consume(now, actions);
        } else if number > self.next_in {
            self.early(now, number, actions);
        }
    }

    /// BeginSeqNo and EndSeqNo, the latter resolved to a number that was sent.
    fn resend_range(
        &self,
        message: &Message<'_>,
    ) -> Result<(u64, u64), (u32, SessionRejectReason)> {
        let number = |tag| number_of(message, tag).map_err(|reason| (tag, reason));
        let begin = number(tags::BEGIN_SEQ_NO)?;
        let end = number(tags::END_SEQ_NO)?;
        let last = self.next_out - 1;
        if begin == 0 || begin > last {
            return Err((tags::BEGIN_SEQ_NO, SessionRejectReason::ValueOutOfRange));
        }
        if end != 0 && end < begin {
            return Err((tags::END_SEQ_NO, SessionRejectReason::ValueOutOfRange));
        }
        // [`ALL_UP_TO_41`] is a high number, and cut like any other.
        Ok((begin, if end == 0 { last } else { end.min(last) }))
    }

    /// SequenceReset(35=4), both modes.
    pub(super) fn sequence_reset(
        &mut self,
        now: Now,
        number: u64,
        message: &Message<'_>,
        actions: &mut Actions,
    ) {
        let gap_fill = match message.get(tags::GAP_FILL_FLAG) {
            Some(b"Y") => true,
            None | Some(b"N") => false,
            // Never taken for a Reset: that would lose messages.
            Some(_) => {
                let (tag, reason) = (tags::GAP_FILL_FLAG, SessionRejectReason::BadFormat);
                return self.refuse(now, message, Some(tag as i32), reason, actions);
            }
        };
        if gap_fill && !self.in_order(now, number, message, actions) {
            return;
        }
        let new = match number_of(message, tags::NEW_SEQ_NO) {
            Ok(new) => new,
            Err(reason) => {
                return self.refuse(now, message, Some(tags::NEW_SEQ_NO as i32), reason, actions);
            }
        };
        if new > SEQUENCE_NUMBER_MAX {
            let reason = SessionRejectReason::ValueOutOfRange;
            return self.refuse(now, message, Some(tags::NEW_SEQ_NO as i32), reason, actions);
        }
        if new < self.next_in {
            let reason = SessionRejectReason::ValueOutOfRange;
            return self.refuse(now, message, None, reason, actions);
        }
        if new == self.next_in {
            return;
        }
        self.next_in = new;
        if !gap_fill {
            self.tell_numbers(ResetCause::PeerSequenceReset, actions);
        }
        self.look_at_gap(now, actions);
    }
}

/// EndSeqNo(16) that means "all" in 4.0 and 4.1.
const ALL_UP_TO_41: u64 = 999_999;

/// Until when a gap without progress is waited for.
fn patience_until(now: Now, heartbeat_ns: u64) -> u64 {
    now.mono_ns + (2 * heartbeat_ns).max(GAP_PATIENCE_MIN_S * NS_PER_S)
}

/// A required whole number.
fn number_of(message: &Message<'_>, tag: u32) -> Result<u64, SessionRejectReason> {
    let value = message
        .get(tag)
        .ok_or(SessionRejectReason::RequiredTagMissing)?;
    digits(value).ok_or(SessionRejectReason::BadFormat)
}
