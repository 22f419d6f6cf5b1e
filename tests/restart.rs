//! The gateway is killed and goes on: three stages over sockets in memory, their logs as they stand, and new stages made of them.
//!
//! The kill comes between two duty cycles of single stages, so that each point between a record and what should follow is reached.

#[path = "restart/doubts.rs"]
mod doubts;
#[path = "restart/host_loss.rs"]
mod host_loss;
#[path = "restart/level_one.rs"]
mod level_one;
#[path = "restart/sessions.rs"]
mod sessions;
mod support;

use gatehouse::config::plan::Plan;
use gatehouse::domain::Text;
use gatehouse::domain::command::{CommandInput, RiskCommand, Scope};
use support::fix::{Fix, fields};
use support::stages::{Bench, MemoryConn, order, report};

struct World {
    bench: Bench,
    client: MemoryConn,
    desk: MemoryConn,
}

impl World {
    fn new(cancel_on_disconnect: bool) -> Self {
        Self::of(cancel_on_disconnect, |_| {})
    }

    fn of(cancel_on_disconnect: bool, change: impl FnOnce(&mut Plan)) -> Self {
        Self::with_room(1 << 16, cancel_on_disconnect, change)
    }

    fn with_room(
        requests_max: usize,
        cancel_on_disconnect: bool,
        change: impl FnOnce(&mut Plan),
    ) -> Self {
        let bench = Bench::new(
            |sample| {
                sample.requests_per_day_max = requests_max;
                sample.executions_per_day_max = requests_max;
            },
            |plan| {
                change(plan);
                plan.sessions[0].cancel_on_disconnect = cancel_on_disconnect;
                // The peers tell the real time, also when days pass.
                plan.sessions[0].fix.sending_time_tolerance_s = TOLERANCE;
                plan.desks[0].links[0].fix.sending_time_tolerance_s = TOLERANCE;
            },
        );
        let desk = bench.desk();
        let mut client = bench.client(0);
        bench.connect(&mut client);
        client.expect("A");
        Self {
            bench,
            client,
            desk,
        }
    }

    fn order(&mut self, id: &str) {
        self.client.send("D", &order(0, id, ""));
    }

    /// An order that the desk has acknowledged.
    fn open_order(&mut self, id: &str) -> Fix {
        self.order(id);
        let request = self.desk.expect("D");
        report(&mut self.desk, &request, "150=0 39=0");
        assert_eq!(self.client.expect("8").get(39), "0");
        request
    }

    fn command(&self, command: RiskCommand) {
        self.ask(command);
        self.bench.turn(5);
    }

    /// A command that no stage has taken yet.
    fn ask(&self, command: RiskCommand) {
        let (ticket, user) = (1, Text::cut(b"test"));
        let input = CommandInput {
            ticket,
            user,
            command,
        };
        let ports = self.bench.stages.borrow().ports.clone();
        ports.risk.push(input).expect("room");
    }

    fn restart(&mut self) {
        self.bench.restart();
    }

    fn desk_returns(&mut self) {
        self.bench.desk_again(&mut self.desk);
    }

    /// What the client missed.
    fn client_returns(&mut self) -> Vec<Fix> {
        self.bench.connect(&mut self.client);
        self.client.recover()
    }

    /// The one report that the client missed, or is told when it is back.
    fn client_returns_or_told(&mut self) -> Fix {
        let mut told = self.client_returns();
        assert!(told.len() < 2, "{told:?}");
        told.pop().unwrap_or_else(|| self.client.expect("8"))
    }

    fn status(&mut self, id: &str) -> Fix {
        let body = format!("11={id} 54=1 55=SYM1");
        self.client.send("H", &fields(&body));
        self.client.expect("8")
    }
}

/// One step of the way of an order or report, as the stages take it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Route,
    Risk,
    Decode,
}

