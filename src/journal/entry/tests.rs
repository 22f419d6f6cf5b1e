//! Every entry survives the way to the log and back; damage is refused.
//!
//! Values are drawn at random; a cut or changed byte may give another value, never a panic.

use super::*;
use crate::domain::order::{AccountRef, InstrumentRef, MassScope};
use crate::domain::{OrderStatus, OrderType, Side, Text, TimeInForce};
use proptest::prelude::*;

fn text<const N: usize>() -> impl Strategy<Value = Text<N>> {
    proptest::collection::vec(any::<u8>(), 0..=N).prop_map(|bytes| Text::cut(&bytes))
}

fn instrument() -> impl Strategy<Value = InstrumentRef> {
    prop_oneof![
        any::<u32>().prop_map(|index| InstrumentRef::Known(InstrumentIndex(index))),
        text().prop_map(InstrumentRef::Unknown)
    ]
}

fn account() -> impl Strategy<Value = AccountRef> {
    prop_oneof![
        any::<u32>().prop_map(|index| AccountRef::Known(AccountIndex(index))),
        text().prop_map(AccountRef::Unknown)
    ]
}

fn a_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn request() -> impl Strategy<Value = ClientRequest> {
    let scope = || {
        prop_oneof![
            Just(MassScope::All),
            instrument().prop_map(MassScope::Instrument)
        ]
    };
    prop_oneof![
        (
            text(),
            account(),
            instrument(),
            a_side(),
            any::<(i64, u64, bool)>()
        )
            .prop_map(
                |(
                    client_order_id,
                    account,
                    instrument,
                    side,
                    (price, quantity, possible_resend),
                )| {
                    ClientRequest::New(NewOrder {
                        client_order_id,
                        account,
                        instrument,
                        side,
                        order_type: OrderType::Market,
                        time_in_force: TimeInForce::FillOrKill,
                        price: Price(price),
                        quantity: Quantity(quantity),
                        possible_resend,
                    })
                }
            ),
        (text(), text(), instrument(), a_side()).prop_map(
            |(client_order_id, orig_client_order_id, instrument, side)| {
                ClientRequest::Cancel(CancelRequest {
                    client_order_id,
                    orig_client_order_id,
                    instrument,
                    side,
                })
            }
        ),
        (text(), text(), instrument(), a_side(), any::<(i64, u64)>()).prop_map(
            |(client_order_id, orig_client_order_id, instrument, side, (price, quantity))| {
                ClientRequest::Replace(ReplaceRequest {
                    client_order_id,
                    orig_client_order_id,
                    instrument,
                    side,
                    order_type: OrderType::Limit,
                    price: Price(price),
                    quantity: Quantity(quantity),
                })
            }
        ),
        (text(), text()).prop_map(|(client_order_id, request_id)| {
            ClientRequest::Status(StatusRequest {
                client_order_id,
                request_id,
            })
        }),
        (text(), proptest::option::of(account()), scope()).prop_map(
            |(request_id, account, scope)| {
                ClientRequest::MassStatus(MassStatusRequest {
                    request_id,
                    account,
                    scope,
                })
            }
        ),
        (text(), scope(), proptest::option::of(a_side())).prop_map(
            |(client_order_id, scope, side)| {
                ClientRequest::MassCancel(MassCancelRequest {
                    client_order_id,
                    scope,
                    side,
                })
            }
        ),
        Just(ClientRequest::Lost),
    ]
}

