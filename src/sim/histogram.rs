//! Latency histograms and their files: `.hlog` (interval log, V2 deflate) and `.hgrm` (percentile table), as the HdrHistogram tools
//! read them.
//!
//! Owned by the thread that measures. Everything is allocated and touched beforehand: recording never allocates. Values are
//! nanoseconds with three significant digits, up to 100 seconds; what is longer is counted as 100 seconds.

use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Serialize;

use crate::domain::time::NS_PER_S;

const HIGHEST_NS: u64 = 100 * NS_PER_S;
/// Steps of the percentile table in each half of the distance to 100%, as the other tools have it.
const TICKS_PER_HALF_DISTANCE: u32 = 5;
/// Intervals kept apart; a longer run has longer intervals.
const INTERVALS_MAX: u64 = 64;

/// One distribution.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        // The bounds are constants that the crate accepts.
        Self(Histogram::new_with_bounds(1, HIGHEST_NS, 3).expect("bounds are good"))
    }
}

impl Latency {
    /// Counts one value.
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The usual percentiles.
    pub fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: self.0.max(),
            mean: self.0.mean() as u64,
            count: self.0.len(),
        }
    }

    /// The percentile table, values in microseconds.
    pub fn write_hgrm(&self, mut out: impl Write) -> io::Result<()> {
        const SCALE: f64 = 1000.0;
        writeln!(
            out,
            "{:>12} {:>14} {:>10} {:>14}\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        )?;
        for step in self.0.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
            let value = step.value_iterated_to() as f64 / SCALE;
            let quantile = step.quantile_iterated_to();
            let count = self.0.count_between(0, step.value_iterated_to());
            if quantile < 1.0 {
                let distance = 1.0 / (1.0 - quantile);
                writeln!(
                    out,
                    "{value:12.3} {quantile:2.12} {count:10} {distance:14.2}"
                )?;
            } else {
                writeln!(out, "{value:12.3} {quantile:2.12} {count:10}")?;
            }
        }
        let (mean, deviation) = (self.0.mean() / SCALE, self.0.stdev() / SCALE);
        let (max, total) = (self.0.max() as f64 / SCALE, self.0.len());
        writeln!(
            out,
            "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]"
        )?;
        writeln!(out, "#[Max     = {max:12.3}, Total count    = {total:12}]")?;
        let buckets = (HIGHEST_NS as f64 / 2048.0).log2().ceil() as u32 + 1;
        writeln!(
            out,
            "#[Buckets = {buckets:12}, SubBuckets     = {:12}]",
            2048
        )
    }
}

/// The usual percentiles, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Half are at most this.
    pub p50: u64,
    /// 90%
    pub p90: u64,
    /// 99%
    pub p99: u64,
    /// 99.9%
    pub p99_9: u64,
    /// 99.99%
    pub p99_99: u64,
    /// The longest
    pub max: u64,
    /// Mean
    pub mean: u64,
    /// How many
    pub count: u64,
}

/// One distribution over the whole run, and the same cut into intervals of time.
#[derive(Debug)]
pub struct TimedLatency {
    total: Latency,
    intervals: Vec<Latency>,
    interval_ns: u64,
    start_ns: u64,
}

impl TimedLatency {
    /// For a run that measures `duration_ns`.
    pub fn new(duration_ns: u64) -> Self {
        let seconds = duration_ns.div_ceil(NS_PER_S).max(1);
        let interval_ns = seconds.div_ceil(INTERVALS_MAX) * NS_PER_S;
        let count = duration_ns.div_ceil(interval_ns).max(1);
        Self {
            total: Latency::default(),
            intervals: (0..count).map(|_| Latency::default()).collect(),
            interval_ns,
            start_ns: 0,
        }
    }

    /// Measuring begins, monotonic.
    pub fn start(&mut self, start_ns: u64) {
        self.start_ns = start_ns;
    }

    /// Counts one value; the interval is that of the intended time. After the end the last one is used.
    pub fn record(&mut self, intended_ns: u64, ns: u64) {
        self.total.record(ns);
        let at = intended_ns.saturating_sub(self.start_ns) / self.interval_ns;
        let at = (at as usize).min(self.intervals.len() - 1);
        self.intervals[at].record(ns);
    }

