//! The simulated desk's behaviours, each as a dialogue: what is asked on which link, and what comes out on which.
//!
//! No socket and no clock: messages go in and come out as values.

use crate::domain::report::DeskExec;
use crate::domain::{ClientOrderId, Now, OrderStatus, OrderType, Price, Quantity, Side, Text};
use crate::sim::behaviour::Behaviours;
use crate::sim::desk::{DeskBook, DeskConfig, PlantedFaults};
use crate::sim::desk_message::{DeskMessage, DeskOutput, Request, RequestKind};

const PX: i64 = 10_0000_0000;

struct Dialogue {
    book: DeskBook,
    now: Now,
    out: Vec<DeskOutput>,
}

impl Dialogue {
    fn new(behaviour: &str) -> Self {
        Self::with_faults(behaviour, PlantedFaults::default())
    }

    fn with_faults(behaviour: &str, faults: PlantedFaults) -> Self {
        let texts = [format!("default={behaviour}")];
        let mut book = DeskBook::new(DeskConfig {
            links: 2,
            behaviours: Behaviours::parse(&texts).unwrap(),
            seed: 1,
            faults,
        });
        let mut out = Vec::new();
        book.on_link(0, true, &mut out);
        book.on_link(1, true, &mut out);
        Self {
            book,
            now: Now::default(),
            out,
        }
    }

    fn ask(&mut self, link: usize, request: Request) -> Vec<String> {
        self.book
            .on_request(self.now, link, &request, &mut self.out);
        self.wait_ms(0)
    }

    fn wait_ms(&mut self, ms: u64) -> Vec<String> {
        self.now.mono_ns += ms * 1_000_000;
        self.book.on_timers(self.now, 1000, &mut self.out);
        self.out.drain(..).map(show).collect()
    }

    fn command(&mut self, line: &str) -> Vec<String> {
        let command = line.parse().unwrap_or_else(|e| panic!("{e}"));
        self.book
            .command(&command, &mut self.out)
            .unwrap_or_else(|e| panic!("{line}: {e}"));
        self.wait_ms(0)
    }
}

fn id(text: &str) -> ClientOrderId {
    Text::cut(text.as_bytes())
}

fn order(name: &str, side: Side, quantity: u64) -> Request {
    Request {
        kind: RequestKind::New,
        client_order_id: id(name),
        symbol: Text::cut(b"SYM"),
        account: Text::cut(b"A1"),
        side: Some(side),
        order_type: OrderType::Limit,
        price: Price(PX),
        quantity: Quantity(quantity),
        ..Request::default()
    }
}

fn buy(name: &str, quantity: u64) -> Request {
    order(name, Side::Buy, quantity)
}

fn change(kind: RequestKind, name: &str, original: &str, quantity: u64) -> Request {
    Request {
        kind,
        original: id(original),
        ..buy(name, quantity)
    }
}

fn cancel(name: &str, original: &str) -> Request {
    change(RequestKind::Cancel, name, original, 0)
}

fn status_of(name: &str) -> Request {
    change(RequestKind::Status, name, "", 0)
}

/// `link> kind 11(41) 39=status cumulated/leaves`, with the ExecID of trades.
fn show(output: DeskOutput) -> String {
    let (link, message) = match output {
        DeskOutput::Disconnect { link } => return format!("{link}> drop"),
        DeskOutput::Send { link, message } => (link, message),
    };
    let of = |id: ClientOrderId, original: ClientOrderId| match original.is_empty() {
        true => format!("{id}"),
        false => format!("{id}({original})"),
    };
    match message {
        DeskMessage::Report(r) => {
            let kind = match r.exec {
                DeskExec::Trade { quantity, price } => {
                    format!("trade#{} {}@{price}", r.exec_id, quantity.0)
                }
                DeskExec::TradeCorrect { quantity, price } => {
                    format!("correct#{} {}@{price}", r.exec_ref_id, quantity.0)
                }
                DeskExec::TradeCancel => format!("bust#{}", r.exec_ref_id),
                other => format!("{other:?}").to_lowercase(),
            };
            let status = r.status as u8 as char;
            let what = of(r.client_order_id, r.original);
            let (cumulated, leaves) = (r.cumulated.0, r.leaves.0);
            format!("{link}> {kind} {what} 39={status} {cumulated}/{leaves}")
        }
        DeskMessage::CancelReject(r) => {
            let what = of(r.client_order_id, r.original);
            format!(
                "{link}> refused {what} 102={} 434={}",
                r.reason,
                1 + u8::from(r.to_replace)
            )
        }
        DeskMessage::MassCancelReport(r) => {
            format!("{link}> mass {} {}", r.client_order_id, r.affected)
        }
    }
}

