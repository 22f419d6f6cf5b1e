//! What the route stage makes of what comes from desks: reports for the risk stage, links that come and go, requests in doubt.
//!
//! Part of the route stage, same thread. A report is taken only when the ring to the risk stage has room. Whatever a desk says
//! about a request settles it; what is not settled when its link is lost is reported in doubt, a bounded number per cycle.

use ringbuf::spsc::Producer;
use std::net::IpAddr;

use super::application::{Application, Closed, PeerEvent, Stranger, Verdict};
use super::peer::Peer;
use super::tally;
use crate::domain::report::{DeskInput, FromDesk, LinkEvent};
use crate::domain::{DeskIndex, DeskText, LinkIndex, Now, OrderId, RejectReason};
use crate::io::CloseReason;
use crate::limits::{DOUBTS_MIN, IN_FLIGHT_SLOTS_PER_CYCLE};
use crate::route::{Doubts, Entry, InFlight, Link};
use crate::session::{Notice, ResetCause};
use crate::status::{Counter, ErrorCode, Histogram, LinkState, Reason, StageWriter};
use crate::wire::fix::{
    BusinessRejectReason, DecodeError, DeskMessage, DeskRefusal, Message, Refusal, decode_desk,
    tags,
};

/// What the risk stage is told of a request that the desk's session layer refused.
pub(super) const REJECTED_BY_SESSION: &[u8] = b"Rejected by the desk's session layer";

#[derive(Clone, Copy)]
struct GapFilled {
    begin: u64,
    end: u64,
    sequence: u64,
}

/// Desks' side of the route stage.
pub struct DeskSide {
    pub(super) to_risk: Producer<FromDesk>,
    pub(super) links: Vec<Link>,
    pub(super) in_flight: InFlight,
    pub(super) status: StageWriter,
    /// Per link: what the risk stage was last told.
    told_ready: Vec<bool>,
    /// Per link: record of its last coming, going or reset.
    last_event: Vec<u64>,
    /// Per link: numbers of ours that the desk asked for again and that were gap-filled, and the record of its wish.
    gap_filled: Vec<Option<GapFilled>>,
    /// Per link: why it is not ready.
    reasons: Vec<Reason>,
    acknowledge_timeout_ns: Vec<u64>,
    /// Those that were reported.
    doubts: Doubts,
    /// Per link: its incarnation when its numbers began; what was sent before proves nothing by them.
    numbers_since: Vec<u32>,
    /// Walk over the table of requests in flight, looking for doubts.
    doubt_slot: usize,
    doubts_left: usize,
    /// Walk over the table of requests in flight, looking for unanswered ones.
    age_slot: usize,
    aged: Vec<bool>,
}

impl DeskSide {
    pub(super) fn new(
        to_risk: Producer<FromDesk>,
        links: Vec<(DeskIndex, u32)>,
        acknowledge_timeout_ns: Vec<u64>,
        status: StageWriter,
    ) -> Self {
        let count = links.len();
        let window: usize = links.iter().map(|&(_, window)| window as usize).sum();
        let links: Vec<_> = links
            .into_iter()
            .map(|(desk, window)| Link::new(desk, window))
            .collect();
        for (at, link) in links.iter().enumerate() {
            status
                .link(LinkIndex(at as u32))
                .set_window(link.window as u64);
        }
        Self {
            to_risk,
            links,
            // Twice: what a lost link left stays until it is reported.
            in_flight: InFlight::new(2 * window),
            doubts: Doubts::new(count, DOUBTS_MIN.max(2 * window)),
            numbers_since: vec![0; count],
            status,
            told_ready: vec![false; count],
            last_event: vec![0; count],
            gap_filled: vec![None; count],
            reasons: vec![Reason::None; count],
            acknowledge_timeout_ns,
            doubt_slot: 0,
            doubts_left: 0,
            age_slot: 0,
            aged: vec![false; count],
        }
    }

