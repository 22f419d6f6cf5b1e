//! Pure decisions of the route stage: which link carries a request, and what is known of requests that desks have not answered.
//!
//! Owned by the route stage's thread; no I/O, no clock; nothing allocates after start.

pub mod doubts;
pub mod in_flight;
pub mod link;

pub use doubts::Doubts;
pub use in_flight::{Entry, InFlight};
pub use link::{Choice, Link, choose};
