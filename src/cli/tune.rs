//! `gatehouse tune`: checks the host against a profile, writes what can be written at run time, and takes it back.
//!
//! `apply` and `revert` change nothing without `--yes`: they show what they would do. Exit codes: `check` 0 where nothing is wrong
//! and 1 where something is; `apply` and `revert` 1 where a value could not be written; 2 wrong usage. Runs on the main thread.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use tuning::{Change, Finding, Host, Outcome, Profile, Verdict, profiles};

use super::table::Table;

/// Where former values are kept between `apply` and `revert`.
const STATE_FILE: &str = "/var/lib/gatehouse-tune/applied.tsv";

/// Check, apply and revert host tuning
#[derive(Args, Debug)]
pub struct TuneArgs {
    #[command(subcommand)]
    command: TuneCommand,
}

#[derive(Subcommand, Debug)]
enum TuneCommand {
    /// Compare the host with a profile
    Check(Which),
    /// Write what is wrong and can be written at run time; shows it only, unless --yes
    Apply {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: How,
    },
    /// Write back the values that apply found; shows it only, unless --yes
    Revert {
        #[command(flatten)]
        how: How,
        /// Machine-readable answer
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
struct Which {
    /// Profile
    #[arg(long, default_value = "latency", value_parser = profile)]
    profile: &'static Profile,
    /// Machine-readable answer
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct How {
    /// Really write
    #[arg(long)]
    yes: bool,
    /// Only show what would be written (the default)
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Where former values are kept
    #[arg(long, default_value = STATE_FILE)]
    state_file: PathBuf,
}

fn profile(name: &str) -> Result<&'static Profile, String> {
    profiles::find(name).ok_or_else(|| {
        let names: Vec<_> = profiles::PROFILES.iter().map(|p| p.name).collect();
        format!("no such profile; there are {}", names.join(", "))
    })
}

/// Runs the command on this host.
pub fn run(args: &TuneArgs) -> ExitCode {
    let host = Host::this();
    match &args.command {
        TuneCommand::Check(which) => {
            let findings = tuning::check(&host, which.profile);
            print!("{}", check_text(which.profile, &findings, which.json));
            let wrong = findings.iter().any(|f| f.verdict == Verdict::Wrong);
            ExitCode::from(wrong as u8)
        }
        TuneCommand::Apply { which, how } => {
            let changes = tuning::apply(&host, which.profile, &how.state_file, !how.yes);
            told(changes, how, which.json)
        }
        TuneCommand::Revert { how, json } => {
            told(tuning::revert(&host, &how.state_file, !how.yes), how, *json)
        }
    }
}

fn told(changes: std::io::Result<Vec<Change>>, how: &How, json: bool) -> ExitCode {
    match changes {
        Ok(changes) => {
            print!("{}", changes_text(&changes, how.yes, json));
            let failed = |c: &Change| matches!(c.outcome, Outcome::Failed(_));
            ExitCode::from(changes.iter().any(failed) as u8)
        }
        Err(error) => super::fail(&format!("state file {}", how.state_file.display()), error),
    }
}

fn check_text(profile: &Profile, findings: &[Finding], json: bool) -> String {
    if json {
        let rows: Vec<_> = findings
            .iter()
            .map(|f| {
                serde_json::json!({
                    "knob": f.knob.name, "verdict": f.verdict.name(), "found": f.found,
                    "want": f.knob.want, "why": f.knob.why, "risk": f.knob.risk, "undo": f.knob.undo,
                    "can_apply": f.can_apply(),
                })
            })
            .collect();
        return format!(
            "{:#}\n",
            serde_json::json!({ "profile": profile.name, "findings": rows })
        );
    }
    let mut table = Table::new(["knob", "verdict", "found", "wanted"]);
    for finding in findings {
        let found = match finding.found.as_str() {
            "" => "-",
            found => found,
        };
        table.row([
            finding.knob.name,
            finding.verdict.name(),
            found,
            finding.knob.want,
        ]);
    }
    let mut text = format!("profile {}: {}\n\n{table}", profile.name, profile.meaning);
    for finding in findings.iter().filter(|f| f.verdict == Verdict::Wrong) {
        let knob = finding.knob;
        text += &format!(
            "\n{}\n  why   {}\n  risk  {}\n  undo  {}\n",
            knob.name, knob.why, knob.risk, knob.undo
        );
    }
    let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let can_apply = findings.iter().filter(|f| f.can_apply()).count();
    text += &format!(
        "\n{} good, {} wrong ({can_apply} of them `gatehouse tune apply` can write), {} not shown by this host\n",
        count(Verdict::Good),
        count(Verdict::Wrong),
        count(Verdict::Unknown)
    );
    text
}

fn changes_text(changes: &[Change], written: bool, json: bool) -> String {
    if json {
        let rows: Vec<_> = changes
            .iter()
            .map(|c| {
                serde_json::json!({
                    "knob": c.knob, "file": c.file, "before": c.before, "after": c.after,
                    "outcome": c.outcome.text(),
                })
            })
            .collect();
        return format!(
            "{:#}\n",
            serde_json::json!({ "written": written, "changes": rows })
        );
    }
    if changes.is_empty() {
        return "nothing to change\n".to_owned();
    }
    let mut table = Table::new(["file", "before", "after", "outcome"]);
    for c in changes {
        table.row([&c.file, &c.before, &c.after, &c.outcome.text()]);
    }
    match written {
        true => format!("{table}"),
        false => format!("{table}\nnothing was written; add --yes to write\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn made() -> (tempfile::TempDir, Host) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("proc/sys/vm/swappiness");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "60\n").unwrap();
        let host = Host::below(directory.path());
        (directory, host)
    }

    #[test]
    fn a_check_says_what_is_wrong_why_and_what_would_be_right() {
        let (_directory, host) = made();
        let profile = profile("shared").unwrap();
        let findings = tuning::check(&host, profile);
        let text = check_text(profile, &findings, false);
        let row = text.lines().find(|line| line.starts_with("swappiness"));
        let cells: Vec<_> = row.unwrap().split_whitespace().take(3).collect();
        assert_eq!(cells, ["swappiness", "wrong", "60"], "{text}");
        assert!(text.contains("  why   a page that comes back"), "{text}");
        assert!(text.contains("0 good, 1 wrong (1 of them"), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&check_text(profile, &findings, true)).unwrap();
        let rows = json["findings"].as_array().unwrap();
        assert_eq!(rows.len(), profile.knobs.len());
        assert!(
            rows.iter()
                .any(|r| r["knob"] == "swappiness" && r["found"] == "60")
        );
    }

    #[test]
    fn a_plan_says_that_nothing_was_written() {
        let (directory, host) = made();
        let state = directory.path().join("state");
        let changes = tuning::apply(&host, profile("shared").unwrap(), &state, true).unwrap();
        let text = changes_text(&changes, false, false);
        assert!(text.contains("planned") && text.contains("--yes"), "{text}");
        assert_eq!(changes_text(&[], true, false), "nothing to change\n");
        let json: serde_json::Value =
            serde_json::from_str(&changes_text(&changes, false, true)).unwrap();
        assert_eq!(json["changes"][0]["before"], "60");
        assert_eq!(json["written"], false);
    }

    #[test]
    fn arguments_are_checked() {
        let parse = |words: &str| Cli::try_parse_from(words.split(' '));
        assert!(parse("gatehouse tune check --profile fast").is_err());
        assert!(parse("gatehouse tune apply --yes --dry-run").is_err());
        let cli = parse("gatehouse tune apply --profile shared").unwrap();
        let Command::Tune(args) = cli.command else {
            panic!("another command");
        };
        let TuneCommand::Apply { which, how } = args.command else {
            panic!("another command");
        };
        assert_eq!((which.profile.name, how.yes), ("shared", false));
    }
}
