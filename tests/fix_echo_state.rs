//! `fix_echo --state`, killed with SIGKILL while orders stream in: each one is echoed once, by the numbers.
//!
//! The client is our own session layer as initiator, in this process; it lives through it all. `cargo test` builds the example.

mod support;

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gatehouse::app::log_reader::LogPlace;
use gatehouse::app::session_store::take_over;
use gatehouse::config::plan::FixPlan;
use gatehouse::domain::{FixVersion, Now};
use gatehouse::io::Sockets;
use gatehouse::journal::{Cause, LogId};
use gatehouse::session::ResendPolicy;
use gatehouse::sim::endpoint::Endpoint;
use gatehouse::stage::{Application, Closed, PeerConfig, PeerEvent, Role, Stranger, Verdict};
use gatehouse::sys::clock::Clock;
use gatehouse::sys::sockets::{self, Choice};
use gatehouse::wire::fix::{Header, Message, MsgType, Writer, tags};

const ORDERS: u64 = 2_000;
const KILLS: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(120);

/// What Gatehouse needs of FIX.4.4.
const DICTIONARY: &str = "<fix type='FIX' major='4' minor='4'>
<header><field name='BeginString' required='Y'/><field name='BodyLength' required='Y'/><field name='MsgType' required='Y'/>
 <field name='MsgSeqNum' required='Y'/><field name='SenderCompID' required='Y'/><field name='SendingTime' required='Y'/>
 <field name='TargetCompID' required='Y'/><field name='PossDupFlag' required='N'/>
 <field name='OrigSendingTime' required='N'/></header>
<trailer><field name='CheckSum' required='Y'/></trailer>
<messages>
 <message name='Heartbeat' msgtype='0' msgcat='admin'><field name='TestReqID' required='N'/></message>
 <message name='TestRequest' msgtype='1' msgcat='admin'><field name='TestReqID' required='Y'/></message>
 <message name='ResendRequest' msgtype='2' msgcat='admin'><field name='BeginSeqNo' required='Y'/><field name='EndSeqNo' required='Y'/></message>
 <message name='SequenceReset' msgtype='4' msgcat='admin'><field name='NewSeqNo' required='Y'/><field name='GapFillFlag' required='N'/></message>
 <message name='Logout' msgtype='5' msgcat='admin'><field name='Text' required='N'/></message>
 <message name='Logon' msgtype='A' msgcat='admin'><field name='EncryptMethod' required='Y'/><field name='HeartBtInt' required='Y'/></message>
 <message name='NewOrderSingle' msgtype='D' msgcat='app'><field name='ClOrdID' required='Y'/></message>
</messages><components/>
<fields><field number='8' name='BeginString' type='STRING'/><field number='9' name='BodyLength' type='INT'/>
 <field number='35' name='MsgType' type='STRING'/><field number='34' name='MsgSeqNum' type='INT'/>
 <field number='49' name='SenderCompID' type='STRING'/><field number='52' name='SendingTime' type='UTCTIMESTAMP'/>
 <field number='56' name='TargetCompID' type='STRING'/><field number='43' name='PossDupFlag' type='BOOLEAN'/>
 <field number='122' name='OrigSendingTime' type='UTCTIMESTAMP'/><field number='10' name='CheckSum' type='STRING'/>
 <field number='98' name='EncryptMethod' type='INT'/><field number='108' name='HeartBtInt' type='INT'/>
 <field number='112' name='TestReqID' type='STRING'/><field number='58' name='Text' type='STRING'/>
 <field number='7' name='BeginSeqNo' type='INT'/><field number='16' name='EndSeqNo' type='INT'/>
 <field number='36' name='NewSeqNo' type='INT'/><field number='123' name='GapFillFlag' type='BOOLEAN'/>
 <field number='11' name='ClOrdID' type='STRING'/></fields></fix>";

/// What came back.
#[derive(Default)]
struct Ledger {
    echoed: Vec<u64>,
    repeated: u64,
    logged_on: bool,
    logons: u64,
}

