//! Names <-> indices: Account(1), Symbol(55) and SecurityExchange(207) as the wire writes them.
//!
//! Built once at start-up from the plan, then only read; a lookup compares exactly, allocates nothing and visits a bounded run
//! of slots (the tables are at most half full, and their names are the operator's, not a client's).

use super::account::Account;
use super::ids::{AccountIndex, InstrumentIndex};
use super::instrument::Instrument;
use super::order::InstrumentRef;
use super::text::Text;

/// The names of all accounts and instruments.
pub struct Directory {
    accounts: NameMap<15>,
    instruments: NameMap<23>,
    markets: Box<[Text<7>]>,
}

impl Directory {
    /// Of the accounts and instruments of the plan, whose names are unique and not empty.
    pub fn new(accounts: &[Account], instruments: &[Instrument]) -> Self {
        Self {
            accounts: NameMap::new(accounts.iter().map(|account| account.name).collect()),
            instruments: NameMap::new(
                instruments
                    .iter()
                    .map(|instrument| instrument.symbol)
                    .collect(),
            ),
            markets: instruments
                .iter()
                .map(|instrument| instrument.market)
                .collect(),
        }
    }

    /// The account with exactly that name.
    #[inline]
    pub fn account(&self, name: &[u8]) -> Option<AccountIndex> {
        self.accounts.find(name).map(AccountIndex)
    }

    /// The instrument with exactly that symbol.
    #[inline]
    pub fn instrument(&self, symbol: &[u8]) -> Option<InstrumentIndex> {
        self.instruments.find(symbol).map(InstrumentIndex)
    }

    /// Account(1); empty for an index that names none.
    #[inline]
    pub fn account_name(&self, account: AccountIndex) -> &[u8] {
        self.accounts.name(account.get())
    }

    /// Symbol(55); empty for an index that names none.
    #[inline]
    pub fn symbol(&self, instrument: InstrumentIndex) -> &[u8] {
        self.instruments.name(instrument.get())
    }

    /// Symbol(55) of a reference, known or as the client sent it.
    pub fn symbol_of<'a>(&'a self, instrument: &'a InstrumentRef) -> &'a [u8] {
        match instrument {
            InstrumentRef::Known(index) => self.symbol(*index),
            InstrumentRef::Unknown(text) => text.as_bytes(),
        }
    }

    /// SecurityExchange(207); empty where there is none.
    #[inline]
    pub fn market(&self, instrument: InstrumentIndex) -> &[u8] {
        self.markets
            .get(instrument.get())
            .map_or(&[], Text::as_bytes)
    }
}

/// Open addressing; a slot is an index plus one, or zero.
struct NameMap<const N: usize> {
    names: Box<[Text<N>]>,
    slots: Box<[u32]>,
}

impl<const N: usize> NameMap<N> {
    fn new(names: Box<[Text<N>]>) -> Self {
        let slot_count = (names.len() * 2).next_power_of_two().max(2);
        let mut map = Self {
            slots: vec![0; slot_count].into_boxed_slice(),
            names,
        };
        for index in 0..map.names.len() {
            let name = map.names[index];
            assert!(!name.is_empty(), "the plan has no empty names");
            let mut at = map.first_slot(name.as_bytes());
            while map.slots[at] != 0 {
                let other = map.names[map.slots[at] as usize - 1];
                assert!(other != name, "the plan has unique names: {name} twice");
                at = (at + 1) & (slot_count - 1);
            }
            map.slots[at] = index as u32 + 1;
        }
        map
    }

    #[inline]
    fn find(&self, name: &[u8]) -> Option<u32> {
        let mut at = self.first_slot(name);
        loop {
            let index = self.slots[at].checked_sub(1)?;
            if self.names[index as usize].as_bytes() == name {
                return Some(index);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    #[inline]
    fn name(&self, index: usize) -> &[u8] {
        self.names.get(index).map_or(&[], Text::as_bytes)
    }

    #[inline]
    fn first_slot(&self, name: &[u8]) -> usize {
        hash(name) as usize & (self.slots.len() - 1)
    }
}

/// Multiply and fold over eight bytes at a time.
#[inline]
fn hash(name: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = name.len() as u64;
    let mut words = name.chunks_exact(8);
    for word in words.by_ref() {
        let word = u64::from_le_bytes([
            word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7],
        ]);
        hash = fold((hash ^ word).wrapping_mul(FACTOR));
    }
    let rest = words
        .remainder()
        .iter()
        .fold(0u64, |rest, &byte| rest << 8 | byte as u64);
    fold((hash ^ rest).wrapping_mul(FACTOR))
}

#[inline]
fn fold(value: u64) -> u64 {
    value ^ value >> 32
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::{AccountKind, ClientIndex, Money, Price, Quantity};

    /// A directory with these names, for the tests of others.
    pub(crate) fn directory(accounts: &[&str], symbols: &[&str]) -> Directory {
        let accounts: Vec<Account> = accounts
            .iter()
            .map(|name| Account {
                name: Text::new(name.as_bytes()).unwrap(),
                client: ClientIndex(0),
                kind: AccountKind::Cash,
                cash: Money::ZERO,
                order_value_max: Money::ZERO,
                open_orders_max: 0,
                messages_per_second: 0,
                message_burst: 0,
            })
            .collect();
        let instruments: Vec<Instrument> = symbols
            .iter()
            .map(|symbol| Instrument {
                symbol: Text::new(symbol.as_bytes()).unwrap(),
                market: Text::EMPTY,
                unit: 1,
                lot: Quantity(1),
                odd_lot_sell: false,
                tick: Price(1),
                quantity_min: Quantity(1),
                quantity_max: Quantity(1),
                limit_down: Price::ZERO,
                limit_up: Price::ZERO,
                reference_price: Price::ZERO,
                collar_bp: 0,
                market_orders: true,
                same_day_sell: false,
            })
            .collect();
        Directory::new(&accounts, &instruments)
    }

    #[test]
    fn finds_exactly_what_is_there() {
        let symbols: Vec<String> = (0..5000).map(|i| format!("{i:06}")).collect();
        let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
        let directory = directory(&["A", "B", "LONG-ACCOUNT-15"], &symbols);
        for (index, symbol) in symbols.iter().enumerate() {
            let found = directory.instrument(symbol.as_bytes()).unwrap();
            assert_eq!(found.get(), index);
            assert_eq!(directory.symbol(found), symbol.as_bytes());
        }
        assert_eq!(directory.account(b"LONG-ACCOUNT-15"), Some(AccountIndex(2)));
        for name in [
            &b""[..],
            b"a",
            b"A\0",
            b"LONG-ACCOUNT-1",
            b"LONG-ACCOUNT-156",
        ] {
            assert_eq!(directory.account(name), None);
        }
        assert_eq!(directory.account_name(AccountIndex(u32::MAX)), b"");
        assert_eq!(directory.symbol(InstrumentIndex(5000)), b"");
    }

    #[test]
    fn an_empty_directory_finds_nothing() {
        let directory = directory(&[], &[]);
        assert_eq!(directory.account(b"A"), None);
        assert_eq!(directory.instrument(b""), None);
    }

    #[test]
    #[should_panic(expected = "twice")]
    fn two_of_a_name_are_a_fault_of_the_plan() {
        directory(&["A", "A"], &[]);
    }
}
