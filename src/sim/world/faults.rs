//! What happens in the world: what clients, the desk and operators do, and what breaks.
//!
//! Part of the world. A fault only begins here; what it does is done by who it happens to.

use super::client::Manner;
use super::client_ledger::Asked;
use super::disk::DiskFault;
use super::events::{Event, Kind};
use super::net::Weather;
use super::process::{HOSTS, Process};
use super::restart::StartError;
use super::{CLIENTS, DESK, INSTRUMENTS, World, restart};
use crate::domain::command::{RiskCommand, Scope};
use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::domain::{AccountIndex, InstrumentIndex, SessionIndex};
use crate::sim::random::Random;
use crate::stage::replay::ReplayError;

/// Calls to the outside within which a process that is to die does.
const STEPS_TO_DEATH: u64 = 80;
/// Events between two snapshots, about.
const EVENTS_PER_SNAPSHOT: u64 = 12;

impl World {
    pub(super) fn happen(&mut self, event: &Event) -> Result<(), String> {
        let mut random = event.random();
        let now = self.clock.now();
        let at = random.below(CLIENTS as u64) as usize;
        // Now and then it happens to the receiver of copies.
        let anyone = match random.below(4) {
            0 => &mut self.receiver,
            _ => &mut self.clients[at],
        };
        match event.kind {
            Kind::Sleep => {
                let until_ns = now.mono_ns + random.between(NS_PER_MS, 3 * NS_PER_S);
                anyone.sleeps_until_ns = until_ns;
            }
            Kind::Leave => anyone.leave(now, random.below(2) == 0),
            Kind::Logout => anyone.log_out(now),
            _ => {}
        }
        let client = &mut self.clients[at];
        match event.kind {
            Kind::Order => client.new_order(now, &mut random, INSTRUMENTS as u64),
            Kind::Burst => {
                for _ in 0..random.between(2, 30) {
                    client.new_order(now, &mut random, INSTRUMENTS as u64);
                }
            }
            Kind::Cancel => client.change(now, &mut random, Asked::Cancel),
            Kind::Replace => client.change(now, &mut random, Asked::Replace),
            Kind::MassStatus => client.mass(now, false),
            Kind::MassCancel => client.mass(now, true),
            Kind::Desk => self.desk.act(now, &mut random),
            Kind::Wait | Kind::Sleep | Kind::Leave | Kind::Logout => {}
            Kind::Nonsense => {
                client.manner = Manner::Buggy;
                client.nonsense(now, &mut random);
                self.counts.nonsense += 1;
            }
            Kind::Flood => match random.below(5) {
                0 => self.strangers.go(),
                _ => self.strangers.come(&mut random),
            },
            Kind::Reset | Kind::Silence => self.break_wire(event.kind, &mut random),
            Kind::Weather => {
                let slow = [100_000, 1_000_000, 30 * NS_PER_MS][random.below(3) as usize];
                self.net.borrow_mut().weather = Weather {
                    delay_min_ns: 1_000,
                    delay_max_ns: slow,
                    split_percent: random.below(90),
                };
            }
            Kind::Jump => {
                let by_s = random.between(0, 100) as i64 - 50;
                self.clock.jump(by_s * NS_PER_S as i64);
                self.counts.jumps += 1;
            }
            Kind::Stall => {
                self.stalled_until_ns = now.mono_ns + random.between(NS_PER_MS, 2 * NS_PER_S);
                self.counts.stalls += 1;
            }
            Kind::Operator => self.command(&mut random),
            Kind::Kill | Kind::HostLoss => {
                if let Some(process) = &self.process {
                    process.die_after(random.below(STEPS_TO_DEATH));
                    self.host_goes |= event.kind == Kind::HostLoss;
                }
            }
            Kind::DiskFails => {
                let faults = [DiskFault::WriteFails, DiskFault::Full, DiskFault::SyncFails];
                self.disk.borrow_mut().fault = faults[random.below(3) as usize];
                let after_ns = random.between(NS_PER_MS, 2 * NS_PER_S);
                self.repaired_at_ns = now.mono_ns + after_ns;
            }
            Kind::Damage => self.damage(&mut random)?,
        }
        match random.below(EVENTS_PER_SNAPSHOT) {
            0 => self.take_snapshot(),
            _ => Ok(()),
        }
    }

