//! Messages that came too early, until it is their turn: their numbers, and where they stand in the log's memory.
//!
//! Owned by the switchboard's thread, one per peer, sized at start. What finds no room is not lost: the peer was asked for everything
//! from the gap on and repeats it.

use crate::limits::KEPT_MESSAGES_MAX;

/// Positions by number: number `n` has the place `n` modulo their count, so that finding one is a look at one place.
pub struct Kept {
    places: Box<[(u64, u64)]>,
    count: usize,
}

/// A place without a message: no message has this number.
const EMPTY: (u64, u64) = (0, 0);

impl Kept {
    /// Empty.
    pub fn new() -> Self {
        Self {
            places: vec![EMPTY; KEPT_MESSAGES_MAX].into_boxed_slice(),
            count: 0,
        }
    }

    /// Remembers message `number`, while `expected` is awaited; false where it is too far ahead for the room there is.
    pub fn push(&mut self, number: u64, position: u64, expected: u64) -> bool {
        if !has_place(number, expected) {
            return false;
        }
        let place = self.place(number);
        // Whatever stands there has been overtaken.
        self.count += (self.places[place] == EMPTY) as usize;
        self.places[place] = (number, position);
        true
    }

    /// Whether any message is kept.
    #[inline]
    pub fn is_some(&self) -> bool {
        self.count > 0
    }

    /// Where message `number` stands, if it is kept.
    #[inline]
    pub fn get(&self, number: u64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let (kept, position) = self.places[self.place(number)];
        (kept == number).then_some(position)
    }

    /// Message `number` was dealt with.
    pub fn remove(&mut self, number: u64) {
        let place = self.place(number);
        if self.places[place].0 == number {
            self.places[place] = EMPTY;
            self.count -= 1;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        if self.count > 0 {
            self.places.fill(EMPTY);
            self.count = 0;
        }
    }

    fn place(&self, number: u64) -> usize {
        number as usize & (self.places.len() - 1)
    }
}

/// Whether message `number` is one to be remembered while `expected` is awaited.
#[inline]
pub fn has_place(number: u64, expected: u64) -> bool {
    number > expected && number - expected < KEPT_MESSAGES_MAX as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_until_they_are_dealt_with() {
        let mut kept = Kept::new();
        let last = KEPT_MESSAGES_MAX as u64 + 9;
        assert!(!kept.push(10, 1, 10), "it is expected now");
        assert!(!kept.push(last + 1, 1, 10), "too far ahead");
        for number in 12..=last {
            assert!(kept.push(number, number * 8, 10));
        }
        assert_eq!(kept.get(11), None);
        assert_eq!(kept.get(12), Some(96));
        kept.remove(12);
        assert_eq!(kept.get(12), None);
        // What was skipped by the peer gives its place to what comes later.
        let later = 13 + KEPT_MESSAGES_MAX as u64;
        assert!(kept.push(later, 8, 20));
        assert_eq!(kept.get(13), None);
        assert_eq!(kept.get(later), Some(8));
        kept.clear();
        assert_eq!(kept.get(later), None);
    }
}
