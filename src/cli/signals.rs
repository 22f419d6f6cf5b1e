//! SIGINT and SIGTERM as a flag, for commands that run until they are told to end.
//!
//! The handlers only set the flag; whoever waits looks at it between two sleeps.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Watches for the signals that end a process.
pub struct Signals(Arc<AtomicBool>);

impl Signals {
    /// From now on the first signal sets the flag; a second one ends the process at once.
    pub fn new() -> io::Result<Self> {
        let arrived = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the conditional exit must see the flag as it was before this signal.
            flag::register_conditional_shutdown(signal, 1, arrived.clone())?;
            flag::register(signal, arrived.clone())?;
        }
        Ok(Self(arrived))
    }

    /// Whether one has come.
    pub fn arrived(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
