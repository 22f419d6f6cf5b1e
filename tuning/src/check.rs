//! Reading a host and comparing it with a profile. Writes nothing.
//!
//! One finding per knob: good, wrong (with what was found), or unknown where the host does not show it.

use super::host::{Host, chosen};
use super::profiles::{Kind, Knob, Profile};

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// As wanted.
    Good,
    /// Not as wanted.
    Wrong,
    /// This host does not show it: no such knob in this kernel, or hidden by a container.
    Unknown,
    /// Nothing to read: for people.
    Advice,
}

impl Verdict {
    /// For tables and `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
            Self::Advice => "advice",
        }
    }
}

/// One knob on one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which
    pub knob: &'static Knob,
    /// Good or not
    pub verdict: Verdict,
    /// What is there, for people; empty where nothing could be read
    pub found: String,
}

impl Finding {
    /// Whether `apply` can put it right.
    pub fn can_apply(&self) -> bool {
        self.verdict == Verdict::Wrong
            && matches!(self.knob.kind, Kind::Set { .. } | Kind::AtLeast { .. })
    }
}

/// Every knob of the profile, in its order.
pub fn check(host: &Host, profile: &Profile) -> Vec<Finding> {
    let findings = profile.knobs.iter().map(|knob| {
        let (verdict, found) = look(host, knob);
        Finding {
            knob,
            verdict,
            found,
        }
    });
    findings.collect()
}

fn look(host: &Host, knob: &Knob) -> (Verdict, String) {
    match knob.kind {
        Kind::Set { file, value } => every(host, file, |found| found == value),
        Kind::AtLeast { file, value } => every(host, file, |found| {
            found.parse::<i64>().is_ok_and(|found| found >= value)
        }),
        Kind::Boot { word } => boot(host, word),
        Kind::Limit { name, value } => limit(host, name, value),
        Kind::Tmpfs { mount, bytes } => tmpfs(host, mount, bytes),
        Kind::Advice => (Verdict::Advice, String::new()),
    }
}

fn judged(good: bool, found: impl Into<String>) -> (Verdict, String) {
    let verdict = if good { Verdict::Good } else { Verdict::Wrong };
    (verdict, found.into())
}

const UNKNOWN: (Verdict, String) = (Verdict::Unknown, String::new());

/// All files of the pattern; the first wrong one is named.
fn every(host: &Host, pattern: &str, right: impl Fn(&str) -> bool) -> (Verdict, String) {
    let mut first = None;
    for file in host.expand(pattern) {
        let Some(text) = host.read(&file) else {
            continue;
        };
        // A host without SMT has nothing to switch off.
        let value = match chosen(&text) {
            "notsupported" | "notimplemented" | "forceoff" => "off",
            value => value,
        };
        if !right(value) {
            let found = if pattern.contains('*') {
                format!("{value} in {file}")
            } else {
                value.to_owned()
            };
            return judged(false, found);
        }
        first.get_or_insert(value.to_owned());
    }
    first.map_or(UNKNOWN, |value| judged(true, value))
}

fn boot(host: &Host, word: &str) -> (Verdict, String) {
    let words = host.command_line();
    if words.is_empty() {
        return UNKNOWN;
    }
    let named = words
        .iter()
        .find_map(|w| w.strip_prefix(word)?.strip_prefix('='));
    match named {
        Some(value) => judged(!value.is_empty(), value),
        None => judged(false, "not on the kernel's command line"),
    }
}

fn limit(host: &Host, name: &str, least: u64) -> (Verdict, String) {
    let text = host.read("/proc/self/limits").unwrap_or_default();
    let soft = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    match soft {
        None => UNKNOWN,
        Some("unlimited") => judged(true, "unlimited"),
        Some(value) => judged(value.parse().is_ok_and(|value: u64| value >= least), value),
    }
}

fn tmpfs(host: &Host, mount: &str, least: u64) -> (Verdict, String) {
    let mounts = host.read("/proc/mounts").unwrap_or_default();
    let Some(line) = mounts
        .lines()
        .rfind(|line| line.split(' ').nth(1) == Some(mount))
    else {
        return UNKNOWN;
    };
    let mut fields = line.split(' ').skip(2);
    if fields.next() != Some("tmpfs") {
        return judged(false, "not a tmpfs");
    }
    let options = fields.next().unwrap_or_default();
    let size = options.split(',').find_map(|o| o.strip_prefix("size="));
    match size.and_then(bytes_of) {
        Some(bytes) => judged(bytes >= least, format!("{} MiB", bytes >> 20)),
        None => {
            // Half the memory, where no size is named.
            let memory = host.read("/proc/meminfo").unwrap_or_default();
            let total = memory.lines().find_map(|line| {
                line.strip_prefix("MemTotal:")?
                    .split_whitespace()
                    .next()?
                    .parse::<u64>()
                    .ok()
            });
            total.map_or(UNKNOWN, |kib| {
                judged(kib * 512 >= least, format!("{} MiB", kib >> 11))
            })
        }
    }
}

/// `65536k`, `1g`, `1048576`.
fn bytes_of(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}
