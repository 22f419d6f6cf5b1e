//! The stages: decode, risk and route compose the rooms below and own the rings between them; journal and control serve them.
//!
//! ```text
//! clients <-> decode --FromClient--> risk --ToDesk--> route <-> desks
//!                    <--ToClient----      <-FromDesk-
//! ```
//!
//! A stage is a state machine with one owner thread and one shape: `duty_cycle(now) -> work done`. It takes bounded work,
//! reserves its outputs before it takes an input, and never blocks, locks, logs or allocates. The runner (`app`) pins and idles it.

mod acknowledged;
mod application;
pub mod archive;
pub mod assembly;
mod catch_up;
pub mod client_side;
pub mod control;
pub mod copies;
pub mod decode;
mod desk_side;
mod dictionaries;
pub mod event_record;
mod host_loss;
mod hours;
mod inbound;
pub mod journal;
mod kept;
pub mod merge;
mod pace;
mod peer;
mod quick;
pub mod recovered;
mod rejections;
pub mod replay;
mod resume;
pub mod risk;
pub mod route;
pub mod scopes;
mod sent;
mod strangers;
pub mod switchboard;
mod tally;
#[cfg(test)]
mod tests;

pub use application::{
    AdminTraffic, Application, Closed, PeerEvent, Sent, Stranger, Traffic, Verdict,
};
pub use dictionaries::{Dictionaries, DictionaryFault, text as dictionary_text};
pub use peer::{Ordered, Peer, PeerConfig, Role};
pub use resume::NoRoom;
pub use switchboard::Switchboard;
