//! From sockets to sessions: connections bound to peers, frames cut and logged, messages handed over.
//!
//! Part of the switchboard, same thread. A frame leaves its socket only when the log has room for it and for what it may cause,
//! and the application for what it carries; one turn of one connection is bounded.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;

use super::application::{Application, Closed, PeerEvent, Stranger, Verdict};
use super::peer::{Binding, PeerName};
use super::switchboard::Switchboard;
use crate::domain::{ClientOrderId, Now, Text};
use crate::io::{ConnectionId, SocketEvent, Sockets};
use crate::journal::{Cause, RecordKind};
use crate::limits::{FRAME_BYTES_MAX, FRAMES_PER_TURN};
use crate::session::{self, Action};
use crate::wire::fix::{self, BusinessReject, DecodeError, Framing, Garbled, MsgType, Refusal};

/// A message that the application refused, until its frame is consumed.
struct Refused {
    error: DecodeError,
    reason: fix::BusinessRejectReason,
    number: u64,
    msg_type: MsgType,
    ref_id: ClientOrderId,
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
            } => {
                let waiting = Binding::Waiting {
                    connection,
                    source: peer,
                    deadline_ns: now.mono_ns + self.logon_timeout_ns,
                };
                self.rebind(connection, waiting);
                self.tell_stranger(now, Stranger::Accepted, peer, None, application);
            }
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
                Binding::Waiting { source, .. } => {
                    self.tell_stranger(now, Stranger::Left, source, None, application)
                }
                Binding::Free => {}
            },
        }
    }

    fn on_readable<A: Application>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        application: &mut A,
    ) {
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
            if partial.wants_more_than(received.len()) {
                return;
            }
            let more = match fix::next_frame_of(received, FRAME_BYTES_MAX, partial) {
                Framing::NeedMore { skip } => {
                    self.consume(connection, skip);
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
                self.perform(peer, now, application);
                self.peers[peer].connection == Some(connection)
            }
            Binding::Waiting { source, .. } => {
                self.refuse(
                    now,
                    connection,
                    Stranger::Garbled,
                    source,
                    None,
                    application,
                );
                false
            }
            _ => false,
        }
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
        let mut answered = false;
        let mut business = None;
        match fix::parse(bytes, scratch) {
            Ok(message) => {
                let kind = message.msg_type();
                // A Reject(35=3) of the peer concerns a message of the application's: it must find room like one.
                if (!kind.is_admin() || kind == MsgType::REJECT) && !application.has_room() {
                    traffic.stalled += 1;
                    sockets.requeue(connection);
                    return false;
                }
                traffic.admin_in.count(kind);
                traffic.frames_in += 1;
                peer.messages_in += 1;
                peer.bytes_in += bytes.len() as u64;
                peer.last_in_wall_ns = now.wall_ns;
                let record = log.append(
                    RecordKind::MessageIn,
                    peer.channel,
                    Cause::default(),
                    now.wall_ns,
                    bytes,
                );
                let sequence = record.map_or(0, |record| record.sequence);
                if peer.hours.are_open() {
                    peer.session.on_message(now, &message, actions);
                } else {
                    let why = peer.hours.refusal();
                    peer.session.on_message_outside(now, &message, why, actions);
                }
                if actions
                    .as_slice()
                    .iter()
                    .any(|action| matches!(action, Action::Deliver))
                {
                    match application.on_message(at, now, sequence, &message) {
                        Verdict::Taken => {}
                        Verdict::Answered => answered = true,
                        Verdict::Refused(error) => match error.refusal {
                            Refusal::Session(reason) => peer.session.reject(
                                &message,
                                Some(error.tag as i32),
                                reason,
                                actions,
                            ),
                            Refusal::Business(reason) => {
                                business = Some(Refused {
                                    error,
                                    reason,
                                    number: message.msg_seq_num().unwrap_or(0),
                                    msg_type: message.msg_type(),
                                    ref_id: Text::cut(
                                        message.get(fix::tags::CL_ORD_ID).unwrap_or_default(),
                                    ),
                                });
                            }
                        },
                    }
                }
            }
            Err(_) => peer.session.on_malformed(now, actions),
        }
        self.consume(connection, end);
        if !self.actions.as_slice().is_empty() {
            self.perform(at, now, application);
        }
        if answered {
            self.send(at, now, Cause::default(), |header, time, out| {
                application.answer(at, header, time, out)
            });
        }
        if let Some(reject) = business {
            self.traffic.business_rejects += 1;
            self.send(at, now, Cause::default(), |header, time, out| {
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
        self.peers[at].connection == Some(connection)
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
            Binding::Waiting {
                connection: waiting,
                source,
                ..
            } if waiting == connection => source,
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
            Err((stranger, at)) => {
                self.refuse(now, connection, stranger, source, at, application);
                None
            }
        }
    }

    /// Drops a connection without a byte.
    pub(super) fn refuse<A: Application>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        why: Stranger,
        source: SocketAddr,
        at: Option<usize>,
        application: &mut A,
    ) {
        self.unbind(connection);
        self.sockets.close(connection, true);
        self.tell_stranger(now, why, source, at, application);
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
