//! The io_uring socket back end: multishot accept, multishot receive into provided buffers, registered files, sends from
//! the connection's own buffer.
//!
//! The value may be made anywhere; the thread that first calls `poll` (or `flush`, `wait`) owns it from then on, and no other may
//! use it: the kernel binds the ring to that thread. While nothing happens there is no system call: the owner spins on a
//! flag in shared memory. What always holds: at most one send and one receive request per connection are with the
//! kernel; a slot is reused only after both are completed, so memory that the kernel may touch is never given to another; a connection
//! whose receive buffer is full keeps at most its own provided buffers busy, then its peer is held back by TCP.

mod completions;
mod probe;
mod provided;
mod requests;
mod ring;

pub use probe::probe;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use io_uring::types::{CancelBuilder, Timespec};
use io_uring::{opcode, types};

use self::provided::BufferGroup;
use self::ring::{Ring, Wish};
use super::connections::{Connections, State};
use super::net::{self, errno};
use crate::io::{CloseReason, ConnectionId, SocketEvent, Sockets, Token};

/// Completions handled per poll.
const COMPLETIONS_PER_POLL: usize = 256;
/// How long dropping the sockets waits for the kernel to let go of the memory.
const DROP_TIME_MAX: Duration = Duration::from_secs(1);

/// What a request was for: the top byte of its user data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Operation {
    Accept = 1,
    Connect = 2,
    Receive = 3,
    Send = 4,
    Cancel = 5,
}

impl Operation {
    fn user_data(self, slot: u32, generation: u32) -> u64 {
        u64::from(self as u8) << 56 | u64::from(slot) << 32 | u64::from(generation)
    }

    /// Operation, slot (or index of the listener) and generation.
    fn parse(user_data: u64) -> Option<(Self, u32, u32)> {
        let operation = match user_data >> 56 {
            1 => Self::Accept,
            2 => Self::Connect,
            3 => Self::Receive,
            4 => Self::Send,
            5 => Self::Cancel,
            _ => return None,
        };
        let slot = (user_data >> 32) as u32 & 0xff_ffff;
        Some((operation, slot, user_data as u32))
    }
}

struct Listener {
    token: Token,
    socket: TcpListener,
    armed: bool,
    retry_at_poll: u64,
}

/// What of a slot is with the kernel.
struct Flight {
    receiving: bool,
    sending: bool,
    /// Its requests were cancelled; when they are completed it is closed.
    finishing: bool,
    in_dirty: bool,
    group: BufferGroup,
}

/// Sockets on an io_uring.
pub struct UringSockets {
    /// Before the memory, so that it is gone first.
    ring: Ring,
    listeners: Vec<Listener>,
    flights: Box<[Flight]>,
    /// To be sent.
    dirty: Vec<u32>,
    open_count: usize,
    polls: u64,
    connections: Connections,
}

impl UringSockets {
    /// Makes ring, slots and buffers for `connections_max` connections. Allocates all that it will ever need, listeners apart.
    pub fn new(connections_max: usize) -> io::Result<Self> {
        Self::with(connections_max, Wish::BEST)
    }

    fn with(connections_max: usize, wish: Wish) -> io::Result<Self> {
        let mut connections = Connections::new(connections_max, BufferGroup::BYTES)?;
        let mut ring = Ring::new(connections_max, wish)?;
        let flights = (0..connections_max as u32)
            .map(|slot| {
                let memory = connections.extra(slot);
                // SAFETY: the extra memory of a slot is page-aligned, zeroed and its own; it is unmapped after the ring
                // is gone (order of the fields), or never.
                let group = unsafe { BufferGroup::new(memory, slot as u16, &ring.submitter()) };
                Ok(Flight {
                    receiving: false,
                    sending: false,
                    finishing: false,
                    in_dirty: false,
                    group: group.map_err(Ring::check_limits)?,
                })
            })
            .collect::<io::Result<Box<[Flight]>>>()?;
        ring.count_system_calls(connections_max as u64);
        Ok(Self {
            ring,
            listeners: Vec::new(),
            flights,
            dirty: Vec::with_capacity(connections_max),
            open_count: 0,
            polls: 0,
            connections,
        })
    }

    /// What the kernel granted, for people.
    pub fn setup(&self) -> String {
        let setup = self.ring.setup();
        format!(
            "{} task work, {} files, {} entries",
            if setup.deferred {
                "deferred"
            } else {
                "cooperative"
            },
            if setup.fixed_files {
                "registered"
            } else {
                "plain"
            },
            setup.entries
        )
    }

    /// Connections that stand.
    pub fn connections_open(&self) -> usize {
        self.open_count
    }

    /// Takes over a socket as if it had been accepted.
    fn adopt(&mut self, stream: TcpStream) {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        if let Some(slot) = self.connections.accept(0, stream, nowhere) {
            self.activate(slot);
        }
    }

