//! `examples/fix_echo` from outside: its arguments, and a dialogue over TCP with a dictionary of our own.
//!
//! The definitions of `scripts/conformance` prove its session layer; here is what they leave open: repeating groups, several
//! messages in one segment, the end by a signal. `cargo test` builds the example.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// What Gatehouse needs of FIX.4.4, and a group within a group.
const DICTIONARY: &str = "<fix type='FIX' major='4' minor='4'>
<header><field name='BeginString' required='Y'/><field name='BodyLength' required='Y'/><field name='MsgType' required='Y'/>
 <field name='MsgSeqNum' required='Y'/><field name='SenderCompID' required='Y'/><field name='SendingTime' required='Y'/>
 <field name='TargetCompID' required='Y'/><field name='PossResend' required='N'/><field name='PossDupFlag' required='N'/>
 <field name='OnBehalfOfCompID' required='N'/>
 <field name='OrigSendingTime' required='N'/></header>
<trailer><field name='CheckSum' required='Y'/></trailer>
<messages>
 <message name='Logon' msgtype='A' msgcat='admin'><field name='EncryptMethod' required='Y'/><field name='HeartBtInt' required='Y'/></message>
 <message name='TestRequest' msgtype='1' msgcat='admin'><field name='TestReqID' required='Y'/></message>
 <message name='Logout' msgtype='5' msgcat='admin'><field name='Text' required='N'/></message>
 <message name='News' msgtype='B' msgcat='app'><field name='Text' required='Y'/></message>
 <message name='NewOrderSingle' msgtype='D' msgcat='app'><field name='ClOrdID' required='Y'/><field name='Symbol' required='Y'/>
  <group name='NoAllocs' required='N'><field name='AllocAccount' required='N'/>
   <group name='NoNested' required='N'><field name='Nested' required='N'/></group>
   <field name='AllocQty' required='N'/></group></message>
</messages><components/>
<fields><field number='8' name='BeginString' type='STRING'/><field number='9' name='BodyLength' type='INT'/>
 <field number='35' name='MsgType' type='STRING'/><field number='34' name='MsgSeqNum' type='INT'/>
 <field number='49' name='SenderCompID' type='STRING'/><field number='52' name='SendingTime' type='UTCTIMESTAMP'/>
 <field number='56' name='TargetCompID' type='STRING'/><field number='97' name='PossResend' type='BOOLEAN'/>
 <field number='43' name='PossDupFlag' type='BOOLEAN'/><field number='115' name='OnBehalfOfCompID' type='STRING'/>
 <field number='122' name='OrigSendingTime' type='UTCTIMESTAMP'/>
 <field number='10' name='CheckSum' type='STRING'/><field number='98' name='EncryptMethod' type='INT'/>
 <field number='108' name='HeartBtInt' type='INT'/><field number='112' name='TestReqID' type='STRING'/>
 <field number='58' name='Text' type='STRING'/><field number='11' name='ClOrdID' type='STRING'/>
 <field number='55' name='Symbol' type='STRING'/><field number='78' name='NoAllocs' type='NUMINGROUP'/>
 <field number='79' name='AllocAccount' type='STRING'/><field number='80' name='AllocQty' type='QTY'/>
 <field number='539' name='NoNested' type='NUMINGROUP'/><field number='524' name='Nested' type='STRING'/></fields></fix>";

fn fix_echo() -> Command {
    let tests = std::env::current_exe().expect("own path");
    let program = tests.parent().and_then(|deps| deps.parent());
    let program = program
        .expect("a target directory")
        .join("examples/fix_echo");
    assert!(
        program.exists(),
        "run `cargo build --example fix_echo` first"
    );
    Command::new(program)
}

struct World {
    dictionary: PathBuf,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let dictionary = directory.path().join("FIX44.xml");
        std::fs::write(&dictionary, DICTIONARY).expect("written");
        Self {
            dictionary,
            _directory: directory,
        }
    }

    fn refused(&self, sessions: &[&str]) -> Output {
        let mut command = fix_echo();
        command.args(["--port", "0", "--sender", "ISLD"]);
        for session in sessions {
            let session = session.replace("DICT", self.dictionary.to_str().expect("text"));
            command.args(["--session", &session]);
        }
        command.output().expect("run")
    }
}

