//! When a gateway that runs has a snapshot of its state written, by a process of its own: no memory of it is locked, no hot thread's
//! core hears of it, and where memory is short it ends before the gateway.
//!
//! On the main thread of `gatehouse run`. One at a time; a gateway that ends ends it too, which leaves the snapshots that are there.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::app::{Gateway, snapshots};
use crate::config::plan::Plan;
use crate::journal::LogId;
use crate::limits::{SNAPSHOT_AT_START_RECORDS, SNAPSHOT_LOOK_MS};

/// This program, also where its file was replaced meanwhile.
const ITSELF: &str = "/proc/self/exe";

pub(super) struct Snapshotter {
    configuration: PathBuf,
    directory: PathBuf,
    every_records: u64,
    /// Records that the newest snapshot has, or that were there when the last one was begun
    last: Option<u64>,
    has_looked: bool,
    looked: Instant,
    child: Option<Child>,
}

impl Snapshotter {
    /// For the gateway of this configuration.
    pub(super) fn new(configuration: &Path, plan: &Plan) -> Self {
        let directory = plan.state.log_directory.clone();
        Self {
            configuration: configuration.to_owned(),
            every_records: plan.state.snapshot_every_records,
            last: snapshots::newest_records(&directory),
            directory,
            has_looked: false,
            looked: Instant::now(),
            child: None,
        }
    }

    /// Begins one where one is due. To be called now and then.
    pub(super) fn turn(&mut self, gateway: &Gateway) {
        if self.looked.elapsed() < Duration::from_millis(SNAPSHOT_LOOK_MS) {
            return;
        }
        self.looked = Instant::now();
        if self.is_busy() {
            return;
        }
        let disk = gateway.disk();
        // Read while the stages go on: an effect may be among them whose cause in another log is not, whichever is read first, since causes go
        // round (client, order, desk, order, client). A replay waits for such causes, as for any that it is fed later; see `stage/replay.rs`.
        let through = [LogId::Client, LogId::Order, LogId::Desk].map(|log| disk.durable(log));
        if !disk.works() || through.contains(&0) {
            return;
        }
        let records: u64 = through.iter().sum();
        // With fewer than the newest one says it is of other logs.
        let since = match self.last {
            Some(last) if last <= records => records - last,
            _ => records,
        };
        let at_start = !std::mem::replace(&mut self.has_looked, true);
        let is_due = gateway.takes_snapshot_wish()
            || self.every_records > 0 && since >= self.every_records
            || at_start && since >= SNAPSHOT_AT_START_RECORDS;
        if !is_due {
            return;
        }
        self.last = Some(records);
        let through = through.map(|sequence| sequence.to_string()).join(",");
        let spawned = Command::new(ITSELF)
            .args(["log", "snapshot", "--through", &through, "--"])
            .arg(&self.configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        match spawned {
            Ok(child) => self.child = Some(child),
            Err(error) => tracing::warn!(%error, "cannot start the process that writes a snapshot"),
        }
    }

    fn is_busy(&mut self) -> bool {
        let Some(child) = &mut self.child else {
            return false;
        };
        match child.try_wait() {
            Ok(None) => return true,
            Ok(Some(status)) if status.success() => {
                self.last = snapshots::newest_records(&self.directory).or(self.last);
            }
            Ok(Some(status)) => tracing::warn!(
                %status,
                "no snapshot was written: the ones before stay, and a start reads more of the logs"
            ),
            Err(error) => {
                tracing::warn!(%error, "cannot ask for the process that writes a snapshot")
            }
        }
        self.child = None;
        false
    }
}

impl Drop for Snapshotter {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that has ended meanwhile is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
