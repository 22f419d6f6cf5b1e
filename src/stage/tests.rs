//! The stages turned by hand, with sockets in memory: what must hold when peers, rings and operators meet at a bad moment.
//!
//! Each test is the story of an order, a report or a cancel that was once lost, doubled or stuck that way.

use std::net::SocketAddr;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use ringbuf::spsc::{Consumer, Producer, spsc};

use super::copies::Copies;
use super::decode::{DecodeParts, DecodeStage};
use super::route::{RouteParts, RouteStage};
use super::scopes::ScopeBoard;
use super::{PeerConfig, Role, Switchboard, assembly};
use crate::config::plan::{FixPlan, Plan};
use crate::config::sample::Sample;
use crate::domain::command::{LinkCommand, NumbersDone, SessionCommand};
use crate::domain::directory::Directory;
use crate::domain::order::{ClientRequest, DeskRequest, FromClient, ToDesk};
use crate::domain::report::{DeskInput, FromDesk, LinkEvent, ToClient};
use crate::domain::time::NS_PER_MS;
use crate::domain::{AccountIndex, LinkIndex, Now, OrderId, RejectReason, SessionIndex, Text};
use crate::journal::{Log, LogId};
use crate::session::ResendPolicy;
use crate::status::page::{Words, heap_words, page_bytes};
use crate::status::snapshot::StageSnapshot;
use crate::status::{Identity, Page, Reason, Shape, Writers, reader};

mod cancels;
mod copies;
mod resend;
mod rounds;
mod strangers;

mod schedule;
mod wire;

use wire::Wire;

const SLOTS: usize = 16;

/// The bound for a logon.
const LOGON_NS: u64 = 1 << 40;

/// A message of the peer of this session.
fn message(fix: &FixPlan, kind: &str, number: u64, fields: &str) -> Vec<u8> {
    let body = format!(
        "35={kind}|34={number}|49={}|52=19700101-00:00:00.000|56={}|{fields}",
        fix.target_comp_id, fix.sender_comp_id
    );
    let mut text = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\u{1}");
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    text.push_str(&format!("10={sum:03}\u{1}"));
    text.into_bytes()
}

fn logon(fix: &FixPlan, number: u64, reset: bool) -> Vec<u8> {
    let reset = if reset { "141=Y|" } else { "" };
    message(fix, "A", number, &format!("98=0|108=30|{reset}"))
}

fn at(mono_ns: u64) -> Now {
    let wall_ns = 0;
    Now { mono_ns, wall_ns }
}

/// Little memory: it is soon overwritten.
const LOG_BYTES: usize = 1 << 19;

fn log(id: LogId) -> (Log, ringbuf::byte_log::Reader) {
    let region = ringbuf::byte_log::Region::heap(LOG_BYTES);
    let (writer, reader) = ringbuf::byte_log::create(region).unwrap();
    (Log::new(id, writer), reader)
}

fn status(plan: &Plan) -> (Writers, Words) {
    let names = |count: usize| (0..count).map(|at| format!("N{at}")).collect();
    let shape = Shape {
        sessions: names(plan.sessions.len()),
        links: vec![("D".to_owned(), "L".to_owned()); assembly::links(plan).count()],
        accounts: names(plan.accounts.len()),
    };
    let identity = Identity {
        process_id: 1,
        start_wall_ns: 0,
        boot_id_hash: 0,
    };
    let page = heap_words(page_bytes(&shape));
    let writers = Page::format(page, &shape, identity).into_writers();
    writers.control.ready();
    (writers, page)
}

/// The decode stage between its clients and a risk stage that the test plays.
struct Clients {
    stage: DecodeStage<Wire>,
    plan: Plan,
    from_client: Consumer<FromClient>,
    to_client: Producer<ToClient>,
    commands: Arc<ArrayQueue<SessionCommand>>,
    answers: Arc<ArrayQueue<NumbersDone>>,
    now_ns: u64,
    page: Words,
    log: ringbuf::byte_log::Reader,
}

