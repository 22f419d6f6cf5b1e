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
    /// Written and not answered; the connections are gone.
    pub in_flight: Vec<route::Entry>,
    /// Reported in doubt, and no desk has spoken of them since.
    pub doubts: Vec<route::Entry>,
    /// Refused on the way, or by a desk by its number; the risk stage does not know.
    pub refusals: Vec<FromDesk>,
    /// Last sequences of the client, order and desk log.
    pub sequences: [u64; 3],
    /// Inputs of the risk stage that were replayed.
    pub inputs: u64,
    /// What was blocked and killed when the day ended, to be so in the next.
    pub stops: Vec<RiskCommand>,
}
