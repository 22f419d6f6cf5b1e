"""What the logs' levels cost: gateways that differ in nothing else take turns, burst by burst, in the order A B C C B A.

* `memory`: L0, and the files of the logs are in memory too: the disk plays no part.
* `process`: L0, the default: a message leaves when it is in the window, whatever the disk does.
* `host`: L1: a message waits until it and its causes are on disk, on the way to the desk and on the way back.

Latency is the load client's, from the intended send time to the acknowledgement that the desk caused; at L1 it contains two waits. Beside
it stands one `fdatasync` behind a write of 4 KiB, on the same disk between the bursts. What is printed are medians of the ratios, and of
the differences, of neighbours. The gateways share the cores of client and desk only with their journal threads.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time

import bench
from world import Config, Failure, LinkedDesk, Session, World, free_ports

LEVELS = ("memory", "process", "host")
SYNCS = 60
# The page is written more often than that.
PAGE_S = 0.05


class Level:
    """One gateway with a desk of its own; stopped until it is its turn."""

    def __init__(self, name, directory, arguments, cores, requests, at_end):
        self.world = World(directory / name, arguments.binary, arguments.io, "fused").__enter__()
        at_end.append(lambda: self.world.__exit__())
        listen, port = free_ports(2)
        client = Session("CLIENT1", reset_on_logon=True)
        client.account = "A1"
        own = {"durability": "host"} if name == "host" else {}
        memory = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-bench-", dir="/dev/shm"))
        self.world.at_end.append(lambda: shutil.rmtree(memory, ignore_errors=True))
        self.config = Config(
            self.world, listen, [LinkedDesk("desk", [port], own=own, window=65536)], [client], idle="spin", cores=[cores["middle"]],
            requests=requests, staging_bytes=1 << 25, staging=memory / "staging",
        )  # fmt: skip
        if name == "memory":
            file = self.config.directory / "gatehouse.toml"
            text = file.read_text(encoding="ascii")
            file.write_text(text.replace(f'"{self.config.state}/log"', f'"{memory}/log"'), encoding="ascii")
        command = ["desk", "--listen", f"127.0.0.1:{port}", "--sender", "DESK"]
        desk = self.world.start("desk", *bench.pinned(cores["desk"], self.world.binary, *command))
        desk.wait_for("link 1 listens on")
        self.gateway = self.world.gateway(self.config, cold_core=cores["desk"])
        self.world.wait_for_links(self.config)
        self.gateway.child.send_signal(signal.SIGSTOP)
        # As bench.Place has them.
        self.cores, self.middles = cores, {name: (self.gateway, listen)}

    def syncs(self):
        """fdatasync calls so far."""
        # Who stands still has a page that nobody believes.
        self.gateway.child.send_signal(signal.SIGCONT)
        time.sleep(PAGE_S)
        page = self.world.status(self.config)
        self.gateway.child.send_signal(signal.SIGSTOP)
        return sum(stage["counters"].get("syncs", 0) for stage in page["stages"])


def one_sync_ns(directory):
    """The median of one fdatasync behind a write of 4 KiB, in a file that was written before."""
    path = directory / "one-sync"
    with open(path, "w+b", buffering=0) as file:
        file.write(bytes(4096 * SYNCS))
        os.fsync(file.fileno())
        times = []
        for at in range(SYNCS):
            began = time.perf_counter_ns()
            os.pwrite(file.fileno(), b"F" * 4096, 4096 * at)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter_ns() - began)
    path.unlink()
    return statistics.median(times)


def measure(arguments, cores, directory):
    """Rounds of one burst per level: what each brought."""
    per_level = arguments.rounds * arguments.rate * (arguments.burst_s + arguments.warmup_s)
    requests = max(65536, int(per_level * 1.5))
    at_end, rounds = [], []
    try:
        levels = {name: Level(name, directory, arguments, cores, requests, at_end) for name in LEVELS}
        for n in range(arguments.rounds):
            row = {"sync_ns": one_sync_ns(directory)}
            for name in LEVELS if n % 2 == 0 else LEVELS[::-1]:
                level = levels[name]
                before = level.syncs()
                result = bench.Place.burst(level, name, arguments.rate, arguments.burst_s, arguments.warmup_s, directory / "burst.hlog")
                sent = result["orders"]["sent"]
                row[name] = {
                    "p50_ns": result["latency_ns"]["p50"], "p99_ns": result["latency_ns"]["p99"], "good": result["good"],
                    "waited_share": result["waited_share"], "orders": sent, "syncs": level.syncs() - before, "problems": result["problems"],
                }  # fmt: skip
            rounds.append(row)
            said = ", ".join(f"{name} {row[name]['p50_ns'] / 1e3:.0f} us {row[name]['problems']}".strip() for name in LEVELS)
            print(f"    round {n + 1} of {arguments.rounds}: {said}", file=sys.stderr, flush=True)
        for level in levels.values():
            level.gateway.child.send_signal(signal.SIGCONT)
            level.gateway.stop()
    finally:
        for end in reversed(at_end):
            end()
    return rounds


def summary(rounds):
    """Medians of the rounds that have an answer everywhere."""
    every, rounds = rounds, [row for row in rounds if all(row[name]["p50_ns"] for name in LEVELS)]
    if not rounds:
        raise Failure("no round had answers at all levels")

    def median(value):
        return statistics.median(value(row) for row in rounds)

    return {
        "sync_us": median(lambda row: row["sync_ns"]) / 1e3,
        **{f"p50_{name}_us": median(lambda row, n=name: row[n]["p50_ns"]) / 1e3 for name in LEVELS},
        "process_to_memory_p50": bench.interval([row["process"]["p50_ns"] / row["memory"]["p50_ns"] for row in rounds], 1),
        "process_to_memory_p99": bench.interval([row["process"]["p99_ns"] / row["memory"]["p99_ns"] for row in rounds], 1),
        # Two waits: to the desk, and back.
        "added_to_sync_per_wait": bench.interval(
            [(row["host"]["p50_ns"] - row["process"]["p50_ns"]) / 2 / row["sync_ns"] for row in rounds], 1
        ),
        # A round of the journal syncs each of the three logs.
        "orders_per_sync": median(lambda row: 3 * row["host"]["orders"] / max(1, row["host"]["syncs"])),
        "waited_share": {name: median(lambda row, n=name: row[n]["waited_share"]) for name in LEVELS},
        "bursts_not_good": sum(not row[name]["good"] for row in every for name in LEVELS),
        "first_problem": next((row[name]["problems"] for row in every for name in LEVELS if not row[name]["good"]), ""),
    }


def main():
    """Entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--directory", required=True, type=pathlib.Path, help="on the disk that is to be measured")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--io", choices=("poll", "uring"), default="poll")
    parser.add_argument("--burst-s", type=float, default=0.4)
    parser.add_argument("--warmup-s", type=int, default=0)
    parser.add_argument("--cores", help="middle,load,desk")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.directory, ignore_errors=True)
    arguments.directory.mkdir(parents=True)
    try:
        cores = bench.choose_cores(arguments.cores)
        found = summary(measure(arguments, cores, arguments.directory.absolute()))
    except Failure as problem:
        print(f"scripts/bench --levels: {problem}", file=sys.stderr)
        return 1
    report = {"machine": bench.facts(cores), "rate": arguments.rate, "io": arguments.io, **found}
    print(json.dumps(report, indent=1))
    waited = [name for name, share in report["waited_share"].items() if share > bench.WAITED_TOLERANCE]
    for name in waited:
        print(f"VOID, this run proves nothing: {name} had to wait for its core {report['waited_share'][name]:.0%} of the time", file=sys.stderr)
    return 1 if waited or report["bursts_not_good"] else 0


if __name__ == "__main__":
    sys.exit(main())
