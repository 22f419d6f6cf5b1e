//! How connections end: by the peer, by us, by the network; and what is left of them.
//!
//! Each test runs over both back ends, where the kernel grants io_uring.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use gatehouse::io::{CloseReason, ConnectionId, Sockets};
use gatehouse::limits::SEND_BUFFER_BYTES;

use crate::world::*;

#[test]
fn bytes_before_the_peers_end_have_their_turn() {
    both(4, |mut world| {
        let (mut peer, connection) = world.client();
        let bytes = pattern(100_000);
        let copy = bytes.clone();
        let writer = std::thread::spawn(move || {
            peer.write_all(&copy).expect("written");
            peer.shutdown(Shutdown::Write).expect("shut");
            peer
        });
        let mut back = Vec::new();
        world.until("end", |world| {
            // One piece per turn, asked for again each time.
            let count = world.sockets.received(connection).len().min(777);
            back.extend_from_slice(&world.sockets.received(connection)[..count]);
            world.sockets.consume(connection, count);
            world.sockets.requeue(connection);
            !world.closed.is_empty()
        });
        assert!(back == bytes);
        assert_eq!(world.closed, [(connection, CloseReason::Peer)]);
        drop(writer.join());
    });
}

#[test]
fn a_half_closed_peer_still_gets_what_was_sent() {
    both(4, |mut world| {
        let (mut peer, connection) = world.client();
        peer.write_all(b"bye").expect("written");
        peer.shutdown(Shutdown::Write).expect("shut");
        world.until("readable", |world| {
            world.sockets.received(connection) == b"bye"
        });
        let answer = pattern(50_000);
        assert!(world.sockets.send(connection, &answer));
        world.sockets.consume(connection, 3);
        world.until("closed", |world| !world.closed.is_empty());
        let mut back = Vec::new();
        peer.read_to_end(&mut back).expect("answer, then the end");
        assert!(back == answer);
        assert_eq!(world.closed, [(connection, CloseReason::Peer)]);
    });
}

#[test]
fn a_reset_by_the_peer_is_an_error_once() {
    both(4, |mut world| {
        let (peer, connection) = world.client();
        assert!(world.sockets.send(connection, b"unread"));
        world.turns(5);
        // Closing with unread bytes makes the kernel send a reset.
        std::thread::sleep(Duration::from_millis(5));
        drop(peer);
        world.until("closed", |world| !world.closed.is_empty());
        let expected = CloseReason::Error(104);
        assert_eq!(world.closed, [(connection, expected)]);
        world.turns(50);
        assert_eq!(world.closed.len(), 1);
    });
}

#[test]
fn beyond_the_limit_clients_are_turned_away_and_counted() {
    both(2, |mut world| {
        let first = world.client();
        let _second = world.client();
        let mut third = TcpStream::connect(world.address).expect("kernel connects");
        world.until("refused", |world| world.sockets.connections_refused() == 1);
        third.set_read_timeout(Some(HANG)).expect("time-out");
        assert!(matches!(third.read(&mut [0; 8]), Ok(0) | Err(_)));
        assert_eq!(world.accepted.len(), 2);
        drop(first.0);
        world.until("closed", |world| !world.closed.is_empty());
        let (_, fourth) = world.client();
        assert_eq!(fourth.slot, first.1.slot);
        assert_ne!(fourth.generation, first.1.generation);
    });
}

#[test]
fn closing_delivers_what_is_pending() {
    both(4, |mut world| {
        let (mut peer, connection) = world.client();
        let bytes = pattern(SEND_BUFFER_BYTES);
        assert!(world.sockets.send(connection, &bytes));
        world.sockets.close(connection, false);
        assert!(!world.sockets.send(connection, b"late"));
        assert_eq!(world.sockets.send_room(connection), 0);
        let reader = std::thread::spawn(move || {
            let mut back = Vec::new();
            peer.read_to_end(&mut back).map(|_| back)
        });
        world.until("closed", |world| !world.closed.is_empty());
        assert_eq!(world.closed, [(connection, CloseReason::Local)]);
        let back = reader.join().expect("reader").expect("an orderly end");
        assert!(back == bytes);
    });
}

#[test]
fn closing_gives_up_on_a_peer_that_does_nothing() {
    both(4, |mut world| {
        let (peer, connection) = world.client();
        let bytes = pattern(SEND_BUFFER_BYTES);
        // Fills what the kernel takes, so that the last buffer cannot leave.
        let mut idle = 0;
        world.until("filling", |world| {
            idle = if world.sockets.send(connection, &bytes[..4096]) {
                0
            } else {
                idle + 1
            };
            idle > 200
        });
        world.sockets.close(connection, false);
        world.until("given up", |world| !world.closed.is_empty());
        assert_eq!(world.closed, [(connection, CloseReason::Local)]);
        drop(peer);
    });
}

#[test]
fn abort_resets() {
    both(4, |mut world| {
        let (mut peer, connection) = world.client();
        peer.write_all(b"x").expect("written");
        world.until("readable", |world| !world.readable.is_empty());
        world.sockets.close(connection, true);
        assert!(world.sockets.received(connection).is_empty());
        world.until("closed", |world| !world.closed.is_empty());
        assert_eq!(world.closed, [(connection, CloseReason::Local)]);
        let error = peer.read(&mut [0; 8]).expect_err("a reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        world.sockets.close(connection, true);
        world.turns(20);
        assert_eq!(world.closed.len(), 1);
    });
}

#[test]
fn a_late_use_of_a_closed_connection_finds_nothing() {
    both(1, |mut world| {
        let mut last = None;
        for round in 0..20 {
            let (mut peer, connection) = world.client();
            if let Some(stale) = last {
                assert_ne!(stale, connection);
                peer.write_all(b"mine").expect("written");
                world.until("bytes", |world| {
                    world.sockets.received(connection) == b"mine"
                });
                assert!(world.sockets.received(stale).is_empty());
                assert!(!world.sockets.send(stale, b"ghost"));
                assert_eq!(world.sockets.send_room(stale), 0);
                world.sockets.consume(stale, 4);
                world.sockets.requeue(stale);
                world.sockets.close(stale, true);
                world.turns(3);
                assert_eq!(world.sockets.received(connection), b"mine");
            }
            let nowhere = ConnectionId {
                slot: 99,
                generation: 0,
            };
            assert!(world.sockets.received(nowhere).is_empty());
            world.sockets.close(nowhere, false);
            world.sockets.close(connection, round % 2 == 0);
            drop(peer);
            world.until("closed", |world| world.closed.len() == round + 1);
            last = Some(connection);
        }
    });
}

#[test]
fn both_may_be_dropped_in_the_middle_of_everything() {
    both(8, |mut world| {
        let (mut peer, connection) = world.client();
        let (_idle, _) = world.client();
        peer.write_all(&pattern(100_000)).expect("written");
        let bytes = pattern(SEND_BUFFER_BYTES);
        for _ in 0..200 {
            world.sockets.send(connection, &bytes[..30_000]);
            world.turn();
        }
        drop(world);
    });
}
