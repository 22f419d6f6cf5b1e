//! When the disk fails or is slow: what is refused, what still passes, what nobody is told, and that all goes on where it can.
//!
//! The stages in memory over a journal whose files fail on demand. Each failure has a test that fails when its treatment is removed.

mod support;

use std::rc::Rc;

use gatehouse::config::plan::Durability;
use gatehouse::domain::DiskState;
use gatehouse::journal::LogId;
use gatehouse::journal::record::Records;
use gatehouse::status::Stage;
use support::Fix;
use support::faulty_file::{EIO, ENOSPC, EROFS, Fault, Medium};
use support::fix::fields;
use support::stages::{Bench, MemoryConn, order, report};

const UNAVAILABLE: &str = "Log unavailable: no new orders";
const PRESSURE: &str = "Gateway under pressure, try again";
/// Longer than the interval of syncs at level L0.
const A_WHILE_NS: u64 = 100_000_000;

/// A gateway over three files, its desk, and two clients that are logged on: FIX 4.4 and 4.2.
struct Scene {
    bench: Bench,
    media: [Rc<Medium>; 3],
    desk: MemoryConn,
    clients: [MemoryConn; 2],
}

impl Scene {
    fn new(durability: Durability) -> Self {
        let bench = Bench::new(
            |sample| (sample.sessions, sample.accounts, sample.odd_sessions_fix_42) = (2, 2, true),
            |plan| {
                plan.desks[0].durability = durability;
                plan.sessions[1].durability_tag = 5001;
                plan.spread_durability();
            },
        );
        let media: [Rc<Medium>; 3] = Default::default();
        let promptly = durability == Durability::Host;
        bench.stages.borrow_mut().write_to(&media, promptly);
        let desk = bench.desk();
        let mut clients = [bench.client(0), bench.client(1)];
        for client in &mut clients {
            bench.connect(client);
            client.recover();
        }
        Self {
            bench,
            media,
            desk,
            clients,
        }
    }

    fn fail_all(&self, fault: Fault) {
        self.media.iter().for_each(|medium| medium.fault.set(fault));
    }

    fn stall(&self, is_stalled: bool) {
        self.bench.stages.borrow_mut().is_stalled = is_stalled;
    }

    /// Time passes, the journal with it.
    fn settle(&self) {
        self.bench.pass(A_WHILE_NS);
        self.bench.turn(20);
    }

    fn send(&mut self, at: usize, id: &str) {
        self.clients[at].send("D", &order(at, id, ""));
    }

    /// An order that the desk acknowledges; the request as the desk got it.
    fn open(&mut self, at: usize, id: &str) -> Fix {
        self.send(at, id);
        let request = self.desk.expect("D");
        report(&mut self.desk, &request, "");
        self.clients[at].expect("8").is(&format!("11={id} 150=0"));
        request
    }

    fn cancel(&mut self, at: usize, id: &str, original: &str) {
        let symbol = fields(&format!(
            "11={id} 41={original} 55=SYM1 54=1 38=10 60={}",
            support::fix::timestamp()
        ));
        self.clients[at].send("F", &symbol);
    }

    fn refused(&mut self, at: usize, id: &str) -> Fix {
        self.send(at, id);
        let report = self.clients[at].expect("8");
        report.is(&format!("11={id} 150=8 39=8 14=0 151=0"));
        report
    }

    /// Bytes that wait for this peer, after some turns.
    fn waiting(&mut self, peer: fn(&mut Self) -> &mut MemoryConn) -> usize {
        self.bench.turn(50);
        peer(self).stream().waiting()
    }

    fn desk_waiting(&mut self) -> usize {
        self.waiting(|scene| &mut scene.desk)
    }

    fn client_waiting(&mut self) -> usize {
        self.waiting(|scene| &mut scene.clients[0])
    }

    fn writes_and_syncs(&self) -> Vec<(usize, usize)> {
        let of = |medium: &Rc<Medium>| (medium.writes.get(), medium.syncs.get());
        self.media.iter().map(of).collect()
    }
}

