//! The floors of the house: which room may name which, read from the paths that a file names.
//!
//! A path is `crate::room`, `crate::{room, …}`, `$crate::room`, or as many `super::` as lead to the root; in `main.rs` and in other
//! crates of the workspace `gatehouse::room`. Test code inside `src/` obeys the same rules. Tests, benches and examples stand
//! outside the house and may name every room.

use super::lexer;
use super::source::Source;

/// Rooms from the top floor down. A room names rooms of lower floors, and itself.
pub const FLOORS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app", "ops", "sim"],
    &["stage"],
    &["session", "access", "risk", "route", "journal", "sys"],
    &["wire", "status", "config"],
    &["domain", "limits", "io"],
];

/// The floor of a room, from the top.
fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Why `from` may not name `to`; `None` where it may.
pub fn forbidden(from: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    let (Some(above), Some(below)) = (floor(from), floor(to)) else {
        let unknown = if floor(from).is_none() { from } else { to };
        return Some(format!(
            "room `{unknown}` has no floor in tests/tidy/floors.rs"
        ));
    };
    let middle = ["session", "access", "risk", "route", "journal"];
    if to == "main" || above > below {
        return Some(format!("`{from}` points up to `{to}`"));
    }
    if to == "sys" && !["app", "cli"].contains(&from) {
        return Some(format!("`{from}` names `sys`: only `app` and `cli` may"));
    }
    if from == "sys" && !["io", "domain", "limits"].contains(&to) {
        return Some(format!(
            "`sys` names `{to}`: it may name `io`, `domain` and `limits`"
        ));
    }
    if above == below && (middle.contains(&from) || ["wire", "status", "config"].contains(&from)) {
        return Some(format!("`{from}` and `{to}` are rooms of one floor"));
    }
    if middle.contains(&from) && to == "wire" && from != "session" {
        return Some(format!(
            "`{from}` names `wire`: of its floor only `session` may"
        ));
    }
    if from == "ops" && ["stage", "wire"].contains(&to) {
        return Some(format!("`ops` names `{to}`"));
    }
    None
}

/// Rooms that a file of `src/` names, each with its place.
pub fn named(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let depth = module_depth(&source.path);
    let inline = inline_modules(code);
    let mut found = Vec::new();
    let mut super_end = 0;
    for (place, word) in lexer::words(code) {
        let path = match word {
            "crate" => lexer::after(code, place + word.len()),
            "gatehouse" if !preceded_by_path(code, place) => lexer::after(code, place + word.len()),
            "super" if place >= super_end => {
                let mut rest = &code[place..];
                let mut count = 0;
                while let Some(next) = rest.strip_prefix("super::") {
                    rest = next;
                    count += 1;
                }
                super_end = code.len() - rest.len();
                let around = inline.iter().filter(|range| range.contains(&place)).count();
                if count < depth + around {
                    continue;
                }
                &code[super_end - 2..]
            }
            _ => continue,
        };
        if let Some(path) = path.strip_prefix("::") {
            found.extend(first_names(path).into_iter().map(|name| (place, name)));
        }
    }
    // What stands at the root beside the rooms: macros and the like.
    found.retain(|(_, name)| name != "self" && name.starts_with(|c: char| c.is_lowercase()));
    found
}

/// Complaints about one file.
pub fn check(source: &Source) -> Vec<String> {
    let Some(room) = source.room() else {
        return Vec::new();
    };
    let named = named(source).into_iter();
    named
        .filter_map(|(place, to)| forbidden(room, &to).map(|why| source.at(place, why)))
        .collect()
}

/// First names of a path or of a group of paths.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name(group[start..at].trim()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name(group[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn preceded_by_path(code: &str, place: usize) -> bool {
    code[..place].trim_end().ends_with("::")
}

/// How many `super::` lead from the file's top level to the root.
fn module_depth(path: &str) -> usize {
    let below = path.strip_prefix("src/").unwrap_or(path);
    let below = below.strip_suffix("/mod.rs").unwrap_or(below);
    1 + below.matches('/').count()
}

/// Where the bodies of `mod name { … }` are.
fn inline_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for (place, word) in lexer::words(code) {
        if word != "mod" {
            continue;
        }
        let Some(open) = code[place..].find(['{', ';']).map(|at| place + at) else {
            continue;
        };
        if code.as_bytes()[open] == b'{' {
            let mut depth = 0;
            let end = code[open..].char_indices().find_map(|(at, c)| {
                depth += (c == '{') as i32 - (c == '}') as i32;
                (depth == 0).then_some(open + at)
            });
            found.push(open..end.unwrap_or(code.len()));
        }
    }
    found
}

#[test]
fn rooms_are_found_in_every_form_of_path() {
    let text = "
        use crate::domain::Price; // use crate::stage
        use crate::{limits, wire::{fix, sbe}, io};
        fn f() { crate::risk::x(); super::session::y(); let s = \"crate::app\"; }
        mod inner { use super::own; use super::super::route; }
        macro_rules! m { () => { $crate::status::z() } }
    ";
    let named = named(&Source::new("src/journal.rs", text, false));
    let names: Vec<_> = named.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "domain", "limits", "wire", "io", "risk", "session", "route", "status"
        ]
    );
}

#[test]
fn a_complaint_points_at_the_line() {
    let text = "//! Head.\n\nuse crate::domain::Price;\nuse crate::stage::Switchboard;\n";
    let source = Source::new("src/session/state.rs", text, false);
    assert_eq!(
        check(&source),
        ["src/session/state.rs:4: `session` points up to `stage`"]
    );
}

#[test]
fn the_table_of_who_may_name_whom() {
    let may = |from, to| forbidden(from, to).is_none();
    for (from, to) in [
        ("main", "cli"),
        ("cli", "sys"),
        ("app", "sys"),
        ("app", "stage"),
        ("sim", "stage"),
        ("stage", "session"),
        ("session", "wire"),
        ("risk", "domain"),
        ("sys", "io"),
        ("io", "limits"),
        ("wire", "domain"),
    ] {
        assert!(may(from, to), "{from} -> {to}");
    }
    for (from, to) in [
        ("stage", "app"),
        ("stage", "sys"),
        ("sim", "sys"),
        ("risk", "session"),
        ("risk", "wire"),
        ("wire", "status"),
        ("domain", "config"),
        ("sys", "config"),
        ("sys", "status"),
        ("cli", "main"),
        ("ops", "stage"),
        ("risk", "unheard_of"),
    ] {
        assert!(!may(from, to), "{from} -> {to}");
    }
}
