//! Blocks and kills by firm, account, session and instrument, each with an epoch.
//!
//! Owned by the risk stage. Every block and kill raises the epoch of its scope; a request carries the epochs it was checked
//! under, and the route stage refuses it where the live ones are higher, so what waits in a ring or queue does not slip out.
//! A kill also marks which orders it covers (`cancel_below`), so that it still reaches all of them if it is released meanwhile.

use crate::domain::command::Scope;
use crate::domain::order::ScopeEpochs;
use crate::domain::{AccountIndex, InstrumentIndex, SessionIndex};

const BLOCKED: u8 = 1;
const KILLED: u8 = 2;

/// State of one scope.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct ScopeState {
    /// Raised by every block and kill.
    pub epoch: u32,
    /// Orders with a lower index are to be cancelled.
    pub cancel_below: u32,
    /// Orders of the scope that are open.
    pub open_orders: u32,
    flags: u8,
}

impl ScopeState {
    /// Whether new orders are blocked.
    pub fn is_blocked(self) -> bool {
        self.flags & BLOCKED != 0
    }

    /// Whether the kill switch stands.
    pub fn is_killed(self) -> bool {
        self.flags & KILLED != 0
    }
}

/// What stops an order now: the union over its scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stops {
    /// Blocked in any scope.
    pub blocked: bool,
    /// Killed in any scope.
    pub killed: bool,
}

/// All scopes.
#[derive(Clone, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub struct KillSwitch {
    firm: ScopeState,
    accounts: Vec<ScopeState>,
    sessions: Vec<ScopeState>,
    instruments: Vec<ScopeState>,
}

impl KillSwitch {
    /// Everything open. The numbers include whatever sentinel rows the caller uses.
    pub fn new(accounts: usize, sessions: usize, instruments: usize) -> Self {
        Self {
            firm: ScopeState::default(),
            accounts: vec![ScopeState::default(); accounts],
            sessions: vec![ScopeState::default(); sessions],
            instruments: vec![ScopeState::default(); instruments],
        }
    }

    /// State of a scope; `None` where it does not exist.
    pub fn get(&self, scope: Scope) -> Option<&ScopeState> {
        match scope {
            Scope::Firm => Some(&self.firm),
            Scope::Account(at) => self.accounts.get(at.get()),
            Scope::Session(at) => self.sessions.get(at.get()),
            Scope::Instrument(at) => self.instruments.get(at.get()),
        }
    }

    fn get_mut(&mut self, scope: Scope) -> Option<&mut ScopeState> {
        match scope {
            Scope::Firm => Some(&mut self.firm),
            Scope::Account(at) => self.accounts.get_mut(at.get()),
            Scope::Session(at) => self.sessions.get_mut(at.get()),
            Scope::Instrument(at) => self.instruments.get_mut(at.get()),
        }
    }

    /// No new orders and replaces in the scope.
    pub fn block(&mut self, scope: Scope) {
        if let Some(state) = self.get_mut(scope) {
            state.flags |= BLOCKED;
            state.epoch = state.epoch.wrapping_add(1);
        }
    }

    /// Ends a block.
    pub fn unblock(&mut self, scope: Scope) {
        if let Some(state) = self.get_mut(scope) {
            state.flags &= !BLOCKED;
        }
    }

    /// Latches, and marks every order below `orders` as to be cancelled. Returns how many of the scope are open.
    pub fn kill(&mut self, scope: Scope, orders: u32) -> u32 {
        let Some(state) = self.get_mut(scope) else {
            return 0;
        };
        state.flags |= KILLED;
        state.epoch = state.epoch.wrapping_add(1);
        state.cancel_below = orders;
        state.open_orders
    }

    /// Ends a kill. What it covered is still cancelled.
    pub fn release(&mut self, scope: Scope) {
        if let Some(state) = self.get_mut(scope) {
            state.flags &= !KILLED;
        }
    }

    /// Marks every order of the session below `orders` as to be cancelled, without latching. Returns how many are open.
    pub fn cancel_session(&mut self, session: SessionIndex, orders: u32) -> u32 {
        match self.get_mut(Scope::Session(session)) {
            Some(state) => {
                state.cancel_below = orders;
                state.open_orders
            }
            None => 0,
        }
    }

    /// What stops an order of these three.
    #[inline]
    pub fn stops(
        &self,
        account: AccountIndex,
        session: SessionIndex,
        instrument: InstrumentIndex,
    ) -> Stops {
        let flags = self.firm.flags
            | self.accounts[account.get()].flags
            | self.sessions[session.get()].flags
            | self.instruments[instrument.get()].flags;
        Stops {
            blocked: flags & BLOCKED != 0,
            killed: flags & KILLED != 0,
        }
    }

    /// The epochs that a request of these three carries; that of its desk is kept with the holds.
    #[inline]
    pub fn epochs(
        &self,
        account: AccountIndex,
        session: SessionIndex,
        instrument: InstrumentIndex,
    ) -> ScopeEpochs {
        ScopeEpochs {
            firm: self.firm.epoch,
            account: self.accounts[account.get()].epoch,
            session: self.sessions[session.get()].epoch,
            instrument: self.instruments[instrument.get()].epoch,
            desk: 0,
        }
    }

    /// Orders of these three with a lower index are to be cancelled.
    pub fn cancel_below(
        &self,
        account: AccountIndex,
        session: SessionIndex,
        instrument: InstrumentIndex,
    ) -> u32 {
        self.firm
            .cancel_below
            .max(self.accounts[account.get()].cancel_below)
            .max(self.sessions[session.get()].cancel_below)
            .max(self.instruments[instrument.get()].cancel_below)
    }

    /// Open orders of an account; zero where it does not exist.
    #[inline]
    pub fn account_open_orders(&self, account: AccountIndex) -> u32 {
        self.accounts
            .get(account.get())
            .map_or(0, |state| state.open_orders)
    }

    /// Counts an order in (`opened`) or out of its scopes.
    #[inline]
    pub fn count_open(
        &mut self,
        account: AccountIndex,
        session: SessionIndex,
        instrument: InstrumentIndex,
        opened: bool,
    ) {
        let change = if opened { 1 } else { -1 };
        for state in [
            &mut self.firm,
            &mut self.accounts[account.get()],
            &mut self.sessions[session.get()],
            &mut self.instruments[instrument.get()],
        ] {
            debug_assert!(opened || state.open_orders > 0);
            state.open_orders = state.open_orders.wrapping_add_signed(change);
        }
    }
}
