//! Two allocators: the product's, which has what is large on large pages, and one that counts, per thread, how often memory was asked for:
//! how tests prove that a hot path does not allocate.
//!
//! A program installs one with `#[global_allocator]`. They stand here because all unsafe code of `src/` does. What always holds: what
//! is small goes on to the system's allocator unchanged; only the calling thread's count rises.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use super::prefault;

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

/// What is at least this large gets pages of its own.
const LARGE_BYTES: usize = 4 << 20;
const LARGE_PAGE_BYTES: usize = 2 << 20;

/// The system's allocator, but what is large lies on large pages where the host grants them (`madvise` or `always` in
/// `/sys/kernel/mm/transparent_hugepage/enabled`): the tables of a day are gigabytes, visited at random, and with small pages most visits cost
/// a walk through the page tables and each first one a fault. Nothing is touched here: see [`prefault`].
pub struct LargePages;

// SAFETY: what is small goes to the system's allocator unchanged. Which of the two has an allocation depends on its layout alone, which
// is the same when it is given back; a mapping is at least as long as asked, aligned to 2 MiB, zeroed and nobody else's.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_large(layout) {
            true => map_large(layout.size()),
            // SAFETY: by the caller's contract.
            false => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match is_large(layout) {
            true => map_large(layout.size()),
            // SAFETY: by the caller's contract.
            false => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match is_large(layout) {
            true => {
                prefault::forget(pointer, layout.size());
                // SAFETY: a mapping of this length that `map_large` made, and that nobody uses any more.
                unsafe { libc::munmap(pointer.cast(), whole_pages(layout.size())) };
            }
            // SAFETY: by the caller's contract.
            false => unsafe { System.dealloc(pointer, layout) },
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's contract has it that the size, rounded up to the alignment, is no overflow.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if !is_large(layout) && !is_large(wanted) {
            // SAFETY: by the caller's contract.
            return unsafe { System.realloc(pointer, layout, size) };
        }
        // SAFETY: as above; both are allocations of these layouts, and of different memory.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(pointer, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
            moved
        }
    }
}

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE_BYTES && layout.align() <= LARGE_PAGE_BYTES
}

fn whole_pages(bytes: usize) -> usize {
    bytes.next_multiple_of(LARGE_PAGE_BYTES)
}

/// Zeroed memory that begins on a large page; null where there is none.
fn map_large(bytes: usize) -> *mut u8 {
    // Without access at first: what is locked into memory would else be filled with small pages at once.
    let (length, flags) = (whole_pages(bytes), libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let Some(reserved) = length.checked_add(LARGE_PAGE_BYTES) else {
        return std::ptr::null_mut();
    };
    // SAFETY: a new mapping, at no given place.
    let found = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            reserved,
            libc::PROT_NONE,
            flags,
            -1,
            0,
        )
    };
    if found == libc::MAP_FAILED {
        return std::ptr::null_mut();
    }
    let before = found.align_offset(LARGE_PAGE_BYTES);
    let start = found.wrapping_byte_add(before);
    let end = start.wrapping_byte_add(length);
    // SAFETY: all within the mapping that was just made, which nobody else knows. Where advice is not taken the pages are small.
    unsafe {
        if before > 0 {
            libc::munmap(found, before);
        }
        if before < LARGE_PAGE_BYTES {
            libc::munmap(end, LARGE_PAGE_BYTES - before);
        }
        libc::madvise(start, length, libc::MADV_HUGEPAGE);
        if libc::mprotect(start, length, libc::PROT_READ | libc::PROT_WRITE) != 0 {
            libc::munmap(start, length);
            return std::ptr::null_mut();
        }
    }
    prefault::want(start.cast(), length);
    start.cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 64).expect("a size")
    }

    fn bytes<'a>(pointer: *mut u8, count: usize) -> &'a mut [u8] {
        assert!(!pointer.is_null());
        // SAFETY: so many bytes were just asked for, zeroed or written, and this test alone knows them.
        unsafe { std::slice::from_raw_parts_mut(pointer, count) }
    }

    #[test]
    fn what_is_large_is_zeroed_begins_on_a_large_page_and_keeps_its_content_when_it_grows() {
        const MOST: usize = LARGE_BYTES * 2 + 5;
        // SAFETY: each allocation is used within its size and given back once, with its layout.
        unsafe {
            let small = LargePages.alloc_zeroed(layout(1000));
            bytes(small, 1000).fill(7);
            let large = LargePages.realloc(small, layout(1000), LARGE_BYTES);
            assert!(large.addr().is_multiple_of(LARGE_PAGE_BYTES));
            assert!(bytes(large, LARGE_BYTES)[..1000].iter().all(|&b| b == 7));
            assert!(bytes(large, LARGE_BYTES)[1000..].iter().all(|&b| b == 0));
            bytes(large, LARGE_BYTES)[LARGE_BYTES - 1] = 9;
            let larger = LargePages.realloc(large, layout(LARGE_BYTES), MOST);
            assert_eq!(bytes(larger, MOST)[LARGE_BYTES - 1], 9);
            bytes(larger, MOST)[MOST - 1] = 1;
            let small = LargePages.realloc(larger, layout(MOST), 500);
            assert!(bytes(small, 500).iter().all(|&b| b == 7));
            LargePages.dealloc(small, layout(500));
        }
    }

    #[test]
    fn what_is_given_back_is_gone_and_what_cannot_be_had_is_null() {
        let mapped = || {
            let maps = std::fs::read_to_string("/proc/self/maps").expect("this process's");
            maps.lines().count()
        };
        let before = mapped();
        for _ in 0..100 {
            // SAFETY: not used, and given back once with its layout.
            unsafe {
                let pointer = LargePages.alloc(layout(LARGE_BYTES));
                assert!(!pointer.is_null());
                LargePages.dealloc(pointer, layout(LARGE_BYTES));
            }
        }
        assert!(mapped() < before + 50, "other tests may map a few");
        // SAFETY: nothing is used.
        assert!(unsafe { LargePages.alloc(layout(1 << 46)) }.is_null());
    }
}
