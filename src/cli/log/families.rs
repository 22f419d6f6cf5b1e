//! Which records belong to an order: the order itself, the cancels, replaces and questions about it, and its requests at desks.
//!
//! Found by ClOrdID, which may stand for several orders (other sessions, other days), or by one of our ids: the OrderID(37) that the
//! client knows, or that of any request at a desk. Two or three passes over the logs; memory grows with the cancels and replaces.

use std::collections::{HashMap, HashSet};

use super::message::value;
use super::{Failure, Source, Walk};
use crate::app::log_reader::LogReader;
use crate::domain::order::ClientRequest;
use crate::domain::text::ClientOrderId;
use crate::domain::{OrderId, RejectReason};
use crate::journal::{LogId, Record, RecordKind, entry};
use crate::wire::fix::tags;

/// One order with all that belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Family {
    /// Start number of the process that took it
    pub epoch: u16,
    /// Its session, in the numbering of that start
    pub session: u16,
    /// When the risk stage took it, nanoseconds since 1970
    pub since_ns: u64,
    /// ClOrdID(11) of its first request
    pub name: ClientOrderId,
    /// ClOrdID(11) of all its requests
    pub names: HashSet<ClientOrderId>,
    /// Ids of its requests at desks; the first is its OrderID(37)
    pub ids: Vec<OrderId>,
    /// Records of its requests in the order log
    pub records: HashSet<u64>,
}

impl Family {
    /// OrderID(37), where it passed.
    pub(super) fn order_id(&self) -> Option<OrderId> {
        self.ids.first().copied()
    }

    /// Whether one of its requests at a desk has this id.
    pub(super) fn has_id(&self, id: OrderId) -> bool {
        self.ids.contains(&id)
    }

    /// Whether a field of a message is one of its ids.
    pub(super) fn has_id_in(&self, body: &[u8], tag: u32) -> bool {
        let id = value(body, tag).and_then(OrderId::parse);
        id.is_some_and(|id| self.has_id(id))
    }

    /// Whether a field of a message is one of its ClOrdIDs.
    pub(super) fn has_name_in(&self, body: &[u8], tag: u32) -> bool {
        let name = value(body, tag).and_then(ClientOrderId::new);
        name.is_some_and(|name| self.names.contains(&name))
    }

    /// Whether a record tells of the order by itself, not only as cause of something.
    pub(super) fn has(&self, log: LogId, record: &Record<'_>) -> bool {
        let body = record.body;
        match (log, record.kind) {
            (LogId::Order, RecordKind::ClientInput) => self.records.contains(&record.sequence),
            (LogId::Order, RecordKind::DeskInput) => {
                desk_input_id(body).is_some_and(|id| self.has_id(id))
            }
            (LogId::Desk, RecordKind::MessageIn | RecordKind::MessageOut) => {
                self.has_id_in(body, tags::CL_ORD_ID) || self.has_id_in(body, tags::ORIG_CL_ORD_ID)
            }
            (LogId::Desk, RecordKind::Refused) => {
                entry::read_refusal(body).is_some_and(|(id, _)| self.has_id(id))
            }
            (LogId::Client, RecordKind::MessageOut | RecordKind::CopyOut) => {
                let by_id = value(body, tags::ORDER_ID).and_then(OrderId::parse);
                match by_id {
                    Some(id) => self.order_id() == Some(id),
                    // Refused before it had an id.
                    None if record.cause.log == LogId::Order => {
                        self.records.contains(&record.cause.sequence)
                    }
                    None => false,
                }
            }
            (LogId::Client, RecordKind::MessageIn | RecordKind::Carried) => {
                record.channel == self.session
                    && (self.has_name_in(body, tags::CL_ORD_ID)
                        || self.has_name_in(body, tags::ORIG_CL_ORD_ID))
            }
            _ => false,
        }
    }
}

/// The request that an input from a desk is about.
pub(super) fn desk_input_id(body: &[u8]) -> Option<OrderId> {
    use crate::domain::report::DeskInput::*;
    match entry::read_desk(body)?.input {
        Report(report) => Some(report.id),
        CancelReject(reject) => Some(reject.id),
        Refused { id, .. } | InDoubt { id } => Some(id),
        Link(_) => None,
    }
}

