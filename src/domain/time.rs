//! Time as the stages see it: taken once per duty cycle and handed down, so that nothing below reads a clock.
//!
//! Plain values: monotonic for durations and timers, wall time for records and messages.

/// One reading of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic nanoseconds since an arbitrary origin: for timers and latencies.
    pub mono_ns: u64,
    /// Nanoseconds since 1970-01-01 UTC: for what is written on the wire and in logs.
    pub wall_ns: u64,
}

/// Nanoseconds in a second.
pub const NS_PER_S: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;
/// Seconds in a day.
pub const S_PER_DAY: u64 = 86_400;

/// Digits of the fraction in a UTCTimestamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Precision {
    /// `HH:MM:SS`
    Seconds,
    /// `.sss`
    #[default]
    Millis,
    /// `.ssssss`
    Micros,
    /// `.sssssssss`
    Nanos,
}
