//! Plain tables for pipes and terminals: columns as wide as their widest cell, numbers to the right. No colour.
//!
//! Cold code of the main thread; the text is built whole and printed once.

use std::fmt;

/// A table of text.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub fn new<T: Into<String>>(headings: impl IntoIterator<Item = T>) -> Self {
        let headings = headings.into_iter().map(Into::into).collect();
        Self {
            rows: vec![headings],
        }
    }

    /// Adds a row, as long as the headings.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows[0].len();
        let cell = |row: &Vec<String>, at: usize| row.get(at).cloned().unwrap_or_default();
        let width = |at| {
            self.rows
                .iter()
                .map(|row| cell(row, at).chars().count())
                .max()
        };
        let numeric = |at| {
            let starts_as_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
            let mut cells = self.rows[1..]
                .iter()
                .map(|row| cell(row, at))
                .filter(|c| c != "-");
            let any = self.rows[1..]
                .iter()
                .any(|row| starts_as_number(&cell(row, at)));
            // A first column is a name or number to look for: always to the left.
            at != 0 && any && cells.all(|text| starts_as_number(text.trim_start_matches('-')))
        };
        let shape: Vec<_> = (0..columns)
            .map(|at| (width(at).unwrap_or(0), numeric(at)))
            .collect();
        for row in &self.rows {
            let mut line = String::new();
            for (at, &(width, right)) in shape.iter().enumerate() {
                let text = cell(row, at);
                let padding = " ".repeat(width - text.chars().count());
                let gap = if at == 0 { "" } else { "  " };
                line += gap;
                line += &if right {
                    padding + &text
                } else {
                    text + &padding
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
