//! Three ledgers compared: what the client sent and was told, what the gateway recorded, what the desk received.
//!
//! The three are written by different code from different sources, and are only brought together here. *Lost*: an order that the
//! gateway recorded as passed and that neither reached the desk nor was reported refused or in doubt; or that a client sent and
//! that nobody recorded or answered. *Duplicated*: an order that reached the desk more than once.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::desk_ledger::DeskLedger;
use super::desk_message::RequestKind;
use super::load_ledger::LoadTotals;
use crate::domain::OrderId;
use crate::domain::order::ClientRequest;
use crate::domain::report::DeskInput;
use crate::journal::entry;
use crate::journal::record::{RecordError, RecordKind, Records};

/// What the gateway's order log says about orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayLedger {
    /// New orders that were recorded, passed or not.
    pub recorded: u64,
    /// Those that were refused before they went to a desk.
    pub refused: u64,
    /// Those that passed, by the id under which they went.
    pub passed: HashSet<OrderId>,
    /// Those of which the route stage said that they never left.
    pub returned: HashSet<OrderId>,
    /// Those whose link was lost before an answer.
    pub in_doubt: HashSet<OrderId>,
}

/// Why an order log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The chain of records is broken.
    #[error("the order log is damaged at byte {offset}: {error}")]
    Damaged {
        /// Where
        offset: usize,
        /// How
        error: RecordError,
    },
    /// A record's body is not what its kind says.
    #[error("record {sequence} of the order log cannot be read")]
    Unreadable {
        /// Which
        sequence: u64,
    },
}

impl GatewayLedger {
    /// Reads the bytes of an order log. Doubts after `end_wall_ns` explain nothing: the gateway's own end caused them.
    pub fn read(order_log: &[u8], end_wall_ns: u64) -> Result<Self, LedgerError> {
        let mut ledger = Self::default();
        let mut records = Records::new(order_log);
        loop {
            let offset = records.offset();
            let Some(record) = records.next() else {
                return Ok(ledger);
            };
            let record = record.map_err(|error| LedgerError::Damaged { offset, error })?;
            let unreadable = LedgerError::Unreadable {
                sequence: record.sequence,
            };
            match record.kind {
                RecordKind::ClientInput => {
                    let (input, outcome) = entry::read_client(record.body).ok_or(unreadable)?;
                    if let ClientRequest::New(_) = input.request {
                        ledger.recorded += 1;
                        if outcome.desk_request == OrderId::NONE {
                            ledger.refused += 1;
                        } else {
                            ledger.passed.insert(outcome.desk_request);
                        }
                    }
                }
                RecordKind::DeskInput => {
                    match entry::read_desk(record.body).ok_or(unreadable)?.input {
                        DeskInput::Refused { id, .. } => {
                            ledger.returned.insert(id);
                        }
                        DeskInput::InDoubt { id } if record.time_ns <= end_wall_ns => {
                            ledger.in_doubt.insert(id);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}

/// The outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Orders that the client sent.
    pub sent: u64,
    /// Orders that the gateway recorded.
    pub recorded: u64,
    /// Orders that the gateway refused before a desk.
    pub refused: u64,
    /// Different orders that reached the desk.
    pub received: u64,
    /// See the module.
    pub lost: u64,
    /// See the module.
    pub duplicated: u64,
    /// Orders at the desk that the gateway did not record.
    pub unknown_at_desk: u64,
    /// Ids of the first few that are lost, duplicated or unknown.
    pub examples: Vec<String>,
}

impl Comparison {
    /// Whether all three agree.
    pub fn is_good(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.unknown_at_desk == 0
    }
}

/// Examples that are listed of each kind.
const EXAMPLES_MAX: usize = 5;

/// Compares.
pub fn compare(client: &LoadTotals, gateway: &GatewayLedger, desk: &DeskLedger) -> Comparison {
    let mut examples = Vec::new();
    let mut example = |what: &str, id: &str| {
        if examples.len() < EXAMPLES_MAX {
            examples.push(format!("{what}: {id}"));
        }
    };
    let received: HashMap<OrderId, u32> = desk
        .requests()
        .filter(|(_, received)| received.kind == RequestKind::New)
        .map(|(id, received)| {
            (
                OrderId::parse(id.as_bytes()).unwrap_or(OrderId::NONE),
                received.count,
            )
        })
        .collect();
    let mut comparison = Comparison {
        sent: client.orders.sent,
        recorded: gateway.recorded,
        refused: gateway.refused,
        received: received.len() as u64,
        ..Comparison::default()
    };
    for id in &gateway.passed {
        if !received.contains_key(id)
            && !gateway.returned.contains(id)
            && !gateway.in_doubt.contains(id)
        {
            comparison.lost += 1;
            example("lost", &id.to_string());
        }
    }
    // Answered without a record (35=3, 35=j) or not answered at all: the client counts the former as rejected.
    let unrecorded = client.orders.sent.saturating_sub(gateway.recorded);
    comparison.lost += unrecorded.min(client.orders.unresolved);
    for (id, &count) in &received {
        if count > 1 {
            comparison.duplicated += 1;
            example("duplicated", &id.to_string());
        }
        if !gateway.passed.contains(id) {
            comparison.unknown_at_desk += 1;
            example("not recorded", &id.to_string());
        }
    }
    comparison.examples = examples;
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Text;
    use crate::sim::load_ledger::Counts;

    fn id(slot: u32) -> OrderId {
        OrderId::new(1, 0, slot)
    }

    fn desk(slots: &[u32]) -> DeskLedger {
        let mut ledger = DeskLedger::default();
        for &slot in slots {
            ledger.receive(Text::cut(&id(slot).to_base62()), RequestKind::New, 0);
        }
        ledger
    }

    fn gateway(passed: &[u32], returned: &[u32], in_doubt: &[u32]) -> GatewayLedger {
        let set = |slots: &[u32]| slots.iter().map(|&slot| id(slot)).collect();
        GatewayLedger {
            recorded: passed.len() as u64,
            refused: 0,
            passed: set(passed),
            returned: set(returned),
            in_doubt: set(in_doubt),
        }
    }

    fn client(sent: u64, unresolved: u64) -> LoadTotals {
        LoadTotals {
            orders: Counts {
                sent,
                unresolved,
                ..Counts::default()
            },
            ..LoadTotals::default()
        }
    }

    #[test]
    fn agreement() {
        let same = compare(
            &client(3, 0),
            &gateway(&[1, 2, 3], &[], &[]),
            &desk(&[1, 2, 3]),
        );
        assert!(same.is_good(), "{same:?}");
        let explained = compare(&client(3, 0), &gateway(&[1, 2, 3], &[2], &[3]), &desk(&[1]));
        assert!(explained.is_good(), "{explained:?}");
    }

    #[test]
    fn each_disagreement_is_seen() {
        let lost = compare(&client(2, 1), &gateway(&[1, 2], &[], &[]), &desk(&[1]));
        assert_eq!((lost.lost, lost.duplicated), (1, 0));
        let twice = compare(
            &client(2, 0),
            &gateway(&[1, 2], &[], &[]),
            &desk(&[1, 2, 2]),
        );
        assert_eq!((twice.lost, twice.duplicated), (0, 1));
        let stranger = compare(&client(1, 0), &gateway(&[1], &[], &[]), &desk(&[1, 9]));
        assert_eq!(stranger.unknown_at_desk, 1);
        let unrecorded = compare(&client(2, 1), &gateway(&[1], &[], &[]), &desk(&[1]));
        assert_eq!(unrecorded.lost, 1);
    }
}
