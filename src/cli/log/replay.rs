//! `gatehouse log replay`: the state of orders and money out of the logs, by the code that a start uses: to the end, a time, or a record.
//!
//! Beside a running gateway or after it; it only reads. Accounts, instruments and sessions are those of the configuration: logs that were
//! written with others are refused, as a start refuses them.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::verify::{LOGS, Progress};
use super::{Failure, Source, Walk, Where, times, usage};
use crate::app::log_reader::LogReader;
use crate::app::merge::{self, Merge};
use crate::app::snapshots;
use crate::cli::table::Table;
use crate::config::plan::Plan;
use crate::domain::AccountIndex;
use crate::journal::record::padded;
use crate::journal::{LogId, Record};
use crate::risk::Risk;

/// Arguments of `gatehouse log replay`.
#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    place: Where,
    /// Up to this time, UTC: 20261123-09:30:00, 09:30 (today), 15m (ago)
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    to: Option<u64>,
    /// Up to this record of the order log, with what the other logs had until then
    #[arg(long, value_name = "SEQUENCE", conflicts_with = "to")]
    record: Option<u64>,
    /// Begin with the newest snapshot that fits, and read only what follows it
    #[arg(long, conflicts_with = "to")]
    from_snapshot: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(super) fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let source = Source::of(&args.place)?;
    let Some(plan) = source.plan.clone() else {
        return Err(usage(
            "a replay needs the configuration with which the logs were written: name its directory instead of --state",
        ));
    };
    let mut replay = match args.from_snapshot {
        true => {
            crate::cli::start_tracing();
            let newest = snapshots::newest(&plan, &source.place);
            newest
                .ok_or_else(|| usage("there is no snapshot that fits"))?
                .0
        }
        false => snapshots::nothing(&plan),
    };
    let positions = replay.positions();
    let order_behind = positions[1].sequence();
    if args.record.is_some_and(|record| record < order_behind) {
        return Err(usage(format!(
            "the snapshot goes to record {order_behind} of the order log: without --from-snapshot earlier ones can be had"
        )));
    }
    let open = |at: usize| -> Result<(LogId, Walk), Failure> {
        let reader = LogReader::open_behind(source.place.clone(), LOGS[at], &positions[at])?;
        Ok((LOGS[at], Walk::new(reader)))
    };
    // In the order of a start, which is not that of the times where the clock was set back.
    let mut merge = Merge::new([open(0)?, open(1)?, open(2)?])?;
    let mut progress = Progress::new(&source.place);
    let (mut records, mut bytes) = ([0u64; 3], [0u64; 3]);
    let mut last_ns = positions.iter().map(|it| it.time_ns).max().unwrap_or(0);
    while let Some((log, walk)) = merge.go()? {
        let at = LOGS.iter().position(|of| *of == log).unwrap_or(0);
        let record = walk.reader.record();
        if args.to.is_some_and(|to| record.time_ns > to) {
            break;
        }
        let fed = replay.feed(log, walk.reader.epoch(), walk.reader.offset(), &record);
        fed.map_err(usage)?;
        last_ns = record.time_ns;
        records[at] += 1;
        bytes[at] += padded(record.body.len()) as u64;
        if records[at].is_multiple_of(4096) {
            progress.tell(log, records[at], bytes[at]);
        }
        if log == LogId::Order && args.record == Some(record.sequence) {
            break;
        }
    }
    progress.end();
    let Some(began) = replay.begun() else {
        return Err(usage(
            "no process began with orders in this part of the logs",
        ));
    };
    let state = replay.finish(began.day).map_err(usage)?;
    let Some(risk) = &state.risk else {
        return Err(usage("the logs have no orders of this configuration"));
    };
    let object = json!({
        "to": times::show(last_ns),
        "to_ns": last_ns,
        "start": began.epoch,
        "records": {"client": state.sequences[0], "order": state.sequences[1], "desk": state.sequences[2]},
        "inputs": state.inputs,
        "state_hash": format!("{:016x}", risk.state_hash()),
        "requests": risk.requests_used(),
        "desk_reports": risk.executions_used(),
        "open_orders": risk.open_orders(),
        "not_sent": state.unsent.len(),
        "perhaps_sent": state.perhaps_sent.len(),
        "not_answered": state.in_flight.len(),
        "in_doubt": state.doubts.len(),
        "not_told": state.untold.len(),
        "accounts": accounts(&plan, risk),
    });
    let text = match args.json {
        true => format!("{object}\n"),
        false => told(&object),
    };
    crate::cli::show(&text)?;
    let logs = merge.into_sources();
    Ok(match logs.iter().any(|(_, walk)| walk.damaged) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

impl merge::Source for Walk {
    type Error = Failure;

    fn advance(&mut self) -> Result<bool, Failure> {
        Walk::advance(self)
    }

    fn record(&self) -> Record<'_> {
        self.reader.record()
    }

    fn place(&self) -> (u16, u64) {
        (self.reader.epoch(), self.reader.offset())
    }
}

fn accounts(plan: &Plan, risk: &Risk) -> Vec<Value> {
    let named = (0..).zip(&plan.accounts);
    named
        .filter_map(|(at, account)| {
            let index = AccountIndex(at);
            let row = risk.account(index)?;
            Some(json!({
                "account": account.name.to_string_lossy(),
                "cash": row.cash.to_string(),
                "reserved": row.reserved.to_string(),
                "open_orders": risk.account_open_orders(index),
            }))
        })
        .collect()
}

fn told(object: &Value) -> String {
    let mut text = String::new();
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for (key, words) in [
        ("to", "state after"),
        ("start", "start number"),
        ("inputs", "inputs of the risk stage"),
        ("state_hash", "hash of the state"),
        ("requests", "requests of the day"),
        ("desk_reports", "desk reports of the day"),
        ("open_orders", "open orders"),
        ("not_sent", "passed, not sent"),
        ("perhaps_sent", "passed, perhaps sent"),
        ("not_answered", "sent, not answered"),
        ("in_doubt", "in doubt"),
        ("not_told", "reports not written"),
    ] {
        // Writing to memory does not fail.
        let _ = writeln!(text, "{words:<26}{}", shown(&object[key]));
    }
    let mut table = Table::new(["ACCOUNT", "CASH", "RESERVED", "OPEN ORDERS"]);
    for row in object["accounts"].as_array().into_iter().flatten() {
        table.row(["account", "cash", "reserved", "open_orders"].map(|key| shown(&row[key])));
    }
    let _ = write!(text, "\n{table}");
    text
}
