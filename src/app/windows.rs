//! The windows of a new process, made while the logs of those before are read: clearing and mapping that much memory takes as long as
//! reading a day's logs, and wants another core.
//!
//! On a thread of its own that ends when they are there. To be begun when the old windows are held, so that no other process makes its own at
//! the same time. What always holds: a window that was not installed is removed, so that a start that is refused leaves nothing behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use ringbuf::byte_log::{self, Reader, Writer};

use super::boot::{BootError, failed};
use crate::config::plan::StatePlan;
use crate::journal::LogId;
use crate::journal::mark::LOGS;
use crate::sys::staging::StagingRegion;
use crate::sys::thread;

type Made = Result<[(Writer, Reader); LOGS.len()], BootError>;

/// One for each log, perhaps still being made.
pub(super) struct Windows {
    paths: [PathBuf; LOGS.len()],
    making: Option<JoinHandle<Made>>,
    made: Vec<(LogId, (Writer, Reader))>,
}

impl Windows {
    /// Begins to make them, beside the places where they belong.
    pub fn begin(state: &StatePlan) -> Result<Self, BootError> {
        let directory = &state.staging_directory;
        let paths = LOGS.map(|log| directory.join(format!("{}.window", log.name())));
        let (wanted, bytes) = (paths.clone(), state.staging_bytes);
        let making = thread::spawn("gh-windows", move || {
            let [client, order, desk] = &wanted;
            let make = |path| make_window(path, bytes);
            Ok([make(client)?, make(order)?, make(desk)?])
        });
        Ok(Self {
            paths,
            making: Some(making.map_err(failed("cannot start thread gh-windows"))?),
            made: Vec::new(),
        })
    }

    /// The memory that the stage of this log appends to and the journal thread drains. Each once.
    pub fn take(&mut self, log: LogId) -> Result<(Writer, Reader), BootError> {
        if let Some(making) = self.making.take() {
            let made = making.join();
            let made = made.map_err(|_| io::Error::other("the thread that makes them ended"));
            let made = made.map_err(failed("cannot make the windows"))??;
            self.made = LOGS.into_iter().zip(made).collect();
        }
        let at = self.made.iter().position(|&(of, _)| of == log);
        let (_, ends) = self
            .made
            .swap_remove(at.expect("each log takes its window once"));
        Ok(ends)
    }

    /// What was made takes its place, with what stands in it.
    pub fn install(&self, log: LogId) -> Result<(), BootError> {
        let at = LOGS.iter().position(|&of| of == log);
        let path = &self.paths[at.expect("one of the logs")];
        StagingRegion::install(path).map_err(failed("cannot use a new window"))
    }
}

impl Drop for Windows {
    fn drop(&mut self) {
        if let Some(making) = self.making.take() {
            let _ = making.join();
        }
        for path in &self.paths {
            let _ = fs::remove_file(path.with_extension("new"));
        }
    }
}

/// A new window beside the place where it belongs.
pub(super) fn make_window(path: &Path, bytes: usize) -> Result<(Writer, Reader), BootError> {
    let what = || format!("cannot make {}", path.display());
    let region = StagingRegion::beside(path, bytes).map_err(failed(what()))?;
    byte_log::create(region.into_region()).map_err(|error| failed(what())(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::Sample;

    fn names(state: &StatePlan) -> Vec<String> {
        let entries = fs::read_dir(&state.staging_directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_not_installed_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = Sample::new(directory.path()).plan().state;
        state.staging_directory = directory.path().to_owned();
        drop(Windows::begin(&state).unwrap());
        assert!(names(&state).is_empty());
        let mut windows = Windows::begin(&state).unwrap();
        for log in [LogId::Desk, LogId::Client] {
            let (writer, _) = windows.take(log).unwrap();
            assert_eq!(writer.capacity_bytes(), state.staging_bytes);
            windows.install(log).unwrap();
        }
        drop(windows);
        assert_eq!(names(&state), ["client.window", "desk.window"]);
    }

    #[test]
    fn what_cannot_be_made_is_told_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let mut state = Sample::new(directory.path()).plan().state;
        state.staging_directory = directory.path().join("missing");
        let mut windows = Windows::begin(&state).unwrap();
        let error = windows.take(LogId::Client).err().unwrap().to_string();
        assert!(error.contains("client.window"), "{error}");
    }
}
