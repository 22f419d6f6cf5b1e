//! The book: cash per account, position per (account, instrument), and what of both is reserved for open orders.
//!
//! Owned by the risk state. Cash minus reserve is the buying power; what may be sold is the start of the day, less what was
//! sold and is reserved, plus what was bought today where the instrument allows it (T+0). A desk that fills more than was asked
//! is booked as it is, so both may go below zero; new orders then fail.

use super::slot_index::{HashKey, SlotIndex};
use crate::domain::account::Position;
use crate::domain::rate::{Gcra, RateLimit};
use crate::domain::saved::{Saved, Saver};
use crate::domain::{Account, AccountIndex, InstrumentIndex, Money, Quantity};

/// Hot row of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct AccountRow {
    /// Start of the day, plus sells, minus buys.
    pub cash: Money,
    /// Reserved for open buys.
    pub reserved: Money,
    /// Largest value of one order; zero means no limit.
    pub order_value_max: Money,
    /// Most open orders; zero means no limit.
    pub open_orders_max: u32,
    pub(super) message_burst: u32,
    pub(super) rate: RateLimit,
    pub(super) arrivals: Gcra,
}

impl AccountRow {
    pub(super) fn new(account: &Account) -> Self {
        Self {
            cash: account.cash,
            reserved: Money::ZERO,
            order_value_max: account.order_value_max,
            open_orders_max: account.open_orders_max,
            message_burst: account.message_burst,
            rate: RateLimit::new(account.messages_per_second, account.message_burst),
            arrivals: Gcra::default(),
        }
    }

    /// Row that stands for accounts that do not exist, so that checks need no second way.
    pub(super) fn unknown() -> Self {
        Self {
            cash: Money::ZERO,
            reserved: Money::ZERO,
            order_value_max: Money::ZERO,
            open_orders_max: 0,
            message_burst: 0,
            rate: RateLimit::NONE,
            arrivals: Gcra::default(),
        }
    }

    /// Buying power: cash less reserve.
    #[inline]
    pub fn available(&self) -> Money {
        Money(self.cash.0.saturating_sub(self.reserved.0))
    }
}

/// Row of one (account, instrument).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct PositionRow {
    /// Whose.
    pub account: AccountIndex,
    /// In what.
    pub instrument: InstrumentIndex,
    /// Sellable at the start of the day.
    pub start: i64,
    /// Bought today.
    pub bought: i64,
    /// Sold today.
    pub sold: i64,
    /// Reserved for open sells.
    pub reserved: i64,
}

impl PositionRow {
    /// What may be sold now; below zero where a desk sold more than there was.
    #[inline]
    pub fn sellable(&self, same_day_sell: bool) -> i64 {
        let bought = if same_day_sell { self.bought } else { 0 };
        self.start
            .saturating_add(bought)
            .saturating_sub(self.sold)
            .saturating_sub(self.reserved)
    }
}

/// The book of all accounts.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pub accounts: Vec<AccountRow>,
    pub positions: Vec<PositionRow>,
    key: HashKey,
    index: SlotIndex,
}

impl Book {
    /// Room for the positions of the start of the day and one new one per order. Several rows for one position add up.
    pub fn new(
        accounts: &[Account],
        positions: &[Position],
        orders_max: usize,
        key: HashKey,
    ) -> Self {
        let rows_max = positions.len() + orders_max;
        let mut book = Self {
            accounts: accounts
                .iter()
                .map(AccountRow::new)
                .chain([AccountRow::unknown()])
                .collect(),
            positions: Vec::with_capacity(rows_max),
            key,
            index: SlotIndex::new(rows_max),
        };
        for position in positions {
            let at = book.position_or_new(position.account, position.instrument);
            let start = &mut book.positions[at as usize].start;
            *start = start.saturating_add(signed(position.sellable));
        }
        book
    }

    /// Adds accounts and positions.
    pub fn save(&self, saver: &mut Saver) {
        saver.put(&self.accounts);
        saver.rows(self.positions.iter());
    }

    /// What [`Book::save`] added takes the place of the start of the day.
    pub fn load(&mut self, saved: &mut Saved) -> Option<()> {
        let accounts: Vec<AccountRow> = saved.take()?;
        let is_ours = accounts.len() == self.accounts.len();
        self.accounts = accounts;
        let rows_max = self.positions.capacity();
        self.positions.clear();
        self.index.clear();
        saved.rows(rows_max, |row: PositionRow| {
            let hash = self.key.pair(row.account.0, row.instrument.0);
            self.index.insert(hash, self.positions.len() as u32);
            self.positions.push(row);
        })?;
        is_ours.then_some(())
    }

    /// Row of a position, if there is one.
    #[inline]
    pub fn position(&self, account: AccountIndex, instrument: InstrumentIndex) -> Option<u32> {
        self.index
            .find(self.key.pair(account.0, instrument.0), |slot| {
                let row = &self.positions[slot as usize];
                row.account == account && row.instrument == instrument
            })
    }

    /// Row of a position, made where there is none. There is room for one per order.
    pub fn position_or_new(&mut self, account: AccountIndex, instrument: InstrumentIndex) -> u32 {
        if let Some(at) = self.position(account, instrument) {
            return at;
        }
        let at = self.positions.len() as u32;
        debug_assert!(self.positions.len() < self.positions.capacity());
        self.positions.push(PositionRow {
            account,
            instrument,
            start: 0,
            bought: 0,
            sold: 0,
            reserved: 0,
        });
        self.index
            .insert(self.key.pair(account.0, instrument.0), at);
        at
    }
}

/// Quantity as a signed number; what does not fit (no wire format carries it) is the largest.
#[inline]
pub(super) fn signed(quantity: Quantity) -> i64 {
    i64::try_from(quantity.0).unwrap_or(i64::MAX)
}
