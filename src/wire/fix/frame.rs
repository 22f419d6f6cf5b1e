//! Cuts one FIX message out of the bytes received, and proves its length and checksum.
//!
//! Owned by whoever owns the connection; holds no state: what is not consumed is looked at again, and that look is short,
//! because everything that was searched is either consumed or part of a frame whose end is known.
//! Always: `skip + len <= bytes.len()`; an answer other than `NeedMore { skip: 0 }` consumes something.

const SOH: u8 = 1;
const START: &[u8] = b"8=FIX";
/// Longest BeginString(8): `FIXT.1.1`, and room for its successors.
const BEGIN_STRING_BYTES_MAX: usize = 12;
/// Digits of BodyLength(9), leading zeros included.
const BODY_LENGTH_DIGITS_MAX: usize = 8;
/// `10=NNN<SOH>`
const TRAILER_BYTES: usize = 7;
const TRAILER_START: &[u8] = b"\x0110=";
/// `35=0<SOH>`
const BODY_BYTES_MIN: usize = 5;

/// What stands at the front of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// No whole message yet. The first `skip` bytes are junk: consume them.
    NeedMore {
        /// Junk before what may become a message.
        skip: usize,
    },
    /// A message: `bytes[skip..skip + len]`. Consume `skip + len`.
    Frame {
        /// Junk before it.
        skip: usize,
        /// Length, from `8=` to the SOH of the checksum.
        len: usize,
    },
    /// Something that began like a message and is none. Consume `skip` and look again: valid messages behind it survive.
    Malformed {
        /// Bytes up to the next possible message.
        skip: usize,
        /// What is wrong.
        why: Garbled,
    },
}

/// Why bytes are no message. FIX: ignored, no sequence number consumed, connection kept (before logon: dropped).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Garbled {
    /// BeginString, BodyLength and MsgType are not the first three fields.
    HeaderOrder,
    /// BodyLength is no number, or no `10=NNN` stands where it says.
    BodyLength,
    /// BodyLength is above the ceiling.
    TooLong,
    /// CheckSum is no three digits or not the sum.
    CheckSum,
}

enum Header {
    NeedMore,
    Bad(Garbled),
    Body { start: usize, len: usize },
}

/// Looks for the first message in `bytes`. A message longer than `frame_bytes_max` in all is malformed as soon as its
/// BodyLength can be read.
pub fn next_frame(bytes: &[u8], frame_bytes_max: usize) -> Framing {
    let skip = if bytes.starts_with(START) {
        0
    } else {
        match find_start(bytes, 0) {
            Start::At(at) => at,
            Start::None { keep_from } => return Framing::NeedMore { skip: keep_from },
        }
    };
    let message = &bytes[skip..];
    let (start, len) = match read_header(message, frame_bytes_max) {
        Header::NeedMore => return Framing::NeedMore { skip },
        Header::Bad(why) => return malformed(bytes, skip, why),
        Header::Body { start, len } => (start, len),
    };
    let total = start + len + TRAILER_BYTES;
    let Some((content, trailer)) = message
        .get(..total)
        .and_then(<[u8]>::split_last_chunk::<TRAILER_BYTES>)
    else {
        return without_trailer(message, skip, start + len, frame_bytes_max);
    };
    let [b'1', b'0', b'=', hundreds, tens, units, SOH] = *trailer else {
        return without_trailer(message, skip, start + len, frame_bytes_max);
    };
    if content[start + len - 1] != SOH {
        return without_trailer(message, skip, start + len, frame_bytes_max);
    }
    let digit = |c: u8| c.wrapping_sub(b'0') as u32;
    let (h, t, u) = (digit(hundreds), digit(tens), digit(units));
    if h > 9 || t > 9 || u > 9 || h * 100 + t * 10 + u != checksum(content) as u32 {
        let (skip, why) = (skip + total, Garbled::CheckSum);
        return Framing::Malformed { skip, why };
    }
    Framing::Frame { skip, len: total }
}

/// No trailer of the usual form stands at `body_end`, where BodyLength says, or not yet. The message ends with the first field 10
/// at or behind that place, as other engines see it; so a wrong length may take messages behind it along.
#[cold]
fn without_trailer(
    message: &[u8],
    skip: usize,
    body_end: usize,
    frame_bytes_max: usize,
) -> Framing {
    let reach = message.len().min(frame_bytes_max);
    let from = (body_end - 1).min(reach);
    let trailer = memchr::memmem::find(&message[from..reach], TRAILER_START).map(|at| from + at);
    let end = trailer.and_then(|at| {
        let value = at + TRAILER_START.len();
        memchr::memchr(SOH, &message[value..reach]).map(|len| value + len + 1)
    });
    match end {
        Some(end) => Framing::Malformed {
            skip: skip + end,
            why: Garbled::BodyLength,
        },
        None if reach < frame_bytes_max => Framing::NeedMore { skip },
        None => Framing::Malformed {
            skip: skip + reach,
            why: Garbled::TooLong,
        },
    }
}

