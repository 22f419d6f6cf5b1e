//! The FIX session layer, both roles, sans-IO: identity, two sequence numbers, timers and the dialogue about them.
//!
//! ```text
//! bytes -> wire frame, parse -> identify (first message of a connection) -> Session::on_message -> Actions, in order
//! ```
//!
//! One [`Session`] per configured peer, owned by the stage that owns its connection; it lives from start to end of the process
//! and over many connections. It is small, has no heap, reads no clock and does no I/O. The owner keeps the log, performs the
//! actions right after the call that made them and before the next call, and takes every number by [`Session::next_out`].
//! Always: an application message is delivered once and in order of its number; a number is used for one message only.

pub mod action;
pub mod encode;
mod heartbeat;
pub mod identity;
mod inbound;
mod logon;
pub mod resend;
pub mod schedule;
mod sequence;
pub mod state;

pub use crate::wire::fix::SessionRejectReason as RejectReason;
pub use action::{
    Action, Actions, Admin, DisconnectReason, LogoutText, Notice, Reject, ResetCause, Routing,
};
pub use encode::{SessionIds, admin};
pub use identity::{IdentifyError, LogonIdentity, identify};
pub use resend::{ResendCursor, ResendPolicy, ResendTools, Step};
pub use schedule::{Hours, reset_due};
pub use state::{Gap, Live, Role, Session, State};

/// Ten thousand sessions must stay small.
const _: () = assert!(size_of::<Session>() <= 320);
const _: () = assert!(size_of::<ResendCursor>() <= 64);
