"""test_python_mode.py - cellblock without a command, at a terminal (tmux): a prompt for Python in a
session that stays."""
import os
import re
import shutil
import signal
import time

import pytest

import leaks
from terminal import SECONDS, Terminal
from wireclient import let_go

PROMPT = "\n>>>"


@pytest.fixture
def terminal_of():
    """Makes terminals in a house; they, and what tmux leaves behind, are gone afterwards."""
    made = []

    def make(house, **more):
        made.append((Terminal(house, **more), house))
        return made[-1][0]
    yield make
    for one, _ in made:
        one.close()
    for folder in {house.tmp for _, house in made}:
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


@pytest.fixture
def terminal(house, terminal_of):
    return lambda **more: terminal_of(house, **more)


@pytest.fixture
def prompt(daemon, terminal):
    """One that is ready, in session work."""
    one = terminal()
    enter(one)
    return one


def enter(one, command="cellblock -s work"):
    one.type(command)
    one.wait_end(PROMPT)


def run(one, code, until=PROMPT):
    """Types it and waits for the next prompt."""
    before = one.screen()
    one.type(code)
    one.wait_end(until, but=before)


def processes(name):
    """Process ids of our programs of that name."""
    return [pid for pid, comm in leaks.descendants().items() if comm == name[:15]]


# -- cells -----------------------------------------------------------------------------------------

def test_values_blocks_and_errors(prompt):
    run(prompt, "6 * 7")
    prompt.wait("\n42\n")
    run(prompt, "def double(x):", "\n...")
    run(prompt, "return x * 2", "\n...")
    run(prompt, "")
    run(prompt, "double(21.5)")
    screen = prompt.wait("\n43.0\n")
    assert ">>> def double(x):\n...     return x * 2\n...\n>>> double(21.5)\n" in screen
    run(prompt, "(1 +", "\n...")
    run(prompt, "2)")
    prompt.wait("\n3\n")
    run(prompt, "1 / 0")
    assert "ZeroDivisionError: division by zero\n" in prompt.screen()
    assert "\033[" in [line for line in prompt.styled().split("\n") if "ZeroDivision" in line][0]
    run(prompt, "1 +* 2")
    assert "SyntaxError" in prompt.screen()


def test_a_blank_line_ends_a_cell_magic(prompt):
    run(prompt, "%%time", "\n...")
    run(prompt, "print('tim' + 'ed')", "\n...")
    run(prompt, "")
    prompt.wait("\ntimed\n")
    prompt.wait("Wall time:")


def test_output_comes_as_it_is_printed(prompt):
    run(prompt, "import time")
    prompt.type("for i in range(3): print('be' + 'gun', i, flush=True); time.sleep(1000)")
    prompt.keys("Enter")
    prompt.wait("begun 0")
    assert "begun 1" not in prompt.screen()
    prompt.keys("C-c")
    prompt.wait("\nKeyboardInterrupt")


def test_a_block_that_is_pasted_is_one_cell(prompt):
    block = "def f(x):\n    if x:\n\n        return 'yes'\n\n    return 'no'\n\nprint(f(1), f(0))"
    prompt.paste(block)
    prompt.wait("print(f(1), f(0))")
    time.sleep(0.3)  # nothing may happen
    assert "yes no" not in prompt.screen()
    prompt.keys("Enter")
    prompt.wait("\nyes no\n")
    prompt.wait_end(PROMPT)
    prompt.keys("Up")
    prompt.wait("print(f(1), f(0))", 2)
    prompt.keys("Enter")
    prompt.wait("\nyes no\n", 2)


def test_a_block_from_a_terminal_that_does_not_mark_pastes(prompt):
    prompt.paste("def f(x):\n    if x:\n\n        return 'yes'\n\n    return 'no'\n\n"
                 "print(f(1), f(0))\n\n", marked=False)
    prompt.wait("\nyes no\n")
    assert "Error" not in prompt.screen()


