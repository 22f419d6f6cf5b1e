//! Requests and orders of the day.
//!
//! Owned by the risk state. A *request* is one message to a desk: new order, cancel or replace; its slot is in its order id, so
//! a report finds it without a hash. An *order* lives through several requests. Slots are given in order and kept all day, so a
//! late report never meets a stranger; the stored id is compared whole, so neither does one of another start. Each session has
//! a list of its open orders, oldest first.

use crate::domain::saved::{Saved, Saver};
use crate::domain::{
    AccountIndex, ClientOrderId, InstrumentIndex, Money, OrderId, OrderStatus, OrderType, Price,
    Quantity, SessionIndex, Side, TimeInForce,
};

/// No slot.
pub(super) const NONE: u32 = u32::MAX;
/// Zero would make the first id of epoch zero look like [`OrderId::NONE`].
const FIRST_GENERATION: u16 = 1;

/// What a request asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub(super) enum RequestKind {
    New,
    Cancel,
    Replace,
    /// Has an id and a ClOrdID, and no order of its own.
    MassCancel,
}

/// How far a request is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub(super) enum RequestState {
    /// Handed to the route stage.
    Sent,
    /// Its link was lost before the desk answered.
    InDoubt,
    /// The desk has answered, or it never left.
    Answered,
}

/// One message to a desk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Request {
    pub id: OrderId,
    /// ClOrdID(11); empty for cancels of the gateway's own.
    pub client_order_id: ClientOrderId,
    pub session: SessionIndex,
    pub order: u32,
    pub kind: RequestKind,
    pub state: RequestState,
}

/// What a pending replace asks for.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
pub(super) struct Replacement {
    pub order_type: OrderType,
    pub price: Price,
    pub reserve_price: Price,
    pub quantity: Quantity,
}

/// One order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Order {
    /// Of its first request: OrderID(37), stable.
    pub id: OrderId,
    /// Request under which the desk knows it.
    pub live: u32,
    /// Cancel or replace under way, or `NONE`.
    pub pending: u32,
    pub session: SessionIndex,
    pub account: AccountIndex,
    pub instrument: InstrumentIndex,
    /// Row of the book.
    pub position: u32,
    pub side: Side,
    pub order_type: OrderType,
    pub time_in_force: TimeInForce,
    /// Final status; `None` while it is open.
    pub done: Option<OrderStatus>,
    /// The desk has ended it, and it counts as filled: should a trade be taken back, it does not work again.
    pub ended: Option<OrderStatus>,
    /// The desk has accepted it.
    pub acked: bool,
    /// The client was told that the pending request is pending.
    pub pending_told: bool,
    /// To be cancelled by the gateway as soon as nothing else is pending.
    pub cancel_wanted: bool,
    /// Stands in the queue of cancels to be sent.
    pub queued: bool,
    /// The gateway's own cancel was repeated because the desk did not know the order yet.
    pub recancelled: bool,
    pub price: Price,
    pub reserve_price: Price,
    pub quantity: Quantity,
    pub cumulated: Quantity,
    /// What of the quantity will not be filled any more.
    pub cancelled: Quantity,
    /// Sum of fill price x fill quantity.
    pub notional: i128,
    pub reserved_cash: Money,
    pub reserved_quantity: Quantity,
    pub replacement: Replacement,
    /// Neighbours in the session's list of open orders.
    pub next: u32,
    /// See above.
    pub previous: u32,
    /// Neighbour in the queue of cancels to be sent.
    pub next_wanted: u32,
    /// Stands in its desk's queue of cancels that found no room there.
    pub short_of_room: bool,
    /// Neighbour in that queue.
    pub next_short: u32,
    /// Slot of a cancel of the gateway's own that never left, for the next one; or `NONE`.
    pub spare: u32,
    /// The slot that is kept for a cancel of the gateway's own is used.
    pub own_cancel_used: bool,
}

impl Order {
    /// What a fill may still take.
    #[inline]
    pub fn leaves(&self) -> Quantity {
        match self.done {
            None => Quantity(
                self.quantity
                    .0
                    .saturating_sub(self.cumulated.0.saturating_add(self.cancelled.0)),
            ),
            Some(_) => Quantity::ZERO,
        }
    }

