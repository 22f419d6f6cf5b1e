//! Two ledgers compared, written by independent programs: what a client sent and was told, and what a desk received and did.
//!
//! What lies between them is not asked: whatever died there, each order of the client must be exactly one of at the desk, once, or
//! refused to the client; nothing else may be at the desk; and at the end the client believes what is true at the desk. Orders meet
//! by the gateway's id: ClOrdID(11) at the desk, OrderID(37) in the client's reports. Pure; cold code.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::sim::desk_message::RequestKind;
use crate::sim::ledger_file::{ClientFile, ClientOrder, DeskFile, DeskOrder};
use crate::sim::load_ledger::{End, Fate};

/// Examples that are listed of each kind.
const EXAMPLES_MAX: usize = 5;

/// The outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Orders that the client sent.
    pub sent: u64,
    /// Those that were refused to it.
    pub refused: u64,
    /// Different orders that reached the desk.
    pub at_desk: u64,
    /// Fills that stand at the desk.
    pub fills: u64,
    /// Acknowledged to the client, but not at the desk.
    pub lost: u64,
    /// Requests of the client that were never answered.
    pub unanswered: u64,
    /// Requests that came to the desk more than once.
    pub doubled: u64,
    /// Reports that the client was given more than once, or a second acknowledgement.
    pub reported_twice: u64,
    /// Orders at the desk of which no client knows, or more changes than were sent.
    pub unknown_at_desk: u64,
    /// Refused to the client, but open or executed at the desk.
    pub refused_but_at_desk: u64,
    /// Orders whose fills the client does not know exactly once each.
    pub fills_differ: u64,
    /// Orders of whose quantity executed or end the client believes something else.
    pub belief_differs: u64,
    /// Messages or reports that found no place to wait, at either side: the comparison itself is not sound.
    pub unsound: u64,
    /// The first few of each kind.
    pub examples: Vec<String>,
}

impl Difference {
    /// Whether the two agree.
    pub fn is_good(&self) -> bool {
        self.violations().iter().all(|&(_, count)| count == 0)
    }

    /// What may not be, and how often it was.
    pub fn violations(&self) -> [(&'static str, u64); 9] {
        [
            ("lost", self.lost),
            ("unanswered", self.unanswered),
            ("doubled at the desk", self.doubled),
            ("reported twice", self.reported_twice),
            ("at the desk, sent by nobody", self.unknown_at_desk),
            ("refused, but at the desk", self.refused_but_at_desk),
            ("fills differ", self.fills_differ),
            ("belief differs", self.belief_differs),
            ("not recorded", self.unsound),
        ]
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            ("orders sent", self.sent),
            ("refused to the client", self.refused),
            ("at the desk", self.at_desk),
            ("fills", self.fills),
        ];
        for (name, count) in counts.into_iter().chain(self.violations()) {
            writeln!(f, "{name:<30}{count:>12}")?;
        }
        for example in &self.examples {
            writeln!(f, "  {example}")?;
        }
        Ok(())
    }
}

/// Which count a finding adds to.
type Count = fn(&mut Difference) -> &mut u64;

struct Findings {
    difference: Difference,
    examples: HashMap<&'static str, usize>,
}

impl Findings {
    fn add(&mut self, count: Count, what: &'static str, text: impl FnOnce() -> String) {
        *count(&mut self.difference) += 1;
        let examples = self.examples.entry(what).or_default();
        *examples += 1;
        if *examples <= EXAMPLES_MAX {
            let text = format!("{what}: {}", text());
            self.difference.examples.push(text);
        }
    }
}

/// Compares.
pub fn compare(client: &ClientFile, desk: &DeskFile) -> Difference {
    let mut findings = Findings {
        difference: Difference {
            sent: client.orders.len() as u64,
            fills: desk.orders.iter().map(|order| order.fills).sum(),
            reported_twice: client.duplicate_reports,
            unsound: client.lines.resend_lost + desk.lines.resend_lost + desk.reports_lost,
            ..Difference::default()
        },
        examples: HashMap::new(),
    };
    let came = requests(desk, &mut findings);
    let at_desk: HashMap<&str, &DeskOrder> = desk
        .orders
        .iter()
        .map(|order| (order.id.as_str(), order))
        .collect();
    let mut known = HashMap::with_capacity(client.orders.len());
    for order in &client.orders {
        let id = order.order.as_deref().unwrap_or_default();
        if !id.is_empty() {
            known.insert(id, order.number);
        }
        of_order(
            order,
            came.get(id).copied(),
            at_desk.get(id).copied(),
            &mut findings,
        );
    }
    let unknown: fn(&mut Difference) -> &mut u64 = |d| &mut d.unknown_at_desk;
    for id in came.keys().filter(|id| !known.contains_key(*id)) {
        findings.add(unknown, "unknown at the desk", || (*id).to_owned());
    }
    changes(client, desk, &mut findings);
    findings.difference
}

