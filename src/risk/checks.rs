//! The pre-trade checks: pure functions over one context, in one ordered list, cheapest first.
//!
//! The list is written once, below, and gives three things: the run that stops at the first failure (straight-line code, no
//! table of pointers), the run that names every failure as a bitmask for the audit, and the list itself for people. A check
//! compares; everything it compares is gathered before (`gather.rs`), so a check cannot change anything.

use super::book::AccountRow;
use super::instruments::InstrumentRow;
use super::kill_switch::Stops;
use crate::domain::{Money, OrderType, Price, Quantity, RejectReason, Side};

/// Everything the checks compare.
pub(super) struct Context<'a> {
    pub instrument: &'a InstrumentRow,
    pub account: &'a AccountRow,
    pub account_known: bool,
    pub instrument_known: bool,
    pub entitled: bool,
    pub stops: Stops,
    pub duplicate: bool,
    pub desk_ready: bool,
    pub pressure: bool,
    pub log_ready: bool,
    pub desk_held: bool,
    pub may_be_sent: bool,
    pub has_capacity: bool,
    pub session_in_time: bool,
    pub account_in_time: bool,
    pub side: Side,
    pub order_type: OrderType,
    pub price: Price,
    /// Total, what a replaced order has filled included.
    pub quantity: Quantity,
    /// Still to be filled: equal to `quantity` for a new order.
    pub rest: Quantity,
    /// Valued at the limit, or at the price that a market order reserves at; `None` on overflow.
    pub value: Option<Money>,
    /// Further cash to reserve; zero for sells.
    pub cash_needed: Money,
    /// Cash less reserves.
    pub cash_available: Money,
    /// What may be sold, what this order has reserved included.
    pub sellable: i64,
    /// Of the account, this one not counted.
    pub open_orders: u32,
    /// A new order adds one, a replace none.
    pub adds_order: bool,
}

/// One line of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckRow {
    /// Name of the function.
    pub name: &'static str,
    /// What a failure is called.
    pub reason: RejectReason,
}

macro_rules! checks {
    ($($check:ident => $reason:ident,)*) => {
        /// The checks in the order in which they run.
        pub const CHECKS: &[CheckRow] = &[$(CheckRow {
            name: stringify!($check),
            reason: RejectReason::$reason,
        },)*];

        /// The first failure.
        #[inline]
        pub(super) fn first_failure(c: &Context) -> Result<(), RejectReason> {
            $(if !$check(c) {
                return Err(RejectReason::$reason);
            })*
            Ok(())
        }

        /// Every failure, as bit `1 << reason`.
        pub(super) fn all_failures(c: &Context) -> u64 {
            let mut failures = 0;
            $(if !$check(c) {
                failures |= 1 << RejectReason::$reason as u64;
            })*
            failures
        }
    };
}

checks! {
    account_exists => UnknownAccount,
    instrument_exists => UnknownInstrument,
    session_may_use_account => NotEntitled,
    not_killed => Killed,
    not_blocked => Blocked,
    client_order_id_is_new => DuplicateClientOrderId,
    was_not_sent_before => MayBeSent,
    desk_is_released => DeskHeld,
    desk_is_ready => NoDesk,
    log_is_ready => LogUnavailable,
    no_pressure => Pressure,
    capacity_is_left => CapacityFull,
    order_type_is_taken => UnsupportedOrder,
    quantity_is_enough => QuantityTooSmall,
    quantity_is_not_too_much => QuantityTooLarge,
    quantity_fits_lot => Lot,
    price_fits_tick => Tick,
    price_within_daily_limits => PriceLimit,
    reference_price_exists => NoReferencePrice,
    price_within_collar => PriceCollar,
    value_is_not_too_much => ValueTooLarge,
    open_orders_are_not_too_many => OpenOrders,
    session_is_in_time => MessageRate,
    account_is_in_time => MessageRate,
    cash_covers => BuyingPower,
    position_covers => SellableQuantity,
}

const _: () = assert!(crate::domain::reject::REJECTS.len() <= 64);

fn account_exists(c: &Context) -> bool {
    c.account_known
}

fn instrument_exists(c: &Context) -> bool {
    c.instrument_known
}

/// Asked only of accounts that exist; of one that does not, the answer would be noise.
fn session_may_use_account(c: &Context) -> bool {
    c.entitled || !c.account_known
}

fn not_killed(c: &Context) -> bool {
    !c.stops.killed
}

