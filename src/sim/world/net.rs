//! The virtual network: wires between hosts, on which bytes take time, come in pieces, get lost and never overtake each other.
//!
//! One value, shared by the sockets of all hosts of a world on one thread. A wire has two directions; what is sent goes as segments
//! with a time at which each is there. What always holds: a direction delivers a prefix of what was sent on it, in order; what
//! is lost is lost to the end. Between wires there is no order at all.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::io::{CloseReason, Token};
use crate::limits::SEND_BUFFER_BYTES;
use crate::sim::random::Random;

/// Connection reset by peer.
pub const ECONNRESET: i32 = 104;
/// Connection refused.
pub const ECONNREFUSED: i32 = 111;

/// Who is on the network.
pub type Host = usize;

/// One end of a wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireEnd {
    /// Which wire.
    pub wire: usize,
    /// 0: who connected. 1: who was connected to.
    pub end: usize,
}

impl WireEnd {
    fn other(self) -> usize {
        1 - self.end
    }
}

/// How the network behaves; all draws are the network's own.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Shortest time under way
    pub delay_min_ns: u64,
    /// Longest time under way
    pub delay_max_ns: u64,
    /// Share of sends that are split into pieces, in percent
    pub split_percent: u64,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            delay_min_ns: 10_000,
            delay_max_ns: 300_000,
            split_percent: 30,
        }
    }
}

/// What waits for a host that listens or connects.
#[derive(Clone, Copy, Debug)]
pub enum Arrival {
    /// Somebody connected to the listener.
    Accepted(Token, WireEnd),
    /// Our connection stands.
    Connected(Token, WireEnd),
    /// Nobody listens there.
    Failed(Token, i32),
}

#[derive(Default)]
struct Direction {
    segments: VecDeque<(u64, Vec<u8>)>,
    last_due_ns: u64,
    bytes: usize,
    /// Nothing more gets through, and nobody is told.
    silent: bool,
    /// The sender has ended it: behind the segments.
    ended: Option<u64>,
}

struct Wire {
    hosts: [Host; 2],
    /// What end 0 sends, what end 1 sends.
    ways: [Direction; 2],
    /// Broken for this end, and it was not told yet.
    broken: [Option<CloseReason>; 2],
    /// This end is gone.
    gone: [bool; 2],
}

struct Listener {
    address: SocketAddr,
    host: Host,
    token: Token,
}

/// The network.
pub struct Network {
    /// How it behaves now.
    pub weather: Weather,
    now_ns: u64,
    wires: Vec<Wire>,
    listeners: Vec<Listener>,
    arrivals: Vec<VecDeque<(u64, Arrival)>>,
    random: Random,
    /// Of everything that was delivered.
    trace: u64,
}

