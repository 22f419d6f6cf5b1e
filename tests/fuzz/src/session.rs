//! A session of either role and any version, told a story by a peer that may do anything: the same lines as in
//! `tests/vectors/fix/*.script`, so that what is found can be kept as a scenario. Lines that make no sense are left out.
//!
//! Besides: `<n>`, `<n+2>`, `<n-1>` are the number expected and its neighbours, `<o>` the number that the session uses next;
//! `C BYTES` sends what follows in pieces of that size; `P STEPS` resends so many steps.
//! Always: delivered numbers rise, each once; numbers are used once; the list of actions does not run over; whatever was, an
//! honest peer can log on afterwards and its message is delivered.
#![no_main]

#[path = "../../session_owner/mod.rs"]
mod session_owner;

use std::sync::{Arc, LazyLock};

use gatehouse::config::plan::{FixPlan, FixVersion};
use gatehouse::limits::SEQUENCE_NUMBER_MAX;
use gatehouse::session::action::ACTIONS_MAX;
use gatehouse::session::{ResendPolicy, Role, State};
use gatehouse::wire::fix::Precision;
use gatehouse::wire::fix::dictionary::Dictionary;
use libfuzzer_sys::fuzz_target;
use session_owner::{Owner, frame, plan, utc};

/// Keeps one story short: sums of waits and of steps of a resend.
const WAIT_S_MAX: u64 = 200;
const STEPS_MAX: usize = 64;

static DICTIONARY: LazyLock<Arc<Dictionary>> = LazyLock::new(|| {
    let model = Dictionary::from_quickfix_xml(include_str!("../seeds/small.xml"));
    let dictionary = Dictionary::compile(&model.expect("it can be read"), None);
    Arc::new(dictionary.expect("it can be compiled"))
});

fuzz_target!(|data: &[u8]| {
    // As in a message: any byte may stand in a value.
    let text: String = data.iter().map(|&byte| byte as char).collect();
    let mut lines = text.lines().map(str::trim_start).peekable();
    let mut story = Story::begin(&mut lines);
    for line in lines {
        story.step(line);
        story.check();
    }
    story.honest_peer_logs_on();
});

struct Story {
    owner: Owner,
    plan: FixPlan,
    begin_string: &'static str,
    /// Came, and is no whole message yet.
    inbox: Vec<u8>,
    piece: usize,
    waited_s: u64,
    /// The number delivered last, or skipped by a reset.
    delivered: u64,
    expected: u64,
}

