//! What happened to peers and connections, as bodies of log records: written by the hot thread as a few numbers, read and put into
//! words by cold ones (the journal thread for the operator's log, and `gatehouse log`).
//!
//! Body: 1 byte what, 1 byte detail, two 8-byte numbers. A code never changes its meaning; new ones go to the end. Where an older
//! version had nothing to say, its numbers are zero.

use std::net::IpAddr;

use super::application::{Closed, PeerEvent, Stranger};
use super::peer::Ordered;
use super::tally;
use crate::session::{Notice, ResetCause};
use crate::status::Reason;
use crate::wire::fix::{Precision, TimeText};

/// In the place of a [`ResetCause`]: the numbers began with the log.
pub(super) const NEW_LOG: u8 = u8::MAX;

/// Bytes of a body.
const BODY_BYTES: usize = 18;

/// An event of a peer.
pub(super) fn of_peer(event: &PeerEvent) -> [u8; BODY_BYTES] {
    match *event {
        PeerEvent::Connected => body(7, 0, 0, 0),
        PeerEvent::LoggedOn => body(1, 0, 0, 0),
        PeerEvent::LoggedOut => body(2, 0, 0, 0),
        PeerEvent::Disconnected(why) => body(3, tally::reason_of(why) as u8, errno(why), 0),
        PeerEvent::GapFilled { begin, end } => body(4, 0, begin, end),
        PeerEvent::RejectReceived { reference } => body(5, 0, reference, 0),
        PeerEvent::SequenceReset(cause) => body(6, cause as u8, 0, 0),
        PeerEvent::Hours {
            open,
            changes_wall_ns,
        } => body(30, open as u8, changes_wall_ns, 0),
        PeerEvent::ResetHeld => body(31, 0, 0, 0),
        PeerEvent::ResetGivenUp => body(32, 0, 0, 0),
        PeerEvent::Operator { uid, approver_uid } => {
            let (approved, approver) = (approver_uid.is_some(), approver_uid.unwrap_or(0));
            body(33, approved as u8, uid as u64, approver as u64)
        }
        PeerEvent::ResendIgnored { begin, end } => body(9, 0, begin, end),
        PeerEvent::Notice(notice) => of_notice(notice),
    }
}

fn of_notice(notice: Notice) -> [u8; BODY_BYTES] {
    match notice {
        Notice::Garbled => body(10, 0, 0, 0),
        Notice::Unexpected => body(11, 0, 0, 0),
        Notice::GapDetected { expected, received } => body(12, 0, expected, received),
        Notice::GapFilled => body(13, 0, 0, 0),
        Notice::GapStalled { expected } => body(14, 0, expected, 0),
        Notice::EarlyDropped { sequence } => body(15, 0, sequence, 0),
        Notice::DuplicateIgnored { sequence } => body(16, 0, sequence, 0),
        Notice::SequenceTooLow { expected, received } => body(17, 0, expected, received),
        Notice::LateResendRequest { sequence } => body(18, 0, sequence, 0),
        Notice::TestRequestSent => body(19, 0, 0, 0),
        Notice::HeartbeatDiffers { peer_s } => body(20, 0, peer_s, 0),
    }
}

/// Sequence numbers were set, to these.
pub(super) fn of_reset(cause: ResetCause, next_in: u64, next_out: u64) -> [u8; BODY_BYTES] {
    body(6, cause as u8, next_in, next_out)
}

/// It is the turn of message `number` that came early; the session expects `next_in` after it, and may have `delivered` it.
pub(super) fn of_turn(number: u64, next_in: u64, delivered: bool) -> [u8; BODY_BYTES] {
    body(50, delivered as u8, number, next_in)
}

/// The message that is the cause of this record needs no answer.
pub(super) fn of_no_answer() -> [u8; BODY_BYTES] {
    body(51, 0, 0, 0)
}

/// The session goes on with these numbers of an earlier process.
pub(super) fn of_resumption(next_in: u64, next_out: u64) -> [u8; BODY_BYTES] {
    body(52, 0, next_in, next_out)
}

/// Those numbers began at this time, for that reason: a [`ResetCause`] or [`NEW_LOG`].
pub(super) fn of_beginning(began: u8, wall_ns: u64) -> [u8; BODY_BYTES] {
    body(53, began, wall_ns, 0)
}

/// An operator had disabled it before this process began: it stays out.
pub(super) fn of_still_disabled() -> [u8; BODY_BYTES] {
    body(54, 0, 0, 0)
}

