"""rows_rights.py - attacks that want to be somebody else: uids, setuid programs, capabilities."""
from table import BLOCKED, REFUSED, attack


def without_capabilities(scene):
    """What Linux says of the kernel's process, seen from outside."""
    status = scene.arena.status_of(scene.pid)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name + " is " + status[name]


def sealed(scene):
    status = scene.arena.status_of(scene.pid)
    assert status["NoNewPrivs"] == "1", "no_new_privs is not set"
    assert status["Seccomp"] == "2", "no seccomp filter"


def uid_of_its_own(scene):
    uids = set(scene.arena.status_of(scene.pid)["Uid"].split())
    assert uids == {str(scene.uid)}, uids
    if scene.arena.as_root:
        assert min(map(int, uids)) >= 1900000000, uids
    assert "0" not in uids, "root's uid"


attack("becomes root by uid calls", BLOCKED, """
REFUSALS.add("EINVAL")  # a uid that is not mapped
for name, number, *arguments in (
        ("setuid", 105, 0), ("setgid", 106, 0), ("setreuid", 113, 0, 0), ("setregid", 114, 0, 0),
        ("setresuid", 117, 0, 0, 0), ("setresgid", 119, 0, 0, 0), ("setgroups", 116, 0, 0)):
    child_call(name, number, *arguments)
for name, number in (("setfsuid", 122), ("setfsgid", 123)):
    before = LIBC.syscall(number, -1)
    LIBC.syscall(number, 0)
    if LIBC.syscall(number, -1) == 0 and before != 0:
        WON.append(name)
""", outside=uid_of_its_own)
attack("becomes one of the host's users", BLOCKED, """
REFUSALS.add("EINVAL")
for uid in (0, 1, 33, 65534, HOST["uid"] + 1, 1900000001):
    child_call("setresuid %d" % uid, 117, uid, uid, uid)
attempt("chown", os.chown, "/work", 0, 0)
""", failures=REFUSED | {"EINVAL"}, outside=uid_of_its_own)
attack("gives itself capabilities", BLOCKED, """
header = ctypes.create_string_buffer((0x20080522).to_bytes(4, "little") + bytes(4))
child_call("capset", 126, header, ctypes.create_string_buffer(b"\\xff" * 24))
child_call("ambient", 157, 47, 2, 21, 0, 0)
child_call("securebits", 157, 28, 0, 0, 0, 0)
for line in read("/proc/self/status").splitlines():
    if line.startswith("Cap") and int(line.split()[1], 16):
        WON.append(line)
""", outside=without_capabilities)
attack("runs the system's setuid programs", BLOCKED, """
import stat, subprocess
LOST["setuid"] = "EPERM"
tried = 0
for at in ("/usr/bin", "/usr/sbin", "/usr/lib", "/bin"):
    for name in os.listdir(at):
        path = os.path.join(at, name)
        if os.path.isfile(path) and os.stat(path).st_mode & stat.S_ISUID:
            tried += 1
            LOST[path] = "EPERM"
for command in (["su", "-c", "id -u"], ["mount", "-t", "tmpfs", "x", "/work"],
                ["passwd", "-l", "x"],
                ["chsh", "-s", "/bin/sh"], ["newgrp", "root"], ["unshare", "-Ur", "id", "-u"],
                ["newuidmap", str(os.getpid()), "0", "0", "1"], ["pkexec", "id", "-u"],
                ["sudo", "-n", "id", "-u"]):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        continue
    if done.returncode == 0:
        WON.append(" ".join(command))
if not tried:
    LOST["setuid"] = "no setuid program was found to try"
""", outside=sealed)
attack("makes a setuid program", BLOCKED, """
import shutil, subprocess
for at in ("/work", "/tmp", "/dev/shm", "/output"):
    path = at + "/attack-id"
    shutil.copy("/usr/bin/id", path)
    os.chmod(path, 0o6755)
    attempt(at, subprocess.check_output, [path])
    attempt("capability " + at, os.setxattr, path, "security.capability",
            bytes.fromhex("0100000200200000000000000000000000000000"))
    os.remove(path)
""", outside=sealed)
attack("runs what is not allowed by the loader's name", BLOCKED, """
import glob, shutil, subprocess
loader = glob.glob("/lib64/ld-linux*")[0]
shutil.copy("/usr/bin/id", "/work/attack-id")
done = subprocess.run([loader, "/work/attack-id", "-u"], capture_output=True, text=True)
os.remove("/work/attack-id")
LOST["loader"] = "EACCES" if done.returncode else "it ran"
if done.returncode == 0:
    WON.append("loader")
library = "/work/attack.so"
shutil.copy(glob.glob("/usr/lib/*/libz.so*")[0], library)
try:
    ctypes.CDLL(library)
except OSError:
    LOST["library"] = "EACCES"
else:
    WON.append("library")
os.remove(library)
""")
attack("raises its limits", BLOCKED, """
import resource
for name in ("NPROC", "NOFILE", "FSIZE", "CPU", "CORE", "MEMLOCK", "MSGQUEUE", "RTPRIO", "NICE",
             "SIGPENDING"):
    number = getattr(resource, "RLIMIT_" + name, None)
    number = {"NICE": 13, "SIGPENDING": 11}.get(name, number)
    hard = resource.getrlimit(number)[1]
    try:
        resource.setrlimit(number, (hard, hard + 1 if hard >= 0 else hard))
    except (ValueError, OSError):
        LOST[name] = "EPERM"
    else:
        WON.append("%s from %d" % (name, hard))
attempt("nice", os.setpriority, os.PRIO_PROCESS, 0, -5)
attempt("fifo", os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))
""")
attack("dumps a core", BLOCKED, """
import resource, subprocess
LOST["core"] = "EPERM"
subprocess.run([sys.executable, "-c", "import os; os.abort()"])
if resource.getrlimit(resource.RLIMIT_CORE)[1] not in (0, 1):
    WON.append("the limit")
WON.extend(name for name in os.listdir(".") if name.startswith("core"))
""")
