//! The polling socket back end: non-blocking sockets, readiness from a spinning `epoll_wait(0)`, edge-triggered.
//!
//! One owner thread, any. With no more than [`DIRECT_MAX`] connections it asks the sockets themselves instead of epoll, which
//! saves a system call on the way of a message; epoll is then asked only now and then, for new connections.
//! What always holds: one receive per connection and turn, in the order of readiness; a connection whose receive buffer
//! is full is not read; a slot in `ready` or `dirty` is there once. Closing runs inside `poll` and is bounded by
//! [`CLOSE_NS_MAX`](crate::limits::CLOSE_NS_MAX).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::time::Instant;

use std::collections::VecDeque;

use super::connections::{Connections, State};
use super::net::{self, Epoll, errno};
use crate::io::{CloseReason, ConnectionId, SocketEvent, Sockets, Token};

/// Up to this many connections are read without asking epoll first.
const DIRECT_MAX: usize = 2;
/// In the direct mode epoll is asked once in so many polls.
const DIRECT_POLLS_PER_EPOLL: u64 = 64;
/// Connections accepted per listener and poll.
const ACCEPTS_PER_POLL: usize = 16;
/// Connections read per poll; the rest keep their place in the line.
const RECEIVES_PER_POLL: usize = 64;
/// After an accept that failed for want of descriptors or memory, it is tried again after so many polls.
const POLLS_PER_ACCEPT_RETRY: u64 = 1024;
/// Key of a listener in epoll: this bit and its index.
const LISTENER_KEY: u64 = 1 << 63;

const INTEREST: i32 = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP;
const END: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;

struct Listener {
    token: Token,
    socket: TcpListener,
    ready: bool,
    retry_at_poll: u64,
}

/// What the kernel is known to have for a slot.
#[derive(Clone, Copy, Default)]
struct Readiness {
    /// A receive may find something.
    readable: bool,
    /// A send may be taken.
    writable: bool,
    /// The end is behind the bytes: a short receive does not mean that nothing is left.
    end: bool,
    in_ready: bool,
    in_dirty: bool,
}

/// Non-blocking sockets with a spinning epoll.
pub struct PollSockets {
    listeners: Vec<Listener>,
    readiness: Box<[Readiness]>,
    /// To be read, oldest first.
    ready: VecDeque<u32>,
    /// To be sent.
    dirty: Vec<u32>,
    /// With a socket that is open or closing.
    active: Vec<u32>,
    epoll: Epoll,
    epoll_events: Box<[libc::epoll_event]>,
    direct: bool,
    polls: u64,
    system_calls: u64,
    connections: Connections,
}

impl PollSockets {
    /// Makes the slots and buffers for `connections_max` connections. Allocates all that it will ever need, listeners apart.
    pub fn new(connections_max: usize) -> io::Result<Self> {
        Ok(Self {
            listeners: Vec::new(),
            readiness: vec![Readiness::default(); connections_max].into(),
            ready: VecDeque::with_capacity(connections_max),
            dirty: Vec::with_capacity(connections_max),
            active: Vec::with_capacity(connections_max),
            epoll: Epoll::new()?,
            epoll_events: vec![libc::epoll_event { events: 0, u64: 0 }; 256].into(),
            direct: true,
            polls: 0,
            system_calls: 0,
            connections: Connections::new(connections_max, 0)?,
        })
    }

    /// Clients that were accepted and closed at once because all slots were in use.
    pub fn connections_refused(&self) -> u64 {
        self.connections.refused
    }

    /// Connections that stand.
    pub fn connections_open(&self) -> usize {
        self.active.len()
    }

    /// Few connections, and nothing that only epoll can tell.
    fn may_go_direct(&self) -> bool {
        self.active.len() <= DIRECT_MAX
            && !self.active.is_empty()
            && self.connections.closing.is_empty()
            && self.connections.connecting.is_empty()
            && self
                .active
                .iter()
                .all(|&slot| self.readiness[slot as usize].writable)
    }

    /// Puts the slot in the line of those to be read.
    fn enqueue(&mut self, slot: u32) {
        let readiness = &mut self.readiness[slot as usize];
        if readiness.readable && !readiness.in_ready {
            readiness.in_ready = true;
            self.ready.push_back(slot);
        }
    }

