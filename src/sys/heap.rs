//! An allocator that counts, per thread, how often memory was asked for: how tests prove that a hot path does not allocate.
//!
//! The product does not install it; a test does, with `#[global_allocator]`. It stands here because all unsafe code of `src/` does.
//! What always holds: every call goes on to the system's allocator unchanged, and only the calling thread's count rises.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counted.
pub struct CountingAllocator;

// SAFETY: all calls are handed on to the system's allocator unchanged. Growing and zeroed memory come through `alloc` too, by
// the trait's defaults. The count is a constant-initialised thread-local without a destructor: touching it never allocates.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: by the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: by the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Allocations of the calling thread since it began; zero where [`CountingAllocator`] is not installed.
pub fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}
