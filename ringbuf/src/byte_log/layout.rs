//! What lies where in a byte log's region: one header block, then the data area.
//!
//! Owned by no thread. All numbers are in the machine's own byte order: a region is shared memory of one host, not a file
//! format. A change here changes [`VERSION`]. What always holds: the three parts of the header that different threads
//! write, or none, are 128 bytes apart, and the data area starts on a page.

use std::{fmt, mem::offset_of, sync::atomic::Ordering};

use crate::sync::RegionU64;

/// Stored last by `create`, so that a region without it is not ready.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"GHBYTLOG");
/// Version of the region's layout.
pub const VERSION: u32 = 1;
/// Bytes of the header block; the data area, a power of two, follows.
pub const HEADER_BYTES: usize = 4096;
/// Bytes of the header before each frame's payload. Frames are aligned to as much.
pub const FRAME_HEADER_BYTES: usize = 8;
/// The smallest data area.
pub const CAPACITY_BYTES_MIN: usize = 64;
/// The largest data area, so that a frame's length always fits its field.
pub const CAPACITY_BYTES_MAX: usize = 1 << 32;
/// No position gets here; one that claims to is damage.
pub(super) const POSITION_MAX: u64 = 1 << 62;

/// The header block.
#[repr(C, align(128))]
pub(super) struct Header {
    pub(super) magic: RegionU64,
    pub(super) version: u32,
    /// [`HEADER_BYTES`] of the creator.
    pub(super) header_bytes: u32,
    /// Bytes of the data area.
    pub(super) capacity_bytes: u64,
    unused_0: [u8; 104],
    /// Bytes ever committed: where the next frame will begin. Written by the writer alone.
    pub(super) head: RegionU64,
    unused_1: [u8; 120],
    /// Bytes ever released: what lies before may be overwritten. Written by the reader alone.
    pub(super) released: RegionU64,
    unused_2: [u8; 120],
    unused_3: [u8; HEADER_BYTES - 384],
}

const _: () = {
    assert!(size_of::<Header>() == HEADER_BYTES);
    assert!(align_of::<Header>() == 128);
    assert!(offset_of!(Header, magic) == 0);
    assert!(offset_of!(Header, version) == 8);
    assert!(offset_of!(Header, header_bytes) == 12);
    assert!(offset_of!(Header, capacity_bytes) == 16);
    assert!(offset_of!(Header, head) == 128);
    assert!(offset_of!(Header, released) == 256);
    assert!(size_of::<FrameHeader>() == FRAME_HEADER_BYTES);
    assert!(offset_of!(FrameHeader, length_bytes) == 0);
    assert!(offset_of!(FrameHeader, kind) == 4);
    assert!(CAPACITY_BYTES_MAX / 2 <= u32::MAX as usize);
};

/// What stands before each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(8))]
pub(super) struct FrameHeader {
    /// Bytes that follow this header and mean something; zero to seven more fill up to a multiple of 8.
    pub(super) length_bytes: u32,
    pub(super) kind: u32,
}

/// A committed frame.
pub(super) const KIND_DATA: u32 = 1;
/// Filler up to the end of the data area: the next frame is at its start.
pub(super) const KIND_PAD: u32 = 2;

/// Bytes that a frame with `payload_bytes` takes in the log.
pub const fn frame_bytes(payload_bytes: usize) -> usize {
    // `next_multiple_of` has a branch.
    (payload_bytes + (2 * FRAME_HEADER_BYTES - 1)) & !(FRAME_HEADER_BYTES - 1)
}

/// The longest payload that a log of `capacity_bytes` takes: its frame fills half the data area, so that it finds room in
/// an empty log wherever the head stands.
pub const fn payload_bytes_max(capacity_bytes: usize) -> usize {
    capacity_bytes / 2 - FRAME_HEADER_BYTES
}

/// Bytes of the region for a log of `capacity_bytes`.
pub const fn region_bytes(capacity_bytes: usize) -> usize {
    HEADER_BYTES + capacity_bytes
}

