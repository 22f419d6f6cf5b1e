"""The gateway is killed again and again under load, and comes back: nothing may be lost, doubled, or believed that is not so.

Real processes on loopback: a simulated desk with two links, the gateway, a load client with several sessions. `kill -9` hits the
gateway at random instants, some of them while it recovers; it is started again at once. Client and desk are programs of their own,
live through all of it, and write each its ledger of what it sent, received, and was told; at the end the two are compared by
`gateway compare`, which knows nothing of the gateway. Recovery is from exec to the last session and link that is logged on again, by
the clocks of client and desk.

Kills come in *days*: each begins with an empty directory, so that what a restart must read stays that of a day.
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from world import Config, Failure, LinkedDesk, Process, Session, World, free_ports, wait_until

LINKS = 2
# A restart that takes longer than this is a failure, not a slow one.
READY_S = 20.0
DRAIN_S = 20
END_S = 60.0
# A machine that cannot keep the rate must not pile up more than desk and client can repeat.
OPEN_MAX = 20_000
CLIENT_ORDER_ID = re.compile(rb"\|11=([^|]+)\|")
NS = 1_000_000_000
# Where days are lived in turn.
MATRIX = [
    (layout, io, durability) for durability in ("process", "host") for io in ("poll", "uring") for layout in ("fused", "pipeline")
]  # fmt: skip
# What the gateway says when.
PHASES = {"read_ms": "the logs of earlier processes are replayed", "open_ms": "gateway is up"}


class Lines:
    """Sessions of the client or links of the desk, by the events that their program tells."""

    def __init__(self, process, count):
        self.process = process
        self.count = count
        self.offset = 0
        self.up = {}
        self.open = 0
        self.resets = []

    def read(self):
        """Takes what was told since the last time."""
        with self.process.output.open("rb") as output:
            output.seek(self.offset)
            text = output.read()
        end = text.rfind(b"\n") + 1
        self.offset += end
        for line in text[:end].splitlines():
            if not line.startswith(b"event "):
                continue
            event = json.loads(line[6:])
            if event["what"] == "up":
                self.up[event["line"]] = event["wall_ns"]
            elif event["what"] == "down":
                self.up.pop(event["line"], None)
                self.open = max(self.open, event["open"])
            else:
                self.resets.append(event["wall_ns"])

    def all_up_since(self, since_ns):
        """When the last of them came up, if all did after that time."""
        if self.process.child.poll() is not None:
            self.read()
            raise Failure(f"{self.process.name} ended with {self.process.child.returncode}: {self.process.tail()}")
        self.read()
        if len(self.up) < self.count or min(self.up.values()) < since_ns:
            return None
        return max(self.up.values())


class Day(World):
    """One day: a fresh state, a desk, a client, and a gateway that does not live long."""

    def __init__(self, directory, binary, options, place=None):
        self.durability = options.durability
        layout, io = options.layout, options.io
        if place:
            layout, io, self.durability = place
        super().__init__(directory, binary, io, layout)
        self.options = options
        self.drain_s = DRAIN_S
        self.staging = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-crash-", dir=memory()))
        self.at_end.append(lambda: shutil.rmtree(self.staging, ignore_errors=True))
        self.lives = 0
        self.gateway_process = None
        self.load = None

    def begin(self, requests):
        """Desk and gateway are up; `load_on` brings the client."""
        options = self.options
        listen, *ports = free_ports(1 + LINKS)
        sessions = [Session(f"CLIENT{n + 1}") for n in range(options.sessions)]
        own = {} if self.durability == "process" else {"durability": self.durability}
        desk = LinkedDesk("desk", ports, own=own, window=65536)
        self.config = Config(
            self, listen, [desk], sessions, idle=options.idle, requests=requests, staging_bytes=options.staging_bytes, staging=self.staging,
            connections=options.connections,
        )
        self.listen = listen
        arguments = [v for port in ports for v in ("--listen", f"127.0.0.1:{port}")]
        targets = [v for n in range(LINKS) for v in ("--target", f"GATEHOUSE{n + 1 if n else ''}")]
        self.desk_ledger = self.directory / "desk-ledger.json"
        self.desk_process = self.start(
            "desk", self.binary, "desk", *arguments, "--sender", "DESK", *targets,
            "--json-ledger", self.desk_ledger, "--events", *options.desk_arguments,
        )  # fmt: skip
        self.desk_process.wait_for(f"link {LINKS} listens on")
        self.links = Lines(self.desk_process, LINKS)
        self.sessions = None
        return self.live()

    def load_on(self, rate, requests):
        """Starts the client."""
        options = self.options
        self.client_ledger = self.directory / "client-ledger.json"
        self.load = self.start(
            "load", self.binary, "load", "--connect", f"127.0.0.1:{self.listen}", "--sessions", options.sessions,
            "--account-prefix", "ACC-CLIENT", "--symbols", options.symbols, "--rate", rate, "--orders", requests,
            "--mix", options.mix, "--seed", options.seed, "--drain-s", self.drain_s, "--open-max", OPEN_MAX, "--reconnect", "--events",
            "--json-ledger", self.client_ledger, options.waits, "--json", "--quiet",
        )  # fmt: skip
        self.sessions = Lines(self.load, options.sessions)

    def command(self):
        """How the gateway is started."""
        return [self.binary, "run", self.config.directory, "--io", self.io, "--layout", self.layout]

    def live(self):
        """Starts the gateway; returns when."""
        self.lives += 1
        born_ns = time.time_ns()
        self.gateway_process = self.start(f"gateway-{self.lives:03}", *self.command())
        return born_ns

    def ready(self, born_ns, timeout_s=READY_S):
        """Nanoseconds from the gateway's start to the last line that is up again: (links, all)."""

        def up():
            self.must_live()
            links = self.links.all_up_since(born_ns)
            sessions = self.sessions.all_up_since(born_ns) if self.sessions else links
            return links and sessions and (links - born_ns, max(links, sessions) - born_ns)

        return wait_until(up, f"all sessions and links are up; {self.tails()}", timeout_s, 0.004)

    def phases(self, born_ns):
        """Milliseconds from the gateway's start until it had read its logs, and until its ports were open, as it says itself."""
        times = {}
        for line in self.gateway_process.text().splitlines():
            for name, said in PHASES.items():
                if said in line:
                    at = datetime.datetime.fromisoformat(line.split(maxsplit=1)[0])
                    times[name] = at.timestamp() * 1e3 - born_ns / 1e6
        return times

    def links_up(self, born_ns):
        """Waits until the links are up."""

        def up():
            self.must_live()
            return self.links.all_up_since(born_ns)

        return wait_until(up, f"the links are up; {self.tails()}", READY_S, 0.01)

    def must_live(self):
        """A gateway that ended by itself is a failure."""
        if self.gateway_process.child.poll() is not None:
            code = self.gateway_process.child.returncode
            raise Failure(f"{self.gateway_process.name} ended with {code}: {self.gateway_process.tail()}")

    def tails(self):
        """The last words of all that are there."""
        present = [p for p in (self.gateway_process, self.desk_process, self.load) if p]
        return "; ".join(f"{process.name}: {process.tail()}" for process in present)

    def strike(self):
        """Kills the gateway, by its id; returns when."""
        self.must_live()
        self.gateway_process.child.send_signal(signal.SIGKILL)
        struck_ns = time.time_ns()
        self.gateway_process.child.wait(10)
        return struck_ns

    def close(self):
        """Everything ends in order: the client first, what is left is answered. Returns what the ledgers say."""
        self.load.child.send_signal(signal.SIGTERM)
        try:
            self.load.child.wait(self.drain_s + 20)
        except subprocess.TimeoutExpired:
            raise Failure(f"the client does not end: {self.tails()}") from None
        code = self.gateway_process.child.poll()
        if code is None:
            self.gateway_process.wait_for("gateway is up", READY_S)
        # The orderly end waits for the disk, which others use, too.
        ended = self.gateway_process.stop(within_s=END_S) if code is None else code
        self.desk_process.stop()
        self.sessions.read()
        self.links.read()
        difference = self.compare()
        difference["gateway_ended_with"] = ended
        return difference

    def compare(self):
        """The two ledgers, compared by a program that knows no gateway."""
        process = Process(
            "compare",
            [self.binary, "compare", "--client", self.client_ledger, "--desk", self.desk_ledger, "--json"],
            self.directory,
        )
        self.processes.append(process)
        process.child.wait(120)
        try:
            outcome = json.loads(process.text())
        except json.JSONDecodeError as error:
            raise Failure(f"gatehouse compare: {process.tail()}") from error
        # What was recorded and perhaps sent when the gateway died, and never came, is in doubt for ever: no desk has it, and nobody may
        # send it again. It is not forgotten: the gateway holds it.
        outcome["held_in_doubt"] = min(outcome["unanswered"], self.in_doubt()) if outcome["unanswered"] else 0
        outcome["unanswered"] -= outcome["held_in_doubt"]
        unrecorded = self.sent_without_record()
        outcome["sent_without_record"] = len(unrecorded)
        outcome["examples"] += [f"sent without record: {request}" for request in unrecorded[:5]]
        return outcome

    def in_doubt(self):
        """Requests that the gateway holds, since it cannot know whether the desk has them: by its logs."""
        command = [self.binary, "log", "replay", self.config.directory, "--json"]
        run = subprocess.run(list(map(str, command)), capture_output=True, timeout=120, check=False)
        if run.returncode != 0:
            raise Failure(f"gatehouse log replay: {run.stderr.decode(errors='replace')[-300:]}")
        state = json.loads(run.stdout)
        return state["in_doubt"] + state["not_answered"]

    def sent_without_record(self):
        """Requests that came to the desk, and of which the gateway's log of that side has no message sent."""
        came = {request["id"] for request in json.loads(self.desk_ledger.read_text(encoding="ascii"))["requests"]}
        command = [self.binary, "log", "print", self.config.directory, "--log", "desk", "--json"]
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as log:
            for line in log.stdout:
                if b'"direction":"out"' in line and (found := CLIENT_ORDER_ID.search(line)):
                    came.discard(found[1].decode("ascii"))
            said = log.stderr.read().decode(errors="replace")
        if log.returncode != 0:
            raise Failure(f"gatehouse log print: {said[-300:]}")
        return sorted(came)


