//! `gatehouse log verify`: whole logs are whole, beside a running gateway too; every single bit that differs and every tail that is
//! gone is found, in logs that a gateway wrote.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use gatehouse::app::log_reader::LogPlace;
use gatehouse::app::log_store::{LogStore, read, segment_path};
use gatehouse::app::log_verify::{Severity, Verified, verify};
use gatehouse::journal::record::{Records, padded};
use gatehouse::journal::{LogId, RecordKind, mark};
use serde_json::Value;

use super::{gatehouse_log, good, story};
use crate::support::World;

const LOGS: [LogId; 3] = [LogId::Client, LogId::Order, LogId::Desk];

#[test]
fn whole_logs_are_whole_and_damage_is_named_with_its_remedy() {
    let mut world = World::start(|_| {});
    let _client = story(&mut world);
    // Beside the gateway: what it has in memory belongs to the logs.
    let told = good(&["verify"], &world);
    assert!(
        told.contains("whole: every record follows the one before"),
        "{told}"
    );
    world.stop();
    let told = good(&["verify", "--json"], &world);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["whole"], true);
    assert_eq!(told["findings"].as_array().map(Vec::len), Some(0));
    for log in told["logs"].as_array().expect("logs") {
        let epoch = &log["epochs"][0];
        assert_eq!(epoch["first"], 1, "{log}");
        assert_eq!(epoch["last"], epoch["records"], "{log}");
        assert!(epoch["bytes"].as_u64() > Some(1000), "{log}");
        assert!(epoch["last_ns"].as_u64() > epoch["first_ns"].as_u64());
    }

    let logs = &world.plan.state.log_directory;
    let segment = segment_path(logs, LogId::Order, 1, 0);
    let whole = std::fs::read(&segment).expect("a segment");
    let mut bytes = whole.clone();
    let at = Records::new(&bytes).scan((), |(), record| record.ok().map(|r| padded(r.body.len())));
    let third: usize = at.take(2).sum();
    bytes[third + 60] ^= 1;
    std::fs::write(&segment, &bytes).expect("written");
    let output = gatehouse_log(&["verify"], &world)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for words in [
        format!(
            "DAMAGED: order log, start 1: {} at byte {third}, behind record 2 (",
            segment.display()
        ),
        "the checksum does not match".to_owned(),
        "remedy: put the file back from a copy".to_owned(),
        "NOT WHOLE".to_owned(),
    ] {
        assert!(told.contains(&words), "{words}:\n{told}");
    }
    // Of the other logs nothing is damaged.
    good(&["verify", "--log", "client", "--log", "desk"], &world);

    // A file that was cut, and one that is another log's.
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&segment)
        .expect("opens");
    file.set_len(third as u64).expect("cut");
    let output = gatehouse_log(&["verify"], &world)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains(&format!("the file has {third} bytes")),
        "{told}"
    );
    assert!(
        told.contains("its end is missing, and what should stand here was on disk"),
        "{told}"
    );
    let client = segment_path(logs, LogId::Client, 1, 0);
    std::fs::copy(client, &segment).expect("copied");
    let output = gatehouse_log(&["verify", "--log", "order"], &world)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("it is the file of another log"), "{told}");
}

/// Small logs of a gateway, to be spoiled: their bytes, and a place for them.
struct Small {
    logs: HashMap<&'static str, Vec<u8>>,
    directory: tempfile::TempDir,
}

const SEGMENT_BYTES: usize = 2048;

impl Small {
    /// Of a gateway with one order that was filled.
    fn write() -> Self {
        let mut world = World::start(|_| {});
        let mut client = world.client(0);
        client.order("o1", "");
        let request = world.desk().request("D");
        world.desk().report(&request, "");
        client.report("11=o1 39=0");
        world.desk().fill(&request, 100, "10", 100, 0);
        client.report("11=o1 39=2");
        client.log_out();
        world.stop();
        let directory = &world.plan.state.log_directory;
        let logs = LOGS.map(|log| {
            let bytes = read(directory, log, 1).expect("a log");
            let end: usize = Records::new(&bytes)
                .map(|record| padded(record.expect("whole").body.len()))
                .sum();
            (log.name(), bytes[..end].to_vec())
        });
        let small = Self {
            logs: logs.into(),
            directory: tempfile::tempdir().expect("a directory"),
        };
        for log in LOGS {
            small.put(log, &small.logs[log.name()]);
        }
        small
    }

