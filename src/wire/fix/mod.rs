//! FIX tag=value: framing, fields, times, encoding. Shared by both sides and both session roles.
//!
//! Way in: [`frame::next_frame`] cuts one message out of the receive buffer and proves length and checksum,
//! [`field::parse`] indexes its fields in one pass. Way out: [`writer::Writer`] into a caller's slice.

pub mod decode_desk;
pub mod decode_order;
#[cfg(test)]
mod desk_tests;
pub mod dialect;
pub mod dictionary;
mod digits;
pub mod encode_desk;
pub mod encode_report;
pub mod field;
#[cfg(test)]
mod field_tests;
pub mod frame;
pub mod msg_type;
#[cfg(test)]
mod order_tests;
mod pick;
#[cfg(test)]
mod property_tests;
pub mod reject;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod time;
pub mod versions;
pub mod writer;

pub use decode_desk::{DeskDecodeError, DeskMessage, DeskRefusal, decode_desk};
pub use decode_order::{DecodeError, Refusal, decode_order};
pub use dictionary::Dictionary;
pub use digits::digits;
pub use encode_desk::{encode_status_request, encode_to_desk};
pub use encode_report::{BusinessReject, Level, encode_business_reject, encode_output};
pub use field::{Fault, FieldIndex, Message, ParseError, parse};
pub use frame::{Framing, Garbled, Partial, next_frame, next_frame_of};
pub use msg_type::MsgType;
pub use reject::{BusinessRejectReason, SessionRejectReason};
pub use time::{Precision, TimeText};
pub use writer::{Header, NoRoom, Writer};
