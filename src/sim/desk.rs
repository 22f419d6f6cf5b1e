//! The simulated desk's book of orders: what it is asked, what it answers, on which link, and when.
//!
//! ```text
//! request -> ledger -> script of the instrument -> (delay) -> handled: book, timers, reports -> link
//! ```
//!
//! Sans-IO: time is given, outputs are appended to the caller's list. All links serve the same book. A report goes to the link of
//! the order's last request; where that is down to the first that is up; where none is up it is held until one is. One seed and the
//! same inputs give the same outputs. Owned by one thread; cold code, yet good for 100,000 orders a second.
//! This file has the way in, new orders and the way out; `desk_change` has cancels, replaces, questions, timers and commands.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::domain::report::DeskExec;
use crate::domain::{
    ClientOrderId, DeskText, Now, OrderStatus, OrderType, Price, Quantity, Text, TimeInForce,
};
use crate::limits::{SIM_DESK_HELD_MAX, SIM_DESK_ORDERS_MAX};
use crate::sim::behaviour::{Action, Behaviours, Script, Wait};
use crate::sim::desk_ledger::{DeskLedger, Fill, FillState};
use crate::sim::desk_message::{DeskMessage, DeskOutput, Report, Request, RequestKind};
use crate::sim::desk_order::{Order, report_without_order};
use crate::sim::matching::{Incoming, MatchingEngine, Outcome, Trade};
use crate::sim::random::Random;

/// Price of a market order's fill where nothing has traded yet.
const REFERENCE_PRICE: Price = Price(10 * crate::domain::price::SCALE);

/// Faults planted to see whether those who compare ledgers find them. Counted over new orders, from one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlantedFaults {
    /// This order is ignored and forgotten: it looks lost.
    pub drop_order: Option<u64>,
    /// This order is counted twice: it looks sent twice.
    pub double_order: Option<u64>,
}

/// Settings of the book.
#[derive(Clone, Debug, Default)]
pub struct DeskConfig {
    /// How many links it has.
    pub links: usize,
    /// What it does with orders.
    pub behaviours: Behaviours,
    /// Of everything drawn.
    pub seed: u64,
    /// For tests of those who compare.
    pub faults: PlantedFaults,
}

/// Work for later, and for when.
#[derive(Clone, Debug)]
pub(super) enum Later {
    /// A delayed request.
    Handle {
        link: usize,
        request: Request,
        script: Script,
    },
    /// The next piece of a partially filled order.
    Piece { order: u32, pieces_left: u32 },
    /// The fill after a cancel.
    LateFill { order: u32, quantity: Quantity },
    /// An end that nobody asked for.
    End { order: u32, status: OrderStatus },
    /// The desk changes the order.
    Restate { order: u32 },
    /// A trade never was.
    TradeCancel { exec_id: u64 },
    /// A trade was another.
    TradeCorrect { exec_id: u64 },
    /// The next part of a mass answer or a mass cancel.
    Mass {
        link: usize,
        request: Request,
        orders: Vec<u32>,
        at: usize,
    },
}

/// The book. See the file's header.
#[derive(Debug)]
pub struct DeskBook {
    pub(super) behaviours: Behaviours,
    pub(super) random: Random,
    faults: PlantedFaults,
    new_orders_seen: u64,
    pub(super) engine: MatchingEngine,
    pub(super) books: HashMap<Text<23>, u32>,
    /// By number - 1.
    pub(super) orders: Vec<Order>,
    /// Every ClOrdID taken, and the order that it is about.
    pub(super) by_id: HashMap<ClientOrderId, u32>,
    pub(super) next_exec_id: u64,
    pub(super) trades: Vec<Trade>,
    pub(super) later: BTreeMap<(u64, u64), Later>,
    later_count: u64,
    /// Delayed requests of an instrument are handled in the order in which they came.
    not_before_ns: HashMap<Text<23>, u64>,
    links_up: Vec<bool>,
    held: VecDeque<DeskMessage>,
    held_lost: u64,
    pub(super) ledger: DeskLedger,
}

