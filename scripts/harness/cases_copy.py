"""Drop copy: clients of the QuickFIX engine that receive copies of what others are told, in four versions."""

import fixtext
import ledgers
from capture import Capture
from checks import kinds, merged, wire_equals
from quickfix_client import Client
from world import Config, Session, free_ports, wait_until

ORDERS = 40
TRADERS = ("4.2", "4.4")
# No more may receive copies of one account; the last one is away at times.
RECEIVERS = ("4.0", "4.2", "4.4", "5.0SP2")
WITH_INDICATOR = ("4.4", "5.0SP2")
HEADER = ("8", "9", "10", "34", "35", "43", "49", "52", "56", "122")
MAY_NOT = "Not authorised: the session receives copies only"


def copies_of_everything(world, table, tools):
    """Copies to four sessions of other versions, one of them away at times; no receiver may order."""
    listen, desk_port = free_ports(2)
    traders = [Session(f"TRADER{version.replace('.', '')}", version) for version in TRADERS]
    accounts = [session.account for session in traders]
    receivers = [
        Session(f"COPY{version.replace('.', '')}", version, drop_copy_accounts=accounts) for version in RECEIVERS
    ]
    config = Config(world, listen, [desk_port], traders + receivers)
    capture = Capture(world, [listen, desk_port])
    desk = world.desk(desk_port)
    gateway = world.gateway(config)
    world.wait_for_links(config)
    clients = [Client(world, tools, listen, session) for session in traders]
    copies = [Client(world, tools, listen, session) for session in receivers]
    away = copies[-1]
    told = [0, 0]
    for part in range(3):
        if part == 1:
            away.leave()
        for n in range(ORDERS):
            for side, client in enumerate(clients, 1):
                # The second one crosses what the first one left.
                client.new(f"{client.ours}-{part}-{n}", side, 100, f"{10 + part}.00")
        first = clients[0]
        first.new(f"{first.ours}-{part}-R", 1, 100, "1.00")
        first.wait_given(lambda given, part=part: len(fixtext.reports(given, "0")) == (part + 1) * (ORDERS + 1), "acks")
        first.replace(f"{first.ours}-{part}-R", f"{first.ours}-{part}-R2", 1, 200, "1.01")
        first.wait_given(lambda given, part=part: len(fixtext.reports(given, "5")) > part, "it is replaced")
        first.cancel(f"{first.ours}-{part}-R2", f"{first.ours}-{part}-C", 1, 200)
        first.wait_given(lambda given, part=part: len(fixtext.reports(given, "4")) > part, "it is cancelled")
        first.cancel(f"{first.ours}-{part}-R2", f"{first.ours}-{part}-C2", 1, 200)
        first.wait_given(lambda given, part=part: len(fixtext.of_kind(given, "9")) > part, "it is too late")
        # Each order is acknowledged and filled.
        for client in clients:
            client.wait_given(
                lambda given, part=part: len(fixtext.fills(given)) == (part + 1) * ORDERS, f"{ORDERS} fills"
            )
        told = [_told(client) for client in clients]
        if part == 1:
            table.true(
                f"{away.ours} was away", len(_told(away)) < len(told[0]) + len(told[1]), f"{len(_told(away))} copies"
            )
            away.come_back()
        for copy in copies:
            wait_until(lambda copy=copy: len(_told(copy)) >= sum(map(len, told)), f"{copy.ours} has all", 20.0, 0.05)
    everything = sorted(_core(message) for message in merged(*told))
    for copy in copies:
        table.equal(f"{copy.ours}: copies, each once", sorted(_core(m) for m in _told(copy)), everything)
        marks = {m.get(797) for m in fixtext.of_kind(_told(copy), "8")}
        table.equal(f"{copy.ours}: CopyMsgIndicator", marks, {"Y" if copy.version in WITH_INDICATOR else None})
        for client in clients:
            if client.version == copy.version:
                mine = {client.session.account}
                same = [_says(m) for m in _told(copy) if m.kind == "8" and set(m.all(1)) == mine]
                table.equal(
                    f"{copy.ours} = {client.ours}, field for field",
                    same,
                    [_says(m) for m in _told(client) if m.kind == "8"],
                )
    for copy in copies:
        copy.new("MINE", 1, 100, "10.00")
        wait_until(lambda copy=copy: _refusals(copy), f"{copy.ours}: its order is refused", 10.0, 0.05)
        table.equal(f"{copy.ours}: its order is refused", [m.get(58) for m in _refusals(copy)], [MAY_NOT])
    rows = {row["name"]: row for row in world.status(config)["sessions"]}
    table.equal(
        "the status page counts the copies",
        [rows[copy.ours]["copies"] for copy in copies],
        [len(everything)] * len(copies),
    )
    for each in clients + copies:
        table.true(f"{each.ours} logs out", each.log_out())
        table.equal(f"{each.ours}: numbers that it missed", ledgers.numbers_missing(each.messages()[0]), [])
    table.equal("gateway ends with", gateway.stop(), 0)
    capture.stop()
    table.equal("desk ends with", desk.stop(), 0)
    table.equal("orders at the desk", _at_desk(world, config), len(TRADERS) * 3 * ORDERS + 3)
    incoming, outgoing = (merged(*parts) for parts in zip(*(each.messages() for each in clients + copies)))
    wire_equals(table, capture, {(listen, "to", "from clients"): outgoing, (listen, "from", "to clients"): incoming})


def _told(client):
    """Reports and cancel rejects that the application was given."""
    return fixtext.of_kind(list(client.given), "8", "9")


def _refusals(copy):
    return fixtext.of_kind(copy.messages()[0], "3", "j")


def _core(message):
    """What all versions say alike: times of 4.0 have whole seconds, and its cancel rejects none."""
    time = message.get(60)[:17] if message.kind == "8" else ""
    return message.kind, message.get(37), message.get(11), float(message.get(14, "0")), time


def _says(message):
    """All but the header and the indicator."""
    return sorted((tag, value) for tag, _, value in message.fields if tag not in HEADER and tag != "797")


def _at_desk(world, config):
    return kinds(world.logged(config, "desk-1")[1]).get("D", 0)


CASES = {"copy": copies_of_everything}
