//! A request of the risk stage -> NewOrderSingle, OrderCancelRequest, OrderCancelReplaceRequest, OrderStatusRequest to a desk.
//!
//! Runs on the route stage. ClOrdID(11) is our order id, so that the desk's report finds its slot. HandlInst(21) is always written: some versions require
//! it, all allow it. TransactTime(60) is SendingTime(52). Body fields ascend by tag.

use std::ops::Range;

use super::encode_report::begin;
use super::msg_type::MsgType;
use super::tags;
use super::time::TimeText;
use super::versions as has;
use super::writer::{Header, NoRoom, Writer};
use crate::domain::order::{DeskRequest, ToDesk};
use crate::domain::{Directory, OrderType};

/// HandlInst(21): automated, no intervention.
const AUTOMATED: u8 = b'1';
/// CxlType(125): all that is left.
const FULL: u8 = b'F';

/// Encodes what `order.request` asks. `header.msg_type` is set here.
pub fn encode_to_desk(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    directory: &Directory,
    order: &ToDesk,
) -> Result<Range<usize>, NoRoom> {
    let (msg_type, original) = match order.request {
        DeskRequest::New => (MsgType::NEW_ORDER_SINGLE, None),
        DeskRequest::Cancel { original } => (MsgType::ORDER_CANCEL_REQUEST, Some(original)),
        DeskRequest::Replace { original } => {
            (MsgType::ORDER_CANCEL_REPLACE_REQUEST, Some(original))
        }
    };
    let is_cancel = msg_type == MsgType::ORDER_CANCEL_REQUEST;
    let version = header.version;
    let mut w = begin(out, header, msg_type, time);
    if !is_cancel || has::CANCEL_ACCOUNT.covers(version) {
        w.bytes(tags::ACCOUNT, directory.account_name(order.account));
    }
    w.bytes(tags::CL_ORD_ID, &order.id.to_base62());
    if !is_cancel {
        w.char(tags::HANDL_INST, AUTOMATED);
    }
    w.quantity(tags::ORDER_QTY, order.quantity);
    if !is_cancel {
        w.char(tags::ORD_TYPE, order.order_type as u8);
    }
    if let Some(original) = original {
        w.bytes(tags::ORIG_CL_ORD_ID, &original.to_base62());
    }
    if !is_cancel && order.order_type == OrderType::Limit {
        w.price(tags::PRICE, order.price);
    }
    side_and_symbol(&mut w, directory, order);
    if !is_cancel {
        w.char(tags::TIME_IN_FORCE, order.time_in_force as u8);
    }
    if has::REQUEST_TRANSACT_TIME.covers(version) {
        w.sending_time(tags::TRANSACT_TIME);
    }
    if is_cancel && has::CXL_TYPE.covers(version) {
        w.char(tags::CXL_TYPE, FULL);
    }
    if has::SECURITY_EXCHANGE.covers(version) {
        w.bytes(tags::SECURITY_EXCHANGE, directory.market(order.instrument));
    }
    w.finish()
}

/// OrderStatusRequest (35=H): what became of the request that `order` was?
pub fn encode_status_request(
    out: &mut [u8],
    header: &Header<'_>,
    time: &mut TimeText,
    directory: &Directory,
    order: &ToDesk,
) -> Result<Range<usize>, NoRoom> {
    let mut w = begin(out, header, MsgType::ORDER_STATUS_REQUEST, time);
    if has::CANCEL_ACCOUNT.covers(header.version) {
        w.bytes(tags::ACCOUNT, directory.account_name(order.account));
    }
    w.bytes(tags::CL_ORD_ID, &order.id.to_base62());
    side_and_symbol(&mut w, directory, order);
    w.finish()
}

#[inline]
fn side_and_symbol(w: &mut Writer<'_>, directory: &Directory, order: &ToDesk) {
    w.char(tags::SIDE, order.side as u8);
    w.bytes(tags::SYMBOL, directory.symbol(order.instrument));
}
