//! The way of an order from a client's socket to a desk's and back, in FIX 4.2 and 4.4: what each report says, field by field, and
//! what the book makes of it, seen through what the next order may still do.

mod support;

use gatehouse::config::plan::Plan;
use gatehouse::domain::{Money, Quantity};
use support::{Client, Desk, Fix, World, combinations};

/// Cash of every account where money matters: 1,000 shares at 10.
const CASH: i128 = 10_000;

/// One expectation per version.
fn by(client: &Client, fix_44: &str, fix_42: &str) -> String {
    let version = if client.is_42() { fix_42 } else { fix_44 };
    version.to_owned()
}

/// Fields that a report of an event has in 4.2 only.
fn event(client: &Client) -> String {
    by(client, "20=-", "20=0")
}

fn poor(plan: &mut Plan) {
    for account in &mut plan.accounts {
        account.cash = Money(CASH * 100_000_000);
    }
    for position in &mut plan.positions {
        position.sellable = Quantity(100);
    }
}

/// Runs it for a client of each version.
fn for_each_version(world: &mut World, story: impl Fn(&mut Client, &mut Desk)) {
    for session in 0..2 {
        let mut client = world.client(session);
        story(&mut client, world.desk());
        client.log_out();
    }
}

/// An order that the desk has accepted.
fn open_order(client: &mut Client, desk: &mut Desk, id: &str, changes: &str) -> Fix {
    client.order(id, changes);
    let request = desk.request("D");
    desk.report(&request, "");
    client.report(&format!("11={id} 150=0 39=0"));
    request
}

#[test]
fn an_order_is_acknowledged_and_filled_in_parts() {
    for (io, layout) in combinations() {
        let mut world = World::start(|sample| (sample.io, sample.layout) = (io, layout));
        for_each_version(&mut world, |client, desk| {
            let account = client.account.clone();
            client.order("a1", "44=10.25");
            let request = desk.request("D");
            request.is(&format!(
                "1={account} 55=SYM1 54=1 38=100 40=2 44=10.25 59=0 43=- 41=-"
            ));
            assert!(request.get(11).len() <= 10, "{request:?}");
            let order = format!("11=a1 1={account} 55=SYM1 54=1 38=100 40=2 44=10.25 59=0 41=-");
            desk.report(&request, "");
            let accepted = client.report(&order);
            accepted.is("150=0 39=0 14=0 151=100 6=0 31=- 32=- 103=- 58=- 19=-");
            accepted.is(&event(client));

            desk.fill(&request, 40, "10.2", 40, 60);
            let part = client.report(&order);
            part.is("39=1 32=40 31=10.2 14=40 151=60 6=10.2 19=-");
            part.is(&by(client, "150=F 20=-", "150=1 20=0"));
            desk.fill(&request, 60, "10.25", 100, 0);
            let whole = client.report(&order);
            whole.is("39=2 32=60 31=10.25 14=100 151=0 6=10.23");
            whole.is(&by(client, "150=F 20=-", "150=2 20=0"));

            assert!(accepted.get(37).len() <= 10, "{accepted:?}");
            for report in [&part, &whole] {
                assert_eq!(report.get(37), accepted.get(37), "OrderID is stable");
            }
            let ids = [accepted.get(17), part.get(17), whole.get(17)];
            assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
            let late = "11=c1 41=a1 39=2 102=0 434=1";
            client.cancel("c1", "a1");
            let refused = client.conn.expect("9");
            refused.is(late);
            assert_eq!(refused.get(58), "Too late: the order is done");
        });
    }
}

