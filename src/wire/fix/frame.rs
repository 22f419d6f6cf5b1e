//! Cuts one FIX message out of the bytes received, and proves its length and checksum.
//!
//! Owned by whoever owns the connection, who keeps a [`Partial`] with it: what was looked at is not looked at again, however
//! small the pieces that bytes come in. Always: `skip + len <= bytes.len()`; an answer other than `NeedMore { skip: 0 }` consumes
//! something; the work is linear in the bytes.

const SOH: u8 = 1;
const START: &[u8; 5] = b"8=FIX";
/// Longest BeginString(8): `FIXT.1.1`, and room for its successors.
const BEGIN_STRING_BYTES_MAX: usize = 12;
/// Digits of BodyLength(9), leading zeros included.
const BODY_LENGTH_DIGITS_MAX: usize = 8;
/// `10=NNN<SOH>`
const TRAILER_BYTES: usize = 7;
const TRAILER_START: &[u8; 4] = b"\x0110=";
/// `35=0<SOH>`
const BODY_BYTES_MIN: usize = 5;
/// So much later may the end of a malformed message be seen when it comes in pieces, so that not each byte costs a look.
const LATE_BYTES_MAX: usize = 8;
/// `8=FIX<SOH>9=5<SOH>`, the shortest body, the trailer
const MESSAGE_BYTES_MIN: usize = 10 + BODY_BYTES_MIN + TRAILER_BYTES;

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

/// What is known of bytes that are no whole message yet, so that a peer that sends them one by one does not have them looked at
/// again and again. Belongs to a connection's bytes, from the first that is not consumed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Partial {
    /// With fewer bytes there is nothing to be said.
    wanted: u32,
    /// The message does not end where its length says: from where its end is looked for; else zero.
    searched: u32,
    /// Where the value of field 10 begins, once that is found; else zero.
    trailer: u32,
}

impl Partial {
    /// Whether so many bytes are not enough for an answer.
    #[inline]
    pub fn wants_more_than(&self, have: usize) -> bool {
        have < self.wanted as usize
    }
}

enum Header {
    NeedMore,
    Bad(Garbled),
    Body { start: usize, len: usize },
}

/// Looks for the first message in `bytes`. A message longer than `frame_bytes_max` in all is malformed as soon as its
/// BodyLength can be read.
pub fn next_frame(bytes: &[u8], frame_bytes_max: usize) -> Framing {
    look(bytes, frame_bytes_max, &mut Partial::default())
}

/// The same for bytes that come in pieces: `partial` is what the call before left, the caller has consumed what that one said,
/// and nothing else has changed but what was added at the end. To be called when `partial` does not want more; earlier it costs
/// time, no more. What is malformed may be seen a few bytes later.
pub fn next_frame_of(bytes: &[u8], frame_bytes_max: usize, partial: &mut Partial) -> Framing {
    let before = std::mem::take(partial);
    if before.searched == 0 {
        return look(bytes, frame_bytes_max, partial);
    }
    let search = Search {
        from: before.searched as usize,
        trailer: before.trailer as usize,
    };
    find_end(bytes, 0, search, frame_bytes_max, partial)
}

#[inline(always)]
fn look(bytes: &[u8], frame_bytes_max: usize, partial: &mut Partial) -> Framing {
    let skip = if bytes.starts_with(START) {
        0
    } else {
        match find(bytes, 0, START) {
            Found::At(at) => at,
            Found::None { keep_from } => return need_more(keep_from, bytes.len(), partial),
        }
    };
    let message = &bytes[skip..];
    let (start, len) = match read_header(message, frame_bytes_max) {
        Header::NeedMore => return need_more(skip, bytes.len(), partial),
        Header::Bad(why) => return malformed(bytes, skip, why),
        Header::Body { start, len } => (start, len),
    };
    let total = start + len + TRAILER_BYTES;
    let Some((content, trailer)) = message
        .get(..total)
        .and_then(<[u8]>::split_last_chunk::<TRAILER_BYTES>)
    else {
        return without_trailer(message, skip, start + len, frame_bytes_max, partial);
    };
    let [b'1', b'0', b'=', hundreds, tens, units, SOH] = *trailer else {
        return without_trailer(message, skip, start + len, frame_bytes_max, partial);
    };
    if content[start + len - 1] != SOH {
        return without_trailer(message, skip, start + len, frame_bytes_max, partial);
    }
    let digit = |c: u8| c.wrapping_sub(b'0') as u32;
    let (h, t, u) = (digit(hundreds), digit(tens), digit(units));
    if h > 9 || t > 9 || u > 9 || h * 100 + t * 10 + u != checksum(content) as u32 {
        let (skip, why) = (skip + total, Garbled::CheckSum);
        return Framing::Malformed { skip, why };
    }
    Framing::Frame { skip, len: total }
}

