"""The session layer as a library: `fix_echo` is killed in mid-stream under a client of the QuickFIX engine."""

import threading
import time

import fixtext
import ledgers
from capture import Capture
from checks import wire_equals
from quickfix_client import Client
from quickfix_peer import flow
from world import Session, free_ports, wait_until

PAUSE_S = 0.003
LIVES_S = (0.4, 0.8)
SETTLE_S = 20.0


def _echo(world, tools, port, session, *more):
    name = f"echo-{sum(process.name.startswith('echo') for process in world.processes) + 1}"
    known = f"FIX.{session.version},{session.comp_id},{tools.dictionary(session.version)}"
    process = world.start(name, world.echo, "--port", port, "--sender", "GATEHOUSE", "--session", known, *more)
    process.wait_for("ready", 30.0)
    return process


def echo_is_killed(world, table, tools):
    """fix_echo is killed and begins anew: of what the client sent in each life, a first part came back, in order, once."""
    # It has no memory: both sides begin anew with each logon.
    client, lives = _under_fire(world, tools, "ECHOED", {"ResetOnLogon": "Y"})
    wait_until(lambda: _echoed(client)[-1], "the last life's orders are all echoed", SETTLE_S, 0.1)
    for life, (sent, echoed) in enumerate(_lives(client)):
        table.at_least(f"life {life}: echoed of {len(sent)} sent", len(echoed), 10)
        table.true(
            f"life {life}: echoed in order, each once, the first of what was sent", echoed == sent[: len(echoed)]
        )
    table.equal("lives that the client saw", len(_lives(client)), lives)
    _part(world, table, client)


def echo_with_state_is_killed(world, table, tools):
    """fix_echo with a state directory is killed: numbers go on, and every order comes back once."""
    client, _ = _under_fire(world, tools, "STORED", {}, "--state", world.directory / "echo-state")
    wait_until(lambda: all(_echoed(client)), "all orders are echoed", SETTLE_S, 0.1)
    ((sent, echoed),) = _lives(client)
    table.true("all orders echoed, in order, each once", echoed == sent, len(sent))
    _part(world, table, client)


def _under_fire(world, tools, comp_id, settings, *more):
    """Orders flow while fix_echo is killed and started again; the client when all is quiet, and the lives of the echo."""
    (port,) = free_ports(1)
    session = Session(comp_id, "4.4")
    world.capture = Capture(world, [port])
    echo = _echo(world, tools, port, session, *more)
    client = Client(world, tools, port, session, **settings)
    over = threading.Event()
    orders = threading.Thread(target=flow, args=(client, 0, PAUSE_S, over.is_set), daemon=True)
    orders.start()
    try:
        for life_s in LIVES_S * world.rounds:
            time.sleep(life_s)
            logons = len(fixtext.of_kind(client.messages()[0], "A"))
            echo.kill()
            echo = _echo(world, tools, port, session, *more)
            wait_until(
                lambda before=logons: len(fixtext.of_kind(client.messages()[0], "A")) > before,
                "the client is back", SETTLE_S, 0.05,
            )  # fmt: skip
        time.sleep(LIVES_S[0])
    finally:
        over.set()
        orders.join()
    return client, len(LIVES_S) * world.rounds + 1


def _part(world, table, client):
    """The end; what must be true in any case."""
    table.true("the client logs out", client.log_out())
    echo = next(process for process in reversed(world.processes) if process.name.startswith("echo"))
    table.equal("fix_echo ends with", echo.stop(), 0)
    world.capture.stop()
    incoming, outgoing = client.messages()
    table.equal("numbers that the client missed", ledgers.numbers_missing(incoming), [])
    table.equal("rejects", fixtext.of_kind(incoming + outgoing, "3", "j"), [])
    (port,) = world.capture.ports
    wire_equals(table, world.capture, {(port, "from", "to the client"): incoming})


def _echoed(client):
    """Per life: whether all came back."""
    return [sent == echoed for sent, echoed in _lives(client)]


def _lives(client):
    """Per life of the echo: ClOrdIDs (sent, echoed), in the order of their numbers."""

    def orders(part):
        return [m.get(11) for m in sorted(fixtext.of_kind(ledgers.once(part), "D"), key=lambda m: int(m.get(34)))]

    incoming, outgoing = client.messages()
    return [(orders(sent), orders(echoed)) for sent, echoed in zip(ledgers.epochs(outgoing), ledgers.epochs(incoming))]


CASES = {"echo-killed": echo_is_killed, "echo-state-killed": echo_with_state_is_killed}
