//! After the host went down and a start was told to go on all the same: what must not be done as if nothing were missing.
//!
//! Of a desk at level L0 the last requests may have left and be unknown here. So these desks are held until an operator has settled with
//! them what they have and releases them; and what a client repeats from before the loss is refused even then. A desk at L1 has nothing
//! that is missing here. Holds and the loss are commands in the order log: they are replayed, and outlive days and other files. A hold
//! alone is no loss: an operator may hold a desk that has lost nothing.

use std::collections::BTreeSet;

use super::assembly::day_of;
use super::replay::Resumption;
use crate::config::plan::Plan;
use crate::domain::command::{CommandInput, RiskCommand, Scope};
use crate::domain::order::{AccountRef, ClientRequest, ToDesk};
use crate::domain::time::NS_PER_S;
use crate::domain::{AccountIndex, DeskIndex, Durability, Now};
use crate::wire::fix::Message;

impl Resumption {
    /// The end of the logs is missing, and the operator says to go on. No more than `numbers` messages of a peer were in it.
    pub fn accept_host_loss(&mut self, plan: &Plan, now: Now, numbers: u64) {
        self.clients.skip(numbers);
        self.links.skip(numbers);
        let desks = (0u32..).zip(&plan.desks);
        let lossy = desks.filter(|(_, desk)| desk.durability == Durability::Process);
        let holds = lossy.map(|(at, _)| RiskCommand::Hold(DeskIndex(at)));
        self.stops.extend(holds);
        let wall_ns = now.wall_ns;
        self.stops.push(RiskCommand::HostLost { wall_ns });
        self.loss_wall_ns = wall_ns;
        // Their records in the desk log may be what was lost.
        let unsent = std::mem::take(&mut self.unsent).into_iter();
        let (lost, unsent) = unsent.partition(|it| is_lossy(plan, it));
        self.unsent = unsent;
        self.perhaps_sent.extend::<Vec<_>>(lost);
    }
}

/// Whether what left to the request's desk may be unknown after a loss of the host.
pub(super) fn is_lossy(plan: &Plan, request: &ToDesk) -> bool {
    let desk = plan.account_desks[request.account.get()];
    plan.desks[desk.get()].durability == Durability::Process
}

/// Who commands at a start what holds from before.
pub(super) const RESTART: &[u8] = b"restart";

/// What was stopped by commands that mean the same with whatever files: the firm, and desks. With it the last loss.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Standing {
    is_blocked: bool,
    is_killed: bool,
    held: BTreeSet<u32>,
    /// When it was, nanoseconds since 1970; zero: never
    pub(super) loss_wall_ns: u64,
    /// The start that went on then: what earlier ones left open may have been sent
    pub(super) loss_epoch: u16,
}

impl Standing {
    /// The next command of the order log.
    pub(super) fn take(&mut self, epoch: u16, input: &CommandInput) {
        match input.command {
            RiskCommand::Block(Scope::Firm) => self.is_blocked = true,
            RiskCommand::Unblock(Scope::Firm) => self.is_blocked = false,
            RiskCommand::Kill(Scope::Firm) => self.is_killed = true,
            RiskCommand::Release(Scope::Firm) => self.is_killed = false,
            RiskCommand::Hold(desk) => {
                self.held.insert(desk.0);
            }
            RiskCommand::ReleaseDesk(desk) => {
                self.held.remove(&desk.0);
            }
            // A later day repeats it.
            RiskCommand::HostLost { wall_ns } if wall_ns != self.loss_wall_ns => {
                (self.loss_wall_ns, self.loss_epoch) = (wall_ns, epoch);
            }
            _ => {}
        }
    }

    /// The command that says of the last loss to the logs of the next day.
    pub(super) fn loss(&self) -> Option<RiskCommand> {
        let wall_ns = self.loss_wall_ns;
        (wall_ns > 0).then_some(RiskCommand::HostLost { wall_ns })
    }

    /// The commands that make it so, but for the loss.
    pub(super) fn commands(&self, desks: usize) -> Vec<RiskCommand> {
        let mut commands = Vec::new();
        if self.is_blocked {
            commands.push(RiskCommand::Block(Scope::Firm));
        }
        if self.is_killed {
            commands.push(RiskCommand::Kill(Scope::Firm));
        }
        let held = self.held.iter().filter(|&&desk| (desk as usize) < desks);
        commands.extend(held.map(|&desk| RiskCommand::Hold(DeskIndex(desk))));
        commands
    }
}

/// The last loss, as the decode stage needs it.
pub(super) struct Loss {
    /// When, nanoseconds since 1970
    wall_ns: u64,
    /// Per account: whether its desk's last requests may be unknown
    accounts: Vec<bool>,
    /// Per session: whether it has such an account
    sessions: Vec<bool>,
    /// Per session: how far its clock may be from ours
    tolerances_ns: Vec<u64>,
}

impl Loss {
    /// None where nothing was lost.
    pub(super) fn new(plan: &Plan, wall_ns: u64) -> Option<Self> {
        let lossy = |desk: &DeskIndex| plan.desks[desk.get()].durability == Durability::Process;
        let accounts: Vec<_> = plan.account_desks.iter().map(lossy).collect();
        let lossy = |account: &AccountIndex| accounts[account.get()];
        let sessions = plan.sessions.iter();
        let sessions = sessions.map(|it| it.accounts.iter().any(lossy)).collect();
        let tolerances = plan.sessions.iter();
        let tolerances = tolerances.map(|it| it.fix.sending_time_tolerance_s as u64 * NS_PER_S);
        (wall_ns > 0).then_some(Self {
            wall_ns,
            accounts,
            sessions,
            tolerances_ns: tolerances.collect(),
        })
    }

    /// Whether what a session asks for may have been sent to a desk before the loss: it says itself that it repeats (43, 97), and was
    /// first sent before; or it `is_late`, received before, and what came of it is lost. A cancel does no harm.
    pub(super) fn may_be_sent(
        &self,
        session: usize,
        now: Now,
        message: &Message<'_>,
        is_late: bool,
        request: &ClientRequest,
    ) -> bool {
        let (is_lossy, is_resent) = match request {
            ClientRequest::New(new) => match new.account {
                AccountRef::Known(account) => (self.accounts[account.get()], new.possible_resend),
                AccountRef::Unknown(_) => (false, false),
            },
            ClientRequest::Replace(_) => (self.sessions[session], false),
            _ => (false, false),
        };
        let is_repeated = message.poss_dup();
        if !is_lossy || !(is_repeated || is_resent || is_late) {
            return false;
        }
        let first_sent_ns = match is_late && !is_repeated {
            true => message.sending_time_ns(),
            false => message.orig_sending_time_ns(),
        };
        match first_sent_ns {
            // By the client's clock.
            Some(first_sent_ns) => first_sent_ns < self.wall_ns + self.tolerances_ns[session],
            // A PossResend need not say when: on the day of the loss that is enough.
            None => is_repeated || day_of(now.wall_ns) == day_of(self.wall_ns),
        }
    }
}
