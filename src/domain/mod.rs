//! Plain values of the trade: identities, prices, quantities, orders, reports, rejects, reference data.
//!
//! No I/O, no clock, no allocation on any path used after start-up. Everything that travels in a ring is `Copy`.

pub mod account;
pub mod checks;
pub mod command;
pub mod directory;
pub mod durability;
pub mod fix_version;
pub mod ids;
pub mod instrument;
pub mod order;
pub mod price;
pub mod quantity;
pub mod rate;
pub mod reject;
pub mod report;
pub mod saved;
pub mod schedule;
pub mod text;
pub mod time;

pub use account::{Account, AccountKind};
pub use checks::Checks;
pub use directory::Directory;
pub use durability::{DiskState, Durability};
pub use fix_version::FixVersion;
pub use ids::{
    AccountIndex, ClientIndex, DeskIndex, InstrumentIndex, LinkIndex, OrderId, SessionIndex,
};
pub use instrument::Instrument;
pub use order::{OrderStatus, OrderType, Side, TimeInForce};
pub use price::{Money, Price};
pub use quantity::Quantity;
pub use reject::RejectReason;
pub use schedule::{Phase, Schedule, Window};
pub use text::{ClientOrderId, DeskText, ExecId, Text};
pub use time::Now;
