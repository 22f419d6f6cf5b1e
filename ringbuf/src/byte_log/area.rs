//! The shared part of a byte log: positions, frame headers and payload bytes, by position instead of address.
//!
//! Held by the writer, the reader and the gauges of one log. All pointer work of the byte log is here; who may touch what,
//! and when, is decided by the writer and the reader, whose promises the `unsafe` functions demand. What always holds:
//! `released <= head <= released + capacity`, and the frames in `[released, head)` are whole and follow one another.

use crate::{
    gauge::Side,
    sync::{AtomicU64, Ordering, Padded},
};

use super::{
    layout::{
        CAPACITY_BYTES_MAX, CAPACITY_BYTES_MIN, FrameHeader, HEADER_BYTES, Header, KIND_DATA,
        KIND_PAD, MAGIC, RegionError, frame_bytes,
    },
    region::Region,
};

/// Memory is touched once per so many bytes to have it mapped before it is needed.
const PAGE_BYTES: usize = 4096;

pub(super) struct Area {
    data: *mut u8,
    header: *const Header,
    capacity_bytes: usize,
    pub(super) writing: Padded<Side>,
    pub(super) reading: Padded<Side>,
    full_count: Padded<AtomicU64>,
    #[cfg(loom)]
    model: model::Model,
    region: Region,
}

// SAFETY: the pointers lead into the region, which is `Send` and kept alive here; through a shared `Area` only atomics are
// touched without the promises that the `unsafe` functions demand.
unsafe impl Send for Area {}
// SAFETY: as above.
unsafe impl Sync for Area {}

impl Area {
    /// Makes an empty log of the region.
    pub(super) fn create(mut region: Region) -> Result<Self, RegionError> {
        let capacity_bytes = Self::check_shape(&region)?;
        region.clear_from(HEADER_BYTES);
        let header = region.start().cast::<Header>();
        // SAFETY: the region is ours alone, large enough and aligned (just checked), and any bytes make a `Header`.
        unsafe { (*header).prepare(capacity_bytes) };
        let area = Self::new(region, capacity_bytes);
        area.touch_pages();
        area.header().magic.store(MAGIC, Ordering::Release);
        Ok(area)
    }

    /// Takes over the log that is in the region.
    pub(super) fn attach(region: Region) -> Result<Self, RegionError> {
        let capacity_bytes = Self::check_shape(&region)?;
        let header = region.start().cast::<Header>();
        // SAFETY: as in `create`.
        unsafe { (*header).check(capacity_bytes)? };
        let area = Self::new(region, capacity_bytes);
        area.check_frames()?;
        area.touch_pages();
        Ok(area)
    }

    fn check_shape(region: &Region) -> Result<usize, RegionError> {
        let region_bytes = region.bytes().len();
        let capacity_bytes = region_bytes.saturating_sub(HEADER_BYTES);
        if !capacity_bytes.is_power_of_two()
            || !(CAPACITY_BYTES_MIN..=CAPACITY_BYTES_MAX).contains(&capacity_bytes)
        {
            return Err(RegionError::Size { region_bytes });
        }
        if !region.start().cast::<Header>().is_aligned() {
            return Err(RegionError::Alignment);
        }
        Ok(capacity_bytes)
    }

    fn new(region: Region, capacity_bytes: usize) -> Self {
        let header = region.start().cast::<Header>();
        Self {
            data: region.start().wrapping_add(HEADER_BYTES),
            header,
            capacity_bytes,
            writing: Padded(Side::new()),
            reading: Padded(Side::new()),
            full_count: Padded(AtomicU64::new(0)),
            #[cfg(loom)]
            // SAFETY: as in `header`.
            model: model::Model::new(unsafe { &*header }, capacity_bytes),
            region,
        }
    }

    /// Follows the frames from `released` to `head`. A writer that died cannot have broken them, for `head` is stored last;
    /// something else may have.
    fn check_frames(&self) -> Result<(), RegionError> {
        let head = self.head().load(Ordering::Acquire);
        let mut position = self.released().load(Ordering::Acquire);
        while position < head {
            // SAFETY: nobody else has the region, and `position` is a multiple of 8.
            let frame = unsafe { self.frame_header(position) };
            let end = position + frame_bytes(frame.length_bytes as usize) as u64;
            let ends_at_edge = self.bytes_to_edge(end) == self.capacity_bytes;
            let good = match frame.kind {
                KIND_DATA => true,
                KIND_PAD => ends_at_edge,
                _ => false,
            };
            let contiguous = end - position <= self.bytes_to_edge(position) as u64;
            if !good || !contiguous || end > head {
                return Err(RegionError::Frame {
                    position,
                    length_bytes: frame.length_bytes,
                    kind: frame.kind,
                });
            }
            position = end;
        }
        Ok(())
    }

    /// Has every page mapped for writing.
    fn touch_pages(&self) {
        for offset in (0..self.capacity_bytes).step_by(PAGE_BYTES) {
            let byte = self.data.wrapping_add(offset);
            // SAFETY: inside the data area, which nobody else has yet. Volatile, so that it really happens.
            unsafe { byte.write_volatile(byte.read_volatile()) };
        }
    }

    fn header(&self) -> &Header {
        // SAFETY: checked in `check_shape`, alive as long as the region; only its atomics change from now on.
        unsafe { &*self.header }
    }

    /// Bytes ever committed.
    #[inline(always)]
    pub(super) fn head(&self) -> &AtomicU64 {
        #[cfg(loom)]
        return &self.model.head;
        #[cfg(not(loom))]
        &self.header().head
    }

