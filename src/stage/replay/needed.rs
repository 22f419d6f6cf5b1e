//! Which logs a replay was made from are still needed: those before may be removed.
//!
//! Pure; asked once, after the last record. Only what is of no use to any later start is left out.

use super::Replay;
use crate::journal::LogId;
use crate::stage::assembly;

impl Replay {
    /// First start whose logs this was made from, as far as anything of it is still needed: the risk state since it began anew, numbers of
    /// sessions and links, outputs that are not closed, messages without an outcome.
    pub(super) fn oldest_needed(&self) -> u16 {
        let names = |log| assembly::channel_names(&self.plan, log);
        let peers = [(&self.clients, LogId::Client), (&self.links, LogId::Desk)];
        let peers = peers.map(|(peers, log)| peers.oldest_needed(&names(log)));
        let open = self.open.values().map(|(epoch, _)| *epoch);
        let refusals = self.refusals.values().map(|(epoch, _)| *epoch);
        let begin = self.begin.map(|_| self.fresh_epoch);
        let all = peers.into_iter().flatten().chain(begin);
        all.chain(open).chain(refusals).min().unwrap_or(0)
    }
}
