//! `gatehouse ctl`: one command to the control socket of a running gateway, and its answer as a table or as JSON.
//!
//! Exit codes: 0 done (or waiting for a second person), 1 refused or not answered, 2 wrong usage. Nothing is decided here: the
//! gateway checks who asks, what may be done alone, and writes the operations log.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::table::Table;
use crate::stage::control::protocol::{
    Command, LimitName, Request, Response, ScopeName, SetSequence,
};

/// The gateway gives up on a stage after two seconds; then something of it is wrong too.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A logout that comes first may take as long as the configuration allows.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(300);

/// Arguments of `gatehouse ctl`.
#[derive(Args, Debug)]
pub struct CtlArgs {
    /// Control socket of the gateway
    #[arg(long, default_value = super::CONTROL_SOCKET, value_name = "PATH")]
    socket: PathBuf,
    /// The answer as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Why, for the operations log
    #[arg(
        long,
        global = true,
        default_value = "",
        value_name = "TEXT",
        hide_default_value = true
    )]
    reason: String,
    /// Ticket in your own system, for the operations log
    #[arg(
        long,
        global = true,
        default_value = "",
        value_name = "TICKET",
        hide_default_value = true
    )]
    ticket: String,
    #[command(subcommand)]
    command: CtlCommand,
}

#[derive(Subcommand, Debug, Clone)]
enum CtlCommand {
    /// What runs: facts, stages, latencies, links
    Status,
    /// Client sessions
    #[command(subcommand)]
    Session(SessionVerb),
    /// Links to desks
    #[command(subcommand)]
    Link(LinkVerb),
    /// Desks
    #[command(subcommand)]
    Desk(DeskVerb),
    /// Take no new orders; cancels pass
    #[command(subcommand)]
    Block(Scope),
    /// End a block (raises risk)
    #[command(subcommand)]
    Unblock(Scope),
    /// Take no new orders and cancel everything open
    #[command(subcommand)]
    Kill(Scope),
    /// End a kill (raises risk)
    #[command(subcommand)]
    Release(Scope),
    /// Change a limit of an account; raising one raises risk
    Limit {
        /// Account
        account: String,
        /// Which limit
        limit: Limit,
        /// New value; 0 for no limit
        value: String,
    },
    /// Have a snapshot of the state written beside the logs, for the next start
    Snapshot,
    /// Commands that wait for a second person
    Pending,
    /// Do what another person asked for
    Approve {
        /// As `pending` shows it
        number: u64,
    },
    /// Drop what waits
    Refuse {
        /// As `pending` shows it
        number: u64,
    },
}

#[derive(Subcommand, Debug, Clone)]
enum SessionVerb {
    /// Show all
    List,
    /// Log out and refuse until enabled
    Disable {
        /// Session
        name: String,
    },
    /// Let in again (raises risk)
    Enable {
        /// Session
        name: String,
    },
    /// Log out; it may come back
    Logout {
        /// Session
        name: String,
    },
    /// Set both sequence numbers, while it is disconnected (raises risk)
    SetSequence(SequenceArgs),
    /// Set both sequence numbers to 1, while it is disconnected (raises risk)
    Reset {
        /// Session
        name: String,
        /// Log it out first
        #[arg(long)]
        logout: bool,
    },
}

#[derive(Args, Debug, Clone)]
struct SequenceArgs {
    /// Session or link
    name: String,
    /// Next number expected from the peer
    #[arg(long, value_name = "N")]
    next_in: u64,
    /// Next number that the gateway uses
    #[arg(long, value_name = "N")]
    next_out: u64,
    /// Log it out first
    #[arg(long)]
    logout: bool,
}

#[derive(Subcommand, Debug, Clone)]
enum LinkVerb {
    /// Show all
    List,
    /// No new orders; log out when nothing is in flight
    Disable {
        /// Link
        name: String,
    },
    /// Connect again (raises risk)
    Enable {
        /// Link
        name: String,
    },
    /// Set both sequence numbers, while it is disconnected (raises risk)
    SetSequence(SequenceArgs),
    /// Set both sequence numbers to 1, while it is disconnected (raises risk)
    Reset {
        /// Link
        name: String,
        /// Log it out first
        #[arg(long)]
        logout: bool,
    },
}

