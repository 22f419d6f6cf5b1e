"""A day without trouble between the gateway and QuickFIX's programs and engine; and beside it, wrong messages."""

import collections
import json
import socket

import fixtext
from capture import Capture
from checks import ORDERS, merged, wire_equals
from quickfix_client import Client
from quickfix_programs import BUY, SELL, TradeClient, executor
from raw_client import RawClient
from world import Config, Session, free_ports, wait_until

# What the gateway may grow by under bad input: its buffers are bounded, but not all of their pages are touched at once.
GROWTH_KIB = 16 * 1024


def executor_as_desk(world, table, tools):
    """QuickFIX's executor, unchanged, as the desk; clients of FIX 4.4 and 4.2."""
    listen, desk_port = free_ports(2)
    sessions = [Session("EX44", "4.4"), Session("EX42", "4.2")]
    config = Config(world, listen, [desk_port], sessions)
    capture = Capture(world, [listen, desk_port])
    desk = executor(world, tools, desk_port)
    gateway = world.gateway(config)
    world.wait_for_links(config)
    clients = [Client(world, tools, listen, session) for session in sessions]
    for n in range(ORDERS):
        for client in clients:
            client.new(f"{client.session.comp_id}-{n}", 1 + n % 2, 100 * (1 + n % 7), f"{10 + n % 5}.{n % 100:02d}")
    for client in clients:
        client.wait_given(lambda given: len(fixtext.fills(given)) >= ORDERS, f"{ORDERS} fills")
        # The executor refuses market orders by a session level reject.
        client.new(f"{client.session.comp_id}-M", 1, 100, None)
        client.wait_given(lambda given: fixtext.reports(given, "8"), "the market order is rejected")
    for client in clients:
        table.true(f"{client.session.comp_id} logs out", client.log_out())
    table.equal("gateway ends with", gateway.stop(), 0)
    capture.stop()
    desk.stop()

    desk_in, desk_out = fixtext.screen_log(desk.text())
    to_desk = fixtext.of_kind(desk_in, "D")
    table.equal("orders at the desk", len(to_desk), 2 * ORDERS + 2)
    table.equal("orders at the desk, each once", len({m.get(11) for m in to_desk}), len(to_desk))
    both_in, both_out = [], []
    for client in clients:
        incoming, outgoing = client.messages()
        both_in += incoming
        both_out += outgoing
        fills = fixtext.fills(incoming)
        table.equal(
            f"{client.session.comp_id}: orders filled, each once",
            sorted(m.get(11) for m in fills),
            sorted(m.get(11) for m in fixtext.of_kind(outgoing, "D") if m.get(40) == "2"),
        )
    table.equal(
        "quantity filled: clients' = desk's",
        fixtext.filled_quantity(both_in),
        fixtext.filled_quantity(desk_out),
    )

    def terms(messages):
        return collections.Counter(
            (m.get(54), int(float(m.get(38))), m.get(40), float(m.get(44, 0)), m.get(55)) for m in messages
        )

    table.true(
        "side, quantity, type, price, symbol of each order: desk's = clients'",
        terms(to_desk) == terms(fixtext.of_kind(both_out, "D")),
    )
    for what, messages in (("desk", desk_out), ("clients", both_out)):
        # By its dictionary QuickFIX would answer a wrong message of ours by 35=3 or 35=j.
        rejects = [m for m in fixtext.of_kind(messages, "3", "j") if m.get(371) != "40"]
        table.equal(f"rejects by the {what}", rejects, [])
    wire_equals(
        table, capture,
        {
            (listen, "to", "from clients"): both_out,
            (listen, "from", "to clients"): both_in,
            (desk_port, "to", "to desk"): desk_in,
            (desk_port, "from", "from desk"): desk_out,
        },
    )  # fmt: skip


