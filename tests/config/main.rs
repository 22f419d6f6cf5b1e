//! Configuration: the samples load, every kind of mistake is pointed at, nothing that loads is out of bounds, and the document
//! says what the code does.

mod bounds;
mod command;
mod dictionaries;
mod document;
mod drop_copy;
mod mistakes;
mod schedules;

use std::fs;
use std::path::{Path, PathBuf};

use gatehouse::config::{self, Diagnostic, Diagnostics, Plan};
use gatehouse::limits::DIAGNOSTICS_MAX;
use mistakes::{C, Case, ERRORS, G, I, WARNINGS};

const FILES: [&str; 5] = [
    "gatehouse.toml",
    "clients.toml",
    "instruments.csv",
    "accounts.csv",
    "positions.csv",
];
/// What the tests say is online, so that they do not depend on the machine.
const CORES: [usize; 4] = [0, 1, 2, 3];

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/etc/gatehouse")
}

fn copy_samples(to: &Path) {
    for file in FILES {
        fs::copy(samples().join(file), to.join(file)).unwrap();
    }
}

/// Changes the first `from` of a file.
fn change(directory: &Path, file: &str, from: &str, to: &str) -> String {
    let path = directory.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "the sample {file} has no {from:?}");
    let text = text.replacen(from, to, 1);
    fs::write(&path, &text).unwrap();
    text
}

/// The samples with one change, and the changed text.
fn examine(case: &Case) -> (Option<Plan>, Diagnostics, String) {
    let directory = tempfile::tempdir().unwrap();
    copy_samples(directory.path());
    let text = change(directory.path(), case.file, case.from, case.to);
    let (plan, diagnostics) = config::examine_on(directory.path(), &CORES);
    (plan, diagnostics, text)
}

fn line_of(text: &str, wanted: &str) -> usize {
    let at = match wanted.strip_suffix('$') {
        Some(end) => text.ends_with(end).then(|| text.len() - end.len()),
        None => text.find(wanted),
    };
    let at = at.unwrap_or_else(|| panic!("{wanted:?} is not in the changed file"));
    let newline_first = wanted.starts_with('\n') as usize;
    text[..at + newline_first].matches('\n').count() + 1
}

fn is_told<'a>(case: &Case, text: &str, mut list: impl Iterator<Item = &'a Diagnostic>) -> bool {
    let line = line_of(text, case.at);
    list.any(|d| {
        d.file.file_name().unwrap() == case.file
            && d.line == line
            && d.key == case.key
            && format!("{}; {}", d.message, d.help).contains(case.says)
    })
}

fn told(case: &Case, diagnostics: &Diagnostics) -> String {
    let list = diagnostics.errors().chain(diagnostics.warnings());
    let list: Vec<_> = list.map(ToString::to_string).collect();
    format!("{} -> {}: told {list:#?}", case.from, case.to)
}

#[test]
fn samples_load_without_a_word() {
    let (plan, diagnostics) = config::examine_on(&samples(), &CORES);
    assert_eq!(diagnostics.to_string(), "");
    let plan = plan.unwrap();
    assert_eq!((plan.clients.len(), plan.sessions.len()), (2, 3));
    assert_eq!((plan.desks.len(), plan.desks[0].links.len()), (1, 2));
    let counts = (
        plan.instruments.len(),
        plan.accounts.len(),
        plan.positions.len(),
    );
    assert_eq!(counts, (6, 3, 6));
    let star = &plan.instruments[2];
    assert_eq!(star.symbol.as_bytes(), b"688981");
    assert_eq!((star.lot.0, star.quantity_min.0), (1, 200));
    assert_eq!(plan.instruments[5].tick.to_string(), "0.001");
    assert_eq!(plan.accounts[1].cash.to_string(), "8000000");
    assert_eq!(plan.accounts[2].client.get(), 1);
    assert_eq!(plan.sessions[2].allowed_sources[1].prefix_bits, 32);
    bounds::hold(&plan);
    assert!(config::load(&samples().join(config::MAIN_FILE)).is_ok());
}