/// The beginning of a message, or of its beginning, stands at `skip`; nothing, where that is the end.
#[cold]
fn need_more(skip: usize, end: usize, partial: &mut Partial) -> Framing {
    partial.wanted = match end - skip {
        0 => 0,
        have => MESSAGE_BYTES_MIN.max(have + 1) as u32,
    };
    Framing::NeedMore { skip }
}

/// No trailer of the usual form stands at `body_end`, where BodyLength says, or not yet. The message ends with the first field 10
/// at or behind that place, as other engines see it; so a wrong length may take messages behind it along.
#[cold]
fn without_trailer(
    message: &[u8],
    skip: usize,
    body_end: usize,
    frame_bytes_max: usize,
    partial: &mut Partial,
) -> Framing {
    if message.len() < body_end + TRAILER_BYTES && is_trailer_so_far(message, body_end) {
        partial.wanted = (body_end + TRAILER_BYTES) as u32;
        return Framing::NeedMore { skip };
    }
    let search = Search {
        from: body_end - 1,
        trailer: 0,
    };
    find_end(message, skip, search, frame_bytes_max, partial)
}

/// Whether `10=` and no SOH stand behind the body, as far as there are bytes.
fn is_trailer_so_far(message: &[u8], body_end: usize) -> bool {
    let trailer = message.get(body_end - 1..).unwrap_or_default();
    let begins = trailer
        .iter()
        .zip(TRAILER_START)
        .all(|(byte, wanted)| byte == wanted);
    begins
        && !trailer
            .iter()
            .skip(TRAILER_START.len())
            .any(|&byte| byte == SOH)
}

/// Where the end of a message is looked for whose length is wrong.
struct Search {
    from: usize,
    /// Where the value of field 10 begins; zero as long as it is not found.
    trailer: usize,
}

#[cold]
fn find_end(
    message: &[u8],
    skip: usize,
    mut search: Search,
    frame_bytes_max: usize,
    partial: &mut Partial,
) -> Framing {
    let reach = message.len().min(frame_bytes_max);
    let within = &message[..reach];
    if search.trailer == 0 {
        match find(within, search.from, TRAILER_START) {
            Found::At(at) => {
                search.trailer = at + TRAILER_START.len();
                search.from = search.trailer;
            }
            Found::None { keep_from } => search.from = keep_from,
        }
    }
    if search.trailer != 0 {
        let value = within.get(search.from..).unwrap_or_default();
        if let Some(len) = memchr::memchr(SOH, value) {
            return Framing::Malformed {
                skip: skip + search.from + len + 1,
                why: Garbled::BodyLength,
            };
        }
        search.from = reach;
    }
    if reach == frame_bytes_max {
        return Framing::Malformed {
            skip: skip + reach,
            why: Garbled::TooLong,
        };
    }
    *partial = Partial {
        wanted: (reach + LATE_BYTES_MAX).min(frame_bytes_max) as u32,
        searched: search.from as u32,
        trailer: search.trailer as u32,
    };
    Framing::NeedMore { skip }
}

/// Sum of all bytes modulo 256.
pub fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte))
}

