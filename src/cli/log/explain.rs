//! `gatehouse log explain`: the story of a session or link, the short form first: why were my numbers reset, what was rejected; or of
//! an order.
//!
//! Two passes over the log, one for the summary and one for the events, so that memory is bounded however long the story is.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::print::is_channel;
use super::story::{Entry, Numbers, Story, Summary, change};
use super::{Failure, Source, Walk, Where, order_story, times, usage};
use crate::app::log_reader::LogReader;
use crate::domain::SessionIndex;
use crate::domain::command::{RiskCommand, Scope};
use crate::journal::{LogId, RecordKind, entry};

/// Arguments of `gatehouse log explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// Session or link (#N: channel N), or an order: ClOrdID(11), OrderID(37) or our id of a request at a desk
    #[arg(value_name = "SESSION|ORDER")]
    session: String,
    #[command(flatten)]
    place: Where,
    /// Which log; without it, the one that has the session or link
    #[arg(long, value_enum)]
    log: Option<SessionLog>,
    /// It is an order, whatever sessions and links are called
    #[arg(long, conflicts_with = "log")]
    order: bool,
    /// Events from this time on, UTC: 20261123-09:30:00, 09:30 (today), 15m (ago); the summary covers everything
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    since: Option<u64>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Logs that tell of sessions or links.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum SessionLog {
    /// Client sessions
    Client,
    /// Links to desks
    Desk,
}

impl SessionLog {
    fn id(self) -> LogId {
        match self {
            Self::Client => LogId::Client,
            Self::Desk => LogId::Desk,
        }
    }
}

/// What a start writes for every session and link, connected or not.
const BEGINNINGS: [&str; 3] = ["start", "began", "resumed"];

/// Events that come with the ordinary course of a session, or repeat what a message said: only counted.
const ROUTINE: [&str; 3] = ["duplicate", "early", "reject_noted"];

/// Runs it.
pub(super) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let source = Source::of(&args.place)?;
    let wanted = [args.session.clone()];
    let order = || order_story::run(&source, &args.session, args.json);
    if args.order {
        let none = || usage(format!("no order {} in these logs", args.session));
        return order()?.ok_or_else(none);
    }
    let log = match source.log_of(args.log.map(SessionLog::id), &wanted) {
        Err(Failure::Usage(why)) if args.log.is_none() => {
            let none = || usage(format!("no order of that ClOrdID or OrderID, and {why}"));
            return order()?.ok_or_else(none);
        }
        log => log?,
    };
    let telling = Telling {
        source: &source,
        log,
        wanted: &wanted,
    };
    let (summary, code) = telling.tell(false, |_| Ok(()))?;
    if summary.counts.keys().all(|what| BEGINNINGS.contains(what)) {
        return Err(usage(format!(
            "{}: nothing of it in the {} log",
            args.session,
            log.name()
        )));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let is_due = |entry: &Entry| args.since.is_none_or(|since| entry.time_ns >= since);
    if args.json {
        let head = json!({"session": args.session, "log": log.name(), "summary": summary});
        let head = head.to_string();
        write!(out, "{},\"events\":[", &head[..head.len() - 1])?;
        let mut first = true;
        telling.tell(true, |entry| {
            if is_due(&entry) {
                let comma = if std::mem::take(&mut first) { "" } else { "," };
                write!(out, "{comma}{}", json!(entry))?;
            }
            Ok(())
        })?;
        writeln!(out, "]}}")?;
    } else {
        show_summary(&mut out, &args.session, log, &summary)?;
        writeln!(
            out,
            "\n{:<24}  {:>8} {:>8}  WHAT",
            "TIME (UTC)", "NEXT IN", "NEXT OUT"
        )?;
        telling.tell(true, |entry| {
            if !is_due(&entry) || ROUTINE.contains(&entry.what) {
                return Ok(());
            }
            let Numbers { next_in, next_out } = entry.numbers;
            writeln!(
                out,
                "{}  {:>8} {:>8}  {}",
                entry.time,
                number(next_in),
                number(next_out),
                entry.text
            )
        })?;
    }
    out.flush()?;
    Ok(code)
}

fn number(number: Option<u64>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

/// What is to be told.
struct Telling<'a> {
    source: &'a Source,
    log: LogId,
    wanted: &'a [String],
}

impl Telling<'_> {
    /// One pass. Complaints about the log come with the first one only.
    fn tell(
        &self,
        again: bool,
        mut each: impl FnMut(Entry) -> io::Result<()>,
    ) -> Result<(Summary, ExitCode), Failure> {
        let configured = self.source.configured(self.log);
        let open = |log| LogReader::open(self.source.place.clone(), log);
        let mut walk = Walk::new(open(self.log)?);
        walk.quiet = again;
        let mut commands = match self.log {
            LogId::Client => Some(Commands {
                walk: Walk::new(open(LogId::Order)?),
                waiting: None,
            }),
            _ => None,
        };
        let mut story = Story::default();
        while walk.advance()? {
            let record = walk.reader.record();
            if let Some(commands) = &mut commands {
                for entry in commands.before(record.time_ns, self.wanted, &mut story, configured)? {
                    each(entry)?;
                }
            }
            let mine = is_channel(self.wanted, &walk, record.channel, configured);
            for entry in story.take(walk.reader.epoch(), &record, mine) {
                each(entry)?;
            }
        }
        if let Some(commands) = &mut commands {
            for entry in commands.before(u64::MAX, self.wanted, &mut story, configured)? {
                each(entry)?;
            }
        }
        Ok((story.summary, walk.exit_code()))
    }
}

