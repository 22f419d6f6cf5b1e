//! What the commands do: names to indices, the two-person rule, queues to the stages, answers back. No socket and no clock here.
//!
//! Every command, refused ones included, ends as one line of the operations log (target `operations`) with who, why and what came
//! of it. A command that the risk stage does not answer in time is told so to the operator, and its late answer is still taken.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;

use super::approval::{Limits, Pending, PendingList};
use super::names::{self, Answer};
use super::numbers;
use super::protocol::{Command, ErrorKind, Request, Response};
use super::{ControlPorts, Peer};
use crate::config::plan::Plan;
use crate::domain::command::{
    CommandDone, CommandInput, LinkCommand, NumbersChange, RiskCommand, Scope, SessionCommand,
};
use crate::domain::time::NS_PER_S;
use crate::domain::{Now, Text};
use crate::limits::{
    CONTROL_ANSWER_NS_MAX, CONTROL_PENDING_NS_MAX, CONTROL_QUEUE_COMMANDS,
    CONTROL_REMARK_BYTES_MAX, SCHEDULE_LOOK_NS,
};
use crate::status::page::Words;
use crate::status::{Counter, StageWriter};

/// What comes of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The answer.
    Answer(Response),
    /// The answer comes from [`Operations::poll`] under this ticket.
    Wait(u64),
}

/// A command with its names resolved.
#[derive(Clone, Copy, Debug)]
enum Action {
    Risk(RiskCommand),
    Session(SessionCommand),
    Link(LinkCommand),
}

/// Who wants it and why.
#[derive(Clone, Debug)]
struct Order {
    requester: Peer,
    approver: Option<Peer>,
    command: Command,
    reason: String,
    ticket: String,
}

struct Waiting {
    ticket: u64,
    deadline_ns: u64,
    told: bool,
    /// What the risk stage was asked for; none: sequence numbers were to be set.
    risk: Option<RiskCommand>,
    order: Order,
}

/// The state behind the control socket.
pub(super) struct Operations {
    pub(super) plan: Arc<Plan>,
    ports: ControlPorts,
    pub(super) page: Words,
    pub(super) status: StageWriter,
    pub(super) limits: Limits,
    pub(super) pending: PendingList,
    waiting: Vec<Waiting>,
    last_ticket: u64,
    schedules_looked_ns: Option<u64>,
}

impl Operations {
    pub(super) fn new(
        plan: Arc<Plan>,
        ports: ControlPorts,
        page: Words,
        status: StageWriter,
    ) -> Self {
        Self {
            limits: Limits::of(&plan),
            plan,
            ports,
            page,
            status,
            pending: PendingList::default(),
            waiting: Vec::new(),
            last_ticket: 0,
            schedules_looked_ns: None,
        }
    }

    /// Does one request of `peer`, who may command.
    pub(super) fn handle(&mut self, now: Now, peer: Peer, request: Request) -> Outcome {
        self.status.add(Counter::ControlRequests, 1);
        let order = Order {
            requester: peer,
            approver: None,
            command: request.command,
            reason: request.reason,
            ticket: request.ticket,
        };
        self.expire(now.mono_ns);
        let result = if order.reason.len().max(order.ticket.len()) > CONTROL_REMARK_BYTES_MAX {
            let message =
                format!("reason and ticket may have {CONTROL_REMARK_BYTES_MAX} bytes each");
            Err(Box::new(Response::error(ErrorKind::BadRequest, message)))
        } else {
            self.route(now, &order)
        };
        match result {
            Ok(Outcome::Wait(ticket)) => Outcome::Wait(ticket),
            Ok(Outcome::Answer(response)) => {
                let waits = response.data.get("pending").is_some();
                let outcome = if waits { "waiting" } else { "done" };
                log(&order, outcome, &response.message);
                Outcome::Answer(response)
            }
            Err(response) => {
                self.status.add(Counter::ControlRefused, 1);
                log(&order, "refused", &response.message);
                Outcome::Answer(*response)
            }
        }
    }

