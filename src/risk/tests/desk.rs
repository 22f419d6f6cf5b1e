//! Desks that misbehave, repeat themselves, take back, or go silent: what is booked and what the client hears.
//!
//! After every input the invariants of the book are checked too.

use super::*;
use crate::domain::command::{RiskCommand, Scope};
use crate::domain::report::{ClientExec, ReportDetail};
use OrderStatus as S;

#[test]
fn the_same_exec_id_is_booked_and_forwarded_once() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(NewOrder {
        quantity: Quantity(300),
        ..buy("a")
    });
    bench.report(report(order, fill(100, px(10))));
    let mut again = report(order, fill(100, px(10)));
    again.exec_id = bench.last_exec_id();
    bench.desk(DeskInput::Report(again));
    assert!(bench.told_nothing());
    assert_eq!(bench.cash(), money(99_000));
    assert_eq!(bench.risk.counters().duplicates, 1);
    // The same ExecID on another order is another execution.
    let other = bench.accepted(buy("b"));
    again.id = other;
    bench.desk(DeskInput::Report(again));
    assert_eq!(bench.told().status, S::Filled);
}

#[test]
fn strangers_are_counted_and_dropped() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    let strangers = [
        OrderId::NONE,
        OrderId::new(order.epoch() + 1, order.generation(), order.slot()),
        OrderId::new(order.epoch(), order.generation() + 1, order.slot()),
        OrderId::new(order.epoch(), order.generation(), order.slot() + 1),
        OrderId::new(order.epoch(), order.generation(), (1 << 28) - 1),
    ];
    for stranger in strangers {
        bench.report(report(stranger, fill(100, px(10))));
        bench.cancel_reject(stranger, 0);
        bench.desk(DeskInput::InDoubt { id: stranger });
        assert!(bench.told_nothing());
    }
    assert_eq!(bench.risk.counters().unmatched, 3 * strangers.len() as u64);
    assert_eq!(bench.cash(), money(100_000));
}

#[test]
fn numbers_outside_every_limit_are_not_booked() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    for exec in [
        fill(0, px(10)),
        fill(u64::MAX, px(10)),
        fill(1, Price(-1)),
        fill(1, Price(i64::MAX)),
    ] {
        bench.report(report(order, exec));
        assert!(bench.told_nothing());
    }
    assert_eq!(bench.risk.counters().malformed, 4);
    assert_eq!(bench.cash(), money(100_000));
}

#[test]
fn an_overfill_and_a_late_fill_are_real() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.report(report(order, fill(150, px(10))));
    let told = bench.told();
    assert_eq!(
        (told.status, told.cumulated, told.leaves),
        (S::Filled, Quantity(150), Quantity(0))
    );
    assert_eq!(bench.cash(), money(98_500));
    assert_eq!(bench.risk.counters().overfills, 1);

    let order = bench.accepted(NewOrder {
        quantity: Quantity(300),
        ..buy("b")
    });
    bench.report(report(order, DeskExec::Cancelled));
    bench.report(report(order, fill(100, px(10))));
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status, told.cumulated),
        (ClientExec::Trade, S::Cancelled, Quantity(100))
    );
    assert_eq!(bench.cash(), money(97_500));
    bench.report(report(order, fill(200, px(10))));
    assert_eq!(bench.told().status, S::Filled);
    assert_eq!(bench.risk.counters().late_fills, 2);
    assert_eq!(bench.reserved(), Money::ZERO);
}

