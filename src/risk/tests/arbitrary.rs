//! Desks and clients that say anything at all: nothing panics, and the invariants hold after every input.
//!
//! Inputs are drawn without regard for sense; after each the risk state proves its own invariants.

use super::*;
use crate::domain::order::{MassCancelRequest, MassScope, MassStatusRequest};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Input {
    Desk {
        target: usize,
        kind: u8,
        exec: u8,
        quantity: u64,
        price: i64,
        numbers: (u64, u64, u64, i64),
        status: u8,
        exec_id: u8,
        exec_ref: u8,
    },
    New(NewOrder),
    Cancel(u8, u8),
    Replace(u8, u8, i64, u64),
    Mass(u8, u8),
    Command(u8, u32),
    Lost(u32),
    Work,
}

fn status_of(n: u8) -> OrderStatus {
    use OrderStatus::*;
    [
        PendingNew,
        New,
        PartiallyFilled,
        Filled,
        DoneForDay,
        Cancelled,
        PendingCancel,
        Rejected,
        Expired,
        PendingReplace,
    ][n as usize % 10]
}

fn exec_of(n: u8, quantity: Quantity, price: Price) -> DeskExec {
    match n % 14 {
        0 => DeskExec::PendingNew,
        1 => DeskExec::New,
        2..=4 => DeskExec::Trade { quantity, price },
        5 => DeskExec::TradeCancel,
        6 => DeskExec::TradeCorrect { quantity, price },
        7 => DeskExec::Cancelled,
        8 => DeskExec::Replaced,
        9 => DeskExec::Rejected,
        10 => DeskExec::Expired,
        11 => DeskExec::DoneForDay,
        12 => DeskExec::Restated,
        _ => DeskExec::Status,
    }
}

fn name(n: u8) -> ClientOrderId {
    id(&format!("c{}", n % 40))
}

fn quantity() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0u64..500, 1 => any::<u64>(), 1 => Just(crate::limits::QUANTITY_MAX)]
}

fn price() -> impl Strategy<Value = i64> {
    prop_oneof![6 => (900i64..1100).prop_map(|c| c * SCALE / 100), 1 => any::<i64>(), 1 => Just(crate::limits::PRICE_MAX)]
}

fn new_order() -> impl Strategy<Value = NewOrder> {
    (
        any::<u8>(),
        0u32..4,
        0u32..5,
        any::<(bool, bool, bool)>(),
        price(),
        quantity(),
    )
        .prop_map(
            |(n, account, instrument, (sell, market, possible_resend), price, quantity)| NewOrder {
                client_order_id: name(n),
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
                possible_resend,
            },
        )
}

fn input() -> impl Strategy<Value = Input> {
    let desk = (
        (0usize..80, 0u8..10, any::<u8>()),
        quantity(),
        price(),
        (quantity(), quantity(), quantity(), price()),
        any::<u8>(),
        (0u8..100, 0u8..100),
    )
        .prop_map(
            |((target, kind, exec), quantity, price, numbers, status, (exec_id, exec_ref))| {
                Input::Desk {
                    target,
                    kind,
                    exec,
                    quantity,
                    price,
                    numbers,
                    status,
                    exec_id,
                    exec_ref,
                }
            },
        );
    prop_oneof![
        14 => desk,
        6 => new_order().prop_map(Input::New),
        2 => any::<(u8, u8)>().prop_map(|(a, b)| Input::Cancel(a, b)),
        3 => (any::<(u8, u8)>(), price(), quantity()).prop_map(|((a, b), p, q)| Input::Replace(a, b, p, q)),
        1 => any::<(u8, u8)>().prop_map(|(a, b)| Input::Mass(a, b)),
        1 => (any::<u8>(), 0u32..4).prop_map(|(a, b)| Input::Command(a, b)),
        1 => (0u32..3).prop_map(Input::Lost),
        3 => Just(Input::Work),
    ]
}

struct Run {
    bench: Bench,
    ids: Vec<OrderId>,
}

impl Run {
    fn note_ids(&mut self) {
        let ids = self.bench.out.to_desk.as_slice().iter().map(|d| d.id);
        self.ids.extend(ids);
    }

    fn desk_input(&self, input: &Input) -> Option<DeskInput> {
        let Input::Desk {
            target,
            kind,
            exec,
            quantity,
            price,
            numbers,
            status,
            exec_id,
            exec_ref,
        } = *input
        else {
            return None;
        };
        let id = match self.ids.get(target) {
            Some(&id) => id,
            None => OrderId::new(3, 1, target as u32),
        };
        Some(match kind {
            0 => DeskInput::CancelReject(DeskCancelReject {
                id,
                status: status_of(status),
                reason: exec as u16,
                text: DeskText::EMPTY,
            }),
            1 => DeskInput::Link(LinkEvent::Lost),
            2 => DeskInput::InDoubt { id },
            3 => DeskInput::Refused {
                id,
                reason: RejectReason::NoDesk,
                text: DeskText::EMPTY,
            },
            4 => DeskInput::Link(LinkEvent::Ready),
            _ => DeskInput::Report(DeskReport {
                exec_id: ExecId::cut(if exec_id == 0 {
                    &[]
                } else {
                    std::slice::from_ref(&exec_id)
                }),
                exec_ref_id: ExecId::cut(&[exec_ref]),
                status: status_of(status),
                cumulated: Quantity(numbers.0),
                leaves: Quantity(numbers.1),
                quantity: Quantity(numbers.2),
                price: Price(numbers.3),
                ..report(id, exec_of(exec, Quantity(quantity), Price(price)))
            }),
        })
    }

