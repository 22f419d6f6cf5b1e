//! Writes one FIX message into a caller's slice: header, fields in the order of the calls, trailer.
//!
//! The body is written behind a reserved head; `finish` puts `8=..9=..` right-aligned before it, so that BodyLength(9) has no
//! leading zeros and nothing is moved. Running out of room is remembered and told by `finish`; it never panics.
//! Header order: 8, 9, 35, then ascending by tag; the caller keeps the order of the body.

use super::frame::checksum;
use super::msg_type::MsgType;
use super::tags;
use super::time::{TimeText, UtcText};
use crate::domain::{FixVersion, Price, Quantity};
use std::ops::Range;

const SOH: u8 = 1;
/// `8=FIX.4.4<SOH>9=NNNNN<SOH>`
const HEAD_BYTES: usize = 18;
const BODY_BYTES_MAX: usize = 99_999;
const TRAILER_BYTES: usize = 7;
/// `999999=` and SOH
const TAG_BYTES: usize = 8;

/// Header of a message to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// BeginString(8)
    pub version: FixVersion,
    /// MsgType(35)
    pub msg_type: MsgType,
    /// MsgSeqNum(34)
    pub msg_seq_num: u64,
    /// SenderCompID(49)
    pub sender_comp_id: &'a [u8],
    /// TargetCompID(56)
    pub target_comp_id: &'a [u8],
    /// SendingTime(52), since 1970 UTC
    pub sending_time_ns: u64,
    /// PossDupFlag(43): then 122 is written too
    pub poss_dup: bool,
    /// PossResend(97)
    pub poss_resend: bool,
    /// OrigSendingTime(122) as first sent; empty: the same as SendingTime(52)
    pub orig_sending_time: &'a [u8],
}

/// The slice is too short for the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// A message in the making.
pub struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
    full: bool,
    version: FixVersion,
    sending_time: UtcText,
}

impl<'a> Writer<'a> {
    /// Begins a message: header up to 122.
    pub fn begin(out: &'a mut [u8], header: &Header<'_>, time: &mut TimeText) -> Self {
        let full = out.len() < HEAD_BYTES;
        let mut writer = Self {
            out,
            at: HEAD_BYTES,
            full,
            version: header.version,
            sending_time: time.write(header.sending_time_ns),
        };
        let (msg_type, len) = header.msg_type.padded();
        writer.bytes(tags::MSG_TYPE, &msg_type[..len]);
        writer.u64(tags::MSG_SEQ_NUM, header.msg_seq_num);
        if header.poss_dup {
            writer.char(tags::POSS_DUP_FLAG, b'Y');
        }
        writer.bytes(tags::SENDER_COMP_ID, header.sender_comp_id);
        writer.sending_time(tags::SENDING_TIME);
        writer.bytes(tags::TARGET_COMP_ID, header.target_comp_id);
        if header.poss_resend {
            writer.char(tags::POSS_RESEND, b'Y');
        }
        if header.poss_dup {
            if header.orig_sending_time.is_empty() {
                writer.sending_time(tags::ORIG_SENDING_TIME);
            } else {
                writer.bytes(tags::ORIG_SENDING_TIME, header.orig_sending_time);
            }
        }
        writer
    }

    /// A field with any value; an empty one is left out, as FIX knows no empty values.
    #[inline]
    pub fn bytes(&mut self, tag: u32, value: &[u8]) {
        if value.is_empty() || !self.room(value.len()) {
            return;
        }
        self.tag(tag);
        self.out[self.at..self.at + value.len()].copy_from_slice(value);
        self.at += value.len();
        self.end();
    }

    /// A field of one character.
    #[inline]
    pub fn char(&mut self, tag: u32, value: u8) {
        self.bytes(tag, &[value]);
    }

    /// `Y` or `N`.
    #[inline]
    pub fn flag(&mut self, tag: u32, value: bool) {
        self.char(tag, if value { b'Y' } else { b'N' });
    }

    /// A whole number.
    #[inline]
    pub fn u64(&mut self, tag: u32, value: u64) {
        let mut text = [0; 20];
        let start = decimal(&mut text, value);
        self.bytes(tag, &text[start..]);
    }

    /// Text, and behind it the tag that it speaks of, in brackets; without them where `about` is zero.
    pub fn text_and_tag(&mut self, tag: u32, text: &[u8], about: u32) {
        if about == 0 {
            return self.bytes(tag, text);
        }
        let mut number = [0; 20];
        let start = decimal(&mut number, about as u64);
        let number = &number[start..];
        if !self.room(text.len() + number.len() + 3) {
            return;
        }
        self.tag(tag);
        for part in [text, b" (", number, b")"] {
            self.out[self.at..self.at + part.len()].copy_from_slice(part);
            self.at += part.len();
        }
        self.end();
    }

