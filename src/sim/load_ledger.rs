//! The load client's ledger: every request, its fate, and how often it was told.
//!
//! Owned by the load client. What always holds: a request has one fate at a time; sent = acknowledged + rejected + unresolved, for
//! orders and for changes (cancels and replaces) each; 150=A counts apart and resolves nothing; a report whose ExecID came before
//! is a duplicate and changes nothing else. Memory is sized at the start: nothing grows while it measures.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};

use crate::domain::{DeskText, OrderId, Price, Quantity, Side};
use crate::limits::SIM_LOAD_REASONS_MAX;
use crate::sim::load_codec::{Answer, LoadReport, RequestKind};

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// No answer that decides.
    Unresolved,
    /// 150=0, or a fill seen first; for changes: done.
    Acknowledged,
    /// 150=8 or 35=9.
    Rejected,
}

/// How an acknowledged order ended, if it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It is open.
    Open,
    /// 39=2
    Filled,
    /// 150=4
    Cancelled,
    /// 150=C or 150=3
    Ended,
}

/// What the last report of an order said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// OrderID(37): under which id it went to a desk
    pub order_id: Option<OrderId>,
    /// CumQty(14)
    pub cumulated: Quantity,
    /// Price times quantity of its fills, in units of the price
    pub value: u64,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// When it should have gone out, monotonic.
    pub intended_ns: u64,
    /// What it asked.
    pub kind: RequestKind,
    /// Its fate.
    pub fate: Fate,
    /// Of orders.
    pub end: End,
    /// How often 150=0 (150=5, 150=4 for changes) came for it.
    pub acks: u8,
    /// How often 150=A (150=E, 150=6) came for it.
    pub pendings: u8,
    /// Fills of it, each once.
    pub fills: u32,
    /// Quantity of the fills.
    pub filled: u64,
    /// Of orders: what was told of it.
    pub told: Told,
    /// The order that it is about; itself for orders.
    pub root: u32,
    /// For orders: the request by which it goes now (itself or a replace).
    pub current: u32,
    /// Whether a cancel or replace of it is under way.
    pub changing: bool,
    /// Which session sent it.
    pub session: u16,
    /// Which symbol it is in.
    pub symbol: u16,
    /// Side(54)
    pub side: Side,
    /// Price(44)
    pub price: Price,
    /// OrderQty(38)
    pub quantity: Quantity,
}

impl Record {
    fn is_open(&self) -> bool {
        self.fate == Fate::Acknowledged && self.end == End::Open
    }
}

/// What a report meant for the client's timing and for its choice of orders to change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effect {
    /// The request that got its first deciding answer: acknowledged or done.
    pub acknowledged: Option<u32>,
    /// The request that was rejected first.
    pub rejected: Option<u32>,
    /// The request that was told pending first.
    pub pending: Option<u32>,
    /// The order that may now be changed.
    pub changeable: Option<u32>,
}

/// Sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests sent.
    pub sent: u64,
    /// 150=0, or a fill seen first; for changes: done.
    pub acknowledged: u64,
    /// Refused.
    pub rejected: u64,
    /// Without a deciding answer.
    pub unresolved: u64,
    /// Told pending (150=A, 150=6, 150=E), decided or not.
    pub pending: u64,
}

/// Sums of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadTotals {
    /// 35=D
    pub orders: Counts,
    /// 35=F and 35=G
    pub changes: Counts,
    /// Orders wholly filled.
    pub filled: u64,
    /// Orders cancelled.
    pub cancelled: u64,
    /// Orders expired or done for the day.
    pub ended: u64,
    /// Fills.
    pub fills: u64,
    /// Their quantity.
    pub filled_quantity: u64,
    /// Reports whose ExecID had come before.
    pub duplicate_reports: u64,
    /// Requests acknowledged more than once, under different ExecIDs.
    pub duplicate_acks: u64,
    /// Reports of no request of this run.
    pub foreign_reports: u64,
    /// Rejects by their text.
    pub rejects: Vec<(String, u64)>,
}

/// ExecIDs are hashed before they come here.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// The ledger.
pub struct LoadLedger {
    records: Vec<Record>,
    /// 64-bit hashes of session and ExecID: among a million the chance of one false duplicate is 1 in 30 million.
    exec_ids: HashSet<u64, BuildHasherDefault<AsIs>>,
    reasons: Vec<(DeskText, u64)>,
    other_reasons: u64,
    duplicate_reports: u64,
    foreign_reports: u64,
}

