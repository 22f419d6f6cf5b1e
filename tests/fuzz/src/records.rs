//! Records of the logs, as they are read back at a start and by tools: any bytes.
//!
//! Always: a walk over them comes to an end; an entry that can be read is written as the same bytes again.
#![no_main]

use gatehouse::journal::entry::{self, ENTRY_BYTES_MAX};
use gatehouse::journal::record::Records;
use gatehouse::stage::event_record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    walk(data);
    // The same bytes with a checksum that holds, so that mutations reach behind it.
    let mut sealed = data.to_vec();
    if let Some(length) = sealed.get(4..8) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        if let Some(covered) = data.get(4..length) {
            sealed[..4].copy_from_slice(&crc(covered).to_le_bytes());
            walk(&sealed);
        }
    }
    let _ = event_record::describe(data);
    let _ = event_record::is_routine(data);

    let mut out = [0; ENTRY_BYTES_MAX];
    if let Some((input, outcome)) = entry::read_client(data) {
        let len = entry::write_client(&input, outcome, &mut out).expect("there is room");
        assert_eq!(entry::read_client(&out[..len]), Some((input, outcome)));
    }
    if let Some(input) = entry::read_desk(data) {
        let len = entry::write_desk(&input, &mut out).expect("there is room");
        assert_eq!(entry::read_desk(&out[..len]), Some(input));
    }
    if let Some((input, taken_ns)) = entry::read_command(data) {
        let len = entry::write_command(&input, taken_ns, &mut out).expect("there is room");
        assert_eq!(entry::read_command(&out[..len]), Some((input, taken_ns)));
    }
});

fn walk(bytes: &[u8]) {
    let mut records = Records::new(bytes);
    let mut sequence = 0;
    while let Some(record) = records.next() {
        let Ok(record) = record else { break };
        assert_eq!(record.sequence, sequence + 1);
        sequence = record.sequence;
    }
    assert!(records.offset() <= bytes.len().next_multiple_of(8));
}

/// CRC-32C, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ byte as u32, |crc, _| {
            crc >> 1 ^ (crc & 1) * 0x82f6_3b78
        })
    })
}
