//! From sockets to sessions: connections bound to peers, frames cut and logged, messages handed over.
//!
//! Part of the switchboard, same thread. A frame leaves its socket only when the log has room for it and for what it may cause,
//! and the application for what it carries; one turn of one connection is bounded.

use std::collections::HashMap;
use std::ops::Range;

use super::application::{Application, Closed, PeerEvent, Stranger, Verdict};
use super::peer::{Binding, Peer, PeerName};
use super::switchboard::{Incoming, Switchboard};
use super::{event_record, kept};
use crate::domain::{ClientOrderId, Now, Text};
use crate::io::{ConnectionId, SocketEvent, Sockets};
use crate::journal::{Cause, RecordKind, Taken};
use crate::limits::{
    FRAME_BYTES_MAX, FRAMES_PER_TURN, GARBLED_RECORD_NS, KEPT_MESSAGES_PER_TURN,
    KEPT_TURNS_PER_CYCLE,
};
use crate::session::{self, Action, Actions, Notice};
use crate::wire::fix::{
    self, BusinessReject, DecodeError, Framing, Garbled, Message, MsgType, Refusal,
};

/// A message that the application refused, until its frame is consumed.
pub(super) struct Refused {
    error: DecodeError,
    reason: fix::BusinessRejectReason,
    number: u64,
    msg_type: MsgType,
    ref_id: ClientOrderId,
}

/// What the application made of a message, where something is left to do.
pub(super) enum Handed {
    Done,
    /// Its answer is to be sent.
    Answered,
    /// Nothing will come of it.
    Unanswered,
    Refused(Refused),
}

impl<S: Sockets> Switchboard<S> {
    pub(super) fn on_socket_event<A: Application>(
        &mut self,
        now: Now,
        event: SocketEvent,
        application: &mut A,
    ) {
        match event {
            SocketEvent::Accepted {
                connection, peer, ..
            } => self.on_accepted(now, connection, peer, application),
            SocketEvent::Connected { token, connection } => {
                let at = token as usize;
                self.bind(connection, at);
                if !self.peers[at].enabled {
                    // Disabled while it was being made.
                    return self.disconnect(at, now, Closed::Operator, true, application);
                }
                if !self.peers[at].hours.are_open() {
                    return self.disconnect(at, now, Closed::Schedule, true, application);
                }
                self.tell(at, now, PeerEvent::Connected, application);
                self.actions.clear();
                self.peers[at].session.on_connected(now, &mut self.actions);
                self.perform(at, now, application);
            }
            SocketEvent::ConnectFailed { token, error } => {
                let peer = &mut self.peers[token as usize];
                peer.connecting = false;
                peer.back_off(now);
                self.tell(
                    token as usize,
                    now,
                    PeerEvent::Disconnected(Closed::ConnectFailed(error)),
                    application,
                );
            }
            SocketEvent::Readable(connection) => self.on_readable(now, connection, application),
            SocketEvent::Closed { connection, reason } => match self.unbind(connection) {
                Binding::Bound { peer, .. } => {
                    self.on_disconnected(peer, now, Closed::Socket(reason), application)
                }
                Binding::Waiting(waiting) => {
                    let source = waiting.source.ip();
                    self.tell_stranger(now, source, Stranger::Left, None, application);
                }
                Binding::Free => {}
            },
        }
    }

