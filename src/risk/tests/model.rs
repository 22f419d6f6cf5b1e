//! The risk state against a naive model: every reserve is summed anew, every rule is written the slow way, and both must agree
//! on each decision, each number and each status after any sequence of inputs.

use super::*;
use crate::domain::order::MassCancelRequest;
use crate::domain::order::MassScope;
use crate::domain::report::ClientExec;
use RejectReason as R;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    New {
        who: (u32, u32, u32),
        sell: bool,
        market: bool,
        cents: i64,
        quantity: u64,
        reuse: Option<usize>,
        facts: (bool, bool, bool),
    },
    Cancel(usize),
    Replace(usize, i64, u64),
    Ack(usize),
    Fill(usize, u64, i64),
    Bust(usize, usize, bool),
    Correct(usize, usize, u64, i64),
    CancelledByDesk(usize),
    Expire(usize),
    RejectNew(usize),
    Refuse(usize),
    Doubt(usize),
    Answer(usize, bool),
    Again,
    Stop(u8, u8, u32),
    MassCancel(u32),
    Work(u8),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Pending {
    Cancel {
        own: bool,
    },
    Replace {
        market: bool,
        price: i64,
        quantity: i128,
    },
}

struct Row {
    session: u32,
    account: usize,
    instrument: usize,
    sell: bool,
    market: bool,
    price: i64,
    quantity: i128,
    done: Option<OrderStatus>,
    acked: bool,
    name: ClientOrderId,
    first: OrderId,
    live: OrderId,
    pending: Option<(Pending, OrderId, ClientOrderId)>,
    fills: Vec<(ExecId, i128, i64)>,
    wanted: bool,
    own_refused: bool,
}

impl Row {
    fn cumulated(&self) -> i128 {
        self.fills.iter().map(|f| f.1).sum()
    }

    fn leaves(&self) -> i128 {
        match self.done {
            None => (self.quantity - self.cumulated()).max(0),
            Some(_) => 0,
        }
    }

    fn status(&self) -> OrderStatus {
        match self.done {
            Some(status) => status,
            None if self.cumulated() > 0 => OrderStatus::PartiallyFilled,
            None if self.acked => OrderStatus::New,
            None => OrderStatus::PendingNew,
        }
    }
}

struct Model {
    bench: Bench,
    setup: Setup,
    rows: Vec<Row>,
    used: Vec<(u32, ClientOrderId)>,
    stops: Vec<(u8, Scope)>,
    names: u32,
    last_report: Option<DeskReport>,
}

fn setup() -> Setup {
    let mut setup = Setup::default();
    setup.accounts[0].cash = money(30_000);
    setup.accounts[0].open_orders_max = 6;
    setup.accounts[1].cash = money(8_000);
    setup.accounts[1].order_value_max = money(5_000);
    setup.instruments[1].lot = Quantity(10);
    setup.instruments[1].odd_lot_sell = true;
    setup.positions.push(Position {
        account: AccountIndex(1),
        instrument: InstrumentIndex(1),
        sellable: Quantity(300),
    });
    setup
}

fn scope_of(kind: u8, at: u32) -> Scope {
    match kind % 4 {
        0 => Scope::Firm,
        1 => Scope::Account(AccountIndex(at % 2)),
        2 => Scope::Session(SessionIndex(at % 2)),
        _ => Scope::Instrument(InstrumentIndex(at % 3)),
    }
}

fn covers(scope: Scope, session: u32, account: usize, instrument: usize) -> bool {
    match scope {
        Scope::Firm => true,
        Scope::Account(a) => a.get() == account,
        Scope::Session(s) => s.0 == session,
        Scope::Instrument(i) => i.get() == instrument,
    }
}

/// What is asked of a check, for new orders and replaces alike.
struct Asked {
    session: u32,
    account: usize,
    instrument: usize,
    sell: bool,
    market: bool,
    price: i64,
    quantity: i128,
    replaces: Option<usize>,
    duplicate: bool,
    facts: Facts,
}

