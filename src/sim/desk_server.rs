//! The simulated desk on the network: one FIX acceptor per link, all of them serving one book.
//!
//! One thread owns it and calls `duty_cycle`. Each link is a listener of its own with one session, so that several links may use
//! the same CompIDs, as desks' primary and standby ports do. What the book says is sent in its order; where a link takes nothing
//! more it waits here, and while much waits no more requests are read.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::domain::{FixVersion, Now};
use crate::io::Sockets;
use crate::journal::Cause;
use crate::limits::{SIM_DESK_OUTPUTS_MAX, SIM_DESK_TIMERS_PER_CYCLE};
use crate::sim::desk::{DeskBook, DeskConfig};
use crate::sim::desk_codec::{self, RunPrefix};
use crate::sim::desk_command::{CommandError, DeskCommand};
use crate::sim::desk_ledger::DeskLedger;
use crate::sim::desk_message::DeskOutput;
use crate::sim::endpoint::{self, Endpoint};
use crate::sim::ledger_file;
use crate::sim::line_events::{LineEvent, LineEvents};
use crate::stage::Closed;
use crate::stage::{Application, PeerEvent, Role, Stranger, Verdict};
use crate::wire::fix::Message;

/// Connections of one link: its session's, and strangers until they are refused.
pub const CONNECTIONS_PER_LINK: usize = 16;

/// One link's port and names.
#[derive(Clone, Debug)]
pub struct DeskLinkConfig {
    /// Where it listens
    pub address: SocketAddr,
    /// SenderCompID(49) of the desk
    pub sender: String,
    /// TargetCompID(56): who may connect
    pub target: String,
}

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct DeskServerConfig {
    /// Its links, in order
    pub links: Vec<DeskLinkConfig>,
    /// BeginString(8)
    pub version: FixVersion,
    /// Before the number in ExecID(17) and OrderID(37): differs from run to run
    pub prefix: RunPrefix,
    /// The book; `links` is set from the list above
    pub book: DeskConfig,
}

/// The server.
pub struct DeskServer<S: Sockets> {
    links: Vec<Endpoint<S>>,
    addresses: Vec<SocketAddr>,
    book: DeskBook,
    prefix: RunPrefix,
    made: Vec<DeskOutput>,
    waiting: VecDeque<DeskOutput>,
    lines: LineEvents,
}

/// One link's view of the book while its messages are taken.
struct LinkApplication<'a> {
    book: &'a mut DeskBook,
    link: usize,
    made: &'a mut Vec<DeskOutput>,
    lines: &'a mut LineEvents,
    may_take: usize,
}

impl Application for LinkApplication<'_> {
    fn has_room(&mut self) -> bool {
        self.made.len() < self.may_take
    }

    fn on_message(&mut self, _: usize, now: Now, _: u64, message: &Message<'_>) -> Verdict {
        match desk_codec::decode_request(message) {
            Ok(request) => {
                self.book.on_request(now, self.link, &request, self.made);
                Verdict::Taken
            }
            Err(error) => Verdict::Refused(error),
        }
    }

    fn on_event(&mut self, _: usize, now: Now, _: u64, event: PeerEvent) {
        let open = self.book.held().0 as u64;
        self.lines.note(now, self.link, &event, open);
        match event {
            PeerEvent::LoggedOn => self.book.on_link(self.link, true, self.made),
            PeerEvent::LoggedOut | PeerEvent::Disconnected(_) => {
                self.book.on_link(self.link, false, self.made);
            }
            _ => {}
        }
    }

    fn on_stranger(&mut self, _: Now, _: IpAddr, _: Stranger) {}
}

impl<S: Sockets> DeskServer<S> {
    /// Listens on all links; one sockets value for each.
    pub fn new(sockets: Vec<S>, config: DeskServerConfig) -> io::Result<Self> {
        assert_eq!(
            sockets.len(),
            config.links.len(),
            "one sockets value per link"
        );
        let mut links = Vec::new();
        let mut addresses = Vec::new();
        for (sockets, link) in sockets.into_iter().zip(&config.links) {
            let allowed_sources = Vec::new();
            let role = Role::Accept { allowed_sources };
            let peer = endpoint::peer(config.version, &link.sender, &link.target, role, false);
            let mut endpoint = Endpoint::new(sockets, vec![peer], CONNECTIONS_PER_LINK);
            addresses.push(endpoint.board.listen(0, link.address)?);
            links.push(endpoint);
        }
        let book = DeskBook::new(DeskConfig {
            links: links.len(),
            ..config.book
        });
        Ok(Self {
            links,
            addresses,
            book,
            prefix: config.prefix,
            made: Vec::new(),
            waiting: VecDeque::new(),
            lines: LineEvents::default(),
        })
    }

