//! Drop copy: sessions that receive copies of what other sessions are told, each in its own FIX version and under its own numbers, also
//! after it was away; a receiver that does not read delays nobody, and may ask for nothing.

mod support;

use gatehouse::config::plan::{DictionaryPlan, DropCopyPlan, Plan};
use gatehouse::config::sample::Sample;
use gatehouse::domain::{AccountIndex, FixVersion, SessionIndex};
use gatehouse::limits::SLOW_CONSUMER_TIMEOUT_S;
use gatehouse::status::Counter;
use support::Fix;
use support::fix::{fields, timestamp};
use support::stages::{Bench, MemoryConn, order, report};

/// Receives copies of session 0 and, once more, of its account; speaks 4.4 as session 0 does.
const OF_FIRST: usize = 2;
/// Receives copies of both accounts; speaks 4.2 as session 1 does.
const OF_ALL: usize = 3;
/// Receives copies of the account of session 1; speaks 4.4.
const OF_SECOND: usize = 4;

fn bench() -> Bench {
    Bench::new(
        |sample: &mut Sample| {
            (sample.sessions, sample.accounts) = (5, 2);
            sample.odd_sessions_fix_42 = true;
        },
        |plan: &mut Plan| {
            for (at, sessions, accounts) in [
                (OF_FIRST, &[0][..], &[0][..]),
                (OF_ALL, &[], &[0, 1]),
                (OF_SECOND, &[], &[1]),
            ] {
                let session = &mut plan.sessions[at];
                session.accounts.clear();
                session.drop_copy = Some(DropCopyPlan {
                    accounts: accounts.iter().copied().map(AccountIndex).collect(),
                    sessions: sessions.iter().copied().map(SessionIndex).collect(),
                });
            }
            assert_eq!(plan.sessions[OF_ALL].fix.version, FixVersion::Fix42);
            // One text of an order serves all kinds of requests here.
            for session in &mut plan.sessions {
                session.fix.dictionary = DictionaryPlan::None;
            }
        },
    )
}

fn logged_on(bench: &Bench, at: usize) -> MemoryConn {
    let mut client = bench.client(at);
    bench.connect(&mut client);
    assert!(client.recover().is_empty());
    client
}

/// Orders of every fate; returns what the client was told of them.
fn trade(desk: &mut MemoryConn, client: &mut MemoryConn, at: usize) -> Vec<Fix> {
    let mut told = Vec::new();
    let mut hear = |client: &mut MemoryConn, kind: &str| told.push(client.expect(kind));
    // Filled in two parts.
    client.send("D", &order(at, "a", ""));
    let request = desk.expect("D");
    report(desk, &request, "");
    report(desk, &request, "150=F 39=1 32=4 31=10 14=4 151=6");
    report(desk, &request, "150=F 39=2 32=6 31=10 14=10 151=0");
    (0..3).for_each(|_| hear(client, "8"));
    // Too late to be cancelled; a cancel of what nobody knows.
    let chain = |new: &str, old: &str| order(at, new, &format!("41={old} 38=9"));
    for old in ["a", "never"] {
        client.send("F", &chain(&format!("x{old}"), old));
        hear(client, "9");
    }
    // Refused by the desk, and by the gateway.
    client.send("D", &order(at, "b", ""));
    let request = desk.expect("D");
    report(desk, &request, "150=8 39=8 151=0 58=No");
    hear(client, "8");
    client.send("D", &order(at, "c", "44=1000"));
    hear(client, "8");
    // Replaced after a refusal, then cancelled.
    client.send("D", &order(at, "d", ""));
    let request = desk.expect("D");
    report(desk, &request, "");
    hear(client, "8");
    client.send("G", &chain("e", "d"));
    let replace = desk.expect("G");
    let ids = format!("37=D 11={} 41={}", replace.get(11), replace.get(41));
    desk.send("9", &fields(&format!("{ids} 39=0 434=2 102=0")));
    hear(client, "9");
    client.send("G", &chain("f", "d"));
    let replace = desk.expect("G");
    report(desk, &replace, "150=5 39=0");
    hear(client, "8");
    client.send("F", &chain("g", "f"));
    let cancel = desk.expect("F");
    report(desk, &cancel, "150=4 39=4 151=0");
    hear(client, "8");
    // Answers to questions go to who asked.
    client.send("H", &fields("11=d 55=SYM1 54=1"));
    client.expect("8").is("39=4");
    if client.identity.begin == "FIX.4.4" {
        client.send("AF", &fields("584=m 585=7"));
        client.expect("8").is("150=I");
        client.send("q", &fields(&format!("11=q 530=7 60={}", timestamp())));
        client.expect("r");
    }
    told
}

