//! Where the messages sent to one peer stand in the stage's log, by MsgSeqNum.
//!
//! Owned by the switchboard's thread. A ring of positions, sized at start: what is older than the ring, or whose place in the
//! log's memory has been taken, is no longer at hand and is gap-filled in a resend (counted, and named in the error table).

/// A message that was committed to the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// Application message at this position of the log.
    Application(u64),
    /// Administrative message at this position: sent once, never again.
    Administrative(u64),
    /// Out of reach.
    Gone,
}

/// Positions by number.
pub struct SentIndex {
    positions: Box<[u64]>,
    /// First number whose position is known.
    first: u64,
    /// Next number.
    next: u64,
}

/// Log positions are multiples of eight: the lowest bit is free to mark administrative messages.
const ADMINISTRATIVE: u64 = 1;

impl SentIndex {
    /// Empty, for `capacity` messages (a power of two), the next of which has the number `next`.
    pub fn new(capacity: usize, next: u64) -> Self {
        assert!(capacity.is_power_of_two());
        Self {
            positions: vec![0; capacity].into_boxed_slice(),
            first: next,
            next,
        }
    }

    /// The message with the next number stands at `position`.
    pub fn push(&mut self, number: u64, position: u64, administrative: bool) {
        debug_assert_eq!(number, self.next);
        debug_assert_eq!(position & ADMINISTRATIVE, 0);
        let at = number as usize & (self.positions.len() - 1);
        self.positions[at] = position | administrative as u64;
        self.next = number + 1;
        self.first = self
            .first
            .max(self.next.saturating_sub(self.positions.len() as u64));
    }

    /// The message with this number.
    pub fn get(&self, number: u64) -> Stored {
        if number < self.first || number >= self.next {
            return Stored::Gone;
        }
        let raw = self.positions[number as usize & (self.positions.len() - 1)];
        if raw & ADMINISTRATIVE != 0 {
            Stored::Administrative(raw & !ADMINISTRATIVE)
        } else {
            Stored::Application(raw)
        }
    }

    /// Number of the next message.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Forgets everything: numbers start anew at `next`.
    pub fn reset(&mut self, next: u64) {
        (self.first, self.next) = (next, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_at_hand() {
        let mut sent = SentIndex::new(4, 1);
        for number in 1..=6 {
            sent.push(number, number * 8, number % 2 == 0);
        }
        assert_eq!(sent.get(2), Stored::Gone);
        assert_eq!(sent.get(3), Stored::Application(24));
        assert_eq!(sent.get(6), Stored::Administrative(48));
        assert_eq!(sent.get(7), Stored::Gone);
        sent.reset(1);
        assert_eq!(sent.get(3), Stored::Gone);
        sent.push(1, 64, false);
        assert_eq!(sent.get(1), Stored::Application(64));
    }
}