impl Clients {
    fn new(sessions: usize, ring_slots: usize) -> Self {
        Self::with(sessions, ring_slots, |_| {}, |board| board)
    }

    fn with(
        sessions: usize,
        ring_slots: usize,
        change: impl FnOnce(&mut Plan),
        equip: impl FnOnce(Switchboard<Wire>) -> Switchboard<Wire>,
    ) -> Self {
        let mut sample = Sample::new("/nowhere");
        (sample.sessions, sample.accounts) = (sessions, sessions);
        let mut plan = sample.plan();
        change(&mut plan);
        Self::equipped(plan, ring_slots, equip)
    }

    fn of(plan: Plan, ring_slots: usize) -> Self {
        Self::equipped(plan, ring_slots, |board| board)
    }

    fn equipped(
        plan: Plan,
        ring_slots: usize,
        equip: impl FnOnce(Switchboard<Wire>) -> Switchboard<Wire>,
    ) -> Self {
        let copies = Copies::new(&plan.sessions, plan.accounts.len());
        Self::copying(plan, ring_slots, copies, equip)
    }

    fn copying(
        plan: Plan,
        ring_slots: usize,
        copies: Copies,
        equip: impl FnOnce(Switchboard<Wire>) -> Switchboard<Wire>,
    ) -> Self {
        let sessions = plan.sessions.len();
        let peers = plan.sessions.iter().map(|session| PeerConfig {
            fix: session.fix.clone(),
            role: Role::Accept {
                allowed_sources: Vec::new(),
            },
            resend: ResendPolicy::Replay,
            dictionary: None,
        });
        let (log, reader) = log(LogId::Client);
        let board = Switchboard::new(Wire::new(), log, peers.collect(), SLOTS, LOGON_NS);
        let board = equip(board);
        let (to_risk, from_client) = spsc(ring_slots);
        let (writers, page) = status(&plan);
        let (to_client, from_risk) = spsc(1024);
        let commands = Arc::new(ArrayQueue::new(1));
        let answers = Arc::new(ArrayQueue::new(1));
        let stage = DecodeStage::new(DecodeParts {
            board,
            to_risk,
            from_risk,
            directory: Arc::new(Directory::new(&plan.accounts, &plan.instruments)),
            cancel_on_disconnect: vec![true; sessions],
            sole_account: vec![None; sessions],
            loss: None,
            copies,
            acknowledged: crate::stage::acknowledged::Acknowledged::new(&plan),
            commands: commands.clone(),
            answers: answers.clone(),
            status: writers.decode,
        });
        Self {
            stage,
            plan,
            from_client,
            to_client,
            commands,
            answers,
            now_ns: 0,
            page,
            log: reader,
        }
    }

    fn wire(&mut self) -> &mut Wire {
        self.stage.board().sockets()
    }

    fn turn(&mut self) {
        self.now_ns += 1;
        let now = at(self.now_ns);
        let work = self.stage.duty_cycle(now);
        self.stage.status().cycle(now, now.mono_ns, work);
    }

    fn say(&mut self, session: usize, slot: u32, kind: &str, number: u64, fields: &str) {
        let bytes = message(&self.plan.sessions[session].fix, kind, number, fields);
        self.wire().feed(slot, &bytes);
    }

    fn log_on(&mut self, session: usize, slot: u32, number: u64) {
        self.wire().accept(slot);
        let bytes = logon(&self.plan.sessions[session].fix, number, false);
        self.wire().feed(slot, &bytes);
    }

    fn order(&mut self, slot: u32, number: u64) {
        let fields = format!(
            "11=a{number}|1=A1|21=1|38=100|40=2|44=10|54=1|55=SYM0|59=0|60=19700101-00:00:00|"
        );
        self.say(0, slot, "D", number, &fields);
    }

    /// The order of that number, sent again.
    fn repeat(&mut self, slot: u32, number: u64) {
        let fields = format!(
            "43=Y|122=19700101-00:00:00|11=a{number}|1=A1|21=1|38=100|40=2|44=10|54=1|55=SYM0|59=0|60=19700101-00:00:00|"
        );
        self.say(0, slot, "D", number, &fields);
    }

