//! What one input of the risk stage may cause: a few requests to the desk, a few messages to clients.
//!
//! Owned by the risk stage, made once and reused: it clears by setting a length, nothing is zeroed per call. The stage claims
//! room for `OUTPUTS_MAX` in each direction before it hands an input over, so a push here can never meet a full ring.

use crate::domain::order::ToDesk;
use crate::domain::report::ToClient;
use crate::limits::OUTPUTS_MAX;

/// A list of at most `OUTPUTS_MAX` items, in place.
#[derive(Clone, Debug)]
pub struct OutputList<T> {
    items: [T; OUTPUTS_MAX],
    len: usize,
}

impl<T: Copy + Default> Default for OutputList<T> {
    fn default() -> Self {
        Self {
            items: [T::default(); OUTPUTS_MAX],
            len: 0,
        }
    }
}

impl<T> OutputList<T> {
    /// What was pushed since the last clear.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        &self.items[..self.len]
    }

    /// The same, for the stage to complete in place.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.items[..self.len]
    }

    /// How many may still be pushed.
    #[inline]
    pub fn room(&self) -> usize {
        OUTPUTS_MAX - self.len
    }

    /// Whether nothing was pushed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds one. Pushing more than `OUTPUTS_MAX` is a mistake of the caller and aborts.
    #[inline]
    pub(super) fn push(&mut self, item: T) {
        self.items[self.len] = item;
        self.len += 1;
    }
}

/// Outputs of one call, in the order in which they must leave.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// For the route stage.
    pub to_desk: OutputList<ToDesk>,
    /// For the decode stage.
    pub to_client: OutputList<ToClient>,
}

impl Outputs {
    /// Empties both lists; the caller does it before each call.
    #[inline]
    pub fn clear(&mut self) {
        self.to_desk.len = 0;
        self.to_client.len = 0;
    }
}
