//! Bodies of the order log's records: the risk stage's inputs as bytes, and back.
//!
//! Little-endian, fields in the order of the domain types, enumerations as their FIX characters or as numbers given here. A
//! record that does not decode is damage or another version, never a guess.

use super::codec::{Get, Put, side};
use crate::domain::command::{CommandInput, LimitChange, RiskCommand, Scope};
use crate::domain::order::{
    CancelRequest, ClientRequest, FromClient, MassCancelRequest, MassStatusRequest, NewOrder,
    ReplaceRequest, StatusRequest,
};
use crate::domain::report::{
    DeskCancelReject, DeskExec, DeskInput, DeskReport, FromDesk, LinkEvent,
};
use crate::domain::{
    AccountIndex, DeskIndex, InstrumentIndex, LinkIndex, Money, OrderId, Price, Quantity,
    RejectReason, SessionIndex,
};

/// Longest body.
pub const ENTRY_BYTES_MAX: usize = 384;

/// What became of a client's request, stored with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// First message to a desk that it caused; `NONE` where there was none.
    pub desk_request: OrderId,
    /// Why it was refused.
    pub reason: RejectReason,
    /// Messages to desks that it caused at once.
    pub desk_outputs: u8,
    /// Messages to clients that it caused at once.
    pub client_outputs: u8,
    /// What the stage knew and the input does not say: bit 0 entitled, bit 1 pressure, bit 2 desk ready, bit 3 log
    /// unavailable, bit 4 perhaps sent before a loss of the host.
    pub facts: u8,
    /// The stage's monotonic clock when it took the input: rates are measured by it.
    pub taken_ns: u64,
}

/// A decoded input of the risk stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Of a client.
    Client(FromClient, Outcome),
    /// Of a desk.
    Desk(FromDesk),
    /// Of an operator.
    Command(CommandInput),
}

/// Writes a client's request; `None` where `out` is too short.
pub fn write_client(input: &FromClient, outcome: Outcome, out: &mut [u8]) -> Option<usize> {
    let mut put = Put::new(out);
    put.u64(outcome.desk_request.raw())?;
    put.u8(outcome.reason as u8)?;
    put.u8(outcome.desk_outputs)?;
    put.u8(outcome.client_outputs)?;
    put.u8(outcome.facts)?;
    put.u64(outcome.taken_ns)?;
    put.u32(input.session.0)?;
    put.u64(input.received_ns)?;
    put.u64(input.decoded_ns)?;
    put.u64(input.cause_sequence)?;
    match &input.request {
        ClientRequest::New(new) => {
            put.u8(1)?;
            put.text(&new.client_order_id)?;
            put.account(&new.account)?;
            put.instrument(&new.instrument)?;
            put.u8(new.side as u8)?;
            put.u8(new.order_type as u8)?;
            put.u8(new.time_in_force as u8)?;
            put.i64(new.price.0)?;
            put.u64(new.quantity.0)?;
            put.u8(new.possible_resend as u8)?;
        }
        ClientRequest::Cancel(cancel) => {
            put.u8(2)?;
            put.text(&cancel.client_order_id)?;
            put.text(&cancel.orig_client_order_id)?;
            put.instrument(&cancel.instrument)?;
            put.u8(cancel.side as u8)?;
        }
        ClientRequest::Replace(replace) => {
            put.u8(3)?;
            put.text(&replace.client_order_id)?;
            put.text(&replace.orig_client_order_id)?;
            put.instrument(&replace.instrument)?;
            put.u8(replace.side as u8)?;
            put.u8(replace.order_type as u8)?;
            put.i64(replace.price.0)?;
            put.u64(replace.quantity.0)?;
        }
        ClientRequest::Status(status) => {
            put.u8(4)?;
            put.text(&status.client_order_id)?;
            put.text(&status.request_id)?;
        }
        ClientRequest::MassStatus(status) => {
            put.u8(5)?;
            put.text(&status.request_id)?;
            match &status.account {
                Some(account) => {
                    put.u8(1)?;
                    put.account(account)?;
                }
                None => put.u8(0)?,
            }
            put.scope(&status.scope)?;
        }
        ClientRequest::MassCancel(cancel) => {
            put.u8(6)?;
            put.text(&cancel.client_order_id)?;
            put.scope(&cancel.scope)?;
            put.u8(cancel.side.map_or(0, |side| side as u8))?;
        }
        ClientRequest::Lost => put.u8(7)?,
    }
    Some(put.at)
}

