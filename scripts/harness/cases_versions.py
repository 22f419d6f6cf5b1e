"""QuickFIX's engine on both sides of the gateway, a client and a desk of each version: whatever may happen to a session
happens to both, and afterwards client, gateway and desk have the same ledger."""

import concurrent.futures
import json

import fixtext
import ledgers
from capture import Capture
from checks import merged, wire_equals
from quickfix_client import Client
from quickfix_desk import Desk
from quickfix_engine import SESSION_S
from world import VERSIONS, Config, Failure, LinkedDesk, Session, free_ports, wait_until

# ResetSeqNumFlag(141), LastMsgSeqNumProcessed(369), fractions of a second are not in all of them.
WITHOUT_RESET = ("4.0",)
WITH_LAST_PROCESSED = VERSIONS[2:]
WITH_MICROSECONDS = ("4.4", "5.0SP2")
TOO_LOW = "MsgSeqNum too low"


class Pair:
    """A client, the desk that has its book, and what both speak."""

    def __init__(self, world, config, client, desk):
        self.world = world
        self.config = config
        self.client = client
        self.desk = desk
        self.version = client.version
        self.name = client.session.comp_id
        self.link = f"{client.session.desk}-1"
        self.made = 0

    @property
    def renewed(self):
        """Whether numbers start anew with each logon."""
        return "reset_on_logon" in self.client.session.settings

    def order(self, quantity=100, header=None):
        """Sends an order; its ClOrdID."""
        order_id = self._next()
        self.client.new(order_id, 1 + self.made % 2, quantity, self._price(), header)
        return order_id

    def kept_order(self, quantity):
        """The same while the client is away: it waits in its store."""
        order_id = self._next()
        self.client.keep("D", **self.client.order(order_id, 1 + self.made % 2, quantity, self._price()))
        return order_id

    def _next(self):
        self.made += 1
        return f"{self.name}-{self.made}"

    def _price(self):
        return f"{10 + self.made // 100}.{self.made % 100:02d}"

    def told(self, order_id, *kinds):
        """Reports of an order that the client's application was given."""
        return [m for m in fixtext.reports(self.client.given, *kinds) if m.get(11) == order_id]

    def wait_told(self, order_id, *kinds, count=1, timeout_s=SESSION_S):
        """Until the client has been told so."""
        what = f"{self.name}: {order_id} is told {kinds}"
        return wait_until(lambda: self.told(order_id, *kinds)[count - 1 :], what, timeout_s)[0]

    def rest(self):
        """An order that rests: (ClOrdID at the client, name at the desk)."""
        order_id = self.order()
        return order_id, self.wait_told(order_id, "0").get(37)

    def link_row(self):
        """The link's row of the status page."""
        return next(row for row in self.world.status(self.config)["links"] if row["name"] == self.link)

    def wait_link(self):
        """Until the desk is logged on and the gateway sends it orders."""
        self.desk.wait_logged_on()
        wait_until(lambda: self.link_row()["state"] == "ready", f"{self.link} is ready", SESSION_S, 0.05)


def orders(pair, table):
    """Orders that rest, fill and fill in parts; replaces and cancels."""
    ids = [pair.order(quantity) for quantity in (100, 200, 300) * 8]
    for order_id, fills in zip(ids, (0, 1, 2) * 8):
        pair.wait_told(order_id, "0")
        if fills:
            pair.wait_told(order_id, "F", "1", "2", count=fills)
    for n, order_id in enumerate(ids[0:12:3]):
        original = pair.told(order_id, "0")[0]
        terms = int(original.get(54)), original.get(44)
        if n % 2:
            pair.client.cancel(order_id, f"{order_id}-C", terms[0], 100)
            pair.wait_told(f"{order_id}-C", "4")
        else:
            pair.client.replace(order_id, f"{order_id}-R", terms[0], 500, terms[1])
            pair.wait_told(f"{order_id}-R", "5")
    before = len(fixtext.of_kind(pair.client.given, "9"))
    pair.client.cancel(ids[1], f"{ids[1]}-C", int(pair.told(ids[1], "0")[0].get(54)), 200)
    pair.client.wait_given(
        lambda given: len(fixtext.of_kind(given, "9")) > before, "a cancel of what is filled is refused"
    )
    table.true(f"{pair.name}: orders, replaces, cancels", True, len(ids))


