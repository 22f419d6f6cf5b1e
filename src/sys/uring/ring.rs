//! The ring itself: made with the best flags that the kernel takes, entered as seldom as can be.
//!
//! Made disabled, by any thread; the thread that calls [`Ring::start`] becomes its owner and the only one that may use it from then on
//! (the kernel refuses others with EEXIST). What always holds: no entry is lost, a full submission queue is submitted
//! first; no call sleeps but [`Ring::wait`]; as long as the kernel signals no work there is no system call at all.

use std::io;
use std::os::fd::AsRawFd;
use std::thread::{self, ThreadId};

use io_uring::{EnterFlags, IoUring, Probe, cqueue, opcode, squeue};

/// Submission entries are halved down to this when memory is short.
const ENTRIES_MIN: u32 = 32;
const ENTRIES_MAX: u32 = 4096;
/// Completions taken in one go.
const BATCH: usize = 64;
const IORING_REGISTER_RING_FDS: libc::c_uint = 20;

/// A completion.
#[derive(Clone, Copy, Default)]
pub(super) struct Completion {
    pub(super) user_data: u64,
    pub(super) result: i32,
    flags: u32,
}

impl Completion {
    /// The request goes on.
    pub(super) fn more(self) -> bool {
        cqueue::more(self.flags)
    }

    /// The provided buffer that was used.
    pub(super) fn buffer(self) -> Option<u16> {
        cqueue::buffer_select(self.flags)
    }
}

/// The best that is tried. Less is for the tests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) deferred: bool,
    pub(super) fixed_files: bool,
}

impl Wish {
    pub(super) const BEST: Self = Self {
        deferred: true,
        fixed_files: true,
    };
}

/// What could be had of what was wished for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// Completions are worked off only when we enter; else when any system call returns.
    pub(super) deferred: bool,
    /// Sockets are registered with the ring.
    pub(super) fixed_files: bool,
    /// Submission entries.
    pub(super) entries: u32,
}

/// An io_uring with its counters.
pub(super) struct Ring {
    ring: IoUring,
    setup: Setup,
    owner: Option<ThreadId>,
    enter_fd: i32,
    enter_flags: u32,
    system_calls: u64,
}

