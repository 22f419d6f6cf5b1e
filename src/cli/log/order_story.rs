//! `gatehouse log explain ORDER`: every event of an order over the three logs in causal order, with the time that each step took.
//!
//! What belongs to the order is taken, and then whatever caused it, up to the client's bytes or the desk's; memory grows with that
//! order's events alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::families::{self, Family};
use super::message::{Form, Secrets, value, value_number, value_text};
use super::names::Names;
use super::verify::LOGS;
use super::{Failure, Source, Walk, tag_names, times, words};
use crate::app::log_reader::LogReader;
use crate::cli::table::Table;
use crate::journal::record::Cause;
use crate::journal::{LogId, Record, RecordKind, entry};
use crate::wire::fix::tags;

/// A record of an order's story.
struct Event {
    log: LogId,
    epoch: u16,
    record: u64,
    time_ns: u64,
    kind: RecordKind,
    cause: Cause,
    /// Who: session or link
    who: String,
    text: String,
    details: Value,
    message: Option<String>,
}

/// Log and sequence: sequences go on over all starts.
type Key = (u8, u64);

/// Tells of every order of that name, or of that id; `None` where there is none.
pub(super) fn run(source: &Source, wanted: &str, json: bool) -> Result<Option<ExitCode>, Failure> {
    let names = Names::of(source)?;
    let (families, damaged) = families::find(source, wanted)?;
    if families.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    let mut objects = Vec::new();
    let mut damaged = damaged;
    if families.len() > 1 && !json {
        let _ = writeln!(text, "{} orders have this ClOrdID\n", families.len());
    }
    for (at, family) in families.iter().enumerate() {
        let mut told = Telling::new(source, &names, family);
        told.collect()?;
        damaged |= told.damaged;
        let events = told.in_order();
        if json {
            objects.push(object(&names, family, &events));
        } else {
            if at > 0 {
                text.push('\n');
            }
            tell(&mut text, &names, family, &events);
        }
    }
    if json {
        text = format!("{}\n", json!({"wanted": wanted, "orders": objects}));
    }
    crate::cli::show(&text)?;
    Ok(Some(match damaged {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }))
}

struct Telling<'a> {
    source: &'a Source,
    names: &'a Names<'a>,
    family: &'a Family,
    events: BTreeMap<Key, Event>,
    /// Causes of events, by log
    wanted: HashMap<u8, HashSet<u64>>,
    damaged: bool,
}

impl<'a> Telling<'a> {
    fn new(source: &'a Source, names: &'a Names<'a>, family: &'a Family) -> Self {
        Self {
            source,
            names,
            family,
            events: BTreeMap::new(),
            wanted: HashMap::new(),
            damaged: false,
        }
    }

    /// What belongs to the order; then causes, as long as they have causes that were not seen.
    fn collect(&mut self) -> Result<(), Failure> {
        for log in [LogId::Order, LogId::Desk, LogId::Client] {
            self.pass(log, true)?;
        }
        // Client, order and desk log: no chain of causes is longer than these, there and back.
        for _ in 0..4 {
            for log in LOGS {
                let missing = self.wanted.get(&(log as u8)).is_some_and(|wanted| {
                    wanted
                        .iter()
                        .any(|&at| !self.events.contains_key(&(log as u8, at)))
                });
                if missing {
                    self.pass(log, false)?;
                }
            }
        }
        Ok(())
    }

    fn pass(&mut self, log: LogId, is_first: bool) -> Result<(), Failure> {
        let mut walk = Walk::new(LogReader::open(self.source.place.clone(), log)?);
        walk.quiet = true;
        while walk.advance()? {
            let record = walk.reader.record();
            let key = (log as u8, record.sequence);
            let wanted = self.wanted.get(&(log as u8));
            let is_cause = wanted.is_some_and(|wanted| wanted.contains(&record.sequence));
            let is_ours = is_first && (self.family.has(log, &record) || self.answers(log, &record));
            if !(is_cause || is_ours) || self.events.contains_key(&key) {
                continue;
            }
            let event = self.event(log, walk.reader.epoch(), &record);
            if event.cause.log != LogId::None {
                let wanted = self.wanted.entry(event.cause.log as u8).or_default();
                wanted.insert(event.cause.sequence);
            }
            self.events.insert(key, event);
        }
        self.damaged |= walk.damaged;
        Ok(())
    }

    /// Rejects of the session layer have a message of the order as their cause.
    fn answers(&self, log: LogId, record: &Record<'_>) -> bool {
        log == LogId::Client
            && record.cause.log == LogId::Client
            && matches!(record.kind, RecordKind::MessageOut | RecordKind::AdminOut)
            && self
                .events
                .contains_key(&(LogId::Client as u8, record.cause.sequence))
    }

