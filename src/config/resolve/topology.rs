//! `gatehouse.toml`: files, threads, state, control, listeners, desks and links. Cold code.
//!
//! Names become indices here, bounds are checked, and what keys say about each other.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use toml::Spanned;

use super::section::Section;
use super::{Context, Names, messages};
use crate::config::diagnostics::FileId;
use crate::config::file::{self, GatewayFile, Item, Parsed};
use crate::config::plan::{
    ControlPlan, DeskPlan, DictionaryPlan, FixPlan, Idle, Io, Layout, LinkPlan, ListenerPlan,
    SessionPlan, StatePlan, ThreadPlan,
};
use crate::limits::*;

type Refused = HashSet<(usize, String)>;

/// Paths of the other files.
pub struct FilePaths {
    pub clients: PathBuf,
    pub instruments: PathBuf,
    pub accounts: PathBuf,
    pub positions: PathBuf,
}

/// `[files]`
pub fn files(cx: &mut Context, id: FileId, files: &file::Files, refused: &Refused) -> FilePaths {
    let mut s = Section::new(cx, id, "files", 0..0, refused);
    FilePaths {
        clients: s.path("clients", &files.clients),
        instruments: s.path("instruments", &files.instruments),
        accounts: s.path("accounts", &files.accounts),
        positions: s.path("positions", &files.positions),
    }
}

/// `[threads]`
pub fn threads(cx: &mut Context, id: FileId, f: &GatewayFile, refused: &Refused) -> ThreadPlan {
    let t = &f.threads;
    let mut s = Section::new(cx, id, "threads", 0..0, refused);
    let layout: Layout = s.choice("layout", &t.layout);
    let idle: Idle = s.choice("idle", &t.idle);
    let cores = s.numbers("cores", &t.cores);
    check_cores(&mut s, &cores, layout, &t.cores);
    ThreadPlan {
        layout,
        idle,
        cores: cores.into_iter().map(|(core, _)| core as usize).collect(),
        lock_memory: s.flag("lock_memory", &t.lock_memory),
        ring_slots: s.number("ring_slots", &t.ring_slots) as usize,
    }
}

fn check_cores(
    s: &mut Section,
    cores: &[(u64, Range<usize>)],
    layout: Layout,
    item: &Item<Vec<Spanned<i64>>>,
) {
    let count = cores.len();
    if count > HOT_THREADS {
        let message = format!("names {count} cores for {HOT_THREADS} threads");
        s.contradicts(
            "cores",
            item,
            message,
            "name those of decode, risk and route",
        );
    }
    if layout == Layout::Pipeline && (1..HOT_THREADS).contains(&count) {
        let message = format!("names {count} for the {HOT_THREADS} threads of the pipeline");
        let help = "name three, or choose layout = \"fused\"";
        s.contradicts("cores", item, message, help);
    }
    let online = s.cx.cores_online;
    for (at, (core, span)) in cores.iter().enumerate() {
        let one = &Some(Spanned::new(span.clone(), ()));
        if cores[..at].iter().any(|(earlier, _)| earlier == core) {
            let message = format!("names core {core} twice: its threads take turns");
            s.doubtful("cores", one, message, "name a core for each thread");
        }
        if !online.is_empty() && !online.contains(&(*core as usize)) {
            let message = format!("names core {core}, which is not online on this machine");
            let help = "see /sys/devices/system/cpu/online; the thread would run unpinned";
            s.doubtful("cores", one, message, help);
        }
    }
}

