//! How what happens on a switchboard is counted on the status page: one table for both stages that own one.
//!
//! Runs on the thread of the stage that owns the board; totals are copied, so that they cannot drift from the board's own.

use super::application::Closed;
use super::switchboard::Switchboard;
use crate::io::{CloseReason, Sockets};
use crate::journal::LogId;
use crate::session::{DisconnectReason, Notice};
use crate::status::{Counter, ErrorCode, Reason, StageWriter};

/// The page's word for the end of a connection.
pub fn reason_of(closed: Closed) -> Reason {
    match closed {
        Closed::SlowConsumer => Reason::SlowConsumer,
        Closed::ResendAbuse => Reason::ResendAbuse,
        Closed::TakenOver => Reason::TakenOver,
        Closed::Operator => Reason::OperatorLogout,
        Closed::Schedule => Reason::OutsideSchedule,
        Closed::Socket(CloseReason::Peer) => Reason::Peer,
        Closed::Socket(CloseReason::Error(_)) => Reason::Error,
        Closed::Socket(CloseReason::Local) => Reason::Logout,
        Closed::ConnectFailed(_) => Reason::ConnectFailed,
        Closed::Session(reason) => match reason {
            DisconnectReason::FirstMessageNotLogon | DisconnectReason::GarbledLogon => {
                Reason::GarbledLogon
            }
            DisconnectReason::WrongBeginString | DisconnectReason::ApplVerIdMissing => {
                Reason::WrongVersion
            }
            DisconnectReason::WrongCompId => Reason::CompId,
            DisconnectReason::LogonSendingTime => Reason::SendingTime,
            DisconnectReason::LogonTimeout => Reason::LogonTimeout,
            DisconnectReason::LogonRefused | DisconnectReason::LogonRefusedByPeer => {
                Reason::LogonRefused
            }
            DisconnectReason::SequenceTooLow | DisconnectReason::SequenceMissing => {
                Reason::SequenceTooLow
            }
            DisconnectReason::HeartbeatTimeout => Reason::HeartbeatTimeout,
            DisconnectReason::LogoutTimeout => Reason::LogoutTimeout,
            DisconnectReason::PeerLogout | DisconnectReason::LogoutComplete => Reason::Logout,
            DisconnectReason::Stopped => Reason::Disabled,
            DisconnectReason::OutsideSchedule => Reason::OutsideSchedule,
        },
    }
}

/// Counts what a session noticed.
pub fn count_notice(status: &StageWriter, notice: &Notice) {
    let counter = match notice {
        Notice::EarlyDropped { .. } => Counter::EarlyMessagesDropped,
        Notice::DuplicateIgnored { .. } => Counter::PossibleDuplicatesIgnored,
        _ => return,
    };
    status.add(counter, 1);
}

/// Depth, high-water mark and refusals of one of the stage's input rings.
pub fn publish_ring(status: &StageWriter, ring: usize, gauge: &ringbuf::Gauge) {
    let (depth, high_water) = (gauge.depth() as u64, gauge.high_water() as u64);
    status.set_ring(ring, depth, high_water, gauge.full_count());
}

/// Totals of the board, every few milliseconds.
pub fn publish_board<S: Sockets>(board: &mut Switchboard<S>, status: &StageWriter) {
    let traffic = *board.traffic();
    for (counter, value) in [
        (Counter::FramesIn, traffic.frames_in),
        (Counter::BytesIn, traffic.bytes_in),
        (Counter::FramesOut, traffic.frames_out),
        (Counter::BytesOut, traffic.bytes_out),
        (Counter::MessagesResent, traffic.resent),
        (Counter::ResendsOutOfReach, traffic.resend_lost),
        (Counter::EarlyMessagesKept, traffic.kept),
        (Counter::ResendsMerged, traffic.resends_merged),
        (Counter::ArchiveReads, traffic.archive_reads),
        (Counter::ArchiveFull, traffic.archive_full),
        (Counter::GarbledFrames, traffic.garbled),
        (Counter::OversizedFrames, traffic.oversized),
        (Counter::InputsHeld, traffic.stalled),
        (Counter::HeartbeatsIn, traffic.admin_in.heartbeats),
        (Counter::HeartbeatsOut, traffic.admin_out.heartbeats),
        (Counter::TestRequestsIn, traffic.admin_in.test_requests),
        (Counter::TestRequestsOut, traffic.admin_out.test_requests),
        (Counter::ResendRequestsIn, traffic.admin_in.resend_requests),
        (
            Counter::ResendRequestsOut,
            traffic.admin_out.resend_requests,
        ),
        (Counter::SequenceResetsIn, traffic.admin_in.sequence_resets),
        (Counter::GapFillsOut, traffic.admin_out.sequence_resets),
        (Counter::SessionRejects, traffic.admin_out.rejects),
        (Counter::BusinessRejects, traffic.business_rejects),
        (Counter::RecordsAppended, board.log().sequence()),
        (Counter::RecordsAppendedBytes, board.log().bytes()),
        (Counter::SystemCalls, board.sockets().system_calls()),
    ] {
        status.set(counter, value);
    }
}

/// An input waited because the window of the stage's log had no room.
pub fn count_staging_full(status: &StageWriter, log: LogId, wall_ns: u64) {
    status.add(Counter::StagingFull, 1);
    status.error(ErrorCode::StagingFull, log as u64, 0, wall_ns);
}
