//! FIX text for the tests' own peers: fields in, bytes out, and back. Written with std alone, so that no peer shares code with the
//! product.
//!
//! Fields are written as in talk: `"150=F 39=1 14=40"`. In an expectation `150=-` means that the field must not be there.

use std::time::{SystemTime, UNIX_EPOCH};

/// A message as its fields, in order, without 8, 9 and 10.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    pub fields: Vec<(u32, String)>,
}

impl Fix {
    /// Value of a field; empty where it is not there.
    pub fn get(&self, tag: u32) -> &str {
        self.find(tag).unwrap_or("")
    }

    pub fn find(&self, tag: u32) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.0 == tag);
        field.map(|field| field.1.as_str())
    }

    /// MsgType(35)
    pub fn kind(&self) -> &str {
        self.get(35)
    }

    pub fn number(&self, tag: u32) -> u64 {
        let text = self.get(tag);
        text.parse()
            .unwrap_or_else(|_| panic!("{tag}={text} is no number in {self:?}"))
    }

    /// MsgSeqNum(34)
    pub fn seq(&self) -> u64 {
        self.number(34)
    }

    /// PossDupFlag(43)
    pub fn poss_dup(&self) -> bool {
        self.get(43) == "Y"
    }

    /// Panics where the message is not as `expected`.
    #[track_caller]
    pub fn is(&self, expected: &str) -> &Self {
        for (tag, value) in fields(expected) {
            match value.as_str() {
                "-" => assert_eq!(self.find(tag), None, "{tag} must be absent in {self:?}"),
                _ => assert_eq!(self.find(tag), Some(value.as_str()), "{tag} in {self:?}"),
            }
        }
        self
    }

    pub fn matches(&self, expected: &str) -> bool {
        fields(expected)
            .into_iter()
            .all(|(tag, value)| match value.as_str() {
                "-" => self.find(tag).is_none(),
                _ => self.find(tag) == Some(value.as_str()),
            })
    }
}

/// `"150=0 39=0"` as fields.
pub fn fields(text: &str) -> Vec<(u32, String)> {
    let field = |part: &str| {
        let (tag, value) = part.split_once('=').expect("tag=value");
        (tag.parse().expect("a tag"), value.to_owned())
    };
    text.split_whitespace().map(field).collect()
}

/// Fields of `base` with those of `changes` in their place or behind; `tag=-` takes one out.
pub fn merge(base: &str, changes: &str) -> Vec<(u32, String)> {
    let mut merged = fields(base);
    for (tag, value) in fields(changes) {
        match merged.iter().position(|field| field.0 == tag) {
            Some(at) if value == "-" => drop(merged.remove(at)),
            Some(at) => merged[at].1 = value,
            None if value == "-" => {}
            None => merged.push((tag, value)),
        }
    }
    merged
}

/// A whole message around `body`, which begins with 35.
pub fn frame(begin: &str, body: &[(u32, String)]) -> Vec<u8> {
    let mut text = String::new();
    for (tag, value) in body {
        text += &format!("{tag}={value}\u{1}");
    }
    let mut bytes = format!("8={begin}\u{1}9={}\u{1}{text}", text.len()).into_bytes();
    let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    bytes.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
    bytes
}

/// The first whole message in `bytes` and its length. Panics on what is none: the product must not send that.
pub fn first(bytes: &[u8]) -> Option<(Fix, usize)> {
    let text = |at: usize, until: u8| {
        let length = bytes[at..].iter().position(|&byte| byte == until)?;
        Some((&bytes[at..at + length], at + length + 1))
    };
    let (begin, at) = text(0, 1)?;
    assert!(begin.starts_with(b"8=FIX.4."), "{begin:?}");
    let (length, body) = text(at, 1)?;
    let length: usize = std::str::from_utf8(&length[2..])
        .ok()?
        .parse()
        .expect("BodyLength");
    let end = body + length;
    if bytes.len() < end + 7 {
        return None;
    }
    let sum = bytes[..end]
        .iter()
        .fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    assert_eq!(
        &bytes[end..end + 7],
        format!("10={sum:03}\u{1}").as_bytes(),
        "checksum"
    );
    let body = std::str::from_utf8(&bytes[body..end]).expect("text");
    let field = |part: &str| {
        let (tag, value) = part.split_once('=').expect("tag=value");
        assert!(!value.is_empty(), "{tag} is empty in {body}");
        (tag.parse().expect("a tag"), value.to_owned())
    };
    let fields = body
        .split_terminator('\u{1}')
        .map(field)
        .collect::<Vec<(u32, String)>>();
    Some((Fix { fields }, end + 7))
}

/// Now, as UTCTimestamp.
pub fn timestamp() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    timestamp_of(since.as_millis() as u64)
}

/// Milliseconds since 1970 as UTCTimestamp (civil-from-days after Hinnant).
pub fn timestamp_of(ms: u64) -> String {
    let (days, ms) = (ms / 86_400_000, ms % 86_400_000);
    let shifted = days as i64 + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 {
        month_shifted + 3
    } else {
        month_shifted - 9
    };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    format!(
        "{year:04}{month:02}{day:02}-{:02}:{:02}:{:02}.{:03}",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1000 % 60,
        ms % 1000
    )
}