impl World {
    fn step(&self, step: Step) {
        let now = self.bench.now();
        let mut stages = self.bench.stages.borrow_mut();
        match step {
            Step::Route => stages.route.duty_cycle(now),
            Step::Risk => stages.risk.duty_cycle(now),
            Step::Decode => stages.decode.duty_cycle(now),
        };
    }
}

#[test]
fn an_open_order_is_known_after_a_restart_and_goes_on() {
    let mut world = World::new(false);
    let request = world.open_order("A");
    world.restart();
    world.desk_returns();
    assert_eq!(world.client_returns().len(), 0);
    let answer = world.status("A");
    assert_eq!((answer.get(39), answer.get(103)), ("0", ""), "{answer:?}");
    report(
        &mut world.desk,
        &request,
        "150=F 39=2 31=10 32=10 14=10 151=0",
    );
    let fill = world.client.expect("8");
    assert_eq!((fill.get(11), fill.get(39), fill.get(14)), ("A", "2", "10"));
    // Ids of the new process are others.
    let second = world.open_order("B");
    assert_ne!(second.get(11), request.get(11));
}

#[test]
fn a_snapshot_after_any_record_leads_to_the_same() {
    let mut world = World::with_room(64, false, |_| {});
    world.bench.saves_each_record = true;
    let request = world.open_order("A");
    report(
        &mut world.desk,
        &request,
        "150=F 39=1 31=10 32=4 14=4 151=6",
    );
    world.client.expect("8");
    // One is in doubt, one is on its way, one was read; a report is not told.
    world.order("B");
    world.desk.expect("D");
    world.restart();
    world.client_returns();
    world.desk_returns();
    report(
        &mut world.desk,
        &request,
        "150=F 39=2 31=10 32=6 14=10 151=0",
    );
    world.step(Step::Route);
    world.order("C");
    world.step(Step::Decode);
    world.step(Step::Risk);
    world.order("D");
    world.step(Step::Decode);
    world.command(RiskCommand::Block(Scope::Firm));
    world.restart();
    world.restart();
}

#[test]
fn an_order_that_did_not_leave_is_refused_and_never_sent() {
    // Its message is recorded; then the risk stage has it; then its request waits for the route stage.
    for steps in [&[Step::Decode][..], &[Step::Decode, Step::Risk]] {
        let mut world = World::new(false);
        world.order("A");
        steps.iter().for_each(|step| world.step(*step));
        world.restart();
        let again = world.client_returns();
        let refusal = match again.first() {
            Some(report) => report.clone(),
            None => world.client.expect("8"),
        };
        assert_eq!((refusal.get(11), refusal.get(39)), ("A", "8"), "{steps:?}");
        world.desk_returns();
        let next = world.open_order("B");
        assert_eq!(
            next.get(34),
            "3",
            "a logon each, and nothing else: {next:?}"
        );
    }
}

#[test]
fn an_order_that_left_is_in_doubt_until_the_desk_speaks() {
    let mut world = World::new(false);
    world.order("A");
    let request = world.desk.expect("D");
    world.restart();
    world.client_returns();
    assert_eq!(
        world.status("A").get(58),
        "In doubt: the link was lost before the desk answered"
    );
    world.desk_returns();
    report(&mut world.desk, &request, "150=0 39=0");
    assert_eq!(world.client.expect("8").get(39), "0");
    assert_eq!(world.status("A").get(58), "");
    world.restart();
    world.client_returns();
    assert_eq!(world.status("A").get(58), "", "it was answered");
}