/// What an event tells of a session's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Numbers {
    /// Application messages may go both ways.
    LoggedOn,
    /// No more.
    LoggedOut,
    /// The connection is gone.
    Disconnected,
    /// Set to these, for that [`ResetCause`].
    Set {
        cause: u8,
        next_in: u64,
        next_out: u64,
    },
    /// They count as begun anew, for the schedule.
    Renewed,
    /// See [`of_turn`].
    Turn {
        number: u64,
        next_in: u64,
        delivered: bool,
    },
    /// See [`of_no_answer`].
    NoAnswer,
    /// See [`of_resumption`].
    Resumed { next_in: u64, next_out: u64 },
    /// See [`of_beginning`].
    Began { began: u8, wall_ns: u64 },
    /// The peer refused our message of this number.
    Rejected { number: u64 },
    /// An operator keeps it out, or lets it in again.
    Disabled(bool),
    /// Nothing.
    Other,
}

/// Of a record's body.
pub(super) fn numbers(body: &[u8]) -> Numbers {
    let Ok(body): Result<&[u8; BODY_BYTES], _> = body.try_into() else {
        return Numbers::Other;
    };
    let number = |at: usize| u64::from_le_bytes(body[at..at + 8].try_into().unwrap_or_default());
    let (detail, first, second) = (body[1], number(2), number(10));
    match body[0] {
        1 => Numbers::LoggedOn,
        2 => Numbers::LoggedOut,
        3 => Numbers::Disconnected,
        5 => Numbers::Rejected { number: first },
        // The first version did not say which: both began at 1.
        6 => Numbers::Set {
            cause: detail,
            next_in: first.max(1),
            next_out: second.max(1),
        },
        8 if detail == Ordered::Disable as u8 => Numbers::Disabled(true),
        8 if detail == Ordered::Enable as u8 => Numbers::Disabled(false),
        32 => Numbers::Renewed,
        50 => Numbers::Turn {
            number: first,
            next_in: second,
            delivered: detail != 0,
        },
        51 => Numbers::NoAnswer,
        52 => Numbers::Resumed {
            next_in: first,
            next_out: second,
        },
        53 => Numbers::Began {
            began: detail,
            wall_ns: first,
        },
        54 => Numbers::Disabled(true),
        _ => Numbers::Other,
    }
}

/// A logon, from this address.
pub(super) fn of_logon(source: Option<IpAddr>) -> [u8; BODY_BYTES] {
    let [high, low] = address_words(source);
    body(1, 0, high, low)
}

/// An operator's command.
pub(super) fn of_order(ordered: Ordered) -> [u8; BODY_BYTES] {
    body(8, ordered as u8, 0, 0)
}

/// An event of a connection without a session, from this address.
pub(super) fn of_stranger(stranger: Stranger, source: Option<IpAddr>) -> [u8; BODY_BYTES] {
    let [high, low] = address_words(source);
    body(40, stranger as u8, high, low)
}

/// As an IPv6 address in two numbers; zeros for none.
fn address_words(source: Option<IpAddr>) -> [u64; 2] {
    let bits = match source {
        Some(IpAddr::V4(address)) => address.to_ipv6_mapped().to_bits(),
        Some(IpAddr::V6(address)) => address.to_bits(),
        None => 0,
    };
    [(bits >> 64) as u64, bits as u64]
}

/// ` from 10.1.2.3`, or nothing.
fn from_address(high: u64, low: u64) -> String {
    match (high as u128) << 64 | low as u128 {
        0 => String::new(),
        bits => format!(
            " from {}",
            std::net::Ipv6Addr::from_bits(bits).to_canonical()
        ),
    }
}

fn errno(why: Closed) -> u64 {
    match why {
        Closed::Socket(crate::io::CloseReason::Error(errno)) | Closed::ConnectFailed(errno) => {
            errno as u64
        }
        _ => 0,
    }
}

fn body(what: u8, detail: u8, first: u64, second: u64) -> [u8; BODY_BYTES] {
    let mut body = [0; BODY_BYTES];
    (body[0], body[1]) = (what, detail);
    body[2..10].copy_from_slice(&first.to_le_bytes());
    body[10..].copy_from_slice(&second.to_le_bytes());
    body
}

