//! A gateway in this process with the desks and clients of a test around it.
//!
//! Ports are free ones, directories go away with the value; the gateway ends in order when it is dropped.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gatehouse::app::{self, Gateway};
use gatehouse::cli::ctl;
use gatehouse::config::plan::{Idle, Io, Layout, Plan};
use gatehouse::config::sample::Sample;
use gatehouse::stage::control::protocol::{Command, Request, Response};
use gatehouse::status::{Counter, Snapshot, reader};
use tempfile::TempDir;

use super::client::Client;
use super::conn::PATIENCE;
use super::desk::Desk;

/// A gateway, its plan, and the desk's links. Clients go first, then links, then the gateway.
pub struct World {
    pub desks: Vec<Desk>,
    pub plan: Arc<Plan>,
    gateway: Option<Gateway>,
    _directory: TempDir,
}

/// Back ends that work here, with the layout that each is tried in: every back end and every layout once.
pub fn combinations() -> Vec<(Io, Layout)> {
    let uring = gatehouse::sys::sockets::open(gatehouse::sys::sockets::Choice::Uring, 1);
    match uring {
        Ok(_) => vec![(Io::Poll, Layout::Pipeline), (Io::Uring, Layout::Fused)],
        Err(_) => vec![(Io::Poll, Layout::Pipeline), (Io::Poll, Layout::Fused)],
    }
}

impl World {
    /// Two sessions (0 speaks FIX 4.4, 1 speaks 4.2), two accounts, one link, polling sockets, fused; `change` may change that.
    pub fn start(change: impl FnOnce(&mut Sample)) -> Self {
        Self::with(1, change, |_| {})
    }

    /// With this many links, and a last word on the plan. Every link is logged on.
    pub fn with(
        links: usize,
        change: impl FnOnce(&mut Sample),
        last_word: impl FnOnce(&mut Plan),
    ) -> Self {
        let mut world = Self::unconnected(links, change, last_word);
        for desk in &mut world.desks {
            desk.log_on();
        }
        world.wait_for_links(links);
        world
    }

    /// As [`World::with`], before any link has logged on.
    pub fn unconnected(
        links: usize,
        change: impl FnOnce(&mut Sample),
        last_word: impl FnOnce(&mut Plan),
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let desks: Vec<_> = (0..links).map(Desk::listen).collect();
        let mut sample = Sample::new(directory.path());
        sample.sessions = 2;
        sample.accounts = 2;
        sample.odd_sessions_fix_42 = true;
        sample.io = Io::Poll;
        sample.layout = Layout::Fused;
        // The machine belongs to others too.
        sample.idle = Idle::Park;
        sample.requests_per_day_max = 1 << 12;
        sample.executions_per_day_max = 1 << 13;
        sample.staging_bytes = 4 << 20;
        sample.links = desks.iter().map(Desk::address).collect();
        change(&mut sample);
        let mut plan = sample.plan();
        for link in plan.desks.iter_mut().flat_map(|desk| &mut desk.links) {
            (link.reconnect_min_ms, link.reconnect_max_ms) = (20, 200);
        }
        last_word(&mut plan);
        let plan = Arc::new(plan);
        let gateway = app::start(plan.clone()).expect("it starts");
        Self {
            desks,
            plan,
            gateway: Some(gateway),
            _directory: directory,
        }
    }

    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("it runs")
    }

    pub fn wait_for_links(&self, ready: usize) {
        wait("links to be ready", || {
            (self.gateway().links_ready() == ready).then_some(())
        });
    }

    /// The only link.
    pub fn desk(&mut self) -> &mut Desk {
        &mut self.desks[0]
    }

    /// Client of session `at`, not connected.
    pub fn stranger(&self, at: usize) -> Client {
        let session = &self.plan.sessions[at];
        let account = self.plan.accounts[session.accounts[0].get()].name;
        Client::new(
            self.gateway().addresses[0],
            std::str::from_utf8(session.fix.version.begin_string()).expect("text"),
            &session.fix.target_comp_id.to_string_lossy(),
            &account.to_string_lossy(),
        )
    }

    /// Client of session `at`, logged on.
    pub fn client(&self, at: usize) -> Client {
        let mut client = self.stranger(at);
        client.log_on();
        client
    }

    /// The status page as another process sees it.
    pub fn status(&self) -> Box<Snapshot> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let path = &self.plan.state.status_file;
        match reader::read_file(path, now.as_nanos() as u64).expect("readable") {
            reader::State::Ready(snapshot) => snapshot,
            reader::State::Dead { last, .. } => last,
            other => panic!("{other}"),
        }
    }

    /// Waits until the page shows it.
    #[track_caller]
    pub fn wait_status(&self, what: &str, shows: impl Fn(&Snapshot) -> bool) -> Box<Snapshot> {
        let mut last = self.status();
        let deadline = Instant::now() + PATIENCE;
        while !shows(&last) {
            assert!(
                Instant::now() < deadline,
                "the status page never shows {what}: {:#?}",
                last.stages
            );
            std::thread::sleep(Duration::from_millis(5));
            last = self.status();
        }
        last
    }

    #[track_caller]
    pub fn wait_counter(&self, counter: Counter, at_least: u64) {
        self.wait_status(&format!("{counter:?} at {at_least}"), |status| {
            status.total(counter) >= at_least
        });
    }

    /// Connections that ended for this reason, by its name, over all stages.
    pub fn closed(status: &Snapshot, reason: &str) -> u64 {
        let of_stage = |stage: &gatehouse::status::snapshot::StageSnapshot| {
            stage.closed.get(reason).copied().unwrap_or(0)
        };
        status.stages.iter().map(of_stage).sum()
    }

    /// One command on the control socket.
    pub fn ctl(&self, command: Command) -> Response {
        let request = Request {
            command,
            reason: "test".to_owned(),
            ticket: String::new(),
        };
        ctl::ask(&self.plan.state.control_socket, &request).expect("an answer")
    }

    /// The orderly end; the desks answer nothing any more.
    pub fn stop(&mut self) {
        for desk in &mut self.desks {
            desk.go_away();
        }
        if let Some(gateway) = self.gateway.take() {
            assert!(
                std::thread::panicking() || !gateway.has_failed(),
                "a thread of the gateway has ended"
            );
            gateway.stop();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits, bounded, for something that will be.
#[track_caller]
pub fn wait<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(Instant::now() < deadline, "waits in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
