//! An order's whole way, again and again and always the same, to be counted by callgrind: `scripts/count-instructions`.
//!
//! A client's order goes in, the desk gets it, acknowledges it and fills it; client and desk are played here, outside of what is
//! counted. Counted are whole turns of the fused gateway, by what they carry: see [`order_turn`], [`ack_turn`], [`fill_turn`].
//! Turns are 100 µs apart, so that what is done every few milliseconds has its share.

use gatehouse::config::plan::DropCopyPlan;
use gatehouse::config::sample::Sample;
use gatehouse::domain::{Now, SessionIndex, Text};
use gatehouse::io::ConnectionId;
use gatehouse::limits::FRAME_BYTES_MAX;
use gatehouse::sim::gateway::Gateway;
use gatehouse::sim::net::MemorySockets;
use gatehouse::wire::fix::{Framing, Precision, TimeText, next_frame};

const START_NS: u64 = 1_790_000_000_000_000_000;
const TURN_NS: u64 = 100_000;

fn main() {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().expect("a count of orders"))
        .collect();
    let (warm_up, counted, receivers) = match arguments[..] {
        [warm_up, counted] => (warm_up, counted, 0),
        [warm_up, counted, receivers] => (warm_up, counted, receivers),
        _ => {
            eprintln!("usage: count_path WARM_UP_ORDERS COUNTED_ORDERS [RECEIVERS_OF_COPIES]");
            std::process::exit(2);
        }
    };
    let mut world = World::new(receivers);
    world.log_on();
    for n in 0..warm_up + counted {
        let is_counted = n >= warm_up;
        let order = world.order(n);
        world.client_sends(&order);
        world.turn(is_counted.then_some(order_turn));
        let id = world.desk_takes();
        let ack = world.report(n, &id, false);
        world.desk_sends(&ack);
        world.turn(is_counted.then_some(ack_turn));
        world.client_takes("150=0");
        let fill = world.report(n, &id, true);
        world.desk_sends(&fill);
        world.turn(is_counted.then_some(fill_turn));
        world.client_takes("150=F");
        if n == 0 {
            println!(
                "bytes order {} ack {} fill {}",
                order.len(),
                ack.len(),
                fill.len()
            );
        }
    }
    println!("orders {counted}");
}

/// A turn that carries an order from client to desk.
#[inline(never)]
fn order_turn(gateway: &mut Gateway, now: Now) -> usize {
    gateway.turn(now)
}

/// A turn that carries a desk's acknowledgement to the client.
#[inline(never)]
fn ack_turn(gateway: &mut Gateway, now: Now) -> usize {
    std::hint::black_box(gateway).turn(now)
}

/// A turn that carries a fill to the client.
#[inline(never)]
fn fill_turn(gateway: &mut Gateway, now: Now) -> usize {
    std::hint::black_box(std::hint::black_box(gateway)).turn(now)
}

/// Any other turn.
#[inline(never)]
fn other_turn(gateway: &mut Gateway, now: Now) -> usize {
    gateway.turn(std::hint::black_box(now))
}

type Turn = fn(&mut Gateway, Now) -> usize;

/// One client, one desk, and the numbers of their messages.
struct World {
    gateway: Gateway,
    client: ConnectionId,
    desk: ConnectionId,
    client_number: u64,
    desk_number: u64,
    now: Now,
    time: TimeText,
    taken: Vec<u8>,
}

impl World {
    /// So many sessions receive copies of the client's reports, and are not connected.
    fn new(receivers: u64) -> Self {
        let mut sample = Sample::new("/nowhere");
        sample.accounts = 100;
        sample.instruments = 1000;
        sample.held_instruments = 10;
        sample.links = vec![([127, 0, 0, 1], 1).into()];
        let mut plan = sample.plan();
        for (at, account) in plan.accounts.iter_mut().enumerate() {
            account.name = Text::cut(format!("6001{at:06}").as_bytes());
        }
        for (at, instrument) in plan.instruments.iter_mut().enumerate() {
            instrument.symbol = Text::cut(format!("60{at:04}").as_bytes());
        }
        for at in 0..receivers {
            let mut receiver = plan.sessions[0].clone();
            receiver.accounts.clear();
            receiver.name = format!("copies{at}");
            receiver.fix.target_comp_id = Text::cut(receiver.name.as_bytes());
            receiver.drop_copy = Some(DropCopyPlan {
                accounts: Vec::new(),
                sessions: vec![SessionIndex(0)],
            });
            plan.sessions.push(receiver);
        }
        Self {
            gateway: Gateway::new(&plan),
            client: ConnectionId::default(),
            desk: ConnectionId::default(),
            client_number: 1,
            desk_number: 1,
            now: Now {
                mono_ns: 1_000_000_000,
                wall_ns: START_NS,
            },
            time: TimeText::new(Precision::Millis),
            taken: Vec::with_capacity(1 << 16),
        }
    }

    fn client_sockets(&mut self) -> &mut MemorySockets {
        self.gateway.decode.board().sockets()
    }

    fn desk_sockets(&mut self) -> &mut MemorySockets {
        self.gateway.route.board().sockets()
    }

