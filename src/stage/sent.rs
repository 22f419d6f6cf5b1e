//! Where the messages sent to one peer stand in the stage's log, by MsgSeqNum.
//!
//! Owned by the switchboard's thread; everything is sized at start. The newest are found in the log's memory, by a ring of their
//! positions. Older ones are on disk: of every so many the place in the file is known (an *anchor*), and from there each message
//! leads to the one before. When the anchors are full, every second one is given up: memory stays flat, the way gets longer.

use crate::limits::RESEND_ANCHOR_STRIDE_MIN;

/// A message that was committed to the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// At this position of the log's memory, unless it was overwritten since.
    Recent(u64),
    /// Not in memory any more: on disk, where there is one.
    Older,
    /// Out of reach: sent before the numbers began anew, or never.
    Gone,
}

/// A message whose place in the file is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// MsgSeqNum(34)
    pub number: u64,
    /// Offset in the file of its record
    pub offset: u64,
}

/// Positions by number.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(into = "SavedIndex", from = "SavedIndex")]
pub struct SentIndex {
    positions: Box<[u64]>,
    /// First number since the numbers began
    oldest: u64,
    /// First number whose position is known
    first: u64,
    /// Next number
    next: u64,
    /// Place `i` is that of number `oldest + (i + 1) * stride - 1`
    anchors: Box<[u64]>,
    anchor_count: usize,
    stride: u64,
    /// Offset of the newest message
    newest_offset: u64,
    /// Those before numbers that were left out, since the end of a log was lost
    before: Option<Box<SentIndex>>,
}

/// An index as a snapshot has it: positions in the memory of a process are gone with it.
#[derive(serde::Serialize, serde::Deserialize)]
struct SavedIndex {
    capacity: usize,
    anchors_max: usize,
    oldest: u64,
    next: u64,
    stride: u64,
    newest_offset: u64,
    anchors: Vec<u64>,
}

impl From<SentIndex> for SavedIndex {
    fn from(index: SentIndex) -> Self {
        Self {
            capacity: index.positions.len(),
            anchors_max: index.anchors.len(),
            oldest: index.oldest,
            next: index.next,
            stride: index.stride,
            newest_offset: index.newest_offset,
            anchors: index.anchors[..index.anchor_count].to_vec(),
        }
    }
}

impl From<SavedIndex> for SentIndex {
    fn from(saved: SavedIndex) -> Self {
        let mut index = Self::new(saved.capacity, saved.anchors_max, saved.next);
        (index.oldest, index.stride) = (saved.oldest, saved.stride);
        index.newest_offset = saved.newest_offset;
        index.anchor_count = saved.anchors.len();
        index.anchors[..saved.anchors.len()].copy_from_slice(&saved.anchors);
        index
    }
}

impl SentIndex {
    /// Empty, for `capacity` positions (a power of two) and so many anchors (even); the next message has the number `next`.
    pub fn new(capacity: usize, anchors: usize, next: u64) -> Self {
        assert!(capacity.is_power_of_two() && anchors.is_multiple_of(2) && anchors > 0);
        Self {
            positions: vec![0; capacity].into_boxed_slice(),
            oldest: next,
            first: next,
            next,
            anchors: vec![0; anchors].into_boxed_slice(),
            anchor_count: 0,
            stride: RESEND_ANCHOR_STRIDE_MIN,
            newest_offset: 0,
            before: None,
        }
    }

    /// The message with the next number stands at `position` of the memory and at `offset` of the file.
    pub fn push(&mut self, number: u64, position: u64, offset: u64) {
        debug_assert_eq!(number, self.next);
        let at = number as usize & (self.positions.len() - 1);
        self.positions[at] = position;
        self.next = number + 1;
        self.first = self
            .first
            .max(self.next.saturating_sub(self.positions.len() as u64));
        self.newest_offset = offset;
        if (self.next - self.oldest) & (self.stride - 1) == 0 {
            self.push_anchor(offset);
        }
    }

    #[cold]
    fn push_anchor(&mut self, offset: u64) {
        self.anchors[self.anchor_count] = offset;
        self.anchor_count += 1;
        if self.anchor_count == self.anchors.len() {
            self.anchor_count /= 2;
            for at in 0..self.anchor_count {
                self.anchors[at] = self.anchors[2 * at + 1];
            }
            self.stride *= 2;
        }
    }

    /// The message with this number.
    pub fn get(&self, number: u64) -> Stored {
        if number < self.oldest {
            match &self.before {
                Some(before) => before.get(number),
                None => Stored::Gone,
            }
        } else if number >= self.next {
            Stored::Gone
        } else if number < self.first {
            Stored::Older
        } else {
            Stored::Recent(self.positions[number as usize & (self.positions.len() - 1)])
        }
    }

    /// The nearest message from this number on whose place in the file is known; the number is one of ours.
    pub fn anchor(&self, number: u64) -> Anchor {
        if let Some(before) = &self.before
            && number < self.oldest
        {
            return before.anchor(number);
        }
        let at = (number - self.oldest) / self.stride;
        match self.anchors[..self.anchor_count].get(at as usize) {
            Some(&offset) => Anchor {
                number: self.oldest + (at + 1) * self.stride - 1,
                offset,
            },
            None => Anchor {
                number: self.next - 1,
                offset: self.newest_offset,
            },
        }
    }

