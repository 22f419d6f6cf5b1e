//! The parts of a gateway, made from its plan and its logs before any thread runs.
//!
//! Logs, rings, risk state and status page are made here, on the starting thread. Sockets are not: a ring of io_uring belongs to the
//! thread that uses it, so the decode and route stages leave here as seeds and grow on their own threads.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ringbuf::spsc::{Consumer, Producer};

use super::before::Before;
use super::boot::{BootError, failed};
use super::log_store::{LogStore, SegmentReader};
use super::runner::{DecodeTurn, Lifecycle, RouteTurn};
use crate::config::plan::{Io, Plan};
use crate::domain::Now;
use crate::domain::order::{FromClient, ToDesk};
use crate::domain::report::{FromDesk, ToClient};
use crate::journal::mark::LOGS;
use crate::journal::{Disk, Log, LogId};
use crate::stage::archive::{self, Archive, ArchiveReader};
use crate::stage::assembly::{self, Beginning, ClientsBefore, Common, LinksBefore, Rings};
use crate::stage::control::ControlPorts;
use crate::stage::journal::{Drain, JournalStage};
use crate::stage::risk::RiskStage;
use crate::stage::{DictionaryFault, NoRoom};
use crate::status::page::{Words, page_bytes};
use crate::status::{Identity, Page, StageWriter, Writers};
use crate::sys::mmap::SharedWords;
use crate::sys::sockets::{self, AnySockets, Choice, Chosen};

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
    pub disk: Disk,
}

/// Makes everything but the sockets, from the plan and from what earlier processes left.
pub(super) fn parts(
    plan: &Arc<Plan>,
    epoch: u16,
    before: Before,
    now: Now,
    lifecycle: &Lifecycle,
) -> Result<Parts, BootError> {
    let Before {
        resumption,
        takeovers,
        mut windows,
    } = before;
    let (writers, page) = make_page(plan, now)?;
    let (before, loss) = (resumption.sequences, resumption.loss);
    // All of it is on disk before the new logs say so.
    let held = beside(takeovers, |takeover| {
        takeover.finish().map_err(|error| {
            failed("cannot take the place of an earlier process")(io::Error::other(error))
        })
    })?;
    let mut stores = beside(LOGS.into(), |log| create_log(plan, log, epoch))?.into_iter();
    let mut drains = Vec::new();
    let disk = Disk::default();
    let mut make_log = |log: LogId| -> Result<Log, BootError> {
        let store = stores.next().expect("one for each log");
        let (writer, reader) = windows.take(log)?;
        let names = assembly::channel_names(plan, log);
        let beginning = Beginning {
            gateway: &plan.name,
            epoch,
            before,
            channels: &names,
            loss,
        };
        let made = assembly::begin_log(Log::new(log, writer), &beginning, now).map_err(no_room)?;
        windows.install(log)?;
        drains.push(Drain::new(log, names, reader, store));
        Ok(made.on_disk(disk.clone()))
    };
    let (client_log, order_log, desk_log) = (
        make_log(LogId::Client)?,
        make_log(LogId::Order)?,
        make_log(LogId::Desk)?,
    );
    drop(held);
    let common = Common::new(plan.clone(), epoch, now);
    let rings = Rings::new(plan.threads.ring_slots);
    let client_names = assembly::channel_names(plan, LogId::Client);
    let old_channels = resumption.clients.channels(&client_names);
    let (clients_before, risk_before, links_before) = assembly::share(resumption);
    let risk = assembly::risk(&common, risk_before, order_log, rings.risk, writers.risk)
        .map_err(no_room)?;
    let sent_to_clients = SegmentReader::new(&plan.state.log_directory, LogId::Client);
    let (archive_port, archive) = archive::archive(sent_to_clients);
    let decode = DecodeSeed {
        common: common.clone(),
        log: client_log,
        before: clients_before,
        archive: archive_port,
        rings: rings.decode,
        status: writers.decode,
        lifecycle: lifecycle.clone(),
    };
    let ports = common.ports.clone();
    let route = RouteSeed {
        common,
        log: desk_log,
        before: links_before,
        rings: rings.route,
        status: writers.route,
        lifecycle: lifecycle.clone(),
    };
    let mut journal = JournalStage::new(drains, writers.journal).telling(disk.clone());
    if plan.waits_for_disk() {
        journal = journal.promptly();
    }
    Ok(Parts {
        decode,
        risk,
        route,
        journal,
        archive: archive.with_channels(old_channels),
        ports,
        page,
        control_status: writers.control,
        disk,
    })
}

