//! The virtual disk: three logs' files as bytes, what of them is safe, and what goes wrong.
//!
//! Shared by the journal's files and the world on one thread. What always holds: what was synced without an error is still there, as it
//! was written, unless a fault says that this very disk lies.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use crate::io::{LogFile, LogRead};
use crate::journal::LogId;
use crate::journal::log::epoch_and_offset;
use crate::sim::random::Random;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// What goes wrong next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DiskFault {
    /// Nothing.
    #[default]
    None,
    /// Every write fails.
    WriteFails,
    /// Every write fails for want of space.
    Full,
    /// Every sync fails, and what was not synced may be gone.
    SyncFails,
}

/// One log: its epochs' files, oldest first.
#[derive(Clone, Debug, Default)]
struct Files {
    /// Epoch, bytes, how many of them are safe
    epochs: Vec<(u16, Vec<u8>, usize)>,
}

/// The disk.
#[derive(Debug, Default)]
pub struct Disk {
    logs: [Files; 3],
    /// What goes wrong now
    pub fault: DiskFault,
    /// Writes and syncs made
    pub operations: u64,
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
    pub fn create(disk: &Rc<RefCell<Self>>, log: LogId, epoch: u16) -> DiskFile {
        disk.borrow_mut().logs[index(log)]
            .epochs
            .push((epoch, Vec::new(), 0));
        let disk = disk.clone();
        let log = index(log);
        DiskFile { disk, log }
    }

    /// The bytes of each epoch of a log.
    pub fn read(&self, log: usize) -> impl Iterator<Item = (u16, &[u8])> {
        let epochs = self.logs[log].epochs.iter();
        epochs.map(|(epoch, bytes, _)| (*epoch, &bytes[..]))
    }

    /// Bytes of the last file of a log, and how many of them are safe.
    pub fn ends(&self, log: usize) -> (usize, usize) {
        let last = self.logs[log].epochs.last();
        last.map_or((0, 0), |(_, bytes, safe)| (bytes.len(), *safe))
    }

    /// What was left in a window is written to its file, as the next process does at its start.
    pub fn take_over(&mut self, log: usize, window: &[u8]) {
        if let Some((_, bytes, safe)) = self.logs[log].epochs.last_mut() {
            bytes.extend_from_slice(window);
            *safe = bytes.len();
        }
    }

    /// The host goes down: of what was not synced some of the beginning may have reached the disk, and the last of that torn.
    pub fn lose_host(&mut self, random: &mut Random) {
        for log in &mut self.logs {
            if let Some((_, bytes, safe)) = log.epochs.last_mut() {
                let kept = random.between(*safe as u64, bytes.len() as u64) as usize;
                let torn = random.below(3) == 0 && kept < bytes.len();
                let end = (kept + 64).min(bytes.len());
                bytes.truncate(end);
                // The file was blank before: where a page was not written there are zeros.
                match torn {
                    true => bytes[kept..].fill(0),
                    false => bytes.truncate(kept),
                }
                *safe = bytes.len();
            }
        }
    }

    /// One bit of what was synced turns over. Returns the log and the offset in its last file.
    pub fn corrupt(&mut self, random: &mut Random) -> Option<(usize, usize)> {
        let log = random.below(3) as usize;
        let (_, bytes, safe) = self.logs[log].epochs.last_mut()?;
        let at = random.below(*safe as u64) as usize;
        *bytes.get_mut(at)? ^= 1 << random.below(8);
        Some((log, at))
    }

    /// A piece of what was synced lands where another belongs.
    pub fn misdirect(&mut self, random: &mut Random) -> Option<(usize, usize)> {
        let log = random.below(3) as usize;
        let (_, bytes, safe) = self.logs[log].epochs.last_mut()?;
        let (from, to) = (random.below(*safe as u64), random.below(*safe as u64));
        let (from, to) = (from as usize, to as usize);
        let length = 64.min(*safe - from.max(to));
        let piece = bytes[from..from + length].to_vec();
        let differs = bytes[to..to + length] != piece[..];
        bytes[to..to + length].copy_from_slice(&piece);
        differs.then_some((log, to))
    }
}

/// The file of one log that is being written.
pub struct DiskFile {
    disk: Rc<RefCell<Disk>>,
    log: usize,
}

impl LogFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.borrow_mut();
        disk.operations += 1;
        match disk.fault {
            DiskFault::WriteFails => return Err(io::Error::from_raw_os_error(EIO)),
            DiskFault::Full => return Err(io::Error::from_raw_os_error(ENOSPC)),
            DiskFault::None | DiskFault::SyncFails => {}
        }
        if let Some((_, file, _)) = disk.logs[self.log].epochs.last_mut() {
            file.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk.borrow_mut();
        disk.operations += 1;
        if disk.fault == DiskFault::SyncFails {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        if let Some((_, file, safe)) = disk.logs[self.log].epochs.last_mut() {
            *safe = file.len();
        }
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
