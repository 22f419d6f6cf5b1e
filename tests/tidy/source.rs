//! The sources of the workspace: every Rust file, which crate and room it belongs to, and whether it is test code.
//!
//! Files are found twice: by walking the directories, and by following `mod` declarations from the crates' roots. A file that only
//! the first way finds is dead.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::lexer;

/// A Rust file.
#[derive(Clone, Debug)]
pub struct Source {
    /// From the root of the workspace, with `/`.
    pub path: String,
    /// As it is.
    pub text: String,
    /// Without comments and literals.
    pub code: String,
    /// Without test code as well; empty for a file of tests.
    pub product: String,
}

impl Source {
    /// From its text.
    pub fn new(path: &str, text: &str, test: bool) -> Self {
        let code = lexer::strip(text);
        let product = if test {
            String::new()
        } else {
            lexer::without_tests(&code)
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            product,
        }
    }

    /// `path:line: what`, as an editor understands it.
    pub fn at(&self, place: usize, what: impl std::fmt::Display) -> String {
        format!(
            "{}:{}: {what}",
            self.path,
            lexer::line_of(&self.code, place)
        )
    }

    /// The room of `src/`: `session` for `src/session/state.rs`, `io` for `src/io.rs`; `None` for `lib.rs` and other crates.
    pub fn room(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        let room = below.split('/').next()?;
        let room = room.strip_suffix(".rs").unwrap_or(room);
        (room != "lib").then_some(room)
    }
}

/// Directories of crates, from the root of the workspace.
pub const CRATES: [&str; 3] = ["", "ringbuf/", "tuning/"];

/// The root of the workspace.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files of the workspace below `directory`, build results and hidden directories apart; paths from the root, sorted.
pub fn files(directory: &str) -> Vec<String> {
    fn walk(base: &Path, directory: &Path, found: &mut Vec<String>) {
        let Ok(entries) = fs::read_dir(directory) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let hidden = name.starts_with('.') && name != ".ci";
            if path.is_dir() && !hidden && name != "target" && name != "artefacts" {
                walk(base, &path, found);
            } else if path.is_file() && !hidden && !name.ends_with(".snap.new") {
                let below = path.strip_prefix(base).expect("below the root");
                found.push(below.to_string_lossy().into_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &root().join(directory), &mut found);
    found.sort();
    found
}

/// A file's text.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What following the `mod` declarations found.
pub struct Modules {
    /// Rust files, sorted by path.
    pub sources: Vec<Source>,
    /// Files that no declaration reaches, and declarations that reach no file.
    pub complaints: Vec<String>,
}

/// Every Rust file of the workspace.
pub fn modules() -> Modules {
    let texts = files("")
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .map(|path| (path.clone(), read(&path)))
        .collect();
    reach(&texts)
}

/// Follows declarations through these files.
pub fn reach(texts: &BTreeMap<String, String>) -> Modules {
    let mut complaints = Vec::new();
    let mut reached: BTreeMap<String, bool> = BTreeMap::new();
    let mut queue: Vec<(String, bool)> = texts.keys().filter_map(|path| root_file(path)).collect();
    while let Some((path, test)) = queue.pop() {
        // Reached as product code once is product code.
        match reached.get(&path) {
            Some(&known) if !known || test => continue,
            _ => reached.insert(path.clone(), test),
        };
        for declared in declarations(&path, &texts[&path]) {
            let found = declared.paths.iter().find(|path| texts.contains_key(*path));
            match found {
                Some(child) => queue.push((child.clone(), test || declared.test)),
                None => complaints.push(format!(
                    "{path}:{}: `mod {}` has no file",
                    declared.line, declared.name
                )),
            }
        }
    }
    for path in texts.keys().filter(|path| !reached.contains_key(*path)) {
        complaints.push(format!(
            "{path}:1: dead file: no `mod` declaration reaches it"
        ));
    }
    let sources = texts
        .iter()
        .map(|(path, text)| Source::new(path, text, reached.get(path).copied().unwrap_or(false)))
        .collect();
    Modules {
        sources,
        complaints,
    }
}

/// Whether a file is the root of a library, program, test, bench or example; with whether it is test code.
fn root_file(path: &str) -> Option<(String, bool)> {
    let below = CRATES
        .iter()
        .rev()
        .find_map(|directory| path.strip_prefix(directory))?;
    if path.starts_with("tests/fuzz/src/") {
        return Some((path.to_owned(), true)); // a crate outside the workspace, each file a program
    }
    if ["src/lib.rs", "src/main.rs", "build.rs"].contains(&below) {
        return Some((path.to_owned(), false));
    }
    let (kind, rest) = below.split_once('/')?;
    let direct = !rest.contains('/');
    let main = rest.ends_with("/main.rs") && rest.matches('/').count() == 1;
    (["tests", "benches", "examples"].contains(&kind) && (direct || main))
        .then(|| (path.to_owned(), true))
}

struct Declaration {
    name: String,
    line: usize,
    test: bool,
    /// Where its file may be.
    paths: Vec<String>,
}

/// `mod name;` in a file, with `#[path]` and `#[cfg(test)]`.
fn declarations(path: &str, text: &str) -> Vec<Declaration> {
    let code = lexer::strip(text);
    let product = lexer::without_tests(&code);
    let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = file.trim_end_matches(".rs");
    let crate_root = root_file(path).is_some();
    let base = if crate_root || stem == "mod" {
        directory.to_owned()
    } else {
        format!("{directory}/{stem}")
    };
    let mut found = Vec::new();
    for (place, word) in lexer::words(&code) {
        if word != "mod" {
            continue;
        }
        let behind = lexer::after(&code, place + 3);
        let name: String = behind
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if !lexer::after(behind, name.len()).starts_with(';') {
            continue;
        }
        let line = lexer::line_of(&code, place);
        let before = text.lines().take(line - 1).collect::<Vec<_>>();
        let attribute = before
            .iter()
            .rev()
            .take_while(|line| line.trim_start().starts_with("#["))
            .find_map(|line| line.trim().strip_prefix("#[path = \"")?.strip_suffix("\"]"));
        let paths = match attribute {
            Some(given) => vec![join(directory, given)],
            None => vec![format!("{base}/{name}.rs"), format!("{base}/{name}/mod.rs")],
        };
        found.push(Declaration {
            name,
            line,
            test: product.as_bytes()[place] == b' ',
            paths,
        });
    }
    found
}

/// `directory/given`, with each `..` taken away.
fn join(directory: &str, given: &str) -> String {
    let mut parts: Vec<_> = directory.split('/').collect();
    for part in given.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn a_file_without_a_declaration_is_dead_and_a_declaration_wants_its_file() {
    let texts = [
        (
            "src/lib.rs",
            "pub mod a;\n#[cfg(test)]\nmod checks;\nmod gone;",
        ),
        ("src/a/mod.rs", "mod b;"),
        ("src/a/b.rs", ""),
        ("src/a/c.rs", ""),
        ("src/checks.rs", "fn of_tests() {}"),
        ("tests/t.rs", "#[path = \"t/x/../part.rs\"]\nmod part;"),
        ("tests/t/part.rs", ""),
        ("ringbuf/src/lib.rs", ""),
    ];
    let texts = texts
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into();
    let found = reach(&texts);
    assert_eq!(
        found.complaints,
        [
            "src/lib.rs:4: `mod gone` has no file",
            "src/a/c.rs:1: dead file: no `mod` declaration reaches it"
        ]
    );
    let checks = found.sources.iter().find(|s| s.path == "src/checks.rs");
    assert_eq!(checks.map(|source| source.product.as_str()), Some(""));
}
