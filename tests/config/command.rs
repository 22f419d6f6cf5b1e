//! `gatehouse check` as an operator sees it: exit codes, streams, the pointed message, JSON.
//!
//! The program itself is run; what it prints is a snapshot.

use assert_cmd::Command;

use super::mistakes::G;
use super::{change, copy_samples, samples};

fn gatehouse() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

#[test]
fn good_is_a_table_and_zero() {
    let output = gatehouse()
        .args(["check", "systemd/etc/gatehouse"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    insta::assert_snapshot!("check_good", text);
}

#[test]
fn wrong_points_at_the_text_and_is_two() {
    let directory = tempfile::tempdir().unwrap();
    copy_samples(directory.path());
    change(directory.path(), G, "idle = \"auto\"", "idel = \"spin\"");
    change(directory.path(), "accounts.csv", "8000000.00", "8 million");
    let output = gatehouse()
        .arg("check")
        .arg(directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains('\x1b'), "colours in a pipe");
    let text = text.replace(directory.path().to_str().unwrap(), "/etc/gatehouse");
    insta::assert_snapshot!("check_wrong", text);
}

#[test]
fn json_says_the_same() {
    let run = |path: &std::path::Path| {
        let output = gatehouse()
            .args(["check", "--json"])
            .arg(path)
            .output()
            .unwrap();
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), value)
    };
    let (code, good) = run(&samples());
    assert_eq!((code, &good["ok"]), (0, &true.into()));
    assert_eq!(good["plan"]["sessions"].as_array().unwrap().len(), 3);
    let directory = tempfile::tempdir().unwrap();
    copy_samples(directory.path());
    change(directory.path(), G, "cores = []", "cores = 4");
    let (code, wrong) = run(directory.path());
    assert_eq!((code, &wrong["ok"]), (2, &false.into()));
    let error = &wrong["errors"][0];
    assert_eq!((&error["line"], &error["column"]), (&10.into(), &9.into()));
    assert_eq!(
        (&error["key"], &error["severity"]),
        (&"threads.cores".into(), &"error".into())
    );
    assert!(error["file"].as_str().unwrap().ends_with("/gatehouse.toml"));
    assert!(
        error["help"]
            .as_str()
            .unwrap()
            .contains("a list of whole numbers")
    );
}

#[test]
fn wrong_usage_is_two() {
    let code = |args: &[&str]| gatehouse().args(args).output().unwrap().status.code();
    assert_eq!(code(&["check", "--no-such-flag"]), Some(2));
    assert_eq!(code(&["no-such-command"]), Some(2));
    assert_eq!(code(&["check", "/no/such/directory"]), Some(2));
}
