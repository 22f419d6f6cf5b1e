//! The end of a world: faults stop, everything must settle within bounded time, and then all must agree.
//!
//! Part of the world. Compared are the ledgers of clients, gateway and desk, and what a start would make of the logs with what the
//! stages know.

use super::checks::{self, Extent};
use super::disk::DiskFault;
use super::net::Weather;
use super::{DESK, LINKS, STRIDE_NS, World, restart, witness};
use crate::domain::OrderId;
use crate::domain::time::NS_PER_S;
use crate::limits::DOUBTS_MIN;
use crate::risk::Risk;
use crate::stage::assembly;
use crate::stage::replay::Replay;

/// Virtual time in which everything must have settled once faults have stopped.
const SETTLE_NS: u64 = 240 * NS_PER_S;
/// A message that was lost unseen is missed at the next heartbeat: everybody has sent one by then, and what it led to is done.
const HEARTBEATS_NS: u64 = 65 * NS_PER_S;

impl World {
    /// Faults stop. Everything must settle, and then all must agree.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.net.borrow_mut().weather = Weather::default();
        self.net.borrow_mut().break_silent();
        self.stalled_until_ns = 0;
        self.repaired_at_ns = 0;
        self.disk.borrow_mut().fault = DiskFault::None;
        self.strangers.go();
        for client in self.clients.iter_mut().chain([&mut self.receiver]) {
            client.sleeps_until_ns = 0;
        }
        let from_ns = self.clock.now().mono_ns;
        let until_ns = from_ns + SETTLE_NS;
        let (mut before, mut quiet) = (None, 0);
        while quiet < 3 || self.clock.now().mono_ns < from_ns + HEARTBEATS_NS {
            if self.is_held() {
                self.release_at_ns = Some(self.clock.now().mono_ns);
            }
            self.go_on(STRIDE_NS)?;
            self.check()?;
            let seen = (self.witness.sequences()[witness::ORDER], self.state());
            quiet = match before.as_ref() == Some(&seen) && seen.1 == "settled" {
                true => quiet + 1,
                false => 0,
            };
            if self.clock.now().mono_ns > until_ns {
                return Err(format!("not settled: {}", seen.1));
            }
            before = Some(seen);
        }
        self.witness.unfinished()?;
        self.nothing_sent_twice()?;
        let Some(process) = &self.process else {
            return Err("the gateway is not there".to_owned());
        };
        let extent = Extent {
            clients: &self.clients,
            first_epoch: self.first_epoch,
        };
        let risk = process.gateway.risk.risk();
        self.counts.doubts += risk.counters().doubts;
        checks::ledgers(&self.plan, risk, &extent, &self.desk)?;
        checks::cancels(risk, &extent, &self.desk)?;
        checks::copies(&self.clients, &self.receiver)?;
        self.rebuilt_is_live()
    }

    /// An order of a client went to the desk under one id, whatever was lost.
    fn nothing_sent_twice(&self) -> Result<(), String> {
        let orders = self.desk.book();
        for (name, ids) in self.witness.sent_twice() {
            let ids = ids.iter().filter_map(|id| OrderId::from_raw(*id));
            let there = ids.filter(|id| orders.order_of(&checks::desk_id(*id)).is_some());
            if there.count() > 1 {
                return Err(format!("the desk has order {name} twice"));
            }
        }
        Ok(())
    }

    /// What a start would make of the logs now is what the stages know.
    fn rebuilt_is_live(&mut self) -> Result<(), String> {
        let now = self.clock.of_gateway();
        let Some(process) = &mut self.process else {
            return Ok(());
        };
        process.finish_journal(now);
        let replay = |snapshot| {
            let replay = restart::replay(&self.plan, &self.disk.borrow(), snapshot);
            replay.map_err(|error| error.to_string())
        };
        if let Some(snapshot) = &self.snapshot {
            let known = |replay: &Replay| (replay.rows(), replay.risk().map(Risk::state_hash));
            let (short, long) = (known(&replay(Some(snapshot))?), known(&replay(None)?));
            if short != long {
                return Err(format!(
                    "a snapshot leads to {short:?} and the whole of the logs to {long:?}"
                ));
            }
        }
        let replay = replay(None)?;
        let (risk, route) = (process.gateway.risk.risk(), &process.gateway.route);
        let rebuilt = replay.risk().map(|risk| risk.state_hash());
        if rebuilt != Some(risk.state_hash()) {
            return Err("a replay leads to another state than the one that is there".to_owned());
        }
        // A day that began since then has forgotten the rest.
        let Ok(next) = replay.finish(assembly::day(now)) else {
            return Ok(());
        };
        if next.risk.is_none() {
            return Ok(());
        }
        let known = [
            ("requests not sent", next.unsent.len(), 0),
            ("requests perhaps sent", next.perhaps_sent.len(), 0),
            ("reports not told", next.untold.len(), 0),
            ("refusals not taken", next.refusals.len(), 0),
            (
                "requests in flight",
                next.in_flight.len(),
                route.in_flight(),
            ),
        ];
        // What the risk stage knows to be settled otherwise the route stage does not: a reset is then held longer than it must be.
        let (by_logs, live, doubtful) = (
            next.doubts.len(),
            route.in_doubt(),
            self.witness.doubtful.len(),
        );
        let is_open = |id: &&u64| OrderId::from_raw(**id).is_some_and(|id| risk.is_unanswered(id));
        let open = self.witness.doubtful.iter().filter(is_open).count();
        // Beyond the stage's room they stay counted until the numbers of their link are set anew.
        let has_room = risk.counters().doubts <= DOUBTS_MIN as u64;
        if live < by_logs.max(open) || live > doubtful && has_room {
            return Err(format!(
                "requests in doubt: {by_logs} by the logs, {open} by the book, {live} by the stage; of {doubtful} no desk has spoken"
            ));
        }
        match known.iter().find(|(_, rebuilt, live)| rebuilt != live) {
            None => Ok(()),
            Some((what, rebuilt, live)) => Err(format!(
                "{what}: {rebuilt} by the logs, {live} by the stages"
            )),
        }
    }

    fn is_held(&self) -> bool {
        let process = self.process.as_ref();
        process.is_some_and(|process| process.gateway.risk.risk().is_held(DESK))
    }

    /// `settled`, or what is not.
    fn state(&self) -> String {
        if self.is_held() {
            return "the desk is held".to_owned();
        }
        let mut clients = self.clients.iter().chain([&self.receiver]);
        if let Some(client) = clients.find(|client| !client.is_settled()) {
            return client.describe();
        }
        let ready = self
            .process
            .as_ref()
            .map(|process| process.gateway.route.links_ready());
        if ready != Some(LINKS) || self.desk.links_up() != LINKS {
            return format!(
                "links: {ready:?} at the gateway, {} at the desk",
                self.desk.links_up()
            );
        }
        let in_flight = self
            .process
            .as_ref()
            .map_or(0, |process| process.gateway.route.in_flight());
        if in_flight > 0 {
            return format!("{in_flight} requests are in flight");
        }
        "settled".to_owned()
    }
}
