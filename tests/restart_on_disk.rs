//! Starts of the whole gateway on the directories of an earlier process: in order, after the host went down, with other files.
//!
//! That the host went down is played by putting back what was on disk at some moment, without the windows.

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use gatehouse::app::log_reader::LogPlace;
use gatehouse::app::log_store::segment_path;
use gatehouse::app::snapshots::{self, Taken};
use gatehouse::app::{self, Gateway};
use gatehouse::config::plan::{DropCopyPlan, Layout, Plan};
use gatehouse::domain::{SessionIndex, Text};
use gatehouse::journal::LogId;
use gatehouse::risk::Risk;
use gatehouse::stage::replay::Replay;
use gatehouse::status::Counter;
use support::{Client, World};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("read") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

/// A client that goes on with the numbers of another.
fn again(gateway: &Gateway, before: &Client) -> Client {
    let identity = &before.conn.identity;
    let (begin, me) = (identity.begin.clone(), identity.me.clone());
    let mut client = Client::new(gateway.addresses[0], &begin, &me, &before.account);
    (client.conn.next_in, client.conn.next_out) = (before.conn.next_in, before.conn.next_out);
    client.connect();
    client.send_logon("");
    client
}

/// A refusal is told, so that a client has a report without a desk.
fn traded(world: &World) -> Client {
    let mut client = world.client(0);
    client.order("A1", "1=NOBODY");
    client.report("11=A1 39=8");
    client
}

