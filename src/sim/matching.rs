//! Price-time matching: one book per instrument, best price first, at one price the oldest first.
//!
//! Owned by the desk book (one thread). Deterministic: no clock, no randomness, no hashing; the same calls give the same trades.
//! What always holds: no book is crossed after a call; a resting order has a quantity; levels' sums are those of their orders;
//! at most `orders_max` orders rest. A replace keeps its place in time only where the price stays and the quantity shrinks.
//! A client may trade with itself: self-match prevention is the venue's business and differs from venue to venue.

use std::collections::BTreeMap;

use crate::domain::{OrderType, Price, Quantity, Side, TimeInForce};

/// An order on its way into a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The owner's name for it; comes back in trades.
    pub order: u32,
    /// Which book.
    pub book: u32,
    /// Side(54)
    pub side: Side,
    /// OrdType(40). What a market order does not trade at once is cancelled.
    pub order_type: OrderType,
    /// Price(44); not looked at for market orders.
    pub price: Price,
    /// What is still to trade.
    pub quantity: Quantity,
    /// TimeInForce(59)
    pub time_in_force: TimeInForce,
}

/// One trade, at the resting order's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Who stood in the book.
    pub resting: u32,
    /// Who came.
    pub incoming: u32,
    /// At which price.
    pub price: Price,
    /// How many.
    pub quantity: Quantity,
    /// Nothing is left in the book of who stood there: its place is gone.
    pub is_last: bool,
}

/// Place of a resting order. Good until the order has traded wholly or was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

/// What became of an order that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left.
    Filled,
    /// The rest stands in the book.
    Resting(Place),
    /// The rest was not placed: immediate-or-cancel, fill-or-kill, market, or no room in the book.
    Cancelled(Quantity),
}

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Resting {
    order: u32,
    book: u32,
    side: Side,
    price: Price,
    quantity: Quantity,
    older: u32,
    newer: u32,
}

/// Orders of one price, as a list from the oldest to the newest.
#[derive(Clone, Copy, Debug)]
struct Level {
    oldest: u32,
    newest: u32,
    quantity: u64,
}

#[derive(Debug, Default)]
struct Book {
    bids: BTreeMap<Price, Level>,
    asks: BTreeMap<Price, Level>,
    last_price: Option<Price>,
}

impl Book {
    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Price, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Best price of `side`.
    fn best(&self, side: Side) -> Option<(Price, Level)> {
        match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        }
        .map(|(&price, &level)| (price, level))
    }
}

/// All books and the orders that rest in them.
#[derive(Debug)]
pub struct MatchingEngine {
    books: Vec<Book>,
    slots: Vec<Resting>,
    free: Vec<u32>,
    orders_max: usize,
}

impl MatchingEngine {
    /// At most `orders_max` resting orders; what would rest beyond is cancelled.
    pub fn new(orders_max: usize) -> Self {
        Self {
            books: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            orders_max: orders_max.min(NONE as usize),
        }
    }

    /// Opens a book; they number from zero.
    pub fn add_book(&mut self) -> u32 {
        self.books.push(Book::default());
        self.books.len() as u32 - 1
    }

    /// Matches `incoming`; trades are appended in the order in which they happen.
    pub fn submit(&mut self, incoming: Incoming, trades: &mut Vec<Trade>) -> Outcome {
        if incoming.time_in_force == TimeInForce::FillOrKill && !self.can_fill(&incoming) {
            return Outcome::Cancelled(incoming.quantity);
        }
        let mut left = incoming.quantity;
        while !left.is_zero() {
            let Some((price, level)) = self.crossing(&incoming) else {
                break;
            };
            left = self.trade_at(&incoming, price, level, left, trades);
        }
        if left.is_zero() {
            return Outcome::Filled;
        }
        let may_rest = incoming.order_type == OrderType::Limit
            && incoming.time_in_force == TimeInForce::Day
            && self.resting_count() < self.orders_max;
        if !may_rest {
            return Outcome::Cancelled(left);
        }
        Outcome::Resting(self.rest(&incoming, left))
    }

    /// Takes an order out; returns what was left of it.
    pub fn cancel(&mut self, place: Place) -> Quantity {
        let quantity = self.slots[place.0 as usize].quantity;
        self.unlink(place.0);
        quantity
    }

    /// Changes a resting order; `quantity` is what is to be left. Keeps its place in time only at the same price with no more
    /// quantity; else it is taken out and comes again, and so may trade.
    pub fn replace(
        &mut self,
        place: Place,
        price: Price,
        quantity: Quantity,
        trades: &mut Vec<Trade>,
    ) -> Outcome {
        let old = self.slots[place.0 as usize];
        if price == old.price && quantity <= old.quantity && !quantity.is_zero() {
            self.slots[place.0 as usize].quantity = quantity;
            if let Some(level) = self.books[old.book as usize]
                .side_mut(old.side)
                .get_mut(&price)
            {
                level.quantity -= old.quantity.0 - quantity.0;
            }
            return Outcome::Resting(place);
        }
        self.unlink(place.0);
        let again = Incoming {
            order: old.order,
            book: old.book,
            side: old.side,
            order_type: OrderType::Limit,
            price,
            quantity,
            time_in_force: TimeInForce::Day,
        };
        self.submit(again, trades)
    }