    /// Connections that ended for this reason.
    fn closed(&self, reason: Reason) -> u64 {
        let snapshot = match reader::read_words(self.page, 0) {
            reader::State::Ready(snapshot) => snapshot,
            reader::State::Dead { last, .. } => last,
            other => panic!("{other}"),
        };
        let of_stage = |stage: &StageSnapshot| stage.closed.get(reason.name()).copied();
        snapshot.stages.iter().filter_map(of_stage).sum()
    }

    fn report(&mut self, session: usize) {
        assert!(self.to_client.push(&ToClient {
            session: SessionIndex(session as u32),
            ..ToClient::default()
        }));
    }
}

#[test]
fn a_peer_that_sets_its_own_numbers_is_still_owed_ours() {
    let mut clients = Clients::new(1, 64);
    clients.log_on(0, 0, 1);
    clients.turn();
    clients.report(0);
    clients.turn();
    clients.wire().sent(0);
    // SequenceReset in Reset mode, then the wish to hear the report again.
    clients.say(0, 0, "4", 2, "36=50|");
    clients.say(0, 0, "2", 50, "7=2|16=2|");
    clients.turn();
    let sent = clients.wire().sent(0);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].contains("|35=r|34=2|43=Y|"), "{sent:?}");
}

#[test]
fn a_session_that_is_back_at_once_still_has_its_orders_cancelled() {
    let mut clients = Clients::new(1, 2);
    clients.log_on(0, 0, 1);
    clients.order(0, 2);
    clients.order(0, 3);
    clients.turn();
    // The ring to the risk stage is full now. The client is lost and comes back in one turn, with an order.
    clients.wire().hang_up(0);
    clients.log_on(0, 1, 4);
    clients.order(1, 5);
    for _ in 0..3 {
        clients.turn();
    }
    let mut taken = Vec::new();
    for _ in 0..6 {
        taken.extend(clients.from_client.pop());
        clients.turn();
    }
    let kinds: Vec<_> = taken
        .iter()
        .map(|input| matches!(input.request, ClientRequest::Lost))
        .collect();
    assert_eq!(kinds, [false, false, true, false], "{taken:?}");
    assert!(taken.iter().all(|input| input.cause_sequence > 0));
}

/// The route stage between its desk and a risk stage that the test plays.
struct Links {
    stage: RouteStage<Wire>,
    plan: Plan,
    to_desk: Producer<ToDesk>,
    from_desk: Consumer<FromDesk>,
    commands: Arc<ArrayQueue<LinkCommand>>,
    answers: Arc<ArrayQueue<NumbersDone>>,
    now_ns: u64,
    log: ringbuf::byte_log::Reader,
}

impl Links {
    /// One link that may have `window` requests unanswered, logged on; the risk stage knows.
    fn new(window: usize, ring_slots: usize) -> Self {
        let mut sample = Sample::new("/nowhere");
        sample.links = vec![SocketAddr::from(([127, 0, 0, 1], 1))];
        sample.window = window;
        let mut links = Self::of(sample.plan(), ring_slots);
        links.turn();
        links.log_on(0);
        links
    }

    fn log_on(&mut self, link: u32) {
        self.wire().connected(link);
        self.turn();
        let answer = logon(self.fix_of(link), 1, false);
        self.wire().feed(link, &answer);
        self.turn();
        self.wire().sent(link);
    }

