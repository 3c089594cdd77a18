"""rows_files.py - attacks that write where a cell must not: the system, /proc, the kernel's files.
"""
import os
import socket

from table import ABSENT, BLOCKED, HIDDEN, REFUSED, attack


def input_unchanged(scene):
    assert scene.arena.input_text() == scene.arena.INPUT, "the input was changed"
    assert scene.arena.input_stat() == scene.arena.input_before, "the input's attributes changed"


def inputs(arena):
    return [{"path": arena.input}]


attack("writes into /usr", BLOCKED, """
for path in ("/usr/cb-attack", "/usr/bin/cb-attack", "/usr/lib/python3/dist-packages/attack.pth",
             "/usr/local/cb-attack", "/bin/cb-attack", "/lib/cb-attack"):
    attempt(path, write, path)
attempt("replace", os.rename, "/usr/bin/true", "/usr/bin/false")
attempt("remove", os.remove, "/usr/bin/env")
attempt("truncate", os.truncate, "/usr/bin/yes", 0)
attempt("chmod", os.chmod, "/usr/bin/id", 0o4755)
attempt("link", os.symlink, "/work", "/usr/attack-link")
""")
attack("writes into /etc", BLOCKED, """
for name in ("passwd", "shadow", "ld.so.preload", "ld.so.cache", "hosts", "profile", "attack"):
    attempt(name, write, "/etc/" + name)
attempt("remove", os.remove, "/etc/passwd")
""")
attack("writes into the root folder and beside it", BLOCKED, """
for path in ("/attack", "/run/attack", "/input/attack", "/dev/attack", "/cb/attack", "/dev/pts/x"):
    attempt(path, write, path)
for path in ("/usr", "/bin", "/dev/null", "/etc", "/cb"):
    attempt("move " + path, os.rename, path, path + ".old")
attempt("mkdir", os.mkdir, "/attack-folder")
""", failures=REFUSED | ABSENT | {"EBUSY", "EXDEV"})
attack("overwrites the kernel's files", BLOCKED, """
import IPython, ipykernel
for path in ("/cb/launcher.py", "/cb/python/launcher.py", "/cb/init", IPython.__file__,
             ipykernel.__file__, json.__file__, sys.executable):
    attempt(path, os.open, path, os.O_WRONLY)
    attempt("remove " + path, os.remove, path)
    attempt("chmod " + path, os.chmod, path, 0o777)
""", failures=REFUSED | ABSENT | {"ETXTBSY"})
attack("overwrites the program it is, by /proc/self/exe", BLOCKED, """
attempt("open", os.open, "/proc/self/exe", os.O_WRONLY)
fd = os.open("/proc/self/exe", os.O_PATH)
attempt("again", os.open, "/proc/self/fd/%d" % fd, os.O_WRONLY)
attempt("truncate", os.truncate, "/proc/self/exe", 1 << 30)
""", failures=REFUSED | {"ETXTBSY", "EFBIG"},
       control="Linux refuses root as well: the program runs (ETXTBSY)")
attack("sets core_pattern", BLOCKED, """
path = "/proc/sys/kernel/core_pattern"
attempt("core_pattern", write, path, read(path))
for name in ("modprobe", "hotplug", "poweroff_cmd"):
    path = "/proc/sys/kernel/" + name
    attempt(name, lambda: write(path, read(path)))
""", failures=REFUSED | ABSENT)
attack("sets the kernel's switches", BLOCKED, """
for name in ("kernel/hostname", "kernel/panic", "kernel/randomize_va_space", "vm/overcommit_memory",
             "fs/suid_dumpable", "kernel/ns_last_pid", "user/max_user_namespaces", "vm/drop_caches",
             "kernel/msgmax", "kernel/shmmax", "kernel/sem", "net/ipv4/ip_forward"):
    path = "/proc/sys/" + name
    attempt(name, os.open, path, os.O_WRONLY)
attempt("sysrq", os.open, "/proc/sysrq-trigger", os.O_WRONLY)
""", failures=REFUSED | ABSENT)
attack("writes to /sys", HIDDEN, """
for path in ("/sys/kernel/uevent_helper", "/sys/fs/cgroup/release_agent", "/sys/power/state",
             "/sys/kernel/mm/ksm/run", "/sys/fs/cgroup/cgroup.procs"):
    attempt(path, os.open, path, os.O_WRONLY)
""")
attack("writes what it may not of its own /proc", BLOCKED, """
for name, text in (("oom_score_adj", "-1000"), ("uid_map", "0 0 1"), ("setgroups", "allow"),
                   ("loginuid", "0"), ("autogroup", "-20"), ("coredump_filter", "0x7f"),
                   ("timens_offsets", "monotonic 1 0"), ("attr/current", "unconfined")):
    attempt(name, write, "/proc/self/" + name, text)
""", failures=REFUSED | ABSENT | {"EINVAL"})
attack("writes to an input", BLOCKED, """
path = "/input/%s/data.csv" % HOST["input"]
for name, do in (("write", lambda: write(path)), ("append", lambda: open(path, "a")),
                 ("truncate", lambda: os.truncate(path, 0)), ("chmod", lambda: os.chmod(path, 0)),
                 ("utime", lambda: os.utime(path, (0, 0))), ("remove", lambda: os.remove(path)),
                 ("rename", lambda: os.rename(path, path + "x")),
                 ("link", lambda: os.link(path, "/work/data")),
                 ("chown", lambda: os.chown(path, 1000, 1000)),
                 ("new", lambda: write(os.path.dirname(path) + "/new"))):
    attempt(name, do)
for flags in (os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
    fd = os.open(path, os.O_RDONLY)
    attempt(str(flags), os.open, "/proc/self/fd/%d" % fd, flags)
""", alone=True, inputs=inputs, outside=input_unchanged, failures=REFUSED | {"EXDEV"},
       control="an input is made for a session")
