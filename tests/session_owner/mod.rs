//! A small owner of one session, as a stage is: it frames, performs the actions in order, keeps the log, drives the resend
//! cursor. Shared by the session tests. What happened is kept as lines of text, in order.
#![allow(dead_code)]

use std::collections::BTreeMap;

use gatehouse::config::plan::{FixPlan, FixVersion};
use gatehouse::domain::{Now, Text};
use gatehouse::session::{
    self, Action, Actions, ResendCursor, ResendPolicy, ResendTools, Role, Session, SessionIds, Step,
};
use gatehouse::wire::fix::{
    FieldIndex, Framing, Message, MsgType, Precision, TimeText, Writer, next_frame, parse,
};

pub const WALL_START_NS: u64 = 1_750_000_000_000_000_000;
pub const FRAME_MAX: usize = 8192;

pub fn plan(role: Role, version: FixVersion) -> FixPlan {
    let (own, peer): (&[u8], &[u8]) = match role {
        Role::Acceptor => (b"GATE", b"PEER"),
        Role::Initiator => (b"PEER", b"GATE"),
    };
    FixPlan {
        heartbeat_interval_min_s: 5,
        heartbeat_interval_max_s: 60,
        ..FixPlan::new(version, own, peer)
    }
}

pub struct Owner {
    pub session: Session,
    pub ids: SessionIds,
    pub now: Now,
    pub policy: ResendPolicy,
    pub cursor: ResendCursor,
    /// Outgoing messages of this incarnation.
    pub log: BTreeMap<u64, Vec<u8>>,
    /// Bytes on the connection, not yet taken by the peer.
    pub wire: Vec<u8>,
    /// What happened.
    pub events: Vec<String>,
    /// Text(58) of application messages that were delivered.
    pub delivered: Vec<String>,
    pub connected: bool,
    pub logged_on: bool,
    pub actions_most: usize,
    pub precision: Precision,
    /// Messages that came too early.
    kept: BTreeMap<u64, Vec<u8>>,
    time: TimeText,
}

impl Owner {
    pub fn new(role: Role, plan: &FixPlan, next_in: u64, next_out: u64) -> Self {
        Self {
            session: Session::new(role, plan, next_in, next_out),
            ids: SessionIds::new(plan),
            now: Now {
                mono_ns: 1_000_000_000,
                wall_ns: WALL_START_NS,
            },
            policy: ResendPolicy::Replay,
            cursor: ResendCursor::new(),
            log: BTreeMap::new(),
            wire: Vec::new(),
            events: Vec::new(),
            delivered: Vec::new(),
            connected: false,
            logged_on: false,
            actions_most: 0,
            kept: BTreeMap::new(),
            precision: plan.precision,
            time: TimeText::new(plan.precision),
        }
    }

    pub fn connect(&mut self) {
        self.connected = true;
        self.wire.clear();
        self.call(|session, now, actions| session.on_connected(now, actions));
    }

    pub fn disconnect(&mut self) {
        self.connected = false;
        self.cursor.cancel();
        self.kept.clear();
        self.call(|session, now, actions| session.on_disconnected(now, actions));
    }

    pub fn logout(&mut self, text: &str) {
        self.call(|session, now, actions| {
            session.start_logout(now, Text::cut(text.as_bytes()), actions)
        });
    }

    /// Begins anew in the session.
    pub fn start_reset(&mut self) {
        self.call(|session, now, actions| {
            session.start_reset(now, session::ResetCause::Operator, actions);
        });
    }

    pub fn probe(&mut self, seconds: u64) {
        self.call(|session, now, actions| session.probe(now, seconds * 1_000_000_000, actions));
    }

