//! Tests of the risk state: a small world, short ways to say what clients and desks do, and the invariants after every input.
//!
//! What is expected is said in full by the tests; nothing here computes an expectation.

mod arbitrary;
mod checks;
mod desk;
mod dialogue;
mod digests;
mod mass;
mod model;

use super::*;
use crate::domain::command::{CommandDone, RiskCommand};
use crate::domain::order::{
    AccountRef, CancelRequest, InstrumentRef, NewOrder, ReplaceRequest, StatusRequest, ToDesk,
};
use crate::domain::report::{
    ClientCancelReject, ClientOutput, ClientReport, DeskCancelReject, DeskExec, DeskReport,
    ToClient,
};
use crate::domain::saved::{Saved, Saver};
use crate::domain::{
    AccountKind, ClientIndex, ClientOrderId, DeskText, ExecId, LinkIndex, Money, OrderId,
    OrderStatus, OrderType, Price, Quantity, RejectReason, Side, Text, TimeInForce,
};

pub(super) const SCALE: i64 = crate::domain::price::SCALE;
pub(super) const GOOD: Facts = Facts {
    entitled: true,
    pressure: false,
    desk_ready: true,
    log_ready: true,
    may_be_sent: false,
};

/// Whole currency units.
pub(super) fn px(units: i64) -> Price {
    Price(units * SCALE)
}

pub(super) fn money(units: i64) -> Money {
    Money(units as i128 * SCALE as i128)
}

pub(super) fn id(text: &str) -> ClientOrderId {
    ClientOrderId::new(text.as_bytes()).unwrap()
}

/// A main-board share: lots of 100, tick 0.01, limits 9 to 11, collar 5 % around 10, T+1, no market orders.
pub(super) fn share() -> Instrument {
    Instrument {
        symbol: Text::cut(b"SHARE"),
        market: Text::EMPTY,
        unit: 1,
        lot: Quantity(100),
        odd_lot_sell: false,
        tick: Price(SCALE / 100),
        quantity_min: Quantity(100),
        quantity_max: Quantity(10_000),
        limit_down: px(9),
        limit_up: px(11),
        reference_price: px(10),
        collar_bp: 500,
        market_orders: false,
        same_day_sell: false,
    }
}

/// Lots of 1, market orders, T+0, no daily limits, collar 10 %.
pub(super) fn fund() -> Instrument {
    Instrument {
        symbol: Text::cut(b"FUND"),
        lot: Quantity(1),
        quantity_min: Quantity(1),
        limit_down: Price::ZERO,
        limit_up: Price::ZERO,
        collar_bp: 1000,
        market_orders: true,
        same_day_sell: true,
        ..share()
    }
}

/// Ten units per point, market orders, nothing to refer to.
pub(super) fn future() -> Instrument {
    Instrument {
        symbol: Text::cut(b"FUT"),
        unit: 10,
        reference_price: Price::ZERO,
        collar_bp: 0,
        ..fund()
    }
}

pub(super) fn account(cash: i64) -> Account {
    Account {
        name: Text::cut(b"A"),
        client: ClientIndex(0),
        kind: AccountKind::Cash,
        cash: money(cash),
        order_value_max: Money::ZERO,
        open_orders_max: 0,
        messages_per_second: 0,
        message_burst: 0,
    }
}

/// The world under test.
pub(super) struct Bench {
    pub risk: Risk,
    pub out: Outputs,
    pub now: Now,
    executions: u32,
}

pub(super) struct Setup {
    pub instruments: Vec<Instrument>,
    pub accounts: Vec<Account>,
    pub positions: Vec<Position>,
    pub sessions: Vec<SessionLimits>,
    pub requests_max: usize,
    pub executions_max: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            instruments: vec![share(), fund(), future()],
            accounts: vec![account(100_000), account(50_000)],
            positions: vec![Position {
                account: AccountIndex(0),
                instrument: InstrumentIndex(0),
                sellable: Quantity(1_032),
            }],
            sessions: vec![SessionLimits::default(); 2],
            requests_max: 1000,
            executions_max: 1000,
        }
    }
}

impl Setup {
    pub fn build(&self) -> Bench {
        self.build_with_seed(1)
    }

