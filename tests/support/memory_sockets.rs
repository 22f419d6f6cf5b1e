//! Sockets without a kernel: pipes of bytes in this thread, with the bounds of the real ones. Everything is made before it is used,
//! so that whatever allocates in a duty cycle is the stage, not the sockets.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use gatehouse::io::{CloseReason, ConnectionId, SocketEvent, Sockets, Token};
use gatehouse::limits::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};

/// One direction of a connection. What does not fit is not taken.
#[derive(Default)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    /// No more comes.
    ended: bool,
    /// Nobody reads any more.
    abandoned: bool,
}

struct Incoming {
    token: Token,
    input: usize,
    output: usize,
}

/// All pipes, and who listens.
#[derive(Default)]
pub struct Network {
    pipes: Vec<Pipe>,
    hosts: Vec<VecDeque<Incoming>>,
    listeners: Vec<(SocketAddr, usize, Token)>,
}

pub type SharedNetwork = Rc<RefCell<Network>>;

impl Network {
    fn pipe(&mut self) -> usize {
        self.pipes.push(Pipe {
            bytes: VecDeque::with_capacity(SEND_BUFFER_BYTES),
            ..Pipe::default()
        });
        self.pipes.len() - 1
    }

    /// Nobody listens there any more.
    pub fn silence(&mut self, address: SocketAddr) {
        self.listeners.retain(|entry| entry.0 != address);
    }

    /// Connects to whoever listens there; input and output of the caller.
    fn connect(&mut self, address: SocketAddr) -> Option<(usize, usize)> {
        let found = self.listeners.iter().find(|entry| entry.0 == address);
        let &(_, host, token) = found?;
        let (input, output) = (self.pipe(), self.pipe());
        self.hosts[host].push_back(Incoming {
            token,
            input: output,
            output: input,
        });
        Some((input, output))
    }
}

struct Slot {
    generation: u32,
    open: bool,
    input: usize,
    output: usize,
    received: Vec<u8>,
    readable: bool,
}

/// The back end.
pub struct MemorySockets {
    network: SharedNetwork,
    host: usize,
    slots: Vec<Slot>,
    events: VecDeque<SocketEvent>,
}

impl MemorySockets {
    pub fn new(network: SharedNetwork, connections_max: usize) -> Self {
        let host = {
            let mut network = network.borrow_mut();
            network.hosts.push(VecDeque::with_capacity(connections_max));
            network.hosts.len() - 1
        };
        let slot = |_| Slot {
            generation: 0,
            open: false,
            input: 0,
            output: 0,
            received: Vec::with_capacity(RECEIVE_BUFFER_BYTES),
            readable: false,
        };
        Self {
            network,
            host,
            slots: (0..connections_max).map(slot).collect(),
            events: VecDeque::with_capacity(4 * connections_max),
        }
    }

    fn take_slot(&mut self, input: usize, output: usize) -> ConnectionId {
        let at = self.slots.iter().position(|slot| !slot.open);
        let at = at.expect("a free slot");
        let slot = &mut self.slots[at];
        slot.generation += 1;
        (slot.open, slot.readable) = (true, false);
        (slot.input, slot.output) = (input, output);
        slot.received.clear();
        ConnectionId {
            slot: at as u32,
            generation: slot.generation,
        }
    }

    fn slot(&self, connection: ConnectionId) -> Option<&Slot> {
        let slot = &self.slots[connection.slot as usize];
        (slot.open && slot.generation == connection.generation).then_some(slot)
    }

    fn free(&mut self, connection: ConnectionId, reason: CloseReason) {
        let slot = &mut self.slots[connection.slot as usize];
        slot.open = false;
        slot.received.clear();
        let mut network = self.network.borrow_mut();
        network.pipes[slot.output].ended = true;
        network.pipes[slot.input].abandoned = true;
        self.events
            .push_back(SocketEvent::Closed { connection, reason });
    }
}