def poss_resend(pair, table):
    """PossResend: an order that is known is told as it stands, and not taken twice; one that is not known is taken."""
    order_id, _ = pair.rest()
    known = pair.told(order_id, "0")[0]
    pair.client.new(order_id, int(known.get(54)), 100, known.get(44), {97: "Y"})
    new_id = pair.order(100, {97: "Y"})
    pair.wait_told(new_id, "0")
    at_desk = [came for kind, came in pair.desk.book.came if kind == "D"]
    table.equal(f"{pair.name}: PossResend, at the desk once", at_desk.count(known.get(37)), 1)
    again = [m for m in fixtext.of_kind(pair.client.given, "8") if m.get(11) == order_id][1:]
    table.equal(
        f"{pair.name}: PossResend, told as it stands", [(fixtext.exec_type(m), m.get(39)) for m in again], [("I", "0")]
    )


def client_is_away(pair, table):
    """While the client is away its order is filled, and it writes another: each side asks the other for what it missed."""
    order_id, at_desk = pair.rest()
    before = pair.client.numbers()
    pair.client.leave()
    pair.desk.fill(at_desk, 100)
    kept = pair.kept_order(200)
    pair.client.come_back()
    pair.wait_told(order_id, "F", "1", "2")
    pair.wait_told(kept, "F", "1", "2")
    after = pair.client.numbers()
    table.true(f"{pair.name}: away and back, numbers go on", after > before, f"{before} to {after}")
    incoming, outgoing = pair.client.messages()
    again = [m for m in incoming if m.get(43) == "Y" and m.get(11) == order_id]
    table.equal(f"{pair.name}: the fill comes by a resend", len(again), 1)
    again = [m for m in outgoing if m.get(43) == "Y" and m.get(11) == kept]
    table.equal(f"{pair.name}: the order comes by a resend", len(again), 1)


def desk_is_away(pair, table):
    """While the desk is away it fills; orders are refused, not kept; back again, its report comes by a resend."""
    order_id, at_desk = pair.rest()
    before = pair.desk.numbers()
    pair.desk.leave()
    pair.desk.fill(at_desk, 100)
    refused = pair.order()
    pair.wait_told(refused, "8")
    pair.desk.come_back()
    pair.wait_link()
    pair.wait_told(order_id, "F", "1", "2")
    after = pair.desk.numbers()
    table.true(f"{pair.name}: desk away and back, numbers go on", after > before, f"{before} to {after}")
    again = [m for m in pair.desk.messages()[1] if m.get(43) == "Y" and m.get(11) == at_desk]
    table.equal(f"{pair.name}: the desk's fill comes by a resend", len(again), 1)
    pair.wait_told(pair.order(200), "F", "1", "2")


def client_forgets(pair, table):
    """The client expects a lower number: it asks, and is told again."""
    expected, _ = pair.client.numbers()
    start = expected - 15
    before = len(fixtext.of_kind(pair.client.messages()[1], "2"))
    pair.client.engine().setNextTargetMsgSeqNum(start)
    pair.order()
    wait_until(lambda: pair.client.numbers()[0] > expected, f"{pair.name}: the gap closes", SESSION_S)
    incoming, outgoing = pair.client.messages()
    asked = [m.get(7) for m in fixtext.of_kind(outgoing, "2")[before:]]
    table.equal(f"{pair.name}: forgets, asks once", asked, [str(start)])
    covered = sorted(
        number
        for m in incoming
        if m.get(43) == "Y"
        for number in range(int(m.get(34)), int(m.get(36)) if m.kind == "4" else int(m.get(34)) + 1)
        if start <= number < expected
    )
    table.true(f"{pair.name}: forgets, is told all again", set(range(start, expected)) <= set(covered), covered)


