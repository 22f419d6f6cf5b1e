//! What a switchboard tells its owner, and what the owner answers.
//!
//! Values and one trait: the decode stage, the route stage, the simulated desk and the load client are its users. Everything is
//! called on the switchboard's thread, within its duty cycle.

use std::net::IpAddr;
use std::ops::Range;

use crate::domain::Now;
use crate::io::CloseReason;
use crate::session::{DisconnectReason, Notice, ResetCause};
use crate::wire::fix::{DecodeError, Header, Message, MsgType, NoRoom, TimeText};

/// What the application makes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It has it.
    Taken,
    /// It has it, and an answer to it: [`Application::answer`] writes it before anything else is read.
    Answered,
    /// It has it, and nothing will come of it: noted in the log, so that nobody takes it up again after a restart.
    Unanswered,
    /// The message is wrong, or cannot be processed: answered with 35=3 or 35=j.
    Refused(DecodeError),
}

/// What happened to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerEvent {
    /// The connection that we asked for stands; the logon follows.
    Connected,
    /// Application messages may go both ways.
    LoggedOn,
    /// No more.
    LoggedOut,
    /// The connection is gone, or could not be made.
    Disconnected(Closed),
    /// Our messages of these numbers were asked for again and gap-filled: the peer may never have had them.
    GapFilled {
        /// First number
        begin: u64,
        /// Last number
        end: u64,
    },
    /// The peer asked for the same messages again and again: not honoured.
    ResendIgnored {
        /// First number
        begin: u64,
        /// Last number
        end: u64,
    },
    /// The peer rejected our message of this number (35=3).
    RejectReceived {
        /// MsgSeqNum(34) of ours
        reference: u64,
    },
    /// Sequence numbers start anew.
    SequenceReset(ResetCause),
    /// Its schedule opened or closed, or was looked at for the first time.
    Hours {
        /// Whether it may be connected
        open: bool,
        /// When that changes, nanoseconds since 1970; zero: not known
        changes_wall_ns: u64,
    },
    /// A scheduled reset is due, and waits for requests in doubt.
    ResetHeld,
    /// The peer logged on under the numbers that should have been reset: they stay.
    ResetGivenUp,
    /// An operator sets the numbers; the reset follows.
    Operator {
        /// Who asked
        uid: u32,
        /// Who approved it
        approver_uid: Option<u32>,
    },
    /// To be counted.
    Notice(Notice),
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// The session layer asked for it.
    Session(DisconnectReason),
    /// The peer or the network.
    Socket(CloseReason),
    /// The connection could not be made (errno).
    ConnectFailed(i32),
    /// It did not read for too long.
    SlowConsumer,
    /// It did not stop to ask for the same messages again.
    ResendAbuse,
    /// Another connection of the same peer logged on, and this one was silent.
    TakenOver,
    /// An operator.
    Operator,
    /// Its schedule.
    Schedule,
}

/// What happened to a connection that belongs to no session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stranger {
    /// It connected.
    Accepted,
    /// It sent no Logon in time.
    LogonTimeout,
    /// It sent something that is no message.
    Garbled,
    /// Its first message was no Logon, or a broken one.
    NotLogon,
    /// No such session.
    UnknownSession,
    /// The session is already connected.
    DuplicateLogon,
    /// The session may not be used from there.
    SourceNotAllowed,
    /// The session is disabled.
    Disabled,
    /// It went away by itself.
    Left,
    /// Too many connections from its address were without a logon.
    TooMany,
    /// It had to make room: too many connections were without a logon, and it was the oldest.
    Crowded,
    /// It sent more than a logon can be.
    TooLong,
    /// It looks like the same peer on a new connection: the old one is asked for a sign of life.
    Candidate,
}

impl Stranger {
    /// Whether it may be somebody who tries what gets in.
    pub fn is_guess(self) -> bool {
        matches!(
            self,
            Self::Garbled
                | Self::TooLong
                | Self::NotLogon
                | Self::UnknownSession
                | Self::SourceNotAllowed
        )
    }
}