fn refusal(plan: &Arc<Plan>) -> String {
    match app::start(plan.clone()) {
        Ok(gateway) => {
            gateway.stop();
            panic!("it starts");
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn after_an_orderly_end_the_windows_are_not_needed() {
    let mut world = World::start(|_| {});
    let client = traded(&world);
    world.stop();
    let staging = &world.plan.state.staging_directory;
    fs::remove_dir_all(staging).expect("removed");
    let gateway = app::start(world.plan.clone()).expect("it starts");
    // Our Logout and the client's answer to it are in the numbers.
    let mut client = again(&gateway, &client);
    let logon = client.conn.read_any().expect("an answer");
    assert!(
        logon.kind() == "A" || logon.get(58).contains("too low"),
        "{logon:?}"
    );
    drop(client);
    gateway.stop();
}

#[test]
fn logs_that_are_moved_away_do_not_take_the_start_numbers_with_them() {
    let mut world = World::start(|_| {});
    let first = world.gateway().epoch;
    world.stop();
    let state = &world.plan.state;
    let aside = state.log_directory.with_file_name("aside");
    // With the directory itself: nothing is left in it.
    fs::rename(&state.log_directory, &aside).expect("moved");
    for _ in 0..2 {
        let gateway = app::start(world.plan.clone()).expect("it begins anew, and goes on");
        assert!(gateway.epoch > first, "{}", gateway.epoch);
        gateway.stop();
    }
    // They do not belong to what has begun since.
    copy(&aside, &state.log_directory);
    let told = refusal(&world.plan);
    assert!(told.contains("(gap)"), "{told}");
}

#[test]
fn after_the_host_went_down_it_starts_only_when_told_and_skips_numbers() {
    let mut world = World::start(|_| {});
    let client = traded(&world);
    let state = &world.plan.state;
    let (logs, staging) = (state.log_directory.clone(), state.staging_directory.clone());
    let before = world.status().total(Counter::Syncs);
    world.wait_counter(Counter::Syncs, before + 1);
    let room = tempfile::tempdir().expect("a directory");
    copy(&logs, room.path());
    world.stop();
    fs::remove_dir_all(&logs).expect("removed");
    copy(room.path(), &logs);
    fs::remove_dir_all(&staging).expect("removed");

    let told = refusal(&world.plan);
    assert!(told.contains("the host went down"), "{told}");
    assert!(told.contains("--accept-host-loss"), "{told}");
    // Nothing was changed by the attempt.
    assert_eq!(refusal(&world.plan), told);

    let gateway = app::start_after(world.plan.clone(), true).expect("it starts");
    let mut client = again(&gateway, &client);
    let logon = client.conn.read_any().expect("an answer");
    assert_eq!(logon.kind(), "A");
    let skipped = logon.seq() - client.conn.next_in;
    assert!(skipped > 10_000, "{skipped} numbers were skipped");
    drop(client);
    gateway.stop();
    // That end was one in order.
    app::start(world.plan.clone()).expect("it starts").stop();
}

#[test]
fn a_start_that_cannot_listen_ends_in_order() {
    for layout in [Layout::Fused, Layout::Pipeline] {
        let mut world = World::start(|sample| sample.layout = layout);
        world.stop();
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut plan = (*world.plan).clone();
        plan.listeners[0].address = taken.local_addr().expect("an address");
        let told = refusal(&Arc::new(plan));
        assert!(told.contains("cannot listen"), "{told}");
        // The host may go down now.
        fs::remove_dir_all(&world.plan.state.staging_directory).expect("removed");
        app::start(world.plan.clone()).expect("it starts").stop();
    }
}

#[test]
fn a_start_without_its_control_socket_changes_nothing() {
    let mut world = World::start(|_| {});
    world.stop();
    let state = &world.plan.state;
    let names = || {
        let entries = fs::read_dir(&state.log_directory).expect("read");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    let before = names();
    let mut plan = (*world.plan).clone();
    // A directory stands there.
    plan.state.control_socket = state.log_directory.clone();
    let told = refusal(&Arc::new(plan));
    assert!(told.contains("cannot open the control socket"), "{told}");
    assert_eq!(names(), before);
    // The host may go down now.
    fs::remove_dir_all(&state.staging_directory).expect("removed");
    app::start(world.plan.clone()).expect("it starts").stop();
}

#[test]
fn orders_of_today_are_not_read_with_other_files() {
    let mut world = World::start(|_| {});
    let mut client = traded(&world);
    client.log_out();
    world.stop();
    let changes: [fn(&mut Plan); 4] = [
        |plan| plan.accounts[0].cash.0 += 1,
        |plan| plan.sessions[0].messages_per_second += 1,
        |plan| plan.sessions[0].name.push('X'),
        |plan| plan.desks[0].name.push('X'),
    ];
    for change in changes {
        let mut changed = (*world.plan).clone();
        change(&mut changed);
        let told = refusal(&Arc::new(changed));
        assert!(told.contains("other accounts, instruments"), "{told}");
    }
    // What has no part in what became of the orders may change: how a session speaks, and who receives copies.
    let mut changed = (*world.plan).clone();
    changed.sessions[0].fix.heartbeat_interval_max_s += 1;
    changed.sessions[0].cancel_on_disconnect = true;
    changed.desks[0].links[0].fix.heartbeat_interval_s += 1;
    let mut receiver = changed.sessions[0].clone();
    receiver.name = "COPIES".to_owned();
    receiver.fix.target_comp_id = Text::cut(b"COPIES");
    receiver.accounts.clear();
    receiver.drop_copy = Some(DropCopyPlan {
        sessions: vec![SessionIndex(0)],
        ..DropCopyPlan::default()
    });
    changed.sessions.push(receiver);
    app::start(Arc::new(changed)).expect("it starts").stop();
    app::start(world.plan.clone()).expect("it starts").stop();
}

#[test]
fn a_start_that_fails_after_a_kill_leaves_everything_to_the_next_one() {
    let mut world = World::start(|_| {});
    let client = traded(&world);
    let state = &world.plan.state;
    let (logs, staging) = (state.log_directory.clone(), state.staging_directory.clone());
    // As a kill would leave it: nothing of an end in order, and windows that nobody holds.
    let room = tempfile::tempdir().expect("a directory");
    copy(&staging, &room.path().join("staging"));
    copy(&logs, &room.path().join("logs"));
    world.stop();
    for (directory, was) in [(&logs, "logs"), (&staging, "staging")] {
        fs::remove_dir_all(directory).expect("removed");
        copy(&room.path().join(was), directory);
    }
    let mut changed = (*world.plan).clone();
    changed.accounts[0].cash.0 += 1;
    for _ in 0..2 {
        let told = refusal(&Arc::new(changed.clone()));
        assert!(told.contains("other accounts, instruments"), "{told}");
    }
    let gateway = app::start(world.plan.clone()).expect("it starts");
    let mut client = again(&gateway, &client);
    assert_eq!(client.conn.read_any().expect("an answer").kind(), "A");
    drop(client);
    gateway.stop();
}

/// Of the logs of a world that has stopped.
fn snapshot(world: &World) -> Taken {
    let place = place(world);
    snapshots::take(&world.plan, &place, None, &mut |_| ()).expect("a snapshot")
}

fn place(world: &World) -> LogPlace {
    LogPlace::new(&world.plan.state.log_directory, None)
}

/// Another byte somewhere in a file.
fn damage(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("read");
    bytes[at] ^= 1;
    fs::write(file, bytes).expect("written");
}

#[test]
fn a_start_reads_no_more_than_what_follows_the_snapshot() {
    let mut world = World::start(|_| {});
    let mut client = traded(&world);
    world.stop();
    let taken = snapshot(&world);
    assert!(taken.records > 0);
    // What is in the snapshot is not read: else this would stop the start.
    let logs = &world.plan.state.log_directory;
    for log in [LogId::Client, LogId::Order, LogId::Desk] {
        damage(&segment_path(logs, log, 1, 0), 60);
    }
    for _ in 0..2 {
        let gateway = app::start(world.plan.clone()).expect("it starts");
        client = again(&gateway, &client);
        let logon = client.conn.read_any().expect("an answer");
        assert!(
            logon.kind() == "A" || logon.get(58).contains("too low"),
            "{logon:?}"
        );
        gateway.stop();
    }
    fs::remove_file(&taken.path).expect("removed");
    assert!(refusal(&world.plan).contains("client-00001-0000.log"));
}

#[test]
fn a_snapshot_that_does_not_fit_is_left_aside() {
    let mut world = World::start(|_| {});
    traded(&world);
    world.stop();
    let (plan, place) = (world.plan.clone(), place(&world));
    let newest = || snapshots::newest(&plan, &place).map(|(_, path)| path);
    assert_eq!(newest(), None);
    let first = snapshot(&world);
    app::start(plan.clone()).expect("it starts").stop();
    // What a writer that was killed leaves is no snapshot.
    fs::write(place.directory.join("snapshot.tmp"), b"half").expect("written");
    assert_eq!(newest(), Some(first.path.clone()));
    let second = snapshot(&world);
    assert!(second.records < first.records + second.records);
    assert_eq!(newest(), Some(second.path.clone()));
    let kept = fs::read(&second.path).expect("read");

    // Torn, and damaged: the one before.
    fs::write(&second.path, &kept[..kept.len() - 1]).expect("written");
    assert_eq!(newest(), Some(first.path.clone()));
    fs::write(&second.path, &kept).expect("written");
    damage(&second.path, kept.len() / 2);
    assert_eq!(newest(), Some(first.path.clone()));
    fs::write(&second.path, &kept).expect("written");
    assert_eq!(newest(), Some(second.path.clone()));

    // With other accounts it is of no use, and no more so with other logs.
    let mut other = (*plan).clone();
    other.accounts[0].cash.0 += 1;
    assert!(snapshots::newest(&Arc::new(other), &place).is_none());
    let mut stranger = World::start(|_| {});
    traded(&stranger);
    stranger.stop();
    let elsewhere = self::place(&stranger);
    let copy = elsewhere
        .directory
        .join(second.path.file_name().expect("a name"));
    fs::copy(&second.path, &copy).expect("copied");
    let why = snapshots::load(&stranger.plan, &elsewhere, &copy);
    assert!(why.is_err_and(|why| why.to_string().contains("log does not have the record")));
    app::start(stranger.plan.clone()).expect("it starts").stop();
    let third = snapshot(&stranger);
    // It was made of the whole log, and what never fits is gone.
    let left = snapshots::files(&elsewhere.directory).expect("read");
    assert_eq!(left, [third.path]);
}

#[test]
fn a_snapshot_goes_no_further_than_what_is_on_disk_and_two_are_kept() {
    let mut world = World::start(|_| {});
    traded(&world);
    world.stop();
    let place = place(&world);
    let plan = &world.plan;
    let all = snapshots::load(plan, &place, &snapshot(&world).path).expect("good");
    let last = all.positions().map(|position| position.sequence());
    fs::remove_file(&snapshots::files(&place.directory).expect("read")[0]).expect("removed");
    let mut made = Vec::new();
    for (less, kept) in [(3, 1), (2, 2), (1, 2), (0, 2)] {
        let through = last.map(|last| last - less);
        let taken = snapshots::take(plan, &place, Some(through), &mut |_| ()).expect("taken");
        assert_eq!(taken.positions.map(|position| position.sequence()), through);
        made.insert(0, taken.path);
        let files = snapshots::files(&place.directory).expect("read");
        assert_eq!(files, made[..kept]);
    }
    // In small steps it comes to the same.
    let steps = snapshots::load(plan, &place, &made[0]).expect("good");
    let hash = |replay: &Replay| replay.risk().map(Risk::state_hash);
    assert_eq!(hash(&steps), hash(&all));
    assert_eq!(steps.positions(), all.positions());
}
