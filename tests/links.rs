//! Links of a desk that come, go and refuse: order of preference, doubt and its end, no resend of orders, refusals to the client.
//!
//! The desk and the client are raw sockets of the test; the gateway runs whole, in this process.

mod support;

use gatehouse::config::plan::{Layout, Plan};
use gatehouse::config::sample::Sample;
use gatehouse::domain::Money;
use gatehouse::status::Counter;
use support::{Client, World, combinations};

const IN_DOUBT: &str = "In doubt: the link was lost before the desk answered";

/// Cash for 1,000 shares at 10.
fn poor(plan: &mut Plan) {
    for account in &mut plan.accounts {
        account.cash = Money(10_000 * 100_000_000);
    }
}

fn accepted(world: &mut World, link: usize, client: &mut Client, id: &str, changes: &str) {
    client.order(id, changes);
    let request = world.desks[link].request("D");
    world.desks[link].report(&request, "");
    client.report(&format!("11={id} 150=0 39=0"));
}

#[test]
fn the_first_ready_link_carries_orders_and_a_lost_one_leaves_doubt() {
    for (io, layout) in combinations() {
        let mut world = World::with(2, |sample| (sample.io, sample.layout) = (io, layout), poor);
        let mut client = world.client(0);
        accepted(&mut world, 0, &mut client, "a1", "38=100");
        // The desk has these three and does not answer: the link dies with a new order, a cancel and a replace on it.
        client.order("a2", "38=500");
        let lost_order = world.desks[0].request("D");
        client.cancel("c1", "a1");
        let lost_cancel = world.desks[0].request("F");
        world.desks[0].go_away();
        world.wait_counter(Counter::InDoubt, 2);
        world.wait_for_links(1);

        // New flow goes over the second link, at once and without a word to the client.
        accepted(&mut world, 1, &mut client, "b1", "38=100");
        client.status("a2", "790=q");
        let state = client.report("11=a2 150=I 39=A 14=0 151=500");
        assert_eq!(state.get(58), IN_DOUBT);
        client.status("a1", "790=q");
        assert_eq!(client.report("11=a1 150=I 39=0").get(58), IN_DOUBT);
        client.status("b1", "790=q");
        client.report("11=b1 150=I 39=0 58=-");
        // 7,000 of 10,000 are reserved: what is in doubt counts.
        client.refused("x1", "38=301", "Insufficient buying power");
        client.replace("x2", "a2", "38=600");
        client.conn.expect("9").is("11=x2 41=a2 102=3 434=2");

        // What the desk did meanwhile comes by resend when the link is back, and ends the doubt.
        let desk = &mut world.desks[0];
        let report = support::Desk::report_fields(&lost_order, "");
        desk.conn.note("8", &report);
        let fill = "150=F 39=2 32=500 31=9 14=500 151=0";
        let report = support::Desk::report_fields(&lost_order, fill);
        desk.conn.note("8", &report);
        let done = support::Desk::report_fields(&lost_cancel, "38=100 150=4 39=4 14=0 151=0");
        desk.conn.note("8", &done);
        desk.come_back();
        desk.log_on();
        let request = desk.conn.expect("2");
        desk.conn.answer_resend(&request);
        client.report("11=a2 150=0 39=0 151=500");
        client.report("11=a2 150=F 39=2 14=500 151=0 31=9");
        client.report("11=c1 41=a1 150=4 39=4 14=0 151=0");
        client.status("a2", "790=q");
        client.report("11=a2 150=I 39=2 58=-");
        client.status("a1", "790=q");
        client.report("11=a1 150=I 39=4 58=-");
        world.wait_for_links(2);

        // 4,500 spent, 1,000 reserved: 450 at 10 fit, and go over the first link again.
        client.refused("x3", "38=451", "Insufficient buying power");
        accepted(&mut world, 0, &mut client, "a3", "38=450");
        client.log_out();
        let status = world.wait_status("no doubt left, and two switches", |status| {
            status.links.iter().all(|link| link.in_doubt == 0)
                && status.total(Counter::LinkSwitches) == 2
        });
        assert!(status.links[0].reconnects >= 1, "{:?}", status.links);
        assert_eq!(status.links[1].reconnects, 0, "{:?}", status.links);
    }
}

