//! The catalogue: every counter, histogram, fact, state and reason that the status page can show, with name, unit and help.
//!
//! One table each; the enum and its rows come from the same macro and cannot disagree. A new row goes to the end of its table:
//! the position is the place in the page. The page carries [`catalogue_hash`], so that a reader of another build notices.
//! Names are snake_case with the unit last; the tests check that they are unique and explained.

/// Threads that write the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Stage {
    /// Client side.
    Decode,
    /// The sequencer.
    Risk,
    /// Desk side.
    Route,
    /// Logs to disk.
    Journal,
    /// Commands of operators; also writes the facts.
    Control,
}

impl Stage {
    /// In the order of their blocks in the page.
    pub const ALL: [Self; 5] = [
        Self::Decode,
        Self::Risk,
        Self::Route,
        Self::Journal,
        Self::Control,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        ["decode", "risk", "route", "journal", "control"][self as usize]
    }
}

/// What a counter counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Events.
    Count,
    /// Bytes.
    Bytes,
}

/// One row of the counter table.
#[derive(Clone, Copy, Debug)]
pub struct CounterRow {
    /// Itself.
    pub counter: Counter,
    /// Name in `--json` and metrics.
    pub name: &'static str,
    /// Unit.
    pub unit: Unit,
    /// The stages that count it.
    pub stages: &'static [Stage],
    /// One sentence.
    pub help: &'static str,
}

