//! Many seeds on several threads, with a file that remembers which are done, so that a long run can be broken off and gone on with.
//!
//! Cold. Worlds share nothing; what they found is told on the calling thread. The file is text: a first line that says what is run, then a
//! line for each seed that is done. What always holds: a seed that stands there was run to its end, under that first line.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::Outcome;
use super::counts::Counts;
use super::shrink;

thread_local! {
    /// The seed that this thread is at.
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// The seed that the calling thread is at; zero where it is at none.
pub fn seed_of_thread() -> u64 {
    SEED.get()
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Seeds that are not done yet, in the order in which they are run
    pub seeds: Vec<u64>,
    /// Events of each
    pub events: usize,
    /// Whether processes are killed
    pub with_kills: bool,
    /// How many at once
    pub threads: usize,
}

impl Campaign {
    /// Runs them; `done` hears of each that is done, in any order, and says whether to go on.
    pub fn run(&self, mut done: impl FnMut(u64, Outcome) -> bool) {
        let next = AtomicUsize::new(0);
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                let (tell, next) = (tell.clone(), &next);
                scope.spawn(move || {
                    while let Some(&seed) = self.seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                        SEED.set(seed);
                        let events = shrink::events_of(seed, self.events, self.with_kills);
                        let outcome = shrink::run(seed, &events);
                        if tell.send((seed, outcome)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(tell);
            while let Ok((seed, outcome)) = told.recv() {
                if !done(seed, outcome) {
                    // Nobody takes another one.
                    next.store(self.seeds.len(), Ordering::Relaxed);
                }
            }
        });
    }
}

/// The file of a run.
pub struct Progress {
    file: File,
    /// Seeds that are done
    pub done: HashSet<u64>,
    /// Of these, those that found something
    pub failed: Vec<u64>,
    /// What happened in them
    pub counts: Counts,
}

impl Progress {
    /// Goes on with the file, or begins it. `what` is run: a file of something else is refused.
    pub fn open(path: &Path, what: &str) -> io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        if let Some(first) = text.lines().next().filter(|first| *first != what) {
            let path = path.display();
            let problem = format!("{path} is of another run ({first}), and this one is: {what}");
            return Err(io::Error::other(problem));
        }
        let mut progress = Self {
            file: OpenOptions::new().create(true).append(true).open(path)?,
            done: HashSet::new(),
            failed: Vec::new(),
            counts: Counts::default(),
        };
        if text.is_empty() {
            writeln!(progress.file, "{what}")?;
        }
        for line in text.lines().skip(1) {
            progress.read(line);
        }
        Ok(progress)
    }

    /// `seed good|FAILED name=number,...`; the last line may be cut off.
    fn read(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let seed = words.next().and_then(|word| word.parse().ok());
        let (Some(seed), Some(how), Some(counts)) = (seed, words.next(), words.next()) else {
            return;
        };
        let Some(counts) = counts.strip_suffix('.') else {
            return;
        };
        let pair = |pair: &'_ str| {
            let (name, number) = pair.split_once('=')?;
            Some((name.to_owned(), number.parse().ok()?))
        };
        let pairs: Vec<(String, u64)> = counts.split(',').filter_map(pair).collect();
        if self.done.insert(seed) {
            self.counts += Counts::from_pairs(pairs.iter().map(|(name, it)| (name.as_str(), *it)));
            if how != "good" {
                self.failed.push(seed);
            }
        }
    }

    /// A seed is done.
    pub fn note(&mut self, seed: u64, outcome: &Outcome) -> io::Result<()> {
        let how = match outcome.finding {
            None => "good",
            Some(_) => "FAILED",
        };
        let counts = outcome.counts.all().filter(|(_, number)| *number > 0);
        let counts: Vec<_> = counts.map(|(name, it)| format!("{name}={it}")).collect();
        let line = format!("{seed} {how} {}.", counts.join(","));
        writeln!(self.file, "{line}")?;
        self.read(&line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_broken_off_goes_on_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("progress");
        let counts = Counts {
            kills: 3,
            host_losses: 1,
            ..Counts::default()
        };
        let good = Outcome {
            counts,
            ..Outcome::default()
        };
        let bad = Outcome {
            finding: Some((Some(4), "lost".to_owned())),
            ..good.clone()
        };
        let mut progress = Progress::open(&path, "this").unwrap();
        progress.note(7, &good).unwrap();
        progress.note(8, &bad).unwrap();
        // The process ends in the middle of a line.
        progress.file.write_all(b"9 good kills=3").unwrap();
        let progress = Progress::open(&path, "this").unwrap();
        assert_eq!(progress.done, HashSet::from([7, 8]));
        assert_eq!((progress.failed, progress.counts.kills), (vec![8], 6));
        assert!(Progress::open(&path, "that").is_err());
    }

    #[test]
    fn every_seed_is_run_once_on_several_threads() {
        let campaign = Campaign {
            seeds: (1..=5).collect(),
            events: 3,
            with_kills: true,
            threads: 2,
        };
        let mut seen = Vec::new();
        campaign.run(|seed, outcome| {
            assert_eq!(outcome.finding, None);
            seen.push(seed);
            true
        });
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5]);
    }
}
