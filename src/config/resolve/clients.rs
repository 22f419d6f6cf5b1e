//! `clients.toml`: clients and their sessions. Cold code.
//!
//! Names become indices here; every mistake is noted and reading goes on, so that all are told at once.

use std::collections::HashMap;

use toml::Spanned;

use super::section::Section;
use super::topology::define;
use super::{Context, Names, account_index, drop_copy, messages, shown};
use crate::config::diagnostics::{FileId, Place};
use crate::config::file::{self, ClientsFile, Parsed};
use crate::config::plan::{ClientPlan, DictionaryPlan, DropCopyPlan, FixPlan, SessionPlan};
use crate::domain::{Account, AccountIndex, ClientIndex, DeskIndex};
use crate::limits::*;

/// Names of the clients, which the accounts refer to.
pub fn names(cx: &mut Context, id: FileId, f: &Parsed<ClientsFile>) -> Vec<ClientPlan> {
    let all = &f.value.clients;
    let sessions: usize = all.iter().map(|c| c.get_ref().sessions.len()).sum();
    for (what, key, count, max) in [
        ("clients", "clients", all.len(), CLIENTS_MAX),
        ("sessions", "clients.sessions", sessions, SESSIONS_MAX),
    ] {
        if count > max {
            let message = format!("has {count} {what}, at most {max}");
            cx.error(id, 0..0, key, message, "configure fewer".to_owned());
        }
    }
    if all.is_empty() && !f.broken && !f.refused.contains(&(0, "clients".to_owned())) {
        let message = "is missing: there must be at least one [[clients]]".to_owned();
        let help = "write [[clients]] with a name and [[clients.sessions]] below it".to_owned();
        cx.error(id, 0..0, "clients", message, help);
    }
    let mut names = std::mem::take(&mut cx.clients);
    names.incomplete |= f
        .refused
        .iter()
        .any(|(_, key)| key == "clients" || key == "name");
    let mut plans = Vec::with_capacity(all.len());
    for (at, client) in all.iter().enumerate() {
        let mut s = Section::new(cx, id, "clients", client.span(), &f.refused);
        let name = s.text("name", &client.get_ref().name);
        define(&mut s, &mut names, &name, at, &client.get_ref().name);
        plans.push(ClientPlan { name });
    }
    cx.clients = names;
    plans
}

/// Sessions of all clients, in the order of the file; those that receive copies behind the others.
pub fn sessions(
    cx: &mut Context,
    id: FileId,
    f: &Parsed<ClientsFile>,
    accounts: &[(Account, DeskIndex)],
) -> Vec<SessionPlan> {
    let mut names = Names {
        incomplete: f
            .refused
            .iter()
            .any(|(_, key)| ["clients", "sessions", "name"].contains(&key.as_str())),
        ..Names::default()
    };
    let mut identities: HashMap<_, Place> = HashMap::new();
    let mut plans = Vec::new();
    for (client, entry) in f.value.clients.iter().enumerate() {
        let refused = f
            .refused
            .contains(&(entry.span().start, "sessions".to_owned()));
        if entry.get_ref().sessions.is_empty() && !refused {
            let message = "is missing: the client has no session".to_owned();
            let help = "write [[clients.sessions]] with name, target_comp_id and accounts below it"
                .to_owned();
            cx.warn(id, entry.span(), "clients.sessions", message, help);
        }
        for session in &entry.get_ref().sessions {
            let t = session.get_ref();
            let mut s = Section::new(cx, id, "clients.sessions", session.span(), &f.refused);
            let mut plan = session_plan(&mut s, t, ClientIndex(client as u32));
            define(&mut s, &mut names, &plan.name, plans.len(), &t.name);
            let fix = &plan.fix;
            let identity = (
                fix.version.begin_string(),
                fix.sender_comp_id,
                fix.target_comp_id,
            );
            let place = s.place(&t.target_comp_id);
            if let Some(first) = identities
                .insert(identity, place)
                .filter(|_| t.target_comp_id.is_some())
            {
                let line = s.cx.diagnostics.line(&first);
                let message = format!(
                    "is used twice with BeginString {} and this sender_comp_id: {}, first in line {line}",
                    String::from_utf8_lossy(fix.version.begin_string()),
                    shown(&fix.target_comp_id.to_string_lossy())
                );
                let help = match fix.version.is_fixt() {
                    // Other versions of FIXT.1.1 have the same BeginString.
                    true => {
                        "a logon must name one session: change target_comp_id or sender_comp_id"
                    }
                    false => {
                        "a logon must name one session: change target_comp_id, sender_comp_id or fix_version"
                    }
                };
                s.contradicts("target_comp_id", &t.target_comp_id, message, help);
            }
            if drop_copy::is_receiver(f, session) {
                drop_copy::check_receiver(&mut s, t);
                plan.drop_copy = Some(DropCopyPlan::default());
            } else {
                plan.accounts = entitled(&mut s, t, plan.client, accounts);
            }
            plans.push(plan);
        }
    }
    drop_copy::settle(cx, id, f, &names, &mut plans);
    drop_copy::receivers_last(plans)
}

