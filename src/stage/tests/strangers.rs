//! Connections that have not logged on, and a second one of a peer that is there: bounded, counted, and in nobody's way.
//!
//! The clock is the test's, the sockets are in memory.

use super::*;
use crate::domain::time::NS_PER_S;
use crate::limits::{
    LOGON_DELAY_NS_MAX, LOGON_FAILURES_FREE, STRANGER_BYTES_MAX, STRANGERS_LOOKED_AT,
    STRANGERS_PER_SOURCE_MIN,
};

impl Clients {
    fn pass(&mut self, ns: u64) {
        self.now_ns += ns;
        // Timers are looked at every millisecond.
        for _ in 0..2 {
            self.now_ns += 1_000_000;
            self.turn();
        }
    }

    fn is_open(&mut self, slot: u32) -> bool {
        self.wire().open[slot as usize]
    }

    fn speak(&mut self, slot: u32, bytes: &[u8]) {
        self.wire().feed(slot, bytes);
    }

    fn logon_of(&self, session: usize) -> Vec<u8> {
        logon(&self.plan.sessions[session].fix, 1, false)
    }

    fn guess(&mut self, slot: u32, address: [u8; 4]) {
        let mut fix = self.plan.sessions[0].fix.clone();
        fix.target_comp_id = Text::cut(b"NOBODY");
        self.wire().accept_from(slot, address);
        let bytes = logon(&fix, 1, false);
        self.wire().feed(slot, &bytes);
        self.turn();
    }
}

const HOME: [u8; 4] = [10, 0, 0, 1];
const AWAY: [u8; 4] = [10, 0, 0, 2];

#[test]
fn a_byte_now_and_then_does_not_prolong_the_bound() {
    let mut clients = Clients::new(1, 8);
    clients.wire().accept(0);
    clients.turn();
    let bytes = clients.logon_of(0);
    let part = LOGON_NS / 50;
    for byte in &bytes[..49] {
        clients.speak(0, &[*byte]);
        clients.pass(part - 2_000_000);
        assert!(clients.is_open(0));
    }
    clients.speak(0, &bytes[49..50]);
    clients.pass(part);
    assert!(!clients.is_open(0));
    assert_eq!(clients.closed(Reason::LogonTimeout), 1);
}

#[test]
fn a_stranger_may_send_a_message_s_worth() {
    let mut clients = Clients::new(1, 8);
    clients.wire().accept(0);
    for _ in 0..STRANGER_BYTES_MAX / 512 {
        clients.speak(0, &[b'#'; 512]);
        clients.turn();
        assert!(clients.is_open(0));
    }
    clients.speak(0, b"#");
    clients.turn();
    assert!(!clients.is_open(0));
    assert_eq!(clients.closed(Reason::GarbledLogon), 1);
}

#[test]
fn one_address_does_not_take_all_places_and_a_client_always_gets_in() {
    let mut clients = Clients::new(1, 8);
    // One slot is kept free: the oldest stranger makes room.
    for slot in 0..SLOTS as u32 {
        clients.wire().accept_from(slot, [10, 0, 1, slot as u8]);
        clients.turn();
    }
    let open: Vec<_> = (0..SLOTS as u32)
        .map(|slot| clients.is_open(slot))
        .collect();
    assert!(!open[0] && open[1..].iter().all(|&it| it), "{open:?}");
    assert_eq!(clients.closed(Reason::CrowdedOut), 1);
    let bytes = clients.logon_of(0);
    clients.wire().accept_from(0, HOME);
    clients.speak(0, &bytes);
    clients.turn();
    assert_eq!(clients.stage.board().connected(), 1);
    // The slot of the session is not a stranger's: the next one takes another's.
    clients.wire().accept_from(1, AWAY);
    clients.turn();
    assert!(clients.is_open(0));
}

#[test]
fn connections_of_one_address_are_bounded_and_counted() {
    let mut clients = Clients::with(
        1,
        8,
        |_| {},
        |mut board| {
            board.bindings = vec![super::super::peer::Binding::Free; 1024];
            board.partials = vec![crate::wire::fix::Partial::default(); 1024];
            board
        },
    );
    let most = STRANGERS_PER_SOURCE_MIN as u32;
    clients.wire().accept_from(0, AWAY);
    for slot in 1..=most {
        clients.wire().accept_from(slot, HOME);
    }
    clients.turn();
    // One that is gone makes room.
    clients.wire().hang_up(4);
    clients.turn();
    clients.wire().accept_from(4, HOME);
    clients.turn();
    assert!((0..=most).all(|slot| clients.is_open(slot)));
    assert_eq!(clients.closed(Reason::TooManyConnections), 0);
    // One more: the oldest of that address goes, and nobody else.
    clients.wire().accept_from(most + 1, HOME);
    clients.turn();
    let open: Vec<_> = (0..most + 2).map(|slot| clients.is_open(slot)).collect();
    let closed: Vec<_> = (0..open.len()).filter(|&slot| !open[slot]).collect();
    assert_eq!(closed, [1]);
    assert_eq!(clients.closed(Reason::TooManyConnections), 1);
}

#[test]
fn a_client_gets_in_at_a_crowded_address_however_many_came_and_went() {
    let mut clients = Clients::with(
        1,
        8,
        |_| {},
        |mut board| {
            board.bindings = vec![super::super::peer::Binding::Free; 1024];
            board.partials = vec![crate::wire::fix::Partial::default(); 1024];
            board.strangers = super::super::strangers::Strangers::new(1024, 1, LOGON_NS);
            board
        },
    );
    // One stays, so that those behind it are not simply the oldest.
    clients.wire().accept_from(30, AWAY);
    for _ in 0..STRANGERS_LOOKED_AT {
        clients.wire().accept_from(31, AWAY);
        clients.turn();
        clients.wire().hang_up(31);
        clients.turn();
    }
    let most = STRANGERS_PER_SOURCE_MIN as u32;
    for slot in 0..most {
        clients.wire().accept_from(slot, HOME);
        clients.turn();
    }
    let bytes = clients.logon_of(0);
    clients.wire().accept_from(most, HOME);
    clients.speak(most, &bytes);
    clients.turn();
    assert_eq!(clients.stage.board().connected(), 1);
    assert!(!clients.is_open(0) && clients.is_open(30));
}

