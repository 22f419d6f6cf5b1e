//! The logs on disk: one file after another, each allocated whole before it is written.
//!
//! Written by the journal thread alone. `client-00007-0000.log` is segment 0 of the client log of epoch 7. The epoch is the start
//! number of the process and part of every order id: a new process takes the highest epoch found here plus one, and its files exist
//! durably before anything is sent. Records run on across segments.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::io::{LogFile, LogRead, Prepared};
use crate::journal::LogId;
use crate::journal::log::epoch_and_offset;
use crate::journal::mark::LOGS;
use crate::journal::record::BODY_OFFSET;
use crate::limits::{LOG_AHEAD_BYTES, LOG_NEXT_PATIENCE, LOG_SEGMENT_BYTES, LOG_ZERO_BYTES};
use crate::sys::log_file;

/// Files of one log of one epoch.
///
/// Zeros are written, and synced, a little ahead of the records (`prepare`): a sync behind a record then changes no metadata of the
/// file. The next file is made before it is needed, under another name, so that readers take no empty file for the log's end.
pub struct LogStore {
    directory: PathBuf,
    log: LogId,
    epoch: u16,
    segment: u32,
    file: log_file::LogFile,
    /// In the file
    offset: u64,
    /// Filled files that were not synced since
    filled: Vec<log_file::LogFile>,
    /// Whether a name in the directory is not durable
    renamed: bool,
    /// Made ahead of need
    next: Option<log_file::LogFile>,
    /// Zeros were written up to here, in bytes over all files
    zeroed: u64,
    /// Calls of `prepare` before the next file is tried again
    patience: u32,
    /// Syncs the file while others are synced
    syncer: Option<log_file::Syncer>,
    /// It does
    is_syncing: bool,
}

impl LogStore {
    /// Creates the first segment.
    pub fn create(directory: &Path, log: LogId, epoch: u16) -> io::Result<Self> {
        let file =
            log_file::LogFile::create(&segment_path(directory, log, epoch, 0), LOG_SEGMENT_BYTES)?;
        Ok(Self {
            directory: directory.to_owned(),
            log,
            epoch,
            segment: 0,
            file,
            offset: 0,
            filled: Vec::new(),
            renamed: false,
            next: None,
            zeroed: 0,
            patience: 0,
            syncer: None,
            is_syncing: false,
        })
    }

    /// Its syncs go beside those of other logs, on a thread of its own: where somebody waits for them.
    pub fn syncing_beside(mut self) -> io::Result<Self> {
        self.syncer = Some(log_file::Syncer::start("gh-sync")?);
        Ok(self)
    }

    /// Bytes over all files.
    fn written(&self) -> u64 {
        self.segment as u64 * LOG_SEGMENT_BYTES + self.offset
    }

    fn make_next(&self) -> io::Result<log_file::LogFile> {
        let path = segment_path(&self.directory, self.log, self.epoch, self.segment + 1);
        log_file::LogFile::create(&next_path(&path), LOG_SEGMENT_BYTES)
    }

    fn switch(&mut self) -> io::Result<()> {
        let mut next = match self.next.take() {
            Some(next) => next,
            None => self.make_next()?,
        };
        self.segment += 1;
        let path = segment_path(&self.directory, self.log, self.epoch, self.segment);
        next.rename(&path)?;
        self.renamed = true;
        self.filled.push(std::mem::replace(&mut self.file, next));
        self.offset = 0;
        Ok(())
    }
}