fn not_blocked(c: &Context) -> bool {
    !c.stops.blocked
}

fn client_order_id_is_new(c: &Context) -> bool {
    !c.duplicate
}

fn was_not_sent_before(c: &Context) -> bool {
    !c.may_be_sent
}

fn desk_is_released(c: &Context) -> bool {
    !c.desk_held
}

fn desk_is_ready(c: &Context) -> bool {
    c.desk_ready
}

fn log_is_ready(c: &Context) -> bool {
    c.log_ready
}

fn no_pressure(c: &Context) -> bool {
    !c.pressure
}

fn capacity_is_left(c: &Context) -> bool {
    c.has_capacity
}

fn order_type_is_taken(c: &Context) -> bool {
    c.order_type == OrderType::Limit || c.instrument.market_orders
}

/// Parameter: the instrument's minimum. A sell may go below it where it clears the position or its odd part, or where the
/// instrument takes any sell.
fn quantity_is_enough(c: &Context) -> bool {
    c.quantity >= c.instrument.quantity_min
        || (c.side == Side::Sell
            && !c.quantity.is_zero()
            && (c.instrument.odd_lot_sell
                || c.rest.0 as i128 == c.sellable as i128
                || sells_odd_rest(c)))
}

/// Parameter: the instrument's maximum.
fn quantity_is_not_too_much(c: &Context) -> bool {
    c.quantity <= c.instrument.quantity_max
}

/// Parameter: the instrument's lot. A sell may be odd where the instrument takes any sell, or where it takes the whole odd part
/// of the position with it (of 232 in lots of 100: 32, 132 or 232).
fn quantity_fits_lot(c: &Context) -> bool {
    c.quantity.0.is_multiple_of(c.instrument.lot)
        || (c.side == Side::Sell && (c.instrument.odd_lot_sell || sells_odd_rest(c)))
}

/// Whether what is left of the position afterwards is whole lots, and it was not before.
fn sells_odd_rest(c: &Context) -> bool {
    let (lot, sellable) = (c.instrument.lot, c.sellable.max(0) as u64);
    !sellable.is_multiple_of(lot) && c.rest.0 <= sellable && c.rest.0 % lot == sellable % lot
}

/// Parameter: the instrument's tick. A limit order without a price has none that fits.
fn price_fits_tick(c: &Context) -> bool {
    c.order_type == OrderType::Market || (c.price.0 > 0 && c.price.0 % c.instrument.tick == 0)
}

/// Parameters: the daily limits of the instrument.
fn price_within_daily_limits(c: &Context) -> bool {
    c.order_type == OrderType::Market
        || (c.instrument.limit_low <= c.price && c.price <= c.instrument.limit_high)
}

/// A collar needs a reference price, a market order something to be valued at.
fn reference_price_exists(c: &Context) -> bool {
    match c.order_type {
        OrderType::Limit => !c.instrument.collar_without_reference,
        OrderType::Market => c.instrument.market_price > Price::ZERO,
    }
}

/// Parameters: the instrument's reference price and collar.
fn price_within_collar(c: &Context) -> bool {
    c.order_type == OrderType::Market
        || (c.instrument.collar_low <= c.price && c.price <= c.instrument.collar_high)
}

/// Parameter: the account's largest value of one order.
fn value_is_not_too_much(c: &Context) -> bool {
    match c.value {
        Some(value) => {
            c.account.order_value_max == Money::ZERO || value <= c.account.order_value_max
        }
        None => false,
    }
}

/// Parameter: the account's most open orders.
fn open_orders_are_not_too_many(c: &Context) -> bool {
    !c.adds_order || c.account.open_orders_max == 0 || c.open_orders < c.account.open_orders_max
}

/// Parameters: the session's rate and burst.
fn session_is_in_time(c: &Context) -> bool {
    c.session_in_time
}

/// Parameters: the account's rate and burst.
fn account_is_in_time(c: &Context) -> bool {
    c.account_in_time
}

/// Buys: the cash that is not reserved covers what this would reserve.
fn cash_covers(c: &Context) -> bool {
    c.side == Side::Sell || c.cash_needed <= Money::ZERO || c.cash_needed <= c.cash_available
}

/// Sells: the position that is not reserved covers the rest.
fn position_covers(c: &Context) -> bool {
    c.side == Side::Buy || c.rest.0 as i128 <= c.sellable as i128
}
