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
/// Fields in one message; more is malformed. An order has about twenty.
pub const FIELDS_MAX: usize = 256;
/// Text of a dictionary; the largest standard one has half a MiB.
pub const DICTIONARY_BYTES_MAX: usize = 16 << 20;
/// Components and groups within each other; the standard dictionaries go to 8. Bounds the recursion of validation.
pub const DICTIONARY_DEPTH_MAX: usize = 16;
/// Fields at one level of a message, groups' members not counted; the widest standard message has 326.
pub const DICTIONARY_LEVEL_FIELDS_MAX: usize = 512;
/// Highest tag that a dictionary may define: what the parser reads.
pub const DICTIONARY_TAG_MAX: u32 = 999_999;
/// Frames handled for one connection before the next has its turn.
pub const FRAMES_PER_TURN: usize = 16;
/// Socket events handled in one duty cycle of a stage.
pub const CONNECTION_EVENTS_PER_CYCLE: usize = 32;
/// Sessions whose timers are looked at in one tick of a millisecond: 10,000 sessions are through in 40 ms.
pub const SESSION_TIMERS_PER_TICK: usize = 256;
/// Messages sent in one duty cycle to a peer that is behind; others have their turn between.
pub const CATCH_UP_MESSAGES_PER_TURN: usize = 8;
/// Messages sent for the first time in one duty cycle to all peers that are behind: as many as one ring may bring in a cycle, so
/// that a peer that reads again does catch up.
pub const CATCH_UP_MESSAGES_PER_CYCLE: usize = 64;
/// Messages repeated in one duty cycle to all peers, or stepped over for a gap fill: a few microseconds of work, so that however
/// many ask for everything again, the rest goes on.
pub const RESEND_MESSAGES_PER_CYCLE: usize = 4;
/// Bytes sent in one duty cycle to all peers that are behind, the last message not counted.
pub const CATCH_UP_BYTES_PER_CYCLE: usize = 64 * 1024;
/// Peers that are behind and that are looked at in one duty cycle.
pub const CATCH_UP_TURNS_PER_CYCLE: usize = 32;
/// Messages repeated for one session in a second: more than most engines take in, and less than a hundredth of a core.
pub const RESEND_MESSAGES_PER_S: u64 = 10_000;
/// Messages repeated for all sessions in a second: less than a tenth of a core.
pub const RESEND_MESSAGES_PER_S_TOTAL: u64 = 100_000;
/// Messages that may be repeated at once after a pause: one gap of the usual kind, so that it is filled without waiting.
pub const RESEND_BURST: u64 = 64;
/// ResendRequests of one session from the same number as before, or a lower one, that are honoured within the window: a peer that
/// fills a gap asks from a higher number each time.
pub const RESEND_REPEATS_MAX: u32 = 16;
/// More of these are ignored; with so many more the session is logged out.
pub const RESEND_IGNORED_MAX: u32 = 16;
/// The window in which such requests are counted.
pub const RESEND_WINDOW_NS: u64 = 60_000_000_000;
/// Messages that were sent and are read back from disk together.
pub const RESEND_CHUNK_MESSAGES: usize = 64;
/// Bytes of them. Two of the longest fit.
pub const RESEND_CHUNK_BYTES: usize = 2 * FRAME_BYTES_MAX;
/// Pieces of the log that are read, or wait to be sent, at once: 1 MiB.
pub const RESEND_CHUNKS: usize = 64;
/// What is not on disk yet is asked for again after this: the journal thread writes every half millisecond.
pub const RESEND_DISK_RETRY_NS: u64 = 1_000_000;
/// What the disk does not give after this counts as out of reach: the disk has failed.
pub const RESEND_DISK_PATIENCE_NS: u64 = 5_000_000_000;
/// Sleep of the thread that reads old messages when nothing is asked of it.
pub const RESEND_IDLE_NS: u64 = 2_000_000;
/// One message of so many is an anchor: its place in the log's file is kept in memory. A power of two.
pub const RESEND_ANCHOR_STRIDE_MIN: u64 = 32;
/// Anchors over all sessions of a stage: 1 MiB.
pub const RESEND_ANCHORS_TOTAL: usize = 1 << 17;
/// Fewest of one session.
pub const RESEND_ANCHORS_MIN: usize = 16;
/// Most of one session: thinning them out takes a few microseconds.
pub const RESEND_ANCHORS_MAX: usize = 1 << 12;
/// Messages that came too early and are remembered, for one session: 2 KiB. What finds no room is repeated by the peer.
pub const KEPT_MESSAGES_MAX: usize = 128;
/// Of these, messages handed on in one turn of their session.
pub const KEPT_MESSAGES_PER_TURN: usize = 16;
/// Sessions with such messages that are looked at in one duty cycle.
pub const KEPT_TURNS_PER_CYCLE: usize = 16;
/// Bytes that a connection may send before its Logon is whole.
pub const STRANGER_BYTES_MAX: usize = FRAME_BYTES_MAX;
/// Connections from one address that may be without a Logon at once, where there are fewer sessions: a client never needs more than
/// there are sessions.
pub const STRANGERS_PER_SOURCE_MIN: usize = 16;
/// Strangers among whom the oldest of an address is looked for when one more comes from there than may wait.
pub const STRANGERS_LOOKED_AT: usize = 256;
/// Slots for connections that strangers leave free, so that there is room for a client: a sixteenth of them, at most so many.
pub const SLOTS_KEPT_FREE_MAX: usize = 64;
/// Addresses whose failed logons are remembered. The one that was quiet for longest is forgotten first.
pub const SOURCES_MAX: usize = 256;
/// Failed logons from one address after which its next ones wait: a wrong configuration, or a guess.
pub const LOGON_FAILURES_FREE: u32 = 8;
/// The first such wait; it doubles with each failure.
pub const LOGON_DELAY_NS_MIN: u64 = 50_000_000;
/// The longest one: a client that shares its address with a wrong configuration still gets in, for it is also at most
/// half the bound for a logon.
pub const LOGON_DELAY_NS_MAX: u64 = 1_600_000_000;
/// An address without a failed logon for so long starts anew.
pub const LOGON_FAILURES_FORGOTTEN_NS: u64 = 60_000_000_000;
/// Records about garbage from one session, at most one in this time: what it sends must not make the log grow faster.
pub const GARBLED_RECORD_NS: u64 = 100_000_000;
/// A peer whose socket takes nothing for this long while messages wait for it is disconnected.
pub const SLOW_CONSUMER_TIMEOUT_S: u64 = 10;
/// Positions of sent messages kept for resends, over all sessions of a stage: 8 MiB.
pub const RESEND_INDEX_SLOTS_TOTAL: usize = 1 << 20;
/// Fewest kept for one session.
pub const RESEND_INDEX_SLOTS_MIN: usize = 128;
/// Most kept for one session.
pub const RESEND_INDEX_SLOTS_MAX: usize = 1 << 16;
/// Sessions that may receive copies of what concerns one account, and of what is said to one session: each costs the client's own message
/// an encoding.
pub const DROP_COPIES_MAX: usize = 4;
/// Inputs that a stage takes from one ring in one duty cycle.
pub const INPUTS_PER_CYCLE: usize = 64;
/// How often a stage writes its gauges to the status page.
pub const PUBLISH_INTERVAL_NS: u64 = 5_000_000;
/// Rows of sessions, links or accounts written each time: 10,000 rows are through in under a second.
pub const ROWS_PER_PUBLISH: usize = 64;
/// Slots of the table of requests in flight that one duty cycle walks over, looking for doubts or unanswered ones.
pub const IN_FLIGHT_SLOTS_PER_CYCLE: usize = 256;
/// Requests in doubt that are known one by one, however small the windows: a desk may lose its links many times before it speaks.
pub const DOUBTS_MIN: usize = 1024;
/// How long a cancel may wait in the route stage for room in its desk's windows: a kill of many orders needs a few of the desk's answers.
pub const CANCEL_WAIT_NS_MAX: u64 = 100_000_000;
/// Cancels that may wait so at once. They stand aside, so that no other request waits behind them; those beyond are refused, and the
/// gateway's own go out again as the desk answers.
pub const CANCELS_WAITING_MAX: usize = 256;
/// Waiting cancels that one duty cycle looks at.
pub const CANCELS_WAITING_PER_CYCLE: usize = 16;
/// User-defined tags of FIX that a session may be agreed to use: the first, and the last of those between two parties.
pub const USER_TAG_MIN: u64 = 5000;
/// See above.
pub const USER_TAG_MAX: u64 = 39_999;
/// Commands that a process begins with so that what was stopped stays so: more become one kill of the firm.
pub const STOPS_MAX: usize = 64;
/// Bytes that the journal thread takes from one log before it looks at the next.
pub const JOURNAL_BATCH_BYTES: usize = 1 << 20;
/// How often the journal thread syncs at level L0. What is younger is lost with the host (not with the process).
pub const SYNC_INTERVAL_NS: u64 = 50_000_000;
/// A log says at most so often how far the others are on disk: a mark takes 72 bytes, so that a day has 62 MB of them at most.
pub const MARK_INTERVAL_NS: u64 = 100_000_000;
/// Bytes of one file of a log on disk, allocated whole.
pub const LOG_SEGMENT_BYTES: u64 = 64 << 20;
/// Zeros that are written ahead of the records of a log, so that a sync changes nothing but data.
pub const LOG_AHEAD_BYTES: u64 = 4 << 20;
/// Of these at once: a sync of so much delays a group commit by little.
pub const LOG_ZERO_BYTES: usize = 128 << 10;
/// Turns of the journal thread, half a millisecond each, after which a file that could not be made is tried again.
pub const LOG_NEXT_PATIENCE: u32 = 2_000;
/// Epochs before the next one that a restart needs, whatever their age.
pub const LOG_EPOCHS_KEPT: u16 = 2;
/// Bytes of client, order and desk log for one request with its reports, generously: for the room that a day needs.
pub const LOG_BYTES_PER_REQUEST: [u64; 3] = [1536, 768, 1024];
/// Share of `log_disk_max_bytes` above which an operator is warned.
pub const LOG_DISK_WARN_PERCENT: u64 = 90;
/// How often the room for logs is looked at.
pub const LOG_LOOK_S: u64 = 3_600;
/// Longest time that logs may be kept: ten years.
pub const LOG_KEEP_DAYS_MAX: u64 = 3_660;
/// Inputs of the risk stage, steps of work included, after which the digest of its state goes into the order log.
pub const DIGEST_INPUTS: u64 = 4_096;
/// Default for the records after which a snapshot is taken: a start that has so many to read takes a second or two.
pub const SNAPSHOT_RECORDS: u64 = 2_000_000;
/// Most records after which one is taken.
pub const SNAPSHOT_RECORDS_MAX: u64 = 1_000_000_000_000;
/// A start that had this many records to read, or more, is followed by a snapshot.
pub const SNAPSHOT_AT_START_RECORDS: u64 = 100_000;
/// How often it is looked whether a snapshot is due.
pub const SNAPSHOT_LOOK_MS: u64 = 1_000;
/// Longest record of a log: a whole message with what stands before it, with room to spare. A length beyond is damage.
pub const LOG_RECORD_BYTES_MAX: usize = 64 << 10;
/// Bytes that a reader of logs holds at once: many records, whatever the size of the log.
pub const LOG_READ_BYTES: usize = 1 << 20;
/// How often a reader that follows a log looks for more.
pub const LOG_FOLLOW_POLL_MS: u64 = 50;
/// Longest body of a record with names of channels.
pub const LOG_NAMES_BYTES_MAX: usize = 4 << 10;
/// Records of the order log, and of the desk log, that `gatehouse log export` remembers while it reads the client log.
pub const LOG_EXPORT_REMEMBERED: usize = 1 << 20;
/// Longest sleep of a stage that idles by parking.
pub const PARK_NS_MAX: u64 = 100_000;
/// Sleep of the journal thread when there is nothing to write: what a process that dies at L0 may still hold in memory.
pub const JOURNAL_IDLE_NS: u64 = 500_000;
/// The same where a desk is at level L1: what comes after a pause waits for the thread to wake.
pub const JOURNAL_IDLE_PROMPT_NS: u64 = 20_000;
/// At level L1 the journal thread does not sleep before this time has passed without a record.
pub const JOURNAL_AWAKE_NS: u64 = 1_000_000;
/// How long nothing must be in flight before links are logged out: cancels of lost sessions are on their way to desks, and their
/// reports on the way back.
pub const SHUTDOWN_QUIET_MS: u64 = 20;
/// How long each phase of an orderly end may take: clients out, links out.
pub const SHUTDOWN_PHASE_MS: u64 = 3_000;
/// A duty cycle of a hot stage that takes longer is counted on the status page.
pub const CYCLE_BOUND_NS: u64 = 200_000;
/// The same for the journal thread, whose cycles contain a sync.
pub const CYCLE_BOUND_COLD_NS: u64 = 100_000_000;
/// Lines about connections and sessions that the operator's log gets in a second; the rest is counted.
pub const EVENT_LINES_PER_S: u32 = 50;
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

