"""test_jail.py - what hostile cells try, through the whole house, as root and as an ordinary user.

A second session runs beside each attack and must not notice. What a cell can see and call is asked
in test_jail_by_hand.py too; here it is the jail that the warden really makes.
"""
import json
import os
import time

import pytest

import test_jail_by_hand as by_hand

MIB = 1 << 20


@pytest.fixture(params=["mine", "ordinary_user"])
def attacked(request, new_house):
    """A house with a session `calm` in it that holds a variable; checked again afterwards."""
    user = request.getfixturevalue("ordinary_user") if request.param == "ordinary_user" else None
    house = new_house(user)
    calm = house.json("run", "-s", "calm", "-c", "treasure = 42; import os; print(os.getpid())")
    assert calm["status"] == "ok", calm
    yield house
    calm = house.json("run", "-s", "calm", "-c", "print(treasure)")
    assert text(calm) == "42\n", calm


def text(run):
    return "".join(output["text"] for output in run["outputs"]
                   if output["output_type"] == "stream" and output["name"] == "stdout")


def cell(house, code, *arguments, **more):
    return house.json("run", *arguments, "-c", code, **more)


def limits(house, **values):
    """Runs the daemon with other limits for the default profile."""
    house.cellblock("daemon", "stop")
    house.start(*[word for name, value in values.items()
                  for word in ("--set", "profile.default.%s=%s" % (name, value))])


def test_what_the_wardens_jail_is(attacked):
    found = json.loads(text(cell(attacked, by_hand.FACTS + by_hand.SHOW)))
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert found["status"][name] == "0" * 16
    assert found["status"]["NoNewPrivs"] == "1" and found["status"]["Seccomp"] == "2"
    for name in by_hand.SPACES:
        assert found["spaces"][name] != os.readlink("/proc/self/ns/" + name), name
    for path, result in found["writes"].items():
        assert (result == "done") == (path in ("/tmp", "/work", "/output", "/dev/shm")), path
    assert "done" not in found["opens"].values(), found["opens"]
    assert found["there"] == []
    by_hand.check_mounts(found["mounts"])
    assert found["pid1_cmdline"] == ["bwrap", "--args", "11", "--", "/cb/init", ""]
    assert found["pid1_environ"].startswith("PermissionError")
    assert set(found["environ"]) == {
        "HOME", "PATH", "LANG", "TMPDIR", "USER", "LOGNAME", "IPYTHONDIR", "MPLBACKEND",
        "MPLCONFIGDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONDONTWRITEBYTECODE",
        "PYTHONNOUSERSITE"} | (set(found["environ"]) & {
            # set by ipykernel for the programs it starts
            "TERM", "CLICOLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PAGER", "GIT_PAGER",
            "PYDEVD_USE_FRAME_EVAL", "KERNEL_LAUNCH_TIMEOUT", "JPY_PARENT_PID"})


def test_the_key_and_the_sockets_cannot_be_found(attacked):
    code = """
import os, socket
for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
    try:
        name = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        continue
    if "memfd" in name or name.startswith("/tmp/") or "sessions" in name:
        print("bad", fd, name)
print(open("/proc/net/unix").read().count("\\n") < 40, os.path.exists("%s"))
""" % attacked.runtime_dir
    assert text(cell(attacked, code)) == "True False\n"


def test_system_calls_and_families(attacked):
    found = json.loads(text(cell(attacked, by_hand.SYSCALLS + "\nimport json" + by_hand.SHOW)))
    families = {int(number): result for number, result in found.pop("families").items()}
    assert [number for number, result in families.items() if result == "done"] == [1]
    assert [name for name, result in found.items() if result == "done"] == ["raw", "mknod_fifo"]


HIDDEN = r"""
import glob, json, os, platform, socket
def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError as error:
        return type(error).__name__
names = ("/proc/sys/kernel/random/boot_id", "/etc/machine-id", "/var/lib/dbus/machine-id",
         "/proc/cmdline", "/proc/modules", "/proc/swaps", "/proc/partitions", "/proc/keys",
         "/etc/hostname", "/proc/sys/kernel/hostname", "/sys/class/dmi/id/product_uuid")
print(json.dumps({
    "files": {name: read(name) for name in names}, "names": [socket.gethostname(), platform.node()],
    "processes": [read(path) for path in glob.glob("/proc/[0-9]*/cmdline")],
    "uts": [os.uname().nodename, read("/proc/sys/kernel/domainname").strip()]}))
"""


def test_the_hosts_names_and_processes_are_hidden(attacked):
    found = json.loads(text(cell(attacked, HIDDEN)))
    for name, value in found["files"].items():
        if name == "/proc/sys/kernel/hostname":
            assert value == "cell\n"
        else:
            assert value in ("", "FileNotFoundError", "PermissionError"), (name, value)
    assert found["names"] == ["cell", "cell"] and found["uts"][0] == "cell"
    # bwrap, the kernel, and nothing of the host or of the session beside it.
    assert len(found["processes"]) == 2, found["processes"]
    assert found["processes"][0].startswith("bwrap\0--args\0"), found["processes"]
    assert "launcher.py" in found["processes"][1]


def test_science_runs(attacked):
    run = cell(attacked, by_hand.WORKLOAD)
    assert run["status"] == "ok", run["error"]
    assert "(8, 2)" in text(run)
    assert [os.path.basename(artifact["path"]) for artifact in run["artifacts"]] == ["plot.png"]


