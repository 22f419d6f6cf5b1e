//! `gatehouse log verify`: whether the logs are whole, and if not, where, since when and what to do.
//!
//! One pass over each log, beside a running gateway or after it. What takes long says on stderr how far it is.

use std::fmt::Write;
use std::fs;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{Failure, Source, Where, times};
use crate::app::log_reader::LogPlace;
use crate::app::log_store::parse_segment_name;
use crate::app::log_verify::{Before, Finding, LogSeen, Severity, Verified, verify};
use crate::cli::table::Table;
use crate::journal::LogId;

/// Arguments of `gatehouse log verify`.
#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    place: Where,
    /// Only this log; may be repeated. Causes are looked for in the logs that are read
    #[arg(long, value_enum)]
    log: Vec<AnyLog>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Every log.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AnyLog {
    /// Messages of client sessions
    Client,
    /// Inputs of the risk stage, in its order
    Order,
    /// Messages of links to desks
    Desk,
}

impl AnyLog {
    pub(super) fn id(self) -> LogId {
        match self {
            Self::Client => LogId::Client,
            Self::Order => LogId::Order,
            Self::Desk => LogId::Desk,
        }
    }
}

/// All, in the order in which an order passes them.
pub(super) const LOGS: [LogId; 3] = [LogId::Client, LogId::Order, LogId::Desk];

/// Runs it.
pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let source = Source::of(&args.place)?;
    let logs: Vec<_> = LOGS
        .into_iter()
        .filter(|&log| args.log.is_empty() || args.log.iter().any(|wanted| wanted.id() == log))
        .collect();
    let mut progress = Progress::new(&source.place);
    let verified = verify(&source.place, &logs, false, &mut |log, records, bytes| {
        progress.tell(log, records, bytes);
    })?;
    progress.end();
    let text = match args.json {
        true => format!("{}\n", object(&verified)),
        false => told(&verified),
    };
    crate::cli::show(&text)?;
    Ok(match verified.is_whole() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// For programs: as found, with the verdict.
fn object(verified: &Verified) -> Value {
    json!({
        "whole": verified.is_whole(),
        "logs": verified.logs,
        "findings": verified.findings,
    })
}

fn told(verified: &Verified) -> String {
    let mut table = Table::new([
        "LOG",
        "STARTS",
        "RECORDS",
        "BYTES",
        "RANGE",
        "FIRST (UTC)",
        "LAST (UTC)",
        "TORN",
        "DAMAGE",
    ]);
    for log in &verified.logs {
        table.row(row(log, &verified.findings));
    }
    let mut text = table.to_string();
    let in_memory: u64 = verified
        .logs
        .iter()
        .flat_map(|log| &log.epochs)
        .map(|epoch| epoch.in_memory)
        .sum();
    if in_memory > 0 {
        let _ = writeln!(
            text,
            "{in_memory} records were found in memory and may not be on disk yet"
        );
    }
    for finding in &verified.findings {
        tell(&mut text, finding);
    }
    text += match verified.is_whole() {
        true => "whole: every record follows the one before, and every cause is there\n",
        false => "NOT WHOLE\n",
    };
    text
}

fn row(log: &LogSeen, findings: &[Finding]) -> [String; 9] {
    let sum = |part: fn(&crate::app::log_verify::EpochSeen) -> u64| -> String {
        log.epochs.iter().map(part).sum::<u64>().to_string()
    };
    let count = |torn: bool| {
        let of_log = findings.iter().filter(|finding| finding.log == log.log);
        let counted = of_log.filter(|finding| (finding.severity == Severity::Torn) == torn);
        counted.count().to_string()
    };
    let with_records: Vec<_> = log
        .epochs
        .iter()
        .filter(|epoch| epoch.records > 0)
        .collect();
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let (first, last) = (with_records.first(), with_records.last());
    [
        log.log.name().to_owned(),
        log.epochs.len().to_string(),
        sum(|epoch| epoch.records),
        sum(|epoch| epoch.bytes),
        or_none(
            first
                .zip(last)
                .map(|(first, last)| format!("{}..{}", first.first, last.last)),
        ),
        or_none(first.map(|epoch| times::show(epoch.first_ns))),
        or_none(last.map(|epoch| times::show(epoch.last_ns))),
        count(true),
        count(false),
    ]
}

fn tell(text: &mut String, finding: &Finding) {
    let word = match finding.severity {
        Severity::Torn => "TORN",
        Severity::Lost => "LOST",
        Severity::Damaged => "DAMAGED",
    };
    let behind = match finding.before {
        Some(Before {
            record,
            kind,
            time_ns,
        }) => format!(
            "behind record {record} ({kind:?}, {})",
            times::show(time_ns)
        ),
        None => "before any record".to_owned(),
    };
    // Writing to memory does not fail.
    let _ = writeln!(
        text,
        "{word}: {} log, start {}: {} at byte {}, {behind}: {}\n  remedy: {}",
        finding.log.name(),
        finding.start,
        finding.file.display(),
        finding.offset,
        finding.what,
        finding.remedy
    );
}

/// What takes longer than this says how far it is.
const PATIENCE: Duration = Duration::from_secs(2);
const BETWEEN_LINES: Duration = Duration::from_secs(5);
const BETWEEN_UPDATES: Duration = Duration::from_millis(200);

/// How far a long command is, on stderr: one line that changes on a terminal, else a line now and then.
pub(super) struct Progress {
    started: Instant,
    told: Option<Instant>,
    is_terminal: bool,
    place: LogPlace,
    /// Of the log that is read: its size on disk
    size: Option<(LogId, u64)>,
}

impl Progress {
    pub(super) fn new(place: &LogPlace) -> Self {
        Self {
            started: Instant::now(),
            told: None,
            is_terminal: io::stderr().is_terminal(),
            place: place.clone(),
            size: None,
        }
    }

    /// So many records and bytes of an epoch of this log were read.
    pub(super) fn tell(&mut self, log: LogId, records: u64, bytes: u64) {
        let between = match self.is_terminal {
            true => BETWEEN_UPDATES,
            false => BETWEEN_LINES,
        };
        let is_due = match self.told {
            None => self.started.elapsed() >= PATIENCE,
            Some(told) => told.elapsed() >= between,
        };
        if !is_due {
            return;
        }
        self.told = Some(Instant::now());
        let size = match self.size {
            Some((of, size)) if of == log => size,
            _ => size_on_disk(&self.place, log),
        };
        self.size = Some((log, size));
        let mib = |bytes: u64| bytes >> 20;
        let words = format!(
            "gatehouse log: {} log: {records} records, {} of at most {} MiB",
            log.name(),
            mib(bytes),
            mib(size)
        );
        match self.is_terminal {
            true => eprint!("\r{words}   "),
            false => eprintln!("{words}"),
        }
    }

    /// Leaves the line.
    pub(super) fn end(&self) {
        if self.is_terminal && self.told.is_some() {
            eprintln!();
        }
    }
}

fn size_on_disk(place: &LogPlace, log: LogId) -> u64 {
    let entries = fs::read_dir(&place.directory)
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name();
            name.to_str()
                .is_some_and(|name| parse_segment_name(name, log).is_some())
        })
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}
