//! Which session may use which account: one bit each, in rows of words.
//!
//! Built once from the plan and immutable afterwards; the risk stage asks it before every order. Unknown means no.

use crate::domain::{AccountIndex, SessionIndex};

/// The table of bits, session by session.
#[derive(Clone, Debug)]
pub struct Entitlements {
    bits: Vec<u64>,
    words_per_session: usize,
    accounts: usize,
}

impl Entitlements {
    /// `sessions[i]` lists the accounts that session `i` may use; `accounts` is how many accounts exist. Accounts beyond it are
    /// ignored: they do not exist, so nobody may use them.
    pub fn new<S: AsRef<[AccountIndex]>>(sessions: &[S], accounts: usize) -> Self {
        let words_per_session = accounts.div_ceil(64);
        let mut bits = vec![0u64; sessions.len() * words_per_session];
        for (session, allowed) in sessions.iter().enumerate() {
            for account in allowed.as_ref().iter().map(|a| a.get()) {
                if account < accounts {
                    bits[session * words_per_session + account / 64] |= 1 << (account % 64);
                }
            }
        }
        Self {
            bits,
            words_per_session,
            accounts,
        }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.bits
            .len()
            .checked_div(self.words_per_session)
            .unwrap_or(0)
    }

    /// Whether `session` may use `account`. Unknown ones may not.
    #[inline]
    pub fn allows(&self, session: SessionIndex, account: AccountIndex) -> bool {
        let account = account.get();
        if account >= self.accounts {
            return false;
        }
        let word = session.get() * self.words_per_session + account / 64;
        match self.bits.get(word) {
            Some(bits) => bits >> (account % 64) & 1 == 1,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_what_is_listed_is_allowed(
            lists in proptest::collection::vec(proptest::collection::vec(0u32..200, 0..8), 0..6),
            accounts in 0usize..150,
            asked in proptest::collection::vec((0u32..8, 0u32..220), 0..64),
        ) {
            let sessions: Vec<Vec<AccountIndex>> = lists
                .iter()
                .map(|l| l.iter().map(|&a| AccountIndex(a)).collect())
                .collect();
            let table = Entitlements::new(&sessions, accounts);
            for (s, a) in asked {
                let want = (a as usize) < accounts
                    && lists.get(s as usize).is_some_and(|l| l.contains(&a));
                prop_assert_eq!(table.allows(SessionIndex(s), AccountIndex(a)), want);
            }
        }
    }

    #[test]
    fn the_unknown_may_nothing() {
        let table = Entitlements::new(&[vec![AccountIndex(0), AccountIndex(64)]], 65);
        assert!(table.allows(SessionIndex(0), AccountIndex(0)));
        assert!(table.allows(SessionIndex(0), AccountIndex(64)));
        assert!(!table.allows(SessionIndex(0), AccountIndex(65)));
        assert!(!table.allows(SessionIndex(0), AccountIndex(u32::MAX)));
        assert!(!table.allows(SessionIndex(1), AccountIndex(0)));
        assert!(!table.allows(SessionIndex(u32::MAX), AccountIndex(0)));
    }
}
