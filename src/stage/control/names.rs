//! Names of the configuration to indices, for commands typed by people: an unknown name is answered with the nearest ones.
//!
//! Built once from the plan; owned by the control thread.

use super::protocol::{ErrorKind, LimitName, Response, ScopeName, SetSequence};
use crate::config::plan::Plan;
use crate::domain::command::{LimitChange, NumbersChange, Scope};
use crate::domain::{AccountIndex, DeskIndex, InstrumentIndex, LinkIndex, Money, SessionIndex};
use crate::limits::SEQUENCE_NUMBER_MAX;

/// A result whose error is the answer to the operator.
pub(super) type Answer<T> = Result<T, Box<Response>>;

/// Names offered for an unknown one.
const SUGGESTIONS_MAX: usize = 3;

pub(super) fn session(plan: &Plan, name: &str) -> Answer<SessionIndex> {
    let names = || plan.sessions.iter().map(|session| session.name.as_bytes());
    find("session", name, names).map(SessionIndex)
}

pub(super) fn account(plan: &Plan, name: &str) -> Answer<AccountIndex> {
    let names = || plan.accounts.iter().map(|account| account.name.as_bytes());
    find("account", name, names).map(AccountIndex)
}

pub(super) fn instrument(plan: &Plan, name: &str) -> Answer<InstrumentIndex> {
    let names = || {
        plan.instruments
            .iter()
            .map(|instrument| instrument.symbol.as_bytes())
    };
    find("instrument", name, names).map(InstrumentIndex)
}

pub(super) fn link(plan: &Plan, name: &str) -> Answer<LinkIndex> {
    let links = || plan.desks.iter().flat_map(|desk| &desk.links);
    find("link", name, || links().map(|link| link.name.as_bytes())).map(LinkIndex)
}

pub(super) fn desk(plan: &Plan, name: &str) -> Answer<DeskIndex> {
    let names = || plan.desks.iter().map(|desk| desk.name.as_bytes());
    find("desk", name, names).map(DeskIndex)
}

pub(super) fn scope(plan: &Plan, scope: &ScopeName) -> Answer<Scope> {
    Ok(match scope {
        ScopeName::Firm => Scope::Firm,
        ScopeName::Account(name) => Scope::Account(account(plan, name)?),
        ScopeName::Session(name) => Scope::Session(session(plan, name)?),
        ScopeName::Instrument(name) => Scope::Instrument(instrument(plan, name)?),
    })
}

pub(super) fn limit(limit: LimitName, value: &str) -> Answer<LimitChange> {
    let wrong = |wanted: &str| {
        let message = format!("`{value}` is no value for {}: {wanted}", limit.name());
        Box::new(Response::error(ErrorKind::BadValue, message))
    };
    let count = || {
        value
            .parse::<u32>()
            .map_err(|_| wrong("a whole number below 2^32, 0 for no limit"))
    };
    match limit {
        LimitName::OrderValueMax => match Money::parse(value.as_bytes()) {
            Some(money) if money >= Money::ZERO => Ok(LimitChange::OrderValueMax(money)),
            _ => Err(wrong(
                "an amount such as 1000000 or 2500.50, 0 for no limit",
            )),
        },
        LimitName::OpenOrdersMax => Ok(LimitChange::OpenOrdersMax(count()?)),
        LimitName::MessagesPerSecond => Ok(LimitChange::MessagesPerSecond(count()?)),
    }
}

/// Numbers that can be set, ticket and user still open.
pub(super) fn numbers(set: &SetSequence) -> Answer<NumbersChange> {
    for (option, value) in [("--next-in", set.next_in), ("--next-out", set.next_out)] {
        if !(1..=SEQUENCE_NUMBER_MAX).contains(&value) {
            let message = format!("`{value}` is no value for {option}: 1 to {SEQUENCE_NUMBER_MAX}");
            return Err(Box::new(Response::error(ErrorKind::BadValue, message)));
        }
    }
    Ok(NumbersChange {
        ticket: 0,
        next_in: set.next_in,
        next_out: set.next_out,
        log_out: set.logout,
        uid: 0,
        approver_uid: None,
    })
}

fn find<'a, I>(kind: &str, wanted: &str, names: impl Fn() -> I) -> Answer<u32>
where
    I: Iterator<Item = &'a [u8]>,
{
    if let Some(at) = names().position(|name| name == wanted.as_bytes()) {
        return Ok(at as u32);
    }
    let limit = 1 + wanted.len().min(64) / 4;
    let mut near: Vec<_> = names()
        .filter_map(|name| Some((distance(wanted.as_bytes(), name, limit)?, name)))
        .collect();
    near.sort();
    let near: Vec<_> = near
        .iter()
        .take(SUGGESTIONS_MAX)
        .map(|(_, name)| String::from_utf8_lossy(name))
        .collect();
    let mut message = format!("there is no {kind} `{}`", cut(wanted));
    if !near.is_empty() {
        message += &format!("; did you mean {}?", near.join(" or "));
    }
    Err(Box::new(Response::error(ErrorKind::Unknown, message)))
}

/// What a peer sent, short enough to be echoed.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Levenshtein distance, ignoring case, or `None` above `limit`.
fn distance(a: &[u8], b: &[u8], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit || a.len() > 64 {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + !x.eq_ignore_ascii_case(y) as usize;
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    (row[b.len()] <= limit).then_some(row[b.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance(b"ACC1", b"ACC1", 2), Some(0));
        assert_eq!(distance(b"acc1", b"ACC2", 2), Some(1));
        assert_eq!(distance(b"ACC", b"AC", 2), Some(1));
        assert_eq!(distance(b"ACC1", b"ZZZZ", 2), None);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let names = || [&b"ALPHA-1"[..], b"ALPHA-2", b"BETA"].into_iter();
        assert_eq!(find("session", "ALPHA-2", names).unwrap(), 1);
        let message = find("session", "alpha1", names).unwrap_err().message;
        assert!(
            message.ends_with("did you mean ALPHA-1 or ALPHA-2?"),
            "{message}"
        );
        let message = find("session", "nothing like it", names)
            .unwrap_err()
            .message;
        assert_eq!(message, "there is no session `nothing like it`");
    }

    #[test]
    fn values_of_limits() {
        let money = |value| limit(LimitName::OrderValueMax, value);
        assert_eq!(
            money("2.5").unwrap(),
            LimitChange::OrderValueMax(Money(250_000_000))
        );
        assert!(money("-1").is_err() && money("1e6").is_err() && money("").is_err());
        assert!(limit(LimitName::OpenOrdersMax, "4294967296").is_err());
    }
}
