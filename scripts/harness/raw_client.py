"""A client that can be as wrong as one likes: messages by simplefix, bytes by hand, over a plain socket."""

import socket
import time

import simplefix

import fixtext
from quickfix_engine import utc_now
from world import wait_until


class RawClient:
    """One connection."""

    def __init__(self, port, session):
        self.session = session
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.settimeout(0.05)
        self.parser = simplefix.FixParser()
        self.next_out = 1
        self.incoming = []
        self.outgoing = 0
        self.closed = False

    def build(self, kind, *fields, sequence=None, comp_id=None):
        """A message with the next number, unless one is given."""
        if sequence is None:
            sequence = self.next_out
            self.next_out += 1
        message = simplefix.FixMessage()
        message.append_pair(8, f"FIX.{self.session.version}", header=True)
        message.append_pair(35, kind, header=True)
        message.append_pair(34, sequence, header=True)
        message.append_pair(49, comp_id or self.session.comp_id, header=True)
        message.append_pair(52, utc_now(), header=True)
        message.append_pair(56, "GATEHOUSE", header=True)
        for tag, value in fields:
            message.append_pair(tag, value)
        return message.encode()

    def order(self, order_id, **wrong):
        """The fields of an order; `wrong` replaces values, as `t44="1e5"`. None leaves the field out."""
        good = {
            1: self.session.account, 11: order_id, 21: 1, 55: "SYM1", 54: 1,
            38: 100, 40: 2, 44: "10.00", 59: 0, 60: utc_now(),
        }  # fmt: skip
        good.update({int(name[1:]): value for name, value in wrong.items()})
        return [(tag, value) for tag, value in good.items() if value is not None]

    def send(self, data, messages=1):
        """Sends bytes that a dissector takes for so many messages."""
        self.outgoing += messages
        self.socket.sendall(data)

    def say(self, kind, *fields):
        """Builds and sends."""
        self.send(self.build(kind, *fields))

    def receive(self):
        """Takes in what has come."""
        try:
            while not self.closed:
                data = self.socket.recv(65536)
                if not data:
                    self.closed = True
                    break
                self.parser.append_buffer(data)
        except TimeoutError:
            pass
        except ConnectionError:
            self.closed = True
        while (message := self.parser.get_message()) is not None:
            self.incoming.append(fixtext.FixMessage(message.encode(raw=True).decode("latin-1")))

    def wait_for(self, condition, what, timeout_s=5.0):
        """The first message, from now on or before, that satisfies the condition; None when it does not come."""
        end = time.monotonic() + timeout_s
        while True:
            self.receive()
            for message in self.incoming:
                if condition(message):
                    return message
            if self.closed or time.monotonic() > end:
                return None

    def log_on(self):
        """Logs on."""
        self.say("A", (98, 0), (108, 30))
        return self.wait_for(lambda m: m.kind == "A", "logon") is not None

    def wait_closed(self, timeout_s=5.0):
        """Until the gateway has closed the connection; true where it did."""

        def gone():
            self.receive()
            return self.closed

        try:
            wait_until(gone, "closed", timeout_s)
        except Exception:  # The caller's check tells.
            return False
        return True

    def close(self):
        """Closes."""
        self.socket.close()