/// ClOrdID(11) and OrigClOrdID(41) of a request that has them.
fn names_of(request: &ClientRequest) -> Option<(ClientOrderId, Option<ClientOrderId>)> {
    match request {
        ClientRequest::New(new) => Some((new.client_order_id, None)),
        ClientRequest::Cancel(cancel) => {
            Some((cancel.client_order_id, Some(cancel.orig_client_order_id)))
        }
        ClientRequest::Replace(replace) => {
            Some((replace.client_order_id, Some(replace.orig_client_order_id)))
        }
        ClientRequest::Status(status) => {
            Some((status.client_order_id, Some(status.client_order_id)))
        }
        ClientRequest::MassCancel(cancel) => Some((cancel.client_order_id, None)),
        ClientRequest::MassStatus(_) | ClientRequest::Lost => None,
    }
}

/// Session and ClOrdID.
type Key = (u16, ClientOrderId);
/// Steps from a request to its order: no chain is as long.
const CHAIN_MAX: usize = 100_000;

/// Every order that is meant; complaints about the logs are made here, for all later passes.
pub(super) fn find(source: &Source, wanted: &str) -> Result<(Vec<Family>, bool), Failure> {
    let name = ClientOrderId::new(wanted.as_bytes());
    let id = OrderId::parse(wanted.as_bytes());
    let mut search = Search {
        source,
        damaged: false,
        told: Vec::new(),
    };
    let mut roots = HashSet::new();
    if let Some(name) = name {
        roots = search.roots(|request| request.0 == name)?;
    }
    let mut families = Vec::new();
    if !roots.is_empty() {
        families = search.collect(&roots)?;
    }
    if let Some(id) = id.filter(|_| families.is_empty()) {
        let first = search.first_request(id)?;
        let roots = search.roots(|request| request.2 == first)?;
        families = search.collect(&roots)?;
        families.retain(|family| family.has_id(id));
    }
    if let Some(name) = name.filter(|_| families.is_empty()) {
        families = search.refused_at_the_door(name)?;
    }
    Ok((families, search.damaged))
}

struct Search<'a> {
    source: &'a Source,
    damaged: bool,
    /// Logs whose complaints were made
    told: Vec<LogId>,
}

