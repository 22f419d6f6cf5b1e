//! What happens in a world, drawn from the seed before anything runs, so that a prefix or a part of it can be run again.
//!
//! Plain values. Each event has a number of its own from which it draws; leaving one out changes no other.

use std::fmt;

use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::sim::random::Random;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $weight:literal $is_fault:literal;)*) => {
        /// What happens.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        /// Kind, weight in a draw, whether it is a fault.
        const KINDS: &[(Kind, u64, bool)] = &[$((Kind::$kind, $weight, $is_fault),)*];
    };
}

kinds! {
    /// A client sends an order.
    Order 40 false;
    /// A client sends several at once.
    Burst 4 false;
    /// A client cancels.
    Cancel 12 false;
    /// A client replaces.
    Replace 12 false;
    /// A client asks about all of its orders.
    MassStatus 1 false;
    /// A client cancels all of its orders.
    MassCancel 1 false;
    /// Something happens at the desk.
    Desk 10 false;
    /// Time passes.
    Wait 6 false;
    /// A client sends what is wrong.
    Nonsense 4 true;
    /// A client does not read for a while.
    Sleep 2 true;
    /// A client goes and comes again.
    Leave 3 true;
    /// A client logs out and comes again.
    Logout 2 true;
    /// A connection of the gateway breaks.
    Reset 4 true;
    /// A connection of the gateway goes silent in one direction.
    Silence 1 true;
    /// The network becomes slower, faster, more torn.
    Weather 2 true;
    /// The gateway's wall clock jumps.
    Jump 1 true;
    /// The disk stands still for a while.
    Stall 3 true;
    /// An operator stops and releases something.
    Operator 3 true;
    /// The process is killed, at some call to the outside.
    Kill 3 true;
    /// The host goes down: windows and what was not synced are gone.
    HostLoss 2 true;
    /// The disk fails, until somebody repairs it and starts the gateway anew.
    DiskFails 1 true;
    /// What the disk has is damaged, in a copy that a start then reads.
    Damage 1 true;
    /// Strangers come, with garbage and floods.
    Flood 2 true;
}

/// One thing that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Where it stood in the draw
    pub at: usize,
    /// What happens
    pub kind: Kind,
    /// What it draws from
    pub draw: u64,
    /// How long the world goes on before the next
    pub wait_ns: u64,
}

impl Event {
    /// Its own draws.
    pub fn random(&self) -> Random {
        Random::new(self.draw)
    }

    /// Whether it is a fault.
    pub fn is_fault(&self) -> bool {
        KINDS
            .iter()
            .any(|&(kind, _, fault)| kind == self.kind && fault)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wait_us = self.wait_ns / 1_000;
        write!(
            f,
            "{:>5} {:?} ({:x}), then {wait_us} us",
            self.at, self.kind, self.draw
        )
    }
}

/// The events of a seed. Each world has only some kinds of faults: where all of them happen at once each hides the others.
pub fn draw(random: &mut Random, count: usize, with_restarts: bool) -> Vec<Event> {
    let needs_restart = |kind| matches!(kind, Kind::Kill | Kind::HostLoss | Kind::DiskFails);
    let share = random.between(0, 4);
    let chosen: Vec<(Kind, u64)> = KINDS
        .iter()
        .filter(|&&(_, _, is_fault)| !is_fault || random.below(4) < share)
        .filter(|&&(kind, _, _)| with_restarts || !needs_restart(kind))
        .map(|&(kind, weight, _)| (kind, weight))
        .collect();
    let sum = chosen.iter().map(|&(_, weight)| weight).sum();
    let pace = random.between(1, 4);
    (0..count)
        .map(|at| {
            let mut left = random.below(sum);
            let found = chosen.iter().find(|&&(_, weight)| {
                let is_it = left < weight;
                left = left.saturating_sub(weight);
                is_it
            });
            let kind = found.map_or(Kind::Wait, |&(kind, _)| kind);
            let draw = random.next_u64();
            let wait_ns = match (kind, random.below(10)) {
                (Kind::Wait, 0) => random.between(NS_PER_S, 40 * NS_PER_S),
                (Kind::Wait, _) => random.between(NS_PER_MS, 300 * NS_PER_MS),
                (_, 0) => random.between(NS_PER_MS, 20 * NS_PER_MS),
                _ => random.between(0, pace * 400_000),
            };
            Event {
                at,
                kind,
                draw,
                wait_ns,
            }
        })
        .collect()
}
