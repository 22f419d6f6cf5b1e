//! The catalogue of keys: every key of the TOML files and every column of the CSV files, with kind, unit, default, bounds and meaning.
//!
//! The one place for defaults and bounds: the resolver reads them from here, `docs/CONFIGURATION.md` is compared with it by a test,
//! and error messages take their remedy from it. Cold code.

use crate::config::calendar::WEEKDAYS;
use crate::limits::*;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Printable ASCII without spaces and commas, at most so many bytes
    Name(usize),
    /// `true` or `false`
    Flag,
    /// Whole number within bounds
    Number(u64, u64),
    /// Whole number within bounds that is a power of two
    PowerOfTwo(u64, u64),
    /// One of these words
    Choice(&'static [&'static str]),
    /// IP address and port
    Address,
    /// File or directory; relative to the directory of `gatehouse.toml`
    Path,
    /// List of names
    Names,
    /// Time of day, `HH:MM:SS`
    Time,
    /// List of some of these words
    Words(&'static [&'static str]),
    /// List of address ranges
    Networks,
    /// List of whole numbers within bounds
    Numbers(u64, u64),
    /// Decimal price
    Price,
    /// Whole quantity
    Quantity,
    /// Decimal amount of money, not negative
    Money,
}

/// What holds where a key is absent (or a cell empty).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// It must be there.
    Required,
    /// A number, quantity, price or amount in whole units
    Number(u64),
    /// true or false
    Flag(bool),
    /// Text, as between the quotes
    Text(&'static str),
    /// An empty list
    Empty,
    /// Nothing: what the key is for is not done
    Absent,
}

/// One key or column.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// TOML table (`""` is the top), or name of the CSV file
    pub section: &'static str,
    /// Key or column
    pub name: &'static str,
    /// Shape and bounds
    pub kind: Kind,
    /// Unit, empty where there is none
    pub unit: &'static str,
    /// Default
    pub preset: Preset,
    /// One sentence
    pub meaning: &'static str,
}

use Kind::*;
use Preset::{Absent, Empty, Flag as Bool, Number as Value, Required, Text as Word};

const IO: Kind = Choice(&["auto", "uring", "poll"]);
const TIMER_S: Kind = Number(1, SESSION_TIMER_S_MAX as u64);
const TIMER_MS: Kind = Number(LINK_TIMER_MS_MIN as u64, LINK_TIMER_MS_MAX as u64);
const RATE: Kind = Number(0, MESSAGE_RATE_MAX as u64);
const BURST: Kind = Number(1, MESSAGE_RATE_MAX as u64);
const NAME: Kind = Name(NAME_BYTES_MAX);
const FIX_VERSIONS: &[&str] = &["4.0", "4.1", "4.2", "4.3", "4.4", "5.0", "5.0SP1", "5.0SP2"];
/// Checks against a dictionary, by the names of `domain::Checks`.
pub const CHECKS: [&str; 11] = [
    "unknown_msg_type",
    "required_fields",
    "undefined_tags",
    "tags_not_in_message",
    "empty_values",
    "formats",
    "enumerations",
    "repeated_tags",
    "field_order",
    "groups",
    "user_defined_fields",
];
const PRECISIONS: &[&str] = &["seconds", "millis", "micros", "nanos"];
const COMP_ID: Kind = Name(COMP_ID_BYTES_MAX);

macro_rules! keys {
    ($($section:literal { $($name:literal, $kind:expr, $unit:literal, $preset:expr, $meaning:literal;)* })*) => {
        /// Sections in the order of the documentation.
        pub const SECTIONS: &[&str] = &[$($section),*];
        /// The catalogue.
        pub const KEYS: &[Key] = &[$($(Key {
            section: $section, name: $name, kind: $kind, unit: $unit, preset: $preset, meaning: $meaning,
        },)*)*];
    };
}

