//! Panels on a terminal: two lines of head, the tabs, the panels of the chosen tab, one line of keys.
//!
//! The first tab shows the panels that fit, most important first; the others show one kind of row each and scroll. Without colour
//! the tones are bold or reversed.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::view::{
    ACCOUNTS, Cell, ERRORS, FLOW, LATENCY, LINKS, Panel, REJECTS, SESSIONS, STAGES, Tone, View,
};
use crate::status::{Snapshot, State};

/// Names of the tabs.
pub(super) const TABS: [&str; 6] = [
    "Overview", "Sessions", "Links", "Accounts", "Flow", "Errors",
];

const ERRORS_TAB: usize = 5;

/// What is on the screen.
pub(super) struct App {
    pub(super) tab: usize,
    scroll: usize,
    coloured: bool,
    trouble: Option<String>,
    last: Option<Snapshot>,
    view: Option<View>,
}

impl App {
    pub(super) fn new(coloured: bool) -> Self {
        Self {
            tab: 0,
            scroll: 0,
            coloured,
            trouble: None,
            last: None,
            view: None,
        }
    }

    /// Takes what a reader found.
    pub(super) fn look(&mut self, state: State) {
        let message = state.to_string();
        let (snapshot, trouble) = match state {
            State::Ready(snapshot) => (Some(*snapshot), None),
            State::Dead { last, .. } => (Some(*last), Some(message)),
            _ => (None, Some(message)),
        };
        self.trouble = trouble;
        self.view = snapshot
            .as_ref()
            .map(|now| View::of(now, self.last.as_ref()));
        self.last = snapshot;
    }

    /// Shows tab `tab`, counted round.
    pub(super) fn turn_to(&mut self, tab: usize) {
        self.tab = tab % TABS.len();
        self.scroll = 0;
    }

    /// Scrolls by rows; drawing holds it within the table.
    pub(super) fn scroll_by(&mut self, rows: isize) {
        self.scroll = self.scroll.saturating_add_signed(rows);
    }