impl Network {
    /// Nobody is connected.
    pub fn new(hosts: usize, seed: u64) -> Self {
        Self {
            weather: Weather::default(),
            now_ns: 0,
            wires: Vec::new(),
            listeners: Vec::new(),
            arrivals: (0..hosts).map(|_| VecDeque::new()).collect(),
            random: Random::new(seed),
            trace: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// Time has passed.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// A hash over everything delivered so far, and when.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// When the next thing is due that has not been delivered; `None` where nothing is under way.
    pub fn next_due_ns(&self) -> Option<u64> {
        let wires = self.wires.iter().flat_map(|wire| {
            (0..2).filter_map(|way| {
                let direction = &wire.ways[way];
                if wire.gone[1 - way] || direction.silent {
                    return None;
                }
                let segment = direction.segments.front().map(|&(due_ns, _)| due_ns);
                segment.or(direction.ended)
            })
        });
        let arrivals = self.arrivals.iter().flatten().map(|&(due_ns, _)| due_ns);
        wires.chain(arrivals).min()
    }

    /// `host` listens.
    pub fn listen(&mut self, host: Host, token: Token, address: SocketAddr) {
        self.listeners.push(Listener {
            address,
            host,
            token,
        });
    }

    /// `host` connects; both hear of it later.
    pub fn connect(&mut self, host: Host, token: Token, address: SocketAddr) {
        let due_ns = self.now_ns + self.delay();
        let Some(listener) = self.listeners.iter().find(|at| at.address == address) else {
            let failed = Arrival::Failed(token, ECONNREFUSED);
            return self.arrivals[host].push_back((due_ns, failed));
        };
        let (to, to_token) = (listener.host, listener.token);
        let wire = self.wires.len();
        self.wires.push(Wire {
            hosts: [host, to],
            ways: Default::default(),
            broken: [None; 2],
            gone: [false; 2],
        });
        let ends = [0, 1].map(|end| WireEnd { wire, end });
        self.arrivals[host].push_back((due_ns, Arrival::Connected(token, ends[0])));
        self.arrivals[to].push_back((due_ns, Arrival::Accepted(to_token, ends[1])));
    }

    /// What has arrived at `host`.
    pub fn arrival(&mut self, host: Host) -> Option<Arrival> {
        let waiting = &mut self.arrivals[host];
        let at = waiting
            .iter()
            .position(|&(due_ns, _)| due_ns <= self.now_ns)?;
        waiting.remove(at).map(|(_, arrival)| arrival)
    }

    /// Bytes that the sender may still put on the wire.
    pub fn room(&self, at: WireEnd) -> usize {
        let wire = &self.wires[at.wire];
        if wire.gone[at.end] || wire.broken[at.end].is_some() {
            return 0;
        }
        SEND_BUFFER_BYTES.saturating_sub(wire.ways[at.end].bytes)
    }

    /// Puts bytes on the wire; there was room.
    pub fn send(&mut self, at: WireEnd, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let is_split = self.random.below(100) < self.weather.split_percent;
            let piece = match is_split {
                true => self.random.between(1, rest.len() as u64) as usize,
                false => rest.len(),
            };
            let due_ns = self.now_ns + self.delay();
            let way = &mut self.wires[at.wire].ways[at.end];
            way.last_due_ns = way.last_due_ns.max(due_ns);
            way.bytes += piece;
            way.segments
                .push_back((way.last_due_ns, rest[..piece].to_vec()));
            rest = &rest[piece..];
        }
    }

    /// Takes what is there for this end, at most `room` bytes: appended to `out`. Returns whether anything came.
    pub fn receive(&mut self, at: WireEnd, room: usize, out: &mut Vec<u8>) -> bool {
        let now_ns = self.now_ns;
        let way = &mut self.wires[at.wire].ways[at.other()];
        let mut taken = 0;
        while taken < room && !way.silent {
            let Some((due_ns, bytes)) = way.segments.front_mut() else {
                break;
            };
            if *due_ns > now_ns {
                break;
            }
            let count = bytes.len().min(room - taken);
            out.extend_from_slice(&bytes[..count]);
            bytes.drain(..count);
            if bytes.is_empty() {
                way.segments.pop_front();
            }
            taken += count;
        }
        way.bytes -= taken;
        for &byte in &out[out.len() - taken..] {
            self.trace = (self.trace ^ byte as u64).wrapping_mul(0x0100_0000_01b3);
        }
        self.trace ^= if taken > 0 { now_ns } else { 0 };
        taken > 0
    }

    /// Why the wire has ended for this end, once all that came before was received.
    pub fn end_of(&mut self, at: WireEnd) -> Option<CloseReason> {
        let wire = &mut self.wires[at.wire];
        if wire.gone[at.end] {
            return None;
        }
        if let Some(reason) = wire.broken[at.end] {
            wire.gone[at.end] = true;
            return Some(reason);
        }
        let way = &wire.ways[at.other()];
        let is_over = way.segments.is_empty()
            && !way.silent
            && way.ended.is_some_and(|due_ns| due_ns <= self.now_ns);
        wire.gone[at.end] = is_over;
        is_over.then_some(CloseReason::Peer)
    }

    /// This end closes: in order behind what was sent, or at once and what is under way is lost.
    pub fn close(&mut self, at: WireEnd, abort: bool) {
        let now_ns = self.now_ns;
        let wire = &mut self.wires[at.wire];
        if std::mem::replace(&mut wire.gone[at.end], true) {
            return;
        }
        let way = &mut wire.ways[at.end];
        if abort {
            way.segments.clear();
            wire.broken[at.other()] = Some(CloseReason::Error(ECONNRESET));
        } else {
            way.ended = Some(way.last_due_ns.max(now_ns));
        }
    }

    /// The wire breaks: both ends are told, what is under way is lost.
    pub fn reset(&mut self, wire: usize) {
        let wire = &mut self.wires[wire];
        for end in 0..2 {
            wire.ways[end].segments.clear();
            if !wire.gone[end] {
                wire.broken[end] = Some(CloseReason::Error(ECONNRESET));
            }
        }
    }

    /// From now on nothing gets through from end `way`, and nobody is told.
    pub fn silence(&mut self, wire: usize, way: usize) {
        self.wires[wire].ways[way].silent = true;
    }

    /// Silent wires break at last: the kernel gives up.
    pub fn break_silent(&mut self) {
        for wire in 0..self.wires.len() {
            // Also where one end is gone, and the other one cannot hear of it.
            let at = &self.wires[wire];
            if at.ways.iter().any(|way| way.silent) && at.gone != [true; 2] {
                self.reset(wire);
            }
        }
    }

    /// Everything of `host` ends: what it had sent arrives, or is lost where `lose`.
    pub fn host_dies(&mut self, hosts: &[Host], lose: bool) {
        for wire in 0..self.wires.len() {
            for end in 0..2 {
                if hosts.contains(&self.wires[wire].hosts[end]) {
                    self.close(WireEnd { wire, end }, lose);
                }
            }
        }
        for &host in hosts {
            let arrivals = std::mem::take(&mut self.arrivals[host]);
            for (_, arrival) in arrivals {
                if let Arrival::Accepted(_, at) | Arrival::Connected(_, at) = arrival {
                    self.close(at, true);
                }
            }
        }
        self.listeners.retain(|at| !hosts.contains(&at.host));
    }

    /// Wires that both ends believe in and that touch one of these hosts.
    pub fn alive(&self, hosts: &[Host]) -> Vec<usize> {
        (0..self.wires.len())
            .filter(|&wire| self.is_alive(wire))
            .filter(|&wire| self.wires[wire].hosts.iter().any(|at| hosts.contains(at)))
            .collect()
    }

    fn is_alive(&self, wire: usize) -> bool {
        let wire = &self.wires[wire];
        wire.gone == [false; 2] && wire.broken == [None; 2]
    }

    fn delay(&mut self) -> u64 {
        let Weather {
            delay_min_ns,
            delay_max_ns,
            ..
        } = self.weather;
        // Now and then something takes a way of its own.
        match self.random.below(50) {
            0 => self
                .random
                .between(delay_max_ns, delay_max_ns + 20 * NS_PER_MS),
            1 if delay_max_ns > NS_PER_MS => self
                .random
                .between(delay_max_ns, delay_max_ns + NS_PER_S / 4),
            _ => self.random.between(delay_min_ns, delay_max_ns),
        }
    }
}
