//! Epochs of the scopes that may stop an order on its way, shared between the risk stage (writer) and the route stage (reader).
//!
//! A block or kill raises the epoch of its scope in the risk stage, a hold that of its desk; an order carries the epochs that its checks
//! saw. Just before the route stage commits an order it compares: what waited in a ring does not slip out after a kill. Cancels are not
//! compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::domain::command::Scope;
use crate::domain::order::ToDesk;
use crate::domain::{DeskIndex, RejectReason};

/// The live epochs. Cloning shares them.
#[derive(Clone, Debug)]
pub struct ScopeBoard {
    firm: Arc<AtomicU32>,
    accounts: Arc<[AtomicU32]>,
    sessions: Arc<[AtomicU32]>,
    instruments: Arc<[AtomicU32]>,
    desks: Arc<[AtomicU32]>,
}

impl ScopeBoard {
    /// All epochs zero.
    pub fn new(accounts: usize, sessions: usize, instruments: usize, desks: usize) -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU32::new(0)).collect();
        Self {
            firm: Arc::new(AtomicU32::new(0)),
            accounts: zeros(accounts),
            sessions: zeros(sessions),
            instruments: zeros(instruments),
            desks: zeros(desks),
        }
    }

    /// By the risk stage, when a command has changed the scope.
    pub fn publish(&self, scope: Scope, epoch: u32) {
        let cell = match scope {
            Scope::Firm => Some(&*self.firm),
            Scope::Account(account) => self.accounts.get(account.get()),
            Scope::Session(session) => self.sessions.get(session.get()),
            Scope::Instrument(instrument) => self.instruments.get(instrument.get()),
        };
        if let Some(cell) = cell {
            cell.store(epoch, Ordering::Release);
        }
    }

    /// By the risk stage, when a desk was held.
    pub fn publish_desk(&self, desk: DeskIndex, epoch: u32) {
        if let Some(cell) = self.desks.get(desk.get()) {
            cell.store(epoch, Ordering::Release);
        }
    }

    /// By the route stage: what has stopped an order to this desk since its checks.
    pub fn stop(&self, order: &ToDesk, desk: DeskIndex) -> Option<RejectReason> {
        let seen = &order.epochs;
        let at = |cells: &[AtomicU32], index: usize| cells[index].load(Ordering::Acquire);
        let is_current = self.firm.load(Ordering::Acquire) == seen.firm
            && at(&self.accounts, order.account.get()) == seen.account
            && at(&self.sessions, order.session.get()) == seen.session
            && at(&self.instruments, order.instrument.get()) == seen.instrument;
        if !is_current {
            return Some(RejectReason::Killed);
        }
        (at(&self.desks, desk.get()) != seen.desk).then_some(RejectReason::DeskHeld)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountIndex, InstrumentIndex, SessionIndex};

    #[test]
    fn each_scope_stops_its_orders_only() {
        let board = ScopeBoard::new(2, 2, 2, 2);
        let order = ToDesk {
            account: AccountIndex(1),
            ..ToDesk::default()
        };
        let desk = DeskIndex(1);
        assert_eq!(board.stop(&order, desk), None);
        board.publish(Scope::Account(AccountIndex(0)), 1);
        board.publish_desk(DeskIndex(0), 1);
        assert_eq!(board.stop(&order, desk), None);
        board.publish_desk(desk, 1);
        assert_eq!(board.stop(&order, desk), Some(RejectReason::DeskHeld));
        for scope in [
            Scope::Firm,
            Scope::Account(AccountIndex(1)),
            Scope::Session(SessionIndex(0)),
            Scope::Instrument(InstrumentIndex(0)),
        ] {
            board.publish(scope, 1);
            let stop = board.stop(&order, desk);
            assert_eq!(stop, Some(RejectReason::Killed), "{scope:?}");
            board.publish(scope, 0);
        }
    }
}
