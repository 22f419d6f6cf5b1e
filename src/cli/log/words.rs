//! Records for people and programs: the inputs of the risk stage with what came of them, and everything else that is no FIX message.
//!
//! Text is one line and free of secrets; objects have a field for each value, under the names that other outputs use.

use serde_json::{Value, json};

use super::names::Names;
use super::tag_names;
use crate::domain::command::{CommandInput, LimitChange, RiskCommand, Scope};
use crate::domain::order::{ClientRequest, MassScope, OrderType, Side, TimeInForce};
use crate::domain::report::{DeskExec, DeskInput, DeskReport, FromDesk, LinkEvent};
use crate::domain::{OrderId, OrderStatus, Price, Quantity, RejectReason, SessionIndex};
use crate::journal::entry::{self, Outcome};
use crate::journal::loss::HostLoss;
use crate::journal::{Record, RecordKind, begin, mark};
use crate::stage::event_record;
use crate::wire::fix::tags;

/// A record that is no FIX message, in words.
pub(super) fn text(names: &Names<'_>, epoch: u16, record: &Record<'_>) -> String {
    let unreadable = || "cannot be read by this version".to_owned();
    match record.kind {
        RecordKind::Start => String::from_utf8_lossy(record.body).into_owned(),
        RecordKind::Names => format!("names of channels from {} on", record.channel),
        RecordKind::ClientInput => {
            entry::read_client(record.body).map_or_else(unreadable, |(input, outcome)| {
                let who = names.session(epoch, record.channel);
                let what = request(names, &input.request);
                format!("{who}: {what} => {}", decided(&input.request, &outcome))
            })
        }
        RecordKind::DeskInput => entry::read_desk(record.body).map_or_else(unreadable, |input| {
            let who = names.link(epoch, record.channel);
            format!("{who}: {}", desk_input(&input))
        }),
        RecordKind::Command => entry::read_command(record.body)
            .map_or_else(unreadable, |(input, _)| command(names, epoch, &input)),
        RecordKind::Continuation => {
            let [desk, client] = outputs(record);
            format!(
                "a step of a mass cancel, mass status or kill: {desk} to desks, {client} to clients"
            )
        }
        RecordKind::Connection => event_record::describe(record.body).unwrap_or_else(unreadable),
        RecordKind::Refused => match entry::read_refusal(record.body) {
            Some((id, reason @ RejectReason::MayBeSent)) => {
                format!("request {id} in doubt: {}", reason_words(reason))
            }
            Some((id, reason)) => format!("request {id} not sent: {}", reason_words(reason)),
            None => unreadable(),
        },
        RecordKind::Begin => begin::read(record.body).map_or_else(unreadable, |begin| {
            let from = match begin.is_fresh {
                true => "the positions of the start of the day",
                false => "where the process before ended",
            };
            format!(
                "orders begin with {from}: start {}, day {}, reference data {:016x}",
                begin.epoch, begin.day, begin.reference
            )
        }),
        RecordKind::End => "the process ended in order".to_owned(),
        RecordKind::Mark => mark::read(record.body).map_or_else(unreadable, |[client, order, desk]| {
            format!("on disk: the client log through {client}, the order log through {order}, the desk log through {desk}")
        }),
        RecordKind::StateDigest => {
            begin::Digested::read(record.body).map_or_else(unreadable, |digested| {
                let begin::Digested { inputs, value } = digested;
                format!("digest of the state after {inputs} inputs: {value:016x}")
            })
        }
        RecordKind::HostLoss => HostLoss::read(record.body).map_or_else(unreadable, |loss| {
            format!("the host went down before this start: {}", loss.describe())
        }),
        RecordKind::SequenceReset => "sequence numbers start anew".to_owned(),
        RecordKind::MessageIn
        | RecordKind::MessageOut
        | RecordKind::AdminOut
        | RecordKind::CopyOut
        | RecordKind::Carried => "a message".to_owned(),
    }
}

