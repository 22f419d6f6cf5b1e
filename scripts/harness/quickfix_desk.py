"""A desk on the QuickFIX engine, with a book of its own that outlives the process.

What it does with an order follows from the quantity: 200 fills at once, 300 in two parts, all else rests until it is
cancelled, replaced, or filled by a word from outside. ExecIDs follow from the order, so that a desk that was killed while it
spoke says the same again. The ledger is the book; what was really said is in QuickFIX's log.
"""

import json
import typing

import quickfix

from quickfix_engine import Engine

# Quantity -> fills.
AT_ONCE = {200: [200], 300: [100, 200]}
# ExecIDs of one order.
EXECUTIONS_MAX = 100


class Order:
    """An order, or what became of it by replaces."""

    def __init__(self, number, fields):
        self.number = number
        self.root = self.id = fields["11"]
        self.fields = fields
        self.quantity = int(float(fields["38"]))
        self.executions = []
        self.status = "0"
        self.last_exec_id = number * EXECUTIONS_MAX

    @property
    def filled(self):
        """CumQty(14)"""
        return sum(quantity for quantity, _ in self.executions)

    @property
    def is_open(self):
        """Whether it may execute."""
        return self.status in ("0", "1", "5")


class Report(typing.NamedTuple):
    """What a report says of an order, as the order stood then; kind "9" is an OrderCancelReject."""

    order: Order
    kind: str
    order_id: str
    original: str = None
    executed: int = 0
    exec_id: int = 0
    status: str = ""
    quantity: int = 0
    filled: int = 0


class Book:
    """All orders, and every input in a file: read again, it makes the same book."""

    def __init__(self, path):
        self.orders = {}
        self.by_id = {}
        self.came = []
        self.told = set()
        self.unheard = []
        lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
        self.file = None
        for line in lines:
            entry = json.loads(line)
            if "told" in entry:
                self.told.add(entry["told"])
            else:
                number = len(self.came)
                self.unheard.append((number, self.take(entry)))
        self.unheard = [(number, reports) for number, reports in self.unheard if number not in self.told]
        self.file = path.open("a", encoding="ascii")

    def _write(self, entry):
        if self.file:
            self.file.write(json.dumps(entry) + "\n")
            self.file.flush()

    def mark_told(self, number):
        """All that the input of that number caused has been said."""
        self._write({"told": number})

    def take(self, entry):
        """An input; the reports that it causes."""
        self._write(entry)
        self.came.append((entry["35"], entry.get("11")))
        return getattr(self, f"_on_{entry['35']}")(entry)

    def _on_D(self, entry):
        if entry["11"] in self.by_id:
            return []
        order = Order(len(self.orders) + 1, entry)
        self.orders[order.root] = self.by_id[order.id] = order
        return [self._report(order, "0")] + [self._fill(order, part) for part in AT_ONCE.get(order.quantity, [])]

    def _on_F(self, entry):
        order = self.by_id.get(entry["41"])
        if order is None or not order.is_open:
            return [Report(order, "9", entry["11"], entry["41"])]
        order.status = "4"
        return [self._report(order, "4", entry)]

    def _on_G(self, entry):
        order = self.by_id.get(entry["41"])
        if order is None or not order.is_open:
            return [Report(order, "9", entry["11"], entry["41"])]
        order.id = entry["11"]
        self.by_id[order.id] = order
        order.quantity = int(float(entry["38"]))
        order.fields = {**order.fields, "38": entry["38"], "44": entry["44"]}
        return [self._report(order, "5", entry)]

    def _on_fill(self, entry):
        return [self._fill(self.orders[entry["11"]], entry["quantity"])]

    def _fill(self, order, quantity):
        order.executions.append((quantity, float(order.fields["44"])))
        order.status = "2" if order.filled == order.quantity else "1"
        return self._report(order, "F", executed=quantity)

    def _report(self, order, kind, request=None, executed=0):
        order.last_exec_id += 1
        status = "5" if kind == "5" and not order.executions else order.status
        return Report(
            order, kind, request["11"] if request else order.id, request and request["41"], executed,
            order.last_exec_id, status, order.quantity, order.filled,
        )  # fmt: skip


class Desk(Engine):
    """The acceptor of one link of the gateway."""

    def __init__(self, place, tools, port, version, name="DESK", **more):
        connection = {"ConnectionType": "acceptor", "SocketReuseAddress": "Y", "SocketAcceptPort": port}
        super().__init__(place, tools, f"desk-{name}", version, name, "GATEHOUSE", connection, more)
        self.book = Book(place.directory / f"desk-{name}.book")
        self.acceptor = quickfix.SocketAcceptor(self, self.stores, self.configuration, self.logs)
        place.at_end.append(self.stop)
        self.acceptor.start()

    def onLogon(self, session_id):
        super().onLogon(session_id)
        unheard, self.book.unheard = self.book.unheard, []
        for number, reports in unheard:
            self._tell(number, reports)

    def fromApp(self, message, session_id):
        super().fromApp(message, session_id)
        request = self.given[-1]
        if request.kind in ("D", "F", "G"):
            self._take({tag: request.get(tag) for tag in ("35", "11", "41", "1", "38", "40", "44", "54", "55")})

    def fill(self, root, quantity):
        """A fill of an order that rests; whether or not anybody is connected."""
        self._take({"35": "fill", "11": root, "quantity": quantity})

    def stop(self):
        """Ends; the gateway is told by a Logout."""
        self.acceptor.stop()

    def _take(self, entry):
        number = len(self.book.came)
        self._tell(number, self.book.take(entry))

    def _tell(self, number, reports):
        for report in reports:
            fields = self._cancel_reject(report) if report.kind == "9" else self._execution_report(report)
            self.keep("9" if report.kind == "9" else "8", **fields)
        self.book.mark_told(number)

    def _cancel_reject(self, report):
        order = report.order
        fields = {"tag_37": f"O{order.number}" if order else "NONE", "tag_11": report.order_id, "tag_102": 1}
        if self.version != "4.0":
            fields |= {"tag_41": report.original, "tag_39": order.status if order else 8}
        if self.version not in ("4.0", "4.1"):
            fields["tag_434"] = 1
        return fields

    def _execution_report(self, report):
        known = report.order.fields
        price = known["44"]
        fields = {
            "tag_37": f"O{report.order.number}", "tag_11": report.order_id, "tag_17": report.exec_id,
            "tag_39": report.status, "tag_55": known["55"], "tag_54": known["54"], "tag_38": report.quantity,
            "tag_44": price, "tag_14": report.filled, "tag_6": price if report.filled else 0,
        }  # fmt: skip
        if self.version in ("4.0", "4.1", "4.2"):
            fields["tag_20"] = 0
        if self.version != "4.0":
            trade = report.status if self.version in ("4.1", "4.2") else "F"
            fields["tag_150"] = trade if report.kind == "F" else report.kind
            fields["tag_151"] = 0 if report.status == "4" else report.quantity - report.filled
            if report.original:
                fields["tag_41"] = report.original
        if report.executed or self.version in ("4.0", "4.1"):
            fields |= {"tag_32": report.executed, "tag_31": price if report.executed else 0}
        return fields