/// An order for the account of the other session, which is refused.
fn trespass(client: &mut MemoryConn, account: &str) -> Fix {
    client.send("D", &order(0, "trespass", &format!("1={account}")));
    let refused = client.expect("8");
    refused.is("150=8").is(&format!("1={account}"));
    refused
}

/// What the message says, apart from whom and under which number.
fn said(message: &Fix) -> Vec<(u32, String)> {
    let header = [34, 43, 49, 52, 56, 122];
    let fields = message.fields.iter();
    fields
        .filter(|(tag, _)| !header.contains(tag))
        .cloned()
        .collect()
}

/// Copies as they must be in the originals' own version.
fn copied(originals: &[Fix]) -> Vec<Vec<(u32, String)>> {
    let copy = |original: &Fix| {
        let mut fields = said(original);
        if original.kind() == "8" && original.find(20).is_none() {
            fields.push((797, "Y".to_owned()));
        }
        fields
    };
    originals.iter().map(copy).collect()
}

/// What reports and cancel rejects say in all versions alike.
fn core(message: &Fix) -> Vec<(u32, String)> {
    let shared = [1, 6, 11, 14, 17, 35, 37, 38, 39, 41, 44, 54, 55, 58, 60];
    let fields = message.fields.iter();
    fields
        .filter(|(tag, _)| shared.contains(tag))
        .cloned()
        .collect()
}

/// All that came and was not read.
fn rest(bench: &Bench, receiver: &mut MemoryConn) -> Vec<Fix> {
    bench.turn(5);
    let mut messages = Vec::new();
    while receiver.is_buffered() || receiver.stream().waiting() > 0 {
        messages.push(receiver.read().expect("connected"));
    }
    messages
}

#[test]
fn copies_are_the_originals_field_for_field() {
    let bench = bench();
    let mut desk = bench.desk();
    let mut clients = [logged_on(&bench, 0), logged_on(&bench, 1)];
    let mut receivers = [OF_FIRST, OF_ALL, OF_SECOND].map(|at| logged_on(&bench, at));
    let first = trade(&mut desk, &mut clients[0], 0);
    let second = trade(&mut desk, &mut clients[1], 1);
    // The second cancel names an order of no account: copied for the session's sake alone.
    assert_eq!((first.len(), second.len()), (11, 11));
    let no_account = 4;
    first[no_account].is("35=9 11=xnever 37=NONE");
    let with_account = |told: &[Fix]| {
        let mut told = told.to_vec();
        told.remove(no_account);
        told
    };
    let trespassed = trespass(&mut clients[0], "A2");

    let [of_first, of_all, of_second] = &mut receivers;
    let heard = rest(&bench, of_first);
    let mut of_session = first.clone();
    of_session.push(trespassed);
    let heard_fields: Vec<_> = heard.iter().map(said).collect();
    assert_eq!(heard_fields, copied(&of_session));
    for message in heard.iter().filter(|message| message.kind() == "8") {
        message.is("797=Y");
    }

    // The receiver of an account is not told who else tried to use it. Session 1 speaks its version, session 0 does not.
    let heard = rest(&bench, of_all);
    let (known_first, known_second) = (with_account(&first), with_account(&second));
    let heard_fields: Vec<_> = heard[known_first.len()..].iter().map(said).collect();
    assert_eq!(heard_fields, copied(&known_second));
    for (copy, original) in heard.iter().zip(&known_first) {
        assert_eq!(core(copy), core(original));
        copy.is("797=- 49=GATEHOUSE 56=CLIENT4");
        match copy.kind() {
            "8" => assert!(copy.find(20).is_some() && original.find(20).is_none()),
            kind => assert_eq!(kind, "9"),
        }
    }

    let heard = rest(&bench, of_second);
    assert_eq!(heard.len(), known_second.len());
    for (copy, original) in heard.iter().zip(&known_second) {
        assert_eq!(core(copy), core(original));
        copy.is("20=-");
        assert_eq!(copy.find(797), (copy.kind() == "8").then_some("Y"));
    }

    let copies = (of_session.len(), known_first.len() + known_second.len());
    let copies = [copies.0, copies.1, known_second.len()];
    let status = bench.status();
    assert_eq!(
        status.total(Counter::CopiesOut),
        copies.iter().sum::<usize>() as u64
    );
    for (at, copies) in (OF_FIRST..).zip(copies) {
        assert_eq!(status.sessions[at].copies, Some(copies as u64));
        assert_eq!(status.sessions[at].state, "active");
    }
    assert!(
        status.sessions[..OF_FIRST]
            .iter()
            .all(|it| it.copies.is_none())
    );
}

