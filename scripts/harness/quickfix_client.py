"""A client on the QuickFIX engine: it sends orders, replaces and cancels."""

import quickfix

import fixtext
from quickfix_engine import Engine, utc_now

# TransactTime(60) is in requests since then.
WITHOUT_TRANSACT_TIME = ("4.0", "4.1")


class Client(Engine):
    """The initiator of one session with the gateway; logged on when made."""

    def __init__(self, place, tools, port, session, **more):
        connection = {
            "ConnectionType": "initiator",
            "ReconnectInterval": "1",
            "SocketConnectHost": "127.0.0.1",
            "SocketConnectPort": port,
        }
        self.session = session
        name = f"client-{session.comp_id}"
        super().__init__(place, tools, name, session.version, session.comp_id, "GATEHOUSE", connection, more)
        self.initiator = quickfix.SocketInitiator(self, self.stores, self.configuration, self.logs)
        place.at_end.append(self.stop)
        self.initiator.start()
        self.wait_logged_on()

    def order(self, order_id, side, quantity, price, **more):
        """The fields of an order at a limit; at the market where the price is None."""
        terms = {"tag_40": 1} if price is None else {"tag_40": 2, "tag_44": price}
        return {
            "tag_11": order_id, "tag_1": self.session.account, "tag_21": 1, "tag_55": "SYM1", "tag_54": side,
            "tag_38": quantity, "tag_59": 0, **self._time(), **terms, **more,
        }  # fmt: skip

    def new(self, order_id, side, quantity, price, header=None, **more):
        """Sends an order."""
        self.send("D", header, **self.order(order_id, side, quantity, price, **more))

    def replace(self, original_id, order_id, side, quantity, price):
        """Another quantity and price."""
        self.send(
            "G", tag_41=original_id, tag_11=order_id, tag_21=1, tag_55="SYM1", tag_54=side,
            tag_38=quantity, tag_40=2, tag_44=price, **self._time(),
        )  # fmt: skip

    def cancel(self, original_id, order_id, side, quantity):
        """A cancel."""
        full = {"tag_125": "F"} if self.version == "4.0" else {}
        self.send(
            "F", tag_41=original_id, tag_11=order_id, tag_55="SYM1", tag_54=side, tag_38=quantity,
            **self._time(), **full,
        )  # fmt: skip

    def ask(self, order_id, side):
        """OrderStatusRequest."""
        self.send("H", tag_11=order_id, tag_55="SYM1", tag_54=side)

    def log_out(self):
        """Logs out and ends; true where the logout was answered."""
        answers = len(fixtext.of_kind(self.messages()[0], "5"))
        try:
            self.leave()
        finally:
            self.stop()
        return len(fixtext.of_kind(self.messages()[0], "5")) > answers

    def stop(self):
        """Ends; logs out where it is logged on."""
        self.initiator.stop()

    def _time(self):
        return {} if self.version in WITHOUT_TRANSACT_TIME else {"tag_60": utc_now()}
