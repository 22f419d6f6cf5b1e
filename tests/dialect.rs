//! Everything that the program writes, in all FIX versions, against the dialect's own dictionary and against others.
//!
//! `GATEHOUSE_DICTIONARIES=directory` names a directory with the standard dictionaries in QuickFIX's form (FIX40.xml to FIX50SP2.xml, FIXT11.xml): then
//! every message is held against those too. `GATEHOUSE_MESSAGES=file` writes the messages there, for other engines.

use gatehouse::config::sample::Sample;
use gatehouse::domain::order::{DeskRequest, InstrumentRef, MassScope, ToDesk};
use gatehouse::domain::reject::REJECTS;
use gatehouse::domain::report::{
    ClientCancelReject, ClientExec, ClientOutput, ClientReport, DeskExec, MassCancelReport,
    ReportDetail,
};
use gatehouse::domain::{
    AccountIndex, Checks, DeskText, Directory, FixVersion, InstrumentIndex, OrderId, OrderStatus,
    OrderType, Price, Quantity, RejectReason, Side, Text, TimeInForce,
};
use gatehouse::session::action::Admin;
use gatehouse::session::{Reject, RejectReason as SessionRejectReason};
use gatehouse::sim::desk_message::{self, Request};
use gatehouse::sim::load_codec::{LoadRequest, RequestKind};
use gatehouse::sim::{desk_codec, load_codec};
use gatehouse::wire::fix::dictionary::Dictionary;
use gatehouse::wire::fix::{
    self, BusinessReject, BusinessRejectReason, FieldIndex, Header, Level, MsgType, NoRoom,
    Precision, TimeText, dialect, encode_business_reject, encode_output, encode_status_request,
    encode_to_desk, parse, tags,
};

const NOW_NS: u64 = 1_790_000_000_123_456_789;

/// One message and what it is.
struct Written {
    version: FixVersion,
    what: String,
    bytes: Vec<u8>,
}

struct Writing {
    version: FixVersion,
    time: TimeText,
    all: Vec<Written>,
}

impl Writing {
    fn add(
        &mut self,
        what: String,
        encode: impl FnOnce(
            &mut [u8],
            &Header<'_>,
            &mut TimeText,
        ) -> Result<std::ops::Range<usize>, NoRoom>,
    ) {
        let mut out = [0; 2048];
        let header = Header {
            version: self.version,
            msg_type: MsgType::default(),
            msg_seq_num: 7,
            sender_comp_id: b"GATE",
            target_comp_id: b"PEER",
            sending_time_ns: NOW_NS,
            poss_dup: false,
            poss_resend: false,
            orig_sending_time: b"",
            last_processed: None,
        };
        let range = encode(&mut out, &header, &mut self.time).unwrap();
        self.all.push(Written {
            version: self.version,
            what,
            bytes: out[range].to_vec(),
        });
    }
}

fn directory() -> Directory {
    let plan = Sample::new("/nowhere").plan();
    Directory::new(&plan.accounts, &plan.instruments)
}

fn after(exec: ClientExec) -> OrderStatus {
    match exec {
        ClientExec::PendingNew => OrderStatus::PendingNew,
        ClientExec::New | ClientExec::Replaced | ClientExec::Restated => OrderStatus::New,
        ClientExec::Cancelled => OrderStatus::Cancelled,
        ClientExec::Rejected => OrderStatus::Rejected,
        ClientExec::Expired => OrderStatus::Expired,
        ClientExec::DoneForDay => OrderStatus::DoneForDay,
        ClientExec::PendingCancel => OrderStatus::PendingCancel,
        ClientExec::PendingReplace => OrderStatus::PendingReplace,
        _ => OrderStatus::PartiallyFilled,
    }
}

