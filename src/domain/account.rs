//! One account: whose money it is, what it may lose. One row of `accounts.csv`, and its positions.
//!
//! Plain values, fixed for the day; what changes is in the book of `risk`.

use super::ids::{AccountIndex, ClientIndex, InstrumentIndex};
use super::price::Money;
use super::quantity::Quantity;
use super::text::Text;

/// Kind of account. Margin and derivatives follow; the order path asks only where they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum AccountKind {
    /// Own money, no credit.
    Cash,
}

/// Reference data of one account at the start of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Account(1), unique
    pub name: Text<15>,
    /// Owner
    pub client: ClientIndex,
    /// Kind
    pub kind: AccountKind,
    /// Cash at the start of the day
    pub cash: Money,
    /// Largest value of one order; zero means no limit
    pub order_value_max: Money,
    /// Most open orders; zero means no limit
    pub open_orders_max: u32,
    /// Messages per second over all its sessions; zero means no limit
    pub messages_per_second: u32,
    /// Messages at once
    pub message_burst: u32,
}

/// Position at the start of the day: one row of `positions.csv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Whose
    pub account: AccountIndex,
    /// In what
    pub instrument: InstrumentIndex,
    /// How many may be sold
    pub sellable: Quantity,
}
