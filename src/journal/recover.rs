//! What a start does about each log that it finds: one labelled decision table, from what is found to what is done.
//!
//! Pure: whoever reads the logs brings the facts, and does what the table says. What always holds: the first row that fits decides;
//! every refusal names a file, a byte, a reason and a remedy; nothing up to a mark in another log is ever cut; and what may be missing
//! behind it is given up only where the operator has said so.

use std::fmt;
use std::path::PathBuf;

use super::mark::Mark;
use super::read::Why;
use super::record::{LogId, RecordError};
use super::start::{FORMAT, Start};

/// What is found where a log's window should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Window {
    /// Nothing, or one whose making was cut short: nothing was ever written to it.
    #[default]
    Missing,
    /// That of the process before, and it has records that may not be on disk.
    Filled,
    /// The same, and all that it ever had is on disk.
    Drained,
    /// Another process holds it: this one, where that is known.
    InUse(Option<u32>),
    /// It was made before this host was last started: what the system had in memory is gone.
    OtherBoot,
    /// It was made on another host.
    OtherHost,
    /// No window, or one of another version.
    Unreadable,
}

/// What stands behind a log's last whole record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tail {
    /// Nothing, and there is no record before it either.
    #[default]
    Nothing,
    /// Nothing, and the record says that its process ended in order.
    Ended,
    /// Nothing.
    Open,
    /// What is no record, or not the next one.
    Broken(Why),
}

/// What a Start record says that does not belong where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misfit {
    /// It is the log of another stage.
    Log,
    /// It is of another start of the gateway.
    Epoch,
    /// It is of another gateway.
    Gateway,
    /// It is in another format, or no Start record at all.
    Format,
}

/// What is known of one log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Its window.
    pub window: Window,
    /// How it ends; of an earlier epoch: how that ends.
    pub tail: Tail,
    /// A Start record does not fit.
    pub misfit: Option<Misfit>,
    /// The broken place is the beginning of an epoch.
    pub is_at_start: bool,
    /// The next epoch's log goes on right behind the last whole record.
    pub goes_on: bool,
    /// A later start began its logs, as the file of starts says, and nothing of that is here.
    pub lacks_start: bool,
    /// Sequence of the last whole record.
    pub last: u64,
    /// Through here its records were on disk, as another log says.
    pub marked: u64,
    /// The operator has said that what may be missing shall be given up.
    pub accepts_loss: bool,
    /// First record that tells of what another log has lost; zero: none. See [`super::causes`].
    pub causeless: u64,
    /// That record was on disk for certain, as a mark says.
    pub is_proved: bool,
}

impl Facts {
    fn is_broken(&self) -> bool {
        matches!(self.tail, Tail::Broken(_))
    }

    fn is_of_other_version(&self) -> bool {
        let kind = |why| matches!(why, Why::Record(RecordError::Kind(_)));
        self.misfit == Some(Misfit::Format) || matches!(self.tail, Tail::Broken(why) if kind(why))
    }

    fn is_gap(&self) -> bool {
        let gap = |why| matches!(why, Why::Record(RecordError::Sequence { .. }));
        self.is_at_start && matches!(self.tail, Tail::Broken(why) if gap(why))
    }

    /// Of the process before, on this host and not started since.
    fn has_window(&self) -> bool {
        matches!(self.window, Window::Filled | Window::Drained)
    }
}

/// What is done about a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It is gone on with.
    GoOn,
    /// It is gone on with, and what is in its window alone is brought to its place on disk first.
    TakeOver,
    /// What stands behind its last whole record is left out: it never happened.
    CutTail,
    /// What stands behind its last whole record is left out, and what may be missing given up: numbers that it may have used are
    /// skipped.
    GiveUp,
    /// As [`Action::GiveUp`]; and what stands at its end without a cause in another log, or behind that, is taken out and kept aside.
    CutEffects,
    /// The gateway does not start.
    Refuse,
}

/// One row of the table.
pub struct Row {
    /// Name of the case, in messages and in the operator's document.
    pub label: &'static str,
    /// Whether it fits.
    when: fn(&Facts) -> bool,
    /// What is done.
    pub action: Action,
    /// What it means.
    pub meaning: &'static str,
    /// Of a refusal: what an operator does.
    pub remedy: &'static str,
}

