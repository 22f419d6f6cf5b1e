//! The Start record: first of a log in each epoch. Which log it is, of which gateway, in which format, and which version wrote it.
//!
//! Text, so that people can read the beginning of a file: `gatehouse 0.1.0 client format 3 of NAME epoch 7`.

use super::record::{LogId, Record, RecordKind};

/// Number of what records look like and mean. A log of another number is not gone on with.
///
/// 1: until marks were written; its Start record names no format. 2: until a loss of the host had a command of its own.
pub const FORMAT: u32 = 3;

/// What it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start<'a> {
    /// Version of the program
    pub version: &'a str,
    /// Name of the log
    pub log: &'a str,
    /// See [`FORMAT`]
    pub format: u32,
    /// Name of the gateway; empty in format 1
    pub gateway: &'a str,
    /// Start number of the process
    pub epoch: u16,
}

/// The body for this log.
pub fn text(log: LogId, gateway: &str, epoch: u16) -> String {
    format!(
        "gatehouse {} {} format {FORMAT} of {gateway} epoch {epoch}",
        env!("CARGO_PKG_VERSION"),
        log.name()
    )
}

/// Of a record; `None` where it is no Start record, or cannot be one.
pub fn read<'a>(record: &Record<'a>) -> Option<Start<'a>> {
    if record.kind != RecordKind::Start {
        return None;
    }
    let (rest, epoch) = std::str::from_utf8(record.body)
        .ok()?
        .rsplit_once(" epoch ")?;
    let (version, rest) = rest.strip_prefix("gatehouse ")?.split_once(' ')?;
    let (log, format, gateway) = match rest.split_once(" format ") {
        Some((log, rest)) => {
            let (format, gateway) = rest.split_once(" of ")?;
            (log, format.parse().ok()?, gateway)
        }
        None => (rest, 1, ""),
    };
    Some(Start {
        version,
        log,
        format,
        gateway,
        epoch: epoch.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Cause;

    #[test]
    fn a_text_reads_back_and_old_ones_are_known() {
        let record = |body| Record {
            sequence: 1,
            time_ns: 0,
            kind: RecordKind::Start,
            channel: 0,
            cause: Cause::default(),
            previous: 0,
            next_in: 0,
            delivered: false,
            kept: false,
            body,
            crc: 0,
        };
        let written = text(LogId::Desk, "an epoch of format 7", 12);
        let start = read(&record(written.as_bytes())).expect("read");
        assert_eq!((start.log, start.format, start.epoch), ("desk", FORMAT, 12));
        assert_eq!(start.gateway, "an epoch of format 7");
        let start = read(&record(b"gatehouse 0.1.0 client epoch 3")).expect("read");
        assert_eq!(
            (start.version, start.log, start.format),
            ("0.1.0", "client", 1)
        );
        assert_eq!(read(&record(b"gatehouse")), None);
    }
}
