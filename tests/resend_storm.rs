//! Many clients ask for everything again, most of it from disk, while one trades: bounded work in each duty cycle, the trading session
//! served as fast as without them, nothing lost, no allocation.

use gatehouse::app::log_store::{LogStore, SegmentReader};
use gatehouse::journal::LogId;
use gatehouse::limits::{
    CATCH_UP_BYTES_PER_CYCLE, FRAME_BYTES_MAX, RESEND_CHUNKS, RESEND_MESSAGES_PER_CYCLE,
    RESEND_MESSAGES_PER_S_TOTAL,
};
use gatehouse::sim::storm::{Settings, Storm};
use gatehouse::stage::archive::archive;
use gatehouse::sys::heap::{CountingAllocator, allocations};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// What a turn takes here, whatever it does: so that the test is the same each time.
const TURN_NS: u64 = 20_000;
/// More than there are buffers for reads from disk.
const ASKERS: usize = 2 * RESEND_CHUNKS;
const STORED: usize = 100;
const STORM_NS: u64 = 400_000_000;

#[test]
fn a_storm_of_resends_does_not_reach_the_session_that_trades() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = LogStore::create(directory.path(), LogId::Client, 1).expect("a log file");
    let (port, mut reader) = archive(SegmentReader::new(directory.path(), LogId::Client));
    let settings = Settings {
        askers: ASKERS,
        stored: STORED,
        ask_every_ns: STORM_NS / 10,
        order_every_ns: 200_000,
        staging_bytes: 1 << 20,
    };
    let mut storm = Storm::new(settings, port, file);
    let mut free = |gateway: &mut gatehouse::sim::gateway::Gateway, now| {
        gateway.turn(now);
        TURN_NS
    };
    storm.prepare(&mut free).expect("the log is written");
    let calm = storm.run(STORM_NS / 10, false, &mut free).expect("written");
    let (mut allocated, mut turns) = (0, 0);
    let mut counted = |gateway: &mut gatehouse::sim::gateway::Gateway, now| {
        let before = allocations();
        gateway.turn(now);
        allocated += allocations() - before;
        turns += 1;
        if turns % 4 == 0 {
            reader.duty_cycle();
        }
        TURN_NS
    };
    let seen = storm.run(STORM_NS, true, &mut counted).expect("written");
    let traffic = *storm.gateway.decode.board().traffic();

    assert!(seen.rounds >= 2 * ASKERS as u64, "{} rounds", seen.rounds);
    assert_eq!(traffic.resend_lost, 0);
    assert!(traffic.archive_reads >= 100, "{}", traffic.archive_reads);
    assert!(traffic.resends_merged > 0);
    let resent = seen.turn_resent.max();
    assert_eq!(resent, RESEND_MESSAGES_PER_CYCLE as u64);
    let allowed = RESEND_MESSAGES_PER_S_TOTAL * STORM_NS / 1_000_000_000 + 1000;
    assert!(traffic.resent <= allowed, "{} of {allowed}", traffic.resent);
    let bytes = seen.turn_bytes.max();
    assert!(bytes <= (CATCH_UP_BYTES_PER_CYCLE + 2 * FRAME_BYTES_MAX) as u64);
    // Every order is through after as many turns as without the storm.
    let (with, without) = (seen.latency_turns.max(), calm.latency_turns.max());
    assert!(seen.latency_ns.len() >= 1000 && calm.latency_ns.len() >= 100);
    assert!(with <= without + 1, "{with} turns, {without} without");
    assert_eq!(allocated, 0);
    assert_eq!(storm.gateway.decode.board().connected(), ASKERS + 1);
}
