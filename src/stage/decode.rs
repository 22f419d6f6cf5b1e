//! The decode stage: client sessions on one side, the risk stage on the other.
//!
//! One owner thread. What the risk stage has for clients goes out first, so that reports never wait for requests; it goes to the
//! client log and then to the session's socket, or waits in the log where the session is slow or away.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use ringbuf::spsc::{Consumer, Producer};

use super::acknowledged::Acknowledged;
use super::client_side::ClientSide;
use super::copies::Copies;
use super::host_loss::Loss;
use super::peer::Ordered;
use super::switchboard::Switchboard;
use super::tally;
use crate::domain::command::{NumbersDone, SessionCommand};
use crate::domain::directory::Directory;
use crate::domain::order::FromClient;
use crate::domain::report::{ClientOutput, ToClient};
use crate::domain::{AccountIndex, Now};
use crate::io::Sockets;
use crate::journal::{Cause, LogId};
use crate::limits::{INPUTS_PER_CYCLE, PUBLISH_INTERVAL_NS};
use crate::status::{Counter, Histogram, StageWriter};
use crate::wire::fix;

/// What the stage is made of.
pub struct DecodeParts<S: Sockets> {
    /// Client sessions, in the order of the plan.
    pub board: Switchboard<S>,
    /// To the risk stage.
    pub to_risk: Producer<FromClient>,
    /// From the risk stage.
    pub from_risk: Consumer<ToClient>,
    /// Names on the wire.
    pub directory: Arc<Directory>,
    /// Per session: the account of orders that name none; there is one where the session may use just one.
    pub sole_account: Vec<Option<AccountIndex>>,
    /// Per session: whether its open orders are cancelled when it is lost.
    pub cancel_on_disconnect: Vec<bool>,
    /// The last loss of the host.
    pub(super) loss: Option<Loss>,
    /// Who receives copies of what.
    pub copies: Copies,
    /// Who is told how durable what it is told is.
    pub acknowledged: Acknowledged,
    /// From the control thread.
    pub commands: Arc<ArrayQueue<SessionCommand>>,
    /// To the control thread.
    pub answers: Arc<ArrayQueue<NumbersDone>>,
    /// Status page.
    pub status: StageWriter,
}

/// The stage.
pub struct DecodeStage<S: Sockets> {
    board: Switchboard<S>,
    from_risk: Consumer<ToClient>,
    commands: Arc<ArrayQueue<SessionCommand>>,
    answers: Arc<ArrayQueue<NumbersDone>>,
    side: ClientSide,
    /// Outputs of the risk stage that an earlier process did not send
    untold: VecDeque<ToClient>,
    next_publish_ns: u64,
}

impl<S: Sockets> DecodeStage<S> {
    /// No session is connected yet.
    pub fn new(parts: DecodeParts<S>) -> Self {
        parts
            .status
            .name_ring(0, "risk_to_decode", parts.from_risk.capacity());
        let versions = parts.board.peers().iter();
        let versions = versions.map(|peer| peer.fix().version).collect();
        let mut side = ClientSide::new(
            parts.to_risk,
            parts.directory,
            versions,
            parts.sole_account,
            parts.cancel_on_disconnect,
            parts.copies,
            parts.status,
        );
        (side.loss, side.acknowledged) = (parts.loss, parts.acknowledged);
        Self {
            board: parts.board,
            from_risk: parts.from_risk,
            commands: parts.commands,
            answers: parts.answers,
            side,
            untold: VecDeque::new(),
            next_publish_ns: 0,
        }
    }

    /// Goes on after an earlier process: with what it had not told, and with the sessions that were lost with it.
    pub fn resume(mut self, untold: Vec<ToClient>, lost: &[(usize, u64)]) -> Self {
        self.untold = untold.into();
        self.side.resume(lost);
        self
    }

    /// Sessions and their sockets.
    pub fn board(&mut self) -> &mut Switchboard<S> {
        &mut self.board
    }

    /// Writer of this stage's part of the status page.
    pub fn status(&self) -> &StageWriter {
        &self.side.status
    }

