//! The kernel, as the rest of the house sees it: sockets, clock, threads, mapped memory, files on disk.
//!
//! The only room of `src/` with `unsafe` code; each block says why it is sound. It implements the seams of [`crate::io`] and
//! is named by `app` and `cli` alone: stages see the traits. Nothing here logs: what went wrong, or less well than wished, is
//! returned as a value.

mod buffers;
pub mod clock;
mod connections;
pub mod file_ring;
pub mod heap;
pub mod log_file;
pub mod mmap;
mod net;
pub mod poll;
pub mod prefault;
pub mod sockets;
pub mod staging;
pub mod thread;
pub mod uring;
