//! Quantity: whole units, never negative, at most [`QUANTITY_MAX`].
//!
//! Arithmetic is checked: what does not fit is `None`, never a wrapped number.

use crate::limits::QUANTITY_MAX;

/// Number of shares or contracts.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Quantity(pub u64);

impl Quantity {
    /// None.
    pub const ZERO: Self = Self(0);

    /// `1200`, or `1200.00`: a fraction of zeros is allowed as FIX quantities are decimals. `None` for anything else:
    /// signs, exponents, spaces, fractions, more than the maximum. Zero is parsed; whether it is allowed is a risk check.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut value = 0u64;
        let mut digits = 0;
        let mut rest = text.iter();
        for &c in rest.by_ref() {
            match c {
                b'0'..=b'9' => {
                    value = value.checked_mul(10)?.checked_add((c - b'0') as u64)?;
                    digits += 1;
                }
                b'.' => {
                    let fraction = rest.as_slice();
                    if digits == 0 || fraction.is_empty() || fraction.iter().any(|&c| c != b'0') {
                        return None;
                    }
                    break;
                }
                _ => return None,
            }
        }
        (digits > 0 && value <= QUANTITY_MAX).then_some(Self(value))
    }

    /// `None` where the sum leaves the range.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `None` where `other` is more.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Zero where `other` is more.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether nothing is left.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whole_numbers_only() {
        let ok: [(&[u8], u64); 5] = [
            (b"0", 0),
            (b"100", 100),
            (b"0100", 100),
            (b"100.00", 100),
            (b"1000000000000", 1_000_000_000_000),
        ];
        for (text, want) in ok {
            assert_eq!(
                Quantity::parse(text),
                Some(Quantity(want)),
                "{}",
                String::from_utf8_lossy(text)
            );
        }
        let bad: [&[u8]; 12] = [
            b"",
            b".",
            b".0",
            b"1.",
            b"1.5",
            b"-1",
            b"+1",
            b"1e5",
            b" 1",
            b"1 ",
            b"9223372036854775808",
            b"1000000000001",
        ];
        for text in bad {
            assert_eq!(
                Quantity::parse(text),
                None,
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }
}
