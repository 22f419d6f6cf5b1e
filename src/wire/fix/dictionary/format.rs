//! What the values of each type look like: one function from format and text to yes or no. Pure, bounded by the text's length.
//!
//! Called on the hot path for the formats that orders are full of (`Digits`, `Decimal`, `UtcTimestamp`); the rest is rarely seen.

/// Shape of a value. Several field types share one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::wire::fix) enum Format {
    Text,
    Digits,
    Decimal,
    UtcTimestamp,
    Char,
    Boolean,
    Int,
    DayOfMonth,
    Words,
    Chars,
    Country,
    Currency,
    MonthYear,
    TimeOnly,
    Date,
    TzTimestamp,
    TzTimeOnly,
    Tenor,
}

/// Digits of a fraction of a second: down to the picosecond.
const FRACTION_DIGITS_MAX: usize = 12;

/// Whether a text (never empty) has that shape.
pub(super) fn fits(format: Format, text: &[u8]) -> bool {
    match format {
        Format::Text => true,
        Format::Digits => all_digits(text),
        Format::Decimal => decimal(text),
        Format::UtcTimestamp => utc_timestamp(text),
        Format::Char => text.len() == 1,
        Format::Boolean => matches!(text, b"Y" | b"N"),
        Format::Int => all_digits(text.strip_prefix(b"-").unwrap_or(text)),
        Format::DayOfMonth => matches!(super::super::digits(text), Some(1..=31)),
        Format::Words => text.split(|&c| c == b' ').all(|word| !word.is_empty()),
        Format::Chars => text.split(|&c| c == b' ').all(|word| word.len() == 1),
        Format::Country => text.len() == 2 && text.iter().all(u8::is_ascii_alphabetic),
        Format::Currency => text.len() == 3 && text.iter().all(u8::is_ascii_alphanumeric),
        Format::MonthYear => month_year(text),
        Format::TimeOnly => matches!(seconds(text), Some(rest) if fraction(rest)),
        Format::Date => date(text),
        Format::TzTimestamp => match text.split_first_chunk::<9>() {
            Some((day, time)) => day[8] == b'-' && date(&day[..8]) && tz_time(time, true),
            None => false,
        },
        Format::TzTimeOnly => tz_time(text, false),
        Format::Tenor => match text {
            [b'D' | b'W' | b'M' | b'Y', count @ ..] => all_digits(count),
            _ => false,
        },
    }
}

fn all_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// A minus or nothing, digits, at most one point among them.
fn decimal(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let mut points = 0;
    for &c in text {
        match c {
            b'0'..=b'9' => {}
            b'.' => points += 1,
            _ => return false,
        }
    }
    points <= 1 && text.len() > points
}

fn utc_timestamp(text: &[u8]) -> bool {
    match text.split_first_chunk::<9>() {
        Some((day, time)) => {
            day[8] == b'-'
                && date(&day[..8])
                && matches!(seconds(time), Some(rest) if fraction(rest))
        }
        None => false,
    }
}

/// Two digits up to `max`.
fn pair(text: &[u8], max: u8) -> Option<u8> {
    let [tens, ones] = text else { return None };
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9 && tens * 10 + ones <= max).then(|| tens * 10 + ones)
}

/// `YYYYMMDD`, a day that exists.
fn date(text: &[u8]) -> bool {
    if text.len() != 8 || !all_digits(&text[..4]) {
        return false;
    }
    let (Some(month @ 1..), Some(day @ 1..)) = (pair(&text[4..6], 12), pair(&text[6..8], 31))
    else {
        return false;
    };
    let year = text[..4]
        .iter()
        .fold(0, |year, &c| year * 10 + (c - b'0') as u32);
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    day <= match month {
        2 => 28 + is_leap as u8,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `HH:MM`, and what follows.
fn minutes(text: &[u8]) -> Option<&[u8]> {
    let (time, rest) = text.split_at_checked(5)?;
    pair(&time[..2], 23)?;
    pair(&time[3..], 59)?;
    (time[2] == b':').then_some(rest)
}

/// `HH:MM:SS` (second 60 is a leap second), and what follows.
fn seconds(text: &[u8]) -> Option<&[u8]> {
    let (second, rest) = minutes(text)?.split_at_checked(3)?;
    pair(&second[1..], 60)?;
    (second[0] == b':').then_some(rest)
}

/// Nothing, or a point and digits.
fn fraction(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b'.', digits @ ..] => digits.len() <= FRACTION_DIGITS_MAX && all_digits(digits),
        _ => false,
    }
}

/// `HH:MM`, seconds and fraction unless left out, and `Z`, `+hh`, `-hh:mm`, or, where it may be left out, nothing.
fn tz_time(text: &[u8], must_have_offset: bool) -> bool {
    let Some(mut rest) = minutes(text) else {
        return false;
    };
    if rest.first() == Some(&b':') {
        let Some(behind) = seconds(text) else {
            return false;
        };
        let end = behind
            .iter()
            .position(|c| !matches!(c, b'.' | b'0'..=b'9'))
            .unwrap_or(behind.len());
        if !fraction(&behind[..end]) {
            return false;
        }
        rest = &behind[end..];
    }
    match rest {
        [] => !must_have_offset,
        [b'Z'] => true,
        [b'+' | b'-', hours @ ..] if hours.len() == 2 => pair(hours, 23).is_some(),
        [b'+' | b'-', offset @ ..] => minutes(offset).is_some_and(<[u8]>::is_empty),
        _ => false,
    }
}

/// `YYYYMM`, `YYYYMMDD`, or `YYYYMMw1` to `w5`.
fn month_year(text: &[u8]) -> bool {
    match text.len() {
        6 => all_digits(&text[..4]) && matches!(pair(&text[4..], 12), Some(1..)),
        8 if text[6] == b'w' => month_year(&text[..6]) && matches!(text[7], b'1'..=b'5'),
        8 => date(text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_digit_makes_no_number() {
        // The character before `0` counts as 255: found by fuzzing.
        for text in [
            "2025/615-15:06:40",
            "20250615-15:/6:40",
            "20250615-:5:06:40",
        ] {
            assert!(!fits(Format::UtcTimestamp, text.as_bytes()), "{text}");
        }
        assert!(fits(Format::UtcTimestamp, b"20250615-15:06:40"));
    }
}
