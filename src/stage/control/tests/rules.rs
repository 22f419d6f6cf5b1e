//! The rules of the commands without a socket: who may what alone, what waits, expires, is full or unanswered. Time is injected.
//!
//! The stages behind the queues are played by the tests.

use super::*;

fn second_session() -> String {
    plan(true).sessions[1].name.clone()
}

struct Rig {
    operations: Operations,
    ports: ControlPorts,
    now_ns: u64,
}

impl Rig {
    fn new(two_persons: bool) -> Self {
        let plan = plan(two_persons);
        let (words, writer) = page(&plan);
        let ports = ControlPorts::default();
        Self {
            operations: Operations::new(plan, ports.clone(), words, writer),
            ports,
            now_ns: 0,
        }
    }

    fn ask(&mut self, peer: Peer, command: Command) -> Outcome {
        let now = Now {
            mono_ns: self.now_ns,
            wall_ns: 0,
        };
        self.operations.handle(now, peer, request(command))
    }

    fn answer(&mut self, peer: Peer, command: Command) -> Response {
        match self.ask(peer, command) {
            Outcome::Answer(response) => response,
            Outcome::Wait(ticket) => panic!("waits for ticket {ticket}"),
        }
    }

    fn refused(&mut self, peer: Peer, command: Command) -> ErrorKind {
        self.answer(peer, command).error.expect("refused")
    }

    /// The risk stage does what reached it.
    fn risk_stage(&mut self) -> Vec<RiskCommand> {
        let mut done = Vec::new();
        while let Some(input) = self.ports.risk.pop() {
            done.push(input.command);
            let answer = CommandDone {
                ticket: input.ticket,
                sequence: 7,
                affected: 3,
            };
            self.ports.risk_done.push(answer).unwrap();
        }
        done
    }

    fn poll(&mut self) -> Vec<(u64, Response)> {
        let mut answers = Vec::new();
        self.operations.poll(self.now_ns, &mut answers);
        answers
    }

    fn limit(&mut self, peer: Peer, limit: LimitName, value: &str) -> Outcome {
        self.ask(
            peer,
            Command::Limit {
                account: "A1".into(),
                limit,
                value: value.into(),
            },
        )
    }
}

#[test]
fn what_lowers_risk_acts_at_once() {
    let mut rig = Rig::new(true);
    for command in [
        Command::Block {
            scope: ScopeName::Firm,
        },
        Command::Kill {
            scope: account("A2"),
        },
        Command::Kill {
            scope: ScopeName::Session("nobody".into()),
        },
    ] {
        rig.ask(ALICE, command);
    }
    let killed = RiskCommand::Kill(Scope::Account(AccountIndex(1)));
    assert_eq!(rig.risk_stage(), [RiskCommand::Block(Scope::Firm), killed]);
    let answers = rig.poll();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[1].1.data, json!({"sequence": 7, "affected": 3}));
    assert!(
        answers[1].1.message.contains("3 open orders"),
        "{}",
        answers[1].1.message
    );
    let name = second_session();
    rig.answer(ALICE, Command::SessionDisable { name: name.clone() });
    rig.answer(ALICE, Command::SessionLogout { name });
    assert_eq!(
        rig.ports.sessions.pop(),
        Some(SessionCommand::Disable(SessionIndex(1)))
    );
    assert_eq!(
        rig.ports.sessions.pop(),
        Some(SessionCommand::Logout(SessionIndex(1)))
    );
}

