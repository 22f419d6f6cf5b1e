//! The risk state against a naive model: every reserve is summed anew, every rule is written the slow way, and both must agree
//! on each decision, each number and each status after any sequence of inputs.

mod moves;

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
    ended: Option<OrderStatus>,
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
