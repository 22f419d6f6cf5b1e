//! The control socket: operators' commands, on a cold thread of its own.
//!
//! One thread, non-blocking, at most [`CONTROL_CONNECTIONS_MAX`] connections, so that no peer can make another wait; the hot stages are
//! reached through bounded queues only. Who may speak is asked of the kernel (peer credentials) when a connection comes: the
//! gateway's own user and the plan's operators. What a command does is in `operations`, the two-person rule in `approval`, the
//! lines in `protocol`. The thread looks every [`TURN_MS`] milliseconds, which bounds what a kill waits for.

mod approval;
mod connection;
mod names;
mod numbers;
mod operations;
pub mod protocol;
mod show;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_queue::ArrayQueue;

use self::connection::{Connection, Turn};
use self::operations::{Operations, Outcome};
use self::protocol::{ErrorKind, Request, Response};
use crate::config::plan::Plan;
use crate::domain::Now;
use crate::domain::command::{CommandDone, CommandInput, LinkCommand, NumbersDone, SessionCommand};
use crate::limits::{CONTROL_CONNECTIONS_MAX, CONTROL_QUEUE_COMMANDS};
use crate::status::page::Words;
use crate::status::{Counter, StageWriter};

/// How often the thread looks when nothing happens.
pub const TURN_MS: u64 = 5;

/// The other side of a connection, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process id
    pub pid: i32,
    /// User id
    pub uid: u32,
    /// Group id
    pub gid: u32,
}

/// Asks the kernel who is at the other end (SO_PEERCRED).
pub type PeerOf = fn(&UnixStream) -> io::Result<Peer>;

/// Queues between the control thread and the stages.
#[derive(Clone, Debug)]
pub struct ControlPorts {
    /// To the risk stage.
    pub risk: Arc<ArrayQueue<CommandInput>>,
    /// From the risk stage.
    pub risk_done: Arc<ArrayQueue<CommandDone>>,
    /// To the decode stage.
    pub sessions: Arc<ArrayQueue<SessionCommand>>,
    /// To the route stage.
    pub links: Arc<ArrayQueue<LinkCommand>>,
    /// From the decode and route stages.
    pub numbers_done: Arc<ArrayQueue<NumbersDone>>,
    /// To the main thread: a snapshot is wanted.
    pub snapshot: Arc<AtomicBool>,
}

impl Default for ControlPorts {
    fn default() -> Self {
        Self {
            risk: Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS)),
            risk_done: Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS)),
            sessions: Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS)),
            links: Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS)),
            numbers_done: Arc::new(ArrayQueue::new(CONTROL_QUEUE_COMMANDS)),
            snapshot: Arc::default(),
        }
    }
}

/// The control thread's state.
pub struct Control {
    operations: Operations,
    /// User ids that may command.
    allowed: Vec<u32>,
    peer_of: PeerOf,
    connections: Vec<Connection>,
    answers: Vec<(u64, Response)>,
}

