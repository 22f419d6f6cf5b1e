//! Rows without a use: every counter, reason, bound and configuration key does something in the product.
//!
//! A row that nothing uses is a promise that nothing keeps: a counter that stays zero, a key that changes nothing. A use is the
//! row's name as a word in product code outside the room that defines it; test code does not count.

use std::collections::BTreeSet;

use gatehouse::config::keys::KEYS;
use gatehouse::domain::reject::REJECTS;
use gatehouse::status::catalog::COUNTERS;
use gatehouse::status::{ErrorCode, Fact, Histogram, LinkState, Reason, SessionState};

use super::lexer;
use super::source::Source;

/// Sections of the configuration whose values are used up by reading them: names of files, and rules that become tables of windows.
const READ_BY_CONFIG_ITSELF: &[&str] = &["files", "schedules"];

/// Keys whose value decides how others are read, or that have one value only in this version.
const KEYS_DECIDED_IN_CONFIG: &[(&str, &str, &str)] = &[
    (
        "desks.links",
        "fix_version",
        "becomes `version` of the plan",
    ),
    (
        "clients.sessions",
        "fix_version",
        "becomes `version` of the plan",
    ),
    (
        "desks.links",
        "application_dictionary",
        "becomes `DictionaryFiles` of the plan",
    ),
    (
        "clients.sessions",
        "drop_copy_clients",
        "becomes `drop_copy` of the plan",
    ),
    (
        "clients.sessions",
        "drop_copy_sessions",
        "becomes `drop_copy` of the plan",
    ),
    (
        "clients.sessions",
        "drop_copy_accounts",
        "becomes `drop_copy` of the plan",
    ),
    ("desks.links", "unchecked", "becomes `checks` of the plan"),
    (
        "desks.links",
        "timestamp_precision",
        "becomes `precision` of the plan",
    ),
    (
        "clients.sessions",
        "application_dictionary",
        "becomes `DictionaryFiles` of the plan",
    ),
    (
        "clients.sessions",
        "unchecked",
        "becomes `checks` of the plan",
    ),
    (
        "clients.sessions",
        "timestamp_precision",
        "becomes `precision` of the plan",
    ),
    (
        "clients.sessions",
        "validate",
        "becomes `dictionary` of the plan",
    ),
    (
        "accounts.csv",
        "desk",
        "becomes `account_desks` of the plan",
    ),
];

/// Every word of the product's code outside `home`.
pub fn words_outside(sources: &[Source], home: &str) -> BTreeSet<String> {
    sources
        .iter()
        .filter(|source| source.path.starts_with("src/") && !source.path.starts_with(home))
        .flat_map(|source| lexer::words(&source.product).map(|(_, word)| word.to_owned()))
        .collect()
}

/// Every `Type::Name` of the product's code outside the files that define them.
fn pairs_outside(sources: &[Source], homes: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources {
        if !source.path.starts_with("src/") || homes.contains(&source.path.as_str()) {
            continue;
        }
        let words: Vec<_> = lexer::words(&source.product).collect();
        for pair in words.windows(2) {
            let [(place, first), (next, second)] = pair else {
                continue;
            };
            if &source.product[place + first.len()..*next] == "::" {
                found.insert(format!("{first}::{second}"));
            }
        }
    }
    found
}

/// Complaints about the names that are not among the words.
fn unused<'a>(
    file: &Source,
    names: impl IntoIterator<Item = &'a str>,
    used: &BTreeSet<String>,
    what: &str,
) -> Vec<String> {
    let missing = names.into_iter().filter(|name| !used.contains(*name));
    missing
        .map(|name| {
            let place = place_of(file, name);
            format!("{}:{place}: {what} `{name}` is used nowhere", file.path)
        })
        .collect()
}

/// The line that defines the name.
fn place_of(file: &Source, name: &str) -> usize {
    let mut words = lexer::words(&file.text);
    let found = words.find(|(_, word)| *word == name);
    found.map_or(1, |(place, _)| lexer::line_of(&file.text, place))
}

fn source<'a>(sources: &'a [Source], path: &str) -> &'a Source {
    let found = sources.iter().find(|source| source.path == path);
    found.unwrap_or_else(|| panic!("{path} is not there"))
}

fn debug_names<T: std::fmt::Debug>(all: impl IntoIterator<Item = T>) -> Vec<String> {
    all.into_iter().map(|item| format!("{item:?}")).collect()
}

