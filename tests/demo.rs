//! `gatehouse demo` as its user runs it: every layout and back end ends well, and planted faults are found.
//!
//! The program itself is run, on free ports; what it prints as JSON is what is judged.

use std::process::{Command, Output};

use serde_json::Value;

fn demo(arguments: &[&str]) -> (Output, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["demo", "--json", "--orders", "2000", "--rate", "1000"])
        .args(arguments)
        .output()
        .expect("the demo starts");
    let result = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, result)
}

fn assert_all_arrived(arguments: &[&str]) -> Value {
    let (output, result) = demo(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}\n{result:#}\n{said}"
    );
    let orders = &result["orders"];
    assert_eq!(orders["sent"], 2000, "{result:#}");
    assert_eq!(orders["acknowledged"], 2000, "{result:#}");
    for none in ["rejected", "lost", "duplicated", "unresolved"] {
        assert_eq!(orders[none], 0, "{none}: {result:#}");
    }
    assert!(
        orders["filled"].as_u64().is_some_and(|filled| filled > 0),
        "{result:#}"
    );
    assert_eq!(result["ledgers"]["recorded"], 2000);
    assert_eq!(result["ledgers"]["received"], 2000);
    for percentile in ["p50", "p90", "p99", "p99_9", "max"] {
        assert!(
            result["latency_ns"][percentile]
                .as_u64()
                .is_some_and(|ns| ns > 0),
            "{percentile}: {result:#}"
        );
    }
    result
}

#[test]
fn fused_over_polling_sockets() {
    let result = assert_all_arrived(&["--layout", "fused", "--io", "poll"]);
    assert_eq!(
        (&result["io"], &result["layout"]),
        (&"poll".into(), &"fused".into())
    );
}

#[test]
fn pipeline_over_whatever_sockets_there_are() {
    let result = assert_all_arrived(&["--layout", "pipeline", "--io", "auto"]);
    assert_eq!(result["layout"], "pipeline");
    assert!(
        result["io"] == "uring" || result["io"] == "poll",
        "{result:#}"
    );
}

#[test]
fn a_planted_loss_is_found() {
    let (output, result) = demo(&["--fault-drop-order", "77"]);
    assert_eq!(output.status.code(), Some(1), "{result:#}");
    assert_eq!(result["orders"]["lost"], 1, "{result:#}");
    assert_eq!(result["orders"]["duplicated"], 0, "{result:#}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("lost"));
}

#[test]
fn a_planted_doubling_is_found() {
    let (output, result) = demo(&["--fault-double-order", "77"]);
    assert_eq!(output.status.code(), Some(1), "{result:#}");
    assert_eq!(result["orders"]["duplicated"], 1, "{result:#}");
    assert_eq!(result["orders"]["lost"], 0, "{result:#}");
}

#[test]
fn nothing_is_left_behind() {
    let here = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
        .args(["demo", "--orders", "50", "--rate", "500"])
        .env("TMPDIR", here.path())
        .output()
        .expect("the demo starts");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("received by the desk"));
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0);
}

#[test]
fn wrong_usage_is_exit_two() {
    let (output, _) = demo(&["--layout", "spiral"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn every_version_on_both_sides() {
    for (fix, desk_fix) in [
        ("4.0", "5.0SP2"),
        ("4.1", "4.0"),
        ("4.2", "4.1"),
        ("4.3", "4.4"),
        ("4.4", "4.2"),
        ("5.0", "4.3"),
        ("5.0SP1", "5.0SP1"),
        ("5.0SP2", "5.0"),
    ] {
        assert_all_arrived(&["--fix", fix, "--desk-fix", desk_fix, "--sessions", "2"]);
    }
}
