//! Who is meant: names of sessions and links as each start's logs give them, of accounts and instruments as the configuration does.
//!
//! Read once from the beginnings of the logs. The order log has no names of its own: its channels are those of the other two.

use std::collections::BTreeMap;

use super::{Channels, Failure, Source};
use crate::app::log_reader::{LogReader, epochs};
use crate::domain::order::{AccountRef, InstrumentRef};
use crate::domain::{AccountIndex, InstrumentIndex};
use crate::journal::LogId;

/// Names for numbers.
pub(super) struct Names<'a> {
    source: &'a Source,
    sessions: BTreeMap<u16, Channels>,
    links: BTreeMap<u16, Channels>,
}

impl<'a> Names<'a> {
    /// Of all starts whose logs are there.
    pub(super) fn of(source: &'a Source) -> Result<Self, Failure> {
        Ok(Self {
            source,
            sessions: beginnings(source, LogId::Client)?,
            links: beginnings(source, LogId::Desk)?,
        })
    }

    /// Of a client session, in the numbering of that start.
    pub(super) fn session(&self, epoch: u16, session: u16) -> String {
        channel(&self.sessions, &self.source.sessions, epoch, session)
    }

    /// Of a link to a desk.
    pub(super) fn link(&self, epoch: u16, link: u16) -> String {
        channel(&self.links, &self.source.links, epoch, link)
    }

    /// Whoever stands in a record's channel.
    pub(super) fn channel(&self, log: LogId, epoch: u16, at: u16) -> String {
        match log {
            LogId::Desk => self.link(epoch, at),
            _ => self.session(epoch, at),
        }
    }

    /// As in `accounts.csv`; `#7` without a configuration.
    pub(super) fn account(&self, account: AccountIndex) -> String {
        let known = self.source.accounts.get(account.get());
        known.map_or_else(|| format!("#{}", account.0), Clone::clone)
    }

    /// As in `instruments.csv`; `instrument #7` without a configuration.
    pub(super) fn instrument(&self, instrument: InstrumentIndex) -> String {
        let known = self.source.instruments.get(instrument.get());
        known.map_or_else(|| format!("instrument #{}", instrument.0), Clone::clone)
    }

    /// As the client named it, or as configured.
    pub(super) fn account_of(&self, account: &AccountRef) -> String {
        match account {
            AccountRef::Known(index) => self.account(*index),
            AccountRef::Unknown(text) => text.to_string_lossy(),
        }
    }

    /// As the client named it, or as configured.
    pub(super) fn instrument_of(&self, instrument: &InstrumentRef) -> String {
        match instrument {
            InstrumentRef::Known(index) => self.instrument(*index),
            InstrumentRef::Unknown(text) => text.to_string_lossy(),
        }
    }
}

fn channel(
    by_epoch: &BTreeMap<u16, Channels>,
    configured: &[String],
    epoch: u16,
    at: u16,
) -> String {
    match by_epoch.get(&epoch) {
        _ if at == u16::MAX => "-".to_owned(),
        Some(channels) => channels.name(at, configured),
        None => Channels::default().name(at, configured),
    }
}

/// Names at the beginning of each epoch. What is damaged is told when it is read for itself.
pub(super) fn beginnings(source: &Source, log: LogId) -> Result<BTreeMap<u16, Channels>, Failure> {
    let mut named = BTreeMap::new();
    for epoch in epochs(&source.place.directory, log)? {
        let mut reader = LogReader::open(source.place.clone(), log)?;
        reader.only(epoch);
        let mut channels = Channels::default();
        while let Ok(true) = reader.advance()
            && channels.take(&reader.record())
        {}
        named.insert(epoch, channels);
    }
    Ok(named)
}