    pub(super) fn on_readable<A: Application>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        application: &mut A,
    ) {
        if !self.may_speak(now, connection) {
            return;
        }
        for _ in 0..FRAMES_PER_TURN {
            // One record in, and the few administrative answers that a message may cause.
            if !self.log.has_room_for(4, FRAME_BYTES_MAX) {
                self.traffic.stalled += 1;
                return self.sockets.requeue(connection);
            }
            let received = self.sockets.received(connection);
            if received.is_empty() {
                return;
            }
            let partial = &mut self.partials[connection.slot as usize];
            let framing = if partial.wants_more_than(received.len()) {
                Framing::NeedMore { skip: 0 }
            } else {
                fix::next_frame_of(received, FRAME_BYTES_MAX, partial)
            };
            let more = match framing {
                Framing::NeedMore { skip } => {
                    let rest = received.len() - skip;
                    self.consume(connection, skip);
                    if !self.may_go_on(connection, skip, rest) {
                        self.refuse(now, connection, Stranger::TooLong, None, application);
                    }
                    return;
                }
                Framing::Malformed { skip, why } => {
                    self.traffic.oversized += (why == Garbled::TooLong) as u64;
                    let more = self.on_garbled(now, connection, application);
                    self.consume(connection, skip);
                    more
                }
                Framing::Frame { skip, len } => {
                    self.on_frame(now, connection, skip..skip + len, application)
                }
            };
            if !more {
                return;
            }
        }
        self.sockets.requeue(connection);
    }

    fn consume(&mut self, connection: ConnectionId, bytes: usize) {
        if bytes > 0 {
            self.traffic.bytes_in += bytes as u64;
            self.sockets.consume(connection, bytes);
        }
    }

    /// Returns whether to go on with the connection.
    fn on_garbled<A: Application>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        application: &mut A,
    ) -> bool {
        match self.bindings[connection.slot as usize] {
            Binding::Bound {
                peer,
                connection: bound,
            } if bound == connection => {
                self.actions.clear();
                self.peers[peer]
                    .session
                    .on_malformed(now, &mut self.actions);
                self.perform_garbled(peer, now, application);
                self.peers[peer].connection == Some(connection)
            }
            Binding::Waiting(_) => {
                self.refuse(now, connection, Stranger::Garbled, None, application);
                false
            }
            _ => false,
        }
    }

    /// What a session makes of garbage. A record of it now and then will do.
    fn perform_garbled<A: Application>(&mut self, at: usize, now: Now, application: &mut A) {
        self.traffic.garbled += 1;
        let peer = &mut self.peers[at];
        if self.actions.as_slice() == [Action::Notice(Notice::Garbled)] {
            if now.mono_ns < peer.garbled_record_ns {
                return;
            }
            peer.garbled_record_ns = now.mono_ns + GARBLED_RECORD_NS;
        }
        self.perform(at, now, application);
    }

    /// Returns whether to go on with the connection.
    fn on_frame<A: Application>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        frame: Range<usize>,
        application: &mut A,
    ) -> bool {
        let end = frame.end;
        let Some(at) = self.peer_of(now, connection, frame.clone(), application) else {
            return false;
        };
        if self.peers[at].is_due && !self.serve_kept(at, now, application) {
            // What came before it waits for room.
            self.sockets.requeue(connection);
            return false;
        }
        let Self {
            sockets,
            log,
            peers,
            scratch,
            actions,
            traffic,
            ..
        } = self;
        let bytes = &sockets.received(connection)[frame];
        let peer = &mut peers[at];
        actions.clear();
        let mut handed = Handed::Done;
        let parsed = fix::parse(bytes, scratch);
        let is_garbled = parsed.is_err();
        match parsed {
            Ok(message) => {
                let is_held = self.is_reserved && application.may_hold(message.msg_type());
                if is_held || needs_room(&message) && !application.has_room() {
                    traffic.stalled += 1;
                    sockets.requeue(connection);
                    return false;
                }
                traffic.admin_in.count(message.msg_type());
                traffic.frames_in += 1;
                peer.messages_in += 1;
                peer.bytes_in += bytes.len() as u64;
                peer.last_in_wall_ns = now.wall_ns;
                if peer.hours.are_open() {
                    peer.session.on_message(now, &message, actions);
                } else {
                    let why = peer.hours.refusal();
                    peer.session.on_message_outside(now, &message, why, actions);
                }
                // The record says what the session made of the message: number and record are one.
                let next_in = peer.session.expected_in();
                let taken = taken(actions, next_in);
                let record = log.append_received(peer.channel, now.wall_ns, next_in, taken, bytes);
                let sequence = record.map_or(0, |record| record.sequence);
                self.incoming = record.map(|record| Incoming {
                    position: record.position,
                    sequence,
                });
                handed = hand_over(at, now, sequence, &message, peer, actions, application);
            }
            Err(_) => peer.session.on_malformed(now, actions),
        }
        self.consume(connection, end);
        if is_garbled {
            self.perform_garbled(at, now, application);
        } else {
            self.conclude(at, now, handed, application);
        }
        if self.peers[at].kept.is_some() {
            self.serve_kept(at, now, application);
        }
        self.peers[at].connection == Some(connection)
    }

    /// Hands on the messages that came too early and whose turn has come, so many at once. Says whether none is left.
    pub(super) fn serve_kept<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        application: &mut A,
    ) -> bool {
        for _ in 0..KEPT_MESSAGES_PER_TURN {
            let number = self.peers[at].session.expected_in();
            let Some(position) = self.peers[at].kept.get(number) else {
                self.peers[at].is_due = false;
                return true;
            };
            if !self.on_kept(at, now, number, position, application) {
                self.traffic.stalled += 1;
                break;
            }
        }
        let peer = &mut self.peers[at];
        peer.is_due = true;
        if !peer.is_listed_due {
            peer.is_listed_due = true;
            self.due.push_back(at);
        }
        false
    }

    /// A message that was kept. False: no room, later.
    fn on_kept<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        number: u64,
        position: u64,
        application: &mut A,
    ) -> bool {
        if !self.log.has_room_for(4, FRAME_BYTES_MAX) {
            return false;
        }
        let Self {
            log,
            peers,
            scratch,
            actions,
            ..
        } = self;
        let peer = &mut peers[at];
        actions.clear();
        let mut handed = Handed::Done;
        let record = log.read_back(position);
        let message = record.and_then(|record| fix::parse(record.body, scratch).ok());
        if let (Some(record), Some(message)) = (record, message) {
            if needs_room(&message) && !application.has_room() {
                return false;
            }
            peer.kept.remove(number);
            let sequence = record.sequence;
            self.incoming = Some(Incoming { position, sequence });
            peer.session.on_kept(now, &message, actions);
            let (next_in, delivered) = (peer.session.expected_in(), is_delivery(actions));
            if next_in != number {
                let body = event_record::of_turn(number, next_in, delivered);
                let (kind, channel) = (RecordKind::Connection, peer.channel);
                let cause = Cause {
                    log: log.id(),
                    sequence,
                    output: 0,
                };
                // There is room.
                let _ = log.append(kind, channel, cause, now.wall_ns, &body);
            }
            if delivered
                && let Some(record) = log.read_back(position)
                && let Ok(message) = fix::parse(record.body, scratch)
            {
                handed = hand_over(at, now, sequence, &message, peer, actions, application);
            }
        } else {
            // It left the log's memory: the peer repeats it.
            peer.kept.remove(number);
            let notice = Notice::EarlyDropped { sequence: number };
            self.tell(at, now, PeerEvent::Notice(notice), application);
        }
        self.conclude(at, now, handed, application);
        true
    }

    /// A bounded number of the peers whose kept messages wait for room, in turn.
    pub(super) fn serve_due<A: Application>(&mut self, now: Now, application: &mut A) -> usize {
        let turns = KEPT_TURNS_PER_CYCLE.min(self.due.len());
        for done in 0..turns {
            let Some(at) = self.due.pop_front() else {
                return done;
            };
            self.peers[at].is_listed_due = false;
            let expected = self.peers[at].session.expected_in();
            if self.peers[at].is_due
                && !self.serve_kept(at, now, application)
                && self.peers[at].session.expected_in() == expected
            {
                // No room for any, nor is there for the others': it stays the first.
                self.due.rotate_right(1);
                return done;
            }
        }
        turns
    }

    /// What the session asked for, and the answer to what the application refused.
    pub(super) fn conclude<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        handed: Handed,
        application: &mut A,
    ) {
        let cause = self.cause();
        if !self.actions.as_slice().is_empty() {
            self.perform(at, now, application);
        }
        match handed {
            Handed::Done => {}
            Handed::Answered => {
                self.send(at, now, cause, |header, time, out| {
                    application.answer(at, header, time, out)
                });
            }
            Handed::Unanswered => {
                let channel = self.peers[at].channel;
                self.record_event_of(cause, now, channel, &event_record::of_no_answer());
            }
            Handed::Refused(reject) => self.send_reject(at, now, cause, &reject),
        }
        self.incoming = None;
    }

    fn send_reject(&mut self, at: usize, now: Now, cause: Cause, reject: &Refused) {
        self.traffic.business_rejects += 1;
        self.send(at, now, cause, |header, time, out| {
            let reject = BusinessReject::of(
                &reject.error,
                reject.reason,
                reject.number,
                reject.msg_type,
                reject.ref_id.as_bytes(),
            );
            fix::encode_business_reject(out, header, time, &reject)
        });
    }

    /// The session of a connection; for a new connection its first frame decides. `None`: go on later, or never.
    fn peer_of<A: Application>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        frame: Range<usize>,
        application: &mut A,
    ) -> Option<usize> {
        let source = match self.bindings[connection.slot as usize] {
            Binding::Bound {
                peer,
                connection: bound,
            } if bound == connection => return Some(peer),
            Binding::Waiting(waiting) if waiting.connection == connection => waiting.source,
            _ => return None,
        };
        let Self {
            sockets,
            scratch,
            names,
            peers,
            ..
        } = self;
        let admitted = match fix::parse(&sockets.received(connection)[frame], scratch) {
            Ok(message) => match session::identify(&message) {
                Ok(identity) => match peer_named(names, &identity) {
                    Some(at) => peers[at]
                        .admits(source.ip())
                        .map(|()| at)
                        .map_err(|why| (why, Some(at))),
                    None => Err((Stranger::UnknownSession, None)),
                },
                Err(_) => Err((Stranger::NotLogon, None)),
            },
            Err(_) => Err((Stranger::Garbled, None)),
        };
        match admitted {
            Ok(at) => {
                self.keep_hours(at, now, application);
                self.bind(connection, at);
                self.peers[at].source = Some(source);
                self.actions.clear();
                self.peers[at].session.on_connected(now, &mut self.actions);
                self.perform(at, now, application);
                Some(at)
            }
            Err((Stranger::DuplicateLogon, Some(at)))
                if self.begin_takeover(at, now, connection, application) =>
            {
                None
            }
            Err((stranger, at)) => {
                self.refuse(now, connection, stranger, at, application);
                None
            }
        }
    }
}

