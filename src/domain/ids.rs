//! Identities: dense indices for what the configuration names, and the order id.
//!
//! Strings are resolved to indices once; behind the decode stage nothing is looked up by name.

use std::fmt;

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
        pub struct $name(pub u32);

        impl $name {
            /// Position in the dense table.
            pub fn get(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

index!(/** Client: an institution. */ ClientIndex);
index!(/** Client session, in the order of the configuration. */ SessionIndex);
index!(/** Account. */ AccountIndex);
index!(/** Instrument. */ InstrumentIndex);
index!(/** Trading desk. */ DeskIndex);
index!(/** Link to a desk, over all desks. */ LinkIndex);

/// Our id of one request (order, cancel or replace): 16 bits epoch, 15 bits generation, 28 bits slot.
///
/// 59 bits, so that it is at most ten base-62 characters, the length that exchanges allow for a ClOrdID. A desk's report
/// carries it back and so finds its slot without a hash; the generation tells a late report from a stranger in a reused slot.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct OrderId(u64);

const SLOT_BITS: u32 = 28;
const GENERATION_BITS: u32 = 15;
const EPOCH_BITS: u32 = 16;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of an order id on the wire. Fixed, so that ids sort and log lines align.
pub const ORDER_ID_CHARS: usize = 10;

const _: () = assert!(SLOT_BITS + GENERATION_BITS + EPOCH_BITS == 59);
const _: () =
    assert!(1u64 << (SLOT_BITS + GENERATION_BITS + EPOCH_BITS) < 62u64.pow(ORDER_ID_CHARS as u32));
const _: () = assert!(crate::limits::REQUESTS_MAX == 1 << SLOT_BITS);

impl OrderId {
    /// No order.
    pub const NONE: Self = Self(0);

    /// Highest generation of a slot.
    pub const GENERATION_MAX: u16 = (1 << GENERATION_BITS) - 1;

    /// Packs the three parts.
    pub fn new(epoch: u16, generation: u16, slot: u32) -> Self {
        debug_assert!(slot < 1 << SLOT_BITS && generation < 1 << GENERATION_BITS);
        Self(
            ((epoch as u64) << (SLOT_BITS + GENERATION_BITS))
                | ((generation as u64) << SLOT_BITS)
                | slot as u64,
        )
    }

    /// From the number that [`OrderId::raw`] gave; `None` above 59 bits.
    pub fn from_raw(raw: u64) -> Option<Self> {
        (raw < 1 << 59).then_some(Self(raw))
    }

    /// The number.
    pub fn raw(self) -> u64 {
        self.0
    }

    /// Start of the process that gave it.
    pub fn epoch(self) -> u16 {
        (self.0 >> (SLOT_BITS + GENERATION_BITS)) as u16
    }

    /// How often the slot had been reused.
    pub fn generation(self) -> u16 {
        ((self.0 >> SLOT_BITS) & ((1 << GENERATION_BITS) - 1)) as u16
    }

    /// Slot of the request slab.
    pub fn slot(self) -> u32 {
        (self.0 & ((1 << SLOT_BITS) - 1)) as u32
    }

    /// Ten base-62 characters.
    pub fn to_base62(self) -> [u8; ORDER_ID_CHARS] {
        base62(self.0)
    }

    /// Reads what [`OrderId::to_base62`] wrote; anything else is `None`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != ORDER_ID_CHARS {
            return None;
        }
        let (mut raw, mut bad) = (0u64, 0);
        for &c in text {
            let digit = DIGITS[c as usize];
            bad |= digit;
            // Ten characters stay below 2^60, and what a bad one adds is not used.
            raw = raw * 62 + (digit & 63) as u64;
        }
        if bad & NO_DIGIT != 0 {
            return None;
        }
        Self::from_raw(raw)
    }
}

/// Mark of a character that is no base-62 digit.
const NO_DIGIT: u8 = 0x80;
/// The base-62 digit that a character is.
static DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 62 {
        digits[BASE62[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};
/// Two base-62 characters at a time.
static PAIRS: [[u8; 2]; 62 * 62] = {
    let mut pairs = [[0; 2]; 62 * 62];
    let mut at = 0;
    while at < pairs.len() {
        pairs[at] = [BASE62[at / 62], BASE62[at % 62]];
        at += 1;
    }
    pairs
};

/// `raw` as ten base-62 characters; `raw` must be below 62^10.
#[inline]
pub fn base62(mut raw: u64) -> [u8; ORDER_ID_CHARS] {
    let mut out = [b'0'; ORDER_ID_CHARS];
    for pair in out.as_chunks_mut::<2>().0.iter_mut().rev() {
        *pair = PAIRS[(raw % PAIRS.len() as u64) as usize];
        raw /= PAIRS.len() as u64;
    }
    debug_assert_eq!(raw, 0);
    out
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_base62()).unwrap_or("?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_id_survives_the_wire(epoch: u16, generation in 0u16..1 << 15, slot in 0u32..1 << 28) {
            let id = OrderId::new(epoch, generation, slot);
            prop_assert_eq!((id.epoch(), id.generation(), id.slot()), (epoch, generation, slot));
            prop_assert_eq!(OrderId::parse(&id.to_base62()), Some(id));
        }

        #[test]
        fn parse_never_panics(text in proptest::collection::vec(any::<u8>(), 0..14)) {
            let _ = OrderId::parse(&text);
        }
    }

    #[test]
    fn foreign_text_is_no_order_id() {
        for text in [&b""[..], b"1", b"00000000000", b"zzzzzzzzzz", b"000000000-"] {
            assert_eq!(
                OrderId::parse(text),
                None,
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }
}
