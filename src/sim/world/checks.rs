//! The comparison at the end: what clients, gateway and desk hold of the same orders and the same money.
//!
//! Pure. Called when faults have stopped and everything has settled. Each row of the gateway is looked up in the client's ledger by ClOrdID and
//! in the desk's by order id; then the other way round; then cash and positions are computed from the desk's fills alone.

use std::collections::{BTreeMap, HashMap};

use super::client::Client;
use super::client_ledger::{Asked, NONSENSE, NONSENSE_QUANTITY};
use super::desk::Desk;
use crate::config::plan::Plan;
use crate::config::sample::account_name;
use crate::domain::{AccountIndex, ClientOrderId, InstrumentIndex, OrderId, OrderStatus, Side};
use crate::risk::{OrderRow, Risk};
use crate::sim::desk_ledger::FillState;
use crate::sim::desk_message::RequestKind;
use crate::sim::desk_order::Order;

/// What is compared: all but what the gateway never promised to know.
pub struct Extent<'a> {
    /// The clients that trade; client `i` has session and account `i`
    pub clients: &'a [Client],
    /// First process of the gateway's trading day
    pub first_epoch: u16,
}

impl Extent<'_> {
    fn is_certain(&self, client: usize) -> bool {
        self.clients
            .get(client)
            .is_none_or(|it| !it.ledger.is_uncertain)
    }

    /// Whether it is an order of today, of an account that is certain.
    fn has(&self, order: &Order) -> bool {
        let epoch = OrderId::parse(order.first_id.as_bytes()).map_or(0, OrderId::epoch);
        let account = order.account.to_string_lossy();
        let client = (0..self.clients.len()).find(|at| account_name(*at) == account);
        epoch >= self.first_epoch && client.is_none_or(|at| self.is_certain(at))
    }
}

/// Compares everything; the first contradiction, in words.
pub fn ledgers(plan: &Plan, risk: &Risk, extent: &Extent<'_>, desk: &Desk) -> Result<(), String> {
    let rows = risk.orders();
    let rows: Vec<OrderRow> = rows
        .filter(|row| extent.is_certain(row.session.get()))
        .collect();
    gateway_and_desk(&rows, extent, desk)?;
    gateway_and_clients(&rows, extent)?;
    never_twice(desk)?;
    money(plan, risk, extent, desk)
}

/// The receiver of copies was told what the others were, each once.
pub fn copies(clients: &[Client], receiver: &Client) -> Result<(), String> {
    if clients.iter().any(|client| client.ledger.is_uncertain) {
        return Ok(());
    }
    let told = clients.iter().flat_map(|client| &client.told);
    if let Some(missing) = told.clone().find(|it| !receiver.told.contains(*it)) {
        return Err(format!("no copy was told of {missing}"));
    }
    let is_foreign = |it: &&String| !clients.iter().any(|client| client.told.contains(*it));
    match receiver.told.iter().filter(is_foreign).min() {
        Some(foreign) => Err(format!("a copy of what nobody was told: {foreign}")),
        None => Ok(()),
    }
}

/// What the gateway is to cancel it has cancelled: where nothing is under way and the desk cancels what it has, nothing of it is open.
pub fn cancels(risk: &Risk, extent: &Extent<'_>, desk: &Desk) -> Result<(), String> {
    let is_left = |row: &OrderRow| {
        row.cancel_wanted && row.acknowledged && !row.status.is_final() && !row.pending
    };
    let mut left = risk.orders().filter(is_left);
    let left = left.find(|row| !row.in_doubt && extent.is_certain(row.session.get()));
    // One request of the day is kept for a cancel of each open order; what is repeated again and again may find no room.
    let not_repeated = risk.counters().gateway_cancels_not_repeated;
    let without_room = risk.counters().gateway_cancels_without_capacity - not_repeated;
    if without_room > 0 {
        return Err(format!("{without_room} cancels found the day's table full"));
    }
    match left.filter(|_| !desk.refuses_cancels && not_repeated == 0) {
        None => Ok(()),
        Some(row) => Err(format!("to be cancelled, and left alone: {row:?}")),
    }
}

/// ClOrdID(11) towards desks.
pub fn desk_id(id: OrderId) -> ClientOrderId {
    ClientOrderId::cut(&id.to_base62())
}

fn gateway_and_desk(rows: &[OrderRow], extent: &Extent<'_>, desk: &Desk) -> Result<(), String> {
    let mut known = 0;
    for row in rows {
        let say = |what: &str| Err(format!("{what}: {row:?}"));
        let Some(order) = desk.book().order_of(&desk_id(row.id)) else {
            let never_there = row.status == OrderStatus::Rejected || row.in_doubt;
            if !never_there {
                return say("the desk does not know an order that the gateway holds");
            }
            if row.cumulated.0 > 0 {
                return say("filled, and the desk does not know it");
            }
            continue;
        };
        known += 1;
        if order.cumulated != row.cumulated {
            return say(&format!("the desk filled {:?}", order.cumulated));
        }
        if order.value.0 != row.notional {
            return say(&format!(
                "the fills are worth {:?} at the desk",
                order.value
            ));
        }
        let told = order.status;
        if told.is_final() != row.status.is_final() && !row.in_doubt {
            return say(&format!("the desk says {told:?}"));
        }
        if told == OrderStatus::Rejected && row.status != OrderStatus::Rejected && !row.in_doubt {
            return say("the desk has rejected it");
        }
    }
    let orders = desk.book().orders().iter();
    let there = orders.filter(|order| extent.has(order)).count();
    match known == there {
        true => Ok(()),
        false => Err(format!(
            "the desk has {there} orders and {known} of them are the gateway's"
        )),
    }
}

