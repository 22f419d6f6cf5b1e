//! What the session layer asks of its owner: a short list of actions, performed in order right after the call that made them.
//!
//! Owned by the stage that owns the session. Fixed capacity, no heap, `Copy`: one list is made at start-up and used for all
//! sessions. Every reset, reject, gap and disconnect stands in it with its cause, so that the log can answer "why".

use std::fmt::{self, Write};

use crate::domain::Text;
use crate::wire::fix::{Message, MsgType, SessionRejectReason, tags};

/// Text(58) of a Logout.
pub type LogoutText = Text<95>;
/// TestReqID(112), echoed as it came. A longer one is rejected.
pub type TestRequestId = Text<63>;

/// What to do, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Take `next_out`, encode with [`super::encode::admin`], append to the log, send.
    Send(Admin),
    /// The message just given is an application message in sequence: hand it to the application, once.
    Deliver,
    /// The message just given came too early: remember it, and give it to [`super::Session::on_kept`] when its number is the one
    /// expected. What finds no room may be forgotten: the peer was asked for it.
    Keep {
        /// Its number
        number: u64,
    },
    /// The message just given is a Reject(35=3) in sequence: our message `reference` was not processed by the peer.
    RejectReceived {
        /// RefSeqNum(45); zero where the peer gave none
        reference: u64,
    },
    /// Send our messages `begin..=end` again (see [`super::resend`]). What goes out meanwhile waits behind it.
    Resend {
        /// First number
        begin: u64,
        /// Last number; already sent
        end: u64,
    },
    /// The logon is complete: application messages may go both ways.
    LoggedOn,
    /// Comes exactly once for each `LoggedOn`.
    LoggedOut,
    /// The numbers were set. A resend under way ends; a new incarnation begins.
    SequenceReset {
        /// Next number expected
        next_in: u64,
        /// Next number to be used
        next_out: u64,
        /// Why
        cause: ResetCause,
    },
    /// Close the connection when what was sent has left, then call `on_disconnected`.
    Disconnect(DisconnectReason),
    /// To be counted and logged; nothing to do.
    Notice(Notice),
}

/// An administrative message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admin {
    /// 35=A, EncryptMethod(98)=0
    Logon {
        /// HeartBtInt(108)
        heartbeat_interval_s: u32,
        /// ResetSeqNumFlag(141)=Y
        reset: bool,
        /// NextExpectedMsgSeqNum(789)
        next_expected: Option<u64>,
    },
    /// 35=0
    Heartbeat {
        /// TestReqID(112) of the request that it answers
        test_request_id: Option<TestRequestId>,
    },
    /// 35=1, 112=TEST
    TestRequest,
    /// 35=2
    ResendRequest {
        /// BeginSeqNo(7)
        begin: u64,
        /// EndSeqNo(16); zero (up to 4.1: 999999): all
        end: u64,
    },
    /// 35=3
    Reject(Reject),
    /// 35=4 with 123=N: only by an operator's command
    SequenceReset {
        /// NewSeqNo(36)
        new_sequence: u64,
    },
    /// 35=5
    Logout {
        /// Text(58); empty: none
        text: LogoutText,
    },
}

/// A session-level reject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reject {
    /// RefSeqNum(45)
    pub reference: u64,
    /// RefTagID(371)
    pub tag: Option<i32>,
    /// SessionRejectReason(373) and Text(58)
    pub reason: SessionRejectReason,
    /// RefMsgType(372)
    pub msg_type: MsgType,
    /// Third parties of the rejected message
    pub routing: Routing,
}

/// The third-party fields of a received header. An answer carries them reversed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Routing {
    /// OnBehalfOfCompID(115)
    pub on_behalf_of_comp_id: Text<31>,
    /// OnBehalfOfSubID(116)
    pub on_behalf_of_sub_id: Text<31>,
    /// OnBehalfOfLocationID(144)
    pub on_behalf_of_location_id: Text<31>,
    /// DeliverToCompID(128)
    pub deliver_to_comp_id: Text<31>,
    /// DeliverToSubID(129)
    pub deliver_to_sub_id: Text<31>,
    /// DeliverToLocationID(145)
    pub deliver_to_location_id: Text<31>,
}

/// OnBehalfOfSubID
pub(super) const ON_BEHALF_OF_SUB_ID: u32 = 116;
/// DeliverToSubID
pub(super) const DELIVER_TO_SUB_ID: u32 = 129;
/// OnBehalfOfLocationID
pub(super) const ON_BEHALF_OF_LOCATION_ID: u32 = 144;
/// DeliverToLocationID
pub(super) const DELIVER_TO_LOCATION_ID: u32 = 145;

impl Routing {
    /// As they came in `message`; longer ones are cut.
    pub fn read(message: &Message<'_>) -> Self {
        let text = |tag| message.get(tag).map_or(Text::EMPTY, Text::cut);
        Self {
            on_behalf_of_comp_id: text(tags::ON_BEHALF_OF_COMP_ID),
            on_behalf_of_sub_id: text(ON_BEHALF_OF_SUB_ID),
            on_behalf_of_location_id: text(ON_BEHALF_OF_LOCATION_ID),
            deliver_to_comp_id: text(tags::DELIVER_TO_COMP_ID),
            deliver_to_sub_id: text(DELIVER_TO_SUB_ID),
            deliver_to_location_id: text(DELIVER_TO_LOCATION_ID),
        }
    }
}