    fn of(plan: Plan, ring_slots: usize) -> Self {
        let links: Vec<_> = assembly::links(&plan).collect();
        let peers = links.iter().map(|(_, link)| PeerConfig {
            fix: link.fix.clone(),
            role: Role::Connect {
                address: link.address,
                reconnect_min_ms: 10,
                reconnect_max_ms: 10,
            },
            resend: ResendPolicy::GapFillAll,
            dictionary: None,
        });
        let (log, reader) = log(LogId::Desk);
        let (to_desk, from_risk) = spsc(64);
        let (to_risk, from_desk) = spsc(ring_slots);
        let commands = Arc::new(ArrayQueue::new(1));
        let answers = Arc::new(ArrayQueue::new(1));
        let stage = RouteStage::new(RouteParts {
            board: Switchboard::new(Wire::new(), log, peers.collect(), SLOTS, 0),
            from_risk,
            to_risk,
            directory: Arc::new(Directory::new(&plan.accounts, &plan.instruments)),
            scopes: ScopeBoard::new(2, 1, 1, 2),
            links: (links.iter())
                .map(|(desk, link)| (*desk, link.window as u32))
                .collect(),
            acknowledge_timeout_ns: (links.iter())
                .map(|(desk, _)| plan.desks[desk.get()].acknowledge_timeout_ms as u64 * NS_PER_MS)
                .collect(),
            account_desks: plan.account_desks.clone(),
            commands: commands.clone(),
            answers: answers.clone(),
            status: status(&plan).0.route,
        });
        Self {
            stage,
            plan,
            to_desk,
            from_desk,
            commands,
            answers,
            now_ns: 0,
            log: reader,
        }
    }

    fn fix(&self) -> &FixPlan {
        self.fix_of(0)
    }

    fn fix_of(&self, link: u32) -> &FixPlan {
        let mut links = assembly::links(&self.plan);
        let (_, link) = links.nth(link as usize).expect("a link");
        &link.fix
    }

    fn wire(&mut self) -> &mut Wire {
        self.stage.board().sockets()
    }

    fn turn(&mut self) {
        self.now_ns += 6_000_000;
        self.stage.duty_cycle(at(self.now_ns));
    }

    fn say(&mut self, kind: &str, number: u64, fields: &str) {
        self.say_on(0, kind, number, fields);
    }

    fn say_on(&mut self, link: u32, kind: &str, number: u64, fields: &str) {
        let bytes = message(self.fix_of(link), kind, number, fields);
        self.wire().feed(link, &bytes);
    }

    fn acknowledge(&mut self, number: u64, id: OrderId) {
        self.acknowledge_on(0, number, id);
    }

    fn acknowledge_on(&mut self, link: u32, number: u64, id: OrderId) {
        let fields =
            format!("6=0|11={id}|14=0|17=e{number}|37=x|39=0|54=1|55=SYM0|150=0|151=100|38=100|");
        self.say_on(link, "8", number, &fields);
    }

    fn ask(&mut self, slot: u32, request: DeskRequest) -> OrderId {
        self.ask_of(0, slot, request)
    }

    fn ask_of(&mut self, account: u32, slot: u32, request: DeskRequest) -> OrderId {
        let id = id(slot);
        assert!(self.to_desk.push(&ToDesk {
            id,
            request,
            account: AccountIndex(account),
            quantity: crate::domain::Quantity(100),
            ..ToDesk::default()
        }));
        id
    }

    fn cancel(&mut self, slot: u32, of: OrderId) -> OrderId {
        self.ask(slot, DeskRequest::Cancel { original: of })
    }

    fn told(&mut self) -> Vec<DeskInput> {
        std::iter::from_fn(|| self.from_desk.pop())
            .map(|input| input.input)
            .collect()
    }

    fn sent_kinds(&mut self) -> Vec<String> {
        self.sent_kinds_on(0)
    }

    fn sent_kinds_on(&mut self, link: u32) -> Vec<String> {
        let sent = self.wire().sent(link);
        let kind = |text: &String| text.split("|35=").nth(1).unwrap()[..1].to_owned();
        sent.iter().map(kind).collect()
    }
}

fn id(slot: u32) -> OrderId {
    OrderId::new(1, 1, slot)
}

const READY: DeskInput = DeskInput::Link(LinkEvent::Ready);

#[test]
fn cancels_pass_a_link_that_is_draining() {
    let mut links = Links::new(9, 64);
    let order = links.ask(0, DeskRequest::New);
    links.turn();
    links
        .commands
        .push(LinkCommand::Disable(LinkIndex(0)))
        .unwrap();
    links.turn();
    links.turn();
    assert_eq!(links.told(), [READY, DeskInput::Link(LinkEvent::Lost)]);
    let late = links.ask(1, DeskRequest::New);
    links.cancel(2, order);
    links.turn();
    assert_eq!(links.sent_kinds(), ["D", "F"]);
    let refused = DeskInput::Refused {
        id: late,
        reason: RejectReason::NoDesk,
        text: Default::default(),
    };
    assert_eq!(links.told(), [refused]);
}