    fn route(&mut self, now: Now, order: &Order) -> Answer<Outcome> {
        let answer = match &order.command {
            Command::Status => self.show_status(now)?,
            Command::SessionList => self.show_sessions(now)?,
            Command::LinkList => self.show_links(now)?,
            Command::DeskList => self.show_desks(now)?,
            Command::Snapshot => {
                self.ports.snapshot.store(true, Ordering::Release);
                Response::done("asked for: the operator's log says when it is written")
            }
            Command::Pending => self.show_pending(now.mono_ns),
            Command::Approve { number } => return self.approve(now.mono_ns, *number, order),
            Command::Refuse { number } => {
                let pending = self.pending.refuse(*number)?;
                Response::done(format!("dropped: {}", pending.command))
            }
            _ => return self.ask(now.mono_ns, order),
        };
        Ok(Outcome::Answer(answer))
    }

    /// A command that changes something: at once, or after a second person.
    fn ask(&mut self, now_ns: u64, order: &Order) -> Answer<Outcome> {
        let action = self.resolve(&order.command)?;
        if !(self.plan.control.two_persons && self.raises_risk(action)) {
            return self.perform(now_ns, action, order.clone());
        }
        let pending = Pending {
            number: 0,
            requester: order.requester,
            command: order.command.clone(),
            reason: order.reason.clone(),
            ticket: order.ticket.clone(),
            expires_ns: now_ns + CONTROL_PENDING_NS_MAX,
        };
        let Some(number) = self.pending.add(pending) else {
            return Err(busy(
                "too many commands wait for approval: approve or refuse some",
            ));
        };
        let message = format!("raises risk: waits for another person's `approve {number}`");
        let data = json!({ "pending": number });
        Ok(Outcome::Answer(Response::with(message, data)))
    }

    fn approve(&mut self, now_ns: u64, number: u64, approval: &Order) -> Answer<Outcome> {
        let pending = self.pending.approve(number, approval.requester)?;
        let kept = pending.clone();
        let order = Order {
            requester: pending.requester,
            approver: Some(approval.requester),
            command: pending.command,
            reason: pending.reason,
            ticket: pending.ticket,
        };
        // The names were resolved when it was asked for, and the plan does not change.
        let action = self.resolve(&order.command)?;
        let result = self.perform(now_ns, action, order);
        if result.is_err() {
            self.pending.put_back(kept);
        }
        result
    }

    fn resolve(&self, command: &Command) -> Answer<Action> {
        let plan = &self.plan;
        let risk = |make: fn(Scope) -> RiskCommand, scope| {
            Ok(Action::Risk(make(names::scope(plan, scope)?)))
        };
        match command {
            Command::Block { scope } => risk(RiskCommand::Block, scope),
            Command::Unblock { scope } => risk(RiskCommand::Unblock, scope),
            Command::Kill { scope } => risk(RiskCommand::Kill, scope),
            Command::Release { scope } => risk(RiskCommand::Release, scope),
            Command::Limit {
                account,
                limit,
                value,
            } => Ok(Action::Risk(RiskCommand::Limit(
                names::account(plan, account)?,
                names::limit(*limit, value)?,
            ))),
            Command::DeskHold { name } => {
                Ok(Action::Risk(RiskCommand::Hold(names::desk(plan, name)?)))
            }
            Command::DeskRelease { name } => Ok(Action::Risk(RiskCommand::ReleaseDesk(
                names::desk(plan, name)?,
            ))),
            Command::SessionDisable { name } => Ok(Action::Session(SessionCommand::Disable(
                names::session(plan, name)?,
            ))),
            Command::SessionEnable { name } => Ok(Action::Session(SessionCommand::Enable(
                names::session(plan, name)?,
            ))),
            Command::SessionLogout { name } => Ok(Action::Session(SessionCommand::Logout(
                names::session(plan, name)?,
            ))),
            Command::LinkDisable { name } => {
                Ok(Action::Link(LinkCommand::Disable(names::link(plan, name)?)))
            }
            Command::LinkEnable { name } => {
                Ok(Action::Link(LinkCommand::Enable(names::link(plan, name)?)))
            }
            Command::SessionSetSequence(set) => Ok(Action::Session(SessionCommand::SetNumbers(
                names::session(plan, &set.name)?,
                names::numbers(set)?,
            ))),
            Command::LinkSetSequence(set) => Ok(Action::Link(LinkCommand::SetNumbers(
                names::link(plan, &set.name)?,
                names::numbers(set)?,
            ))),
            Command::Status
            | Command::SessionList
            | Command::LinkList
            | Command::DeskList
            | Command::Snapshot
            | Command::Pending
            | Command::Approve { .. }
            | Command::Refuse { .. } => Err(Box::new(Response::error(
                ErrorKind::BadRequest,
                "this command changes nothing by itself",
            ))),
        }
    }