impl LoadLedger {
    /// For a run of `requests` requests.
    pub fn new(requests: usize) -> Self {
        Self {
            records: Vec::with_capacity(requests),
            exec_ids: HashSet::with_capacity_and_hasher(requests * 3, Default::default()),
            reasons: Vec::with_capacity(SIM_LOAD_REASONS_MAX),
            other_reasons: 0,
            duplicate_reports: 0,
            foreign_reports: 0,
        }
    }

    /// Number of the next request.
    pub fn next_number(&self) -> u32 {
        self.records.len() as u32
    }

    /// A request is out. Its record says the rest.
    pub fn sent(&mut self, record: Record) {
        if record.kind != RequestKind::New {
            self.records[record.root as usize].changing = true;
        }
        self.records.push(record);
    }

    /// All requests, by number.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Requests that have no deciding answer.
    pub fn unresolved(&self) -> usize {
        let open = self.records.iter().filter(|r| r.fate == Fate::Unresolved);
        open.count()
    }

    /// A report of no known kind or of no request of this run.
    pub fn foreign(&mut self) {
        self.foreign_reports += 1;
    }

    /// Books a report.
    pub fn on_report(&mut self, session: u16, report: &LoadReport<'_>) -> Effect {
        let known = report.number.filter(|&n| (n as usize) < self.records.len());
        let Some(number) = known else {
            self.foreign_reports += 1;
            return Effect::default();
        };
        let answers_question = report.answer == Answer::Told;
        if !report.exec_id.is_empty()
            && !answers_question
            && !self.exec_ids.insert(hash(session, report.exec_id))
        {
            self.duplicate_reports += 1;
            return Effect::default();
        }
        self.note(number, report);
        match report.answer {
            Answer::Pending => self.pending(number),
            Answer::New => self.acknowledge(number, true),
            Answer::Trade(quantity) => self.trade(number, quantity, report.status),
            Answer::Replaced => self.replaced(number),
            Answer::Cancelled => self.cancelled(number),
            Answer::Ended => {
                let root = self.root(number);
                root.end = End::Ended;
                Effect::default()
            }
            Answer::Rejected | Answer::ChangeRefused => self.reject(number, report.text),
            Answer::TradeChanged | Answer::Told => Effect::default(),
        }
    }

    /// Keeps what a report says of its order as a whole.
    fn note(&mut self, number: u32, report: &LoadReport<'_>) {
        if report.answer == Answer::ChangeRefused {
            return;
        }
        let told = &mut self.root(number).told;
        told.order_id = told.order_id.or(report.order_id);
        told.cumulated = report.cumulated;
        if let Answer::Trade(quantity) = report.answer {
            let value = (report.price.0 as u64).wrapping_mul(quantity.0);
            told.value = told.value.wrapping_add(value);
        }
    }

    fn root(&mut self, number: u32) -> &mut Record {
        let root = self.records[number as usize].root;
        &mut self.records[root as usize]
    }

    fn pending(&mut self, number: u32) -> Effect {
        let record = &mut self.records[number as usize];
        record.pendings = record.pendings.saturating_add(1);
        Effect {
            pending: (record.pendings == 1).then_some(number),
            ..Effect::default()
        }
    }

    /// `told`: by a report of its own, and not only by a fill.
    fn acknowledge(&mut self, number: u32, told: bool) -> Effect {
        let record = &mut self.records[number as usize];
        record.acks = record.acks.saturating_add(u8::from(told));
        let first = record.fate == Fate::Unresolved;
        if first {
            record.fate = Fate::Acknowledged;
        }
        let may_change = first && record.is_open() && record.kind == RequestKind::New;
        Effect {
            acknowledged: first.then_some(number),
            changeable: may_change.then_some(number),
            ..Effect::default()
        }
    }

    fn trade(&mut self, number: u32, quantity: Quantity, status: u8) -> Effect {
        let root_number = self.records[number as usize].root;
        let effect = self.acknowledge(root_number, false);
        let root = self.root(number);
        root.fills += 1;
        root.filled += quantity.0;
        if status == b'2' {
            root.end = End::Filled;
        }
        effect
    }

