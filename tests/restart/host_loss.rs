//! The host went down, the end of the logs is missing, and a start was told to go on: desks at L0 are held until they are released, what
//! may have left is not taken as new, and sequences that are used again close nothing of theirs.

use gatehouse::domain::command::RiskCommand;
use gatehouse::domain::{DeskIndex, Durability};
use gatehouse::status::Counter;

use super::support::fix::{Fix, fields, timestamp};
use super::support::stages::{order, report};
use super::{DAY_NS, Step, World};

const HELD: &str = "Desk is held, try later";
const MAY_BE_SENT: &str = "May have been sent before a failure of the host: ask the desk";
const NUMBERS: u64 = 1000;

impl World {
    /// A client that comes back to a gateway that skips numbers and misses some: each asks the other, and the client repeats what
    /// `repeats` says of its orders.
    fn client_repeats(&mut self, repeats: bool) {
        self.bench.connect(&mut self.client);
        let client = &mut self.client;
        let logon = client.read_any().expect("an answer");
        assert_eq!(logon.kind(), "A", "{logon:?}");
        client.send("2", &fields(&format!("7={} 16=0", client.next_in)));
        let (mut asked, mut is_filled) = (None, false);
        client.next_in = logon.seq() + 1;
        while asked.is_none() || !is_filled {
            let message = client.read_any().expect("what was asked for");
            match message.kind() {
                "2" => asked = Some(message),
                "4" => is_filled = true,
                _ => assert!(message.poss_dup(), "{message:?}"),
            }
        }
        client.next_in += 1;
        if !repeats {
            client.sent.clear();
        }
        client.answer_resend(&asked.expect("a ResendRequest"));
    }

    fn refused(&mut self, id: &str, why: &str) {
        let told: Fix = self.client.expect("8");
        assert_eq!((told.get(11), told.get(39), told.get(58)), (id, "8", why));
    }

    /// An order that says that it may be a repetition, and not from when.
    fn may_be_repeated(&mut self, id: &str) {
        self.client.send_with("D", "97=Y", &order(0, id, ""));
    }

    fn is_held(&self) -> bool {
        self.bench.status().links[0].held
    }

    fn release(&self) {
        self.command(RiskCommand::ReleaseDesk(DeskIndex(0)));
    }
}

#[test]
fn a_desk_that_may_have_more_is_held_until_it_is_released() {
    let mut world = World::new(false);
    world.open_order("A");
    world.order("B");
    world.desk.expect("D");
    world.bench.pass(3_600_000_000_000);
    world.bench.lose_host([1, 1, 1], NUMBERS);
    world.desk_returns();
    world.client_repeats(true);
    world.refused("B", MAY_BE_SENT);
    // Numbers that were left out, and that the client asks for, are no messages that it does not get.
    let out_of_reach = world.bench.status().total(Counter::ResendsOutOfReach);
    assert_eq!(out_of_reach, 0);
    // It stays so over a restart, and over the end of the day.
    for pass_ns in [0, 0, DAY_NS] {
        assert!(world.is_held());
        world.order("C");
        world.refused("C", HELD);
        world.bench.pass(pass_ns);
        world.restart();
        world.desk_returns();
        world.client_returns();
    }
    world.release();
    assert!(!world.is_held());
    world.open_order("D");
    world.restart();
    world.desk_returns();
    world.client_returns();
    assert!(!world.is_held());
    world.open_order("E");
}

#[test]
fn what_may_have_left_is_not_taken_as_new_when_the_desk_is_released() {
    let mut world = World::new(false);
    world.open_order("A");
    world.order("B");
    world.desk.expect("D");
    world.bench.pass(3_600_000_000_000);
    world.bench.lose_host([1, 1, 1], NUMBERS);
    world.desk_returns();
    world.release();
    // The next process knows it too.
    world.restart();
    world.desk_returns();
    world.client_repeats(true);
    world.refused("B", MAY_BE_SENT);
    // A cancel that was lost may be repeated, an order that comes later may too.
    world.open_order("C");
}

#[test]
fn an_operators_hold_is_no_loss() {
    let mut world = World::new(false);
    world.open_order("A");
    world.command(RiskCommand::Hold(DeskIndex(0)));
    for pass_ns in [0, DAY_NS] {
        world.bench.pass(pass_ns);
        world.restart();
        world.desk_returns();
        world.client_returns();
        world.order("C");
        world.refused("C", HELD);
    }
    world.release();
    // Nothing was lost: what may be a repetition is known here, or is new.
    world.may_be_repeated("B");
    world.desk.expect("D").is("35=D");
}

#[test]
fn a_loss_stays_one_of_its_own_time_when_the_day_ends() {
    let mut world = World::new(false);
    world.open_order("A");
    world.order("B");
    world.desk.expect("D");
    world.bench.pass(3_600_000_000_000);
    world.bench.lose_host([1, 1, 1], NUMBERS);
    world.bench.pass(DAY_NS);
    world.restart();
    world.restart();
    world.desk_returns();
    world.release();
    world.client_repeats(true);
    world.refused("B", MAY_BE_SENT);
    // Of today, and the loss was not.
    world.may_be_repeated("C");
    world.desk.expect("D").is("35=D");
}

