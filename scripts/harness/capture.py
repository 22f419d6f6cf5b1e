"""What went over loopback, seen by a stranger: tshark captures the ports of a case and dissects them as FIX."""

import collections
import re
import signal
import socket
import subprocess

from world import Failure, free_ports, wait_until

DISSECT_S = 120
FIELDS = (
    "tcp.dstport",
    "fix.MsgType",
    "_ws.malformed",
    "fix.checksum_bad.expert",
    "fix.invalid_integer_string",
    "tcp.analysis.lost_segment",
)


class Capture:
    """Runs from `start` until `stop`; a datagram of our own at each end proves that nothing between them is missing."""

    def __init__(self, world, ports):
        self.file = world.directory / "wire.pcapng"
        self.ports = ports
        (self.probe_port,) = free_ports(1)
        wanted = " or ".join(f"tcp port {port}" for port in ports)
        self.process = world.start(
            "tshark", "tshark", "-q", "-n", "-i", "lo", "-B", "64",
            "-f", f"{wanted} or udp port {self.probe_port}", "-w", self.file,
        )  # fmt: skip
        self._probe("begin")

    def _probe(self, what):
        marker = f"gatehouse-{what}".encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

            def seen():
                if self.process.child.poll() is not None:
                    raise Failure(f"capturing on lo is not possible here: {self.process.tail()}")
                sender.sendto(marker, ("127.0.0.1", self.probe_port))
                return self.file.exists() and marker in self.file.read_bytes()

            wait_until(seen, f"the capture sees its own datagram ({what})", 20.0, 0.1)

    def stop(self):
        """Ends the capture."""
        self._probe("end")
        self.process.stop(signal.SIGINT)
        dropped = re.search(r"(\d+) packets? dropped", self.process.text())
        if dropped and int(dropped[1]) > 0:
            raise Failure(f"the capture lost {dropped[1]} packets")

    def dissect(self):
        """Per (port, 'to' or 'from'): a Counter of MsgTypes; and what was malformed."""
        command = ["tshark", "-n", "-r", str(self.file), "-T", "fields", "-E", "occurrence=a"]
        # Not more than one dissector may claim a port by guessing.
        command += ["-o", "tcp.try_heuristic_first:FALSE", "-o", "tcp.desegment_tcp_streams:TRUE"]
        for port in self.ports:
            command += ["-d", f"tcp.port=={port},fix"]
        for field in FIELDS:
            command += ["-e", field]
        command += ["-e", "tcp.srcport"]
        run = subprocess.run(command, capture_output=True, timeout=DISSECT_S, check=False)
        if run.returncode != 0:
            raise Failure(f"tshark could not read the capture: {run.stderr.decode()[-300:]}")
        counts = collections.defaultdict(collections.Counter)
        bad = []
        for line in run.stdout.decode().splitlines():
            to, kinds, *wrong, source = (line + "\t" * 6).split("\t")[:7]
            if any(wrong):
                bad.append(line)
            if to and kinds:
                key = (int(to), "to") if int(to) in self.ports else (int(source), "from")
                counts[key].update(kinds.split(","))
        return counts, bad