/// Whom the switchboard works for.
pub trait Application {
    /// Whether one application message can be taken now. If not, it stays in the socket.
    fn has_room(&mut self) -> bool;
    /// Whether a message of this type stays in its socket while the log's last eighth is kept for others. Its session's other messages
    /// wait behind it.
    fn may_hold(&self, _msg_type: MsgType) -> bool {
        false
    }
    /// An application message, in sequence, once. `sequence` is its record in the log.
    fn on_message(
        &mut self,
        peer: usize,
        now: Now,
        sequence: u64,
        message: &Message<'_>,
    ) -> Verdict;
    /// An application message that an earlier process was given and of which the log knows no outcome, before anything new comes.
    /// `sequence` is its record in the log of this process. What may have become of it elsewhere only the application knows.
    fn on_unanswered(
        &mut self,
        peer: usize,
        now: Now,
        sequence: u64,
        message: &Message<'_>,
    ) -> Verdict {
        self.on_message(peer, now, sequence, message)
    }
    /// Writes the answer to the message just taken, as [`super::Switchboard::send`] would have it written.
    fn answer(
        &mut self,
        _peer: usize,
        _header: &Header<'_>,
        _time: &mut TimeText,
        _out: &mut [u8],
    ) -> Result<Range<usize>, NoRoom> {
        Err(NoRoom)
    }
    /// Something else.
    /// `sequence` is the record in the log that tells of it; zero where there was no room for one.
    fn on_event(&mut self, peer: usize, now: Now, sequence: u64, event: PeerEvent);
    /// Something about a connection without a session.
    fn on_stranger(&mut self, now: Now, source: IpAddr, stranger: Stranger);
    /// Whether the numbers of a disconnected peer may be reset by its schedule: nothing sent under them is in doubt.
    fn may_reset(&self, _peer: usize) -> bool {
        true
    }
}

/// A message that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Its record in the log.
    pub sequence: u64,
    /// MsgSeqNum(34)
    pub msg_seq_num: u64,
    /// Bytes on the wire.
    pub bytes: usize,
}

/// Administrative messages by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AdminTraffic {
    /// 35=0
    pub heartbeats: u64,
    /// 35=1
    pub test_requests: u64,
    /// 35=2
    pub resend_requests: u64,
    /// 35=3
    pub rejects: u64,
    /// 35=4
    pub sequence_resets: u64,
}

impl AdminTraffic {
    pub(super) fn count(&mut self, msg_type: MsgType) {
        match msg_type {
            MsgType::HEARTBEAT => self.heartbeats += 1,
            MsgType::TEST_REQUEST => self.test_requests += 1,
            MsgType::RESEND_REQUEST => self.resend_requests += 1,
            MsgType::REJECT => self.rejects += 1,
            MsgType::SEQUENCE_RESET => self.sequence_resets += 1,
            _ => {}
        }
    }
}

/// Totals since the start, for the status page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Messages received.
    pub frames_in: u64,
    /// Their bytes, junk included.
    pub bytes_in: u64,
    /// Messages sent, resent ones included.
    pub frames_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Messages sent again.
    pub resent: u64,
    /// Messages that should have been sent again and were out of reach.
    pub resend_lost: u64,
    /// Times a frame was left in its socket for want of room.
    pub stalled: u64,
    /// ResendRequests for what was being repeated already.
    pub resends_merged: u64,
    /// Reads of old messages from disk.
    pub archive_reads: u64,
    /// Times such a read waited because all buffers were in use.
    pub archive_full: u64,
    /// Messages that came too early and were kept.
    pub kept: u64,
    /// Bytes that were no message.
    pub garbled: u64,
    /// Logons that were made to wait.
    pub logons_delayed: u64,
    /// Messages longer than the ceiling.
    pub oversized: u64,
    /// Events of peers for which the log had no room.
    pub events_unrecorded: u64,
    /// BusinessMessageReject sent.
    pub business_rejects: u64,
    /// Administrative messages received.
    pub admin_in: AdminTraffic,
    /// Administrative messages sent.
    pub admin_out: AdminTraffic,
}
