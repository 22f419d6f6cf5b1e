//! Every bound of the product in one place, each with its reason.
//!
//! A bound that an operator may change is a key of the configuration; its default and its ceiling stand here.

/// Longest FIX message accepted or sent. Orders and reports are below 1 KiB; the rest is room for custom tags.
pub const FRAME_BYTES_MAX: usize = 8 * 1024;
/// Receive buffer per connection: two frames, so that one whole frame always fits behind a consumed one.
pub const RECEIVE_BUFFER_BYTES: usize = 2 * FRAME_BYTES_MAX;
/// Bytes queued for a peer that does not read before its connection is closed (its messages stay in the log).
pub const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Fields in one message; more is malformed. An order has about twenty.
pub const FIELDS_MAX: usize = 256;
/// Frames handled for one connection before the next has its turn.
pub const FRAMES_PER_TURN: usize = 16;
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
/// A peer that has not answered our Logon, or a client that has not sent one, after this is closed (FIX practice: ten seconds).
pub const LOGON_TIMEOUT_S: u64 = 10;
/// Highest MsgSeqNum that a peer may set with SequenceReset: fifteen digits, far from any overflow.
pub const SEQUENCE_NUMBER_MAX: u64 = 999_999_999_999_999;
/// A peer that makes no progress in filling a gap for two heartbeats, and at least this long, is asked once more.
pub const GAP_PATIENCE_MIN_S: u64 = 10;

const _: () = assert!(RECEIVE_BUFFER_BYTES >= 2 * FRAME_BYTES_MAX);
const _: () = assert!(SEND_BUFFER_BYTES > FRAME_BYTES_MAX);
const _: () = assert!(RING_SLOTS.is_power_of_two());
const _: () = assert!(CLIENT_ORDER_ID_BYTES < 256);
