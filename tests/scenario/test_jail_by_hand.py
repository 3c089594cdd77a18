"""test_jail_by_hand.py - the stages of a jail without warden or broker (jailhand.py plays both).

Everything is asked from inside, in both stage orders: as root, from a checkout and with an input
that may lie below a 0700 folder, and as an ordinary user.
"""
import json
import os
import subprocess
import sys
import tempfile

import pytest

import jailhand

pytestmark = pytest.mark.needs("cellblock-jail")

HAND = os.path.join(jailhand.SOURCE, "tests/scenario/jailhand.py")
SPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")

FACTS = r"""
import json, os, sys
def attempt(do, *args):
    try:
        do(*args)
    except OSError as error:
        return type(error).__name__ + " " + str(error.errno)
    return "done"
def read(path):
    with open(path, "rb") as file:
        return file.read().decode(errors="replace")
facts = {
    "status": dict(line.split(":\t", 1) for line in read("/proc/self/status").splitlines()),
    "spaces": {name: os.readlink("/proc/self/ns/" + name) for name in %r},
    "uid_map": read("/proc/self/uid_map").split(),
    "environ": dict(os.environ),
    "own_environ": read("/proc/self/environ"),
    "fds": {int(fd): os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd")
            if os.path.lexists("/proc/self/fd/" + fd)},
    "pid1_cmdline": read("/proc/1/cmdline").split("\0"),
    "pid1_environ": attempt(read, "/proc/1/environ"),
    "pid1_maps": attempt(read, "/proc/1/maps"),
    "pid1_root": attempt(os.listdir, "/proc/1/root/"),
    "writes": {path: attempt(os.mkdir, path + "/cb-probe") for path in
               ("/", "/usr", "/etc", "/cb", "/cb/python", "/dev", "/run", "/input", "/proc",
                "/usr/bin", "/tmp", "/work", "/output", "/dev/shm")},
    "opens": {path: attempt(os.close, 9999) if False else attempt(os.open, path, os.O_WRONLY)
              for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/cb/init",
                           "/usr/bin/python3", "/etc/passwd", "/proc/self/oom_score_adj")},
    "there": [path for path in ("/root", "/home", "/etc/shadow", "/mnt", "/sys", "/var", "/boot",
                                "/oldroot", "/newroot") if os.path.lexists(path)],
    "top": sorted(os.listdir("/")),
    "mounts": {line.split()[4]: line.split()[5].split(",")
               for line in read("/proc/self/mountinfo").splitlines()},
    "modules": sorted({"debugpy"} & set(sys.modules)),
}
""" % (SPACES,)

