//! Names of a log's channels, kept in the log itself: a log says who spoke even when the configuration has changed since.
//!
//! Written by whoever makes a log, right behind its Start record: as many records as it takes, each for a run of channels.

use super::record::{Record, RecordKind};
use crate::limits::LOG_NAMES_BYTES_MAX;

/// Bodies for these names, each with its first channel.
pub fn bodies(names: &[String]) -> Vec<(u16, String)> {
    let mut bodies: Vec<(u16, String)> = Vec::new();
    for (channel, name) in names.iter().enumerate() {
        match bodies.last_mut() {
            Some((_, body)) if body.len() + 1 + name.len() <= LOG_NAMES_BYTES_MAX => {
                body.push('\n');
                body.push_str(name);
            }
            _ => bodies.push((channel as u16, name.clone())),
        }
    }
    bodies
}

/// Channels and names of a record of that kind.
pub fn read<'a>(record: &Record<'a>) -> impl Iterator<Item = (u16, &'a str)> + use<'a> {
    let body = match record.kind {
        RecordKind::Names => std::str::from_utf8(record.body).unwrap_or_default(),
        _ => "",
    };
    let names = (!body.is_empty()).then(|| body.split('\n'));
    (record.channel..).zip(names.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::super::record::{Cause, Record};
    use super::*;

    #[test]
    fn ten_thousand_names_come_back_in_their_places() {
        let names: Vec<String> = (0..10_000).map(|n| format!("SESSION-{n}")).collect();
        let bodies = bodies(&names);
        assert!(bodies.len() > 10);
        let mut back = vec![String::new(); names.len()];
        for (channel, body) in &bodies {
            assert!(body.len() <= LOG_NAMES_BYTES_MAX);
            let record = Record {
                sequence: 2,
                time_ns: 0,
                kind: RecordKind::Names,
                channel: *channel,
                cause: Cause::default(),
                previous: 0,
                next_in: 0,
                delivered: false,
                kept: false,
                body: body.as_bytes(),
                crc: 0,
            };
            for (channel, name) in read(&record) {
                back[channel as usize] = name.to_owned();
            }
        }
        assert_eq!(back, names);
    }
}
