//! Two queues between one writing thread and one reading thread, and the only lock-free code of the project.
//!
//! * [`mod@spsc`]: a ring of fixed slots that are filled and read in place, for messages between stages.
//! * [`byte_log`]: frames of any length in memory that the caller provides, which may outlive the process, for what must
//!   be drained to disk and can be read again by its writer until it is overwritten.
//! * [`mod@checksum`]: what such frames are proved with.
//!
//! What always holds, in both: one owner per end (`Send`, neither `Sync` nor `Clone`); memory is allocated and touched at
//! creation and never after; no operation waits, and an operation that finds no room says so and is counted; what one side
//! wrote is published by one Release store of an index and seen by an Acquire load of it; nothing stronger is used.
//!
//! Claim before you consume: reserve the output first, and leave the input where it is if you can't.
//!
//! ```
//! let (mut orders_out, mut orders_in) = ringbuf::spsc::<[u64; 32]>(1024);
//! let (mut reports_out, mut reports_in) = ringbuf::spsc::<[u64; 32]>(1024);
//!
//! // The first stage fills a slot in place and publishes it.
//! let slot = orders_out.claim().expect("room");
//! slot[0] = 42;
//! orders_out.commit();
//!
//! // The second takes an input only if it has room for what comes of it.
//! if let Some(report) = reports_out.claim() {
//!     if let Some(order) = orders_in.peek() {
//!         report[0] = order[0] + 1;
//!         reports_out.commit();
//!         orders_in.release();
//!     }
//! }
//! assert_eq!(reports_in.pop().unwrap()[0], 43);
//!
//! // A gauge watches from a third thread.
//! let gauge = orders_out.gauge();
//! assert_eq!((gauge.depth(), gauge.high_water(), gauge.full_count()), (0, 1, 0));
//! ```

pub mod byte_log;
pub mod checksum;
mod gauge;
mod prefetch;
pub mod spsc;
mod sync;

pub use gauge::Gauge;
pub use spsc::{Consumer, Producer, spsc};
