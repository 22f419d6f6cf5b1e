//! Layout of the status page. Every field is one or more little-endian 64-bit words; all offsets are multiples of 64 bytes.
//!
//! ```text
//! Header | StageBlock x 5 | HistogramBlock x 3 | SessionRow x n | LinkRow x n | AccountRow x n
//! ```
//!
//! The structs are the truth for both sides: writers take their word offsets from them, readers see a copy through them.
//! Formatting is done once at boot, before any stage runs; afterwards the header changes only by the control thread.

use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::catalog::{COUNTERS, COUNTERS_MAX, Fact, Histogram, REASONS_MAX, REJECTS_MAX, Stage};
use super::errors::ERRORS_MAX;
use super::histogram::BUCKETS;
use super::writer::{StageWriter, Writers};

/// First bytes of a page.
pub const MAGIC: [u8; 8] = *b"GATEPAGE";
/// Version of this layout. A change of any struct here changes it.
pub const LAYOUT_VERSION: u64 = 3;
/// Bytes of a fact or warning, as UTF-8 padded with zeros.
pub const FACT_BYTES: usize = 192;
/// Warnings that the page can show.
pub const WARNINGS_MAX: usize = 8;
/// Input rings of one stage that the page can show.
pub const RINGS_MAX: usize = 4;
/// Bytes of a name.
pub const NAME_BYTES: usize = 32;

const _: () = assert!(cfg!(target_endian = "little"));

/// Start of the page.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`]
    pub magic: [u8; 8],
    /// [`LAYOUT_VERSION`]; zero until the page is complete
    pub layout_version: u64,
    /// Whole page, bytes
    pub page_bytes: u64,
    /// Process that writes it
    pub process_id: u64,
    /// Start of the process, ns since 1970
    pub start_wall_ns: u64,
    /// Hash of the kernel's boot id
    pub boot_id_hash: u64,
    /// [`catalogue_hash`](super::catalog::catalogue_hash) of the writer
    pub catalogue_hash: u64,
    /// Orderly end of the process, ns since 1970; zero while it runs
    pub stopped_wall_ns: u64,
    /// [`StageBlock`]s
    pub stages: Section,
    /// [`HistogramBlock`]s
    pub histograms: Section,
    /// [`SessionRow`]s
    pub sessions: Section,
    /// [`LinkRow`]s
    pub links: Section,
    /// [`AccountRow`]s
    pub accounts: Section,
    /// Counters in the writer's catalogue
    pub counters_count: u64,
    /// Warnings in use
    pub warnings_count: u64,
    /// Room to grow
    pub reserved: [u64; 7],
    /// By [`Fact`]
    pub facts: [[u8; FACT_BYTES]; 16],
    /// What an operator should change
    pub warnings: [[u8; FACT_BYTES]; WARNINGS_MAX],
}

/// Where a table lies.
#[derive(
    FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy, Debug, Default, PartialEq, Eq,
)]
#[repr(C)]
pub struct Section {
    /// From the start of the page, bytes
    pub offset_bytes: u64,
    /// Rows
    pub count: u64,
    /// One row, bytes
    pub row_bytes: u64,
}

/// What one stage writes about itself.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone)]
#[repr(C)]
pub struct StageBlock {
    /// Last duty cycle, ns since 1970
    pub heartbeat_wall_ns: u64,
    /// Duty cycles
    pub cycles: u64,
    /// Duty cycles that found work
    pub working_cycles: u64,
    /// Things done, as the duty cycles returned them
    pub work_items: u64,
    /// Time in working cycles, ns
    pub busy_ns: u64,
    /// Time in all cycles, ns
    pub measured_ns: u64,
    /// Longest working cycle, ns
    pub longest_cycle_ns: u64,
    /// When that was, ns since 1970
    pub longest_cycle_wall_ns: u64,
    /// Cycles longer than the bound
    pub cycles_over_bound: u64,
    /// The bound, ns
    pub cycle_bound_ns: u64,
    /// Core + 1; zero where not pinned
    pub core_plus_one: u64,
    /// Input rings in use
    pub rings_count: u64,
    /// `DiskState` (journal thread)
    pub disk: u64,
    /// Room to grow
    pub reserved: [u64; 3],
    /// Input rings
    pub rings: [RingBlock; RINGS_MAX],
    /// By `Counter`
    pub counters: [u64; COUNTERS_MAX],
    /// Requests refused by `RejectReason`
    pub rejects: [u64; REJECTS_MAX],
    /// Connections and sessions ended by `Reason`
    pub closed: [u64; REASONS_MAX],
    /// Distinct errors
    pub errors: [ErrorRow; ERRORS_MAX],
    /// What of the client, order and desk log a loss of the host would take (journal thread)
    pub loss_windows: [LossWindow; 3],
}

