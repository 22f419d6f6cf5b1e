//! `gatehouse sim`: the gateway in a virtual world that a seed rules, to see whether anything can break it.
//!
//! Exit code 0 where no seed found anything, 1 with the seed, the shortest run that still fails and the records of the orders concerned.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::sim::world::campaign::{self, Campaign, Progress};
use crate::sim::world::counts::Counts;
use crate::sim::world::shrink::{self, Failure};

/// How often a long run says where it is.
const TELL_EVERY: Duration = Duration::from_secs(10);

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
    /// How many seeds at once
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Remember in this file which seeds are done, and go on with those that are not
    #[arg(long)]
    resume: Option<PathBuf>,
    /// What the file says was run: a commit, say
    #[arg(long, default_value = "")]
    label: String,
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
    let (started, mut told) = (Instant::now(), Instant::now());
    let mut progress = match &args.resume {
        None => None,
        Some(path) => match Progress::open(path, &what_is_run(args)) {
            Ok(progress) => Some(progress),
            Err(error) => return super::fail("cannot go on with that run", error),
        },
    };
    let all = args.seed..args.seed.saturating_add(args.seeds);
    let is_left = |seed: &u64| progress.as_ref().is_none_or(|it| !it.done.contains(seed));
    let campaign = Campaign {
        seeds: all.filter(is_left).collect(),
        events: args.events,
        with_kills: !args.without_kills,
        threads: args.threads,
    };
    let before = progress.as_ref().map_or(0, |it| it.done.len());
    let (mut ran, mut counts) = (0usize, Counts::default());
    let (mut failures, mut broken) = (Vec::new(), None);
    tell_seed_on_panic();
    campaign.run(|seed, outcome| {
        ran += 1;
        counts += outcome.counts;
        if let Some(progress) = &mut progress
            && let Err(error) = progress.note(seed, &outcome)
        {
            broken = Some(error);
            return false;
        }
        if args.resume.is_some() && told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let (of, seconds) = (args.seeds, started.elapsed().as_secs());
            let (done, bad) = (before + ran, failures.len());
            eprintln!("{done} of {of} seeds, {bad} failures, {seconds} s");
        }
        if outcome.finding.is_none() {
            return true;
        }
        let events = shrink::events_of(seed, args.events, !args.without_kills);
        let failure = match args.no_shrink {
            true => Some(shrink::unshrunk(seed, events, outcome)),
            false => shrink::shrink(seed, &events),
        };
        if let (false, Some(failure)) = (args.json, &failure) {
            eprint!("{}", as_text(failure));
        }
        failures.extend(failure);
        args.keep_going
    });
    if let Some(error) = broken {
        return super::fail("cannot note what is done", error);
    }
    // What was done before counts as well.
    let (mut seeds, mut failed) = (ran, failures.len());
    if let Some(progress) = &progress {
        (seeds, counts) = (progress.done.len(), progress.counts);
        failed = progress.failed.len();
    }
    let seconds = started.elapsed().as_secs_f64();
    let text = match args.json {
        true => {
            let failures: Vec<Value> = failures.iter().map(as_json).collect();
            let counts: Map<_, _> = counts
                .all()
                .map(|(name, number)| (name.replace(' ', "_"), number.into()))
                .collect();
            let result = json!({
                "seeds": seeds, "events": args.events, "counts": counts, "failed": failed,
                "seconds": seconds, "failures": failures,
            });
            format!("{result:#}\n")
        }
        false => format!(
            "{seeds} seeds of {} events, {failed} failures, {seconds:.1} s: {counts}\n",
            args.events
        ),
    };
    if let Err(error) = super::show(&text) {
        return super::fail("cannot write", error);
    }
    ExitCode::from(u8::from(failed > 0))
}

fn what_is_run(args: &SimArgs) -> String {
    let kills = if args.without_kills { "out" } else { "" };
    let (events, label) = (args.events, &args.label);
    format!("gatehouse sim: {events} events, with{kills} kills, {label}")
}

/// A panic of the gateway is a finding too: whoever sees it must know the seed.
fn tell_seed_on_panic() {
    std::panic::set_hook(Box::new(move |info| {
        // Where panics can be caught, what they say is shown with the run made small.
        if cfg!(panic = "abort") {
            eprintln!("gatehouse: seed {}: {info}", campaign::seed_of_thread());
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
