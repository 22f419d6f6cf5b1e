//! A byte log that another process has, looked at from outside through copies of its bytes.
//!
//! Owned by no thread: functions over bytes that the caller read from the log's file. Nothing here is mapped, so nothing that the
//! owner does meanwhile can hurt; but what was copied may have been overwritten while it was. Who looks must read the positions
//! again after the copy (what is not released then was whole), and should have a checksum of its own.

use std::mem::offset_of;

use super::layout::{
    FRAME_HEADER_BYTES, HEADER_BYTES, Header, KIND_DATA, KIND_PAD, MAGIC, POSITION_MAX,
    RegionError, VERSION, frame_bytes,
};

/// Where a byte log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// Bytes of the data area.
    pub capacity_bytes: u64,
    /// Bytes ever committed.
    pub head: u64,
    /// Bytes ever released: what lies before may be overwritten.
    pub released: u64,
}

impl Positions {
    /// From a copy of the header block.
    ///
    /// # Errors
    /// If that is no header of a byte log of this version, or was being written.
    pub fn read(header: &[u8]) -> Result<Self, RegionError> {
        if header.len() < HEADER_BYTES {
            return Err(RegionError::Size {
                region_bytes: header.len(),
            });
        }
        let word = |at: usize| {
            let bytes = header[at..at + 8].try_into();
            u64::from_ne_bytes(bytes.expect("eight bytes"))
        };
        let magic = word(offset_of!(Header, magic));
        if magic != MAGIC {
            return Err(RegionError::NotReady { found: magic });
        }
        let at = offset_of!(Header, version);
        let version = header[at..at + 4].try_into();
        let found = u32::from_ne_bytes(version.expect("four bytes"));
        if found != VERSION {
            return Err(RegionError::Version { found });
        }
        let positions = Self {
            capacity_bytes: word(offset_of!(Header, capacity_bytes)),
            head: word(offset_of!(Header, head)),
            released: word(offset_of!(Header, released)),
        };
        positions.check()
    }

    fn check(self) -> Result<Self, RegionError> {
        let Self {
            capacity_bytes,
            head,
            released,
        } = self;
        if !capacity_bytes.is_power_of_two() {
            return Err(RegionError::Capacity {
                header_capacity_bytes: capacity_bytes,
                region_capacity_bytes: capacity_bytes,
            });
        }
        let in_order = released <= head && head - released <= capacity_bytes;
        if !in_order || head > POSITION_MAX || !(head | released).is_multiple_of(8) {
            return Err(RegionError::Positions { head, released });
        }
        Ok(self)
    }

    /// Offset in the file of the byte at `position`.
    pub fn file_offset(&self, position: u64) -> u64 {
        HEADER_BYTES as u64 + position % self.capacity_bytes
    }

    /// Bytes from `position` that lie in one piece and are committed.
    pub fn bytes_in_one_piece(&self, position: u64) -> u64 {
        let to_edge = self.capacity_bytes - position % self.capacity_bytes;
        to_edge.min(self.head.saturating_sub(position))
    }
}

/// The frame at the start of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glimpse<'a> {
    /// A frame, and the bytes that it takes in the log.
    Data(&'a [u8], usize),
    /// Filler of so many bytes.
    Pad(usize),
    /// The copy ends within the frame, which takes so many bytes.
    Cut(usize),
    /// No frame: overwritten, or damage.
    Nothing,
}

/// What stands at the start of `bytes`, a copy from where a frame begins.
pub fn glimpse(bytes: &[u8]) -> Glimpse<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Glimpse::Cut(FRAME_HEADER_BYTES);
    };
    let Some((kind, payload)) = rest.split_first_chunk::<4>() else {
        return Glimpse::Cut(FRAME_HEADER_BYTES);
    };
    let length = u32::from_ne_bytes(*length) as usize;
    match u32::from_ne_bytes(*kind) {
        KIND_PAD => Glimpse::Pad(frame_bytes(length)),
        KIND_DATA => match payload.get(..length) {
            Some(payload) => Glimpse::Data(payload, frame_bytes(length)),
            None => Glimpse::Cut(frame_bytes(length)),
        },
        _ => Glimpse::Nothing,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{Region, create, detach};
    use super::*;

    #[test]
    fn a_copy_shows_what_was_committed_and_not_released() {
        let (mut writer, mut reader) = create(Region::heap(256)).expect("a log");
        let mut put = |payload: &[u8]| {
            writer.claim(payload.len()).expect("room")[..].copy_from_slice(payload);
            writer.commit(payload.len());
        };
        put(&[1; 90]);
        put(&[2; 90]);
        let end = reader.next().expect("the first").end();
        reader.release(end);
        // Does not fit before the edge: a pad, then at the start.
        put(&[3; 60]);
        let region = detach(writer, reader);
        let image = region.bytes();
        let positions = Positions::read(image).expect("positions");
        assert_eq!(positions.released, end);
        let mut position = positions.released;
        let mut seen = Vec::new();
        while position < positions.head {
            let at = positions.file_offset(position) as usize;
            let piece = positions.bytes_in_one_piece(position) as usize;
            match glimpse(&image[at..at + piece]) {
                Glimpse::Data(payload, taken) => {
                    seen.push((payload[0], payload.len()));
                    position += taken as u64;
                }
                Glimpse::Pad(taken) => position += taken as u64,
                other => panic!("{other:?} at {position}"),
            }
        }
        assert_eq!(seen, [(2, 90), (3, 60)]);
        assert_eq!(glimpse(&image[HEADER_BYTES..][..4]), Glimpse::Cut(8));
        assert_eq!(glimpse(&[0; 64]), Glimpse::Nothing);
    }

    #[test]
    fn what_is_no_log_says_so() {
        assert!(matches!(
            Positions::read(&[0; 100]),
            Err(RegionError::Size { .. })
        ));
        assert!(matches!(
            Positions::read(&[0; HEADER_BYTES]),
            Err(RegionError::NotReady { found: 0 })
        ));
        let (writer, reader) = create(Region::heap(256)).expect("a log");
        let region = detach(writer, reader);
        let mut image = region.bytes()[..HEADER_BYTES].to_vec();
        image[offset_of!(Header, released)] = 8;
        assert!(matches!(
            Positions::read(&image),
            Err(RegionError::Positions {
                head: 0,
                released: 8
            })
        ));
    }
}
