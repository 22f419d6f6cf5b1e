"""QuickFIX's engine through its Python binding: one session of any version in either role, its numbers at our hand.

What went over the wire is read from the engine's own log; what its application was given, from `given`.
"""

import time

import quickfix

import fixtext
from quickfix_programs import settings
from world import wait_until

# Seconds that a logon or logout may take: the engine looks at its timers once a second.
SESSION_S = 15.0


def begin_string(version):
    """BeginString(8) of a version as the gateway's configuration names it."""
    return "FIXT.1.1" if version.startswith("5") else f"FIX.{version}"


def utc_now():
    """A UTCTimestamp with milliseconds."""
    now = time.time()
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}"


def logged(store, version, ours, theirs):
    """(incoming, outgoing) out of the log that the engine of `ours` keeps, whether or not it lives."""
    logs = store.glob(f"{begin_string(version)}-{ours}-{theirs}.messages.*.log")
    texts = [path.read_text(encoding="latin-1") for path in sorted(logs, key=lambda path: path.stat().st_mtime_ns)]
    both = [fixtext.FixMessage(found) for text in texts for found in fixtext.LOGGED.findall(text)]
    return [m for m in both if m.get(49) != ours], [m for m in both if m.get(49) == ours]


class Engine(quickfix.Application):
    """One session between `ours` and `theirs`; `more` are settings of QuickFIX for it."""

    def __init__(self, place, tools, name, version, ours, theirs, connection, more):
        super().__init__()
        self.version = version
        self.ours = ours
        self.theirs = theirs
        self.begin_string = begin_string(version)
        self.logged_on = False
        self.given = []
        # Fields for the header of each message, and for each Logon, by tag: functions of this object.
        self.in_header = {}
        self.in_logon = {}
        each = {"BeginString": self.begin_string, "SenderCompID": ours, "TargetCompID": theirs}
        if self.begin_string == "FIXT.1.1":
            each["DefaultApplVerID"] = f"FIX.{version}"
            each["TransportDataDictionary"] = tools.dictionary("T1.1")
            each["AppDataDictionary"] = tools.dictionary(version)
        else:
            each["DataDictionary"] = tools.dictionary(version)
        self.store = place.directory / f"{name}-store"
        path = settings(place, name, connection, [{**each, **more}])
        self.id = quickfix.SessionID(self.begin_string, ours, theirs)
        self.configuration = quickfix.SessionSettings(str(path))
        self.stores = quickfix.FileStoreFactory(self.configuration)
        self.logs = quickfix.FileLogFactory(self.configuration)

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
        self._stamp(message)
        if message.getHeader().getField(35) == "A":
            for tag, value in self.in_logon.items():
                message.setField(tag, str(value(self)))

    def fromAdmin(self, message, session_id):
        """An administrative message came."""

    def toApp(self, message, session_id):
        """An application message goes out."""
        self._stamp(message)

    def fromApp(self, message, session_id):
        """An application message came, in sequence and good by the dictionary."""
        self.given.append(fixtext.FixMessage(message.toString()))

    def _stamp(self, message):
        for tag, value in self.in_header.items():
            message.getHeader().setField(tag, str(value(self)))

    def engine(self):
        """QuickFIX's session."""
        return quickfix.Session.lookupSession(self.id)

    def numbers(self):
        """(next expected, next sent)"""
        session = self.engine()
        return session.getExpectedTargetNum(), session.getExpectedSenderNum()

    def has_begun_anew(self):
        """Whether both numbers are behind a Logon with number 1; a heartbeat may have come already."""
        return all(2 <= number <= 4 for number in self.numbers())

    def messages(self):
        """(incoming, outgoing), as they were on the wire."""
        return logged(self.store, self.version, self.ours, self.theirs)

    def build(self, kind, fields, header=None):
        """A message; fields as `tag_38=100`."""
        message = quickfix.Message()
        message.getHeader().setField(quickfix.MsgType(kind))
        for tag, value in (header or {}).items():
            message.getHeader().setField(tag, str(value))
        for name, value in fields.items():
            message.setField(int(name.removeprefix("tag_")), str(value))
        return message

    def send(self, kind, header=None, **fields):
        """Sends an application message."""
        if not quickfix.Session.sendToTarget(self.build(kind, fields, header), self.id):
            raise RuntimeError(f"{self.ours}: not sent: {fields}")

    def keep(self, kind, **fields):
        """A message while nobody is connected: it takes its number and waits in the store."""
        quickfix.Session.sendToTarget(self.build(kind, fields), self.id)

    def reset_in_session(self):
        """Sends a Logon with ResetSeqNumFlag(141), and waits until both sides have begun anew."""
        fields = {"tag_98": 0, "tag_108": 10, "tag_141": "Y"}
        if self.begin_string == "FIXT.1.1":
            fields["tag_1137"] = {"5.0": 7, "5.0SP1": 8, "5.0SP2": 9}[self.version]
        answers = self._logons()
        self.engine().send(self.build("A", fields))
        wait_until(lambda: self._logons() > answers, f"{self.ours}: the reset is answered", 8.0)
        wait_until(self.has_begun_anew, f"{self.ours}: numbers start anew; they are {self.numbers()}", 8.0)

    def _logons(self):
        return len(fixtext.of_kind(self.messages()[0], "A"))

    def wait_given(self, condition, what, timeout_s=15.0):
        """Until the application has been given messages that satisfy the condition."""
        wait_until(lambda: condition(list(self.given)), f"{self.ours}: {what}", timeout_s)

    def wait_logged_on(self):
        """Until the session is logged on."""
        wait_until(lambda: self.logged_on, f"{self.ours} logs on", SESSION_S)

    def leave(self):
        """Logs out, and stays away."""
        self.engine().logout()
        wait_until(lambda: not self.logged_on, f"{self.ours} logs out", SESSION_S)

    def come_back(self):
        """After `leave` or a loss of the connection."""
        self.engine().logon()
        self.wait_logged_on()
