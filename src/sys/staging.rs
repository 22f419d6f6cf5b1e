//! The staging window of a log: a file in shared memory that outlives the process, and that one process has to itself.
//!
//! Opened at start by whoever builds the stage; then the writer is the stage's thread and the reader the journal's, both
//! through `ringbuf`. What always holds: the file is allocated whole, never shrinks, belongs to the owner alone (mode
//! 0600, and locked while the region lives).

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memmap2::{MmapMut, MmapOptions};
use ringbuf::byte_log::{Region, StableBytes, region_bytes};

use super::mmap::{allocate, at};
use super::prefault::Wanted;

/// A mapped file for a byte log. Behind the log's bytes stands a [`Stamp`].
#[derive(Debug)]
pub struct StagingRegion {
    /// Of a new one all pages; dropped before the map.
    wanted: Option<Wanted>,
    map: MmapMut,
    path: PathBuf,
    /// Nobody wrote to it yet
    is_fresh: bool,
    stamp: Stamp,
    /// Holds the lock.
    _file: File,
}

/// By whom and where a window was made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// Of the host since it was last started
    pub boot_id: String,
    /// Name of the host
    pub host: String,
    /// The process
    pub process: u32,
}

const STAMP_BYTES: usize = 256;
const STAMP_WORD: &str = "gatehouse window 1";

impl Stamp {
    /// Of this process.
    pub fn own() -> Self {
        let read = |path| {
            std::fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let mut host = read("/proc/sys/kernel/hostname");
        host.truncate(64);
        Self {
            boot_id: read("/proc/sys/kernel/random/boot_id"),
            host,
            process: std::process::id(),
        }
    }

    /// Of the window there, whoever holds it; `None` where there is none.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path).map_err(at(path, "open"))?;
        let bytes = file.metadata().map_err(at(path, "look at"))?.len();
        Self::of(&file, bytes).map_err(at(path, "read"))
    }

    fn of(file: &File, bytes: u64) -> io::Result<Option<Self>> {
        let Some(offset) = bytes.checked_sub(STAMP_BYTES as u64) else {
            return Ok(None);
        };
        let mut text = [0; STAMP_BYTES];
        file.read_exact_at(&mut text, offset)?;
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines();
        if lines.next() != Some(STAMP_WORD) {
            return Ok(None);
        }
        let mut line = || lines.next().unwrap_or_default().to_owned();
        let (boot_id, host, process) = (line(), line(), line());
        let process = process.parse().unwrap_or(0);
        Ok(Some(Self {
            boot_id,
            host,
            process,
        }))
    }

    fn write(&self, file: &File, offset: u64) -> io::Result<()> {
        let Self {
            boot_id,
            host,
            process,
        } = self;
        let text = format!("{STAMP_WORD}\n{boot_id}\n{host}\n{process}\n");
        file.write_all_at(text.as_bytes(), offset)
    }
}

impl StagingRegion {
    /// Makes a fresh file for a log of `capacity_bytes` (a power of two). There must be none of that name.
    pub fn create(path: &Path, capacity_bytes: usize) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(at(path, "create"))?;
        let length = region_bytes(capacity_bytes);
        let stamp = Stamp::own();
        let made = lock(&file, path).and_then(|()| {
            allocate(&file, (length + STAMP_BYTES) as u64).map_err(at(path, "allocate"))?;
            stamp
                .write(&file, length as u64)
                .map_err(at(path, "write"))?;
            let mut made = Self::map(file, path, length, stamp)?;
            made.wanted = Some(Wanted::whole(&made.map));
            made.is_fresh = true;
            Ok(made)
        });
        if made.is_err() {
            let _ = std::fs::remove_file(path);
        }
        made
    }

    /// As [`StagingRegion::create`], beside the place where it belongs: [`StagingRegion::install`] brings it there when something is in
    /// it, so that a window in its place is never an unfinished one.
    pub fn beside(path: &Path, capacity_bytes: usize) -> io::Result<Self> {
        let new = path.with_extension("new");
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at(&new, "remove")(error));
            }
            _ => {}
        }
        Self::create(&new, capacity_bytes)
    }

    /// The one made beside takes the place of a file of that name, whole and at once: there is one at any time.
    pub fn install(path: &Path) -> io::Result<()> {
        std::fs::rename(path.with_extension("new"), path).map_err(at(path, "replace"))
    }

    /// Maps the file that an earlier process left, whatever its size. Fails while another process has it. Whoever goes on with the log in
    /// it touches the pages.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(at(path, "open"))?;
        lock(&file, path)?;
        let bytes = file.metadata().map_err(at(path, "look at"))?.len();
        let stamp = Stamp::of(&file, bytes).map_err(at(path, "read"))?;
        let Some(stamp) = stamp else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is no window of this version", path.display()),
            ));
        };
        // A sparse file would fault, and could fail, when it is written.
        allocate(&file, bytes).map_err(at(path, "allocate"))?;
        let length = usize::try_from(bytes).unwrap_or(0) - STAMP_BYTES;
        Self::map(file, path, length, stamp)
    }

    fn map(file: File, path: &Path, length: usize, stamp: Stamp) -> io::Result<Self> {
        // SAFETY: the file is locked and of mode 0600, so that nobody else maps, writes or shrinks it; it has `length`
        // bytes, all allocated.
        let map =
            unsafe { MmapOptions::new().len(length).map_mut(&file) }.map_err(at(path, "map"))?;
        Ok(Self {
            wanted: None,
            map,
            path: path.to_owned(),
            is_fresh: false,
            stamp,
            _file: file,
        })
    }

    /// By whom it was made.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The region for `ringbuf::byte_log::create` or `attach`; it keeps map and lock.
    pub fn into_region(self) -> Region {
        Region::from_owner(self)
    }
}

