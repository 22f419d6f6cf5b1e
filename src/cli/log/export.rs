//! `gatehouse log export`: requests and reports of clients as CSV, each joined with what the risk stage and the desk's side had to do with
//! it; or the ExecutionReports as FIX messages in the order in which they were sent.
//!
//! The client log leads; the other two are read along with it, and a bounded part of each is remembered. All values are as sent.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::filter::{Filter, FilterArgs};
use super::message::{Form, Secrets, value, value_text};
use super::names::Names;
use super::verify::Progress;
use super::{Failure, Source, Walk, Where, tag_names, times};
use crate::app::log_reader::LogReader;
use crate::domain::{OrderId, RejectReason};
use crate::journal::record::padded;
use crate::journal::{LogId, Record, RecordKind, entry};
use crate::limits::LOG_EXPORT_REMEMBERED;
use crate::wire::fix::tags;

/// Arguments of `gatehouse log export`.
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    filter: FilterArgs,
    /// What comes out
    #[arg(long, value_enum)]
    format: Format,
    /// Of drop-copy: SOH and all other bytes as on the wire
    #[arg(long)]
    raw: bool,
}

/// What comes out.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    /// A line for each request and each report, with a heading
    Csv,
    /// ExecutionReports as FIX messages, a line each, with time and session
    DropCopy,
}

