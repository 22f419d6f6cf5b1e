//! The polling socket back end: non-blocking sockets, readiness from a spinning `epoll_wait(0)`, edge-triggered.
//!
//! One owner thread, any. With no more than `DIRECT_MAX` connections it asks the sockets themselves instead of epoll, which
//! saves a system call on the way of a message; epoll is then asked only now and then, for new connections.
//! What always holds: one receive per connection and turn, in the order of readiness; a connection whose receive buffer
//! is full is not read; a slot in `ready` or `dirty` is there once. Closing runs inside `poll` and is bounded by
//! [`CLOSE_NS_MAX`](crate::limits::CLOSE_NS_MAX).

mod traffic;

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::time::Instant;

use super::connections::{Connections, State};
use super::net::{self, Epoll, errno};
use crate::io::{CloseReason, ConnectionId, SocketEvent, Sockets, Token};

/// Up to this many connections are read without asking epoll first.
const DIRECT_MAX: usize = 2;
/// In the direct mode epoll is asked once in so many polls.
const DIRECT_POLLS_PER_EPOLL: u64 = 64;
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

    fn connections_refused(&self) -> u64 {
        self.connections.refused
    }
}
