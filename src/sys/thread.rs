//! What a hot thread does once before it starts: pin itself, lock and touch its memory; and how threads wait for each other.
//!
//! Called at start on the thread that it concerns; nothing here is for the hot path but [`Parker`]. Everything returns
//! what it found, so that the caller can log it or put it on the status page. What always holds: a core is pinned to only after
//! it was checked, and the pinning is read back.

use std::fs;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use core_affinity::CoreId;

use super::net::check;

/// Stack that is touched in advance.
const STACK_BYTES: usize = 256 * 1024;

/// The cores that the kernel has online.
pub fn online_cores() -> io::Result<Vec<usize>> {
    core_list("/sys/devices/system/cpu/online")
}

/// The cores that the scheduler leaves alone (`isolcpus`). Often none.
pub fn isolated_cores() -> io::Result<Vec<usize>> {
    core_list("/sys/devices/system/cpu/isolated")
}

/// The cores that this thread may run on.
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    // SAFETY: all bits zero is a valid, empty set.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the kernel writes at most the given size into `set`.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) })?;
    let count = libc::CPU_SETSIZE as usize;
    // SAFETY: `core` is below CPU_SETSIZE.
    Ok((0..count)
        .filter(|&core| unsafe { libc::CPU_ISSET(core, &set) })
        .collect())
}

fn core_list(path: &str) -> io::Result<Vec<usize>> {
    let text = fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("read {path}: {error}")))?;
    parse_core_list(&text).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{path} is not a list of cores: {text:?}"),
        )
    })
}

/// Reads `0-3,8,10-11`.
fn parse_core_list(text: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse().ok()?, last.parse::<usize>().ok()?);
        if first > last || last >= libc::CPU_SETSIZE as usize {
            return None;
        }
        cores.extend(first..=last);
    }
    Some(cores)
}

/// How a pinned thread stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pinned {
    /// The core.
    pub core: usize,
    /// False: the scheduler may put other threads on the same core.
    pub isolated: bool,
}

/// Pins the calling thread to the core of that number, and reads it back.
pub fn pin(core: usize) -> io::Result<Pinned> {
    let online = online_cores()?;
    if !online.contains(&core) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("core {core} is not online; online are {online:?}"),
        ));
    }
    // Not from `get_core_ids`, which hides isolated cores.
    let set = core_affinity::set_for_current(CoreId { id: core });
    let found = allowed_cores()?;
    if !set || found != [core] {
        return Err(io::Error::other(format!(
            "pinning to core {core} did not take: the thread may run on {found:?} (CPUAffinity or a cpuset forbids it?)"
        )));
    }
    let isolated = isolated_cores().is_ok_and(|cores| cores.contains(&core));
    Ok(Pinned { core, isolated })
}

/// Whether the process's memory is locked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemoryLock {
    /// All of it, now and in future.
    Locked,
    /// Not; the text says why and what to change.
    Refused(String),
}

/// What is there and what comes stays; what does not come yet is not waited for: see [`super::prefault`].
const ALL_AS_IT_COMES: libc::c_int = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;

/// Locks all memory of the process, now and in future, if its limit allows that. With a finite limit it is not tried: later
/// allocations would fail when the limit is reached.
pub fn lock_memory() -> MemoryLock {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one `rlimit`.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    let may_exceed = has_capability(CAP_IPC_LOCK);
    if limit.rlim_cur != libc::RLIM_INFINITY && !may_exceed {
        return MemoryLock::Refused(format!(
            "memory is not locked: the limit is {} KiB; set LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited",
            limit.rlim_cur / 1024
        ));
    }
    // SAFETY: no pointers are passed.
    match check(unsafe { libc::mlockall(ALL_AS_IT_COMES) }) {
        Ok(_) => MemoryLock::Locked,
        Err(error) => MemoryLock::Refused(format!(
            "memory is not locked: {error}; set LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited"
        )),
    }
}

const CAP_IPC_LOCK: u32 = 14;

fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << number) != 0)
}

