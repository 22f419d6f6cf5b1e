"""Runs a program under ptrace and kills it at its k-th point.

    tracer.py --kill-at K --mode calls|stores [--only TEXT] [--window FILE].. [--threads NAME,..] --output FILE -- PROGRAM ARGUMENT..

Mode `calls`: a point is the entry of a system call and the return from it. What only waits, and what came back with nothing, is no
point: a program that polls makes any number of these and nothing changes. A filter (seccomp) lets these run without stopping.

Mode `stores`: from the line `arm` on standard input on, the named threads run instruction by instruction from the moment that a
socket has something until the next time that one has, or until none has (a *burst*), and a point is each instruction that changed one
of the windows (files in memory): every state that a death between two of them can leave behind, and a memcpy makes no system call.
What a store of a wide register writes is one point. With `--burst N` only the N-th burst is stepped, and has the points: a program
that is stepped takes seconds for what else takes a moment, and then all that comes meanwhile is one burst. It should park where it has
nothing to do: an io_uring tells of what came by the end of a wait, and is seen by nothing else.

With `--only TEXT` only points whose name has that text are counted.

One JSON line tells what was killed where, or that the program ended before, with how many points it had. The program never outlives
this process.
"""

import argparse
import collections
import ctypes
import json
import mmap
import os
import pathlib
import select
import signal
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long
LIBC.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

TRACEME, PEEKUSER, CONT, SINGLESTEP, SYSCALL = 0, 3, 7, 9, 24
# Of user_regs_struct, times eight.
RAX_OFFSET = 80
SETOPTIONS, GET_SYSCALL_INFO = 0x4200, 0x420E
OPTION_SYSGOOD, OPTION_CLONE, OPTION_EXEC, OPTION_SECCOMP, OPTION_EXITKILL = 1, 8, 16, 128, 1 << 20
EVENT_CLONE, EVENT_EXEC, EVENT_SECCOMP = 3, 4, 7
STOPPED_AT_CALL = signal.SIGTRAP | 0x80
WALL = 0x40000000
SET_NO_NEW_PRIVS, SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SECCOMP_ALLOW, SECCOMP_TRACE = 0x7FFF0000, 0x7FF00000
AGAIN, INTERRUPTED, IN_PROGRESS = 11, 4, 115
TGKILL = 234

# x86-64. These wait, look, or arrange memory of the process's own.
IDLE = {
    "poll": 7, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "sched_yield": 24,
    "madvise": 28, "nanosleep": 35, "getpid": 39, "gettimeofday": 96, "gettid": 186, "futex": 202, "sched_setaffinity": 203,
    "sched_getaffinity": 204, "epoll_wait": 232, "clock_gettime": 228, "clock_nanosleep": 230, "set_robust_list": 273,
    "ppoll": 271, "epoll_pwait": 281, "prlimit64": 302, "getrandom": 318, "sigaltstack": 131, "rseq": 334, "membarrier": 324,
    "io_uring_register": 427, "close_range": 436, "epoll_pwait2": 441, "arch_prctl": 158, "set_tid_address": 218, "fstat": 5, "newfstatat": 262, "lseek": 8, "statx": 332,
}  # fmt: skip
# These have an effect only where they bring something: their entry is no point.
TAKING = {"read": 0, "recvfrom": 45, "recvmsg": 47, "accept": 43, "accept4": 288, "io_uring_enter": 426, "pread64": 17}
OTHERS = {
    "write": 1, "open": 2, "close": 3, "mmap": 9, "ioctl": 16, "pwrite64": 18, "writev": 20, "access": 21, "socket": 41,
    "connect": 42, "sendto": 44, "sendmsg": 46, "shutdown": 48, "bind": 49, "listen": 50, "getsockname": 51, "setsockopt": 54,
    "getsockopt": 55, "clone": 56, "execve": 59, "exit": 60, "fcntl": 72, "flock": 73, "fsync": 74, "fdatasync": 75,
    "ftruncate": 77, "rename": 82, "mkdir": 83, "rmdir": 84, "unlink": 87, "fchmod": 91, "mlock": 149, "mlockall": 151,
    "getdents64": 217, "exit_group": 231, "openat": 257, "mkdirat": 258, "unlinkat": 263, "renameat": 264, "fallocate": 285,
    "eventfd2": 290, "epoll_create1": 291, "renameat2": 316, "copy_file_range": 326, "io_uring_setup": 425,
    "clone3": 435, "epoll_ctl": 233, "fadvise64": 221, "sync_file_range": 277, "msync": 26,
}  # fmt: skip
NAMES = {number: name for table in (IDLE, TAKING, OTHERS) for name, number in table.items()}
# The positions of a window stand there.
HEAD_BYTES = 512
# The next record begins within so much of the last change.
NEAR_BYTES = 1 << 12
# So many sockets that had nothing, one after the other: the turn is over.
IDLE_TAKINGS = 4


class Ended(Exception):
    """The program is gone: exit code, or negative signal."""


