//! Writes and syncs through an io_uring: what the journal thread would do if that were better. It is for the comparison alone, and stands
//! here because the gateway does not use it.
//!
//! What always holds: a call returns when everything that it submitted has completed, so that no buffer is left with the kernel.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode, squeue, types};

/// Files and bytes of one round.
pub struct Ring(IoUring);

impl Ring {
    /// `None` where the kernel has none for us.
    pub fn new() -> Option<Self> {
        IoUring::new(16).ok().map(Self)
    }

    /// In each file the bytes at its offset, then a data sync of it: one submission, all files at once.
    pub fn write_and_sync(&mut self, files: &[(&File, u64)], bytes: &[u8]) -> io::Result<()> {
        for (file, offset) in files {
            let fd = types::Fd(file.as_raw_fd());
            let write = opcode::Write::new(fd, bytes.as_ptr(), bytes.len() as u32)
                .offset(*offset)
                .build()
                .flags(squeue::Flags::IO_LINK);
            let sync = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC);
            // SAFETY: files and bytes are borrowed until all entries have completed, below.
            unsafe { self.0.submission().push_multiple(&[write, sync.build()]) }
                .expect("two entries for each of a few files fit");
        }
        let mut left = 2 * files.len();
        let mut failed = None;
        while left > 0 {
            let asked = self.0.submit_and_wait(left);
            if let Err(error) = asked
                && error.kind() != io::ErrorKind::Interrupted
            {
                // What is under way may still use the bytes.
                panic!("io_uring: {error}");
            }
            for entry in self.0.completion() {
                left -= 1;
                let result = entry.result();
                if result < 0 || result > 0 && result as usize != bytes.len() {
                    failed = Some(io::Error::other(format!("result {result}")));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