proptest! {
    #[test]
    fn client_inputs_survive(request in request(), session: u32, times: [u64; 3], raw in 0u64..1 << 59) {
        let [received_ns, decoded_ns, cause_sequence] = times;
        let input =
            FromClient { is_late: false, may_be_sent: false, session: SessionIndex(session), received_ns, decoded_ns, cause_sequence, request };
        let outcome = Outcome {
            desk_request: OrderId::from_raw(raw).unwrap(),
            reason: RejectReason::Lot,
            desk_outputs: 1,
            client_outputs: 2,
                facts: 5,
                taken_ns: decoded_ns,
        };
        let mut out = [0; ENTRY_BYTES_MAX];
        let len = write_client(&input, outcome, &mut out).unwrap();
        prop_assert_eq!(read_client(&out[..len]), Some((input, outcome)));
        prop_assert_eq!(read_client(&out[..len - 1]), None);
        prop_assert_eq!(write_client(&input, outcome, &mut out[..len - 1]), None);
    }

    #[test]
    fn desk_reports_survive(
        raw in 0u64..1 << 59,
        exec_id in text(),
        words in text(),
        trade: (u64, i64),
        sums: (u64, u64, u64, i64),
        kind in 0usize..7,
    ) {
        let (quantity, price) = (Quantity(trade.0), Price(trade.1));
        let exec = [
            DeskExec::PendingNew,
            DeskExec::New,
            DeskExec::Trade { quantity, price },
            DeskExec::TradeCancel,
            DeskExec::TradeCorrect { quantity, price },
            DeskExec::Restated,
            DeskExec::Status,
        ][kind];
        let report = DeskReport {
            id: OrderId::from_raw(raw).unwrap(),
            exec_id,
            exec_ref_id: exec_id,
            exec,
            status: OrderStatus::PartiallyFilled,
            side: Side::Sell,
            cumulated: Quantity(sums.0),
            leaves: Quantity(sums.1),
            quantity: Quantity(sums.2),
            price: Price(sums.3),
            text: words,
        };
        let input =
            FromDesk { link: LinkIndex(3), received_ns: 5, cause_sequence: 6, input: DeskInput::Report(report) };
        let mut out = [0; ENTRY_BYTES_MAX];
        let len = write_desk(&input, &mut out).unwrap();
        prop_assert_eq!(read_desk(&out[..len]), Some(input));
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..ENTRY_BYTES_MAX)) {
        let _ = (read_client(&bytes), read_desk(&bytes), read_command(&bytes));
    }
}

#[test]
fn commands_survive() {
    let scopes = [
        Scope::Firm,
        Scope::Account(AccountIndex(1)),
        Scope::Session(SessionIndex(2)),
        Scope::Instrument(InstrumentIndex(3)),
    ];
    let mut commands: Vec<_> = scopes
        .into_iter()
        .flat_map(|s| {
            [
                RiskCommand::Block(s),
                RiskCommand::Unblock(s),
                RiskCommand::Kill(s),
                RiskCommand::Release(s),
            ]
        })
        .collect();
    for change in [
        LimitChange::OrderValueMax(Money(1 << 90)),
        LimitChange::OpenOrdersMax(9),
        LimitChange::MessagesPerSecond(8),
    ] {
        commands.push(RiskCommand::Limit(AccountIndex(4), change));
    }
    commands.push(RiskCommand::Hold(DeskIndex(5)));
    commands.push(RiskCommand::ReleaseDesk(DeskIndex(6)));
    commands.push(RiskCommand::HostLost { wall_ns: u64::MAX });
    for command in commands {
        let input = CommandInput {
            ticket: 7,
            user: Text::cut(b"ops"),
            command,
        };
        let mut out = [0; ENTRY_BYTES_MAX];
        let len = write_command(&input, 7, &mut out).unwrap();
        assert_eq!(read_command(&out[..len]), Some((input, 7)));
    }
}

#[test]
fn the_longest_inputs_fit() {
    let longest = Text::cut(&[b'x'; 64]);
    let report = DeskReport {
        id: OrderId::NONE,
        exec_id: longest_exec(),
        exec_ref_id: longest_exec(),
        exec: DeskExec::New,
        status: OrderStatus::New,
        side: Side::Buy,
        cumulated: Quantity::ZERO,
        leaves: Quantity::ZERO,
        quantity: Quantity::ZERO,
        price: Price::ZERO,
        text: longest,
    };
    let desk = FromDesk {
        input: DeskInput::Report(report),
        ..FromDesk::default()
    };
    let mut out = [0; ENTRY_BYTES_MAX];
    assert!(write_desk(&desk, &mut out).is_some());
    let new = NewOrder {
        client_order_id: Text::cut(&[b'x'; 64]),
        account: AccountRef::Unknown(Text::cut(&[b'x'; 64])),
        instrument: InstrumentRef::Unknown(Text::cut(&[b'x'; 64])),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Day,
        price: Price::ZERO,
        quantity: Quantity::ZERO,
        possible_resend: true,
    };
    let client = FromClient {
        is_late: false,
        may_be_sent: false,
        request: ClientRequest::New(new),
        ..FromClient::default()
    };
    assert!(write_client(&client, Outcome::default(), &mut out).is_some());
}

fn longest_exec() -> Text<39> {
    Text::cut(&[b'x'; 64])
}
