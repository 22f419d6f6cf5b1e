//! The parts of a gateway, made from its plan before any thread runs.
//!
//! Logs, rings, risk state and status page are made here, on the starting thread. Sockets are not: a ring of io_uring belongs to the
//! thread that uses it, so the decode and route stages leave here as seeds and grow on their own threads.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use ringbuf::byte_log;
use ringbuf::spsc::{Consumer, Producer, spsc};

use super::before::Before;
use super::boot::{BootError, failed};
use super::log_store::{LogStore, SegmentReader};
use super::runner::{DecodeTurn, Lifecycle, RouteTurn};
use crate::access::Entitlements;
use crate::config::plan::{FixPlan, Io, LinkPlan, Plan};
use crate::domain::command::{LinkCommand, NumbersDone, SessionCommand};
use crate::domain::directory::Directory;
use crate::domain::order::{FromClient, ToDesk};
use crate::domain::report::{FromDesk, ToClient};
use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::domain::{DeskIndex, Now};
use crate::journal::{Cause, Log, LogId, RecordKind, names};
use crate::limits::CONNECTIONS_MAX;
use crate::risk::{Risk, RiskPlan, SessionLimits};
use crate::session::ResendPolicy;
use crate::stage::archive::{self, Archive, ArchiveReader};
use crate::stage::control::ControlPorts;
use crate::stage::copies::Copies;
use crate::stage::decode::{DecodeParts, DecodeStage};
use crate::stage::journal::{Drain, JournalStage};
use crate::stage::risk::{RiskParts, RiskStage};
use crate::stage::route::{RouteParts, RouteStage};
use crate::stage::scopes::ScopeBoard;
use crate::stage::{Dictionaries, PeerConfig, Role, Switchboard};
use crate::status::page::{Words, page_bytes};
use crate::status::{Identity, Page, Shape, StageWriter, Writers};
use crate::sys::mmap::SharedWords;
use crate::sys::sockets::{self, AnySockets, Choice, Chosen};
use crate::sys::staging::StagingRegion;
use crate::wire::fix::dictionary::Dictionary;

/// Everything, ready for its threads.
pub(super) struct Parts {
    pub decode: DecodeSeed,
    pub risk: RiskStage,
    pub route: RouteSeed,
    pub journal: JournalStage<LogStore>,
    pub archive: ArchiveReader<SegmentReader>,
    pub ports: ControlPorts,
    pub page: Words,
    pub control_status: StageWriter,
}

/// Makes everything but the sockets.
pub(super) fn parts(
    plan: &Arc<Plan>,
    epoch: u16,
    now: Now,
    lifecycle: &Lifecycle,
) -> Result<Parts, BootError> {
    let (writers, page) = make_page(plan, now)?;
    // Before new windows take the place of those that were left.
    let before = |log| Before::read(plan, log, channel_names(plan, log), now);
    let (clients_before, links_before) = (before(LogId::Client)?, before(LogId::Desk)?);
    let mut drains = Vec::new();
    let mut make_log = |log: LogId| -> Result<Log, BootError> {
        let (writer, reader) = make_window(plan, log)?;
        let store = LogStore::create(&plan.state.log_directory, log, epoch)
            .map_err(failed(format!("cannot create the {} log", log.name())))?;
        let names = channel_names(plan, log);
        let made = begin_log(log, epoch, writer, &names, now);
        drains.push(Drain::new(log, names, reader, store));
        Ok(made)
    };
    let (client_log, order_log, desk_log) = (
        make_log(LogId::Client)?,
        make_log(LogId::Order)?,
        make_log(LogId::Desk)?,
    );

    let slots = plan.threads.ring_slots;
    let (to_risk, from_client) = spsc(slots);
    let (to_client, from_risk) = spsc(slots);
    let (to_desk, requests) = spsc(slots);
    let (reports, from_desk) = spsc(slots);
    let ports = ControlPorts::default();
    let directory = Arc::new(Directory::new(&plan.accounts, &plan.instruments));
    let scopes = ScopeBoard::new(
        plan.accounts.len(),
        plan.sessions.len(),
        plan.instruments.len(),
    );
    let session_accounts: Vec<_> = plan
        .sessions
        .iter()
        .map(|session| session.accounts.as_slice())
        .collect();
    let risk = RiskStage::new(RiskParts {
        risk: make_risk(plan, epoch, now),
        entitlements: Entitlements::new(&session_accounts, plan.accounts.len()),
        log: order_log,
        from_client,
        from_desk,
        to_desk,
        to_client,
        commands: ports.risk.clone(),
        commands_done: ports.risk_done.clone(),
        scopes: scopes.clone(),
        account_desks: plan.account_desks.clone(),
        link_desks: links(plan).map(|(desk, _)| desk).collect(),
        status: writers.risk,
    });
    let sent_to_clients = SegmentReader::new(&plan.state.log_directory, LogId::Client);
    let (archive_port, archive) = archive::archive(sent_to_clients);
    let decode = DecodeSeed {
        plan: plan.clone(),
        log: client_log,
        before: clients_before,
        archive: archive_port,
        to_risk,
        from_risk,
        directory: directory.clone(),
        commands: ports.sessions.clone(),
        answers: ports.numbers_done.clone(),
        status: writers.decode,
        lifecycle: lifecycle.clone(),
    };
    let route = RouteSeed {
        plan: plan.clone(),
        log: desk_log,
        before: links_before,
        requests,
        reports,
        directory,
        scopes,
        commands: ports.links.clone(),
        answers: ports.numbers_done.clone(),
        status: writers.route,
        lifecycle: lifecycle.clone(),
    };
    let journal = JournalStage::new(drains, writers.journal);
    Ok(Parts {
        decode,
        risk,
        route,
        journal,
        archive,
        ports,
        page,
        control_status: writers.control,
    })
}

