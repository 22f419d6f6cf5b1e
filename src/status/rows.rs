//! Writing the rows of sessions, links and accounts. A `...Cells` is a borrowed row: get it, set it, forget it.
//!
//! Each belongs to one stage's thread (see [`page`](super::page)); every update is a plain store or add.

use std::mem::offset_of;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;

use super::catalog::{LinkState, Reason, SessionState};
use super::page::{AccountRow, LinkRow, SessionRow, Words};
use super::writer::bump;
use crate::domain::{Durability, Money};

macro_rules! at {
    ($self:ident, $row:ident, $field:ident) => {
        &$self.0[offset_of!($row, $field) / 8]
    };
}

/// What stops new orders of a session or account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Stopped {
    /// Nothing.
    #[default]
    No,
    /// A block: cancels pass.
    Blocked,
    /// A kill.
    Killed,
}

impl Stopped {
    /// For people and `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Blocked => "blocked",
            Self::Killed => "killed",
        }
    }

    /// From the page; unknown codes stop most.
    pub fn from_code(code: u64) -> Self {
        match code {
            0 => Self::No,
            1 => Self::Blocked,
            _ => Self::Killed,
        }
    }
}

/// What a peer of a stage has received and sent, written row by row every few milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowTraffic {
    /// Messages received.
    pub messages_in: u64,
    /// Messages sent, resent ones included.
    pub messages_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Messages sent again.
    pub resent: u64,
    /// When the last message came, nanoseconds since 1970; zero: none.
    pub last_in_wall_ns: u64,
    /// When the last message went, nanoseconds since 1970; zero: none.
    pub last_out_wall_ns: u64,
}

/// A session's row, the decode stage's part.
#[derive(Clone, Copy)]
pub struct SessionCells(pub(super) Words);

impl SessionCells {
    /// A new state, and why the last connection ended (`Reason::None` keeps the former).
    pub fn set_state(self, state: SessionState, reason: Reason, wall_ns: u64) {
        if at!(self, SessionRow, state).load(Relaxed) != state as u64 {
            at!(self, SessionRow, state).store(state as u64, Relaxed);
            at!(self, SessionRow, state_wall_ns).store(wall_ns, Relaxed);
        }
        if reason != Reason::None {
            at!(self, SessionRow, reason).store(reason as u64, Relaxed);
        }
    }

    /// Logons since the start, and from where the last one came.
    pub fn set_logons(self, logons: u64, peer: SocketAddr) {
        let address = match peer.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let bits = address.to_bits();
        let start = offset_of!(SessionRow, peer_address) / 8;
        self.0[start].store(bits as u64, Relaxed);
        self.0[start + 1].store((bits >> 64) as u64, Relaxed);
        at!(self, SessionRow, peer_port).store(peer.port() as u64, Relaxed);
        at!(self, SessionRow, logons).store(logons, Relaxed);
    }

    /// One message in; `next_in` is the next expected number.
    #[inline]
    pub fn received(self, bytes: usize, next_in: u64, wall_ns: u64) {
        bump(at!(self, SessionRow, messages_in), 1);
        bump(at!(self, SessionRow, bytes_in), bytes as u64);
        at!(self, SessionRow, next_in).store(next_in, Relaxed);
        at!(self, SessionRow, last_in_wall_ns).store(wall_ns, Relaxed);
    }

    /// One message out; `next_out` is the next number to send.
    #[inline]
    pub fn sent(self, bytes: usize, next_out: u64, wall_ns: u64) {
        bump(at!(self, SessionRow, messages_out), 1);
        bump(at!(self, SessionRow, bytes_out), bytes as u64);
        at!(self, SessionRow, next_out).store(next_out, Relaxed);
        at!(self, SessionRow, last_out_wall_ns).store(wall_ns, Relaxed);
    }

