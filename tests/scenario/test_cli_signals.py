"""test_cli_signals.py - Ctrl-C and termination while a cell runs, and at a real terminal."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from wireclient import HOLD, let_go


def wait_for(look, seconds=120):
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until, "it did not come within %d s" % seconds
        time.sleep(0.05)


def interrupt_until_it_ends(process):
    """Again and again: on a busy machine two of them may be more than two seconds apart, and the
    second counts as a first one."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(0.5)
            return
        except subprocess.TimeoutExpired:
            pass


BUSY = "import time\nprint('on', flush=True)\ntime.sleep(1000)"


@pytest.mark.parametrize("signum,code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_interrupts_the_cell_and_the_session_lives(daemon, signum, code):
    daemon.cellblock("run", "-s", "work", "-c", "x = 5")
    process = daemon.popen("run", "-s", "work", "-o", "stream-json", "-c", BUSY)
    while '"on\\n"' not in process.stdout.readline():
        pass
    process.send_signal(signum)
    events = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert process.wait(120) == code
    assert events[-1]["type"] == "end" and events[-1]["status"] == "interrupted"
    assert [event["ename"] for event in events if event["type"] == "error"] == ["KeyboardInterrupt"]
    process.stdout.close()
    process.stderr.close()
    assert daemon.cellblock("run", "-s", "work", "-c", "print(x)").stdout == "5\n"


def test_a_daemon_that_is_killed_under_a_run(daemon):
    process = daemon.popen("run", "-s", "work", "-c", BUSY)
    assert process.stdout.readline() == "on\n"
    daemon.stop(signal.SIGKILL)
    # 6: the broker still had the time to say that the cell's kernel was ended; 1: it had not.
    assert process.wait(120) in (1, 6)
    assert process.stderr.read().startswith("cellblock: ")
    process.stdout.close()
    process.stderr.close()


STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, lambda *_: print('no', flush=True))
print('on', flush=True)
while True:
    time.sleep(60)
"""


@pytest.mark.parametrize("session", [None, "work"])
def test_a_second_interrupt_ends_the_kernel(daemon, session):
    more = ["-s", session] if session else []
    process = daemon.popen("run", *more, "-t", "60", "-c", STUBBORN)
    assert process.stdout.readline() == "on\n"
    process.send_signal(signal.SIGINT)
    # One that comes later than two seconds after the last is another first one, as the cell says.
    while process.stdout.readline() == "no\n":
        process.send_signal(signal.SIGINT)
    assert process.wait(120) == 130
    assert "ended" in process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    wait_for(lambda: daemon.json("ls")["sessions"] == [])


def test_a_terminated_command_leaves_no_kernel(daemon):
    process = daemon.popen("run", "-t", "60", "-c", STUBBORN)
    assert process.stdout.readline() == "on\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 143
    process.stdout.close()
    process.stderr.close()
    wait_for(lambda: daemon.json("ls")["sessions"] == [])


def is_full(pipe):
    """Whether nothing more goes into a pipe until somebody reads."""
    held = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]
    return held > fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) - select.PIPE_BUF


def test_signals_count_while_the_reader_sleeps(daemon):
    process = daemon.popen("run", "-c", "print('x' * 20_000_000)\nimport time\ntime.sleep(60)")
    wait_for(lambda: is_full(process.stdout))
    interrupt_until_it_ends(process)
    assert process.wait(120) == 130
    process.stdout.close()
    process.stderr.close()
    wait_for(lambda: daemon.json("ls")["sessions"] == [])


def test_a_waiting_cell_does_not_interrupt_the_running_one(daemon):
    first = daemon.popen("run", "-s", "work", "-o", "stream-json", "-c",
                         "print('on', flush=True)\n" + HOLD + "print('done')")
    while '"on\\n"' not in first.stdout.readline():
        pass
    second = daemon.popen("run", "-s", "work", "-c", "print('second')")
    assert "waiting for 1 other cell of session 'work'" in second.stderr.readline()
    second.send_signal(signal.SIGINT)
    assert second.wait(120) == 130
    assert "not begun" in second.stderr.read()
    let_go(daemon.client(), "work")
    assert "done" in first.stdout.read()
    assert first.wait(120) == 0
    for process in (first, second):
        process.stdout.close()
        process.stderr.close()


# -- at a terminal ---------------------------------------------------------------------------------

class Terminal:
    """The command line at a pseudo terminal of its own, as at a person's."""

    def __init__(self, house, *arguments, **env):
        self.text = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir("/")
            os.execve(house.program("cellblock"), ["cellblock", *arguments],
                      {**house.env, "TERM": "xterm", **env})

    def read_until(self, word, seconds=120):
        until = time.monotonic() + seconds
        while word not in self.text:
            ready = select.select([self.fd], [], [], max(until - time.monotonic(), 0))[0]
            assert ready, (word, self.text)
            self.text += os.read(self.fd, 65536)
        return self.text

    def type(self, keys):
        os.write(self.fd, keys)

    def type_at_each(self, word, keys, last):
        """The keys whenever the word comes, until the last word does: a second Ctrl-C that is late
        is another first one, and told so."""
        until, typed = time.monotonic() + 120, 0
        while last not in self.text:
            if self.text.count(word) > typed:
                typed += 1
                self.type(keys)
            ready = select.select([self.fd], [], [], max(until - time.monotonic(), 0))[0]
            assert ready, (last, self.text)
            self.text += os.read(self.fd, 65536)

    def end(self):
        """The exit code; everything that came is in text."""
        try:
            while True:
                part = os.read(self.fd, 65536)
                if not part:
                    break
                self.text += part
        except OSError:
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_ctrl_c_at_a_terminal(daemon):
    terminal = Terminal(daemon, "run", "-t", "60", "-c", BUSY)
    terminal.read_until(b"on\r\n")
    terminal.type(b"\x03")
    assert terminal.end() == 130
    assert b"^C\r\n" in terminal.text
    assert b"KeyboardInterrupt" in terminal.text


