//! One order's dialogue: new, cancel, replace, status, and what the client is told at each turn.
//!
//! After every input the invariants of the book are checked too.

use super::*;
use crate::domain::order::DeskRequest;
use crate::domain::report::{ClientExec, ReportDetail};
use OrderStatus as S;

#[test]
fn an_order_its_fills_and_its_average() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(NewOrder {
        quantity: Quantity(300),
        ..buy("a")
    });
    let to_desk = bench.out.to_desk.as_slice()[0];
    assert_eq!((to_desk.price, to_desk.quantity), (px(10), Quantity(300)));
    assert_eq!(
        (
            to_desk.received_ns,
            to_desk.decoded_ns,
            to_desk.cause_sequence
        ),
        (11, 12, 13)
    );
    assert!(bench.told_nothing());
    assert_eq!(bench.reserved(), money(3_000));

    bench.report(report(order, DeskExec::New));
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status, told.order_id),
        (ClientExec::New, S::New, order)
    );

    bench.report(report(order, fill(100, px(9))));
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status),
        (ClientExec::Trade, S::PartiallyFilled)
    );
    assert_eq!(
        (told.cumulated, told.leaves),
        (Quantity(100), Quantity(200))
    );
    assert_eq!(
        (told.last_quantity, told.last_price),
        (Quantity(100), px(9))
    );
    assert_eq!(bench.reserved(), money(2_000));
    assert_eq!(bench.cash(), money(100_000 - 900));

    bench.report(report(order, fill(200, Price(px(10).0 - 1))));
    let told = bench.told();
    assert_eq!((told.status, told.leaves), (S::Filled, Quantity(0)));
    // (900 + 2000 - 2e-6) / 300 = 9.666666659999...; rounded half up at 1e-8.
    assert_eq!(told.average_price, Price(966_666_666));
    assert_eq!(bench.reserved(), Money::ZERO);
    let position = bench
        .risk
        .position(AccountIndex(0), InstrumentIndex(0))
        .unwrap();
    assert_eq!((position.bought, position.sellable(false)), (300, 1_032));
    assert_eq!(position.sellable(true), 1_332);
}

#[test]
fn average_price_rounds_half_up() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(NewOrder {
        instrument: InstrumentRef::Known(InstrumentIndex(1)),
        quantity: Quantity(2),
        ..buy("a")
    });
    bench.report(report(order, fill(1, Price(1_000_000_000))));
    bench.report(report(order, fill(1, Price(1_000_000_001))));
    assert_eq!(bench.told().average_price, Price(1_000_000_001));
}

#[test]
fn pending_new_only_for_sessions_that_ask_for_it() {
    let mut setup = Setup::default();
    setup.sessions[0].pending_new = true;
    let mut bench = setup.build();
    let order = bench.accepted(buy("a"));
    assert_eq!(
        (bench.told().exec, bench.told().status),
        (ClientExec::PendingNew, S::PendingNew)
    );
    bench.report(report(order, DeskExec::PendingNew));
    assert!(bench.told_nothing(), "once is enough");
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.report(report(order, DeskExec::PendingNew));
    assert_eq!(bench.told().exec, ClientExec::PendingNew);
}

#[test]
fn a_resend_with_a_known_id_is_answered_and_never_a_second_order() {
    let mut bench = Setup::default().build();
    let resend = NewOrder {
        possible_resend: true,
        ..buy("a")
    };
    let order = bench.accepted(resend);
    bench.report(report(order, DeskExec::New));
    bench.new_order(resend);
    assert!(bench.out.to_desk.is_empty());
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status, told.order_id),
        (ClientExec::Status, S::New, order)
    );
    assert_eq!(bench.risk.open_orders(), 1);
}

#[test]
fn cancel_and_its_ids() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    let cancel = bench.cancel("c", "a").unwrap();
    assert_eq!(
        bench.out.to_desk.as_slice()[0].request,
        DeskRequest::Cancel { original: order }
    );
    assert!(bench.cancel("d", "a").is_none());
    assert_eq!(
        bench.told_cancel_reject().reason,
        RejectReason::AlreadyPending
    );
    assert!(bench.replace("r", "a", px(10), 200).is_none());
    assert_eq!(
        bench.told_cancel_reject().reason,
        RejectReason::AlreadyPending
    );
    bench.report(report(cancel, DeskExec::PendingCancel));
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status),
        (ClientExec::PendingCancel, S::PendingCancel)
    );
    assert_eq!(
        (told.client_order_id, told.orig_client_order_id),
        (id("c"), id("a"))
    );
    bench.report(report(cancel, DeskExec::Cancelled));
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status, told.order_id),
        (ClientExec::Cancelled, S::Cancelled, order)
    );
    assert_eq!(
        (told.client_order_id, told.orig_client_order_id),
        (id("c"), id("a"))
    );
    assert_eq!(bench.reserved(), Money::ZERO);
    assert!(bench.cancel("e", "a").is_none());
    let reject = bench.told_cancel_reject();
    assert_eq!(
        (reject.reason, reject.status),
        (RejectReason::TooLate, S::Cancelled)
    );
    assert!(bench.cancel("f", "nothing").is_none());
    let reject = bench.told_cancel_reject();
    assert_eq!(
        (reject.reason, reject.order_id),
        (RejectReason::UnknownOrder, OrderId::NONE)
    );
    // A cancel's own ClOrdID names no order.
    assert!(bench.cancel("g", "c").is_none());
    assert_eq!(
        bench.told_cancel_reject().reason,
        RejectReason::UnknownOrder
    );
}

