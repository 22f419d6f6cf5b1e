//! The reject table: every reason for which the gateway refuses a request, with its text and its codes per FIX version.
//!
//! FIX 4.2 knows OrdRejReason(103) 0-8 only; 4.4 adds 9-15 and 99. A code that a version lacks becomes 0 there, and the text
//! (58) tells the reason. Source: the `103` and `102` enumerations of the FIX 4.2 and 4.4 specifications.

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectRow {
    /// The reason.
    pub reason: RejectReason,
    /// Name in counters, logs and `--json`.
    pub name: &'static str,
    /// Text(58).
    pub text: &'static str,
    /// OrdRejReason(103) in FIX 4.2.
    pub ord_rej_reason_42: u16,
    /// OrdRejReason(103) in FIX 4.4.
    pub ord_rej_reason_44: u16,
    /// CxlRejReason(102), both versions: 0 too late, 1 unknown order, 2 broker option, 3 already pending, 6 duplicate ClOrdID.
    pub cxl_rej_reason: u16,
}

macro_rules! reject_table {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $text:literal, $r42:literal, $r44:literal, $cxl:literal;)*) => {
        /// Why a request is refused.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize)]
        #[repr(u8)]
        pub enum RejectReason {
            $($(#[$doc])* $variant,)*
        }

        /// The table, in the order of [`RejectReason`].
        pub const REJECTS: &[RejectRow] = &[$(RejectRow {
            reason: RejectReason::$variant,
            name: $name,
            text: $text,
            ord_rej_reason_42: $r42,
            ord_rej_reason_44: $r44,
            cxl_rej_reason: $cxl,
        },)*];
    };
}

reject_table! {
    /// Not rejected.
    #[default]
    None, "none", "", 0, 0, 0;
    /// The session may not use the account.
    NotEntitled, "not_entitled", "Session may not use this account", 0, 15, 2;
    /// Account(1) names none.
    UnknownAccount, "unknown_account", "Unknown account", 0, 15, 2;
    /// Symbol(55) names none.
    UnknownInstrument, "unknown_instrument", "Unknown symbol", 1, 1, 2;
    /// The firm, account, session or instrument is stopped.
    Killed, "killed", "Trading is stopped by the kill switch", 0, 0, 2;
    /// The account, session or instrument is blocked for new orders.
    Blocked, "blocked", "Blocked for new orders", 0, 0, 2;
    /// Side, order type or time in force that the instrument does not take.
    UnsupportedOrder, "unsupported_order", "Order characteristic not supported", 0, 11, 2;
    /// Not a multiple of the lot.
    Lot, "lot", "Quantity is not a multiple of the lot", 0, 13, 2;
    /// Below the minimum.
    QuantityTooSmall, "quantity_too_small", "Quantity below the minimum", 0, 13, 2;
    /// Above the maximum.
    QuantityTooLarge, "quantity_too_large", "Quantity above the maximum", 3, 13, 2;
    /// Not a multiple of the tick, or no price where one is needed.
    Tick, "tick", "Price is not a multiple of the tick", 0, 99, 2;
    /// Outside the daily price limits.
    PriceLimit, "price_limit", "Price outside the daily limits", 0, 99, 2;
    /// Too far from the reference price.
    PriceCollar, "price_collar", "Price too far from the reference price", 0, 99, 2;
    /// No reference price to check against.
    NoReferencePrice, "no_reference_price", "No reference price for this check", 0, 99, 2;
    /// Order value above the maximum.
    ValueTooLarge, "value_too_large", "Order value above the maximum", 3, 3, 2;
    /// ClOrdID(11) was used before in this session and day.
    DuplicateClientOrderId, "duplicate_client_order_id", "ClOrdID already used", 6, 6, 6;
    /// Cash minus reserves does not cover the order.
    BuyingPower, "buying_power", "Insufficient buying power", 3, 3, 2;
    /// Position minus reserves does not cover the order.
    SellableQuantity, "sellable_quantity", "Insufficient sellable quantity", 3, 3, 2;
    /// Too many open orders.
    OpenOrders, "open_orders", "Too many open orders", 3, 3, 2;
    /// Messages come too fast.
    MessageRate, "message_rate", "Message rate exceeded", 0, 99, 2;
    /// Today's capacity for orders is used up.
    CapacityFull, "capacity_full", "Order capacity of the day is used up", 0, 99, 2;
    /// A queue or log on the way is nearly full: what is left is for reports and cancels.
    Pressure, "pressure", "Gateway under pressure, try again", 0, 99, 2;
    /// No link to a desk is ready.
    NoDesk, "no_desk", "No desk link is ready", 0, 99, 2;
    /// OrigClOrdID(41) names no order of the session.
    UnknownOrder, "unknown_order", "Unknown order", 5, 5, 1;
    /// The order is done.
    TooLate, "too_late", "Too late: the order is done", 0, 0, 0;
    /// A cancel or replace of the order is on its way.
    AlreadyPending, "already_pending", "A cancel or replace is already pending", 0, 99, 3;
    /// A replace may not change this, or not below what is filled.
    BadReplace, "bad_replace", "Replace changes what may not change", 0, 99, 2;
    /// The desk refused it.
    DeskRejected, "desk_rejected", "Rejected by the desk", 0, 99, 2;
    /// It never reached a desk.
    NotDelivered, "not_delivered", "Not delivered to a desk", 0, 99, 2;
    /// Not a reject: the word in the answer to a status request about an order in doubt.
    InDoubt, "in_doubt", "In doubt: the link was lost before the desk answered", 0, 99, 2;
    /// The logs cannot be written any more: what is left of them is for reports and cancels.
    LogUnavailable, "log_unavailable", "Log unavailable: no new orders", 0, 99, 2;
    /// After a loss of the host the desk may have orders that are not known here; an operator must release it.
    DeskHeld, "desk_held", "Desk is held, try later", 0, 99, 2;
    /// A repetition from before a loss of the host: whether it was sent is not known here.
    MayBeSent, "may_be_sent", "May have been sent before a failure of the host: ask the desk", 0, 99, 2;
}

impl RejectReason {
    /// The reason's row.
    pub fn row(self) -> &'static RejectRow {
        &REJECTS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_their_places_and_codes_exist_in_their_version() {
        for (at, row) in REJECTS.iter().enumerate() {
            assert_eq!(row.reason as usize, at, "{}", row.name);
            assert!(row.ord_rej_reason_42 <= 8, "{}", row.name);
            assert!(
                row.ord_rej_reason_44 <= 15 || row.ord_rej_reason_44 == 99,
                "{}",
                row.name
            );
            assert!(matches!(row.cxl_rej_reason, 0..=3 | 6), "{}", row.name);
        }
    }
}
