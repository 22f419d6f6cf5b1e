//! A running digest of the risk state: each input mixes in what it did, and one row of one table, each row in its turn.
//!
//! Owned by the risk state and part of it. The hash of everything (see `state_hash`) walks everything; this one costs a few tens of instructions an
//! input, so that it can go into the log while the stage works. A replay makes the same digest from the same inputs, unless a row of
//! either was changed by anything but an input: that is seen when the row has its turn, and from then on. Of a row it has what is money,
//! quantity or standing. What else a row has (its neighbours in lists, what was told, what a pending replacement asks for) the hash
//! of everything has, and a snapshot is held against that.

use super::Risk;
use super::book::{AccountRow, PositionRow};
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

/// Accounts, positions, executions, requests, orders.
const TABLES: usize = 5;
const A: u64 = 0x9e37_79b9_7f4a_7c15;
const B: u64 = 0xd1b5_4a32_d192_ed03;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = (a ^ A) as u128 * (b ^ B) as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Two of them cancel one another only where both change: each has a place of its own.
#[inline]
fn mixed<const N: usize>(pairs: [(u64, u64); N]) -> u64 {
    pairs
        .into_iter()
        .fold(0u64, |sum, (a, b)| sum.rotate_left(9) ^ fold(a, b))
}

impl AccountRow {
    #[inline]
    fn digest(&self) -> u64 {
        let limits = self.order_value_max.0 as u64 ^ (self.open_orders_max as u64) << 32;
        let high = (self.cash.0 >> 64) as u64 ^ ((self.reserved.0 >> 64) as u64) << 32;
        mixed([(self.cash.0 as u64, self.reserved.0 as u64), (limits, high)])
    }
}

impl PositionRow {
    #[inline]
    fn digest(&self) -> u64 {
        mixed([
            (self.start as u64, self.reserved as u64),
            (self.bought as u64, self.sold as u64),
        ])
    }
}

impl Order {
    #[inline]
    fn digest(&self) -> u64 {
        let done = self.done.map_or(0, |status| status as u64);
        let flags = done << 40 | (self.acked as u64) << 48 | (self.cancel_wanted as u64) << 49;
        let requests = (self.pending as u64) << 32 | self.live as u64;
        let reserved = self.reserved_cash.0 as u64 ^ self.reserved_quantity.0.rotate_left(32);
        mixed([
            (
                self.quantity.0 ^ flags,
                self.cumulated.0 ^ self.cancelled.0.rotate_left(32),
            ),
            (
                self.price.0 as u64 ^ requests,
                reserved ^ self.notional as u64,
            ),
        ])
    }
}

impl Execution {
    #[inline]
    fn digest(&self) -> u64 {
        let chain = (self.successor as u64) << 32 | self.order as u64;
        fold(self.quantity.0 ^ self.price.0.rotate_left(24) as u64, chain)
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
        let turns = &mut self.digest.turns;
        // Most rows are orders, executions and requests; those of the book matter most.
        let row = match self.digest.inputs % 8 {
            0 => next(&mut turns[0], &self.book.accounts).map_or(0, AccountRow::digest),
            1 => next(&mut turns[1], &self.book.positions).map_or(0, PositionRow::digest),
            2 | 6 => next(&mut turns[2], self.executions.rows()).map_or(0, Execution::digest),
            4 => next(&mut turns[3], self.orders.requests()).map_or(0, Request::digest),
            _ => next(&mut turns[4], self.orders.orders()).map_or(0, Order::digest),
        };
        let done = self.execution_counter << 32 | self.orders.requests().len() as u64;
        self.digest.value = fold(self.digest.value ^ row, done);
        self.digest.inputs += 1;
    }
}

/// The row whose turn it is; behind the last comes the first.
#[inline]
fn next<'a, T>(turn: &mut u32, rows: &'a [T]) -> Option<&'a T> {
    let at = match (*turn as usize) < rows.len() {
        true => *turn,
        false => 0,
    };
    *turn = at + 1;
    rows.get(at as usize)
}