/// Runs it.
pub(super) fn run(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let source = Source::of(&args.place)?;
    let filter = Filter::of(&source, &args.filter)?;
    let names = Names::of(&source)?;
    let out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let damaged = match args.format {
        Format::Csv => csv_rows(&source, &filter, &names, out)?,
        Format::DropCopy => {
            let mut out = out;
            let damaged = each(&source, &filter, &names, |epoch, record| {
                Ok(drop_copy(&mut out, &names, epoch, record, args.raw)?)
            })?;
            out.flush()?;
            damaged
        }
    };
    Ok(match damaged {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Every wanted record of the client log; whether the log is damaged.
fn each(
    source: &Source,
    filter: &Filter<'_>,
    names: &Names<'_>,
    mut take: impl FnMut(u16, &Record<'_>) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let mut walk = Walk::new(LogReader::open(source.place.clone(), LogId::Client)?);
    let mut progress = Progress::new(&source.place);
    let (mut records, mut bytes) = (0u64, 0);
    while walk.advance()? {
        let record = walk.reader.record();
        (records, bytes) = (records + 1, bytes + padded(record.body.len()) as u64);
        if records.is_multiple_of(4096) {
            progress.tell(LogId::Client, records, bytes);
        }
        if filter.wants(names, LogId::Client, &walk) {
            take(walk.reader.epoch(), &record)?;
        }
    }
    progress.end();
    Ok(walk.damaged)
}

fn csv_rows(
    source: &Source,
    filter: &Filter<'_>,
    names: &Names<'_>,
    out: impl Write,
) -> Result<bool, Failure> {
    let mut rows = Rows::new(source, names)?;
    let mut out = csv::Writer::from_writer(out);
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => Failure::Output(error),
        other => Failure::Output(io::Error::other(format!("{other:?}"))),
    };
    out.write_record(HEADINGS).map_err(failed)?;
    let damaged = each(source, filter, names, |epoch, record| {
        match rows.row(epoch, record)? {
            Some(row) => out.write_record(&row).map_err(failed),
            None => Ok(()),
        }
    })?;
    out.flush()?;
    Ok(damaged || rows.orders.walk.damaged || rows.desk.walk.damaged)
}

/// `TIME SESSION : MESSAGE`
fn drop_copy(
    out: &mut impl Write,
    names: &Names<'_>,
    epoch: u16,
    record: &Record<'_>,
    raw: bool,
) -> io::Result<()> {
    let is_report =
        record.kind == RecordKind::MessageOut && value(record.body, tags::MSG_TYPE) == Some(b"8");
    if !is_report {
        return Ok(());
    }
    let form = if raw { Form::Raw } else { Form::Readable };
    let (time, session) = (
        times::show(record.time_ns),
        names.session(epoch, record.channel),
    );
    write!(out, "{time} {session} : ")?;
    Secrets::default()
        .of(record.body)
        .write(out, record.body, form)?;
    writeln!(out)
}

const HEADINGS: [&str; 34] = [
    "time",
    "row",
    "session",
    "start",
    "record",
    "msg_type",
    "msg_seq_num",
    "client_order_id",
    "orig_client_order_id",
    "order_id",
    "account",
    "instrument",
    "side",
    "order_type",
    "time_in_force",
    "quantity",
    "price",
    "exec_id",
    "exec_type",
    "status",
    "last_quantity",
    "last_price",
    "cumulated",
    "leaves",
    "average_price",
    "text",
    "decision",
    "reason",
    "decided_at",
    "desk_request",
    "link",
    "link_msg_seq_num",
    "link_time",
    "order_record",
];

/// The latest of many, found by key.
struct Recent<V> {
    values: HashMap<u64, V>,
    order: VecDeque<u64>,
}

impl<V> Recent<V> {
    fn new() -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    fn put(&mut self, key: u64, value: V) {
        if self.order.len() == LOG_EXPORT_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
        if self.values.insert(key, value).is_none() {
            self.order.push_back(key);
        }
    }
}

/// An input of the risk stage.
#[derive(Clone)]
struct Input {
    record: u64,
    time_ns: u64,
    decision: &'static str,
    reason: &'static str,
    desk_request: OrderId,
    /// Of an input from a desk: the link's name, and its record in the desk log
    link: Option<(String, u64)>,
}

/// The order log, read along: inputs by their own sequence, and by the client's message that caused them.
struct Orders {
    walk: Walk,
    by_record: Recent<Input>,
    by_message: Recent<u64>,
    /// How far
    record: u64,
    message: u64,
    ended: bool,
}

/// A message to a desk, or one that was not sent, or one received.
#[derive(Clone)]
struct OfDesk {
    link: String,
    msg_seq_num: String,
    time_ns: u64,
}

/// The desk log, read along: by the input that caused a request, and by record.
struct Desk {
    walk: Walk,
    by_cause: Recent<OfDesk>,
    by_record: Recent<OfDesk>,
    cause: u64,
    record: u64,
    ended: bool,
}

struct Rows<'a> {
    names: &'a Names<'a>,
    orders: Orders,
    desk: Desk,
}

impl<'a> Rows<'a> {
    fn new(source: &Source, names: &'a Names<'a>) -> Result<Self, Failure> {
        let open = |log| -> Result<Walk, Failure> {
            Ok(Walk::new(LogReader::open(source.place.clone(), log)?))
        };
        Ok(Self {
            names,
            orders: Orders {
                walk: open(LogId::Order)?,
                by_record: Recent::new(),
                by_message: Recent::new(),
                record: 0,
                message: 0,
                ended: false,
            },
            desk: Desk {
                walk: open(LogId::Desk)?,
                by_cause: Recent::new(),
                by_record: Recent::new(),
                cause: 0,
                record: 0,
                ended: false,
            },
        })
    }

    /// `None` for what is neither request nor report.
    fn row(
        &mut self,
        epoch: u16,
        record: &Record<'_>,
    ) -> Result<Option<[String; HEADINGS.len()]>, Failure> {
        let body = record.body;
        let kind = value(body, tags::MSG_TYPE).unwrap_or_default();
        let (row, input, desk) = match (record.kind, kind) {
            (RecordKind::MessageIn, b"D" | b"F" | b"G" | b"q") => {
                let input = self.orders.of_message(record.sequence, self.names)?;
                let desk = match &input {
                    Some(input) if input.desk_request != OrderId::NONE => {
                        self.desk.of_cause(input.record, self.names)?
                    }
                    _ => None,
                };
                ("request", input, desk)
            }
            (RecordKind::MessageOut, b"8" | b"9" | b"r") => {
                let input = match record.cause.log {
                    LogId::Order => self.orders.of_record(record.cause.sequence, self.names)?,
                    _ => None,
                };
                let desk = match input.as_ref().and_then(|input| input.link.clone()) {
                    Some((_, at)) => self.desk.of_record(at, self.names)?,
                    None => None,
                };
                ("report", input, desk)
            }
            _ => return Ok(None),
        };
        let text = |tag| value_text(body, tag);
        let meaning = |tag| {
            let code = value(body, tag).unwrap_or_default();
            tag_names::meaning(tag, code).map_or_else(|| value_text(body, tag), str::to_owned)
        };
        let is_report = row == "report";
        let passed = |input: &Input| input.desk_request != OrderId::NONE;
        // What the gateway calls an order is told by its reports; the order's own request already has that id.
        let order_id = match (&input, kind) {
            (Some(input), b"D") if passed(input) => input.desk_request.to_string(),
            _ => text(tags::ORDER_ID),
        };
        let of_input = |part: fn(&Input) -> String| input.as_ref().map_or(String::new(), part);
        let of_desk = |part: fn(&OfDesk) -> String| desk.as_ref().map_or(String::new(), part);
        let link = match (&desk, &input) {
            (Some(desk), _) => desk.link.clone(),
            (
                None,
                Some(Input {
                    link: Some((name, _)),
                    ..
                }),
            ) => name.clone(),
            _ => String::new(),
        };
        Ok(Some([
            times::show(record.time_ns),
            row.to_owned(),
            self.names.session(epoch, record.channel),
            epoch.to_string(),
            record.sequence.to_string(),
            String::from_utf8_lossy(kind).into_owned(),
            text(tags::MSG_SEQ_NUM),
            text(tags::CL_ORD_ID),
            text(tags::ORIG_CL_ORD_ID),
            order_id,
            text(tags::ACCOUNT),
            text(tags::SYMBOL),
            meaning(tags::SIDE),
            meaning(tags::ORD_TYPE),
            meaning(tags::TIME_IN_FORCE),
            text(tags::ORDER_QTY),
            text(tags::PRICE),
            text(tags::EXEC_ID),
            meaning(tags::EXEC_TYPE),
            meaning(tags::ORD_STATUS),
            text(tags::LAST_QTY),
            text(tags::LAST_PX),
            text(tags::CUM_QTY),
            text(tags::LEAVES_QTY),
            text(tags::AVG_PX),
            text(tags::TEXT),
            match (&input, is_report) {
                (_, true) => String::new(),
                (None, false) => "not taken".to_owned(),
                (Some(input), false) => input.decision.to_owned(),
            },
            of_input(|input| input.reason.to_owned()),
            of_input(|input| times::show(input.time_ns)),
            of_input(|input| match input.desk_request {
                OrderId::NONE => String::new(),
                id => id.to_string(),
            }),
            link,
            of_desk(|desk| desk.msg_seq_num.clone()),
            of_desk(|desk| times::show(desk.time_ns)),
            of_input(|input| input.record.to_string()),
        ]))
    }
}

impl Orders {
    fn of_record(&mut self, record: u64, names: &Names<'_>) -> Result<Option<Input>, Failure> {
        while self.record < record && self.advance(names)? {}
        Ok(self.by_record.values.get(&record).cloned())
    }

    fn of_message(&mut self, message: u64, names: &Names<'_>) -> Result<Option<Input>, Failure> {
        while self.message < message && self.advance(names)? {}
        let record = self.by_message.values.get(&message);
        Ok(record.and_then(|record| self.by_record.values.get(record).cloned()))
    }

    fn advance(&mut self, names: &Names<'_>) -> Result<bool, Failure> {
        if self.ended || !self.walk.advance()? {
            self.ended = true;
            return Ok(false);
        }
        let (epoch, record) = (self.walk.reader.epoch(), self.walk.reader.record());
        let mut input = Input {
            record: record.sequence,
            time_ns: record.time_ns,
            decision: "",
            reason: "",
            desk_request: OrderId::NONE,
            link: None,
        };
        match record.kind {
            RecordKind::ClientInput => {
                if let Some((_, outcome)) = entry::read_client(record.body) {
                    (input.decision, input.reason) = match outcome.reason {
                        RejectReason::None if outcome.desk_outputs > 0 => ("passed", ""),
                        RejectReason::None => ("answered", ""),
                        reason => ("refused", reason.row().name),
                    };
                    input.desk_request = outcome.desk_request;
                }
                self.message = record.cause.sequence;
                self.by_message.put(record.cause.sequence, record.sequence);
            }
            RecordKind::DeskInput => {
                let name = names.link(epoch, record.channel);
                input.link = Some((name, record.cause.sequence));
                if let Some(id) = super::families::desk_input_id(record.body) {
                    input.desk_request = id;
                }
            }
            _ => {}
        }
        self.record = record.sequence;
        self.by_record.put(record.sequence, input);
        Ok(true)
    }
}

impl Desk {
    fn of_record(&mut self, record: u64, names: &Names<'_>) -> Result<Option<OfDesk>, Failure> {
        while self.record < record && self.advance(names)? {}
        Ok(self.by_record.values.get(&record).cloned())
    }

    fn of_cause(&mut self, cause: u64, names: &Names<'_>) -> Result<Option<OfDesk>, Failure> {
        while self.cause < cause && self.advance(names)? {}
        Ok(self.by_cause.values.get(&cause).cloned())
    }

    fn advance(&mut self, names: &Names<'_>) -> Result<bool, Failure> {
        if self.ended || !self.walk.advance()? {
            self.ended = true;
            return Ok(false);
        }
        let (epoch, record) = (self.walk.reader.epoch(), self.walk.reader.record());
        self.record = record.sequence;
        let of_desk = OfDesk {
            link: names.link(epoch, record.channel),
            msg_seq_num: value_text(record.body, tags::MSG_SEQ_NUM),
            time_ns: record.time_ns,
        };
        match record.kind {
            RecordKind::MessageOut | RecordKind::Refused if record.cause.log == LogId::Order => {
                self.cause = record.cause.sequence;
                self.by_cause.put(record.cause.sequence, of_desk);
            }
            RecordKind::MessageIn | RecordKind::Connection => {
                self.by_record.put(record.sequence, of_desk);
            }
            _ => {}
        }
        Ok(true)
    }
}