    /// Goes on after an earlier process, whose connections are gone.
    pub(super) fn resume(&mut self, in_flight: Vec<Entry>, doubts: Vec<Entry>) {
        // Entries are of incarnation 1, or of 0 where the numbers were set since.
        for (link, since) in self.links.iter_mut().zip(&mut self.numbers_since) {
            (link.incarnation, *since) = (2, 1);
        }
        // The windows may be smaller now.
        if in_flight.len() > self.in_flight.slots() / 4 {
            self.in_flight = InFlight::new(4 * in_flight.len());
        }
        let room = doubts.len() + in_flight.len() + self.in_flight.slots();
        self.doubts = Doubts::new(self.links.len(), DOUBTS_MIN.max(2 * room));
        for entry in in_flight {
            self.links[entry.link as usize].stale += 1;
            self.in_flight.insert(entry);
        }
        doubts.into_iter().for_each(|entry| self.doubts.add(entry));
        self.look_for_doubts();
    }

    /// Requests in doubt over all links.
    pub(super) fn in_doubt(&self) -> usize {
        let links = 0..self.links.len();
        links.map(|link| self.doubts.of(link) as usize).sum()
    }

    /// Room was made sure of.
    pub(super) fn push(&mut self, input: FromDesk) {
        let pushed = self.to_risk.push(&input);
        assert!(
            pushed,
            "room in the ring to the risk stage was made sure of"
        );
    }

    /// Tells the risk stage which links became ready or were lost.
    pub(super) fn announce(&mut self, now: Now, peers: &[Peer]) -> usize {
        let mut told = 0;
        for (at, peer) in peers.iter().enumerate() {
            let link = &mut self.links[at];
            // Cancels still pass a link that is draining; the risk stage asks for links that carry orders.
            link.ready = peer.session.can_send_application() && peer.session.gap().is_none();
            let ready = link.ready && !link.draining;
            if ready == self.told_ready[at] || !self.to_risk.has_room(1) {
                continue;
            }
            self.told_ready[at] = ready;
            let (event, counter) = if ready {
                (LinkEvent::Ready, Counter::LinkReady)
            } else {
                (LinkEvent::Lost, Counter::LinkLost)
            };
            self.status.add(counter, 1);
            self.push(FromDesk {
                link: LinkIndex(at as u32),
                received_ns: now.mono_ns,
                cause_sequence: self.last_event[at],
                input: DeskInput::Link(event),
            });
            told += 1;
        }
        told
    }

    /// Reports requests whose link was lost, or whose number was gap-filled, in doubt: a bounded walk per cycle.
    pub(super) fn report_doubts(&mut self, now: Now) -> usize {
        let mut reported = 0;
        for _ in 0..IN_FLIGHT_SLOTS_PER_CYCLE {
            if self.doubts_left == 0 || !self.to_risk.has_room(1) {
                break;
            }
            let Some(&entry) = self.in_flight.at(self.doubt_slot) else {
                self.step_doubts();
                continue;
            };
            let link = &self.links[entry.link as usize];
            let lost = entry.incarnation != link.incarnation;
            let filled = self.gap_filled[entry.link as usize]
                .filter(|gap| (gap.begin..=gap.end).contains(&entry.msg_seq_num));
            let cause_sequence = match (lost, filled) {
                (true, _) => self.last_event[entry.link as usize],
                (false, Some(gap)) => gap.sequence,
                (false, None) => {
                    self.step_doubts();
                    continue;
                }
            };
            // Removal may shift another entry into this slot: it is looked at again.
            self.in_flight.remove(entry.id);
            self.links[entry.link as usize].settled(entry.incarnation);
            if entry.incarnation >= self.numbers_since[entry.link as usize] {
                self.doubts.add(entry);
            }
            let (subject, detail) = (entry.link as u64, entry.id.raw());
            self.status
                .error(ErrorCode::InDoubt, subject, detail, now.wall_ns);
            self.push(FromDesk {
                link: LinkIndex(entry.link),
                received_ns: now.mono_ns,
                cause_sequence,
                input: DeskInput::InDoubt { id: entry.id },
            });
            reported += 1;
        }
        reported
    }