def client_is_ahead(pair, table):
    """The client expects a number that is yet to come: it hangs up, and comes back when it knows better."""
    expected, _ = pair.client.numbers()
    pair.client.engine().setNextTargetMsgSeqNum(expected + 5)
    order_id = pair.order()
    wait_until(lambda: not pair.client.logged_on, f"{pair.name} hangs up", SESSION_S)
    pair.client.engine().setNextTargetMsgSeqNum(expected)
    pair.client.come_back()
    pair.wait_told(order_id, "0")
    text = [m.get(58) for m in fixtext.of_kind(pair.client.messages()[1], "5")][-1]
    table.true(f"{pair.name}: expects too much, hangs up, comes back", TOO_LOW in str(text), text)


def client_skips(pair, table):
    """The client's numbers jump: the gateway asks once, and takes what came early in order."""
    _, number = pair.client.numbers()
    before = len(fixtext.of_kind(pair.client.messages()[0], "2"))
    pair.client.engine().setNextSenderMsgSeqNum(number + 10)
    ids = [pair.order() for _ in range(3)]
    for order_id in ids:
        pair.wait_told(order_id, "0")
    asked = [m.get(7) for m in fixtext.of_kind(pair.client.messages()[0], "2")[before:]]
    table.equal(f"{pair.name}: skips numbers, is asked once", asked, [str(number)])
    told = [m.get(11) for m in fixtext.reports(pair.client.given, "0") if m.get(11) in ids]
    table.equal(f"{pair.name}: what came early is taken in order, once", told, ids)


def client_repeats(pair, table):
    """The client's numbers fall back: the gateway hangs up and says why; with the right ones it may come again."""
    _, number = pair.client.numbers()
    session = pair.client.engine()
    session.setNextSenderMsgSeqNum(number - 3)
    session.send(pair.client.build("1", {"tag_112": "LOW"}))
    wait_until(lambda: not pair.client.logged_on, f"{pair.name} is hung up on", SESSION_S)
    session.setNextSenderMsgSeqNum(number + 3)
    pair.client.come_back()
    pair.wait_told(pair.order(), "0")
    text = [m.get(58) for m in fixtext.of_kind(pair.client.messages()[0], "5") if TOO_LOW in m.get(58, "")]
    table.true(f"{pair.name}: a low number is told and ends the session", text, text)


def desk_forgets(pair, table):
    """The desk expects lower numbers and asks: orders are never sent again, so the one that came early is in doubt until
    the desk speaks of it."""
    expected, _ = pair.desk.numbers()
    start = expected - 10
    pair.desk.engine().setNextTargetMsgSeqNum(start)
    order_id = pair.order()
    wait_until(lambda: pair.desk.numbers()[0] > expected, f"{pair.name}: the desk's gap closes", SESSION_S)
    incoming, outgoing = pair.desk.messages()
    asked = [m.get(7) for m in fixtext.of_kind(outgoing, "2")]
    table.true(f"{pair.name}: desk forgets, asks", str(start) in asked, asked)
    again = [m for m in fixtext.of_kind(incoming, "D", "F", "G") if m.get(43) == "Y"]
    table.equal(f"{pair.name}: no order goes to a desk twice", again, [])
    side = 1 + pair.made % 2
    wait_until(
        lambda: pair.link_row()["in_doubt"] == 1, f"{pair.link}: one in doubt, on the status page", SESSION_S, 0.05
    )
    pair.client.ask(order_id, side)
    shown = pair.wait_told(order_id, "I")
    table.true(f"{pair.name}: shown in doubt to who asks", "doubt" in shown.get(58, ""), shown)
    pair.client.cancel(order_id, f"{order_id}-C", side, 100)
    pair.client.wait_given(
        lambda given: any(m.get(11) == f"{order_id}-C" for m in fixtext.of_kind(given, "9")),
        "the desk knows no such order",
    )
    # That a desk knows no such order may still be said too early.
    table.equal(f"{pair.link}: the doubt stays shown", pair.link_row()["in_doubt"], 1)


def desk_skips(pair, table):
    """The desk's numbers jump: the gateway asks once; reports that came early are taken in order."""
    _, number = pair.desk.numbers()
    before = len(fixtext.of_kind(pair.desk.messages()[0], "2"))
    pair.desk.engine().setNextSenderMsgSeqNum(number + 10)
    # Three reports; while some are missing, other orders would be refused.
    order_id = pair.order(300)
    pair.wait_told(order_id, "F", "1", "2", count=2)
    asked = [m.get(7) for m in fixtext.of_kind(pair.desk.messages()[0], "2")[before:]]
    pair.wait_link()
    table.equal(f"{pair.name}: desk skips numbers, is asked once", asked, [str(number)])