const EXECS: [(ClientExec, DeskExec); 14] = {
    let (quantity, price) = (Quantity(4), Price(1_050_000_000));
    [
        (ClientExec::PendingNew, DeskExec::PendingNew),
        (ClientExec::New, DeskExec::New),
        (ClientExec::Trade, DeskExec::Trade { quantity, price }),
        (ClientExec::TradeCancel, DeskExec::TradeCancel),
        (
            ClientExec::TradeCorrect,
            DeskExec::TradeCorrect { quantity, price },
        ),
        (ClientExec::Cancelled, DeskExec::Cancelled),
        (ClientExec::Replaced, DeskExec::Replaced),
        (ClientExec::Rejected, DeskExec::Rejected),
        (ClientExec::Expired, DeskExec::Expired),
        (ClientExec::DoneForDay, DeskExec::DoneForDay),
        (ClientExec::Restated, DeskExec::Restated),
        (ClientExec::PendingCancel, DeskExec::PendingCancel),
        (ClientExec::PendingReplace, DeskExec::PendingReplace),
        (ClientExec::Status, DeskExec::Status),
    ]
};

const STATUSES: [OrderStatus; 10] = [
    OrderStatus::PendingNew,
    OrderStatus::New,
    OrderStatus::PartiallyFilled,
    OrderStatus::Filled,
    OrderStatus::DoneForDay,
    OrderStatus::Cancelled,
    OrderStatus::PendingCancel,
    OrderStatus::Rejected,
    OrderStatus::Expired,
    OrderStatus::PendingReplace,
];

fn client_report(exec: ClientExec, status: OrderStatus, reason: RejectReason) -> ClientReport {
    ClientReport {
        order_id: OrderId::new(3, 1, 99),
        exec_sequence: 12_345,
        exec_ref_sequence: 12_344,
        client_order_id: Text::cut(b"order-1"),
        orig_client_order_id: Text::cut(b"order-0"),
        exec,
        status,
        account: AccountIndex(0),
        instrument: InstrumentIndex(0),
        side: Side::Sell,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Day,
        price: Price(1_050_000_000),
        quantity: Quantity(1000),
        cumulated: Quantity(400),
        leaves: Quantity(600),
        average_price: Price(1_049_500_000),
        last_quantity: Quantity(100),
        last_price: Price(1_049_000_000),
        reason,
        detail: ReportDetail::None,
    }
}

const PLAIN: (Option<Level>, bool) = (None, false);

fn reports(w: &mut Writing, names: &Directory) {
    let mut all = Vec::new();
    for (exec, _) in EXECS {
        for status in STATUSES {
            all.push(client_report(exec, status, RejectReason::None));
        }
    }
    for row in REJECTS {
        let mut report = client_report(ClientExec::Rejected, OrderStatus::Rejected, row.reason);
        report.detail = ReportDetail::Unknown {
            account: Text::cut(b"NOBODY"),
            symbol: Text::EMPTY,
        };
        (report.account, report.instrument) = (AccountIndex(u32::MAX), InstrumentIndex(u32::MAX));
        (report.order_id, report.order_type) = (OrderId::NONE, OrderType::Market);
        all.push(report);
    }
    for (total, last) in [(None, true), (Some(0), true), (Some(3), false)] {
        let mut report = client_report(ClientExec::Status, OrderStatus::New, RejectReason::None);
        report.detail = ReportDetail::Answer {
            request_id: Text::cut(b"question"),
            total,
            last,
        };
        all.push(report);
    }
    for report in all {
        let what = format!("{:?} {:?} {:?}", report.exec, report.status, report.reason);
        let output = ClientOutput::Report(report);
        w.add(what, |out, header, time| {
            encode_output(out, header, time, names, &output, PLAIN)
        });
        if !matches!(report.detail, ReportDetail::Answer { .. }) {
            w.add("copy".to_owned(), |out, header, time| {
                encode_output(out, header, time, names, &output, (None, true))
            });
        }
    }
}

