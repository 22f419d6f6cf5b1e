//! A client's application message -> [`ClientRequest`], in all FIX versions.
//!
//! Runs on the decode stage. What a version requires stands in `REQUIRED`, what it has in [`super::versions`]. Order of checks as the specification has it: required fields, lowest tag first; repeated ones; then the values.
//! What breaks the specification is a session Reject (35=3). What the specification allows and the gateway does not take, and
//! fields that only the context requires, are a BusinessMessageReject (35=j). Unknown accounts and symbols are no errors here:
//! the risk stage refuses them with an ExecutionReport. TransactTime(60) must be a time; HandlInst(21) is checked and not used.

use super::field::Message;
use super::msg_type::MsgType;
use super::pick::{Picks, SlotTable};
use super::reject::{BusinessRejectReason, SessionRejectReason};
use super::tags;
use super::time::parse_utc;
use super::versions::{self as has, Span, Steps};
use crate::domain::order::{
    AccountRef, CancelRequest, ClientRequest, InstrumentRef, MassCancelRequest, MassScope,
    MassStatusRequest, NewOrder, ReplaceRequest, StatusRequest,
};
use crate::domain::{
    AccountIndex, ClientOrderId, Directory, FixVersion, OrderType, Price, Quantity, Side, Text,
    TimeInForce,
};

/// The message asks for nothing that the gateway can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeError {
    /// The tag at fault; zero where it is the message as such.
    pub tag: u32,
    /// How it is answered.
    pub refusal: Refusal,
    /// Text(58).
    pub text: &'static str,
}

/// Which message answers a [`DecodeError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Reject (35=3)
    Session(SessionRejectReason),
    /// BusinessMessageReject (35=j)
    Business(BusinessRejectReason),
}

static TABLE: SlotTable = SlotTable::new(&[
    tags::ACCOUNT,
    tags::CL_ORD_ID,
    tags::HANDL_INST,
    tags::ORDER_QTY,
    tags::ORD_TYPE,
    tags::ORIG_CL_ORD_ID,
    tags::PRICE,
    tags::SIDE,
    tags::SYMBOL,
    tags::TIME_IN_FORCE,
    tags::TRANSACT_TIME,
    tags::MIN_QTY,
    tags::MAX_FLOOR,
    tags::CXL_TYPE,
    tags::CASH_ORDER_QTY,
    tags::EFFECTIVE_TIME,
    tags::MAX_SHOW,
    tags::MASS_CANCEL_REQUEST_TYPE,
    tags::CASH_MARGIN,
    tags::MASS_STATUS_REQ_ID,
    tags::MASS_STATUS_REQ_TYPE,
    tags::ORD_STATUS_REQ_ID,
    tags::DISPLAY_QTY,
]);

const ACCOUNT: usize = 0;
const CL_ORD_ID: usize = 1;
const HANDL_INST: usize = 2;
const ORDER_QTY: usize = 3;
const ORD_TYPE: usize = 4;
const ORIG_CL_ORD_ID: usize = 5;
const PRICE: usize = 6;
const SIDE: usize = 7;
const SYMBOL: usize = 8;
const TIME_IN_FORCE: usize = 9;
const TRANSACT_TIME: usize = 10;
const MIN_QTY: usize = 11;
const MAX_FLOOR: usize = 12;
const CXL_TYPE: usize = 13;
const CASH_ORDER_QTY: usize = 14;
const EFFECTIVE_TIME: usize = 15;
const MAX_SHOW: usize = 16;
const MASS_CANCEL_REQUEST_TYPE: usize = 17;
const CASH_MARGIN: usize = 18;
const MASS_STATUS_REQ_ID: usize = 19;
const MASS_STATUS_REQ_TYPE: usize = 20;
const ORD_STATUS_REQ_ID: usize = 21;
const DISPLAY_QTY: usize = 22;

/// Tags that the decoder looks at.
#[cfg(test)]
pub(super) fn tags_read() -> &'static [u32] {
    TABLE.tags()
}

const fn mask(slots: &[usize]) -> u32 {
    let mut mask = 0;
    let mut at = 0;
    while at < slots.len() {
        mask |= 1 << slots[at];
        at += 1;
    }
    mask
}

/// Slots whose tags a message must have, by version.
struct Required {
    new: u32,
    cancel: u32,
    replace: u32,
    status: u32,
}

