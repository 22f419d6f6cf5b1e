//! `gatehouse log`: the logs on disk and in memory, for people. Beside a running gateway or after it; it only reads.
//!
//! Exit codes: 0 good (a tail that a crash left unfinished is told on stderr and is good), 1 the log is damaged or cannot be read,
//! 2 wrong usage or configuration. A reader that goes away (`| head`) is no error.

mod explain;
mod export;
mod families;
mod filter;
mod message;
mod names;
mod order_story;
mod print;
mod replay;
mod snapshot;
mod stats;
mod story;
mod tag_names;
mod times;
mod verify;
mod words;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::app::log_reader::{LogError, LogPlace, LogReader};
use crate::app::log_store::parse_segment_name;
use crate::config::{self, MAIN_FILE, Plan};
use crate::journal::names::read as read_names;
use crate::journal::read::Why;
use crate::journal::{LogId, Record, RecordKind};

/// Arguments of `gatehouse log`.
#[derive(Args, Debug)]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Subcommand, Debug)]
enum LogCommand {
    /// FIX messages and the inputs of the risk stage, one a line
    Print(print::PrintArgs),
    /// What happened to a session, a link or an order, and why
    Explain(explain::ExplainArgs),
    /// Whether the logs are whole
    Verify(verify::VerifyArgs),
    /// The state of orders and money at a time
    Replay(replay::ReplayArgs),
    /// Write a snapshot of that state beside the logs, for the next start
    Snapshot(snapshot::SnapshotArgs),
    /// How much of what is in the logs
    Stats(stats::StatsArgs),
    /// Orders and reports for other programs
    Export(export::ExportArgs),
}

/// Where the logs are.
#[derive(Args, Debug, Clone)]
struct Where {
    /// Configuration directory, its gatehouse.toml, or a directory of logs
    #[arg(default_value = super::check::CONFIG_DIRECTORY, value_name = "DIR")]
    path: PathBuf,
    /// Directory of logs, or one with `log` and `staging` in it: read without a configuration
    #[arg(long, alias = "logs", value_name = "DIR")]
    state: Option<PathBuf>,
    /// Directory of the staging windows, where no configuration names it
    #[arg(long, value_name = "DIR")]
    staging: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &LogArgs) -> ExitCode {
    let outcome = match &args.command {
        LogCommand::Print(args) => print::run(args),
        LogCommand::Explain(args) => explain::run(args),
        LogCommand::Verify(args) => verify::run(args),
        LogCommand::Replay(args) => replay::run(args),
        LogCommand::Snapshot(args) => snapshot::run(args),
        LogCommand::Stats(args) => stats::run(args),
        LogCommand::Export(args) => export::run(args),
    };
    match outcome {
        Ok(code) => code,
        Err(Failure::Usage(why)) => {
            eprintln!("gatehouse log: {why}");
            ExitCode::from(2)
        }
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(Failure::Output(error)) => super::fail("cannot write", error),
        Err(Failure::Log(error)) => super::fail("cannot read the log", error),
    }
}

