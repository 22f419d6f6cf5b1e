//! What earlier processes left, read at the start: all three logs, fed to a [`Replay`] in the order of their times.
//!
//! On the starting thread, before new windows take the place of old ones. Long logs say how far they are.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::boot::{BootError, failed};
use super::log_reader::LogPlace;
use super::takeover::Takeover;
use super::windows::Windows;
use crate::config::plan::Plan;
use crate::journal::LogId;
use crate::journal::mark::{LOGS, Marks};
use crate::journal::record::padded;
use crate::journal::recover::Action;
use crate::stage::merge::Merge;
use crate::stage::replay::{Replay, Resumption};

/// How often a long replay says where it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What earlier processes left, and what the new one will have in its place.
pub(super) struct Before {
    pub resumption: Resumption,
    pub takeovers: Vec<Takeover>,
    pub windows: Windows,
}

/// One log, and whether a record waits in it.
struct Waiting {
    log: LogId,
    takeover: Takeover,
    has_more: bool,
}

impl Waiting {
    fn advance(&mut self) -> Result<(), BootError> {
        self.has_more = self.takeover.advance().map_err(cannot(self.log))?;
        Ok(())
    }
}

/// Reads everything; what stages of the trading day `day` go on with. The windows are held until new ones take their places: a start that
/// fails changes nothing.
pub(super) fn read(
    plan: &Arc<Plan>,
    day: u32,
    accept_host_loss: bool,
) -> Result<Before, BootError> {
    let state = &plan.state;
    let staging = Some(state.staging_directory.clone());
    let place = LogPlace::new(&state.log_directory, staging);
    let open = |log| {
        let takeover = Takeover::open(place.clone(), log, Some(&plan.name)).map_err(cannot(log))?;
        let mut waiting = Waiting {
            log,
            takeover,
            has_more: true,
        };
        waiting.advance()?;
        Ok(waiting)
    };
    let mut logs = [open(LOGS[0])?, open(LOGS[1])?, open(LOGS[2])?];
    let windows = Windows::begin(state)?;
    let mut replay = Replay::new(plan.clone());
    let (mut merge, mut marks) = (Merge::default(), Marks::default());
    let (began, mut told) = (Instant::now(), Instant::now());
    let mut records = 0u64;
    let mut replayed = Ok(());
    while let Some(at) = merge.next(next_times(&logs)) {
        let Waiting { log, takeover, .. } = &logs[at];
        let (log, record) = (*log, takeover.record());
        marks.take(log, takeover.epoch(), &record);
        // What is wrong with the logs themselves is told first.
        if replayed.is_ok() {
            let fed = replay.feed(log, takeover.epoch(), takeover.offset(), &record);
            replayed = fed.map_err(cannot(log));
        }
        logs[at].advance()?;
        records += 1;
        if records.is_multiple_of(1 << 14) && told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tracing::info!(
                records,
                seconds = began.elapsed().as_secs(),
                "replaying the logs"
            );
        }
    }
    let mut has_lost = false;
    for Waiting { log, takeover, .. } in &logs {
        let row = takeover.decide(&marks, accept_host_loss);
        let row = row.map_err(cannot(*log))?;
        tracing::info!(log = log.name(), case = row.label, "{}", row.meaning);
        has_lost |= row.action == Action::GiveUp;
    }
    replayed?;
    let mut resumption = replay.finish(day).map_err(cannot(LogId::Order))?;
    if has_lost {
        // No more messages than this were in a window, and so were perhaps sent and are not on disk.
        let most = (state.staging_bytes / padded(0)) as u64;
        resumption.clients.skip(most);
        resumption.links.skip(most);
        tracing::warn!(
            numbers = most,
            "sequence numbers that the lost end of the logs may have used are skipped"
        );
    }
    if records > 0 {
        tracing::info!(
            records,
            inputs = resumption.inputs,
            milliseconds = began.elapsed().as_millis() as u64,
            goes_on = resumption.risk.is_some(),
            never_left = resumption.unsent.len(),
            not_answered = resumption.in_flight.len(),
            in_doubt = resumption.doubts.len(),
            not_told = resumption.untold.len(),
            "the logs of earlier processes are replayed"
        );
    }
    Ok(Before {
        resumption,
        takeovers: logs.map(|waiting| waiting.takeover).into(),
        windows,
    })
}

fn next_times(logs: &[Waiting; 3]) -> [Option<u64>; 3] {
    let time_ns = |waiting: &Waiting| waiting.takeover.record().time_ns;
    [0, 1, 2].map(|at| logs[at].has_more.then(|| time_ns(&logs[at])))
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