#[test]
fn clients_trade_with_each_other_at_the_resting_price() {
    let mut d = Dialogue::new("accept");
    assert_eq!(d.ask(0, buy("b", 10)), ["0> new b 39=0 0/10"]);
    let sell = Request {
        price: Price(PX - 1_0000_0000),
        ..order("s", Side::Sell, 15)
    };
    let want = [
        "1> new s 39=0 0/15",
        "1> trade#3 10@10 s 39=1 10/5",
        "0> trade#4 10@10 b 39=2 10/0",
    ];
    assert_eq!(d.ask(1, sell), want);
    let totals = d.book.ledger().totals();
    assert_eq!(
        (totals.fills, totals.filled_quantity, totals.orders),
        (2, 20, 2)
    );
}

#[test]
fn market_ioc_and_fok_leave_nothing_behind() {
    let mut d = Dialogue::new("accept");
    d.ask(0, buy("b", 10));
    let market = Request {
        order_type: OrderType::Market,
        ..order("m", Side::Sell, 12)
    };
    let want = [
        "0> new m 39=0 0/12",
        "0> trade#3 10@10 m 39=1 10/2",
        "0> trade#4 10@10 b 39=2 10/0",
        "0> cancelled m 39=4 10/0",
    ];
    assert_eq!(d.ask(0, market), want);
    assert_eq!(d.book.open_orders(), 0);
}

#[test]
fn cancel_and_replace_chain_and_their_refusals() {
    let mut d = Dialogue::new("accept");
    d.ask(0, buy("a", 10));
    let replace = change(RequestKind::Replace, "r", "a", 20);
    assert_eq!(d.ask(1, replace), ["1> replaced r(a) 39=0 0/20"]);
    assert_eq!(
        d.ask(0, cancel("c1", "a")),
        ["0> refused c1(a) 102=1 434=1"]
    );
    let again = change(RequestKind::Replace, "r", "r", 30);
    assert_eq!(d.ask(0, again), ["0> refused r(r) 102=6 434=2"]);
    let trade = [
        "0> new s 39=0 0/5",
        "0> trade#4 5@10 s 39=2 5/0",
        "1> trade#5 5@10 r 39=1 5/15",
    ];
    assert_eq!(d.ask(0, order("s", Side::Sell, 5)), trade);
    let too_small = change(RequestKind::Replace, "r2", "r", 4);
    assert_eq!(d.ask(1, too_small), ["1> refused r2(r) 102=2 434=2"]);
    let just_filled = change(RequestKind::Replace, "r3", "r", 5);
    assert_eq!(d.ask(1, just_filled), ["1> replaced r3(r) 39=2 5/0"]);
    assert_eq!(
        d.ask(1, cancel("c2", "r3")),
        ["1> refused c2(r3) 102=0 434=1"]
    );
    assert_eq!(d.book.engine.resting_count(), 0);
    assert_eq!(d.ask(0, status_of("a")), ["0> status a 39=2 5/0"]);
    assert_eq!(d.ask(0, status_of("none")), ["0> status none 39=8 0/0"]);
}

#[test]
fn a_replace_that_crosses_trades_after_its_confirmation() {
    let mut d = Dialogue::new("accept");
    let low = Request {
        price: Price(PX - 1_0000_0000),
        ..buy("b", 5)
    };
    d.ask(0, low);
    d.ask(0, order("s", Side::Sell, 5));
    let want = [
        "0> replaced r(b) 39=0 0/5",
        "0> trade#4 5@10 r 39=2 5/0",
        "0> trade#5 5@10 s 39=2 5/0",
    ];
    assert_eq!(d.ask(0, change(RequestKind::Replace, "r", "b", 5)), want);
}

