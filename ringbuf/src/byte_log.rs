//! A single-producer single-consumer log of byte frames in memory that may outlive the process.
//!
//! [`Writer`] belongs to the thread that appends, [`Reader`] to the one that drains, [`LogGauge`] to whoever reports. A
//! *position* counts bytes since the log was created, never wraps around, and falls on offset `position % capacity` of the
//! data area. What always holds: `released <= head <= released + capacity`; the frames from `released` to `head` are whole
//! and follow one another; the writer touches nothing in `[released, head)`, and the reader nothing else.
//!
//! A frame is an 8-byte header (`u32` length, `u32` kind: 1 data, 2 pad), the payload, and up to 7 bytes to the
//! next multiple of 8. A frame never crosses the end of the data area: where it would, a pad fills the rest. `head` is
//! stored last (Release), pad and frame together, so that who attaches after a `kill -9` finds each frame whole or not
//! at all. Positions live in the region, in a header block of [`HEADER_BYTES`] with magic number and version.

mod area;
pub mod foreign;
mod layout;
mod reader;
mod region;
mod writer;

use std::sync::Arc;

use crate::sync::Ordering;

use area::Area;

pub use layout::{
    CAPACITY_BYTES_MAX, CAPACITY_BYTES_MIN, FRAME_HEADER_BYTES, HEADER_BYTES, RegionError, VERSION,
    frame_bytes, payload_bytes_max, region_bytes,
};
pub use reader::{Frame, Frames, Reader, Run};
pub use region::{Region, StableBytes};
pub use writer::Writer;

/// Makes an empty log of `region`, whatever was in it, and writes to each page of it.
///
/// # Errors
/// If the region's size or alignment does not fit: [`HEADER_BYTES`] plus a power of two are needed, see [`region_bytes`].
pub fn create(region: Region) -> Result<(Writer, Reader), RegionError> {
    Ok(ends_of(Area::create(region)?))
}

/// Goes on with the log in `region`: the writer after the last committed frame, the reader at the oldest frame that was
/// not released.
///
/// # Errors
/// If there is no log, or one of another version or size, or its frames do not follow one another up to `head`.
pub fn attach(region: Region) -> Result<(Writer, Reader), RegionError> {
    Ok(ends_of(Area::attach(region)?))
}

/// Ends the log and gives its memory back, from which [`attach`] can go on. A claim that was not committed is lost.
///
/// # Panics
/// If the two are not ends of one log, or a gauge of it is still alive.
pub fn detach(writer: Writer, reader: Reader) -> Region {
    let (area, same) = (writer.into_area(), reader.into_area());
    assert!(Arc::ptr_eq(&area, &same), "ends of two different byte logs");
    drop(same);
    match Arc::try_unwrap(area) {
        Ok(area) => area.into_region(),
        Err(_) => panic!("byte log detached while a gauge of it is alive"),
    }
}

fn ends_of(area: Area) -> (Writer, Reader) {
    let area = Arc::new(area);
    (Writer::new(area.clone()), Reader::new(area))
}

/// A read-only view of a byte log for another thread: the status writer, or a stage that waits for a position.
#[derive(Clone)]
pub struct LogGauge {
    area: Arc<Area>,
}

impl LogGauge {
    /// Bytes ever committed: the position after the last frame.
    pub fn position(&self) -> u64 {
        self.area.head().load(Ordering::Acquire)
    }

    /// The position before which everything was released by the reader. Whatever the reader did before is visible.
    pub fn released(&self) -> u64 {
        self.area.released().load(Ordering::Acquire)
    }

    /// Bytes committed and not released, headers and pads included.
    pub fn depth_bytes(&self) -> usize {
        self.area.depth()
    }

    /// The greatest depth seen, in bytes.
    ///
    /// Never more than the true maximum, and never less than half of it: the reader notes the depth each time it has used
    /// up what it knew of, and the writer each time it looks for room, so full is always seen as full. Between two looks
    /// of the reader the depth cannot exceed the sum of what it saw at both.
    pub fn high_water_bytes(&self) -> usize {
        self.area.high_water()
    }

    /// Claims that failed for want of room.
    pub fn full_count(&self) -> u64 {
        self.area.full_count()
    }

    /// Bytes of the data area.
    pub fn capacity_bytes(&self) -> usize {
        self.area.capacity_bytes()
    }
}
