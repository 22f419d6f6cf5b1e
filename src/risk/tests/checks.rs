//! Every check at its bound and one beyond.
//!
//! Each test names the reject that it expects, so that a check that moved in the list shows.

use super::*;
use crate::domain::command::LimitChange;
use RejectReason as R;

fn order(f: impl FnOnce(&mut NewOrder)) -> NewOrder {
    let mut order = buy("a");
    f(&mut order);
    order
}

fn of(instrument: u32, f: impl FnOnce(&mut NewOrder)) -> NewOrder {
    order(|o| {
        o.instrument = InstrumentRef::Known(InstrumentIndex(instrument));
        f(o)
    })
}

#[track_caller]
fn passes(setup: &Setup, new: NewOrder) {
    setup.build().accepted(new);
}

#[track_caller]
fn fails(setup: &Setup, new: NewOrder, reason: RejectReason) {
    assert_eq!(setup.build().refused(new), reason);
}

#[test]
fn names_must_be_known_and_are_echoed() {
    let setup = Setup::default();
    fails(
        &setup,
        order(|o| o.account = AccountRef::Known(AccountIndex(2))),
        R::UnknownAccount,
    );
    fails(&setup, of(3, |_| ()), R::UnknownInstrument);
    passes(
        &setup,
        order(|o| o.account = AccountRef::Known(AccountIndex(1))),
    );
    passes(&setup, of(2, |_| ()));
    let mut bench = setup.build();
    let unknown = order(|o| {
        o.account = AccountRef::Unknown(Text::cut(b"NOBODY"));
        o.instrument = InstrumentRef::Unknown(Text::cut(b"NOTHING"));
    });
    assert_eq!(bench.refused(unknown), R::UnknownAccount);
    let want = 1u64 << R::UnknownAccount as u64 | 1 << R::UnknownInstrument as u64;
    assert_eq!(bench.risk.last_failures(), want);
    let echoed = crate::domain::report::ReportDetail::Unknown {
        account: Text::cut(b"NOBODY"),
        symbol: Text::cut(b"NOTHING"),
    };
    assert_eq!(bench.told().detail, echoed);
    assert_eq!(bench.told().order_id, OrderId::NONE);
}

#[test]
fn facts_of_the_stage_count() {
    let setup = Setup::default();
    let cases = [
        (
            Facts {
                entitled: false,
                ..GOOD
            },
            R::NotEntitled,
        ),
        (
            Facts {
                pressure: true,
                ..GOOD
            },
            R::Pressure,
        ),
        (
            Facts {
                log_ready: false,
                pressure: true,
                ..GOOD
            },
            R::LogUnavailable,
        ),
        (
            Facts {
                desk_ready: false,
                ..GOOD
            },
            R::NoDesk,
        ),
    ];
    for (facts, reason) in cases {
        assert_eq!(setup.build().refused_with(buy("a"), facts), reason);
    }
}

#[test]
fn quantity_bounds() {
    let setup = Setup {
        accounts: vec![account(1_000_000)],
        ..Setup::default()
    };
    let q = |n| order(move |o| o.quantity = Quantity(n));
    fails(&setup, q(0), R::QuantityTooSmall);
    fails(&setup, q(99), R::QuantityTooSmall);
    passes(&setup, q(100));
    fails(&setup, q(101), R::Lot);
    passes(&setup, q(10_000));
    fails(&setup, q(10_001), R::QuantityTooLarge);
    fails(&setup, q(u64::MAX), R::QuantityTooLarge);
    fails(
        &setup,
        of(1, |o| o.quantity = Quantity(0)),
        R::QuantityTooSmall,
    );
    passes(&setup, of(1, |o| o.quantity = Quantity(1)));
}

#[test]
fn odd_sells_take_the_whole_odd_part_with_them() {
    // 1,032 shares in lots of 100.
    let setup = Setup::default();
    for quantity in [32, 100, 132, 932, 1_000, 1_032] {
        passes(&setup, sell("a", quantity));
    }
    for (quantity, reason) in [
        (0, R::QuantityTooSmall),
        (31, R::QuantityTooSmall),
        (33, R::QuantityTooSmall),
        (131, R::Lot),
        (1_033, R::Lot),
        (1_132, R::Lot),
        (1_100, R::SellableQuantity),
    ] {
        fails(&setup, sell("a", quantity), reason);
    }
    // The odd part is gone once it is reserved.
    let mut bench = setup.build();
    bench.accepted(sell("a", 132));
    assert_eq!(bench.refused(sell("b", 32)), R::QuantityTooSmall);
    bench.accepted(sell("c", 900));
    assert_eq!(bench.refused(sell("d", 100)), R::SellableQuantity);
}

