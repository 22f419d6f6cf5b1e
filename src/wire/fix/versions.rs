//! What differs between the eight FIX versions in the messages of the application, in tables.
//!
//! Constants and small pure functions; the encoders and decoders of both sides, the simulated desk and the load client read them, so that no
//! version is named elsewhere. Source: the message and field lists of the specifications. `tests/dialect.rs` holds every message against them.

use crate::domain::FixVersion::{self, *};
use crate::domain::OrderStatus;
use crate::domain::reject::RejectRow;
use crate::domain::report::ClientExec;

/// The versions that have something: first and last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// First version that has it
    pub first: FixVersion,
    /// Last version that has it
    pub last: FixVersion,
}

const fn since(first: FixVersion) -> Span {
    Span {
        first,
        last: Fix50Sp2,
    }
}

const fn until(last: FixVersion) -> Span {
    Span { first: Fix40, last }
}

impl Span {
    /// Whether `version` has it.
    #[inline(always)]
    pub const fn covers(self, version: FixVersion) -> bool {
        self.first as u8 <= version as u8 && version as u8 <= self.last as u8
    }
}

/// ExecTransType(20); after it ExecType(150) says F, G, H, I.
pub const EXEC_TRANS_TYPE: Span = until(Fix42);
/// ExecType(150) and LeavesQty(151); before them OrdStatus(39) says all.
pub const EXEC_TYPE: Span = since(Fix41);
/// 150=E and 39=E; before it 6 is "pending cancel or replace".
const PENDING_REPLACE: Span = since(Fix42);
/// 150=D with ExecRestatementReason(378); before it the order is told as replaced.
pub const RESTATED: Span = since(Fix42);
/// ExecID(17) is a number.
pub const EXEC_ID_IS_NUMBER: Span = until(Fix40);
/// LastQty(32) and LastPx(31) are required in every report, zero where nothing was executed.
pub const LAST_REQUIRED: Span = until(Fix41);
/// OrigClOrdID(41) in reports.
pub const REPORT_ORIG_CL_ORD_ID: Span = since(Fix41);
/// OrdStatusReqID(790), and MassStatusReqID(584), 911 and 912 in reports.
pub const REQUEST_IDS: Span = since(Fix44);
/// CopyMsgIndicator(797) in reports; no version has it in an OrderCancelReject.
pub const COPY_MSG_INDICATOR: Span = since(Fix44);
/// OrdStatus(39) and OrigClOrdID(41) in an OrderCancelReject.
pub const CANCEL_REJECT_STATUS: Span = since(Fix41);
/// CxlRejResponseTo(434) and TransactTime(60) in an OrderCancelReject.
pub const CXL_REJ_RESPONSE_TO: Span = since(Fix42);
/// BusinessMessageReject (35=j); before it Reject (35=3) says it.
pub const BUSINESS_REJECT: Span = since(Fix42);
/// OrderMassCancelRequest (35=q), its report, and OrderMassStatusRequest (35=AF).
pub const MASS_REQUESTS: Span = since(Fix43);
/// MassActionReportID(1369), required in an OrderMassCancelReport.
pub const MASS_ACTION_REPORT_ID: Span = since(Fix50Sp1);
/// MassCancelRejectReason(532) 99; before it the field is one character.
pub const MASS_CANCEL_OTHER: Span = since(Fix50);
/// CxlType(125), required in an OrderCancelRequest.
pub const CXL_TYPE: Span = until(Fix40);
/// TransactTime(60), required in orders, cancels and replaces.
pub const REQUEST_TRANSACT_TIME: Span = since(Fix42);
/// Account(1) in cancels and status requests.
pub const CANCEL_ACCOUNT: Span = since(Fix42);
/// SecurityExchange(207).
pub const SECURITY_EXCHANGE: Span = since(Fix41);
/// HandlInst(21) is required in orders and replaces.
pub const HANDL_INST_REQUIRED: Span = until(Fix43);
/// Symbol(55) is required in every request about one order; later it belongs to a block that may name the security otherwise.
pub const SYMBOL_REQUIRED: Span = until(Fix42);
/// OrderQty(38) is required; later cash or a percentage may stand for it.
pub const ORDER_QTY_REQUIRED: Span = until(Fix40);
/// OrigClOrdID(41) is required in cancels and replaces, ClOrdID(11) in status requests; later OrderID(37) may stand for them.
pub const CHAIN_REQUIRED: Span = until(Fix50);

