//! A trading desk that does what the test says: a listener per link, and a session that survives its connections.
//!
//! It shares no code with the gateway; it answers only what the test tells it to. Waiting is bounded.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::conn::{Conn, Identity, PATIENCE};
use super::fix::{Fix, fields, merge, timestamp};

/// ExecIDs are unique over all links and tests.
static EXECUTIONS: AtomicU64 = AtomicU64::new(1);

/// One link as the desk sees it.
pub struct Desk {
    pub conn: Conn,
    listener: Option<TcpListener>,
    address: SocketAddr,
}

impl Desk {
    /// Listens; link `l` of a sample plan.
    pub fn listen(l: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let peer = gatehouse::config::sample::link_comp_id(l);
        Self {
            conn: Conn::new(Identity {
                begin: "FIX.4.4".to_owned(),
                me: "DESK".to_owned(),
                peer,
            }),
            address: listener.local_addr().expect("bound"),
            listener: Some(listener),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the next connection and answers its Logon.
    pub fn log_on(&mut self) -> &mut Self {
        self.accept();
        self.conn.expect("A").is("98=0 108=30 141=-");
        self.conn.send("A", &fields("98=0 108=30"));
        self
    }

    /// Takes the next connection.
    pub fn accept(&mut self) {
        let listener = self.listener.as_ref().expect("listening");
        listener.set_nonblocking(true).expect("non-blocking");
        let deadline = Instant::now() + PATIENCE;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("blocking");
                    return self.conn.attach(stream);
                }
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(error) => panic!("the gateway does not connect: {error}"),
            }
        }
    }

    /// Takes no connections any more, and drops the one it has.
    pub fn go_away(&mut self) {
        self.listener = None;
        self.conn.drop_connection();
    }

    /// Listens again where it did.
    pub fn come_back(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match TcpListener::bind(self.address) {
                Ok(listener) => return self.listener = Some(listener),
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("{}: {error}", self.address),
            }
        }
    }

    /// The next request, of this type.
    #[track_caller]
    pub fn request(&mut self, kind: &str) -> Fix {
        self.conn.expect(kind)
    }

    /// Body of an ExecutionReport on `request`: as accepted, unless `changes` says otherwise.
    pub fn report_fields(request: &Fix, changes: &str) -> Vec<(u32, String)> {
        let number = EXECUTIONS.fetch_add(1, Ordering::Relaxed);
        let or = |text: &str, other: &str| match text {
            "" => other.to_owned(),
            text => text.to_owned(),
        };
        let quantity = or(request.get(38), "100");
        let base = format!(
            "37=D{} 11={} 17=E{number} 150=0 39=0 1={} 55={} 54={} 38={quantity} 44={} 14=0 151={quantity} 6=0 60={}",
            request.get(11),
            request.get(11),
            or(request.get(1), "A1"),
            request.get(55),
            request.get(54),
            or(request.get(44), "10"),
            timestamp()
        );
        merge(&base, changes)
    }

    /// Sends an ExecutionReport on `request`.
    pub fn report(&mut self, request: &Fix, changes: &str) -> u64 {
        self.conn.send("8", &Self::report_fields(request, changes))
    }

    /// A fill: `cumulated` counts it.
    pub fn fill(&mut self, request: &Fix, quantity: u64, price: &str, cumulated: u64, leaves: u64) {
        let status = if leaves == 0 { 2 } else { 1 };
        let changes = format!(
            "150=F 39={status} 32={quantity} 31={price} 14={cumulated} 151={leaves} 6={price}"
        );
        self.report(request, &changes);
    }

    /// OrderCancelReject.
    pub fn refuse_cancel(&mut self, request: &Fix, changes: &str) {
        let base = format!(
            "37=D{} 11={} 41={} 39=0 434={} 102=0",
            request.get(41),
            request.get(11),
            request.get(41),
            if request.kind() == "G" { 2 } else { 1 }
        );
        self.conn.send("9", &merge(&base, changes));
    }

    /// Answers requests on a thread of its own until the gateway goes away: new ones acknowledged and, where `fill` says so,
    /// filled; cancels and replaces done. Returns the ClOrdIDs of the orders that came.
    pub fn serve(mut self, fill: bool) -> JoinHandle<Served> {
        std::thread::spawn(move || {
            self.listener = None;
            let mut served = Served::default();
            while let Some(message) = self.conn.read() {
                match message.kind() {
                    "D" => {
                        self.report(&message, "");
                        if fill {
                            let quantity = message.number(38);
                            self.fill(&message, quantity, message.get(44), quantity, 0);
                        }
                        served.orders.push(message.get(11).to_owned());
                        self.conn.forget_old();
                    }
                    "F" => {
                        let original = message.get(41).to_owned();
                        self.report(&message, &format!("41={original} 150=4 39=4 151=0"));
                        served.cancels += 1;
                    }
                    "G" => {
                        let original = message.get(41).to_owned();
                        self.report(&message, &format!("41={original} 150=5 39=0"));
                    }
                    "1" => {
                        let answer = [(112, message.get(112).to_owned())];
                        self.conn.send("0", &answer);
                    }
                    "5" => {
                        self.conn.send("5", &[]);
                    }
                    _ => {}
                }
            }
            served
        })
    }
}

/// What a serving desk saw.
#[derive(Default)]
pub struct Served {
    /// ClOrdID(11) of the new orders, in order
    pub orders: Vec<String>,
    /// Cancels done
    pub cancels: usize,
}