    fn step_doubts(&mut self) {
        self.doubt_slot = (self.doubt_slot + 1) % self.in_flight.slots();
        self.doubts_left -= 1;
        if self.doubts_left == 0 {
            self.gap_filled.fill(None);
            // Answers that came meanwhile may have shifted entries behind the walk: none may be forgotten.
            if self.links.iter().any(|link| link.stale > 0) {
                self.doubts_left = self.in_flight.slots();
            }
        }
    }

    /// What is unanswered on the link will not be answered under its number.
    fn lose(&mut self, peer: usize) {
        if self.links[peer].in_flight > 0 {
            self.look_for_doubts();
        }
        self.links[peer].lost();
        // The numbers of that time: they say nothing of those that follow.
        self.gap_filled[peer] = None;
    }

    fn look_for_doubts(&mut self) {
        // Once around, and once more for what shifting moved behind the walk.
        self.doubts_left = 2 * self.in_flight.slots();
    }

    /// Whatever the desk said about a request settles it. Where it `shows` the order, what the request is about is settled too.
    fn settle(&mut self, now: Now, id: OrderId, shows: bool) {
        let original = match self.in_flight.remove(id) {
            Some(entry) => {
                self.links[entry.link as usize].settled(entry.incarnation);
                let ns = now.mono_ns.saturating_sub(entry.written_ns);
                self.status.record_latency(Histogram::DeskAck, ns);
                self.status.link(LinkIndex(entry.link)).set_last_ack(ns);
                Some(entry.original)
            }
            None => self.doubts.settle(id),
        };
        if let Some(original) = original.filter(|it| shows && *it != OrderId::NONE) {
            self.doubts.settle(original);
        }
    }

    /// Whether it is about a request that is known.
    fn on_refusal(&mut self, peer: usize, now: Now, sequence: u64, refusal: &DeskRefusal) -> bool {
        let incarnation = self.links[peer].incarnation;
        let by_number = |number| {
            self.in_flight
                .find_by_number(peer as u32, incarnation, number)
        };
        let id = refusal
            .ref_id
            .or_else(|| refusal.ref_seq_num.and_then(by_number));
        self.status.add(Counter::DeskRejects, 1);
        match id {
            Some(id) => {
                self.settle(now, id, false);
                self.push(FromDesk {
                    link: LinkIndex(peer as u32),
                    received_ns: now.mono_ns,
                    cause_sequence: sequence,
                    input: DeskInput::Refused {
                        id,
                        reason: RejectReason::DeskRejected,
                        text: refusal.text,
                    },
                });
            }
            None => {
                let number = refusal.ref_seq_num.unwrap_or(0);
                self.status
                    .error(ErrorCode::DeskReject, peer as u64, number, now.wall_ns);
            }
        }
        id.is_some()
    }

    /// A desk's message that could not be understood; `sequence` is its record in the desk log.
    fn count_unreadable(&mut self, now: Now, peer: usize, sequence: u64) {
        self.status.add(Counter::DeskDecodeErrors, 1);
        self.status
            .error(ErrorCode::DeskDecode, peer as u64, sequence, now.wall_ns);
    }

