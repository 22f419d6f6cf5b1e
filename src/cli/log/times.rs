//! Times as people give them on a command line, and as logs show them. UTC throughout.
//!
//! Cold code of the main thread; nothing but arithmetic on text.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::NS_PER_S;
use crate::wire::fix::time::parse_utc;
use crate::wire::fix::{Precision, TimeText};

/// `20261123-09:30:00.123456`
pub fn show(wall_ns: u64) -> String {
    let text = TimeText::new(Precision::Micros).write(wall_ns);
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// For clap.
pub fn parse(text: &str) -> Result<u64, String> {
    parse_at(text, now_ns()).ok_or_else(|| {
        "not a time: 20261123-09:30:00, 2026-11-23T09:30:00.5, 2026-11-23, 09:30 (today), 15m (ago) or now; UTC".to_owned()
    })
}

fn parse_at(text: &str, now_ns: u64) -> Option<u64> {
    if text == "now" {
        return Some(now_ns);
    }
    if let Some(seconds) = ago(text) {
        return now_ns.checked_sub(seconds.checked_mul(NS_PER_S)?);
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let today = show(now_ns)[..8].to_owned();
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date.to_owned(), time),
        None if text.contains(':') && !text.contains('-') => (today, text),
        None if text.contains(':') => {
            let (date, time) = text.rsplit_once('-')?;
            (date.to_owned(), time)
        }
        None => (text.to_owned(), "00:00:00"),
    };
    let date: String = match date.len() {
        10 => date.split('-').collect(),
        _ => date,
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let clock = match clock.len() {
        5 => format!("{clock}:00"),
        _ => clock.to_owned(),
    };
    if fraction.len() > 9 {
        return None;
    }
    let fraction = match fraction.is_empty() {
        true => String::new(),
        false => format!(".{fraction:0<9}"),
    };
    parse_utc(format!("{date}-{clock}{fraction}").as_bytes())
}

/// `90s`, `15m`, `2h`, `3d`
fn ago(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    text[..text.len() - 1]
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_people_write() {
        let now = parse_utc(b"20261123-10:00:00").unwrap();
        let half_past_nine = parse_utc(b"20261123-09:30:00").unwrap();
        for text in [
            "20261123-09:30:00",
            "20261123-09:30",
            "2026-11-23T09:30:00Z",
            "2026-11-23 09:30:00.0",
            "2026-11-23-09:30:00",
            "09:30",
            "09:30:00",
            "30m",
            "1800s",
        ] {
            assert_eq!(parse_at(text, now), Some(half_past_nine), "{text}");
        }
        let with_fraction = parse_at("09:30:00.5", now);
        assert_eq!(with_fraction, Some(half_past_nine + NS_PER_S / 2));
        assert_eq!(parse_at("2026-11-23", now), parse_utc(b"20261123-00:00:00"));
        assert_eq!(parse_at("now", now), Some(now));
        for text in [
            "",
            "yesterday",
            "25:00",
            "2026-13-01",
            "9m30",
            "m",
            "é",
            "99999999999999999999d",
            "09:30:00.0123456789",
        ] {
            assert_eq!(parse_at(text, now), None, "{text}");
        }
        assert_eq!(
            show(half_past_nine + 123_456_789),
            "20261123-09:30:00.123456"
        );
    }
}