def ptrace(request, pid, address=0, data=0):
    """Or an OSError; a thread that has just died is none of ours any more."""
    if LIBC.ptrace(request, pid, address, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class SockFilter(ctypes.Structure):
    """struct sock_filter"""

    _fields_ = [("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32)]


class SockProgram(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = [("len", ctypes.c_uint16), ("filter", ctypes.POINTER(SockFilter))]


def stop_at_calls_but(quiet):
    """All calls stop the process but these."""
    lines = [SockFilter(0x20, 0, 0, 0)]
    for place, number in enumerate(quiet):
        lines.append(SockFilter(0x15, len(quiet) - place, 0, number))
    lines.append(SockFilter(0x06, 0, 0, SECCOMP_TRACE))
    lines.append(SockFilter(0x06, 0, 0, SECCOMP_ALLOW))
    program = SockProgram(len(lines), (SockFilter * len(lines))(*lines))
    if LIBC.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0) or LIBC.prctl(
        SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0
    ):
        os._exit(126)


class Tracer:
    """The program, stopped and let go."""

    def __init__(self, options):
        self.kill_at = options.kill_at
        self.only = options.only
        self.points = 0
        self.steps = 0
        self.kinds = collections.Counter()
        self.where = None
        self.threads = {}
        self.pid = os.fork()
        if self.pid == 0:
            self._become(options)
        self._wait(self.pid)
        flags = OPTION_SYSGOOD | OPTION_CLONE | OPTION_EXEC | OPTION_SECCOMP | OPTION_EXITKILL
        ptrace(SETOPTIONS, self.pid, 0, flags)

    @staticmethod
    def _become(options):
        output = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        LIBC.ptrace(TRACEME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        quiet = IDLE if options.mode == "calls" else IDLE | OTHERS
        stop_at_calls_but(sorted(quiet.values()))
        os.execv(options.program[0], options.program)

    @staticmethod
    def _wait(pid):
        return os.waitpid(pid, WALL)

    def name(self, tid):
        """Of a thread."""
        try:
            return pathlib.Path(f"/proc/{self.pid}/task/{tid}/comm").read_text(encoding="ascii").strip()
        except OSError:
            return "?"

    def point(self, tid, what):
        """One more; whether it was the last."""
        if self.only not in what:
            return False
        self.points += 1
        self.kinds[what] += 1
        if self.points != self.kill_at:
            return False
        self.where = f"{what}, thread {self.name(tid)}"
        os.kill(self.pid, signal.SIGKILL)
        return True

    def end(self):
        """Asks the program to end, unless it has just died."""
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass

    def let_go(self, tid, request, with_signal=0):
        """Goes on, unless it has just died."""
        try:
            ptrace(request, tid, 0, with_signal)
        except OSError:
            pass

    def next_stop(self):
        """(thread, signal or 0, event) of the next thread that stopped."""
        while True:
            tid, status = self._wait(-1)
            if os.WIFSTOPPED(status):
                return tid, os.WSTOPSIG(status), status >> 16
            if tid == self.pid:
                code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                raise Ended(code)

    def call(self, tid):
        """(name, arguments) at entry, (name, result) at return: what the kernel says of the stop."""
        info = ctypes.create_string_buffer(88)
        if LIBC.ptrace(GET_SYSCALL_INFO, tid, 88, ctypes.addressof(info)) < 0:
            return None
        kind = info.raw[0]
        if kind == 2:
            return struct.unpack_from("<q?", info.raw, 24)
        number, *arguments = struct.unpack_from("<7Q", info.raw, 24)
        return NAMES.get(number, f"call {number}"), arguments


class Calls(Tracer):
    """Points are system calls."""

    def run(self):
        """Until the point, or the end."""
        ptrace(CONT, self.pid)
        calling = {}
        while True:
            tid, sign, event = self.next_stop()
            request, deliver = CONT, 0
            if event == EVENT_SECCOMP:
                entry = self.call(tid)
                if entry:
                    name, arguments = entry
                    calling[tid] = name
                    submits = name == "io_uring_enter" and arguments[1] > 0
                    if (name not in TAKING or submits) and self.point(tid, f"before {name}"):
                        continue
                    request = SYSCALL
            elif sign == STOPPED_AT_CALL:
                name = calling.pop(tid, "?")
                result = self.call(tid)
                if result and self._had_effect(name, result) and self.point(tid, f"after {name}"):
                    continue
            elif event == 0 and sign not in (signal.SIGTRAP, signal.SIGSTOP):
                deliver = sign
            self.let_go(tid, request, deliver)

    @staticmethod
    def _had_effect(name, result):
        value = result[0]
        return value > 0 if name in TAKING else value not in (-AGAIN, -INTERRUPTED, -IN_PROGRESS)


class Window:
    """A window in memory, and what was seen of it last."""

    def __init__(self, path):
        self.name = pathlib.Path(path).name
        with open(path, "rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self.renew()

    def renew(self):
        """Looks where it stands: the window of a fresh start is zeroes behind its last record."""
        self.near(len(self.memory[: 1 << 20].rstrip(b"\0")))

    def near(self, offset):
        """Where the next change is looked for: the positions in the head, and what follows the last record."""
        self.start = max(4096, offset - NEAR_BYTES // 2)
        self.end = offset + NEAR_BYTES
        self.last = (self.memory[:HEAD_BYTES], self.memory[self.start : self.end])

    def changed(self):
        """Whether it did since the last time."""
        head, body = self.last
        if self.memory[:HEAD_BYTES] == head and self.memory[self.start : self.end] == body:
            return False
        now = self.memory[self.start : self.end]
        if now != body:
            place = next(at for at in range(len(body)) if now[at] != body[at])
            self.near(self.start + place)
        else:
            self.last = (self.memory[:HEAD_BYTES], body)
        return True


class Stores(Tracer):
    """Points are instructions that change a window. The threads run freely while no socket has anything, and step while one has."""

    def __init__(self, options):
        self.names = set(options.threads.split(","))
        self.paths = options.window
        self.burst = options.burst
        self.windows = []
        self.tids = set()
        # Those that began.
        self.bursts = 0
        self.within = False
        self.stepping = False
        # Sockets that had nothing since the last change.
        self.idle = 0
        super().__init__(options)

    def run(self):
        """Until the point, or the end."""
        ptrace(CONT, self.pid)
        while not self.windows:
            if self._stopped():
                self._pass(*self.next_stop())
            elif self._armed():
                self.windows = [Window(path) for path in self.paths]
                self.tids = {int(tid) for tid in os.listdir(f"/proc/{self.pid}/task") if self.name(int(tid)) in self.names}
        calling = {}
        while True:
            tid, sign, event = self.next_stop()
            if tid not in self.tids:
                self._pass(tid, sign, event)
                continue
            name = window = None
            if event == EVENT_SECCOMP:
                entry = self.call(tid)
                calling[tid] = entry[0] if entry else "?"
            elif sign in (STOPPED_AT_CALL, signal.SIGTRAP) and tid in calling:
                name = calling.pop(tid)
                self._returned(name, self._result(tid))
            if self.stepping:
                self.steps += 1
                window = next((window for window in self.windows if window.changed()), None)
            if window:
                self.idle = 0
                if self.point(tid, f"a store into {window.name}"):
                    continue
            deliver = 0 if event or sign in (signal.SIGTRAP, STOPPED_AT_CALL, signal.SIGSTOP) else sign
            running = SYSCALL if tid in calling else CONT
            self.let_go(tid, SINGLESTEP if self.stepping else running, deliver)

    def _returned(self, name, result):
        """A call that takes something came back."""
        if name not in TAKING:
            return
        # A wait of an io_uring that submits nothing brings zero where something came, and an error where its time was up.
        if result > 0 or result == 0 and name == "io_uring_enter":
            self._begin_burst()
        elif self.within:
            self.idle += 1
            self.within = self.idle < IDLE_TAKINGS
            self.stepping = self.stepping and self.within

    def _begin_burst(self):
        self.bursts += 1
        self.within = True
        self.idle = 0
        stepped = self.stepping
        self.stepping = self.burst in (0, self.bursts)
        if stepped or not self.stepping:
            return
        for window in self.windows:
            window.renew()
        for tid in self.tids:
            # It stops here, and is stepped from then on.
            LIBC.syscall(TGKILL, self.pid, tid, int(signal.SIGSTOP))

    def _result(self, tid):
        ctypes.set_errno(0)
        return LIBC.ptrace(PEEKUSER, tid, RAX_OFFSET, None)

    def _pass(self, tid, sign, event):
        """A thread that is none of those that step, or the time before."""
        deliver = 0 if event or sign in (signal.SIGTRAP, STOPPED_AT_CALL, signal.SIGSTOP) else sign
        self.let_go(tid, CONT, deliver)

    def _armed(self):
        ready, _, _ = select.select([sys.stdin], [], [], 0)
        return bool(ready) and sys.stdin.readline().strip() == "arm"

    def _stopped(self):
        """Whether a thread is there to be dealt with; sleeps a little where none is."""
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT | WALL)
        if found is None:
            time.sleep(0.0002)
        return found is not None


def main():
    """Prints one line; exit code 0 where the point was reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kill-at", type=int, required=True, help="from one; zero: only counts")
    parser.add_argument("--mode", choices=("calls", "stores"), required=True)
    parser.add_argument("--only", default="", help="count only points with this in their names")
    parser.add_argument("--window", action="append", default=[])
    parser.add_argument("--threads", default="gh-fused,gh-decode,gh-risk,gh-route")
    parser.add_argument("--burst", type=int, default=0, help="mode stores: the only burst that is stepped, from one")
    parser.add_argument("--output", required=True, help="what the program prints")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    tracer = (Calls if options.mode == "calls" else Stores)(options)
    signal.signal(signal.SIGTERM, lambda *_: tracer.end())
    ended = None
    try:
        tracer.run()
    except Ended as end:
        ended = end.args[0]
    said = {
        "points": tracer.points, "bursts": getattr(tracer, "bursts", 0), "steps": tracer.steps, "where": tracer.where, "ended": ended,
        "kinds": dict(tracer.kinds),
    }  # fmt: skip
    print(json.dumps(said), flush=True)
    return 0 if tracer.where else 3


if __name__ == "__main__":
    sys.exit(main())
