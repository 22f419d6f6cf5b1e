//! The story of one session or link out of its log: what happened, under which sequence numbers, and why.
//!
//! A pure fold over records: the numbers are followed through messages and events, and corrected wherever an event says them. What the
//! records of older versions do not say is taken from the messages.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::message::{value, value_number, value_text};
use super::{tag_names, times};
use crate::journal::read::epoch_of_start;
use crate::journal::{Record, RecordKind};
use crate::stage::event_record;
use crate::wire::fix::tags;

/// Numbers of messages that came before a gap was filled, at most so many remembered.
const EARLY_MAX: usize = 1 << 16;

/// Next sequence numbers; `None` where the log does not tell yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Numbers {
    /// Expected from the peer
    pub next_in: Option<u64>,
    /// To be used by us
    pub next_out: Option<u64>,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// When, UTC
    pub time: String,
    /// The same in nanoseconds since 1970
    pub time_ns: u64,
    /// Start number of the process
    pub start: u16,
    /// Its record in the log
    pub record: u64,
    /// Kind, for programs
    pub what: &'static str,
    /// In words
    pub text: String,
    /// Numbers after it
    #[serde(flatten)]
    pub numbers: Numbers,
}

/// When and why numbers were set last.
#[derive(Clone, Debug, Serialize)]
pub struct Reset {
    /// When, UTC
    pub time: String,
    /// Why, and who asked for it
    pub why: String,
    /// Numbers before
    pub before: Numbers,
    /// Numbers after
    pub after: Numbers,
}

/// The story in short.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// How it stands
    pub state: String,
    /// Since when
    pub since: String,
    /// Numbers now
    #[serde(flatten)]
    pub numbers: Numbers,
    /// The last reset
    pub last_reset: Option<Reset>,
    /// Everything that was counted, by kind
    pub counts: BTreeMap<&'static str, u64>,
    /// Connections that named no session, by what became of them
    pub strangers: BTreeMap<String, u64>,
}

/// The fold.
#[derive(Default)]
pub struct Story {
    /// The story in short, so far.
    pub summary: Summary,
    numbers: Numbers,
    /// Before the last Logon of the peer
    before_logon: Numbers,
    early: BTreeSet<u64>,
    /// NewSeqNo of the peer's last SequenceReset
    new_seq_no: u64,
    /// Numbers that an earlier process ended with
    before_start: Option<Numbers>,
}

impl Story {
    /// Takes a record of the session (or of nobody in particular) and answers with what is worth telling.
    pub fn take(&mut self, epoch: u16, record: &Record<'_>, mine: bool) -> Vec<Entry> {
        let mut told = Vec::new();
        let mut tell = |story: &mut Self, what, text| {
            *story.summary.counts.entry(what).or_default() += 1;
            told.push(Entry {
                time: times::show(record.time_ns),
                time_ns: record.time_ns,
                start: epoch,
                record: record.sequence,
                what,
                text,
                numbers: story.numbers,
            });
        };
        match record.kind {
            RecordKind::Start => {
                if self.numbers != Numbers::default() {
                    self.before_start = Some(self.numbers);
                }
                self.numbers = Numbers::default();
                self.early.clear();
                self.stands("not connected", record);
                let version = String::from_utf8_lossy(record.body).into_owned();
                let number = epoch_of_start(record).unwrap_or(epoch);
                let version = version.split(' ').take(2).collect::<Vec<_>>().join(" ");
                tell(
                    self,
                    "start",
                    format!("the gateway started: {version}, start number {number}"),
                );
            }
            RecordKind::MessageIn if mine => {
                if let Some((what, text)) = self.message_in(record) {
                    tell(self, what, text);
                }
            }
            kind if kind.is_sent() && mine => {
                if let Some(reset) = self.message_out(record, epoch) {
                    tell(self, "reset", reset);
                }
                if let Some((what, text)) = sent(record.body) {
                    tell(self, what, text);
                }
            }
            // They come with single messages.
            RecordKind::Connection if mine && matches!(record.body.first(), Some(50 | 51)) => {}
            RecordKind::Connection if mine => {
                let (what, text) = self.event(record);
                tell(self, what, text);
            }
            RecordKind::Connection
                if record.channel == u16::MAX && !event_record::is_routine(record.body) =>
            {
                let words = event_record::describe(record.body).unwrap_or_default();
                let words = words.rsplit(": ").next().unwrap_or_default().to_owned();
                *self.summary.strangers.entry(words).or_default() += 1;
            }
            RecordKind::Refused if mine => {
                tell(self, "refused", "a request for it was not sent".to_owned());
            }
            _ => {}
        }
        self.summary.numbers = self.numbers;
        told
    }

