//! Sessions and links over the ends of their hours, and numbers set by an operator: with a clock that the test sets.
//!
//! Windows are 10 to 20 s, 30 to 40 s, ... after 1970, so that the SendingTime of the test's peers holds throughout.

use super::*;
use crate::domain::command::{NumbersChange, NumbersOutcome};
use crate::domain::{Schedule, Window};
use crate::stage::event_record;

const S: u64 = 1_000_000_000;
const RESET: &str = "the end of a window of its schedule";

fn hours() -> Arc<Schedule> {
    let window = |at: u64| Window {
        opens_ns: (20 * at + 10) * S,
        closes_ns: (20 * at + 20) * S,
    };
    Arc::new(Schedule::new((0..5).map(window).collect(), 110 * S))
}

/// What the log says about peers, since the last call.
fn events(log: &mut ringbuf::byte_log::Reader) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(frame) = log.next() {
        let Ok((record, _)) = crate::journal::record::view(frame.bytes) else {
            continue;
        };
        if record.kind == crate::journal::RecordKind::Connection {
            events.extend(event_record::describe(record.body));
        }
    }
    events
}

fn count(events: &[String], part: &str) -> usize {
    events.iter().filter(|event| event.contains(part)).count()
}

impl Clients {
    fn scheduled() -> Self {
        let mut plan = Sample::new("/nowhere").plan();
        plan.sessions[0].fix.schedule = Some(hours());
        plan.sessions[0].fix.logout_timeout_s = 2;
        Self::of(plan, 64)
    }

    /// Some turns at that second of the wall clock; the other clock goes on.
    fn at_s(&mut self, wall_s: u64) {
        for _ in 0..3 {
            self.now_ns += 2_000_000;
            self.stage.duty_cycle(Now {
                mono_ns: self.now_ns,
                wall_ns: wall_s * S,
            });
        }
    }

    fn numbers(&mut self) -> (u64, u64) {
        let session = &self.stage.board().peer(0).session;
        (session.expected_in(), session.peek_next_out())
    }

    fn is_connected(&mut self) -> bool {
        self.stage.board().peer(0).connection.is_some()
    }
}

#[test]
fn at_the_end_of_the_hours_a_session_is_logged_out_and_reset_once() {
    let mut clients = Clients::scheduled();
    clients.at_s(12);
    clients.log_on(0, 0, 1);
    clients.at_s(12);
    clients.report(0);
    clients.at_s(19);
    assert_eq!(clients.numbers(), (2, 3));
    clients.wire().sent(0);
    clients.at_s(20);
    let sent = clients.wire().sent(0);
    assert!(
        sent.len() == 1 && sent[0].contains("|35=5|34=3|"),
        "{sent:?}"
    );
    assert!(sent[0].contains("|58=Session schedule ended|"), "{sent:?}");
    assert_eq!(
        clients.numbers(),
        (2, 4),
        "not while the logout is under way"
    );
    clients.say(0, 0, "5", 2, "");
    clients.at_s(20);
    assert!(!clients.is_connected());
    assert_eq!(clients.numbers(), (1, 1));
    // What is for it meanwhile is the first of the next day, and waits for it.
    clients.report(0);
    clients.at_s(25);
    assert_eq!(clients.numbers(), (1, 2));
    // The clock swings over the boundary, and the next window comes.
    for wall_s in [19, 20, 19, 25, 30] {
        clients.at_s(wall_s);
    }
    clients.log_on(0, 1, 1);
    clients.at_s(31);
    let sent = clients.wire().sent(1);
    assert!(sent[0].contains("|35=A|34=2|"), "{sent:?}");
    let events = events(&mut clients.log);
    assert_eq!(count(&events, RESET), 1, "{events:#?}");
    assert_eq!(count(&events, "logged on"), 2, "{events:#?}");
}

#[test]
fn a_logout_without_answer_is_followed_by_the_reset() {
    let mut clients = Clients::scheduled();
    clients.at_s(12);
    clients.log_on(0, 0, 1);
    clients.at_s(12);
    clients.at_s(20);
    assert!(clients.is_connected());
    clients.now_ns += 3 * S;
    clients.at_s(23);
    clients.at_s(23);
    assert!(!clients.is_connected());
    assert_eq!(clients.numbers(), (1, 1));
}

#[test]
fn a_disconnected_session_is_reset_at_the_boundary_and_two_missed_ones_are_one() {
    let mut clients = Clients::scheduled();
    clients.at_s(12);
    clients.log_on(0, 0, 1);
    clients.at_s(12);
    clients.wire().hang_up(0);
    clients.at_s(13);
    assert_eq!(clients.numbers(), (2, 2));
    // The host slept: two ends of windows went by.
    clients.at_s(51);
    assert_eq!(clients.numbers(), (1, 1));
    clients.at_s(55);
    assert_eq!(count(&events(&mut clients.log), RESET), 1);
}

