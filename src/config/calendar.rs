//! Rules of a session schedule (days, times, time zone, holidays) and the windows in UTC that they mean. The only place that
//! knows time zones.
//!
//! Cold: at the start, and about once a year on the control thread. The zones' data is built in, since hosts may have none: a
//! changed law needs a new build. **Local times around a change of the clock:** a time that does not exist is the moment at which the
//! clock jumps over it; a time that comes twice is the first of the two. So windows keep their order, and one that lies wholly in
//! what is skipped does not take place.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

use crate::domain::time::{NS_PER_S, S_PER_DAY};
use crate::domain::{Schedule, Window};
use crate::limits::{SCHEDULE_DAYS_AHEAD, SCHEDULE_DAYS_BACK, SCHEDULE_DAYS_LEFT_MIN};

const NS_PER_DAY: u64 = S_PER_DAY * NS_PER_S;

/// Days of the week as the configuration writes them, Monday first.
pub const WEEKDAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// On which days windows open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Days {
    /// On each of these days, Monday first; it closes on the same day, or on the next where `end` is not after `start`.
    Daily([bool; 7]),
    /// Once a week; Monday is 0.
    Weekly {
        /// Day on which it opens
        start: usize,
        /// Day on which it closes; the same day with `end` not after `start`: seven days later
        end: usize,
    },
}

/// A schedule as configured.
#[derive(Clone, Debug)]
pub struct Rule {
    /// In which times and days are meant
    pub zone: TimeZone,
    /// Which days
    pub days: Days,
    /// When it opens
    pub start: Time,
    /// When it closes
    pub end: Time,
    /// Days on which nothing opens. A weekly window opens on the first day after them instead.
    pub holidays: BTreeSet<Date>,
}

impl Rule {
    /// The schedule around `wall_ns`.
    pub fn schedule(&self, wall_ns: u64) -> Schedule {
        let from_ns = wall_ns.saturating_sub(SCHEDULE_DAYS_BACK * NS_PER_DAY);
        let until_ns = wall_ns.saturating_add(SCHEDULE_DAYS_AHEAD * NS_PER_DAY);
        Schedule::new(self.windows(from_ns, until_ns), until_ns)
    }

    /// Appends to `schedule` where it ends soon; true where it did.
    pub fn renew(&self, schedule: &Schedule, wall_ns: u64) -> bool {
        let known_ns = schedule.known_until_ns();
        if known_ns.saturating_sub(wall_ns) >= SCHEDULE_DAYS_LEFT_MIN * NS_PER_DAY {
            return false;
        }
        let until_ns = known_ns.max(wall_ns) + SCHEDULE_DAYS_AHEAD * NS_PER_DAY;
        schedule.append(self.windows(known_ns, until_ns), until_ns)
    }

    /// The windows that close after `from_ns` and not after `until_ns`, in order.
    pub fn windows(&self, from_ns: u64, until_ns: u64) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        // A window lasts at most a week: what closes in time opened at most that long before. One more day for the zone.
        let mut day = self.date(from_ns.saturating_sub(8 * NS_PER_DAY));
        let last = self.date(until_ns);
        while day <= last {
            if let Some(mut window) = self.window(day) {
                if let Some(before) = windows.last() {
                    window.opens_ns = window.opens_ns.max(before.closes_ns);
                }
                if window.opens_ns < window.closes_ns {
                    windows.push(window);
                }
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        windows.retain(|w| w.closes_ns > from_ns && w.closes_ns <= until_ns);
        windows
    }

    /// The window of a day.
    fn window(&self, day: Date) -> Option<Window> {
        let weekday = day.weekday().to_monday_zero_offset() as usize;
        let wraps = self.end <= self.start;
        let (opens, closes) = match self.days {
            Days::Daily(days) => {
                if !days[weekday] || self.holidays.contains(&day) {
                    return None;
                }
                (day, if wraps { day.tomorrow().ok()? } else { day })
            }
            Days::Weekly { start, end } => {
                if weekday != start {
                    return None;
                }
                let days = match (end + 7 - start) % 7 {
                    0 if wraps => 7,
                    days => days,
                };
                let mut opens = day;
                while self.holidays.contains(&opens) {
                    opens = opens.tomorrow().ok()?;
                }
                (opens, day.checked_add((days as i64).days()).ok()?)
            }
        };
        Some(Window {
            opens_ns: self.instant(opens, self.start)?,
            closes_ns: self.instant(closes, self.end)?,
        })
    }

    /// A local time as nanoseconds since 1970; see the top of the file.
    fn instant(&self, date: Date, time: Time) -> Option<u64> {
        let ambiguous = self.zone.to_ambiguous_timestamp(date.to_datetime(time));
        let earlier = match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                let before = ambiguous.earlier().ok()?;
                self.zone.following(before).next()?.timestamp()
            }
            _ => ambiguous.earlier().ok()?,
        };
        u64::try_from(earlier.as_nanosecond()).ok()
    }

    fn date(&self, wall_ns: u64) -> Date {
        let timestamp =
            Timestamp::from_nanosecond(wall_ns as i128).unwrap_or(Timestamp::UNIX_EPOCH);
        timestamp.to_zoned(self.zone.clone()).date()
    }
}

