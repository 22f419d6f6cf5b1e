"""FIX messages as text: reading them from the logs of other engines, counting them, summing up what they say."""

import re

SOH = "\x01"
LOGGED = re.compile(r"8=FIX[^\n]*?\x0110=\d{3}\x01")


class FixMessage:
    """A message; `get` gives a field's first value."""

    def __init__(self, text):
        self.text = text
        self.fields = [field.partition("=") for field in text.split(SOH) if field]

    def get(self, tag, default=None):
        """The first value of that tag."""
        name = str(tag)
        return next((value for key, _, value in self.fields if key == name), default)

    def all(self, tag):
        """All values of that tag."""
        name = str(tag)
        return [value for key, _, value in self.fields if key == name]

    @property
    def kind(self):
        """MsgType(35)"""
        return self.get(35)

    def __repr__(self):
        return self.text.replace(SOH, "|")


def screen_log(text):
    """What QuickFIX's screen log printed: (incoming, outgoing)."""
    incoming, outgoing = [], []
    direction = None
    for line in text.splitlines():
        if line.rstrip().endswith("incoming>"):
            direction = incoming
        elif line.rstrip().endswith("outgoing>"):
            direction = outgoing
        elif direction is not None and line.lstrip().startswith("(8=FIX"):
            direction.extend(FixMessage(found) for found in LOGGED.findall(line))
            direction = None
    return incoming, outgoing


def of_kind(messages, *kinds):
    """Messages of these MsgTypes."""
    return [message for message in messages if message.kind in kinds]


def exec_type(report):
    """What a report tells, in all versions as 4.4 says it by ExecType(150); "1" and "2" are fills too."""
    transaction = report.get(20, "0")
    if transaction != "0":
        return {"1": "H", "2": "G", "3": "I"}[transaction]
    # 4.0 has OrdStatus(39) only: a fill is what has executed something.
    if report.get(150) is None and report.get(39) in ("1", "2", "5") and float(report.get(32, 0)) > 0:
        return "F"
    return report.get(150, report.get(39))


def reports(messages, *kinds):
    """Execution reports of these kinds."""
    return [message for message in of_kind(messages, "8") if exec_type(message) in kinds]


def fills(messages):
    """Reports of trades."""
    return reports(messages, "F", "1", "2")


def filled_quantity(messages):
    """Sum of LastQty(32) over the trades."""
    return sum(int(float(message.get(32))) for message in fills(messages))