    /// Gauges, every few milliseconds, and the walk that finds links that do not answer.
    pub(super) fn publish(&mut self, now: Now, peers: &[Peer]) {
        self.look_for_unanswered(now);
        for (at, peer) in peers.iter().enumerate() {
            let link = &self.links[at];
            let state = if !peer.enabled {
                LinkState::Disabled
            } else if link.draining {
                LinkState::Draining
            } else if link.suspect {
                LinkState::Suspect
            } else if link.ready && link.in_flight >= link.window {
                LinkState::Throttled
            } else if link.ready {
                LinkState::Ready
            } else if peer.session.can_send_application() {
                LinkState::Syncing
            } else if peer.connection.is_some() {
                LinkState::LoggingOn
            } else if !peer.hours.are_open() {
                LinkState::Closed
            } else if peer.connecting {
                LinkState::Connecting
            } else if peer.logons > 0 {
                LinkState::Lost
            } else {
                LinkState::Down
            };
            let cells = self.status.link(LinkIndex(at as u32));
            cells.set_state(state, self.reasons[at], now.wall_ns);
            cells.set_in_flight(link.in_flight as u64, 0);
            cells.set_in_doubt((link.stale + self.doubts.of(at)) as u64);
            cells.set_schedule(peer.hours.changes_wall_ns());
            cells.set_durability(peer.fix().durability);
            cells.set_sequences(peer.session.expected_in(), peer.session.peek_next_out());
            cells.set_traffic(&peer.traffic());
        }
    }

    fn look_for_unanswered(&mut self, now: Now) {
        for _ in 0..IN_FLIGHT_SLOTS_PER_CYCLE.min(self.in_flight.slots()) {
            if let Some(entry) = self.in_flight.at(self.age_slot) {
                let at = entry.link as usize;
                let waited_ns = now.mono_ns.saturating_sub(entry.written_ns);
                if entry.incarnation == self.links[at].incarnation
                    && waited_ns > self.acknowledge_timeout_ns[at]
                {
                    self.aged[at] = true;
                    if !self.links[at].suspect {
                        self.links[at].suspect = true;
                        self.reasons[at] = Reason::AcknowledgeTimeout;
                        self.status.error(
                            ErrorCode::AcknowledgeTimeout,
                            at as u64,
                            waited_ns,
                            now.wall_ns,
                        );
                    }
                }
            }
            self.age_slot += 1;
            if self.age_slot == self.in_flight.slots() {
                self.age_slot = 0;
                for (link, aged) in self.links.iter_mut().zip(&mut self.aged) {
                    link.suspect = std::mem::take(aged);
                }
            }
        }
    }
}

impl Application for DeskSide {
    fn has_room(&mut self) -> bool {
        self.to_risk.has_room(1)
    }

    fn on_message(
        &mut self,
        peer: usize,
        now: Now,
        sequence: u64,
        message: &Message<'_>,
    ) -> Verdict {
        let input = match decode_desk(message) {
            Ok(DeskMessage::Input(input)) => input,
            Ok(DeskMessage::Refused(refusal)) => {
                self.status.add(Counter::BusinessRejectsReceived, 1);
                return match self.on_refusal(peer, now, sequence, &refusal) {
                    true => Verdict::Taken,
                    false => Verdict::Unanswered,
                };
            }
            Ok(DeskMessage::Other(_)) => {
                self.count_unreadable(now, peer, sequence);
                return Verdict::Refused(DecodeError {
                    tag: tags::MSG_TYPE,
                    refusal: Refusal::Business(BusinessRejectReason::UnsupportedMessageType),
                    text: "Unsupported Message Type",
                });
            }
            // A ClOrdID that is none of ours: an order that others gave the desk.
            Err(error) if error.tag == tags::CL_ORD_ID => {
                self.count_unreadable(now, peer, sequence);
                return Verdict::Unanswered;
            }
            // It may be a fill of ours: the desk must learn that it was not taken.
            Err(error) => {
                self.count_unreadable(now, peer, sequence);
                return Verdict::Refused(DecodeError {
                    tag: error.tag,
                    refusal: Refusal::Session(error.reason),
                    text: error.reason.text(),
                });
            }
        };
        let shows = matches!(input, DeskInput::Report(_));
        let id = match &input {
            DeskInput::Report(report) => {
                self.status.add(Counter::DeskReportsIn, 1);
                report.id
            }
            DeskInput::CancelReject(reject) => {
                self.status.add(Counter::DeskCancelRejectsIn, 1);
                reject.id
            }
            _ => OrderId::NONE,
        };
        self.settle(now, id, shows);
        let link = LinkIndex(peer as u32);
        self.push(FromDesk {
            link,
            received_ns: now.mono_ns,
            cause_sequence: sequence,
            input,
        });
        Verdict::Taken
    }

