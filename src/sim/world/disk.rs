//! The virtual disk: three logs' files as bytes, what of them is safe, and what goes wrong.
//!
//! Shared by the journal's files and the world on one thread. What always holds: what was synced without an error is still there, as it
//! was written; damage is done to copies, which a start then reads. What was not synced the window still has.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::sockets::Life;
use crate::io::{LogFile, LogRead};
use crate::journal::LogId;
use crate::journal::log::epoch_and_offset;
use crate::sim::random::Random;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
/// What is written at once, where a write is lost or lands elsewhere.
const PIECE_BYTES: usize = 64;
/// What is written whole or not at all.
const WORD: usize = 8;

/// What goes wrong next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DiskFault {
    /// Nothing.
    #[default]
    None,
    /// Every write fails; some of it may have been written.
    WriteFails,
    /// Every write fails for want of space.
    Full,
    /// Every sync fails, and what was not synced may be gone.
    SyncFails,
}

/// The file of one epoch.
#[derive(Clone, Debug, Default)]
struct File {
    epoch: u16,
    bytes: Vec<u8>,
    /// How many of them are safe
    safe: usize,
    /// What was given to it and is not safe: the window still has it
    pending: Vec<u8>,
}

/// One log: its epochs' files, oldest first.
#[derive(Clone, Debug, Default)]
struct Files {
    epochs: Vec<File>,
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    logs: [Files; 3],
    /// What goes wrong now
    pub fault: DiskFault,
    /// Writes and syncs made
    pub operations: u64,
}

/// What was done to a copy of a disk.
pub struct Damage {
    /// The copy
    pub disk: Disk,
    /// What, in words
    pub what: &'static str,
    /// Which log, its epoch, and the first byte
    pub at: (usize, u16, usize),
}

/// Index of a log's files.
pub fn index(log: LogId) -> usize {
    match log {
        LogId::Client => 0,
        LogId::Order => 1,
        LogId::Desk => 2,
        LogId::None => unreachable!("no log has no file"),
    }
}

impl Disk {
    /// A new file for this epoch of the log.
    pub fn create(disk: &Rc<RefCell<Self>>, log: LogId, epoch: u16, life: &Rc<Life>) -> DiskFile {
        let file = File {
            epoch,
            ..File::default()
        };
        disk.borrow_mut().logs[index(log)].epochs.push(file);
        DiskFile {
            disk: disk.clone(),
            log: index(log),
            life: life.clone(),
        }
    }

    /// The bytes of each epoch of a log.
    pub fn read(&self, log: usize) -> impl Iterator<Item = (u16, &[u8])> {
        let epochs = self.logs[log].epochs.iter();
        epochs.map(|file| (file.epoch, &file.bytes[..]))
    }

    /// Bytes of the last file of a log, and how many of them are safe.
    pub fn ends(&self, log: usize) -> (usize, usize) {
        let last = self.logs[log].epochs.last();
        last.map_or((0, 0), |file| (file.bytes.len(), file.safe))
    }

    /// What was left in a window is brought to its file, as the next process does at its start: what was not synced, and what was never
    /// written.
    pub fn take_over(&mut self, log: usize, window: &[u8]) {
        if let Some(file) = self.logs[log].epochs.last_mut() {
            file.bytes.truncate(file.safe);
            let pending = std::mem::take(&mut file.pending);
            file.bytes.extend_from_slice(&pending);
            file.bytes.extend_from_slice(window);
            file.safe = file.bytes.len();
        }
    }

    /// The host goes down: of what was not synced some of the beginning may have reached the disk, and the last of that torn. Nothing
    /// else has it.
    pub fn lose_host(&mut self, random: &mut Random) {
        for log in &mut self.logs {
            let Some(file) = log.epochs.last_mut() else {
                continue;
            };
            file.pending.clear();
            let (safe, bytes) = (file.safe, &mut file.bytes);
            // Nothing tears within a word.
            let kept = random.between(safe as u64, bytes.len() as u64) as usize / WORD * WORD;
            let kept = kept.max(safe);
            let torn = random.below(3) == 0 && kept < bytes.len();
            let end = (kept + PIECE_BYTES).min(bytes.len());
            bytes.truncate(if torn { end } else { kept });
            // The file was blank before: where a page was not written there are zeros.
            bytes[kept..].fill(0);
            file.safe = bytes.len();
        }
    }