#[test]
fn scripts_answer_as_they_say() {
    let cases: [(&str, &[&str]); 6] = [
        (
            "fill",
            &["0> new a 39=0 0/10", "0> trade#2 10@10 a 39=2 10/0"],
        ),
        ("pending+reject", &["0> rejected a 39=8 0/0"]),
        (
            "pending+accept",
            &["0> pendingnew a 39=A 0/10", "0> new a 39=0 0/10"],
        ),
        ("duplicate", &["0> new a 39=0 0/10", "0> new a 39=0 0/10"]),
        ("silence", &[]),
        ("unknown", &[]),
    ];
    for (behaviour, want) in cases {
        let mut d = Dialogue::new(behaviour);
        assert_eq!(d.ask(0, buy("a", 10)), want, "{behaviour}");
        assert_eq!(d.book.ledger().totals().orders, 1, "{behaviour}");
    }
}

#[test]
fn partial_fills_come_one_by_one_and_add_up() {
    let mut d = Dialogue::new("partial:3:10ms");
    assert_eq!(d.ask(0, buy("a", 10)), ["0> new a 39=0 0/10"]);
    assert_eq!(d.wait_ms(9), [""; 0]);
    assert_eq!(d.wait_ms(1), ["0> trade#2 3@10 a 39=1 3/7"]);
    assert_eq!(d.wait_ms(10), ["0> trade#3 3@10 a 39=1 6/4"]);
    assert_eq!(d.wait_ms(10), ["0> trade#4 4@10 a 39=2 10/0"]);
    assert_eq!(d.book.next_due_ns(), None);
}

#[test]
fn a_cancel_stops_the_pieces() {
    let mut d = Dialogue::new("partial:3:10ms");
    d.ask(0, buy("a", 10));
    d.wait_ms(10);
    assert_eq!(d.ask(0, cancel("c", "a")), ["0> cancelled c(a) 39=4 3/0"]);
    assert_eq!(d.wait_ms(1000), [""; 0]);
}

#[test]
fn silence_and_unknown_differ_when_asked() {
    let mut silent = Dialogue::new("silence");
    silent.ask(0, buy("a", 10));
    assert_eq!(silent.ask(0, status_of("a")), [""; 0]);
    assert_eq!(silent.ask(0, cancel("c", "a")), [""; 0]);
    let mut unknown = Dialogue::new("unknown");
    unknown.ask(0, buy("a", 10));
    assert_eq!(unknown.ask(0, status_of("a")), ["0> status a 39=8 0/0"]);
    assert_eq!(
        unknown.ask(0, cancel("c", "a")),
        ["0> refused c(a) 102=1 434=1"]
    );
}

#[test]
fn delays_keep_the_order_of_requests() {
    let mut d = Dialogue::new("delay:1ms..20ms");
    for n in 0..20 {
        assert_eq!(d.ask(0, buy(&format!("o{n}"), 1)), [""; 0]);
    }
    d.ask(0, cancel("c", "o19"));
    let all = d.wait_ms(100);
    let want: Vec<_> = (0..20)
        .map(|n| format!("0> new o{n} 39=0 0/1"))
        .chain(["0> cancelled c(o19) 39=4 0/0".to_owned()])
        .collect();
    assert_eq!(all, want);
}

#[test]
fn late_fill_follows_the_cancel() {
    let mut d = Dialogue::new("late-fill:5ms");
    d.ask(0, buy("a", 10));
    assert_eq!(d.ask(0, cancel("c", "a")), ["0> cancelled c(a) 39=4 0/0"]);
    assert_eq!(d.wait_ms(5), ["0> trade#3 10@10 a 39=2 10/0"]);
}