    pub(super) fn draw(&mut self, frame: &mut Frame) {
        let areas = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
        ]);
        let [head, notice, tabs, body, keys] = areas.areas(frame.area());
        let Some(view) = &self.view else {
            let trouble = self.trouble.clone().unwrap_or_default();
            frame.render_widget(Line::styled("gatehouse top", self.bold()), head);
            frame.render_widget(Paragraph::new(trouble).wrap(Default::default()), body);
            frame.render_widget(Line::from(" q quit   waiting for the gateway"), keys);
            return;
        };
        frame.render_widget(Line::styled(view.headline.as_str(), self.bold()), head);
        frame.render_widget(self.notice(view), notice);
        frame.render_widget(self.tabs(view), tabs);
        let shown: &[usize] = match self.tab {
            0 => &[STAGES, LATENCY, LINKS, SESSIONS, ERRORS, FLOW, ACCOUNTS],
            1 => &[SESSIONS],
            2 => &[LINKS],
            3 => &[ACCOUNTS],
            4 => &[FLOW],
            _ => &[ERRORS, REJECTS],
        };
        let panels: Vec<&Panel> = shown.iter().map(|&at| &view.panels[at]).collect();
        let scroll = self.draw_panels(frame, body, &panels);
        frame.render_widget(
            Line::from(" q quit   tab, arrows: other tabs   up, down, page: scroll"),
            keys,
        );
        self.scroll = scroll;
    }

    fn notice(&self, view: &View) -> Line<'_> {
        if let Some(trouble) = &self.trouble {
            return Line::styled(trouble.clone(), self.tone(Tone::Bad));
        }
        match view.warnings.as_slice() {
            [] => Line::default(),
            [one] => Line::styled(format!("warning: {one}"), self.tone(Tone::Warn)),
            [first, rest @ ..] => {
                let text = format!("warning: {first} (and {} more, see --once)", rest.len());
                Line::styled(text, self.tone(Tone::Warn))
            }
        }
    }

    fn tabs(&self, view: &View) -> Line<'static> {
        let errors = view.panels[ERRORS].rows.len();
        let tab = |(at, name): (usize, &&'static str)| {
            let style = match (at == self.tab, at == ERRORS_TAB && errors != 0) {
                (true, _) => Style::new().add_modifier(Modifier::REVERSED),
                (false, true) => self.tone(Tone::Warn),
                (false, false) => Style::new(),
            };
            let count = match errors {
                n if at == ERRORS_TAB && n != 0 => format!(" ({n})"),
                _ => String::new(),
            };
            let text = format!(" {} {name}{count} ", at + 1);
            [Span::styled(text, style), Span::raw(" ")]
        };
        Line::from_iter(TABS.iter().enumerate().flat_map(tab))
    }

    /// Draws the panels below each other while there is room; a single one scrolls. Returns the scroll that was possible.
    fn draw_panels(&self, frame: &mut Frame, mut area: Rect, panels: &[&Panel]) -> usize {
        if let [panel] = panels {
            return self.draw_panel(frame, area, panel, true);
        }
        let shown = |(at, panel): &(usize, &&Panel)| *at == 0 || !panel.rows.is_empty();
        let panels: Vec<&Panel> = panels
            .iter()
            .enumerate()
            .filter(shown)
            .map(|(_, p)| *p)
            .collect();
        let all: usize = panels.iter().map(|panel| lines(panel) + 1).sum();
        // Empty lines between the panels only where everything fits.
        let gap = (all <= area.height as usize) as usize;
        for (at, panel) in panels.iter().enumerate() {
            if area.height < HEAD_LINES + 1 {
                break;
            }
            // A long table leaves room for a few rows of the next two.
            let next = panels[at + 1..].iter().take(2);
            let kept: usize = next
                .map(|panel| lines(panel).min(HEAD_LINES as usize + 2))
                .sum();
            let room = (area.height as usize)
                .saturating_sub(kept)
                .max(HEAD_LINES as usize + 2);
            let wanted = (lines(panel) + gap).min(area.height as usize) as u16;
            let height = match wanted.min(room as u16) {
                // What is left would be too little for another panel.
                height if area.height - height <= HEAD_LINES => wanted,
                height => height,
            };
            let parts = [Constraint::Length(height), Constraint::Fill(1)];
            let [now, rest] = Layout::vertical(parts).areas(area);
            self.draw_panel(frame, now, panel, false);
            area = rest;
        }
        0
    }

    fn draw_panel(&self, frame: &mut Frame, area: Rect, panel: &Panel, scrolls: bool) -> usize {
        let room = area.height.saturating_sub(HEAD_LINES) as usize;
        let room = if scrolls {
            room
        } else {
            room.min(panel.rows.len().max(1))
        };
        let scroll = if scrolls {
            self.scroll.min(panel.rows.len().saturating_sub(room))
        } else {
            0
        };
        let rows = panel.rows.iter().skip(scroll).take(room);
        let columns = columns(panel, area.width as usize);
        let hidden = panel.rows.len().saturating_sub(scroll + room);
        let mut lines = vec![self.title(panel, scroll, hidden)];
        let headings = panel.headings.iter().zip(&columns);
        lines.push(Line::from_iter(headings.map(|(text, column)| {
            Span::styled(column.pad(text), Style::new().add_modifier(Modifier::DIM))
        })));
        lines.extend(rows.map(|row| self.row(row, &columns)));
        if panel.rows.is_empty() {
            lines.push(Line::from("none"));
        }
        frame.render_widget(Paragraph::new(lines), area);
        scroll
    }

    fn title(&self, panel: &Panel, scroll: usize, hidden: usize) -> Line<'static> {
        let mut title = vec![Span::styled(panel.title, self.bold())];
        if scroll != 0 || hidden != 0 {
            title.push(Span::raw(format!("  ({scroll} above, {hidden} below)")));
        }
        Line::from(title)
    }

    fn row(&self, row: &[Cell], columns: &[Column]) -> Line<'static> {
        let cells = row.iter().zip(columns);
        Line::from_iter(
            cells.map(|(cell, column)| Span::styled(column.pad(&cell.text), self.tone(cell.tone))),
        )
    }

    fn bold(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn tone(&self, tone: Tone) -> Style {
        let style = Style::new();
        match (tone, self.coloured) {
            (Tone::Plain, _) => style,
            (Tone::Good, true) => style.fg(Color::Green),
            (Tone::Warn, true) => style.fg(Color::Yellow),
            (Tone::Bad, true) => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            (Tone::Good, false) => style,
            (Tone::Warn, false) => style.add_modifier(Modifier::BOLD),
            (Tone::Bad, false) => style.add_modifier(Modifier::REVERSED),
        }
    }
}

/// Title and headings of a panel.
const HEAD_LINES: u16 = 2;

/// Lines of a whole panel.
fn lines(panel: &Panel) -> usize {
    HEAD_LINES as usize + panel.rows.len().max(1)
}

/// Width and side of one column, the gap behind it included.
struct Column {
    width: usize,
    right: bool,
}

impl Column {
    fn pad(&self, text: &str) -> String {
        let width = self.width;
        if self.right {
            format!("{text:>width$}  ")
        } else {
            format!("{text:<width$}  ")
        }
    }
}

/// The columns that fit into `width`, from the left.
fn columns(panel: &Panel, width: usize) -> Vec<Column> {
    let mut left = width;
    let mut columns = Vec::new();
    for (at, heading) in panel.headings.iter().enumerate() {
        let texts = || {
            panel
                .rows
                .iter()
                .filter_map(|row| row.get(at))
                .map(|cell| &cell.text)
        };
        let widest = texts().map(|text| text.chars().count()).max().unwrap_or(0);
        let column = Column {
            width: widest.max(heading.len()),
            right: at != 0 && texts().any(|text| text.starts_with(|c: char| c.is_ascii_digit())),
        };
        // What is cut at the edge is worth less than nothing; but the first column is always there.
        if column.width > left && at != 0 {
            break;
        }
        left = left.saturating_sub(column.width + 2);
        columns.push(column);
    }
    columns
}
