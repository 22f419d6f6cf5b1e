//! The running digest: equal after equal inputs, and another one soon after a row was changed by anything but an input.
//! Nothing is asked of it before the row had its turn.

use super::*;

/// Orders that are open, filled and cancelled.
fn traded() -> Bench {
    let mut bench = Setup::default().build();
    for at in 0..20 {
        let order = bench.accepted(buy(&format!("a{at}")));
        bench.report(report(order, DeskExec::New));
        if at % 2 == 0 {
            bench.report(report(order, fill(100, px(10))));
        }
    }
    bench
}

/// As many inputs as it takes until each row had its turn.
fn round(bench: &mut Bench) -> Digest {
    let rows = bench.risk.orders.requests().len() + bench.risk.executions.len();
    for _ in 0..rows * 8 {
        let request = ClientRequest::Status(StatusRequest {
            client_order_id: id("a1"),
            request_id: Text::EMPTY,
        });
        let input = FromClient {
            request,
            ..FromClient::default()
        };
        bench.out.clear();
        bench
            .risk
            .on_client(bench.now, &input, GOOD, &mut bench.out);
    }
    bench.risk.digest()
}

#[test]
fn a_row_that_changed_silently_is_seen_when_its_turn_comes() {
    let clean = round(&mut traded());
    assert_eq!(clean, round(&mut traded()), "nothing else has a part in it");
    type Change = (&'static str, fn(&mut Risk));
    let changes: [Change; 9] = [
        ("cash", |risk| risk.book.accounts[0].cash.0 ^= 1 << 40),
        ("reserve", |risk| risk.book.accounts[0].reserved.0 ^= 1 << 3),
        ("limit", |risk| risk.book.accounts[1].open_orders_max ^= 2),
        ("position", |risk| risk.book.positions[0].bought ^= 1 << 9),
        ("quantity", |risk| {
            risk.orders.order_mut(3).quantity.0 ^= 1 << 5
        }),
        ("filled", |risk| {
            risk.orders.order_mut(4).cumulated.0 ^= 1 << 60
        }),
        ("end", |risk| {
            risk.orders.order_mut(5).done = Some(OrderStatus::Expired)
        }),
        ("request", |risk| {
            risk.orders.request_mut(7).state = orders::RequestState::InDoubt
        }),
        ("trade", |risk| {
            risk.executions.set_booked(1, Quantity(7), px(10))
        }),
    ];
    for (what, change) in changes {
        let mut bench = traded();
        change(&mut bench.risk);
        let changed = round(&mut bench);
        assert_eq!(changed.inputs, clean.inputs);
        assert_ne!(changed.value, clean.value, "{what}");
    }
}
