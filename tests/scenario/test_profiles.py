"""test_profiles.py - profiles: what there are, where values come from, what a client may change."""
import json

import pytest

# Where the five seconds of safe_eval are not what is tested: test machines are busy.
SLOW = ("--set", "profile.safe_eval.wall=60")
BUILT_IN = ["default", "safe_eval", "data_processing", "plotting", "repo_tooling", "networked"]


def text(run):
    return "".join(output["text"] for output in run["outputs"]
                   if output["output_type"] == "stream" and output["name"] == "stdout")


def values(house, name):
    shown = house.json("profile", "show", name)
    assert shown["name"] == name
    return {value["key"]: value for value in shown["values"]}


def test_the_built_in_ones(house):
    house.forget_settings()
    profiles = house.json("profile", "ls")["profiles"]
    assert [profile["name"] for profile in profiles] == BUILT_IN
    assert [profile["name"] for profile in profiles if profile["refused"]] == ["networked"]
    table = house.cellblock("profile", "ls").stdout
    assert all(name in table for name in BUILT_IN) and "256 MiB" in table
    default = values(house, "default")
    assert {key: default[key]["value"] for key in (
        "wall", "cpu", "memory", "processes", "network", "subprocesses", "fixed")} == {
            "wall": "10 s", "cpu": "100 %", "memory": "512 MiB", "processes": "64",
            "network": "off", "subprocesses": "on", "fixed": "none"}
    assert not any(value["fixed"] for value in default.values())
    assert house.cellblock("profile", "show").stdout == \
        house.cellblock("profile", "show", "default").stdout


def test_every_value_says_where_it_was_said(house):
    path = house.folder + "/c.conf"
    with open(path, "w", encoding="utf-8") as file:
        file.write("[profile default]\nfiles = 999\n[profile mine]\ninherits = safe_eval\n"
                   "memory = 128M\n")
    house.start("--config", path, "--set", "profile.mine.wall=3")
    found = {key: (value["value"], value["profile"], value["origin"], value["fixed"])
             for key, value in values(house, "mine").items()}
    assert found["memory"] == ("128 MiB", "mine", path + ":5", True)
    assert found["inherits"] == ("safe_eval", "mine", path + ":4", False)
    assert found["wall"] == ("3 s", "mine", "--set profile.mine.wall=3", True)
    assert found["files"] == ("256", "safe_eval", "built-in", True)
    assert found["cpu"] == ("100 %", "default", "built-in", True)
    assert values(house, "plotting")["files"]["origin"] == path + ":2"
    shown = house.cellblock("profile", "show", "mine").stdout
    assert path + ":5" in shown and "inherited from safe_eval (built-in)" in shown
    run = house.json("run", "-P", "mine", "-c",
                     "import os\nprint(os.statvfs('/work').f_files <= 300)")
    assert text(run) == "True\n", run


@pytest.mark.parametrize("arguments, words", [
    (("show", "nosuch"), "no profile 'nosuch'; there are: default, safe_eval"),
    (("show", "../x"), "profile"), (("ls", "x"), "ls"), (("lst",), "show [NAME]"),
])
def test_mistakes_are_told(house, arguments, words):
    done = house.cellblock("profile", *arguments)
    assert done.returncode in (1, 2) and words in done.stderr


def test_networked_is_refused_until_it_has_its_door(house):
    done = house.cellblock("run", "-P", "networked", "-c", "1")
    assert done.returncode == 1
    assert "profile networked wants network = on" in done.stderr
    assert "no door out" in done.stderr
    assert house.json("ls")["sessions"] == []


@pytest.mark.parametrize("profile", ["data_processing", "plotting", "repo_tooling", "safe_eval"])
def test_each_profile_runs(house, profile):
    house.start(*SLOW)
    run = house.json("run", "-P", profile, "-t", "60", "-c", "import sys; print(6 * 7)")
    assert (run["status"], text(run)) == ("ok", "42\n"), run


