//! Bytes <-> domain values. Slices in, slices out: no I/O, no allocation, no panic on any input.
//!
//! Owned by nobody: functions over the caller's slices, usable from any thread.

pub mod fix;
