"""QuickFIX's acceptance definitions: what a line of one means, and how a received message is compared with an expected one.

The rules are those of the definitions' own reflector: `I` sends a message, `E` expects one, `i` connects or disconnects,
`e` expects a disconnection; a digit and a comma behind the letter name one of several connections. BodyLength(9) and CheckSum(10)
are added where they are missing, `<TIME>` is the time now. An expected message is compared field by field in order.
"""

import datetime
import re
import socket

SOH = b"\x01"


class Difference(Exception):
    """The peer did not do what the definition expects."""


class Line:
    """One line of a definition that does something."""

    def __init__(self, number, kind, connection, text):
        self.number = number
        self.kind = kind
        self.connection = connection
        self.text = text


def parse(data):
    """The lines of a definition."""
    lines = []
    for number, text in enumerate(data.split(b"\n"), 1):
        text = text.rstrip(b"\r")
        kind = chr(text[0]) if text else "#"
        if kind == "#" or not text.strip():
            continue
        numbered = re.match(rb"[IEie](\d),", text)
        connection = int(numbered.group(1)) if numbered else 1
        body = text[numbered.end():] if numbered else text[1:]
        known = kind in "IE" or (kind == "i" and body in (b"CONNECT", b"DISCONNECT")) or (kind == "e" and body == b"DISCONNECT")
        if not known:
            raise ValueError(f"line {number} means nothing: {show(text)}")
        lines.append(Line(number, kind, connection, body))
    return lines


def waits(lines):
    """Whether a definition waits for heartbeats, so that it should be begun early."""
    return any(line.kind == "I" and re.search(rb"\x01108=[1-9]\x01", line.text) for line in lines) and any(
        line.kind == "E" and b"\x0135=1\x01" in line.text or b"\x0135=0\x01" in line.text for line in lines
    )


def message(text):
    """The bytes of an `I` or `E` line."""
    return with_length_and_checksum(with_time(text))


def with_time(text):
    """`<TIME>`, `<TIME+n>` and `<TIME-n>` replaced; n in seconds."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def replace(found):
        moved = now + datetime.timedelta(seconds=int(found.group(1) or 0))
        return moved.strftime("%Y%m%d-%H:%M:%S").encode()

    return re.sub(rb"<TIME([+-]\d+)?>", replace, text)


def with_length_and_checksum(text):
    """9 behind 8 and 10 at the end, each where there is none. What does not begin with 8 stays as it is.

    As in the reflector, a message that has a CheckSum of its own and no BodyLength gets one that is a byte short: such
    messages are meant to be wrong.
    """
    begin = re.match(rb"8=[^\x01]*\x01", text)
    if not begin:
        return text
    has_length = re.search(rb"\x019=[^\x01]*\x01", text)
    head, body = begin.group(), text[begin.end():]
    checksum = re.search(rb"\x0110=.*\x01$", body)
    if checksum:
        body = body[: checksum.start()]
    length = b"" if has_length else b"9=%d\x01" % len(body)
    whole = head + length + body
    return whole + (checksum.group() if checksum else b"10=%03d\x01" % (sum(whole) % 256))


def patterns(data):
    """The fields that are compared with a pattern instead of a value, by tag."""
    found = {}
    for line in data.splitlines():
        tag, _, pattern = line.partition(b"=")
        if pattern:
            found[tag] = re.compile(pattern)
    return found


def compare(expected, received, by_pattern):
    """Raises what differs first; a wrong length last, since what makes it wrong tells more."""
    left, right = (fields(text) for text in (expected, received))
    found = []
    for (tag, value), (got_tag, got) in zip(left, right):
        if tag != got_tag:
            found.append(f"expected field {show(tag)}, got {show(got_tag)}")
            break
        pattern = by_pattern.get(tag)
        if pattern and not pattern.search(got):
            found.append(f"field {show(tag)} is {show(got)!r}, not of the pattern {show(pattern.pattern)}")
        if not pattern and value != got:
            found.append(f"field {show(tag)}: expected {show(value)!r}, got {show(got)!r}")
    if len(left) != len(right):
        found.append(f"expected {len(left)} fields, got {len(right)}")
    if found:
        raise Difference(min(found, key=lambda text: text.startswith("field 9:")))


def fields(text):
    """Tags and values, in order. The reflector looks at a value only up to a second equals sign."""
    return [tuple((field.split(b"=") + [b""])[:2]) for field in text.rstrip(SOH).split(SOH)]


def show(data):
    """Bytes for people."""
    return data.replace(SOH, b"|").decode("latin-1")


class Connection:
    """One connection to the program that is tried."""

    def __init__(self, port, timeout_s):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def close(self):
        """Ends it."""
        self.socket.close()

    def send(self, data):
        """Sends all of it."""
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Difference(f"cannot send: {error}") from error

    def fill(self):
        """Waits for more; false at the end."""
        try:
            more = self.socket.recv(65536)
        except TimeoutError as error:
            raise Difference(f"nothing came in {self.socket.gettimeout()} s") from error
        except ConnectionResetError:
            return False
        self.received += more
        return bool(more)

    def next_message(self):
        """One message, whose length and checksum are right."""
        while not (head := re.match(rb"8=[^\x01]*\x019=(\d+)\x01", self.received)):
            if len(self.received) > 40:
                raise Difference(f"got what is no message: {show(self.received[:80])}")
            if not self.fill():
                raise Difference("was disconnected")
        end = head.end() + int(head.group(1)) + len(b"10=000\x01")
        while len(self.received) < end:
            if not self.fill():
                raise Difference(f"was disconnected in the middle of {show(self.received)}")
        whole, self.received = self.received[:end], self.received[end:]
        if whole[-7:] != b"10=%03d\x01" % (sum(whole[:-7]) % 256):
            raise Difference(f"got a wrong length or checksum: {show(whole)}")
        return whole

    def expect_end(self):
        """The peer ends the connection, and sends nothing more before."""
        if self.received or self.fill():
            raise Difference(f"expected a disconnection, got {show(self.received)}")


class Run:
    """One definition against one program."""

    def __init__(self, lines, by_pattern, timeout_s):
        self.lines = lines
        self.by_pattern = by_pattern
        self.timeout_s = timeout_s
        self.connections = {}

    def play(self, port):
        """Raises the first difference."""
        try:
            for line in self.lines:
                try:
                    self.step(line, port)
                except Difference as difference:
                    raise Difference(f"line {line.number}: {difference}") from None
        finally:
            for connection in self.connections.values():
                connection.close()

    def step(self, line, port):
        """One line."""
        if line.text == b"CONNECT":
            self.connections[line.connection] = Connection(port, self.timeout_s)
            return
        connection = self.connections.get(line.connection)
        if not connection:
            raise Difference("there is no connection")
        if line.kind == "I":
            connection.send(message(line.text))
        elif line.kind == "i":
            self.connections.pop(line.connection).close()
        elif line.kind == "e":
            connection.expect_end()
        else:
            self.expect(connection, message(line.text))

    def expect(self, connection, expected):
        """The next message is this one."""
        wanted = f"\n      expected {show(expected)}"
        try:
            received = connection.next_message()
        except Difference as difference:
            raise Difference(f"{difference}{wanted}") from None
        try:
            compare(expected, received, self.by_pattern)
        except Difference as difference:
            raise Difference(f"{difference}{wanted}\n      received {show(received)}") from None
