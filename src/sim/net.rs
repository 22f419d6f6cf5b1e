//! Sockets that live in memory: whoever owns them plays the peers, by hand.
//!
//! Owned by one thread, as any sockets are. For what must be repeatable to the instruction: counting, scripted worlds. Bytes are
//! copied where the real back ends copy them: into a send buffer by `send`; received ones stand where the kernel put them.
//! What always holds: events in the order in which they were made, at most one `Readable` of a connection waiting.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::io::{CloseReason, ConnectionId, SocketEvent, Sockets, Token};
use crate::limits::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};

/// The address of every peer.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// One end of one connection.
struct Connection {
    id: ConnectionId,
    open: bool,
    readable_waits: bool,
    /// Received bytes: `received[start..end]`.
    received: Box<[u8]>,
    start: usize,
    end: usize,
    /// Sent bytes that the peer has not taken.
    sent: Vec<u8>,
}

/// Sockets in memory.
#[derive(Default)]
pub struct MemorySockets {
    connections: Vec<Connection>,
    events: VecDeque<SocketEvent>,
}

impl MemorySockets {
    /// No connection yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A peer connects to the listener `token`.
    pub fn peer_connects(&mut self, token: Token) -> ConnectionId {
        let connection = self.open();
        self.events.push_back(SocketEvent::Accepted {
            listener: token,
            connection,
            peer: PEER,
        });
        connection
    }

    /// The peer sends `bytes`; false where the receive buffer has no room for them, and nothing is taken.
    pub fn peer_sends(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        let at = &mut self.connections[connection.slot as usize];
        if !at.open || at.end - at.start + bytes.len() > at.received.len() {
            return false;
        }
        if at.end + bytes.len() > at.received.len() {
            at.received.copy_within(at.start..at.end, 0);
            (at.start, at.end) = (0, at.end - at.start);
        }
        at.received[at.end..at.end + bytes.len()].copy_from_slice(bytes);
        at.end += bytes.len();
        self.requeue(connection);
        true
    }

    /// Takes what was sent to the peer: appended to `out`.
    pub fn peer_takes(&mut self, connection: ConnectionId, out: &mut Vec<u8>) {
        out.append(&mut self.connections[connection.slot as usize].sent);
    }

    /// The peer goes away.
    pub fn peer_closes(&mut self, connection: ConnectionId) {
        self.end(connection, CloseReason::Peer);
    }

    /// The connection that was opened last.
    pub fn last_connection(&self) -> Option<ConnectionId> {
        self.connections.last().map(|connection| connection.id)
    }

    fn open(&mut self) -> ConnectionId {
        let id = ConnectionId {
            slot: self.connections.len() as u32,
            generation: 1,
        };
        self.connections.push(Connection {
            id,
            open: true,
            readable_waits: false,
            received: vec![0; RECEIVE_BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            sent: Vec::with_capacity(SEND_BUFFER_BYTES),
        });
        id
    }

    fn end(&mut self, connection: ConnectionId, reason: CloseReason) {
        let at = &mut self.connections[connection.slot as usize];
        if std::mem::replace(&mut at.open, false) {
            (at.start, at.end) = (0, 0);
            self.events
                .push_back(SocketEvent::Closed { connection, reason });
        }
    }
}

impl Sockets for MemorySockets {
    fn backend(&self) -> &'static str {
        "memory"
    }

    fn listen(&mut self, _token: Token, address: SocketAddr) -> io::Result<SocketAddr> {
        Ok(address)
    }

    fn connect(&mut self, token: Token, _address: SocketAddr) -> io::Result<()> {
        let connection = self.open();
        self.events
            .push_back(SocketEvent::Connected { token, connection });
        Ok(())
    }

    fn poll(&mut self) -> usize {
        0
    }

    fn next_event(&mut self) -> Option<SocketEvent> {
        let event = self.events.pop_front()?;
        if let SocketEvent::Readable(connection) = event {
            self.connections[connection.slot as usize].readable_waits = false;
        }
        Some(event)
    }

    fn received(&self, connection: ConnectionId) -> &[u8] {
        let at = &self.connections[connection.slot as usize];
        &at.received[at.start..at.end]
    }

    fn consume(&mut self, connection: ConnectionId, count: usize) {
        let at = &mut self.connections[connection.slot as usize];
        at.start = (at.start + count).min(at.end);
        if at.start == at.end {
            (at.start, at.end) = (0, 0);
        }
    }

    fn requeue(&mut self, connection: ConnectionId) {
        let at = &mut self.connections[connection.slot as usize];
        if at.open && !std::mem::replace(&mut at.readable_waits, true) {
            self.events.push_back(SocketEvent::Readable(connection));
        }
    }

    fn send_room(&self, connection: ConnectionId) -> usize {
        let at = &self.connections[connection.slot as usize];
        if at.open {
            SEND_BUFFER_BYTES - at.sent.len()
        } else {
            0
        }
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.send_room(connection);
        if fits {
            let at = &mut self.connections[connection.slot as usize];
            at.sent.extend_from_slice(bytes);
        }
        fits
    }

    fn flush(&mut self) {}

    fn close(&mut self, connection: ConnectionId, _abort: bool) {
        self.end(connection, CloseReason::Local);
    }

    fn wait(&mut self, _timeout_ns: u64) {}

    fn system_calls(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_events_go_both_ways_once() {
        let mut sockets = MemorySockets::new();
        let connection = sockets.peer_connects(7);
        assert!(matches!(
            sockets.next_event(),
            Some(SocketEvent::Accepted { listener: 7, .. })
        ));
        assert!(sockets.peer_sends(connection, b"abc") && sockets.peer_sends(connection, b"de"));
        assert_eq!(
            sockets.next_event(),
            Some(SocketEvent::Readable(connection))
        );
        assert_eq!(sockets.next_event(), None);
        sockets.consume(connection, 2);
        assert_eq!(sockets.received(connection), b"cde");
        // Room is made where bytes were consumed, and no further.
        let rest = vec![0; RECEIVE_BUFFER_BYTES - 3];
        assert!(sockets.peer_sends(connection, &rest));
        assert!(!sockets.peer_sends(connection, b"x"));
        assert!(sockets.received(connection).starts_with(b"cde"));
        assert!(sockets.send(connection, b"out"));
        assert!(!sockets.send(connection, &vec![0; SEND_BUFFER_BYTES]));
        let mut taken = Vec::new();
        sockets.peer_takes(connection, &mut taken);
        sockets.peer_takes(connection, &mut taken);
        assert_eq!(taken, b"out");
        sockets.close(connection, true);
        sockets.peer_closes(connection);
        let events: Vec<_> = std::iter::from_fn(|| sockets.next_event()).collect();
        let closed = SocketEvent::Closed {
            connection,
            reason: CloseReason::Local,
        };
        assert_eq!(events, [SocketEvent::Readable(connection), closed]);
        assert!(!sockets.peer_sends(connection, b"x") && !sockets.send(connection, b"x"));
        assert!(sockets.received(connection).is_empty());
    }
}