static REQUIRED: [Required; FixVersion::ALL.len()] = {
    let mut table = [const {
        Required {
            new: 0,
            cancel: 0,
            replace: 0,
            status: 0,
        }
    }; FixVersion::ALL.len()];
    let mut at = 0;
    while at < table.len() {
        let version = FixVersion::ALL[at];
        let about_one = mask(&[SIDE]) | only(has::SYMBOL_REQUIRED, version, SYMBOL);
        let sent_at = only(has::REQUEST_TRANSACT_TIME, version, TRANSACT_TIME);
        let quantity = only(has::ORDER_QTY_REQUIRED, version, ORDER_QTY);
        let original = only(has::CHAIN_REQUIRED, version, ORIG_CL_ORD_ID);
        let new = about_one
            | mask(&[CL_ORD_ID, ORD_TYPE])
            | only(has::HANDL_INST_REQUIRED, version, HANDL_INST)
            | quantity
            | sent_at;
        let cxl_type = only(has::CXL_TYPE, version, CXL_TYPE);
        table[at] = Required {
            new,
            cancel: about_one | mask(&[CL_ORD_ID]) | original | sent_at | quantity | cxl_type,
            replace: new | original,
            status: about_one | only(has::CHAIN_REQUIRED, version, CL_ORD_ID),
        };
        at += 1;
    }
    table
};
const MASS_STATUS: u32 = mask(&[MASS_STATUS_REQ_ID, MASS_STATUS_REQ_TYPE]);
const MASS_CANCEL: u32 = mask(&[CL_ORD_ID, MASS_CANCEL_REQUEST_TYPE, TRANSACT_TIME]);

/// The slot's bit, in the versions of the span.
const fn only(span: Span, version: FixVersion, slot: usize) -> u32 {
    if span.covers(version) { 1 << slot } else { 0 }
}

/// Reads a client's request. `version` is the session's, and so is `sole_account`: the account of orders that name none,
/// where the session may use just one.
pub fn decode_order(
    message: &Message<'_>,
    version: FixVersion,
    directory: &Directory,
    sole_account: Option<AccountIndex>,
) -> Result<ClientRequest, DecodeError> {
    let picks = Picks::of(message, &TABLE);
    let reader = Reader {
        picks: &picks,
        version,
        directory,
        sole_account,
    };
    let required = &REQUIRED[version as usize];
    match message.msg_type() {
        MsgType::NEW_ORDER_SINGLE => reader.new_order(required.new, message.poss_resend()),
        MsgType::ORDER_CANCEL_REQUEST => reader.cancel(required.cancel),
        MsgType::ORDER_CANCEL_REPLACE_REQUEST => reader.replace(required.replace),
        MsgType::ORDER_STATUS_REQUEST => reader.status(required.status),
        MsgType::ORDER_MASS_STATUS_REQUEST | MsgType::ORDER_MASS_CANCEL_REQUEST
            if !has::MASS_REQUESTS.covers(version) =>
        {
            Err(session(tags::MSG_TYPE, SessionRejectReason::InvalidMsgType))
        }
        MsgType::ORDER_MASS_STATUS_REQUEST => reader.mass_status(),
        MsgType::ORDER_MASS_CANCEL_REQUEST => reader.mass_cancel(),
        _ => Err(DecodeError {
            tag: 0,
            refusal: Refusal::Business(BusinessRejectReason::UnsupportedMessageType),
            text: "Unsupported Message Type",
        }),
    }
}

struct Reader<'p, 'm> {
    picks: &'p Picks<'p, 'm>,
    version: FixVersion,
    directory: &'p Directory,
    sole_account: Option<AccountIndex>,
}

impl Reader<'_, '_> {
    #[inline]
    fn new_order(
        &self,
        required: u32,
        possible_resend: bool,
    ) -> Result<ClientRequest, DecodeError> {
        self.require(required)?;
        let account = self.account()?;
        let client_order_id = self.client_order_id(CL_ORD_ID)?;
        self.handling()?;
        let quantity = self.quantity()?;
        let order_type = self.order_type()?;
        let price = self.price(order_type)?;
        let side = self.side()?;
        let time_in_force = self.time_in_force()?;
        self.transact_time()?;
        self.refuse_meaningful()?;
        let instrument = self.instrument()?;
        Ok(ClientRequest::New(NewOrder {
            client_order_id,
            account,
            instrument,
            side,
            order_type,
            time_in_force,
            price,
            quantity,
            possible_resend,
        }))
    }

