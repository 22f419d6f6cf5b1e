//! Runs seeds, and makes what fails small: the shortest prefix of events that still fails, then without the faults that it does not need.
//!
//! Cold. What always holds: what is reported was run as it is reported.

use super::events::{self, Event};
use super::{Outcome, World};
use crate::sim::random::Random;

/// Runs made to make a failure small.
const RUNS_MAX: usize = 200;

/// The events of a seed; processes are killed only `with_kills`.
pub fn events_of(seed: u64, count: usize, with_kills: bool) -> Vec<Event> {
    // Not the numbers that the world itself draws.
    let mut random = Random::new(seed ^ 0x005e_ed0f_e4e7_7500);
    events::draw(&mut random, count, with_kills)
}

/// Runs a seed. A panic is a finding, where panics do not end the process.
pub fn run(seed: u64, events: &[Event]) -> Outcome {
    let run = || World::new(seed).run(events);
    std::panic::catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = format!("panic: {}", text.unwrap_or_default());
        Outcome {
            finding: Some((None, text)),
            ..Outcome::default()
        }
    })
}

/// A failure, as small as it was made.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What rules the world
    pub seed: u64,
    /// Length of the shortest prefix that fails
    pub prefix: usize,
    /// Of that prefix, what is needed
    pub events: Vec<Event>,
    /// How that ends
    pub outcome: Outcome,
}

/// A failing run as it is.
pub fn unshrunk(seed: u64, events: Vec<Event>, outcome: Outcome) -> Failure {
    Failure {
        seed,
        prefix: events.len(),
        events,
        outcome,
    }
}

/// Makes a failing run small.
pub fn shrink(seed: u64, events: &[Event]) -> Option<Failure> {
    let mut runs = 0;
    let mut fails = |events: &[Event]| {
        runs += 1;
        let outcome = (runs <= RUNS_MAX).then(|| run(seed, events))?;
        outcome.finding.is_some().then_some(outcome)
    };
    let mut outcome = fails(events)?;
    // Failing is not monotonous in the prefix; any boundary between good and bad will do.
    let (mut good, mut bad) = (0, events.len());
    if let Some((Some(at), _)) = &outcome.finding {
        let short = events.iter().position(|event| event.at == *at);
        let short = short.map_or(bad, |at| at + 1);
        if let Some(found) = fails(&events[..short]) {
            (bad, outcome) = (short, found);
        }
    }
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        match fails(&events[..middle]) {
            Some(found) => (bad, outcome) = (middle, found),
            None => good = middle,
        }
    }
    let prefix = bad;
    let mut kept = events[..bad].to_vec();
    // Faults first: what fails without them is easier to understand.
    for faults in [true, false] {
        let mut at = kept.len();
        while at > 0 {
            at -= 1;
            if faults && !kept[at].is_fault() {
                continue;
            }
            let mut fewer = kept.clone();
            fewer.remove(at);
            if let Some(found) = fails(&fewer) {
                (kept, outcome) = (fewer, found);
            }
        }
    }
    Some(Failure {
        seed,
        prefix,
        events: kept,
        outcome,
    })
}