impl Row {
    /// Whether it is refused only until an operator accepts it.
    pub fn is_loss(&self) -> bool {
        self.action == Action::Refuse
            && ["loss", "torn_loss", "start_missing"].contains(&self.label)
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.label, self.action)
    }
}

const LOSS: &str = "settle with the desks what they have, then start once with --accept-host-loss: our sequence numbers then skip what may \
                    have been used";
const COPY: &str = "put the file back from a copy; without one agree with clients and desks on numbers, orders and positions, and move all \
                    logs and windows away to begin anew";

/// The table. The first row that fits decides; the last one fits always.
pub const TABLE: [Row; 23] = [
    Row {
        label: "in_use",
        when: |it| matches!(it.window, Window::InUse(_)),
        action: Action::Refuse,
        meaning: "another process has this log",
        remedy: "stop it, or give this gateway directories of its own",
    },
    Row {
        label: "other_version",
        when: Facts::is_of_other_version,
        action: Action::Refuse,
        meaning: "another version of gatehouse wrote it",
        remedy: "go on with the version that the beginning of the file names until the trading day is over, then move all logs and \
                 windows away and start this one",
    },
    Row {
        label: "other_log",
        when: |it| it.misfit == Some(Misfit::Log),
        action: Action::Refuse,
        meaning: "it is the file of another log",
        remedy: "give the files back their names",
    },
    Row {
        label: "other_start",
        when: |it| it.misfit == Some(Misfit::Epoch),
        action: Action::Refuse,
        meaning: "it is the file of another start of the gateway",
        remedy: "give the files back their names",
    },
    Row {
        label: "other_gateway",
        when: |it| it.misfit == Some(Misfit::Gateway),
        action: Action::Refuse,
        meaning: "it is the log of another gateway",
        remedy: "give each gateway a log_directory of its own; if this one was given another name, give it back its old one until the \
                 trading day is over, then move all logs and windows away",
    },
    Row {
        label: "cut_before",
        when: |it| it.goes_on && it.is_broken() && !it.is_gap(),
        action: Action::CutTail,
        meaning: "an earlier start left it out and went on before it",
        remedy: "",
    },
    Row {
        label: "gap",
        when: Facts::is_gap,
        action: Action::Refuse,
        meaning: "records between this start and the one before are missing",
        remedy: "put the missing files of the earlier starts back; they belong together",
    },
    Row {
        label: "damaged",
        when: |it| it.is_broken() && it.last < it.marked,
        action: Action::Refuse,
        meaning: "it is damaged, and what should stand here was on disk",
        remedy: COPY,
    },
    Row {
        label: "shortened",
        when: |it| it.last < it.marked,
        action: Action::Refuse,
        meaning: "its end is missing, and what should stand here was on disk",
        remedy: COPY,
    },
    Row {
        label: "cause_missing",
        when: |it| it.causeless > 0 && it.is_proved,
        action: Action::Refuse,
        meaning: "it tells of a record that another log does not have, and both were on disk",
        remedy: COPY,
    },
    Row {
        label: "nothing_but_window",
        when: |it| it.tail == Tail::Nothing && it.window == Window::Filled,
        action: Action::Refuse,
        meaning: "the window has records of a log whose files are not there",
        remedy: "put the files back; if they were moved away to begin anew, move the windows away too",
    },
    Row {
        label: "nothing",
        when: |it| it.tail == Tail::Nothing,
        action: Action::GoOn,
        meaning: "there is no record: it begins here",
        remedy: "",
    },
    Row {
        label: "start_missing",
        when: |it| it.lacks_start && (it.has_window() || !it.accepts_loss) && !it.is_broken(),
        action: Action::Refuse,
        meaning: "a later start of the gateway began its logs, and nothing of it is here: the host went down right after that, or these are \
                  older copies",
        remedy: "put the logs of the last start back; if the host went down, settle with the desks what they have and start once with \
                 --accept-host-loss",
    },
    Row {
        label: "ended",
        when: |it| it.tail == Tail::Ended && !it.lacks_start && it.causeless == 0,
        action: Action::GoOn,
        meaning: "the process before ended in order",
        remedy: "",
    },
    Row {
        label: "unreadable_window",
        when: |it| it.window == Window::Unreadable,
        action: Action::Refuse,
        meaning: "the window of the process before cannot be read by this version, and has what may not be on disk",
        remedy: "start the version of gatehouse that wrote it and stop it in order; without it move the window away, which is then a loss \
                 of the host",
    },
    Row {
        label: "other_host",
        when: |it| it.window == Window::OtherHost,
        action: Action::Refuse,
        meaning: "the window was made on another host, and its process did not end in order",
        remedy: "start the gateway there and stop it in order, then bring the logs here; where that host is gone move the window away, \
                 which is then a loss of the host",
    },
    Row {
        label: "broken_with_window",
        when: |it| it.is_broken() && it.has_window(),
        action: Action::Refuse,
        meaning: "it is damaged: the host did not go down, and the window does not have what should stand here",
        remedy: COPY,
    },
    Row {
        label: "killed",
        when: |it| it.has_window() && it.causeless == 0,
        action: Action::TakeOver,
        meaning: "the process before was killed",
        remedy: "",
    },
    Row {
        label: "unmarked_damage",
        when: |it| it.is_broken() && it.tail != Tail::Broken(Why::TornTail) && it.marked == 0,
        action: Action::Refuse,
        meaning: "it is damaged, and no other log says how much of it was on disk",
        remedy: COPY,
    },
    Row {
        label: "effects_cut",
        when: |it| it.causeless > 0 && it.accepts_loss,
        action: Action::CutEffects,
        meaning: "the host went down, and the end of this log tells of what another one has lost: it is cut there, and kept aside",
        remedy: "",
    },
    Row {
        label: "loss_accepted",
        when: |it| it.accepts_loss,
        action: Action::GiveUp,
        meaning: "the host went down while the gateway ran, or its staging directory was emptied",
        remedy: "",
    },
    Row {
        label: "torn_loss",
        when: Facts::is_broken,
        action: Action::Refuse,
        meaning: "the host went down while the gateway ran, or its staging directory was emptied: the last records were not written to \
                  their end and others may be missing, and with them orders that desks have",
        remedy: LOSS,
    },
    Row {
        label: "loss",
        when: |_| true,
        action: Action::Refuse,
        meaning: "the host went down while the gateway ran, or its staging directory was emptied: the last records may be missing, and \
                  with them orders that desks have",
        remedy: LOSS,
    },
];