    /// A new connection stands: its socket is registered, and receiving begins.
    fn activate(&mut self, slot: u32) {
        self.open_count += 1;
        let at = self.connections.at(slot);
        let Some(stream) = &at.stream else { return };
        if let Err(error) = self.ring.set_file(slot, Some(stream.as_raw_fd())) {
            let reason = CloseReason::Error(errno(&error));
            self.connections.ended(slot, reason);
            return;
        }
        self.arm_receive(slot);
    }

    fn mark_dirty(&mut self, slot: u32) {
        let flight = &mut self.flights[slot as usize];
        if !flight.in_dirty {
            flight.in_dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Moves held bytes into the receive buffer as far as there is room; then receiving may go on.
    fn take_held(&mut self, slot: u32) {
        let flight = &mut self.flights[slot as usize];
        let at = self.connections.at(slot);
        let taken = match at.state {
            State::Open => flight.group.drain(|bytes| at.receive.append(bytes)),
            // Nobody reads it any more.
            _ => flight.group.drain(<[u8]>::len),
        };
        if taken > 0 {
            self.connections.readable(slot);
        }
        self.arm_receive(slot);
    }
}

impl Sockets for UringSockets {
    fn backend(&self) -> &'static str {
        "uring"
    }

    fn listen(&mut self, token: Token, address: SocketAddr) -> io::Result<SocketAddr> {
        // The standard library sets SO_REUSEADDR. The socket stays blocking: the ring waits for it.
        let socket = TcpListener::bind(address)?;
        let bound = socket.local_addr()?;
        self.listeners.push(Listener {
            token,
            socket,
            armed: false,
            retry_at_poll: 0,
        });
        self.ring.count_system_calls(5);
        self.arm_accept(self.listeners.len() - 1);
        Ok(bound)
    }

    fn connect(&mut self, token: Token, address: SocketAddr) -> io::Result<()> {
        let slot = self.connections.start_connecting(token, address)?;
        self.ring.count_system_calls(3);
        match net::start_connect(address) {
            Ok((stream, stands)) => {
                let fd = types::Fd(stream.as_raw_fd());
                self.connections.at(slot).stream = Some(stream);
                if stands {
                    self.finish_connect(slot);
                } else {
                    let entry = opcode::PollAdd::new(fd, libc::POLLOUT as u32).build();
                    self.push(entry, Operation::Connect, slot);
                }
            }
            Err(error) => self.connections.connect_failed(slot, errno(&error)),
        }
        Ok(())
    }

    fn poll(&mut self) -> usize {
        if !self.ring.is_started() {
            self.ring.start();
        }
        self.polls += 1;
        self.ring.turn();
        let count = self.handle_completions(COMPLETIONS_PER_POLL);
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
            let flight = &self.flights[connection.slot as usize];
            if !flight.receiving || !flight.group.holds_nothing() {
                self.take_held(connection.slot);
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
        if !self.ring.is_started() {
            self.ring.start();
        }
        while let Some(slot) = self.dirty.pop() {
            self.flights[slot as usize].in_dirty = false;
            self.arm_send(slot);
        }
        self.ring.submit();
    }

    fn close(&mut self, connection: ConnectionId, abort: bool) {
        let Some(standing) = self.connections.standing(connection) else {
            return;
        };
        let slot = connection.slot;
        if standing.state == State::Open {
            self.connections.start_closing(slot, CloseReason::Local);
            self.take_held(slot);
        }
        if abort && !self.flights[slot as usize].finishing {
            self.reset(slot);
        }
    }

    fn wait(&mut self, timeout_ns: u64) {
        let busy = !self.dirty.is_empty()
            || !self.connections.no_events()
            || !self.connections.ending.is_empty();
        if !busy && self.ring.is_started() {
            self.ring.wait(timeout_ns);
        }
    }

    fn system_calls(&self) -> u64 {
        self.ring.system_calls()
    }

    fn connections_refused(&self) -> u64 {
        self.connections.refused
    }
}

impl Drop for UringSockets {
    /// Takes everything back from the kernel. If that does not succeed the memory is left to it for good.
    fn drop(&mut self) {
        if !self.ring.is_started() {
            return;
        }
        let busy = |flight: &Flight| flight.receiving || flight.sending;
        if !self.ring.is_owned_here() {
            // Only the owner may ask the kernel to stop; it will stop by itself, some time after the ring is closed.
            if self.flights.iter().any(busy) {
                self.connections.leak_memory();
            }
            return;
        }
        self.ring.submit();
        let deadline = Instant::now() + DROP_TIME_MAX;
        let all = CancelBuilder::any().all();
        let timeout = Timespec::from(DROP_TIME_MAX);
        let _ = self
            .ring
            .submitter()
            .register_sync_cancel(Some(timeout), all);
        while self.flights.iter().any(busy) {
            if Instant::now() >= deadline {
                self.connections.leak_memory();
                return;
            }
            self.ring.wait(1_000_000);
            self.note_completions();
        }
    }
}
