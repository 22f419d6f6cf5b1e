//! FIX tag=value: framing, fields, times, encoding. Shared by both sides and both session roles.
//!
//! Way in: [`frame::next_frame`] cuts one message out of the receive buffer and proves length and checksum,
//! [`field::parse`] indexes its fields in one pass. Way out: [`writer::Writer`] into a caller's slice.

pub mod field;
pub mod frame;
pub mod msg_type;
pub mod reject;
pub mod tags;
pub mod time;
pub mod writer;

pub use field::{FieldIndex, Message, ParseError, parse};
pub use frame::{Framing, Garbled, next_frame};
pub use msg_type::MsgType;
pub use reject::SessionRejectReason;
pub use time::{Precision, TimeText};
pub use writer::{Header, NoRoom, Writer};
