//! UTCTimestamp: text <-> nanoseconds since 1970. Pure calendar arithmetic, no time zone data, no clock.
//!
//! A [`TimeText`] belongs to one thread; it keeps the text of the last second, so that most messages pay for the fraction only.

pub use crate::domain::time::Precision;
use crate::domain::time::{NS_PER_S, S_PER_DAY};

/// Years outside 1970..=2499 are refused: 64 bits of nanoseconds end in 2554.
const YEAR_MAX: u32 = 2499;
/// `YYYYMMDD-HH:MM:SS.nnnnnnnnn`
pub const TIME_CHARS_MAX: usize = 27;
const SECOND_CHARS: usize = 17;

/// A time as text.
#[derive(Clone, Copy)]
pub struct UtcText {
    bytes: [u8; 32],
    len: u8,
}

impl UtcText {
    /// The text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..(self.len as usize).min(TIME_CHARS_MAX)]
    }
}

impl UtcText {
    /// The text in its place, and its length.
    #[inline]
    pub(super) fn padded(&self) -> (&[u8; 32], usize) {
        (&self.bytes, (self.len as usize).min(TIME_CHARS_MAX))
    }
}

/// Writes times; remembers the last second.
#[derive(Clone, Copy)]
pub struct TimeText {
    precision: Precision,
    second: u64,
    text: UtcText,
}

impl TimeText {
    /// Writes with that precision.
    pub fn new(precision: Precision) -> Self {
        let mut this = Self {
            precision,
            second: 0,
            text: UtcText {
                bytes: [b'0'; 32],
                len: 0,
            },
        };
        this.set_second(0);
        this
    }

    /// Its precision.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// `wall_ns` (since 1970 UTC) as text.
    #[inline]
    pub fn write(&mut self, wall_ns: u64) -> UtcText {
        let second = wall_ns / NS_PER_S;
        if second != self.second {
            self.set_second(second);
        }
        let fraction = (wall_ns % NS_PER_S) as u32;
        let out = &mut self.text.bytes;
        match self.precision {
            Precision::Seconds => self.text.len = SECOND_CHARS as u8,
            Precision::Millis => {
                put3(out, 18, fraction / 1_000_000);
                self.text.len = 21;
            }
            Precision::Micros => {
                put3(out, 18, fraction / 1_000_000);
                put3(out, 21, fraction / 1_000 % 1_000);
                self.text.len = 24;
            }
            Precision::Nanos => {
                put3(out, 18, fraction / 1_000_000);
                put3(out, 21, fraction / 1_000 % 1_000);
                put3(out, 24, fraction % 1_000);
                self.text.len = 27;
            }
        }
        self.text
    }

    #[cold]
    fn set_second(&mut self, second: u64) {
        self.second = second;
        let out = &mut self.text.bytes;
        let (year, month, day) = civil_of_day(second / S_PER_DAY);
        let of_day = (second % S_PER_DAY) as u32;
        put2(out, 0, (year / 100 % 100) as u32);
        put2(out, 2, (year % 100) as u32);
        put2(out, 4, month);
        put2(out, 6, day);
        out[8] = b'-';
        put2(out, 9, of_day / 3600);
        out[11] = b':';
        put2(out, 12, of_day / 60 % 60);
        out[14] = b':';
        put2(out, 15, of_day % 60);
        out[17] = b'.';
    }
}

#[inline]
fn put2(out: &mut [u8; 32], at: usize, value: u32) {
    out[at] = b'0' + (value / 10) as u8;
    out[at + 1] = b'0' + (value % 10) as u8;
}

#[inline]
fn put3(out: &mut [u8; 32], at: usize, value: u32) {
    out[at] = b'0' + (value / 100) as u8;
    put2(out, at + 1, value % 100);
}

/// `YYYYMMDD-HH:MM:SS` with no, 3, 6 or 9 digits of a fraction, in nanoseconds since 1970. Second 60 is a leap second and
/// counts as the next one. `None` for anything else.
#[inline]
pub fn parse_utc(text: &[u8]) -> Option<u64> {
    let (main, fraction) = text.split_first_chunk::<SECOND_CHARS>()?;
    let [date @ .., _, _, _, _, _, _, _, _, _] = *main;
    let [_, _, _, _, _, _, _, _, dash, of_day @ ..] = *main;
    let date = digit_pairs(date, *b"00000000")?;
    let of_day = digit_pairs(of_day, *b"00:00:00")?;
    if dash != b'-' {
        return None;
    }
    let (century, of_century, month, day) = (date[0], date[2], date[4], date[6]);
    let (hour, minute, second) = (of_day[0], of_day[3], of_day[6]);
    let year = century as u32 * 100 + of_century as u32;
    if !(1970..=YEAR_MAX).contains(&year) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (month, day) = (month as u32, day as u32);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let of_day = hour as u32 * 3600 + minute as u32 * 60 + second as u32;
    let seconds = day_of_civil(year, month, day) as u64 * S_PER_DAY + of_day as u64;
    Some(seconds * NS_PER_S + parse_fraction(fraction)?)
}