    /// What stands behind this offset of a log's last file was being written when the host went down.
    pub fn cut(&mut self, log: usize, offset: usize) {
        if let Some(file) = self.logs[log].epochs.last_mut() {
            file.bytes.truncate(offset);
            file.safe = file.bytes.len();
        }
    }

    /// A copy in which something of what was synced is not as it was written; `None` where there is too little.
    pub fn damaged(&self, random: &mut Random) -> Option<Damage> {
        let mut disk = self.clone();
        let log = random.below(3) as usize;
        let epochs = disk.logs[log].epochs.len() as u64;
        let file = disk.logs[log]
            .epochs
            .get_mut(random.below(epochs) as usize)?;
        let pieces = (file.safe / PIECE_BYTES) as u64;
        if pieces < 4 {
            return None;
        }
        let piece = |random: &mut Random| random.below(pieces) as usize * PIECE_BYTES;
        let to = piece(random);
        let before = file.bytes[to..to + PIECE_BYTES].to_vec();
        let (what, at) = match random.below(4) {
            0 => {
                let from = piece(random);
                file.bytes.copy_within(from..from + PIECE_BYTES, to);
                ("a write landed elsewhere", to)
            }
            1 => {
                file.bytes[to..to + PIECE_BYTES].fill(0);
                ("a write was lost", to)
            }
            _ => {
                let at = to + random.below(PIECE_BYTES as u64) as usize;
                file.bytes[at] ^= 1 << random.below(8);
                ("a bit was turned over", at)
            }
        };
        if file.bytes[to..to + PIECE_BYTES] == before[..] {
            return None;
        }
        let at = (log, file.epoch, at);
        Some(Damage { disk, what, at })
    }
}

/// The file of one log that is being written.
pub struct DiskFile {
    disk: Rc<RefCell<Disk>>,
    log: usize,
    /// The process may die at any call
    life: Rc<Life>,
}

impl LogFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.borrow_mut();
        disk.operations += 1;
        let (fault, share) = (disk.fault, disk.operations as usize % 4);
        let Some(file) = disk.logs[self.log].epochs.last_mut() else {
            return Ok(());
        };
        file.pending.extend_from_slice(bytes);
        if !self.life.step() {
            return Ok(());
        }
        let (written, error) = match fault {
            DiskFault::WriteFails => (bytes.len() / 4 * share / WORD * WORD, Some(EIO)),
            DiskFault::Full => (bytes.len() / 4 * share / WORD * WORD, Some(ENOSPC)),
            DiskFault::None | DiskFault::SyncFails => (bytes.len(), None),
        };
        file.bytes.extend_from_slice(&bytes[..written]);
        error.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk.borrow_mut();
        disk.operations += 1;
        let (fault, share) = (disk.fault, disk.operations as usize % 4);
        let Some(file) = disk.logs[self.log].epochs.last_mut() else {
            return Ok(());
        };
        if !self.life.step() {
            return Ok(());
        }
        if fault == DiskFault::SyncFails {
            // The system forgets the pages that it could not write.
            let kept = file.safe + (file.bytes.len() - file.safe) / 4 * share / WORD * WORD;
            file.bytes.truncate(kept);
            return Err(io::Error::from_raw_os_error(EIO));
        }
        file.safe = file.bytes.len();
        file.pending.clear();
        Ok(())
    }
}

/// Reads what was written of one log, as the cold thread does that finds old messages.
pub struct DiskReader {
    disk: Rc<RefCell<Disk>>,
    log: usize,
}

impl DiskReader {
    /// Of this log.
    pub fn new(disk: &Rc<RefCell<Disk>>, log: LogId) -> Self {
        let (disk, log) = (disk.clone(), index(log));
        Self { disk, log }
    }
}

impl LogRead for DiskReader {
    fn read_at(&mut self, place: u64, into: &mut [u8]) -> io::Result<usize> {
        let (epoch, offset) = epoch_and_offset(place);
        let disk = self.disk.borrow();
        let file = disk.read(self.log).find(|(of, _)| *of == epoch);
        let rest = file.and_then(|(_, bytes)| bytes.get(offset as usize..));
        let rest = rest.unwrap_or(&[]);
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}
