//! One CSV file while it is resolved: columns by name in any order, cells with their place, values checked against the catalogue.
//!
//! The first line names the columns. Lines that start with `#` and empty lines are skipped. A column with a default may be absent, a
//! cell with a default may be empty. Cold code.

use std::ops::Range;

use csv::StringRecord;

use super::section::name_problem;
use super::{Context, shown};
use crate::config::diagnostics::{FileId, Place};
use crate::config::keys::{self, Key, Kind, Preset};
use crate::config::suggest;
use crate::domain::price::SCALE;
use crate::domain::{Money, Price, Quantity};
use crate::limits::CASH_MAX;

/// A file.
pub struct Table {
    /// For places
    pub file: FileId,
    section: &'static str,
    columns: Vec<(String, Range<usize>)>,
    /// Its rows, bounded by the file's size
    pub rows: Vec<Row>,
    /// Whether rows or columns could not be read
    pub damaged: bool,
}

/// A line.
pub struct Row {
    cells: StringRecord,
    start: usize,
}

/// A column that was looked up once.
pub struct Column {
    key: &'static Key,
    at: Option<usize>,
}

impl Column {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.key.name
    }
}

/// Reads a file: columns and rows; what cannot be a row is reported.
pub fn read(cx: &mut Context, file: FileId, section: &'static str, rows_max: usize) -> Table {
    let text = cx.diagnostics.text(file).to_owned();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut table = Table {
        file,
        section,
        columns: Vec::new(),
        rows: Vec::new(),
        damaged: false,
    };
    let mut header = true;
    let mut header_wrong = false;
    loop {
        let before = reader.position().byte() as usize;
        let mut cells = StringRecord::new();
        match reader.read_record(&mut cells) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                let message = format!("is no CSV here: {error}");
                cx.error(
                    file,
                    before..before,
                    "",
                    message,
                    "see docs/CONFIGURATION.md".to_owned(),
                );
                table.damaged = true;
                break;
            }
        }
        let start = skip(&text, before);
        if std::mem::take(&mut header) {
            table.header(cx, &text, &cells, start);
            header_wrong = table.damaged;
            continue;
        }
        if table.columns.is_empty() {
            break;
        }
        let row = Row { cells, start };
        if row.cells.len() != table.columns.len() {
            table.damaged = true;
            if header_wrong {
                continue; // most likely the same mistake
            }
            let (have, want) = (row.cells.len(), table.columns.len());
            let span = start..line_end(&text, start);
            let message = format!("has {have} cells where the first line names {want} columns");
            let names: Vec<_> = table
                .columns
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            cx.error(
                file,
                span,
                "",
                message,
                format!("write {}", names.join(",")),
            );
            table.damaged = true;
            continue;
        }
        table.rows.push(row);
        if table.rows.len() > rows_max {
            let span = start..line_end(&text, start);
            let message = format!("is one row too many: at most {rows_max}");
            cx.error(file, span, "", message, "remove rows".to_owned());
            table.damaged = true;
            break;
        }
    }
    if header {
        let names = required(section).join(",");
        let message = "is empty: the first line must name the columns".to_owned();
        cx.error(file, 0..0, "", message, format!("write {names}"));
        table.damaged = true;
    }
    table
}

impl Table {
    /// A column of the catalogue.
    pub fn column(&self, name: &str) -> Column {
        let key = keys::find(self.section, name)
            .unwrap_or_else(|| unreachable!("{}: {name} is not in the catalogue", self.section));
        let at = self.columns.iter().position(|(column, _)| column == name);
        Column { key, at }
    }

    /// An error at a cell.
    pub fn wrong(
        &self,
        cx: &mut Context,
        row: &Row,
        column: &Column,
        message: String,
        help: String,
    ) {
        let place = self.place(cx, row, column);
        cx.error(place.file, place.span, column.key.name, message, help);
    }

    /// A warning at a cell.
    pub fn doubtful(
        &self,
        cx: &mut Context,
        row: &Row,
        column: &Column,
        message: String,
        help: &str,
    ) {
        let place = self.place(cx, row, column);
        cx.warn(
            place.file,
            place.span,
            column.key.name,
            message,
            help.to_owned(),
        );
    }

    /// Place of a cell; of the row where the column is absent.
    pub fn place(&self, cx: &Context, row: &Row, column: &Column) -> Place {
        let text = cx.diagnostics.text(self.file);
        let span = match column.at {
            Some(at) => cell_span(text, row.start, at),
            None => row.start..line_end(text, row.start),
        };
        Place {
            file: self.file,
            span,
        }
    }