/// Days before the start that a session schedule knows: for numbers that were last reset then, and for a clock that is set back.
pub const SCHEDULE_DAYS_BACK: u64 = 400;
/// Days that a session schedule knows in advance, in tables of about 6 KiB: 24 hours a day for more than a year.
pub const SCHEDULE_DAYS_AHEAD: u64 = 400;
/// With fewer days left the control thread appends the next table.
pub const SCHEDULE_DAYS_LEFT_MIN: u64 = 100;
/// How often the control thread looks at them.
pub const SCHEDULE_LOOK_NS: u64 = 3_600_000_000_000;
/// Longest name of a time zone; the longest of the database have 32.
pub const TIME_ZONE_BYTES_MAX: usize = 63;
/// Most session schedules.
pub const SCHEDULES_MAX: usize = 256;
/// Most holidays of a schedule: some decades.
pub const HOLIDAYS_MAX: usize = 10_000;

/// Longest name of a client, session, desk, link or listener: it is a column in tables and a word in commands.
pub const NAME_BYTES_MAX: usize = 31;
/// Longest CompID that is taken, from a peer or the configuration.
pub const COMP_ID_BYTES_MAX: usize = 31;
/// Longest path of a socket: `sockaddr_un` holds 108 bytes with its final zero.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Largest configuration or reference file that is read: a million accounts are below 100 MB.
pub const CONFIG_FILE_BYTES_MAX: u64 = 256 << 20;
/// Errors (and as many warnings) of a configuration that are shown; the rest is counted.
pub const DIAGNOSTICS_MAX: usize = 50;
/// Fewest slots of a ring between stages: less would stall on every burst.
pub const RING_SLOTS_MIN: usize = 64;
/// Most slots of a ring between stages: 256 MiB each, locked.
pub const RING_SLOTS_MAX: usize = 1 << 20;
/// Highest core number: what the kernel's CPU sets hold.
pub const CORE_MAX: usize = 1023;
/// Hot threads: decode, risk, route.
pub const HOT_THREADS: usize = 3;
/// Default size of a staging window: a second of 100,000 messages of 512 bytes.
pub const STAGING_BYTES: usize = 64 << 20;
/// Smallest staging window: several send buffers, so that one slow peer does not fill it.
pub const STAGING_BYTES_MIN: usize = 1 << 20;
/// Largest staging window: it is locked memory.
pub const STAGING_BYTES_MAX: usize = 16 << 30;
/// Default for requests of one day.
pub const REQUESTS_PER_DAY: usize = 1_000_000;
/// Default for executions of one day: a few for each request.
pub const EXECUTIONS_PER_DAY: usize = 2_000_000;
/// Most executions of one day: their ids are kept to tell duplicates.
pub const EXECUTIONS_MAX: usize = 1 << 30;
/// Most ports for clients.
pub const LISTENERS_MAX: usize = 64;
/// Most connections of one set of sockets: buffer groups and slots of the ring are numbered with 16 bits.
pub const CONNECTIONS_MAX: usize = 1 << 15;
/// Most clients.
pub const CLIENTS_MAX: usize = 10_000;
/// Most client sessions: the number for which cost is promised to stay flat.
pub const SESSIONS_MAX: usize = 10_000;
/// Most desks.
pub const DESKS_MAX: usize = 64;
/// Most links over all desks.
pub const LINKS_MAX: usize = 256;
/// Most accounts: ten times what is promised.
pub const ACCOUNTS_MAX: usize = 1_000_000;
/// Most instruments: five times what is promised.
pub const INSTRUMENTS_MAX: usize = 100_000;
/// Most positions at the start of the day.
pub const POSITIONS_MAX: usize = 8_000_000;
/// Longest time of any session timer that an operator may set: beyond an hour a dead peer would stay unseen.
pub const SESSION_TIMER_S_MAX: u32 = 3600;
/// Default HeartBtInt(108) that an initiator asks for: what most counterparties use.
pub const HEARTBEAT_INTERVAL_S: u32 = 30;
/// Longest wait before a link connects again, and for a desk's acknowledgement: ten minutes.
pub const LINK_TIMER_MS_MAX: u32 = 600_000;
/// Shortest of the same: less would be a connect storm.
pub const LINK_TIMER_MS_MIN: u32 = 10;
/// Most unanswered requests on one link: each is looked at when the link is lost.
pub const LINK_WINDOW_MAX: usize = 65_536;
/// Highest message rate, and largest burst, that can be set.
pub const MESSAGE_RATE_MAX: u32 = 1_000_000;
/// Most operators named in the configuration.
pub const OPERATORS_MAX: usize = 256;
/// Largest contract unit. Price x quantity x unit stays below 2^127.
pub const UNIT_MAX: u32 = 1_000_000;
/// Widest price collar: one hundred times the reference price.
pub const COLLAR_BP_MAX: u32 = 1_000_000;
/// Most cash of an account, either sign, in whole currency units: 10^15.
pub const CASH_MAX: i128 = 1_000_000_000_000_000;
/// Orders that the simulated desk keeps. A level's sum of that many orders of the largest quantity still fits in 64 bits.
pub const SIM_DESK_ORDERS_MAX: usize = 1 << 24;
/// Reports that the simulated desk holds while none of its links is up.
pub const SIM_DESK_HELD_MAX: usize = 1 << 20;
/// Orders that the simulated desk handles at once for a mass request; the rest follows as timers.
pub const SIM_DESK_MASS_PART: usize = 256;
/// Pieces into which a scripted partial fill may be cut.
pub const SIM_DESK_PIECES_MAX: u32 = 1000;
/// Outputs of the simulated desk that wait to be sent before it takes more requests.
pub const SIM_DESK_OUTPUTS_MAX: usize = 16 * 1024;
/// Timers of the simulated desk done in one duty cycle.
pub const SIM_DESK_TIMERS_PER_CYCLE: usize = 64;
/// Memory in which a link of the simulated desk, or the load client, keeps what was sent for resends.
pub const SIM_LOG_BYTES: usize = 64 << 20;
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
/// Orders of one session that the load client remembers as open to be cancelled or replaced.
pub const SIM_LOAD_CHANGEABLE_MAX: usize = 1 << 16;
/// Comings and goings of sessions that a tool keeps until they are taken; further ones are counted.
pub const SIM_LINE_EVENTS_MAX: usize = 1 << 16;

