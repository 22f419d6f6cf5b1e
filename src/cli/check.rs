//! `gatehouse check`: proves a configuration before it is used. Reads files, touches nothing else.
//!
//! Exit code 0 with a summary (warnings on stderr), 2 with everything that is wrong.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::Diagnostics;
use crate::config::plan::{Io, Plan};

/// Where the configuration of an installed gateway is.
pub const CONFIG_DIRECTORY: &str = "/etc/gatehouse";

/// Arguments of `gatehouse check`.
#[derive(clap::Args, Clone, Debug)]
pub struct CheckArgs {
    /// Directory of the configuration, or its gatehouse.toml
    #[arg(default_value = CONFIG_DIRECTORY)]
    pub path: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs it.
pub fn run(args: &CheckArgs) -> ExitCode {
    let (plan, diagnostics) = super::examine(&args.path);
    let text = if args.json {
        format!("{:#}\n", as_json(plan.as_ref(), &diagnostics))
    } else {
        eprint!("{}", diagnostics.render(styled(&io::stderr())));
        match &plan {
            Some(plan) => summary(&args.path, plan),
            None => {
                eprintln!("{}", verdict(&diagnostics));
                String::new()
            }
        }
    };
    if let Err(error) = super::show(&text) {
        return super::fail("cannot write", error);
    }
    ExitCode::from(if plan.is_some() { 0 } else { 2 })
}

/// Whether to use colours: a terminal, and the user has not said no.
pub fn styled(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn verdict(diagnostics: &Diagnostics) -> String {
    let (errors, warnings) = diagnostics.counts();
    format!(
        "gatehouse check: {errors} errors, {warnings} warnings; the configuration cannot be used"
    )
}

fn as_json(plan: Option<&Plan>, diagnostics: &Diagnostics) -> Value {
    let (errors, warnings) = diagnostics.counts();
    json!({
        "ok": plan.is_some(),
        "error_count": errors,
        "warning_count": warnings,
        "errors": diagnostics.errors().collect::<Vec<_>>(),
        "warnings": diagnostics.warnings().collect::<Vec<_>>(),
        "plan": plan.map(plan_json),
    })
}

fn plan_json(plan: &Plan) -> Value {
    json!({
        "name": plan.name,
        "threads": {
            "layout": plan.threads.layout,
            "idle": plan.threads.idle,
            "cores": plan.threads.cores,
            "lock_memory": plan.threads.lock_memory,
            "ring_slots": plan.threads.ring_slots,
        },
        "state": {
            "log_directory": plan.state.log_directory,
            "staging_directory": plan.state.staging_directory,
            "staging_bytes": plan.state.staging_bytes,
            "status_file": plan.state.status_file,
            "control_socket": plan.state.control_socket,
            "requests_per_day_max": plan.state.requests_per_day_max,
            "executions_per_day_max": plan.state.executions_per_day_max,
        },
        "listeners": plan.listeners.iter().map(|l| json!({
            "name": l.name, "address": l.address, "io": l.io, "connections_max": l.connections_max,
        })).collect::<Vec<_>>(),
        "clients": plan.clients.iter().map(|c| &c.name).collect::<Vec<_>>(),
        "sessions": plan.sessions.iter().map(|s| json!({
            "name": s.name,
            "client": plan.clients[s.client.get()].name,
            "fix_version": s.fix.version.name(),
            "sender_comp_id": s.fix.sender_comp_id.to_string_lossy(),
            "target_comp_id": s.fix.target_comp_id.to_string_lossy(),
            "accounts": s.accounts.len(),
            "drop_copy": s.drop_copy.as_ref().map(|copy| json!({
                "sessions": copy.sessions.len(), "accounts": copy.accounts.len(),
            })),
        })).collect::<Vec<_>>(),
        "desks": plan.desks.iter().map(|d| json!({
            "name": d.name,
            "links": d.links.iter().map(|l| json!({
                "name": l.name, "address": l.address, "io": l.io,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "accounts": plan.accounts.len(),
        "instruments": plan.instruments.len(),
        "positions": plan.positions.len(),
    })
}

/// Rows of a table, the first one its heading.
type Rows = Vec<Vec<String>>;

fn summary(path: &Path, plan: &Plan) -> String {
    let mut out = format!("{}: good, as \"{}\"\n", path.display(), plan.name);
    table(&mut out, listeners(plan));
    table(&mut out, sessions(plan));
    table(&mut out, links(plan));
    let rows = [
        ("clients", plan.clients.len()),
        ("accounts", plan.accounts.len()),
        ("instruments", plan.instruments.len()),
        ("positions", plan.positions.len()),
    ];
    let heading = [cells(["REFERENCE DATA", "COUNT"])];
    let rows = rows.map(|(name, count)| cells([name, &count.to_string()]));
    table(&mut out, heading.into_iter().chain(rows).collect());
    table(&mut out, running(plan));
    out
}

fn listeners(plan: &Plan) -> Rows {
    let mut rows = vec![cells(["LISTENER", "ADDRESS", "IO", "CONNECTIONS"])];
    rows.extend(plan.listeners.iter().map(|l| {
        let (address, most) = (l.address.to_string(), l.connections_max.to_string());
        cells([&l.name, &address, io_name(l.io), &most])
    }));
    rows
}

fn sessions(plan: &Plan) -> Rows {
    let mut rows = vec![cells([
        "SESSION", "CLIENT", "FIX", "OURS", "THEIRS", "ACCOUNTS", "RATE/S", "SOURCES",
    ])];
    rows.extend(plan.sessions.iter().map(|s| {
        let rate = match s.messages_per_second {
            0 => "-".to_owned(),
            rate => rate.to_string(),
        };
        let sources: Vec<_> = s
            .allowed_sources
            .iter()
            .map(|n| format!("{}/{}", n.address, n.prefix_bits))
            .collect();
        vec![
            s.name.clone(),
            plan.clients[s.client.get()].name.clone(),
            s.fix.version.name().to_owned(),
            s.fix.sender_comp_id.to_string_lossy(),
            s.fix.target_comp_id.to_string_lossy(),
            match s.drop_copy {
                Some(_) => "copies".to_owned(),
                None => s.accounts.len().to_string(),
            },
            rate,
            if sources.is_empty() {
                "any".to_owned()
            } else {
                sources.join(" ")
            },
        ]
    }));
    rows
}

fn links(plan: &Plan) -> Rows {
    let mut rows = vec![cells([
        "DESK", "LINK", "ADDRESS", "IO", "OURS", "THEIRS", "WINDOW", "ACCOUNTS",
    ])];
    for (index, desk) in plan.desks.iter().enumerate() {
        let books = plan
            .account_desks
            .iter()
            .filter(|d| d.get() == index)
            .count();
        rows.extend(desk.links.iter().map(|l| {
            vec![
                desk.name.clone(),
                l.name.clone(),
                l.address.to_string(),
                io_name(l.io).to_owned(),
                l.fix.sender_comp_id.to_string_lossy(),
                l.fix.target_comp_id.to_string_lossy(),
                l.window.to_string(),
                books.to_string(),
            ]
        }));
    }
    rows
}

fn running(plan: &Plan) -> Rows {
    let (threads, state) = (&plan.threads, &plan.state);
    let cores = match threads.cores.is_empty() {
        true => "not pinned".to_owned(),
        false => format!("cores {:?}", threads.cores),
    };
    let mode = format!("{:?}, {:?}", threads.layout, threads.idle).to_lowercase();
    let mib = state.staging_bytes >> 20;
    vec![
        cells(["RUNNING", ""]),
        cells([
            "threads",
            &format!("{mode}, {cores}, rings of {}", threads.ring_slots),
        ]),
        cells(["logs", &state.log_directory.display().to_string()]),
        cells([
            "staging",
            &format!("{}, 3 x {mib} MiB", state.staging_directory.display()),
        ]),
        cells(["status", &state.status_file.display().to_string()]),
        cells(["control", &state.control_socket.display().to_string()]),
    ]
}

fn io_name(io: Io) -> &'static str {
    match io {
        Io::Auto => "auto",
        Io::Uring => "uring",
        Io::Poll => "poll",
    }
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// Appends rows with aligned columns, behind an empty line.
fn table(out: &mut String, rows: Rows) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |at: usize| {
        rows.iter()
            .map(|row| row[at].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    out.push('\n');
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}
