//! `gatehouse top`: the status page of a running gateway, live in a terminal, or once as a plain table or as JSON.
//!
//! `view` and `panels` turn a snapshot into panels of text, `draw` puts panels on a terminal; `--once` prints the same panels. The gateway does not
//! notice: its file is read, nothing of it is mapped, locked or asked. Exit codes: 0 read, 1 no gateway or a dead one.

mod draw;
mod panels;
mod view;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use self::draw::{App, TABS};
use super::table::Table;
use crate::status::{State, reader};

/// Arguments of `gatehouse top`.
#[derive(Args, Debug)]
pub struct TopArgs {
    /// Status page of the gateway
    #[arg(long, default_value = super::STATUS_FILE, value_name = "PATH")]
    status: PathBuf,
    /// Print plain tables once and end; so does output to a pipe
    #[arg(long)]
    once: bool,
    /// Print the page once as JSON
    #[arg(long)]
    json: bool,
    /// Milliseconds between two looks
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    interval_ms: u64,
}

/// Runs `gatehouse top`.
pub fn run(args: &TopArgs) -> ExitCode {
    let result = if args.json {
        print(&args.status, json)
    } else if args.once || !io::stdout().is_terminal() {
        print(&args.status, plain)
    } else {
        live(args).map(|()| true)
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // `top --once | head` is no failure of ours.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatehouse top: {}: {error}", args.status.display());
            ExitCode::FAILURE
        }
    }
}

fn read(path: &Path) -> io::Result<State> {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    reader::read_file(path, wall.unwrap_or_default().as_nanos() as u64)
}

/// Prints what `show` makes of the page to the right stream; true where the gateway lives.
fn print(path: &Path, show: fn(&State) -> io::Result<String>) -> io::Result<bool> {
    let state = read(path)?;
    let text = show(&state)?;
    io::stdout().write_all(text.as_bytes())?;
    let ready = matches!(state, State::Ready(_));
    if !ready {
        eprintln!("gatehouse top: {state}");
    }
    Ok(ready)
}

fn json(state: &State) -> io::Result<String> {
    let text = match state {
        State::Ready(snapshot) | State::Dead { last: snapshot, .. } => {
            serde_json::to_string_pretty(snapshot)?
        }
        other => serde_json::to_string_pretty(&serde_json::json!({ "error": other.to_string() }))?,
    };
    Ok(text + "\n")
}

fn plain(state: &State) -> io::Result<String> {
    let (State::Ready(snapshot) | State::Dead { last: snapshot, .. }) = state else {
        return Ok(String::new());
    };
    let view = view::View::of(snapshot, None);
    let mut text = format!("{}\n", view.headline);
    for warning in &view.warnings {
        text += &format!("warning: {warning}\n");
    }
    for panel in view.panels.iter().filter(|panel| !panel.rows.is_empty()) {
        let mut table = Table::new(panel.headings.iter().copied());
        for row in &panel.rows {
            table.row(row.iter().map(|cell| cell.text.clone()));
        }
        text += &format!("\n{}\n{table}", panel.title);
    }
    Ok(text)
}

/// The terminal is given back on return and, by ratatui's hook, on a panic.
fn live(args: &TopArgs) -> io::Result<()> {
    let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut app = App::new(coloured);
    app.look(read(&args.status)?);
    let mut terminal = ratatui::init();
    let result = watch(args, &mut app, &mut terminal);
    ratatui::restore();
    result
}

fn watch(args: &TopArgs, app: &mut App, terminal: &mut ratatui::DefaultTerminal) -> io::Result<()> {
    let interval = Duration::from_millis(args.interval_ms);
    let mut next = Instant::now() + interval;
    loop {
        terminal.draw(|frame| app.draw(frame))?;
        if event::poll(next.saturating_duration_since(Instant::now()))?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && !pressed(app, key)
        {
            return Ok(());
        }
        if Instant::now() >= next {
            app.look(read(&args.status)?);
            next = Instant::now() + interval;
        }
    }
}

