"""A peer is killed in mid-stream and comes back to what its store has: every order is answered, or shown to be in doubt,
and every execution is told once."""

import threading
import time

import fixtext
import ledgers
import quickfix_engine
from capture import Capture
from checks import of_version, wire_equals
from quickfix_client import Client
from quickfix_desk import Book, Desk
from quickfix_peer import flow
from world import VERSIONS, Config, LinkedDesk, Session, free_ports, wait_until

PAUSE_MS = 3
# How long a peer lives in mid-stream, each time until it is killed.
LIVES_S = (0.3, 0.7, 0.2)
SETTLE_S = 30.0


def _peer(world, tools, role, *arguments):
    """Starts `quickfix_peer.py`, for the n-th time of this world."""
    number = sum(process.name.startswith(role) for process in world.processes) + 1
    program = [tools.venv / "bin" / "python", "-u", __file__.replace("cases_kill", "quickfix_peer")]
    return world.start(f"{role}-{number}", *program, role, world.directory, tools.target, *arguments)


def client_is_killed(world, table, tools, version="4.4"):
    """The client is killed while orders flow, and comes back to its store; a desk on the same engine."""
    listen, desk_port = free_ports(2)
    session = Session(f"KC{version}".replace(".", ""), version)
    name = f"{version}, client killed"
    config = Config(world, listen, [LinkedDesk("desk", [desk_port], fix_version=version)], [session])
    capture = Capture(world, [listen, desk_port])
    desk = Desk(world, tools, desk_port, version)
    gateway = world.gateway(config)
    world.wait_for_links(config)
    store = world.directory / f"client-{session.comp_id}-store"

    def messages():
        return quickfix_engine.logged(store, version, session.comp_id, "GATEHOUSE")

    for run, life_s in enumerate((*LIVES_S * world.rounds, 0.5)):
        last = run == len(LIVES_S) * world.rounds
        client = _peer(world, tools, "client", listen, version, session.comp_id, run, PAUSE_MS)
        client.wait_for("logged on", 30.0)
        time.sleep(life_s)
        if not last:
            client.kill()
        sent = [m for m in fixtext.of_kind(messages()[1], "D") if m.get(11).startswith(f"{session.comp_id}-{run}-")]
        table.at_least(f"{name}: orders sent in life {run}", len(sent), 10)
    client.say("enough")
    client.wait_for("sent", 10.0)

    def believed():
        return {m.get(11) for m in fixtext.of_kind(messages()[1], "D")}

    def told():
        return {m.get(11) for m in fixtext.reports(messages()[0], "0")}

    wait_until(lambda: believed() == told(), f"{name}: all that was sent is answered", SETTLE_S, 0.2)
    wait_until(
        lambda: len(fixtext.fills(ledgers.once(messages()[0]))) == sum(len(o.executions) for o in desk.book.orders.values()),
        f"{name}: all fills are told", SETTLE_S, 0.2,
    )  # fmt: skip
    table.true(f"{name}: every order that it believes sent is answered", believed() == told(), len(told()))
    client.say("log out")
    wait_until(lambda: client.child.poll() is not None, f"{name}: it ends", 20.0)
    table.equal("gateway ends with", gateway.stop(), 0)
    capture.stop()
    desk.stop()
    incoming, outgoing = messages()
    to_desk, from_desk = desk.messages()
    again = [m for m in incoming + outgoing if m.get(43) == "Y"]
    table.true(f"{name}: messages that were sent again", True, len(again))
    ledgers.same_orders(table, name, ledgers.by_order(incoming), ledgers.of_book(desk.book))
    table.equal(f"{name}: ClOrdIDs that it sent = orders at the desk", len(desk.book.orders), len(told()))
    table.equal(f"{name}: orders twice at the desk", len(desk.book.came), len(desk.book.orders))
    table.equal(f"{name}: report numbers that it missed", ledgers.numbers_missing(incoming), [])
    table.equal(f"{name}: its numbers go on", len(ledgers.epochs(outgoing)), 1)
    table.equal(f"{name}: rejects", fixtext.of_kind(incoming + outgoing + to_desk + from_desk, "3", "j"), [])
    taken, sent = world.logged(config, session.comp_id)
    ledgers.same_messages(table, f"{name}, to the gateway", outgoing, taken)
    ledgers.same_messages(table, f"{name}, from the gateway", sent, incoming)
    # What is on the wire when a process dies has no reader.
    legs = {(desk_port, "to", "to the desk"): to_desk, (desk_port, "from", "from the desk"): from_desk}
    wire_equals(table, capture, legs)


