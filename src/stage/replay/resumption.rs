//! What comes of a replay: with what the stages of the next process begin.
//!
//! Plain values, taken apart once by `stage/assembly.rs`.

use crate::domain::command::RiskCommand;
use crate::domain::order::ToDesk;
use crate::domain::report::{FromDesk, ToClient};
use crate::journal::Cause;
use crate::risk::Risk;
use crate::route;
use crate::stage::recovered::Recovered;

/// What the stages go on with.
pub struct Resumption {
    /// The risk state; `None`: it begins anew.
    pub risk: Option<Risk>,
    /// For the decode stage's switchboard.
    pub clients: Recovered,
    /// For the route stage's switchboard.
    pub links: Recovered,
    /// Requests that never left.
    pub unsent: Vec<ToDesk>,
    /// Reports that no client log knows.
    pub untold: Vec<ToClient>,
    /// Copies of these that it does know, by epoch and channel.
    pub copies: Vec<(u16, u16, Cause)>,
    /// Written and not answered; the connections are gone. Incarnation 0: under numbers that are over; 1: under the present ones.
    pub in_flight: Vec<route::Entry>,
    /// Reported in doubt, and no desk has spoken of them since.
    pub doubts: Vec<route::Entry>,
    /// Refused on the way, or by a desk by its number; the risk stage does not know.
    pub refusals: Vec<FromDesk>,
    /// Last sequences of the client, order and desk log.
    pub sequences: [u64; 3],
    /// First start whose logs are still needed.
    pub needed: u16,
    /// Inputs of the risk stage that were replayed.
    pub inputs: u64,
    /// What was blocked, killed and held when the day ended, to be so in the next; and what a loss of the host holds.
    pub stops: Vec<RiskCommand>,
    /// When desks were last held after a loss of the host, nanoseconds since 1970; zero: never.
    pub loss_wall_ns: u64,
}
