//! Kills, mass cancels, lost sessions and mass status: bounded steps, everything covered, nothing else touched.
//!
//! After every step the invariants of the book are checked too.

use super::*;
use crate::domain::order::{DeskRequest, MassCancelRequest, MassScope, MassStatusRequest};
use crate::domain::report::{MassCancelReport, ReportDetail};

fn mass_cancel(name: &str, scope: MassScope, side: Option<Side>) -> ClientRequest {
    ClientRequest::MassCancel(MassCancelRequest {
        client_order_id: id(name),
        scope,
        side,
    })
}

fn mass_status(scope: MassScope) -> ClientRequest {
    ClientRequest::MassStatus(MassStatusRequest {
        request_id: Text::cut(b"M"),
        account: None,
        scope,
    })
}

fn of_instrument(at: u32) -> MassScope {
    MassScope::Instrument(InstrumentRef::Known(InstrumentIndex(at)))
}

/// Five orders of session 0 in two instruments and on both sides, one of session 1.
fn busy() -> (Bench, Vec<OrderId>) {
    let mut bench = Setup::default().build();
    let fund = |new: NewOrder| NewOrder {
        instrument: InstrumentRef::Known(InstrumentIndex(1)),
        ..new
    };
    let mut orders = vec![
        bench.accepted(buy("a")),
        bench.accepted(sell("b", 100)),
        bench.accepted(fund(buy("c"))),
        bench.accepted(sell("d", 100)),
        bench.accepted(fund(buy("e"))),
    ];
    bench.client(1, ClientRequest::New(buy("a")), GOOD);
    orders.push(bench.out.to_desk.as_slice()[0].id);
    (bench, orders)
}

fn originals(to_desk: &[ToDesk]) -> Vec<OrderId> {
    to_desk
        .iter()
        .map(|d| match d.request {
            DeskRequest::Cancel { original } => original,
            other => panic!("{other:?}"),
        })
        .collect()
}