def desk_is_killed(world, table, tools, version="4.4"):
    """The desk is killed while orders flow, and comes back to its store and book; a client on the same engine."""
    listen, desk_port = free_ports(2)
    session = Session(f"KD{version}".replace(".", ""), version)
    name = f"{version}, desk killed"
    config = Config(world, listen, [LinkedDesk("desk", [desk_port], fix_version=version)], [session])
    capture = Capture(world, [listen, desk_port])
    desk = _peer(world, tools, "desk", desk_port, version, "DESK")
    desk.wait_for("listens", 30.0)
    gateway = world.gateway(config)
    world.wait_for_links(config)
    client = Client(world, tools, listen, session)
    over = threading.Event()
    orders = threading.Thread(target=flow, args=(client, 0, PAUSE_MS / 1000, over.is_set), daemon=True)
    orders.start()
    try:
        for life_s in LIVES_S * world.rounds:
            time.sleep(life_s)
            desk.kill()
            time.sleep(0.1)
            desk = _peer(world, tools, "desk", desk_port, version, "DESK")
            desk.wait_for("listens", 30.0)
            world.wait_for_links(config)
        time.sleep(0.5)
    finally:
        over.set()
        orders.join()
    doubtful = _settle(world, table, name, config, client)
    table.true(f"{name}: the client logs out", client.log_out())
    table.equal("gateway ends with", gateway.stop(), 0)
    capture.stop()
    desk.say("enough")
    wait_until(lambda: desk.child.poll() is not None, f"{name}: the desk ends", 20.0)
    book = Book(world.directory / "desk-DESK.book")
    to_desk, from_desk = quickfix_engine.logged(world.directory / "desk-DESK-store", version, "DESK", "GATEHOUSE")
    incoming, outgoing = client.messages()
    table.equal(f"{name}: in doubt, but at the desk", sorted(doubtful & set(book.orders)), [])
    ledgers.same_orders(table, name, ledgers.by_order(incoming), ledgers.of_book(book))
    table.equal(f"{name}: orders twice at the desk", len(book.came), len(book.orders))
    table.equal(
        f"{name}: orders sent to the desk again", [m for m in to_desk if m.kind == "D" and m.get(43) == "Y"], []
    )
    table.equal(f"{name}: report numbers that the client missed", ledgers.numbers_missing(incoming), [])
    table.equal(
        f"{name}: numbers of the link go on", (len(ledgers.epochs(from_desk)), len(ledgers.epochs(to_desk))), (1, 1)
    )
    table.equal(f"{name}: rejects", fixtext.of_kind(incoming + outgoing + to_desk + from_desk, "3", "j"), [])
    taken, sent = world.logged(config, "desk-1")
    ledgers.same_messages(table, f"{name}, to the gateway", from_desk, taken)
    ledgers.same_messages(table, f"{name}, from the gateway", sent, to_desk)
    legs = {(listen, "to", "from the client"): outgoing, (listen, "from", "to the client"): incoming}
    wire_equals(table, capture, legs)


def _settle(world, table, name, config, client):
    """Every order is answered, or in doubt and shown so to who asks; OrderIDs of the latter."""

    def unanswered():
        asked = {m.get(11): m for m in fixtext.of_kind(client.messages()[1], "D")}
        for report in fixtext.reports(client.given, "0", "8"):
            asked.pop(report.get(11), None)
        return asked

    def in_doubt():
        return sum(link["in_doubt"] for link in world.status(config)["links"])

    wait_until(
        lambda: len(unanswered()) == in_doubt(),
        f"{name}: {len(unanswered())} unanswered, {in_doubt()} in doubt",
        SETTLE_S,
    )
    waiting = unanswered()
    for order_id, order in waiting.items():
        client.ask(order_id, order.get(54))

    def shown():
        return [m for m in fixtext.reports(client.given, "I") if m.get(11) in waiting and "doubt" in m.get(58, "")]

    wait_until(lambda: len(shown()) >= len(waiting), f"{name}: doubts are shown", SETTLE_S)
    table.equal(f"{name}: orders unanswered = shown in doubt", sorted(m.get(11) for m in shown()), sorted(waiting))
    answered = {m.get(11) for m in fixtext.reports(client.given, "0", "8")}
    table.at_least(f"{name}: orders answered ({len(waiting)} in doubt)", len(answered), 100)
    return {m.get(37) for m in shown()}


CASES = {"client-killed": client_is_killed, "desk-killed": desk_is_killed}
LONG_CASES = {
    f"{name}-{version}": of_version(case, version=version)
    for name, case in CASES.items()
    for version in VERSIONS
    if version != "4.4"
}
