"""Runs QuickFIX's acceptance definitions against `fix_echo` and prints what came of them. Exit code 1 where one fails.

Each definition needs the same CompIDs, so each worker has a program of its own. A program that failed a definition is replaced.
"""

import argparse
import fnmatch
import json
import pathlib
import queue
import subprocess
import sys
import threading
import time

import definitions

SENDER = "ISLD"
# By directory of the definitions: the program's sessions. Older definitions call the peer TW throughout, newer ones say its version.
SETS = {
    "fix40": [("FIX.4.0", "TW", "FIX40.xml"), ("FIX.4.0", "TW40", "FIX40.xml")],
    "fix41": [("FIX.4.1", "TW", "FIX41.xml"), ("FIX.4.1", "TW41", "FIX41.xml")],
    "fix42": [("FIX.4.2", "TW", "FIX42.xml"), ("FIX.4.2", "TW42", "FIX42.xml")],
    "fix43": [("FIX.4.3", "TW", "FIX43.xml"), ("FIX.4.3", "TW43", "FIX43.xml")],
    "fix44": [("FIX.4.4", "TW", "FIX44.xml"), ("FIX.4.4", "TW44", "FIX44.xml")],
    "fix50": [("FIXT.1.1", target, "FIXT11.xml,FIX50.xml,default=FIX.5.0") for target in ("TW", "TW50")],
    "fix50sp1": [("FIXT.1.1", target, "FIXT11.xml,FIX50SP1.xml,default=FIX.5.0SP1") for target in ("TW", "TW50SP1")],
    "fix50sp2": [("FIXT.1.1", target, "FIXT11.xml,FIX50SP2.xml,default=FIX.5.0SP2") for target in ("TW", "TW50SP2")],
    "validate": [
        ("FIX.4.4", "TW", "FIX44.xml"),
        ("FIX.4.4", "NO_CHECK_FIELDS_HAVE_VALUES", "FIX44.xml,allow-empty-values"),
    ],
}
# What is answered differently on purpose: "set/name" with patterns, and why. Such definitions are run and shown, not counted.
DIFFERENT = {}
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10
# Time for the program to see that a connection has ended, before the same session logs on again.
BETWEEN_S = 0.02


class Program:
    """A running `fix_echo` with the sessions of one set."""

    def __init__(self, binary, dictionaries, name):
        command = [str(binary), "--port", "0", "--sender", SENDER]
        for begin_string, target, options in SETS[name]:
            files = [f"{dictionaries}/{part}" if part.endswith(".xml") else part for part in options.split(",")]
            command += ["--session", ",".join([begin_string, target, *files])]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.complaints = b""
        self.port = None
        self.has_port = threading.Event()
        self.reader = threading.Thread(target=self.read_complaints)
        self.reader.start()
        timer = threading.Timer(START_TIMEOUT_S, self.process.kill)
        timer.start()
        is_ready = self.process.stdout.readline() == b"ready\n" and self.has_port.wait(START_TIMEOUT_S)
        timer.cancel()
        if not is_ready or self.port is None:
            self.stop()
            raise RuntimeError(f"{' '.join(command)} did not start: {self.complaints.decode(errors='replace').strip()}")

    def read_complaints(self):
        """Standard error to its end, so that nobody waits for it to be read; first it names the port."""
        for line in self.process.stderr:
            if line.startswith(b"listening on "):
                self.port = int(line.rpartition(b":")[2])
                self.has_port.set()
            else:
                self.complaints += line
        self.has_port.set()

    def stop(self):
        """Ends it in order; what was wrong with its end, or nothing."""
        ended = self.process.poll()
        if ended is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        if self.process.returncode != 0:
            when = "while it was tried" if ended is not None else "when it was told to end"
            text = self.complaints.decode(errors="replace").strip()
            return f"the program ended with {self.process.returncode} {when}: {text}"
        return None


class Case:
    """One definition and what came of it."""

    def __init__(self, name, path):
        self.name = name
        self.path = path
        self.id = f"{name}/{path.stem}"
        self.lines = definitions.parse(path.read_bytes())
        self.failure = None
        self.different = next((why for pattern, why in DIFFERENT.items() if fnmatch.fnmatch(self.id, pattern)), None)