/// The same for programs; fields of its own for each kind.
pub(super) fn object(names: &Names<'_>, epoch: u16, record: &Record<'_>) -> Value {
    let mut object = match record.kind {
        RecordKind::ClientInput => entry::read_client(record.body)
            .map(|(input, outcome)| request_object(names, &input.request, &outcome)),
        RecordKind::DeskInput => entry::read_desk(record.body).map(|input| desk_object(&input)),
        RecordKind::Command => entry::read_command(record.body).map(
            |(input, _)| json!({"user": input.user.to_string_lossy(), "ticket": input.ticket}),
        ),
        RecordKind::Continuation => {
            let [desk, client] = outputs(record);
            Some(json!({"desk_outputs": desk, "client_outputs": client}))
        }
        RecordKind::Mark => mark::read(record.body)
            .map(|[client, order, desk]| json!({"client": client, "order": order, "desk": desk})),
        RecordKind::HostLoss => HostLoss::read(record.body).map(|loss| {
            let [client, order, desk] = loss
                .cut
                .map(|end| json!({"records": end.records, "bytes": end.bytes}));
            let cut = json!({"client": client, "order": order, "desk": desk});
            json!({"records_max": loss.records_max, "bytes_max": loss.bytes_max, "cut": cut})
        }),
        RecordKind::Refused => entry::read_refusal(record.body)
            .map(|(id, reason)| json!({"id": id.to_string(), "reason": reason.row().name})),
        _ => None,
    }
    .unwrap_or_else(|| json!({}));
    object["text"] = json!(text(names, epoch, record));
    object
}

fn outputs(record: &Record<'_>) -> [u8; 2] {
    let at = |at: usize| record.body.get(at).copied().unwrap_or(0);
    [at(0), at(1)]
}

/// `lot (Quantity is not a multiple of the lot)`
pub(super) fn reason_words(reason: RejectReason) -> String {
    let row = reason.row();
    format!("{} ({})", row.name, row.text)
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn kind_and_price(kind: OrderType, price: Price) -> String {
    match kind {
        OrderType::Market => "at market".to_owned(),
        OrderType::Limit => format!("at {price}"),
    }
}

fn time_in_force(time: TimeInForce) -> &'static str {
    match time {
        TimeInForce::Day => "day",
        TimeInForce::ImmediateOrCancel => "immediate or cancel",
        TimeInForce::FillOrKill => "fill or kill",
    }
}

fn request(names: &Names<'_>, request: &ClientRequest) -> String {
    match request {
        ClientRequest::New(new) => format!(
            "new {}: {} {} {} {}, {}, account {}{}",
            new.client_order_id,
            side(new.side),
            new.quantity.0,
            names.instrument_of(&new.instrument),
            kind_and_price(new.order_type, new.price),
            time_in_force(new.time_in_force),
            names.account_of(&new.account),
            if new.possible_resend {
                ", may have been sent before (97=Y)"
            } else {
                ""
            },
        ),
        ClientRequest::Cancel(cancel) => format!(
            "cancel {} of {}",
            cancel.client_order_id, cancel.orig_client_order_id
        ),
        ClientRequest::Replace(replace) => format!(
            "replace {} of {}: {} {} {}",
            replace.client_order_id,
            replace.orig_client_order_id,
            side(replace.side),
            replace.quantity.0,
            kind_and_price(replace.order_type, replace.price),
        ),
        ClientRequest::Status(status) => format!("asks about {}", status.client_order_id),
        ClientRequest::MassStatus(status) => {
            format!("asks about all orders ({})", scope(names, &status.scope))
        }
        ClientRequest::MassCancel(cancel) => format!(
            "mass cancel {} ({})",
            cancel.client_order_id,
            scope(names, &cancel.scope)
        ),
        ClientRequest::Lost => "the session is gone: its open orders are cancelled".to_owned(),
    }
}

fn scope(names: &Names<'_>, scope: &MassScope) -> String {
    match scope {
        MassScope::All => "everything of the session".to_owned(),
        MassScope::Instrument(instrument) => names.instrument_of(instrument),
    }
}

