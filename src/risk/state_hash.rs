//! A hash over the whole risk state, and the invariants that hold after every input.
//!
//! The hash proves determinism: the same inputs give the same hash, in every thread layout and after a replay. It covers what the
//! state means, not how the hash tables are laid out, so their seed has no part in it.

use std::hash::{Hash, Hasher};

use super::Risk;

/// 64 bits by multiply and fold; deterministic, unlike the standard library's default.
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = (self.0 ^ word) as u128 * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product as u64 ^ (product >> 64) as u64).wrapping_add(word | 1);
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word as u64);
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(word as u64);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }
}

impl Risk {
    /// A hash over the whole state: equal after equal inputs. Walks everything: for tests, snapshots and replay.
    pub fn state_hash(&self) -> u64 {
        let Self {
            epoch,
            execution_counter,
            last_failures,
            instruments: _, // Immutable, from the plan.
            sessions,
            book,
            orders,
            client_ids: _, // An index over the requests.
            executions,
            kill_switch,
            holds,
            account_desks: _, // Of the plan.
            work,
            counters,
            digest,
        } = self;
        let mut hash = Fold(0);
        (epoch, execution_counter, last_failures, sessions).hash(&mut hash);
        (&book.accounts, &book.positions, orders).hash(&mut hash);
        (
            executions.rows(),
            kill_switch,
            holds,
            work,
            counters,
            digest,
        )
            .hash(&mut hash);
        hash.finish()
    }
}