/// Reads `8=FIX...<SOH>9=N<SOH>35=`. `message` begins with `8=FIX`.
fn read_header(message: &[u8], frame_bytes_max: usize) -> Header {
    // `8=FIX.4.x` first, as nearly all messages begin.
    let end = match message.get(5..10) {
        Some(&[b'.', b'0'..=b'9', b'.', b'0'..=b'9', SOH]) => 9,
        _ => {
            let mut at = START.len();
            loop {
                match message.get(at) {
                    None => return Header::NeedMore,
                    Some(&SOH) => break at,
                    // A beginning that was cut off by another one, or no version.
                    Some(b'=') => return Header::Bad(Garbled::HeaderOrder),
                    Some(_) if at == 2 + BEGIN_STRING_BYTES_MAX => {
                        return Header::Bad(Garbled::HeaderOrder);
                    }
                    Some(_) => at += 1,
                }
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

enum Found {
    At(usize),
    None { keep_from: usize },
}

/// The first `wanted` at or after `from`; else where a beginning of one, cut off by the end, stands, or the end. A plain loop:
/// whatever stands there, it takes the same few instructions for each byte.
#[cold]
fn find<const N: usize>(bytes: &[u8], from: usize, wanted: &[u8; N]) -> Found {
    let rest = bytes.get(from..).unwrap_or_default();
    if let Some(at) = rest.array_windows().position(|window| window == wanted) {
        return Found::At(from + at);
    }
    let mut at = bytes.len() - rest.len().min(N - 1);
    // Byte by byte: for so few a call would be dear.
    while bytes[at..]
        .iter()
        .zip(wanted)
        .any(|(byte, wanted)| byte != wanted)
    {
        at += 1;
    }
    Found::None { keep_from: at }
}

/// Consumes the message that began at `start` up to the next possible one.
#[cold]
fn malformed(bytes: &[u8], start: usize, why: Garbled) -> Framing {
    let skip = match find(bytes, start + START.len(), START) {
        Found::At(at) | Found::None { keep_from: at } => at,
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

    /// Frames of `bytes` as they come in pieces, and how often they were looked at.
    fn in_pieces(bytes: &[u8], piece: usize) -> (Vec<(usize, usize)>, usize) {
        let (mut found, mut looks) = (Vec::new(), 0);
        let (mut at, mut have, mut partial) = (0, 0, Partial::default());
        while have < bytes.len() {
            have = bytes.len().min(have + piece);
            while !partial.wants_more_than(have - at) {
                looks += 1;
                match next_frame_of(&bytes[at..have], MAX, &mut partial) {
                    Framing::NeedMore { skip } => {
                        at += skip;
                        break;
                    }
                    Framing::Frame { skip, len } => {
                        found.push((at + skip, at + skip + len));
                        at += skip + len;
                    }
                    Framing::Malformed { skip, .. } => at += skip,
                }
            }
        }
        (found, looks)
    }

    #[test]
    fn pieces_are_looked_at_seldom_and_give_the_same() {
        let good = heartbeat();
        let short_trailer = b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=3\x01".to_vec();
        let long_trailer = b"8=FIX.4.4\x019=10\x0135=0\x0134=2\x0110=0163\x01".to_vec();
        let mut no_trailer = b"8=FIX.4.4\x019=5\x0135=0\x0134=2\x01".to_vec();
        no_trailer.resize(MAX, b'x');
        let no_version = b"8=FIX.4.=\x019=10\x0135=0\x0134=2\x0110=163\x01".to_vec();
        for bad in [
            &[][..],
            &short_trailer,
            &long_trailer,
            &no_trailer,
            &no_version,
        ] {
            let bytes = [&good, bad, &good, &good].concat();
            let (whole, _) = in_pieces(&bytes, bytes.len());
            for piece in 1..40 {
                let (found, looks) = in_pieces(&bytes, piece);
                assert_eq!(found, whole, "{piece}");
                // Four for each message, and what is searched for its end.
                assert!(looks <= 16 + bytes.len() / LATE_BYTES_MAX, "{looks} looks");
            }
        }
        let (found, looks) = in_pieces(&good, 1);
        assert_eq!((found.len(), looks), (1, 4), "{found:?}");
    }
}