    /// Takes all whole frames of `bytes`; what is left behind is junk or a part.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while self.connected {
            match next_frame(&bytes[at..], FRAME_MAX) {
                Framing::NeedMore { skip } => return at + skip,
                Framing::Malformed { skip, .. } => {
                    self.call(|session, now, actions| session.on_malformed(now, actions));
                    at += skip;
                }
                Framing::Frame { skip, len } => {
                    let frame = &bytes[at + skip..at + skip + len];
                    self.take(frame);
                    at += skip + len;
                }
            }
        }
        at
    }

    fn take(&mut self, frame: &[u8]) {
        let mut index = FieldIndex::new();
        match parse(frame, &mut index) {
            Err(_) => self.call(|session, now, actions| session.on_malformed(now, actions)),
            Ok(message) => {
                let mut actions = Actions::new();
                self.session.on_message(self.now, &message, &mut actions);
                self.perform(&actions, Some(&message));
            }
        }
        self.take_kept();
    }

    /// What came early, as far as its turn has come.
    fn take_kept(&mut self) {
        while let Some(frame) = self.kept.remove(&self.session.expected_in()) {
            let expected = self.session.expected_in();
            let mut index = FieldIndex::new();
            let message = parse(&frame, &mut index).unwrap();
            let mut actions = Actions::new();
            self.session.on_kept(self.now, &message, &mut actions);
            self.perform(&actions, Some(&message));
            if self.session.expected_in() == expected {
                break;
            }
        }
        let expected = self.session.expected_in();
        self.kept.retain(|number, _| *number >= expected);
    }

    pub fn reject_last(&mut self, frame: &[u8], tag: u32, reason: session::RejectReason) {
        let mut index = FieldIndex::new();
        let message = parse(frame, &mut index).unwrap();
        let mut actions = Actions::new();
        self.session
            .reject(&message, Some(tag as i32), reason, &mut actions);
        self.perform(&actions, Some(&message));
    }

    /// Advances time, stopping at each deadline.
    pub fn advance(&mut self, ns: u64) {
        let target = self.now.mono_ns + ns;
        loop {
            let deadline = self.session.next_deadline_ns();
            if deadline > target {
                break;
            }
            self.move_to(deadline.max(self.now.mono_ns));
            let before = self.session.next_deadline_ns();
            self.call(|session, now, actions| session.on_timer(now, actions));
            assert!(
                self.session.next_deadline_ns() > before || before > self.now.mono_ns,
                "a deadline that on_timer does not serve: {:?}",
                self.session
            );
        }
        self.move_to(target);
    }

    fn move_to(&mut self, mono_ns: u64) {
        self.now.wall_ns += mono_ns - self.now.mono_ns;
        self.now.mono_ns = mono_ns;
    }

    pub fn send_application(&mut self, text: &str) {
        let number = self.session.next_out(self.now);
        let mut header = self.ids.header(MsgType::NEW_ORDER_SINGLE, number, self.now);
        header.last_processed = self.session.last_processed();
        let mut out = [0; 512];
        let mut writer = Writer::begin(&mut out, &header, &mut self.time);
        writer.bytes(58, text.as_bytes());
        let range = writer.finish().unwrap();
        if self.logged_on {
            self.commit(number, out[range].to_vec());
        } else {
            // Kept for the peer's ResendRequest.
            self.log.insert(number, out[range].to_vec());
        }
    }

    /// Log first; then the wire, behind a resend that is under way.
    fn commit(&mut self, number: u64, bytes: Vec<u8>) {
        let before = self.log.insert(number, bytes.clone());
        assert!(before.is_none(), "number {number} used twice");
        if self.cursor.is_open() {
            self.cursor.extend(number);
        } else if self.connected {
            self.put(&bytes);
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        assert!(self.connected, "sent without a connection");
        self.wire.extend_from_slice(bytes);
        self.events.push(format!("E {}", show(bytes)));
    }

    fn call(&mut self, what: impl FnOnce(&mut Session, Now, &mut Actions)) {
        let mut actions = Actions::new();
        what(&mut self.session, self.now, &mut actions);
        self.perform(&actions, None);
    }

    fn perform(&mut self, actions: &Actions, message: Option<&Message<'_>>) {
        self.actions_most = self.actions_most.max(actions.as_slice().len());
        for action in actions.as_slice() {
            match action {
                Action::Send(admin) => {
                    let number = self.session.next_out(self.now);
                    let mut out = [0; 1024];
                    let mut header = self.ids.header(MsgType::HEARTBEAT, number, self.now);
                    header.last_processed = self.session.last_processed();
                    let range = session::admin(&header, admin, &mut self.time, &mut out).unwrap();
                    self.commit(number, out[range].to_vec());
                }
                Action::Deliver => {
                    let message = message.unwrap();
                    let text = message.get(58).unwrap_or(b"");
                    self.delivered
                        .push(String::from_utf8_lossy(text).into_owned());
                    self.events
                        .push(format!("eDELIVER {}", message.msg_seq_num().unwrap()));
                }
                Action::Keep { number } => {
                    let message = message.unwrap();
                    self.kept.insert(*number, message.bytes().to_vec());
                    self.events.push("eNOTICE Kept".into());
                }
                Action::Resend { begin, end } => self.cursor.request(*begin, *end),
                Action::LoggedOn => {
                    assert!(!self.logged_on);
                    self.logged_on = true;
                    self.events.push("eLOGGEDON".into());
                }
                Action::LoggedOut => {
                    assert!(self.logged_on);
                    self.logged_on = false;
                    self.events.push("eLOGGEDOUT".into());
                }
                Action::SequenceReset {
                    next_in,
                    next_out,
                    cause,
                } => {
                    self.log
                        .retain(|number, _| number < next_out && *next_out > 2);
                    self.cursor.cancel();
                    self.kept.clear();
                    self.events
                        .push(format!("eNUMBERS {next_in} {next_out} {cause:?}"));
                }
                Action::RejectReceived { reference } => {
                    self.events.push(format!("eREJECTED {reference}"));
                }
                Action::Disconnect(reason) => {
                    self.events.push(format!("eDISCONNECT {reason:?}"));
                }
                Action::Notice(notice) => {
                    let text = format!("{notice:?}");
                    let name = text.split([' ', '{']).next().unwrap().to_string();
                    self.events.push(format!("eNOTICE {name}"));
                }
            }
        }
    }

    /// As if the peer had asked for everything again.
    pub fn cursor_request(&mut self, next_out: u64) {
        if self.connected && self.logged_on {
            self.cursor.request(1, next_out - 1);
        }
    }

    /// At most `budget` steps of the resend.
    pub fn pump(&mut self, budget: usize) {
        for _ in 0..budget {
            let Some(wanted) = self.cursor.wanted() else {
                return;
            };
            let mut out = vec![0; FRAME_MAX + session::resend::RESEND_GROWTH_BYTES];
            let stored = self.log.get(&wanted).cloned();
            let step = self
                .cursor
                .step(
                    stored.as_deref(),
                    &mut ResendTools {
                        ids: &self.ids,
                        policy: self.policy,
                        last_processed: self.session.last_processed(),
                        now: self.now,
                        time: &mut self.time,
                        out: &mut out,
                    },
                )
                .unwrap();
            match step {
                Step::Nothing => {}
                Step::Send(range) => self.put(&out[range]),
                Step::SendStored => self.put(&stored.unwrap()),
            }
        }
    }
}

/// From 35 to before 10, with `|`; proves frame, length and checksum on the way.
pub fn show(bytes: &[u8]) -> String {
    assert_eq!(
        next_frame(bytes, FRAME_MAX),
        Framing::Frame {
            skip: 0,
            len: bytes.len()
        }
    );
    let text = String::from_utf8_lossy(bytes).replace('\u{1}', "|");
    let start = text.find("35=").unwrap();
    text[start..text.len() - "|10=000|".len()].to_string()
}

/// A message with right length and checksum; `body` from 35 on, with `|`, without the last.
pub fn frame(begin_string: &str, body: &str) -> Vec<u8> {
    let body = format!("{body}|").replace('|', "\u{1}");
    let mut text = format!("8={begin_string}\u{1}9={}\u{1}{body}", body.len());
    let sum = text.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
    text.push_str(&format!("10={sum:03}\u{1}"));
    text.into_bytes()
}

pub fn utc(precision: Precision, wall_ns: u64) -> String {
    let text = TimeText::new(precision).write(wall_ns);
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}
