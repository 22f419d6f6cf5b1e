//! Matching a connection to a session: what the first message of an unknown connection says about its sender.
//!
//! Pure. The owner looks the identity up, checks credentials and source, and only then gives the message to the session.
//! Every error means: drop the connection without a byte, so that a stranger learns nothing.

use crate::wire::fix::{Message, MsgType};

/// Whom a Logon claims to come from. All fields as the peer sees them: `sender` is the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogonIdentity<'a> {
    /// BeginString(8)
    pub begin_string: &'a [u8],
    /// SenderCompID(49): the peer's name
    pub sender: &'a [u8],
    /// TargetCompID(56): ours
    pub target: &'a [u8],
}

/// Why a first message is no logon of anyone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdentifyError {
    /// MsgType(35) is not `A`.
    NotLogon,
    /// 49 or 56 is missing.
    CompIdMissing,
}

/// Reads the identity of the first message of a connection.
pub fn identify<'a>(message: &Message<'a>) -> Result<LogonIdentity<'a>, IdentifyError> {
    if message.msg_type() != MsgType::LOGON {
        return Err(IdentifyError::NotLogon);
    }
    match (message.sender_comp_id(), message.target_comp_id()) {
        (Some(sender), Some(target)) => Ok(LogonIdentity {
            begin_string: message.begin_string(),
            sender,
            target,
        }),
        _ => Err(IdentifyError::CompIdMissing),
    }
}
