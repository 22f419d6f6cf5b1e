//! What an acknowledgement says of its durability, for sessions that ask for it: the level of the desk that has the order's book.
//!
//! Part of the decode stage, same thread; tables made at the start. Sessions that do not ask cost one comparison.

use crate::config::plan::Plan;
use crate::domain::report::ClientOutput;
use crate::domain::{Durability, SessionIndex};
use crate::wire::fix::Level;

/// Who asks, and what the levels are.
#[derive(Default)]
pub struct Acknowledged {
    /// Per session: the tag that it wants the level in, or zero; empty where nobody asks
    tags: Box<[u32]>,
    /// Per account
    levels: Box<[Durability]>,
}

impl Acknowledged {
    /// As configured.
    pub fn new(plan: &Plan) -> Self {
        let tags = plan.sessions.iter().map(|session| session.durability_tag);
        let levels = plan.account_desks.iter();
        let is_asked = tags.clone().any(|tag| tag > 0);
        Self {
            tags: tags.take_while(|_| is_asked).collect(),
            levels: levels
                .map(|desk| plan.desks[desk.get()].durability)
                .collect(),
        }
    }

    /// The field in an output to `session`; none where it does not ask, or where the output is about no known account.
    #[inline]
    pub fn level(&self, session: SessionIndex, output: &ClientOutput) -> Option<Level> {
        let tag = *self.tags.get(session.get()).filter(|tag| **tag > 0)?;
        let ClientOutput::Report(report) = output else {
            return None;
        };
        let durability = *self.levels.get(report.account.get())?;
        Some(Level { tag, durability })
    }
}
