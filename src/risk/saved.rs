//! The risk state as bytes and back: for snapshots, on cold threads.
//!
//! Only rows that are used are written, and no index: those are made anew. What always holds: a state that was loaded has the hash of the
//! one that was saved, which the bytes end with; where it has not, nothing was loaded.

use super::{Risk, RiskPlan};
use crate::domain::saved::{Saved, Saver};

impl Risk {
    /// Adds the whole state.
    pub fn save(&self, saver: &mut Saver) {
        let Self {
            epoch,
            execution_counter,
            last_failures,
            instruments: _, // Of the plan.
            sessions,
            book,
            orders,
            client_ids: _, // An index over the requests.
            executions,
            kill_switch,
            holds,
            account_desks: _, // Of the plan.
            work,
            counters,
            digest,
        } = self;
        saver.put(&(epoch, execution_counter, last_failures));
        saver.put(sessions);
        book.save(saver);
        orders.save(saver);
        executions.save(saver);
        saver.put(&(kill_switch, holds, work, counters, digest));
        saver.put(&self.state_hash());
    }

    /// What [`Risk::save`] added, of a state of the same plan; `None` where it is not that.
    pub fn load(plan: RiskPlan, saved: &mut Saved) -> Option<Self> {
        let mut risk = Self::new(plan);
        (risk.epoch, risk.execution_counter, risk.last_failures) = saved.take()?;
        let sessions: Vec<_> = saved.take()?;
        let is_ours = sessions.len() == risk.sessions.len();
        risk.sessions = sessions;
        risk.book.load(saved)?;
        risk.orders.load(saved)?;
        let requests = (0..).zip(risk.orders.requests());
        // What the gateway cancels by itself has no ClOrdID.
        for (slot, request) in requests.filter(|(_, it)| !it.client_order_id.is_empty()) {
            risk.client_ids.restore(request, slot);
        }
        risk.executions.load(saved)?;
        (risk.kill_switch, risk.holds, risk.work) = saved.take()?;
        (risk.counters, risk.digest) = saved.take()?;
        let hash: u64 = saved.take()?;
        (is_ours && hash == risk.state_hash()).then_some(risk)
    }
}
