//! Three logs as one, each read as far as its turn has come: see [`Order`] for whose turn it is.
//!
//! Cold, on the thread of a start or of a tool.

use crate::journal::LogId;
use crate::stage::merge::Merge as Order;

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
    sources: [(LogId, S); 3],
    next_ns: [Option<u64>; 3],
    order: Order,
    given: Option<usize>,
}

impl<S: Source> Merge<S> {
    /// Of logs of which nothing was read yet.
    pub fn new(sources: [(LogId, S); 3]) -> Result<Self, S::Error> {
        let mut merge = Self {
            next_ns: [None; 3],
            sources,
            order: Order::default(),
            given: None,
        };
        for at in 0..merge.sources.len() {
            merge.advance(at)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, at: usize) -> Result<(), S::Error> {
        let source = &mut self.sources[at].1;
        self.next_ns[at] = source.advance()?.then(|| source.time_ns());
        Ok(())
    }

    /// The log whose turn it is, which stands on its next record.
    #[expect(clippy::should_implement_trait)] // An iterator could not lend the source, nor fail.
    pub fn next(&mut self) -> Result<Option<(LogId, &S)>, S::Error> {
        if let Some(at) = self.given.take() {
            self.advance(at)?;
        }
        self.given = self.order.next(self.next_ns);
        let given = self.given.map(|at| &self.sources[at]);
        Ok(given.map(|(log, source)| (*log, source)))
    }

    /// The logs as they were read.
    pub fn into_sources(self) -> [(LogId, S); 3] {
        self.sources
    }
}
