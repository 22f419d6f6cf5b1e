//! Bytes <-> domain values. Slices in, slices out: no I/O, no allocation, no panic on any input.

pub mod fix;
