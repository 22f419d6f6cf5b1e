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
    /// The record of each, and what the desk said
    by_number: HashMap<Number, (u64, DeskText)>,
    /// Per link
    incarnations: Vec<u32>,
    #[serde(skip)]
    index: Box<FieldIndex>,
}

impl Rejections {
    /// The connections of the process before are gone.
    pub(super) fn restarted(&mut self) {
        self.incarnations.iter_mut().for_each(|it| *it += 1);
    }

    /// The connection of a link ended, or its numbers were set.
    pub(super) fn ended(&mut self, link: u16) {
        let at = link as usize;
        if self.incarnations.len() <= at {
            self.incarnations.resize(at + 1, 0);
        }
        self.incarnations[at] += 1;
    }

    /// The present one of a link.
    pub(super) fn incarnation(&self, link: u16) -> u32 {
        self.incarnations.get(link as usize).copied().unwrap_or(0)
    }

    /// A desk's session layer refused our message of this number; `sequence` is the record of that.
    pub(super) fn session_refused(&mut self, link: u16, number: u64, sequence: u64) {
        let text = Text::cut(REJECTED_BY_SESSION);
        let number = (link, self.incarnation(link), number);
        self.by_number.insert(number, (sequence, text));
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
            self.by_number
                .insert(number, (record.sequence, refusal.text));
        }
    }

    /// Record and text of the refusal of a message.
    pub(super) fn get(&self, number: &Number) -> Option<(u64, DeskText)> {
        self.by_number.get(number).copied()
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
