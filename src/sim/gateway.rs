//! The gateway's three stages on one thread over sockets in memory: no kernel, no clock, no disk, so that every run is the same.
//!
//! Owned by one thread, which plays clients and desks on the sockets and says what time it is. Put together from a plan as `app`
//! does it, turned as its fused layout turns. The logs stay in memory; [`Gateway::drain`] gives their room back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ringbuf::byte_log::{self, Reader, Region};

use super::net::MemorySockets;
use crate::config::plan::Plan;
use crate::domain::Now;
use crate::io::{LogFile, Sockets};
use crate::journal::{Disk, Log, LogId};
use crate::stage::assembly::{self, Beginning, Common, Rings};
use crate::stage::control::ControlPorts;
use crate::stage::decode::DecodeStage;
use crate::stage::replay::{Replay, Resumption};
use crate::stage::risk::RiskStage;
use crate::stage::route::RouteStage;
use crate::status::page::page_bytes;
use crate::status::{Identity, Page, StageWriter};

/// The stages, and the other ends of their logs.
pub struct Gateway<S: Sockets = MemorySockets> {
    /// Client side.
    pub decode: DecodeStage<S>,
    /// The sequencer.
    pub risk: RiskStage,
    /// Desk side.
    pub route: RouteStage<S>,
    /// To and from the control thread.
    pub ports: ControlPorts,
    /// Of all logs: a journal that drains them tells it.
    pub disk: Disk,
    logs: Vec<Reader>,
    batch: Vec<u8>,
}

impl Gateway {
    /// Nobody is connected yet, and there was no process before.
    pub fn new(plan: &Plan) -> Self {
        let plan = Arc::new(plan.clone());
        let now = Now::default();
        let nothing = Replay::new(plan.clone(), 0).finish(assembly::day(now));
        let nothing = nothing.expect("no log has nothing wrong");
        Self::resume(plan, 1, nothing, now)
    }

    /// Goes on with what was replayed of earlier processes.
    pub fn resume(plan: Arc<Plan>, epoch: u16, resumption: Resumption, now: Now) -> Self {
        let page = page_memory(&plan);
        let sockets = [MemorySockets::new(), MemorySockets::new()];
        Self::over(plan, epoch, resumption, now, sockets, page).0
    }
}

/// Memory of a status page for this plan. It is never given back: who makes many gateways uses it again.
pub fn page_memory(plan: &Plan) -> &'static [AtomicU64] {
    let words = page_bytes(&assembly::shape(plan)).div_ceil(8);
    let words: Box<[AtomicU64]> = (0..words).map(|_| AtomicU64::new(0)).collect();
    Box::leak(words)
}

impl<S: Sockets> Gateway<S> {
    /// Over these sockets, clients' and desks'; with the journal's part of the status page.
    pub fn over(
        plan: Arc<Plan>,
        epoch: u16,
        resumption: Resumption,
        now: Now,
        [client_sockets, desk_sockets]: [S; 2],
        page: &'static [AtomicU64],
    ) -> (Self, StageWriter) {
        let shape = assembly::shape(&plan);
        let writers = Page::format(page, &shape, Identity::default()).into_writers();
        let disk = Disk::default();
        let (before, loss) = (resumption.sequences, resumption.loss);
        let log = |id| {
            let (writer, reader) = byte_log::create(Region::heap(plan.state.staging_bytes))
                .expect("a heap region of a good size makes a log");
            let names = assembly::channel_names(&plan, id);
            let beginning = Beginning {
                gateway: &plan.name,
                epoch,
                before,
                channels: &names,
                loss,
            };
            let log = Log::new(id, writer).on_disk(disk.clone());
            let log = assembly::begin_log(log, &beginning, now);
            (log.expect("the windows have room"), reader)
        };
        let (client_log, client_reader) = log(LogId::Client);
        let (order_log, order_reader) = log(LogId::Order);
        let (desk_log, desk_reader) = log(LogId::Desk);
        let (clients, risk, links) = assembly::share(resumption);
        let common = Common::new(plan.clone(), epoch, now);
        let rings = Rings::new(plan.threads.ring_slots);
        let wrong = "the plan names a dictionary that cannot be used";
        let board = assembly::clients(&plan, client_sockets, client_log).expect(wrong);
        let decode = assembly::decode(&common, clients, board, rings.decode, writers.decode);
        let board = assembly::desks(&plan, desk_sockets, desk_log).expect(wrong);
        let route = assembly::route(&common, links, board, rings.route, writers.route);
        let risk = assembly::risk(&common, risk, order_log, rings.risk, writers.risk);
        let gateway = Self {
            decode: decode.expect("the windows have room"),
            risk: risk.expect("the windows have room"),
            route: route.expect("the windows have room"),
            ports: common.ports,
            disk,
            logs: vec![client_reader, order_reader, desk_reader],
            batch: Vec::new(),
        };
        (gateway, writers.journal)
    }

    /// The other ends of the client, order and desk log, for a journal of the caller's: nobody else drains them then.
    pub fn take_logs(&mut self) -> Vec<Reader> {
        std::mem::take(&mut self.logs)
    }

    /// One turn, as the fused layout does it; returns how much was done.
    pub fn turn(&mut self, now: Now) -> usize {
        let mut work = self.route.duty_cycle(now);
        self.route.status().cycle(now, now.mono_ns, work);
        work += self.turn_risk(now);
        let requests = self.decode.duty_cycle(now);
        self.decode.status().cycle(now, now.mono_ns, requests);
        if requests > 0 {
            work += requests + self.turn_risk(now);
            work += self.route.forward(now);
        }
        work
    }

    fn turn_risk(&mut self, now: Now) -> usize {
        let work = self.risk.duty_cycle(now);
        self.risk.status().cycle(now, now.mono_ns, work);
        work
    }

    /// Writes the client log to `file`, as the journal would, and forgets the others.
    pub fn drain_clients_to(&mut self, file: &mut impl LogFile) -> io::Result<()> {
        self.batch.clear();
        while let Some(frame) = self.logs[0].next() {
            self.batch.extend_from_slice(frame.bytes);
        }
        if !self.batch.is_empty() {
            file.append(&self.batch)?;
        }
        self.drain();
        Ok(())
    }

    /// Takes everything out of the logs' windows, as the journal would.
    pub fn drain(&mut self) {
        for log in &mut self.logs {
            let ends = log.readable().map(|run| run.end());
            let end = ends[0].max(ends[1]).max(log.cursor());
            if end > log.released() {
                log.advance(end);
                log.release(end);
            }
        }
    }
}
