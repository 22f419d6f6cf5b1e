//! CRC-32C of what is a record of a log: tens to hundreds of bytes, on the hot path.
//!
//! Owned by no thread. The crate of that name is made for long inputs: it goes byte by byte to an address that eight divides, and
//! then has ways for thousands of bytes. Here a short input is one run of the processor's own instruction.
//! What always holds: the result is the crate's, for every input, and long inputs and processors without the instruction get the
//! crate itself.

/// From so many bytes on the crate has three instructions under way at a time, where one would wait for the one before.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const LONG_BYTES: usize = 768;

/// How checksums are made on this processor; asked once.
#[derive(Clone, Copy, Debug)]
pub struct Crc32c {
    /// Never true where the processor does not have it.
    has_instruction: bool,
}

impl Crc32c {
    /// Asks the processor.
    pub fn new() -> Self {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        let has_instruction = std::arch::is_x86_feature_detected!("sse4.2");
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let has_instruction = false;
        Self { has_instruction }
    }

    /// The checksum of what `seed` is the checksum of (zero: of nothing), then `bytes`. It is cheapest where there are `HEAD` bytes or
    /// more, and eight divides the address of what comes behind those.
    #[inline(always)]
    pub fn append<const HEAD: usize>(self, seed: u32, bytes: &[u8]) -> u32 {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if self.has_instruction
            && bytes.len() < LONG_BYTES
            && let Some((head, body)) = bytes.split_first_chunk::<HEAD>()
        {
            // SAFETY: the processor has been asked.
            return unsafe { short(seed, head, body) };
        }
        long(seed, bytes)
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

#[cold]
#[inline(never)]
fn long(seed: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(seed, bytes)
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "sse4.2")]
fn short<const HEAD: usize>(seed: u32, head: &[u8; HEAD], body: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u16, _mm_crc32_u32, _mm_crc32_u64};

    macro_rules! eights {
        ($crc:ident, $words:expr, $count:expr) => {
            for at in 0..$count {
                $crc = _mm_crc32_u64($crc, u64::from_le_bytes($words[at]));
            }
        };
    }
    macro_rules! odd {
        ($crc:ident, $rest:expr) => {
            let mut rest: &[u8] = $rest;
            if let Some((four, behind)) = rest.split_first_chunk() {
                $crc = u64::from(_mm_crc32_u32($crc as u32, u32::from_le_bytes(*four)));
                rest = behind;
            }
            if let Some((two, behind)) = rest.split_first_chunk() {
                $crc = u64::from(_mm_crc32_u16($crc as u32, u16::from_le_bytes(*two)));
                rest = behind;
            }
            if let [byte] = rest {
                $crc = u64::from(_mm_crc32_u8($crc as u32, *byte));
            }
        };
    }
    let mut crc = u64::from(!seed);
    // What is odd comes first, so that the words end where the body begins. All of it is unrolled.
    let (first, words) = head.as_rchunks::<8>();
    odd!(crc, first);
    eights!(crc, words, HEAD / 8);
    let (chunks, mut rest) = body.as_chunks::<64>();
    for chunk in chunks {
        eights!(crc, chunk.as_chunks().0, 8);
    }
    if let Some((chunk, behind)) = rest.split_first_chunk::<32>() {
        eights!(crc, chunk.as_chunks().0, 4);
        rest = behind;
    }
    if let Some((chunk, behind)) = rest.split_first_chunk::<16>() {
        eights!(crc, chunk.as_chunks().0, 2);
        rest = behind;
    }
    if let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        eights!(crc, chunk.as_chunks().0, 1);
        rest = behind;
    }
    if !rest.is_empty() {
        odd!(crc, rest);
    }
    !(crc as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without a pattern.
    fn noise(count: usize) -> Vec<u8> {
        let mut state = 0x2545_f491_4f6c_dd1du64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn known_values() {
        let crc = Crc32c::new();
        assert_eq!(crc.append::<0>(0, b""), 0);
        assert_eq!(crc.append::<0>(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc.append::<3>(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc.append::<0>(0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(crc.append::<32>(0, &[0xff; 32]), 0x62a8_ab43);
        let first = crc.append::<1>(0, b"1234");
        assert_eq!(crc.append::<2>(first, b"56789"), 0xe306_9283);
    }

    fn is_the_crate<const HEAD: usize>(crc: Crc32c, lengths: impl Iterator<Item = usize> + Clone) {
        let bytes = noise(1200);
        let mut seed = 0;
        for start in 0..16 {
            for length in lengths.clone() {
                let input = &bytes[start..start + length];
                let expected = crc32c::crc32c_append(seed, input);
                let found = crc.append::<HEAD>(seed, input);
                assert_eq!(found, expected, "{HEAD}: {length} from {start}");
                seed = expected;
            }
        }
    }

    #[test]
    fn it_is_the_crate_for_all_lengths_and_places() {
        let crc = Crc32c::new();
        is_the_crate::<44>(crc, 0..1050);
        is_the_crate::<0>(crc, 0..1050);
        is_the_crate::<1>(crc, 0..80);
        is_the_crate::<7>(crc, 0..80);
        is_the_crate::<8>(crc, 0..80);
        is_the_crate::<15>(crc, 0..80);
    }

    #[test]
    fn it_is_the_crate_without_the_instruction() {
        let has_instruction = false;
        is_the_crate::<44>(Crc32c { has_instruction }, 0..300);
    }
}
