//! Many sessions over one set of sockets: binds connections to sessions, frames what comes, performs what sessions ask for,
//! and gets what is sent into the log first and to the peer after.
//!
//! Owned by the thread of the stage that uses it: client side (decode), desk side (route), and in the simulated desk and the
//! load client. Both roles: peers that connect to us, and peers that we connect to.
//!
//! What always holds: a message has its number and stands in the log before a byte of it leaves; a frame is taken from the
//! socket only when everything that it may cause has room; a slow peer is served from the log and never waited for; one turn
//! of one peer is bounded.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::application::{Application, Closed, PeerEvent, Sent, Stranger, Traffic};
use super::archive::Archive;
use super::event_record;
use super::pace::Pace;
use super::peer::{Binding, Ordered, Peer, PeerConfig, PeerName, Role};
use super::resume::Waiting;
use super::strangers::Strangers;
use crate::domain::Now;
use crate::domain::command::{NumbersChange, NumbersDone};
use crate::domain::time::NS_PER_MS;
use crate::io::{ConnectionId, Sockets, Token};
use crate::journal::{Cause, Log, RecordKind};
use crate::limits::{
    CONNECTION_EVENTS_PER_CYCLE, CONTROL_QUEUE_COMMANDS, FRAME_BYTES_MAX, SESSION_TIMERS_PER_TICK,
};
use crate::session::{self, Action, Actions, Admin, DisconnectReason, LogoutText, Notice};
use crate::wire::fix::{FieldIndex, Header, MsgType, NoRoom, Partial, Precision, TimeText};

/// A received message in the log.
#[derive(Clone, Copy)]
pub(super) struct Incoming {
    pub position: u64,
    pub sequence: u64,
}

/// Sessions and their sockets.
pub struct Switchboard<S: Sockets> {
    pub(super) sockets: S,
    pub(super) log: Log,
    pub(super) peers: Vec<Peer>,
    pub(super) traffic: Traffic,
    /// One per [`Precision`].
    pub(super) times: [TimeText; 4],
    /// For messages that are not in the log: gap fills and rewritten ones.
    pub(super) buffer: Box<[u8]>,
    /// Peers that are behind, each once.
    pub(super) serving: Vec<usize>,
    /// Whose turn is next among them.
    pub(super) next_serving: usize,
    /// Of all resends
    pub(super) pace: Pace,
    /// Where old messages are read from
    pub(super) archive: Option<Archive>,
    /// Peers whose kept messages wait, each once.
    pub(super) due: VecDeque<usize>,
    /// What an earlier process left unanswered
    pub(super) unanswered: VecDeque<Waiting>,
    /// Peers of an earlier process whose hours must be looked at before anything is sent: those before it were
    pub(super) hours_unseen: Option<usize>,
    /// The record of the message that is being dealt with
    pub(super) incoming: Option<Incoming>,
    pub(super) bindings: Vec<Binding>,
    /// What is known of the bytes that a connection's socket keeps.
    pub(super) partials: Vec<Partial>,
    /// Connections that have not logged on: without any, nobody walks over the bindings.
    pub(super) waiting: usize,
    pub(super) strangers: Strangers,
    connected: usize,
    pub(super) names: HashMap<PeerName, usize>,
    pub(super) scratch: Box<FieldIndex>,
    pub(super) actions: Actions,
    pub(super) logon_timeout_ns: u64,
    /// What is left of the log's memory is not for new orders
    pub(super) is_reserved: bool,
    next_tick_ns: u64,
    next_timer: usize,
    pub(super) next_binding: usize,
    /// Numbers to be set when the peer is disconnected.
    pub(super) numbers_waiting: Vec<(usize, NumbersChange)>,
    /// Answers to operators.
    pub(super) numbers_done: Vec<NumbersDone>,
}

