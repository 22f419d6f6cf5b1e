"""Runs the cases with real counterparts and prints what came of them. Exit code 1 where any check failed."""

import argparse
import concurrent.futures
import pathlib
import shutil
import sys
import traceback

import cases
import cases_copy
import cases_echo
import cases_jspurefix
import cases_kill
import cases_resend
import cases_versions
from table import Table
from world import Failure, Tools, World, use_ports_of

CASES = (
    cases.CASES
    | cases_versions.CASES
    | cases_resend.CASES
    | cases_copy.CASES
    | cases_kill.CASES
    | cases_echo.CASES
    | cases_jspurefix.CASES
)
LONG_CASES = cases_kill.LONG_CASES
LONG_ROUNDS = 4


def main():
    """Entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--echo", type=pathlib.Path, help="fix_echo; beside the binary by default")
    parser.add_argument("--target", required=True, type=pathlib.Path)
    parser.add_argument("--io", default="auto", choices=["auto", "uring", "poll"])
    parser.add_argument("--layout", default="auto", choices=["auto", "pipeline", "fused"])
    parser.add_argument("--jobs", type=int, default=3, help="cases at once; most of their time they wait")
    parser.add_argument("--keep", action="store_true", help="keep the logs of good cases too")
    parser.add_argument("--long", action="store_true", help="all versions in all cases, and more of what is random")
    parser.add_argument(
        "cases", nargs="*", help=f"of {', '.join(CASES | LONG_CASES)}; all but the long ones by default"
    )
    arguments = parser.parse_args()
    known = CASES | LONG_CASES
    names = arguments.cases or list(known if arguments.long else CASES)
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(known)}")
    arguments.tools = Tools(arguments.target)
    arguments.place = arguments.target / "interop" / f"{arguments.binary.parent.name}-{arguments.io}-{arguments.layout}"
    table = Table()
    with concurrent.futures.ProcessPoolExecutor(arguments.jobs) as pool:
        for part in pool.map(run_case, ((arguments, name, number) for number, name in enumerate(names))):
            table.take(part)
    table.print()
    return 1 if table.failed else 0


def run_case(task):
    """One case, in a process of its own; its table."""
    arguments, name, number = task
    case = (CASES | LONG_CASES)[name]
    use_ports_of(number)
    table = Table()
    directory = arguments.place / name
    shutil.rmtree(directory, ignore_errors=True)
    table.begin(f"{name}: {case.__doc__}")
    with World(directory, arguments.binary, arguments.io, arguments.layout) as world:
        world.rounds = LONG_ROUNDS if arguments.long else 1
        world.echo = arguments.echo or arguments.binary.parent / "examples" / "fix_echo"
        try:
            case(world, table, arguments.tools)
        except Failure as problem:
            table.true("the case comes to its end", False, problem)
        except Exception:
            table.true("the case comes to its end", False, traceback.format_exc(limit=-3))
    if table.failed:
        print(f"          logs of this case: {directory}", flush=True)
    elif not arguments.keep:
        shutil.rmtree(directory, ignore_errors=True)
    return table


if __name__ == "__main__":
    sys.exit(main())
