"""test_cli.py - the command line as programs see it: exit codes, JSON, streams of events, pipes."""
import hashlib
import json
import os
import re
import subprocess
import time

import pytest

from conftest import SOURCE
from wireclient import HOLD, let_go

USAGE = 2


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def wait_for(look, seconds=120):
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until, "it did not come within %d s" % seconds
        time.sleep(0.05)


# -- usage: nothing is started, nothing is guessed -------------------------------------------------

@pytest.mark.parametrize("arguments,word", [
    (["rnu"], "did you mean 'run'?"),
    (["plot my data"], "there is no command 'plot my data'; a task for a model"),
    (["list"], "did you mean 'ls'?"),
    (["version"], "did you mean '--version'?"),
    (["analysis.py"], "cellblock run analysis.py"),
    (["kernelspec"], "install|remove [--user|--sys-prefix|--prefix DIR] [--name NAME] [--"),
    (["run"], "-c CODE"),
    (["run", "-c", "1", "file.py"], "one way"),
    (["run", "--sesion", "a", "-c", "1"], "did you mean --session?"),
    (["run", "-o", "yaml", "-c", "1"], "text|json|stream-json"),
    (["run", "-t", "soon", "-c", "1"], "--timeout"),
    (["run", "-t", "0", "-c", "1"], "--timeout"),
    (["stop"], "--all"),
    (["stop", "--all", "a"], "--all"),
    (["show"], "missing"),
    (["show", "a", "b"], "too many"),
    (["daemon", "statu"], "did you mean 'status'?"),
    (["daemon"], "missing"),
])
def test_a_mistake_is_told_and_nothing_starts(house, arguments, word):
    done = house.cellblock(*arguments)
    assert done.returncode == USAGE
    assert done.stdout == ""
    assert word in done.stderr
    assert "--help" in done.stderr
    assert not os.path.exists(house.runtime_dir)


def test_without_a_command_the_help_is_shown(house):
    done = house.cellblock()
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert "cellblock run -c" in done.stderr
    assert house.cellblock("--help").returncode == 0
    assert re.fullmatch(r"cellblock \d+\.\d+\.\d+\n", house.cellblock("--version").stdout)


@pytest.mark.parametrize("arguments,word", [
    (["run", "-s", "a b", "-c", "1"], "session"),
    (["run", "-P", "../x", "-c", "1"], "profile"),
    (["run", "/nowhere/cell.py"], "/nowhere/cell.py: No such file"),
    (["run", "/tmp"], "/tmp: "),
    (["run", "--input", "/nowhere/data.csv", "-c", "1"], "--input /nowhere/data.csv: No such file"),
    (["run", "--input", "/usr/share", "--input", "/usr/local/share", "-c", "1"], "/input/share"),
    (["-C", "/nowhere/a.conf", "run", "-c", "1"], "/nowhere/a.conf: No such file"),
    (["show", "amber"], "no session 'amber'"),
    (["interrupt", "amber"], "no session 'amber'"),
    (["daemon", "status"], "no daemon runs"),
])
def test_what_cannot_be_is_told_before_a_daemon_starts(house, arguments, word):
    done = house.cellblock(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert word in done.stderr
    assert not os.path.exists(os.path.join(house.runtime_dir, "broker.json"))


def test_code_that_is_no_text_is_refused(house):
    for name, content, word in [("bytes.py", b"print('\xff')", "not UTF-8"),
                                ("nul.py", b"print('\0')", "NUL")]:
        path = os.path.join(house.folder, name)
        with open(path, "wb") as file:
            file.write(content)
        done = house.cellblock("run", path)
        assert (done.returncode, done.stdout) == (1, "")
        assert word in done.stderr


def test_without_a_daemon_lists_are_empty(house):
    assert house.json("ls") == {"sessions": []}
    assert house.cellblock("stop", "--all").returncode == 0
    assert house.cellblock("daemon", "stop").returncode == 0


# -- where code comes from -------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", (
    ("ls",), ("stop", "--all"), ("show", "x"), ("daemon", "stop")))