#[test]
fn the_desk_and_the_gateway_reject_in_the_words_of_the_version() {
    let mut world = World::start(|_| {});
    for_each_version(&mut world, |client, desk| {
        client.order("r1", "");
        let request = desk.request("D");
        desk.report(&request, "150=8 39=8 151=0 103=99 58=Closed");
        let rejected = client.report("11=r1 150=8 39=8 14=0 151=0 58=Closed");
        rejected.is(&by(client, "103=99 20=-", "103=0 20=0"));

        client.order("r2", "1=NOBODY");
        client
            .report("11=r2 1=NOBODY 150=8 39=8 14=0 151=0 37=NONE")
            .is(&by(client, "103=15 20=-", "103=0 20=0"));
        client.order("r3", "55=NOTHING");
        client.report("11=r3 55=NOTHING 150=8 39=8 14=0 151=0 37=NONE 103=1");
        // An account of somebody else.
        let foreign = by(client, "1=A2", "1=A1");
        client.order("r4", &foreign);
        client
            .report("11=r4 150=8 39=8 37=NONE")
            .is(&by(client, "103=15", "103=0"));

        // Used before, by an order that was rejected by the desk: still used.
        client.order("r1", "");
        client.report("11=r1 150=8 39=8 103=6 37=NONE");
        open_order(client, desk, "r5", "");
        client.order("r5", "");
        client.report("11=r5 150=8 39=8 103=6 37=NONE");
        // PossResend of what is known is answered with its state, and never sent again.
        let fields = client.order_fields("r5", "");
        client.conn.send_with("D", "97=Y", &fields);
        client
            .report("11=r5 39=0 14=0 151=100")
            .is(&by(client, "150=I 20=-", "150=0 20=3"));
        // PossResend of what is not known is an order.
        let fields = client.order_fields("r6", "38=7");
        client.conn.send_with("D", "97=Y", &fields);
        let request = desk.request("D");
        request.is("38=7");
        desk.report(&request, "");
        client.report("11=r6 150=0 39=0 38=7");
    });
}

#[test]
fn an_order_without_an_account_is_for_the_only_one() {
    for accounts in [2, 4] {
        let mut world = World::start(|sample| sample.accounts = accounts);
        for_each_version(&mut world, |client, desk| {
            client.order("m1", "1=-");
            if accounts == 2 {
                desk.request("D").is(&format!("1={}", client.account));
            } else {
                // It may use two: which one is meant?
                let number = client.conn.next_out - 1;
                let reject = client.conn.expect("j");
                reject.is(&format!("45={number} 372=D 379=m1 380=5"));
            }
        });
    }
}

#[test]
fn cancels_are_done_refused_or_come_unasked() {
    let mut world = World::start(|_| {});
    for_each_version(&mut world, |client, desk| {
        let order = open_order(client, desk, "a1", "");
        client.cancel("c1", "a1");
        let cancel = desk.request("F");
        cancel.is(&format!("41={} 55=SYM1 54=1", order.get(11)));
        assert_ne!(cancel.get(11), order.get(11));
        // While it is on its way, another one is refused.
        client.cancel("c2", "a1");
        client.conn.expect("9").is("11=c2 41=a1 102=3 434=1 39=0");
        desk.report(&cancel, "150=6 39=6");
        client.report("11=c1 41=a1 150=6 39=6 151=100");
        let original = format!("41={}", order.get(11));
        desk.report(&cancel, &format!("{original} 150=4 39=4 151=0"));
        client
            .report("11=c1 41=a1 150=4 39=4 14=0 151=0 38=100")
            .is(&event(client));
        client.cancel("c3", "a1");
        client.conn.expect("9").is("11=c3 41=a1 102=0 434=1 39=4");

        let order = open_order(client, desk, "a2", "");
        client.cancel("c4", "a2");
        let cancel = desk.request("F");
        desk.refuse_cancel(&cancel, "102=0 58=Matched");
        let refused = client.conn.expect("9");
        refused.is("11=c4 41=a2 39=0 102=0 434=1 58=Matched");
        // The order works on.
        desk.fill(&order, 30, "10", 30, 70);
        client.report("11=a2 39=1 14=30 151=70");
        client.cancel("c5", "a2");
        let cancel = desk.request("F");
        desk.report(&cancel, "150=4 39=4 14=30 151=0");
        client.report("11=c5 41=a2 150=4 39=4 14=30 151=0");

        let order = open_order(client, desk, "a3", "");
        desk.report(&order, "150=4 39=4 151=0 58=Halted");
        client.report("11=a3 41=- 150=4 39=4 14=0 151=0 58=Halted");

        client.cancel("c6", "nothing");
        let refused = client.conn.expect("9");
        refused.is("11=c6 41=nothing 37=NONE 39=8 102=1 434=1");
        open_order(client, desk, "a4", "");
        client.cancel("c4", "a4");
        let refused = client.conn.expect("9");
        refused.is("11=c4 41=a4 39=0 434=1");
        refused.is(&by(client, "102=6", "102=2"));
    });
}