impl DeskBook {
    /// An empty book; all links are down.
    pub fn new(config: DeskConfig) -> Self {
        Self {
            behaviours: config.behaviours,
            random: Random::new(config.seed),
            faults: config.faults,
            new_orders_seen: 0,
            engine: MatchingEngine::new(SIM_DESK_ORDERS_MAX),
            books: HashMap::new(),
            orders: Vec::new(),
            by_id: HashMap::new(),
            next_exec_id: 1,
            trades: Vec::new(),
            later: BTreeMap::new(),
            later_count: 0,
            not_before_ns: HashMap::new(),
            links_up: vec![false; config.links],
            held: VecDeque::new(),
            held_lost: 0,
            ledger: DeskLedger::default(),
        }
    }

    /// What came and what was filled.
    pub fn ledger(&self) -> &DeskLedger {
        &self.ledger
    }

    /// All orders that it took, by number.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// Orders that can still trade.
    pub fn open_orders(&self) -> usize {
        self.orders
            .iter()
            .filter(|o| !o.status.is_final() && o.status != OrderStatus::PendingNew)
            .count()
    }

    /// ClOrdIDs of the orders that can still trade, oldest first.
    pub fn orders_open(&self) -> Vec<ClientOrderId> {
        let open = |o: &&Order| !o.status.is_final() && o.status != OrderStatus::PendingNew;
        let open = self.orders.iter().filter(open);
        open.map(|order| order.client_order_id).collect()
    }

    /// The order that has or had this ClOrdID.
    pub fn order_of(&self, id: &ClientOrderId) -> Option<&Order> {
        self.order_by_id(id)
    }

    /// Reports that wait for a link, and those that found no place to wait.
    pub fn held(&self) -> (usize, u64) {
        (self.held.len(), self.held_lost)
    }

    /// A link's session stands, or is gone. What was held goes out on the first that comes up.
    pub fn on_link(&mut self, link: usize, up: bool, out: &mut Vec<DeskOutput>) {
        self.links_up[link] = up;
        if up {
            out.extend(
                self.held
                    .drain(..)
                    .map(|message| DeskOutput::Send { link, message }),
            );
        }
    }

    /// A request came in on a link.
    pub fn on_request(
        &mut self,
        now: Now,
        link: usize,
        request: &Request,
        out: &mut Vec<DeskOutput>,
    ) {
        if request.kind == RequestKind::New {
            self.new_orders_seen += 1;
            let nth = Some(self.new_orders_seen);
            if nth == self.faults.drop_order {
                return;
            }
            if nth == self.faults.double_order {
                self.ledger
                    .receive(request.client_order_id, request.kind, link);
            }
        }
        self.ledger
            .receive(request.client_order_id, request.kind, link);
        let script = self.script_for(request);
        if script.disconnect && request.kind == RequestKind::New {
            self.links_up[link] = false;
            out.push(DeskOutput::Disconnect { link });
        }
        let due_ns = self.due_ns(now, request, script.delay);
        if due_ns > now.mono_ns {
            let request = *request;
            self.schedule(
                due_ns,
                Later::Handle {
                    link,
                    request,
                    script,
                },
            );
        } else {
            self.handle(now, link, request, script, out);
        }
    }

    /// When the next timer is due, monotonic.
    pub fn next_due_ns(&self) -> Option<u64> {
        self.later.first_key_value().map(|(&(due_ns, _), _)| due_ns)
    }

    /// Does what is due, at most `limit` things; returns how many.
    pub fn on_timers(&mut self, now: Now, limit: usize, out: &mut Vec<DeskOutput>) -> usize {
        for done in 0..limit {
            if self.next_due_ns().is_none_or(|due_ns| due_ns > now.mono_ns) {
                return done;
            }
            if let Some((_, later)) = self.later.pop_first() {
                self.do_later(now, later, out);
            }
        }
        limit
    }

