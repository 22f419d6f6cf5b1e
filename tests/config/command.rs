//! `gatehouse check` as an operator sees it: exit codes, streams, the pointed message, JSON.
//!
//! The program itself is run; what it prints is a snapshot.

use assert_cmd::Command;

use super::mistakes::{C, G};
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

#[test]
fn a_dictionary_that_cannot_be_used_is_pointed_at() {
    let directory = tempfile::tempdir().unwrap();
    copy_samples(directory.path());
    let with = "target_comp_id = \"BETA1\"\ndictionary = \"own.xml\"";
    change(directory.path(), C, "target_comp_id = \"BETA1\"", with);
    let check = || {
        let output = gatehouse().arg("check").arg(directory.path()).output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let text = text.replace(directory.path().to_str().unwrap(), "/etc/gatehouse");
        (output.status.code(), text)
    };
    let (code, text) = check();
    assert_eq!(code, Some(2));
    assert!(text.contains("/etc/gatehouse/own.xml"), "{text}");
    assert!(text.contains("No such file"), "{text}");
    assert!(text.contains("`clients.sessions.dictionary`"), "{text}");
    assert!(text.contains("/etc/gatehouse/clients.toml:"), "{text}");

    let path = directory.path().join("own.xml");
    let export = |version: &str| {
        let output = gatehouse()
            .args(["dialect", "--format", "quickfix", "--version", version])
            .arg("--output")
            .arg(&path)
            .output();
        assert!(output.unwrap().status.success());
    };
    export("FIX.4.2");
    let (code, text) = check();
    assert_eq!(code, Some(2));
    assert!(
        text.contains("it is of FIX.4.2, and the session needs one of FIX.4.4"),
        "{text}"
    );

    export("FIX.4.4");
    assert_eq!(check(), (Some(0), String::new()));

    let good = std::fs::read_to_string(&path).unwrap();
    let bad = good.replace("name=\"Side\" required", "name=\"Sied\" required");
    std::fs::write(&path, bad).unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(2));
    assert!(text.contains("own.xml:") && text.contains("Sied"), "{text}");
}

#[test]
fn a_dictionary_that_names_the_wrong_thing_says_whose_it_is() {
    let directory = tempfile::tempdir().unwrap();
    copy_samples(directory.path());
    let with = "target_comp_id = \"BETA1\"\ndictionary = \"own.xml\"";
    change(directory.path(), C, "target_comp_id = \"BETA1\"", with);
    std::fs::write(directory.path().join("own.xml"), "hello").unwrap();
    let output = gatehouse().arg("check").arg(directory.path()).output();
    let text = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(text.contains("the dictionary of session beta-1"), "{text}");
    assert!(text.contains("own.xml:1:1"), "{text}");
    // A directory, or a pipe, is no dictionary.
    change(directory.path(), C, "\"own.xml\"", "\".\"");
    let output = gatehouse().arg("check").arg(directory.path()).output();
    let text = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(
        text.contains("`clients.sessions.dictionary` is no file"),
        "{text}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dialect = ["dialect", "--format", "markdown"];
    let check = ["check", "--json", "systemd/etc/gatehouse"];
    for args in [dialect, check] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_gatehouse"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // Nobody reads, from before the first byte on.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{args:?}");
    }
}
