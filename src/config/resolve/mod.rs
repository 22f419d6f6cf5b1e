//! Resolves the files into the plan: defaults filled in, bounds checked, names turned into indices, contradictions found.
//!
//! Every part goes on after an error with a harmless value, so that all problems come to light at once; the plan is given out only
//! where there was none. What another file could not define is not reported again where it is used. Cold code.

mod clients;
mod drop_copy;
mod messages;
mod reference;
mod schedules;
mod section;
mod table;
mod topology;

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostics::{Diagnostics, FileId, Place};
use super::file::{self, ClientsFile, GatewayFile};
use super::plan::Plan;
use super::suggest;
use crate::domain::{AccountIndex, DeskIndex, Schedule};
use crate::limits::CONFIG_FILE_BYTES_MAX;
use section::Section;

/// Names that one file defines and others use.
#[derive(Default)]
pub(super) struct Names {
    index: HashMap<String, (u32, Place)>,
    /// Something that would have defined names could not be read.
    incomplete: bool,
}

impl Names {
    /// Takes a name in; the place of the first where it is there already.
    fn define(&mut self, name: &str, index: usize, place: Place) -> Option<Place> {
        match self.index.get(name) {
            Some((_, first)) => Some(first.clone()),
            None => {
                self.index.insert(name.to_owned(), (index as u32, place));
                None
            }
        }
    }

    fn get(&self, name: &str) -> Option<u32> {
        self.index.get(name).map(|(index, _)| *index)
    }

    /// What to say of a name that is not there; nothing where the definitions are incomplete, which has been said already.
    fn unknown(&self, name: &str, what: &str, full: bool) -> Option<(String, String)> {
        if self.incomplete {
            return None;
        }
        if full {
            return Some(Default::default()); // counted, not shown: no search among a million names
        }
        let near = suggest::nearest(name, self.index.keys().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("define it, or name a known {what}"),
        };
        Some((format!("names no known {what}: {}", shown(name)), help))
    }
}

/// Everything that the parts share.
pub(super) struct Context<'a> {
    diagnostics: &'a mut Diagnostics,
    directory: PathBuf,
    cores_online: &'a [usize],
    clients: Names,
    desks: Names,
    accounts: Names,
    instruments: Names,
    schedules: Names,
    schedule_tables: Vec<Arc<Schedule>>,
}

/// Text of the operator in a message: quoted, not longer than a line holds.
pub(super) fn shown(text: &str) -> String {
    match text.chars().count() > 40 {
        true => format!("{:?}...", text.chars().take(40).collect::<String>()),
        false => format!("{text:?}"),
    }
}

/// Reads and resolves everything.
pub fn resolve(main: &Path, cores_online: &[usize]) -> (Option<Plan>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let plan = plan(main, cores_online, &mut diagnostics);
    diagnostics.sort();
    let plan = plan.filter(|_| !diagnostics.has_errors());
    (plan, diagnostics)
}