    fn mark_dirty(&mut self, slot: u32) {
        let readiness = &mut self.readiness[slot as usize];
        if !readiness.in_dirty {
            readiness.in_dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Watches the socket of a slot that has just got one.
    fn watch(&mut self, slot: u32) -> io::Result<()> {
        let at = self.connections.at(slot);
        let key = u64::from(slot);
        let Some(stream) = &at.stream else {
            return Ok(());
        };
        self.system_calls += 1;
        self.epoll.add(stream.as_raw_fd(), INTEREST, key)
    }

    /// A new connection stands.
    fn activate(&mut self, slot: u32) {
        let readiness = &mut self.readiness[slot as usize];
        readiness.readable = true;
        readiness.writable = true;
        readiness.end = false;
        self.active.push(slot);
        self.enqueue(slot);
    }

    /// Asks epoll, and notes what it says. With a timeout it sleeps.
    fn ask_epoll(&mut self, timeout_ns: u64) -> usize {
        self.system_calls += 1;
        let mut events = std::mem::take(&mut self.epoll_events);
        let count = self.epoll.wait(&mut events, timeout_ns);
        for event in &events[..count] {
            let (key, bits) = (event.u64, event.events);
            if key & LISTENER_KEY != 0 {
                self.listeners[(key ^ LISTENER_KEY) as usize].ready = true;
                continue;
            }
            let slot = key as u32;
            match self.connections.at(slot).state {
                State::Connecting => self.finish_connect(slot, bits),
                State::Open | State::Closing(_) => {
                    let readiness = &mut self.readiness[slot as usize];
                    readiness.end |= bits & END != 0;
                    readiness.readable |= bits & (libc::EPOLLIN as u32 | END) != 0;
                    if bits & libc::EPOLLOUT as u32 != 0 && !readiness.writable {
                        readiness.writable = true;
                        self.mark_dirty(slot);
                    }
                    self.enqueue(slot);
                }
                State::Free | State::Failed(_) | State::Closed(_) => {}
            }
        }
        self.epoll_events = events;
        count
    }

    fn finish_connect(&mut self, slot: u32, bits: u32) {
        let at = self.connections.at(slot);
        let Some(stream) = &at.stream else { return };
        self.system_calls += 1;
        match stream.take_error() {
            Ok(None) if bits & libc::EPOLLOUT as u32 != 0 => {
                self.connections.connected(slot);
                self.activate(slot);
            }
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => self.connections.connect_failed(slot, errno(&error)),
        }
    }

    fn accept(&mut self) -> usize {
        let mut accepted = 0;
        for index in 0..self.listeners.len() {
            let listener = &self.listeners[index];
            if !listener.ready || self.polls < listener.retry_at_poll {
                continue;
            }
            let token = listener.token;
            for _ in 0..ACCEPTS_PER_POLL {
                self.system_calls += 1;
                match self.listeners[index].socket.accept() {
                    Ok((stream, peer)) => {
                        accepted += 1;
                        self.system_calls += 2;
                        let prepared = stream
                            .set_nonblocking(true)
                            .and_then(|()| stream.set_nodelay(true));
                        if prepared.is_err() {
                            continue;
                        }
                        let Some(slot) = self.connections.accept(token, stream, peer) else {
                            continue;
                        };
                        self.activate(slot);
                        if let Err(error) = self.watch(slot) {
                            self.connections
                                .ended(slot, CloseReason::Error(errno(&error)));
                        }
                    }
                    Err(error) => match error.kind() {
                        ErrorKind::WouldBlock => {
                            self.listeners[index].ready = false;
                            break;
                        }
                        ErrorKind::ConnectionAborted | ErrorKind::Interrupted => {}
                        _ => {
                            self.listeners[index].retry_at_poll =
                                self.polls + POLLS_PER_ACCEPT_RETRY;
                            break;
                        }
                    },
                }
            }
        }
        accepted
    }

    /// One receive. Returns true if it brought something: bytes or an end.
    fn receive(&mut self, slot: u32) -> bool {
        let at = self.connections.at(slot);
        let closing = match at.state {
            State::Open => false,
            State::Closing(_) => true,
            _ => return false,
        };
        if at.ended.is_some() {
            self.readiness[slot as usize].readable = false;
            return false;
        }
        let Some(stream) = &mut at.stream else {
            return false;
        };
        let space = at.receive.space();
        if space.is_empty() {
            return false;
        }
        let asked = space.len();
        self.system_calls += 1;
        let result = stream.read(space);
        let readiness = &mut self.readiness[slot as usize];
        match result {
            Ok(0) => {
                readiness.readable = false;
                self.connections.ended(slot, CloseReason::Peer);
                true
            }
            Ok(count) => {
                readiness.readable = count == asked || readiness.end;
                // Who is closing reads only to find the peer's end.
                if !closing {
                    at.receive.filled(count);
                    self.connections.readable(slot);
                }
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                readiness.readable = false;
                false
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => false,
            Err(error) => {
                readiness.readable = false;
                self.connections
                    .ended(slot, CloseReason::Error(errno(&error)));
                true
            }
        }
    }

    fn receive_direct(&mut self) -> usize {
        let mut count = 0;
        for index in 0..self.active.len() {
            let slot = self.active[index];
            self.readiness[slot as usize].readable = true;
            count += usize::from(self.receive(slot));
        }
        count
    }

    fn receive_ready(&mut self) -> usize {
        let mut count = 0;
        for _ in 0..self.ready.len().min(RECEIVES_PER_POLL) {
            let Some(slot) = self.ready.pop_front() else {
                break;
            };
            self.readiness[slot as usize].in_ready = false;
            count += usize::from(self.receive(slot));
            // A full one comes back when something of it is consumed.
            if !self.connections.at(slot).receive.is_full() {
                self.enqueue(slot);
            }
        }
        count
    }

    fn send_slot(&mut self, slot: u32) {
        let at = self.connections.at(slot);
        let Some(stream) = &mut at.stream else { return };
        while self.readiness[slot as usize].writable && !at.send.is_empty() {
            let chunk = at.send.chunk();
            let asked = chunk.len();
            self.system_calls += 1;
            match stream.write(chunk) {
                Ok(count) => {
                    at.send.sent(count);
                    self.readiness[slot as usize].writable = count == asked;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readiness[slot as usize].writable = false;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    at.send.clear();
                    let reason = CloseReason::Error(errno(&error));
                    self.connections.ended(slot, reason);
                    return;
                }
            }
        }
    }

    /// Lets those end whose last bytes had their turn, and brings closing and connecting forward.
    fn progress(&mut self) {
        let mut index = 0;
        while let Some(&slot) = self.connections.ending.get(index) {
            let due = self.connections.had_its_turn(slot);
            match self.connections.at(slot).ended {
                Some(reason) if due => self.connections.start_closing(slot, reason),
                _ => index += 1,
            }
        }
        if self.connections.closing.is_empty() && self.connections.connecting.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut index = 0;
        while let Some(&slot) = self.connections.closing.get(index) {
            if self.closing_is_done(slot, now) {
                self.finish_closing(slot);
            } else {
                index += 1;
            }
        }
        let mut index = 0;
        while let Some(&slot) = self.connections.connecting.get(index) {
            if now >= self.connections.at(slot).deadline {
                self.connections.connect_failed(slot, libc::ETIMEDOUT);
            } else {
                index += 1;
            }
        }
    }

    fn closing_is_done(&mut self, slot: u32, now: Instant) -> bool {
        self.send_slot(slot);
        let at = self.connections.at(slot);
        let Some(stream) = &at.stream else {
            return true;
        };
        if matches!(at.ended, Some(CloseReason::Error(_))) {
            return true;
        }
        if at.send.is_empty() {
            if at.ended.is_some() {
                return true;
            }
            if !at.shut {
                at.shut = true;
                self.system_calls += 1;
                if stream.shutdown(Shutdown::Write).is_err() {
                    return true;
                }
            }
        }
        if now < at.deadline {
            return false;
        }
        if !at.send.is_empty() {
            self.system_calls += 1;
            let _ = net::set_linger_zero(stream);
        }
        true
    }

    fn finish_closing(&mut self, slot: u32) {
        self.system_calls += 1;
        self.connections.finish_closing(slot);
        self.active.retain(|&other| other != slot);
        self.readiness[slot as usize].readable = false;
    }
}

impl Sockets for PollSockets {
    fn backend(&self) -> &'static str {
        "poll"
    }

    fn listen(&mut self, token: Token, address: SocketAddr) -> io::Result<SocketAddr> {
        // The standard library sets SO_REUSEADDR.
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let bound = socket.local_addr()?;
        let key = LISTENER_KEY | self.listeners.len() as u64;
        self.epoll.add(socket.as_raw_fd(), libc::EPOLLIN, key)?;
        self.listeners.push(Listener {
            token,
            socket,
            ready: true,
            retry_at_poll: 0,
        });
        self.system_calls += 6;
        Ok(bound)
    }

    fn connect(&mut self, token: Token, address: SocketAddr) -> io::Result<()> {
        let slot = self.connections.start_connecting(token, address)?;
        self.system_calls += 3;
        match net::start_connect(address) {
            Ok((stream, stands)) => {
                self.connections.at(slot).stream = Some(stream);
                if let Err(error) = self.watch(slot) {
                    self.connections.connect_failed(slot, errno(&error));
                } else if stands {
                    self.connections.connected(slot);
                    self.activate(slot);
                }
            }
            Err(error) => self.connections.connect_failed(slot, errno(&error)),
        }
        Ok(())
    }

    fn poll(&mut self) -> usize {
        self.polls += 1;
        let was_direct = self.direct;
        self.direct = self.may_go_direct();
        let mut count = 0;
        if self.direct {
            if self.polls.is_multiple_of(DIRECT_POLLS_PER_EPOLL) {
                self.ask_epoll(0);
                count += self.accept();
            }
            count += self.receive_direct();
        } else {
            if was_direct {
                for index in 0..self.active.len() {
                    let slot = self.active[index];
                    self.readiness[slot as usize].readable = true;
                    self.enqueue(slot);
                }
            }
            count += self.ask_epoll(0);
            self.accept();
            count += self.receive_ready();
        }
        self.progress();
        count
    }

    fn next_event(&mut self) -> Option<SocketEvent> {
        self.connections.next_event()
    }

    fn received(&self, connection: ConnectionId) -> &[u8] {
        self.connections.received(connection)
    }

    fn consume(&mut self, connection: ConnectionId, count: usize) {
        if let Some(open) = self.connections.open_mut(connection) {
            open.receive.consume(count);
            if !self.direct {
                self.enqueue(connection.slot);
            }
        }
    }

    fn requeue(&mut self, connection: ConnectionId) {
        self.connections.requeue(connection);
    }

    fn send_room(&self, connection: ConnectionId) -> usize {
        self.connections.send_room(connection)
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        let Some(open) = self.connections.open_mut(connection) else {
            return false;
        };
        let taken = open.send.push(bytes);
        if taken {
            self.mark_dirty(connection.slot);
        }
        taken
    }

    fn flush(&mut self) {
        while let Some(slot) = self.dirty.pop() {
            self.readiness[slot as usize].in_dirty = false;
            self.send_slot(slot);
        }
    }

    fn close(&mut self, connection: ConnectionId, abort: bool) {
        let Some(standing) = self.connections.standing(connection) else {
            return;
        };
        let slot = connection.slot;
        let is_open = standing.state == State::Open;
        if is_open {
            self.connections.start_closing(slot, CloseReason::Local);
            self.readiness[slot as usize].readable = true;
            self.enqueue(slot);
        }
        if abort {
            self.system_calls += 1;
            if let Some(stream) = &self.connections.at(slot).stream {
                let _ = net::set_linger_zero(stream);
            }
            self.finish_closing(slot);
        }
    }

    fn wait(&mut self, timeout_ns: u64) {
        let more_to_read = if self.direct {
            self.active
                .iter()
                .any(|&slot| self.readiness[slot as usize].readable)
        } else {
            !self.ready.is_empty()
        };
        let busy = more_to_read
            || !self.dirty.is_empty()
            || !self.connections.no_events()
            || !self.connections.ending.is_empty()
            || self.listeners.iter().any(|listener| listener.ready);
        if !busy {
            self.ask_epoll(timeout_ns);
        }
    }

    fn system_calls(&self) -> u64 {
        self.system_calls
    }
}
