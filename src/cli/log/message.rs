//! FIX bytes for people: fields, secrets, separators, escapes. Takes any bytes, FIX or not.
//!
//! What always holds: the value of a secret field is never given to whoever prints, in no form of output; data fields end where their
//! length says, so that a separator inside them neither hides nor shows anything.

use std::io::{self, Write};

use crate::wire::fix::tags;

const SOH: u8 = 1;
/// What stands for a secret.
const MASK: &[u8] = b"***";

/// EncryptedPasswordLen, EncryptedPassword, EncryptedNewPasswordLen, EncryptedNewPassword
const ENCRYPTED: std::ops::RangeInclusive<u32> = 1401..=1404;
/// NewPassword
const NEW_PASSWORD: u32 = 925;
/// Fields that are secret wherever they stand.
const SECRET: [u32; 4] = [
    tags::PASSWORD,
    NEW_PASSWORD,
    tags::SIGNATURE,
    tags::SECURE_DATA,
];
/// Fields that carry a password where someone identifies himself: in Logon and UserRequest.
const SECRET_IN_LOGON: [u32; 2] = [tags::RAW_DATA_LENGTH, tags::RAW_DATA];

/// What separates fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `|` for SOH; what cannot be shown is escaped
    Readable,
    /// As on the wire
    Raw,
}

/// A piece of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// `None` where it is no number
    pub tag: Option<u32>,
    /// As it stands there
    pub tag_text: &'a [u8],
    /// `None` where there is no `=`
    pub value: Option<&'a [u8]>,
    /// Whether a SOH follows
    pub ended: bool,
}

/// The fields of a message, one by one.
pub fn fields(bytes: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = bytes;
    let mut announced = None;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (field, behind) = first(rest, announced);
        rest = behind;
        announced = length_of_data(&field);
        Some(field)
    })
}

/// The field at the start; `announced` is the data tag and length that the field before it gave.
fn first(bytes: &[u8], announced: Option<(u32, usize)>) -> (Field<'_>, &[u8]) {
    let soh = memchr::memchr(SOH, bytes).unwrap_or(bytes.len());
    let equals = memchr::memchr(b'=', &bytes[..soh]);
    let tag_text = &bytes[..equals.unwrap_or(soh)];
    let tag = number(tag_text);
    let mut end = soh;
    if let (Some(equals), Some((data_tag, length))) = (equals, announced)
        && tag == Some(data_tag)
        && let Some(by_length) = (equals + 1).checked_add(length)
        && bytes.get(by_length) == Some(&SOH)
    {
        end = by_length;
    }
    let field = Field {
        tag,
        tag_text,
        value: equals.map(|equals| &bytes[equals + 1..end]),
        ended: end < bytes.len(),
    };
    (field, bytes.get(end + 1..).unwrap_or_default())
}

fn length_of_data(field: &Field<'_>) -> Option<(u32, usize)> {
    let data_tag = match field.tag? {
        1401 => 1402,
        1403 => 1404,
        tag => tags::data_tag_of(tag)?,
    };
    let length = number(field.value?)?;
    Some((data_tag, length as usize))
}

fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The first value of a tag.
pub fn value(bytes: &[u8], tag: u32) -> Option<&[u8]> {
    fields(bytes).find(|field| field.tag == Some(tag))?.value
}

/// Numbers that count: MsgSeqNum(34) and the like.
pub fn value_number(bytes: &[u8], tag: u32) -> Option<u64> {
    std::str::from_utf8(value(bytes, tag)?).ok()?.parse().ok()
}

/// Text of a field, escaped; empty where there is none.
pub fn value_text(bytes: &[u8], tag: u32) -> String {
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = escape(&mut text, value(bytes, tag).unwrap_or_default());
    String::from_utf8_lossy(&text).into_owned()
}

/// What may not be seen.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Tags that the user wants hidden as well
    pub more: Vec<u32>,
}

impl Secrets {
    /// For one message.
    pub fn of(&self, message: &[u8]) -> MessageSecrets<'_> {
        let mut types = fields(message)
            .filter(|field| field.tag == Some(tags::MSG_TYPE))
            .peekable();
        // A message without a type may be anything.
        let identifies =
            types.peek().is_none() || types.any(|field| matches!(field.value, Some(b"A" | b"BE")));
        MessageSecrets {
            more: &self.more,
            identifies,
        }
    }
}

/// What may not be seen of a message.
#[derive(Clone, Copy, Debug)]
pub struct MessageSecrets<'a> {
    more: &'a [u32],
    identifies: bool,
}