/// Why a region cannot serve as a byte log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionError {
    /// The region is not header block plus a power of two within the bounds.
    Size {
        /// What the region has.
        region_bytes: usize,
    },
    /// The region does not start on a 128-byte boundary.
    Alignment,
    /// No magic number: nothing was ever created here, or the creator died before it was done.
    NotReady {
        /// What stands in its place.
        found: u64,
    },
    /// Written by a version of this program with another layout.
    Version {
        /// The region's version.
        found: u32,
    },
    /// The header says another size than the region has.
    Capacity {
        /// By the header.
        header_capacity_bytes: u64,
        /// By the region's size.
        region_capacity_bytes: u64,
    },
    /// `released <= head <= released + capacity` does not hold, or a position is no multiple of 8.
    Positions {
        /// Bytes ever committed.
        head: u64,
        /// Bytes ever released.
        released: u64,
    },
    /// What should be a frame is none, so the bytes were damaged by another than the writer.
    Frame {
        /// Where.
        position: u64,
        /// Its length field.
        length_bytes: u32,
        /// Its kind field.
        kind: u32,
    },
}

impl fmt::Display for RegionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Size { region_bytes } => write!(
                out,
                "region has {region_bytes} bytes; a byte log needs {HEADER_BYTES} plus a power of two from \
                 {CAPACITY_BYTES_MIN} to {CAPACITY_BYTES_MAX}"
            ),
            Self::Alignment => write!(out, "region does not start on a 128-byte boundary"),
            Self::NotReady { found } => write!(
                out,
                "region holds no byte log: magic is {found:#018x}, not {MAGIC:#018x} (never created, or its creator died)"
            ),
            Self::Version { found } => {
                write!(
                    out,
                    "region has layout version {found}, this program has {VERSION}"
                )
            }
            Self::Capacity {
                header_capacity_bytes,
                region_capacity_bytes,
            } => write!(
                out,
                "header says {header_capacity_bytes} bytes of data, but the region has room for {region_capacity_bytes}"
            ),
            Self::Positions { head, released } => write!(
                out,
                "positions are impossible: committed up to {head}, released up to {released}"
            ),
            Self::Frame {
                position,
                length_bytes,
                kind,
            } => write!(
                out,
                "no frame at position {position}: length {length_bytes}, kind {kind}; the data was damaged"
            ),
        }
    }
}

impl std::error::Error for RegionError {}

impl Header {
    /// Writes everything but the magic number, which says "ready".
    pub(super) fn prepare(&mut self, capacity_bytes: usize) {
        self.magic.store(0, Ordering::Release);
        self.version = VERSION;
        self.header_bytes = HEADER_BYTES as u32;
        self.capacity_bytes = capacity_bytes as u64;
        self.head.store(0, Ordering::Release);
        self.released.store(0, Ordering::Release);
    }

    /// Checks all that can be checked without looking at frames.
    pub(super) fn check(&self, region_capacity_bytes: usize) -> Result<(), RegionError> {
        let found = self.magic.load(Ordering::Acquire);
        if found != MAGIC {
            return Err(RegionError::NotReady { found });
        }
        if self.version != VERSION || self.header_bytes as usize != HEADER_BYTES {
            return Err(RegionError::Version {
                found: self.version,
            });
        }
        let region_capacity_bytes = region_capacity_bytes as u64;
        if self.capacity_bytes != region_capacity_bytes {
            return Err(RegionError::Capacity {
                header_capacity_bytes: self.capacity_bytes,
                region_capacity_bytes,
            });
        }
        let head = self.head.load(Ordering::Acquire);
        let released = self.released.load(Ordering::Acquire);
        let in_order = released <= head && head - released <= region_capacity_bytes;
        if !in_order || head > POSITION_MAX || !(head | released).is_multiple_of(8) {
            return Err(RegionError::Positions { head, released });
        }
        Ok(())
    }
}