#[test]
fn a_replace_reserves_the_larger_until_it_is_resolved() {
    let mut world = World::with(1, |_| {}, poor);
    let funds = "Insufficient buying power";
    for_each_version(&mut world, |client, desk| {
        // 5,000 of 10,000.
        let order = open_order(client, desk, "a1", "38=500");
        client.replace("a2", "a1", "38=900");
        let replace = desk.request("G");
        replace.is(&format!("41={} 38=900 44=10 40=2", order.get(11)));
        client.refused("x1", "38=200", funds);
        client.replace("x2", "a1", "38=100");
        client.conn.expect("9").is("11=x2 41=a1 102=3 434=2");
        desk.refuse_cancel(&replace, "102=2 58=No");
        let refused = client.conn.expect("9");
        refused.is("11=a2 41=a1 39=0 102=2 434=2 58=No");
        // 5,000 again: 400 fit beside it, 600 do not.
        client.refused("x3", "38=600", funds);
        let other = open_order(client, desk, "b1", "38=400");
        desk.report(&other, "150=4 39=4 151=0");
        client.report("11=b1 150=4 39=4");

        // Smaller: the old one counts until the desk has said yes.
        client.replace("a3", "a1", "38=100 44=9");
        let replace = desk.request("G");
        client.refused("x4", "38=600", funds);
        let original = order.get(11);
        desk.report(&replace, &format!("41={original} 150=E 39=E"));
        client.report("11=a3 41=a1 150=E 39=E 151=500");
        desk.report(&replace, &format!("41={original} 150=5 39=0"));
        let replaced = client.report("11=a3 41=a1 150=5 39=0 38=100 44=9 14=0 151=100");
        replaced.is(&event(client));
        client.refused("x5", "38=911", funds);
        let other = open_order(client, desk, "b2", "38=910");
        desk.report(&other, "150=4 39=4 151=0");
        client.report("11=b2 150=4 39=4");

        // OrderQty counts what is filled; the chain goes on from the last ClOrdID.
        desk.fill(&replace, 60, "9", 60, 40);
        let filled = client.report("11=a3 39=1 14=60 151=40 41=-");
        assert_eq!(filled.get(37), replaced.get(37), "OrderID is stable");
        client.replace("x6", "a1", "38=200");
        client.conn.expect("9").is("11=x6 41=a1 102=1 434=2");
        client.replace("x7", "a3", "38=50 44=9");
        client.conn.expect("9").is("11=x7 41=a3 102=2 434=2 39=1");
        client.replace("a4", "a3", "38=80 44=9");
        let second = desk.request("G");
        second.is(&format!("41={} 38=80 44=9", replace.get(11)));
        desk.report(&second, "150=5 39=1 14=60 151=20");
        client.report("11=a4 41=a3 150=5 39=1 38=80 14=60 151=20");
        desk.fill(&second, 20, "9", 80, 0);
        client.report("11=a4 39=2 14=80 151=0 32=20");
    });
}