impl Sockets for MemorySockets {
    fn backend(&self) -> &'static str {
        "memory"
    }

    fn listen(&mut self, token: Token, address: SocketAddr) -> io::Result<SocketAddr> {
        let mut network = self.network.borrow_mut();
        network.listeners.push((address, self.host, token));
        Ok(address)
    }

    fn connect(&mut self, token: Token, address: SocketAddr) -> io::Result<()> {
        let connected = self.network.borrow_mut().connect(address);
        let event = match connected {
            Some((input, output)) => SocketEvent::Connected {
                token,
                connection: self.take_slot(input, output),
            },
            None => SocketEvent::ConnectFailed { token, error: 111 },
        };
        self.events.push_back(event);
        Ok(())
    }

    fn poll(&mut self) -> usize {
        let mut happened = 0;
        loop {
            let incoming = self.network.borrow_mut().hosts[self.host].pop_front();
            let Some(incoming) = incoming else { break };
            let connection = self.take_slot(incoming.input, incoming.output);
            self.events.push_back(SocketEvent::Accepted {
                listener: incoming.token,
                connection,
                peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            });
            happened += 1;
        }
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            if !slot.open {
                continue;
            }
            let connection = ConnectionId {
                slot: at as u32,
                generation: slot.generation,
            };
            let mut network = self.network.borrow_mut();
            let pipe = &mut network.pipes[slot.input];
            let room = RECEIVE_BUFFER_BYTES - slot.received.len();
            let count = room.min(pipe.bytes.len());
            let (first, second) = pipe.bytes.as_slices();
            let cut = count.min(first.len());
            slot.received.extend_from_slice(&first[..cut]);
            slot.received.extend_from_slice(&second[..count - cut]);
            pipe.bytes.drain(..count);
            let over = pipe.ended && pipe.bytes.is_empty();
            drop(network);
            if count > 0 {
                happened += 1;
                if !slot.readable {
                    slot.readable = true;
                    self.events.push_back(SocketEvent::Readable(connection));
                }
            } else if over && !slot.readable {
                happened += 1;
                self.free(connection, CloseReason::Peer);
            }
        }
        happened
    }

    fn next_event(&mut self) -> Option<SocketEvent> {
        let event = self.events.pop_front()?;
        if let SocketEvent::Readable(connection) = event {
            let slot = &mut self.slots[connection.slot as usize];
            slot.readable &= slot.generation != connection.generation;
        }
        Some(event)
    }

    fn received(&self, connection: ConnectionId) -> &[u8] {
        self.slot(connection).map_or(&[], |slot| &slot.received)
    }

    fn consume(&mut self, connection: ConnectionId, count: usize) {
        if self.slot(connection).is_some() {
            self.slots[connection.slot as usize].received.drain(..count);
        }
    }

    fn requeue(&mut self, connection: ConnectionId) {
        if self.slot(connection).is_some_and(|slot| !slot.readable) {
            self.slots[connection.slot as usize].readable = true;
            self.events.push_back(SocketEvent::Readable(connection));
        }
    }

    fn send_room(&self, connection: ConnectionId) -> usize {
        self.slot(connection).map_or(0, |slot| {
            SEND_BUFFER_BYTES - self.network.borrow().pipes[slot.output].bytes.len()
        })
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        if self.send_room(connection) < bytes.len() {
            return false;
        }
        let output = self.slots[connection.slot as usize].output;
        let pipe = &mut self.network.borrow_mut().pipes[output];
        if !pipe.abandoned {
            pipe.bytes.extend(bytes);
        }
        true
    }

    fn flush(&mut self) {}

    fn close(&mut self, connection: ConnectionId, _abort: bool) {
        if self.slot(connection).is_some() {
            self.free(connection, CloseReason::Local);
        }
    }

    fn wait(&mut self, _timeout_ns: u64) {}

    fn system_calls(&self) -> u64 {
        0
    }
}

/// A peer's end of a connection. Reading turns the gateway until something comes.
pub struct MemoryStream {
    network: SharedNetwork,
    turn: Rc<dyn Fn()>,
    input: usize,
    output: usize,
}

/// Turns of the gateway without a byte after which a reader gives up.
const TURNS_MAX: usize = 200_000;

impl MemoryStream {
    /// Connects to a listener.
    pub fn connect(network: &SharedNetwork, address: SocketAddr, turn: Rc<dyn Fn()>) -> Self {
        let connected = network.borrow_mut().connect(address);
        let (input, output) = connected.expect("it listens");
        Self {
            network: network.clone(),
            turn,
            input,
            output,
        }
    }

    /// Takes the next connection that the gateway makes to `host` of [`listen`].
    pub fn accept(network: &SharedNetwork, host: usize, turn: Rc<dyn Fn()>) -> Self {
        for _ in 0..TURNS_MAX {
            let incoming = network.borrow_mut().hosts[host].pop_front();
            if let Some(incoming) = incoming {
                return Self {
                    network: network.clone(),
                    turn,
                    input: incoming.input,
                    output: incoming.output,
                };
            }
            turn();
        }
        panic!("the gateway does not connect");
    }

    /// Bytes that wait to be read.
    pub fn waiting(&self) -> usize {
        self.network.borrow().pipes[self.input].bytes.len()
    }
}

/// A place where the gateway can connect to; for [`MemoryStream::accept`].
pub fn listen(network: &SharedNetwork, address: SocketAddr) -> usize {
    let mut network = network.borrow_mut();
    network.hosts.push(VecDeque::new());
    let host = network.hosts.len() - 1;
    network.listeners.push((address, host, 0));
    host
}

impl io::Read for MemoryStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        for _ in 0..TURNS_MAX {
            {
                let pipe = &mut self.network.borrow_mut().pipes[self.input];
                if !pipe.bytes.is_empty() {
                    return pipe.bytes.read(out);
                }
                if pipe.ended {
                    return Ok(0);
                }
            }
            (self.turn)();
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl io::Write for MemoryStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for _ in 0..TURNS_MAX {
            {
                let pipe = &mut self.network.borrow_mut().pipes[self.output];
                let room = SEND_BUFFER_BYTES - pipe.bytes.len();
                if room > 0 {
                    let count = room.min(bytes.len());
                    pipe.bytes.extend(&bytes[..count]);
                    return Ok(count);
                }
            }
            (self.turn)();
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        let mut network = self.network.borrow_mut();
        network.pipes[self.output].ended = true;
        network.pipes[self.input].abandoned = true;
    }
}
