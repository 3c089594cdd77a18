"""test_limits.py - limits that speak: each hit is told by the limit's name and value, from what
Linux or the broker counted, and the session lives on where that is possible.

Everything runs as root (with control groups, where this machine has them) and as an ordinary user
(without).
"""
import pytest

import attached
import leaks
from wireclient import HOLD, let_go, stream_text

MIB = 1 << 20


@pytest.fixture(params=["mine", "ordinary_user"])
def bounded(request, new_house):
    """A client with a session `s` that holds a variable."""
    user = request.getfixturevalue("ordinary_user") if request.param == "ordinary_user" else None
    house = new_house(user).start("--set", "profile.default.wall=100 s",
                                  "--set", "profile.default.grace=10 s",
                                  "--set", "profile.default.disk=32 MiB",
                                  "--set", "profile.default.output=1 MiB")
    client = house.client()
    client.house = house
    client.call("new", name="s", wait=True)
    assert run(client, "kept = 42")["status"] == "ok"
    return client


def run(client, code, **more):
    result, client.events = client.run(code, session="s", **more)
    return result


def is_limit(result, name, value, ename):
    told = (result["status"], result.get("limit"))
    assert told == ("limit", {"name": name, "value": value}), result
    assert result["error"]["ename"] == ename, result["error"]
    assert value in result["error"]["evalue"], result["error"]


def survives(client):
    assert run(client, "print(kept)")["status"] == "ok"
    assert stream_text(client.events) == "42\n"


# -- limits that a session survives ----------------------------------------------------------------

DISK = {
    "a large write": "open('/work/x', 'wb').write(bytes(40 << 20))",
    "many small writes": "f = open('/tmp/x', 'wb')\nwhile True:\n    f.write(bytes(4096))",
    "shared memory": "f = open('/dev/shm/x', 'wb')\nwhile True:\n    f.write(bytes(1 << 20))",
    "a child": "import subprocess\n"
               "subprocess.run(['dd', 'if=/dev/zero', 'of=/work/x'], check=True)",
}


@pytest.mark.parametrize("how", DISK)
def test_disk(bounded, how):
    result = run(bounded, DISK[how])
    is_limit(result, "disk", "32 MiB", "DiskLimitExceeded")
    for words in ("remove files", "profile default"):
        assert words in result["error"]["evalue"]
    assert result["error"]["traceback"], "the exception's own traceback stays"
    told = [event.content for event in bounded.events if event.type == "limit"]
    assert told == [{"name": "disk", "value": "32 MiB"}]
    survives(bounded)
    # On a full disk another exception is just that; once there is room again all is well.
    assert run(bounded, "1 / 0")["error"]["ename"] == "ZeroDivisionError"
    is_limit(run(bounded, "open('/work/y', 'wb').write(bytes(1 << 20))"), "disk", "32 MiB",
             "DiskLimitExceeded")
    assert run(bounded, "import os\nfor p in ('/work/x', '/tmp/x', '/dev/shm/x'):\n"
                        "    os.path.exists(p) and os.truncate(p, 0)")["status"] == "ok"
    assert run(bounded, "open('/work/z', 'wb').write(bytes(1 << 20)); open('/nowhere')"
               )["error"]["ename"] == "FileNotFoundError"


def test_files(bounded):
    result = run(bounded, "for i in range(5000): open(f'/tmp/{i}', 'w').close()")
    is_limit(result, "files", "4096", "FileCountLimitExceeded")
    survives(bounded)


def test_open_files(bounded):
    result = run(bounded, "import os\npipes = []\nwhile True: pipes.append(os.pipe())")
    is_limit(result, "open_files", "512", "OpenFilesLimitExceeded")
    survives(bounded)
    assert run(bounded, "1 / 0")["error"]["ename"] == "ZeroDivisionError"
    assert run(bounded, "for pair in pipes:\n    os.close(pair[0]); os.close(pair[1])\n1 / 0"
               )["error"]["ename"] == "ZeroDivisionError"


PROCESSES = {
    "subprocesses": "import subprocess\nmany = []\nwhile True:\n"
                    "    many.append(subprocess.Popen(['sleep', '600']))",
    "threads": "import threading, time\nstop = threading.Event()\nwhile True:\n"
               "    threading.Thread(target=stop.wait, daemon=True).start()",
}


@pytest.mark.parametrize("how", PROCESSES)
def test_processes(bounded, how):
    result = run(bounded, PROCESSES[how])
    is_limit(result, "processes", "64", "ProcessLimitExceeded")
    survives(bounded)
    # They are still there: only what they cause is theirs.
    assert run(bounded, "1 / 0")["error"]["ename"] == "ZeroDivisionError"
    end = "for one in many: one.kill()" if how == "subprocesses" else "stop.set()"
    assert run(bounded, end)["status"] == "ok"


