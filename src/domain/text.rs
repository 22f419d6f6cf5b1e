//! Short inline text of at most `N` bytes, as it came off the wire: ClOrdID, ExecID, symbols, a desk's explanation.
//!
//! Never longer than `N`, never allocated, compared byte for byte. Content is not checked to be ASCII: it is echoed as it was.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// Up to `N` bytes and their length.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

/// ClOrdID(11) and OrigClOrdID(41) of a client.
pub type ClientOrderId = Text<{ crate::limits::CLIENT_ORDER_ID_BYTES }>;
/// ExecID(17) of a desk.
pub type ExecId = Text<39>;
/// Text(58) of a desk, cut to fit.
pub type DeskText = Text<47>;

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
    };

    /// All of `bytes`, or `None` where they do not fit.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= N).then(|| Self::cut(bytes))
    }

    /// As many of `bytes` as fit.
    pub fn cut(bytes: &[u8]) -> Self {
        let len = bytes.len().min(N).min(255);
        let mut text = Self::EMPTY;
        text.bytes[..len].copy_from_slice(&bytes[..len]);
        text.len = len as u8;
        text
    }

    /// The bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }

    /// All `N` bytes, zero behind the text: for hashing without a loop over the length.
    pub fn padded(&self) -> &[u8; N] {
        &self.bytes
    }

    /// For people: bytes that are not UTF-8 are replaced.
    pub fn to_string_lossy(&self) -> String {
        String::from_utf8_lossy(self.as_bytes()).into_owned()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len as usize
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.as_bytes())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes<const N: usize>;
        impl<const N: usize> Visitor<'_> for Bytes<N> {
            type Value = Text<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {N} bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text<N>, E> {
                Text::new(bytes).ok_or_else(|| E::invalid_length(bytes.len(), &self))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_fits_and_refuses_or_cuts_the_rest() {
        assert_eq!(Text::<4>::new(b"abcd").unwrap().as_bytes(), b"abcd");
        assert!(Text::<4>::new(b"abcde").is_none());
        assert_eq!(Text::<4>::cut(b"abcde").as_bytes(), b"abcd");
        assert_ne!(Text::<4>::cut(b"ab"), Text::<4>::cut(b"ab\0"));
    }
}
