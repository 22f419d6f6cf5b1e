//! The sockets under test, what they reported, and peers from the standard library.
//!
//! Peers are blocking sockets on the test's own thread; waiting is bounded, and running out of it fails.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use gatehouse::io::{CloseReason, ConnectionId, SocketEvent, Sockets};
use gatehouse::sys::sockets::{AnySockets, Choice, open};

pub const LISTENER: u32 = 7;
pub const HANG: Duration = Duration::from_secs(20);

pub fn anywhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// The sockets under test with what they reported.
pub struct World {
    pub sockets: AnySockets,
    pub address: SocketAddr,
    pub accepted: Vec<ConnectionId>,
    pub readable: Vec<ConnectionId>,
    pub closed: Vec<(ConnectionId, CloseReason)>,
    pub others: Vec<SocketEvent>,
}

impl World {
    pub fn new(choice: Choice, connections_max: usize) -> Self {
        let (mut sockets, chosen) = open(choice, connections_max).expect("opens");
        assert_eq!(chosen.backend, sockets.backend());
        let address = sockets.listen(LISTENER, anywhere()).expect("listens");
        Self {
            sockets,
            address,
            accepted: Vec::new(),
            readable: Vec::new(),
            closed: Vec::new(),
            others: Vec::new(),
        }
    }

    pub fn turn(&mut self) {
        let count = self.sockets.poll();
        while let Some(event) = self.sockets.next_event() {
            match event {
                SocketEvent::Accepted {
                    listener,
                    connection,
                    ..
                } => {
                    assert_eq!(listener, LISTENER);
                    self.accepted.push(connection);
                }
                SocketEvent::Readable(connection) => {
                    assert!(!self.sockets.received(connection).is_empty());
                    self.readable.push(connection);
                }
                SocketEvent::Closed { connection, reason } => {
                    assert!(self.sockets.received(connection).is_empty());
                    self.closed.push((connection, reason));
                }
                other => self.others.push(other),
            }
        }
        self.sockets.flush();
        if count == 0 {
            self.sockets.wait(200_000);
        }
    }

    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + HANG;
        while !done(self) {
            assert!(Instant::now() < deadline, "hangs: {what}");
            self.turn();
        }
    }

    pub fn turns(&mut self, count: usize) {
        for _ in 0..count {
            self.turn();
        }
    }

    /// A client of ours and its connection.
    pub fn client(&mut self) -> (TcpStream, ConnectionId) {
        let known = self.accepted.len();
        let stream = TcpStream::connect(self.address).expect("connects");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(HANG)).expect("time-out");
        self.until("accept", |world| world.accepted.len() > known);
        (stream, self.accepted[known])
    }

    pub fn take_all(&mut self, connection: ConnectionId, into: &mut Vec<u8>) {
        into.extend_from_slice(self.sockets.received(connection));
        let count = self.sockets.received(connection).len();
        self.sockets.consume(connection, count);
    }
}

/// Runs the test for each back end that works here.
pub fn both(connections_max: usize, test: impl Fn(World)) {
    test(World::new(Choice::Poll, connections_max));
    match open(Choice::Uring, 1) {
        Ok(_) => test(World::new(Choice::Uring, connections_max)),
        Err(error) => println!("uring not tested: {error}"),
    }
}

/// Bytes that no shift or repetition leaves unnoticed.
pub fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}