    /// Name; empty after an error or where it may be absent.
    pub fn name<'r>(&self, cx: &mut Context, row: &'r Row, column: &Column) -> &'r str {
        let Some(cell) = self.cell(cx, row, column) else {
            return match column.key.preset {
                Preset::Text(preset) => preset,
                _ => "",
            };
        };
        let Kind::Name(bytes_max) = column.key.kind else {
            unreachable!("{} is no name in the catalogue", column.key.name)
        };
        match name_problem(cell, bytes_max) {
            None => cell,
            Some(problem) => {
                let help = format!("write {}", column.key.wanted());
                self.wrong(cx, row, column, problem, help);
                ""
            }
        }
    }

    /// Word of a choice, checked only.
    pub fn choice(&self, cx: &mut Context, row: &Row, column: &Column) {
        let Kind::Choice(words) = column.key.kind else {
            unreachable!("{} is no choice in the catalogue", column.key.name)
        };
        self.value(
            cx,
            row,
            column,
            |cell| words.contains(&cell).then_some(()),
            (),
        );
    }

    /// True or false.
    pub fn flag(&self, cx: &mut Context, row: &Row, column: &Column) -> bool {
        let preset = column.key.preset == Preset::Flag(true);
        self.value(cx, row, column, |cell| cell.parse().ok(), preset)
    }

    /// Whole number.
    pub fn number(&self, cx: &mut Context, row: &Row, column: &Column) -> u32 {
        let Kind::Number(min, max) = column.key.kind else {
            unreachable!("{} is no number in the catalogue", column.key.name)
        };
        let parse = |cell: &str| {
            let digits = cell.bytes().all(|c| c.is_ascii_digit());
            let number: u64 = cell.parse().ok().filter(|_| digits)?;
            (min..=max).contains(&number).then_some(number)
        };
        self.value(cx, row, column, parse, preset(column)) as u32
    }

    /// Quantity.
    pub fn quantity(&self, cx: &mut Context, row: &Row, column: &Column) -> Quantity {
        let parse = |cell: &str| Quantity::parse(cell.as_bytes());
        self.value(cx, row, column, parse, Quantity(preset(column)))
    }

    /// Price.
    pub fn price(&self, cx: &mut Context, row: &Row, column: &Column) -> Price {
        let parse = |cell: &str| Price::parse(cell.as_bytes());
        self.value(cx, row, column, parse, Price(preset(column) as i64 * SCALE))
    }

    /// Amount of money, not negative.
    pub fn money(&self, cx: &mut Context, row: &Row, column: &Column) -> Money {
        let bounds = 0..=CASH_MAX * SCALE as i128;
        let parse = |cell: &str| Money::parse(cell.as_bytes()).filter(|m| bounds.contains(&m.0));
        let preset = Money(preset(column) as i128 * SCALE as i128);
        self.value(cx, row, column, parse, preset)
    }

    fn value<T>(
        &self,
        cx: &mut Context,
        row: &Row,
        column: &Column,
        parse: impl Fn(&str) -> Option<T>,
        preset: T,
    ) -> T {
        let Some(cell) = self.cell(cx, row, column) else {
            return preset;
        };
        parse(cell).unwrap_or_else(|| {
            let help = format!("write {}", column.key.wanted());
            self.wrong(cx, row, column, format!("cannot be {}", shown(cell)), help);
            preset
        })
    }

    /// The text; `None` where it is empty or absent, which is an error where it is required.
    fn cell<'r>(&self, cx: &mut Context, row: &'r Row, column: &Column) -> Option<&'r str> {
        let cell = row.cells.get(column.at?).filter(|cell| !cell.is_empty());
        if cell.is_none() && column.key.preset == Preset::Required {
            let help = format!("write {}", column.key.wanted());
            self.wrong(cx, row, column, "is empty".to_owned(), help);
        }
        cell
    }

    fn header(&mut self, cx: &mut Context, text: &str, cells: &StringRecord, start: usize) {
        let known = keys::names_in(self.section);
        for (at, name) in cells.iter().enumerate() {
            let name = match at {
                0 => name.trim_start_matches('\u{feff}'), // a byte-order mark of a spreadsheet
                _ => name,
            };
            let span = cell_span(text, start, at);
            if self.columns.iter().any(|(seen, _)| seen == name) {
                let help = "name each column once".to_owned();
                cx.error(
                    self.file,
                    span.clone(),
                    name,
                    "is a column twice".to_owned(),
                    help,
                );
                self.damaged = true;
            } else if !known.contains(&name) {
                let help = match suggest::nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known columns: {}", known.join(", ")),
                };
                let message = format!("is no known column: {}", shown(name));
                cx.error(self.file, span.clone(), "", message, help);
                self.damaged = true;
            }
            self.columns.push((name.to_owned(), span));
        }
        for name in required(self.section) {
            // A misspelt column was reported already; a missing one beside it is most likely the same.
            if !self.damaged && !self.columns.iter().any(|(column, _)| column == name) {
                let message = "is missing: the first line names no such column".to_owned();
                let help = format!("add the column `{name}`");
                cx.error(self.file, start..line_end(text, start), name, message, help);
            }
        }
        let complete = required(self.section)
            .iter()
            .all(|name| self.columns.iter().any(|(column, _)| column == name));
        self.damaged |= !complete;
    }
}

fn required(section: &str) -> Vec<&'static str> {
    keys::KEYS
        .iter()
        .filter(|k| k.section == section && k.preset == Preset::Required)
        .map(|k| k.name)
        .collect()
}

fn preset(column: &Column) -> u64 {
    match column.key.preset {
        Preset::Number(n) => n,
        _ => 0,
    }
}

/// Where the next row begins: behind empty lines and comments.
fn skip(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\r' | b'\n' => at += 1,
            b'#' => at = line_end(text, at),
            _ => break,
        }
    }
    at
}

fn line_end(text: &str, from: usize) -> usize {
    let from = from.min(text.len());
    memchr::memchr2(b'\n', b'\r', &text.as_bytes()[from..]).map_or(text.len(), |at| from + at)
}

/// Bytes of a cell: commas count outside quotes.
fn cell_span(text: &str, row_start: usize, column: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut left, mut quoted) = (row_start, column, false);
    let mut start = at;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => quoted = !quoted,
            b',' | b'\n' | b'\r' if quoted => {}
            b',' if left > 0 => {
                left -= 1;
                start = at + 1;
            }
            b',' | b'\n' | b'\r' => break,
            _ => {}
        }
        at += 1;
    }
    let cell = &bytes[start..at];
    let blank = |c: &u8| *c == b' ' || *c == b'\t';
    let lead = cell.iter().take_while(|c| blank(c)).count();
    let trail = cell[lead..].iter().rev().take_while(|c| blank(c)).count();
    start + lead..at - trail
}
