//! What is wrong with a configuration: every problem with file, line, column, key, message and remedy.
//!
//! Collected, not thrown: the operator sees all of them at once, at most [`DIAGNOSTICS_MAX`] errors and as many warnings. Cold code.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::limits::DIAGNOSTICS_MAX;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The gateway refuses to start.
    Error,
    /// The gateway starts; an operator should know.
    Warning,
}

/// One problem.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Diagnostic {
    /// How bad
    pub severity: Severity,
    /// In which file
    pub file: PathBuf,
    /// From 1
    pub line: usize,
    /// In characters, from 1
    pub column: usize,
    /// Key with its table (`desks.links.window`), or column of a CSV file; empty where it is the whole file
    pub key: String,
    /// What is wrong
    pub message: String,
    /// What would be right
    pub help: String,
    #[serde(skip)]
    place: Place,
}

/// A file that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(usize);

/// Bytes of a file.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which
    pub file: FileId,
    /// Bytes
    pub span: Range<usize>,
}

#[derive(Clone, Debug)]
struct Source {
    path: PathBuf,
    text: String,
}

/// All problems of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    sources: Vec<Source>,
    list: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Diagnostics {
    /// The errors that are kept, in the order of the files.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Error)
    }

    /// The warnings that are kept, in the order of the files.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Warning)
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors and warnings there were, shown or not.
    pub fn counts(&self) -> (usize, usize) {
        (self.errors, self.warnings)
    }

    /// As people read it, pointing at the text; `styled` with colours.
    pub fn render(&self, styled: bool) -> String {
        let renderer = match styled {
            true => Renderer::styled(),
            false => Renderer::plain(),
        };
        let mut out = String::new();
        for diagnostic in &self.list {
            out += &renderer.render(&[self.group(diagnostic)]);
            out += "\n\n";
        }
        let shown = self.list.len();
        if self.errors + self.warnings > shown {
            out += &format!("{} more not shown\n\n", self.errors + self.warnings - shown);
        }
        out
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter().filter(move |d| d.severity == severity)
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = match diagnostic.key.is_empty() {
            true => diagnostic.message.clone(),
            false => format!("`{}` {}", diagnostic.key, diagnostic.message),
        };
        let source = &self.sources[diagnostic.place.file.0];
        let path = source.path.display().to_string();
        let title = level.primary_title(title);
        let group = match window(&source.text, &diagnostic.place.span) {
            Some((lines, span)) => title.element(
                Snippet::source(&source.text[lines])
                    .path(path)
                    .line_start(diagnostic.line)
                    .annotation(AnnotationKind::Primary.span(span)),
            ),
            None => title.element(Origin::path(path)),
        };
        match diagnostic.help.is_empty() {
            true => group,
            false => group.element(Level::HELP.message(diagnostic.help.as_str())),
        }
    }

    /// Takes in a file, so that places in it can be shown.
    pub(super) fn add_source(&mut self, path: &Path, text: String) -> FileId {
        self.sources.push(Source {
            path: path.to_owned(),
            text,
        });
        FileId(self.sources.len() - 1)
    }

    /// Text of a file.
    pub(super) fn text(&self, file: FileId) -> &str {
        &self.sources[file.0].text
    }

    /// Path of a file.
    pub(super) fn path(&self, file: FileId) -> &Path {
        &self.sources[file.0].path
    }

    /// An error.
    pub(super) fn error(&mut self, place: Place, key: &str, message: String, help: String) {
        self.errors += 1;
        if self.errors <= DIAGNOSTICS_MAX {
            self.push(Severity::Error, place, key, message, help);
        }
    }

    /// A warning.
    pub(super) fn warn(&mut self, place: Place, key: &str, message: String, help: String) {
        self.warnings += 1;
        if self.warnings <= DIAGNOSTICS_MAX {
            self.push(Severity::Warning, place, key, message, help);
        }
    }

    /// An error in a file that the configuration names and another reads; `line` from 1.
    pub fn error_in(
        &mut self,
        path: &Path,
        text: String,
        line: usize,
        message: String,
        help: String,
    ) {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let start = starts.take(line.max(1)).last().unwrap_or(0);
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let file = self.add_source(path, text);
        let span = start..end;
        self.error(Place { file, span }, "", message, help);
    }

    /// Orders by file and place. Called once, when all are in.
    pub(super) fn sort(&mut self) {
        self.list
            .sort_by_key(|d| (d.severity as u8, d.place.file, d.place.span.start));
    }

    /// Whether a further error would only be counted: then its words need no work.
    pub(super) fn is_full(&self) -> bool {
        self.errors >= DIAGNOSTICS_MAX
    }

    /// Line of a place, from 1; zero where nobody would see it, since counting lines of large files costs.
    pub(super) fn line(&self, place: &Place) -> usize {
        if self.is_full() {
            return 0;
        }
        position(self.text(place.file), place.span.start).0
    }

    fn push(&mut self, severity: Severity, place: Place, key: &str, message: String, help: String) {
        let (line, column) = position(self.text(place.file), place.span.start);
        self.list.push(Diagnostic {
            severity,
            file: self.path(place.file).to_owned(),
            line,
            column,
            key: key.to_owned(),
            message,
            help,
            place,
        });
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line, column) = (self.file.display(), self.line, self.column);
        write!(f, "{file}:{line}:{column}: ")?;
        if !self.key.is_empty() {
            write!(f, "`{}` ", self.key)?;
        }
        write!(f, "{}", self.message)?;
        match self.help.is_empty() {
            true => Ok(()),
            false => write!(f, "; {}", self.help),
        }
    }
}

/// Line and column (in characters) of a byte, both from 1.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..byte.min(text.len())];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let column = String::from_utf8_lossy(&before[line_start..])
        .chars()
        .count()
        + 1;
    (line, column)
}

/// The line that a span starts in, and the span within it; `None` for an empty line.
fn window(text: &str, span: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let start = floor_boundary(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    if line_end == line_start {
        return None;
    }
    let end = floor_boundary(text, span.end).clamp(start, line_end);
    Some((line_start..line_end, start - line_start..end - line_start))
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