/// The decode stage without its sockets.
pub(super) struct DecodeSeed {
    common: Common,
    log: Log,
    before: ClientsBefore,
    archive: Archive,
    rings: (Producer<FromClient>, Consumer<ToClient>),
    status: StageWriter,
    lifecycle: Lifecycle,
}

impl DecodeSeed {
    /// On the thread that will turn it: opens the sockets and listens.
    pub fn grow(mut self) -> Result<(DecodeTurn<AnySockets>, Vec<SocketAddr>, Chosen), BootError> {
        let plan = &self.common.plan;
        let now_ns = self.common.now.wall_ns;
        let connections = assembly::client_connections(plan);
        let wished = plan.listeners.iter().map(|listener| listener.io);
        let opened = open_sockets("client", wished, connections);
        let (sockets, chosen) = opened.inspect_err(|_| self.log.end(now_ns))?;
        let mut board = assembly::clients(plan, sockets, self.log).map_err(no_dictionary)?;
        board.set_archive(self.archive);
        let stage = assembly::decode(&self.common, self.before, board, self.rings, self.status);
        let mut stage = stage.map_err(no_room)?;
        let mut addresses = Vec::new();
        for (at, listener) in plan.listeners.iter().enumerate() {
            let what = format!(
                "cannot listen on {} (listener {})",
                listener.address, listener.name
            );
            let bound = stage.board().listen(at as u32, listener.address);
            // What does not begin ends in order: nothing of it can be missing.
            let bound = bound.inspect_err(|_| stage.board().log().end(now_ns));
            addresses.push(bound.map_err(failed(what))?);
        }
        Ok((DecodeTurn::new(stage, self.lifecycle), addresses, chosen))
    }
}

/// The route stage without its sockets.
pub(super) struct RouteSeed {
    common: Common,
    log: Log,
    before: LinksBefore,
    rings: (Consumer<ToDesk>, Producer<FromDesk>),
    status: StageWriter,
    lifecycle: Lifecycle,
}

impl RouteSeed {
    /// It will not grow: its log ends in order.
    pub fn end(mut self) {
        self.log.end(self.common.now.wall_ns);
    }

    /// On the thread that will turn it: opens the sockets.
    pub fn grow(mut self) -> Result<(RouteTurn<AnySockets>, Chosen), BootError> {
        let plan = &self.common.plan;
        let now_ns = self.common.now.wall_ns;
        let wished = assembly::links(plan).map(|(_, link)| link.io);
        let connections = assembly::desk_connections(plan);
        let opened = open_sockets("desk", wished, connections);
        let (sockets, chosen) = opened.inspect_err(|_| self.log.end(now_ns))?;
        let board = assembly::desks(plan, sockets, self.log).map_err(no_dictionary)?;
        let stage = assembly::route(&self.common, self.before, board, self.rings, self.status);
        let stage = stage.map_err(no_room)?;
        Ok((RouteTurn::new(stage, self.lifecycle), chosen))
    }
}

fn no_dictionary(error: DictionaryFault) -> BootError {
    failed("cannot read a dictionary")(io::Error::other(error))
}

fn no_room(error: NoRoom) -> BootError {
    failed("cannot go on with the sessions")(io::Error::other(error))
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

fn make_page(plan: &Plan, now: Now) -> Result<(Writers, Words), BootError> {
    let shape = assembly::shape(plan);
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

/// The files of a log of this epoch.
fn create_log(plan: &Plan, log: LogId, epoch: u16) -> Result<LogStore, BootError> {
    LogStore::create(&plan.state.log_directory, log, epoch)
        .and_then(|store| match plan.waits_for_disk() {
            true => store.syncing_beside(),
            false => Ok(store),
        })
        .map_err(failed(format!("cannot create the {} log", log.name())))
}

/// Does the same with each, all at once: what waits for the disk is waited for once.
fn beside<T: Send, R: Send>(
    each: Vec<T>,
    work: impl Fn(T) -> Result<R, BootError> + Sync,
) -> Result<Vec<R>, BootError> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = each
            .into_iter()
            .map(|one| scope.spawn(move || work(one)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("it does not panic"))
            .collect()
    })
}
