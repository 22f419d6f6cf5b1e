//! The few socket calls that the standard library does not offer: a connect that does not wait, linger, epoll.
//!
//! Stateless; used by both socket back ends on their owner's thread.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Turns a result of -1 into the thread's last error.
pub(super) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The errno of an error that came from the kernel; EIO for one that did not.
pub(super) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// A non-blocking socket that has begun to connect. True: it stands already.
pub(super) fn start_connect(address: SocketAddr) -> io::Result<(TcpStream, bool)> {
    let family = match address {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed.
    let fd = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: the descriptor is new and nobody else's.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    stream.set_nodelay(true)?;
    let result = match address {
        SocketAddr::V4(v4) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(v4.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            connect_raw(fd, &raw)
        }
        SocketAddr::V6(v6) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: v6.ip().octets(),
                },
                sin6_scope_id: v6.scope_id(),
            };
            connect_raw(fd, &raw)
        }
    };
    match result {
        Ok(_) => Ok((stream, true)),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok((stream, false)),
        Err(error) => Err(error),
    }
}

fn connect_raw<T>(fd: RawFd, address: &T) -> io::Result<libc::c_int> {
    let length = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: `address` is a sockaddr of its family, and `length` its size; the kernel only reads it.
    check(unsafe { libc::connect(fd, std::ptr::from_ref(address).cast(), length) })
}

/// Makes the next close of the socket a reset.
pub(super) fn set_linger_zero(stream: &TcpStream) -> io::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let length = mem::size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the option takes a `linger` of that size; the kernel only reads it.
    check(unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            length,
        )
    })
    .map(drop)
}

/// An epoll instance.
pub(super) struct Epoll(OwnedFd);

impl Epoll {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Watches `fd`, edge-triggered, until it is closed.
    pub(super) fn add(&self, fd: RawFd, interest: i32, key: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: (interest | libc::EPOLLET) as u32,
            u64: key,
        };
        // SAFETY: `event` is valid for the call and copied by the kernel.
        check(unsafe {
            libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event)
        })
        .map(drop)
    }

    /// Fills `events`; returns how many. Sleeps up to `timeout_ns`. Interrupted counts as none.
    pub(super) fn wait(&self, events: &mut [libc::epoll_event], timeout_ns: u64) -> usize {
        let (fd, start) = (self.0.as_raw_fd(), events.as_mut_ptr());
        let length = events.len() as libc::c_int;
        if timeout_ns > 0 {
            let timeout = libc::timespec {
                tv_sec: (timeout_ns / 1_000_000_000) as libc::time_t,
                tv_nsec: (timeout_ns % 1_000_000_000) as libc::c_long,
            };
            // SAFETY: the kernel writes at most `length` entries into the borrowed slice and reads `timeout`; no signal
            // mask is given.
            let count = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    fd,
                    start,
                    length,
                    &raw const timeout,
                    std::ptr::null::<libc::sigset_t>(),
                    0,
                )
            };
            let unknown =
                count < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS);
            if !unknown {
                return usize::try_from(count).unwrap_or(0);
            }
        }
        let timeout_ms = i32::try_from(timeout_ns.div_ceil(1_000_000)).unwrap_or(i32::MAX);
        // SAFETY: the kernel writes at most `length` entries into the borrowed slice.
        let count = unsafe { libc::epoll_wait(fd, start, length, timeout_ms) };
        usize::try_from(count).unwrap_or(0)
    }
}