/// Where `zeros` has a zero, `text` must have a digit, and elsewhere the same character. Byte `n` of the answer is the number
/// that the digits `n` and `n + 1` make. Eight at once, in a word.
#[inline]
fn digit_pairs(text: [u8; 8], zeros: [u8; 8]) -> Option<[u8; 8]> {
    let digits = u64::from_le_bytes(text) ^ u64::from_le_bytes(zeros);
    // What is no digit exceeds nine, or does not become zero; the sum carries into no other byte where all are below 16.
    let separators = u64::from_le_bytes(zeros.map(|c| if c == b'0' { 0 } else { 0xff }));
    let sixes = !separators & 0x0606_0606_0606_0606;
    let high = !separators & 0xf0f0_f0f0_f0f0_f0f0;
    if digits & (high | separators) != 0 || (digits + sixes) & high != 0 {
        return None;
    }
    Some((digits * 10 + (digits >> 8)).to_le_bytes())
}

/// Nothing, or a point and 3, 6 or 9 digits, in nanoseconds.
#[inline]
fn parse_fraction(text: &[u8]) -> Option<u64> {
    let unit = match *text {
        [] => return Some(0),
        [b'.', a, b, c] => {
            let (a, b, c) = (
                a.wrapping_sub(b'0'),
                b.wrapping_sub(b'0'),
                c.wrapping_sub(b'0'),
            );
            let millis = a as u64 * 100 + b as u64 * 10 + c as u64;
            return (a <= 9 && b <= 9 && c <= 9).then_some(millis * 1_000_000);
        }
        [b'.', _, _, _, _, _, _] => 1_000,
        [b'.', _, _, _, _, _, _, _, _, _] => 1,
        _ => return None,
    };
    super::digits(&text[1..]).map(|value| value * unit)
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 => 28 + is_leap(year) as u32,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date from 1970 on. Years begin in March, so that the leap day is the last.
fn day_of_civil(year: u32, month: u32, day: u32) -> u32 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    before + (153 * month + 2) / 5 + (day - 1) - 719_468
}

/// Year, month and day of a day since 1970-01-01.
fn civil_of_day(day: u64) -> (u64, u32, u32) {
    let z = day + 719_468;
    let era = z / 146_097;
    let of_era = z % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * month + 2) / 5 + 1) as u32;
    let year = era * 400 + year_of_era;
    if month < 10 {
        (year, month as u32 + 3, day)
    } else {
        (year + 1, month as u32 - 9, day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        let known: [(&[u8], u64); 6] = [
            (b"19700101-00:00:00", 0),
            (b"20000229-23:59:59.999", 951_868_799_999_000_000),
            (b"20231114-22:13:20.123456", 1_700_000_000_123_456_000),
            (b"20231114-22:13:20.123456789", 1_700_000_000_123_456_789),
            (b"20161231-23:59:60", 1_483_228_800_000_000_000),
            (b"24991231-23:59:59", 16_725_225_599_000_000_000),
        ];
        for (text, ns) in known {
            assert_eq!(
                parse_utc(text),
                Some(ns),
                "{}",
                String::from_utf8_lossy(text)
            );
        }
        let none: [&[u8]; 14] = [
            b"",
            b"20231114",
            b"20231114-22:13",
            b"20231114-22:13:20.",
            b"20231114-22:13:20.12",
            b"20231114-22:13:20.12a",
            b"20231114-22:13:20,123",
            b"20231114T22:13:20",
            b"20230229-00:00:00",
            b"21000229-00:00:00",
            b"20231301-00:00:00",
            b"20231114-24:00:00",
            b"20231114-22:13:61",
            b"19691231-23:59:59",
        ];
        for text in none {
            assert_eq!(parse_utc(text), None, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn every_day_of_five_centuries_is_the_next_one() {
        let mut want = (1970, 1, 1);
        for day in 0..193_500 {
            let (year, month, date) = civil_of_day(day);
            assert_eq!((year as u32, month, date), want);
            assert_eq!(day_of_civil(want.0, want.1, want.2) as u64, day);
            want.2 += 1;
            if want.2 > days_in_month(want.0, want.1) {
                want = (want.0, want.1 + 1, 1);
            }
            if want.1 > 12 {
                want = (want.0 + 1, 1, 1);
            }
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(ns in proptest::collection::vec(0..16_725_225_600_000_000_000u64, 1..4)) {
            for (precision, unit) in [
                (Precision::Seconds, 1_000_000_000),
                (Precision::Millis, 1_000_000),
                (Precision::Micros, 1_000),
                (Precision::Nanos, 1),
            ] {
                let mut time = TimeText::new(precision);
                for &ns in &ns {
                    let text = time.write(ns);
                    prop_assert_eq!(parse_utc(text.as_bytes()), Some(ns / unit * unit));
                    let same_second = ns / NS_PER_S * NS_PER_S + (ns ^ 77) % NS_PER_S;
                    let text = time.write(same_second);
                    prop_assert_eq!(parse_utc(text.as_bytes()), Some(same_second / unit * unit));
                }
            }
        }

        #[test]
        fn any_text_is_no_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_utc(&text);
        }
    }
}
