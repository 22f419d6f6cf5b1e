//! One order at the simulated desk: its quantities, its status, and the report that tells them.
//!
//! What always holds: `quantity = cumulated + leaves + what was cancelled`, and `leaves` is zero in a final status. A fill after
//! the end (late fill, or a trade cancelled afterwards) changes `cumulated` only.

use crate::domain::report::DeskExec;
use crate::domain::{
    ClientOrderId, Money, OrderStatus, OrderType, Price, Quantity, Side, Text, TimeInForce,
};
use crate::sim::behaviour::Script;
use crate::sim::desk_message::{Report, Request};
use crate::sim::matching::Place;

/// An order.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// The desk's number, from one; OrderID(37).
    pub number: u32,
    /// ClOrdID(11) under which it came.
    pub first_id: ClientOrderId,
    /// ClOrdID(11) of the order or of its last replace.
    pub client_order_id: ClientOrderId,
    /// Account(1)
    pub account: Text<15>,
    /// Symbol(55)
    pub symbol: Text<23>,
    /// Which book.
    pub book: u32,
    /// Side(54)
    pub side: Side,
    /// OrdType(40)
    pub order_type: OrderType,
    /// TimeInForce(59)
    pub time_in_force: TimeInForce,
    /// Price(44)
    pub price: Price,
    /// OrderQty(38)
    pub quantity: Quantity,
    /// CumQty(14)
    pub cumulated: Quantity,
    /// Sum of price x quantity of the fills that stand.
    pub value: Money,
    /// OrdStatus(39)
    pub status: OrderStatus,
    /// How it had ended before a late fill filled it up: should that be taken back, it does not work again
    ended: Option<OrderStatus>,
    /// Link of the last request about it: its reports go there.
    pub link: usize,
    /// What the desk does with it.
    pub script: Script,
    /// Where it rests in the book, if it does.
    pub place: Option<Place>,
}

impl Order {
    /// As it came; not yet answered.
    pub fn new(number: u32, book: u32, link: usize, request: &Request, script: Script) -> Self {
        Self {
            number,
            first_id: request.client_order_id,
            client_order_id: request.client_order_id,
            account: request.account,
            symbol: request.symbol,
            book,
            side: request.side.unwrap_or_default(),
            order_type: request.order_type,
            time_in_force: request.time_in_force,
            price: request.price,
            quantity: request.quantity,
            cumulated: Quantity::ZERO,
            value: Money::ZERO,
            status: OrderStatus::PendingNew,
            ended: None,
            link,
            script,
            place: None,
        }
    }

    /// LeavesQty(151).
    pub fn leaves(&self) -> Quantity {
        if self.status.is_final() {
            Quantity::ZERO
        } else {
            self.quantity.saturating_sub(self.cumulated)
        }
    }

    /// Status that follows from what is filled, of an order that is open.
    fn open_status(&self) -> OrderStatus {
        if self.cumulated >= self.quantity {
            OrderStatus::Filled
        } else if self.cumulated.is_zero() {
            OrderStatus::New
        } else {
            OrderStatus::PartiallyFilled
        }
    }

    /// Books a fill. One that comes after a cancel and completes the order makes it filled.
    pub fn fill(&mut self, quantity: Quantity, price: Price) {
        self.cumulated = Quantity(self.cumulated.0 + quantity.0);
        self.change_value(quantity, price, 1);
        if self.status.is_final() && self.status != OrderStatus::Filled {
            self.ended = Some(self.status);
        }
        if !self.status.is_final() || self.cumulated >= self.quantity {
            self.status = self.open_status();
        }
    }

    /// Takes a fill back. An order that was filled is open again, outside the book; but not one that had ended before.
    pub fn unfill(&mut self, quantity: Quantity, price: Price) {
        self.cumulated = self.cumulated.saturating_sub(quantity);
        self.change_value(quantity, price, -1);
        if !self.status.is_final() || self.status == OrderStatus::Filled {
            self.status = match (self.open_status(), self.ended) {
                (status, Some(ended)) if status != OrderStatus::Filled => ended,
                (status, _) => status,
            };
        }
    }

    /// After a change of quantity, or at acceptance.
    pub fn refresh_status(&mut self) {
        self.status = self.open_status();
    }

    fn change_value(&mut self, quantity: Quantity, price: Price, sign: i128) {
        let value = price.notional(quantity, 1).unwrap_or(Money::ZERO);
        self.value = Money(self.value.0 + sign * value.0);
    }

    fn average_price(&self) -> Price {
        if self.cumulated.is_zero() {
            return Price::ZERO;
        }
        Price((self.value.0 / self.cumulated.0 as i128) as i64)
    }

    /// A report that tells the order as it is now.
    pub fn report(&self, exec: DeskExec, exec_id: u64) -> Report {
        Report {
            order: self.number,
            exec_id,
            exec_ref_id: 0,
            client_order_id: self.client_order_id,
            original: Text::EMPTY,
            exec,
            status: self.status,
            account: self.account,
            symbol: self.symbol,
            side: self.side,
            order_type: self.order_type,
            time_in_force: self.time_in_force,
            price: self.price,
            quantity: self.quantity,
            cumulated: self.cumulated,
            leaves: self.leaves(),
            average_price: self.average_price(),
            reject_reason: 0,
            text: Text::EMPTY,
            request_id: Text::EMPTY,
            part: None,
        }
    }
}

/// A report about an order that the desk does not have: rejected, or asked about and unknown.
pub fn report_without_order(request: &Request, exec: DeskExec, exec_id: u64) -> Report {
    let order = Order {
        status: OrderStatus::Rejected,
        ..Order::new(0, 0, 0, request, Script::default())
    };
    order.report(exec, exec_id)
}