impl Model {
    fn new(hash_seed: u64) -> Self {
        let setup = setup();
        Self {
            bench: setup.build_with_seed(hash_seed),
            setup,
            rows: Vec::new(),
            used: Vec::new(),
            stops: Vec::new(),
            names: 0,
            last_report: None,
        }
    }

    fn fresh(&mut self) -> ClientOrderId {
        self.names += 1;
        id(&format!("n{}", self.names))
    }

    fn value_price(&self, instrument: usize, market: bool, price: i64) -> i128 {
        let i = &self.setup.instruments[instrument];
        match (market, i.limit_up.0) {
            (false, _) => price as i128,
            (true, 0) => i.reference_price.0 as i128 * (10_000 + i.collar_bp as i128) / 10_000,
            (true, up) => up as i128,
        }
    }

    /// Cash and quantity that one order must reserve.
    fn reserve(&self, row: &Row) -> (i128, i128) {
        let unit = self.setup.instruments[row.instrument].unit as i128;
        let of = |market, price, rest: i128| match row.sell {
            true => (0, rest),
            false => (
                self.value_price(row.instrument, market, price) * rest * unit,
                0,
            ),
        };
        let now = of(row.market, row.price, row.leaves());
        let Some((
            Pending::Replace {
                market,
                price,
                quantity,
            },
            ..,
        )) = row.pending
        else {
            return now;
        };
        if !matches!(row.done, None | Some(OrderStatus::Filled)) {
            return now;
        }
        let then = of(market, price, (quantity - row.cumulated()).max(0));
        (now.0.max(then.0), now.1.max(then.1))
    }

    fn cash(&self, account: usize) -> i128 {
        let mut cash = self.setup.accounts[account].cash.0;
        for row in self.rows.iter().filter(|r| r.account == account) {
            let unit = self.setup.instruments[row.instrument].unit as i128;
            let sign = if row.sell { 1 } else { -1 };
            cash += row
                .fills
                .iter()
                .map(|f| sign * f.1 * f.2 as i128 * unit)
                .sum::<i128>();
        }
        cash
    }

    fn reserved_cash(&self, account: usize) -> i128 {
        let of_account = self.rows.iter().filter(|r| r.account == account);
        of_account.map(|r| self.reserve(r).0).sum()
    }

    fn sellable(&self, account: usize, instrument: usize) -> i128 {
        let mut sellable: i128 = self
            .setup
            .positions
            .iter()
            .filter(|p| p.account.get() == account && p.instrument.get() == instrument)
            .map(|p| p.sellable.0 as i128)
            .sum();
        for row in self
            .rows
            .iter()
            .filter(|r| r.account == account && r.instrument == instrument)
        {
            if row.sell {
                sellable -= row.cumulated() + self.reserve(row).1;
            } else if self.setup.instruments[instrument].same_day_sell {
                sellable += row.cumulated();
            }
        }
        sellable
    }

    fn open(&self, account: usize) -> usize {
        let of_account = self.rows.iter().filter(|r| r.account == account);
        of_account.filter(|r| r.done.is_none()).count()
    }

