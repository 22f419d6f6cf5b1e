//! `gatehouse sim`: the gateway in a virtual world that a seed rules, to see whether anything can break it.
//!
//! Exit code 0 where no seed found anything, 1 with the seed, the shortest run that still fails and the records of the orders concerned.

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use crate::sim::world::shrink::{self, Failure};

/// Run the gateway in a virtual world
#[derive(Args, Debug)]
pub struct SimArgs {
    /// First seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, from the first on
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Events of each
    #[arg(long, default_value_t = 1000)]
    events: usize,
    /// The gateway's process is never killed
    #[arg(long)]
    without_kills: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Show a failure as it is, without looking for a shorter one
    #[arg(long)]
    no_shrink: bool,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
}

/// Runs it.
pub fn run(args: &SimArgs) -> ExitCode {
    let started = Instant::now();
    let (mut ran, mut orders, mut records, mut deaths) = (0u64, 0, 0, 0);
    let mut failures = Vec::new();
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        let events = shrink::events_of(seed, args.events, !args.without_kills);
        tell_seed_on_panic(seed);
        let outcome = shrink::run(seed, &events);
        ran += 1;
        orders += outcome.orders;
        records += outcome.records;
        deaths += outcome.deaths;
        if outcome.finding.is_some() {
            let failure = match args.no_shrink {
                true => Some(shrink::unshrunk(seed, events, outcome)),
                false => shrink::shrink(seed, &events),
            };
            if let (false, Some(failure)) = (args.json, &failure) {
                eprint!("{}", as_text(failure));
            }
            failures.extend(failure);
            if !args.keep_going {
                break;
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let text = match args.json {
        true => {
            let failures: Vec<Value> = failures.iter().map(as_json).collect();
            let result = json!({
                "seeds": ran, "events": args.events, "orders": orders, "records": records,
                "deaths": deaths, "seconds": seconds, "failures": failures,
            });
            format!("{result:#}\n")
        }
        false => {
            let count = failures.len();
            format!(
                "{ran} seeds of {} events: {orders} orders, {records} records, {deaths} deaths, {count} failures, {seconds:.1} s\n",
                args.events
            )
        }
    };
    if let Err(error) = super::show(&text) {
        return super::fail("cannot write", error);
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}

/// A panic of the gateway is a finding too: whoever sees it must know the seed.
fn tell_seed_on_panic(seed: u64) {
    std::panic::set_hook(Box::new(move |info| {
        // Where panics can be caught, what they say is shown with the run made small.
        if cfg!(panic = "abort") {
            eprintln!("gatehouse: seed {seed}: {info}");
        }
    }));
}

fn as_text(failure: &Failure) -> String {
    let mut text = format!("seed {}: ", failure.seed);
    if let Some((at, what)) = &failure.outcome.finding {
        let at = at.map_or("at the end".to_owned(), |at| format!("after event {at}"));
        text += &format!("{at}: {what}\n");
    }
    text += &format!(
        "  the shortest prefix that fails has {} events; of these are needed:\n",
        failure.prefix
    );
    for event in &failure.events {
        text += &format!("  {event}\n");
    }
    text += "  records:\n";
    for line in &failure.outcome.story {
        text += &format!("  {line}\n");
    }
    text
}

fn as_json(failure: &Failure) -> Value {
    let (at, what) = match &failure.outcome.finding {
        Some((at, what)) => (*at, what.as_str()),
        None => (None, ""),
    };
    let events: Vec<_> = failure.events.iter().map(ToString::to_string).collect();
    json!({
        "seed": failure.seed, "prefix": failure.prefix, "after_event": at, "finding": what,
        "events": events, "records": failure.outcome.story,
    })
}