    /// A price, shortest form.
    #[inline]
    pub fn price(&mut self, tag: u32, value: Price) {
        let mut text = [0; crate::domain::price::PRICE_CHARS_MAX];
        let len = value.write(&mut text);
        self.bytes(tag, &text[..len]);
    }

    /// A quantity.
    #[inline]
    pub fn quantity(&mut self, tag: u32, value: Quantity) {
        self.u64(tag, value.0);
    }

    /// A time field with the text of SendingTime(52).
    #[inline]
    pub fn sending_time(&mut self, tag: u32) {
        let text = self.sending_time;
        self.bytes(tag, text.as_bytes());
    }

    /// A time field.
    pub fn timestamp(&mut self, tag: u32, time: &mut TimeText, wall_ns: u64) {
        let text = time.write(wall_ns);
        self.bytes(tag, text.as_bytes());
    }

    /// Ends the message: where it stands in the slice.
    pub fn finish(self) -> Result<Range<usize>, NoRoom> {
        let body_bytes = self.at - HEAD_BYTES;
        if self.full || self.out.len() - self.at < TRAILER_BYTES || body_bytes > BODY_BYTES_MAX {
            return Err(NoRoom);
        }
        let out = self.out;
        let mut length = [0; 20];
        let digits = decimal(&mut length, body_bytes as u64);
        let length = &length[digits..];
        let start = HEAD_BYTES - (13 + length.len());
        let head = &mut out[start..HEAD_BYTES];
        head[..2].copy_from_slice(b"8=");
        head[2..9].copy_from_slice(self.version.begin_string());
        head[9] = SOH;
        head[10..12].copy_from_slice(b"9=");
        head[12..12 + length.len()].copy_from_slice(length);
        head[12 + length.len()] = SOH;
        let sum = checksum(&out[start..self.at]);
        let trailer = [
            b'1',
            b'0',
            b'=',
            b'0' + sum / 100,
            b'0' + sum / 10 % 10,
            b'0' + sum % 10,
            SOH,
        ];
        out[self.at..self.at + TRAILER_BYTES].copy_from_slice(&trailer);
        Ok(start..self.at + TRAILER_BYTES)
    }

    #[inline]
    fn room(&mut self, value_bytes: usize) -> bool {
        let fits = !self.full && self.out.len() - self.at > value_bytes + TAG_BYTES;
        self.full = !fits;
        fits
    }

    #[inline]
    fn tag(&mut self, tag: u32) {
        let mut text = [0; 20];
        let start = decimal(&mut text, tag as u64);
        let len = 20 - start;
        self.out[self.at..self.at + len].copy_from_slice(&text[start..]);
        self.at += len;
        self.out[self.at] = b'=';
        self.at += 1;
    }

    #[inline]
    fn end(&mut self) {
        self.out[self.at] = SOH;
        self.at += 1;
    }
}

/// Writes `value` right-aligned into `out`; returns where it begins.
#[inline]
fn decimal(out: &mut [u8; 20], mut value: u64) -> usize {
    let mut at = 20;
    loop {
        at -= 1;
        out[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::FRAME_BYTES_MAX;
    use crate::wire::fix::frame::{Framing, next_frame};
    use crate::wire::fix::time::Precision;
    use crate::wire::fix::{FieldIndex, parse};

    #[test]
    fn a_logon_goes_round() {
        let mut out = [0; 256];
        let header = Header {
            version: FixVersion::Fix44,
            msg_type: MsgType::LOGON,
            msg_seq_num: 1,
            sender_comp_id: b"GATE",
            target_comp_id: b"CLIENT",
            sending_time_ns: 1_700_000_000_123_456_789,
            poss_dup: false,
            poss_resend: false,
            orig_sending_time: b"",
        };
        let mut time = TimeText::new(Precision::Millis);
        let mut writer = Writer::begin(&mut out, &header, &mut time);
        writer.u64(tags::ENCRYPT_METHOD, 0);
        writer.u64(tags::HEART_BT_INT, 30);
        let range = writer.finish().unwrap();
        let bytes = &out[range];
        assert_eq!(
            String::from_utf8_lossy(bytes).replace('\u{1}', "|"),
            "8=FIX.4.4|9=65|35=A|34=1|49=GATE|52=20231114-22:13:20.123|56=CLIENT|98=0|108=30|10=207|"
        );
        assert_eq!(
            next_frame(bytes, FRAME_BYTES_MAX),
            Framing::Frame {
                skip: 0,
                len: bytes.len()
            }
        );
        let mut index = FieldIndex::new();
        let message = parse(bytes, &mut index).unwrap();
        assert_eq!(message.msg_type(), MsgType::LOGON);
        assert_eq!(message.msg_seq_num(), Some(1));
        assert_eq!(message.sending_time_ns(), Some(1_700_000_000_123_000_000));
        assert_eq!(message.get_u64(tags::HEART_BT_INT), Some(30));
        assert_eq!(message.fault(), None);
        assert_eq!(message.missing_header_tag(), None);
    }
}
