"""Processes, ports, configuration: what a run with real counterparts stands on.

Every process is ended by the object that started it; every wait has its bound.
"""

import json
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from fixtext import FixMessage

VERSIONS = ("4.0", "4.1", "4.2", "4.3", "4.4", "5.0", "5.0SP1", "5.0SP2")
STOP_S = 10.0
START_S = 90.0


class Failure(Exception):
    """The run cannot go on, and why."""


def wait_until(condition, what, timeout_s=10.0, pause_s=0.01):
    """The first true answer of `condition`; a Failure when it has none in time."""
    end = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failure(f"waited {timeout_s:g} s in vain: {what}")
        time.sleep(pause_s)


# Below those that the kernel gives to connections, so that none of these is taken between the question and the listening. Each
# case has its own, and cases run beside one another.
FIRST_PORT = 12000
PORTS_PER_CASE = 800
_ports = iter(range(FIRST_PORT, FIRST_PORT + PORTS_PER_CASE))


def use_ports_of(case):
    """From now on this process takes the ports of the case with that number."""
    global _ports
    first = FIRST_PORT + case * PORTS_PER_CASE
    _ports = iter(range(first, first + PORTS_PER_CASE))


def free_ports(count):
    """Loopback ports that nobody listens on, none of them given before."""
    ports = []
    for port in _ports:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise Failure("no port is free")


