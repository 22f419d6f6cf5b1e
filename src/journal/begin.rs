//! The records of the order log that are no inputs: with what the risk state of a process begins (Begin), and its digest on the way.
//!
//! A Begin is written once, before any input, by whoever starts the stages; digests by the risk stage, every so many inputs. Read by
//! everything that rebuilds the state. Little-endian.

use super::codec::{Get, Put};

/// Bytes of a body.
pub const BEGIN_BYTES: usize = 15;

/// What the state begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Begin {
    /// Start number of the process, part of its order ids
    pub epoch: u16,
    /// Trading day, in days since 1970-01-01 of the gateway's day
    pub day: u32,
    /// Empty, with the positions of the start of the day; else it goes on where the process before ended
    pub is_fresh: bool,
    /// Of accounts, instruments, positions, sessions and desks; see [`fingerprint`]
    pub reference: u64,
}

/// As a body.
pub fn body(begin: &Begin) -> [u8; BEGIN_BYTES] {
    let mut body = [0; BEGIN_BYTES];
    let mut put = Put::new(&mut body);
    let fields = (|| {
        put.u16(begin.epoch)?;
        put.u32(begin.day)?;
        put.u8(begin.is_fresh as u8)?;
        put.u64(begin.reference)
    })();
    debug_assert!(fields.is_some());
    body
}

/// Of a body; `None`: another version wrote it.
pub fn read(body: &[u8]) -> Option<Begin> {
    let mut get = Get(body);
    let begin = Begin {
        epoch: get.u16()?,
        day: get.u32()?,
        is_fresh: get.u8()? != 0,
        reference: get.u64()?,
    };
    get.end(begin)
}

/// What the inputs so far have come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digested {
    /// How many there were, steps of work included
    pub inputs: u64,
    /// See `risk::Digest`
    pub value: u64,
}

/// Bytes of its body.
pub const DIGEST_BYTES: usize = 16;

impl Digested {
    /// As a body.
    pub fn body(&self) -> [u8; DIGEST_BYTES] {
        let mut body = [0; DIGEST_BYTES];
        body[..8].copy_from_slice(&self.inputs.to_le_bytes());
        body[8..].copy_from_slice(&self.value.to_le_bytes());
        body
    }

    /// Of a body; `None`: another version wrote it.
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut get = Get(body);
        let digested = Self {
            inputs: get.u64()?,
            value: get.u64()?,
        };
        get.end(digested)
    }
}

/// A number for what a text says: equal texts have equal ones.
pub fn fingerprint(text: &str) -> u64 {
    let crc = |seed| crc32c::crc32c_append(seed, text.as_bytes()) as u64;
    crc(0) << 32 | crc(0x9e37_79b9)
}