    /// What the process beside a gateway does: a snapshot of what the gateway says is durable, from the one before and from the disk.
    fn take_snapshot(&mut self) -> Result<(), String> {
        let Some(process) = self.process.as_ref().filter(|process| !process.is_dead()) else {
            return Ok(());
        };
        let through = restart::LOGS.map(|log| process.gateway.disk.durable(log));
        if !process.gateway.disk.works() || through.contains(&0) {
            return Ok(());
        }
        let before = self.snapshot.as_deref();
        let taken = restart::snapshot(&self.plan, &self.disk.borrow(), before, through);
        self.snapshot = Some(taken.map_err(|error| error.to_string())?);
        self.counts.snapshots_taken += 1;
        Ok(())
    }

    fn break_wire(&mut self, kind: Kind, random: &mut Random) {
        let mut net = self.net.borrow_mut();
        let alive = net.alive(&HOSTS);
        if alive.is_empty() {
            return;
        }
        let wire = alive[random.below(alive.len() as u64) as usize];
        match kind {
            Kind::Silence => {
                net.silence(wire, random.below(2) as usize);
                self.counts.silences += 1;
            }
            _ => {
                net.reset(wire);
                self.counts.resets += 1;
            }
        }
    }

    fn command(&mut self, random: &mut Random) {
        let scope = match random.below(4) {
            0 => Scope::Firm,
            1 => Scope::Account(AccountIndex(random.below(CLIENTS as u64) as u32)),
            2 => Scope::Session(SessionIndex(random.below(CLIENTS as u64) as u32)),
            _ => Scope::Instrument(InstrumentIndex(random.below(INSTRUMENTS as u64) as u32)),
        };
        let command = match random.below(9) {
            0 => RiskCommand::Block(scope),
            1 => RiskCommand::Kill(scope),
            2 | 3 => RiskCommand::Unblock(scope),
            4 | 5 => RiskCommand::Release(scope),
            6 => RiskCommand::Hold(DESK),
            _ => RiskCommand::ReleaseDesk(DESK),
        };
        if let Some(process) = &mut self.process {
            self.counts.holds += matches!(command, RiskCommand::Hold(_)) as u64;
            process.command(command, random.next_u64());
        }
    }

    /// A copy of the disk is damaged, and a start reads it: it must refuse, whatever was hit.
    fn damage(&mut self, random: &mut Random) -> Result<(), String> {
        let disk = self.disk.borrow();
        let Some(damage) = disk.damaged(random) else {
            return Ok(());
        };
        self.counts.damages_seen += 1;
        match restart::sees_damage(&self.plan, &disk, &damage.disk) {
            true => Ok(()),
            false => Err(format!(
                "{}, and a start does not see it: log, epoch, offset {:?}",
                damage.what, damage.at
            )),
        }
    }

    /// The disk failed: the stages know, and an operator repairs it and starts the gateway anew.
    pub(super) fn look_at_disk(&mut self) {
        let Some(process) = &self.process else { return };
        if !process.journal_has_failed() {
            return;
        }
        if !self.witness.disk_has_failed {
            self.witness.disk_has_failed = true;
            match self.disk.borrow().fault {
                DiskFault::WriteFails => self.counts.writes_failed += 1,
                DiskFault::Full => self.counts.disks_full += 1,
                DiskFault::SyncFails => self.counts.syncs_failed += 1,
                DiskFault::None => {}
            }
        }
        if self.clock.now().mono_ns >= self.repaired_at_ns {
            process.die_after(0);
        }
    }

