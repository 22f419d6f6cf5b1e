//! Snapshots of a gateway that runs: written by a process of its own, when an operator asks, and what the next start goes on from.
//! With the real binary, killed and started again.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use gatehouse::app::snapshots;

use super::replay::configuration;
use crate::support::conn::PATIENCE;
use crate::support::{Client, Desk, wait};

/// `gatehouse run`, and the lines that it logs. It is killed when it goes away.
struct Running {
    process: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(directory: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
            .arg("run")
            .arg(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let (tell, lines) = channel();
        let errors = BufReader::new(process.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            errors
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| tell.send(line))
        });
        Self { process, lines }
    }

    /// The next line that has this in it.
    fn says(&self, what: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("it does not say {what}"));
            if line.contains(what) {
                return line;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }
}

#[test]
fn a_gateway_has_snapshots_written_and_starts_from_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut desk = Desk::listen(0);
    let address = configuration(directory, &desk);
    let gateway = Running::start(directory);
    gateway.says("gateway is up");
    desk.log_on();
    let mut client = Client::new(address, "FIX.4.4", "ALPHA1", "A100001");
    client.log_on();
    client.order("o1", "55=000001 38=100 44=11.40");
    let request = desk.request("D");
    desk.report(&request, "");
    client.report("11=o1 39=0");
    let asked = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["ctl", "--reason", "test", "--socket"])
        .arg(directory.join("state/control.sock"))
        .arg("snapshot")
        .output()
        .expect("it runs");
    assert!(asked.status.success(), "{asked:?}");
    let written = gateway.says("a snapshot is written");
    let logs = directory.join("state/log");
    let found = wait("a snapshot", || snapshots::files(&logs).ok()?.pop());
    assert!(written.contains(found.to_str().expect("text")), "{written}");

    drop(gateway);
    desk.go_away();
    let gateway = Running::start(directory);
    let replayed = gateway.says("the logs of earlier processes are replayed");
    assert!(
        replayed.contains(found.to_str().expect("text")),
        "{replayed}"
    );
    gateway.says("gateway is up");
}