keys! {
    "" {
        "name", NAME, "", Word("gatehouse"), "Name of this instance in logs, status page and reports.";
    }
    "files" {
        "clients", Path, "", Word("clients.toml"), "Clients and their sessions.";
        "instruments", Path, "", Word("instruments.csv"), "Instruments.";
        "accounts", Path, "", Word("accounts.csv"), "Accounts.";
        "positions", Path, "", Word("positions.csv"), "Positions at the start of the day.";
    }
    "threads" {
        "layout", Choice(&["auto", "pipeline", "fused"]), "", Word("auto"), "`pipeline`: decode, risk and route on a thread each; `fused`: the three in turn on one; `auto`: pipeline where enough isolated cores exist.";
        "idle", Choice(&["auto", "spin", "yield", "park"]), "", Word("auto"), "What a stage without work does; `auto` spins where the core is its own and yields where cores are fewer than hot threads.";
        "cores", Numbers(0, CORE_MAX as u64), "core", Empty, "Cores of decode, risk, route in this order (`fused`: the first); empty: not pinned.";
        "lock_memory", Flag, "", Bool(true), "Lock and pre-fault memory; refused by the system: one warning, then it runs without.";
        "ring_slots", PowerOfTwo(RING_SLOTS_MIN as u64, RING_SLOTS_MAX as u64), "slots", Value(RING_SLOTS as u64), "Depth of each ring between stages; a slot is 256 bytes.";
    }
    "state" {
        "log_directory", Path, "", Word("/var/lib/gatehouse/log"), "Logs on disk.";
        "log_keep_days", Number(0, LOG_KEEP_DAYS_MAX), "days", Value(0), "Logs of a start that were last written longer ago are removed; younger ones never are. Zero: kept for ever. What a restart needs, and what is of today, stays in any case.";
        "log_disk_max_bytes", Number(0, i64::MAX as u64), "bytes", Value(0), "With more bytes of logs the oldest are removed, as far as `log_keep_days` allows; zero: no bound.";
        "snapshot_every_records", Number(0, SNAPSHOT_RECORDS_MAX), "records", Value(SNAPSHOT_RECORDS), "After so many records of the three logs a process of its own writes a snapshot beside them, so that a start reads no more than what follows it. Zero: only after a start that had much to read, and by `gatehouse ctl snapshot`.";
        "staging_directory", Path, "", Word("/dev/shm/gatehouse"), "Staging windows of the logs; must be memory (tmpfs) that the service manager does not clear at a restart.";
        "staging_bytes", PowerOfTwo(STAGING_BYTES_MIN as u64, STAGING_BYTES_MAX as u64), "bytes", Value(STAGING_BYTES as u64), "Size of each of the three staging windows.";
        "status_file", Path, "", Word("/dev/shm/gatehouse/status"), "Status page that `gatehouse top` reads; memory (tmpfs).";
        "control_socket", Path, "", Word("/run/gatehouse/control.sock"), "Control socket that `gatehouse ctl` uses; at most 107 bytes.";
        "requests_per_day_max", Number(1, REQUESTS_MAX as u64), "requests", Value(REQUESTS_PER_DAY as u64), "Orders, cancels and replaces of one day; memory for them is taken at the start.";
        "executions_per_day_max", Number(1, EXECUTIONS_MAX as u64), "executions", Value(EXECUTIONS_PER_DAY as u64), "Executions of one day; memory for their ids is taken at the start.";
    }
    "control" {
        "operators", Numbers(0, u32::MAX as u64), "user id", Empty, "Users that may command, besides root and the gateway's own.";
        "two_persons", Flag, "", Bool(false), "Commands that raise risk wait for a second operator.";
    }
    "schedules" {
        "name", NAME, "", Required, "Name of the schedule; sessions and links refer to it.";
        "time_zone", Name(TIME_ZONE_BYTES_MAX), "", Required, "Time zone in which days and times are meant, such as `Asia/Shanghai` or `UTC`; the zones' data is built in.";
        "start", Time, "", Required, "When it opens.";
        "end", Time, "", Required, "When it closes: logged-on sessions are logged out, and both sequence numbers start at 1. Not after `start`: on the next day.";
        "days", Words(WEEKDAYS), "", Empty, "Daily: days on which it opens; empty: all.";
        "start_day", Choice(WEEKDAYS), "", Absent, "Weekly: the day on which it opens.";
        "end_day", Choice(WEEKDAYS), "", Absent, "Weekly: the day on which it closes.";
        "holidays", Path, "", Absent, "File of days on which it does not open, one `YYYY-MM-DD` a line, `#` for remarks; a weekly one opens on the first day after them.";
    }
    "listeners" {
        "name", NAME, "", Required, "Name of the port.";
        "address", Address, "", Required, "Where clients connect, such as `10.0.0.1:9100`.";
        "io", IO, "", Word("auto"), "Sockets: `uring`, `poll`, or `auto` (uring where the kernel grants it). The same for all listeners.";
        "connections_max", Number(1, CONNECTIONS_MAX as u64), "connections", Value(1024), "Most connections at once, before and after logon.";
        "logon_timeout_s", Number(1, 300), "s", Value(10), "A connection that has not logged on after this is closed. The lowest of all listeners counts.";
    }
    "desks" {
        "name", NAME, "", Required, "Name of the desk; `accounts.csv` refers to it.";
        "acknowledge_timeout_ms", TIMER_MS, "ms", Value(5000), "A request unanswered for longer makes its link suspect.";
        "durability", Choice(&["process", "host"]), "", Word("process"), "`process`: what was sent or acknowledged survives the process; `host`: no request leaves to the desk, and no report to a session that may use its accounts, before its record is on disk.";
    }
    "desks.links" {
        "name", NAME, "", Required, "Name of the link.";
        "address", Address, "", Required, "Where the desk listens.";
        "io", IO, "", Word("auto"), "Sockets, as for listeners. The same for all links.";
        "fix_version", Choice(FIX_VERSIONS), "", Word("4.4"), "BeginString(8).";
        "sender_comp_id", COMP_ID, "", Word("GATEHOUSE"), "SenderCompID(49) that we send.";
        "target_comp_id", COMP_ID, "", Required, "TargetCompID(56): the desk.";
        "heartbeat_interval_s", TIMER_S, "s", Value(HEARTBEAT_INTERVAL_S as u64), "HeartBtInt(108) that we ask for.";
        "sending_time_tolerance_s", TIMER_S, "s", Value(120), "Largest difference between SendingTime(52) and our clock.";
        "reset_on_logon", Flag, "", Bool(false), "Both sequence numbers start at 1 with each logon.";
        "reset_on_logout", Flag, "", Bool(false), "Both sequence numbers start at 1 after a logout.";
        "reset_on_disconnect", Flag, "", Bool(false), "Both sequence numbers start at 1 after a disconnect.";
        "logout_timeout_s", Number(1, 300), "s", Value(10), "A logout unanswered for longer is closed.";
        "reconnect_min_ms", TIMER_MS, "ms", Value(500), "First wait before connecting again; it doubles with each failure.";
        "reconnect_max_ms", TIMER_MS, "ms", Value(30_000), "Longest wait before connecting again.";
        "dictionary", Path, "", Absent, "Dictionary in QuickFIX's XML that the desk's messages are checked against; empty: they are not. A report that is refused is a fill unknown here: name one only after the desk was certified with it.";
        "application_dictionary", Path, "", Absent, "5.0 and later: the dictionary of the application; `dictionary` is that of FIXT.1.1 then.";
        "unchecked", Words(&CHECKS), "", Empty, "Checks against the dictionary that are not made.";
        "timestamp_precision", Choice(PRECISIONS), "", Absent, "Fraction of the times that we write; empty: seconds in 4.0 and 4.1, else millis.";
        "next_expected_msg_seq_num", Flag, "", Bool(false), "Logons say in NextExpectedMsgSeqNum(789) where to go on, and the other side resends without being asked.";
        "last_msg_seq_num_processed", Flag, "", Bool(false), "Every header has LastMsgSeqNumProcessed(369).";
        "schedule", NAME, "", Absent, "Schedule of gatehouse.toml in which it is connected; empty: always, and nothing resets by time.";
        "window", Number(1, LINK_WINDOW_MAX as u64), "requests", Value(4096), "Requests that may be unanswered on the link at once; more new orders are refused, cancels wait.";
    }
    "clients" {
        "name", NAME, "", Required, "Name of the client; `accounts.csv` refers to it.";
    }
    "clients.sessions" {
        "name", NAME, "", Required, "Name of the session in commands and reports.";
        "fix_version", Choice(FIX_VERSIONS), "", Word("4.4"), "BeginString(8).";
        "sender_comp_id", COMP_ID, "", Word("GATEHOUSE"), "SenderCompID(49) that we send; the client's TargetCompID(56).";
        "target_comp_id", COMP_ID, "", Required, "TargetCompID(56) that we send; the client's SenderCompID(49).";
        "accounts", Names, "", Required, "Accounts that it may use, all of this client; where there is just one, orders need not name it. A session that receives copies has none.";
        "allowed_sources", Networks, "", Empty, "Addresses that it may come from, such as `10.1.0.0/16`; empty: any.";
        "heartbeat_interval_min_s", TIMER_S, "s", Value(1), "Shortest HeartBtInt(108) that is accepted.";
        "heartbeat_interval_max_s", TIMER_S, "s", Value(60), "Longest HeartBtInt(108) that is accepted.";
        "sending_time_tolerance_s", TIMER_S, "s", Value(120), "Largest difference between SendingTime(52) and our clock.";
        "reset_on_logon", Flag, "", Bool(false), "Both sequence numbers start at 1 with each logon.";
        "reset_on_logout", Flag, "", Bool(false), "Both sequence numbers start at 1 after a logout.";
        "reset_on_disconnect", Flag, "", Bool(false), "Both sequence numbers start at 1 after a disconnect.";
        "logout_timeout_s", Number(1, 300), "s", Value(10), "A logout unanswered for longer is closed.";
        "validate", Flag, "", Bool(true), "Messages are checked against a dictionary: the one named, else the gateway's own (`gatehouse dialect`).";
        "dictionary", Path, "", Absent, "Dictionary in QuickFIX's XML instead of the gateway's own.";
        "application_dictionary", Path, "", Absent, "5.0 and later: the dictionary of the application; `dictionary` is that of FIXT.1.1 then.";
        "unchecked", Words(&CHECKS), "", Empty, "Checks against the dictionary that are not made.";
        "timestamp_precision", Choice(PRECISIONS), "", Absent, "Fraction of the times that we write; empty: seconds in 4.0 and 4.1, else millis.";
        "next_expected_msg_seq_num", Flag, "", Bool(false), "Logons say in NextExpectedMsgSeqNum(789) where to go on, and the other side resends without being asked.";
        "last_msg_seq_num_processed", Flag, "", Bool(false), "Every header has LastMsgSeqNumProcessed(369).";
        "takeover_s", Number(0, 300), "s", Value(0), "An authenticated second logon takes over from a connection that does not answer a TestRequest for so long; zero: never.";
        "schedule", NAME, "", Absent, "Schedule of gatehouse.toml in which it may be connected; empty: always, and nothing resets by time.";
        "messages_per_second", RATE, "messages/s", Value(0), "Sustained rate; zero: no limit.";
        "message_burst", BURST, "messages", Value(1), "Messages at once.";
        "pending_new", Flag, "", Bool(false), "Every accepted order is told 150=A before the desk answers.";
        "cancel_on_disconnect", Flag, "", Bool(false), "Open orders are cancelled when the session is lost.";
        "durability_tag", Number(0, USER_TAG_MAX), "tag", Value(0), "ExecutionReports say in this field (user-defined, from 5000) what they and the order have survived where it is read: `process` or `host`, the level of the order's desk; zero: they do not.";
        "drop_copy_clients", Names, "", Empty, "Drop copy: it receives copies of the ExecutionReports and OrderCancelRejects of all sessions of these clients, and may order nothing.";
        "drop_copy_sessions", Names, "", Empty, "Likewise, of these sessions.";
        "drop_copy_accounts", Names, "", Empty, "Likewise, of the orders of these accounts, whichever session sends them. At most 4 sessions receive copies of one account, or of one session.";
    }
    "instruments.csv" {
        "symbol", Name(23), "", Required, "Symbol(55), unique.";
        "market", Name(7), "", Word(""), "SecurityExchange(207) as a MIC.";
        "unit", Number(1, UNIT_MAX as u64), "", Value(1), "Currency units that one price point of one unit of quantity is worth: 1 for shares, the contract size for options.";
        "lot", Quantity, "", Required, "Buy quantities are multiples of it; at least 1.";
        "odd_lot_sell", Flag, "", Bool(false), "A sell may be any quantity.";
        "tick", Price, "currency", Required, "Prices are multiples of it; above 0.";
        "quantity_min", Quantity, "", Value(1), "Smallest quantity of one order; at least 1.";
        "quantity_max", Quantity, "", Required, "Largest quantity of one order.";
        "limit_down", Price, "currency", Value(0), "Daily limit down; zero: none.";
        "limit_up", Price, "currency", Value(0), "Daily limit up; zero: none. Market orders reserve at this price.";
        "reference_price", Price, "currency", Value(0), "Reference of the collar (previous close); zero: none.";
        "collar_bp", Number(0, COLLAR_BP_MAX as u64), "basis points", Value(0), "Largest distance of a price from the reference; zero switches the collar off.";
        "market_orders", Flag, "", Bool(false), "Market orders are taken; needs `limit_up`.";
        "same_day_sell", Flag, "", Bool(false), "What is bought today may be sold today (T+0).";
    }
    "accounts.csv" {
        "account", Name(15), "", Required, "Account(1), unique.";
        "client", NAME, "", Required, "Owner, a client of `clients.toml`.";
        "kind", Choice(&["cash"]), "", Word("cash"), "Kind of account.";
        "desk", NAME, "", Required, "The desk that has its book.";
        "cash", Money, "currency", Required, "Cash at the start of the day.";
        "order_value_max", Money, "currency", Value(0), "Largest value of one order; zero: no limit.";
        "open_orders_max", Number(0, REQUESTS_MAX as u64), "orders", Value(0), "Most open orders; zero: no limit.";
        "messages_per_second", RATE, "messages/s", Value(0), "Sustained rate over all its sessions; zero: no limit.";
        "message_burst", BURST, "messages", Value(1), "Messages at once.";
    }
    "positions.csv" {
        "account", Name(15), "", Required, "Whose, an account of `accounts.csv`.";
        "symbol", Name(23), "", Required, "In what, a symbol of `instruments.csv`.";
        "sellable", Quantity, "", Required, "How many may be sold.";
    }
}

