//! The stages of a gateway from its plan: what each is made of, and with what it goes on after an earlier process.
//!
//! Used at the start by whoever has sockets and logs: `app` on the threads of the stages, the simulator and the tests on one. Nothing
//! here runs later.

use std::sync::Arc;

use ringbuf::spsc::{Consumer, Producer, spsc};

use super::acknowledged::Acknowledged;
use super::control::ControlPorts;
use super::copies::Copies;
use super::decode::{DecodeParts, DecodeStage};
use super::host_loss::{Loss, RESTART};
use super::peer::{PeerConfig, Role};
use super::recovered::Recovered;
use super::replay::Resumption;
use super::resume::NoRoom;
use super::risk::{RiskParts, RiskStage};
use super::route::{RouteParts, RouteStage};
use super::scopes::ScopeBoard;
use super::switchboard::Switchboard;
use super::{Dictionaries, DictionaryFault};
use crate::access::Entitlements;
use crate::config::plan::{LinkPlan, Plan, SessionPlan};
use crate::domain::command::{CommandInput, RiskCommand, Scope};
use crate::domain::directory::Directory;
use crate::domain::order::{FromClient, ToDesk};
use crate::domain::report::{FromDesk, ToClient};
use crate::domain::time::{NS_PER_MS, NS_PER_S};
use crate::domain::{DeskIndex, Now, SessionIndex, Text};
use crate::io::Sockets;
use crate::journal::begin::{self, Begin};
use crate::journal::entry::{self, ENTRY_BYTES_MAX};
use crate::journal::loss::HostLoss;
use crate::journal::{Cause, Log, LogId, RecordKind, mark, names, start};
use crate::limits::{CONNECTIONS_MAX, STOPS_MAX};
use crate::risk::{Risk, RiskPlan, SessionLimits};
use crate::route::Entry;
use crate::session::ResendPolicy;
use crate::status::{Shape, StageWriter};

/// The ring ends of each stage.
pub struct Rings {
    /// Of the decode stage.
    pub decode: (Producer<FromClient>, Consumer<ToClient>),
    /// Of the risk stage: from clients, from desks, to desks, to clients.
    pub risk: RiskRings,
    /// Of the route stage.
    pub route: (Consumer<ToDesk>, Producer<FromDesk>),
}

/// See [`Rings::risk`].
pub type RiskRings = (
    Consumer<FromClient>,
    Consumer<FromDesk>,
    Producer<ToDesk>,
    Producer<ToClient>,
);

impl Rings {
    /// Each with so many slots.
    pub fn new(slots: usize) -> Self {
        let (to_risk, from_client) = spsc(slots);
        let (to_client, from_risk) = spsc(slots);
        let (to_desk, requests) = spsc(slots);
        let (reports, from_desk) = spsc(slots);
        Self {
            decode: (to_risk, from_risk),
            risk: (from_client, from_desk, to_desk, to_client),
            route: (requests, reports),
        }
    }
}

/// What all stages have in common.
#[derive(Clone)]
pub struct Common {
    /// What was configured.
    pub plan: Arc<Plan>,
    /// Names on the wire.
    pub directory: Arc<Directory>,
    /// Live epochs of the kill switch.
    pub scopes: ScopeBoard,
    /// To and from the control thread.
    pub ports: ControlPorts,
    /// When the stages begin.
    pub now: Now,
    /// Start number of the process.
    pub epoch: u16,
}

impl Common {
    /// Of this plan.
    pub fn new(plan: Arc<Plan>, epoch: u16, now: Now) -> Self {
        Self {
            directory: Arc::new(Directory::new(&plan.accounts, &plan.instruments)),
            scopes: ScopeBoard::new(
                plan.accounts.len(),
                plan.sessions.len(),
                plan.instruments.len(),
                plan.desks.len(),
            ),
            ports: ControlPorts::default(),
            plan,
            now,
            epoch,
        }
    }
}

/// With what the decode stage goes on.
pub struct ClientsBefore {
    recovered: Recovered,
    untold: Vec<ToClient>,
    loss_wall_ns: u64,
    copies: Vec<(u16, u16, Cause)>,
}

/// With what the risk stage goes on.
pub struct RiskBefore {
    risk: Option<Risk>,
    stops: Vec<RiskCommand>,
    hash_seed: u64,
}

/// With what the route stage goes on.
pub struct LinksBefore {
    recovered: Recovered,
    unsent: Vec<ToDesk>,
    perhaps_sent: Vec<ToDesk>,
    in_flight: Vec<Entry>,
    doubts: Vec<Entry>,
    refusals: Vec<FromDesk>,
}

