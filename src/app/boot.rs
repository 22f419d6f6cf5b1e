//! Boot: from a plan to running threads, and the orderly end.
//!
//! Order: directories and epoch, memory, parts (see `build`), threads; each hot thread makes its sockets and reports. What cannot be
//! had is an error before a client can connect. The end: clients out, links out, loops stop, logs to disk, journal last.

use std::fmt::Debug;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::before;
use super::build::{self, Parts};
use super::log_store;
use super::retention;
use super::runner::{self, Fused, Lifecycle, Phase, Turn};
use super::starts::{self, Starts};
use super::topology::{self, Topology};
use crate::config::plan::{Idle, Layout, Plan};
use crate::journal::Disk;
use crate::limits::{SHUTDOWN_PHASE_MS, SHUTDOWN_QUIET_MS};
use crate::risk::Risk;
use crate::stage::control::{Control, Peer};
use crate::stage::replay::Resumption;
use crate::status::{Fact, StageWriter};
use crate::sys::clock::Clock;
use crate::sys::prefault;
use crate::sys::sockets::Chosen;
use crate::sys::thread::{self, MemoryLock};

/// Why the gateway does not start: what was tried, and what the system said.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {error}")]
pub struct BootError {
    what: String,
    error: io::Error,
}

pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> BootError {
    let what = what.into();
    |error| BootError { what, error }
}

/// Ends last: it writes what the others left.
const JOURNAL_THREAD: &str = "gh-journal";

/// A gateway that runs.
pub struct Gateway {
    /// Addresses that it listens on, by listener.
    pub addresses: Vec<SocketAddr>,
    /// What was decided about threads.
    pub topology: Topology,
    /// Socket back end on the client side, and why.
    pub clients_io: Chosen,
    /// Socket back end on the desk side, and why.
    pub desks_io: Chosen,
    /// Start number, in every order id.
    pub epoch: u16,
    /// Things that the operator should know.
    pub warnings: Vec<String>,
    lifecycle: Lifecycle,
    threads: Vec<JoinHandle<()>>,
    control_stop: Arc<AtomicBool>,
    snapshot_wanted: Arc<AtomicBool>,
    disk: Disk,
    /// First start whose logs were needed when this one began
    needed: u16,
}

impl Gateway {
    /// Links that may carry orders now.
    pub fn links_ready(&self) -> usize {
        self.lifecycle.links_ready()
    }

    /// Client sessions that are connected now.
    pub fn clients(&self) -> usize {
        self.lifecycle.clients()
    }