    /// Lays a log into files of their full size.
    fn put(&self, log: LogId, bytes: &[u8]) {
        for (segment, part) in bytes.chunks(SEGMENT_BYTES).enumerate() {
            let mut part = part.to_vec();
            part.resize(SEGMENT_BYTES, 0);
            let path = segment_path(self.directory.path(), log, 1, segment as u32);
            std::fs::write(path, part).expect("written");
        }
    }

    fn verify(&self, logs: &[LogId]) -> Verified {
        let place = LogPlace {
            directory: self.directory.path().to_owned(),
            staging: None,
            segment_bytes: SEGMENT_BYTES as u64,
            first_epoch: 0,
        };
        verify(&place, logs, true, &mut |_, _, _| {}).expect("readable")
    }

    /// Changes one byte.
    fn poke(&self, log: LogId, at: usize, byte: u8) {
        let path = segment_path(self.directory.path(), log, 1, (at / SEGMENT_BYTES) as u32);
        let file = OpenOptions::new().write(true).open(path).expect("opens");
        file.write_all_at(&[byte], (at % SEGMENT_BYTES) as u64)
            .expect("written");
    }
}

#[test]
fn every_single_bit_is_watched() {
    let small = Small::write();
    assert!(small.verify(&LOGS).findings.is_empty());
    let mut bits = 0;
    for log in LOGS {
        // What was never written is watched as well: up to the end of the last file.
        let mut bytes = small.logs[log.name()].clone();
        let written = bytes.len();
        bytes.resize(written.next_multiple_of(SEGMENT_BYTES), 0);
        let last_record = Records::new(&bytes)
            .map_while(Result::ok)
            .last()
            .map(|record| written - padded(record.body.len()))
            .expect("records");
        for bit in 0..bytes.len() * 8 {
            let (byte, mask) = (bit / 8, 1 << (bit % 8));
            bytes[byte] ^= mask;
            small.poke(log, byte, bytes[byte]);
            let verified = small.verify(&[log]);
            let told = &verified.findings;
            assert!(!told.is_empty(), "{}: bit {bit} is not seen", log.name());
            // A tail is taken for unfinished only where nothing stands behind it.
            let is_torn = told
                .iter()
                .all(|finding| finding.severity == Severity::Torn);
            assert!(
                !is_torn || byte >= last_record,
                "{}: byte {byte}: {told:?}",
                log.name()
            );
            bytes[byte] ^= mask;
            small.poke(log, byte, bytes[byte]);
            bits += 1;
        }
    }
    assert!(bits > 30_000, "{bits}");
    assert!(small.verify(&LOGS).findings.is_empty());
}

