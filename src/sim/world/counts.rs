//! What happened in worlds, counted: a fault that is never drawn proves nothing.
//!
//! Plain numbers, summed over seeds.

use std::fmt;
use std::ops::AddAssign;

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident $label:literal,)*) => {
        /// How often what happened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counts {
            /// All of them, with their names.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($label, self.$name),)*].into_iter()
            }
        }

        impl AddAssign for Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }

        impl Counts {
            /// From pairs of names and numbers; unknown names are left out.
            pub fn from_pairs<'a>(pairs: impl Iterator<Item = (&'a str, u64)>) -> Self {
                let mut counts = Self::default();
                for (name, number) in pairs {
                    match name {
                        $($label => counts.$name = number,)*
                        _ => {}
                    }
                }
                counts
            }
        }
    };
}

counts! {
    /// Orders that clients gave to their sessions
    orders "orders",
    /// Records in the logs
    records "records",
    /// The process was killed
    kills "kills",
    /// An operator held the desk
    holds "holds",
    /// The host went down
    host_losses "host losses",
    /// Records that went with it
    records_lost "records lost",
    /// Records of these that a disk had, cut since their causes were lost
    records_cut "records cut",
    /// Orders that went with it at level L0, seen from their clients
    clients_uncertain "clients uncertain",
    /// Worlds at level L1
    at_l1 "worlds at L1",
    /// Writes that failed
    writes_failed "write errors",
    /// Disks that were full
    disks_full "disks full",
    /// Syncs that failed
    syncs_failed "sync errors",
    /// The disk stood still
    stalls "stalls",
    /// Damaged logs that a start refused
    damages_seen "damages refused",
    /// Wires that broke
    resets "resets",
    /// Wires that went silent
    silences "silences",
    /// The gateway's clock jumped
    jumps "clock jumps",
    /// A start refused a clock behind the logs
    clocks_refused "clocks refused",
    /// A process began a new trading day
    days "days begun",
    /// Connections of strangers
    strangers "strangers",
    /// What clients sent wrongly
    nonsense "nonsense",
    /// Copies told
    copies "copies",
    /// Snapshots made beside a process
    snapshots_taken "snapshots",
    /// Starts that went on from one
    snapshots_loaded "starts from snapshots",
    /// Requests reported in doubt
    doubts "doubts",
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, number) in self.all() {
            write!(f, "{separator}{number} {name}")?;
            separator = ", ";
        }
        Ok(())
    }
}