def test_the_second_ctrl_c_at_a_terminal(daemon):
    terminal = Terminal(daemon, "run", "-t", "60", "-c", STUBBORN)
    terminal.read_until(b"on\r\n")
    terminal.type(b"\x03")
    terminal.type_at_each(b"Ctrl-C once more ends its kernel", b"\x03", b"the kernel was ended")
    assert terminal.end() == 130
    assert b"the kernel was ended" in terminal.text
    assert b"Traceback" not in terminal.text


NASTY = ("print('\x1b]0;title\x07\x1b]52;c;aGk=\x07\x1b[2J\x1b[8mhidden\x1b[31mred')\n"
         "print('\u202ebackwards \x9b31m \x85')\nraise Exception('\x1b]0;other\x07')")


def test_nothing_a_cell_prints_commands_the_terminal(daemon):
    terminal = Terminal(daemon, "run", "-c", NASTY)
    assert terminal.end() == 5
    text = terminal.text.decode()
    for sequence in re.findall("\x1b.[^\x1b]?", text):
        assert sequence.startswith("\x1b["), repr(sequence)
    assert set(re.findall("\x1b\\[[0-9;]*([^0-9;])", text)) == {"m"}
    assert "\\x1b]52;c;aGk=\\x07\\x1b[2J\\x1b[8mhidden\x1b[31mred" in text
    assert "\\u202ebackwards \\u009b31m \\u0085" in text
    assert "\\x1b]0;other\\x07" in text
    assert not re.search("[\x80-\x9f\u202a-\u202e\u2066-\u2069\x07]", text)


def test_raw_is_raw(daemon):
    terminal = Terminal(daemon, "run", "--raw", "-c", NASTY)
    terminal.end()
    assert b"\x1b]52;c;aGk=\x07\x1b[2J\x1b[8m" in terminal.text


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_none_are_wanted(daemon, variable):
    terminal = Terminal(daemon, "run", "-c", "print('\x1b[31mred\x1b[0m')\n1 / 0", **variable)
    assert terminal.end() == 5
    assert b"\x1b" not in terminal.text
    assert b"red\r\n" in terminal.text


def test_a_progress_bar_ends_with_its_last_state(daemon):
    code = "for i in range(0, 101, 25): print('\\r%3d %%' % i, end='', flush=True)"
    terminal = Terminal(daemon, "run", "-c", code)
    assert terminal.end() == 0
    assert terminal.text.endswith(b"\r\x1b[K100 %\r\n")


def test_json_at_a_terminal_is_plain_ascii(daemon):
    terminal = Terminal(daemon, "run", "-o", "json", "-c", NASTY)
    assert terminal.end() == 5
    assert re.fullmatch(rb"[\r\n\x20-\x7e]*", terminal.text)
    assert json.loads(terminal.text)["outputs"][0]["text"].startswith("\x1b]0;title\x07")


def test_code_typed_at_a_terminal(daemon):
    terminal = Terminal(daemon, "run", "-")
    terminal.read_until(b"Ctrl-D")
    terminal.type(b"print(6 * 7)\n\x04")
    assert terminal.end() == 0
    assert b"\r\n42\r\n" in terminal.text
