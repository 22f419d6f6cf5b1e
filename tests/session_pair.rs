//! Two sessions wired back to back over a connection that breaks: whatever happens, every application message arrives once and
//! in order, and the dialogue comes to an end. And: whatever a peer sends, nothing panics and the action list does not run over.

mod session_owner;

use gatehouse::config::plan::FixVersion;
use gatehouse::session::action::ACTIONS_MAX;
use gatehouse::session::{Role, State};
use gatehouse::wire::fix::Precision;
use proptest::prelude::*;
use session_owner::{Owner, frame, plan, utc};

#[derive(Clone, Debug)]
enum Step {
    /// One side sends that many application messages.
    Send(bool, u8),
    /// Bytes go over, at most that many each way.
    Carry(u16),
    /// Steps of a resend that is under way.
    Pump(u8),
    /// Time passes.
    Wait(u8),
    /// The connection breaks. Of what is on the way, the peer still gets that many bytes.
    Break(u16, u16),
    /// One side logs out; both connect again.
    Logout(bool),
    /// Both sides send everything again, as if asked for.
    Repeat,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), 1u8..6).prop_map(|(side, count)| Step::Send(side, count)),
        5 => (0u16..2000).prop_map(Step::Carry),
        2 => (0u8..6).prop_map(Step::Pump),
        1 => (1u8..50).prop_map(Step::Wait),
        1 => (0u16..600, 0u16..600).prop_map(|(a, b)| Step::Break(a, b)),
        1 => any::<bool>().prop_map(Step::Logout),
        1 => Just(Step::Repeat),
    ]
}

struct Pair {
    acceptor: Owner,
    initiator: Owner,
    sent: [Vec<String>; 2],
    /// Messages that crossed, as a bound on the whole.
    carried: usize,
}

impl Pair {
    fn new() -> Self {
        let owner = |role| {
            let mut plan = plan(role, FixVersion::Fix44);
            // Here bytes may be under way for any time; what is too old is rejected, and told, and not lost.
            plan.sending_time_tolerance_s = 1_000_000;
            Owner::new(role, &plan, 1, 1)
        };
        let mut pair = Self {
            acceptor: owner(Role::Acceptor),
            initiator: owner(Role::Initiator),
            sent: [Vec::new(), Vec::new()],
            carried: 0,
        };
        pair.connect();
        pair
    }

    fn connect(&mut self) {
        self.acceptor.connect();
        self.initiator.connect();
    }

    fn carry(&mut self, most: usize) {
        for to_acceptor in [true, false] {
            let (from, to) = if to_acceptor {
                (&mut self.initiator, &mut self.acceptor)
            } else {
                (&mut self.acceptor, &mut self.initiator)
            };
            let count = from.wire.len().min(most);
            let taken = to.receive(&from.wire[..count]);
            from.wire.drain(..taken);
            self.carried += (taken > 0) as usize;
        }
    }

    fn send(&mut self, side: bool, count: u8) {
        let owner = if side {
            &mut self.initiator
        } else {
            &mut self.acceptor
        };
        for _ in 0..count {
            // Also without a connection: then it is numbered, kept, and asked for later.
            let text = format!("m{}", self.sent[side as usize].len());
            owner.send_application(&text);
            self.sent[side as usize].push(text);
        }
    }

    fn break_line(&mut self, a: u16, b: u16) {
        let (to_a, to_i) = (
            self.initiator.wire.len().min(a as usize),
            self.acceptor.wire.len().min(b as usize),
        );
        let bytes = self.initiator.wire[..to_a].to_vec();
        self.acceptor.receive(&bytes);
        let bytes = self.acceptor.wire[..to_i].to_vec();
        self.initiator.receive(&bytes);
        self.acceptor.disconnect();
        self.initiator.disconnect();
    }

    /// A side that closed loses the connection on both sides.
    fn follow_closing(&mut self) {
        let closing = |owner: &Owner| matches!(owner.session.state(), State::Closing(_));
        if closing(&self.acceptor) || closing(&self.initiator) {
            self.break_line(u16::MAX, u16::MAX);
            self.connect();
        }
    }