/// Connections to the control socket at once: operators and their tools.
pub const CONTROL_CONNECTIONS_MAX: usize = 16;
/// Longest request on the control socket, its newline not counted. Ours are below 2 KiB.
pub const CONTROL_REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Longest reason and ticket of a command: they go into the log.
pub const CONTROL_REMARK_BYTES_MAX: usize = 512;
/// A control request must be whole, and its answer taken, within this time.
pub const CONTROL_LINE_NS_MAX: u64 = 5_000_000_000;
/// A control connection that asks nothing is closed after this.
pub const CONTROL_IDLE_NS_MAX: u64 = 30_000_000_000;
/// A stage that has not answered a command after this is reported as silent.
pub const CONTROL_ANSWER_NS_MAX: u64 = 2_000_000_000;
/// Commands on their way to a stage, and commands unanswered, at once.
pub const CONTROL_QUEUE_COMMANDS: usize = 64;
/// Commands that wait for a second person at once.
pub const CONTROL_PENDING_MAX: usize = 64;
/// How long a command waits for its second person.
pub const CONTROL_PENDING_NS_MAX: u64 = 15 * 60 * 1_000_000_000;
/// Larger files are no status page: 100,000 accounts and 10,000 sessions need 16 MB.
pub const STATUS_PAGE_BYTES_MAX: u64 = 1 << 30;