/// What earlier processes left, for each stage.
pub fn share(resumption: Resumption) -> (ClientsBefore, RiskBefore, LinksBefore) {
    let clients = ClientsBefore {
        recovered: resumption.clients,
        untold: resumption.untold,
        loss_wall_ns: resumption.loss_wall_ns,
        copies: resumption.copies,
    };
    let risk = RiskBefore {
        risk: resumption.risk,
        stops: resumption.stops,
        hash_seed: resumption.hash_seed,
    };
    let links = LinksBefore {
        recovered: resumption.links,
        unsent: resumption.unsent,
        perhaps_sent: resumption.perhaps_sent,
        in_flight: resumption.in_flight,
        doubts: resumption.doubts,
        refusals: resumption.refusals,
    };
    (clients, risk, links)
}

/// The decode stage; its switchboard listens to nothing yet.
pub fn decode<S: Sockets>(
    common: &Common,
    before: ClientsBefore,
    mut board: Switchboard<S>,
    (to_risk, from_risk): (Producer<FromClient>, Consumer<ToClient>),
    status: StageWriter,
) -> Result<DecodeStage<S>, NoRoom> {
    let plan = &common.plan;
    let names = channel_names(plan, LogId::Client);
    let lost = before.recovered.lost(&names);
    let sessions = before.recovered.channels(&names);
    let written = before
        .copies
        .into_iter()
        .filter_map(|(epoch, channel, cause)| {
            let session = sessions.get(&(epoch, channel))?;
            Some((SessionIndex(*session), cause))
        });
    let copies = Copies::new(&plan.sessions, plan.accounts.len()).with_written(written);
    board = board.resume(common.now, before.recovered, &names)?;
    let sole_account = plan
        .sessions
        .iter()
        .map(|session| match session.accounts[..] {
            [account] => Some(account),
            _ => None,
        });
    let cancel = plan.sessions.iter().map(|it| it.cancel_on_disconnect);
    let stage = DecodeStage::new(DecodeParts {
        board,
        to_risk,
        from_risk,
        directory: common.directory.clone(),
        sole_account: sole_account.collect(),
        cancel_on_disconnect: cancel.collect(),
        loss: Loss::new(plan, before.loss_wall_ns),
        copies,
        acknowledged: Acknowledged::new(plan),
        commands: common.ports.sessions.clone(),
        answers: common.ports.numbers_done.clone(),
        status,
    });
    Ok(stage.resume(before.untold, &lost))
}

/// The switchboard of client sessions.
pub fn clients<S: Sockets>(
    plan: &Plan,
    sockets: S,
    log: Log,
) -> Result<Switchboard<S>, DictionaryFault> {
    let mut dictionaries = Dictionaries::default();
    let peer = |session: &crate::config::plan::SessionPlan| {
        Ok(PeerConfig {
            fix: session.fix.clone(),
            role: Role::Accept {
                allowed_sources: session.allowed_sources.clone(),
            },
            resend: ResendPolicy::Replay,
            dictionary: dictionaries.of(&session.fix)?,
        })
    };
    let peers = plan.sessions.iter().map(peer).collect::<Result<_, _>>()?;
    let logon_timeout_s = plan.listeners.iter().map(|it| it.logon_timeout_s).min();
    let logon_timeout_ns = logon_timeout_s.unwrap_or(10) as u64 * NS_PER_S;
    Ok(Switchboard::new(
        sockets,
        log,
        peers,
        client_connections(plan),
        logon_timeout_ns,
    ))
}

/// Connections of clients that there may be at once.
pub fn client_connections(plan: &Plan) -> usize {
    let connections: usize = plan.listeners.iter().map(|it| it.connections_max).sum();
    connections.clamp(1, CONNECTIONS_MAX)
}

/// The switchboard of links.
pub fn desks<S: Sockets>(
    plan: &Plan,
    sockets: S,
    log: Log,
) -> Result<Switchboard<S>, DictionaryFault> {
    let mut dictionaries = Dictionaries::default();
    let peer = |(_, link): (DeskIndex, &LinkPlan)| {
        Ok(PeerConfig {
            fix: link.fix.clone(),
            role: Role::Connect {
                address: link.address,
                reconnect_min_ms: link.reconnect_min_ms,
                reconnect_max_ms: link.reconnect_max_ms,
            },
            resend: ResendPolicy::GapFillAll,
            dictionary: dictionaries.of(&link.fix)?,
        })
    };
    let peers = links(plan).map(peer).collect::<Result<_, _>>()?;
    Ok(Switchboard::new(
        sockets,
        log,
        peers,
        desk_connections(plan),
        0,
    ))
}

/// Connections to desks that there may be at once: one that closes still has its own while the next one is made.
pub fn desk_connections(plan: &Plan) -> usize {
    2 * links(plan).count().max(1)
}