impl MessageSecrets<'_> {
    /// Whether a field of this tag is secret.
    pub fn hides(&self, tag: Option<u32>) -> bool {
        let Some(tag) = tag else {
            return false;
        };
        SECRET.contains(&tag)
            || ENCRYPTED.contains(&tag)
            || self.identifies && SECRET_IN_LOGON.contains(&tag)
            || self.more.contains(&tag)
    }

    /// Writes a value, or what stands for it.
    pub fn write_value(
        &self,
        out: &mut impl Write,
        field: &Field<'_>,
        form: Form,
    ) -> io::Result<()> {
        let value = field.value.unwrap_or_default();
        if self.hides(field.tag) {
            return out.write_all(MASK);
        }
        // Data with SOH inside may look like further fields, secret ones among them.
        for (at, piece) in value.split(|&b| b == SOH).enumerate() {
            if at > 0 {
                write_plain(out, &[SOH], form)?;
            }
            match piece.iter().position(|&b| b == b'=') {
                Some(equals) if at > 0 && self.hides(number(&piece[..equals])) => {
                    write_plain(out, &piece[..=equals], form)?;
                    out.write_all(MASK)?;
                }
                _ => write_plain(out, piece, form)?,
            }
        }
        Ok(())
    }

    /// Writes a whole message.
    pub fn write(&self, out: &mut impl Write, message: &[u8], form: Form) -> io::Result<()> {
        for field in fields(message) {
            write_plain(out, field.tag_text, form)?;
            if field.value.is_some() {
                out.write_all(b"=")?;
                self.write_value(out, &field, form)?;
            }
            if field.ended {
                out.write_all(match form {
                    Form::Readable => b"|",
                    Form::Raw => &[SOH],
                })?;
            }
        }
        Ok(())
    }

    /// As text.
    pub fn text(&self, message: &[u8], form: Form) -> String {
        let mut out = Vec::new();
        // Writing to memory does not fail.
        let _ = self.write(&mut out, message, form);
        String::from_utf8_lossy(&out).into_owned()
    }
}

fn write_plain(out: &mut impl Write, bytes: &[u8], form: Form) -> io::Result<()> {
    match form {
        Form::Readable => escape(out, bytes),
        Form::Raw => out.write_all(bytes),
    }
}

/// Text as it is; control characters and what is no UTF-8 as `\xNN`.
fn escape(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    if bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        return out.write_all(bytes);
    }
    let code = |out: &mut dyn Write, bytes: &[u8]| {
        bytes.iter().try_for_each(|b| write!(out, "\\x{b:02x}"))
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut place = [0; 4];
            let text = c.encode_utf8(&mut place);
            match c.is_control() {
                true => code(out, text.as_bytes())?,
                false => out.write_all(text.as_bytes())?,
            }
        }
        code(out, chunk.invalid())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str, form: Form) -> String {
        let bytes = text.replace('|', "\x01");
        let secrets = Secrets { more: vec![5001] };
        secrets.of(bytes.as_bytes()).text(bytes.as_bytes(), form)
    }

    #[test]
    fn secrets_are_masked_wherever_they_hide() {
        for (message, expected) in [
            (
                "8=FIX.4.4|35=A|554=pw|553=u|925=pw|",
                "8=FIX.4.4|35=A|554=***|553=u|925=***|",
            ),
            (
                "8=FIX.4.4|35=A|95=8|96=pw|34=pw|10=000|",
                "8=FIX.4.4|35=A|95=***|96=***|10=000|",
            ),
            // A wrong length: the value ends at the separator.
            ("35=A|95=7|96=pw|10=000|", "35=A|95=***|96=***|10=000|"),
            (
                "35=B|95=5|96=a|b=c|10=000|",
                "35=B|95=5|96=a\\x01b=c|10=000|",
            ),
            (
                "35=D|354=10|355=a|554=pw,x|10=000|",
                "35=D|354=10|355=a\\x01554=***|10=000|",
            ),
            ("35=8|93=3|89=pw!|0554=pw|", "35=8|93=3|89=***|0554=***|"),
            (
                "35=A|1401=4|1402=p|w!|1403=2|1404=pw|",
                "35=A|1401=***|1402=***|1403=***|1404=***|",
            ),
            ("35=BE|95=2|96=pw|5001=pw", "35=BE|95=***|96=***|5001=***"),
            ("554=pw", "554=***"),
            ("95=2|96=pw|", "95=***|96=***|"),
        ] {
            let readable = shown(message, Form::Readable);
            assert_eq!(readable, expected);
            let raw = shown(message, Form::Raw);
            assert!(!readable.contains("pw") && !raw.contains("pw"), "{raw}");
        }
    }

    #[test]
    fn anything_can_be_shown() {
        let secrets = Secrets::default();
        let show = |bytes: &[u8]| secrets.of(bytes).text(bytes, Form::Readable);
        assert_eq!(show(b"GET / HTTP/1.1\r\n"), "GET / HTTP/1.1\\x0d\\x0a");
        assert_eq!(
            show(b"35=D\x0158=\x1b[2J\xff\xc3\xa9\x01"),
            "35=D|58=\\x1b[2J\\xff\u{e9}|"
        );
        assert_eq!(show(b""), "");
        assert_eq!(show(b"=\x01\x01=="), "=||==");
    }

    proptest! {
        #[test]
        fn no_password_survives_any_surroundings(
            before in proptest::collection::vec(any::<u8>(), 0..40),
            after in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = before;
            bytes.extend_from_slice(b"\x01554=TOPSECRET\x01");
            bytes.extend_from_slice(&after);
            let secrets = Secrets::default();
            for form in [Form::Readable, Form::Raw] {
                prop_assert!(!secrets.of(&bytes).text(&bytes, form).contains("TOPSECRET"));
            }
        }

        #[test]
        fn raw_is_what_came(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            let nothing = MessageSecrets { more: &[], identifies: false };
            let any_secret = fields(&bytes).any(|field| nothing.hides(field.tag));
            nothing.write(&mut out, &bytes, Form::Raw).unwrap();
            prop_assert!(any_secret || out == bytes);
        }
    }
}