/// Operators' commands to the risk stage, from its own log.
struct Commands {
    walk: Walk,
    waiting: Option<(u64, u16, u64, RiskCommand, String)>,
}

impl Commands {
    /// Those that concern the session, up to a time.
    fn before(
        &mut self,
        time_ns: u64,
        wanted: &[String],
        story: &mut Story,
        configured: &[String],
    ) -> Result<Vec<Entry>, Failure> {
        self.walk.quiet = true;
        let mut entries = Vec::new();
        loop {
            if self.waiting.is_none() && !self.find()? {
                return Ok(entries);
            }
            match self.waiting.take() {
                Some((at_ns, start, record, command, user)) if at_ns <= time_ns => {
                    if let Some(words) = self.words(command, wanted, configured) {
                        *story.summary.counts.entry("command").or_default() += 1;
                        entries.push(Entry {
                            time: times::show(at_ns),
                            time_ns: at_ns,
                            start,
                            record,
                            what: "command",
                            text: format!("an operator's command (by {user}): {words}"),
                            numbers: story.summary.numbers,
                        });
                    }
                }
                later => {
                    self.waiting = later;
                    return Ok(entries);
                }
            }
        }
    }

    /// Goes to the next command.
    fn find(&mut self) -> Result<bool, Failure> {
        while self.walk.advance()? {
            let record = self.walk.reader.record();
            if record.kind == RecordKind::Command
                && let Some((input, _)) = entry::read_command(record.body)
            {
                self.waiting = Some((
                    record.time_ns,
                    self.walk.reader.epoch(),
                    record.sequence,
                    input.command,
                    input.user.to_string_lossy(),
                ));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `None` for a command that concerns others. The order log has no names of its own: channels are those of the configuration.
    fn words(
        &self,
        command: RiskCommand,
        wanted: &[String],
        configured: &[String],
    ) -> Option<String> {
        let (verb, scope) = match command {
            RiskCommand::Block(scope) => ("block", scope),
            RiskCommand::Unblock(scope) => ("unblock", scope),
            RiskCommand::Kill(scope) => ("kill", scope),
            RiskCommand::Release(scope) => ("release", scope),
            RiskCommand::Limit(..)
            | RiskCommand::Hold(_)
            | RiskCommand::ReleaseDesk(_)
            | RiskCommand::HostLost { .. } => {
                return None;
            }
        };
        match scope {
            Scope::Firm => Some(format!("{verb} firm")),
            Scope::Session(SessionIndex(at)) => {
                let name = configured.get(at as usize)?;
                wanted
                    .contains(name)
                    .then(|| format!("{verb} session {name}"))
            }
            Scope::Account(_) | Scope::Instrument(_) => None,
        }
    }
}

fn show_summary(
    out: &mut impl Write,
    session: &str,
    log: LogId,
    summary: &Summary,
) -> io::Result<()> {
    let count = |what: &str| summary.counts.get(what).copied().unwrap_or(0);
    let Numbers { next_in, next_out } = summary.numbers;
    writeln!(out, "{session} ({} log)", log.name())?;
    writeln!(
        out,
        "  {:<14} {} since {}",
        "state", summary.state, summary.since
    )?;
    writeln!(
        out,
        "  {:<14} in {}, out {}",
        "next numbers",
        number(next_in),
        number(next_out)
    )?;
    match &summary.last_reset {
        Some(reset) => {
            let numbers = change(reset.before, reset.after);
            writeln!(out, "  {:<14} {}: {numbers}", "last reset", reset.time)?;
            writeln!(out, "  {:<14} because: {}", "", reset.why)?;
        }
        None => writeln!(out, "  {:<14} none in this log", "last reset")?,
    }
    let rows: [(&str, &[(&str, &str)]); 4] = [
        (
            "connections",
            &[
                ("logged_on", "logons"),
                ("logged_out", "logouts"),
                ("disconnected", "ends"),
                ("refused_connection", "refused"),
                ("start", "starts of the gateway"),
            ],
        ),
        (
            "numbers",
            &[
                ("reset", "resets"),
                ("gap", "gaps"),
                ("resend_request_out", "resend requests sent"),
                ("resend_request_in", "received"),
                ("too_low", "too low"),
                ("duplicate", "duplicates"),
            ],
        ),
        (
            "rejects",
            &[
                ("reject_in", "35=3 received"),
                ("reject_out", "sent"),
                ("business_reject_in", "35=j received"),
                ("business_reject_out", "sent"),
            ],
        ),
        (
            "messages",
            &[
                ("messages_in", "received"),
                ("messages_out", "sent"),
                ("command", "operators' commands"),
            ],
        ),
    ];
    for (name, parts) in rows {
        let parts: Vec<_> = parts
            .iter()
            .map(|&(what, words)| format!("{} {words}", count(what)))
            .collect();
        writeln!(out, "  {name:<14} {}", parts.join(", "))?;
    }
    let strangers: Vec<_> = summary
        .strangers
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    if !strangers.is_empty() {
        writeln!(
            out,
            "  {:<14} {} (connections that named no session)",
            "strangers",
            strangers.join("; ")
        )?;
    }
    Ok(())
}
