//! `gatehouse load`: the open-loop load client. Exit 1 where the rate was not achieved or an answer is missing or double.
//!
//! The measuring thread is the one that starts it; progress is printed by another, so that printing is not measured.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use super::signals::Signals;
use crate::config::plan::Io;
use crate::domain::ids::base62;
use crate::domain::time::NS_PER_S;
use crate::domain::{FixVersion, Price, Quantity, Text};
use crate::limits::{CONNECTIONS_MAX, SIM_LOAD_REQUESTS_MAX};
use crate::sim::load::{LoadClient, LoadConfig, LoadProgress, Mix};
use crate::sys::clock::Clock;
use crate::sys::sockets::{self, AnySockets};
use crate::sys::thread;

/// Turns between two looks at the signals.
const TURNS_PER_LOOK: u32 = 4096;

/// Between two looks at what sessions did: who watches waits for it.
const TURNS_PER_SHOW: u32 = 64;

/// Longest sleep where it may sleep.
const SLEEP_NS: u64 = 200_000;

/// Send orders at a fixed rate, whatever the answers do, and measure from the intended send times
#[derive(Args, Debug)]
pub struct LoadArgs {
    /// The gateway's (or a desk's) FIX port
    #[arg(long)]
    connect: SocketAddr,
    /// Sessions; SenderCompID is the prefix and a number from 1
    #[arg(long, default_value_t = 1)]
    sessions: usize,
    /// SenderCompID before the number
    #[arg(long, default_value = "CLIENT")]
    sender_prefix: String,
    /// TargetCompID
    #[arg(long, default_value = "GATEHOUSE")]
    target: String,
    /// FIX version
    #[arg(long, alias = "fix-version", default_value = "4.4", value_parser = version)]
    fix: FixVersion,
    /// Account before the session's number
    #[arg(long, default_value = "A")]
    account_prefix: String,
    /// Symbol before its number
    #[arg(long, default_value = "SYM")]
    symbol_prefix: String,
    /// Symbols, numbered from 1
    #[arg(long, default_value_t = 1)]
    symbols: usize,
    /// Requests per second over all sessions
    #[arg(long, default_value_t = 1000)]
    rate: u64,
    /// How long to measure
    #[arg(long, default_value_t = 10, conflicts_with = "orders")]
    duration_s: u64,
    /// How many requests to measure, instead of a duration
    #[arg(long)]
    orders: Option<u64>,
    /// Sent before measuring begins
    #[arg(long, default_value_t = 0)]
    warmup_s: u64,
    /// Shares of the kinds of requests
    #[arg(long, default_value = "new=100", value_parser = parse_mix)]
    mix: Mix,
    /// Price around which orders are sent
    #[arg(long, default_value = "10", value_parser = parse_price)]
    price: Price,
    /// Tick
    #[arg(long, default_value = "0.01", value_parser = parse_price)]
    tick: Price,
    /// Quantity of each order
    #[arg(long, default_value = "100", value_parser = parse_quantity)]
    quantity: Quantity,
    /// Share of sells
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100))]
    sell_percent: u32,
    /// Seed of sides, symbols, prices and kinds
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long answers may take after the last request
    #[arg(long, default_value_t = 5)]
    drain_s: u64,
    /// Requests without an answer above which what is due is skipped and counted; zero: no limit
    #[arg(long, default_value_t = 0)]
    open_max: u64,
    /// Keep the sessions' numbers when the connection is lost, come back, and go on; a signal ends the sending, not the run
    #[arg(long)]
    reconnect: bool,
    /// Write what was sent and told of each order to this file at the end
    #[arg(long)]
    json_ledger: Option<PathBuf>,
    /// Tell on standard error when sessions come and go, as JSON
    #[arg(long)]
    events: bool,
    /// Sockets
    #[arg(long, value_enum, default_value = "poll")]
    io: Io,
    /// Pin to this core
    #[arg(long)]
    pin: Option<usize>,
    /// Offer the core to others between turns: where client, gateway and desk share few cores
    #[arg(long = "yield")]
    yields: bool,
    /// Sleep while nothing is to be done: for low rates, where others need the core; latencies say little then
    #[arg(long, conflicts_with = "yields")]
    sleep: bool,
    /// Write the acknowledgement latencies as HdrHistogram interval log
    #[arg(long)]
    hlog: Option<PathBuf>,
    /// Write the acknowledgement latencies as percentile table, microseconds
    #[arg(long)]
    hgrm: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// No progress lines
    #[arg(long)]
    quiet: bool,
}

