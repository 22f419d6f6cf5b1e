//! Putting the gateway together and running it: plan -> memory, logs, page, stages -> threads -> orderly end.
//!
//! The only room besides the tools of `cli` that names `sys`.

mod before;
pub mod boot;
mod build;
pub mod log_findings;
pub mod log_reader;
#[cfg(test)]
mod log_reader_tests;
pub mod log_store;
pub mod log_verify;
mod log_window;
pub mod merge;
mod retention;
mod runner;
pub mod session_store;
pub mod snapshots;
pub mod starts;
pub mod takeover;
mod topology;
mod windows;

pub use before::examine;
pub use boot::{BootError, Gateway, start, start_after};
