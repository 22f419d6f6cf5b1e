//! One FIX connection of a test's own peer: a blocking socket, two numbers, what was sent. Both roles use it.
//!
//! Every wait is bounded: what does not come within [`PATIENCE`] fails the test and says what was waited for.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::fix::{Fix, fields, first, frame, timestamp};

/// Long against anything that should happen, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Who speaks: survives its connections.
#[derive(Clone, Debug)]
pub struct Identity {
    /// BeginString(8)
    pub begin: String,
    /// SenderCompID(49)
    pub me: String,
    /// TargetCompID(56)
    pub peer: String,
}

/// MsgSeqNum(34), MsgType(35), body.
pub type Sent = (u64, String, Vec<(u32, String)>);

/// A connection and its session.
pub struct Conn<S = TcpStream> {
    pub identity: Identity,
    /// Next MsgSeqNum(34) of ours
    pub next_out: u64,
    /// Next one expected
    pub next_in: u64,
    /// Application messages that were sent, for resends
    pub sent: Vec<Sent>,
    stream: Option<S>,
    received: Vec<u8>,
}

impl Conn {
    /// Takes over a socket; numbers go on.
    pub fn attach(&mut self, stream: TcpStream) {
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        self.attach_stream(stream);
    }
}

impl<S: Read + Write> Conn<S> {
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            next_out: 1,
            next_in: 1,
            sent: Vec::new(),
            stream: None,
            received: Vec::new(),
        }
    }

    /// As `attach`, for any stream.
    pub fn attach_stream(&mut self, stream: S) {
        self.stream = Some(stream);
        self.received.clear();
    }

    pub fn is_attached(&self) -> bool {
        self.stream.is_some()
    }

    /// Closes the socket without a word.
    pub fn drop_connection(&mut self) {
        self.stream = None;
    }

    pub fn stream(&mut self) -> &mut S {
        self.stream.as_mut().expect("connected")
    }

    /// Sends a message under the next number.
    pub fn send(&mut self, kind: &str, body: &[(u32, String)]) -> u64 {
        let number = self.note(kind, body);
        let bytes = self.bytes(kind, number, &[], body);
        self.raw(&bytes);
        number
    }

    /// Takes the next number and keeps the message, as if it had been sent and lost on the way.
    pub fn note(&mut self, kind: &str, body: &[(u32, String)]) -> u64 {
        let number = self.next_out;
        self.next_out += 1;
        if !matches!(kind, "0" | "1" | "2" | "3" | "4" | "5" | "A") {
            self.sent.push((number, kind.to_owned(), body.to_vec()));
        }
        number
    }

    /// Keeps only the newest of what was sent: for peers that go on for long, and whose messages nobody asks for again.
    pub fn forget_old(&mut self) {
        if self.sent.len() >= 256 {
            self.sent.drain(..128);
        }
    }

    /// The bytes of a message; `header` stands behind SendingTime.
    pub fn bytes(
        &self,
        kind: &str,
        number: u64,
        header: &[(u32, String)],
        body: &[(u32, String)],
    ) -> Vec<u8> {
        let mut fields = vec![
            (35, kind.to_owned()),
            (34, number.to_string()),
            (49, self.identity.me.clone()),
            (52, timestamp()),
            (56, self.identity.peer.clone()),
        ];
        fields.extend_from_slice(header);
        fields.extend_from_slice(body);
        frame(&self.identity.begin, &fields)
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream().write_all(bytes).expect("the peer takes it");
    }

    /// As [`Conn::send`], with further header fields.
    pub fn send_with(&mut self, kind: &str, header: &str, body: &[(u32, String)]) -> u64 {
        let number = self.note(kind, body);
        let bytes = self.bytes(kind, number, &fields(header), body);
        self.raw(&bytes);
        number
    }

    /// Whether a whole message is at hand without reading.
    pub fn is_buffered(&self) -> bool {
        first(&self.received).is_some()
    }

    /// The next message of any type, in sequence; `None` when the peer is gone.
    pub fn read(&mut self) -> Option<Fix> {
        let message = self.read_any()?;
        let is_gap_fill = message.kind() == "4" && message.get(123) == "Y";
        if is_gap_fill {
            assert!(message.seq() <= self.next_in, "{message:?}");
            self.next_in = self.next_in.max(message.number(36));
        } else if message.seq() == self.next_in {
            self.next_in += 1;
        } else {
            assert!(message.poss_dup(), "expected {}: {message:?}", self.next_in);
        }
        Some(message)
    }

    /// The next message whatever its number.
    pub fn read_any(&mut self) -> Option<Fix> {
        loop {
            if let Some((message, length)) = first(&self.received) {
                self.received.drain(..length);
                return Some(message);
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream().read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    panic!("{} waits in vain for a message", self.identity.me)
                }
                Err(_) => return None,
            }
        }
    }

    /// Takes the peer's Logon; where messages were missed, asks for them. Returns those that were sent again.
    pub fn recover(&mut self) -> Vec<Fix> {
        let logon = self.read_any().expect("an answer to the Logon");
        assert_eq!(logon.kind(), "A", "{logon:?}");
        let last = logon.seq();
        assert!(last >= self.next_in, "{logon:?}");
        if last == self.next_in {
            self.next_in += 1;
            return Vec::new();
        }
        let body = [(7, self.next_in.to_string()), (16, "0".to_owned())];
        self.send("2", &body);
        let mut again = Vec::new();
        while self.next_in <= last {
            let message = self.read().expect("what was asked for");
            assert!(message.poss_dup(), "{message:?}");
            if message.kind() != "4" {
                again.push(message);
            }
        }
        again
    }

    /// The next message that is not the session layer's small talk, which is answered.
    #[track_caller]
    pub fn next(&mut self) -> Fix {
        loop {
            let Some(message) = self.read() else {
                panic!("{}: the connection ended", self.identity.me)
            };
            match message.kind() {
                "0" => {}
                "1" => {
                    let answer = [(112, message.get(112).to_owned())];
                    self.send("0", &answer);
                }
                _ => return message,
            }
        }
    }

    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Fix {
        let message = self.next();
        assert_eq!(message.kind(), kind, "{message:?}");
        message
    }

    /// Reads until the peer closes; what came meanwhile.
    pub fn until_closed(&mut self) -> Vec<Fix> {
        let mut messages = Vec::new();
        while let Some(message) = self.read() {
            messages.push(message);
        }
        messages
    }

    /// Answers a ResendRequest: reports again with 43=Y, a gap fill over the rest.
    pub fn answer_resend(&mut self, request: &Fix) {
        assert_eq!(request.kind(), "2");
        let begin = request.number(7);
        let end = match request.number(16) {
            0 => self.next_out - 1,
            end => end.min(self.next_out - 1),
        };
        let mut next = begin;
        let kept = self.sent.clone();
        for (number, kind, body) in kept {
            if number < begin || number > end {
                continue;
            }
            self.gap_fill(next, number);
            let header = [(43, "Y".to_owned()), (122, timestamp())];
            let bytes = self.bytes(&kind, number, &header, &body);
            self.raw(&bytes);
            next = number + 1;
        }
        self.gap_fill(next, end + 1);
    }

    fn gap_fill(&mut self, from: u64, to: u64) {
        if from < to {
            let header = [(43, "Y".to_owned()), (122, timestamp())];
            let body = [(123, "Y".to_owned()), (36, to.to_string())];
            let bytes = self.bytes("4", from, &header, &body);
            self.raw(&bytes);
        }
    }
}
