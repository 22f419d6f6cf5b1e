//! A hint to the cache: "I am about to write here".
//!
//! Used by the ring's producer. A ring slot was last read by the other core, so the first store to it would wait for the
//! line; asked for one message ahead, the line is already ours when the next message comes. A hint changes nothing but
//! time, so it is left out wherever it cannot be given.

const LINE_BYTES: usize = 64;
/// Beyond this the hardware's own prefetcher has understood.
const PREFETCH_BYTES_MAX: usize = 512;

/// Asks for the lines of `*target`, to be written, but not for the one that its end is on: the other side may wait there.
#[inline(always)]
pub(crate) fn prefetch_for_write<T>(target: *const T) {
    let length = size_of::<T>() / LINE_BYTES * LINE_BYTES;
    let mut offset = 0;
    while offset < length.min(PREFETCH_BYTES_MAX) {
        hint(target.cast::<u8>().wrapping_add(offset));
        offset += LINE_BYTES;
    }
}

#[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
#[inline(always)]
fn hint(line: *const u8) {
    // SAFETY: a prefetch reads and writes no memory and never faults; a processor that does not know it does nothing.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags));
    }
}

#[cfg(all(target_arch = "aarch64", not(miri), not(loom)))]
#[inline(always)]
fn hint(line: *const u8) {
    // SAFETY: a prefetch reads and writes no memory and never faults.
    unsafe {
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) line, options(nostack, preserves_flags));
    }
}

#[cfg(not(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri),
    not(loom)
)))]
#[inline(always)]
fn hint(_line: *const u8) {}
