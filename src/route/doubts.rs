//! Requests in doubt that no desk has spoken of since: while a link has some, its numbers are not reset by schedule.
//!
//! Fixed size, bounded work. What finds no room is counted all the same and stays counted until the numbers are set anew, whoever
//! does that: then nothing can be proved by them any more, and they stand in nobody's way.

use super::in_flight::{Entry, InFlight};
use crate::domain::OrderId;

/// Doubts of all links.
pub struct Doubts {
    /// An entry's incarnation is the link's epoch here.
    table: InFlight,
    links: Vec<Open>,
}

#[derive(Clone, Copy, Default)]
struct Open {
    count: u32,
    /// Rises when the numbers of the link are set.
    epoch: u32,
}

impl Doubts {
    /// None yet.
    pub fn new(links: usize, capacity: usize) -> Self {
        Self {
            table: InFlight::new(capacity),
            links: vec![Open::default(); links],
        }
    }

    /// A request whose fate is not known.
    pub fn add(&mut self, entry: Entry) {
        let open = &mut self.links[entry.link as usize];
        open.count += 1;
        let incarnation = open.epoch;
        if self.table.has_room() {
            self.table.insert(Entry {
                incarnation,
                ..entry
            });
        }
    }

    /// A desk spoke of the request. Returns what that one is about, if it was in doubt.
    #[inline]
    pub fn settle(&mut self, id: OrderId) -> Option<OrderId> {
        if self.table.is_empty() {
            return None;
        }
        let entry = self.table.remove(id)?;
        let open = &mut self.links[entry.link as usize];
        open.count -= (open.epoch == entry.incarnation) as u32;
        Some(entry.original)
    }

    /// The numbers of a link were set.
    pub fn forget(&mut self, link: usize) {
        let open = &mut self.links[link];
        open.count = 0;
        open.epoch = open.epoch.wrapping_add(1);
    }

    /// Requests in doubt under the present numbers of a link.
    pub fn of(&self, link: usize) -> u32 {
        self.links[link].count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(slot: u32, link: u32) -> Entry {
        Entry {
            id: OrderId::new(1, 0, slot),
            link,
            ..Entry::default()
        }
    }

    #[test]
    fn settled_forgotten_and_beyond_the_room() {
        let mut doubts = Doubts::new(2, 8);
        doubts.add(entry(1, 0));
        doubts.add(entry(2, 1));
        doubts.settle(entry(3, 0).id);
        doubts.settle(entry(1, 0).id);
        doubts.settle(entry(1, 0).id);
        assert_eq!((doubts.of(0), doubts.of(1)), (0, 1));
        doubts.forget(1);
        doubts.add(entry(4, 1));
        doubts.settle(entry(2, 1).id);
        assert_eq!(
            doubts.of(1),
            1,
            "an answer to what was forgotten counts for nothing"
        );
        for slot in 10..40 {
            doubts.add(entry(slot, 0));
        }
        for slot in 10..40 {
            doubts.settle(entry(slot, 0).id);
        }
        assert!(doubts.of(0) > 0, "what found no room is never settled");
        doubts.forget(0);
        assert_eq!(doubts.of(0), 0);
    }
}
