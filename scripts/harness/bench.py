"""Gateway against a do-nothing relay: the same load client in front, the same simulated desk behind, in neighbouring bursts.

Relay (A) and gateway (B) take turns on one core in the order A B B A; whichever does not run is stopped by SIGSTOP, so that
it takes no time from the other. Latency is the load client's, from the intended send time to the acknowledgement that the
desk caused. What is printed are medians of the ratios of neighbours, since a machine's speed changes by the second. A
second relay against the first is the control: where that is not 1.00 within 0.02, the run proves nothing. The control does
not see other work on the core, which the scheduler lets harm relay and gateway unequally; so the time that each one's hot
thread waited for its core is read from the kernel, and where that is more than a trifle the run proves nothing either.
"""

import argparse
import json
import os
import pathlib
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time

from world import Config, Failure, Process, Session, World, free_ports

RESAMPLES = 4000
CONTROL_TOLERANCE = 0.02
# Share of its turns that a hot thread may wait for its core: the kernel's own threads are there on any machine.
WAITED_TOLERANCE = 0.02
MEASURES = ("p50", "p99")


class Place:
    """One back end's set-up: desk, two relays, gateway. All but the desk are stopped until it is their turn."""

    def __init__(self, world, cores, requests):
        listen, self.desk_port, self.direct_port, *relay_ports = free_ports(5)
        self.world = world
        self.cores = cores
        client = Session("CLIENT1", reset_on_logon=True)
        client.account = "A1"
        config = Config(
            world, listen, [self.desk_port], [client], idle="spin", cores=[cores["middle"]], requests=requests
        )
        desk = ["desk", "--listen", f"127.0.0.1:{self.desk_port}", "--listen", f"127.0.0.1:{self.direct_port}"]
        # The second link is what the relays lead to: the desk speaks there as the gateway does to its client.
        desk += ["--sender", "DESK", "--sender", "GATEHOUSE", "--target", "GATEHOUSE", "--target", "CLIENT1"]
        self.desk = self._start("desk", cores["desk"], *desk)
        self.desk.wait_for("link 2 listens on")
        self.middles = {}
        for name, port in zip(("relay", "control"), relay_ports):
            relay = self._start(
                name, cores["middle"], "relay", "--listen", f"127.0.0.1:{port}",
                "--connect", f"127.0.0.1:{self.direct_port}", "--pin", str(cores["middle"]),
            )  # fmt: skip
            relay.wait_for("->")
            relay.child.send_signal(signal.SIGSTOP)
            self.middles[name] = (relay, port)
        # Its journal must not share the core of what is measured: the relay has no journal.
        gateway = world.gateway(config, cold_core=cores["desk"])
        world.wait_for_links(config)
        gateway.child.send_signal(signal.SIGSTOP)
        self.middles["gateway"] = (gateway, listen)

    def _start(self, name, core, *arguments):
        process = Process(name, pinned(core, self.world.binary, *arguments), self.world.directory)
        self.world.processes.append(process)
        return process

    def burst(self, middle, rate, seconds, warmup_s, raw):
        """One burst through that middle: the load client's result."""
        process, port = self.middles[middle]
        ran, waited = scheduled(process)
        process.child.send_signal(signal.SIGCONT)
        command = [
            self.world.binary, "load", "--connect", f"127.0.0.1:{port}", "--rate", str(rate),
            "--orders", str(max(1, round(rate * seconds))), "--warmup-s", str(warmup_s), "--sell-percent", "0",
            "--io", "poll", "--hlog", raw, "--json", "--quiet",
        ]  # fmt: skip
        if self.cores["load"] == self.cores["desk"]:
            command.append("--yield")
        try:
            run = subprocess.run(
                pinned(self.cores["load"], *command), capture_output=True, timeout=seconds + warmup_s + 30, check=False
            )
        finally:
            process.child.send_signal(signal.SIGSTOP)
        if not run.stdout:
            raise Failure(f"load through the {middle}: {run.stderr.decode(errors='replace')[-300:]}")
        result = json.loads(run.stdout)
        result["good"] = run.returncode == 0
        ran_after, waited_after = scheduled(process)
        ran, waited = ran_after - ran, waited_after - waited
        result["waited_share"] = waited / max(1, ran + waited)
        result["problems"] = run.stderr.decode(errors="replace").strip()
        return result

    def end(self):
        """Ends all, each by its own orderly way."""
        for process, _ in self.middles.values():
            process.child.send_signal(signal.SIGCONT)
        for process, _ in self.middles.values():
            process.stop()
        self.desk.stop()


