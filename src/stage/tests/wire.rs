//! Sockets in memory for the stages' tests: the test says what the kernel says, and is the peer.
//!
//! One thread; a slot is a connection, its generation is always zero.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use crate::io::{CloseReason, ConnectionId, SocketEvent, Sockets, Token};

/// More than any stage is told of.
const SLOTS: usize = 2 * super::SLOTS;

/// Sockets without a kernel: the test is the peer.
pub(super) struct Wire {
    events: VecDeque<SocketEvent>,
    pub(super) open: [bool; SLOTS],
    /// Whose peer reads nothing
    pub(super) full: [bool; SLOTS],
    received: Vec<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Wire {
    pub(super) fn new() -> Self {
        Self {
            events: VecDeque::new(),
            open: [false; SLOTS],
            full: [false; SLOTS],
            received: vec![Vec::new(); SLOTS],
            sent: vec![Vec::new(); SLOTS],
        }
    }

    pub(super) fn connection(&mut self, slot: u32) -> ConnectionId {
        self.open[slot as usize] = true;
        self.received[slot as usize].clear();
        self.sent[slot as usize].clear();
        let generation = 0;
        ConnectionId { slot, generation }
    }

    pub(super) fn accept(&mut self, slot: u32) {
        self.accept_from(slot, [127, 0, 0, 1]);
    }

    pub(super) fn accept_from(&mut self, slot: u32, address: [u8; 4]) {
        let connection = self.connection(slot);
        self.events.push_back(SocketEvent::Accepted {
            listener: 0,
            connection,
            peer: SocketAddr::from((address, 1)),
        });
    }

    pub(super) fn connected(&mut self, token: Token) {
        let connection = self.connection(token);
        self.events
            .push_back(SocketEvent::Connected { token, connection });
    }

    pub(super) fn feed(&mut self, slot: u32, message: &[u8]) {
        self.received[slot as usize].extend_from_slice(message);
        self.events.push_back(SocketEvent::Readable(ConnectionId {
            slot,
            generation: 0,
        }));
    }

    pub(super) fn hang_up(&mut self, slot: u32) {
        let connection = ConnectionId {
            slot,
            generation: 0,
        };
        self.open[slot as usize] = false;
        self.events.push_back(SocketEvent::Closed {
            connection,
            reason: CloseReason::Peer,
        });
    }

    /// Messages sent since the last call, as `35=.. 34=..` with all their fields.
    pub(super) fn sent(&mut self, slot: u32) -> Vec<String> {
        let bytes = std::mem::take(&mut self.sent[slot as usize]);
        let text = String::from_utf8_lossy(&bytes).replace('\u{1}', "|");
        text.split_inclusive("8=FIX.4.4|")
            .filter(|part| part.contains("|35="))
            .map(|part| format!("|{part}"))
            .collect()
    }
}

impl Sockets for Wire {
    fn backend(&self) -> &'static str {
        "test"
    }
    fn listen(&mut self, _: Token, address: SocketAddr) -> io::Result<SocketAddr> {
        Ok(address)
    }
    fn connect(&mut self, _: Token, _: SocketAddr) -> io::Result<()> {
        Ok(())
    }
    fn poll(&mut self) -> usize {
        0
    }
    fn next_event(&mut self) -> Option<SocketEvent> {
        self.events.pop_front()
    }
    fn received(&self, connection: ConnectionId) -> &[u8] {
        match self.open[connection.slot as usize] {
            true => &self.received[connection.slot as usize],
            false => &[],
        }
    }
    fn consume(&mut self, connection: ConnectionId, count: usize) {
        self.received[connection.slot as usize].drain(..count);
    }
    fn requeue(&mut self, connection: ConnectionId) {
        self.events.push_back(SocketEvent::Readable(connection));
    }
    fn send_room(&self, connection: ConnectionId) -> usize {
        let slot = connection.slot as usize;
        (self.open[slot] && !self.full[slot]) as usize * (1 << 20)
    }
    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        let taken = self.send_room(connection) >= bytes.len();
        if taken {
            self.sent[connection.slot as usize].extend_from_slice(bytes);
        }
        taken
    }
    fn flush(&mut self) {}
    fn close(&mut self, connection: ConnectionId, _: bool) {
        self.hang_up(connection.slot);
    }
    fn wait(&mut self, _: u64) {}
    fn system_calls(&self) -> u64 {
        0
    }
}