/// The risk stage. `log` is the order log, of which nothing but its first records is written yet.
pub fn risk(
    common: &Common,
    before: RiskBefore,
    mut log: Log,
    (from_client, from_desk, to_desk, to_client): RiskRings,
    status: StageWriter,
) -> Result<RiskStage, NoRoom> {
    let plan = &common.plan;
    let begin = Begin {
        epoch: common.epoch,
        day: day(common.now),
        is_fresh: before.risk.is_none(),
        reference: reference(plan),
    };
    let (cause, time_ns) = (Cause::default(), common.now.wall_ns);
    log.append(RecordKind::Begin, 0, cause, time_ns, &begin::body(&begin))
        .ok_or(NoRoom)?;
    let mut risk = match before.risk {
        Some(mut risk) => {
            risk.restart(common.epoch);
            risk
        }
        None => make_risk(plan, common.epoch, before.hash_seed),
    };
    stop_again(common.now, &mut risk, &mut log, before.stops)?;
    let accounts: Vec<_> = plan
        .sessions
        .iter()
        .map(|it| it.accounts.as_slice())
        .collect();
    Ok(RiskStage::new(RiskParts {
        risk,
        entitlements: Entitlements::new(&accounts, plan.accounts.len()),
        log,
        from_client,
        from_desk,
        to_desk,
        to_client,
        commands: common.ports.risk.clone(),
        commands_done: common.ports.risk_done.clone(),
        scopes: common.scopes.clone(),
        account_desks: plan.account_desks.clone(),
        link_desks: links(plan).map(|(desk, _)| desk).collect(),
        status,
    }))
}

/// The route stage; its links are not connected yet.
pub fn route<S: Sockets>(
    common: &Common,
    before: LinksBefore,
    board: Switchboard<S>,
    (from_risk, to_risk): (Consumer<ToDesk>, Producer<FromDesk>),
    status: StageWriter,
) -> Result<RouteStage<S>, NoRoom> {
    let plan = &common.plan;
    let names = channel_names(plan, LogId::Desk);
    let board = board.resume(common.now, before.recovered, &names)?;
    let timeouts = plan.desks.iter().flat_map(|desk| {
        let timeout_ns = desk.acknowledge_timeout_ms as u64 * NS_PER_MS;
        desk.links.iter().map(move |_| timeout_ns)
    });
    let stage = RouteStage::new(RouteParts {
        board,
        from_risk,
        to_risk,
        directory: common.directory.clone(),
        scopes: common.scopes.clone(),
        links: links(plan)
            .map(|(desk, link)| (desk, link.window as u32))
            .collect(),
        acknowledge_timeout_ns: timeouts.collect(),
        account_desks: plan.account_desks.clone(),
        commands: common.ports.links.clone(),
        answers: common.ports.numbers_done.clone(),
        status,
    });
    Ok(stage.resume(
        before.unsent,
        before.perhaps_sent,
        before.refusals,
        before.in_flight,
        before.doubts,
    ))
}

/// Links over all desks, in the order of `LinkIndex`.
pub fn links(plan: &Plan) -> impl Iterator<Item = (DeskIndex, &LinkPlan)> {
    let desks = plan.desks.iter().enumerate();
    desks.flat_map(|(desk, of)| {
        let desk = DeskIndex(desk as u32);
        of.links.iter().map(move |link| (desk, link))
    })
}

/// Names of the channels of a log.
pub fn channel_names(plan: &Plan, log: LogId) -> Vec<String> {
    match log {
        LogId::Client => plan.sessions.iter().map(|it| it.name.clone()).collect(),
        LogId::Desk => links(plan).map(|(_, link)| link.name.clone()).collect(),
        LogId::Order | LogId::None => Vec::new(),
    }
}

/// With what a log of a new process begins.
pub struct Beginning<'a> {
    /// Name of the gateway
    pub gateway: &'a str,
    /// Start number of the process
    pub epoch: u16,
    /// Last sequences of the client, order and desk log before it; all of that is on disk
    pub before: [u64; 3],
    /// Names of its channels
    pub channels: &'a [String],
    /// The host went down before it
    pub loss: Option<HostLoss>,
}

/// A log that goes on behind those of the processes before, with the records that say so and who its channels are.
pub fn begin_log(mut log: Log, beginning: &Beginning<'_>, now: Now) -> Result<Log, NoRoom> {
    let Beginning {
        gateway,
        epoch,
        before,
        channels,
        loss,
    } = *beginning;
    let start = start::text(log.id(), gateway, epoch);
    let of_log = mark::LOGS.iter().zip(before);
    let sequence = of_log.filter(|(of, _)| **of == log.id());
    let sequence = sequence.map(|(_, sequence)| sequence).sum();
    log = log.in_epoch(epoch).behind(sequence);
    let (cause, time_ns) = (Cause::default(), now.wall_ns);
    log.append(RecordKind::Start, 0, cause, time_ns, start.as_bytes())
        .ok_or(NoRoom)?;
    if before != [0; 3] && !log.append_mark(time_ns, before) {
        return Err(NoRoom);
    }
    if let Some(loss) = loss {
        log.append(RecordKind::HostLoss, 0, cause, time_ns, &loss.body());
    }
    for (channel, body) in names::bodies(channels) {
        log.append(RecordKind::Names, channel, cause, time_ns, body.as_bytes())
            .ok_or(NoRoom)?;
    }
    Ok(log)
}