def test_a_folder_of_somebody_else_is_named(house, arguments):
    """"No daemon runs" would be a guess."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.makedirs(house.runtime_dir, mode=0o700, exist_ok=True)
    os.chown(house.runtime_dir, 12345, 12345)
    done = house.cellblock(*arguments)
    os.chown(house.runtime_dir, 0, 0)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "belongs to user 12345" in done.stderr and house.runtime_dir in done.stderr


def test_code_from_an_option_a_file_and_a_pipe(house):
    path = os.path.join(house.folder, "cell.py")
    with open(path, "w", encoding="utf-8-sig") as file:
        file.write("print('grüße')\n")
    assert house.cellblock("run", "-s", "a", "-c", "print('grüße')").stdout == "grüße\n"
    assert house.cellblock("run", "-s", "a", path).stdout == "grüße\n"
    assert house.cellblock("run", "-s", "a", "-", stdin="print('grüße')").stdout == "grüße\n"
    assert house.cellblock("run", "-s", "a", "-", stdin="").returncode == 0


# -- what comes of it ------------------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.parametrize("code,status,exit_code,ename", [
    ("6 * 7", "ok", 0, None),
    ("1 / 0", "error", 5, "ZeroDivisionError"),
    ("raise SystemExit(0)", "error", 5, "SystemExit"),
    ("x = (", "error", 5, "SyntaxError"),
    ("import os; os._exit(3)", "died", 6, "KernelDied"),
    ("import os; os.kill(os.getpid(), 9)", "died", 6, "KernelDied"),
    ("while True: pass", "timeout", 124, "WallTimeLimitExceeded"),
])
def test_exit_codes_and_the_object(cellblock, code, status, exit_code, ename):
    seconds = "2" if status == "timeout" else "100"
    done = cellblock("run", "-t", seconds, "-o", "json", "-c", code)
    run = json.loads(done.stdout)
    assert (done.returncode, run["status"]) == (exit_code, status), done.stderr
    assert ("error" in run) == (ename is not None)
    if ename:
        assert run["error"]["ename"] == ename
        assert isinstance(run["error"]["traceback"], list)
    assert list(run)[:4] == ["session", "run", "status", "execution_count"]
    assert run["usage"]["wall_s"] > 0
    if status != "died":  # nobody is left to ask
        assert set(run["usage"]) == {"wall_s", "cpu_s", "peak_memory_bytes"}
    text = cellblock("run", "-t", seconds, "-c", code)
    assert text.returncode == exit_code
    if ename:
        assert text.stdout == ""
        assert text.stderr.count(ename) >= 1


def test_a_cell_cannot_hide_its_death(cellblock):
    code = ("class KernelDied(Exception):\n    pass\n"
            "import os, sys, time\n"
            "try:\n    raise KernelDied('not at all')\n"
            "except KernelDied:\n    get_ipython().showtraceback()\n"
            "sys.stdout.flush(); time.sleep(0.3); os._exit(3)")
    done = cellblock("run", "-c", code)
    assert done.returncode == 6 and "exit status 3" in done.stderr, done.stderr


def test_a_death_in_a_session_that_stays(cellblock):
    cellblock("run", "-s", "a", "-c", "x = 1")
    done = cellblock("run", "-s", "a", "-c", "import os; os._exit(3)")
    assert done.returncode == 6
    assert "exit status 3" in done.stderr
    assert "the session's variables are gone and a new kernel is started" in done.stderr
    assert "NameError" in cellblock("run", "-s", "a", "-c", "x").stderr


def test_output_over_its_limit(house):
    house.start("--set", "profile.default.output=100 KiB")
    done = house.cellblock("run", "-o", "json", "-c", "for i in range(300): print('x' * 999)")
    run = json.loads(done.stdout)
    assert (done.returncode, run["status"]) == (6, "limit")
    assert run["limit"]["name"] == "output"
    text = house.cellblock("run", "-c", "for i in range(300): print('x' * 999)")
    assert text.returncode == 6
    assert 100 * 1024 < len(text.stdout) <= 117 * 1024
    assert text.stderr.count("100 KiB") == 1, "said once"


RICH = """
import sys
from IPython.display import display, clear_output, DisplayHandle, JSON
print("gone"); clear_output()
print("a", end=""); print("b")
print("to stderr", file=sys.stderr)
handle = display("first", display_id=True)
print("between")
handle.update("second")
display({"image/png": "aGk=", "text/plain": "picture"}, raw=True)
display(JSON({"a": [1, None, 2.5]}))
print("waits"); clear_output(wait=True)
print("\\0 nul, \\x1b[31m escape")
handle.update("third")
42
"""


def test_outputs_are_a_notebooks(cellblock):
    nbformat = pytest.importorskip("nbformat", reason="python3-nbformat is not installed")
    run = json.loads(cellblock("run", "-o", "json", "-c", RICH).stdout)
    cell = nbformat.v4.new_code_cell(RICH, execution_count=run["execution_count"])
    cell["outputs"] = [nbformat.from_dict(output) for output in run["outputs"]]
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    assert [output["output_type"] for output in run["outputs"]] == ["stream", "execute_result"]
    assert run["outputs"][0]["text"] == "\0 nul, \x1b[31m escape\n"
    kept = RICH.replace('clear_output(wait=True)', "pass")
    run = json.loads(cellblock("run", "-o", "json", "-c", kept).stdout)
    cell["outputs"] = [nbformat.from_dict(output) for output in run["outputs"]]
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    assert [(o["output_type"], o.get("text") or o["data"].get("text/plain"))
            for o in run["outputs"]] == [
        ("stream", "ab\n"), ("stream", "to stderr\n"), ("display_data", "'third'"),
        ("stream", "between\n"), ("display_data", "picture"),
        ("display_data", "<IPython.core.display.JSON object>"),
        ("stream", "waits\n\0 nul, \x1b[31m escape\n"), ("execute_result", "42")]


def test_our_numbers_are_short_and_the_kernels_exact(cellblock):
    code = ("from IPython.display import display\n"
            "display({'application/json': {'x': 0.1234567890123456789}}, raw=True)")
    done = cellblock("run", "-o", "json", "-c", code)
    usage = re.search(r'"wall_s":([0-9.e-]+),"cpu_s":([0-9.e-]+)', done.stdout)
    assert usage and all(len(number) < 12 for number in usage.groups()), done.stdout
    outputs = json.loads(done.stdout)["outputs"]
    assert outputs[0]["data"]["application/json"] == {"x": 0.1234567890123456789}
    for arguments in (("new", "amber"), ("ls", "-o", "json"), ("show", "amber", "-o", "json")):
        text = cellblock(*arguments).stdout
    assert len(re.search(r'"idle_s": ([0-9.e-]+)', text).group(1)) < 12, text


def test_an_error_among_the_outputs_is_a_notebooks(cellblock):
    nbformat = pytest.importorskip("nbformat", reason="python3-nbformat is not installed")
    run = json.loads(cellblock("run", "-o", "json", "-c", "1 / 0").stdout)
    cell = nbformat.v4.new_code_cell("1 / 0", execution_count=1)
    cell["outputs"] = [nbformat.from_dict(output) for output in run["outputs"]]
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    assert run["outputs"][0]["ename"] == run["error"]["ename"]


def test_events_come_as_they_happen(daemon):
    code = "print('early', flush=True)\n" + HOLD + "print('late')"
    process = daemon.popen("run", "-s", "live", "-o", "stream-json", "-c", code)
    started = json.loads(process.stdout.readline())
    assert (started["type"], started["session"]) == ("start", "live")
    assert started["run"]
    early = json.loads(process.stdout.readline())
    assert early == {"type": "stream", "name": "stdout", "text": "early\n"}
    let_go(daemon.client(), "live")  # who waits for the last line never comes here
    rest = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert [event["type"] for event in rest] == ["stream", "end"]
    assert rest[-1]["status"] == "ok" and rest[-1]["run"] == started["run"]
    assert "outputs" not in rest[-1]
    assert process.wait(120) == 0
    process.stderr.close()
    process.stdout.close()


def test_every_kind_of_event(cellblock):
    code = RICH + "\nopen('/output/x.txt', 'w').write('hello')\n1 / 0"
    done = cellblock("run", "-o", "stream-json", "-c", code)
    events = lines_of(done)
    kinds = [event["type"] for event in events]
    assert kinds[0] == "start" and kinds[-1] == "end"
    assert set(kinds) == {"start", "stream", "clear_output", "display_data", "update_display_data",
                          "error", "artifact", "end"}
    artifact = next(event for event in events if event["type"] == "artifact")
    assert artifact["path"] == "/output/x.txt"
    assert events[-1]["artifacts"] == [{key: artifact[key] for key in
                                        ("path", "file", "size", "sha256")}]
    assert artifact["sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert done.returncode == 5


def test_answers_and_remarks_go_apart(cellblock):
    code = ("import sys, matplotlib.pyplot as plt\nprint('out')\nprint('err', file=sys.stderr)\n"
            "plt.plot([1, 2]); plt.show()\nopen('/output/n.txt', 'w').write('1')\n'result'")
    done = cellblock("run", "-c", code)
    assert done.stdout == "out\n'result'\n"
    lines = done.stderr.splitlines()
    assert lines[0] == "err"
    picture = re.fullmatch(r"cellblock: picture 1: (/.*/pictures/picture-1\.png)", lines[1])
    assert picture, done.stderr
    with open(picture.group(1), "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    assert re.fullmatch(r"cellblock: /output/n\.txt: /.*/output/n\.txt \(1 B\)", lines[2])


def test_a_path_of_the_host_is_explained(cellblock):
    done = cellblock("run", "-c", "open('/home/me/sales.csv')")
    assert done.returncode == 5
    assert "--input /home/me/sales.csv" in done.stderr


def test_an_input_has_the_name_that_was_typed(house):
    real = os.path.join(house.folder, "v3-final.csv")
    link = os.path.join(house.folder, "sales.csv")
    with open(real, "w", encoding="utf-8") as file:
        file.write("a,b\n")
    os.symlink(real, link)
    done = house.cellblock("run", "--input", link, "-c", "print(open('/input/sales.csv').read())")
    assert done.stdout == "a,b\n\n", done.stderr


# -- pipes -----------------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_twenty_megabytes_arrive_however_slowly_they_are_read(daemon):
    process = daemon.popen("run", "-c", "print('x' * 20_000_000, end='')")
    time.sleep(2)  # the pipe is full long since
    digest, size = hashlib.sha256(), 0
    for part in iter(lambda: process.stdout.buffer.read(1 << 20), b""):
        digest.update(part)
        size += len(part)
    assert (process.wait(120), size) == (0, 20_000_000), process.stderr.read()
    assert digest.hexdigest() == hashlib.sha256(b"x" * 20_000_000).hexdigest()
    process.stdout.close()
    process.stderr.close()


def test_bytes_pass_a_pipe_as_they_are(daemon):
    code = "print('\\x1b]0;title\\x07 \\x1b[31mred \\u202e \\r \\x9b', end='')"
    process = daemon.popen("run", "-c", code)
    raw = process.stdout.buffer.read()
    assert raw == "\x1b]0;title\x07 \x1b[31mred \u202e \r \x9b".encode()
    assert process.wait(120) == 0
    process.stdout.close()
    process.stderr.close()


def test_a_traceback_in_a_file_has_no_colours(cellblock):
    assert "\x1b" not in cellblock("run", "-c", "1 / 0").stderr
    forced = cellblock("run", "-c", "1 / 0", env={"CLICOLOR_FORCE": "1"}).stderr
    assert "\x1b[" in forced
    assert "\x1b" not in cellblock("run", "-c", "1 / 0",
                                   env={"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}).stderr


def test_a_reader_that_has_seen_enough(daemon):
    process = daemon.popen("run", "-s", "long", "-c",
                           "import time\nfor i in range(100000): print(i)\ntime.sleep(60)")
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    assert process.wait(120) == 1
    assert process.stderr.read() == ""
    process.stderr.close()
    wait_for(lambda: daemon.json("show", "long")["state"] == "idle")


def test_a_full_disk_is_told(daemon):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([daemon.program("cellblock"), "run", "-c", "print(1)"], stdout=full,
                              stderr=subprocess.PIPE, env=daemon.env, check=False, timeout=240)
        assert done.returncode == 1
        assert b"No space left" in done.stderr
        done = subprocess.run([daemon.program("cellblock"), "ls", "-o", "json"], stdout=full,
                              stderr=subprocess.PIPE, env=daemon.env, check=False, timeout=240)
        assert done.returncode == 1
        assert b"No space left" in done.stderr


def test_a_closed_standard_input_does_not_hang(daemon):
    read, write = os.pipe()  # open, and nothing ever comes
    process = daemon.popen("run", "-c", "print(input('name? '))", stdin=read)
    assert process.wait(120) == 5
    told = process.stderr.read()
    assert "StdinNotImplementedError" in told
    assert "cellblock -s NAME" in told
    process.stdout.close()
    process.stderr.close()
    os.close(read)
    os.close(write)


# -- the daemon starts by itself -------------------------------------------------------------------

@pytest.mark.sanitized
def test_commands_in_the_same_instant_start_one_daemon(house):
    runs = [house.popen("run", "-c", "print(%d)" % i) for i in range(4)]
    for i, process in enumerate(runs):
        out, err = process.communicate(timeout=240)
        assert (process.returncode, out) == (0, "%d\n" % i), err
    assert house.log().count('cellblockd "ready"') == 1
    wait_for(lambda: house.json("daemon", "status")["sessions"] == 0)


def test_start_stop_and_start_again_at_once(house):
    for i in range(3):
        assert house.cellblock("run", "-c", "print(%d)" % i).stdout == "%d\n" % i
        assert house.cellblock("daemon", "stop").returncode == 0
    assert house.log().count('cellblockd "ready"') == 3
    assert house.cellblock("daemon", "status").returncode == 1


def test_settings_go_to_the_daemon_that_is_started(house):
    done = house.cellblock("--set", "profile.default.memory=300 MiB", "daemon", "start")
    assert done.returncode == 0
    assert house.json("daemon", "status")["limits"]["memory_bytes"] == 300 << 20
    late = house.cellblock("--set", "broker.sessions=5", "run", "-c", "1")
    assert "count only when it starts" in late.stderr


def test_a_daemon_that_cannot_start_says_why(house):
    done = house.cellblock("--set", "broker.sesions=5", "run", "-c", "1")
    assert done.returncode == 1
    assert "did not start" in done.stderr and "sesions" in done.stderr
    os.makedirs(house.runtime_dir, mode=0o700, exist_ok=True)
    os.chmod(house.runtime_dir, 0o755)
    done = house.cellblock("run", "-c", "1")
    assert done.returncode == 1
    assert house.runtime_dir in done.stderr
    os.chmod(house.runtime_dir, 0o700)


@pytest.mark.parametrize("variable", ("CELLBLOCK_STATE_DIR", "CELLBLOCK_RUNTIME_DIR"))
def test_a_folder_whose_path_json_cannot_carry(house, variable):
    """A daemon that started there could not be spoken to."""
    path = (house.state_dir if variable == "CELLBLOCK_STATE_DIR" else house.runtime_dir) + "\udcff"
    done = house.cellblock("run", "-c", "1", env={variable: path})
    assert done.returncode == 1 and variable in done.stderr and "UTF-8" in done.stderr, done.stderr


@pytest.mark.parametrize("allowed", (20, 100))
def test_a_daemon_with_too_few_descriptors_says_so(house, allowed):
    done = subprocess.run(
        ["prlimit", "--nofile=%d:%d" % (allowed, allowed), house.program("cellblock"), "run", "-c",
         "1"], env=house.env, capture_output=True, text=True, timeout=240, check=False, cwd="/")
    assert done.returncode == 1
    assert "only %d open files" % allowed in done.stderr and "ulimit" in done.stderr


# -- the other commands ----------------------------------------------------------------------------

def test_limits_that_nothing_holds_are_marked(house):
    house.start("--set", "profile.default.cgroup=off")
    house.cellblock("new", "mine")
    shown = house.cellblock("show", "mine").stdout
    assert "limits memory        512 MiB, by a watchdog (no control groups" in shown
    assert "limits cpu           100 %, not in force" in shown
    assert house.json("show", "mine")["limits"]["memory_bytes"] == 512 << 20


def test_sessions_are_made_shown_and_stopped(daemon):
    name = daemon.cellblock("new").stdout.strip()
    assert re.fullmatch(r"[a-z]+-[a-z]+(-\d+)?", name)
    assert daemon.cellblock("new", "mine").stdout == "mine\n"
    taken = daemon.cellblock("new", "mine")
    assert taken.returncode == 1 and "'mine'" in taken.stderr
    listed = daemon.json("ls")["sessions"]
    assert {info["name"] for info in listed} == {name, "mine"}
    assert daemon.json("show", "mine")["limits"]["memory_bytes"] == 512 << 20
    assert "limits memory        512 MiB" in daemon.cellblock("show", "mine").stdout
    table = daemon.cellblock("ls").stdout.splitlines()
    assert table[0].split()[:3] == ["NAME", "STATE", "PROFILE"] and len(table) == 3
    assert daemon.cellblock("attach", "mine", "--path").stdout.endswith("/sessions/mine.json\n")
    assert daemon.cellblock("stop", "mine", name).returncode == 0
    assert daemon.json("ls") == {"sessions": []}
    gone = daemon.cellblock("stop", "mine", name)
    assert gone.returncode == 1 and gone.stderr.count("no session") == 2


def test_variables_survive_an_interrupt_and_not_a_restart(cellblock):
    cellblock("run", "-s", "a", "-c", "x = 1")
    assert cellblock("interrupt", "a").returncode == 0
    assert cellblock("run", "-s", "a", "-c", "x").stdout == "1\n"
    assert cellblock("restart", "a").returncode == 0
    assert "NameError" in cellblock("run", "-s", "a", "-c", "x").stderr


def test_files_go_in_and_come_out(daemon):
    daemon.cellblock("new", "a")
    big = os.path.join(daemon.folder, "big.bin")
    content = os.urandom(700_001)
    with open(big, "wb") as file:
        file.write(content)
    assert daemon.cellblock("put", "a", big).returncode == 0
    back = os.path.join(daemon.folder, "back.bin")
    assert daemon.cellblock("get", "a", "big.bin", "-o", back).returncode == 0
    with open(back, "rb") as file:
        assert file.read() == content
    assert daemon.json("files", "a")["files"] == [{"path": "work/big.bin", "size": 700_001}]
    missing = daemon.cellblock("get", "a", "nothing", "-o", back)
    assert missing.returncode == 1
    with open(back, "rb") as file:
        assert file.read() == content, "a failed get must leave what is there"
    assert sorted(os.listdir(daemon.folder)).count("back.bin") == 1
    assert [name for name in os.listdir(daemon.folder) if name.startswith("back.bin.")] == []
    folder = daemon.cellblock("put", "a", daemon.folder)
    assert folder.returncode == 1 and "--input" in folder.stderr


# -- the manual ------------------------------------------------------------------------------------

def test_the_manual_has_every_command_and_option(house):
    with open(os.path.join(SOURCE, "doc", "cellblock.1"), encoding="utf-8") as file:
        manual = file.read()
    commands = re.findall(r"^  ([a-z]+) {2,}", house.cellblock("--help").stdout, re.M)
    assert len(commands) >= 13
    assert max(map(len, house.cellblock("--help").stdout.splitlines())) <= 80
    assert commands == sorted(commands)
    for command in commands:
        assert ".Ss cellblock " + command in manual, command
        help_text = house.cellblock(command, "--help").stdout
        assert help_text.startswith("usage: cellblock " + command)
        assert max(map(len, help_text.splitlines())) <= 80, command
        for option in re.findall(r"--([a-z]+)", help_text):
            assert re.search(r"[ ,](Fl )?-%s\b" % option, manual), (command, option)


@pytest.mark.parametrize("arguments, kind, code, words", [
    (("-P", "safe_eval", "-t", "60", "-c", "1"), ("denied", "DeniedByPolicy"), 3, "fixes wall at"),
    (("-P", "nosuch", "-c", "1"), ("error", "CellblockFailed"), 1, "no profile 'nosuch'"),
    (("/nowhere/code.py",), ("error", "CellblockFailed"), 1, "/nowhere/code.py"),
])
def test_what_cannot_be_run_is_an_object_too(daemon, arguments, kind, code, words):
    for form in ("json", "stream-json"):
        done = daemon.cellblock("run", "-o", form, *arguments)
        assert done.returncode == code and words in done.stderr, done.stderr
        told = json.loads(done.stdout)
        assert (told["status"], told["error"]["ename"], told["run"]) == (*kind, None)
        assert words in told["error"]["evalue"] and told["error"]["traceback"] == []
        assert told.get("type") == ("end" if form == "stream-json" else None)