/// Writes a desk's input; `None` where `out` is too short.
pub fn write_desk(input: &FromDesk, out: &mut [u8]) -> Option<usize> {
    let mut put = Put::new(out);
    put.u32(input.link.0)?;
    put.u64(input.received_ns)?;
    put.u64(input.cause_sequence)?;
    match &input.input {
        DeskInput::Report(report) => {
            put.u8(1)?;
            put.u64(report.id.raw())?;
            put.text(&report.exec_id)?;
            put.text(&report.exec_ref_id)?;
            let (code, quantity, price) = match report.exec {
                DeskExec::PendingNew => (b'A', Quantity::ZERO, Price::ZERO),
                DeskExec::New => (b'0', Quantity::ZERO, Price::ZERO),
                DeskExec::Trade { quantity, price } => (b'F', quantity, price),
                DeskExec::TradeCancel => (b'H', Quantity::ZERO, Price::ZERO),
                DeskExec::TradeCorrect { quantity, price } => (b'G', quantity, price),
                DeskExec::Cancelled => (b'4', Quantity::ZERO, Price::ZERO),
                DeskExec::Replaced => (b'5', Quantity::ZERO, Price::ZERO),
                DeskExec::Rejected => (b'8', Quantity::ZERO, Price::ZERO),
                DeskExec::Expired => (b'C', Quantity::ZERO, Price::ZERO),
                DeskExec::DoneForDay => (b'3', Quantity::ZERO, Price::ZERO),
                DeskExec::Restated => (b'D', Quantity::ZERO, Price::ZERO),
                DeskExec::PendingCancel => (b'6', Quantity::ZERO, Price::ZERO),
                DeskExec::PendingReplace => (b'E', Quantity::ZERO, Price::ZERO),
                DeskExec::Status => (b'I', Quantity::ZERO, Price::ZERO),
            };
            put.u8(code)?;
            put.u64(quantity.0)?;
            put.i64(price.0)?;
            put.u8(report.status as u8)?;
            put.u8(report.side as u8)?;
            put.u64(report.cumulated.0)?;
            put.u64(report.leaves.0)?;
            put.u64(report.quantity.0)?;
            put.i64(report.price.0)?;
            put.text(&report.text)?;
        }
        DeskInput::CancelReject(reject) => {
            put.u8(2)?;
            put.u64(reject.id.raw())?;
            put.u8(reject.status as u8)?;
            put.u16(reject.reason)?;
            put.text(&reject.text)?;
        }
        DeskInput::Refused { id, reason, text } => {
            put.u8(3)?;
            put.u64(id.raw())?;
            put.u8(*reason as u8)?;
            put.text(text)?;
        }
        DeskInput::InDoubt { id } => {
            put.u8(4)?;
            put.u64(id.raw())?;
        }
        DeskInput::Link(LinkEvent::Ready) => put.u8(5)?,
        DeskInput::Link(LinkEvent::Lost) => put.u8(6)?,
    }
    Some(put.at)
}

/// Bytes of a Refused record.
pub const REFUSAL_BYTES: usize = 9;

/// A request that the route stage refused, as a body.
pub fn refusal(id: OrderId, reason: RejectReason) -> [u8; REFUSAL_BYTES] {
    let mut body = [0; REFUSAL_BYTES];
    body[..8].copy_from_slice(&id.raw().to_le_bytes());
    body[8] = reason as u8;
    body
}

/// Reads what [`refusal`] made.
pub fn read_refusal(body: &[u8]) -> Option<(OrderId, RejectReason)> {
    let mut get = Get(body);
    let refusal = (OrderId::from_raw(get.u64()?)?, get.reason()?);
    get.end(refusal)
}