    fn replaced(&mut self, number: u32) -> Effect {
        let mut effect = self.acknowledge(number, true);
        self.root(number).current = number;
        effect.changeable = self.change_is_over(number);
        effect
    }

    /// By request, or by the desk: then it comes under the order's own number.
    fn cancelled(&mut self, number: u32) -> Effect {
        let is_request = self.records[number as usize].kind == RequestKind::Cancel;
        let root = self.root(number);
        if root.end == End::Open {
            root.end = End::Cancelled;
        }
        if is_request {
            return self.acknowledge(number, true);
        }
        Effect::default()
    }

    fn reject(&mut self, number: u32, text: DeskText) -> Effect {
        let record = &mut self.records[number as usize];
        if record.fate != Fate::Unresolved {
            return Effect::default();
        }
        record.fate = Fate::Rejected;
        let known = self.reasons.iter_mut().find(|(reason, _)| *reason == text);
        if let Some((_, count)) = known {
            *count += 1;
        } else if self.reasons.len() < SIM_LOAD_REASONS_MAX {
            self.reasons.push((text, 1));
        } else {
            self.other_reasons += 1;
        }
        // A refused change leaves its order as it was.
        Effect {
            rejected: Some(number),
            changeable: self.change_is_over(number),
            ..Effect::default()
        }
    }

    fn change_is_over(&mut self, number: u32) -> Option<u32> {
        if self.records[number as usize].kind == RequestKind::New {
            return None;
        }
        let root_number = self.records[number as usize].root;
        let root = self.root(number);
        let was_changing = std::mem::replace(&mut root.changing, false);
        (was_changing && root.is_open()).then_some(root_number)
    }

    /// Sums over all records.
    pub fn totals(&self) -> LoadTotals {
        let mut totals = LoadTotals {
            duplicate_reports: self.duplicate_reports,
            foreign_reports: self.foreign_reports,
            ..LoadTotals::default()
        };
        for record in &self.records {
            let counts = if record.kind == RequestKind::New {
                &mut totals.orders
            } else {
                &mut totals.changes
            };
            counts.sent += 1;
            counts.pending += u64::from(record.pendings > 0);
            match record.fate {
                Fate::Unresolved => counts.unresolved += 1,
                Fate::Acknowledged => counts.acknowledged += 1,
                Fate::Rejected => counts.rejected += 1,
            }
            match record.end {
                End::Open => {}
                End::Filled => totals.filled += 1,
                End::Cancelled => totals.cancelled += 1,
                End::Ended => totals.ended += 1,
            }
            totals.fills += record.fills as u64;
            totals.filled_quantity += record.filled;
            totals.duplicate_acks += u64::from(record.acks > 1);
        }
        let mut rejects: Vec<_> = self
            .reasons
            .iter()
            .map(|(text, count)| (text.to_string_lossy(), *count))
            .collect();
        if self.other_reasons > 0 {
            rejects.push(("(further texts)".to_owned(), self.other_reasons));
        }
        rejects.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        totals.rejects = rejects;
        totals
    }
}

