//! `gatehouse log stats`: how much of what is in the logs: records and bytes by kind and by session or link, the busiest second, sizes
//! of messages.
//!
//! One pass over each log; memory grows with sessions and with seconds that had records.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::filter::{Filter, FilterArgs, kind_name};
use super::names::Names;
use super::verify::{AnyLog, LOGS, Progress};
use super::{Failure, Source, Walk, Where, times};
use crate::app::log_reader::LogReader;
use crate::cli::table::Table;
use crate::domain::time::NS_PER_S;
use crate::journal::record::padded;
use crate::journal::{LogId, RecordKind};
use crate::limits::LOG_RECORD_BYTES_MAX;

/// Arguments of `gatehouse log stats`.
#[derive(Args, Debug)]
pub(super) struct StatsArgs {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    filter: FilterArgs,
    /// Only this log; may be repeated
    #[arg(long, value_enum)]
    log: Vec<AnyLog>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Records and their bytes, on disk.
#[derive(Clone, Copy, Default, serde::Serialize)]
struct Sum {
    records: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64;
    }
}

/// Of one log.
struct Stats {
    log: LogId,
    all: Sum,
    first_ns: u64,
    last_ns: u64,
    kinds: BTreeMap<String, Sum>,
    /// By name: received or taken, and sent
    channels: BTreeMap<String, [Sum; 2]>,
    seconds: BTreeMap<u64, u64>,
    sizes: Histogram<u64>,
}

/// Runs it.
pub(super) fn run(args: &StatsArgs) -> Result<ExitCode, Failure> {
    let source = Source::of(&args.place)?;
    let filter = Filter::of(&source, &args.filter)?;
    let names = Names::of(&source)?;
    let mut progress = Progress::new(&source.place);
    let mut damaged = false;
    let mut all = Vec::new();
    for log in LOGS {
        if !args.log.is_empty() && args.log.iter().all(|wanted| wanted.id() != log) {
            continue;
        }
        let mut reader = LogReader::open(source.place.clone(), log)?;
        if let Some(from) = args.filter.from {
            reader.skip_to(from)?;
        }
        let mut walk = Walk::new(reader);
        let mut stats = Stats::new(log);
        let mut read = Sum::default();
        while walk.advance()? {
            read.add(padded(walk.reader.record().body.len()));
            if read.records.is_multiple_of(4096) {
                progress.tell(log, read.records, read.bytes);
            }
            if filter.wants(&names, log, &walk) {
                stats.take(&names, &walk);
            }
        }
        damaged |= walk.damaged;
        all.push(stats);
    }
    progress.end();
    let text = match args.json {
        true => {
            let logs: Vec<_> = all.iter().map(Stats::object).collect();
            format!("{}\n", json!({ "logs": logs }))
        }
        false => all.iter().map(Stats::told).collect::<Vec<_>>().join("\n"),
    };
    crate::cli::show(&text)?;
    Ok(match damaged {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

impl Stats {
    fn new(log: LogId) -> Self {
        Self {
            log,
            all: Sum::default(),
            first_ns: 0,
            last_ns: 0,
            kinds: BTreeMap::new(),
            channels: BTreeMap::new(),
            seconds: BTreeMap::new(),
            sizes: Histogram::new_with_max(LOG_RECORD_BYTES_MAX as u64, 3)
                .expect("these bounds are valid"),
        }
    }

    fn take(&mut self, names: &Names<'_>, walk: &Walk) {
        let record = walk.reader.record();
        let (epoch, bytes) = (walk.reader.epoch(), padded(record.body.len()));
        if self.all.records == 0 {
            self.first_ns = record.time_ns;
        }
        self.last_ns = record.time_ns;
        self.all.add(bytes);
        self.kinds
            .entry(kind_name(record.kind))
            .or_default()
            .add(bytes);
        *self.seconds.entry(record.time_ns / NS_PER_S).or_default() += 1;
        let whose = match record.kind {
            RecordKind::MessageIn | RecordKind::Carried => {
                Some((names.channel(self.log, epoch, record.channel), 0))
            }
            kind if kind.is_sent() => Some((names.channel(self.log, epoch, record.channel), 1)),
            RecordKind::ClientInput => Some((names.session(epoch, record.channel), 0)),
            RecordKind::DeskInput => Some((names.link(epoch, record.channel), 0)),
            _ => None,
        };
        if let Some((name, direction)) = whose {
            self.channels.entry(name).or_default()[direction].add(bytes);
            // No body is longer than the bound.
            let _ = self.sizes.record(record.body.len() as u64);
        }
    }

    /// The busiest second, and how many records it had.
    fn peak(&self) -> Option<(u64, u64)> {
        let seconds = self.seconds.iter();
        let peak = seconds.max_by_key(|(_, records)| **records)?;
        Some((peak.0 * NS_PER_S, *peak.1))
    }

    fn sizes(&self) -> [(&'static str, u64); 4] {
        let at = |quantile| self.sizes.value_at_quantile(quantile);
        [
            ("min", self.sizes.min()),
            ("p50", at(0.5)),
            ("p99", at(0.99)),
            ("max", self.sizes.max()),
        ]
    }

    fn object(&self) -> Value {
        let channels: BTreeMap<_, _> = self
            .channels
            .iter()
            .map(|(name, [received, sent])| (name, json!({"in": received, "out": sent})))
            .collect();
        json!({
            "log": self.log,
            "records": self.all.records,
            "bytes": self.all.bytes,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "kinds": self.kinds,
            "channels": channels,
            "peak": self.peak().map(|(time_ns, records)| json!({
                "time": times::show(time_ns),
                "records_per_second": records,
            })),
            "body_bytes": BTreeMap::from(self.sizes()),
        })
    }

    fn told(&self) -> String {
        let Sum { records, bytes } = self.all;
        let mut text = format!("{} log: {records} records, {bytes} bytes", self.log.name());
        // Writing to memory does not fail.
        if records > 0 {
            let (first, last) = (times::show(self.first_ns), times::show(self.last_ns));
            let _ = write!(text, ", {first} to {last}");
        }
        text.push('\n');
        if let Some((time_ns, records)) = self.peak() {
            let time = times::show(time_ns);
            let _ = writeln!(text, "  busiest second  {records} records at {time}");
        }
        if !self.sizes.is_empty() {
            let sizes = self.sizes().map(|(name, bytes)| format!("{name} {bytes}"));
            let _ = writeln!(text, "  body bytes      {}", sizes.join(", "));
        }
        let mut kinds = Table::new(["KIND", "RECORDS", "BYTES"]);
        for (kind, sum) in &self.kinds {
            kinds.row([kind.clone(), sum.records.to_string(), sum.bytes.to_string()]);
        }
        let mut channels = Table::new(["SESSION OR LINK", "IN", "BYTES IN", "OUT", "BYTES OUT"]);
        for (name, [received, sent]) in &self.channels {
            channels.row([
                name.clone(),
                received.records.to_string(),
                received.bytes.to_string(),
                sent.records.to_string(),
                sent.bytes.to_string(),
            ]);
        }
        for table in [
            (!self.kinds.is_empty(), kinds),
            (!self.channels.is_empty(), channels),
        ] {
            if let (true, table) = table {
                let _ = write!(text, "\n{table}");
            }
        }
        text
    }
}
