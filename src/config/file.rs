//! The TOML files as the operator writes them: typed, every value with its place, nothing resolved yet.
//!
//! Every key is optional here; whether it must be there, its bounds and its default are `keys`' business. [`parse`] finds every
//! unknown key and every value of a wrong type: what serde refuses is reported, taken out, and the rest is read again. Cold code.

use std::collections::HashSet;
use std::ops::Range;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Diagnostics, FileId, Place};
use super::{keys, suggest};
use crate::limits::DIAGNOSTICS_MAX;

/// A value with its place, or none.
pub type Item<T> = Option<Spanned<T>>;

/// `gatehouse.toml`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)] // the keys are documented in `keys`
pub struct GatewayFile {
    pub name: Item<String>,
    pub files: Files,
    pub threads: Threads,
    pub state: State,
    pub control: Control,
    pub schedules: Vec<Spanned<Schedule>>,
    pub listeners: Vec<Spanned<Listener>>,
    pub desks: Vec<Spanned<Desk>>,
}

/// `[files]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Files {
    pub clients: Item<String>,
    pub instruments: Item<String>,
    pub accounts: Item<String>,
    pub positions: Item<String>,
}

/// `[threads]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Threads {
    pub layout: Item<String>,
    pub idle: Item<String>,
    pub cores: Item<Vec<Spanned<i64>>>,
    pub lock_memory: Item<bool>,
    pub ring_slots: Item<i64>,
}

/// `[state]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct State {
    pub log_directory: Item<String>,
    pub log_keep_days: Item<i64>,
    pub log_disk_max_bytes: Item<i64>,
    pub snapshot_every_records: Item<i64>,
    pub staging_directory: Item<String>,
    pub staging_bytes: Item<i64>,
    pub status_file: Item<String>,
    pub control_socket: Item<String>,
    pub requests_per_day_max: Item<i64>,
    pub executions_per_day_max: Item<i64>,
}

/// `[control]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Control {
    pub operators: Item<Vec<Spanned<i64>>>,
    pub two_persons: Item<bool>,
}

/// `[[schedules]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Schedule {
    pub name: Item<String>,
    pub time_zone: Item<String>,
    pub start: Item<String>,
    pub end: Item<String>,
    pub days: Item<Vec<Spanned<String>>>,
    pub start_day: Item<String>,
    pub end_day: Item<String>,
    pub holidays: Item<String>,
}

/// `[[listeners]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Listener {
    pub name: Item<String>,
    pub address: Item<String>,
    pub io: Item<String>,
    pub connections_max: Item<i64>,
    pub logon_timeout_s: Item<i64>,
}

/// `[[desks]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Desk {
    pub name: Item<String>,
    pub acknowledge_timeout_ms: Item<i64>,
    pub durability: Item<String>,
    pub links: Vec<Spanned<Link>>,
}

/// `[[desks.links]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Link {
    pub name: Item<String>,
    pub address: Item<String>,
    pub io: Item<String>,
    pub fix_version: Item<String>,
    pub sender_comp_id: Item<String>,
    pub target_comp_id: Item<String>,
    pub heartbeat_interval_s: Item<i64>,
    pub sending_time_tolerance_s: Item<i64>,
    pub reset_on_logon: Item<bool>,
    pub reset_on_logout: Item<bool>,
    pub reset_on_disconnect: Item<bool>,
    pub logout_timeout_s: Item<i64>,
    pub reconnect_min_ms: Item<i64>,
    pub reconnect_max_ms: Item<i64>,
    pub dictionary: Item<String>,
    pub application_dictionary: Item<String>,
    pub unchecked: Item<Vec<Spanned<String>>>,
    pub timestamp_precision: Item<String>,
    pub next_expected_msg_seq_num: Item<bool>,
    pub last_msg_seq_num_processed: Item<bool>,
    pub schedule: Item<String>,
    pub window: Item<i64>,
}

/// `clients.toml`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct ClientsFile {
    pub clients: Vec<Spanned<Client>>,
}

/// `[[clients]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Client {
    pub name: Item<String>,
    pub sessions: Vec<Spanned<Session>>,
}

/// `[[clients.sessions]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Session {
    pub name: Item<String>,
    pub fix_version: Item<String>,
    pub sender_comp_id: Item<String>,
    pub target_comp_id: Item<String>,
    pub accounts: Item<Vec<Spanned<String>>>,
    pub allowed_sources: Item<Vec<Spanned<String>>>,
    pub heartbeat_interval_min_s: Item<i64>,
    pub heartbeat_interval_max_s: Item<i64>,
    pub sending_time_tolerance_s: Item<i64>,
    pub reset_on_logon: Item<bool>,
    pub reset_on_logout: Item<bool>,
    pub reset_on_disconnect: Item<bool>,
    pub logout_timeout_s: Item<i64>,
    pub validate: Item<bool>,
    pub dictionary: Item<String>,
    pub application_dictionary: Item<String>,
    pub unchecked: Item<Vec<Spanned<String>>>,
    pub timestamp_precision: Item<String>,
    pub next_expected_msg_seq_num: Item<bool>,
    pub last_msg_seq_num_processed: Item<bool>,
    pub takeover_s: Item<i64>,
    pub schedule: Item<String>,
    pub messages_per_second: Item<i64>,
    pub message_burst: Item<i64>,
    pub pending_new: Item<bool>,
    pub cancel_on_disconnect: Item<bool>,
    pub durability_tag: Item<i64>,
    pub drop_copy_clients: Item<Vec<Spanned<String>>>,
    pub drop_copy_sessions: Item<Vec<Spanned<String>>>,
    pub drop_copy_accounts: Item<Vec<Spanned<String>>>,
}