#[test]
fn an_unasked_cancel_and_one_reported_under_the_orders_id() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.report(report(order, DeskExec::Cancelled));
    let told = bench.told();
    assert_eq!(
        (told.client_order_id, told.orig_client_order_id),
        (id("a"), ClientOrderId::EMPTY)
    );
    let order = bench.accepted(buy("b"));
    let cancel = bench.cancel("c", "b").unwrap();
    bench.report(report(order, DeskExec::Cancelled));
    assert_eq!(bench.told().client_order_id, id("c"));
    bench.cancel_reject(cancel, 0);
    assert!(bench.told_nothing(), "the request was answered");
    assert_eq!(bench.risk.counters().duplicates, 1);
}

#[test]
fn a_refused_cancel_leaves_the_order_as_it_was() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.report(report(order, DeskExec::New));
    let cancel = bench.cancel("c", "a").unwrap();
    bench.cancel_reject(cancel, 0);
    let reject = bench.told_cancel_reject();
    assert_eq!(
        (reject.reason, reject.status, reject.to_replace),
        (RejectReason::TooLate, S::New, false)
    );
    assert_eq!(
        (reject.client_order_id, reject.orig_client_order_id),
        (id("c"), id("a"))
    );
    assert_eq!(reject.text, DeskText::cut(b"no"));
    assert_eq!(bench.reserved(), money(1_000));
    assert!(bench.cancel("d", "a").is_some());
}

#[test]
fn what_the_desk_makes_of_a_replaced_order_may_overtake_the_word_that_it_is_replaced() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.report(report(order, DeskExec::New));
    let up = bench.replace("b", "a", px(10), 500).unwrap();
    // Over another link: the desk cut the new quantity.
    let cut = DeskReport {
        quantity: Quantity(300),
        ..report(up, DeskExec::Restated)
    };
    bench.report(cut);
    assert!(bench.told_nothing());
    bench.report(report(up, DeskExec::Replaced));
    let told = bench.told();
    assert_eq!(
        (told.exec, told.quantity, told.leaves),
        (ClientExec::Replaced, Quantity(300), Quantity(300))
    );
    assert_eq!(bench.reserved(), money(3_000));
    bench.report(report(up, fill(300, px(10))));
    assert_eq!(bench.told().status, S::Filled);
}

#[test]
fn replace_reserves_the_larger_until_it_resolves() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.report(report(order, DeskExec::New));
    let up = bench.replace("b", "a", px(10), 500).unwrap();
    let to_desk = bench.out.to_desk.as_slice()[0];
    assert_eq!(to_desk.request, DeskRequest::Replace { original: order });
    assert_eq!(to_desk.quantity, Quantity(500));
    assert_eq!(bench.reserved(), money(5_000));
    bench.cancel_reject(up, 2);
    assert!(bench.told_cancel_reject().to_replace);
    assert_eq!(bench.reserved(), money(1_000), "restored");

    let up = bench.replace("c", "a", px(10), 500).unwrap();
    bench.report(report(order, fill(100, px(10))));
    assert_eq!(bench.told().status, S::Filled);
    assert_eq!(
        bench.reserved(),
        money(4_000),
        "the desk may have taken the replace first"
    );
    bench.report(report(up, DeskExec::Replaced));
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status),
        (ClientExec::Replaced, S::PartiallyFilled)
    );
    assert_eq!(
        (told.quantity, told.cumulated, told.leaves),
        (Quantity(500), Quantity(100), Quantity(400))
    );
    assert_eq!(
        (told.client_order_id, told.orig_client_order_id),
        (id("c"), id("a"))
    );
    assert_eq!(told.order_id, order, "37 is stable");
    assert_eq!(bench.reserved(), money(4_000));

    let down = bench
        .replace("d", "c", Price(px(10).0 / 100 * 99), 300)
        .unwrap();
    assert_eq!(
        bench.out.to_desk.as_slice()[0].request,
        DeskRequest::Replace { original: up }
    );
    assert_eq!(bench.reserved(), money(4_000));
    bench.report(report(down, DeskExec::Replaced));
    assert_eq!(bench.reserved(), money(1_980));
    // Reports under an earlier id of the chain still find it.
    bench.report(report(order, fill(200, px(9))));
    assert_eq!(
        (bench.told().status, bench.told().client_order_id),
        (S::Filled, id("d"))
    );
    assert_eq!(bench.reserved(), Money::ZERO);
}

