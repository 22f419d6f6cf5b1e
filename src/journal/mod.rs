//! The logs: one append-only log per stage, single writer, and what its records look like.
//!
//! Bytes and decisions only: the memory is a `ringbuf` byte log, the journal thread (`stage::journal`) moves it to disk.

pub mod begin;
pub mod causes;
mod codec;
mod disk;
pub mod entry;
pub mod log;
pub mod loss;
pub mod mark;
pub mod names;
pub mod read;
pub mod record;
pub mod recover;
pub mod snapshot;
pub mod start;

pub use disk::Disk;
pub use log::{Appended, Log};
pub use record::{Cause, LogId, Record, RecordKind, Taken};