#[test]
fn who_was_away_gets_everything_once_by_asking_for_it() {
    let bench = bench();
    let mut desk = bench.desk();
    let mut client = logged_on(&bench, 0);
    // Never there before.
    let told = trade(&mut desk, &mut client, 0);
    let mut receiver = bench.client(OF_FIRST);
    bench.connect(&mut receiver);
    let again = receiver.recover();
    let heard: Vec<_> = again.iter().map(said).collect();
    assert_eq!(heard, copied(&told));
    for (at, message) in again.iter().enumerate() {
        assert_eq!(message.seq(), 1 + at as u64);
        assert!(message.poss_dup() && message.find(122).is_some());
    }
    // Cut off in the middle of the day.
    receiver.drop_connection();
    bench.turn(5);
    client.send("D", &order(0, "late", ""));
    let request = desk.expect("D");
    report(&mut desk, &request, "");
    let told = [client.expect("8")];
    bench.connect(&mut receiver);
    let heard: Vec<_> = receiver.recover().iter().map(said).collect();
    assert_eq!(heard, copied(&told));
    // And what comes now comes at once.
    report(&mut desk, &request, "150=F 39=1 32=4 31=10 14=4 151=6");
    let told = [client.expect("8")];
    let heard: Vec<_> = rest(&bench, &mut receiver).iter().map(said).collect();
    assert_eq!(heard, copied(&told));
    // Asked for again, they come again, under the same numbers.
    receiver.send("2", &fields("7=1 16=3"));
    for number in 1..=3 {
        let message = receiver.read_any().expect("again");
        assert_eq!((message.seq(), message.poss_dup()), (number, true));
    }
}

/// Turns of the gateway from an acknowledgement of the desk until the client has it.
fn turns_to_client(bench: &Bench, desk: &mut MemoryConn, client: &mut MemoryConn, id: &str) -> u32 {
    client.send("D", &order(0, id, ""));
    let request = desk.expect("D");
    bench.turn(20);
    report(desk, &request, "");
    let mut turns = 0;
    while client.stream().waiting() == 0 {
        bench.turn(1);
        turns += 1;
    }
    client.expect("8").is("150=0").is(&format!("11={id}"));
    turns
}

#[test]
fn a_receiver_that_does_not_read_delays_nobody() {
    const ORDERS: usize = 600;
    let bench = bench();
    let mut desk = bench.desk();
    let mut client = logged_on(&bench, 0);
    // Nobody there to receive.
    let alone = turns_to_client(&bench, &mut desk, &mut client, "alone");
    let mut reading = logged_on_late(&bench, OF_ALL);
    let mut silent = logged_on_late(&bench, OF_FIRST);
    for at in 0..ORDERS {
        let turns = turns_to_client(&bench, &mut desk, &mut client, &format!("o{at}"));
        assert_eq!(turns, alone, "order {at}");
        assert_eq!(rest(&bench, &mut reading).len(), 1);
    }
    let status = bench.status();
    let session = |at: usize| &status.sessions[at];
    assert_eq!(session(OF_FIRST).copies, Some(ORDERS as u64 + 1));
    let unsent = session(OF_FIRST).copies.unwrap() - session(OF_FIRST).messages_out;
    assert!(unsent > 100, "the receiver's socket holds everything");
    assert_eq!(session(OF_FIRST).state, "active");

    // It reads at last: everything, in sequence.
    let mut heard = 0;
    while heard < ORDERS {
        silent.expect("8").is(&format!("11=o{heard}"));
        heard += 1;
    }
    // It stops again and does not come back to it: it is disconnected, and the client hears nothing of that.
    let full = |bench: &Bench| {
        let status = bench.status();
        let session = &status.sessions[OF_FIRST];
        session.copies.unwrap() > session.messages_out + 10
    };
    let mut at = 0;
    while !full(&bench) {
        turns_to_client(&bench, &mut desk, &mut client, &format!("p{at}"));
        at += 1;
    }
    for _ in 0..2 * SLOW_CONSUMER_TIMEOUT_S {
        bench.pass(1_000_000_000);
        bench.turn(5);
    }
    let status = bench.status();
    assert_eq!(status.sessions[OF_FIRST].state, "disconnected");
    assert_eq!(status.sessions[OF_FIRST].reason, "slow_consumer");
    assert_eq!(
        turns_to_client(&bench, &mut desk, &mut client, "after"),
        alone
    );
    // What it missed it gets when it is back.
    let at_hand = silent.until_closed().len();
    silent.drop_connection();
    bench.connect(&mut silent);
    let again = silent.recover();
    assert!(at_hand > 0 && !again.is_empty());
    assert_eq!(again.last().unwrap().get(11), "after");
}