    /// Where the links listen, in order.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What came and what was filled.
    pub fn ledger(&self) -> &DeskLedger {
        self.book.ledger()
    }

    /// Links that came and went since this was last asked, oldest first.
    pub fn take_events(&mut self) -> impl Iterator<Item = LineEvent> + '_ {
        self.lines.take()
    }

    /// Writes the whole ledger as one JSON object, sorted by id.
    pub fn write_ledger(&self, out: impl io::Write) -> io::Result<()> {
        let mut lines = self.lines.totals();
        let lost = self.links.iter().map(|it| it.board.traffic().resend_lost);
        lines.resend_lost = lost.sum();
        ledger_file::write_desk(out, &self.book, &lines)
    }

    /// The book.
    pub fn book(&self) -> &DeskBook {
        &self.book
    }

    /// Links whose session stands.
    pub fn links_up(&self) -> usize {
        self.links.iter().map(|link| link.board.connected()).sum()
    }

    /// One turn over all links and timers; returns how much was done.
    pub fn duty_cycle(&mut self, now: Now) -> usize {
        let mut work = 0;
        for link in 0..self.links.len() {
            let mut application = LinkApplication {
                book: &mut self.book,
                link,
                made: &mut self.made,
                lines: &mut self.lines,
                may_take: SIM_DESK_OUTPUTS_MAX.saturating_sub(self.waiting.len()),
            };
            work += self.links[link].board.duty_cycle(now, &mut application);
        }
        work += self
            .book
            .on_timers(now, SIM_DESK_TIMERS_PER_CYCLE, &mut self.made);
        work += self.perform(now);
        for link in &mut self.links {
            link.flush();
        }
        work
    }

    /// Does a command; `ledger` and `quit` are the caller's.
    pub fn command(&mut self, now: Now, command: &DeskCommand) -> Result<(), CommandError> {
        let done = self.book.command(command, &mut self.made);
        self.perform(now);
        done
    }

    /// Logs all sessions out.
    pub fn log_out(&mut self, now: Now, text: &str) {
        for link in 0..self.links.len() {
            self.with_link(link, |endpoint, application| {
                endpoint.board.log_out(0, now, text, true, application);
            });
        }
    }

    /// Sleeps until the first link has something, at most `ns`.
    pub fn wait(&mut self, ns: u64) {
        let each = ns / self.links.len().max(1) as u64;
        for link in &mut self.links {
            link.board.sockets().wait(each);
        }
    }

    fn with_link(
        &mut self,
        link: usize,
        act: impl FnOnce(&mut Endpoint<S>, &mut LinkApplication<'_>),
    ) {
        let mut application = LinkApplication {
            book: &mut self.book,
            link,
            made: &mut self.made,
            lines: &mut self.lines,
            may_take: SIM_DESK_OUTPUTS_MAX,
        };
        act(&mut self.links[link], &mut application);
    }

    /// Sends what the book said, in order; stops where a link's log is full and goes on in the next turn.
    fn perform(&mut self, now: Now) -> usize {
        self.waiting.extend(self.made.drain(..));
        let mut work = 0;
        while let Some(&output) = self.waiting.front() {
            match output {
                DeskOutput::Send { link, message } => {
                    let prefix = self.prefix;
                    let sent = self.links[link].board.send(
                        0,
                        now,
                        Cause::default(),
                        |header, time, out| {
                            desk_codec::encode(out, header, time, &prefix, &message)
                        },
                    );
                    if sent.is_none() {
                        break;
                    }
                }
                DeskOutput::Disconnect { link } => self.with_link(link, |endpoint, application| {
                    let why = Closed::Operator;
                    endpoint.board.disconnect(0, now, why, true, application);
                }),
            }
            self.waiting.pop_front();
            work += 1;
        }
        work
    }
}
