//! Dialogues as tests: `tests/vectors/fix/*.script`, each scenario with both FIX versions unless it names one.
//!
//! Lines: `scenario NAME`, `role acceptor|initiator`, `version FIX.4.2`, `set OPTION`, `policy gapfill`, `numbers IN OUT`;
//! `iCONNECT`, `iDISCONNECT`, `iLOGOUT TEXT`, `iAPP TEXT`, `iREJECT TAG`, `T +SECONDSs`;
//! `I BODY` a message in (length and checksum are added; `8=..` first changes the version), `R BYTES` raw bytes in;
//! `E BODY` a message out, whole; `eDELIVER N`, `eREJECTED N`, `eLOGGEDON`, `eLOGGEDOUT`, `eNUMBERS IN OUT CAUSE`,
//! `eDISCONNECT REASON`, `eNOTICE NAME`; `? IN OUT` the numbers now.
//! `~` is 49, 52 and 56 as they should be; `<t>` the time now, `<t-5>` five seconds before. Whatever happens must be expected, in
//! order; only notices may be left out.

mod session_owner;

use std::collections::VecDeque;
use std::path::Path;

use gatehouse::config::plan::FixVersion;
use gatehouse::session::{RejectReason, ResendPolicy, Role};
use session_owner::{Owner, frame, plan, utc};

struct Scenario {
    place: String,
    lines: Vec<(usize, String)>,
}

fn scenarios() -> Vec<Scenario> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/fix");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "script"))
        .collect();
    files.sort();
    let mut all: Vec<Scenario> = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for (at, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
            let line = line.trim();
            if let Some(title) = line.strip_prefix("scenario ") {
                all.push(Scenario {
                    place: format!("{name}: {title}"),
                    lines: Vec::new(),
                });
            } else if !line.is_empty() && !line.starts_with('#') {
                let scenario = all.last_mut().expect("lines before the first scenario");
                scenario.lines.push((at + 1, line.to_string()));
            }
        }
    }
    all
}

/// Replaces `~` and `<t..>`.
fn expand(text: &str, owner: &Owner, inbound: bool) -> String {
    let own = String::from_utf8_lossy(owner.ids.sender_comp_id.as_bytes()).into_owned();
    let peer = String::from_utf8_lossy(owner.ids.target_comp_id.as_bytes()).into_owned();
    let (sender, target) = if inbound { (peer, own) } else { (own, peer) };
    let mut text = text.replace('~', &format!("49={sender}|52=<t>|56={target}"));
    while let Some(start) = text.find("<t") {
        let end = start + text[start..].find('>').unwrap();
        let shift: i64 = match &text[start + 2..end] {
            "" => 0,
            shift => shift.parse().unwrap(),
        };
        let wall_ns = owner.now.wall_ns as i64 + shift * 1_000_000_000;
        text.replace_range(start..=end, &utc(wall_ns as u64));
    }
    text
}