def tradeclient_as_client(world, table, tools):
    """QuickFIX's tradeclient at its menu, with a session of each version; our simulated desk behind."""
    listen, desk_port = free_ports(2)
    old, new = Session("TC42", "4.2"), Session("TC44", "4.4")
    config = Config(world, listen, [desk_port], [old, new])
    capture = Capture(world, [listen, desk_port])
    desk = world.desk(desk_port)
    gateway = world.gateway(config)
    world.wait_for_links(config)
    client = TradeClient(world, tools, listen, [old, new])

    def answered(session, order_id, what, **fields):
        def found():
            return [
                m
                for m in client.messages()[0]
                if m.get(56) == session.comp_id
                and m.get(11) == order_id
                and all(m.get(name[1:]) == value for name, value in fields.items())
            ]

        try:
            message = wait_until(found, what, 8.0)[0]
            table.true(f"{session.comp_id}: {what}", True, message)
        except Exception as problem:
            table.true(f"{session.comp_id}: {what}", False, f"{problem}; {client.messages()[0][-1:]}")

    for session in (old, new):
        name = session.comp_id
        # ExecType of a replaced order: 5 in both; PendingNew and the like are not asked for.
        client.new(session, f"{name}-1", BUY, 200, 10)
        answered(session, f"{name}-1", "order acknowledged", t35="8", t150="0", t39="0")
        client.replace(session, f"{name}-1", f"{name}-2", BUY, 300, 10.1)
        answered(session, f"{name}-2", "order replaced", t35="8", t150="5", t38="300", t41=f"{name}-1")
        client.cancel(session, f"{name}-2", f"{name}-3", BUY, 300)
        answered(session, f"{name}-3", "order cancelled", t35="8", t150="4", t39="4", t41=f"{name}-2")
        client.cancel(session, f"{name}-2", f"{name}-4", BUY, 300)
        answered(session, f"{name}-4", "cancel of a closed order refused", t35="9", t434="1")
    client.new(old, "TC42-5", BUY, 100, 10)
    answered(old, "TC42-5", "resting order acknowledged", t35="8", t150="0")
    client.new(new, "TC44-5", SELL, 100, 10)
    answered(new, "TC44-5", "trade", t35="8", t150="F", t39="2", t32="100")
    answered(old, "TC42-5", "trade", t35="8", t150="2", t39="2", t32="100", t20="0")
    table.equal("tradeclient ends with", client.quit(), 0)
    table.equal("gateway ends with", gateway.stop(), 0)
    capture.stop()
    table.equal("desk ends with", desk.stop(), 0)

    incoming, outgoing = client.messages()
    totals = json.loads(desk.ledger.read_text(encoding="ascii"))["totals"]
    table.equal("orders: desk's = client's", totals["orders"], len(fixtext.of_kind(outgoing, "D")))
    table.equal("cancels and replaces at the desk", totals["changes"], 4)
    table.equal("requests twice at the desk", totals["orders_duplicated"] + totals["changes_duplicated"], 0)
    table.equal("quantity filled: client's = desk's", fixtext.filled_quantity(incoming), totals["filled_quantity"])
    table.equal("rejects by tradeclient", fixtext.of_kind(outgoing, "3", "j"), [])
    table.equal("logouts answered", len(fixtext.of_kind(incoming, "5")), 2)
    wire_equals(
        table, capture,
        {(listen, "to", "from tradeclient"): outgoing, (listen, "from", "to tradeclient"): incoming},
    )  # fmt: skip


def engine_as_client(world, table, tools):
    """Clients on the QuickFIX engine: orders, replaces, cancels, trades, a mass cancel, and a gap that asks a resend."""
    listen, desk_port = free_ports(2)
    sessions = [Session("QF44", "4.4"), Session("QF42", "4.2")]
    config = Config(world, listen, [desk_port], sessions)
    capture = Capture(world, [listen, desk_port])
    desk = world.desk(desk_port)
    gateway = world.gateway(config)
    world.wait_for_links(config)
    clients = [Client(world, tools, listen, session) for session in sessions]
    for client, side in zip(clients, (1, 2)):
        trade(client, table, side)
    # Buys of the first at 10 and sells of the second at 20 rest; now the second sells to the first.
    crossing = clients[1]
    for n in range(10):
        crossing.new(f"{crossing.session.comp_id}-X{n}", 2, 100, "10.00")
    for client in clients:
        client.wait_given(lambda given: len(fixtext.fills(given)) >= 10, "10 trades")
    for client in clients:
        gap(client, table)
    mass_cancel(clients[0], table)
    for client in clients:
        table.true(f"{client.session.comp_id} logs out", client.log_out())
    table.equal("gateway ends with", gateway.stop(), 0)
    capture.stop()
    table.equal("desk ends with", desk.stop(), 0)

    incoming = merged(*(client.messages()[0] for client in clients))
    outgoing = merged(*(client.messages()[1] for client in clients))
    first = [m for m in incoming if m.get(43) != "Y"]
    totals = json.loads(desk.ledger.read_text(encoding="ascii"))["totals"]
    table.equal("orders: desk's = clients'", totals["orders"], len(fixtext.of_kind(outgoing, "D")))
    table.equal("requests twice at the desk", totals["orders_duplicated"] + totals["changes_duplicated"], 0)
    table.equal("quantity filled: clients' = desk's", fixtext.filled_quantity(first), totals["filled_quantity"])
    table.equal("rejects by the clients", fixtext.of_kind(outgoing, "3", "j"), [])
    wire_equals(
        table, capture,
        {(listen, "to", "from clients"): outgoing, (listen, "from", "to clients"): incoming},
    )  # fmt: skip


