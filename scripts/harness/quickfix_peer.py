"""A client or a desk on the QuickFIX engine in a process of its own, so that it can be killed and come back to its store.

    quickfix_peer.py desk PLACE TARGET PORT VERSION NAME
    quickfix_peer.py client PLACE TARGET PORT VERSION COMP_ID RUN PAUSE_MS

The client sends orders `COMP_ID-RUN-N` until a line comes on its standard input, and logs out at the next one. The desk
ends likewise. Each line that they print tells how far they are.
"""

import contextlib
import pathlib
import sys
import threading
import time
import types

from quickfix_client import Client
from quickfix_desk import Desk
from world import Session, Tools

QUANTITIES = (100, 200, 300)


def price(number):
    """Each order has its own."""
    return f"{10 + number // 100 % 80}.{number % 100:02d}"


def flow(client, run, pause_s, is_over):
    """Sends orders until it is over; how many."""
    number = 0
    while not is_over():
        order_id = f"{client.ours}-{run}-{number}"
        # Whether or not it is connected: what is not sent waits in the store.
        order = client.order(order_id, 1 + number % 2, QUANTITIES[number % len(QUANTITIES)], price(number))
        client.keep("D", **order)
        number += 1
        time.sleep(pause_s)
    return number


def client(place, tools, port, version, comp_id, run, pause_ms):
    """A client that sends orders."""
    engine = Client(place, tools, port, Session(comp_id, version))
    print("logged on", flush=True)
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), over.set()), daemon=True).start()
    print("sent", flow(engine, run, int(pause_ms) / 1000, over.is_set), flush=True)
    sys.stdin.readline()
    engine.log_out()


def desk(place, tools, port, version, name):
    """A desk that executes."""
    engine = Desk(place, tools, int(port), version, name)
    print("listens", flush=True)
    sys.stdin.readline()
    engine.stop()


def main():
    """Entry."""
    role, directory, target, *rest = sys.argv[1:]
    place = types.SimpleNamespace(directory=pathlib.Path(directory), at_end=[])
    with contextlib.suppress(KeyboardInterrupt):
        {"client": client, "desk": desk}[role](place, Tools(target), *rest)


if __name__ == "__main__":
    main()