#[test]
fn the_desk_ends_and_changes_orders_by_itself() {
    let mut world = World::with(1, |_| {}, poor);
    for_each_version(&mut world, |client, desk| {
        let order = open_order(client, desk, "e1", "38=1000");
        desk.fill(&order, 1, "10", 1, 999);
        client.report("11=e1 39=1 14=1");
        desk.report(&order, "150=C 39=C 14=1 151=0");
        client
            .report("11=e1 150=C 39=C 14=1 151=0 41=-")
            .is(&event(client));
        let order = open_order(client, desk, "e2", "38=999");
        desk.report(&order, "150=3 39=3 151=0");
        client.report("11=e2 150=3 39=3 14=0 151=0 41=-");
        // Both gave back what they had reserved.
        let order = open_order(client, desk, "e3", "38=999");
        desk.report(&order, "150=D 39=0 38=400 44=9 151=400 58=Smaller");
        client.report("11=e3 150=D 39=0 38=400 44=9 151=400 378=4 58=Smaller");
        client.refused("x1", "38=640", "Insufficient buying power");
        open_order(client, desk, "e4", "38=630");
    });
}

#[test]
fn fills_taken_back_or_corrected_unwind_the_book() {
    let mut world = World::with(1, |_| {}, poor);
    for_each_version(&mut world, |client, desk| {
        let funds = "Insufficient buying power";
        let order = open_order(client, desk, "t1", "38=1000");
        desk.report(&order, "17=X1 150=F 39=2 32=1000 31=10 14=1000 151=0");
        let filled = client.report("11=t1 39=2 14=1000 151=0");
        client.refused("x1", "38=1", funds);
        desk.report(&order, "17=X2 19=X1 150=H 39=4 14=0 151=0");
        let busted = client.report("11=t1 39=4 14=0 151=0 6=0");
        busted.is(&format!("19={}", filled.get(17)));
        busted.is(&by(client, "150=H 20=-", "150=4 20=1"));
        assert_ne!(busted.get(17), filled.get(17));

        // All the money is back: buys 1,000 again, and the correction to a lower price frees the difference.
        let order = open_order(client, desk, "t2", "38=1000");
        desk.report(&order, "17=X3 150=F 39=2 32=1000 31=10 14=1000 151=0");
        let filled = client.report("11=t2 39=2 14=1000");
        client.refused("x2", "38=1", funds);
        let correction = "17=X4 19=X3 150=G 39=2 32=1000 31=9 14=1000 151=0";
        desk.report(&order, correction);
        let corrected = client.report("11=t2 39=2 14=1000 151=0 32=1000 31=9 6=9");
        corrected.is(&format!("19={}", filled.get(17)));
        corrected.is(&by(client, "150=G 20=-", "150=2 20=2"));
        client.refused("x3", "38=101", funds);
        let order = open_order(client, desk, "t3", "38=100");
        desk.report(&order, "150=4 39=4 151=0");
        client.report("11=t3 150=4");

        // Position: 100 held and 1,000 bought; sold, and the sale taken back.
        let (sell, position) = ("54=2 38=1100", "Insufficient sellable quantity");
        client.refused("x4", "54=2 38=1101", position);
        let order = open_order(client, desk, "t4", sell);
        client.refused("x5", "54=2 38=1", position);
        desk.report(&order, "17=X5 150=F 39=2 32=1100 31=10 14=1100 151=0");
        client.report("11=t4 54=2 39=2 14=1100");
        client.refused("x6", "54=2 38=1", position);
        desk.report(&order, "17=X6 19=X5 150=H 39=4 14=0 151=0");
        client.report("11=t4 54=2 39=4 14=0 151=0");
        let order = open_order(client, desk, "t5", sell);
        desk.report(&order, "150=4 39=4 151=0");
        client.report("11=t5 150=4");
    });
}