    fn apply(&mut self, input: &Input) {
        match *input {
            Input::Desk { .. } => {
                if let Some(input) = self.desk_input(input) {
                    self.bench.desk(input);
                }
            }
            Input::New(new) => self.bench.client(0, ClientRequest::New(new), GOOD),
            Input::Cancel(new, old) => {
                let request = ClientRequest::Cancel(CancelRequest {
                    client_order_id: name(new),
                    orig_client_order_id: name(old),
                    instrument: InstrumentRef::Known(InstrumentIndex(9)),
                    side: Side::Sell,
                });
                self.bench.client(0, request, GOOD);
            }
            Input::Replace(new, old, price, quantity) => {
                let request = ClientRequest::Replace(ReplaceRequest {
                    client_order_id: name(new),
                    orig_client_order_id: name(old),
                    instrument: InstrumentRef::Known(InstrumentIndex(new as u32 % 4)),
                    side: if old.is_multiple_of(2) {
                        Side::Buy
                    } else {
                        Side::Sell
                    },
                    order_type: if old.is_multiple_of(7) {
                        OrderType::Market
                    } else {
                        OrderType::Limit
                    },
                    price: Price(price),
                    quantity: Quantity(quantity),
                });
                self.bench.client(0, request, GOOD);
            }
            Input::Mass(kind, n) => self.bench.client(0, mass(kind, n), GOOD),
            Input::Command(kind, at) => {
                let scope = [
                    Scope::Firm,
                    Scope::Account(AccountIndex(at)),
                    Scope::Session(SessionIndex(at)),
                    Scope::Instrument(InstrumentIndex(at)),
                ][kind as usize % 4];
                let command = match kind / 4 % 4 {
                    0 => RiskCommand::Kill(scope),
                    1 => RiskCommand::Block(scope),
                    2 => RiskCommand::Unblock(scope),
                    _ => RiskCommand::Release(scope),
                };
                self.bench.command(command);
                self.bench.command(RiskCommand::Release(scope));
                return;
            }
            Input::Lost(session) => self.bench.client(session, ClientRequest::Lost, GOOD),
            Input::Work => {
                self.bench.out.clear();
                self.bench
                    .risk
                    .continue_work(self.bench.now, &mut self.bench.out);
                self.bench.risk.assert_invariants();
            }
        }
        self.note_ids();
    }
}

fn mass(kind: u8, n: u8) -> ClientRequest {
    let scope = match kind % 3 {
        0 => MassScope::All,
        1 => MassScope::Instrument(InstrumentRef::Known(InstrumentIndex(n as u32 % 4))),
        _ => MassScope::Instrument(InstrumentRef::Unknown(Text::cut(b"X"))),
    };
    if kind < 128 {
        ClientRequest::MassStatus(MassStatusRequest {
            request_id: Text::EMPTY,
            account: (n < 100).then_some(AccountRef::Known(AccountIndex(n as u32 % 4))),
            scope,
        })
    } else {
        ClientRequest::MassCancel(MassCancelRequest {
            client_order_id: name(n),
            scope,
            side: (n < 50).then_some(Side::Sell),
        })
    }
}

proptest! {
    #[test]
    fn nothing_said_breaks_anything(
        inputs in proptest::collection::vec(input(), 1..150),
        requests_max in 1usize..120,
        executions_max in 1usize..120,
    ) {
        let setup = Setup { requests_max, executions_max, ..Setup::default() };
        let mut run = Run { bench: setup.build(), ids: Vec::new() };
        for input in &inputs {
            run.apply(input);
        }
        run.bench.work();
    }

    #[test]
    fn a_state_that_was_saved_goes_on_as_it_would_have(
        inputs in proptest::collection::vec(input(), 1..100),
        saved_after: prop::sample::Index,
    ) {
        let setup = Setup::default();
        let mut run = Run { bench: setup.build(), ids: Vec::new() };
        let mut other = Run { bench: setup.build(), ids: Vec::new() };
        let saved_after = saved_after.index(inputs.len());
        for (at, input) in inputs.iter().enumerate() {
            run.apply(input);
            other.apply(input);
            if at == saved_after {
                other.bench.risk = setup.saved_and_loaded(&other.bench.risk);
            }
        }
        let all = [run.bench.work(), other.bench.work()];
        prop_assert_eq!(&all[0], &all[1]);
        prop_assert_eq!(run.bench.risk.state_hash(), other.bench.risk.state_hash());
    }
}
