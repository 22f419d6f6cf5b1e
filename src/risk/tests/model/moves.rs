//! The model's moves: what a client, a desk or an operator does next, done to the risk state and to the model alike.
//!
//! What the risk state answers is compared at once; what it holds afterwards is compared by the caller.

use super::*;

impl Model {
    pub(super) fn apply(&mut self, op: &Op) {
        match *op {
            Op::New {
                who,
                sell,
                market,
                cents,
                quantity,
                reuse,
                facts,
            } => {
                let facts = Facts {
                    entitled: facts.0,
                    pressure: facts.1,
                    desk_ready: facts.2,
                    log_ready: true,
                    may_be_sent: false,
                };
                self.new_order(who, sell, market, cents, quantity, reuse, facts);
            }
            Op::Replace(n, cents, quantity) => self.replace(n, cents, quantity),
            Op::Cancel(n) => self.cancel(n),
            Op::Stop(action, kind, at) => self.stop(action, scope_of(kind, at)),
            Op::MassCancel(session) => {
                let name = self.fresh();
                let open = self
                    .rows
                    .iter()
                    .filter(|r| r.session == session && r.done.is_none());
                let open = open.count();
                let request = ClientRequest::MassCancel(MassCancelRequest {
                    client_order_id: name,
                    scope: MassScope::All,
                    side: None,
                });
                self.bench.client(session, request, GOOD);
                match self.bench.out.to_client.as_slice() {
                    [
                        ToClient {
                            output: ClientOutput::MassCancel(report),
                            ..
                        },
                    ] => {
                        assert_eq!(report.affected as usize, open)
                    }
                    other => panic!("{other:?}"),
                }
                self.want(Scope::Session(SessionIndex(session)));
            }
            Op::Work(steps) => (0..steps).for_each(|_| self.work()),
            Op::Again => {
                if let Some(report) = self.last_report {
                    self.bench.desk(DeskInput::Report(report));
                    assert!(self.bench.told_nothing());
                }
            }
            _ => self.desk_op(op),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn new_order(
        &mut self,
        (session, account, instrument): (u32, u32, u32),
        sell: bool,
        market: bool,
        cents: i64,
        quantity: u64,
        reuse: Option<usize>,
        facts: Facts,
    ) {
        let name = match reuse {
            Some(n) if !self.used.is_empty() => self.used[n % self.used.len()].1,
            _ => self.fresh(),
        };
        let price = if market { 0 } else { cents * SCALE / 100 };
        let asked = Asked {
            session,
            account: account as usize,
            instrument: instrument as usize,
            sell,
            market,
            price,
            quantity: quantity as i128,
            replaces: None,
            duplicate: self.used.contains(&(session, name)),
            facts,
        };
        let reasons = self.reasons(&asked);
        let new = NewOrder {
            client_order_id: name,
            account: AccountRef::Known(AccountIndex(account)),
            instrument: InstrumentRef::Known(InstrumentIndex(instrument)),
            side: if sell { Side::Sell } else { Side::Buy },
            order_type: if market {
                OrderType::Market
            } else {
                OrderType::Limit
            },
            time_in_force: TimeInForce::Day,
            price: Price(price),
            quantity: Quantity(quantity),
            possible_resend: false,
        };
        self.bench.client(session, ClientRequest::New(new), facts);
        if reasons != 0 {
            assert!(
                self.bench.out.to_desk.is_empty(),
                "passed against {reasons:b}: {new:?}"
            );
            assert_eq!(self.bench.risk.last_failures(), reasons, "{new:?}");
            assert_eq!(self.bench.told().reason, Self::first_of(reasons));
            return;
        }
        assert_eq!(
            self.bench.out.to_desk.as_slice().len(),
            1,
            "refused: {new:?}"
        );
        let id = self.bench.out.to_desk.as_slice()[0].id;
        self.used.push((session, name));
        self.rows.push(Row {
            session,
            account: account as usize,
            instrument: instrument as usize,
            sell,
            market,
            price,
            quantity: quantity as i128,
            done: None,
            ended: None,
            acked: false,
            name,
            first: id,
            live: id,
            pending: None,
            fills: Vec::new(),
            wanted: false,
            own_refused: false,
        });
    }

    fn cancel(&mut self, n: usize) {
        let Some(at) = self.pick(n) else { return };
        let name = self.fresh();
        let row = &mut self.rows[at];
        let request = ClientRequest::Cancel(CancelRequest {
            client_order_id: name,
            orig_client_order_id: row.name,
            instrument: InstrumentRef::Known(InstrumentIndex(row.instrument as u32)),
            side: Side::Buy,
        });
        self.bench.client(row.session, request, GOOD);
        let reason = match (row.done, row.pending) {
            (Some(_), _) => R::TooLate,
            (None, Some(_)) => R::AlreadyPending,
            (None, None) => {
                let id = self.bench.out.to_desk.as_slice()[0].id;
                row.pending = Some((Pending::Cancel { own: false }, id, name));
                return self.used.push((row.session, name));
            }
        };
        assert_eq!(self.bench.told_cancel_reject().reason, reason);
    }

    fn replace(&mut self, n: usize, cents: i64, quantity: u64) {
        let Some(at) = self.pick(n) else { return };
        self.drain();
        let name = self.fresh();
        let row = &self.rows[at];
        let price = cents * SCALE / 100;
        let request = ClientRequest::Replace(ReplaceRequest {
            client_order_id: name,
            orig_client_order_id: row.name,
            instrument: InstrumentRef::Known(InstrumentIndex(row.instrument as u32)),
            side: if row.sell { Side::Sell } else { Side::Buy },
            order_type: OrderType::Limit,
            price: Price(price),
            quantity: Quantity(quantity),
        });
        let reasons = self.reasons(&Asked {
            session: row.session,
            account: row.account,
            instrument: row.instrument,
            sell: row.sell,
            market: false,
            price,
            quantity: quantity as i128,
            replaces: Some(at),
            duplicate: false,
            facts: GOOD,
        });
        let refusal = if row.done.is_some() {
            Some(R::TooLate)
        } else if row.pending.is_some() || row.wanted {
            Some(R::AlreadyPending)
        } else if (quantity as i128) < row.cumulated() {
            Some(R::BadReplace)
        } else if reasons != 0 {
            Some(Self::first_of(reasons))
        } else {
            None
        };
        self.bench.client(row.session, request, GOOD);
        match refusal {
            Some(reason) => {
                assert!(self.bench.out.to_desk.is_empty());
                assert_eq!(self.bench.told_cancel_reject().reason, reason);
            }
            None => {
                let id = self.bench.out.to_desk.as_slice()[0].id;
                let quantity = quantity as i128;
                let pending = Pending::Replace {
                    market: false,
                    price,
                    quantity,
                };
                self.used.push((row.session, name));
                self.rows[at].pending = Some((pending, id, name));
            }
        }
    }

    fn stop(&mut self, action: u8, scope: Scope) {
        let at = |kind, stops: &[(u8, Scope)]| stops.iter().position(|&s| s == (kind, scope));
        match action % 4 {
            0 => {
                self.bench.command(RiskCommand::Block(scope));
                self.stops.push((0, scope));
            }
            1 => {
                self.bench.command(RiskCommand::Kill(scope));
                self.stops.push((1, scope));
                self.want(scope);
            }
            2 => {
                self.bench.command(RiskCommand::Unblock(scope));
                while let Some(at) = at(0, &self.stops) {
                    self.stops.remove(at);
                }
            }
            _ => {
                self.bench.command(RiskCommand::Release(scope));
                while let Some(at) = at(1, &self.stops) {
                    self.stops.remove(at);
                }
            }
        }
    }

    fn want(&mut self, scope: Scope) {
        for row in &mut self.rows {
            row.wanted |= covers(scope, row.session, row.account, row.instrument);
        }
    }

    fn work(&mut self) {
        self.bench.out.clear();
        self.bench
            .risk
            .continue_work(self.bench.now, &mut self.bench.out);
        for to_desk in self.bench.out.to_desk.as_slice() {
            let crate::domain::order::DeskRequest::Cancel { original } = to_desk.request else {
                panic!("{to_desk:?}");
            };
            let row = self.rows.iter_mut().find(|r| r.live == original).unwrap();
            assert!(row.wanted && row.done.is_none() && row.pending.is_none());
            row.pending = Some((Pending::Cancel { own: true }, to_desk.id, id("")));
        }
    }

    pub(super) fn drain(&mut self) {
        for _ in 0..1000 {
            if !self.bench.risk.has_work() {
                break;
            }
            self.work();
        }
        assert!(!self.bench.risk.has_work());
        for row in self.rows.iter().filter(|r| r.wanted && r.done.is_none()) {
            assert!(row.pending.is_some() || row.own_refused);
        }
    }

    fn desk_op(&mut self, op: &Op) {
        let (Op::Ack(n)
        | Op::Fill(n, ..)
        | Op::Bust(n, ..)
        | Op::Correct(n, ..)
        | Op::CancelledByDesk(n)
        | Op::Expire(n)
        | Op::RejectNew(n)
        | Op::Refuse(n)
        | Op::Doubt(n)
        | Op::Answer(n, _)) = *op
        else {
            return;
        };
        let Some(at) = self.pick(n) else { return };
        let (live, first) = (self.rows[at].live, self.rows[at].first);
        match *op {
            Op::Ack(_) => {
                self.send(report(live, DeskExec::New));
                self.rows[at].acked = true;
                self.assert_told(at, ClientExec::New);
            }
            Op::Fill(_, quantity, cents) => {
                let price = cents * SCALE / 100;
                self.send(report(first, fill(quantity, Price(price))));
                let exec_id = self.bench.last_exec_id();
                let row = &mut self.rows[at];
                row.fills.push((exec_id, quantity as i128, price));
                row.acked = true;
                if row.cumulated() >= row.quantity {
                    row.is_filled();
                }
                self.assert_told(at, ClientExec::Trade);
            }
            Op::Bust(_, which, reopen) => self.undo(at, which, reopen, None),
            Op::Correct(_, which, quantity, cents) => {
                self.undo(at, which, false, Some((quantity, cents * SCALE / 100)));
            }
            Op::CancelledByDesk(_) => {
                self.send(report(live, DeskExec::Cancelled));
                self.ends(at, OrderStatus::Cancelled, ClientExec::Cancelled);
            }
            Op::Expire(_) => {
                self.send(report(live, DeskExec::Expired));
                self.ends(at, OrderStatus::Expired, ClientExec::Expired);
            }
            Op::RejectNew(_) => {
                self.send(report(first, DeskExec::Rejected));
                self.ends(at, OrderStatus::Rejected, ClientExec::Rejected);
            }
            Op::Refuse(_) => {
                let row = &self.rows[at];
                let known = row.acked || row.done.is_some() || !row.fills.is_empty();
                let untouched = row.cumulated() == 0 && !row.acked;
                self.bench.desk(DeskInput::Refused {
                    id: first,
                    reason: R::NotDelivered,
                    text: DeskText::EMPTY,
                });
                if known || !untouched {
                    assert!(self.bench.told_nothing());
                } else {
                    self.ends(at, OrderStatus::Rejected, ClientExec::Rejected);
                }
            }
            Op::Doubt(_) => {
                let before = self.bench.risk.counters().doubts;
                // Only of orders that are neither replaced nor cancelled by anyone: the rest is for the dialogues.
                if self.rows[at].pending.is_none() && live == first && self.rows[at].acked {
                    self.bench.desk(DeskInput::InDoubt { id: live });
                    assert!(self.bench.risk.counters().doubts <= before + 1);
                    self.send(report(live, DeskExec::New));
                }
            }
            Op::Answer(_, accept) => self.answer(at, accept),
            _ => {}
        }
    }

    fn ends(&mut self, at: usize, status: OrderStatus, exec: ClientExec) {
        let row = &mut self.rows[at];
        let was_done = row.done.is_some();
        if row.done == Some(OrderStatus::Filled) && exec != ClientExec::Rejected {
            row.ended = Some(status);
        }
        row.done = row.done.or(Some(status));
        let answered = match row.pending {
            Some((Pending::Cancel { own }, ..)) if exec == ClientExec::Cancelled => {
                row.pending = None;
                !own
            }
            _ => false,
        };
        match was_done && !answered {
            true => assert!(self.bench.told_nothing()),
            false => self.assert_told(at, exec),
        }
    }

    fn undo(&mut self, at: usize, which: usize, reopen: bool, corrected: Option<(u64, i64)>) {
        let row = &mut self.rows[at];
        if row.fills.is_empty() {
            return;
        }
        let which = which % row.fills.len();
        let (reference, old, _) = row.fills[which];
        let rest = row.quantity - row.cumulated() + old;
        let exec = match corrected {
            None => DeskExec::TradeCancel,
            Some((quantity, price)) => DeskExec::TradeCorrect {
                quantity: Quantity(quantity),
                price: Price(price),
            },
        };
        let says_open = reopen && rest > 0;
        let reopens = says_open && row.ended.is_none();
        let undo = DeskReport {
            exec_ref_id: reference,
            status: if says_open {
                OrderStatus::New
            } else {
                OrderStatus::Cancelled
            },
            leaves: Quantity(if says_open { rest as u64 } else { 0 }),
            ..report(row.live, exec)
        };
        self.send(undo);
        let exec_id = self.bench.last_exec_id();
        let row = &mut self.rows[at];
        row.fills.remove(which);
        if let Some((quantity, price)) = corrected {
            row.fills.push((exec_id, quantity as i128, price));
        }
        let filled = row.cumulated() >= row.quantity;
        match row.done {
            _ if filled => row.is_filled(),
            Some(OrderStatus::Filled) if reopens => row.done = None,
            Some(OrderStatus::Filled) => row.done = row.ended.or(Some(OrderStatus::Cancelled)),
            _ => {}
        }
        let exec = match corrected {
            None => ClientExec::TradeCancel,
            Some(_) => ClientExec::TradeCorrect,
        };
        self.assert_told(at, exec);
    }

    fn answer(&mut self, at: usize, accept: bool) {
        let Some((pending, id, name)) = self.rows[at].pending else {
            return;
        };
        let (was_done, own) = (self.rows[at].done, pending == Pending::Cancel { own: true });
        if !accept {
            self.bench.cancel_reject(id, 2);
            self.rows[at].pending = None;
            self.rows[at].own_refused |= own;
            assert_eq!(self.bench.told_nothing(), own);
            return;
        }
        let Pending::Replace {
            market,
            price,
            quantity,
        } = pending
        else {
            self.send(report(id, DeskExec::Cancelled));
            return self.ends(at, OrderStatus::Cancelled, ClientExec::Cancelled);
        };
        self.send(report(id, DeskExec::Replaced));
        if !matches!(was_done, None | Some(OrderStatus::Filled)) {
            assert!(self.bench.told_nothing());
            return;
        }
        let row = &mut self.rows[at];
        row.pending = None;
        (row.market, row.price) = (market, price);
        row.quantity = quantity.max(row.cumulated());
        (row.live, row.name) = (id, name);
        row.acked = true;
        row.done = match row.cumulated() >= row.quantity {
            true => Some(OrderStatus::Filled),
            false => row.ended,
        };
        self.assert_told(at, ClientExec::Replaced);
    }
}

impl Row {
    /// What the desk ended before stays ended, whatever becomes of its trades.
    fn is_filled(&mut self) {
        if self.done.is_some_and(|done| done != OrderStatus::Filled) {
            self.ended = self.done;
        }
        self.done = Some(OrderStatus::Filled);
    }
}
