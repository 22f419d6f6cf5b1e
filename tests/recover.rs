//! What a start does about the logs that it finds: every row of the decision table, on files of a gateway that ran.
//!
//! Each case spoils a copy of what a gateway left, killed or ended in order, and asks what a start does about it. A row without a case
//! fails the test. Whatever is answered, nothing in the directories may have changed.

#[path = "recover/host_loss.rs"]
mod host_loss;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use gatehouse::app::log_reader::{LogPlace, LogReader};
use gatehouse::app::log_store::segment_path;
use gatehouse::app::starts::{self, Starts};
use gatehouse::app::{self};
use gatehouse::config::plan::{Idle, Io, Layout, Plan};
use gatehouse::config::sample::Sample;
use gatehouse::journal::mark::{LOGS, Marks};
use gatehouse::journal::record::{Records, padded};
use gatehouse::journal::recover::TABLE;
use gatehouse::journal::{Cause, Log, LogId, RecordKind, start};
use gatehouse::sys::staging::StagingRegion;
use ringbuf::byte_log::{self, Region};
use support::{World, wait};
use tempfile::TempDir;

/// Of the files' 64 MiB these tests need the beginning.
const FILE_BYTES: u64 = 64 << 10;

/// What a gateway left: directories to copy from.
struct Left {
    plan: Arc<Plan>,
    killed: TempDir,
    ended: TempDir,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("read") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("readable");
        let is_log = path.extension().is_some_and(|it| it == "log");
        let length = if is_log {
            FILE_BYTES as usize
        } else {
            bytes.len()
        };
        fs::write(to.join(path.file_name().expect("a name")), &bytes[..length]).expect("written");
    }
}

fn take(plan: &Plan) -> TempDir {
    let room = tempfile::tempdir().expect("a directory");
    copy(&plan.state.staging_directory, &room.path().join("staging"));
    copy(&plan.state.log_directory, &room.path().join("log"));
    room
}

/// Whether every log's last record but marks is known to be on disk by another log.
fn is_marked(plan: &Plan) -> Option<()> {
    let state = &plan.state;
    let place = LogPlace::new(&state.log_directory, Some(state.staging_directory.clone()));
    let (mut marks, mut last) = (Marks::default(), BTreeMap::new());
    for log in LOGS {
        let mut reader = LogReader::open(place.clone(), log).expect("opens");
        while reader.advance().expect("readable") {
            let record = reader.record();
            marks.take(log, reader.epoch(), &record);
            if record.kind != RecordKind::Mark {
                last.insert(log as u8, record.sequence);
            }
        }
    }
    let covers = |log: &LogId| {
        let mark = marks.of(*log)?;
        (mark.through >= last[&(*log as u8)]).then_some(())
    };
    LOGS.iter().try_for_each(covers)
}

impl Left {
    fn make() -> Self {
        let mut world = World::start(|sample| sample.staging_bytes = 1 << 18);
        let mut client = world.client(0);
        client.order("A1", "");
        let request = world.desk().request("D");
        world.desk().report(&request, "");
        client.report("11=A1 39=0");
        let plan = world.plan.clone();
        wait("marks", || is_marked(&plan));
        let killed = take(&plan);
        client.log_out();
        world.stop();
        let ended = take(&plan);
        Self {
            plan,
            killed,
            ended,
        }
    }

    fn killed(&self) -> Case {
        Case::of(&self.plan, self.killed.path())
    }

    fn ended(&self) -> Case {
        Case::of(&self.plan, self.ended.path())
    }
}

/// A copy, to be spoiled.
struct Case {
    plan: Plan,
    room: TempDir,
    accept: bool,
}

impl Case {
    fn of(plan: &Plan, from: &Path) -> Self {
        let room = tempfile::tempdir().expect("a directory");
        for part in ["log", "staging"] {
            copy(&from.join(part), &room.path().join(part));
        }
        let mut plan = plan.clone();
        plan.state.log_directory = room.path().join("log");
        plan.state.staging_directory = room.path().join("staging");
        Self {
            plan,
            room,
            accept: false,
        }
    }

