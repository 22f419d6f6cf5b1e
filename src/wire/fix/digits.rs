//! Whole numbers of the wire: digits and nothing else.
//!
//! Pure; no allocation. Signs, spaces and empty text are no numbers.

/// Digits only, at least one; `None` for anything else or above 64 bits.
#[inline]
pub fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0u64;
    if text.len() <= 19 {
        for &c in text {
            let digit = c.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + digit as u64;
        }
        return Some(value);
    }
    for &c in text {
        let digit = c.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(digit as u64)?;
    }
    Some(value)
}