impl Application for Ledger {
    fn has_room(&mut self) -> bool {
        true
    }
    fn on_message(&mut self, _: usize, _: Now, _: u64, message: &Message<'_>) -> Verdict {
        self.repeated += message.poss_dup() as u64;
        let id = message.get_u64(tags::CL_ORD_ID);
        self.echoed.push(id.expect("a number"));
        Verdict::Taken
    }
    fn on_event(&mut self, _: usize, _: Now, _: u64, event: PeerEvent) {
        match event {
            PeerEvent::LoggedOn => (self.logged_on, self.logons) = (true, self.logons + 1),
            PeerEvent::LoggedOut => self.logged_on = false,
            PeerEvent::SequenceReset(cause) => panic!("the numbers were reset: {cause:?}"),
            _ => {}
        }
    }
    fn on_stranger(&mut self, _: Now, _: IpAddr, _: Stranger) {}
}

/// The program; killed when it is dropped.
struct Program(Child);

impl Program {
    fn start(directory: &Path, port: u16) -> Self {
        let tests = std::env::current_exe().expect("own path");
        let target = tests.parent().and_then(|deps| deps.parent());
        let program = target
            .expect("a target directory")
            .join("examples/fix_echo");
        let session = format!("FIX.4.4,TW,{}", directory.join("FIX44.xml").display());
        let mut child = Command::new(program)
            .args(["--port", &port.to_string(), "--sender", "ISLD"])
            .args(["--session", &session, "--state"])
            .arg(directory.join("state"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("run `cargo build --example fix_echo` first");
        let mut line = String::new();
        let mut told = BufReader::new(child.stdout.take().expect("piped"));
        told.read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn each_order_is_echoed_once_however_often_the_program_is_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    std::fs::write(directory.join("FIX44.xml"), DICTIONARY).expect("written");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let port = port.expect("a port").port();
    let (sockets, _) = sockets::open(Choice::Poll, 4).expect("sockets");
    let peer = PeerConfig {
        fix: FixPlan::new(FixVersion::Fix44, b"TW", b"ISLD"),
        role: Role::Connect {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            reconnect_min_ms: 2,
            reconnect_max_ms: 20,
        },
        resend: ResendPolicy::Replay,
        dictionary: None,
    };
    let mut client = Endpoint::new(sockets, vec![peer], 4);
    let (mut clock, mut ledger) = (Clock::new(), Ledger::default());
    let mut program = Program::start(directory, port);
    let (mut sent, mut kills) = (0, 0);
    let until = Instant::now() + PATIENCE;
    while (ledger.echoed.len() as u64) < ORDERS || kills < KILLS {
        assert!(Instant::now() < until, "{} echoed", ledger.echoed.len());
        let now = clock.now();
        if ledger.logged_on && sent < ORDERS && sent < ledger.echoed.len() as u64 + 100 {
            sent += 1;
            let record = client
                .board
                .send(0, now, Cause::default(), |header, time, out| {
                    let msg_type = MsgType::from_bytes(b"D");
                    let header = Header {
                        msg_type,
                        ..*header
                    };
                    let mut writer = Writer::begin(out, &header, time);
                    writer.u64(tags::CL_ORD_ID, sent);
                    writer.finish()
                });
            record.expect("room");
        }
        let work = client.board.duty_cycle(now, &mut ledger);
        client.flush();
        if kills < KILLS && sent >= (kills + 1) * ORDERS / (KILLS + 1) {
            // While some are on their way, some in the log and some answers in the socket.
            kills += 1;
            if kills % 2 == 0 {
                // Echoes that left and that nobody reads.
                std::thread::sleep(Duration::from_millis(5));
                let board = &mut client.board;
                board.disconnect(0, now, Closed::Operator, true, &mut ledger);
            }
            drop(program);
            program = Program::start(directory, port);
        }
        if work == 0 {
            client.board.sockets().wait(1_000_000);
        }
    }
    let expected: Vec<u64> = (1..=ORDERS).collect();
    assert!(ledger.echoed == expected, "lost, doubled or out of order");
    assert!(ledger.logons > KILLS, "{}", ledger.logons);
    assert!(ledger.repeated > 0, "nothing was sent again");
    drop(program);
    let session = &client.board.peer(0).session;
    let state = directory.join("state");
    let place = LogPlace::new(state.join("log"), Some(state.join("staging")));
    let recovered = take_over(&place, LogId::Client, 1).expect("a whole log").0;
    let found = recovered.peer("FIX.4.4:TW").expect("the session");
    assert_eq!(found.next_in, session.peek_next_out());
    assert_eq!(found.next_out, session.expected_in());
    assert!(found.unanswered.is_empty());
    println!("{kills} kills, {} echoes came again", ledger.repeated);
}
