//! Cost of the FIX format: a client's order in (frame, checksum, parse, decode), a report out, an order to a desk.
//!
//! `cargo bench --bench wire`. Instructions, which noise cannot touch, are counted by running one of them under callgrind.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatehouse::domain::order::ToDesk;
use gatehouse::domain::report::{ClientExec, ClientOutput, ClientReport, ReportDetail};
use gatehouse::domain::{
    Account, AccountIndex, AccountKind, ClientIndex, Directory, FixVersion, Instrument,
    InstrumentIndex, Money, OrderId, OrderStatus, OrderType, Price, Quantity, RejectReason, Side,
    Text, TimeInForce,
};
use gatehouse::limits::FRAME_BYTES_MAX;
use gatehouse::wire::fix::{
    FieldIndex, Framing, Header, MsgType, Precision, TimeText, decode_order, encode_output,
    encode_to_desk, next_frame, parse,
};

fn directory() -> Directory {
    let account = Account {
        name: Text::cut(b"ACC0001"),
        client: ClientIndex(0),
        kind: AccountKind::Cash,
        cash: Money::ZERO,
        order_value_max: Money::ZERO,
        open_orders_max: 0,
        messages_per_second: 0,
        message_burst: 0,
    };
    let instrument = Instrument {
        symbol: Text::cut(b"600000"),
        market: Text::cut(b"XSHG"),
        unit: 1,
        lot: Quantity(100),
        odd_lot_sell: true,
        tick: Price(1_000_000),
        quantity_min: Quantity(100),
        quantity_max: Quantity(1_000_000),
        limit_down: Price::ZERO,
        limit_up: Price::ZERO,
        reference_price: Price::ZERO,
        collar_bp: 0,
        market_orders: true,
        same_day_sell: false,
    };
    Directory::new(&[account], &[instrument])
}

/// A NewOrderSingle of 185 bytes.
fn order() -> Vec<u8> {
    let body = "35=D|34=123456|49=CLIENT01|52=20261123-06:23:06.123|56=GATEHOUSE|1=ACC0001|11=ORD-0000123456|21=1|\
                38=1200|40=2|44=12.34|54=1|55=600000|59=0|60=20261123-06:23:06.123|";
    let body = body.replace('|', "\u{1}");
    let mut message = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len()).into_bytes();
    let sum = message
        .iter()
        .fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    message.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
    message
}

fn report() -> ClientOutput {
    ClientOutput::Report(ClientReport {
        order_id: OrderId::new(5, 6, 123_456),
        exec_sequence: 123_456_789,
        exec_ref_sequence: 0,
        client_order_id: Text::cut(b"ORD-0000123456"),
        orig_client_order_id: Text::EMPTY,
        exec: ClientExec::New,
        status: OrderStatus::New,
        account: AccountIndex(0),
        instrument: InstrumentIndex(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Day,
        price: Price(1_234_000_000),
        quantity: Quantity(1200),
        cumulated: Quantity(0),
        leaves: Quantity(1200),
        average_price: Price(0),
        last_quantity: Quantity(0),
        last_price: Price(0),
        reason: RejectReason::None,
        detail: ReportDetail::None,
    })
}

fn wire(c: &mut Criterion) {
    let directory = directory();
    let order = order();
    let mut index = FieldIndex::new();
    let mut group = c.benchmark_group("wire");
    group.throughput(Throughput::Bytes(order.len() as u64));
    group.bench_function("order_in", |b| {
        b.iter(|| {
            let Framing::Frame { skip, len } = next_frame(black_box(&order), FRAME_BYTES_MAX)
            else {
                panic!("no frame");
            };
            let message = parse(&order[skip..skip + len], &mut index).unwrap();
            black_box(decode_order(&message, FixVersion::Fix44, &directory, None).unwrap());
        });
    });
    let mut header = Header {
        version: FixVersion::Fix44,
        msg_type: MsgType::default(),
        msg_seq_num: 123_456,
        sender_comp_id: b"GATEHOUSE",
        target_comp_id: b"CLIENT01",
        sending_time_ns: 1_795_415_000_123_456_789,
        poss_dup: false,
        poss_resend: false,
        orig_sending_time: b"",
        last_processed: None,
    };
    let mut time = TimeText::new(Precision::Millis);
    let mut out = [0; 1024];
    let report = report();
    group.bench_function("report_out", |b| {
        b.iter(|| {
            header.sending_time_ns += 1_000;
            black_box(encode_output(
                &mut out,
                &header,
                &mut time,
                &directory,
                black_box(&report),
                (None, false),
            ))
        });
    });
    let to_desk = ToDesk {
        id: OrderId::new(5, 6, 123_456),
        price: Price(1_234_000_000),
        quantity: Quantity(1200),
        ..ToDesk::default()
    };
    group.bench_function("order_out", |b| {
        b.iter(|| {
            header.sending_time_ns += 1_000;
            black_box(encode_to_desk(
                &mut out,
                &header,
                &mut time,
                &directory,
                black_box(&to_desk),
            ))
        });
    });
    group.finish();
}

criterion_group!(benches, wire);
criterion_main!(benches);