#[test]
fn what_is_on_its_way_to_a_desk_is_stopped_by_a_hold() {
    let mut world = World::new(false);
    world.open_order("A");
    world.order("B");
    world.step(Step::Decode);
    world.step(Step::Risk);
    world.ask(RiskCommand::Hold(DeskIndex(0)));
    world.step(Step::Risk);
    world.step(Step::Route);
    world.refused("B", HELD);
    // A cancel passes.
    let cancel = format!("11=C1 41=A 55=SYM1 54=1 60={}", timestamp());
    world.client.send("F", &fields(&cancel));
    assert_eq!(world.desk.expect("F").get(54), "1");
    // After a restart the stages agree on which hold it is.
    world.restart();
    world.desk_returns();
    world.client_returns();
    world.release();
    world.open_order("C");
}

#[test]
fn what_was_received_and_whose_outcome_is_lost_may_have_left() {
    let mut world = World::new(false);
    world.order("A");
    world.desk.expect("D");
    // The desk's and the order log's ends are missing, not the client log's.
    world.bench.pass(3_600_000_000_000);
    world.bench.lose_host([0, 1, 1], NUMBERS);
    let told = world.client_returns_or_told();
    assert_eq!((told.get(11), told.get(58)), ("A", MAY_BE_SENT));
}

#[test]
fn desks_at_level_one_go_on_at_once() {
    let mut world = World::of(false, |plan| {
        plan.desks[0].durability = Durability::Host;
    });
    world.bench.pass(3_600_000_000_000);
    world.bench.lose_host([0, 0, 0], NUMBERS);
    assert!(!world.is_held());
    let mut world = World::new(false);
    world.bench.pass(3_600_000_000_000);
    world.bench.lose_host([0, 0, 0], NUMBERS);
    assert!(world.is_held());
}

#[test]
fn a_sequence_that_is_used_again_is_not_closed_by_what_followed_from_the_first() {
    let mut world = World::new(false);
    for at in 0..12 {
        world.order(&format!("A{at}"));
        world.desk.expect("D");
    }
    // The desk log still says that all left; the order log is shorter.
    world.bench.pass(3_600_000_000_000);
    world.bench.lose_host([12, 12, 0], NUMBERS);
    world.desk_returns();
    world.release();
    world.client_repeats(false);
    world.order("N");
    world.step(Step::Decode);
    world.step(Step::Risk);
    world.restart();
    let told = world.client_returns_or_told();
    assert_eq!((told.get(11), told.get(39)), ("N", "8"), "{told:?}");
    assert_eq!(told.get(58), "Not delivered to a desk");
}

const IN_DOUBT: &str = "In doubt: the link was lost before the desk answered";

impl World {
    fn counted(&self) -> (u64, u64) {
        let status = self.bench.status();
        (
            status.total(Counter::InDoubt),
            status.total(Counter::NotDelivered),
        )
    }
}

#[test]
fn what_may_have_left_is_in_doubt_and_never_told_to_be_undelivered() {
    // The next process has its turn, or dies before that; and dies between the two logs.
    for steps in [
        None,
        Some(&[][..]),
        Some(&[Step::Route]),
        Some(&[Step::Route, Step::Risk]),
    ] {
        let mut world = World::new(false);
        world.order("A");
        let request = world.desk.expect("D");
        // The order log has it, and the desk log has lost what left.
        world.bench.lose_host([0, 0, 1], NUMBERS);
        if let Some(steps) = steps {
            steps.iter().for_each(|step| world.step(*step));
            world.restart();
        }
        world.desk_returns();
        assert_eq!(world.client_returns().len(), 0, "{steps:?}");
        assert_eq!(world.status("A").get(58), IN_DOUBT, "{steps:?}");
        let reserved = world.bench.status().accounts[0].reserved.clone();
        assert_eq!(reserved, "100", "{steps:?}");
        world.restart();
        assert_eq!(world.counted(), (0, 0), "it was dealt with: {steps:?}");
        world.desk_returns();
        world.client_returns();
        report(&mut world.desk, &request, "150=0 39=0");
        assert_eq!(world.client.expect("8").get(39), "0", "{steps:?}");
        assert_eq!(world.status("A").get(58), "", "{steps:?}");
    }
}

#[test]
fn what_did_not_leave_at_level_one_is_told_to_be_undelivered() {
    let mut world = World::of(false, |plan| {
        plan.desks[0].durability = Durability::Host;
    });
    world.order("A");
    world.step(Step::Decode);
    world.step(Step::Risk);
    world.bench.lose_host([0, 0, 0], NUMBERS);
    let told = world.client_returns_or_told();
    assert_eq!(told.get(58), "Not delivered to a desk");
}
