//! Choosing the socket back end at start, and the one type that stands for either.
//!
//! Used by whoever builds the stages; the value is then owned by the stage's thread. `Auto` takes io_uring where a trial on a
//! loopback connection shows that all it needs works, and polling sockets elsewhere; the reason is returned, so that it can be logged
//! and shown. Asked for by name, a back end that does not work is an error.

use std::io;
use std::net::SocketAddr;

use super::poll::PollSockets;
use super::uring::{self, UringSockets};
use crate::io::{ConnectionId, SocketEvent, Sockets, Token};

/// What the configuration asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Choice {
    /// io_uring if it works here, else polling.
    #[default]
    Auto,
    /// io_uring or an error.
    Uring,
    /// Polling.
    Poll,
}

/// What was taken, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chosen {
    /// Name of the back end, as [`Sockets::backend`].
    pub backend: &'static str,
    /// Why, in a sentence for the log.
    pub reason: String,
}

/// Either back end.
#[allow(clippy::large_enum_variant)]
pub enum AnySockets {
    /// Polling sockets.
    Poll(PollSockets),
    /// io_uring.
    Uring(UringSockets),
}

/// Opens the back end for at most `connections_max` connections. It belongs to the thread that first calls `poll`.
pub fn open(choice: Choice, connections_max: usize) -> io::Result<(AnySockets, Chosen)> {
    let poll = |reason: String| -> io::Result<(AnySockets, Chosen)> {
        let sockets = PollSockets::new(connections_max)?;
        let backend = sockets.backend();
        Ok((AnySockets::Poll(sockets), Chosen { backend, reason }))
    };
    if choice == Choice::Poll {
        return poll("asked for by the configuration".to_owned());
    }
    let opened = uring::probe().and_then(|()| UringSockets::new(connections_max));
    match (opened, choice) {
        (Ok(sockets), _) => {
            let backend = sockets.backend();
            let reason = format!("trial on a loopback connection passed; {}", sockets.setup());
            Ok((AnySockets::Uring(sockets), Chosen { backend, reason }))
        }
        (Err(error), Choice::Uring) => Err(io::Error::new(
            error.kind(),
            format!("io_uring does not work here: {error}; set io = \"poll\" or \"auto\""),
        )),
        (Err(error), _) => poll(format!("io_uring does not work here: {error}")),
    }
}

macro_rules! either {
    ($self:ident, $sockets:ident => $call:expr) => {
        match $self {
            AnySockets::Poll($sockets) => $call,
            AnySockets::Uring($sockets) => $call,
        }
    };
}

impl AnySockets {
    /// Connections that stand.
    pub fn connections_open(&self) -> usize {
        either!(self, sockets => sockets.connections_open())
    }
}

impl Sockets for AnySockets {
    fn backend(&self) -> &'static str {
        either!(self, sockets => sockets.backend())
    }

    fn listen(&mut self, token: Token, address: SocketAddr) -> io::Result<SocketAddr> {
        either!(self, sockets => sockets.listen(token, address))
    }

    fn connect(&mut self, token: Token, address: SocketAddr) -> io::Result<()> {
        either!(self, sockets => sockets.connect(token, address))
    }

    #[inline]
    fn poll(&mut self) -> usize {
        either!(self, sockets => sockets.poll())
    }

    #[inline]
    fn next_event(&mut self) -> Option<SocketEvent> {
        either!(self, sockets => sockets.next_event())
    }

    #[inline]
    fn received(&self, connection: ConnectionId) -> &[u8] {
        either!(self, sockets => sockets.received(connection))
    }

    #[inline]
    fn consume(&mut self, connection: ConnectionId, count: usize) {
        either!(self, sockets => sockets.consume(connection, count));
    }

    #[inline]
    fn requeue(&mut self, connection: ConnectionId) {
        either!(self, sockets => sockets.requeue(connection));
    }

    #[inline]
    fn send_room(&self, connection: ConnectionId) -> usize {
        either!(self, sockets => sockets.send_room(connection))
    }

    #[inline]
    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        either!(self, sockets => sockets.send(connection, bytes))
    }

    #[inline]
    fn flush(&mut self) {
        either!(self, sockets => sockets.flush());
    }

    fn close(&mut self, connection: ConnectionId, abort: bool) {
        either!(self, sockets => sockets.close(connection, abort));
    }

    fn wait(&mut self, timeout_ns: u64) {
        either!(self, sockets => sockets.wait(timeout_ns));
    }

    fn system_calls(&self) -> u64 {
        either!(self, sockets => sockets.system_calls())
    }

    fn connections_refused(&self) -> u64 {
        either!(self, sockets => sockets.connections_refused())
    }
}
