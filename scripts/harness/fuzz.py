"""Runs the fuzz targets, one after the other: seeds their corpora, counts, saves what crashes, keeps the state of the proof.

libFuzzer does the work; this script calls it with bounds (time of one input, memory), reads what it printed, and adds up. A
proof is many pieces of so many executions each; after every piece its sums are written to a file, so that it can be stopped
at any time and goes on where it was, with the corpus that it had.
"""

import argparse
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
VECTORS = ROOT / "tests" / "vectors" / "fix"
SEEDS = ROOT / "tests" / "fuzz" / "seeds"
VERSIONS = ["4.0", "4.1", "4.2", "4.3", "4.4", "5.0", "5.0SP1", "5.0SP2"]
# Longest input, and the executions that the proof asks for: 100 million in all.
TARGETS = {
    "frame": (300, 40_000_000),
    "parse": (1400, 20_000_000),
    "validate": (1400, 20_000_000),
    "dictionary": (2048, 3_000_000),
    "session": (768, 10_000_000),
    "records": (512, 7_000_000),
}
MEMORY_MB_MAX = 512
# By the clock: a busy machine may let a process wait for many seconds.
INPUT_S_MAX = 60
PIECES = 20
TIME = "20250615-15:06:40"


def framed(begin, body):
    body = body.replace("|", "\x01")
    text = f"8={begin}\x019={len(body)}\x01{body}".encode("latin-1", "replace")
    return text + b"10=%03d\x01" % (sum(text) % 256)


def scenarios():
    """Every scenario of the vectors: the lines that go in."""
    for file in sorted(VECTORS.glob("*.script")):
        lines = []
        for line in file.read_text().splitlines() + ["scenario the end"]:
            line = line.strip()
            if line.startswith("scenario "):
                if lines:
                    yield lines
                lines = []
            elif line and line[0] not in "#Ee?" and not line.startswith("version"):
                lines.append(line)


def bodies():
    """Every message of the vectors: from MsgType to the last field before CheckSum."""
    for lines in scenarios():
        for line in lines:
            if line.startswith("I 35="):
                body = line[2:].replace("~", f"49=PEER|52={TIME}|56=GATE")
                yield re.sub(r"<t.*?>", TIME, body).replace("<peer>", "PEER").replace("<own>", "GATE") + "|"


def orders():
    """Application messages that the targets decode or validate."""
    head = f"49=PEER|52={TIME}|56=GATE|34=2|"
    order = f"11=A1|1=ACC|21=1|38=100|40=2|44=10.25|54=1|55=600000|59=0|60={TIME}|"
    yield f"35=D|{head}{order}"
    yield f"35=G|{head}41=A0|{order}"
    yield f"35=F|{head}11=A2|41=A1|54=1|55=600000|60={TIME}|"
    yield f"35=H|{head}11=A1|54=1|55=600000|"
    yield f"35=q|{head}11=A3|530=7|60={TIME}|"
    yield f"35=AF|{head}584=A4|585=7|"
    for kind, status in ("00", "12", "F2", "44", "55", "88", "39", "C4"):
        yield (
            f"35=8|{head}37=D1|11=1A2B3C4D|17=E1|150={kind}|39={status}|55=600000|54=1|38=100|"
            f"32=100|31=10.25|151=0|14=100|6=10.25|20=0|60={TIME}|"
        )
    yield f"35=9|{head}37=D1|11=1A2B3C4D|41=1A2B3C4C|39=8|434=1|102=0|58=no|"
    yield (
        f"35=D|{head}11=X|453=2|448=P|452=1|802=2|523=S|803=1|523=T|803=2|448=Q|54=1|44=1.5|"
        f"60={TIME}|18=1 G|15=EUR|95=5|96=a|b=c|"
    )
    yield f"35=AZ|{head}200=202603w2|75=20260102|273=10:11:12.123|61=5|453=1|448=P|"
    yield f"35=0|34=3|{head[:-5]}627=1|628=X|630=3|93=3|89=a|b|"


