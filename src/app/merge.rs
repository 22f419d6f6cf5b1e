//! Three logs as one: always the record that was written first, so that little waits for its counterpart in another log.
//!
//! Cold, on the thread of a start or of a tool.

use crate::journal::LogId;

/// A log that is read record by record.
pub trait Source {
    /// Why it cannot go on.
    type Error;

    /// Goes to the next record; `false` behind the last.
    fn advance(&mut self) -> Result<bool, Self::Error>;

    /// When that record was written.
    fn time_ns(&self) -> u64;
}

/// The logs, and when the record was written that is next in each.
pub struct Merge<S> {
    sources: Vec<(LogId, S)>,
    next_ns: Vec<u64>,
    given: Option<usize>,
}

/// Nothing more comes.
const END: u64 = u64::MAX;

impl<S: Source> Merge<S> {
    /// Of logs of which nothing was read yet.
    pub fn new(sources: Vec<(LogId, S)>) -> Result<Self, S::Error> {
        let mut merge = Self {
            next_ns: vec![END; sources.len()],
            sources,
            given: None,
        };
        for at in 0..merge.sources.len() {
            merge.advance(at)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, at: usize) -> Result<(), S::Error> {
        let source = &mut self.sources[at].1;
        self.next_ns[at] = match source.advance()? {
            true => source.time_ns().min(END - 1),
            false => END,
        };
        Ok(())
    }

    /// The log whose next record is the oldest, which it stands on.
    pub fn next(&mut self) -> Result<Option<(LogId, &S)>, S::Error> {
        if let Some(at) = self.given.take() {
            self.advance(at)?;
        }
        let times = self.next_ns.iter().enumerate();
        let Some((at, _)) = times
            .filter(|(_, ns)| **ns != END)
            .min_by_key(|(_, ns)| **ns)
        else {
            return Ok(None);
        };
        self.given = Some(at);
        let (log, source) = &self.sources[at];
        Ok(Some((*log, source)))
    }

    /// The logs as they were read.
    pub fn into_sources(self) -> impl Iterator<Item = (LogId, S)> {
        self.sources.into_iter()
    }
}