#[test]
fn sessions_that_ask_are_told_the_level_of_their_acknowledgements() {
    for (durability, name) in [(Durability::Process, "process"), (Durability::Host, "host")] {
        let mut scene = Scene::new(durability);
        for (at, told) in [(0, "5001=-".to_owned()), (1, format!("5001={name}"))] {
            scene.send(at, "A");
            let request = scene.desk.expect("D");
            report(&mut scene.desk, &request, "");
            scene.clients[at].expect("8").is("11=A 39=0").is(&told);
            // A refusal is told the same way; one about no known account has no level.
            scene.send(at, "A");
            scene.clients[at].expect("8").is("11=A 39=8").is(&told);
            scene.clients[at].send("D", &order(at, "B", "1=NOBODY"));
            scene.clients[at].expect("8").is("11=B 39=8 5001=-");
        }
    }
}

fn writes_fail_as(fault: Fault, errno: u64) {
    let mut scene = Scene::new(Durability::Process);
    let request = scene.open(0, "before");
    // The logs say of one another how far they are: that is over after a few rounds.
    (0..4).for_each(|_| scene.settle());
    scene.fail_all(fault);
    scene.settle();
    let disk = scene.bench.stages.borrow().disk.clone();
    let durable = disk.durable(LogId::Client);
    assert_eq!(
        disk.state(),
        DiskState::Working,
        "nothing was to be written"
    );
    for window in scene.bench.status().loss_windows {
        let now = (window.records, window.bytes, window.age_ns);
        assert_eq!(now, (0, 0, 0), "all is on disk: {window:?}");
        assert!(window.bytes_max > 0, "{window:?}");
    }
    // What is accepted now is in the window: at this level it is true.
    scene.open(0, "last");
    scene.settle();
    assert_eq!(disk.state(), DiskState::WriteFailed);
    let calls = scene.writes_and_syncs();

    let reject = scene.refused(0, "a1");
    reject.is("103=99");
    assert_eq!(reject.get(58), UNAVAILABLE);
    let reject = scene.refused(1, "b1");
    reject.is("103=0");
    assert_eq!(reject.get(58), UNAVAILABLE);
    assert_eq!(scene.desk_waiting(), 0, "no new order leaves");
    // A replace is refused as well: it may raise what is at risk.
    let text = format!(
        "11=g1 41=before 1=A1 55=SYM1 54=1 38=20 40=2 44=10 21=1 60={}",
        support::fix::timestamp()
    );
    scene.clients[0].send("G", &fields(&text));
    let reject = scene.clients[0].expect("9");
    assert_eq!(reject.get(58), UNAVAILABLE);
    // Reports and cancels pass.
    report(
        &mut scene.desk,
        &request,
        "150=F 39=1 32=4 31=10 14=4 151=6 6=10",
    );
    scene.clients[0].expect("8").is("11=before 150=F 14=4");
    scene.cancel(0, "c1", "before");
    let cancel = scene.desk.expect("F");
    report(&mut scene.desk, &cancel, "150=4 39=4 14=4 151=0 6=10");
    scene.clients[0].expect("8").is("150=4 41=before");

    scene.settle();
    assert_eq!(scene.writes_and_syncs(), calls, "nothing is tried again");
    assert_eq!(disk.durable(LogId::Client), durable);
    let status = scene.bench.status();
    let journal = status.stages.iter().find(|s| s.stage == Stage::Journal);
    let journal = journal.expect("the journal's block");
    assert_eq!(journal.disk, Some("write_failed"));
    // What a loss of the host would take now: all since then.
    let logs: Vec<_> = status.loss_windows.iter().map(|it| it.log).collect();
    assert_eq!(logs, ["client", "order", "desk"]);
    for window in &status.loss_windows {
        assert!(window.records > 0 && window.age_ns > 0, "{window:?}");
        assert!(window.bytes >= 48 * window.records, "{window:?}");
        assert!(window.bytes_max >= window.bytes, "{window:?}");
    }
    let error = &journal.errors[0];
    assert_eq!((error.code, error.detail), ("write_failed", errno));
    let risk = status
        .stages
        .iter()
        .find(|s| s.stage == Stage::Risk)
        .unwrap();
    assert_eq!(risk.rejects["log_unavailable"], 3);
}

#[test]
fn a_full_disk_stops_new_orders_and_nothing_else() {
    writes_fail_as(Fault::Write(ENOSPC), ENOSPC as u64);
}