#[test]
fn a_rest_below_the_minimum_may_be_sold_whole() {
    let mut setup = Setup::default();
    setup.instruments[0].lot = Quantity(1);
    setup.instruments[0].quantity_min = Quantity(200);
    for (held, sold, good) in [
        (132, 132, true),
        (132, 131, false),
        (232, 32, false),
        (232, 200, true),
    ] {
        setup.positions[0].sellable = Quantity(held);
        match good {
            true => passes(&setup, sell("a", sold)),
            false => fails(&setup, sell("a", sold), R::QuantityTooSmall),
        }
    }
    setup.instruments[0].lot = Quantity(100);
    setup.instruments[0].odd_lot_sell = true;
    passes(&setup, sell("a", 7));
    fails(&setup, order(|o| o.quantity = Quantity(207)), R::Lot);
}

#[test]
fn tick_and_price_bounds() {
    let mut setup = Setup::default();
    let p = |raw: i64| order(move |o| o.price = Price(raw));
    let cent = SCALE / 100;
    fails(&setup, p(0), R::Tick);
    fails(&setup, p(-cent), R::Tick);
    fails(&setup, p(10 * SCALE + 1), R::Tick);
    // The collar is 9.50 to 10.50, inside the daily limits.
    passes(&setup, p(1050 * cent));
    fails(&setup, p(1051 * cent), R::PriceCollar);
    passes(&setup, p(950 * cent));
    fails(&setup, p(949 * cent), R::PriceCollar);
    setup.instruments[0].collar_bp = 0;
    passes(&setup, p(1100 * cent));
    fails(&setup, p(1101 * cent), R::PriceLimit);
    passes(&setup, p(900 * cent));
    fails(&setup, p(899 * cent), R::PriceLimit);
    setup.instruments[0].limit_up = Price::ZERO;
    setup.instruments[0].limit_down = Price::ZERO;
    passes(&setup, p(cent));
    passes(&setup, p(999 * SCALE));
}

#[test]
fn a_collar_that_is_no_whole_price_is_rounded_inwards() {
    let mut setup = Setup::default();
    setup.instruments[0].tick = Price(1);
    setup.instruments[0].reference_price = Price(10_001);
    setup.instruments[0].limit_down = Price::ZERO;
    setup.instruments[0].limit_up = Price::ZERO;
    // 5 % of 10,001 is 500.05: 9,500.95 to 10,501.05.
    for (raw, good) in [
        (10_501, true),
        (10_502, false),
        (9_501, true),
        (9_500, false),
    ] {
        let new = order(|o| o.price = Price(raw));
        match good {
            true => passes(&setup, new),
            false => fails(&setup, new, R::PriceCollar),
        }
    }
}

#[test]
fn market_orders_need_an_instrument_that_takes_them_and_a_price_to_reserve() {
    let setup = Setup::default();
    let market = |i| of(i, |o| o.order_type = OrderType::Market);
    fails(&setup, market(0), R::UnsupportedOrder);
    fails(&setup, market(2), R::NoReferencePrice);
    let mut bench = setup.build();
    bench.accepted(market(1));
    assert_eq!(
        bench.reserved(),
        money(1_100),
        "reference 10 and collar 10 %"
    );
    let mut setup = Setup::default();
    setup.instruments[1].limit_up = px(12);
    let mut bench = setup.build();
    bench.accepted(market(1));
    assert_eq!(
        bench.reserved(),
        money(1_200),
        "the daily limit where there is one"
    );
    setup.instruments[1].limit_up = Price::ZERO;
    setup.instruments[1].reference_price = Price::ZERO;
    fails(&setup, of(1, |_| ()), R::NoReferencePrice);
}

#[test]
fn value_counts_the_contract_unit() {
    let mut setup = Setup::default();
    setup.accounts[0].order_value_max = money(10_000);
    let new = |q| of(2, move |o| o.quantity = Quantity(q));
    passes(&setup, new(100));
    fails(&setup, new(101), R::ValueTooLarge);
    setup.accounts[0].order_value_max = Money(money(10_000).0 - 1);
    fails(&setup, new(100), R::ValueTooLarge);
    // What no number can hold is too much even without a limit.
    setup.accounts[0].order_value_max = Money::ZERO;
    setup.instruments[2].unit = u32::MAX;
    setup.instruments[2].quantity_max = Quantity(u64::MAX);
    setup.instruments[2].tick = Price(1);
    let huge = of(2, |o| {
        o.side = Side::Sell;
        o.price = Price(i64::MAX);
        o.quantity = Quantity(crate::limits::QUANTITY_MAX);
    });
    fails(&setup, huge, R::ValueTooLarge);
}