    fn stands(&mut self, state: &str, record: &Record<'_>) {
        self.summary.state = state.to_owned();
        self.summary.since = times::show(record.time_ns);
    }

    fn count(&mut self, what: &'static str) {
        *self.summary.counts.entry(what).or_default() += 1;
    }

    fn message_in(&mut self, record: &Record<'_>) -> Option<(&'static str, String)> {
        self.count("messages_in");
        let body = record.body;
        let number = value_number(body, tags::MSG_SEQ_NUM).unwrap_or(0);
        let kind = value(body, tags::MSG_TYPE).unwrap_or_default();
        let is_yes = |tag| value(body, tag) == Some(b"Y");
        let told = received(body, kind, number);
        match kind {
            b"A" => {
                self.before_logon = self.numbers;
                // Where numbers start anew an event says so.
                if self.numbers.next_in.is_none() && number == 1 {
                    self.numbers.next_in = Some(1);
                }
            }
            b"4" if !is_yes(tags::GAP_FILL_FLAG) => {
                self.new_seq_no = value_number(body, tags::NEW_SEQ_NO).unwrap_or(0);
                return told;
            }
            _ => {}
        }
        // The session's own word: a message in its turn may be refused, and is expected again then.
        if record.next_in > 0 {
            self.expect(record.next_in);
        }
        let Some(next) = self.numbers.next_in else {
            return told;
        };
        if number == next && record.next_in == 0 {
            let behind = match kind {
                b"4" => value_number(body, tags::NEW_SEQ_NO).unwrap_or(0),
                _ => number + 1,
            };
            self.expect(behind.max(next));
        } else if number > next && !is_yes(tags::POSS_DUP_FLAG) && self.early.len() < EARLY_MAX {
            self.early.insert(number);
        }
        told
    }

    /// The number expected is this one, or what follows the ones that came early.
    fn expect(&mut self, mut next: u64) {
        while self.early.remove(&next) {
            next += 1;
        }
        self.early = self.early.split_off(&next);
        self.numbers.next_in = Some(next);
    }

    /// Follows our number; answers where it shows that a new process began anew.
    fn message_out(&mut self, record: &Record<'_>, epoch: u16) -> Option<String> {
        self.count("messages_out");
        let number = value_number(record.body, tags::MSG_SEQ_NUM)?;
        if value(record.body, tags::POSS_DUP_FLAG) == Some(b"Y") {
            return None;
        }
        let follows = self.numbers.next_out.is_some();
        self.numbers.next_out = Some(number + 1);
        let before = self.before_start.take().filter(|_| !follows)?;
        if before.next_out.is_none_or(|next| next <= number) {
            return None;
        }
        let why = format!(
            "the gateway was restarted (start number {epoch}) and began at {number} again: nobody asked for it, and no reset is recorded"
        );
        let after = Numbers {
            next_in: self.numbers.next_in,
            next_out: Some(number),
        };
        Some(self.reset(record, why, before, after))
    }

