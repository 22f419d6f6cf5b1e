//! FIX version of a session: the configuration chooses it, the wire format and the enumerations follow it.
//!
//! A plain value; ordered and named as in BeginString(8).

/// FIX version of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
pub enum FixVersion {
    /// FIX.4.2
    Fix42,
    /// FIX.4.4
    Fix44,
}

impl FixVersion {
    /// BeginString(8).
    pub fn begin_string(self) -> &'static [u8; 7] {
        match self {
            Self::Fix42 => b"FIX.4.2",
            Self::Fix44 => b"FIX.4.4",
        }
    }

    /// The version whose BeginString(8) `text` is.
    pub fn from_begin_string(text: &[u8]) -> Option<Self> {
        // As an array it is compared in two words and not byte by byte.
        let text: &[u8; 7] = text.try_into().ok()?;
        if text == Self::Fix44.begin_string() {
            Some(Self::Fix44)
        } else if text == Self::Fix42.begin_string() {
            Some(Self::Fix42)
        } else {
            None
        }
    }
}