class Process:
    """A program with its output in a file."""

    def __init__(self, name, arguments, directory, cwd=None):
        self.name = name
        self.output = pathlib.Path(directory) / f"{name}.out"
        with self.output.open("wb") as output:
            self.child = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
            )

    def text(self):
        """All that it has printed."""
        return self.output.read_text(encoding="latin-1")

    def say(self, *lines):
        """Writes lines to its standard input."""
        self.child.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.child.stdin.flush()

    def wait_for(self, text, timeout_s=10.0):
        """Until it has printed that."""

        def printed():
            if text in self.text():
                return True
            if self.child.poll() is not None:
                raise Failure(f"{self.name} ended with {self.child.returncode} before it said '{text}': {self.tail()}")
            return False

        wait_until(printed, f"{self.name} says '{text}'; it said: {self.tail()}", timeout_s)

    def tail(self):
        """Its last lines, for messages."""
        return " / ".join(self.text().splitlines()[-3:])[-600:]

    def stop(self, how=signal.SIGTERM, within_s=STOP_S):
        """Ends it and tells its exit code; negative where a signal ended it."""
        if self.child.poll() is None:
            self.child.send_signal(how)
            try:
                self.child.wait(within_s)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(STOP_S)
                raise Failure(f"{self.name} did not end within {within_s:g} s of signal {how}") from None
        if self.child.stdin and not self.child.stdin.closed:
            try:
                self.child.stdin.close()
            except BrokenPipeError:
                pass
        return self.child.returncode

    def kill(self):
        """Ends it for good, whatever state it is in."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(STOP_S)


class World:
    """A place for one case, and all processes that it starts. A context manager: nothing is left running."""

    def __init__(self, directory, binary, io, layout):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.binary = binary
        self.io = io
        self.layout = layout
        # The library's echo, for cases that need no gateway.
        self.echo = None
        # How often what is random is tried.
        self.rounds = 1
        self.processes = []
        self.at_end = []
        # Where control sockets go: the kernel allows their paths 107 bytes.
        self.short_directory = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in reversed(self.at_end):
            end()
        for process in reversed(self.processes):
            process.kill()
        shutil.rmtree(self.short_directory, ignore_errors=True)

    def start(self, name, *arguments):
        """Starts a program."""
        process = Process(name, arguments, self.directory)
        self.processes.append(process)
        return process

    def gateway(self, config, cold_core=None):
        """Starts the gateway of that configuration and waits until it is up. Its threads that pin themselves leave `cold_core`."""
        command = [self.binary, "run", config.directory, "--io", self.io, "--layout", self.layout]
        if cold_core is not None:
            command = ["taskset", "-c", str(cold_core), *command]
        process = self.start("gateway", *command)
        process.wait_for("gateway is up", START_S)
        return process

    def desk(self, port, *arguments):
        """Starts the simulated desk; its ledger is written when it ends."""
        ledger = self.directory / "desk-ledger.json"
        process = self.start(
            "desk",
            self.binary,
            "desk",
            "--listen",
            f"127.0.0.1:{port}",
            "--sender",
            "DESK",
            "--json-ledger",
            ledger,
            *arguments,
        )
        process.wait_for("listens on")
        process.ledger = ledger
        return process

    def status(self, config):
        """The gateway's status page."""
        run = subprocess.run(
            [self.binary, "top", "--json", "--status", config.status_file],
            capture_output=True,
            timeout=10,
            check=False,
        )
        if run.returncode != 0:
            raise Failure(f"gatehouse top: {run.stderr.decode(errors='replace')[-300:]}")
        return json.loads(run.stdout)

    def logged(self, config, name):
        """The messages of a session or link in the gateway's own log: (incoming, outgoing)."""
        command = [self.binary, "log", "print", config.directory, "--session", name, "--json"]
        run = subprocess.run(command, capture_output=True, timeout=60, check=False)
        if run.returncode != 0:
            raise Failure(f"gatehouse log print: {run.stderr.decode(errors='replace')[-300:]}")
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        return tuple(
            [FixMessage(line["message"].replace("|", "\x01")) for line in lines if line["direction"] == direction]
            for direction in ("in", "out")
        )

    def ctl(self, config, *command):
        """An operator's command; its answer."""
        run = subprocess.run(
            [
                self.binary,
                "ctl",
                "--socket",
                config.control_socket,
                "--json",
                "--reason",
                "interop",
                *map(str, command),
            ],
            capture_output=True,
            timeout=10,
            check=False,
        )
        if run.returncode != 0:
            raise Failure(f"gatehouse ctl {command}: {(run.stderr + run.stdout).decode(errors='replace')[-300:]}")
        return json.loads(run.stdout)

    @staticmethod
    def resident_kib(process):
        """Memory that the process holds."""
        text = pathlib.Path(f"/proc/{process.child.pid}/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))

    def wait_for_links(self, config, links=1):
        """Until the desk's links are ready."""

        def ready():
            page = self.status(config)
            return sum(link["state"] == "ready" for link in page["links"]) >= links

        wait_until(ready, "links to the desk are ready", 30.0, 0.1)


class Tools:
    """Where the foreign programs are."""

    def __init__(self, target):
        self.target = pathlib.Path(target)
        self.quickfix = self.target / "quickfix"
        self.venv = self.target / "venv"

    def dictionary(self, version):
        """QuickFIX's data dictionary of that version, or of "T1.1": what is not in it is rejected."""
        path = self.venv / "share" / "quickfix" / f"FIX{version.replace('.', '')}.xml"
        if not path.exists():
            raise Failure(f"{path} is missing; run scripts/tools")
        return path


class Session:
    """A client's session: its CompID, FIX version, account, and the desk that has its book."""

    def __init__(self, comp_id, version="4.4", desk="desk", **settings):
        self.comp_id = comp_id
        self.version = version
        self.desk = desk
        self.account = f"ACC-{comp_id}"[:15]
        self.settings = settings

    @property
    def receives_copies(self):
        """Whether it is one for drop copy, which has no accounts to order for."""
        return any(key.startswith("drop_copy") for key in self.settings)


class LinkedDesk:
    """A desk with a link to each of the ports; `own` are its settings, the others its links'."""

    def __init__(self, name, ports, comp_id="DESK", own=None, **settings):
        self.own = own or {}
        self.name = name
        self.ports = ports
        self.comp_id = comp_id
        self.settings = settings


class Config:
    """A configuration directory for the gateway. `desks` are of LinkedDesk, or the ports of the one desk that there is."""

    def __init__(
        self, world, listen, desks, sessions, idle="auto", cores=(), requests=65536, staging_bytes=1 << 24, staging=None,
        connections=1024,
    ):  # fmt: skip
        if desks and not isinstance(desks[0], LinkedDesk):
            desks = [LinkedDesk("desk", desks)]
        self.directory = world.directory / "config"
        self.state = world.directory / "state"
        # Windows survive a process where they are memory.
        self.staging = staging or self.state / "staging"
        self.status_file = self.state / "status"
        self.control_socket = world.short_directory / "control.sock"
        self.directory.mkdir()
        self.state.mkdir()
        (self.directory / "gatehouse.toml").write_text(
            self._topology(listen, idle, cores, requests, staging_bytes, connections) + "".join(self._desk(desk) for desk in desks),
            encoding="ascii",
        )
        (self.directory / "clients.toml").write_text(
            "".join(self._client(session) for session in sessions), encoding="ascii"
        )
        self._table(
            "accounts.csv",
            "account,client,kind,desk,cash,order_value_max,open_orders_max",
            (f"{s.account},{s.comp_id},cash,{s.desk},1000000000000.00,0,0" for s in sessions),
        )
        self._table(
            "instruments.csv",
            "symbol,market,lot,odd_lot_sell,tick,quantity_max,limit_down,limit_up,market_orders,same_day_sell",
            (f"{symbol},XSHG,100,true,0.01,1000000,1.00,100.00,true,true" for symbol in ("SYM1", "SYM2")),
        )
        self._table(
            "positions.csv",
            "account,symbol,sellable",
            (f"{s.account},{symbol},100000000" for s in sessions for symbol in ("SYM1", "SYM2")),
        )

    def _topology(self, listen, idle, cores, requests, staging_bytes, connections):
        return f"""name = "interop"
[threads]
idle = "{idle}"
cores = {list(cores)}
lock_memory = false
[state]
log_directory = "{self.state}/log"
staging_directory = "{self.staging}"
staging_bytes = {staging_bytes}
status_file = "{self.status_file}"
control_socket = "{self.control_socket}"
requests_per_day_max = {requests}
executions_per_day_max = {requests * 2}
[[listeners]]
name = "clients"
address = "127.0.0.1:{listen}"
connections_max = {connections}
logon_timeout_s = 2
"""

    @staticmethod
    def _desk(desk):
        text = f"""[[desks]]
name = "{desk.name}"
acknowledge_timeout_ms = 5000
{_toml(desk.own)}"""
        for n, port in enumerate(desk.ports):
            text += f"""[[desks.links]]
name = "{desk.name}-{n + 1}"
address = "127.0.0.1:{port}"
target_comp_id = "{desk.comp_id}"
sender_comp_id = "GATEHOUSE{n + 1 if n else ""}"
heartbeat_interval_s = 10
reconnect_min_ms = 100
reconnect_max_ms = 1000
{_toml(desk.settings)}"""
        return text

    @staticmethod
    def _client(session):
        return f"""[[clients]]
name = "{session.comp_id}"
[[clients.sessions]]
name = "{session.comp_id}"
fix_version = "{session.version}"
target_comp_id = "{session.comp_id}"
{"" if session.receives_copies else f'accounts = ["{session.account}"]'}
{_toml(session.settings)}"""

    def _table(self, name, columns, rows):
        (self.directory / name).write_text("\n".join([columns, *rows]) + "\n", encoding="ascii")


def _toml(settings):
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
