//! Whether the gateway's sessions and links go on where those of the process before ended: the one place where that is decided.
//!
//! Read on the starting thread, before new windows take the place of old ones; used by the decode and route stages' threads.

use std::io;

use super::boot::{BootError, failed};
use super::log_reader::LogPlace;
use super::session_store::recover;
use crate::config::plan::Plan;
use crate::domain::Now;
use crate::io::Sockets;
use crate::journal::LogId;
use crate::stage::Switchboard;
use crate::stage::recovered::Recovered;

/// Whether sessions and links go on with the numbers of the process before. Not while orders die with it: a peer whose numbers went on
/// would take its orders for known here. So every start begins at 1, which peers see, until the order log is replayed as well.
const SESSIONS_GO_ON: bool = false;

/// What a switchboard goes on with, if it does.
pub(super) struct Before {
    names: Vec<String>,
    recovered: Recovered,
    now: Now,
}

impl Before {
    pub(super) fn read(
        plan: &Plan,
        log: LogId,
        names: Vec<String>,
        now: Now,
    ) -> Result<Option<Self>, BootError> {
        if !SESSIONS_GO_ON {
            return Ok(None);
        }
        let state = &plan.state;
        let staging = Some(state.staging_directory.clone());
        let place = LogPlace::new(&state.log_directory, staging);
        let recovered = recover(&place, log, names.len()).map_err(|error| {
            let what = format!("cannot read the {} log of earlier processes", log.name());
            failed(what)(io::Error::other(error))
        })?;
        Ok(Some(Self {
            names,
            recovered,
            now,
        }))
    }

    pub(super) fn resume<S: Sockets>(
        before: Option<Self>,
        board: Switchboard<S>,
    ) -> Result<Switchboard<S>, BootError> {
        match before {
            None => Ok(board),
            Some(Self {
                names,
                recovered,
                now,
            }) => board
                .resume(now, recovered, &names)
                .map_err(|error| failed("cannot go on with the sessions")(io::Error::other(error))),
        }
    }
}
