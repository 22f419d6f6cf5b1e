//! A resend storm in memory: many clients that ask for everything again, without end, while one trades.
//!
//! Owned by one thread, which plays all peers between the gateway's turns. Time is the gateway's own: it passes while the gateway turns
//! and stands while the peers are played, as if they were elsewhere. What always holds: a client checks that what it asked for comes
//! whole and in order, once for each time it is repeated.

use std::collections::VecDeque;
use std::fmt::Write;
use std::io;

use hdrhistogram::Histogram;

use super::gateway::Gateway;
use crate::config::sample::Sample;
use crate::domain::Now;
use crate::io::{ConnectionId, LogFile};
use crate::limits::FRAME_BYTES_MAX;
use crate::stage::archive::Archive;
use crate::wire::fix::{FieldIndex, Framing, Message, MsgType, Precision, TimeText};
use crate::wire::fix::{next_frame, parse, tags};

/// Whom and how much.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Clients that ask
    pub askers: usize,
    /// Messages stored for each of them
    pub stored: usize,
    /// Each asks at least this often, whether or not the last answer is complete
    pub ask_every_ns: u64,
    /// Time between two orders of the one that trades
    pub order_every_ns: u64,
    /// Memory of each log: what is older is on disk
    pub staging_bytes: usize,
}

/// What was seen over some time.
pub struct Seen {
    /// Duration of a turn of the gateway
    pub turn_ns: Histogram<u64>,
    /// Bytes handed to clients' sockets in a turn
    pub turn_bytes: Histogram<u64>,
    /// Messages repeated in a turn
    pub turn_resent: Histogram<u64>,
    /// From the intended time of an order to its acknowledgement
    pub latency_ns: Histogram<u64>,
    /// The same in turns of the gateway
    pub latency_turns: Histogram<u64>,
    /// ResendRequests sent
    pub requests: u64,
    /// Times that a client had everything again
    pub rounds: u64,
}

impl Seen {
    fn new() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, HIGHEST, 3).expect("bounds and digits that are allowed")
        };
        Self {
            turn_ns: histogram(),
            turn_bytes: histogram(),
            turn_resent: histogram(),
            latency_ns: histogram(),
            latency_turns: histogram(),
            requests: 0,
            rounds: 0,
        }
    }
}

/// A peer: its connection and its numbers.
struct Player {
    connection: Option<ConnectionId>,
    name: String,
    next_out: u64,
    /// Next number that is new to it
    next_in: u64,
    /// What it has again, where it asked
    repeated: u64,
    ask_at_ns: u64,
}

/// The gateway and its peers.
pub struct Storm<F: LogFile> {
    /// The gateway
    pub gateway: Gateway,
    settings: Settings,
    file: F,
    now: Now,
    turns: u64,
    askers: Vec<Player>,
    trader: Player,
    desk: Player,
    next_asker: usize,
    next_order_ns: u64,
    orders: u64,
    /// Intended time and turn of the orders that are not acknowledged
    open: VecDeque<(u64, u64)>,
    seen: Seen,
    time: TimeText,
    index: Box<FieldIndex>,
    taken: Vec<u8>,
}

/// Highest value that is told apart: a hundred seconds.
const HIGHEST: u64 = 100_000_000_000;
/// Askers whose sockets are looked at after each turn.
const LOOKS_PER_TURN: usize = 16;
const START_WALL_NS: u64 = 1_790_000_000_000_000_000;

/// One turn of the gateway; returns the nanoseconds that it took.
pub type Turn<'a> = dyn FnMut(&mut Gateway, Now) -> u64 + 'a;

impl<F: LogFile> Storm<F> {
    /// Nobody is connected yet. The client log goes to `file`, which `archive` reads.
    pub fn new(settings: Settings, archive: Archive, file: F) -> Self {
        let mut sample = Sample::new("/nowhere");
        (sample.sessions, sample.accounts) = (settings.askers + 1, settings.askers + 1);
        sample.staging_bytes = settings.staging_bytes;
        sample.requests_per_day_max = 1 << 22;
        sample.executions_per_day_max = 1 << 20;
        sample.links = vec![([127, 0, 0, 1], 1).into()];
        let plan = sample.plan();
        let mut gateway = Gateway::new(&plan);
        gateway.decode.board().set_archive(archive);
        let player = |at: usize| Player {
            connection: None,
            name: plan.sessions[at].fix.target_comp_id.to_string_lossy(),
            next_out: 1,
            next_in: 1,
            repeated: 0,
            ask_at_ns: u64::MAX,
        };
        let desk = Player {
            name: "DESK".to_owned(),
            ..player(0)
        };
        Self {
            gateway,
            askers: (0..settings.askers).map(player).collect(),
            trader: player(settings.askers),
            desk,
            settings,
            file,
            now: Now {
                mono_ns: 1_000_000_000,
                wall_ns: START_WALL_NS,
            },
            turns: 0,
            next_asker: 0,
            next_order_ns: u64::MAX,
            orders: 0,
            open: VecDeque::with_capacity(1 << 16),
            seen: Seen::new(),
            time: TimeText::new(Precision::Millis),
            index: Box::new(FieldIndex::new()),
            taken: Vec::with_capacity(1 << 20),
        }
    }