def desk_repeats(pair, table):
    """The desk's numbers fall back: the gateway hangs up and says why; with the right ones it goes on."""
    _, number = pair.desk.numbers()
    session = pair.desk.engine()
    session.setNextSenderMsgSeqNum(number - 3)
    session.send(pair.desk.build("1", {"tag_112": "LOW"}))
    wait_until(lambda: not pair.desk.logged_on, f"{pair.name}'s desk is hung up on", SESSION_S)
    session.setNextSenderMsgSeqNum(number + 3)
    pair.wait_link()
    pair.wait_told(pair.order(200), "F", "1", "2")
    text = [m.get(58) for m in fixtext.of_kind(pair.desk.messages()[0], "5") if TOO_LOW in m.get(58, "")]
    table.true(f"{pair.name}: a desk's low number is told and ends the session", text, text)


def resets(pair, table):
    """Numbers start anew: by the client, at a logon and in the session; by operators of both parties."""
    client, desk = pair.client, pair.desk
    if pair.version not in WITHOUT_RESET:
        client.leave()
        client.engine().setResetOnLogon(True)
        client.come_back()
        client.engine().setResetOnLogon(False)
        table.true(f"{pair.name}: reset at logon", client.has_begun_anew(), client.numbers())
        pair.wait_told(pair.order(), "0")
        client.reset_in_session()
        pair.wait_told(pair.order(), "0")
    for engine, what, name in ((client, "session", pair.name), (desk, "link", pair.link)):
        engine.leave()
        wait_until(lambda: _reset_by_operator(pair, what, name), f"{name} is reset", SESSION_S, 0.1)
        engine.engine().reset()
        engine.come_back()
        wait_until(engine.has_begun_anew, f"{name}: {engine.numbers()} after an operator's reset", SESSION_S)
    pair.wait_link()
    pair.wait_told(pair.order(200), "F", "1", "2")
    client.leave()
    client.come_back()
    table.true(f"{pair.name}: numbers go on after resets", min(client.numbers()) > 3, client.numbers())


def _reset_by_operator(pair, what, name):
    try:
        return pair.world.ctl(pair.config, what, "reset", name)["ok"]
    except Failure:  # It is still on its way out.
        return False


def renewals(pair, table):
    """Where it is configured, numbers start anew with each logon, whoever was away."""
    for engine, what in ((pair.client, "session"), (pair.desk, "link")):
        engine.leave()
        engine.come_back()
        wait_until(engine.has_begun_anew, f"{pair.name}: {what} stands at {engine.numbers()}", SESSION_S)
        pair.wait_link()
        pair.wait_told(pair.order(200), "F", "1", "2")
        logons = [m.get(141) for m in fixtext.of_kind(merged(*engine.messages()), "A")]
        table.true(f"{pair.name}: {what} renewed by each logon", set(logons) == {"Y"} and len(logons) >= 4, logons)


EVENTS = (
    orders, poss_resend, client_is_away, desk_is_away, client_forgets, client_is_ahead, client_skips, client_repeats,
    desk_forgets, desk_skips, desk_repeats, resets, orders,
)  # fmt: skip


RENEWED_EVENTS = (orders, renewals, poss_resend, renewals, orders)


def happen(pair, table):
    """All events, until one does not come to its end."""
    for event in RENEWED_EVENTS if pair.renewed else EVENTS:
        try:
            event(pair, table)
        except (Failure, RuntimeError) as problem:
            table.true(f"{pair.name}: {event.__name__} comes to its end", False, problem)
            return
    try:
        table.true(f"{pair.name} logs out", pair.client.log_out())
    except Failure as problem:
        table.true(f"{pair.name} logs out", False, problem)