macro_rules! counters {
    ($($variant:ident, $name:literal, $unit:ident, [$($stage:ident)*], $help:literal;)*) => {
        /// A counter of the status page. Rises only, from zero at start.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u16)]
        pub enum Counter {
            $(#[doc = $help] $variant,)*
        }

        /// The table, in the order of [`Counter`].
        pub const COUNTERS: &[CounterRow] = &[$(CounterRow {
            counter: Counter::$variant,
            name: $name,
            unit: Unit::$unit,
            stages: &[$(Stage::$stage),*],
            help: $help,
        },)*];
    };
}

counters! {
    FramesIn, "frames_in", Count, [Decode Route], "Whole messages received.";
    FramesOut, "frames_out", Count, [Decode Route], "Messages handed to a send buffer.";
    BytesIn, "frames_in_bytes", Bytes, [Decode Route], "Bytes of whole messages received.";
    BytesOut, "frames_out_bytes", Bytes, [Decode Route], "Bytes handed to send buffers.";
    GarbledFrames, "garbled_frames", Count, [Decode Route], "Messages ignored for a wrong length, checksum or header order.";
    OversizedFrames, "oversized_frames", Count, [Decode Route], "Messages longer than the ceiling.";
    ConnectionsAccepted, "connections_accepted", Count, [Decode], "Connections that clients opened.";
    ConnectionsRefused, "connections_refused", Count, [Decode], "Connections refused because the listener was full.";
    ConnectionsOpened, "connections_opened", Count, [Route], "Connections to desks that came to stand.";
    ConnectFailures, "connect_failures", Count, [Route], "Connections to desks that failed.";
    Logons, "logons", Count, [Decode Route], "Sessions that logged on.";
    Logouts, "logouts", Count, [Decode Route], "Sessions that logged out in order.";
    LogonsRefused, "logons_refused", Count, [Decode Route], "Logons that were refused.";
    SessionRejects, "session_rejects", Count, [Decode Route], "Reject (35=3) sent.";
    SessionRejectsReceived, "session_rejects_received", Count, [Decode Route], "Reject (35=3) received.";
    BusinessRejects, "business_rejects", Count, [Decode Route], "BusinessMessageReject (35=j) sent.";
    BusinessRejectsReceived, "business_rejects_received", Count, [Decode Route], "BusinessMessageReject (35=j) received.";
    ResendRequestsIn, "resend_requests_in", Count, [Decode Route], "ResendRequest (35=2) received.";
    ResendRequestsOut, "resend_requests_out", Count, [Decode Route], "ResendRequest (35=2) sent.";
    GapFillsOut, "gap_fills_out", Count, [Decode Route], "SequenceReset-GapFill (35=4, 123=Y) sent.";
    SequenceResetsIn, "sequence_resets_in", Count, [Decode Route], "SequenceReset (35=4) received, gap fills included.";
    MessagesResent, "messages_resent", Count, [Decode Route], "Messages sent again with 43=Y.";
    EarlyMessagesDropped, "early_messages_dropped", Count, [Decode Route], "Messages behind a gap that were not kept and will be resent.";
    PossibleDuplicatesIgnored, "possible_duplicates_ignored", Count, [Decode Route], "Messages with 43=Y that had been processed before.";
    HeartbeatsIn, "heartbeats_in", Count, [Decode Route], "Heartbeat (35=0) received.";
    HeartbeatsOut, "heartbeats_out", Count, [Decode Route], "Heartbeat (35=0) sent.";
    TestRequestsIn, "test_requests_in", Count, [Decode Route], "TestRequest (35=1) received.";
    TestRequestsOut, "test_requests_out", Count, [Decode Route], "TestRequest (35=1) sent.";
    OrdersIn, "orders_in", Count, [Decode], "NewOrderSingle (35=D) received.";
    CancelsIn, "cancels_in", Count, [Decode], "OrderCancelRequest (35=F) received.";
    ReplacesIn, "replaces_in", Count, [Decode], "OrderCancelReplaceRequest (35=G) received.";
    StatusRequestsIn, "status_requests_in", Count, [Decode], "OrderStatusRequest (35=H) received.";
    MassStatusRequestsIn, "mass_status_requests_in", Count, [Decode], "OrderMassStatusRequest (35=AF) received.";
    MassCancelsIn, "mass_cancels_in", Count, [Decode], "OrderMassCancelRequest (35=q) received.";
    ReportsOut, "reports_out", Count, [Decode], "ExecutionReport (35=8) sent to clients.";
    CancelRejectsOut, "cancel_rejects_out", Count, [Decode], "OrderCancelReject (35=9) sent to clients.";
    MassCancelReportsOut, "mass_cancel_reports_out", Count, [Decode], "OrderMassCancelReport (35=r) sent to clients.";
    RingFull, "ring_full", Count, [Decode Risk Route], "Cycles in which an input waited because an output ring had no room.";
    OrdersAccepted, "orders_accepted", Count, [Risk], "New orders that passed every check.";
    CancelsAccepted, "cancels_accepted", Count, [Risk], "Cancels sent on to a desk.";
    ReplacesAccepted, "replaces_accepted", Count, [Risk], "Replaces sent on to a desk.";
    ReportsAcknowledged, "reports_acknowledged", Count, [Risk], "Reports: order accepted by the desk (150=0).";
    ReportsTrade, "reports_trade", Count, [Risk], "Reports: fill.";
    ReportsTradeCancel, "reports_trade_cancel", Count, [Risk], "Reports: fill that never was.";
    ReportsTradeCorrect, "reports_trade_correct", Count, [Risk], "Reports: fill that was another.";
    ReportsCancelled, "reports_cancelled", Count, [Risk], "Reports: cancelled, asked for or not.";
    ReportsReplaced, "reports_replaced", Count, [Risk], "Reports: replaced.";
    ReportsRejected, "reports_rejected", Count, [Risk], "Reports: rejected by the desk.";
    ReportsExpired, "reports_expired", Count, [Risk], "Reports: expired.";
    ReportsDoneForDay, "reports_done_for_day", Count, [Risk], "Reports: done for day.";
    ReportsRestated, "reports_restated", Count, [Risk], "Reports: changed by the desk.";
    ReportsPending, "reports_pending", Count, [Risk], "Reports: pending new, cancel or replace.";
    ReportsStatus, "reports_status", Count, [Risk], "Reports: answers to questions.";
    CancelRejectsIn, "cancel_rejects_in", Count, [Risk], "Cancels and replaces that a desk refused.";
    DuplicateExecutions, "duplicate_executions", Count, [Risk], "Reports whose ExecID had been booked before.";
    UnmatchedReports, "unmatched_reports", Count, [Risk], "Reports for orders that are not ours.";
    LateFills, "late_fills", Count, [Risk], "Fills for orders that were done.";
    Overfills, "overfills", Count, [Risk], "Fills beyond the quantity of the order.";
    InDoubt, "in_doubt", Count, [Risk], "Requests whose link was lost before the desk answered.";
    NotDelivered, "not_delivered", Count, [Risk], "Requests that came back without having left.";
    CommandsApplied, "commands_applied", Count, [Risk], "Operators' commands applied.";
    OrdersCancelledByCommand, "orders_cancelled_by_command", Count, [Risk], "Cancels caused by kill commands.";
    OrdersCancelledOnDisconnect, "orders_cancelled_on_disconnect", Count, [Risk], "Cancels caused by a lost client session.";
    RequestsWritten, "requests_written", Count, [Route], "Requests committed to the desk log and sent.";
    RequestsRefused, "requests_refused", Count, [Route], "Requests that the route stage gave back: no link, queue full, killed on the way.";
    RequestsStopped, "requests_stopped", Count, [Route], "Requests stopped before their bytes by a kill; part of requests_refused.";
    LinkReady, "link_ready", Count, [Route], "Times a link became ready.";
    LinkLost, "link_lost", Count, [Route], "Times a ready link was lost.";
    LinkSwitches, "link_switches", Count, [Route], "Times new flow moved to another link of the same desk.";
    DeskReportsIn, "desk_reports_in", Count, [Route], "ExecutionReport (35=8) received from desks.";
    DeskCancelRejectsIn, "desk_cancel_rejects_in", Count, [Route], "OrderCancelReject (35=9) received from desks.";
    DeskRejects, "desk_rejects", Count, [Route], "Requests that a desk answered with Reject or BusinessMessageReject.";
    DeskDecodeErrors, "desk_decode_errors", Count, [Route], "Messages of desks that could not be understood.";
    DecodeErrors, "decode_errors", Count, [Decode], "Client messages rejected for their fields.";
    RecordsAppended, "records_appended", Count, [Decode Risk Route], "Records appended to the stage's log.";
    RecordsAppendedBytes, "records_appended_bytes", Bytes, [Decode Risk Route], "Bytes appended to the stage's log.";
    StagingFull, "staging_full", Count, [Decode Risk Route], "Cycles in which an input waited because the log's window had no room.";
    RecordsWritten, "records_written", Count, [Journal], "Records written to disk.";
    RecordsWrittenBytes, "records_written_bytes", Bytes, [Journal], "Bytes written to disk.";
    Syncs, "syncs", Count, [Journal], "fdatasync calls.";
    SyncFailures, "sync_failures", Count, [Journal], "fdatasync calls that failed.";
    SystemCalls, "system_calls", Count, [Decode Risk Route Journal], "System calls made by the stage.";
    ErrorsNotKept, "errors_not_kept", Count, [Decode Risk Route Journal Control], "Errors that found their stage's table of distinct errors full.";
    ControlRequests, "control_requests", Count, [Control], "Requests on the control socket.";
    ControlRefused, "control_refused", Count, [Control], "Requests on the control socket that were refused.";
    ControlConnectionsRefused, "control_connections_refused", Count, [Control], "Connections to the control socket refused: not allowed, or too many.";
    ControlTimeouts, "control_timeouts", Count, [Control], "Commands that a stage did not answer in time.";
    ResendsOutOfReach, "resends_out_of_reach", Count, [Decode Route], "Messages that a peer asked for again and that were no longer at hand: gap-filled.";
    InputsHeld, "inputs_held", Count, [Decode Route], "Times a message was left in its socket for want of room behind.";
    EarlyMessagesKept, "early_messages_kept", Count, [Decode Route], "Messages behind a gap that were kept until it was filled.";
    ResendsMerged, "resends_merged", Count, [Decode Route], "ResendRequest (35=2) for what was being repeated already.";
    ResendsIgnored, "resends_ignored", Count, [Decode], "ResendRequest (35=2) for the same messages again and again: not honoured.";
    ArchiveReads, "archive_reads", Count, [Decode Route], "Reads of messages to be repeated from the log on disk.";
    ArchiveFull, "archive_full", Count, [Decode Route], "Times such a read waited because all its buffers were in use.";
    LogonsDelayed, "logons_delayed", Count, [Decode], "Logons that had to wait because others from their address had failed.";
    CopiesOut, "copies_out", Count, [Decode], "Copies of reports and cancel rejects for sessions that receive copies.";
    CopyRequestsRefused, "copy_requests_refused", Count, [Decode], "Requests of sessions that receive copies: refused, they may ask for nothing.";
}

impl Counter {
    /// Its row.
    pub fn row(self) -> &'static CounterRow {
        &COUNTERS[self as usize]
    }
}

