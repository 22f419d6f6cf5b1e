//! Sockets in memory that are as slow as a process may be killed: bytes leave at the flush, and some of them never.
//!
//! Around [`MemorySockets`]; the random numbers come from the test's seed.

use std::io;
use std::net::SocketAddr;

use gatehouse::io::{ConnectionId, SocketEvent, Sockets, Token};
use gatehouse::sim::random::Random;

use super::memory_sockets::{MemorySockets, SharedNetwork};

/// Sockets that hand nothing on before the flush, and lose some messages then.
pub struct Held {
    pub inner: MemorySockets,
    waiting: Vec<Waiting>,
    random: Random,
    loss_percent: u64,
}

enum Waiting {
    Send(ConnectionId, Vec<u8>),
    Close(ConnectionId, bool),
}

impl Held {
    pub fn new(network: &SharedNetwork, connections: usize, seed: u64, loss_percent: u64) -> Self {
        Self {
            inner: MemorySockets::new(network.clone(), connections),
            waiting: Vec::new(),
            random: Random::new(seed),
            loss_percent,
        }
    }
}

impl Sockets for Held {
    fn backend(&self) -> &'static str {
        "held"
    }
    fn listen(&mut self, token: Token, address: SocketAddr) -> io::Result<SocketAddr> {
        self.inner.listen(token, address)
    }
    fn connect(&mut self, token: Token, address: SocketAddr) -> io::Result<()> {
        self.inner.connect(token, address)
    }
    fn poll(&mut self) -> usize {
        self.inner.poll()
    }
    fn next_event(&mut self) -> Option<SocketEvent> {
        self.inner.next_event()
    }
    fn received(&self, connection: ConnectionId) -> &[u8] {
        self.inner.received(connection)
    }
    fn consume(&mut self, connection: ConnectionId, count: usize) {
        self.inner.consume(connection, count);
    }
    fn requeue(&mut self, connection: ConnectionId) {
        self.inner.requeue(connection);
    }
    fn send_room(&self, connection: ConnectionId) -> usize {
        let waiting = self.waiting.iter().map(|waiting| match waiting {
            Waiting::Send(to, bytes) if *to == connection => bytes.len(),
            _ => 0,
        });
        let waiting: usize = waiting.sum();
        self.inner.send_room(connection).saturating_sub(waiting)
    }
    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        let fits = self.send_room(connection) >= bytes.len();
        if fits {
            let bytes = bytes.to_vec();
            self.waiting.push(Waiting::Send(connection, bytes));
        }
        fits
    }
    fn flush(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting {
                Waiting::Send(_, _) if self.random.below(100) < self.loss_percent => {}
                Waiting::Send(to, bytes) => {
                    self.inner.send(to, &bytes);
                }
                Waiting::Close(connection, abort) => self.inner.close(connection, abort),
            }
        }
    }
    fn close(&mut self, connection: ConnectionId, abort: bool) {
        self.waiting.push(Waiting::Close(connection, abort));
    }
    fn wait(&mut self, _: u64) {}
    fn system_calls(&self) -> u64 {
        0
    }
}
