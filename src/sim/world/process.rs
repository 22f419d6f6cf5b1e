//! The gateway's process in the virtual world: the production stages and journal, their windows, and how it dies.
//!
//! Owned by the world. It dies between two calls to the outside: what it had committed to its windows by then stands there, what it did
//! afterwards never was. What always holds: the stages are put together as for every gateway without a kernel.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ringbuf::byte_log::Reader;

use super::disk::{Disk, DiskFile, DiskReader};
use super::net::{Host, Network};
use super::sockets::{Life, Sent, VirtualSockets};
use super::witness::{CLIENT, DESK, ORDER, Witness};
use crate::config::plan::Plan;
use crate::domain::command::{CommandInput, RiskCommand};
use crate::domain::{Now, Text};
use crate::journal::LogId;
use crate::sim::gateway::{self, Gateway};
use crate::stage::archive::{self, ArchiveReader};
use crate::stage::assembly;
use crate::stage::journal::{Drain, JournalStage};
use crate::stage::replay::Resumption;

/// The hosts that it is: its clients' side and its desks' side.
pub const HOSTS: [Host; 2] = [0, 1];

/// A running gateway.
pub struct Process {
    /// The stages
    pub gateway: Gateway<VirtualSockets>,
    journal: JournalStage<DiskFile>,
    archive: ArchiveReader<DiskReader>,
    life: Rc<Life>,
    sent: [Rc<RefCell<Vec<Sent>>>; 2],
}

thread_local! {
    /// Status pages of gateways that are gone.
    static PAGES: RefCell<Vec<&'static [AtomicU64]>> = const { RefCell::new(Vec::new()) };
}

impl Process {
    /// Goes on with what was made of the logs of earlier processes.
    pub fn start(
        plan: &Arc<Plan>,
        epoch: u16,
        resumption: Resumption,
        now: Now,
        net: &Rc<RefCell<Network>>,
        disk: &Rc<RefCell<Disk>>,
    ) -> Self {
        let names = assembly::channel_names(plan, LogId::Client);
        let (archive, reader) = archive::archive(DiskReader::new(disk, LogId::Client));
        let reader = reader.with_channels(resumption.clients.channels(&names));
        let life = Rc::new(Life::default());
        let sent: [Rc<RefCell<Vec<Sent>>>; 2] = Default::default();
        let sockets = [(0, CLIENT), (1, DESK)].map(|(at, log)| {
            let (net, life, sent) = (net.clone(), life.clone(), sent[at].clone());
            VirtualSockets::new(net, HOSTS[at], life, Some(log), sent)
        });
        let page = PAGES.with_borrow_mut(Vec::pop);
        let page = page.unwrap_or_else(|| gateway::page_memory(plan));
        for word in page {
            word.store(0, std::sync::atomic::Ordering::Relaxed);
        }
        let plan = plan.clone();
        let listeners: Vec<_> = plan.listeners.iter().map(|it| it.address).collect();
        let (mut gateway, status) =
            Gateway::over(plan.clone(), epoch, resumption, now, sockets, page);
        PAGES.with_borrow_mut(|pages| pages.push(page));
        gateway.decode.board().set_archive(archive);
        let logs = gateway.take_logs();
        let gauges = logs.iter().map(Reader::gauge).collect();
        *life.gauges.borrow_mut() = gauges;
        let ids = [LogId::Client, LogId::Order, LogId::Desk];
        let drains = ids.into_iter().zip(logs).map(|(id, reader)| {
            let file = Disk::create(disk, id, epoch, &life);
            Drain::new(id, Vec::new(), reader, file)
        });
        let mut journal = JournalStage::new(drains.collect(), status).telling(gateway.disk.clone());
        if plan.waits_for_disk() {
            journal = journal.promptly();
        }
        for address in listeners {
            let bound = gateway.decode.board().listen(0, address);
            debug_assert!(bound.is_ok());
        }
        Self {
            gateway,
            journal,
            archive: reader,
            life,
            sent,
        }
    }

    /// One turn of the stages; returns how much was done.
    pub fn turn(&mut self, now: Now) -> usize {
        self.gateway.turn(now)
    }

    /// One turn of the journal, and of what reads old messages for it.
    pub fn journal(&mut self, now: Now) -> usize {
        self.journal.duty_cycle(now) + self.archive.duty_cycle()
    }

    /// An operator's command. What became of the ones before is not looked at.
    pub fn command(&mut self, command: RiskCommand, ticket: u64) {
        let user = Text::cut(b"operator");
        let input = CommandInput {
            ticket,
            user,
            command,
        };
        let _ = self.gateway.ports.risk.push(input);
        while self.gateway.ports.risk_done.pop().is_some() {}
    }

    /// All that is committed goes to the disk.
    pub fn finish_journal(&mut self, now: Now) {
        self.journal.finish(now);
    }

    /// Positions before which the logs were durable when it died, by the gateway's own word.
    pub fn durable(&self) -> [u64; 3] {
        self.life.durable_ends.get()
    }

    /// Whether the journal has given up.
    pub fn journal_has_failed(&self) -> bool {
        self.journal.has_failed()
    }

    /// Shows the witness what was committed and what was sent.
    pub fn show(&mut self, witness: &mut Witness) -> Result<(), String> {
        let limits = match self.life.is_dead() {
            true => self.life.ends.get(),
            false => [u64::MAX; 3],
        };
        // What inputs come from before the inputs; what outputs lead to is compared when all was seen.
        for log in [CLIENT, DESK, ORDER] {
            if let Some(reader) = self.journal.readers().nth(log) {
                witness.observe(log, reader, limits[log])?;
            }
        }
        for (at, log) in [CLIENT, DESK].into_iter().enumerate() {
            witness.sent(log, &mut self.sent[at].borrow_mut());
        }
        witness.settle()
    }

    /// It dies at the call to the outside that comes after so many others.
    pub fn die_after(&self, steps: u64) {
        self.life
            .dies_at
            .set(Some(self.life.steps.get() + 1 + steps));
    }

    /// It dies now, where it has not.
    pub fn die(&self) {
        self.life.die();
    }

    /// Whether it has died.
    pub fn is_dead(&self) -> bool {
        self.life.is_dead()
    }

    /// What stood in the windows, and was not given to the disk, when it died: the records' bytes, log by log.
    pub fn windows(mut self) -> [Vec<u8>; 3] {
        let ends = self.life.ends.get();
        let mut left = [const { Vec::new() }; 3];
        for (log, reader) in self.journal.readers().enumerate() {
            while let Some(frame) = reader.next() {
                if frame.end() <= ends[log] {
                    left[log].extend_from_slice(frame.bytes);
                }
            }
        }
        left
    }
}
