//! Many sessions over one set of sockets: binds connections to sessions, frames what comes, performs what sessions ask for,
//! and gets what is sent into the log first and to the peer after.
//!
//! Owned by the thread of the stage that uses it: client side (decode), desk side (route), and in the simulated desk and the
//! load client. Both roles: peers that connect to us, and peers that we connect to.
//!
//! What always holds: a message has its number and stands in the log before a byte of it leaves; a frame is taken from the
//! socket only when everything that it may cause has room; a slow peer is served from the log and never waited for; one turn
//! of one peer is bounded.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;

use super::peer::{Binding, Peer, PeerConfig, PeerName, Role};
use crate::domain::time::NS_PER_MS;
use crate::domain::{ClientOrderId, Now, Text};
use crate::io::{CloseReason, ConnectionId, SocketEvent, Sockets, Token};
use crate::journal::{Cause, Log, RecordKind};
use crate::limits::{
    CONNECTION_EVENTS_PER_CYCLE, FRAME_BYTES_MAX, FRAMES_PER_TURN, SESSION_TIMERS_PER_TICK,
};
use crate::session::{self, Action, Actions, Admin, DisconnectReason, LogoutText, Notice};
use crate::wire::fix::{
    self, BusinessReject, DecodeError, FieldIndex, Framing, Garbled, Header, Message, MsgType,
    NoRoom, Refusal, TimeText,
};

/// What the application makes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It has it.
    Taken,
    /// The message is wrong, or cannot be processed: answered with 35=3 or 35=j.
    Refused(DecodeError),
}

/// What happened to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerEvent {
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
    /// The peer rejected our message of this number (35=3).
    RejectReceived {
        /// MsgSeqNum(34) of ours
        reference: u64,
    },
    /// Sequence numbers start anew.
    SequenceReset,
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
    /// It did not read for too long.
    SlowConsumer,
    /// An operator.
    Operator,
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
}

/// Whom the switchboard works for.
pub trait Application {
    /// Whether one application message can be taken now. If not, it stays in the socket.
    fn has_room(&mut self) -> bool;
    /// An application message, in sequence, once. `sequence` is its record in the log.
    fn on_message(
        &mut self,
        peer: usize,
        now: Now,
        sequence: u64,
        message: &Message<'_>,
    ) -> Verdict;
    /// Something else.
    fn on_event(&mut self, peer: usize, now: Now, event: PeerEvent);
    /// Something about a connection without a session.
    fn on_stranger(&mut self, now: Now, stranger: Stranger);
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
    fn count(&mut self, msg_type: MsgType) {
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
    /// Messages longer than the ceiling.
    pub oversized: u64,
    /// BusinessMessageReject sent.
    pub business_rejects: u64,
    /// Administrative messages received.
    pub admin_in: AdminTraffic,
    /// Administrative messages sent.
    pub admin_out: AdminTraffic,
}

/// A message that the application refused, until its frame is consumed.
struct Refused {
    error: DecodeError,
    reason: fix::BusinessRejectReason,
    number: u64,
    msg_type: MsgType,
    ref_id: ClientOrderId,
}

/// Sessions and their sockets.
pub struct Switchboard<S: Sockets> {
    pub(super) sockets: S,
    pub(super) log: Log,
    pub(super) peers: Vec<Peer>,
    pub(super) traffic: Traffic,
    pub(super) time: TimeText,
    /// For messages that are not in the log: gap fills and rewritten ones.
    pub(super) buffer: Box<[u8]>,
    /// Peers that are behind, each once.
    pub(super) serving: Vec<usize>,
    bindings: Vec<Binding>,
    connected: usize,
    /// Connections that have not logged on.
    waiting: usize,
    names: HashMap<PeerName, usize>,
    scratch: Box<FieldIndex>,
    actions: Actions,
    logon_timeout_ns: u64,
    next_tick_ns: u64,
    next_timer: usize,
    next_binding: usize,
}

impl<S: Sockets> Switchboard<S> {
    /// With these peers; none is connected yet.
    pub fn new(
        sockets: S,
        log: Log,
        peers: Vec<PeerConfig>,
        connections_max: usize,
        logon_timeout_ns: u64,
    ) -> Self {
        let index_slots = super::peer::index_slots(peers.len());
        let peers: Vec<_> = peers
            .into_iter()
            .enumerate()
            .map(|(at, config)| Peer::new(config, at, index_slots))
            .collect();
        let names = peers
            .iter()
            .enumerate()
            .filter(|(_, peer)| matches!(peer.role, Role::Accept { .. }))
            .map(|(at, peer)| (peer.name(), at))
            .collect();
        Self {
            sockets,
            log,
            traffic: Traffic::default(),
            time: TimeText::new(fix::Precision::Millis),
            buffer: vec![0; 2 * FRAME_BYTES_MAX].into_boxed_slice(),
            serving: Vec::with_capacity(peers.len()),
            peers,
            connected: 0,
            waiting: 0,
            bindings: vec![Binding::Free; connections_max],
            names,
            scratch: Box::new(FieldIndex::new()),
            actions: Actions::new(),
            logon_timeout_ns,
            next_tick_ns: 0,
            next_timer: 0,
            next_binding: 0,
        }
    }

