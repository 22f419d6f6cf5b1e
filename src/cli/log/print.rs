//! `gatehouse log print`: FIX messages of a log in the form people know, `20261123-09:30:00.123456 : 8=FIX.4.4|...`, and the risk
//! stage's inputs in words; of several logs in the order of time.
//!
//! One pass, bounded memory, straight to the output. With `--follow` it goes on until SIGINT or SIGTERM, over new segments and restarts.

use std::cell::RefCell;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::filter::{Filter, FilterArgs};
use super::message::{Form, Secrets, fields, value, value_number};
use super::names::Names;
use super::order_story::cause;
use super::verify::LOGS;
use super::{Failure, Source, Walk, Where, channel_number, tag_names, times, usage, words};
use crate::app::log_reader::LogReader;
use crate::cli::signals::Signals;
use crate::journal::{LogId, Record, RecordKind};
use crate::limits::LOG_FOLLOW_POLL_MS;
use crate::wire::fix::tags;

/// Arguments of `gatehouse log print`.
#[derive(Args, Debug)]
pub(super) struct PrintArgs {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    filter: FilterArgs,
    /// Which log; without it, the one that has the sessions asked for
    #[arg(long, value_enum)]
    log: Option<LogName>,
    /// One field per line, with names and meanings
    #[arg(long, conflicts_with_all = ["json", "raw"])]
    explain: bool,
    /// Go on with what comes, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Only this MsgType(35); may be repeated
    #[arg(long, value_name = "T")]
    msg_type: Vec<String>,
    /// Show direction and session: <- is received, -> is sent
    #[arg(long, short)]
    direction: bool,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
    /// SOH and all other bytes as on the wire (secrets are masked still)
    #[arg(long)]
    raw: bool,
    /// Mask this tag too; may be repeated
    #[arg(long, value_name = "TAG")]
    mask: Vec<u32>,
}

/// Logs to print.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LogName {
    /// Messages of client sessions
    Client,
    /// Inputs of the risk stage, and what came of them
    Order,
    /// Messages of links to desks
    Desk,
    /// All three, in the order of time
    All,
}

/// Kinds that are printed where none is asked for.
const MESSAGES: [RecordKind; 4] = [
    RecordKind::MessageIn,
    RecordKind::MessageOut,
    RecordKind::AdminOut,
    RecordKind::CopyOut,
];