/// Runs to the end of the schedule and of the answers.
pub fn run(args: &LoadArgs) -> ExitCode {
    let config = match configure(args) {
        Ok(config) => config,
        Err(problem) => {
            eprintln!("gatehouse load: {problem}");
            return ExitCode::from(2);
        }
    };
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return super::fail("cannot watch for signals", error),
    };
    if let Some(core) = args.pin
        && let Err(error) = thread::pin(core)
    {
        return super::fail("cannot pin", error);
    }
    let sockets = match sockets::open(super::desk::choice(args.io), config.sessions) {
        Ok((sockets, _)) => sockets,
        Err(error) => return super::fail("cannot open sockets", error),
    };
    let requests = config.requests;
    let mut client = LoadClient::new(sockets, config);
    let over = Arc::new(AtomicBool::new(false));
    let printer = (!args.quiet).then(|| print_progress(client.progress(), over.clone(), requests));
    turn(args, &mut client, &signals);
    over.store(true, Ordering::Release);
    if let Some(printer) = printer {
        printer.thread().unpark();
        // It only prints; nothing is lost if it failed.
        let _ = printer.join();
    }
    report(args, &mut client)
}

fn configure(args: &LoadArgs) -> Result<LoadConfig, String> {
    let warmup = args.rate.saturating_mul(args.warmup_s);
    let measured = args
        .orders
        .unwrap_or(args.rate.saturating_mul(args.duration_s));
    let requests = warmup.saturating_add(measured);
    let in_range = [
        (args.rate, 1, 10_000_000, "--rate"),
        (
            args.sessions as u64,
            1,
            CONNECTIONS_MAX as u64,
            "--sessions",
        ),
        (args.symbols as u64, 1, u16::MAX as u64, "--symbols"),
        (args.drain_s, 0, 3600, "--drain-s"),
        (
            requests,
            1,
            SIM_LOAD_REQUESTS_MAX as u64,
            "requests in all (rate x seconds, or --orders)",
        ),
    ];
    for (value, low, high, name) in in_range {
        if !(low..=high).contains(&value) {
            return Err(format!("{name} is {value}; it may be {low} to {high}"));
        }
    }
    let started = SystemTime::now().duration_since(UNIX_EPOCH);
    // Distinct for runs that start at least a millisecond apart within two years.
    let run = base62(started.map_or(0, |d| d.as_millis() as u64) % 62u64.pow(6));
    let mut prefix = run[4..].to_vec();
    prefix.push(b'-');
    Ok(LoadConfig {
        address: args.connect,
        sessions: args.sessions,
        sender_prefix: args.sender_prefix.clone(),
        target: args.target.clone(),
        version: args.fix,
        account_prefix: args.account_prefix.clone(),
        symbol_prefix: args.symbol_prefix.clone(),
        symbols: args.symbols,
        rate: args.rate,
        requests,
        warmup_ns: args.warmup_s * NS_PER_S,
        mix: args.mix,
        price: args.price,
        tick: args.tick,
        quantity: args.quantity,
        sell_percent: args.sell_percent,
        seed: args.seed,
        prefix: Text::cut(&prefix),
        drain_ns: args.drain_s * NS_PER_S,
        reconnect: args.reconnect,
        open_max: if args.open_max == 0 {
            u64::MAX
        } else {
            args.open_max
        },
    })
}

/// `--fix-version`, as `4.4` or `FIX.4.4`.
pub(super) fn version(text: &str) -> Result<FixVersion, String> {
    FixVersion::from_name(text).ok_or_else(|| {
        let names = FixVersion::ALL.map(|version| version.name().trim_start_matches("FIX."));
        format!("no such version; there are {}", names.join(", "))
    })
}

