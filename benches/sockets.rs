//! A round trip of 200 bytes over loopback: client spinning on bare receive and send, server one of *bare* (the same loop), *poll* and
//! *uring* through the `io::Sockets` seam.
//!
//! Beside criterion's figures it prints what counts on a machine whose speed changes by the second: the median of the
//! ratios of neighbouring runs, in the order bare, other, other, bare; and the system calls per round trip. Needs two cores
//! that nobody else uses; in test mode it only runs once around.

use std::hint::spin_loop;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use criterion::Criterion;
use gatehouse::io::{SocketEvent, Sockets};
use gatehouse::sys::sockets::{Choice, open};
use gatehouse::sys::thread::{allowed_cores, pin};

const MESSAGE_BYTES: usize = 200;

#[derive(Clone, Copy, PartialEq)]
enum Server {
    Bare,
    Poll,
    Uring,
}

impl Server {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Poll => "poll",
            Self::Uring => "uring",
        }
    }
}

/// The cores of the process, asked for before any thread is pinned: threads inherit that.
static CORES: LazyLock<Vec<usize>> = LazyLock::new(|| allowed_cores().unwrap_or_default());

fn pin_to(index: usize) {
    if let (true, Some(&core)) = (CORES.len() > 1, CORES.get(index)) {
        let _ = pin(core);
    }
}

/// A server on its own thread, and a client connected to it.
struct Pair {
    client: TcpStream,
    stop: Arc<AtomicBool>,
    /// Gives the system calls that made things happen.
    thread: JoinHandle<u64>,
}

impl Pair {
    fn start(server: Server) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let address = listener.local_addr().expect("address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            pin_to(1);
            match server {
                Server::Bare => serve_bare(address, &stopped),
                Server::Poll => serve(Choice::Poll, address, &stopped),
                Server::Uring => serve(Choice::Uring, address, &stopped),
            }
        });
        let (client, _) = listener.accept().expect("accepts");
        client.set_nodelay(true).expect("no delay");
        client.set_nonblocking(true).expect("non-blocking");
        Self {
            client,
            stop,
            thread,
        }
    }

    fn trip(&mut self) {
        let mut bytes = [0x35; MESSAGE_BYTES];
        self.client.write_all(&bytes).expect("sent");
        read_spinning(&mut self.client, &mut bytes);
    }

    /// Ends it; gives the server's system calls.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("server")
    }
}

fn read_spinning(stream: &mut TcpStream, bytes: &mut [u8; MESSAGE_BYTES]) {
    let mut count = 0;
    while count < bytes.len() {
        match stream.read(&mut bytes[count..]) {
            Ok(0) => panic!("the server has gone"),
            Ok(more) => count += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => spin_loop(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn serve_bare(address: SocketAddr, stop: &AtomicBool) -> u64 {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_nodelay(true).expect("no delay");
    stream.set_nonblocking(true).expect("non-blocking");
    let mut bytes = [0; 16 * 1024];
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut bytes) {
            Ok(count) => stream.write_all(&bytes[..count]).expect("sent"),
            Err(_) => spin_loop(),
        }
    }
    0
}

fn serve(choice: Choice, address: SocketAddr, stop: &AtomicBool) -> u64 {
    let (mut sockets, _) = open(choice, 16).expect("opens");
    sockets.connect(1, address).expect("connects");
    let mut useful_calls = 0;
    let mut bytes = [0; MESSAGE_BYTES];
    while !stop.load(Ordering::Relaxed) {
        let before = sockets.system_calls();
        let mut useful = false;
        sockets.poll();
        while let Some(event) = sockets.next_event() {
            let SocketEvent::Readable(id) = event else {
                continue;
            };
            useful = true;
            while sockets.received(id).len() >= MESSAGE_BYTES {
                bytes.copy_from_slice(&sockets.received(id)[..MESSAGE_BYTES]);
                sockets.consume(id, MESSAGE_BYTES);
                assert!(sockets.send(id, &bytes));
            }
        }
        sockets.flush();
        if useful {
            useful_calls += sockets.system_calls() - before;
        }
    }
    useful_calls
}

/// Median of `trips` round trips, and the server's system calls per trip.
fn median(server: Server, trips: usize) -> (f64, f64) {
    let mut pair = Pair::start(server);
    for _ in 0..trips / 10 + 1 {
        pair.trip();
    }
    let mut times: Vec<Duration> = (0..trips)
        .map(|_| {
            let start = Instant::now();
            pair.trip();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let calls = pair.end() as f64 / (trips + trips / 10 + 1) as f64;
    (times[trips / 2].as_nanos() as f64, calls)
}

fn paired(pairs: usize, trips: usize) {
    for server in [Server::Bare, Server::Poll, Server::Uring] {
        let mut ratios = Vec::new();
        let (mut calls, mut bare_ns) = (0.0, 0.0);
        for _ in 0..pairs {
            let (first, _) = median(Server::Bare, trips);
            let (second, made) = median(server, trips);
            let (third, _) = median(server, trips);
            let (fourth, _) = median(Server::Bare, trips);
            ratios.push((second + third) / (first + fourth));
            (calls, bare_ns) = (made, (first + fourth) / 2.0);
        }
        ratios.sort_by(f64::total_cmp);
        println!(
            "{:>5} to bare: p50 ratio {:.3} (quartiles {:.3} to {:.3}, {pairs} pairs, bare {bare_ns:.0} ns), {calls:.2} system calls per round trip",
            server.name(),
            ratios[pairs / 2],
            ratios[pairs / 4],
            ratios[pairs * 3 / 4],
        );
    }
}

fn main() {
    pin_to(0);
    let test = std::env::args().any(|argument| argument == "--test")
        || !std::env::args().any(|argument| argument == "--bench");
    if test {
        paired(1, 20);
    } else {
        println!("20 pairs of each, about 5 s on idle cores");
        paired(20, 3_000);
    }
    let mut criterion = Criterion::default()
        .sample_size(20)
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for server in [Server::Bare, Server::Poll, Server::Uring] {
        criterion.bench_function(
            &format!("sockets/round_trip/{}", server.name()),
            |bencher| {
                let mut pair = Pair::start(server);
                bencher.iter(|| pair.trip());
                pair.end();
            },
        );
    }
    criterion.final_summary();
}
