//! A switchboard's log with everything around it, in one directory: for programs that use the session layer without the gateway.
//!
//! Opened at start, on the thread that will own the switchboard: reads what earlier processes left, brings to disk what one that was
//! killed had only in memory, and begins the log of a new epoch. Then a journal thread writes behind the switchboard, and another one
//! reads old messages for resends. What always holds: one process at a time; nothing that stood in the log is lost by a `kill -9`.
//!
//! `DIR/log` has the segments, `DIR/staging` the window: for the lowest latency, a directory in memory.

use std::fs;
use std::io;
use std::path::Path;
use std::thread::JoinHandle;

use super::boot::{BootError, failed};
use super::log_reader::LogPlace;
use super::log_store::{self, LogStore, SegmentReader};
use super::runner::{self, Lifecycle, Phase};
use super::takeover::{Takeover, TakeoverError};
use super::windows::make_window;
use crate::domain::Now;
use crate::journal::mark::Marks;
use crate::journal::{Log, LogId};
use crate::stage::archive::{self, Archive, ArchiveReader};
use crate::stage::assembly::{Beginning, begin_log};
use crate::stage::journal::{Drain, JournalStage};
use crate::stage::recovered::{Recovered, Recovery};
use crate::status::page::{heap_words, page_bytes};
use crate::status::{Identity, Page, Shape};
use crate::sys::clock::Clock;
use crate::sys::staging::StagingRegion;
use crate::sys::thread;

/// Name in the logs of what is no gateway.
const GATEWAY: &str = "sessions";

/// What a switchboard is made of.
pub struct SessionStore {
    /// For the switchboard
    pub log: Log,
    /// For [`crate::stage::Switchboard::set_archive`]
    pub archive: Archive,
    /// For [`crate::stage::Switchboard::resume`]
    pub recovered: Recovered,
    /// To be stopped last
    pub keeper: Keeper,
}

/// The same before any thread runs.
pub struct SessionParts {
    /// For the switchboard
    pub log: Log,
    /// For [`crate::stage::Switchboard::set_archive`]
    pub archive: Archive,
    /// For [`crate::stage::Switchboard::resume`]
    pub recovered: Recovered,
    /// To be turned by somebody: writes the log
    pub journal: JournalStage<LogStore>,
    /// To be turned by somebody: reads it for resends
    pub reader: ArchiveReader<SegmentReader>,
}

/// The threads behind the log. Dropped without [`Keeper::stop`] it leaves records in the window, where the next process finds them.
pub struct Keeper {
    lifecycle: Lifecycle,
    threads: Vec<JoinHandle<()>>,
}

impl Keeper {
    /// The switchboard is gone: everything goes to disk.
    pub fn stop(self) {
        self.lifecycle.enter(Phase::Written);
        for thread in self.threads {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl SessionStore {
    /// Of the peers with these names, and its threads run; `window_bytes` (a power of two) is what may wait for the disk.
    pub fn open(
        directory: &Path,
        names: &[String],
        window_bytes: usize,
        now: Now,
    ) -> Result<Self, BootError> {
        let SessionParts {
            log,
            archive,
            recovered,
            journal,
            reader,
        } = SessionParts::open(directory, names, window_bytes, now)?;
        let lifecycle = Lifecycle::default();
        let (journal_lifecycle, archive_lifecycle) = (lifecycle.clone(), lifecycle.clone());
        let threads = [
            thread::spawn("gh-journal", move || {
                runner::journal(journal, Clock::new(), &journal_lifecycle);
            }),
            thread::spawn("gh-archive", move || {
                runner::archive(reader, &archive_lifecycle);
            }),
        ];
        let threads = threads.into_iter().collect::<Result<_, _>>();
        Ok(Self {
            log,
            archive,
            recovered,
            keeper: Keeper {
                lifecycle,
                threads: threads.map_err(failed("cannot start a thread"))?,
            },
        })
    }
}

impl SessionParts {
    /// As [`SessionStore::open`]; nothing runs.
    pub fn open(
        directory: &Path,
        names: &[String],
        window_bytes: usize,
        now: Now,
    ) -> Result<Self, BootError> {
        let staging = directory.join("staging");
        let place = LogPlace::new(directory.join("log"), Some(staging.clone()));
        for path in [&place.directory, &staging] {
            fs::create_dir_all(path).map_err(failed(format!("cannot make {}", path.display())))?;
        }
        let id = LogId::Client;
        let window = staging.join(format!("{}.window", id.name()));
        let (recovered, sequence, held) = take_over(&place, id, names.len()).map_err(|error| {
            failed("cannot go on with the log of earlier processes")(io::Error::other(error))
        })?;
        let epoch = log_store::next_epoch(&place.directory, 0)
            .map_err(failed(format!("cannot read {}", place.directory.display())))?;
        let store = LogStore::create(&place.directory, id, epoch)
            .map_err(failed("cannot create the log"))?;
        let (writer, reader) = make_window(&window, window_bytes)?;
        let beginning = Beginning {
            gateway: GATEWAY,
            epoch,
            before: [sequence, 0, 0],
            channels: names,
            loss: None,
        };
        let log = begin_log(Log::new(id, writer), &beginning, now)
            .map_err(|error| failed("cannot begin the log")(io::Error::other(error)))?;
        StagingRegion::install(&window).map_err(failed("cannot use a new window"))?;
        drop(held);
        let drain = Drain::new(id, names.to_vec(), reader, store);
        let (archive, reader) = archive::archive(SegmentReader::new(&place.directory, id));
        let reader = reader.with_channels(recovered.channels(names));
        Ok(Self {
            log,
            archive,
            recovered,
            journal: JournalStage::new(vec![drain], page(names, now)),
            reader,
        })
    }
}

/// A status page that nobody reads.
fn page(names: &[String], now: Now) -> crate::status::StageWriter {
    let shape = Shape {
        sessions: names.to_vec(),
        links: Vec::new(),
        accounts: Vec::new(),
    };
    let identity = Identity {
        process_id: std::process::id(),
        start_wall_ns: now.wall_ns,
        boot_id_hash: 0,
    };
    let words = heap_words(page_bytes(&shape));
    Page::format(words, &shape, identity).into_writers().journal
}

/// Reads all that earlier processes wrote; with the last sequence, and the window that was there, to be held until another takes its
/// place.
pub fn take_over(
    place: &LogPlace,
    id: LogId,
    peers: usize,
) -> Result<(Recovered, u64, Option<StagingRegion>), TakeoverError> {
    let mut recovery = Recovery::new(id, peers);
    let mut takeover = Takeover::open(place.clone(), id, None)?;
    while takeover.advance()? {
        recovery.feed(takeover.epoch(), takeover.offset(), &takeover.record());
    }
    // There is no other log, and nobody to ask: what the host took with it is gone.
    takeover.decide(&Marks::default(), true)?;
    let sequence = takeover.sequence();
    let held = takeover.finish()?;
    Ok((recovery.finish(), sequence, held))
}
