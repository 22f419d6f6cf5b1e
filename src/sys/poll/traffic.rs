//! What the kernel has and takes: readiness, new connections, bytes in and out.
//!
//! Part of [`PollSockets`], on its owner's thread. What always holds: no call sleeps but `ask_epoll` with a timeout; one receive
//! per slot and call; a short receive or send means that epoll will tell when there is more, unless the end is behind it.

use std::io::{ErrorKind, Read, Write};

use super::{END, LISTENER_KEY, PollSockets};
use crate::io::CloseReason;
use crate::sys::connections::State;
use crate::sys::net::errno;

/// Connections accepted per listener and poll.
const ACCEPTS_PER_POLL: usize = 16;
/// Connections read per poll; the rest keep their place in the line.
const RECEIVES_PER_POLL: usize = 64;
/// After an accept that failed for want of descriptors or memory, it is tried again after so many polls.
const POLLS_PER_ACCEPT_RETRY: u64 = 1024;

impl PollSockets {
    /// Asks epoll, and notes what it says. With a timeout it sleeps.
    pub(super) fn ask_epoll(&mut self, timeout_ns: u64) -> usize {
        self.system_calls += 1;
        let mut events = std::mem::take(&mut self.epoll_events);
        let count = self.epoll.wait(&mut events, timeout_ns);
        for event in &events[..count] {
            let (key, bits) = (event.u64, event.events);
            if key & LISTENER_KEY != 0 {
                self.listeners[(key ^ LISTENER_KEY) as usize].ready = true;
                continue;
            }
            let slot = key as u32;
            match self.connections.at(slot).state {
                State::Connecting => self.finish_connect(slot, bits),
                State::Open | State::Closing(_) => {
                    let readiness = &mut self.readiness[slot as usize];
                    readiness.end |= bits & END != 0;
                    readiness.readable |= bits & (libc::EPOLLIN as u32 | END) != 0;
                    if bits & libc::EPOLLOUT as u32 != 0 && !readiness.writable {
                        readiness.writable = true;
                        self.mark_dirty(slot);
                    }
                    self.enqueue(slot);
                }
                State::Free | State::Failed(_) | State::Closed(_) => {}
            }
        }
        self.epoll_events = events;
        count
    }

    pub(super) fn finish_connect(&mut self, slot: u32, bits: u32) {
        let at = self.connections.at(slot);
        let Some(stream) = &at.stream else { return };
        self.system_calls += 1;
        match stream.take_error() {
            Ok(None) if bits & libc::EPOLLOUT as u32 != 0 => {
                self.connections.connected(slot);
                self.activate(slot);
            }
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => self.connections.connect_failed(slot, errno(&error)),
        }
    }

    pub(super) fn accept(&mut self) -> usize {
        let mut accepted = 0;
        for index in 0..self.listeners.len() {
            let listener = &self.listeners[index];
            if !listener.ready || self.polls < listener.retry_at_poll {
                continue;
            }
            let token = listener.token;
            for _ in 0..ACCEPTS_PER_POLL {
                self.system_calls += 1;
                match self.listeners[index].socket.accept() {
                    Ok((stream, peer)) => {
                        accepted += 1;
                        self.system_calls += 2;
                        let prepared = stream
                            .set_nonblocking(true)
                            .and_then(|()| stream.set_nodelay(true));
                        if prepared.is_err() {
                            continue;
                        }
                        let Some(slot) = self.connections.accept(token, stream, peer) else {
                            continue;
                        };
                        self.activate(slot);
                        if let Err(error) = self.watch(slot) {
                            self.connections
                                .ended(slot, CloseReason::Error(errno(&error)));
                        }
                    }
                    Err(error) => match error.kind() {
                        ErrorKind::WouldBlock => {
                            self.listeners[index].ready = false;
                            break;
                        }
                        ErrorKind::ConnectionAborted | ErrorKind::Interrupted => {}
                        _ => {
                            self.listeners[index].retry_at_poll =
                                self.polls + POLLS_PER_ACCEPT_RETRY;
                            break;
                        }
                    },
                }
            }
        }
        accepted
    }

    /// One receive. Returns true if it brought something: bytes or an end.
    pub(super) fn receive(&mut self, slot: u32) -> bool {
        let at = self.connections.at(slot);
        let closing = match at.state {
            State::Open => false,
            State::Closing(_) => true,
            _ => return false,
        };
        if at.ended.is_some() {
            self.readiness[slot as usize].readable = false;
            return false;
        }
        let Some(stream) = &mut at.stream else {
            return false;
        };
        let space = at.receive.space();
        if space.is_empty() {
            return false;
        }
        let asked = space.len();
        self.system_calls += 1;
        let result = stream.read(space);
        let readiness = &mut self.readiness[slot as usize];
        match result {
            Ok(0) => {
                readiness.readable = false;
                self.connections.ended(slot, CloseReason::Peer);
                true
            }
            Ok(count) => {
                readiness.readable = count == asked || readiness.end;
                // Who is closing reads only to find the peer's end.
                if !closing {
                    at.receive.filled(count);
                    self.connections.readable(slot);
                }
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                readiness.readable = false;
                false
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => false,
            Err(error) => {
                readiness.readable = false;
                self.connections
                    .ended(slot, CloseReason::Error(errno(&error)));
                true
            }
        }
    }

    pub(super) fn receive_direct(&mut self) -> usize {
        let mut count = 0;
        for index in 0..self.active.len() {
            let slot = self.active[index];
            self.readiness[slot as usize].readable = true;
            count += usize::from(self.receive(slot));
        }
        count
    }

    pub(super) fn receive_ready(&mut self) -> usize {
        let mut count = 0;
        for _ in 0..self.ready.len().min(RECEIVES_PER_POLL) {
            let Some(slot) = self.ready.pop_front() else {
                break;
            };
            self.readiness[slot as usize].in_ready = false;
            count += usize::from(self.receive(slot));
            // A full one comes back when something of it is consumed.
            if !self.connections.at(slot).receive.is_full() {
                self.enqueue(slot);
            }
        }
        count
    }

    pub(super) fn send_slot(&mut self, slot: u32) {
        let at = self.connections.at(slot);
        let Some(stream) = &mut at.stream else { return };
        while self.readiness[slot as usize].writable && !at.send.is_empty() {
            let chunk = at.send.chunk();
            let asked = chunk.len();
            self.system_calls += 1;
            match stream.write(chunk) {
                Ok(count) => {
                    at.send.sent(count);
                    self.readiness[slot as usize].writable = count == asked;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readiness[slot as usize].writable = false;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    at.send.clear();
                    let reason = CloseReason::Error(errno(&error));
                    self.connections.ended(slot, reason);
                    return;
                }
            }
        }
    }
}