# What `gatehouse compare` counts and may not be.
VIOLATIONS = (
    "lost", "unanswered", "doubled", "reported_twice", "unknown_at_desk", "refused_but_at_desk", "fills_differ",
    "belief_differs", "unsound", "sent_without_record",
)  # fmt: skip


def memory():
    """A directory in memory, where there is one."""
    shm = pathlib.Path("/dev/shm")
    return shm if shm.is_dir() and os.access(shm, os.W_OK) else None


def percentile(values, share):
    """The smallest value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 100) - 1))] if ordered else 0


def play(day, kills, draw, say):
    """One day with so many kills: (rows, what the ledgers say)."""
    options = day.options
    longest_s = kills * (options.life_max_s + 3.0) + 30
    orders = int(options.rate * (kills + 1) * (options.life_max_s + 1.5))
    born_ns = first_ns = day.begin(max(1 << 16, 2 * orders))
    day.links_up(born_ns)
    day.load_on(options.rate, min(16_000_000, int(options.rate * longest_s)))
    wait_until(lambda: day.sessions.all_up_since(born_ns), f"the sessions are up; {day.tails()}", READY_S, 0.01)
    begun_ns = time.time_ns()
    rows = []
    usual_s = 0.3
    life_s = draw.uniform(0.1, options.life_max_s)
    while len(rows) < kills:
        time.sleep(life_s)
        day.sessions.open = 0
        struck_ns = day.strike()
        born_ns = day.live()
        row = {"at_s": (struck_ns - first_ns) / NS, "lived_s": life_s, "links_ms": None, "recovery_ms": None}
        rows.append(row)
        if len(rows) < kills and draw.random() < options.young_share:
            # It is killed again before it is back.
            life_s = draw.uniform(0.0, usual_s)
        else:
            try:
                links_ns, all_ns = day.ready(born_ns)
            except Failure as failure:
                row["in_flight"], row["failed"] = day.sessions.open, True
                say(row)
                outcome = day.close()
                outcome["failure"] = str(failure)
                break
            row["links_ms"], row["recovery_ms"] = links_ns / 1e6, all_ns / 1e6
            row.update(day.phases(born_ns))
            usual_s = all_ns / NS
            life_s = draw.uniform(0.05, options.life_max_s)
        row["in_flight"] = day.sessions.open
        say(row)
    else:
        time.sleep(life_s)
        outcome = day.close()
        outcome["failure"] = None
    outcome["resets"] = sum(at > begun_ns for at in day.sessions.resets + day.links.resets)
    return rows, outcome


def say_row(number, day_number, row):
    """One line of the table."""
    columns = [row.get(name) for name in ("recovery_ms", "read_ms", "open_ms", "links_ms")]
    recovery = "".join(f"{ms or 0:>9.0f}" for ms in columns)
    if not row["recovery_ms"]:
        recovery = f"{'not back' if row.get('failed') else 'killed again':>19}"
    print(f"{number:>5}{day_number:>5}{row['at_s']:>9.2f}{row['lived_s']:>9.3f}{row['in_flight']:>10}{recovery}", flush=True)


def say_day(number, outcome, orders):
    """What a day came to."""
    number = f"{number} ({', '.join(outcome['place'])})"
    wrong = [f"{outcome[name]} {name.replace('_', ' ')}" for name in VIOLATIONS if outcome[name]]
    wrong += [f"numbers began anew {outcome['resets']} times"] if outcome["resets"] else []
    wrong += [f"the gateway ended with {outcome['gateway_ended_with']}"] if outcome["gateway_ended_with"] else []
    wrong += [outcome["failure"]] if outcome["failure"] else []
    wrong += [] if orders else ["no order was sent"]
    print(f"day {number}: {orders} orders ({outcome['refused']} refused), {outcome['fills']} fills: {'; '.join(wrong) or 'good'}", flush=True)
    for example in outcome["examples"]:
        print(f"    {example}")
    return not wrong


def summary(options, rows, outcomes):
    """All days together."""
    recoveries = [row["recovery_ms"] for row in rows if row["recovery_ms"]]
    total = {name: sum(outcome[name] for outcome in outcomes) for name in (*VIOLATIONS, "sent", "refused", "at_desk", "fills", "resets", "held_in_doubt")}
    return {
        "layout": options.layout,
        "io": options.io,
        "durability": options.durability,
        "rate": options.rate,
        "kills": len(rows),
        "killed_while_recovering": len(rows) - len(recoveries),
        "in_flight_most": max((row["in_flight"] for row in rows), default=0),
        "recovery_ms": {
            "p50": round(percentile(recoveries, 50), 1),
            "p99": round(percentile(recoveries, 99), 1),
            "max": round(max(recoveries, default=0), 1),
        },
        **total,
        "days": outcomes,
        "rows": rows,
    }


def main():
    """Exit code 1 where anything was lost, doubled or believed wrongly, 2 where the run could not be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--directory", required=True, help="where each day has its files; those of good days are removed")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--kills-per-day", type=int, default=10)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--layout", choices=("fused", "pipeline"), default="fused")
    parser.add_argument("--io", choices=("poll", "uring"), default="poll")
    parser.add_argument("--durability", choices=("process", "host"), default="process")
    parser.add_argument("--matrix", action="store_true", help="each day with another layout, back end and durability, of all that there are")
    parser.add_argument("--mix", default="new=80,cancel=12,replace=8")
    parser.add_argument("--life-max-s", type=float, default=1.0, help="longest life of a gateway between two kills")
    parser.add_argument("--young-share", type=float, default=0.15, help="share of gateways that are killed while they recover")
    parser.add_argument("--symbols", type=int, choices=(1, 2), default=2)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", action="store_true", help="keep the files of good days, too")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON at the end")
    # To see that what is wrong at the desk is found: --kills 0 --desk-argument=--fault-double-order=3
    parser.add_argument("--desk-argument", dest="desk_arguments", action="append", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.idle, options.waits, options.staging_bytes, options.connections = "auto", "--yield", 1 << 26, 1024
    places = MATRIX if options.matrix else [(options.layout, options.io, options.durability)]
    root = pathlib.Path(options.directory)
    shutil.rmtree(root, ignore_errors=True)
    draw = random.Random(options.seed)
    if not options.json:
        where = "all layouts, back ends and durabilities" if options.matrix else f"{options.layout}, {options.io}, durability {options.durability}"
        print(f"{where}, {options.rate}/s, seed {options.seed}")
        print(f"{'kill':>5}{'day':>5}{'at s':>9}{'lived s':>9}{'in flight':>10}{'back ms':>9}{'read':>9}{'open':>9}{'links':>9}")
    rows, outcomes, good = [], [], True
    days = max(1, -(-options.kills // options.kills_per_day))
    for number in range(1, days + 1):
        kills = min(options.kills_per_day, options.kills - len(rows))
        before = len(rows)
        try:
            place = places[(number - 1) % len(places)]
            with Day(root / f"day-{number}", options.binary, options, place) as day:
                told = iter(range(before + 1, before + kills + 1))
                say = (lambda _: None) if options.json else (lambda row, n=number, t=told: say_row(next(t), n, row))
                day_rows, outcome = play(day, kills, draw, say)
        except Failure as failure:
            print(f"day {number}: {failure}", file=sys.stderr)
            print(f"its files are in {root / f'day-{number}'}", file=sys.stderr)
            return 1
        outcome["place"] = place
        rows += [row | {"place": place} for row in day_rows]
        outcomes.append(outcome)
        with Quiet(options.json):
            day_good = say_day(number, outcome, outcome["sent"])
        good = good and day_good
        if day_good and not options.keep:
            shutil.rmtree(root / f"day-{number}", ignore_errors=True)
        elif not day_good:
            print(f"its files are in {root / f'day-{number}'}", file=sys.stderr)
            break
    outcome = summary(options, rows, outcomes)
    if options.json:
        print(json.dumps(outcome))
    else:
        back = outcome["recovery_ms"]
        print(
            f"\n{len(rows)} kills ({outcome['killed_while_recovering']} of them while it recovered), {outcome['sent']} orders, "
            f"{outcome['fills']} fills, at most {outcome['in_flight_most']} in flight at a kill\n"
            f"back after {back['p50']:.0f} ms (p50), {back['p99']:.0f} ms (p99), {back['max']:.0f} ms (longest)\n"
            f"held in doubt: {outcome['held_in_doubt']}\n"
            f"violations: {', '.join(f'{name} {outcome[name]}' for name in (*VIOLATIONS, 'resets'))}"
        )
    return 0 if good else 1


class Quiet:
    """What is printed goes to standard error where standard output is for JSON."""

    def __init__(self, quiet):
        self.quiet = quiet

    def __enter__(self):
        self.before = sys.stdout
        if self.quiet:
            sys.stdout = sys.stderr

    def __exit__(self, *_):
        sys.stdout = self.before


if __name__ == "__main__":
    sys.exit(main())
