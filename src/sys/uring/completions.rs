//! What the kernel reports, and what follows from it: bytes, ends, new connections; the way of a connection to its end.
//!
//! Part of [`UringSockets`], on its owner's thread. What always holds: a slot is closed only when none of its requests is
//! with the kernel; completions of an earlier use of a slot change nothing.

use std::net::{Shutdown, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Instant;

use super::ring::{Completion, Ring};
use super::{Operation, UringSockets};
use crate::io::CloseReason;
use crate::sys::connections::State;
use crate::sys::net::{self, errno};

/// After an accept that failed for want of descriptors or memory, it is tried again after so many polls.
const POLLS_PER_ACCEPT_RETRY: u64 = 1024;

impl UringSockets {
    /// Handles what is there, at most about `count_max`.
    pub(super) fn handle_completions(&mut self, count_max: usize) -> usize {
        let mut batch = Ring::batch();
        let mut total = 0;
        while total < count_max {
            let count = self.ring.take(&mut batch);
            if count == 0 {
                break;
            }
            for &completion in &batch[..count] {
                self.handle(completion);
            }
            total += count;
        }
        total
    }

    fn handle(&mut self, completion: Completion) {
        let Some((operation, slot, generation)) = Operation::parse(completion.user_data) else {
            return;
        };
        match operation {
            Operation::Accept => self.on_accept(slot as usize, completion),
            Operation::Cancel => {}
            _ if self.connections.at(slot).generation != generation => {}
            Operation::Connect => {
                if self.connections.at(slot).state == State::Connecting {
                    self.finish_connect(slot);
                }
            }
            Operation::Receive => self.on_receive(slot, completion),
            Operation::Send => self.on_send(slot, completion),
        }
    }

    fn on_accept(&mut self, index: usize, completion: Completion) {
        let listener = &mut self.listeners[index];
        if !completion.more() {
            listener.armed = false;
        }
        if completion.result < 0 {
            let gone = completion.result == -libc::ECONNABORTED;
            listener.retry_at_poll = self.polls + if gone { 0 } else { POLLS_PER_ACCEPT_RETRY };
            return;
        }
        let token = listener.token;
        // SAFETY: an accept completes with a new descriptor that is nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(completion.result) };
        let stream = TcpStream::from(socket);
        self.ring.count_system_calls(2);
        // Whoever has gone again already is not reported.
        let (Ok(peer), Ok(())) = (stream.peer_addr(), stream.set_nodelay(true)) else {
            return;
        };
        if let Some(slot) = self.connections.accept(token, stream, peer) {
            self.activate(slot);
        }
    }

    /// The socket says how connecting went.
    pub(super) fn finish_connect(&mut self, slot: u32) {
        let at = self.connections.at(slot);
        let Some(stream) = &at.stream else { return };
        self.ring.count_system_calls(2);
        // From here on the ring waits for it, which it does for blocking sockets only.
        let ready = match stream.take_error() {
            Ok(None) => stream.set_nonblocking(false),
            Ok(Some(error)) | Err(error) => Err(error),
        };
        match ready {
            Ok(()) => {
                self.connections.connected(slot);
                self.activate(slot);
            }
            Err(error) => self.connections.connect_failed(slot, errno(&error)),
        }
    }

    fn on_receive(&mut self, slot: u32, completion: Completion) {
        let flight = &mut self.flights[slot as usize];
        if !completion.more() {
            flight.receiving = false;
        }
        if let Some(buffer) = completion.buffer() {
            let count = usize::try_from(completion.result).unwrap_or(0);
            flight.group.received(buffer, count);
        }
        match completion.result {
            0 => self.connections.ended(slot, CloseReason::Peer),
            // Interrupted, out of its buffers or cancelled: goes on below when it may.
            error if error < 0 => match -error {
                libc::ENOBUFS | libc::EINTR | libc::EAGAIN | libc::ECANCELED => {}
                error => self.connections.ended(slot, CloseReason::Error(error)),
            },
            _ => {}
        }
        self.take_held(slot);
    }

    fn on_send(&mut self, slot: u32, completion: Completion) {
        self.flights[slot as usize].sending = false;
        let at = self.connections.at(slot);
        match completion.result {
            count if count >= 0 => {
                at.send.sent(count as usize);
                self.arm_send(slot);
            }
            error => match -error {
                libc::EINTR | libc::EAGAIN => self.arm_send(slot),
                libc::ECANCELED => {}
                error => {
                    at.send.clear();
                    self.connections.ended(slot, CloseReason::Error(error));
                }
            },
        }
    }

    /// Lets those end whose last bytes had their turn; brings closing, connecting and accepting forward.
    pub(super) fn progress(&mut self) {
        for index in 0..self.listeners.len() {
            let listener = &self.listeners[index];
            if !listener.armed && self.polls >= listener.retry_at_poll {
                self.arm_accept(index);
            }
        }
        let mut index = 0;
        while let Some(&slot) = self.connections.ending.get(index) {
            let due = self.connections.had_its_turn(slot)
                && self.flights[slot as usize].group.holds_nothing();
            match self.connections.at(slot).ended {
                Some(reason) if due => self.connections.start_closing(slot, reason),
                _ => index += 1,
            }
        }
        if self.connections.closing.is_empty() && self.connections.connecting.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut index = 0;
        while let Some(&slot) = self.connections.closing.get(index) {
            if !self.step_closing(slot, now) {
                index += 1;
            }
        }
        let mut index = 0;
        while let Some(&slot) = self.connections.connecting.get(index) {
            if now >= self.connections.at(slot).deadline {
                self.cancel(Operation::Connect, slot);
                self.connections.connect_failed(slot, libc::ETIMEDOUT);
            } else {
                index += 1;
            }
        }
    }

    /// One step towards the end; true when it is reached and the slot has left the list.
    fn step_closing(&mut self, slot: u32, now: Instant) -> bool {
        if !self.flights[slot as usize].finishing && self.closing_is_done(slot, now) {
            self.start_finishing(slot);
        }
        self.finish_if_quiet(slot)
    }

    fn closing_is_done(&mut self, slot: u32, now: Instant) -> bool {
        self.arm_send(slot);
        let at = self.connections.at(slot);
        let Some(stream) = &at.stream else {
            return true;
        };
        if matches!(at.ended, Some(CloseReason::Error(_))) {
            return true;
        }
        if at.send.is_empty() {
            if at.ended.is_some() {
                return true;
            }
            if !at.shut {
                at.shut = true;
                self.ring.count_system_calls(1);
                if stream.shutdown(Shutdown::Write).is_err() {
                    return true;
                }
            }
        }
        if now < at.deadline {
            return false;
        }
        if !at.send.is_empty() {
            self.ring.count_system_calls(1);
            let _ = net::set_linger_zero(stream);
        }
        true
    }

    /// Ends a closing connection with a reset.
    pub(super) fn reset(&mut self, slot: u32) {
        self.ring.count_system_calls(1);
        if let Some(stream) = &self.connections.at(slot).stream {
            let _ = net::set_linger_zero(stream);
        }
        self.start_finishing(slot);
        self.finish_if_quiet(slot);
    }

    /// Takes the slot's requests back.
    fn start_finishing(&mut self, slot: u32) {
        let flight = &mut self.flights[slot as usize];
        flight.finishing = true;
        let (receiving, sending) = (flight.receiving, flight.sending);
        if receiving {
            self.cancel(Operation::Receive, slot);
        }
        if sending {
            self.cancel(Operation::Send, slot);
        }
    }

    /// Closes the socket if nothing of it is with the kernel any more.
    fn finish_if_quiet(&mut self, slot: u32) -> bool {
        let flight = &mut self.flights[slot as usize];
        if !flight.finishing || flight.receiving || flight.sending {
            return false;
        }
        flight.finishing = false;
        // A table that cannot be changed would keep the socket open: then the owner's end of it is shut at least.
        if self.ring.set_file(slot, None).is_err()
            && let Some(stream) = &self.connections.at(slot).stream
        {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.ring.count_system_calls(1);
        self.connections.finish_closing(slot);
        self.open_count -= 1;
        true
    }

    /// For `drop`: only notes what the kernel no longer has.
    pub(super) fn note_completions(&mut self) {
        let mut batch = Ring::batch();
        let count = self.ring.take(&mut batch);
        for completion in &batch[..count] {
            let parsed = Operation::parse(completion.user_data);
            if let Some((operation, slot, _)) = parsed {
                match operation {
                    Operation::Receive if !completion.more() => {
                        self.flights[slot as usize].receiving = false;
                    }
                    Operation::Send => self.flights[slot as usize].sending = false,
                    _ => {}
                }
            }
        }
    }
}
