//! A fixed-capacity hash index: keyed hash of a text -> slot of a table that holds the text itself.
//!
//! Open addressing with linear probing at a load of at most one half; nothing is ever removed, so no tombstones. Each cell holds
//! half of the hash beside the slot, so that a probe touches the table almost only when it is right; the table's own comparison
//! decides, so collisions cost time and never correctness. The key keeps clients from choosing texts that collide.

use crate::domain::Text;

/// As fresh memory is.
const EMPTY: u64 = 0;
const SALTS: usize = 6;

/// Keyed hash function.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey([u64; SALTS]);

impl HashKey {
    /// Spreads a seed over the salts (splitmix64).
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    /// Hash of a text within `owner` (a session, an order).
    #[inline]
    pub fn text(&self, owner: u32, text: &Text<39>) -> u64 {
        let bytes = text.padded();
        let word = |at: usize| -> u64 {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let s = &self.0;
        let front = fold(word(0) ^ s[0], word(8) ^ s[1]);
        let back = fold(word(16) ^ s[2], word(24) ^ s[3]);
        let rest = (owner as u64) << 8 | text.len() as u64;
        fold(front ^ word(31) ^ s[4], back ^ rest ^ s[5])
    }

    /// Hash of two indices.
    #[inline]
    pub fn pair(&self, a: u32, b: u32) -> u64 {
        fold(((a as u64) << 32 | b as u64) ^ self.0[0], self.0[1] | 1)
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// The index.
#[derive(Clone, Debug)]
pub(super) struct SlotIndex {
    cells: Vec<u64>,
    mask: usize,
}

impl SlotIndex {
    /// Room for `entries_max`.
    pub fn new(entries_max: usize) -> Self {
        let cells = (entries_max.max(1) * 2).next_power_of_two();
        Self {
            cells: vec![EMPTY; cells],
            mask: cells - 1,
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.cells.fill(EMPTY);
    }

    /// The slot with this hash for which `same` holds.
    #[inline]
    pub fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = hash as usize & self.mask;
        loop {
            let cell = self.cells[at];
            if cell == EMPTY {
                return None;
            }
            // Never zero: the slot is kept plus one.
            let slot = (cell as u32).wrapping_sub(1);
            if cell >> 32 == hash >> 32 && same(slot) {
                return Some(slot);
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Adds a slot. The caller has made sure that it is not there and that the table of slots bounds the number of entries.
    #[inline]
    pub fn insert(&mut self, hash: u64, slot: u32) {
        debug_assert_ne!(slot, u32::MAX);
        let mut at = hash as usize & self.mask;
        while self.cells[at] != EMPTY {
            at = (at + 1) & self.mask;
        }
        self.cells[at] = hash >> 32 << 32 | (slot as u64 + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn finds_what_a_map_finds(seed: u64, keys in proptest::collection::vec((0u32..3, "[ab]{0,3}"), 1..200)) {
            let key = HashKey::new(seed);
            let mut index = SlotIndex::new(keys.len());
            let mut rows: Vec<(u32, Text<39>)> = Vec::new();
            let mut model = HashMap::new();
            for (owner, text) in keys {
                let text = Text::cut(text.as_bytes());
                let hash = key.text(owner, &text);
                let found = index.find(hash, |slot| rows[slot as usize] == (owner, text));
                prop_assert_eq!(found, model.get(&(owner, text)).copied());
                if found.is_none() {
                    let slot = rows.len() as u32;
                    rows.push((owner, text));
                    index.insert(hash, slot);
                    model.insert((owner, text), slot);
                }
            }
        }
    }

    #[test]
    fn equal_hashes_are_told_apart_by_the_table() {
        let mut index = SlotIndex::new(8);
        for slot in 0..8 {
            index.insert(7, slot);
        }
        for slot in 0..8 {
            assert_eq!(index.find(7, |s| s == slot), Some(slot));
        }
        assert_eq!(index.find(7, |_| false), None);
    }

    #[test]
    fn every_byte_and_the_length_count() {
        let key = HashKey::new(1);
        let full = Text::<39>::cut(&[b'x'; 39]);
        for at in 0..39 {
            let mut bytes = [b'x'; 39];
            bytes[at] = b'y';
            assert_ne!(key.text(0, &full), key.text(0, &Text::cut(&bytes)), "{at}");
        }
        assert_ne!(
            key.text(0, &Text::cut(b"a")),
            key.text(0, &Text::cut(b"a\0"))
        );
        assert_ne!(key.text(0, &full), key.text(1, &full));
    }
}