    fn raises_risk(&self, action: Action) -> bool {
        match action {
            Action::Risk(RiskCommand::Block(_) | RiskCommand::Kill(_) | RiskCommand::Hold(_)) => {
                false
            }
            Action::Risk(
                RiskCommand::Unblock(_)
                | RiskCommand::Release(_)
                | RiskCommand::ReleaseDesk(_)
                | RiskCommand::HostLost { .. },
            ) => true,
            Action::Risk(RiskCommand::Limit(account, change)) => {
                // A change on its way may lower what is in force: until it is answered, any other one counts as raising.
                let under_way = |waiting: &Waiting| matches!(waiting.risk, Some(RiskCommand::Limit(of, _)) if of == account);
                self.limits.raises(account, change) || self.waiting.iter().any(under_way)
            }
            Action::Session(SessionCommand::Enable(_)) | Action::Link(LinkCommand::Enable(_)) => {
                true
            }
            // What the peer still wanted to hear, or to be asked for, may be lost.
            Action::Session(SessionCommand::SetNumbers(..))
            | Action::Link(LinkCommand::SetNumbers(..)) => true,
            Action::Session(SessionCommand::Disable(_) | SessionCommand::Logout(_)) => false,
            Action::Link(LinkCommand::Disable(_)) => false,
        }
    }

    fn perform(&mut self, now_ns: u64, action: Action, order: Order) -> Answer<Outcome> {
        let stage_busy = |stage: &str| {
            busy(&format!(
                "the queue to the {stage} stage is full, nothing was done: try again"
            ))
        };
        let handed_over = |stage: &str, order: &Order| {
            let message = format!("{}: handed to the {stage} stage", order.command);
            if order.approver.is_some() {
                log(order, "done", &message);
            }
            Ok(Outcome::Answer(Response::done(message)))
        };
        match action {
            Action::Session(SessionCommand::SetNumbers(session, change)) => {
                let timeout_s = self.plan.sessions[session.get()].fix.logout_timeout_s;
                self.set_numbers(now_ns, timeout_s, change, order, |ports, change| {
                    let command = SessionCommand::SetNumbers(session, change);
                    ports.sessions.push(command).is_ok()
                })
            }
            Action::Link(LinkCommand::SetNumbers(link, change)) => {
                let mut links = self.plan.desks.iter().flat_map(|desk| &desk.links);
                let timeout_s = links.nth(link.get()).map_or(0, |l| l.fix.logout_timeout_s);
                self.set_numbers(now_ns, timeout_s, change, order, |ports, change| {
                    let command = LinkCommand::SetNumbers(link, change);
                    ports.links.push(command).is_ok()
                })
            }
            Action::Session(command) => match self.ports.sessions.push(command) {
                Ok(()) => handed_over("decode", &order),
                Err(_) => Err(stage_busy("decode")),
            },
            Action::Link(command) => match self.ports.links.push(command) {
                Ok(()) => handed_over("route", &order),
                Err(_) => Err(stage_busy("route")),
            },
            Action::Risk(command) => {
                if self.waiting.len() >= CONTROL_QUEUE_COMMANDS {
                    return Err(stage_busy("risk"));
                }
                let input = CommandInput {
                    ticket: self.last_ticket + 1,
                    user: user(&order),
                    command,
                };
                self.ports
                    .risk
                    .push(input)
                    .map_err(|_| stage_busy("risk"))?;
                Ok(self.wait(now_ns + CONTROL_ANSWER_NS_MAX, Some(command), order))
            }
        }
    }

    /// The command is on its way under the next ticket.
    fn wait(&mut self, deadline_ns: u64, risk: Option<RiskCommand>, order: Order) -> Outcome {
        self.last_ticket += 1;
        self.waiting.push(Waiting {
            ticket: self.last_ticket,
            deadline_ns,
            told: false,
            risk,
            order,
        });
        Outcome::Wait(self.last_ticket)
    }