#[test]
fn a_trade_taken_back_unwinds_the_book() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.report(report(order, fill(100, px(10))));
    let first = bench.told().exec_sequence;
    let mut bust = report(order, DeskExec::TradeCancel);
    bust.exec_ref_id = bench.last_exec_id();
    bust.status = S::New;
    bust.leaves = Quantity(100);
    bench.report(bust);
    let told = bench.told();
    assert_eq!(
        (told.exec, told.exec_ref_sequence),
        (ClientExec::TradeCancel, first)
    );
    assert_eq!(
        (told.status, told.cumulated, told.leaves),
        (S::New, Quantity(0), Quantity(100))
    );
    assert_eq!(told.average_price, Price::ZERO);
    assert_eq!(
        (bench.cash(), bench.reserved()),
        (money(100_000), money(1_000))
    );
    assert_eq!(
        bench.risk.open_orders(),
        1,
        "it works again, as the desk says"
    );
    // Twice is once.
    bench.report(bust);
    assert_eq!(bench.cash(), money(100_000));
    assert_eq!(bench.risk.counters().unknown_references, 1);
    assert_eq!(
        bench.told().exec,
        ClientExec::TradeCancel,
        "forwarded as it is"
    );
    // Where the desk says that nothing is left, the rest is cancelled.
    bench.report(report(order, fill(100, px(10))));
    bust.exec_ref_id = bench.last_exec_id();
    bust.status = S::Cancelled;
    bust.leaves = Quantity::ZERO;
    bench.report(bust);
    assert_eq!(
        (bench.told().status, bench.told().leaves),
        (S::Cancelled, Quantity(0))
    );
    assert_eq!(
        (bench.cash(), bench.reserved()),
        (money(100_000), Money::ZERO)
    );
}

#[test]
fn a_correction_and_a_correction_of_it() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(NewOrder {
        quantity: Quantity(300),
        ..buy("a")
    });
    bench.report(report(order, fill(100, px(10))));
    let original = bench.last_exec_id();
    let correct = |reference, quantity, price| DeskReport {
        exec_ref_id: reference,
        ..report(
            order,
            DeskExec::TradeCorrect {
                quantity: Quantity(quantity),
                price,
            },
        )
    };
    bench.report(correct(original, 200, px(9)));
    let corrected = bench.last_exec_id();
    let told = bench.told();
    assert_eq!(
        (told.exec, told.cumulated, told.leaves),
        (ClientExec::TradeCorrect, Quantity(200), Quantity(100))
    );
    assert_eq!((told.average_price, told.last_price), (px(9), px(9)));
    assert_eq!(
        (bench.cash(), bench.reserved()),
        (money(98_200), money(1_000))
    );
    // Both names mean the trade as it is now.
    bench.report(correct(original, 100, px(9)));
    assert_eq!(bench.cash(), money(99_100));
    bench.report(correct(corrected, 300, px(10)));
    assert_eq!(
        (bench.told().status, bench.cash()),
        (S::Filled, money(97_000))
    );
    assert_eq!(bench.risk.counters().trades_undone, 3);
    // A trade that was never seen is as real as its correction says.
    bench.report(correct(ExecId::cut(b"never"), 5, px(1)));
    assert_eq!(bench.risk.counters().unknown_references, 1);
    assert_eq!(bench.cash(), money(96_995));
}

#[test]
fn a_cancel_may_overtake_what_takes_the_fill_back_on_another_link() {
    let mut bench = Setup::default().build();
    let id = bench.accepted(buy("a"));
    bench.report(report(id, fill(100, px(10))));
    let filled = bench.last_exec_id();
    assert_eq!(bench.told().status, OrderStatus::Filled);
    bench.report(report(id, DeskExec::Cancelled));
    bench.report(DeskReport {
        exec_ref_id: filled,
        status: OrderStatus::New,
        leaves: Quantity(100),
        ..report(id, DeskExec::TradeCancel)
    });
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status),
        (ClientExec::TradeCancel, OrderStatus::Cancelled)
    );
    assert_eq!(
        (told.cumulated, told.leaves),
        (Quantity::ZERO, Quantity::ZERO)
    );
    assert_eq!(bench.risk.open_orders(), 0);
    assert_eq!(
        (bench.cash(), bench.reserved()),
        (money(100_000), Money::ZERO)
    );
}