    fn file(&self, log: LogId, epoch: u16) -> PathBuf {
        segment_path(&self.plan.state.log_directory, log, epoch, 0)
    }

    fn window(&self, log: LogId) -> PathBuf {
        let name = format!("{}.window", log.name());
        self.plan.state.staging_directory.join(name)
    }

    fn without_windows(self) -> Self {
        for log in LOGS {
            let _ = fs::remove_file(self.window(log));
        }
        self
    }

    fn without_logs(&self) {
        for log in LOGS {
            fs::remove_file(self.file(log, 1)).expect("removed");
        }
    }

    fn accepting(mut self) -> Self {
        self.accept = true;
        self
    }

    fn bytes(&self, log: LogId) -> Vec<u8> {
        fs::read(self.file(log, 1)).expect("a file")
    }

    fn marks(&self) -> Marks {
        let mut marks = Marks::default();
        for log in LOGS {
            for record in Records::new(&self.bytes(log)) {
                marks.take(log, 1, &record.expect("whole"));
            }
        }
        marks
    }

    /// Offsets of the records of the first start, and of their end; the sequence of the last.
    fn records(&self, log: LogId) -> Vec<u64> {
        let bytes = self.bytes(log);
        let mut ends = vec![0];
        for record in Records::new(&bytes) {
            let length = padded(record.expect("whole").body.len()) as u64;
            ends.push(ends[ends.len() - 1] + length);
        }
        ends
    }

    fn write(&self, log: LogId, offset: u64, bytes: &[u8]) {
        let file = OpenOptions::new().write(true).open(self.file(log, 1));
        file.expect("opens")
            .write_all_at(bytes, offset)
            .expect("written");
    }

    /// Behind the last record the beginning of one more, as a host that goes down leaves it.
    fn torn(self, log: LogId) -> (Self, u64) {
        let end = *self.records(log).last().expect("an end");
        let mut begun = vec![7; 60];
        begun[4..8].copy_from_slice(&200u32.to_le_bytes());
        self.write(log, end, &begun);
        (self, end)
    }

    /// The log of another start behind so many records.
    fn another(&self, log: LogId, epoch: u16, behind: u64, text: &str) {
        self.another_with(log, epoch, behind, text, |_| {});
    }

    /// The same, with more records.
    fn another_with(
        &self,
        log: LogId,
        epoch: u16,
        behind: u64,
        text: &str,
        more: impl FnOnce(&mut Log),
    ) {
        let (writer, mut reader) = byte_log::create(Region::heap(1 << 12)).expect("memory");
        let mut written = Log::new(log, writer).behind(behind);
        written.append(RecordKind::Start, 0, Cause::default(), 1, text.as_bytes());
        more(&mut written);
        let mut bytes = Vec::new();
        while let Some(frame) = reader.next() {
            bytes.extend_from_slice(frame.bytes);
        }
        bytes.resize(FILE_BYTES as usize, 0);
        fs::write(self.file(log, epoch), bytes).expect("written");
    }

    /// The window says that it was made there.
    fn stamp(self, host: Option<&str>) -> Self {
        for log in LOGS {
            let path = self.window(log);
            let length = fs::metadata(&path).expect("there").len();
            let own = fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
            let host = host.unwrap_or(own.trim());
            let text = format!("gatehouse window 1\nanother-boot\n{host}\n1\n");
            let mut stamp = text.into_bytes();
            stamp.resize(256, 0);
            let file = OpenOptions::new().write(true).open(&path).expect("opens");
            file.write_all_at(&stamp, length - 256).expect("written");
        }
        self
    }

    fn all(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        for part in ["log", "staging"] {
            for entry in fs::read_dir(self.room.path().join(part)).expect("read") {
                let path = entry.expect("an entry").path();
                all.insert(path.clone(), fs::read(path).expect("readable"));
            }
        }
        all
    }

    /// What a start does, or why it does not.
    fn ask(&self) -> Result<Vec<(LogId, &'static str)>, String> {
        let before = self.all();
        let answer = app::examine(&Arc::new(self.plan.clone()), self.accept);
        assert!(before == self.all(), "something was changed");
        answer.map_err(|error| error.to_string())
    }