    /// Filled beyond the quantity.
    pub fn overfilled(&self) -> Quantity {
        Quantity(
            self.cumulated
                .0
                .saturating_add(self.cancelled.0)
                .saturating_sub(self.quantity.0),
        )
    }

    /// OrdStatus(39), pending requests aside.
    pub fn status(&self) -> OrderStatus {
        match self.done {
            Some(status) => status,
            None if !self.cumulated.is_zero() => OrderStatus::PartiallyFilled,
            None if self.acked => OrderStatus::New,
            None => OrderStatus::PendingNew,
        }
    }

    /// AvgPx(6): rounded half up.
    pub fn average_price(&self) -> Price {
        let cumulated = self.cumulated.0 as i128;
        if cumulated == 0 {
            return Price::ZERO;
        }
        let average = (self.notional + cumulated / 2) / cumulated;
        Price(i64::try_from(average).unwrap_or(i64::MAX))
    }
}

/// Ends of a session's list of open orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
struct Ends {
    first: u32,
    last: u32,
}

/// Both slabs and the lists.
#[derive(Clone, Debug, Hash)]
pub(super) struct OrderTable {
    requests: Vec<Request>,
    orders: Vec<Order>,
    lists: Vec<Ends>,
    requests_max: usize,
    epoch: u16,
    open: usize,
}

impl OrderTable {
    /// Room for `requests_max`. Every request may be a new order.
    pub fn new(requests_max: usize, sessions: usize, epoch: u16) -> Self {
        assert!(requests_max <= crate::limits::REQUESTS_MAX);
        let ends = Ends {
            first: NONE,
            last: NONE,
        };
        Self {
            requests: Vec::with_capacity(requests_max),
            orders: Vec::with_capacity(requests_max),
            lists: vec![ends; sessions],
            requests_max,
            epoch,
            open: 0,
        }
    }

    /// Adds requests, orders and lists.
    pub fn save(&self, saver: &mut Saver) {
        saver.put(&(self.epoch, self.open, &self.lists));
        saver.rows(self.requests.iter());
        saver.rows(self.orders.iter());
    }

    /// What [`OrderTable::save`] added, into a table of which nothing is used yet.
    pub fn load(&mut self, saved: &mut Saved) -> Option<()> {
        let sessions = self.lists.len();
        (self.epoch, self.open, self.lists) = saved.take()?;
        saved.rows(self.requests_max, |row| self.requests.push(row))?;
        saved.rows(self.requests_max, |row| self.orders.push(row))?;
        (self.lists.len() == sessions).then_some(())
    }

    /// Start number of the process that gives the next ids.
    pub fn set_epoch(&mut self, epoch: u16) {
        self.epoch = epoch;
    }

    /// All requests, by slot.
    #[inline]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// All orders, oldest first.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    #[inline]
    pub fn request(&self, slot: u32) -> &Request {
        &self.requests[slot as usize]
    }

    #[inline]
    pub fn request_mut(&mut self, slot: u32) -> &mut Request {
        &mut self.requests[slot as usize]
    }

    #[inline]
    pub fn order(&self, order: u32) -> &Order {
        &self.orders[order as usize]
    }

    #[inline]
    pub fn order_mut(&mut self, order: u32) -> &mut Order {
        &mut self.orders[order as usize]
    }

    /// Slot of a request of this or an earlier start; `None` for strangers.
    #[inline]
    pub fn find(&self, id: OrderId) -> Option<u32> {
        let slot = id.slot();
        let request = self.requests.get(slot as usize)?;
        (request.id == id).then_some(slot)
    }

    /// Kind of the request under way.
    #[inline]
    pub fn pending_kind(&self, order: &Order) -> Option<RequestKind> {
        (order.pending != NONE).then(|| self.requests[order.pending as usize].kind)
    }

    /// Requests that the day has room for.
    pub fn requests_max(&self) -> usize {
        self.requests_max
    }

    /// Requests that are left.
    #[inline]
    pub fn free(&self) -> usize {
        self.requests_max - self.requests.len()
    }

    /// Open orders.
    #[inline]
    pub fn open(&self) -> usize {
        self.open
    }

