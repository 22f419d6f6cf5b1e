//! Cost of the risk state alone: an order that passes every check, its acknowledgement and its fill, in small and large worlds.
//!
//! `cargo bench --bench risk`. Instructions: run the binary under `valgrind --tool=callgrind` with `GATEHOUSE_BENCH_ONCE=1`,
//! which does 10,000 round trips and nothing else.

use criterion::{Criterion, criterion_group};
use gatehouse::domain::account::Position;
use gatehouse::domain::order::{AccountRef, ClientRequest, FromClient, InstrumentRef, NewOrder};
use gatehouse::domain::report::{DeskExec, DeskInput, DeskReport, FromDesk};
use gatehouse::domain::{
    Account, AccountIndex, AccountKind, ClientIndex, ClientOrderId, DeskText, ExecId, Instrument,
    InstrumentIndex, LinkIndex, Money, Now, OrderId, OrderStatus, OrderType, Price, Quantity,
    SessionIndex, Side, Text, TimeInForce,
};
use gatehouse::risk::{Facts, Outputs, Risk, RiskPlan, SessionLimits};
use std::hint::black_box;

const UNIT: i64 = 100_000_000;
const FACTS: Facts = Facts {
    entitled: true,
    pressure: false,
    desk_ready: true,
    log_ready: true,
    may_be_sent: false,
};

struct World {
    risk: Risk,
    out: Outputs,
    accounts: u32,
    instruments: u32,
    number: u64,
    now: Now,
}

impl World {
    fn new(accounts: usize, instruments: usize, requests_max: usize) -> Self {
        let instrument = Instrument {
            symbol: Text::cut(b"I"),
            market: Text::EMPTY,
            unit: 1,
            lot: Quantity(100),
            odd_lot_sell: false,
            tick: Price(UNIT / 100),
            quantity_min: Quantity(100),
            quantity_max: Quantity(1_000_000),
            limit_down: Price(9 * UNIT),
            limit_up: Price(11 * UNIT),
            reference_price: Price(10 * UNIT),
            collar_bp: 500,
            market_orders: false,
            same_day_sell: false,
        };
        let account = Account {
            name: Text::cut(b"A"),
            client: ClientIndex(0),
            kind: AccountKind::Cash,
            cash: Money(1 << 90),
            order_value_max: Money(1 << 80),
            open_orders_max: 1 << 30,
            messages_per_second: 1_000_000_000,
            message_burst: 1_000_000_000,
        };
        let positions: Vec<Position> = (0..accounts as u32)
            .map(|n| Position {
                account: AccountIndex(n),
                instrument: InstrumentIndex(n % instruments as u32),
                sellable: Quantity(1_000_000),
            })
            .collect();
        let session = SessionLimits {
            messages_per_second: 1_000_000_000,
            message_burst: 1_000_000_000,
            pending_new: false,
        };
        Self {
            risk: Risk::new(RiskPlan {
                instruments: &vec![instrument; instruments],
                accounts: &vec![account; accounts],
                positions: &positions,
                account_desks: &vec![gatehouse::domain::DeskIndex(0); accounts],
                sessions: &[session; 16],
                requests_max,
                executions_max: requests_max * 2,
                epoch: 1,
                hash_seed: 7,
            }),
            out: Outputs::default(),
            accounts: accounts as u32,
            instruments: instruments as u32,
            number: 0,
            now: Now::default(),
        }
    }

    fn is_full(&self) -> bool {
        self.risk.requests_used() + 1 >= self.risk.requests_max() / 2
    }

    /// One order in; its id.
    fn order(&mut self) -> OrderId {
        self.number += 1;
        self.now.mono_ns += 1_000;
        let mut name = *b"ORDER-0000000000";
        name[6..].copy_from_slice(&gatehouse::domain::ids::base62(self.number));
        let spread = (self.number as u32).wrapping_mul(2_654_435_761);
        let input = FromClient {
            is_late: false,
            may_be_sent: false,
            session: SessionIndex(self.number as u32 % 16),
            received_ns: 0,
            decoded_ns: 0,
            cause_sequence: 0,
            request: ClientRequest::New(NewOrder {
                client_order_id: ClientOrderId::cut(&name),
                account: AccountRef::Known(AccountIndex(spread % self.accounts)),
                instrument: InstrumentRef::Known(InstrumentIndex(spread % self.instruments)),
                side: Side::Buy,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::Day,
                price: Price(10 * UNIT),
                quantity: Quantity(100),
                possible_resend: false,
            }),
        };
        self.out.clear();
        self.risk
            .on_client(self.now, black_box(&input), FACTS, &mut self.out);
        self.out.to_desk.as_slice()[0].id
    }

    fn report(&mut self, id: OrderId, tag: u8, exec: DeskExec) {
        let mut exec_id = [tag; 11];
        exec_id[1..].copy_from_slice(&id.to_base62());
        let input = FromDesk {
            link: LinkIndex(0),
            received_ns: 0,
            cause_sequence: 0,
            input: DeskInput::Report(DeskReport {
                id,
                exec_id: ExecId::cut(&exec_id),
                exec_ref_id: ExecId::EMPTY,
                exec,
                status: OrderStatus::New,
                side: Side::Buy,
                cumulated: Quantity::ZERO,
                leaves: Quantity::ZERO,
                quantity: Quantity::ZERO,
                price: Price::ZERO,
                text: DeskText::EMPTY,
            }),
        };
        self.out.clear();
        self.risk
            .on_desk(self.now, black_box(&input), &mut self.out);
        assert_eq!(self.out.to_client.as_slice().len(), 1);
    }

    fn round_trip(&mut self) {
        let id = self.order();
        self.report(id, b'a', DeskExec::New);
        let trade = DeskExec::Trade {
            quantity: Quantity(100),
            price: Price(10 * UNIT),
        };
        self.report(id, b'f', trade);
    }
}

fn risk(c: &mut Criterion) {
    for (name, accounts, instruments, open) in [
        ("small", 10, 10, 0),
        (
            "100k accounts, 20k instruments, 200k open",
            100_000,
            20_000,
            200_000,
        ),
    ] {
        let requests_max = 2_000_000;
        let fresh = || {
            let mut world = World::new(accounts, instruments, requests_max);
            for _ in 0..open {
                world.order();
            }
            world
        };
        let mut world = fresh();
        c.bench_function(&format!("order, ack and fill: {name}"), |b| {
            b.iter_custom(|n| {
                let mut spent = std::time::Duration::ZERO;
                let mut left = n;
                while left > 0 {
                    if world.is_full() {
                        world = fresh();
                    }
                    let batch = left.min(10_000);
                    let start = std::time::Instant::now();
                    (0..batch).for_each(|_| world.round_trip());
                    spent += start.elapsed();
                    left -= batch;
                }
                spent
            })
        });
    }
}

criterion_group!(benches, risk);

fn main() {
    if std::env::var_os("GATEHOUSE_BENCH_ONCE").is_some() {
        let mut world = World::new(1_000, 1_000, 50_000);
        (0..10_000).for_each(|_| world.round_trip());
        println!("{:016x}", world.risk.state_hash());
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
