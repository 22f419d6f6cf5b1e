//! The matching engine against the rules said plainly.
//!
//! The rules are a second, slow and plain implementation; both get the same random orders.

use proptest::prelude::*;

use crate::domain::{OrderType, Price, Quantity, Side, TimeInForce};
use crate::sim::matching::{Incoming, MatchingEngine, Outcome, Place, Trade};

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
                is_last: quantity == self.resting[at].quantity,
            });
            incoming.quantity.0 -= quantity.0;
            self.resting[at].quantity.0 -= quantity.0;
            if self.resting[at].quantity.0 == 0 {
                self.resting.remove(at);
            }
        }
        if incoming.quantity.0 > 0 && incoming.time_in_force == TimeInForce::FillOrKill {
            self.resting = before.0;
            let all =
                incoming.quantity.0 + trades[before.1..].iter().map(|t| t.quantity.0).sum::<u64>();
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
    assert_eq!((trades.len(), engine.resting_count()), (97, 0));
}