def scheduled(process):
    """Nanoseconds that its hot thread ran, and waited for its core though it could have run."""
    threads = list(pathlib.Path(f"/proc/{process.child.pid}/task").iterdir())
    hot = [t for t in threads if (t / "comm").read_text(encoding="ascii").strip() == "gh-fused"]
    if not hot and len(threads) != 1:
        raise Failure(f"{process.name}: no hot thread among its {len(threads)}")
    ran, waited, _ = ((hot or threads)[0] / "schedstat").read_text(encoding="ascii").split()
    return int(ran), int(waited)


def pinned(core, *command):
    """The command, on that core."""
    return ["taskset", "-c", str(core), *map(str, command)]


def interval(values, seed):
    """Median, and the middle 95% of the medians of resamples."""
    draw = random.Random(seed)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    low, high = medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975) - 1]
    return {"median": statistics.median(values), "low": low, "high": high}


def compare(place, arguments, rate, other, raw):
    """Pairs of relay and other in the order A B B A; the ratios other / relay."""
    bursts = []
    pairs = []
    for n in range(arguments.pairs):
        order = ("relay", other) if n % 2 == 0 else (other, "relay")
        pair = {}
        for middle in order:
            name = f"{rate}-{other}-{n:03d}-{'A' if middle == 'relay' else 'B'}.hlog"
            result = place.burst(middle, rate, arguments.burst_s, arguments.warmup_s, raw / name)
            bursts.append({"pair": n, "middle": middle, "file": name, "result": result})
            pair[middle] = result["latency_ns"]
        pairs.append(pair)
        if not arguments.quiet and (n + 1) % 5 == 0:
            print(f"    {rate}/s relay and {other}: {n + 1} of {arguments.pairs} pairs", file=sys.stderr, flush=True)
    summary = {"rate": rate, "compared": other, "pairs": len(pairs)}
    for measure in MEASURES:
        summary[f"{measure}_ratio"] = interval([p[other][measure] / p["relay"][measure] for p in pairs], rate)
        summary[f"{measure}_relay_ns"] = statistics.median(p["relay"][measure] for p in pairs)
        summary[f"{measure}_{other}_ns"] = statistics.median(p[other][measure] for p in pairs)
    for middle in ("relay", other):
        shares = [burst["result"]["waited_share"] for burst in bursts if burst["middle"] == middle]
        summary[f"waited_share_{middle}"] = statistics.median(shares)
    summary["bursts_not_good"] = sum(not burst["result"]["good"] for burst in bursts)
    summary["first_problem"] = next((b["result"]["problems"] for b in bursts if not b["result"]["good"]), "")
    return summary, bursts


def choose_cores(text):
    """Middle, load, desk. With two cores the last two share one and yield to each other."""
    online = sorted(os.sched_getaffinity(0))
    if text:
        wanted = [int(core) for core in text.split(",")]
        if len(wanted) != 3 or not set(wanted) <= set(online):
            raise Failure(f"--cores wants three of {online}: middle,load,desk")
    elif len(online) == 1:
        raise Failure("one core: relay and gateway need a core of their own")
    else:
        wanted = [online[-1], online[0], online[1] if len(online) > 2 else online[0]]
    return dict(zip(("middle", "load", "desk"), wanted))


def facts(cores):
    """The machine's."""
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "used": cores, "load": os.getloadavg()}


def row(summary, io):
    """A line of the table."""

    def shown(measure):
        ratio = summary[f"{measure}_ratio"]
        other = summary["compared"]
        micros = f"{summary[f'{measure}_relay_ns'] / 1000:7.1f} {summary[f'{measure}_{other}_ns'] / 1000:7.1f}"
        return f"{micros}  {ratio['median']:5.3f} [{ratio['low']:5.3f}, {ratio['high']:5.3f}]"

    bad = summary["bursts_not_good"]
    note = f"  {bad} bursts not good" if bad else ""
    return f"{io:6} {summary['rate']:>8}  {summary['compared']:8} {shown('p50')}   {shown('p99')}{note}"