fn session_plan(s: &mut Section, t: &file::Session, client: ClientIndex) -> SessionPlan {
    let errors = s.cx.errors();
    let version = s.fix_version(&t.fix_version);
    let min = s.number("heartbeat_interval_min_s", &t.heartbeat_interval_min_s) as u32;
    let max = s.number("heartbeat_interval_max_s", &t.heartbeat_interval_max_s) as u32;
    if min > max && s.cx.errors() == errors {
        let message = format!("is above heartbeat_interval_max_s: {min} > {max}");
        let item = match &t.heartbeat_interval_min_s {
            Some(_) => &t.heartbeat_interval_min_s,
            None => &t.heartbeat_interval_max_s,
        };
        let help = "lower it, or raise heartbeat_interval_max_s";
        s.contradicts("heartbeat_interval_min_s", item, message, help);
    }
    let messages_per_second = s.number("messages_per_second", &t.messages_per_second) as u32;
    let message_burst = s.number("message_burst", &t.message_burst) as u32;
    if messages_per_second == 0 && t.message_burst.is_some() {
        let message = "has no effect: messages_per_second is 0, no limit".to_owned();
        s.doubtful(
            "message_burst",
            &t.message_burst,
            message,
            "set messages_per_second too",
        );
    }
    let preset = match s.flag("validate", &t.validate) {
        true => DictionaryPlan::Dialect,
        false => DictionaryPlan::None,
    };
    let is_unused = preset == DictionaryPlan::None && t.dictionary.is_some();
    if is_unused {
        let message = "is not used: validate is false".to_owned();
        let help = "leave it out, or set validate = true";
        s.contradicts("dictionary", &t.dictionary, message, help);
    }
    // What is not used need not be there.
    let (dictionary, application_dictionary) = match is_unused {
        true => (&None, &None),
        false => (&t.dictionary, &t.application_dictionary),
    };
    let keys = messages::Keys {
        dictionary,
        application_dictionary,
        unchecked: &t.unchecked,
        timestamp_precision: &t.timestamp_precision,
        next_expected_msg_seq_num: &t.next_expected_msg_seq_num,
        last_msg_seq_num_processed: &t.last_msg_seq_num_processed,
    };
    let mut plan = SessionPlan {
        name: s.text("name", &t.name),
        client,
        fix: FixPlan {
            sender_comp_id: s.comp_id("sender_comp_id", &t.sender_comp_id),
            target_comp_id: s.comp_id("target_comp_id", &t.target_comp_id),
            heartbeat_interval_s: HEARTBEAT_INTERVAL_S.max(min).min(max.max(min)),
            heartbeat_interval_min_s: min,
            heartbeat_interval_max_s: max,
            sending_time_tolerance_s: s
                .number("sending_time_tolerance_s", &t.sending_time_tolerance_s)
                as u32,
            reset_on_logon: s.flag("reset_on_logon", &t.reset_on_logon),
            reset_on_logout: s.flag("reset_on_logout", &t.reset_on_logout),
            reset_on_disconnect: s.flag("reset_on_disconnect", &t.reset_on_disconnect),
            logout_timeout_s: s.number("logout_timeout_s", &t.logout_timeout_s) as u32,
            schedule: s.schedule("schedule", &t.schedule),
            takeover_s: s.number("takeover_s", &t.takeover_s) as u32,
            ..FixPlan::new(version, b"", b"")
        },
        allowed_sources: s.networks("allowed_sources", &t.allowed_sources),
        accounts: Vec::new(),
        messages_per_second,
        message_burst,
        pending_new: s.flag("pending_new", &t.pending_new),
        cancel_on_disconnect: s.flag("cancel_on_disconnect", &t.cancel_on_disconnect),
        durability_tag: durability_tag(s, t),
        drop_copy: None,
    };
    messages::settle(s, &keys, preset, &mut plan.fix);
    plan
}

/// A tag that FIX does not use itself.
fn durability_tag(s: &mut Section, t: &file::Session) -> u32 {
    let tag = s.number("durability_tag", &t.durability_tag);
    if tag > 0 && tag < USER_TAG_MIN {
        let message = format!("is a tag of FIX itself: {tag}");
        let help = format!("write one from {USER_TAG_MIN} to {USER_TAG_MAX}, or 0 for none");
        s.contradicts("durability_tag", &t.durability_tag, message, &help);
        return 0;
    }
    tag as u32
}

/// The accounts that a session may use: known, of its client, each once.
fn entitled(
    s: &mut Section,
    t: &file::Session,
    client: ClientIndex,
    accounts: &[(Account, DeskIndex)],
) -> Vec<AccountIndex> {
    let Some(list) = &t.accounts else {
        s.absent("accounts");
        return Vec::new();
    };
    if list.get_ref().is_empty() {
        let message = "is empty: the session can order nothing".to_owned();
        s.doubtful("accounts", &t.accounts, message, "name its accounts");
    }
    let mut entitled: Vec<AccountIndex> = Vec::with_capacity(list.get_ref().len());
    let mut seen = std::collections::HashSet::new();
    for name in list.get_ref() {
        let one = &Some(Spanned::new(name.span(), ()));
        let full = s.cx.diagnostics.is_full();
        let Some(found) = s.cx.accounts.get(name.get_ref()) else {
            if let Some((message, help)) = s.cx.accounts.unknown(name.get_ref(), "account", full) {
                s.contradicts("accounts", one, message, &help);
            }
            continue;
        };
        let account = account_index(Some(found));
        if !seen.insert(found) {
            let message = format!("names {} twice", shown(name.get_ref()));
            s.doubtful("accounts", one, message, "name each once");
            continue;
        }
        let owner = accounts
            .get(account.get())
            .map(|(account, _)| account.client);
        if owner.is_some_and(|owner| owner != client) && !s.cx.clients.incomplete {
            let message = format!(
                "names an account of another client: {}",
                shown(name.get_ref())
            );
            let help = "name accounts of this client, or correct `client` in accounts.csv";
            s.contradicts("accounts", one, message, help);
        }
        entitled.push(account);
    }
    entitled
}