def test_a_newline_by_hand_and_tabs(prompt):
    prompt.put("x = 1")
    prompt.keys("M-Enter")
    prompt.put("if x:")
    prompt.keys("M-Enter", "Tab")
    prompt.put("print('in' + 'side')")
    prompt.keys("M-Enter", "M-Enter", "Enter")
    prompt.wait("\ninside\n")


def test_what_others_see_is_the_same_session(prompt, daemon):
    run(prompt, "x = 20")
    assert daemon.cellblock("run", "-s", "work", "-c", "print(x); x += 1").stdout == "20\n"
    run(prompt, "x")
    prompt.wait("\n21\n")


def test_nothing_printed_commands_the_terminal(prompt):
    run(prompt, r"print('\x1b]0;title\x07\x1b[2J\u202eabc\x9b2J')")
    screen = prompt.screen()
    assert "cellblock -s work" in screen and "\\x1b]0;title\\x07" in screen
    run(prompt, r"input('\x1b[2Jname? ')", "name?")
    assert "cellblock -s work" in prompt.screen()


def test_help_is_shown(prompt, daemon):
    run(prompt, "len?")
    assert "Return the number of items in a container." in prompt.wait("\nType: ")
    done = daemon.json("run", "-s", "work", "-c", "len?")
    assert "Return the number of items" in done["pages"][0] and done["outputs"] == []


def test_characters_of_all_kinds(prompt):
    run(prompt, "text = 'é日本🔑'; len(text)")
    prompt.wait("\n4\n")
    prompt.put("'日本")
    prompt.keys("BSpace")
    prompt.type("x'")
    prompt.wait("\n'日x'\n")


def test_a_plot_and_files(prompt, daemon):
    run(prompt, "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()")
    screen = prompt.wait("picture 1: ")
    path = re.search(r"picture 1: (\S+\.png)", screen).group(1)
    with open(path, "rb") as file:
        assert file.read(4) == b"\x89PNG"
    run(prompt, "_ = open('/output/a.txt', 'w').write('hello')")
    path = re.search(r"/output/a.txt: (\S+) \(5 B\)", prompt.screen()).group(1)
    with open(path, encoding="utf-8") as file:
        assert file.read() == "hello"


# -- input () --------------------------------------------------------------------------------------

def test_a_cell_asks(prompt):
    prompt.type("name = input('who? ')")
    prompt.wait("\nwho?")
    prompt.type("Ada Ü")
    prompt.wait_end(PROMPT)
    run(prompt, "print('hello', name)")
    prompt.wait("hello Ada Ü\n")


def test_a_password_is_not_shown(prompt):
    prompt.type("import getpass; word = getpass.getpass('pass: ')")
    prompt.wait("\npass:")
    run(prompt, "xyzzy")
    assert "xyzzy" not in prompt.screen()
    run(prompt, "word[::-1]")
    prompt.wait("'yzzyx'")
    run(prompt, "'typed is shown'")
    assert prompt.screen().count("typed is shown") == 2


def test_an_end_of_file_and_an_interrupt_in_input(prompt):
    prompt.type("input('one ')")
    prompt.wait("\none")
    prompt.keys("C-d")
    prompt.wait("EOFError")
    prompt.wait_end(PROMPT)
    prompt.type("getpass = __import__('getpass').getpass('two ')")
    prompt.wait("\ntwo")
    prompt.keys("C-c")
    prompt.wait("KeyboardInterrupt: Interrupted by user")
    prompt.wait_end(PROMPT)
    run(prompt, "'shown again'")
    assert prompt.screen().count("shown again") == 2


# -- Ctrl-C ----------------------------------------------------------------------------------------

def test_ctrl_c_interrupts_the_cell_and_not_the_program(prompt):
    run(prompt, "x = 5")
    prompt.type("import time; print('be' + 'gun'); time.sleep(1000)")
    prompt.wait("begun")
    prompt.keys("C-c")
    prompt.wait("KeyboardInterrupt")
    prompt.wait_end(PROMPT)
    run(prompt, "x")
    prompt.wait("\n5\n")