/// In words; `None` for a body of another version.
pub fn describe(body: &[u8]) -> Option<String> {
    let body: &[u8; BODY_BYTES] = body.try_into().ok()?;
    let number = |at: usize| u64::from_le_bytes(body[at..at + 8].try_into().unwrap_or_default());
    let (detail, first, second) = (body[1], number(2), number(10));
    Some(match body[0] {
        1 => format!("logged on{}", from_address(first, second)),
        2 => "logged out".to_owned(),
        3 => {
            let reason = Reason::from_code(detail as u64)?;
            let errno = if first == 0 {
                String::new()
            } else {
                format!(" (errno {first})")
            };
            format!("disconnected: {}{errno}: {}", reason.name(), reason.help())
        }
        4 => format!(
            "asked for our messages {first} to {second} again: gap-filled, they may be in doubt"
        ),
        5 => format!("rejected our message {first}"),
        6 => {
            let numbers = match (first, second) {
                (0, 0) => String::new(),
                _ => format!(": next in {first}, next out {second}"),
            };
            format!("sequence numbers set{numbers}: {}", reset_cause(detail)?)
        }
        7 => "connected".to_owned(),
        8 => format!("an operator's command: {}", ordered(detail)?),
        9 => {
            format!("asked for our messages {first} to {second} again, as so often before: ignored")
        }
        10 => "sent bytes that are no message".to_owned(),
        11 => "sent a message that was not expected".to_owned(),
        12 => format!("sequence gap: expected {first}, received {second}; asked for a resend"),
        13 => "the sequence gap is filled".to_owned(),
        14 => format!("does not fill the gap from {first}: asked again"),
        15 => {
            format!("message {first} came before the gap was filled: dropped, it will be repeated")
        }
        16 => format!("message {first} came again: ignored"),
        17 => format!("sequence number too low: expected {first}, received {second}"),
        18 => format!("resend request under the old number {first}: honoured"),
        19 => "silent: asked for a sign of life".to_owned(),
        20 => format!("asks for a heartbeat of {first} s: ours counts"),
        50 => format!("its message {first}, which came early, has its turn"),
        51 => "a message needs no answer".to_owned(),
        52 => format!(
            "goes on with the numbers of the process before: next in {first}, next out {second}"
        ),
        54 => "stays out: an operator disabled it before the restart".to_owned(),
        53 => format!("these numbers began {}: {}", at_time(first), began(detail)?),
        30 => match (detail != 0, at_time(first)) {
            (true, until) => format!("its schedule is open until {until}"),
            (false, _) if first == 0 => "its schedule is closed".to_owned(),
            (false, until) => format!("its schedule is closed until {until}"),
        },
        31 => "a scheduled reset waits until its requests in doubt are resolved".to_owned(),
        32 => "a scheduled reset is given up: the peer logged on under the old numbers".to_owned(),
        33 if detail != 0 => {
            format!("user {first} sets the sequence numbers, approved by user {second}")
        }
        33 => format!("user {first} sets the sequence numbers"),
        40 => {
            let source = from_address(first, second);
            format!(
                "connection without a session{source}: {}",
                stranger(detail)?
            )
        }
        _ => return None,
    })
}

/// Whether an event of that body comes with every message or connection and is not worth a line for people.
pub fn is_routine(body: &[u8]) -> bool {
    let accepted = Stranger::Accepted as u8;
    matches!(body, [15 | 16 | 50 | 51 | 53, ..])
        || body.first() == Some(&40) && body.get(1) == Some(&accepted)
}

/// Why numbers began.
fn began(code: u8) -> Option<&'static str> {
    match code {
        NEW_LOG => Some("the session was new, or its process did not go on with older ones"),
        _ => reset_cause(code),
    }
}

fn at_time(wall_ns: u64) -> String {
    let text = TimeText::new(Precision::Seconds).write(wall_ns);
    format!("{} UTC", String::from_utf8_lossy(text.as_bytes()))
}

fn reset_cause(code: u8) -> Option<&'static str> {
    const CAUSES: [(ResetCause, &str); 7] = [
        (ResetCause::PeerLogon, "141=Y in the peer's logon"),
        (ResetCause::OwnLogon, "reset_on_logon"),
        (ResetCause::Logout, "reset_on_logout"),
        (ResetCause::Disconnect, "reset_on_disconnect"),
        (
            ResetCause::PeerSequenceReset,
            "the peer's SequenceReset: what it skipped is lost",
        ),
        (ResetCause::Operator, "an operator's command"),
        (ResetCause::Schedule, "the end of a window of its schedule"),
    ];
    CAUSES
        .iter()
        .find(|(cause, _)| *cause as u8 == code)
        .map(|(_, words)| *words)
}

fn ordered(code: u8) -> Option<&'static str> {
    const WORDS: [(Ordered, &str); 3] = [
        (Ordered::Logout, "log out"),
        (Ordered::Disable, "log out and stay out"),
        (Ordered::Enable, "may come in again"),
    ];
    WORDS
        .iter()
        .find(|(ordered, _)| *ordered as u8 == code)
        .map(|(_, words)| *words)
}

/// Next numbers in and out that a reset set, where the record is of one and says them.
pub fn reset_numbers(body: &[u8]) -> Option<(u64, u64)> {
    let body: &[u8; BODY_BYTES] = body.try_into().ok()?;
    let number = |at: usize| u64::from_le_bytes(body[at..at + 8].try_into().unwrap_or_default());
    let numbers = (number(2), number(10));
    (body[0] == 6 && numbers != (0, 0)).then_some(numbers)
}