/// `[state]`
pub fn state(cx: &mut Context, id: FileId, f: &GatewayFile, refused: &Refused) -> StatePlan {
    let t = &f.state;
    let mut s = Section::new(cx, id, "state", 0..0, refused);
    let plan = StatePlan {
        log_directory: s.path("log_directory", &t.log_directory),
        log_keep_days: s.number("log_keep_days", &t.log_keep_days) as u32,
        log_disk_max_bytes: s.number("log_disk_max_bytes", &t.log_disk_max_bytes),
        snapshot_every_records: s.number("snapshot_every_records", &t.snapshot_every_records),
        staging_directory: s.path("staging_directory", &t.staging_directory),
        staging_bytes: s.number("staging_bytes", &t.staging_bytes) as usize,
        status_file: s.path("status_file", &t.status_file),
        control_socket: s.path("control_socket", &t.control_socket),
        requests_per_day_max: s.number("requests_per_day_max", &t.requests_per_day_max) as usize,
        executions_per_day_max: s.number("executions_per_day_max", &t.executions_per_day_max)
            as usize,
    };
    let bytes = plan.control_socket.as_os_str().as_bytes().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        let message =
            format!("is too long for a socket: {bytes} bytes, at most {SOCKET_PATH_BYTES_MAX}");
        s.contradicts(
            "control_socket",
            &t.control_socket,
            message,
            "choose a shorter path",
        );
    }
    if plan.status_file == plan.control_socket {
        let message = "is also the status_file".to_owned();
        s.contradicts(
            "control_socket",
            &t.control_socket,
            message,
            "choose another path",
        );
    }
    if plan.log_directory == plan.staging_directory {
        let message = "is also the log_directory".to_owned();
        let help = "staging windows are memory, logs are disk: choose a directory on tmpfs";
        s.contradicts("staging_directory", &t.staging_directory, message, help);
    }
    plan
}

/// `[control]`
pub fn control(cx: &mut Context, id: FileId, f: &GatewayFile, refused: &Refused) -> ControlPlan {
    let t = &f.control;
    let mut s = Section::new(cx, id, "control", 0..0, refused);
    let operators = s.numbers("operators", &t.operators);
    if operators.len() > OPERATORS_MAX {
        let message = format!("names {} users, at most {OPERATORS_MAX}", operators.len());
        s.contradicts("operators", &t.operators, message, "name fewer");
    }
    let two_persons = s.flag("two_persons", &t.two_persons);
    if two_persons && operators.len() < 2 {
        let message = "is on, but fewer than two operators are named".to_owned();
        let help = "name at least two in `operators`, or nobody can approve what another asks";
        s.doubtful("two_persons", &t.two_persons, message, help);
    }
    ControlPlan {
        operators: operators.into_iter().map(|(user, _)| user as u32).collect(),
        two_persons,
    }
}

/// `[[listeners]]`
pub fn listeners(cx: &mut Context, id: FileId, f: &Parsed<GatewayFile>) -> Vec<ListenerPlan> {
    let mut names = Names::default();
    let mut addresses = HashMap::new();
    let all = &f.value.listeners;
    count(cx, id, f, "listeners", all.len(), LISTENERS_MAX);
    let mut plans = Vec::with_capacity(all.len());
    for (at, listener) in all.iter().enumerate() {
        let t = listener.get_ref();
        let mut s = Section::new(cx, id, "listeners", listener.span(), &f.refused);
        let name = s.text("name", &t.name);
        define(&mut s, &mut names, &name, at, &t.name);
        let address = s.address("address", &t.address);
        if t.address.is_some()
            && address.port() != 0
            && let Some(first) = addresses.insert(address, name.clone())
        {
            let message = format!("is taken by listener \"{first}\": {address}");
            s.contradicts("address", &t.address, message, "choose another port");
        }
        let io: Io = s.choice("io", &t.io);
        one_io(
            &mut s,
            &t.io,
            io,
            plans.first().map(|first: &ListenerPlan| first.io),
        );
        plans.push(ListenerPlan {
            name,
            address,
            io,
            connections_max: s.number("connections_max", &t.connections_max) as usize,
            logon_timeout_s: s.number("logon_timeout_s", &t.logon_timeout_s) as u32,
        });
    }
    plans
}