/// Writes an operator's command, taken at `taken_ns` of the stage's monotonic clock; `None` where `out` is too short.
pub fn write_command(input: &CommandInput, taken_ns: u64, out: &mut [u8]) -> Option<usize> {
    let mut put = Put::new(out);
    put.u64(taken_ns)?;
    put.u64(input.ticket)?;
    put.text(&input.user)?;
    let (code, scope) = match input.command {
        RiskCommand::Block(scope) => (1, scope),
        RiskCommand::Unblock(scope) => (2, scope),
        RiskCommand::Kill(scope) => (3, scope),
        RiskCommand::Release(scope) => (4, scope),
        RiskCommand::Limit(account, change) => {
            put.u8(5)?;
            put.u32(account.0)?;
            let (code, value) = match change {
                LimitChange::OrderValueMax(value) => (1, value.0),
                LimitChange::OpenOrdersMax(value) => (2, value as i128),
                LimitChange::MessagesPerSecond(value) => (3, value as i128),
            };
            put.u8(code)?;
            put.bytes(&value.to_le_bytes())?;
            return Some(put.at);
        }
        RiskCommand::Hold(desk) | RiskCommand::ReleaseDesk(desk) => {
            let is_hold = matches!(input.command, RiskCommand::Hold(_));
            put.u8(if is_hold { 6 } else { 7 })?;
            put.u32(desk.0)?;
            return Some(put.at);
        }
        RiskCommand::HostLost { wall_ns } => {
            put.u8(8)?;
            put.u64(wall_ns)?;
            return Some(put.at);
        }
    };
    put.u8(code)?;
    let (code, index) = match scope {
        Scope::Firm => (0, 0),
        Scope::Account(account) => (1, account.0),
        Scope::Session(session) => (2, session.0),
        Scope::Instrument(instrument) => (3, instrument.0),
    };
    put.u8(code)?;
    put.u32(index)?;
    Some(put.at)
}

/// Reads what [`write_client`] wrote.
pub fn read_client(body: &[u8]) -> Option<(FromClient, Outcome)> {
    let mut get = Get(body);
    let outcome = Outcome {
        desk_request: OrderId::from_raw(get.u64()?)?,
        reason: get.reason()?,
        desk_outputs: get.u8()?,
        client_outputs: get.u8()?,
        facts: get.u8()?,
        taken_ns: get.u64()?,
    };
    let session = SessionIndex(get.u32()?);
    let (received_ns, decoded_ns, cause_sequence) = (get.u64()?, get.u64()?, get.u64()?);
    let request = match get.u8()? {
        1 => ClientRequest::New(NewOrder {
            client_order_id: get.text()?,
            account: get.account()?,
            instrument: get.instrument()?,
            side: get.side()?,
            order_type: get.order_type()?,
            time_in_force: get.time_in_force()?,
            price: Price(get.i64()?),
            quantity: Quantity(get.u64()?),
            possible_resend: get.u8()? != 0,
        }),
        2 => ClientRequest::Cancel(CancelRequest {
            client_order_id: get.text()?,
            orig_client_order_id: get.text()?,
            instrument: get.instrument()?,
            side: get.side()?,
        }),
        3 => ClientRequest::Replace(ReplaceRequest {
            client_order_id: get.text()?,
            orig_client_order_id: get.text()?,
            instrument: get.instrument()?,
            side: get.side()?,
            order_type: get.order_type()?,
            price: Price(get.i64()?),
            quantity: Quantity(get.u64()?),
        }),
        4 => ClientRequest::Status(StatusRequest {
            client_order_id: get.text()?,
            request_id: get.text()?,
        }),
        5 => ClientRequest::MassStatus(MassStatusRequest {
            request_id: get.text()?,
            account: match get.u8()? {
                0 => None,
                1 => Some(get.account()?),
                _ => return None,
            },
            scope: get.scope()?,
        }),
        6 => ClientRequest::MassCancel(MassCancelRequest {
            client_order_id: get.text()?,
            scope: get.scope()?,
            side: match get.u8()? {
                0 => None,
                raw => Some(side(raw)?),
            },
        }),
        7 => ClientRequest::Lost,
        _ => return None,
    };
    get.end(FromClient {
        is_late: false,
        may_be_sent: false,
        session,
        received_ns,
        decoded_ns,
        cause_sequence,
        request,
    })
    .map(|input| (input, outcome))
}

