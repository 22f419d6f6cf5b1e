//! A replay as bytes and back: what a snapshot keeps.
//!
//! Cold and pure. What always holds: a replay that was loaded goes on as the one that was saved would have.

use std::sync::Arc;

use super::{Open, Replay};
use crate::config::plan::Plan;
use crate::domain::saved::{Saved, Saver};
use crate::journal::snapshot::Position;
use crate::journal::{LogId, Record};
use crate::risk::{Risk, RiskPlan};
use crate::stage::assembly;
use crate::stage::recovered::Recovery;

/// Index of a log in arrays of three.
fn index(log: LogId) -> Option<usize> {
    (log as usize).checked_sub(1)
}

impl Replay {
    pub(super) fn note_position(
        &mut self,
        log: LogId,
        epoch: u16,
        offset: u64,
        record: &Record<'_>,
    ) {
        let Some(at) = index(log) else { return };
        self.positions[at] = Position::behind(epoch, offset, record);
    }

    /// How far the client, order and desk log were read.
    pub fn positions(&self) -> [Position; 3] {
        self.positions
    }

    /// For which reference data it is.
    pub fn reference(&self) -> u64 {
        self.reference
    }

    /// Everything that is known so far.
    pub fn save(&self) -> Vec<u8> {
        let Self {
            plan: _,
            reference: _, // Of the plan.
            clients,
            links,
            risk,
            begin,
            out: _, // Of one record.
            open,
            closed,
            in_flight,
            doubts,
            doubted,
            unwritten: _, // Of what is open.
            spoken,
            numbers_since,
            standing,
            rejections,
            refusals,
            refusals_known,
            copies,
            sequences,
            positions,
            inputs,
            last_input_day,
            fresh_epoch,
            forgotten,
            hash_seed: _, // Each process has its own.
        } = self;
        let mut saver = Saver::default();
        saver.put(&(clients, links));
        saver.put(&(begin, open, closed, in_flight));
        saver.put(&(doubts, doubted, spoken));
        saver.put(&(rejections, numbers_since, standing));
        saver.put(&(refusals, refusals_known, copies));
        saver.put(&(sequences, positions, inputs, last_input_day));
        saver.put(&(fresh_epoch, forgotten));
        saver.put(&risk.is_some());
        if let Some(risk) = risk {
            risk.save(&mut saver);
        }
        saver.into_bytes()
    }

    /// What [`Replay::save`] made with the same plan; `None` where it is not that. The seed is as for [`Replay::new`].
    pub fn load(plan: Arc<Plan>, hash_seed: u64, bytes: &[u8]) -> Option<Self> {
        let mut saved = Saved::new(bytes);
        let mut replay = Self::new(plan, hash_seed);
        let (clients, links): (Recovery, Recovery) = saved.take()?;
        let plan = &replay.plan;
        replay.clients = clients.sized_for(plan.sessions.len());
        replay.links = links.sized_for(assembly::links(plan).count());
        (replay.begin, replay.open, replay.closed, replay.in_flight) = saved.take()?;
        (replay.doubts, replay.doubted, replay.spoken) = saved.take()?;
        (replay.rejections, replay.numbers_since, replay.standing) = saved.take()?;
        (replay.refusals, replay.refusals_known, replay.copies) = saved.take()?;
        (
            replay.sequences,
            replay.positions,
            replay.inputs,
            replay.last_input_day,
        ) = saved.take()?;
        (replay.fresh_epoch, replay.forgotten) = saved.take()?;
        let open = replay.open.values();
        let unwritten = open.filter_map(|(_, open)| match open {
            Open::Desk(request) => Some(request.id),
            Open::Client(_) => None,
        });
        replay.unwritten = unwritten.collect();
        if saved.take::<bool>()? {
            let plan = replay.plan.clone();
            let load = |plan: RiskPlan<'_>| Risk::load(plan, &mut saved);
            replay.risk = Some(assembly::with_risk_plan(&plan, hash_seed, load)?);
        }
        saved.is_empty().then_some(replay)
    }
}
