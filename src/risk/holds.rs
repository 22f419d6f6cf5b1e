//! Desks that take no new orders and replaces until an operator releases them: what they have may be more than is known here.
//!
//! Part of the risk state: held and released by logged commands. Every hold raises the epoch of its desk; a request carries the one it was
//! checked under, and the route stage refuses it where the live one is higher: what waits in a ring does not slip out after a hold.

use crate::domain::DeskIndex;

/// One desk.
#[derive(Clone, Copy, Debug, Default, Hash, serde::Serialize, serde::Deserialize)]
struct Hold {
    is_held: bool,
    epoch: u32,
}

/// All desks that have accounts; others have nothing to be held.
#[derive(Clone, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct Holds {
    desks: Vec<Hold>,
}

impl Holds {
    /// None is held.
    pub(super) fn new(desks: usize) -> Self {
        Self {
            desks: vec![Hold::default(); desks],
        }
    }

    /// Holds a desk.
    pub(super) fn hold(&mut self, desk: DeskIndex) {
        if let Some(hold) = self.desks.get_mut(desk.get()) {
            hold.is_held = true;
            hold.epoch = hold.epoch.wrapping_add(1);
        }
    }

    /// Ends a hold. What was stopped by it stays so.
    pub(super) fn release(&mut self, desk: DeskIndex) {
        if let Some(hold) = self.desks.get_mut(desk.get()) {
            hold.is_held = false;
        }
    }

    /// Whether a desk is held.
    #[inline]
    pub(super) fn is_held(&self, desk: DeskIndex) -> bool {
        self.desks.get(desk.get()).is_some_and(|hold| hold.is_held)
    }

    /// The epoch that a request to this desk carries; zero where it does not exist.
    #[inline]
    pub(super) fn epoch(&self, desk: DeskIndex) -> u32 {
        self.desks.get(desk.get()).map_or(0, |hold| hold.epoch)
    }

    /// Those that are held.
    pub(super) fn held(&self) -> impl Iterator<Item = DeskIndex> {
        let desks = (0u32..).zip(&self.desks);
        desks.filter_map(|(at, hold)| hold.is_held.then_some(DeskIndex(at)))
    }
}
