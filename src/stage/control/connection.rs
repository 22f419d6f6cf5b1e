//! One connection of the control socket: a line in, a line out, bounded in bytes and in time, never blocking.
//!
//! Owned by the control thread; a peer that is slow or endless is ended, and nobody waits for it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use super::Peer;
use super::protocol::Response;
use crate::limits::{
    CONTROL_IDLE_NS_MAX as IDLE_NS_MAX, CONTROL_LINE_NS_MAX as LINE_NS_MAX,
    CONTROL_REQUEST_BYTES_MAX as REQUEST_BYTES_MAX,
};

/// What a turn found.
pub(super) enum Turn {
    /// Nothing to do.
    Nothing,
    /// A whole request, without its newline.
    Line(Vec<u8>),
    /// The peer sends too much or too slowly; what to tell it.
    Bad(&'static str),
    /// It is over.
    Gone,
}

pub(super) struct Connection {
    stream: UnixStream,
    pub(super) peer: Peer,
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    /// Since when the present line, answer or silence lasts.
    since_ns: u64,
    /// Ticket of the command whose answer is awaited.
    pub(super) waiting: Option<u64>,
    closing: bool,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, peer: Peer, now_ns: u64) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            peer,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            since_ns: now_ns,
            waiting: None,
            closing: false,
        })
    }

    /// Queues an answer; nothing more is read before the peer has taken it.
    pub(super) fn answer(&mut self, response: &Response, now_ns: u64) {
        self.waiting = None;
        self.since_ns = now_ns;
        match serde_json::to_vec(response) {
            Ok(bytes) => self.output = bytes,
            Err(_) => self.closing = true,
        }
        self.output.push(b'\n');
        self.written = 0;
    }

    /// Queues a last answer.
    pub(super) fn answer_and_close(&mut self, response: &Response, now_ns: u64) {
        self.answer(response, now_ns);
        self.closing = true;
    }

    /// Writes what waits, then reads: at most one request.
    pub(super) fn turn(&mut self, now_ns: u64) -> Turn {
        if !self.output.is_empty() {
            return self.write(now_ns);
        }
        if self.waiting.is_some() {
            return Turn::Nothing;
        }
        let held = self.input.len();
        let over = match self.fill() {
            Ok(over) => over,
            Err(_) => return Turn::Gone,
        };
        if held == 0 && !self.input.is_empty() {
            self.since_ns = now_ns;
        }
        if let Some(end) = self.input.iter().position(|&byte| byte == b'\n') {
            let rest = self.input.split_off(end + 1);
            let mut line = std::mem::replace(&mut self.input, rest);
            line.pop();
            self.since_ns = now_ns;
            return Turn::Line(line);
        }
        let waited_ns = now_ns.saturating_sub(self.since_ns);
        if self.input.len() > REQUEST_BYTES_MAX {
            Turn::Bad("the request is longer than 64 KiB")
        } else if over {
            Turn::Gone
        } else if !self.input.is_empty() && waited_ns > LINE_NS_MAX {
            Turn::Bad("the request did not come whole within 5 s")
        } else if waited_ns > IDLE_NS_MAX {
            Turn::Gone
        } else {
            Turn::Nothing
        }
    }

    /// Reads what is there, up to one byte more than a request may have; true at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 8192];
        loop {
            let room = (REQUEST_BYTES_MAX + 1).saturating_sub(self.input.len());
            if room == 0 {
                return Ok(false);
            }
            let n = room.min(chunk.len());
            match self.stream.read(&mut chunk[..n]) {
                Ok(0) => return Ok(true),
                Ok(n) => self.input.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&mut self, now_ns: u64) -> Turn {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Turn::Gone,
                Ok(n) => {
                    self.written += n;
                    self.since_ns = now_ns;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let waited_ns = now_ns.saturating_sub(self.since_ns);
                    return if waited_ns > LINE_NS_MAX {
                        Turn::Gone
                    } else {
                        Turn::Nothing
                    };
                }
                Err(_) => return Turn::Gone,
            }
        }
        self.output = Vec::new();
        self.since_ns = now_ns;
        if self.closing {
            Turn::Gone
        } else {
            Turn::Nothing
        }
    }
}
