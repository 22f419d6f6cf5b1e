//! Writing what can be written, and taking it back.
//!
//! The state file has one line per written file: path, former value, written value, with tabs. It is written, whole, before the
//! first change, so that a crash between leaves more than is needed to revert and never less. A value that somebody else changed
//! since is not touched by [`revert`]. A dry run only says what it would do.

use std::fs;
use std::io;
use std::path::Path;

use super::check::{Verdict, check};
use super::host::{Host, chosen, parent_exists};
use super::profiles::{Kind, Profile};

/// One value of one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Which knob, for people; empty for a revert
    pub knob: String,
    /// Path
    pub file: String,
    /// Value before
    pub before: String,
    /// Value after
    pub after: String,
    /// What became of it
    pub outcome: Outcome,
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A dry run: nothing was written.
    Planned,
    /// Written.
    Done,
    /// The system refused it.
    Failed(String),
    /// Somebody else has changed the value since: left alone.
    Foreign(String),
}

impl Outcome {
    /// For tables and `--json`.
    pub fn text(&self) -> String {
        match self {
            Self::Planned => "planned".to_owned(),
            Self::Done => "done".to_owned(),
            Self::Failed(why) => format!("failed: {why}"),
            Self::Foreign(value) => format!("left alone: is {value} now"),
        }
    }
}

/// Writes what is wrong and can be written. With `dry_run` nothing is written, and no state file made.
pub fn apply(
    host: &Host,
    profile: &Profile,
    state_file: &Path,
    dry_run: bool,
) -> io::Result<Vec<Change>> {
    let mut changes = plan(host, profile);
    if dry_run || changes.is_empty() {
        return Ok(changes);
    }
    // What an earlier `apply` found is what `revert` must bring back.
    let mut lines = read_state(state_file)?;
    for change in &changes {
        match lines.iter_mut().find(|line| line.file == change.file) {
            Some(line) => line.after = change.after.clone(),
            None => lines.push(change.clone()),
        }
    }
    write_state(state_file, &lines)?;
    for change in &mut changes {
        change.outcome = written(host.write(&change.file, &change.after));
    }
    // What was refused is as it was: nothing to take back.
    lines.retain(|line| {
        let refused = changes
            .iter()
            .any(|c| c.file == line.file && matches!(c.outcome, Outcome::Failed(_)));
        !refused || line.before != current(host, &line.file).unwrap_or_default()
    });
    write_state(state_file, &lines)?;
    Ok(changes)
}

/// Writes the former values back and empties the state file; what failed stays in it.
pub fn revert(host: &Host, state_file: &Path, dry_run: bool) -> io::Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut left = Vec::new();
    for line in read_state(state_file)?.into_iter().rev() {
        let found = current(host, &line.file);
        let outcome = match &found {
            Some(value) if *value == line.before => continue,
            Some(value) if *value != line.after => Outcome::Foreign(value.clone()),
            _ if dry_run => Outcome::Planned,
            _ => written(host.write(&line.file, &line.before)),
        };
        if matches!(outcome, Outcome::Failed(_)) {
            left.push(line.clone());
        }
        changes.push(Change {
            knob: String::new(),
            file: line.file,
            before: found.unwrap_or_default(),
            after: line.before,
            outcome,
        });
    }
    if !dry_run && state_file.exists() {
        left.reverse();
        write_state(state_file, &left)?;
    }
    Ok(changes)
}

/// Every file that must change, knob by knob.
fn plan(host: &Host, profile: &Profile) -> Vec<Change> {
    let mut changes = Vec::new();
    let findings = check(host, profile);
    for finding in findings.iter().filter(|f| f.verdict == Verdict::Wrong) {
        let (pattern, value, at_least) = match finding.knob.kind {
            Kind::Set { file, value } => (file, value.to_owned(), None),
            Kind::AtLeast { file, value } => (file, value.to_string(), Some(value)),
            _ => continue,
        };
        for file in host.expand(pattern) {
            let Some(before) = current(host, &file) else {
                continue;
            };
            let right = match at_least {
                Some(least) => before.parse::<i64>().is_ok_and(|found| found >= least),
                None => before == value,
            };
            if !right {
                changes.push(Change {
                    knob: finding.knob.name.to_owned(),
                    file,
                    before,
                    after: value.clone(),
                    outcome: Outcome::Planned,
                });
            }
        }
    }
    changes
}

fn current(host: &Host, file: &str) -> Option<String> {
    host.read(file).map(|text| chosen(&text).to_owned())
}

fn written(result: io::Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn read_state(path: &Path) -> io::Result<Vec<Change>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('#'));
    lines
        .map(|(at, line)| match *line.split('\t').collect::<Vec<_>>() {
            [file, before, after] => Ok(Change {
                knob: String::new(),
                file: file.to_owned(),
                before: before.to_owned(),
                after: after.to_owned(),
                outcome: Outcome::Done,
            }),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("line {}: wants path, former and written value", at + 1),
            )),
        })
        .collect()
}

/// Whole or not at all: a new file takes the old one's name.
fn write_state(path: &Path, lines: &[Change]) -> io::Result<()> {
    if !parent_exists(path)
        && let Some(directory) = path.parent()
    {
        fs::create_dir_all(directory)?;
    }
    let mut text = String::from("# gatehouse tune: file, former value, written value\n");
    for line in lines {
        text += &format!("{}\t{}\t{}\n", line.file, line.before, line.after);
    }
    let fresh = path.with_extension("new");
    fs::write(&fresh, text)?;
    fs::rename(fresh, path)
}
