//! Memory that is wanted soon: its pages are brought behind the start, or beside it, by a thread that has nothing else to do.
//!
//! The tables of a day, the windows of the logs and the buffers of the connections are gigabytes, and the system clears each page before it
//! gives it. Whoever starts in the morning has the time; whoever starts after a kill must not wait for what it does not need at once. What
//! always holds: only memory that is still there is touched, and its content stays as it is.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Between two steps others may come and go.
const STEP_BYTES: usize = 2 << 20;

/// Part of the process's memory, from the beginning of a page.
struct Span {
    start: usize,
    bytes: usize,
    brought: usize,
}

static SPANS: Mutex<Vec<Span>> = Mutex::new(Vec::new());

fn spans() -> MutexGuard<'static, Vec<Span>> {
    // Nobody leaves it half changed.
    SPANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This memory is wanted, until [`forget`].
pub(super) fn want(start: *const u8, bytes: usize) {
    let start = start.addr();
    spans().push(Span {
        start,
        bytes,
        brought: 0,
    });
}

/// The memory that begins here is about to be given back.
pub(super) fn forget(start: *const u8) {
    spans().retain(|span| span.start != start.addr());
}

/// Memory that is wanted as long as this lives; to be dropped before the memory is.
#[derive(Debug)]
pub(super) struct Wanted(usize);

impl Wanted {
    /// From the beginning of a page.
    pub(super) fn new(start: *const u8, bytes: usize) -> Self {
        want(start, bytes);
        Self(start.addr())
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        forget(std::ptr::without_provenance(self.0));
    }
}

/// Brings all pages that are wanted and not there. Systems before Linux 5.14 cannot: there each page comes when it is first used.
pub fn bring() {
    while bring_some() {}
}

/// Whether there may be more.
fn bring_some() -> bool {
    let mut spans = spans();
    let Some(span) = spans.iter_mut().find(|span| span.brought < span.bytes) else {
        return false;
    };
    let step = STEP_BYTES.min(span.bytes - span.brought);
    let from = std::ptr::without_provenance_mut(span.start + span.brought);
    span.brought += step;
    // SAFETY: the memory is there, since its owner says so under this lock before it gives it back; the advice changes no content.
    unsafe { libc::madvise(from, step, libc::MADV_POPULATE_WRITE) };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident(start: *mut u8, bytes: usize) -> usize {
        let mut pages = vec![0u8; bytes / 4096];
        // SAFETY: a byte for each page of a mapping that the caller has.
        let looked = unsafe { libc::mincore(start.cast(), bytes, pages.as_mut_ptr()) };
        assert_eq!(looked, 0);
        pages.iter().filter(|page| **page & 1 == 1).count()
    }

    #[test]
    fn what_is_wanted_comes_and_keeps_its_content() {
        const BYTES: usize = STEP_BYTES * 2 + 4096 * 3;
        let mut map = memmap2::MmapOptions::new()
            .len(BYTES)
            .map_anon()
            .expect("maps");
        let start = map.as_mut_ptr();
        map[4096] = 7;
        assert!(resident(start, BYTES) < BYTES / 4096);
        let wanted = Wanted::new(start, BYTES);
        bring();
        assert_eq!(resident(start, BYTES), BYTES / 4096);
        assert_eq!((map[4096], map[BYTES - 1]), (7, 0));
        drop(wanted);
        assert!(spans().iter().all(|span| span.start != start.addr()));
    }
}
