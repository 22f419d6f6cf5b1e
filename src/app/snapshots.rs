//! Snapshots on disk: the newest that fits is where a start goes on reading the logs, and a new one is made from it and what follows.
//!
//! Cold: at a start, and in a process of its own beside the gateway (`gatehouse log snapshot`). They lie beside the logs, the two newest that fit. What
//! always holds: a snapshot goes no further than what is on disk; it has its name only when it is whole and durable; one that does not
//! fit is told and left aside, and the one before it, or the whole log, takes its place.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log_reader::{LogError, LogPlace, LogReader};
use super::log_store::segment_path;
use super::merge::Merge;
use crate::config::plan::Plan;
use crate::journal::mark::LOGS;
use crate::journal::read::{Why, claimed_sequence};
use crate::journal::snapshot::{self, Heading, Position, Unfit};
use crate::journal::{LogId, Record};
use crate::stage::replay::{Replay, ReplayError};
use crate::sys::log_file::{available_bytes, sync_directory};

const TEMPORARY: &str = "snapshot.tmp";

/// Why no snapshot was made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The logs.
    #[error("{0}")]
    Log(#[from] LogError),
    /// What they say.
    #[error("{0}")]
    Replay(#[from] ReplayError),
    /// Its file.
    #[error("{}: {error}", .path.display())]
    Io {
        /// File or directory
        path: PathBuf,
        /// What the system said
        error: io::Error,
    },
}

/// A snapshot that was made.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its file
    pub path: PathBuf,
    /// Its bytes
    pub bytes: u64,
    /// Records of the logs that were read for it
    pub records: u64,
    /// How far the client, order and desk log are in it
    pub positions: [Position; 3],
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SnapshotError {
    let path = path.to_owned();
    move |error| SnapshotError::Io { path, error }
}

/// A replay of which no record was read. Its tables are hashed with a number that nobody outside can know.
pub fn nothing(plan: &Arc<Plan>) -> Replay {
    Replay::new(plan.clone(), hash_seed())
}

fn hash_seed() -> u64 {
    RandomState::new().hash_one(0u8)
}

/// Snapshots in this directory of logs, newest first.
pub fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        found.extend(name.and_then(number).map(|number| (number, path.clone())));
    }
    found.sort_unstable();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

/// How many records of all logs the newest one has, if there is one.
pub fn newest_records(directory: &Path) -> Option<u64> {
    let newest = files(directory).ok()?.into_iter().next()?;
    number(newest.file_name()?.to_str()?)
}

/// Records of all logs that are in it, which only rises.
fn number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("snapshot-")?.strip_suffix(".state")?;
    number.parse().ok()
}

/// The replay of the newest snapshot that fits the plan and the logs in this place, with its file. What does not fit is told.
pub fn newest(plan: &Arc<Plan>, place: &LogPlace) -> Option<(Replay, PathBuf)> {
    let files = files(&place.directory).unwrap_or_default();
    files
        .into_iter()
        .find_map(|path| match load(plan, place, &path) {
            Ok(replay) => Some((replay, path)),
            Err(why) => {
                tracing::warn!(
                    snapshot = %path.display(),
                    %why,
                    "a snapshot is left aside: more of the logs is read, which takes longer"
                );
                None
            }
        })
}

/// What this snapshot has.
pub fn load(plan: &Arc<Plan>, place: &LogPlace, path: &Path) -> Result<Replay, LoadError> {
    let bytes = fs::read(path)?;
    let reference = crate::stage::assembly::reference(plan);
    let (heading, state) = snapshot::read(&bytes, reference)?;
    for (log, position) in LOGS.into_iter().zip(&heading.positions) {
        if !fits(place, log, position)? {
            return Err(Unfit::Log(log.name()).into());
        }
    }
    let replay = Replay::load(plan.clone(), hash_seed(), state).ok_or(Unfit::State)?;
    match replay.positions() == heading.positions {
        true => Ok(replay),
        false => Err(Unfit::State.into()),
    }
}

/// How far the logs are in this snapshot, whatever its state: what stands behind is needed to go on from it.
pub fn positions(plan: &Plan, path: &Path) -> Result<[Position; 3], LoadError> {
    let bytes = fs::read(path)?;
    let reference = crate::stage::assembly::reference(plan);
    Ok(snapshot::read(&bytes, reference)?.0.positions)
}

/// Why a snapshot is left aside.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Itself.
    #[error("{0}")]
    Unfit(#[from] Unfit),
}

