//! Properties of the whole: what is encoded is framed, parsed and decoded to the same; nothing that a peer sends panics; a stream
//! cut anywhere gives the same frames.

use proptest::prelude::*;

use super::tests::{
    EXECS, ascending_body, encoded, framed, header, names, report, request, with_message,
};
use super::*;
use crate::domain::order::{
    AccountRef, ClientRequest, DeskRequest, InstrumentRef, NewOrder, ToDesk,
};
use crate::domain::report::{ClientExec, ClientOutput, DeskExec, DeskInput, ReportDetail};
use crate::domain::{
    AccountIndex, ClientOrderId, DeskText, FixVersion, InstrumentIndex, OrderId, OrderStatus,
    OrderType, Price, Quantity, Side, Text, TimeInForce,
};
use crate::limits::{FRAME_BYTES_MAX, PRICE_MAX, QUANTITY_MAX};

fn any_version() -> impl Strategy<Value = FixVersion> {
    proptest::sample::select(&FixVersion::ALL[..])
}

fn any_new_order() -> impl Strategy<Value = NewOrder> {
    (
        proptest::collection::vec(2u8..=255, 1..=39),
        0u32..2,
        0u32..3,
        any::<bool>(),
        any::<bool>(),
        0usize..3,
        0..=PRICE_MAX,
        0..=QUANTITY_MAX,
        any::<bool>(),
    )
        .prop_map(
            |(id, account, instrument, buy, limit, tif, price, quantity, resend)| NewOrder {
                client_order_id: ClientOrderId::new(&id).unwrap(),
                account: AccountRef::Known(AccountIndex(account)),
                instrument: InstrumentRef::Known(InstrumentIndex(instrument)),
                side: if buy { Side::Buy } else { Side::Sell },
                order_type: if limit {
                    OrderType::Limit
                } else {
                    OrderType::Market
                },
                time_in_force: [
                    TimeInForce::Day,
                    TimeInForce::ImmediateOrCancel,
                    TimeInForce::FillOrKill,
                ][tif],
                price: if limit { Price(price) } else { Price::ZERO },
                quantity: Quantity(quantity),
                possible_resend: resend,
            },
        )
}

/// A client's order as its engine would write it.
fn written(version: FixVersion, order: &NewOrder, out: &mut [u8]) -> std::ops::Range<usize> {
    let names = names();
    let (AccountRef::Known(account), InstrumentRef::Known(instrument)) =
        (order.account, order.instrument)
    else {
        panic!("known names only");
    };
    let mut time = TimeText::new(Precision::Micros);
    let header = Header {
        msg_type: MsgType::NEW_ORDER_SINGLE,
        poss_resend: order.possible_resend,
        ..header(version)
    };
    let mut w = Writer::begin(out, &header, &mut time);
    w.bytes(tags::ACCOUNT, names.account_name(account));
    w.bytes(tags::CL_ORD_ID, order.client_order_id.as_bytes());
    w.char(tags::HANDL_INST, b'1');
    w.quantity(tags::ORDER_QTY, order.quantity);
    w.char(tags::ORD_TYPE, order.order_type as u8);
    if order.order_type == OrderType::Limit {
        w.price(tags::PRICE, order.price);
    }
    w.char(tags::SIDE, order.side as u8);
    w.bytes(tags::SYMBOL, names.symbol(instrument));
    w.char(tags::TIME_IN_FORCE, order.time_in_force as u8);
    w.sending_time(tags::TRANSACT_TIME);
    w.finish().unwrap()
}

