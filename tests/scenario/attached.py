"""attached.py - Jupyter clients of a session that nobody here wrote, and one raw one.

  attach(house, name)    jupyter_client's BlockingKernelClient, ready
  Raw                    five plain sockets with a routing id of one's choosing (pyzmq and
                         jupyter_client's Session), for what no decent client does
  dial(house, channel)   a bare connection, for bytes that no library would send
"""
import os
import queue
import socket
import struct
import time
import uuid

import zmq
from jupyter_client import BlockingKernelClient
from jupyter_client.session import Session

from wireclient import endpoint, load_connection

# Seconds that an answer may take on a busy machine.
SECONDS = 120


def connection_file(house, name="amber"):
    return os.path.join(house.runtime_dir, "sessions", name + ".json")


def attach(house, name="amber"):
    client = BlockingKernelClient()
    client.load_connection_file(connection_file(house, name))
    client.start_channels()
    until = time.monotonic() + SECONDS
    while True:
        try:
            client.wait_for_ready(timeout=SECONDS)
            break
        except RuntimeError:  # it takes a heartbeat that is late by a second for a death
            if time.monotonic() > until:
                raise
    # It asked until it was answered: what is still to come of that comes before this.
    reply_to(client, client.kernel_info())
    return client


def reply_to(client, msg_id, timeout=SECONDS):
    """The content of the reply on shell to this request; others are skipped."""
    until = time.monotonic() + timeout
    while True:
        message = client.get_shell_msg(timeout=max(until - time.monotonic(), 0.01))
        if message["parent_header"].get("msg_id") == msg_id:
            return message["content"]


def replies_to(client, msg_ids, timeout=SECONDS):
    """The same for several, in whichever order they come."""
    got, until = {}, time.monotonic() + timeout
    while len(got) < len(msg_ids):
        message = client.get_shell_msg(timeout=max(until - time.monotonic(), 0.01))
        if message["parent_header"].get("msg_id") in msg_ids:
            got[message["parent_header"]["msg_id"]] = message["content"]
    return got


def iopub_until_idle(client, msg_id, timeout=SECONDS):
    """Everything that came on iopub for a request up to its idle; what came for others is not
    kept."""
    got, until = [], time.monotonic() + timeout
    while True:
        message = client.get_iopub_msg(timeout=max(until - time.monotonic(), 0.01))
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        got.append((message["msg_type"], message["content"]))
        if got[-1] == ("status", {"execution_state": "idle"}):
            return got


def iopub_until(client, true, timeout=SECONDS):
    """Whole messages of iopub, for whomever, up to the first for which true(message) is."""
    got, until = [], time.monotonic() + timeout
    while True:
        got.append(client.get_iopub_msg(timeout=max(until - time.monotonic(), 0.01)))
        if true(got[-1]):
            return got


def is_idle_of(msg_id):
    """For iopub_until: whether a message ends what belongs to this request."""
    return lambda message: (message["parent_header"].get("msg_id") == msg_id and
                            message["content"].get("execution_state") == "idle")


def is_begun(msg_id):
    """For iopub_until: whether the kernel works on this request."""
    return lambda message: (message["parent_header"].get("msg_id") == msg_id and
                            message["msg_type"] == "execute_input")


def is_idle(message):
    """For iopub_until: whether something has ended."""
    return message["content"].get("execution_state") == "idle"


def settle(*clients):
    """Everything that was published before has come to each of them, and is thrown away."""
    msg_id = clients[0].execute("pass", silent=True)
    reply_to(clients[0], msg_id)
    for client in clients:
        iopub_until(client, is_idle_of(msg_id))


def run(client, code, timeout=SECONDS, **more):
    """(content of execute_reply, [(type, content)] of iopub)."""
    msg_id = client.execute(code, **more)
    reply = reply_to(client, msg_id, timeout)
    return reply, iopub_until_idle(client, msg_id, timeout)


def text_of(messages, name="stdout"):
    return "".join(content["text"] for kind, content in messages
                   if kind == "stream" and content["name"] == name)


def everything(client, timeout=0.3):
    """What waits on iopub."""
    got = []
    while True:
        try:
            got.append(client.get_iopub_msg(timeout=timeout))
        except queue.Empty:
            return got


def ask_control(client, msg_type, content=None, timeout=SECONDS):
    client.control_channel.send(client.session.msg(msg_type, content or {}))
    return client.get_control_msg(timeout=timeout)["content"]


