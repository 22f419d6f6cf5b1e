//! SessionRejectReason(373) with its texts, and BusinessRejectReason(380).
//!
//! Texts are the ones counterparties know from QuickFIX. FIX 4.2 has codes up to 11 only; above it sends the text alone.

use crate::domain::FixVersion;

macro_rules! reject_reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $text:literal;)*) => {
        /// SessionRejectReason(373).
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum SessionRejectReason {
            $($(#[$doc])* $variant = $code,)*
        }

        impl SessionRejectReason {
            /// All of them, by code.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Text(58).
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

reject_reasons! {
    /// Not a tag of the specification
    InvalidTagNumber = 0, "Invalid tag number";
    /// A field that the message must have
    RequiredTagMissing = 1, "Required tag missing";
    /// A field that the message may not have
    TagNotDefined = 2, "Tag not defined for this message type";
    /// `11=<SOH>`
    TagWithoutValue = 4, "Tag specified without a value";
    /// Well-formed, and not one of the values allowed
    ValueOutOfRange = 5, "Value is incorrect (out of range) for this tag";
    /// Not of the field's type
    BadFormat = 6, "Incorrect data format for value";
    /// 49 and 56 are not the session's
    CompIdProblem = 9, "CompID problem";
    /// 52 is too far from our clock, or after 122
    SendingTimeAccuracy = 10, "SendingTime accuracy problem";
    /// 35 is none of the specification
    InvalidMsgType = 11, "Invalid MsgType";
    /// Twice in one message, outside a repeating group
    TagRepeated = 13, "Tag appears more than once";
    /// Header field in the body and the like
    TagOutOfOrder = 14, "Tag specified out of required order";
    /// A group's members stand in another order, or its first one is missing
    GroupOrder = 15, "Out of order repeating group members";
    /// Group count is wrong
    GroupCount = 16, "Incorrect NumInGroup count for repeating group";
    /// More than the gateway takes, whatever the specification allows
    Other = 99, "Other";
}

impl SessionRejectReason {
    /// The code where the version has it: 4.0 and 4.1 have no such field.
    pub fn code(self, version: FixVersion) -> Option<u16> {
        let code = self as u16;
        match version {
            FixVersion::Fix40 | FixVersion::Fix41 => None,
            FixVersion::Fix42 => (code <= 11).then_some(code),
            // 99 begins with 4.4.
            FixVersion::Fix43 => (code <= 17).then_some(code),
            _ => Some(code),
        }
    }
}

/// BusinessRejectReason(380).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum BusinessRejectReason {
    /// None of the others; see Text(58)
    Other = 0,
    /// The application does not take the type
    UnsupportedMessageType = 3,
    /// The gateway is starting, stopping or under pressure
    ApplicationNotAvailable = 4,
    /// The message needs a field that the specification leaves open
    ConditionallyRequiredFieldMissing = 5,
    /// Not permitted for the session
    NotAuthorized = 6,
}

impl BusinessRejectReason {
    /// The code where the version has it, else 0: see Text(58).
    pub fn code(self, version: FixVersion) -> u16 {
        match self {
            Self::NotAuthorized if version <= FixVersion::Fix42 => 0,
            reason => reason as u16,
        }
    }
}