impl Ring {
    /// A disabled ring for `connections` connections.
    pub(super) fn new(connections: usize, wish: Wish) -> io::Result<Self> {
        let wished = (2 * connections as u32)
            .next_power_of_two()
            .clamp(64, ENTRIES_MAX);
        let (ring, deferred, entries) = build_best(wished, wish.deferred)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        let needed = [
            ("ACCEPT", opcode::AcceptMulti::CODE),
            ("RECV", opcode::RecvMulti::CODE),
            ("SEND", opcode::Send::CODE),
            ("POLL_ADD", opcode::PollAdd::CODE),
            ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
        ];
        for (name, code) in needed {
            if !probe.is_supported(code) {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("the kernel has no {name} operation"),
                ));
            }
        }
        let fixed_files = wish.fixed_files
            && ring
                .submitter()
                .register_files_sparse(connections as u32)
                .is_ok();
        Ok(Self {
            enter_fd: ring.as_raw_fd(),
            ring,
            setup: Setup {
                deferred,
                fixed_files,
                entries,
            },
            owner: None,
            enter_flags: 0,
            system_calls: 3,
        })
    }

    pub(super) fn setup(&self) -> Setup {
        self.setup
    }

    pub(super) fn system_calls(&self) -> u64 {
        self.system_calls
    }

    /// Counts system calls that were made around the ring.
    pub(super) fn count_system_calls(&mut self, count: u64) {
        self.system_calls += count;
    }

    pub(super) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.ring.submitter()
    }

    pub(super) fn is_started(&self) -> bool {
        self.owner.is_some()
    }

    /// True on the thread that started it.
    pub(super) fn is_owned_here(&self) -> bool {
        self.owner == Some(thread::current().id())
    }

    /// Makes the calling thread the owner.
    pub(super) fn start(&mut self) {
        self.owner = Some(thread::current().id());
        self.system_calls += 2;
        self.ring
            .submitter()
            .register_enable_rings()
            .expect("a ring that was made disabled can be enabled");
        // Saves the look-up of the descriptor at each enter; goes without where it is not known.
        let mut update = [u32::MAX, 0, self.ring.as_raw_fd() as u32, 0];
        // SAFETY: `update` has the layout of io_uring_rsrc_update {u32 offset; u32 resv; u64 data} in this machine's
        // (little-endian) order, and is valid for the call.
        let registered = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.ring.as_raw_fd(),
                IORING_REGISTER_RING_FDS,
                update.as_mut_ptr(),
                1,
            )
        };
        if registered == 1 && cfg!(target_endian = "little") {
            self.enter_fd = update[0] as i32;
            self.enter_flags = EnterFlags::REGISTERED_RING.bits();
        }
    }

    /// Puts the socket under `index` into the ring's table, or takes it out.
    pub(super) fn set_file(&mut self, index: u32, file: Option<i32>) -> io::Result<()> {
        if !self.setup.fixed_files {
            return Ok(());
        }
        self.system_calls += 1;
        self.ring
            .submitter()
            .register_files_update(index, &[file.unwrap_or(-1)])
            .map(drop)
    }

    /// Queues an entry; submits first if the queue is full.
    ///
    /// # Safety
    /// Memory that the entry names must be valid until its completion was taken.
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) {
        loop {
            // SAFETY: by the contract of this function.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
            if !self.is_started() {
                self.start();
            }
            self.enter(0, None);
        }
    }

    /// Submits what is queued and, where the kernel signals work, lets it do that. No system call if there is neither.
    pub(super) fn turn(&mut self) {
        let submission = self.ring.submission();
        let has_entries = !submission.is_empty();
        let has_work = submission.taskrun() || submission.cq_overflow();
        drop(submission);
        if has_entries || has_work {
            self.enter(0, None);
        }
    }

    /// Submits what is queued, if anything.
    pub(super) fn submit(&mut self) {
        if !self.ring.submission().is_empty() {
            self.enter(0, None);
        }
    }

    /// Sleeps until there is a completion, at most `timeout_ns`.
    pub(super) fn wait(&mut self, timeout_ns: u64) {
        if self.ring.completion().is_empty() {
            self.enter(1, Some(timeout_ns));
        }
    }

    fn enter(&mut self, completions_min: u32, timeout_ns: Option<u64>) {
        #[repr(C)]
        struct GetEvents {
            sigmask: u64,
            sigmask_bytes: u32,
            min_wait_us: u32,
            timeout: u64,
        }
        self.system_calls += 1;
        let to_submit = self.ring.submission().len() as u32;
        let timeout = timeout_ns.map(|ns| libc::timespec {
            tv_sec: (ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (ns % 1_000_000_000) as libc::c_long,
        });
        let argument = GetEvents {
            sigmask: 0,
            sigmask_bytes: 0,
            min_wait_us: 0,
            timeout: timeout
                .as_ref()
                .map_or(0, |time| std::ptr::from_ref(time) as u64),
        };
        let mut flags = self.enter_flags | EnterFlags::GETEVENTS.bits();
        let (pointer, bytes) = if timeout.is_some() {
            flags |= EnterFlags::EXT_ARG.bits();
            (&raw const argument, size_of::<GetEvents>())
        } else {
            (std::ptr::null(), 0)
        };
        // SAFETY: the descriptor is this ring's; the entries were pushed under the contract of `push`; the argument, if
        // given, is an io_uring_getevents_arg that outlives the call, and so is the time it points at.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.enter_fd,
                to_submit,
                completions_min,
                flags,
                pointer,
                bytes,
            )
        };
        if result < 0 {
            let error = io::Error::last_os_error();
            // What cannot be submitted now stays queued for the next turn.
            let passes = [libc::EINTR, libc::EAGAIN, libc::EBUSY, libc::ETIME];
            let errno = error.raw_os_error().unwrap_or(0);
            assert!(
                passes.contains(&errno),
                "io_uring_enter: {error} (EEXIST: the sockets belong to another thread)"
            );
        }
    }

    /// Takes completions that are there; returns how many were put into `batch`.
    pub(super) fn take(&mut self, batch: &mut [Completion; BATCH]) -> usize {
        let mut count = 0;
        // In this order: the other way round a completion would be taken for which there is no place.
        for (place, entry) in batch.iter_mut().zip(self.ring.completion()) {
            *place = Completion {
                user_data: entry.user_data(),
                result: entry.result(),
                flags: entry.flags(),
            };
            count += 1;
        }
        count
    }

    /// Room for `take`.
    pub(super) fn batch() -> [Completion; BATCH] {
        [Completion::default(); BATCH]
    }

    /// Registration calls that failed say why here.
    pub(super) fn check_limits(error: io::Error) -> io::Error {
        match error.raw_os_error() {
            Some(libc::ENOMEM) => io::Error::new(
                io::ErrorKind::OutOfMemory,
                "not enough locked memory for the rings; set LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited",
            ),
            Some(libc::EPERM) => io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the kernel refuses io_uring to this process (sysctl kernel.io_uring_disabled, or a sandbox)",
            ),
            _ => error,
        }
    }
}

/// Tries the flags from best to good enough, and halves the entries while memory is short.
fn build_best(wished: u32, may_defer: bool) -> io::Result<(IoUring, bool, u32)> {
    let mut entries = wished;
    loop {
        let mut last = None;
        for deferred in [true, false] {
            if deferred && !may_defer {
                continue;
            }
            let mut builder = IoUring::builder();
            builder
                .setup_r_disabled()
                .setup_submit_all()
                .setup_single_issuer()
                .setup_taskrun_flag()
                .setup_cqsize(entries * 4);
            if deferred {
                builder.setup_defer_taskrun();
            } else {
                builder.setup_coop_taskrun();
            }
            match builder.build(entries) {
                Ok(ring) => {
                    return Ok((ring, deferred, entries));
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.unwrap_or_else(|| io::Error::from_raw_os_error(libc::EINVAL));
        if error.raw_os_error() != Some(libc::ENOMEM) || entries <= ENTRIES_MIN {
            return Err(Ring::check_limits(error));
        }
        entries /= 2;
    }
}