#[test]
fn every_lost_tail_is_seen_that_anything_tells_of() {
    let small = Small::write();
    // The last record of each log that another one names.
    let mut named: HashMap<&str, u64> = HashMap::new();
    for (name, bytes) in &small.logs {
        for record in Records::new(bytes) {
            let record = record.expect("whole");
            let cause = record.cause;
            if record.kind == RecordKind::Mark {
                let through = mark::read(record.body).expect("a mark");
                let others = mark::LOGS.iter().filter(|of| of.name() != *name);
                for of in others {
                    let at = mark::LOGS.iter().position(|log| log == of);
                    let through = through[at.expect("a log")];
                    let last = named.entry(of.name()).or_default();
                    *last = through.max(*last);
                }
            }
            if cause.log.name() != *name {
                let last = named.entry(cause.log.name()).or_default();
                *last = cause.sequence.max(*last);
            }
        }
    }
    for log in LOGS {
        let whole = &small.logs[log.name()];
        let mut ends = HashMap::from([(0, 0)]);
        let mut end = 0;
        for record in Records::new(whole) {
            let record = record.expect("whole");
            end += padded(record.body.len());
            ends.insert(end, record.sequence);
        }
        let (mut found, mut unseen) = (0, 0);
        for length in (0..whole.len()).rev() {
            let mut bytes = whole[..length].to_vec();
            bytes.resize(whole.len(), 0);
            small.put(log, &bytes);
            let verified = small.verify(&LOGS);
            // What is cut off may be zeros that were written: then the record is whole.
            let mut effective = length;
            while effective < whole.len() && whole[effective] == 0 && !ends.contains_key(&effective)
            {
                effective += 1;
            }
            // What is left of a record may be zeros too: then nothing is.
            let begin = ends.keys().filter(|&&end| end <= length).max();
            let begin = *begin.expect("the first begins at zero");
            if whole[begin..length].iter().all(|&byte| byte == 0) {
                effective = effective.min(begin);
            }
            let is_known = match ends.get(&effective) {
                Some(&last) => last < named[log.name()],
                None => true,
            };
            assert_eq!(
                !verified.findings.is_empty(),
                is_known,
                "{} log cut at {length}: {:?}",
                log.name(),
                verified.findings
            );
            let is_lost = ends.contains_key(&effective) && is_known;
            assert!(
                !is_lost || !verified.is_whole(),
                "{} log cut at {length}",
                log.name()
            );
            found += is_known as usize;
            unseen += !is_known as usize;
        }
        // Only the last events, which caused nothing, may go unnoticed.
        assert!(found > 10 * unseen, "{}: {found} {unseen}", log.name());
        small.put(log, whole);
    }
    assert!(small.verify(&LOGS).findings.is_empty());
}

#[test]
fn sequences_go_on_from_start_to_start_and_a_start_that_is_gone_is_missed() {
    let mut world = World::start(|_| {});
    let mut client = world.client(0);
    client.order("o1", "1=NOBODY");
    client.conn.expect("8");
    world.stop();
    for _ in 0..2 {
        let again = gatehouse::app::start(world.plan.clone()).expect("it starts again");
        again.stop();
    }
    let told = good(&["verify", "--json"], &world);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    for log in told["logs"].as_array().expect("logs") {
        let epochs = log["epochs"].as_array().expect("epochs");
        assert_eq!(epochs.len(), 3, "{log}");
        for pair in epochs.windows(2) {
            let last = pair[0]["last"].as_u64().expect("a number");
            assert_eq!(pair[1]["first"], last + 1, "{log}");
        }
    }
    let second = segment_path(&world.plan.state.log_directory, LogId::Order, 2, 0);
    std::fs::remove_file(second).expect("removed");
    let output = gatehouse_log(&["verify"], &world)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("DAMAGED: order log, start 3") && told.contains("was due"),
        "{told}"
    );
}

/// Such a start was killed when its files were made and before its first record.
#[test]
fn a_start_that_wrote_nothing_is_no_damage() {
    let mut world = World::start(|_| {});
    let mut client = world.client(0);
    client.order("o1", "1=NOBODY");
    client.conn.expect("8");
    world.stop();
    let logs = &world.plan.state.log_directory;
    for log in LOGS {
        drop(LogStore::create(logs, log, 2).expect("files"));
    }
    let whole = |starts: usize| {
        let told = good(&["verify", "--json"], &world);
        let told: Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(told["whole"], true, "{told}");
        for log in told["logs"].as_array().expect("logs") {
            let epochs = log["epochs"].as_array().expect("epochs");
            assert_eq!(epochs.len(), starts, "{log}");
            assert_eq!(epochs[1]["records"], 0, "{log}");
        }
    };
    whole(2);
    let again = gatehouse::app::start(world.plan.clone()).expect("it starts again");
    again.stop();
    whole(3);
    // What is gone before it is missed still.
    std::fs::remove_file(segment_path(logs, LogId::Order, 1, 0)).expect("removed");
    let output = gatehouse_log(&["verify"], &world)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let named = "DAMAGED: order log, start 3";
    assert!(told.contains(named) && told.contains("1 was due"), "{told}");
}
