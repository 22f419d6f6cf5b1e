//! The profiles: every knob with what is wanted, why, what it costs and how to undo it.
//!
//! Data only. A knob names how it is read and compared; what can be written at run time says so by its kind. Advice that no file
//! can prove stands at the end of the profile and is only printed.

/// How a knob is read, and what is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Files (`*` names several) that hold a word or number; written by `apply`.
    Set {
        /// Path, `*` for any
        file: &'static str,
        /// The value that is right
        value: &'static str,
    },
    /// A file with a number that must be at least this; written by `apply`.
    AtLeast {
        /// Path
        file: &'static str,
        /// Least right number; it is what `apply` writes
        value: i64,
    },
    /// A word of the kernel's command line, with a value after `=`.
    Boot {
        /// Such as `isolcpus`
        word: &'static str,
    },
    /// A limit of the process (`/proc/self/limits`), soft value, in its unit.
    Limit {
        /// Name in that file
        name: &'static str,
        /// Least right value
        value: u64,
    },
    /// Room of a mounted tmpfs, by its `size=` option; without one the kernel gives half the memory.
    Tmpfs {
        /// Mount point
        mount: &'static str,
        /// Least right size in bytes
        bytes: u64,
    },
    /// Nothing to read: advice.
    Advice,
}

/// One thing to tune.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Knob {
    /// Short name
    pub name: &'static str,
    /// How it is read
    pub kind: Kind,
    /// What is wanted, for people
    pub want: &'static str,
    /// Why
    pub why: &'static str,
    /// What it costs, or may break
    pub risk: &'static str,
    /// How to have the former state again
    pub undo: &'static str,
}

/// A named list of knobs.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Name on the command line
    pub name: &'static str,
    /// For whom
    pub meaning: &'static str,
    /// What is in it
    pub knobs: &'static [Knob],
}

/// All profiles; the first is the default.
pub const PROFILES: &[Profile] = &[
    Profile {
        name: "latency",
        meaning: "a host of its own: lowest latency, power and throughput of other work given up",
        knobs: LATENCY,
    },
    Profile {
        name: "shared",
        meaning: "a host with other work, or a virtual machine: only what the gateway needs to run well",
        knobs: SHARED,
    },
];