#[test]
fn a_replace_may_not_change_everything() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(NewOrder {
        quantity: Quantity(300),
        ..buy("a")
    });
    bench.report(report(order, fill(200, px(10))));
    let replace = |f: fn(&mut ReplaceRequest)| {
        let mut r = ReplaceRequest {
            client_order_id: id("r"),
            orig_client_order_id: id("a"),
            instrument: InstrumentRef::Known(InstrumentIndex(0)),
            side: Side::Buy,
            order_type: OrderType::Limit,
            price: px(10),
            quantity: Quantity(300),
        };
        f(&mut r);
        ClientRequest::Replace(r)
    };
    type Change = fn(&mut ReplaceRequest);
    let cases: [(Change, RejectReason); 8] = [
        (|r| r.side = Side::Sell, RejectReason::BadReplace),
        (
            |r| r.instrument = InstrumentRef::Known(InstrumentIndex(1)),
            RejectReason::BadReplace,
        ),
        (|r| r.quantity = Quantity(100), RejectReason::BadReplace),
        (|r| r.quantity = Quantity(301), RejectReason::Lot),
        (|r| r.price = px(12), RejectReason::PriceLimit),
        (
            |r| r.order_type = OrderType::Market,
            RejectReason::UnsupportedOrder,
        ),
        (
            |r| r.client_order_id = id("a"),
            RejectReason::DuplicateClientOrderId,
        ),
        (
            |r| r.orig_client_order_id = id("z"),
            RejectReason::UnknownOrder,
        ),
    ];
    for (change, reason) in cases {
        bench.client(0, replace(change), GOOD);
        assert!(bench.out.to_desk.is_empty());
        assert_eq!(bench.told_cancel_reject().reason, reason);
    }
    bench.client(1, replace(|_| ()), GOOD);
    assert_eq!(
        bench.told_cancel_reject().reason,
        RejectReason::UnknownOrder,
        "another session's"
    );
    bench.client(0, replace(|r| r.quantity = Quantity(200)), GOOD);
    let down = bench.out.to_desk.as_slice()[0].id;
    bench.report(report(down, DeskExec::Replaced));
    assert_eq!(
        (bench.told().status, bench.told().leaves),
        (S::Filled, Quantity(0))
    );
    assert_eq!(bench.risk.open_orders(), 0);
}

#[test]
fn a_replace_needs_the_difference_only() {
    let mut setup = Setup::default();
    setup.accounts[0].cash = money(3_000);
    let mut bench = setup.build();
    bench.accepted(NewOrder {
        quantity: Quantity(200),
        ..buy("a")
    });
    assert!(bench.replace("b", "a", px(10), 400).is_none());
    assert_eq!(bench.told_cancel_reject().reason, RejectReason::BuyingPower);
    assert!(bench.replace("c", "a", px(10), 300).is_some());
    assert_eq!(bench.refused(buy("d")), RejectReason::BuyingPower);
}

#[test]
fn status_of_every_name_of_the_chain_and_of_none() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    let replace = bench.replace("b", "a", px(10), 200).unwrap();
    bench.report(report(replace, DeskExec::Replaced));
    for name in ["a", "b"] {
        let told = bench.status(name);
        assert_eq!(
            (told.exec, told.order_id, told.quantity),
            (ClientExec::Status, order, Quantity(200))
        );
        assert_eq!(told.client_order_id, id("b"));
        let answer = ReportDetail::Answer {
            request_id: Text::cut(b"Q"),
            total: None,
            last: true,
        };
        assert_eq!(told.detail, answer);
    }
    assert_eq!(bench.status("a").orig_client_order_id, id("a"));
    let told = bench.status("z");
    assert_eq!(
        (told.status, told.reason),
        (S::Rejected, RejectReason::UnknownOrder)
    );
    assert_eq!(told.client_order_id, id("z"));
}

#[test]
fn exec_ids_are_unique_and_fit_ten_characters() {
    let mut bench = Setup::default().build();
    let mut seen = std::collections::HashSet::new();
    let order = bench.accepted(buy("a"));
    for _ in 0..10 {
        bench.report(report(order, DeskExec::New));
        let sequence = bench.told().exec_sequence;
        assert!(sequence < 1 << 59);
        assert_eq!(sequence >> 43, 3, "the epoch");
        assert!(seen.insert(sequence));
    }
}

#[test]
fn sessions_that_do_not_exist_get_nothing() {
    let mut bench = Setup::default().build();
    bench.client(9, ClientRequest::New(buy("a")), GOOD);
    assert!(bench.told_nothing() && bench.out.to_desk.is_empty());
    bench.client(9, ClientRequest::Lost, GOOD);
    assert_eq!(bench.risk.counters().unknown_sessions, 2);
}
