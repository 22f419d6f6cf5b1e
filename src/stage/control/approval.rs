//! Two-person rule: which commands raise risk, and the list of those that wait for somebody else.
//!
//! What lowers risk (block, kill, disable, a lower limit) acts at once. What raises it waits, at most [`CONTROL_PENDING_NS_MAX`](crate::limits::CONTROL_PENDING_NS_MAX), for
//! approval by another user id than the one that asked. The limits in force are kept here, as the plan gave them and as the risk
//! stage confirmed changes.

use super::Peer;
use super::protocol::{Command, ErrorKind, LimitName, Response};
use crate::config::plan::Plan;
use crate::domain::command::{LimitChange, RiskCommand};
use crate::domain::{AccountIndex, Money};
use crate::limits::CONTROL_PENDING_MAX;

/// Limits in force, by account.
pub(super) struct Limits(Vec<AccountLimits>);

#[derive(Clone, Copy)]
struct AccountLimits {
    order_value_max: Money,
    open_orders_max: u32,
    messages_per_second: u32,
}

impl Limits {
    pub(super) fn of(plan: &Plan) -> Self {
        let limits = plan.accounts.iter().map(|account| AccountLimits {
            order_value_max: account.order_value_max,
            open_orders_max: account.open_orders_max,
            messages_per_second: account.messages_per_second,
        });
        Self(limits.collect())
    }

    /// Whether the change allows more than is allowed now. Zero is no limit, the highest of all.
    pub(super) fn raises(&self, account: AccountIndex, change: LimitChange) -> bool {
        let held = &self.0[account.get()];
        match change {
            LimitChange::OrderValueMax(new) => above(new.0, held.order_value_max.0),
            LimitChange::OpenOrdersMax(new) => above(new, held.open_orders_max),
            LimitChange::MessagesPerSecond(new) => above(new, held.messages_per_second),
        }
    }

    /// The risk stage applied a command.
    pub(super) fn applied(&mut self, command: RiskCommand) {
        let RiskCommand::Limit(account, change) = command else {
            return;
        };
        let held = &mut self.0[account.get()];
        match change {
            LimitChange::OrderValueMax(new) => held.order_value_max = new,
            LimitChange::OpenOrdersMax(new) => held.open_orders_max = new,
            LimitChange::MessagesPerSecond(new) => held.messages_per_second = new,
        }
    }

    /// The value in force, for people.
    pub(super) fn show(&self, account: AccountIndex, limit: LimitName) -> String {
        let held = &self.0[account.get()];
        match limit {
            LimitName::OrderValueMax => held.order_value_max.to_string(),
            LimitName::OpenOrdersMax => held.open_orders_max.to_string(),
            LimitName::MessagesPerSecond => held.messages_per_second.to_string(),
        }
    }
}

fn above<T: PartialOrd + Default>(new: T, held: T) -> bool {
    let none = T::default();
    held != none && (new == none || new > held)
}

/// A command that waits for a second person.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) requester: Peer,
    pub(super) command: Command,
    pub(super) reason: String,
    pub(super) ticket: String,
    pub(super) expires_ns: u64,
}

/// The list of those.
#[derive(Default)]
pub(super) struct PendingList {
    waiting: Vec<Pending>,
    last_number: u64,
}

impl PendingList {
    /// Takes those out whose time is over.
    pub(super) fn expire(&mut self, now_ns: u64) -> Vec<Pending> {
        let expired = |pending: &mut Pending| pending.expires_ns <= now_ns;
        self.waiting.extract_if(.., expired).collect()
    }

    /// Adds a command; its number, or `None` where the list is full. The same command of the same user waits once.
    pub(super) fn add(&mut self, mut pending: Pending) -> Option<u64> {
        let same = |held: &&Pending| {
            held.command == pending.command && held.requester.uid == pending.requester.uid
        };
        if let Some(held) = self.waiting.iter().find(same) {
            return Some(held.number);
        }
        if self.waiting.len() >= CONTROL_PENDING_MAX {
            return None;
        }
        self.last_number += 1;
        pending.number = self.last_number;
        self.waiting.push(pending);
        Some(self.last_number)
    }

    /// What waits, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.waiting.iter()
    }

    /// Takes `number` out for `approver`, who must be somebody else.
    pub(super) fn approve(
        &mut self,
        number: u64,
        approver: Peer,
    ) -> Result<Pending, Box<Response>> {
        let at = self.position(number)?;
        if self.waiting[at].requester.uid == approver.uid {
            let message =
                format!("{number} was asked for by this user: another one must approve it");
            return Err(Box::new(Response::error(ErrorKind::NotAllowed, message)));
        }
        Ok(self.waiting.remove(at))
    }

    /// Puts back what could not be done.
    pub(super) fn put_back(&mut self, pending: Pending) {
        let at = self
            .waiting
            .partition_point(|held| held.number < pending.number);
        self.waiting.insert(at, pending);
    }

    /// Drops `number`; whoever asked may withdraw it.
    pub(super) fn refuse(&mut self, number: u64) -> Result<Pending, Box<Response>> {
        let at = self.position(number)?;
        Ok(self.waiting.remove(at))
    }

    fn position(&self, number: u64) -> Result<usize, Box<Response>> {
        let at = self.waiting.iter().position(|held| held.number == number);
        at.ok_or_else(|| {
            let message = format!("nothing waits under number {number}: see `pending`");
            Box::new(Response::error(ErrorKind::Unknown, message))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_the_highest_limit() {
        assert!(above(5u32, 4) && above(0u32, 4));
        assert!(!above(4u32, 4) && !above(3u32, 4));
        assert!(!above(5u32, 0) && !above(0u32, 0));
    }
}