/// The profile of this name.
pub fn find(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

const BY_REVERT: &str = "gatehouse tune revert";

const IO_URING: Knob = Knob {
    name: "io_uring",
    kind: Kind::Set {
        file: "/proc/sys/kernel/io_uring_disabled",
        value: "0",
    },
    want: "0: every process may use io_uring",
    why: "at 1 or 2 the kernel refuses rings: the gateway falls back to polling sockets",
    risk: "io_uring has had kernel vulnerabilities; other users of the host may use it too",
    undo: BY_REVERT,
};
const SWAPPINESS: Knob = Knob {
    name: "swappiness",
    kind: Kind::Set {
        file: "/proc/sys/vm/swappiness",
        value: "0",
    },
    want: "0: memory of processes is swapped last",
    why: "a page that comes back from disk takes milliseconds; matters where memory cannot be locked",
    risk: "under memory pressure the kernel kills a process sooner",
    undo: BY_REVERT,
};
const MEMLOCK: Knob = Knob {
    name: "memlock",
    kind: Kind::Limit {
        name: "Max locked memory",
        value: 4 << 30,
    },
    want: "unlimited, or at least 4 GiB",
    why: "without it memory is not locked, and a page fault may hit the order path",
    risk: "a process can take all memory for itself",
    undo: "remove LimitMEMLOCK= from the unit, or the line from /etc/security/limits.d",
};
const OPEN_FILES: Knob = Knob {
    name: "open_files",
    kind: Kind::Limit {
        name: "Max open files",
        value: 65_536,
    },
    want: "at least 65536",
    why: "each connection is a file; 1024, the usual limit, ends logons at about 1000 sessions",
    risk: "none worth naming",
    undo: "remove LimitNOFILE= from the unit",
};
const SHM: Knob = Knob {
    name: "dev_shm",
    kind: Kind::Tmpfs {
        mount: "/dev/shm",
        bytes: 512 << 20,
    },
    want: "at least 512 MiB: three staging windows of 64 MiB, the status page, and room",
    why: "a full tmpfs under a mapped window kills the process with SIGBUS",
    risk: "memory that others cannot use while files are in it",
    undo: "mount -o remount,size=... /dev/shm",
};
const CLOCKSOURCE: Knob = Knob {
    name: "clocksource",
    kind: Kind::Set {
        file: "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        value: "tsc",
    },
    want: "tsc",
    why: "other clocks cost a system call or a bus access at each reading: a microsecond instead of 20 ns",
    risk: "a host whose TSC is not steady gets a clock that drifts; the kernel then marks it unstable",
    undo: BY_REVERT,
};

const SHARED: &[Knob] = &[IO_URING, SWAPPINESS, MEMLOCK, OPEN_FILES, SHM, CLOCKSOURCE];

const LATENCY: &[Knob] = &[
    IO_URING,
    SWAPPINESS,
    MEMLOCK,
    OPEN_FILES,
    SHM,
    CLOCKSOURCE,
    Knob {
        name: "isolcpus",
        kind: Kind::Boot { word: "isolcpus" },
        want: "isolcpus=LIST on the kernel's command line, with the cores of threads.cores",
        why: "the scheduler puts nothing else on these cores; each foreign thread costs microseconds to milliseconds",
        risk: "these cores are lost to all other work",
        undo: "remove the word from the kernel's command line and restart",
    },
    Knob {
        name: "nohz_full",
        kind: Kind::Boot { word: "nohz_full" },
        want: "nohz_full=LIST, the same cores",
        why: "no timer tick while one thread runs: a tick costs 1 to 5 microseconds, up to 1000 times a second",
        risk: "system calls get a little slower on these cores",
        undo: "remove the word from the kernel's command line and restart",
    },
    Knob {
        name: "rcu_nocbs",
        kind: Kind::Boot { word: "rcu_nocbs" },
        want: "rcu_nocbs=LIST, the same cores",
        why: "the kernel's deferred work runs elsewhere",
        risk: "none worth naming",
        undo: "remove the word from the kernel's command line and restart",
    },
    Knob {
        name: "governor",
        kind: Kind::Set {
            file: "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
            value: "performance",
        },
        want: "performance, on every core",
        why: "a core that has slowed down needs up to milliseconds to be fast again",
        risk: "more power, more heat",
        undo: BY_REVERT,
    },
    Knob {
        name: "smt",
        kind: Kind::Set {
            file: "/sys/devices/system/cpu/smt/control",
            value: "off",
        },
        want: "off",
        why: "a sibling thread shares the core's caches and units: the tail gets longer, and noise comes from others",
        risk: "half the logical cores; throughput of parallel work falls by a quarter or so",
        undo: BY_REVERT,
    },
    Knob {
        name: "transparent_hugepages",
        kind: Kind::Set {
            file: "/sys/kernel/mm/transparent_hugepage/enabled",
            value: "madvise",
        },
        want: "madvise",
        why: "at `always` the kernel compacts and merges memory whenever it likes: stalls of milliseconds",
        risk: "programs that profited without asking get slower",
        undo: BY_REVERT,
    },
    Knob {
        name: "rt_throttling",
        kind: Kind::Set {
            file: "/proc/sys/kernel/sched_rt_runtime_us",
            value: "-1",
        },
        want: "-1: real-time threads are not stopped",
        why: "a real-time thread that spins is stopped for 50 ms of each second otherwise",
        risk: "a spinning real-time thread can lock out everything else on its core",
        undo: BY_REVERT,
    },
    Knob {
        name: "numa_balancing",
        kind: Kind::Set {
            file: "/proc/sys/kernel/numa_balancing",
            value: "0",
        },
        want: "0",
        why: "the kernel unmaps pages to see who uses them: page faults on the order path",
        risk: "memory of other programs may stay on the far node",
        undo: BY_REVERT,
    },
    Knob {
        name: "watchdog",
        kind: Kind::Set {
            file: "/proc/sys/kernel/watchdog",
            value: "0",
        },
        want: "0",
        why: "a timer interrupt on every core",
        risk: "a core that hangs in the kernel is not reported",
        undo: BY_REVERT,
    },
    Knob {
        name: "stat_interval",
        kind: Kind::AtLeast {
            file: "/proc/sys/vm/stat_interval",
            value: 120,
        },
        want: "at least 120 seconds",
        why: "memory statistics are gathered on every core, once a second by default",
        risk: "figures of memory tools lag",
        undo: BY_REVERT,
    },
    Knob {
        name: "busy_read",
        kind: Kind::AtLeast {
            file: "/proc/sys/net/core/busy_read",
            value: 50,
        },
        want: "at least 50 microseconds",
        why: "a socket that is read polls the card's queue instead of waiting for its interrupt",
        risk: "reads of idle sockets burn processor time, in every program of the host",
        undo: BY_REVERT,
    },
    Knob {
        name: "busy_poll",
        kind: Kind::AtLeast {
            file: "/proc/sys/net/core/busy_poll",
            value: 50,
        },
        want: "at least 50 microseconds",
        why: "the same for poll and io_uring",
        risk: "as for busy_read",
        undo: BY_REVERT,
    },
    Knob {
        name: "slow_start_after_idle",
        kind: Kind::Set {
            file: "/proc/sys/net/ipv4/tcp_slow_start_after_idle",
            value: "0",
        },
        want: "0",
        why: "a connection that was quiet keeps its window: the first burst of the day is not held back",
        risk: "a little more load on the network after idle times",
        undo: BY_REVERT,
    },
    Knob {
        name: "nic_coalescing",
        kind: Kind::Advice,
        want: "ethtool -C IFACE adaptive-rx off rx-usecs 0 tx-usecs 0",
        why: "the card holds packets back to save interrupts: up to hundreds of microseconds",
        risk: "more interrupts under load",
        undo: "ethtool -C IFACE with the values that `ethtool -c IFACE` showed before",
    },
    Knob {
        name: "irq_affinity",
        kind: Kind::Advice,
        want: "interrupts of the card on cores beside, never on, those of threads.cores; irqbalance stopped or told so",
        why: "an interrupt on a spinning core is the spike in the tail",
        risk: "too few cores for interrupts limit throughput",
        undo: "write the former lists to /proc/irq/*/smp_affinity_list, start irqbalance",
    },
    Knob {
        name: "firmware",
        kind: Kind::Advice,
        want: "C-states, P-states and power saving of the buses off",
        why: "waking up takes up to hundreds of microseconds",
        risk: "power, heat, lower turbo on some processors",
        undo: "firmware settings",
    },
];
