//! Loading a dictionary: any text, as a dictionary of its own and as the application part of another.
//!
//! Always: what is refused is refused with a line of the text; what is taken validates messages without a panic.
#![no_main]

mod message;

use std::sync::LazyLock;

use gatehouse::domain::{Checks, FixVersion};
use gatehouse::wire::fix::dictionary::{Dictionary, Model};
use gatehouse::wire::fix::{FieldIndex, parse};
use libfuzzer_sys::fuzz_target;

static TRANSPORT: LazyLock<Model> = LazyLock::new(|| {
    Dictionary::from_quickfix_xml(include_str!("../seeds/small.xml")).expect("it can be read")
});

const BODIES: [&[u8]; 3] = [
    b"35=0\x0134=2\x0149=A\x0152=20260102-10:11:12\x0156=B\x01",
    b"35=D\x0134=2\x0149=A\x0152=20260102-10:11:12\x0156=B\x0111=X\x0144=1.5\x01453=1\x01448=P\x01\
      802=2\x01523=S\x01803=1\x01523=T\x01803=2\x0195=3\x0196=a\x01b\x019999=u\x01",
    b"35=Zz\x0110=1\x0134=\x0134=\x01",
];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let model = match Dictionary::from_quickfix_xml(text) {
        Ok(model) => model,
        Err(error) => {
            assert!(error.line >= 1 && error.line as usize <= 1 + text.lines().count());
            assert!(!error.element.is_empty() && !error.problem.is_empty());
            return;
        }
    };
    for made in [
        Dictionary::compile(&model, None),
        Dictionary::compile(&TRANSPORT, Some(&model)),
    ] {
        let Ok(dictionary) = made else { continue };
        for body in BODIES {
            let frame = message::framed(FixVersion::Fix44, body);
            let mut index = FieldIndex::new();
            if let Ok(message) = parse(&frame, &mut index) {
                let _ = dictionary.validate(&message, &Checks::ALL);
            }
        }
    }
});