/// Touches the stack of the calling thread, so that deeper calls meet no page fault. The thread must have a stack of
/// at least 512 KiB (the default is 2 MiB).
#[inline(never)]
pub fn prefault_stack() {
    let mut bytes = mem::MaybeUninit::<[u8; STACK_BYTES]>::uninit();
    let start = bytes.as_mut_ptr().cast::<u8>();
    for offset in (0..STACK_BYTES).step_by(4096) {
        // SAFETY: `offset` is inside the array; volatile, so that the write is not left out.
        unsafe { start.add(offset).write_volatile(0) };
    }
}

/// Starts a thread under a name, of which the kernel shows the first 15 bytes.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
}

/// What this thread does, and those that it starts, can wait: it gets a core's tenth where others want the core, too.
pub fn give_way() {
    // SAFETY: no pointers are passed. Linux takes it for the calling thread alone. Where it is refused all goes on as before.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}

/// Sleeping until somebody wakes us: for threads that are not hot, and for the `park` idle strategy.
pub struct Parker {
    thread: Arc<Thread>,
}

/// Wakes the thread of its [`Parker`].
#[derive(Clone)]
pub struct Waker {
    thread: Arc<Thread>,
}

impl Parker {
    /// For the calling thread, which alone may park with it.
    pub fn new() -> Self {
        Self {
            thread: Arc::new(std::thread::current()),
        }
    }

    /// What others wake it with.
    pub fn waker(&self) -> Waker {
        Waker {
            thread: Arc::clone(&self.thread),
        }
    }

    /// Sleeps until woken, at most `timeout_ns`. Returns at once if it was woken since the last time. May return for nothing.
    pub fn park(&self, timeout_ns: u64) {
        debug_assert_eq!(self.thread.id(), std::thread::current().id());
        std::thread::park_timeout(Duration::from_nanos(timeout_ns));
    }
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}

impl Waker {
    /// Wakes the thread, or lets its next `park` return at once.
    pub fn wake(&self) {
        self.thread.unpark();
    }
}

/// Who is at the other end of a unix socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerCredentials {
    /// Process, at the time of its connect.
    pub pid: i32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Asks the kernel who connected (SO_PEERCRED).
pub fn peer_credentials(stream: &UnixStream) -> io::Result<PeerCredentials> {
    let mut found = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, the size of `found`.
    check(unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut length,
        )
    })?;
    Ok(PeerCredentials {
        pid: found.pid,
        uid: found.uid,
        gid: found.gid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(
            parse_core_list("0-3,8,10-11\n"),
            Some(vec![0, 1, 2, 3, 8, 10, 11])
        );
        assert_eq!(parse_core_list("\n"), Some(vec![]));
        assert_eq!(parse_core_list("3-1"), None);
        assert_eq!(parse_core_list("0-99999999999"), None);
        assert_eq!(parse_core_list("x"), None);
        let online = online_cores().expect("listed");
        assert!(!online.is_empty());
        isolated_cores().expect("listed, if empty");
    }

    #[test]
    fn a_pinned_thread_is_where_it_should_be() {
        let core = *allowed_cores().expect("listed").first().expect("one");
        let pinned = spawn("pinned", move || {
            prefault_stack();
            let pinned = pin(core).expect("pins");
            assert_eq!(allowed_cores().expect("listed"), [core]);
            // SAFETY: no arguments.
            assert_eq!(unsafe { libc::sched_getcpu() }, core as i32);
            pinned
        });
        let pinned = pinned.expect("starts").join().expect("runs");
        assert_eq!(pinned.core, core);
    }

    #[test]
    fn a_core_that_is_not_there_is_refused_with_those_that_are() {
        let error = pin(1000).expect_err("no such core").to_string();
        assert!(
            error.contains("1000") && error.contains("online"),
            "{error}"
        );
    }

    #[test]
    fn a_wake_before_the_park_is_not_lost() {
        let hang = Duration::from_secs(60);
        let start = std::time::Instant::now();
        let parker = Parker::new();
        parker.waker().wake();
        parker.park(hang.as_nanos() as u64);
        assert!(start.elapsed() < hang, "slept through it");
        let waker = parker.waker();
        let other = std::thread::spawn(move || waker.wake());
        parker.park(10_000_000_000);
        other.join().expect("woke");
    }

    #[test]
    fn the_peer_of_a_pair_is_this_process() {
        let (near, _far) = UnixStream::pair().expect("pair");
        let peer = peer_credentials(&near).expect("credentials");
        assert_eq!(peer.pid, std::process::id() as i32);
    }
}
