//! From a new order or a replace to the context that the checks compare.
//!
//! One place looks up everything, so that each check is a comparison; the message's rate tokens are taken here and nothing else
//! changes.

use super::checks::{self, Context};
use super::exposure::reserve_price;
use super::orders::Order;
use super::{Facts, Risk};
use crate::domain::{
    AccountIndex, InstrumentIndex, Money, Now, OrderType, Price, Quantity, RejectReason,
    SessionIndex, Side,
};

/// What is asked, for a new order and for a replace alike.
pub(super) struct Ask<'a> {
    pub session: SessionIndex,
    pub account: Option<AccountIndex>,
    pub instrument: Option<InstrumentIndex>,
    pub side: Side,
    pub order_type: OrderType,
    pub price: Price,
    pub quantity: Quantity,
    pub duplicate: bool,
    /// The order that a replace would change.
    pub replaced: Option<&'a Order>,
}

impl Risk {
    /// Gathers the context and runs the list. Takes the message's rate tokens; changes nothing else.
    pub(super) fn check(&mut self, now: Now, ask: &Ask, facts: Facts) -> Result<(), RejectReason> {
        let account_at = ask
            .account
            .unwrap_or(AccountIndex(self.book.accounts.len() as u32 - 1));
        let instrument_at = ask
            .instrument
            .unwrap_or(InstrumentIndex(self.instruments.len() as u32 - 1));
        let entitled = facts.entitled || ask.replaced.is_some();

        let session = &mut self.sessions[ask.session.get()];
        let session_in_time = session.arrivals.allow(session.rate, now.mono_ns);
        let row = &mut self.book.accounts[account_at.get()];
        // Others' accounts lose no tokens to a session that may not use them.
        let account_in_time = !entitled || row.arrivals.allow(row.rate, now.mono_ns);

        let account = &self.book.accounts[account_at.get()];
        let instrument = &self.instruments[instrument_at.get()];
        let known = ask.account.is_some() && ask.instrument.is_some();
        let (cumulated, own_cash, own_quantity) = match ask.replaced {
            Some(o) => (o.cumulated, o.reserved_cash, o.reserved_quantity),
            None => (Quantity::ZERO, Money::ZERO, Quantity::ZERO),
        };
        let rest = ask.quantity.saturating_sub(cumulated);
        let reserve_price = reserve_price(ask.order_type, ask.price, instrument.market_price);
        let cash_needed = match (ask.side, ask.replaced) {
            (Side::Sell, _) => Some(Money::ZERO),
            (Side::Buy, _) => reserve_price
                .notional(rest, instrument.unit)
                .and_then(|cash| cash.checked_sub(own_cash)),
        };
        let sellable = match (ask.side, known) {
            (Side::Buy, _) => 0,
            (Side::Sell, false) => i64::MAX,
            (Side::Sell, true) => match self.book.position(account_at, instrument_at) {
                Some(at) => self.book.positions[at as usize]
                    .sellable(instrument.same_day_sell)
                    .saturating_add(super::book::signed(own_quantity)),
                None => 0,
            },
        };
        let context = Context {
            instrument,
            account,
            account_known: ask.account.is_some(),
            instrument_known: ask.instrument.is_some(),
            entitled,
            stops: self
                .kill_switch
                .stops(account_at, ask.session, instrument_at),
            duplicate: ask.duplicate,
            desk_ready: facts.desk_ready,
            pressure: facts.pressure,
            log_ready: facts.log_ready,
            desk_held: self.holds.is_held(self.desk_of(account_at)),
            may_be_sent: facts.may_be_sent,
            has_capacity: self.orders.has_room_for_order() && !self.executions.is_above_watermark(),
            session_in_time,
            account_in_time,
            side: ask.side,
            order_type: ask.order_type,
            price: ask.price,
            quantity: ask.quantity,
            rest,
            value: reserve_price.notional(ask.quantity, instrument.unit),
            cash_needed: cash_needed.unwrap_or(Money(i128::MAX)),
            cash_available: match ask.account {
                Some(_) => account.available(),
                None => Money(i128::MAX),
            },
            sellable,
            open_orders: self.kill_switch.account_open_orders(account_at),
            adds_order: ask.replaced.is_none(),
        };
        let checked = checks::first_failure(&context);
        if checked.is_err() {
            self.last_failures = checks::all_failures(&context);
        }
        checked
    }
}