#[test]
fn the_desk_ends_and_changes_orders_by_itself() {
    let cases = [
        ("cancel:5ms", "0> cancelled a 39=4 0/0"),
        ("expire:5ms", "0> expired a 39=C 0/0"),
        ("done:5ms", "0> donefor"),
        ("restate:5ms", "0> restated a 39=0 0/5"),
    ];
    for (behaviour, want) in cases {
        let mut d = Dialogue::new(behaviour);
        d.ask(0, buy("a", 10));
        let got = d.wait_ms(5);
        assert_eq!(got.len(), 1, "{behaviour}");
        assert!(got[0].starts_with(want), "{behaviour}: {got:?}");
        let resting = d.book.engine.resting_count();
        assert_eq!(
            resting,
            usize::from(behaviour.starts_with("restate")),
            "{behaviour}"
        );
    }
}

#[test]
fn trades_are_cancelled_and_corrected() {
    let mut bust = Dialogue::new("bust:1ms");
    bust.ask(0, buy("a", 10));
    assert_eq!(bust.wait_ms(1), ["0> bust#2 a 39=0 0/10"]);
    assert_eq!(bust.book.ledger().totals().fills, 0);
    let mut correct = Dialogue::new("correct:1ms");
    correct.ask(0, buy("a", 10));
    assert_eq!(correct.wait_ms(1), ["0> correct#2 10@9.9 a 39=2 10/0"]);
    assert_eq!(correct.book.ledger().fills()[0].price, Price(9_9000_0000));
}

#[test]
fn a_dropped_link_answers_on_the_other_and_holds_where_none_is_up() {
    let mut d = Dialogue::new("disconnect");
    assert_eq!(d.ask(0, buy("a", 10)), ["0> drop", "1> new a 39=0 0/10"]);
    assert_eq!(d.ask(1, buy("b", 10)), ["1> drop"]);
    assert_eq!(d.book.held(), (1, 0));
    d.book.on_link(0, true, &mut d.out);
    assert_eq!(d.wait_ms(0), ["0> new b 39=0 0/10"]);
    assert_eq!(d.command("disconnect 1"), ["0> drop"]);
}

#[test]
fn a_duplicate_is_refused_and_seen_in_the_ledger() {
    let mut d = Dialogue::new("accept");
    d.ask(0, buy("a", 10));
    assert_eq!(d.ask(1, buy("a", 10)), ["1> rejected a 39=8 0/0"]);
    let possible = Request {
        possible_resend: true,
        ..buy("a", 10)
    };
    assert_eq!(d.ask(1, possible), ["1> status a 39=0 0/10"]);
    assert_eq!(d.book.ledger().received(&id("a")).map(|r| r.count), Some(3));
    assert_eq!(d.book.ledger().totals().orders_duplicated, 1);
}

#[test]
fn planted_faults_show_in_the_ledger_only_where_they_should() {
    let faults = PlantedFaults {
        drop_order: Some(1),
        double_order: Some(2),
    };
    let mut d = Dialogue::with_faults("accept", faults);
    assert_eq!(d.ask(0, buy("a", 10)), [""; 0]);
    assert_eq!(d.ask(0, buy("b", 10)), ["0> new b 39=0 0/10"]);
    assert_eq!(d.book.ledger().received(&id("a")), None);
    assert_eq!(d.book.ledger().received(&id("b")).map(|r| r.count), Some(2));
    assert_eq!(d.ask(0, cancel("c", "a")), ["0> refused c(a) 102=1 434=1"]);
}

#[test]
fn mass_requests_reach_every_open_order_in_parts() {
    let mut d = Dialogue::new("accept");
    for n in 0..600 {
        d.ask(0, buy(&format!("o{n}"), 1));
    }
    let all = d.ask(1, change(RequestKind::MassStatus, "", "", 0));
    assert_eq!(all.len(), 600);
    assert!(all.iter().all(|line| line.starts_with("1> status")));
    let sells = Request {
        side: Some(Side::Sell),
        ..change(RequestKind::MassStatus, "", "", 0)
    };
    assert_eq!(d.ask(1, sells).len(), 1);
    let both = Request {
        side: None,
        ..change(RequestKind::MassCancel, "m", "", 0)
    };
    let all = d.ask(1, both);
    assert_eq!((all[0].as_str(), all.len()), ("1> mass m 600", 601));
    assert_eq!(
        (d.book.open_orders(), d.book.engine.resting_count()),
        (0, 0)
    );
}

