//! The baseline that the gateway is measured against: a TCP relay that does nothing but receive and send, spinning.
//!
//! One thread owns it; non-blocking standard sockets with TCP_NODELAY, one `recv` and one `send` per direction and turn, no readiness
//! calls, no parsing. What always holds: bytes leave in the order in which they came; what the other side does not take waits
//! in a fixed buffer, and while there is some nothing more is received for it; an end is passed on after the last byte.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use crate::limits::{SIM_RELAY_BUFFER_BYTES, SIM_RELAY_CONNECTIONS_MAX};

/// With connections open, new ones are looked for once in so many turns: the look costs a system call.
const TURNS_PER_ACCEPT: u64 = 4096;

/// One direction of a connection.
struct Pipe {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The source has ended and the end was passed on.
    finished: bool,
}

impl Pipe {
    fn new() -> Self {
        Self {
            buffer: vec![0; SIM_RELAY_BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            finished: false,
        }
    }

    /// One receive, if nothing waits, and one send; returns the bytes received.
    fn turn(&mut self, from: &mut impl Read, to: &mut impl Write) -> io::Result<Turn> {
        if self.finished {
            return Ok(Turn::Moved(0));
        }
        let mut received = 0;
        if self.start == self.end {
            received = match from.read(&mut self.buffer) {
                Ok(0) => return Ok(Turn::Ended),
                Ok(count) => count,
                Err(e) if is_transient(&e) => return Ok(Turn::Moved(0)),
                Err(e) => return Err(e),
            };
            (self.start, self.end) = (0, received);
        }
        match to.write(&self.buffer[self.start..self.end]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => self.start += count,
            Err(e) if is_transient(&e) => {}
            Err(e) => return Err(e),
        }
        Ok(Turn::Moved(received))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Moved(usize),
    Ended,
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    up: Pipe,
    down: Pipe,
}

impl Connection {
    /// Bytes moved; `None` when it is over.
    fn turn(&mut self) -> Option<usize> {
        let up = self.up.turn(&mut self.client, &mut self.server).ok()?;
        let down = self.down.turn(&mut self.server, &mut self.client).ok()?;
        let mut moved = 0;
        for (turn, pipe, to) in [
            (up, &mut self.up, &self.server),
            (down, &mut self.down, &self.client),
        ] {
            match turn {
                Turn::Moved(bytes) => moved += bytes,
                Turn::Ended => {
                    pipe.finished = true;
                    // Fails only where the other side is gone already.
                    let _ = to.shutdown(Shutdown::Write);
                }
            }
        }
        (!self.up.finished || !self.down.finished).then_some(moved)
    }
}

/// A listener, and the connections that it passes on to one address.
pub struct Relay {
    listener: TcpListener,
    target: SocketAddr,
    connections: Vec<Connection>,
    turns: u64,
    /// Connections taken since the start.
    pub accepted: u64,
    /// Connections dropped because the target could not be reached or there were too many.
    pub refused: u64,
    /// Bytes passed on, both ways.
    pub bytes: u64,
}

impl Relay {
    /// Listens; connects to `target` for each connection that comes.
    pub fn new(listen: SocketAddr, target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            target,
            connections: Vec::with_capacity(SIM_RELAY_CONNECTIONS_MAX),
            turns: 0,
            accepted: 0,
            refused: 0,
            bytes: 0,
        })
    }

    /// Where it listens.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// One turn over all connections; returns bytes received and connections taken.
    pub fn duty_cycle(&mut self) -> usize {
        let mut work = 0;
        let mut at = 0;
        while at < self.connections.len() {
            match self.connections[at].turn() {
                Some(moved) => {
                    work += moved;
                    at += 1;
                }
                None => {
                    self.connections.swap_remove(at);
                }
            }
        }
        self.bytes += work as u64;
        self.turns += 1;
        if self.connections.is_empty() || self.turns.is_multiple_of(TURNS_PER_ACCEPT) {
            work += usize::from(self.accept());
        }
        work
    }

    fn accept(&mut self) -> bool {
        let Ok((client, _)) = self.listener.accept() else {
            return false;
        };
        match connect(client, self.target) {
            Ok(connection) if self.connections.len() < SIM_RELAY_CONNECTIONS_MAX => {
                self.connections.push(connection);
                self.accepted += 1;
            }
            _ => self.refused += 1,
        }
        true
    }
}

fn connect(client: TcpStream, target: SocketAddr) -> io::Result<Connection> {
    let server = TcpStream::connect(target)?;
    for stream in [&client, &server] {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
    }
    Ok(Connection {
        client,
        server,
        up: Pipe::new(),
        down: Pipe::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn passes_both_ways_in_order_and_passes_the_end_on() {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let target_address = target.local_addr().unwrap();
        let echo = thread::spawn(move || {
            let (mut stream, _) = target.accept().unwrap();
            let mut buffer = [0; 10_000];
            loop {
                match stream.read(&mut buffer).unwrap() {
                    0 => return,
                    count => stream.write_all(&buffer[..count]).unwrap(),
                }
            }
        });
        let mut relay = Relay::new("127.0.0.1:0".parse().unwrap(), target_address).unwrap();
        let address = relay.local_address().unwrap();
        // More than all buffers on the way hold, so that back-pressure is met.
        let sent: Vec<u8> = (0..8_000_000u32).map(|n| (n / 7) as u8).collect();
        let want = sent.clone();
        let client = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut writer = stream.try_clone().unwrap();
            let writing = thread::spawn(move || {
                writer.write_all(&sent).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            writing.join().unwrap();
            got
        });
        while !client.is_finished() {
            if relay.duty_cycle() == 0 {
                thread::yield_now();
            }
        }
        assert!(client.join().unwrap() == want, "bytes differ");
        echo.join().unwrap();
        relay.duty_cycle();
        assert_eq!((relay.accepted, relay.bytes), (1, 16_000_000));
        assert!(relay.connections.is_empty());
    }

    #[test]
    fn an_unreachable_target_drops_the_client() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = gone.local_addr().unwrap();
        drop(gone);
        let mut relay = Relay::new("127.0.0.1:0".parse().unwrap(), target).unwrap();
        let mut client = TcpStream::connect(relay.local_address().unwrap()).unwrap();
        while relay.duty_cycle() == 0 {}
        assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
        assert_eq!((relay.accepted, relay.refused), (0, 1));
    }
}
