//! Writes and syncs of files through an io_uring: what the journal thread would do if that were better than plain calls.
//!
//! The product does not use it; `benches/journal.rs` compares it with what the product does. It stands here because all unsafe code of `src/`
//! does. What always holds: a call returns when everything that it submitted has completed, so that no bytes are left with the kernel.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode, squeue, types};

/// Two for each file of a round.
const ENTRIES: usize = 16;

/// A ring for one round at a time.
pub struct FileRing(IoUring);

impl FileRing {
    /// Of a system that allows one; else what it said.
    pub fn new() -> io::Result<Self> {
        IoUring::new(ENTRIES as u32).map(Self)
    }

    /// In each file the bytes at its offset, then a data sync of it: one submission, all files at once. Fails where a write was short too.
    pub fn write_and_sync(&mut self, files: &[(&File, u64)], bytes: &[u8]) -> io::Result<()> {
        assert!(2 * files.len() <= ENTRIES, "more files than a round has");
        for (file, offset) in files {
            let fd = types::Fd(file.as_raw_fd());
            let write = opcode::Write::new(fd, bytes.as_ptr(), bytes.len() as u32)
                .offset(*offset)
                .build()
                .flags(squeue::Flags::IO_LINK);
            let sync = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC);
            // SAFETY: files and bytes are borrowed until all entries have completed, below; nothing between here and there returns.
            unsafe { self.0.submission().push_multiple(&[write, sync.build()]) }
                .expect("an empty queue has room for a round");
        }
        let mut left = 2 * files.len();
        let mut failed = None;
        while left > 0 {
            if let Err(error) = self.0.submit_and_wait(left)
                && error.kind() != io::ErrorKind::Interrupted
            {
                // What is under way may still use the bytes: to go on in any way would give them back too early.
                std::process::abort();
            }
            for entry in self.0.completion() {
                left -= 1;
                let result = entry.result();
                if result < 0 {
                    failed = Some(io::Error::from_raw_os_error(-result));
                } else if result > 0 && result as usize != bytes.len() {
                    failed = Some(io::ErrorKind::WriteZero.into());
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn all_files_have_the_bytes_where_they_belong() {
        let Ok(mut ring) = FileRing::new() else {
            return eprintln!("this system has no io_uring for us");
        };
        let (first, second) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let files = [(&first, 0), (&second, 4096)];
        ring.write_and_sync(&files, b"whole").expect("written");
        ring.write_and_sync(&files[..1], b"again").expect("written");
        for (file, offset, wanted) in [(&first, 0, b"again"), (&second, 4096, b"whole")] {
            let mut found = [0; 5];
            file.read_exact_at(&mut found, offset).expect("there");
            assert_eq!(&found, wanted);
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told() {
        let Ok(mut ring) = FileRing::new() else {
            return eprintln!("this system has no io_uring for us");
        };
        let file = File::open("/dev/null").expect("opens");
        assert!(ring.write_and_sync(&[(&file, 0)], b"x").is_err());
    }
}