/// The part of a log that is not durable.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct LossWindow {
    /// Sequence of the last durable record; zero: none of this process
    pub durable: u64,
    /// Bytes behind it
    pub bytes: u64,
    /// No record behind it is older, ns
    pub age_ns: u64,
    /// Most bytes since the start
    pub bytes_max: u64,
    /// Highest age since the start, ns
    pub age_ns_max: u64,
    /// Room to grow
    pub reserved: [u64; 3],
}

/// One ring, as its consumer sees it.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct RingBlock {
    /// For people
    pub name: [u8; NAME_BYTES],
    /// Size, slots
    pub slots: u64,
    /// Filled slots at the last cycle
    pub depth: u64,
    /// Most filled slots since the start
    pub high_water: u64,
    /// Claims that found it full
    pub full: u64,
}

/// One distinct error.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone, Copy)]
#[repr(C)]
pub struct ErrorRow {
    /// `ErrorCode`; zero where the place is empty
    pub code: u64,
    /// Session, link, account or log index
    pub subject: u64,
    /// How often
    pub count: u64,
    /// First time, ns since 1970
    pub first_wall_ns: u64,
    /// Last time, ns since 1970
    pub last_wall_ns: u64,
    /// Of the last time; meaning by code
    pub detail: u64,
}

/// One latency histogram.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone)]
#[repr(C)]
pub struct HistogramBlock {
    /// Sum of all values, ns
    pub sum_ns: u64,
    /// Highest value, ns
    pub max_ns: u64,
    /// Room to grow
    pub reserved: [u64; 6],
    /// Values per bucket, see [`histogram`](super::histogram)
    pub buckets: [u64; BUCKETS],
}

/// One client session. The decode stage writes the first three cache lines, the risk stage the last.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone)]
#[repr(C)]
pub struct SessionRow {
    /// Name in the configuration
    pub name: [u8; NAME_BYTES],
    /// `SessionState`
    pub state: u64,
    /// `Reason` of the last end
    pub reason: u64,
    /// State since, ns since 1970
    pub state_wall_ns: u64,
    /// Next expected MsgSeqNum(34)
    pub next_in: u64,
    /// Next MsgSeqNum(34) to send
    pub next_out: u64,
    /// Messages received
    pub messages_in: u64,
    /// Messages sent
    pub messages_out: u64,
    /// Bytes received
    pub bytes_in: u64,
    /// Bytes sent
    pub bytes_out: u64,
    /// Session and business rejects sent
    pub rejects: u64,
    /// Logons
    pub logons: u64,
    /// Messages sent again
    pub resent: u64,
    /// Last message received, ns since 1970
    pub last_in_wall_ns: u64,
    /// Last message sent, ns since 1970
    pub last_out_wall_ns: u64,
    /// Peer's address as IPv6 (IPv4 mapped), low and high word; zero where not connected
    pub peer_address: [u64; 2],
    /// Peer's port
    pub peer_port: u64,
    /// When its schedule opens or closes next, ns since 1970; zero: none
    pub schedule_wall_ns: u64,
    /// Level of durability: 1 host (L1)
    pub durability: u64,
    /// Copies of others' reports written for it, plus one; zero where it receives none
    pub copies_plus_one: u64,
    /// Open orders (risk stage)
    pub orders_open: u64,
    /// Orders accepted (risk stage)
    pub orders: u64,
    /// Requests refused by checks (risk stage)
    pub orders_rejected: u64,
    /// 1 blocked, 2 killed (risk stage)
    pub stopped: u64,
    /// Room to grow
    pub reserved_risk: [u64; 4],
}