    fn on_event(&mut self, peer: usize, now: Now, sequence: u64, event: PeerEvent) {
        match event {
            PeerEvent::LoggedOn => {
                self.last_event[peer] = sequence;
                self.reasons[peer] = Reason::None;
                self.status.add(Counter::Logons, 1);
                self.status.link(LinkIndex(peer as u32)).connected();
            }
            PeerEvent::LoggedOut => self.status.add(Counter::Logouts, 1),
            PeerEvent::Disconnected(why) => {
                let reason = tally::reason_of(why);
                self.reasons[peer] = reason;
                self.status.closed(reason);
                let error = match why {
                    Closed::Socket(CloseReason::Error(errno)) => {
                        Some((ErrorCode::SocketBroken, errno))
                    }
                    Closed::ConnectFailed(errno) => {
                        self.status.add(Counter::ConnectFailures, 1);
                        Some((ErrorCode::ConnectFailed, errno))
                    }
                    _ => None,
                };
                if let Some((code, errno)) = error {
                    self.status
                        .error(code, peer as u64, errno as u64, now.wall_ns);
                }
                if sequence > 0 {
                    self.last_event[peer] = sequence;
                }
                self.lose(peer);
            }
            // Numbers are used again: a refusal by number must not meet a request of the old count.
            PeerEvent::SequenceReset(ResetCause::PeerSequenceReset) => {}
            PeerEvent::SequenceReset(_) => {
                self.doubts.forget(peer);
                self.last_event[peer] = sequence;
                self.lose(peer);
                self.numbers_since[peer] = self.links[peer].incarnation;
            }
            PeerEvent::GapFilled { begin, end } => {
                let gap = self.gap_filled[peer].get_or_insert(GapFilled {
                    begin,
                    end,
                    sequence,
                });
                gap.begin = gap.begin.min(begin);
                gap.end = gap.end.max(end);
                self.look_for_doubts();
            }
            PeerEvent::RejectReceived { reference } => {
                self.status.add(Counter::SessionRejectsReceived, 1);
                let refusal = DeskRefusal {
                    ref_seq_num: Some(reference),
                    ref_id: None,
                    ref_msg_type: None,
                    tag: 0,
                    reason: 99,
                    business: false,
                    text: DeskText::cut(REJECTED_BY_SESSION),
                };
                self.on_refusal(peer, now, sequence, &refusal);
            }
            PeerEvent::Connected => self.status.add(Counter::ConnectionsOpened, 1),
            PeerEvent::ResetHeld => self.reasons[peer] = Reason::ResetHeld,
            PeerEvent::Hours { .. } | PeerEvent::ResetGivenUp | PeerEvent::Operator { .. } => {}
            // Only of peers to whom messages are repeated.
            PeerEvent::ResendIgnored { .. } => {}
            PeerEvent::Notice(notice) => {
                tally::count_notice(&self.status, &notice);
                if let Notice::GapDetected { expected, received } = notice {
                    self.status
                        .error(ErrorCode::SequenceGap, expected, received, now.wall_ns);
                }
            }
        }
    }

    fn on_stranger(&mut self, _now: Now, _source: IpAddr, _stranger: Stranger) {}

    /// Proof that a desk never had a request is tied to the numbers under which it was sent.
    fn may_reset(&self, peer: usize) -> bool {
        let link = &self.links[peer];
        link.in_flight == 0 && link.stale == 0 && self.doubts.of(peer) == 0
    }
}
