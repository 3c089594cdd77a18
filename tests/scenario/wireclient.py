"""wireclient.py - a client of the control API in pyzmq, written from cellblock-protocol(7).

It shares no code with the daemon: what both get wrong would show here.
"""
import collections
import datetime
import hashlib
import hmac
import json
import os
import time
import uuid

import zmq

DELIMITER = b"<IDS|MSG>"
# How many times slower than a busy machine this one is: an emulated one sets it.
SLOW = float(os.environ.get("CELLBLOCK_TEST_SLOW", "1"))
# Seconds that an answer may take on a busy machine.
PATIENCE = 120.0 * SLOW

Message = collections.namedtuple("Message", "type parent content buffers header metadata")


class NoAnswer(AssertionError):
    """Nothing came in the time given."""


def load_connection(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def endpoint(connection, channel):
    """ipc://IP-PORT of 'shell', 'hb' ... in a connection file."""
    port = connection[channel + "_port"]
    if connection["transport"] == "ipc":
        return "ipc://%s-%d" % (connection["ip"], port)
    return "tcp://%s:%d" % (connection["ip"], port)


class Client:
    """One DEALER on shell; close it, or use it in a with statement."""

    def __init__(self, connection, key=None):
        self.connection = connection
        self.key = (connection["key"] if key is None else key).encode()
        self.session = uuid.uuid4().hex
        self.others = {}  # came while another request was waited for: [message] by request
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.connect(endpoint(connection, "shell"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()
        self.context.term()

    def sign(self, parts):
        """The hex HMAC-SHA256 over the four dictionaries as they travel."""
        return hmac.new(self.key, b"".join(parts), hashlib.sha256).hexdigest().encode()

    def header(self, msg_type):
        return {"msg_id": uuid.uuid4().hex, "session": self.session, "username": "test",
                "date": datetime.datetime.now(datetime.timezone.utc).isoformat(),
                "msg_type": msg_type, "version": "5.3"}

    def frames(self, header, content, buffers=()):
        """A whole message: delimiter, signature, four dictionaries, buffers."""
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        return [DELIMITER, self.sign(parts)] + parts + list(buffers)

    def send_frames(self, frames):
        self.socket.send_multipart(frames)

    def send(self, verb, content=None, buffers=()):
        """Sends VERB_request and returns its message id."""
        header = self.header(verb + "_request")
        self.send_frames(self.frames(header, content or {}, buffers))
        return header["msg_id"]

    def receive(self, timeout=PATIENCE):
        """The next message, its signature checked; NoAnswer after timeout seconds."""
        if not self.socket.poll(int(max(timeout, 0) * 1000)):
            raise NoAnswer("nothing came within %.1f s" % timeout)
        frames = self.socket.recv_multipart()
        at = frames.index(DELIMITER)
        signature, parts, buffers = frames[at + 1], frames[at + 2:at + 6], frames[at + 6:]
        assert hmac.compare_digest(signature, self.sign(parts)), "wrong signature"
        header, parent, metadata, content = (json.loads(part) for part in parts)
        return Message(header["msg_type"], parent.get("msg_id"), content, buffers, header,
                       metadata)

    def wait(self, request, verb, timeout=PATIENCE):
        """The reply to a request, and the events before it: (reply, [event])."""
        events, until = [], time.monotonic() + timeout
        early = self.others.pop(request, [])
        while True:
            message = early.pop(0) if early else self.receive(until - time.monotonic())
            if message.parent != request:
                self.others.setdefault(message.parent, []).append(message)
            elif message.type == verb + "_reply":
                if early:
                    self.others[request] = early
                return message, events
            else:
                events.append(message)

    def ask(self, verb, timeout=PATIENCE, buffers=(), **content):
        """Sends a request and returns (reply, events)."""
        return self.wait(self.send(verb, content, buffers), verb, timeout)

    def call(self, verb, timeout=PATIENCE, **content):
        """The content of the reply to a request that must succeed."""
        reply, _ = self.ask(verb, timeout, **content)
        assert reply.content["status"] == "ok", reply.content
        return reply.content

    def run(self, code, timeout=PATIENCE, **content):
        """(content of run_reply, events) of a run."""
        reply, events = self.ask("run", timeout, code=code, **content)
        return reply.content, events


# A cell that begins with this goes on when let_go() says so: nothing depends on who is faster.
HOLD = ("import os as _os, time as _time\n"
        "while not _os.path.exists('/work/go'): _time.sleep(0.01)\n"
        "_os.unlink('/work/go')\n")


def let_go(client, session):
    """Lets a cell of the session go on that waits in HOLD.

    By a connection of its own: the cell's last words may come before the answer to this.
    """
    with Client(client.connection) as other:
        reply, _ = other.ask("put", buffers=(b"",), session=session, path="go", eof=True)
    assert reply.content["status"] == "ok", reply.content


def stream_text(events, name="stdout"):
    """What a run printed on one stream."""
    return "".join(event.content["text"] for event in events
                   if event.type == "stream" and event.content["name"] == name)
