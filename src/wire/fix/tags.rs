//! Tags that the gateway reads or writes, under the field's own names. The one table; everything else names the constants.
//!
//! A plain table; constants only.

macro_rules! tags {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        $(#[doc = $text] pub const $name: u32 = $number;)*

        /// The field's name in the specification; `None` for tags that the gateway has no use for.
        pub fn name(tag: u32) -> Option<&'static str> {
            match tag {
                $($number => Some($text),)*
                _ => None,
            }
        }
    };
}

tags! {
    ACCOUNT = 1, "Account";
    AVG_PX = 6, "AvgPx";
    BEGIN_SEQ_NO = 7, "BeginSeqNo";
    BEGIN_STRING = 8, "BeginString";
    BODY_LENGTH = 9, "BodyLength";
    CHECK_SUM = 10, "CheckSum";
    CL_ORD_ID = 11, "ClOrdID";
    CUM_QTY = 14, "CumQty";
    END_SEQ_NO = 16, "EndSeqNo";
    EXEC_ID = 17, "ExecID";
    EXEC_REF_ID = 19, "ExecRefID";
    EXEC_TRANS_TYPE = 20, "ExecTransType";
    HANDL_INST = 21, "HandlInst";
    LAST_PX = 31, "LastPx";
    LAST_QTY = 32, "LastQty";
    MSG_SEQ_NUM = 34, "MsgSeqNum";
    MSG_TYPE = 35, "MsgType";
    NEW_SEQ_NO = 36, "NewSeqNo";
    ORDER_ID = 37, "OrderID";
    ORDER_QTY = 38, "OrderQty";
    ORD_STATUS = 39, "OrdStatus";
    ORD_TYPE = 40, "OrdType";
    ORIG_CL_ORD_ID = 41, "OrigClOrdID";
    POSS_DUP_FLAG = 43, "PossDupFlag";
    PRICE = 44, "Price";
    REF_SEQ_NUM = 45, "RefSeqNum";
    SENDER_COMP_ID = 49, "SenderCompID";
    SENDER_SUB_ID = 50, "SenderSubID";
    SENDING_TIME = 52, "SendingTime";
    SIDE = 54, "Side";
    SYMBOL = 55, "Symbol";
    TARGET_COMP_ID = 56, "TargetCompID";
    TARGET_SUB_ID = 57, "TargetSubID";
    TEXT = 58, "Text";
    TIME_IN_FORCE = 59, "TimeInForce";
    TRANSACT_TIME = 60, "TransactTime";
    SIGNATURE = 89, "Signature";
    SECURE_DATA_LEN = 90, "SecureDataLen";
    SECURE_DATA = 91, "SecureData";
    SIGNATURE_LENGTH = 93, "SignatureLength";
    RAW_DATA_LENGTH = 95, "RawDataLength";
    RAW_DATA = 96, "RawData";
    POSS_RESEND = 97, "PossResend";
    ENCRYPT_METHOD = 98, "EncryptMethod";
    CXL_REJ_REASON = 102, "CxlRejReason";
    ORD_REJ_REASON = 103, "OrdRejReason";
    HEART_BT_INT = 108, "HeartBtInt";
    MIN_QTY = 110, "MinQty";
    MAX_FLOOR = 111, "MaxFloor";
    TEST_REQ_ID = 112, "TestReqID";
    ON_BEHALF_OF_COMP_ID = 115, "OnBehalfOfCompID";
    ORIG_SENDING_TIME = 122, "OrigSendingTime";
    GAP_FILL_FLAG = 123, "GapFillFlag";
    CXL_TYPE = 125, "CxlType";
    DELIVER_TO_COMP_ID = 128, "DeliverToCompID";
    RESET_SEQ_NUM_FLAG = 141, "ResetSeqNumFlag";
    EXEC_TYPE = 150, "ExecType";
    LEAVES_QTY = 151, "LeavesQty";
    CASH_ORDER_QTY = 152, "CashOrderQty";
    EFFECTIVE_TIME = 168, "EffectiveTime";
    SECURITY_EXCHANGE = 207, "SecurityExchange";
    MAX_SHOW = 210, "MaxShow";
    XML_DATA_LEN = 212, "XmlDataLen";
    XML_DATA = 213, "XmlData";
    ENCODED_TEXT_LEN = 354, "EncodedTextLen";
    ENCODED_TEXT = 355, "EncodedText";
    LAST_MSG_SEQ_NUM_PROCESSED = 369, "LastMsgSeqNumProcessed";
    REF_TAG_ID = 371, "RefTagID";
    REF_MSG_TYPE = 372, "RefMsgType";
    SESSION_REJECT_REASON = 373, "SessionRejectReason";
    EXEC_RESTATEMENT_REASON = 378, "ExecRestatementReason";
    BUSINESS_REJECT_REF_ID = 379, "BusinessRejectRefID";
    BUSINESS_REJECT_REASON = 380, "BusinessRejectReason";
    MAX_MESSAGE_SIZE = 383, "MaxMessageSize";
    CXL_REJ_RESPONSE_TO = 434, "CxlRejResponseTo";
    MASS_CANCEL_REQUEST_TYPE = 530, "MassCancelRequestType";
    MASS_CANCEL_RESPONSE = 531, "MassCancelResponse";
    MASS_CANCEL_REJECT_REASON = 532, "MassCancelRejectReason";
    TOTAL_AFFECTED_ORDERS = 533, "TotalAffectedOrders";
    CASH_MARGIN = 544, "CashMargin";
    USERNAME = 553, "Username";
    PASSWORD = 554, "Password";
    MASS_STATUS_REQ_ID = 584, "MassStatusReqID";
    MASS_STATUS_REQ_TYPE = 585, "MassStatusReqType";
    NEXT_EXPECTED_MSG_SEQ_NUM = 789, "NextExpectedMsgSeqNum";
    ORD_STATUS_REQ_ID = 790, "OrdStatusReqID";
    COPY_MSG_INDICATOR = 797, "CopyMsgIndicator";
    TOT_NUM_REPORTS = 911, "TotNumReports";
    LAST_RPT_REQUESTED = 912, "LastRptRequested";
    DEFAULT_APPL_VER_ID = 1137, "DefaultApplVerID";
    DISPLAY_QTY = 1138, "DisplayQty";
    MASS_ACTION_REPORT_ID = 1369, "MassActionReportID";
}

/// The data field that must follow a length field, and whose value may contain any byte.
pub const fn data_tag_of(length_tag: u32) -> Option<u32> {
    Some(match length_tag {
        93 => 89,
        90 | 95 | 212 | 348 | 350 | 352 | 354 | 356 | 358 | 360 | 362 | 364 | 445 | 618 | 621 => {
            length_tag + 1
        }
        _ => return None,
    })
}