def test_ctrl_c_at_the_prompt(prompt):
    """The terminal throws away what it holds when Ctrl-C comes: what was typed is on the screen."""
    prompt.put("half a line")
    prompt.wait_end("half a line")
    prompt.keys("C-c")
    prompt.wait(">>> half a line^C\n>>>")
    prompt.keys("C-c")
    prompt.wait(">>> ^C\n>>>")
    run(prompt, "for i in range(3):", "\n...")
    prompt.put("print(i)")
    prompt.wait_end("print(i)")
    prompt.keys("C-c")
    prompt.wait_end(PROMPT)
    run(prompt, "'still' + ' here'")
    prompt.wait("still here")
    assert "\n0\n" not in prompt.screen()


STUBBORN = ("import time\nfor i in range(100):\n    try:\n        print('be' + 'gun', flush=True)\n"
            "        time.sleep(1000)\n    except BaseException:\n        pass\n")


@pytest.mark.parametrize("again", [False, True])
def test_a_cell_that_ignores_ctrl_c(prompt, again):
    run(prompt, "x = 5")
    prompt.paste(STUBBORN)
    prompt.keys("Enter")
    prompt.wait("begun")
    prompt.keys("C-c")
    if again:
        prompt.keys("C-c")
    prompt.wait("press Ctrl-C once more to end its kernel")
    time.sleep(1)  # what was read counts, a key that bounces does not
    prompt.keys("C-c")
    prompt.wait("session 'work' gets a new one, its variables are gone")
    prompt.wait_end(PROMPT)
    run(prompt, "x")
    prompt.wait("NameError: name 'x' is not defined")
    assert "meanwhile" not in prompt.screen(), "it was told once"


def test_ctrl_c_while_others_run(prompt, daemon):
    with daemon.client() as other:
        request = other.send("run", {"session": "work", "timeout_s": 600,
                                     "code": "import time; print(1); time.sleep(1000)"})
        while other.receive().type != "stream":
            pass
        prompt.type("print('never' + ' run')")
        prompt.wait("waiting for 1 other cell of session 'work'")
        prompt.keys("C-c")
        prompt.wait("the cell was not begun")
        prompt.wait_end(PROMPT)
        assert daemon.json("show", "work")["state"] == "busy"
        assert daemon.cellblock("interrupt", "work").returncode == 0
        assert other.wait(request, "run")[0].content["status"] == "interrupted"
    run(prompt, "'mine'")
    assert "never run" not in prompt.screen()


# -- coming and going ------------------------------------------------------------------------------

@pytest.mark.parametrize("way", ["C-d", "exit", "quit()", "exit(0)"])
def test_leaving_keeps_the_session_and_coming_back_finds_it(prompt, daemon, way):
    run(prompt, "x = 5")
    if way == "C-d":
        prompt.keys("C-d")
    else:
        prompt.type(way)
    screen = prompt.wait("cellblock -s work comes back to it, cellblock stop work ends it")
    assert (">>>\ncellblock" if way == "C-d" else way + "\ncellblock") in screen
    assert [one["name"] for one in daemon.json("ls")["sessions"]] == ["work"]
    prompt.type("cellblock -s work")
    prompt.wait("back in session 'work' (1 cell so far)")
    prompt.wait_end(PROMPT)
    run(prompt, "x")
    prompt.wait("\n5\n")


def test_without_a_name_a_new_session(daemon, terminal):
    one = terminal()
    enter(one, "cellblock")
    name = re.search(r"session '([a-z-]+)'", one.screen()).group(1)
    assert [found["name"] for found in daemon.json("ls")["sessions"]] == [name]
    one.keys("C-d")
    one.wait("cellblock -s %s comes back" % name)
    one.type("echo code $?")
    one.wait("\ncode 0")


