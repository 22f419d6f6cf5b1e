//! `docs/CONFIGURATION.md` and the code agree: every key, its type, unit, default, bounds and meaning, and no key more.
//!
//! A key without its line in the document fails, and so does a line without its key.

use std::fs;
use std::path::Path;

use gatehouse::config::file::{ClientsFile, GatewayFile};
use gatehouse::config::keys::{KEYS, Key, Kind, Preset, SECTIONS, names_in};
use gatehouse::{config, limits};

/// Heading of a section in the document.
fn heading(section: &str) -> String {
    match section {
        "" => "### Top of gatehouse.toml".to_owned(),
        "schedules" | "listeners" | "desks" | "desks.links" | "clients" | "clients.sessions" => {
            format!("### `[[{section}]]`")
        }
        _ if section.ends_with(".csv") => format!("### `{section}`"),
        _ => format!("### `[{section}]`"),
    }
}

fn row(key: &Key) -> String {
    let default = match key.preset_text() {
        None => "required".to_owned(),
        Some(text) if text.is_empty() => "empty".to_owned(),
        Some(text) => format!("`{text}`"),
    };
    let (name, kind, unit) = (key.name, key.kind_text(), key.unit);
    let (bounds, meaning) = (key.bounds_text(), key.meaning);
    format!("| `{name}` | {kind} | {unit} | {default} | {bounds} | {meaning} |")
}

/// The tables as they must be; `UPDATE_DOCS=1 cargo test --test config` writes them.
fn tables() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        out += &format!("{}\n\n", heading(section));
        out += "| key | type | unit | default | bounds | meaning |\n|---|---|---|---|---|---|\n";
        for key in KEYS.iter().filter(|k| k.section == *section) {
            out += &format!("{}\n", row(key));
        }
        out += "\n";
    }
    out
}

#[test]
fn document_has_every_key_as_the_code_has_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- keys -->\n\n", "<!-- end of keys -->");
    let from = text.find(begin).unwrap() + begin.len();
    let to = text.find(end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(
            &path,
            format!("{}{}{}", &text[..from], tables(), &text[to..]),
        )
        .unwrap();
        return;
    }
    for (have, want) in text[from..to].lines().zip(tables().lines()) {
        assert_eq!(have, want);
    }
    assert_eq!(&text[from..to], tables());
}