/// Logged on when messages wait for it already, which it takes.
fn logged_on_late(bench: &Bench, at: usize) -> MemoryConn {
    let mut receiver = bench.client(at);
    bench.connect(&mut receiver);
    receiver.recover();
    receiver
}

#[test]
fn a_receiver_may_ask_for_nothing() {
    let bench = bench();
    let mut desk = bench.desk();
    for (at, reason) in [(OF_FIRST, "380=6"), (OF_ALL, "380=0")] {
        let mut receiver = logged_on(&bench, at);
        let chain = order(0, "n2", "41=n1 38=9");
        for (kind, fields) in [
            ("D", order(0, "n1", "")),
            ("G", chain.clone()),
            ("F", chain),
            ("H", fields("11=n1 55=SYM1 54=1")),
        ] {
            let number = receiver.send(kind, &fields);
            let refused = receiver.expect("j");
            refused.is(reason).is(&format!("45={number} 372={kind}"));
            assert_eq!(
                refused.get(58),
                "Not authorised: the session receives copies only"
            );
        }
        // It is a session all the same.
        receiver.send("1", &fields("112=alive"));
        receiver.read().expect("alive").is("35=0 112=alive");
    }
    let status = bench.status();
    assert_eq!(status.total(Counter::CopyRequestsRefused), 8);
    assert_eq!(status.total(Counter::BusinessRejects), 8);
    assert_eq!(status.sessions[OF_FIRST].rejects, 4);
    assert_eq!(status.total(Counter::OrdersIn), 0);
    // The desk has heard nothing of it: what it hears next is a client's.
    let mut client = logged_on(&bench, 0);
    client.send("D", &order(0, "mine", "38=7"));
    desk.expect("D").is("38=7");
}

#[test]
fn a_kill_between_copy_and_original_loses_and_doubles_neither() {
    // Killed behind the original, between it and the last copy, between the copies, and before the first.
    for lost in 0..=3 {
        let mut bench = bench();
        let mut desk = bench.desk();
        let mut sessions = [0, OF_FIRST, OF_ALL].map(|at| logged_on(&bench, at));
        sessions[0].send("D", &order(0, "a", ""));
        let request = desk.expect("D");
        bench.turn(20);
        report(&mut desk, &request, "");
        {
            let (now, mut stages) = (bench.now(), bench.stages.borrow_mut());
            stages.route.duty_cycle(now);
            stages.risk.duty_cycle(now);
            stages.decode.duty_cycle(now);
        }
        bench.restart_without(lost);
        bench.desk_again(&mut desk);
        for (at, session) in sessions.iter_mut().enumerate() {
            bench.connect(session);
            let told = session.recover();
            assert_eq!(told.len(), 1, "{lost} records lost, {at}: {told:?}");
            told[0].is("35=8 11=a 150=0 34=2");
        }
        // And both go on.
        report(&mut desk, &request, "150=F 39=1 32=4 31=10 14=4 151=6");
        for session in &mut sessions {
            session.expect("8").is("11=a 39=1 14=4");
        }
        let copies = bench.status().total(Counter::CopiesOut);
        assert_eq!(copies, [0, 0, 1, 2][lost] + 2, "{lost} records lost");
    }
}