def trade(client, table, side):
    """A hundred orders; a fifth of them replaced, a fifth cancelled."""
    name = client.session.comp_id
    price = "10.00" if side == 1 else "20.00"
    for n in range(ORDERS):
        client.new(f"{name}-{n}", side, 100, price)
    client.wait_given(lambda given: len(fixtext.reports(given, "0")) >= ORDERS, f"{ORDERS} acknowledgements")
    for n in range(20):
        client.replace(f"{name}-{n}", f"{name}-R{n}", side, 200, price)
        client.cancel(f"{name}-{n + 20}", f"{name}-C{n}", side, 100)
    client.wait_given(lambda given: len(fixtext.reports(given, "5")) >= 20, "20 replaces")
    client.wait_given(lambda given: len(fixtext.reports(given, "4")) >= 20, "20 cancels")
    for kind, what in (("0", "acknowledged"), ("5", "replaced"), ("4", "cancelled")):
        ids = [m.get(11) for m in fixtext.reports(client.given, kind)]
        table.equal(f"{name}: {what}, each once", len(set(ids)), len(ids))


def gap(client, table):
    """The client forgets messages: the next one that comes makes it ask for them again."""
    name = client.session.comp_id
    before = len(client.given)
    expected = client.engine().getExpectedTargetNum()
    start = expected - 30
    client.engine().setNextTargetMsgSeqNum(start)
    # A cancel of nothing has an answer, whose number is too high.
    client.cancel("NEVER", f"{name}-GAP", 1, 100)
    client.wait_given(
        lambda given: any(m.kind == "9" and m.get(11) == f"{name}-GAP" for m in given[before:]), "answer behind the gap"
    )
    wait_until(lambda: client.engine().getExpectedTargetNum() > expected, f"{name}: the gap closes", 15.0)
    incoming, outgoing = client.messages()
    asked = [(m.get(7), m.get(16)) for m in fixtext.of_kind(outgoing, "2")]
    table.true(f"{name}: the gap makes it ask once", len(asked) == 1 and asked[0][0] == str(start), asked)
    again = [int(m.get(34)) for m in incoming if m.get(43) == "Y" and m.kind != "4"]
    filled = [
        number
        for m in incoming
        if m.get(43) == "Y" and m.kind == "4"
        for number in range(int(m.get(34)), int(m.get(36)))
    ]
    covered = sorted(n for n in again + filled if n < expected)
    table.equal(f"{name}: each number of the gap comes once", covered, list(range(start, expected)))
    original = {
        int(m.get(34)): (m.kind, m.get(11), m.get(17), m.get(150)) for m in incoming if m.get(43) != "Y" and m.get(11)
    }
    wanted = sorted(number for number in original if start <= number < expected)
    table.equal(f"{name}: reports of the gap again, as PossDup", sorted(n for n in again if n < expected), wanted)
    same = all(
        original[int(m.get(34))] == (m.kind, m.get(11), m.get(17), m.get(150)) and m.get(122)
        for m in incoming
        if m.get(43) == "Y" and m.kind != "4" and int(m.get(34)) in original
    )
    table.true(f"{name}: they say what they said, with OrigSendingTime", same)


def mass_cancel(client, table):
    """All that is open is cancelled by one message."""
    name = client.session.comp_id
    live = client.given
    ends = {"4", "F", "8", "C"}
    done = {m.get(37) for m in live if m.kind == "8" and m.get(39) in ("2", "4", "8", "C") and m.get(150) in ends}
    still = {m.get(37) for m in live if m.kind == "8" and m.get(150) == "0"} - done
    before = len(live)
    client.send("q", tag_11=f"{name}-Q", tag_530=7, tag_60=live[-1].get(52) or live[-1].get(60))
    client.wait_given(lambda given: fixtext.of_kind(given, "r"), "OrderMassCancelReport")
    client.wait_given(
        lambda given: len({m.get(37) for m in fixtext.reports(given[before:], "4")}) >= len(still),
        f"{len(still)} orders cancelled by the mass cancel",
    )
    cancelled = {m.get(37) for m in fixtext.reports(client.given[before:], "4")}
    table.true(f"{name}: mass cancel ends all open orders", cancelled == still and len(still) > 0, len(still))