impl Story {
    fn begin<'a>(lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Self {
        let (mut role, mut version) = (Role::Acceptor, FixVersion::Fix44);
        let (mut policy, mut numbers) = (ResendPolicy::Replay, (1, 1));
        let (mut options, mut dictionary) = (Vec::new(), None);
        while let Some(line) = lines.peek() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "role" if rest == "initiator" => role = Role::Initiator,
                "version" => version = FixVersion::from_name(rest).unwrap_or(version),
                "set" => options.push(rest),
                "policy" => policy = ResendPolicy::GapFillAll,
                "numbers" => {
                    let mut each = rest.split(' ').map(number);
                    let mut next = || each.next().unwrap_or(1).clamp(1, SEQUENCE_NUMBER_MAX);
                    numbers = (next(), next());
                }
                _ => break,
            }
            lines.next();
        }
        let mut plan = plan(role, version);
        for option in options {
            match option {
                "reset_on_logon" => plan.reset_on_logon = true,
                "reset_on_logout" => plan.reset_on_logout = true,
                "reset_on_disconnect" => plan.reset_on_disconnect = true,
                "next_expected" => plan.next_expected_msg_seq_num = true,
                "last_processed" => plan.last_msg_seq_num_processed = true,
                "micros" => plan.precision = Precision::Micros,
                "dictionary" => dictionary = Some(Arc::clone(&DICTIONARY)),
                _ => {}
            }
        }
        let mut owner = Owner::new(role, &plan, numbers.0, numbers.1);
        owner.session = owner.session.with_dictionary(dictionary);
        owner.policy = policy;
        Self {
            begin_string: std::str::from_utf8(version.begin_string()).expect("ASCII"),
            expected: owner.session.expected_in(),
            owner,
            plan,
            inbox: Vec::new(),
            piece: usize::MAX,
            waited_s: 0,
            delivered: 0,
        }
    }

    fn step(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let owner = &mut self.owner;
        match word {
            "iCONNECT" => self.connect(),
            "iDISCONNECT" => self.disconnect(),
            "iLOGOUT" => owner.logout(rest),
            "iRESET" => owner.start_reset(),
            "iPROBE" => owner.probe(number(rest).min(WAIT_S_MAX)),
            "iAPP" => owner.send_application(&rest[..floor(rest, 60)]),
            "T" => {
                let seconds = number(rest.strip_prefix('+').unwrap_or(rest));
                let seconds = seconds.min(WAIT_S_MAX - self.waited_s);
                self.waited_s += seconds;
                owner.advance(seconds * 1_000_000_000);
            }
            "C" => self.piece = number(rest).clamp(1, 1 << 16) as usize,
            "P" => owner.pump((number(rest) as usize).min(STEPS_MAX)),
            "I" => {
                let mut body = self.expand(rest);
                // As the scripts do: FIXT needs it, and no other version minds.
                if let Some(version) = self.plan.version.appl_ver_id()
                    && body.starts_with("35=A|")
                    && !body.contains("|1137=")
                {
                    body += &format!("|1137={}", version as char);
                }
                let bytes = match body
                    .strip_prefix("8=")
                    .and_then(|body| body.split_once('|'))
                {
                    Some((begin, body)) => frame(begin, body),
                    None => frame(self.begin_string, &body),
                };
                self.receive(&bytes);
            }
            "R" => {
                let bytes = self.expand(rest).replace('|', "\u{1}").into_bytes();
                self.receive(&bytes);
            }
            _ => {}
        }
    }

    fn connect(&mut self) {
        self.disconnect();
        self.owner.connect();
    }

    fn disconnect(&mut self) {
        if self.owner.connected {
            self.owner.disconnect();
        }
        self.inbox.clear();
    }

    fn receive(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            if !self.owner.connected {
                return;
            }
            self.inbox.extend_from_slice(piece);
            let taken = self.owner.receive(&self.inbox);
            self.inbox.drain(..taken);
            self.owner.pump(STEPS_MAX);
            self.check();
        }
    }

    /// Replaces `~` and what stands between `<` and `>`.
    fn expand(&self, text: &str) -> String {
        let owner = &self.owner;
        let (own, peer) = (owner.ids.sender_comp_id, owner.ids.target_comp_id);
        let (own, peer) = (own.to_string_lossy(), peer.to_string_lossy());
        let text = text
            .replace('~', &format!("49={peer}|52=<t>|56={own}"))
            .replace("<own>", &own)
            .replace("<peer>", &peer)
            .replace("<other>", "FIX.4.1");
        let mut out = String::with_capacity(text.len() + 40);
        let mut rest = text.as_str();
        while let Some((before, behind)) = rest.split_once('<') {
            out.push_str(before);
            rest = behind;
            let Some((name, after)) = behind.split_once('>') else {
                continue;
            };
            let shift: i64 = name
                .get(1..)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
            let shift = shift.clamp(-1_000_000, 1_000_000);
            let value = match name.bytes().next() {
                Some(b't') => utc(
                    owner.precision,
                    owner
                        .now
                        .wall_ns
                        .saturating_add_signed(shift * 1_000_000_000),
                ),
                Some(b'n') => owner
                    .session
                    .expected_in()
                    .saturating_add_signed(shift)
                    .to_string(),
                Some(b'o') => owner
                    .session
                    .peek_next_out()
                    .saturating_add_signed(shift)
                    .to_string(),
                _ => continue,
            };
            out.push_str(&value);
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// What always holds.
    fn check(&mut self) {
        let owner = &mut self.owner;
        assert!(owner.actions_most <= ACTIONS_MAX);
        let mut was_reset = false;
        for event in owner.events.drain(..) {
            if let Some(number) = event.strip_prefix("eDELIVER ") {
                let number: u64 = number.parse().expect("a number");
                assert!(number > self.delivered, "{number} after {}", self.delivered);
                self.delivered = number;
            } else if let Some(numbers) = event.strip_prefix("eNUMBERS ") {
                let next_in = numbers.split(' ').next().expect("a number");
                self.delivered = next_in.parse::<u64>().expect("a number") - 1;
                was_reset = true;
            }
        }
        owner.wire.clear();
        owner.delivered.clear();
        let expected = owner.session.expected_in();
        assert!(
            was_reset || expected >= self.expected,
            "{expected} after {}",
            self.expected
        );
        assert!(
            self.delivered < expected,
            "{} is to come again",
            self.delivered
        );
        self.expected = expected;
        let live = matches!(
            owner.session.state(),
            State::Active(_) | State::LogoutSent { .. }
        );
        assert_eq!(owner.logged_on, live);
    }

    fn honest_peer_logs_on(&mut self) {
        self.connect();
        let own_logon: String = self.owner.events.concat();
        self.check();
        let mut logon = "35=A|34=<n>|~|98=0|108=30".to_owned();
        let is_initiator = self.owner.session.role() == Role::Initiator;
        if is_initiator && own_logon.contains("|141=Y") {
            logon += "|141=Y";
        }
        if self.plan.next_expected_msg_seq_num {
            logon += "|789=<o>";
        }
        // Such a session begins anew, and its peer knows.
        if self.plan.reset_on_logon && !is_initiator {
            logon = logon.replace("<n>", "1").replace("<o>", "1");
        }
        (self.piece, self.waited_s) = (usize::MAX, 0);
        self.step(&format!("I {logon}"));
        let active = matches!(self.owner.session.state(), State::Active(_));
        assert!(active, "locked out: {:?}", self.owner.session);
        assert_eq!(self.owner.session.gap(), None);
        let number = self.owner.session.expected_in();
        self.step("I 35=D|34=<n>|~|11=honest|54=1|60=<t>");
        assert_eq!(
            self.delivered, number,
            "not delivered: {:?}",
            self.owner.session
        );
    }
}

fn number(text: &str) -> u64 {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().unwrap_or(0)
}

/// The place in `text` at or before `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}