const _: () = assert!(RESEND_ANCHOR_STRIDE_MIN.is_power_of_two());
const _: () = assert!(RESEND_ANCHORS_MIN.is_multiple_of(2) && RESEND_ANCHORS_MAX.is_multiple_of(2));
const _: () = assert!(RESEND_CHUNK_BYTES >= FRAME_BYTES_MAX);
const _: () = assert!(KEPT_MESSAGES_MAX.is_power_of_two());
const _: () = assert!((1 + 2 * DROP_COPIES_MAX) * 2 * FRAME_BYTES_MAX <= STAGING_BYTES_MIN);
const _: () = assert!(STRANGER_BYTES_MAX <= RECEIVE_BUFFER_BYTES);
const _: () = assert!(RECEIVE_BUFFER_BYTES >= 2 * FRAME_BYTES_MAX);
const _: () = assert!(SEND_BUFFER_BYTES > FRAME_BYTES_MAX);
const _: () = assert!(RING_SLOTS.is_power_of_two());
const _: () = assert!(LOG_RECORD_BYTES_MAX >= 2 * FRAME_BYTES_MAX);
const _: () = assert!(LOG_AHEAD_BYTES <= LOG_SEGMENT_BYTES);
const _: () = assert!(LOG_READ_BYTES >= 4 * LOG_RECORD_BYTES_MAX);
const _: () = assert!(LOG_NAMES_BYTES_MAX > NAME_BYTES_MAX);
const _: () = assert!(CLIENT_ORDER_ID_BYTES < 256);
const _: () = assert!(RING_SLOTS_MIN.is_power_of_two() && RING_SLOTS_MAX.is_power_of_two());
const _: () =
    assert!(STAGING_BYTES.is_power_of_two() && STAGING_BYTES_MIN >= 4 * SEND_BUFFER_BYTES);
const _: () = assert!(REQUESTS_PER_DAY <= REQUESTS_MAX && EXECUTIONS_PER_DAY <= EXECUTIONS_MAX);
const _: () = assert!(QUANTITY_MAX as i128 <= i128::MAX / PRICE_MAX as i128 / UNIT_MAX as i128);
const _: () = assert!(SESSIONS_MAX <= CONNECTIONS_MAX);
const _: () = assert!(SIM_DESK_ORDERS_MAX as u64 <= u64::MAX / QUANTITY_MAX);