    /// Connects the desk and all clients, and stores the askers' messages: answers to questions about orders that are not there.
    pub fn prepare(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        self.step(turn)?;
        let link = self.gateway.route.board().sockets().last_connection();
        self.desk.connection = link;
        let logon = self.message_of_desk("A", "98=0|108=30|");
        self.desk_sends(&logon);
        for at in 0..=self.settings.askers {
            let connection = self.gateway.decode.board().sockets().peer_connects(0);
            self.player(at).connection = Some(connection);
            self.say(at, "A", "98=0|108=60|");
            self.step(turn)?;
        }
        for _ in 0..self.settings.stored {
            for at in 0..self.settings.askers {
                self.say(at, "H", "11=NONE|54=1|55=SYM0|");
                self.step(turn)?;
            }
        }
        let stored = self.settings.stored as u64 + 1;
        for _ in 0..1000 + self.settings.askers {
            self.step(turn)?;
        }
        let missing = self.askers.iter().find(|asker| asker.next_in != stored + 1);
        assert!(missing.is_none(), "every question was answered");
        self.seen = Seen::new();
        Ok(())
    }

    /// Trades, and if `storm` the others ask, for so long; what was seen.
    pub fn run(&mut self, ns: u64, storm: bool, turn: &mut Turn<'_>) -> io::Result<Seen> {
        let end_ns = self.now.mono_ns + ns;
        self.next_order_ns = self.now.mono_ns;
        for (at, asker) in self.askers.iter_mut().enumerate() {
            // Not all at the same moment.
            let share = self.settings.ask_every_ns * at as u64 / self.settings.askers as u64;
            asker.ask_at_ns = if storm {
                self.now.mono_ns + share
            } else {
                u64::MAX
            };
        }
        while self.now.mono_ns < end_ns {
            self.step(turn)?;
        }
        self.next_order_ns = u64::MAX;
        while !self.open.is_empty() {
            self.step(turn)?;
        }
        Ok(std::mem::replace(&mut self.seen, Seen::new()))
    }

    /// One turn of the gateway, with what the peers do before and after it.
    fn step(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        if self.now.mono_ns >= self.next_order_ns {
            let body = format!(
                "11=o{}|1={}|21=1|38=10|40=2|44=10|54=1|55=SYM0|59=0|60=20260921-00:00:00|",
                self.orders,
                crate::config::sample::account_name(self.settings.askers),
            );
            self.open.push_back((self.next_order_ns, self.turns));
            self.orders += 1;
            self.next_order_ns += self.settings.order_every_ns;
            self.say(self.settings.askers, "D", &body);
        }
        let before = *self.gateway.decode.board().traffic();
        let took_ns = turn(&mut self.gateway, self.now).max(1);
        let after = *self.gateway.decode.board().traffic();
        self.now.mono_ns += took_ns;
        self.now.wall_ns += took_ns;
        self.turns += 1;
        self.seen.turn_ns.saturating_record(took_ns);
        let bytes = after.bytes_out - before.bytes_out;
        self.seen.turn_bytes.saturating_record(bytes);
        self.seen
            .turn_resent
            .saturating_record(after.resent - before.resent);
        self.gateway.drain_clients_to(&mut self.file)?;
        self.play_desk();
        self.play(self.settings.askers);
        for _ in 0..LOOKS_PER_TURN.min(self.settings.askers) {
            let at = self.next_asker;
            self.next_asker = (at + 1) % self.settings.askers;
            self.play(at);
            if self.now.mono_ns >= self.askers[at].ask_at_ns {
                self.ask(at);
            }
        }
        Ok(())
    }

    fn ask(&mut self, at: usize) {
        self.askers[at].ask_at_ns = self.now.mono_ns + self.settings.ask_every_ns;
        self.seen.requests += 1;
        // Not the heartbeats that follow.
        let stored = self.settings.stored + 1;
        self.say(at, "2", &format!("7=1|16={stored}|"));
    }

    fn player(&mut self, at: usize) -> &mut Player {
        match self.askers.get_mut(at) {
            Some(asker) => asker,
            None => &mut self.trader,
        }
    }

