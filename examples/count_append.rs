//! A record appended to a log, again and again, to be counted by callgrind: `scripts/count-append`.
//!
//! The body has the size of a NewOrderSingle as it goes to a desk, unless another is asked for. Counted is [`counted`] alone: claim,
//! copy, checksum over header and body, commit. Draining the window is the journal thread's, and outside of it.

use gatehouse::journal::{Cause, Log, LogId, RecordKind};
use ringbuf::byte_log::{Reader, Region, create};

const WINDOW_BYTES: usize = 1 << 20;

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().unwrap_or(0))
        .collect();
    let &[records, body_bytes] = &numbers[..] else {
        eprintln!("usage: count_append RECORDS BODY_BYTES");
        std::process::exit(2);
    };
    let (writer, mut reader) = create(Region::heap(WINDOW_BYTES)).expect("a window");
    let mut log = Log::new(LogId::Desk, writer);
    log.link_channels(2);
    let body = vec![b'F'; body_bytes];
    for at in 0..records {
        let cause = Cause {
            log: LogId::Order,
            sequence: at as u64,
            output: 1,
        };
        if !log.has_room(body_bytes) {
            drain(&mut reader);
        }
        counted(&mut log, cause, std::hint::black_box(&body)).expect("room was made");
    }
    println!("records {}", log.sequence());
}

fn drain(reader: &mut Reader) {
    while reader.next().is_some() {}
    reader.release(reader.cursor());
}

/// What is counted.
#[inline(never)]
fn counted(log: &mut Log, cause: Cause, body: &[u8]) -> Option<u64> {
    let made = log.append(RecordKind::MessageOut, 1, cause, 1_790_000_000, body);
    made.map(|appended| appended.position)
}