#[test]
fn a_logon_at_the_very_boundary_meets_the_new_numbers() {
    let mut clients = Clients::scheduled();
    clients.at_s(12);
    clients.log_on(0, 0, 1);
    clients.at_s(12);
    clients.wire().hang_up(0);
    clients.at_s(13);
    // Frames of a turn come before its timers.
    clients.log_on(0, 1, 1);
    clients.at_s(31);
    let sent = clients.wire().sent(1);
    assert!(sent[0].contains("|35=A|34=1|"), "{sent:?}");
    assert_eq!(clients.numbers(), (2, 2));
}

#[test]
fn outside_the_hours_the_peer_is_told_and_a_stranger_is_not() {
    let mut clients = Clients::scheduled();
    clients.at_s(5);
    let fix = clients.plan.sessions[0].fix.clone();
    clients.log_on(0, 0, 1);
    clients.at_s(5);
    let sent = clients.wire().sent(0);
    assert_eq!(sent.len(), 1, "{sent:?}");
    let told = "|58=Outside the session schedule: opens at 19700101-00:00:10 UTC|";
    assert!(
        sent[0].contains("|35=5|34=1|") && sent[0].contains(told),
        "{sent:?}"
    );
    assert!(!clients.is_connected());
    // Off by an hour: dropped without a byte, as at any time.
    let late = String::from_utf8(logon(&fix, 1, false)).unwrap();
    let late = late.replace("-00:00:00.000", "-01:00:00.000");
    let body = &late[..late.rfind("10=").unwrap()];
    let sum = body.bytes().fold(0u8, u8::wrapping_add);
    clients.wire().accept(1);
    let late = format!("{body}10={sum:03}\u{1}");
    clients.wire().feed(1, late.as_bytes());
    clients.at_s(6);
    assert_eq!(clients.wire().sent(1), [""; 0]);
    // Its number was not consumed, ours was: a gap that heals.
    clients.log_on(0, 2, 1);
    clients.at_s(10);
    let sent = clients.wire().sent(2);
    assert!(sent[0].contains("|35=A|34=2|"), "{sent:?}");
    let events = events(&mut clients.log);
    assert_eq!(
        count(&events, "disconnected: outside_schedule"),
        1,
        "{events:#?}"
    );
    assert_eq!(
        count(&events, "its schedule is open until 19700101-00:00:20 UTC"),
        1
    );
}

