//! The rules of the house as a test: floors, where `unsafe` may be, dead files, rows and keys without a use, documents that agree
//! with what is there.
//!
//! Sources are read as text; every complaint is `path:line: what`. Each rule is also tried on made-up text that breaks it.

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/lexer.rs"]
mod lexer;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tables.rs"]
mod tables;

use std::sync::LazyLock;

use source::{Modules, Source};

/// The workspace, read once.
fn modules() -> &'static Modules {
    static MODULES: LazyLock<Modules> = LazyLock::new(source::modules);
    &MODULES
}

/// Fails with all complaints, one a line.
fn hold(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The rule over every Rust file.
fn everywhere(rule: fn(&Source) -> Vec<String>) -> Vec<String> {
    let modules = modules();
    assert!(
        modules.sources.len() > 100,
        "sources are not found any more"
    );
    modules.sources.iter().flat_map(rule).collect()
}

#[test]
fn no_use_points_up() {
    hold(everywhere(floors::check));
}

#[test]
fn every_room_has_its_floor() {
    let rooms: Vec<_> = floors::FLOORS
        .iter()
        .flat_map(|rooms| rooms.iter())
        .collect();
    let modules = modules();
    for source in &modules.sources {
        if let Some(room) = source.room() {
            assert!(
                rooms.contains(&&room),
                "{}:1: `{room}` has no floor",
                source.path
            );
        }
    }
}

#[test]
fn unsafe_code_is_at_home_and_has_its_reasons() {
    hold(everywhere(rules::unsafe_code));
}

#[test]
fn no_file_is_dead() {
    hold(modules().complaints.clone());
}

#[test]
fn files_are_short() {
    hold(everywhere(rules::length));
}

#[test]
fn files_say_what_they_are_for() {
    hold(everywhere(rules::header));
}

#[test]
fn nothing_is_left_over() {
    hold(everywhere(rules::leftovers));
}

#[test]
fn nothing_names_the_machine_of_its_author() {
    let kinds = [
        "rs", "md", "toml", "sh", "service", "conf", "csv", "py", "script",
    ];
    let files = source::files("");
    let texts = files.iter().filter(|path| {
        let kind = path.rsplit(['.', '/']).next().unwrap_or_default();
        kinds.contains(&kind) || path.starts_with("scripts/") || path.starts_with(".ci/")
    });
    hold(
        texts
            .flat_map(|path| rules::machine_paths(path, &source::read(path)))
            .collect(),
    );
}

#[test]
fn every_row_of_the_catalogue_is_used() {
    hold(tables::catalogue(&modules().sources));
}

#[test]
fn every_cell_of_the_status_page_is_written() {
    hold(tables::writers(&modules().sources));
}

#[test]
fn every_reject_is_used() {
    hold(tables::rejects(&modules().sources));
}

#[test]
fn every_bound_is_used() {
    hold(tables::bounds(&modules().sources));
}

#[test]
fn every_key_of_the_configuration_does_something() {
    hold(tables::keys(&modules().sources));
}

#[test]
fn documents_agree_with_what_is_there() {
    hold(documents::check(&source::files(""), &modules().sources));
}
