# client.py - a client of cellblock in one file: cellblock-protocol(7), with pyzmq alone.
#
# It makes a session, runs cells and shows what they put out while they run, interrupts one
# that would never end, copies a file in and out again, and stops the session:
#
#     cellblock daemon start
#     /usr/bin/python3 examples/client.py
#
# A failure is a sentence on stderr and exit status 1.
import collections
import contextlib
import hashlib
import hmac
import json
import math
import os
import re
import sys
import time
import uuid

try:
    import zmq
except ImportError:
    sys.exit("client.py: this Python has no pyzmq (on Debian: python3-zmq, for /usr/bin/python3)")

DELIMITER = b"<IDS|MSG>"
BROKER_UID = 1899999999  # may own root's runtime folder
BLOCK = 262144           # bytes in a step of put and get
PATIENCE = 60            # seconds for a reply, a cell's apart
GONE = "the daemon is gone (cellblock daemon start starts it)"

# Code in a jail prints what it likes, so controls of the terminal are left out.
CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\0-\b\v-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

Message = collections.namedtuple("Message", "kind parent content buffers")


class Failure(Exception):
    """What went wrong, as a sentence."""


def clean(text):
    return CONTROLS.sub("", str(text))


def find_broker():
    """The daemon's address and key, from broker.json in a folder that nobody else can write."""
    uid = os.getuid()
    folder = os.environ.get("CELLBLOCK_RUNTIME_DIR", "")
    if not os.path.isabs(folder):
        folder = os.path.join(os.environ.get("XDG_RUNTIME_DIR", ""), "cellblock")
    if not os.path.isabs(folder):
        folder = "/run/cellblock" if uid == 0 else f"/tmp/cellblock-{uid}"
    try:
        about = os.stat(folder)
        if about.st_uid not in ((0, BROKER_UID) if uid == 0 else (uid,)) or about.st_mode & 0o077:
            raise Failure(f"{folder} belongs to somebody else or is open to others")
        with open(f"{folder}/broker.json", encoding="utf-8") as file:
            broker = json.load(file)
        if broker["protocol"] != 1:
            raise Failure(f"the daemon speaks protocol {broker['protocol']}, this client speaks 1")
        return f"ipc://{broker['ip']}-{broker['shell_port']}", broker["key"].encode()
    except FileNotFoundError:
        raise Failure(f"no daemon runs in {folder} (cellblock daemon start starts it)") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failure(f"{folder}/broker.json makes no sense") from None


def granted(content):
    """A reply's content, unless it refuses the request."""
    if content["status"] == "error" and "ename" in content:
        raise Failure(clean(f"{content['evalue']} ({content['ename']})"))
    return content


