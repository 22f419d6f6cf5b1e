//! One valid order against a dictionary, again and again, to be counted by callgrind: `scripts/count-validation`.
//!
//! The order has the gateway's usual shape: 18 fields of FIX.4.4. Counted is [`counted`] alone: parsing is outside of it. The
//! dictionary is the gateway's own dialect, or what the files say that are named.

use std::sync::Arc;

use gatehouse::domain::{Checks, FixVersion};
use gatehouse::wire::fix::dictionary::Fault;
use gatehouse::wire::fix::{Dictionary, FieldIndex, Message, dialect, parse};

const ORDER: &str = "35=D|34=123456|49=CLIENT01|52=20261123-06:23:06.123|56=GATEHOUSE|1=ACC0001|11=ORD-0000123456|21=1|\
    38=1200|40=2|44=12.34|54=1|55=600000|59=0|60=20261123-06:23:06.123|";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (times, files) = match &arguments[..] {
        [times, files @ ..] if files.len() <= 2 => (times.parse().unwrap_or(0u32), files),
        _ => (0, &[][..]),
    };
    if times == 0 {
        eprintln!("usage: count_validation TIMES [DICTIONARY.xml [APPLICATION.xml]]");
        std::process::exit(2);
    }
    let dictionary = match files {
        [] => dialect::dictionary(FixVersion::Fix44),
        files => load(files),
    };
    let order = ORDER.replace('|', "\u{1}");
    let mut frame = format!("8=FIX.4.4\u{1}9={}\u{1}{order}", order.len()).into_bytes();
    let sum = frame.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    frame.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
    let mut index = FieldIndex::new();
    let message = parse(&frame, &mut index).expect("an order");
    for _ in 0..times {
        counted(&dictionary, std::hint::black_box(&message)).expect("the order is valid");
    }
    println!("orders {times}");
}

fn load(files: &[String]) -> Arc<Dictionary> {
    let start = std::time::Instant::now();
    let models: Vec<_> = files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).expect("the file can be read");
            Dictionary::from_quickfix_xml(&text).expect("a dictionary")
        })
        .collect();
    let dictionary = Dictionary::compile(&models[0], models.get(1)).expect("a whole dictionary");
    println!("loaded in {:?}", start.elapsed());
    Arc::new(dictionary)
}

/// What is counted.
#[inline(never)]
fn counted(dictionary: &Dictionary, message: &Message<'_>) -> Result<(), Fault> {
    dictionary.validate(message, &Checks::ALL)
}
