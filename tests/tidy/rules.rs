//! Rules about single files: header, length, forbidden words, where `unsafe` may be and what stands above it.
//!
//! Each rule takes a source and answers with complaints of the form `path:line: what`, so that it can be tried on made-up text.

use super::lexer;
use super::source::Source;

/// Longest file, in lines.
pub const LINES_MAX: usize = 600;
/// Lines of `//!` that open a file, at least.
pub const HEADER_LINES_MIN: usize = 2;

/// A file opens with what it is for, which thread owns it, what always holds.
pub fn header(source: &Source) -> Vec<String> {
    let lines = source
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .count();
    // The root of a program has nothing to say beyond its one line.
    let wanted = if source.path.ends_with("src/main.rs") {
        1
    } else {
        HEADER_LINES_MIN
    };
    if lines < wanted {
        let what =
            format!("opens with {lines} lines of `//!`; at least {wanted} say what it is for");
        return vec![source.at(0, what)];
    }
    Vec::new()
}

/// A file can be read in one go.
pub fn length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        return vec![source.at(0, format!("{lines} lines; at most {LINES_MAX}"))];
    }
    Vec::new()
}

/// Nothing unfinished, nothing switched off, nothing left over from a search for a bug.
pub fn leftovers(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (place, word) in lexer::words(&source.code) {
        let behind = &source.code[place + word.len()..];
        let call = behind.starts_with('!');
        let attribute = source.code[..place].ends_with("#[");
        if call && ["todo", "unimplemented", "dbg"].contains(&word) {
            found.push(source.at(place, format!("`{word}!`")));
        }
        if attribute && word == "ignore" {
            found.push(source.at(place, "a switched-off test: it runs, or it is not there"));
        }
    }
    for (at, line) in source.text.lines().enumerate() {
        for mark in [
            concat!("FIX", "ME"),
            concat!("XX", "X"),
            concat!("TO", "DO"),
        ] {
            if lexer::words(line).any(|(_, word)| word == mark) {
                found.push(format!("{}:{}: `{mark}`", source.path, at + 1));
            }
        }
    }
    found
}

/// `unsafe` stands in two places only, and each block or implementation has its reason above it.
pub fn unsafe_code(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let home = ["ringbuf/src/", "src/sys/"]
        .iter()
        .any(|home| source.path.starts_with(home));
    let lines: Vec<_> = source.text.lines().collect();
    for (place, word) in lexer::words(&source.code) {
        if word != "unsafe" {
            continue;
        }
        if !home {
            found.push(source.at(place, "`unsafe` outside ringbuf/src and src/sys"));
        }
        let behind = lexer::after(&source.code, place + word.len());
        if !(behind.starts_with('{') || behind.starts_with("impl")) {
            continue;
        }
        let line = lexer::line_of(&source.code, place) - 1;
        let above = lines[line.saturating_sub(10)..=line].iter().rev();
        // From the line itself upwards, until the statement before.
        let mut reason = false;
        for (step, text) in above.enumerate() {
            let text = text.trim();
            reason |= text.contains("SAFETY:");
            let ends = text.is_empty() || text.ends_with(['}', ';']);
            if reason || (step > 0 && ends && !text.starts_with("//")) {
                break;
            }
        }
        if !reason {
            found.push(source.at(place, "`unsafe` without a SAFETY reason above it"));
        }
    }
    found
}

/// Text that only means something on the machine of whoever wrote it.
pub fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let marks = [
        concat!("/wo", "rk/"),
        concat!("/tmp/w", "t/"),
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/tmp/tar", "get"),
    ];
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(at, line)| {
            let named = marks.iter().filter(move |mark| line.contains(**mark));
            named.map(move |mark| format!("{path}:{}: names `{mark}`", at + 1))
        })
        .collect()
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let bad = concat!(
        "//! One line only.\nfn f() { to",
        "do!(); db",
        "g!(1); }\n#[ign",
        "ore]\nfn g() { uns",
        "afe { h() } }\n// FIX",
        "ME\n"
    );
    let source = Source::new("src/risk/x.rs", bad, false);
    assert_eq!(
        header(&source),
        ["src/risk/x.rs:1: opens with 1 lines of `//!`; at least 2 say what it is for"]
    );
    let left = leftovers(&source);
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left[0].starts_with("src/risk/x.rs:2: "), "{left:?}");
    assert!(left[2].starts_with("src/risk/x.rs:3: "), "{left:?}");
    let found = unsafe_code(&source);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("src/risk/x.rs:4: "), "{found:?}");
    let long = "x\n".repeat(LINES_MAX + 1);
    assert_eq!(length(&Source::new("src/a.rs", &long, false)).len(), 1);
    assert_eq!(
        machine_paths("a.md", concat!("see /ho", "me/me/x")).len(),
        1
    );
}

#[test]
fn good_text_passes() {
    let good = concat!(
        "//! What for.\n//! Who owns it.\n\nfn f() {\n    // SAFETY: nothing is touched.\n    let x =\n        uns",
        "afe { g() };\n}\n"
    );
    let source = Source::new("src/sys/x.rs", good, false);
    for rule in [header, length, leftovers, unsafe_code] {
        assert_eq!(rule(&source), [""; 0]);
    }
    let far = good.replace(
        "// SAFETY",
        "// SAFETY: of another.\n    let y = 1;\n    // No",
    );
    assert_eq!(
        unsafe_code(&Source::new("src/sys/x.rs", &far, false)).len(),
        1
    );
}