/// The values of an enumeration by the version that they begin with, as one list of words per step.
pub type Steps = &'static [(FixVersion, &'static str)];

/// OrdType(40)
pub const ORD_TYPES: Steps = &[
    (Fix40, "1 2 3 4 5 6 7 8 9 A B C D E P"),
    (Fix41, "1 2 3 4 5 6 7 8 9 A B C D E F G H P"),
    (Fix42, "1 2 3 4 5 6 7 8 9 A B C D E F G H I P"),
    (Fix43, "1 2 3 4 5 6 7 8 9 A B C D E F G H I J K L M P"),
    (Fix44, "1 2 3 4 6 7 8 9 D E G I J K L M P"),
    (Fix50, "1 2 3 4 5 6 7 8 9 A B C D E F G H I J K L M P Q"),
];
/// Side(54)
pub const SIDES: Steps = &[
    (Fix40, "1 2 3 4 5 6"),
    (Fix41, "1 2 3 4 5 6 7 8"),
    (Fix42, "1 2 3 4 5 6 7 8 9"),
    (Fix43, "1 2 3 4 5 6 7 8 9 A B C"),
    (Fix44, "1 2 3 4 5 6 7 8 9 A B C D E F G"),
];
/// TimeInForce(59)
pub const TIMES_IN_FORCE: Steps = &[
    (Fix40, "0 1 2 3 4 5 6"),
    (Fix43, "0 1 2 3 4 5 6 7"),
    (Fix50Sp1, "0 1 2 3 4 5 6 7 8 9"),
];
/// HandlInst(21)
pub const HANDL_INSTS: Steps = &[(Fix40, "1 2 3")];
/// CxlType(125)
pub const CXL_TYPES: Steps = &[(Fix40, "F P")];
/// MassCancelRequestType(530)
pub const MASS_CANCEL_TYPES: Steps = &[
    (Fix43, "1 2 3 4 5 6 7"),
    (Fix50Sp1, "1 2 3 4 5 6 7 8 9 A"),
    (Fix50Sp2, "1 2 3 4 5 6 7 8 9 A B C"),
];
/// MassStatusReqType(585)
pub const MASS_STATUS_TYPES: Steps = &[
    (Fix43, "1 2 3 4 5 6 7 8"),
    (Fix50Sp2, "1 2 3 4 5 6 7 8 9 10"),
];

/// The words of an enumeration in that version; empty where it has none.
pub fn values_of(steps: Steps, version: FixVersion) -> &'static str {
    let step = steps.iter().rev().find(|(first, _)| *first <= version);
    step.map_or("", |(_, words)| words)
}

/// Whether the value is one of the version.
pub fn has_value(steps: Steps, version: FixVersion, value: &[u8]) -> bool {
    values_of(steps, version)
        .split(' ')
        .any(|word| !word.is_empty() && word.as_bytes() == value)
}

/// Highest OrdRejReason(103) of 4.0 to 4.3; later versions have all that the table has.
const ORD_REJ_REASON_LAST: [u16; 4] = [4, 6, 8, 12];

/// OrdRejReason(103): the table's code where the version has it, else 0, "broker option".
pub fn ord_rej_reason(version: FixVersion, row: &RejectRow) -> u16 {
    let code = match version {
        Fix40 | Fix41 | Fix42 => row.ord_rej_reason_42,
        _ => row.ord_rej_reason_44,
    };
    ord_rej_reason_of(version, code)
}

/// OrdRejReason(103) of a code of FIX 4.4.
pub fn ord_rej_reason_of(version: FixVersion, code: u16) -> u16 {
    match ORD_REJ_REASON_LAST.get(version as usize) {
        Some(&last) if code > last => 0,
        _ => code,
    }
}

/// CxlRejReason(102); `None` where the version has none that is true, and can do without.
pub fn cxl_rej_reason(version: FixVersion, code: u16) -> Option<u16> {
    match version {
        // Too late, unknown order.
        Fix40 | Fix41 => (code <= 1).then_some(code),
        // And broker option, already pending.
        Fix42 => Some(if code <= 3 { code } else { 2 }),
        Fix43 => Some(if code <= 6 { code } else { 2 }),
        _ => Some(code),
    }
}

/// ExecTransType(20).
#[inline]
pub fn exec_trans_type(exec: ClientExec) -> u8 {
    match exec {
        ClientExec::TradeCancel => b'1',
        ClientExec::TradeCorrect => b'2',
        ClientExec::Status => b'3',
        _ => b'0',
    }
}