#[derive(Subcommand, Debug, Clone)]
enum DeskVerb {
    /// Show all
    List,
    /// Take no new orders for a desk; cancels pass
    Hold {
        /// Desk
        name: String,
    },
    /// End a hold, once it is settled what the desk has (raises risk)
    Release {
        /// Desk
        name: String,
    },
}

#[derive(Subcommand, Debug, Clone)]
enum Scope {
    /// Everything
    Firm,
    /// One account
    Account {
        /// Account
        name: String,
    },
    /// One client session
    Session {
        /// Session
        name: String,
    },
    /// One instrument
    Instrument {
        /// Symbol
        symbol: String,
    },
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum Limit {
    /// Largest value of one order, currency units
    OrderValueMax,
    /// Most open orders
    OpenOrdersMax,
    /// Messages per second
    MessagesPerSecond,
}

/// Runs `gatehouse ctl`.
pub fn run(args: &CtlArgs) -> ExitCode {
    let request = Request {
        command: command(&args.command),
        reason: args.reason.clone(),
        ticket: args.ticket.clone(),
    };
    let response = match ask(&args.socket, &request) {
        Ok(response) => response,
        Err(error) => {
            eprintln!("gatehouse ctl: {}: {error}", args.socket.display());
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) {
                eprintln!("is the gateway running, and with this control_socket?");
            }
            return ExitCode::FAILURE;
        }
    };
    let text = if args.json {
        serde_json::to_string_pretty(&response).unwrap_or_default() + "\n"
    } else {
        show(&request.command, &response)
    };
    // Errors go where a pipe does not take them for data; with --json the data says so itself.
    let written = if response.ok || args.json {
        io::stdout().write_all(text.as_bytes())
    } else {
        io::stderr().write_all(text.as_bytes())
    };
    match (response.ok, written) {
        (true, Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Sends one request and waits for its answer.
pub fn ask(socket: &Path, request: &Request) -> io::Result<Response> {
    let mut stream = UnixStream::connect(socket)?;
    let timeout = match &request.command {
        Command::SessionSetSequence(set) | Command::LinkSetSequence(set) if set.logout => {
            LOGOUT_TIMEOUT + ANSWER_TIMEOUT
        }
        // It may be numbers with a logout that is approved.
        Command::Approve { .. } => LOGOUT_TIMEOUT + ANSWER_TIMEOUT,
        _ => ANSWER_TIMEOUT,
    };
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    // A gateway that refuses the connection may close it before it has read: its answer is still there.
    let sent = stream.write_all(&line);
    let mut answer = String::new();
    match BufReader::new(stream).read_line(&mut answer) {
        Ok(0) => sent.and(Err(io::Error::other("the gateway closed the connection"))),
        Ok(_) => serde_json::from_str(&answer).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::other("the gateway does not answer"))
        }
        Err(error) => Err(error),
    }
}

fn command(command: &CtlCommand) -> Command {
    match command.clone() {
        CtlCommand::Status => Command::Status,
        CtlCommand::Session(SessionVerb::List) => Command::SessionList,
        CtlCommand::Session(SessionVerb::Disable { name }) => Command::SessionDisable { name },
        CtlCommand::Session(SessionVerb::Enable { name }) => Command::SessionEnable { name },
        CtlCommand::Session(SessionVerb::Logout { name }) => Command::SessionLogout { name },
        CtlCommand::Session(SessionVerb::SetSequence(set)) => {
            Command::SessionSetSequence(sequence(set))
        }
        CtlCommand::Session(SessionVerb::Reset { name, logout }) => {
            Command::SessionSetSequence(first_numbers(name, logout))
        }
        CtlCommand::Link(LinkVerb::SetSequence(set)) => Command::LinkSetSequence(sequence(set)),
        CtlCommand::Link(LinkVerb::Reset { name, logout }) => {
            Command::LinkSetSequence(first_numbers(name, logout))
        }
        CtlCommand::Link(LinkVerb::List) => Command::LinkList,
        CtlCommand::Link(LinkVerb::Disable { name }) => Command::LinkDisable { name },
        CtlCommand::Link(LinkVerb::Enable { name }) => Command::LinkEnable { name },
        CtlCommand::Desk(DeskVerb::List) => Command::DeskList,
        CtlCommand::Desk(DeskVerb::Hold { name }) => Command::DeskHold { name: name.clone() },
        CtlCommand::Desk(DeskVerb::Release { name }) => Command::DeskRelease { name: name.clone() },
        CtlCommand::Block(of) => Command::Block { scope: scope(of) },
        CtlCommand::Unblock(of) => Command::Unblock { scope: scope(of) },
        CtlCommand::Kill(of) => Command::Kill { scope: scope(of) },
        CtlCommand::Release(of) => Command::Release { scope: scope(of) },
        CtlCommand::Limit {
            account,
            limit,
            value,
        } => Command::Limit {
            account,
            limit: match limit {
                Limit::OrderValueMax => LimitName::OrderValueMax,
                Limit::OpenOrdersMax => LimitName::OpenOrdersMax,
                Limit::MessagesPerSecond => LimitName::MessagesPerSecond,
            },
            value,
        },
        CtlCommand::Snapshot => Command::Snapshot,
        CtlCommand::Pending => Command::Pending,
        CtlCommand::Approve { number } => Command::Approve { number },
        CtlCommand::Refuse { number } => Command::Refuse { number },
    }
}

fn sequence(set: SequenceArgs) -> SetSequence {
    SetSequence {
        name: set.name,
        next_in: set.next_in,
        next_out: set.next_out,
        logout: set.logout,
    }
}

fn first_numbers(name: String, logout: bool) -> SetSequence {
    SetSequence {
        name,
        next_in: 1,
        next_out: 1,
        logout,
    }
}

fn scope(scope: Scope) -> ScopeName {
    match scope {
        Scope::Firm => ScopeName::Firm,
        Scope::Account { name } => ScopeName::Account(name),
        Scope::Session { name } => ScopeName::Session(name),
        Scope::Instrument { symbol } => ScopeName::Instrument(symbol),
    }
}

/// Columns of the lists: heading and key of the JSON.
type Columns = &'static [(&'static str, &'static str)];

const SESSIONS: Columns = &[
    ("SESSION", "name"),
    ("STATE", "state"),
    ("STOPPED", "stopped"),
    ("OPEN", "orders_open"),
    ("ORDERS", "orders"),
    ("IN", "messages_in"),
    ("OUT", "messages_out"),
    ("NEXT IN", "next_in"),
    ("NEXT OUT", "next_out"),
    ("REJECTS", "rejects"),
    ("LAST END", "reason"),
    ("PEER", "peer"),
];
const LINKS: Columns = &[
    ("DESK", "desk"),
    ("LINK", "name"),
    ("STATE", "state"),
    ("IN FLIGHT", "in_flight"),
    ("QUEUED", "queued"),
    ("IN DOUBT", "in_doubt"),
    ("SENT", "sent"),
    ("RECEIVED", "received"),
    ("RECONNECTS", "reconnects"),
    ("LAST END", "reason"),
];
const DESKS: Columns = &[
    ("DESK", "name"),
    ("LINKS", "links"),
    ("READY", "links_ready"),
    ("IN FLIGHT", "in_flight"),
    ("IN DOUBT", "in_doubt"),
    ("SENT", "sent"),
    ("RECEIVED", "received"),
];
const PENDING: Columns = &[
    ("NO", "number"),
    ("COMMAND", "command"),
    ("NOW", "current"),
    ("ASKED BY UID", "uid"),
    ("REASON", "reason"),
    ("TICKET", "ticket"),
    ("EXPIRES S", "expires_s"),
];

fn show(command: &Command, response: &Response) -> String {
    let columns = match command {
        Command::SessionList => SESSIONS,
        Command::LinkList => LINKS,
        Command::DeskList => DESKS,
        Command::Pending => PENDING,
        Command::Status if response.ok => return show_status(response),
        _ => &[],
    };
    let mut text = response.message.clone() + "\n";
    if let Some(rows) = response.data.as_array().filter(|rows| !rows.is_empty()) {
        text += &table(columns, rows);
    }
    text
}

fn table(columns: Columns, rows: &[Value]) -> String {
    let mut table = Table::new(columns.iter().map(|&(heading, _)| heading));
    for row in rows {
        table.row(columns.iter().map(|&(_, key)| plain(&row[key])));
    }
    table.to_string()
}

/// A JSON value as people write it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) if text.is_empty() || text == "none" => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn show_status(response: &Response) -> String {
    let data = &response.data;
    let mut text = response.message.clone() + "\n";
    for (name, fact) in data["facts"].as_object().into_iter().flatten() {
        if fact != "" {
            text += &format!("  {:<14} {}\n", name.replace('_', " "), plain(fact));
        }
    }
    for key in ["sessions_count", "accounts_count", "pending_count"] {
        text += &format!(
            "  {:<14} {}\n",
            key.trim_end_matches("_count"),
            plain(&data[key])
        );
    }
    for warning in data["warnings"].as_array().into_iter().flatten() {
        text += &format!("  warning        {}\n", plain(warning));
    }
    text += "\n";
    text += &table(LINKS, data["links"].as_array().map_or(&[], Vec::as_slice));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        ctl: CtlArgs,
    }

    fn parsed(line: &str) -> Result<String, clap::Error> {
        let cli = Cli::try_parse_from(std::iter::once("ctl").chain(line.split(' ')))?;
        Ok(command(&cli.ctl.command).to_string())
    }

    #[test]
    fn a_command_line_says_what_the_log_will_say() {
        for line in [
            "status",
            "session list",
            "session disable ALPHA-1",
            "session enable ALPHA-1",
            "session logout ALPHA-1",
            "session set-sequence ALPHA-1 --next-in 5 --next-out 7",
            "session set-sequence ALPHA-1 --next-in 5 --next-out 7 --logout",
            "link set-sequence MAIN-A --next-in 1 --next-out 9",
            "link list",
            "link disable MAIN-A",
            "link enable MAIN-A",
            "desk list",
            "desk hold D1",
            "desk release D1",
            "block firm",
            "unblock account ACC1",
            "kill session ALPHA-1",
            "release instrument ABC",
            "limit ACC1 order-value-max 1000.50",
            "limit ACC1 open-orders-max 5",
            "limit ACC1 messages-per-second 0",
            "pending",
            "approve 3",
            "refuse 4",
        ] {
            assert_eq!(parsed(line).unwrap(), line);
        }
        for (line, logged) in [
            (
                "session reset A",
                "session set-sequence A --next-in 1 --next-out 1",
            ),
            (
                "link reset L --logout",
                "link set-sequence L --next-in 1 --next-out 1 --logout",
            ),
        ] {
            assert_eq!(parsed(line).unwrap(), logged);
        }
        for line in [
            "session set-sequence A --next-in 1",
            "session set-sequence A --next-in x --next-out 2",
            "kill",
            "kill account",
            "limit ACC1 size 4",
            "approve x",
            "stop",
        ] {
            let error = parsed(line)
                .err()
                .unwrap_or_else(|| panic!("took `{line}`"));
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn remarks_may_stand_behind_the_command() {
        let line = "ctl kill firm --reason x --ticket OPS-1 --json";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(
            (
                cli.ctl.reason.as_str(),
                cli.ctl.ticket.as_str(),
                cli.ctl.json
            ),
            ("x", "OPS-1", true)
        );
    }

    #[test]
    fn lists_are_tables() {
        let rows = serde_json::json!([
            {"number": 1, "command": "release firm", "uid": 1000, "reason": "", "ticket": "OPS-1", "expires_s": 899}
        ]);
        let shown = show(&Command::Pending, &Response::with("1 waiting", rows));
        assert_eq!(
            shown,
            "1 waiting\n\
             NO  COMMAND       NOW  ASKED BY UID  REASON  TICKET  EXPIRES S\n\
             1   release firm  -            1000  -       OPS-1         899\n"
        );
    }
}
