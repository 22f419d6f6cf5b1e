//! What the decode stage makes of what comes from clients: requests for the risk stage, sessions that come and go.
//!
//! Part of the decode stage, same thread. A request is taken only when the ring to the risk stage has room.

use std::net::IpAddr;
use std::sync::Arc;

use ringbuf::spsc::Producer;

use super::acknowledged::Acknowledged;
use super::application::{Application, Closed, PeerEvent, Stranger, Verdict};
use super::copies::Copies;
use super::host_loss::Loss;
use super::peer::Peer;
use super::tally;
use crate::domain::directory::Directory;
use crate::domain::order::{ClientRequest, FromClient};
use crate::domain::{AccountIndex, FixVersion, Now, SessionIndex};
use crate::io::CloseReason;
use crate::limits::ROWS_PER_PUBLISH;
use crate::session::{Notice, State};
use crate::status::{Counter, ErrorCode, Reason, SessionState, StageWriter};
use crate::wire::fix::{
    BusinessRejectReason, DecodeError, Message, MsgType, Refusal, decode_order,
};

/// A session that was lost, and the record of it.
struct Lost {
    session: usize,
    sequence: u64,
}

/// Clients' side of the decode stage.
pub struct ClientSide {
    pub(super) to_risk: Producer<FromClient>,
    pub(super) directory: Arc<Directory>,
    pub(super) status: StageWriter,
    /// Per session: FIX version.
    versions: Vec<FixVersion>,
    /// Per session: the account of orders that name none.
    sole_account: Vec<Option<AccountIndex>>,
    /// Per session: whether its open orders are cancelled when it is lost.
    cancel_on_disconnect: Vec<bool>,
    /// The last loss of the host.
    pub(super) loss: Option<Loss>,
    /// Who receives copies of what.
    pub(super) copies: Copies,
    /// Who is told levels of durability.
    pub(super) acknowledged: Acknowledged,
    /// Sessions that are lost and of which the risk stage has not been told. Each at most once; no request is taken before
    /// they are told, so that what a session sends when it is back is not cancelled with the rest.
    lost: Vec<Lost>,
    /// Per session: why it is not connected.
    reasons: Vec<Reason>,
    next_row: usize,
    /// What is taken now was received by an earlier process.
    is_late: bool,
}

impl ClientSide {
    pub(super) fn new(
        to_risk: Producer<FromClient>,
        directory: Arc<Directory>,
        versions: Vec<FixVersion>,
        sole_account: Vec<Option<AccountIndex>>,
        cancel_on_disconnect: Vec<bool>,
        copies: Copies,
        status: StageWriter,
    ) -> Self {
        let sessions = cancel_on_disconnect.len();
        Self {
            to_risk,
            directory,
            status,
            versions,
            sole_account,
            cancel_on_disconnect,
            loss: None,
            copies,
            acknowledged: Acknowledged::default(),
            lost: Vec::with_capacity(sessions),
            reasons: vec![Reason::None; sessions],
            next_row: 0,
            is_late: false,
        }
    }

    /// These sessions were lost with an earlier process, or before it could tell: what is to be cancelled is.
    pub(super) fn resume(&mut self, lost: &[(usize, u64)]) {
        let cancels = |(session, _): &&(usize, u64)| self.cancel_on_disconnect[*session];
        let lost = lost.iter().filter(cancels);
        let lost: Vec<_> = lost
            .map(|&(session, sequence)| Lost { session, sequence })
            .collect();
        self.lost.extend(lost);
    }

    /// Tells the risk stage which sessions were lost, so that it cancels their orders.
    pub(super) fn report_lost(&mut self, now: Now) -> usize {
        let mut told = 0;
        while !self.lost.is_empty() && self.to_risk.has_room(1) {
            let Some(lost) = self.lost.pop() else { break };
            self.push(lost.session, now, lost.sequence, false, ClientRequest::Lost);
            told += 1;
        }
        told
    }

    fn push(
        &mut self,
        at: usize,
        now: Now,
        cause_sequence: u64,
        may_be_sent: bool,
        request: ClientRequest,
    ) {
        let session = SessionIndex(at as u32);
        let input = FromClient {
            is_late: self.is_late,
            may_be_sent,
            session,
            received_ns: now.mono_ns,
            decoded_ns: now.mono_ns,
            cause_sequence,
            request,
        };
        let pushed = self.to_risk.push(&input);
        assert!(
            pushed,
            "room in the ring to the risk stage was made sure of"
        );
    }

