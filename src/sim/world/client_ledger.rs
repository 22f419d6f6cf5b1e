//! What a client knows of its orders, from nothing but what it sent and what it was told.
//!
//! Owned by the client. Every report is checked when it comes: an execution counts once, sums agree, what has ended stays ended. What
//! is wrong is a finding, in words; the world stops at the first.

use std::collections::{BTreeMap, HashMap};

use super::fix_text::FixText;

/// ClOrdIDs of what a client sends wrongly on purpose begin with one of these.
pub const NONSENSE: [char; 3] = ['X', 'Y', 'Z'];

/// OrderQty(38) of orders that use a ClOrdID again on purpose.
pub const NONSENSE_QUANTITY: u64 = 7_770;

/// ExecRefID(19) of a trade that was never told.
const NO_TRADE: &str = "0000000000";

/// What a request asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// 35=D
    New,
    /// 35=F
    Cancel,
    /// 35=G
    Replace,
}

/// One ClOrdID of the client.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it asked
    pub asked: Asked,
    /// The order that it is about
    pub order: usize,
    /// Whether anything at all answered it
    pub answered: bool,
    /// MsgSeqNum(34) under which it was sent
    pub number: u64,
}

/// One order.
#[derive(Clone, Debug, Default)]
pub struct ClientOrder {
    /// ClOrdID(11) of the order
    pub id: String,
    /// ClOrdID under which it is known now
    pub live: String,
    /// Symbol(55)
    pub symbol: String,
    /// Side(54)
    pub side: char,
    /// OrderQty(38) as last reported, or as asked
    pub quantity: u64,
    /// Price(44) of the order as asked, in hundredths
    pub price: u64,
    /// OrdStatus(39) as last told; empty: nothing was told
    pub status: String,
    /// CumQty(14) as last told
    pub cumulated: u64,
    /// LeavesQty(151) as last told
    pub leaves: u64,
    /// OrderID(37)
    pub order_id: String,
    /// What stands of each execution: quantity and price by ExecID(17)
    pub fills: BTreeMap<String, (u64, String)>,
    /// Of a day that is over for the gateway
    pub is_past: bool,
    /// Was ended by a Reject of the session or a business reject
    pub refused: bool,
}

impl ClientOrder {
    /// Whether the client believes that it can still trade.
    pub fn is_open(&self) -> bool {
        !self.refused && !matches!(self.status.as_str(), "2" | "3" | "4" | "8" | "C")
    }
}

/// The ledger.
#[derive(Clone, Debug, Default)]
pub struct ClientLedger {
    /// In the order in which they were sent
    pub orders: Vec<ClientOrder>,
    /// By ClOrdID
    pub requests: HashMap<String, Request>,
    executions: HashMap<String, usize>,
    /// The gateway's host went down, and what it knew of these orders only its memory had: at level L0 nothing is promised then
    pub is_uncertain: bool,
}

impl ClientLedger {
    /// The gateway's day is over: it knows nothing of these orders any more.
    pub fn end_day(&mut self) {
        self.orders
            .iter_mut()
            .for_each(|order| order.is_past = true);
    }

    /// A new order was given to the session.
    pub fn sent_new(&mut self, order: ClientOrder, number: u64) {
        let request = Request {
            asked: Asked::New,
            order: self.orders.len(),
            answered: false,
            number,
        };
        self.requests.insert(order.id.clone(), request);
        self.orders.push(order);
    }

    /// A cancel or replace was given to the session.
    pub fn sent_change(&mut self, asked: Asked, id: String, order: usize, number: u64) {
        let request = Request {
            asked,
            order,
            answered: false,
            number,
        };
        self.requests.insert(id, request);
    }

    /// The message with this number was rejected by the session layer or as a message.
    pub fn refused(&mut self, number: u64) {
        let found = self.requests.values_mut().find(|it| it.number == number);
        let Some(request) = found else {
            return;
        };
        request.answered = true;
        if request.asked == Asked::New {
            self.orders[request.order].refused = true;
        }
    }

