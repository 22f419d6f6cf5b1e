//! How long logs stay on disk, how much of it they may take, and whether a day fits.
//!
//! Cold: at the start, and once an hour on the main thread. Whole epochs are removed, oldest first, and never one that a restart
//! could need, that was written today, or that `log_keep_days` keeps.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::boot::{BootError, failed};
use super::log_store::{next_path_epoch, parse_segment_name};
use crate::config::plan::StatePlan;
use crate::journal::LogId;
use crate::limits::{
    LOG_BYTES_PER_REQUEST, LOG_DISK_WARN_PERCENT, LOG_EPOCHS_KEPT, LOG_SEGMENT_BYTES,
};
use crate::sys::log_file::available_bytes;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What was done, and what is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Epochs whose files were removed
    pub removed: Vec<u16>,
    /// Their bytes
    pub removed_bytes: u64,
    /// Bytes of the files that are left
    pub kept_bytes: u64,
}

/// First epoch that a restart needs where `next` is the number of the next start: sessions go on from the last epoch, and orders of
/// the one before may be carried in it.
pub fn oldest_needed(next: u16) -> u16 {
    next.saturating_sub(LOG_EPOCHS_KEPT)
}

/// Removes what need not be kept of the epochs before `oldest_needed`. `now` is the operator's clock.
pub fn prune(state: &StatePlan, oldest_needed: u16, now: SystemTime) -> io::Result<Pruned> {
    let mut pruned = Pruned::default();
    let epochs = epochs(&state.log_directory)?;
    let mut total: u64 = epochs.values().map(|epoch| epoch.bytes).sum();
    for (&number, epoch) in &epochs {
        let age = now.duration_since(epoch.last_write).unwrap_or_default();
        let days = state.log_keep_days;
        let is_kept = days > 0 && age < DAY * days;
        let is_over = state.log_disk_max_bytes > 0 && total > state.log_disk_max_bytes;
        let is_old = days > 0 && !is_kept;
        if number >= oldest_needed || is_today(epoch.last_write, now) || is_kept {
            continue;
        }
        if is_old || is_over {
            for file in &epoch.files {
                fs::remove_file(file)?;
            }
            total -= epoch.bytes;
            pruned.removed.push(number);
            pruned.removed_bytes += epoch.bytes;
        }
    }
    pruned.kept_bytes = total;
    Ok(pruned)
}

/// Whether both lie on one day, UTC; what comes from the future is of today.
fn is_today(written: SystemTime, now: SystemTime) -> bool {
    let day = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default().as_secs() / DAY.as_secs()
    };
    day(written) >= day(now)
}

struct Epoch {
    files: Vec<PathBuf>,
    bytes: u64,
    last_write: SystemTime,
}

fn epochs(directory: &Path) -> io::Result<BTreeMap<u16, Epoch>> {
    let mut epochs = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let logs = [LogId::Client, LogId::Order, LogId::Desk];
        let number = logs
            .iter()
            .find_map(|&log| parse_segment_name(name, log).map(|(epoch, _)| epoch))
            .or_else(|| next_path_epoch(name));
        let (Some(number), Ok(metadata)) = (number, entry.metadata()) else {
            continue;
        };
        let epoch = epochs.entry(number).or_insert(Epoch {
            files: Vec::new(),
            bytes: 0,
            last_write: SystemTime::UNIX_EPOCH,
        });
        epoch.files.push(entry.path());
        epoch.bytes += metadata.len();
        epoch.last_write = epoch.last_write.max(metadata.modified()?);
    }
    Ok(epochs)
}

/// Bytes of the files that a day of as many requests as configured needs, the ones made ahead included.
pub fn day_bytes(state: &StatePlan) -> u64 {
    let of_log = |bytes: &u64| {
        let records = state.requests_per_day_max as u64 * bytes;
        (records.div_ceil(LOG_SEGMENT_BYTES) + 1) * LOG_SEGMENT_BYTES
    };
    LOG_BYTES_PER_REQUEST.iter().map(of_log).sum()
}

