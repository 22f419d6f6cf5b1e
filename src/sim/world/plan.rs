//! The gateway's plan in a world: small tables, three clients and a receiver of copies, two links, drawn settings.
//!
//! Pure; client `i` has session and account `i`, the receiver is the session behind them.

use std::net::SocketAddr;

use super::{CLIENTS, INSTRUMENTS, LINKS, address};
use crate::config::plan::{DropCopyPlan, Plan};
use crate::config::sample::Sample;
use crate::domain::{Durability, SessionIndex};
use crate::sim::random::Random;

/// Draws it.
pub fn make(random: &mut Random) -> Plan {
    let mut sample = Sample::new("/nowhere");
    (sample.sessions, sample.accounts) = (CLIENTS + 1, CLIENTS);
    (sample.instruments, sample.lot) = (INSTRUMENTS, 10);
    sample.listen = address(1);
    sample.links = (0..LINKS as u16).map(|at| address(10 + at)).collect();
    sample.staging_bytes = 1 << 18;
    sample.requests_per_day_max = 1 << 12;
    sample.executions_per_day_max = 1 << 13;
    sample.window = random.between(4, 64) as usize;
    let mut plan = sample.plan();
    plan.threads.ring_slots = crate::limits::RING_SLOTS_MIN;
    plan.listeners[0].connections_max = 64;
    for link in plan.desks.iter_mut().flat_map(|desk| &mut desk.links) {
        (link.reconnect_min_ms, link.reconnect_max_ms) = (20, 400);
    }
    plan.sessions[1].pending_new = random.below(2) == 0;
    plan.sessions[2].cancel_on_disconnect = random.below(3) == 0;
    let receiver = &mut plan.sessions[CLIENTS];
    receiver.accounts.clear();
    receiver.drop_copy = Some(DropCopyPlan {
        accounts: Vec::new(),
        sessions: (0..CLIENTS as u32).map(SessionIndex).collect(),
    });
    if random.below(3) == 0 {
        plan.desks[0].durability = Durability::Host;
    }
    plan.spread_durability();
    plan
}

/// Where the links listen.
pub fn links(plan: &Plan) -> Vec<SocketAddr> {
    let links = plan.desks.iter().flat_map(|desk| &desk.links);
    links.map(|link| link.address).collect()
}
