//! `gatehouse demo`: everything on this machine, in one process: a simulated desk with two links, the gateway, a load client. No
//! configuration, free ports, nothing left behind.
//!
//! Exit code 0 where every order that was sent is accounted for in all three ledgers (client, gateway, desk).

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::signals::Signals;
use super::table::Table;
use crate::app::{self, Gateway, log_store};
use crate::config::plan::{Idle, Io, Layout, Plan};
use crate::config::sample::{self, Sample};
use crate::domain::{FixVersion, Quantity, Text};
use crate::journal::LogId;
use crate::limits::CLOSE_NS_MAX;
use crate::sim::behaviour::Behaviours;
use crate::sim::desk::{DeskConfig, PlantedFaults};
use crate::sim::desk_ledger::DeskLedger;
use crate::sim::desk_server::{CONNECTIONS_PER_LINK, DeskLinkConfig, DeskServer, DeskServerConfig};
use crate::sim::ledgers::{self, Comparison, GatewayLedger};
use crate::sim::load::{LoadClient, LoadConfig, LoadProgress, Mix};
use crate::sim::load_result::LoadResult;
use crate::sys::clock::Clock;
use crate::sys::sockets::{self, AnySockets, Choice};
use crate::sys::thread;

/// Links of the demo's desk.
const LINKS: usize = 2;
/// Slots of the gateway's rings.
const DEMO_RING_SLOTS: usize = 1 << 15;
/// How long the links may take to be ready.
const READY_MS: u64 = 20_000;
/// How long answers may take after the last order.
const DRAIN_NS: u64 = 10_000_000_000;

/// Show everything at work on this machine: simulated desk, gateway, load client
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Orders to send
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=5_000_000))]
    orders: u64,
    /// Orders per second
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
    /// Client sessions
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=256))]
    sessions: u64,
    /// Sockets of the gateway
    #[arg(long, value_enum, default_value = "auto")]
    io: Io,
    /// Threads of the gateway
    #[arg(long, value_enum, default_value = "auto")]
    layout: Layout,
    /// FIX version of the clients
    #[arg(long, alias = "fix-version", default_value = "4.4", value_parser = super::load::version)]
    fix: FixVersion,
    /// FIX version of the desk
    #[arg(long, alias = "desk-fix-version", default_value = "4.4", value_parser = super::load::version)]
    desk_fix: FixVersion,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Keep logs and status page in this directory, which must not exist
    #[arg(long)]
    keep: Option<PathBuf>,
    /// The desk loses this order, counted from one: the demo must notice
    #[arg(long, hide = true)]
    fault_drop_order: Option<u64>,
    /// The desk counts this order twice: the demo must notice
    #[arg(long, hide = true)]
    fault_double_order: Option<u64>,
}

/// Runs it.
pub fn run(args: &DemoArgs) -> ExitCode {
    let stop = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return super::fail("cannot watch for signals", error),
    };
    let place = match Place::make(args.keep.clone()) {
        Ok(place) => place,
        Err(error) => {
            return super::fail("cannot make a directory for logs and status page", error);
        }
    };
    match play(args, &place, &stop) {
        Ok(outcome) => {
            if args.json {
                println!("{:#}", outcome.as_json());
            } else {
                print!("{}", outcome.table());
                println!("{}", place.hint());
            }
            for problem in outcome.problems() {
                eprintln!("demo: {problem}");
            }
            ExitCode::from(if outcome.is_good() { 0 } else { 1 })
        }
        Err(error) => super::fail("the demo did not run", error),
    }
}

/// Where logs and status page go.
struct Place {
    directory: PathBuf,
    kept: bool,
}