    fn event(&self, log: LogId, epoch: u16, record: &Record<'_>) -> Event {
        let who = match (log, record.kind) {
            (LogId::Order, RecordKind::DeskInput) => self.names.link(epoch, record.channel),
            (LogId::Order, RecordKind::ClientInput) => self.names.session(epoch, record.channel),
            (LogId::Order, _) => "-".to_owned(),
            _ => self.names.channel(log, epoch, record.channel),
        };
        let is_message = matches!(
            record.kind,
            RecordKind::MessageIn
                | RecordKind::MessageOut
                | RecordKind::AdminOut
                | RecordKind::CopyOut
                | RecordKind::Carried
        );
        let secrets = Secrets::default();
        let (text, details) = match is_message {
            true => (message(&who, log, record), json!({})),
            false => (
                words::text(self.names, epoch, record) + &measured(record),
                words::object(self.names, epoch, record),
            ),
        };
        Event {
            log,
            epoch,
            record: record.sequence,
            time_ns: record.time_ns,
            kind: record.kind,
            cause: record.cause,
            who,
            text,
            details,
            message: is_message.then(|| secrets.of(record.body).text(record.body, Form::Readable)),
        }
    }

    /// By time, but nothing before its cause: two stages may see the clock in another order than things happened.
    fn in_order(self) -> Vec<Event> {
        let mut keys: Vec<_> = self.events.keys().copied().collect();
        keys.sort_by_key(|key| (self.events[key].time_ns, key.0, key.1));
        let mut events = self.events;
        let mut ordered = Vec::with_capacity(events.len());
        for key in keys {
            // An event with those of its causes that were not told yet, the first one last.
            let mut chain = Vec::new();
            let mut next = Some(key);
            while let Some(event) = next.and_then(|key| events.remove(&key)) {
                let cause = event.cause;
                next = (cause.log != LogId::None).then_some((cause.log as u8, cause.sequence));
                chain.push(event);
            }
            ordered.extend(chain.into_iter().rev());
        }
        ordered
    }
}

