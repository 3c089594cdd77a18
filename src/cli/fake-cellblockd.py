#!/usr/bin/python3 -I
"""fake-cellblockd.py - a stand-in for cellblockd in test-start.c: the locks, the socket and the
answer of the real one, and the ways to fail. CELLBLOCK_FAKE says which.
"""
import fcntl
import os
import signal
import socket
import sys
import time

mode = os.environ.get("CELLBLOCK_FAKE", "ok")
runtime = os.environ["CELLBLOCK_RUNTIME_DIR"]
state = os.environ["CELLBLOCK_STATE_DIR"]
ready = int(sys.argv[sys.argv.index("--ready-fd") + 1])


def note(name, text):
    with open(os.path.join(state, name), "a") as to:
        to.write(text + "\n")


note("started", "%d" % os.getpid())
note("environment", " ".join(sorted(os.environ)))
note("arguments", " ".join(sys.argv[1:]))
note("descriptors", " ".join(sorted(os.listdir("/proc/self/fd"))))
if mode == "error":
    os.write(ready, b"error: the runtime folder belongs to uid 7\n")
    sys.exit(1)
if mode == "words":
    print("cannot open the shared library", file=sys.stderr)
    sys.exit(3)
if mode == "log":
    note("cellblockd.log", "first line\nthe last line")
    sys.exit(4)
if mode == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if mode == "slow":
    time.sleep(600)
lock = os.open(os.path.join(runtime, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    note("twice", "two daemons")
    os.write(ready, b"error: another daemon runs\n")
    sys.exit(1)
time.sleep(0.2)
path = os.path.join(runtime, "c-1")
if os.path.exists(path):
    os.unlink(path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(64)
if mode == "background" and os.fork() > 0:
    os._exit(0)
if mode == "background":
    note("started", "%d" % os.getpid())
os.write(ready, b"ok\n")
os.close(ready)
if mode == "ends":
    listener.close()
    time.sleep(0.5)
    sys.exit(0)
time.sleep(600)
