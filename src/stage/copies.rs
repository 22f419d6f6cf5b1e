//! Drop copy: which sessions receive copies of what is said to others, and which copies an earlier process wrote already.
//!
//! Owned by the decode stage, on its thread. The tables are dense and built at start; finding the receivers of an output allocates
//! nothing and visits a fixed number of places. A receiver is a session like any other: with numbers of its own, its messages in the
//! client log, served from there when it is slow or away. It may ask for nothing, so that nothing is ever said to it first.
//!
//! The copies of an output stand in the log before the client's own message: the presence of that one closes the output. A process that
//! dies between them leaves copies without their original (records of kind `CopyOut`); the output is emitted again, and
//! [`Copies::take_written`] tells which copies are there.

use crate::config::plan::SessionPlan;
use crate::domain::report::{ClientOutput, ReportDetail};
use crate::domain::{AccountIndex, RejectReason, SessionIndex};
use crate::journal::Cause;
use crate::limits::DROP_COPIES_MAX;

/// Sessions that receive a copy of one output, each once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Receivers {
    sessions: [SessionIndex; 2 * DROP_COPIES_MAX],
    count: usize,
}

impl Receivers {
    /// Them, in the order of the tables.
    #[inline]
    pub fn as_slice(&self) -> &[SessionIndex] {
        &self.sessions[..self.count]
    }

    fn add(&mut self, receivers: &[SessionIndex]) {
        for &receiver in receivers {
            if !self.as_slice().contains(&receiver) {
                self.sessions[self.count] = receiver;
                self.count += 1;
            }
        }
    }
}

/// Who receives copies of what.
pub struct Copies {
    /// Per session: whether it receives copies; empty where none does
    receives: Box<[bool]>,
    /// Per session: copies written since the start
    written: Box<[u64]>,
    of_sessions: Lists,
    of_accounts: Lists,
    /// Copies that an earlier process wrote and whose original it did not: those of one output.
    without_original: Vec<(SessionIndex, Cause)>,
}

impl Copies {
    /// Of the plan's sessions and so many accounts; where an account or session has more receivers than there may be, that is a
    /// fault of the plan.
    pub fn new(sessions: &[SessionPlan], accounts: usize) -> Self {
        let receivers = || {
            let all = sessions.iter().enumerate();
            all.filter_map(|(at, session)| Some((at, session.drop_copy.as_ref()?)))
        };
        let is_used = receivers().next().is_some();
        let per_session = if is_used { sessions.len() } else { 0 };
        let per_account = if is_used { accounts } else { 0 };
        let session = |at: usize| SessionIndex(at as u32);
        Self {
            receives: sessions[..per_session]
                .iter()
                .map(|session| session.drop_copy.is_some())
                .collect(),
            written: vec![0; per_session].into_boxed_slice(),
            of_sessions: Lists::new(per_session, || {
                receivers().flat_map(move |(at, copy)| {
                    let of = copy.sessions.iter();
                    of.map(move |of| (of.get(), session(at)))
                })
            }),
            of_accounts: Lists::new(per_account, || {
                receivers().flat_map(move |(at, copy)| {
                    let of = copy.accounts.iter();
                    of.map(move |of| (of.get(), session(at)))
                })
            }),
            without_original: Vec::new(),
        }
    }

    /// With the copies that an earlier process wrote of outputs that it did not close.
    pub fn with_written(
        mut self,
        written: impl IntoIterator<Item = (SessionIndex, Cause)>,
    ) -> Self {
        self.without_original.extend(written);
        self
    }

    /// Whether the session receives copies, and therefore asks for nothing.
    #[inline]
    pub fn is_receiver(&self, session: SessionIndex) -> bool {
        self.receives.get(session.get()).is_some_and(|it| *it)
    }

    /// Who receives a copy of what `session` is told: reports and cancel rejects of the session and of the order's account. Answers to
    /// questions are no news of an order: they go to who asked. Neither is it news of an account that somebody tried to use it who may not.
    #[inline]
    pub fn receivers(&self, session: SessionIndex, output: &ClientOutput) -> Receivers {
        let mut receivers = Receivers::default();
        if self.receives.is_empty() {
            return receivers;
        }
        let account = match output {
            ClientOutput::Report(report) => match (report.detail, report.reason) {
                (ReportDetail::Answer { .. }, _) => return receivers,
                (_, RejectReason::NotEntitled) => None,
                _ => Some(report.account),
            },
            ClientOutput::CancelReject(reject) => Some(reject.account),
            ClientOutput::MassCancel(_) => return receivers,
        };
        receivers.add(self.of_sessions.of(session.get()));
        receivers.add(account.map_or(&[], |account: AccountIndex| {
            self.of_accounts.of(account.get())
        }));
        receivers
    }

    /// Whether the receiver's copy of this output was written by an earlier process. Each is told once.
    #[inline]
    pub fn take_written(&mut self, receiver: SessionIndex, cause: Cause) -> bool {
        let known = self.without_original.iter();
        let found = known.copied().position(|it| it == (receiver, cause));
        if let Some(at) = found {
            self.without_original.swap_remove(at);
        }
        found.is_some()
    }

    /// Counts a copy.
    #[inline]
    pub(super) fn count(&mut self, receiver: SessionIndex) {
        self.written[receiver.get()] += 1;
    }