    /// Bytes ever released.
    #[inline(always)]
    pub(super) fn released(&self) -> &AtomicU64 {
        #[cfg(loom)]
        return &self.model.released;
        #[cfg(not(loom))]
        &self.header().released
    }

    #[inline(always)]
    pub(super) fn capacity_bytes(&self) -> usize {
        self.capacity_bytes
    }

    #[inline(always)]
    fn offset(&self, position: u64) -> usize {
        position as usize & (self.capacity_bytes - 1)
    }

    /// Bytes from `position` to the end of the data area: 1 to capacity.
    #[inline(always)]
    pub(super) fn bytes_to_edge(&self, position: u64) -> usize {
        self.capacity_bytes - self.offset(position)
    }

    /// Where `position` lies in memory.
    #[inline(always)]
    fn address(&self, position: u64) -> *const u8 {
        self.data.wrapping_add(self.offset(position))
    }

    /// # Safety
    /// `position` is a multiple of 8, and the 8 bytes there are not written to meanwhile.
    #[inline(always)]
    pub(super) unsafe fn frame_header(&self, position: u64) -> FrameHeader {
        #[cfg(loom)]
        self.model
            .read(self.offset(position), size_of::<FrameHeader>());
        // SAFETY: the offset is inside the data area and so are the 8 bytes from it, since both are multiples of 8; any
        // bytes make a frame header; not written to meanwhile, by contract.
        unsafe { self.address(position).cast::<FrameHeader>().read() }
    }

    /// # Safety
    /// `position` is a multiple of 8, and the 8 bytes there are the caller's alone.
    #[inline(always)]
    pub(super) unsafe fn set_frame_header(&self, position: u64, length_bytes: u32, kind: u32) {
        #[cfg(loom)]
        self.model
            .write(self.offset(position), size_of::<FrameHeader>());
        let header = FrameHeader { length_bytes, kind };
        // SAFETY: in bounds as in `frame_header`; the caller's alone, by contract.
        unsafe {
            self.address(position)
                .cast_mut()
                .cast::<FrameHeader>()
                .write(header)
        };
    }

    /// # Safety
    /// The bytes do not cross the edge, and are not written to while the result lives.
    #[inline(always)]
    pub(super) unsafe fn bytes(&self, position: u64, length: usize) -> &[u8] {
        #[cfg(loom)]
        self.model.read(self.offset(position), length);
        // SAFETY: inside the data area and not written to, by contract; initialised, as the whole region is.
        unsafe { std::slice::from_raw_parts(self.address(position), length) }
    }

    /// # Safety
    /// The bytes do not cross the edge, and are the caller's alone while the result lives.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    pub(super) unsafe fn bytes_mut(&self, position: u64, length: usize) -> &mut [u8] {
        #[cfg(loom)]
        self.model.write(self.offset(position), length);
        // SAFETY: inside the data area and the caller's alone, by contract; initialised, as the whole region is.
        unsafe { std::slice::from_raw_parts_mut(self.address(position).cast_mut(), length) }
    }

    /// Counts a claim that failed. The writer is the only one to do so.
    #[cold]
    pub(super) fn count_full(&self) {
        let count = self.full_count.0.load(Ordering::Relaxed);
        self.full_count.0.store(count + 1, Ordering::Relaxed);
    }

    pub(super) fn full_count(&self) -> u64 {
        self.full_count.0.load(Ordering::Relaxed)
    }

    pub(super) fn high_water(&self) -> usize {
        let seen = self.writing.0.high_water().max(self.reading.0.high_water());
        seen.max(self.depth())
    }

    /// Committed and not released, never more than there was when `head` was read.
    pub(super) fn depth(&self) -> usize {
        let head = self.head().load(Ordering::Acquire);
        head.saturating_sub(self.released().load(Ordering::Relaxed)) as usize
    }

    /// Ends the log but keeps its memory.
    pub(super) fn into_region(self) -> Region {
        #[cfg(loom)]
        self.model.store_to(self.header());
        self.region
    }
}

/// Loom's view of the region: it sees no raw memory, so the positions are kept beside it, and each 8 bytes of data have a
/// cell that is touched whenever they are.
#[cfg(loom)]
mod model {
    use crate::sync::{AtomicU64, Cell, Ordering};

    use super::Header;

    pub(super) struct Model {
        pub(super) head: AtomicU64,
        pub(super) released: AtomicU64,
        words: Vec<Cell<()>>,
    }

    impl Model {
        pub(super) fn new(header: &Header, capacity_bytes: usize) -> Self {
            Self {
                head: AtomicU64::new(header.head.load(Ordering::Acquire)),
                released: AtomicU64::new(header.released.load(Ordering::Acquire)),
                words: (0..capacity_bytes / 8).map(|_| Cell::new(())).collect(),
            }
        }

        pub(super) fn read(&self, offset: usize, length: usize) {
            for word in &self.words[offset / 8..(offset + length).div_ceil(8)] {
                word.read();
            }
        }

        pub(super) fn write(&self, offset: usize, length: usize) {
            for word in &self.words[offset / 8..(offset + length).div_ceil(8)] {
                word.write();
            }
        }

        pub(super) fn store_to(&self, header: &Header) {
            let head = self.head.load(Ordering::Acquire);
            let released = self.released.load(Ordering::Acquire);
            header.head.store(head, Ordering::Release);
            header.released.store(released, Ordering::Release);
        }
    }
}