/// Places for counters in each stage's block; the rest is room to grow without a new layout.
pub const COUNTERS_MAX: usize = 128;
const _: () = assert!(COUNTERS.len() <= COUNTERS_MAX);

macro_rules! named {
    ($(#[$doc:meta])* $enum:ident { $($variant:ident, $name:literal, $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        #[repr(u8)]
        pub enum $enum {
            #[default]
            $(#[doc = $help] $variant,)*
        }

        impl $enum {
            /// In the order of their codes.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Name in `--json` and for people.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// One sentence.
            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),* }
            }

            /// From the code in the page; `None` for a code of another build.
            pub fn from_code(code: u64) -> Option<Self> {
                Self::ALL.get(usize::try_from(code).ok()?).copied()
            }
        }
    };
}
pub(super) use named;

named! {
    /// State of a client session.
    SessionState {
        Disconnected, "disconnected", "No connection.";
        LoggingOn, "logging_on", "Connected, the logon is not answered.";
        Active, "active", "Logged on.";
        Recovering, "recovering", "Logged on, a gap in the sequence is being filled.";
        LoggingOut, "logging_out", "A logout is on its way.";
        Disabled, "disabled", "Refused until an operator enables it.";
        Closed, "closed", "No connection, and its schedule allows none now.";
    }
}