class Worker(threading.Thread):
    """Takes cases of one set until there are none."""

    def __init__(self, arguments, name, cases, by_pattern):
        super().__init__()
        self.arguments = arguments
        self.version = name
        self.cases = cases
        self.by_pattern = by_pattern
        self.program = None
        self.trouble = None

    def run(self):
        try:
            while True:
                case = self.cases.get_nowait()
                self.program = self.program or Program(self.arguments.binary, self.arguments.dictionaries, self.version)
                self.play(case)
        except queue.Empty:
            pass
        except Exception as error:  # shown by the main thread, and a failure
            self.trouble = error
        if self.program:
            self.trouble = self.trouble or self.program.stop()

    def play(self, case):
        """One definition."""
        try:
            definitions.Run(case.lines, self.by_pattern, self.arguments.timeout).play(self.program.port)
            time.sleep(BETWEEN_S)
        except (definitions.Difference, OSError) as difference:
            ended = self.program.stop()
            self.program = None
            case.failure = str(difference) + (f"\n      {ended}" if ended else "")


def main():
    """Entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=pathlib.Path, help="fix_echo")
    parser.add_argument("--source", required=True, type=pathlib.Path, help="QuickFIX's source: test/definitions and spec")
    parser.add_argument("--definitions", type=pathlib.Path, help="other definitions than those of the source")
    parser.add_argument("--only", default=[], action="append", metavar="GLOB", help="of SET/NAME, such as 'fix44/2*'; repeatable")
    parser.add_argument("--workers", default=5, type=int, metavar="N", help="programs at once, for each set of definitions")
    parser.add_argument("--timeout", default=10, type=float, metavar="S", help="longest wait for a message")
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")
    arguments = parser.parse_args()
    arguments.dictionaries = arguments.source / "spec"
    begun = time.monotonic()
    place = arguments.definitions or arguments.source / "test" / "definitions" / "server"
    by_pattern = definitions.patterns((arguments.source / "test" / "definitions" / "fields.fmt").read_bytes())
    cases = [case for case in find(place) if is_wanted(case, arguments.only)]
    if not cases:
        parser.error(f"no definitions in {place} for {arguments.only or 'any set'}")
    trouble = play_all(arguments, cases, by_pattern)
    report = show_json if arguments.json else show_text
    report(cases, trouble, time.monotonic() - begun)
    return 1 if trouble or any(case.failure and not case.different for case in cases) else 0


def find(place):
    """All definitions, set by set."""
    return [Case(name, path) for name in SETS for path in sorted((place / name).glob("*.def"))]


def is_wanted(case, only):
    """Whether the patterns ask for it."""
    return not only or any(fnmatch.fnmatch(case.id, pattern) or fnmatch.fnmatch(case.path.stem, pattern) for pattern in only)


def play_all(arguments, cases, by_pattern):
    """Plays all sets at once, those that wait first; returns troubles that belong to no case."""
    workers = []
    for name in SETS:
        of_set = [case for case in cases if case.name == name]
        waiting = queue.SimpleQueue()
        for case in sorted(of_set, key=lambda case: not definitions.waits(case.lines)):
            waiting.put(case)
        for _ in range(min(arguments.workers, len(of_set))):
            workers.append(Worker(arguments, name, waiting, by_pattern))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted({f"{worker.version}: {worker.trouble}" for worker in workers if worker.trouble})


def counts(cases, name):
    """Passed, failed and answered differently on purpose."""
    of_set = [case for case in cases if case.name == name]
    failed = sum(1 for case in of_set if case.failure and not case.different)
    different = sum(1 for case in of_set if case.failure and case.different)
    return len(of_set) - failed - different, failed, different


def show_text(cases, trouble, seconds):
    """For people."""
    for case in cases:
        if case.failure:
            word = f"different on purpose ({case.different})" if case.different else "FAILED"
            print(f"{word}  {case.id}: {case.failure}\n")
    for text in trouble:
        print(f"FAILED  {text}\n")
    print(f"{'definitions':<14} {'passed':>8} {'failed':>8} {'different':>10}")
    total = [0, 0, 0]
    for name in SETS:
        numbers = counts(cases, name)
        if any(numbers):
            print("{:<14} {:>8} {:>8} {:>10}".format(name, *numbers))
        total = [before + more for before, more in zip(total, numbers)]
    print("{:<14} {:>8} {:>8} {:>10}   {:.0f} s".format("all", *total, seconds))


def show_json(cases, trouble, seconds):
    """For programs."""
    words = ("passed", "failed", "different")
    sets = {name: dict(zip(words, counts(cases, name))) for name in SETS if any(case.name == name for case in cases)}
    failures = {case.id: case.failure for case in cases if case.failure}
    print(json.dumps({"sets": sets, "failures": failures, "trouble": trouble, "seconds": round(seconds, 1)}, indent=2))


if __name__ == "__main__":
    sys.exit(main())
