//! The simulated world around the gateway: a desk with an order book, an open-loop load client, a do-nothing relay.
//!
//! Everything that decides is sans-IO (`now` and input in, output out); sockets come in through `io::Sockets`. Cold code: these are
//! tools that run beside the gateway, never inside it.

pub mod behaviour;
pub mod desk;
mod desk_change;
pub mod desk_codec;
pub mod desk_command;
pub mod desk_ledger;
pub mod desk_message;
pub mod desk_order;
pub mod desk_server;
#[cfg(test)]
mod desk_tests;
pub mod endpoint;
pub mod gateway;
pub mod histogram;
pub mod ledger_file;
pub mod ledgers;
pub mod line_events;
pub mod load;
pub mod load_codec;
mod load_draw;
pub mod load_ledger;
pub mod load_result;
pub mod load_schedule;
pub mod matching;
#[cfg(test)]
mod matching_tests;
pub mod net;
pub mod random;
pub mod relay;
pub mod storm;
pub mod two_ledgers;
pub mod world;