/// Names of the channels of a log.
fn channel_names(plan: &Plan, log: LogId) -> Vec<String> {
    match log {
        LogId::Client => plan.sessions.iter().map(|it| it.name.clone()).collect(),
        LogId::Desk => links(plan).map(|(_, link)| link.name.clone()).collect(),
        LogId::Order | LogId::None => Vec::new(),
    }
}

/// A log of this epoch, with the records that say so and who its channels are.
pub(super) fn begin_log(
    log: LogId,
    epoch: u16,
    writer: byte_log::Writer,
    channels: &[String],
    now: Now,
) -> Log {
    let mut made = Log::new(log, writer).in_epoch(epoch);
    let start = format!(
        "gatehouse {} {} epoch {epoch}",
        env!("CARGO_PKG_VERSION"),
        log.name()
    );
    let (cause, time_ns) = (Cause::default(), now.wall_ns);
    made.append(RecordKind::Start, 0, cause, time_ns, start.as_bytes());
    for (channel, body) in names::bodies(channels) {
        made.append(RecordKind::Names, channel, cause, time_ns, body.as_bytes());
    }
    made
}

/// The decode stage without its sockets.
pub(super) struct DecodeSeed {
    plan: Arc<Plan>,
    log: Log,
    before: Option<Before>,
    archive: Archive,
    to_risk: Producer<FromClient>,
    from_risk: Consumer<ToClient>,
    directory: Arc<Directory>,
    commands: Arc<ArrayQueue<SessionCommand>>,
    answers: Arc<ArrayQueue<NumbersDone>>,
    status: StageWriter,
    lifecycle: Lifecycle,
}

