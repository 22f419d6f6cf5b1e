//! An acceptor that echoes: for conformance runs against foreign suites, and to show how the session layer is used as a library.
//!
//! One thread turns a `Switchboard`: sockets, sessions, and a log of what was sent. Without `--state` that lives in memory, and sessions
//! begin at 1 with each logon. With `--state DIR` it is on disk, and sessions go on with their numbers when the process comes back, also
//! after a `kill -9`: what was received and not echoed is echoed then, what was echoed can be asked for again. The application's
//! part is [`Echo`]: NewOrderSingle, SecurityDefinition and Email go back to their sender, other application messages are
//! refused. What always holds: a message is answered before the next one is looked at.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, Parser, error::ErrorKind};
use gatehouse::app::session_store::{Keeper, SessionStore};
use gatehouse::config::plan::{DictionaryFiles, FixPlan, FixVersion, Io};
use gatehouse::domain::time::{NS_PER_MS, NS_PER_S};
use gatehouse::domain::{Checks, Now};
use gatehouse::io::Sockets;
use gatehouse::session::ResendPolicy;
use gatehouse::sim::endpoint::Endpoint;
use gatehouse::stage::{
    Application, Dictionaries, PeerConfig, PeerEvent, Role, Stranger, Switchboard, Verdict,
};
use gatehouse::sys::clock::Clock;
use gatehouse::sys::sockets::{self, AnySockets, Choice};
use gatehouse::wire::fix::dictionary::{Dictionary, Part};
use gatehouse::wire::fix::{
    BusinessRejectReason, DecodeError, Header, Message, MsgType, NoRoom, Refusal, TimeText, Writer,
    tags,
};

const CONNECTIONS_MAX: usize = 64;
const COMP_ID_BYTES_MAX: usize = 31;
/// ClOrdIDs that are remembered of one logon; then all are forgotten.
const SEEN_MAX: usize = 1 << 16;
/// What may wait for the disk, with `--state`.
const WINDOW_BYTES: usize = 1 << 20;
const LOGON_TIMEOUT_NS: u64 = 10 * NS_PER_S;
const WAIT_NS: u64 = 10 * NS_PER_MS;
const LOG_OUT_NS: u64 = 3 * NS_PER_S;

/// Accept FIX sessions and echo orders, security definitions and e-mails
#[derive(Parser)]
struct Arguments {
    /// Port to listen on; 0: any, and standard error says which
    #[arg(long)]
    port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    address: IpAddr,
    /// SenderCompID(49) of ours
    #[arg(long, value_parser = comp_id)]
    sender: String,
    /// BEGINSTRING,TARGETCOMPID,DICTIONARY.xml[,APPLICATION.xml,default=FIX.5.0SP1][,allow-empty-values]
    #[arg(long = "session", required = true)]
    sessions: Vec<SessionArgument>,
    /// Directory in which sessions survive the process; without, they begin anew with each logon
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Sockets
    #[arg(long, default_value = "poll")]
    io: Io,
}

/// One `--session`.
#[derive(Clone)]
struct SessionArgument {
    version: FixVersion,
    target: String,
    files: DictionaryFiles,
    allow_empty_values: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (peers, echo) = arguments.peers().unwrap_or_else(|error| {
        let error = Arguments::command().error(ErrorKind::ValueValidation, error);
        error.exit()
    });
    match run(&arguments, peers, echo) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fix_echo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Until a signal.
fn run(arguments: &Arguments, peers: Vec<PeerConfig>, mut echo: Echo) -> std::io::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let choice = match arguments.io {
        Io::Auto => Choice::Auto,
        Io::Uring => Choice::Uring,
        Io::Poll => Choice::Poll,
    };
    let (sockets, _) = sockets::open(choice, CONNECTIONS_MAX)?;
    let mut clock = Clock::new();
    let (mut endpoint, keeper) = arguments.endpoint(sockets, peers, clock.now())?;
    let address = SocketAddr::new(arguments.address, arguments.port);
    eprintln!("listening on {}", endpoint.board.listen(0, address)?);
    println!("ready");
    std::io::stdout().flush()?;