#[test]
fn after_a_reset_a_number_does_not_mean_an_older_request() {
    let mut links = Links::new(9, 64);
    let order = links.ask(0, DeskRequest::New);
    links.turn();
    assert_eq!(links.sent_kinds(), ["D"], "its number is 2");
    let again = logon(links.fix(), 1, true);
    links.wire().feed(0, &again);
    let other = links.ask(1, DeskRequest::New);
    for _ in 0..8 {
        links.turn();
    }
    links.say("3", 2, "45=2|58=bad|");
    links.turn();
    let causes: Vec<_> = std::iter::from_fn(|| links.from_desk.pop()).collect();
    assert!(
        causes.iter().all(|input| input.cause_sequence > 0),
        "everything pushed has a record: {causes:?}"
    );
    let told: Vec<_> = causes.iter().map(|input| input.input).collect();
    assert_eq!(told[..2], [READY, DeskInput::InDoubt { id: order }]);
    let refused = matches!(told[2], DeskInput::Refused { id, .. } if id == other);
    assert!(refused && told.len() == 3, "{told:?}");
}

#[test]
fn a_refusal_of_the_desks_session_layer_waits_for_room_like_a_report() {
    let mut links = Links::new(9, 1);
    let order = links.ask(0, DeskRequest::New);
    assert_eq!(links.told(), [READY]);
    links.turn();
    links.acknowledge(2, id(77));
    links.say("3", 3, "45=2|58=bad|");
    links.turn();
    links.turn();
    assert!(matches!(links.told()[..], [DeskInput::Report(_)]));
    links.turn();
    let told = links.told();
    assert!(
        matches!(told[..], [DeskInput::Refused { id, .. }] if id == order),
        "{told:?}"
    );
}

#[test]
fn a_link_that_was_disabled_while_connecting_does_not_log_on() {
    let mut links = Links::new(9, 64);
    links.wire().hang_up(0);
    for _ in 0..3 {
        links.turn();
    }
    links.wire().sent(0);
    links.stage.log_out(at(links.now_ns));
    links.wire().connected(0);
    links.turn();
    assert_eq!(links.wire().sent(0), [""; 0]);
    assert_eq!(links.stage.board().connected(), 0);
}

#[test]
fn a_request_that_waits_for_the_socket_is_not_in_doubt_when_the_desk_asks_for_it() {
    let mut links = Links::new(4, 64);
    links.told();
    links.wire().full[0] = true;
    let order = links.ask(1, DeskRequest::New);
    links.turn();
    // The desk knows from a number that something is missing, and it is: it has not left.
    links.say("2", 2, "7=2|16=0|");
    (0..50).for_each(|_| links.turn());
    assert_eq!(links.told(), []);
    links.wire().full[0] = false;
    links.turn();
    assert_eq!(links.sent_kinds(), ["D"]);
    links.acknowledge(3, order);
    links.turn();
    assert_eq!(links.stage.in_flight(), 0);
}

#[test]
fn numbers_that_were_gap_filled_mean_nothing_after_a_reset() {
    let mut links = Links::new(4096, 64);
    links.told();
    links.ask(1, DeskRequest::New);
    links.turn();
    // In one turn: its number is gap-filled, and the desk begins anew.
    links.say("2", 2, "7=2|16=0|");
    links.say("A", 1, "98=0|108=30|141=Y|");
    links.turn();
    let new = links.ask(2, DeskRequest::New);
    (0..2_000).for_each(|_| links.turn());
    let doubts: Vec<_> = links
        .told()
        .into_iter()
        .filter(|it| matches!(it, DeskInput::InDoubt { .. }))
        .collect();
    assert_eq!(doubts, [DeskInput::InDoubt { id: id(1) }], "{new:?}");
}
