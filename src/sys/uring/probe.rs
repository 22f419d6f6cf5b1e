//! The trial at start: bytes there and back through a small ring, with everything that the back end uses.
//!
//! On any thread, before the real sockets are made. What always holds: it ends within [`PROBE_TIME_MAX`].

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::UringSockets;
use crate::io::{CloseReason, SocketEvent, Sockets};

/// How long the trial may take.
const PROBE_TIME_MAX: Duration = Duration::from_secs(1);

/// Shows by a trial that everything this back end needs works here. The error says what does not.
pub fn probe() -> io::Result<()> {
    try_out(UringSockets::new(1)?)
}

/// Bytes there and back over a socket pair.
fn try_out(mut sockets: UringSockets) -> io::Result<()> {
    let (near, far) = UnixStream::pair()?;
    let mut far = TcpStream::from(OwnedFd::from(far));
    far.set_read_timeout(Some(PROBE_TIME_MAX))?;
    sockets.adopt(TcpStream::from(OwnedFd::from(near)));
    far.write_all(b"there")?;
    let deadline = Instant::now() + PROBE_TIME_MAX;
    while Instant::now() < deadline {
        sockets.poll();
        while let Some(event) = sockets.next_event() {
            match event {
                SocketEvent::Readable(id) if sockets.received(id) == b"there" => {
                    sockets.send(id, b"back");
                    sockets.flush();
                    let mut answer = [0; 4];
                    far.read_exact(&mut answer)?;
                    return Ok(());
                }
                SocketEvent::Closed {
                    reason: CloseReason::Error(error),
                    ..
                } => return Err(io::Error::from_raw_os_error(error)),
                _ => {}
            }
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "a receive through the ring did not complete",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::ring::Wish;
    use super::*;

    #[test]
    fn each_fall_back_works_where_the_best_does() {
        if let Err(error) = probe() {
            println!("io_uring not tested: {error}");
            return;
        }
        for deferred in [true, false] {
            for fixed_files in [true, false] {
                let wish = Wish {
                    deferred,
                    fixed_files,
                };
                let sockets = UringSockets::with(4, wish).expect("made");
                let setup = sockets.setup();
                assert_eq!(setup.contains("deferred"), deferred, "{setup}");
                assert_eq!(setup.contains("registered"), fixed_files, "{setup}");
                try_out(sockets).expect("works");
            }
        }
    }

    #[test]
    fn made_here_owned_there_dropped_elsewhere() {
        let Ok(mut sockets) = UringSockets::new(2) else {
            return;
        };
        let (near, far) = UnixStream::pair().expect("pair");
        sockets.adopt(TcpStream::from(OwnedFd::from(near)));
        let sockets = std::thread::spawn(move || {
            sockets.poll();
            sockets
        });
        drop(sockets.join().expect("polled"));
        drop(far);
    }
}