    let mut deadline_ns = None;
    loop {
        let now = clock.now();
        let work = endpoint.board.duty_cycle(now, &mut echo);
        if deadline_ns.is_none() && stop.load(Ordering::Relaxed) {
            for peer in 0..endpoint.board.peers().len() {
                endpoint.board.log_out(peer, now, "", true, &mut echo);
            }
            deadline_ns = Some(now.mono_ns + LOG_OUT_NS);
        }
        endpoint.flush();
        if deadline_ns.is_some_and(|ns| now.mono_ns >= ns || endpoint.board.connected() == 0) {
            break;
        }
        if work == 0 {
            endpoint.board.sockets().wait(WAIT_NS);
        }
    }
    drop(endpoint);
    if let Some(keeper) = keeper {
        keeper.stop();
    }
    Ok(())
}

impl Arguments {
    /// What the session layer and the application know of each session.
    fn peers(&self) -> Result<(Vec<PeerConfig>, Echo), String> {
        let (mut dictionaries, mut peers) = (Dictionaries::default(), Vec::new());
        let mut echo = Echo::default();
        for (at, session) in self.sessions.iter().enumerate() {
            if self.sessions[..at]
                .iter()
                .any(|other| other.name() == session.name())
            {
                let (begin_string, target) = session.name();
                return Err(format!("--session: {begin_string},{target} stands twice"));
            }
            let dictionary = dictionaries.load(&session.files)?;
            let reset_on_logon = self.state.is_none();
            peers.push(session.peer(&self.sender, reset_on_logon, dictionary.clone()));
            let seen = HashSet::new();
            echo.peers.push(EchoPeer { dictionary, seen });
        }
        Ok((peers, echo))
    }

    /// The sessions over a log in memory or in the state directory.
    fn endpoint(
        &self,
        sockets: AnySockets,
        peers: Vec<PeerConfig>,
        now: Now,
    ) -> std::io::Result<(Endpoint<AnySockets>, Option<Keeper>)> {
        let Some(directory) = &self.state else {
            return Ok((Endpoint::new(sockets, peers, CONNECTIONS_MAX), None));
        };
        let names: Vec<String> = self
            .sessions
            .iter()
            .map(|session| {
                let (begin_string, target) = session.name();
                format!("{begin_string}:{target}")
            })
            .collect();
        let store = SessionStore::open(directory, &names, WINDOW_BYTES, now)
            .map_err(std::io::Error::other)?;
        let mut board =
            Switchboard::new(sockets, store.log, peers, CONNECTIONS_MAX, LOGON_TIMEOUT_NS);
        board.set_archive(store.archive);
        let board = board
            .resume(now, store.recovered, &names)
            .map_err(std::io::Error::other)?;
        Ok((Endpoint::kept(board), Some(store.keeper)))
    }
}

impl SessionArgument {
    fn name(&self) -> (Cow<'_, str>, &str) {
        (
            String::from_utf8_lossy(self.version.begin_string()),
            &self.target,
        )
    }

    fn peer(&self, sender: &str, reset_on_logon: bool, dictionary: Arc<Dictionary>) -> PeerConfig {
        PeerConfig {
            fix: FixPlan {
                reset_on_logon,
                checks: Checks {
                    empty_values: !self.allow_empty_values,
                    ..Checks::ALL
                },
                ..FixPlan::new(self.version, sender.as_bytes(), self.target.as_bytes())
            },
            dictionary: Some(dictionary),
            role: Role::Accept {
                allowed_sources: Vec::new(),
            },
            resend: ResendPolicy::Replay,
        }
    }
}

impl FromStr for SessionArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let mut next = |what: &str| {
            parts
                .next()
                .filter(|part| !part.is_empty())
                .ok_or(format!("{what} is missing"))
        };
        let begin_string = next("BEGINSTRING")?;
        let target = comp_id(next("TARGETCOMPID")?)?;
        let transport = next("DICTIONARY.xml")?.into();
        let (mut application, mut default, mut allow_empty_values) = (None, None, false);
        for part in parts {
            if part == "allow-empty-values" {
                allow_empty_values = true;
            } else if let Some(name) = part.strip_prefix("default=") {
                let version = FixVersion::from_name(name).filter(|version| version.is_fixt());
                default = Some(version.ok_or(format!(
                    "{part}: there are FIX.5.0, FIX.5.0SP1 and FIX.5.0SP2"
                ))?);
            } else if application.is_none() && part.ends_with(".xml") {
                application = Some(part.into());
            } else {
                return Err(format!("{part:?} means nothing"));
            }
        }
        let version = match (begin_string, default, &application) {
            ("FIXT.1.1", Some(version), Some(_)) => version,
            ("FIXT.1.1", ..) => {
                return Err("FIXT.1.1 needs APPLICATION.xml and default=FIX.5.0…".into());
            }
            (_, None, None) => FixVersion::from_name(begin_string)
                .filter(|version| version.begin_string() == begin_string.as_bytes())
                .ok_or(format!(
                    "BEGINSTRING {begin_string:?}: there are FIX.4.0 to FIX.4.4 and FIXT.1.1"
                ))?,
            _ => {
                return Err(format!(
                    "APPLICATION.xml and default are for FIXT.1.1, not {begin_string}"
                ));
            }
        };
        Ok(Self {
            version,
            target,
            files: DictionaryFiles {
                transport,
                application,
            },
            allow_empty_values,
        })
    }
}

