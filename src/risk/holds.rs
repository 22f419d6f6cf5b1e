//! Desks that take no new orders and replaces until an operator releases them: what they have may be more than is known here.
//!
//! Part of the risk state: held and released by logged commands.

use crate::domain::{AccountIndex, DeskIndex};

/// All desks.
#[derive(Clone, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct Holds {
    /// By desk
    held: Vec<bool>,
    /// The desk of each account
    account_desks: Vec<DeskIndex>,
}

impl Holds {
    /// None is held.
    pub(super) fn new(account_desks: &[DeskIndex]) -> Self {
        let desks = account_desks.iter().map(|desk| desk.get() + 1).max();
        Self {
            held: vec![false; desks.unwrap_or(0)],
            account_desks: account_desks.to_vec(),
        }
    }

    /// Holds or releases a desk; one without accounts has nothing to be held.
    pub(super) fn set(&mut self, desk: DeskIndex, is_held: bool) {
        if let Some(held) = self.held.get_mut(desk.get()) {
            *held = is_held;
        }
    }

    /// Whether a desk is held.
    pub(super) fn is_held(&self, desk: DeskIndex) -> bool {
        self.held.get(desk.get()).is_some_and(|held| *held)
    }

    /// Whether the desk of an account is held; not of one that does not exist.
    #[inline]
    pub(super) fn cover(&self, account: AccountIndex) -> bool {
        let desk = self.account_desks.get(account.get());
        desk.is_some_and(|desk| self.is_held(*desk))
    }

    /// Those that are held.
    pub(super) fn desks(&self) -> impl Iterator<Item = DeskIndex> {
        let desks = (0u32..).zip(&self.held);
        desks.filter_map(|(at, held)| held.then_some(DeskIndex(at)))
    }
}