    /// Whether a thread has ended that should not have.
    pub fn has_failed(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// How the disk of the logs does, now and after the end. Where it has failed no new order is taken; cancels and reports go on, so
    /// that it is for an operator to say when the gateway ends.
    pub fn disk(&self) -> Disk {
        self.disk.clone()
    }

    /// Whether an operator has asked for a snapshot since the last question.
    pub fn takes_snapshot_wish(&self) -> bool {
        self.snapshot_wanted.swap(false, Ordering::AcqRel)
    }

    /// Removes old logs that need not be kept; returns what the operator should know of the disk. May take a while: not for a hot
    /// thread.
    pub fn look_after_logs(&self, plan: &Plan) -> io::Result<Vec<String>> {
        retention::look(&plan.state, self.needed, self.epoch)
    }

    /// The orderly end: clients out, links out, logs to disk.
    pub fn stop(self) {
        let Self {
            lifecycle,
            threads,
            control_stop,
            ..
        } = self;
        lifecycle.enter(Phase::ClientsOut);
        wait_until(|| lifecycle.clients() == 0);
        let mut quiet_since = Instant::now();
        wait_until(|| {
            if lifecycle.in_flight() > 0 {
                quiet_since = Instant::now();
            }
            quiet_since.elapsed() >= Duration::from_millis(SHUTDOWN_QUIET_MS)
        });
        lifecycle.enter(Phase::LinksOut);
        wait_until(|| lifecycle.links() == 0);
        // The last reports are still in the rings.
        std::thread::sleep(Duration::from_millis(SHUTDOWN_QUIET_MS));
        lifecycle.enter(Phase::Stop);
        control_stop.store(true, Ordering::Release);
        let (journal, others): (Vec<_>, Vec<_>) = threads
            .into_iter()
            .partition(|thread| thread.thread().name() == Some(JOURNAL_THREAD));
        for thread in others {
            // A thread that panicked has said so; the others still end.
            let _ = thread.join();
        }
        lifecycle.enter(Phase::Written);
        for thread in journal {
            let _ = thread.join();
        }
    }
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_millis(SHUTDOWN_PHASE_MS);
    while !done() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Starts everything; returns when the ports are open.
pub fn start(plan: Arc<Plan>) -> Result<Gateway, BootError> {
    start_after(plan, false)
}

/// As [`start`]; `accept_host_loss`: although the end of the logs may be missing, since the host went down.
pub fn start_after(plan: Arc<Plan>, accept_host_loss: bool) -> Result<Gateway, BootError> {
    prepare_directories(&plan)?;
    // One calibrated clock for all threads.
    let clock = Clock::new();
    let now = clock.clone().now();
    let before = before::read(&plan, now, accept_host_loss)?;
    // What cannot be had is told before anything is written.
    let control_listener = bind_control(&plan.state.control_socket)?;
    let mut starts = starts::read(&plan.state.log_directory)
        .map_err(before::unreadable_starts(&plan))?
        .unwrap_or_default();
    let (needed, loss) = (before.resumption.needed, before.resumption.loss);
    let is_awaited = before.resumption.inputs > 0;
    let epoch = next_epoch(&plan, &mut starts, &before.resumption)?;
    let topology = topology::decide(
        &plan.threads,
        &thread::online_cores().unwrap_or_default(),
        &thread::isolated_cores().unwrap_or_default(),
    );
    let mut warnings = topology.warnings.clone();
    warnings.extend(loss.map(|loss| format!("the host went down: {}", loss.describe())));
    let lifecycle = Lifecycle::default();
    lifecycle.enter(Phase::Run);
    let Parts {
        decode,
        risk,
        route,
        mut journal,
        archive,
        ports,
        page,
        control_status,
        disk,
    } = build::parts(&plan, epoch, before, now, &lifecycle)?;
    starts.begun = epoch;
    note_starts(&plan, &starts)?;
    if accept_host_loss {
        // Which numbers are left out is on disk before one is used: the host may go down again.
        journal.finish(now);
        if journal.has_failed() {
            let problem = io::Error::other("the beginnings of the new logs do not reach the disk");
            return Err(failed("cannot go on after the loss of the host")(problem));
        }
    }
    let memory = lock_memory(&plan, &mut warnings);

    let (reports, started) = mpsc::channel();
    let hot = HotThread {
        reports,
        clock: clock.clone(),
        lifecycle: lifecycle.clone(),
        idle: topology.idle,
    };
    let mut threads = Vec::new();
    let mut spawn = |name: &'static str, body: Box<dyn FnOnce() + Send>| -> Result<(), BootError> {
        threads.push(
            thread::spawn(name, body).map_err(failed(format!("cannot start thread {name}")))?,
        );
        Ok(())
    };
    let (journal_lifecycle, journal_clock) = (lifecycle.clone(), clock.clone());
    spawn(
        JOURNAL_THREAD,
        Box::new(move || runner::journal(journal, journal_clock, &journal_lifecycle)),
    )?;
    let archive_lifecycle = lifecycle.clone();
    spawn(
        "gh-archive",
        Box::new(move || runner::archive(archive, &archive_lifecycle)),
    )?;
    let cores = &topology.cores;
    match topology.layout {
        Layout::Pipeline => {
            let (hot_decode, core) = (hot.clone(), cores[0]);
            let grow = || {
                decode
                    .grow()
                    .map(|(turn, addresses, io)| (turn, Report::clients(addresses, io)))
            };
            spawn("gh-decode", Box::new(move || hot_decode.live(core, grow)))?;
            let (hot_risk, core) = (hot.clone(), cores[1]);
            spawn(
                "gh-risk",
                Box::new(move || hot_risk.live(core, || Ok((risk, Report::default())))),
            )?;
            let core = cores[2];
            let grow = || route.grow().map(|(turn, io)| (turn, Report::desks(io)));
            spawn("gh-route", Box::new(move || hot.live(core, grow)))?;
        }
        Layout::Fused | Layout::Auto => {
            let core = cores[0];
            let mut risk = risk;
            let grow = move || {
                // Where one does not grow all logs end in order.
                let (mut decode, addresses, clients_io) = match decode.grow() {
                    Ok(grown) => grown,
                    Err(error) => {
                        risk.end(now);
                        route.end();
                        return Err(error);
                    }
                };
                let (route, desks_io) = match route.grow() {
                    Ok(grown) => grown,
                    Err(error) => {
                        decode.end(now);
                        risk.end(now);
                        return Err(error);
                    }
                };
                let report = Report {
                    desks_io: Some(desks_io),
                    ..Report::clients(addresses, clients_io)
                };
                Ok((
                    Fused {
                        decode,
                        risk,
                        route,
                    },
                    report,
                ))
            };
            spawn("gh-fused", Box::new(move || hot.live(core, grow)))?;
        }
    }
    let report = gather(&started);
    let control_stop = Arc::new(AtomicBool::new(false));
    let mut gateway = Gateway {
        addresses: Vec::new(),
        topology,
        clients_io: Chosen {
            backend: "none",
            reason: String::new(),
        },
        desks_io: Chosen {
            backend: "none",
            reason: String::new(),
        },
        epoch,
        warnings,
        lifecycle,
        threads,
        control_stop: control_stop.clone(),
        snapshot_wanted: ports.snapshot.clone(),
        disk,
        needed,
    };
    match report {
        Ok(report) => {
            gateway.addresses = report.addresses;
            gateway.clients_io = report.clients_io.unwrap_or(gateway.clients_io);
            gateway.desks_io = report.desks_io.unwrap_or(gateway.desks_io);
            gateway.warnings.extend(report.warnings);
        }
        Err(error) => {
            gateway.stop();
            return Err(error);
        }
    }
    bring_memory(is_awaited, &mut gateway.warnings);
    if let Some(loss) = loss {
        control_status.fact(Fact::HostLoss, &loss.describe());
    }
    tell_facts(&control_status, &plan, &gateway, &memory);
    let control = Control::new(plan, ports, page, control_status, own_uid(), peer_of);
    let mut control_clock = clock;
    let spawned = thread::spawn("gh-control", move || {
        match control.serve(control_listener, control_stop) {
            Ok(status) => status.stopped(control_clock.now().wall_ns),
            Err(error) => tracing::error!(%error, "the control socket is gone"),
        }
    });
    match spawned {
        Ok(thread) => gateway.threads.push(thread),
        Err(error) => {
            gateway.stop();
            return Err(failed("cannot start thread gh-control")(error));
        }
    }
    Ok(gateway)
}

/// What a hot thread reports when it is ready to work.
#[derive(Default)]
struct Report {
    addresses: Vec<SocketAddr>,
    clients_io: Option<Chosen>,
    desks_io: Option<Chosen>,
    warnings: Vec<String>,
}

impl Report {
    fn clients(addresses: Vec<SocketAddr>, io: Chosen) -> Self {
        Self {
            addresses,
            clients_io: Some(io),
            ..Self::default()
        }
    }