/// ExecType(150); `is_filled` says that nothing is left to be executed, `status` is [`ord_status`].
#[inline]
pub fn exec_type(version: FixVersion, exec: ClientExec, status: u8, is_filled: bool) -> u8 {
    match (exec, EXEC_TRANS_TYPE.covers(version)) {
        (ClientExec::PendingNew, _) => b'A',
        (ClientExec::New, _) => b'0',
        (ClientExec::Cancelled, _) => b'4',
        (ClientExec::Replaced, _) => b'5',
        (ClientExec::Rejected, _) => b'8',
        (ClientExec::Expired, _) => b'C',
        (ClientExec::DoneForDay, _) => b'3',
        (ClientExec::Restated, _) if RESTATED.covers(version) => b'D',
        (ClientExec::Restated, _) => b'5',
        (ClientExec::PendingCancel, _) => b'6',
        (ClientExec::PendingReplace, _) if PENDING_REPLACE.covers(version) => b'E',
        (ClientExec::PendingReplace, _) => b'6',
        (ClientExec::Trade, false) => b'F',
        (ClientExec::TradeCancel, false) => b'H',
        (ClientExec::TradeCorrect, false) => b'G',
        (ClientExec::Status, false) => b'I',
        (ClientExec::Trade, true) if is_filled => b'2',
        (ClientExec::Trade, true) => b'1',
        // What 20 says is not said again: 150 tells the state that the order is in.
        (ClientExec::TradeCancel | ClientExec::TradeCorrect | ClientExec::Status, true) => status,
    }
}

/// OrdStatus(39). 4.0 has no ExecType(150), so that the status tells what happened.
#[inline]
pub fn ord_status(
    version: FixVersion,
    exec: ClientExec,
    status: OrderStatus,
    is_filled: bool,
) -> u8 {
    match status {
        _ if !EXEC_TYPE.covers(version) => match exec {
            ClientExec::Replaced | ClientExec::Restated => b'5',
            ClientExec::Trade if is_filled => b'2',
            ClientExec::Trade => b'1',
            _ => plain_status(version, status),
        },
        status => plain_status(version, status),
    }
}

/// OrdStatus(39) where nothing happened.
#[inline]
pub fn plain_status(version: FixVersion, status: OrderStatus) -> u8 {
    match status {
        OrderStatus::PendingReplace if !PENDING_REPLACE.covers(version) => b'6',
        status => status as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reject::REJECTS;

    #[test]
    fn spans_and_steps_begin_and_end_where_they_say() {
        assert!(EXEC_TRANS_TYPE.covers(Fix42) && !EXEC_TRANS_TYPE.covers(Fix43));
        assert!(EXEC_TYPE.covers(Fix50Sp2) && !EXEC_TYPE.covers(Fix40));
        assert_eq!(values_of(MASS_CANCEL_TYPES, Fix42), "");
        assert!(has_value(MASS_STATUS_TYPES, Fix50Sp2, b"10"));
        assert!(!has_value(MASS_STATUS_TYPES, Fix50Sp1, b"10"));
        assert!(!has_value(MASS_STATUS_TYPES, Fix42, b""));
        assert!(!has_value(SIDES, Fix43, b"1 2"));
        for steps in [ORD_TYPES, SIDES, TIMES_IN_FORCE, MASS_CANCEL_TYPES] {
            assert!(steps.is_sorted_by(|a, b| a.0 < b.0));
        }
    }

    #[test]
    fn codes_exist_in_their_versions() {
        for row in REJECTS {
            for version in FixVersion::ALL {
                let code = ord_rej_reason(version, row);
                let exists = match version {
                    Fix40 => code <= 4,
                    Fix41 => code <= 6,
                    Fix42 => code <= 8,
                    Fix43 => code <= 12,
                    _ => code <= 15 && code != 12 || code == 99,
                };
                assert!(exists, "{} {version:?} {code}", row.name);
                let code = cxl_rej_reason(version, row.cxl_rej_reason);
                let exists = match version {
                    Fix40 | Fix41 => code.is_none_or(|code| code <= 1),
                    Fix42 => code.is_some_and(|code| code <= 3),
                    _ => code.is_some_and(|code| code <= 6),
                };
                assert!(exists, "{} {version:?} {code:?}", row.name);
            }
        }
    }
}
