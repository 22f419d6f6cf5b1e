//! What the risk state counts: totals, refusals by reason, and everything a desk did that it should not have.
//!
//! Owned by the risk state, read by the stage for the status page. Part of the state, so replay counts the same.

use crate::domain::RejectReason;
use crate::domain::reject::REJECTS;

/// All counters, monotonic over the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Counters {
    /// New orders accepted.
    pub accepted: u64,
    /// Cancels sent for clients.
    pub cancels: u64,
    /// Replaces sent for clients.
    pub replaces: u64,
    /// Cancels sent by the gateway itself: kills, mass cancels, lost sessions.
    pub gateway_cancels: u64,
    /// Gateway's cancels that could not be sent because the capacity of the day is used up.
    pub gateway_cancels_without_capacity: u64,
    /// Those of them that were repetitions: the first of an order has its place.
    pub gateway_cancels_not_repeated: u64,
    /// Gateway's cancels that the desk refused or that did not reach it.
    pub gateway_cancels_failed: u64,
    /// Requests refused here, by reason.
    #[serde(with = "crate::domain::saved::array")]
    pub refused: [u64; REJECTS.len()],
    /// Orders that the desk rejected.
    pub desk_rejects: u64,
    /// Fills booked.
    pub trades: u64,
    /// Fills taken back or corrected.
    pub trades_undone: u64,
    /// Reports on requests that do not exist here.
    pub unmatched: u64,
    /// Reports with an ExecID that was seen before, and answers to requests that were answered before.
    pub duplicates: u64,
    /// Reports whose numbers are outside every limit; not booked.
    pub malformed: u64,
    /// Fills beyond the quantity; booked.
    pub overfills: u64,
    /// Fills after the order was done; booked.
    pub late_fills: u64,
    /// Trade cancels and corrections of trades that were never booked; forwarded, not booked.
    pub unknown_references: u64,
    /// Reports that would end an order that is done; neither forwarded nor booked.
    pub after_done: u64,
    /// Reports booked without remembering their ExecID, because the capacity of the day is used up.
    pub unrecorded: u64,
    /// Requests in doubt, ever.
    pub doubts: u64,
    /// A desk's answer to a question shows fills that were never reported.
    pub status_gaps: u64,
    /// Inputs of sessions that the plan does not have.
    pub unknown_sessions: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            accepted: 0,
            cancels: 0,
            replaces: 0,
            gateway_cancels: 0,
            gateway_cancels_without_capacity: 0,
            gateway_cancels_not_repeated: 0,
            gateway_cancels_failed: 0,
            refused: [0; REJECTS.len()],
            desk_rejects: 0,
            trades: 0,
            trades_undone: 0,
            unmatched: 0,
            duplicates: 0,
            malformed: 0,
            overfills: 0,
            late_fills: 0,
            unknown_references: 0,
            after_done: 0,
            unrecorded: 0,
            doubts: 0,
            status_gaps: 0,
            unknown_sessions: 0,
        }
    }
}

impl Counters {
    #[inline]
    pub(super) fn refuse(&mut self, reason: RejectReason) {
        self.refused[reason as usize] += 1;
    }
}