    fn desks(io: Chosen) -> Self {
        Self {
            desks_io: Some(io),
            ..Self::default()
        }
    }
}

/// What every hot thread needs.
#[derive(Clone)]
struct HotThread {
    reports: Sender<Result<Report, BootError>>,
    clock: Clock,
    lifecycle: Lifecycle,
    idle: Idle,
}

impl HotThread {
    /// The life of a hot thread: pins itself, makes what it turns, reports, turns until the end.
    fn live<T: Turn>(
        self,
        core: Option<usize>,
        grow: impl FnOnce() -> Result<(T, Report), BootError>,
    ) {
        let Self {
            reports,
            clock,
            lifecycle,
            idle,
        } = self;
        thread::prefault_stack();
        let mut warnings = Vec::new();
        let mut pinned_to = None;
        if let Some(core) = core {
            let pinned = thread::pin(core);
            pinned_to = pinned.is_ok().then_some(core);
            match pinned {
                Ok(pinned) if !pinned.isolated => warnings.push(format!(
                    "core {core} is not isolated: other threads may run on it; see isolcpus and nohz_full in the tuning profiles"
                )),
                Ok(_) => {}
                Err(error) => warnings.push(format!("not pinned: {error}")),
            }
        }
        match grow() {
            Ok((mut turning, mut report)) => {
                report.warnings = warnings;
                // Whoever waits for it may have given up: then the lifecycle ends this loop at once.
                let _ = reports.send(Ok(report));
                drop(reports);
                turning.placed(pinned_to);
                runner::run(&mut turning, clock, &lifecycle, idle);
            }
            Err(error) => {
                let _ = reports.send(Err(error));
            }
        }
    }
}

/// The reports of all hot threads, as one.
fn gather(started: &Receiver<Result<Report, BootError>>) -> Result<Report, BootError> {
    let mut all = Report::default();
    for report in started {
        let report = report?;
        all.addresses.extend(report.addresses);
        all.clients_io = report.clients_io.or(all.clients_io);
        all.desks_io = report.desks_io.or(all.desks_io);
        all.warnings.extend(report.warnings);
    }
    Ok(all)
}

fn prepare_directories(plan: &Plan) -> Result<(), BootError> {
    let state = &plan.state;
    let parents = [state.status_file.parent(), state.control_socket.parent()];
    for directory in [
        Some(state.log_directory.as_path()),
        Some(state.staging_directory.as_path()),
    ]
    .into_iter()
    .chain(parents)
    .flatten()
    {
        fs::create_dir_all(directory)
            .map_err(failed(format!("cannot make {}", directory.display())))?;
    }
    Ok(())
}

/// The start number of this process, which no other one has again, and room for its logs.
fn next_epoch(plan: &Plan, starts: &mut Starts, before: &Resumption) -> Result<u16, BootError> {
    let directory = &plan.state.log_directory;
    let taken = before.risk.as_ref().map_or(0, Risk::requests_used);
    let what = format!("cannot read {}", directory.display());
    let epoch = log_store::next_epoch(directory, starts.highest).map_err(failed(what))?;
    retention::make_room(&plan.state, before.needed, epoch, taken)?;
    // Logs may have been removed meanwhile.
    let kept = starts::read(directory).map_err(before::unreadable_starts(plan))?;
    *starts = kept.unwrap_or_default();
    if before.sequences == [0; 3] {
        // Nothing is gone on with: what lies before begins with the first record.
        (starts.first, starts.before) = (0, [0; 3]);
    }
    starts.highest = epoch;
    note_starts(plan, starts)?;
    Ok(epoch)
}

fn note_starts(plan: &Plan, starts: &Starts) -> Result<(), BootError> {
    let directory = &plan.state.log_directory;
    let what = format!("cannot write {}", starts::path(directory).display());
    starts::write(directory, starts).map_err(failed(what))
}

/// The rest of the memory that was made. Where clients and desks wait for a gateway that was killed, it comes beside their orders.
fn bring_memory(is_awaited: bool, warnings: &mut Vec<String>) {
    if !is_awaited {
        return prefault::bring();
    }
    let bring = || {
        thread::give_way();
        prefault::bring();
    };
    // It ends by itself, or with the process.
    if let Err(error) = thread::spawn("gh-memory", bring) {
        warnings.push(format!(
            "memory comes as it is first used: cannot start thread gh-memory: {error}"
        ));
    }
}

fn lock_memory(plan: &Plan, warnings: &mut Vec<String>) -> String {
    if !plan.threads.lock_memory {
        return "not locked: threads.lock_memory is off".to_owned();
    }
    match thread::lock_memory() {
        MemoryLock::Locked => "locked".to_owned(),
        MemoryLock::Refused(why) => {
            warnings.push(why.clone());
            why
        }
    }
}

/// A socket of a process that is gone is replaced; one that answers belongs to a gateway that runs.
fn bind_control(path: &Path) -> Result<UnixListener, BootError> {
    let what = format!("cannot open the control socket {}", path.display());
    if UnixStream::connect(path).is_ok() {
        return Err(failed(what)(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another gateway answers there",
        )));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(what)(error)),
        _ => UnixListener::bind(path).map_err(failed(what)),
    }
}

