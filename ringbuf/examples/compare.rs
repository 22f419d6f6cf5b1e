//! Measures our ring against others on this machine, now: `cargo run --release -p gatehouse-ringbuf --example compare`.
//!
//! Contenders run in turn, forwards and then backwards (ABBA), so that a slow spell of the machine meets all of them; what
//! counts is the median over the pairs of the ratio to rtrb in the same pair, not any figure by itself. Arguments:
//! `--json` for machines, `--pairs N` (at least 15 for a result), `--words 8|32` for one size of message only.

#[path = "../benches/contenders/mod.rs"]
mod contenders;

use contenders::{Array, CHUNK, Contender, Ours, OursBatch, Rtrb, RtrbBatch, hop_ns, transfer};

const SAMPLES: usize = 1000;
const ROUND_TRIPS: usize = 8;
const TRANSFERS: u64 = 64 * CHUNK;
/// Where rtrb stands among the contenders.
const BASELINE: usize = 2;

struct Row {
    name: &'static str,
    hop_ns: fn() -> f64,
    million_per_second: fn() -> f64,
    hops: Vec<f64>,
    rates: Vec<f64>,
}

fn row<C: Contender, const WORDS: usize>() -> Row {
    Row {
        name: C::NAME,
        hop_ns: || median(&hop_ns::<C, WORDS>(SAMPLES, ROUND_TRIPS)),
        million_per_second: || {
            let (_, chunks) = transfer::<C, WORDS>(TRANSFERS);
            let seconds: Vec<f64> = chunks.iter().map(|time| time.as_secs_f64()).collect();
            CHUNK as f64 / median(&seconds) / 1e6
        },
        hops: Vec::new(),
        rates: Vec::new(),
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    } else {
        sorted[middle]
    }
}

/// Median over the pairs of value / baseline.
fn ratio(values: &[f64], baseline: &[f64]) -> f64 {
    let ratios: Vec<f64> = (values.iter().zip(baseline)).map(|(a, b)| a / b).collect();
    median(&ratios)
}

fn measure<const WORDS: usize>(pairs: usize) -> Vec<Row> {
    let mut rows = vec![
        row::<Ours, WORDS>(),
        row::<OursBatch, WORDS>(),
        row::<Rtrb, WORDS>(),
        row::<RtrbBatch, WORDS>(),
        row::<Array, WORDS>(),
    ];
    for _ in 0..pairs {
        let mut both_ways: Vec<usize> = (0..rows.len()).collect();
        both_ways.extend((0..rows.len()).rev());
        let mut hops = vec![0.0; rows.len()];
        let mut rates = vec![0.0; rows.len()];
        for nth in both_ways {
            hops[nth] += (rows[nth].hop_ns)() / 2.0;
            rates[nth] += (rows[nth].million_per_second)() / 2.0;
        }
        for (nth, row) in rows.iter_mut().enumerate() {
            row.hops.push(hops[nth]);
            row.rates.push(rates[nth]);
        }
    }
    rows
}

fn print_table(bytes: usize, rows: &[Row]) {
    println!("{bytes}-byte messages   hop ns p50   / rtrb   Mmsg/s   / rtrb");
    for row in rows {
        println!(
            "  {:16} {:14.1} {:8.2} {:8.2} {:8.2}",
            row.name,
            median(&row.hops),
            ratio(&row.hops, &rows[BASELINE].hops),
            median(&row.rates),
            ratio(&row.rates, &rows[BASELINE].rates),
        );
    }
}

fn json_rows(bytes: usize, rows: &[Row]) -> Vec<String> {
    let line = |row: &Row| {
        format!(
            "{{\"contender\":\"{}\",\"message_bytes\":{bytes},\"pairs\":{},\"hop_p50_ns\":{:.1},\"hop_over_rtrb\":{:.3},\
             \"million_per_second\":{:.3},\"rate_over_rtrb\":{:.3}}}",
            row.name,
            row.hops.len(),
            median(&row.hops),
            ratio(&row.hops, &rows[BASELINE].hops),
            median(&row.rates),
            ratio(&row.rates, &rows[BASELINE].rates),
        )
    };
    rows.iter().map(line).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value_of = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<usize>().ok()
    };
    let pairs = value_of("--pairs").unwrap_or(15);
    let words = value_of("--words");
    let json = arguments.iter().any(|argument| argument == "--json");

    let mut lines = Vec::new();
    for size in [8, 32] {
        if words.is_some_and(|words| words != size) {
            continue;
        }
        let rows = match size {
            8 => measure::<8>(pairs),
            _ => measure::<32>(pairs),
        };
        if json {
            lines.extend(json_rows(size * 8, &rows));
        } else {
            print_table(size * 8, &rows);
        }
    }
    if json {
        println!("[{}]", lines.join(",\n "));
    } else {
        println!(
            "ratios are medians over {pairs} interleaved pairs; hop: less is better, rate: more"
        );
    }
}
