//! The profiles on made-up hosts: what is found, what is written, what is taken back.
//!
//! A host is a temporary directory with the files that a test needs; nothing of the real machine is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tuning::profiles::{Kind, PROFILES, find};
use tuning::{Host, Outcome, Profile, Verdict, apply, check, revert};

/// A directory that goes away with the test.
struct Made(PathBuf);

impl Drop for Made {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Made {
    fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "gatehouse-tuning-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let made = Self(std::env::temp_dir().join(name));
        for (file, text) in files {
            let path = made.0.join(file.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        made
    }

    fn host(&self) -> Host {
        Host::below(&self.0)
    }

    fn state(&self) -> PathBuf {
        self.0.join("state/tune.tsv")
    }

    fn read(&self, file: &str) -> String {
        self.host().read(file).unwrap_or_default()
    }
}

fn latency() -> &'static Profile {
    find("latency").expect("the profile is there")
}

fn verdict(made: &Made, knob: &str) -> (Verdict, String) {
    let findings = check(&made.host(), latency());
    let finding = findings.into_iter().find(|f| f.knob.name == knob).unwrap();
    (finding.verdict, finding.found)
}

const SWAPPINESS: &str = "/proc/sys/vm/swappiness";
const BUSY: &str = "/proc/sys/net/core/busy_read";
const THP: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
const CPU0: &str = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
const CPU10: &str = "/sys/devices/system/cpu/cpu10/cpufreq/scaling_governor";

#[test]
fn every_knob_is_explained_and_named_once() {
    for profile in PROFILES {
        for (at, knob) in profile.knobs.iter().enumerate() {
            for text in [knob.want, knob.why, knob.risk, knob.undo, knob.name] {
                assert!(!text.is_empty(), "{}", knob.name);
            }
            let twice = profile.knobs[..at].iter().any(|k| k.name == knob.name);
            assert!(!twice, "{} twice in {}", knob.name, profile.name);
            if let Kind::Set { file, .. } | Kind::AtLeast { file, .. } = knob.kind {
                assert!(file.starts_with("/proc/sys/") || file.starts_with("/sys/"));
            }
        }
    }
}

#[test]
fn an_empty_host_shows_nothing_and_nothing_is_written() {
    let made = Made::with(&[]);
    for finding in check(&made.host(), latency()) {
        assert!(
            matches!(finding.verdict, Verdict::Unknown | Verdict::Advice),
            "{finding:?}"
        );
    }
    assert_eq!(
        apply(&made.host(), latency(), &made.state(), false).unwrap(),
        []
    );
    assert!(!made.state().exists());
}

#[test]
fn values_are_compared_as_each_knob_says() {
    let made = Made::with(&[
        (SWAPPINESS, "60"),
        (BUSY, "75"),
        (THP, "always [madvise] never"),
        ("/sys/devices/system/cpu/smt/control", "notsupported"),
        ("/proc/cmdline", "quiet isolcpus=2,3 nohz_full="),
        (CPU0, "performance"),
        (CPU10, "powersave"),
        (
            "/sys/devices/system/cpu/cpufreq/cpufreq/scaling_governor",
            "wrong",
        ),
        (
            "/proc/self/limits",
            "Limit                     Soft Limit           Hard Limit\nMax open files            1024                 524288\nMax locked memory         unlimited            unlimited",
        ),
        ("/proc/mounts", "tmpfs /dev/shm tmpfs rw,size=65536k 0 0"),
    ]);
    assert_eq!(verdict(&made, "swappiness"), (Verdict::Wrong, "60".into()));
    assert_eq!(verdict(&made, "busy_read"), (Verdict::Good, "75".into()));
    assert_eq!(verdict(&made, "transparent_hugepages").0, Verdict::Good);
    assert_eq!(verdict(&made, "smt").0, Verdict::Good);
    assert_eq!(verdict(&made, "isolcpus"), (Verdict::Good, "2,3".into()));
    assert_eq!(verdict(&made, "nohz_full").0, Verdict::Wrong);
    assert_eq!(verdict(&made, "rcu_nocbs").0, Verdict::Wrong);
    let (governor, where_) = verdict(&made, "governor");
    assert_eq!(governor, Verdict::Wrong);
    assert!(where_.contains("cpu10"), "{where_}");
    assert_eq!(
        verdict(&made, "open_files"),
        (Verdict::Wrong, "1024".into())
    );
    assert_eq!(verdict(&made, "memlock").0, Verdict::Good);
    assert_eq!(verdict(&made, "dev_shm"), (Verdict::Wrong, "64 MiB".into()));
    assert_eq!(verdict(&made, "numa_balancing").0, Verdict::Unknown);
    assert_eq!(verdict(&made, "irq_affinity").0, Verdict::Advice);
}

#[test]
fn a_tmpfs_without_a_size_has_half_the_memory() {
    let with = |kib: &str| {
        Made::with(&[
            ("/proc/mounts", "shm /dev/shm tmpfs rw,nosuid 0 0"),
            ("/proc/meminfo", &format!("MemTotal:       {kib} kB")),
        ])
    };
    assert_eq!(verdict(&with("1048576"), "dev_shm").0, Verdict::Good);
    assert_eq!(verdict(&with("1048574"), "dev_shm").0, Verdict::Wrong);
}

#[test]
fn a_dry_run_writes_nothing() {
    let made = Made::with(&[(SWAPPINESS, "60")]);
    let changes = apply(&made.host(), latency(), &made.state(), true).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].outcome, Outcome::Planned);
    assert_eq!(made.read(SWAPPINESS), "60");
    assert!(!made.state().exists());
}