SYSCALLS = r"""
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(number, *args)
    return errno.errorcode.get(ctypes.get_errno(), "done") if result == -1 else "done"
def family(number, kind=socket.SOCK_STREAM):
    try:
        socket.socket(number, kind).close()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
long, door = ctypes.c_long, socket.socket(socket.AF_UNIX)
program = ctypes.create_string_buffer(bytes([6, 0, 0, 0, 1, 0, 0, 0]))  # a filter: return 1
pointer = ctypes.create_string_buffer(
    (1).to_bytes(8, "little") + ctypes.addressof(program).to_bytes(8, "little"))
own = os.open("/work/own", os.O_RDONLY | os.O_CREAT)
facts = {
    "families": {number: family(number) for number in range(64)},
    "raw": family(socket.AF_UNIX, socket.SOCK_RAW),
    "ptrace": call(101, 0, 0, 0, 0), "mount": call(165, 0, 0, 0, 0, 0), "unshare": call(272, 0),
    "setns": call(308, 0, 0), "clone3": call(435, 0, 0), "clone_newuser": call(56, 0x10000011, 0),
    "keyctl": call(250, 0, 0), "bpf": call(321, 0, 0, 0), "perf": call(298, 0, 0, 0, 0, 0),
    "io_uring": call(425, 1, 0), "userfaultfd": call(323, 0), "memfd": call(319, b"x", 0),
    "open_tree": call(428, 0, 0, 0), "shmget": call(29, 0, 4096, 0o600), "msgget": call(68, 0, 0),
    "pidfd_getfd": call(438, 0, 0, 0), "process_vm_readv": call(310, 1, 0, 0, 0, 0, 0),
    "chroot": call(161, b"/"), "reboot": call(169, 0, 0, 0), "swapon": call(167, b"/x", 0),
    "splice": call(275, 0, 0, 0, 0, 0, 0), "future": call(600), "personality": call(135, 0x40000),
    "tiocsti": call(16, 0, 0x5412, b"x"), "syslog": call(103, 3, 0, 0), "sync": call(162),
    "mknod_block": call(133, b"/work/b", 0o060600, 0),
    "mknod_fifo": call(133, b"/work/f", 0o10600, 0),
    "attach": call(54, door.fileno(), 1, 26, pointer, 16),
    "attach_high": call(54, door.fileno(), 1, long(1 << 32 | 26), pointer, 16),
    "option_high": call(54, door.fileno(), 1, long(1 << 32 | 52), pointer, 16),
    "add_key": call(248, b"user", b"x", b"y", 1, -3), "request_key": call(249, b"user", b"x", 0, 0),
    "kexec_load": call(246, 0, 0, 0, 0), "kexec_file_load": call(320, -1, -1, 0, 0, 0),
    "init_module": call(175, 0, 0, b""), "finit_module": call(313, -1, b"", 0),
    "delete_module": call(176, b"x", 0), "clock_settime": call(227, 0, 0),
    "settimeofday": call(164, 0, 0), "adjtimex": call(159, 0), "clock_adjtime": call(305, 0, 0),
    "umount": call(166, b"/tmp", 0), "pivot_root": call(155, b"/", b"/"), "iopl": call(172, 3),
    "fsopen": call(430, b"tmpfs", 0), "fsmount": call(432, -1, 0, 0),
    "fsconfig": call(431, -1, 0, 0, 0, 0), "move_mount": call(429, -1, b"", -1, b"", 0),
    "fspick": call(433, -1, b"", 0), "mount_setattr": call(442, -1, b"", 0, 0, 0),
    "io_uring_enter": call(426, -1, 0, 0, 0, 0, 0), "io_uring_register": call(427, -1, 0, 0, 0),
    "process_vm_writev": call(311, 1, 0, 0, 0, 0, 0), "kcmp": call(312, 1, 1, 0, 0, 0),
    "process_madvise": call(440, -1, 0, 0, 0, 0), "sethostname": call(170, b"x", 1),
    "setdomainname": call(171, b"x", 1), "setns_flags": call(308, 0, 0x40000000),
    "unshare_user": call(272, 0x10000000), "clone_newnet": call(56, 0x40000011, 0),
    "fanotify": call(300, 0, 0), "quotactl": call(179, 0, 0, 0, 0), "acct": call(163, 0),
    "modify_ldt": call(154, 0, 0, 0), "memfd_secret": call(447, 0), "mbind": call(237, 0, 0, 0, 0),
    "prctl_seccomp": call(157, 22, 2, 0), "seccomp": call(317, 1, 0, 0),
    "seccomp_tsync": call(317, 1, 1, 0), "tioclinux": call(16, 0, 0x541c, b"x"),
    "personality_high": call(135, long(1 << 32 | 0x40000)), "open_by_handle": call(304, -1, 0, 0),
    "name_to_handle": call(303, -1, b"/", 0, 0, 0), "shmat": call(30, 0, 0, 0),
    "lease": call(72, own, 1024, 0), "lease_high": call(72, own, long(1 << 32 | 1024), 0),
    "inotify": call(294, 0),
}
"""

