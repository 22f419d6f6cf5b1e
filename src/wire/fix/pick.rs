//! Picks the fields that a decoder wants out of a message, by the places that the parser noted.
//!
//! A decoder declares its tags in ascending order; slot `n` of the picks is the `n`th of them, so that the lowest bit of a mask
//! of slots is the lowest tag, which is the one that the specification wants named in a reject.

use super::field::{Message, PLACED_TAGS, REPEATED};

/// Most tags of one decoder: bits of the mask.
pub const SLOTS_MAX: usize = 24;

/// Which tags go into which slots.
pub struct SlotTable {
    tags: [u32; SLOTS_MAX],
    count: usize,
    /// Slots below have a place in the message's index; the others are searched, where there is anything to search.
    placed: usize,
}

impl SlotTable {
    /// `tags` ascend.
    pub const fn new(tags: &[u32]) -> Self {
        assert!(tags.len() <= SLOTS_MAX);
        let mut table = Self {
            tags: [0; SLOTS_MAX],
            count: tags.len(),
            placed: 0,
        };
        let mut slot = 0;
        while slot < tags.len() {
            assert!(slot == 0 || tags[slot - 1] < tags[slot]);
            table.tags[slot] = tags[slot];
            if tags[slot] < PLACED_TAGS {
                table.placed = slot + 1;
            }
            slot += 1;
        }
        table
    }

    /// Its tags.
    #[cfg(test)]
    pub fn tags(&self) -> &[u32] {
        &self.tags[..self.count]
    }

    /// Lowest tag of a mask of slots that is not empty.
    pub fn lowest_tag(&self, mask: u32) -> u32 {
        self.tags
            .get(mask.trailing_zeros() as usize)
            .copied()
            .unwrap_or(0)
    }
}

/// The values of a message, by slot. Nothing is looked up before it is asked for, but the tags that have no place.
pub struct Picks<'p, 'a> {
    message: &'p Message<'a>,
    table: &'static SlotTable,
    /// Places of the slots whose tags are searched.
    high: [u16; SLOTS_MAX],
    /// Slots whose tag is there more than once.
    pub repeated: u32,
}

impl<'p, 'a> Picks<'p, 'a> {
    /// The slots of `table` in `message`.
    #[inline]
    pub fn of(message: &'p Message<'a>, table: &'static SlotTable) -> Self {
        let mut picks = Self {
            message,
            table,
            high: [0; SLOTS_MAX],
            repeated: 0,
        };
        if message.has_repeated() {
            picks.note_repeated();
        }
        if message.has_high_tags() {
            picks.search();
        }
        picks
    }

    #[cold]
    fn note_repeated(&mut self) {
        for (slot, &tag) in self.table.tags[..self.table.placed].iter().enumerate() {
            let is_repeated = self.message.place_and_repeat(tag) & REPEATED != 0;
            self.repeated |= (is_repeated as u32) << slot;
        }
    }

    #[cold]
    fn search(&mut self) {
        let table = self.table;
        let high = &table.tags[table.placed..table.count];
        for (at, (tag, _)) in self.message.fields().enumerate() {
            if tag < PLACED_TAGS {
                continue;
            }
            if let Some(slot) = high.iter().position(|&wanted| wanted == tag) {
                let slot = slot + table.placed;
                if self.high[slot] == 0 {
                    self.high[slot] = at as u16 + 1;
                } else {
                    self.repeated |= 1 << slot;
                }
            }
        }
    }

    #[inline]
    fn place(&self, slot: usize) -> u16 {
        let tag = self.table.tags[slot];
        if tag < PLACED_TAGS {
            self.message.place(tag)
        } else {
            self.high[slot]
        }
    }

    /// The first of the slots in `required`, by tag, whose tag is absent.
    #[inline]
    pub fn missing(&self, mut required: u32) -> Option<usize> {
        while required != 0 {
            let slot = required.trailing_zeros() as usize;
            if self.place(slot) == 0 {
                return Some(slot);
            }
            required &= required - 1;
        }
        None
    }

    /// The value in the slot; empty where the tag is absent.
    #[inline]
    pub fn value(&self, slot: usize) -> &'a [u8] {
        self.message.value_at(self.place(slot))
    }

    /// The value in the slot, where the tag is there.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<&'a [u8]> {
        let place = self.place(slot);
        (place != 0).then(|| self.message.value_at(place))
    }
}
