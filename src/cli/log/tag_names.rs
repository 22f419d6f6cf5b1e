//! Names of tags, message types and values, for `--explain`: the one table of what the gateway's own names do not cover.
//!
//! Tables only. The gateway's fields have their names in `wire::fix::tags`; here are other fields that counterparties send often, and
//! the meanings of codes.

use crate::wire::fix::{MsgType, tags};

/// Name of a field; `None` where it is not known.
pub fn tag(tag: u32) -> Option<&'static str> {
    tags::name(tag).or_else(|| {
        let at = MORE.binary_search_by_key(&tag, |&(tag, _)| tag).ok()?;
        Some(MORE[at].1)
    })
}

/// Name of a message type.
pub fn msg_type(text: &[u8]) -> Option<&'static str> {
    MsgType::from_bytes(text).name().or_else(|| {
        let named = MORE_TYPES.iter().find(|(code, _)| code.as_bytes() == text);
        named.map(|&(_, name)| name)
    })
}

/// What a value means.
pub fn meaning(tag: u32, value: &[u8]) -> Option<&'static str> {
    if matches!(tag, tags::MSG_TYPE | tags::REF_MSG_TYPE) {
        return msg_type(value);
    }
    let (_, codes) = MEANINGS.iter().find(|(of, _)| *of == tag)?;
    let named = codes.iter().find(|(code, _)| code.as_bytes() == value);
    named.map(|&(_, name)| name)
}

/// In ascending order.
const MORE: &[(u32, &str)] = &[
    (12, "Commission"),
    (13, "CommType"),
    (15, "Currency"),
    (18, "ExecInst"),
    (22, "SecurityIDSource"),
    (30, "LastMkt"),
    (33, "NoLinesOfText"),
    (47, "Rule80A"),
    (48, "SecurityID"),
    (60, "TransactTime"),
    (63, "SettlType"),
    (64, "SettlDate"),
    (65, "SymbolSfx"),
    (66, "ListID"),
    (75, "TradeDate"),
    (76, "ExecBroker"),
    (77, "PositionEffect"),
    (78, "NoAllocs"),
    (79, "AllocAccount"),
    (80, "AllocQty"),
    (81, "ProcessCode"),
    (94, "EmailType"),
    (99, "StopPx"),
    (100, "ExDestination"),
    (104, "IOIQualifier"),
    (106, "Issuer"),
    (107, "SecurityDesc"),
    (114, "LocateReqd"),
    (116, "OnBehalfOfSubID"),
    (117, "QuoteID"),
    (120, "SettlCurrency"),
    (121, "ForexReq"),
    (126, "ExpireTime"),
    (129, "DeliverToSubID"),
    (142, "SenderLocationID"),
    (143, "TargetLocationID"),
    (144, "OnBehalfOfLocationID"),
    (145, "DeliverToLocationID"),
    (146, "NoRelatedSym"),
    (147, "Subject"),
    (148, "Headline"),
    (164, "EmailThreadID"),
    (165, "SettlInstSource"),
    (167, "SecurityType"),
    (198, "SecondaryOrderID"),
    (200, "MaturityMonthYear"),
    (201, "PutOrCall"),
    (202, "StrikePrice"),
    (203, "CoveredOrUncovered"),
    (231, "ContractMultiplier"),
    (336, "TradingSessionID"),
    (340, "TradSesStatus"),
    (347, "MessageEncoding"),
    (370, "OnBehalfOfSendingTime"),
    (382, "NoContraBrokers"),
    (384, "NoMsgTypes"),
    (385, "MsgDirection"),
    (386, "NoTradingSessions"),
    (388, "DiscretionInst"),
    (389, "DiscretionOffset"),
    (423, "PriceType"),
    (432, "ExpireDate"),
    (447, "PartyIDSource"),
    (448, "PartyID"),
    (452, "PartyRole"),
    (453, "NoPartyIDs"),
    (454, "NoSecurityAltID"),
    (461, "CFICode"),
    (464, "TestMessageIndicator"),
    (526, "SecondaryClOrdID"),
    (527, "SecondaryExecID"),
    (528, "OrderCapacity"),
    (529, "OrderRestrictions"),
    (541, "MaturityDate"),
    (581, "AccountType"),
    (582, "CustOrderCapacity"),
    (583, "ClOrdLinkID"),
    (627, "NoHops"),
    (628, "HopCompID"),
    (629, "HopSendingTime"),
    (630, "HopRefID"),
    (636, "WorkingIndicator"),
    (660, "AcctIDSource"),
    (802, "NoPartySubIDs"),
    (851, "LastLiquidityInd"),
    (923, "UserRequestID"),
    (924, "UserRequestType"),
    (925, "NewPassword"),
    (926, "UserStatus"),
    (927, "UserStatusText"),
    (1128, "ApplVerID"),
    (1129, "CstmApplVerID"),
    (1130, "RefApplVerID"),
    (1137, "DefaultApplVerID"),
    (1156, "ApplExtID"),
    (1400, "EncryptedPasswordMethod"),
    (1401, "EncryptedPasswordLen"),
    (1402, "EncryptedPassword"),
    (1403, "EncryptedNewPasswordLen"),
    (1404, "EncryptedNewPassword"),
    (1407, "DefaultApplExtID"),
    (1408, "DefaultCstmApplVerID"),
    (1409, "SessionStatus"),
];