#[test]
fn mistakes_in_the_arguments_are_told_and_end_with_2() {
    let world = World::new();
    let long = format!("FIX.4.4,{},DICT", "T".repeat(32));
    let mistakes: &[(&[&str], &str)] = &[
        (&[], "--session"),
        (&["FIX.4.4"], "TARGETCOMPID is missing"),
        (&["FIX.4.4,TW"], "DICTIONARY.xml is missing"),
        (&["FIX.4.9,TW,DICT"], "\"FIX.4.9\""),
        (&["FIX.5.0,TW,DICT"], "\"FIX.5.0\""),
        (&["FIXT.1.1,TW,DICT,DICT"], "default=FIX.5.0"),
        (&["FIXT.1.1,TW,DICT,default=FIX.5.0"], "APPLICATION.xml"),
        (
            &["FIXT.1.1,TW,DICT,DICT,default=FIX.4.4"],
            "default=FIX.4.4",
        ),
        (&["FIX.4.4,TW,DICT,default=FIX.5.0"], "not FIX.4.4"),
        (&["FIX.4.4,TW,DICT,nonsense"], "\"nonsense\""),
        (&["FIX.4.4,TW,/nowhere.xml"], "/nowhere.xml: No such file"),
        (
            &["FIX.4.4,TW,DICT", "FIX.4.4,TW,DICT"],
            "FIX.4.4,TW stands twice",
        ),
        (&[&long], "not 32"),
    ];
    for (sessions, text) in mistakes {
        let output = world.refused(sessions);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{sessions:?}: {told}");
        assert!(told.contains(text), "{sessions:?}: {told}");
        assert!(output.stdout.is_empty(), "{sessions:?}");
    }
}

/// A running program and a connection to it.
struct Dialogue {
    program: Child,
    stream: TcpStream,
    next_out: u32,
}

impl Dialogue {
    fn begin(world: &World, options: &str) -> Self {
        let session = format!("FIX.4.4,TW,{}{options}", world.dictionary.display());
        let mut program = fix_echo()
            .args(["--port", "0", "--sender", "ISLD", "--session", &session])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut line = String::new();
        let mut told = BufReader::new(program.stdout.take().expect("piped"));
        told.read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        line.clear();
        let mut told = BufReader::new(program.stderr.take().expect("piped"));
        told.read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .expect("an address");
        let stream = TcpStream::connect(address).expect("connected");
        let timeout = Some(Duration::from_secs(30));
        stream.set_read_timeout(timeout).expect("a timeout");
        let next_out = 1;
        let mut dialogue = Self {
            program,
            stream,
            next_out,
        };
        dialogue.send(&["35=A|98=0|108=30|"]);
        dialogue.expect("35=A|34=1|", "98=0|108=30|");
        dialogue
    }

    /// Sends messages in one segment: type first, then what follows the header.
    fn send(&mut self, messages: &[&str]) {
        let mut bytes = Vec::new();
        for message in messages {
            let (msg_type, rest) = message.split_once('|').expect("fields");
            let number = self.next_out;
            self.next_out += 1;
            let time = utc_now();
            let body = format!("{msg_type}|34={number}|49=TW|52={time}|56=ISLD|{rest}");
            let text = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
            let sum = text.bytes().fold(0u8, u8::wrapping_add);
            bytes.extend_from_slice(format!("{text}10={sum:03}\x01").as_bytes());
        }
        self.stream.write_all(&bytes).expect("sent");
    }

    /// The next message: what stands before 49, and what stands behind 56.
    fn expect(&mut self, before: &str, behind: &str) {
        let text = self.receive();
        let (_, body) = text.split_once("|35=").expect("a MsgType");
        let (head, rest) = body.split_once("49=ISLD|52=").expect("a header");
        let (_, rest) = rest.split_once("56=TW|").expect("a TargetCompID");
        let (rest, _) = rest.rsplit_once("10=").expect("a CheckSum");
        assert_eq!(
            (format!("35={head}").as_str(), rest),
            (before, behind),
            "{text}"
        );
    }