def test_an_exception_that_looks_like_a_limit_is_none(bounded):
    """Nobody believes a text, or a class."""
    for code in ("raise OSError(28, 'No space left on device')",
                 "raise BlockingIOError(11, 'Resource temporarily unavailable')",
                 "raise OSError(24, 'Too many open files')", "raise MemoryError",
                 "raise type('MemoryLimitExceeded', (Exception,), {})('512 MiB')"):
        result = run(bounded, code)
        assert result["status"] == "error" and "limit" not in result, result
    survives(bounded)


def test_a_limit_that_the_cell_copes_with_is_none(bounded):
    code = "try:\n    open('/work/x', 'wb').write(bytes(40 << 20))\nexcept OSError:\n    pass"
    result = run(bounded, code)
    assert result["status"] == "ok" and "limit" not in result


def test_wall_time(bounded):
    result = run(bounded, "while True: pass", timeout_s=0.5)
    assert (result["status"], result["error"]["ename"]) == ("timeout", "WallTimeLimitExceeded")
    assert "500 ms" in result["error"]["evalue"] and "smaller steps" in result["error"]["evalue"]
    survives(bounded)


# -- output ----------------------------------------------------------------------------------------

MARK = "bytes of output are left out here]"


def shown(events):
    """What was shown of standard output, without our line; and the number in it."""
    text = stream_text(events)
    before, left_out, after = text.partition("\n[cellblock: ")
    number, mark, tail = after.partition(" " + MARK + "\n")
    assert not left_out or mark, text[-200:]
    return before, tail, int(number) if number else 0


@pytest.mark.parametrize("code, total", [
    ("for i in range(400000): print('%07d' % i)", 400000 * 8),
    ("print('x' * (8 << 20)); print('the end')", (8 << 20) + 9),
    ("import os\nfor i in range(200): os.write(1, b'y' * 65535 + b'\\n')", 200 * 65536),
    ("for i in range(300000): print('\\u00e4\\t\"\\\\')", 300000 * 6),
])
def test_head_and_tail_are_shown(bounded, code, total):
    result = run(bounded, code)
    is_limit(result, "output", "1 MiB", "OutputLimitExceeded")
    head, tail, number = shown(bounded.events)
    assert 0.5 * MIB < len(head.encode()) <= MIB and 4000 < len(tail.encode()) <= 16384
    dropped = [event.content["dropped_bytes"] for event in bounded.events if event.type == "limit"]
    assert dropped == [number] and "%d bytes" % number in result["error"]["evalue"]
    assert len(head.encode()) + len(tail.encode()) + number == total, "the number is exact"
    survives(bounded)


def test_what_the_tail_has_whole_was_never_too_much(bounded):
    result = run(bounded, "print('x' * 1048000); print('y' * 5000)")
    assert result["status"] == "ok"
    assert len(stream_text(bounded.events)) == 1048001 + 5001


def test_the_tail_of_a_cell_that_dies(bounded):
    """What it printed last is there although no idle came."""
    code = "for i in range(400000): print('%07d' % i)\nimport sys, os\nsys.stdout.flush()\n" \
           "import time; time.sleep(1)\nos._exit(3)"
    result = run(bounded, code)
    assert result["status"] == "died", result
    head, tail, number = shown(bounded.events)
    # What was still on its way inside of the kernel died with it.
    numbers = [int(line) for line in tail.splitlines() if len(line) == 7]
    assert numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert 0 < len(head) + number + len(tail) - numbers[-1] * 8 <= 16


def test_a_flood_costs_the_broker_nothing(bounded):
    pid = bounded.house.connection()["pid"]

    def peak():
        with open("/proc/%d/status" % pid, encoding="utf-8") as file:
            return [int(line.split()[1]) for line in file if line.startswith("VmHWM")][0] / 1024
    before = peak()
    result = run(bounded, "for i in range(100): print('x' * (1 << 20))")
    assert result["status"] == "limit"
    assert peak() - before < 40


# -- limits that end a kernel ----------------------------------------------------------------------

def test_memory(bounded):
    result = run(bounded, "x = bytearray(1 << 30)\nimport time\ntime.sleep(60)")
    is_limit(result, "memory", "512 MiB", "MemoryLimitExceeded")
    assert "variables are gone" in result["error"]["evalue"]
    assert leaks.wait_for(lambda: bounded.call("show", session="s")["state"] == "idle")
    assert run(bounded, "kept")["error"]["ename"] == "NameError"