/// Counts what came; the orders among it, and how often each came.
fn requests<'a>(desk: &'a DeskFile, findings: &mut Findings) -> HashMap<&'a str, u32> {
    let mut orders = HashMap::with_capacity(desk.requests.len());
    for request in &desk.requests {
        if request.received > 1 {
            findings.add(
                |d| &mut d.doubled,
                "doubled",
                || format!("{} came {} times", request.id, request.received),
            );
        }
        if request.kind == RequestKind::New {
            orders.insert(request.id.as_str(), request.received);
        }
    }
    findings.difference.at_desk = orders.len() as u64;
    orders
}

fn of_order(
    order: &ClientOrder,
    came: Option<u32>,
    at_desk: Option<&DeskOrder>,
    findings: &mut Findings,
) {
    let name = || {
        let id = order.order.as_deref().unwrap_or("no id told");
        format!("order {} ({id})", order.number)
    };
    if order.acks > 1 {
        findings.add(|d| &mut d.reported_twice, "acknowledged twice", name);
    }
    match order.fate {
        Fate::Unresolved => findings.add(|d| &mut d.unanswered, "unanswered", name),
        Fate::Rejected => {
            findings.difference.refused += 1;
            if at_desk.is_some_and(|it| it.status != '8') || came.is_some() && at_desk.is_none() {
                findings.add(
                    |d| &mut d.refused_but_at_desk,
                    "refused, but at the desk",
                    name,
                );
            }
            return;
        }
        Fate::Acknowledged if came.is_none() => {
            return findings.add(|d| &mut d.lost, "lost", name);
        }
        Fate::Acknowledged => {}
    }
    let Some(truth) = at_desk else {
        return;
    };
    let believed = (order.fills, order.filled, order.value);
    let filled = (truth.fills, truth.cumulated, truth.value);
    if believed != filled {
        findings.add(
            |d| &mut d.fills_differ,
            "fills differ",
            || {
                format!(
                    "{}: {filled:?} at the desk, {believed:?} at the client",
                    name()
                )
            },
        );
    }
    let end = match truth.status {
        '2' => End::Filled,
        '4' => End::Cancelled,
        '3' | 'C' => End::Ended,
        _ => End::Open,
    };
    if order.cumulated != truth.cumulated || order.end != end {
        findings.add(
            |d| &mut d.belief_differs,
            "belief differs",
            || {
                format!(
                    "{}: 39={} 14={} at the desk, {:?} 14={} at the client",
                    name(),
                    truth.status,
                    truth.cumulated,
                    order.end,
                    order.cumulated
                )
            },
        );
    }
}

