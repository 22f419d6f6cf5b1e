"""A short script again and again, and each time the gateway is killed at another point: nothing lost, nothing doubled.

The script: one session logs on, sends orders and cancels of which some trade, and logs out. Three kinds of points (see tracer.py):

* `calls`: each system call of the gateway's whole life, before and after it: start, logon, orders, reports, the end.
* `recovery`: the same of a start after a kill in the middle of the script: what takes windows to disk and reads logs is killed, too.
* `stores`: each instruction by which a hot thread changed a window, from before the logon on: every state between the first byte of
  a record and its commit, and between a commit and the sending that follows.

After the kill the gateway is started again and the script goes on to its end; then the ledgers of client and desk are compared.
The k-th point differs a little from run to run, as threads do. Points come in *series*: `calls` and `recovery` are one each, `stores` has
one for each burst of work. A series is run until it ends before its k-th point, `stores` until there is no such burst. A kind without
any point has failed.

What was tried is noted in a file, with the binary it was tried with: a run that was interrupted goes on where it was, and with another
binary all begins anew.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import crash
from crash import END_S
from world import Failure, wait_until

REQUESTS = 4
RATE = 50
# Slow enough for a kill in its middle.
RECOVERY_RATE = 10
# What steps answers slowly, and a cancel needs an order that was answered.
STEPPED_RATE = 4
# Of sides and kinds of requests, such that the script has orders that trade and a cancel.
SEED = 10
# A request that was recorded and never left is never answered; what steps may be slow.
DRAIN_S = 6
STEPPED_DRAIN_S = 15
# The script has fewer.
BURSTS_MAX = 200


class Trial(crash.Day):
    """One life of the script with one kill."""

    def __init__(self, directory, binary, options, kind, burst, kill_at):
        super().__init__(directory, binary, options)
        self.drain_s = STEPPED_DRAIN_S if kind == "stores" else DRAIN_S
        self.kind = kind
        self.burst = burst
        self.kill_at = kill_at
        self.traced = kind != "recovery"

    def command(self):
        plain = super().command()
        if not self.traced:
            return plain
        self.traced = False
        mode = "stores" if self.kind == "stores" else "calls"
        windows = [v for name in ("client", "order", "desk") for v in ("--window", self.staging / f"{name}.window")]
        return [
            sys.executable, pathlib.Path(__file__).with_name("tracer.py"), "--kill-at", self.kill_at, "--mode", mode,
            "--only", self.options.only,
            "--output", self.directory / "gateway-traced.out", *windows, "--burst", self.burst, "--", *plain,
        ]  # fmt: skip

    def play(self):
        """(what the tracer says, what the ledgers say)."""
        born_ns = self.begin(4096)
        tracer = self.gateway_process
        if self.kind == "recovery":
            self.load_on(RECOVERY_RATE, 2 * REQUESTS)
            wait_until(lambda: self.sessions.all_up_since(born_ns), f"the session is up; {self.tails()}", END_S)
            time.sleep(REQUESTS / RECOVERY_RATE)
            self.strike()
            self.traced = True
            self.live()
            tracer = self.gateway_process
        elif self.kind == "stores":
            self.links_up(born_ns)
            tracer.say("arm")
            self.load_on(STEPPED_RATE, REQUESTS)
        else:
            self.load_on(RATE, REQUESTS)
        wait_until(lambda: self.over(tracer), f"the script ends; {self.tails()}", END_S, 0.005)
        if tracer.child.poll() is not None:
            self.live()
            wait_until(lambda: self.over(None), f"the script ends; {self.tails()}", END_S, 0.005)
        if self.gateway_process is tracer:
            ended = self.end_traced(tracer)
        else:
            ended = self.end_gateway()
        self.desk_process.stop()
        said = self.said(tracer)
        outcome = self.compare()
        outcome["gateway_ended_with"] = ended
        return said, outcome

    @staticmethod
    def said(tracer):
        """What the tracer says at its end."""
        lines = tracer.text().splitlines()
        if not lines or not lines[-1].startswith("{"):
            raise Failure(f"the tracer ended with {tracer.child.returncode}: {tracer.tail()}")
        return json.loads(lines[-1])

    def over(self, tracer):
        """Whether the client has ended, or the tracer has struck."""
        if tracer and tracer.child.poll() is not None:
            return True
        return self.load.child.poll() is not None

    def end_traced(self, tracer):
        """The orderly end has its points, too: struck there, it comes back and ends."""
        tracer.child.send_signal(signal.SIGTERM)
        try:
            tracer.child.wait(END_S)
        except subprocess.TimeoutExpired:
            raise Failure(f"the traced gateway does not end: {tracer.tail()}") from None
        said = self.said(tracer)
        if said["where"]:
            self.live()
            return self.end_gateway()
        return said["ended"]

    def end_gateway(self):
        """The orderly end waits for the disk, which others use, too. Its exit code."""
        # Before that nobody listens to the signal.
        self.gateway_process.wait_for("gateway is up", END_S)
        return self.gateway_process.stop(within_s=END_S)


def violations(outcome):
    """In words."""
    wrong = [f"{outcome[name]} {name.replace('_', ' ')}" for name in crash.VIOLATIONS if outcome[name]]
    return wrong + ([f"the gateway ended with {outcome['gateway_ended_with']}"] if outcome["gateway_ended_with"] else [])


class Notes:
    """What was tried already with this binary, in a file of lines."""

    def __init__(self, path, options):
        self.path = path
        self.place = " ".join(filter(None, (options.layout, options.io, options.durability, options.only)))
        self.binary = hashlib.sha256(pathlib.Path(options.binary).read_bytes()).hexdigest()[:16]
        self.commit = commit()
        self.tried = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                note = json.loads(line)
                if (note["place"], note["binary"]) == (self.place, self.binary):
                    self.tried[(note["kind"], note["burst"], note["point"])] = note

    def good(self, kind, burst, point):
        """The note of a point that needs no other trial."""
        note = self.tried.get((kind, burst, point))
        return note if note and not note["violations"] else None

    def add(self, kind, burst, point, where, wrong, more):
        """Notes what came of a trial; `where` is None where the series has no such point."""
        note = {
            "place": self.place, "binary": self.binary, "commit": self.commit, "kind": kind, "burst": burst, "point": point,
            "where": where, "violations": wrong, **more,
        }  # fmt: skip
        self.tried[(kind, burst, point)] = note
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")
        return note


def commit():
    """What is checked out, for whoever reads the notes."""
    command = ["git", "-C", pathlib.Path(__file__).parent, "describe", "--always", "--dirty"]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


def trial(kind, burst, point, options, root, notes):
    """One point; what was noted of it."""
    directory = root / f"{kind}-{burst}-{point}"
    shutil.rmtree(directory, ignore_errors=True)
    began, more = time.monotonic(), {}
    try:
        with Trial(directory, options.binary, options, kind, burst, point) as one:
            said, outcome = one.play()
        where, wrong = said["where"], violations(outcome)
        more = {"bursts": said["bursts"], "held_in_doubt": outcome["held_in_doubt"]}
    except Failure as failure:
        where, wrong = f"point {point}", [str(failure)]
    if not wrong and not options.keep:
        shutil.rmtree(directory, ignore_errors=True)
    return notes.add(kind, burst, point, where, wrong, {"seconds": round(time.monotonic() - began, 2), **more})


def series(kind, burst, options, root, notes, say):
    """All points of a series, or every n-th, some at a time: (notes of those that there are, whether the series was there at all)."""
    found, is_there = [], False
    points = iter(range(options.first, options.last + 1, options.every))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running, ended = set(), False
        while True:
            while not ended and len(running) < options.jobs and (point := next(points, None)):
                note = notes.good(kind, burst, point)
                running.add(pool.submit(lambda note: note, note) if note else pool.submit(trial, kind, burst, point, options, root, notes))
            if not running:
                return found, is_there
            done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for note in (future.result() for future in done):
                # Points at the end are there in one run and not in another.
                ended = ended or note["where"] is None
                is_there = is_there or note["where"] is not None or note.get("bursts", 0) >= burst
                if note["where"] is not None:
                    found.append(note)
                if note["violations"]:
                    name = f"{kind} {burst}-{note['point']}"
                    say(f"  {name}, {note['where']}: {'; '.join(note['violations'])}; files in {root}")


def main():
    """Exit code 1 where anything was lost, doubled or believed wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--kinds", nargs="+", choices=("calls", "recovery", "stores"), default=["calls", "recovery", "stores"])
    parser.add_argument("--every", type=int, default=1, help="only every n-th point")
    parser.add_argument("--only", default="", help="only points with this in their names, as `sendto`; they are counted by themselves")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=3, help="trials at a time: they mostly wait")
    parser.add_argument("--notes", type=pathlib.Path, help="what was tried (default: DIRECTORY/points.jsonl)")
    parser.add_argument("--layout", choices=("fused", "pipeline"), default="fused")
    parser.add_argument("--io", choices=("poll", "uring"), default="poll")
    parser.add_argument("--durability", choices=("process", "host"), default="process")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.sessions, options.symbols, options.mix, options.seed, options.desk_arguments = 1, 1, "new=70,cancel=30", SEED, []
    # What waits is still, so that several trials share a core; what is small is made at once.
    options.idle, options.waits, options.staging_bytes, options.connections = "park", "--sleep", 1 << 22, 16
    root = pathlib.Path(options.directory) / f"points-{options.layout}-{options.io}-{options.durability}"
    root.mkdir(parents=True, exist_ok=True)
    notes = Notes(options.notes or pathlib.Path(options.directory) / "points.jsonl", options)
    began = time.monotonic()
    out = sys.stderr if options.json else sys.stdout
    outcome, good = {}, True

    def say(text):
        print(text, file=out, flush=True)

    say(f"{options.layout}, {options.io}, durability {options.durability}, commit {notes.commit}, binary {notes.binary}")
    for kind in options.kinds:
        found = []
        for burst in range(1, BURSTS_MAX) if kind == "stores" else (0,):
            of_series, is_there = series(kind, burst, options, root, notes, say)
            found += of_series
            # One that only closes a connection, say, stores nothing.
            if not is_there:
                break
            if kind == "stores":
                say(f"  burst {burst}: {len(of_series)} points")
        failures = [note for note in found if note["violations"]]
        good = good and found and not failures
        where = collections.Counter(note["where"] for note in found)
        held = sum(note.get("held_in_doubt", 0) for note in found)
        outcome[kind] = {"points": len(found), "failed": failures, "held_in_doubt": held, "where": dict(where.most_common())}
        for text, count in where.most_common():
            say(f"  {count:>5}  {text}")
        say(f"{kind}: killed at {len(found)} points, {len(failures)} with violations; requests held in doubt: {held}")
    say(f"{options.layout}, {options.io}, durability {options.durability}: {time.monotonic() - began:.0f} s")
    if options.json:
        print(json.dumps(outcome))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
