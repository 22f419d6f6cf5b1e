//! What an order must have reserved: a function of the order alone, so that it can be computed anew at any time.
//!
//! Reserved on send, released on reject, cancel and expiry, converted on fill: all of these change the order, and the reserve
//! follows by one difference (`Risk::rebook`). A pending replace reserves the larger of the old and the new until it resolves.

use super::orders::{Order, RequestKind};
use crate::domain::{Money, OrderStatus, OrderType, Price, Quantity, Side};

/// What is reserved for one order: cash for buys, position for sells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reserve {
    pub cash: Money,
    pub quantity: Quantity,
}

/// The price at which an order reserves cash.
#[inline]
pub(super) fn reserve_price(order_type: OrderType, price: Price, market_price: Price) -> Price {
    match order_type {
        OrderType::Limit => price,
        OrderType::Market => market_price,
    }
}

/// Reserve for `quantity` at `price`. What was checked cannot overflow; what a desk makes of an order afterwards is cut.
#[inline]
fn reserve(side: Side, price: Price, quantity: Quantity, unit: u32) -> Reserve {
    match side {
        Side::Buy => Reserve {
            cash: price
                .notional(quantity, unit)
                .unwrap_or(Money(i128::MAX / 4)),
            quantity: Quantity::ZERO,
        },
        Side::Sell => Reserve {
            cash: Money::ZERO,
            quantity,
        },
    }
}

/// What the order must have reserved now. `pending` is the kind of request under way.
#[inline]
pub(super) fn required(order: &Order, pending: Option<RequestKind>, unit: u32) -> Reserve {
    let now = reserve(order.side, order.reserve_price, order.leaves(), unit);
    // A filled order can still be enlarged by a replace that the desk took before the last fill.
    let replaceable = matches!(order.done, None | Some(OrderStatus::Filled));
    if pending != Some(RequestKind::Replace) || !replaceable {
        return now;
    }
    let new = &order.replacement;
    let rest = new.quantity.saturating_sub(order.cumulated);
    let then = reserve(order.side, new.reserve_price, rest, unit);
    Reserve {
        cash: now.cash.max(then.cash),
        quantity: now.quantity.max(then.quantity),
    }
}
