//! What clients ask for many orders at once, what a lost session leaves behind, and operators' commands.
//!
//! Each is answered or latched at once; walking the orders is left to the continuations.

use super::Risk;
use super::continuation::{Filter, MassCancelWork, MassStatusWork};
use super::orders::{NONE, RequestKind};
use super::outputs::Outputs;
use super::reports::{Cause, tell};
use crate::domain::command::{CommandDone, CommandInput, LimitChange, RiskCommand, Scope};
use crate::domain::order::{
    AccountRef, FromClient, InstrumentRef, MassCancelRequest, MassScope, MassStatusRequest,
};
use crate::domain::rate::RateLimit;
use crate::domain::report::{ClientOutput, MassCancelReport};
use crate::domain::{
    AccountIndex, ClientOrderId, InstrumentIndex, Now, OrderId, RejectReason, SessionIndex,
};

impl Risk {
    pub(super) fn on_mass_cancel(
        &mut self,
        input: &FromClient,
        asked: &MassCancelRequest,
        out: &mut Outputs,
    ) {
        let session = input.session;
        let cause = Cause::from(input);
        let used = self
            .client_ids
            .find(self.orders.requests(), session, &asked.client_order_id);
        let instrument = self.instrument_of(asked.scope);
        let by_walk = instrument != Ok(None) || asked.side.is_some();
        let busy = self.work.sessions[session.get()].mass_cancel.is_some();
        let refusal = match instrument {
            _ if used.slot.is_some() => Some(RejectReason::DuplicateClientOrderId),
            Err(reason) => Some(reason),
            Ok(_) if by_walk && busy => Some(RejectReason::AlreadyPending),
            Ok(_) => None,
        };
        let mut report = MassCancelReport {
            client_order_id: asked.client_order_id,
            order_id: OrderId::NONE,
            scope: asked.scope,
            affected: 0,
            reason: refusal.unwrap_or(RejectReason::None),
        };
        if let Some(reason) = refusal {
            self.counters.refuse(reason);
            return tell(out, session, cause, ClientOutput::MassCancel(report));
        }
        // Without a slot it has no id, but it is done all the same.
        let id = asked.client_order_id;
        if self.orders.has_room_for_cancel()
            && let Some(slot) = self
                .orders
                .add_request(RequestKind::MassCancel, session, NONE, id)
        {
            self.client_ids.insert(used, slot);
            report.order_id = self.orders.request(slot).id;
        }
        let limit = self.orders.next_order();
        if !by_walk {
            report.affected = self.kill_switch.cancel_session(session, limit);
            self.start_sweep(session, cause);
            return tell(out, session, cause, ClientOutput::MassCancel(report));
        }
        let instrument = instrument.unwrap_or(None);
        self.work.sessions[session.get()].mass_cancel = Some(MassCancelWork {
            cursor: self.orders.first_open(session),
            filter: Filter {
                limit,
                account: None,
                instrument,
                side: asked.side,
            },
            affected: 0,
            client_order_id: id,
            order_id: report.order_id,
            instrument,
            cause,
        });
        self.work.enqueue(session);
    }

    pub(super) fn on_mass_status(
        &mut self,
        input: &FromClient,
        asked: &MassStatusRequest,
        out: &mut Outputs,
    ) {
        let session = input.session;
        let account = match asked.account {
            None => Ok(None),
            Some(AccountRef::Known(at)) => Ok(Some(at)),
            Some(AccountRef::Unknown(_)) => Err(RejectReason::UnknownAccount),
        };
        let busy = self.work.sessions[session.get()].mass_status.is_some();
        let refusal = match (account, self.instrument_of(asked.scope)) {
            (Err(reason), _) | (_, Err(reason)) => Err(reason),
            _ if busy => Err(RejectReason::AlreadyPending),
            (Ok(account), Ok(instrument)) => Ok((account, instrument)),
        };
        let (account, instrument) = match refusal {
            Ok(filter) => filter,
            Err(reason) => {
                self.counters.refuse(reason);
                let mut report =
                    self.unknown_order_report(ClientOrderId::EMPTY, asked.request_id, Some(0));
                report.reason = reason;
                return tell(out, session, input.into(), ClientOutput::Report(report));
            }
        };
        self.work.sessions[session.get()].mass_status = Some(MassStatusWork {
            cursor: self.orders.first_open(session),
            filter: Filter {
                limit: self.orders.next_order(),
                account,
                instrument,
                side: None,
            },
            counting: true,
            total: 0,
            held: NONE,
            request_id: asked.request_id,
            cause: input.into(),
        });
        self.work.enqueue(session);
    }

    fn instrument_of(&self, scope: MassScope) -> Result<Option<InstrumentIndex>, RejectReason> {
        match scope {
            MassScope::All => Ok(None),
            MassScope::Instrument(InstrumentRef::Known(at))
                if at.get() + 1 < self.instruments.len() =>
            {
                Ok(Some(at))
            }
            MassScope::Instrument(_) => Err(RejectReason::UnknownInstrument),
        }
    }

    /// Its open orders are cancelled by [`Risk::continue_work`].
    pub(super) fn lose_session(&mut self, now: Now, session: SessionIndex) {
        if !self.is_session(session) {
            self.counters.unknown_sessions += 1;
            return;
        }
        // Nobody waits for the answer any more.
        self.work.sessions[session.get()].mass_status = None;
        let limit = self.orders.next_order();
        self.kill_switch.cancel_session(session, limit);
        self.start_sweep(session, own(now));
    }

    pub(super) fn command(&mut self, now: Now, input: &CommandInput) -> CommandDone {
        let affected = match input.command {
            RiskCommand::Block(scope) => {
                self.kill_switch.block(scope);
                0
            }
            RiskCommand::Unblock(scope) => {
                self.kill_switch.unblock(scope);
                0
            }
            RiskCommand::Kill(scope) => self.kill(now, scope),
            RiskCommand::Release(scope) => {
                self.kill_switch.release(scope);
                0
            }
            RiskCommand::Limit(account, change) => {
                self.change_limit(account, change);
                0
            }
            RiskCommand::Hold(desk) => {
                self.holds.hold(desk);
                0
            }
            RiskCommand::ReleaseDesk(desk) => {
                self.holds.release(desk);
                0
            }
            // Not of this state: the decode stage goes by it.
            RiskCommand::HostLost { .. } => 0,
        };
        CommandDone {
            ticket: input.ticket,
            sequence: 0,
            affected,
        }
    }

    fn kill(&mut self, now: Now, scope: Scope) -> u32 {
        let limit = self.orders.next_order();
        let affected = self.kill_switch.kill(scope, limit);
        if affected > 0 {
            match scope {
                Scope::Session(session) => self.start_sweep(session, own(now)),
                _ => self.start_kill(own(now)),
            }
        }
        affected
    }

    fn change_limit(&mut self, account: AccountIndex, change: LimitChange) {
        let Some(row) = self.book.accounts.get_mut(account.get()) else {
            return;
        };
        match change {
            LimitChange::OrderValueMax(value) => row.order_value_max = value,
            LimitChange::OpenOrdersMax(count) => row.open_orders_max = count,
            LimitChange::MessagesPerSecond(rate) => {
                row.rate = RateLimit::new(rate, row.message_burst);
            }
        }
    }
}

/// Cause of what the gateway does by itself.
fn own(now: Now) -> Cause {
    Cause {
        received_ns: now.mono_ns,
        decoded_ns: now.mono_ns,
        cause_sequence: 0,
    }
}