/// What the risk stage decided.
pub(super) fn decided(request: &ClientRequest, outcome: &Outcome) -> String {
    let asks = matches!(
        request,
        ClientRequest::Status(_) | ClientRequest::MassStatus(_)
    );
    if outcome.reason != RejectReason::None && !asks {
        return format!("refused: {}", reason_words(outcome.reason));
    }
    match (outcome.desk_outputs, outcome.client_outputs) {
        (0, 0) => "nothing follows at once".to_owned(),
        (0, clients) => format!("answered ({clients} to clients)"),
        (1, _) => format!("passed, to the desk as {}", outcome.desk_request),
        (more, _) => format!("passed, {more} to desks from {} on", outcome.desk_request),
    }
}

fn status(status: OrderStatus) -> &'static str {
    tag_names::meaning(tags::ORD_STATUS, &[status as u8]).unwrap_or("unknown")
}

fn exec(report: &DeskReport) -> (&'static str, Option<(Quantity, Price)>) {
    match report.exec {
        DeskExec::PendingNew => ("pending new", None),
        DeskExec::New => ("accepted", None),
        DeskExec::Trade { quantity, price } => ("trade", Some((quantity, price))),
        DeskExec::TradeCancel => ("trade cancelled", None),
        DeskExec::TradeCorrect { quantity, price } => ("trade corrected", Some((quantity, price))),
        DeskExec::Cancelled => ("cancelled", None),
        DeskExec::Replaced => ("replaced", None),
        DeskExec::Rejected => ("rejected", None),
        DeskExec::Expired => ("expired", None),
        DeskExec::DoneForDay => ("done for the day", None),
        DeskExec::Restated => ("changed by the desk", None),
        DeskExec::PendingCancel => ("cancel pending", None),
        DeskExec::PendingReplace => ("replace pending", None),
        DeskExec::Status => ("status", None),
    }
}

fn quoted(text: &str) -> String {
    match text.is_empty() {
        true => String::new(),
        false => format!(": \"{}\"", text.escape_debug()),
    }
}

fn desk_input(input: &FromDesk) -> String {
    match &input.input {
        DeskInput::Report(report) => {
            let (word, trade) = exec(report);
            let trade = trade.map_or(String::new(), |(quantity, price)| {
                format!(" of {} at {price}", quantity.0)
            });
            format!(
                "{word}{trade}: request {}, status {}, cumulated {}, leaves {}, execution {}{}",
                report.id,
                status(report.status),
                report.cumulated.0,
                report.leaves.0,
                report.exec_id,
                quoted(&report.text.to_string_lossy()),
            )
        }
        DeskInput::CancelReject(reject) => format!(
            "cancel or replace refused: request {}, status {}, reason {}{}",
            reject.id,
            status(reject.status),
            reject.reason,
            quoted(&reject.text.to_string_lossy()),
        ),
        DeskInput::Refused { id, reason, text } => format!(
            "request {id} never left: {}{}",
            reason_words(*reason),
            quoted(&text.to_string_lossy()),
        ),
        DeskInput::InDoubt { id } => {
            format!("request {id} is in doubt: the link was lost before the desk answered")
        }
        DeskInput::Link(LinkEvent::Ready) => "link ready".to_owned(),
        DeskInput::Link(LinkEvent::Lost) => "link lost".to_owned(),
    }
}

