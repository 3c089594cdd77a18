"""test_magics.py - IPython's commands in a jail, a row each: it works, or a sentence says why not
and what would allow it."""
import io
import re
import zipfile

import pytest

from attached import SECONDS, attach, iopub_until_idle, reply_to, run

NETWORK = "cellblock: this jail has no network (profile default): "
PROGRAMS = ("cellblock: this jail starts no other programs and processes, only threads "
            "(profile safe_eval has subprocesses = off)")
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# Code, the reply's status, what is among what a person sees.
WORKS = (
    ("!echo one two", "ok", "one two"),
    ("x = !echo captured\nx", "ok", "['captured']"),
    ("!!echo listed", "ok", "['listed']"),
    ("%sx echo listed", "ok", "['listed']"),
    ("%%bash\necho $((20 + 3))", "ok", "23"),
    ("%%script python3\nprint(4 * 6)", "ok", "24"),
    ("%%writefile hello.py\nprint('from', 'a file')", "ok", "Writing hello.py"),
    ("%run hello.py", "ok", "from a file"),
    ("%load hello.py", "ok", "next input: # %load hello.py"),
    ("%ls", "ok", "hello.py"),
    ("%cat hello.py", "ok", "print('from', 'a file')"),
    ("%pycat hello.py", "ok", "page: print('from', 'a file')"),
    ("%timeit -n 3 -r 2 1 + 1", "ok", "2 runs, 3 loops each"),
    ("%%timeit -n 3 -r 2\n1 + 1", "ok", "2 runs, 3 loops each"),
    ("%time sum(range(9))", "ok", "Wall time:"),
    ("%%time\nx = 1", "ok", "Wall time:"),
    ("%prun sum(range(9))", "ok", "page:          4 function calls"),
    ("%%capture out\nprint('caught')", "ok", ""),
    ("out.show()", "ok", "caught"),
    ("%load_ext autoreload", "ok", ""),
    ("%autoreload 2", "ok", ""),
    ("import hello", "ok", "from a file"),
    ("%%writefile hello.py\nprint('from another')", "ok", "Overwriting hello.py"),
    ("import os, time; os.utime('hello.py', (time.time() + 9,) * 2)\nhello.__name__", "ok",
     "from another"),
    ("%who", "ok", "hello"),
    ("%whos", "ok", "Data/Info"),
    ("%history -l 2", "ok", "%whos"),
    ("%save kept 1-2", "ok", "written to file `kept.py`"),
    ("%cd /tmp", "ok", "/tmp"),
    ("%cd -", "ok", "/work"),
    ("%pwd", "ok", "'/work'"),
    ("%env COLOUR=red", "ok", "env: COLOUR=red"),
    ("!echo $COLOUR", "ok", "red"),
    ("%pdb on", "ok", "turned ON"),
    ("%pdb off", "ok", "turned OFF"),
    ("import asyncio\nawait asyncio.sleep(0)\n'awaited'", "ok", "'awaited'"),
    ("print?", "ok", "page: Signature:"),
    ("%lsmagic", "ok", "%%writefile"),
    ("%matplotlib inline", "ok", ""),
    ("import matplotlib.pyplot as plt\nplt.plot([1, 2]);", "ok", "image/png"),
    ("%matplotlib", "ok", "cellblock: this jail has no screen for "),
    ("%matplotlib qt", "ok", "cellblock: this jail has no screen for qt: plots are shown inline"),
    ("plt.plot([1, 2]);", "ok", "image/png"),
    ("%%html\n<b>bold</b>", "ok", "text/html"),
    ("%%markdown\n# title", "ok", "text/markdown"),
    ("%%latex\n$x$", "ok", "text/latex"),
    ("%pip --version", "ok", "python 3"),
    ("%pip install numpy", "ok", "Requirement already satisfied: numpy"),
    ("%pip --no-cache-dir install numpy", "ok", "Requirement already satisfied: numpy"),
)
REFUSED = (
    ("%pip install nowhere-to-be-found", "ok", NETWORK + "pip finds what this machine has below "
     "/usr, and files: give a wheel with --input PATH and install /input/NAME.whl"),
    ("x = !pip install nowhere-to-be-found", "ok", NETWORK + "pip finds"),
    ("%pip -q install nowhere-to-be-found", "ok", NETWORK + "pip finds"),
    ("!curl -s https://example.org", "ok", NETWORK + "fetch it outside and give it with --input"),
    ("%%bash\ncurl -s https://example.org", "error", NETWORK + "fetch it outside"),
    ("%load https://example.org/x.py", "error", NETWORK + "fetch it outside"),
    ("%conda install x", "error", "cellblock: conda is not in this jail"),
    ("%load_ext nowhere_to_be_found", "error", "cellblock: the jail has the Python packages that "
     "this machine has below /usr; others come as wheels with --input PATH: %pip install "
     "/input/NAME.whl"),
    ("%run /root/x.py", "error", "cellblock: this path is not in the jail: give it with --input "
     "/root/x.py, it appears as /input/x.py"),
    ("%load /root/x.py", "error", "it appears as /input/x.py"),
    ("%cd /root/data", "ok", "it appears as /input/data"),
    ("%%javascript\nalert(1)", "ok", "cellblock: JavaScript is not shown under active_output = "
     "sandbox; a session made with -l active_output=full shows it"),
    ("%matplotlib notebook", "ok", "cellblock: plots that move are not shown under active_output = "
     "sandbox, so they are shown inline; a session made with -l active_output=full shows them"),
    ("%gui qt", "ok", "cellblock: this jail has no screen: there is no event loop of qt"),
    ("%edit", "error", "%%writefile, or bring them in with cellblock put amber FILE"),
    ("%connect_info", "ok", "cellblock attach amber tells where"),
    ("%qtconsole", "ok", "jupyter qtconsole --existing $(cellblock attach amber --path)"),
    ("kept = 5", "ok", ""),
    ("exit", "ok", "cellblock: exit asks the front end to leave; where that does not end the "
     "session, cellblock stop amber does"),
    ("quit()", "ok", "exit asks the front end to leave"),
    ("kept", "ok", "text/plain: 5"),
)
WITHOUT_PROGRAMS = tuple((code, "error", PROGRAMS) for code in (
    "!ls", "x = !ls", "%sx ls", "%ls", "%%bash\nls", "%%script python3\n1", "%pip install x",
    "import subprocess; subprocess.run(['ls'])")) + (
        ("import nowhere_to_be_found", "error", "below /usr; a cell cannot install others"),
        ("%timeit -n 3 -r 2 1 + 1", "ok", "3 loops each"),
        ("%%writefile a.py\nprint('from', 'a file')", "ok", "Writing a.py"),
        ("%run a.py", "ok", "from a file"))