#[test]
fn who_guesses_names_is_answered_later_and_later_and_others_at_once() {
    let mut clients = Clients::new(2, 8);
    for _ in 0..LOGON_FAILURES_FREE {
        clients.guess(0, HOME);
        assert!(!clients.is_open(0), "at once");
    }
    let mut before_ns = 0;
    for _ in 0..12 {
        clients.guess(0, HOME);
        assert!(clients.is_open(0), "it waits");
        let mut waited_ns = 0;
        while clients.is_open(0) {
            clients.pass(1_000_000);
            waited_ns += 3_000_000;
            assert!(waited_ns <= LOGON_DELAY_NS_MAX + 3_000_000);
        }
        assert!(waited_ns + 6_000_000 >= before_ns.min(LOGON_DELAY_NS_MAX));
        before_ns = 2 * waited_ns.min(LOGON_DELAY_NS_MAX / 2);
    }
    // A client of the same address waits and gets in; one of another does not wait.
    let (near, far) = (clients.logon_of(0), clients.logon_of(1));
    clients.wire().accept_from(1, HOME);
    clients.speak(1, &near);
    clients.wire().accept_from(2, AWAY);
    clients.speak(2, &far);
    clients.turn();
    assert_eq!(clients.stage.board().connected(), 1);
    clients.pass(LOGON_DELAY_NS_MAX);
    assert_eq!(clients.stage.board().connected(), 2);
    assert_eq!(
        clients.closed(Reason::UnknownSession),
        12 + LOGON_FAILURES_FREE as u64
    );
    assert_eq!(clients.stage.board().traffic().logons_delayed, 13);
}

fn with_takeover(takeover_s: u32) -> Clients {
    let change = |plan: &mut Plan| plan.sessions[0].fix.takeover_s = takeover_s;
    let mut clients = Clients::with(1, 64, change, |board| board);
    clients.log_on(0, 0, 1);
    clients.turn();
    clients.wire().sent(0);
    clients.log_on(0, 1, 2);
    clients.turn();
    clients
}

#[test]
fn a_second_logon_is_dropped_without_a_byte() {
    let mut clients = with_takeover(0);
    assert!(clients.is_open(0) && !clients.is_open(1));
    assert_eq!(clients.wire().sent(1), [""; 0]);
    assert_eq!(
        clients.wire().sent(0),
        [""; 0],
        "the first one is not asked"
    );
    assert_eq!(clients.closed(Reason::DuplicateLogon), 1);
}

#[test]
fn a_second_logon_takes_over_from_a_connection_that_is_silent() {
    let mut clients = with_takeover(5);
    let asked = clients.wire().sent(0);
    assert!(asked.len() == 1 && asked[0].contains("|35=1|"), "{asked:?}");
    // A third one must not even wait.
    clients.log_on(0, 2, 2);
    clients.turn();
    assert!(!clients.is_open(2));
    clients.pass(5 * NS_PER_S - 10_000_000);
    assert!(clients.is_open(0) && clients.is_open(1));
    clients.pass(10_000_000);
    assert!(!clients.is_open(0) && clients.is_open(1));
    let sent = clients.wire().sent(1);
    assert!(sent[0].contains("|35=A|34=3|"), "{sent:?}");
    assert_eq!(clients.closed(Reason::TakenOver), 1);
    assert_eq!(clients.stage.board().connected(), 1);
    // It is the session: its orders are taken.
    while clients.from_client.pop().is_some() {}
    clients.order(1, 3);
    clients.turn();
    let taken = clients.from_client.pop().unwrap();
    assert!(matches!(taken.request, ClientRequest::New(_)), "{taken:?}");
}

#[test]
fn a_second_logon_does_not_take_over_from_a_connection_that_answers() {
    let mut clients = with_takeover(5);
    clients.pass(2 * NS_PER_S);
    clients.say(0, 0, "0", 2, "112=TEST|");
    clients.turn();
    clients.pass(0);
    assert!(clients.is_open(0) && !clients.is_open(1));
    assert_eq!(clients.wire().sent(1), [""; 0]);
    assert_eq!(clients.closed(Reason::DuplicateLogon), 1);
    // The next one is a new question.
    clients.log_on(0, 3, 3);
    clients.turn();
    assert!(clients.is_open(3));
    clients.wire().hang_up(0);
    clients.pass(0);
    assert!(clients.wire().sent(3)[0].contains("|35=A|"));
}

#[test]
fn garbage_does_not_make_the_log_grow_faster_than_it_comes() {
    let mut clients = Clients::new(1, 8);
    clients.log_on(0, 0, 1);
    clients.turn();
    let before = clients.stage.board().log().bytes();
    let garbage = b"8=FIX.4.4\x019=x\x01".repeat(1000);
    clients.speak(0, &garbage);
    for _ in 0..200 {
        clients.turn();
    }
    assert_eq!(clients.stage.board().traffic().garbled, 1000);
    let grown = clients.stage.board().log().bytes() - before;
    assert!(grown < 200, "{grown} bytes");
    assert!(clients.is_open(0));
    clients.order(0, 2);
    clients.turn();
    assert!(clients.from_client.pop().is_some());
}