/// The zone of that name; names as in the IANA time zone database, case does not matter.
pub fn zone(name: &str) -> Option<TimeZone> {
    database().get(name).ok()
}

/// All names of zones, for suggestions.
pub fn zone_names() -> impl Iterator<Item = String> {
    database().available().map(|name| name.to_string())
}

fn database() -> &'static TimeZoneDatabase {
    static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
    DATABASE.get_or_init(TimeZoneDatabase::bundled)
}

/// `YYYY-MM-DD`, nothing else.
pub fn date(text: &str) -> Option<Date> {
    let digits = |range: std::ops::Range<usize>| text.get(range)?.parse::<u16>().ok();
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !shape {
        return None;
    }
    Date::new(
        digits(0..4)? as i16,
        digits(5..7)? as i8,
        digits(8..10)? as i8,
    )
    .ok()
}

/// `HH:MM:SS`, nothing else.
pub fn time(text: &str) -> Option<Time> {
    let digits = |range: std::ops::Range<usize>| text.get(range)?.parse::<i8>().ok();
    let shape = text.len() == 8
        && text.bytes().enumerate().all(|(at, byte)| match at {
            2 | 5 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    if !shape {
        return None;
    }
    Time::new(digits(0..2)?, digits(3..5)?, digits(6..8)?, 0).ok()
}

/// Monday is 0.
pub fn weekday(name: &str) -> Option<usize> {
    WEEKDAYS.iter().position(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_DAY: Days = Days::Daily([true; 7]);
    const WORK_DAYS: Days = Days::Daily([true, true, true, true, true, false, false]);

    fn rule(name: &str, days: Days, start: &str, end: &str, holidays: &[&str]) -> Rule {
        Rule {
            zone: zone(name).unwrap(),
            days,
            start: time(start).unwrap(),
            end: time(end).unwrap(),
            holidays: holidays.iter().map(|day| date(day).unwrap()).collect(),
        }
    }

    fn ns(utc: &str) -> u64 {
        let timestamp: Timestamp = format!("{utc}Z").parse().unwrap();
        timestamp.as_nanosecond() as u64
    }

    /// Windows that close between the two, as text in UTC.
    fn windows(rule: &Rule, from: &str, until: &str) -> Vec<String> {
        let text = |ns: u64| {
            let timestamp = Timestamp::from_nanosecond(ns as i128).unwrap();
            timestamp.strftime("%m-%d %H:%M").to_string()
        };
        let shown = |w: &Window| format!("{} to {}", text(w.opens_ns), text(w.closes_ns));
        rule.windows(ns(from), ns(until))
            .iter()
            .map(shown)
            .collect()
    }

    #[test]
    fn shanghai_has_no_summer_time_and_sleeps_at_weekends() {
        let rule = rule(
            "Asia/Shanghai",
            WORK_DAYS,
            "07:30:00",
            "23:55:00",
            &["2026-11-24"],
        );
        let seen = windows(&rule, "2026-11-19T20:00", "2026-11-26T00:00");
        // Friday, Monday, (Tuesday is a holiday), Wednesday; 2026-11-20 is a Friday.
        let wanted = [
            "11-19 23:30 to 11-20 15:55",
            "11-22 23:30 to 11-23 15:55",
            "11-24 23:30 to 11-25 15:55",
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn over_midnight_belongs_to_the_day_on_which_it_opens() {
        let rule = rule("UTC", WORK_DAYS, "21:00:00", "02:30:00", &["2026-11-26"]);
        let seen = windows(&rule, "2026-11-25T00:00", "2026-11-29T00:00");
        let wanted = [
            "11-24 21:00 to 11-25 02:30",
            "11-25 21:00 to 11-26 02:30",
            "11-27 21:00 to 11-28 02:30",
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn the_same_time_twice_is_a_whole_day() {
        let rule = rule("UTC", EVERY_DAY, "00:00:00", "00:00:00", &[]);
        let seen = windows(&rule, "2026-11-25T00:00", "2026-11-27T00:00");
        assert_eq!(
            seen,
            ["11-25 00:00 to 11-26 00:00", "11-26 00:00 to 11-27 00:00"]
        );
    }

    #[test]
    fn new_york_in_the_nights_when_its_clocks_change() {
        // 2026-03-08: from 02:00 EST (07:00 UTC) on it is 03:00 EDT. 2026-11-01: 02:00 EDT (06:00 UTC) is 01:00 EST again.
        let day = rule("America/New_York", EVERY_DAY, "08:00:00", "17:00:00", &[]);
        let spring = windows(&day, "2026-03-07T00:00", "2026-03-09T00:00");
        assert_eq!(
            spring,
            ["03-07 13:00 to 03-07 22:00", "03-08 12:00 to 03-08 21:00"]
        );
        let autumn = windows(&day, "2026-10-31T00:00", "2026-11-02T00:00");
        assert_eq!(
            autumn,
            ["10-31 12:00 to 10-31 21:00", "11-01 13:00 to 11-01 22:00"]
        );

        // What does not exist is the moment of the jump.
        let skipped = rule("America/New_York", EVERY_DAY, "02:30:00", "03:10:00", &[]);
        let spring = windows(&skipped, "2026-03-07T12:00", "2026-03-10T00:00");
        assert_eq!(
            spring,
            ["03-08 07:00 to 03-08 07:10", "03-09 06:30 to 03-09 07:10"]
        );
        let within = rule("America/New_York", EVERY_DAY, "02:10:00", "02:50:00", &[]);
        let spring = windows(&within, "2026-03-07T12:00", "2026-03-10T00:00");
        assert_eq!(spring, ["03-09 06:10 to 03-09 06:50"], "wholly skipped");

        // What comes twice is the first.
        let twice = rule("America/New_York", EVERY_DAY, "01:30:00", "03:00:00", &[]);
        let autumn = windows(&twice, "2026-11-01T00:00", "2026-11-02T00:00");
        assert_eq!(autumn, ["11-01 05:30 to 11-01 08:00"]);
        let around = rule("America/New_York", EVERY_DAY, "01:30:00", "01:30:00", &[]);
        let autumn = windows(&around, "2026-11-01T00:00", "2026-11-03T00:00");
        assert_eq!(
            autumn,
            ["10-31 05:30 to 11-01 05:30", "11-01 05:30 to 11-02 06:30"]
        );
    }

    #[test]
    fn a_week_from_sunday_to_friday_in_new_york() {
        let days = Days::Weekly { start: 6, end: 4 };
        let rule = rule(
            "America/New_York",
            days,
            "17:00:00",
            "17:00:00",
            &["2026-11-08"],
        );
        let seen = windows(&rule, "2026-10-28T00:00", "2026-11-14T00:00");
        // Clocks change in the first night of the second; the third opens on Monday, since its Sunday is a holiday.
        let wanted = [
            "10-25 21:00 to 10-30 21:00",
            "11-01 22:00 to 11-06 22:00",
            "11-09 22:00 to 11-13 22:00",
        ];
        assert_eq!(seen, wanted);
    }

    #[test]
    fn a_week_that_ends_on_the_day_on_which_it_began() {
        let whole = rule(
            "UTC",
            Days::Weekly { start: 6, end: 6 },
            "18:00:00",
            "17:00:00",
            &[],
        );
        let seen = windows(&whole, "2026-11-10T00:00", "2026-11-23T00:00");
        assert_eq!(
            seen,
            ["11-08 18:00 to 11-15 17:00", "11-15 18:00 to 11-22 17:00"]
        );
        let short = rule(
            "UTC",
            Days::Weekly { start: 6, end: 6 },
            "17:00:00",
            "18:00:00",
            &[],
        );
        let seen = windows(&short, "2026-11-10T00:00", "2026-11-23T00:00");
        assert_eq!(
            seen,
            ["11-15 17:00 to 11-15 18:00", "11-22 17:00 to 11-22 18:00"]
        );
    }

    #[test]
    fn the_next_table_goes_on_where_the_last_one_ends() {
        let rule = rule("Europe/London", EVERY_DAY, "20:00:00", "19:30:00", &[]);
        let start_ns = ns("2026-11-23T12:00");
        let schedule = rule.schedule(start_ns);
        assert!(!rule.renew(&schedule, start_ns), "there is enough");
        let mut now_ns = start_ns;
        for _ in 0..4 * 366 {
            now_ns += NS_PER_DAY;
            rule.renew(&schedule, now_ns);
            assert!(schedule.known_until_ns() - now_ns >= SCHEDULE_DAYS_LEFT_MIN * NS_PER_DAY);
        }
        let (from_ns, until_ns) = (start_ns - 300 * NS_PER_DAY, now_ns);
        let mut at = schedule.phase(from_ns).until_ns;
        let whole = rule.windows(from_ns, until_ns);
        let mut seen = Vec::new();
        while seen.len() < whole.len() - 1 {
            let phase = schedule.phase(at);
            if phase.open {
                let (opens_ns, closes_ns) = (phase.from_ns, phase.until_ns);
                seen.push(Window {
                    opens_ns,
                    closes_ns,
                });
            }
            at = phase.until_ns;
        }
        let first = whole.iter().position(|w| *w == seen[0]).unwrap();
        assert_eq!(seen[..], whole[first..first + seen.len()]);
        assert!(seen.len() > 4 * 366 + 290 && first <= 1);
    }

    #[test]
    fn dates_times_and_zones_are_read_strictly() {
        assert!(date("2028-02-29").is_some() && date("2026-02-29").is_none());
        assert!(
            date("2026-2-3").is_none()
                && date("20260203").is_none()
                && date("2026-02-03 ").is_none()
        );
        assert!(
            time("23:59:59").is_some() && time("24:00:00").is_none() && time("7:30:00").is_none()
        );
        assert!(time("+7:30:00").is_none());
        assert!(
            zone("Asia/Shanghai").is_some() && zone("Asia/Shangai").is_none() && zone("").is_none()
        );
        assert!(zone_names().any(|name| name == "America/New_York"));
    }
}