    /// A bounded number of session rows in turn.
    pub(super) fn publish(&mut self, now: Now, peers: &[Peer]) {
        for _ in 0..ROWS_PER_PUBLISH.min(peers.len()) {
            let at = self.next_row;
            self.next_row = (at + 1) % peers.len();
            let peer = &peers[at];
            let state = if !peer.enabled {
                SessionState::Disabled
            } else if !peer.hours.are_open() && peer.connection.is_none() {
                SessionState::Closed
            } else {
                match peer.session.state() {
                    State::Disconnected | State::Closing(_) => SessionState::Disconnected,
                    State::AwaitLogon { .. } | State::LogonSent { .. } => SessionState::LoggingOn,
                    State::Active(_) if peer.session.gap().is_some() => SessionState::Recovering,
                    State::Active(_) => SessionState::Active,
                    State::LogoutSent { .. } => SessionState::LoggingOut,
                }
            };
            let cells = self.status.session(SessionIndex(at as u32));
            cells.set_state(state, self.reasons[at], now.wall_ns);
            cells.set_schedule(peer.hours.changes_wall_ns());
            cells.set_durability(peer.fix().durability);
            cells.set_sequences(peer.session.expected_in(), peer.session.peek_next_out());
            cells.set_traffic(&peer.traffic());
            if let Some(copies) = self.copies.written(SessionIndex(at as u32)) {
                cells.set_copies(copies);
            }
            if let Some(source) = peer.source {
                cells.set_logons(peer.logons, source);
            }
        }
    }
}

impl Application for ClientSide {
    fn has_room(&mut self) -> bool {
        let room = self.lost.is_empty() && self.to_risk.has_room(1);
        if !room {
            self.status.add(Counter::RingFull, 1);
        }
        room
    }

    /// Who goes on sending orders that are refused anyway must not use up what others need for their cancels.
    fn may_hold(&self, msg_type: MsgType) -> bool {
        matches!(
            msg_type,
            MsgType::NEW_ORDER_SINGLE | MsgType::ORDER_CANCEL_REPLACE_REQUEST
        )
    }

    fn on_message(
        &mut self,
        peer: usize,
        now: Now,
        sequence: u64,
        message: &Message<'_>,
    ) -> Verdict {
        if self.copies.is_receiver(SessionIndex(peer as u32)) {
            self.status.add(Counter::CopyRequestsRefused, 1);
            self.status.session(SessionIndex(peer as u32)).rejected();
            return Verdict::Refused(DecodeError {
                tag: 0,
                refusal: Refusal::Business(BusinessRejectReason::NotAuthorized),
                text: "Not authorised: the session receives copies only",
            });
        }
        let version = self.versions[peer];
        match decode_order(message, version, &self.directory, self.sole_account[peer]) {
            Ok(request) => {
                let counter = match &request {
                    ClientRequest::New(_) => Counter::OrdersIn,
                    ClientRequest::Cancel(_) => Counter::CancelsIn,
                    ClientRequest::Replace(_) => Counter::ReplacesIn,
                    ClientRequest::Status(_) => Counter::StatusRequestsIn,
                    ClientRequest::MassStatus(_) => Counter::MassStatusRequestsIn,
                    ClientRequest::MassCancel(_) | ClientRequest::Lost => Counter::MassCancelsIn,
                };
                self.status.add(counter, 1);
                let loss = self.loss.as_ref();
                let may_be_sent = loss.is_some_and(|loss| {
                    loss.may_be_sent(peer, now, message, self.is_late, &request)
                });
                self.push(peer, now, sequence, may_be_sent, request);
                Verdict::Taken
            }
            Err(error) => {
                self.status.add(Counter::DecodeErrors, 1);
                self.status.session(SessionIndex(peer as u32)).rejected();
                Verdict::Refused(error)
            }
        }
    }

    /// What an earlier process was given is not sent late, however fast a link may be: cancels are.
    fn on_unanswered(
        &mut self,
        peer: usize,
        now: Now,
        sequence: u64,
        message: &Message<'_>,
    ) -> Verdict {
        self.is_late = true;
        let verdict = self.on_message(peer, now, sequence, message);
        self.is_late = false;
        verdict
    }