fn turn(args: &LoadArgs, client: &mut LoadClient<AnySockets>, signals: &Signals) {
    let mut clock = Clock::new();
    let mut turns = 0u32;
    while !client.is_done() {
        let work = client.turn(&mut || clock.now());
        turns = turns.wrapping_add(1);
        if args.sleep || turns.is_multiple_of(TURNS_PER_SHOW) {
            super::show_events(args.events, client.take_events());
        }
        if (args.sleep || turns.is_multiple_of(TURNS_PER_LOOK)) && signals.arrived() {
            client.stop(clock.now());
        }
        if work == 0 {
            match (args.sleep, args.yields) {
                (true, _) => client.wait(SLEEP_NS),
                (_, true) => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
    }
    super::show_events(args.events, client.take_events());
}

fn print_progress(
    progress: Arc<LoadProgress>,
    over: Arc<AtomicBool>,
    requests: u64,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut before = 0;
        loop {
            std::thread::park_timeout(Duration::from_secs(1));
            if over.load(Ordering::Acquire) {
                return;
            }
            let sent = progress.sent.load(Ordering::Relaxed);
            let acknowledged = progress.acknowledged.load(Ordering::Relaxed);
            let rejected = progress.rejected.load(Ordering::Relaxed);
            let lag_us = progress.lag_max_ns.load(Ordering::Relaxed) / 1000;
            eprintln!(
                "load: {sent}/{requests} sent, {}/s, {acknowledged} acknowledged, {rejected} rejected, {} open, longest send lag {lag_us} us",
                sent - before,
                sent.saturating_sub(acknowledged + rejected),
            );
            before = sent;
        }
    })
}

fn report(args: &LoadArgs, client: &mut LoadClient<AnySockets>) -> ExitCode {
    if let Err(error) = write_files(args, client) {
        return super::fail("cannot write the histogram or the ledger", error);
    }
    let result = client.result();
    if args.json {
        match serde_json::to_string(&result) {
            Ok(text) => println!("{text}"),
            Err(error) => return super::fail("cannot print the result", error),
        }
        for problem in result.problems() {
            eprintln!("load: {problem}");
        }
    } else {
        print!("{result}");
    }
    if result.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn write_files(args: &LoadArgs, client: &LoadClient<AnySockets>) -> io::Result<()> {
    if let Some(path) = &args.json_ledger {
        let mut out = BufWriter::new(File::create(path)?);
        client.write_ledger(&mut out)?;
        out.flush()?;
    }
    let (latency, start_wall_ns) = client.acknowledged();
    if let Some(path) = &args.hlog {
        let mut out = BufWriter::new(File::create(path)?);
        latency.write_hlog(&mut out, start_wall_ns, "")?;
        out.flush()?;
    }
    if let Some(path) = &args.hgrm {
        let mut out = BufWriter::new(File::create(path)?);
        latency.total().write_hgrm(&mut out)?;
        out.flush()?;
    }
    Ok(())
}

fn parse_mix(text: &str) -> Result<Mix, String> {
    let mut mix = Mix {
        new: 0,
        cancel: 0,
        replace: 0,
    };
    for part in text.split(',') {
        let wrong = || format!("'{part}' is not new=N, cancel=N or replace=N");
        let (name, share) = part.split_once('=').ok_or_else(wrong)?;
        let share: u32 = share.parse().map_err(|_| wrong())?;
        if share > 1_000_000 {
            return Err(format!("'{part}': a share is at most a million"));
        }
        match name {
            "new" => mix.new = share,
            "cancel" => mix.cancel = share,
            "replace" => mix.replace = share,
            _ => return Err(wrong()),
        }
    }
    if mix.new == 0 {
        return Err("the share of new orders may not be zero".into());
    }
    Ok(mix)
}

fn parse_price(text: &str) -> Result<Price, String> {
    Price::parse(text.as_bytes())
        .filter(|price| price.0 > 0)
        .ok_or_else(|| "a price is a plain decimal above zero, with at most 8 decimals".into())
}

fn parse_quantity(text: &str) -> Result<Quantity, String> {
    Quantity::parse(text.as_bytes())
        .filter(|quantity| !quantity.is_zero())
        .ok_or_else(|| "a quantity is a whole number above zero".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_are_read_or_refused() {
        let mix = parse_mix("new=80,cancel=10,replace=10").unwrap();
        assert_eq!((mix.new, mix.cancel, mix.replace), (80, 10, 10));
        for text in [
            "",
            "new",
            "new=x",
            "new=0",
            "cancel=10",
            "new=1,old=2",
            "new=9999999",
        ] {
            assert!(parse_mix(text).is_err(), "{text}");
        }
    }
}
