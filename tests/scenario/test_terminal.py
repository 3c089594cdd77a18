"""test_terminal.py - nothing that a cell, a file's name or an argument says commands a terminal.

Every command is run with a terminal as its output; what arrives may have text, line ends, tabs and
colours, and nothing else: no other escape sequence, no C1 control, no letter that turns text round.
"""
import os
import pty
import re
import select
import subprocess

import pytest

# Title, clipboard, a key that types itself, an 8-bit CSI, text that runs backwards, a bell.
EVIL = "\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b[6n\x9b31m\u202etxt\u2066\x07\x08\x0b"
COLOURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[K")
SECONDS = 90


def on_terminal(house, *arguments):
    """Runs the command line with a terminal as standard output and error; status and text."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        house._prefix() + [house.program("cellblock"), *arguments], stdin=subprocess.DEVNULL,
        stdout=theirs, stderr=theirs, env={**house.env, "TERM": "xterm-256color"}, cwd="/")
    os.close(theirs)
    text = b""
    while select.select([ours], [], [], SECONDS)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        text += part
    os.close(ours)
    return child.wait(SECONDS), text.decode("utf-8", "backslashreplace")


def commands_in(text):
    """What is left of a text that a terminal would obey."""
    return re.findall(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]",
                      COLOURS.sub("", text))


@pytest.fixture
def evil(daemon):
    """A session whose files, names and last words are what a terminal should never see."""
    code = """
import os
EVIL = %a
open("/work/evil", "w").write(EVIL)
open("/output/" + EVIL.replace("/", ""), "w").write("x")
open("/output/plain", "w").write("x")
os.symlink("/etc/passwd", "/output/link" + EVIL[:5])
""" % EVIL
    assert daemon.json("run", "-s", "s", "-c", code)["status"] == "ok"
    return daemon


CELLS = {
    "standard output": "print(%a)",
    "standard error": "import sys; print(%a, file=sys.stderr)",
    "the descriptor": "import os; os.write(1, %a.encode())",
    "a result": "class A:\n    def __repr__(self): return %a\nA()",
    "a display": "display({'text/plain': %a, 'text/html': 'x'}, raw=True)",
    "an exception": "raise ValueError(%a)",
    "an exception's name": "raise type(%a.replace(chr(0), ''), (Exception,), {})()",
    "source text": "1/0 # %s" % EVIL,
    "a file's name": "open('/output/other' + %a, 'w').close()",
    "a picture": "display({'image/png': %a, 'text/plain': %a}, raw=True)",
    "last words": "import os\nos.write(2, %a.encode())\nos._exit(3)",
}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("form", ["text", "json", "stream-json"])
def test_what_a_cell_says(evil, name, form):
    code = CELLS[name].replace("%a", ascii(EVIL))
    _, text = on_terminal(evil, "run", "-s", "s", "-o", form, "-c", code)
    assert text and commands_in(text) == [], text


def test_raw_is_raw(evil):
    _, text = on_terminal(evil, "run", "-s", "s", "--raw", "-c", "print(%a)" % EVIL)
    assert "\x1b]0;title" in text
    _, text = on_terminal(evil, "get", "s", "/work/evil", "-o", "-", "--raw")
    assert "\x1b]0;title" in text


def test_a_pipe_gets_the_bytes(evil):
    assert evil.cellblock("get", "s", "/work/evil", "-o", "-").stdout.startswith("\x1b]0;title")


COMMANDS = [
    ("files", "s"), ("files", "s", "-o", "json"), ("get", "s", "/work/evil", "-o", "-"),
    ("get", "s", "/work/" + EVIL), ("get", "s", "/work/evil", "-o", "/nowhere/" + EVIL),
    ("put", "s", "/nowhere/" + EVIL), ("show", "s"), ("show", "s", "-o", "json"), ("ls",),
    ("show", EVIL), ("new", EVIL), ("attach", EVIL), ("stop", EVIL), ("interrupt", EVIL),
    ("profile", "show", EVIL), ("run", "-P", EVIL, "-c", "1"), ("run", "-t", EVIL, "-c", "1"),
    ("run", "--input", "/nowhere/" + EVIL, "-c", "1"), ("run", "/nowhere/" + EVIL), (EVIL,),
    ("--" + EVIL,), ("run", "-o", EVIL), ("-C", "/nowhere/" + EVIL, "ls"), ("daemon", EVIL),
    ("-p", "x", "--model", EVIL), ("kernel", "-f", "/nowhere/" + EVIL),
]


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_what_is_told_about_names(evil, number):
    _, text = on_terminal(evil, *COMMANDS[number])
    assert text and commands_in(text) == [], text


def test_last_words_are_harmless_later_too(evil):
    code = "import os\nos.write(2, %a.encode())\nos._exit(3)" % EVIL
    evil.cellblock("run", "-s", "s", "-c", code)
    for arguments in (("show", "s"), ("ls",), ("show", "s", "-o", "json")):
        _, text = on_terminal(evil, *arguments)
        assert text and commands_in(text) == [], text


def test_the_log_can_be_looked_at(evil):
    """What could not be collected is in it, with the names."""
    assert "not collected" in evil.log()
    assert commands_in(evil.log().replace("\t", "").replace("\n", "")) == []