#[test]
fn buying_power_to_the_last_unit() {
    let mut setup = Setup::default();
    setup.accounts[0].cash = money(2_000);
    let mut bench = setup.build();
    bench.accepted(buy("a"));
    bench.accepted(buy("b"));
    assert_eq!(bench.refused(buy("c")), R::BuyingPower);
    setup.accounts[0].cash = Money(money(1_000).0 - 1);
    fails(&setup, buy("a"), R::BuyingPower);
    setup.accounts[0].cash = Money(-1);
    passes(&setup, sell("a", 100));
}

#[test]
fn open_orders_and_their_limit() {
    let mut setup = Setup::default();
    setup.accounts[0].open_orders_max = 2;
    let mut bench = setup.build();
    let first = bench.accepted(buy("a"));
    bench.accepted(buy("b"));
    assert_eq!(bench.refused(buy("c")), R::OpenOrders);
    assert!(
        bench.replace("a2", "a", px(10), 200).is_some(),
        "a replace adds none"
    );
    bench.report(report(first, DeskExec::Cancelled));
    bench.accepted(buy("c"));
    bench.command(RiskCommand::Limit(
        AccountIndex(0),
        LimitChange::OpenOrdersMax(3),
    ));
    bench.accepted(buy("d"));
    assert_eq!(bench.refused(buy("e")), R::OpenOrders);
}

#[test]
fn rates_of_session_and_account() {
    let mut setup = Setup::default();
    setup.sessions[0] = SessionLimits {
        messages_per_second: 10,
        message_burst: 2,
        pending_new: false,
    };
    let mut bench = setup.build();
    bench.accepted(buy("a"));
    bench.accepted(buy("b"));
    assert_eq!(bench.refused(buy("c")), R::MessageRate);
    assert!(
        bench.cancel("d", "a").is_some(),
        "cancels are never refused for rate"
    );
    bench.now.mono_ns += 99_999_999;
    assert_eq!(bench.refused(buy("e")), R::MessageRate);
    bench.now.mono_ns += 1;
    bench.accepted(buy("f"));

    let mut setup = Setup::default();
    setup.accounts[0].messages_per_second = 1;
    setup.accounts[0].message_burst = 1;
    let mut bench = setup.build();
    let stranger = Facts {
        entitled: false,
        ..GOOD
    };
    assert_eq!(bench.refused_with(buy("x"), stranger), R::NotEntitled);
    bench.accepted(buy("a"));
    assert_eq!(bench.refused(buy("b")), R::MessageRate);
    bench.accepted(order(|o| {
        o.client_order_id = id("c");
        o.account = AccountRef::Known(AccountIndex(1));
    }));
    bench.command(RiskCommand::Limit(
        AccountIndex(0),
        LimitChange::MessagesPerSecond(0),
    ));
    bench.accepted(buy("d"));
}

#[test]
fn blocks_and_kills_by_every_scope() {
    let scopes = [
        Scope::Firm,
        Scope::Account(AccountIndex(0)),
        Scope::Session(SessionIndex(0)),
        Scope::Instrument(InstrumentIndex(0)),
    ];
    for scope in scopes {
        let mut bench = Setup::default().build();
        bench.accepted(buy("a"));
        bench.command(RiskCommand::Block(scope));
        assert_eq!(bench.risk.epoch(scope), 1);
        assert_eq!(bench.refused(buy("b")), R::Blocked);
        assert!(bench.replace("r", "a", px(10), 200).is_none());
        assert_eq!(bench.told_cancel_reject().reason, R::Blocked);
        bench.command(RiskCommand::Kill(scope));
        assert_eq!(bench.risk.epoch(scope), 2);
        assert_eq!(bench.refused(buy("c")), R::Killed);
        bench.command(RiskCommand::Unblock(scope));
        assert_eq!(bench.refused(buy("d")), R::Killed);
        bench.command(RiskCommand::Release(scope));
        bench.accepted(buy("e"));
    }
    for scope in [
        Scope::Account(AccountIndex(1)),
        Scope::Session(SessionIndex(1)),
        Scope::Instrument(InstrumentIndex(1)),
        Scope::Account(AccountIndex(99)),
        Scope::Session(SessionIndex(99)),
        Scope::Instrument(InstrumentIndex(99)),
    ] {
        let mut bench = Setup::default().build();
        bench.command(RiskCommand::Block(scope));
        bench.command(RiskCommand::Kill(scope));
        bench.accepted(buy("a"));
    }
}

