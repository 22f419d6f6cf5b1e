//! Writing the page: one [`StageWriter`] per stage, owned by the stage's thread, a few instructions per update.
//!
//! Each word has one writer, so that an update is a relaxed load and a relaxed store without a locked instruction. Nothing here
//! allocates or can fail; a row that does not exist is a bug of the caller and panics.

use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release};

use super::catalog::{Counter, Fact, Histogram, Reason, Stage};
use super::errors::{self, ERRORS_MAX, ErrorCode};
use super::histogram::bucket_of;
use super::page::{
    ErrorRow, FACT_BYTES, Header, HistogramBlock, LAYOUT_VERSION, LossWindow, NAME_BYTES,
    RINGS_MAX, RingBlock, Section, Sections, StageBlock, WARNINGS_MAX, Words, put_text,
};
use super::rows::{AccountCells, LinkCells, SessionCells, SessionRiskCells};
use crate::domain::{AccountIndex, DiskState, LinkIndex, Now, RejectReason, SessionIndex};

/// All writers of a page, to be handed to their threads.
#[derive(Debug)]
pub struct Writers {
    /// Client side.
    pub decode: StageWriter,
    /// The sequencer.
    pub risk: StageWriter,
    /// Desk side.
    pub route: StageWriter,
    /// Logs to disk.
    pub journal: StageWriter,
    /// Commands of operators; writes the facts.
    pub control: StageWriter,
}

impl Writers {
    /// See [`StageWriter::ready`].
    pub fn ready(&self) {
        self.control.ready();
    }
}

/// Adds to a word that only this thread writes.
#[inline(always)]
pub(super) fn bump(word: &AtomicU64, n: u64) {
    word.store(word.load(Relaxed).wrapping_add(n), Relaxed);
}

/// Writer of one stage's block and rows. Not `Clone`: a block has one writer.
#[derive(Debug)]
pub struct StageWriter {
    words: Words,
    block: Words,
    sections: Sections,
    stage: Stage,
}

macro_rules! field {
    ($self:ident, $field:ident) => {
        &$self.block[offset_of!(StageBlock, $field) / 8]
    };
}

impl StageWriter {
    pub(super) fn new(words: Words, sections: Sections, stage: Stage) -> Self {
        let block = row(words, sections.stages, stage as usize);
        Self {
            words,
            block,
            sections,
            stage,
        }
    }

