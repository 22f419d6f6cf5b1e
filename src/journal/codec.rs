//! Little-endian writing and reading of the domain's values, for the bodies of log records.
//!
//! Enumerations go as their FIX characters. What does not read back exactly is `None`: damage is never guessed at.

use crate::domain::order::{AccountRef, InstrumentRef, MassScope};
use crate::domain::{
    AccountIndex, InstrumentIndex, OrderStatus, OrderType, RejectReason, Side, Text, TimeInForce,
    reject,
};

/// Writes; every step is `None` where the room ends.
pub(super) struct Put<'a> {
    out: &'a mut [u8],
    /// Bytes written.
    pub(super) at: usize,
}

impl<'a> Put<'a> {
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.out
            .get_mut(self.at..self.at + bytes.len())?
            .copy_from_slice(bytes);
        self.at += bytes.len();
        Some(())
    }

    pub(super) fn u8(&mut self, value: u8) -> Option<()> {
        self.bytes(&[value])
    }

    pub(super) fn u16(&mut self, value: u16) -> Option<()> {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> Option<()> {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn u64(&mut self, value: u64) -> Option<()> {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn i64(&mut self, value: i64) -> Option<()> {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn text<const N: usize>(&mut self, text: &Text<N>) -> Option<()> {
        self.u8(text.len() as u8)?;
        self.bytes(text.as_bytes())
    }

    pub(super) fn account(&mut self, account: &AccountRef) -> Option<()> {
        match account {
            AccountRef::Known(index) => self.u8(1).and_then(|()| self.u32(index.0)),
            AccountRef::Unknown(text) => self.u8(0).and_then(|()| self.text(text)),
        }
    }

    pub(super) fn instrument(&mut self, instrument: &InstrumentRef) -> Option<()> {
        match instrument {
            InstrumentRef::Known(index) => self.u8(1).and_then(|()| self.u32(index.0)),
            InstrumentRef::Unknown(text) => self.u8(0).and_then(|()| self.text(text)),
        }
    }

    pub(super) fn scope(&mut self, scope: &MassScope) -> Option<()> {
        match scope {
            MassScope::All => self.u8(0),
            MassScope::Instrument(instrument) => {
                self.u8(1).and_then(|()| self.instrument(instrument))
            }
        }
    }
}

/// Reads; every step is `None` where the bytes end or name nothing known.
pub(super) struct Get<'a>(pub(super) &'a [u8]);

impl<'a> Get<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// `value`, if nothing is left over.
    pub(super) fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        Some(self.bytes(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(2)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    pub(super) fn text<const N: usize>(&mut self) -> Option<Text<N>> {
        let len = self.u8()? as usize;
        Text::new(self.bytes(len)?)
    }

    pub(super) fn account(&mut self) -> Option<AccountRef> {
        match self.u8()? {
            1 => Some(AccountRef::Known(AccountIndex(self.u32()?))),
            0 => Some(AccountRef::Unknown(self.text()?)),
            _ => None,
        }
    }

    pub(super) fn instrument(&mut self) -> Option<InstrumentRef> {
        match self.u8()? {
            1 => Some(InstrumentRef::Known(InstrumentIndex(self.u32()?))),
            0 => Some(InstrumentRef::Unknown(self.text()?)),
            _ => None,
        }
    }

    pub(super) fn scope(&mut self) -> Option<MassScope> {
        match self.u8()? {
            0 => Some(MassScope::All),
            1 => Some(MassScope::Instrument(self.instrument()?)),
            _ => None,
        }
    }

    pub(super) fn reason(&mut self) -> Option<RejectReason> {
        reject::REJECTS
            .get(self.u8()? as usize)
            .map(|row| row.reason)
    }

    pub(super) fn side(&mut self) -> Option<Side> {
        side(self.u8()?)
    }

    pub(super) fn order_type(&mut self) -> Option<OrderType> {
        let raw = self.u8()?;
        [OrderType::Market, OrderType::Limit]
            .into_iter()
            .find(|&t| t as u8 == raw)
    }

    pub(super) fn time_in_force(&mut self) -> Option<TimeInForce> {
        let raw = self.u8()?;
        [
            TimeInForce::Day,
            TimeInForce::ImmediateOrCancel,
            TimeInForce::FillOrKill,
        ]
        .into_iter()
        .find(|&t| t as u8 == raw)
    }

    pub(super) fn status(&mut self) -> Option<OrderStatus> {
        use OrderStatus::*;
        let raw = self.u8()?;
        [
            PendingNew,
            New,
            PartiallyFilled,
            Filled,
            DoneForDay,
            Cancelled,
            PendingCancel,
            Rejected,
            Expired,
            PendingReplace,
        ]
        .into_iter()
        .find(|&s| s as u8 == raw)
    }
}

/// Side from its character.
pub(super) fn side(raw: u8) -> Option<Side> {
    [Side::Buy, Side::Sell]
        .into_iter()
        .find(|&s| s as u8 == raw)
}