fn refusals(w: &mut Writing, names: &Directory) {
    let masses = fix::versions::MASS_REQUESTS.covers(w.version);
    for row in REJECTS {
        for to_replace in [false, true] {
            let reject = ClientCancelReject {
                order_id: OrderId::NONE,
                account: AccountIndex(0),
                client_order_id: Text::cut(b"c"),
                orig_client_order_id: Text::cut(b"o"),
                status: OrderStatus::PendingReplace,
                to_replace,
                reason: row.reason,
                text: DeskText::EMPTY,
            };
            w.add(
                format!("cancel reject {}", row.name),
                |out, header, time| {
                    encode_output(
                        out,
                        header,
                        time,
                        names,
                        &ClientOutput::CancelReject(reject),
                        PLAIN,
                    )
                },
            );
        }
        for scope in [
            MassScope::All,
            MassScope::Instrument(InstrumentRef::Unknown(Text::cut(b"ZZZ"))),
        ] {
            let report = MassCancelReport {
                client_order_id: Text::cut(b"m"),
                order_id: OrderId::new(1, 1, 1),
                scope,
                affected: 3,
                reason: row.reason,
            };
            if masses {
                w.add(format!("mass cancel {}", row.name), |out, header, time| {
                    let report = ClientOutput::MassCancel(report);
                    encode_output(out, header, time, names, &report, PLAIN)
                });
            }
        }
    }
    for reason in [
        BusinessRejectReason::Other,
        BusinessRejectReason::UnsupportedMessageType,
        BusinessRejectReason::ApplicationNotAvailable,
        BusinessRejectReason::ConditionallyRequiredFieldMissing,
        BusinessRejectReason::NotAuthorized,
    ] {
        let reject = BusinessReject {
            ref_seq_num: 4,
            ref_msg_type: MsgType::NEW_ORDER_SINGLE,
            ref_id: b"c",
            reason,
            text: "Field not supported",
            tag: 110,
        };
        w.add(format!("{reason:?}"), |out, header, time| {
            encode_business_reject(out, header, time, &reject)
        });
    }
}

fn to_desk(w: &mut Writing, names: &Directory) {
    let original = OrderId::new(1, 2, 3);
    for request in [
        DeskRequest::New,
        DeskRequest::Cancel { original },
        DeskRequest::Replace { original },
    ] {
        for order_type in [OrderType::Limit, OrderType::Market] {
            let order = ToDesk {
                id: OrderId::new(1, 2, 4),
                request,
                order_type,
                time_in_force: TimeInForce::FillOrKill,
                price: Price(1_050_000_000),
                quantity: Quantity(100),
                ..ToDesk::default()
            };
            w.add(format!("{request:?}"), |out, header, time| {
                encode_to_desk(out, header, time, names, &order)
            });
            w.add("status request".to_owned(), |out, header, time| {
                encode_status_request(out, header, time, names, &order)
            });
        }
    }
}

fn simulated(w: &mut Writing) {
    let prefix = Text::cut(b"R1-");
    for kind in [RequestKind::New, RequestKind::Cancel, RequestKind::Replace] {
        let request = LoadRequest {
            kind,
            number: 2,
            original: 1,
            account: b"A1",
            symbol: b"SYM1",
            side: Side::Buy,
            price: Price(5_0000_0000),
            quantity: Quantity(100),
        };
        w.add(format!("load {kind:?}"), |out, header, time| {
            load_codec::encode(out, header, time, &prefix, &request)
        });
    }
    let request = Request {
        client_order_id: Text::cut(b"000000003d"),
        original: Text::cut(b"000000003c"),
        account: Text::cut(b"A1"),
        symbol: Text::cut(b"SYM1"),
        price: Price(5_0000_0000),
        quantity: Quantity(100),
        request_id: Text::cut(b"q"),
        ..Request::default()
    };
    let mut messages = Vec::new();
    for (told, exec) in EXECS {
        let mut report = gatehouse::sim::desk_order::report_without_order(&request, exec, 9);
        report.status = after(told);
        if matches!(told, ClientExec::TradeCancel | ClientExec::TradeCorrect) {
            report.exec_ref_id = 8;
        }
        for code in [0, 5, 6, 11, 13, 99] {
            report.reject_reason = code;
            messages.push(desk_message::DeskMessage::Report(report));
        }
        report.part = Some((2, true));
        messages.push(desk_message::DeskMessage::Report(report));
    }
    for reason in [0, 1, 2, 3, 6, 99] {
        let reject = desk_message::CancelReject {
            order: 3,
            client_order_id: Text::cut(b"x"),
            original: Text::cut(b"c1"),
            status: OrderStatus::PendingReplace,
            to_replace: reason == 6,
            reason,
            text: Text::cut(b"no"),
        };
        messages.push(desk_message::DeskMessage::CancelReject(reject));
    }
    if fix::versions::MASS_REQUESTS.covers(w.version) {
        let report = desk_message::MassCancelReport {
            exec_id: 3,
            client_order_id: Text::cut(b"m"),
            symbol: Text::EMPTY,
            affected: 2,
        };
        messages.push(desk_message::DeskMessage::MassCancelReport(report));
    }
    for message in messages {
        w.add(format!("{message:?}"), |out, header, time| {
            desk_codec::encode(out, header, time, &prefix, &message)
        });
    }
}

