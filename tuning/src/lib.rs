//! Host tuning: what a host must look like for the gateway to be fast, as data; checked, applied and taken back.
//!
//! [`profiles`] has the knobs, each with what is wanted, why, the risk and how to undo it. [`check()`] reads `/proc` and `/sys` below
//! a root that may be a test's directory and never writes. [`apply()`] writes those knobs that can be written at run time and keeps
//! the former values in a state file; [`revert`] writes them back. Cold code, one thread, no `unsafe`.
#![forbid(unsafe_code)]

pub mod apply;
pub mod check;
pub mod host;
pub mod profiles;

pub use apply::{Change, Outcome, apply, revert};
pub use check::{Finding, Verdict, check};
pub use host::Host;
pub use profiles::{Knob, PROFILES, Profile};