def wrong_messages(world, table, tools):
    """Bad input by simplefix and by hand; beside it a QuickFIX client whose orders go on."""
    listen, desk_port = free_ports(2)
    good = Session("GOOD", "4.4")
    raw = Session("RAW44", "4.4")
    big, deaf = Session("BIG44", "4.4"), Session("DEAF44", "4.4")
    config = Config(world, listen, [desk_port], [good, raw, big, deaf])
    desk = world.desk(desk_port)
    gateway = world.gateway(config)
    world.wait_for_links(config)
    other = Client(world, tools, listen, good)

    strangers(table, listen, raw)
    client = RawClient(listen, raw)
    table.true("raw client logs on", client.log_on())
    answers(table, client)
    garbled(table, client)
    before_kib = world.resident_kib(gateway)
    monster(table, listen, big)
    unheard = never_reads(table, listen, deaf)
    for n in range(ORDERS):
        other.new(f"GOOD-{n}", 1, 100, "10.00")
    other.wait_given(lambda given: len(fixtext.reports(given, "0")) >= ORDERS, "others' orders go on")
    table.true("others' orders go on", True, f"{ORDERS} acknowledged")
    unheard.close()
    grown_kib = world.resident_kib(gateway) - before_kib
    table.true("memory is flat after all that", grown_kib < GROWTH_KIB, f"{grown_kib} KiB more")
    client.say("5")
    table.true("raw client logs out", client.wait_for(lambda m: m.kind == "5", "logout") is not None)
    client.close()
    table.true("GOOD logs out", other.log_out())
    table.equal("gateway ends with", gateway.stop(), 0)
    table.equal("desk ends with", desk.stop(), 0)
    totals = json.loads(desk.ledger.read_text(encoding="ascii"))["totals"]
    table.equal("orders at the desk: only the good ones", totals["orders"], ORDERS + 2)


def strangers(table, listen, raw):
    """Those who may not come in get no byte."""
    silent = socket.create_connection(("127.0.0.1", listen), timeout=5)
    for what, data in (
        ("garbage", b"GET / HTTP/1.1\r\n\r\n" * 20),
        ("first message is no logon", RawClient(listen, raw).build("0")),
        ("unknown CompID", RawClient(listen, raw).build("A", (98, 0), (108, 30), comp_id="NOBODY")),
        ("garbled logon", RawClient(listen, raw).build("A", (98, 0), (108, 30))[:-4] + b"999\x01"),
    ):
        client = RawClient(listen, raw)
        client.send(data)
        closed = client.wait_closed(6.0)
        table.true(f"closed without a byte: {what}", closed and not client.incoming, client.incoming)
        client.close()
    silent.settimeout(6.0)
    try:
        table.equal("closed after logon_timeout_s: says nothing", silent.recv(10), b"")
    except OSError as problem:
        table.true("closed after logon_timeout_s: says nothing", isinstance(problem, ConnectionError), problem)
    silent.close()


def answers(table, client):
    """Each wrong order has its answer."""
    rejects = {  # field: (MsgType of the answer, its field, value)
        "price 1e5": ({"t44": "1e5"}, "3", 371, "44"),
        "price with nine decimals": ({"t44": "1.123456789"}, "3", 371, "44"),
        "price -0": ({"t44": "-0"}, "3", 371, "44"),
        "price abc": ({"t44": "abc"}, "3", 371, "44"),
        "quantity 2^63": ({"t38": str(2**63)}, "3", 371, "38"),
        "quantity 0": ({"t38": 0}, "8", 39, "8"),
        "quantity that is no lot": ({"t38": 150}, "8", 39, "8"),
        "price that is no tick": ({"t44": "10.001"}, "8", 39, "8"),
        "price above the limit up": ({"t44": "100.01"}, "8", 39, "8"),
        "unknown account": ({"t1": "NOBODY"}, "8", 39, "8"),
        "another's account": ({"t1": "ACC-GOOD"}, "8", 39, "8"),
        "unknown symbol": ({"t55": "NOTHING"}, "8", 39, "8"),
        "side missing": ({"t54": None}, "3", 371, "54"),
        "side Z": ({"t54": "Z"}, "3", 371, "54"),
        "ClOrdID of 100 characters": ({"t11": "x" * 100}, "3", 371, "11"),
    }
    for what, (wrong, kind, tag, value) in rejects.items():
        number = client.next_out
        order_id = f"BAD-{number}"
        client.say("D", *client.order(order_id, **wrong))

        def fits(message, kind=kind, tag=tag, value=value, number=number, order_id=order_id):
            mine = message.get(45) == str(number) or message.get(11) == order_id
            return mine and message.kind == kind and message.get(tag) == value

        answer = client.wait_for(fits, what)
        table.true(f"{what}: 35={kind} with {tag}={value}", answer, answer or client.incoming[-1:])
    client.say("D", *client.order("DOUBLE"))
    table.true("an order", client.wait_for(lambda m: m.get(11) == "DOUBLE" and m.get(150) == "0", "new"))
    client.say("D", *client.order("DOUBLE"))
    table.true(
        "its ClOrdID again: refused", client.wait_for(lambda m: m.get(11) == "DOUBLE" and m.get(150) == "8", "8")
    )
    client.say("V", (262, "MD"), (263, 0), (264, 0))
    table.true("market data request: 35=j", client.wait_for(lambda m: m.kind == "j" and m.get(372) == "V", "j"))
    client.say("zz")

    def refused(message):
        return (message.kind == "3" and message.get(373) == "11") or (message.kind == "j" and message.get(372) == "zz")

    table.true("unknown MsgType: 35=3 with 373=11, or 35=j", client.wait_for(refused, "reject"), client.incoming[-1:])


