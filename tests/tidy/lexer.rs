//! Rust source as text: comments and literals blanked, test code blanked, words and their lines.
//!
//! Nothing is parsed further than the rules need. What is blanked keeps its line breaks, so that a place in the stripped text has
//! the line number of the original.

/// The source with comments, strings and character literals blanked.
pub fn strip(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'"' => string_end(bytes, at + 1),
            b'r' | b'b' if !follows_word(bytes, at) => match raw_string_end(bytes, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            b'\'' => match char_end(bytes, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            _ => {
                at += 1;
                continue;
            }
        };
        blank(&mut out[at..end]);
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Stripped source without the items that stand under `#[cfg(test)]` (and `#[cfg(all(test, …))]`).
pub fn without_tests(stripped: &str) -> String {
    let mut out = stripped.as_bytes().to_vec();
    for mark in ["#[cfg(test)]", "#[cfg(all(test"] {
        let mut from = 0;
        while let Some(found) = stripped[from..].find(mark) {
            let start = from + found;
            let end = item_end(stripped.as_bytes(), start + mark.len());
            blank(&mut out[start..end]);
            from = end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Words (identifiers) of the text, each with its place.
pub fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let start = at + rest.find(is_word)?;
        let len = text[start..]
            .find(|c| !is_word(c))
            .unwrap_or(text.len() - start);
        at = start + len;
        Some((start, &text[start..at]))
    })
}

/// Number of the line in which the place is, from 1.
pub fn line_of(text: &str, place: usize) -> usize {
    1 + text.as_bytes()[..place]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
}

/// The text behind `place` without the space before it.
pub fn after(text: &str, place: usize) -> &str {
    text[place..].trim_start()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len())
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The place behind the closing quote; `at` is behind the opening one.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`, `br"…"`, `b"…"`, `b'…'`.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + (bytes[start] == b'b') as usize;
    if bytes.get(at) != Some(&b'r') {
        return match bytes.get(at) {
            Some(b'"') => Some(string_end(bytes, at + 1)),
            Some(b'\'') => char_end(bytes, at),
            _ => None,
        };
    }
    at += 1;
    let hashes = bytes[at..].iter().take_while(|&&b| b == b'#').count();
    at += hashes;
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
    let body = &bytes[at + 1..];
    let end = body.windows(close.len()).position(|w| w == close)?;
    Some(at + 1 + end + close.len())
}

/// The end of a character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'\\' => {
            let close = bytes[at + 3..].iter().position(|&b| b == b'\'')?;
            Some(at + 3 + close + 1)
        }
        _ => {
            // One character of up to four bytes, then the quote.
            let close = bytes[at + 2..].iter().take(4).position(|&b| b == b'\'')?;
            let inside = std::str::from_utf8(&bytes[at + 1..at + 2 + close]).ok()?;
            (inside.chars().count() == 1).then_some(at + 2 + close + 1)
        }
    }
}

/// The end of the item behind an attribute: its closing brace, or its semicolon.
fn item_end(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0_i32, from);
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'}' => {
                depth -= 1;
                if depth <= 0 {
                    return at + 1;
                }
            }
            b';' if depth <= 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

#[test]
fn comments_and_literals_are_blanked_and_lines_are_kept() {
    let text = "a // use crate::b\n/* x /* y */ z */ \"crate::c \\\" d\" r#\"crate::\"e\"# '\"' 'f' '\\n' &'life g b'h' br\"i\"";
    let stripped = strip(text);
    let left: Vec<_> = words(&stripped).map(|(_, word)| word).collect();
    assert_eq!(left, ["a", "life", "g"]);
    assert_eq!(stripped.lines().count(), text.lines().count());
}

#[test]
fn test_items_are_blanked() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { if x { } } }\n#[cfg(test)]\nmod c;\nfn d() {}";
    let left = without_tests(&strip(text));
    let left: Vec<_> = words(&left).map(|(_, word)| word).collect();
    assert_eq!(left, ["fn", "a", "fn", "d"]);
}