    fn cancel(&self, required: u32) -> Result<ClientRequest, DecodeError> {
        self.require(required)?;
        let client_order_id = self.client_order_id(CL_ORD_ID)?;
        let orig_client_order_id = self.client_order_id(ORIG_CL_ORD_ID)?;
        let side = self.side()?;
        self.transact_time()?;
        self.cxl_type()?;
        Ok(ClientRequest::Cancel(CancelRequest {
            client_order_id,
            orig_client_order_id,
            instrument: self.instrument()?,
            side,
        }))
    }

    fn replace(&self, required: u32) -> Result<ClientRequest, DecodeError> {
        self.require(required)?;
        let client_order_id = self.client_order_id(CL_ORD_ID)?;
        self.handling()?;
        let quantity = self.quantity()?;
        let order_type = self.order_type()?;
        let orig_client_order_id = self.client_order_id(ORIG_CL_ORD_ID)?;
        let price = self.price(order_type)?;
        let side = self.side()?;
        self.time_in_force()?;
        self.transact_time()?;
        self.refuse_meaningful()?;
        Ok(ClientRequest::Replace(ReplaceRequest {
            client_order_id,
            orig_client_order_id,
            instrument: self.instrument()?,
            side,
            order_type,
            price,
            quantity,
        }))
    }

    fn status(&self, required: u32) -> Result<ClientRequest, DecodeError> {
        self.require(required)?;
        let client_order_id = self.client_order_id(CL_ORD_ID)?;
        self.side()?;
        let request_id = if has::REQUEST_IDS.covers(self.version) {
            self.request_id(ORD_STATUS_REQ_ID)?
        } else {
            Text::EMPTY
        };
        Ok(ClientRequest::Status(StatusRequest {
            client_order_id,
            request_id,
        }))
    }

    fn mass_status(&self) -> Result<ClientRequest, DecodeError> {
        self.require(MASS_STATUS)?;
        let scope = self.mass_scope(MASS_STATUS_REQ_TYPE, has::MASS_STATUS_TYPES)?;
        Ok(ClientRequest::MassStatus(MassStatusRequest {
            request_id: self.request_id(MASS_STATUS_REQ_ID)?,
            account: match self.picks.get(ACCOUNT) {
                Some(_) => Some(self.account()?),
                None => None,
            },
            scope,
        }))
    }

    fn mass_cancel(&self) -> Result<ClientRequest, DecodeError> {
        self.require(MASS_CANCEL)?;
        let client_order_id = self.client_order_id(CL_ORD_ID)?;
        let side = match self.picks.get(SIDE) {
            Some(_) => Some(self.side()?),
            None => None,
        };
        self.transact_time()?;
        let scope = self.mass_scope(MASS_CANCEL_REQUEST_TYPE, has::MASS_CANCEL_TYPES)?;
        Ok(ClientRequest::MassCancel(MassCancelRequest {
            client_order_id,
            scope,
            side,
        }))
    }

    /// Fields required by the specification, then fields that are there twice.
    #[inline]
    fn require(&self, required: u32) -> Result<(), DecodeError> {
        if let Some(slot) = self.picks.missing(required) {
            let tag = TABLE.lowest_tag(1 << slot);
            return Err(session(tag, SessionRejectReason::RequiredTagMissing));
        }
        if self.picks.repeated != 0 {
            let tag = TABLE.lowest_tag(self.picks.repeated);
            return Err(session(tag, SessionRejectReason::TagRepeated));
        }
        Ok(())
    }

    /// Account(1): the specification can do without it, the gateway only where the session has just one.
    #[inline]
    fn account(&self) -> Result<AccountRef, DecodeError> {
        if let (None, Some(account)) = (self.picks.get(ACCOUNT), self.sole_account) {
            return Ok(AccountRef::Known(account));
        }
        let name = self.conditional(ACCOUNT, tags::ACCOUNT)?;
        Ok(match self.directory.account(name) {
            Some(account) => AccountRef::Known(account),
            None => AccountRef::Unknown(Text::cut(name)),
        })
    }

