//! A client of the virtual world: its own FIX session, written anew, over the virtual network, and what it does with orders.
//!
//! Owned by the world; acts when asked and when something arrives. Shares no session, encoding or bookkeeping code with the product. Its
//! numbers live as long as the world: it never resets, resends what it is asked for, and asks for what it missed. What always
//! holds: whatever it is sent that breaks the session's or the ledger's rules is a finding.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use super::client_ledger::{Asked, ClientLedger, ClientOrder, NONSENSE_QUANTITY};
use super::fix_text::{self, FixText};
use super::net::{Host, Network};
use super::sockets::{Life, VirtualSockets};
use crate::domain::Now;
use crate::domain::time::NS_PER_S;
use crate::io::{ConnectionId, SocketEvent, Sockets};
use crate::sim::random::Random;

const HEARTBEAT_S: u64 = 30;
/// Messages that a client remembers for telling.
const HEARD: usize = 40;
const BEGIN: &str = "FIX.4.4";
/// What it is after its last try before it tries again.
const RECONNECT_NS: u64 = NS_PER_S / 5;

/// How a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Keeps to the rules.
    Honest,
    /// Does not read for a while.
    Slow,
    /// Sends what is wrong among what is right.
    Buggy,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Away,
    Connecting,
    LoggingOn,
    On,
}

/// A message that was sent, for when it is asked for again. Administrative ones are gap-filled.
struct Stored {
    body: Option<String>,
    time: String,
}

/// A client.
pub struct Client {
    /// How it is
    pub manner: Manner,
    /// What it knows
    pub ledger: ClientLedger,
    /// Wants to be connected
    pub wants: bool,
    /// Does not read until then
    pub sleeps_until_ns: u64,
    name: String,
    account: String,
    address: SocketAddr,
    sockets: VirtualSockets,
    connection: Option<ConnectionId>,
    state: State,
    next_connect_ns: u64,
    next_out: u64,
    next_in: u64,
    /// Asked for everything from the first on, and it is not there yet
    asked_from: Option<(u64, u64)>,
    stored: Vec<Stored>,
    backlog: Vec<u8>,
    last_out_ns: u64,
    last_in_ns: u64,
    tested: bool,
    orders_made: u64,
    /// Receives copies of what the others are told, and asks for nothing
    pub is_receiver: bool,
    /// What it was told of orders: ExecIDs, and ClOrdIDs of cancel rejects
    pub told: HashSet<String>,
    /// Application messages received
    pub received: u64,
    /// Kind, number and what else moves numbers of every message that came, the last ones
    pub heard: VecDeque<String>,
}

impl Client {
    /// Not connected, and does not want to be.
    pub fn new(
        name: String,
        account: String,
        address: SocketAddr,
        net: &Rc<RefCell<Network>>,
        host: Host,
    ) -> Self {
        let (life, sent) = (Rc::new(Life::default()), Rc::default());
        Self {
            manner: Manner::Honest,
            ledger: ClientLedger::default(),
            wants: false,
            sleeps_until_ns: 0,
            name,
            account,
            address,
            sockets: VirtualSockets::new(net.clone(), host, life, None, sent),
            connection: None,
            state: State::Away,
            next_connect_ns: 0,
            next_out: 1,
            next_in: 1,
            asked_from: None,
            stored: Vec::new(),
            backlog: Vec::new(),
            last_out_ns: 0,
            last_in_ns: 0,
            tested: false,
            orders_made: 0,
            is_receiver: false,
            told: HashSet::new(),
            received: 0,
            heard: VecDeque::new(),
        }
    }

    /// Logged on, and nothing is missing.
    pub fn is_settled(&self) -> bool {
        self.state == State::On && self.asked_from.is_none() && self.backlog.is_empty()
    }

    /// Its name, and where its session stands.
    pub fn describe(&self) -> String {
        format!(
            "{}: {:?}, next in {}, next out {}, asked {:?}",
            self.name, self.state, self.next_in, self.next_out, self.asked_from
        )
    }

    /// Does what is to be done now; returns how much.
    pub fn step(&mut self, now: Now) -> Result<usize, String> {
        if self.sleeps_until_ns > now.mono_ns {
            return Ok(0);
        }
        let mut work = self.sockets.poll();
        while let Some(event) = self.sockets.next_event() {
            work += 1;
            self.on_event(now, event)?;
        }
        if self.wants && self.state == State::Away && now.mono_ns >= self.next_connect_ns {
            self.state = State::Connecting;
            let _ = self.sockets.connect(0, self.address);
            work += 1;
        }
        self.pump();
        self.keep_alive(now);
        Ok(work)
    }