def engines_on_both_sides(world, table, tools):
    """A client and a desk on the QuickFIX engine in every version, with gaps, losses and resets on both sides."""
    listen, *ports = free_ports(2 + len(VERSIONS))
    config, pairs = _world(world, tools, listen, ports)
    capture = Capture(world, [listen, *ports])
    gateway = world.gateway(config)
    made = []
    for session, desk in pairs:
        desk.wait_logged_on()
    world.wait_for_links(config, len(pairs))
    for session, desk in pairs:
        more = {"ResetOnLogon": "Y"} if session.settings else _precision(session.version)
        client = Client(world, tools, listen, session, **more)
        if session.version in WITH_LAST_PROCESSED:
            client.in_header[369] = lambda engine: engine.numbers()[0] - 1
        made.append(Pair(world, config, client, desk))
    parts = [table.part() for _ in made]
    with concurrent.futures.ThreadPoolExecutor(len(made)) as threads:
        for done in [threads.submit(happen, pair, part) for pair, part in zip(made, parts)]:
            done.result()
    for part in parts:
        table.take(part)
    table.equal("gateway ends with", gateway.stop(), 0)
    capture.stop()
    for pair in made:
        pair.desk.stop()
        settled(world, table, pair)
    from_clients, to_clients = (
        merged(*(p.client.messages()[1] for p in made)),
        merged(*(p.client.messages()[0] for p in made)),
    )
    legs = {(listen, "to", "from clients"): from_clients, (listen, "from", "to clients"): to_clients}
    for port, pair in zip(ports, made):
        to_desk, from_desk = pair.desk.messages()
        legs[(port, "to", f"to the desk of {pair.name}")] = to_desk
        legs[(port, "from", f"from the desk of {pair.name}")] = from_desk
    # Who hangs up does not read the answer to his Logout.
    wire_equals(table, capture, legs, unread=("5",))


def _world(world, tools, listen, ports):
    """One desk and one client of each version, each client's account with the desk of its version; and one pair more, whose
    numbers start anew with each logon."""
    desks, sessions, pairs = [], [], []
    for version, port, more in zip((*VERSIONS, "4.4"), ports, ({},) * len(VERSIONS) + ({"reset_on_logon": True},)):
        short = version.replace(".", "") + ("R" if more else "")
        desks.append(LinkedDesk(f"desk{short}", [port], f"DESK{short}", fix_version=version, **more))
        sessions.append(Session(f"C{short}", version, f"desk{short}", **more))
        precision = {} if more else _precision(version)
        pairs.append((sessions[-1], Desk(world, tools, port, version, f"DESK{short}", **precision)))
    return Config(world, listen, desks, sessions, staging_bytes=1 << 20), pairs


def _precision(version):
    return {"TimestampPrecision": "6"} if version in WITH_MICROSECONDS else {}


def settled(world, table, pair):
    """Client, gateway and desk have the same ledger."""
    to_client, from_client = pair.client.messages()
    to_desk, from_desk = pair.desk.messages()
    name = pair.name
    ledgers.same_orders(table, name, ledgers.by_order(to_client), ledgers.of_book(pair.desk.book))
    for what, messages in (("client", to_client), ("desk", to_desk)):
        table.equal(f"{name}: numbers that the {what} missed", ledgers.numbers_missing(messages), [])
    asked = [came for kind, came in pair.desk.book.came if kind in ("D", "F", "G")]
    table.equal(f"{name}: requests twice at the desk", len(asked) - len(set(asked)), 0)
    for what, messages in (("client", from_client), ("desk", from_desk), ("gateway", to_client + to_desk)):
        table.equal(f"{name}: rejects by the {what}", fixtext.of_kind(messages, "3", "j"), [])
    if pair.version in WITH_MICROSECONDS and not pair.renewed:
        digits = {len(m.get(52).partition(".")[2]) for m in from_client + from_desk}
        table.equal(f"{name}: QuickFIX wrote microseconds", digits, {6})
    for what, log, incoming, outgoing in (
        (f"{name}, session", pair.name, from_client, to_client),
        (f"{name}, link", pair.link, from_desk, to_desk),
    ):
        taken, sent = world.logged(pair.config, log)
        ledgers.same_messages(table, f"{what}, to the gateway", incoming, taken)
        ledgers.same_messages(table, f"{what}, from the gateway", sent, outgoing)


CASES = {"versions": engines_on_both_sides}