    /// New orders draw a script; what is asked about an order has the order's.
    fn script_for(&mut self, request: &Request) -> Script {
        let about = match request.kind {
            RequestKind::New => return self.behaviours.choose(&request.symbol, &mut self.random),
            RequestKind::Cancel | RequestKind::Replace => request.original,
            RequestKind::Status => request.client_order_id,
            RequestKind::MassStatus | RequestKind::MassCancel => return Script::default(),
        };
        self.order_by_id(&about)
            .map_or_else(Script::default, |order| order.script)
    }

    fn due_ns(&mut self, now: Now, request: &Request, delay: Wait) -> u64 {
        let wait_ns = delay.draw(&mut self.random);
        let after_ns = self
            .not_before_ns
            .get(&request.symbol)
            .copied()
            .unwrap_or(0);
        let due_ns = (now.mono_ns + wait_ns).max(after_ns);
        if wait_ns > 0 {
            self.not_before_ns.insert(request.symbol, due_ns);
        }
        due_ns
    }

    pub(super) fn schedule(&mut self, due_ns: u64, later: Later) {
        self.later_count += 1;
        self.later.insert((due_ns, self.later_count), later);
    }

    pub(super) fn schedule_after(&mut self, now: Now, wait: Wait, later: Later) {
        let due_ns = now.mono_ns + wait.draw(&mut self.random);
        self.schedule(due_ns, later);
    }

    pub(super) fn handle(
        &mut self,
        now: Now,
        link: usize,
        request: &Request,
        script: Script,
        out: &mut Vec<DeskOutput>,
    ) {
        match request.kind {
            RequestKind::New => self.on_new(now, link, request, script, out),
            RequestKind::Cancel => self.on_cancel(now, link, request, out),
            RequestKind::Replace => self.on_replace(now, link, request, out),
            RequestKind::Status => self.on_status(link, request, out),
            RequestKind::MassStatus | RequestKind::MassCancel => {
                self.on_mass(now, link, request, out)
            }
        }
    }

    fn on_new(
        &mut self,
        now: Now,
        link: usize,
        request: &Request,
        script: Script,
        out: &mut Vec<DeskOutput>,
    ) {
        let known = self.by_id.get(&request.client_order_id).copied();
        if let (Some(number), true) = (known, request.possible_resend) {
            let report = self.order(number).report(DeskExec::Status, 0);
            return self.send(link, DeskMessage::Report(report), out);
        }
        if let Some((reason, text)) = self.refusal(request, known.is_some()) {
            return self.refuse(link, request, reason, text, out);
        }
        let book = self.book_of(&request.symbol);
        let number = self.orders.len() as u32 + 1;
        self.orders
            .push(Order::new(number, book, link, request, script));
        self.by_id.insert(request.client_order_id, number);
        match script.action {
            Action::Silence | Action::Unknown => return,
            Action::Reject => {
                self.order_mut(number).status = OrderStatus::Rejected;
                let mut report = self.next_report(number, DeskExec::Rejected);
                report.text = Text::cut(b"Rejected as scripted");
                return self.send_report(number, report, out);
            }
            _ => {}
        }
        if script.pending {
            self.tell(number, DeskExec::PendingNew, out);
        }
        self.order_mut(number).status = OrderStatus::New;
        self.tell(number, DeskExec::New, out);
        self.begin(now, number, script.action, out);
    }