impl DecodeSeed {
    /// On the thread that will turn it: opens the sockets and listens.
    pub fn grow(self) -> Result<(DecodeTurn<AnySockets>, Vec<SocketAddr>, Chosen), BootError> {
        let plan = &self.plan;
        let connections: usize = plan
            .listeners
            .iter()
            .map(|listener| listener.connections_max)
            .sum();
        let connections = connections.clamp(1, CONNECTIONS_MAX);
        let (sockets, chosen) =
            open_sockets("client", plan.listeners.iter().map(|l| l.io), connections)?;
        let logon_timeout_s = plan
            .listeners
            .iter()
            .map(|listener| listener.logon_timeout_s)
            .min()
            .unwrap_or(10);
        let mut dictionaries = Dictionaries::default();
        let peers = plan
            .sessions
            .iter()
            .map(|session| {
                Ok(PeerConfig {
                    fix: session.fix.clone(),
                    role: Role::Accept {
                        allowed_sources: session.allowed_sources.clone(),
                    },
                    resend: ResendPolicy::Replay,
                    dictionary: dictionary(&mut dictionaries, &session.fix)?,
                })
            })
            .collect::<Result<_, _>>()?;
        let mut board = Switchboard::new(
            sockets,
            self.log,
            peers,
            connections,
            logon_timeout_s as u64 * NS_PER_S,
        );
        board.set_archive(self.archive);
        let mut board = Before::resume(self.before, board)?;
        let mut addresses = Vec::new();
        for (at, listener) in plan.listeners.iter().enumerate() {
            let what = format!(
                "cannot listen on {} (listener {})",
                listener.address, listener.name
            );
            addresses.push(
                board
                    .listen(at as u32, listener.address)
                    .map_err(failed(what))?,
            );
        }
        let stage = DecodeStage::new(DecodeParts {
            board,
            to_risk: self.to_risk,
            from_risk: self.from_risk,
            directory: self.directory,
            sole_account: plan
                .sessions
                .iter()
                .map(|session| match session.accounts[..] {
                    [account] => Some(account),
                    _ => None,
                })
                .collect(),
            cancel_on_disconnect: plan
                .sessions
                .iter()
                .map(|session| session.cancel_on_disconnect)
                .collect(),
            copies: Copies::new(&plan.sessions, plan.accounts.len()),
            commands: self.commands,
            answers: self.answers,
            status: self.status,
        });
        Ok((DecodeTurn::new(stage, self.lifecycle), addresses, chosen))
    }
}

/// The route stage without its sockets.
pub(super) struct RouteSeed {
    plan: Arc<Plan>,
    log: Log,
    before: Option<Before>,
    requests: Consumer<ToDesk>,
    reports: Producer<FromDesk>,
    directory: Arc<Directory>,
    scopes: ScopeBoard,
    commands: Arc<ArrayQueue<LinkCommand>>,
    answers: Arc<ArrayQueue<NumbersDone>>,
    status: StageWriter,
    lifecycle: Lifecycle,
}

impl RouteSeed {
    /// On the thread that will turn it: opens the sockets.
    pub fn grow(self) -> Result<(RouteTurn<AnySockets>, Chosen), BootError> {
        let plan = &self.plan;
        // A link that is closing still has its connection while the next one is made.
        let connections = 2 * links(plan).count().max(1);
        let (sockets, chosen) =
            open_sockets("desk", links(plan).map(|(_, link)| link.io), connections)?;
        let mut dictionaries = Dictionaries::default();
        let peers = links(plan)
            .map(|(_, link)| {
                Ok(PeerConfig {
                    fix: link.fix.clone(),
                    role: Role::Connect {
                        address: link.address,
                        reconnect_min_ms: link.reconnect_min_ms,
                        reconnect_max_ms: link.reconnect_max_ms,
                    },
                    resend: ResendPolicy::GapFillAll,
                    dictionary: dictionary(&mut dictionaries, &link.fix)?,
                })
            })
            .collect::<Result<_, _>>()?;
        let timeouts = plan
            .desks
            .iter()
            .flat_map(|desk| desk.links.iter().map(|_| desk.acknowledge_timeout_ms));
        let board = Switchboard::new(sockets, self.log, peers, connections, 0);
        let board = Before::resume(self.before, board)?;
        let stage = RouteStage::new(RouteParts {
            board,
            from_risk: self.requests,
            to_risk: self.reports,
            directory: self.directory,
            scopes: self.scopes,
            links: links(plan)
                .map(|(desk, link)| (desk, link.window as u32))
                .collect(),
            acknowledge_timeout_ns: timeouts.map(|ms| ms as u64 * NS_PER_MS).collect(),
            account_desks: plan.account_desks.clone(),
            commands: self.commands,
            answers: self.answers,
            status: self.status,
        });
        Ok((RouteTurn::new(stage, self.lifecycle), chosen))
    }
}

/// Links over all desks, in the order of `LinkIndex`.
pub(super) fn links(plan: &Plan) -> impl Iterator<Item = (DeskIndex, &LinkPlan)> {
    let desks = plan.desks.iter().enumerate();
    desks.flat_map(|(desk, of)| {
        of.links
            .iter()
            .map(move |link| (DeskIndex(desk as u32), link))
    })
}