    /// Both sides.
    fn log_on(&mut self) {
        self.turn(None);
        self.desk = self
            .desk_sockets()
            .last_connection()
            .expect("the gateway connects to its desk");
        self.client = self.client_sockets().peer_connects(0);
        let client = self.client_message("A", "98=0|108=30|");
        self.client_sends(&client);
        let desk = self.desk_message("A", "98=0|108=30|");
        self.desk_sends(&desk);
        for _ in 0..4 {
            self.turn(None);
        }
        self.client_takes("35=A");
        self.taken.clear();
        let desk = self.desk;
        let mut logon = Vec::new();
        self.desk_sockets().peer_takes(desk, &mut logon);
        assert!(!logon.is_empty());
    }

    fn turn(&mut self, counted: Option<Turn>) {
        self.now.mono_ns += TURN_NS;
        self.now.wall_ns += TURN_NS;
        counted.unwrap_or(other_turn)(&mut self.gateway, self.now);
        self.gateway.drain();
    }

    /// A message of the client, under its next number. Fields end with `|`.
    fn client_message(&mut self, kind: &str, body: &str) -> Vec<u8> {
        let number = self.client_number;
        self.client_number += 1;
        self.message(kind, number, "CLIENT1", "GATEHOUSE", body)
    }

    fn desk_message(&mut self, kind: &str, body: &str) -> Vec<u8> {
        let number = self.desk_number;
        self.desk_number += 1;
        self.message(kind, number, "DESK", "GATEHOUSE", body)
    }

    fn message(
        &mut self,
        kind: &str,
        number: u64,
        sender: &str,
        target: &str,
        body: &str,
    ) -> Vec<u8> {
        let time = self.time_text();
        let fields = format!("35={kind}|34={number}|49={sender}|52={time}|56={target}|{body}");
        let message = format!("8=FIX.4.4|9={}|{fields}", fields.len()).replace('|', "\x01");
        let sum = message.bytes().fold(0u8, u8::wrapping_add);
        format!("{message}10={sum:03}\x01").into_bytes()
    }

    fn time_text(&mut self) -> String {
        let text = self.time.write(self.now.wall_ns);
        String::from_utf8_lossy(text.as_bytes()).into_owned()
    }

    /// Order `n`: accounts, instruments, sides, prices and quantities vary.
    fn order(&mut self, n: u64) -> Vec<u8> {
        let body = format!(
            "11=CL-20260921-{n:08}|1=6001{:06}|21=1|38={}|40=2|44={}|54={}|55=60{:04}|59=0|60={}|",
            n % 100,
            100 * (1 + n % 50),
            price(n),
            1 + n % 2,
            n % 10,
            self.time_text(),
        );
        self.client_message("D", &body)
    }

    /// What the desk says of order `n`, whose id at the desk is `id`: accepted, or filled.
    fn report(&mut self, n: u64, id: &str, filled: bool) -> Vec<u8> {
        let (quantity, price) = (100 * (1 + n % 50), price(n));
        let (exec, leaves, cumulated, last) = match filled {
            false => ("150=0|39=0|".to_owned(), quantity, 0, String::new()),
            true => (
                "150=F|39=2|".to_owned(),
                0,
                quantity,
                format!("32={quantity}|31={price}|"),
            ),
        };
        let body = format!(
            "37=D{n:09}|11={id}|17=E{n:09}-{}|{exec}1=6001{:06}|55=60{:04}|54={}|38={quantity}|40=2|44={price}|59=0|{last}151={leaves}|14={cumulated}|6={}|60={}|",
            filled as u8,
            n % 100,
            n % 10,
            1 + n % 2,
            if filled { price.as_str() } else { "0" },
            self.time_text(),
        );
        self.desk_message("8", &body)
    }

    fn client_sends(&mut self, bytes: &[u8]) {
        let client = self.client;
        assert!(self.client_sockets().peer_sends(client, bytes));
    }

    fn desk_sends(&mut self, bytes: &[u8]) {
        let desk = self.desk;
        assert!(self.desk_sockets().peer_sends(desk, bytes));
    }

    /// One message, that has this field.
    #[track_caller]
    fn client_takes(&mut self, field: &str) {
        let (client, mut taken) = (self.client, std::mem::take(&mut self.taken));
        taken.clear();
        self.client_sockets().peer_takes(client, &mut taken);
        let len = taken.len();
        assert_eq!(
            next_frame(&taken, FRAME_BYTES_MAX),
            Framing::Frame { skip: 0, len },
            "one message to the client"
        );
        assert!(
            field_of(&taken, field).is_some(),
            "no {field} in {}",
            String::from_utf8_lossy(&taken)
        );
        self.taken = taken;
    }

    /// One order; its ClOrdID.
    fn desk_takes(&mut self) -> String {
        let (desk, mut taken) = (self.desk, std::mem::take(&mut self.taken));
        taken.clear();
        self.desk_sockets().peer_takes(desk, &mut taken);
        let len = taken.len();
        assert_eq!(
            next_frame(&taken, FRAME_BYTES_MAX),
            Framing::Frame { skip: 0, len },
            "one message to the desk"
        );
        let id = field_of(&taken, "11=").expect("an order has an id");
        self.taken = taken;
        id
    }
}

/// What stands behind the first field that begins so, up to its end.
fn field_of(message: &[u8], begin: &str) -> Option<String> {
    message
        .split(|&byte| byte == 1)
        .find_map(|field| field.strip_prefix(begin.as_bytes()))
        .map(|rest| String::from_utf8_lossy(rest).into_owned())
}

/// Around ten, with none to two decimals.
fn price(n: u64) -> String {
    match n % 4 {
        0 => "10".to_owned(),
        1 => format!("9.{}", 1 + n % 9),
        _ => format!("10.{:02}", n % 100),
    }
}
