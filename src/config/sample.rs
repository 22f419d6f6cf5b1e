//! A plan without files, for the demo, the certifier and tests: N sessions, M accounts, K instruments, one desk.
//!
//! Session i is `GATEHOUSE` to `CLIENT<i>`, belongs to client i, and may use the accounts j with j % sessions == i (or account
//! i % accounts where accounts are fewer). Account j is `A<j>`, instrument k is `SYM<k>`. Limits are generous and every check is on.
//! Always holds: what it builds would pass `config::load` if it were written as files.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::plan::*;
use crate::domain::account::Position;
use crate::domain::{
    Account, AccountIndex, AccountKind, ClientIndex, DeskIndex, Instrument, InstrumentIndex, Money,
    Price, Quantity, Text,
};
use crate::limits;

/// CompID of ours, towards clients and desks.
pub const GATEWAY_COMP_ID: &str = "GATEHOUSE";
/// CompID of the desk.
pub const DESK_COMP_ID: &str = "DESK";
/// Reference price of every instrument: ten currency units.
pub const REFERENCE_PRICE: Price = Price(10 * crate::domain::price::SCALE);

/// What to build. All fields may be changed before [`Sample::plan`].
#[derive(Clone, Debug)]
pub struct Sample {
    /// Client sessions, at least one
    pub sessions: usize,
    /// Accounts, at least one
    pub accounts: usize,
    /// Instruments, at least one
    pub instruments: usize,
    /// Whether odd sessions speak FIX 4.2 (all others 4.4)
    pub odd_sessions_fix_42: bool,
    /// Where clients connect; port 0 lets the kernel choose
    pub listen: SocketAddr,
    /// Addresses of the desk's links, in order of preference
    pub links: Vec<SocketAddr>,
    /// Logs, staging windows, status page and control socket live below it
    pub state_directory: PathBuf,
    /// Which sockets
    pub io: Io,
    /// Which threads
    pub layout: Layout,
    /// What idle stages do
    pub idle: Idle,
    /// Bytes of each staging window; a power of two
    pub staging_bytes: usize,
    /// Requests of one day
    pub requests_per_day_max: usize,
    /// Executions of one day
    pub executions_per_day_max: usize,
    /// Lot of every instrument
    pub lot: u64,
    /// Instruments, from the first, of which every account holds a position
    pub held_instruments: usize,
    /// Requests that may be unanswered on a link at once
    pub window: usize,
    /// Of the sessions
    pub fix_version: FixVersion,
    /// Of the links
    pub desk_fix_version: FixVersion,
}

impl Sample {
    /// One session, one account, one instrument, any loopback port, no link yet.
    pub fn new(state_directory: impl Into<PathBuf>) -> Self {
        Self {
            sessions: 1,
            accounts: 1,
            instruments: 1,
            odd_sessions_fix_42: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            links: Vec::new(),
            state_directory: state_directory.into(),
            io: Io::Auto,
            layout: Layout::Auto,
            idle: Idle::Auto,
            staging_bytes: 16 << 20,
            requests_per_day_max: 1 << 18,
            executions_per_day_max: 1 << 19,
            lot: 1,
            held_instruments: usize::MAX,
            window: 4096,
            fix_version: FixVersion::Fix44,
            desk_fix_version: FixVersion::Fix44,
        }
    }

    /// The plan.
    pub fn plan(&self) -> Plan {
        Plan {
            name: "sample".to_owned(),
            threads: ThreadPlan {
                layout: self.layout,
                idle: self.idle,
                cores: Vec::new(),
                lock_memory: false,
                ring_slots: limits::RING_SLOTS,
            },
            state: self.state(),
            control: ControlPlan::default(),
            schedules: Vec::new(),
            listeners: vec![ListenerPlan {
                name: "clients".to_owned(),
                address: self.listen,
                io: self.io,
                connections_max: (2 * self.sessions).max(64),
                logon_timeout_s: 10,
            }],
            clients: (0..self.sessions)
                .map(|i| ClientPlan {
                    name: client_comp_id(i),
                })
                .collect(),
            sessions: (0..self.sessions).map(|i| self.session(i)).collect(),
            desks: vec![self.desk()],
            instruments: (0..self.instruments).map(|k| self.instrument(k)).collect(),
            accounts: (0..self.accounts).map(|j| self.account(j)).collect(),
            account_desks: vec![DeskIndex(0); self.accounts],
            positions: self.positions(),
        }
    }

    fn state(&self) -> StatePlan {
        StatePlan {
            log_directory: self.state_directory.join("log"),
            log_keep_days: 0,
            log_disk_max_bytes: 0,
            snapshot_every_records: limits::SNAPSHOT_RECORDS,
            staging_directory: self.state_directory.join("staging"),
            staging_bytes: self.staging_bytes,
            status_file: self.state_directory.join("status"),
            control_socket: self.state_directory.join("control.sock"),
            requests_per_day_max: self.requests_per_day_max,
            executions_per_day_max: self.executions_per_day_max,
        }
    }

