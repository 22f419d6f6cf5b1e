//! An append-only segment file: made at its full size, written at given offsets, synced.
//!
//! Plain blocking calls, for the journal thread alone; a [`Syncer`] waits for the disk in its stead. What always holds: the file's blocks are reserved before the first write, so
//! that a write cannot fail for want of space and a sync need not write the file's size; the file is durable under its name once
//! `create` returns. After a failed sync nothing may be assumed about what is on the disk: never sync again, as the error says.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::mmap::{allocate, at};
use super::thread::spawn;

/// A segment, open for writing.
#[derive(Debug)]
pub struct LogFile {
    file: Arc<File>,
    path: PathBuf,
    length_bytes: u64,
    failed: bool,
}

impl LogFile {
    /// Makes a file of `length_bytes` zeroes, readable and writable by its owner only, and makes its name durable. There
    /// must be none of that name.
    pub fn create(path: &Path, length_bytes: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(at(path, "create"))?;
        let made = allocate(&file, length_bytes)
            .and_then(|()| file.sync_all())
            .map_err(at(path, "allocate"))
            .and_then(|()| sync_directory(parent(path)));
        if let Err(error) = made {
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(Self {
            file: Arc::new(file),
            path: path.to_owned(),
            length_bytes,
            failed: false,
        })
    }

    /// Opens an existing segment to write on.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(at(path, "open"))?;
        let length_bytes = file.metadata().map_err(at(path, "look at"))?.len();
        Ok(Self {
            file: Arc::new(file),
            path: path.to_owned(),
            length_bytes,
            failed: false,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size, which never changes.
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Writes all of `bytes` at `offset`. Beyond the end is an error: a segment does not grow.
    pub fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.length_bytes) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "write {}: {} bytes at {offset} do not fit in {}",
                    self.path.display(),
                    bytes.len(),
                    self.length_bytes
                ),
            ));
        }
        self.file
            .write_all_at(bytes, offset)
            .map_err(at(&self.path, "write"))
    }

    /// Gives it another name, which is durable after [`sync_directory`].
    pub fn rename(&mut self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, path).map_err(at(&self.path, "rename"))?;
        self.path = path.to_owned();
        Ok(())
    }

    /// Reads exactly `into.len()` bytes at `offset`.
    pub fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file
            .read_exact_at(into, offset)
            .map_err(at(&self.path, "read"))
    }

    /// Makes all that was written durable. Fails for good after the first failure: the kernel may have dropped the pages.
    pub fn sync(&mut self) -> io::Result<()> {
        self.sync_by(|file| file.sync_data())
    }

    /// The same, where another thread was asked to do it.
    pub fn sync_with(&mut self, syncer: &Syncer) -> io::Result<()> {
        self.sync_by(|_| syncer.wait())
    }

    fn sync_by(&mut self, sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other(format!(
                "sync {}: an earlier sync failed; what is on the disk is unknown",
                self.path.display()
            )));
        }
        let synced = sync(&self.file);
        self.failed = synced.is_err();
        synced.map_err(at(&self.path, "sync"))
    }
}

/// A thread that syncs files, so that several become durable beside each other. It ends with the value.
#[derive(Debug)]
pub struct Syncer {
    asked: Sender<Arc<File>>,
    done: Receiver<io::Result<()>>,
}

impl Syncer {
    /// Starts the thread.
    pub fn start(name: &str) -> io::Result<Self> {
        let (asked, files) = channel::<Arc<File>>();
        let (tell, done) = channel();
        spawn(name, move || {
            for file in files {
                if tell.send(file.sync_data()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { asked, done })
    }

    /// Begins with this file; [`LogFile::sync_with`] must follow. Says whether it could be asked.
    pub fn begin(&self, file: &LogFile) -> bool {
        self.asked.send(file.file.clone()).is_ok()
    }

    fn wait(&self) -> io::Result<()> {
        let gone = |_| Err(io::Error::other("the thread that syncs has ended"));
        self.done.recv().unwrap_or_else(gone)
    }
}

/// Makes names in the directory durable: after files were made, renamed or removed.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(at(directory, "sync directory"))
}

/// Bytes that a file in the directory may still take.
pub fn available_bytes(directory: &Path) -> io::Result<u64> {
    let path = std::ffi::CString::new(directory.as_os_str().as_bytes())?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and there is room for the answer.
    if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return Err(at(directory, "look at")(io::Error::last_os_error()));
    }
    // SAFETY: the call succeeded, so it wrote the answer.
    let found = unsafe { found.assume_init() };
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_segment_has_its_size_and_blocks_from_the_start() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("segment");
        let mut file = LogFile::create(&path, 1 << 20).expect("created");
        let metadata = std::fs::metadata(&path).expect("metadata");
        assert_eq!(metadata.len(), 1 << 20);
        assert!(metadata.blocks() * 512 >= 1 << 20);
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        file.write_at(b"record", 4096).expect("written");
        file.sync().expect("synced");
        let mut bytes = [9; 8];
        file.read_at(&mut bytes, 4094).expect("read");
        assert_eq!(&bytes, b"\0\0record");
        assert_eq!(std::fs::metadata(&path).expect("metadata").len(), 1 << 20);
    }

    #[test]
    fn what_does_not_fit_or_exists_already_is_refused_by_name() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("segment");
        let mut file = LogFile::create(&path, 100).expect("created");
        assert!(file.write_at(&[0; 10], 91).is_err());
        assert!(file.write_at(&[0; 10], u64::MAX).is_err());
        file.write_at(&[1; 10], 90).expect("the last ten");
        let error = LogFile::create(&path, 100).expect_err("exists");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("segment"), "{error}");
        let again = LogFile::open(&path).expect("opens");
        assert_eq!(again.length_bytes(), 100);
        let missing = directory.path().join("missing");
        assert!(LogFile::open(&missing).is_err());
    }

    #[test]
    fn another_thread_syncs_and_its_failure_is_for_good() {
        let syncer = Syncer::start("test-sync").expect("starts");
        let directory = tempfile::tempdir().expect("directory");
        let mut file = LogFile::create(&directory.path().join("segment"), 4096).expect("created");
        for at in 0..3 {
            file.write_at(b"record", at * 6).expect("written");
            assert!(syncer.begin(&file));
            file.sync_with(&syncer).expect("synced");
        }
        // A device that cannot be synced.
        let mut device = LogFile::open(Path::new("/dev/null")).expect("opens");
        assert!(syncer.begin(&device));
        let error = device.sync_with(&syncer).expect_err("no disk").to_string();
        assert!(error.contains("/dev/null"), "{error}");
        let again = device.sync().expect_err("for good").to_string();
        assert!(again.contains("an earlier sync failed"), "{again}");
        // Of other files it says nothing.
        assert!(syncer.begin(&file));
        file.sync_with(&syncer).expect("synced");
    }
}
