//! FIX version of a session: the configuration chooses it, the wire format and the enumerations follow it.
//!
//! A plain value, ordered by age. Up to 4.4 BeginString(8) names the version. From 5.0 on it names the transport, FIXT.1.1, and
//! DefaultApplVerID(1137) of the Logon names the version of what is transported.

/// FIX version of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
pub enum FixVersion {
    /// FIX.4.0
    Fix40,
    /// FIX.4.1
    Fix41,
    /// FIX.4.2
    Fix42,
    /// FIX.4.3
    Fix43,
    /// FIX.4.4
    Fix44,
    /// FIX.5.0 over FIXT.1.1
    Fix50,
    /// FIX.5.0SP1 over FIXT.1.1
    Fix50Sp1,
    /// FIX.5.0SP2 over FIXT.1.1
    Fix50Sp2,
}

impl FixVersion {
    /// All of them, by age.
    pub const ALL: [Self; 8] = [
        Self::Fix40,
        Self::Fix41,
        Self::Fix42,
        Self::Fix43,
        Self::Fix44,
        Self::Fix50,
        Self::Fix50Sp1,
        Self::Fix50Sp2,
    ];

    /// BeginString(8).
    #[inline]
    pub fn begin_string(self) -> &'static [u8] {
        match self {
            Self::Fix40 => b"FIX.4.0",
            Self::Fix41 => b"FIX.4.1",
            Self::Fix42 => b"FIX.4.2",
            Self::Fix43 => b"FIX.4.3",
            Self::Fix44 => b"FIX.4.4",
            Self::Fix50 | Self::Fix50Sp1 | Self::Fix50Sp2 => b"FIXT.1.1",
        }
    }

    /// The version's name, as in `FIX.5.0SP2`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fix40 => "FIX.4.0",
            Self::Fix41 => "FIX.4.1",
            Self::Fix42 => "FIX.4.2",
            Self::Fix43 => "FIX.4.3",
            Self::Fix44 => "FIX.4.4",
            Self::Fix50 => "FIX.5.0",
            Self::Fix50Sp1 => "FIX.5.0SP1",
            Self::Fix50Sp2 => "FIX.5.0SP2",
        }
    }

    /// The version with that [`FixVersion::name`], with or without `FIX.` before it.
    pub fn from_name(name: &str) -> Option<Self> {
        let short = name.strip_prefix("FIX.").unwrap_or(name);
        Self::ALL
            .into_iter()
            .find(|version| version.name().strip_prefix("FIX.") == Some(short))
    }

    /// Whether the session layer is FIXT.1.1.
    #[inline]
    pub fn is_fixt(self) -> bool {
        self >= Self::Fix50
    }

    /// DefaultApplVerID(1137); `None` where BeginString(8) says it all.
    pub fn appl_ver_id(self) -> Option<u8> {
        match self {
            Self::Fix50 => Some(b'7'),
            Self::Fix50Sp1 => Some(b'8'),
            Self::Fix50Sp2 => Some(b'9'),
            _ => None,
        }
    }

    /// Whether `text` is the session's BeginString(8).
    #[inline]
    pub fn begins(self, text: &[u8]) -> bool {
        // As arrays they are compared in words and not byte by byte.
        match (<&[u8; 7]>::try_from(text), self.is_fixt()) {
            (Ok(text), false) => text[..6] == *b"FIX.4." && text[6] == b'0' + self as u8,
            (Err(_), true) => text == b"FIXT.1.1",
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_round_and_begin_strings_fit_their_versions_only() {
        for version in FixVersion::ALL {
            assert_eq!(FixVersion::from_name(version.name()), Some(version));
            for other in FixVersion::ALL {
                let same = other.begin_string() == version.begin_string();
                assert_eq!(version.begins(other.begin_string()), same);
            }
            assert!(!version.begins(b"FIX.4.9") && !version.begins(b"FIX") && !version.begins(b""));
        }
        assert_eq!(FixVersion::from_name("5.0SP1"), Some(FixVersion::Fix50Sp1));
        assert_eq!(FixVersion::from_name("FIX.6.0"), None);
    }
}