    /// Every reason against it, the slow way.
    fn reasons(&self, asked: &Asked) -> u64 {
        let mut reasons = 0u64;
        let mut unless = |good: bool, reason: R| {
            if !good {
                reasons |= 1 << reason as u64;
            }
        };
        let known_account = asked.account < 2;
        let known_instrument = asked.instrument < 3;
        unless(known_account, R::UnknownAccount);
        unless(known_instrument, R::UnknownInstrument);
        unless(asked.facts.entitled || !known_account, R::NotEntitled);
        let stopped = |kind: u8| {
            self.stops.iter().any(|&(k, scope)| {
                k == kind && covers(scope, asked.session, asked.account, asked.instrument)
            })
        };
        unless(!stopped(1), R::Killed);
        unless(!stopped(0), R::Blocked);
        unless(!asked.duplicate, R::DuplicateClientOrderId);
        unless(asked.facts.desk_ready, R::NoDesk);
        unless(!asked.facts.pressure, R::Pressure);
        if !known_instrument {
            unless(asked.market || asked.price > 0, R::Tick);
            return reasons;
        }
        let i = &self.setup.instruments[asked.instrument];
        let own = asked.replaces.map(|at| &self.rows[at]);
        let rest = asked.quantity - own.map_or(0, Row::cumulated);
        let sellable = match known_account {
            true => {
                self.sellable(asked.account, asked.instrument)
                    + own.map_or(0, |row| self.reserve(row).1)
            }
            false => i64::MAX as i128,
        };
        let (lot, min) = (i.lot.0 as i128, i.quantity_min.0 as i128);
        let odd = sellable.max(0) % lot;
        let whole_odd = asked.sell && odd > 0 && rest <= sellable && (sellable - rest) % lot == 0;
        let free = asked.sell && i.odd_lot_sell;
        let clears = asked.sell && rest == sellable;
        let small = asked.quantity < min;
        unless(
            !small || (asked.quantity > 0 && (free || clears || whole_odd)),
            R::QuantityTooSmall,
        );
        unless(
            asked.quantity <= i.quantity_max.0 as i128,
            R::QuantityTooLarge,
        );
        unless(asked.quantity % lot == 0 || free || whole_odd, R::Lot);
        if asked.market {
            unless(i.market_orders, R::UnsupportedOrder);
            let valued = self.value_price(asked.instrument, true, 0);
            unless(valued > 0, R::NoReferencePrice);
        } else {
            unless(asked.price > 0 && asked.price % i.tick.0 == 0, R::Tick);
            let low = asked.price >= i.limit_down.0;
            unless(
                low && (i.limit_up.0 == 0 || asked.price <= i.limit_up.0),
                R::PriceLimit,
            );
            let reference = i.reference_price.0 as i128;
            let bp = i.collar_bp as i128;
            unless(bp == 0 || reference > 0, R::NoReferencePrice);
            let distance = (asked.price as i128 - reference).abs();
            let near = bp == 0 || reference == 0 || distance * 10_000 <= reference * bp;
            unless(near, R::PriceCollar);
        }
        let per_unit =
            self.value_price(asked.instrument, asked.market, asked.price) * i.unit as i128;
        if known_account {
            let account = &self.setup.accounts[asked.account];
            let max = account.order_value_max.0;
            unless(
                max == 0 || per_unit * asked.quantity <= max,
                R::ValueTooLarge,
            );
            let limit = account.open_orders_max as usize;
            let fits = own.is_some() || limit == 0 || self.open(asked.account) < limit;
            unless(fits, R::OpenOrders);
            let more = per_unit * rest - own.map_or(0, |row| self.reserve(row).0);
            let power = self.cash(asked.account) - self.reserved_cash(asked.account);
            unless(asked.sell || more <= 0 || more <= power, R::BuyingPower);
        }
        unless(!asked.sell || rest <= sellable, R::SellableQuantity);
        reasons
    }

    fn first_of(reasons: u64) -> R {
        let row = CHECKS.iter().find(|c| reasons >> c.reason as u64 & 1 == 1);
        row.unwrap().reason
    }

    fn pick(&self, n: usize) -> Option<usize> {
        (!self.rows.is_empty()).then(|| n % self.rows.len())
    }

    fn send(&mut self, report: DeskReport) {
        self.bench.report(report);
        self.last_report = Some(DeskReport {
            exec_id: self.bench.last_exec_id(),
            ..report
        });
    }

