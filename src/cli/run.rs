//! `gatehouse run`: the gateway, until a signal ends it.
//!
//! The main thread starts the gateway, tells the service manager, and waits; exit code 2 for a wrong configuration.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use sd_notify::NotifyState;

use super::signals::Signals;
use super::snapshotter::Snapshotter;
use crate::app;
use crate::config::plan::{Io, Layout};
use crate::domain::DiskState;
use crate::limits::LOG_LOOK_S;

/// Run the gateway
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Configuration directory, or its gatehouse.toml
    #[arg(default_value = super::check::CONFIG_DIRECTORY)]
    path: PathBuf,
    /// Overrides the sockets of all listeners and links
    #[arg(long, value_enum)]
    io: Option<Io>,
    /// Overrides threads.layout
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Go on although the host went down and the last records may be missing: what desks have was settled with them
    #[arg(long)]
    accept_host_loss: bool,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(args: &RunArgs) -> ExitCode {
    super::start_tracing();
    let (plan, diagnostics) = super::examine(&args.path);
    eprint!(
        "{}",
        diagnostics.render(super::check::styled(&std::io::stderr()))
    );
    let Some(mut plan) = plan else {
        return ExitCode::from(2);
    };
    if let Some(io) = args.io {
        plan.set_io(io);
    }
    if let Some(layout) = args.layout {
        plan.threads.layout = layout;
    }
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return super::fail("cannot watch for signals", error),
    };
    let plan = Arc::new(plan);
    let gateway = match app::start_after(plan.clone(), args.accept_host_loss) {
        Ok(gateway) => gateway,
        Err(error) => return super::fail("the gateway did not start", error),
    };
    for warning in &gateway.warnings {
        tracing::warn!("{warning}");
    }
    for address in &gateway.addresses {
        tracing::info!(%address, "listening");
    }
    tracing::info!(
        layout = ?gateway.topology.layout,
        layout_reason = gateway.topology.layout_reason,
        idle = ?gateway.topology.idle,
        io_clients = gateway.clients_io.backend,
        io_clients_reason = gateway.clients_io.reason,
        io_desks = gateway.desks_io.backend,
        io_desks_reason = gateway.desks_io.reason,
        epoch = gateway.epoch,
        "gateway is up"
    );
    // Without a service manager nobody listens: that is no error.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let mut failed = false;
    let mut looked = Instant::now();
    let mut snapshotter = Snapshotter::new(&args.path, &plan);
    while !signals.arrived() && !failed {
        std::thread::sleep(Duration::from_millis(50));
        if looked.elapsed() >= Duration::from_secs(LOG_LOOK_S) {
            looked = Instant::now();
            match gateway.look_after_logs(&plan) {
                Ok(warnings) => warnings.iter().for_each(|it| tracing::warn!("{it}")),
                Err(error) => tracing::warn!(%error, "cannot look after the logs"),
            }
        }
        snapshotter.turn(&gateway);
        failed = gateway.has_failed();
    }
    drop(snapshotter);
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    tracing::info!("going down: clients out, links out, logs to disk");
    let disk = gateway.disk();
    gateway.stop();
    if disk.state() != DiskState::Working {
        tracing::error!(
            state = disk.state().name(),
            "the logs did not reach the disk: keep the staging windows, see errors above"
        );
        return ExitCode::FAILURE;
    }
    if failed {
        tracing::error!("a thread of the gateway ended before its time");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