WORKLOAD = r"""
import sqlite3, subprocess, threading, multiprocessing, concurrent.futures, io, tempfile, asyncio
import numpy as np, pandas as pd, matplotlib.pyplot as plt
table = pd.DataFrame({"a": np.arange(10), "b": np.linspace(0, 1, 10)})
table.plot(); plt.savefig("/output/plot.png"); plt.show()
def double(x):
    return 2 * x
with multiprocessing.Pool(2) as pool:
    assert pool.map(double, range(4)) == [0, 2, 4, 6]
with concurrent.futures.ThreadPoolExecutor(4) as threads:
    assert sum(threads.map(double, range(10))) == 90
assert subprocess.run(["/bin/sh", "-c", "echo sub"], capture_output=True).stdout == b"sub\n"
sqlite3.connect("/work/x.db").execute("create table t (a)")
np.linalg.svd(np.random.rand(200, 200))
with tempfile.NamedTemporaryFile() as file:
    file.write(b"x")
print(table.describe().shape)
"""


@pytest.fixture(params=["root", "user"])
def hand(request, build):
    """hand(cells, inputs=(), **options) -> what jailhand.py prints, in this stage order."""
    user = None
    if request.param == "root":
        if os.getuid() != 0:
            pytest.skip("needs root")
    else:
        user = request.getfixturevalue("ordinary_user")

    def run(*cells, inputs=(), arguments=()):
        command = [sys.executable, "-B", HAND, "--build", build, *arguments]
        command += [word for path in inputs for word in ("--input", path)]
        command += [word for cell in cells for word in ("--code", cell)]
        if user and user.prefix:
            done = user.run(*command)
        else:
            done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        answer["order"] = request.param
        return answer
    return run


def facts(answer, cell=0):
    assert answer["cells"][cell]["error"] is None, answer["cells"][cell]["error"]
    return json.loads(answer["cells"][cell]["out"])


SHOW = "\nprint(json.dumps(facts))"


def test_what_a_cell_is(hand):
    answer = hand(FACTS + SHOW)
    found = facts(answer)
    status = found["status"]
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[name] == "0" * 16, name
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert status["Uid"].split() == ["1000"] * 4
    # An ordinary user cannot drop groups: the own one stays (as 1000), others are nobody's (65534).
    assert set(status["Groups"].split()) <= {"1000", "65534"}
    for name in SPACES:
        assert found["spaces"][name] != os.readlink("/proc/self/ns/" + name), name
    assert found["uid_map"][0] == "1000" and found["uid_map"][2] == "1"
    assert found["modules"] == []
    if answer["order"] == "root":
        assert "uid" not in answer["layers"]  # told at the first stage, not at this one
    assert {"seccomp"} <= set(answer["layers"])


def test_nothing_leaks_in(hand):
    os.environ["CB_TEST_SECRET"] = "hunter2"
    try:
        answer = hand(FACTS + SHOW)
    finally:
        del os.environ["CB_TEST_SECRET"]
    found = facts(answer)
    assert "hunter2" not in json.dumps(found)
    for name in found["own_environ"].split("\0")[:-1]:
        assert name.split("=")[0] in ("HOME", "PATH", "LANG", "TMPDIR", "USER", "LOGNAME",
                                      "IPYTHONDIR", "MPLBACKEND", "MPLCONFIGDIR", "OMP_NUM_THREADS",
                                      "OPENBLAS_NUM_THREADS", "PYTHONDONTWRITEBYTECODE",
                                      "PYTHONNOUSERSITE"), name
    assert found["pid1_cmdline"] == ["bwrap", "--args", "11", "--", "/cb/init", ""]
    if answer["landlock"]:
        assert found["pid1_environ"] == "PermissionError 13"
        assert found["pid1_maps"] == "PermissionError 13"
        assert found["pid1_root"] == "PermissionError 13"
    for number, target in found["fds"].items():
        assert target.startswith(("socket:", "pipe:", "anon_inode:", "/dev/", "/proc/2/fd")), \
            (number, target)


def test_what_can_be_written(hand):
    found = facts(hand(FACTS + SHOW))
    for path, result in found["writes"].items():
        allowed = path in ("/tmp", "/work", "/output", "/dev/shm")
        assert (result == "done") == allowed, (path, result)
    for path, result in found["opens"].items():
        assert result != "done", path
    assert found["there"] == []