    /// Hands numbers to the stage that has the session; a logout may take its time first.
    fn set_numbers(
        &mut self,
        now_ns: u64,
        logout_timeout_s: u32,
        change: NumbersChange,
        order: Order,
        push: impl FnOnce(&ControlPorts, NumbersChange) -> bool,
    ) -> Answer<Outcome> {
        let change = NumbersChange {
            ticket: self.last_ticket + 1,
            uid: order.requester.uid,
            approver_uid: order.approver.map(|peer| peer.uid),
            ..change
        };
        if self.waiting.len() >= CONTROL_QUEUE_COMMANDS || !push(&self.ports, change) {
            return Err(busy(
                "too many commands are under way, nothing was done: try again",
            ));
        }
        let logout_ns = match change.log_out {
            true => logout_timeout_s as u64 * NS_PER_S,
            false => 0,
        };
        let deadline_ns = now_ns + logout_ns + CONTROL_ANSWER_NS_MAX;
        Ok(self.wait(deadline_ns, None, order))
    }

    /// Sees to it that schedules never run out.
    pub(super) fn renew_schedules(&mut self, now: Now) {
        let looked = self.schedules_looked_ns;
        if looked.is_some_and(|at_ns| now.mono_ns < at_ns + SCHEDULE_LOOK_NS) {
            return;
        }
        self.schedules_looked_ns = Some(now.mono_ns);
        for schedule in &self.plan.schedules {
            if schedule.rule.renew(&schedule.table, now.wall_ns) {
                tracing::info!(schedule = schedule.name.as_str(), "schedule continued");
            }
        }
    }

    /// Answers that have come, or that will not come in time.
    pub(super) fn poll(&mut self, now_ns: u64, answers: &mut Vec<(u64, Response)>) {
        while let Some(done) = self.ports.risk_done.pop() {
            let found = self
                .waiting
                .iter()
                .position(|waiting| waiting.ticket == done.ticket);
            let Some(at) = found else {
                tracing::warn!(target: "operations", ticket = done.ticket, "the risk stage answered a command that nobody waits for");
                continue;
            };
            let waiting = self.waiting.remove(at);
            if let Some(command) = waiting.risk {
                self.limits.applied(command);
            }
            let response = applied(&waiting.order.command, done);
            log(&waiting.order, "done", &response.message);
            if !waiting.told {
                answers.push((waiting.ticket, response));
            }
        }
        while let Some(done) = self.ports.numbers_done.pop() {
            let mut waiting = self.waiting.iter();
            let Some(at) = waiting.position(|waiting| waiting.ticket == done.ticket) else {
                continue;
            };
            let waiting = self.waiting.remove(at);
            let response = numbers::answer(&waiting.order.command, done);
            let outcome = if response.ok { "done" } else { "refused" };
            log(&waiting.order, outcome, &response.message);
            if !waiting.told {
                answers.push((waiting.ticket, response));
            }
        }
        for waiting in &mut self.waiting {
            if !waiting.told && waiting.deadline_ns <= now_ns {
                waiting.told = true;
                self.status.add(Counter::ControlTimeouts, 1);
                let message =
                    "no answer from the stage: the command may still be done, see `status`";
                log(&waiting.order, "unanswered", message);
                let response = Response::error(ErrorKind::NoAnswer, message);
                answers.push((waiting.ticket, response));
            }
        }
    }

    /// Drops what waited too long for its second person.
    pub(super) fn expire(&mut self, now_ns: u64) {
        for pending in self.pending.expire(now_ns) {
            let order = Order {
                requester: pending.requester,
                approver: None,
                command: pending.command,
                reason: pending.reason,
                ticket: pending.ticket,
            };
            log(&order, "expired", "nobody approved it in time");
        }
    }
}

pub(super) fn busy(message: &str) -> Box<Response> {
    Box::new(Response::error(ErrorKind::Busy, message))
}

fn applied(command: &Command, done: CommandDone) -> Response {
    let mut message = format!("done: {command}");
    if done.affected != 0 {
        message += &format!(", {} open orders are being cancelled", done.affected);
    }
    let data = json!({ "sequence": done.sequence, "affected": done.affected });
    Response::with(message, data)
}

fn user(order: &Order) -> Text<31> {
    let mut user = format!("uid {}", order.requester.uid);
    if let Some(approver) = order.approver {
        user += &format!(" + {}", approver.uid);
    }
    Text::cut(user.as_bytes())
}

/// All texts are fields, which the log's writer quotes: what an operator types cannot forge a line.
fn log(order: &Order, outcome: &str, message: &str) {
    tracing::info!(
        target: "operations",
        uid = order.requester.uid,
        pid = order.requester.pid,
        command = order.command.to_string().as_str(),
        reason = order.reason.as_str(),
        ticket = order.ticket.as_str(),
        approver_uid = order.approver.map(|peer| peer.uid),
        outcome,
        detail = message,
        "command",
    );
}
