"""jspurefix, an engine that shares no code with QuickFIX, on both sides of the gateway: clients of FIX 4.4 and 5.0SP2, a desk
of 4.4. One client reads and writes by the dictionary that the gateway exports."""

import json
import pathlib
import subprocess

import fixtext
import ledgers
from capture import Capture
from checks import merged, wire_equals
from quickfix_engine import begin_string
from world import Config, Failure, LinkedDesk, Session, free_ports, wait_until

ORDERS = 30
START_S = 30.0
ANSWER_S = 10.0
# jspurefix cannot read FIX 5.0SP2 and FIXT.1.1 from two files; it ships one that has both.
COMBINED_50SP2 = "data/FIX50SP2.xml"


class JsPeer:
    """`jspurefix/peer.js`: one session, in a process of its own that can be killed and started again."""

    def __init__(self, world, role, version, comp_id, target, port, **more):
        self.world = world
        self.comp_id = comp_id
        self.version = version
        self.life = 0
        self.log = world.directory / f"js-{comp_id}.log"
        self.settings = {
            "role": role, "beginString": begin_string(version), "sender": comp_id, "target": target, "port": port,
            "store": str(world.directory / f"js-{comp_id}-store"), "log": str(self.log), **more,
        }  # fmt: skip
        self.process = None

    def start(self):
        """Starts it; its store tells where it was."""
        self.life += 1
        settings = self.world.directory / f"js-{self.comp_id}.json"
        settings.write_text(json.dumps({**self.settings, "life": self.life}), encoding="ascii")
        program = pathlib.Path(__file__).parent / "jspurefix" / "peer.js"
        self.process = self.world.start(f"js-{self.comp_id}-{self.life}", "node", program, settings)

    def wait_ready(self):
        """Until it is logged on."""
        self.process.wait_for("ready", START_S)

    def tell(self, do, **more):
        """A command."""
        self.process.say(json.dumps({"do": do, **more}))

    def messages(self):
        """(incoming, outgoing)"""
        lines = self.log.read_text(encoding="latin-1").splitlines() if self.log.exists() else []
        both = [(line[0], fixtext.FixMessage(line[2:].replace("|", "\x01"))) for line in lines]
        return [m for way, m in both if way == "<"], [m for way, m in both if way == ">"]

    def end(self):
        """Ends it; its exit code."""
        if self.process.child.poll() is None:
            self.tell("end")
            wait_until(lambda: self.process.child.poll() is not None, f"{self.comp_id} ends", ANSWER_S)
        return self.process.stop()


class JsClient(JsPeer):
    """A client with its orders."""

    def __init__(self, world, session, port, **more):
        super().__init__(world, "client", session.version, session.comp_id, "GATEHOUSE", port, **more)
        self.session = session
        self.made = 0

    def order(self):
        """An order that rests, or is filled at once by the desk; its ClOrdID."""
        self.made += 1
        self.tell(
            "order", id=f"{self.comp_id}-{self.made}", account=self.session.account, side=str(1 + self.made % 2),
            quantity=100 * (1 + self.made % 2), price=10 + self.made / 100,
        )  # fmt: skip
        return f"{self.comp_id}-{self.made}", 1 + self.made % 2

    def wait_answered(self, order):
        """Until the order is acknowledged, and filled where it should be."""
        order_id, answers = order

        def answered():
            known = {m.get(17) for m in fixtext.reports(self.messages()[0], "0", "F") if m.get(11) == order_id}
            return len(known) >= answers

        wait_until(answered, f"{self.comp_id}: {order_id} is answered", ANSWER_S, 0.05)


