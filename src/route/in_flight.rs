//! Requests that were written to a desk and that it has not answered.
//!
//! Open addressing by order id, fixed size, deletion by shifting back: no tombstones, so the cost does not grow with the day.
//! Order ids are dense in their slots, so the slot is the hash.

use crate::domain::OrderId;

/// A request that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// Which request.
    pub id: OrderId,
    /// On which link.
    pub link: u32,
    /// In which connection of that link.
    pub incarnation: u32,
    /// Under which MsgSeqNum(34).
    pub msg_seq_num: u64,
    /// When, monotonic.
    pub written_ns: u64,
    /// The request that it cancels or replaces; a report on it shows that one as well.
    pub original: OrderId,
}

/// The table.
pub struct InFlight {
    entries: Box<[Entry]>,
    len: usize,
}

impl InFlight {
    /// For up to `capacity` requests.
    pub fn new(capacity: usize) -> Self {
        // At most half full: short runs.
        let slots = (capacity.max(8) * 2).next_power_of_two();
        Self {
            entries: vec![Entry::default(); slots].into_boxed_slice(),
            len: 0,
        }
    }

    /// Requests in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Slots, for [`InFlight::at`].
    pub fn slots(&self) -> usize {
        self.entries.len()
    }

    /// Whether one more can be inserted.
    pub fn has_room(&self) -> bool {
        self.len < self.entries.len() / 2
    }

    /// Adds a request that is not in it. Room must have been made sure of.
    pub fn insert(&mut self, entry: Entry) {
        debug_assert!(self.has_room() && entry.id != OrderId::NONE);
        let mut at = self.home(entry.id);
        while self.entries[at].id != OrderId::NONE {
            debug_assert_ne!(self.entries[at].id, entry.id);
            at = self.after(at);
        }
        self.entries[at] = entry;
        self.len += 1;
    }

    /// A request that is in it.
    pub fn get(&self, id: OrderId) -> Option<&Entry> {
        let mut at = self.home(id);
        loop {
            match &self.entries[at] {
                entry if entry.id == id => return (id != OrderId::NONE).then_some(entry),
                entry if entry.id == OrderId::NONE => return None,
                _ => at = self.after(at),
            }
        }
    }

    /// Takes a request out: it was answered.
    pub fn remove(&mut self, id: OrderId) -> Option<Entry> {
        let mut at = self.home(id);
        loop {
            let entry = self.entries[at];
            if entry.id == OrderId::NONE {
                return None;
            }
            if entry.id == id {
                self.remove_at(at);
                return Some(entry);
            }
            at = self.after(at);
        }
    }

    /// What stands in a slot, for walks over all.
    pub fn at(&self, slot: usize) -> Option<&Entry> {
        let entry = &self.entries[slot];
        (entry.id != OrderId::NONE).then_some(entry)
    }

    /// The request that was written on `link` under this number. Walks the table: for exceptions only.
    pub fn find_by_number(&self, link: u32, incarnation: u32, msg_seq_num: u64) -> Option<OrderId> {
        let wanted = |entry: &&Entry| {
            entry.id != OrderId::NONE
                && (entry.link, entry.incarnation, entry.msg_seq_num)
                    == (link, incarnation, msg_seq_num)
        };
        self.entries.iter().find(wanted).map(|entry| entry.id)
    }

    fn remove_at(&mut self, mut hole: usize) {
        self.len -= 1;
        let mask = self.entries.len() - 1;
        let mut at = hole;
        loop {
            self.entries[hole] = Entry::default();
            loop {
                at = self.after(at);
                let entry = self.entries[at];
                if entry.id == OrderId::NONE {
                    return;
                }
                // Whoever may stand in the hole moves there: its home is not behind the hole.
                let distance_home = at.wrapping_sub(self.home(entry.id)) & mask;
                let distance_hole = at.wrapping_sub(hole) & mask;
                if distance_home >= distance_hole {
                    self.entries[hole] = entry;
                    hole = at;
                    break;
                }
            }
        }
    }

    fn home(&self, id: OrderId) -> usize {
        id.slot() as usize & (self.entries.len() - 1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn behaves_like_a_map(ops in proptest::collection::vec((any::<bool>(), 1u32..40), 0..400)) {
            let mut table = InFlight::new(16);
            let mut model = HashMap::new();
            for (insert, slot) in ops {
                let id = OrderId::new(1, 0, slot);
                if insert && !model.contains_key(&id) && table.has_room() {
                    let entry = Entry { id, link: slot % 3, incarnation: 0, msg_seq_num: slot as u64, ..Entry::default() };
                    table.insert(entry);
                    model.insert(id, entry);
                } else if !insert {
                    prop_assert_eq!(table.remove(id), model.remove(&id));
                }
                prop_assert_eq!(table.len(), model.len());
            }
            for slot in 1..40 {
                let id = OrderId::new(1, 0, slot);
                prop_assert_eq!(table.get(id), model.get(&id));
            }
            prop_assert_eq!(table.get(OrderId::NONE), None);
            for (id, entry) in &model {
                prop_assert_eq!(table.find_by_number(entry.link, 0, entry.msg_seq_num), Some(*id));
                prop_assert!((0..table.slots()).any(|slot| table.at(slot) == Some(entry)));
            }
        }
    }
}