    /// When its schedule opens or closes next; zero: none.
    pub fn set_schedule(self, wall_ns: u64) {
        at!(self, SessionRow, schedule_wall_ns).store(wall_ns, Relaxed);
    }

    /// Its level of durability.
    pub fn set_durability(self, level: Durability) {
        at!(self, SessionRow, durability).store(level as u64, Relaxed);
    }

    /// It receives copies, and so many were written for it.
    pub fn set_copies(self, copies: u64) {
        at!(self, SessionRow, copies_plus_one).store(copies + 1, Relaxed);
    }

    /// Both sequence numbers, after a reset or a recovery.
    pub fn set_sequences(self, next_in: u64, next_out: u64) {
        at!(self, SessionRow, next_in).store(next_in, Relaxed);
        at!(self, SessionRow, next_out).store(next_out, Relaxed);
    }

    /// Messages and bytes since the start, and when the last ones came and went.
    pub fn set_traffic(self, traffic: &RowTraffic) {
        for (cell, value) in [
            (at!(self, SessionRow, messages_in), traffic.messages_in),
            (at!(self, SessionRow, messages_out), traffic.messages_out),
            (at!(self, SessionRow, bytes_in), traffic.bytes_in),
            (at!(self, SessionRow, bytes_out), traffic.bytes_out),
            (at!(self, SessionRow, resent), traffic.resent),
            (
                at!(self, SessionRow, last_in_wall_ns),
                traffic.last_in_wall_ns,
            ),
            (
                at!(self, SessionRow, last_out_wall_ns),
                traffic.last_out_wall_ns,
            ),
        ] {
            cell.store(value, Relaxed);
        }
    }

    /// Counts a session or business reject sent.
    pub fn rejected(self) {
        bump(at!(self, SessionRow, rejects), 1);
    }
}

/// A session's row, the risk stage's part.
#[derive(Clone, Copy)]
pub struct SessionRiskCells(pub(super) Words);

impl SessionRiskCells {
    /// Open orders now.
    #[inline]
    pub fn set_orders_open(self, open: u64) {
        at!(self, SessionRow, orders_open).store(open, Relaxed);
    }

    /// Counts an accepted order.
    #[inline]
    pub fn accepted(self) {
        bump(at!(self, SessionRow, orders), 1);
    }

    /// Counts a request refused by a check.
    #[inline]
    pub fn rejected(self) {
        bump(at!(self, SessionRow, orders_rejected), 1);
    }

    /// Blocked or killed.
    pub fn set_stopped(self, stopped: Stopped) {
        at!(self, SessionRow, stopped).store(stopped as u64, Relaxed);
    }
}

/// A link's row.
#[derive(Clone, Copy)]
pub struct LinkCells(pub(super) Words);

impl LinkCells {
    /// A new state, and why the link was last lost (`Reason::None` keeps the former).
    pub fn set_state(self, state: LinkState, reason: Reason, wall_ns: u64) {
        if at!(self, LinkRow, state).load(Relaxed) != state as u64 {
            at!(self, LinkRow, state).store(state as u64, Relaxed);
            at!(self, LinkRow, state_wall_ns).store(wall_ns, Relaxed);
        }
        if reason != Reason::None {
            at!(self, LinkRow, reason).store(reason as u64, Relaxed);
        }
    }

    /// Counts a connection that came to stand.
    pub fn connected(self) {
        bump(at!(self, LinkRow, connects), 1);
    }

    /// One message out; `request` where it was a client's request.
    #[inline]
    pub fn sent(self, request: bool, next_out: u64, wall_ns: u64) {
        bump(at!(self, LinkRow, sent), request as u64);
        at!(self, LinkRow, next_out).store(next_out, Relaxed);
        at!(self, LinkRow, last_out_wall_ns).store(wall_ns, Relaxed);
    }