/// Reads what [`write_desk`] wrote.
pub fn read_desk(body: &[u8]) -> Option<FromDesk> {
    let mut get = Get(body);
    let link = LinkIndex(get.u32()?);
    let (received_ns, cause_sequence) = (get.u64()?, get.u64()?);
    let input = match get.u8()? {
        1 => {
            let id = OrderId::from_raw(get.u64()?)?;
            let (exec_id, exec_ref_id) = (get.text()?, get.text()?);
            let (code, quantity, price) = (get.u8()?, Quantity(get.u64()?), Price(get.i64()?));
            let exec = match code {
                b'A' => DeskExec::PendingNew,
                b'0' => DeskExec::New,
                b'F' => DeskExec::Trade { quantity, price },
                b'H' => DeskExec::TradeCancel,
                b'G' => DeskExec::TradeCorrect { quantity, price },
                b'4' => DeskExec::Cancelled,
                b'5' => DeskExec::Replaced,
                b'8' => DeskExec::Rejected,
                b'C' => DeskExec::Expired,
                b'3' => DeskExec::DoneForDay,
                b'D' => DeskExec::Restated,
                b'6' => DeskExec::PendingCancel,
                b'E' => DeskExec::PendingReplace,
                b'I' => DeskExec::Status,
                _ => return None,
            };
            DeskInput::Report(DeskReport {
                id,
                exec_id,
                exec_ref_id,
                exec,
                status: get.status()?,
                side: get.side()?,
                cumulated: Quantity(get.u64()?),
                leaves: Quantity(get.u64()?),
                quantity: Quantity(get.u64()?),
                price: Price(get.i64()?),
                text: get.text()?,
            })
        }
        2 => DeskInput::CancelReject(DeskCancelReject {
            id: OrderId::from_raw(get.u64()?)?,
            status: get.status()?,
            reason: get.u16()?,
            text: get.text()?,
        }),
        3 => DeskInput::Refused {
            id: OrderId::from_raw(get.u64()?)?,
            reason: get.reason()?,
            text: get.text()?,
        },
        4 => DeskInput::InDoubt {
            id: OrderId::from_raw(get.u64()?)?,
        },
        5 => DeskInput::Link(LinkEvent::Ready),
        6 => DeskInput::Link(LinkEvent::Lost),
        _ => return None,
    };
    get.end(FromDesk {
        link,
        received_ns,
        cause_sequence,
        input,
    })
}

/// Reads what [`write_command`] wrote.
pub fn read_command(body: &[u8]) -> Option<(CommandInput, u64)> {
    let mut get = Get(body);
    let taken_ns = get.u64()?;
    let (ticket, user) = (get.u64()?, get.text()?);
    let code = get.u8()?;
    let command = if code == 5 {
        let account = AccountIndex(get.u32()?);
        let code = get.u8()?;
        let value = i128::from_le_bytes(get.bytes(16)?.try_into().ok()?);
        RiskCommand::Limit(
            account,
            match code {
                1 => LimitChange::OrderValueMax(Money(value)),
                2 => LimitChange::OpenOrdersMax(value.try_into().ok()?),
                3 => LimitChange::MessagesPerSecond(value.try_into().ok()?),
                _ => return None,
            },
        )
    } else if code == 6 {
        RiskCommand::Hold(DeskIndex(get.u32()?))
    } else if code == 7 {
        RiskCommand::ReleaseDesk(DeskIndex(get.u32()?))
    } else if code == 8 {
        let wall_ns = get.u64()?;
        RiskCommand::HostLost { wall_ns }
    } else {
        let scope = match (get.u8()?, get.u32()?) {
            (0, _) => Scope::Firm,
            (1, index) => Scope::Account(AccountIndex(index)),
            (2, index) => Scope::Session(SessionIndex(index)),
            (3, index) => Scope::Instrument(InstrumentIndex(index)),
            _ => return None,
        };
        match code {
            1 => RiskCommand::Block(scope),
            2 => RiskCommand::Unblock(scope),
            3 => RiskCommand::Kill(scope),
            4 => RiskCommand::Release(scope),
            _ => return None,
        }
    };
    get.end(CommandInput {
        ticket,
        user,
        command,
    })
    .map(|input| (input, taken_ns))
}

#[cfg(test)]
mod tests;
