//! `gatehouse log print`: FIX messages of a log in the form people know, `20261123-09:30:00.123456 : 8=FIX.4.4|...`.
//!
//! One pass, bounded memory, straight to the output. With `--follow` it goes on until SIGINT or SIGTERM, over new segments and restarts.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::message::{Form, Secrets, fields, value, value_number};
use super::{Failure, Source, Walk, Where, channel_number, tag_names, times, usage};
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
    /// Only this session or link (#N: channel N); may be repeated
    #[arg(long, value_name = "NAME")]
    session: Vec<String>,
    /// Which log; without it, the one that has the sessions asked for
    #[arg(long, value_enum)]
    log: Option<LogName>,
    /// One field per line, with names and meanings
    #[arg(long, conflicts_with_all = ["json", "raw"])]
    explain: bool,
    /// Go on with what comes, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// From this time on, UTC: 20261123-09:30:00, 09:30 (today), 15m (ago), now
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    from: Option<u64>,
    /// Up to this time
    #[arg(long, value_name = "TIME", value_parser = times::parse, conflicts_with = "follow")]
    to: Option<u64>,
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

/// Logs with FIX messages in them.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LogName {
    /// Client sessions
    Client,
    /// Links to desks
    Desk,
}

impl LogName {
    pub(super) fn id(self) -> LogId {
        match self {
            Self::Client => LogId::Client,
            Self::Desk => LogId::Desk,
        }
    }
}

/// Runs it.
pub(super) fn run(args: &PrintArgs) -> Result<ExitCode, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(usage("--from is later than --to"));
    }
    let source = Source::of(&args.place)?;
    let log = match args.session.is_empty() {
        true => args.log.map_or(LogId::Client, LogName::id),
        false => source.log_of(args.log.map(LogName::id), &args.session)?,
    };
    let mut reader = LogReader::open(source.place.clone(), log)?;
    if let Some(from) = args.from {
        reader.skip_to(from)?;
    }
    let signals = match args.follow {
        true => Some(Signals::new()?),
        false => None,
    };
    if args.follow {
        reader.follow();
    }
    let mut walk = Walk::new(reader);
    let printer = Printer {
        args,
        log,
        configured: source.configured(log),
        secrets: Secrets {
            more: args.mask.clone(),
        },
    };
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    loop {
        while walk.advance()? {
            printer.print(&walk, &mut out)?;
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
    Ok(walk.exit_code())
}

struct Printer<'a> {
    args: &'a PrintArgs,
    log: LogId,
    configured: &'a [String],
    secrets: Secrets,
}

impl Printer<'_> {
    fn print(&self, walk: &Walk, out: &mut impl Write) -> io::Result<()> {
        let record = walk.reader.record();
        let received = match record.kind {
            RecordKind::MessageIn => true,
            kind if kind.is_sent() => false,
            _ => return Ok(()),
        };
        if !self.wants(walk, &record) {
            return Ok(());
        }
        if self.args.json {
            return writeln!(out, "{}", self.object(walk, &record, received));
        }
        let time = times::show(record.time_ns);
        let arrow = if received { "<-" } else { "->" };
        let secrets = self.secrets.of(record.body);
        if self.args.explain {
            let name = walk.channels.name(record.channel, self.configured);
            let code = value(record.body, tags::MSG_TYPE).unwrap_or_default();
            let kind = tag_names::msg_type(code).unwrap_or("message");
            writeln!(
                out,
                "{time} {arrow} {name}  {kind}  ({} log, start {}, record {})",
                self.log.name(),
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
        if self.args.direction {
            let name = walk.channels.name(record.channel, self.configured);
            write!(out, "{arrow} {name} ")?;
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

    fn wants(&self, walk: &Walk, record: &Record<'_>) -> bool {
        let args = self.args;
        let in_time = args.from.is_none_or(|from| record.time_ns >= from)
            && args.to.is_none_or(|to| record.time_ns <= to);
        in_time
            && (args.session.is_empty()
                || is_channel(&args.session, walk, record.channel, self.configured))
            && (args.msg_type.is_empty()
                || value(record.body, tags::MSG_TYPE)
                    .is_some_and(|kind| args.msg_type.iter().any(|t| t.as_bytes() == kind)))
    }

    fn object(&self, walk: &Walk, record: &Record<'_>, received: bool) -> Value {
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
            "time": times::show(record.time_ns),
            "time_ns": record.time_ns,
            "log": self.log.name(),
            "start": walk.reader.epoch(),
            "record": record.sequence,
            "channel": record.channel,
            "session": walk.channels.name(record.channel, self.configured),
            "direction": if received { "in" } else { "out" },
            "msg_type": String::from_utf8_lossy(kind),
            "msg_type_name": tag_names::msg_type(kind),
            "msg_seq_num": value_number(record.body, tags::MSG_SEQ_NUM),
            "message": secrets.text(record.body, self.form()),
            "fields": fields,
        })
    }
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