    fn plan(&self, hash_seed: u64) -> RiskPlan<'_> {
        RiskPlan {
            instruments: &self.instruments,
            accounts: &self.accounts,
            positions: &self.positions,
            account_desks: &[DeskIndex(0), DeskIndex(1)],
            sessions: &self.sessions,
            requests_max: self.requests_max,
            executions_max: self.executions_max,
            epoch: 3,
            hash_seed,
        }
    }

    /// Through bytes and back, into tables that are laid out in another way.
    pub fn saved_and_loaded(&self, risk: &Risk) -> Risk {
        let mut saver = Saver::default();
        risk.save(&mut saver);
        let bytes = saver.into_bytes();
        let mut saved = Saved::new(&bytes);
        let loaded = Risk::load(self.plan(99), &mut saved).expect("what was saved");
        assert!(saved.is_empty());
        loaded
    }

    pub fn build_with_seed(&self, hash_seed: u64) -> Bench {
        Bench {
            risk: Risk::new(self.plan(hash_seed)),
            out: Outputs::default(),
            now: Now {
                mono_ns: 1_000_000_000,
                wall_ns: 0,
            },
            executions: 0,
        }
    }
}

/// A good buy of 100 shares at 10.
pub(super) fn buy(name: &str) -> NewOrder {
    NewOrder {
        client_order_id: id(name),
        account: AccountRef::Known(AccountIndex(0)),
        instrument: InstrumentRef::Known(InstrumentIndex(0)),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Day,
        price: px(10),
        quantity: Quantity(100),
        possible_resend: false,
    }
}

pub(super) fn sell(name: &str, quantity: u64) -> NewOrder {
    NewOrder {
        side: Side::Sell,
        quantity: Quantity(quantity),
        ..buy(name)
    }
}

pub(super) fn report(id: OrderId, exec: DeskExec) -> DeskReport {
    DeskReport {
        id,
        exec_id: ExecId::EMPTY,
        exec_ref_id: ExecId::EMPTY,
        exec,
        status: OrderStatus::New,
        side: Side::Buy,
        cumulated: Quantity::ZERO,
        leaves: Quantity::ZERO,
        quantity: Quantity::ZERO,
        price: Price::ZERO,
        text: DeskText::EMPTY,
    }
}

pub(super) fn fill(quantity: u64, price: Price) -> DeskExec {
    DeskExec::Trade {
        quantity: Quantity(quantity),
        price,
    }
}

impl Bench {
    pub fn client(&mut self, session: u32, request: ClientRequest, facts: Facts) {
        let input = FromClient {
            is_late: false,
            may_be_sent: false,
            session: SessionIndex(session),
            received_ns: 11,
            decoded_ns: 12,
            cause_sequence: 13,
            request,
        };
        self.out.clear();
        self.risk.on_client(self.now, &input, facts, &mut self.out);
        self.risk.assert_invariants();
    }

    pub fn desk(&mut self, input: DeskInput) {
        let input = FromDesk {
            link: LinkIndex(0),
            received_ns: 21,
            cause_sequence: 22,
            input,
        };
        self.out.clear();
        self.risk.on_desk(self.now, &input, &mut self.out);
        self.risk.assert_invariants();
    }

    /// A report with an ExecID of its own.
    pub fn report(&mut self, mut report: DeskReport) {
        self.executions += 1;
        report.exec_id = ExecId::cut(format!("E{}", self.executions).as_bytes());
        self.desk(DeskInput::Report(report));
    }

    /// ExecID of the last report.
    pub fn last_exec_id(&self) -> ExecId {
        ExecId::cut(format!("E{}", self.executions).as_bytes())
    }

    pub fn new_order(&mut self, order: NewOrder) {
        self.client(0, ClientRequest::New(order), GOOD);
    }

    /// Sends an order that must pass; its id at the desk.
    pub fn accepted(&mut self, order: NewOrder) -> OrderId {
        self.new_order(order);
        match self.out.to_desk.as_slice() {
            [to_desk] => to_desk.id,
            _ => panic!("refused: {:?}", self.out.to_client.as_slice()),
        }
    }