/// What the stages' own clocks say about an input: from the first byte to the decision.
fn measured(record: &Record<'_>) -> String {
    match record.kind {
        RecordKind::ClientInput => match entry::read_client(record.body) {
            Some((input, outcome)) if input.received_ns > 0 => format!(
                " ({} after its first byte, decoded after {})",
                span(outcome.taken_ns.saturating_sub(input.received_ns)),
                span(input.decoded_ns.saturating_sub(input.received_ns))
            ),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// A message in a few words.
fn message(who: &str, log: LogId, record: &Record<'_>) -> String {
    let body = record.body;
    let code = value(body, tags::MSG_TYPE).unwrap_or_default();
    let kind = tag_names::msg_type(code).unwrap_or("message");
    let number = value_number(body, tags::MSG_SEQ_NUM).unwrap_or(0);
    let (arrow, side) = match (record.kind, log) {
        (RecordKind::MessageIn | RecordKind::Carried, LogId::Desk) => ("from desk link", "<-"),
        (RecordKind::MessageIn | RecordKind::Carried, _) => ("from", "<-"),
        (_, LogId::Desk) => ("to desk link", "->"),
        _ => ("to", "->"),
    };
    let mut text = format!("{side} {kind} {arrow} {who}, number {number}");
    for (tag, name) in [
        (tags::CL_ORD_ID, "11"),
        (tags::ORIG_CL_ORD_ID, "41"),
        (tags::ORDER_ID, "37"),
        (tags::EXEC_ID, "17"),
    ] {
        let found = value_text(body, tag);
        if !found.is_empty() {
            let _ = write!(text, ", {name}={found}");
        }
    }
    for (tag, name) in [(tags::EXEC_TYPE, "exec"), (tags::ORD_STATUS, "status")] {
        if let Some(found) = value(body, tag) {
            let meaning = tag_names::meaning(tag, found).unwrap_or("?");
            let _ = write!(text, ", {name} {meaning}");
        }
    }
    for (tag, name) in [(tags::ACCOUNT, "account"), (tags::SYMBOL, "symbol")] {
        let found = value_text(body, tag);
        if !found.is_empty() {
            let _ = write!(text, ", {name} {found}");
        }
    }
    if let Some(side) =
        value(body, tags::SIDE).and_then(|side| tag_names::meaning(tags::SIDE, side))
    {
        let _ = write!(text, ", {side}");
    }
    for (tag, name) in [
        (tags::ORDER_QTY, "quantity"),
        (tags::PRICE, "price"),
        (tags::LAST_QTY, "last"),
        (tags::LAST_PX, "at"),
        (tags::CUM_QTY, "cumulated"),
        (tags::LEAVES_QTY, "leaves"),
    ] {
        let found = value_text(body, tag);
        if !found.is_empty() {
            let _ = write!(text, ", {name} {found}");
        }
    }
    let words = value_text(body, tags::TEXT);
    if !words.is_empty() {
        let _ = write!(text, ": \"{words}\"");
    }
    if value(body, tags::POSS_DUP_FLAG) == Some(b"Y") {
        text += ", again (43=Y)";
    }
    text
}

/// A time for people.
fn span(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.3} ms", ns as f64 / 1e6),
        _ => format!("{:.3} s", ns as f64 / 1e9),
    }
}

/// Time since the cause of an event, where that is known.
fn since_cause(event: &Event, times_ns: &HashMap<Key, u64>) -> Option<i64> {
    let cause = times_ns.get(&(event.cause.log as u8, event.cause.sequence))?;
    Some(event.time_ns as i64 - *cause as i64)
}

fn signed(ns: i64) -> String {
    match ns < 0 {
        true => format!("-{}", span(ns.unsigned_abs())),
        false => format!("+{}", span(ns as u64)),
    }
}

fn tell(text: &mut String, names: &Names<'_>, family: &Family, events: &[Event]) {
    let session = names.session(family.epoch, family.session);
    let id = match family.order_id() {
        Some(id) => format!("OrderID {id}"),
        None => "no OrderID: it never passed".to_owned(),
    };
    // Writing to memory does not fail.
    let _ = writeln!(
        text,
        "order {} of {session}, {id}, {} (start {})",
        family.name,
        times::show(family.since_ns),
        family.epoch
    );
    let requests: Vec<_> = family.ids.iter().map(ToString::to_string).collect();
    if requests.len() > 1 {
        let _ = writeln!(text, "  requests at desks: {}", requests.join(", "));
    }
    if let Some(last) = last_report(events) {
        let _ = writeln!(text, "  last report to the client: {}", last.text);
    }
    let times_ns = times_of(events);
    let start = events.first().map_or(0, |event| event.time_ns);
    let mut table = Table::new(["TIME (UTC)", "FROM START", "FROM CAUSE", "RECORD", "WHAT"]);
    for event in events {
        let step = since_cause(event, &times_ns);
        table.row([
            times::show(event.time_ns),
            signed(event.time_ns as i64 - start as i64),
            step.map_or("-".to_owned(), signed),
            format!("{} {}", event.log.name(), event.record),
            event.text.clone(),
        ]);
    }
    let _ = write!(text, "\n{table}");
}

fn times_of(events: &[Event]) -> HashMap<Key, u64> {
    events
        .iter()
        .map(|event| ((event.log as u8, event.record), event.time_ns))
        .collect()
}

fn last_report(events: &[Event]) -> Option<&Event> {
    let is_report =
        |event: &&Event| event.log == LogId::Client && event.kind == RecordKind::MessageOut;
    events.iter().rev().find(is_report)
}

fn object(names: &Names<'_>, family: &Family, events: &[Event]) -> Value {
    let times_ns = times_of(events);
    let events: Vec<_> = events
        .iter()
        .map(|event| {
            json!({
                "time": times::show(event.time_ns),
                "time_ns": event.time_ns,
                "since_cause_ns": since_cause(event, &times_ns),
                "log": event.log.name(),
                "start": event.epoch,
                "record": event.record,
                "kind": event.kind,
                "cause": cause(event.cause),
                "who": event.who,
                "text": event.text,
                "details": event.details,
                "message": event.message,
            })
        })
        .collect();
    let ids: Vec<_> = family.ids.iter().map(ToString::to_string).collect();
    let mut client_order_ids: Vec<_> = family.names.iter().map(|n| n.to_string_lossy()).collect();
    client_order_ids.sort_unstable();
    json!({
        "client_order_id": family.name.to_string_lossy(),
        "session": names.session(family.epoch, family.session),
        "start": family.epoch,
        "time": times::show(family.since_ns),
        "order_id": ids.first(),
        "desk_requests": ids,
        "client_order_ids": client_order_ids,
        "events": events,
    })
}

/// A cause for programs.
pub(super) fn cause(cause: Cause) -> Value {
    match cause.log {
        LogId::None => Value::Null,
        log => json!({"log": log, "record": cause.sequence, "output": cause.output}),
    }
}