    /// The report that the client got says what the model says.
    fn assert_told(&self, at: usize, exec: ClientExec) {
        let told = self.bench.told();
        let row = &self.rows[at];
        assert_eq!((told.exec, told.status), (exec, row.status()));
        assert_eq!(told.order_id, row.first);
        assert_eq!(told.cumulated.0 as i128, row.cumulated());
        assert_eq!(told.leaves.0 as i128, row.leaves());
        assert_eq!(told.quantity.0 as i128, row.quantity);
        let sum: i128 = row.fills.iter().map(|f| f.1 * f.2 as i128).sum();
        let average = match row.cumulated() {
            0 => 0,
            n => (2 * sum + n) / (2 * n),
        };
        assert_eq!(told.average_price.0 as i128, average);
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::New {
                who,
                sell,
                market,
                cents,
                quantity,
                reuse,
                facts,
            } => {
                let facts = Facts {
                    entitled: facts.0,
                    pressure: facts.1,
                    desk_ready: facts.2,
                };
                self.new_order(who, sell, market, cents, quantity, reuse, facts);
            }
            Op::Replace(n, cents, quantity) => self.replace(n, cents, quantity),
            Op::Cancel(n) => self.cancel(n),
            Op::Stop(action, kind, at) => self.stop(action, scope_of(kind, at)),
            Op::MassCancel(session) => {
                let name = self.fresh();
                let open = self
                    .rows
                    .iter()
                    .filter(|r| r.session == session && r.done.is_none());
                let open = open.count();
                let request = ClientRequest::MassCancel(MassCancelRequest {
                    client_order_id: name,
                    scope: MassScope::All,
                    side: None,
                });
                self.bench.client(session, request, GOOD);
                match self.bench.out.to_client.as_slice() {
                    [
                        ToClient {
                            output: ClientOutput::MassCancel(report),
                            ..
                        },
                    ] => {
                        assert_eq!(report.affected as usize, open)
                    }
                    other => panic!("{other:?}"),
                }
                self.want(Scope::Session(SessionIndex(session)));
            }
            Op::Work(steps) => (0..steps).for_each(|_| self.work()),
            Op::Again => {
                if let Some(report) = self.last_report {
                    self.bench.desk(DeskInput::Report(report));
                    assert!(self.bench.told_nothing());
                }
            }
            _ => self.desk_op(op),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn new_order(
        &mut self,
        (session, account, instrument): (u32, u32, u32),
        sell: bool,
        market: bool,
        cents: i64,
        quantity: u64,
        reuse: Option<usize>,
        facts: Facts,
    ) {
        let name = match reuse {
            Some(n) if !self.used.is_empty() => self.used[n % self.used.len()].1,
            _ => self.fresh(),
        };
        let price = if market { 0 } else { cents * SCALE / 100 };
        let asked = Asked {
            session,
            account: account as usize,
            instrument: instrument as usize,
            sell,
            market,
            price,
            quantity: quantity as i128,
            replaces: None,
            duplicate: self.used.contains(&(session, name)),
            facts,
        };
        let reasons = self.reasons(&asked);
        let new = NewOrder {
            client_order_id: name,
            account: AccountRef::Known(AccountIndex(account)),
            instrument: InstrumentRef::Known(InstrumentIndex(instrument)),
            side: if sell { Side::Sell } else { Side::Buy },
            order_type: if market {
                OrderType::Market
            } else {
                OrderType::Limit
            },
            time_in_force: TimeInForce::Day,
            price: Price(price),
            quantity: Quantity(quantity),
            possible_resend: false,
        };
        self.bench.client(session, ClientRequest::New(new), facts);
        if reasons != 0 {
            assert!(
                self.bench.out.to_desk.is_empty(),
                "passed against {reasons:b}: {new:?}"
            );
            assert_eq!(self.bench.risk.last_failures(), reasons, "{new:?}");
            assert_eq!(self.bench.told().reason, Self::first_of(reasons));
            return;
        }
        assert_eq!(
            self.bench.out.to_desk.as_slice().len(),
            1,
            "refused: {new:?}"
        );
        let id = self.bench.out.to_desk.as_slice()[0].id;
        self.used.push((session, name));
        self.rows.push(Row {
            session,
            account: account as usize,
            instrument: instrument as usize,
            sell,
            market,
            price,
            quantity: quantity as i128,
            done: None,
            acked: false,
            name,
            first: id,
            live: id,
            pending: None,
            fills: Vec::new(),
            wanted: false,
            own_refused: false,
        });
    }

    fn cancel(&mut self, n: usize) {
        let Some(at) = self.pick(n) else { return };
        let name = self.fresh();
        let row = &mut self.rows[at];
        let request = ClientRequest::Cancel(CancelRequest {
            client_order_id: name,
            orig_client_order_id: row.name,
            instrument: InstrumentRef::Known(InstrumentIndex(row.instrument as u32)),
            side: Side::Buy,
        });
        self.bench.client(row.session, request, GOOD);
        let reason = match (row.done, row.pending) {
            (Some(_), _) => R::TooLate,
            (None, Some(_)) => R::AlreadyPending,
            (None, None) => {
                let id = self.bench.out.to_desk.as_slice()[0].id;
                row.pending = Some((Pending::Cancel { own: false }, id, name));
                return self.used.push((row.session, name));
            }
        };
        assert_eq!(self.bench.told_cancel_reject().reason, reason);
    }

    fn replace(&mut self, n: usize, cents: i64, quantity: u64) {
        let Some(at) = self.pick(n) else { return };
        self.drain();
        let name = self.fresh();
        let row = &self.rows[at];
        let price = cents * SCALE / 100;
        let request = ClientRequest::Replace(ReplaceRequest {
            client_order_id: name,
            orig_client_order_id: row.name,
            instrument: InstrumentRef::Known(InstrumentIndex(row.instrument as u32)),
            side: if row.sell { Side::Sell } else { Side::Buy },
            order_type: OrderType::Limit,
            price: Price(price),
            quantity: Quantity(quantity),
        });
        let reasons = self.reasons(&Asked {
            session: row.session,
            account: row.account,
            instrument: row.instrument,
            sell: row.sell,
            market: false,
            price,
            quantity: quantity as i128,
            replaces: Some(at),
            duplicate: false,
            facts: GOOD,
        });
        let refusal = if row.done.is_some() {
            Some(R::TooLate)
        } else if row.pending.is_some() || row.wanted {
            Some(R::AlreadyPending)
        } else if (quantity as i128) < row.cumulated() {
            Some(R::BadReplace)
        } else if reasons != 0 {
            Some(Self::first_of(reasons))
        } else {
            None
        };
        self.bench.client(row.session, request, GOOD);
        match refusal {
            Some(reason) => {
                assert!(self.bench.out.to_desk.is_empty());
                assert_eq!(self.bench.told_cancel_reject().reason, reason);
            }
            None => {
                let id = self.bench.out.to_desk.as_slice()[0].id;
                let quantity = quantity as i128;
                let pending = Pending::Replace {
                    market: false,
                    price,
                    quantity,
                };
                self.used.push((row.session, name));
                self.rows[at].pending = Some((pending, id, name));
            }
        }
    }

    fn stop(&mut self, action: u8, scope: Scope) {
        let at = |kind, stops: &[(u8, Scope)]| stops.iter().position(|&s| s == (kind, scope));
        match action % 4 {
            0 => {
                self.bench.command(RiskCommand::Block(scope));
                self.stops.push((0, scope));
            }
            1 => {
                self.bench.command(RiskCommand::Kill(scope));
                self.stops.push((1, scope));
                self.want(scope);
            }
            2 => {
                self.bench.command(RiskCommand::Unblock(scope));
                while let Some(at) = at(0, &self.stops) {
                    self.stops.remove(at);
                }
            }
            _ => {
                self.bench.command(RiskCommand::Release(scope));
                while let Some(at) = at(1, &self.stops) {
                    self.stops.remove(at);
                }
            }
        }
    }

    fn want(&mut self, scope: Scope) {
        for row in &mut self.rows {
            row.wanted |= covers(scope, row.session, row.account, row.instrument);
        }
    }

    fn work(&mut self) {
        self.bench.out.clear();
        self.bench
            .risk
            .continue_work(self.bench.now, &mut self.bench.out);
        for to_desk in self.bench.out.to_desk.as_slice() {
            let crate::domain::order::DeskRequest::Cancel { original } = to_desk.request else {
                panic!("{to_desk:?}");
            };
            let row = self.rows.iter_mut().find(|r| r.live == original).unwrap();
            assert!(row.wanted && row.done.is_none() && row.pending.is_none());
            row.pending = Some((Pending::Cancel { own: true }, to_desk.id, id("")));
        }
    }

    fn drain(&mut self) {
        for _ in 0..1000 {
            if !self.bench.risk.has_work() {
                break;
            }
            self.work();
        }
        assert!(!self.bench.risk.has_work());
        for row in self.rows.iter().filter(|r| r.wanted && r.done.is_none()) {
            assert!(row.pending.is_some() || row.own_refused);
        }
    }

    fn desk_op(&mut self, op: &Op) {
        let (Op::Ack(n)
        | Op::Fill(n, ..)
        | Op::Bust(n, ..)
        | Op::Correct(n, ..)
        | Op::CancelledByDesk(n)
        | Op::Expire(n)
        | Op::RejectNew(n)
        | Op::Refuse(n)
        | Op::Doubt(n)
        | Op::Answer(n, _)) = *op
        else {
            return;
        };
        let Some(at) = self.pick(n) else { return };
        let (live, first) = (self.rows[at].live, self.rows[at].first);
        match *op {
            Op::Ack(_) => {
                self.send(report(live, DeskExec::New));
                self.rows[at].acked = true;
                self.assert_told(at, ClientExec::New);
            }
            Op::Fill(_, quantity, cents) => {
                let price = cents * SCALE / 100;
                self.send(report(first, fill(quantity, Price(price))));
                let exec_id = self.bench.last_exec_id();
                let row = &mut self.rows[at];
                row.fills.push((exec_id, quantity as i128, price));
                row.acked = true;
                if row.cumulated() >= row.quantity {
                    row.done = Some(OrderStatus::Filled);
                }
                self.assert_told(at, ClientExec::Trade);
            }
            Op::Bust(_, which, reopen) => self.undo(at, which, reopen, None),
            Op::Correct(_, which, quantity, cents) => {
                self.undo(at, which, false, Some((quantity, cents * SCALE / 100)));
            }
            Op::CancelledByDesk(_) => {
                self.send(report(live, DeskExec::Cancelled));
                self.ends(at, OrderStatus::Cancelled, ClientExec::Cancelled);
            }
            Op::Expire(_) => {
                self.send(report(live, DeskExec::Expired));
                self.ends(at, OrderStatus::Expired, ClientExec::Expired);
            }
            Op::RejectNew(_) => {
                self.send(report(first, DeskExec::Rejected));
                self.ends(at, OrderStatus::Rejected, ClientExec::Rejected);
            }
            Op::Refuse(_) => {
                let row = &self.rows[at];
                let known = row.acked || row.done.is_some() || !row.fills.is_empty();
                let untouched = row.cumulated() == 0 && !row.acked;
                self.bench.desk(DeskInput::Refused {
                    id: first,
                    reason: R::NotDelivered,
                    text: DeskText::EMPTY,
                });
                if known || !untouched {
                    assert!(self.bench.told_nothing());
                } else {
                    self.ends(at, OrderStatus::Rejected, ClientExec::Rejected);
                }
            }
            Op::Doubt(_) => {
                let before = self.bench.risk.counters().doubts;
                // Only of orders that are neither replaced nor cancelled by anyone: the rest is for the dialogues.
                if self.rows[at].pending.is_none() && live == first && self.rows[at].acked {
                    self.bench.desk(DeskInput::InDoubt { id: live });
                    assert!(self.bench.risk.counters().doubts <= before + 1);
                    self.send(report(live, DeskExec::New));
                }
            }
            Op::Answer(_, accept) => self.answer(at, accept),
            _ => {}
        }
    }

    fn ends(&mut self, at: usize, status: OrderStatus, exec: ClientExec) {
        let row = &mut self.rows[at];
        if row.done.is_some() {
            assert!(self.bench.told_nothing());
            return;
        }
        row.done = Some(status);
        if exec == ClientExec::Cancelled
            && matches!(row.pending, Some((Pending::Cancel { .. }, ..)))
        {
            row.pending = None;
        }
        self.assert_told(at, exec);
    }

    fn undo(&mut self, at: usize, which: usize, reopen: bool, corrected: Option<(u64, i64)>) {
        let row = &mut self.rows[at];
        if row.fills.is_empty() {
            return;
        }
        let which = which % row.fills.len();
        let (reference, old, _) = row.fills[which];
        let rest = row.quantity - row.cumulated() + old;
        let exec = match corrected {
            None => DeskExec::TradeCancel,
            Some((quantity, price)) => DeskExec::TradeCorrect {
                quantity: Quantity(quantity),
                price: Price(price),
            },
        };
        let reopens = reopen && rest > 0;
        let undo = DeskReport {
            exec_ref_id: reference,
            status: if reopens {
                OrderStatus::New
            } else {
                OrderStatus::Cancelled
            },
            leaves: Quantity(if reopens { rest as u64 } else { 0 }),
            ..report(row.live, exec)
        };
        self.send(undo);
        let exec_id = self.bench.last_exec_id();
        let row = &mut self.rows[at];
        row.fills.remove(which);
        if let Some((quantity, price)) = corrected {
            row.fills.push((exec_id, quantity as i128, price));
        }
        let filled = row.cumulated() >= row.quantity;
        row.done = match row.done {
            _ if filled => Some(OrderStatus::Filled),
            Some(OrderStatus::Filled) if reopens => None,
            Some(OrderStatus::Filled) => Some(OrderStatus::Cancelled),
            done => done,
        };
        let exec = match corrected {
            None => ClientExec::TradeCancel,
            Some(_) => ClientExec::TradeCorrect,
        };
        self.assert_told(at, exec);
    }

    fn answer(&mut self, at: usize, accept: bool) {
        let Some((pending, id, name)) = self.rows[at].pending else {
            return;
        };
        let (was_done, own) = (self.rows[at].done, pending == Pending::Cancel { own: true });
        if !accept {
            self.bench.cancel_reject(id, 2);
            self.rows[at].pending = None;
            self.rows[at].own_refused |= own;
            assert_eq!(self.bench.told_nothing(), own);
            return;
        }
        let Pending::Replace {
            market,
            price,
            quantity,
        } = pending
        else {
            self.send(report(id, DeskExec::Cancelled));
            return self.ends(at, OrderStatus::Cancelled, ClientExec::Cancelled);
        };
        self.send(report(id, DeskExec::Replaced));
        if !matches!(was_done, None | Some(OrderStatus::Filled)) {
            assert!(self.bench.told_nothing());
            return;
        }
        let row = &mut self.rows[at];
        row.pending = None;
        (row.market, row.price) = (market, price);
        row.quantity = quantity.max(row.cumulated());
        (row.live, row.name) = (id, name);
        row.acked = true;
        row.done = (row.cumulated() >= row.quantity).then_some(OrderStatus::Filled);
        self.assert_told(at, ClientExec::Replaced);
    }

    fn compare(&self) {
        for account in 0..2 {
            let index = AccountIndex(account as u32);
            let row = self.bench.risk.account(index).unwrap();
            assert_eq!(row.cash.0, self.cash(account), "cash of {account}");
            assert_eq!(
                row.reserved.0,
                self.reserved_cash(account),
                "reserve of {account}"
            );
            assert!(row.reserved.0 >= 0);
            assert_eq!(
                self.bench.risk.account_open_orders(index) as usize,
                self.open(account)
            );
            for instrument in 0..3 {
                let same_day = self.setup.instruments[instrument].same_day_sell;
                let sellable = self
                    .bench
                    .risk
                    .position(index, InstrumentIndex(instrument as u32))
                    .map_or(0, |p| p.sellable(same_day));
                assert_eq!(sellable as i128, self.sellable(account, instrument));
            }
        }
    }
}

fn run(ops: &[Op], hash_seed: u64) -> u64 {
    let mut model = Model::new(hash_seed);
    for op in ops {
        model.apply(op);
        model.compare();
    }
    model.drain();
    model.compare();
    model.bench.risk.state_hash()
}

fn cents() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 990i64..1011, 2 => 945i64..1056, 1 => 890i64..1111, 1 => Just(0)]
}

