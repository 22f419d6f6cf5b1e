//! Memory that is wanted soon: its pages are brought behind the start, or beside it, by a thread that has nothing else to do.
//!
//! The tables of a day, the windows of the logs and the buffers of the connections are gigabytes, and the system clears each page before it
//! gives it. Whoever starts in the morning has the time; whoever starts after a kill must not wait for what it does not need at once. What
//! always holds: only memory that is still there is touched, and its content stays as it is.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Between two steps others may come and go.
const STEP_BYTES: usize = 2 << 20;

/// Addresses that are wanted, each range from the beginning of a page.
static WANTED: Mutex<VecDeque<Range<usize>>> = Mutex::new(VecDeque::new());

fn wanted() -> MutexGuard<'static, VecDeque<Range<usize>>> {
    // Nobody leaves it half changed.
    WANTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This memory is wanted, until [`forget`].
pub(super) fn want(start: *const u8, bytes: usize) {
    let start = start.addr();
    wanted().push_back(start..start + bytes);
}

/// This memory is about to be given back.
pub(super) fn forget(start: *const u8, bytes: usize) {
    let all = start.addr()..start.addr() + bytes;
    wanted().retain(|range| !all.contains(&range.start));
}

/// Parts of a map that are wanted as long as this lives; to be dropped before the map is.
#[derive(Debug)]
pub(super) struct Wanted(Range<usize>);

impl Wanted {
    /// Of a map: from where on, and how much, from the beginning of a page each.
    pub(super) fn parts(map: &[u8], parts: impl IntoIterator<Item = (usize, usize)>) -> Self {
        for (at, bytes) in parts {
            want(map[at..at + bytes].as_ptr(), bytes);
        }
        let start = map.as_ptr().addr();
        Self(start..start + map.len())
    }

    /// All of a map.
    pub(super) fn whole(map: &[u8]) -> Self {
        Self::parts(map, [(0, map.len())])
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        forget(std::ptr::without_provenance(self.0.start), self.0.len());
    }
}

/// Brings all pages that are wanted and not there. Systems before Linux 5.14 cannot: there each page comes when it is first used.
pub fn bring() {
    while bring_some() {}
}

/// Whether there may be more.
fn bring_some() -> bool {
    let mut wanted = wanted();
    let Some(range) = wanted.front_mut() else {
        return false;
    };
    let step = STEP_BYTES.min(range.len());
    let from = std::ptr::without_provenance_mut(range.start);
    // SAFETY: the memory is there, since its owner says so under this lock before it gives it back; the advice changes no content.
    unsafe { libc::madvise(from, step, libc::MADV_POPULATE_WRITE) };
    range.start += step;
    if range.start >= range.end {
        wanted.pop_front();
    }
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
        let kept = Wanted::whole(&map);
        bring();
        assert_eq!(resident(start, BYTES), BYTES / 4096);
        assert_eq!((map[4096], map[BYTES - 1]), (7, 0));
        drop(kept);
        drop(Wanted::parts(&map, [(4096, 4096), (BYTES - 4096, 4096)]));
        let all = start.addr()..start.addr() + BYTES;
        assert!(wanted().iter().all(|range| !all.contains(&range.start)));
    }
}