/// Ids of cancels and replaces are not told to clients: their numbers must fit.
fn changes(client: &ClientFile, desk: &DeskFile, findings: &mut Findings) {
    for change in &client.changes {
        let name = || format!("change {} of order {}", change.number, change.root);
        if change.fate == Fate::Unresolved {
            findings.add(|d| &mut d.unanswered, "unanswered", name);
        }
        if change.acks > 1 {
            findings.add(|d| &mut d.reported_twice, "done twice", name);
        }
    }
    let is_change = |kind| matches!(kind, RequestKind::Cancel | RequestKind::Replace);
    let came = desk.requests.iter().filter(|r| is_change(r.kind)).count();
    let sent = client.changes.len();
    if came > sent {
        findings.difference.unknown_at_desk += (came - sent) as u64;
        let text = format!("unknown at the desk: {came} changes came, {sent} were sent");
        findings.difference.examples.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::ledger_file::{ClientChange, DeskRequest};

    fn sent(number: u32, fate: Fate, end: End, fills: u64) -> ClientOrder {
        ClientOrder {
            number,
            order: Some(format!("id{number}")),
            fate,
            end,
            acks: u8::from(fate == Fate::Acknowledged),
            fills,
            filled: fills * 10,
            value: fills * 70,
            cumulated: fills * 10,
        }
    }

    fn open(number: u32) -> ClientOrder {
        sent(number, Fate::Acknowledged, End::Open, 0)
    }

    fn at_desk(numbers: &[u32]) -> DeskFile {
        let mut desk = DeskFile::default();
        for number in numbers {
            desk.requests.push(DeskRequest {
                id: format!("id{number}"),
                kind: RequestKind::New,
                received: 1,
                link: 0,
            });
            desk.orders.push(DeskOrder {
                id: format!("id{number}"),
                status: '0',
                quantity: 20,
                cumulated: 0,
                fills: 0,
                value: 0,
            });
        }
        desk
    }

    fn client(orders: Vec<ClientOrder>) -> ClientFile {
        ClientFile {
            orders,
            ..ClientFile::default()
        }
    }

    #[test]
    fn agreement() {
        let mut desk = at_desk(&[1, 2]);
        (desk.orders[1].status, desk.orders[1].cumulated) = ('2', 20);
        (desk.orders[1].fills, desk.orders[1].value) = (2, 140);
        let filled = sent(2, Fate::Acknowledged, End::Filled, 2);
        let refused = sent(3, Fate::Rejected, End::Open, 0);
        let same = compare(&client(vec![open(1), filled, refused]), &desk);
        assert!(same.is_good(), "{same}");
        assert_eq!(
            (same.sent, same.refused, same.at_desk, same.fills),
            (3, 1, 2, 2)
        );
    }

    fn only(difference: &Difference) -> Vec<(&'static str, u64)> {
        let found = difference.violations().into_iter();
        found.filter(|&(_, count)| count > 0).collect()
    }

    #[test]
    fn each_violation_is_seen_as_itself() {
        let lost = compare(&client(vec![open(1), open(2)]), &at_desk(&[1]));
        assert_eq!(only(&lost), [("lost", 1)]);
        assert_eq!(lost.examples, ["lost: order 2 (id2)"]);

        let silent = sent(1, Fate::Unresolved, End::Open, 0);
        let unanswered = compare(&client(vec![silent]), &at_desk(&[1]));
        assert_eq!(only(&unanswered), [("unanswered", 1)]);

        let mut twice = at_desk(&[1]);
        twice.requests[0].received = 2;
        let doubled = compare(&client(vec![open(1)]), &twice);
        assert_eq!(only(&doubled), [("doubled at the desk", 1)]);

        let mut told = client(vec![ClientOrder { acks: 2, ..open(1) }]);
        told.duplicate_reports = 1;
        assert_eq!(
            only(&compare(&told, &at_desk(&[1]))),
            [("reported twice", 2)]
        );

        let stranger = compare(&client(vec![open(1)]), &at_desk(&[1, 9]));
        assert_eq!(only(&stranger), [("at the desk, sent by nobody", 1)]);

        let refused = sent(1, Fate::Rejected, End::Open, 0);
        let both = compare(&client(vec![refused]), &at_desk(&[1]));
        assert_eq!(only(&both), [("refused, but at the desk", 1)]);

        let filled = sent(1, Fate::Acknowledged, End::Open, 1);
        let fills = compare(&client(vec![filled]), &at_desk(&[1]));
        assert_eq!(only(&fills), [("fills differ", 1), ("belief differs", 1)]);

        let cancelled = sent(1, Fate::Acknowledged, End::Cancelled, 0);
        let belief = compare(&client(vec![cancelled]), &at_desk(&[1]));
        assert_eq!(only(&belief), [("belief differs", 1)]);

        let mut desk = at_desk(&[1]);
        desk.lines.resend_lost = 3;
        assert_eq!(
            only(&compare(&client(vec![open(1)]), &desk)),
            [("not recorded", 3)]
        );
    }

    #[test]
    fn changes_are_answered_once_and_not_made_up() {
        let mut both = client(vec![open(1)]);
        let change = |number, fate, acks| ClientChange {
            number,
            root: 1,
            fate,
            acks,
        };
        both.changes = vec![
            change(2, Fate::Acknowledged, 2),
            change(3, Fate::Unresolved, 0),
        ];
        let mut desk = at_desk(&[1]);
        for id in ["a", "b", "c"] {
            desk.requests.push(DeskRequest {
                id: id.into(),
                kind: RequestKind::Cancel,
                received: 1,
                link: 0,
            });
        }
        let found = compare(&both, &desk);
        let want = [
            ("unanswered", 1),
            ("reported twice", 1),
            ("at the desk, sent by nobody", 1),
        ];
        assert_eq!(only(&found), want);
    }
}
