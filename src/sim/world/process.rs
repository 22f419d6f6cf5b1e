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
use crate::domain::Now;
use crate::journal::LogId;
use crate::journal::read::{Chain, Step};
use crate::journal::record::Record;
use crate::sim::gateway::{self, Gateway};
use crate::stage::archive::{self, ArchiveReader};
use crate::stage::assembly;
use crate::stage::journal::{Drain, JournalStage};
use crate::stage::merge::Merge;
use crate::stage::replay::{Replay, Resumption};

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
    /// Goes on with what the disk has of earlier processes. Fails with what a start would refuse.
    pub fn start(
        plan: &Arc<Plan>,
        epoch: u16,
        now: Now,
        net: &Rc<RefCell<Network>>,
        disk: &Rc<RefCell<Disk>>,
    ) -> Result<Self, String> {
        let resumption = replay(plan, now, &disk.borrow())?;
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
        let (mut gateway, status) = Gateway::over(plan, epoch, resumption, now, sockets, page);
        PAGES.with_borrow_mut(|pages| pages.push(page));
        gateway.decode.board().set_archive(archive);
        let logs = gateway.take_logs();
        let gauges = logs.iter().map(Reader::gauge).collect();
        *life.gauges.borrow_mut() = gauges;
        let ids = [LogId::Client, LogId::Order, LogId::Desk];
        let drains = ids.into_iter().zip(logs).map(|(id, reader)| {
            let file = Disk::create(disk, id, epoch);
            Drain::new(id, Vec::new(), reader, file)
        });
        let journal = JournalStage::new(drains.collect(), status).telling(gateway.disk.clone());
        for address in listeners {
            let bound = gateway.decode.board().listen(0, address);
            debug_assert!(bound.is_ok());
        }
        Ok(Self {
            gateway,
            journal,
            archive: reader,
            life,
            sent,
        })
    }

    /// One turn of the stages; returns how much was done.
    pub fn turn(&mut self, now: Now) -> usize {
        self.gateway.turn(now)
    }

    /// One turn of the journal, and of what reads old messages for it.
    pub fn journal(&mut self, now: Now) -> usize {
        self.journal.duty_cycle(now) + self.archive.duty_cycle()
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

/// The logs.
const LOGS: [LogId; 3] = [LogId::Client, LogId::Order, LogId::Desk];

/// A record, and its place.
struct Placed<'a> {
    epoch: u16,
    offset: u64,
    record: Record<'a>,
}

/// What the disk has, fed in the order of time as a start does it.
fn replay(plan: &Arc<Plan>, now: Now, disk: &Disk) -> Result<Resumption, String> {
    let mut records = [const { Vec::new() }; 3];
    for (at, log) in LOGS.into_iter().enumerate() {
        let mut sequence = 0;
        for (epoch, bytes) in disk.read(at) {
            let mut chain = Chain::behind(sequence);
            let mut offset = 0;
            while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
                let Step::Record(record, taken) = chain.take(rest) else {
                    let name = log.name();
                    return Err(format!("the {name} log cannot be read at {epoch}/{offset}"));
                };
                let place = offset as u64;
                records[at].push(Placed {
                    epoch,
                    offset: place,
                    record,
                });
                offset += taken;
            }
            sequence = chain.sequence;
        }
    }
    let mut replay = Replay::new(plan.clone());
    let (mut merge, mut at) = (Merge::default(), [0; 3]);
    while let Some(log) = merge.next([0, 1, 2].map(|log| {
        let next: Option<&Placed<'_>> = records[log].get(at[log]);
        next.map(|placed| placed.record.time_ns)
    })) {
        let placed = &records[log][at[log]];
        at[log] += 1;
        replay
            .feed(LOGS[log], placed.epoch, placed.offset, &placed.record)
            .map_err(|error| format!("a start refuses the logs: {error}"))?;
    }
    replay
        .finish(assembly::day(now))
        .map_err(|error| format!("a start refuses the logs: {error}"))
}