/// Whether the message concerns the application: then it must find room. So does a Reject(35=3) of a message of the application's.
fn needs_room(message: &Message<'_>) -> bool {
    let kind = message.msg_type();
    !kind.is_admin() || kind == MsgType::REJECT
}

/// Whether the session says that the application gets the message.
#[inline]
fn is_delivery(actions: &Actions) -> bool {
    let deliver = |action: &Action| matches!(action, Action::Deliver);
    actions.as_slice().iter().any(deliver)
}

/// What the session makes of the message, for its record; it expects `next_in` after it.
#[inline]
fn taken(actions: &Actions, next_in: u64) -> Taken {
    let of_action = |action: &Action| match *action {
        Action::Deliver => Some(Taken::Delivered),
        Action::Keep { number } if kept::has_place(number, next_in) => Some(Taken::Kept),
        _ => None,
    };
    let taken = actions.as_slice().iter().find_map(of_action);
    taken.unwrap_or(Taken::Otherwise)
}

/// Gives the message to the application where the session says so; what it refused is answered by the session, or returned.
#[inline]
fn hand_over<A: Application>(
    at: usize,
    now: Now,
    sequence: u64,
    message: &Message<'_>,
    peer: &mut Peer,
    actions: &mut Actions,
    application: &mut A,
) -> Handed {
    if !is_delivery(actions) {
        return Handed::Done;
    }
    let answer = application.on_message(at, now, sequence, message);
    verdict(answer, message, peer, actions)
}