/// Whether the log has, on disk, the record up to which a snapshot goes.
fn fits(place: &LogPlace, log: LogId, position: &Position) -> io::Result<bool> {
    if position.epoch == 0 {
        return Ok(true);
    }
    // That start is being removed: its files may be there in part.
    if position.epoch < place.first_epoch {
        return Ok(false);
    }
    let segment = (position.last / place.segment_bytes) as u32;
    let path = segment_path(&place.directory, log, position.epoch, segment);
    let mut front = [0; 24];
    let read = File::open(path)
        .and_then(|file| read_over(&file, place, log, position, segment, &mut front));
    match read {
        Ok(()) => Ok(front[..4] == position.chain.crc.to_le_bytes()
            && claimed_sequence(&front) == Some(position.chain.sequence)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// A record's front may run on in the next file.
fn read_over(
    file: &File,
    place: &LogPlace,
    log: LogId,
    position: &Position,
    segment: u32,
    into: &mut [u8],
) -> io::Result<()> {
    let within = position.last % place.segment_bytes;
    let here = (place.segment_bytes - within).min(into.len() as u64) as usize;
    file.read_exact_at(&mut into[..here], within)?;
    if here == into.len() {
        return Ok(());
    }
    let next = segment_path(&place.directory, log, position.epoch, segment + 1);
    File::open(next)?.read_exact_at(&mut into[here..], 0)
}

/// Makes a snapshot of what the logs on disk have, up to these sequences of client, order and desk log where a gateway runs; without, no
/// process writes there, and all that is on disk is made durable first. `told` hears how many records were read.
pub fn take(
    plan: &Arc<Plan>,
    place: &LogPlace,
    through: Option<[u64; 3]>,
    told: &mut dyn FnMut(u64),
) -> Result<Taken, SnapshotError> {
    // What is only in a window may be lost with the host.
    let place = &LogPlace {
        staging: None,
        ..place.clone()
    };
    if through.is_none() {
        sync_all(place)?;
    }
    let (mut replay, base) = match newest(plan, place) {
        Some((replay, path)) => (replay, Some(path)),
        None => (nothing(plan), None),
    };
    let records = follow(&mut replay, place, through, told)?;
    let taken = write(place, &replay, records)?;
    for other in files(&place.directory).map_err(at(&place.directory))? {
        // What does not fit now never will.
        if other != taken.path && Some(&other) != base.as_ref() {
            fs::remove_file(&other).map_err(at(&other))?;
        }
    }
    Ok(taken)
}

/// Feeds what follows in the logs on disk, up to these sequences; returns how many records that were.
pub fn follow(
    replay: &mut Replay,
    place: &LogPlace,
    through: Option<[u64; 3]>,
    told: &mut dyn FnMut(u64),
) -> Result<u64, SnapshotError> {
    let positions = replay.positions();
    let open = |at: usize| {
        let reader = LogReader::open_behind(place.clone(), LOGS[at], &positions[at])?;
        let most = through.map_or(u64::MAX, |through| through[at]);
        Ok::<_, SnapshotError>((LOGS[at], Bounded { reader, most }))
    };
    let mut merge = Merge::new([open(0)?, open(1)?, open(2)?])?;
    let (mut fed, mut replayed) = (0u64, Ok(()));
    let records = merge.read_ahead(
        |_, _, _, _| (),
        |log, epoch, offset, record| {
            fed += 1;
            if fed.is_multiple_of(1 << 14) {
                told(fed);
            }
            replayed = replay.feed(log, epoch, offset, record);
            replayed.is_ok()
        },
    )?;
    replayed?;
    Ok(records)
}

/// A reader that ends with some record.
struct Bounded {
    reader: LogReader,
    most: u64,
}

impl super::merge::Source for Bounded {
    type Error = LogError;

    fn advance(&mut self) -> Result<bool, LogError> {
        loop {
            match self.reader.advance() {
                Ok(has_more) => return Ok(has_more && self.reader.record().sequence <= self.most),
                // What was being written when a host went down, or is behind what is durable.
                Err(LogError::Broken(broken)) if broken.why == Why::TornTail => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn record(&self) -> Record<'_> {
        self.reader.record()
    }

    fn place(&self) -> (u16, u64) {
        (self.reader.epoch(), self.reader.offset())
    }
}

fn write(place: &LogPlace, replay: &Replay, records: u64) -> Result<Taken, SnapshotError> {
    let positions = replay.positions();
    let heading = Heading {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        reference: replay.reference(),
        positions,
    };
    let state = replay.save();
    let head = snapshot::head(&heading, &state);
    let number: u64 = positions.iter().map(Position::sequence).sum();
    let directory = &place.directory;
    let path = directory.join(format!("snapshot-{number:020}.state"));
    let temporary = directory.join(TEMPORARY);
    // One writer at a time: that of a gateway that was killed may still be at work.
    let mut options = File::options();
    options.create(true).write(true).truncate(false);
    let mut file = options.open(&temporary).map_err(at(&temporary))?;
    file.try_lock()
        .map_err(|error| at(&temporary)(error.into()))?;
    // The logs' next segments go before: without them the gateway takes no orders.
    let wanted = (head.len() + state.len()) as u64 + LOGS.len() as u64 * place.segment_bytes;
    let mut fill = || {
        file.set_len(0)?;
        let available = available_bytes(directory)?;
        if available < wanted {
            let what = format!(
                "{} MiB are free, and {} MiB are left to the logs beside it: free some",
                available >> 20,
                wanted >> 20
            );
            return Err(io::Error::new(io::ErrorKind::StorageFull, what));
        }
        file.write_all(&head)?;
        file.write_all(&state)?;
        file.sync_all()
    };
    if let Err(error) = fill() {
        // Its room is wanted back, above all where there was too little.
        let _ = fs::remove_file(&temporary);
        return Err(at(&temporary)(error));
    }
    fs::rename(&temporary, &path).map_err(at(&path))?;
    sync_directory(directory).map_err(at(directory))?;
    Ok(Taken {
        path,
        bytes: (head.len() + state.len()) as u64,
        records,
        positions,
    })
}

/// What a process that was killed had written and not synced.
fn sync_all(place: &LogPlace) -> Result<(), SnapshotError> {
    let directory = &place.directory;
    for log in LOGS {
        let Some(epoch) = super::log_reader::epochs(directory, log)?.pop() else {
            continue;
        };
        for segment in 0.. {
            let path = segment_path(directory, log, epoch, segment);
            match File::open(&path).and_then(|file| file.sync_all()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(at(&path)(error)),
            }
        }
    }
    Ok(())
}