/// The key of a section; `None` where it has none of this name.
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.section == section && k.name == name)
}

/// Names that may stand in a TOML table: its keys and the tables below it.
pub fn names_in(section: &str) -> Vec<&'static str> {
    let keys = KEYS.iter().filter(|k| k.section == section).map(|k| k.name);
    let tables = SECTIONS.iter().filter_map(|s| match section {
        "" if *s == "clients" || s.contains('.') || s.is_empty() => None,
        "" => Some(*s),
        "clients file" => (*s == "clients").then_some(*s),
        _ => s
            .strip_prefix(section)?
            .strip_prefix('.')
            .filter(|rest| *rest != "csv"),
    });
    keys.chain(tables).collect()
}

impl Key {
    /// What would be right, for people: "a whole number from 1 to 300".
    pub fn wanted(&self) -> String {
        match self.kind {
            Name(max) => {
                format!("text of 1 to {max} letters, digits or signs, without spaces and commas")
            }
            Flag => "true or false".to_owned(),
            Number(min, max) => format!("a whole number from {min} to {max}"),
            PowerOfTwo(min, max) => format!("a power of two from {min} to {max}"),
            Choice(words) => match words {
                [one] => format!("\"{one}\""),
                _ => format!("one of \"{}\"", words.join("\", \"")),
            },
            Address => "an IP address and a port, such as \"127.0.0.1:9100\"".to_owned(),
            Path => "a path, such as \"accounts.csv\"".to_owned(),
            Names => "a list of names, such as [\"A1\", \"A2\"]".to_owned(),
            Time => "a time of day with seconds, such as \"07:30:00\"".to_owned(),
            Words(words) => format!("a list of some of \"{}\"", words.join("\", \"")),
            Networks => {
                "a list of address ranges, such as [\"10.1.0.0/16\", \"192.0.2.7\"]".to_owned()
            }
            Numbers(min, max) => {
                format!("a list of whole numbers from {min} to {max}, such as [2, 3]")
            }
            Price => format!(
                "a decimal from 0 to {} with at most 8 decimals, such as 12.34",
                PRICE_MAX / crate::domain::price::SCALE
            ),
            Quantity => format!("a whole number from 0 to {QUANTITY_MAX}"),
            Money => format!(
                "a decimal from 0 to {CASH_MAX} with at most 8 decimals, such as 1000000.00"
            ),
        }
    }

