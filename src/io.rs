//! The seams to the outside: sockets, as the stages use them. `sys` implements them with io_uring and with polling sockets,
//! `sim` with a virtual network.
//!
//! One owner thread per implementation value. No call blocks but [`Sockets::wait`]. The implementation owns the buffers: what is not consumed stays, and
//! when a receive buffer is full nothing more is read from that peer, so that back-pressure reaches it through TCP.

use std::io;
use std::net::SocketAddr;

/// A connection: slot and generation, so that a late use of a closed one finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ConnectionId {
    /// Dense, below the implementation's `connections_max`.
    pub slot: u32,
    /// Rises with each reuse of the slot.
    pub generation: u32,
}

/// Chosen by the owner to name a listener or a connecting socket in events.
pub type Token = u32;

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The peer ended it in order.
    Peer,
    /// The peer or the network broke it, or connecting failed (errno).
    Error(i32),
    /// We closed it.
    Local,
}

/// What happened. At most one `Readable` per connection is queued at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketEvent {
    /// A client connected to the listener.
    Accepted {
        /// Of the listener.
        listener: Token,
        /// New.
        connection: ConnectionId,
        /// Its address.
        peer: SocketAddr,
    },
    /// A connection that we asked for stands.
    Connected {
        /// As given to `connect`.
        token: Token,
        /// New.
        connection: ConnectionId,
    },
    /// A connection that we asked for failed (errno).
    ConnectFailed {
        /// As given to `connect`.
        token: Token,
        /// errno
        error: i32,
    },
    /// There are bytes in `received`.
    Readable(ConnectionId),
    /// It is gone; `received` is empty from here on. Comes once, also after `close`. When the peer ended, it comes behind
    /// the bytes sent before: only once no `Readable` of the connection waits.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
}

/// Non-blocking stream sockets.
pub trait Sockets {
    /// Name of the back end, for people.
    fn backend(&self) -> &'static str;

    /// Listens; returns the bound address (for port 0).
    fn listen(&mut self, token: Token, address: SocketAddr) -> io::Result<SocketAddr>;

    /// Starts to connect; the answer comes as an event.
    fn connect(&mut self, token: Token, address: SocketAddr) -> io::Result<()>;

    /// Takes what the kernel has: accepts, receives, completes. Bounded work; returns how many things happened.
    fn poll(&mut self) -> usize;

    /// The next event, oldest first, each connection in turn.
    fn next_event(&mut self) -> Option<SocketEvent>;

    /// Bytes received and not yet consumed. Empty for a connection that is gone.
    fn received(&self, connection: ConnectionId) -> &[u8];

    /// Drops the first `count` received bytes.
    fn consume(&mut self, connection: ConnectionId, count: usize);

    /// Asks for another `Readable` behind the others, where bytes were left that can be used later. Call it before the next
    /// `poll`, or the peer's end may be reported over them.
    fn requeue(&mut self, connection: ConnectionId);

    /// Bytes that `send` would take now.
    fn send_room(&self, connection: ConnectionId) -> usize;

    /// Queues `bytes` whole and returns true, or takes nothing and returns false (no room, or the connection is gone).
    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool;

    /// Hands to the kernel what `send` queued since the last call. Called once per duty cycle.
    fn flush(&mut self);

    /// Sends what is queued, then closes in order; gives up after a bounded time. `abort` closes at once.
    fn close(&mut self, connection: ConnectionId, abort: bool);

    /// Sleeps until something happens, at most `timeout_ns`. Only for the `park` idle strategy.
    fn wait(&mut self, timeout_ns: u64);

    /// System calls made since the start.
    fn system_calls(&self) -> u64;

    /// Clients that were accepted and closed at once because no connection was free.
    fn connections_refused(&self) -> u64 {
        0
    }
}

/// A log on disk, for the journal thread alone. Calls may block.
pub trait LogFile {
    /// Writes behind what was written before.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything appended is durable, or where [`LogFile::begin_sync`] was called, what was appended before that. After an
    /// error nothing may be assumed of what was not durable before.
    fn sync(&mut self) -> io::Result<()>;

    /// A sync follows, and those of other files meanwhile: it may begin. Nothing is appended between the two.
    fn begin_sync(&mut self) {}

    /// A bounded piece of work ahead of need, such as the next file; `is_idle` where nothing else is to be done.
    fn prepare(&mut self, _is_idle: bool) -> io::Result<Prepared> {
        Ok(Prepared::Nothing)
    }
}

/// What became of the work ahead of need.
#[derive(Debug)]
pub enum Prepared {
    /// There was none.
    Nothing,
    /// A piece was done.
    Some,
    /// The next file cannot be made: the log ends with this one, unless there is room by then.
    NoNext(io::Error),
}

/// A log that another thread still writes, read by a cold one. Calls may block.
pub trait LogRead {
    /// Reads at this place of the log (its epoch, and the offset over all files of that); fewer bytes where it ends.
    fn read_at(&mut self, place: u64, into: &mut [u8]) -> io::Result<usize>;
}
