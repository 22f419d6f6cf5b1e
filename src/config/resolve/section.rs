//! One TOML table while it is resolved: takes a value, or its default, and checks it against its row of the catalogue.
//!
//! After an error a value within the bounds is handed back, so that the rest can go on. Cold code.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::{Context, shown};
use crate::config::calendar;
use crate::config::diagnostics::{FileId, Place};
use crate::config::file::{Item, join};
use crate::config::keys::{self, Key, Kind, Preset};
use crate::config::plan::Network;
use crate::domain::{FixVersion, Schedule, Text};
use std::sync::Arc;

/// A table.
pub struct Section<'a, 'b> {
    pub cx: &'a mut Context<'b>,
    file: FileId,
    name: &'static str,
    span: Range<usize>,
    refused: &'a HashSet<(usize, String)>,
}

impl<'a, 'b> Section<'a, 'b> {
    /// `span` is where the table stands, for keys that are missing.
    pub fn new(
        cx: &'a mut Context<'b>,
        file: FileId,
        name: &'static str,
        span: Range<usize>,
        refused: &'a HashSet<(usize, String)>,
    ) -> Self {
        Self {
            cx,
            file,
            name,
            span,
            refused,
        }
    }

    /// FIX version.
    pub fn fix_version(&mut self, item: &Item<String>) -> FixVersion {
        let word = self.word("fix_version", item);
        FixVersion::from_name(&word).unwrap_or(FixVersion::Fix44)
    }

    /// Whole number.
    pub fn number(&mut self, name: &str, item: &Item<i64>) -> u64 {
        let key = self.key(name);
        let Some(item) = item else {
            return match key.preset {
                Preset::Number(n) => n,
                _ => self.missing(key, 1),
            };
        };
        let (min, max, power) = match key.kind {
            Kind::Number(min, max) => (min, max, false),
            Kind::PowerOfTwo(min, max) => (min, max, true),
            _ => unreachable!("{name} is no number in the catalogue"),
        };
        let value = *item.get_ref();
        match u64::try_from(value) {
            Ok(n) if (min..=max).contains(&n) && (!power || n.is_power_of_two()) => n,
            _ => {
                let nearest = value.clamp(min as i64, max as i64) as u64;
                let hint = match power {
                    true => format!(", such as {}", nearest.next_power_of_two().min(max)),
                    false => String::new(),
                };
                let help = format!("write {}{hint}", key.wanted());
                let what = match power && nearest as i64 == value {
                    true => format!("is no power of two: {value}"),
                    false => format!("is out of bounds: {value}"),
                };
                self.wrong(key, item.span(), what, help);
                min
            }
        }
    }

    /// True or false.
    pub fn flag(&mut self, name: &str, item: &Item<bool>) -> bool {
        match (item, self.key(name).preset) {
            (Some(item), _) => *item.get_ref(),
            (None, Preset::Flag(preset)) => preset,
            (None, _) => unreachable!("{name} is no flag in the catalogue"),
        }
    }

    /// One of the words; handed on to `T`'s own names.
    pub fn choice<T: serde::de::DeserializeOwned>(&mut self, name: &str, item: &Item<String>) -> T {
        let word = self.word(name, item);
        serde_json::from_value(serde_json::Value::String(word.clone()))
            .unwrap_or_else(|_| unreachable!("{word} of the catalogue is unknown to the plan"))
    }

