"""A client of the QuickFIX engine asks for its whole day again, most of which the gateway no longer has in memory."""

import fixtext
import ledgers
from capture import Capture
from checks import merged, wire_equals
from quickfix_client import Client
from world import Config, Session, free_ports, wait_until

# With the smallest staging window, 1 MiB, the first of these are on disk only.
OLD_ORDERS = 3000
STAGING_BYTES = 1 << 20
AT_ONCE = 200


def a_whole_day_again(world, table, tools):
    """A client asks for thousands of reports again, twice, while another one trades."""
    listen, desk_port = free_ports(2)
    old, live = Session("OLD44", "4.4"), Session("LIVE44", "4.4")
    config = Config(world, listen, [desk_port], [old, live], staging_bytes=STAGING_BYTES)
    capture = Capture(world, [listen, desk_port])
    desk = world.desk(desk_port)
    gateway = world.gateway(config)
    world.wait_for_links(config)
    client, other = Client(world, tools, listen, old), Client(world, tools, listen, live)
    for n in range(OLD_ORDERS):
        client.new(f"OLD44-{n}", 1, 100, "10.00")
        if n % AT_ONCE == AT_ONCE - 1:
            client.wait_given(lambda given, n=n: len(fixtext.reports(given, "0")) > n, f"{n + 1} acknowledgements")
    originals = {int(m.get(34)): _says(m) for m in fixtext.of_kind(client.messages()[0], "8")}
    before_kib = world.resident_kib(gateway)
    asked = 0
    for start in (1, 2):
        expected, _ = client.numbers()
        seen = len(client.messages()[0])
        client.engine().setNextTargetMsgSeqNum(start)
        client.ask("OLD44-0", 1)
        asked += 1
        for n in range(AT_ONCE):
            other.new(f"LIVE44-{start}-{n}", 1, 100, "10.00")
        wait_until(lambda: client.numbers()[0] > expected, f"the gap from {start} on closes", 60.0, 0.05)
        again = [m for m in client.messages()[0][seen:] if m.get(43) == "Y" and m.kind == "8"]
        got = {int(m.get(34)): _says(m) for m in again}
        table.equal(f"from {start} on: reports again, each once", len(again), len(got))
        missing = {number: says for number, says in originals.items() if number >= start and got.get(number) != says}
        table.equal(f"from {start} on: all that was said is said again", missing, {})
    requests = fixtext.of_kind(client.messages()[1], "2")
    table.equal("it asks once per gap", [m.get(7) for m in requests], ["1", "2"][:asked])
    other.wait_given(lambda given: len(fixtext.reports(given, "0")) >= 2 * AT_ONCE, "the other's orders are answered")
    table.true("the other's orders are answered meanwhile", True, 2 * AT_ONCE)
    grown_kib = world.resident_kib(gateway) - before_kib
    table.true("memory is bounded", grown_kib < 8 * STAGING_BYTES >> 10, f"{grown_kib} KiB more")
    for each in (client, other):
        table.true(f"{each.ours} logs out", each.log_out())
        table.equal(f"{each.ours}: numbers that it missed", ledgers.numbers_missing(each.messages()[0]), [])
    table.equal("gateway ends with", gateway.stop(), 0)
    capture.stop()
    table.equal("desk ends with", desk.stop(), 0)
    incoming, outgoing = (merged(*parts) for parts in zip(client.messages(), other.messages()))
    wire_equals(table, capture, {(listen, "to", "from clients"): outgoing, (listen, "from", "to clients"): incoming})


def _says(report):
    return report.get(11), report.get(17), report.get(150), report.get(39), report.get(60)


CASES = {"old": a_whole_day_again}
