"""What cases have in common: sums over messages, and the comparison with what tshark saw."""

import collections
import functools

# Orders of a client where nothing else is said.
ORDERS = 100


def kinds(messages):
    """How many of each MsgType."""
    return dict(collections.Counter(message.kind for message in messages))


def merged(*lists):
    """All in one."""
    return [message for messages in lists for message in messages]


def wire_equals(table, capture, legs, unread=()):
    """tshark found nothing wrong, and counts what the peers' own logs count. `legs`: {(port, direction, leg): messages};
    of the kinds `unread` a peer may not have read all."""
    counts, bad = capture.dissect()
    table.equal("tshark: malformed packets and bad checksums", bad, [])
    for (port, direction, leg), messages in legs.items():
        seen, known = dict(counts[(port, direction)]), kinds(messages)
        for kind in unread:
            if seen.get(kind, 0) > known.get(kind, 0):
                known[kind] = seen[kind]
        table.equal(f"tshark = peers' ledgers: {leg}", seen, known)


def of_version(case, version):
    """The same case in another version."""
    made = functools.partial(case, version=version)
    made.__doc__ = f"FIX {version}: {case.__doc__}"
    return made