    /// Sends an order that must be refused; why.
    pub fn refused(&mut self, order: NewOrder) -> RejectReason {
        self.refused_with(order, GOOD)
    }

    pub fn refused_with(&mut self, order: NewOrder, facts: Facts) -> RejectReason {
        self.client(0, ClientRequest::New(order), facts);
        assert!(self.out.to_desk.is_empty(), "{order:?} passed");
        let report = self.told();
        assert_eq!(report.status, OrderStatus::Rejected);
        assert_eq!(report.client_order_id, order.client_order_id);
        assert_ne!(self.risk.last_failures() >> report.reason as u64 & 1, 0);
        report.reason
    }

    pub fn cancel(&mut self, name: &str, original: &str) -> Option<OrderId> {
        let request = ClientRequest::Cancel(CancelRequest {
            client_order_id: id(name),
            orig_client_order_id: id(original),
            instrument: InstrumentRef::Known(InstrumentIndex(0)),
            side: Side::Buy,
        });
        self.client(0, request, GOOD);
        self.out.to_desk.as_slice().first().map(|d| d.id)
    }

    pub fn replace(
        &mut self,
        name: &str,
        original: &str,
        price: Price,
        quantity: u64,
    ) -> Option<OrderId> {
        let request = ClientRequest::Replace(ReplaceRequest {
            client_order_id: id(name),
            orig_client_order_id: id(original),
            instrument: InstrumentRef::Known(InstrumentIndex(0)),
            side: Side::Buy,
            order_type: OrderType::Limit,
            price,
            quantity: Quantity(quantity),
        });
        self.client(0, request, GOOD);
        self.out.to_desk.as_slice().first().map(|d| d.id)
    }

    pub fn status(&mut self, name: &str) -> ClientReport {
        let request = ClientRequest::Status(StatusRequest {
            client_order_id: id(name),
            request_id: Text::cut(b"Q"),
        });
        self.client(0, request, GOOD);
        self.told()
    }

    pub fn command(&mut self, command: RiskCommand) -> CommandDone {
        let done = self.risk.on_command(
            self.now,
            &CommandInput {
                ticket: 7,
                user: Text::EMPTY,
                command,
            },
        );
        self.risk.assert_invariants();
        done
    }

    /// Runs continuations to the end; everything they gave.
    pub fn work(&mut self) -> (Vec<ToDesk>, Vec<ToClient>) {
        let (mut to_desk, mut to_client) = (Vec::new(), Vec::new());
        for _ in 0..10_000 {
            if !self.risk.has_work() {
                return (to_desk, to_client);
            }
            self.out.clear();
            assert!(self.risk.continue_work(self.now, &mut self.out));
            self.risk.assert_invariants();
            to_desk.extend_from_slice(self.out.to_desk.as_slice());
            to_client.extend_from_slice(self.out.to_client.as_slice());
        }
        panic!("work without end");
    }

    /// The one report that the last input caused.
    pub fn told(&self) -> ClientReport {
        match self.out.to_client.as_slice() {
            [
                ToClient {
                    output: ClientOutput::Report(report),
                    ..
                },
            ] => *report,
            other => panic!("no single report: {other:?}"),
        }
    }

    pub fn told_cancel_reject(&self) -> ClientCancelReject {
        match self.out.to_client.as_slice() {
            [
                ToClient {
                    output: ClientOutput::CancelReject(reject),
                    ..
                },
            ] => *reject,
            other => panic!("no single reject: {other:?}"),
        }
    }

    pub fn told_nothing(&self) -> bool {
        self.out.to_client.is_empty()
    }

    pub fn cash(&self) -> Money {
        self.risk.account(AccountIndex(0)).unwrap().cash
    }

    pub fn reserved(&self) -> Money {
        self.risk.account(AccountIndex(0)).unwrap().reserved
    }

    pub fn cancel_reject(&mut self, id: OrderId, reason: u16) {
        self.desk(DeskInput::CancelReject(DeskCancelReject {
            id,
            status: OrderStatus::New,
            reason,
            text: DeskText::cut(b"no"),
        }));
    }
}

impl Risk {
    pub(super) fn assert_invariants(&self) {
        if let Err(what) = self.check_invariants() {
            panic!("{what}");
        }
    }
}