fn comp_id(text: &str) -> Result<String, String> {
    match text.len() {
        1..=COMP_ID_BYTES_MAX => Ok(text.to_owned()),
        length => Err(format!(
            "a CompID has 1 to {COMP_ID_BYTES_MAX} characters, not {length}"
        )),
    }
}

/// The application: what is done with messages that the session layer lets through, each in sequence and once.
#[derive(Default)]
struct Echo {
    peers: Vec<EchoPeer>,
    /// The message to be sent back.
    msg_type: MsgType,
    fields: Vec<EchoField>,
}

struct EchoPeer {
    dictionary: Arc<Dictionary>,
    /// ClOrdIDs of the orders since the logon.
    seen: HashSet<Vec<u8>>,
}

/// A field; where it is the count of a repeating group, its members stand behind it in their own order.
struct EchoField {
    part: Part,
    tag: u32,
    value: Vec<u8>,
    members: Vec<(u32, Vec<u8>)>,
}

impl EchoPeer {
    /// Remembers an order; whether it may be one that was there before, and was.
    fn is_repeated(&mut self, order: &Message<'_>) -> bool {
        if self.seen.len() == SEEN_MAX {
            self.seen.clear();
        }
        let id = order.get(tags::CL_ORD_ID).unwrap_or_default();
        !self.seen.insert(id.to_vec()) && order.poss_resend()
    }
}

impl Application for Echo {
    fn has_room(&mut self) -> bool {
        true
    }

    fn on_message(&mut self, peer: usize, _: Now, _: u64, message: &Message<'_>) -> Verdict {
        let peer = &mut self.peers[peer];
        match message.msg_type_bytes() {
            b"D" if peer.is_repeated(message) => return Verdict::Unanswered,
            b"D" | b"d" | b"C" => {}
            _ => {
                return Verdict::Refused(DecodeError {
                    tag: 0,
                    refusal: Refusal::Business(BusinessRejectReason::UnsupportedMessageType),
                    text: "Unsupported Message Type",
                });
            }
        }
        self.msg_type = message.msg_type();
        self.fields.clear();
        let fields = &mut self.fields;
        peer.dictionary.visit_parts(message, |part, tag, value| {
            match (part, fields.last_mut()) {
                (Part::Trailer, _) => {}
                (Part::Header, _) if is_of_session_layer(tag) => {}
                (Part::Group, Some(count)) => count.members.push((tag, value.to_vec())),
                _ => fields.push(EchoField {
                    part,
                    tag,
                    value: value.to_vec(),
                    members: Vec::new(),
                }),
            }
        });
        fields.sort_by_key(|field| (field.part != Part::Header, field.tag));
        Verdict::Answered
    }

    fn answer(
        &mut self,
        _: usize,
        header: &Header<'_>,
        time: &mut TimeText,
        out: &mut [u8],
    ) -> Result<Range<usize>, NoRoom> {
        let header = Header {
            msg_type: self.msg_type,
            ..*header
        };
        let mut writer = Writer::begin(out, &header, time);
        for field in &self.fields {
            writer.echo(field.tag, &field.value);
            for (tag, value) in &field.members {
                writer.echo(*tag, value);
            }
        }
        writer.finish()
    }

    fn on_event(&mut self, peer: usize, _: Now, _: u64, event: PeerEvent) {
        if event == PeerEvent::LoggedOn {
            self.peers[peer].seen.clear();
        }
    }

    fn on_stranger(&mut self, _: Now, _: std::net::IpAddr, _: Stranger) {}
}

/// Header fields that the session layer writes itself, or that are true of one transmission only.
fn is_of_session_layer(tag: u32) -> bool {
    matches!(tag, 8 | 9 | 34 | 35 | 43 | 49 | 52 | 56 | 122 | 369)
}
