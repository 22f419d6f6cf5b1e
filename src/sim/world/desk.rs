//! The simulated desk in the virtual world: the same server as `gatehouse desk`, over virtual sockets, with its own truth.
//!
//! Owned by the world. It never dies; its links do. What it was asked and what it filled stands in its ledger, whatever became of the
//! reports.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use super::net::{Host, Network};
use super::sockets::{Life, VirtualSockets};
use crate::config::sample::{DESK_COMP_ID, link_comp_id};
use crate::domain::{FixVersion, Now, Text};
use crate::sim::behaviour::Behaviours;
use crate::sim::desk::{DeskBook, DeskConfig};
use crate::sim::desk_command::DeskCommand;
use crate::sim::desk_server::{DeskLinkConfig, DeskServer, DeskServerConfig};
use crate::sim::random::Random;

/// What desks do, one of which is drawn for each world; every one answers.
const SCRIPTS: [&str; 8] = [
    "accept",
    "fill",
    "accept@4/fill@3/partial:3:2ms@2/reject@1",
    "pending+accept@2/partial:4:5ms@2/delay:1ms..30ms+fill@1",
    "duplicate+fill@2/duplicate+partial:2:3ms@2/accept@1",
    "accept@3/late-fill:5ms@1/too-late@1/cancel:20ms@1/expire:30ms@1/done:40ms@1",
    "fill@2/bust:10ms@1/correct:10ms@1/restate:5ms@1/accept@2",
    "disconnect+accept@1/accept@6/fill@4/delay:5ms..50ms+partial:2:10ms@3",
];

/// The desk.
pub struct Desk {
    server: DeskServer<VirtualSockets>,
    /// It may refuse to cancel what is open
    pub refuses_cancels: bool,
}

impl Desk {
    /// Listens on these addresses, from host `first_host` on.
    pub fn new(
        addresses: &[SocketAddr],
        net: &Rc<RefCell<Network>>,
        first_host: Host,
        random: &mut Random,
    ) -> Self {
        let sockets = (0..addresses.len()).map(|at| {
            let (life, sent) = (Rc::new(Life::default()), Rc::default());
            VirtualSockets::new(net.clone(), first_host + at, life, None, sent)
        });
        let links = addresses
            .iter()
            .enumerate()
            .map(|(at, &address)| DeskLinkConfig {
                address,
                sender: DESK_COMP_ID.to_owned(),
                target: link_comp_id(at),
            });
        let script = SCRIPTS[random.below(SCRIPTS.len() as u64) as usize];
        let behaviours = Behaviours::parse(&[format!("default={script}")]);
        let config = DeskServerConfig {
            links: links.collect(),
            version: FixVersion::Fix44,
            prefix: Text::cut(b"W"),
            book: DeskConfig {
                links: addresses.len(),
                behaviours: behaviours.expect("the scripts are right"),
                seed: random.next_u64(),
                ..DeskConfig::default()
            },
        };
        let server = DeskServer::new(sockets.collect(), config);
        Self {
            server: server.expect("virtual sockets listen anywhere"),
            refuses_cancels: script.contains("too-late"),
        }
    }

    /// One turn.
    pub fn step(&mut self, now: Now) -> usize {
        self.server.duty_cycle(now)
    }

    /// Its orders and ledger.
    pub fn book(&self) -> &DeskBook {
        self.server.book()
    }

    /// Links whose session stands.
    pub fn links_up(&self) -> usize {
        self.server.links_up()
    }

    /// Something happens there that nobody asked for.
    pub fn act(&mut self, now: Now, random: &mut Random) {
        let orders = self.book().orders_open();
        let pick = |random: &mut Random| {
            let at = random.below(orders.len() as u64) as usize;
            orders.get(at).copied()
        };
        let command = match random.below(8) {
            0 => Some(DeskCommand::Disconnect(random.below(2) as usize)),
            1..=4 => pick(random).map(|id| DeskCommand::Fill(id, None, None)),
            5 => pick(random)
                .map(|id| DeskCommand::End(crate::domain::OrderStatus::Cancelled, Some(id))),
            6 => self.last_fill().map(DeskCommand::Bust),
            _ => pick(random)
                .map(|id| DeskCommand::Fill(id, Some(crate::domain::Quantity(10)), None)),
        };
        if let Some(command) = command {
            // What is done already is refused: that is no finding.
            let _ = self.server.command(now, &command);
        }
    }

    fn last_fill(&self) -> Option<u64> {
        let fills = self.book().ledger().fills();
        fills.last().map(|fill| fill.exec_id)
    }
}
