//! Level L1 over a kill: what was committed and waited for the disk when the process died has not left, and what the next process sends
//! waits for its own records as before.

use gatehouse::domain::Durability;

use super::support::fix::fields;
use super::support::stages::report;
use super::{Step, World};

impl World {
    fn at_level_one() -> Self {
        Self::of(false, |plan| {
            plan.desks[0].durability = Durability::Host;
            plan.spread_durability();
        })
    }

    /// From now on nothing becomes durable, or what waits does.
    fn stall(&self, is_stalled: bool) {
        self.bench.stages.borrow_mut().is_stalled = is_stalled;
        self.bench.turn(50);
    }

    /// Bytes that the desk and the client have not read.
    fn waiting(&mut self) -> (usize, usize) {
        self.bench.turn(50);
        (self.desk.stream().waiting(), self.client.stream().waiting())
    }
}

#[test]
fn a_request_that_waited_for_the_disk_has_not_left_and_never_leaves() {
    let mut world = World::at_level_one();
    world.open_order("A");
    world.stall(true);
    world.order("B");
    assert_eq!(world.waiting(), (0, 0));
    world.restart();
    world.stall(true);
    // It is written for all that is known, and was not sent.
    world.bench.connect(&mut world.client);
    world.stall(false);
    world.client.recover();
    assert!(world.status("B").get(58).starts_with("In doubt"));
    world.desk_returns();
    world.bench.turn(50);
    assert_eq!(world.desk.stream().waiting(), 0);
    let next = world.open_order("C");
    assert_eq!(next.get(34), "5", "B had a number, and so had a Logon");
}

#[test]
fn a_report_that_waited_for_the_disk_is_told_once_when_it_is_there() {
    // Committed for the client; known to the risk stage; received.
    let kills = [
        &[Step::Route, Step::Risk, Step::Decode][..],
        &[Step::Route, Step::Risk],
        &[Step::Route],
    ];
    for steps in kills {
        let mut world = World::at_level_one();
        world.order("A");
        let request = world.desk.expect("D");
        world.stall(true);
        report(&mut world.desk, &request, "150=0 39=0");
        steps.iter().for_each(|step| world.step(*step));
        assert_eq!(world.client.stream().waiting(), 0, "{steps:?}");
        world.restart();
        world.stall(true);
        // The session layer's own word needs no disk; what the client misses is asked for.
        world.bench.connect(&mut world.client);
        let logon = world.client.read_any().expect("an answer");
        assert_eq!(logon.kind(), "A", "{steps:?}");
        if logon.seq() > world.client.next_in {
            let missing = format!("7={} 16=0", world.client.next_in);
            world.client.send("2", &fields(&missing));
        }
        // What an earlier process committed is on disk before the next one begins; what is committed now is not.
        if steps.len() < 3 {
            world.bench.pass(1_000_000_000);
            assert_eq!(world.waiting().1, 0, "{steps:?}");
        }
        world.stall(false);
        let told = world.client.read_any().expect("the report");
        told.is("35=8 11=A 39=0");
        world.client.next_in = logon.seq().max(told.seq()) + 1;
        world.bench.turn(50);
        while world.client.stream().waiting() > 0 || world.client.is_buffered() {
            let more = world.client.read_any().expect("a message");
            assert_ne!(more.kind(), "8", "{steps:?}: {more:?}");
        }
        // The level holds for what is new.
        world.desk_returns();
        world.stall(true);
        world.order("B");
        assert_eq!(world.waiting(), (0, 0), "{steps:?}");
        world.stall(false);
        let request = world.desk.expect("D");
        world.stall(true);
        report(&mut world.desk, &request, "150=0 39=0");
        assert_eq!(world.waiting(), (0, 0), "{steps:?}");
        world.stall(false);
        world.client.expect("8").is("11=B 39=0");
    }
}
