//! `gatehouse log replay`: the state that the logs lead to, at their end and before, and the same as often as one asks.
//! Run as its users run it, on the logs of a gateway with a configuration on disk, beside it and after it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use gatehouse::app;
use gatehouse::config::{self, sample::link_comp_id};
use serde_json::Value;

use crate::support::{Client, Desk, wait};

/// The sample configuration, with a state directory of its own and one link to this desk. Where it listens.
pub fn configuration(directory: &Path, desk: &Desk) -> SocketAddr {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/etc/gatehouse");
    for name in [
        "clients.toml",
        "accounts.csv",
        "positions.csv",
        "instruments.csv",
    ] {
        std::fs::copy(samples.join(name), directory.join(name)).expect("copied");
    }
    std::fs::create_dir(directory.join("state")).expect("made");
    let (port, link) = (free_port(), link_comp_id(0));
    let main = format!(
        r#"
name = "replayed"
[threads]
layout = "fused"
idle = "park"
lock_memory = false
[state]
log_directory = "state/log"
staging_directory = "state/staging"
status_file = "state/status"
control_socket = "state/control.sock"
requests_per_day_max = 4096
executions_per_day_max = 8192
[[listeners]]
name = "clients"
address = "127.0.0.1:{port}"
io = "poll"
[[desks]]
name = "desk-a"
[[desks.links]]
name = "desk-a-1"
address = "{desk}"
sender_comp_id = "{link}"
target_comp_id = "DESK"
io = "poll"
reconnect_min_ms = 20
reconnect_max_ms = 200
"#,
        desk = desk.address(),
    );
    std::fs::write(directory.join("gatehouse.toml"), main).expect("written");
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("bound").port()
}

fn replay(directory: &Path, more: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["log", "replay", "--json"])
        .args(more)
        .arg(directory)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn snapshot(directory: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
    let command = command.args(["log", "snapshot"]).arg(directory);
    command.output().expect("it runs")
}

#[test]
fn the_logs_lead_to_the_state_at_any_record() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut desk = Desk::listen(0);
    configuration(directory, &desk);
    let plan = config::load(directory).unwrap_or_else(|wrong| panic!("{}", wrong.render(false)));
    let gateway = app::start(Arc::new(plan)).expect("it starts");
    desk.log_on();
    wait("the link", || (gateway.links_ready() == 1).then_some(()));
    let mut client = Client::new(gateway.addresses[0], "FIX.4.4", "ALPHA1", "A100001");
    client.log_on();
    let terms = "55=000001 38=100 44=11.40";
    client.order("o1", terms);
    let first = desk.request("D");
    desk.report(&first, "");
    client.report("11=o1 39=0");
    desk.fill(&first, 100, "11.40", 100, 0);
    client.report("11=o1 39=2");
    client.order("o2", terms);
    let second = desk.request("D");
    desk.report(&second, "");
    client.report("11=o2 39=0");

    // Beside the gateway.
    let now = replay(directory, &[]);
    assert_eq!(now["open_orders"], 1, "{now}");
    assert_eq!(
        (now["requests"].clone(), now["desk_reports"].clone()),
        (2.into(), 3.into())
    );
    assert_eq!(
        (now["not_answered"].clone(), now["in_doubt"].clone()),
        (0.into(), 0.into())
    );
    let account = |state: &Value| state["accounts"][0].clone();
    assert_eq!(account(&now)["open_orders"], 1, "{now}");
    assert_eq!(replay(directory, &[])["state_hash"], now["state_hash"]);

    // Record by record: the order is there and then filled, cash goes, the hash follows every change.
    let last = now["records"]["order"].as_u64().expect("a number");
    let states: Vec<_> = (3..=last)
        .map(|record| replay(directory, &["--record", &record.to_string()]))
        .collect();
    assert_eq!(
        states.last().map(|s| s["state_hash"].clone()),
        Some(now["state_hash"].clone())
    );
    let open: Vec<_> = states.iter().map(|s| s["open_orders"].as_u64()).collect();
    assert!(
        open.contains(&Some(0)) && open.contains(&Some(1)),
        "{open:?}"
    );
    let (before, after) = (account(&states[0]), account(&now));
    assert_ne!(before["cash"], after["cash"], "{before} {after}");
    assert_ne!(states[0]["state_hash"], now["state_hash"]);
    let at = states[0]["to"].as_str().expect("a time").to_owned();
    let by_time = replay(directory, &["--to", &at]);
    assert!(
        by_time["inputs"].as_u64() <= states[0]["inputs"].as_u64(),
        "{by_time}"
    );

    // A gateway that writes the logs says itself how far a snapshot may go.
    let held = snapshot(directory);
    assert_eq!(held.status.code(), Some(2), "{held:?}");
    assert!(String::from_utf8_lossy(&held.stderr).contains("gatehouse ctl snapshot"));
    client.log_out();
    desk.go_away();
    gateway.stop();
    let made = snapshot(directory);
    assert!(made.status.success(), "{made:?}");
    let (whole, short) = (
        replay(directory, &[]),
        replay(directory, &["--from-snapshot"]),
    );
    assert_eq!(whole, short, "all of it is in the snapshot");
    let text = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["log", "replay"])
        .arg(directory)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("hash of the state") && text.contains("A100001"),
        "{text}"
    );

    // Without a configuration, and with another one.
    let bare = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["log", "replay", "--state"])
        .arg(directory.join("state"))
        .output()
        .expect("it runs");
    assert_eq!(bare.status.code(), Some(2), "{bare:?}");
    let accounts = directory.join("accounts.csv");
    let changed = std::fs::read_to_string(&accounts).expect("text");
    let cash = after["cash"].as_str().expect("cash").to_owned();
    std::fs::write(&accounts, another(&changed)).expect("written");
    let other = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["log", "replay"])
        .arg(directory)
        .output()
        .expect("it runs");
    assert_eq!(other.status.code(), Some(2), "{cash}: {other:?}");
    let complaint = String::from_utf8_lossy(&other.stderr);
    assert!(
        complaint.contains("other accounts, instruments"),
        "{complaint}"
    );
}

/// The accounts with one digit of cash more in the first row.
fn another(accounts: &str) -> String {
    let mut lines: Vec<_> = accounts.lines().map(str::to_owned).collect();
    let cash = lines[0]
        .split(',')
        .position(|name| name == "cash")
        .expect("a column");
    let mut fields: Vec<_> = lines[1].split(',').map(str::to_owned).collect();
    fields[cash].insert(0, '1');
    lines[1] = fields.join(",");
    lines.join("\n") + "\n"
}
