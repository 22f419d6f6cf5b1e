//! The command line: one file per subcommand, and the enum that names them. Runs on the thread that starts the process.
//!
//! Exit codes: 0 good, 1 failed, 2 wrong usage or configuration (clap exits with 2 by itself).

pub mod check;
pub mod compare;
pub mod ctl;
pub mod demo;
pub mod desk;
pub mod dialect;
pub mod load;
pub mod log;
pub mod relay;
pub mod run;
mod signals;
pub mod sim;
mod snapshotter;
mod table;
pub mod top;
pub mod tune;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Diagnostics, Plan};
use crate::sim::line_events::LineEvent;
use crate::stage::{Dictionaries, dictionary_text};
/// The allocator of the program.
pub use crate::sys::heap::LargePages as Memory;
use crate::wire::fix::dictionary::DictionaryError;

/// Status page where none is named: the default of the configuration's `status_file`.
const STATUS_FILE: &str = "/dev/shm/gatehouse/status";
/// Control socket where none is named: the default of the configuration's `control_socket`.
const CONTROL_SOCKET: &str = "/run/gatehouse/control.sock";

/// A low-latency order gateway.
#[derive(Parser, Debug)]
#[command(name = "gatehouse", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Show everything at work on this machine: simulated desk, gateway, load client
    Demo(demo::DemoArgs),
    /// Prove a configuration before it is used
    Check(check::CheckArgs),
    /// Compare the ledgers that a load client and a simulated desk wrote
    Compare(compare::CompareArgs),
    /// Run the gateway
    Run(run::RunArgs),
    /// Command a running gateway
    Ctl(ctl::CtlArgs),
    /// Run a simulated trading desk
    Desk(desk::DeskArgs),
    /// The FIX dialect that the gateway speaks, for people and other engines
    Dialect(dialect::DialectArgs),
    /// Send orders at a fixed rate and measure
    Load(load::LoadArgs),
    /// Messages and events out of the logs
    Log(log::LogArgs),
    /// Run a do-nothing TCP relay: the baseline of measurements
    Relay(relay::RelayArgs),
    /// Run the gateway in a virtual world that a seed rules, and look for what breaks it
    Sim(sim::SimArgs),
    /// Status page of a running gateway, live
    Top(top::TopArgs),
    /// Check, apply and revert host tuning
    Tune(tune::TuneArgs),
}

/// Parses the process's arguments and runs the command.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Ctl(args) => ctl::run(&args),
        Command::Desk(args) => desk::run(&args),
        Command::Dialect(args) => dialect::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Log(args) => log::run(&args),
        Command::Relay(args) => relay::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Tune(args) => tune::run(&args),
    }
}

/// The plan of a configuration, its dictionaries included, where there is no error, and all errors and warnings.
fn examine(path: &Path) -> (Option<Plan>, Diagnostics) {
    let (plan, mut diagnostics) = crate::config::examine(path);
    for (named_by, fault) in plan.iter().flat_map(Dictionaries::faults) {
        // What cannot be read is shown without a line of it; the fault says why.
        let text = dictionary_text(&fault.path).unwrap_or_default();
        let DictionaryError {
            line,
            element,
            problem,
            remedy,
        } = fault.error;
        let message = format!("{element}: {problem} (the dictionary of {named_by})");
        diagnostics.error_in(&fault.path, text, line as usize, message, remedy.to_owned());
    }
    let plan = plan.filter(|_| !diagnostics.has_errors());
    (plan, diagnostics)
}

/// Writes what a command has to say; a reader that goes away (`| head`) is no error.
fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Tells events of sessions and links, one a line, where that is wanted.
fn show_events(wanted: bool, events: impl Iterator<Item = LineEvent>) {
    for event in events.filter(|_| wanted) {
        if let Ok(text) = serde_json::to_string(&event) {
            eprintln!("event {text}");
        }
    }
}

/// Says why a command failed; the answer is its exit code.
fn fail(what: &str, error: impl std::fmt::Display) -> ExitCode {
    eprintln!("gatehouse: {what}: {error}");
    ExitCode::FAILURE
}

/// Log lines of a long-running command go to stderr; `RUST_LOG` sets their level.
fn start_tracing() {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(check::styled(&std::io::stderr()))
        .init();
}