    #[inline]
    fn instrument(&self) -> Result<InstrumentRef, DecodeError> {
        let symbol = self.conditional(SYMBOL, tags::SYMBOL)?;
        Ok(match self.directory.instrument(symbol) {
            Some(instrument) => InstrumentRef::Known(instrument),
            None => InstrumentRef::Unknown(Text::cut(symbol)),
        })
    }

    #[inline]
    fn client_order_id(&self, slot: usize) -> Result<ClientOrderId, DecodeError> {
        let tag = if slot == CL_ORD_ID {
            tags::CL_ORD_ID
        } else {
            tags::ORIG_CL_ORD_ID
        };
        ClientOrderId::new(self.conditional(slot, tag)?).ok_or(DecodeError {
            tag,
            refusal: Refusal::Session(SessionRejectReason::ValueOutOfRange),
            text: "ClOrdID longer than 39 characters",
        })
    }

    fn request_id(&self, slot: usize) -> Result<Text<39>, DecodeError> {
        Text::new(self.picks.value(slot)).ok_or(DecodeError {
            tag: TABLE.lowest_tag(1 << slot),
            refusal: Refusal::Session(SessionRejectReason::ValueOutOfRange),
            text: "Request id longer than 39 characters",
        })
    }

    #[inline]
    fn handling(&self) -> Result<(), DecodeError> {
        match self.picks.get(HANDL_INST) {
            None | Some(b"1" | b"2" | b"3") => Ok(()),
            Some(_) => Err(session(
                tags::HANDL_INST,
                SessionRejectReason::ValueOutOfRange,
            )),
        }
    }

    #[inline]
    fn quantity(&self) -> Result<Quantity, DecodeError> {
        let text = self.conditional(ORDER_QTY, tags::ORDER_QTY)?;
        Quantity::parse(text).ok_or_else(|| bad_number(tags::ORDER_QTY, text))
    }

    #[inline]
    fn order_type(&self) -> Result<OrderType, DecodeError> {
        match self.picks.value(ORD_TYPE) {
            b"1" => Ok(OrderType::Market),
            b"2" => Ok(OrderType::Limit),
            other => Err(self.not_taken(
                tags::ORD_TYPE,
                other,
                has::ORD_TYPES,
                "OrdType not supported",
            )),
        }
    }

    #[inline]
    fn price(&self, order_type: OrderType) -> Result<Price, DecodeError> {
        match order_type {
            OrderType::Market => Ok(Price::ZERO),
            OrderType::Limit => {
                let text = self.conditional(PRICE, tags::PRICE)?;
                Price::parse(text).ok_or_else(|| bad_number(tags::PRICE, text))
            }
        }
    }

    #[inline]
    fn side(&self) -> Result<Side, DecodeError> {
        match self.picks.value(SIDE) {
            b"1" => Ok(Side::Buy),
            b"2" => Ok(Side::Sell),
            other => Err(self.not_taken(tags::SIDE, other, has::SIDES, "Side not supported")),
        }
    }

    #[inline]
    fn time_in_force(&self) -> Result<TimeInForce, DecodeError> {
        match self.picks.get(TIME_IN_FORCE) {
            None | Some(b"0") => Ok(TimeInForce::Day),
            Some(b"3") => Ok(TimeInForce::ImmediateOrCancel),
            Some(b"4") => Ok(TimeInForce::FillOrKill),
            Some(other) => Err(self.not_taken(
                tags::TIME_IN_FORCE,
                other,
                has::TIMES_IN_FORCE,
                "TimeInForce not supported",
            )),
        }
    }

    #[inline]
    fn transact_time(&self) -> Result<(), DecodeError> {
        match self.picks.get(TRANSACT_TIME) {
            Some(text) if parse_utc(text).is_none() => {
                Err(session(tags::TRANSACT_TIME, SessionRejectReason::BadFormat))
            }
            _ => Ok(()),
        }
    }

    /// CxlType(125), as long as there is one: a part of an order cannot be cancelled.
    fn cxl_type(&self) -> Result<(), DecodeError> {
        match self.picks.get(CXL_TYPE) {
            Some(other) if other != b"F" && has::CXL_TYPE.covers(self.version) => {
                let text = "CxlType not supported";
                Err(self.not_taken(tags::CXL_TYPE, other, has::CXL_TYPES, text))
            }
            _ => Ok(()),
        }
    }

