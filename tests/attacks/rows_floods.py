"""rows_floods.py - attacks by output: more of it, larger, faster, and of the wrong kind."""
import json
import os
import re

from table import BLOCKED, LIMITED, attack

MIB = 1 << 20
OUTPUT = 32 * MIB
CONTROL = "what a kernel sends needs a kernel"


def broker_is_bounded(scene):
    """What was printed is cut, and the broker did not keep it. That is seen here alone: the code
    cannot know who has got what it printed, and its last words come through."""
    sent = sum(len(json.dumps(event.content)) for event in scene.events)
    assert sent < 3 * OUTPUT, "%d MiB reached the client" % (sent >> 20)
    grown = scene.arena.broker_grown()
    assert grown < 120, "the broker grew by %d MiB" % grown


FLOOD = {"status": {"limit"}, "limit": "output", "alone": True, "outside": broker_is_bounded,
         "seconds": 100, "control": CONTROL}

attack("floods stdout", LIMITED, """
for step in range(4000):
    print("x" * 65535)
""", **FLOOD)
attack("floods stderr", LIMITED, """
for step in range(4000):
    print("x" * 65535, file=sys.stderr)
""", **FLOOD)
attack("floods descriptor 1 with bytes that are no text", LIMITED, """
for step in range(4000):
    os.write(1, b"\\xff\\xfe\\x80" * 21845)
""", **FLOOD)
attack("floods by a child", LIMITED, """
import subprocess
subprocess.run("yes attack | head -c 250000000", shell=True)
""", **FLOOD)
attack("prints once, 200 MiB", LIMITED, """
print("x" * (200 << 20))
""", **FLOOD)
attack("floods display", LIMITED, """
for step in range(4000):
    display({"text/plain": "x" * 65535}, raw=True)
""", **FLOOD)
attack("shows one huge bundle", LIMITED, """
display({"text/html": "x" * (60 << 20), "text/plain": "small"}, raw=True)
""", **{**FLOOD, "status": {"limit", "died", "ok"}, "limit": None, "failures": {"nothing"}})
attack("returns a huge value", LIMITED, """
LOST["value"] = "nothing"
class Huge:
    def __repr__(self):
        return "x" * (60 << 20)
display(Huge())
""", **{**FLOOD, "status": {"limit", "died", "ok"}, "limit": None, "failures": {"nothing"}})
attack("raises a huge error", LIMITED, """
raise ValueError("x" * (20 << 20))
""", **{**FLOOD, "status": {"limit", "error"}, "limit": None})
attack("storms with comms", LIMITED, """
LOST["comms"] = "nothing"
session, socket = get_ipython().kernel.session, get_ipython().kernel.iopub_socket
for step in range(3000):
    session.send(socket, "comm_open", {"comm_id": str(step), "target_name": "x",
                                       "data": {"x": "y" * 20000}},
                 parent=get_ipython().kernel.get_parent("shell"))
""", **{**FLOOD, "status": {"ok", "limit", "died"}, "limit": None, "failures": {"nothing"}})
attack("storms with clear_output", LIMITED, """
from IPython.display import clear_output
for step in range(8000):
    clear_output()
LOST["storm"] = "nothing"
""", **{**FLOOD, "status": {"ok", "limit"}, "limit": None, "failures": {"nothing"}, "seconds": 100})

ESCAPES = ("\x1b]0;owned\x07", "\x1b]52;c;b3duZWQ=\x07", "\x1b[2J", "\x9b31m", "\x1bP+q\x1b\\",
           "\u202egnp.exe", "\x08\x08", "\x1b[6n", "\r", "\x1b]8;;http://evil\x07")


def at_a_terminal(house, *arguments):
    """What a command writes when its three descriptors are a terminal."""
    main, side = os.openpty()
    with house.popen(*arguments, stdin=side, stdout=side, stderr=side) as program:
        os.close(side)
        text = b""
        try:
            while part := os.read(main, 65536):
                text += part
        except OSError:
            pass
        program.wait()
    os.close(main)
    return text.decode(errors="surrogateescape")


def terminal_is_safe(scene):
    """What `cellblock run` writes to a terminal for such code: no control character but newlines,
    tabs and colours."""
    text = at_a_terminal(scene.arena.house, "run", "-c", PRINT_ESCAPES)
    rest = re.sub("\x1b\\[[0-9;]*m", "", text).replace("\r\n", "\n")
    bad = re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", rest)
    assert not bad, "reached the terminal: %r" % bad
    assert "owned" in text, "nothing was printed at all"


PRINT_ESCAPES = """
import sys
words = %r
print(*words)
print(*words, file=sys.stderr)
display({"text/plain": " ".join(words)}, raw=True)
raise ValueError(" ".join(words))
""" % (ESCAPES,)
attack("prints escapes for the terminal", BLOCKED, """
LOST["escapes"] = "nothing"
""", failures={"nothing"}, outside=terminal_is_safe, control="tests of cellblock --raw")
