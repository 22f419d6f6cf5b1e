//! A log file in memory whose disk fails when the test says so.
//!
//! Belongs to the thread of its test; what became of it is read through the shared [`Medium`].

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use gatehouse::io::LogFile;

pub const ENOSPC: i32 = 28;
pub const EROFS: i32 = 30;
pub const EIO: i32 = 5;

/// What the next calls meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fault {
    #[default]
    None,
    /// Writes fail with this errno, and leave nothing.
    Write(i32),
    /// The first half is written, then the device is full.
    ShortWrite,
    /// Syncs fail with this errno.
    Sync(i32),
}

/// What became of one log's file.
#[derive(Default)]
pub struct Medium {
    pub bytes: RefCell<Vec<u8>>,
    /// Bytes that were there when the last sync succeeded.
    pub durable_bytes: Cell<usize>,
    pub writes: Cell<usize>,
    pub syncs: Cell<usize>,
    pub fault: Cell<Fault>,
}

/// The file.
pub struct FaultyFile(pub Rc<Medium>);

impl LogFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.writes.set(self.0.writes.get() + 1);
        let mut medium = self.0.bytes.borrow_mut();
        match self.0.fault.get() {
            Fault::Write(errno) => Err(io::Error::from_raw_os_error(errno)),
            Fault::ShortWrite => {
                medium.extend_from_slice(&bytes[..bytes.len() / 2]);
                Err(io::Error::from_raw_os_error(ENOSPC))
            }
            Fault::None | Fault::Sync(_) => {
                medium.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.syncs.set(self.0.syncs.get() + 1);
        if let Fault::Sync(errno) = self.0.fault.get() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.0.durable_bytes.set(self.0.bytes.borrow().len());
        Ok(())
    }
}