/// FNV-1a, then mixed.
fn hash(session: u16, exec_id: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ session as u64;
    for &c in exec_id {
        hash = (hash ^ c as u64).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Text;

    fn ledger() -> LoadLedger {
        let mut ledger = LoadLedger::new(8);
        for _ in 0..3 {
            request(&mut ledger, RequestKind::New, None);
        }
        ledger
    }

    fn request(ledger: &mut LoadLedger, kind: RequestKind, root: Option<u32>) -> u32 {
        let number = ledger.next_number();
        ledger.sent(Record {
            intended_ns: 0,
            kind,
            fate: Fate::Unresolved,
            end: End::Open,
            acks: 0,
            pendings: 0,
            fills: 0,
            filled: 0,
            told: Told::default(),
            root: root.unwrap_or(number),
            current: number,
            changing: false,
            session: 0,
            symbol: 0,
            side: Side::Buy,
            price: Price(1),
            quantity: Quantity(10),
        });
        number
    }

    fn told(
        ledger: &mut LoadLedger,
        number: u32,
        exec_id: &str,
        answer: Answer,
        status: u8,
    ) -> Effect {
        let report = LoadReport {
            number: Some(number),
            answer,
            status,
            exec_id: exec_id.as_bytes(),
            order_id: None,
            cumulated: Quantity(0),
            price: Price(0),
            text: Text::cut(b"why"),
        };
        ledger.on_report(0, &report)
    }

    #[test]
    fn sent_is_acknowledged_and_rejected_and_unresolved() {
        let mut l = ledger();
        let pending = told(&mut l, 0, "1", Answer::Pending, b'A');
        assert_eq!((pending.pending, pending.acknowledged), (Some(0), None));
        assert_eq!(
            told(&mut l, 0, "2", Answer::New, b'0').acknowledged,
            Some(0)
        );
        assert_eq!(
            told(&mut l, 1, "3", Answer::Rejected, b'8').rejected,
            Some(1)
        );
        let totals = l.totals();
        let want = Counts {
            sent: 3,
            acknowledged: 1,
            rejected: 1,
            unresolved: 1,
            pending: 1,
        };
        assert_eq!(totals.orders, want);
        assert_eq!(totals.rejects, [("why".to_owned(), 1)]);
        assert_eq!(l.unresolved(), 1);
    }

    #[test]
    fn duplicates_are_seen_by_exec_id_and_by_a_second_acknowledgement() {
        let mut l = ledger();
        told(&mut l, 0, "1", Answer::New, b'0');
        assert_eq!(told(&mut l, 0, "1", Answer::New, b'0'), Effect::default());
        assert_eq!(
            (l.totals().duplicate_reports, l.totals().duplicate_acks),
            (1, 0)
        );
        told(&mut l, 0, "2", Answer::New, b'0');
        assert_eq!(
            (l.totals().duplicate_reports, l.totals().duplicate_acks),
            (1, 1)
        );
        assert_eq!(l.totals().orders.acknowledged, 1);
    }

    #[test]
    fn a_fill_before_the_acknowledgement_acknowledges_once() {
        let mut l = ledger();
        let fill = Answer::Trade(Quantity(4));
        assert_eq!(told(&mut l, 0, "1", fill, b'1').acknowledged, Some(0));
        assert_eq!(told(&mut l, 0, "2", Answer::New, b'1').acknowledged, None);
        told(&mut l, 0, "3", Answer::Trade(Quantity(6)), b'2');
        told(&mut l, 0, "3", Answer::Trade(Quantity(6)), b'2');
        let t = l.totals();
        assert_eq!(
            (t.filled, t.fills, t.filled_quantity, t.duplicate_acks),
            (1, 2, 10, 0)
        );
    }

    #[test]
    fn changes_follow_their_order() {
        let mut l = ledger();
        assert_eq!(told(&mut l, 0, "1", Answer::New, b'0').changeable, Some(0));
        let replace = request(&mut l, RequestKind::Replace, Some(0));
        let replaced = told(&mut l, replace, "2", Answer::Replaced, b'0');
        assert_eq!(
            (replaced.acknowledged, replaced.changeable),
            (Some(replace), Some(0))
        );
        assert_eq!(l.records()[0].current, replace);
        told(&mut l, replace, "3", Answer::Trade(Quantity(4)), b'1');
        assert_eq!(
            (l.records()[0].filled, l.records()[replace as usize].filled),
            (4, 0)
        );
        let refused = request(&mut l, RequestKind::Cancel, Some(0));
        assert_eq!(
            told(&mut l, refused, "", Answer::ChangeRefused, b'1').changeable,
            Some(0)
        );
        let cancel = request(&mut l, RequestKind::Cancel, Some(0));
        let cancelled = told(&mut l, cancel, "4", Answer::Cancelled, b'4');
        assert_eq!(
            (cancelled.acknowledged, cancelled.changeable),
            (Some(cancel), None)
        );
        let t = l.totals();
        assert_eq!(
            (t.cancelled, t.changes.acknowledged, t.changes.rejected),
            (1, 2, 1)
        );
        told(&mut l, 1, "5", Answer::New, b'0');
        told(&mut l, 1, "6", Answer::Cancelled, b'4');
        assert_eq!(l.totals().cancelled, 2);
    }

    #[test]
    fn strangers_are_counted() {
        let mut l = ledger();
        assert_eq!(told(&mut l, 99, "1", Answer::New, b'0'), Effect::default());
        assert_eq!(l.totals().foreign_reports, 1);
    }
}