    /// One of the words, as text.
    pub fn word(&mut self, name: &str, item: &Item<String>) -> String {
        let key = self.key(name);
        let Kind::Choice(words) = key.kind else {
            unreachable!("{name} is no choice in the catalogue")
        };
        let Preset::Text(preset) = key.preset else {
            unreachable!("{name} has no default in the catalogue")
        };
        let Some(item) = item else {
            return preset.to_owned();
        };
        if words.contains(&item.get_ref().as_str()) {
            return item.get_ref().clone();
        }
        let help = match crate::config::suggest::nearest(item.get_ref(), words.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"? write {}", key.wanted()),
            None => format!("write {}", key.wanted()),
        };
        let message = format!("is no known word: {}", shown(item.get_ref()));
        self.wrong(key, item.span(), message, help);
        preset.to_owned()
    }

    /// Name or CompID.
    pub fn text(&mut self, name: &str, item: &Item<String>) -> String {
        let key = self.key(name);
        let Some(item) = item else {
            return match key.preset {
                Preset::Text(preset) => preset.to_owned(),
                _ => self.missing(key, String::new()),
            };
        };
        let Kind::Name(bytes_max) = key.kind else {
            unreachable!("{name} is no name in the catalogue")
        };
        if let Some(problem) = name_problem(item.get_ref(), bytes_max) {
            let help = format!("write {}", key.wanted());
            self.wrong(key, item.span(), problem, help);
        }
        item.get_ref().clone()
    }

    /// CompID.
    pub fn comp_id(&mut self, name: &str, item: &Item<String>) -> Text<31> {
        Text::cut(self.text(name, item).as_bytes())
    }

    /// IP address and port.
    pub fn address(&mut self, name: &str, item: &Item<String>) -> SocketAddr {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let key = self.key(name);
        let Some(item) = item else {
            return self.missing(key, nowhere);
        };
        item.get_ref().parse().unwrap_or_else(|_| {
            let help = format!("write {}; host names are not looked up", key.wanted());
            let message = format!("is no address: {}", shown(item.get_ref()));
            self.wrong(key, item.span(), message, help);
            nowhere
        })
    }

    /// Path, from the directory of the configuration.
    pub fn path(&mut self, name: &str, item: &Item<String>) -> PathBuf {
        let key = self.key(name);
        let Preset::Text(preset) = key.preset else {
            unreachable!("{name} has no default in the catalogue")
        };
        let text = item.as_ref().map_or(preset, |item| item.get_ref().as_str());
        if let Some(item) = item
            && (text.is_empty() || text.contains('\0'))
        {
            let help = format!("write {}", key.wanted());
            self.wrong(key, item.span(), "is no path".to_owned(), help);
        }
        self.cx.directory.join(Path::new(text))
    }

    /// Path, likewise, or none.
    pub fn optional_path(&mut self, name: &str, item: &Item<String>) -> Option<PathBuf> {
        let key = self.key(name);
        let text = item.as_ref()?.get_ref();
        if text.is_empty() || text.contains('\0') {
            let help = format!("write {}", key.wanted());
            self.contradicts(name, item, "is no path".to_owned(), &help);
            return None;
        }
        Some(self.cx.directory.join(Path::new(text)))
    }

    /// Whether the file that a value names can be opened; else an error at the value.
    pub fn can_open(&mut self, name: &str, item: &Item<String>, path: &Path) -> bool {
        let problem = match std::fs::metadata(path) {
            // Opening could wait for ever.
            Ok(what) if !what.is_file() => "is no file".to_owned(),
            Ok(_) => match std::fs::File::open(path) {
                Ok(_) => return true,
                Err(error) => format!("cannot be read: {error}"),
            },
            Err(error) => format!("cannot be read: {error}"),
        };
        let message = format!("{problem}: {}", path.display());
        let help = "write that file, name another, or leave the key out";
        self.contradicts(name, item, message, help);
        false
    }

    /// Whole numbers with their places.
    pub fn numbers(
        &mut self,
        name: &str,
        item: &Item<Vec<Spanned<i64>>>,
    ) -> Vec<(u64, Range<usize>)> {
        let key = self.key(name);
        let Kind::Numbers(min, max) = key.kind else {
            unreachable!("{name} is no list of numbers in the catalogue")
        };
        let mut numbers: Vec<(u64, Range<usize>)> = Vec::new();
        for one in item.iter().flat_map(|item| item.get_ref()) {
            let value = *one.get_ref();
            match u64::try_from(value) {
                Ok(n) if (min..=max).contains(&n) => numbers.push((n, one.span())),
                _ => {
                    let help = format!("write {}", key.wanted());
                    self.wrong(key, one.span(), format!("is out of bounds: {value}"), help);
                }
            }
        }
        numbers
    }

    /// Address ranges.
    pub fn networks(&mut self, name: &str, item: &Item<Vec<Spanned<String>>>) -> Vec<Network> {
        let key = self.key(name);
        let mut networks = Vec::new();
        for one in item.iter().flat_map(|item| item.get_ref()) {
            match network(one.get_ref()) {
                Some(network) => networks.push(network),
                None => {
                    let help = format!("write {}", key.wanted());
                    let message = format!("is no address range: {}", shown(one.get_ref()));
                    self.wrong(key, one.span(), message, help);
                }
            }
        }
        networks
    }

    /// One of the words, or nothing.
    pub fn optional_word(&mut self, name: &str, item: &Item<String>) -> Option<&'static str> {
        let key = self.key(name);
        let Kind::Choice(words) = key.kind else {
            unreachable!("{name} is no choice in the catalogue")
        };
        let item = item.as_ref()?;
        self.one_of(key, words, item)
    }

    /// Some of the words.
    pub fn words(&mut self, name: &str, item: &Item<Vec<Spanned<String>>>) -> Vec<&'static str> {
        let key = self.key(name);
        let Kind::Words(words) = key.kind else {
            unreachable!("{name} is no list of words in the catalogue")
        };
        let list = item.iter().flat_map(|item| item.get_ref());
        list.filter_map(|one| self.one_of(key, words, one))
            .collect()
    }

    fn one_of(
        &mut self,
        key: &Key,
        words: &'static [&'static str],
        item: &Spanned<String>,
    ) -> Option<&'static str> {
        let wanted = item.get_ref().as_str();
        let found = words.iter().find(|word| **word == wanted);
        if found.is_none() {
            let help = format!("write {}", key.wanted());
            let message = format!("is no known word: {}", shown(wanted));
            self.wrong(key, item.span(), message, help);
        }
        found.copied()
    }

    /// Time of day.
    pub fn time(&mut self, name: &str, item: &Item<String>) -> jiff::civil::Time {
        let key = self.key(name);
        let midnight = jiff::civil::Time::midnight();
        let Some(item) = item else {
            return self.missing(key, midnight);
        };
        calendar::time(item.get_ref()).unwrap_or_else(|| {
            let help = format!("write {}", key.wanted());
            let message = format!("is no time of day: {}", shown(item.get_ref()));
            self.wrong(key, item.span(), message, help);
            midnight
        })
    }

    /// The schedule of that name, where one is named.
    pub fn schedule(&mut self, name: &str, item: &Item<String>) -> Option<Arc<Schedule>> {
        let wanted = item.as_ref()?.get_ref();
        if let Some(found) = self.cx.schedules.get(wanted) {
            return self.cx.schedule_tables.get(found as usize).cloned();
        }
        let full = self.cx.diagnostics.is_full();
        if let Some((message, help)) = self.cx.schedules.unknown(wanted, "schedule", full) {
            self.contradicts(name, item, message, &help);
        }
        None
    }

    /// An error at a value of this table.
    pub fn wrong(&mut self, key: &Key, span: Range<usize>, message: String, help: String) {
        let path = join(self.name, key.name);
        self.cx.error(self.file, span, &path, message, help);
    }

    /// An error at a value of this table, by name; at the table where the value is a default.
    pub fn contradicts<T>(&mut self, name: &str, item: &Item<T>, message: String, help: &str) {
        let span = self.span_of(item);
        let key = self.key(name);
        self.wrong(key, span, message, help.to_owned());
    }

    /// A warning, placed likewise.
    pub fn doubtful<T>(&mut self, name: &str, item: &Item<T>, message: String, help: &str) {
        let span = self.span_of(item);
        let path = join(self.name, name);
        self.cx
            .warn(self.file, span, &path, message, help.to_owned());
    }

    /// Place of a value, or of the table.
    pub fn place<T>(&self, item: &Item<T>) -> Place {
        Place {
            file: self.file,
            span: self.span_of(item),
        }
    }

    fn span_of<T>(&self, item: &Item<T>) -> Range<usize> {
        item.as_ref().map_or(self.span.clone(), Spanned::span)
    }

    fn key(&self, name: &str) -> &'static Key {
        keys::find(self.name, name)
            .unwrap_or_else(|| unreachable!("{}.{name} is not in the catalogue", self.name))
    }

    /// A required key that is not there: an error, unless it was refused before.
    pub fn missing<T>(&mut self, key: &Key, instead: T) -> T {
        if !self
            .refused
            .contains(&(self.span.start, key.name.to_owned()))
        {
            let help = format!("write {} = {}", key.name, key.example());
            self.wrong(key, self.span.clone(), "is missing".to_owned(), help);
        }
        instead
    }

    /// As [`Section::missing`], by name.
    pub fn absent(&mut self, name: &str) {
        let key = self.key(name);
        self.missing(key, ());
    }
}

/// What is wrong with a name; nothing where it can be used.
pub fn name_problem(name: &str, bytes_max: usize) -> Option<String> {
    if name.is_empty() {
        return Some("is empty".to_owned());
    }
    if name.len() > bytes_max {
        let bytes = name.len();
        return Some(format!("is too long: {bytes} bytes, at most {bytes_max}"));
    }
    let odd = name
        .chars()
        .find(|c| !c.is_ascii_graphic() || matches!(c, ',' | '"'))?;
    Some(format!("contains {odd:?}: {}", shown(name)))
}

/// `10.0.0.0/8`, or one address.
fn network(text: &str) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    let prefix_bits = match bits {
        Some(bits) if bits.bytes().all(|c| c.is_ascii_digit()) => bits.parse().ok()?,
        Some(_) => return None,
        None => bits_max,
    };
    (prefix_bits <= bits_max).then_some(Network {
        address,
        prefix_bits,
    })
}