    /// Listens for peers that connect to us.
    pub fn listen(&mut self, token: Token, address: SocketAddr) -> std::io::Result<SocketAddr> {
        self.sockets.listen(token, address)
    }

    /// The peer at this place.
    pub fn peer(&self, at: usize) -> &Peer {
        &self.peers[at]
    }

    /// All peers.
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// Peers that are connected.
    pub fn connected(&self) -> usize {
        self.connected
    }

    /// Totals since the start.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The sockets, for their counters and for waiting.
    pub fn sockets(&mut self) -> &mut S {
        &mut self.sockets
    }

    /// The log, for records of the owner's own.
    pub fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// One turn: what the kernel has, timers, peers that are behind. Bounded; returns how much was done.
    pub fn duty_cycle<A: Application>(&mut self, now: Now, application: &mut A) -> usize {
        let mut work = self.sockets.poll();
        for _ in 0..CONNECTION_EVENTS_PER_CYCLE {
            let Some(event) = self.sockets.next_event() else {
                break;
            };
            work += 1;
            self.on_socket_event(now, event, application);
        }
        if now.mono_ns >= self.next_tick_ns {
            self.next_tick_ns = now.mono_ns + NS_PER_MS;
            self.tick(now, application);
        }
        work + self.serve_behind(now, application)
    }

    /// Hands what was sent to the kernel. Once per duty cycle, after everything else.
    pub fn flush(&mut self) {
        self.sockets.flush();
    }

    /// Sends an application message: number, log, peer. `None` where the log has no room; what is sent to a peer that is not
    /// connected waits in the log until it asks.
    pub fn send(
        &mut self,
        at: usize,
        now: Now,
        cause: Cause,
        encode: impl FnOnce(&Header<'_>, &mut TimeText, &mut [u8]) -> Result<Range<usize>, NoRoom>,
    ) -> Option<Sent> {
        let sent = self.commit(at, now, cause, RecordKind::MessageOut, encode)?;
        self.transmit(at, now, sent.msg_seq_num);
        Some(sent)
    }

    /// Whether [`Switchboard::send`] has room for `count` messages.
    pub fn has_room(&mut self, count: usize) -> bool {
        self.log.has_room_for(count, FRAME_BYTES_MAX)
    }

    /// Logs a peer out and, where it is `disabled`, keeps it out.
    pub fn log_out<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        text: &str,
        disable: bool,
        application: &mut A,
    ) {
        if disable {
            self.peers[at].enabled = false;
        }
        if self.peers[at].connection.is_some() {
            self.actions.clear();
            self.peers[at].session.start_logout(
                now,
                LogoutText::cut(text.as_bytes()),
                &mut self.actions,
            );
            self.perform(at, now, application);
        }
    }

    /// Lets a peer in, or connects to it, again.
    pub fn enable(&mut self, at: usize, now: Now) {
        self.peers[at].enabled = true;
        self.peers[at].retry_at_ns = now.mono_ns;
    }

