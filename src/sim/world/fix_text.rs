//! FIX as text for the world's clients, written with std alone: they share no code with what they test.
//!
//! Pure. A message is its fields in order; what is no message is said so.

use std::fmt::Write;

/// A message: tags and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FixText {
    /// In their order, 8, 9 and 10 included
    pub fields: Vec<(u32, String)>,
}

impl FixText {
    /// Value of a field; empty where it is not there.
    pub fn get(&self, tag: u32) -> &str {
        let field = self.fields.iter().find(|field| field.0 == tag);
        field.map_or("", |field| field.1.as_str())
    }

    /// MsgType(35)
    pub fn kind(&self) -> &str {
        self.get(35)
    }

    /// A field as a number; zero where there is none.
    pub fn number(&self, tag: u32) -> u64 {
        self.get(tag).parse().unwrap_or(0)
    }

    /// Whether PossDupFlag(43) is set.
    pub fn poss_dup(&self) -> bool {
        self.get(43) == "Y"
    }
}

/// The first message at the start of `bytes`, and its length. `None`: more is to come. `Err`: that is none.
pub fn first(bytes: &[u8]) -> Result<Option<(FixText, usize)>, String> {
    let mut at = 0;
    let mut fields = Vec::with_capacity(24);
    let mut sum = 0u8;
    while let Some(length) = bytes[at..].iter().position(|&byte| byte == 1) {
        let field = &bytes[at..at + length];
        let equals = field.iter().position(|&byte| byte == b'=');
        let wrong = || format!("{:?} is no field", String::from_utf8_lossy(field));
        let (tag, value) = field.split_at(equals.ok_or_else(wrong)?);
        let tag: u32 = std::str::from_utf8(tag)
            .ok()
            .and_then(|tag| tag.parse().ok())
            .ok_or_else(wrong)?;
        fields.push((tag, String::from_utf8_lossy(&value[1..]).into_owned()));
        at += length + 1;
        if tag != 10 {
            let field = &bytes[at - length - 1..at];
            sum = field.iter().fold(sum, |sum, &byte| sum.wrapping_add(byte));
            continue;
        }
        let message = FixText { fields };
        let body = bytes[..at].iter().enumerate();
        let body_start = body.filter(|(_, byte)| **byte == 1).nth(1);
        let body_start = body_start.map_or(0, |(at, _)| at + 1);
        if message.number(10) != sum as u64 || message.fields[0].0 != 8 {
            return Err(format!("checksum of {message:?}"));
        }
        if message.number(9) as usize != at - 7 - body_start {
            return Err(format!("length of {message:?}"));
        }
        return Ok(Some((message, at)));
    }
    Ok(None)
}

/// A whole message around `body`: `tag=value|tag=value|`, from 35 on.
pub fn frame(begin: &str, body: &str) -> Vec<u8> {
    let body = body.replace('|', "\u{1}");
    let mut text = format!("8={begin}\u{1}9={}\u{1}{body}", body.len());
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    let _ = write!(text, "10={sum:03}\u{1}");
    text.into_bytes()
}

/// `YYYYMMDD-HH:MM:SS.mmm` of nanoseconds since 1970.
pub fn timestamp(wall_ns: u64) -> String {
    let ms = wall_ns / 1_000_000;
    let (day, ms) = ((ms / 86_400_000) as i64, ms % 86_400_000);
    // Days since 1970 to a date: Howard Hinnant's civil_from_days.
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, ms) = (ms / 1_000 % 60, ms % 1_000);
    format!("{year:04}{month:02}{day:02}-{hour:02}:{minute:02}:{second:02}.{ms:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let bytes = frame("FIX.4.4", "35=0|34=7|49=A|56=B|52=20260921-00:00:00.000|");
        let (message, length) = first(&bytes).unwrap().unwrap();
        assert_eq!(
            (message.kind(), message.number(34), length),
            ("0", 7, bytes.len())
        );
        assert_eq!(first(&bytes[..bytes.len() - 1]), Ok(None));
        let mut wrong = bytes.clone();
        wrong[25] ^= 1;
        assert!(first(&wrong).is_err());
    }

    #[test]
    fn time_is_written_as_fix_wants_it() {
        assert_eq!(
            timestamp(1_790_000_000_123_456_789),
            "20260921-14:13:20.123"
        );
        assert_eq!(timestamp(951_782_400_000_000_000), "20000229-00:00:00.000");
    }
}