#[test]
fn every_mistake_is_pointed_at() {
    let mut failed = Vec::new();
    for case in ERRORS {
        let (plan, diagnostics, text) = examine(case);
        if plan.is_some() || !is_told(case, &text, diagnostics.errors()) {
            failed.push(told(case, &diagnostics));
        }
    }
    assert!(
        failed.is_empty(),
        "{} cases:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn a_mistake_is_told_once() {
    // These are two mistakes by their nature: what they replace is missed elsewhere.
    let double = [
        "symbol,market,lot,lot,",
        "account,client,kind,cash",
        "name = \"alpha\"",
        "[treads]",
        "600000,XSHE",
        "A100001,alpha,cash,desk-a",
    ];
    let mut failed = Vec::new();
    for case in ERRORS
        .iter()
        .filter(|c| !double.iter().any(|d| c.to.starts_with(d)))
    {
        let (_, diagnostics, _) = examine(case);
        if diagnostics.errors().count() != 1 {
            failed.push(told(case, &diagnostics));
        }
    }
    assert!(
        failed.is_empty(),
        "{} cases:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn doubts_are_told_and_do_not_stop() {
    for case in WARNINGS {
        let (plan, diagnostics, text) = examine(case);
        assert!(plan.is_some(), "{}", told(case, &diagnostics));
        assert!(
            is_told(case, &text, diagnostics.warnings()),
            "{}",
            told(case, &diagnostics)
        );
    }
}

#[test]
fn a_port_for_other_machines_wants_sources() {
    let directory = tempfile::tempdir().unwrap();
    copy_samples(directory.path());
    change(directory.path(), G, "127.0.0.1:9100", "0.0.0.0:9100");
    assert_eq!(
        config::examine_on(directory.path(), &CORES).1.counts(),
        (0, 0)
    );
    let sources = "allowed_sources = [\"127.0.0.0/8\", \"192.0.2.17\"]";
    change(directory.path(), C, sources, "");
    let (plan, diagnostics) = config::examine_on(directory.path(), &CORES);
    let warning = diagnostics.warnings().next().unwrap();
    assert!(plan.is_some() && warning.message.contains("1 of 3 sessions take any source"));
    assert_eq!(warning.key, "listeners.address");
}

#[test]
fn all_mistakes_are_told_at_once_and_bounded() {
    let directory = tempfile::tempdir().unwrap();
    copy_samples(directory.path());
    let rows: String = (0..200)
        .map(|row| format!("X{row},XSHG,1,100,true,abc,1,1000000,1,2,1,0,false,false\n"))
        .collect();
    change(directory.path(), I, "600000,", &(rows + "600000,"));
    change(directory.path(), G, "idle =", "idel =");
    change(directory.path(), G, "cores = []", "cores = true");
    change(directory.path(), G, "9201", "x");
    let (plan, diagnostics) = config::examine_on(directory.path(), &CORES);
    assert!(plan.is_none());
    assert_eq!(diagnostics.counts().0, 203);
    assert_eq!(diagnostics.errors().count(), DIAGNOSTICS_MAX);
    let keys: Vec<_> = diagnostics
        .errors()
        .take(4)
        .map(|d| d.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "threads.idel",
            "threads.cores",
            "desks.links.address",
            "tick"
        ]
    );
    assert!(diagnostics.to_string().contains("153 more not shown"));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    for file in FILES {
        let directory = tempfile::tempdir().unwrap();
        copy_samples(directory.path());
        let path = directory.path().join(file);
        fs::remove_file(&path).unwrap();
        let one = |what: &str, help: &str| {
            let diagnostics = config::load(directory.path()).unwrap_err();
            let errors: Vec<_> = diagnostics.errors().collect();
            assert_eq!(errors.len(), 1, "{file}: {diagnostics}");
            assert_eq!(errors[0].file, path);
            assert!(errors[0].message.contains(what), "{diagnostics}");
            assert!(errors[0].help.contains(help), "{diagnostics}");
        };
        one(
            "cannot be read: No such file",
            if file == G { "sample" } else { "[files]" },
        );
        fs::write(&path, b"a = \"\xff\"").unwrap();
        one("is not UTF-8 here", "UTF-8");
    }
}

#[test]
fn built_plans_keep_the_same_bounds() {
    let mut sample = config::sample::Sample::new("/nowhere");
    sample.links.push(([127, 0, 0, 1], 9000).into());
    sample.links.push(([127, 0, 0, 1], 9001).into());
    (sample.sessions, sample.accounts, sample.instruments) = (64, 100, 20);
    sample.odd_sessions_fix_42 = true;
    bounds::hold(&sample.plan());
}