/// What follows from the application's verdict.
#[inline]
pub(super) fn verdict(
    verdict: Verdict,
    message: &Message<'_>,
    peer: &mut Peer,
    actions: &mut Actions,
) -> Handed {
    let error = match verdict {
        Verdict::Taken => return Handed::Done,
        Verdict::Answered => return Handed::Answered,
        Verdict::Unanswered => return Handed::Unanswered,
        Verdict::Refused(error) => error,
    };
    match error.refusal {
        Refusal::Session(reason) => {
            let tag = (error.tag != 0).then_some(error.tag as i32);
            peer.session.reject(message, tag, reason, actions);
            Handed::Done
        }
        Refusal::Business(reason) => Handed::Refused(Refused {
            error,
            reason,
            number: message.msg_seq_num().unwrap_or(0),
            msg_type: message.msg_type(),
            ref_id: Text::cut(message.get(fix::tags::CL_ORD_ID).unwrap_or_default()),
        }),
    }
}

fn peer_named(
    names: &HashMap<PeerName, usize>,
    identity: &session::LogonIdentity<'_>,
) -> Option<usize> {
    let name = (
        Text::new(identity.begin_string)?,
        Text::new(identity.sender)?,
        Text::new(identity.target)?,
    );
    names.get(&name).copied()
}