#[test]
fn client_order_ids_are_used_once_per_session_and_day() {
    let mut bench = Setup::default().build();
    let first = bench.accepted(buy("a"));
    assert_eq!(bench.refused(buy("a")), R::DuplicateClientOrderId);
    bench.cancel("c", "a");
    assert_eq!(bench.refused(buy("c")), R::DuplicateClientOrderId);
    bench.report(report(first, DeskExec::Cancelled));
    assert_eq!(
        bench.refused(buy("a")),
        R::DuplicateClientOrderId,
        "closed ones count"
    );
    bench.client(1, ClientRequest::New(buy("a")), GOOD);
    assert_eq!(
        bench.out.to_desk.as_slice().len(),
        1,
        "another session's own"
    );
    // A refused order left nothing behind: its id is free.
    assert_eq!(
        bench.refused(order(|o| {
            o.client_order_id = id("f");
            o.price = Price(1)
        })),
        R::Tick
    );
    bench.accepted(buy("f"));
}

#[test]
fn cancels_that_a_desk_refuses_again_and_again_leave_the_room_of_others() {
    let setup = Setup {
        requests_max: 40,
        accounts: vec![account(10_000_000)],
        ..Setup::default()
    };
    let mut bench = setup.build();
    bench.accepted(buy("refused"));
    bench.command(RiskCommand::Kill(Scope::Firm));
    let mut cancel = bench.work().0[0].id;
    bench.command(RiskCommand::Release(Scope::Firm));
    for n in 0..12 {
        bench.accepted(buy(&format!("o{n}")));
    }
    let mut repeated = 0;
    while repeated < 100 {
        bench.cancel_reject(cancel, 2);
        bench.desk(DeskInput::Link(LinkEvent::Ready));
        match bench.work().0.first() {
            Some(again) => cancel = again.id,
            None => break,
        }
        repeated += 1;
    }
    assert!((1..20).contains(&repeated), "{repeated}");
    bench.command(RiskCommand::Kill(Scope::Firm));
    assert_eq!(bench.work().0.len(), 12, "of those that had none yet");
    let counters = bench.risk.counters();
    assert!(counters.gateway_cancels_not_repeated > 0);
    assert_eq!(
        counters.gateway_cancels_not_repeated,
        counters.gateway_cancels_without_capacity
    );
}

#[test]
fn capacity_keeps_a_cancel_for_every_open_order() {
    let setup = Setup {
        requests_max: 20,
        accounts: vec![account(10_000_000)],
        ..Setup::default()
    };
    let mut bench = setup.build();
    let mut accepted = 0;
    while accepted < 100 {
        bench.new_order(buy(&format!("o{accepted}")));
        if bench.out.to_desk.is_empty() {
            break;
        }
        accepted += 1;
    }
    assert_eq!(bench.told().reason, R::CapacityFull);
    assert_eq!(accepted, 10, "each with its cancel");
    bench.command(RiskCommand::Kill(Scope::Firm));
    assert_eq!(bench.work().0.len(), 10);
    assert_eq!(bench.risk.counters().gateway_cancels_without_capacity, 0);

    // Closed orders: up to the watermark.
    let mut bench = setup.build();
    for n in 0..18 {
        let id = bench.accepted(buy(&format!("o{n}")));
        bench.report(report(id, DeskExec::Cancelled));
    }
    assert_eq!(bench.refused(buy("x")), R::CapacityFull);

    // Executions: up to theirs.
    let mut bench = Setup {
        executions_max: 10,
        ..Setup::default()
    }
    .build();
    let first = bench.accepted(buy("a"));
    for _ in 0..9 {
        bench.report(report(first, DeskExec::New));
    }
    assert_eq!(bench.refused(buy("b")), R::CapacityFull);
    assert!(bench.cancel("c", "a").is_some());
}

#[test]
fn the_list_has_a_row_per_check_and_gives_all_failures() {
    let names: std::collections::HashSet<_> = CHECKS.iter().map(|c| c.name).collect();
    assert_eq!(names.len(), CHECKS.len());
    let mut bench = Setup::default().build();
    let bad = order(|o| {
        o.price = Price(1);
        o.quantity = Quantity(10_001);
    });
    assert_eq!(
        bench.refused_with(
            bad,
            Facts {
                desk_ready: false,
                ..GOOD
            }
        ),
        R::NoDesk
    );
    let want = [
        R::NoDesk,
        R::QuantityTooLarge,
        R::Lot,
        R::Tick,
        R::PriceLimit,
        R::PriceCollar,
    ];
    let mask = want.iter().fold(0, |m, &r| m | 1u64 << r as u64);
    assert_eq!(bench.risk.last_failures(), mask);
}
