//! The contract of `io::Sockets`, proved for both back ends with the same tests, over loopback.
//!
//! Every loop is bounded by a deadline that only a hanging implementation meets; nothing depends on how long things take.

mod ends;
mod traffic;
mod world;