/// One link to a desk. Written by the route stage.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone)]
#[repr(C)]
pub struct LinkRow {
    /// Name in the configuration
    pub name: [u8; NAME_BYTES],
    /// Its desk
    pub desk: [u8; NAME_BYTES],
    /// `LinkState`
    pub state: u64,
    /// `Reason` of the last loss
    pub reason: u64,
    /// State since, ns since 1970
    pub state_wall_ns: u64,
    /// Requests that the desk has not answered
    pub in_flight: u64,
    /// Requests that may be unanswered at once
    pub window: u64,
    /// Requests waiting for the link
    pub queued: u64,
    /// Requests in doubt
    pub in_doubt: u64,
    /// Requests sent
    pub sent: u64,
    /// Reports received
    pub received: u64,
    /// Connections that came to stand
    pub connects: u64,
    /// Request to first answer, the last one, ns
    pub last_ack_ns: u64,
    /// Next expected MsgSeqNum(34)
    pub next_in: u64,
    /// Next MsgSeqNum(34) to send
    pub next_out: u64,
    /// Last message received, ns since 1970
    pub last_in_wall_ns: u64,
    /// Last message sent, ns since 1970
    pub last_out_wall_ns: u64,
    /// When its schedule opens or closes next, ns since 1970; zero: none
    pub schedule_wall_ns: u64,
    /// Level of durability: 1 host (L1)
    pub durability: u64,
    /// 1: its desk is held until an operator releases it. Written by the risk stage
    pub held: u64,
    /// Room to grow
    pub reserved: [u64; 6],
}

/// One account. Written by the risk stage.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Clone)]
#[repr(C)]
pub struct AccountRow {
    /// Account(1)
    pub name: [u8; 16],
    /// Open orders
    pub orders_open: u64,
    /// Orders accepted
    pub orders: u64,
    /// Fills booked
    pub fills: u64,
    /// Requests refused by checks
    pub rejects: u64,
    /// Money reserved, 10^-8 units, low and high word
    pub reserved_money: [u64; 2],
    /// Money available, 10^-8 units, low and high word
    pub available_money: [u64; 2],
    /// 1 blocked, 2 killed
    pub stopped: u64,
    /// Last change, ns since 1970
    pub last_wall_ns: u64,
    /// Room to grow
    pub reserved: [u64; 4],
}

const _: () = assert!(size_of::<Header>() == 76 * 64);
const _: () = assert!(offset_of!(Header, layout_version) == 8);
const _: () = assert!(offset_of!(Header, stages) == 64);
const _: () = assert!(offset_of!(Header, facts) == 256);
const _: () = assert!(Fact::ALL.len() <= 16 && FACT_BYTES == 24 * 8);
const _: () = assert!(size_of::<Section>() == 24);
const _: () = assert!(size_of::<RingBlock>() == 64 && size_of::<ErrorRow>() == 48);
const _: () = assert!(offset_of!(StageBlock, rings) == 128);
const _: () = assert!(offset_of!(StageBlock, counters) == 384);
const _: () = assert!(offset_of!(StageBlock, rejects) == 384 + 8 * COUNTERS_MAX);
const _: () = assert!(size_of::<StageBlock>() == 59 * 64 && size_of::<LossWindow>() == 64);
const _: () = assert!(size_of::<HistogramBlock>() == 64 + 8 * BUCKETS);
const _: () = assert!(size_of::<SessionRow>() == 256);
const _: () = assert!(offset_of!(SessionRow, orders_open) == 192);
const _: () = assert!(size_of::<LinkRow>() == 256);
const _: () = assert!(size_of::<AccountRow>() == 128);

/// Words of a page, mapped or on the heap. The page lives as long as the process: the boot leaks the mapping once.
pub type Words = &'static [AtomicU64];

/// How many rows, and their names.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// Client sessions by index
    pub sessions: Vec<String>,
    /// Links by index: desk and link
    pub links: Vec<(String, String)>,
    /// Accounts by index
    pub accounts: Vec<String>,
}

/// Who writes the page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity {
    /// Of this process
    pub process_id: u32,
    /// Of this process, ns since 1970
    pub start_wall_ns: u64,
    /// Any hash of the kernel's boot id
    pub boot_id_hash: u64,
}

/// A page that is laid out and not yet in use.
pub struct Page {
    words: Words,
    sections: Sections,
}

/// Where every table lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sections {
    pub(super) stages: Section,
    pub(super) histograms: Section,
    pub(super) sessions: Section,
    pub(super) links: Section,
    pub(super) accounts: Section,
    pub(super) page_bytes: u64,
}

impl Sections {
    fn of(shape: &Shape) -> Self {
        let mut at = size_of::<Header>() as u64;
        let mut section = |count: usize, row_bytes: usize| {
            let section = Section {
                offset_bytes: at,
                count: count as u64,
                row_bytes: row_bytes as u64,
            };
            at += section.count * section.row_bytes;
            section
        };
        Self {
            stages: section(Stage::ALL.len(), size_of::<StageBlock>()),
            histograms: section(Histogram::ALL.len(), size_of::<HistogramBlock>()),
            sessions: section(shape.sessions.len(), size_of::<SessionRow>()),
            links: section(shape.links.len(), size_of::<LinkRow>()),
            accounts: section(shape.accounts.len(), size_of::<AccountRow>()),
            page_bytes: at,
        }
    }
}

