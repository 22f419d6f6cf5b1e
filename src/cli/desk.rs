//! `gatehouse desk`: a simulated desk, until a signal, `quit` or the end of the process that started it.
//!
//! One thread turns the desk; another reads commands from standard input into a bounded channel.

use std::fs::File;
use std::io::{self, BufRead, BufWriter, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use super::signals::Signals;
use crate::config::plan::Io;
use crate::domain::time::NS_PER_S;
use crate::domain::{FixVersion, Now, Text, ids::base62};
use crate::sim::behaviour::{BEHAVIOUR_HELP, Behaviours};
use crate::sim::desk::{DeskConfig, PlantedFaults};
use crate::sim::desk_command::{COMMAND_HELP, DeskCommand};
use crate::sim::desk_server::{CONNECTIONS_PER_LINK, DeskLinkConfig, DeskServer, DeskServerConfig};
use crate::sys::clock::Clock;
use crate::sys::sockets::{self, AnySockets, Choice};
use crate::sys::thread;

/// Turns without work before the thread sleeps, where it is not pinned.
const IDLE_TURNS: u32 = 200;
const SLEEP_NS: u64 = 200_000;
/// How often commands and signals are looked for while there is work.
const LOOK_NS: u64 = 20_000_000;
/// How long the logouts may take at the end.
const LOGOUT_NS: u64 = 2 * NS_PER_S;
/// Commands typed ahead.
const COMMANDS_MAX: usize = 64;

/// Run a simulated trading desk: FIX acceptor, price-time matching, scripted behaviour
#[derive(Args, Debug)]
#[command(after_help = format!("Scripts: {BEHAVIOUR_HELP}\n\nCommands on standard input: {COMMAND_HELP}"))]
pub struct DeskArgs {
    /// Address of a link; several links serve the same book
    #[arg(long, default_value = "127.0.0.1:9880")]
    listen: Vec<SocketAddr>,
    /// SenderCompID of the desk; one for all links, or one for each
    #[arg(long, default_value = "DESK1")]
    sender: Vec<String>,
    /// TargetCompID: who may connect; one for all links, or one for each
    #[arg(long, default_value = "GATEHOUSE")]
    target: Vec<String>,
    /// FIX version
    #[arg(long, alias = "fix-version", default_value = "4.4", value_parser = super::load::version)]
    fix: FixVersion,
    /// SYMBOL=SCRIPT or default=SCRIPT; see below
    #[arg(long)]
    behaviour: Vec<String>,
    /// Seed of everything drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the ledger (what came, what was filled) to this file at the end and on `ledger`
    #[arg(long)]
    json_ledger: Option<PathBuf>,
    /// Sockets
    #[arg(long, value_enum, default_value = "poll")]
    io: Io,
    /// Pin to this core and spin there
    #[arg(long)]
    pin: Option<usize>,
    /// Tell on standard error when links come and go, as JSON
    #[arg(long)]
    events: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Ignore and forget this order, counted from one
    #[arg(long, hide = true)]
    fault_drop_order: Option<u64>,
    /// Count this order twice
    #[arg(long, hide = true)]
    fault_double_order: Option<u64>,
}

/// Runs until told to end.
pub fn run(args: &DeskArgs) -> ExitCode {
    let config = match configure(args) {
        Ok(config) => config,
        Err(problem) => {
            eprintln!("gatehouse desk: {problem}");
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
    let server = open(args, &config).and_then(|sockets| DeskServer::new(sockets, config));
    let mut server = match server {
        Ok(server) => server,
        Err(error) => return super::fail("cannot open the desk's links", error),
    };
    for (n, address) in server.local_addresses().iter().enumerate() {
        eprintln!("desk: link {} listens on {address}", n + 1);
    }
    let mut clock = Clock::new();
    turn(args, &mut server, &mut clock, &signals);
    finish(args, &mut server, &mut clock)
}

fn configure(args: &DeskArgs) -> Result<DeskServerConfig, String> {
    let links = args.listen.len();
    for (name, values) in [("sender", &args.sender), ("target", &args.target)] {
        if values.len() != 1 && values.len() != links {
            return Err(format!(
                "--{name} is given {} times for {links} links; give it once, or once for each",
                values.len()
            ));
        }
    }
    let behaviours = Behaviours::parse(&args.behaviour).map_err(|e| e.to_string())?;
    let nth = |values: &[String], n: usize| values[n.min(values.len() - 1)].clone();
    let links = args.listen.iter().enumerate().map(|(n, &address)| {
        let (sender, target) = (nth(&args.sender, n), nth(&args.target, n));
        DeskLinkConfig {
            address,
            sender,
            target,
        }
    });
    let started = SystemTime::now().duration_since(UNIX_EPOCH);
    let started_s = started.map_or(0, |d| d.as_secs());
    Ok(DeskServerConfig {
        links: links.collect(),
        version: args.fix,
        prefix: Text::cut(&base62(started_s)[4..]),
        book: DeskConfig {
            links: 0,
            behaviours,
            seed: args.seed,
            faults: PlantedFaults {
                drop_order: args.fault_drop_order,
                double_order: args.fault_double_order,
            },
        },
    })
}

fn open(args: &DeskArgs, config: &DeskServerConfig) -> io::Result<Vec<AnySockets>> {
    let choice = choice(args.io);
    let open = |_| sockets::open(choice, CONNECTIONS_PER_LINK).map(|(sockets, _)| sockets);
    config.links.iter().map(open).collect()
}

/// The sockets that a command line asks for.
pub(super) fn choice(io: Io) -> Choice {
    match io {
        Io::Auto => Choice::Auto,
        Io::Uring => Choice::Uring,
        Io::Poll => Choice::Poll,
    }
}

fn turn(
    args: &DeskArgs,
    server: &mut DeskServer<AnySockets>,
    clock: &mut Clock,
    signals: &Signals,
) {
    let commands = read_commands();
    let mut idle = 0u32;
    let mut look_ns = 0;
    loop {
        let now = clock.now();
        let work = server.duty_cycle(now);
        idle = if work > 0 { 0 } else { idle.wrapping_add(1) };
        let asleep = idle > IDLE_TURNS && args.pin.is_none();
        if asleep || now.mono_ns >= look_ns {
            look_ns = now.mono_ns + LOOK_NS;
            super::show_events(args.events, server.take_events());
            let quit = commands
                .try_iter()
                .any(|line| obey(args, server, now, &line));
            if quit || signals.arrived() {
                return;
            }
        }
        if asleep {
            server.wait(SLEEP_NS);
        } else if work == 0 && args.pin.is_none() {
            std::thread::yield_now();
        }
    }
}

/// Lines of standard input. The end of it ends only the commands, so that the desk can run without a terminal.
fn read_commands() -> Receiver<String> {
    let (sender, receiver) = sync_channel(COMMANDS_MAX);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if !line.trim().is_empty() && sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Does a command; whether it was `quit`.
fn obey(args: &DeskArgs, server: &mut DeskServer<AnySockets>, now: Now, line: &str) -> bool {
    let done = line
        .parse::<DeskCommand>()
        .and_then(|command| server.command(now, &command).map(|()| command));
    match done {
        Ok(DeskCommand::Quit) => return true,
        Ok(DeskCommand::Ledger) => {
            if let Err(error) = show_ledger(args, server) {
                eprintln!("desk: cannot write the ledger: {error}");
            }
        }
        Ok(_) => eprintln!("desk: done"),
        Err(error) => eprintln!("desk: {error}"),
    }
    false
}

fn show_ledger(args: &DeskArgs, server: &DeskServer<AnySockets>) -> io::Result<()> {
    match &args.json_ledger {
        Some(path) => write_ledger(path, server),
        None => server.write_ledger(io::stdout().lock()),
    }
}

fn write_ledger(path: &Path, server: &DeskServer<AnySockets>) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    server.write_ledger(&mut out)?;
    out.flush()
}

fn finish(args: &DeskArgs, server: &mut DeskServer<AnySockets>, clock: &mut Clock) -> ExitCode {
    let start = clock.now();
    server.log_out(start, "Desk is going down");
    while server.links_up() > 0 && clock.now().mono_ns < start.mono_ns + LOGOUT_NS {
        server.duty_cycle(clock.now());
        std::thread::yield_now();
    }
    let totals = server.ledger().totals();
    if args.json {
        match serde_json::to_string(&totals) {
            Ok(text) => println!("{text}"),
            Err(error) => return super::fail("cannot print the summary", error),
        }
    } else if io::stdout().is_terminal() || args.json_ledger.is_none() {
        let (held, lost) = server.book().held();
        println!("orders received      {:>12}", totals.orders);
        println!("  more than once     {:>12}", totals.orders_duplicated);
        println!("cancels and replaces {:>12}", totals.changes);
        println!("  more than once     {:>12}", totals.changes_duplicated);
        println!("fills                {:>12}", totals.fills);
        println!("quantity filled      {:>12}", totals.filled_quantity);
        println!("orders open          {:>12}", server.book().open_orders());
        println!("reports undelivered  {:>12}", held as u64 + lost);
    }
    if let Some(path) = &args.json_ledger
        && let Err(error) = write_ledger(path, server)
    {
        return super::fail(&format!("cannot write {}", path.display()), error);
    }
    ExitCode::SUCCESS
}
