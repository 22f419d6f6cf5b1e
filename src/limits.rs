//! Every bound of the product in one place, each with its reason.
//!
//! A bound that an operator may change is a key of the configuration; its default and its ceiling stand here.

/// Longest FIX message accepted or sent. Orders and reports are below 1 KiB; the rest is room for custom tags.
pub const FRAME_BYTES_MAX: usize = 8 * 1024;
/// Receive buffer per connection: two frames, so that one whole frame always fits behind a consumed one.
pub const RECEIVE_BUFFER_BYTES: usize = 2 * FRAME_BYTES_MAX;
/// Bytes queued for a peer that does not read before its connection is closed (its messages stay in the log).
pub const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// How long an orderly close may take to get its bytes out and to see the peer's end, before the connection is dropped.
pub const CLOSE_NS_MAX: u64 = 1_000_000_000;
/// How long a connect may take: several retries of the first packet, far less than the kernel's two minutes.
pub const CONNECT_NS_MAX: u64 = 10_000_000_000;
/// Connections of one sockets value: buffer groups and slots are numbered with 16 bits.
pub const CONNECTIONS_MAX: usize = 1 << 15;
/// Fields in one message; more is malformed. An order has about twenty.
pub const FIELDS_MAX: usize = 256;
/// Frames handled for one connection before the next has its turn.
pub const FRAMES_PER_TURN: usize = 16;
/// Socket events handled in one duty cycle of a stage.
pub const CONNECTION_EVENTS_PER_CYCLE: usize = 32;
/// Sessions whose timers are looked at in one tick of a millisecond: 10,000 sessions are through in 40 ms.
pub const SESSION_TIMERS_PER_TICK: usize = 256;
/// Messages sent in one duty cycle to a peer that is behind; others have their turn between.
pub const CATCH_UP_MESSAGES_PER_CYCLE: usize = 32;
/// A peer whose socket takes nothing for this long while messages wait for it is disconnected.
pub const SLOW_CONSUMER_TIMEOUT_S: u64 = 10;
/// Positions of sent messages kept for resends, over all sessions of a stage: 8 MiB.
pub const RESEND_INDEX_SLOTS_TOTAL: usize = 1 << 20;
/// Fewest kept for one session.
pub const RESEND_INDEX_SLOTS_MIN: usize = 128;
/// Most kept for one session.
pub const RESEND_INDEX_SLOTS_MAX: usize = 1 << 16;
/// Inputs that a stage takes from one ring in one duty cycle.
pub const INPUTS_PER_CYCLE: usize = 64;
/// How often a stage writes its gauges to the status page.
pub const PUBLISH_INTERVAL_NS: u64 = 5_000_000;
/// Rows of sessions, links or accounts written each time: 10,000 rows are through in under a second.
pub const ROWS_PER_PUBLISH: usize = 64;
/// Slot of the rings between the stages.
pub const RING_SLOT_BYTES: usize = 256;
/// Default depth of the rings between the stages.
pub const RING_SLOTS: usize = 4096;
/// Outputs that one input of the risk stage may cause in each direction; the rest goes as continuations.
pub const OUTPUTS_MAX: usize = 4;
/// Longest ClOrdID taken from a client: a UUID in text is 36.
pub const CLIENT_ORDER_ID_BYTES: usize = 39;
/// Longest quantity. 10^12 x 10^15 (the highest price in units of 10^-8) fits in 128 bits with room to spare.
pub const QUANTITY_MAX: u64 = 1_000_000_000_000;
/// Highest price, in units of 10^-8: ten million currency units.
pub const PRICE_MAX: i64 = 10_000_000 * 100_000_000;
/// Requests (orders, cancels, replaces) that one slab can name: 28 bits of an order id.
pub const REQUESTS_MAX: usize = 1 << 28;
/// Orders that the simulated desk keeps. A level's sum of that many orders of the largest quantity still fits in 64 bits.
pub const SIM_DESK_ORDERS_MAX: usize = 1 << 24;
/// Reports that the simulated desk holds while none of its links is up.
pub const SIM_DESK_HELD_MAX: usize = 1 << 20;
/// Orders that the simulated desk handles at once for a mass request; the rest follows as timers.
pub const SIM_DESK_MASS_PART: usize = 256;
/// Pieces into which a scripted partial fill may be cut.
pub const SIM_DESK_PIECES_MAX: u32 = 1000;
/// Bytes that the relay holds per direction of a connection.
pub const SIM_RELAY_BUFFER_BYTES: usize = 64 * 1024;
/// Connections of the relay.
pub const SIM_RELAY_CONNECTIONS_MAX: usize = 1024;
/// Requests that the load client sends in one run: their records are kept to the end.
pub const SIM_LOAD_REQUESTS_MAX: usize = 1 << 24;
/// Requests that the load client sends in one duty cycle before it looks at answers again.
pub const SIM_LOAD_SENDS_PER_CYCLE: usize = 64;
/// Different reject texts that the load client counts apart; further ones are counted together.
pub const SIM_LOAD_REASONS_MAX: usize = 64;

const _: () = assert!(RECEIVE_BUFFER_BYTES >= 2 * FRAME_BYTES_MAX);
const _: () = assert!(SEND_BUFFER_BYTES > FRAME_BYTES_MAX);
const _: () = assert!(RING_SLOTS.is_power_of_two());
const _: () = assert!(CLIENT_ORDER_ID_BYTES < 256);
const _: () = assert!(SIM_DESK_ORDERS_MAX as u64 <= u64::MAX / QUANTITY_MAX);
