//! Framing: any stream of bytes, whole and cut into pieces.
//!
//! Input: one byte that chooses the size of the pieces, then the stream.
//! Always: every answer consumes something or waits; a frame is what the specification calls a message; what is waiting is less
//! than a frame may be; the pieces give the same frames as the whole.
#![no_main]

use gatehouse::wire::fix::{Framing, Partial, next_frame_of};
use libfuzzer_sys::fuzz_target;

/// Low, so that short inputs reach it.
const FRAME_MAX: usize = 256;

fuzz_target!(|data: &[u8]| {
    let Some((&first, stream)) = data.split_first() else {
        return;
    };
    let whole = frames(stream, stream.len().max(1));
    let pieces = frames(stream, 1 + first as usize);
    assert_eq!(whole, pieces, "the cuts change the frames");
});

/// The frames of `stream` when it comes `piece` bytes at a time, as ranges of it.
fn frames(stream: &[u8], piece: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut at, mut have, mut partial) = (0, 0, Partial::default());
    while have < stream.len() {
        have = stream.len().min(have + piece);
        loop {
            let bytes = &stream[at..have];
            if partial.wants_more_than(bytes.len()) && have < stream.len() {
                assert!(bytes.len() < FRAME_MAX, "it waits for too much");
                break;
            }
            let skip = match next_frame_of(bytes, FRAME_MAX, &mut partial) {
                Framing::NeedMore { skip } => {
                    assert!(skip <= bytes.len());
                    assert!(bytes.len() - skip < FRAME_MAX, "it waits for too much");
                    at += skip;
                    break;
                }
                Framing::Malformed { skip, .. } => skip,
                Framing::Frame { skip, len } => {
                    is_message(&bytes[skip..skip + len]);
                    found.push((at + skip, at + skip + len));
                    skip + len
                }
            };
            assert!(skip > 0 && skip <= bytes.len(), "{skip} of {}", bytes.len());
            at += skip;
        }
    }
    found
}

/// Written from the specification, and not from the code that is tested.
fn is_message(frame: &[u8]) {
    assert!(frame.len() <= FRAME_MAX && frame.starts_with(b"8=FIX"));
    let mut fields = frame.splitn(3, |&byte| byte == 1);
    let (begin, length, rest) = (fields.next(), fields.next(), fields.next());
    let (begin, length, rest) = (begin.unwrap(), length.unwrap(), rest.unwrap());
    let length: usize = std::str::from_utf8(length.strip_prefix(b"9=").unwrap())
        .unwrap()
        .parse()
        .unwrap();
    assert!(rest.starts_with(b"35="));
    let (body, trailer) = rest.split_at(length);
    assert_eq!(body.last(), Some(&1));
    let sum: u32 = frame[..frame.len() - 7].iter().map(|&b| b as u32).sum();
    assert_eq!(trailer, format!("10={:03}\x01", sum % 256).as_bytes());
    assert!(begin.len() < frame.len());
}
