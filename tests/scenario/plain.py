"""plain.py - IPython's kernel as Debian has it, outside of any jail: what ours is compared with.

  PlainKernel(folder)      one on ipc sockets in the folder, with its connection file
  Exchange(raw)            asks through attached.Raw and keeps every frame that comes back
  likeness(frames)         frames with the names that are made anew each time taken out
"""
import json
import os
import re
import subprocess
import sys
import time
import uuid

from attached import SECONDS, Raw

# What is made anew by each kernel, and for each message.
DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(\+00:00|Z)?")
NAME = re.compile(rb"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
HIMSELF = re.compile(rb'("(?:msg_id|session|username)": ")[^"]*"')


class PlainKernel:
    """Ended by close()."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "plain.json")
        ports = {channel + "_port": number for number, channel in
                 enumerate(("shell", "iopub", "stdin", "control", "hb"), 1)}
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump({**ports, "ip": os.path.join(folder, "k"), "transport": "ipc",
                       "key": uuid.uuid4().hex, "signature_scheme": "hmac-sha256",
                       "kernel_name": ""}, file)
        env = dict(os.environ, IPYTHONDIR=os.path.join(folder, "ipython"),
                   PYDEVD_DISABLE_FILE_VALIDATION="1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ipykernel_launcher", "-f", self.path,
             "--HistoryManager.hist_file=:memory:"], env=env, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        self.process.kill()
        self.process.wait()


class Exchange:
    """One client whose ids are the same in each exchange, so that requests are the same bytes."""

    def __init__(self, path, name="c0ffee00-0000-4000-8000-000000000001"):
        self.raw = Raw(path, identity=name.encode())
        self.raw.session.session = name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.raw.close()

    def ready(self):
        """It hears everything, and nothing waits."""
        until = time.monotonic() + SECONDS
        self.raw.socket("iopub")
        while True:
            asked = self.raw.send("shell", "kernel_info_request")
            self.frames("shell", asked)
            if self.raw.socket("iopub").poll(300):
                break
            assert time.monotonic() < until, "nothing comes on iopub"
        asked = self.raw.send("shell", "kernel_info_request")
        self.frames("shell", asked)
        self.iopub(asked)
        self.raw.session.message_count = 1000
        return self

    def receive(self, channel, timeout=SECONDS):
        """The frames of the next message, without identities but iopub's topic; the signature is
        checked."""
        assert self.raw.socket(channel).poll(int(timeout * 1000)), "nothing on " + channel
        frames = self.raw.socket(channel).recv_multipart()
        at = frames.index(b"<IDS|MSG>")
        assert frames[at + 1] == self.raw.session.sign(frames[at + 2:at + 6]), "wrong signature"
        return frames[:at] + frames[at + 2:]

    @staticmethod
    def parent_of(frames, channel):
        return json.loads(frames[2 if channel == "iopub" else 1]).get("msg_id")

    def frames(self, channel, msg_id):
        while True:
            frames = self.receive(channel)
            if self.parent_of(frames, channel) == msg_id:
                return frames

    def iopub(self, msg_id):
        """All that belongs to a request, up to its idle."""
        got = []
        while True:
            frames = self.receive("iopub")
            if self.parent_of(frames, "iopub") != msg_id:
                continue
            got.append(frames)
            if json.loads(frames[1])["msg_type"] == "status" and \
                    json.loads(frames[4])["execution_state"] == "idle":
                return got


def likeness(frames):
    """Of each frame the bytes that any kernel would send: what names this kernel, this message and
    this moment is taken out."""
    return [HIMSELF.sub(rb'\1ITS"', NAME.sub(b"UUID", DATE.sub(b"DATE", frame)))
            for frame in frames]
