//! What both socket back ends have in common: the slab of connections with their generations, buffers and states, and the queue
//! of events.
//!
//! One owner thread. What always holds: nothing allocates after `new`; a connection has at most one `Readable` queued; `Closed`
//! is the last event of its connection and comes once; a slot is free again only after its last event was taken, so
//! the queue never holds more than three events per slot.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::buffers::{Arena, PREFAULT_BYTES, ReceiveBuffer, SendBuffer};
use crate::io::{CloseReason, ConnectionId, SocketEvent, Token};
use crate::limits::{CLOSE_NS_MAX, CONNECT_NS_MAX, CONNECTIONS_MAX};

/// ```text
/// Free -> Connecting -> Open -> Closing -> Closed -> Free
///   `-------------------^ accepted          ^
///              `-> Failed -> Free           `- at once by abort, or when the peer broke it
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Nobody's.
    Free,
    /// Asked for, not answered yet.
    Connecting,
    /// Connecting failed with this errno; the event is queued.
    Failed(i32),
    /// Stands.
    Open,
    /// Sends what is left, then ends; the owner no longer receives from it. Reported with this reason.
    Closing(CloseReason),
    /// Its socket is gone; the event is queued.
    Closed(CloseReason),
}

/// A slot of the slab.
pub(super) struct Connection {
    pub(super) generation: u32,
    pub(super) state: State,
    /// The peer's end or a failure, seen but not yet reported: what was received before has its turn first.
    pub(super) ended: Option<CloseReason>,
    /// Our end was sent.
    pub(super) shut: bool,
    readable_queued: bool,
    pub(super) receive: ReceiveBuffer,
    pub(super) send: SendBuffer,
    pub(super) stream: Option<TcpStream>,
    /// When connecting or closing is given up.
    pub(super) deadline: Instant,
    /// Of the listener or of the connect.
    token: Token,
    peer: SocketAddr,
}

#[derive(Clone, Copy)]
enum Kind {
    Accepted,
    Connected,
    ConnectFailed,
    Readable,
    Closed,
}

/// All connections of one sockets value.
pub(super) struct Connections {
    slots: Box<[Connection]>,
    /// The last one freed is the next one used: its memory is warm.
    free: Vec<u32>,
    events: VecDeque<(u32, Kind)>,
    /// Slots with `ended` and not yet closing.
    pub(super) ending: Vec<u32>,
    /// Slots that are `Connecting`.
    pub(super) connecting: Vec<u32>,
    /// Slots that are `Closing`.
    pub(super) closing: Vec<u32>,
    /// Accepted and closed at once, for want of a slot.
    pub(super) refused: u64,
    /// Dropped after the slots that point into it.
    arena: Option<Arena>,
}