    /// One message in; `report` where it was about a request.
    #[inline]
    pub fn received(self, report: bool, next_in: u64, wall_ns: u64) {
        bump(at!(self, LinkRow, received), report as u64);
        at!(self, LinkRow, next_in).store(next_in, Relaxed);
        at!(self, LinkRow, last_in_wall_ns).store(wall_ns, Relaxed);
    }

    /// Messages since the start, and when the last ones came and went.
    pub fn set_traffic(self, traffic: &RowTraffic) {
        for (cell, value) in [
            (at!(self, LinkRow, received), traffic.messages_in),
            (at!(self, LinkRow, sent), traffic.messages_out),
            (at!(self, LinkRow, last_in_wall_ns), traffic.last_in_wall_ns),
            (
                at!(self, LinkRow, last_out_wall_ns),
                traffic.last_out_wall_ns,
            ),
        ] {
            cell.store(value, Relaxed);
        }
    }

    /// Requests unanswered and waiting.
    #[inline]
    pub fn set_in_flight(self, in_flight: u64, queued: u64) {
        at!(self, LinkRow, in_flight).store(in_flight, Relaxed);
        at!(self, LinkRow, queued).store(queued, Relaxed);
    }

    /// Requests that may be unanswered at once.
    pub fn set_window(self, window: u64) {
        at!(self, LinkRow, window).store(window, Relaxed);
    }

    /// Requests in doubt.
    pub fn set_in_doubt(self, in_doubt: u64) {
        at!(self, LinkRow, in_doubt).store(in_doubt, Relaxed);
    }

    /// How long the desk took for its last first answer.
    #[inline]
    pub fn set_last_ack(self, ns: u64) {
        at!(self, LinkRow, last_ack_ns).store(ns, Relaxed);
    }

    /// When its schedule opens or closes next; zero: none.
    pub fn set_schedule(self, wall_ns: u64) {
        at!(self, LinkRow, schedule_wall_ns).store(wall_ns, Relaxed);
    }

    /// Whether its desk is held.
    pub(super) fn set_held(self, is_held: bool) {
        at!(self, LinkRow, held).store(is_held as u64, Relaxed);
    }

    /// Its level of durability.
    pub fn set_durability(self, level: Durability) {
        at!(self, LinkRow, durability).store(level as u64, Relaxed);
    }

    /// Both sequence numbers, after a reset or a recovery.
    pub fn set_sequences(self, next_in: u64, next_out: u64) {
        at!(self, LinkRow, next_in).store(next_in, Relaxed);
        at!(self, LinkRow, next_out).store(next_out, Relaxed);
    }
}

/// An account's row.
#[derive(Clone, Copy)]
pub struct AccountCells(pub(super) Words);

impl AccountCells {
    /// What the book says now.
    #[inline]
    pub fn set_book(self, orders_open: u64, reserved: Money, available: Money, wall_ns: u64) {
        at!(self, AccountRow, orders_open).store(orders_open, Relaxed);
        self.money(offset_of!(AccountRow, reserved_money), reserved);
        self.money(offset_of!(AccountRow, available_money), available);
        at!(self, AccountRow, last_wall_ns).store(wall_ns, Relaxed);
    }

    fn money(self, offset: usize, money: Money) {
        self.0[offset / 8].store(money.0 as u64, Relaxed);
        self.0[offset / 8 + 1].store((money.0 >> 64) as u64, Relaxed);
    }

    /// Counts an accepted order.
    #[inline]
    pub fn accepted(self) {
        bump(at!(self, AccountRow, orders), 1);
    }

    /// Counts a booked fill.
    #[inline]
    pub fn filled(self) {
        bump(at!(self, AccountRow, fills), 1);
    }

    /// Counts a request refused by a check.
    #[inline]
    pub fn rejected(self) {
        bump(at!(self, AccountRow, rejects), 1);
    }

    /// Blocked or killed.
    pub fn set_stopped(self, stopped: Stopped) {
        at!(self, AccountRow, stopped).store(stopped as u64, Relaxed);
    }
}
