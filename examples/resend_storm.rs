//! The proof that resends hurt nobody: 1,000 sessions ask for everything again over a million stored messages, most of them on disk,
//! for a minute, while one session trades.
//!
//! The gateway's stages run on this thread over sockets in memory; old messages are read by a thread of their own from real files.
//! The gateway's time passes while it turns and has a core, and [`POLL_NS`] more in each turn: a second of the storm is a second of its
//! work, whatever else the machine does. Printed: work and bytes of a duty cycle, latency of the session that trades with and without
//! the storm, and memory before and after. `--wall` takes the wall's time instead, with all that the machine does meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use gatehouse::app::log_store::{LogStore, SegmentReader};
use gatehouse::domain::Now;
use gatehouse::journal::LogId;
use gatehouse::limits::{RESEND_CHUNKS, RESEND_IDLE_NS};
use gatehouse::sim::gateway::Gateway;
use gatehouse::sim::storm::{Seen, Settings, Storm};
use gatehouse::stage::archive::archive;
use gatehouse::sys::clock::thread_cpu_ns;
use hdrhistogram::Histogram;

/// A storm of resends, and one session that trades.
#[derive(Parser)]
struct Arguments {
    /// Sessions that ask for everything again
    #[arg(long, default_value_t = 1000)]
    sessions: usize,
    /// Messages stored for each of them
    #[arg(long, default_value_t = 1000)]
    stored: usize,
    /// Seconds of the storm, and a sixth of it without
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Orders per second of the session that trades
    #[arg(long, default_value_t = 1000)]
    orders: u64,
    /// Each session asks again after so many seconds, whatever it has
    #[arg(long, default_value_t = 5)]
    ask_every_s: u64,
    /// Directory for the log's files
    #[arg(long, default_value = "target/resend_storm")]
    directory: std::path::PathBuf,
    /// Time by the wall's clock
    #[arg(long)]
    wall: bool,
    /// Results as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let _ = std::fs::remove_dir_all(&arguments.directory);
    std::fs::create_dir_all(&arguments.directory)?;
    let file = LogStore::create(&arguments.directory, LogId::Client, 1)?;
    let (port, mut reader) = archive(SegmentReader::new(&arguments.directory, LogId::Client));
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let cold = std::thread::spawn(move || {
        while !stopped.load(Ordering::Acquire) {
            if reader.duty_cycle() == 0 {
                std::thread::sleep(Duration::from_nanos(RESEND_IDLE_NS));
            }
        }
    });
    let settings = Settings {
        askers: arguments.sessions,
        stored: arguments.stored,
        ask_every_ns: arguments.ask_every_s * 1_000_000_000,
        order_every_ns: 1_000_000_000 / arguments.orders,
        staging_bytes: 16 << 20,
    };
    let ns = arguments.seconds * 1_000_000_000;
    let mut storm = Storm::new(settings, port, file);
    let mut timed = timer(arguments.wall);
    storm.prepare(&mut timed)?;
    let calm = storm.run(ns / 6, false, &mut timed)?;
    let resident_before = resident_bytes();
    let traffic_before = *storm.gateway.decode.board().traffic();
    let begin = Instant::now();
    let seen = storm.run(ns, true, &mut timed)?;
    let elapsed = begin.elapsed();
    let resident_after = resident_bytes();
    let traffic = *storm.gateway.decode.board().traffic();
    stop.store(true, Ordering::Release);
    let _ = cold.join();
    let result = serde_json::json!({
        "sessions": arguments.sessions,
        "stored_messages": arguments.sessions * arguments.stored,
        "storm_s": arguments.seconds,
        "clock": if arguments.wall { "wall" } else { "thread" },
        "poll_ns": POLL_NS,
        "elapsed_s": elapsed.as_secs_f64(),
        "resend_requests": seen.requests,
        "resend_requests_merged": traffic.resends_merged - traffic_before.resends_merged,
        "times_everything_came_again": seen.rounds,
        "messages_resent": traffic.resent - traffic_before.resent,
        "reads_from_disk": traffic.archive_reads - traffic_before.archive_reads,
        "read_buffers": RESEND_CHUNKS,
        "read_waited_for_buffers": traffic.archive_full - traffic_before.archive_full,
        "out_of_reach": traffic.resend_lost,
        "sessions_still_connected": storm.gateway.decode.board().connected(),
        "resident_bytes_before": resident_before,
        "resident_bytes_after": resident_after,
        "without": phase(&calm),
        "with": phase(&seen),
    });
    if arguments.json {
        println!("{result:#}");
        return Ok(());
    }
    for (key, value) in result.as_object().into_iter().flatten() {
        if !value.is_object() {
            println!("{key:<30} {value}");
        }
    }
    println!("{:<26} {:>12} {:>12}", "", "without", "with");
    let (without, with) = (&result["without"], &result["with"]);
    for (key, value) in without.as_object().into_iter().flatten() {
        for (part, value) in value.as_object().into_iter().flatten() {
            let name = format!("{key} {part}");
            println!("{name:<26} {value:>12} {:>12}", with[key][part]);
        }
    }
    Ok(())
}

/// What polling real sockets costs a turn in which nothing comes, and sockets in memory do not.
const POLL_NS: u64 = 400;

/// Turns, with what they took.
fn timer(wall: bool) -> impl FnMut(&mut Gateway, Now) -> u64 {
    let epoch = Instant::now();
    let clock = move || match wall {
        true => epoch.elapsed().as_nanos() as u64,
        false => thread_cpu_ns(),
    };
    // Two looks at the clock take time themselves.
    let look_ns = (0..1000).map(|_| {
        let begin = clock();
        clock() - begin
    });
    let look_ns = look_ns.min().unwrap_or(0);
    move |gateway, now| {
        let begin = clock();
        gateway.turn(now);
        POLL_NS + (clock() - begin).saturating_sub(look_ns)
    }
}

fn phase(seen: &Seen) -> serde_json::Value {
    serde_json::json!({
        "cycle_ns": spread(&seen.turn_ns),
        "cycle_bytes_out": spread(&seen.turn_bytes),
        "cycle_messages_resent": spread(&seen.turn_resent),
        "order_latency_ns": spread(&seen.latency_ns),
        "order_latency_cycles": spread(&seen.latency_turns),
    })
}

fn spread(histogram: &Histogram<u64>) -> serde_json::Value {
    serde_json::json!({
        "count": histogram.len(),
        "mean": (histogram.mean() * 100.0).round() / 100.0,
        "p50": histogram.value_at_quantile(0.5),
        "p99": histogram.value_at_quantile(0.99),
        "p999": histogram.value_at_quantile(0.999),
        "max": histogram.max(),
    })
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * 4096
}