#[test]
fn a_report_is_forwarded_once_and_a_late_fill_always() {
    let mut world = World::start(|_| {});
    for_each_version(&mut world, |client, desk| {
        let order = open_order(client, desk, "d1", "");
        let fill = "17=SAME 150=F 39=1 32=40 31=10 14=40 151=60";
        for _ in 0..3 {
            desk.report(&order, fill);
        }
        client.report("11=d1 39=1 32=40 14=40 151=60");
        client.cancel("c1", "d1");
        let cancel = desk.request("F");
        desk.report(&cancel, "150=4 39=4 14=40 151=0");
        // The next word is the cancel: the two duplicates before it were not forwarded.
        client.report("11=c1 41=d1 150=4 39=4 14=40 151=0");
        desk.report(&order, "150=F 39=4 32=25 31=11 14=65 151=0");
        let late = client.report("11=d1 39=4 32=25 31=11 14=65 151=0");
        late.is(&by(client, "150=F 20=-", "150=1 20=0"));
        // Nobody's order, and no order id at all: counted, not forwarded.
        desk.report(&order, "11=0000000001 150=F 39=1 32=1 31=1 14=1 151=0");
        desk.report(&order, "11=zzzzzzzzzz 150=F 39=1 32=1 31=1 14=1 151=0");
        // Ours, and not readable: it may be a fill, so the desk is told that it was not taken.
        let unreadable = desk.report(&order, "150=F 39=1 32=1e5 31=1 14=1 151=0");
        let told = desk.conn.expect("3");
        told.is(&format!("45={unreadable} 371=32 373=5"));
        desk.report(&order, "150=F 39=2 32=35 31=11 14=100 151=0");
        let late = client.report("11=d1 39=2 32=35 14=100 151=0");
        late.is(&by(client, "150=F", "150=2"));
    });
    use gatehouse::status::Counter;
    world.wait_status("every report counted", |status| {
        status.total(Counter::LateFills) == 4
            && status.total(Counter::DuplicateExecutions) == 4
            && status.total(Counter::UnmatchedReports) == 2
            && status.total(Counter::DeskDecodeErrors) == 4
    });
}

#[test]
fn clients_ask_for_the_state_of_their_orders() {
    let mut world = World::start(|sample| sample.instruments = 2);
    for_each_version(&mut world, |client, desk| {
        let order = open_order(client, desk, "s1", "");
        desk.fill(&order, 10, "10", 10, 90);
        client.report("11=s1 14=10");
        let question = |client: &Client, id: &str| match client.is_42() {
            true => String::new(),
            false => format!("790={id}"),
        };
        let changes = question(client, "q1");
        client.status("s1", &changes);
        let state = client.report("11=s1 39=1 14=10 151=90 38=100 17=0");
        state.is(&by(client, "150=I 20=- 790=q1", "150=1 20=3 790=-"));
        client.replace("s2", "s1", "38=110");
        let replace = desk.request("G");
        desk.report(&replace, "150=5 39=1 14=10 151=100");
        client.report("11=s2 150=5");
        // Asked by an older name of the chain.
        let changes = question(client, "q2");
        client.status("s1", &changes);
        client.report("11=s2 41=s1 39=1 14=10 151=100 38=110");
        let changes = question(client, "q3");
        client.status("nothing", &changes);
        let unknown = client.report("11=nothing 39=8 14=0 151=0 37=NONE 103=5");
        unknown.is(&by(client, "150=I 20=- 790=q3", "150=8 20=3 790=-"));

        open_order(client, desk, "s3", "55=SYM2");
        let sell = open_order(client, desk, "s4", "55=SYM2 54=2");
        if client.is_42() {
            for (kind, body) in [("AF", "584=m1 585=7"), ("q", "11=m2 530=7")] {
                client.conn.send(kind, &support::fix::fields(body));
                client
                    .conn
                    .expect("3")
                    .is("371=- 373=11")
                    .is(&format!("372={kind}"));
            }
            return;
        }
        let mass = |client: &mut Client, body: &str, total: usize| {
            client.conn.send("AF", &support::fix::fields(body));
            let mut ids = Vec::new();
            for at in 1..=total {
                let report = client.report(&format!("150=I 17=0 911={total} 584=m1"));
                report.is(if at == total { "912=Y" } else { "912=N" });
                ids.push(report.get(11).to_owned());
            }
            ids.sort();
            ids
        };
        assert_eq!(mass(client, "584=m1 585=7", 3), ["s2", "s3", "s4"]);
        assert_eq!(mass(client, "584=m1 585=1 55=SYM2", 2), ["s3", "s4"]);
        client
            .conn
            .send("AF", &support::fix::fields("584=m9 585=1 55=WHAT"));
        client.report("150=I 39=8 584=m9 790=- 911=0 912=Y 37=NONE");

        let time = support::fix::timestamp();
        let mass_cancel = |client: &mut Client, body: &str| {
            let body = format!("{body} 60={time}");
            client.conn.send("q", &support::fix::fields(&body));
        };
        mass_cancel(client, "11=mc1 530=1 55=SYM2 54=2");
        let report = client.conn.expect("r");
        report.is("11=mc1 530=1 531=1 533=1 55=SYM2 532=-");
        let cancel = desk.request("F");
        cancel.is(&format!("41={} 54=2 55=SYM2", sell.get(11)));
        desk.report(&cancel, "150=4 39=4 151=0");
        client.report("11=s4 41=- 150=4 39=4");
        mass_cancel(client, "11=mc2 530=7");
        client.conn.expect("r").is("11=mc2 530=7 531=7 533=2 532=-");
        for _ in 0..2 {
            let cancel = desk.request("F");
            desk.report(&cancel, "150=4 39=4 151=0");
            client.report("150=4 39=4 151=0");
        }
        mass_cancel(client, "11=mc3 530=1 55=WHAT");
        client.conn.expect("r").is("11=mc3 530=1 531=0 532=1");
        mass_cancel(client, "11=mc1 530=7");
        client.conn.expect("r").is("11=mc1 531=0");
    });
}

