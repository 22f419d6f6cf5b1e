//! Requests in doubt that hold the reset of a link's numbers: the same before a restart and after it.
//!
//! What a desk says of them ends a doubt, what it says of numbers does not.

use super::support::fix::timestamp;
use super::*;

/// As the status page tells it.
fn in_doubt(world: &World) -> u64 {
    world.bench.pass(10_000_000);
    world.bench.turn(2);
    world.bench.status().links[0].in_doubt
}

/// An order that was written by a process that is gone.
fn doubtful() -> (World, Fix) {
    let mut world = World::new(false);
    world.order("A");
    let request = world.desk.expect("D");
    world.restart();
    world.client_returns();
    world.desk_returns();
    assert_eq!(in_doubt(&world), 1);
    (world, request)
}

#[test]
fn a_cancel_that_the_desk_granted_ends_the_doubt_of_its_order() {
    let (mut world, _) = doubtful();
    let cancel = format!("11=B 41=A 54=1 55=SYM1 60={}", timestamp());
    world.client.send("F", &fields(&cancel));
    let cancel = world.desk.expect("F");
    report(&mut world.desk, &cancel, "150=4 39=4 38=10 14=0 151=0");
    assert_eq!(world.client.expect("8").get(39), "4");
    assert_eq!(in_doubt(&world), 0);
    world.restart();
    assert_eq!(in_doubt(&world), 0);
}

#[test]
fn numbers_that_the_desk_skips_settle_nothing() {
    let (mut world, request) = doubtful();
    world.desk.send("4", &fields("36=500"));
    world.desk.next_out = 500;
    assert_eq!(in_doubt(&world), 1);
    world.restart();
    world.client_returns();
    world.desk_returns();
    assert_eq!(in_doubt(&world), 1, "as before");
    report(&mut world.desk, &request, "150=0 39=0");
    assert_eq!(in_doubt(&world), 0);
}