    /// A client reads what it was sent.
    fn play(&mut self, at: usize) {
        let Some(connection) = self.player(at).connection else {
            return;
        };
        let mut taken = std::mem::take(&mut self.taken);
        taken.clear();
        let sockets = self.gateway.decode.board().sockets();
        sockets.peer_takes(connection, &mut taken);
        let mut rest = &taken[..];
        while let Framing::Frame { skip: 0, len } = next_frame(rest, FRAME_BYTES_MAX) {
            let mut index = std::mem::take(&mut self.index);
            if let Ok(message) = parse(&rest[..len], &mut index) {
                self.read(at, &message);
            }
            self.index = index;
            rest = &rest[len..];
        }
        assert!(rest.is_empty(), "whole messages");
        self.taken = taken;
    }

    fn read(&mut self, at: usize, message: &Message<'_>) {
        let number = message.msg_seq_num().unwrap_or(0);
        let stored = self.settings.stored as u64 + 1;
        let is_trader = at == self.settings.askers;
        if is_trader && message.msg_type() == MsgType::EXECUTION_REPORT {
            let (intended_ns, turn) = self.open.pop_front().expect("an order was sent");
            let latency_ns = self.now.mono_ns - intended_ns;
            self.seen.latency_ns.saturating_record(latency_ns);
            self.seen.latency_turns.saturating_record(self.turns - turn);
        }
        let player = self.player(at);
        if !message.poss_dup() {
            assert_eq!(
                number, player.next_in,
                "{}: new messages in order",
                player.name
            );
            player.next_in += 1;
            return;
        }
        // From the first on again: the resend before was whole, or asked for again while it was under way.
        assert_eq!(
            number,
            player.repeated + 1,
            "{}: again in order",
            player.name
        );
        player.repeated = match message.get_u64(tags::NEW_SEQ_NO) {
            Some(next) => next - 1,
            None => number,
        };
        if player.repeated == stored {
            player.repeated = 0;
            self.seen.rounds += 1;
        }
    }

    /// The desk acknowledges what it gets.
    fn play_desk(&mut self) {
        let Some(connection) = self.desk.connection else {
            return;
        };
        let mut taken = std::mem::take(&mut self.taken);
        taken.clear();
        self.gateway
            .route
            .board()
            .sockets()
            .peer_takes(connection, &mut taken);
        let mut rest = &taken[..];
        while let Framing::Frame { skip: 0, len } = next_frame(rest, FRAME_BYTES_MAX) {
            let text = String::from_utf8_lossy(&rest[..len]).replace('\u{1}', "|");
            rest = &rest[len..];
            let field = |tag: &str| {
                let value = text.split(&format!("|{tag}=")).nth(1);
                value
                    .and_then(|value| value.split('|').next())
                    .unwrap_or("")
                    .to_owned()
            };
            match field("35").as_str() {
                "D" => {
                    let body = format!(
                        "6=0|11={}|14=0|17=E{}|37=D{}|39=0|54=1|55=SYM0|150=0|151=10|38=10|",
                        field("11"),
                        self.desk.next_out,
                        self.desk.next_out,
                    );
                    let report = self.message_of_desk("8", &body);
                    self.desk_sends(&report);
                }
                "1" => {
                    let body = format!("112={}|", field("112"));
                    let answer = self.message_of_desk("0", &body);
                    self.desk_sends(&answer);
                }
                _ => {}
            }
        }
        self.taken = taken;
    }

    fn say(&mut self, at: usize, kind: &str, body: &str) {
        let player = self.player(at);
        let (number, connection) = (player.next_out, player.connection);
        player.next_out += 1;
        let sender = std::mem::take(&mut player.name);
        let message = self.message(kind, number, &sender, body);
        self.player(at).name = sender;
        let sockets = self.gateway.decode.board().sockets();
        let is_read = connection.is_some_and(|to| sockets.peer_sends(to, &message));
        assert!(is_read, "client {at} is read");
    }

    fn message_of_desk(&mut self, kind: &str, body: &str) -> Vec<u8> {
        let number = self.desk.next_out;
        self.desk.next_out += 1;
        self.message(kind, number, "DESK", body)
    }

    fn desk_sends(&mut self, message: &[u8]) {
        let connection = self.desk.connection;
        let sockets = self.gateway.route.board().sockets();
        let is_read = connection.is_some_and(|to| sockets.peer_sends(to, message));
        assert!(is_read, "it is read");
    }

    fn message(&mut self, kind: &str, number: u64, sender: &str, body: &str) -> Vec<u8> {
        let time = self.time.write(self.now.wall_ns);
        let time = String::from_utf8_lossy(time.as_bytes());
        let fields = format!("35={kind}|34={number}|49={sender}|52={time}|56=GATEHOUSE|{body}");
        let mut message = format!("8=FIX.4.4|9={}|{fields}", fields.len()).replace('|', "\u{1}");
        let sum = message.bytes().fold(0u8, u8::wrapping_add);
        let _ = write!(message, "10={sum:03}\u{1}");
        message.into_bytes()
    }
}
