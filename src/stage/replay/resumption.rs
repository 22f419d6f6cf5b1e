//! What comes of a replay: with what the stages of the next process begin.
//!
//! Made once, after the last record; taken apart by `stage/assembly.rs`.

use super::{Open, Replay, ReplayError, Written, is_past};
use crate::domain::command::RiskCommand;
use crate::domain::order::ToDesk;
use crate::domain::report::{FromDesk, ToClient};
use crate::domain::{LinkIndex, OrderId, RejectReason};
use crate::journal::Cause;
use crate::journal::loss::HostLoss;
use crate::risk::Risk;
use crate::route;
use crate::stage::host_loss::is_lossy;
use crate::stage::quick::QuickMap;
use crate::stage::recovered::Recovered;
use crate::stage::rejections::refused;

/// What the stages go on with.
pub struct Resumption {
    /// The risk state; `None`: it begins anew.
    pub risk: Option<Risk>,
    /// For the decode stage's switchboard.
    pub clients: Recovered,
    /// For the route stage's switchboard.
    pub links: Recovered,
    /// Requests that never left.
    pub unsent: Vec<ToDesk>,
    /// Requests of which it is not known whether they left: the host went down, and the end of the desk log with it.
    pub perhaps_sent: Vec<ToDesk>,
    /// Reports that no client log knows.
    pub untold: Vec<ToClient>,
    /// Copies of these that it does know, by epoch and channel.
    pub copies: Vec<(u16, u16, Cause)>,
    /// Written and not answered; the connections are gone. Incarnation 0: under numbers that are over; 1: under the present ones.
    pub in_flight: Vec<route::Entry>,
    /// Reported in doubt, and no desk has spoken of them since.
    pub doubts: Vec<route::Entry>,
    /// Refused on the way, or by a desk by its number; the risk stage does not know.
    pub refusals: Vec<FromDesk>,
    /// Last sequences of the client, order and desk log.
    pub sequences: [u64; 3],
    /// First start whose logs are still needed.
    pub needed: u16,
    /// Inputs of the risk stage that were replayed.
    pub inputs: u64,
    /// What was blocked, killed and held when the day ended, to be so in the next, and the last loss; and what a loss of the host holds.
    pub stops: Vec<RiskCommand>,
    /// For the tables of a risk state that begins anew.
    pub hash_seed: u64,
    /// When a start went on after the last loss of the host, nanoseconds since 1970; zero: none did.
    pub loss_wall_ns: u64,
    /// The host went down right before.
    pub loss: Option<HostLoss>,
}

impl Replay {
    /// After the last record: what stages of the trading day `day` go on with.
    pub fn finish(mut self, day: u32) -> Result<Resumption, ReplayError> {
        // A process that worked into the day brings its orders with it.
        let last = self
            .begin
            .map_or(0, |begin| begin.day.max(self.last_input_day));
        let goes_on = self.begin.is_some() && last == day;
        if last > day {
            return Err(ReplayError::LaterDay(self.sequences[1]));
        }
        let mut stops = match (&self.risk, goes_on) {
            (Some(risk), false) => risk.stops(),
            (None, false) => self.standing.commands(self.plan.desks.len()),
            (_, true) => Vec::new(),
        };
        if !goes_on {
            stops.extend(self.standing.loss());
        }
        if goes_on && self.risk.is_none() {
            return Err(ReplayError::Record(
                self.sequences[1],
                "the orders of today were taken with other accounts, instruments, positions, sessions or desks: put the \
                       files back as they were, or move the logs away to begin anew (open orders are then unknown here)"
                    .to_owned(),
            ));
        }
        let needed = self.oldest_needed();
        if !goes_on {
            self.forget(u16::MAX);
            self.risk = None;
        }
        let risk = self.risk;
        let is_open = |id: OrderId| risk.as_ref().is_some_and(|risk| risk.is_unanswered(id));
        let entry = |(id, written): (OrderId, Written)| route::Entry {
            id,
            link: written.link as u32,
            msg_seq_num: written.msg_seq_num,
            original: written.original,
            incarnation: u32::from(!is_past(&self.numbers_since, &written)),
            ..route::Entry::default()
        };
        // What a desk has refused by its number is no longer in flight.
        let mut refusals: Vec<_> = self.refusals.into_values().map(|(_, it)| it).collect();
        let (rejections, links) = (self.rejections, &mut self.links);
        self.in_flight.retain(|id, written| {
            let rejection = rejections.get(&written.number());
            let Some((sequence, text)) = rejection.filter(|_| is_open(*id)) else {
                return true;
            };
            let link = LinkIndex(written.link as u32);
            let reason = RejectReason::DeskRejected;
            refusals.push(refused(link, sequence, *id, reason, text));
            links.close(u16::MAX, sequence);
            false
        });
        refusals.sort_by_key(|refusal| refusal.cause_sequence);
        // A copy stands for its original only while that is due: its sequence may be another's.
        let open = &self.open;
        self.copies.retain(|(epoch, _, cause)| {
            let original = open.get(&(cause.sequence, cause.output));
            original.is_some_and(|(of, _)| of <= epoch)
        });
        let entries = |of: QuickMap<OrderId, Written>| {
            let mut entries: Vec<_> = of
                .into_iter()
                .filter(|(id, _)| is_open(*id))
                .map(entry)
                .collect();
            entries.sort_by_key(|entry| entry.id.slot());
            entries
        };
        let (mut unsent, mut perhaps_sent, mut untold) = (Vec::new(), Vec::new(), Vec::new());
        let loss_epoch = self.standing.loss_epoch;
        let mut open: Vec<_> = self.open.into_iter().collect();
        open.sort_unstable_by_key(|(key, _)| *key);
        for (_, (epoch, open)) in open {
            match open {
                Open::Desk(request) if epoch < loss_epoch && is_lossy(&self.plan, &request) => {
                    perhaps_sent.push(request);
                }
                Open::Desk(request) => unsent.push(request),
                Open::Client(output) => untold.push(output),
            }
        }
        Ok(Resumption {
            clients: self.clients.finish(),
            links: self.links.finish(),
            unsent,
            perhaps_sent,
            untold,
            copies: self.copies,
            in_flight: entries(self.in_flight),
            doubts: entries(self.doubts),
            refusals,
            sequences: self.sequences,
            needed,
            inputs: self.inputs,
            stops,
            hash_seed: self.hash_seed,
            loss_wall_ns: self.standing.loss_wall_ns,
            loss: None,
            risk,
        })
    }
}
