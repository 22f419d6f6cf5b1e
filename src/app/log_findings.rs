//! What a look through the logs finds: how far each goes, and what is not as it should be.
//!
//! Plain values of [`super::log_verify`], printed by `gatehouse log verify`.

use std::path::PathBuf;

use crate::journal::{LogId, RecordKind};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// What a crash left unfinished: nobody acted on it.
    Torn,
    /// The end of a log is gone, and others know of it.
    Lost,
    /// Not what was written.
    Damaged,
}

/// The last good record before something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Before {
    /// Its sequence
    pub record: u64,
    /// What it is
    pub kind: RecordKind,
    /// Nanoseconds since 1970-01-01 UTC
    pub time_ns: u64,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Finding {
    /// How bad
    pub severity: Severity,
    /// In which log
    pub log: LogId,
    /// Start number of the process that wrote there
    pub start: u16,
    /// File
    pub file: PathBuf,
    /// Byte in that file
    pub offset: u64,
    /// The record before
    pub before: Option<Before>,
    /// What is wrong
    pub what: String,
    /// What to do
    pub remedy: &'static str,
}

/// One epoch of a log.
#[derive(Clone, Debug, serde::Serialize)]
pub struct EpochSeen {
    /// Start number of the process
    pub start: u16,
    /// Whole records
    pub records: u64,
    /// Their bytes
    pub bytes: u64,
    /// Records that were found in memory and may not be on disk
    pub in_memory: u64,
    /// First sequence; zero where there is none
    pub first: u64,
    /// Last one
    pub last: u64,
    /// Time of the first record, nanoseconds since 1970-01-01 UTC
    pub first_ns: u64,
    /// Time of the last one
    pub last_ns: u64,
    /// Whether something behind the last record could not be read
    pub is_cut: bool,
}

/// One log.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LogSeen {
    /// Which
    pub log: LogId,
    /// Its epochs, in order
    pub epochs: Vec<EpochSeen>,
}

/// What was found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Verified {
    /// Each log
    pub logs: Vec<LogSeen>,
    /// What is wrong, in the order of the logs
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Whether nothing is damaged or lost.
    pub fn is_whole(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity == Severity::Torn)
    }
}