#[test]
fn what_a_desk_ended_stays_ended_whatever_comes_late_over_another_link() {
    let open_again = |id, trade| DeskReport {
        exec_ref_id: trade,
        status: OrderStatus::New,
        leaves: Quantity(100),
        ..report(id, DeskExec::TradeCancel)
    };
    // End, then the fill, then what takes it back.
    let mut bench = Setup::default().build();
    let id = bench.accepted(buy("a"));
    bench.report(report(id, DeskExec::Expired));
    bench.report(report(id, fill(100, px(10))));
    let late = bench.last_exec_id();
    assert_eq!(bench.told().status, OrderStatus::Filled);
    bench.report(open_again(id, late));
    assert_eq!(bench.told().status, OrderStatus::Expired);
    assert_eq!(bench.risk.open_orders(), 0);

    // Fill and end of the replaced order, then the replace; and the client's cancel is answered although the order counts as filled.
    let mut bench = Setup::default().build();
    let id = bench.accepted(buy("a"));
    let larger = bench.replace("b", "a", px(10), 300).unwrap();
    bench.report(report(id, fill(100, px(10))));
    assert_eq!(bench.told().status, OrderStatus::Filled);
    bench.report(report(larger, DeskExec::Cancelled));
    assert!(bench.told_nothing());
    bench.report(report(larger, DeskExec::Replaced));
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status, told.quantity, told.leaves),
        (
            ClientExec::Replaced,
            OrderStatus::Cancelled,
            Quantity(300),
            Quantity::ZERO
        )
    );
    assert_eq!(
        (bench.risk.open_orders(), bench.reserved()),
        (0, Money::ZERO)
    );
    bench.risk.check_invariants().unwrap();
}

#[test]
fn a_cancel_that_the_desk_granted_is_answered_although_the_order_counts_as_filled() {
    let mut bench = Setup::default().build();
    let id = bench.accepted(buy("a"));
    let cancel = bench.cancel("b", "a").unwrap();
    bench.report(report(id, fill(100, px(10))));
    bench.report(report(cancel, DeskExec::Cancelled));
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status, told.client_order_id.as_bytes()),
        (ClientExec::Cancelled, OrderStatus::Filled, &b"b"[..])
    );
}

#[test]
fn what_undoes_a_trade_may_overtake_it_on_another_link() {
    let late = ExecId::cut(b"late");
    let trade = |order| DeskReport {
        exec_id: late,
        ..report(order, fill(100, px(10)))
    };
    let undo = |order, exec| DeskReport {
        exec_ref_id: late,
        ..report(order, exec)
    };
    let order = |bench: &mut Bench| {
        bench.accepted(NewOrder {
            quantity: Quantity(300),
            ..buy("a")
        })
    };
    let mut bench = Setup::default().build();
    let id = order(&mut bench);
    bench.report(undo(id, DeskExec::TradeCancel));
    bench.desk(DeskInput::Report(trade(id)));
    assert_eq!(bench.cash(), money(100_000), "it never was");
    assert_eq!(bench.risk.counters().duplicates, 1);

    let mut bench = Setup::default().build();
    let id = order(&mut bench);
    let (quantity, price) = (Quantity(100), px(9));
    bench.report(undo(id, DeskExec::TradeCorrect { quantity, price }));
    let told = bench.told();
    assert_eq!((told.exec, told.cumulated), (ClientExec::Trade, quantity));
    bench.desk(DeskInput::Report(trade(id)));
    assert_eq!(bench.cash(), money(99_100), "once, and as corrected");
    bench.report(undo(id, DeskExec::TradeCancel));
    assert_eq!(bench.cash(), money(100_000), "under either name");
}

#[test]
fn sells_bring_cash_and_take_position() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(sell("a", 1_000));
    bench.report(report(order, fill(400, px(10))));
    assert_eq!(bench.cash(), money(104_000));
    let row = *bench
        .risk
        .position(AccountIndex(0), InstrumentIndex(0))
        .unwrap();
    assert_eq!(
        (row.sold, row.reserved, row.sellable(false)),
        (400, 600, 32)
    );
    bench.report(report(order, DeskExec::Expired));
    assert_eq!(
        (bench.told().exec, bench.told().status),
        (ClientExec::Expired, S::Expired)
    );
    let row = *bench
        .risk
        .position(AccountIndex(0), InstrumentIndex(0))
        .unwrap();
    assert_eq!((row.reserved, row.sellable(false)), (0, 632));
}