    /// After the acknowledgement: into the book, or what the script says.
    fn begin(&mut self, now: Now, number: u32, action: Action, out: &mut Vec<DeskOutput>) {
        let order = number;
        let (later, wait) = match action {
            Action::Accept | Action::TooLate => return self.match_order(number, out),
            Action::Fill => {
                self.fill_all(number, out);
                return;
            }
            Action::Partial { pieces, every } => {
                let pieces_left = pieces;
                (Later::Piece { order, pieces_left }, every)
            }
            Action::TradeCancel(wait) => {
                let exec_id = self.fill_all(number, out);
                (Later::TradeCancel { exec_id }, wait)
            }
            Action::TradeCorrect(wait) => {
                let exec_id = self.fill_all(number, out);
                (Later::TradeCorrect { exec_id }, wait)
            }
            Action::CancelBack(wait) => {
                let status = OrderStatus::Cancelled;
                self.match_order(number, out);
                (Later::End { order, status }, wait)
            }
            Action::Expire(wait) => {
                let status = OrderStatus::Expired;
                self.match_order(number, out);
                (Later::End { order, status }, wait)
            }
            Action::DoneForDay(wait) => {
                let status = OrderStatus::DoneForDay;
                self.match_order(number, out);
                (Later::End { order, status }, wait)
            }
            Action::Restate(wait) => {
                self.match_order(number, out);
                (Later::Restate { order }, wait)
            }
            Action::LateFill(_) | Action::Reject | Action::Silence | Action::Unknown => return,
        };
        self.schedule_after(now, wait, later);
    }

    fn refusal(&self, request: &Request, known: bool) -> Option<(u16, &'static str)> {
        if known {
            return Some((6, "Duplicate ClOrdID"));
        }
        if self.orders.len() >= SIM_DESK_ORDERS_MAX {
            return Some((0, "The desk is full"));
        }
        if request.quantity.is_zero() {
            return Some((13, "OrderQty is zero"));
        }
        let priced = request.order_type == OrderType::Limit;
        if priced && request.price <= Price::ZERO {
            return Some((99, "A limit order needs a Price"));
        }
        None
    }

    fn refuse(
        &mut self,
        link: usize,
        request: &Request,
        reason: u16,
        text: &str,
        out: &mut Vec<DeskOutput>,
    ) {
        let mut report = report_without_order(request, DeskExec::Rejected, self.next_exec_id);
        self.next_exec_id += 1;
        report.reject_reason = reason;
        report.text = DeskText::cut(text.as_bytes());
        self.send(link, DeskMessage::Report(report), out);
    }

    pub(super) fn book_of(&mut self, symbol: &Text<23>) -> u32 {
        if let Some(&book) = self.books.get(symbol) {
            return book;
        }
        let book = self.engine.add_book();
        self.books.insert(*symbol, book);
        book
    }

    fn match_order(&mut self, number: u32, out: &mut Vec<DeskOutput>) {
        let order = self.order(number);
        let incoming = Incoming {
            order: number,
            book: order.book,
            side: order.side,
            order_type: order.order_type,
            price: order.price,
            quantity: order.leaves(),
            time_in_force: order.time_in_force,
        };
        let mut trades = std::mem::take(&mut self.trades);
        let outcome = self.engine.submit(incoming, &mut trades);
        self.trades = trades;
        self.apply_outcome(number, outcome, out);
    }

    /// Reports the trades in `self.trades`, then what became of the order that came.
    pub(super) fn apply_outcome(
        &mut self,
        number: u32,
        outcome: Outcome,
        out: &mut Vec<DeskOutput>,
    ) {
        let mut trades = std::mem::take(&mut self.trades);
        for trade in trades.drain(..) {
            self.fill(trade.incoming, trade.quantity, trade.price, out);
            self.fill(trade.resting, trade.quantity, trade.price, out);
            // Not where nothing is left of the order: a trade that was taken back is not in the book again.
            if trade.is_last {
                self.order_mut(trade.resting).place = None;
            }
        }
        self.trades = trades;
        match outcome {
            Outcome::Filled => self.order_mut(number).place = None,
            Outcome::Resting(place) => self.order_mut(number).place = Some(place),
            Outcome::Cancelled(_) => {
                let order = self.order_mut(number);
                order.place = None;
                order.status = OrderStatus::Cancelled;
                let text = match (order.order_type, order.time_in_force) {
                    (_, TimeInForce::FillOrKill) => "Fill or kill: could not be filled",
                    (_, TimeInForce::ImmediateOrCancel) => "Immediate or cancel: the rest",
                    (OrderType::Market, _) => "Market: nothing more to trade with",
                    _ => "The book is full",
                };
                let mut report = self.next_report(number, DeskExec::Cancelled);
                report.text = DeskText::cut(text.as_bytes());
                self.send_report(number, report, out);
            }
        }
    }