    /// It is refused, by this row, and the message says where and what to do.
    #[track_caller]
    fn is_refused(&self, label: &'static str, file: &Path, offset: u64) -> &'static str {
        let told = self.ask().expect_err("a start is refused");
        let row = TABLE.iter().find(|row| row.label == label).expect("a row");
        for words in [
            format!("({label})"),
            format!("{} at byte {offset}:", file.display()),
            format!("What to do: {}", row.remedy),
        ] {
            assert!(told.contains(&words), "{words} is not in: {told}");
        }
        label
    }

    #[track_caller]
    fn is_done(&self, log: LogId, label: &'static str) -> &'static str {
        let labels = self.ask().expect("a start goes on");
        assert!(labels.contains(&(log, label)), "{labels:?}");
        label
    }
}

/// Bits anywhere, each in its file and through a whole reading: up to the marks each one is refused, and named with its record's place.
#[test]
fn bits_turned_over_in_files_are_refused() {
    let left = Left::make();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for log in LOGS {
        let case = left.ended().without_windows().accepting();
        let records = case.records(log);
        let marked = case.marks().of(log).expect("a mark").through as usize;
        assert!(marked + 12 > records.len(), "{marked} of {}", records.len());
        let file = case.file(log, 1);
        for _ in 0..60 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            let bit = (random >> 16) % (records[marked] * 8);
            let (byte, mask) = (bit / 8, 1u8 << (bit % 8));
            let at = records
                .iter()
                .rposition(|offset| *offset <= byte)
                .expect("a record");
            let was = case.bytes(log)[byte as usize];
            case.write(log, byte, &[was ^ mask]);
            case.is_refused("damaged", &file, records[at]);
            case.write(log, byte, &[was]);
        }
        case.is_done(log, "ended");
    }
}

/// Set for a process that holds the directories named there.
const HOLDS: &str = "GATEHOUSE_TEST_HOLDS";

fn quiet_plan(directory: &Path) -> Arc<Plan> {
    let mut sample = Sample::new(directory);
    (sample.io, sample.layout, sample.idle) = (Io::Poll, Layout::Fused, Idle::Park);
    (sample.requests_per_day_max, sample.executions_per_day_max) = (1 << 12, 1 << 13);
    sample.staging_bytes = 1 << 18;
    sample.links = vec!["127.0.0.1:1".parse().expect("an address")];
    Arc::new(sample.plan())
}

#[test]
fn a_second_process_is_told_which_one_has_the_logs() {
    if let Some(directory) = std::env::var_os(HOLDS) {
        let gateway = app::start(quiet_plan(Path::new(&directory))).expect("it starts");
        println!("up");
        let _ = std::io::stdin().read_line(&mut String::new());
        return gateway.stop();
    }
    let room = tempfile::tempdir().expect("a directory");
    let mut first = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "a_second_process_is_told_which_one_has_the_logs",
            "--nocapture",
        ])
        .env(HOLDS, room.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("another process");
    let mut lines = BufReader::new(first.stdout.take().expect("piped")).lines();
    while lines.next().expect("it comes up").expect("text") != "up" {}
    let plan = quiet_plan(room.path());
    let Err(told) = app::start(plan.clone()) else {
        panic!("two processes on one directory");
    };
    let told = told.to_string();
    let process = format!(
        "another process has this log: process {} (in_use)",
        first.id()
    );
    assert!(told.contains(&process), "{told}");
    drop(first.stdin.take());
    assert!(first.wait().expect("it ends").success());
    app::start(plan).expect("it starts").stop();
}

