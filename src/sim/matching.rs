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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rules said plainly: a list in order of arrival, searched for the best.
    #[derive(Default)]
    struct Naive {
        resting: Vec<Incoming>,
    }

    impl Naive {
        fn best_for(&self, incoming: &Incoming) -> Option<usize> {
            let mut best: Option<usize> = None;
            for (at, order) in self.resting.iter().enumerate() {
                let crosses = incoming.order_type == OrderType::Market
                    || match incoming.side {
                        Side::Buy => order.price <= incoming.price,
                        Side::Sell => order.price >= incoming.price,
                    };
                if order.side == incoming.side || order.book != incoming.book || !crosses {
                    continue;
                }
                let better = best.is_none_or(|b| match incoming.side {
                    Side::Buy => order.price < self.resting[b].price,
                    Side::Sell => order.price > self.resting[b].price,
                });
                if better {
                    best = Some(at);
                }
            }
            best
        }

        /// What is left, and whether it rests.
        fn submit(&mut self, mut incoming: Incoming, trades: &mut Vec<Trade>) -> (u64, bool) {
            let before = (self.resting.clone(), trades.len());
            while incoming.quantity.0 > 0 {
                let Some(at) = self.best_for(&incoming) else {
                    break;
                };
                let quantity = incoming.quantity.min(self.resting[at].quantity);
                trades.push(Trade {
                    resting: self.resting[at].order,
                    incoming: incoming.order,
                    price: self.resting[at].price,
                    quantity,
                });
                incoming.quantity.0 -= quantity.0;
                self.resting[at].quantity.0 -= quantity.0;
                if self.resting[at].quantity.0 == 0 {
                    self.resting.remove(at);
                }
            }
            if incoming.quantity.0 > 0 && incoming.time_in_force == TimeInForce::FillOrKill {
                self.resting = before.0;
                let all = incoming.quantity.0
                    + trades[before.1..].iter().map(|t| t.quantity.0).sum::<u64>();
                trades.truncate(before.1);
                return (all, false);
            }
            let rests = incoming.quantity.0 > 0
                && incoming.order_type == OrderType::Limit
                && incoming.time_in_force == TimeInForce::Day;
            if rests {
                self.resting.push(incoming);
            }
            (incoming.quantity.0, rests)
        }

        fn queue(&self, book: u32, side: Side) -> Vec<(u32, Price, Quantity)> {
            let mut queue: Vec<_> = self
                .resting
                .iter()
                .filter(|o| o.book == book && o.side == side)
                .map(|o| (o.order, o.price, o.quantity))
                .collect();
            queue.sort_by_key(|&(_, price, _)| match side {
                Side::Buy => -price.0,
                Side::Sell => price.0,
            });
            queue
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Submit(Incoming),
        Cancel(usize),
        Replace(usize, Price, Quantity),
    }

    fn step() -> impl Strategy<Value = Step> {
        let price = (95i64..105).prop_map(Price);
        let quantity = (1u64..50).prop_map(Quantity);
        let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
        let order_type = prop_oneof![9 => Just(OrderType::Limit), 1 => Just(OrderType::Market)];
        let time_in_force = prop_oneof![
            8 => Just(TimeInForce::Day),
            1 => Just(TimeInForce::ImmediateOrCancel),
            1 => Just(TimeInForce::FillOrKill),
        ];
        let submit = (
            0u32..2,
            side,
            order_type,
            price.clone(),
            quantity.clone(),
            time_in_force,
        )
            .prop_map(|(book, side, order_type, price, quantity, time_in_force)| {
                Step::Submit(Incoming {
                    order: 0,
                    book,
                    side,
                    order_type,
                    price,
                    quantity,
                    time_in_force,
                })
            });
        prop_oneof![
            6 => submit,
            2 => any::<usize>().prop_map(Step::Cancel),
            2 => (any::<usize>(), price, quantity).prop_map(|(at, p, q)| Step::Replace(at, p, q)),
        ]
    }

    fn place_of(
        places: &std::collections::HashMap<u32, Place>,
        naive: &Naive,
        at: usize,
    ) -> Option<(usize, Place)> {
        if naive.resting.is_empty() {
            return None;
        }
        let at = at % naive.resting.len();
        Some((at, places[&naive.resting[at].order]))
    }

    proptest! {
        #[test]
        fn agrees_with_the_rules_said_plainly(steps in proptest::collection::vec(step(), 1..200)) {
            let mut engine = MatchingEngine::new(10_000);
            engine.add_book();
            engine.add_book();
            let mut naive = Naive::default();
            let (mut got, mut want) = (Vec::new(), Vec::new());
            let mut places = std::collections::HashMap::new();
            for (order, step) in steps.into_iter().enumerate() {
                let order = order as u32;
                match step {
                    Step::Submit(incoming) => {
                        let incoming = Incoming { order, ..incoming };
                        let outcome = engine.submit(incoming, &mut got);
                        let (left, rests) = naive.submit(incoming, &mut want);
                        match outcome {
                            Outcome::Filled => prop_assert_eq!(left, 0),
                            Outcome::Cancelled(q) => prop_assert_eq!((q.0, false), (left, rests)),
                            Outcome::Resting(place) => {
                                prop_assert!(rests);
                                prop_assert_eq!(engine.quantity(place).0, left);
                                places.insert(order, place);
                            }
                        }
                    }
                    Step::Cancel(at) => {
                        let Some((at, place)) = place_of(&places, &naive, at) else { continue };
                        prop_assert_eq!(engine.cancel(place), naive.resting.remove(at).quantity);
                    }
                    Step::Replace(at, price, quantity) => {
                        let Some((at, place)) = place_of(&places, &naive, at) else { continue };
                        let old = naive.resting[at];
                        let outcome = engine.replace(place, price, quantity, &mut got);
                        if price == old.price && quantity <= old.quantity {
                            naive.resting[at].quantity = quantity;
                            prop_assert_eq!(outcome, Outcome::Resting(place));
                        } else {
                            naive.resting.remove(at);
                            naive.submit(Incoming { price, quantity, ..old }, &mut want);
                            if let Outcome::Resting(place) = outcome {
                                places.insert(old.order, place);
                            }
                        }
                    }
                }
                prop_assert_eq!(&got, &want);
                prop_assert_eq!(engine.resting_count(), naive.resting.len());
                for book in 0..2 {
                    for side in [Side::Buy, Side::Sell] {
                        let queue = engine.queue(book, side);
                        let best = queue.first().map(|&(_, price, _)| {
                            let sum = queue.iter().filter(|o| o.1 == price).map(|o| o.2.0).sum();
                            (price, Quantity(sum))
                        });
                        prop_assert_eq!(engine.best(book, side), best);
                        prop_assert_eq!(queue, naive.queue(book, side));
                    }
                    if let (Some((bid, _)), Some((ask, _))) = (engine.best(book, Side::Buy), engine.best(book, Side::Sell)) {
                        prop_assert!(bid < ask, "crossed: {:?} {:?}", bid, ask);
                    }
                }
            }
        }
    }

    #[test]
    fn a_full_engine_cancels_what_would_rest_and_reuses_places() {
        let mut engine = MatchingEngine::new(1);
        engine.add_book();
        let order = |order, side| Incoming {
            order,
            book: 0,
            side,
            order_type: OrderType::Limit,
            price: Price(100),
            quantity: Quantity(5),
            time_in_force: TimeInForce::Day,
        };
        let mut trades = Vec::new();
        let Outcome::Resting(place) = engine.submit(order(1, Side::Buy), &mut trades) else {
            panic!("did not rest");
        };
        let full = engine.submit(order(2, Side::Buy), &mut trades);
        assert_eq!(full, Outcome::Cancelled(Quantity(5)));
        engine.cancel(place);
        for n in 3..100 {
            engine.submit(order(n, Side::Buy), &mut trades);
            assert_eq!(
                engine.submit(order(n, Side::Sell), &mut trades),
                Outcome::Filled
            );
        }
        assert_eq!((trades.len(), engine.slots.len()), (97, 1));
    }
}
