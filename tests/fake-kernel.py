"""fake-kernel.py - stands in for kernelspec/launcher.py and breaks the protocol on demand.

A test copies the folder kernelspec, puts this file in launcher.py's place and starts
`cellblockd --kernelspec FOLDER`. It obeys the launcher's contract (descriptors 3 to 7 listen, 8 is
the memory file with the key) but speaks ZMTP by itself, so it can be wrong on every level.

How it misbehaves while it starts is what the file /input/mode says (START below). Once it runs,
the code of a cell says it: `!NAME [NUMBER]` is a row of CELLS, everything else is printed back.
"""
import hashlib
import hmac
import json
import os
import socket
import struct
import sys
import threading
import time
import uuid

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
TYPES = {"shell": b"ROUTER", "iopub": b"PUB", "stdin": b"ROUTER", "control": b"ROUTER",
         "hb": b"REP"}
MEMORY_FILE = 8
MODE_FILE = "/input/mode"
MORE, LONG, COMMAND = 1, 2, 4
MIB = 1024 * 1024


class Closed(Exception):
    """The broker closed this connection: nothing more to say on it."""


class Peer:
    """One accepted connection, ZMTP 3.0 with the mechanism NULL."""

    def __init__(self, channel, connection):
        self.channel, self.connection = channel, connection
        self.lock = threading.Lock()

    def write(self, data):
        with self.lock:
            try:
                self.connection.sendall(data)
            except OSError:
                raise Closed from None

    def read(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.connection.recv(size - len(data))
            except OSError:
                part = b""
            if not part:
                raise Closed
            data += part
        return data

    def close(self):
        self.connection.close()

    def handshake(self):
        self.write(b"\xff" + b"\0" * 8 + b"\x7f\x03\x00NULL" + b"\0" * 16 + b"\0" * 32)
        self.read(64)
        kind = TYPES[self.channel]
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
        self.write(bytes((COMMAND, len(ready))) + ready)
        self.read_frame()

    def read_frame(self):
        flags = self.read(1)[0]
        size = struct.unpack(">Q", self.read(8))[0] if flags & LONG else self.read(1)[0]
        return flags, self.read(size)

    def read_message(self):
        """The next message's frames; commands (SUBSCRIBE, PING) are passed over."""
        frames = []
        while True:
            flags, body = self.read_frame()
            if flags & COMMAND:
                continue
            frames.append(body)
            if not flags & MORE:
                return frames

    @staticmethod
    def frame(body, flags=0):
        if len(body) > 255:
            return bytes((flags | LONG,)) + struct.pack(">Q", len(body)) + body
        return bytes((flags, len(body))) + body

    def send(self, frames):
        head = b"".join(self.frame(body, MORE) for body in frames[:-1])
        self.write(head + self.frame(frames[-1]))


class Kernel:
    """Channels, key, and the request at hand."""

    def __init__(self, mode):
        self.mode = mode
        data = json.loads(os.pread(MEMORY_FILE, 65536, 0))
        os.close(MEMORY_FILE)
        self.key = data["key"].encode()
        self.session = uuid.uuid4().hex
        self.peers = {}
        self.count = 0
        self.interrupted = threading.Event()
        self.listening = {name: socket.socket(fileno=fd)
                          for name, fd in zip(CHANNELS, data["fds"])}

    def at(self, stage):
        """Dies here when the mode says so."""
        if self.mode == "die-" + stage:
            os._exit(3)

    def connect(self):
        self.at("before-accept")
        for name in CHANNELS:
            self.peers[name] = Peer(name, self.listening[name].accept()[0])
        self.at("after-accept")
        if self.mode == "never-handshake":
            time.sleep(3600)
        if self.mode == "garbage":
            for peer in self.peers.values():
                peer.write(os.urandom(4096))
            time.sleep(3600)
        # Every channel at once: the broker need not finish one before it begins another.
        # The heartbeat's may stay silent for ever.
        shaking = [threading.Thread(target=peer.handshake)
                   for name, peer in self.peers.items() if name != "hb"]
        for thread in shaking:
            thread.start()
        for thread in shaking:
            thread.join()
        self.at("after-handshake")

    # -- messages --------------------------------------------------------------------------

    def header(self, msg_type):
        return {"msg_id": uuid.uuid4().hex, "msg_type": msg_type, "session": self.session,
                "username": "fake", "date": "2026-01-01T00:00:00.000000Z", "version": "5.3"}

    def frames(self, msg_type, content, parent, key=None):
        parts = [json.dumps(part).encode() for part in (self.header(msg_type), parent, {}, content)]
        return self.signed(parts, key)

    def signed(self, parts, key=None):
        digest = hmac.new(self.key if key is None else key, b"".join(parts), hashlib.sha256)
        return [b"<IDS|MSG>", digest.hexdigest().encode()] + parts

    def publish(self, msg_type, content, parent, key=None):
        self.peers["iopub"].send([b"fake." + msg_type.encode()] +
                                 self.frames(msg_type, content, parent, key))

    def status(self, state, parent):
        self.publish("status", {"execution_state": state}, parent)

    def stream(self, text, parent, key=None):
        self.publish("stream", {"name": "stdout", "text": text}, parent, key)

    def reply(self, channel, msg_type, content, parent, identities=()):
        self.peers[channel].send(list(identities) + self.frames(msg_type, content, parent))

    def ok_reply(self, parent, identities):
        self.reply("shell", "execute_reply", {"status": "ok", "execution_count": self.count,
                                              "user_expressions": {}, "payload": []}, parent,
                   identities)

    # -- serving ---------------------------------------------------------------------------

    def serve(self, channel):
        peer = self.peers[channel]
        try:
            if channel == "hb":
                peer.handshake()
            while True:
                frames = peer.read_message()
                if channel == "hb":
                    peer.send(frames)
                elif self.mode != "never-answer":
                    self.answer(channel, frames)
        except Closed:
            pass

    def answer(self, channel, frames):
        at = frames.index(b"<IDS|MSG>")
        identities, header = frames[:at], json.loads(frames[at + 2])
        content = json.loads(frames[at + 5])
        kind = header["msg_type"]
        if kind == "kernel_info_request":
            self.at("after-request")
            self.status("busy", header)
            self.at("after-busy")
            self.reply(channel, "kernel_info_reply", {
                "status": "ok", "protocol_version": "5.3", "implementation": "fake",
                "implementation_version": "1", "language_info": {"name": "python"},
                "banner": "fake", "help_links": []}, header, identities)
            self.at("after-reply")
            if self.mode != "no-idle":
                self.status("idle", header)
        elif kind == "execute_request":
            self.execute(content.get("code", ""), header, identities)
        elif kind == "interrupt_request":
            self.interrupted.set()
            self.reply(channel, "interrupt_reply", {"status": "ok"}, header, identities)
        elif kind == "shutdown_request":
            self.reply(channel, "shutdown_reply", {"status": "ok", "restart": False}, header,
                       identities)
            os._exit(0)

    def execute(self, code, parent, identities):
        self.count += 1
        self.interrupted.clear()
        self.status("busy", parent)
        name, _, number = code[1:].partition(" ")
        act = CELLS.get(name) if code.startswith("!") else None
        if act is None:
            self.stream(code, parent)
        elif act(self, parent, identities, int(number or 0)):
            return
        self.ok_reply(parent, identities)
        self.status("idle", parent)


def forever(write):
    """Calls write until the broker closes the connection."""
    while True:
        write()


# -- rows of CELLS: what a cell does before its reply; True: it has dealt with reply and idle -----

def exit_now(_kernel, _parent, _identities, number):
    os._exit(number)


def say_nothing(kernel, _parent, _identities, _number):
    """Busy, and then nothing for ever; an interrupt changes nothing."""
    return True


def wait_interrupt(kernel, parent, identities, _number):
    """What ipykernel does: KeyboardInterrupt."""
    kernel.interrupted.wait(60)
    error = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
    kernel.publish("error", error, parent)
    kernel.reply("shell", "execute_reply",
                 {"status": "error", "execution_count": kernel.count, **error}, parent, identities)
    kernel.status("idle", parent)
    return True


def raw_garbage(kernel, _parent, _identities, _number):
    kernel.peers["shell"].write(b"\x80" + os.urandom(4096))


def raw_garbage_iopub(kernel, _parent, _identities, _number):
    kernel.peers["iopub"].write(b"\x80" + os.urandom(4096))


def huge_frame(kernel, _parent, _identities, number):
    """Announces one frame of number MiB (1024 without one) and sends as much as is taken."""
    peer = kernel.peers["iopub"]
    peer.write(bytes((LONG,)) + struct.pack(">Q", (number or 1024) * MIB))
    forever(lambda: peer.write(b"x" * MIB))


def negative_frame(kernel, _parent, _identities, _number):
    kernel.peers["iopub"].write(bytes((LONG,)) + b"\xff" * 8 + b"x" * 100)


def endless_more(kernel, _parent, _identities, number):
    """MORE frames of number bytes for ever."""
    part = Peer.frame(b"x" * number, MORE)
    many = part * max(65536 // len(part), 1)
    peer = kernel.peers["iopub"]
    forever(lambda: peer.write(many))


def endless_more_shell(kernel, _parent, _identities, number):
    part = Peer.frame(b"x" * number, MORE)
    many = part * max(65536 // len(part), 1)
    peer = kernel.peers["shell"]
    forever(lambda: peer.write(many))


def endless_commands(kernel, _parent, _identities, _number):
    ping = b"\x04PING\0\0"
    many = (bytes((COMMAND, len(ping))) + ping) * 8192
    peer = kernel.peers["iopub"]
    forever(lambda: peer.write(many))


def wrong_key(kernel, parent, _identities, _number):
    kernel.stream("forged", parent, key=b"not the key")
    kernel.stream("", parent, key=b"")
    kernel.stream("good", parent)


def replay(kernel, parent, _identities, _number):
    frames = [b"fake.stream"] + kernel.frames("stream", {"name": "stdout", "text": "once"}, parent)
    for _ in range(5):
        kernel.peers["iopub"].send(frames)


def forged_replies(kernel, parent, identities, _number):
    """Replies and idles of requests that never were, and of this one on the wrong channel."""
    other = dict(parent, msg_id=uuid.uuid4().hex)
    kernel.ok_reply(other, identities)
    kernel.ok_reply({}, identities)
    kernel.status("idle", other)
    kernel.stream("foreign", other)
    kernel.reply("control", "execute_reply", {"status": "ok", "execution_count": 99}, parent,
                 identities)
    kernel.publish("execute_reply", {"status": "ok", "execution_count": 99}, parent)
    time.sleep(0.3)
    kernel.stream("mine", parent)


def our_own_types(kernel, parent, _identities, _number):
    """What only the broker may say to a client."""
    kernel.publish("run_reply", {"status": "ok", "run": "forged"}, parent)
    kernel.publish("lost", {"bytes": 1, "messages": 1}, parent)
    kernel.publish("artifact", {"path": "/output/x", "file": "/etc/passwd", "size": 1}, parent)
    kernel.publish("limit", {"name": "memory", "value": "none"}, parent)
    kernel.stream("good", parent)


def flood(kernel, parent, _identities, number):
    """number MiB of streams (0: for ever) in pieces of 64 KiB."""
    sent = 0
    while not number or sent < number * MIB:
        kernel.stream("x" * 65536, parent)
        sent += 65536


def flood_small(kernel, parent, _identities, number):
    for i in range(number):
        kernel.stream("%d\n" % i, parent)


def idle_without_reply(kernel, parent, _identities, _number):
    kernel.status("idle", parent)
    return True


def reply_without_idle(kernel, parent, identities, _number):
    kernel.ok_reply(parent, identities)
    return True


def two_replies(kernel, parent, identities, _number):
    for _ in range(2):
        kernel.ok_reply(parent, identities)
        kernel.status("idle", parent)
    return True


def late_output(kernel, parent, identities, _number):
    """Output after reply and idle, as threads print it."""
    kernel.ok_reply(parent, identities)
    kernel.status("idle", parent)
    time.sleep(0.2)
    kernel.stream("late", parent)
    return True


def raw_parts(kernel, parts):
    kernel.peers["iopub"].send([b"fake.raw"] + kernel.signed(parts))


def bad_messages(kernel, parent, _identities, _number):
    """Rightly signed, wrongly made; each must be dropped and the good one come through."""
    head = json.dumps(kernel.header("stream")).encode()
    up = json.dumps(parent).encode()
    body = b'{"name": "stdout", "text": "bad"}'
    deep = b'{"name": "stdout", "text": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    for parts in ([head, up, b"{}", b'{"name": "stdout", "text": "\xff\xfe"}'],
                  [head, up, b"{}", b"{"], [head, up, b"{}", b"[]"], [head, up, b"[]", body],
                  [head, up, b"{}", deep], [b"[]", up, b"{}", body], [b"", b"", b"", b""],
                  [b"{}", up, b"{}", body], [head, b"1", b"{}", body],
                  [head, up, b"{}", b'{"name": "stdout", "text": NaN}'],
                  [head, up, b"{}", b'{"a": 1, "a": 2}']):
        raw_parts(kernel, parts)
    kernel.peers["iopub"].send([b"<IDS|MSG>"])
    kernel.peers["iopub"].send([b"", b"", b""])
    kernel.peers["iopub"].send([b"fake.x", b"<IDS|MSG>", b"short"] + [b"{}"] * 4)
    wrong = {"status": ({"execution_state": 5}, {}, {"execution_state": "dancing"}),
             "stream": ({"name": 5, "text": []}, {}), "error": ({"traceback": "x"}, {}),
             "display_data": ({"data": []}, {"data": {"text/plain": 7}}),
             "execute_result": ({"data": None, "execution_count": "x"},),
             "clear_output": ({"wait": "yes"},)}
    for msg_type, contents in wrong.items():
        for content in contents:
            kernel.publish(msg_type, content, parent)
    kernel.stream("good", parent)


def bad_reply(kernel, parent, identities, _number):
    """Replies whose content is of the wrong types, then a right one."""
    for content in ({}, {"status": 7}, {"status": "error", "ename": 1, "traceback": {}},
                    {"status": "ok", "execution_count": "many"}, {"status": "ok", "payload": 5}):
        kernel.reply("shell", "execute_reply", content, parent, identities)
        break
    kernel.status("idle", parent)
    return True


def ask_input(kernel, parent, identities, _number):
    """An input_request although none may be asked."""
    kernel.reply("stdin", "input_request", {"prompt": "name? ", "password": False}, parent,
                 identities)


def close_channel(kernel, _parent, _identities, number):
    kernel.peers[CHANNELS[number]].connection.shutdown(socket.SHUT_RDWR)


def eat_memory(_kernel, _parent, _identities, _number):
    keep = []
    forever(lambda: keep.append(bytearray(os.urandom(1024)) * 16384))


CELLS = {
    "ask-input": ask_input,
    "bad-messages": bad_messages,
    "bad-reply": bad_reply,
    "close": close_channel,
    "eat-memory": eat_memory,
    "endless-commands": endless_commands,
    "endless-more": endless_more,
    "endless-more-shell": endless_more_shell,
    "exit": exit_now,
    "flood": flood,
    "flood-small": flood_small,
    "forged-replies": forged_replies,
    "garbage": raw_garbage,
    "garbage-iopub": raw_garbage_iopub,
    "huge-frame": huge_frame,
    "idle-without-reply": idle_without_reply,
    "late-output": late_output,
    "negative-frame": negative_frame,
    "our-own-types": our_own_types,
    "replay": replay,
    "reply-without-idle": reply_without_idle,
    "say-nothing": say_nothing,
    "two-replies": two_replies,
    "wait": wait_interrupt,
    "wrong-key": wrong_key,
}

# What /input/mode may say: at which stage of its start it dies, or what it does instead.
START = ("die-at-once", "die-before-accept", "die-after-accept", "die-after-handshake",
         "die-after-request", "die-after-busy", "die-after-reply", "never-handshake",
         "never-answer", "no-idle", "garbage", "sentence")


def read_mode():
    try:
        with open(MODE_FILE, encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def main():
    mode = read_mode()
    if mode and mode not in START:
        print("fake-kernel: unknown mode " + mode, file=sys.stderr)
        return 2
    if mode == "die-at-once":
        os._exit(3)
    if mode == "sentence":
        print("the fake kernel does not want to start", file=sys.stderr)
        return 1
    kernel = Kernel(mode)
    kernel.connect()
    threads = [threading.Thread(target=kernel.serve, args=(name,), daemon=True)
               for name in CHANNELS if name != "iopub"]
    for thread in threads:
        thread.start()
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main())