proptest! {
    #[test]
    fn an_order_survives_the_wire(version in any_version(), order in any_new_order()) {
        let mut out = [0; 512];
        let range = written(version, &order, &mut out);
        let read = request(&out[range], version);
        prop_assert_eq!(read, Ok(ClientRequest::New(order)));
    }

    #[test]
    fn numbers_and_prices_are_written_as_they_are(value: u64, price: i64) {
        let mut out = [0; 512];
        let mut time = TimeText::new(Precision::Nanos);
        let header = Header { msg_type: MsgType::HEARTBEAT, ..header(FixVersion::Fix44) };
        for shift in [0, 8, 16, 24, 32, 40, 48, 56] {
            let mut w = Writer::begin(&mut out, &header, &mut time);
            w.u64(tags::NEW_SEQ_NO, value >> shift);
            w.price(tags::PRICE, Price(price >> shift));
            let range = w.finish().unwrap();
            with_message(&out[range], |message| {
                let (number, text) = ((value >> shift).to_string(), Price(price >> shift).to_string());
                prop_assert_eq!(message.get(tags::NEW_SEQ_NO), Some(number.as_bytes()));
                prop_assert_eq!(message.get(tags::PRICE), Some(text.as_bytes()));
                Ok(())
            })?;
        }
    }

    #[test]
    fn what_goes_to_a_desk_is_what_was_asked(version in any_version(), order in any_new_order(), slot in 0u32..1 << 28, kind in 0u8..4, room in 0usize..300) {
        let original = OrderId::new(1, 2, slot);
        let names = names();
        let (AccountRef::Known(account), InstrumentRef::Known(instrument)) = (order.account, order.instrument) else {
            panic!("known names only");
        };
        let to_desk = ToDesk {
            id: OrderId::new(1, 2, slot),
            request: match kind {
                0 | 3 => DeskRequest::New,
                1 => DeskRequest::Cancel { original },
                _ => DeskRequest::Replace { original },
            },
            account,
            instrument,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            price: order.price,
            quantity: order.quantity,
            ..ToDesk::default()
        };
        let encode = if kind == 3 { encode_status_request } else { encode_to_desk };
        let mut time = TimeText::new(Precision::Millis);
        let mut out = [0; 512];
        let range = encode(&mut out, &header(version), &mut time, &names, &to_desk).unwrap();
        with_message(&out[range.clone()], |message| {
            prop_assert!(ascending_body(message));
            Ok(())
        })?;
        let id = ClientOrderId::new(&to_desk.id.to_base62()).unwrap();
        let original = ClientOrderId::new(&original.to_base62()).unwrap();
        match request(&out[range.clone()], version) {
            Ok(ClientRequest::New(read)) => {
                prop_assert_eq!(kind, 0);
                let want = NewOrder { client_order_id: id, possible_resend: false, ..order };
                prop_assert_eq!(read, want);
            }
            Ok(ClientRequest::Cancel(read)) => {
                prop_assert_eq!(kind, 1);
                prop_assert_eq!((read.client_order_id, read.orig_client_order_id), (id, original));
            }
            Ok(ClientRequest::Replace(read)) => {
                prop_assert_eq!(kind, 2);
                prop_assert_eq!((read.orig_client_order_id, read.price, read.quantity), (original, order.price, order.quantity));
            }
            Ok(ClientRequest::Status(read)) => {
                prop_assert_eq!(kind, 3);
                prop_assert_eq!(read.client_order_id, id);
            }
            other => panic!("{other:?}"),
        }
        // Too little room is an error, never a panic, and never a message cut short.
        match encode(&mut out[..room], &header(version), &mut time, &names, &to_desk) {
            Err(NoRoom) => {}
            Ok(range) => {
                with_message(&out[range], |_| ());
            }
        }
    }

    #[test]
    fn a_desk_that_speaks_like_us_is_understood(version in any_version(), which in 0usize..14, cumulated in 0..=QUANTITY_MAX, price in 0..=PRICE_MAX, quantity in 1..=QUANTITY_MAX, long in any::<bool>()) {
        let mut sent = report(EXECS[which], status_after(EXECS[which]));
        let id = OrderId::new(9, 9, 9);
        sent.client_order_id = Text::new(&id.to_base62()).unwrap();
        (sent.cumulated, sent.last_price, sent.last_quantity) = (Quantity(cumulated), Price(price), Quantity(quantity));
        (sent.price, sent.quantity) = (Price(price), Quantity(quantity));
        if long {
            sent.detail = ReportDetail::Desk(DeskText::cut(&[b'w'; 60]));
        }
        let bytes = encoded(version, ClientOutput::Report(sent));
        let read = with_message(&bytes, decode_desk);
        let Ok(DeskMessage::Input(DeskInput::Report(read))) = read else {
            panic!("{read:?}");
        };
        prop_assert_eq!((read.id, read.cumulated), (id, sent.cumulated));
        let leaves = match version {
            FixVersion::Fix40 => sent.quantity.saturating_sub(sent.cumulated),
            _ => sent.leaves,
        };
        // In 4.0 a fill of everything leaves nothing whatever the numbers say.
        prop_assert!(read.leaves == leaves || version == FixVersion::Fix40 && read.status.is_final());
        prop_assert_eq!((read.price, read.quantity), (sent.price, sent.quantity));
        prop_assert_eq!(read.text.len(), if long { 47 } else { 0 });
        let trade = (Quantity(quantity), Price(price));
        match (sent.exec, read.exec) {
            (ClientExec::Trade, DeskExec::Trade { quantity, price }) => prop_assert_eq!((quantity, price), trade),
            (ClientExec::TradeCorrect, DeskExec::TradeCorrect { quantity, price }) => prop_assert_eq!((quantity, price), trade),
            // 4.0 and 4.1 have one word for both.
            (ClientExec::Restated, DeskExec::Replaced) | (ClientExec::PendingReplace, DeskExec::PendingCancel) => {
                prop_assert!(version <= FixVersion::Fix41);
            }
            (sent, read) => prop_assert_eq!(format!("{sent:?}"), format!("{read:?}")),
        }
    }

    #[test]
    fn nothing_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        swallow(&bytes);
    }

    #[test]
    fn nothing_panics_on_near_messages(pieces in proptest::collection::vec(prop_oneof![
        Just(&b"8=FIX.4.4\x01"[..]), Just(&b"9=12\x01"[..]), Just(&b"35=D\x01"[..]), Just(&b"10=000\x01"[..]),
        Just(&b"\x01"[..]), Just(&b"="[..]), Just(&b"95=3\x01"[..]), Just(&b"96=\x01\x01\x01\x01"[..]), Just(&b"11="[..]),
        Just(&b"4294967297="[..]), Just(&b"34=18446744073709551616\x01"[..]), Just(&b"8=F"[..]),
    ], 0..40)) {
        let bytes = pieces.concat();
        swallow(&bytes);
        swallow(&framed("FIX.4.4", &format!("35=D|{}", String::from_utf8_lossy(&bytes).replace('\u{1}', "|"))));
    }

    #[test]
    fn nothing_panics_on_mutated_messages(order in any_new_order(), at in 0usize..400, byte: u8, and_sum in any::<bool>()) {
        let mut out = [0; 512];
        let range = written(FixVersion::Fix44, &order, &mut out);
        let message = &mut out[range];
        let at = at % message.len();
        let old = std::mem::replace(&mut message[at], byte);
        if and_sum {
            // The sum right again, so that the change gets past the frame.
            let end = message.len() - 7;
            let sum = message[..end].iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
            message[end + 3..end + 6].copy_from_slice(format!("{sum:03}").as_bytes());
        } else if byte != old {
            let len = message.len();
            let whole = Framing::Frame { skip: 0, len };
            prop_assert_ne!(next_frame(message, FRAME_BYTES_MAX), whole);
        }
        swallow(message);
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_frames(orders in proptest::collection::vec(any_new_order(), 1..4), junk in proptest::collection::vec(b'a'..=b'z', 0..20), cuts in proptest::collection::vec(1usize..40, 1..60)) {
        let mut stream = junk;
        let mut want = Vec::new();
        let mut out = [0; 512];
        for order in &orders {
            // A garbled message stands before each.
            stream.extend_from_slice(b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01");
            let range = written(FixVersion::Fix44, order, &mut out);
            stream.extend_from_slice(&out[range.clone()]);
            want.push(out[range].to_vec());
        }
        let mut cuts = cuts.into_iter().cycle();
        let (mut buffer, mut got, mut sent) = (Vec::new(), Vec::new(), 0);
        while sent < stream.len() {
            let next = (sent + cuts.next().unwrap()).min(stream.len());
            buffer.extend_from_slice(&stream[sent..next]);
            sent = next;
            drain(&mut buffer, &mut got);
        }
        prop_assert_eq!(got, want);
        prop_assert!(buffer.is_empty());
    }
}

/// A status that fits: in 4.0 it is all that is said.
fn status_after(exec: ClientExec) -> OrderStatus {
    match exec {
        ClientExec::PendingNew => OrderStatus::PendingNew,
        ClientExec::New => OrderStatus::New,
        ClientExec::Cancelled => OrderStatus::Cancelled,
        ClientExec::Rejected => OrderStatus::Rejected,
        ClientExec::Expired => OrderStatus::Expired,
        ClientExec::DoneForDay => OrderStatus::DoneForDay,
        ClientExec::PendingCancel => OrderStatus::PendingCancel,
        ClientExec::PendingReplace => OrderStatus::PendingReplace,
        _ => OrderStatus::PartiallyFilled,
    }
}

/// Takes everything that can be taken, as a stage would.
fn drain(buffer: &mut Vec<u8>, got: &mut Vec<Vec<u8>>) {
    loop {
        let skip = match next_frame(buffer, FRAME_BYTES_MAX) {
            Framing::Frame { skip, len } => {
                got.push(buffer[skip..skip + len].to_vec());
                skip + len
            }
            Framing::Malformed { skip, .. } => {
                assert!(skip > 0);
                skip
            }
            Framing::NeedMore { skip } => {
                buffer.drain(..skip);
                return;
            }
        };
        buffer.drain(..skip);
    }
}

/// Feeds bytes to everything that reads bytes of a peer.
fn swallow(bytes: &[u8]) {
    let mut frames = Vec::new();
    drain(&mut bytes.to_vec(), &mut frames);
    frames.push(bytes.to_vec());
    let names = names();
    let mut index = FieldIndex::new();
    for frame in &frames {
        if let Ok(message) = parse(frame, &mut index) {
            for version in FixVersion::ALL {
                let _ = decode_order(&message, version, &names, None);
            }
            let _ = decode_desk(&message);
            let _ = (message.sending_time_ns(), message.missing_header_tag());
            assert!(message.fields().count() <= crate::limits::FIELDS_MAX);
        }
    }
}
