//! Executions of the day: each desk report is booked and forwarded once, and a trade can be taken back or corrected.
//!
//! Owned by the risk state. The key is (order, ExecID), compared exactly: an order belongs to one desk, so the same report over
//! another link of that desk is the same key. Trades keep what they booked; a correction points to its successor.

use super::orders::NONE;
use super::slot_index::{HashKey, SlotIndex};
use crate::domain::saved::{Saved, Saver};
use crate::domain::{ExecId, Price, Quantity};

/// Corrections of corrections that are followed from an ExecRefID.
const SUCCESSORS_MAX: usize = 8;

/// One report of a desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(super) struct Execution {
    /// ExecID(17) of the desk.
    pub exec_id: ExecId,
    /// Of which order.
    pub order: u32,
    /// What replaced it, where it was corrected.
    pub successor: u32,
    /// ExecID(17) that the client saw.
    pub exec_sequence: u64,
    /// Booked; zero for reports that are no trade and for trades taken back.
    pub quantity: Quantity,
    /// Booked.
    pub price: Price,
}

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Executions {
    rows: Vec<Execution>,
    rows_max: usize,
    key: HashKey,
    index: SlotIndex,
}

impl Executions {
    /// Room for `executions_max`.
    pub fn new(executions_max: usize, key: HashKey) -> Self {
        Self {
            rows: Vec::with_capacity(executions_max),
            rows_max: executions_max,
            key,
            index: SlotIndex::new(executions_max),
        }
    }

    /// Adds all rows.
    pub fn save(&self, saver: &mut Saver) {
        saver.rows(self.rows.iter());
    }

    /// What [`Executions::save`] added, into a table of which nothing is used yet.
    pub fn load(&mut self, saved: &mut Saved) -> Option<()> {
        let rows_max = self.rows_max;
        saved.rows(rows_max, |row| {
            self.insert(row);
        })
    }

    /// Slot of a report.
    #[inline]
    pub fn find(&self, order: u32, exec_id: &ExecId) -> Option<u32> {
        self.index.find(self.key.text(order, exec_id), |slot| {
            let row = &self.rows[slot as usize];
            row.order == order && row.exec_id == *exec_id
        })
    }

    /// Remembers a report that [`Executions::find`] did not find; `None` where the table is full.
    #[inline]
    pub fn insert(&mut self, execution: Execution) -> Option<u32> {
        if self.rows.len() == self.rows_max {
            return None;
        }
        let slot = self.rows.len() as u32;
        self.rows.push(execution);
        let hash = self.key.text(execution.order, &execution.exec_id);
        self.index.insert(hash, slot);
        Some(slot)
    }

    /// The trade that an ExecRefID means now: itself or its last correction; `None` where it was never booked or is taken back.
    pub fn booked(&self, order: u32, exec_ref_id: &ExecId) -> Option<u32> {
        let mut slot = self.find(order, exec_ref_id)?;
        for _ in 0..SUCCESSORS_MAX {
            let row = &self.rows[slot as usize];
            if row.successor == NONE {
                return (!row.quantity.is_zero()).then_some(slot);
            }
            slot = row.successor;
        }
        None
    }

    /// Row of a slot.
    pub fn get(&self, slot: u32) -> &Execution {
        &self.rows[slot as usize]
    }

    /// Sets what a report booked.
    pub fn set_booked(&mut self, slot: u32, quantity: Quantity, price: Price) {
        let row = &mut self.rows[slot as usize];
        row.quantity = quantity;
        row.price = price;
    }

    /// Leads `slot` to its correction.
    pub fn set_successor(&mut self, slot: u32, successor: u32) {
        self.rows[slot as usize].successor = successor;
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether new orders must stop so that the reports of the open ones find room.
    #[inline]
    pub fn is_above_watermark(&self) -> bool {
        self.rows.len() >= self.rows_max - self.rows_max / 10
    }

    /// All rows, oldest first.
    pub fn rows(&self) -> &[Execution] {
        &self.rows
    }
}