impl Links {
    /// Two links: the first with hours, the second without.
    fn scheduled() -> Self {
        let mut sample = Sample::new("/nowhere");
        sample.links = vec![([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()];
        let mut plan = sample.plan();
        plan.desks[0].links[0].fix.schedule = Some(hours());
        Self::of(plan, 64)
    }

    fn at_s(&mut self, wall_s: u64) {
        for _ in 0..3 {
            self.now_ns += 6_000_000;
            self.stage.duty_cycle(Now {
                mono_ns: self.now_ns,
                wall_ns: wall_s * S,
            });
        }
    }

    fn is_connecting(&mut self) -> bool {
        self.stage.board().peer(0).connecting
    }

    fn log_on_at_s(&mut self, link: u32, wall_s: u64, number: u64) {
        self.at_s(wall_s);
        self.wire().connected(link);
        self.at_s(wall_s);
        let answer = logon(&self.plan.desks[0].links[link as usize].fix, number, false);
        self.wire().feed(link, &answer);
        self.at_s(wall_s);
    }

    fn numbers(&mut self) -> (u64, u64) {
        let session = &self.stage.board().peer(0).session;
        (session.expected_in(), session.peek_next_out())
    }

    fn end_the_day(&mut self, wall_s: u64, number: u64) {
        self.at_s(wall_s);
        self.say("5", number, "");
        self.at_s(wall_s);
    }

    /// Long enough for the walk over what is in flight.
    fn let_doubts_be_found(&mut self, wall_s: u64) {
        for _ in 0..200 {
            self.at_s(wall_s);
        }
    }
}

#[test]
fn a_link_connects_when_its_hours_begin_and_not_before() {
    let mut links = Links::scheduled();
    links.at_s(5);
    assert!(!links.is_connecting());
    links.at_s(10);
    assert!(links.is_connecting());
    links.log_on_at_s(0, 10, 1);
    assert_eq!(links.numbers(), (2, 2));
    links.end_the_day(20, 2);
    assert_eq!(links.numbers(), (1, 1));
    links.at_s(25);
    assert!(!links.is_connecting());
    links.wire().sent(0);
    links.at_s(30);
    assert!(links.is_connecting());
    // What comes to stand only after the hours is not logged on.
    links.at_s(40);
    links.wire().connected(0);
    links.at_s(40);
    assert_eq!(links.wire().sent(0), [""; 0]);
}

#[test]
fn a_link_with_requests_in_doubt_is_reset_when_they_are_resolved() {
    let mut links = Links::scheduled();
    links.log_on_at_s(0, 10, 1);
    let order = links.ask(0, DeskRequest::New);
    links.at_s(12);
    links.end_the_day(20, 2);
    links.let_doubts_be_found(25);
    assert!(links.told().contains(&DeskInput::InDoubt { id: order }));
    assert_eq!(links.numbers(), (3, 4), "held");
    let seen = events(&mut links.log);
    assert_eq!(count(&seen, "a scheduled reset waits"), 1, "{seen:#?}");
    assert_eq!(count(&seen, RESET), 0);
    // The desk speaks of the order on its other link: nothing is in doubt any more.
    links.log_on_at_s(1, 26, 1);
    let fields = format!("6=0|11={order}|14=0|17=e|37=x|39=0|54=1|55=SYM0|150=0|151=100|38=100|");
    let report = message(&links.plan.desks[0].links[1].fix, "8", 2, &fields);
    links.wire().feed(1, &report);
    links.at_s(27);
    assert_eq!(links.numbers(), (1, 1));
    assert_eq!(count(&events(&mut links.log), RESET), 1);
}

#[test]
fn a_desk_that_goes_on_under_the_old_numbers_ends_the_wait() {
    let mut links = Links::scheduled();
    links.log_on_at_s(0, 10, 1);
    let order = links.ask(0, DeskRequest::New);
    links.at_s(12);
    links.end_the_day(20, 2);
    links.let_doubts_be_found(25);
    links.log_on_at_s(0, 30, 3);
    assert_eq!(count(&events(&mut links.log), "reset is given up"), 1);
    assert_eq!(links.numbers(), (4, 5));
    links.acknowledge(4, order);
    links.at_s(31);
    assert_eq!(
        links.numbers(),
        (5, 5),
        "and is not torn down in the middle of the day"
    );
    links.end_the_day(40, 5);
    assert_eq!(
        links.numbers(),
        (1, 1),
        "the next boundary is as good as any"
    );
}

fn change(log_out: bool) -> NumbersChange {
    NumbersChange {
        ticket: 9,
        next_in: 50,
        next_out: 70,
        log_out,
        uid: 1000,
        approver_uid: Some(1001),
    }
}

#[test]
fn an_operator_sets_numbers_while_disconnected_or_after_a_logout() {
    let mut links = Links::new(9, 64);
    let turn = |links: &mut Links, log_out: bool| {
        let command = LinkCommand::SetNumbers(LinkIndex(0), change(log_out));
        links.commands.push(command).unwrap();
        links.turn();
        links.turn();
        links.answers.pop()
    };
    let refused = turn(&mut links, false).unwrap();
    assert_eq!(refused.outcome, NumbersOutcome::Connected);
    let numbers = (refused.ticket, refused.next_in, refused.next_out);
    assert_eq!(numbers, (9, 2, 2));
    assert_eq!(turn(&mut links, true), None, "the logout is under way");
    let sent = links.wire().sent(0);
    assert!(sent[0].contains("|35=5|34=2|"), "{sent:?}");
    let second = turn(&mut links, true).unwrap();
    assert_eq!(second.outcome, NumbersOutcome::UnderWay);
    links.say("5", 2, "");
    links.turn();
    links.turn();
    let done = links.answers.pop().unwrap();
    assert_eq!(done.outcome, NumbersOutcome::Set { before: (3, 3) });
    assert_eq!(links.numbers(), (50, 70));
    let events = events(&mut links.log);
    let at = |part: &str| {
        events
            .iter()
            .position(|event| event.contains(part))
            .unwrap()
    };
    let who = at("user 1000 sets the sequence numbers, approved by user 1001");
    let what = at("sequence numbers set: next in 50, next out 70: an operator's command");
    assert!(who < what, "{events:#?}");
}

#[test]
fn a_session_that_comes_back_finds_the_numbers_that_were_set() {
    let mut clients = Clients::new(1, 64);
    let command = SessionCommand::SetNumbers(SessionIndex(0), change(false));
    clients.commands.push(command).unwrap();
    clients.turn();
    assert!(clients.answers.pop().is_some());
    clients.log_on(0, 0, 50);
    clients.turn();
    let sent = clients.wire().sent(0);
    assert!(sent[0].contains("|35=A|34=70|"), "{sent:?}");
}

#[test]
fn doubts_of_older_numbers_do_not_hold_a_reset() {
    let mut links = Links::scheduled();
    links.log_on_at_s(0, 10, 1);
    let order = links.ask(0, DeskRequest::New);
    links.at_s(12);
    // The desk begins anew in the middle of the day: nothing can be proved by the number of that order any more.
    links.say("A", 1, "98=0|108=30|141=Y|");
    links.let_doubts_be_found(13);
    assert!(links.told().contains(&DeskInput::InDoubt { id: order }));
    assert_eq!(links.numbers(), (2, 2));
    links.end_the_day(20, 2);
    links.at_s(25);
    assert_eq!(links.numbers(), (1, 1));
}
