//! What the load client sends next: new orders, cancels and replaces, drawn from the seed by the shares of the run's mix.
//!
//! Part of the load client, same thread. A request is only drawn here; it counts when it was sent.

use crate::domain::{Price, Side};
use crate::sim::load::{Mix, Run};
use crate::sim::load_codec::RequestKind;
use crate::sim::load_ledger::{End, Fate, Record, Told};

/// Orders looked at when one to change is drawn.
const DRAWS_MAX: usize = 4;

impl Run {
    /// The next request of a session.
    pub(super) fn draw(&mut self, session: usize, intended_ns: u64) -> Record {
        let Mix {
            new,
            cancel,
            replace,
        } = self.config.mix;
        let at = self.random.below((new + cancel + replace) as u64) as u32;
        let kind = if at < cancel {
            RequestKind::Cancel
        } else if at < cancel + replace {
            RequestKind::Replace
        } else {
            RequestKind::New
        };
        if kind != RequestKind::New
            && let Some(order) = self.draw_changeable(session)
        {
            return self.change(kind, order, intended_ns);
        }
        self.new_order(session, intended_ns)
    }

    fn draw_changeable(&mut self, session: usize) -> Option<u32> {
        for _ in 0..DRAWS_MAX {
            let list = &mut self.changeable[session];
            if list.is_empty() {
                return None;
            }
            let number = list.swap_remove(self.random.below(list.len() as u64) as usize);
            let record = &self.ledger.records()[number as usize];
            if record.end == End::Open && !record.changing {
                return Some(number);
            }
        }
        None
    }

    fn new_order(&mut self, session: usize, intended_ns: u64) -> Record {
        let number = self.ledger.next_number();
        let sells = self.random.below(100) < self.config.sell_percent as u64;
        Record {
            intended_ns,
            kind: RequestKind::New,
            fate: Fate::Unresolved,
            end: End::Open,
            acks: 0,
            pendings: 0,
            fills: 0,
            filled: 0,
            told: Told::default(),
            root: number,
            current: number,
            changing: false,
            session: session as u16,
            symbol: self.random.below(self.symbols.len() as u64) as u16,
            side: if sells { Side::Sell } else { Side::Buy },
            price: self.draw_price(),
            quantity: self.config.quantity,
        }
    }

    /// At the price, or a few ticks from it.
    fn draw_price(&mut self) -> Price {
        let ticks = self.random.between(0, 8) as i64 - 4;
        Price((self.config.price.0 + ticks * self.config.tick.0).max(self.config.tick.0))
    }

    fn change(&mut self, kind: RequestKind, order: u32, intended_ns: u64) -> Record {
        let price = match kind {
            RequestKind::Replace => self.draw_price(),
            _ => self.ledger.records()[order as usize].price,
        };
        Record {
            intended_ns,
            kind,
            fate: Fate::Unresolved,
            acks: 0,
            pendings: 0,
            fills: 0,
            filled: 0,
            told: Told::default(),
            end: End::Open,
            root: order,
            changing: false,
            price,
            ..self.ledger.records()[order as usize]
        }
    }
}