def test_a_person_may_loosen_what_is_not_fixed(house):
    code = ("import os, resource as r\n"
            "print(r.getrlimit(r.RLIMIT_NOFILE)[0], os.statvfs('/work').f_blocks)")
    run = house.json("run", "-t", "60", "-l", "open_files=700", "--limit", "disk=300M", "-c", code)
    assert text(run) == "700 %d\n" % ((300 << 20) // 4096), run
    name = house.cellblock("new", "-l", "memory=300M", "-l", "loopback=on").stdout.strip()
    limits = house.json("show", name)["limits"]
    assert (limits["memory_bytes"], limits["loopback"]) == (300 << 20, True)
    done = house.cellblock("run", "-s", name, "-l", "memory=1G", "-c", "1")
    assert done.returncode == 1 and "its limits" in done.stderr
    for word, why in (("memory", "NAME=VALUE"), ("memroy=1G", "'memory'"), ("memory=1", "range"),
                      ("seccomp=off", "configuration")):
        done = house.cellblock("run", "-l", word, "-c", "1")
        assert done.returncode == 1 and why in done.stderr, done.stderr


@pytest.mark.parametrize("arguments, words", [
    (("-t", "60"), "profile safe_eval fixes wall at 5 s: 1 min is refused"),
    (("-l", "memory=1G"), "profile safe_eval fixes memory at 256 MiB: 1 GiB is refused"),
    (("-l", "subprocesses=on"), "profile safe_eval fixes subprocesses at off: on is refused"),
    (("-l", "cpu=none"), "profile safe_eval fixes cpu at 100 %: none is refused"),
])
def test_what_is_fixed_stays(house, arguments, words):
    done = house.cellblock("run", "-P", "safe_eval", *arguments, "-c", "1")
    assert done.returncode == 3 and words in done.stderr, done.stderr
    if arguments[0] == "-l":
        done = house.cellblock("new", "-P", "safe_eval", *arguments)
        assert done.returncode == 3 and words in done.stderr, done.stderr
    assert house.json("ls")["sessions"] == []


def test_tighter_is_always_allowed(house):
    house.start(*SLOW)
    run = house.json("run", "-P", "safe_eval", "-t", "50", "-l", "open_files=100", "-c",
                     "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE)[0])")
    assert text(run) == "100\n", run


def ask(client, **content):
    return client.run(**content)[0]


def test_a_person_at_the_terminal_has_no_wall_limit_but_a_fixed_one(new_house):
    slow = {"code": "import time; time.sleep(3); print('done')"}
    house = new_house()
    house.start("--set", "profile.default.wall=1", "--set", "profile.strict.fixed=wall",
                "--set", "profile.strict.wall=1")
    client = house.client()
    assert ask(client, **slow, interactive=True)["status"] == "ok"
    assert ask(client, **slow)["status"] == "timeout"
    assert ask(client, **slow, interactive=True, timeout_s=1)["status"] == "timeout"
    assert ask(client, **slow, interactive=True, profile="strict")["status"] == "timeout"


# ---- safe_eval: threads, but no processes --------------------------------------------------------

def test_safe_eval_has_threads(house):
    house.start(*SLOW)
    code = """
import concurrent.futures, threading
import numpy as np
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(lambda x: x * x, range(10))))
done = threading.Event(); threading.Thread(target=done.set).start(); print(done.wait(60))
print(np.linalg.svd(np.eye(50))[1].sum())
"""
    run = house.json("run", "-P", "safe_eval", "-c", code)
    assert text(run) == "285\nTrue\n50.0\n", run


REFUSED = r"""
import ctypes, errno, multiprocessing, os, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    return errno.errorcode.get(ctypes.get_errno()) if libc.syscall(number, *args) == -1 else "done"
def attempt(do, *args):
    try:
        do(*args)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
def look():
    return {
        "fork": attempt(os.fork), "exec": attempt(os.execv, "/usr/bin/true", ["true"]),
        "run": attempt(subprocess.run, ["true"]), "vfork": call(58),
        "spawn": attempt(os.posix_spawn, "/usr/bin/true", ["true"], {}),
        "clone": call(56, 17, 0, 0, 0, 0), "clone_vm": call(56, 0x100 | 0x4000 | 17, 0, 0, 0, 0),
        "clone3": call(435, 0, 0), "execveat": call(322, -1, b"", 0, 0, 0x1000),
        "seccomp": call(317, 1, 1, 0), "prctl": call(157, 22, 2, 0),
        "process": attempt(multiprocessing.Process(target=print).start)}
found = [look()]
one = threading.Thread(target=lambda: found.append(look())); one.start(); one.join()
assert found[0] == found[1], found
import json; print(json.dumps(found[0]))
"""


@pytest.mark.parametrize("who", ["mine", "ordinary_user"])
def test_safe_eval_has_no_processes(request, new_house, who):
    house = new_house(request.getfixturevalue(who) if who == "ordinary_user" else None)
    house.start(*SLOW)
    run = house.json("run", "-P", "safe_eval", "-c", REFUSED)
    found = json.loads(text(run))
    assert found.pop("clone3") == "ENOSYS"
    assert found.pop("execveat") in ("ENOSYS", "EPERM")
    assert set(found.values()) == {"EPERM"}, found
    run = house.json("run", "-P", "safe_eval", "-c", "import os; os.fork()")
    assert run["error"]["traceback"][-1] == (
        "cellblock: this jail starts no other programs and processes, only threads "
        "(profile safe_eval has subprocesses = off)")


def test_what_contradicts_itself_is_refused(house):
    house.start("--set", "profile.odd.subprocesses=off", "--set", "profile.odd.seccomp=off")
    done = house.cellblock("run", "-P", "odd", "-c", "1")
    assert done.returncode == 1 and "subprocesses = off and seccomp = off" in done.stderr


# ---- layers --------------------------------------------------------------------------------------

def test_the_result_of_each_run_says_what_held_it(house):
    house.start("--set", "profile.bare.seccomp=off", "--set", "profile.bare.landlock=off",
                "--set", "profile.bare.cgroup=off")
    run = house.json("run", "-P", "bare", "-c", "1")
    assert run["profile"] == "bare"
    assert (run["layers"]["seccomp"], run["layers"]["landlock"]) == (False, False)
    assert run["layers"]["cgroup"] == "none"
    house.cellblock("new", "held")
    run = house.json("run", "-s", "held", "-c", "print(open('/proc/self/status').read())")
    assert run["layers"] == house.json("show", "held")["layers"]
    assert run["layers"]["seccomp"] is True and "Seccomp:\t2" in text(run)
    run = house.json("run", "-c", "import os; os._exit(1)")
    assert run["status"] == "died" and run["layers"]["seccomp"] is True
