//! Reading the page: of this process (the words themselves) or of another (its file), into a state that says what was found.
//!
//! A reader takes one copy and judges the copy, so that nothing moves under it. The file is read, not mapped: a file that another
//! process truncates cannot kill the reader. Nothing in the page is believed before it is checked against the copy's size.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Acquire};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::catalog::{Histogram, Stage, catalogue_hash};
use super::page::{
    AccountRow, Header, HistogramBlock, LAYOUT_VERSION, LinkRow, MAGIC, Section, SessionRow,
    StageBlock,
};
use super::snapshot::{
    AccountSnapshot, LatencySnapshot, LinkSnapshot, LossWindowSnapshot, SessionSnapshot, Snapshot,
    StageSnapshot,
};
use crate::limits::STATUS_PAGE_BYTES_MAX;

/// A page without a duty cycle for this long belongs to a process that is dead or hangs. Idle stages wake up ten times as often.
pub const HEARTBEAT_DEAD_NS: u64 = 5_000_000_000;

/// What a reader found.
#[derive(Clone, Debug)]
pub enum State {
    /// There is no file.
    Absent(PathBuf),
    /// The page is being laid out.
    Starting,
    /// The page has another layout.
    WrongVersion {
        /// In the page.
        found: u64,
        /// Ours.
        wanted: u64,
    },
    /// The layout is ours but the counters are those of another build.
    OtherBuild,
    /// No status page, or a damaged one.
    Broken(&'static str),
    /// The process is gone, or no stage of it moves.
    Dead {
        /// It was.
        process_id: u64,
        /// Since the last duty cycle.
        heartbeat_age_ns: u64,
        /// What it left behind.
        last: Box<Snapshot>,
    },
    /// Live.
    Ready(Box<Snapshot>),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(path) => write!(
                f,
                "no status page at {}: is the gateway running, and with this status_file?",
                path.display()
            ),
            Self::Starting => f.write_str("the gateway is starting"),
            Self::WrongVersion { found, wanted } => write!(
                f,
                "the status page has layout {found}, this program reads {wanted}: use the program of the running version"
            ),
            Self::OtherBuild => f.write_str(
                "the status page is of another build of gatehouse: use the program of the running version",
            ),
            Self::Broken(why) => write!(f, "not a status page: {why}"),
            Self::Dead { process_id, last, .. } if last.stopped_wall_ns != 0 => {
                write!(f, "the gateway (pid {process_id}) was stopped")
            }
            Self::Dead { process_id, heartbeat_age_ns, .. } => write!(
                f,
                "the gateway (pid {process_id}) has not moved for {} s: dead or hanging",
                heartbeat_age_ns / 1_000_000_000
            ),
            Self::Ready(snapshot) => write!(f, "running, pid {}", snapshot.process_id),
        }
    }
}

/// Reads the page of another process. An error is one of the file system other than "not found".
pub fn read_file(path: &Path, now_wall_ns: u64) -> io::Result<State> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(State::Absent(path.to_path_buf()));
        }
        Err(error) => return Err(error),
    };
    let bytes = file.metadata()?.len();
    if bytes > STATUS_PAGE_BYTES_MAX {
        return Ok(State::Broken("the file is too large"));
    }
    let mut copy = vec![0u64; bytes as usize / 8];
    match file.read_exact(copy.as_mut_bytes()) {
        Ok(()) => Ok(judge(&copy, now_wall_ns)),
        // It shrank while we read: whoever did that is laying out a new one.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(State::Starting),
        Err(error) => Err(error),
    }
}

/// Reads a page of this process.
pub fn read_words(words: &[AtomicU64], now_wall_ns: u64) -> State {
    let copy: Vec<u64> = words.iter().map(|word| word.load(Acquire)).collect();
    judge(&copy, now_wall_ns)
}

fn judge(copy: &[u64], now_wall_ns: u64) -> State {
    let bytes = copy.as_bytes();
    let Ok((header, _)) = Header::ref_from_prefix(bytes) else {
        return State::Starting;
    };
    if header.layout_version == 0 {
        return match header.magic {
            MAGIC | [0, 0, 0, 0, 0, 0, 0, 0] => State::Starting,
            _ => State::Broken("it does not begin as one"),
        };
    }
    if header.magic != MAGIC {
        return State::Broken("it does not begin as one");
    }
    if header.layout_version != LAYOUT_VERSION {
        return State::WrongVersion {
            found: header.layout_version,
            wanted: LAYOUT_VERSION,
        };
    }
    if header.catalogue_hash != catalogue_hash() {
        return State::OtherBuild;
    }
    match snapshot(header, bytes, now_wall_ns) {
        None => State::Broken("its tables reach beyond its end"),
        Some(snapshot)
            if snapshot.stopped_wall_ns != 0 || snapshot.heartbeat_age_ns > HEARTBEAT_DEAD_NS =>
        {
            State::Dead {
                process_id: snapshot.process_id,
                heartbeat_age_ns: snapshot.heartbeat_age_ns,
                last: Box::new(snapshot),
            }
        }
        Some(snapshot) => State::Ready(Box::new(snapshot)),
    }
}

fn snapshot(header: &Header, bytes: &[u8], now_wall_ns: u64) -> Option<Snapshot> {
    let mut snapshot = Snapshot::header(header, now_wall_ns);
    let blocks: &[StageBlock] = table(bytes, header.stages)?;
    // Before the first cycle the start of the process counts as its first sign of life.
    // Only the hot stages count: a journal that still drains does not make a dead gateway live.
    let hot = blocks.iter().take(Stage::Journal as usize);
    let beats = hot.map(|block| block.heartbeat_wall_ns);
    let newest = beats.max()?.max(header.start_wall_ns);
    snapshot.heartbeat_age_ns = now_wall_ns.saturating_sub(newest);
    let ran = |block: &StageBlock| block.cycles != 0 || block.errors[0].code != 0;
    snapshot.stages = (Stage::ALL.iter().zip(blocks))
        .filter(|(stage, block)| ran(block) || **stage == Stage::Control)
        .map(|(&stage, block)| StageSnapshot::of(stage, block, now_wall_ns))
        .collect();
    snapshot.loss_windows = LossWindowSnapshot::all(blocks);
    let histograms: &[HistogramBlock] = table(bytes, header.histograms)?;
    snapshot.latencies = (Histogram::ALL.iter().zip(histograms))
        .map(|(&histogram, block)| LatencySnapshot::of(histogram, block))
        .collect();
    let sessions: &[SessionRow] = table(bytes, header.sessions)?;
    snapshot.sessions = sessions.iter().map(SessionSnapshot::of).collect();
    let links: &[LinkRow] = table(bytes, header.links)?;
    snapshot.links = links.iter().map(LinkSnapshot::of).collect();
    let accounts: &[AccountRow] = table(bytes, header.accounts)?;
    snapshot.accounts = accounts.iter().map(AccountSnapshot::of).collect();
    Some(snapshot)
}

/// The rows of a section, or `None` where it does not lie in the copy.
fn table<T>(bytes: &[u8], section: Section) -> Option<&[T]>
where
    T: FromBytes + Immutable + KnownLayout,
{
    if section.row_bytes != size_of::<T>() as u64 {
        return None;
    }
    let start = usize::try_from(section.offset_bytes).ok()?;
    let size = usize::try_from(section.count.checked_mul(section.row_bytes)?).ok()?;
    let bytes = bytes.get(start..start.checked_add(size)?)?;
    <[T]>::ref_from_bytes(bytes).ok()
}