def test_memory_of_a_child(bounded):
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', " \
           "'x = bytearray(1 << 30); import time; time.sleep(60)'])"
    is_limit(run(bounded, code), "memory", "512 MiB", "MemoryLimitExceeded")


@pytest.mark.limit(560)
def test_processor_time(new_house):
    house = new_house().start("--set", "profile.default.cpu_seconds=10",
                              "--set", "profile.default.wall=none")
    client = house.client()
    client.call("new", name="s", wait=True)
    result, _ = client.run("while True: pass", session="s", timeout=500)
    is_limit(result, "cpu_seconds", "10 s", "CpuTimeLimitExceeded")
    assert "variables are gone" in result["error"]["evalue"]


def test_who_waited_has_hit_nothing(bounded):
    first = bounded.send("run", {"session": "s", "code": HOLD + "x = bytearray(1 << 30)\n"
                                                         "_time.sleep(60)"})
    second = bounded.send("run", {"session": "s", "code": "1"})
    while bounded.receive().type != "queued":
        pass
    let_go(bounded, "s")
    replies = {}
    while len(replies) < 2:
        message = bounded.receive()
        if message.type == "run_reply":
            replies[message.parent] = message.content
    assert replies[first]["status"] == "limit"
    assert (replies[second]["status"], replies[second]["error"]["ename"]) == ("died", "KernelDied")
    assert "limit" not in replies[second]


EATS = "class Eater:\n    def __dir__(self):\n        return [bytearray(1 << 30)] and []\n" \
       "eater = Eater()\nget_ipython().Completer.use_jedi = False"


def test_attached_clients_are_told_the_limit(bounded):
    """A death by a limit is its error in replies and on iopub, for a cell and for what else the
    kernel worked on; who waited is told the cause."""
    client = attached.attach(bounded.house, "s")
    try:
        cell = client.execute("x = bytearray(1 << 30)\nimport time\ntime.sleep(60)")
        waiting = client.execute("1")
        replies = attached.replies_to(client, [cell, waiting])
        assert replies[cell]["ename"] == "MemoryLimitExceeded"
        for words in ("512 MiB", "variables are gone", "work on less data at a time"):
            assert words in replies[cell]["evalue"]
        assert replies[waiting]["ename"] == "KernelDied"
        assert "memory limit of 512 MiB; the session's variables" in replies[waiting]["evalue"]
        errors = {}
        while len(errors) < 2:
            message = client.get_iopub_msg(timeout=attached.SECONDS)
            if message["msg_type"] == "error":
                errors[message["parent_header"]["msg_id"]] = message["content"]
        for msg_id, reply in replies.items():
            assert (errors[msg_id]["ename"], errors[msg_id]["evalue"]) == (
                reply["ename"], reply["evalue"])
        assert attached.reply_to(client, client.execute(EATS))["status"] == "ok"
        told = attached.reply_to(client, client.complete("eater."))
        assert (told["status"], told["ename"]) == ("error", "MemoryLimitExceeded"), told
        assert "512 MiB" in told["evalue"] and "work on less data" in told["evalue"]
    finally:
        client.stop_channels()


def test_attached_clients_are_told_the_wall_time(new_house):
    house = new_house().start("--set", "profile.default.fixed=wall",
                              "--set", "profile.default.wall=1 s")
    house.client().call("new", name="s", wait=True)
    client = attached.attach(house, "s")
    try:
        told = attached.reply_to(client, client.execute(
            "import time\nwhile True:\n    try:\n        time.sleep(600)\n"
            "    except BaseException:\n        pass"))
        assert told["ename"] == "WallTimeLimitExceeded", told
        for words in ("1 s", "variables are gone", "do it in smaller steps"):
            assert words in told["evalue"]
    finally:
        client.stop_channels()


# -- what a person sees ----------------------------------------------------------------------------

def test_the_command_line_says_it(new_house):
    house = new_house()
    done = house.cellblock("run", "-l", "disk=16M", "-c", "open('x', 'wb').write(bytes(20 << 20))")
    assert done.returncode == 6
    assert "DiskLimitExceeded" in done.stderr and "16 MiB" in done.stderr
    done = house.cellblock("run", "-l", "output=4K", "-c", "for i in range(9999): print(i)")
    assert done.returncode == 6 and "OutputLimitExceeded" in done.stderr
    assert done.stdout.startswith("0\n1\n") and done.stdout.rstrip().endswith("9999"[:-1] + "8")
    assert MARK in done.stdout