impl Search<'_> {
    fn walk(&mut self, log: LogId) -> Result<Walk, Failure> {
        let mut walk = Walk::new(LogReader::open(self.source.place.clone(), log)?);
        walk.quiet = self.told.contains(&log);
        self.told.push(log);
        Ok(walk)
    }

    /// First requests of the orders that the requests wanted belong to. A request: ClOrdID, session, id at the desk.
    fn roots(
        &mut self,
        wanted: impl Fn(&(ClientOrderId, u16, OrderId)) -> bool,
    ) -> Result<HashSet<Key>, Failure> {
        let mut found = HashSet::new();
        let mut originals: HashMap<Key, ClientOrderId> = HashMap::new();
        let mut walk = self.walk(LogId::Order)?;
        while walk.advance()? {
            let record = walk.reader.record();
            if record.kind != RecordKind::ClientInput {
                continue;
            }
            let Some((input, outcome)) = entry::read_client(record.body) else {
                continue;
            };
            let Some((name, original)) = names_of(&input.request) else {
                continue;
            };
            if let Some(original) = original.filter(|original| *original != name) {
                originals.insert((record.channel, name), original);
            }
            if wanted(&(name, record.channel, outcome.desk_request)) {
                found.insert((record.channel, name));
            }
        }
        self.damaged |= walk.damaged;
        let climb = |(session, mut name): Key| {
            for _ in 0..CHAIN_MAX {
                match originals.get(&(session, name)) {
                    Some(original) => name = *original,
                    None => break,
                }
            }
            (session, name)
        };
        Ok(found.into_iter().map(climb).collect())
    }

    /// The request at the desk with which an order began, from any of its requests there.
    fn first_request(&mut self, id: OrderId) -> Result<OrderId, Failure> {
        let mut originals = HashMap::new();
        let mut walk = self.walk(LogId::Desk)?;
        while walk.advance()? {
            let record = walk.reader.record();
            if record.kind == RecordKind::MessageOut
                && let Some(id) = value(record.body, tags::CL_ORD_ID).and_then(OrderId::parse)
                && let Some(of) = value(record.body, tags::ORIG_CL_ORD_ID).and_then(OrderId::parse)
            {
                originals.insert(id, of);
            }
        }
        self.damaged |= walk.damaged;
        let mut first = id;
        for _ in 0..CHAIN_MAX {
            match originals.get(&first) {
                Some(&original) => first = original,
                None => break,
            }
        }
        Ok(first)
    }

    /// The orders that begin with these requests, with everything that follows.
    fn collect(&mut self, roots: &HashSet<Key>) -> Result<Vec<Family>, Failure> {
        let mut families: Vec<Family> = Vec::new();
        // The latest order of each name.
        let mut current: HashMap<Key, usize> = HashMap::new();
        let mut walk = self.walk(LogId::Order)?;
        while walk.advance()? {
            let record = walk.reader.record();
            if record.kind != RecordKind::ClientInput {
                continue;
            }
            let Some((input, outcome)) = entry::read_client(record.body) else {
                continue;
            };
            let Some((name, original)) = names_of(&input.request) else {
                continue;
            };
            let key = (record.channel, name);
            let of = current
                .get(&(record.channel, original.unwrap_or(name)))
                .or_else(|| current.get(&key))
                .copied();
            let is_new = matches!(input.request, ClientRequest::New(_));
            let repeats = outcome.reason == RejectReason::DuplicateClientOrderId
                || outcome.desk_request == OrderId::NONE && outcome.reason == RejectReason::None;
            let at = match of {
                Some(at) if !is_new || repeats => at,
                _ if roots.contains(&key)
                    || original.is_some_and(|of| roots.contains(&(record.channel, of))) =>
                {
                    families.push(Family {
                        epoch: walk.reader.epoch(),
                        session: record.channel,
                        since_ns: record.time_ns,
                        name,
                        names: HashSet::new(),
                        ids: Vec::new(),
                        records: HashSet::new(),
                    });
                    families.len() - 1
                }
                _ => continue,
            };
            let family = &mut families[at];
            family.names.insert(name);
            family.records.insert(record.sequence);
            if outcome.desk_request != OrderId::NONE {
                family.ids.push(outcome.desk_request);
            }
            current.insert(key, at);
        }
        self.damaged |= walk.damaged;
        self.add_requests_at_desks(&mut families)?;
        Ok(families)
    }

    /// Mass cancels, kills and disconnects make requests that no request of a client names.
    fn add_requests_at_desks(&mut self, families: &mut [Family]) -> Result<(), Failure> {
        let mut walk = self.walk(LogId::Desk)?;
        while walk.advance()? {
            let record = walk.reader.record();
            if record.kind != RecordKind::MessageOut {
                continue;
            }
            let Some(id) = value(record.body, tags::CL_ORD_ID).and_then(OrderId::parse) else {
                continue;
            };
            let of = value(record.body, tags::ORIG_CL_ORD_ID).and_then(OrderId::parse);
            for family in families.iter_mut() {
                if of.is_some_and(|of| family.has_id(of)) && !family.has_id(id) {
                    family.ids.push(id);
                }
            }
        }
        self.damaged |= walk.damaged;
        Ok(())
    }

    /// Requests that the decode stage did not take: they stand in the client log alone.
    fn refused_at_the_door(&mut self, name: ClientOrderId) -> Result<Vec<Family>, Failure> {
        let mut families: Vec<Family> = Vec::new();
        let mut walk = self.walk(LogId::Client)?;
        while walk.advance()? {
            let record = walk.reader.record();
            if record.kind == RecordKind::MessageIn
                && value(record.body, tags::CL_ORD_ID) == Some(name.as_bytes())
                && families
                    .iter()
                    .all(|family| family.session != record.channel)
            {
                families.push(Family {
                    epoch: walk.reader.epoch(),
                    session: record.channel,
                    since_ns: record.time_ns,
                    name,
                    names: HashSet::from([name]),
                    ids: Vec::new(),
                    records: HashSet::new(),
                });
            }
        }
        self.damaged |= walk.damaged;
        Ok(families)
    }
}