    fn on_event(&mut self, peer: usize, now: Now, sequence: u64, event: PeerEvent) {
        let subject = peer as u64;
        match event {
            PeerEvent::LoggedOn => {
                self.reasons[peer] = Reason::None;
                self.status.add(Counter::Logons, 1);
            }
            PeerEvent::LoggedOut => {
                self.status.add(Counter::Logouts, 1);
                let told_soon = self.lost.iter().any(|lost| lost.session == peer);
                if self.cancel_on_disconnect[peer] && !told_soon {
                    let session = peer;
                    self.lost.push(Lost { session, sequence });
                    self.report_lost(now);
                }
            }
            PeerEvent::Disconnected(why) => {
                let reason = tally::reason_of(why);
                self.reasons[peer] = reason;
                self.status.closed(reason);
                let error = match reason {
                    Reason::SlowConsumer => Some((ErrorCode::SlowConsumer, 0)),
                    Reason::HeartbeatTimeout => Some((ErrorCode::HeartbeatTimeout, 0)),
                    Reason::SequenceTooLow => Some((ErrorCode::SequenceTooLow, 0)),
                    Reason::LogonRefused => Some((ErrorCode::LogonRefused, reason as u64)),
                    Reason::OutsideSchedule => {
                        self.status.add(Counter::LogonsRefused, 1);
                        Some((ErrorCode::LogonRefused, reason as u64))
                    }
                    _ => None,
                };
                let error = match why {
                    Closed::Socket(CloseReason::Error(errno)) => {
                        Some((ErrorCode::SocketBroken, errno as u64))
                    }
                    _ => error,
                };
                if let Some((code, detail)) = error {
                    self.status.error(code, subject, detail, now.wall_ns);
                }
            }
            PeerEvent::RejectReceived { .. } => self.status.add(Counter::SessionRejectsReceived, 1),
            PeerEvent::ResendIgnored { begin, .. } => {
                self.status.add(Counter::ResendsIgnored, 1);
                self.status
                    .error(ErrorCode::ResendAbuse, subject, begin, now.wall_ns);
            }
            PeerEvent::Connected
            | PeerEvent::GapFilled { .. }
            | PeerEvent::SequenceReset(_)
            | PeerEvent::Hours { .. }
            | PeerEvent::ResetHeld
            | PeerEvent::ResetGivenUp
            | PeerEvent::Operator { .. } => {}
            PeerEvent::Notice(notice) => {
                tally::count_notice(&self.status, &notice);
                match notice {
                    Notice::GapDetected { expected, .. } => {
                        self.status
                            .error(ErrorCode::SequenceGap, subject, expected, now.wall_ns);
                    }
                    Notice::Garbled => {
                        self.status
                            .error(ErrorCode::Garbled, subject, 0, now.wall_ns)
                    }
                    _ => {}
                }
            }
        }
    }

    fn on_stranger(&mut self, now: Now, source: IpAddr, stranger: Stranger) {
        let reason = match stranger {
            Stranger::Accepted => return self.status.add(Counter::ConnectionsAccepted, 1),
            Stranger::Left => return self.status.closed(Reason::Peer),
            Stranger::Candidate => return,
            Stranger::LogonTimeout => Reason::LogonTimeout,
            Stranger::Garbled | Stranger::NotLogon | Stranger::TooLong => Reason::GarbledLogon,
            Stranger::UnknownSession => Reason::UnknownSession,
            Stranger::DuplicateLogon => Reason::DuplicateLogon,
            Stranger::SourceNotAllowed => Reason::SourceNotAllowed,
            Stranger::Disabled => Reason::Disabled,
            Stranger::TooMany => Reason::TooManyConnections,
            Stranger::Crowded => Reason::CrowdedOut,
        };
        if stranger.is_guess() {
            let subject = match source {
                IpAddr::V4(v4) => v4.to_bits() as u64,
                IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
            };
            let (code, detail) = (ErrorCode::LogonsFail, reason as u64);
            self.status.error(code, subject, detail, now.wall_ns);
        }
        self.status.add(Counter::LogonsRefused, 1);
        self.status.closed(reason);
    }
}
