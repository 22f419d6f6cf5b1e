//! Schedules and their files of holidays: what a good one becomes, and where a bad one is pointed at.
//!
//! Mistakes in the keys themselves are in the table of `mistakes`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gatehouse::config::{self, Plan};

use super::mistakes::{C, G};
use super::{CORES, change, copy_samples};

const DAY: &str = "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\n";

fn with_holidays(directory: &Path, holidays: &str) -> (Option<Plan>, Vec<String>) {
    copy_samples(directory);
    fs::write(directory.join("holidays.txt"), holidays).unwrap();
    let schedule = format!("{DAY}holidays = \"holidays.txt\"\n\n[[listeners]]");
    change(directory, G, "[[listeners]]", &schedule);
    change(
        directory,
        G,
        "[[desks.links]]",
        "[[desks.links]]\nschedule = \"day\"",
    );
    change(directory, C, "pending_new = true", "schedule = \"day\"");
    let (plan, diagnostics) = config::examine_on(directory, &CORES);
    let told = diagnostics.errors().chain(diagnostics.warnings());
    (plan, told.map(ToString::to_string).collect())
}

#[test]
fn sessions_and_links_share_the_table_of_their_schedule() {
    let directory = tempfile::tempdir().unwrap();
    let (plan, told) = with_holidays(
        directory.path(),
        "# 2026\n2026-10-01\n\n 2026-10-02 # National Day\n",
    );
    assert_eq!(told, [""; 0]);
    let plan = plan.unwrap();
    let day = &plan.schedules[0];
    assert_eq!((day.name.as_str(), day.rule.holidays.len()), ("day", 2));
    let shares = |of: &Option<Arc<_>>| {
        of.as_ref()
            .is_some_and(|table| Arc::ptr_eq(table, &day.table))
    };
    assert!(shares(&plan.desks[0].links[0].fix.schedule));
    assert_eq!(
        plan.sessions
            .iter()
            .filter(|s| shares(&s.fix.schedule))
            .count(),
        1
    );
    assert!(plan.desks[0].links[1].fix.schedule.is_none());
}

#[test]
fn mistakes_in_holidays_are_told_with_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let (plan, told) = with_holidays(
        directory.path(),
        "2026-10-01\n2026-13-01 # no such month\n\n  1.10.2026\n2026-10-01\n",
    );
    assert!(plan.is_none());
    let file = directory.path().join("holidays.txt");
    let file = file.display().to_string();
    let help = "write one date a line, such as 2026-10-01, and remarks behind #";
    let wanted = [
        format!("{file}:2:1: `holidays` is no date: \"2026-13-01\"; {help}"),
        format!("{file}:4:3: `holidays` is no date: \"1.10.2026\"; {help}"),
        format!("{file}:5:1: `holidays` is here twice: 2026-10-01; write it once"),
    ];
    assert_eq!(told, wanted);
    fs::remove_file(directory.path().join("holidays.txt")).unwrap();
    let (_, diagnostics) = config::examine_on(directory.path(), &CORES);
    let missing = diagnostics.errors().next().unwrap();
    // At the key that names it.
    assert!(missing.file.ends_with("gatehouse.toml"), "{missing}");
    assert_eq!(missing.key, "schedules.holidays");
    let missing = missing.to_string();
    assert!(missing.contains("No such file"), "{missing}");
    assert!(missing.contains(&format!("{file}; ")), "{missing}");
}
