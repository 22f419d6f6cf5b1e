//! MsgType(35) as one comparable number: its text, at most four bytes, little-endian.
//!
//! Unknown types keep their text, so that they can be named in a reject and sent again by a resend.

use crate::domain::Text;

/// MsgType(35). Constants may stand in patterns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct MsgType(u32);

macro_rules! msg_types {
    ($($name:ident = $text:literal, $doc:literal;)*) => {
        impl MsgType {
            $(#[doc = $doc] pub const $name: Self = Self::pack($text);)*

            /// Name of the message in the specification; `None` for types that the gateway has no use for.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($doc),)*
                    _ => None,
                }
            }
        }
    };
}

msg_types! {
    HEARTBEAT = b"0", "Heartbeat";
    TEST_REQUEST = b"1", "TestRequest";
    RESEND_REQUEST = b"2", "ResendRequest";
    REJECT = b"3", "Reject";
    SEQUENCE_RESET = b"4", "SequenceReset";
    LOGOUT = b"5", "Logout";
    EXECUTION_REPORT = b"8", "ExecutionReport";
    ORDER_CANCEL_REJECT = b"9", "OrderCancelReject";
    LOGON = b"A", "Logon";
    NEW_ORDER_SINGLE = b"D", "NewOrderSingle";
    ORDER_CANCEL_REQUEST = b"F", "OrderCancelRequest";
    ORDER_CANCEL_REPLACE_REQUEST = b"G", "OrderCancelReplaceRequest";
    ORDER_STATUS_REQUEST = b"H", "OrderStatusRequest";
    ORDER_MASS_STATUS_REQUEST = b"AF", "OrderMassStatusRequest";
    BUSINESS_MESSAGE_REJECT = b"j", "BusinessMessageReject";
    ORDER_MASS_CANCEL_REQUEST = b"q", "OrderMassCancelRequest";
    ORDER_MASS_CANCEL_REPORT = b"r", "OrderMassCancelReport";
}

impl MsgType {
    /// Text longer than four bytes: no such type exists.
    pub const TOO_LONG: Self = Self(u32::MAX);

    const fn pack(text: &[u8]) -> Self {
        let mut value = 0;
        let mut at = 0;
        while at < text.len() {
            value |= (text[at] as u32) << (8 * at);
            at += 1;
        }
        Self(value)
    }

    /// From the text of tag 35.
    #[inline]
    pub fn from_bytes(text: &[u8]) -> Self {
        match text {
            [one] => Self(*one as u32),
            _ if text.len() <= 4 => Self::pack(text),
            _ => Self::TOO_LONG,
        }
    }

    /// The text; empty for [`MsgType::TOO_LONG`] and the default.
    pub fn text(self) -> Text<4> {
        if self == Self::TOO_LONG {
            return Text::EMPTY;
        }
        let bytes = self.0.to_le_bytes();
        Text::cut(&bytes[..self.len()])
    }

    /// The text padded with zeros, and its length.
    #[inline]
    pub(super) fn padded(self) -> ([u8; 4], usize) {
        (self.0.to_le_bytes(), self.len())
    }

    #[inline]
    fn len(self) -> usize {
        4 - (self.0.leading_zeros() / 8) as usize
    }

    /// Session-level message: never resent, but gap-filled.
    pub fn is_admin(self) -> bool {
        matches!(
            self,
            Self::HEARTBEAT
                | Self::TEST_REQUEST
                | Self::RESEND_REQUEST
                | Self::REJECT
                | Self::SEQUENCE_RESET
                | Self::LOGOUT
                | Self::LOGON
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives() {
        for text in [&b"0"[..], b"AF", b"U12", b"ABCD"] {
            assert_eq!(MsgType::from_bytes(text).text().as_bytes(), text);
        }
        assert_eq!(
            MsgType::from_bytes(b"AF"),
            MsgType::ORDER_MASS_STATUS_REQUEST
        );
        assert_eq!(MsgType::from_bytes(b"ABCDE"), MsgType::TOO_LONG);
        assert!(MsgType::LOGON.is_admin() && !MsgType::BUSINESS_MESSAGE_REJECT.is_admin());
    }
}
