//! What earlier processes left, read at the start: the newest snapshot that fits, and what follows it in the three logs, fed to a
//! [`Replay`] in the order of their times.
//!
//! On the starting thread and one that reads ahead, before new windows take the place of old ones. Long logs say how far they are.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::boot::{BootError, failed};
use super::log_reader::LogPlace;
use super::merge::{Merge, Source};
use super::snapshots;
use super::starts;
use super::takeover::Takeover;
use super::windows::Windows;
use crate::config::plan::Plan;
use crate::domain::Now;
use crate::journal::causes::Causes;
use crate::journal::loss::HostLoss;
use crate::journal::mark::{LOGS, Marks};
use crate::journal::record::padded;
use crate::journal::recover::{Action, Row};
use crate::journal::snapshot::Position;
use crate::journal::{LogId, Record};
use crate::stage::assembly;
use crate::stage::replay::{Replay, Resumption};

/// How often a long replay says where it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What earlier processes left, and what the new one will have in its place.
pub(super) struct Before {
    pub resumption: Resumption,
    pub takeovers: Vec<Takeover>,
    pub windows: Windows,
}

/// What a start on these logs does about each of them: the labels of [`crate::journal::recover`], those of earlier epochs that do not
/// end well first. Changes nothing.
pub fn examine(
    plan: &Arc<Plan>,
    accept_host_loss: bool,
) -> Result<Vec<(LogId, &'static str)>, BootError> {
    let (walked, ()) = walk(plan, accept_host_loss, || Ok(()))?;
    let logs = walked.takeovers.iter().zip(walked.rows);
    let labels = logs.flat_map(|((log, Named(_, takeover)), last)| {
        let rows = takeover.settled().iter().chain([&last]);
        rows.map(|row| (*log, row.label)).collect::<Vec<_>>()
    });
    Ok(labels.collect())
}

/// All logs, read to their ends.
struct Walked {
    takeovers: [(LogId, Named); 3],
    rows: Vec<&'static Row>,
    replay: Replay,
    snapshot: Option<PathBuf>,
    records: u64,
    began: Instant,
}

/// Reads everything; what stages that begin `now` go on with. The windows are held until new ones take their places: a start that
/// fails changes nothing.
pub(super) fn read(
    plan: &Arc<Plan>,
    now: Now,
    accept_host_loss: bool,
) -> Result<Before, BootError> {
    // The new windows are made while the logs are read.
    let make_windows = || Windows::begin(&plan.state);
    let (walked, windows) = walk(plan, accept_host_loss, make_windows)?;
    let Walked {
        takeovers,
        rows,
        replay,
        snapshot,
        records,
        began,
    } = walked;
    let mut resumption = replay
        .finish(assembly::day(now))
        .map_err(cannot(LogId::Order))?;
    if rows.iter().any(|row| gives_up(row)) {
        // No more messages than this were in a window, and so were perhaps sent and are not on disk.
        let most = (plan.state.staging_bytes / padded(0)) as u64;
        resumption.accept_host_loss(plan, now, most);
        let loss = HostLoss {
            records_max: most,
            bytes_max: plan.state.staging_bytes as u64,
            cut: takeovers.each_ref().map(|(_, Named(_, it))| it.cut_end()),
        };
        resumption.loss = Some(loss);
        tell_loss(&loss, &takeovers);
    }
    if records > 0 || snapshot.is_some() {
        tracing::info!(
            snapshot = snapshot.map(|path| path.display().to_string()),
            records,
            inputs = resumption.inputs,
            milliseconds = began.elapsed().as_millis() as u64,
            goes_on = resumption.risk.is_some(),
            never_left = resumption.unsent.len(),
            perhaps_left = resumption.perhaps_sent.len(),
            not_answered = resumption.in_flight.len(),
            in_doubt = resumption.doubts.len(),
            not_told = resumption.untold.len(),
            "the logs of earlier processes are replayed"
        );
    }
    Ok(Before {
        resumption,
        takeovers: takeovers.map(|(_, Named(_, it))| it).into(),
        windows,
    })
}

/// `when_held` is called once nobody else has the windows, before anything is read.
fn walk<T>(
    plan: &Arc<Plan>,
    accept_host_loss: bool,
    when_held: impl FnOnce() -> Result<T, BootError>,
) -> Result<(Walked, T), BootError> {
    let state = &plan.state;
    let staging = Some(state.staging_directory.clone());
    let starts = starts::read(&state.log_directory).map_err(unreadable_starts(plan))?;
    let place = LogPlace::new(&state.log_directory, staging);
    let began = Instant::now();
    let newest = snapshots::newest(plan, &place);
    let snapshot = newest.as_ref().map(|(_, path)| path.clone());
    let replay = newest.map_or_else(|| snapshots::nothing(plan), |(replay, _)| replay);
    let positions = replay.positions();
    let open = |at: usize| {
        let (log, name) = (LOGS[at], Some(plan.name.as_str()));
        let takeover = Takeover::open_behind(place.clone(), log, name, &positions[at]);
        let takeover = takeover.map_err(cannot(log))?.knowing(starts);
        Ok((log, Named(log, takeover)))
    };
    let logs = [open(0)?, open(1)?, open(2)?];
    let made = when_held()?;
    let mut walk = Walk::new(replay, &positions, Instant::now());
    let mut takeovers = walk.go(logs)?;
    let mut rows = decide(&takeovers, &walk.marks, accept_host_loss)?;
    if rows.iter().any(|row| gives_up(row)) {
        let cuts = walk.causes.cuts();
        for ((_, Named(_, takeover)), cut) in takeovers.iter_mut().zip(cuts) {
            if let Some(cut) = cut {
                takeover.lacks_cause(cut);
            }
        }
        if cuts.iter().any(Option::is_some) {
            rows = decide(&takeovers, &walk.marks, accept_host_loss)?;
            // What was read knows of what is cut: once more, without that.
            let newest = snapshots::newest(plan, &place);
            let replay = newest.map_or_else(|| snapshots::nothing(plan), |(replay, _)| replay);
            let [client, order, desk] = takeovers;
            let logs = [again(client)?, again(order)?, again(desk)?];
            walk = Walk::new(replay, &positions, walk.told);
            takeovers = walk.go(logs)?;
        }
    }
    for ((log, _), row) in takeovers.iter().zip(&rows) {
        tracing::info!(log = log.name(), case = row.label, "{}", row.meaning);
    }
    walk.replayed?;
    let walked = Walked {
        takeovers,
        rows,
        replay: walk.replay,
        snapshot,
        records: walk.records,
        began,
    };
    Ok((walked, made))
}

