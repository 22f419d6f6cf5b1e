//! Resends and early messages: everything once and in order, from memory and from disk, within bounds, however peers behave.
//!
//! The disk is a vector that the test reads from when it says so.

use std::sync::{Arc, Mutex};

use super::*;
use crate::config::plan::DropCopyPlan;
use crate::domain::time::NS_PER_S;
use crate::io::LogRead;
use crate::limits::{
    KEPT_MESSAGES_MAX, RESEND_BURST, RESEND_CHUNKS, RESEND_DISK_PATIENCE_NS, RESEND_IGNORED_MAX,
    RESEND_MESSAGES_PER_CYCLE, RESEND_MESSAGES_PER_S, RESEND_MESSAGES_PER_S_TOTAL,
    RESEND_REPEATS_MAX,
};
use crate::stage::archive::{ArchiveReader, archive};
use crate::stage::pace::Pace;

/// The log's file, in memory.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Vec<u8>>>);

impl LogRead for Disk {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.0.lock().unwrap();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Clients, and the disk that the journal and the reader of old messages share.
struct Stored {
    clients: Clients,
    disk: Disk,
    reader: ArchiveReader<Disk>,
    turn_ns: u64,
}

impl Stored {
    /// One session, logged on, that was sent so many reports; what `sent` says was read by its peer.
    fn new(sessions: usize, reports: usize) -> Self {
        Self::with(sessions, reports, |_| {})
    }

    fn with(sessions: usize, reports: usize, change: impl FnOnce(&mut Plan)) -> Self {
        let disk = Disk::default();
        let (port, reader) = archive(disk.clone());
        let equip = |mut board: Switchboard<Wire>| {
            board.set_archive(port);
            board
        };
        let clients = Clients::with(sessions, 64, change, equip);
        let mut stored = Self {
            clients,
            disk,
            reader,
            turn_ns: 10_000,
        };
        for session in 0..sessions {
            stored.clients.log_on(session, session as u32, 1);
        }
        stored.turn();
        for at in 0..reports {
            stored.clients.report(at % sessions);
            if at % 32 == 31 {
                stored.turn();
                stored.journal();
            }
        }
        stored.turn();
        stored.journal();
        for session in 0..sessions {
            stored.numbers(session);
        }
        stored
    }

    /// A turn, and its time: ten microseconds are those in which all resends may repeat one message.
    fn turn(&mut self) {
        self.clients.now_ns += self.turn_ns;
        self.clients.turn();
    }

    fn journal(&mut self) {
        let log = &mut self.clients.log;
        while let Some(frame) = log.next() {
            self.disk.0.lock().unwrap().extend_from_slice(frame.bytes);
        }
        let end = log.cursor();
        log.release(end);
    }

    /// Turns, with the journal and the reader at work.
    fn work(&mut self, turns: usize) {
        for _ in 0..turns {
            self.turn();
            self.journal();
            self.reader.duty_cycle();
        }
    }

    fn ask(&mut self, number: u64, range: &str) {
        self.clients.say(0, 0, "2", number, range);
    }

    /// What came: MsgSeqNum, whether 43=Y, and NewSeqNo of a gap fill.
    fn numbers(&mut self, session: usize) -> Vec<(u64, bool, Option<u64>)> {
        let sent = self.clients.wire().sent(session as u32);
        sent.iter().map(|message| read(message)).collect()
    }