def garbled(table, client):
    """Garbled messages are passed over; they take no number, and good ones behind them live."""
    number = client.next_out
    bad_sum = client.build("D", *client.order("GARBLED"), sequence=number)[:-4] + b"000\x01"
    if bad_sum.endswith(client.build("D", *client.order("GARBLED"), sequence=number)[-4:]):
        bad_sum = bad_sum[:-4] + b"001\x01"
    client.send(bad_sum + b"xx junk xx" + client.build("D", *client.order("BEHIND")))
    table.true(
        "order behind a bad checksum and junk is taken",
        client.wait_for(lambda m: m.get(11) == "BEHIND" and m.get(150) == "0", "new"),
        client.incoming[-1:],
    )
    table.true("the garbled one is not", not [m for m in client.incoming if m.get(11) == "GARBLED"])
    whole = client.build("1", (112, "PIECES"))
    for at in range(0, len(whole), 7):
        client.socket.sendall(whole[at : at + 7])
    client.outgoing += 1
    table.true(
        "test request in pieces is answered",
        client.wait_for(lambda m: m.kind == "0" and m.get(112) == "PIECES", "heartbeat"),
    )


def monster(table, listen, session):
    """A message of 100,000 tags: disconnected, or passed over like any other garbled one."""
    client = RawClient(listen, session)
    table.true(f"{session.comp_id} logs on", client.log_on())
    tags = [(9000 + n % 1000, "x") for n in range(100_000)]
    try:
        client.socket.settimeout(5)
        client.send(client.build("D", *client.order("MONSTER"), *tags, sequence=client.next_out))
        client.socket.settimeout(0.05)
        client.say("1", (112, "ALIVE"))
        answered = client.wait_for(lambda m: m.kind == "0" and m.get(112) == "ALIVE", "heartbeat")
        table.true("100,000 tags: passed over or disconnected", answered or client.closed, client.incoming[-1:])
    except ConnectionError as problem:
        table.true("100,000 tags: passed over or disconnected", True, problem)
    table.equal("100,000 tags: no order", [m for m in client.incoming if m.get(11) == "MONSTER"], [])
    client.close()


def never_reads(table, listen, session):
    """Asks and asks and reads nothing: stopped by back-pressure, or disconnected, within a bounded number of bytes."""
    client = RawClient(listen, session)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    table.true(f"{session.comp_id} logs on", client.log_on())
    client.socket.settimeout(1.0)
    sent_bytes = 0
    outcome = "neither stopped nor disconnected"
    while sent_bytes < 128 << 20:
        block = b"".join(client.build("1", (112, "x" * 200)) for _ in range(200))
        try:
            client.socket.sendall(block)
        except TimeoutError:
            outcome = "stopped"
            break
        except ConnectionError:
            outcome = "disconnected"
            break
        sent_bytes += len(block)
    table.true(
        "a client that never reads is stopped or disconnected",
        outcome in ("stopped", "disconnected"),
        f"{outcome} after {sent_bytes >> 10} KiB",
    )
    return client


CASES = {
    "executor": executor_as_desk,
    "tradeclient": tradeclient_as_client,
    "engine": engine_as_client,
    "wrong": wrong_messages,
}