#[test]
fn a_report_is_told_once_wherever_the_kill_comes() {
    let after = [
        &[][..],
        &[Step::Route],
        &[Step::Route, Step::Risk],
        &[Step::Route, Step::Risk, Step::Decode],
    ];
    for steps in after {
        let mut world = World::new(false);
        world.order("A");
        let request = world.desk.expect("D");
        report(&mut world.desk, &request, "150=0 39=0");
        steps.iter().for_each(|step| world.step(*step));
        world.restart();
        let mut told = world.client_returns();
        world.desk_returns();
        if steps.is_empty() {
            // Nobody read it: the desk is asked for it.
            let asked = world.desk.expect("2");
            world.desk.answer_resend(&asked);
        }
        if told.is_empty() {
            told.push(world.client.expect("8"));
        }
        assert_eq!(told.len(), 1, "{steps:?}: {told:?}");
        assert_eq!(told[0].get(39), "0", "{steps:?}");
        let status = world.status("A");
        assert_eq!((status.get(39), status.get(58)), ("0", ""), "{steps:?}");
    }
}

#[test]
fn orders_of_a_session_that_cancels_on_disconnect_are_cancelled_after_a_restart() {
    let mut world = World::new(true);
    let request = world.open_order("A");
    world.restart();
    world.desk_returns();
    let cancel = world.desk.expect("F");
    assert_eq!(cancel.get(41), request.get(11));
    report(&mut world.desk, &cancel, "150=4 39=4 14=0 151=0");
    let told = world.client_returns();
    let told = told
        .first()
        .cloned()
        .unwrap_or_else(|| world.client.expect("8"));
    assert_eq!((told.get(11), told.get(39)), ("A", "4"));
}

#[test]
fn money_stays_reserved_and_kills_stay_over_many_restarts() {
    let mut world = World::new(false);
    for round in 0..5 {
        world.open_order(&format!("A{round}"));
        world.restart();
        world.desk_returns();
        world.client_returns();
    }
    let status = world.bench.status();
    assert_eq!(status.accounts[0].orders_open, 5);
    assert_eq!(status.accounts[0].reserved, "500");
}

const DAY_NS: u64 = 86_400_000_000_000;
const TOLERANCE: u32 = 10 * 86_400;

#[test]
fn what_was_dealt_with_is_not_dealt_with_again_on_a_day_with_other_files() {
    let mut world = World::new(false);
    world.open_order("A");
    world.order("B");
    world.desk.expect("D");
    world.bench.pass(DAY_NS);
    world.bench.plan.accounts[0].cash.0 += 1;
    world.restart();
    world.desk_returns();
    assert_eq!(world.client_returns().len(), 0);
    // The next request is the only one since, and what it names is free again.
    let next = world.open_order("A");
    assert_eq!(next.get(34), "5", "{next:?}");
    let status = world.bench.status();
    assert_eq!(status.accounts[0].orders_open, 1);
}

#[test]
fn a_process_that_works_over_midnight_takes_its_orders_along() {
    let mut world = World::new(false);
    world.open_order("A");
    world.bench.pass(DAY_NS);
    world.command(RiskCommand::Block(Scope::Firm));
    world.restart();
    assert_eq!(world.bench.status().accounts[0].orders_open, 1);
}

#[test]
fn what_was_killed_stays_killed_the_next_day() {
    let mut world = World::new(false);
    world.command(RiskCommand::Kill(Scope::Firm));
    for _ in 0..2 {
        world.bench.pass(DAY_NS);
        world.restart();
        world.desk_returns();
        world.client_returns();
        world.order("A");
        world.client.expect("8").is("39=8");
    }
}

#[test]
fn an_order_of_a_process_that_is_gone_is_not_sent_however_fast_the_desk_is_back() {
    let mut world = World::new(false);
    world.order("A");
    world.step(Step::Decode);
    world.restart();
    // The link is ready before the decode stage has its first turn.
    for _ in 0..2_000 {
        world.bench.pass(1_000_000);
        world.step(Step::Route);
    }
    world.desk_returns();
    let told = world.client_returns();
    let told = told
        .first()
        .cloned()
        .unwrap_or_else(|| world.client.expect("8"));
    assert_eq!((told.get(11), told.get(39)), ("A", "8"));
    assert_eq!(world.open_order("B").get(34), "3");
}
