//! What a start makes of the virtual disk: reads the logs as `app` does, cuts what was torn, refuses what is damaged. And what the process
//! beside a gateway makes of it: snapshots, from which a start may go on.
//!
//! Pure. The same `Replay` as everywhere; only the bytes come from elsewhere.

use std::sync::Arc;

use super::disk::Disk;
use crate::config::plan::Plan;
use crate::domain::Now;
use crate::journal::LogId;
use crate::journal::causes::Causes;
use crate::journal::loss::HostLoss;
use crate::journal::read::{Chain, Step, is_torn};
use crate::journal::record::{Record, padded};
use crate::journal::snapshot::{self, Heading, Position};
use crate::stage::assembly;
use crate::stage::merge::Merge;
use crate::stage::replay::{Replay, ReplayError, Resumption};

/// The logs.
pub const LOGS: [LogId; 3] = [LogId::Client, LogId::Order, LogId::Desk];

/// A record, and its place.
pub struct Placed<'a> {
    /// Index of its log
    pub log: usize,
    /// Of the process that wrote it
    pub epoch: u16,
    /// In the files of that
    pub offset: u64,
    /// It
    pub record: Record<'a>,
}

/// Why no process starts.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    /// What the logs lead to.
    #[error("a start refuses the logs: {0}")]
    Replay(#[from] ReplayError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<String> for StartError {
    fn from(what: String) -> Self {
        Self::Other(what)
    }
}

/// All records of the disk: log by log, each in its order.
pub fn records(disk: &Disk) -> Result<Vec<Placed<'_>>, String> {
    records_through(disk, [u64::MAX; 3])
}

/// Those up to these sequences: what stands behind them may be just being written.
fn records_through(disk: &Disk, through: [u64; 3]) -> Result<Vec<Placed<'_>>, String> {
    let mut records = Vec::new();
    for (log, id) in LOGS.into_iter().enumerate() {
        let mut sequence = 0;
        for (epoch, bytes) in disk.read(log) {
            let mut chain = Chain::behind(sequence);
            let mut offset = 0;
            while chain.sequence < through[log]
                && let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty())
            {
                let Step::Record(record, taken) = chain.take(rest) else {
                    let name = id.name();
                    return Err(format!("the {name} log cannot be read at {epoch}/{offset}"));
                };
                records.push(Placed {
                    log,
                    epoch,
                    offset: offset as u64,
                    record,
                });
                offset += taken;
            }
            sequence = chain.sequence;
        }
    }
    Ok(records)
}

/// Where the last file of each log ends in something torn, that is cut, as readers leave it out.
pub fn cut_tails(disk: &mut Disk) {
    for log in 0..LOGS.len() {
        let Some((_, bytes)) = disk.read(log).last() else {
            continue;
        };
        let (mut chain, mut offset) = (Chain::ANY, 0);
        // The padding of the last one may be cut off.
        let rest = |offset: usize| bytes.get(offset..).unwrap_or(&[]);
        while let Step::Record(_, taken) = chain.take(rest(offset)) {
            offset += taken;
        }
        let rest = rest(offset);
        if rest.iter().all(|&byte| byte == 0) || is_torn(chain, rest, true) {
            disk.cut(log, offset);
        }
    }
}

/// Cuts the logs as a start after a loss of the host does: where an effect reached the disk and its cause did not.
pub fn cut_effects(disk: &mut Disk) -> Result<u64, String> {
    let mut causes = Causes::behind(&[Position::START; 3]);
    for placed in records(disk)? {
        causes.take(
            LOGS[placed.log],
            placed.epoch,
            placed.offset,
            &placed.record,
        );
    }
    let mut records = 0;
    for (log, cut) in causes.cuts().into_iter().enumerate() {
        let Some(cut) = cut else { continue };
        if cut.is_proved {
            return Err(format!(
                "a start takes a loss of the host for damage: {cut:?}"
            ));
        }
        disk.cut(log, cut.offset as usize);
        records += cut.records();
    }
    Ok(records)
}

