//! A client of the gateway, FIX 4.2 or 4.4, over a raw socket.
//!
//! It shares no code with the gateway: what it reads and writes is text of its own. Waiting is bounded.

use std::net::{SocketAddr, TcpStream};

use super::conn::{Conn, Identity};
use super::fix::{Fix, merge, timestamp};

pub struct Client {
    pub conn: Conn,
    /// Account(1) of its orders
    pub account: String,
    gateway: SocketAddr,
}

impl Client {
    /// Not connected yet.
    pub fn new(gateway: SocketAddr, begin: &str, comp_id: &str, account: &str) -> Self {
        Self {
            conn: Conn::new(Identity {
                begin: begin.to_owned(),
                me: comp_id.to_owned(),
                peer: "GATEHOUSE".to_owned(),
            }),
            account: account.to_owned(),
            gateway,
        }
    }

    pub fn is_42(&self) -> bool {
        self.conn.identity.begin == "FIX.4.2"
    }

    /// Opens the connection and says nothing.
    pub fn connect(&mut self) {
        let stream = TcpStream::connect(self.gateway).expect("the gateway listens");
        self.conn.attach(stream);
    }

    /// Connects and logs on.
    pub fn log_on(&mut self) -> &mut Self {
        self.connect();
        self.send_logon("");
        self.conn.expect("A").is("98=0 108=30");
        self
    }

    pub fn send_logon(&mut self, changes: &str) {
        self.conn.send("A", &merge("98=0 108=30", changes));
    }

    /// Logs out and waits for the end.
    pub fn log_out(&mut self) {
        self.conn.send("5", &[]);
        self.conn.expect("5");
        assert!(self.conn.until_closed().is_empty());
        self.conn.drop_connection();
    }

    /// 35=D, a day order to buy 100 SYM1 at 10 unless `changes` says otherwise.
    pub fn order(&mut self, id: &str, changes: &str) {
        let fields = self.order_fields(id, changes);
        self.conn.send("D", &fields);
    }

    pub fn order_fields(&self, id: &str, changes: &str) -> Vec<(u32, String)> {
        let handling = if self.is_42() { "21=1" } else { "" };
        let base = format!(
            "11={id} 1={} {handling} 55=SYM1 54=1 60={} 38=100 40=2 44=10 59=0",
            self.account,
            timestamp()
        );
        merge(&base, changes)
    }

    /// 35=F
    pub fn cancel(&mut self, id: &str, original: &str) {
        let base = format!("41={original} 11={id} 55=SYM1 54=1 60={}", timestamp());
        self.conn.send("F", &merge(&base, ""));
    }

    /// 35=G
    pub fn replace(&mut self, id: &str, original: &str, changes: &str) {
        let handling = if self.is_42() { "21=1" } else { "" };
        let base = format!(
            "41={original} 11={id} {handling} 55=SYM1 54=1 60={} 38=100 40=2 44=10",
            timestamp()
        );
        self.conn.send("G", &merge(&base, changes));
    }

    /// 35=H
    pub fn status(&mut self, id: &str, changes: &str) {
        let base = format!("11={id} 55=SYM1 54=1");
        self.conn.send("H", &merge(&base, changes));
    }

    /// The next message is an ExecutionReport like this.
    #[track_caller]
    pub fn report(&mut self, expected: &str) -> Fix {
        let report = self.conn.expect("8");
        report.is(expected);
        report
    }

    /// Sends an order that the gateway refuses by itself for want of cash or position, and checks the words.
    #[track_caller]
    pub fn refused(&mut self, id: &str, changes: &str, text: &str) {
        self.order(id, changes);
        let report = self.report(&format!("11={id} 150=8 39=8 14=0 151=0"));
        assert_eq!(report.get(58), text);
    }
}
