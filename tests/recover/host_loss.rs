//! The host went down, and the end of one log tells of what another has lost: it is cut, kept aside and told.
//!
//! On files of a gateway that ran, to which a second start is added.

use std::fs::{self, OpenOptions};
use std::sync::Arc;

use gatehouse::app;
use gatehouse::journal::loss::HostLoss;
use gatehouse::journal::mark::LOGS;
use gatehouse::journal::read::{Chain, Step};
use gatehouse::journal::record::padded;
use gatehouse::journal::{Cause, LogId, Record, RecordKind, start};
use gatehouse::limits::LOG_SEGMENT_BYTES;

use super::{Case, Left};

impl Left {
    /// Of a second start all that the disk has is a message in the client log, whose cause is not in the order log, and what followed it;
    /// perhaps with a mark of the desk log that all through there was on disk. With the sequence of the message.
    pub(super) fn causeless(&self, marked: Option<u64>) -> (Case, u64) {
        let case = self.ended().without_windows();
        let last = |log| case.records(log).len() as u64 - 1;
        let (client, order, desk) = (LogId::Client, LogId::Order, LogId::Desk);
        let cause = Cause {
            log: order,
            sequence: last(order) + 5,
            output: 0,
        };
        let text = |log| start::text(log, "sample", 2);
        case.another_with(client, 2, last(client), &text(client), |log| {
            log.append(RecordKind::MessageOut, 0, cause, 2, b"8=FIX.4.4 is told");
            log.append(RecordKind::Connection, 0, Cause::default(), 3, b"");
        });
        let through = marked.map(|through| [through, last(order), last(desk)]);
        case.another_with(desk, 2, last(desk), &text(desk), |log| {
            if let Some(through) = through {
                log.append_mark(2, through);
            }
        });
        let message = last(client) + 2;
        (case, message)
    }
}

impl Case {
    /// Where the records of this start end.
    pub(super) fn end_of(&self, log: LogId, epoch: u16) -> u64 {
        let bytes = fs::read(self.file(log, epoch)).expect("a file");
        let records = records_of(&bytes);
        records.iter().map(|it| padded(it.body.len()) as u64).sum()
    }
}

/// Of any start.
fn records_of(bytes: &[u8]) -> Vec<Record<'_>> {
    let (mut chain, mut rest, mut records) = (Chain::ANY, bytes, Vec::new());
    while let Step::Record(record, taken) = chain.take(rest) {
        records.push(record);
        rest = &rest[taken..];
    }
    records
}

/// The start itself: the records are gone from the log, stand in a file beside it, and everybody is told.
#[test]
fn what_is_cut_is_kept_aside_and_told() {
    let left = Left::make();
    let (mut case, message) = left.causeless(None);
    // The logs of a gateway have their full size.
    for log in LOGS {
        for epoch in [1, 2] {
            if let Ok(file) = OpenOptions::new().write(true).open(case.file(log, epoch)) {
                file.set_len(LOG_SEGMENT_BYTES).expect("room");
            }
        }
    }
    let cut = padded(start::text(LogId::Client, "sample", 2).len()) as u64;
    let end = case.end_of(LogId::Client, 2);
    let was =
        fs::read(case.file(LogId::Client, 2)).expect("a file")[cut as usize..end as usize].to_vec();
    case.plan.state.control_socket = case.room.path().join("control");
    case.plan.state.status_file = case.room.path().join("status");
    let gateway = app::start_after(Arc::new(case.plan.clone()), true).expect("it starts");
    let bytes = was.len();
    let told = format!(
        "cut for want of a cause: client 2 ({bytes} bytes), order 0 (0 bytes), desk 0 (0 bytes)"
    );
    let mut warnings = gateway.warnings.iter();
    assert!(
        warnings.any(|it| it.contains(&told)),
        "{:?}",
        gateway.warnings
    );
    gateway.stop();
    let aside = case
        .plan
        .state
        .log_directory
        .join(format!("client-00002-at-{cut}.cut"));
    assert_eq!(fs::read(aside).expect("kept"), was);
    assert_eq!(case.end_of(LogId::Client, 2), cut);
    // All logs of the next start say so, and the client log goes on where it was cut.
    for log in LOGS {
        let bytes = fs::read(case.file(log, 3)).expect("a file");
        let records = records_of(&bytes);
        let loss = records.iter().find(|it| it.kind == RecordKind::HostLoss);
        let loss = HostLoss::read(loss.expect("a record of it").body).expect("readable");
        let counts = loss.cut.map(|end| (end.records, end.bytes));
        assert_eq!(counts, [(2, bytes_of(&was)), (0, 0), (0, 0)]);
        if log == LogId::Client {
            assert_eq!(records[0].sequence, message);
        }
    }
    // And the start after that is one like any other.
    let gateway = app::start(Arc::new(case.plan.clone())).expect("it starts");
    assert!(
        !gateway
            .warnings
            .iter()
            .any(|it| it.contains("the host went down"))
    );
    gateway.stop();
}

fn bytes_of(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}