/// What the disk has, fed in the order of time as a start does it, from the beginning or behind a snapshot.
pub fn replay(
    plan: &Arc<Plan>,
    disk: &Disk,
    snapshot: Option<&[u8]>,
) -> Result<Replay, StartError> {
    let replay = match snapshot {
        Some(bytes) => load(plan, disk, bytes)?,
        None => Replay::new(plan.clone(), 0),
    };
    follow(replay, disk, [u64::MAX; 3])
}

/// A snapshot of what the disk has up to these sequences, made from the one before: what is behind them may be lost yet.
pub fn snapshot(
    plan: &Arc<Plan>,
    disk: &Disk,
    before: Option<&[u8]>,
    through: [u64; 3],
) -> Result<Vec<u8>, StartError> {
    let replay = match before {
        Some(bytes) => load(plan, disk, bytes)?,
        None => Replay::new(plan.clone(), 1),
    };
    let replay = follow(replay, disk, through)?;
    let positions = replay.positions();
    if positions.map(|it| it.sequence()) != through {
        return Err(format!("durable through {through:?}, and the disk has {positions:?}").into());
    }
    let heading = Heading {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        reference: replay.reference(),
        positions,
    };
    let state = replay.save();
    let mut bytes = snapshot::head(&heading, &state);
    bytes.extend_from_slice(&state);
    Ok(bytes)
}

/// What a snapshot has, where the disk still has what it was made of: it was durable.
fn load(plan: &Arc<Plan>, disk: &Disk, bytes: &[u8]) -> Result<Replay, String> {
    let (heading, state) = snapshot::read(bytes, assembly::reference(plan))
        .map_err(|why| format!("a snapshot does not fit: {why}"))?;
    let mut ends = [Position::START; 3];
    for placed in records_through(disk, heading.positions.map(|it| it.sequence()))? {
        ends[placed.log] = Position::behind(placed.epoch, placed.offset, &placed.record);
    }
    if ends != heading.positions {
        return Err("the disk has lost what a snapshot was made of".to_owned());
    }
    let replay = Replay::load(plan.clone(), 2, state);
    let replay = replay.filter(|replay| replay.positions() == heading.positions);
    replay.ok_or_else(|| "the state of a snapshot is not what it says".to_owned())
}

fn follow(mut replay: Replay, disk: &Disk, through: [u64; 3]) -> Result<Replay, StartError> {
    let mut logs = [const { Vec::new() }; 3];
    let positions = replay.positions();
    for placed in records_through(disk, through)? {
        if placed.record.sequence > positions[placed.log].sequence() {
            logs[placed.log].push(placed);
        }
    }
    let (mut merge, mut at) = (Merge::default(), [0; 3]);
    while let Some(log) = merge.next([0, 1, 2].map(|log| {
        let next: Option<&Placed<'_>> = logs[log].get(at[log]);
        next.map(|placed| placed.record.time_ns)
    })) {
        let placed = &logs[log][at[log]];
        at[log] += 1;
        replay.feed(LOGS[log], placed.epoch, placed.offset, &placed.record)?;
    }
    Ok(replay)
}

/// What a process goes on with; where the host went down before it, with numbers skipped.
pub fn resume(
    plan: &Arc<Plan>,
    now: Now,
    disk: &Disk,
    snapshot: Option<&[u8]>,
    has_lost: bool,
) -> Result<Resumption, StartError> {
    let mut resumption = replay(plan, disk, snapshot)?.finish(assembly::day(now))?;
    if has_lost {
        let most = (plan.state.staging_bytes / padded(0)) as u64;
        resumption.accept_host_loss(plan, now, most);
        resumption.loss = Some(HostLoss {
            records_max: most,
            ..HostLoss::default()
        });
    }
    Ok(resumption)
}

/// Whether a start sees that `damaged` is not `good`, or both lead to the same.
pub fn sees_damage(plan: &Arc<Plan>, good: &Disk, damaged: &Disk) -> bool {
    let known = |disk: &Disk| {
        let records = records(disk).ok()?;
        let body = |placed: &Placed<'_>| (placed.record.kind, placed.record.body.to_vec());
        Some(records.iter().map(body).collect::<Vec<_>>())
    };
    match (known(good), known(damaged)) {
        (_, None) => true,
        (Some(good), Some(is)) if good == is => true,
        _ => replay(plan, damaged, None).is_err(),
    }
}