    fn mass_scope(&self, slot: usize, standard: Steps) -> Result<MassScope, DecodeError> {
        match self.picks.value(slot) {
            b"7" => Ok(MassScope::All),
            b"1" => Ok(MassScope::Instrument(self.instrument()?)),
            other => Err(self.not_taken(
                TABLE.lowest_tag(1 << slot),
                other,
                standard,
                "Mass request of this kind not supported",
            )),
        }
    }

    /// Refuses a field that would change the order's meaning, and that the gateway does not carry to the desk, unless its value
    /// says nothing.
    #[inline]
    fn refuse_meaningful(&self) -> Result<(), DecodeError> {
        let neutral = |slot, value: &[u8]| self.picks.get(slot).is_none_or(|have| have == value);
        let tag = if !neutral(MIN_QTY, b"0") {
            tags::MIN_QTY
        } else if !neutral(MAX_FLOOR, b"0") {
            tags::MAX_FLOOR
        } else if !neutral(MAX_SHOW, b"0") {
            tags::MAX_SHOW
        } else if !neutral(DISPLAY_QTY, b"0") {
            tags::DISPLAY_QTY
        } else if !neutral(CASH_ORDER_QTY, b"0") {
            tags::CASH_ORDER_QTY
        } else if self.picks.get(EFFECTIVE_TIME).is_some() {
            tags::EFFECTIVE_TIME
        } else if !neutral(CASH_MARGIN, b"1") {
            tags::CASH_MARGIN
        } else {
            return Ok(());
        };
        Err(DecodeError {
            tag,
            refusal: Refusal::Business(BusinessRejectReason::Other),
            text: "Field not supported",
        })
    }

    /// A field that the context requires.
    #[inline]
    fn conditional(&self, slot: usize, tag: u32) -> Result<&[u8], DecodeError> {
        self.picks.get(slot).ok_or(DecodeError {
            tag,
            refusal: Refusal::Business(BusinessRejectReason::ConditionallyRequiredFieldMissing),
            text: "Conditionally required field missing",
        })
    }

    /// A value of the specification that the gateway does not take, or one that is not of the specification.
    #[cold]
    fn not_taken(
        &self,
        tag: u32,
        value: &[u8],
        standard: Steps,
        text: &'static str,
    ) -> DecodeError {
        if has::has_value(standard, self.version, value) {
            DecodeError {
                tag,
                refusal: Refusal::Business(BusinessRejectReason::Other),
                text,
            }
        } else {
            session(tag, SessionRejectReason::ValueOutOfRange)
        }
    }
}

#[cold]
fn session(tag: u32, reason: SessionRejectReason) -> DecodeError {
    DecodeError {
        tag,
        refusal: Refusal::Session(reason),
        text: reason.text(),
    }
}

/// A decimal of the specification that is out of our range, or no decimal at all (exponents, signs in the middle, text).
#[cold]
fn bad_number(tag: u32, text: &[u8]) -> DecodeError {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let points = unsigned.iter().filter(|&&c| c == b'.').count();
    let digits = unsigned.iter().filter(|c| c.is_ascii_digit()).count();
    let is_decimal = points <= 1 && digits > 0 && points + digits == unsigned.len();
    if is_decimal {
        session(tag, SessionRejectReason::ValueOutOfRange)
    } else {
        session(tag, SessionRejectReason::BadFormat)
    }
}

#[cfg(test)]
mod tests {
    use super::super::order_tests::order_with;
    use super::super::tests::{names, with_message};
    use super::*;

    #[test]
    fn an_order_without_account_is_the_sessions_only_one() {
        let of = |field: &str, sole: Option<AccountIndex>| {
            let request = with_message(&order_with("1=ACC1", field), |message| {
                decode_order(message, FixVersion::Fix44, &names(), sole)
            });
            request.map(|request| match request {
                ClientRequest::New(order) => order.account,
                other => panic!("{other:?}"),
            })
        };
        let second = Some(AccountIndex(1));
        assert_eq!(of("", second), Ok(AccountRef::Known(AccountIndex(1))));
        assert_eq!(of("1=ACC1", second), Ok(AccountRef::Known(AccountIndex(0))));
        assert_eq!(of("", None).unwrap_err().tag, tags::ACCOUNT);
    }
}
