//! No allocation after the sockets were made: counted on the thread that owns them, for both back ends.
//!
//! One test per process, so that no other test's allocations are counted.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use gatehouse::io::{ConnectionId, SocketEvent, Sockets};
use gatehouse::sys::heap::{CountingAllocator, allocations};
use gatehouse::sys::sockets::{AnySockets, Choice, open};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Polls until an event fits.
fn until(
    sockets: &mut AnySockets,
    mut fits: impl FnMut(SocketEvent) -> Option<ConnectionId>,
) -> ConnectionId {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < deadline, "hangs");
        sockets.poll();
        while let Some(event) = sockets.next_event() {
            if let Some(connection) = fits(event) {
                return connection;
            }
        }
        sockets.flush();
    }
}

fn accept(sockets: &mut AnySockets) -> ConnectionId {
    until(sockets, |event| match event {
        SocketEvent::Accepted { connection, .. } => Some(connection),
        _ => None,
    })
}

fn echo(sockets: &mut AnySockets, peer: &mut TcpStream, connection: ConnectionId) {
    let mut bytes = [7; 300];
    peer.write_all(&bytes).expect("written");
    let mut received = 0;
    while received < bytes.len() {
        until(sockets, |event| match event {
            SocketEvent::Readable(readable) if readable == connection => Some(readable),
            _ => None,
        });
        let count = sockets.received(connection).len();
        received += count;
        sockets.consume(connection, count);
    }
    assert!(sockets.send(connection, &bytes));
    sockets.flush();
    peer.read_exact(&mut bytes).expect("answer");
}

fn nothing_is_allocated(mut sockets: AnySockets) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let address = sockets.listen(1, address).expect("listens");
    for round in 0..60 {
        let before = allocations();
        let mut peer = TcpStream::connect(address).expect("connects");
        let connection = accept(&mut sockets);
        for _ in 0..50 {
            echo(&mut sockets, &mut peer, connection);
        }
        if round % 2 == 0 {
            sockets.close(connection, round % 4 == 0);
        }
        drop(peer);
        until(&mut sockets, |event| match event {
            SocketEvent::Closed { connection, .. } => Some(connection),
            _ => None,
        });
        // The first round warms up what the standard library keeps.
        assert!(round == 0 || allocations() == before);
    }
}

#[test]
fn neither_traffic_nor_coming_and_going_allocates() {
    let before = allocations();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(allocations(), before + 1, "the counter counts");
    for choice in [Choice::Poll, Choice::Uring] {
        match open(choice, 4) {
            Ok((sockets, _)) => nothing_is_allocated(sockets),
            Err(error) => println!("not tested: {error}"),
        }
    }
}