/// What listeners and sessions say about each other.
pub fn check_listeners(
    cx: &mut Context,
    id: FileId,
    f: &Parsed<GatewayFile>,
    plans: &[ListenerPlan],
    sessions: &[SessionPlan],
) {
    let open = sessions
        .iter()
        .filter(|s| s.allowed_sources.is_empty())
        .count();
    let room: usize = plans.iter().map(|l| l.connections_max).sum();
    for (listener, plan) in f.value.listeners.iter().zip(plans) {
        let t = listener.get_ref();
        let mut s = Section::new(cx, id, "listeners", listener.span(), &f.refused);
        if !plan.address.ip().is_loopback() && open > 0 {
            let message = format!(
                "can be reached from other machines, and {open} of {} sessions take any source address",
                sessions.len()
            );
            let help = "set `allowed_sources` for each session in clients.toml";
            s.doubtful("address", &t.address, message, help);
        }
        if t.address.is_some() && plan.address.port() == 0 {
            let message = "has port 0: the kernel chooses another one at each start".to_owned();
            s.doubtful("address", &t.address, message, "name a port");
        }
        if room < sessions.len() {
            let message = format!(
                "leaves room for {room} connections over all listeners, but there are {} sessions",
                sessions.len()
            );
            s.doubtful("connections_max", &t.connections_max, message, "raise it");
        }
    }
}

/// `[[desks]]`
pub fn desks(cx: &mut Context, id: FileId, f: &Parsed<GatewayFile>) -> Vec<DeskPlan> {
    let all = &f.value.desks;
    count(cx, id, f, "desks", all.len(), DESKS_MAX);
    let links: usize = all.iter().map(|d| d.get_ref().links.len()).sum();
    if links > LINKS_MAX {
        let message = format!("has {links} links over all desks, at most {LINKS_MAX}");
        cx.error(
            id,
            0..0,
            "desks.links",
            message,
            "configure fewer".to_owned(),
        );
    }
    let mut desk_names = std::mem::take(&mut cx.desks);
    let mut link_names = Names::default();
    let mut first_io = None;
    let mut identities = HashMap::new();
    let mut plans = Vec::with_capacity(all.len());
    for (at, desk) in all.iter().enumerate() {
        let t = desk.get_ref();
        let mut s = Section::new(cx, id, "desks", desk.span(), &f.refused);
        let name = s.text("name", &t.name);
        define(&mut s, &mut desk_names, &name, at, &t.name);
        let acknowledge_timeout_ms =
            s.number("acknowledge_timeout_ms", &t.acknowledge_timeout_ms) as u32;
        let durability = s.choice("durability", &t.durability);
        let links_refused = f.refused.contains(&(desk.span().start, "links".to_owned()));
        if t.links.is_empty() && !links_refused {
            let help = "write [[desks.links]] with name, address and target_comp_id below it";
            cx.error(
                id,
                desk.span(),
                "desks.links",
                "is missing: a desk needs a link".to_owned(),
                help.to_owned(),
            );
        }
        let mut links = Vec::with_capacity(t.links.len());
        for link in &t.links {
            let mut s = Section::new(cx, id, "desks.links", link.span(), &f.refused);
            let plan = link_plan(&mut s, link.get_ref());
            let t = link.get_ref();
            define(&mut s, &mut link_names, &plan.name, 0, &t.name);
            let identity = (
                plan.address,
                plan.fix.sender_comp_id,
                plan.fix.target_comp_id,
            );
            one_io(
                &mut s,
                &t.io,
                plan.io,
                Some(*first_io.get_or_insert(plan.io)),
            );
            let complete = t.address.is_some() && t.target_comp_id.is_some();
            if let Some(first) = identities
                .insert(identity, plan.name.clone())
                .filter(|_| complete)
            {
                let message =
                    format!("makes the same session at the same address as link \"{first}\"");
                let help = "one session has one connection: change `sender_comp_id`, `target_comp_id` or `address`";
                s.contradicts("target_comp_id", &t.target_comp_id, message, help);
            }
            links.push(plan);
        }
        plans.push(DeskPlan {
            name,
            links,
            acknowledge_timeout_ms,
            durability,
        });
    }
    cx.desks = desk_names;
    plans
}

/// All listeners share one set of sockets, and so do all links.
fn one_io(s: &mut Section, item: &Item<String>, io: Io, first: Option<Io>) {
    if let Some(first) = first.filter(|&first| first != io) {
        let message = format!("differs from the first one's: {io:?}, not {first:?}").to_lowercase();
        s.contradicts("io", item, message, "write the same `io` for all of them");
    }
}

