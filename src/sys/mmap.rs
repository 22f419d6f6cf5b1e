//! Memory that other processes see too: the status page's words, and the staging windows of the logs.
//!
//! Made at start by whoever will own them, then used by one writer thread; readers are other processes. What always holds: a file is
//! allocated whole before it is mapped and never shrinks afterwards, so no access can meet a missing page; every page is there before
//! the value is given out.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use memmap2::{Mmap, MmapMut, MmapOptions};

const WORD_BYTES: usize = size_of::<u64>();

/// Adds the path to an error, for the person who reads it.
pub(super) fn at(path: &Path, what: &str) -> impl Fn(io::Error) -> io::Error {
    let text = format!("{what} {}", path.display());
    move |error| io::Error::new(error.kind(), format!("{text}: {error}"))
}

/// Reserves the file's blocks, so that writing to its pages cannot fail for want of space.
pub(super) fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    let length = libc::off_t::try_from(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "file size out of range"))?;
    // SAFETY: no pointers are passed.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

enum Map {
    Writer(MmapMut),
    Reader(Mmap),
}

/// A file seen as words that are shared with other processes.
pub struct SharedWords {
    map: Map,
    words: usize,
    path: PathBuf,
}

impl SharedWords {
    /// Makes a fresh file of `words` zeroes, readable by everyone and writable by the owner. It appears under its name complete;
    /// who has an older file of that name open keeps that one.
    pub fn create(path: &Path, words: usize) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let temporary = PathBuf::from(name);
        let _ = fs::remove_file(&temporary);
        let made = Self::create_at(&temporary, path, words);
        if made.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        made
    }

    fn create_at(temporary: &Path, path: &Path, words: usize) -> io::Result<Self> {
        let bytes = byte_count(words).map_err(at(path, "create"))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(temporary)
            .map_err(at(temporary, "create"))?;
        allocate(&file, bytes as u64).map_err(at(temporary, "allocate"))?;
        // SAFETY: the file is new, ours, fully allocated, and nobody who obeys its mode can shrink it; the words are
        // accessed as atomics only.
        let map = unsafe { MmapOptions::new().len(bytes).populate().map_mut(&file) }
            .map_err(at(temporary, "map"))?;
        fs::rename(temporary, path).map_err(at(path, "rename to"))?;
        Ok(Self {
            map: Map::Writer(map),
            words,
            path: path.to_owned(),
        })
    }

    /// Maps an existing file for reading. It must have at least `words_min` words; all whole words are mapped.
    pub fn open(path: &Path, words_min: usize) -> io::Result<Self> {
        let file = File::open(path).map_err(at(path, "open"))?;
        let found_bytes = file.metadata().map_err(at(path, "look at"))?.len();
        let words = usize::try_from(found_bytes).unwrap_or(0) / WORD_BYTES;
        if words < words_min.max(1) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{} has {found_bytes} bytes, at least {} are needed: not complete, or not such a file",
                    path.display(),
                    words_min.max(1) * WORD_BYTES
                ),
            ));
        }
        // SAFETY: the map is read-only and no longer than the file, which its writer never shrinks; the words are
        // accessed as atomics only, so the writer's changes are no data race.
        let map = unsafe {
            MmapOptions::new()
                .len(words * WORD_BYTES)
                .populate()
                .map(&file)
        }
        .map_err(at(path, "map"))?;
        Ok(Self {
            map: Map::Reader(map),
            words,
            path: path.to_owned(),
        })
    }

    /// The words. Whoever opened the file for reading must not store: the pages are mapped read-only.
    pub fn words(&self) -> &[AtomicU64] {
        let start = match &self.map {
            Map::Writer(map) => map.as_ptr(),
            Map::Reader(map) => map.as_ptr(),
        };
        // SAFETY: the map starts on a page, has `words` whole words, lives as long as `self`, and is never seen as
        // anything but atomics; zeroes and any other bits are valid words.
        unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>(), self.words) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if made here, for writing.
    pub fn is_writer(&self) -> bool {
        matches!(self.map, Map::Writer(_))
    }
}

fn byte_count(words: usize) -> io::Result<usize> {
    words
        .checked_mul(WORD_BYTES)
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no words, or too many"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::{Acquire, Release};

    #[test]
    fn readers_see_what_the_writer_stores() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("page");
        let writer = SharedWords::create(&path, 1000).expect("created");
        assert!(writer.words().iter().all(|word| word.load(Acquire) == 0));
        let reader = SharedWords::open(&path, 1000).expect("opened");
        writer.words()[999].store(7, Release);
        assert_eq!(reader.words()[999].load(Acquire), 7);
        assert_eq!(reader.words().len(), 1000);
        assert!(writer.is_writer() && !reader.is_writer());
    }

    #[test]
    fn a_new_file_leaves_old_readers_theirs() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("page");
        let first = SharedWords::create(&path, 4).expect("created");
        first.words()[0].store(1, Release);
        let old = SharedWords::open(&path, 4).expect("opened");
        let second = SharedWords::create(&path, 8).expect("created anew");
        second.words()[0].store(2, Release);
        assert_eq!(old.words()[0].load(Acquire), 1);
        let new = SharedWords::open(&path, 8).expect("opened");
        assert_eq!(new.words()[0].load(Acquire), 2);
        let left: Vec<_> = fs::read_dir(directory.path()).expect("lists").collect();
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn short_and_missing_files_are_refused_by_name() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("short");
        fs::write(&path, [0; 31]).expect("written");
        let error = SharedWords::open(&path, 4).err().expect("too short");
        assert!(error.to_string().contains("short"), "{error}");
        let missing = directory.path().join("missing");
        let error = SharedWords::open(&missing, 4).err().expect("missing");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(SharedWords::create(&path, 0).is_err());
    }
}
