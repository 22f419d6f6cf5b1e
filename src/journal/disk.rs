//! What the stages know of their logs' way to disk: whether it works, and which logs are nearly full. Shared by the journal thread
//! and the stages; all atomics, nothing waits.
//!
//! One writer per word: the journal thread says that the disk has failed (once, for good) and through which record each log is
//! durable; each stage says whether its own window is pressed. How far a log is durable in its window is the window's own `released`
//! position, see [`super::Log::is_durable`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use super::record::LogId;
use crate::domain::DiskState;

#[derive(Default, Debug)]
struct Shared {
    state: AtomicU8,
    pressed: [AtomicBool; LOGS],
    durable: [AtomicU64; LOGS],
    but_marks: [AtomicU64; LOGS],
}

/// `LogId` is the index.
const LOGS: usize = 4;

/// The shared words. Cloning shares them.
#[derive(Clone, Default, Debug)]
pub struct Disk(Arc<Shared>);

impl Disk {
    /// How it does.
    #[inline]
    pub fn state(&self) -> DiskState {
        DiskState::from_code(self.0.state.load(Ordering::Acquire) as u64)
    }

    /// Whether it has not failed.
    #[inline]
    pub fn works(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == DiskState::Working as u8
    }

    /// By the journal thread: for good.
    pub fn fail(&self, state: DiskState) {
        self.0.state.fetch_max(state as u8, Ordering::AcqRel);
    }

    /// Whether any log's window is above its watermark.
    #[inline]
    pub fn is_pressed(&self) -> bool {
        let pressed = |log: &AtomicBool| log.load(Ordering::Relaxed);
        self.0.pressed.iter().any(pressed)
    }

    /// By the log's owner; stores only what changes, so that the line stays with its readers.
    #[inline]
    pub(super) fn press(&self, log: LogId, pressed: bool) {
        let cell = &self.0.pressed[log as usize];
        if cell.load(Ordering::Relaxed) != pressed {
            cell.store(pressed, Ordering::Relaxed);
        }
    }

    /// Sequence of the last record of `log` that is on disk, as are its causes in the other logs.
    pub fn durable(&self, log: LogId) -> u64 {
        self.0.durable[log as usize].load(Ordering::Acquire)
    }

    /// The last of these that is no mark: marks alone need no other marks.
    pub fn durable_but_marks(&self, log: LogId) -> u64 {
        self.0.but_marks[log as usize].load(Ordering::Acquire)
    }

    /// By the journal thread: sequence of the last durable record, and of the last one that is no mark.
    pub fn set_durable(&self, log: LogId, sequence: u64, but_marks: u64) {
        self.0.durable[log as usize].store(sequence, Ordering::Release);
        self.0.but_marks[log as usize].store(but_marks, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stays_and_the_worst_counts() {
        let disk = Disk::default();
        let seen = disk.clone();
        assert!(seen.works());
        disk.fail(DiskState::SyncFailed);
        disk.fail(DiskState::WriteFailed);
        assert_eq!(seen.state(), DiskState::SyncFailed);
        assert!(!seen.works());
    }

    #[test]
    fn one_pressed_log_is_enough() {
        let disk = Disk::default();
        disk.press(LogId::Desk, true);
        disk.press(LogId::Client, false);
        assert!(disk.is_pressed());
        disk.press(LogId::Desk, false);
        assert!(!disk.is_pressed());
    }
}
