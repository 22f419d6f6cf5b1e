//! Picks the fields that a decoder wants out of a message, in one pass over the field index.
//!
//! A decoder declares its tags in ascending order; slot `n` of the picks is the `n`th of them, so that the lowest bit of a mask
//! of slots is the lowest tag, which is the one that the specification wants named in a reject.

use super::field::Message;

/// Tags from here on are never picked.
const TAGS: usize = 1024;
const NONE: u8 = u8::MAX;
/// Most tags of one decoder: bits of the mask.
pub const SLOTS_MAX: usize = 20;

/// Which tags go into which slots.
pub struct SlotTable {
    slots: [u8; TAGS],
    tags: [u32; SLOTS_MAX],
}

impl SlotTable {
    /// `tags` ascend.
    pub const fn new(tags: &[u32]) -> Self {
        assert!(tags.len() <= SLOTS_MAX);
        let mut table = Self {
            slots: [NONE; TAGS],
            tags: [0; SLOTS_MAX],
        };
        let mut slot = 0;
        while slot < tags.len() {
            assert!((tags[slot] as usize) < TAGS);
            assert!(slot == 0 || tags[slot - 1] < tags[slot]);
            table.slots[tags[slot] as usize] = slot as u8;
            table.tags[slot] = tags[slot];
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
    values: [&'a [u8]; SLOTS_MAX],
    /// Slots whose tag is there.
    pub seen: u32,
    /// Slots whose tag is there more than once.
    pub repeated: u32,
}

impl<'a> Picks<'a> {
    /// Goes over all fields of `message`.
    #[inline]
    pub fn of(message: &Message<'a>, table: &SlotTable) -> Self {
        let mut picks = Self {
            values: [&[]; SLOTS_MAX],
            seen: 0,
            repeated: 0,
        };
        for (tag, value) in message.fields() {
            let Some(&slot) = table.slots.get(tag as usize) else {
                continue;
            };
            if let Some(place) = picks.values.get_mut(slot as usize) {
                *place = value;
                let bit = 1 << slot;
                picks.repeated |= picks.seen & bit;
                picks.seen |= bit;
            }
        }
        picks
    }

    /// The value in the slot; empty where the tag is absent.
    #[inline]
    pub fn value(&self, slot: usize) -> &'a [u8] {
        self.values[slot]
    }

    /// The value in the slot, where the tag is there.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<&'a [u8]> {
        (self.seen & 1 << slot != 0).then_some(self.values[slot])
    }
}