/// Sum of all bytes modulo 256.
pub fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte))
}

/// Reads `8=FIX...<SOH>9=N<SOH>35=`. `message` begins with `8=FIX`.
fn read_header(message: &[u8], frame_bytes_max: usize) -> Header {
    // `8=FIX.4.x` first, as nearly all messages begin.
    let end = match message.get(5..10) {
        Some(&[a, b, c, d, SOH]) if a != SOH && b != SOH && c != SOH && d != SOH => 9,
        _ => {
            let window = &message[..message.len().min(2 + BEGIN_STRING_BYTES_MAX + 1)];
            match window.iter().position(|&byte| byte == SOH) {
                // A beginning that was cut off by another one.
                Some(end) if window[2..end].contains(&b'=') => {
                    return Header::Bad(Garbled::HeaderOrder);
                }
                Some(end) => end,
                None if window.len() > 2 + BEGIN_STRING_BYTES_MAX => {
                    return Header::Bad(Garbled::HeaderOrder);
                }
                None => return Header::NeedMore,
            }
        }
    };
    let rest = &message[end + 1..];
    if let Some(answer) = expect(rest, b"9=") {
        return answer;
    }
    let number = &rest[2..];
    let (mut len, mut number_len) = (0, 0);
    loop {
        match number.get(number_len) {
            None => return Header::NeedMore,
            Some(&SOH) if number_len > 0 => break,
            Some(c @ b'0'..=b'9') if number_len < BODY_LENGTH_DIGITS_MAX => {
                len = len * 10 + (c - b'0') as usize;
                number_len += 1;
            }
            Some(_) => return Header::Bad(Garbled::BodyLength),
        }
    }
    let start = end + 1 + 2 + number_len + 1;
    if start + len + TRAILER_BYTES > frame_bytes_max {
        return Header::Bad(Garbled::TooLong);
    }
    if let Some(answer) = expect(&message[start..], b"35=") {
        return answer;
    }
    if len < BODY_BYTES_MIN {
        return Header::Bad(Garbled::BodyLength);
    }
    Header::Body { start, len }
}

/// `None` where `bytes` begin with `want`.
#[inline(always)]
fn expect<const N: usize>(bytes: &[u8], want: &[u8; N]) -> Option<Header> {
    if bytes.first_chunk() == Some(want) {
        return None;
    }
    Some(unexpected(bytes, want))
}

#[cold]
fn unexpected(bytes: &[u8], want: &[u8]) -> Header {
    let have = bytes.len().min(want.len());
    if bytes[..have] == want[..have] {
        Header::NeedMore
    } else {
        Header::Bad(Garbled::HeaderOrder)
    }
}

enum Start {
    At(usize),
    None { keep_from: usize },
}

/// The first `8=FIX` at or after `from`; else where a beginning of one, cut off by the end, stands.
#[cold]
fn find_start(bytes: &[u8], from: usize) -> Start {
    let mut at = from;
    while let Some(found) = memchr::memchr(b'8', &bytes[at.min(bytes.len())..]) {
        at += found;
        let rest = &bytes[at..];
        let have = rest.len().min(START.len());
        if rest[..have] == START[..have] {
            return if have == START.len() {
                Start::At(at)
            } else {
                Start::None { keep_from: at }
            };
        }
        at += 1;
    }
    Start::None {
        keep_from: bytes.len(),
    }
}

/// Consumes the message that began at `start` up to the next possible one.
#[cold]
fn malformed(bytes: &[u8], start: usize, why: Garbled) -> Framing {
    let skip = match find_start(bytes, start + START.len()) {
        Start::At(at) | Start::None { keep_from: at } => at,
    };
    Framing::Malformed { skip, why }
}

#[cfg(test)]
mod tests {
    use super::super::tests::framed;
    use super::*;

    const MAX: usize = 1024;

    fn heartbeat() -> Vec<u8> {
        framed("FIX.4.4", "35=0|34=2|")
    }