def seeds_of(target):
    """Inputs to begin with, in the form that the target reads."""
    if target == "session":
        for at, lines in enumerate(scenarios()):
            # Each scenario with two versions, so that all are there, and with numbers that mutations keep right.
            for version in (VERSIONS[at % 8], VERSIONS[(at + 4) % 8]):
                relative = [re.sub(r"\|34=\d+", "|34=<n>", line) for line in lines]
                for text in (lines, relative):
                    yield "\n".join([f"version FIX.{version}", *text]).encode("latin-1", "replace")
    elif target == "frame":
        stream = b""
        for at, body in enumerate(bodies()):
            message = framed("FIX.4.4", body)
            yield bytes([at % 256]) + message
            stream = (stream + message)[-300:]
            yield bytes([at * 7 % 256]) + stream
    elif target == "parse":
        for at, body in enumerate([*bodies(), *orders()]):
            yield bytes([at % 8]) + body.replace("|", "\x01").encode("latin-1", "replace")
    elif target == "validate":
        for at, body in enumerate([*orders(), *bodies()]):
            yield b"\xff\xff" + bytes([at % 256]) + body.replace("|", "\x01").encode("latin-1", "replace")
    elif target == "dictionary":
        text = (SEEDS / "tiny.xml").read_text()
        yield text.encode()
        # One part of it at a time, so that small inputs are there too.
        for part in re.findall(r"<(message|group|field|component|header)\b.*?</\1>|(<field [^>]*/>)", text, re.S)[:20]:
            yield ("<fix major='4' minor='4'><fields>%s</fields></fix>" % part[1]).encode()
    elif target == "records":
        for kind in range(1, 12):
            for first in (1, 2, 3, 4, 5, 6, 7):
                body = bytes([first]) * 24 + bytes(60)
                header = (48 + len(body)).to_bytes(4, "little") + kind.to_bytes(2, "little") + bytes(6)
                yield bytes(4) + header + (1).to_bytes(8, "little") + bytes(24) + body
                yield body


def tokens_of(target):
    """Words that mutations put in."""
    if target == "session":
        words = ["iCONNECT\n", "iDISCONNECT\n", "iLOGOUT x\n", "iRESET\n", "iPROBE 2\n", "set dictionary\n", "iAPP x\n", "T +31\n", "T +2\n", "C 7\n", "P 3\n", "\nI 35=", "\nR "]
        words += ["role initiator\n", "policy gapfill\n", "numbers 7 9\n", "set reset_on_logon\n", "set reset_on_logout\n"]
        words += ["set reset_on_disconnect\n", "set next_expected\n", "set last_processed\n"]
        words += [f"version FIX.{version}\n" for version in VERSIONS]
        words += [f"I 35={kind}|34=<n>|~|" for kind in "0123458ADj"]
        words += ["<n>", "<n+1>", "<n+3>", "<n-1>", "<o>", "<o-1>", "<t-200>", "<t-1>", "~", "|34=<n+2>", "|43=Y", "|122=<t>"]
        words += ["|123=Y", "|36=<n+2>", "|7=1|16=0", "|98=0|108=30", "|141=Y", "|789=<o>", "|369=1", "|1137=9", "|112=A", "|97=Y"]
        return words
    words = ["\x0134=", "\x0149=", "\x0152=", "\x0156=", "\x0143=Y", "\x01122=", "\x0135=", "\x0110=000\x01", "8=FIX.4.4\x019=", "8=FIXT.1.1\x01"]
    words += ["\x0195=3\x0196=", "\x01453=2\x01448=", "\x01802=1\x01523=", "\x01627=1\x01628=", "\x0144=", "\x0138=", "\x01-1=", "\x010="]
    if target == "dictionary":
        words = ["<group name='", "</group>", "<component name='", "</component>", "<message name='", "msgtype='", "msgcat='app'", "<field "]
        words += ["number='", "type='STRING'", "type='NUMINGROUP'", "type='LENGTH'", "type='DATA'", "required='Y'", "<header>", "<trailer>", "/>"]
    return words


def quoted(word):
    """As a libFuzzer dictionary has it."""
    plain = lambda byte: chr(byte) if 32 < byte < 127 and byte not in b'"\\' else f"\\x{byte:02X}"
    return '"' + "".join(map(plain, word.encode())) + '"'


def prepare(target, room):
    """The corpus directory, with every seed in it, and the words."""
    corpus = room / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    for at, seed in enumerate(seeds_of(target)):
        (corpus / f"seed-{at:03}").write_bytes(seed)
    for committed in sorted((SEEDS / target).glob("*")):
        (corpus / f"kept-{committed.name}").write_bytes(committed.read_bytes())
    words = room / f"{target}.words"
    words.write_text("".join(quoted(word) + "\n" for word in tokens_of(target)))
    return corpus, words


