"""test_console.py - `jupyter console --existing FILE` in a terminal (tmux): cells, completion,
input (), two consoles on one kernel, leaving; and one that starts its kernel itself.

Debian's jupyter console (6.4.4) interrupts no kernel that it has not started itself, whatever that
kernel can: Ctrl-C says so, and `cellblock interrupt` does it."""
import os
import shutil
import subprocess
import time
import uuid

import pytest

import leaks
from attached import connection_file
from frontends import environment, install, sessions, wait_for_no_session
from terminal import lives

PYTHON = "/usr/bin/python3"
SECONDS = 120


class Console:
    """One in a tmux of its own."""

    def __init__(self, house, *arguments, kernel=None):
        """kernel: of the kernelspec by which it starts one; else it attaches to `amber`."""
        self.name = "cb-" + uuid.uuid4().hex[:8]
        which = ["--kernel", kernel] if kernel else ["--existing", connection_file(house)]
        env = {**os.environ, **environment(house), "HOME": house.tmp, "JUPYTER_DATA_DIR": house.tmp,
               "JUPYTER_RUNTIME_DIR": house.tmp, "IPYTHONDIR": house.tmp, "TMUX_TMPDIR": house.tmp,
               "TERM": "xterm", "PYTHONDONTWRITEBYTECODE": "1"}
        self.env = env
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "50",
                  PYTHON, "-W", "ignore", "-m", "jupyter_console", *which, *arguments)

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-L", self.name, *arguments], env=self.env, check=False,
                              capture_output=True, text=True, timeout=SECONDS).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p", "-S", "-200")

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def type(self, text):
        self.tmux("send-keys", "-l", text)
        self.keys("Enter")

    def wait(self, text, times=1):
        until = time.monotonic() + SECONDS
        while self.screen().count(text) < times:
            assert time.monotonic() < until, "no %r on the screen:\n%s" % (text, self.screen())
            time.sleep(0.1)

    def press_until(self, key, text, times=1):
        """Once, and again where the console was not yet waiting, or has given up an answer."""
        until = time.monotonic() + SECONDS
        while True:
            self.keys(key)
            if leaks.wait_for(lambda: self.screen().count(text) >= times, 5, 0.1):
                return
            assert time.monotonic() < until, "no %r on the screen:\n%s" % (text, self.screen())

    def close(self):
        """Waits for the console's own end: it writes into its folders to the last."""
        ends = self.tmux("display-message", "-p", "#{pid} #{pane_pid}").split()
        self.tmux("kill-server")
        leaks.wait_for(lambda: not any(lives(pid) for pid in ends), SECONDS)


@pytest.fixture
def amber(daemon, client):
    client.call("new", name="amber", wait=True)
    yield daemon
    for name in os.listdir(daemon.tmp):
        shutil.rmtree(os.path.join(daemon.tmp, name))


@pytest.fixture
def consoles(amber):
    made = []

    def make(*arguments):
        made.append(Console(amber, *arguments))
        return made[-1]
    yield make
    for one in made:
        one.close()


def test_a_person_at_a_console(amber, client, consoles):
    one = consoles("--simple-prompt")
    one.wait("In [1]:")
    assert "cellblock: this Python is jailed (session amber, profile default)" in one.screen()
    one.type("print('answer', 6 * 7)")
    one.wait("answer 42")
    one.type("name = input('who? ')")
    one.wait("who?", 2)
    one.type("Ada")
    one.type("print('hello', name)")
    one.wait("hello Ada")
    one.type("import time; time.sleep(200)")
    assert leaks.wait_for(lambda: client.call("show", session="amber")["state"] == "busy")
    one.press_until("C-c", "Cannot interrupt kernels we didn't start")
    assert amber.cellblock("interrupt", "amber").returncode == 0
    one.wait("KeyboardInterrupt")
    one.type("print('still', 'here')")
    one.wait("still here")
    done = amber.cellblock("run", "-s", "amber", "-c", "print(name)")
    assert done.stdout == "Ada\n", done.stderr
    one.keys("C-d")
    time.sleep(0.5)
    one.tmux("send-keys", "-l", "y")
    one.keys("Enter")
    time.sleep(1)
    assert "amber" in [info["name"] for info in client.call("list")["sessions"]], \
        "leaving keeps the session"


def test_two_consoles_and_the_command_line(amber, consoles):
    first, second = consoles("--simple-prompt"), consoles("--simple-prompt")
    first.wait("In [1]:")
    second.wait("In [1]:")
    first.type("x = 20")
    first.wait("In [2]:")
    second.type("print('x', x + 2)")
    second.wait("x 22")
    assert amber.cellblock("run", "-s", "amber", "-c", "print(x)").stdout == "20\n"


def test_completion_at_a_real_prompt(amber, consoles):
    """Without --simple-prompt the console draws, colours and completes."""
    one = consoles("--ZMQTerminalInteractiveShell.include_other_output=True")
    one.wait("In [1]:")
    one.type("a_long_variable_name = 5")
    one.wait("In [2]:")
    one.tmux("send-keys", "-l", "a_long_v")
    one.press_until("Tab", "a_long_variable_name", 2)
    one.keys("C-c")
    amber.cellblock("run", "-s", "amber", "-c", "print('from elsewhere')")
    one.press_until("Enter", "from elsewhere")


@pytest.fixture
def starter(house):
    """Makes consoles that start their kernel; what they leave in the temporary folder goes."""
    install(house)
    made = []

    def make():
        made.append(Console(house, "--simple-prompt", kernel="cellblock"))
        made[-1].wait("In [1]:")
        return made[-1]
    yield make
    for one in made:
        one.close()
    wait_for_no_session(house)
    for name in os.listdir(house.tmp):
        shutil.rmtree(os.path.join(house.tmp, name))


def test_a_console_that_starts_its_kernel(house, starter):
    one = starter()
    name = sessions(house)[0]["name"]
    assert "cellblock: this Python is jailed (session %s, profile default)" % name in \
        one.screen().replace("\n", "")
    one.type("who = input('who? ')")
    one.wait("who?", 2)
    one.type("Ada")
    one.type("print('hello', who)")
    one.wait("hello Ada")
    one.type("import time; print('be' 'gun'); time.sleep(3600)")
    one.wait("begun")
    one.press_until("C-c", "KeyboardInterrupt")
    one.type("print('still', 'here')")
    one.wait("still here")
    one.type("exit")
    wait_for_no_session(house)
    again = starter()
    assert [info["name"] for info in sessions(house)] != [name]
    again.type("print('again', 'who' in globals())")
    again.wait("again False")
    again.type("exit")
    wait_for_no_session(house)