fn stranger(code: u8) -> Option<&'static str> {
    const WORDS: [(Stranger, &str); 13] = [
        (Stranger::Accepted, "accepted"),
        (Stranger::LogonTimeout, "closed, no logon in time"),
        (Stranger::Garbled, "closed, its first bytes are no message"),
        (Stranger::NotLogon, "closed, its first message is no logon"),
        (
            Stranger::UnknownSession,
            "closed, its logon names no session",
        ),
        (
            Stranger::DuplicateLogon,
            "closed, its session is connected already",
        ),
        (
            Stranger::SourceNotAllowed,
            "closed, its session may not be used from that address",
        ),
        (Stranger::Disabled, "closed, its session is disabled"),
        (Stranger::Left, "it went away"),
        (
            Stranger::TooMany,
            "closed, too many from there have not logged on",
        ),
        (
            Stranger::Crowded,
            "closed without a logon, to make room for others",
        ),
        (
            Stranger::TooLong,
            "closed, it sends more than a logon can be",
        ),
        (
            Stranger::Candidate,
            "its session is connected already: asked for a sign of life, for it may take over",
        ),
    ];
    WORDS
        .iter()
        .find(|(stranger, _)| *stranger as u8 == code)
        .map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::CloseReason;

    #[test]
    fn every_event_has_words() {
        let events = [
            PeerEvent::LoggedOn,
            PeerEvent::LoggedOut,
            PeerEvent::Disconnected(Closed::SlowConsumer),
            PeerEvent::Disconnected(Closed::Socket(CloseReason::Error(104))),
            PeerEvent::GapFilled { begin: 3, end: 9 },
            PeerEvent::ResendIgnored { begin: 3, end: 9 },
            PeerEvent::RejectReceived { reference: 7 },
            PeerEvent::SequenceReset(ResetCause::Schedule),
            PeerEvent::Hours {
                open: true,
                changes_wall_ns: 1,
            },
            PeerEvent::ResetHeld,
            PeerEvent::ResetGivenUp,
            PeerEvent::Operator {
                uid: 7,
                approver_uid: Some(8),
            },
            PeerEvent::Notice(Notice::GapDetected {
                expected: 4,
                received: 8,
            }),
            PeerEvent::Notice(Notice::HeartbeatDiffers { peer_s: 30 }),
        ];
        for event in events {
            assert!(describe(&of_peer(&event)).is_some(), "{event:?}");
        }
        let gap = of_peer(&PeerEvent::Notice(Notice::GapDetected {
            expected: 4,
            received: 8,
        }));
        assert_eq!(
            describe(&gap).unwrap(),
            "sequence gap: expected 4, received 8; asked for a resend"
        );
        let broken = of_peer(&PeerEvent::Disconnected(Closed::Socket(
            CloseReason::Error(104),
        )));
        assert!(
            describe(&broken)
                .unwrap()
                .starts_with("disconnected: error (errno 104)")
        );
        let closed = of_peer(&PeerEvent::Hours {
            open: false,
            changes_wall_ns: 1_000_000_000,
        });
        assert_eq!(
            describe(&closed).unwrap(),
            "its schedule is closed until 19700101-00:00:01 UTC"
        );
        for code in 0..=ResetCause::Schedule as u8 {
            assert!(reset_cause(code).is_some(), "{code}");
        }
        let reset = of_reset(ResetCause::PeerLogon, 2, 1);
        assert_eq!(
            describe(&reset).unwrap(),
            "sequence numbers set: next in 2, next out 1: 141=Y in the peer's logon"
        );
        assert_eq!(reset_numbers(&reset), Some((2, 1)));
        // As the first version wrote it.
        let bare = of_peer(&PeerEvent::SequenceReset(ResetCause::PeerLogon));
        assert_eq!(
            describe(&bare).unwrap(),
            "sequence numbers set: 141=Y in the peer's logon"
        );
        assert_eq!(reset_numbers(&bare), None);
        let source = Some(IpAddr::from([10, 1, 2, 3]));
        assert_eq!(
            describe(&of_logon(source)).unwrap(),
            "logged on from 10.1.2.3"
        );
        assert_eq!(
            describe(&of_stranger(Stranger::Disabled, source)).unwrap(),
            "connection without a session from 10.1.2.3: closed, its session is disabled"
        );
        for ordered in [Ordered::Logout, Ordered::Disable, Ordered::Enable] {
            assert!(describe(&of_order(ordered)).is_some(), "{ordered:?}");
        }
        for code in 0..13 {
            assert!(stranger(code).is_some(), "{code}");
        }
        assert!(
            is_routine(&of_stranger(Stranger::Accepted, None))
                && !is_routine(&of_stranger(Stranger::Garbled, None))
        );
        let far = "2001:db8::7".parse().ok();
        let far = describe(&of_stranger(Stranger::Left, far)).unwrap();
        assert_eq!(
            far,
            "connection without a session from 2001:db8::7: it went away"
        );
        assert_eq!(describe(b"short"), None);
    }
}