/// The dictionary that the plan of a session names.
fn dictionary(
    loaded: &mut Dictionaries,
    fix: &FixPlan,
) -> Result<Option<Arc<Dictionary>>, BootError> {
    loaded
        .of(fix)
        .map_err(|error| failed("cannot read a dictionary")(io::Error::other(error)))
}

fn open_sockets(
    side: &str,
    mut wished: impl Iterator<Item = Io>,
    connections: usize,
) -> Result<(AnySockets, Chosen), BootError> {
    let choice = match wished.next().unwrap_or_default() {
        Io::Auto => Choice::Auto,
        Io::Uring => Choice::Uring,
        Io::Poll => Choice::Poll,
    };
    sockets::open(choice, connections).map_err(failed(format!("cannot open {side} sockets")))
}

fn make_risk(plan: &Plan, epoch: u16, now: Now) -> Risk {
    let sessions: Vec<_> = plan
        .sessions
        .iter()
        .map(|session| SessionLimits {
            messages_per_second: session.messages_per_second,
            message_burst: session.message_burst,
            pending_new: session.pending_new,
        })
        .collect();
    Risk::new(RiskPlan {
        instruments: &plan.instruments,
        accounts: &plan.accounts,
        positions: &plan.positions,
        sessions: &sessions,
        requests_max: plan.state.requests_per_day_max,
        executions_max: plan.state.executions_per_day_max,
        epoch,
        hash_seed: now.wall_ns ^ now.mono_ns.rotate_left(32),
    })
}

fn make_page(plan: &Plan, now: Now) -> Result<(Writers, Words), BootError> {
    let names =
        |link: (DeskIndex, &LinkPlan)| (plan.desks[link.0.get()].name.clone(), link.1.name.clone());
    let shape = Shape {
        sessions: plan
            .sessions
            .iter()
            .map(|session| session.name.clone())
            .collect(),
        links: links(plan).map(names).collect(),
        accounts: plan
            .accounts
            .iter()
            .map(|account| account.name.to_string_lossy())
            .collect(),
    };
    let path = &plan.state.status_file;
    let map = SharedWords::create(path, page_bytes(&shape).div_ceil(8)).map_err(failed(
        format!("cannot make the status page {}", path.display()),
    ))?;
    // One page per process, used until the process ends: never given back.
    let words = Box::leak(Box::new(map)).words();
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let identity = Identity {
        process_id: std::process::id(),
        start_wall_ns: now.wall_ns,
        boot_id_hash: crc32c::crc32c(boot_id.as_bytes()) as u64,
    };
    Ok((Page::format(words, &shape, identity).into_writers(), words))
}

/// Memory that the stage appends to and the journal thread drains. What an earlier process left there is kept beside the logs.
fn make_window(plan: &Plan, log: LogId) -> Result<(byte_log::Writer, byte_log::Reader), BootError> {
    let path = plan
        .state
        .staging_directory
        .join(format!("{}.window", log.name()));
    keep_old_window(&path, &plan.state.log_directory)
        .map_err(failed(format!("cannot take over {}", path.display())))?;
    let region = StagingRegion::create(&path, plan.state.staging_bytes).map_err(failed(
        format!("cannot make the window of the {} log", log.name()),
    ))?;
    byte_log::create(region.into_region())
        .map_err(|error| failed(format!("cannot use {}", path.display()))(io::Error::other(error)))
}

/// A window that an earlier process did not empty holds records that are not on disk: its file goes to the log directory.
fn keep_old_window(path: &Path, log_directory: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    // Fails while another process uses it: two gateways on one directory would destroy each other's logs.
    let old = StagingRegion::open(path)?;
    let unread = match byte_log::attach(old.into_region()) {
        Ok((_, mut reader)) => !reader.is_empty(),
        Err(_) => true,
    };
    if unread {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kept = (0..)
            .map(|n| log_directory.join(format!("left-{n}-{name}")))
            .find(|kept| !kept.exists());
        if let Some(kept) = kept {
            fs::copy(path, &kept)?;
            tracing::warn!(window = %path.display(), kept = %kept.display(), "records that did not reach the disk are kept");
        }
    }
    fs::remove_file(path)
}
