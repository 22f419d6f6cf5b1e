//! `gatehouse relay`: the do-nothing spinning TCP relay, as the baseline of latency measurements. Runs until a signal.
//!
//! Everything happens on the main thread; what is measured is in `sim::relay`.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use super::signals::Signals;
use crate::sim::relay::Relay;
use crate::sys::thread;

/// Turns between two looks at the signals.
const TURNS_PER_LOOK: u32 = 1 << 16;

/// Run a do-nothing spinning TCP relay: the baseline that latency is compared with
#[derive(Args, Debug)]
pub struct RelayArgs {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:9870")]
    listen: SocketAddr,
    /// Where to pass everything on to
    #[arg(long)]
    connect: SocketAddr,
    /// Pin to this core
    #[arg(long)]
    pin: Option<usize>,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(args: &RelayArgs) -> ExitCode {
    let signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return super::fail("cannot watch for signals", error),
    };
    if let Some(core) = args.pin
        && let Err(error) = thread::pin(core)
    {
        return super::fail("cannot pin", error);
    }
    let mut relay = match Relay::new(args.listen, args.connect) {
        Ok(relay) => relay,
        Err(error) => return super::fail(&format!("cannot listen on {}", args.listen), error),
    };
    match relay.local_address() {
        Ok(address) => eprintln!("relay: {address} -> {}", args.connect),
        Err(error) => return super::fail("cannot read the address back", error),
    }
    while !signals.arrived() {
        for _ in 0..TURNS_PER_LOOK {
            if relay.duty_cycle() == 0 {
                std::hint::spin_loop();
            }
        }
    }
    let (accepted, refused, bytes) = (relay.accepted, relay.refused, relay.bytes);
    eprintln!("relay: {accepted} connections, {refused} refused, {bytes} bytes");
    ExitCode::SUCCESS
}
