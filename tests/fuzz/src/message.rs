//! Messages for the targets: a body gets BeginString, BodyLength and CheckSum as they should be, so that mutations reach behind
//! the framing.
#![allow(dead_code)]

use gatehouse::domain::FixVersion;
use gatehouse::limits::FRAME_BYTES_MAX;
use gatehouse::wire::fix::{Framing, next_frame};

/// The version that a byte chooses.
pub fn version(choice: u8) -> FixVersion {
    FixVersion::ALL[choice as usize % FixVersion::ALL.len()]
}

/// A message of `body`, from `35=` to the last SOH before CheckSum.
pub fn framed(version: FixVersion, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(body.len() + 40);
    message.extend_from_slice(b"8=");
    message.extend_from_slice(version.begin_string());
    message.extend_from_slice(b"\x019=");
    message.extend_from_slice(body.len().to_string().as_bytes());
    message.push(1);
    message.extend_from_slice(body);
    let sum = message
        .iter()
        .fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    message.extend_from_slice(b"10=");
    message.extend_from_slice(&[b'0' + sum / 100, b'0' + sum / 10 % 10, b'0' + sum % 10, 1]);
    message
}

/// The same, where framing takes it as one message: nearly always when `body` begins with `35=` and ends with SOH.
pub fn message(version: FixVersion, body: &[u8]) -> Option<Vec<u8>> {
    let body_is_one = body.len() >= 5 && body.starts_with(b"35=") && body.last() == Some(&1);
    let message = framed(version, body);
    let len = message.len();
    let whole = Framing::Frame { skip: 0, len };
    if next_frame(&message, FRAME_BYTES_MAX) == whole {
        return Some(message);
    }
    assert!(
        !body_is_one || len > FRAME_BYTES_MAX,
        "not taken: {}",
        message.escape_ascii()
    );
    None
}
