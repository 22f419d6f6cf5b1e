//! Who may come in, and who may do what. Pure tables: nothing here reads a clock, a socket or a file.
//!
//! Owned by the stage that asks; built once from the plan, so that asking is a lookup that cannot fail.

pub mod entitlement;

pub use entitlement::Entitlements;
