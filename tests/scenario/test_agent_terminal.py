"""test_agent_terminal.py - cellblock -p at a terminal: nothing a model says can command it, and
Ctrl-C ends what is under way."""
import os
import pty
import select
import signal
import time

import pytest

import fake_openai as fake


class Terminal:
    """cellblock -p in a terminal of its own."""

    def __init__(self, house, server, *arguments):
        env = {**house.env, "OPENAI_BASE_URL": server.url, "CELLBLOCK_MODEL": "fake",
               "TERM": "xterm"}
        program = house.program("cellblock")
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the checks may run under nohup
            os.execve(program, [program, "-p", "do it", *arguments], env)

    def read(self, until=None, seconds=120):
        """Everything up to these words, or to the end."""
        deadline = time.monotonic() + seconds
        while until is None or until not in self.text:
            if not self._read_some(deadline):
                assert until is None, self.text
                break
        return self.text

    def _read_some(self, deadline):
        """Whether anything came before the end."""
        ready = select.select([self.fd], [], [], max(deadline - time.monotonic(), 0))[0]
        assert ready, self.text
        try:
            part = os.read(self.fd, 65536)
        except OSError:
            part = b""
        self.text += part.decode(errors="replace")
        return part != b""

    def type_at_each(self, word, keys, last, seconds=120):
        """The keys whenever the word comes, until the last word does: a second Ctrl-C that a busy
        machine brings late is another first one, and told so."""
        deadline, typed = time.monotonic() + seconds, 0
        while last not in self.text:
            if self.text.count(word) > typed:
                typed += 1
                self.type(keys)
            assert self._read_some(deadline), self.text

    def type(self, keys):
        os.write(self.fd, keys)

    def end(self):
        self.read()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(daemon):
    servers = []

    def make(*answers, arguments=()):
        servers.append(fake.FakeOpenAI(answers))
        return Terminal(daemon, servers[-1], *arguments)
    yield make
    for server in servers:
        server.close()


def test_words_and_code_cannot_command_the_terminal(terminal):
    code = "s = '\x1b]0;title\x07'\nprint(s)\nprint('\x1b[2J')"
    task = terminal(
        fake.calls(code, text="a\x1b]52;c;eA==\x07"),
        fake.words("b\u202ec\x9b2J"))
    assert task.end() == 0
    for wrong in ("\x1b]", "\x07", "\x1b[2J", "\u202e", "\x9b"):
        assert wrong not in task.text, repr(task.text)
    assert "a\\x1b]52;c;eA==\\x07\r\n" in task.text
    assert ">>> s = '\\x1b]0;title\\x07'\r\n" in task.text
    assert "b\\u202ec" in task.text


def test_ctrl_c_while_the_model_speaks(terminal):
    task = terminal(fake.raw([fake.delta(content="so far"), 200]))
    task.read("so far")
    task.type(b"\x03")
    assert task.end() == 130


def test_ctrl_c_in_a_cell(terminal):
    task = terminal(fake.calls("import time\nprint('be' + 'gun', flush=True)\ntime.sleep(1000)"),
                    fake.words("never"))
    task.read("begun")
    task.type(b"\x03")
    assert task.end() == 130
    assert "KeyboardInterrupt" in task.text and "never" not in task.text


def test_ctrl_c_twice_ends_a_stubborn_cell(terminal, daemon):
    code = ("import time\nwhile True:\n    try:\n        print('be' + 'gun', flush=True)\n"
            "        time.sleep(100)\n    except BaseException:\n        pass")
    task = terminal(fake.calls(code), fake.words("never"), arguments=("-s", "work"))
    task.read("begun")
    task.type(b"\x03")
    task.type_at_each("Ctrl-C once more", b"\x03", "its variables are gone")
    assert task.end() == 130
    assert "its variables are gone" in task.text
    assert daemon.json("ls") == {"sessions": []}


def test_a_session_that_stays_is_told(terminal):
    task = terminal(fake.words("ok"), arguments=("-s", "work"))
    assert task.end() == 0
    assert "session 'work' stays; cellblock stop work ends it" in task.text


def test_a_terminal_that_closes_ends_the_task(terminal, daemon):
    task = terminal(fake.calls("import time\nprint('be' + 'gun', flush=True)\ntime.sleep(1000)"),
                    fake.words("never"))
    task.read("begun")
    os.close(task.fd)
    assert os.waitstatus_to_exitcode(os.waitpid(task.pid, 0)[1]) == 143
    assert daemon.json("ls") == {"sessions": []}