    /// An OrderCancelReject.
    pub fn on_cancel_reject(&mut self, message: &FixText) -> Result<(), String> {
        let id = message.get(11);
        if id.starts_with(NONSENSE) || self.is_uncertain {
            return Ok(());
        }
        let request = self.requests.get_mut(id);
        let request = request.ok_or_else(|| format!("cancel reject of {id}: never asked"))?;
        if request.asked == Asked::New {
            return Err(format!("cancel reject of {id}: that was an order"));
        }
        if std::mem::replace(&mut request.answered, true) {
            return Err(format!("cancel reject of {id}: it was answered before"));
        }
        Ok(())
    }

    /// An ExecutionReport.
    pub fn on_report(&mut self, message: &FixText) -> Result<(), String> {
        let id = message.get(11);
        let exec_type = message.get(150);
        let is_nonsense = id.starts_with(NONSENSE) || message.number(38) == NONSENSE_QUANTITY;
        if is_nonsense || self.is_uncertain {
            return Ok(());
        }
        let by_chain = self.requests.get(id).or_else(|| {
            let original = message.get(41);
            self.requests.get(original)
        });
        let Some(request) = by_chain.cloned() else {
            // What it asked about and the gateway does not know either.
            return match exec_type {
                "I" | "8" => Ok(()),
                _ => Err(format!("a report about {id}, which was never sent")),
            };
        };
        let at = request.order;
        if exec_type == "8" && message.get(103) == "6" && !self.orders[at].order_id.is_empty() {
            // It repeated what the gateway had answered, and had lost with its host.
            return Ok(());
        }
        let exec_id = message.get(17).to_owned();
        if exec_type == "I" {
            return Ok(());
        }
        if let Some(before) = self.executions.insert(exec_id.clone(), at) {
            let id = &self.orders[before].id;
            return Err(format!("ExecID {exec_id} came twice, before for {id}"));
        }
        if let Some(request) = self.requests.get_mut(id) {
            request.answered = true;
        }
        self.apply(at, message, &exec_id)
    }

    fn apply(&mut self, at: usize, message: &FixText, exec_id: &str) -> Result<(), String> {
        let order = &mut self.orders[at];
        let (status, exec_type) = (message.get(39).to_owned(), message.get(150));
        let (cumulated, leaves) = (message.number(14), message.number(151));
        match exec_type {
            "F" => {
                let fill = (message.number(32), message.get(31).to_owned());
                order.fills.insert(exec_id.to_owned(), fill);
            }
            // It came before its trade, which is still to come: nothing is changed by it.
            "H" | "G" if message.get(19) == NO_TRADE && cumulated == order.cumulated => {}
            "H" | "G" => {
                let reference = message.get(19);
                if order.fills.remove(reference).is_none() {
                    let what = "a trade is cancelled or corrected that was never told";
                    return Err(format!("{what}: {message:?} after {order:?}"));
                }
                if exec_type == "G" {
                    let fill = (message.number(32), message.get(31).to_owned());
                    order.fills.insert(exec_id.to_owned(), fill);
                }
            }
            _ => {}
        }
        let order = &mut self.orders[at];
        let filled: u64 = order.fills.values().map(|(quantity, _)| quantity).sum();
        let say = |what: &str| Err(format!("{what}: {message:?} after {order:?}"));
        if filled != cumulated {
            return say("CumQty is not the sum of the fills");
        }
        let quantity = message.number(38);
        if quantity != 0 && cumulated + leaves > quantity.max(cumulated) {
            return say("CumQty and LeavesQty are more than OrderQty");
        }
        let is_final = matches!(status.as_str(), "2" | "3" | "4" | "8" | "C");
        if is_final && leaves != 0 {
            return say("leaves of an order that has ended");
        }
        if !is_final && exec_type != "8" && cumulated + leaves != quantity {
            return say("an open order whose CumQty and LeavesQty are not OrderQty");
        }
        if !is_final && !order.is_open() && !matches!(exec_type, "H" | "G" | "5" | "F") {
            return say("an order that had ended is open again");
        }
        if !order.order_id.is_empty() && order.order_id != message.get(37) {
            return say("another OrderID");
        }
        order.order_id = message.get(37).to_owned();
        if exec_type == "5" || order.live.is_empty() {
            order.live = message.get(11).to_owned();
        }
        order.quantity = quantity;
        (order.status, order.cumulated, order.leaves) = (status, cumulated, leaves);
        Ok(())
    }
}