#[test]
fn what_raises_risk_needs_another_person() {
    let mut rig = Rig::new(true);
    let link = plan(true).desks[0].links[1].name.clone();
    let raising = [
        Command::Unblock {
            scope: ScopeName::Firm,
        },
        Command::Release {
            scope: account("A1"),
        },
        Command::LinkEnable { name: link },
        Command::SessionEnable {
            name: second_session(),
        },
    ];
    for (at, command) in raising.into_iter().enumerate() {
        let response = rig.answer(ALICE, command);
        assert_eq!(response.data, json!({"pending": at + 1}));
    }
    assert!(rig.ports.risk.is_empty() && rig.ports.links.is_empty());
    assert_eq!(
        rig.answer(BOB, Command::Pending)
            .data
            .as_array()
            .unwrap()
            .len(),
        4
    );
    // Whoever asked cannot approve, under whatever process.
    let alice_again = Peer { pid: 99, ..ALICE };
    assert_eq!(
        rig.refused(alice_again, Command::Approve { number: 1 }),
        ErrorKind::NotAllowed
    );
    assert!(rig.ports.risk.is_empty());
    assert!(matches!(
        rig.ask(BOB, Command::Approve { number: 1 }),
        Outcome::Wait(1)
    ));
    let input = rig.ports.risk.pop().unwrap();
    assert_eq!(input.command, RiskCommand::Unblock(Scope::Firm));
    assert_eq!(input.user.to_string(), "uid 201 + 202");
    assert_eq!(
        rig.refused(BOB, Command::Approve { number: 1 }),
        ErrorKind::Unknown
    );
    assert!(rig.answer(BOB, Command::Approve { number: 3 }).ok);
    assert_eq!(
        rig.ports.links.pop(),
        Some(LinkCommand::Enable(LinkIndex(1)))
    );
    assert!(rig.answer(ALICE, Command::Refuse { number: 2 }).ok);
    assert_eq!(
        rig.refused(BOB, Command::Approve { number: 2 }),
        ErrorKind::Unknown
    );
    assert_eq!(
        rig.answer(BOB, Command::Pending)
            .data
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn one_person_is_enough_where_the_plan_says_so() {
    let mut rig = Rig::new(false);
    let command = Command::Release {
        scope: ScopeName::Firm,
    };
    assert!(matches!(rig.ask(ALICE, command), Outcome::Wait(_)));
    assert_eq!(rig.risk_stage(), [RiskCommand::Release(Scope::Firm)]);
}

#[test]
fn limits_rise_with_two_persons_and_fall_with_one() {
    let mut rig = Rig::new(true);
    let waits = |outcome: Outcome| match outcome {
        Outcome::Answer(response) => response.data["pending"].as_u64(),
        Outcome::Wait(_) => None,
    };
    let value = LimitName::OrderValueMax;
    assert_eq!(waits(rig.limit(ALICE, value, "1000")), None, "as it is");
    rig.risk_stage();
    rig.poll();
    assert_eq!(waits(rig.limit(ALICE, value, "1000.00000001")), Some(1));
    assert_eq!(
        waits(rig.limit(ALICE, value, "0")),
        Some(2),
        "no limit is the highest"
    );
    assert_eq!(
        waits(rig.limit(ALICE, LimitName::OpenOrdersMax, "5")),
        None,
        "none before"
    );
    // Not answered yet: what is in force is not known, so that anything counts as raising.
    assert_eq!(
        waits(rig.limit(ALICE, LimitName::OpenOrdersMax, "4")),
        Some(3)
    );
    let five = RiskCommand::Limit(AccountIndex(0), LimitChange::OpenOrdersMax(5));
    assert_eq!(rig.risk_stage(), [five]);
    rig.poll();
    assert_eq!(
        waits(rig.limit(ALICE, LimitName::OpenOrdersMax, "6")),
        Some(4),
        "five is in force"
    );
    assert_eq!(waits(rig.limit(ALICE, LimitName::OpenOrdersMax, "3")), None);
    assert_eq!(
        rig.answer(BOB, Command::Pending).data[3]["current"],
        json!("5")
    );
}

#[test]
fn what_waits_expires_and_is_bounded() {
    let mut rig = Rig::new(true);
    let release = || Command::Release {
        scope: ScopeName::Firm,
    };
    rig.answer(ALICE, release());
    rig.answer(ALICE, release());
    assert_eq!(
        rig.answer(BOB, Command::Pending)
            .data
            .as_array()
            .unwrap()
            .len(),
        1,
        "twice the same"
    );
    rig.now_ns = 15 * 60 * NS_PER_S - 1;
    assert_eq!(
        rig.answer(BOB, Command::Pending).data[0]["expires_s"],
        json!(0)
    );
    rig.now_ns += 1;
    assert_eq!(
        rig.refused(BOB, Command::Approve { number: 1 }),
        ErrorKind::Unknown
    );
    for value in 0..crate::limits::CONTROL_PENDING_MAX {
        rig.limit(
            ALICE,
            LimitName::OrderValueMax,
            &format!("{}", 2000 + value),
        );
    }
    assert_eq!(rig.refused(ALICE, release()), ErrorKind::Busy);
    assert!(matches!(
        rig.ask(
            ALICE,
            Command::Kill {
                scope: ScopeName::Firm
            }
        ),
        Outcome::Wait(_)
    ));
}

#[test]
fn a_full_queue_is_said_to_be_full_and_nothing_is_lost() {
    let mut rig = Rig::new(true);
    let kill = || Command::Kill {
        scope: ScopeName::Firm,
    };
    rig.answer(
        ALICE,
        Command::Release {
            scope: ScopeName::Firm,
        },
    );
    for _ in 0..CONTROL_QUEUE_COMMANDS {
        assert!(matches!(rig.ask(ALICE, kill()), Outcome::Wait(_)));
    }
    assert_eq!(rig.refused(ALICE, kill()), ErrorKind::Busy);
    assert_eq!(
        rig.refused(BOB, Command::Approve { number: 1 }),
        ErrorKind::Busy
    );
    rig.risk_stage();
    assert_eq!(rig.poll().len(), CONTROL_QUEUE_COMMANDS);
    assert!(
        matches!(
            rig.ask(BOB, Command::Approve { number: 1 }),
            Outcome::Wait(_)
        ),
        "it still waited"
    );
    let name = second_session();
    let logout = || Command::SessionLogout { name: name.clone() };
    (0..CONTROL_QUEUE_COMMANDS).for_each(|_| assert!(rig.answer(ALICE, logout()).ok));
    assert_eq!(rig.refused(ALICE, logout()), ErrorKind::Busy);
}

#[test]
fn a_silent_risk_stage_is_told_and_its_late_answer_still_counts() {
    let mut rig = Rig::new(true);
    assert!(matches!(
        rig.limit(ALICE, LimitName::OpenOrdersMax, "5"),
        Outcome::Wait(1)
    ));
    rig.now_ns = 2 * NS_PER_S - 1;
    assert!(rig.poll().is_empty());
    rig.now_ns += 1;
    let answers = rig.poll();
    assert_eq!(
        (answers[0].0, answers[0].1.error),
        (1, Some(ErrorKind::NoAnswer))
    );
    assert!(rig.poll().is_empty(), "told once");
    rig.risk_stage();
    assert!(rig.poll().is_empty(), "nobody waits any more");
    let outcome = rig.limit(ALICE, LimitName::OpenOrdersMax, "6");
    assert!(
        matches!(outcome, Outcome::Answer(r) if r.data["pending"] == 1),
        "five is in force"
    );
}

fn set_sequence(logout: bool) -> Command {
    Command::SessionSetSequence(SetSequence {
        name: second_session(),
        next_in: 5,
        next_out: 7,
        logout,
    })
}

#[test]
fn sequence_numbers_need_two_persons_and_the_stage_answers() {
    let mut rig = Rig::new(true);
    assert_eq!(rig.answer(ALICE, set_sequence(false)).data["pending"], 1);
    assert!(rig.ports.sessions.is_empty());
    let Outcome::Wait(ticket) = rig.ask(BOB, Command::Approve { number: 1 }) else {
        panic!("it is done at once");
    };
    let Some(SessionCommand::SetNumbers(SessionIndex(1), change)) = rig.ports.sessions.pop() else {
        panic!("not handed over");
    };
    let who = (change.uid, change.approver_uid);
    assert_eq!((change.ticket, who), (ticket, (ALICE.uid, Some(BOB.uid))));
    let done = NumbersDone {
        ticket,
        next_in: 5,
        next_out: 7,
        outcome: NumbersOutcome::Set { before: (2, 3) },
    };
    rig.ports.numbers_done.push(done).unwrap();
    let answers = rig.poll();
    let [(answered, response)] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert!(*answered == ticket && response.ok);
    assert!(
        response
            .message
            .ends_with(": next in 2 -> 5, next out 3 -> 7"),
        "{}",
        response.message
    );
}

#[test]
fn a_logout_that_comes_first_has_its_time() {
    let mut rig = Rig::new(false);
    let timeout_ns = plan(false).sessions[1].fix.logout_timeout_s as u64 * NS_PER_S;
    for (logout, allowed_ns) in [(false, 0), (true, timeout_ns)] {
        assert!(matches!(
            rig.ask(ALICE, set_sequence(logout)),
            Outcome::Wait(_)
        ));
        rig.now_ns += allowed_ns + crate::limits::CONTROL_ANSWER_NS_MAX - 1;
        assert!(rig.poll().is_empty());
        rig.now_ns += 1;
        assert_eq!(rig.poll()[0].1.error, Some(ErrorKind::NoAnswer));
    }
}

#[test]
fn long_remarks_are_refused() {
    let mut rig = Rig::new(true);
    let mut request = request(Command::Status);
    request.reason = "x".repeat(513);
    let outcome = rig.operations.handle(Now::default(), ALICE, request);
    assert!(matches!(outcome, Outcome::Answer(r) if r.error == Some(ErrorKind::BadRequest)));
}

/// Where the test's log goes.
#[derive(Clone, Default)]
struct Sink(Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_command_leaves_one_line_in_the_operations_log() {
    let sink = Sink::default();
    let writer = sink.clone();
    // With a single subscriber `tracing` asks only the thread that meets a line first, for all: those of other tests have none.
    let _second = tracing::Dispatch::new(
        tracing_subscriber::fmt()
            .with_writer(std::io::sink)
            .finish(),
    );
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut rig = Rig::new(true);
        let mut kill = request(Command::Kill {
            scope: ScopeName::Firm,
        });
        kill.reason = "two\nlines outcome=\"done\"".into();
        kill.ticket = "OPS-1".into();
        let outcome = rig.operations.handle(Now::default(), ALICE, kill);
        assert!(matches!(outcome, Outcome::Wait(1)));
        rig.risk_stage();
        rig.poll();
        rig.ask(
            ALICE,
            Command::Block {
                scope: account("nobody"),
            },
        );
        rig.ask(
            ALICE,
            Command::Release {
                scope: ScopeName::Firm,
            },
        );
        rig.ask(ALICE, Command::Approve { number: 1 });
        rig.ask(BOB, Command::Approve { number: 1 });
        rig.risk_stage();
        rig.poll();
        rig.ask(
            BOB,
            Command::Release {
                scope: account("A1"),
            },
        );
        rig.now_ns = u64::MAX;
        rig.ask(BOB, Command::Pending);
    });
    let bytes = sink.0.lock().unwrap().clone();
    let log = String::from_utf8(bytes).unwrap();
    insta::assert_snapshot!(log);
}