#[test]
fn every_row_of_the_table_has_its_files() {
    let left = Left::make();
    let mut seen = BTreeSet::new();
    let (client, order, desk) = (LogId::Client, LogId::Order, LogId::Desk);

    // What goes on.
    let nothing = left.ended().without_windows();
    nothing.without_logs();
    seen.insert(nothing.is_done(desk, "nothing"));
    seen.insert(left.ended().is_done(order, "ended"));
    seen.insert(left.ended().without_windows().is_done(order, "ended"));
    seen.insert(
        left.ended()
            .stamp(Some("elsewhere"))
            .is_done(order, "ended"),
    );
    seen.insert(left.killed().is_done(client, "killed"));

    // The host went down.
    let lost = left.killed().without_windows();
    let end = *lost.records(client).last().expect("an end");
    let file = lost.file(client, 1);
    seen.insert(lost.is_refused("loss", &file, end));
    seen.insert(lost.accepting().is_done(client, "loss_accepted"));
    let rebooted = left.killed().stamp(None);
    let file = rebooted.file(client, 1);
    seen.insert(rebooted.is_refused("loss", &file, end));
    let (torn, end) = left.killed().without_windows().torn(desk);
    fs::copy(
        left.killed.path().join("staging/client.window"),
        torn.window(client),
    )
    .expect("copied");
    fs::copy(
        left.killed.path().join("staging/order.window"),
        torn.window(order),
    )
    .expect("copied");
    let file = torn.file(desk, 1);
    seen.insert(torn.is_refused("torn_loss", &file, end));
    let torn = torn.accepting();
    seen.insert(torn.is_done(desk, "loss_accepted"));
    seen.insert(torn.is_done(client, "killed"));
    // The next start goes on before it, and later ones know.
    let last = torn.records_before_torn(desk);
    torn.another(desk, 2, last, &start::text(desk, "sample", 2));
    seen.insert(torn.is_done(desk, "cut_before"));
    torn.another(desk, 2, last + 1, &start::text(desk, "sample", 2));
    seen.insert(torn.is_refused("damaged", &file, end));

    // The end of one log tells of what another has lost.
    let (causeless, last) = left.causeless(None);
    let end = padded(start::text(client, "sample", 2).len());
    seen.insert(causeless.accepting().is_done(client, "effects_cut"));
    let (causeless, _) = left.causeless(None);
    causeless.is_refused(
        "loss",
        &causeless.file(client, 2),
        causeless.end_of(client, 2),
    );
    let (causeless, _) = left.causeless(Some(last));
    let file = causeless.file(client, 2);
    let causeless = causeless.accepting();
    seen.insert(causeless.is_refused("cause_missing", &file, end as u64));

    // What the file of starts knows, and the logs do not have.
    let older = left.ended();
    let mut starts = Starts {
        highest: 2,
        begun: 2,
        ..Starts::default()
    };
    starts::write(&older.plan.state.log_directory, &starts).expect("written");
    let (file, end) = (
        older.file(client, 1),
        *older.records(client).last().unwrap(),
    );
    seen.insert(older.is_refused("start_missing", &file, end));
    let older = older.accepting();
    seen.insert(older.is_refused("start_missing", &file, end));
    seen.insert(older.without_windows().is_done(order, "loss_accepted"));
    let pruned = left.ended();
    (starts.begun, starts.before) = (1, [7, 0, 0]);
    starts::write(&pruned.plan.state.log_directory, &starts).expect("written");
    let file = pruned.file(client, 1);
    seen.insert(pruned.is_refused("gap", &file, 0));
    let unreadable = left.ended();
    let path = starts::path(&unreadable.plan.state.log_directory);
    fs::write(&path, "gatehouse starts 1: 7").expect("written");
    let told = unreadable.ask().expect_err("a start is refused");
    let place = format!("{} at byte 0", path.display());
    assert!(
        told.contains(&place) && told.contains("put it back"),
        "{told}"
    );

    // Windows.
    let held = left.killed();
    let region = StagingRegion::open(&held.window(order)).expect("free");
    seen.insert(held.is_refused("in_use", &held.window(order), 0));
    let told = held.ask().expect_err("refused");
    assert!(
        told.contains("another process has this log: process"),
        "{told}"
    );
    drop(region);
    let unreadable = left.killed();
    fs::write(unreadable.window(client), vec![1; 10_000]).expect("written");
    let (file, end) = (
        unreadable.file(client, 1),
        *unreadable.records(client).last().unwrap(),
    );
    seen.insert(unreadable.is_refused("unreadable_window", &file, end));
    let moved = left.killed().stamp(Some("elsewhere"));
    let file = moved.file(client, 1);
    seen.insert(moved.is_refused("other_host", &file, end));
    let (torn, end) = left.killed().torn(client);
    let file = torn.file(client, 1);
    seen.insert(torn.is_refused("broken_with_window", &file, end));
    let alone = left.ended().without_windows();
    alone.without_logs();
    let region = StagingRegion::create(&alone.window(client), 4096).expect("made");
    let (writer, reader) = byte_log::create(region.into_region()).expect("a window");
    let mut log = Log::new(client, writer);
    log.append(RecordKind::Start, 0, Cause::default(), 1, b"never drained");
    drop((log, reader));
    let file = alone.file(client, 1);
    seen.insert(alone.is_refused("nothing_but_window", &file, 0));

    // Files that do not belong here.
    for (text, label) in [
        ("gatehouse 0.1.0 order epoch 2".to_owned(), "other_version"),
        (start::text(desk, "sample", 2), "other_log"),
        (start::text(order, "sample", 3), "other_start"),
        (start::text(order, "stranger", 2), "other_gateway"),
    ] {
        let foreign = left.ended();
        let last = foreign.records(order).len() as u64 - 1;
        foreign.another(order, 2, last, &text);
        let file = foreign.file(order, 2);
        seen.insert(foreign.is_refused(label, &file, 0));
    }
    let mut renamed = left.ended();
    renamed.plan.name = "renamed".to_owned();
    let file = renamed.file(client, 1);
    seen.insert(renamed.is_refused("other_gateway", &file, 0));
    let gap = left.ended();
    let last = gap.records(order).len() as u64 - 1;
    gap.another(order, 3, last + 4, &start::text(order, "sample", 3));
    let file = gap.file(order, 3);
    seen.insert(gap.is_refused("gap", &file, 0));

    // Damage: with and without windows, whether the operator accepts a loss or not.
    for spoil in 0..4 {
        let make = || {
            let case = if spoil & 1 == 0 {
                left.killed()
            } else {
                left.killed().without_windows()
            };
            if spoil & 2 == 0 {
                case
            } else {
                case.accepting()
            }
        };
        let damaged = make();
        let records = damaged.records(client);
        for (at, &offset) in records.iter().enumerate().take(records.len() / 2) {
            let was = damaged.bytes(client)[offset as usize + 50];
            damaged.write(client, offset + 50, &[was ^ 0x10]);
            let file = damaged.file(client, 1);
            seen.insert(damaged.is_refused("damaged", &file, offset));
            damaged.write(client, offset + 50, &[was]);
            assert!(at < records.len());
        }
        // Where a window has later records that is a hole, and damage too.
        let short = make();
        let cut = short.records(desk)[3];
        let file = short.file(desk, 1);
        let rest = vec![0; (FILE_BYTES - cut) as usize];
        short.write(desk, cut, &rest);
        let told = short.ask().expect_err("a start is refused");
        let place = format!("{} at byte {cut}: ", file.display());
        assert!(told.contains(&place), "{told}");
        let short = short.without_windows();
        seen.insert(short.is_refused("shortened", &file, cut));
        fs::remove_file(&file).expect("removed");
        seen.insert(short.is_refused("shortened", &file, 0));
    }
    let unmarked = left.ended().without_windows();
    unmarked.without_logs();
    unmarked.another(client, 1, 0, &start::text(client, "sample", 1));
    unmarked.write(client, 60, b"?");
    unmarked.write(client, 5_000, b"more");
    let file = unmarked.file(client, 1);
    seen.insert(unmarked.accepting().is_refused("unmarked_damage", &file, 0));

    let rows: BTreeSet<_> = TABLE.iter().map(|row| row.label).collect();
    let missing: Vec<_> = rows.difference(&seen).collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
}

impl Case {
    /// Sequence of the last whole record of a log that is torn behind it.
    fn records_before_torn(&self, log: LogId) -> u64 {
        let bytes = self.bytes(log);
        Records::new(&bytes).take_while(Result::is_ok).count() as u64
    }
}