fn run(scenario: &Scenario, version: FixVersion) -> Result<(), String> {
    let begin_string = std::str::from_utf8(version.begin_string()).unwrap();
    let mut role = Role::Acceptor;
    let mut options = Vec::new();
    let mut numbers = (1, 1);
    let mut policy = ResendPolicy::Replay;
    let mut owner: Option<Owner> = None;
    let mut last_frame = Vec::new();
    let mut seen: VecDeque<String> = VecDeque::new();
    for (line_number, line) in &scenario.lines {
        let fail = |why: String| {
            Err(format!(
                "{}, line {line_number} ({begin_string}): {why}\n  line: {line}",
                scenario.place
            ))
        };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "role" if rest == "initiator" => role = Role::Initiator,
            "role" => assert_eq!(rest, "acceptor"),
            "version" if rest != begin_string => return Ok(()),
            "version" => {}
            "set" => options.push(rest),
            "policy" => policy = ResendPolicy::GapFillAll,
            "numbers" => {
                let (a, b) = rest.split_once(' ').unwrap();
                numbers = (a.parse().unwrap(), b.parse().unwrap());
            }
            _ => {
                let owner = owner.get_or_insert_with(|| {
                    let mut plan = plan(role, version);
                    for option in &options {
                        match *option {
                            "reset_on_logon" => plan.reset_on_logon = true,
                            "reset_on_logout" => plan.reset_on_logout = true,
                            "reset_on_disconnect" => plan.reset_on_disconnect = true,
                            other => panic!("unknown option {other}"),
                        }
                    }
                    let mut owner = Owner::new(role, &plan, numbers.0, numbers.1);
                    owner.policy = policy;
                    owner
                });
                if word == "E" || word.starts_with('e') {
                    let expected = expand(line, owner, false);
                    if word != "eNOTICE" {
                        while seen.front().is_some_and(|e| e.starts_with("eNOTICE")) {
                            seen.pop_front();
                        }
                    }
                    let mut got = seen.pop_front();
                    while word == "eNOTICE"
                        && got.as_ref() != Some(&expected)
                        && got.as_ref().is_some_and(|e| e.starts_with("eNOTICE"))
                    {
                        got = seen.pop_front();
                    }
                    if got.as_ref() != Some(&expected) {
                        return fail(format!(
                            "expected {expected}\n  got      {got:?}, then {seen:?}"
                        ));
                    }
                    continue;
                }
                if let Some(event) = seen.iter().find(|e| !e.starts_with("eNOTICE")) {
                    return fail(format!("before this line, nobody expected {event}"));
                }
                seen.clear();
                match word {
                    "iCONNECT" => owner.connect(),
                    "iDISCONNECT" => owner.disconnect(),
                    "iLOGOUT" => owner.logout(rest),
                    "iAPP" => owner.send_application(rest),
                    "iREJECT" => owner.reject_last(
                        &last_frame,
                        rest.parse().unwrap(),
                        RejectReason::ValueOutOfRange,
                    ),
                    "T" => {
                        let seconds = rest.strip_prefix('+').and_then(|s| s.strip_suffix('s'));
                        let seconds: f64 = seconds.unwrap().parse().unwrap();
                        owner.advance((seconds * 1e9) as u64);
                    }
                    "I" => {
                        let body = expand(rest, owner, true);
                        last_frame = match body.strip_prefix("8=") {
                            Some(body) => {
                                let (begin, body) = body.split_once('|').unwrap();
                                frame(begin, body)
                            }
                            None => frame(begin_string, &body),
                        };
                        owner.receive(&last_frame.clone());
                        owner.pump(usize::MAX >> 1);
                    }
                    "R" => {
                        let text = expand(rest, owner, true).replace('|', "\u{1}");
                        owner.receive(text.as_bytes());
                    }
                    "?" => {
                        let have = format!(
                            "{} {}",
                            owner.session.expected_in(),
                            owner.session.peek_next_out()
                        );
                        if have != rest {
                            return fail(format!("numbers are {have}"));
                        }
                    }
                    other => panic!("unknown word {other} in {}", scenario.place),
                }
                seen.extend(owner.events.drain(..));
            }
        }
    }
    match seen.iter().find(|event| !event.starts_with("eNOTICE")) {
        Some(event) => Err(format!(
            "{}: at the end, nobody expected {event}",
            scenario.place
        )),
        None => Ok(()),
    }
}

#[test]
fn dialogues() {
    let scenarios = scenarios();
    assert!(scenarios.len() >= 35, "{} scenarios", scenarios.len());
    let mut failures = Vec::new();
    for scenario in &scenarios {
        for version in [FixVersion::Fix42, FixVersion::Fix44] {
            if let Err(why) = run(scenario, version) {
                failures.push(why);
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// A script that expects the wrong thing, or nothing, must fail: else the scripts prove nothing.
#[test]
fn a_wrong_script_fails() {
    for lines in [
        vec![
            "iCONNECT",
            "I 35=A|34=1|~|98=0|108=30",
            "E 35=A|34=2|~|98=0|108=30",
        ],
        vec!["iCONNECT", "I 35=A|34=1|~|98=0|108=30"],
        vec!["iCONNECT", "I 35=A|34=1|~|98=0|108=30", "T +1s"],
    ] {
        let scenario = Scenario {
            place: "planted".into(),
            lines: lines.into_iter().map(|line| (0, line.into())).collect(),
        };
        assert!(run(&scenario, FixVersion::Fix44).is_err());
    }
}