const MORE_TYPES: &[(&str, &str)] = &[
    ("6", "IOI"),
    ("7", "Advertisement"),
    ("B", "News"),
    ("C", "Email"),
    ("E", "NewOrderList"),
    ("J", "AllocationInstruction"),
    ("P", "AllocationInstructionAck"),
    ("Q", "DontKnowTrade"),
    ("R", "QuoteRequest"),
    ("S", "Quote"),
    ("V", "MarketDataRequest"),
    ("W", "MarketDataSnapshotFullRefresh"),
    ("X", "MarketDataIncrementalRefresh"),
    ("Y", "MarketDataRequestReject"),
    ("c", "SecurityDefinitionRequest"),
    ("d", "SecurityDefinition"),
    ("e", "SecurityStatusRequest"),
    ("f", "SecurityStatus"),
    ("g", "TradingSessionStatusRequest"),
    ("h", "TradingSessionStatus"),
    ("n", "XMLnonFIX"),
    ("AE", "TradeCaptureReport"),
    ("AN", "RequestForPositions"),
    ("AP", "PositionReport"),
    ("BE", "UserRequest"),
    ("BF", "UserResponse"),
    ("BN", "ExecutionAcknowledgement"),
];

type Codes = &'static [(&'static str, &'static str)];

const YES_NO: Codes = &[("Y", "yes"), ("N", "no")];
const STATUS: Codes = &[
    ("0", "New"),
    ("1", "PartiallyFilled"),
    ("2", "Filled"),
    ("3", "DoneForDay"),
    ("4", "Canceled"),
    ("5", "Replaced"),
    ("6", "PendingCancel"),
    ("7", "Stopped"),
    ("8", "Rejected"),
    ("9", "Suspended"),
    ("A", "PendingNew"),
    ("B", "Calculated"),
    ("C", "Expired"),
    ("D", "Restated"),
    ("E", "PendingReplace"),
    ("F", "Trade"),
    ("G", "TradeCorrect"),
    ("H", "TradeCancel"),
    ("I", "OrderStatus"),
];

const MEANINGS: &[(u32, Codes)] = &[
    (tags::EXEC_TYPE, STATUS),
    (tags::ORD_STATUS, STATUS),
    (tags::POSS_DUP_FLAG, YES_NO),
    (tags::POSS_RESEND, YES_NO),
    (tags::RESET_SEQ_NUM_FLAG, YES_NO),
    (tags::GAP_FILL_FLAG, YES_NO),
    (
        tags::SIDE,
        &[
            ("1", "Buy"),
            ("2", "Sell"),
            ("5", "SellShort"),
            ("6", "SellShortExempt"),
        ],
    ),
    (
        tags::ORD_TYPE,
        &[
            ("1", "Market"),
            ("2", "Limit"),
            ("3", "Stop"),
            ("4", "StopLimit"),
        ],
    ),
    (
        tags::TIME_IN_FORCE,
        &[
            ("0", "Day"),
            ("1", "GoodTillCancel"),
            ("2", "AtTheOpening"),
            ("3", "ImmediateOrCancel"),
            ("4", "FillOrKill"),
            ("6", "GoodTillDate"),
            ("7", "AtTheClose"),
        ],
    ),
    (
        tags::EXEC_TRANS_TYPE,
        &[
            ("0", "New"),
            ("1", "Cancel"),
            ("2", "Correct"),
            ("3", "Status"),
        ],
    ),
    (
        tags::HANDL_INST,
        &[
            ("1", "AutomatedPrivate"),
            ("2", "AutomatedPublic"),
            ("3", "Manual"),
        ],
    ),
    (tags::ENCRYPT_METHOD, &[("0", "None")]),
    (
        tags::CXL_REJ_RESPONSE_TO,
        &[
            ("1", "OrderCancelRequest"),
            ("2", "OrderCancelReplaceRequest"),
        ],
    ),
    (
        tags::SESSION_REJECT_REASON,
        &[
            ("0", "InvalidTagNumber"),
            ("1", "RequiredTagMissing"),
            ("2", "TagNotDefinedForThisMessageType"),
            ("3", "UndefinedTag"),
            ("4", "TagSpecifiedWithoutAValue"),
            ("5", "ValueIsIncorrect"),
            ("6", "IncorrectDataFormatForValue"),
            ("7", "DecryptionProblem"),
            ("8", "SignatureProblem"),
            ("9", "CompIDProblem"),
            ("10", "SendingTimeAccuracyProblem"),
            ("11", "InvalidMsgType"),
            ("12", "XMLValidationError"),
            ("13", "TagAppearsMoreThanOnce"),
            ("14", "TagSpecifiedOutOfRequiredOrder"),
            ("15", "RepeatingGroupFieldsOutOfOrder"),
            ("16", "IncorrectNumInGroupCount"),
            ("17", "Non-dataValueIncludesFieldDelimiter"),
            ("99", "Other"),
        ],
    ),
    (
        tags::BUSINESS_REJECT_REASON,
        &[
            ("0", "Other"),
            ("1", "UnknownID"),
            ("2", "UnknownSecurity"),
            ("3", "UnsupportedMessageType"),
            ("4", "ApplicationNotAvailable"),
            ("5", "ConditionallyRequiredFieldMissing"),
            ("6", "NotAuthorized"),
            ("7", "DeliverToFirmNotAvailable"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert!(MORE.is_sorted_by_key(|&(tag, _)| tag));
        assert_eq!(tag(8), Some("BeginString"));
        assert_eq!(tag(1409), Some("SessionStatus"));
        assert_eq!(tag(5001), None);
        assert_eq!(msg_type(b"BE"), Some("UserRequest"));
        assert_eq!(meaning(35, b"D"), Some("NewOrderSingle"));
        assert_eq!(meaning(54, b"2"), Some("Sell"));
        assert_eq!(meaning(54, b"?"), None);
        assert_eq!(meaning(58, b"2"), None);
    }
}
