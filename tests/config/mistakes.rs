//! The table of mistakes: each changes one thing in the sample files.
//!
//! Each expects the file, the line, the key and the words of its message.

/// One change and what must be said about it.
pub struct Case {
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    /// The line of this text, after the change, must be reported; `$` at its end stands for the end of the file.
    pub at: &'static str,
    pub key: &'static str,
    /// Words of "message; remedy"
    pub says: &'static str,
}

pub const G: &str = "gatehouse.toml";
pub const C: &str = "clients.toml";
pub const I: &str = "instruments.csv";
pub const A: &str = "accounts.csv";
pub const P: &str = "positions.csv";

macro_rules! cases {
    ($($file:ident: $from:expr => $to:expr, $at:expr, $key:expr, $says:expr;)*) => {
        &[$(Case { file: $file, from: $from, to: $to, at: $at, key: $key, says: $says },)*]
    };
}

pub const ERRORS: &[Case] = cases! {
    // Syntax, unknown keys, types
    G: "layout = \"auto\"" => "layout = ", "layout = ", "", "is no TOML here";
    G: "layout = \"auto\"" => "layout = \"auto\"\nlayout = \"fused\"", "layout = \"fused\"", "", "is no TOML here";
    G: "idle = \"auto\"" => "idel = \"auto\"", "idel = ", "threads.idel", "did you mean `idle`?";
    G: "[threads]" => "[treads]", "[treads]", "treads", "did you mean `threads`?";
    G: "idle = \"auto\"" => "window = 5", "window = 5", "threads.window", "it is a key of [desks.links]";
    G: "idle = \"auto\"" => "zebra = 5", "zebra = 5", "threads.zebra", "known here: layout, idle, cores";
    G: "lock_memory = true" => "lock_memory = \"yes\"", "lock_memory = ", "threads.lock_memory", "found text; write true or false";
    G: "logon_timeout_s = 10" => "logon_timeout_s = 10.5", "logon_timeout_s", "listeners.logon_timeout_s", "found a decimal number; write a whole number from 1 to 300";
    G: "[[listeners]]" => "[listeners]", "[listeners]", "listeners", "write [[listeners]] above its keys";
    G: "cores = []" => "cores = [\"a\"]", "cores = ", "threads.cores", "has the wrong type";
    C: "pending_new = true" => "pending_gnu = true", "pending_gnu", "clients.sessions.pending_gnu", "did you mean `pending_new`?";
    C: "[[clients]]\nname = \"beta\"" => "[[clients]]\nname = 7", "name = 7", "clients.name", "found a whole number";
    C: "accounts = [\"B200001\"]" => "accounts = \"B200001\"", "accounts = \"B", "clients.sessions.accounts", "write a list of names";
    // Bounds of gatehouse.toml
    G: "lock_memory = true" => "ring_slots = 5000", "ring_slots", "threads.ring_slots", "is no power of two: 5000; write a power of two from 64 to 1048576, such as 8192";
    G: "lock_memory = true" => "ring_slots = 32", "ring_slots", "threads.ring_slots", "is out of bounds: 32";
    G: "[control]" => "staging_bytes = 99999999\n[control]", "staging_bytes", "state.staging_bytes", "is no power of two";
    G: "[control]" => "staging_bytes = 512\n[control]", "staging_bytes", "state.staging_bytes", "is out of bounds: 512";
    G: "requests_per_day_max = 1000000" => "requests_per_day_max = 268435457", "requests_per_day_max", "state.requests_per_day_max", "from 1 to 268435456";
    G: "executions_per_day_max = 2000000" => "executions_per_day_max = 0", "executions_per_day_max", "state.executions_per_day_max", "is out of bounds: 0";
    G: "connections_max = 1024" => "connections_max = -1", "connections_max", "listeners.connections_max", "is out of bounds: -1";
    G: "connections_max = 1024" => "connections_max = 99999999999999999999", "connections_max", "listeners.connections_max", "write a whole number";
    G: "acknowledge_timeout_ms = 5000" => "acknowledge_timeout_ms = 1", "acknowledge_timeout_ms", "desks.acknowledge_timeout_ms", "from 10 to 600000";
    G: "layout = \"auto\"" => "layout = \"pipelined\"", "layout = ", "threads.layout", "did you mean \"pipeline\"?";
    G: "idle = \"auto\"" => "idle = \"sleep\"", "idle = ", "threads.idle", "write one of \"auto\", \"spin\", \"yield\", \"park\"";
    G: "cores = []" => "cores = [1, 2, 3, 0]", "cores = ", "threads.cores", "names 4 cores for 3 threads";
    G: "cores = []" => "cores = [1024]", "cores = ", "threads.cores", "is out of bounds: 1024";
    G: "layout = \"auto\"\nidle = \"auto\"\n# Cores of decode, risk and route; isolate them first (gatehouse tune). Empty: not pinned.\ncores = []" => "layout = \"pipeline\"\ncores = [1, 2]", "cores = ", "threads.cores", "names 2 for the 3 threads of the pipeline";
    G: "logon_timeout_s = 10" => "io = \"poll\"\n[[listeners]]\nname = \"more\"\naddress = \"127.0.0.1:9101\"\nio = \"uring\"", "io = \"uring\"", "listeners.io", "differs from the first one's: uring, not poll";
    G: "address = \"127.0.0.1:9202\"" => "address = \"127.0.0.1:9202\"\nio = \"poll\"", "io = \"poll\"", "desks.links.io", "differs from the first one's: poll, not auto";
    G: "operators = []" => "operators = [-3]", "operators", "control.operators", "is out of bounds: -3";
    G: "/run/gatehouse/control.sock" => "/run/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "control_socket", "state.control_socket", "is too long for a socket: 109 bytes";
    G: "log_directory = \"/var/lib/gatehouse/log\"" => "log_directory = \"/dev/shm/gatehouse\"", "staging_directory", "state.staging_directory", "is also the log_directory";
    G: "status_file = \"/dev/shm/gatehouse/status\"" => "status_file = \"\"", "status_file", "state.status_file", "is no path";
    // Topology
    G: "address = \"127.0.0.1:9100\"" => "address = \"localhost:9100\"", "address = \"localhost", "listeners.address", "host names are not looked up";
    G: "address = \"127.0.0.1:9100\"\n" => "", "[[listeners]]", "listeners.address", "is missing; write address = \"127.0.0.1:9100\"";
    G: "[[listeners]]" => "[[listeners]]\nname = \"first\"\naddress = \"127.0.0.1:9100\"\n[[listeners]]", "address = \"127.0.0.1:9100\"\nconnections_max", "listeners.address", "is taken by listener \"first\"";
    G: "[[listeners]]" => "[[listeners]]\nname = \"clients\"\naddress = \"127.0.0.1:9101\"\n[[listeners]]", "name = \"clients\"\naddress = \"127.0.0.1:9100\"", "listeners.name", "is used twice: \"clients\", first in line";
    G: "name = \"desk-a-2\"" => "name = \"desk-a-1\"", "name = \"desk-a-1\"\naddress = \"127.0.0.1:9202\"", "desks.links.name", "is used twice";
    G: "address = \"127.0.0.1:9202\"\nsender_comp_id = \"GATEHOUSE2\"" => "address = \"127.0.0.1:9201\"\nsender_comp_id = \"GATEHOUSE\"", "target_comp_id = \"DESKA\"\nheartbeat_interval_s = 30\nreconnect_min_ms = 500\nreconnect_max_ms = 30000\n$", "desks.links.target_comp_id", "same session at the same address as link \"desk-a-1\"";
    G: "address = \"127.0.0.1:9202\"" => "address = \"127.0.0.1:0\"", "127.0.0.1:0", "desks.links.address", "port 0";
    G: "reconnect_max_ms = 30000\n\n" => "reconnect_max_ms = 400\n\n", "reconnect_min_ms = 500", "desks.links.reconnect_min_ms", "is above reconnect_max_ms: 500 > 400";
    G: "sender_comp_id = \"GATEHOUSE2\"" => "fix_version = \"4.5\"", "fix_version", "desks.links.fix_version", "one of \"4.0\", \"4.1\"";
    G: "sender_comp_id = \"GATEHOUSE2\"" => "sender_comp_id = \"GATEHOUSE GATEHOUSE\"", "GATEHOUSE GATEHOUSE", "desks.links.sender_comp_id", "contains ' '";
    // Schedules
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shangai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\n\n[[listeners]]", "time_zone", "schedules.time_zone", "is no known time zone: \"Asia/Shangai\"; did you mean \"Asia/Shanghai\"?";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Beijing time\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\n\n[[listeners]]", "time_zone", "schedules.time_zone", "contains ' '";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\n\n[[listeners]]", "[[schedules]]", "schedules.time_zone", "is missing";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"7:30\"\nend = \"23:55:00\"\n\n[[listeners]]", "start = ", "schedules.start", "is no time of day: \"7:30\"; write a time of day with seconds, such as \"07:30:00\"";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = 07:30:00\nend = \"23:55:00\"\n\n[[listeners]]", "start = ", "schedules.start", "found a date or time; write a time of day";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"24:00:00\"\n\n[[listeners]]", "end = ", "schedules.end", "is no time of day";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\n\n[[listeners]]", "[[schedules]]", "schedules.end", "is missing; write end = \"07:30:00\"";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\ndays = [\"mon\", \"thursday\"]\n\n[[listeners]]", "days", "schedules.days", "is no known word: \"thursday\"";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\nstart_day = \"sun\"\n\n[[listeners]]", "[[schedules]]", "schedules.end_day", "is missing: a weekly schedule closes on a day";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\nend_day = \"fri\"\n\n[[listeners]]", "[[schedules]]", "schedules.start_day", "is missing: a weekly schedule opens on a day";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\nstart_day = \"Sunday\"\nend_day = \"fri\"\n\n[[listeners]]", "start_day", "schedules.start_day", "is no known word: \"Sunday\"";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\nstart_day = \"sun\"\nend_day = \"fri\"\ndays = [\"mon\"]\n\n[[listeners]]", "days", "schedules.days", "is for daily schedules";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\nholidays = \"\"\n\n[[listeners]]", "holidays", "schedules.holidays", "is no path";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\nzone = \"UTC\"\n\n[[listeners]]", "zone = \"UTC\"", "schedules.zone", "is no known key";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\n\n[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\n\n[[listeners]]", "name = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\n\n[[listeners]]", "schedules.name", "is used twice: \"day\"";
    G: "[[listeners]]" => "[schedules]\nname = \"day\"\n[[listeners]]", "[schedules]", "schedules", "write [[schedules]] above its keys";
    G: "reconnect_max_ms = 30000\n\n" => "reconnect_max_ms = 30000\nschedule = \"day\"\n\n", "schedule = \"day\"", "desks.links.schedule", "names no known schedule: \"day\"; define it";
    C: "pending_new = true" => "schedule = \"cn_day\"", "schedule = ", "clients.sessions.schedule", "names no known schedule: \"cn_day\"";
    // Clients
    C: "name = \"beta\"" => "name = \"alpha\"", "name = \"alpha\"\n\n[[clients.sessions]]\nname = \"beta-1\"", "clients.name", "is used twice: \"alpha\", first in line 5";
    C: "name = \"alpha-2\"" => "name = \"alpha-1\"", "name = \"alpha-1\"\nfix_version = \"4.2\"", "clients.sessions.name", "is used twice";
    C: "target_comp_id = \"BETA1\"" => "target_comp_id = \"ALPHA1\"", "target_comp_id = \"ALPHA1\"\naccounts = [\"B", "clients.sessions.target_comp_id", "a logon must name one session";
    C: "target_comp_id = \"BETA1\"" => "target_comp_id = \"BETA1BETA1BETA1BETA1BETA1BETA1BETA1\"", "BETA1BETA1", "clients.sessions.target_comp_id", "is too long: 35 bytes, at most 31";
    C: "target_comp_id = \"BETA1\"" => "target_comp_id = \"\"", "target_comp_id = \"\"", "clients.sessions.target_comp_id", "is empty";
    C: "target_comp_id = \"BETA1\"\n" => "", "[[clients.sessions]]\nname = \"beta-1\"", "clients.sessions.target_comp_id", "is missing";
    C: "accounts = [\"B200001\"]\n" => "", "[[clients.sessions]]\nname = \"beta-1\"", "clients.sessions.accounts", "is missing; write accounts = [\"A1\"]";
    C: "accounts = [\"B200001\"]" => "accounts = [\"B200002\"]", "B200002", "clients.sessions.accounts", "names no known account: \"B200002\"; did you mean `";
    C: "accounts = [\"B200001\"]" => "accounts = [\"A100001\"]", "accounts = [\"A100001\"]\nallowed_sources = [\"127.0.0.0/8\", \"192", "clients.sessions.accounts", "an account of another client";
    C: "fix_version = \"4.2\"" => "fix_version = \"4.6\"", "fix_version = \"4.6\"", "clients.sessions.fix_version", "one of \"4.0\", \"4.1\", \"4.2\"";
    C: "\"192.0.2.17\"" => "\"192.0.2.0/33\"", "192.0.2.0/33", "clients.sessions.allowed_sources", "is no address range: \"192.0.2.0/33\"";
    C: "\"192.0.2.17\"" => "\"192.0.2\"", "\"192.0.2\"", "clients.sessions.allowed_sources", "is no address range";
    C: "heartbeat_interval_min_s = 5" => "heartbeat_interval_min_s = 90", "heartbeat_interval_min_s", "clients.sessions.heartbeat_interval_min_s", "is above heartbeat_interval_max_s: 90 > 60";
    C: "heartbeat_interval_max_s = 60" => "heartbeat_interval_max_s = 0", "heartbeat_interval_max_s", "clients.sessions.heartbeat_interval_max_s", "from 1 to 3600";
    // Dictionaries, times, numbers
    C: "pending_new = true" => "unchecked = [\"enumeration\"]", "unchecked", "clients.sessions.unchecked", "is no known word: \"enumeration\"; write a list of some of \"unknown_msg_type\"";
    C: "pending_new = true" => "unchecked = \"groups\"", "unchecked", "clients.sessions.unchecked", "found text";
    C: "pending_new = true" => "check_groups = false", "check_groups", "clients.sessions.check_groups", "is no known key";
    C: "pending_new = true" => "dictionary = \"\"", "dictionary", "clients.sessions.dictionary", "is no path";
    C: "pending_new = true" => "validate = false\ndictionary = \"FIX44.xml\"", "dictionary", "clients.sessions.dictionary", "is not used: validate is false";
    C: "pending_new = true" => "validate = \"no\"", "validate", "clients.sessions.validate", "write true or false";
    C: "pending_new = true" => "application_dictionary = \"FIX50.xml\"", "application_dictionary", "clients.sessions.application_dictionary", "stands alone";
    C: "pending_new = true" => "dictionary = \"FIX44.xml\"\napplication_dictionary = \"FIX50.xml\"", "application_dictionary", "clients.sessions.application_dictionary", "is not for FIX.4.4";
    C: "pending_new = true" => "dictionary = \"FIX44.xml\"", "dictionary", "clients.sessions.dictionary", "cannot be read: No such file";
    C: "pending_new = true" => "[[clients.sessions]]\nname = \"b\"\nfix_version = \"5.0\"\ntarget_comp_id = \"B\"\naccounts = []\n[[clients.sessions]]\nname = \"c\"\nfix_version = \"5.0SP2\"\ntarget_comp_id = \"B\"\naccounts = []", "target_comp_id = \"B\"\naccounts = []\n$", "clients.sessions.target_comp_id", "is used twice with BeginString FIXT.1.1";
    C: "fix_version = \"4.2\"" => "fix_version = \"5.0SP2\"\ndictionary = \"FIXT11.xml\"", "dictionary = \"FIXT11", "clients.sessions.dictionary", "has the session layer only, and the session is FIX.5.0SP2";
    C: "fix_version = \"4.2\"" => "fix_version = \"4.1\"\ntimestamp_precision = \"millis\"", "timestamp_precision", "clients.sessions.timestamp_precision", "is too fine: FIX.4.1 has whole seconds";
    C: "pending_new = true" => "timestamp_precision = \"milli\"", "timestamp_precision", "clients.sessions.timestamp_precision", "is no known word: \"milli\"; write one of \"seconds\"";
    C: "pending_new = true" => "durability_tag = 58", "durability_tag = 58", "clients.sessions.durability_tag", "is a tag of FIX itself: 58; write one from 5000 to 39999";
    C: "pending_new = true" => "takeover_s = 301", "takeover_s", "clients.sessions.takeover_s", "from 0 to 300";
    G: "heartbeat_interval_s = 30" => "takeover_s = 5", "takeover_s", "desks.links.takeover_s", "it is a key of [clients.sessions]";
    G: "heartbeat_interval_s = 30" => "application_dictionary = \"FIX50.xml\"", "application_dictionary", "desks.links.application_dictionary", "stands alone";
    C: "message_burst = 50" => "message_burst = 0", "message_burst = 0", "clients.sessions.message_burst", "from 1 to 1000000";
    // Drop copy
    C: "pending_new = true" => "drop_copy_sessions = [\"alpha-1\"]", "accounts = [\"B200001\"]", "clients.sessions.accounts", "stands beside drop_copy keys: a session that receives copies orders nothing; leave it out";
    C: "accounts = [\"B200001\"]" => "drop_copy_sessions = [\"alpha-3\"]", "drop_copy_sessions", "clients.sessions.drop_copy_sessions", "names no known session: \"alpha-3\"; did you mean `alpha-";
    C: "accounts = [\"B200001\"]" => "drop_copy_accounts = [\"A10001\"]", "drop_copy_accounts", "clients.sessions.drop_copy_accounts", "names no known account: \"A10001\"; did you mean `A100001`?";
    C: "accounts = [\"B200001\"]" => "drop_copy_clients = [\"alfa\"]", "drop_copy_clients", "clients.sessions.drop_copy_clients", "names no known client: \"alfa\"";
    C: "accounts = [\"B200001\"]" => "drop_copy_clients = \"alpha\"", "drop_copy_clients", "clients.sessions.drop_copy_clients", "write a list of names";
    C: "accounts = [\"B200001\"]" => "drop_copy_sessions = [\"alpha-1\", \"beta-1\"]", "drop_copy_sessions", "clients.sessions.drop_copy_sessions", "names a session that receives copies itself: \"beta-1\"; it orders nothing";
    C: "pending_new = true" => "[[clients.sessions]]\nname = \"c0\"\ntarget_comp_id = \"C0\"\ndrop_copy_accounts = [\"A100001\"]\n[[clients.sessions]]\nname = \"c1\"\ntarget_comp_id = \"C1\"\ndrop_copy_accounts = [\"A100001\"]\n[[clients.sessions]]\nname = \"c2\"\ntarget_comp_id = \"C2\"\ndrop_copy_accounts = [\"A100001\"]\n[[clients.sessions]]\nname = \"c3\"\ntarget_comp_id = \"C3\"\ndrop_copy_accounts = [\"A100001\"]\n[[clients.sessions]]\nname = \"c5\"\ntarget_comp_id = \"C5\"\ndrop_copy_accounts = [\"A100002\", \"A100001\"]", "drop_copy_accounts = [\"A100002\"", "clients.sessions.drop_copy_accounts", "makes more than 4 sessions receive copies of the same account; let fewer";
    // Instruments
    I: "symbol,market,unit,lot," => "symbol,market,unit,lots,", "symbol,market", "", "did you mean `lot`?";
    I: "symbol,market,unit,lot," => "symbol,market,lot,lot,", "symbol,market", "lot", "is a column twice";
    I: "600000,XSHG,1,100," => "600000,XSHG,1,0,", "600000,", "lot", "is zero";
    I: "600000,XSHG,1,100,true,0.01," => "600000,XSHG,1,100,true,0,", "600000,", "tick", "is zero";
    I: "600000,XSHG,1,100,true,0.01," => "600000,XSHG,1,100,true,1e-2,", "600000,", "tick", "cannot be \"1e-2\"; write a decimal";
    I: "600000,XSHG,1,100,true,0.01,1," => "600000,XSHG,1,100,true,0.01,2000000,", "600000,", "quantity_min", "is above quantity_max: 2000000 > 1000000";
    I: "600000,XSHG,1,100,true,0.01,1," => "600000,XSHG,1,100,true,0.01,0,", "600000,", "quantity_min", "is zero";
    I: "1000000,9.36,11.44," => "9223372036854775808,9.36,11.44,", "600000,", "quantity_max", "cannot be \"9223372036854775808\"";
    I: "9.36,11.44," => "11.45,11.44,", "600000,", "limit_down", "is above limit_up: 11.45 > 11.44";
    I: "9.36,11.44,10.40,1000," => "9.36,11.44,,1000,", "600000,", "collar_bp", "is 1000 without a reference_price";
    I: "9.36,11.44,10.40,1000," => "9.36,11.44,10.40,1000001,", "600000,", "collar_bp", "from 0 to 1000000";
    I: "9.36,11.44,10.40,1000,true" => "9.36,,10.40,1000,true", "600000,", "market_orders", "is true without a limit_up";
    I: "9.36,11.44,10.40,1000,true" => "9.36,11.44,10.40,1000,yes", "600000,", "market_orders", "cannot be \"yes\"; write true or false";
    I: "600000,XSHG,1," => "600000,XSHG,0,", "600000,", "unit", "from 1 to 1000000";
    I: "000001,XSHE" => "600000,XSHE", "600000,XSHE", "symbol", "is here twice: \"600000\", first in line 3";
    I: "600000,XSHG,1," => "600000,XSHG,", "600000,", "", "has 13 cells where the first line names 14 columns";
    I: "600519,XSHG" => ",XSHG", "\n,XSHG,1,100", "symbol", "is empty";
    I: "600519," => "600519600519600519600519,", "600519600519", "symbol", "is too long: 24 bytes, at most 23";
    // Accounts
    A: "account,client,kind,desk,cash," => "account,client,kind,cash,desk,", "A100001,", "cash", "cannot be \"desk-a\"";
    A: "A100001,alpha" => "A100001,alpaha", "A100001,", "client", "names no known client: \"alpaha\"; did you mean `alpha`?";
    A: "A100002,alpha,cash,desk-a" => "A100002,alpha,cash,desk-z", "A100002,", "desk", "did you mean `desk-a`?";
    A: "A100002,alpha,cash" => "A100002,alpha,margin", "A100002,", "kind", "write \"cash\"";
    A: "8000000.00" => "-8000000.00", "A100002,", "cash", "cannot be \"-8000000.00\"";
    A: "8000000.00" => "8000000.123456789", "A100002,", "cash", "at most 8 decimals";
    A: "8000000.00" => "\"8,000,000\"", "A100002,", "cash", "cannot be \"8,000,000\"";
    A: "A100002,alpha,cash,desk-a" => "A100001,alpha,cash,desk-a", "A100001,alpha,cash,desk-a,8", "account", "is here twice";
    A: "5000,1000,100" => "5000,1000001,100", "B200001,", "messages_per_second", "from 0 to 1000000";
    A: "5000,1000,100" => "5000,1000,+1", "B200001,", "message_burst", "cannot be \"+1\"";
    // Positions
    P: "A100001,600000,200000" => "A100009,600000,200000", "A100009,", "account", "names no known account";
    P: "A100001,600000,200000" => "A100001,600001,200000", "A100001,600001", "symbol", "names no known instrument: \"600001\"; did you mean `";
    P: "A100001,600000,200000" => "A100001,600000,200000.5", "A100001,600000", "sellable", "cannot be \"200000.5\"; write a whole number";
    P: "A100001,600519,1200" => "A100001,600000,1200", "A100001,600000,1200", "account", "twice, first in line 2";
    P: "account,symbol,sellable\n" => "account,symbol\n", "account,symbol", "sellable", "is missing: the first line names no such column";
};

pub const WARNINGS: &[Case] = cases! {
    G: "heartbeat_interval_s = 30" => "unchecked = [\"groups\"]", "unchecked", "desks.links.unchecked", "has no effect: there is no dictionary";
    C: "pending_new = true" => "validate = false\nunchecked = [\"groups\"]", "unchecked", "clients.sessions.unchecked", "has no effect: there is no dictionary";
    C: "fix_version = \"4.2\"" => "fix_version = \"4.2\"\nnext_expected_msg_seq_num = true", "next_expected_msg_seq_num", "clients.sessions.next_expected_msg_seq_num", "is not of FIX.4.2: the field begins with FIX.4.4";
    G: "cores = []" => "cores = [1, 2, 1]", "cores = ", "threads.cores", "names core 1 twice";
    G: "cores = []" => "cores = [1, 2, 9]", "cores = ", "threads.cores", "names core 9, which is not online";
    G: "two_persons = false" => "two_persons = true", "two_persons", "control.two_persons", "fewer than two operators";
    G: "127.0.0.1:9100" => "127.0.0.1:0", "127.0.0.1:0", "listeners.address", "port 0";
    G: "connections_max = 1024" => "connections_max = 2", "connections_max", "listeners.connections_max", "but there are 3 sessions";
    G: "[[listeners]]" => "[[schedules]]\nname = \"day\"\ntime_zone = \"Asia/Shanghai\"\nstart = \"07:30:00\"\nend = \"23:55:00\"\ndays = [\"mon\", \"mon\"]\n\n[[listeners]]", "days", "schedules.days", "names mon twice";
    C: "accounts = [\"B200001\"]" => "drop_copy_clients = [\"alpha\"]", "pending_new", "clients.sessions.pending_new", "has no effect: the session receives copies";
    C: "accounts = [\"B200001\"]" => "drop_copy_clients = []", "drop_copy_clients", "clients.sessions.drop_copy_clients", "is empty: the session receives nothing";
    C: "accounts = [\"B200001\"]" => "accounts = []", "accounts = []", "clients.sessions.accounts", "can order nothing";
    C: "pending_new = true" => "message_burst = 7", "message_burst = 7", "clients.sessions.message_burst", "has no effect";
    I: "11.44,10.40" => "11.444,10.40", "600000,", "limit_up", "is no multiple of the tick: 11.444, tick 0.01";
    I: "11.44,10.40" => "11.44,12.40", "600000,", "reference_price", "is outside the daily limits: 12.4";
    I: "1000000,9.36" => "50,9.36", "600000,", "quantity_max", "is below the lot: 50 < 100";
};
