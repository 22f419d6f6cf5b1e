//! `gatehouse log snapshot`: writes a snapshot beside the logs, so that the next start reads no more than what follows it.
//!
//! For logs that no gateway writes to. A gateway that runs starts this program too, with the records that are on disk (`--through`):
//! all memory and time that it takes is another process's.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::verify::Progress;
use super::{Failure, Source, Where, usage};
use crate::app::snapshots;
use crate::journal::LogId;
use crate::sys::staging::StagingRegion;
use crate::sys::thread;

/// Arguments of `gatehouse log snapshot`.
#[derive(Args, Debug)]
pub(super) struct SnapshotArgs {
    #[command(flatten)]
    place: Where,
    /// By a gateway that runs: the last records of client, order and desk log that are on disk
    #[arg(long, hide = true, value_parser = through)]
    through: Option<Through>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Sequences of client, order and desk log.
#[derive(Clone, Copy, Debug)]
struct Through([u64; 3]);

/// As [`crate::cli::snapshotter`] writes them.
fn through(text: &str) -> Result<Through, String> {
    let numbers: Result<Vec<u64>, _> = text.split(',').map(str::parse).collect();
    let three = numbers.ok().and_then(|numbers| numbers.try_into().ok());
    three
        .map(Through)
        .ok_or_else(|| "not three numbers".to_owned())
}

/// Runs it.
pub(super) fn run(args: &SnapshotArgs) -> Result<ExitCode, Failure> {
    let through = args.through.map(|it| it.0);
    crate::cli::start_tracing();
    let source = Source::of(&args.place)?;
    let Some(plan) = source.plan.clone() else {
        return Err(usage(
            "a snapshot needs the configuration with which the logs were written: name its directory instead of --state",
        ));
    };
    if through.is_some() {
        // Where memory or processors are short the gateway is what must live.
        let _ = std::fs::write("/proc/self/oom_score_adj", "500");
        thread::give_way();
    } else if is_held(&source) {
        return Err(usage(
            "a gateway writes these logs: use `gatehouse ctl snapshot`",
        ));
    }
    let mut progress = Progress::new(&source.place);
    let taken = snapshots::take(&plan, &source.place, through, &mut |records| {
        if through.is_none() {
            progress.tell(LogId::Order, records, 0);
        }
    });
    progress.end();
    let taken = taken.map_err(usage)?;
    if through.is_some() {
        tracing::info!(
            snapshot = %taken.path.display(),
            bytes = taken.bytes,
            records = taken.records,
            "a snapshot is written"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let object = json!({
        "snapshot": taken.path,
        "bytes": taken.bytes,
        "records": taken.records,
    });
    let text = match args.json {
        true => format!("{object}\n"),
        false => format!(
            "{}: {} bytes, {} records more than the snapshot before\n",
            taken.path.display(),
            taken.bytes,
            taken.records
        ),
    };
    crate::cli::show(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a process has a window of these logs.
fn is_held(source: &Source) -> bool {
    let staging = source.place.staging.as_ref();
    staging.is_some_and(|staging| {
        [LogId::Client, LogId::Order, LogId::Desk]
            .iter()
            .any(|log| {
                let window = staging.join(format!("{}.window", log.name()));
                StagingRegion::open(&window).is_err_and(|error| {
                    !matches!(
                        error.kind(),
                        std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidData
                    )
                })
            })
    })
}