impl LogFile for LogStore {
    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = LOG_SEGMENT_BYTES - self.offset;
            if room == 0 {
                self.switch()?;
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(room as usize));
            self.file.write_at(now, self.offset)?;
            self.offset += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        for mut file in self.filled.drain(..) {
            file.sync()?;
        }
        if std::mem::take(&mut self.renamed) {
            log_file::sync_directory(&self.directory)?;
        }
        match &self.syncer {
            Some(syncer) if std::mem::take(&mut self.is_syncing) => self.file.sync_with(syncer),
            _ => self.file.sync(),
        }
    }

    fn begin_sync(&mut self) {
        debug_assert!(!self.is_syncing, "one at a time");
        let begun = |syncer: &log_file::Syncer| syncer.begin(&self.file);
        self.is_syncing = self.syncer.as_ref().is_some_and(begun);
    }

    fn prepare(&mut self, is_idle: bool) -> io::Result<Prepared> {
        static ZEROS: [u8; LOG_ZERO_BYTES] = [0; LOG_ZERO_BYTES];
        let written = self.written();
        self.zeroed = self.zeroed.max(written);
        let ahead = self.zeroed - written;
        if ahead >= LOG_AHEAD_BYTES || !is_idle && ahead > LOG_AHEAD_BYTES / 2 {
            return Ok(Prepared::Nothing);
        }
        let within = self.zeroed % LOG_SEGMENT_BYTES;
        let length = (LOG_SEGMENT_BYTES - within).min(LOG_ZERO_BYTES as u64) as usize;
        let file = if self.zeroed / LOG_SEGMENT_BYTES == self.segment as u64 {
            &mut self.file
        } else if let Some(next) = &mut self.next {
            next
        } else if self.patience > 0 {
            self.patience -= 1;
            return Ok(Prepared::Nothing);
        } else {
            match self.make_next() {
                Ok(next) => self.next.insert(next),
                Err(error) => {
                    self.patience = LOG_NEXT_PATIENCE;
                    return Ok(Prepared::NoNext(error));
                }
            }
        };
        file.write_at(&ZEROS[..length], within)?;
        file.sync()?;
        self.zeroed += length as u64;
        Ok(Prepared::Some)
    }
}

impl Drop for LogStore {
    /// A file that was made ahead of need and not used.
    fn drop(&mut self) {
        if let Some(next) = &self.next {
            let _ = fs::remove_file(next.path());
        }
    }
}

/// Writes what a [`LogStore`] of an earlier process did not, to the places where it belongs.
pub struct SegmentWriter {
    directory: PathBuf,
    log: LogId,
    epoch: u16,
    files: BTreeMap<u32, log_file::LogFile>,
}

impl SegmentWriter {
    /// For this log of this epoch.
    pub fn new(directory: &Path, log: LogId, epoch: u16) -> Self {
        Self {
            directory: directory.to_owned(),
            log,
            epoch,
            files: BTreeMap::new(),
        }
    }

    /// Writes `bytes` at this offset over all segments.
    pub fn write_at(&mut self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let (segment, within) = (
                (offset / LOG_SEGMENT_BYTES) as u32,
                offset % LOG_SEGMENT_BYTES,
            );
            let room = (LOG_SEGMENT_BYTES - within) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(room));
            let file = match self.files.entry(segment) {
                Entry::Occupied(open) => open.into_mut(),
                Entry::Vacant(place) => {
                    let path = segment_path(&self.directory, self.log, self.epoch, segment);
                    place.insert(match path.exists() {
                        true => log_file::LogFile::open(&path)?,
                        false => log_file::LogFile::create(&path, LOG_SEGMENT_BYTES)?,
                    })
                }
            };
            file.write_at(now, within)?;
            (bytes, offset) = (later, offset + now.len() as u64);
        }
        Ok(())
    }

    /// Makes all of it durable.
    pub fn sync(&mut self) -> io::Result<()> {
        self.files
            .values_mut()
            .try_for_each(log_file::LogFile::sync)
    }
}

/// Reads what [`LogStore`]s have written, of this epoch and of those before, by [`crate::journal::log::place`]; for a cold thread beside the journal's.
pub struct SegmentReader {
    directory: PathBuf,
    log: LogId,
    /// The last segment that was read, with its epoch: neighbours come one after the other
    open: Option<((u16, u32), File)>,
}