class Daemon:
    """A connection to the daemon."""

    def __init__(self):
        address, self.key = find_broker()
        self.mark = uuid.uuid4().hex
        self.seen = collections.deque(maxlen=65536)  # the signatures that came last
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.reconnect_ivl = -1  # a daemon started again would have another key
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_CLOSED | zmq.EVENT_DISCONNECTED)
        self.socket.connect(address)

    def sign(self, frames):
        return hmac.new(self.key, b"".join(frames), hashlib.sha256).hexdigest().encode()

    def send(self, verb, content, *buffers):
        """Sends a request and returns its id, to which its reply and its events refer."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": f"{verb}_request", "session": self.mark}
        frames = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        frames = [DELIMITER, self.sign(frames), *frames, *buffers]
        try:
            self.socket.send_multipart(frames, zmq.DONTWAIT)  # would wait for ever when it is gone
        except zmq.Again:
            raise Failure(GONE) from None
        return header["msg_id"]

    def receive(self, seconds):
        """The next message, or None when none came in time."""
        seconds = None if seconds == math.inf else max(0, seconds)
        ready = zmq.select([self.socket, self.monitor], [], [], seconds)[0]
        if self.monitor in ready and not self.socket.poll(0):
            raise Failure(GONE)
        if not ready:
            return None
        frames = self.socket.recv_multipart()
        try:
            signature, *frames = frames[frames[:9].index(DELIMITER) + 1:]
            if not hmac.compare_digest(signature, self.sign(frames[:4])) or signature in self.seen:
                raise Failure("a message came whose signature is wrong or was used before")
            self.seen.append(signature)
            header, parent, _metadata, content = map(json.loads, frames[:4])
            return Message(header["msg_type"], parent.get("msg_id"), content, frames[4:])
        except (ValueError, KeyError, AttributeError):
            raise Failure("a message came that cannot be read") from None

    def ask(self, verb, *buffers, **content):
        """Sends a request and returns the content and the buffers of its reply."""
        request = self.send(verb, content, *buffers)
        while message := self.receive(PATIENCE):
            if message.parent == request and message.kind.endswith("_reply"):
                return granted(message.content), message.buffers
        raise Failure(f"the daemon did not answer {verb}_request in {PATIENCE} seconds")

    @contextlib.contextmanager
    def session(self):
        """A session whose kernel is ready; it is stopped at the end of the with block."""
        name = self.ask("new", wait=True)[0]["session"]
        try:
            yield name
        finally:
            self.ask("stop", session=name)

    def run(self, session, code, interrupt_after=math.inf):
        """Runs a cell, shows what it puts out as it comes, and returns its result."""
        request = self.send("run", {"session": session, "code": code})
        interrupt, due = None, math.inf
        while True:
            if time.monotonic() >= due:
                interrupt, due = self.send("interrupt", {"session": session}), math.inf
            message = self.receive(due - time.monotonic())
            if message and message.parent == interrupt:
                granted(message.content)
            elif message and message.parent == request:
                if message.kind == "run_reply":
                    return granted(message.content)
                if message.kind == "status" and not interrupt:  # busy: it runs from here on
                    due = min(due, time.monotonic() + interrupt_after)
                show(message.kind, message.content)

    def put(self, session, path, data):
        """Writes a file of the session, in steps."""
        for start in range(0, len(data) or 1, BLOCK):
            block = data[start:start + BLOCK]
            self.ask("put", block, session=session, path=path, offset=start,
                     eof=start + len(block) == len(data))

    def get(self, session, path):
        """Reads a file of the session, in steps."""
        data, eof = b"", False
        while not eof:
            content, (block,) = self.ask("get", session=session, path=path, offset=len(data))
            data, eof = data + block, content["eof"]
        return data


def show(kind, content):
    """Shows an event. Errors are left to the result, which has them as well."""
    if kind == "stream":
        out = sys.stderr if content.get("name") == "stderr" else sys.stdout
        print(clean(content.get("text")), end="", file=out, flush=True)
    elif kind in ("execute_result", "display_data") and isinstance(content.get("data"), dict):
        print("=>", clean(content["data"].get("text/plain")))
    elif kind in ("limit", "lost"):
        print(f"[output is missing: {clean(content)}]", file=sys.stderr)


def demonstrate(daemon, session):
    def cell(code, wanted="ok", **options):
        print("\n>>> " + code.replace("\n", "\n... "), flush=True)
        result = daemon.run(session, code, **options)
        if error := result.get("error"):
            print(clean(f"{error['ename']}: {error['evalue']}"))
        if result["status"] != wanted:
            raise Failure(f"the cell ended with {result['status']} instead of {wanted}")

    print("session", session)
    cell("import time\nfor n in range(5):\n    print(n, flush=True)\n    time.sleep(0.3)")
    cell("answer = 6 * 7\nanswer")
    cell("answer / 0", "error")
    cell("while True: pass", "interrupted", interrupt_after=1)
    cell("print('after all this, answer is', answer)")
    data = os.urandom(3 * BLOCK // 2)
    daemon.put(session, "work/random", data)
    cell("data = open('random', 'rb').read()\nopen('turned', 'wb').write(data[::-1])")
    if daemon.get(session, "work/turned") != data[::-1]:
        raise Failure("the file came back changed")
    print(f"\n{len(data)} bytes went there and came back turned around")


def main():
    sys.stdout.reconfigure(errors="replace")
    try:
        daemon = Daemon()
        with daemon.session() as session:
            demonstrate(daemon, session)
    except (Failure, OSError, zmq.ZMQError) as error:
        sys.exit(f"client.py: {error}")
    except KeyError as error:
        sys.exit(f"client.py: an answer of the daemon lacks {error}")
    except KeyboardInterrupt:
        sys.exit("client.py: stopped by the keyboard")


if __name__ == "__main__":
    main()
