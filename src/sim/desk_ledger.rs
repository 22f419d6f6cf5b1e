//! What reached the simulated desk and what it executed: the desk's side of the comparison with the gateway's and the clients'.
//!
//! Owned by the desk book. Every request is counted when it arrives, before any script decides what becomes of it, so that one
//! that came twice is seen twice; a fill stands here from the moment it is made, whether or not its report gets anywhere.

use std::collections::HashMap;

use serde::Serialize;

use crate::domain::{ClientOrderId, Price, Quantity, Side, Text};
use crate::sim::desk_message::RequestKind;

/// One ClOrdID that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it asked.
    pub kind: RequestKind,
    /// How often it came. More than once is a duplicate.
    pub count: u32,
    /// On which link it came first.
    pub link: usize,
}

/// Whether a fill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FillState {
    /// It does.
    Good,
    /// It was cancelled.
    Cancelled,
    /// It was corrected to what it says now.
    Corrected,
}

/// One side of one trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// ExecID(17) of its report.
    pub exec_id: u64,
    /// The desk's number of the order.
    pub order: u32,
    /// ClOrdID(11) that the order had.
    pub client_order_id: ClientOrderId,
    /// Symbol(55)
    pub symbol: Text<23>,
    /// Side(54)
    pub side: Side,
    /// LastQty(32)
    pub quantity: Quantity,
    /// LastPx(31)
    pub price: Price,
    /// Whether it stands.
    pub state: FillState,
}

/// Sums, for people and for quick comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeskTotals {
    /// Different orders (35=D) that came.
    pub orders: u64,
    /// Orders that came more than once.
    pub orders_duplicated: u64,
    /// Different cancels and replaces that came.
    pub changes: u64,
    /// Cancels and replaces that came more than once.
    pub changes_duplicated: u64,
    /// Fills that stand.
    pub fills: u64,
    /// Quantity of the fills that stand, both sides counted.
    pub filled_quantity: u64,
}

/// The ledger.
#[derive(Clone, Debug, Default)]
pub struct DeskLedger {
    received: HashMap<ClientOrderId, Received>,
    fills: Vec<Fill>,
    fill_by_exec: HashMap<u64, usize>,
}

impl DeskLedger {
    /// Counts a request. Status questions are not counted: asking twice harms nobody.
    pub fn receive(&mut self, id: ClientOrderId, kind: RequestKind, link: usize) {
        if matches!(kind, RequestKind::Status | RequestKind::MassStatus) {
            return;
        }
        self.received
            .entry(id)
            .or_insert(Received {
                kind,
                count: 0,
                link,
            })
            .count += 1;
    }

    /// Notes a fill.
    pub fn fill(&mut self, fill: Fill) {
        self.fill_by_exec.insert(fill.exec_id, self.fills.len());
        self.fills.push(fill);
    }

    /// A fill by its ExecID.
    pub fn fill_mut(&mut self, exec_id: u64) -> Option<&mut Fill> {
        let at = *self.fill_by_exec.get(&exec_id)?;
        self.fills.get_mut(at)
    }

    /// What came under an id.
    pub fn received(&self, id: &ClientOrderId) -> Option<Received> {
        self.received.get(id).copied()
    }

    /// Everything that came, in no order.
    pub fn requests(&self) -> impl Iterator<Item = (&ClientOrderId, &Received)> {
        self.received.iter()
    }

    /// All fills, oldest first.
    pub fn fills(&self) -> &[Fill] {
        &self.fills
    }

    /// Sums.
    pub fn totals(&self) -> DeskTotals {
        let mut totals = DeskTotals::default();
        for received in self.received.values() {
            let twice = u64::from(received.count > 1);
            if received.kind == RequestKind::New {
                totals.orders += 1;
                totals.orders_duplicated += twice;
            } else {
                totals.changes += 1;
                totals.changes_duplicated += twice;
            }
        }
        for fill in self
            .fills
            .iter()
            .filter(|f| f.state != FillState::Cancelled)
        {
            totals.fills += 1;
            totals.filled_quantity += fill.quantity.0;
        }
        totals
    }
}