fn mass_report(to_client: &[ToClient]) -> MassCancelReport {
    match to_client {
        [
            ToClient {
                output: ClientOutput::MassCancel(report),
                ..
            },
        ] => *report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn mass_cancel_of_everything_reports_first() {
    let (mut bench, orders) = busy();
    bench.client(0, mass_cancel("m", MassScope::All, None), GOOD);
    let report = mass_report(bench.out.to_client.as_slice());
    assert_eq!((report.affected, report.reason), (5, RejectReason::None));
    assert_ne!(report.order_id, OrderId::NONE);
    assert!(bench.out.to_desk.is_empty());
    let (to_desk, to_client) = bench.work();
    assert_eq!(originals(&to_desk), orders[..5]);
    assert!(to_client.is_empty());
    // What the desk cancels is reported without a ClOrdID that nobody sent.
    bench.report(report_of(to_desk[0].id));
    assert_eq!(bench.told().client_order_id, id("a"));
    assert_eq!(bench.told().orig_client_order_id, ClientOrderId::EMPTY);
    bench.client(0, mass_cancel("m", MassScope::All, None), GOOD);
    let report = mass_report(bench.out.to_client.as_slice());
    assert_eq!(report.reason, RejectReason::DuplicateClientOrderId);
}

fn report_of(id: OrderId) -> DeskReport {
    report(id, DeskExec::Cancelled)
}

#[test]
fn mass_cancel_by_instrument_and_side() {
    let (mut bench, orders) = busy();
    bench.client(
        0,
        mass_cancel("m", of_instrument(0), Some(Side::Sell)),
        GOOD,
    );
    assert!(bench.told_nothing());
    bench.client(0, mass_cancel("n", of_instrument(1), None), GOOD);
    let report = mass_report(bench.out.to_client.as_slice());
    assert_eq!(
        report.reason,
        RejectReason::AlreadyPending,
        "one walk at a time"
    );
    let (to_desk, to_client) = bench.work();
    assert_eq!(mass_report(&to_client).affected, 2);
    assert_eq!(originals(&to_desk), [orders[1], orders[3]]);
    let unknown = MassScope::Instrument(InstrumentRef::Unknown(Text::cut(b"X")));
    bench.client(0, mass_cancel("o", unknown, None), GOOD);
    let report = mass_report(bench.out.to_client.as_slice());
    assert_eq!(report.reason, RejectReason::UnknownInstrument);
}

#[test]
fn a_kill_reaches_its_scope_and_what_was_pending() {
    let (mut bench, orders) = busy();
    let replace = bench.replace("r", "a", px(10), 200).unwrap();
    let cancel = bench.cancel("x", "c").unwrap();
    let done = bench.command(RiskCommand::Kill(Scope::Account(AccountIndex(0))));
    assert_eq!((done.ticket, done.affected), (7, 6));
    let (to_desk, _) = bench.work();
    assert_eq!(
        originals(&to_desk),
        [orders[1], orders[3], orders[4], orders[5]]
    );
    // The replace resolves either way: then the cancel goes out, for the request that is live then.
    bench.report(report(replace, DeskExec::Replaced));
    let (to_desk, _) = bench.work();
    assert_eq!(originals(&to_desk), [replace]);
    // The client's own cancel is refused: the kill asks again.
    bench.cancel_reject(cancel, 2);
    let (to_desk, _) = bench.work();
    assert_eq!(originals(&to_desk), [orders[2]]);
    // The kill's own is refused: it is not repeated for ever, but again when a link comes back.
    bench.cancel_reject(to_desk[0].id, 2);
    assert!(bench.told_nothing() && !bench.risk.has_work());
    bench.desk(DeskInput::Link(LinkEvent::Ready));
    let (to_desk, _) = bench.work();
    assert_eq!(originals(&to_desk), [orders[2]]);
}

#[test]
fn a_kill_released_at_once_still_reaches_all_and_nothing_newer() {
    let (mut bench, orders) = busy();
    bench.command(RiskCommand::Kill(Scope::Instrument(InstrumentIndex(0))));
    bench.command(RiskCommand::Release(Scope::Instrument(InstrumentIndex(0))));
    bench.accepted(buy("new"));
    let (to_desk, _) = bench.work();
    assert_eq!(
        originals(&to_desk),
        [orders[0], orders[1], orders[3], orders[5]]
    );
}

#[test]
fn the_orders_of_a_lost_session_and_no_others() {
    let (mut bench, orders) = busy();
    bench.client(1, ClientRequest::Lost, GOOD);
    let (to_desk, _) = bench.work();
    assert_eq!(originals(&to_desk), [orders[5]]);
}

#[test]
fn orders_that_close_under_a_walk_do_not_derail_it() {
    let mut setup = Setup::default();
    setup.accounts[0].cash = money(1_000_000);
    let mut bench = setup.build();
    let orders: Vec<_> = (0..60)
        .map(|n| bench.accepted(buy(&format!("o{n}"))))
        .collect();
    bench.command(RiskCommand::Kill(Scope::Session(SessionIndex(0))));
    bench.out.clear();
    bench.risk.continue_work(bench.now, &mut bench.out);
    let first = originals(bench.out.to_desk.as_slice());
    assert_eq!(first, orders[..4]);
    // The cursor stands on the fifth.
    for &order in &orders[2..10] {
        bench.report(report(order, DeskExec::Cancelled));
    }
    let (to_desk, _) = bench.work();
    assert_eq!(originals(&to_desk), orders[10..]);
}

#[test]
fn sessions_take_turns() {
    let mut setup = Setup::default();
    setup.accounts[0].cash = money(1_000_000);
    let mut bench = setup.build();
    for n in 0..40 {
        bench.client(n % 2, ClientRequest::New(buy(&format!("o{n}"))), GOOD);
    }
    bench.command(RiskCommand::Kill(Scope::Firm));
    let (to_desk, _) = bench.work();
    let sessions: Vec<u32> = to_desk.iter().map(|d| d.session.0).collect();
    let turns: Vec<u32> = sessions.chunks(4).map(|c| c[0]).collect();
    assert_eq!(turns, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
}

fn answers(to_client: &[ToClient]) -> Vec<(String, u32, bool)> {
    to_client
        .iter()
        .map(|t| match t.output {
            ClientOutput::Report(ClientReport {
                client_order_id,
                detail:
                    ReportDetail::Answer {
                        request_id,
                        total,
                        last,
                    },
                ..
            }) => {
                assert_eq!(request_id, Text::cut(b"M"));
                (client_order_id.to_string(), total.expect("of many"), last)
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn mass_status_counts_marks_the_last_and_answers_when_there_is_none() {
    let (mut bench, _) = busy();
    bench.client(0, mass_status(MassScope::All), GOOD);
    assert!(bench.told_nothing());
    bench.client(0, mass_status(MassScope::All), GOOD);
    assert_eq!(bench.told().reason, RejectReason::AlreadyPending);
    let (to_desk, to_client) = bench.work();
    assert!(to_desk.is_empty());
    let names: Vec<_> = answers(&to_client).iter().map(|a| a.0.clone()).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert!(answers(&to_client).iter().all(|a| a.1 == 5));
    let last: Vec<_> = answers(&to_client).iter().map(|a| a.2).collect();
    assert_eq!(last, [false, false, false, false, true]);

    bench.client(0, mass_status(of_instrument(1)), GOOD);
    let (_, to_client) = bench.work();
    assert_eq!(
        answers(&to_client),
        [("c".into(), 2, false), ("e".into(), 2, true)]
    );

    bench.client(0, mass_status(of_instrument(2)), GOOD);
    let (_, to_client) = bench.work();
    assert_eq!(answers(&to_client), [("".into(), 0, true)]);
}

#[test]
fn the_last_of_a_mass_status_is_marked_though_orders_close_meanwhile() {
    let mut bench = Setup::default().build();
    let orders: Vec<_> = (0..20)
        .map(|n| bench.accepted(buy(&format!("o{n:02}"))))
        .collect();
    bench.client(0, mass_status(MassScope::All), GOOD);
    let mut told = Vec::new();
    while told.is_empty() {
        bench.out.clear();
        bench.risk.continue_work(bench.now, &mut bench.out);
        told.extend_from_slice(bench.out.to_client.as_slice());
    }
    for &order in &orders[3..] {
        bench.report(report(order, DeskExec::Cancelled));
    }
    told.extend(bench.work().1);
    let last: Vec<_> = answers(&told).iter().map(|a| a.2).collect();
    assert!(last[last.len() - 1] && !last[..last.len() - 1].contains(&true));
}

#[test]
fn a_kills_cancel_that_was_too_late_is_repeated_where_the_trade_is_taken_back() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    bench.report(report(order, DeskExec::New));
    bench.command(RiskCommand::Kill(Scope::Firm));
    let first = bench.work().0;
    bench.report(report(order, fill(100, px(10))));
    let exec_ref_id = bench.last_exec_id();
    // On another link: what makes the order work again comes before the answer to the cancel.
    bench.report(DeskReport {
        exec_ref_id,
        leaves: Quantity(100),
        ..report(order, DeskExec::TradeCancel)
    });
    assert_eq!(bench.risk.open_orders(), 1);
    bench.cancel_reject(first[0].id, 0);
    let again = bench.work().0;
    assert_eq!(again.len(), 1, "the order is open, and killed");
    bench.cancel_reject(again[0].id, 0);
    assert!(bench.work().0.is_empty(), "not for ever");
    // Filled and taken back once more: it is another matter.
    bench.report(report(order, fill(100, px(10))));
    let exec_ref_id = bench.last_exec_id();
    bench.report(DeskReport {
        exec_ref_id,
        leaves: Quantity(100),
        ..report(order, DeskExec::TradeCancel)
    });
    for more in [true, true, false] {
        let cancels = bench.work().0;
        assert_eq!(cancels.len(), usize::from(more));
        cancels
            .iter()
            .for_each(|cancel| bench.cancel_reject(cancel.id, 0));
    }
}

#[test]
fn a_kills_cancel_that_found_no_room_goes_out_again_when_the_desk_has_answered() {
    let mut bench = Setup::default().build();
    let order = bench.accepted(buy("a"));
    let other = bench.accepted(buy("b"));
    bench.report(report(order, DeskExec::New));
    bench.command(RiskCommand::Kill(Scope::Firm));
    let cancels = bench.work().0;
    assert_eq!(cancels.len(), 2);
    for cancel in cancels {
        bench.desk(DeskInput::Refused {
            id: cancel.id,
            reason: RejectReason::Pressure,
            text: DeskText::EMPTY,
        });
    }
    assert!(bench.work().0.is_empty(), "nothing has changed there");
    // Each answer makes room for one, in their order.
    for (first, order) in [(true, order), (false, other)] {
        bench.report(report(other, DeskExec::Restated));
        let cancels = bench.work().0;
        assert_eq!(cancels.len(), 1, "{first}");
        assert_eq!(cancels[0].request, DeskRequest::Cancel { original: order });
    }
    bench.report(report(other, DeskExec::Restated));
    assert!(bench.work().0.is_empty(), "they are under way");
}

#[test]
fn cancels_that_find_no_room_take_no_capacity_and_wait_for_their_own_desk() {
    let mut bench = Setup::default().build();
    let mut stuck = Vec::new();
    for name in ["a", "b", "c"] {
        let order = bench.accepted(buy(name));
        bench.report(report(order, DeskExec::New));
        stuck.push(order);
    }
    let busy = bench.accepted(NewOrder {
        account: AccountRef::Known(AccountIndex(1)),
        ..buy("d")
    });
    bench.command(RiskCommand::Kill(Scope::Account(AccountIndex(0))));
    let refuse = |bench: &mut Bench, id| {
        bench.desk(DeskInput::Refused {
            id,
            reason: RejectReason::Pressure,
            text: DeskText::EMPTY,
        });
    };
    let mut ids: Vec<_> = bench.work().0.iter().map(|cancel| cancel.id).collect();
    assert_eq!(ids.len(), 3);
    ids.iter().for_each(|id| refuse(&mut bench, *id));
    let used = bench.risk.requests_used();
    // Another desk's answers make no room here.
    for _ in 0..5 {
        bench.report(report(busy, DeskExec::Restated));
        assert!(bench.work().0.is_empty());
    }
    // The desk answers, and somebody else is faster: one attempt for each answer, in turn, under ids of their own.
    for at in 0..12 {
        bench.report(report(stuck[0], DeskExec::Restated));
        let cancels = bench.work().0;
        let original = stuck[at % 3];
        assert_eq!(cancels.len(), 1);
        assert_eq!(cancels[0].request, DeskRequest::Cancel { original });
        assert!(!ids.contains(&cancels[0].id));
        ids.push(cancels[0].id);
        refuse(&mut bench, cancels[0].id);
        // Told twice, or late: it is of an attempt that is over.
        refuse(&mut bench, ids[at]);
    }
    assert_eq!(bench.risk.requests_used(), used);
    // A link that is ready has room for all of them.
    bench.desk(DeskInput::Link(LinkEvent::Ready));
    let cancels = bench.work().0;
    assert_eq!(cancels.len(), 3);
    for (cancel, order) in cancels.iter().zip(&stuck) {
        assert_eq!(cancel.request, DeskRequest::Cancel { original: *order });
        bench.report(report(cancel.id, DeskExec::Cancelled));
        assert!(bench.work().0.is_empty());
    }
    assert_eq!(bench.risk.open_orders(), 1);
    assert_eq!(bench.risk.requests_used(), used);
}
