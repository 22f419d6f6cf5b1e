"""Ledgers out of messages: what each order came to, message numbers each once, and comparisons between the parties.

The two sides of the gateway know an order by the same name: OrderID(37) towards the client is ClOrdID(11) at the desk.
"""

import collections

import fixtext

# Kinds of reports that tell what is, and not that something happened.
QUESTIONS = ("I",)


def epochs(messages):
    """Messages cut where numbers start anew: at a Logon with number 1."""
    parts = [[]]
    for message in messages:
        if message.kind == "A" and message.get(34) == "1" and message.get(43) != "Y" and parts[-1]:
            parts.append([])
        parts[-1].append(message)
    return parts


def once(messages):
    """Each numbered message once: what came again as PossDup is passed over where it came before."""
    found = []
    for part in epochs(messages):
        seen = set()
        for message in part:
            gap_fill = message.kind == "4"
            if gap_fill or message.get(34) not in seen:
                found.append(message)
            if not gap_fill:
                seen.add(message.get(34))
    return found


def numbers_missing(messages):
    """Numbers that neither a message nor a SequenceReset covers, by epoch."""
    missing = []
    for n, part in enumerate(epochs(messages)):
        covered = set()
        for message in part:
            covered.update(_covered(message))
        missing += [(n, number) for number in range(1, max(covered, default=0)) if number not in covered]
    return missing


class Fate:
    """What became of an order by the reports of one party."""

    def __init__(self):
        self.executions = []
        self.exec_ids = collections.Counter()
        self.status = None

    def __repr__(self):
        return f"{self.status} {self.executions}"

    def same(self):
        """What must be the same for both parties."""
        return self.status, sorted(self.executions)


def by_order(messages, tag=37):
    """{name of the order: Fate} by the execution reports of a client's log, each number once."""
    fates = collections.defaultdict(Fate)
    for report in fixtext.of_kind(once(messages), "8"):
        kind = fixtext.exec_type(report)
        if kind in QUESTIONS:
            continue
        fate = fates[report.get(tag)]
        fate.exec_ids[report.get(17)] += 1
        # A replaced order lives on.
        fate.status = {"5": "0"}.get(report.get(39), report.get(39))
        if kind in ("F", "1", "2"):
            fate.executions.append((int(float(report.get(32))), float(report.get(31))))
    return dict(fates)


def of_book(book):
    """The same out of the book of a desk."""
    fates = {}
    for root, order in book.orders.items():
        fate = fates[root] = Fate()
        fate.executions = list(order.executions)
        fate.status = {"5": "0"}.get(order.status, order.status)
    return fates


def same_orders(table, what, client, desk):
    """Both ledgers name the same orders, and say the same of each."""
    rejected = {
        name for name, fate in client.items() if name not in desk and fate.status == "8" and not fate.executions
    }
    table.equal(f"{what}: orders that only one side knows", sorted((set(client) - rejected) ^ set(desk)), [])
    differ = {
        name: (client[name].same(), desk[name].same())
        for name in set(client) & set(desk)
        if client[name].same() != desk[name].same()
    }
    table.equal(f"{what}: orders of which they say different things", differ, {})
    twice = [(name, key) for name, fate in client.items() for key, count in fate.exec_ids.items() if count > 1]
    table.equal(f"{what}: executions that the client was told twice", twice, [])
    executions = sum(len(fate.executions) for fate in desk.values())
    table.true(f"{what}: orders and executions compared", desk, f"{len(desk)} and {executions}")


def same_messages(table, what, sent, received):
    """Sender's and receiver's own logs have the same messages, byte by byte. What was lost with a connection came again
    by a resend, but for the Logout that ended it. Of resends the gateway's log has the wish, not the messages."""

    def texts(messages):
        return collections.Counter(message.text for message in messages)

    resent = {number for m in received if m.get(43) == "Y" for number in _covered(m)}
    first = [m for m in received if m.get(43) != "Y" and m.kind != "4"]
    unsent = list((texts(first) - texts(sent)).elements())
    lost = (texts(sent) - texts(received)).elements()
    lost = [m for m in map(fixtext.FixMessage, lost) if int(m.get(34)) not in resent and m.kind != "5"]
    table.equal(f"{what}: received, but not in the sender's log", unsent, [])
    table.equal(f"{what}: sent, and never received", lost, [])
    table.true(f"{what}: messages compared", first, len(first))


def _covered(message):
    number = int(message.get(34))
    return range(number, int(message.get(36))) if message.kind == "4" else [number]