@pytest.fixture
def amber(request, house):
    profile = getattr(request, "param", "default")
    house.start("--set", "profile.safe_eval.wall=120")
    house.client().call("new", name="amber", profile=profile, wait=True)
    client = attach(house)
    client.house = house
    yield client
    client.stop_channels()


def seen(reply, messages):
    """What a person sees of a cell."""
    parts = ["".join(content["text"] for kind, content in messages if kind == "stream")]
    for kind, content in messages:
        parts += content["traceback"] if kind == "error" else []
        parts += ["%s: %s" % item for item in content.get("data", {}).items()]
    for payload in reply.get("payload", []):
        parts += ["next input: " + payload.get("text", "")]
        parts += ["page: " + text for text in payload.get("data", {}).values()]
    return COLOURS.sub("", "\n".join(parts))


def differences(client, rows):
    """The rows that are not as they say, each with what came."""
    found = []
    for code, status, part in rows:
        reply, messages = run(client, code)
        text = seen(reply, messages)
        if reply["status"] != status or part not in text or "Traceback (most" in text.split(
                "cellblock: ")[-1]:
            found.append((code, reply["status"], text))
    return found


def test_what_works(amber):
    assert differences(amber, WORKS) == []


def test_what_is_refused_and_why(amber):
    assert differences(amber, REFUSED) == []


@pytest.mark.parametrize("amber", ["safe_eval"], indirect=True)
def test_without_programs(amber):
    assert differences(amber, WITHOUT_PROGRAMS) == []


def test_what_is_refused_is_a_sentence_and_no_traceback(amber):
    _, messages = run(amber, "%edit")
    assert [len(content["traceback"]) for kind, content in messages if kind == "error"] == [1]


def wheel():
    """The smallest there is."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("tiny_wheel.py", "ANSWER = 6 * 7\n")
        file.writestr("tiny_wheel-1.dist-info/METADATA",
                      "Metadata-Version: 2.1\nName: tiny_wheel\nVersion: 1\n")
        file.writestr("tiny_wheel-1.dist-info/WHEEL",
                      "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("tiny_wheel-1.dist-info/RECORD", "")
    return data.getvalue()


def test_pip_installs_a_wheel_that_was_given(amber):
    reply, _ = amber.house.client().ask("put", buffers=(wheel(),), session="amber",
                                        path="tiny_wheel-1-py3-none-any.whl", eof=True)
    assert reply.content["status"] == "ok", reply.content
    assert differences(amber, (
        ("import tiny_wheel", "error", "No module named 'tiny_wheel'"),
        ("%pip install /work/tiny_wheel-1-py3-none-any.whl", "ok", "Successfully installed"),
        ("import tiny_wheel; tiny_wheel.ANSWER", "ok", "42"),
        ("!python3 -c 'import tiny_wheel; print(tiny_wheel.ANSWER + 1)'", "ok", "43"))) == []


def answer(client, code, words):
    """Runs a cell that asks, and gives it these words: (prompts, what a person sees)."""
    request, prompts = client.execute(code, allow_stdin=True, stop_on_error=False), []
    for word in words:
        prompts.append(client.get_stdin_msg(timeout=SECONDS)["content"]["prompt"])
        client.input(word)
    reply = reply_to(client, request)
    return prompts, seen(reply, iopub_until_idle(client, request))


def test_the_debugger_of_ipython_asks_the_client(amber):
    run(amber, "def divide(by):\n    return 10 / by")
    run(amber, "divide(0)", stop_on_error=False)
    prompts, text = answer(amber, "%debug", ["p by + 70", "up", "quit"])
    assert prompts == ["ipdb> "] * 3 and "70" in text and "return 10 / by" in text
    prompts, text = answer(amber, "import pdb\nword = 'amber'\npdb.set_trace(); word", [
        "p word.upper()", "continue"])
    assert len(prompts) == 2 and "'AMBER'" in text
    prompts, text = answer(amber, "%pdb on\ndivide(0)", ["p by + 80", "quit"])
    assert len(prompts) == 2 and "80" in text and "ZeroDivisionError" in text
