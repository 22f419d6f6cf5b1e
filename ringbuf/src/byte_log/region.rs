//! The memory that a byte log lives in, and what keeps it alive.
//!
//! A [`Region`] is held by no thread in particular: it is made by whoever starts, and then given to `create` or `attach`.
//! What always holds: while it lives, its bytes stay where they are, can be read and written, and belong to it alone.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

use super::layout::region_bytes;

/// Regions made here start on a page.
const HEAP_ALIGNMENT: usize = 4096;

/// Owner of a span of memory that does not move when the owner does, as a memory map.
///
/// # Safety
/// From the call of [`bytes`](Self::bytes) until the value is dropped, and wherever the value is moved to, all bytes of
/// the span must be mapped, initialised, readable and writable at that address, and nobody else may read or write them:
/// neither through another pointer in this process nor through another map of the same file. A file behind the span
/// must not shrink. (`Box<[u8]>` does not qualify: moving a box claims its content anew.)
pub unsafe trait StableBytes: Send + 'static {
    /// Address and length of the span. The same at each call.
    fn bytes(&mut self) -> (*mut u8, usize);

    /// Whether all bytes are zero, as of a file just made: then nobody needs to clear them.
    fn are_zero(&self) -> bool {
        false
    }
}

/// A span of memory, with its owner.
pub struct Region {
    start: *mut u8,
    length: usize,
    are_zero: bool,
    /// Dropped with the region; `None` if the caller of [`Region::from_raw`] sees to that.
    _owner: Option<Box<dyn StableBytes>>,
}

// SAFETY: the span is the region's alone (contract of `StableBytes` and of `from_raw`) and is not bound to a thread.
unsafe impl Send for Region {}

impl Region {
    /// A region on the heap for a log of `capacity_bytes`. Does not survive the process.
    pub fn heap(capacity_bytes: usize) -> Self {
        Self::from_owner(Heap::zeroed(region_bytes(capacity_bytes)))
    }

    /// A region on the heap with a copy of `image`, as for looking into a log that another process left behind.
    pub fn from_image(image: &[u8]) -> Self {
        let mut heap = Heap::zeroed(image.len());
        heap.as_mut_slice().copy_from_slice(image);
        Self::from_owner(heap)
    }

    /// A region in memory that `owner` keeps alive.
    pub fn from_owner(owner: impl StableBytes) -> Self {
        let mut owner: Box<dyn StableBytes> = Box::new(owner);
        let (start, length) = owner.bytes();
        Self {
            start,
            length,
            are_zero: owner.are_zero(),
            _owner: Some(owner),
        }
    }

    /// A region in memory that the caller keeps alive.
    ///
    /// # Safety
    /// The `length` bytes from `start` must satisfy what [`StableBytes`] demands until the region, and both ends of the
    /// log that was made in it, are dropped.
    pub unsafe fn from_raw(start: *mut u8, length: usize) -> Self {
        Self {
            start,
            length,
            are_zero: false,
            _owner: None,
        }
    }

    /// The whole region, header block included.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the span is valid, initialised and the region's alone while the region lives.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }

    /// The whole region, header block included.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.are_zero = false;
        // SAFETY: as in `bytes`, and the region is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }

    /// Has all bytes from `offset` on zero, and is about to be written to.
    pub(super) fn clear_from(&mut self, offset: usize) {
        if !self.are_zero {
            self.bytes_mut()[offset..].fill(0);
        }
        self.are_zero = false;
    }

    /// Where the span starts, for writing too.
    pub(super) fn start(&self) -> *mut u8 {
        self.start
    }
}

/// Page-aligned heap memory.
struct Heap {
    start: *mut u8,
    length: usize,
    layout: Layout,
}

// SAFETY: an allocation may be used and freed by any thread.
unsafe impl Send for Heap {}

// SAFETY: the allocation is zeroed, does not move until it is freed in `drop`, and its pointer is never given elsewhere.
unsafe impl StableBytes for Heap {
    fn bytes(&mut self) -> (*mut u8, usize) {
        (self.start, self.length)
    }
}

impl Heap {
    fn zeroed(length: usize) -> Self {
        let layout = Layout::from_size_align(length.max(1), HEAP_ALIGNMENT)
            .expect("a region fits the address space");
        // SAFETY: the size is not 0.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Self {
            start,
            length,
            layout,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the allocation has at least this size, is zeroed, and is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with the same layout, and freed here only.
        unsafe { dealloc(self.start, self.layout) };
    }
}