    fn reset(
        &mut self,
        record: &Record<'_>,
        why: String,
        before: Numbers,
        after: Numbers,
    ) -> String {
        let text = format!(
            "sequence numbers set: {}, because: {why}",
            change(before, after)
        );
        self.summary.last_reset = Some(Reset {
            time: times::show(record.time_ns),
            why,
            before,
            after,
        });
        text
    }

    fn event(&mut self, record: &Record<'_>) -> (&'static str, String) {
        let body = record.body;
        let text = event_record::describe(body)
            .unwrap_or_else(|| "an event that this version does not know".to_owned());
        let number = |at: usize| -> Option<u64> {
            Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?))
        };
        let what = match body.first() {
            Some(1) => {
                self.stands("logged on", record);
                "logged_on"
            }
            Some(2) => {
                self.stands("logged out", record);
                "logged_out"
            }
            Some(3) => {
                self.stands(text.trim_end_matches('.'), record);
                "disconnected"
            }
            Some(4) => "gap_filled_for_peer",
            Some(5) => "reject_noted",
            Some(6) => return ("reset", self.reset_event(record)),
            Some(7) => {
                self.stands("connected, not logged on", record);
                "connected"
            }
            Some(8) => "command",
            Some(12) => {
                self.numbers.next_in = number(2);
                "gap"
            }
            Some(13) => "gap_closed",
            Some(14) => "gap_stalled",
            Some(15) => {
                self.early.remove(&number(2).unwrap_or(0));
                "early"
            }
            Some(16) => "duplicate",
            Some(17) => {
                self.numbers.next_in = number(2);
                "too_low"
            }
            Some(30) => "schedule",
            Some(31) => "reset_held",
            Some(32) => "reset_given_up",
            Some(33) => "command",
            Some(52) => {
                (self.numbers.next_in, self.numbers.next_out) = (number(2), number(10));
                self.before_start = None;
                "resumed"
            }
            Some(53) => "began",
            Some(40) => "refused_connection",
            _ => "notice",
        };
        (what, text)
    }

    fn reset_event(&mut self, record: &Record<'_>) -> String {
        // The words behind the last colon are the cause in every version.
        let words = event_record::describe(record.body).unwrap_or_default();
        let words = words
            .strip_prefix("sequence numbers set: ")
            .unwrap_or(&words);
        let why = match words.split_once("next out ") {
            Some((_, rest)) => rest.split_once(": ").map_or(rest, |(_, why)| why),
            None => words,
        };
        let by_logon = record.body.get(1) == Some(&(crate::session::ResetCause::PeerLogon as u8));
        let by_peer =
            record.body.get(1) == Some(&(crate::session::ResetCause::PeerSequenceReset as u8));
        let before = match (by_logon, self.before_start.take()) {
            (_, Some(before)) => before,
            (true, None) => self.before_logon,
            (false, None) => self.numbers,
        };
        let after = match event_record::reset_numbers(record.body) {
            Some((next_in, next_out)) => (next_in, next_out),
            None if by_peer => (self.new_seq_no.max(1), self.numbers.next_out.unwrap_or(1)),
            None => (1, 1),
        };
        self.early.clear();
        self.numbers = Numbers {
            // The peer's Logon that asked for it is taken already.
            next_in: Some(after.0.max(1 + by_logon as u64)),
            next_out: Some(after.1),
        };
        self.reset(record, why.to_owned(), before, self.numbers)
    }
}

/// `in 57 -> 1, out 80 -> 1`
pub fn change(before: Numbers, after: Numbers) -> String {
    let show = |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
    format!(
        "in {} -> {}, out {} -> {}",
        show(before.next_in),
        show(after.next_in),
        show(before.next_out),
        show(after.next_out)
    )
}

