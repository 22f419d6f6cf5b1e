"""QuickFIX's own example programs, unchanged: `executor` as a desk, `tradeclient` as a client at its menu."""

import re

import fixtext
from world import Failure, wait_until

PROMPT = re.compile(
    r"^(Action|BeginString|SenderCompID|TargetCompID|Use a TargetSubID\?|ClOrdID|OrigClOrdID|Symbol|Side|OrderQty"
    r"|OrdType|Price|TimeInForce|New price\?|New quantity\?|Send order\?|Send cancel\?|Send replace\?): ",
    re.MULTILINE,
)
# What the menu calls the versions.
VERSIONS = {"4.2": "3", "4.4": "5"}
BUY, SELL = "1", "2"
LIMIT, DAY = "2", "1"


def settings(world, name, default, sessions):
    """Writes a settings file of QuickFIX."""
    store = world.directory / f"{name}-store"
    store.mkdir(exist_ok=True)
    default = {
        "StartTime": "00:00:00",
        "EndTime": "00:00:00",
        "HeartBtInt": "10",
        "FileStorePath": store,
        "FileLogPath": store,
        "UseDataDictionary": "Y",
        **default,
    }
    text = "[DEFAULT]\n" + "".join(f"{key}={value}\n" for key, value in default.items())
    for session in sessions:
        text += "[SESSION]\n" + "".join(f"{key}={value}\n" for key, value in session.items())
    path = world.directory / f"{name}.cfg"
    path.write_text(text, encoding="ascii")
    return path


def executor(world, tools, port):
    """Starts the executor; it fills each limit order at once, and knows nothing else."""
    acceptor = {
        "BeginString": "FIX.4.4",
        "SenderCompID": "DESK",
        "TargetCompID": "GATEHOUSE",
        "SocketAcceptPort": port,
        "DataDictionary": tools.dictionary("4.4"),
    }
    path = settings(world, "executor", {"ConnectionType": "acceptor", "SocketReuseAddress": "Y"}, [acceptor])
    process = world.start("executor", tools.quickfix / "executor", path)
    process.wait_for("Type Ctrl-C to quit")
    return process


class TradeClient:
    """A person at the menu of `tradeclient`: each prompt is read before it is answered."""

    def __init__(self, world, tools, port, sessions):
        common = {
            "ConnectionType": "initiator",
            "ReconnectInterval": "1",
            "SocketConnectHost": "127.0.0.1",
            "SocketConnectPort": port,
            "TargetCompID": "GATEHOUSE",
        }
        each = [
            {
                "BeginString": f"FIX.{session.version}",
                "SenderCompID": session.comp_id,
                "DataDictionary": tools.dictionary(session.version),
            }
            for session in sessions
        ]
        path = settings(world, "tradeclient", common, each)
        self.process = world.start("tradeclient", tools.quickfix / "tradeclient", path)
        self.answered = 0
        for session in sessions:
            self.process.wait_for(f"Logon - FIX.{session.version}:{session.comp_id}->GATEHOUSE")

    def messages(self):
        """(incoming, outgoing)"""
        return fixtext.screen_log(self.process.text())

    def new(self, session, order_id, side, quantity, price):
        """Enters an order."""
        self._dialogue("1", session, {"ClOrdID": order_id, **self._terms(side, quantity, price)})

    def replace(self, session, original_id, order_id, side, quantity, price):
        """Replaces an order."""
        ids = {"OrigClOrdID": original_id, "ClOrdID": order_id}
        self._dialogue("3", session, {**ids, **self._terms(side, quantity, price)})

    def cancel(self, session, original_id, order_id, side, quantity):
        """Cancels an order."""
        ids = {"OrigClOrdID": original_id, "ClOrdID": order_id}
        self._dialogue("2", session, {**ids, **self._terms(side, quantity, 0)})

    def quit(self):
        """Leaves the menu: sessions are logged out. Its exit code."""
        self._answer("Action", "5")
        wait_until(lambda: self.process.child.poll() is not None, "tradeclient ends", 15.0)
        return self.process.stop()

    @staticmethod
    def _terms(side, quantity, price):
        return {
            "Symbol": "SYM1",
            "Side": side,
            "OrderQty": quantity,
            "OrdType": LIMIT,
            "Price": price,
            "TimeInForce": DAY,
        }

    def _dialogue(self, action, session, answers):
        answers = {
            "BeginString": VERSIONS[session.version],
            "SenderCompID": session.comp_id,
            "TargetCompID": "GATEHOUSE",
            "Use a TargetSubID?": "N",
            "New price?": "Y",
            "New quantity?": "Y",
            **answers,
        }
        self._answer("Action", action)
        # The order of the questions is the compiler's: it evaluates the arguments as it likes.
        for _ in range(30):
            prompt = self._prompt()
            if prompt.startswith("Send "):
                return self._say("Y")
            if prompt not in answers:
                raise Failure(f"tradeclient asks '{prompt}', which nobody expected")
            self._say(answers[prompt])
        raise Failure("tradeclient asks without end")

    def _prompt(self):
        """The prompt that stands unanswered."""

        def asked():
            found = PROMPT.findall(self.process.text())
            return found[self.answered] if len(found) > self.answered else None

        return wait_until(asked, f"tradeclient asks something; it said: {self.process.tail()}")

    def _answer(self, prompt, text):
        asked = self._prompt()
        if asked != prompt:
            raise Failure(f"tradeclient asks '{asked}' instead of '{prompt}'")
        self._say(text)

    def _say(self, text):
        self.answered += 1
        self.process.say(text)
