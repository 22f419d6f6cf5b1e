//! The gateway's three stages on one thread over sockets in memory: no kernel, no clock, no disk, so that every run is the same.
//!
//! Owned by one thread, which plays clients and desks on the sockets and says what time it is. Put together from a plan as `app`
//! does it, turned as its fused layout turns. The logs stay in memory; [`Gateway::drain`] gives their room back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crossbeam_queue::ArrayQueue;
use ringbuf::byte_log::{self, Reader, Region};
use ringbuf::spsc::spsc;

use super::net::MemorySockets;
use crate::access::Entitlements;
use crate::config::plan::{FixPlan, Plan};
use crate::domain::command::{CommandDone, CommandInput};
use crate::domain::directory::Directory;
use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::domain::{DeskIndex, Now};
use crate::io::{LogFile, Sockets};
use crate::journal::{Log, LogId};
use crate::limits::CONTROL_QUEUE_COMMANDS;
use crate::risk::{Risk, RiskPlan, SessionLimits};
use crate::session::ResendPolicy;
use crate::stage::decode::{DecodeParts, DecodeStage};
use crate::stage::risk::{RiskParts, RiskStage};
use crate::stage::route::{RouteParts, RouteStage};
use crate::stage::scopes::ScopeBoard;
use crate::stage::{Dictionaries, PeerConfig, Role, Switchboard};
use crate::status::page::page_bytes;
use crate::status::{Identity, Page, Shape, StageWriter};
use crate::wire::fix::dictionary::Dictionary;

/// Connections that may have been opened on one side, over the whole life, besides one for each client session.
const CONNECTIONS: usize = 256;

/// The stages, and the other ends of their logs.
pub struct Gateway<S: Sockets = MemorySockets> {
    /// Client side.
    pub decode: DecodeStage<S>,
    /// The sequencer.
    pub risk: RiskStage,
    /// Desk side.
    pub route: RouteStage<S>,
    /// Operators' commands to the risk stage.
    pub commands: Arc<ArrayQueue<CommandInput>>,
    /// Its answers.
    pub commands_done: Arc<ArrayQueue<CommandDone>>,
    logs: Vec<Reader>,
    batch: Vec<u8>,
}

/// Memory of a status page for this plan. It is never given back: who makes many gateways uses it again.
pub fn page_memory(plan: &Plan) -> &'static [AtomicU64] {
    let words = page_bytes(&shape(plan)).div_ceil(8);
    let words: Box<[AtomicU64]> = (0..words).map(|_| AtomicU64::new(0)).collect();
    Box::leak(words)
}

impl Gateway {
    /// Nobody is connected yet.
    pub fn new(plan: &Plan) -> Self {
        let sockets = [MemorySockets::new(), MemorySockets::new()];
        Self::over(plan, sockets, page_memory(plan)).0
    }
}