    /// A value that could stand there, as TOML.
    pub fn example(&self) -> &'static str {
        match self.kind {
            Name(_) => "\"NAME\"",
            Address => "\"127.0.0.1:9100\"",
            Names => "[\"A1\"]",
            Time => "\"07:30:00\"",
            _ => "...",
        }
    }

    /// The default as the files would write it; `None` where the key is required.
    pub fn preset_text(&self) -> Option<String> {
        let toml = !self.section.ends_with(".csv");
        Some(match self.preset {
            Required => return None,
            Value(n) => n.to_string(),
            Bool(b) => b.to_string(),
            Word(w) if toml => format!("\"{w}\""),
            Word(w) => w.to_owned(),
            Empty => "[]".to_owned(),
            Absent => String::new(),
        })
    }

    /// Bounds as the documentation shows them.
    pub fn bounds_text(&self) -> String {
        match self.kind {
            Name(max) => format!("1 to {max} bytes"),
            Flag | Address | Path | Names | Networks => String::new(),
            Time => "00:00:00 to 23:59:59".to_owned(),
            Words(words) => words.join(", "),
            Number(min, max) | Numbers(min, max) => format!("{min} to {max}"),
            PowerOfTwo(min, max) => format!("{min} to {max}, power of two"),
            Choice(words) => words.join(", "),
            Price => format!("0 to {}", PRICE_MAX / crate::domain::price::SCALE),
            Quantity => format!("0 to {QUANTITY_MAX}"),
            Money => format!("0 to {CASH_MAX}"),
        }
    }

    /// Type as the documentation shows it.
    pub fn kind_text(&self) -> &'static str {
        match self.kind {
            Name(_) => "name",
            Flag => "flag",
            Number(..) | PowerOfTwo(..) => "number",
            Choice(_) => "choice",
            Address => "address",
            Path => "path",
            Names => "list of names",
            Networks => "list of networks",
            Time => "time",
            Words(_) => "list of choices",
            Numbers(..) => "list of numbers",
            Price => "price",
            Quantity => "quantity",
            Money => "money",
        }
    }
}
