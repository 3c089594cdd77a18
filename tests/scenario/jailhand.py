"""jailhand.py - plays the warden for one jail: starts the stages by hand, talks to the kernel.

As a module: Jail(build, ...). As a program it starts a jail, runs cells and prints one JSON object,
which is how a test does it as an ordinary user:

  jailhand.py --build DIR [--input PATH]... [--profile NAME] [--loopback] -c CODE [-c CODE]...

Listening sockets lie in a private folder here (the broker unlinks its own), so that jupyter_client
can connect to them by their names.
"""
import argparse
import fcntl
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
CHANNELS = ("shell", "iopub", "stdin", "control", "hb")
MIB = 1 << 20
UID = 1900000000  # the first of the jails' range
def _stage_type():
    """The number of CB_LAUNCH_STAGE: the enum in launchmsg.h grows."""
    with open(os.path.join(SOURCE, "src/jail/launchmsg.h"), encoding="utf-8") as header:
        text = re.sub(r"/\*.*?\*/", "", header.read(), flags=re.S)
    body = re.search(r"typedef enum \{([^}]*)\} cb_launch_type;", text).group(1)
    return 1 + [row.split("=")[0].strip() for row in body.split(",")].index("CB_LAUNCH_STAGE")


STAGE_TYPE = _stage_type()
HEAD = struct.Struct("=IIQQ")
STAGE = struct.Struct("=IiII1024s")
LAYERS = ("cgroup", "seccomp", "landlock", "uid")
OFF, AUTO, ON = 0, 1, 2

PROC_MASKS = ("kallsyms", "keys", "key-users", "timer_list", "config.gz", "interrupts", "cmdline",
              "partitions", "diskstats", "consoles", "locks", "modules", "swaps",
              "sys/kernel/random/boot_id")


def encode_spec(spec):
    """The encoding of src/jail/spec.c."""
    def text(value):
        value = os.fsencode(value)
        return struct.pack("=H", len(value)) + value
    layers = [spec["layers"].get(name, AUTO) for name in LAYERS]
    no_arguments = no_workdir = 0
    out = struct.pack("=QQQQIIIIIIIB4BBB5x", spec["memory"], spec["disk"], spec["files"],
                      spec["cpu_seconds"], 2, spec["cpu_percent"], spec["processes"],
                      spec["open_files"], len(spec["inputs"]), spec["start_seconds"],
                      no_arguments, spec["loopback"], *layers, spec["subprocesses"], no_workdir)
    out += text(spec["name"]) + text(spec["profile"])
    for path, name in spec["inputs"]:
        out += text(path) + text(name)
    return out


def bwrap_arguments():
    """The list that src/warden/bwrap.c makes."""
    args = ("--unshare-user --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try "
            "--unshare-net --disable-userns --uid 1000 --gid 1000 --hostname cell "
            "--die-with-parent --new-session --clearenv --bind /root / "
            "--proc /proc --dev /dev --bind /quota/shm /dev/shm").split()
    for name in PROC_MASKS:
        if os.path.exists("/proc/" + name):
            args += ["--ro-bind", "/dev/null", "/proc/" + name]
    args += "--remount-ro /proc --remount-ro /dev --chdir /work".split()
    return b"".join(os.fsencode(arg) + b"\0" for arg in args)


def _memfd(name, data):
    fd = os.memfd_create(name)
    os.write(fd, data)
    return fd