fn again((log, Named(_, takeover)): (LogId, Named)) -> Result<(LogId, Named), BootError> {
    Ok((log, Named(log, takeover.again().map_err(cannot(log))?)))
}

/// What is done about each log, whose ends are known.
fn decide(
    takeovers: &[(LogId, Named); 3],
    marks: &Marks,
    accept_host_loss: bool,
) -> Result<Vec<&'static Row>, BootError> {
    let decide = |takeover: &Takeover| takeover.decide(marks, accept_host_loss);
    // What an operator cannot accept is told before what can be.
    for is_loss in [false, true] {
        for (log, Named(_, takeover)) in takeovers {
            if let Err(error) = decide(takeover)
                && error.is_loss() == is_loss
            {
                return Err(cannot(*log)(error));
            }
        }
    }
    let rows = takeovers.iter();
    rows.map(|(log, Named(_, takeover))| decide(takeover).map_err(cannot(*log)))
        .collect()
}

/// Whether the end of the log is missing, or may be.
fn gives_up(row: &Row) -> bool {
    matches!(row.action, Action::GiveUp | Action::CutEffects)
}

/// One reading of the three logs.
struct Walk {
    replay: Replay,
    marks: Marks,
    causes: Causes,
    records: u64,
    /// What is wrong with what the logs say: told after what is wrong with the logs themselves
    replayed: Result<(), BootError>,
    began: Instant,
    told: Instant,
}

impl Walk {
    fn new(replay: Replay, positions: &[Position; 3], told: Instant) -> Self {
        Self {
            replay,
            marks: Marks::default(),
            causes: Causes::behind(positions),
            records: 0,
            replayed: Ok(()),
            began: Instant::now(),
            told,
        }
    }

    fn go(&mut self, logs: [(LogId, Named); 3]) -> Result<[(LogId, Named); 3], BootError> {
        let Self {
            replay,
            marks,
            causes,
            replayed,
            began,
            told,
            ..
        } = self;
        let mut merge = Merge::new(logs)?;
        let seen = |log, epoch, offset, record: &Record<'_>| {
            // Those before a snapshot say no more than its positions.
            marks.take(log, epoch, record);
            causes.take(log, epoch, offset, record);
        };
        let mut fed = 0u64;
        self.records = merge.read_ahead(seen, |log, epoch, offset, record| {
            fed += 1;
            if fed.is_multiple_of(1 << 14) && told.elapsed() >= TELL_EVERY {
                *told = Instant::now();
                let seconds = began.elapsed().as_secs();
                tracing::info!(records = fed, seconds, "replaying the logs");
            }
            *replayed = replay.feed(log, epoch, offset, record).map_err(cannot(log));
            replayed.is_ok()
        })?;
        Ok(merge.into_sources())
    }
}

/// Nothing is cut silently.
fn tell_loss(loss: &HostLoss, takeovers: &[(LogId, Named); 3]) {
    tracing::warn!(
        numbers = loss.records_max,
        "the host went down: {}; as many sequence numbers are skipped",
        loss.describe()
    );
    for ((log, Named(_, takeover)), end) in takeovers.iter().zip(loss.cut) {
        if let Some(file) = takeover.aside_path() {
            tracing::warn!(
                log = log.name(),
                records = end.records,
                bytes = end.bytes,
                file = %file.display(),
                "records whose cause was lost with the host are cut and kept in a file"
            );
        }
    }
}

/// Without what the file says start numbers, and so order ids, might be used again.
pub(super) fn unreadable_starts(plan: &Plan) -> impl FnOnce(io::Error) -> BootError {
    let file = starts::path(&plan.state.log_directory);
    failed(format!(
        "cannot read {} at byte 0 (put it back from a copy; without one remove it, and if logs were moved away leave an empty file with \
         the last start's number among them, order-00007-0000.log)",
        file.display()
    ))
}

/// Errors say which log it is.
struct Named(LogId, Takeover);

impl Source for Named {
    type Error = BootError;

    fn advance(&mut self) -> Result<bool, BootError> {
        self.1.advance().map_err(cannot(self.0))
    }

    fn record(&self) -> Record<'_> {
        self.1.record()
    }

    fn place(&self) -> (u16, u64) {
        (self.1.epoch(), self.1.offset())
    }
}

fn cannot<E: std::error::Error + Send + Sync + 'static>(log: LogId) -> impl FnOnce(E) -> BootError {
    move |error| {
        let what = format!(
            "cannot go on with the {} log of earlier processes",
            log.name()
        );
        failed(what)(io::Error::other(error))
    }
}