#[test]
fn orders_are_never_resent_when_the_desk_asks_for_them_again() {
    for (io, layout) in combinations() {
        let mut world = World::with(1, |sample| (sample.io, sample.layout) = (io, layout), poor);
        let mut client = world.client(0);
        accepted(&mut world, 0, &mut client, "a1", "38=100");
        client.order("a2", "38=300");
        let unseen = world.desk().request("D");
        let (first, last) = (2, unseen.seq());
        // As if it had come and been lost: everything of ours again.
        let body = [(7, first.to_string()), (16, "0".to_owned())];
        world.desk().conn.send("2", &body);
        let filled = world.desk().conn.read_any().expect("an answer");
        filled.is(&format!("35=4 34={first} 43=Y 123=Y 36={}", last + 1));
        world.wait_counter(Counter::InDoubt, 1);
        client.status("a2", "790=q");
        assert_eq!(client.report("11=a2 150=I 39=A").get(58), IN_DOUBT);
        client.status("a1", "790=q");
        client.report("11=a1 150=I 39=0 58=-");
        client.refused("x1", "38=601", "Insufficient buying power");
        // The next order comes under the next number: nothing was sent in between.
        client.order("a3", "38=200");
        let next = world.desk().request("D");
        assert_eq!(next.seq(), last + 1);
        world.desk().report(&next, "");
        client.report("11=a3 150=0");
        // The desk had it after all.
        world.desk().report(&unseen, "");
        client.report("11=a2 150=0 39=0");
        client.status("a2", "790=q");
        client.report("11=a2 150=I 39=0 58=-");
        // The page is a few milliseconds behind.
        world.wait_counter(Counter::MessagesResent, 1);
        let resent = world.status().total(Counter::MessagesResent);
        assert_eq!(resent, 1, "the gap fill alone");
    }
}

#[test]
fn refusals_of_the_desks_session_layer_reach_the_client() {
    let mut world = World::with(1, |_| {}, poor);
    for session in 0..2 {
        let mut client = world.client(session);
        let code = if client.is_42() { 0 } else { 99 };
        client.order("j1", "38=1000");
        let request = world.desk().request("D");
        let by_id = format!(
            "45={} 372=D 379={} 380=3 58=Unsupported",
            request.seq(),
            request.get(11)
        );
        world.desk().conn.send("j", &support::fix::fields(&by_id));
        client.report(&format!(
            "11=j1 150=8 39=8 14=0 151=0 103={code} 58=Unsupported"
        ));
        // All of the reserve is back. This one is refused by number alone.
        client.order("j2", "38=1000");
        let request = world.desk().request("D");
        let by_number = format!("45={} 371=44 373=5 372=D 58=Wrong", request.seq());
        world
            .desk()
            .conn
            .send("3", &support::fix::fields(&by_number));
        client.report(&format!("11=j2 150=8 39=8 14=0 151=0 103={code}"));

        accepted(&mut world, 0, &mut client, "j3", "38=1000");
        client.cancel("c1", "j3");
        let request = world.desk().request("F");
        let by_number = format!("45={} 372=F 380=3 58=Closed", request.seq());
        world
            .desk()
            .conn
            .send("j", &support::fix::fields(&by_number));
        client
            .conn
            .expect("9")
            .is("11=c1 41=j3 39=0 434=1 102=2 58=Closed");
        client.replace("g1", "j3", "38=900");
        let request = world.desk().request("G");
        let by_id = format!("45=1 372=G 379={} 380=0", request.get(11));
        world.desk().conn.send("j", &support::fix::fields(&by_id));
        client.conn.expect("9").is("11=g1 41=j3 39=0 434=2 102=2");
        // A refusal of nothing that is open changes nothing.
        world
            .desk()
            .conn
            .send("j", &support::fix::fields("45=1 372=D 380=0"));
        client.status("j3", "");
        client.report("11=j3 39=0 151=1000");
        client.log_out();
    }
    assert_eq!(world.status().total(Counter::DeskRejects), 10);
}