    /// Whether a new order or replace may have a slot: below the watermark, and one is left for a cancel of every open order.
    #[inline]
    pub fn has_room_for_order(&self) -> bool {
        let free = self.free();
        free > self.requests_max / 10 && free > self.open + 1
    }

    /// Whether a client's cancel, or one of the gateway's own that is not the order's first, may have a slot: one is left for the
    /// gateway's own cancel of every open order.
    #[inline]
    pub fn has_room_for_cancel(&self) -> bool {
        self.free() > self.open
    }

    /// Gives a request its slot and id; `None` where the day's capacity is used up.
    #[inline]
    pub fn add_request(
        &mut self,
        kind: RequestKind,
        session: SessionIndex,
        order: u32,
        client_order_id: ClientOrderId,
    ) -> Option<u32> {
        if self.requests.len() == self.requests_max {
            return None;
        }
        let slot = self.requests.len() as u32;
        self.requests.push(Request {
            id: OrderId::new(self.epoch, FIRST_GENERATION, slot),
            client_order_id,
            session,
            order,
            kind,
            state: RequestState::Sent,
        });
        Some(slot)
    }

    /// Gives the slot of a cancel that never left to the next one of its order, under a new id.
    pub fn reuse_request(&mut self, slot: u32, client_order_id: ClientOrderId) {
        let request = &mut self.requests[slot as usize];
        let generation = request.id.generation() % OrderId::GENERATION_MAX + FIRST_GENERATION;
        request.id = OrderId::new(self.epoch, generation, slot);
        request.client_order_id = client_order_id;
        request.state = RequestState::Sent;
    }

    /// Index that the next order will have.
    #[inline]
    pub fn next_order(&self) -> u32 {
        self.orders.len() as u32
    }

    /// Adds an order and lists it as open. There are never more orders than requests.
    #[inline]
    pub fn add_order(&mut self, order: Order) {
        let at = self.next_order();
        debug_assert!(self.orders.len() < self.requests_max);
        self.orders.push(order);
        self.link(at);
    }

    /// First open order of a session, or `NONE`.
    pub fn first_open(&self, session: SessionIndex) -> u32 {
        self.lists[session.get()].first
    }

    /// The open order after this one, or `NONE`.
    pub fn next_open(&self, order: u32) -> u32 {
        self.orders[order as usize].next
    }

    /// Appends an order to its session's list.
    #[inline]
    pub fn link(&mut self, at: u32) {
        let session = self.orders[at as usize].session.get();
        let last = self.lists[session].last;
        let order = &mut self.orders[at as usize];
        order.previous = last;
        order.next = NONE;
        match last {
            NONE => self.lists[session].first = at,
            _ => self.orders[last as usize].next = at,
        }
        self.lists[session].last = at;
        self.open += 1;
    }

    /// Takes an order out of its session's list; returns the one that followed.
    #[inline]
    pub fn unlink(&mut self, at: u32) -> u32 {
        let Order {
            session,
            next,
            previous,
            ..
        } = self.orders[at as usize];
        match previous {
            NONE => self.lists[session.get()].first = next,
            _ => self.orders[previous as usize].next = next,
        }
        match next {
            NONE => self.lists[session.get()].last = previous,
            _ => self.orders[next as usize].previous = previous,
        }
        self.open -= 1;
        next
    }
}

impl Order {
    /// An order of which nothing is known yet.
    pub fn blank() -> Self {
        Self {
            id: OrderId::NONE,
            live: NONE,
            pending: NONE,
            session: SessionIndex::default(),
            account: AccountIndex::default(),
            instrument: InstrumentIndex::default(),
            position: NONE,
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Day,
            done: None,
            ended: None,
            acked: false,
            pending_told: false,
            cancel_wanted: false,
            queued: false,
            recancelled: false,
            price: Price::ZERO,
            reserve_price: Price::ZERO,
            quantity: Quantity::ZERO,
            cumulated: Quantity::ZERO,
            cancelled: Quantity::ZERO,
            notional: 0,
            reserved_cash: Money::ZERO,
            reserved_quantity: Quantity::ZERO,
            replacement: Replacement::default(),
            next: NONE,
            previous: NONE,
            next_wanted: NONE,
            short_of_room: false,
            next_short: NONE,
            spare: NONE,
            own_cancel_used: false,
        }
    }
}