fn quantities() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (1u64..8).prop_map(|n| n * 100),
        2 => (0u64..30).prop_map(|n| n * 10),
        1 => prop_oneof![Just(32u64), Just(132), Just(532), Just(1_032), Just(10_001)],
        1 => 0u64..350,
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let at = || 0usize..64;
    let rarely = |bad: bool| prop_oneof![19 => Just(!bad), 1 => Just(bad)];
    let new = (
        (
            0u32..2,
            prop_oneof![12 => 0u32..2, 1 => Just(2u32)],
            prop_oneof![16 => 0u32..3, 1 => Just(3u32)],
        ),
        any::<bool>(),
        prop_oneof![4 => Just(false), 1 => Just(true)],
        cents(),
        quantities(),
        prop_oneof![8 => Just(None), 1 => at().prop_map(Some)],
        (rarely(false), rarely(true), rarely(false)),
    )
        .prop_map(
            |(who, sell, market, cents, quantity, reuse, facts)| Op::New {
                who,
                sell,
                market,
                cents,
                quantity,
                reuse,
                facts,
            },
        );
    prop_oneof![
        12 => new,
        3 => at().prop_map(Op::Cancel),
        5 => (at(), cents(), quantities()).prop_map(|(n, c, q)| Op::Replace(n, c, q)),
        3 => at().prop_map(Op::Ack),
        8 => (at(), 1u64..400, 900i64..1100).prop_map(|(n, q, c)| Op::Fill(n, q, c)),
        2 => (at(), at(), any::<bool>()).prop_map(|(n, w, r)| Op::Bust(n, w, r)),
        2 => (at(), at(), 1u64..400, 900i64..1100).prop_map(|(n, w, q, c)| Op::Correct(n, w, q, c)),
        1 => at().prop_map(Op::CancelledByDesk),
        1 => at().prop_map(Op::Expire),
        1 => at().prop_map(Op::RejectNew),
        1 => at().prop_map(Op::Refuse),
        1 => at().prop_map(Op::Doubt),
        6 => (at(), any::<bool>()).prop_map(|(n, a)| Op::Answer(n, a)),
        1 => Just(Op::Again),
        2 => (0u8..4, 0u8..4, 0u32..3).prop_map(|(a, k, i)| Op::Stop(a, k, i)),
        1 => (0u32..2).prop_map(Op::MassCancel),
        3 => (1u8..4).prop_map(Op::Work),
    ]
}

proptest! {
    /// Decisions, books and words agree with the model, and the state's hash depends on the inputs alone.
    #[test]
    fn agrees_with_the_model_and_with_itself(ops in proptest::collection::vec(op(), 1..90), seed: u64) {
        prop_assert_eq!(run(&ops, 1), run(&ops, seed));
    }
}
