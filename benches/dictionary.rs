//! Cost of the dictionary: a valid order, an order with a mistake, one that names a group; reading and compiling a text.
//!
//! `cargo bench --bench dictionary`. The dictionary is the gateway's own dialect. Instructions, which noise cannot touch, are
//! counted by `scripts/count-validation`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use gatehouse::domain::{Checks, FixVersion};
use gatehouse::wire::fix::{Dictionary, FieldIndex, dialect, parse};

const ORDER: &str = "35=D|34=123456|49=CLIENT01|52=20261123-06:23:06.123|56=GATEHOUSE|1=ACC0001|11=ORD-0000123456|21=1|\
    38=1200|40=2|44=12.34|54=1|55=600000|59=0|60=20261123-06:23:06.123|";

fn frame(body: &str) -> Vec<u8> {
    let body = body.replace('|', "\u{1}");
    let mut frame = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len()).into_bytes();
    let sum = frame.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    frame.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
    frame
}

fn validate(c: &mut Criterion) {
    let dictionary = dialect::dictionary(FixVersion::Fix44);
    let mut group = c.benchmark_group("dictionary");
    let cases = [
        ("order", ORDER.to_owned(), true),
        (
            "order with a wrong side",
            ORDER.replace("54=1", "54=Q"),
            false,
        ),
        (
            "order with a stranger's tag",
            format!("{ORDER}4999=x|"),
            false,
        ),
    ];
    for (name, body, is_valid) in cases {
        let frame = frame(&body);
        let mut index = FieldIndex::new();
        let message = parse(&frame, &mut index).expect("a message");
        let result = dictionary.validate(&message, &Checks::ALL);
        assert_eq!(result.is_ok(), is_valid, "{name}");
        group.bench_function(name, |b| {
            b.iter(|| dictionary.validate(black_box(&message), black_box(&Checks::ALL)));
        });
    }
    group.finish();
}

fn load(c: &mut Criterion) {
    let (model, _) = dialect::own().models(FixVersion::Fix44);
    let text = dialect::quickfix::write(&model);
    c.bench_function("dictionary/read and compile", |b| {
        b.iter(|| {
            let model = Dictionary::from_quickfix_xml(black_box(&text)).expect("a dictionary");
            Dictionary::compile(&model, None).expect("tables")
        });
    });
}

criterion_group!(benches, validate, load);
criterion_main!(benches);