    fn session(&self, i: usize) -> SessionPlan {
        let version = match self.odd_sessions_fix_42 && i % 2 == 1 {
            true => FixVersion::Fix42,
            false => self.fix_version,
        };
        let accounts = match self.accounts < self.sessions {
            true => vec![AccountIndex((i % self.accounts) as u32)],
            false => (i..self.accounts)
                .step_by(self.sessions)
                .map(|j| AccountIndex(j as u32))
                .collect(),
        };
        SessionPlan {
            name: format!("session{i}"),
            client: ClientIndex(i as u32),
            fix: FixPlan {
                dictionary: DictionaryPlan::Dialect,
                ..fix(version, &client_comp_id(i))
            },
            allowed_sources: Vec::new(),
            accounts,
            messages_per_second: 0,
            message_burst: 1,
            pending_new: false,
            cancel_on_disconnect: false,
            durability_tag: 0,
            drop_copy: None,
        }
    }

    fn desk(&self) -> DeskPlan {
        let link = |(l, &address): (usize, &SocketAddr)| LinkPlan {
            name: format!("desk-{l}"),
            address,
            io: self.io,
            fix: FixPlan {
                sender_comp_id: text(&link_comp_id(l)),
                ..fix(self.desk_fix_version, DESK_COMP_ID)
            },
            reconnect_min_ms: 100,
            reconnect_max_ms: 2_000,
            window: self.window,
        };
        DeskPlan {
            name: "desk".to_owned(),
            links: self.links.iter().enumerate().map(link).collect(),
            acknowledge_timeout_ms: 5_000,
            durability: Durability::Process,
        }
    }

    fn account(&self, j: usize) -> Account {
        Account {
            name: text(&account_name(j)),
            client: ClientIndex((j % self.sessions) as u32),
            kind: AccountKind::Cash,
            cash: units(1_000_000_000_000),
            order_value_max: units(100_000_000_000),
            open_orders_max: 1_000_000,
            messages_per_second: 0,
            message_burst: 1,
        }
    }

    fn instrument(&self, k: usize) -> Instrument {
        Instrument {
            symbol: text(&symbol(k)),
            market: text("XSHG"),
            unit: 1,
            lot: Quantity(self.lot),
            odd_lot_sell: true,
            tick: Price(crate::domain::price::SCALE / 100),
            quantity_min: Quantity(self.lot),
            quantity_max: Quantity(1_000_000),
            limit_down: Price(crate::domain::price::SCALE / 100),
            limit_up: Price(100 * crate::domain::price::SCALE),
            reference_price: REFERENCE_PRICE,
            collar_bp: 100_000,
            market_orders: true,
            same_day_sell: true,
        }
    }

    fn positions(&self) -> Vec<Position> {
        let held = self.held_instruments.min(self.instruments);
        (0..self.accounts)
            .flat_map(|j| {
                (0..held).map(move |k| Position {
                    account: AccountIndex(j as u32),
                    instrument: InstrumentIndex(k as u32),
                    sellable: Quantity(1_000_000_000),
                })
            })
            .collect()
    }
}

/// TargetCompID of session `i` as the gateway sees it: the client's own CompID.
pub fn client_comp_id(i: usize) -> String {
    format!("CLIENT{}", i + 1)
}

/// SenderCompID of ours on link `l`: each link is a session of its own at the desk.
pub fn link_comp_id(l: usize) -> String {
    match l {
        0 => GATEWAY_COMP_ID.to_owned(),
        _ => format!("{GATEWAY_COMP_ID}{}", l + 1),
    }
}

/// Account(1) of account `j`.
pub fn account_name(j: usize) -> String {
    format!("A{}", j + 1)
}

/// Symbol(55) of instrument `k`.
pub fn symbol(k: usize) -> String {
    format!("SYM{}", k + 1)
}

/// Settings as the files' defaults have them.
fn fix(version: FixVersion, target_comp_id: &str) -> FixPlan {
    FixPlan {
        heartbeat_interval_min_s: 1,
        heartbeat_interval_max_s: 60,
        logout_timeout_s: 10,
        ..FixPlan::new(
            version,
            GATEWAY_COMP_ID.as_bytes(),
            target_comp_id.as_bytes(),
        )
    }
}

fn units(amount: i128) -> Money {
    Money(amount * crate::domain::price::SCALE as i128)
}

/// The names above are far shorter than any `Text`.
fn text<const N: usize>(value: &str) -> Text<N> {
    Text::cut(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_has_a_session_and_every_session_an_account() {
        for (sessions, accounts) in [(1, 1), (3, 7), (7, 3), (4, 4)] {
            let mut sample = Sample::new("/nowhere");
            (sample.sessions, sample.accounts) = (sessions, accounts);
            let plan = sample.plan();
            let used: std::collections::BTreeSet<_> = plan
                .sessions
                .iter()
                .flat_map(|s| s.accounts.iter().copied())
                .collect();
            assert_eq!(used.len(), accounts);
            assert!(plan.sessions.iter().all(|s| !s.accounts.is_empty()));
            assert_eq!(plan.account_desks.len(), accounts);
        }
    }
}