#[test]
fn what_is_applied_is_taken_back() {
    let made = Made::with(&[
        (SWAPPINESS, "60"),
        (BUSY, "0"),
        (CPU0, "powersave"),
        (CPU10, "performance"),
    ]);
    let changes = apply(&made.host(), latency(), &made.state(), false).unwrap();
    let files: Vec<_> = changes.iter().map(|c| c.file.as_str()).collect();
    assert_eq!(files, [SWAPPINESS, CPU0, BUSY]);
    assert!(changes.iter().all(|c| c.outcome == Outcome::Done));
    assert_eq!(
        (made.read(SWAPPINESS), made.read(BUSY), made.read(CPU0)),
        ("0".into(), "50".into(), "performance".into())
    );
    // A second time there is nothing to do, and what was found first is not forgotten.
    assert_eq!(
        apply(&made.host(), latency(), &made.state(), false).unwrap(),
        []
    );
    let back = revert(&made.host(), &made.state(), false).unwrap();
    assert_eq!(back.len(), 3);
    assert_eq!(
        (made.read(SWAPPINESS), made.read(BUSY), made.read(CPU0)),
        ("60".into(), "0".into(), "powersave".into())
    );
    assert_eq!(revert(&made.host(), &made.state(), false).unwrap(), []);
}

#[test]
fn the_first_value_found_is_the_one_that_comes_back() {
    let made = Made::with(&[(BUSY, "7")]);
    apply(&made.host(), latency(), &made.state(), false).unwrap();
    made.host().write(BUSY, "9").unwrap();
    apply(&made.host(), latency(), &made.state(), false).unwrap();
    revert(&made.host(), &made.state(), false).unwrap();
    assert_eq!(made.read(BUSY), "7");
}

#[test]
fn what_somebody_else_changed_is_left_alone() {
    let made = Made::with(&[(SWAPPINESS, "60")]);
    apply(&made.host(), latency(), &made.state(), false).unwrap();
    made.host().write(SWAPPINESS, "10").unwrap();
    let back = revert(&made.host(), &made.state(), false).unwrap();
    assert_eq!(back[0].outcome, Outcome::Foreign("10".into()));
    assert_eq!(made.read(SWAPPINESS), "10");
}

#[test]
fn a_damaged_state_file_is_refused() {
    let made = Made::with(&[(SWAPPINESS, "60"), ("/state/tune.tsv", "# head\nnonsense")]);
    for result in [
        apply(&made.host(), latency(), &made.state(), false),
        revert(&made.host(), &made.state(), false),
    ] {
        let error = result.unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
    assert_eq!(
        made.read(SWAPPINESS),
        "60",
        "nothing is written without a record"
    );
}

#[test]
fn a_knob_that_cannot_be_written_is_reported() {
    // A directory in place of a file can be neither read nor written; a missing state directory is made.
    let made = Made::with(&[(SWAPPINESS, "60")]);
    let blocked = Path::new("/proc/version/state");
    assert!(apply(&made.host(), latency(), blocked, false).is_err());
    assert_eq!(
        made.read(SWAPPINESS),
        "60",
        "nothing is written without a record"
    );
}