#[test]
fn without_a_link_orders_are_refused_until_one_is_back() {
    let mut world = World::unconnected(1, |_| {}, |_| {});
    let mut client = world.client(0);
    let refused = |client: &mut Client, id: &str| {
        client.order(id, "");
        let report = client.report("150=8 39=8 14=0 151=0 103=99 37=NONE");
        assert_eq!(report.get(58), "No desk link is ready");
    };
    refused(&mut client, "n1");
    world.desk().log_on();
    world.wait_for_links(1);
    accepted(&mut world, 0, &mut client, "n2", "");
    world.desk().go_away();
    world.wait_for_links(0);
    world.wait_status("the link lost", |status| {
        !matches!(status.links[0].state, "ready" | "syncing")
    });
    refused(&mut client, "n3");
    // A cancel cannot leave either; the order stays as it is.
    client.cancel("c1", "n2");
    client.conn.expect("9").is("11=c1 41=n2 39=0 434=1 102=2");
    // Meanwhile it tries, with longer and longer pauses, and is there as soon as the desk is.
    world.wait_status("several attempts", |status| {
        World::closed(status, "connect_failed") >= 3 && status.total(Counter::ConnectFailures) >= 3
    });
    world.desk().come_back();
    world.desk().log_on();
    world.wait_for_links(1);
    accepted(&mut world, 0, &mut client, "n4", "");
    assert_eq!(world.status().links[0].reconnects, 1);
    assert_eq!(world.status().total(Counter::ConnectionsOpened), 2);
}

#[test]
fn a_desk_that_does_not_answer_makes_its_link_suspect() {
    let change = |sample: &mut Sample| sample.layout = Layout::Pipeline;
    let impatient = |plan: &mut Plan| plan.desks[0].acknowledge_timeout_ms = 50;
    let mut world = World::with(2, change, impatient);
    let mut client = world.client(0);
    client.order("s1", "");
    let silent = world.desks[0].request("D");
    world.wait_status("suspicion", |status| status.links[0].state == "suspect");
    accepted(&mut world, 1, &mut client, "s2", "");
    world.desks[0].report(&silent, "");
    client.report("11=s1 150=0");
    world.wait_status("trust", |status| status.links[0].state == "ready");
    accepted(&mut world, 0, &mut client, "s3", "");
}

#[test]
fn a_cancel_does_not_overtake_its_order_on_another_link() {
    let change = |sample: &mut Sample| sample.layout = Layout::Pipeline;
    let impatient = |plan: &mut Plan| plan.desks[0].acknowledge_timeout_ms = 50;
    let mut world = World::with(2, change, impatient);
    let mut client = world.client(0);
    client.order("s1", "");
    let silent = world.desks[0].request("D");
    world.wait_status("suspicion", |status| status.links[0].state == "suspect");
    // What is new goes elsewhere, the cancel of what is there does not.
    accepted(&mut world, 1, &mut client, "s2", "");
    client.cancel("c1", "s1");
    let cancel = world.desks[0].request("F");
    cancel.is(&format!("41={}", silent.get(11)));
    // What the desk has answered may be cancelled on any link.
    client.cancel("c2", "s2");
    world.desks[1].request("F");
    world.desks[0].report(&silent, "");
    client.report("11=s1 150=0");
    world.desks[0].report(&cancel, "150=4 39=4 14=0 151=0");
    client.report("11=c1 41=s1 39=4");
}

#[test]
fn a_full_window_goes_on_over_the_next_link() {
    let mut world = World::with(2, |sample| sample.window = 3, |_| {});
    let mut client = world.client(0);
    for at in 0..7 {
        client.order(&format!("w{at}"), "");
    }
    let mut requests = Vec::new();
    for link in [0, 0, 0, 1, 1, 1] {
        requests.push((link, world.desks[link].request("D")));
    }
    // Both full: refused, not queued without bound.
    let report = client.report("11=w6 150=8 39=8 103=99");
    assert_eq!(report.get(58), "Gateway under pressure, try again");
    for (link, request) in requests {
        world.desks[link].report(&request, "");
        client.report("150=0 39=0");
    }
    accepted(&mut world, 0, &mut client, "w7", "");
}
