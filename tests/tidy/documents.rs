//! Documents that must agree with what is there: the map of the house, the list of dependencies, the tests behind promises, the
//! benches of each manifest.
//!
//! The documents are read as text; a complaint names the document and what is missing or too much in it.

use std::collections::BTreeSet;

use super::lexer;
use super::source::{self, CRATES, Source};

/// Names (directories with a final `/`) that a fenced map in a document lists: the first word of each line with its place in the
/// tree, two spaces deeper per level.
pub fn map_names(document: &str, mark: &str) -> BTreeSet<String> {
    let Some((_, behind)) = document.split_once(mark) else {
        return BTreeSet::new();
    };
    let fenced = behind.split("```").nth(1).unwrap_or_default();
    let mut above: Vec<(usize, String)> = Vec::new();
    let mut names = BTreeSet::new();
    for line in fenced
        .lines()
        .skip(1)
        .filter(|line| !line.trim().is_empty())
    {
        let indent = line.len() - line.trim_start().len();
        let name = line.split_whitespace().next().unwrap_or_default();
        above.retain(|(depth, _)| *depth < indent);
        let path = above
            .iter()
            .map(|(_, name)| name.as_str())
            .collect::<String>()
            + name;
        if name.ends_with('/') {
            above.push((indent, name.to_owned()));
        }
        names.insert(path);
    }
    names
}

/// What the map must list: the top level, and the rooms of `src/`.
pub fn house(files: &[String]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files {
        let depth = if path.starts_with("src/") { 2 } else { 1 };
        let parts: Vec<_> = path.split('/').collect();
        for end in 1..=depth.min(parts.len()) {
            let directory = end < parts.len();
            let path = parts[..end].join("/") + if directory { "/" } else { "" };
            names.insert(path);
        }
    }
    // What every repository has and no map needs.
    for plain in ["Cargo.lock", "LICENSE", "CHANGELOG.md", "rustfmt.toml"] {
        names.remove(plain);
    }
    names
}

/// Direct dependencies of a manifest, of every kind; the workspace's own crates apart.
pub fn dependencies(manifest: &str) -> BTreeSet<String> {
    fn collect(table: &toml::Table, found: &mut BTreeSet<String>) {
        for (key, value) in table {
            let Some(inner) = value.as_table() else {
                continue;
            };
            if key.ends_with("dependencies") {
                let foreign = inner.iter().filter(|(_, how)| how.get("path").is_none());
                found.extend(foreign.map(|(name, _)| name.clone()));
            } else if key == "target" || key.starts_with("cfg(") {
                collect(inner, found);
            }
        }
    }
    let mut found = BTreeSet::new();
    collect(&manifest.parse().expect("a manifest is TOML"), &mut found);
    found
}

/// First cells of the tables of a document, where they are code: `` | `name` | … ``.
pub fn first_cells(document: &str) -> Vec<String> {
    let cells = document.lines().filter_map(|line| {
        let cell = line.strip_prefix("| `")?;
        Some(cell.split_once('`')?.0.to_owned())
    });
    cells.collect()
}

/// Complaints where a document and what is there differ.
pub fn compare(document: &str, listed: &BTreeSet<String>, there: &BTreeSet<String>) -> Vec<String> {
    let missing = there.difference(listed);
    let surplus = listed.difference(there);
    missing
        .map(|name| format!("{document}:1: `{name}` is missing"))
        .chain(surplus.map(|name| format!("{document}:1: `{name}` is listed and not there")))
        .collect()
}

/// Dependencies that no source of the workspace names; `-` in a crate's name is `_` in code.
pub fn unused(dependencies: &BTreeSet<String>, sources: &[Source]) -> Vec<String> {
    let ours = sources
        .iter()
        .filter(|source| !source.path.starts_with("tests/tidy"));
    let words: BTreeSet<_> = ours
        .flat_map(|source| lexer::words(&source.code).map(|(_, word)| word))
        .collect();
    let idle = dependencies
        .iter()
        .filter(|name| !words.contains(name.replace('-', "_").as_str()));
    idle.map(|name| format!("Cargo.toml:1: no source names the dependency `{name}`"))
        .collect()
}

/// Benches of a crate: each file is in the manifest, with its own main function.
pub fn benches(manifest_path: &str, manifest: &str, files: &[String]) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let declared: BTreeSet<_> = manifest
        .get("bench")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter(|bench| bench.get("harness").and_then(toml::Value::as_bool) == Some(false))
        .filter_map(|bench| Some(bench.get("name")?.as_str()?.to_owned()))
        .collect();
    let directory = format!("{}benches/", manifest_path.trim_end_matches("Cargo.toml"));
    let there = files
        .iter()
        .filter_map(|path| path.strip_prefix(&directory)?.strip_suffix(".rs"))
        .filter(|name| !name.contains('/'))
        .map(str::to_owned)
        .collect();
    compare(manifest_path, &declared, &there)
}

