//! What a restart must not undo or lose between the sessions: an operator's lock-out, reports over the end of a schedule's window, a
//! desk's refusal by nothing but a number.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use gatehouse::domain::command::{LinkCommand, SessionCommand};
use gatehouse::domain::schedule::{Schedule, Window};
use gatehouse::domain::{LinkIndex, SessionIndex};

use super::support::fix::fields;
use super::support::stages::report;
use super::{Step, World};

impl World {
    fn order_session(&self, command: SessionCommand) {
        let ports = self.bench.stages.borrow().ports.clone();
        ports.sessions.push(command).expect("room");
        self.bench.turn(10);
    }

    fn order_link(&self, command: LinkCommand) {
        let ports = self.bench.stages.borrow().ports.clone();
        ports.links.push(command).expect("room");
        self.bench.turn(10);
    }

    fn states(&self) -> (&'static str, &'static str) {
        let status = self.bench.status();
        (status.sessions[0].state, status.links[0].state)
    }
}

#[test]
fn who_was_disabled_stays_out_until_an_operator_says_otherwise() {
    let mut world = World::new(false);
    world.order_session(SessionCommand::Disable(SessionIndex(0)));
    world.order_link(LinkCommand::Disable(LinkIndex(0)));
    for _ in 0..3 {
        world.restart();
        world.bench.pass(5_000_000_000);
        world.bench.turn(20);
        assert_eq!(world.states(), ("disabled", "disabled"));
        world.bench.connect(&mut world.client);
        let told = world.client.until_closed();
        assert!(told.is_empty(), "{told:?}");
        // Nobody took its number.
        world.client.next_out -= 1;
    }
    world.order_session(SessionCommand::Enable(SessionIndex(0)));
    world.order_link(LinkCommand::Enable(LinkIndex(0)));
    world.restart();
    world.desk_returns();
    world.client_returns();
    world.open_order("A");
}

const MINUTE_NS: u64 = 60_000_000_000;

#[test]
fn a_report_that_was_not_told_before_the_end_of_a_window_is_the_first_of_the_next() {
    let now_ns = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ns = now_ns.expect("after 1970").as_nanos() as u64;
    let windows = [
        (now_ns - MINUTE_NS, now_ns + MINUTE_NS),
        (now_ns + 3 * MINUTE_NS, now_ns + 60 * MINUTE_NS),
    ];
    let windows = windows.map(|(opens_ns, closes_ns)| Window {
        opens_ns,
        closes_ns,
    });
    let schedule = Arc::new(Schedule::new(windows.to_vec(), now_ns + 600 * MINUTE_NS));
    let mut world = World::of(false, |plan| {
        plan.sessions[0].fix.schedule = Some(schedule);
    });
    world.order("A");
    let request = world.desk.expect("D");
    report(&mut world.desk, &request, "150=0 39=0");
    world.step(Step::Route);
    world.step(Step::Risk);
    world.bench.pass(2 * MINUTE_NS);
    world.restart();
    world.bench.turn(5);
    world.bench.pass(2 * MINUTE_NS);
    (world.client.next_in, world.client.next_out) = (1, 1);
    let told = world.client_returns();
    assert_eq!(told.len(), 1, "{told:?}");
    told[0].is("11=A 39=0 34=1");
}

#[test]
fn a_refusal_by_number_is_not_lost_between_the_stages() {
    for refuse in ["3", "j"] {
        let mut world = World::new(false);
        world.order("A");
        let request = world.desk.expect("D");
        let body = format!("45={} 372=D 58=No", request.get(34));
        let body = match refuse {
            "j" => body + " 380=4",
            _ => body + " 373=5",
        };
        world.desk.send(refuse, &fields(&body));
        world.step(Step::Route);
        for round in 0..2 {
            world.restart();
            let mut told = world.client_returns();
            world.desk_returns();
            if round == 0 && told.is_empty() {
                told.push(world.client.expect("8"));
            }
            assert_eq!(told.len(), 1 - round, "{refuse}: {told:?}");
            told.iter().for_each(|it| {
                it.is("11=A 39=8 150=8");
            });
            let status = world.status("A");
            assert_eq!(status.get(39), "8", "{refuse}: {status:?}");
        }
        assert_eq!(world.bench.status().links[0].in_doubt, 0, "{refuse}");
        // The next order under a number of the new connection is its own.
        world.open_order("B");
    }
}

#[test]
fn a_refusal_by_number_ends_with_its_connection() {
    let mut world = World::new(false);
    world.order("A");
    let request = world.desk.expect("D");
    world.restart();
    world.client_returns();
    world.desk_returns();
    // The same number, of another connection: nothing is proved by it.
    let body = format!("45={} 372=D 380=4", request.get(34));
    world.desk.send("j", &fields(&body));
    world.step(Step::Route);
    world.restart();
    world.client_returns();
    let status = world.status("A");
    assert!(status.get(58).starts_with("In doubt"), "{status:?}");
}