impl<S: Sockets> Gateway<S> {
    /// Over these sockets, clients' and desks'; with the journal's part of the status page.
    pub fn over(plan: &Plan, sockets: [S; 2], page: &'static [AtomicU64]) -> (Self, StageWriter) {
        let [client_sockets, desk_sockets] = sockets;
        let writers = Page::format(page, &shape(plan), Identity::default()).into_writers();
        let log = |id| {
            let (writer, reader) = byte_log::create(Region::heap(plan.state.staging_bytes))
                .expect("a heap region of a good size makes a log");
            (Log::new(id, writer), reader)
        };
        let (client_log, client_reader) = log(LogId::Client);
        let (order_log, order_reader) = log(LogId::Order);
        let (desk_log, desk_reader) = log(LogId::Desk);
        let slots = plan.threads.ring_slots;
        let (to_risk, from_client) = spsc(slots);
        let (to_client, from_risk) = spsc(slots);
        let (to_desk, requests) = spsc(slots);
        let (reports, from_desk) = spsc(slots);
        let directory = Arc::new(Directory::new(&plan.accounts, &plan.instruments));
        let scopes = ScopeBoard::new(
            plan.accounts.len(),
            plan.sessions.len(),
            plan.instruments.len(),
        );
        let accounts: Vec<_> = plan
            .sessions
            .iter()
            .map(|session| session.accounts.as_slice())
            .collect();
        let links: Vec<_> = links(plan).collect();
        let commands = Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS));
        let commands_done = Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS));
        let risk = RiskStage::new(RiskParts {
            risk: make_risk(plan),
            entitlements: Entitlements::new(&accounts, plan.accounts.len()),
            log: order_log,
            from_client,
            from_desk,
            to_desk,
            to_client,
            commands: commands.clone(),
            commands_done: commands_done.clone(),
            scopes: scopes.clone(),
            account_desks: plan.account_desks.clone(),
            link_desks: links.iter().map(|&(desk, _, _)| desk).collect(),
            status: writers.risk,
        });
        let decode = DecodeStage::new(DecodeParts {
            board: Switchboard::new(
                client_sockets,
                client_log,
                clients(plan),
                CONNECTIONS + plan.sessions.len(),
                10 * NS_PER_S,
            ),
            to_risk,
            from_risk,
            directory: directory.clone(),
            sole_account: plan
                .sessions
                .iter()
                .map(|session| match session.accounts[..] {
                    [account] => Some(account),
                    _ => None,
                })
                .collect(),
            cancel_on_disconnect: plan
                .sessions
                .iter()
                .map(|session| session.cancel_on_disconnect)
                .collect(),
            commands: Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS)),
            answers: Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS)),
            status: writers.decode,
        });
        let route = RouteStage::new(RouteParts {
            board: Switchboard::new(
                desk_sockets,
                desk_log,
                links.iter().map(|(_, _, peer)| peer.clone()).collect(),
                CONNECTIONS,
                0,
            ),
            from_risk: requests,
            to_risk: reports,
            directory,
            scopes,
            links: links
                .iter()
                .map(|&(desk, window, _)| (desk, window))
                .collect(),
            acknowledge_timeout_ns: links
                .iter()
                .map(|&(desk, _, _)| plan.desks[desk.get()].acknowledge_timeout_ms as u64)
                .map(|ms| ms * NS_PER_MS)
                .collect(),
            account_desks: plan.account_desks.clone(),
            commands: Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS)),
            answers: Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS)),
            status: writers.route,
        });
        let gateway = Self {
            decode,
            risk,
            route,
            commands,
            commands_done,
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

fn shape(plan: &Plan) -> Shape {
    let link_names = plan.desks.iter().flat_map(|desk| {
        desk.links
            .iter()
            .map(|link| (desk.name.clone(), link.name.clone()))
    });
    Shape {
        sessions: plan
            .sessions
            .iter()
            .map(|session| session.name.clone())
            .collect(),
        links: link_names.collect(),
        accounts: plan
            .accounts
            .iter()
            .map(|account| account.name.to_string_lossy())
            .collect(),
    }
}

fn clients(plan: &Plan) -> Vec<PeerConfig> {
    let peer = |session: &crate::config::plan::SessionPlan| PeerConfig {
        fix: session.fix.clone(),
        role: Role::Accept {
            allowed_sources: session.allowed_sources.clone(),
        },
        resend: ResendPolicy::Replay,
        dictionary: dictionary(&session.fix),
    };
    plan.sessions.iter().map(peer).collect()
}

/// Desk, window and settings of each link.
fn links(plan: &Plan) -> impl Iterator<Item = (DeskIndex, u32, PeerConfig)> {
    plan.desks.iter().enumerate().flat_map(|(desk, of)| {
        of.links.iter().map(move |link| {
            let peer = PeerConfig {
                fix: link.fix.clone(),
                role: Role::Connect {
                    address: link.address,
                    reconnect_min_ms: link.reconnect_min_ms,
                    reconnect_max_ms: link.reconnect_max_ms,
                },
                resend: ResendPolicy::GapFillAll,
                dictionary: dictionary(&link.fix),
            };
            (DeskIndex(desk as u32), link.window as u32, peer)
        })
    })
}

fn dictionary(fix: &FixPlan) -> Option<Arc<Dictionary>> {
    let read = Dictionaries::default().of(fix);
    read.unwrap_or_else(|error| panic!("the plan names a dictionary that cannot be used: {error}"))
}

fn make_risk(plan: &Plan) -> Risk {
    let limits = |session: &crate::config::plan::SessionPlan| SessionLimits {
        messages_per_second: session.messages_per_second,
        message_burst: session.message_burst,
        pending_new: session.pending_new,
    };
    let sessions: Vec<_> = plan.sessions.iter().map(limits).collect();
    Risk::new(RiskPlan {
        instruments: &plan.instruments,
        accounts: &plan.accounts,
        positions: &plan.positions,
        sessions: &sessions,
        requests_max: plan.state.requests_per_day_max,
        executions_max: plan.state.executions_per_day_max,
        epoch: 1,
        hash_seed: 1,
    })
}