impl Place {
    fn make(keep: Option<PathBuf>) -> io::Result<Self> {
        let kept = keep.is_some();
        let directory = keep.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("gatehouse-demo-{}", std::process::id()))
        });
        std::fs::create_dir_all(directory.parent().unwrap_or(&directory))?;
        std::fs::create_dir(&directory)?;
        Ok(Self { directory, kept })
    }

    fn hint(&self) -> String {
        if self.kept {
            let status = self.directory.join("status");
            format!(
                "Logs are in {}; the last status page: gatehouse top --once --status {}",
                self.directory.display(),
                status.display()
            )
        } else {
            "Where to look next: `gatehouse demo --keep DIR` keeps the logs and the status page (`gatehouse top --once --status DIR/status`);\n\
             README, \"A first client and desk\", sets up a gateway of your own."
                .to_owned()
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.kept {
            // Only what this process made; a failure leaves files in the temporary directory and nothing else.
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// Everything that is known at the end.
struct Outcome {
    load: LoadResult,
    comparison: Comparison,
    gateway: GatewayLedger,
    io: &'static str,
    io_reason: String,
    layout: Layout,
    idle: Idle,
    seconds: f64,
}

fn play(args: &DemoArgs, place: &Place, signals: &Signals) -> Result<Outcome, String> {
    let say = |what: &str| eprintln!("demo: {what}");
    let desk = Desk::start(args)?;
    say(&format!(
        "a simulated desk listens on {} and {}",
        desk.addresses[0], desk.addresses[1]
    ));
    let plan = plan(args, place, &desk.addresses);
    let log_directory = plan.state.log_directory.clone();
    let gateway = app::start(Arc::new(plan)).map_err(|error| error.to_string())?;
    let (io, io_reason) = (
        gateway.clients_io.backend,
        gateway.clients_io.reason.clone(),
    );
    let (layout, idle, epoch) = (
        gateway.topology.layout,
        gateway.topology.idle,
        gateway.epoch,
    );
    let address = gateway.addresses[0];
    say(&format!(
        "the gateway listens on {address} ({io}, {layout:?}, {idle:?})"
    ));
    for warning in &gateway.warnings {
        say(warning);
    }
    let played = wait_for_links(&gateway).and_then(|()| drive(args, address, signals));
    let end_wall_ns = Clock::new().now().wall_ns;
    gateway.stop();
    let desk_ledger = desk.stop()?;
    let (load, seconds) = played?;
    let order_log =
        log_store::read(&log_directory, LogId::Order, epoch).map_err(|error| error.to_string())?;
    let gateway =
        GatewayLedger::read(&order_log, end_wall_ns).map_err(|error| error.to_string())?;
    let comparison = ledgers::compare(&load.totals, &gateway, &desk_ledger);
    Ok(Outcome {
        load,
        comparison,
        gateway,
        io,
        io_reason,
        layout,
        idle,
        seconds,
    })
}

fn plan(args: &DemoArgs, place: &Place, links: &[SocketAddr]) -> Plan {
    let mut sample = Sample::new(&place.directory);
    sample.sessions = args.sessions as usize;
    sample.accounts = args.sessions as usize;
    sample.instruments = 4;
    sample.links = links.to_vec();
    sample.io = args.io;
    sample.layout = args.layout;
    // New orders stop at nine tenths of a day's capacity.
    sample.requests_per_day_max = (args.orders as usize * 5 / 4).next_power_of_two();
    // An acknowledgement and up to a few fills each.
    sample.executions_per_day_max = (args.orders as usize * 8).next_power_of_two();
    sample.window = args.orders as usize;
    (sample.fix_version, sample.desk_fix_version) = (args.fix, args.desk_fix);
    let mut plan = sample.plan();
    // Desk, client and gateway share the cores: a second in which one of them does not run must find room.
    plan.threads.ring_slots = DEMO_RING_SLOTS;
    plan
}

fn wait_for_links(gateway: &Gateway) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_millis(READY_MS);
    while gateway.links_ready() < LINKS {
        if gateway.has_failed() || Instant::now() > deadline {
            return Err(format!(
                "{} of {LINKS} links to the desk became ready",
                gateway.links_ready()
            ));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Runs the load client on its own thread and shows how it goes.
fn drive(
    args: &DemoArgs,
    address: SocketAddr,
    signals: &Signals,
) -> Result<(LoadResult, f64), String> {
    let config = LoadConfig {
        address,
        sessions: args.sessions as usize,
        sender_prefix: "CLIENT".to_owned(),
        target: sample::GATEWAY_COMP_ID.to_owned(),
        version: args.fix,
        account_prefix: "A".to_owned(),
        symbol_prefix: "SYM".to_owned(),
        symbols: 4,
        rate: args.rate,
        requests: args.orders,
        warmup_ns: 0,
        mix: Mix {
            new: 100,
            cancel: 0,
            replace: 0,
        },
        price: sample::REFERENCE_PRICE,
        tick: crate::domain::Price(crate::domain::price::SCALE / 100),
        quantity: Quantity(100),
        sell_percent: 50,
        seed: 1,
        prefix: Text::cut(b"D"),
        drain_ns: DRAIN_NS,
        reconnect: false,
        open_max: u64::MAX,
    };
    let sessions = config.sessions;
    let sockets = open(Choice::Poll, sessions)?;
    let mut client = LoadClient::new(sockets, config);
    let progress = client.progress();
    let stop = Arc::new(AtomicBool::new(false));
    let asked_to_stop = stop.clone();
    let started = Instant::now();
    let worker = thread::spawn("demo-load", move || {
        let mut clock = Clock::new();
        while !client.is_done() {
            if asked_to_stop.load(Ordering::Acquire) {
                client.stop(clock.now());
            }
            if client.turn(&mut || clock.now()) == 0 {
                std::thread::yield_now();
            }
        }
        client.result()
    })
    .map_err(|error| error.to_string())?;
    while !worker.is_finished() {
        std::thread::sleep(Duration::from_millis(100));
        if signals.arrived() {
            stop.store(true, Ordering::Release);
        }
        show(&progress, args.orders, started.elapsed());
    }
    if io::stderr().is_terminal() {
        eprintln!();
    }
    let result = worker
        .join()
        .map_err(|_| "the load client panicked".to_owned())?;
    Ok((result, started.elapsed().as_secs_f64()))
}

/// One line that is written over on a terminal, one line a second elsewhere.
fn show(progress: &LoadProgress, orders: u64, elapsed: Duration) {
    let sent = progress.sent.load(Ordering::Relaxed);
    let acknowledged = progress.acknowledged.load(Ordering::Relaxed);
    let rejected = progress.rejected.load(Ordering::Relaxed);
    let line = format!(
        "demo: {:5.1} s  sent {sent} of {orders}, acknowledged {acknowledged}, rejected {rejected}",
        elapsed.as_secs_f64()
    );
    if io::stderr().is_terminal() {
        eprint!("\r{line}");
        let _ = io::stderr().flush();
    } else if elapsed.subsec_millis() < 100 {
        eprintln!("{line}");
    }
}

/// The simulated desk on its own thread.
struct Desk {
    addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    worker: JoinHandle<DeskLedger>,
}

impl Desk {
    fn start(args: &DemoArgs) -> Result<Self, String> {
        let links = (0..LINKS).map(|l| DeskLinkConfig {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            sender: sample::DESK_COMP_ID.to_owned(),
            target: sample::link_comp_id(l),
        });
        let config = DeskServerConfig {
            links: links.collect(),
            version: args.desk_fix,
            prefix: Text::cut(b"E"),
            book: DeskConfig {
                links: LINKS,
                behaviours: Behaviours::default(),
                seed: 1,
                faults: PlantedFaults {
                    drop_order: args.fault_drop_order,
                    double_order: args.fault_double_order,
                },
            },
        };
        let sockets = (0..LINKS)
            .map(|_| open(Choice::Poll, CONNECTIONS_PER_LINK))
            .collect::<Result<Vec<_>, _>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked_to_stop = stop.clone();
        let (tell, told) = mpsc::channel();
        let worker = thread::spawn("demo-desk", move || {
            let mut server = match DeskServer::new(sockets, config) {
                Ok(server) => server,
                Err(error) => {
                    let _ = tell.send(Err(error.to_string()));
                    return DeskLedger::default();
                }
            };
            let _ = tell.send(Ok(server.local_addresses().to_vec()));
            let mut clock = Clock::new();
            while !asked_to_stop.load(Ordering::Acquire) {
                if server.duty_cycle(clock.now()) == 0 {
                    std::thread::yield_now();
                }
            }
            // What the gateway sent before it ended is still on its way.
            let end = clock.now().mono_ns + CLOSE_NS_MAX / 10;
            while clock.now().mono_ns < end {
                server.duty_cycle(clock.now());
            }
            server.ledger().clone()
        })
        .map_err(|error| error.to_string())?;
        let addresses = told
            .recv()
            .map_err(|_| "the desk's thread ended".to_owned())??;
        Ok(Self {
            addresses,
            stop,
            worker,
        })
    }

    fn stop(self) -> Result<DeskLedger, String> {
        self.stop.store(true, Ordering::Release);
        self.worker
            .join()
            .map_err(|_| "the desk panicked".to_owned())
    }
}

fn open(choice: Choice, connections: usize) -> Result<AnySockets, String> {
    sockets::open(choice, connections)
        .map(|(sockets, _)| sockets)
        .map_err(|error| error.to_string())
}

impl Outcome {
    fn is_good(&self) -> bool {
        self.problems().is_empty()
    }

    /// Why it is not good. A rate that was not reached is told, and no failure: this machine is shared with the demo's own desk
    /// and client.
    fn problems(&self) -> Vec<String> {
        let orders = &self.load.totals.orders;
        let sum = orders.acknowledged + orders.rejected + orders.unresolved;
        let comparison = &self.comparison;
        let mut problems = Vec::new();
        let mut check = |wrong: bool, what: String| {
            if wrong {
                problems.push(what);
            }
        };
        check(
            comparison.lost > 0,
            format!("{} orders are lost", comparison.lost),
        );
        check(
            comparison.duplicated > 0,
            format!(
                "{} orders reached the desk more than once",
                comparison.duplicated
            ),
        );
        check(
            comparison.unknown_at_desk > 0,
            format!(
                "{} orders reached the desk and are not in the gateway's log",
                comparison.unknown_at_desk
            ),
        );
        check(
            orders.unresolved > 0,
            format!("{} orders have no answer", orders.unresolved),
        );
        check(
            orders.sent != sum,
            format!("{} orders sent, {sum} accounted for", orders.sent),
        );
        check(
            self.load.unsent > 0,
            format!("{} orders could not be sent", self.load.unsent),
        );
        check(
            self.load.totals.duplicate_reports + self.load.totals.duplicate_acks > 0,
            "reports came more than once".to_owned(),
        );
        problems.extend(comparison.examples.iter().cloned());
        problems.extend(self.load.failure.iter().cloned());
        problems
    }

    fn as_json(&self) -> Value {
        let totals = &self.load.totals;
        json!({
            "orders": {
                "sent": totals.orders.sent,
                "acknowledged": totals.orders.acknowledged,
                "pending": totals.orders.pending,
                "filled": totals.filled,
                "cancelled": totals.cancelled,
                "rejected": totals.orders.rejected,
                "unresolved": totals.orders.unresolved,
                "lost": self.comparison.lost,
                "duplicated": self.comparison.duplicated,
            },
            "rejects": totals.rejects.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "ledgers": self.comparison,
            "latency_ns": self.load.latency_ns,
            "rate": self.load.rate,
            "io": self.io,
            "io_reason": self.io_reason,
            "layout": format!("{:?}", self.layout).to_lowercase(),
            "idle": format!("{:?}", self.idle).to_lowercase(),
            "seconds": self.seconds,
            "good": self.is_good(),
        })
    }

    fn table(&self) -> String {
        let totals = &self.load.totals;
        let latency = &self.load.latency_ns;
        let micros = |ns: u64| format!("{:.1} µs", ns as f64 / 1000.0);
        let mut rows: Vec<(String, String)> = Vec::new();
        let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
        row("orders sent", totals.orders.sent.to_string());
        row(
            "  acknowledged by the desk",
            totals.orders.acknowledged.to_string(),
        );
        row("  filled", totals.filled.to_string());
        row("  rejected", totals.orders.rejected.to_string());
        for (reason, count) in &totals.rejects {
            row(&format!("    {reason}"), count.to_string());
        }
        row("  without an answer", totals.orders.unresolved.to_string());
        row("recorded by the gateway", self.gateway.recorded.to_string());
        row("received by the desk", self.comparison.received.to_string());
        row("lost", self.comparison.lost.to_string());
        row("duplicated", self.comparison.duplicated.to_string());
        row(
            "rate",
            format!(
                "{} of {} orders/s",
                self.load.rate.achieved, self.load.rate.asked
            ),
        );
        row("latency p50", micros(latency.p50));
        row("latency p90", micros(latency.p90));
        row("latency p99", micros(latency.p99));
        row("latency p99.9", micros(latency.p99_9));
        row("latency max", micros(latency.max));
        row("sockets", format!("{} ({})", self.io, self.io_reason));
        row(
            "threads",
            format!("{:?}, {:?}", self.layout, self.idle).to_lowercase(),
        );
        let mut table = Table::new(["what", "how many"]);
        for (name, value) in rows {
            table.row([name, value]);
        }
        let mut text = table.to_string();
        text.push_str("Latency: from the moment an order was due to its acknowledgement, desk and client on the same cores.\n");
        text
    }
}
