//! A host's sockets on the virtual network, behind the production seam.
//!
//! Owned by the host's stage; the network is shared on one thread. Receive and send buffers are as large as the real ones. A host can be
//! made to die at a step: from that call on nothing that it does reaches anybody, as if the process had ended there. What
//! always holds: a connection's end comes behind its bytes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use super::net::{Arrival, Host, Network, WireEnd};
use crate::io::{CloseReason, ConnectionId, SocketEvent, Sockets, Token};
use crate::limits::RECEIVE_BUFFER_BYTES;

/// Every peer's address.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

/// What was handed to a socket, and how far the log was then.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Committed end of the host's log
    pub position: u64,
    /// End of what of it was durable
    pub durable: u64,
    /// The bytes of one call
    pub bytes: Vec<u8>,
}

/// A process as its sockets see it: shared by the two hosts that it is.
#[derive(Default)]
pub struct Life {
    /// Calls that reached outside, so far
    pub steps: Cell<u64>,
    /// It dies at this one
    pub dies_at: Cell<Option<u64>>,
    dead: Cell<bool>,
    /// Where the logs' ends were at that moment
    pub ends: Cell<[u64; 3]>,
    /// How far they were durable at that moment
    pub durable_ends: Cell<[u64; 3]>,
    /// The logs' gauges
    pub gauges: RefCell<Vec<ringbuf::byte_log::LogGauge>>,
}

impl Life {
    /// Whether it has died.
    pub fn is_dead(&self) -> bool {
        self.dead.get()
    }

    /// It dies now, if it has not.
    pub fn die(&self) {
        if !self.dead.replace(true) {
            self.ends.set(self.positions());
            self.durable_ends
                .set([0, 1, 2].map(|log| self.durable(log)));
        }
    }

    /// Committed ends of the logs.
    pub fn positions(&self) -> [u64; 3] {
        let gauges = self.gauges.borrow();
        std::array::from_fn(|at| gauges.get(at).map_or(0, |gauge| gauge.position()))
    }

    /// How far a log is durable, by its own word.
    fn durable(&self, log: usize) -> u64 {
        let gauges = self.gauges.borrow();
        gauges.get(log).map_or(0, |gauge| gauge.released())
    }

    /// One call; false where it never happens.
    pub fn step(&self) -> bool {
        if self.dead.get() {
            return false;
        }
        let step = self.steps.get() + 1;
        self.steps.set(step);
        if self.dies_at.get().is_some_and(|at| step >= at) {
            self.die();
            return false;
        }
        true
    }
}

struct Connection {
    id: ConnectionId,
    at: Option<WireEnd>,
    readable_waits: bool,
    buffer: Vec<u8>,
    start: usize,
}

/// The sockets of one host.
pub struct VirtualSockets {
    net: Rc<RefCell<Network>>,
    host: Host,
    life: Rc<Life>,
    /// Which log says what may be sent, if any: an index of [`Life::positions`].
    log: Option<usize>,
    sent: Rc<RefCell<Vec<Sent>>>,
    connections: Vec<Connection>,
    free: Vec<u32>,
    events: VecDeque<SocketEvent>,
}

impl VirtualSockets {
    /// No connection yet. What is sent is noted in `sent` where `log` says which log should have it.
    pub fn new(
        net: Rc<RefCell<Network>>,
        host: Host,
        life: Rc<Life>,
        log: Option<usize>,
        sent: Rc<RefCell<Vec<Sent>>>,
    ) -> Self {
        Self {
            net,
            host,
            life,
            log,
            sent,
            connections: Vec::new(),
            free: Vec::new(),
            events: VecDeque::new(),
        }
    }

    fn open(&mut self, at: WireEnd) -> ConnectionId {
        let slot = self.free.pop().unwrap_or(self.connections.len() as u32);
        if slot as usize == self.connections.len() {
            self.connections.push(Connection {
                id: ConnectionId {
                    slot,
                    generation: 0,
                },
                at: None,
                readable_waits: false,
                buffer: Vec::new(),
                start: 0,
            });
        }
        let connection = &mut self.connections[slot as usize];
        connection.id.generation += 1;
        connection.at = Some(at);
        connection.readable_waits = false;
        connection.buffer.clear();
        connection.start = 0;
        connection.id
    }

    fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let connection = self.connections.get(id.slot as usize)?;
        (connection.id == id && connection.at.is_some()).then_some(connection)
    }

    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(id.slot as usize)?;
        (connection.id == id && connection.at.is_some()).then_some(connection)
    }

    fn closed(&mut self, slot: usize, reason: CloseReason) {
        let connection = &mut self.connections[slot];
        connection.at = None;
        connection.buffer.clear();
        connection.start = 0;
        let connection = connection.id;
        self.events
            .push_back(SocketEvent::Closed { connection, reason });
    }

    fn take_arrivals(&mut self) -> usize {
        let mut count = 0;
        loop {
            let arrival = self.net.borrow_mut().arrival(self.host);
            let Some(arrival) = arrival else {
                return count;
            };
            count += 1;
            let event = match arrival {
                Arrival::Accepted(listener, at) => SocketEvent::Accepted {
                    listener,
                    connection: self.open(at),
                    peer: PEER,
                },
                Arrival::Connected(token, at) => SocketEvent::Connected {
                    token,
                    connection: self.open(at),
                },
                Arrival::Failed(token, error) => SocketEvent::ConnectFailed { token, error },
            };
            self.events.push_back(event);
        }
    }
}

impl Sockets for VirtualSockets {
    fn backend(&self) -> &'static str {
        "virtual"
    }

    fn listen(&mut self, token: Token, address: SocketAddr) -> io::Result<SocketAddr> {
        self.net.borrow_mut().listen(self.host, token, address);
        Ok(address)
    }

    fn connect(&mut self, token: Token, address: SocketAddr) -> io::Result<()> {
        if self.life.step() {
            self.net.borrow_mut().connect(self.host, token, address);
        }
        Ok(())
    }

    fn poll(&mut self) -> usize {
        if !self.life.step() {
            return 0;
        }
        let mut work = self.take_arrivals();
        for slot in 0..self.connections.len() {
            let connection = &mut self.connections[slot];
            let Some(at) = connection.at else {
                continue;
            };
            let room = RECEIVE_BUFFER_BYTES - (connection.buffer.len() - connection.start);
            if connection.start > 0 {
                connection.buffer.drain(..connection.start);
                connection.start = 0;
            }
            let mut net = self.net.borrow_mut();
            let id = connection.id;
            if net.receive(at, room, &mut connection.buffer) {
                work += 1;
                if !std::mem::replace(&mut connection.readable_waits, true) {
                    self.events.push_back(SocketEvent::Readable(id));
                }
            }
            if connection.readable_waits {
                continue;
            }
            let end = net.end_of(at);
            drop(net);
            if let Some(reason) = end {
                work += 1;
                self.closed(slot, reason);
            }
        }
        work
    }

    fn next_event(&mut self) -> Option<SocketEvent> {
        if self.life.is_dead() {
            return None;
        }
        let event = self.events.pop_front()?;
        match event {
            SocketEvent::Readable(id) => {
                if let Some(connection) = self.get_mut(id) {
                    connection.readable_waits = false;
                }
            }
            SocketEvent::Closed { connection, .. } => self.free.push(connection.slot),
            _ => {}
        }
        Some(event)
    }

    fn received(&self, connection: ConnectionId) -> &[u8] {
        match self.get(connection) {
            Some(connection) => &connection.buffer[connection.start..],
            None => &[],
        }
    }

    fn consume(&mut self, connection: ConnectionId, count: usize) {
        if let Some(connection) = self.get_mut(connection) {
            connection.start = (connection.start + count).min(connection.buffer.len());
        }
    }

    fn requeue(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id)
            && !std::mem::replace(&mut connection.readable_waits, true)
        {
            self.events.push_back(SocketEvent::Readable(id));
        }
    }

    fn send_room(&self, connection: ConnectionId) -> usize {
        let at = self.get(connection).and_then(|connection| connection.at);
        at.map_or(0, |at| self.net.borrow().room(at))
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        let Some(at) = self.get(connection).and_then(|connection| connection.at) else {
            return false;
        };
        if bytes.len() > self.net.borrow().room(at) {
            return false;
        }
        if !self.life.step() {
            return true;
        }
        if let Some(log) = self.log {
            self.sent.borrow_mut().push(Sent {
                position: self.life.positions()[log],
                durable: self.life.durable(log),
                bytes: bytes.to_vec(),
            });
        }
        self.net.borrow_mut().send(at, bytes);
        true
    }

    fn flush(&mut self) {}

    fn close(&mut self, connection: ConnectionId, abort: bool) {
        let Some(at) = self.get(connection).and_then(|connection| connection.at) else {
            return;
        };
        if self.life.step() {
            self.net.borrow_mut().close(at, abort);
        }
        self.closed(connection.slot as usize, CloseReason::Local);
    }

    fn wait(&mut self, _timeout_ns: u64) {}

    fn system_calls(&self) -> u64 {
        0
    }
}