class Raw:
    """Sockets by channel, made when they are first used."""

    KINDS = {"shell": zmq.DEALER, "control": zmq.DEALER, "stdin": zmq.DEALER, "iopub": zmq.SUB,
             "hb": zmq.REQ}

    def __init__(self, path, identity=None, topics=(b"",), context=None, **options):
        self.connection = load_connection(path)
        self.identity = uuid.uuid4().hex.encode() if identity is None else identity
        self.session = Session(key=self.connection["key"].encode())
        self.context = context or zmq.Context()
        self.own = context is None
        self.topics, self.options, self.sockets = topics, options, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for channel in list(self.sockets):
            self.drop(channel)
        if self.own:
            self.context.term()

    def drop(self, channel):
        self.sockets.pop(channel).close(0)

    def socket(self, channel):
        if channel not in self.sockets:
            made = self.sockets[channel] = self.context.socket(self.KINDS[channel])
            made.linger = 0
            if self.identity and channel in ("shell", "control", "stdin"):
                made.setsockopt(zmq.IDENTITY, self.identity)
            for name, value in self.options.items():
                made.setsockopt(getattr(zmq, name), value)
            if channel == "iopub":
                for topic in self.topics:
                    made.setsockopt(zmq.SUBSCRIBE, topic)
            made.connect(endpoint(self.connection, channel))
        return self.sockets[channel]

    def send(self, channel, msg_type, content=None, **more):
        """Returns the message id."""
        return self.session.send(self.socket(channel), msg_type, content or {},
                                 **more)["header"]["msg_id"]

    def receive(self, channel, timeout=SECONDS):
        """The next message, None after timeout."""
        if not self.socket(channel).poll(int(timeout * 1000)):
            return None
        _, frames = self.session.feed_identities(self.socket(channel).recv_multipart())
        return self.session.deserialize(frames)

    def subscribed(self, code="print()"):
        """Runs the code until something of it comes on iopub, and reads on to its idle: from then
        on everything comes."""
        until = time.monotonic() + SECONDS
        self.socket("iopub")
        while True:
            self.reply(self.execute(code))
            if self.socket("iopub").poll(200):
                break
            assert time.monotonic() < until, "nothing comes on iopub"
        last = self.execute(code)
        self.reply(last)
        while not is_idle_of(last)(self.receive("iopub")):
            pass
        return self

    def subscribed_to_some(self, code):
        """The same for who has topics that no idle belongs to; all that came is thrown away."""
        until = time.monotonic() + SECONDS
        marker = uuid.uuid4().hex
        self.socket("iopub")
        while True:
            self.reply(self.execute(code))
            if self.socket("iopub").poll(200):
                break
            assert time.monotonic() < until, "nothing comes on iopub"
        self.reply(self.execute("print(%r)" % marker))
        while marker not in self.receive("iopub")["content"].get("text", ""):
            pass

    def execute(self, code, **more):
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                   "allow_stdin": True, "stop_on_error": True, **more}
        return self.send("shell", "execute_request", content)

    def insist(self, code):
        """The execute_reply. Asked again and again: a connection that the broker has no room for
        yet is closed with the question in it, and libzmq makes another one."""
        until = time.monotonic() + SECONDS
        while True:
            self.execute(code)
            message = self.receive("shell", 5)
            if message is not None:
                return message
            assert time.monotonic() < until, "nobody answers"

    def reply(self, msg_id, channel="shell", timeout=SECONDS):
        until = time.monotonic() + timeout
        while True:
            message = self.receive(channel, max(until - time.monotonic(), 0))
            assert message is not None, "no reply on " + channel
            if message["parent_header"].get("msg_id") == msg_id:
                return message


# -- bytes of one's own ---------------------------------------------------------------------------

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + bytes(1) + bytes(31)
MIB = 1 << 20


def memory(house):
    """Resident bytes of the broker."""
    with open("/proc/%d/statm" % house.connection()["pid"], encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def command(name, body):
    data = bytes([len(name)]) + name + body
    return b"\x04" + bytes([len(data)]) + data


def ready(kind, identity=b""):
    return command(b"READY", b"\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind +
                   b"\x08Identity" + struct.pack(">I", len(identity)) + identity)


def dial(house, channel, kind=None, identity=b""):
    """A plain connection; with kind the handshake is done."""
    port = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}[channel]
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(120)
    made.connect("%s/s-amber-%d" % (house.runtime_dir, port))
    if kind:
        made.sendall(GREETING + ready(kind, identity))
    return made


def is_closed(connection, timeout=120):
    """Whether the other side hangs up within the time."""
    connection.settimeout(timeout)
    try:
        while connection.recv(65536):
            pass
    except (ConnectionResetError, BrokenPipeError):
        return True
    except socket.timeout:
        return False
    return True
