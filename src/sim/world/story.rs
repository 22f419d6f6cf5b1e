//! What the logs say of the orders that a finding is about: the last events, for people.
//!
//! Pure; only called where something is wrong.

use super::witness::{Seen, Witness};

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
    let mut lines: Vec<String> = witness.records.iter().filter(mentions).map(line).collect();
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