    #[test]
    fn junk_is_skipped_and_a_cut_start_is_kept() {
        let good = heartbeat();
        let mut bytes = b"junk 8=8=FI\x01".to_vec();
        let skip = bytes.len();
        bytes.extend_from_slice(&good);
        let len = good.len();
        assert_eq!(next_frame(&bytes, MAX), Framing::Frame { skip, len });
        assert_eq!(next_frame(b"", MAX), Framing::NeedMore { skip: 0 });
        assert_eq!(next_frame(b"junk8=FI", MAX), Framing::NeedMore { skip: 4 });
        assert_eq!(next_frame(b"junkjunk", MAX), Framing::NeedMore { skip: 8 });
        for cut in 0..len {
            assert_eq!(
                next_frame(&good[..cut], MAX),
                Framing::NeedMore { skip: 0 },
                "{cut}"
            );
        }
    }

    #[test]
    fn garbled_messages_do_not_take_the_next_one_along() {
        use Garbled::*;
        let good = heartbeat();
        let rows: [(&[u8], Garbled); 13] = [
            (
                b"8=FIX.4.4\x019=9\x0135=0\x0134=2\x0110=163\x01",
                BodyLength,
            ),
            (b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=3\x01", BodyLength),
            (
                b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=0163\x01",
                BodyLength,
            ),
            (b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=000\x01", CheckSum),
            (b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=1x3\x01", CheckSum),
            (b"8=FIX.4.4\x019=ten\x0135=0\x0134=2\x01", BodyLength),
            (b"8=FIX.4.4\x019=\x0135=0\x0134=2\x01", BodyLength),
            (b"8=FIX.4.4\x019=4\x0135=0\x0134=2\x01", BodyLength),
            (b"8=FIX.4.4\x019=000000010\x0135=0\x0134=2\x01", BodyLength),
            (b"8=FIX.4.4\x0135=0\x019=10\x0134=2\x01", HeaderOrder),
            (b"8=FIX.4.4\x019=10\x0134=2\x0135=0\x01", HeaderOrder),
            (b"8=FIX", HeaderOrder),
            (b"8=FIX.a.very.long.version\x019=10\x01", HeaderOrder),
        ];
        for (bad, why) in rows {
            let bytes = [bad, &good].concat();
            let skip = bad.len();
            assert_eq!(
                next_frame(&bytes, MAX),
                Framing::Malformed { skip, why },
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
    }

    #[test]
    fn a_length_that_is_too_long_takes_the_next_message_along_and_no_more() {
        let good = heartbeat();
        let bad = b"8=FIX.4.4\x019=11\x0135=0\x0134=2\x0110=163\x01";
        assert_eq!(next_frame(bad, MAX), Framing::NeedMore { skip: 0 });
        let bytes = [&bad[..], &good, &good].concat();
        let (skip, why) = (bad.len() + good.len(), Garbled::BodyLength);
        assert_eq!(next_frame(&bytes, MAX), Framing::Malformed { skip, why });
        // Without any trailer the ceiling ends the search.
        let mut endless = bad[..20].to_vec();
        endless.resize(MAX - 1, b'x');
        assert_eq!(next_frame(&endless, MAX), Framing::NeedMore { skip: 0 });
        endless.push(b'x');
        let (skip, why) = (MAX, Garbled::TooLong);
        assert_eq!(next_frame(&endless, MAX), Framing::Malformed { skip, why });
    }

    #[test]
    fn the_ceiling_holds_before_the_body_comes() {
        let front = b"8=FIX.4.4\x019=1001\x01";
        assert!(matches!(
            next_frame(front, MAX),
            Framing::Malformed {
                why: Garbled::TooLong,
                ..
            }
        ));
        assert_eq!(next_frame(front, 2 * MAX), Framing::NeedMore { skip: 0 });
        let huge = b"8=FIX.4.4\x019=99999999\x01";
        assert!(matches!(
            next_frame(huge, MAX),
            Framing::Malformed {
                why: Garbled::TooLong,
                ..
            }
        ));
    }

    #[test]
    fn bytes_of_a_hostile_peer_are_looked_at_a_bounded_number_of_times() {
        // Each answer consumes what was searched: the sum of all searches is linear in the bytes.
        for unit in [
            &b"8=FIX"[..],
            b"8=FIX.4.4\x019=7\x0135=",
            b"8",
            b"8=FI",
            b"x",
        ] {
            let bytes = unit.repeat(8192 / unit.len());
            let (mut at, mut calls) = (0, 0);
            loop {
                calls += 1;
                match next_frame(&bytes[at..], MAX) {
                    Framing::Malformed { skip, .. } => {
                        assert!(skip >= START.len().min(bytes.len() - at));
                        at += skip;
                    }
                    Framing::NeedMore { .. } => break,
                    Framing::Frame { .. } => panic!("no frame there"),
                }
            }
            assert!(calls <= bytes.len() / START.len() + 2);
        }
    }
}
