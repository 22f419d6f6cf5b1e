//! Simulated desk and load client against each other over real sockets, turned by hand on one thread: the two ledgers must agree,
//! and planted faults must show.

use std::collections::BTreeMap;

use gatehouse::domain::{FixVersion, Price, Quantity, Text};
use gatehouse::sim::behaviour::Behaviours;
use gatehouse::sim::desk::{DeskConfig, PlantedFaults};
use gatehouse::sim::desk_command::DeskCommand;
use gatehouse::sim::desk_ledger::FillState;
use gatehouse::sim::desk_message::RequestKind;
use gatehouse::sim::desk_server::{
    CONNECTIONS_PER_LINK, DeskLinkConfig, DeskServer, DeskServerConfig,
};
use gatehouse::sim::ledger_file::{self, ClientFile, DeskFile};
use gatehouse::sim::line_events::LineChange;
use gatehouse::sim::load::{LoadClient, LoadConfig, Mix};
use gatehouse::sim::load_ledger::Fate;
use gatehouse::sys::clock::Clock;
use gatehouse::sys::sockets::{AnySockets, Choice, open};

struct Pair {
    desk: DeskServer<AnySockets>,
    client: LoadClient<AnySockets>,
    clock: Clock,
}

fn pair(version: FixVersion, behaviour: &str, faults: PlantedFaults, requests: u64) -> Pair {
    pair_that(false, version, behaviour, faults, requests)
}

fn pair_that(
    reconnect: bool,
    version: FixVersion,
    behaviour: &str,
    faults: PlantedFaults,
    requests: u64,
) -> Pair {
    let sockets = |connections| open(Choice::Poll, connections).unwrap().0;
    let desk = DeskServer::new(
        vec![sockets(CONNECTIONS_PER_LINK)],
        DeskServerConfig {
            links: vec![DeskLinkConfig {
                address: "127.0.0.1:0".parse().unwrap(),
                sender: "DESK1".into(),
                target: "CLIENT1".into(),
            }],
            version,
            prefix: Text::cut(b"T"),
            book: DeskConfig {
                links: 0,
                behaviours: Behaviours::parse(&[format!("default={behaviour}")]).unwrap(),
                seed: 1,
                faults,
            },
        },
    )
    .unwrap();
    let config = LoadConfig {
        address: desk.local_addresses()[0],
        sessions: 1,
        sender_prefix: "CLIENT".into(),
        target: "DESK1".into(),
        version,
        account_prefix: "A".into(),
        symbol_prefix: "SYM".into(),
        symbols: 3,
        rate: 20_000,
        requests,
        warmup_ns: 0,
        mix: Mix {
            new: 70,
            cancel: 15,
            replace: 15,
        },
        price: Price::parse(b"10").unwrap(),
        tick: Price::parse(b"0.01").unwrap(),
        quantity: Quantity(100),
        sell_percent: 50,
        seed: 7,
        prefix: Text::cut(b"T1-"),
        reconnect,
        open_max: u64::MAX,
        drain_ns: 10_000_000_000,
    };
    Pair {
        desk,
        client: LoadClient::new(sockets(1), config),
        clock: Clock::new(),
    }
}

impl Pair {
    fn run(&mut self) {
        while !self.client.is_done() {
            self.desk.duty_cycle(self.clock.now());
            self.client.turn(&mut || self.clock.now());
        }
    }

    /// Quantity filled by order, at the desk and at the client. Both count under the order's first request.
    fn fills(&self) -> (BTreeMap<u32, u64>, BTreeMap<u32, u64>) {
        let records = self.client.ledger().records();
        let mut desk = BTreeMap::new();
        for fill in self.desk.ledger().fills() {
            if fill.state == FillState::Good {
                let id = fill.client_order_id.to_string_lossy();
                let number: u32 = id.strip_prefix("T1-").unwrap().parse().unwrap();
                *desk.entry(records[number as usize].root).or_insert(0) += fill.quantity.0;
            }
        }
        let client = records.iter().enumerate();
        let client = client
            .filter(|(_, record)| record.filled > 0)
            .map(|(number, record)| (number as u32, record.filled));
        (desk, client.collect())
    }
}

#[test]
fn ledgers_agree_in_all_versions() {
    for version in FixVersion::ALL {
        for behaviour in ["accept", "pending+partial:3:1ms", "accept@8/reject/fill"] {
            let mut pair = pair(version, behaviour, PlantedFaults::default(), 1_500);
            pair.run();
            let result = pair.client.result();
            let (totals, desk) = (&result.totals, pair.desk.ledger().totals());
            let name = format!("{version:?} {behaviour}: {result}");
            assert_eq!(totals.orders.sent + totals.changes.sent, 1_500, "{name}");
            assert_eq!(
                (totals.orders.unresolved, totals.changes.unresolved),
                (0, 0),
                "{name}"
            );
            assert_eq!(
                (totals.duplicate_acks, totals.duplicate_reports),
                (0, 0),
                "{name}"
            );
            assert_eq!(
                (desk.orders, desk.changes),
                (totals.orders.sent, totals.changes.sent)
            );
            assert_eq!(
                desk.orders_duplicated + desk.changes_duplicated,
                0,
                "{name}"
            );
            assert_eq!(totals.foreign_reports, 0, "{name}");
            let (at_desk, at_client) = pair.fills();
            assert!(!at_desk.is_empty(), "{name}");
            assert_eq!(at_desk, at_client, "{name}");
            assert_eq!(
                result.latency_ns.count, totals.orders.acknowledged,
                "{name}"
            );
            let has_rejects = behaviour.contains("reject");
            assert_eq!(totals.orders.rejected > 0, has_rejects, "{name}");
            assert_eq!(
                totals.orders.pending > 0,
                behaviour.contains("pending"),
                "{name}"
            );
        }
    }
}