/// Why numbers were set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetCause {
    /// ResetSeqNumFlag(141)=Y in the peer's Logon
    PeerLogon,
    /// `reset_on_logon`, or both numbers stood at 1 and a reset option is set
    OwnLogon,
    /// `reset_on_logout`
    Logout,
    /// `reset_on_disconnect`
    Disconnect,
    /// The peer's SequenceReset in Reset mode: numbers of the peer were skipped and what they carried is lost
    PeerSequenceReset,
    /// An operator's command
    Operator,
    /// The end of a window of the session's schedule
    Schedule,
}

/// Why a connection is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DisconnectReason {
    /// Nothing but a Logon may come first.
    FirstMessageNotLogon,
    /// Garbled bytes before the logon.
    GarbledLogon,
    /// BeginString(8) of the Logon.
    WrongBeginString,
    /// SenderCompID(49) or TargetCompID(56) of the Logon.
    WrongCompId,
    /// SendingTime(52) of the Logon is missing, unreadable or off by more than the tolerance.
    LogonSendingTime,
    /// DefaultApplVerID(1137) is missing in a Logon of FIXT.1.1.
    ApplVerIdMissing,
    /// No Logon in time.
    LogonTimeout,
    /// The Logon was answered with a Logout that tells why.
    LogonRefused,
    /// The peer answered our Logon with something else.
    LogonRefusedByPeer,
    /// MsgSeqNum(34) too low without PossDupFlag.
    SequenceTooLow,
    /// MsgSeqNum(34) missing or unreadable.
    SequenceMissing,
    /// Nothing came, not even after a TestRequest.
    HeartbeatTimeout,
    /// Our Logout was not answered.
    LogoutTimeout,
    /// The peer logged out.
    PeerLogout,
    /// We logged out and the peer confirmed.
    LogoutComplete,
    /// The owner ended it before a logon.
    Stopped,
    /// The Logon came outside the session's schedule, and was answered with a Logout that says so.
    OutsideSchedule,
}

/// What happened besides, with its cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Garbled bytes were skipped.
    Garbled,
    /// A message came when none is taken.
    Unexpected,
    /// A number was too high: everything from `expected` is asked for again.
    GapDetected {
        /// Next number expected
        expected: u64,
        /// What came
        received: u64,
    },
    /// The gap is filled.
    GapFilled,
    /// The peer does not fill a gap: asked again.
    GapStalled {
        /// Next number expected
        expected: u64,
    },
    /// The owner had no room to keep an early message; the peer will repeat it.
    EarlyDropped {
        /// Its number
        sequence: u64,
    },
    /// PossDup of what was already processed: ignored.
    DuplicateIgnored {
        /// Its number
        sequence: u64,
    },
    /// A number was too low without PossDupFlag.
    SequenceTooLow {
        /// Next number expected
        expected: u64,
        /// What came
        received: u64,
    },
    /// ResendRequest under a number that was used before: honoured.
    LateResendRequest {
        /// Its number
        sequence: u64,
    },
    /// The peer was silent: asked for a sign of life.
    TestRequestSent,
    /// The peer's Logon has another HeartBtInt(108) than ours: ours counts.
    HeartbeatDiffers {
        /// Theirs
        peer_s: u64,
    },
}

/// Longest list that one call makes; see the proptest `actions_fit`.
pub const ACTIONS_MAX: usize = 8;

/// The list. The owner clears it before each call.
#[derive(Clone, Debug)]
pub struct Actions {
    list: [Action; ACTIONS_MAX],
    count: usize,
}

impl Default for Actions {
    fn default() -> Self {
        Self::new()
    }
}

impl Actions {
    /// Empty.
    pub fn new() -> Self {
        Self {
            list: [Action::Deliver; ACTIONS_MAX],
            count: 0,
        }
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// What is to be done, in order.
    pub fn as_slice(&self) -> &[Action] {
        &self.list[..self.count]
    }

    /// One by one, so that the owner can use the session meanwhile.
    pub fn get(&self, at: usize) -> Option<&Action> {
        self.as_slice().get(at)
    }

    pub(super) fn push(&mut self, action: Action) {
        self.list[self.count] = action;
        self.count += 1;
    }

    pub(super) fn send(&mut self, admin: Admin) {
        self.push(Action::Send(admin));
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.push(Action::Notice(notice));
    }
}

/// Formats into a `Text`, cut where it does not fit, without the heap.
pub(super) fn text<const N: usize>(arguments: fmt::Arguments<'_>) -> Text<N> {
    struct Buffer<const N: usize> {
        bytes: [u8; N],
        len: usize,
    }
    impl<const N: usize> Write for Buffer<N> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let count = part.len().min(N - self.len);
            self.bytes[self.len..self.len + count].copy_from_slice(&part.as_bytes()[..count]);
            self.len += count;
            Ok(())
        }
    }
    let mut buffer = Buffer::<N> {
        bytes: [0; N],
        len: 0,
    };
    let _ = buffer.write_fmt(arguments); // never fails: what does not fit is cut
    Text::cut(&buffer.bytes[..buffer.len])
}