def check_mounts(mounts):
    """Read-only unless it is the quota tmpfs or a device, nothing of the host's but the known."""
    devices = {"/dev/" + name for name in ("null", "zero", "full", "random", "urandom", "tty")}
    writable = {"/work", "/tmp", "/output", "/dev/shm"}
    for point, flags in mounts.items():
        assert ("rw" in flags) == (point in devices | writable | {"/dev/pts"}), (point, flags)
        assert "nosuid" in flags, point
        assert "nodev" in flags or point in devices | {"/dev/pts"}, (point, flags)
        assert "noexec" in flags or point in {"/usr", "/cb/init", "/dev"} | devices \
            or point.startswith("/proc/"), (point, flags)
        assert point in writable or point.split("/")[1] in ("", "usr", "etc", "cb", "proc", "dev",
                                                            "input"), point


def test_every_mount_is_as_wished(hand):
    check_mounts(facts(hand(FACTS + SHOW))["mounts"])


def test_system_calls(hand):
    found = facts(hand(SYSCALLS + "\nimport json" + SHOW))
    families = {int(number): result for number, result in found.pop("families").items()}
    assert families.pop(1) == "done"
    assert families.pop(16) in ("EOPNOTSUPP", "ENOTSUP")
    assert set(families.values()) == {"EPERM"}
    missing = {"clone3", "io_uring", "memfd", "open_tree", "splice", "future", "inotify",
               "fsopen", "fsmount", "fsconfig", "move_mount", "fspick", "mount_setattr",
               "io_uring_enter", "io_uring_register", "memfd_secret"}
    done = {"raw", "mknod_fifo"}
    for name, result in found.items():
        wanted = "ENOSYS" if name in missing else "done" if name in done else "EPERM"
        assert result == wanted, (name, result)


def test_other_abis_are_death(hand):
    code = r"""
import subprocess, sys
program = '''
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex(%r))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
'''
# int 0x80 getpid; then x32 getpid
for text in ("b814000000cd80c3", "b827000040" "0f05c3"):
    print(subprocess.run([sys.executable, "-c", program % text]).returncode)
"""
    cell = hand(code)["cells"][0]
    assert cell["out"].split() == ["-31", "-31"], cell


def test_science_runs(hand):
    cell = hand(WORKLOAD)["cells"][0]
    assert cell["error"] is None, "\n".join(cell["error"]["traceback"])
    assert "(8, 2)" in cell["out"]
    assert ["image/png", "text/plain"] in cell["data"]


def test_loopback_is_asked_for(hand):
    code = """
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
print([line.split(":")[0].strip() for line in open("/proc/net/dev")][2:])
"""
    refused, allowed = hand(code)["cells"][0], hand(code, arguments=["--loopback"])["cells"][0]
    assert refused["error"]["ename"] == "PermissionError"
    assert allowed["error"] is None and "'lo'" in allowed["out"] and "eth" not in allowed["out"]


def test_hints(hand):
    cells = ['open("/home/me/data.csv")', 'open("data.csv")', 'open("/work/none")',
             'import socket; socket.create_connection(("example.org", 80))',
             'import socket; socket.socket()',
             'import urllib.request as u; u.urlopen("http://10.1.2.3/")',
             'open("/usr/x", "w")', 'open("/work/x", "wb").write(bytes(300 << 20))', '1 / 0',
             'import pandas as pd; pd.read_csv("/data/all.csv")', 'open("data/all.csv")',
             'import nowhere_to_be_found']
    answer = hand(*cells, arguments=["--profile", "careful"])
    hints = [cell["error"]["traceback"][-1] for cell in answer["cells"]]
    assert "--input /home/me/data.csv" in hints[0] and "/input/data.csv" in hints[0]
    assert "/work, not yours" in hints[1] and "--input" in hints[1]
    assert "--input" not in hints[2]
    for hint in hints[3:6]:
        assert hint.startswith("cellblock: this jail has no network (profile careful): ")
    assert "can be written" in hints[6] or "cellblock" not in hints[6]
    assert "disk limit" in hints[7]
    assert "cellblock" not in hints[8]
    assert "--input /data/all.csv" in hints[9]
    assert "/input/all.csv" in hints[10]
    assert "packages" in hints[11]