/// What was read, and which keys were refused on the way (table's place and key), so that they are not also called missing.
pub struct Parsed<T> {
    /// The rest.
    pub value: T,
    /// Start of the table in the file, and key.
    pub refused: HashSet<(usize, String)>,
    /// Whether the text is no TOML at all: then what it would have defined is unknown.
    pub broken: bool,
}

/// Reads a file; `top` is the root for [`keys::names_in`].
pub fn parse<T: DeserializeOwned + Default>(
    diagnostics: &mut Diagnostics,
    file: FileId,
    top: &str,
) -> Parsed<T> {
    let text = diagnostics.text(file).to_owned();
    let mut parsed = Parsed {
        value: T::default(),
        refused: HashSet::new(),
        broken: false,
    };
    let (mut root, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let message = format!("is no TOML here: {}", error.message());
        let help = "see https://toml.io for the syntax".to_owned();
        diagnostics.error(Place { file, span }, "", message, help);
    }
    if !errors.is_empty() {
        parsed.broken = true;
        return parsed;
    }
    for _ in 0..=DIAGNOSTICS_MAX {
        let error = match T::deserialize(toml::de::Deserializer::from(root.clone())) {
            Ok(value) => {
                parsed.value = value;
                return parsed;
            }
            Err(error) => error,
        };
        let start = root.span().start;
        let span = error.span().unwrap_or(0..0);
        let Some(refused) = take_out(root.get_mut(), &span, top, start) else {
            diagnostics.error(
                Place { file, span },
                "",
                format!("cannot be used: {}", error.message()),
                "see docs/CONFIGURATION.md".to_owned(),
            );
            break;
        };
        refused.report(diagnostics, file, top);
        parsed.refused.insert((refused.table_start, refused.name));
    }
    parsed.broken = true;
    parsed
}

/// A key that serde did not take.
struct Refused {
    section: String,
    name: String,
    table_start: usize,
    key_span: Range<usize>,
    value_span: Range<usize>,
    found: &'static str,
}

impl Refused {
    fn report(&self, diagnostics: &mut Diagnostics, file: FileId, top: &str) {
        let section = match self.section == top {
            true => "",
            false => self.section.as_str(),
        };
        let path = join(section, &self.name);
        let known = keys::names_in(&self.section);
        if let Some(key) = keys::find(section, &self.name) {
            let place = Place {
                file,
                span: self.value_span.clone(),
            };
            let help = format!("write {}", key.wanted());
            let message = format!("has the wrong type: {}", self.found);
            return diagnostics.error(place, &path, message, help);
        }
        let place = Place {
            file,
            span: self.key_span.clone(),
        };
        if known.contains(&self.name.as_str()) {
            let (open, close) = match matches!(
                self.name.as_str(),
                "schedules" | "listeners" | "desks" | "links" | "clients" | "sessions"
            ) {
                true => ("[[", "]]"),
                false => ("[", "]"),
            };
            let help = format!("write {open}{path}{close} above its keys");
            return diagnostics.error(
                place,
                &path,
                format!("has the wrong type: {}", self.found),
                help,
            );
        }
        let elsewhere = keys::KEYS
            .iter()
            .find(|k| k.name == self.name && !k.section.ends_with(".csv"));
        let help = match (
            suggest::nearest(&self.name, known.iter().copied()),
            elsewhere,
        ) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(key)) => format!("it is a key of [{}]", key.section),
            (None, None) => format!("known here: {}", known.join(", ")),
        };
        diagnostics.error(place, &path, "is no known key".to_owned(), help);
    }
}

/// Takes the innermost entry at `span` out of the table.
fn take_out(
    table: &mut DeTable<'_>,
    span: &Range<usize>,
    section: &str,
    table_start: usize,
) -> Option<Refused> {
    for (key, value) in table.iter_mut() {
        let below = join(
            if section == "clients file" {
                ""
            } else {
                section
            },
            key.get_ref(),
        );
        let value_start = value.span().start;
        let inner = match value.get_mut() {
            DeValue::Table(inner) => take_out(inner, span, &below, value_start),
            DeValue::Array(items) => items.iter_mut().find_map(|item| {
                let start = item.span().start;
                match item.get_mut() {
                    DeValue::Table(inner) => take_out(inner, span, &below, start),
                    _ => None,
                }
            }),
            _ => None,
        };
        if inner.is_some() {
            return inner;
        }
    }
    let hit = |at: Range<usize>| at.start <= span.start && span.end <= at.end;
    let (key, value) = table
        .iter()
        .find(|(key, value)| hit(key.span()) || hit(value.span()))?;
    let refused = Refused {
        section: section.to_owned(),
        name: key.get_ref().to_string(),
        table_start,
        key_span: key.span(),
        value_span: value.span(),
        found: found(value.get_ref()),
    };
    let key = key.clone();
    table.remove(&key);
    Some(refused)
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "found text",
        DeValue::Integer(_) => "found a whole number",
        DeValue::Float(_) => "found a decimal number",
        DeValue::Boolean(_) => "found true or false",
        DeValue::Datetime(_) => "found a date or time",
        DeValue::Array(_) => "found a list",
        DeValue::Table(_) => "found a table",
    }
}

/// `section.name`, or the name where the section is the top.
pub fn join(section: &str, name: &str) -> String {
    match section {
        "" => name.to_owned(),
        _ => format!("{section}.{name}"),
    }
}
