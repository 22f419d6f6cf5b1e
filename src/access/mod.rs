//! Who may come in, and who may do what. Pure tables: nothing here reads a clock, a socket or a file.

pub mod entitlement;

pub use entitlement::Entitlements;