    /// Copies written since the start, where the session receives any.
    pub(super) fn written(&self, session: SessionIndex) -> Option<u64> {
        let written = self.written.get(session.get());
        written.copied().filter(|_| self.is_receiver(session))
    }
}

/// Sessions by index of something: all lists behind each other, and where each begins.
struct Lists {
    starts: Box<[u32]>,
    sessions: Box<[SessionIndex]>,
}

impl Lists {
    /// Of pairs (index, session), given twice in the same order.
    fn new<I: Iterator<Item = (usize, SessionIndex)>>(count: usize, pairs: impl Fn() -> I) -> Self {
        let mut starts = vec![0u32; count + 1];
        for (at, _) in pairs() {
            starts[at + 1] += 1;
        }
        for at in 0..count {
            let length = starts[at + 1];
            assert!(
                length as usize <= DROP_COPIES_MAX,
                "the plan has no more receivers of one thing than there may be: {length}"
            );
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut sessions = vec![SessionIndex::default(); starts[count] as usize];
        for (at, session) in pairs() {
            sessions[next[at] as usize] = session;
            next[at] += 1;
        }
        Self {
            starts: starts.into_boxed_slice(),
            sessions: sessions.into_boxed_slice(),
        }
    }

    /// The list of `at`; empty where there is none.
    #[inline]
    fn of(&self, at: usize) -> &[SessionIndex] {
        match (self.starts.get(at), self.starts.get(at.wrapping_add(1))) {
            (Some(&begin), Some(&end)) => &self.sessions[begin as usize..end as usize],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::plan::DropCopyPlan;
    use crate::config::sample::Sample;
    use crate::domain::order::MassScope;
    use crate::domain::report::{ClientCancelReject, MassCancelReport};
    use crate::domain::{DeskText, OrderId, OrderStatus, Text};
    use crate::journal::LogId;

    fn cancel_reject(account: u32) -> ClientOutput {
        ClientOutput::CancelReject(ClientCancelReject {
            order_id: OrderId::NONE,
            account: AccountIndex(account),
            client_order_id: Text::EMPTY,
            orig_client_order_id: Text::EMPTY,
            status: OrderStatus::New,
            to_replace: false,
            reason: RejectReason::UnknownOrder,
            text: DeskText::EMPTY,
        })
    }

    /// Sessions 0 and 1 trade; 2 receives copies of session 0 and account 1, 3 of both accounts.
    fn copies() -> Copies {
        let mut sample = Sample::new("/nowhere");
        (sample.sessions, sample.accounts) = (4, 2);
        let mut plan = sample.plan();
        let accounts = [&[1][..], &[0, 1]];
        for (at, accounts) in accounts.into_iter().enumerate() {
            plan.sessions[2 + at].drop_copy = Some(DropCopyPlan {
                accounts: accounts.iter().copied().map(AccountIndex).collect(),
                sessions: vec![SessionIndex(0); 1 - at],
            });
        }
        Copies::new(&plan.sessions, 2)
    }

    fn receivers(copies: &Copies, session: u32, output: &ClientOutput) -> Vec<u32> {
        let found = copies.receivers(SessionIndex(session), output);
        found.as_slice().iter().map(|it| it.0).collect()
    }

    #[test]
    fn each_receiver_gets_what_it_is_named_for_once() {
        let copies = copies();
        assert_eq!(receivers(&copies, 0, &cancel_reject(0)), [2, 3]);
        assert_eq!(receivers(&copies, 0, &cancel_reject(1)), [2, 3]);
        assert_eq!(receivers(&copies, 1, &cancel_reject(0)), [3]);
        assert_eq!(receivers(&copies, 1, &cancel_reject(1)), [2, 3]);
        // An order that nobody knows has no account.
        assert_eq!(receivers(&copies, 0, &cancel_reject(u32::MAX)), [2]);
        assert!(receivers(&copies, 1, &cancel_reject(u32::MAX)).is_empty());
        let answer = ClientOutput::MassCancel(MassCancelReport {
            client_order_id: Text::EMPTY,
            order_id: OrderId::NONE,
            scope: MassScope::All,
            affected: 0,
            reason: RejectReason::None,
        });
        assert!(receivers(&copies, 0, &answer).is_empty());
        let known: Vec<_> = (0..5)
            .map(|at| copies.is_receiver(SessionIndex(at)))
            .collect();
        assert_eq!(known, [false, false, true, true, false]);
    }

    #[test]
    fn nobody_receives_where_nothing_is_configured() {
        let plan = Sample::new("/nowhere").plan();
        let copies = Copies::new(&plan.sessions, plan.accounts.len());
        assert!(receivers(&copies, 0, &cancel_reject(0)).is_empty());
        assert_eq!(copies.written(SessionIndex(0)), None);
        assert!(!copies.is_receiver(SessionIndex(0)));
    }

    #[test]
    fn a_copy_that_is_there_is_told_once() {
        let cause = |sequence, output| Cause {
            log: LogId::Order,
            sequence,
            output,
        };
        let mut copies = copies().with_written([(SessionIndex(2), cause(7, 1))]);
        assert!(!copies.take_written(SessionIndex(3), cause(7, 1)));
        assert!(!copies.take_written(SessionIndex(2), cause(7, 0)));
        assert!(copies.take_written(SessionIndex(2), cause(7, 1)));
        assert!(!copies.take_written(SessionIndex(2), cause(7, 1)));
    }
}