    /// Whose.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Adds `n` to a counter.
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        debug_assert!(counter.row().stages.contains(&self.stage), "{counter:?}");
        bump(
            &self.block[offset_of!(StageBlock, counters) / 8 + counter as usize],
            n,
        );
    }

    /// Sets a counter that is kept elsewhere, such as the system calls of the sockets.
    #[inline]
    pub fn set(&self, counter: Counter, value: u64) {
        debug_assert!(counter.row().stages.contains(&self.stage), "{counter:?}");
        self.block[offset_of!(StageBlock, counters) / 8 + counter as usize].store(value, Relaxed);
    }

    /// Counts a request refused by a check.
    #[inline]
    pub fn rejected(&self, reason: RejectReason) {
        bump(
            &self.block[offset_of!(StageBlock, rejects) / 8 + reason as usize],
            1,
        );
    }

    /// Counts a connection or session that ended.
    pub fn closed(&self, reason: Reason) {
        bump(
            &self.block[offset_of!(StageBlock, closed) / 8 + reason as usize],
            1,
        );
    }

    /// Counts a distinct error; what `subject` and `detail` are is said by the code.
    pub fn error(&self, code: ErrorCode, subject: u64, detail: u64, wall_ns: u64) {
        let start = offset_of!(StageBlock, errors) / 8;
        let table = &self.block[start..start + ERRORS_MAX * size_of::<ErrorRow>() / 8];
        if !errors::record(table, code, subject, detail, wall_ns) {
            self.add(Counter::ErrorsNotKept, 1);
        }
    }

    /// Records a latency. The histogram must be this stage's.
    #[inline]
    pub fn record_latency(&self, histogram: Histogram, ns: u64) {
        debug_assert!(histogram.stage() == self.stage, "{histogram:?}");
        let block = row(self.words, self.sections.histograms, histogram as usize);
        bump(
            &block[offset_of!(HistogramBlock, buckets) / 8 + bucket_of(ns)],
            1,
        );
        bump(&block[offset_of!(HistogramBlock, sum_ns) / 8], ns);
        let max = &block[offset_of!(HistogramBlock, max_ns) / 8];
        if ns > max.load(Relaxed) {
            max.store(ns, Relaxed);
        }
    }

    /// Accounts for one duty cycle that started at `started`, ended at `ended_mono_ns` and did `work` things.
    #[inline]
    pub fn cycle(&self, started: Now, ended_mono_ns: u64, work: usize) {
        let took_ns = ended_mono_ns.saturating_sub(started.mono_ns);
        field!(self, heartbeat_wall_ns).store(started.wall_ns, Relaxed);
        bump(field!(self, cycles), 1);
        bump(field!(self, measured_ns), took_ns);
        if work == 0 {
            return;
        }
        bump(field!(self, working_cycles), 1);
        bump(field!(self, work_items), work as u64);
        bump(field!(self, busy_ns), took_ns);
        if took_ns > field!(self, longest_cycle_ns).load(Relaxed) {
            field!(self, longest_cycle_ns).store(took_ns, Relaxed);
            field!(self, longest_cycle_wall_ns).store(started.wall_ns, Relaxed);
        }
        let bound_ns = field!(self, cycle_bound_ns).load(Relaxed);
        if bound_ns > 0 && took_ns > bound_ns {
            bump(field!(self, cycles_over_bound), 1);
            self.error(ErrorCode::CycleTooLong, 0, took_ns, started.wall_ns);
        }
    }

    /// Sets the bound above which a cycle is counted as too long (zero: none), and the core where the thread is pinned.
    pub fn set_thread(&self, cycle_bound_ns: u64, core: Option<usize>) {
        field!(self, cycle_bound_ns).store(cycle_bound_ns, Relaxed);
        field!(self, core_plus_one).store(core.map_or(0, |core| core as u64 + 1), Relaxed);
    }

    /// How the disk does. Journal thread only.
    pub fn set_disk(&self, state: DiskState) {
        debug_assert!(self.stage == Stage::Journal);
        field!(self, disk).store(state as u64, Relaxed);
    }

    /// What of log `at` (client, order, desk) is not durable: behind which record, how many bytes, and how old it may be. Journal thread only.
    pub fn set_loss_window(&self, at: usize, durable: u64, bytes: u64, age_ns: u64) {
        debug_assert!(self.stage == Stage::Journal);
        let words = size_of::<LossWindow>() / 8;
        let start = offset_of!(StageBlock, loss_windows) / 8 + at * words;
        let block = &self.block[start..start + words];
        block[offset_of!(LossWindow, durable) / 8].store(durable, Relaxed);
        for (field, max, value) in [
            (
                offset_of!(LossWindow, bytes),
                offset_of!(LossWindow, bytes_max),
                bytes,
            ),
            (
                offset_of!(LossWindow, age_ns),
                offset_of!(LossWindow, age_ns_max),
                age_ns,
            ),
        ] {
            block[field / 8].store(value, Relaxed);
            block[max / 8].fetch_max(value, Relaxed);
        }
    }

    /// Names input ring `ring` (below [`RINGS_MAX`]) and its size.
    pub fn name_ring(&self, ring: usize, name: &str, slots: usize) {
        let block = self.ring(ring);
        put_text(&block[..NAME_BYTES / 8], name);
        block[offset_of!(RingBlock, slots) / 8].store(slots as u64, Relaxed);
        let count = field!(self, rings_count);
        count.store(count.load(Relaxed).max(ring as u64 + 1), Relaxed);
    }

    /// Shows how full input ring `ring` is, was at most, and how often a claim found it full.
    #[inline]
    pub fn set_ring(&self, ring: usize, depth: u64, high_water: u64, full: u64) {
        let block = self.ring(ring);
        block[offset_of!(RingBlock, depth) / 8].store(depth, Relaxed);
        block[offset_of!(RingBlock, high_water) / 8].store(high_water, Relaxed);
        block[offset_of!(RingBlock, full) / 8].store(full, Relaxed);
    }

    fn ring(&self, ring: usize) -> Words {
        assert!(ring < RINGS_MAX);
        let words = size_of::<RingBlock>() / 8;
        let start = offset_of!(StageBlock, rings) / 8 + ring * words;
        &self.block[start..start + words]
    }

    /// The decode stage's part of a session's row.
    #[inline]
    pub fn session(&self, session: SessionIndex) -> SessionCells {
        debug_assert!(self.stage == Stage::Decode);
        SessionCells(row(self.words, self.sections.sessions, session.get()))
    }

    /// The risk stage's part of a session's row.
    #[inline]
    pub fn session_orders(&self, session: SessionIndex) -> SessionRiskCells {
        debug_assert!(self.stage == Stage::Risk);
        SessionRiskCells(row(self.words, self.sections.sessions, session.get()))
    }

    /// A link's row.
    #[inline]
    pub fn link(&self, link: LinkIndex) -> LinkCells {
        debug_assert!(self.stage == Stage::Route);
        LinkCells(row(self.words, self.sections.links, link.get()))
    }

    /// Whether the desk of a link is held: the risk stage's part of its row.
    pub fn set_link_held(&self, link: LinkIndex, is_held: bool) {
        debug_assert!(self.stage == Stage::Risk);
        LinkCells(row(self.words, self.sections.links, link.get())).set_held(is_held);
    }

    /// An account's row.
    #[inline]
    pub fn account(&self, account: AccountIndex) -> AccountCells {
        debug_assert!(self.stage == Stage::Risk);
        AccountCells(row(self.words, self.sections.accounts, account.get()))
    }

    /// Writes a fact. Boot and control thread only.
    pub fn fact(&self, fact: Fact, text: &str) {
        debug_assert!(self.stage == Stage::Control);
        let start = (offset_of!(Header, facts) + fact as usize * FACT_BYTES) / 8;
        put_text(&self.words[start..start + FACT_BYTES / 8], text);
    }

    /// Shows the page to readers: the layout version is stored last. Boot only, when the facts are written.
    pub fn ready(&self) {
        debug_assert!(self.stage == Stage::Control);
        self.words[offset_of!(Header, layout_version) / 8].store(LAYOUT_VERSION, Release);
    }

    /// Adds a warning; those beyond the page's room are only counted. Boot and control thread only.
    pub fn warning(&self, text: &str) {
        debug_assert!(self.stage == Stage::Control);
        let count = &self.words[offset_of!(Header, warnings_count) / 8];
        let at = count.load(Relaxed) as usize;
        if at < WARNINGS_MAX {
            let start = (offset_of!(Header, warnings) + at * FACT_BYTES) / 8;
            put_text(&self.words[start..start + FACT_BYTES / 8], text);
        }
        count.store(at as u64 + 1, Release);
    }

    /// Marks the orderly end of the process. Control thread only.
    pub fn stopped(&self, wall_ns: u64) {
        debug_assert!(self.stage == Stage::Control);
        self.words[offset_of!(Header, stopped_wall_ns) / 8].store(wall_ns, Release);
    }
}

#[inline]
fn row(words: Words, section: Section, at: usize) -> Words {
    assert!(
        at < section.count as usize,
        "no such row of the status page"
    );
    let row_words = section.row_bytes as usize / 8;
    let start = section.offset_bytes as usize / 8 + at * row_words;
    &words[start..start + row_words]
}