    /// One turn; returns how much was done.
    pub fn duty_cycle(&mut self, now: Now) -> usize {
        let mut work = 0;
        if self.board.hours_unseen.is_some() && !self.board.see_hours(now, &mut self.side) {
            return work;
        }
        if !self.untold.is_empty() {
            work += self.send_untold(now);
        }
        // What was not told goes before what is new.
        while work < INPUTS_PER_CYCLE && self.untold.is_empty() {
            match self.send_output(now) {
                0 => break,
                messages => work += messages,
            }
        }
        work += self.board.duty_cycle(now, &mut self.side);
        work += self.side.report_lost(now);
        while let Some(command) = self.commands.pop() {
            self.apply(now, command);
        }
        while let Some(done) = self.board.next_answer() {
            // The control thread asks for no more at once than its queue holds.
            let _ = self.answers.push(done);
        }
        if now.mono_ns >= self.next_publish_ns {
            self.next_publish_ns = now.mono_ns + PUBLISH_INTERVAL_NS;
            tally::publish_ring(&self.side.status, 0, &self.from_risk.gauge());
            tally::publish_board(&mut self.board, &self.side.status);
            let refused = self.board.sockets().connections_refused();
            self.side.status.set(Counter::ConnectionsRefused, refused);
            let delayed = self.board.traffic().logons_delayed;
            self.side.status.set(Counter::LogonsDelayed, delayed);
            self.side.publish(now, self.board.peers());
            self.board.log().mark(now);
        }
        self.board.flush();
        work
    }

    /// Logs every session out.
    pub fn log_out(&mut self, now: Now, text: &str) {
        for at in 0..self.board.peers().len() {
            self.board.log_out(at, now, text, true, &mut self.side);
        }
        self.board.flush();
    }

    /// The next of what the risk stage has for a client, with its copies; returns how many messages that was.
    fn send_output(&mut self, now: Now) -> usize {
        let Some(output) = self.from_risk.peek() else {
            return 0;
        };
        let messages = send(&mut self.board, &mut self.side, now, output);
        if messages > 0 {
            self.from_risk.release();
        }
        messages
    }

    #[cold]
    fn send_untold(&mut self, now: Now) -> usize {
        let mut done = 0;
        while let Some(output) = self.untold.front() {
            match send(&mut self.board, &mut self.side, now, output) {
                0 => break,
                messages => done += messages,
            }
            self.untold.pop_front();
        }
        done
    }

    fn apply(&mut self, now: Now, command: SessionCommand) {
        match command {
            SessionCommand::Disable(session) => {
                let (at, text) = (session.get(), "Session disabled");
                self.board.note_order(at, now, Ordered::Disable);
                self.board.log_out(at, now, text, true, &mut self.side);
            }
            SessionCommand::Logout(session) => {
                let (at, text) = (session.get(), "Logged out by operator");
                self.board.note_order(at, now, Ordered::Logout);
                self.board.log_out(at, now, text, false, &mut self.side);
            }
            SessionCommand::Enable(session) => {
                self.board.note_order(session.get(), now, Ordered::Enable);
                self.board.enable(session.get(), now);
            }
            SessionCommand::SetNumbers(session, change) => {
                let at = session.get();
                self.board.set_numbers(at, now, change, &mut self.side);
            }
        }
    }
}

/// Commits an output to the log and sends it, with its copies; returns how many messages that was: none where there is no room for all.
fn send<S: Sockets>(
    board: &mut Switchboard<S>,
    side: &mut ClientSide,
    now: Now,
    output: &ToClient,
) -> usize {
    let receivers = side.copies.receivers(output.session, &output.output);
    let messages = 1 + receivers.as_slice().len();
    if !board.has_room(messages) {
        tally::count_staging_full(&side.status, LogId::Client, now.wall_ns);
        return 0;
    }
    let cause = Cause {
        log: LogId::Order,
        sequence: output.cause_sequence,
        output: output.cause_output as u16,
    };
    let directory = &side.directory;
    // The client's own message comes last: where it is in the log, the copies are.
    for &receiver in receivers.as_slice() {
        if side.copies.take_written(receiver, cause) {
            continue;
        }
        let level = side.acknowledged.level(receiver, &output.output);
        let copied = board.send_copy(receiver.get(), now, cause, |header, time, out| {
            fix::encode_output(out, header, time, directory, &output.output, (level, true))
        });
        debug_assert!(copied.is_some(), "the log had room for it");
        side.copies.count(receiver);
        side.status.add(Counter::CopiesOut, 1);
    }
    let level = side.acknowledged.level(output.session, &output.output);
    let sent = board.send(output.session.get(), now, cause, |header, time, out| {
        fix::encode_output(out, header, time, directory, &output.output, (level, false))
    });
    debug_assert!(
        sent.is_some(),
        "every output fits a frame, and the log had room for it"
    );
    let counter = match output.output {
        ClientOutput::Report(_) => Counter::ReportsOut,
        ClientOutput::CancelReject(_) => Counter::CancelRejectsOut,
        ClientOutput::MassCancel(_) => Counter::MassCancelReportsOut,
    };
    side.status.add(counter, 1);
    side.status.record_latency(
        Histogram::ReportPath,
        now.mono_ns.saturating_sub(output.received_ns),
    );
    messages
}