#[test]
fn what_is_bought_today_is_sold_today_only_where_that_is_allowed() {
    for (instrument, good) in [(0, false), (1, true)] {
        let mut bench = Setup::default().build();
        let on = |new: NewOrder| NewOrder {
            account: AccountRef::Known(AccountIndex(1)),
            instrument: InstrumentRef::Known(InstrumentIndex(instrument)),
            ..new
        };
        let order = bench.accepted(on(buy("a")));
        bench.report(report(order, fill(100, px(10))));
        bench.new_order(on(sell("b", 100)));
        assert_eq!(!bench.out.to_desk.is_empty(), good);
    }
}

#[test]
fn rejects_ends_and_restatements() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    let text = DeskText::cut(b"closed");
    bench.report(DeskReport {
        text,
        ..report(order, DeskExec::Rejected)
    });
    let told = bench.told();
    assert_eq!(
        (told.exec, told.status, told.reason),
        (
            ClientExec::Rejected,
            S::Rejected,
            RejectReason::DeskRejected
        )
    );
    assert_eq!(
        (told.detail, told.order_id),
        (ReportDetail::Desk(text), order)
    );
    bench.report(report(order, DeskExec::Cancelled));
    assert!(bench.told_nothing(), "it is done already");
    assert_eq!(bench.risk.counters().after_done, 1);

    let order = bench.accepted(buy("b"));
    bench.report(report(order, DeskExec::DoneForDay));
    assert_eq!(
        (bench.told().exec, bench.told().status),
        (ClientExec::DoneForDay, S::DoneForDay)
    );

    let order = bench.accepted(NewOrder {
        quantity: Quantity(300),
        ..buy("c")
    });
    bench.report(DeskReport {
        quantity: Quantity(200),
        price: px(9),
        ..report(order, DeskExec::Restated)
    });
    let told = bench.told();
    assert_eq!(
        (told.exec, told.quantity, told.price, told.leaves),
        (ClientExec::Restated, Quantity(200), px(9), Quantity(200))
    );
    assert_eq!(bench.reserved(), money(1_800));
    // Replaced without a replace is a restatement.
    bench.report(DeskReport {
        quantity: Quantity(100),
        ..report(order, DeskExec::Replaced)
    });
    assert_eq!(
        (bench.told().exec, bench.reserved()),
        (ClientExec::Restated, money(900))
    );
}

#[test]
fn a_replace_rejected_by_an_execution_report() {
    let mut bench = Setup::default().build();
    bench.accepted(buy("a"));
    let replace = bench.replace("b", "a", px(10), 200).unwrap();
    bench.report(report(replace, DeskExec::Rejected));
    let reject = bench.told_cancel_reject();
    assert_eq!((reject.client_order_id, reject.to_replace), (id("b"), true));
    assert_eq!(bench.reserved(), money(1_000));
}

#[test]
fn what_never_left_is_told_with_the_reason() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    let refused = |id, reason| DeskInput::Refused {
        id,
        reason,
        text: DeskText::EMPTY,
    };
    bench.desk(refused(order, RejectReason::NoDesk));
    let told = bench.told();
    assert_eq!(
        (told.exec, told.reason, told.order_id),
        (ClientExec::Rejected, RejectReason::NoDesk, order)
    );
    assert_eq!(bench.reserved(), Money::ZERO);
    let order = bench.accepted(buy("b"));
    let replace = bench.replace("c", "b", px(10), 300).unwrap();
    bench.desk(refused(replace, RejectReason::Killed));
    assert_eq!(bench.told_cancel_reject().reason, RejectReason::Killed);
    assert_eq!(bench.reserved(), money(1_000));
    // The desk knows it: it cannot have stayed here.
    bench.report(report(order, DeskExec::New));
    bench.desk(refused(order, RejectReason::NoDesk));
    assert!(bench.told_nothing());
    assert_eq!(bench.risk.open_orders(), 1);
}

#[test]
fn doubt_keeps_the_reserve_and_is_said_only_when_asked() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.desk(DeskInput::InDoubt { id: order });
    assert!(bench.told_nothing());
    assert_eq!(bench.reserved(), money(1_000));
    let told = bench.status("a");
    assert_eq!(
        (told.exec, told.status, told.reason),
        (ClientExec::Status, S::PendingNew, RejectReason::InDoubt)
    );
    assert!(bench.replace("r", "a", px(10), 200).is_none());
    assert!(bench.cancel("c", "a").is_some());
    bench.report(report(order, DeskExec::New));
    assert_eq!(bench.status("a").reason, RejectReason::None);
    bench.desk(DeskInput::InDoubt { id: order });
    assert_eq!(
        bench.status("a").reason,
        RejectReason::None,
        "it was answered"
    );
}