    /// Until nothing is on the way any more.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            self.carry(usize::MAX);
            self.acceptor.pump(3);
            self.initiator.pump(3);
            self.follow_closing();
            let idle = |owner: &Owner| {
                owner.wire.is_empty()
                    && !owner.cursor.is_open()
                    && matches!(owner.session.state(), State::Active(_))
            };
            if idle(&self.acceptor) && idle(&self.initiator) {
                return;
            }
        }
        panic!(
            "no end of the dialogue:\n{:?}\n{:?}",
            self.acceptor.session, self.initiator.session
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn every_message_once_and_in_order(steps in proptest::collection::vec(step(), 0..60)) {
        let mut pair = Pair::new();
        for step in steps {
            match step {
                Step::Send(side, count) => pair.send(side, count),
                Step::Carry(most) => pair.carry(most as usize),
                Step::Pump(count) => {
                    pair.acceptor.pump(count as usize);
                    pair.initiator.pump(count as usize);
                }
                Step::Wait(seconds) => {
                    pair.acceptor.advance(seconds as u64 * 1_000_000_000);
                    pair.initiator.advance(seconds as u64 * 1_000_000_000);
                }
                Step::Break(a, b) => {
                    pair.break_line(a, b);
                    pair.connect();
                }
                Step::Logout(true) => pair.initiator.logout("bye"),
                Step::Logout(false) => pair.acceptor.logout("bye"),
                Step::Repeat => {
                    let both = [pair.acceptor.session.peek_next_out(), pair.initiator.session.peek_next_out()];
                    if both.iter().all(|next| *next > 1) {
                        pair.acceptor.cursor_request(both[0]);
                        pair.initiator.cursor_request(both[1]);
                    }
                }
            }
            pair.follow_closing();
        }
        pair.settle();
        // A heartbeat each shows what was lost at the very end.
        pair.acceptor.advance(31_000_000_000);
        pair.initiator.advance(31_000_000_000);
        pair.settle();
        prop_assert_eq!(&pair.acceptor.delivered, &pair.sent[1]);
        prop_assert_eq!(&pair.initiator.delivered, &pair.sent[0]);
        prop_assert_eq!(pair.acceptor.session.gap(), None);
        prop_assert_eq!(pair.acceptor.session.expected_in(), pair.initiator.session.peek_next_out());
        prop_assert_eq!(pair.initiator.session.expected_in(), pair.acceptor.session.peek_next_out());
    }
}

fn field() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("Y".to_string()),
        Just("N".to_string()),
        Just(String::new()),
        (0u64..12).prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        "[ -{}~]{0,70}",
    ];
    let tag = prop::sample::select(vec![
        7u32, 16, 34, 36, 43, 45, 49, 52, 56, 58, 97, 98, 108, 112, 115, 122, 123, 128, 141, 372,
    ]);
    (tag, value).prop_map(|(tag, value)| format!("{tag}={value}"))
}

#[derive(Clone, Debug)]
enum Input {
    Message {
        msg_type: &'static str,
        number: u64,
        header: bool,
        fields: Vec<String>,
    },
    Bytes(Vec<u8>),
    Wait(u8),
    Logout,
    Drop,
}

fn input() -> impl Strategy<Value = Input> {
    let types = vec!["0", "1", "2", "3", "4", "5", "A", "D", "8", "ZZZZZ", ""];
    prop_oneof![
        20 => (prop::sample::select(types), 0u64..12, prop::bool::weighted(0.9),
               proptest::collection::vec(field(), 0..6))
            .prop_map(|(msg_type, number, header, fields)| Input::Message { msg_type, number, header, fields }),
        2 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Input::Bytes),
        3 => (0u8..80).prop_map(Input::Wait),
        1 => Just(Input::Logout),
        2 => Just(Input::Drop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn actions_fit(
        initiator: bool,
        options in any::<[bool; 3]>(),
        logon: bool,
        inputs in proptest::collection::vec(input(), 0..40),
    ) {
        let role = if initiator { Role::Initiator } else { Role::Acceptor };
        let mut plan = plan(role, FixVersion::Fix42);
        [plan.reset_on_logon, plan.reset_on_logout, plan.reset_on_disconnect] = options;
        let mut owner = Owner::new(role, &plan, 1, 1);
        owner.connect();
        let names = format!(
            "49={}|56={}",
            plan.target_comp_id.to_string_lossy(),
            plan.sender_comp_id.to_string_lossy()
        );
        if logon {
            let body = format!("35=A|34=1|{names}|52={}|98=0|108=30", utc(Precision::Millis, owner.now.wall_ns));
            owner.receive(&frame("FIX.4.2", &body));
        }
        for input in inputs {
            let delivered = owner.delivered.len();
            let expected = owner.session.expected_in();
            match input {
                Input::Message { msg_type, number, header, fields } => {
                    // Most often the number expected, so that the dialogue goes deep.
                    let number = if number > 6 { owner.session.expected_in() } else { number };
                    let head = if header {
                        format!("|34={number}|{names}|52={}", utc(Precision::Millis, owner.now.wall_ns))
                    } else {
                        String::new()
                    };
                    let body = format!("35={msg_type}{head}|{}", fields.join("|"));
                    owner.receive(&frame("FIX.4.2", &body));
                    owner.pump(1_000);
                }
                Input::Bytes(bytes) => { owner.receive(&bytes); }
                Input::Wait(seconds) => owner.advance(seconds as u64 * 1_000_000_000),
                Input::Logout => owner.logout("bye"),
                Input::Drop => {
                    owner.disconnect();
                    owner.connect();
                }
            }
            // Whatever is delivered moves the number.
            let delivered = (owner.delivered.len() - delivered) as u64;
            prop_assert!(delivered == 0 || owner.session.expected_in() >= expected + delivered);
            prop_assert!(owner.actions_most <= ACTIONS_MAX);
            prop_assert_eq!(owner.logged_on, owner.session.gap().is_some() || matches!(owner.session.state(), State::Active(_) | State::LogoutSent { .. }));
        }
    }
}