    /// What is left of a resting order.
    pub fn quantity(&self, place: Place) -> Quantity {
        self.slots[place.0 as usize].quantity
    }

    /// Orders in all books.
    pub fn resting_count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Best price of a side and the quantity that stands there.
    pub fn best(&self, book: u32, side: Side) -> Option<(Price, Quantity)> {
        self.books[book as usize]
            .best(side)
            .map(|(price, level)| (price, Quantity(level.quantity)))
    }

    /// Price of the last trade.
    pub fn last_price(&self, book: u32) -> Option<Price> {
        self.books[book as usize].last_price
    }

    /// Orders of one side in the order in which they would trade.
    pub fn queue(&self, book: u32, side: Side) -> Vec<(u32, Price, Quantity)> {
        let book = &self.books[book as usize];
        let levels: Vec<&Level> = match side {
            Side::Buy => book.bids.values().rev().collect(),
            Side::Sell => book.asks.values().collect(),
        };
        let mut queue = Vec::new();
        for level in levels {
            let mut at = level.oldest;
            while at != NONE {
                let slot = &self.slots[at as usize];
                queue.push((slot.order, slot.price, slot.quantity));
                at = slot.newer;
            }
        }
        queue
    }

    fn opposite(side: Side) -> Side {
        match side {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    fn accepts(incoming: &Incoming, price: Price) -> bool {
        incoming.order_type == OrderType::Market
            || match incoming.side {
                Side::Buy => price <= incoming.price,
                Side::Sell => price >= incoming.price,
            }
    }

    /// Best level of the other side, where `incoming` takes its price.
    fn crossing(&self, incoming: &Incoming) -> Option<(Price, Level)> {
        self.books[incoming.book as usize]
            .best(Self::opposite(incoming.side))
            .filter(|&(price, _)| Self::accepts(incoming, price))
    }

    fn can_fill(&self, incoming: &Incoming) -> bool {
        let book = &self.books[incoming.book as usize];
        let mut missing = incoming.quantity.0;
        let mut take = |(&price, level): (&Price, &Level)| {
            if !Self::accepts(incoming, price) {
                return Some(false);
            }
            missing = missing.saturating_sub(level.quantity);
            (missing == 0).then_some(true)
        };
        match incoming.side {
            Side::Buy => book.asks.iter().find_map(&mut take),
            Side::Sell => book.bids.iter().rev().find_map(&mut take),
        }
        .unwrap_or(false)
    }

    /// Trades with the level's orders, oldest first; returns what is left of `incoming`.
    fn trade_at(
        &mut self,
        incoming: &Incoming,
        price: Price,
        level: Level,
        mut left: Quantity,
        trades: &mut Vec<Trade>,
    ) -> Quantity {
        let mut at = level.oldest;
        while at != NONE && !left.is_zero() {
            let slot = &mut self.slots[at as usize];
            let quantity = left.min(slot.quantity);
            trades.push(Trade {
                resting: slot.order,
                incoming: incoming.order,
                price,
                quantity,
                is_last: quantity == slot.quantity,
            });
            left = left.saturating_sub(quantity);
            let next = slot.newer;
            if quantity == slot.quantity {
                self.unlink(at);
            } else {
                slot.quantity = slot.quantity.saturating_sub(quantity);
                let side = Self::opposite(incoming.side);
                if let Some(level) = self.books[incoming.book as usize]
                    .side_mut(side)
                    .get_mut(&price)
                {
                    level.quantity -= quantity.0;
                }
            }
            at = next;
        }
        self.books[incoming.book as usize].last_price = Some(price);
        left
    }

    fn rest(&mut self, incoming: &Incoming, quantity: Quantity) -> Place {
        let slot = Resting {
            order: incoming.order,
            book: incoming.book,
            side: incoming.side,
            price: incoming.price,
            quantity,
            older: NONE,
            newer: NONE,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32 - 1
            }
        };
        let level = self.books[incoming.book as usize]
            .side_mut(incoming.side)
            .entry(incoming.price)
            .or_insert(Level {
                oldest: at,
                newest: NONE,
                quantity: 0,
            });
        let older = level.newest;
        level.newest = at;
        level.quantity += quantity.0;
        self.slots[at as usize].older = older;
        if older != NONE {
            self.slots[older as usize].newer = at;
        }
        Place(at)
    }

    fn unlink(&mut self, at: u32) {
        let slot = self.slots[at as usize];
        if slot.older != NONE {
            self.slots[slot.older as usize].newer = slot.newer;
        }
        if slot.newer != NONE {
            self.slots[slot.newer as usize].older = slot.older;
        }
        let levels = self.books[slot.book as usize].side_mut(slot.side);
        if let Some(level) = levels.get_mut(&slot.price) {
            level.quantity -= slot.quantity.0;
            if slot.older == NONE {
                level.oldest = slot.newer;
            }
            if slot.newer == NONE {
                level.newest = slot.older;
            }
            if level.oldest == NONE {
                levels.remove(&slot.price);
            }
        }
        self.free.push(at);
    }
}