/// At the start: removes what need not be kept, and refuses to start where a day does not fit.
pub(super) fn make_room(state: &StatePlan, next_epoch: u16) -> Result<(), BootError> {
    let directory = &state.log_directory;
    let what = format!("cannot look after {}", directory.display());
    let pruned =
        prune(state, oldest_needed(next_epoch), SystemTime::now()).map_err(failed(what.clone()))?;
    tell(state, &pruned);
    let (available, needed) = (
        available_bytes(directory).map_err(failed(what))?,
        day_bytes(state),
    );
    if available < needed {
        let error = io::Error::new(
            io::ErrorKind::StorageFull,
            format!(
                "{} MiB are free, and a day of {} requests takes {} MiB; free some, set log_keep_days or log_disk_max_bytes, \
                 or lower requests_per_day_max",
                available >> 20,
                state.requests_per_day_max,
                needed >> 20
            ),
        );
        return Err(failed(format!(
            "no room for a day's logs in {}",
            directory.display()
        ))(error));
    }
    Ok(())
}

/// Once an hour: the same while the gateway of this epoch runs; what an operator should know.
pub(super) fn look(state: &StatePlan, epoch: u16) -> io::Result<Vec<String>> {
    let pruned = prune(
        state,
        oldest_needed(epoch.saturating_add(1)),
        SystemTime::now(),
    )?;
    tell(state, &pruned);
    let mut warnings = Vec::new();
    let (available, day) = (available_bytes(&state.log_directory)?, day_bytes(state));
    if available < day {
        warnings.push(format!(
            "{} MiB are free for logs: less than a day ({} MiB)",
            available >> 20,
            day >> 20
        ));
    }
    let max = state.log_disk_max_bytes;
    if max > 0 && pruned.kept_bytes / 100 >= max / 10_000 * LOG_DISK_WARN_PERCENT {
        warnings.push(format!(
            "logs take {} MiB of the {} MiB of log_disk_max_bytes, and what is left may not be removed yet",
            pruned.kept_bytes >> 20,
            max >> 20
        ));
    }
    Ok(warnings)
}

fn tell(state: &StatePlan, pruned: &Pruned) {
    if !pruned.removed.is_empty() {
        tracing::info!(
            epochs = ?pruned.removed,
            bytes = pruned.removed_bytes,
            directory = %state.log_directory.display(),
            "old logs were removed"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::log_store::segment_path;
    use crate::config::sample::Sample;
    use std::fs::File;

    /// Ten epochs of 1,000 bytes, a day apart; number 10 is of today.
    fn ten_days(directory: &Path, now: SystemTime) -> StatePlan {
        for epoch in 1..=10u16 {
            let path = segment_path(directory, LogId::Desk, epoch, 0);
            let file = File::create(&path).unwrap();
            file.set_len(1_000).unwrap();
            file.set_modified(now - DAY * (10 - epoch as u32)).unwrap();
        }
        let mut state = Sample::new(directory).plan().state;
        state.log_directory = directory.to_owned();
        state
    }

    #[test]
    fn epochs_go_by_age_and_budget_and_never_what_is_needed() {
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000 + DAY / 2;
        let cases: [(u32, u64, u16, &[u16]); 6] = [
            (0, 0, 9, &[]),
            (3, 0, 9, &[1, 2, 3, 4, 5, 6, 7]),
            (3, 0, 4, &[1, 2, 3]),
            (0, 7_500, 9, &[1, 2, 3]),
            (9, 1, 11, &[1]),
            (0, 1, 11, &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ];
        for (days, max, needed, removed) in cases {
            let directory = tempfile::tempdir().unwrap();
            let mut state = ten_days(directory.path(), now);
            (state.log_keep_days, state.log_disk_max_bytes) = (days, max);
            let pruned = prune(&state, needed, now).unwrap();
            assert_eq!(pruned.removed, removed, "{days} {max} {needed}");
            let left = fs::read_dir(directory.path()).unwrap().count();
            assert_eq!(left, 10 - removed.len());
            assert_eq!(pruned.kept_bytes, 1_000 * left as u64);
        }
    }

    #[test]
    fn a_day_that_does_not_fit_is_refused_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = Sample::new(directory.path()).plan().state;
        state.log_directory = directory.path().to_owned();
        make_room(&state, 1).expect("room for a day");
        state.requests_per_day_max = 1 << 45;
        let error = make_room(&state, 1).expect_err("no such disk");
        assert!(
            error.to_string().contains("requests_per_day_max"),
            "{error}"
        );
    }
}