/// The row that decides.
pub fn decide(facts: &Facts) -> &'static Row {
    let fits = |row: &&Row| (row.when)(facts);
    TABLE.iter().find(fits).unwrap_or(&TABLE[TABLE.len() - 1])
}

/// What of a Start record does not belong to this log, epoch and gateway. No name of a gateway: it may be anyone's.
pub fn misfit(
    start: Option<Start<'_>>,
    log: LogId,
    epoch: u16,
    gateway: Option<&str>,
) -> Option<Misfit> {
    let Some(start) = start.filter(|start| start.format == FORMAT) else {
        return Some(Misfit::Format);
    };
    if start.log != log.name() {
        return Some(Misfit::Log);
    }
    if start.epoch != epoch {
        return Some(Misfit::Epoch);
    }
    gateway
        .is_some_and(|gateway| gateway != start.gateway)
        .then_some(Misfit::Gateway)
}

/// Why the gateway does not start.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Refusal {
    /// Label of the row
    pub label: &'static str,
    /// Which log
    pub log: LogId,
    /// The file concerned
    pub file: PathBuf,
    /// The byte in it
    pub offset: u64,
    /// What is wrong
    pub what: String,
    /// What to do
    pub remedy: &'static str,
    /// It may be accepted
    pub is_loss: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (log, file) = (self.log.name(), self.file.display());
        write!(
            f,
            "{log} log, {file} at byte {}: {} ({}); nothing was changed. What to do: {}",
            self.offset, self.what, self.label, self.remedy
        )
    }
}

/// What is wrong, in words.
pub fn describe(row: &Row, facts: &Facts, mark: Option<Mark>) -> String {
    let mut what = row.meaning.to_owned();
    match facts.tail {
        Tail::Broken(why) => what += &format!("; behind record {}: {why}", facts.last),
        Tail::Nothing => {}
        Tail::Ended | Tail::Open => what += &format!("; its last record is {}", facts.last),
    }
    if facts.causeless > 0 {
        what += &format!("; the cause of record {} is not there", facts.causeless);
    }
    if let Some(mark) = mark.filter(|mark| facts.last < mark.through) {
        what += &format!(
            "; record {} of the {} log (start {}) says that all through record {} was on disk",
            mark.record,
            mark.by.name(),
            mark.epoch,
            mark.through
        );
    }
    if let Window::InUse(Some(process)) = facts.window {
        what += &format!(": process {process}");
    }
    what
}

