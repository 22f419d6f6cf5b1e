//! What the end-to-end tests share: a gateway in this process, and peers around it that share no code with it.
//!
//! Each test makes its own world with ports and directories of its own, so that tests run side by side.
#![allow(dead_code, unused_imports)] // Each test binary uses its part.

pub mod client;
pub mod conn;
pub mod desk;
pub mod faulty_file;
pub mod fix;
pub mod held_sockets;
pub mod memory_sockets;
pub mod stages;
pub mod steady;
pub mod world;

pub use client::Client;
pub use desk::Desk;
pub use fix::Fix;
pub use steady::Steady;
pub use world::{World, combinations, wait};
