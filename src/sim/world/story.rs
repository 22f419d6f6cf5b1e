//! What the logs say of the orders that a finding is about: the last events, for people.
//!
//! Pure; only called where something is wrong.

use super::witness::{ORDER, Seen, Witness};

/// Records shown where no order is named in the finding.
const LAST: usize = 30;
/// Records shown at most.
const SHOWN: usize = 60;

/// The last records that mention what the finding mentions; the very last ones where it names nothing that they know.
pub fn tell(witness: &Witness, finding: &str) -> Vec<String> {
    let is_name = |word: &&str| {
        let is_order_id = word.len() == 10 && word.bytes().all(|b| b.is_ascii_alphanumeric());
        let is_client_id = word.starts_with("CLIENT") && word.contains('-');
        is_order_id && word.starts_with('0') || is_client_id
    };
    let split = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    let names: Vec<&str> = finding.split(split).filter(is_name).collect();
    let mentions = |seen: &&Seen| {
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        names.iter().any(|name| body.contains(name))
    };
    // And a record of the order log, where it names one: with what followed from it.
    let words: Vec<&str> = finding.split(' ').collect();
    let named = words
        .windows(3)
        .find(|words| words[..2] == ["order", "record"]);
    let named: Option<u64> = named.and_then(|words| words[2].parse().ok());
    let is_named = |seen: &Seen| {
        let sequence = if seen.log == ORDER {
            seen.sequence
        } else {
            seen.cause
        };
        named == Some(sequence)
    };
    let concerned = |seen: &&Seen| is_named(seen) || mentions(seen);
    let records = witness.records.iter();
    let mut lines: Vec<String> = records.filter(concerned).map(line).collect();
    if lines.is_empty() {
        let from = witness.records.len().saturating_sub(LAST);
        lines = witness.records[from..].iter().map(line).collect();
    }
    let from = lines.len().saturating_sub(SHOWN);
    lines.split_off(from)
}

fn line(seen: &Seen) -> String {
    let log = ["client", "order", "desk"][seen.log];
    let text: String = String::from_utf8_lossy(&seen.body)
        .chars()
        .map(|c| match c {
            '\u{1}' => '|',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '.',
        })
        .collect();
    format!(
        "{log:>6} {:>5} {:?} #{} {text}",
        seen.sequence, seen.kind, seen.channel
    )
}