/// Runs it.
pub(super) fn run(args: &PrintArgs) -> Result<ExitCode, Failure> {
    if args.follow && args.filter.to.is_some() {
        return Err(usage("--follow and --to cannot be used together"));
    }
    let source = Source::of(&args.place)?;
    let filter = Filter::of(&source, &args.filter)?;
    for session in &args.filter.session {
        // Whether anybody is called that.
        source.log_of(None, std::slice::from_ref(session))?;
    }
    let logs = match args.log {
        Some(LogName::All) => LOGS.to_vec(),
        Some(LogName::Order) => vec![LogId::Order],
        Some(LogName::Client) => vec![source.log_of(Some(LogId::Client), &args.filter.session)?],
        Some(LogName::Desk) => vec![source.log_of(Some(LogId::Desk), &args.filter.session)?],
        None if args.filter.session.is_empty() => vec![LogId::Client],
        None => vec![source.log_of(None, &args.filter.session)?],
    };
    let signals = match args.follow {
        true => Some(Signals::new()?),
        false => None,
    };
    let mut merged = Merged::default();
    for &log in &logs {
        let mut reader = LogReader::open(source.place.clone(), log)?;
        if let Some(from) = args.filter.from {
            reader.skip_to(from)?;
        }
        if args.follow {
            reader.follow();
        }
        merged.logs.push((log, Walk::new(reader), false));
    }
    let names = Names::of(&source)?;
    let printer = Printer {
        args,
        filter,
        names: RefCell::new(names),
        source: &source,
        several: logs.len() > 1,
        secrets: Secrets {
            more: args.mask.clone(),
        },
    };
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    loop {
        while let Some(at) = merged.advance()? {
            let (log, walk, _) = &merged.logs[at];
            printer.print(*log, walk, &mut out)?;
            if signals.as_ref().is_some_and(Signals::arrived) {
                break;
            }
        }
        out.flush()?;
        match &signals {
            Some(signals) if !signals.arrived() => {
                std::thread::sleep(Duration::from_millis(LOG_FOLLOW_POLL_MS));
            }
            _ => break,
        }
    }
    Ok(match merged.logs.iter().any(|(_, walk, _)| walk.damaged) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Logs, each with its reader and whether that stands at a record that was not given out.
#[derive(Default)]
struct Merged {
    logs: Vec<(LogId, Walk, bool)>,
}

impl Merged {
    /// Goes to the next record of all; in which log.
    fn advance(&mut self) -> Result<Option<usize>, Failure> {
        for (_, walk, is_waiting) in &mut self.logs {
            if !*is_waiting {
                *is_waiting = walk.advance()?;
            }
        }
        let waiting = self.logs.iter().enumerate().filter(|(_, log)| log.2);
        let next = waiting.min_by_key(|(_, log)| log.1.reader.record().time_ns);
        let next = next.map(|(at, _)| at);
        if let Some(at) = next {
            self.logs[at].2 = false;
        }
        Ok(next)
    }
}

struct Printer<'a> {
    args: &'a PrintArgs,
    filter: Filter<'a>,
    /// Read again at each start that is followed over
    names: RefCell<Names<'a>>,
    source: &'a Source,
    several: bool,
    secrets: Secrets,
}

impl Printer<'_> {
    fn print(&self, log: LogId, walk: &Walk, out: &mut impl Write) -> Result<(), Failure> {
        let record = walk.reader.record();
        if record.kind == RecordKind::Start && self.args.follow {
            self.names.replace(Names::of(self.source)?);
        }
        let is_message = MESSAGES.contains(&record.kind) || record.kind == RecordKind::Carried;
        let is_usual = log == LogId::Order || MESSAGES.contains(&record.kind);
        if self.args.filter.kind.is_empty() && !is_usual
            || !self.filter.wants(&self.names.borrow(), log, walk)
            || !self.is_type(&record)
        {
            return Ok(());
        }
        match (self.args.json, is_message) {
            (true, _) => writeln!(out, "{}", self.object(log, walk, &record, is_message))?,
            (false, true) => self.message(log, walk, &record, out)?,
            (false, false) => self.words(log, walk, &record, out)?,
        }
        Ok(())
    }

    /// A record that is no message: always with its log and number, since nothing in it is an identity.
    fn words(
        &self,
        log: LogId,
        walk: &Walk,
        record: &Record<'_>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let (names, epoch) = (self.names.borrow(), walk.reader.epoch());
        let text = words::text(&names, epoch, record);
        let time = times::show(record.time_ns);
        write!(out, "{time} {} {} : ", log.name(), record.sequence)?;
        let whose = record.kind == RecordKind::Connection || record.kind == RecordKind::Refused;
        if whose && record.channel != u16::MAX {
            write!(out, "{}: ", names.channel(log, epoch, record.channel))?;
        }
        writeln!(out, "{text}")
    }

    fn message(
        &self,
        log: LogId,
        walk: &Walk,
        record: &Record<'_>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let time = times::show(record.time_ns);
        let arrow = if is_received(record) { "<-" } else { "->" };
        let secrets = self.secrets.of(record.body);
        let name = || {
            let names = self.names.borrow();
            names.channel(log, walk.reader.epoch(), record.channel)
        };
        if self.args.explain {
            let name = name();
            let code = value(record.body, tags::MSG_TYPE).unwrap_or_default();
            let kind = tag_names::msg_type(code).unwrap_or("message");
            writeln!(
                out,
                "{time} {arrow} {name}  {kind}  ({} log, start {}, record {})",
                log.name(),
                walk.reader.epoch(),
                record.sequence
            )?;
            for field in fields(record.body) {
                let tag_text = String::from_utf8_lossy(field.tag_text);
                let name = field.tag.and_then(tag_names::tag).unwrap_or("?");
                write!(out, "  {tag_text:>5} {name:<24} ")?;
                secrets.write_value(out, &field, Form::Readable)?;
                let meaning = field
                    .tag
                    .zip(field.value)
                    .filter(|&(tag, _)| !secrets.hides(Some(tag)))
                    .and_then(|(tag, value)| tag_names::meaning(tag, value));
                if let Some(meaning) = meaning {
                    write!(out, "  ({meaning})")?;
                }
                writeln!(out)?;
            }
            return writeln!(out);
        }
        write!(out, "{time} ")?;
        if self.several {
            write!(out, "{} ", log.name())?;
        }
        if self.args.direction || self.several {
            write!(out, "{arrow} {} ", name())?;
        }
        out.write_all(b": ")?;
        secrets.write(out, record.body, self.form())?;
        writeln!(out)
    }

    fn form(&self) -> Form {
        match self.args.raw {
            true => Form::Raw,
            false => Form::Readable,
        }
    }

    /// Whether its MsgType(35) is asked for.
    fn is_type(&self, record: &Record<'_>) -> bool {
        let wanted = &self.args.msg_type;
        wanted.is_empty()
            || value(record.body, tags::MSG_TYPE)
                .is_some_and(|kind| wanted.iter().any(|t| t.as_bytes() == kind))
    }

    fn object(&self, log: LogId, walk: &Walk, record: &Record<'_>, is_message: bool) -> Value {
        let (names, epoch) = (self.names.borrow(), walk.reader.epoch());
        let name = match (log, record.kind) {
            (LogId::Order, RecordKind::DeskInput) => names.link(epoch, record.channel),
            (LogId::Order, RecordKind::ClientInput) => names.session(epoch, record.channel),
            (LogId::Order, _) => "-".to_owned(),
            _ => names.channel(log, epoch, record.channel),
        };
        let mut object = match is_message {
            true => self.message_object(record),
            false => words::object(&names, epoch, record),
        };
        for (key, value) in [
            ("time", json!(times::show(record.time_ns))),
            ("time_ns", json!(record.time_ns)),
            ("log", json!(log.name())),
            ("start", json!(epoch)),
            ("record", json!(record.sequence)),
            ("kind", json!(record.kind)),
            ("cause", cause(record.cause)),
            ("channel", json!(record.channel)),
            ("session", json!(name)),
        ] {
            object[key] = value;
        }
        object
    }

    fn message_object(&self, record: &Record<'_>) -> Value {
        let secrets = self.secrets.of(record.body);
        let kind = value(record.body, tags::MSG_TYPE).unwrap_or_default();
        let fields: Vec<_> = fields(record.body)
            .map(|field| {
                let mut text = Vec::new();
                // Writing to memory does not fail.
                let _ = secrets.write_value(&mut text, &field, self.form());
                json!([
                    String::from_utf8_lossy(field.tag_text),
                    String::from_utf8_lossy(&text)
                ])
            })
            .collect();
        json!({
            "direction": if is_received(record) { "in" } else { "out" },
            "msg_type": String::from_utf8_lossy(kind),
            "msg_type_name": tag_names::msg_type(kind),
            "msg_seq_num": value_number(record.body, tags::MSG_SEQ_NUM),
            "message": secrets.text(record.body, self.form()),
            "fields": fields,
        })
    }
}

/// A message of the peer.
fn is_received(record: &Record<'_>) -> bool {
    matches!(record.kind, RecordKind::MessageIn | RecordKind::Carried)
}

/// Whether the channel has one of these names, or numbers.
pub(super) fn is_channel(
    wanted: &[String],
    walk: &Walk,
    channel: u16,
    configured: &[String],
) -> bool {
    wanted.iter().any(|name| {
        channel_number(name) == Some(channel) || walk.channels.name(channel, configured) == *name
    })
}