/// What a message of the peer tells.
fn received(body: &[u8], kind: &[u8], number: u64) -> Option<(&'static str, String)> {
    Some(match kind {
        b"A" => (
            "logon_in",
            format!("logon {number} received{}", logon(body)),
        ),
        b"5" => (
            "logout_in",
            format!("logout {number} received{}", text(body)),
        ),
        b"2" => (
            "resend_request_in",
            format!("asks for our messages {} again", range(body)),
        ),
        b"3" => ("reject_in", format!("rejects our {}", rejected(body))),
        b"j" => (
            "business_reject_in",
            format!("cannot process our {}", rejected(body)),
        ),
        b"4" => (
            "sequence_reset_in",
            sequence_reset(body, number, "received"),
        ),
        _ => return None,
    })
}

/// What a message of ours tells.
fn sent(body: &[u8]) -> Option<(&'static str, String)> {
    let number = value_number(body, tags::MSG_SEQ_NUM).unwrap_or(0);
    Some(match value(body, tags::MSG_TYPE).unwrap_or_default() {
        b"A" => ("logon_out", format!("logon {number} sent{}", logon(body))),
        b"5" => ("logout_out", format!("logout {number} sent{}", text(body))),
        b"2" => (
            "resend_request_out",
            format!("asked for its messages {} again", range(body)),
        ),
        b"3" => ("reject_out", format!("rejected its {}", rejected(body))),
        b"j" => (
            "business_reject_out",
            format!("could not process its {}", rejected(body)),
        ),
        b"4" => ("sequence_reset_out", sequence_reset(body, number, "sent")),
        _ => return None,
    })
}

fn text(body: &[u8]) -> String {
    match value_text(body, tags::TEXT) {
        text if text.is_empty() => String::new(),
        text => format!(": \"{text}\""),
    }
}

fn logon(body: &[u8]) -> String {
    let mut words = format!(": heartbeat {} s", value_text(body, tags::HEART_BT_INT));
    if value(body, tags::RESET_SEQ_NUM_FLAG) == Some(b"Y") {
        words += ", asks to start anew at 1 (141=Y)";
    }
    if let Some(next) = value_number(body, tags::NEXT_EXPECTED_MSG_SEQ_NUM) {
        words += &format!(", expects {next} next (789)");
    }
    words + &text(body)
}

fn range(body: &[u8]) -> String {
    let begin = value_text(body, tags::BEGIN_SEQ_NO);
    match value_number(body, tags::END_SEQ_NO) {
        None | Some(0 | 999_999) => format!("from {begin} on"),
        Some(end) => format!("{begin} to {end}"),
    }
}

fn rejected(body: &[u8]) -> String {
    let mut words = format!("message {}", value_text(body, tags::REF_SEQ_NUM));
    let kind = value_text(body, tags::REF_MSG_TYPE);
    if !kind.is_empty() {
        let name = tag_names::msg_type(kind.as_bytes()).unwrap_or("unknown");
        words += &format!(" ({name}, 35={kind})");
    }
    words += &text(body);
    for (tag, name) in [
        (tags::REF_TAG_ID, "tag"),
        (tags::SESSION_REJECT_REASON, "reason"),
        (tags::BUSINESS_REJECT_REASON, "reason"),
        (tags::BUSINESS_REJECT_REF_ID, "id"),
    ] {
        let found = value_text(body, tag);
        if !found.is_empty() {
            let meaning = match tag {
                tags::REF_TAG_ID => found.parse().ok().and_then(tag_names::tag),
                _ => tag_names::meaning(tag, found.as_bytes()),
            };
            words += &format!(", {name} {found}");
            if let Some(meaning) = meaning {
                words += &format!(" ({meaning})");
            }
        }
    }
    words
}

fn sequence_reset(body: &[u8], number: u64, done: &str) -> String {
    let next = value_text(body, tags::NEW_SEQ_NO);
    match value(body, tags::GAP_FILL_FLAG) {
        Some(b"Y") => format!("gap fill {number} {done}: the next number is {next}"),
        _ => format!("sequence reset {done}: the next number is {next}, whatever was before"),
    }
}
