//! Which records are wanted: by time, session or link, account, order and kind. The same for every command that takes them.
//!
//! Resolved once; then each record is held against it. A record that does not say what is asked for is not wanted.

use clap::Args;
use serde_json::json;

use super::families::{self, Family};
use super::message::value;
use super::names::Names;
use super::{Failure, Source, Walk, channel_number, times, usage};
use crate::domain::order::{AccountRef, ClientRequest};
use crate::journal::{LogId, Record, RecordKind, entry};
use crate::wire::fix::tags;

/// Arguments that say which records.
#[derive(Args, Debug, Clone)]
pub(super) struct FilterArgs {
    /// Only this session or link (#N: channel N); may be repeated
    #[arg(long, value_name = "NAME")]
    pub session: Vec<String>,
    /// From this time on, UTC: 20261123-09:30:00, 09:30 (today), 15m (ago), now
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    pub from: Option<u64>,
    /// Up to this time
    #[arg(long, value_name = "TIME", value_parser = times::parse)]
    pub to: Option<u64>,
    /// Only what names this account (in the order log, without a configuration: #N); may be repeated
    #[arg(long, value_name = "NAME")]
    account: Vec<String>,
    /// Only what belongs to this order: ClOrdID(11), OrderID(37) or our id of a request at a desk
    #[arg(long, value_name = "ID")]
    order: Option<String>,
    /// Only records of this kind: message_in, client_input, ...; may be repeated
    #[arg(long, value_name = "KIND", value_parser = parse_kind)]
    pub kind: Vec<RecordKind>,
}

const KINDS: [RecordKind; 19] = [
    RecordKind::Start,
    RecordKind::MessageIn,
    RecordKind::MessageOut,
    RecordKind::AdminOut,
    RecordKind::ClientInput,
    RecordKind::DeskInput,
    RecordKind::Command,
    RecordKind::Continuation,
    RecordKind::Connection,
    RecordKind::Refused,
    RecordKind::SequenceReset,
    RecordKind::Names,
    RecordKind::Carried,
    RecordKind::Begin,
    RecordKind::CopyOut,
    RecordKind::End,
    RecordKind::Mark,
    RecordKind::StateDigest,
    RecordKind::HostLoss,
];

/// Name of a kind, as programs know it.
pub(super) fn kind_name(kind: RecordKind) -> String {
    json!(kind).as_str().unwrap_or_default().to_owned()
}

fn parse_kind(text: &str) -> Result<RecordKind, String> {
    let found = KINDS.into_iter().find(|&kind| kind_name(kind) == text);
    found.ok_or_else(|| {
        format!(
            "no such kind; there are {}",
            KINDS.map(kind_name).join(", ")
        )
    })
}

/// Arguments, resolved.
pub(super) struct Filter<'a> {
    args: &'a FilterArgs,
    families: Option<Vec<Family>>,
}

impl<'a> Filter<'a> {
    pub(super) fn of(source: &Source, args: &'a FilterArgs) -> Result<Self, Failure> {
        if let (Some(from), Some(to)) = (args.from, args.to)
            && from > to
        {
            return Err(usage("--from is later than --to"));
        }
        let families = match &args.order {
            None => None,
            Some(order) => {
                let (families, _) = families::find(source, order)?;
                if families.is_empty() {
                    return Err(usage(format!("no order {order} in these logs")));
                }
                Some(families)
            }
        };
        Ok(Self { args, families })
    }

    /// Whether the record that a walk stands at is wanted.
    pub(super) fn wants(&self, names: &Names<'_>, log: LogId, walk: &Walk) -> bool {
        let (args, record) = (self.args, walk.reader.record());
        args.from.is_none_or(|from| record.time_ns >= from)
            && args.to.is_none_or(|to| record.time_ns <= to)
            && (args.kind.is_empty() || args.kind.contains(&record.kind))
            && (args.session.is_empty() || self.is_of(names, log, walk.reader.epoch(), &record))
            && (args.account.is_empty() || self.names_account(names, &record))
            && self
                .families
                .as_ref()
                .is_none_or(|families| families.iter().any(|family| family.has(log, &record)))
    }

    fn is_of(&self, names: &Names<'_>, log: LogId, epoch: u16, record: &Record<'_>) -> bool {
        let name = match (log, record.kind) {
            (LogId::Order, RecordKind::ClientInput) => names.session(epoch, record.channel),
            (LogId::Order, RecordKind::DeskInput) => names.link(epoch, record.channel),
            (LogId::Order, _) => return false,
            _ => names.channel(log, epoch, record.channel),
        };
        let asked = &self.args.session;
        asked
            .iter()
            .any(|asked| *asked == name || channel_number(asked) == Some(record.channel))
    }

    fn names_account(&self, names: &Names<'_>, record: &Record<'_>) -> bool {
        let asked = &self.args.account;
        let is_asked = |name: &str| asked.iter().any(|asked| asked == name);
        match record.kind {
            RecordKind::ClientInput => {
                let account =
                    entry::read_client(record.body).and_then(|(input, _)| match input.request {
                        ClientRequest::New(new) => Some(new.account),
                        ClientRequest::MassStatus(status) => status.account,
                        _ => None,
                    });
                account.is_some_and(|account| {
                    let number = match account {
                        AccountRef::Known(index) => format!("#{}", index.0),
                        AccountRef::Unknown(_) => String::new(),
                    };
                    is_asked(&names.account_of(&account)) || is_asked(&number)
                })
            }
            RecordKind::MessageIn
            | RecordKind::MessageOut
            | RecordKind::CopyOut
            | RecordKind::Carried => {
                let account = value(record.body, tags::ACCOUNT).unwrap_or_default();
                asked.iter().any(|asked| asked.as_bytes() == account)
            }
            _ => false,
        }
    }
}