fn plan(main: &Path, cores_online: &[usize], diagnostics: &mut Diagnostics) -> Option<Plan> {
    let main_file = read(
        diagnostics,
        main,
        "write it (the sample is systemd/etc/gatehouse/gatehouse.toml), or name another directory",
    )?;
    let gateway = file::parse::<GatewayFile>(diagnostics, main_file, "");
    let mut cx = Context {
        diagnostics,
        directory: main.parent().unwrap_or(Path::new(".")).to_owned(),
        cores_online,
        clients: Names::default(),
        desks: Names::default(),
        accounts: Names::default(),
        instruments: Names::default(),
        schedules: Names::default(),
        schedule_tables: Vec::new(),
    };
    cx.desks.incomplete = gateway.broken
        || gateway
            .refused
            .iter()
            .any(|(_, key)| key == "desks" || key == "name");

    let value = &gateway.value;
    let mut top = Section::new(&mut cx, main_file, "", 0..0, &gateway.refused);
    let name = top.text("name", &value.name);
    let files = topology::files(&mut cx, main_file, &value.files, &gateway.refused);
    let threads = topology::threads(&mut cx, main_file, value, &gateway.refused);
    let state = topology::state(&mut cx, main_file, value, &gateway.refused);
    let control = topology::control(&mut cx, main_file, value, &gateway.refused);
    let schedules = schedules::schedules(&mut cx, main_file, &gateway);
    let listeners = topology::listeners(&mut cx, main_file, &gateway);
    let desks = topology::desks(&mut cx, main_file, &gateway);

    let clients_file = cx.read_named(&files.clients, "clients");
    let parsed =
        clients_file.map(|id| file::parse::<ClientsFile>(cx.diagnostics, id, "clients file"));
    let client_names = match (clients_file, &parsed) {
        (Some(id), Some(parsed)) => clients::names(&mut cx, id, parsed),
        _ => Vec::new(),
    };
    cx.clients.incomplete |= parsed.as_ref().is_none_or(|p| p.broken);

    let instruments_file = cx.read_named(&files.instruments, "instruments");
    let instruments = reference::instruments(&mut cx, instruments_file);
    let accounts_file = cx.read_named(&files.accounts, "accounts");
    let accounts = reference::accounts(&mut cx, accounts_file);
    let positions_file = cx.read_named(&files.positions, "positions");
    let positions = reference::positions(&mut cx, positions_file);

    let sessions = match (clients_file, &parsed) {
        (Some(id), Some(parsed)) => clients::sessions(&mut cx, id, parsed, &accounts),
        _ => Vec::new(),
    };
    topology::check_listeners(&mut cx, main_file, &gateway, &listeners, &sessions);

    let mut plan = Plan {
        name,
        threads,
        state,
        control,
        schedules,
        listeners,
        clients: client_names,
        sessions,
        desks,
        instruments,
        account_desks: accounts.iter().map(|(_, desk)| *desk).collect(),
        accounts: accounts.into_iter().map(|(account, _)| account).collect(),
        positions,
    };
    plan.spread_durability();
    Some(plan)
}

impl Context<'_> {
    /// A file that `[files]` names.
    fn read_named(&mut self, path: &Path, key: &str) -> Option<FileId> {
        let help = format!("write it, or name another with `{key}` in [files] of gatehouse.toml");
        read(self.diagnostics, path, &help)
    }

    /// Errors so far: who checks contradictions between values asks first whether the values themselves were good.
    fn errors(&self) -> usize {
        self.diagnostics.counts().0
    }

    fn error(
        &mut self,
        file: FileId,
        span: std::ops::Range<usize>,
        key: &str,
        message: String,
        help: String,
    ) {
        self.diagnostics
            .error(Place { file, span }, key, message, help);
    }

    fn warn(
        &mut self,
        file: FileId,
        span: std::ops::Range<usize>,
        key: &str,
        message: String,
        help: String,
    ) {
        self.diagnostics
            .warn(Place { file, span }, key, message, help);
    }
}

/// Reads a file whole; what stands in the way is reported.
fn read(diagnostics: &mut Diagnostics, path: &Path, help: &str) -> Option<FileId> {
    let outcome = read_bytes(path);
    let (problem, help) = match outcome {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Some(diagnostics.add_source(path, text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let file = diagnostics.add_source(path, text);
                let place = Place {
                    file,
                    span: at..at + 1,
                };
                let help = "save the file as UTF-8".to_owned();
                diagnostics.error(place, "", "is not UTF-8 here".to_owned(), help);
                return None;
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => (
            format!("is larger than {CONFIG_FILE_BYTES_MAX} bytes"),
            "split off what is not needed".to_owned(),
        ),
        Err(error) => (format!("cannot be read: {error}"), help.to_owned()),
    };
    let file = diagnostics.add_source(path, String::new());
    let place = Place { file, span: 0..0 };
    diagnostics.error(place, "", format!("{} {problem}", path.display()), help);
    None
}

fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(CONFIG_FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > CONFIG_FILE_BYTES_MAX {
        true => Err(std::io::ErrorKind::FileTooLarge.into()),
        false => Ok(bytes),
    }
}

/// Index types of names that were resolved.
fn desk_index(index: Option<u32>) -> DeskIndex {
    DeskIndex(index.unwrap_or(0))
}

fn account_index(index: Option<u32>) -> AccountIndex {
    AccountIndex(index.unwrap_or(0))
}