    /// The whole run.
    pub fn total(&self) -> &Latency {
        &self.total
    }

    /// Writes the interval log; `start_wall_ns` is the wall time of the start, `tag` may be empty.
    pub fn write_hlog(&self, out: impl Write, start_wall_ns: u64, tag: &str) -> io::Result<()> {
        let mut out = out;
        let mut serializer = V2DeflateSerializer::new();
        let start = Duration::from_nanos(start_wall_ns);
        let mut writer = IntervalLogWriterBuilder::new()
            .add_comment("[Logged by gatehouse load; values are nanoseconds]")
            .with_start_time(std::time::UNIX_EPOCH + start)
            .with_base_time(std::time::UNIX_EPOCH)
            .with_max_value_divisor(1_000_000.0)
            .begin_log_with(&mut out, &mut serializer)?;
        let interval = Duration::from_nanos(self.interval_ns);
        for (n, histogram) in self.intervals.iter().enumerate() {
            let at = start + interval * n as u32;
            writer
                .write_histogram(&histogram.0, at, interval, Tag::new(tag))
                .map_err(|e| io::Error::other(format!("{e:?}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_table_has_the_usual_columns_and_adds_up() {
        let mut latency = Latency::default();
        for n in 1..=10_000 {
            latency.record(n * 1_000);
        }
        let p = latency.percentiles();
        assert!((4_990_000..5_010_000).contains(&p.p50), "{p:?}");
        assert!((9_890_000..9_910_000).contains(&p.p99), "{p:?}");
        assert_eq!(p.count, 10_000);
        let mut text = Vec::new();
        latency.write_hgrm(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"));
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                line.split_whitespace()
                    .map(|c| c.parse().unwrap())
                    .collect()
            })
            .collect();
        assert!(rows.len() > 30, "{text}");
        assert!(
            rows.windows(2)
                .all(|w| w[0][0] <= w[1][0] && w[0][2] <= w[1][2])
        );
        let last = rows.last().unwrap();
        assert_eq!((last[1], last[2]), (1.0, 10_000.0));
        let middle = rows.iter().find(|row| row[1] == 0.5).unwrap();
        // A bucket at 5 ms is 4 us wide and is counted whole.
        assert!(
            (5_000.0..5_004.0).contains(&middle[2]) && middle[3] == 2.0,
            "{middle:?}"
        );
        assert!(
            text.contains("#[Max     =    10002.431, Total count    =        10000]"),
            "{text}"
        );
    }

    #[test]
    fn the_log_can_be_read_back_interval_by_interval() {
        let mut latency = TimedLatency::new(3 * NS_PER_S);
        latency.start(7);
        for n in 0..3_000u64 {
            latency.record(7 + n * 1_000_000, 5_000 + n);
        }
        latency.record(u64::MAX, u64::MAX);
        let mut text = Vec::new();
        latency
            .write_hlog(&mut text, 1_700_000_000 * NS_PER_S, "ack")
            .unwrap();
        let mut counts = Vec::new();
        for entry in IntervalLogIterator::new(&text) {
            let LogEntry::Interval(interval) = entry.unwrap() else {
                continue;
            };
            assert_eq!(interval.tag().map(|t| t.as_str()), Some("ack"));
            let raw = hdrhistogram_base64(interval.encoded_histogram());
            let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &raw[..]).unwrap();
            counts.push(histogram.len());
        }
        assert_eq!(counts, [1000, 1000, 1001]);
        assert_eq!(latency.total().percentiles().max / NS_PER_S, 100);
    }

    /// Base 64 of the log's lines; the crate leaves it to its users.
    fn hdrhistogram_base64(text: &str) -> Vec<u8> {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = Vec::new();
        let (mut bits, mut count) = (0u32, 0);
        for c in text.bytes().filter(|&c| c != b'=') {
            let digit = ALPHABET.iter().position(|&a| a == c).unwrap() as u32;
            bits = bits << 6 | digit;
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push((bits >> count) as u8);
            }
        }
        out
    }
}