#[test]
fn a_session_may_want_to_be_told_of_pending_orders() {
    let pending = |plan: &mut Plan| {
        plan.sessions
            .iter_mut()
            .for_each(|session| session.pending_new = true)
    };
    let mut world = World::with(1, |_| {}, pending);
    for_each_version(&mut world, |client, desk| {
        client.order("p1", "");
        let told = client.report("11=p1 150=A 39=A 14=0 151=100");
        told.is(&event(client));
        let order = desk.request("D");
        // The desk's own 150=A says nothing new.
        desk.report(&order, "150=A 39=A");
        desk.report(&order, "");
        client.report("11=p1 150=0 39=0");
        client.order("p2", "1=NOBODY");
        client.report("11=p2 150=8 39=8");
    });
}

#[test]
fn a_lost_session_has_its_orders_cancelled_and_hears_of_it_later() {
    let wanted = |plan: &mut Plan| {
        plan.sessions
            .iter_mut()
            .for_each(|session| session.cancel_on_disconnect = true)
    };
    for (io, layout) in combinations() {
        let change = |sample: &mut gatehouse::config::sample::Sample| {
            (sample.io, sample.layout) = (io, layout);
        };
        let mut world = World::with(1, change, wanted);
        for session in 0..2 {
            let mut client = world.client(session);
            let first = open_order(&mut client, world.desk(), "g1", "");
            let second = open_order(&mut client, world.desk(), "g2", "");
            client.conn.drop_connection();
            let mut cancelled = Vec::new();
            for _ in 0..2 {
                let cancel = world.desk().request("F");
                world.desk().report(&cancel, "150=4 39=4 151=0");
                cancelled.push(cancel.get(41).to_owned());
            }
            cancelled.sort();
            let mut orders = [first.get(11), second.get(11)];
            orders.sort();
            assert_eq!(cancelled, orders);
            // Both reports wait in the log. They are there before the client is: the page counts them.
            // Of the session before, also the answer to its question.
            let reports = 5 * session as u64 + 4;
            world.wait_counter(gatehouse::status::Counter::ReportsOut, reports);
            client.connect();
            client.send_logon("");
            let missed = client.conn.recover();
            assert_eq!(missed.len(), 2, "{missed:?}");
            for report in &missed {
                report.is("35=8 43=Y 150=4 39=4 14=0 151=0 41=-");
            }
            client.status("g1", "");
            client.report("11=g1 39=4");
            client.log_out();
        }
    }
}