#[test]
fn an_answer_to_a_question_is_adopted_only_in_doubt() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    let answer = |status, cumulated| DeskReport {
        status,
        cumulated: Quantity(cumulated),
        ..report(order, DeskExec::Status)
    };
    bench.report(answer(S::Cancelled, 0));
    assert!(bench.told_nothing());
    bench.desk(DeskInput::InDoubt { id: order });
    bench.report(answer(S::PartiallyFilled, 50));
    assert!(bench.told_nothing());
    assert_eq!(bench.risk.counters().status_gaps, 1);
    bench.report(answer(S::New, 0));
    assert_eq!(bench.told().exec, ClientExec::New);
    assert_eq!(bench.status("a").reason, RejectReason::None);

    let order = bench.accepted(buy("b"));
    bench.desk(DeskInput::InDoubt { id: order });
    bench.report(DeskReport {
        status: S::Cancelled,
        ..report(order, DeskExec::Status)
    });
    assert_eq!(
        (bench.told().exec, bench.told().status),
        (ClientExec::Cancelled, S::Cancelled)
    );
}

#[test]
fn without_room_to_remember_a_fill_is_still_booked_once() {
    let mut bench = Setup {
        executions_max: 2,
        ..Setup::default()
    }
    .build();
    let order = bench.accepted(NewOrder {
        quantity: Quantity(300),
        ..buy("a")
    });
    bench.report(report(order, DeskExec::New));
    bench.report(report(order, DeskExec::New));
    let first = DeskReport {
        cumulated: Quantity(100),
        ..report(order, fill(100, px(10)))
    };
    bench.report(first);
    assert_eq!(bench.told().cumulated, Quantity(100));
    bench.report(first);
    assert!(bench.told_nothing(), "it does not raise what is filled");
    assert_eq!(bench.cash(), money(99_000));
    assert_eq!(bench.risk.counters().unrecorded, 2);
}

#[test]
fn a_cancel_that_a_kill_wants_is_sent_again_when_it_is_in_doubt() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.report(report(order, DeskExec::New));
    bench.command(RiskCommand::Kill(Scope::Firm));
    let first = bench.work().0;
    assert_eq!(first.len(), 1);
    // Its link is lost, another one is up: no link becomes ready.
    bench.desk(DeskInput::InDoubt { id: first[0].id });
    let again = bench.work().0;
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].id, first[0].id);
}

#[test]
fn a_clients_cancel_in_doubt_does_not_protect_its_order_from_a_kill() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.report(report(order, DeskExec::New));
    let cancel = bench.cancel("c", "a").unwrap();
    bench.desk(DeskInput::InDoubt { id: cancel });
    assert!(bench.work().0.is_empty(), "nobody has asked");
    bench.command(RiskCommand::Kill(Scope::Firm));
    let sent = bench.work().0;
    assert_eq!(sent.len(), 1);
    bench.report(report(sent[0].id, DeskExec::Cancelled));
    let told = bench.told();
    assert_eq!(told.exec, ClientExec::Cancelled);
    assert_eq!(told.client_order_id, id("c"));
    assert_eq!(told.orig_client_order_id, id("a"));
}

#[test]
fn a_kills_cancel_that_overtook_its_order_is_repeated_once() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.command(RiskCommand::Kill(Scope::Firm));
    let early = bench.work().0;
    bench.cancel_reject(early[0].id, 1);
    assert!(bench.work().0.is_empty());
    bench.report(report(order, DeskExec::New));
    let again = bench.work().0;
    assert_eq!(again.len(), 1, "the desk has it now");
    bench.cancel_reject(again[0].id, 1);
    let last = bench.work().0;
    assert_eq!(last.len(), 1);
    bench.cancel_reject(last[0].id, 1);
    assert!(bench.work().0.is_empty(), "not for ever");
}