    pub(super) fn start(&mut self) -> Result<(), String> {
        let now = self.clock.of_gateway();
        let snapshot = self.snapshot.as_deref();
        let snapshot = snapshot.filter(|_| !self.trace_seed().is_multiple_of(3));
        self.counts.snapshots_loaded += snapshot.is_some() as u64;
        let disk = self.disk.borrow();
        let resumption = restart::resume(&self.plan, now, &disk, snapshot, self.has_lost);
        drop(disk);
        let resumption = match resumption {
            Ok(resumption) => resumption,
            // The operator does as he is told.
            Err(StartError::Replay(ReplayError::LaterDay(_))) => {
                self.counts.clocks_refused += 1;
                self.clock.set_right();
                self.start_at_ns = self.clock.now().mono_ns + NS_PER_S;
                return Ok(());
            }
            Err(error) => return Err(error.to_string()),
        };
        self.epoch += 1;
        if resumption.risk.is_none() && self.epoch > 1 {
            self.counts.days += 1;
            self.first_epoch = self.epoch;
            self.witness.new_day();
            for client in &mut self.clients {
                client.ledger.end_day();
            }
        }
        let has_lost = std::mem::take(&mut self.has_lost);
        if has_lost {
            // With a disk that fails it would not start.
            self.disk.borrow_mut().fault = DiskFault::None;
        }
        let mut process = Process::start(
            &self.plan, self.epoch, resumption, now, &self.net, &self.disk,
        );
        if has_lost {
            // Which numbers are left out is on disk before one is used.
            process.show(&mut self.witness)?;
            process.finish_journal(now);
            let after_ns = self.trace_seed() % (2 * NS_PER_S);
            self.release_at_ns = Some(self.clock.now().mono_ns + after_ns);
        }
        self.process = Some(process);
        Ok(())
    }

    /// The process is gone, and its connections end. What it left in its windows goes to the disk, as the next start takes it over; or is
    /// gone with the host.
    pub(super) fn bury(&mut self) -> Result<(), String> {
        let Some(process) = self.process.take() else {
            return Ok(());
        };
        let mut random = Random::new(self.trace_seed());
        let host_goes = std::mem::take(&mut self.host_goes);
        self.disk.borrow_mut().fault = DiskFault::None;
        self.turns_of_doubt = 0;
        let durable = process.durable();
        if host_goes {
            self.counts.host_losses += 1;
            self.lose_host(durable, &mut random)?;
        } else {
            self.counts.kills += 1;
            for (log, left) in process.windows().into_iter().enumerate() {
                self.disk.borrow_mut().take_over(log, &left);
            }
            self.witness.new_windows();
        }
        let lose = host_goes || random.below(2) == 0;
        self.net.borrow_mut().host_dies(&HOSTS, lose);
        let now_ns = self.clock.now().mono_ns;
        self.start_at_ns = now_ns + random.between(NS_PER_MS, 500 * NS_PER_MS);
        Ok(())
    }

    /// What was not synced is gone. At level L1 nothing that anybody was told is among it; at L0 the clients concerned are not compared.
    fn lose_host(&mut self, durable: [u64; 3], random: &mut Random) -> Result<(), String> {
        let mut disk = self.disk.borrow_mut();
        disk.lose_host(random);
        restart::cut_tails(&mut disk);
        self.counts.records_cut += restart::cut_effects(&mut disk)?;
        self.has_lost = true;
        let lost = self.witness.lose_host(&disk, durable)?;
        let records: u64 = lost.records.iter().sum();
        self.counts.records_lost += records;
        self.counts.records += records;
        if self.plan.waits_for_disk() {
            return Ok(());
        }
        for whose in lost.whose {
            for (at, client) in self.clients.iter_mut().enumerate() {
                if whose.is_none_or(|whose| whose == at) && !client.ledger.is_uncertain {
                    client.ledger.is_uncertain = true;
                    self.counts.clients_uncertain += 1;
                }
            }
            if whose.is_none_or(|whose| whose == CLIENTS) {
                self.receiver.ledger.is_uncertain = true;
            }
        }
        Ok(())
    }

    /// A number that depends on how often it died, and when.
    fn trace_seed(&self) -> u64 {
        self.clock.elapsed_ns() ^ (self.epoch as u64).rotate_left(40)
    }
}