impl<S: Sockets> Switchboard<S> {
    /// With these peers; none is connected yet.
    pub fn new(
        sockets: S,
        mut log: Log,
        peers: Vec<PeerConfig>,
        connections_max: usize,
        logon_timeout_ns: u64,
    ) -> Self {
        let count = peers.len();
        log.link_channels(count);
        let peers: Vec<_> = peers
            .into_iter()
            .enumerate()
            .map(|(at, config)| Peer::new(config, at, count))
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
            times: [
                Precision::Seconds,
                Precision::Millis,
                Precision::Micros,
                Precision::Nanos,
            ]
            .map(TimeText::new),
            buffer: vec![0; 2 * FRAME_BYTES_MAX].into_boxed_slice(),
            serving: Vec::with_capacity(peers.len()),
            next_serving: 0,
            pace: Pace::default(),
            archive: None,
            due: VecDeque::with_capacity(peers.len()),
            unanswered: VecDeque::new(),
            hours_unseen: None,
            incoming: None,
            peers,
            connected: 0,
            waiting: 0,
            bindings: vec![Binding::Free; connections_max],
            partials: vec![Partial::default(); connections_max],
            strangers: Strangers::new(connections_max, count, logon_timeout_ns),
            names,
            scratch: Box::new(FieldIndex::new()),
            actions: Actions::new(),
            logon_timeout_ns,
            is_reserved: false,
            next_tick_ns: 0,
            next_timer: 0,
            next_binding: 0,
            numbers_waiting: Vec::with_capacity(CONTROL_QUEUE_COMMANDS),
            numbers_done: Vec::with_capacity(CONTROL_QUEUE_COMMANDS),
        }
    }

    /// Gives it a way to messages that left the log's memory; without, they are gap-filled.
    pub fn set_archive(&mut self, archive: Archive) {
        self.archive = Some(archive);
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
        if self.hours_unseen.is_some() && !self.see_hours(now, application) {
            return 0;
        }
        if !self.unanswered.is_empty() {
            return self.take_up(now, application);
        }
        self.is_reserved = self.log.is_pressed() && self.log.is_reserved();
        let mut work = 0;
        if !self.due.is_empty() {
            // They came before what waits in the sockets.
            work += self.serve_due(now, application);
        }
        work += self.sockets.poll();
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

    /// As [`Switchboard::send`], for the copy of a message that another peer will be sent with the same cause.
    pub fn send_copy(
        &mut self,
        at: usize,
        now: Now,
        cause: Cause,
        encode: impl FnOnce(&Header<'_>, &mut TimeText, &mut [u8]) -> Result<Range<usize>, NoRoom>,
    ) -> Option<Sent> {
        let sent = self.commit(at, now, cause, RecordKind::CopyOut, encode)?;
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

    /// Something happened to a peer: into the log, so that "why" has an answer, and to the owner.
    pub(super) fn tell<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        event: PeerEvent,
        application: &mut A,
    ) {
        let body = match event {
            PeerEvent::LoggedOn => {
                event_record::of_logon(self.peers[at].source.map(|source| source.ip()))
            }
            _ => event_record::of_peer(&event),
        };
        let sequence = self.record_event(now, self.peers[at].channel, &body);
        application.on_event(at, now, sequence, event);
    }

    /// An operator ordered something for a peer: into the log, before it is done.
    pub fn note_order(&mut self, at: usize, now: Now, ordered: Ordered) {
        let channel = self.peers[at].channel;
        self.record_event(now, channel, &event_record::of_order(ordered));
    }

    /// Something happened to a connection without a session; `at` is the peer that it wanted to be, where it said so.
    pub(super) fn tell_stranger<A: Application>(
        &mut self,
        now: Now,
        source: IpAddr,
        stranger: Stranger,
        at: Option<usize>,
        application: &mut A,
    ) {
        let channel = at.map_or(u16::MAX, |at| self.peers[at].channel);
        let body = event_record::of_stranger(stranger, Some(source));
        self.record_event(now, channel, &body);
        application.on_stranger(now, source, stranger);
    }

    fn record_event(&mut self, now: Now, channel: u16, body: &[u8]) -> u64 {
        self.record_event_of(Cause::default(), now, channel, body)
    }

    /// Sequence of its record. Without room for it the event is only counted: what it is about has its own record or none.
    pub(super) fn record_event_of(
        &mut self,
        cause: Cause,
        now: Now,
        channel: u16,
        body: &[u8],
    ) -> u64 {
        let record = self
            .log
            .append(RecordKind::Connection, channel, cause, now.wall_ns, body);
        self.traffic.events_unrecorded += record.is_none() as u64;
        record.map_or(0, |record| record.sequence)
    }

    /// What is done now is caused by the message that is being dealt with, if one is.
    pub(super) fn cause(&self) -> Cause {
        self.incoming.map_or(Cause::default(), |incoming| Cause {
            log: self.log.id(),
            sequence: incoming.sequence,
            output: 0,
        })
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
            peers, log, times, ..
        } = self;
        let peer = &mut peers[at];
        let number = peer.session.peek_next_out();
        let mut header = peer.ids.header(MsgType::HEARTBEAT, number, now);
        header.last_processed = peer.session.last_processed();
        let time = &mut times[peer.precision as usize];
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
        peer.sent.push(number, appended.position, appended.offset);
        Some(Sent {
            sequence: appended.sequence,
            msg_seq_num: number,
            bytes,
        })
    }

    pub(super) fn bind(&mut self, connection: ConnectionId, at: usize) {
        let peer = at;
        self.rebind(connection, Binding::Bound { connection, peer });
        let peer = &mut self.peers[at];
        debug_assert!(peer.connection.is_none());
        peer.connection = Some(connection);
        peer.connecting = false;
        self.connected += 1;
    }

    /// What the connection was bound to.
    pub(super) fn unbind(&mut self, connection: ConnectionId) -> Binding {
        if self.bindings[connection.slot as usize].connection() == Some(connection) {
            self.rebind(connection, Binding::Free)
        } else {
            Binding::Free
        }
    }

    /// Replaces the binding of the connection's slot; returns the former one.
    pub(super) fn rebind(&mut self, connection: ConnectionId, binding: Binding) -> Binding {
        self.partials[connection.slot as usize] = Partial::default();
        self.waiting += matches!(binding, Binding::Waiting(_)) as usize;
        let before = std::mem::replace(&mut self.bindings[connection.slot as usize], binding);
        if let Binding::Waiting(waiting) = &before {
            self.waiting -= 1;
            self.stranger_left(waiting);
        }
        before
    }

    /// What the session asked for, in order.
    pub(super) fn perform<A: Application>(&mut self, at: usize, now: Now, application: &mut A) {
        let (mut closing, mut abuse) = (None, false);
        let mut next = 0;
        while let Some(&action) = self.actions.get(next) {
            next += 1;
            match action {
                Action::Deliver => {}
                Action::Keep { number } => self.keep(at, now, number, application),
                Action::Send(admin) => self.send_admin(at, now, &admin),
                Action::Resend { begin, end } => {
                    if !self.resend(at, now, begin, end, application) {
                        abuse = true;
                    }
                }
                Action::LoggedOn => {
                    self.peers[at].logged_on();
                    self.tell(at, now, PeerEvent::LoggedOn, application);
                    self.give_up_held_reset(at, now, application);
                }
                Action::LoggedOut => self.tell(at, now, PeerEvent::LoggedOut, application),
                Action::RejectReceived { reference } => {
                    self.tell(
                        at,
                        now,
                        PeerEvent::RejectReceived { reference },
                        application,
                    );
                }
                Action::SequenceReset {
                    next_in,
                    next_out,
                    cause,
                } => {
                    let peer = &mut self.peers[at];
                    peer.kept.clear();
                    // A peer that sets only its own numbers may still ask for ours, and is still owed what waits for it.
                    if next_out != peer.sent.next() {
                        peer.sent.reset(next_out);
                        peer.requests.renumbered();
                        peer.cursor.cancel();
                        self.give_up_disk(at);
                    }
                    self.begin_incarnation(at, now, cause);
                    let body = event_record::of_reset(cause, next_in, next_out);
                    let channel = self.peers[at].channel;
                    let sequence = self.record_event_of(self.cause(), now, channel, &body);
                    application.on_event(at, now, sequence, PeerEvent::SequenceReset(cause));
                }
                Action::Disconnect(reason) => closing = Some(reason),
                Action::Notice(notice) => {
                    self.tell(at, now, PeerEvent::Notice(notice), application);
                }
            }
        }
        let taken_over = closing == Some(DisconnectReason::HeartbeatTimeout)
            && self.peers[at].candidate.is_some();
        if let Some(reason) = closing {
            let why = match taken_over {
                true => Closed::TakenOver,
                false => Closed::Session(reason),
            };
            self.disconnect(at, now, why, taken_over, application);
        } else if abuse {
            self.log_out(at, now, "Too many ResendRequests", false, application);
            self.disconnect(at, now, Closed::ResendAbuse, false, application);
        }
    }

    /// Remembers the message that was just given until its turn comes, where there is room.
    fn keep<A: Application>(&mut self, at: usize, now: Now, number: u64, application: &mut A) {
        let peer = &mut self.peers[at];
        let expected = peer.session.expected_in();
        let is_kept = self
            .incoming
            .is_some_and(|incoming| peer.kept.push(number, incoming.position, expected));
        if is_kept {
            self.traffic.kept += 1;
        } else {
            let notice = Notice::EarlyDropped { sequence: number };
            self.tell(at, now, PeerEvent::Notice(notice), application);
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
            if !abort {
                self.say_goodbye(at, now);
            }
            self.unbind(connection);
            self.sockets.close(connection, abort);
            self.on_disconnected(at, now, why, application);
        }
    }

    pub(super) fn on_disconnected<A: Application>(
        &mut self,
        at: usize,
        now: Now,
        why: Closed,
        application: &mut A,
    ) {
        self.connected -= 1;
        // What the end of a connection does to the numbers comes behind what the last message did.
        self.incoming = None;
        let peer = &mut self.peers[at];
        peer.connection = None;
        peer.cursor.cancel();
        peer.kept.clear();
        peer.back_off(now);
        self.give_up_disk(at);
        self.actions.clear();
        self.peers[at]
            .session
            .on_disconnected(now, &mut self.actions);
        self.perform(at, now, application);
        self.tell(at, now, PeerEvent::Disconnected(why), application);
        self.apply_waiting_numbers(at, now, application);
    }

    fn send_admin(&mut self, at: usize, now: Now, admin: &Admin) {
        let sent = self.commit(
            at,
            now,
            self.cause(),
            RecordKind::AdminOut,
            |header, time, out| session::admin(header, admin, time, out),
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
            self.keep_hours(at, now, application);
            // Without room nothing was read either: a peer must not look silent because of us.
            let has_room = !self.is_reserved && self.log.has_room_for(2, FRAME_BYTES_MAX);
            let peer = &mut self.peers[at];
            if peer.connection.is_some() {
                if has_room && now.mono_ns >= peer.session.next_deadline_ns() {
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
                    let closed = Closed::ConnectFailed(code);
                    self.tell(at, now, PeerEvent::Disconnected(closed), application);
                }
            }
        }
        self.look_at_strangers(now, application);
    }
}