/// Bytes that a page of `shape` needs.
pub fn page_bytes(shape: &Shape) -> usize {
    Sections::of(shape).page_bytes as usize
}

impl Page {
    /// Lays a page out over `words`, which must be at least [`page_bytes`] and are overwritten. Readers see `Starting` until
    /// [`Page::into_writers`].
    ///
    /// # Panics
    /// Where `words` are too few: the caller sized them by the same shape.
    pub fn format(words: Words, shape: &Shape, identity: Identity) -> Self {
        let sections = Sections::of(shape);
        assert!(
            words.len() * 8 >= sections.page_bytes as usize,
            "the status page needs {} bytes and got {}",
            sections.page_bytes,
            words.len() * 8
        );
        // Whoever still reads a former page must see it vanish before its words change.
        words[offset_of!(Header, layout_version) / 8].store(0, Release);
        words.iter().for_each(|word| word.store(0, Release));
        let put = |offset: usize, value: u64| words[offset / 8].store(value, Relaxed);
        put(offset_of!(Header, page_bytes), sections.page_bytes);
        put(offset_of!(Header, process_id), identity.process_id as u64);
        put(offset_of!(Header, start_wall_ns), identity.start_wall_ns);
        put(offset_of!(Header, boot_id_hash), identity.boot_id_hash);
        put(
            offset_of!(Header, catalogue_hash),
            super::catalog::catalogue_hash(),
        );
        put(offset_of!(Header, counters_count), COUNTERS.len() as u64);
        for (offset, section) in [
            (offset_of!(Header, stages), sections.stages),
            (offset_of!(Header, histograms), sections.histograms),
            (offset_of!(Header, sessions), sections.sessions),
            (offset_of!(Header, links), sections.links),
            (offset_of!(Header, accounts), sections.accounts),
        ] {
            put(offset, section.offset_bytes);
            put(offset + 8, section.count);
            put(offset + 16, section.row_bytes);
        }
        let page = Self { words, sections };
        page.name_rows(shape);
        put(0, u64::from_le_bytes(MAGIC));
        page
    }

    fn name_rows(&self, shape: &Shape) {
        let row = |section: Section, at: usize, field: usize| {
            &self.words
                [(section.offset_bytes as usize + at * section.row_bytes as usize + field) / 8..]
        };
        for (at, name) in shape.sessions.iter().enumerate() {
            put_text(&row(self.sections.sessions, at, 0)[..NAME_BYTES / 8], name);
        }
        for (at, (desk, link)) in shape.links.iter().enumerate() {
            put_text(&row(self.sections.links, at, 0)[..NAME_BYTES / 8], link);
            let field = offset_of!(LinkRow, desk);
            put_text(&row(self.sections.links, at, field)[..NAME_BYTES / 8], desk);
        }
        for (at, name) in shape.accounts.iter().enumerate() {
            put_text(&row(self.sections.accounts, at, 0)[..2], name);
        }
    }

    /// The words, for readers in this process.
    pub fn words(&self) -> Words {
        self.words
    }

    /// One writer per stage. Call [`Writers::ready`] when the facts are in.
    pub fn into_writers(self) -> Writers {
        let writer = |stage| StageWriter::new(self.words, self.sections, stage);
        Writers {
            decode: writer(Stage::Decode),
            risk: writer(Stage::Risk),
            route: writer(Stage::Route),
            journal: writer(Stage::Journal),
            control: writer(Stage::Control),
        }
    }
}

/// Words on the heap, for tests and for tools that need no other process to read them. Leaked, see [`Words`].
pub fn heap_words(bytes: usize) -> Words {
    let words: Vec<AtomicU64> = (0..bytes.div_ceil(8)).map(|_| AtomicU64::new(0)).collect();
    Box::leak(words.into_boxed_slice())
}

/// Writes `text` into `words`, cut at a character's boundary, padded with zeros.
pub(super) fn put_text(words: &[AtomicU64], text: &str) {
    let mut end = text.len().min(words.len() * 8);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let bytes = &text.as_bytes()[..end];
    for (at, word) in words.iter().enumerate() {
        let mut part = [0u8; 8];
        let rest = bytes.get(at * 8..).unwrap_or_default();
        let n = rest.len().min(8);
        part[..n].copy_from_slice(&rest[..n]);
        word.store(u64::from_le_bytes(part), Relaxed);
    }
}