/// The user that this process runs as.
fn own_uid() -> u32 {
    fs::metadata("/proc/self").map_or(0, |itself| itself.uid())
}

fn peer_of(stream: &UnixStream) -> io::Result<Peer> {
    thread::peer_credentials(stream).map(|peer| Peer {
        pid: peer.pid,
        uid: peer.uid,
        gid: peer.gid,
    })
}

fn tell_facts(status: &StageWriter, plan: &Plan, gateway: &Gateway, memory: &str) {
    let lower = |value: &dyn Debug| format!("{value:?}").to_lowercase();
    status.fact(Fact::Name, &plan.name);
    status.fact(Fact::Version, env!("CARGO_PKG_VERSION"));
    status.fact(Fact::IoClients, gateway.clients_io.backend);
    status.fact(Fact::IoDesks, gateway.desks_io.backend);
    status.fact(Fact::IoReason, &gateway.clients_io.reason);
    status.fact(Fact::Layout, &lower(&gateway.topology.layout));
    status.fact(Fact::LayoutReason, &gateway.topology.layout_reason);
    status.fact(Fact::Idle, &lower(&gateway.topology.idle));
    let durability = match plan.waits_for_disk() {
        true => "L1 for desks with durability = host: survives the host; else L0",
        false => "L0: survives the process, not the host",
    };
    status.fact(Fact::Durability, durability);
    status.fact(Fact::Memory, memory);
    gateway
        .warnings
        .iter()
        .for_each(|warning| status.warning(warning));
    status.ready();
}