#[test]
fn commands_do_what_scripts_do() {
    let mut d = Dialogue::new("accept");
    d.ask(0, buy("a", 10));
    assert_eq!(d.command("fill a 4"), ["0> trade#2 4@10 a 39=1 4/6"]);
    assert_eq!(d.command("restate a 3"), ["0> restated a 39=1 4/3"]);
    assert_eq!(d.command("correct 2 2 9"), ["0> correct#2 2@9 a 39=1 2/5"]);
    assert_eq!(d.command("bust 2"), ["0> bust#2 a 39=0 0/7"]);
    assert_eq!(d.command("expire a"), ["0> expired a 39=C 0/0"]);
    assert_eq!(d.command("behaviour SYM reject"), [""; 0]);
    assert_eq!(d.ask(0, buy("b", 10)), ["0> rejected b 39=8 0/0"]);
    let refused = d.book.command(&"bust 2".parse().unwrap(), &mut d.out);
    assert!(refused.is_err());
    for line in [
        "",
        "fill",
        "bust x",
        "disconnect 0",
        "behaviour SYM never",
        "cancel",
    ] {
        assert!(
            line.parse::<super::desk_command::DeskCommand>().is_err(),
            "{line}"
        );
    }
}

#[test]
fn one_seed_gives_one_history() {
    let run = |seed| {
        let texts =
            ["default=accept@3/fill/reject/partial:3:1ms..5ms/delay:1ms..9ms+fill".to_owned()];
        let mut book = DeskBook::new(DeskConfig {
            links: 1,
            behaviours: Behaviours::parse(&texts).unwrap(),
            seed,
            faults: PlantedFaults::default(),
        });
        let (mut out, mut now) = (Vec::new(), Now::default());
        book.on_link(0, true, &mut out);
        for n in 0..500 {
            let side = if n % 3 == 0 { Side::Sell } else { Side::Buy };
            book.on_request(now, 0, &order(&format!("o{n}"), side, 7), &mut out);
            now.mono_ns += 300_000;
            book.on_timers(now, 100, &mut out);
        }
        out.into_iter().map(show).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn quantities_always_add_up() {
    let texts = [
        "default=accept@6/partial:4:1ms/late-fill:1ms/restate:2ms/cancel:3ms/bust:1ms/correct:1ms"
            .to_owned(),
    ];
    let mut book = DeskBook::new(DeskConfig {
        links: 1,
        behaviours: Behaviours::parse(&texts).unwrap(),
        seed: 9,
        faults: PlantedFaults::default(),
    });
    let (mut out, mut now) = (Vec::new(), Now::default());
    book.on_link(0, true, &mut out);
    for n in 0..2000u64 {
        let side = if n % 2 == 0 { Side::Sell } else { Side::Buy };
        book.on_request(now, 0, &order(&format!("o{n}"), side, 1 + n % 9), &mut out);
        if n % 5 == 4 {
            let original = format!("o{}", n - 2);
            book.on_request(now, 0, &cancel(&format!("c{n}"), &original), &mut out);
        }
        now.mono_ns += 500_000;
        book.on_timers(now, 100, &mut out);
    }
    for output in out {
        let DeskOutput::Send {
            message: DeskMessage::Report(r),
            ..
        } = output
        else {
            continue;
        };
        if r.exec == DeskExec::Rejected {
            continue;
        }
        assert!(r.cumulated.0 + r.leaves.0 <= r.quantity.0, "{r:?}");
        if !r.status.is_final() && r.status != OrderStatus::PendingNew {
            assert_eq!(r.cumulated.0 + r.leaves.0, r.quantity.0, "{r:?}");
        }
        assert_eq!(
            r.status == OrderStatus::Filled,
            r.cumulated == r.quantity,
            "{r:?}"
        );
    }
    for order in &book.orders {
        let fills = book.ledger().fills().iter();
        let fills = fills.filter(|f| {
            f.order == order.number && f.state != super::desk_ledger::FillState::Cancelled
        });
        assert_eq!(fills.map(|f| f.quantity.0).sum::<u64>(), order.cumulated.0);
    }
}
