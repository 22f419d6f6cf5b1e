//! (see the map in lib.rs)

pub mod control;
