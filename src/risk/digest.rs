//! A running digest of the risk state: each input mixes in what it did, and one row of one table, each row in its turn.
//!
//! Owned by the risk state and part of it. The hash of everything (see `state_hash`) walks everything; this one costs a few tens of instructions an
//! input, so that it can go into the log while the stage works. A replay makes the same digest from the same inputs, unless a row of
//! either was changed by anything but an input: that is seen when the row has its turn, and from then on.

use super::Risk;
use super::executions::Execution;
use super::orders::{Order, Request};

/// The digest, and whose turn it is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Digest {
    /// Inputs and steps of work so far
    pub inputs: u64,
    /// Their digest
    pub value: u64,
    turns: [u32; TABLES],
}

/// Accounts, positions, orders, executions, requests.
const TABLES: usize = 5;
/// Whose row an input mixes in, in turn. Most rows are orders, executions and requests; those of the book matter most.
const ROUND: [usize; 8] = [0, 2, 3, 1, 2, 4, 3, 2];

const A: u64 = 0x9e37_79b9_7f4a_7c15;
const B: u64 = 0xd1b5_4a32_d192_ed03;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = (a ^ A) as u128 * (b ^ B) as u128;
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn low_and_high(value: i128) -> u64 {
    value as u64 ^ ((value >> 64) as u64).rotate_left(32)
}

impl Order {
    #[inline]
    fn digest(&self) -> u64 {
        let flags = self.done.map_or(0, |status| status as u64) << 8
            | (self.acked as u64) << 1
            | (self.cancel_wanted as u64) << 2;
        fold(self.id.raw(), self.quantity.0 ^ flags << 32)
            ^ fold(
                self.price.0 as u64,
                (self.pending as u64) << 32 | self.live as u64,
            )
            .rotate_left(9)
            ^ fold(self.cumulated.0, self.cancelled.0).rotate_left(18)
            ^ fold(
                low_and_high(self.reserved_cash.0),
                self.reserved_quantity.0.rotate_left(32) ^ low_and_high(self.notional),
            )
            .rotate_left(27)
    }
}

impl Execution {
    #[inline]
    fn digest(&self) -> u64 {
        let chain = (self.successor as u64) << 32 | self.order as u64;
        fold(self.quantity.0, self.price.0 as u64) ^ fold(self.exec_sequence, chain).rotate_left(9)
    }
}

impl Request {
    #[inline]
    fn digest(&self) -> u64 {
        let what = (self.kind as u64) << 8 | self.state as u64;
        fold(self.id.raw(), (self.order as u64) << 32 | what)
    }
}

impl Risk {
    /// The digest of all inputs so far.
    #[inline]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// After each input that is logged.
    #[inline]
    pub(super) fn mix(&mut self) {
        let table = ROUND[self.digest.inputs as usize % ROUND.len()];
        let rows = match table {
            0 => self.book.accounts.len(),
            1 => self.book.positions.len(),
            2 => self.orders.orders().len(),
            3 => self.executions.len(),
            _ => self.orders.requests().len(),
        };
        let turn = self.digest.turns[table] as usize;
        let at = if turn < rows { turn } else { 0 };
        self.digest.turns[table] = at as u32 + 1;
        let row = match table {
            _ if rows == 0 => 0,
            0 => {
                let row = &self.book.accounts[at];
                let limits = low_and_high(row.order_value_max.0) ^ row.open_orders_max as u64;
                fold(low_and_high(row.cash.0), low_and_high(row.reserved.0))
                    ^ fold(limits, at as u64).rotate_left(9)
            }
            1 => {
                let row = &self.book.positions[at];
                fold(row.start as u64, row.reserved as u64)
                    ^ fold(row.bought as u64, row.sold as u64).rotate_left(9)
            }
            2 => self.orders.orders()[at].digest(),
            3 => self.executions.rows()[at].digest(),
            _ => self.orders.requests()[at].digest(),
        };
        let done = self.execution_counter.rotate_left(32) ^ self.orders.requests().len() as u64;
        self.digest.value = fold(self.digest.value ^ row, done);
        self.digest.inputs += 1;
    }
}