#[test]
fn a_disk_that_became_read_only_stops_new_orders_and_nothing_else() {
    writes_fail_as(Fault::Write(EROFS), EROFS as u64);
}

#[test]
fn an_error_while_writing_stops_new_orders_and_nothing_else() {
    writes_fail_as(Fault::Write(EIO), EIO as u64);
}

#[test]
fn a_record_that_was_written_in_part_is_not_durable() {
    writes_fail_as(Fault::ShortWrite, ENOSPC as u64);
}

#[test]
fn after_a_failed_sync_no_new_order_leaves() {
    let mut scene = Scene::new(Durability::Process);
    scene.open(0, "before");
    scene.settle();
    let disk = scene.bench.stages.borrow().disk.clone();
    let durable = disk.durable(LogId::Desk);
    scene.fail_all(Fault::Sync(EIO));
    // Checked and on its way to the desk when the sync fails.
    scene.send(0, "caught");
    {
        let now = scene.bench.now();
        let mut stages = scene.bench.stages.borrow_mut();
        stages.decode.duty_cycle(now);
        stages.risk.duty_cycle(now);
        stages.journal_turn(gatehouse::domain::Now {
            mono_ns: now.mono_ns + A_WHILE_NS,
            ..now
        });
    }
    assert_eq!(disk.state(), DiskState::SyncFailed);
    let reject = scene.clients[0].expect("8");
    reject.is("11=caught 150=8 39=8");
    assert_eq!(reject.get(58), UNAVAILABLE);
    assert_eq!(scene.desk_waiting(), 0);
    // The disk may say what it likes now: it is not asked again.
    scene.fail_all(Fault::None);
    let calls = scene.writes_and_syncs();
    assert_eq!(scene.refused(0, "late").get(58), UNAVAILABLE);
    scene.cancel(0, "c1", "before");
    scene.desk.expect("F");
    scene.settle();
    assert_eq!(scene.writes_and_syncs(), calls);
    assert_eq!(disk.durable(LogId::Desk), durable);
    let status = scene.bench.status();
    let journal = status.stages.iter().find(|s| s.stage == Stage::Journal);
    let journal = journal.expect("the journal's block");
    assert_eq!(journal.disk, Some("sync_failed"));
    assert_eq!(journal.counters["sync_failures"], 1);
}

/// Orders until they are refused; how many were not.
fn fill(scene: &mut Scene, why: &str) -> usize {
    for count in 0..20_000 {
        let id = format!("f{count}");
        scene.send(0, &id);
        let answer = loop {
            if scene.desk.stream().waiting() > 0 {
                let request = scene.desk.expect("D");
                report(&mut scene.desk, &request, "");
            }
            if scene.clients[0].stream().waiting() > 0 {
                break scene.clients[0].expect("8");
            }
            scene.bench.turn(1);
        };
        if answer.get(150) == "8" {
            assert_eq!(answer.get(58), why);
            return count;
        }
    }
    panic!("the window has no end");
}

#[test]
fn a_stalled_disk_stops_new_orders_until_it_is_back() {
    let mut scene = Scene::new(Durability::Process);
    scene.open(0, "before");
    scene.stall(true);
    let taken = fill(&mut scene, PRESSURE);
    assert!(taken > 100, "the window holds more than {taken}");
    scene.cancel(0, "c1", "before");
    let cancel = scene.desk.expect("F");
    report(&mut scene.desk, &cancel, "150=4 39=4 151=0");
    scene.clients[0].expect("8").is("150=4 41=before");
    scene.stall(false);
    scene.settle();
    scene.open(0, "after");
    scene.settle();
    for medium in &scene.media {
        let bytes = medium.bytes.borrow();
        assert_eq!(medium.durable_bytes.get(), bytes.len());
        let whole = Records::new(&bytes).map(|record| record.expect("whole"));
        assert!(whole.count() > taken);
    }
}

