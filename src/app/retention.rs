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
use super::log_reader::{LogPlace, LogReader};
use super::log_store::epoch_of;
use super::starts;
use crate::config::plan::StatePlan;
use crate::journal::mark::LOGS;
use crate::limits::{
    LOG_BYTES_PER_REQUEST, LOG_DISK_WARN_PERCENT, LOG_EPOCHS_KEPT, LOG_SEGMENT_BYTES,
};
use crate::sys::log_file::{available_bytes, sync_directory};

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

/// First epoch that a restart needs, where this one begins: what the replay says, and the starts just before, whose logs may have what no
/// replay has seen yet.
pub fn oldest_needed(needed: u16, next: u16) -> u16 {
    needed.min(next.saturating_sub(LOG_EPOCHS_KEPT))
}

/// Removes what need not be kept of the epochs before `oldest_needed`: the oldest ones of all logs together, up to the first that is kept.
/// `now` is the operator's clock.
pub fn prune(state: &StatePlan, oldest_needed: u16, now: SystemTime) -> io::Result<Pruned> {
    prune_in_steps(state, oldest_needed, now, &mut || Ok(()))
}

/// `step` is called before each change; tests stop there.
fn prune_in_steps(
    state: &StatePlan,
    oldest_needed: u16,
    now: SystemTime,
    step: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<Pruned> {
    let directory = &state.log_directory;
    let mut pruned = Pruned::default();
    let mut starts = starts::read(directory)?.unwrap_or_default();
    let epochs = epochs(directory)?;
    let kept = epochs.range(starts.first..);
    let mut total: u64 = kept.clone().map(|(_, epoch)| epoch.bytes).sum();
    let mut first = starts.first;
    for (&number, epoch) in kept {
        let age = now.duration_since(epoch.last_write).unwrap_or_default();
        let days = state.log_keep_days;
        let is_kept = days > 0 && age < DAY * days;
        let is_over = state.log_disk_max_bytes > 0 && total > state.log_disk_max_bytes;
        let is_old = days > 0 && !is_kept;
        let must_stay = number >= oldest_needed || is_today(epoch.last_write, now) || is_kept;
        if must_stay || !(is_old || is_over) {
            break;
        }
        total -= epoch.bytes;
        first = number + 1;
    }
    if first > starts.first
        && let Some(before) = sequences_before(directory, first)?
    {
        (starts.first, starts.before) = (first, before);
        step()?;
        starts::write(directory, &starts)?;
    }
    // From here on nobody reads them; what is not removed now is removed the next time.
    for (&number, epoch) in epochs.range(..starts.first) {
        for file in &epoch.files {
            step()?;
            fs::remove_file(file)?;
        }
        pruned.removed.push(number);
        pruned.removed_bytes += epoch.bytes;
    }
    if !pruned.removed.is_empty() {
        step()?;
        sync_directory(directory)?;
    }
    let kept = epochs.range(starts.first..);
    pruned.kept_bytes = kept.map(|(_, epoch)| epoch.bytes).sum();
    Ok(pruned)
}

/// Last sequences of the logs before this epoch, by the first records since; `None` where a log has none yet.
fn sequences_before(directory: &Path, epoch: u16) -> io::Result<Option<[u64; 3]>> {
    let place = LogPlace {
        first_epoch: epoch,
        ..LogPlace::new(directory, None)
    };
    let mut before = [0; 3];
    for (log, before) in LOGS.into_iter().zip(&mut before) {
        let mut reader = LogReader::open(place.clone(), log).map_err(io::Error::other)?;
        match reader.advance() {
            Ok(true) => *before = reader.record().sequence - 1,
            // Damage is for the next start to tell.
            Ok(false) | Err(_) => return Ok(None),
        }
    }
    Ok(Some(before))
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
        let number = name.to_str().and_then(epoch_of);
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

/// Bytes of the files that as many requests as configured for a day need, without those `taken` already; the files made ahead included.
pub fn day_bytes(state: &StatePlan, taken: usize) -> u64 {
    let left = state.requests_per_day_max.saturating_sub(taken) as u64;
    let of_log = |bytes: &u64| {
        let records = left * bytes;
        (records.div_ceil(LOG_SEGMENT_BYTES) + 1) * LOG_SEGMENT_BYTES
    };
    LOG_BYTES_PER_REQUEST.iter().map(of_log).sum()
}

/// At the start: removes what need not be kept, and refuses to start where what is left of a day with so many requests `taken` does
/// not fit.
pub(super) fn make_room(
    state: &StatePlan,
    needed: u16,
    next_epoch: u16,
    taken: usize,
) -> Result<(), BootError> {
    let directory = &state.log_directory;
    let what = format!("cannot look after {}", directory.display());
    let pruned = prune(state, oldest_needed(needed, next_epoch), SystemTime::now())
        .map_err(failed(what.clone()))?;
    tell(state, &pruned);
    let (available, needed) = (
        available_bytes(directory).map_err(failed(what))?,
        day_bytes(state, taken),
    );
    if available < needed {
        let error = io::Error::new(
            io::ErrorKind::StorageFull,
            format!(
                "{} MiB are free, and a day of {} requests, of which {taken} are taken, needs {} MiB more; free some, set log_keep_days \
                 or log_disk_max_bytes, or lower requests_per_day_max",
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
pub(super) fn look(state: &StatePlan, needed: u16, epoch: u16) -> io::Result<Vec<String>> {
    let pruned = prune(state, oldest_needed(needed, epoch), SystemTime::now())?;
    tell(state, &pruned);
    let mut warnings = Vec::new();
    let (available, day) = (available_bytes(&state.log_directory)?, day_bytes(state, 0));
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
    use crate::app::takeover::Takeover;
    use crate::config::sample::Sample;
    use crate::journal::{Cause, Log, LogId, RecordKind, start};
    use ringbuf::byte_log::{self, Region};
    use std::fs::File;

    const DAYS: u16 = 10;

    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 20_000 + DAY / 2
    }

    /// Ten epochs with a file of 1,000 bytes for each log, a day apart; number 10 is of today. Each log has three records in each.
    fn ten_days(room: &Path) -> StatePlan {
        let mut state = Sample::new(room).plan().state;
        state.log_directory = room.join("log");
        fs::create_dir(&state.log_directory).unwrap();
        for epoch in 1..=DAYS {
            for log in LOGS {
                let (writer, mut reader) = byte_log::create(Region::heap(1 << 12)).unwrap();
                let mut written = Log::new(log, writer).behind(3 * (epoch as u64 - 1));
                for _ in 0..3 {
                    let text = start::text(log, "tests", epoch);
                    let cause = Cause::default();
                    written.append(RecordKind::Start, 0, cause, 1, text.as_bytes());
                }
                let mut bytes = Vec::new();
                while let Some(frame) = reader.next() {
                    bytes.extend_from_slice(frame.bytes);
                }
                bytes.resize(1_000, 0);
                let path = segment_path(&state.log_directory, log, epoch, 0);
                fs::write(&path, bytes).unwrap();
                age(&path, (DAYS - epoch) as u32);
            }
        }
        state
    }

    fn age(path: &Path, days: u32) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(noon() - DAY * days).unwrap();
    }

    /// What a start reads: the first epoch, and how many records of each log; each is checked to follow the one before.
    fn read(state: &StatePlan) -> [(u16, usize); 3] {
        LOGS.map(|log| {
            let starts = starts::read(&state.log_directory).unwrap();
            let place = LogPlace::new(&state.log_directory, None);
            let takeover = Takeover::open(place, log, None).unwrap();
            let mut takeover = takeover.knowing(starts);
            let (mut first, mut records) = (0, 0);
            while takeover.advance().expect("nothing is missing") {
                records += 1;
                first = if first == 0 { takeover.epoch() } else { first };
            }
            (first, records)
        })
    }

    #[test]
    fn epochs_go_by_age_and_budget_and_never_what_is_needed() {
        let cases: [(u32, u64, u16, u16); 6] = [
            (0, 0, 9, 0),
            (3, 0, 9, 7),
            (3, 0, 4, 3),
            (0, 22_500, 9, 3),
            (9, 1, 11, 1),
            (0, 1, 11, 9),
        ];
        for (days, max, needed, removed) in cases {
            let room = tempfile::tempdir().unwrap();
            let mut state = ten_days(room.path());
            (state.log_keep_days, state.log_disk_max_bytes) = (days, max);
            let pruned = prune(&state, needed, noon()).unwrap();
            let expected: Vec<_> = (1..=removed).collect();
            assert_eq!(pruned.removed, expected, "{days} {max} {needed}");
            let left = fs::read_dir(&state.log_directory).unwrap().count();
            assert_eq!(left, 3 * (DAYS - removed) as usize);
            assert_eq!(pruned.kept_bytes, 1_000 * left as u64);
            assert_eq!(read(&state), [(removed + 1, left); 3]);
        }
    }

    #[test]
    fn what_follows_an_epoch_that_is_kept_is_kept() {
        let room = tempfile::tempdir().unwrap();
        let mut state = ten_days(room.path());
        state.log_keep_days = 3;
        // Written when the clock was ahead.
        age(&segment_path(&state.log_directory, LogId::Order, 4, 0), 0);
        assert_eq!(prune(&state, 9, noon()).unwrap().removed, [1, 2, 3]);
        assert_eq!(read(&state), [(4, 21); 3]);
        // One that somebody removed is missed.
        fs::remove_file(segment_path(&state.log_directory, LogId::Client, 4, 0)).unwrap();
        let starts = starts::read(&state.log_directory).unwrap();
        let place = LogPlace::new(&state.log_directory, None);
        let takeover = Takeover::open(place, LogId::Client, None).unwrap();
        let told = takeover.knowing(starts).advance().unwrap_err().to_string();
        assert!(
            told.contains("(gap)") && told.contains("client-00005"),
            "{told}"
        );
    }

    /// Stopped before every step: what is left is whole from one epoch on, for all logs the same, and the next time the rest goes.
    #[test]
    fn a_removal_that_is_cut_short_leaves_whole_logs() {
        for steps in 0.. {
            let room = tempfile::tempdir().unwrap();
            let mut state = ten_days(room.path());
            state.log_keep_days = 3;
            let mut left = steps;
            let done = prune_in_steps(&state, 9, noon(), &mut || {
                left -= 1;
                match left < 0 {
                    true => Err(io::Error::other("killed")),
                    false => Ok(()),
                }
            });
            let first = if steps == 0 { 1 } else { 8 };
            let records = 3 * (DAYS - first + 1) as usize;
            assert_eq!(read(&state), [(first, records); 3], "after {steps} steps");
            // Nothing more is to be kept or removed by age: the rest of the removal is made up for.
            state.log_keep_days = 0;
            prune(&state, 9, noon()).unwrap();
            let files = fs::read_dir(&state.log_directory).unwrap().count();
            assert_eq!(files, records, "after {steps} steps");
            if done.is_ok() {
                // The mark, 21 files, the directory.
                assert_eq!(steps, 23);
                break;
            }
        }
    }

    #[test]
    fn a_day_that_does_not_fit_is_refused_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = Sample::new(directory.path()).plan().state;
        state.log_directory = directory.path().to_owned();
        make_room(&state, 0, 1, 0).expect("room for a day");
        state.requests_per_day_max = 1 << 45;
        let error = make_room(&state, 0, 1, 0).expect_err("no such disk");
        assert!(
            error.to_string().contains("requests_per_day_max"),
            "{error}"
        );
        // What the day has had already stands on the disk.
        make_room(&state, 0, 1, (1 << 45) - 100).expect("room for the rest");
        make_room(&state, 0, 1, 1 << 46).expect("no more is taken");
    }
}
