//! The status page: a fixed region of little-endian words in shared memory that anyone may read while the stages write it.
//!
//! `page` is the layout, `catalog` names the counters, `errors` the distinct errors. `Page::format` lays a page out over words
//! that the caller mapped, and `Page::into_writers` hands one [`StageWriter`] to each stage thread.
//! `reader` turns a page, of this process or of a file, into a [`Snapshot`].
//!
//! What always holds: each word has one writer thread; a write is a plain atomic store, a few instructions, no allocation;
//! readers never hold a writer up; the layout version is stored last, so that a page that shows one is complete.

pub mod catalog;
pub mod errors;
pub mod histogram;
pub mod page;
pub mod reader;
pub mod rows;
pub mod snapshot;
pub mod writer;

pub use catalog::{Counter, Fact, Histogram, LinkState, Reason, SessionState, Stage};
pub use errors::ErrorCode;
pub use page::{Identity, Page, Shape};
pub use reader::State;
pub use rows::{RowTraffic, Stopped};
pub use snapshot::Snapshot;
pub use writer::{StageWriter, Writers};

#[cfg(test)]
pub mod tests;