def test_streams_are_mended(hand):
    answer = hand(
        'import os; os.write(1, b"\\xff\\xfe ok\\n")', 'print("x" * 20_000_000)',
        'import subprocess as s; s.run(["sh", "-c", "yes | head -c 1000000"]); print("end")',
        'import os; print(os.fsdecode(b"name-\\xff"))', 'raise ValueError("\\udc80")',
        'print("alive")',
        'import os\nif os.fork() == 0:\n    print("child", flush=True); os._exit(0)\nos.wait()',
        'for i in range(5000): display(i)')
    cells = answer["cells"]
    assert cells[0]["out"].endswith(" ok\n")
    assert len(cells[1]["out"]) == 20_000_001 and cells[1]["messages"] > 100
    assert cells[2]["out"].count("y") == 500_000 and cells[2]["out"].endswith("end\n")
    assert cells[3]["out"] == "name-\ufffd\n"
    assert cells[4]["error"]["evalue"] == "\ufffd"
    assert cells[5]["out"] == "alive\n"
    assert "child" in cells[6]["out"]
    assert len(cells[7]["data"]) == 5000


def test_a_private_input_can_be_read(hand, request):
    answer_for = {"root": "/root", "user": None}
    order = request.node.callspec.params["hand"]
    with tempfile.TemporaryDirectory(dir=answer_for[order]) as folder:
        path = os.path.join(folder, "secret.csv")
        os.makedirs(os.path.join(folder, "many", "deep"))
        inner = os.path.join(folder, "many", "deep", "two.csv")
        for name in (path, inner):
            with open(name, "w", encoding="utf-8") as file:
                file.write("a,b\n1,2\n")
            os.chmod(name, 0o600)
        if order == "user" and os.getuid() == 0:
            user = request.getfixturevalue("ordinary_user")
            for at, names, files in os.walk(folder):
                for name in ["."] + names + files:
                    os.chown(os.path.join(at, name), user.uid, user.gid)
        answer = hand('print(open("/input/secret.csv").read())',
                      'print(open("/input/many/deep/two.csv").read())',
                      'open("/input/secret.csv", "a")', 'import os; os.chmod("/input/many", 0o777)',
                      'print(open("/proc/self/mountinfo").read().count("idmapped"))',
                      inputs=[path, os.path.join(folder, "many")])
        cells = answer["cells"]
        assert cells[0]["out"] == cells[1]["out"] == "a,b\n1,2\n\n"
        assert cells[2]["error"]["ename"] in ("OSError", "PermissionError")
        assert cells[3]["error"]["ename"] in ("OSError", "PermissionError")
        # The folder's mapping is below its overlay.
        assert cells[4]["out"] == ("1\n" if order == "root" else "0\n")


def test_bombs_hit_limits(hand):
    forks = """
import os, time
count = 0
children = []
try:
    while count < 1000:
        pid = os.fork()
        if pid == 0:
            time.sleep(60); os._exit(0)
        children.append(pid); count += 1
except OSError as error:
    print(count, error.errno)
for pid in children:
    os.kill(pid, 9); os.waitpid(pid, 0)
"""
    files = """
try:
    for count in range(10000):
        open(f"/work/{count}", "w").close()
except OSError as error:
    print(count, error.errno)
"""
    limits = """
import resource
print(*[resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1] for name in
        ("CORE", "NOFILE", "FSIZE", "MEMLOCK", "CPU")])
"""
    cells = hand(forks, files, limits)["cells"]
    count, code = map(int, cells[0]["out"].split())
    assert code == 11 and 30 < count < 64
    count, code = map(int, cells[1]["out"].split())
    assert code == 28 and 4000 < count <= 4096
    assert cells[2]["out"].split() == ["1", "512", str(256 << 20), "65536", "3602"]
