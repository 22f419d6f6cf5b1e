//! How much a record must have survived before bytes leave, and how the disk does.
//!
//! Plain codes: the status page, the shared words of the journal and the configuration all name them from here.

/// What a record must have survived before bytes leave.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Durability {
    /// L0: it is in shared memory and survives the process.
    #[default]
    Process = 0,
    /// L1: it is on disk, as are its causes, and survives the host.
    Host = 1,
}

impl Durability {
    /// As the configuration and acknowledgements call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Host => "host",
        }
    }

    /// As operators call it.
    pub fn level(self) -> &'static str {
        match self {
            Self::Process => "L0",
            Self::Host => "L1",
        }
    }

    /// From the status page.
    pub fn from_code(code: u64) -> Self {
        match code {
            0 => Self::Process,
            _ => Self::Host,
        }
    }
}

/// How the disk of the logs does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(u8)]
pub enum DiskState {
    /// Records reach it.
    #[default]
    Working = 0,
    /// A write failed: nothing more is written.
    WriteFailed = 1,
    /// A sync failed: what is on it is unknown, nothing more is written.
    SyncFailed = 2,
}

impl DiskState {
    /// For people and `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::WriteFailed => "write_failed",
            Self::SyncFailed => "sync_failed",
        }
    }

    /// From a shared word; unknown codes are the worst.
    pub fn from_code(code: u64) -> Self {
        match code {
            0 => Self::Working,
            1 => Self::WriteFailed,
            _ => Self::SyncFailed,
        }
    }
}
