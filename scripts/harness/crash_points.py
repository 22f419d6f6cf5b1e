"""A short script again and again, and each time the gateway is killed at another point: nothing lost, nothing doubled.

The script: one session logs on, sends orders and cancels of which some trade, and logs out. Three kinds of points (see tracer.py):

* `calls`: each system call of the gateway's whole life, before and after it: start, logon, orders, reports, the end.
* `recovery`: the same of a start after a kill in the middle of the script: what takes windows to disk and reads logs is killed, too.
* `stores`: each instruction by which a hot thread changed a window, from before the logon on: every state between the first byte of
  a record and its commit, and between a commit and the sending that follows.

After the kill the gateway is started again and the script goes on to its end; then the ledgers of client and desk are compared.
The k-th point differs a little from run to run, as threads do; kinds run until the script ends before its k-th point.
"""

import argparse
import collections
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import crash
from world import Failure, wait_until

REQUESTS = 4
RATE = 50
# Slow enough for a kill in its middle.
RECOVERY_RATE = 10
# What steps answers slowly, and a cancel needs an order that was answered.
STEPPED_RATE = 1
# Of sides and kinds of requests, such that the script has orders that trade and a cancel.
SEED = 10
END_S = 60.0


class Trial(crash.Day):
    """One life of the script with one kill."""

    def __init__(self, directory, binary, options, kind, kill_at):
        super().__init__(directory, binary, options)
        self.kind = kind
        self.kill_at = kill_at
        self.traced = kind != "recovery"

    def command(self):
        plain = super().command()
        if not self.traced:
            return plain
        self.traced = False
        mode = "stores" if self.kind == "stores" else "calls"
        always = self.kind == "stores" and self.io == "uring"
        windows = [v for name in ("client", "order", "desk") for v in ("--window", self.staging / f"{name}.window")]
        return [
            sys.executable, pathlib.Path(__file__).with_name("tracer.py"), "--kill-at", self.kill_at, "--mode", mode,
            "--output", self.directory / "gateway-traced.out", *windows, *(["--always"] if always else []), "--", *plain,
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
            # Before that nobody listens to the signal.
            self.gateway_process.wait_for("gateway is up", END_S)
            ended = self.gateway_process.stop()
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
            self.gateway_process.wait_for("gateway is up", END_S)
            return self.gateway_process.stop()
        return said["ended"]


def violations(outcome):
    """In words."""
    wrong = [f"{outcome[name]} {name.replace('_', ' ')}" for name in crash.VIOLATIONS if outcome[name]]
    return wrong + ([f"the gateway ended with {outcome['gateway_ended_with']}"] if outcome["gateway_ended_with"] else [])


def enumerate_points(kind, options, root, say):
    """All points of a kind, or every n-th: {where: (tried, failed)} and what failed."""
    tried, failures = collections.Counter(), []
    kill_at = options.first
    while kill_at <= options.last:
        directory = root / f"{kind}-{kill_at}"
        try:
            with Trial(directory, options.binary, options, kind, kill_at) as trial:
                said, outcome = trial.play()
            where, wrong = said["where"], violations(outcome)
        except Failure as failure:
            where, wrong = f"point {kill_at}", [str(failure)]
        if wrong:
            failures.append({"kind": kind, "point": kill_at, "where": where, "violations": wrong, "files": str(directory)})
            say(f"  {kind} {kill_at}, {where}: {'; '.join(wrong)}; files in {directory}")
        elif not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
        if where is None:
            say(f"{kind}: the script has {said['points']} points")
            break
        tried[where] += 1
        kill_at += options.every
    return tried, failures


def main():
    """Exit code 1 where anything was lost, doubled or believed wrongly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--kinds", nargs="+", choices=("calls", "recovery", "stores"), default=["calls", "recovery", "stores"])
    parser.add_argument("--every", type=int, default=1, help="only every n-th point")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=100_000)
    parser.add_argument("--layout", choices=("fused", "pipeline"), default="fused")
    parser.add_argument("--io", choices=("poll", "uring"), default="poll")
    parser.add_argument("--durability", choices=("process", "host"), default="process")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.sessions, options.symbols, options.mix, options.seed, options.desk_arguments = 1, 1, "new=70,cancel=30", SEED, []
    root = pathlib.Path(options.directory)
    shutil.rmtree(root, ignore_errors=True)
    began = time.monotonic()
    out = sys.stderr if options.json else sys.stdout
    outcome, good = {}, True
    for kind in options.kinds:
        tried, failures = enumerate_points(kind, options, root, lambda text: print(text, file=out, flush=True))
        good = good and not failures
        outcome[kind] = {"points": sum(tried.values()), "failed": failures, "where": dict(tried.most_common())}
        for where, count in tried.most_common():
            print(f"  {count:>5}  {where}", file=out)
        print(f"{kind}: killed at {sum(tried.values())} points, {len(failures)} with violations", file=out, flush=True)
    print(f"{options.layout}, {options.io}, durability {options.durability}: {time.monotonic() - began:.0f} s", file=out)
    if options.json:
        print(json.dumps(outcome))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
