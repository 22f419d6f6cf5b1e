//! Picks the fields that a decoder wants out of a message, by the places that the parser noted.
//!
//! A decoder declares its tags in ascending order; slot `n` of the picks is the `n`th of them, so that the lowest bit of a mask
//! of slots is the lowest tag, which is the one that the specification wants named in a reject.

use super::field::{Message, PLACED_TAGS, REPEATED};

/// Most tags of one decoder: bits of the mask.
pub const SLOTS_MAX: usize = 20;

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

    /// Lowest tag of a mask of slots that is not empty.
    pub fn lowest_tag(&self, mask: u32) -> u32 {
        self.tags
            .get(mask.trailing_zeros() as usize)
            .copied()
            .unwrap_or(0)
    }
}

/// The picked values.
pub struct Picks<'a> {
    message: Message<'a>,
    places: [u16; SLOTS_MAX],
    /// Slots whose tag is there.
    pub seen: u32,
    /// Slots whose tag is there more than once.
    pub repeated: u32,
}

impl<'a> Picks<'a> {
    /// Looks up every slot of `table` in `message`.
    #[inline]
    pub fn of(message: &Message<'a>, table: &SlotTable) -> Self {
        let mut picks = Self {
            message: *message,
            places: [0; SLOTS_MAX],
            seen: 0,
            repeated: 0,
        };
        let mut any_repeated = 0;
        let tags = table.tags[..table.placed].iter();
        for (slot, (&tag, out)) in tags.zip(picks.places.iter_mut()).enumerate() {
            let place = message.place_and_repeat(tag);
            *out = place;
            any_repeated |= place;
            picks.seen |= ((place != 0) as u32) << slot;
        }
        if any_repeated & REPEATED != 0 {
            picks.note_repeated();
        }
        if message.has_high_tags() {
            picks.search(table);
        }
        picks
    }

    #[cold]
    fn note_repeated(&mut self) {
        for (slot, place) in self.places.iter().enumerate() {
            self.repeated |= ((place & REPEATED != 0) as u32) << slot;
        }
    }

    fn search(&mut self, table: &SlotTable) {
        let high = &table.tags[table.placed..table.count];
        for (at, (tag, _)) in self.message.fields().enumerate() {
            if tag < PLACED_TAGS {
                continue;
            }
            if let Some(slot) = high.iter().position(|&wanted| wanted == tag) {
                let slot = slot + table.placed;
                let bit = 1 << slot;
                if self.seen & bit == 0 {
                    self.places[slot] = at as u16 + 1;
                }
                self.repeated |= self.seen & bit;
                self.seen |= bit;
            }
        }
    }

    /// The value in the slot; empty where the tag is absent.
    #[inline]
    pub fn value(&self, slot: usize) -> &'a [u8] {
        self.message.value_at(self.places[slot])
    }

    /// The value in the slot, where the tag is there.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<&'a [u8]> {
        let place = self.places[slot];
        (place != 0).then(|| self.message.value_at(place))
    }
}
