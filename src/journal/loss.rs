//! The record of a loss of the host: first in each log of the process that goes on after one, what of the logs before it was cut, and how
//! much may be missing of them at most.
//!
//! Little-endian.

use super::codec::{Get, Put};
use super::mark::LOGS;

/// Bytes of a body.
pub const LOSS_BYTES: usize = 16 + 16 * LOGS.len();

/// The end of a log that was cut, since it told of what another log has lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CutEnd {
    /// Records
    pub records: u64,
    /// Their bytes, which lie beside the log
    pub bytes: u64,
}

/// What went with the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HostLoss {
    /// No more records of a log were not on disk: its window had no room for more
    pub records_max: u64,
    /// Nor more bytes
    pub bytes_max: u64,
    /// Of the client, order and desk log
    pub cut: [CutEnd; LOGS.len()],
}

impl HostLoss {
    /// As a body.
    pub fn body(&self) -> [u8; LOSS_BYTES] {
        let mut body = [0; LOSS_BYTES];
        let mut put = Put::new(&mut body);
        let head = [self.records_max, self.bytes_max];
        let cut = self.cut.iter().flat_map(|end| [end.records, end.bytes]);
        let fields = head.into_iter().chain(cut).try_for_each(|it| put.u64(it));
        debug_assert!(fields.is_some());
        body
    }

    /// Of a body; `None`: another version wrote it.
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut get = Get(body);
        let mut loss = Self {
            records_max: get.u64()?,
            bytes_max: get.u64()?,
            ..Self::default()
        };
        for end in &mut loss.cut {
            (end.records, end.bytes) = (get.u64()?, get.u64()?);
        }
        get.end(loss)
    }

    /// For people.
    pub fn describe(&self) -> String {
        let Self {
            records_max,
            bytes_max,
            cut,
        } = self;
        let ends = LOGS.iter().zip(cut);
        let ends: Vec<_> = ends
            .map(|(log, end)| format!("{} {} ({} bytes)", log.name(), end.records, end.bytes))
            .collect();
        format!(
            "at most {records_max} records and {bytes_max} bytes of each log are missing; cut for want of a cause: {}",
            ends.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_back_and_others_do_not() {
        let end = |records, bytes| CutEnd { records, bytes };
        let loss = HostLoss {
            records_max: 9,
            bytes_max: 1 << 40,
            cut: [end(1, 48), end(0, 0), end(3, u64::MAX)],
        };
        assert_eq!(HostLoss::read(&loss.body()), Some(loss));
        assert_eq!(HostLoss::read(&[0; LOSS_BYTES - 1]), None);
        assert_eq!(HostLoss::read(&[0; LOSS_BYTES + 1]), None);
        assert!(
            loss.describe()
                .contains("client 1 (48 bytes), order 0 (0 bytes)")
        );
    }
}