#[test]
fn who_floods_a_stalled_gateway_does_not_use_up_what_others_need_for_cancels() {
    let mut scene = Scene::new(Durability::Process);
    let request = scene.open(1, "other");
    scene.stall(true);
    // One session sends on and on, and reads what it is told, until nothing is taken from it any more.
    let mut unanswered = 0;
    for count in 0.. {
        scene.send(0, &format!("f{count}"));
        scene.clients[0].forget_old();
        scene.bench.turn(1);
        unanswered += 1;
        while scene.clients[0].stream().waiting() > 0 {
            scene.clients[0].next();
            unanswered = 0;
        }
        while scene.desk.stream().waiting() > 0 {
            let request = scene.desk.next();
            scene.desk.forget_old();
            report(&mut scene.desk, &request, "");
        }
        if unanswered == 100 {
            break;
        }
    }
    scene.cancel(1, "c1", "other");
    let original = format!("41={}", request.get(11));
    scene.desk.expect("F").is(&original);
    report(
        &mut scene.desk,
        &request,
        "150=F 39=1 32=4 31=10 14=4 151=6 6=10",
    );
    scene.clients[1].expect("8").is("11=other 150=1");
    // What it sent meanwhile was left where it was, and goes on when there is room.
    scene.stall(false);
    scene.settle();
    scene.desk.expect("D");
}

#[test]
fn at_level_l1_nothing_leaves_before_it_is_on_disk() {
    let mut scene = Scene::new(Durability::Host);
    scene.settle();
    scene.stall(true);
    scene.send(0, "a1");
    assert_eq!(scene.desk_waiting(), 0, "its record is not on disk");
    scene.stall(false);
    let request = scene.desk.expect("D");
    scene.stall(true);
    report(&mut scene.desk, &request, "");
    assert_eq!(
        scene.client_waiting(),
        0,
        "the report's record is not on disk"
    );
    // What the session layer says does not wait, where nothing waits before it.
    scene.clients[1].send("1", &fields("112=hello"));
    scene.clients[1]
        .read()
        .expect("an answer")
        .is("35=0 112=hello");
    scene.stall(false);
    scene.clients[0].expect("8").is("11=a1 150=0");
    // In order, and once.
    scene.stall(true);
    for id in ["a2", "a3"] {
        scene.send(0, id);
    }
    assert_eq!((scene.desk_waiting(), scene.client_waiting()), (0, 0));
    scene.stall(false);
    for _ in 0..2 {
        let request = scene.desk.expect("D");
        report(&mut scene.desk, &request, "");
    }
    let status = scene.bench.status();
    assert_eq!(status.links[0].durability.level(), "L1");
    assert_eq!(status.sessions[0].durability.level(), "L1");
}

#[test]
fn at_level_l1_nothing_is_sent_again_before_it_is_on_disk() {
    let mut scene = Scene::new(Durability::Host);
    let request = scene.open(0, "a1");
    scene.settle();
    scene.stall(true);
    scene.clients[0].drop_connection();
    scene.bench.turn(20);
    report(
        &mut scene.desk,
        &request,
        "150=F 39=1 32=4 31=10 14=4 151=6 6=10",
    );
    scene.bench.turn(20);
    // Back again, it asks for what it missed, of which the disk knows nothing.
    let next = scene.clients[0].next_in;
    scene.bench.connect(&mut scene.clients[0]);
    assert_eq!(scene.clients[0].read_any().expect("a Logon").kind(), "A");
    scene.clients[0].send("2", &fields(&format!("7={next} 16=0")));
    assert_eq!(scene.client_waiting(), 0);
    scene.stall(false);
    let again = scene.clients[0].read_any().expect("the report");
    again.is("35=8 43=Y 11=a1 150=F");
}

#[test]
fn at_level_l1_nothing_is_sent_after_a_failed_sync() {
    let mut scene = Scene::new(Durability::Host);
    let request = scene.open(0, "before");
    scene.settle();
    scene.fail_all(Fault::Sync(EIO));
    scene.send(0, "lost");
    assert_eq!(scene.desk_waiting(), 0);
    scene.fail_all(Fault::None);
    scene.send(1, "refused");
    scene.cancel(0, "c1", "before");
    report(
        &mut scene.desk,
        &request,
        "150=F 39=1 32=4 31=10 14=4 151=6 6=10",
    );
    scene.settle();
    assert_eq!((scene.desk_waiting(), scene.client_waiting()), (0, 0));
    assert_eq!(scene.clients[1].stream().waiting(), 0);
}