impl SegmentReader {
    /// Of the log that [`LogStore`]s with these values write.
    pub fn new(directory: &Path, log: LogId) -> Self {
        Self {
            directory: directory.to_owned(),
            log,
            open: None,
        }
    }

    /// `None`: there is no such segment, not yet or not any more.
    fn segment(&mut self, epoch: u16, segment: u32) -> io::Result<Option<&File>> {
        let wanted = (epoch, segment);
        if self.open.as_ref().is_none_or(|(open, _)| *open != wanted) {
            let path = segment_path(&self.directory, self.log, epoch, segment);
            match File::open(path) {
                Ok(file) => self.open = Some((wanted, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(self.open.as_ref().map(|(_, file)| file))
    }
}

impl LogRead for SegmentReader {
    fn read_at(&mut self, place: u64, into: &mut [u8]) -> io::Result<usize> {
        let (epoch, offset) = epoch_and_offset(place);
        let mut done = 0;
        while done < into.len() {
            let at = offset + done as u64;
            let within = at % LOG_SEGMENT_BYTES;
            let part = (into.len() - done).min((LOG_SEGMENT_BYTES - within) as usize);
            let Some(file) = self.segment(epoch, (at / LOG_SEGMENT_BYTES) as u32)? else {
                break;
            };
            match file.read_at(&mut into[done..done + part], within) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

/// File of a segment.
pub fn segment_path(directory: &Path, log: LogId, epoch: u16, segment: u32) -> PathBuf {
    directory.join(format!("{}-{epoch:05}-{segment:04}.log", log.name()))
}

/// File of what was cut from the end of a log that stands from this offset on in the files of an epoch.
pub fn aside_path(directory: &Path, log: LogId, epoch: u16, offset: u64) -> PathBuf {
    directory.join(format!("{}-{epoch:05}-at-{offset}.cut", log.name()))
}

/// Epoch of such a file.
fn aside_epoch(name: &str) -> Option<u16> {
    let (log, rest) = name.strip_suffix(".cut")?.split_once('-')?;
    let is_log = |of: &LogId| of.name() == log;
    LOGS.iter().find(|of| is_log(of))?;
    rest.split_once("-at-")?.0.parse().ok()
}

/// Writes what is about to be cut to a file of its own, durably. What is there already is kept as it is, where it has as much.
pub fn keep_aside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let before = fs::metadata(path).map_or(0, |there| there.len());
    if before >= bytes.len() as u64 {
        return Ok(());
    }
    let new = path.with_extension("cut.new");
    let _ = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    log_file::sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// Makes the log of an epoch end before this offset, durably and in such an order that a host that goes down meanwhile leaves a log that
/// ends there or later, without a hole.
pub fn take_out(directory: &Path, log: LogId, epoch: u16, offset: u64) -> io::Result<()> {
    let first = (offset / LOG_SEGMENT_BYTES) as u32;
    let path = |segment| segment_path(directory, log, epoch, segment);
    let later = (first + 1..).take_while(|segment| path(*segment).exists());
    for segment in later.collect::<Vec<_>>().into_iter().rev() {
        fs::remove_file(path(segment))?;
        log_file::sync_directory(directory)?;
    }
    if !path(first).exists() {
        // It was in the window alone.
        return Ok(());
    }
    let mut file = log_file::LogFile::open(&path(first))?;
    let (mut at, end) = (offset % LOG_SEGMENT_BYTES, file.length_bytes());
    // The first record's head goes first: what stands behind it is then behind the end.
    for most in [BODY_OFFSET as u64, u64::MAX] {
        let last = at.saturating_add(most).min(end);
        while at < last {
            let zeros = vec![0; (last - at).min(LOG_ZERO_BYTES as u64) as usize];
            file.write_at(&zeros, at)?;
            at += zeros.len() as u64;
        }
        file.sync()?;
    }
    Ok(())
}

/// Name of a segment while it is made.
fn next_path(segment: &Path) -> PathBuf {
    segment.with_extension("log.next")
}

/// Epoch of a file of any log, also of one that was made ahead of need and left by a process that was killed, or of what was cut.
pub(super) fn epoch_of(name: &str) -> Option<u16> {
    let aside = aside_epoch(name);
    let segment = name.strip_suffix(".next").unwrap_or(name);
    let logs = [LogId::Client, LogId::Order, LogId::Desk];
    let parse = |&log: &LogId| parse_segment_name(segment, log);
    let of_log = logs.iter().find_map(parse).map(|(epoch, _)| epoch);
    of_log.or(aside)
}

/// Epoch and segment of a file of this log; `None` for any other file.
pub fn parse_segment_name(name: &str, log: LogId) -> Option<(u16, u32)> {
    let numbers = name.strip_prefix(log.name())?.strip_prefix('-')?;
    let (epoch, segment) = numbers.strip_suffix(".log")?.split_once('-')?;
    Some((epoch.parse().ok()?, segment.parse().ok()?))
}

/// The epoch after the highest of which there is a file, and after this one.
pub fn next_epoch(directory: &Path, mut highest: u16) -> io::Result<u16> {
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let epoch = name.to_str().and_then(epoch_of);
        highest = highest.max(epoch.unwrap_or(0));
    }
    highest.checked_add(1).ok_or_else(|| {
        io::Error::other(format!(
            "{}: all 65535 start numbers are used; choose another log_directory for a new series of order ids",
            directory.display()
        ))
    })
}

/// The whole log of an epoch, as bytes for [`crate::journal::record::Records`].
pub fn read(directory: &Path, log: LogId, epoch: u16) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for segment in 0.. {
        match fs::read(segment_path(directory, log, epoch, segment)) {
            Ok(part) => bytes.extend_from_slice(&part),
            Err(error) if error.kind() == io::ErrorKind::NotFound && segment > 0 => {
                return Ok(bytes);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::log::place;

    #[test]
    fn zeros_run_ahead_into_a_file_that_readers_do_not_see() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = LogStore::create(directory.path(), LogId::Order, 1).unwrap();
        let names = || fs::read_dir(directory.path()).unwrap().count();
        while matches!(store.prepare(true).unwrap(), Prepared::Some) {}
        assert_eq!((store.zeroed, names()), (LOG_AHEAD_BYTES, 1));
        assert!(matches!(store.prepare(false).unwrap(), Prepared::Nothing));
        let block = vec![7u8; (LOG_SEGMENT_BYTES - LOG_AHEAD_BYTES / 4) as usize];
        store.append(&block).unwrap();
        while matches!(store.prepare(true).unwrap(), Prepared::Some) {}
        assert_eq!(store.zeroed, store.written() + LOG_AHEAD_BYTES);
        assert_eq!(names(), 2);
        let second = segment_path(directory.path(), LogId::Order, 1, 1);
        assert!(!second.exists());
        let before = store.zeroed;
        store
            .append(&vec![8u8; LOG_AHEAD_BYTES as usize / 2])
            .unwrap();
        store.sync().unwrap();
        assert!(second.exists());
        assert_eq!((store.segment, store.zeroed), (1, before));
        let bytes = read(directory.path(), LogId::Order, 1).unwrap();
        let (old, new) = bytes[block.len()..].split_at(LOG_AHEAD_BYTES as usize / 2);
        assert!(old.iter().all(|&b| b == 8) && new.iter().all(|&b| b == 0));
    }

    #[test]
    fn epochs_rise_and_segments_join() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(next_epoch(directory.path(), 0).unwrap(), 1);
        let mut store = LogStore::create(directory.path(), LogId::Order, 1).unwrap();
        let block = vec![7u8; LOG_SEGMENT_BYTES as usize / 2 + 1];
        store.append(&block).unwrap();
        store.append(&block).unwrap();
        store.sync().unwrap();
        assert_eq!(next_epoch(directory.path(), 0).unwrap(), 2);
        assert_eq!(next_epoch(directory.path(), 7).unwrap(), 8);
        // Of other files it takes no note.
        fs::write(directory.path().join("copy-65535-0000.log"), b"").unwrap();
        fs::write(directory.path().join("desk-00003-0001.log.next"), b"").unwrap();
        assert_eq!(next_epoch(directory.path(), 0).unwrap(), 4);
        let mut over_the_edge = [9u8; 8];
        let mut reader = SegmentReader::new(directory.path(), LogId::Order);
        let edge = place(1, LOG_SEGMENT_BYTES - 4);
        assert_eq!(reader.read_at(edge, &mut over_the_edge).unwrap(), 8);
        assert_eq!(over_the_edge, [7, 7, 7, 7, 7, 7, 0, 0]);
        assert_eq!(
            reader
                .read_at(place(1, 2 * LOG_SEGMENT_BYTES), &mut over_the_edge)
                .unwrap(),
            0
        );
        let bytes = read(directory.path(), LogId::Order, 1).unwrap();
        assert_eq!(bytes.len() as u64, 2 * LOG_SEGMENT_BYTES);
        assert!(bytes[..2 * block.len()].iter().all(|&b| b == 7));
        assert!(bytes[2 * block.len()..].iter().all(|&b| b == 0));
    }

    #[test]
    fn syncs_go_beside_each_other_and_over_the_edge_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let stores = [LogId::Client, LogId::Order].map(|log| {
            let store = LogStore::create(directory.path(), log, 1).unwrap();
            store.syncing_beside().unwrap()
        });
        let block = vec![7u8; LOG_SEGMENT_BYTES as usize / 2 + 1];
        let mut stores = stores;
        for _ in 0..3 {
            for store in &mut stores {
                store.append(&block).unwrap();
                store.begin_sync();
            }
            for store in &mut stores {
                store.sync().unwrap();
                assert!(store.filled.is_empty() && !store.is_syncing);
                store.prepare(false).unwrap();
                // Nothing was begun: it syncs by itself.
                store.sync().unwrap();
            }
        }
        assert_eq!(stores[1].segment, 1);
    }

    #[test]
    fn what_is_taken_out_reaches_over_files_and_leaves_no_hole() {
        let room = tempfile::tempdir().unwrap();
        let mut writer = SegmentWriter::new(room.path(), LogId::Desk, 3);
        let (edge, block) = (LOG_SEGMENT_BYTES, [7u8; 4096]);
        writer.write_at(&block, edge - 2048).unwrap();
        writer.write_at(&block, 0).unwrap();
        take_out(room.path(), LogId::Desk, 3, edge - 24).unwrap();
        let first = segment_path(room.path(), LogId::Desk, 3, 0);
        assert!(!segment_path(room.path(), LogId::Desk, 3, 1).exists());
        let bytes = fs::read(&first).unwrap();
        assert!(
            bytes[..4096] == block
                && bytes[edge as usize - 2048..edge as usize - 24] == block[..2024]
        );
        assert!(bytes[edge as usize - 24..].iter().all(|&b| b == 0));
        // Once more, as after a start that was cut short; and of a log that no file has.
        take_out(room.path(), LogId::Desk, 3, edge - 24).unwrap();
        take_out(room.path(), LogId::Desk, 4, 99).unwrap();
        assert!(fs::read(&first).unwrap() == bytes);
    }

    #[test]
    fn what_is_kept_aside_is_not_written_over_by_less() {
        let room = tempfile::tempdir().unwrap();
        let path = aside_path(room.path(), LogId::Order, 12, 480);
        for (bytes, kept) in [
            (&b"records"[..], &b"records"[..]),
            (b"rec", b"records"),
            (b"records and more", b"records and more"),
        ] {
            keep_aside(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), kept);
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(aside_epoch(name), Some(12));
        assert_eq!(parse_segment_name(name, LogId::Order), None);
        assert_eq!(aside_epoch("order-00012-0000.log"), None);
        assert_eq!(aside_epoch("other-00012-at-1.cut"), None);
    }
}