    /// Number, encoding and record of a message; nothing is transmitted.
    fn commit(
        &mut self,
        at: usize,
        now: Now,
        cause: Cause,
        kind: RecordKind,
        encode: impl FnOnce(&Header<'_>, &mut TimeText, &mut [u8]) -> Result<Range<usize>, NoRoom>,
    ) -> Option<Sent> {
        let Self {
            peers, log, time, ..
        } = self;
        let peer = &mut peers[at];
        let number = peer.session.peek_next_out();
        let header = peer.ids.header(MsgType::HEARTBEAT, number, now);
        let mut bytes = 0;
        let appended = log.append_with(
            kind,
            peer.channel,
            cause,
            now.wall_ns,
            FRAME_BYTES_MAX,
            |out| {
                let range = encode(&header, time, out).ok()?;
                bytes = range.len();
                out.copy_within(range, 0);
                Some(bytes)
            },
        )?;
        let taken = peer.session.next_out(now);
        debug_assert_eq!(taken, number);
        peer.sent
            .push(number, appended.position, kind == RecordKind::AdminOut);
        Some(Sent {
            sequence: appended.sequence,
            msg_seq_num: number,
            bytes,
        })
    }

    fn on_socket_event<A: Application>(
        &mut self,
        now: Now,
        event: SocketEvent,
        application: &mut A,
    ) {
        match event {
            SocketEvent::Accepted {
                connection, peer, ..
            } => {
                self.waiting += 1;
                self.bindings[connection.slot as usize] = Binding::Waiting {
                    connection,
                    source: peer,
                    deadline_ns: now.mono_ns + self.logon_timeout_ns,
                };
                application.on_stranger(now, Stranger::Accepted);
            }
            SocketEvent::Connected { token, connection } => {
                let at = token as usize;
                self.bind(connection, at);
                self.actions.clear();
                self.peers[at].session.on_connected(now, &mut self.actions);
                self.perform(at, now, application);
            }
            SocketEvent::ConnectFailed { token, error } => {
                let peer = &mut self.peers[token as usize];
                peer.connecting = false;
                peer.back_off(now);
                application.on_event(
                    token as usize,
                    now,
                    PeerEvent::Disconnected(Closed::Socket(CloseReason::Error(error))),
                );
            }
            SocketEvent::Readable(connection) => self.on_readable(now, connection, application),
            SocketEvent::Closed { connection, reason } => match self.unbind(connection) {
                Binding::Bound { peer, .. } => {
                    self.on_disconnected(peer, now, Closed::Socket(reason), application)
                }
                Binding::Waiting { .. } => application.on_stranger(now, Stranger::Left),
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
            let more = match fix::next_frame(received, FRAME_BYTES_MAX) {
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
            _ => {
                self.refuse(now, connection, Stranger::Garbled, application);
                false
            }
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
        let mut business = None;
        match fix::parse(bytes, scratch) {
            Ok(message) => {
                if message.msg_type().is_admin() {
                    traffic.admin_in.count(message.msg_type());
                } else if !application.has_room() {
                    traffic.stalled += 1;
                    sockets.requeue(connection);
                    return false;
                }
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
                peer.session.on_message(now, &message, actions);
                if actions
                    .as_slice()
                    .iter()
                    .any(|action| matches!(action, Action::Deliver))
                {
                    if let Verdict::Refused(error) =
                        application.on_message(at, now, sequence, &message)
                    {
                        match error.refusal {
                            Refusal::Session(reason) => {
                                peer.session
                                    .reject(&message, Some(error.tag), reason, actions)
                            }
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
                        }
                    }
                }
            }
            Err(_) => peer.session.on_malformed(now, actions),
        }
        self.consume(connection, end);
        if !self.actions.as_slice().is_empty() {
            self.perform(at, now, application);
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
                    Some(at) => peers[at].admits(source.ip()).map(|()| at),
                    None => Err(Stranger::UnknownSession),
                },
                Err(_) => Err(Stranger::NotLogon),
            },
            Err(_) => Err(Stranger::Garbled),
        };
        match admitted {
            Ok(at) => {
                self.bind(connection, at);
                self.peers[at].source = Some(source);
                self.actions.clear();
                self.peers[at].session.on_connected(now, &mut self.actions);
                self.perform(at, now, application);
                Some(at)
            }
            Err(stranger) => {
                self.refuse(now, connection, stranger, application);
                None
            }
        }
    }

    /// Drops a connection without a byte.
    fn refuse<A: Application>(
        &mut self,
        now: Now,
        connection: ConnectionId,
        why: Stranger,
        application: &mut A,
    ) {
        self.unbind(connection);
        self.sockets.close(connection, true);
        application.on_stranger(now, why);
    }

    fn bind(&mut self, connection: ConnectionId, at: usize) {
        let bound = Binding::Bound {
            connection,
            peer: at,
        };
        let before = std::mem::replace(&mut self.bindings[connection.slot as usize], bound);
        self.waiting -= matches!(before, Binding::Waiting { .. }) as usize;
        let peer = &mut self.peers[at];
        debug_assert!(peer.connection.is_none());
        peer.connection = Some(connection);
        peer.connecting = false;
        self.connected += 1;
    }

    /// What the connection was bound to.
    fn unbind(&mut self, connection: ConnectionId) -> Binding {
        let binding = &mut self.bindings[connection.slot as usize];
        if binding.connection() == Some(connection) {
            let before = std::mem::replace(binding, Binding::Free);
            self.waiting -= matches!(before, Binding::Waiting { .. }) as usize;
            before
        } else {
            Binding::Free
        }
    }

    /// What the session asked for, in order.
    pub(super) fn perform<A: Application>(&mut self, at: usize, now: Now, application: &mut A) {
        let mut closing = None;
        let mut next = 0;
        while let Some(&action) = self.actions.get(next) {
            next += 1;
            match action {
                Action::Deliver => {}
                Action::Send(admin) => self.send_admin(at, now, &admin),
                Action::Resend { begin, end } => self.resend(at, now, begin, end, application),
                Action::LoggedOn => {
                    self.peers[at].logged_on();
                    application.on_event(at, now, PeerEvent::LoggedOn);
                }
                Action::LoggedOut => application.on_event(at, now, PeerEvent::LoggedOut),
                Action::RejectReceived { reference } => {
                    application.on_event(at, now, PeerEvent::RejectReceived { reference });
                }
                Action::SequenceReset { next_out, .. } => {
                    let peer = &mut self.peers[at];
                    peer.sent.reset(next_out);
                    peer.cursor.cancel();
                    application.on_event(at, now, PeerEvent::SequenceReset);
                }
                Action::Disconnect(reason) => closing = Some(reason),
                Action::Notice(notice) => application.on_event(at, now, PeerEvent::Notice(notice)),
            }
        }
        if let Some(reason) = closing {
            self.disconnect(at, now, Closed::Session(reason), false, application);
        }
    }

    /// Ends a peer's connection; the session learns of it at once.
    pub fn disconnect<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        why: Closed,
        abort: bool,
        application: &mut A,
    ) {
        if let Some(connection) = self.peers[at].connection {
            self.unbind(connection);
            self.sockets.close(connection, abort);
            self.on_disconnected(at, now, why, application);
        }
    }

    fn on_disconnected<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        why: Closed,
        application: &mut A,
    ) {
        self.connected -= 1;
        let peer = &mut self.peers[at];
        peer.connection = None;
        peer.cursor.cancel();
        peer.back_off(now);
        self.actions.clear();
        peer.session.on_disconnected(now, &mut self.actions);
        self.perform(at, now, application);
        application.on_event(at, now, PeerEvent::Disconnected(why));
    }

