//! Parsing a framed message, and decoding it as a client's request and as a desk's report.
//!
//! Input: one byte that chooses the version, then the body from `35=`.
//! Always: fields are as the wire has them; together they are the whole message; values that are taken
//! are within their bounds.
#![no_main]

mod message;

use std::sync::LazyLock;

use gatehouse::config::sample::Sample;
use gatehouse::domain::order::ClientRequest;
use gatehouse::domain::{AccountIndex, Directory, Price, Quantity};
use gatehouse::limits::{FIELDS_MAX, PRICE_MAX, QUANTITY_MAX};
use gatehouse::wire::fix::{FieldIndex, Message, decode_desk, decode_order, parse};
use libfuzzer_sys::fuzz_target;

static NAMES: LazyLock<Directory> = LazyLock::new(|| {
    let plan = Sample::new("/nowhere").plan();
    Directory::new(&plan.accounts, &plan.instruments)
});

fuzz_target!(|data: &[u8]| {
    let Some((&first, body)) = data.split_first() else {
        return;
    };
    let version = message::version(first);
    let Some(frame) = message::message(version, body) else {
        return;
    };
    let mut index = FieldIndex::new();
    let message = match parse(&frame, &mut index) {
        Ok(message) => message,
        Err(error) => return assert!(error.position <= frame.len()),
    };
    fields_agree(&message);
    if message.fields().count() < FIELDS_MAX {
        let again = rewritten(&message);
        if again.len() == body.len() {
            assert_eq!(again, body, "the fields are not all of it");
        } else {
            // Zeros before a tag are gone; then a length field that lied may be right.
            assert!(again.len() < body.len());
            let again = message::framed(version, &again);
            assert!(parse(&again, &mut FieldIndex::new()).is_ok());
        }
    }
    let sole = (first & 0x80 != 0).then_some(AccountIndex(0));
    if let Ok(request) = decode_order(&message, version, &NAMES, sole) {
        within_bounds(&request);
    }
    let _ = decode_desk(&message);
});

/// All but BeginString, BodyLength and CheckSum.
fn without_frame<'a>(message: &Message<'a>) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
    let count = message.fields().count();
    message.fields().take(count - 1).skip(2)
}

fn fields_agree(message: &Message<'_>) {
    let fields: Vec<_> = message.fields().collect();
    assert!(fields.len() <= FIELDS_MAX);
    assert_eq!([fields[0].0, fields[1].0, fields[2].0], [8, 9, 35]);
    for (tag, value) in &fields {
        let first = fields.iter().find(|(other, _)| other == tag);
        if *tag != 10 {
            assert_eq!(message.get(*tag), first.map(|field| field.1));
        }
        assert!(message.fault().is_some() || !value.is_empty());
    }
    if message.fault().is_none() {
        assert!(fields.iter().all(|(tag, _)| (1..1_000_000).contains(tag)));
    }
}

/// The body, from its fields.
fn rewritten(message: &Message<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    for (tag, value) in without_frame(message) {
        body.extend_from_slice((tag as i32).to_string().as_bytes());
        body.push(b'=');
        body.extend_from_slice(value);
        body.push(1);
    }
    body
}

fn within_bounds(request: &ClientRequest) {
    let (price, quantity) = match request {
        ClientRequest::New(order) => (order.price, order.quantity),
        ClientRequest::Replace(replace) => (replace.price, replace.quantity),
        _ => return,
    };
    assert!(price <= Price(PRICE_MAX) && price >= Price(-PRICE_MAX));
    assert!(quantity <= Quantity(QUANTITY_MAX));
}