fn gateway_and_clients(rows: &[OrderRow], extent: &Extent<'_>) -> Result<(), String> {
    let clients = extent.clients;
    let mut by_id: HashMap<(usize, String), &OrderRow> = HashMap::new();
    for row in rows {
        if row.quantity.0 == NONSENSE_QUANTITY {
            continue;
        }
        let id = row.client_order_id.to_string_lossy();
        if by_id.insert((row.session.get(), id), row).is_some() {
            return Err(format!("two orders of one ClOrdID: {row:?}"));
        }
    }
    for (at, client) in clients.iter().enumerate() {
        if client.ledger.is_uncertain {
            continue;
        }
        for order in &client.ledger.orders {
            let row = by_id.remove(&(at, order.id.clone()));
            let say = |what: &str| Err(format!("{what}: client {at} {order:?}, gateway {row:?}"));
            let Some(row) = row else {
                match order.refused || order.is_past || order.status == "8" {
                    true => continue,
                    false => return say("an order was lost"),
                }
            };
            if order.refused {
                return say("rejected as a message, and an order of the gateway");
            }
            if order.cumulated != row.cumulated.0 {
                return say("another CumQty");
            }
            let is_told = !order.status.is_empty();
            if !is_told && !row.in_doubt && row.acknowledged {
                return say("the client was never told");
            }
            if is_told && order.is_open() == row.status.is_final() {
                return say("open here and ended there");
            }
            if is_told && !row.pending && order.leaves != row.leaves.0 {
                return say("another LeavesQty");
            }
        }
        let silent = client.ledger.requests.iter().find(|(_, request)| {
            let row = rows.iter().find(|row| {
                let id = row.client_order_id.to_string_lossy();
                row.session.get() == at && id == client.ledger.orders[request.order].id
            });
            let is_past = client.ledger.orders[request.order].is_past;
            let may_wait = is_past || row.is_some_and(|row| row.pending || row.in_doubt);
            !request.answered && request.asked != Asked::New && !may_wait
        });
        if let Some((id, request)) = silent {
            return Err(format!("client {at}: {id} was never answered: {request:?}"));
        }
    }
    let foreign = by_id.iter().find(|((at, id), row)| {
        // A wrong one on purpose may be an order all the same.
        let is_nonsense = clients[*at].ledger.requests.contains_key(id) || id.starts_with(NONSENSE);
        !is_nonsense && row.status != OrderStatus::Rejected
    });
    match foreign {
        None => Ok(()),
        Some((id, row)) => Err(format!("{id:?} was never sent by its client: {row:?}")),
    }
}

fn never_twice(desk: &Desk) -> Result<(), String> {
    let mut requests: Vec<_> = desk.book().ledger().requests().collect();
    requests.sort_by_key(|(id, _)| id.to_string_lossy());
    let twice = requests.iter().find(|(_, received)| received.count > 1);
    match twice {
        None => Ok(()),
        Some((id, received)) => Err(format!(
            "the desk got {} {} times: {received:?}",
            id.to_string_lossy(),
            received.count
        )),
    }
}

/// Cash and positions as the desk's good fills make them.
fn money(plan: &Plan, risk: &Risk, extent: &Extent<'_>, desk: &Desk) -> Result<(), String> {
    let mut cash: BTreeMap<String, i128> = BTreeMap::new();
    let mut held: BTreeMap<(String, String), i64> = BTreeMap::new();
    let orders = desk.book().orders();
    for fill in desk.book().ledger().fills() {
        let order = &orders[fill.order as usize - 1];
        if fill.state == FillState::Cancelled || !extent.has(order) {
            continue;
        }
        let account = order.account.to_string_lossy();
        let value = fill.price.0 as i128 * fill.quantity.0 as i128;
        let (sign, symbol) = match fill.side {
            Side::Buy => (1, fill.symbol.to_string_lossy()),
            Side::Sell => (-1, fill.symbol.to_string_lossy()),
        };
        *cash.entry(account.clone()).or_default() -= sign as i128 * value;
        *held.entry((account, symbol)).or_default() += sign * fill.quantity.0 as i64;
    }
    let accounts = plan.accounts.iter().enumerate();
    for (at, account) in accounts.filter(|(at, _)| extent.is_certain(*at)) {
        let index = AccountIndex(at as u32);
        let name = account.name.to_string_lossy();
        let change = cash.get(&name).copied().unwrap_or(0);
        let row = risk.account(index);
        let is = row.map_or(0, |row| row.cash.0);
        if is != account.cash.0 + change {
            let should = account.cash.0 + change;
            return Err(format!("cash of {name} is {is} and should be {should}"));
        }
        for (k, instrument) in plan.instruments.iter().enumerate() {
            let symbol = instrument.symbol.to_string_lossy();
            let change = held.get(&(name.clone(), symbol.clone())).copied();
            let row = risk.position(index, InstrumentIndex(k as u32));
            let is = row.map_or(0, |row| row.bought - row.sold);
            if is != change.unwrap_or(0) {
                return Err(format!(
                    "{name} has {is} more of {symbol}, the desk says {change:?}"
                ));
            }
        }
    }
    Ok(())
}

/// Requests of a kind that reached the desk.
pub fn reached(desk: &Desk, kind: RequestKind) -> usize {
    let requests = desk.book().ledger().requests();
    requests
        .filter(|(_, received)| received.kind == kind)
        .count()
}