def reasons_void(results):
    """Why the run proves nothing, in words; empty where it does prove something."""
    reasons = []
    for r in results:
        where = f"{r['io']} at {r['rate']}/s"
        if r["compared"] == "control" and abs(r["p50_ratio"]["median"] - 1) > CONTROL_TOLERANCE:
            reasons.append(
                f"{where}: relay against relay is {r['p50_ratio']['median']:.3f}, not 1.00 within {CONTROL_TOLERANCE}"
            )
        for middle in ("relay", r["compared"]):
            share = r[f"waited_share_{middle}"]
            if share > WAITED_TOLERANCE:
                reasons.append(f"{where}: the {middle} had to wait for its core {share:.0%} of the time; others work there")
    return reasons


def measure(arguments, cores, out):
    """All back ends and rates: summaries, and each burst as it was."""
    results, raw_results = [], []
    per_rate = arguments.pairs * (arguments.burst_s + arguments.warmup_s)
    requests = max(65536, int(sum(rate * per_rate for rate in arguments.rates) * 1.5))
    for io in arguments.io:
        raw = out / io
        raw.mkdir(parents=True)
        with World(raw / "run", arguments.binary, io, "fused") as world:
            place = Place(world, cores, requests)
            for rate in arguments.rates:
                for other in ("gateway", "control"):
                    summary, bursts = compare(place, arguments, rate, other, raw)
                    summary["io"] = io
                    results.append(summary)
                    raw_results += [{"io": io, "rate": rate, **burst} for burst in bursts]
            place.end()
        shutil.rmtree(raw / "run")
    return results, raw_results


def main():
    """Entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--rates", type=lambda text: [int(r) for r in text.split(",")], default=[1000, 10000])
    parser.add_argument("--io", type=lambda text: text.split(","), default=["poll", "uring"], help="of the gateway")
    parser.add_argument("--burst-s", type=float, default=0.4)
    parser.add_argument("--warmup-s", type=int, default=0, help="before each burst, at its rate, not measured")
    parser.add_argument("--cores", help="middle,load,desk")
    parser.add_argument("--out", type=pathlib.Path, help="default: artefacts/bench-DATE")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    arguments = parser.parse_args()
    if arguments.pairs < 1 or not set(arguments.io) <= {"poll", "uring"}:
        parser.error("--pairs is at least 1; --io is poll, uring or both with a comma")
    out = arguments.out or pathlib.Path("artefacts") / time.strftime("bench-%Y%m%d-%H%M%S")
    if out.exists():
        parser.error(f"{out} exists")
    try:
        cores = choose_cores(arguments.cores)
        machine = facts(cores)
        results, bursts = measure(arguments, cores, out.absolute())
    except Failure as problem:
        print(f"scripts/bench: {problem}", file=sys.stderr)
        return 1
    voids = reasons_void(results)
    report = {"machine": machine, "burst_s": arguments.burst_s, "results": results, "void": voids}
    (out / "result.json").write_text(json.dumps({**report, "bursts": bursts}, indent=1) + "\n", encoding="utf-8")
    bad = sum(result["bursts_not_good"] for result in results)
    if arguments.json:
        print(json.dumps(report))
    else:
        print(f"\n{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; cores {cores}")
        print(f"bursts of {arguments.burst_s:g} s, {arguments.pairs} pairs; microseconds; ratio [95% interval]\n")
        head = f"{'relay':>7} {'other':>7}  {'ratio':21}"
        print(f"{'io':6} {'orders/s':>8}  {'other':8} {head}   {head}")
        print(f"{'':26}{'p50':>6}{'':32}{'p99':>9}")
        for result in results:
            print(row(result, result["io"]))
        print(f"\nraw histograms and every burst: {out}")
        for result in results:
            if result["bursts_not_good"]:
                print(f"not good at {result['rate']}/s through the {result['compared']}: {result['first_problem']}")
        for void in voids:
            print(f"VOID, this run proves nothing: {void}")
    return 1 if bad or voids else 0


if __name__ == "__main__":
    sys.exit(main())
