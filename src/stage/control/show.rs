//! Commands that only read: what runs, what waits. Taken from the status page and the plan.
//!
//! Runs on the control thread; nothing here reaches a stage.

use serde_json::{Value, json};

use super::names::{self, Answer};
use super::operations::{Operations, busy};
use super::protocol::{Command, Response};
use crate::domain::Now;
use crate::domain::time::NS_PER_S;
use crate::status::snapshot::LinkSnapshot;
use crate::status::{Snapshot, State, reader};

impl Operations {
    fn snapshot(&self, now: Now) -> Answer<Snapshot> {
        match reader::read_words(self.page, now.wall_ns) {
            State::Ready(snapshot) => Ok(*snapshot),
            State::Dead { last, .. } => Ok(*last),
            other => Err(busy(&other.to_string())),
        }
    }

    /// All but the long tables, which have their own commands (and `top`).
    pub(super) fn show_status(&self, now: Now) -> Answer<Response> {
        let state = reader::read_words(self.page, now.wall_ns);
        let message = state.to_string();
        let mut data = match state {
            State::Ready(snapshot) => json!(*snapshot),
            State::Dead { last, .. } => json!(*last),
            other => return Err(busy(&other.to_string())),
        };
        if let Value::Object(fields) = &mut data {
            for table in ["sessions", "accounts"] {
                let rows = fields
                    .remove(table)
                    .and_then(|v| v.as_array().map(Vec::len));
                fields.insert(format!("{table}_count"), json!(rows));
            }
            fields.insert("pending_count".into(), json!(self.pending.iter().count()));
        }
        Ok(Response::with(message, data))
    }

    pub(super) fn show_sessions(&self, now: Now) -> Answer<Response> {
        let sessions = self.snapshot(now)?.sessions;
        let message = counted(sessions.len(), "session");
        Ok(Response::with(message, json!(sessions)))
    }

    pub(super) fn show_links(&self, now: Now) -> Answer<Response> {
        let links = self.snapshot(now)?.links;
        let message = counted(links.len(), "link");
        Ok(Response::with(message, json!(links)))
    }

    pub(super) fn show_desks(&self, now: Now) -> Answer<Response> {
        let snapshot = self.snapshot(now)?;
        let mut links = snapshot.links.iter();
        let desks = self.plan.desks.iter().map(|desk| {
            let links: Vec<_> = links.by_ref().take(desk.links.len()).collect();
            let sum =
                |of: fn(&LinkSnapshot) -> u64| -> u64 { links.iter().map(|link| of(link)).sum() };
            json!({
                "name": desk.name,
                "level": desk.durability.level(),
                "held": links.iter().any(|link| link.held),
                "links": links.len(),
                "links_ready": links.iter().filter(|link| link.state == "ready").count(),
                "in_flight": sum(|link| link.in_flight),
                "in_doubt": sum(|link| link.in_doubt),
                "sent": sum(|link| link.sent),
                "received": sum(|link| link.received),
            })
        });
        let desks: Vec<_> = desks.collect();
        Ok(Response::with(counted(desks.len(), "desk"), json!(desks)))
    }

    pub(super) fn show_pending(&self, now_ns: u64) -> Response {
        let rows = self.pending.iter().map(|pending| {
            let mut row = json!({
                "number": pending.number,
                "command": pending.command.to_string(),
                "uid": pending.requester.uid,
                "reason": pending.reason,
                "ticket": pending.ticket,
                "expires_s": pending.expires_ns.saturating_sub(now_ns) / NS_PER_S,
            });
            if let Command::Limit { account, limit, .. } = &pending.command
                && let Ok(account) = names::account(&self.plan, account)
            {
                row["current"] = json!(self.limits.show(account, *limit));
            }
            row
        });
        let rows: Vec<_> = rows.collect();
        Response::with(format!("{} waiting", rows.len()), json!(rows))
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