/// Rows of the status page.
pub fn shape(plan: &Plan) -> Shape {
    let accounts = plan.accounts.iter();
    let links = links(plan);
    Shape {
        sessions: channel_names(plan, LogId::Client),
        links: links
            .map(|(desk, link)| (plan.desks[desk.get()].name.clone(), link.name.clone()))
            .collect(),
        accounts: accounts.map(|it| it.name.to_string_lossy()).collect(),
    }
}

/// A risk state at the start of the day.
pub(super) fn make_risk(plan: &Plan, epoch: u16, hash_seed: u64) -> Risk {
    with_risk_plan(plan, hash_seed, |of| Risk::new(RiskPlan { epoch, ..of }))
}

/// With what a risk state is made of this plan.
pub(super) fn with_risk_plan<T>(
    plan: &Plan,
    hash_seed: u64,
    make: impl FnOnce(RiskPlan<'_>) -> T,
) -> T {
    // Those behind the last one that orders receive copies, and are nothing to it.
    let orders = |session: &SessionPlan| session.drop_copy.is_none();
    let count = plan
        .sessions
        .iter()
        .rposition(orders)
        .map_or(0, |at| at + 1);
    let sessions = plan.sessions[..count].iter().map(|session| SessionLimits {
        messages_per_second: session.messages_per_second,
        message_burst: session.message_burst,
        pending_new: session.pending_new,
    });
    make(RiskPlan {
        instruments: &plan.instruments,
        accounts: &plan.accounts,
        positions: &plan.positions,
        account_desks: &plan.account_desks,
        sessions: &sessions.collect::<Vec<_>>(),
        requests_max: plan.state.requests_per_day_max,
        executions_max: plan.state.executions_per_day_max,
        epoch: 0,
        hash_seed,
    })
}

/// What the order log's records mean by their numbers, and with what they lead to what they led to: with other files they would mean
/// something else. Sessions that receive copies, and how sessions speak, have no part in it.
pub fn reference(plan: &Plan) -> u64 {
    let sessions = plan.sessions.iter().enumerate();
    let sessions: Vec<_> = sessions
        .filter(|(_, it)| it.drop_copy.is_none())
        .map(|(at, it)| {
            (
                at,
                &it.name,
                it.messages_per_second,
                it.message_burst,
                it.pending_new,
            )
        })
        .collect();
    let desks: Vec<_> = plan.desks.iter().map(|desk| &desk.name).collect();
    let capacities = (
        plan.state.requests_per_day_max,
        plan.state.executions_per_day_max,
    );
    begin::fingerprint(&format!(
        "{:?} {:?} {:?} {sessions:?} {desks:?} {:?} {capacities:?} {:?}",
        plan.instruments,
        plan.accounts,
        plan.positions,
        channel_names(plan, LogId::Desk),
        plan.account_desks,
    ))
}

/// What was stopped the day before, and desks that are held after a loss of the host, stay so until somebody releases them: the first
/// inputs of the stage, before anybody else can have one.
fn stop_again(
    now: Now,
    risk: &mut Risk,
    log: &mut Log,
    mut stops: Vec<RiskCommand>,
) -> Result<(), NoRoom> {
    let is_kept =
        |it: &RiskCommand| matches!(it, RiskCommand::Hold(_) | RiskCommand::HostLost { .. });
    if stops.len() > STOPS_MAX {
        stops.retain(is_kept);
        stops.push(RiskCommand::Kill(Scope::Firm));
    }
    for command in stops {
        let input = CommandInput {
            ticket: 0,
            user: Text::cut(RESTART),
            command,
        };
        risk.on_command(now, &input);
        let (kind, cause) = (RecordKind::Command, Cause::default());
        let fill = |out: &mut [u8]| entry::write_command(&input, now.mono_ns, out);
        log.append_with(kind, 0, cause, now.wall_ns, ENTRY_BYTES_MAX, fill)
            .ok_or(NoRoom)?;
    }
    Ok(())
}

/// The trading day, in days since 1970-01-01 UTC.
pub fn day(now: Now) -> u32 {
    day_of(now.wall_ns)
}

/// The same, of a time since 1970-01-01 UTC.
pub(super) fn day_of(wall_ns: u64) -> u32 {
    (wall_ns / (86_400 * NS_PER_S)) as u32
}