/// The keys that serde takes, from its own words: "unknown field `?`, expected one of `a`, `b`".
fn taken<T: serde::de::DeserializeOwned>(toml: &str) -> Vec<String> {
    let error = toml::from_str::<T>(toml).map(|_| ()).unwrap_err();
    let message = error.message();
    let (_, list) = message
        .split_once("expected ")
        .unwrap_or_else(|| panic!("{message}"));
    let mut names: Vec<_> = list
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn catalogue_has_every_key_of_the_files() {
    let of_gateway = |toml: &str| taken::<GatewayFile>(toml);
    let of_clients = |toml: &str| taken::<ClientsFile>(toml);
    let sections = [
        ("", of_gateway("_ = 1")),
        ("files", of_gateway("[files]\n_ = 1")),
        ("threads", of_gateway("[threads]\n_ = 1")),
        ("state", of_gateway("[state]\n_ = 1")),
        ("control", of_gateway("[control]\n_ = 1")),
        ("schedules", of_gateway("[[schedules]]\n_ = 1")),
        ("listeners", of_gateway("[[listeners]]\n_ = 1")),
        ("desks", of_gateway("[[desks]]\n_ = 1")),
        (
            "desks.links",
            of_gateway(
                "[[desks.links]]\n_ = 1"
                    .replace("[[desks.links]]", "[[desks]]\n[[desks.links]]")
                    .as_str(),
            ),
        ),
        ("clients file", of_clients("_ = 1")),
        ("clients", of_clients("[[clients]]\n_ = 1")),
        (
            "clients.sessions",
            of_clients("[[clients]]\n[[clients.sessions]]\n_ = 1"),
        ),
    ];
    for (section, taken) in &sections {
        let mut known = names_in(section);
        known.sort_unstable();
        assert_eq!(&known, taken, "[{section}]");
    }
    let toml = SECTIONS.iter().filter(|s| !s.ends_with(".csv")).count();
    assert_eq!(
        sections.len(),
        toml + 1,
        "a section of the catalogue is not compared"
    );
}

#[test]
fn defaults_are_within_their_bounds() {
    for key in KEYS {
        let (name, meaning) = (key.name, key.meaning);
        assert!(meaning.ends_with('.'), "{name}: {meaning}");
        match (key.kind, key.preset) {
            (Kind::Number(min, max), Preset::Number(n)) => {
                assert!((min..=max).contains(&n), "{name}")
            }
            (Kind::PowerOfTwo(min, max), Preset::Number(n)) => {
                assert!((min..=max).contains(&n) && n.is_power_of_two(), "{name}");
            }
            (Kind::Choice(words), Preset::Text(word)) => assert!(words.contains(&word), "{name}"),
            (Kind::Name(max), Preset::Text(text)) => assert!(text.len() <= max, "{name}"),
            (Kind::Names | Kind::Networks | Kind::Numbers(..), Preset::Empty) => {}
            (Kind::Price | Kind::Quantity | Kind::Money, Preset::Number(_)) => {}
            (Kind::Flag, Preset::Flag(_)) | (Kind::Path, Preset::Text(_)) => {}
            (Kind::Words(_), Preset::Empty) | (Kind::Path, Preset::Absent) => {}
            (Kind::Choice(_) | Kind::Name(_), Preset::Absent) => {}
            (_, Preset::Required) => {}
            other => panic!("{name}: {other:?} do not go together"),
        }
        let unit = [
            ("_s", "s"),
            ("_ms", "ms"),
            ("_bytes", "bytes"),
            ("_bp", "basis points"),
        ];
        for (end, unit) in unit {
            assert!(
                !name.ends_with(end) || key.unit == unit,
                "{name} is in {}",
                key.unit
            );
        }
    }
}

/// A configuration with nothing but what is required gives the documented defaults.
#[test]
fn defaults_are_what_a_plan_gets() {
    let directory = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| fs::write(directory.path().join(file), text).unwrap();
    write(
        "gatehouse.toml",
        "[[listeners]]\nname = \"l\"\naddress = \"127.0.0.1:1\"\n\
         [[desks]]\nname = \"d\"\n[[desks.links]]\nname = \"k\"\naddress = \"127.0.0.1:2\"\ntarget_comp_id = \"D\"\n",
    );
    write(
        "clients.toml",
        "[[clients]]\nname = \"c\"\n[[clients.sessions]]\nname = \"s\"\ntarget_comp_id = \"C\"\naccounts = [\"A\"]\n",
    );
    write(
        "instruments.csv",
        "symbol,lot,tick,quantity_max\nX,1,0.5,10\n",
    );
    write("accounts.csv", "account,client,desk,cash\nA,c,d,1\n");
    write("positions.csv", "account,symbol,sellable\n");
    let plan = config::load(directory.path()).unwrap();
    let session = &plan.sessions[0];
    let link = &plan.desks[0].links[0];
    let number = |section: &str, name: &str| match config::keys::find(section, name).unwrap().preset
    {
        Preset::Number(n) => n,
        other => panic!("{section}.{name}: {other:?}"),
    };
    assert_eq!(plan.name, "gatehouse");
    assert_eq!(plan.threads.ring_slots, limits::RING_SLOTS);
    assert_eq!(
        plan.state.staging_bytes as u64,
        number("state", "staging_bytes")
    );
    assert_eq!(
        plan.state.log_directory,
        Path::new("/var/lib/gatehouse/log")
    );
    assert_eq!(
        plan.listeners[0].connections_max as u64,
        number("listeners", "connections_max")
    );
    assert_eq!(link.window as u64, number("desks.links", "window"));
    assert_eq!(
        link.fix.heartbeat_interval_s as u64,
        number("desks.links", "heartbeat_interval_s")
    );
    assert_eq!(link.fix.sender_comp_id.as_bytes(), b"GATEHOUSE");
    assert_eq!(
        session.fix.heartbeat_interval_max_s as u64,
        number("clients.sessions", "heartbeat_interval_max_s")
    );
    assert_eq!(
        session.message_burst as u64,
        number("clients.sessions", "message_burst")
    );
    assert_eq!(
        (session.pending_new, plan.threads.lock_memory),
        (false, true)
    );
    assert_eq!(
        (plan.instruments[0].unit, plan.instruments[0].quantity_min.0),
        (1, 1)
    );
    assert_eq!(
        (
            plan.accounts[0].message_burst,
            plan.accounts[0].order_value_max.0
        ),
        (1, 0)
    );
    super::bounds::hold(&plan);
}