def test_options(daemon, terminal):
    path = os.path.join(daemon.tmp, "data.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("a,b\n")
    one = terminal()
    enter(one, "cellblock -s work -P default -t 15 --input " + path)
    run(one, "open('/input/data.csv').read()")
    one.wait("'a,b\\n'")
    run(one, "import time; time.sleep(1000)")
    one.wait("WallTimeLimitExceeded: the cell ran over its wall time of 15 s")
    one.keys("C-d")
    one.wait_end("\n$")
    one.type("cellblock -s work --input " + path)
    one.wait("session 'work' runs already")
    one.type("cellblock -s ../x; echo code $?")
    one.wait("\ncode ")


@pytest.mark.parametrize("fixed", [False, True])
def test_no_wall_time_unless_the_profile_fixes_one(house, terminal, fixed):
    house.start("--set", "profile.default.wall=1s",
                *(["--set", "profile.default.fixed=wall"] if fixed else []))
    one = terminal()
    enter(one)
    run(one, "import time; time.sleep(2.5); 'done'")
    if fixed:
        one.wait("WallTimeLimitExceeded: the cell ran over its wall time of 1 s")
    else:
        one.wait("\n'done'\n")


def test_without_a_terminal(daemon):
    done = daemon.cellblock(stdin="print(1)\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the prompt needs a terminal; cellblock run - runs code" in done.stderr
    done = daemon.cellblock("-t", "5", "-p", "do it")
    assert done.returncode == 2 and "--timeout is for the prompt" in done.stderr
    done = daemon.cellblock("--model", "x")
    assert done.returncode == 2 and "--model belongs behind" in done.stderr


def test_a_dumb_terminal_and_no_colours(daemon, terminal):
    one = terminal(term="dumb")
    enter(one)
    run(one, "1/0")
    assert "ZeroDivisionError" in one.screen() and "\033[3" not in one.styled()


def test_a_terminal_that_knows_only_ascii(daemon, terminal):
    one = terminal(LANG="C", LC_CTYPE="C")
    enter(one)
    run(one, "len('é日')")
    one.wait("\n2\n")


# -- accidents -------------------------------------------------------------------------------------

def test_stopped_and_continued(prompt):
    prompt.put("'begun ")
    prompt.wait_end(">>> 'begun")
    prompt.keys("C-z")
    prompt.wait("Stopped")
    prompt.type("stty -a | tr ' ' '\\n' | grep -x echo")
    prompt.wait("\necho")
    prompt.type("fg")
    prompt.wait_end(">>> 'begun")
    prompt.type("and done'")
    prompt.wait("\n'begun and done'\n")
    prompt.type("import time; print('be' + 'gun'); time.sleep(2); print('do' + 'ne')")
    prompt.wait("\nbegun")
    prompt.keys("C-z")
    prompt.wait("Stopped", 2)
    prompt.type("fg")
    prompt.wait("\ndone\n")
    prompt.wait_end(PROMPT)


def test_another_size(prompt):
    prompt.tmux("resize-window", "-x", "40", "-y", "10")
    run(prompt, "'" + "x" * 60 + "'")
    prompt.tmux("resize-window", "-x", "120", "-y", "30")
    run(prompt, "'after' + 'wards'")
    prompt.wait("'afterwards'")


def test_a_kernel_that_dies(prompt):
    run(prompt, "x = 5")
    run(prompt, "import os; os._exit(3)")
    prompt.wait("KernelDied: the kernel process ended with exit status 3; the session's variables "
                "are gone")
    run(prompt, "6 * 7")
    prompt.wait("\n42\n")
    assert "meanwhile" not in prompt.screen()
    run(prompt, "y = bytearray(10**9)")
    prompt.wait("memory limit")
    run(prompt, "'lives' + ' on'")
    prompt.wait("lives on")


def test_a_kernel_that_dies_between_two_cells(prompt, daemon):
    run(prompt, "x = 5")
    assert daemon.cellblock("restart", "work").returncode == 0
    run(prompt, "x")
    prompt.wait("meanwhile the kernel of session 'work' was started anew")
    prompt.wait("NameError")


def test_a_session_that_is_stopped_meanwhile(prompt, daemon):
    run(prompt, "x = 5")
    assert daemon.cellblock("stop", "work").returncode == 0
    run(prompt, "print('x' in globals())")
    prompt.wait("session 'work' was stopped meanwhile; a new one of that name begins")
    prompt.wait("\nFalse\n")


def test_a_daemon_that_ends(prompt, daemon):
    run(prompt, "x = 5")
    assert daemon.stop() == 0
    prompt.wait("session 'work' is gone")
    prompt.type("echo code $?")
    prompt.wait("\ncode 1")
    prompt.type("stty -a | tr ' ' '\\n' | grep -x echo")
    prompt.wait("\necho")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["prompt", "cell", "input"])
def test_a_signal_leaves_and_the_cell_goes_on(daemon, terminal, number, moment):
    one = terminal()
    enter(one)
    if moment == "cell":
        one.type("import os, time; print('be' + 'gun'); "
                 "[time.sleep(.01) for _ in iter(lambda: os.path.exists('go'), True)]; x = 'kept'")
        one.wait("\nbegun")
    elif moment == "input":
        one.type("import getpass; getpass.getpass('ask: ')")
        one.wait("\nask:")
    pids = [pid for pid in processes("cellblock-talk")
            if b"\0work\0" in open("/proc/%d/cmdline" % pid, "rb").read()]
    os.kill(max(pids), number)
    one.wait("cellblock -s work comes back to it")
    one.type("echo code $?")
    one.wait("\ncode 143")
    if moment == "cell":
        assert "the cell runs on" in one.screen(), one.screen()
        let_go(daemon.client(), "work")
        assert daemon.cellblock("run", "-s", "work", "-c", "print(x)").stdout == "kept\n"
    else:
        assert daemon.cellblock("run", "-s", "work", "-c", "print(1)").stdout == "1\n"
    one.type("stty -a | tr ' ' '\\n' | grep -x echo")
    one.wait("\necho")


def test_a_terminal_that_closes(daemon, terminal):
    one = terminal()
    enter(one)
    one.put("open('/output/partial', 'w')")
    one.close()
    until = time.monotonic() + SECONDS
    while daemon.json("show", "work")["clients"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert daemon.json("show", "work")["executions"] == 0, "half a line is not run"


def broker_of(daemon):
    return daemon.connection()["pid"]


@pytest.mark.parametrize("moment", ["prompt", "cell", "input"])
def test_a_broker_that_dies_is_not_noticed(prompt, daemon, moment):
    run(prompt, "x = 5")
    if moment == "cell":
        prompt.type("import time; print('be' + 'gun', flush=True); time.sleep(4); "
                    "print('do' + 'ne')")
        prompt.wait("\nbegun")
    elif moment == "input":
        prompt.type("name = input('who? ')")
        prompt.wait("\nwho?")
    os.kill(broker_of(daemon), signal.SIGKILL)
    if moment == "cell":
        prompt.wait("\ndone")
    elif moment == "input":
        prompt.type("Ada")
    prompt.wait_end(PROMPT)
    run(prompt, "x")
    prompt.wait("\n5\n")


def test_an_ordinary_user(user_house, terminal_of):
    user_house.start()
    one = terminal_of(user_house)
    enter(one)
    run(one, "name = input('who? ')", "who?")
    run(one, "Ada")
    run(one, "name")
    one.wait("\n'Ada'\n")
    run(one, "import time; print('be' + 'gun', flush=True); time.sleep(1000)", "\nbegun")
    one.keys("C-c")
    one.wait("KeyboardInterrupt")
    one.wait_end(PROMPT)
    one.keys("C-d")
    one.wait("cellblock -s work comes back to it")
