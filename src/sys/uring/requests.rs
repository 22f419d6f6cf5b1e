//! What is asked of the kernel: receive, send, accept, cancel.
//!
//! Part of [`UringSockets`], on its owner's thread. What always holds: at most one receive and one send per slot are
//! asked for; each request names operation, slot and generation, so that its completion finds what it was for.

use std::os::fd::AsRawFd;

use io_uring::{opcode, squeue, types};

use super::{Operation, UringSockets};
use crate::sys::connections::State;

impl UringSockets {
    /// Queues an entry that names no memory, or memory of the slot.
    pub(super) fn push(&mut self, entry: squeue::Entry, operation: Operation, slot: u32) {
        let generation = self.connections.at(slot).generation;
        let entry = entry.user_data(operation.user_data(slot, generation));
        // SAFETY: sends point into the slot's send buffer, whose bytes do not move before `sent`; receives use the slot's
        // registered buffers. That memory lives until the ring is gone, and the slot is not reused before completion.
        unsafe { self.ring.push(&entry) };
    }

    /// Begins to receive again, if nothing stands against it.
    pub(super) fn arm_receive(&mut self, slot: u32) {
        let flight = &mut self.flights[slot as usize];
        let at = self.connections.at(slot);
        let stands = matches!(at.state, State::Open | State::Closing(_)) && at.ended.is_none();
        if flight.receiving || flight.finishing || !flight.group.holds_nothing() || !stands {
            return;
        }
        let Some(stream) = &at.stream else { return };
        flight.receiving = true;
        let group = slot as u16;
        let entry = if self.ring.setup().fixed_files {
            opcode::RecvMulti::new(types::Fixed(slot), group).build()
        } else {
            opcode::RecvMulti::new(types::Fd(stream.as_raw_fd()), group).build()
        };
        self.push(entry, Operation::Receive, slot);
    }

    /// Queues the next send of the slot, if it has bytes and none is under way.
    pub(super) fn arm_send(&mut self, slot: u32) {
        let flight = &mut self.flights[slot as usize];
        let at = self.connections.at(slot);
        if flight.sending || flight.finishing || at.send.is_empty() {
            return;
        }
        let Some(stream) = &at.stream else { return };
        flight.sending = true;
        let chunk = at.send.chunk();
        let (start, count) = (chunk.as_ptr(), chunk.len() as u32);
        let entry = if self.ring.setup().fixed_files {
            opcode::Send::new(types::Fixed(slot), start, count)
                .flags(libc::MSG_NOSIGNAL)
                .build()
        } else {
            opcode::Send::new(types::Fd(stream.as_raw_fd()), start, count)
                .flags(libc::MSG_NOSIGNAL)
                .build()
        };
        self.push(entry, Operation::Send, slot);
    }

    pub(super) fn arm_accept(&mut self, index: usize) {
        let listener = &mut self.listeners[index];
        listener.armed = true;
        let entry = opcode::AcceptMulti::new(types::Fd(listener.socket.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(Operation::Accept.user_data(index as u32, 0));
        // SAFETY: the entry names no memory.
        unsafe { self.ring.push(&entry) };
    }

    pub(super) fn cancel(&mut self, operation: Operation, slot: u32) {
        let generation = self.connections.at(slot).generation;
        let entry = opcode::AsyncCancel::new(operation.user_data(slot, generation)).build();
        self.push(entry, Operation::Cancel, slot);
    }
}
