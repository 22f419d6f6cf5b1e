//! Distinct errors: what went wrong, how often, first and last time, and for whom. One small table per stage.
//!
//! An error is told apart by its code and its subject (a session, link or account index, or an errno: see the code). A table
//! that is full counts what it could not keep. Meant for what an operator must look at, not for what peers do every day.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::catalog::named;
use super::page::ErrorRow;

named! {
    /// What went wrong.
    ErrorCode {
        None, "none", "An empty place of the table.";
        SocketBroken, "socket_broken", "A connection broke; subject: session or link, detail: errno.";
        ConnectFailed, "connect_failed", "A desk could not be reached; subject: link, detail: errno.";
        LogonRefused, "logon_refused", "A logon was refused; subject: session or link, detail: reason.";
        HeartbeatTimeout, "heartbeat_timeout", "A peer went silent; subject: session or link.";
        SequenceTooLow, "sequence_too_low", "A peer's sequence number went back; subject: session or link, detail: the number.";
        SequenceGap, "sequence_gap", "A peer's messages are missing; subject: session or link, detail: the first missing number.";
        SlowConsumer, "slow_consumer", "A peer does not read; subject: session or link.";
        Garbled, "garbled", "A peer sends what is not FIX; subject: session or link.";
        DeskReject, "desk_reject", "A desk could not read our message; subject: link, detail: sequence number.";
        DeskDecode, "desk_decode", "A desk's message could not be understood; subject: link, detail: sequence number.";
        AcknowledgeTimeout, "acknowledge_timeout", "A desk leaves requests unanswered; subject: link, detail: order id.";
        InDoubt, "in_doubt", "Requests were in flight when a link died; subject: link, detail: order id.";
        UnmatchedReport, "unmatched_report", "A desk reported on an order that is not ours; subject: link, detail: order id.";
        LateFill, "late_fill", "A fill for an order that was done; subject: link, detail: order id.";
        Overfill, "overfill", "A fill beyond the order's quantity; subject: link, detail: order id.";
        StagingFull, "staging_full", "The window of a log is full: the disk is too slow; subject: log.";
        WriteFailed, "write_failed", "A log could not be written; subject: log, detail: errno.";
        SyncFailed, "sync_failed", "A log could not be made durable; subject: log, detail: errno.";
        CapacityFull, "capacity_full", "The capacity of the day for requests or executions is used up.";
        CycleTooLong, "cycle_too_long", "A duty cycle took longer than its bound; detail: nanoseconds.";
        ResendAbuse, "resend_abuse", "A client asks for the same messages again and again; subject: session, detail: the first of them.";
        LogonsFail, "logons_fail", "Logons from one address fail again and again; subject: the address (of IPv6 the first half), detail: reason.";
        NoNextFile, "no_next_file", "The next file of a log cannot be made: new orders stop when this one is full; subject: log, detail: errno.";
    }
}

/// Distinct errors that one stage can keep.
pub const ERRORS_MAX: usize = 32;

/// Writes one error into the stage's table; false where it is full. `table` is `ERRORS_MAX` rows.
pub(super) fn record(
    table: &[AtomicU64],
    code: ErrorCode,
    subject: u64,
    detail: u64,
    wall_ns: u64,
) -> bool {
    const ROW: usize = size_of::<ErrorRow>() / 8;
    for row in table.chunks_exact(ROW) {
        let held = row[0].load(Relaxed);
        if held == 0 {
            row[1].store(subject, Relaxed);
            row[2].store(1, Relaxed);
            row[3].store(wall_ns, Relaxed);
            row[4].store(wall_ns, Relaxed);
            row[5].store(detail, Relaxed);
            // The code last: a reader that sees it sees a whole row.
            row[0].store(code as u64, std::sync::atomic::Ordering::Release);
            return true;
        }
        if held == code as u64 && row[1].load(Relaxed) == subject {
            row[2].store(row[2].load(Relaxed) + 1, Relaxed);
            row[4].store(wall_ns, Relaxed);
            row[5].store(detail, Relaxed);
            return true;
        }
    }
    false
}
