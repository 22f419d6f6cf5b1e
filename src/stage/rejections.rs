//! What desks refused by nothing but the number of our message (35=3, and 35=j without 379), read from the desk log at a start.
//!
//! Part of the replay, cold. A number means something only until its connection ends or the numbers are set: so requests that were
//! written and refusals are compared with the link's incarnation, which rises with both.

use std::collections::HashMap;

use super::desk_side::REJECTED_BY_SESSION;
use crate::domain::report::{DeskInput, FromDesk};
use crate::domain::{DeskText, LinkIndex, OrderId, RejectReason, Text};
use crate::journal::Record;
use crate::wire::fix::{DeskMessage, FieldIndex, decode_desk, parse};

/// A message of ours: link, incarnation, MsgSeqNum(34).
pub(super) type Number = (u16, u32, u64);

/// All links' refusals.
#[derive(Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Rejections {
    /// The record of each, what the desk said, and the start that has it
    by_number: HashMap<Number, (u64, DeskText, u16)>,
    /// Starts so far, which end the connections of all links; and per link, ends since the first
    starts: u32,
    ends: Vec<u32>,
    epoch: u16,
    #[serde(skip)]
    index: Box<FieldIndex>,
}

impl Rejections {
    /// The connections of the process before are gone.
    pub(super) fn restarted(&mut self, epoch: u16) {
        self.starts += 1;
        self.epoch = epoch;
    }

    /// The connection of a link ended, or its numbers were set.
    pub(super) fn ended(&mut self, link: u16) {
        let at = link as usize;
        if self.ends.len() <= at {
            self.ends.resize(at + 1, 0);
        }
        self.ends[at] += 1;
    }

    /// The present one of a link.
    pub(super) fn incarnation(&self, link: u16) -> u32 {
        let ends = self.ends.get(link as usize).copied().unwrap_or(0);
        self.starts + ends
    }

    /// A desk's session layer refused our message of this number; `sequence` is the record of that.
    pub(super) fn session_refused(&mut self, link: u16, number: u64, sequence: u64) {
        let text = Text::cut(REJECTED_BY_SESSION);
        let number = (link, self.incarnation(link), number);
        self.by_number.insert(number, (sequence, text, self.epoch));
    }

    /// A desk's application message.
    pub(super) fn received(&mut self, record: &Record<'_>) {
        let is_reject = record.body.splitn(4, |&b| b == 1).nth(2) == Some(b"35=j");
        if !is_reject {
            return;
        }
        if let Ok(message) = parse(record.body, &mut self.index)
            && let Ok(DeskMessage::Refused(refusal)) = decode_desk(&message)
            && let (None, Some(number)) = (refusal.ref_id, refusal.ref_seq_num)
        {
            let link = record.channel;
            let number = (link, self.incarnation(link), number);
            let refused = (record.sequence, refusal.text, self.epoch);
            self.by_number.insert(number, refused);
        }
    }

    /// Record and text of the refusal of a message.
    pub(super) fn get(&self, number: &Number) -> Option<(u64, DeskText)> {
        let (sequence, text, _) = self.by_number.get(number)?;
        Some((*sequence, *text))
    }

    /// The requests of starts before this one are over.
    pub(super) fn forget(&mut self, epoch: u16) {
        self.by_number.retain(|_, (_, _, of)| *of >= epoch);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The risk stage knows.
    pub(super) fn remove(&mut self, number: &Number) {
        self.by_number.remove(number);
    }
}

/// The risk stage's input.
pub(super) fn refused(
    link: LinkIndex,
    cause_sequence: u64,
    id: OrderId,
    reason: RejectReason,
    text: DeskText,
) -> FromDesk {
    FromDesk {
        link,
        received_ns: 0,
        cause_sequence,
        input: DeskInput::Refused { id, reason, text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_ends_the_connections_of_all_links() {
        let mut rejections = Rejections::default();
        rejections.restarted(1);
        rejections.ended(0);
        let before = [0, 1].map(|link| rejections.incarnation(link));
        // Of link 1 nothing was read yet.
        rejections.restarted(2);
        let after = [0, 1].map(|link| rejections.incarnation(link));
        assert!(after[0] > before[0] && after[1] > before[1]);
        // What is refused now is not what was written then, though its number is the same.
        rejections.session_refused(1, 7, 70);
        assert_eq!(rejections.get(&(1, before[1], 7)), None);
        assert_eq!(rejections.get(&(1, after[1], 7)).map(|it| it.0), Some(70));
    }

    #[test]
    fn refusals_of_days_before_are_forgotten() {
        let mut rejections = Rejections::default();
        for epoch in 1..=9 {
            rejections.restarted(epoch);
            rejections.session_refused(0, 7, epoch as u64);
        }
        rejections.forget(9);
        assert_eq!(rejections.len(), 1);
        assert!(rejections.get(&(0, 9, 7)).is_some());
    }
}