named! {
    /// State of a link.
    LinkState {
        Down, "down", "Not connected, none wanted or waiting to connect again.";
        Connecting, "connecting", "The connection is being made.";
        LoggingOn, "logging_on", "Connected, the logon is not answered.";
        Syncing, "syncing", "Logged on, a gap in the sequence is being filled.";
        Ready, "ready", "Carries orders.";
        Throttled, "throttled", "Window full or rate reached; carries what it may.";
        Suspect, "suspect", "Requests are unanswered for too long; new ones go elsewhere.";
        Draining, "draining", "No new orders; waiting for what is in flight.";
        Lost, "lost", "Was ready and went; what was in flight is in doubt.";
        Disabled, "disabled", "Down until an operator enables it.";
        Closed, "closed", "Down until its schedule opens.";
    }
}

named! {
    /// Why a connection or session ended, or a link left `Ready`. Counted per stage.
    Reason {
        None, "none", "Nothing ended.";
        Peer, "peer", "The peer closed it in order.";
        Error, "error", "The peer or the network broke it.";
        ConnectFailed, "connect_failed", "The connection could not be made.";
        LogonTimeout, "logon_timeout", "No logon within the bound.";
        LogonRefused, "logon_refused", "A logon was refused: the peer's by us, or ours by the peer.";
        GarbledLogon, "garbled_logon", "The first message was garbled or no logon.";
        UnknownSession, "unknown_session", "The logon's identities name no session.";
        WrongVersion, "wrong_version", "BeginString(8) is not the session's.";
        DuplicateLogon, "duplicate_logon", "The session is logged on elsewhere.";
        SourceNotAllowed, "source_not_allowed", "The session may not be used from this address.";
        SendingTime, "sending_time", "SendingTime(52) is off by more than the tolerance.";
        CompId, "comp_id", "CompIDs changed within the session.";
        SequenceTooLow, "sequence_too_low", "MsgSeqNum(34) lower than expected without 43=Y.";
        HeartbeatTimeout, "heartbeat_timeout", "Nothing came for 2.4 heartbeat intervals.";
        LogoutTimeout, "logout_timeout", "Our logout was not answered.";
        Logout, "logout", "Logged out in order.";
        SlowConsumer, "slow_consumer", "The peer does not read what it is sent.";
        Disabled, "disabled", "An operator disabled it.";
        OperatorLogout, "operator_logout", "An operator logged it out.";
        AcknowledgeTimeout, "acknowledge_timeout", "The desk left requests unanswered.";
        OutsideSchedule, "outside_schedule", "The schedule of the session does not allow it now.";
        ResetHeld, "reset_held", "A scheduled reset waits until its requests in doubt are resolved.";
        ResendAbuse, "resend_abuse", "The peer did not stop to ask for the same messages again.";
        TakenOver, "taken_over", "The peer logged on anew while this connection was silent.";
        TooManyConnections, "too_many_connections", "Too many connections from its address had not logged on.";
        CrowdedOut, "crowded_out", "It had not logged on and made room for others.";
    }
}