/// Tests that the promises table names, `file.rs::function` or a path, must be there.
pub fn promises(document: &str, exists: impl Fn(&str, Option<&str>) -> bool) -> Vec<String> {
    let Some((_, behind)) = document.split_once("## Promises") else {
        return vec!["README.md:1: no section `Promises`".to_owned()];
    };
    let section = behind.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let mut found = Vec::new();
    for row in rows {
        let keeper = row.trim_end_matches([' ', '|']).rsplit('|').next();
        let names: Vec<_> = keeper
            .unwrap_or_default()
            .split('`')
            .skip(1)
            .step_by(2)
            .collect();
        if names.is_empty() {
            found.push(format!("README.md:1: no test keeps the promise: {row}"));
        }
        for name in names {
            let (path, function) = match name.split_once("::") {
                Some((path, function)) => (path, Some(function)),
                None => (name, None),
            };
            if !exists(path, function) {
                found.push(format!(
                    "README.md:1: a promise names `{name}`, which is not there"
                ));
            }
        }
    }
    found
}

/// Everything above, on the real documents.
pub fn check(files: &[String], sources: &[Source]) -> Vec<String> {
    let readme = source::read("README.md");
    let mut found = compare(
        "README.md",
        &map_names(&readme, "## Map of the house"),
        &house(files),
    );
    found.extend(promises(&readme, |path, function| {
        files.iter().any(|file| file == path)
            && function.is_none_or(|name| source::read(path).contains(&format!("fn {name}(")))
    }));
    let mut direct = BTreeSet::new();
    for directory in CRATES {
        let path = format!("{directory}Cargo.toml");
        let manifest = source::read(&path);
        direct.extend(dependencies(&manifest));
        found.extend(benches(&path, &manifest, files));
    }
    let document = "docs/DEPENDENCIES.md";
    let cells = first_cells(&source::read(document));
    let listed: BTreeSet<_> = cells.iter().cloned().collect();
    if listed.len() != cells.len() {
        found.push(format!("{document}:1: a dependency is listed twice"));
    }
    found.extend(compare(document, &listed, &direct));
    found.extend(unused(&direct, sources));
    found
}

#[test]
fn a_map_is_read_with_its_levels() {
    let document = "# x\n## Map\n```text\nREADME.md  this\nsrc/       code\n  lib.rs   map\n  io.rs    seams\ntests/     tests\n```\n";
    let names: Vec<_> = map_names(document, "## Map").into_iter().collect();
    assert_eq!(
        names,
        ["README.md", "src/", "src/io.rs", "src/lib.rs", "tests/"]
    );
    let files = ["README.md", "src/lib.rs", "src/risk/mod.rs", "tests/a/b.rs"].map(str::to_owned);
    let complaints = compare("README.md", &map_names(document, "## Map"), &house(&files));
    assert_eq!(
        complaints,
        [
            "README.md:1: `src/risk/` is missing",
            "README.md:1: `src/io.rs` is listed and not there"
        ]
    );
}

#[test]
fn dependencies_of_every_kind_are_found() {
    let manifest = "[dependencies]\na = \"1\"\nown = { path = \"own\" }\n[dev-dependencies]\nb = \"1\"\n[target.\"cfg(loom)\".dependencies]\nc = \"1\"\n[features]\nd = []\n";
    let names: Vec<_> = dependencies(manifest).into_iter().collect();
    assert_eq!(names, ["a", "b", "c"]);
    let cells = first_cells("| crate | for |\n|---|---|\n| `a` | x |\n| `b` | y |\n");
    assert_eq!(cells, ["a", "b"]);
}

#[test]
fn a_dependency_that_nobody_names_is_found() {
    let sources = [Source::new("src/a.rs", "use one_two::X; // three", false)];
    let names = ["one-two", "three"].map(str::to_owned).into();
    let found = unused(&names, &sources);
    assert_eq!(
        found,
        ["Cargo.toml:1: no source names the dependency `three`"]
    );
}

#[test]
fn a_bench_that_is_not_declared_is_found() {
    let files = ["benches/a.rs", "benches/b.rs", "benches/b/part.rs"].map(str::to_owned);
    let manifest =
        "[[bench]]\nname = \"a\"\nharness = false\n[[bench]]\nname = \"c\"\nharness = false\n";
    assert_eq!(
        benches("Cargo.toml", manifest, &files),
        [
            "Cargo.toml:1: `b` is missing",
            "Cargo.toml:1: `c` is listed and not there"
        ]
    );
}

#[test]
fn a_promise_needs_a_test_that_is_there() {
    let document = "## Promises\n\n| promise | kept by |\n|---|---|\n| one | `tests/a.rs::f` |\n| two | `tests/gone.rs` |\n| three | nothing |\n\n## Next\n";
    let found = promises(document, |path, _| path == "tests/a.rs");
    assert_eq!(found.len(), 2, "{found:?}");
}
