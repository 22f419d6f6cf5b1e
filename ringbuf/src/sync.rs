//! The atomics and cells of this crate, in one place, so that loom can take theirs.
//!
//! Owned by no thread. Without `cfg(loom)` everything here is the standard library's and costs nothing; with it, loom
//! checks every interleaving, and [`Cell`] reports an access that no Release/Acquire pair orders. What always holds: no
//! other file of the crate names `std::sync::atomic` or `UnsafeCell`.

/// The one that lies in a byte log's region, where loom's own, which is no plain word, cannot.
pub(crate) use std::sync::atomic::AtomicU64 as RegionU64;

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};
#[cfg(not(loom))]
pub(crate) use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

/// A value on a cache line of its own: 128 bytes, since common prefetchers fetch lines in pairs.
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// A cell that one side at a time may touch; which side is decided by the indices, not by this type.
pub(crate) struct Cell<T>(UnsafeCell<T>);

impl<T> Cell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The address, for reading. Loom fails here if a write of another thread is not ordered before.
    #[inline(always)]
    pub(crate) fn read(&self) -> *const T {
        #[cfg(loom)]
        return self.0.with(|pointer| pointer);
        #[cfg(not(loom))]
        self.0.get().cast_const()
    }

    /// The address, for writing. Loom fails here if any access of another thread is not ordered before.
    #[inline(always)]
    pub(crate) fn write(&self) -> *mut T {
        #[cfg(loom)]
        return self.0.with_mut(|pointer| pointer);
        #[cfg(not(loom))]
        self.0.get()
    }

    /// The address, for a hint to the cache: not an access.
    #[inline(always)]
    pub(crate) fn address(&self) -> *const T {
        std::ptr::from_ref(self).cast()
    }
}