fn link_plan(s: &mut Section, t: &file::Link) -> LinkPlan {
    let address = s.address("address", &t.address);
    if t.address
        .as_ref()
        .is_some_and(|a| a.get_ref().ends_with(":0"))
    {
        let message = "has port 0, to which nobody can connect".to_owned();
        s.contradicts(
            "address",
            &t.address,
            message,
            "name the port where the desk listens",
        );
    }
    let errors = s.cx.errors();
    let version = s.fix_version(&t.fix_version);
    let heartbeat_interval_s = s.number("heartbeat_interval_s", &t.heartbeat_interval_s) as u32;
    let keys = messages::Keys {
        dictionary: &t.dictionary,
        application_dictionary: &t.application_dictionary,
        unchecked: &t.unchecked,
        timestamp_precision: &t.timestamp_precision,
        next_expected_msg_seq_num: &t.next_expected_msg_seq_num,
        last_msg_seq_num_processed: &t.last_msg_seq_num_processed,
    };
    let mut plan = LinkPlan {
        name: s.text("name", &t.name),
        address,
        io: s.choice("io", &t.io),
        fix: FixPlan {
            sender_comp_id: s.comp_id("sender_comp_id", &t.sender_comp_id),
            target_comp_id: s.comp_id("target_comp_id", &t.target_comp_id),
            heartbeat_interval_s,
            heartbeat_interval_min_s: heartbeat_interval_s,
            heartbeat_interval_max_s: heartbeat_interval_s,
            sending_time_tolerance_s: s
                .number("sending_time_tolerance_s", &t.sending_time_tolerance_s)
                as u32,
            reset_on_logon: s.flag("reset_on_logon", &t.reset_on_logon),
            reset_on_logout: s.flag("reset_on_logout", &t.reset_on_logout),
            reset_on_disconnect: s.flag("reset_on_disconnect", &t.reset_on_disconnect),
            logout_timeout_s: s.number("logout_timeout_s", &t.logout_timeout_s) as u32,
            schedule: s.schedule("schedule", &t.schedule),
            ..FixPlan::new(version, b"", b"")
        },
        reconnect_min_ms: s.number("reconnect_min_ms", &t.reconnect_min_ms) as u32,
        reconnect_max_ms: s.number("reconnect_max_ms", &t.reconnect_max_ms) as u32,
        window: s.number("window", &t.window) as usize,
    };
    messages::settle(s, &keys, DictionaryPlan::None, &mut plan.fix);
    if plan.reconnect_min_ms > plan.reconnect_max_ms && s.cx.errors() == errors {
        let (min, max) = (plan.reconnect_min_ms, plan.reconnect_max_ms);
        let message = format!("is above reconnect_max_ms: {min} > {max}");
        let item = if t.reconnect_min_ms.is_some() {
            &t.reconnect_min_ms
        } else {
            &t.reconnect_max_ms
        };
        s.contradicts(
            "reconnect_min_ms",
            item,
            message,
            "lower it, or raise reconnect_max_ms",
        );
    }
    plan
}

/// Takes a name in, or reports the one before it.
pub fn define(s: &mut Section, names: &mut Names, name: &str, index: usize, item: &Item<String>) {
    if item.is_none() {
        names.incomplete = true;
        return;
    }
    if let Some(first) = names.define(name, index, s.place(item)) {
        let line = s.cx.diagnostics.line(&first);
        let message = format!("is used twice: \"{name}\", first in line {line}");
        s.contradicts("name", item, message, "give each its own name");
    }
}

/// At least one table, and not too many.
fn count(
    cx: &mut Context,
    id: FileId,
    f: &Parsed<GatewayFile>,
    name: &str,
    count: usize,
    max: usize,
) {
    let refused = f.broken || f.refused.contains(&(0, name.to_owned()));
    if count == 0 && !refused {
        let message = format!("is missing: there must be at least one [[{name}]]");
        let help = format!("write [[{name}]] with its keys; see docs/CONFIGURATION.md");
        cx.error(id, 0..0, name, message, help);
    }
    if count > max {
        let message = format!("has {count} entries, at most {max}");
        cx.error(id, 0..0, name, message, "configure fewer".to_owned());
    }
}
