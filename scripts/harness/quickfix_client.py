"""A client on the QuickFIX engine through its Python binding: many orders, and its sequence numbers at our hand."""

import time

import quickfix

import fixtext
from quickfix_programs import settings
from world import wait_until


class Client(quickfix.Application):
    """One session. What came and went is read from QuickFIX's own log, what the application was given from `given`."""

    def __init__(self, world, tools, port, session):
        super().__init__()
        self.session = session
        self.begin_string = f"FIX.{session.version}"
        self.logged_on = False
        self.given = []
        each = {
            "BeginString": self.begin_string,
            "SenderCompID": session.comp_id,
            "TargetCompID": "GATEHOUSE",
            "DataDictionary": tools.dictionary(session.version),
        }
        common = {
            "ConnectionType": "initiator",
            "ReconnectInterval": "1",
            "SocketConnectHost": "127.0.0.1",
            "SocketConnectPort": port,
        }
        name = f"client-{session.comp_id}"
        path = settings(world, name, common, [each])
        self.log = (
            world.directory / f"{name}-store" / f"{self.begin_string}-{session.comp_id}-GATEHOUSE.messages.current.log"
        )
        self.id = quickfix.SessionID(self.begin_string, session.comp_id, "GATEHOUSE")
        self.configuration = quickfix.SessionSettings(str(path))
        self.stores = quickfix.FileStoreFactory(self.configuration)
        self.logs = quickfix.FileLogFactory(self.configuration)
        self.initiator = quickfix.SocketInitiator(self, self.stores, self.configuration, self.logs)
        self.initiator.start()
        wait_until(lambda: self.logged_on, f"{session.comp_id} logs on", 15.0)

    # The names below are QuickFIX's.
    def onCreate(self, session_id):
        """A session exists."""

    def onLogon(self, session_id):
        """The session is logged on."""
        self.logged_on = True

    def onLogout(self, session_id):
        """The session is no longer logged on."""
        self.logged_on = False

    def toAdmin(self, message, session_id):
        """An administrative message goes out."""

    def fromAdmin(self, message, session_id):
        """An administrative message came."""

    def toApp(self, message, session_id):
        """An application message goes out."""

    def fromApp(self, message, session_id):
        """An application message came, in sequence and good by the dictionary."""
        self.given.append(fixtext.FixMessage(message.toString()))

    def messages(self):
        """(incoming, outgoing), as they were on the wire."""
        logged = fixtext.LOGGED.findall(self.log.read_text(encoding="latin-1"))
        both = [fixtext.FixMessage(text) for text in logged]
        ours = self.session.comp_id
        return [m for m in both if m.get(49) != ours], [m for m in both if m.get(49) == ours]

    def engine(self):
        """QuickFIX's session."""
        return quickfix.Session.lookupSession(self.id)

    def send(self, kind, **fields):
        """Sends an application message; fields as `tag_38=100`."""
        message = quickfix.Message()
        message.getHeader().setField(quickfix.MsgType(kind))
        for name, value in fields.items():
            message.setField(int(name.removeprefix("tag_")), str(value))
        if not quickfix.Session.sendToTarget(message, self.id):
            raise RuntimeError(f"{self.session.comp_id}: not sent: {fields}")

    def new(self, order_id, side, quantity, price, **more):
        """An order at a limit; at the market where the price is None."""
        terms = {"tag_40": 1} if price is None else {"tag_40": 2, "tag_44": price}
        self.send(
            "D", tag_11=order_id, tag_1=self.session.account, tag_21=1, tag_55="SYM1", tag_54=side,
            tag_38=quantity, tag_59=0, tag_60=utc_now(), **terms, **more,
        )  # fmt: skip

    def replace(self, original_id, order_id, side, quantity, price):
        """Another quantity and price."""
        self.send(
            "G", tag_41=original_id, tag_11=order_id, tag_21=1, tag_55="SYM1", tag_54=side,
            tag_38=quantity, tag_40=2, tag_44=price, tag_60=utc_now(),
        )  # fmt: skip

    def cancel(self, original_id, order_id, side, quantity):
        """A cancel."""
        self.send(
            "F", tag_41=original_id, tag_11=order_id, tag_55="SYM1", tag_54=side, tag_38=quantity, tag_60=utc_now()
        )

    def wait_given(self, condition, what, timeout_s=15.0):
        """Until the application has been given messages that satisfy the condition."""
        wait_until(lambda: condition(list(self.given)), f"{self.session.comp_id}: {what}", timeout_s)

    def log_out(self):
        """Logs out and ends; true where the logout was answered."""
        self.engine().logout()
        try:
            wait_until(lambda: not self.logged_on, "logout", 10.0)
        finally:
            self.initiator.stop()
        return fixtext.of_kind(self.messages()[0], "5") != []


def utc_now():
    """A UTCTimestamp with milliseconds."""
    now = time.time()
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}"