fn command(names: &Names<'_>, epoch: u16, input: &CommandInput) -> String {
    let of = |scope: Scope| match scope {
        Scope::Firm => "firm".to_owned(),
        Scope::Account(account) => format!("account {}", names.account(account)),
        Scope::Session(SessionIndex(at)) => format!("session {}", names.session(epoch, at as u16)),
        Scope::Instrument(at) => names.instrument(at),
    };
    let words = match input.command {
        RiskCommand::Block(scope) => format!("block {}", of(scope)),
        RiskCommand::Unblock(scope) => format!("unblock {}", of(scope)),
        RiskCommand::Kill(scope) => format!("kill {}", of(scope)),
        RiskCommand::Release(scope) => format!("release {}", of(scope)),
        RiskCommand::Hold(desk) => format!("hold desk {}", desk.0),
        RiskCommand::ReleaseDesk(desk) => format!("release desk {}", desk.0),
        RiskCommand::HostLost { wall_ns } => format!("host lost {wall_ns}"),
        RiskCommand::Limit(account, change) => {
            let (limit, value) = match change {
                LimitChange::OrderValueMax(value) => ("order value", value.to_string()),
                LimitChange::OpenOrdersMax(value) => ("open orders", value.to_string()),
                LimitChange::MessagesPerSecond(value) => ("messages per second", value.to_string()),
            };
            format!(
                "limit of account {}: {limit} {value}",
                names.account(account)
            )
        }
    };
    format!("command of {}: {words}", input.user)
}

fn request_object(names: &Names<'_>, request: &ClientRequest, outcome: &Outcome) -> Value {
    let mut object = match request {
        ClientRequest::New(new) => json!({
            "request": "new",
            "client_order_id": new.client_order_id.to_string_lossy(),
            "account": names.account_of(&new.account),
            "instrument": names.instrument_of(&new.instrument),
            "side": side(new.side),
            "order_type": new.order_type,
            "time_in_force": new.time_in_force,
            "price": new.price.to_string(),
            "quantity": new.quantity.0,
        }),
        ClientRequest::Cancel(cancel) => json!({
            "request": "cancel",
            "client_order_id": cancel.client_order_id.to_string_lossy(),
            "orig_client_order_id": cancel.orig_client_order_id.to_string_lossy(),
        }),
        ClientRequest::Replace(replace) => json!({
            "request": "replace",
            "client_order_id": replace.client_order_id.to_string_lossy(),
            "orig_client_order_id": replace.orig_client_order_id.to_string_lossy(),
            "side": side(replace.side),
            "price": replace.price.to_string(),
            "quantity": replace.quantity.0,
        }),
        ClientRequest::Status(status) => json!({
            "request": "status",
            "client_order_id": status.client_order_id.to_string_lossy(),
        }),
        ClientRequest::MassStatus(_) => json!({"request": "mass_status"}),
        ClientRequest::MassCancel(cancel) => json!({
            "request": "mass_cancel",
            "client_order_id": cancel.client_order_id.to_string_lossy(),
        }),
        ClientRequest::Lost => json!({"request": "lost"}),
    };
    object["reason"] = json!(outcome.reason.row().name);
    object["desk_outputs"] = json!(outcome.desk_outputs);
    object["client_outputs"] = json!(outcome.client_outputs);
    if outcome.desk_request != OrderId::NONE {
        object["desk_request"] = json!(outcome.desk_request.to_string());
    }
    object
}

fn desk_object(input: &FromDesk) -> Value {
    match &input.input {
        DeskInput::Report(report) => {
            let (word, trade) = exec(report);
            let mut object = json!({
                "input": "report",
                "exec": word,
                "id": report.id.to_string(),
                "exec_id": report.exec_id.to_string_lossy(),
                "status": status(report.status),
                "cumulated": report.cumulated.0,
                "leaves": report.leaves.0,
            });
            if let Some((quantity, price)) = trade {
                object["last_quantity"] = json!(quantity.0);
                object["last_price"] = json!(price.to_string());
            }
            object
        }
        DeskInput::CancelReject(reject) => json!({
            "input": "cancel_reject",
            "id": reject.id.to_string(),
            "status": status(reject.status),
        }),
        DeskInput::Refused { id, reason, .. } => {
            json!({"input": "refused", "id": id.to_string(), "reason": reason.row().name})
        }
        DeskInput::InDoubt { id } => json!({"input": "in_doubt", "id": id.to_string()}),
        DeskInput::Link(LinkEvent::Ready) => json!({"input": "link_ready"}),
        DeskInput::Link(LinkEvent::Lost) => json!({"input": "link_lost"}),
    }
}