def jspurefix_on_both_sides(world, table, tools):
    """jspurefix as clients of FIX 4.4 and 5.0SP2 and as desk: orders, gaps, kills of either side, logout."""
    listen, desk_port = free_ports(2)
    sessions = [Session("JS44", "4.4"), Session("JS50", "5.0SP2")]
    config = Config(world, listen, [LinkedDesk("desk", [desk_port])], sessions)
    capture = Capture(world, [listen, desk_port])
    desk = JsPeer(world, "desk", "4.4", "DESK", "GATEHOUSE", desk_port, dictionary=str(tools.dictionary("4.4")))
    desk.start()
    gateway = world.gateway(config)
    clients = [
        JsClient(world, sessions[0], listen, dictionary=str(_exported(world, "FIX.4.4")), flat=True),
        JsClient(world, sessions[1], listen, dictionary=COMBINED_50SP2, logon={"DefaultApplVerID": "9"}),
    ]
    for client in clients:
        client.start()
    world.wait_for_links(config)
    for client in clients:
        client.wait_ready()
        for order in [client.order() for _ in range(ORDERS)]:
            client.wait_answered(order)
    for client in clients:
        _forgets(client, table)
        _skips(client, table)
    for client in clients:
        client.process.kill()
        client.start()
    for client in clients:
        client.wait_ready()
        client.wait_answered(client.order())
        table.equal(
            f"{client.comp_id}: killed and back, its numbers go on", len(ledgers.epochs(client.messages()[1])), 1
        )
    desk.process.kill()
    wait_until(lambda: not _ready(world, config), "the gateway sees that the desk is gone", ANSWER_S)
    desk.start()
    world.wait_for_links(config)
    for client in clients:
        client.wait_answered(client.order())
    table.equal("desk killed and back: its numbers go on", len(ledgers.epochs(desk.messages()[1])), 1)
    for client in clients:
        client.tell("logout")
        client.process.wait_for("stopped", ANSWER_S)
        table.equal(f"{client.comp_id}: its logout is answered", [m.kind for m in client.messages()[0][-1:]], ["5"])
        client.end()
    table.equal("gateway ends with", gateway.stop(), 0)
    capture.stop()
    desk.end()
    _settled(world, table, config, clients, desk)
    outgoing, incoming = merged(*(c.messages()[1] for c in clients)), merged(*(c.messages()[0] for c in clients))
    to_desk, from_desk = desk.messages()
    legs = {
        (listen, "to", "from clients"): outgoing,
        (listen, "from", "to clients"): incoming,
        (desk_port, "to", "to the desk"): to_desk,
        (desk_port, "from", "from the desk"): from_desk,
    }
    wire_equals(table, capture, legs)


def _exported(world, name):
    path = world.directory / f"{name}.xml"
    command = [world.binary, "dialect", "--format", "quickfix", "--version", name, "--output", path]
    if subprocess.run(command, check=False, timeout=20).returncode != 0:
        raise Failure(f"gatehouse dialect does not export {name}")
    return path


def _ready(world, config):
    return any(link["state"] == "ready" for link in world.status(config)["links"])


def _forgets(client, table):
    """It expects lower numbers, asks, and is told again."""
    before = len(client.messages()[0])
    client.tell("forget", count=5)
    client.wait_answered(client.order())

    def again():
        return [m for m in client.messages()[0][before:] if m.get(43) == "Y"]

    wait_until(lambda: len(again()) >= 5, f"{client.comp_id}: it is told again", ANSWER_S, 0.05)
    asked = fixtext.of_kind(client.messages()[1], "2")
    table.equal(f"{client.comp_id}: forgets, asks once", len(asked), 1)
    originals = {m.get(34): m.get(17) for m in fixtext.of_kind(client.messages()[0][:before], "8")}
    same = all(originals.get(m.get(34), m.get(17)) == m.get(17) and m.get(122) for m in again() if m.kind == "8")
    table.true(f"{client.comp_id}: what was said is said again", same, len(again()))


def _skips(client, table):
    """Its numbers jump: it is asked, and fills the gap. It fills more than that: the order that came early is given up by its
    own word, and must not have been taken."""
    client.tell("skip", count=5)
    given_up, _ = client.order()
    wait_until(
        lambda: fixtext.of_kind(client.messages()[1], "4"), f"{client.comp_id}: it fills the gap", ANSWER_S, 0.05
    )
    early = next(m for m in client.messages()[1] if m.get(11) == given_up)
    fill = fixtext.of_kind(client.messages()[1], "4")[0]
    client.wait_answered(client.order())
    taken = any(m.get(11) == given_up for m in client.messages()[0])
    table.equal(
        f"{client.comp_id}: an order is taken where it was not given up", taken, int(fill.get(36)) <= int(early.get(34))
    )
    table.equal(f"{client.comp_id}: skips, is asked once", len(fixtext.of_kind(client.messages()[0], "2")), 1)


def _settled(world, table, config, clients, desk):
    to_desk, from_desk = desk.messages()
    told = {name.removeprefix("O-"): fate for name, fate in ledgers.by_order(from_desk).items()}
    known = {}
    for client in clients:
        incoming, outgoing = client.messages()
        known |= ledgers.by_order(incoming)
        table.equal(f"{client.comp_id}: numbers that it missed", ledgers.numbers_missing(incoming), [])
        for way, sent, received in zip(
            ("to", "from"),
            (outgoing, world.logged(config, client.comp_id)[1]),
            (world.logged(config, client.comp_id)[0], incoming),
        ):
            ledgers.same_messages(table, f"{client.comp_id}, {way} the gateway", sent, received)
        rejects = fixtext.of_kind(incoming + outgoing, "3", "j")
        table.equal(f"{client.comp_id}: rejects by it and to it", rejects, [])
    ledgers.same_orders(table, "jspurefix", known, told)
    asked = [m.get(11) for m in fixtext.of_kind(to_desk, "D")]
    table.equal("orders twice at the desk", len(asked) - len(set(asked)), 0)
    table.equal("rejects by the desk and to it", fixtext.of_kind(to_desk + from_desk, "3", "j"), [])


CASES = {"jspurefix": jspurefix_on_both_sides}