fn admin(w: &mut Writing) {
    let has_reset = w.version >= FixVersion::Fix41;
    let reject = |tag, reason| {
        Admin::Reject(Reject {
            reference: 4,
            tag,
            reason,
            msg_type: MsgType::NEW_ORDER_SINGLE,
            routing: Default::default(),
        })
    };
    for message in [
        Admin::Logon {
            heartbeat_interval_s: 30,
            reset: has_reset,
            next_expected: None,
        },
        Admin::Heartbeat {
            test_request_id: None,
        },
        Admin::TestRequest,
        Admin::ResendRequest { begin: 1, end: 0 },
        Admin::SequenceReset { new_sequence: 9 },
        reject(Some(11), SessionRejectReason::RequiredTagMissing),
        reject(None, SessionRejectReason::SendingTimeAccuracy),
        reject(Some(78), SessionRejectReason::GroupCount),
        reject(Some(11), SessionRejectReason::Other),
    ] {
        w.add(format!("{message:?}"), |out, header, time| {
            gatehouse::session::admin(header, &message, time, out)
        });
    }
}

fn everything() -> Vec<Written> {
    let names = directory();
    let mut all = Vec::new();
    for version in FixVersion::ALL {
        let precision = match version {
            FixVersion::Fix40 | FixVersion::Fix41 => Precision::Seconds,
            _ => Precision::Millis,
        };
        let mut writing = Writing {
            version,
            time: TimeText::new(precision),
            all: Vec::new(),
        };
        reports(&mut writing, &names);
        refusals(&mut writing, &names);
        to_desk(&mut writing, &names);
        simulated(&mut writing);
        admin(&mut writing);
        all.append(&mut writing.all);
    }
    all
}

/// What is wrong with the messages, each kind of mistake once.
fn mistakes(of: impl Fn(FixVersion) -> Option<std::sync::Arc<Dictionary>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for version in FixVersion::ALL {
        let Some(dictionary) = of(version) else {
            continue;
        };
        for written in everything().iter().filter(|w| w.version == version) {
            let mut index = FieldIndex::new();
            let message = parse(&written.bytes, &mut index).unwrap();
            if let Err(fault) = dictionary.validate(&message, &Checks::ALL) {
                let text = String::from_utf8_lossy(&written.bytes).replace('\u{1}', "|");
                let what = &written.what;
                wrong.push(format!("{}: {fault:?}: {what}: {text}", version.name()));
            }
        }
    }
    wrong
}

#[test]
fn all_that_is_written_is_in_the_dialect() {
    let wrong = mistakes(|version| Some(dialect::dictionary(version)));
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    if let Some(path) = std::env::var_os("GATEHOUSE_MESSAGES") {
        let lines = everything().into_iter().map(|w| {
            let text = String::from_utf8(w.bytes).unwrap().replace('\u{1}', "|");
            format!("{} {text}\n", w.version.name())
        });
        std::fs::write(path, lines.collect::<String>()).unwrap();
    }
}