impl Control {
    /// `page` is read for answers, `status` is the writer of the page's control block; `own_uid` is the gateway's user.
    pub fn new(
        plan: Arc<Plan>,
        ports: ControlPorts,
        page: Words,
        status: StageWriter,
        own_uid: u32,
        peer_of: PeerOf,
    ) -> Self {
        let mut allowed = plan.control.operators.clone();
        allowed.push(own_uid);
        Self {
            operations: Operations::new(plan, ports, page, status),
            allowed,
            peer_of,
            connections: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Serves until `stop` is set; gives the page's writer back.
    pub fn serve(
        mut self,
        listener: UnixListener,
        stop: Arc<AtomicBool>,
    ) -> io::Result<StageWriter> {
        listener.set_nonblocking(true)?;
        let origin = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let wall = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let now = Now {
                mono_ns: origin.elapsed().as_nanos() as u64,
                wall_ns: wall.as_nanos() as u64,
            };
            // First those that stand: one that has gone makes room.
            let worked = self.turn(now);
            let accepted = self.accept(&listener, now.mono_ns);
            if !worked && !accepted {
                std::thread::sleep(Duration::from_millis(TURN_MS));
            }
        }
        Ok(self.operations.status)
    }

    /// Takes at most one connection, so that those that stand have their turn.
    fn accept(&mut self, listener: &UnixListener, now_ns: u64) -> bool {
        // Out of descriptors is no reason to end: the next turn tries again.
        let Ok((stream, _)) = listener.accept() else {
            return false;
        };
        let refusal = match (self.peer_of)(&stream) {
            Ok(peer) if !self.allowed.contains(&peer.uid) => {
                tracing::warn!(target: "operations", uid = peer.uid, pid = peer.pid, outcome = "refused", "connection of a user who may not command");
                let message = format!("user {} may not command: see `control.operators`", peer.uid);
                Response::error(ErrorKind::NotAllowed, message)
            }
            Ok(_) if self.connections.len() >= CONTROL_CONNECTIONS_MAX => {
                Response::error(ErrorKind::Busy, "too many connections: try again")
            }
            Ok(peer) => {
                self.connections
                    .extend(Connection::new(stream, peer, now_ns));
                return true;
            }
            Err(error) => {
                let message = format!("the kernel does not say who you are: {error}");
                Response::error(ErrorKind::NotAllowed, message)
            }
        };
        self.operations
            .status
            .add(Counter::ControlConnectionsRefused, 1);
        let nobody = Peer {
            pid: 0,
            uid: 0,
            gid: 0,
        };
        if let Ok(mut connection) = Connection::new(stream, nobody, now_ns) {
            // A fresh socket has room for one line; what does not fit is lost with the connection.
            connection.answer_and_close(&refusal, now_ns);
            connection.turn(now_ns);
        }
        true
    }

    /// One turn of every connection; true where something happened.
    fn turn(&mut self, now: Now) -> bool {
        let mut worked = false;
        self.operations.expire(now.mono_ns);
        self.operations.renew_schedules(now);
        self.operations.poll(now.mono_ns, &mut self.answers);
        for (ticket, response) in self.answers.drain(..) {
            worked = true;
            let waits = |connection: &&mut Connection| connection.waiting == Some(ticket);
            if let Some(connection) = self.connections.iter_mut().find(waits) {
                connection.answer(&response, now.mono_ns);
            }
        }
        let operations = &mut self.operations;
        self.connections.retain_mut(|connection| {
            match connection.turn(now.mono_ns) {
                Turn::Nothing => return true,
                Turn::Gone => return false,
                Turn::Bad(why) => {
                    let response = Response::error(ErrorKind::BadRequest, why);
                    refused(operations, connection.peer, why);
                    connection.answer_and_close(&response, now.mono_ns);
                }
                Turn::Line(line) => match serde_json::from_slice::<Request>(&line) {
                    Ok(request) => match operations.handle(now, connection.peer, request) {
                        Outcome::Answer(response) => connection.answer(&response, now.mono_ns),
                        Outcome::Wait(ticket) => connection.waiting = Some(ticket),
                    },
                    Err(error) => {
                        // The error may echo what was sent.
                        let message = format!("not a request: {}", names::cut(&error.to_string()));
                        refused(operations, connection.peer, &message);
                        let response = Response::error(ErrorKind::BadRequest, message);
                        connection.answer(&response, now.mono_ns);
                    }
                },
            }
            worked = true;
            // The answer goes out in the same turn where the socket has room.
            !matches!(connection.turn(now.mono_ns), Turn::Gone)
        });
        worked
    }
}

fn refused(operations: &Operations, peer: Peer, why: &str) {
    operations.status.add(Counter::ControlRequests, 1);
    operations.status.add(Counter::ControlRefused, 1);
    tracing::info!(target: "operations", uid = peer.uid, pid = peer.pid, outcome = "refused", detail = why, "control request");
}