    fn on_event(&mut self, now: Now, event: SocketEvent) -> Result<(), String> {
        match event {
            SocketEvent::Connected { connection, .. } => {
                self.connection = Some(connection);
                self.state = State::LoggingOn;
                (self.last_in_ns, self.tested) = (now.mono_ns, false);
                self.asked_from = None;
                self.backlog.clear();
                self.say_admin(now, "A", &format!("98=0|108={HEARTBEAT_S}|"));
            }
            SocketEvent::ConnectFailed { .. } => self.away(now),
            SocketEvent::Closed { connection, .. } if self.connection == Some(connection) => {
                self.away(now)
            }
            SocketEvent::Readable(connection) if self.connection == Some(connection) => {
                self.read(now, connection)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn away(&mut self, now: Now) {
        self.connection = None;
        self.state = State::Away;
        self.next_connect_ns = now.mono_ns + RECONNECT_NS;
    }

    /// Ends the connection: in order, or not.
    pub fn leave(&mut self, now: Now, abort: bool) {
        if let Some(connection) = self.connection {
            self.sockets.close(connection, abort);
            self.away(now);
        }
    }

    /// Logs out.
    pub fn log_out(&mut self, now: Now) {
        if self.state == State::On {
            self.say_admin(now, "5", "");
        }
    }

    fn read(&mut self, now: Now, connection: ConnectionId) -> Result<(), String> {
        loop {
            let bytes = self.sockets.received(connection);
            let first = fix_text::first(bytes).map_err(|what| format!("{}: {what}", self.name))?;
            let Some((message, length)) = first else {
                return Ok(());
            };
            self.sockets.consume(connection, length);
            self.last_in_ns = now.mono_ns;
            self.tested = false;
            let name = self.name.clone();
            self.take(now, &message)
                .map_err(|what| format!("{name}: {what}"))?;
            if self.connection.is_none() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, now: Now, message: &FixText) -> Result<(), String> {
        let number = message.number(34);
        let kind = message.kind().to_owned();
        if self.heard.len() == HEARD {
            self.heard.pop_front();
        }
        let (again, next) = (message.get(43), message.get(36));
        let expected = self.next_in;
        self.heard.push_back(format!(
            "{} heard 35={kind} 34={number} 43={again} 36={next}, expected {expected}",
            self.name
        ));
        if self.state == State::LoggingOn {
            if kind == "5" {
                // A refusal to log on.
                self.next_in = self.next_in.max(number + 1);
                self.leave(now, false);
                return Ok(());
            }
            if kind != "A" {
                return Err(format!("{message:?} before the Logon"));
            }
            self.state = State::On;
        }
        if kind == "2" {
            self.resend(now, message.number(7), message.number(16));
        }
        if kind == "4" && message.get(123) != "Y" {
            return Err(format!("a reset: {message:?}"));
        }
        if number > self.next_in {
            let is_asked = self
                .asked_from
                .is_some_and(|(from, _)| from == self.next_in);
            if !is_asked {
                let body = format!("7={}|16=0|", self.next_in);
                self.asked_from = Some((self.next_in, number));
                self.say_admin(now, "2", &body);
            }
            return Ok(());
        }
        if number < self.next_in {
            return match message.poss_dup() {
                true => Ok(()),
                false => Err(format!(
                    "number {number} is used again, {} is due: {message:?}",
                    self.next_in
                )),
            };
        }
        self.next_in = number + 1;
        match kind.as_str() {
            "4" => {
                let next = message.number(36);
                if next <= number {
                    return Err(format!("a gap fill backwards: {message:?}"));
                }
                self.next_in = next;
            }
            "1" => self.say_admin(now, "0", &format!("112={}|", message.get(112))),
            "5" => {
                self.say_admin(now, "5", "");
                self.leave(now, false);
            }
            "3" | "j" => {
                self.ledger.refused(message.number(45));
                if self.manner == Manner::Honest && kind == "3" && message.get(373) != "10" {
                    return Err(format!("an honest client was rejected: {message:?}"));
                }
            }
            "8" => {
                self.received += 1;
                let is_news = message.get(150) != "I";
                let is_new = !is_news || self.told.insert(message.get(17).to_owned());
                if !self.is_receiver {
                    self.ledger.on_report(message)?;
                } else if !is_new && !self.ledger.is_uncertain {
                    return Err(format!("a copy came twice: {message:?}"));
                }
            }
            "9" => {
                self.received += 1;
                self.told.insert(format!("9 of {}", message.get(11)));
                if !self.is_receiver {
                    self.ledger.on_cancel_reject(message)?;
                }
            }
            _ => {}
        }
        if let Some((from, until)) = self.asked_from {
            self.asked_from = match self.next_in > until {
                true => None,
                // What comes next is asked for already.
                false => Some((self.next_in.max(from), until)),
            };
        }
        Ok(())
    }

    /// Repeats what the gateway asks for.
    fn resend(&mut self, now: Now, from: u64, until: u64) {
        let last = self.next_out - 1;
        let until = if until == 0 { last } else { until.min(last) };
        let mut fill_from = None;
        for number in from.max(1)..=until {
            let stored = &self.stored[number as usize - 1];
            let Some(body) = stored.body.clone() else {
                fill_from.get_or_insert(number);
                continue;
            };
            let time = stored.time.clone();
            if let Some(begin) = fill_from.take() {
                self.fill_gap(now, begin, number);
            }
            let (kind, fields) = body.split_once('|').unwrap_or((&body, ""));
            let header = format!("43=Y|122={time}|");
            let bytes = self.message(now, kind, number, &header, fields);
            self.put(now, &bytes);
        }
        if let Some(begin) = fill_from {
            self.fill_gap(now, begin, until + 1);
        }
    }

    fn fill_gap(&mut self, now: Now, from: u64, next: u64) {
        let time = self.stored[from as usize - 1].time.clone();
        let header = format!("43=Y|122={time}|");
        let bytes = self.message(now, "4", from, &header, &format!("36={next}|123=Y|"));
        self.put(now, &bytes);
    }

    fn keep_alive(&mut self, now: Now) {
        let idle_ns = HEARTBEAT_S * NS_PER_S;
        match self.state {
            State::On => {
                if now.mono_ns - self.last_out_ns >= idle_ns {
                    self.say_admin(now, "0", "");
                }
                let silent_ns = now.mono_ns - self.last_in_ns;
                if silent_ns >= 3 * idle_ns {
                    self.leave(now, true);
                } else if silent_ns >= idle_ns * 6 / 5 && !self.tested {
                    self.tested = true;
                    self.say_admin(now, "1", "112=there?|");
                }
            }
            State::LoggingOn if now.mono_ns - self.last_in_ns > 12 * NS_PER_S => {
                self.leave(now, true);
            }
            _ => {}
        }
    }

    fn message(&self, now: Now, kind: &str, number: u64, header: &str, body: &str) -> Vec<u8> {
        let time = fix_text::timestamp(now.wall_ns);
        let text = format!(
            "35={kind}|34={number}|49={}|52={time}|56=GATEHOUSE|{header}{body}",
            self.name
        );
        fix_text::frame(BEGIN, &text)
    }

    fn say_admin(&mut self, now: Now, kind: &str, body: &str) {
        let number = self.number(now, None);
        let bytes = self.message(now, kind, number, "", body);
        self.put(now, &bytes);
    }

    fn number(&mut self, now: Now, body: Option<String>) -> u64 {
        let time = fix_text::timestamp(now.wall_ns);
        self.stored.push(Stored { body, time });
        self.next_out += 1;
        self.next_out - 1
    }

    /// To the socket, behind what waits for it. Where there is no connection the peer asks for it one day.
    fn put(&mut self, now: Now, bytes: &[u8]) {
        self.last_out_ns = now.mono_ns;
        if self.connection.is_some() {
            self.backlog.extend_from_slice(bytes);
            self.pump();
        }
    }

    fn pump(&mut self) {
        let Some(connection) = self.connection else {
            return;
        };
        let count = self.backlog.len().min(self.sockets.send_room(connection));
        if count > 0 && self.sockets.send(connection, &self.backlog[..count]) {
            self.backlog.drain(..count);
        }
    }

    /// Sends an application message. One that is not logged on keeps it: it is asked for later.
    fn say(&mut self, now: Now, kind: &str, fields: String) -> u64 {
        let number = self.number(now, Some(format!("{kind}|{fields}")));
        if self.state == State::On {
            let bytes = self.message(now, kind, number, "", &fields);
            self.put(now, &bytes);
        }
        number
    }

    /// Whether it would send an order now.
    pub fn can_trade(&self) -> bool {
        self.state == State::On
    }

    /// A new order.
    pub fn new_order(&mut self, now: Now, random: &mut Random, symbols: u64) {
        self.orders_made += 1;
        let id = format!("{}-{}", self.name, self.orders_made);
        let side = ['1', '2'][random.below(2) as usize];
        let quantity = random.between(1, 20) * 10;
        let price = random.between(980, 1020);
        let symbol = format!("SYM{}", random.between(1, symbols));
        let market = random.below(20) == 0;
        let time_in_force = ['0', '0', '0', '0', '0', '3', '4'][random.below(7) as usize];
        let order_type = match market {
            true => "40=1|".to_owned(),
            false => format!("40=2|44={}.{:02}|", price / 100, price % 100),
        };
        let time = fix_text::timestamp(now.wall_ns);
        let fields = format!(
            "1={}|11={id}|21=1|38={quantity}|{order_type}54={side}|55={symbol}|59={time_in_force}|60={time}|",
            self.account
        );
        let number = self.say(now, "D", fields);
        let order = ClientOrder {
            id,
            symbol,
            side,
            quantity,
            price,
            ..ClientOrder::default()
        };
        self.ledger.sent_new(order, number);
    }

    /// A cancel or replace of one of its orders, open or not.
    pub fn change(&mut self, now: Now, random: &mut Random, asked: Asked) {
        let count = self.ledger.orders.len() as u64;
        if count == 0 {
            return;
        }
        // Of the last ones, where something is open.
        let at = (count - 1 - random.below(count.min(12))) as usize;
        let order = &self.ledger.orders[at];
        if !order.is_open() && random.below(4) > 0 {
            return;
        }
        let original = if order.live.is_empty() {
            &order.id
        } else {
            &order.live
        };
        self.orders_made += 1;
        let id = format!("{}-{}", self.name, self.orders_made);
        let time = fix_text::timestamp(now.wall_ns);
        let common = format!(
            "11={id}|41={original}|54={}|55={}|60={time}|",
            order.side, order.symbol
        );
        let (kind, fields) = match asked {
            Asked::Replace => {
                let (quantity, price) = (random.between(1, 25) * 10, random.between(980, 1020));
                let price = format!("{}.{:02}", price / 100, price % 100);
                ("G", format!("21=1|38={quantity}|40=2|44={price}|{common}"))
            }
            _ => ("F", common),
        };
        let number = self.say(now, kind, fields);
        self.ledger.sent_change(asked, id, at, number);
    }

    /// A question about all of its orders, or a request to cancel them all.
    pub fn mass(&mut self, now: Now, cancel: bool) {
        self.orders_made += 1;
        let id = format!("{}-{}", self.name, self.orders_made);
        let time = fix_text::timestamp(now.wall_ns);
        match cancel {
            true => self.say(now, "q", format!("11={id}|60={time}|530=7|")),
            false => self.say(now, "AF", format!("584={id}|585=7|")),
        };
    }

    /// Something that is wrong, of a kind that `which` chooses.
    pub fn nonsense(&mut self, now: Now, random: &mut Random) {
        let time = fix_text::timestamp(now.wall_ns);
        let used = self.ledger.orders.first().map(|order| order.id.clone());
        let used = used.unwrap_or_else(|| "XNONE".to_owned());
        let account = self.account.clone();
        match random.below(9) {
            0 => {
                // An order with an id that was used before.
                let fields = format!(
                    "1={account}|11={used}|21=1|38={NONSENSE_QUANTITY}|40=2|44=10.00|54=1|55=SYM1|59=0|60={time}|"
                );
                self.say(now, "D", fields);
            }
            1 => {
                let fields = format!("11=X{}|41=NEVER|54=1|55=SYM1|60={time}|", self.next_out);
                self.say(now, "F", fields);
            }
            2 => {
                let fields = format!("1={account}|11=Y{}|21=1|54=9|55=SYM1|", self.next_out);
                self.say(now, "D", fields);
            }
            3 => {
                self.say(now, "ZZ", "58=what?|".to_owned());
            }
            7 => {
                let fields = format!(
                    "1=NOBODY|11=Z{}|21=1|38=10|40=2|44=10.00|54=1|55=SYM1|59=0|60={time}|",
                    self.next_out
                );
                self.say(now, "D", fields);
            }
            4 => {
                // A number that was used before.
                if self.state == State::On {
                    let bytes = self.message(now, "1", 1, "", "112=again|");
                    self.put(now, &bytes);
                }
            }
            5 => {
                // A number that is left out.
                self.number(now, None);
                self.say_admin(now, "1", "112=after a gap|");
            }
            6 if self.state == State::On => {
                for _ in 0..random.between(50, 400) {
                    self.say_admin(now, "1", "112=flood|");
                }
            }
            _ => {
                // Bytes that are no message; TCP may still bring a whole one behind them.
                if self.state == State::On {
                    self.put(now, b"8=FIX.4.4\x019=5\x01garbage\x01");
                }
            }
        }
    }
}