/// Why a command ends early.
enum Failure {
    /// What the user wants cannot be.
    Usage(String),
    /// Nobody takes what is printed.
    Output(io::Error),
    /// The log.
    Log(LogError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

fn usage(why: impl fmt::Display) -> Failure {
    Failure::Usage(why.to_string())
}

/// Logs, and names for their channels by the configuration of today.
struct Source {
    place: LogPlace,
    sessions: Vec<String>,
    links: Vec<String>,
    accounts: Vec<String>,
    instruments: Vec<String>,
    plan: Option<Arc<Plan>>,
}

impl Source {
    fn of(wanted: &Where) -> Result<Self, Failure> {
        let bare = match &wanted.state {
            Some(directory) => Some(directory),
            None => has_logs(&wanted.path).then_some(&wanted.path),
        };
        if let Some(directory) = bare {
            return Self::bare(directory, wanted.staging.clone());
        }
        if !wanted.path.exists() {
            return Err(usage(format!(
                "{}: no such configuration; name one, or a directory of logs with --state",
                wanted.path.display()
            )));
        }
        let (plan, diagnostics) = config::examine(&wanted.path);
        let Some(plan) = plan else {
            eprint!(
                "{}",
                diagnostics.render(super::check::styled(&io::stderr()))
            );
            return Err(usage(
                "the configuration cannot be used; --state DIR reads logs without one",
            ));
        };
        let state = &plan.state;
        let staging = wanted.staging.clone();
        let staging = staging.unwrap_or_else(|| state.staging_directory.clone());
        let place = LogPlace::new(&state.log_directory, Some(staging));
        let links = plan.desks.iter().flat_map(|desk| &desk.links);
        let accounts = plan.accounts.iter();
        let instruments = plan.instruments.iter();
        Ok(Self {
            place,
            sessions: plan.sessions.iter().map(|s| s.name.clone()).collect(),
            links: links.map(|link| link.name.clone()).collect(),
            accounts: accounts.map(|it| it.name.to_string_lossy()).collect(),
            instruments: instruments.map(|it| it.symbol.to_string_lossy()).collect(),
            plan: Some(Arc::new(plan)),
        })
    }

    fn bare(directory: &Path, staging: Option<PathBuf>) -> Result<Self, Failure> {
        let below = directory.join("log");
        let (logs, beside) = match below.is_dir() && !has_segments(directory) {
            true => (below, directory.join("staging")),
            false => (
                directory.to_owned(),
                directory.parent().unwrap_or(directory).join("staging"),
            ),
        };
        if !has_segments(&logs) {
            return Err(usage(format!("{}: no logs there", logs.display())));
        }
        let staging = staging.or_else(|| beside.is_dir().then_some(beside));
        Ok(Self {
            place: LogPlace::new(logs, staging),
            sessions: Vec::new(),
            links: Vec::new(),
            accounts: Vec::new(),
            instruments: Vec::new(),
            plan: None,
        })
    }

    fn configured(&self, log: LogId) -> &[String] {
        match log {
            LogId::Desk => &self.links,
            _ => &self.sessions,
        }
    }

    /// Every name that channels of a log have, or had.
    fn names(&self, log: LogId) -> Result<Vec<String>, Failure> {
        let mut names = self.configured(log).to_vec();
        for channels in names::beginnings(self, log)?.into_values() {
            for name in channels.0 {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// Which log: as asked for, or where the names are.
    fn log_of(&self, asked: Option<LogId>, wanted: &[String]) -> Result<LogId, Failure> {
        let mut known = Vec::new();
        for log in [LogId::Client, LogId::Desk] {
            if asked.is_some_and(|asked| asked != log) {
                continue;
            }
            let names = self.names(log)?;
            // A channel number needs no name.
            let is_there = |name: &String| channel_number(name).is_some() || names.contains(name);
            if wanted.iter().all(is_there) {
                return Ok(log);
            }
            known.extend(names);
        }
        let list = match known.is_empty() {
            true => "the log has no names: give a channel as #0".to_owned(),
            false => format!("there are {}", known.join(", ")),
        };
        let wanted = wanted.join(", ");
        Err(usage(format!("no session or link {wanted}: {list}")))
    }
}

fn has_logs(directory: &Path) -> bool {
    !directory.join(MAIN_FILE).exists()
        && (has_segments(directory) || has_segments(&directory.join("log")))
}

fn has_segments(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return false;
    };
    let is_segment = |name: &str| {
        [LogId::Client, LogId::Desk, LogId::Order]
            .iter()
            .any(|&log| parse_segment_name(name, log).is_some())
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_str().is_some_and(is_segment))
}

/// `#7`
fn channel_number(name: &str) -> Option<u16> {
    name.strip_prefix('#')?.parse().ok()
}

/// Names of the channels of the epoch that is being read.
#[derive(Default)]
struct Channels(Vec<String>);

impl Channels {
    /// Learns from a record; whether it stands at the beginning of an epoch.
    fn take(&mut self, record: &Record<'_>) -> bool {
        match record.kind {
            RecordKind::Start => self.0.clear(),
            RecordKind::Names => {
                for (channel, name) in read_names(record) {
                    let at = channel as usize;
                    if self.0.len() <= at {
                        self.0.resize(at + 1, String::new());
                    }
                    self.0[at] = name.to_owned();
                }
            }
            _ => return false,
        }
        true
    }

    /// The name that the log gives, or the configuration, or the number.
    fn name(&self, channel: u16, configured: &[String]) -> String {
        let at = channel as usize;
        let known = match self.0.is_empty() {
            true => configured.get(at),
            false => self.0.get(at),
        };
        match known {
            Some(name) => name.clone(),
            None => format!("#{channel}"),
        }
    }
}

/// Reads on; a tail that a crash left unfinished is told and is the end, damage is told and makes the exit code 1.
struct Walk {
    reader: LogReader,
    channels: Channels,
    damaged: bool,
    quiet: bool,
}

impl Walk {
    fn new(reader: LogReader) -> Self {
        Self {
            reader,
            channels: Channels::default(),
            damaged: false,
            quiet: false,
        }
    }

    fn advance(&mut self) -> Result<bool, Failure> {
        loop {
            match self.reader.advance() {
                Ok(true) => {
                    self.channels.take(&self.reader.record());
                    return Ok(true);
                }
                Ok(false) => return Ok(false),
                Err(LogError::Broken(broken)) => {
                    let torn = broken.why == Why::TornTail;
                    self.damaged |= !torn;
                    if !self.quiet {
                        let what = if torn { "note" } else { "DAMAGED" };
                        eprintln!("gatehouse log: {what}: {broken}");
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn exit_code(&self) -> ExitCode {
        match self.damaged {
            true => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        }
    }
}
