//! Bytes, connections, fairness, back-pressure.
//!
//! Each test runs over both back ends, where the kernel grants io_uring.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use gatehouse::io::{CloseReason, SocketEvent, Sockets};
use gatehouse::limits::{RECEIVE_BUFFER_BYTES, SEND_BUFFER_BYTES};
use gatehouse::sys::sockets::{Choice, open};

use crate::world::*;

#[test]
fn auto_says_what_it_took_and_why() {
    let (sockets, chosen) = open(Choice::Auto, 4).expect("opens");
    assert_eq!(chosen.backend, sockets.backend());
    assert!(!chosen.reason.is_empty());
    assert!(open(Choice::Auto, 0).is_err());
}

#[test]
fn a_mebibyte_in_uneven_pieces_comes_back_whole() {
    both(4, |mut world| {
        let (mut peer, connection) = world.client();
        peer.set_nonblocking(true).expect("non-blocking");
        let bytes = pattern(1 << 20);
        let (mut written, mut back, mut backlog) = (0, Vec::new(), Vec::new());
        let mut step = 0usize;
        let mut buffer = vec![0; 50_000];
        world.until("echo", |world| {
            step += 1;
            let end = (written + step * 7919 % 30_011 + 1).min(bytes.len());
            match peer.write(&bytes[written..end]) {
                Ok(count) => written += count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            // Consumed in pieces that fit nothing.
            let received = world.sockets.received(connection);
            let count = received.len().min(step * 31 % 4099 + 1);
            backlog.extend_from_slice(&received[..count]);
            world.sockets.consume(connection, count);
            world.sockets.requeue(connection);
            let room = world.sockets.send_room(connection).min(backlog.len());
            assert!(world.sockets.send(connection, &backlog[..room]));
            backlog.drain(..room);
            match peer.read(&mut buffer) {
                Ok(count) => back.extend_from_slice(&buffer[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            back.len() == bytes.len()
        });
        assert!(back == bytes);
        assert!(world.closed.is_empty());
    });
}

#[test]
fn a_slow_reader_gets_every_byte_and_a_full_buffer_takes_nothing() {
    both(4, |mut world| {
        let (mut peer, connection) = world.client();
        let bytes = pattern(12 << 20);
        let (mut sent, mut refused) = (0, 0);
        // Nobody reads until the kernel's buffers and ours are full.
        let mut idle = 0;
        world.until("filling", |world| {
            let end = (sent + 5000).min(bytes.len());
            let room = world.sockets.send_room(connection);
            assert!(room <= SEND_BUFFER_BYTES);
            let fits = end - sent <= room;
            let taken = world.sockets.send(connection, &bytes[sent..end]);
            assert_eq!(taken, fits);
            if taken {
                sent = end;
                idle = 0;
            } else {
                refused += 1;
                idle += 1;
            }
            idle > 200
        });
        assert!(refused > 0 && sent < bytes.len());
        peer.set_nonblocking(true).expect("non-blocking");
        let mut back = Vec::new();
        let mut buffer = vec![0; 3000];
        world.until("reading", |world| {
            let end = (sent + 5000).min(bytes.len());
            if world.sockets.send(connection, &bytes[sent..end]) {
                sent = end;
            }
            for _ in 0..20 {
                match peer.read(&mut buffer) {
                    Ok(count) => back.extend_from_slice(&buffer[..count]),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        break;
                    }
                }
            }
            back.len() == bytes.len()
        });
        assert!(back == bytes);
    });
}

#[test]
fn who_is_not_consumed_is_held_back_by_tcp() {
    both(4, |mut world| {
        let (peer, connection) = world.client();
        let bytes = pattern(10 << 20);
        let copy = bytes.clone();
        let writer = std::thread::spawn(move || {
            let mut peer = peer;
            peer.write_all(&copy).expect("all is taken in the end");
            peer
        });
        world.until("first bytes", |world| {
            world.sockets.received(connection).len() == RECEIVE_BUFFER_BYTES
        });
        for _ in 0..2000 {
            world.turn();
            assert_eq!(
                world.sockets.received(connection).len(),
                RECEIVE_BUFFER_BYTES
            );
        }
        // Another is served meanwhile.
        let (mut other, other_connection) = world.client();
        other.write_all(b"hello").expect("written");
        world.until("the other", |world| {
            world.sockets.received(other_connection) == b"hello"
        });
        assert!(!writer.is_finished(), "the peer was not held back");
        let mut back = Vec::new();
        world.until("draining", |world| {
            world.take_all(connection, &mut back);
            back.len() == bytes.len()
        });
        assert!(back == bytes);
        drop(writer.join().expect("writer"));
        world.until("its end", |world| !world.closed.is_empty());
        assert_eq!(world.closed, [(connection, CloseReason::Peer)]);
    });
}

#[test]
fn many_connections_have_their_turns() {
    const COUNT: usize = 256;
    const ROUNDS: usize = 5;
    both(COUNT, |mut world| {
        let mut peers: Vec<_> = (0..COUNT).map(|_| world.client()).collect();
        for round in 0..ROUNDS {
            world.readable.clear();
            for (peer, connection) in &mut peers {
                let text = format!("{round}:{};", connection.slot);
                peer.write_all(text.as_bytes()).expect("written");
            }
            world.until("all readable", |world| world.readable.len() == COUNT);
            // Nobody twice, while others wait.
            let mut slots: Vec<_> = world.readable.iter().map(|id| id.slot).collect();
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), COUNT);
            for (_, connection) in &peers {
                let mut text = Vec::new();
                world.take_all(*connection, &mut text);
                assert_eq!(text, format!("{round}:{};", connection.slot).as_bytes());
                assert!(world.sockets.send(*connection, &text));
            }
            world.turn();
            for (peer, connection) in &mut peers {
                let expected = format!("{round}:{};", connection.slot);
                let mut text = vec![0; expected.len()];
                world.until("sent", |world| world.sockets.send_room(*connection) > 0);
                peer.read_exact(&mut text).expect("answer");
                assert_eq!(text, expected.as_bytes());
            }
        }
        assert_eq!(world.sockets.connections_open(), COUNT);
    });
}

#[test]
fn one_that_floods_does_not_starve_the_others() {
    both(8, |mut world| {
        let (flood, flooding) = world.client();
        flood.set_nonblocking(true).expect("non-blocking");
        let (mut peer, quiet) = world.client();
        // A third, so that the poll back end has its general mode.
        let _third = world.client();
        let junk = vec![0; 1 << 16];
        let mut flood = flood;
        for round in 0..200u32 {
            peer.write_all(&round.to_le_bytes()).expect("written");
            let mut turns = 0;
            let mut bytes = Vec::new();
            world.until("the quiet one", |world| {
                let _ = flood.write(&junk);
                let mut sink = Vec::new();
                world.take_all(flooding, &mut sink);
                world.take_all(quiet, &mut bytes);
                turns += 1;
                bytes.len() == 4
            });
            assert_eq!(bytes, round.to_le_bytes());
        }
    });
}

#[test]
fn requeue_goes_behind_the_others() {
    both(4, |mut world| {
        let (mut first_peer, first) = world.client();
        let (mut second_peer, second) = world.client();
        first_peer.write_all(b"1").expect("written");
        second_peer.write_all(b"2").expect("written");
        world.until("both", |world| world.readable.len() == 2);
        world.sockets.requeue(second);
        world.sockets.requeue(first);
        world.sockets.requeue(second);
        assert_eq!(
            world.sockets.next_event(),
            Some(SocketEvent::Readable(second))
        );
        world.sockets.requeue(second);
        assert_eq!(
            world.sockets.next_event(),
            Some(SocketEvent::Readable(first))
        );
        assert_eq!(
            world.sockets.next_event(),
            Some(SocketEvent::Readable(second))
        );
        assert_eq!(world.sockets.next_event(), None);
        world.sockets.consume(first, 1);
        world.sockets.requeue(first);
        assert_eq!(world.sockets.next_event(), None);
    });
}

#[test]
fn system_calls_of_a_round_trip_stay_few() {
    both(4, |mut world| {
        let (mut peer, connection) = world.client();
        let mut buffer = [0; 200];
        let (mut calls, mut trips) = (0, 0u64);
        for _ in 0..50 {
            peer.write_all(&[1; 200]).expect("written");
            // The bytes are there before we look, so that idle polls do not count.
            std::thread::sleep(Duration::from_micros(500));
            let before = world.sockets.system_calls();
            let deadline = Instant::now() + HANG;
            while world.sockets.received(connection).len() < 200 {
                assert!(Instant::now() < deadline, "hangs");
                world.sockets.poll();
                while world.sockets.next_event().is_some() {}
            }
            world.sockets.consume(connection, 200);
            assert!(world.sockets.send(connection, &[2; 200]));
            world.sockets.flush();
            calls += world.sockets.system_calls() - before;
            trips += 1;
            peer.read_exact(&mut buffer).expect("answer");
        }
        println!(
            "{}: {calls} system calls for {trips} round trips",
            world.sockets.backend()
        );
        // Two, and now and then a look at the listener.
        assert!(calls <= 2 * trips + 5, "{calls} for {trips}");
    });
}

#[test]
fn a_refused_connect_is_reported_and_its_slot_is_free_again() {
    both(2, |mut world| {
        let unused = TcpListener::bind(anywhere()).expect("binds");
        let address = unused.local_addr().expect("address");
        drop(unused);
        for round in 0..10 {
            world.sockets.connect(40 + round, address).expect("starts");
            world.until("failed", |world| !world.others.is_empty());
            let expected = SocketEvent::ConnectFailed {
                token: 40 + round,
                error: 111,
            };
            assert_eq!(world.others, [expected]);
            world.others.clear();
        }
    });
}

#[test]
fn a_connect_stands_and_carries_bytes_both_ways() {
    both(2, |mut world| {
        let listener = TcpListener::bind(anywhere()).expect("binds");
        let address = listener.local_addr().expect("address");
        world.sockets.connect(9, address).expect("starts");
        world.until("connected", |world| !world.others.is_empty());
        let SocketEvent::Connected { token, connection } = world.others[0] else {
            panic!("{:?}", world.others);
        };
        assert_eq!(token, 9);
        let (mut peer, _) = listener.accept().expect("accepts");
        assert!(world.sockets.send(connection, b"logon"));
        world.turns(3);
        let mut bytes = [0; 5];
        peer.read_exact(&mut bytes).expect("bytes");
        assert_eq!(&bytes, b"logon");
        peer.write_all(b"welcome").expect("written");
        world.until("answer", |world| {
            world.sockets.received(connection) == b"welcome"
        });
        // All slots in use is an error at once, not an event.
        world.sockets.connect(10, address).expect("starts");
        assert!(world.sockets.connect(11, address).is_err());
    });
}