/// Rows of the status page's catalogue. Here a use is `Type::Name`, since the tables share names.
pub fn catalogue(sources: &[Source]) -> Vec<String> {
    let homes = ["src/status/catalog.rs", "src/status/errors.rs"];
    let used = pairs_outside(sources, &homes);
    let mut found = Vec::new();
    for (home, table, names) in [
        (
            homes[0],
            "Counter",
            debug_names(COUNTERS.iter().map(|row| row.counter)),
        ),
        (homes[0], "Histogram", debug_names(Histogram::ALL)),
        (homes[0], "Fact", debug_names(Fact::ALL)),
        (homes[0], "SessionState", debug_names(SessionState::ALL)),
        (homes[0], "LinkState", debug_names(LinkState::ALL)),
        (homes[0], "Reason", debug_names(Reason::ALL)),
        (homes[1], "ErrorCode", debug_names(ErrorCode::ALL)),
    ] {
        let file = source(sources, home);
        // `None` is what an empty place of a table holds.
        for name in names.iter().filter(|name| *name != "None") {
            if !used.contains(&format!("{table}::{name}")) {
                let line = place_of(file, name);
                found.push(format!("{home}:{line}: `{table}::{name}` is used nowhere"));
            }
        }
    }
    found
}

/// Functions of the page's writers: a cell that no stage fills shows a zero that means nothing.
pub fn writers(sources: &[Source]) -> Vec<String> {
    let used = words_outside(sources, "src/status/");
    let mut found = Vec::new();
    for path in ["src/status/writer.rs", "src/status/rows.rs"] {
        let file = source(sources, path);
        let setters = file.product.lines().filter_map(|line| {
            let name = line.trim().strip_prefix("pub fn ")?.split_once('(')?.0;
            line.contains("self").then(|| name.to_owned())
        });
        let setters: Vec<_> = setters.collect();
        assert!(setters.len() > 10, "writers are not found any more");
        found.extend(unused(
            file,
            setters.iter().map(String::as_str),
            &used,
            "writer",
        ));
    }
    found
}

/// Rows of the reject table.
pub fn rejects(sources: &[Source]) -> Vec<String> {
    let used = words_outside(sources, "src/domain/");
    let file = source(sources, "src/domain/reject.rs");
    let names = debug_names(REJECTS.iter().map(|row| row.reason));
    unused(file, names.iter().map(String::as_str), &used, "reject")
}

/// Bounds of `limits.rs`.
pub fn bounds(sources: &[Source]) -> Vec<String> {
    let used = words_outside(sources, "src/limits.rs");
    let file = source(sources, "src/limits.rs");
    let names = constants(&file.code);
    assert!(names.len() > 20, "bounds are not found any more");
    unused(file, names.iter().map(String::as_str), &used, "bound")
}

/// `pub const NAME` in a file.
fn constants(code: &str) -> Vec<String> {
    let lines = code
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "));
    lines
        .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
        .collect()
}

/// Keys of the configuration.
pub fn keys(sources: &[Source]) -> Vec<String> {
    let used = words_outside(sources, "src/config/");
    let file = source(sources, "src/config/keys.rs");
    let names = KEYS
        .iter()
        .filter(|key| !READ_BY_CONFIG_ITSELF.contains(&key.section))
        .filter(|key| {
            let decided = KEYS_DECIDED_IN_CONFIG.iter();
            !decided
                .map(|(section, name, _)| (*section, *name))
                .any(|decided| decided == (key.section, key.name))
        })
        .map(|key| key.name);
    unused(file, names, &used, "key")
}

#[test]
fn a_name_that_stands_in_tests_or_comments_only_is_unused() {
    let sources = [
        Source::new("src/status/catalog.rs", "A,\nB,\nC,\nD,", false),
        Source::new(
            "src/stage/x.rs",
            "fn f() { A } // B\n#[cfg(test)]\nmod tests { fn g() { C } }",
            false,
        ),
        Source::new("src/stage/tests.rs", "fn f() { D }", true),
    ];
    let used = words_outside(&sources, "src/status/");
    assert_eq!(
        unused(&sources[0], ["A", "B", "C", "D"], &used, "counter"),
        [
            "src/status/catalog.rs:2: counter `B` is used nowhere",
            "src/status/catalog.rs:3: counter `C` is used nowhere",
            "src/status/catalog.rs:4: counter `D` is used nowhere",
        ]
    );
}

#[test]
fn constants_are_found() {
    let code = "pub const A_MAX: usize = 1;\nconst B: u8 = 2;\npub const C: u8 =\n 3;";
    assert_eq!(constants(code), ["A_MAX", "C"]);
}
