//! Strangers of the virtual world: they connect, and say nothing, garbage, too much, or that they are somebody.
//!
//! Owned by the world, a host of their own. They never use a real client's name: who may come in by name is no question of this world.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::fix_text;
use super::net::{Host, Network};
use super::sockets::{Life, VirtualSockets};
use crate::domain::Now;
use crate::io::{ConnectionId, SocketEvent, Sockets};
use crate::sim::random::Random;

/// Connections that they have at once, at most.
const CONNECTIONS: usize = 100;

/// The strangers.
pub struct Strangers {
    sockets: VirtualSockets,
    address: SocketAddr,
    connections: Vec<ConnectionId>,
    connecting: u64,
    random: Random,
    /// Connections that they made
    pub came: u64,
}

impl Strangers {
    /// Nobody is there yet.
    pub fn new(net: &Rc<RefCell<Network>>, host: Host, address: SocketAddr) -> Self {
        let (life, sent) = (Rc::new(Life::default()), Rc::default());
        Self {
            sockets: VirtualSockets::new(net.clone(), host, life, None, sent),
            address,
            connections: Vec::new(),
            connecting: 0,
            random: Random::new(0),
            came: 0,
        }
    }

    /// Some of them connect.
    pub fn come(&mut self, random: &mut Random) {
        self.random = Random::new(random.next_u64());
        for _ in 0..random.between(1, 20) {
            if self.connections.len() + self.connecting as usize == CONNECTIONS {
                break;
            }
            self.connecting += 1;
            let _ = self.sockets.connect(0, self.address);
        }
    }

    /// They all go.
    pub fn go(&mut self) {
        for connection in std::mem::take(&mut self.connections) {
            self.sockets.close(connection, true);
        }
    }

    /// One turn; returns how much was done.
    pub fn step(&mut self, now: Now) -> usize {
        let mut work = self.sockets.poll();
        while let Some(event) = self.sockets.next_event() {
            work += 1;
            match event {
                SocketEvent::Connected { connection, .. } => {
                    self.connecting -= 1;
                    self.came += 1;
                    self.connections.push(connection);
                    self.say(now, connection);
                }
                SocketEvent::ConnectFailed { .. } => self.connecting -= 1,
                SocketEvent::Closed { connection, .. } => {
                    self.connections.retain(|it| *it != connection);
                }
                SocketEvent::Readable(connection) => {
                    let length = self.sockets.received(connection).len();
                    self.sockets.consume(connection, length);
                }
                _ => {}
            }
        }
        work
    }

    fn say(&mut self, now: Now, connection: ConnectionId) {
        let time = fix_text::timestamp(now.wall_ns);
        let message = |kind: &str, from: &str, number: u64, body: &str| {
            let head = format!("35={kind}|34={number}|49={from}|52={time}|56=GATEHOUSE|");
            fix_text::frame("FIX.4.4", &format!("{head}{body}"))
        };
        let logon = "98=0|108=30|";
        let random = &mut self.random;
        let bytes = match random.below(8) {
            0 => Vec::new(),
            1 => (0..random.between(1, 4_000))
                .map(|_| random.next_u64() as u8)
                .collect(),
            2 => b"8=FIX.4.4\x019=99999999\x0135=A\x01".to_vec(),
            3 => message("A", "MALLORY", 1, logon),
            4 => message("A", "CLIENT1 ", 1, logon),
            5 => message("0", "CLIENT2", 1, ""),
            6 => {
                let mut half = message("A", "MALLORY", 7, logon);
                half.truncate(half.len() / 2);
                half
            }
            _ => {
                let one = message("D", "MALLORY", 1, "11=M1|55=SYM1|54=1|38=10|40=1|");
                one.repeat(random.between(1, 200) as usize)
            }
        };
        let count = bytes.len().min(self.sockets.send_room(connection));
        if count > 0 {
            self.sockets.send(connection, &bytes[..count]);
        }
        if random.below(4) == 0 {
            self.sockets.close(connection, true);
            self.connections.retain(|it| *it != connection);
        }
    }
}
