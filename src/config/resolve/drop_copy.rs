//! Sessions that receive copies: whose reports, by client, session or account. Cold code.
//!
//! Settled when all sessions are known, since a session may be named before it is defined. Such a session orders nothing; what it would
//! need for that is refused or doubted here.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use toml::Spanned;

use super::section::Section;
use super::{Context, Names, account_index, shown};
use crate::config::diagnostics::FileId;
use crate::config::file::{ClientsFile, Item, Parsed, Session};
use crate::config::plan::{DropCopyPlan, SessionPlan};
use crate::domain::SessionIndex;
use crate::limits::DROP_COPIES_MAX;

type NameList = Item<Vec<Spanned<String>>>;

/// The keys of a session that make it one that receives copies.
fn keys(t: &Session) -> [(&'static str, &NameList); 3] {
    [
        ("drop_copy_clients", &t.drop_copy_clients),
        ("drop_copy_sessions", &t.drop_copy_sessions),
        ("drop_copy_accounts", &t.drop_copy_accounts),
    ]
}

/// Whether the session receives copies, or was meant to where the key was refused.
pub fn is_receiver(f: &Parsed<ClientsFile>, session: &Spanned<Session>) -> bool {
    let (t, start) = (session.get_ref(), session.span().start);
    let is_there = |(name, list): (&str, &NameList)| {
        list.is_some() || f.refused.contains(&(start, name.to_owned()))
    };
    keys(t).into_iter().any(is_there)
}

/// What a session that receives copies cannot have.
pub fn check_receiver(s: &mut Section, t: &Session) {
    let accounts = t.accounts.as_ref().map(|list| list.get_ref().as_slice());
    if accounts.is_some_and(|list| !list.is_empty()) {
        let message = "stands beside drop_copy keys: a session that receives copies orders nothing";
        let help = "leave it out, or leave out the drop_copy keys and give the copies a session of their own";
        s.contradicts("accounts", &t.accounts, message.to_owned(), help);
    }
    let message = || "has no effect: the session receives copies and orders nothing".to_owned();
    let help = "leave it out";
    for (name, flag) in [
        ("pending_new", &t.pending_new),
        ("cancel_on_disconnect", &t.cancel_on_disconnect),
    ] {
        if flag.as_ref().is_some_and(|flag| *flag.get_ref()) {
            s.doubtful(name, flag, message(), help);
        }
    }
    if t.messages_per_second.is_some() {
        s.doubtful(
            "messages_per_second",
            &t.messages_per_second,
            message(),
            help,
        );
    }
    let lists = keys(t);
    let is_empty = |(_, list): &(_, &NameList)| {
        let names = list.as_ref().map(|list| list.get_ref());
        names.is_none_or(Vec::is_empty)
    };
    if lists.iter().all(is_empty)
        && let Some((name, list)) = lists.into_iter().find(|(_, list)| list.is_some())
    {
        let message = "is empty: the session receives nothing".to_owned();
        s.doubtful(name, list, message, "name whose reports it receives");
    }
}

/// How many receivers something has.
struct Shares<K>(HashMap<K, usize>);

impl<K: Hash + Eq + Copy> Shares<K> {
    /// One more for each of these; says whether one has too many now.
    fn exceed(&mut self, keys: &[K]) -> bool {
        let mut most = 0;
        for &key in keys {
            let count = self.0.entry(key).or_default();
            *count += 1;
            most = most.max(*count);
        }
        most > DROP_COPIES_MAX
    }
}

/// Puts the sessions that receive copies behind those that order: the logs know these by their places, which receivers that come and
/// go must not change.
pub fn receivers_last(plans: Vec<SessionPlan>) -> Vec<SessionPlan> {
    let receives: Vec<bool> = plans.iter().map(|plan| plan.drop_copy.is_some()).collect();
    let place = |session: &SessionIndex| {
        let before = &receives[..session.get()];
        let ordering = before.iter().filter(|receives| !**receives).count();
        SessionIndex(ordering as u32)
    };
    let (mut receivers, mut all): (Vec<_>, Vec<_>) =
        (plans.into_iter()).partition(|plan| plan.drop_copy.is_some());
    for copy in receivers.iter_mut().filter_map(|it| it.drop_copy.as_mut()) {
        // None of them receives copies itself.
        copy.sessions.iter_mut().for_each(|of| *of = place(of));
    }
    all.append(&mut receivers);
    all
}

/// Settles who receives copies of what; the plans are in the order of the file.
pub fn settle(
    cx: &mut Context,
    id: FileId,
    f: &Parsed<ClientsFile>,
    names: &Names,
    plans: &mut [SessionPlan],
) {
    let clients = f.value.clients.iter();
    let sessions = clients.flat_map(|client| &client.get_ref().sessions);
    let mut of_sessions = Shares(HashMap::new());
    let mut of_accounts = Shares(HashMap::new());
    for (at, session) in sessions.enumerate() {
        let t = session.get_ref();
        if plans[at].drop_copy.is_none() {
            continue;
        }
        let mut s = Section::new(cx, id, "clients.sessions", session.span(), &f.refused);
        let mut copy = DropCopyPlan::default();
        // Named twice, by itself or by its client, is meant once.
        let (mut sessions, mut accounts) = (HashSet::new(), HashSet::new());
        let plan_of = |at: usize| (SessionIndex(at as u32), &plans[at]);
        for name in each(&t.drop_copy_clients) {
            let key = "drop_copy_clients";
            let found = s.cx.clients.get(name.get_ref());
            let Some(client) = found else {
                unknown(&mut s, key, name, "client", |cx| &cx.clients);
                continue;
            };
            for of in (0..plans.len()).map(plan_of) {
                let is_meant = of.1.client.0 == client && of.1.drop_copy.is_none();
                if is_meant && sessions.insert(of.0) {
                    copy.sessions.push(of.0);
                }
            }
        }
        for name in each(&t.drop_copy_sessions) {
            let key = "drop_copy_sessions";
            let one = &Some(Spanned::new(name.span(), ()));
            let Some(found) = names.get(name.get_ref()) else {
                let full = s.cx.diagnostics.is_full();
                if let Some((message, help)) = names.unknown(name.get_ref(), "session", full) {
                    s.contradicts(key, one, message, &help);
                }
                continue;
            };
            let (of, plan) = plan_of(found as usize);
            if plan.drop_copy.is_some() {
                let name = shown(name.get_ref());
                let message = format!("names a session that receives copies itself: {name}");
                let help = "it orders nothing: name those that it receives copies of";
                s.contradicts(key, one, message, help);
            } else if sessions.insert(of) {
                copy.sessions.push(of);
            }
        }
        for name in each(&t.drop_copy_accounts) {
            let key = "drop_copy_accounts";
            let found = s.cx.accounts.get(name.get_ref());
            let account = account_index(found);
            if found.is_none() {
                unknown(&mut s, key, name, "account", |cx| &cx.accounts);
            } else if accounts.insert(account) {
                copy.accounts.push(account);
            }
        }
        let too_many = |what: &str| {
            format!("makes more than {DROP_COPIES_MAX} sessions receive copies of the same {what}")
        };
        let help = "let fewer sessions receive them";
        if of_accounts.exceed(&copy.accounts) {
            let list = &t.drop_copy_accounts;
            s.contradicts("drop_copy_accounts", list, too_many("account"), help);
        }
        if of_sessions.exceed(&copy.sessions) {
            let (name, list) = match t.drop_copy_sessions {
                Some(_) => ("drop_copy_sessions", &t.drop_copy_sessions),
                None => ("drop_copy_clients", &t.drop_copy_clients),
            };
            s.contradicts(name, list, too_many("session"), help);
        }
        plans[at].drop_copy = Some(copy);
    }
}

fn each(list: &NameList) -> &[Spanned<String>] {
    list.as_ref().map_or(&[], |list| list.get_ref())
}

fn unknown(
    s: &mut Section,
    key: &str,
    name: &Spanned<String>,
    what: &str,
    names: impl for<'a> Fn(&'a Context<'_>) -> &'a Names,
) {
    let full = s.cx.diagnostics.is_full();
    if let Some((message, help)) = names(s.cx).unknown(name.get_ref(), what, full) {
        let one = &Some(Spanned::new(name.span(), ()));
        s.contradicts(key, one, message, &help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::Sample;

    #[test]
    fn receivers_stand_behind_those_that_order_and_find_them_there() {
        let mut sample = Sample::new("/nowhere");
        (sample.sessions, sample.accounts) = (4, 4);
        let mut plans = sample.plan().sessions;
        let names: Vec<_> = plans.iter().map(|plan| plan.name.clone()).collect();
        for (at, of) in [(0, [1, 3]), (2, [3, 1])] {
            let sessions = of.map(SessionIndex).to_vec();
            plans[at].drop_copy = Some(DropCopyPlan {
                sessions,
                ..DropCopyPlan::default()
            });
        }
        let plans = receivers_last(plans);
        let now: Vec<_> = plans.iter().map(|plan| plan.name.clone()).collect();
        assert_eq!(now, [1, 3, 0, 2].map(|at: usize| names[at].clone()));
        let of = |at: usize| plans[at].drop_copy.as_ref().map(|it| it.sessions.clone());
        assert_eq!(of(2), Some([0, 1].map(SessionIndex).to_vec()));
        assert_eq!(of(3), Some([1, 0].map(SessionIndex).to_vec()));
        assert_eq!((of(0), of(1)), (None, None));
    }
}
