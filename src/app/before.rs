//! What earlier processes left, read at the start: the newest snapshot that fits, and what follows it in the three logs, fed to a
//! [`Replay`] in the order of their times.
//!
//! On the starting thread, before new windows take the place of old ones. Long logs say how far they are.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::boot::{BootError, failed};
use super::log_reader::LogPlace;
use super::merge::{Merge, Source};
use super::snapshots;
use super::takeover::Takeover;
use crate::config::plan::Plan;
use crate::journal::LogId;
use crate::journal::mark::{LOGS, Marks};
use crate::journal::record::padded;
use crate::journal::recover::Action;
use crate::stage::replay::{Replay, Resumption};

/// How often a long replay says where it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Reads everything; what stages of the trading day `day` go on with. The windows are held until new ones take their places: a start that
/// fails changes nothing.
pub(super) fn read(
    plan: &Arc<Plan>,
    day: u32,
    accept_host_loss: bool,
) -> Result<(Resumption, Vec<Takeover>), BootError> {
    let state = &plan.state;
    let staging = Some(state.staging_directory.clone());
    let place = LogPlace::new(&state.log_directory, staging);
    let (began, mut told) = (Instant::now(), Instant::now());
    let newest = snapshots::newest(plan, &place);
    let snapshot = newest.as_ref().map(|(_, path)| path.clone());
    let mut replay = newest.map_or_else(|| Replay::new(plan.clone()), |(replay, _)| replay);
    let positions = replay.positions();
    let open = |at: usize| {
        let (log, name) = (LOGS[at], Some(plan.name.as_str()));
        let takeover = Takeover::open_behind(place.clone(), log, name, &positions[at]);
        Ok((log, Named(log, takeover.map_err(cannot(log))?)))
    };
    let (mut merge, mut marks) = (
        Merge::new([open(0)?, open(1)?, open(2)?])?,
        Marks::default(),
    );
    let mut records = 0u64;
    let mut replayed = Ok(());
    while let Some((log, Named(_, takeover))) = merge.next()? {
        // Those before a snapshot say no more than its positions.
        marks.take(log, takeover.epoch(), &takeover.record());
        // What is wrong with the logs themselves is told first.
        if replayed.is_ok() {
            let fed = replay.feed(log, takeover.epoch(), takeover.offset(), &takeover.record());
            replayed = fed.map_err(cannot(log));
        }
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
    let takeovers = merge.into_sources();
    let mut has_lost = false;
    for (log, Named(_, takeover)) in &takeovers {
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
    if records > 0 || snapshot.is_some() {
        tracing::info!(
            snapshot = snapshot.map(|path| path.display().to_string()),
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
    let takeovers = takeovers.map(|(_, Named(_, it))| it);
    Ok((resumption, takeovers.into()))
}

/// Errors say which log it is.
struct Named(LogId, Takeover);

impl Source for Named {
    type Error = BootError;

    fn advance(&mut self) -> Result<bool, BootError> {
        self.1.advance().map_err(cannot(self.0))
    }

    fn time_ns(&self) -> u64 {
        self.1.record().time_ns
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
