//! Mark records: through which record the logs were on disk, written into each log about all of them.
//!
//! A log alone cannot tell a tail that was never written from one that is gone. So each log's owner writes now and then how far the
//! others are durable (see [`super::Log::mark`]), and a new process how far those of the processes before are. What always holds:
//! every record up to the one that a mark names was on disk before the mark was written. Little-endian.

use super::codec::{Get, Put};
use super::record::{LogId, Record, RecordKind};

/// The logs, in the order of a mark's numbers.
pub const LOGS: [LogId; 3] = [LogId::Client, LogId::Order, LogId::Desk];

/// Bytes of a body.
pub const MARK_BYTES: usize = 24;

/// As a body: last durable sequence of the client, order and desk log.
pub fn body(through: [u64; 3]) -> [u8; MARK_BYTES] {
    let mut body = [0; MARK_BYTES];
    let mut put = Put::new(&mut body);
    let fields = through.into_iter().try_for_each(|it| put.u64(it));
    debug_assert!(fields.is_some());
    body
}

/// Of a body; `None`: another version wrote it.
pub fn read(body: &[u8]) -> Option<[u64; 3]> {
    let mut get = Get(body);
    let through = [get.u64()?, get.u64()?, get.u64()?];
    get.end(through)
}

/// What a log's records must reach, and who says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Sequence of a record that was on disk
    pub through: u64,
    /// The log that says so
    pub by: LogId,
    /// Start number of the process that wrote that
    pub epoch: u16,
    /// Its record there
    pub record: u64,
}

/// The farthest marks of each log that stand in another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks([Option<Mark>; 3]);

impl Marks {
    /// Takes note of a record of this log and epoch, where it is a mark.
    pub fn take(&mut self, log: LogId, epoch: u16, record: &Record<'_>) {
        if record.kind != RecordKind::Mark {
            return;
        }
        for ((of, known), through) in LOGS
            .iter()
            .zip(&mut self.0)
            .zip(read(record.body).unwrap_or_default())
        {
            // What a log says of itself goes with it.
            if *of != log && through > known.map_or(0, |mark| mark.through) {
                *known = Some(Mark {
                    through,
                    by: log,
                    epoch,
                    record: record.sequence,
                });
            }
        }
    }

    /// The one about this log.
    pub fn of(&self, log: LogId) -> Option<Mark> {
        let at = LOGS.iter().position(|of| *of == log)?;
        self.0[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_back_and_others_do_not() {
        let through = [1, u64::MAX, 3 << 40];
        assert_eq!(read(&body(through)), Some(through));
        assert_eq!(read(&[0; 23]), None);
        assert_eq!(read(&[0; 25]), None);
    }
}