/// False to end.
fn pressed(app: &mut App, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Tab | KeyCode::Right => app.turn_to(app.tab + 1),
        KeyCode::BackTab | KeyCode::Left => app.turn_to(app.tab + TABS.len() - 1),
        KeyCode::Char(digit @ '1'..='9') if (digit as usize - '1' as usize) < TABS.len() => {
            app.turn_to(digit as usize - '1' as usize)
        }
        KeyCode::Down => app.scroll_by(1),
        KeyCode::Up => app.scroll_by(-1),
        KeyCode::PageDown => app.scroll_by(10),
        KeyCode::PageUp => app.scroll_by(-10),
        KeyCode::Home => app.scroll_by(isize::MIN),
        KeyCode::End => app.scroll_by(isize::MAX),
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::reader::read_words;
    use crate::status::tests::{NOW_NS, made_page};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::sync::atomic::Ordering::Relaxed;

    fn drawn(app: &mut App, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| app.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    /// An app that has seen the made page twice, two seconds apart, with 300 orders between.
    fn app() -> App {
        let (words, writers) = made_page();
        let mut app = App::new(true);
        app.look(read_words(words, NOW_NS - 2_000_000_000));
        writers.decode.add(crate::status::Counter::OrdersIn, 300);
        app.look(read_words(words, NOW_NS));
        app
    }

    #[test]
    fn small_terminal() {
        insta::assert_snapshot!(drawn(&mut app(), 80, 24));
    }

    #[test]
    fn large_terminal() {
        insta::assert_snapshot!(drawn(&mut app(), 160, 50));
    }

    #[test]
    fn every_tab_on_every_terminal() {
        let mut app = app();
        let mut all = String::new();
        for tab in 1..TABS.len() {
            app.turn_to(tab);
            all += &drawn(&mut app, 80, 12);
        }
        insta::assert_snapshot!(all);
        for (width, height) in [(1, 1), (10, 3), (40, 10), (500, 200)] {
            for tab in 0..TABS.len() {
                app.turn_to(tab);
                app.scroll_by(3);
                drawn(&mut app, width, height);
            }
        }
    }

    #[test]
    fn a_dead_or_absent_gateway_is_said_to_be_so() {
        let (words, writers) = made_page();
        let mut app = App::new(false);
        app.look(State::Absent("/nowhere/status".into()));
        let absent = drawn(&mut app, 80, 24);
        assert!(
            absent.contains("no status page at /nowhere/status"),
            "{absent}"
        );
        app.look(read_words(words, NOW_NS + 90_000_000_000));
        let dead = drawn(&mut app, 80, 24);
        assert!(dead.contains("has not moved for 90 s"), "{dead}");
        assert!(
            dead.contains("MAIN-A"),
            "shows what the process left behind: {dead}"
        );
        writers.control.stopped(NOW_NS);
        app.look(read_words(words, NOW_NS));
        assert!(drawn(&mut app, 80, 24).contains("was stopped"));
    }

    #[test]
    fn keys() {
        let mut app = app();
        let mut press = |code, modifiers| pressed(&mut app, KeyEvent::new(code, modifiers));
        let none = KeyModifiers::NONE;
        assert!(press(KeyCode::Tab, none) && press(KeyCode::BackTab, none));
        assert!(press(KeyCode::BackTab, none) && press(KeyCode::Char('9'), none));
        assert!(!press(KeyCode::Char('q'), none) && !press(KeyCode::Esc, none));
        assert!(press(KeyCode::Char('c'), none));
        assert!(!press(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert_eq!(app.tab, TABS.len() - 1);
        app.scroll_by(isize::MAX);
        app.scroll_by(isize::MAX);
        drawn(&mut app, 80, 24);
        app.scroll_by(isize::MIN);
    }

    #[test]
    fn once_and_json() {
        let (words, _writers) = made_page();
        let state = read_words(words, NOW_NS);
        insta::assert_snapshot!(plain(&state).unwrap());
        let parsed: serde_json::Value = serde_json::from_str(&json(&state).unwrap()).unwrap();
        assert_eq!(parsed["sessions"][0]["name"], "ALPHA-1");
        assert_eq!(parsed["stages"][0]["counters"]["orders_in"], 1200);
        assert_eq!(parsed["accounts"][0]["available"], "-0.5");
        words[1].store(0, Relaxed);
        let starting = json(&read_words(words, NOW_NS)).unwrap();
        assert!(
            starting.contains("\"error\": \"the gateway is starting\""),
            "{starting}"
        );
    }
}