def run(target, arguments, bounds):
    """One call of libFuzzer; what it did."""
    room = arguments.room
    corpus, words = prepare(target, room)
    crashes = room / "crashes" / target
    crashes.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    log = room / f"{target}.log"
    command = [
        arguments.programs / target,
        corpus,
        f"-dict={words}",
        f"-artifact_prefix={crashes}/",
        f"-max_len={TARGETS[target][0]}",
        f"-rss_limit_mb={MEMORY_MB_MAX}",
        f"-timeout={INPUT_S_MAX}",
        "-print_final_stats=1",
        "-reload=0",
        *bounds,
    ]
    with log.open("w") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT).returncode
    text = log.read_text(errors="replace")
    stat = lambda name: int((re.findall(rf"stat::{name}:\s+(\d+)", text) or [0])[-1])
    last = lambda name: int((re.findall(rf"\b{name}: (\d+)", text) or [0])[-1])
    if code:
        print(f"{target}: exit code {code}; the input is under {crashes}, the log is {log}")
        print("\n".join(text.splitlines()[-25:]))
    return {
        "executions": stat("number_of_executed_units"),
        "edges": last("cov"),
        "features": last("ft"),
        "seconds": time.monotonic() - start,
        "rss_mb": stat("peak_rss_mb"),
        "corpus": len(list(corpus.iterdir())),
        "crashes": int(code != 0),
    }


def add(sums, piece):
    """The same over several calls."""
    return {
        key: (sums.get(key, 0) + value if key in ("executions", "seconds", "crashes") else max(sums.get(key, 0), value))
        for key, value in piece.items()
    }


def table(rows):
    """For people and for documents."""
    yield "| target | executions | edges | features | inputs kept | time | per second | peak memory | crashes |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for name, row in rows.items():
        rate = row["executions"] / max(row["seconds"], 0.001)
        yield (
            f"| {name} | {row['executions']:,} | {row['edges']:,} | {row['features']:,} | {row['corpus']:,} | {row['seconds']:,.0f} s "
            f"| {rate:,.0f} | {row['rss_mb']} MiB | {row['crashes']} |"
        )


def proof(arguments):
    """All that is promised, in pieces, each target's next piece where the least of its share is done. Other programs begin anew."""
    programs = (arguments.programs / target for target in sorted(TARGETS))
    digest = hashlib.sha256(b"".join(hashlib.sha256(program.read_bytes()).digest() for program in programs)).hexdigest()
    state = arguments.room / f"proof-{digest[:16]}.json"
    done = json.loads(state.read_text()) if state.exists() else {}
    share = lambda target: done.get(target, {}).get("executions", 0) / TARGETS[target][1]
    targets = arguments.targets or list(TARGETS)
    while min(map(share, targets)) < 1:
        target = min(targets, key=share)
        wanted = TARGETS[target][1]
        left = wanted - done.get(target, {}).get("executions", 0)
        piece = run(target, arguments, [f"-runs={min(left, wanted // PIECES)}"])
        done[target] = add(done.get(target, {}), piece)
        state.write_text(json.dumps(done, indent=1))
        print(f"{target}: {done[target]['executions']:,} of {wanted:,}", flush=True)
        if piece["crashes"]:
            return done
    return done


def main():
    parser = argparse.ArgumentParser(prog="scripts/fuzz")
    parser.add_argument("--programs", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--room", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--executions", type=int)
    parser.add_argument("--proof", action="store_true")
    parser.add_argument("--report", type=pathlib.Path, help="where the table goes as well")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    arguments = parser.parse_args()
    unknown = [target for target in arguments.targets if target not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]}; there are {', '.join(TARGETS)}")
    if arguments.proof:
        rows = proof(arguments)
    else:
        bounds = []
        if arguments.executions:
            bounds.append(f"-runs={arguments.executions}")
        if arguments.seconds or not arguments.executions:
            bounds.append(f"-max_total_time={arguments.seconds or 60}")
        rows = {target: run(target, arguments, bounds) for target in arguments.targets or TARGETS}
    lines = list(table(rows))
    if arguments.report:
        arguments.report.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    sys.exit(any(row["crashes"] or not row["executions"] for row in rows.values()))


if __name__ == "__main__":
    main()