    /// Number of the next message.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Goes on with what is known of the messages that an earlier process sent, none of which is in memory.
    pub fn resume(&mut self, before: &Self) {
        (self.oldest, self.first, self.next) = (before.oldest, before.next, before.next);
        (self.stride, self.newest_offset) = (before.stride, before.newest_offset);
        self.anchor_count = 0;
        self.before = before.before.as_ref().map(|older| {
            let mut own = Self::new(1, older.anchors.len(), older.oldest);
            own.resume(older);
            Box::new(own)
        });
        let anchors = &before.anchors[..before.anchor_count];
        let mut thin = 1;
        while anchors.len() / thin >= self.anchors.len() {
            thin *= 2;
        }
        self.stride *= thin as u64;
        for &anchor in anchors.iter().skip(thin - 1).step_by(thin) {
            self.anchors[self.anchor_count] = anchor;
            self.anchor_count += 1;
        }
    }

    /// Place of the newest message, if there is one since the numbers began.
    pub fn newest(&self) -> Option<u64> {
        (self.next > self.oldest).then_some(self.newest_offset)
    }

    /// The numbers from here on to `next` are never used. What was sent before stays known.
    pub fn skip_to(&mut self, next: u64) {
        if next <= self.next {
            return self.reset(next);
        }
        if self.next > self.oldest {
            let mut before = Self::new(1, self.anchors.len(), self.oldest);
            before.resume(self);
            self.before = Some(Box::new(before));
        }
        (self.oldest, self.first, self.next) = (next, next, next);
        (self.anchor_count, self.stride) = (0, RESEND_ANCHOR_STRIDE_MIN);
    }

    /// The next number from this one on that was used, or is to be.
    pub fn used_from(&self, number: u64) -> u64 {
        match &self.before {
            Some(before) if number < before.next => before.used_from(number),
            _ => number.max(self.oldest),
        }
    }

    /// Forgets everything: numbers start anew at `next`.
    pub fn reset(&mut self, next: u64) {
        self.before = None;
        (self.oldest, self.first, self.next) = (next, next, next);
        (self.anchor_count, self.stride) = (0, RESEND_ANCHOR_STRIDE_MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_at_hand() {
        let mut sent = SentIndex::new(4, 2, 1);
        for number in 1..=6 {
            sent.push(number, number * 8, number);
        }
        assert_eq!(sent.get(2), Stored::Older);
        assert_eq!(sent.get(3), Stored::Recent(24));
        assert_eq!(sent.get(6), Stored::Recent(48));
        assert_eq!(sent.get(7), Stored::Gone);
        assert_eq!(sent.get(0), Stored::Gone);
        sent.reset(4);
        assert_eq!(sent.get(3), Stored::Gone);
        sent.push(4, 64, 9);
        assert_eq!(sent.get(4), Stored::Recent(64));
        assert_eq!(
            sent.anchor(4),
            Anchor {
                number: 4,
                offset: 9
            }
        );
    }

    #[test]
    fn what_was_sent_before_numbers_that_were_left_out_stays_known() {
        let mut sent = SentIndex::new(4, 4, 1);
        (1..=9).for_each(|number| sent.push(number, number * 8, number * 100));
        sent.skip_to(1_000);
        sent.skip_to(2_000);
        sent.push(2_000, 8, 77);
        let mut later = SentIndex::new(4, 4, 1);
        later.resume(&sent);
        for (sent, newest) in [(&sent, Stored::Recent(8)), (&later, Stored::Older)] {
            assert_eq!((sent.get(0), sent.get(9)), (Stored::Gone, Stored::Older));
            assert_eq!(
                (sent.get(10), sent.get(1_999)),
                (Stored::Gone, Stored::Gone)
            );
            assert_eq!((sent.get(2_000), sent.get(2_001)), (newest, Stored::Gone));
            let anchor = sent.anchor(9);
            assert_eq!((anchor.number, anchor.offset), (9, 900));
            assert_eq!(
                [9, 10, 1_500, 2_000].map(|it| sent.used_from(it)),
                [9, 2_000, 2_000, 2_000]
            );
        }
        later.reset(1);
        assert_eq!(later.get(9), Stored::Gone);
    }

    #[test]
    fn every_number_has_an_anchor_not_far_behind_it() {
        let mut sent = SentIndex::new(4, 8, 17);
        let last = 17 + 8 * 4 * RESEND_ANCHOR_STRIDE_MIN;
        for number in 17..=last {
            sent.push(number, number * 8, number * 1000);
            for wanted in [17, number / 2, number - 1, number] {
                if wanted < 17 {
                    continue;
                }
                let anchor = sent.anchor(wanted);
                assert_eq!(anchor.offset, anchor.number * 1000);
                assert!((wanted..=number).contains(&anchor.number), "{anchor:?}");
                // Four to eight anchors over all that was sent.
                let way = (number - 17) / 3 + RESEND_ANCHOR_STRIDE_MIN;
                assert!(anchor.number - wanted <= way, "{wanted} {anchor:?}");
            }
        }
    }
}