    /// Fills what is left; returns the ExecID.
    fn fill_all(&mut self, number: u32, out: &mut Vec<DeskOutput>) -> u64 {
        let leaves = self.order(number).leaves();
        self.fill(number, leaves, self.price_of(number), out)
    }

    /// At its limit, or for market orders at the last price.
    pub(super) fn price_of(&self, number: u32) -> Price {
        let order = self.order(number);
        match order.order_type {
            OrderType::Limit => order.price,
            OrderType::Market => self
                .engine
                .last_price(order.book)
                .unwrap_or(REFERENCE_PRICE),
        }
    }

    /// Books a fill and reports it; returns the ExecID.
    pub(super) fn fill(
        &mut self,
        number: u32,
        quantity: Quantity,
        price: Price,
        out: &mut Vec<DeskOutput>,
    ) -> u64 {
        let exec_id = self.next_exec_id;
        let order = self.order_mut(number);
        order.fill(quantity, price);
        let fill = Fill {
            exec_id,
            order: number,
            client_order_id: order.client_order_id,
            symbol: order.symbol,
            side: order.side,
            quantity,
            price,
            state: FillState::Good,
        };
        self.ledger.fill(fill);
        self.tell(number, DeskExec::Trade { quantity, price }, out);
        exec_id
    }

    /// Reports an order as it is now, under a new ExecID.
    pub(super) fn tell(&mut self, number: u32, exec: DeskExec, out: &mut Vec<DeskOutput>) {
        let report = self.next_report(number, exec);
        self.send_report(number, report, out);
    }

    /// A report of an order as it is now, with an ExecID of its own.
    pub(super) fn next_report(&mut self, number: u32, exec: DeskExec) -> Report {
        let exec_id = self.next_exec_id;
        self.next_exec_id += 1;
        self.order(number).report(exec, exec_id)
    }

    /// To the order's link; twice where the script says so.
    pub(super) fn send_report(&mut self, number: u32, report: Report, out: &mut Vec<DeskOutput>) {
        let order = self.order(number);
        let (link, twice) = (order.link, order.script.duplicate);
        self.send(link, DeskMessage::Report(report), out);
        if twice {
            self.send(link, DeskMessage::Report(report), out);
        }
    }

    /// To `link` or the first that is up, or held until one is.
    pub(super) fn send(&mut self, link: usize, message: DeskMessage, out: &mut Vec<DeskOutput>) {
        let link = if self.links_up[link] {
            Some(link)
        } else {
            self.links_up.iter().position(|&up| up)
        };
        match link {
            Some(link) => out.push(DeskOutput::Send { link, message }),
            None if self.held.len() < SIM_DESK_HELD_MAX => self.held.push_back(message),
            None => self.held_lost += 1,
        }
    }

    /// Marks a link as down and has its connection dropped.
    pub(super) fn drop_link(&mut self, link: usize, out: &mut Vec<DeskOutput>) -> bool {
        if link >= self.links_up.len() {
            return false;
        }
        self.links_up[link] = false;
        out.push(DeskOutput::Disconnect { link });
        true
    }

    pub(super) fn order(&self, number: u32) -> &Order {
        &self.orders[number as usize - 1]
    }

    pub(super) fn order_mut(&mut self, number: u32) -> &mut Order {
        &mut self.orders[number as usize - 1]
    }

    pub(super) fn order_by_id(&self, id: &ClientOrderId) -> Option<&Order> {
        self.by_id.get(id).map(|&number| self.order(number))
    }
}
