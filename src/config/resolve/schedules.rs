//! `[[schedules]]` and their files of holidays. Cold code.
//!
//! Rules become tables of windows here, so that sessions and links can share them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::section::Section;
use super::topology::define;
use super::{Context, shown};
use crate::config::calendar::{self, Days, Rule};
use crate::config::diagnostics::{FileId, Place};
use crate::config::file::{self, GatewayFile, Item, Parsed};
use crate::config::plan::SchedulePlan;
use crate::config::suggest;
use crate::limits::{HOLIDAYS_MAX, SCHEDULES_MAX};

/// All schedules, in the order of the file.
pub fn schedules(cx: &mut Context, id: FileId, f: &Parsed<GatewayFile>) -> Vec<SchedulePlan> {
    let all = &f.value.schedules;
    if all.len() > SCHEDULES_MAX {
        let message = format!("has {} entries, at most {SCHEDULES_MAX}", all.len());
        cx.error(id, 0..0, "schedules", message, "configure fewer".to_owned());
    }
    let mut names = std::mem::take(&mut cx.schedules);
    names.incomplete = f.broken || f.refused.iter().any(|(_, key)| key == "schedules");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now_ns = now.as_nanos() as u64;
    let mut plans = Vec::with_capacity(all.len());
    for (at, schedule) in all.iter().enumerate() {
        let t = schedule.get_ref();
        let mut s = Section::new(cx, id, "schedules", schedule.span(), &f.refused);
        let errors = s.cx.errors();
        let name = s.text("name", &t.name);
        define(&mut s, &mut names, &name, at, &t.name);
        let rule = rule(&mut s, t);
        let table = Arc::new(rule.schedule(now_ns));
        if s.cx.errors() == errors && table.opens_after(now_ns) == 0 {
            let message = "never opens in the coming year".to_owned();
            s.doubtful(
                "days",
                &t.days,
                message,
                "look at its days, times and holidays",
            );
        }
        s.cx.schedule_tables.push(table.clone());
        plans.push(SchedulePlan { name, rule, table });
    }
    cx.schedules = names;
    plans
}

fn rule(s: &mut Section, t: &file::Schedule) -> Rule {
    Rule {
        zone: zone(s, &t.time_zone),
        start: s.time("start", &t.start),
        end: s.time("end", &t.end),
        days: days(s, t),
        holidays: holidays(s, &t.holidays),
    }
}

fn zone(s: &mut Section, item: &Item<String>) -> TimeZone {
    let errors = s.cx.errors();
    let name = s.text("time_zone", item);
    if item.is_none() || s.cx.errors() > errors {
        return TimeZone::UTC;
    }
    calendar::zone(&name).unwrap_or_else(|| {
        let known: Vec<_> = calendar::zone_names().collect();
        let near = suggest::nearest(&name, known.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => {
                "write a name of the IANA time zone database, such as \"Asia/Shanghai\"".to_owned()
            }
        };
        let message = format!("is no known time zone: {}", shown(&name));
        s.contradicts("time_zone", item, message, &help);
        TimeZone::UTC
    })
}

/// Daily, or weekly where `start_day` and `end_day` are named.
fn days(s: &mut Section, t: &file::Schedule) -> Days {
    let mut daily = [t.days.is_none(); 7];
    for name in s.words("days", &t.days) {
        let at = calendar::weekday(name).unwrap_or(0);
        if std::mem::replace(&mut daily[at], true) {
            let message = format!("names {name} twice");
            s.doubtful("days", &t.days, message, "name each day once");
        }
    }
    if t.days
        .as_ref()
        .is_some_and(|days| days.get_ref().is_empty())
    {
        daily = [true; 7];
    }
    let start = s.optional_word("start_day", &t.start_day);
    let end = s.optional_word("end_day", &t.end_day);
    match (&t.start_day, &t.end_day) {
        (None, None) => return Days::Daily(daily),
        (Some(_), None) => {
            let message = "is missing: a weekly schedule closes on a day".to_owned();
            s.contradicts("end_day", &t.end_day, message, "write end_day = \"fri\"");
        }
        (None, Some(_)) => {
            let message = "is missing: a weekly schedule opens on a day".to_owned();
            s.contradicts(
                "start_day",
                &t.start_day,
                message,
                "write start_day = \"mon\"",
            );
        }
        (Some(_), Some(_)) if t.days.is_some() => {
            let message = "is for daily schedules, and start_day makes this one weekly".to_owned();
            s.contradicts(
                "days",
                &t.days,
                message,
                "leave out days, or start_day and end_day",
            );
        }
        (Some(_), Some(_)) => {}
    }
    let weekday = |name: Option<&str>| name.and_then(calendar::weekday).unwrap_or(0);
    Days::Weekly {
        start: weekday(start),
        end: weekday(end),
    }
}

/// One date per line.
fn holidays(s: &mut Section, item: &Item<String>) -> BTreeSet<Date> {
    let mut dates = BTreeSet::new();
    let Some(named) = item else { return dates };
    if named.get_ref().is_empty() {
        let message = "is no path: \"\"".to_owned();
        s.contradicts("holidays", item, message, "name a file, or leave it out");
        return dates;
    }
    let path = s.cx.directory.join(named.get_ref());
    if !s.can_open("holidays", item, &path) {
        return dates;
    }
    let help = "write it (one date a line, such as 2026-10-01), or leave `holidays` out";
    let Some(file) = super::read(s.cx.diagnostics, &path, help) else {
        return dates;
    };
    let text = s.cx.diagnostics.text(file).to_owned();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let written = line.split('#').next().unwrap_or_default();
        let word = written.trim();
        let at = start + (written.len() - written.trim_start().len());
        start += line.len();
        if word.is_empty() {
            continue;
        }
        let place = Place {
            file,
            span: at..at + word.len(),
        };
        let Some(date) = calendar::date(word) else {
            let message = format!("is no date: {}", shown(word));
            let help = "write one date a line, such as 2026-10-01, and remarks behind #".to_owned();
            s.cx.diagnostics.error(place, "holidays", message, help);
            continue;
        };
        if !dates.insert(date) {
            let message = format!("is here twice: {date}");
            s.cx.diagnostics
                .warn(place, "holidays", message, "write it once".to_owned());
        }
    }
    if dates.len() > HOLIDAYS_MAX {
        let message = format!("names {} days, at most {HOLIDAYS_MAX}", dates.len());
        s.contradicts("holidays", item, message, "leave out those that are over");
    }
    dates
}
