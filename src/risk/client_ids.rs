//! ClOrdIDs of the day, per session: over open and closed orders, and over cancels and replaces as well.
//!
//! Owned by the risk state. The texts stand in the request slab; here is only the index. Comparison is exact.

use super::orders::Request;
use super::slot_index::{HashKey, SlotIndex};
use crate::domain::{ClientOrderId, SessionIndex};

/// Index of the requests by (session, ClOrdID).
#[derive(Clone, Debug)]
pub(super) struct ClientIds {
    key: HashKey,
    index: SlotIndex,
}

/// Where a ClOrdID stands, or would stand: one hash for the question and the entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup {
    hash: u64,
    /// Slot of the request that used it.
    pub slot: Option<u32>,
}

impl ClientIds {
    /// Room for every request of the day.
    pub fn new(requests_max: usize, key: HashKey) -> Self {
        Self {
            key,
            index: SlotIndex::new(requests_max),
        }
    }

    /// Looks an id up.
    #[inline]
    pub fn find(&self, requests: &[Request], session: SessionIndex, id: &ClientOrderId) -> Lookup {
        let hash = self.key.text(session.0, id);
        let slot = self.index.find(hash, |slot| {
            let request = &requests[slot as usize];
            request.session == session && request.client_order_id == *id
        });
        Lookup { hash, slot }
    }

    /// Enters a request of a state that is loaded, in the order of their slots: of equal ones the first is found, as ever.
    pub fn restore(&mut self, request: &Request, slot: u32) {
        let hash = self.key.text(request.session.0, &request.client_order_id);
        self.index.insert(hash, slot);
    }

    /// Enters what [`ClientIds::find`] did not find.
    #[inline]
    pub fn insert(&mut self, lookup: Lookup, slot: u32) {
        debug_assert!(lookup.slot.is_none());
        self.index.insert(lookup.hash, slot);
    }
}