    fn free_chunks(&mut self) -> usize {
        let archive = self.clients.stage.board().archive.as_ref().unwrap();
        archive.free_count()
    }
}

fn read(message: &str) -> (u64, bool, Option<u64>) {
    let field = |tag: &str| {
        let rest = message.split(&format!("|{tag}=")).nth(1)?;
        rest.split('|').next()
    };
    let number = |tag: &str| field(tag).map(|text| text.parse().unwrap());
    (
        number("34").unwrap(),
        field("43") == Some("Y"),
        number("36"),
    )
}

/// The log's memory holds some 2,000 of them.
const MANY: usize = 7_000;

#[test]
fn what_left_memory_comes_from_disk_whole_in_order_and_before_what_is_new() {
    let mut stored = Stored::new(1, MANY);
    stored.turn_ns = 100_000;
    stored.ask(2, "7=1|16=0|");
    let mut came = Vec::new();
    for round in 0..6 {
        stored.work(MANY / 4);
        if round < 2 {
            stored.clients.report(0);
        }
        came.extend(stored.numbers(0));
    }
    let last = MANY as u64 + 1;
    assert_eq!(
        came[..2],
        [(1, true, Some(2)), (2, true, None)],
        "the logon is a gap"
    );
    for (at, came) in came[1..].iter().enumerate() {
        let number = at as u64 + 2;
        assert_eq!(*came, (number, number <= last, None));
    }
    assert_eq!(came.len(), MANY + 3);
    let traffic = *stored.clients.stage.board().traffic();
    assert_eq!(traffic.resend_lost, 0);
    assert!(traffic.archive_reads > 50, "{}", traffic.archive_reads);
    assert_eq!(stored.free_chunks(), RESEND_CHUNKS);
}

#[test]
fn copies_that_left_memory_come_from_disk_like_any_message() {
    const COPIES: u64 = 3_000;
    let mut stored = Stored::with(2, 0, |plan| {
        plan.sessions[1].accounts.clear();
        plan.sessions[1].drop_copy = Some(DropCopyPlan {
            accounts: Vec::new(),
            sessions: vec![SessionIndex(0)],
        });
    });
    stored.turn_ns = 100_000;
    for sequence in 1..=COPIES {
        let output = copies::refusal(0, sequence);
        assert!(stored.clients.to_client.push(&output));
        stored.work(1);
    }
    assert_eq!(stored.numbers(1).len(), COPIES as usize);
    stored.clients.say(1, 1, "2", 2, "7=2|16=0|");
    stored.work(2 * COPIES as usize);
    let again = stored.numbers(1);
    let expected = (2..COPIES + 2).map(|number| (number, true, None));
    assert_eq!(again, expected.collect::<Vec<_>>());
    let traffic = *stored.clients.stage.board().traffic();
    assert_eq!(traffic.resend_lost, 0);
    assert!(traffic.archive_reads > 10, "{}", traffic.archive_reads);
}

#[test]
fn many_that_ask_for_everything_again_share_one_bound() {
    const SESSIONS: usize = 12;
    const REPORTS: usize = 600;
    let mut stored = Stored::new(SESSIONS, SESSIONS * REPORTS);
    for session in 0..SESSIONS {
        let slot = session as u32;
        stored.clients.say(session, slot, "2", 2, "7=2|16=0|");
    }
    let mut repeated = [0; SESSIONS];
    for _ in 0..2 * SESSIONS * REPORTS {
        stored.work(1);
        let mut in_turn = 0;
        for (session, count) in repeated.iter_mut().enumerate() {
            for (number, is_repeat, gap) in stored.numbers(session) {
                *count += 1;
                assert_eq!((number, is_repeat, gap), (*count as u64 + 1, true, None));
                in_turn += 1;
            }
        }
        assert!(in_turn <= RESEND_MESSAGES_PER_CYCLE, "{in_turn}");
        let (least, most) = (repeated.iter().min(), repeated.iter().max());
        let apart = most.unwrap() - least.unwrap();
        assert!(apart <= 200, "in turn: {repeated:?}");
    }
    assert_eq!(repeated, [REPORTS; SESSIONS]);
    assert_eq!(stored.free_chunks(), RESEND_CHUNKS);
}

#[test]
fn one_session_keeps_to_its_pace() {
    let mut stored = Stored::new(1, MANY);
    stored.ask(2, "7=2|16=0|");
    stored.work(1);
    let begin_ns = stored.clients.now_ns;
    let mut came = stored.numbers(0).len() as u64;
    for _ in 0..20_000 {
        stored.work(1);
        came += stored.numbers(0).len() as u64;
        let passed_ns = stored.clients.now_ns - begin_ns;
        let allowed = RESEND_BURST + 1 + passed_ns * RESEND_MESSAGES_PER_S / NS_PER_S;
        assert!(came <= allowed, "{came} of {allowed}");
    }
    assert!(came * 10 >= RESEND_MESSAGES_PER_S, "{came} in 0.2 s");
}

#[test]
fn a_peer_that_is_gone_is_forgotten_with_its_reads() {
    let mut stored = Stored::new(1, MANY);
    stored.ask(2, "7=2|16=0|");
    stored.turn();
    assert_eq!(stored.free_chunks(), RESEND_CHUNKS - 1, "a read is out");
    stored.clients.wire().hang_up(0);
    stored.turn();
    // It is back, and asks for something else, before the answer for the old connection comes.
    stored.clients.log_on(0, 1, 3);
    stored.clients.say(0, 1, "2", 4, "7=4000|16=4000|");
    stored.turn();
    stored.work(10);
    let sent = stored.clients.wire().sent(1);
    assert!(sent[0].contains("|35=A|"), "{sent:?}");
    assert_eq!(read(&sent[1]), (4000, true, None));
    assert_eq!(sent.len(), 2);
    assert_eq!(stored.free_chunks(), RESEND_CHUNKS);
}

#[test]
fn what_is_not_on_disk_yet_is_waited_for_but_not_for_ever() {
    let mut stored = Stored::new(1, MANY);
    let written = std::mem::take(&mut *stored.disk.0.lock().unwrap());
    stored.ask(2, "7=2|16=3|");
    stored.work(1_000);
    assert_eq!(stored.numbers(0), []);
    *stored.disk.0.lock().unwrap() = written;
    stored.clients.now_ns += RESEND_DISK_PATIENCE_NS / 2;
    stored.work(10);
    assert_eq!(stored.numbers(0), [(2, true, None), (3, true, None)]);
    // A disk that is lost.
    stored.disk.0.lock().unwrap().clear();
    stored.ask(3, "7=2|16=3|");
    stored.work(10);
    assert_eq!(stored.numbers(0), []);
    for _ in 0..2 {
        stored.clients.now_ns += RESEND_DISK_PATIENCE_NS;
        stored.work(10);
    }
    assert_eq!(stored.numbers(0), [(2, true, Some(4))]);
    assert_eq!(stored.clients.stage.board().traffic().resend_lost, 2);
}

#[test]
fn damage_is_not_sent_on_but_filled_and_counted() {
    let mut stored = Stored::new(1, MANY);
    {
        let mut disk = stored.disk.0.lock().unwrap();
        let at = memchr::memmem::find(&disk, b"\x0134=10\x01").unwrap();
        disk[at + 4] = b'9';
    }
    stored.ask(2, "7=9|16=11|");
    stored.work(20);
    stored.clients.now_ns += RESEND_DISK_PATIENCE_NS;
    stored.work(20);
    let fills = [(9, true, None), (10, true, Some(11)), (11, true, None)];
    assert_eq!(stored.numbers(0), fills);
    assert_eq!(stored.clients.stage.board().traffic().resend_lost, 1);
}

#[test]
fn the_same_range_asked_again_while_it_is_repeated_is_one_resend() {
    let mut stored = Stored::new(1, 300);
    for at in 0..100 {
        stored.ask(2 + at, "7=2|16=0|");
        stored.work(1);
    }
    stored.work(10_000);
    let came = stored.numbers(0);
    let numbers: Vec<_> = came.iter().map(|it| it.0).collect();
    assert_eq!(numbers, (2..=301).collect::<Vec<_>>());
    let traffic = stored.clients.stage.board().traffic();
    assert_eq!(traffic.resends_merged, 99);
}

#[test]
fn who_asks_for_the_same_without_end_is_ignored_then_logged_out() {
    let mut stored = Stored::new(1, 3);
    let mut number = 2;
    let mut ask = |stored: &mut Stored| {
        stored.ask(number, "7=2|16=0|");
        number += 1;
        stored.work(200);
        stored.clients.wire().sent(0)
    };
    for _ in 0..=RESEND_REPEATS_MAX {
        assert_eq!(ask(&mut stored).len(), 3);
    }
    for _ in 0..RESEND_IGNORED_MAX {
        assert_eq!(ask(&mut stored), [""; 0]);
    }
    let last = ask(&mut stored);
    assert_eq!(last.len(), 1);
    assert!(last[0].contains("|35=5|") && last[0].contains("|58=Too many ResendRequests|"));
    assert_eq!(stored.clients.stage.board().connected(), 0);
    assert_eq!(stored.clients.closed(Reason::ResendAbuse), 1);
}

/// Numbers of the messages that reached the risk stage; ClOrdID is `a` and the number.
fn delivered(clients: &mut Clients) -> Vec<u64> {
    let taken = std::iter::from_fn(|| clients.from_client.pop());
    let id = |input: FromClient| match input.request {
        ClientRequest::New(order) => order.client_order_id.to_string_lossy()[1..]
            .parse()
            .unwrap(),
        other => panic!("{other:?}"),
    };
    taken.map(id).collect()
}

#[test]
fn early_messages_wait_for_the_gap_and_go_on_in_order() {
    let mut clients = Clients::new(1, 64);
    clients.log_on(0, 0, 1);
    for number in [5, 7, 6] {
        clients.order(0, number);
    }
    clients.turn();
    let sent = clients.wire().sent(0);
    let asked = |sent: &[String]| sent.iter().filter(|it| it.contains("|35=2|")).count();
    assert_eq!(asked(&sent), 1, "{sent:?}");
    assert_eq!(delivered(&mut clients), [0; 0]);
    for number in [2, 3, 4] {
        clients.order(0, number);
    }
    clients.turn();
    assert_eq!(delivered(&mut clients), [2, 3, 4, 5, 6, 7]);
    // The peer repeats all it was asked for: nothing is taken twice.
    for number in 5..=7 {
        clients.repeat(0, number);
    }
    clients.order(0, 8);
    clients.turn();
    assert_eq!(delivered(&mut clients), [8]);
    assert_eq!(asked(&clients.wire().sent(0)), 0);
    assert_eq!(clients.stage.board().traffic().kept, 3);
}

#[test]
fn early_messages_wait_for_room_behind_like_others() {
    let mut clients = Clients::new(1, 2);
    clients.log_on(0, 0, 1);
    for number in 3..=40 {
        clients.order(0, number);
    }
    clients.turn();
    clients.turn();
    clients.turn();
    clients.order(0, 2);
    clients.order(0, 41);
    let mut came = Vec::new();
    for _ in 0..60 {
        clients.turn();
        let part = delivered(&mut clients);
        assert!(part.len() <= 2);
        came.extend(part);
    }
    assert_eq!(came, (2..=41).collect::<Vec<_>>());
}

#[test]
fn early_messages_without_room_are_repeated_by_the_peer() {
    let last = KEPT_MESSAGES_MAX as u64 + 50;
    let mut clients = Clients::new(1, 1024);
    clients.log_on(0, 0, 1);
    let turns = |clients: &mut Clients| (0..20).for_each(|_| clients.turn());
    for number in 3..=last {
        clients.order(0, number);
    }
    turns(&mut clients);
    let kept = clients.stage.board().traffic().kept;
    assert_eq!(kept, KEPT_MESSAGES_MAX as u64 - 1);
    for number in 2..=last {
        clients.repeat(0, number);
    }
    turns(&mut clients);
    assert_eq!(delivered(&mut clients), (2..=last).collect::<Vec<_>>());
}

#[test]
fn early_messages_are_forgotten_with_the_connection() {
    let mut clients = Clients::new(1, 64);
    clients.log_on(0, 0, 1);
    clients.order(0, 3);
    clients.turn();
    clients.wire().hang_up(0);
    clients.turn();
    while clients.from_client.pop().is_some() {}
    clients.log_on(0, 1, 2);
    clients.order(1, 4);
    clients.turn();
    assert_eq!(
        delivered(&mut clients),
        [0; 0],
        "3 is not the message of before"
    );
    clients.order(1, 3);
    clients.turn();
    assert_eq!(delivered(&mut clients), [3, 4]);
}

/// Sessions whose first order is missing, with so many early ones each, in turn.
fn with_early_orders(sessions: usize, last: u64) -> Clients {
    let mut clients = Clients::new(sessions, 2);
    for session in 0..sessions {
        clients.log_on(session, session as u32, 1);
        for number in 3..=last {
            order_of(&mut clients, session, number);
        }
    }
    (0..20).for_each(|_| clients.turn());
    clients
}

fn order_of(clients: &mut Clients, session: usize, number: u64) {
    let account = session + 1;
    let fields = format!(
        "11=a{number}|1=A{account}|21=1|38=100|40=2|44=10|54=1|55=SYM0|59=0|60=19700101-00:00:00|"
    );
    clients.say(session, session as u32, "D", number, &fields);
}

/// How many orders of each session reached the risk stage.
fn count_delivered(clients: &mut Clients, counts: &mut [u64]) {
    while let Some(input) = clients.from_client.pop() {
        counts[input.session.0 as usize] += 1;
    }
}

#[test]
fn early_messages_of_all_sessions_get_room_in_turn() {
    const SESSIONS: usize = 5;
    let mut clients = with_early_orders(SESSIONS, 100);
    for session in 0..SESSIONS {
        clients.say(session, session as u32, "4", 2, "36=3|123=Y|");
    }
    let mut counts = [0; SESSIONS];
    for _ in 0..300 {
        clients.turn();
        count_delivered(&mut clients, &mut counts);
        let apart = counts.iter().max().unwrap() - counts.iter().min().unwrap();
        assert!(apart <= 20, "{counts:?}");
    }
    assert_eq!(counts, [98; SESSIONS]);
}

#[test]
fn early_messages_do_not_wait_behind_what_others_send_later() {
    let mut clients = with_early_orders(2, 60);
    order_of(&mut clients, 1, 2);
    clients.turn();
    order_of(&mut clients, 0, 2);
    for number in 61..=400 {
        order_of(&mut clients, 0, number);
    }
    let mut counts = [0; 2];
    for _ in 0..200 {
        clients.turn();
        count_delivered(&mut clients, &mut counts);
    }
    assert_eq!(counts[1], 59, "{counts:?}");
}

#[test]
fn who_reads_nothing_is_slow_however_many_others_are_served() {
    let mut stored = Stored::new(3, 1_500);
    for session in 0..3 {
        let slot = session as u32;
        stored.clients.say(session, slot, "2", 2, "7=2|16=0|");
    }
    stored.clients.wire().full[1] = true;
    stored.turn_ns = NS_PER_S / 2;
    for _ in 0..25 {
        // Just one more may be repeated in this turn.
        let now = at(stored.clients.now_ns + stored.turn_ns + 1);
        let pace = &mut stored.clients.stage.board().pace;
        *pace = Pace::default();
        for _ in 1..RESEND_BURST {
            pace.take(now, RESEND_MESSAGES_PER_S_TOTAL);
        }
        stored.work(1);
    }
    assert_eq!(stored.clients.closed(Reason::SlowConsumer), 1);
}

#[test]
fn a_logout_does_not_wait_behind_a_resend_that_ends_with_it() {
    let mut stored = Stored::new(1, 300);
    stored.ask(2, "7=2|16=0|");
    stored.clients.say(0, 0, "5", 3, "");
    stored.work(2);
    let sent = stored.clients.wire().sent(0);
    assert!(
        sent.last().is_some_and(|it| it.contains("|35=5|34=302|")),
        "{sent:?}"
    );
    assert_eq!(stored.clients.stage.board().connected(), 0);
    // It was one of ours like others: what it left behind is repeated.
    stored.clients.log_on(0, 1, 4);
    stored.clients.say(0, 1, "2", 5, "7=300|16=302|");
    stored.work(1_000);
    let sent = stored.clients.wire().sent(1);
    let numbers: Vec<_> = sent.iter().map(|it| read(it)).collect();
    assert_eq!(numbers[0], (303, false, None));
    assert_eq!(numbers[1..3], [(300, true, None), (301, true, None)]);
    assert_eq!(numbers[3], (302, true, Some(303)));
}