/// Places for reasons in each stage's block.
pub const REASONS_MAX: usize = 32;
const _: () = assert!(Reason::ALL.len() <= REASONS_MAX);
/// Places for reject reasons in each stage's block.
pub const REJECTS_MAX: usize = 48;
const _: () = assert!(crate::domain::reject::REJECTS.len() <= REJECTS_MAX);

named! {
    /// A latency that is measured on every message.
    Histogram {
        OrderPath, "order_path", "From the first byte of a client's request to its bytes in the desk's send buffer.";
        ReportPath, "report_path", "From the first byte of a desk's report to its bytes in the client's send buffer.";
        DeskAck, "desk_ack", "From a request's bytes in the desk's send buffer to the desk's first answer.";
    }
}

impl Histogram {
    /// The stage that records it.
    pub fn stage(self) -> Stage {
        match self {
            Self::OrderPath | Self::DeskAck => Stage::Route,
            Self::ReportPath => Stage::Decode,
        }
    }
}

named! {
    /// What was decided at start. Texts, written by the boot and the control thread.
    Fact {
        Name, "name", "Name of this instance.";
        Version, "version", "Version of the product.";
        IoClients, "io_clients", "Socket back end on the client side.";
        IoDesks, "io_desks", "Socket back end on the desk side.";
        IoReason, "io_reason", "Why these back ends.";
        Layout, "layout", "Thread layout.";
        LayoutReason, "layout_reason", "Why this layout.";
        Idle, "idle", "What a stage does when there is nothing to do.";
        Durability, "durability", "Durability level.";
        Memory, "memory", "Whether memory is locked.";
        HostLoss, "host_loss", "What may be missing since the host went down before this start.";
    }
}

/// FNV-1a over every name, in order: the same for two builds whose pages mean the same.
pub fn catalogue_hash() -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |name: &str| {
        for &byte in name.as_bytes().iter().chain(b"\n") {
            hash = (hash ^ byte as u64).wrapping_mul(0x100_0000_01b3);
        }
    };
    COUNTERS.iter().for_each(|row| add(row.name));
    SessionState::ALL.iter().for_each(|v| add(v.name()));
    LinkState::ALL.iter().for_each(|v| add(v.name()));
    Reason::ALL.iter().for_each(|v| add(v.name()));
    Histogram::ALL.iter().for_each(|v| add(v.name()));
    Fact::ALL.iter().for_each(|v| add(v.name()));
    super::ErrorCode::ALL.iter().for_each(|v| add(v.name()));
    crate::domain::reject::REJECTS
        .iter()
        .for_each(|row| add(row.name));
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn counters_stand_in_their_places_unique_and_explained() {
        let mut names = HashSet::new();
        let mut helps = HashSet::new();
        for (at, row) in COUNTERS.iter().enumerate() {
            assert_eq!(row.counter as usize, at, "{}", row.name);
            assert!(names.insert(row.name), "{} twice", row.name);
            assert!(helps.insert(row.help), "{} explained as another", row.name);
            let snake = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(row.name.chars().all(snake), "{}", row.name);
            assert_eq!(
                row.unit == Unit::Bytes,
                row.name.ends_with("_bytes"),
                "{}: the unit comes last",
                row.name
            );
            assert!(
                row.help.len() > 8 && row.help.ends_with('.'),
                "{}",
                row.name
            );
            assert!(!row.stages.is_empty(), "{} has no stage", row.name);
        }
    }

    #[test]
    fn codes_read_back() {
        for (at, &state) in LinkState::ALL.iter().enumerate() {
            assert_eq!(LinkState::from_code(at as u64), Some(state));
        }
        assert_eq!(LinkState::from_code(LinkState::ALL.len() as u64), None);
        assert_eq!(Reason::from_code(u64::MAX), None);
        let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
