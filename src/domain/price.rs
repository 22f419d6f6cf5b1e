//! Price and money in fixed point, 10^-8 of the currency unit. Binary fractions are never used for either.
//!
//! A price is 64 bits; money (price x quantity) is 128 bits. All arithmetic is checked: overflow is `None`, never a wrong sum.

use crate::domain::quantity::Quantity;
use crate::limits::PRICE_MAX;

/// Units of 10^-8 in one currency unit.
pub const SCALE: i64 = 100_000_000;
/// Decimals of a price.
const DECIMALS: usize = 8;
/// What the last of so many decimals is worth.
const UNITS: [i64; DECIMALS + 1] = [
    SCALE, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1,
];
/// Longest text of any 64-bit price: sign, 11 digits, point, 8 digits.
pub const PRICE_CHARS_MAX: usize = 21;

/// Price in units of 10^-8. Zero means "no price" where an order type has none.
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
pub struct Price(pub i64);

/// Amount of money in units of 10^-8. May be negative (a debt).
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
pub struct Money(pub i128);

impl Price {
    /// No price.
    pub const ZERO: Self = Self(0);

    /// `12`, `12.5`, `0.00000001`; at most eight decimals (further zeros are allowed). `None` for signs, exponents, spaces, a
    /// bare point, or more than the maximum. Whether zero is allowed is a risk check.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let point = text.iter().position(|&c| c == b'.');
        let (whole, decimals) = match point {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, &[][..]),
        };
        if whole.is_empty() || (point.is_some() && decimals.is_empty()) {
            return None;
        }
        let (decimals, zeros) = decimals.split_at(decimals.len().min(DECIMALS));
        if zeros.iter().any(|&c| c != b'0') {
            return None;
        }
        // With leading zeros a price may be of any length; up to 18 digits nothing overflows.
        let may_overflow = whole.len() + decimals.len() > 18;
        let mut value = 0i64;
        for &c in whole.iter().chain(decimals) {
            let digit = c.wrapping_sub(b'0') as i64;
            if digit > 9 {
                return None;
            }
            value = match may_overflow {
                false => value * 10 + digit,
                true => value.checked_mul(10)?.checked_add(digit)?,
            };
        }
        let value = value.checked_mul(UNITS[decimals.len()])?;
        (value <= PRICE_MAX).then_some(Self(value))
    }

    /// Shortest decimal text, into `out`; returns how many bytes were written.
    pub fn write(self, out: &mut [u8; PRICE_CHARS_MAX]) -> usize {
        let mut n = 0;
        if self.0 < 0 {
            out[0] = b'-';
            n = 1;
        }
        let magnitude = self.0.unsigned_abs();
        let (mut whole, mut fraction) = (magnitude / SCALE as u64, magnitude % SCALE as u64);
        let start = n;
        loop {
            out[n] = b'0' + (whole % 10) as u8;
            whole /= 10;
            n += 1;
            if whole == 0 {
                break;
            }
        }
        out[start..n].reverse();
        if fraction != 0 {
            out[n] = b'.';
            n += 1;
            let mut unit = SCALE as u64 / 10;
            while fraction != 0 {
                out[n] = b'0' + (fraction / unit) as u8;
                fraction %= unit;
                unit /= 10;
                n += 1;
            }
        }
        n
    }

    /// Price x quantity x contract unit; `None` on overflow (impossible within the limits, asserted by the caller's check).
    pub fn notional(self, quantity: Quantity, unit: u32) -> Option<Money> {
        (self.0 as i128)
            .checked_mul(quantity.0 as i128)?
            .checked_mul(unit as i128)
            .map(Money)
    }
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = [0; PRICE_CHARS_MAX];
        let n = self.write(&mut out);
        f.write_str(std::str::from_utf8(&out[..n]).unwrap_or("?"))
    }
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `None` on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// A decimal with an optional sign and at most eight decimals: for reference data and limits, where whole accounts are named.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let point = text.iter().position(|&c| c == b'.');
        let (whole, fraction) = match point {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, &[][..]),
        };
        if whole.is_empty()
            || whole.len() > 18
            || fraction.len() > 8
            || (point.is_some() && fraction.is_empty())
        {
            return None;
        }
        let mut value = 0i128;
        for &c in whole.iter().chain(fraction) {
            if !c.is_ascii_digit() {
                return None;
            }
            value = value * 10 + (c - b'0') as i128;
        }
        value *= 10i128.pow(8 - fraction.len() as u32);
        Some(Self(if negative { -value } else { value }))
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let (whole, fraction) = (magnitude / SCALE as u128, magnitude % SCALE as u128);
        if self.0 < 0 {
            f.write_str("-")?;
        }
        write!(f, "{whole}")?;
        if fraction != 0 {
            let digits = format!("{fraction:08}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_plain_decimals_only() {
        let ok: [(&[u8], i64); 7] = [
            (b"0", 0),
            (b"12", 1_200_000_000),
            (b"12.5", 1_250_000_000),
            (b"0.00000001", 1),
            (b"1.1000000000", 110_000_000),
            (b"007.5", 750_000_000),
            (b"10000000", PRICE_MAX),
        ];
        for (text, want) in ok {
            assert_eq!(
                Price::parse(text),
                Some(Price(want)),
                "{}",
                String::from_utf8_lossy(text)
            );
        }
        let bad: [&[u8]; 15] = [
            b"",
            b".",
            b".5",
            b"5.",
            b"1.123456789",
            b"1e5",
            b"-0",
            b"-1",
            b"+1",
            b" 1",
            b"1 ",
            b"1.2.3",
            b"NaN",
            b"10000000.00000001",
            b"99999999999999999999999",
        ];
        for text in bad {
            assert_eq!(
                Price::parse(text),
                None,
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }

    #[test]
    fn money_shows_and_reads_the_same() {
        for text in ["0", "-12.5", "1000000000000", "0.00000001"] {
            assert_eq!(Money::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        for text in ["", "-", "1.", ".1", "1e3", "1.123456789", "--1"] {
            assert!(Money::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn price_text_round_trips(value in 0..=PRICE_MAX) {
            let text = Price(value).to_string();
            prop_assert_eq!(Price::parse(text.as_bytes()), Some(Price(value)));
        }

        #[test]
        fn parse_never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Price::parse(&text);
            let _ = Quantity::parse(&text);
            let _ = Money::parse(&text);
        }
    }
}