fn lock(file: &File, path: &Path) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!("{} is in use by another process", path.display()),
        ),
        TryLockError::Error(error) => at(path, "lock")(error),
    })
}

// SAFETY: the map stays at its address until it is dropped, wherever its owner moves; it is readable, writable and
// initialised (the kernel zero-fills); `lock` and the mode keep others from it; the file never shrinks.
unsafe impl StableBytes for StagingRegion {
    fn bytes(&mut self) -> (*mut u8, usize) {
        (self.map.as_mut_ptr(), self.map.len())
    }

    fn are_zero(&self) -> bool {
        self.is_fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbuf::byte_log;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_log_outlives_its_maker() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("window");
        let region = StagingRegion::create(&path, 4096).expect("created");
        let mode = std::fs::metadata(&path).expect("metadata").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        drop(byte_log::create(region.into_region()).expect("a log"));
        let again = StagingRegion::open(&path).expect("opened");
        assert_eq!(again.path(), path);
        byte_log::attach(again.into_region()).expect("the same log");
    }

    #[test]
    fn one_takes_the_place_of_another_when_it_is_ready() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("a.window");
        let first = StagingRegion::create(&path, 4096).expect("created");
        // What was cut short is in nobody's way.
        std::fs::write(directory.path().join("a.new"), b"cut").expect("written");
        let second = StagingRegion::beside(&path, 8192).expect("made");
        let bytes = || std::fs::metadata(&path).expect("metadata").len() as usize;
        assert_eq!(bytes(), region_bytes(4096) + STAMP_BYTES);
        StagingRegion::install(&path).expect("replaced");
        drop(first);
        assert!(StagingRegion::open(&path).is_err(), "in use");
        drop(second);
        assert_eq!(bytes(), region_bytes(8192) + STAMP_BYTES);
        assert!(!directory.path().join("a.new").exists());
    }

    #[test]
    fn whose_it_is_can_be_read_while_it_is_held() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("window");
        let region = StagingRegion::create(&path, 4096).expect("created");
        let stamp = Stamp::read(&path).expect("readable").expect("a stamp");
        assert_eq!(
            (&stamp, stamp.process),
            (region.stamp(), std::process::id())
        );
        assert!(!stamp.boot_id.is_empty());
        drop(region);
        assert_eq!(StagingRegion::open(&path).expect("free").stamp(), &stamp);
        std::fs::write(&path, vec![0; 10_000]).expect("written");
        let error = StagingRegion::open(&path).expect_err("no window");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn only_one_has_it() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("window");
        let region = StagingRegion::create(&path, 4096).expect("created");
        let error = StagingRegion::open(&path).expect_err("in use");
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert!(StagingRegion::create(&path, 4096).is_err());
        drop(region);
        StagingRegion::open(&path).expect("free again");
        std::fs::write(&path, b"").expect("emptied");
        assert!(StagingRegion::open(&path).is_err());
    }
}
