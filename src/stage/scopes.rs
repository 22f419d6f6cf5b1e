//! Epochs of the scopes that may stop an order on its way, shared between the risk stage (writer) and the route stage (reader).
//!
//! A block or kill raises the epoch of its scope in the risk stage; an order carries the epochs that its checks saw. Just before
//! the route stage commits an order it compares: what waited in a ring does not slip out after a kill. Cancels are not compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::domain::command::Scope;
use crate::domain::order::ToDesk;

/// The live epochs. Cloning shares them.
#[derive(Clone, Debug)]
pub struct ScopeBoard {
    firm: Arc<AtomicU32>,
    accounts: Arc<[AtomicU32]>,
    sessions: Arc<[AtomicU32]>,
    instruments: Arc<[AtomicU32]>,
}

impl ScopeBoard {
    /// All epochs zero.
    pub fn new(accounts: usize, sessions: usize, instruments: usize) -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU32::new(0)).collect();
        Self {
            firm: Arc::new(AtomicU32::new(0)),
            accounts: zeros(accounts),
            sessions: zeros(sessions),
            instruments: zeros(instruments),
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

    /// By the route stage: whether the order's checks saw the scopes as they are now.
    pub fn is_current(&self, order: &ToDesk) -> bool {
        let seen = &order.epochs;
        let at = |cells: &[AtomicU32], index: usize| cells[index].load(Ordering::Acquire);
        self.firm.load(Ordering::Acquire) == seen.firm
            && at(&self.accounts, order.account.get()) == seen.account
            && at(&self.sessions, order.session.get()) == seen.session
            && at(&self.instruments, order.instrument.get()) == seen.instrument
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountIndex, InstrumentIndex, SessionIndex};

    #[test]
    fn each_scope_stops_its_orders_only() {
        let board = ScopeBoard::new(2, 2, 2);
        let order = ToDesk {
            account: AccountIndex(1),
            ..ToDesk::default()
        };
        assert!(board.is_current(&order));
        board.publish(Scope::Account(AccountIndex(0)), 1);
        assert!(board.is_current(&order));
        for scope in [
            Scope::Firm,
            Scope::Account(AccountIndex(1)),
            Scope::Session(SessionIndex(0)),
            Scope::Instrument(InstrumentIndex(0)),
        ] {
            board.publish(scope, 1);
            assert!(!board.is_current(&order), "{scope:?}");
            board.publish(scope, 0);
        }
    }
}