    fn receive(&mut self) -> String {
        let mut bytes = Vec::new();
        let is_whole =
            |bytes: &[u8]| bytes.len() > 7 && bytes[bytes.len() - 8..].starts_with(b"\x0110=");
        while !is_whole(&bytes) {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("a byte");
            bytes.push(byte[0]);
        }
        String::from_utf8(bytes).expect("text").replace('\x01', "|")
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn utc_now() -> String {
    use gatehouse::wire::fix::{Precision, TimeText};
    let now = gatehouse::sys::clock::Clock::with_kernel().now();
    let mut text = TimeText::new(Precision::Millis);
    let text = text.write(now.wall_ns);
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

#[test]
fn each_message_of_a_segment_is_answered_in_its_turn() {
    let world = World::new();
    let mut dialogue = Dialogue::begin(&world, "");
    let order = "115=OB|78=2|79=b|539=2|524=y|524=x|80=5|79=a|80=1|55=S|11=one|";
    dialogue.send(&[
        &format!("35=D|{order}"),
        "35=1|112=ping|",
        "35=B|58=news|",
        "35=D|97=Y|55=S|11=one|",
        "35=D|97=Y|55=S|11=two|",
        "35=D|43=Y|122=20260101-00:00:00|97=N|55=S|11=three|",
        "35=5|",
    ]);
    let groups = "78=2|79=b|539=2|524=y|524=x|80=5|79=a|80=1|";
    dialogue.expect("35=D|34=2|", &format!("115=OB|11=one|55=S|{groups}"));
    dialogue.expect("35=0|34=3|", "112=ping|");
    dialogue.expect(
        "35=j|34=4|",
        "45=4|58=Unsupported Message Type|372=B|380=3|",
    );
    dialogue.expect("35=D|34=5|", "97=Y|11=two|55=S|");
    dialogue.expect("35=D|34=6|", "97=N|11=three|55=S|");
    dialogue.expect("35=5|34=7|", "");
    assert_eq!(dialogue.stream.read(&mut [0]).expect("an end"), 0);
}

#[test]
fn empty_values_come_back_where_they_are_allowed() {
    let world = World::new();
    let messages = ["35=1|112=|", "35=D|55=|11=one|"];
    let mut strict = Dialogue::begin(&world, "");
    strict.send(&messages);
    let refused = |number, tag, msg_type| {
        format!("45={number}|58=Tag specified without a value|371={tag}|372={msg_type}|373=4|")
    };
    strict.expect("35=3|34=2|", &refused(2, 112, "1"));
    strict.expect("35=3|34=3|", &refused(3, 55, "D"));
    let mut lax = Dialogue::begin(&world, ",allow-empty-values");
    lax.send(&messages);
    lax.expect("35=0|34=2|", "112=|");
    lax.expect("35=D|34=3|", "11=one|55=|");
}

#[test]
fn a_member_of_a_group_is_looked_for_in_its_place_before_its_value() {
    let world = World::new();
    let mut dialogue = Dialogue::begin(&world, "");
    dialogue.send(&[
        "35=D|55=S|11=one|78=1|79=a|80=x|",
        "35=D|55=S|11=one|78=1|80=x|79=a|",
    ]);
    let rejected = |number, text| format!("45={number}|58={text}|371=80|372=D|");
    let value = rejected(2, "Incorrect data format for value") + "373=6|";
    dialogue.expect("35=3|34=2|", &value);
    let place = rejected(3, "Out of order repeating group members") + "373=15|";
    dialogue.expect("35=3|34=3|", &place);
}

#[test]
fn a_signal_ends_it_with_a_logout() {
    let world = World::new();
    let mut dialogue = Dialogue::begin(&world, "");
    let id = dialogue.program.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status();
    assert!(sent.expect("kill").success());
    dialogue.expect("35=5|34=2|", "");
    dialogue.send(&["35=5|"]);
    assert_eq!(dialogue.stream.read(&mut [0]).expect("an end"), 0);
    let status = dialogue.program.wait().expect("ended");
    assert_eq!(status.code(), Some(0));
}