#[test]
fn all_that_is_written_is_in_the_standard_dictionaries() {
    let Some(directory) = std::env::var_os("GATEHOUSE_DICTIONARIES") else {
        return;
    };
    let directory = std::path::PathBuf::from(directory);
    let model = |name: &str| {
        let text = std::fs::read_to_string(directory.join(name)).unwrap();
        Dictionary::from_quickfix_xml(&text).unwrap()
    };
    let wrong = mistakes(|version| {
        let name = version.name().replace("FIX.", "").replace('.', "");
        let application = model(&format!("FIX{name}.xml"));
        let compiled = match version.is_fixt() {
            true => Dictionary::compile(&model("FIXT11.xml"), Some(&application)),
            false => Dictionary::compile(&application, None),
        };
        Some(std::sync::Arc::new(compiled.unwrap()))
    });
    // Counterparties expect 1137 in a BusinessMessageReject, though the dictionaries do not have it there.
    let wrong: Vec<_> = wrong
        .into_iter()
        .filter(|line| !(line.contains("|35=j|") && line.contains("Some(1137)")))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_message_that_is_not_of_the_dialect_is_refused() {
    for version in FixVersion::ALL {
        let dictionary = dialect::dictionary(version);
        let mut writing = Writing {
            version,
            time: TimeText::new(Precision::Millis),
            all: Vec::new(),
        };
        type Fields<'a> = &'a [(u32, &'a [u8])];
        let fields: [(MsgType, Fields<'_>, Option<i32>); 4] = [
            // A type of the standard that is not taken goes through, to be answered by the application.
            (MsgType::from_bytes(b"R"), &[(131, b"q")], None),
            (MsgType::from_bytes(b"Z9"), &[], Some(0)),
            (MsgType::HEARTBEAT, &[(tags::PRICE, b"1")], Some(44)),
            (MsgType::HEARTBEAT, &[(4999, b"1")], Some(4999)),
        ];
        for (msg_type, fields, _) in fields {
            writing.add(String::new(), |out, header, time| {
                let header = Header {
                    msg_type,
                    ..*header
                };
                let mut w = fix::Writer::begin(out, &header, time);
                for (tag, value) in fields {
                    w.bytes(*tag, value);
                }
                w.finish()
            });
        }
        for (written, (_, _, wrong)) in writing.all.iter().zip(fields) {
            let mut index = FieldIndex::new();
            let message = parse(&written.bytes, &mut index).unwrap();
            let found = dictionary.validate(&message, &Checks::ALL).err();
            assert_eq!(
                found.map(|fault| fault.tag.unwrap_or(0)),
                wrong,
                "{version:?}"
            );
        }
    }
}

#[test]
fn exports_are_read_again_and_say_the_same() {
    for version in FixVersion::ALL {
        let (transport, application) = dialect::own().models(version);
        for model in [Some(transport), application].into_iter().flatten() {
            let text = dialect::quickfix::write(&model);
            let read = Dictionary::from_quickfix_xml(&text).unwrap();
            assert_eq!(read.begin_string, model.begin_string);
            assert_eq!(read.service_pack, model.service_pack);
            assert_eq!((read.header, read.trailer), (model.header, model.trailer));
            assert_eq!(
                (read.messages, read.components),
                (model.messages, model.components)
            );
            let fields = |fields: &[gatehouse::wire::fix::dictionary::model::FieldModel]| {
                let fields = fields.iter().map(|field| {
                    let values: Vec<_> = field.values.iter().map(|v| v.value.clone()).collect();
                    (field.tag, field.name.clone(), field.kind, values)
                });
                fields.collect::<Vec<_>>()
            };
            assert_eq!(fields(&read.fields), fields(&model.fields));
        }
    }
}

#[test]
fn an_orchestra_repository_holds_together() {
    for version in FixVersion::ALL {
        let text = dialect::orchestra::write(dialect::own(), version);
        let document = roxmltree::Document::parse(&text).unwrap();
        let ids = |name: &str| {
            let nodes = document
                .descendants()
                .filter(|node| node.has_tag_name((SPACE, name)));
            nodes
                .map(|node| node.attribute("id").unwrap())
                .collect::<Vec<_>>()
        };
        for kind in ["field", "component", "group"] {
            let defined = ids(kind);
            let unique: std::collections::HashSet<_> = defined.iter().collect();
            assert_eq!(unique.len(), defined.len(), "{version:?} {kind}");
            for used in ids(&format!("{kind}Ref")) {
                assert!(defined.contains(&used), "{version:?} {kind} {used}");
            }
        }
        let names = |name: &str| {
            let nodes = document
                .descendants()
                .filter(|node| node.has_tag_name((SPACE, name)));
            nodes
                .map(|node| node.attribute("name").unwrap())
                .collect::<Vec<_>>()
        };
        let types = [names("datatype"), names("codeSet")].concat();
        for node in document
            .descendants()
            .filter(|node| node.has_tag_name((SPACE, "field")))
        {
            assert!(types.contains(&node.attribute("type").unwrap()));
        }
        let messages = names("message");
        assert!(messages.contains(&"NewOrderSingle") && messages.contains(&"Logon"));
    }
}

const SPACE: &str = "http://fixprotocol.io/2020/orchestra/repository";
