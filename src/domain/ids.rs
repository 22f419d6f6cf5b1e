//! Identities: dense indices for what the configuration names, and the order id.
//!
//! Strings are resolved to indices once; behind the decode stage nothing is looked up by name.

use std::fmt;

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
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
        let mut raw = 0u64;
        for &c in text {
            let digit = match c {
                b'0'..=b'9' => c - b'0',
                b'A'..=b'Z' => c - b'A' + 10,
                b'a'..=b'z' => c - b'a' + 36,
                _ => return None,
            };
            raw = raw.checked_mul(62)?.checked_add(digit as u64)?;
        }
        Self::from_raw(raw)
    }
}

/// `raw` as ten base-62 characters; `raw` must be below 62^10.
pub fn base62(mut raw: u64) -> [u8; ORDER_ID_CHARS] {
    let mut out = [b'0'; ORDER_ID_CHARS];
    for c in out.iter_mut().rev() {
        *c = BASE62[(raw % 62) as usize];
        raw /= 62;
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
