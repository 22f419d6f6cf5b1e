"""Checks and their outcomes, as a table."""

import time


class Table:
    """Every check is one row; a failed one does not stop the others."""

    def __init__(self):
        self.rows = []
        self.case = ""
        self.started = time.monotonic()

    def begin(self, case):
        """The rows that follow belong to this case."""
        self.case = case
        print(f"{time.strftime('%T')}  {case}", flush=True)

    def true(self, what, condition, detail=""):
        """A check that must be true."""
        self.rows.append((self.case, what, bool(condition), str(detail)))
        if not condition:
            print(f"          FAILED {what}: {detail}", flush=True)
        return bool(condition)

    def equal(self, what, got, wanted):
        """Two values that must be the same."""
        detail = str(got) if got == wanted else f"{got!r}, but must be {wanted!r}"
        return self.true(what, got == wanted, detail)

    def at_least(self, what, got, least):
        """A number that must not be lower."""
        return self.true(what, got >= least, f"{got}" if got >= least else f"{got}, but at least {least}")

    def part(self):
        """A table for a thread of its own; `take` brings its rows back."""
        part = Table()
        part.case = self.case
        return part

    def take(self, part):
        """Adds the rows of a part."""
        self.rows += part.rows

    @property
    def failed(self):
        """How many failed."""
        return sum(not good for _, _, good, _ in self.rows)

    def print(self):
        """The whole table."""
        width = max((len(what) for _, what, _, _ in self.rows), default=0)
        case = None
        for of_case, what, good, detail in self.rows:
            if of_case != case:
                case = of_case
                print(f"\n{case}")
            print(f"  {'ok    ' if good else 'FAILED'}  {what:<{width}}  {detail[: 90 if good else 600]}")
        print(
            f"\nreal counterparts: {len(self.rows) - self.failed} good, {self.failed} failed, "
            f"{time.monotonic() - self.started:.0f} s",
            flush=True,
        )
