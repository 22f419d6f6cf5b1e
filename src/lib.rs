//! Gatehouse: a low-latency order gateway.
//!
//! The way of an order, which is also the map of the house:
//!
//! ```text
//! client bytes -> sys (io_uring or polling sockets) -> stage::decode -> wire::fix frame -> session -> wire::fix decode
//!   -> ring -> stage::risk (entitlement, throttle, kill switch, checks, reserve, order id; order log)
//!   -> ring -> stage::route (link, desk session number, encode into the desk log) -> desk bytes
//! desk bytes -> stage::route -> ring -> stage::risk (dedupe, release or fill) -> ring -> stage::decode -> client bytes
//! ```
//!
//! Floors; a `use` never points upwards (`tests/tidy.rs` proves it):
//!
//! ```text
//! main -> cli -> {app ops sim} -> stage -> {session access risk route journal} -> {wire status config} -> {domain limits io}
//! ```
//!
//! `sys` stands beside the middle floor, implements the traits of `io`, and is the only room with `unsafe` code.
#![deny(unsafe_code)]

pub mod access;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod io;
pub mod journal;
pub mod limits;
pub mod risk;
pub mod route;
pub mod session;
pub mod sim;
pub mod stage;
pub mod status;
#[allow(unsafe_code)]
pub mod sys;
pub mod wire;