    fn send_admin(&mut self, at: usize, now: Now, admin: &Admin) {
        let ids = self.peers[at].ids;
        let sent = self.commit(
            at,
            now,
            Cause::default(),
            RecordKind::AdminOut,
            |header, time, out| session::admin(&ids, header.msg_seq_num, admin, now, time, out),
        );
        self.traffic
            .admin_out
            .count(session::encode::msg_type(admin));
        if let Some(sent) = sent {
            self.transmit(at, now, sent.msg_seq_num);
        }
    }

    /// Timers of a bounded number of peers, and connections that have not logged on.
    fn tick<A: Application>(&mut self, now: Now, application: &mut A) {
        for _ in 0..SESSION_TIMERS_PER_TICK.min(self.peers.len()) {
            let at = self.next_timer;
            self.next_timer = (at + 1) % self.peers.len();
            let peer = &mut self.peers[at];
            if peer.connection.is_some() {
                if now.mono_ns >= peer.session.next_deadline_ns() {
                    self.actions.clear();
                    peer.session.on_timer(now, &mut self.actions);
                    self.perform(at, now, application);
                }
            } else if let Some(address) = peer.due(now) {
                peer.connecting = true;
                if let Err(error) = self.sockets.connect(at as Token, address) {
                    peer.connecting = false;
                    peer.back_off(now);
                    let code = error.raw_os_error().unwrap_or(0);
                    let closed = Closed::Socket(CloseReason::Error(code));
                    application.on_event(at, now, PeerEvent::Disconnected(closed));
                }
            }
        }
        if self.waiting == 0 {
            return;
        }
        for _ in 0..SESSION_TIMERS_PER_TICK.min(self.bindings.len()) {
            let slot = self.next_binding;
            self.next_binding = (slot + 1) % self.bindings.len();
            if let Binding::Waiting {
                connection,
                deadline_ns,
                ..
            } = self.bindings[slot]
                && now.mono_ns >= deadline_ns
            {
                self.refuse(now, connection, Stranger::LogonTimeout, application);
            }
        }
    }
}

fn peer_named(
    names: &HashMap<PeerName, usize>,
    identity: &session::LogonIdentity<'_>,
) -> Option<usize> {
    let name = (
        identity.version,
        Text::new(identity.sender)?,
        Text::new(identity.target)?,
    );
    names.get(&name).copied()
}
