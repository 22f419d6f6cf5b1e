//! Drop copy in the decode stage: what stands in the log in which order, when there is no room for all, and after a process that died
//! between copy and original.

use super::*;
use crate::config::plan::DropCopyPlan;
use crate::domain::report::{ClientCancelReject, ClientOutput};
use crate::domain::{AccountIndex, DeskText, Durability, OrderStatus};
use crate::journal::record::view;
use crate::journal::{Cause, RecordKind};

/// Session 0 trades, 1 and 2 receive copies of it, 3 trades alone.
fn plan() -> Plan {
    let mut sample = Sample::new("/nowhere");
    (sample.sessions, sample.accounts) = (4, 1);
    let mut plan = sample.plan();
    for session in &mut plan.sessions[1..3] {
        session.accounts.clear();
        session.drop_copy = Some(DropCopyPlan {
            accounts: Vec::new(),
            sessions: vec![SessionIndex(0)],
        });
    }
    plan
}

/// An OrderCancelReject for the session, of the risk stage's input of that number.
pub(super) fn refusal(session: usize, cause_sequence: u64) -> ToClient {
    let reject = ClientCancelReject {
        order_id: OrderId::NONE,
        account: AccountIndex(u32::MAX),
        client_order_id: Text::cut(b"c"),
        orig_client_order_id: Text::cut(b"o"),
        status: OrderStatus::Rejected,
        to_replace: false,
        reason: RejectReason::UnknownOrder,
        text: DeskText::EMPTY,
    };
    ToClient {
        session: SessionIndex(session as u32),
        received_ns: 0,
        cause_sequence,
        cause_output: 1,
        output: ClientOutput::CancelReject(reject),
    }
}

fn cause(sequence: u64) -> Cause {
    Cause {
        log: LogId::Order,
        sequence,
        output: 1,
    }
}

impl Clients {
    /// Sessions to which messages were committed since the last call, and what caused them.
    fn committed(&mut self) -> Vec<(u16, Cause)> {
        let mut committed = Vec::new();
        while let Some(frame) = self.log.next() {
            let (record, _) = view(frame.bytes).unwrap();
            let is_copy = record.kind == RecordKind::CopyOut;
            if is_copy || record.kind == RecordKind::MessageOut {
                let is_receiver = [1, 2].contains(&record.channel);
                assert_eq!(is_copy, is_receiver, "{record:?}");
                committed.push((record.channel, record.cause));
            }
        }
        let cursor = self.log.cursor();
        self.log.release(cursor);
        committed
    }
}

#[test]
fn the_original_comes_last_so_that_it_closes_the_output() {
    let mut clients = Clients::of(plan(), 64);
    assert!(clients.to_client.push(&refusal(0, 7)));
    assert!(clients.to_client.push(&refusal(3, 8)));
    clients.turn();
    let committed = clients.committed();
    let expected = [(1, 7), (2, 7), (0, 7), (3, 8)];
    assert_eq!(committed, expected.map(|(at, of)| (at, cause(of))));
}

#[test]
fn a_copy_that_an_earlier_process_wrote_is_not_written_again() {
    let plan = plan();
    let copies = Copies::new(&plan.sessions, plan.accounts.len())
        .with_written([(SessionIndex(1), cause(7))]);
    let mut clients = Clients::copying(plan, 64, copies, |board| board);
    // The same output, emitted again, and the next one.
    for sequence in [7, 8] {
        assert!(clients.to_client.push(&refusal(0, sequence)));
    }
    clients.turn();
    let expected = [(2, 7), (0, 7), (1, 8), (2, 8), (0, 8)];
    assert_eq!(
        clients.committed(),
        expected.map(|(at, of)| (at, cause(of)))
    );
}

#[test]
fn without_room_for_all_there_is_none_of_them() {
    let mut clients = Clients::of(plan(), 64);
    clients.committed();
    let mut sequence = 1;
    // Nobody copies session 3: it fills the log up to where one message finds room and three do not.
    while clients.stage.board().has_room(3) {
        assert!(clients.to_client.push(&refusal(3, sequence)));
        clients.turn();
        sequence += 1;
    }
    assert!(clients.stage.board().has_room(1));
    assert!(clients.to_client.push(&refusal(0, sequence)));
    clients.turn();
    clients.turn();
    for at in 0..3 {
        let next_out = clients.stage.board().peer(at).session.peek_next_out();
        assert_eq!(next_out, 1, "session {at}");
    }
    let others = clients.committed();
    assert!(others.iter().all(|(at, _)| *at == 3) && others.len() > 100);
    clients.turn();
    let expected = [1, 2, 0].map(|at| (at, cause(sequence)));
    assert_eq!(clients.committed(), expected);
}

#[test]
fn at_l1_a_copy_waits_for_the_disk_like_its_original() {
    let mut plan = plan();
    for session in &mut plan.sessions {
        session.fix.durability = Durability::Host;
    }
    let mut clients = Clients::of(plan, 64);
    for session in 0..2 {
        clients.log_on(session, session as u32, 1);
    }
    clients.turn();
    for slot in 0..2 {
        assert!(clients.wire().sent(slot)[0].contains("|35=A|"));
    }
    assert!(clients.to_client.push(&refusal(0, 7)));
    clients.turn();
    clients.turn();
    for slot in 0..2 {
        assert!(clients.wire().sent(slot).is_empty(), "{slot}");
    }
    // It is on disk.
    assert_eq!(clients.committed().len(), 3);
    clients.turn();
    for slot in 0..2 {
        let sent = clients.wire().sent(slot);
        assert!(sent.len() == 1 && sent[0].contains("|35=9|"), "{sent:?}");
    }
}