impl Connections {
    /// Slots and buffers for `count` connections; `extra_bytes` (whole pages) more memory for each.
    pub(super) fn new(count: usize, extra_bytes: usize) -> io::Result<Self> {
        if count == 0 || count > CONNECTIONS_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("connections_max is {count}; it must be 1 to {CONNECTIONS_MAX}"),
            ));
        }
        let parts = [
            (ReceiveBuffer::BYTES, PREFAULT_BYTES),
            (SendBuffer::BYTES, PREFAULT_BYTES),
            (extra_bytes, extra_bytes),
        ];
        let mut arena = Arena::new(count, &parts)?;
        let now = Instant::now();
        let slots = (0..count)
            .map(|index| {
                let base = arena.span(index);
                Connection {
                    generation: 0,
                    state: State::Free,
                    ended: None,
                    shut: false,
                    readable_queued: false,
                    // SAFETY: the span is this slot's alone, zeroed, and lives in `arena` beside the slots.
                    receive: unsafe { ReceiveBuffer::new(base) },
                    // SAFETY: as above; the send buffer begins where the receive buffer ends.
                    send: unsafe { SendBuffer::new(base.add(ReceiveBuffer::BYTES)) },
                    stream: None,
                    deadline: now,
                    token: 0,
                    peer: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                }
            })
            .collect();
        Ok(Self {
            slots,
            free: (0..count as u32).rev().collect(),
            events: VecDeque::with_capacity(3 * count),
            ending: Vec::with_capacity(count),
            connecting: Vec::with_capacity(count),
            closing: Vec::with_capacity(count),
            refused: 0,
            arena: Some(arena),
        })
    }

    /// Gives the memory up for good, because the kernel may still use it.
    pub(super) fn leak_memory(&mut self) {
        std::mem::forget(self.arena.take());
    }

    /// Where the extra memory of a slot begins.
    pub(super) fn extra(&mut self, slot: u32) -> *mut u8 {
        let arena = self.arena.as_mut().expect("only given up in drop");
        let base = arena.span(slot as usize);
        // SAFETY: the span of a slot has receive buffer, send buffer and extra memory, in this order.
        unsafe { base.add(ReceiveBuffer::BYTES + SendBuffer::BYTES) }
    }

    /// The slot, in any state.
    pub(super) fn at(&mut self, slot: u32) -> &mut Connection {
        &mut self.slots[slot as usize]
    }

    /// The connection, if it is open and not ended by us.
    fn open(&self, id: ConnectionId) -> Option<&Connection> {
        let connection = self.slots.get(id.slot as usize)?;
        (connection.generation == id.generation && connection.state == State::Open)
            .then_some(connection)
    }

    /// As `open`, for change.
    pub(super) fn open_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.slots.get_mut(id.slot as usize)?;
        (connection.generation == id.generation && connection.state == State::Open)
            .then_some(connection)
    }

    /// The connection, if it is open or closing.
    pub(super) fn standing(&self, id: ConnectionId) -> Option<&Connection> {
        let connection = self.slots.get(id.slot as usize)?;
        let stands = matches!(connection.state, State::Open | State::Closing(_));
        (connection.generation == id.generation && stands).then_some(connection)
    }

    /// Takes a free slot for an accepted connection; counts it as refused if there is none.
    pub(super) fn accept(
        &mut self,
        listener: Token,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<u32> {
        let Some(slot) = self.free.pop() else {
            self.refused += 1;
            return None;
        };
        let connection = self.at(slot);
        connection.state = State::Open;
        connection.stream = Some(stream);
        connection.token = listener;
        connection.peer = peer;
        self.events.push_back((slot, Kind::Accepted));
        Some(slot)
    }

    /// Takes a free slot for a connection to be made.
    pub(super) fn start_connecting(&mut self, token: Token, peer: SocketAddr) -> io::Result<u32> {
        let Some(slot) = self.free.pop() else {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!("all {} connections are in use", self.slots.len()),
            ));
        };
        let connection = self.at(slot);
        connection.state = State::Connecting;
        connection.token = token;
        connection.peer = peer;
        connection.deadline = Instant::now() + Duration::from_nanos(CONNECT_NS_MAX);
        self.connecting.push(slot);
        Ok(slot)
    }

    /// The connection that was asked for stands.
    pub(super) fn connected(&mut self, slot: u32) {
        self.connecting.retain(|&other| other != slot);
        self.at(slot).state = State::Open;
        self.events.push_back((slot, Kind::Connected));
    }

    /// Connecting failed.
    pub(super) fn connect_failed(&mut self, slot: u32, error: i32) {
        self.connecting.retain(|&other| other != slot);
        let connection = self.at(slot);
        connection.stream = None;
        connection.state = State::Failed(error);
        self.events.push_back((slot, Kind::ConnectFailed));
    }

    /// There are new bytes, or bytes left.
    pub(super) fn readable(&mut self, slot: u32) {
        let connection = &mut self.slots[slot as usize];
        if connection.state == State::Open && !connection.readable_queued {
            connection.readable_queued = true;
            self.events.push_back((slot, Kind::Readable));
        }
    }

    /// The peer ended, or the connection broke. Reported when what was received has had its turn.
    pub(super) fn ended(&mut self, slot: u32, reason: CloseReason) {
        let connection = &mut self.slots[slot as usize];
        if connection.ended.is_none() {
            connection.ended = Some(reason);
            if connection.state == State::Open {
                self.ending.push(slot);
            }
        }
    }

    /// True if the end of this slot may be reported: no `Readable` of it waits.
    pub(super) fn had_its_turn(&self, slot: u32) -> bool {
        !self.slots[slot as usize].readable_queued
    }

    /// From `Open` to `Closing`.
    pub(super) fn start_closing(&mut self, slot: u32, reason: CloseReason) {
        self.ending.retain(|&other| other != slot);
        let connection = &mut self.slots[slot as usize];
        connection.state = State::Closing(reason);
        connection.deadline = Instant::now() + Duration::from_nanos(CLOSE_NS_MAX);
        connection.receive.clear();
        self.closing.push(slot);
    }

    /// From `Closing` to `Closed`: the socket is closed here, and the event queued.
    pub(super) fn finish_closing(&mut self, slot: u32) {
        let connection = &mut self.slots[slot as usize];
        let State::Closing(reason) = connection.state else {
            return;
        };
        self.closing.retain(|&other| other != slot);
        connection.state = State::Closed(reason);
        connection.stream = None;
        connection.receive.clear();
        connection.send.clear();
        self.events.push_back((slot, Kind::Closed));
    }

    fn free(&mut self, slot: u32) {
        let connection = &mut self.slots[slot as usize];
        connection.state = State::Free;
        connection.generation = connection.generation.wrapping_add(1);
        connection.ended = None;
        connection.shut = false;
        connection.readable_queued = false;
        self.free.push(slot);
    }

    /// True if no event waits.
    pub(super) fn no_events(&self) -> bool {
        self.events.is_empty()
    }

    /// The oldest event.
    pub(super) fn next_event(&mut self) -> Option<SocketEvent> {
        loop {
            let (slot, kind) = self.events.pop_front()?;
            let at = &mut self.slots[slot as usize];
            let connection = ConnectionId {
                slot,
                generation: at.generation,
            };
            let event = match kind {
                Kind::Accepted => SocketEvent::Accepted {
                    listener: at.token,
                    connection,
                    peer: at.peer,
                },
                Kind::Connected => SocketEvent::Connected {
                    token: at.token,
                    connection,
                },
                Kind::ConnectFailed => {
                    let State::Failed(error) = at.state else {
                        unreachable!("a failed connect stays so until its event is taken")
                    };
                    let token = at.token;
                    self.free(slot);
                    SocketEvent::ConnectFailed { token, error }
                }
                Kind::Readable => {
                    at.readable_queued = false;
                    // Closed by us meanwhile, or all consumed before its turn.
                    if at.state != State::Open || at.receive.bytes().is_empty() {
                        continue;
                    }
                    SocketEvent::Readable(connection)
                }
                Kind::Closed => {
                    let State::Closed(reason) = at.state else {
                        unreachable!("a closed connection stays so until its event is taken")
                    };
                    self.free(slot);
                    SocketEvent::Closed { connection, reason }
                }
            };
            return Some(event);
        }
    }

    /// As [`crate::io::Sockets::received`].
    pub(super) fn received(&self, id: ConnectionId) -> &[u8] {
        self.open(id).map_or(&[], |open| open.receive.bytes())
    }

    /// As [`crate::io::Sockets::requeue`].
    pub(super) fn requeue(&mut self, id: ConnectionId) {
        if self
            .open(id)
            .is_some_and(|open| !open.receive.bytes().is_empty())
        {
            self.readable(id.slot);
        }
    }

    /// As [`crate::io::Sockets::send_room`].
    pub(super) fn send_room(&self, id: ConnectionId) -> usize {
        self.open(id).map_or(0, |open| open.send.room())
    }
}