/// A log that goes on with record `first` in its next epoch says that all before that was on disk. `None` where it goes on right
/// behind `last`.
pub fn mark_of_next(log: LogId, epoch: u16, first: u64, last: u64) -> Option<Mark> {
    (first != last + 1).then_some(Mark {
        // One that goes back is no less wrong.
        through: first.saturating_sub(1).max(last + 1),
        by: log,
        epoch,
        record: first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn labels_are_unique_and_refusals_say_what_to_do() {
        let mut labels = HashSet::new();
        for row in &TABLE {
            assert!(labels.insert(row.label), "{row:?}");
            assert_eq!(
                row.remedy.is_empty(),
                row.action != Action::Refuse,
                "{row:?}"
            );
        }
    }

    /// Every combination of facts: what the table promises as a whole.
    #[test]
    fn nothing_up_to_a_mark_is_cut_and_nothing_is_given_up_unasked() {
        let windows = [
            Window::Missing,
            Window::Filled,
            Window::Drained,
            Window::InUse(None),
            Window::OtherBoot,
            Window::OtherHost,
            Window::Unreadable,
        ];
        let sequence = RecordError::Sequence {
            wanted: 1,
            found: 2,
        };
        let whys = [
            Why::TornTail,
            Why::MissingSegment,
            Why::Hole,
            Why::Record(RecordError::Checksum),
            Why::Record(RecordError::Kind(99)),
            Why::Record(sequence),
        ];
        let tails = [Tail::Nothing, Tail::Ended, Tail::Open];
        let tails = || tails.into_iter().chain(whys.map(Tail::Broken));
        let misfits = [
            None,
            Some(Misfit::Log),
            Some(Misfit::Epoch),
            Some(Misfit::Gateway),
            Some(Misfit::Format),
        ];
        let mut used = HashSet::new();
        for (window, tail) in windows
            .into_iter()
            .flat_map(|it| tails().map(move |tail| (it, tail)))
        {
            for (misfit, bits) in misfits
                .into_iter()
                .flat_map(|it| (0..64 * 3).map(move |bits| (it, bits)))
            {
                let bit = |at: u32| bits >> at & 1 == 1;
                let facts = Facts {
                    window,
                    tail,
                    misfit,
                    is_at_start: bit(0),
                    goes_on: bit(1),
                    last: if tail == Tail::Nothing { 0 } else { 5 },
                    marked: [0, 5, 6, 7][(bits >> 2 & 3) as usize],
                    accepts_loss: bit(4),
                    lacks_start: bit(5),
                    causeless: if bits < 64 { 0 } else { 4 },
                    is_proved: bits >= 128,
                };
                let row = decide(&facts);
                used.insert(row.label);
                let is_over = facts.goes_on && facts.is_broken();
                if facts.last < facts.marked && !is_over {
                    assert_eq!(row.action, Action::Refuse, "{facts:?}");
                }
                if facts.causeless > 0 && !is_over {
                    let goes_on = [Action::CutEffects, Action::Refuse].contains(&row.action);
                    assert!(goes_on || tail == Tail::Nothing, "{facts:?}");
                }
                match row.action {
                    Action::CutEffects => {
                        assert!(facts.accepts_loss && !facts.is_proved, "{facts:?}");
                        assert!(facts.causeless > 0, "{facts:?}");
                    }
                    Action::GiveUp => {
                        assert!(facts.accepts_loss && !facts.has_window(), "{facts:?}")
                    }
                    Action::CutTail => assert!(is_over, "{facts:?}"),
                    Action::TakeOver => {
                        assert!(facts.has_window() && tail == Tail::Open, "{facts:?}")
                    }
                    Action::GoOn => {
                        assert!(matches!(tail, Tail::Nothing | Tail::Ended), "{facts:?}")
                    }
                    Action::Refuse => {}
                }
            }
        }
        let unused: Vec<_> = TABLE
            .iter()
            .filter(|row| !used.contains(row.label))
            .collect();
        assert!(unused.is_empty(), "{unused:?}");
    }
}