#[test]
fn duplicate_reports_are_seen_and_counted_once() {
    let faults = PlantedFaults::default();
    let mut pair = pair(FixVersion::Fix44, "duplicate+fill", faults, 200);
    pair.run();
    let result = pair.client.result();
    assert_eq!(result.totals.duplicate_acks, 0);
    let orders = result.totals.orders.sent;
    assert_eq!(result.totals.duplicate_reports, 2 * orders, "{result}");
    assert!(!result.is_good());
    let (at_desk, at_client) = pair.fills();
    assert_eq!(at_desk, at_client);
}

/// What a dead connection had in its sockets is asked for again, in both directions, and nothing comes twice.
#[test]
fn who_comes_back_goes_on() {
    let drop_link = "disconnect 1".parse::<DeskCommand>().unwrap();
    for version in [FixVersion::Fix42, FixVersion::Fix44, FixVersion::Fix50Sp2] {
        let mut pair = pair_that(true, version, "accept", PlantedFaults::default(), 6_000);
        let (mut dropped, mut up) = (0, 0);
        let mut changes = Vec::new();
        while !pair.client.is_done() {
            pair.desk.duty_cycle(pair.clock.now());
            pair.client.turn(&mut || pair.clock.now());
            for event in pair.client.take_events() {
                up += u64::from(event.what == LineChange::Up);
                changes.push(event.what);
            }
            let sent = pair.client.ledger().records().len();
            if sent > 100 * (dropped + 1) && up == dropped as u64 + 1 && dropped < 4 {
                dropped += 1;
                pair.desk.command(pair.clock.now(), &drop_link).unwrap();
            }
        }
        let result = pair.client.result();
        let silent = pair.client.ledger().records().iter().enumerate();
        let silent: Vec<_> = silent
            .filter(|(_, record)| record.fate == Fate::Unresolved)
            .map(|(n, _)| {
                let id = Text::cut(format!("T1-{n:08}").as_bytes());
                (n, pair.desk.ledger().received(&id).is_some())
            })
            .collect();
        let name = format!("{version:?}: {result}; unanswered, and at the desk: {silent:?}");
        let (totals, desk) = (&result.totals, pair.desk.ledger().totals());
        assert_eq!((dropped, up, result.sessions_lost), (4, 5, 4), "{name}");
        assert!(!changes.contains(&LineChange::Reset), "{changes:?}");
        assert_eq!(
            totals.orders.unresolved + totals.changes.unresolved,
            0,
            "{name}"
        );
        assert_eq!(
            totals.duplicate_acks + totals.duplicate_reports,
            0,
            "{name}"
        );
        let came = (desk.orders, desk.changes);
        assert_eq!(came, (totals.orders.sent, totals.changes.sent), "{name}");
        assert_eq!(
            desk.orders_duplicated + desk.changes_duplicated,
            0,
            "{name}"
        );
        let (at_desk, at_client) = pair.fills();
        assert!(!at_desk.is_empty(), "{name}");
        assert_eq!(at_desk, at_client, "{name}");
    }
}

/// What the two write of one run without a gateway between them: the ids are the client's own, so that no order meets its own.
#[test]
fn ledgers_are_written_and_read() {
    let mut pair = pair(FixVersion::Fix44, "accept", PlantedFaults::default(), 300);
    pair.run();
    let (mut client, mut desk) = (Vec::new(), Vec::new());
    pair.client.write_ledger(&mut client).unwrap();
    pair.desk.write_ledger(&mut desk).unwrap();
    let client: ClientFile = ledger_file::read(client.as_slice()).unwrap();
    let desk: DeskFile = ledger_file::read(desk.as_slice()).unwrap();
    let totals = pair.client.ledger().totals();
    assert_eq!(client.orders.len() as u64, totals.orders.sent);
    assert_eq!(client.changes.len() as u64, totals.changes.sent);
    assert_eq!(client.lines.logons, 1);
    assert_eq!(desk.orders.len(), client.orders.len());
    assert_eq!(
        desk.requests.len(),
        client.orders.len() + client.changes.len()
    );
    for (order, truth) in client.orders.iter().zip(&desk.orders) {
        assert_eq!(truth.id, format!("T1-{:08}", order.number));
        let believed = (order.fills, order.filled, order.value, order.cumulated);
        let filled = (truth.fills, truth.cumulated, truth.value, truth.cumulated);
        assert_eq!(believed, filled, "{}", truth.id);
    }
    assert!(desk.orders.iter().any(|order| order.fills > 0));
}

#[test]
fn planted_faults_show() {
    let faults = PlantedFaults {
        drop_order: Some(10),
        double_order: Some(20),
    };
    let mut pair = pair(FixVersion::Fix44, "fill", faults, 200);
    pair.run();
    let result = pair.client.result();
    assert_eq!(result.totals.orders.unresolved, 1, "{result}");
    assert!(!result.is_good());
    let desk = pair.desk.ledger();
    assert_eq!(desk.totals().orders, result.totals.orders.sent - 1);
    assert_eq!(desk.totals().orders_duplicated, 1);
    let records = pair.client.ledger().records();
    let lost: Vec<_> = (0..records.len())
        .filter(|n| {
            desk.received(&Text::cut(format!("T1-{n:08}").as_bytes()))
                .is_none()
        })
        .collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(records[lost[0]].fate, Fate::Unresolved);
    let doubled = desk.requests().find(|(_, r)| r.count == 2).unwrap();
    assert_eq!(doubled.1.kind, RequestKind::New);
}