attack("follows a link out of an input", HIDDEN, """
for name in ("to-shadow", "to-secret", "to-root/etc/shadow", "up/../../../../etc/shadow"):
    look(name, read, "/input/%s/%s" % (HOST["input"], name))
    attempt(name, os.stat, "/input/%s/%s" % (HOST["input"], name))
""", alone=True, inputs=inputs, control="an input is made for a session")
attack("asks where an input folder lies on the host", HIDDEN, """
LOST["place"] = "nothing"
open("/input/%s/data.csv" % HOST["input"]).close()
for name in ("mountinfo", "mounts", "mountstats", "maps", "task/%d/mountinfo" % os.getpid()):
    text = open("/proc/self/" + name).read()
    print(text)
    if HOST["folder"] in text:
        WON.append(name)
""", alone=True, inputs=inputs, control="an input is made for a session")
def make_door(scene):
    """A socket and a pipe that appear in an input when the jail is there already."""
    folder = scene.arena.input
    scene.door = socket.socket(socket.AF_UNIX)
    scene.door.bind(os.path.join(folder, "door"))
    scene.door.listen(4)
    scene.door.setblocking(False)
    os.mkfifo(os.path.join(folder, "pipe"))
    for name in ("door", "pipe"):
        os.chmod(os.path.join(folder, name), 0o777)
        os.chown(os.path.join(folder, name), scene.arena.uid, -1)
    scene.pipe = os.open(os.path.join(folder, "pipe"), os.O_RDONLY | os.O_NONBLOCK)


def nobody_came(scene):
    try:
        scene.door.accept()[0].close()
        came = True
    except BlockingIOError:
        came = bool(os.read(scene.pipe, 9))
    finally:
        scene.door.close()
        os.close(scene.pipe)
        for name in ("door", "pipe"):
            os.unlink(os.path.join(scene.arena.input, name))
        scene.arena.before = scene.arena.fingerprint()  # the folder's time
        scene.arena.input_before = scene.arena.input_stat()
    assert not came, "a door in an input leads out"


attack("uses doors that appear in an input", BLOCKED, """
import socket
at = "/input/%s/" % HOST["input"]
with socket.socket(socket.AF_UNIX) as door:
    attempt("socket", door.connect, at + "door")
def through():
    fd = os.open(at + "pipe", os.O_WRONLY | os.O_NONBLOCK)
    os.write(fd, b"attack")
attempt("pipe", through)
""", alone=True, inputs=inputs, prepare=make_door, outside=nobody_came,
       failures=REFUSED | ABSENT | {"ECONNREFUSED"}, control="an input is made for a session")
attack("holds up who writes an input, by lease and lock", BLOCKED, """
import fcntl
path = "/input/%s/data.csv" % HOST["input"]
fd = os.open(path, os.O_RDONLY)
attempt("lease", fcntl.fcntl, fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
attempt("notify", fcntl.fcntl, os.open("/input/" + HOST["input"], 0), fcntl.F_NOTIFY, 2)
call("inotify", 294, 0)
call("fanotify", 300, 0, 0)
""", alone=True, inputs=inputs, control="an input is made for a session")
attack("makes device nodes", BLOCKED, """
import stat
for at in ("/work", "/tmp", "/dev/shm", "/dev", "/output"):
    for name, kind, number in (("disk", stat.S_IFBLK, os.makedev(254, 0)),
                               ("memory", stat.S_IFCHR, os.makedev(1, 1))):
        attempt(at + " " + name, os.mknod, at + "/attack-" + name, kind | 0o666, number)
""")
attack("executes what it wrote", BLOCKED, """
import shutil, subprocess
for at in ("/work", "/tmp", "/dev/shm", "/output"):
    path = at + "/attack-program"
    shutil.copy("/usr/bin/true", path)
    os.chmod(path, 0o755)
    attempt(at, subprocess.check_call, [path])
    os.remove(path)
""")
attack("opens files by handle, past all mounts", BLOCKED, """
handle = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(140))
mount = ctypes.c_int()
call("name_to_handle_at", 303, -100, ctypes.c_char_p(b"/usr"), handle, ctypes.byref(mount), 0)
call("open_by_handle_at", 304, os.open("/usr", 0), handle, 0)
""")
attack("breaks the read-only mounts by the page cache", BLOCKED, """
pipe, file = os.pipe(), os.open("/usr/bin/id", os.O_RDONLY)
offset = ctypes.c_long(1)
if call("splice", 275, file, ctypes.byref(offset), pipe[1], None, 1, 0) == 1:
    WON.append("a page of /usr in a pipe")
call("vmsplice", 278, pipe[1], None, 0, 0)
call("tee", 276, pipe[0], pipe[1], 1, 0)
""")