class Jail:
    """One jail. Members after start(): kernel_pid, layers, landlock_abi, quota (O_PATH)."""

    def __init__(self, build, inputs=(), kernelspec=None, cgroup=None, **spec):
        self.folder = tempfile.mkdtemp(prefix="cb-hand-", dir="/tmp")
        self.cgroup = cgroup  # a function called in the child before it starts
        self.key = secrets.token_hex(32)
        self.stderr = b""
        self.pid = self.kernel_pid = self.quota = None
        self.spec = {"name": "hand", "profile": "default", "memory": 512 * MIB, "disk": 256 * MIB,
                     "files": 4096, "cpu_seconds": 3600, "cpu_percent": 0, "processes": 64,
                     "open_files": 512, "start_seconds": 100, "loopback": 0, "layers": {},
                     "subprocesses": 1,
                     "inputs": [(path, os.path.basename(path)) for path in inputs]}
        self.spec.update(spec)
        self.build = build
        self.kernelspec = kernelspec or os.path.join(SOURCE, "kernelspec")
        self.program = os.path.join(build, "cellblock-jail")

    def _listen(self, number):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("%s/k-%d" % (self.folder, number))
        listener.listen(8)
        return listener.detach()

    def descriptors(self):
        """fd number in the stage -> descriptor here."""
        listening = [self._listen(number + 1) for number in range(5)]
        connection = json.dumps({"key": self.key, "signature_scheme": "hmac-sha256",
                                 "fds": [3, 4, 5, 6, 7]}).encode()
        self.status, status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.status.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.output, output = os.pipe()
        folder = os.O_PATH | os.O_CLOEXEC
        fds = [os.open("/dev/null", os.O_RDONLY), output, os.dup(output)] + listening + [
            _memfd("connection", connection), _memfd("spec", encode_spec(self.spec)),
            status.detach(), _memfd("args", bwrap_arguments()),
            os.open(self.build, folder), os.open(self.kernelspec, folder)]
        os.lseek(fds[11], 0, os.SEEK_SET)
        return fds + [os.open(path, folder | os.O_NOFOLLOW) for path, _ in self.spec["inputs"]]

    def launch(self, fds=None):
        """Starts the stages; returns at once."""
        fds = fds or self.descriptors()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self._become_jail(fds, parent)
        for fd in fds:
            os.close(fd)

    def _become_jail(self, fds, parent):
        try:
            if self.cgroup:
                self.cgroup()
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for fd in fds]
            for number, fd in enumerate(high):
                os.dup2(fd, number)
            uid = ["--uid", str(UID)] if os.getuid() == 0 else []
            os.execve(self.program, ["cellblock-jail", "--parent", str(parent)] + uid, {})
        finally:
            os._exit(127)

    def next_stage(self, seconds=120):
        """(stage, code, text) of the next report; None when the jail ended without one."""
        ready, _, _ = select.select([self.status], [], [], seconds)
        if not ready:
            raise TimeoutError("no report of a stage")
        data, control, _, _ = self.status.recvmsg(4096, 4096)
        fds, sender = [], None
        for level, kind, value in control:
            if kind == socket.SCM_RIGHTS:
                fds += struct.unpack("%di" % (len(value) // 4), value)
            elif kind == socket.SCM_CREDENTIALS:
                sender = struct.unpack("iII", value)[0]
        if not data:
            return None
        version, kind, _, _ = HEAD.unpack_from(data)
        assert (version, kind) == (1, STAGE_TYPE), data[:32]
        stage, code, layers, abi, text = STAGE.unpack_from(data, HEAD.size)
        if stage == 1 and code == 0:
            self.quota = fds[0]
        if stage == 2 and code == 0:
            self.kernel_pid, self.landlock_abi = sender, abi
            self.layers = {name for bit, name in enumerate(LAYERS) if layers & 1 << bit}
        return stage, code, text.split(b"\0")[0].decode()

    def read_stderr(self, seconds=60):
        """Everything on standard error until the jail has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and select.select([self.output], [], [], 5)[0]:
            data = os.read(self.output, 65536)
            if not data:
                break
            self.stderr += data
        return self.stderr.decode(errors="replace")

    def start(self, seconds=120):
        """Launches and waits for both stages."""
        self.launch()
        for stage in (1, 2):
            report = self.next_stage(seconds)
            if report is None or report[:2] != (stage, 0):
                raise RuntimeError("stage %d: %s %s" % (stage, report, self.read_stderr()))
        return self

    def client(self):
        """A jupyter_client on the kernel's sockets, kernel_info answered."""
        from jupyter_client.blocking import BlockingKernelClient
        ports = {name + "_port": number + 1 for number, name in enumerate(CHANNELS)}
        client = BlockingKernelClient(transport="ipc", ip=self.folder + "/k", **ports)
        client.session.key = self.key.encode()
        # Without a heartbeat: on a busy machine a late beat would count as the kernel's death.
        client.start_channels(hb=False)
        client.wait_for_ready(timeout=120)
        self._client = client
        return client

    def close(self):
        """Ends the jail; True when its process was still there."""
        alive = False
        if getattr(self, "_client", None):
            self._client.stop_channels()
        if self.pid:
            alive = os.waitpid(self.pid, os.WNOHANG)[0] == 0
            if alive:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            os.close(self.output)
            self.status.close()
        if self.quota is not None:
            os.close(self.quota)
        shutil.rmtree(self.folder)
        return alive

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


def run_cell(client, code, timeout=120):
    """Runs a cell: {"status", "out", "err", "result", "error", "messages", "data"}."""
    done = {"out": "", "err": "", "result": None, "error": None, "messages": 0, "data": []}

    def on_output(message):
        content = message["content"]
        done["messages"] += 1
        if message["msg_type"] == "stream":
            done["out" if content["name"] == "stdout" else "err"] += content["text"]
        elif message["msg_type"] == "execute_result":
            done["result"] = content["data"].get("text/plain")
        elif message["msg_type"] == "display_data":
            done["data"].append(sorted(content["data"]))
        elif message["msg_type"] == "error":
            done["error"] = content
    reply = client.execute_interactive(code, output_hook=on_output, timeout=timeout,
                                       stop_on_error=False, allow_stdin=False)
    done["status"] = reply["content"]["status"]
    return done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--input", action="append", default=[])
    parser.add_argument("--profile", default="default")
    parser.add_argument("--loopback", action="store_true")
    parser.add_argument("-c", "--code", action="append", default=[])
    options = parser.parse_args()
    jail = Jail(options.build, options.input, profile=options.profile,
                loopback=int(options.loopback))
    try:
        begin = time.monotonic()
        jail.start()
        client = jail.client()
        ready = time.monotonic() - begin
        cells = [run_cell(client, code) for code in options.code]
        json.dump({"layers": sorted(jail.layers), "landlock": jail.landlock_abi, "ready_s": ready,
                   "kernel_pid": jail.kernel_pid, "cells": cells}, sys.stdout)
        print()
    finally:
        jail.close()


if __name__ == "__main__":
    main()
