//! The simulated world around the gateway: a desk with an order book, an open-loop load client, a do-nothing relay.
//!
//! Everything that decides is sans-IO (`now` and input in, output out); sockets come in through `io::Sockets`. Cold code: these are
//! tools that run beside the gateway, never inside it.

pub mod matching;
pub mod random;