@pytest.mark.parametrize("code", [
    "import os\nwhile True:\n    os.fork()",
    "import threading as t, time\nwhile True:\n    t.Thread(target=time.sleep, args=(60,)).start()",
    "import subprocess\nwhile True:\n    subprocess.Popen(['sleep', '60'])",
])
def test_bombs_stay_in_their_jail(attacked, code):
    begin = time.monotonic()
    run = cell(attacked, code, "-t", "3")
    assert run["status"] in ("error", "limit", "died", "timeout"), run["status"]
    assert time.monotonic() - begin < 100


@pytest.mark.parametrize("code, word", [
    ("open('/work/x', 'wb').write(bytes(300 << 20))", "disk limit"),
    ("file = open('/dev/shm/x', 'wb')\nwhile True:\n    file.write(bytes(1 << 20))", "disk limit"),
    ("for i in range(5000):\n    open(f'/tmp/{i}', 'w').close()", "disk limit"),
    ("import os\nos.truncate(os.open('/work/big', os.O_CREAT | os.O_RDWR), 1 << 50)",
     "disk limit"),
    ("import os\nos.posix_fallocate(os.open('/work/big', os.O_CREAT | os.O_RDWR), 0, 1 << 40)",
     "disk limit"),
    ("import os\npipes = []\nwhile True:\n    pipes.append(os.pipe())", "open files"),
    ("import socket\nsocket.create_connection(('127.0.0.1', 22))", "no network"),
    ("import urllib.request\nurllib.request.urlopen('http://example.org')", "no network"),
    ("open('/etc/shadow')", "--input"), ("open('/root/.ssh/id_rsa')", "--input"),
])
def test_refusals_say_why(attacked, code, word):
    run = cell(attacked, code)
    assert run["status"] in ("error", "limit"), run
    assert word in run["error"]["traceback"][-1]


def test_floods_do_not_hurt(attacked):
    flood = "import os\nwhile True:\n    os.write(1, b'\\xff' * 65536)"
    run = cell(attacked, flood, "-t", "3")
    assert run["status"] in ("timeout", "limit"), run["status"]
    run = cell(attacked, "print('x' * (200 << 20))", "-t", "100")
    assert run["status"] in ("ok", "limit"), run["status"]


@pytest.mark.parametrize("code", [
    "while True: pass",
    "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    "sum(range(10**15))",
    "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "import os\nif os.fork() == 0:\n    os.setsid()\n    while True: pass\nwhile True: pass",
])
def test_endless_cells_end(attacked, code):
    begin = time.monotonic()
    run = cell(attacked, code, "-t", "1")
    assert (run["status"], run["error"]["ename"]) == ("timeout", "WallTimeLimitExceeded"), run
    assert time.monotonic() - begin < 100


@pytest.mark.parametrize("code, word", [
    ("import os\nos._exit(3)", "3"), ("import ctypes\nctypes.string_at(0)", "SEGV"),
    ("import os\ntry:\n    os.kill(-1, 9)\nexcept OSError:\n    os.kill(os.getpid(), 9)", "KILL"),
    ("import os\nos.abort()", "ABRT"),
])
def test_deaths_are_told_with_their_cause(attacked, code, word):
    run = cell(attacked, code)
    assert (run["status"], run["error"]["ename"]) == ("died", "KernelDied"), run
    assert word in run["error"]["evalue"], run["error"]["evalue"]


@pytest.mark.parametrize("processes", [1, 16])
def test_a_memory_bomb_is_a_limit(attacked, processes):
    code = """
import os
for _ in range(%d):
    os.fork()
hog = []
while True:
    hog.append(bytearray(16 << 20))
""" % (processes.bit_length() - 1)
    run = cell(attacked, code)
    assert (run["status"], run["limit"]["name"]) == ("limit", "memory"), run


def test_privileges_cannot_be_gained(attacked):
    code = r"""
import os, shutil, subprocess, stat
def attempt(do, *args):
    try:
        return do(*args)
    except OSError as error:
        return type(error).__name__
shutil.copy("/usr/bin/id", "/work/id")
os.chmod("/work/id", 0o4755)
print(attempt(subprocess.run, ["/work/id"]), attempt(os.setuid, 0), attempt(os.chroot, "/"),
      attempt(os.chown, "/work/id", 0, 0), attempt(os.mknod, "/work/sda", 0o60600, 0x800),
      subprocess.run(["su", "-c", "id"], capture_output=True).returncode != 0,
      attempt(os.chmod, "/usr/bin/id", 0o777), attempt(os.remove, "/usr/bin/id"))
"""
    words = text(cell(attacked, code)).split()
    assert words[0] == "PermissionError" and words[5] == "True"
    assert all(word.endswith("Error") for word in words[1:5] + words[6:]), words


def test_no_core_is_dumped(attacked):
    code = """
import os, resource, subprocess, sys
print(resource.getrlimit(resource.RLIMIT_CORE))
subprocess.run([sys.executable, "-c", "import os; os.abort()"])
print(os.listdir("/work"))
"""
    assert text(cell(attacked, code)) == "(1, 1)\n[]\n"


def test_sessions_do_not_see_each_other(attacked):
    code = """
import os, signal
print(sorted(os.listdir("/work")), [p for p in os.listdir("/proc") if p.isdigit()].__len__() < 8)
"""
    cell(attacked, "open('/work/mine', 'w').close()", "-s", "one")
    assert text(cell(attacked, code, "-s", "two")) == "[] True\n"
